/* SPDX-License-Identifier: BSD-3-Clause */
/* What the sub-commands about the machine share: which machine, and names for its devices. */
#ifndef WEIR_TOOL_HOST_H
#define WEIR_TOOL_HOST_H

#include "tool.h"

#include <getopt.h>
#include <json-c/json.h>

/* Long options that several have; their values in a list of struct option. */
enum { OPT_ROOT = 256, OPT_SNAPSHOT, OPT_IDS, OPT_JSON };
#define HOST_OPTIONS                                                                               \
    {"root", 1, 0, OPT_ROOT}, {"snapshot", 1, 0, OPT_SNAPSHOT},                                    \
    {                                                                                              \
        "ids", 1, 0, OPT_IDS                                                                       \
    }

#define HOST_USAGE                                                                                 \
    "  --root DIR          the machine whose sys and proc are in DIR\n"                            \
    "  --snapshot FILE     the machine in FILE, from weir snapshot\n"                              \
    "  --ids FILE          names of devices from FILE, not the system's pci.ids\n"

struct host_choice {
    const char *root, *snapshot, *ids;
};

/* Take one of HOST_OPTIONS; false if it is another. */
bool host_option(struct host_choice *c, int option, const char *value);

struct weir_host *host_open(const struct host_choice *c, struct weir_error *err);

/* A function that the command line names. Says so and returns NULL if there is none. */
const struct weir_function *host_need(const struct weir_host *h, const char *name);

/* Is it how a PCI function is called, "0000:01:00.0" or "01:00.0"? If not, says what is, for cmd.
 */
bool host_name(const struct command *cmd, const char *name);

struct names;

/* NULL if there is no list of names: names are empty then. */
struct names *names_open(const char *ids);
void names_close(struct names *n);

/* "Vendor Device", cut to fit; "" if it is not known. Returns out. */
const char *names_get(struct names *n, const struct weir_function *f, char *out, size_t size);

/* "root port", "VF of 0000:01:00.0", ... Returns out. */
const char *host_role(const struct weir_host *h, const struct weir_function *f, char *out,
                      size_t size);

/* Is the group viable: does no member keep VFIO from using it? */
bool host_viable(const struct weir_host *h, const struct weir_group *g);

/* "SV RR CR UF". Returns out. */
const char *host_acs_bits(unsigned bits, char *out, size_t size);

/* The reason for which b is in the group of a, in words. Returns out. */
const char *host_reason(const struct weir_host *h, const struct weir_function *a,
                        const struct weir_function *b, const struct weir_reason *r, char *out,
                        size_t size);

void json_text(struct json_object *o, const char *key, const char *text);
void json_number(struct json_object *o, const char *key, uint64_t value);
/* true, false, or null if it is not known. */
void json_known(struct json_object *o, const char *key, enum weir_known value);
/* The name of a function, or null. */
void json_function(struct json_object *o, const char *key, const struct weir_host *h, int index);
void json_print(struct json_object *o);

/* groups_show.c */
void groups_tree(const struct weir_host *h, struct names *n);
void groups_dot(const struct weir_host *h, struct names *n);
void groups_json(const struct weir_host *h, struct names *n);

#endif
