/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is kept of files that say more than this needs to know. Each changes text in place; what is
 * left names no person, machine or network address.
 */
#ifndef WEIR_HOST_FILTER_H
#define WEIR_HOST_FILTER_H

#include <weir/types.h>

typedef void weir_filter_fn(char *text);

weir_filter_fn weir_filter_cmdline;    /* parameters about IOMMUs, PCI, VFIO and hugepages */
weir_filter_fn weir_filter_cpuinfo;    /* the first CPU's vendor_id and address sizes */
weir_filter_fn weir_filter_status;     /* Uid, Gid, Groups, CapEff */
weir_filter_fn weir_filter_limits;     /* Max locked memory */
weir_filter_fn weir_filter_mounts;     /* mountinfo: "MAJOR:MINOR WHERE" or "NAME WHERE" */
weir_filter_fn weir_filter_swaps;      /* names of partitions */
weir_filter_fn weir_filter_interrupts; /* which kinds of interrupt chips there are */
weir_filter_fn weir_filter_modules;    /* names of VFIO's modules */
weir_filter_fn weir_filter_routes;     /* interfaces with IPv4 routes */
weir_filter_fn weir_filter_inet6;      /* interfaces with IPv6 addresses beyond their link */

/* Is a network interface named after its hardware address, as "enx001122334455"? A path may go on
 * behind it. */
bool weir_filter_names_mac(const char *name);

#endif
