/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of a served model share: a model that counts and copies, a server of it in a
 * thread or in a process of its own, and devices opened on it. */
#ifndef TESTS_VFU_SERVER_CASE_H
#define TESTS_VFU_SERVER_CASE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../unit/vfu_wire.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <weir/driver/model.h>
#include <weir/weir.h>

/*
 * A toy: 64-bit registers in BAR 0. Writing COPY copies LEN bytes from SRC to DST in the next step,
 * counts it in DONE and raises vector 0.
 */
enum { ID = 0, SCRATCH = 8, SRC = 16, DST = 24, LEN = 32, COPY = 40, DONE = 48, STEPS = 56 };

struct toy {
    uint64_t reg[8];
    atomic_uint steps, resets, writes;
};

static struct toy *last_toy; /* of this process */

static inline int toy_create(struct weir_model *m, struct weir_error *e)
{
    struct toy *t = calloc(1, sizeof(*t));

    (void)e;
    weir_model_set_priv(m, t);
    last_toy = t;
    return 0;
}

static inline void toy_destroy(struct weir_model *m)
{
    free(weir_model_priv(m));
}

static inline void toy_reset(struct weir_model *m)
{
    struct toy *t = weir_model_priv(m);

    memset(t->reg, 0, sizeof(t->reg));
    t->reg[ID / 8] = 0x70790000;
    atomic_fetch_add(&t->resets, 1);
}

static inline uint64_t toy_read(struct weir_model *m, unsigned bar, uint64_t off, unsigned width)
{
    struct toy *t = weir_model_priv(m);

    (void)bar;
    if (off / 8 == STEPS / 8)
        return atomic_load(&t->steps);
    if (off >= sizeof(t->reg))
        return 0;
    return t->reg[off / 8] >> (8 * (off % 8)) & (width == 8 ? UINT64_MAX : (1ull << 8 * width) - 1);
}

static inline void toy_write(struct weir_model *m, unsigned bar, uint64_t off, unsigned width,
                             uint64_t v)
{
    struct toy *t = weir_model_priv(m);

    (void)bar;
    (void)width;
    atomic_fetch_add(&t->writes, 1);
    if (off == SCRATCH)
        weir_model_intx(m, v == 0x1717); /* a level that stays until something else is written */
    if (off < sizeof(t->reg) && off % 8 == 0 && off != ID && off != DONE)
        t->reg[off / 8] = v;
}

static inline unsigned toy_step(struct weir_model *m, unsigned budget)
{
    static const struct weir_dma_who who = {.queue = "copy"};
    struct weir_siommu *s = weir_model_siommu(m);
    struct toy *t = weir_model_priv(m);
    uint8_t buf[4096];

    (void)budget;
    atomic_fetch_add(&t->steps, 1);
    if (!t->reg[COPY / 8] || !weir_model_bus_master(m))
        return 0;
    size_t len = t->reg[LEN / 8] < sizeof(buf) ? t->reg[LEN / 8] : sizeof(buf);
    int r = weir_siommu_read(s, t->reg[SRC / 8], buf, len, &who);
    if (r == -EAGAIN) /* the peer waits for an answer of ours: later */
        return 0;
    t->reg[COPY / 8] = 0;
    if (r == 0 && weir_siommu_write(s, t->reg[DST / 8], buf, len, &who) == 0)
        t->reg[DONE / 8]++;
    weir_model_raise(m, 0);
    return 1;
}

/* A wire that always claims to have something, and has not. */
static inline int stuck_open(struct weir *in, const char *args, void **priv, struct weir_error *e)
{
    (void)in;
    (void)args;
    (void)e;
    int *fd = malloc(sizeof(*fd));
    *fd = eventfd(1, EFD_CLOEXEC);
    *priv = fd;
    return 0;
}

static inline void stuck_close(void *priv)
{
    close(*(int *)priv);
    free(priv);
}

static inline bool stuck_rx(void *priv, struct weir_frame *frame)
{
    (void)priv;
    (void)frame;
    return false;
}

static inline bool stuck_tx(void *priv, const struct iovec *iov, unsigned n, uint32_t len)
{
    (void)priv;
    (void)iov;
    (void)n;
    (void)len;
    return true;
}

static inline int stuck_fd(void *priv)
{
    return *(int *)priv;
}

static const struct weir_wire_ops stuck_ops = {
    .kind = "stuck",
    .help = "",
    .open = stuck_open,
    .close = stuck_close,
    .rx = stuck_rx,
    .tx = stuck_tx,
    .fd = stuck_fd,
};

static const struct weir_model_ops toy_ops = {
    .name = "toy",
    .params = "",
    .help = "",
    .wires = 1,
    .pci = {.vendor = 0x1234,
            .device = 0x5678,
            .class_code = 0xff0000,
            .bars = {{.size = 0x2000}},
            .interrupt_pin = 1,
            .msix_cap = 0x50,
            .msix_bar = 0,
            .msix_vectors = 20,
            .msix_table = 0x1000,
            .msix_pba = 0x1800},
    .create = toy_create,
    .destroy = toy_destroy,
    .reset = toy_reset,
    .read = toy_read,
    .write = toy_write,
    .step = toy_step,
};

/* The same with another number and size */
static struct weir_model_ops other_ops, wide_ops;

static char folder[64], path[96];
static struct weir *w; /* of the client */

