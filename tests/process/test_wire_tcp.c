/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP between two network namespaces, through two wires and a loop that forwards between them as a
 * model would. Every byte arrives, and what the wires counted is what the kernel counted, exactly.
 */
#include "netns_case.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define BYTES (48u << 20)
#define PORT  5201
#define BATCH 128

static uint8_t pattern(uint64_t i)
{
    return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16) * 3);
}

static void die(const char *what)
{
    perror(what);
    _exit(1);
}

static int client(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    uint64_t sent = 0, end = now_ms() + PATIENCE_MS;
    static uint8_t buf[1 << 20];
    int s;

    inet_pton(AF_INET, "10.1.0.2", &to.sin_addr);
    for (;;) {
        s = socket(AF_INET, SOCK_STREAM, 0);
        if (!connect(s, (struct sockaddr *)&to, sizeof to))
            break;
        close(s);
        if (now_ms() > end)
            die("connect");
    }
    while (sent < BYTES) {
        size_t n = BYTES - sent < sizeof buf ? BYTES - sent : sizeof buf;
        for (size_t i = 0; i < n; i++)
            buf[i] = pattern(sent + i);
        for (size_t done = 0; done < n;) {
            ssize_t part = send(s, buf + done, n - done, 0);
            if (part <= 0)
                die("send");
            done += (size_t)part;
        }
        sent += n;
    }
    /* The server's word that it has all of it. */
    if (recv(s, buf, 1, 0) != 1)
        die("recv");
    close(s);
    return 0;
}

static int server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    static uint8_t buf[1 << 20];
    uint64_t got = 0;
    int l = socket(AF_INET, SOCK_STREAM, 0), s, one = 1;

    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(l, (struct sockaddr *)&at, sizeof at) || listen(l, 1))
        die("listen");
    s = accept(l, NULL, NULL);
    if (s < 0)
        die("accept");
    while (got < BYTES) {
        ssize_t n = recv(s, buf, sizeof buf, 0);
        if (n <= 0)
            die("recv");
        for (ssize_t i = 0; i < n; i++)
            if (buf[i] != pattern(got + (uint64_t)i)) {
                fprintf(stderr, "byte %llu is wrong\n", (unsigned long long)got + (unsigned)i);
                return 1;
            }
        got += (uint64_t)n;
    }
    if (send(s, "x", 1, 0) != 1)
        die("send");
    /* Until the client went: its last frames are on their way. */
    while (recv(s, buf, sizeof buf, 0) > 0)
        ;
    return 0;
}

struct host {
    pid_t pid;
    int go, news; /* pipes to and from it */
    bool done;
    const char *interface, *address;
};

/* A host: a process in a namespace of its own. It says when that is there, when its interface is
 * up, and when its work is done; for each next step it waits to be told. */
static void start_host(struct host *h, int (*work)(void))
{
    int go[2], news[2];
    char byte;

    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    assert_int_equal(pipe2(news, O_CLOEXEC), 0);
    h->pid = fork();
    assert_true(h->pid >= 0);
    if (!h->pid) {
        char command[256];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(go[1]);
        if (enter_namespace() || write(news[1], "x", 1) != 1)
            die("namespace");
        if (read(go[0], &byte, 1) != 1)
            _exit(1);
        snprintf(command, sizeof command, "ip addr add %s/24 dev %s && ip link set %s up",
                 h->address, h->interface, h->interface);
        if (shell_status(command) || write(news[1], "x", 1) != 1)
            die(command);
        if (read(go[0], &byte, 1) != 1 || work() || write(news[1], "x", 1) != 1)
            _exit(1);
        _exit(read(go[0], &byte, 1) == 1 ? 0 : 1);
    }
    close(go[0]);
    close(news[1]);
    h->go = go[1];
    h->news = news[0];
    assert_int_equal(read(h->news, &byte, 1), 1);
}

static void tell_host(struct host *h)
{
    assert_int_equal(write(h->go, "x", 1), 1);
}

/* Bring the interface up, which has come to its namespace. */
static void bring_up(struct host *h)
{
    char byte;

    tell_host(h);
    if (read(h->news, &byte, 1) != 1)
        fail_msg("the host of %s failed", h->interface);
    assert_int_equal(fcntl(h->news, F_SETFL, O_NONBLOCK), 0);
}

