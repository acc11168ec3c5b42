/* SPDX-License-Identifier: BSD-3-Clause */
/* weir model: serve a software device to other processes over vfio-user. */
#include "iotlb.h"
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weir/driver/model.h>
#include <weir/driver/wire.h>

static const char usage[] =
    "usage: weir model NAME --socket PATH [OPTION]...\n"
    "       weir model --list\n\n"
    "Serves a device model over vfio-user until SIGINT or SIGTERM, one client at a time. Prints\n"
    "'serving NAME on PATH' once clients may come, and what the wire carried at the end.\n"
    "SIGUSR1 pulls the cable, SIGUSR2 plugs it in again.\n\n"
    "  --socket PATH       the UNIX socket to listen on\n"
    "  --wire SPEC         what its frames travel on: loopback, tap:tap0, packet:veth1,gro,\n"
    "                      pcap:in=a.pcap,out=b.pcap, gen:size=60,rate=1M,count=1000, ...\n"
    "  --param KEY=VALUE   a parameter of the model; weir model --list names them\n"
    "  --iotlb SHAPE       count the translations of an IOTLB: on, a number of entries, or\n"
    "                      entries=64,ways=4,pages=4K+2M+1G,bits=48\n"
    "  --link up|down      whether the cable is in at the start (up)\n"
    "  --stats SECONDS     print the counters that often\n"
    "  --stats-json FILE   write them to FILE at the end\n"
    "  -v                  say more; -vv: everything\n"
    "  --list              list the models and the kinds of wires\n";

/* Changed by the signal handler, which cannot be told whom it serves. */
static struct weir_server *volatile serving;
static volatile sig_atomic_t stop, plugged = 1;

