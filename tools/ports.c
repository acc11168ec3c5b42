/* SPDX-License-Identifier: BSD-3-Clause */
/* weir ports: open network devices and show what they are and can do. */
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] = "usage: weir ports [OPTION]... DEVICE...\n\n"
                            "Opens network devices by name, starts each and shows what it is: "
                            "driver, address, link, queues,\n"
                            "and the receive and transmit paths that the driver chose.\n\n"
                            "  --wait SECONDS   wait that long for a link (1)\n"
                            "  --json           as JSON\n"
                            "  -v               say more; -vv: everything\n";

#define POOL_PACKETS 2048

/* What is known of one port; copies, as the port is closed by the time it is shown. */
struct row {
    const char *name;
    char driver[32], rx_path[32], tx_path[32];
    struct weir_device_info device;
    struct weir_port_info port;
    struct weir_link link;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void wait_for_link(struct weir *w, struct weir_port *port, uint64_t ns,
                          struct weir_link *link)
{
    uint64_t end = now_ns() + ns;
    struct weir_event events[8];

    while (weir_port_link(port, link), !link->up && now_ns() < end) {
        weir_events(w, events, 8);
        if (weir_models_step(w, 64) == 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static void copy(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "-");
}

static int look(const char *name, uint64_t wait_ns, int level, struct row *row,
                struct weir_error *err)
{
    /* Ordinary pages: looking must work where no hugepages are set up. */
    struct weir_arena_options memory = {.size = sizeof memory, .name = "weir ports", .page = 4096};
    struct weir_pktpool_options pool = {.size = sizeof pool, .packets = POOL_PACKETS};
    struct weir_port_options opt = {.size = sizeof opt};
    struct weir *w = tool_instance((enum weir_log_level)level, err);
    struct weir_device *device = w ? weir_device_open(w, name, NULL, err) : NULL;
    struct weir_arena *arena = NULL;
    struct weir_port *port = NULL;
    struct weir_device_info info;
    struct weir_space_info space;

    if (device) {
        weir_device_info(device, &info);
        weir_space_info(info.space, &space);
        if (!strcmp(space.kind, "no-iommu")) /* which leaves no choice */
            memory.page = 0;
        memory.spaces = &info.space;
        memory.n_spaces = 1;
        memory.bytes = weir_pktpool_bytes(&pool) + (1 << 20);
        arena = weir_arena_new(w, &memory, err);
    }
    if (arena)
        opt.pool = weir_pktpool_new(arena, &pool, err);
    if (opt.pool)
        port = weir_port_new(device, &opt, err);
    if (!port || weir_port_start(port, err)) {
        weir_free(w);
        return -1;
    }
    wait_for_link(w, port, wait_ns, &row->link);
    row->name = name;
    weir_device_info(weir_port_device(port), &row->device);
    weir_port_info(port, &row->port);
    copy(row->driver, sizeof row->driver, row->port.driver);
    copy(row->rx_path, sizeof row->rx_path, row->port.rx_path);
    copy(row->tx_path, sizeof row->tx_path, row->port.tx_path);
    weir_free(w);
    return 0;
}

static void mac_text(char out[18], const uint8_t mac[6])
{
    snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
}

static void print_table(const struct row *rows, unsigned n)
{
    int width = 6;
    for (unsigned i = 0; i < n; i++)
        if ((int)strlen(rows[i].name) > width)
            width = (int)strlen(rows[i].name);

    printf("%-*s  %-9s  %-8s  %-17s  %-12s  %-9s  %-9s  %-7s  %-10s  %-10s  %s\n", width, "device",
           "id", "driver", "address", "link", "rx queues", "tx queues", "max mtu", "rx path",
           "tx path", "node");
    for (const struct row *r = rows; r < rows + n; r++) {
        char mac[18], link[24] = "down", node[12] = "-";
        mac_text(mac, r->port.mac);
        if (r->link.up)
            snprintf(link, sizeof link, "%u Mbit/s", r->link.mbps);
        if (r->device.node >= 0)
            snprintf(node, sizeof node, "%d", r->device.node);
        printf("%-*s  %04x:%04x  %-8s  %-17s  %-12s  %-9u  %-9u  %-7u  %-10s  %-10s  %s\n", width,
               r->name, r->device.vendor, r->device.device, r->driver, mac, link,
               r->port.max_rx_queues, r->port.max_tx_queues, r->port.max_mtu, r->rx_path,
               r->tx_path, node);
    }
}

static void print_json(const struct row *rows, unsigned n)
{
    struct json_object *list = json_object_new_array();

    for (const struct row *r = rows; r < rows + n; r++) {
        struct json_object *o = json_object_new_object();
        char text[18];
        json_object_object_add(o, "device", json_object_new_string(r->name));
        snprintf(text, sizeof text, "%04x:%04x", r->device.vendor, r->device.device);
        json_object_object_add(o, "id", json_object_new_string(text));
        json_object_object_add(o, "driver", json_object_new_string(r->driver));
        mac_text(text, r->port.mac);
        json_object_object_add(o, "mac", json_object_new_string(text));
        json_object_object_add(o, "link_up", json_object_new_boolean(r->link.up));
        json_object_object_add(o, "link_mbps", json_object_new_uint64(r->link.mbps));
        json_object_object_add(o, "max_rx_queues", json_object_new_uint64(r->port.max_rx_queues));
        json_object_object_add(o, "max_tx_queues", json_object_new_uint64(r->port.max_tx_queues));
        json_object_object_add(o, "mtu", json_object_new_uint64(r->port.mtu));
        json_object_object_add(o, "max_mtu", json_object_new_uint64(r->port.max_mtu));
        json_object_object_add(o, "rx_path", json_object_new_string(r->rx_path));
        json_object_object_add(o, "tx_path", json_object_new_string(r->tx_path));
        json_object_object_add(o, "node",
                               r->device.node < 0 ? NULL : json_object_new_int(r->device.node));
        json_object_array_add(list, o);
    }
    puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY));
    json_object_put(list);
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {
        {"wait", 1, 0, 'w'}, {"json", 0, 0, 'j'}, {"help", 0, 0, 'h'}, {0}};
    uint64_t wait_ns = 1000000000;
    bool json = false;
    int level = WEIR_LOG_ERROR, c, status = 0;
    struct row *rows;
    unsigned n = 0;