static bool host_done(struct host *h)
{
    char byte;
    ssize_t n = h->done ? 1 : read(h->news, &byte, 1);

    if (n == 0)
        fail_msg("the host of %s failed", h->interface);
    return h->done = n == 1;
}

static void end_host(struct host *h)
{
    int status;

    tell_host(h);
    close(h->go);
    close(h->news);
    assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
    assert_int_equal(status, 0);
}

/* One direction: frames are copied, as a model copies them to the memory of its host, and sent from
 * there. Those that the wire does not take wait. */
struct way {
    struct weir_wire *from, *to;
    unsigned first, n;
    uint32_t len[BATCH];
    uint8_t frame[BATCH][WEIR_WIRE_MAX_FRAME];
};

static unsigned forward(struct way *w)
{
    struct weir_frame got;
    unsigned moved = 0;

    if (!w->n) {
        for (w->first = 0; w->n < BATCH && weir_wire_rx(w->from, &got); w->n++) {
            w->len[w->n] = got.len;
            memcpy(w->frame[w->n], got.data, got.len);
        }
    }
    for (; w->n; w->first++, w->n--, moved++)
        if (!wire_case_send(w->to, w->frame[w->first], w->len[w->first]))
            break;
    weir_wire_flush(w->to);
    return moved;
}

/* Sleep as a server does. */
static void wait_for_frames(const struct way ways[2])
{
    struct pollfd p[2];
    uint64_t deadline = UINT64_MAX;

    for (unsigned i = 0; i < 2; i++) {
        uint64_t d = weir_wire_deadline(ways[i].from);
        deadline = d < deadline ? d : deadline;
        p[i] = (struct pollfd){.fd = weir_wire_fd(ways[i].from), .events = POLLIN};
    }
    if (deadline)
        poll(p, 2, deadline == UINT64_MAX ? 10 : 1);
}

/* What the interface counted since, in the wire's terms. */
static bool agree(struct weir_wire *wire, const char *interface, const struct counters *before)
{
    struct counters c = counters_of(interface);
    struct weir_model_stats s = wire_case_stats(wire);

    return s.rx_frames - s.rx_super_frames + s.rx_super == c.rx_packets - before->rx_packets &&
           s.rx_bytes - s.rx_pad_bytes - s.rx_super_bytes == c.rx_bytes - before->rx_bytes &&
           s.tx_frames - s.tx_dropped - s.tx_super_frames + s.tx_super ==
               c.tx_packets - before->tx_packets &&
           s.tx_bytes - s.tx_dropped_bytes - s.tx_super_bytes == c.tx_bytes - before->tx_bytes;
}

static void show(struct weir_wire *wire, const char *name)
{
    struct weir_model_stats s = wire_case_stats(wire);

    print_message("  %s: rx %llu frames, %llu of them from %llu super-frames; tx %llu, %llu in "
                  "%llu; dropped %llu and %llu\n",
                  name, (unsigned long long)s.rx_frames, (unsigned long long)s.rx_super_frames,
                  (unsigned long long)s.rx_super, (unsigned long long)s.tx_frames,
                  (unsigned long long)s.tx_super_frames, (unsigned long long)s.tx_super,
                  (unsigned long long)s.rx_dropped, (unsigned long long)s.tx_dropped);
}

/* Forward until both hosts are done. */
static void run(struct way ways[2], struct host hosts[2])
{
    uint64_t start, end;

    for (unsigned i = 0; i < 2; i++)
        bring_up(&hosts[i]);
    for (unsigned i = 0; i < 2; i++)
        wait_link(ways[i].from, true);
    start = now_ms();
    end = start + 6 * PATIENCE_MS;
    for (unsigned i = 0; i < 2; i++)
        tell_host(&hosts[i]);
    while (!host_done(&hosts[0]) || !host_done(&hosts[1])) {
        if (!(forward(&ways[0]) + forward(&ways[1])))
            wait_for_frames(ways);
        if (now_ms() > end)
            fail_msg("the transfer did not end");
    }
    print_message("  %u MiB in %llu ms\n", BYTES >> 20, (unsigned long long)(now_ms() - start));
}

static struct way ways[2];

static void join_ways(struct weir_wire *a, struct weir_wire *b)
{
    ways[0].from = ways[1].to = a;
    ways[0].to = ways[1].from = b;
    ways[0].n = ways[1].n = 0;
}