static void on_signal(int number)
{
    int saved = errno;

    if (number == SIGUSR1 || number == SIGUSR2)
        plugged = number == SIGUSR2;
    else
        stop = 1;
    if (serving)
        weir_server_wake(serving);
    errno = saved;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int list(void)
{
    struct weir_error err;
    struct weir *w = tool_instance(WEIR_LOG_WARNING, &err);
    const struct weir_model_ops *model;
    const struct weir_wire_ops *wire;

    if (!w)
        return tool_failed(&err);
    for (unsigned i = 0; (model = weir_model_at(w, i)); i++) {
        printf("model %s: %04x:%04x", model->name, model->pci.vendor, model->pci.device);
        if (model->wires)
            printf(", --wire%s", model->wires > 1 ? " more than once" : "");
        if (model->params && *model->params)
            printf(", --param: %s", model->params);
        printf("\n");
        if (model->help && *model->help)
            printf("%s%s", model->help, model->help[strlen(model->help) - 1] == '\n' ? "" : "\n");
    }
    printf("every model\niotlb=SHAPE       count its translations, as --iotlb does\n");
    for (unsigned i = 0; (wire = weir_wire_at(w, i)); i++)
        printf("wire %s%s%s\n", wire->kind, wire->help[0] ? ":" : "", wire->help);
    weir_free(w);
    return 0;
}

static void print_stats(struct weir_model *m, struct weir_iotlb_stats *iotlb)
{
    struct weir_model_stats s;

    weir_model_stats(m, &s);
    printf(
        "wire: received %" PRIu64 " frames, %" PRIu64 " bytes, %" PRIu64 " dropped; sent %" PRIu64
        " frames, %" PRIu64 " bytes, %" PRIu64 " dropped; %" PRIu64 " DMA faults\n",
        s.rx_frames, s.rx_bytes, s.rx_dropped, s.tx_frames, s.tx_bytes, s.tx_dropped, s.dma_faults);
    if (iotlb && weir_model_iotlb(m, iotlb))
        tool_iotlb_print(iotlb, stdout);
    fflush(stdout);
}

static int write_json(const char *path, const char *spec, struct weir_model *m)
{
    struct json_object *o = json_object_new_object();
    struct weir_iotlb_stats iotlb;
    struct weir_model_stats s;
    int failed;

    weir_model_stats(m, &s);
    json_object_object_add(o, "model", json_object_new_string(spec));
#define ADD(member) json_object_object_add(o, #member, json_object_new_uint64(s.member))
    ADD(rx_frames);
    ADD(rx_bytes);
    ADD(rx_dropped);
    ADD(rx_pad_bytes);
    ADD(rx_super);
    ADD(rx_super_frames);
    ADD(rx_super_bytes);
    ADD(tx_frames);
    ADD(tx_bytes);
    ADD(tx_dropped);
    ADD(tx_dropped_bytes);
    ADD(tx_super);
    ADD(tx_super_frames);
    ADD(tx_super_bytes);
    ADD(gen_good);
    ADD(gen_missing);
    ADD(gen_late);
    ADD(gen_bad);
    ADD(dma_faults);
#undef ADD
    if (weir_model_iotlb(m, &iotlb))
        json_object_object_add(o, "iotlb", tool_iotlb_json(&iotlb));
    failed = json_object_to_file_ext(path, o, JSON_C_TO_STRING_PRETTY);
    if (failed)
        fprintf(stderr,
                "weir: write %s: %s\n  try: name a file in a folder that you may write to\n", path,
                strerror(errno));
    json_object_put(o);
    return failed ? 1 : 0;
}

struct request {
    char *spec; /* NAME?wire=...&key=value */
    const char *socket, *json;
    uint64_t stats_ns;
    int level;
};

static int serve(const struct request *r)
{
    struct weir_error err;
    struct weir_iotlb_stats iotlb;
    struct weir *w = tool_instance((enum weir_log_level)r->level, &err);
    struct weir_model *m = w ? weir_model_new(w, r->spec, &err) : NULL;
    struct weir_server *s = m ? weir_server_new(m, r->socket, &err) : NULL;
    uint64_t next = now_ns() + r->stats_ns;
    int status = 0, up = plugged;

    if (!s) {
        weir_free(w);
        return tool_failed(&err);
    }
    if (!up)
        weir_model_set_link(m, false);
    serving = s;
    printf("serving %.*s on %s\n", (int)strcspn(r->spec, "?"), r->spec, r->socket);
    fflush(stdout);

    while (!stop) {
        uint64_t now = now_ns();
        int timeout_ms = -1;
        if (up != plugged) {
            up = plugged;
            weir_model_set_link(m, up);
            printf("cable %s\n", up ? "plugged in" : "pulled");
            fflush(stdout);
        }
        if (r->stats_ns) {
            if (now >= next) {
                print_stats(m, NULL);
                next = now + r->stats_ns;
            }
            timeout_ms = (int)((next - now) / 1000000 + 1);
        }
        if (weir_server_run(s, timeout_ms, &err)) {
            status = tool_failed(&err);
            break;
        }
    }

    print_stats(m, &iotlb);
    if (r->json && write_json(r->json, r->spec, m))
        status = 1;
    serving = NULL;
    weir_server_free(s);
    weir_model_free(m);
    weir_free(w);
    return status;
}

/* Append "?text" or "&text" to the spec; it is NULL when memory is short. */
static void append(struct request *r, const char *key, const char *text)
{
    char *longer;

    if (asprintf(&longer, "%s%c%s%s", r->spec, strchr(r->spec, '?') ? '&' : '?', key, text) < 0)
        longer = NULL;
    free(r->spec);
    r->spec = longer;
}

static int run(int argc, char **argv)
{
    static const struct option longs[] = {{"socket", 1, 0, 's'},     {"wire", 1, 0, 'w'},
                                          {"param", 1, 0, 'p'},      {"stats", 1, 0, 't'},
                                          {"stats-json", 1, 0, 'j'}, {"link", 1, 0, 'l'},
                                          {"iotlb", 1, 0, 'i'},      {"list", 0, 0, 'L'},
                                          {"help", 0, 0, 'h'},       {0}};
    const struct command *cmd = &command_model;
    struct request r = {.level = WEIR_LOG_WARNING};
    struct sigaction handle = {.sa_handler = on_signal};
    const char *extra[64];
    const char *keys[64];
    unsigned n_extra = 0;
    int c, status;

    while ((c = getopt_long(argc, argv, "vh", longs, NULL)) != -1) {
        switch (c) {
        case 's':
            r.socket = optarg;
            break;
        case 'w':
        case 'p':
            if (c == 'p' && (!strchr(optarg, '=') || optarg[0] == '=' || strchr(optarg, '&')))
                return tool_usage(cmd, "--param %s: expected KEY=VALUE", optarg);
            if (n_extra == sizeof extra / sizeof extra[0])
                return tool_usage(cmd, "more than %u of --wire and --param", n_extra);
            keys[n_extra] = c == 'w' ? "wire=" : "";
            extra[n_extra++] = optarg;
            break;
        case 'i':
            if (strchr(optarg, '&'))
                return tool_usage(cmd, "--iotlb %s: expected a shape, such as on", optarg);
            if (n_extra == sizeof extra / sizeof extra[0])
                return tool_usage(cmd, "more than %u of --wire and --param", n_extra);
            keys[n_extra] = "iotlb=";
            extra[n_extra++] = optarg;
            break;
        case 't':
            if (!tool_seconds(optarg, &r.stats_ns))
                return tool_usage(cmd, "--stats %s: expected seconds, 0.001 to 86400", optarg);
            break;
        case 'j':
            r.json = optarg;
            break;
        case 'l':
            if (strcmp(optarg, "up") && strcmp(optarg, "down"))
                return tool_usage(cmd, "--link %s: expected up or down", optarg);
            plugged = optarg[0] == 'u';
            break;
        case 'v':
            if (r.level < WEIR_LOG_DEBUG)
                r.level++;
            break;
        case 'L':
            return list();
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            return tool_usage_getopt(cmd);
        }
    }
    if (argc - optind != 1)
        return tool_usage(cmd, argc == optind ? "which model? weir model --list names them"
                                              : "one model at a time; start one process for each");
    if (!r.socket)
        return tool_usage(cmd, "--socket PATH is missing");

    r.spec = strdup(argv[optind]);
    for (unsigned i = 0; r.spec && i < n_extra; i++)
        append(&r, keys[i], extra[i]);
    if (!r.spec) {
        fputs("weir: out of memory\n", stderr);
        return 1;
    }
    sigaction(SIGINT, &handle, NULL);
    sigaction(SIGTERM, &handle, NULL);
    sigaction(SIGUSR1, &handle, NULL);
    sigaction(SIGUSR2, &handle, NULL);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    status = serve(&r);
    free(r.spec);
    return status;
}

const struct command command_model = {
    .name = "model",
    .summary = "serve a device model to other processes over vfio-user",
    .usage = usage,
    .run = run,
};
