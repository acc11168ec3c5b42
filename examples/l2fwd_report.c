/* SPDX-License-Identifier: BSD-3-Clause */
/* What l2fwd tells: a line for each port now and then, and all counters as JSON. */
#include "l2fwd.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#define ADD(object, from, member)                                                                  \
    json_object_object_add(object, #member, json_object_new_uint64((from)->member))

/* Packets on their way to the port that were dropped here. */
static void port_drops(const struct app *app, const struct port *p, uint64_t *full,
                       uint64_t *no_port)
{
    *full = *no_port = 0;
    for (unsigned i = 0; i < app->n_lanes; i++) {
        *full += app->lanes[i].to == p ? app->lanes[i].tx_full : 0;
        *no_port += app->lanes[i].to == p ? app->lanes[i].no_port : 0;
    }
}

void print_port(struct app *app, struct port *p, double seconds)
{
    struct weir_port_stats s = p->last;
    uint64_t full, no_port;

    weir_port_stats(p->port, &s, NULL);
    port_drops(app, p, &full, &no_port);
    printf("port %u:%s", p->index, p->up ? "" : " lost,");
    if (seconds > 0)
        printf(" rx %.3f Mpps %.1f Mbit/s, tx %.3f Mpps %.1f Mbit/s,",
               (double)(s.rx_packets - p->last.rx_packets) / seconds / 1e6,
               (double)(s.rx_bytes - p->last.rx_bytes) * 8 / seconds / 1e6,
               (double)(s.tx_packets - p->last.tx_packets) / seconds / 1e6,
               (double)(s.tx_bytes - p->last.tx_bytes) * 8 / seconds / 1e6);
    printf(" total rx %" PRIu64 " tx %" PRIu64 ", dropped: %" PRIu64
           " missed by the device, %" PRIu64 " with errors, %" PRIu64
           " transmit ring full, %" PRIu64 " port lost\n",
           s.rx_packets, s.tx_packets, s.rx_missed, s.rx_errors, full, no_port);
    p->last = s;
}

static struct json_object *queue_json(const struct weir_queue_stats *qs)
{
    struct json_object *o = json_object_new_object();
    ADD(o, qs, packets);
    ADD(o, qs, bytes);
    ADD(o, qs, dropped);
    return o;
}

static struct json_object *port_json(const struct app *app, const struct port *p)
{
    struct json_object *o = json_object_new_object(), *rx = json_object_new_array();
    struct json_object *tx = json_object_new_array(), *wire = json_object_new_object();
    struct weir_queue_stats qs;
    struct weir_model_stats m;
    struct weir_link link;
    struct {
        uint64_t tx_full, tx_no_port;
    } drops;

    json_object_object_add(o, "device", json_object_new_string(p->name));
    json_object_object_add(o, "lost", json_object_new_boolean(!p->up));
    ADD(o, p, losses);
    weir_port_link(p->port, &link);
    json_object_object_add(o, "link_up", json_object_new_boolean(link.up));
    json_object_object_add(o, "link_mbps", json_object_new_uint64(link.mbps));
    ADD(o, &p->last, rx_packets);
    ADD(o, &p->last, rx_bytes);
    ADD(o, &p->last, tx_packets);
    ADD(o, &p->last, tx_bytes);
    ADD(o, &p->last, rx_missed);
    ADD(o, &p->last, rx_errors);
    ADD(o, &p->last, rx_no_buffer);
    ADD(o, &p->last, rx_bad_descriptor);
    port_drops(app, p, &drops.tx_full, &drops.tx_no_port);
    ADD(o, &drops, tx_full);
    ADD(o, &drops, tx_no_port);
    for (unsigned q = 0; q < app->opt.queues; q++) {
        weir_rxq_stats(weir_port_rxq(p->port, q), &qs);
        json_object_array_add(rx, queue_json(&qs));
        weir_txq_stats(weir_port_txq(p->port, q), &qs);
        json_object_array_add(tx, queue_json(&qs));
    }
    json_object_object_add(o, "rx_queues", rx);
    json_object_object_add(o, "tx_queues", tx);
    json_object_object_add(o, "wire", wire);
    if (p->model) {
        weir_model_stats(p->model, &m);
        ADD(wire, &m, rx_frames);
        ADD(wire, &m, rx_bytes);
        ADD(wire, &m, rx_dropped);
        ADD(wire, &m, tx_frames);
        ADD(wire, &m, tx_bytes);
        ADD(wire, &m, tx_dropped);
        ADD(wire, &m, gen_good);
        ADD(wire, &m, gen_missing);
        ADD(wire, &m, gen_late);
        ADD(wire, &m, gen_bad);
        ADD(wire, &m, dma_faults);
    }
    return o;
}

int write_json(const struct app *app, double seconds)
{
    struct json_object *root = json_object_new_object(), *list = json_object_new_array();
    int failed;

    json_object_object_add(root, "version", json_object_new_string(weir_version()));
    json_object_object_add(root, "seconds", json_object_new_double(seconds));
    json_object_object_add(root, "ports", list);
    for (unsigned i = 0; i < app->n_ports; i++)
        json_object_array_add(list, port_json(app, &app->ports[i]));
    failed = json_object_to_file_ext(app->opt.json, root, JSON_C_TO_STRING_PRETTY);
    if (failed)
        fprintf(stderr, "l2fwd: write %s: %s\n", app->opt.json, strerror(errno));
    json_object_put(root);
    return failed;
}