static void over_packet(void **state, const char *option)
{
    struct host hosts[2] = {{.interface = "a0", .address = "10.1.0.1"},
                            {.interface = "b0", .address = "10.1.0.2"}};
    struct weir_wire *a, *b;
    struct counters ca, cb;
    char spec[64];
    uint64_t end;

    start_host(&hosts[0], client);
    start_host(&hosts[1], server);
    shell("ip link add a0 type veth peer name a1 && ip link add b0 type veth peer name b1 && "
          "ip link set a0 netns %d && ip link set b0 netns %d",
          hosts[0].pid, hosts[1].pid);
    snprintf(spec, sizeof spec, "packet:a1%s", option);
    a = wire_case_open(state, spec);
    snprintf(spec, sizeof spec, "packet:b1%s", option);
    b = wire_case_open(state, spec);
    shell("ip link set a1 up && ip link set b1 up");
    ca = counters_of("a1");
    cb = counters_of("b1");
    join_ways(a, b);
    run(ways, hosts);
    for (end = now_ms() + PATIENCE_MS; !agree(a, "a1", &ca) || !agree(b, "b1", &cb);) {
        forward(&ways[0]);
        forward(&ways[1]);
        if (now_ms() > end) {
            show(a, "a1");
            show(b, "b1");
            shell("ip -s link show a1; ip -s link show b1");
            fail_msg("the counters do not agree");
        }
    }
    show(a, "a1");
    show(b, "b1");
    assert_true(wire_case_stats(a).rx_super > 100); /* TCP used what the interface offers */
    if (*option) /* it depends on the hosts' pace how many are joined */
        assert_true(wire_case_stats(b).tx_super > 0);
    else
        assert_int_equal(wire_case_stats(b).tx_super, 0);
    weir_wire_close(a);
    weir_wire_close(b);
    end_host(&hosts[0]);
    end_host(&hosts[1]);
    shell_status("ip link del a1 2>/dev/null; ip link del b1 2>/dev/null");
}

static void tcp_over_packet(void **state)
{
    over_packet(state, "");
}

static void tcp_over_packet_joined(void **state)
{
    over_packet(state, ",gro");
}

/* TAP interfaces that are moved to their namespaces while the wires hold them. */
static void over_tap(void **state, const char *option)
{
    struct host hosts[2] = {{.interface = "ta", .address = "10.1.0.1"},
                            {.interface = "tb", .address = "10.1.0.2"}};
    struct wire_case *c = *state;
    struct weir_wire *a, *b;
    char spec[64];

    start_host(&hosts[0], client);
    start_host(&hosts[1], server);
    snprintf(spec, sizeof spec, "tap:ta%s", option);
    a = wire_case_open(state, spec);
    snprintf(spec, sizeof spec, "tap:tb%s", option);
    b = wire_case_open(state, spec);
    shell("ip link set ta netns %d && ip link set tb netns %d", hosts[0].pid, hosts[1].pid);
    join_ways(a, b);
    run(ways, hosts);
    show(a, "ta");
    show(b, "tb");
    assert_true(wire_case_stats(a).rx_super > 100);
    assert_true(weir_wire_link(a));
    assert_non_null(strstr(c->log, "went to another network namespace"));
    if (*option)
        assert_true(wire_case_stats(b).tx_super > 0);
    weir_wire_close(a);
    weir_wire_close(b);
    end_host(&hosts[0]);
    end_host(&hosts[1]);
}

static void tcp_over_tap(void **state)
{
    if (access("/dev/net/tun", F_OK)) {
        print_message("SKIPPED: no /dev/net/tun: sudo modprobe tun\n");
        skip();
    }
    over_tap(state, "");
}

static void tcp_over_tap_joined(void **state)
{
    if (access("/dev/net/tun", F_OK)) {
        print_message("SKIPPED: no /dev/net/tun: sudo modprobe tun\n");
        skip();
    }
    over_tap(state, ",gro");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WIRE_CASE(tcp_over_packet),
        WIRE_CASE(tcp_over_packet_joined),
        WIRE_CASE(tcp_over_tap),
        WIRE_CASE(tcp_over_tap_joined),
    };
    const char *why = cannot_make_interfaces();

    if (why) {
        printf("SKIPPED: wire_tcp: %s\n", why);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