static inline struct weir *instance(void)
{
    struct weir *n = weir_new(NULL, NULL);

    assert_non_null(n);
    assert_int_equal(weir_model_register(n, &toy_ops, NULL), 0);
    assert_int_equal(weir_wire_register(n, &stuck_ops, NULL), 0);
    other_ops = toy_ops;
    other_ops.name = "other";
    other_ops.pci.device = 0x9999;
    assert_int_equal(weir_model_register(n, &other_ops, NULL), 0);
    wide_ops = toy_ops;
    wide_ops.name = "wide";
    wide_ops.pci.bars[0].size = 0x4000;
    assert_int_equal(weir_model_register(n, &wide_ops, NULL), 0);
    return n;
}

/* A server in a process of its own. */
static inline pid_t serve_process(const char *spec)
{
    int ready[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        struct weir_error e;
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a case that fails leaves no server behind */
        close(ready[0]);
        struct weir *mine = instance();
        struct weir_model *m = weir_model_new(mine, spec, &e);
        struct weir_server *s = m ? weir_server_new(m, path, &e) : NULL;
        if (!s) {
            weir_error_print(&e, stderr);
            _exit(1);
        }
        (void)!write(ready[1], "r", 1);
        while (weir_server_run(s, -1, &e) == 0)
            ;
        _exit(2);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static inline void kill_process(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A server in a thread of this process. */
struct served {
    struct weir *w;
    struct weir_model *m;
    struct weir_server *s;
    struct toy *toy;
    pthread_t thread;
    atomic_bool stop;
};

static inline void *serve_loop(void *arg)
{
    struct served *s = arg;

    while (!atomic_load(&s->stop))
        assert_int_equal(weir_server_run(s->s, -1, NULL), 0);
    return NULL;
}

static inline struct served *serve_thread(const char *spec)
{
    struct served *s = calloc(1, sizeof(*s));

    s->w = instance();
    s->m = weir_model_new(s->w, spec, NULL);
    assert_non_null(s->m);
    s->toy = last_toy;
    s->s = weir_server_new(s->m, path, NULL);
    assert_non_null(s->s);
    assert_int_equal(pthread_create(&s->thread, NULL, serve_loop, s), 0);
    return s;
}

static inline void unserve(struct served *s)
{
    atomic_store(&s->stop, true);
    weir_server_wake(s->s);
    pthread_join(s->thread, NULL);
    weir_server_free(s->s);
    weir_model_free(s->m);
    weir_free(s->w);
    free(s);
}

static inline int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/weir-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    w = instance();
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    weir_free(w);
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static inline struct weir_device *open_it_with(unsigned timeout_ms, struct weir_error *e)
{
    struct weir_device_options opt = {.size = sizeof(opt), .timeout_ms = timeout_ms};
    char name[128];

    snprintf(name, sizeof(name), "vfio-user:%s", path);
    return weir_device_open(w, name, &opt, e);
}

static inline struct weir_device *open_it(void)
{
    struct weir_error e = {0};
    struct weir_device *d = open_it_with(10000, &e);

    if (!d)
        fail_msg("%s: %s", e.what, e.why);
    return d;
}

static inline uint64_t get(struct weir_device *d, uint64_t off)
{
    uint64_t v = 0;

    weir_region_read(d, 0, off, &v, sizeof(v), NULL);
    return v;
}

static inline void put(struct weir_device *d, uint64_t off, uint64_t v)
{
    assert_int_equal(weir_region_write(d, 0, off, &v, sizeof(v), NULL), 0);
}

/* Wait on a condition, letting the instance work meanwhile. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        uint64_t from_ = weir_now_ns();                                                            \
        while (!(condition)) {                                                                     \
            struct weir_event ev_;                                                                 \
            struct pollfd p_ = {.fd = weir_event_fd(w), .events = POLLIN};                         \
            assert_true(weir_now_ns() - from_ < 20000000000u);                                     \
            poll(&p_, 1, 1);                                                                       \
            weir_events(w, &ev_, 1);                                                               \
        }                                                                                          \
    } while (0)

/* Wait for an event of a type. @return ns it took */
static inline uint64_t wait_event(enum weir_event_type type)
{
    uint64_t from = weir_now_ns();
    struct weir_event ev;

    for (;;) {
        struct pollfd p = {.fd = weir_event_fd(w), .events = POLLIN};
        poll(&p, 1, 100);
        if (weir_events(w, &ev, 1) == 1 && ev.type == type)
            return weir_now_ns() - from;
        assert_true(weir_now_ns() - from < 20000000000u);
    }
}

static inline void *map_memfd(struct weir_device *d, int fd, size_t len, uint64_t iova, bool by_fd)
{
    struct weir_device_info info;
    void *va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct weir_mem mem = {.va = va, .len = len, .fd = by_fd ? fd : -1, .name = "test memory"};
    struct weir_error e = {0};

    assert_true(va != MAP_FAILED);
    weir_device_info(d, &info);
    if (weir_space_map(info.space, &mem, weir_iova(iova), WEIR_PROT_RW, &e))
        fail_msg("%s: %s", e.what, e.why);
    return va;
}

static inline struct weir_space *space_of(struct weir_device *d)
{
    struct weir_device_info info;

    weir_device_info(d, &info);
    return info.space;
}

static inline uint64_t copy(struct weir_device *d, uint64_t src, uint64_t dst, uint64_t len)
{
    uint64_t before = get(d, DONE);

    assert_int_equal(weir_device_bus_master(d, true, NULL), 0);
    put(d, SRC, src);
    put(d, DST, dst);
    put(d, LEN, len);
    put(d, COPY, 1);
    UNTIL(get(d, COPY) == 0);
    return get(d, DONE) - before;
}

#endif