    while ((c = getopt_long(argc, argv, "vh", longs, NULL)) != -1) {
        switch (c) {
        case 'w':
            if (strcmp(optarg, "0") == 0)
                wait_ns = 0;
            else if (!tool_seconds(optarg, &wait_ns))
                return tool_usage(&command_ports, "--wait %s: expected seconds, 0 to 86400",
                                  optarg);
            break;
        case 'j':
            json = true;
            break;
        case 'v':
            level = level == WEIR_LOG_ERROR ? WEIR_LOG_INFO : WEIR_LOG_DEBUG;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            return tool_usage_getopt(&command_ports);
        }
    }
    if (optind == argc)
        return tool_usage(&command_ports, "which device? For example model:x540?wire=loopback");
    rows = calloc((size_t)(argc - optind), sizeof *rows);
    if (!rows) {
        fputs("weir: out of memory\n", stderr);
        return 1;
    }
    /* One that cannot be opened does not hide the others. */
    for (int i = optind; i < argc; i++) {
        struct weir_error err;
        if (look(argv[i], wait_ns, level, &rows[n], &err) == 0)
            n++;
        else
            status = tool_failed(&err);
    }
    if (json)
        print_json(rows, n);
    else if (n)
        print_table(rows, n);
    free(rows);
    return status;
}

const struct command command_ports = {
    .name = "ports",
    .summary = "open network devices and show what they are and can do",
    .usage = usage,
    .run = run,
};
