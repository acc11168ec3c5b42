/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hello: open a port, wait for its link, send one frame, receive one.
 *
 *   hello 'model:x540?wire=loopback'     a device model in this process whose wire is a loop
 *   hello vfio-user:/run/x540.sock       a device model that `weir model` serves
 */
#include <errno.h>
#include <time.h>
#include <weir/weir.h>

static int hello(struct weir *w, const char *name, struct weir_error *err)
{
    struct weir_arena_options memory = {.size = sizeof memory, .bytes = 4 << 20};
    struct weir_pktpool_options packets = {.size = sizeof packets, .packets = 1024};
    struct weir_port_options options = {.size = sizeof options, .promiscuous = true};
    uint8_t frame[60] = "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01\x88\xb5hello"; /* broadcast */
    const time_t end = time(NULL) + 5;
    struct weir_link link;
    struct weir_pkt *pkt;
    char text[47];

    /* Memory for DMA, packet buffers in it, a port that receives into them. */
    struct weir_arena *arena = weir_arena_new(w, &memory, err);
    options.pool = arena ? weir_pktpool_new(arena, &packets, err) : NULL;
    struct weir_port *port = options.pool ? weir_port_open(w, name, &options, err) : NULL;
    struct weir_pktcache *cache = port ? weir_pktcache_new(options.pool, err) : NULL;
    if (!cache || weir_port_start(port, err))
        return -1;

    while (weir_port_link(port, &link), !link.up && time(NULL) < end)
        weir_models_step(w, 32); /* a model: device lives in this process and works in here */
    printf("%s: link %s, %u Mbit/s\n", name, link.up ? "up" : "down", link.mbps);

    pkt = weir_pkt_from(cache, frame, sizeof frame);
    if (!pkt || weir_tx_burst(weir_port_txq(port, 0), &pkt, 1) != 1)
        return weir_fail(err, -ENOBUFS, "hello", "send a frame\nthere is no buffer for it");
    printf("sent %zu bytes\n", sizeof frame);

    while (weir_rx_burst(weir_port_rxq(port, 0), &pkt, 1) == 0) {
        weir_models_step(w, 32);
        if (time(NULL) > end)
            return weir_fail(err, -ETIMEDOUT, "hello",
                             "receive a frame\nnone came in 5 s\n"
                             "give the port a wire that frames come from, such as a loopback");
    }
    weir_printable(text, sizeof text, weir_pkt_data(pkt) + 14, pkt->len - 14u);
    printf("received %u bytes: %s\n", pkt->total, text);
    weir_pkt_free(cache, pkt);
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "model:x540?wire=loopback";
    struct weir_error err;
    struct weir *w = weir_new(NULL, &err);
    int failed = !w || weir_register_builtin(w, &err) || hello(w, name, &err);

    if (failed)
        weir_error_print(&err, stderr);
    weir_free(w); /* and all that was made from it, in a safe order */
    return failed;
}
