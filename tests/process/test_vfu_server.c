/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model served over vfio-user and devices opened on it, in processes of their own where one is to
 * be killed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../unit/vfu_wire.h"

#include <dirent.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
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

static int toy_create(struct weir_model *m, struct weir_error *e)
{
    struct toy *t = calloc(1, sizeof(*t));

    (void)e;
    weir_model_set_priv(m, t);
    last_toy = t;
    return 0;
}

static void toy_destroy(struct weir_model *m)
{
    free(weir_model_priv(m));
}

static void toy_reset(struct weir_model *m)
{
    struct toy *t = weir_model_priv(m);

    memset(t->reg, 0, sizeof(t->reg));
    t->reg[ID / 8] = 0x70790000;
    atomic_fetch_add(&t->resets, 1);
}

static uint64_t toy_read(struct weir_model *m, unsigned bar, uint64_t off, unsigned width)
{
    struct toy *t = weir_model_priv(m);

    (void)bar;
    if (off / 8 == STEPS / 8)
        return atomic_load(&t->steps);
    if (off >= sizeof(t->reg))
        return 0;
    return t->reg[off / 8] >> (8 * (off % 8)) & (width == 8 ? UINT64_MAX : (1ull << 8 * width) - 1);
}

static void toy_write(struct weir_model *m, unsigned bar, uint64_t off, unsigned width, uint64_t v)
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

static unsigned toy_step(struct weir_model *m, unsigned budget)
{
    static const struct weir_dma_who who = {.queue = "copy"};
    struct weir_siommu *s = weir_model_siommu(m);
    struct toy *t = weir_model_priv(m);
    uint8_t buf[4096];

    (void)budget;
    atomic_fetch_add(&t->steps, 1);
    if (!t->reg[COPY / 8] || !weir_model_bus_master(m))
        return 0;
    t->reg[COPY / 8] = 0;
    size_t len = t->reg[LEN / 8] < sizeof(buf) ? t->reg[LEN / 8] : sizeof(buf);
    if (weir_siommu_read(s, t->reg[SRC / 8], buf, len, &who) == 0 &&
        weir_siommu_write(s, t->reg[DST / 8], buf, len, &who) == 0)
        t->reg[DONE / 8]++;
    weir_model_raise(m, 0);
    return 1;
}

/* A wire that always claims to have something, and has not. */
static int stuck_open(struct weir *in, const char *args, void **priv, struct weir_error *e)
{
    (void)in;
    (void)args;
    (void)e;
    int *fd = malloc(sizeof(*fd));
    *fd = eventfd(1, EFD_CLOEXEC);
    *priv = fd;
    return 0;
}

static void stuck_close(void *priv)
{
    close(*(int *)priv);
    free(priv);
}

static bool stuck_rx(void *priv, struct weir_frame *frame)
{
    (void)priv;
    (void)frame;
    return false;
}

static bool stuck_tx(void *priv, const struct iovec *iov, unsigned n, uint32_t len)
{
    (void)priv;
    (void)iov;
    (void)n;
    (void)len;
    return true;
}

static int stuck_fd(void *priv)
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

static struct weir *instance(void)
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
static pid_t serve_process(const char *spec)
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

static void kill_process(pid_t pid)
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

static void *serve_loop(void *arg)
{
    struct served *s = arg;

    while (!atomic_load(&s->stop))
        assert_int_equal(weir_server_run(s->s, -1, NULL), 0);
    return NULL;
}

static struct served *serve_thread(const char *spec)
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

static void unserve(struct served *s)
{
    atomic_store(&s->stop, true);
    weir_server_wake(s->s);
    pthread_join(s->thread, NULL);
    weir_server_free(s->s);
    weir_model_free(s->m);
    weir_free(s->w);
    free(s);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/weir-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    w = instance();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_free(w);
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static struct weir_device *open_it_with(unsigned timeout_ms, struct weir_error *e)
{
    struct weir_device_options opt = {.size = sizeof(opt), .timeout_ms = timeout_ms};
    char name[128];

    snprintf(name, sizeof(name), "vfio-user:%s", path);
    return weir_device_open(w, name, &opt, e);
}

static struct weir_device *open_it(void)
{
    struct weir_error e = {0};
    struct weir_device *d = open_it_with(10000, &e);

    if (!d)
        fail_msg("%s: %s", e.what, e.why);
    return d;
}

static uint64_t get(struct weir_device *d, uint64_t off)
{
    uint64_t v = 0;

    weir_region_read(d, 0, off, &v, sizeof(v), NULL);
    return v;
}

static void put(struct weir_device *d, uint64_t off, uint64_t v)
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
static uint64_t wait_event(enum weir_event_type type)
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

static void *map_memfd(struct weir_device *d, int fd, size_t len, uint64_t iova, bool by_fd)
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

static struct weir_space *space_of(struct weir_device *d)
{
    struct weir_device_info info;

    weir_device_info(d, &info);
    return info.space;
}

static uint64_t copy(struct weir_device *d, uint64_t src, uint64_t dst, uint64_t len)
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

/* Cases */

static void registers(void **state)
{
    struct served *s = serve_thread("toy");
    struct weir_device *d = open_it();
    struct weir_device_info info;
    struct weir_region r;
    uint8_t all[0x1000];

    (void)state;
    weir_device_info(d, &info);
    assert_int_equal(info.vendor, 0x1234);
    assert_int_equal(info.device, 0x5678);
    assert_int_equal(info.class_code, 0xff0000);
    assert_string_equal(info.backend, "vfio-user");
    assert_int_equal(weir_device_region(d, 0, &r), 0);
    assert_int_equal(r.size, 0x2000);
    assert_null(r.map);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_MSIX), 20);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_INTX), 1);
    assert_int_equal(get(d, ID), 0x70790000);
    put(d, SCRATCH, 0x1122334455667788);
    assert_int_equal(get(d, SCRATCH), 0x1122334455667788);
    assert_int_equal(weir_read32(d, 0, SCRATCH + 4), 0x11223344);
    /* posted, and seen by the read behind them */
    for (uint32_t i = 0; i < 5000; i++)
        weir_write32(d, 0, SCRATCH, i);
    assert_int_equal(weir_read32(d, 0, SCRATCH), 4999);
    /* of those that the socket could not take at once, only the latest came */
    assert_in_range(atomic_load(&s->toy->writes), 2, 5001);
    assert_int_equal(weir_region_read(d, 0, 0, all, sizeof(all), NULL), 0);
    assert_memory_equal(all, "\0\0\x79\x70", 4);
    assert_int_equal(weir_config_read(d, 0, 4), 0x56781234);
    assert_int_equal(weir_device_reset(d, NULL), 0);
    assert_int_equal(get(d, SCRATCH), 0);
    weir_device_close(d);
    unserve(s);
}

static void dma(void **state)
{
    struct served *s = serve_thread("toy");
    struct weir_device *d = open_it();
    int fd = wire_memfd(0x10000, F_SEAL_SHRINK), loose = wire_memfd(0x10000, 0);
    uint8_t *a = map_memfd(d, fd, 0x10000, 0x100000, true);
    uint8_t *b = map_memfd(d, loose, 0x10000, 0x200000, true);
    uint8_t *c = map_memfd(d, loose, 0x10000, 0x300000, false);
    const uint64_t at[3] = {0x100000, 0x200000, 0x300000};
    uint8_t *const va[3] = {a, b, c};

    (void)state;
    /* Every way of reaching memory, in both directions: mapped, pread(), by messages. */
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < 3; k++) {
            memset(va[i] + 0x100, (int)(0x10 * i + k + 1), 600);
            memset(va[k] + 0x1000, 0, 600);
            assert_int_equal(copy(d, at[i] + 0x100, at[k] + 0x1000, 600), 1);
            assert_memory_equal(va[k] + 0x1000, va[i] + 0x100, 600);
        }
    }
    /* outside, and after unmapping */
    assert_int_equal(copy(d, 0x100000, 0x400000, 8), 0);
    assert_int_equal(copy(d, 0x10fffc, 0x100000, 8), 0);
    assert_int_equal(weir_space_unmap(space_of(d), weir_iova(0x100000), 0x10000, NULL), 0);
    assert_int_equal(weir_space_unmap(space_of(d), weir_iova(0x300000), 0x10000, NULL), 0);
    assert_int_equal(copy(d, 0x100000, 0x200000, 8), 0);
    assert_int_equal(copy(d, 0x200000, 0x300000, 8), 0);
    assert_int_equal(copy(d, 0x200000, 0x200100, 8), 1);
    /* without the right to master the bus nothing happens */
    assert_int_equal(weir_device_bus_master(d, false, NULL), 0);
    uint64_t done = get(d, DONE), steps = get(d, STEPS);
    put(d, COPY, 1);
    while (get(d, STEPS) < steps + 10)
        ;
    assert_int_equal(get(d, DONE), done);
    weir_device_close(d);
    unserve(s);
    close(fd);
    close(loose);
    munmap(a, 0x10000);
    munmap(b, 0x10000);
    munmap(c, 0x10000);
}

/* More vectors than descriptors fit in a message, with gaps. */
static void interrupts(void **state)
{
    struct served *s = serve_thread("toy");
    struct weir_device *d = open_it();
    int fds[20];
    uint64_t count;

    (void)state;
    for (unsigned i = 0; i < 20; i++)
        fds[i] = i % 7 == 3 ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 20, fds, NULL), 0);
    copy(d, 0, 0, 8);
    UNTIL(read(fds[0], &count, sizeof(count)) == sizeof(count));
    assert_true(read(fds[19], &count, sizeof(count)) < 0);
    /* taken away again */
    int none = -1;
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 1, &none, NULL), 0);
    copy(d, 0, 0, 8);
    assert_true(read(fds[0], &count, sizeof(count)) < 0);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 20, fds, NULL), 0);
    UNTIL(read(fds[0], &count, sizeof(count)) == sizeof(count)); /* it was pending */
    /* A descriptor that is not open is the caller's mistake, and no loss. */
    int shut = dup(0);
    close(shut);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 1, &shut, NULL), -EBADF);
    assert_false(weir_device_lost(d));
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 0, NULL, NULL), 0);
    copy(d, 0, 0, 8);
    assert_true(read(fds[0], &count, sizeof(count)) < 0);
    /* What is no eventfd is refused by the server. */
    struct weir_error e = {0};
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 1, &pipes[1], &e), -EINVAL);
    assert_string_equal(e.code, "vfio-user-refused");
    close(pipes[0]);
    close(pipes[1]);
    weir_device_close(d);
    unserve(s);
    for (unsigned i = 0; i < 20; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void one_client_at_a_time(void **state)
{
    pid_t server = serve_process("toy");
    struct weir_device *d = open_it();
    struct weir_error e = {0};

    (void)state;
    put(d, SCRATCH, 7);
    for (unsigned i = 0; i < 20; i++) {
        assert_null(open_it_with(10000, &e));
        assert_int_equal(e.err, -EBUSY);
        assert_string_equal(e.code, "device-busy");
    }
    assert_int_equal(get(d, SCRATCH), 7);
    weir_device_close(d);
    /* At once, without a gap, and reset. */
    for (unsigned i = 0; i < 50; i++) {
        d = open_it();
        assert_int_equal(get(d, SCRATCH), 0);
        put(d, SCRATCH, 7);
        weir_device_close(d);
    }
    kill_process(server);
}

static unsigned count_of(pid_t pid, const char *what)
{
    char name[64];
    unsigned n = 0;

    snprintf(name, sizeof(name), "/proc/%d/%s", (int)pid, what);
    DIR *dir = opendir(name);
    assert_non_null(dir);
    /* cppcheck-suppress readdirCalled ; nobody else reads this one */
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* A client that is killed leaves nothing behind, and the next is served at once. */
static void killed_client(void **state)
{
    pid_t server = serve_process("toy");
    struct weir_device *d = open_it();

    (void)state;
    weir_device_close(d);
    d = open_it(); /* so the server is done with the first */
    weir_device_close(d);
    unsigned fds = 0, maps = 0;
    for (unsigned round = 0; round < 5; round++) {
        int ready[2];
        char byte;
        assert_int_equal(pipe(ready), 0);
        pid_t client = fork();
        if (!client) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            w = instance();
            d = open_it();
            int fd = wire_memfd(0x10000, F_SEAL_SHRINK), loose = wire_memfd(0x10000, 0);
            int event[1] = {eventfd(0, EFD_CLOEXEC)};
            map_memfd(d, fd, 0x10000, 0x100000, true);
            map_memfd(d, loose, 0x10000, 0x200000, true);
            map_memfd(d, loose, 0x10000, 0x300000, false);
            weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 1, event, NULL);
            weir_device_bus_master(d, true, NULL);
            put(d, SCRATCH, 7);
            (void)!write(ready[1], "r", 1);
            for (uint32_t i = 0;; i++) /* with messages under way */
                weir_write32(d, 0, SRC, i);
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        kill_process(client);
        uint64_t from = weir_now_ns();
        d = open_it();
        assert_true(weir_now_ns() - from < 2000000000u);
        assert_int_equal(get(d, SCRATCH), 0);
        assert_false(weir_config_read(d, 4, 2) & 4); /* bus master */
        /* nothing is mapped */
        assert_int_equal(copy(d, 0x100000, 0x100100, 8), 0);
        if (round == 0) {
            fds = count_of(server, "fd");
            maps = count_of(server, "map_files");
        }
        assert_int_equal(count_of(server, "fd"), fds);
        assert_int_equal(count_of(server, "map_files"), maps);
        weir_device_close(d);
    }
    kill_process(server);
}

/* A server that is killed: told soon, all ones, and taken back when it returns. */
static void killed_server(void **state)
{
    pid_t server = serve_process("toy");
    struct weir_device *d = open_it();
    int fd = wire_memfd(0x10000, F_SEAL_SHRINK);
    uint8_t *va = map_memfd(d, fd, 0x10000, 0x100000, true);
    struct weir_error e = {0};

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        put(d, SCRATCH, 7);
        kill_process(server);
        assert_true(wait_event(WEIR_EVENT_LOST) < 1000000000u);
        assert_true(weir_device_lost(d));
        assert_int_equal(weir_read32(d, 0, ID), UINT32_MAX);
        weir_write32(d, 0, SCRATCH, 1);
        assert_int_equal(weir_region_write(d, 0, 0, "abcd", 4, &e), -ENODEV);
        assert_string_equal(e.code, "device-lost");
        assert_int_not_equal(weir_device_reopen(d, &e), 0);
        assert_string_equal(e.code, "vfio-user-connect");
        /* Maps can come and go meanwhile. */
        uint8_t *more = map_memfd(d, fd, 0x10000, 0x400000 + 0x100000 * round, true);
        munmap(more, 0x10000);
        if (round)
            assert_int_equal(weir_space_unmap(space_of(d), weir_iova(0x300000 + 0x100000 * round),
                                              0x10000, NULL),
                             0);
        server = serve_process("toy"); /* the socket file of the dead one is replaced */
        wait_event(WEIR_EVENT_RETURNED);
        assert_int_equal(weir_device_reopen(d, &e), 0);
        assert_false(weir_device_lost(d));
        assert_int_equal(get(d, SCRATCH), 0);
        memset(va, 0x11 * (int)(round + 1), 64);
        assert_int_equal(copy(d, 0x100000, 0x400000 + 0x100000 * round + 0x200, 64), 1);
        assert_memory_equal(va, va + 0x200, 64);
        if (round)
            assert_int_equal(copy(d, 0x100000, 0x300000 + 0x100000 * round, 8), 0);
    }
    weir_device_close(d);
    kill_process(server);
    close(fd);
    munmap(va, 0x10000);
}

static atomic_bool hammer;

static void *hammering(void *arg)
{
    struct weir_device *d = arg;

    for (uint32_t i = 0; atomic_load(&hammer); i++) {
        weir_write32(d, 0, i & 1 ? SCRATCH : SRC, i);
        if (i % 64 == 0) {
            uint32_t id = weir_read32(d, 0, ID);
            assert_true(id == 0x70790000 || id == UINT32_MAX);
        }
    }
    return NULL;
}

/* The same while other threads use its registers, as forwarding workers do. */
static void killed_server_under_threads(void **state)
{
    pid_t server = serve_process("toy");
    struct weir_device *d = open_it();
    pthread_t threads[2];

    (void)state;
    atomic_store(&hammer, true);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammering, d), 0);
    for (unsigned round = 0; round < 5; round++) {
        kill_process(server);
        wait_event(WEIR_EVENT_LOST);
        server = serve_process("toy");
        wait_event(WEIR_EVENT_RETURNED);
        assert_int_equal(weir_device_reopen(d, NULL), 0);
        assert_int_equal(get(d, ID), 0x70790000);
    }
    atomic_store(&hammer, false);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    weir_device_close(d);
    kill_process(server);
}

/* Another device at the same path is not taken for the one that was lost. */
static void another_device_returns(void **state)
{
    static const char *const specs[] = {"other", "wide"};
    pid_t server = serve_process("toy");
    struct weir_device *d = open_it();
    struct weir_error e = {0};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        kill_process(server);
        if (i == 0)
            wait_event(WEIR_EVENT_LOST);
        server = serve_process(specs[i]);
        wait_event(WEIR_EVENT_RETURNED);
        assert_int_equal(weir_device_reopen(d, &e), -ENXIO);
        assert_string_equal(e.code, "device-changed");
        assert_true(weir_device_lost(d));
    }
    /* It is let go of, so that others can have it; and the right one is taken when it comes. */
    struct weir_device *o = NULL;
    UNTIL((o = open_it_with(10000, &e)) != NULL);
    weir_device_close(o);
    kill_process(server);
    server = serve_process("toy");
    UNTIL(weir_device_reopen(d, &e) == 0);
    assert_int_equal(get(d, ID), 0x70790000);
    weir_device_close(d);
    kill_process(server);
}

/* A stopped server: reads end in time, writes never wait. */
static void stopped_server(void **state)
{
    pid_t server = serve_process("toy");
    struct weir_error e = {0};
    struct weir_device *d = open_it_with(2000, &e);

    (void)state;
    assert_non_null(d);
    assert_int_equal(kill(server, SIGSTOP), 0);
    uint64_t from = weir_now_ns();
    for (uint32_t i = 0; i < 20000; i++)
        weir_write32(d, 0, i & 1 ? SCRATCH : SRC, i);
    uint32_t v;
    assert_int_equal(weir_region_read(d, 0, SCRATCH, &v, 4, &e), -ETIMEDOUT);
    assert_true(weir_now_ns() - from < 5000000000u);
    assert_string_equal(e.code, "vfio-user-timeout");
    assert_int_equal(v, UINT32_MAX);
    wait_event(WEIR_EVENT_LOST);
    /* It goes on, and serves this client again. */
    assert_int_equal(kill(server, SIGCONT), 0);
    UNTIL(weir_device_reopen(d, &e) == 0);
    assert_int_equal(get(d, SCRATCH), 0);
    weir_device_close(d);
    kill_process(server);
}

static void expect_open_error(int err, const char *code, const char *why)
{
    struct weir_error e = {0};

    assert_null(open_it_with(200, &e));
    if (e.err != err || strcmp(e.code, code) != 0 || !strstr(e.why, why) || !e.fix[0])
        fail_msg("got %d %s '%s: %s; %s'", e.err, e.code, e.what, e.why, e.fix);
    assert_non_null(strstr(e.what, path));
}

static void raw_socket(int type, bool listening)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    if (listening)
        assert_int_equal(listen(fd, 1), 0);
    else if (type == SOCK_STREAM)
        close(fd);
}

static void opening_what_is_not_there(void **state)
{
    struct weir_error e = {0};
    char name[300];

    (void)state;
    expect_open_error(-ENOENT, "vfio-user-connect", "no such socket");
    raw_socket(SOCK_STREAM, false);
    expect_open_error(-ECONNREFUSED, "vfio-user-connect", "nobody listens");
    unlink(path);
    raw_socket(SOCK_DGRAM, false);
    expect_open_error(-EPROTOTYPE, "vfio-user-connect", "another kind");
    unlink(path);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    expect_open_error(-ENOTSOCK, "vfio-user-connect", "a file, not a socket");
    close(fd);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_open_error(-ENOTSOCK, "vfio-user-connect", "a directory, not a socket");
    rmdir(path);
    /* It listens, and never says a word. */
    raw_socket(SOCK_STREAM, true);
    expect_open_error(-ETIMEDOUT, "vfio-user-timeout", "did not answer within 200 ms");
    expect_open_error(-ETIMEDOUT, "vfio-user-timeout", "200 ms");
    expect_open_error(-ETIMEDOUT, "vfio-user-timeout", "took no connection within 200 ms");
    unlink(path);

    snprintf(name, sizeof(name), "vfio-user:%0200d", 0);
    assert_null(weir_device_open(w, name, NULL, &e));
    assert_int_equal(e.err, -ENAMETOOLONG);
    assert_non_null(strstr(e.why, "200 bytes"));
    assert_null(weir_device_open(w, "vfio-user:", NULL, &e));
    assert_int_equal(e.err, -EINVAL);
}

static void opening_without_the_right(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("needs root, to give rights up: sudo\n");
        skip();
    }
    raw_socket(SOCK_STREAM, true);
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(seteuid(65534), 0);
    struct weir_error e = {0};
    struct weir_device *d = open_it_with(200, &e);
    assert_int_equal(seteuid(0), 0);
    assert_null(d);
    assert_int_equal(e.err, -EACCES);
    assert_string_equal(e.code, "vfio-user-connect");
    assert_non_null(strstr(e.fix, "chmod"));
}

static void spaces_are_its_own(void **state)
{
    struct served *s = serve_thread("toy");
    struct weir_device *d = open_it();
    struct weir_device_options opt = {.size = sizeof(opt), .space = space_of(d)};
    struct weir_error e = {0};
    char name[128];

    (void)state;
    snprintf(name, sizeof(name), "vfio-user:%s", path);
    assert_null(weir_device_open(w, name, &opt, &e));
    assert_string_equal(e.code, "device-space");
    struct weir_space_info info;
    weir_space_info(space_of(d), &info);
    assert_string_equal(info.kind, "vfio-user");
    assert_int_equal(info.page_sizes, 0x40201000);
    assert_int_equal(info.max_maps, 65535);
    weir_device_close(d);
    unserve(s);
}

static void expect_serve_error(int err, const char *code)
{
    struct weir_error e = {0};
    struct weir_model *m = weir_model_new(w, "toy", NULL);

    assert_null(weir_server_new(m, path, &e));
    if (e.err != err || strcmp(e.code, code) != 0 || !e.fix[0])
        fail_msg("got %d %s '%s: %s; %s'", e.err, e.code, e.what, e.why, e.fix);
    /* The model is as free as before. */
    snprintf(path + strlen(path), 8, ".free");
    struct weir_server *s = weir_server_new(m, path, &e);
    assert_non_null(s);
    weir_server_free(s);
    path[strlen(path) - 5] = '\0';
    weir_model_free(m);
}

static void serving_where_it_cannot(void **state)
{
    struct served *s = serve_thread("toy");
    struct weir_device *d = open_it();
    struct weir_error e = {0};
    char keep[sizeof(path)];

    (void)state;
    expect_serve_error(-EADDRINUSE, "server-busy");
    assert_int_equal(get(d, ID), 0x70790000);
    assert_null(weir_server_new(s->m, "/tmp/other", &e)); /* a model serves once */
    assert_int_equal(e.err, -EBUSY);
    weir_device_close(d);
    unserve(s);
    assert_int_equal(access(path, F_OK), -1);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    expect_serve_error(-EEXIST, "server-path");
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    memcpy(keep, path, sizeof(path));
    struct weir_model *m = weir_model_new(w, "toy", NULL);
    snprintf(path, sizeof(path), "%s/none/s", folder);
    assert_null(weir_server_new(m, path, &e));
    assert_int_equal(e.err, -ENOENT);
    char longer[200];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_null(weir_server_new(m, longer, &e));
    assert_int_equal(e.err, -ENAMETOOLONG);
    weir_model_free(m);
    memcpy(path, keep, sizeof(path));
}

/* A socket that another server took over in the meantime is not removed. */
static void not_my_socket(void **state)
{
    struct served *s = serve_thread("toy");

    (void)state;
    unlink(path);
    pid_t other = serve_process("toy");
    unserve(s);
    assert_int_equal(access(path, F_OK), 0);
    struct weir_device *d = open_it();
    weir_device_close(d);
    kill_process(other);
}

static int raw_client(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static int agreed_client(void)
{
    uint8_t body[512];
    struct wire_msg m;
    int fd = raw_client();

    wire_send(fd, 1, WEIR_VFU_VERSION, 0, body, wire_version(body, 0, 0, WIRE_QEMU_JSON));
    wire_recv(fd, &m);
    assert_int_equal(m.h.flags, WEIR_VFU_REPLY);
    return fd;
}

static void raw_write(int fd, uint32_t region, uint64_t off, uint64_t value, uint32_t count)
{
    struct {
        struct weir_vfu_region_access a;
        uint64_t value;
    } b = {{off, region, count}, value};
    struct wire_msg m;

    wire_send(fd, 1, WEIR_VFU_REGION_WRITE, 0, &b, sizeof(b.a) + count);
    wire_recv(fd, &m);
    assert_int_equal(m.h.flags, WEIR_VFU_REPLY);
}

static void raw_irq(int fd, uint32_t action, int event)
{
    struct weir_vfu_irq_set set = {20, VFIO_IRQ_SET_DATA_EVENTFD | action, 0, 0, 1};
    struct wire_msg m;

    wire_send_fds(fd, 1, WEIR_VFU_SET_IRQS, 0, &set, sizeof(set), &event, event >= 0);
    wire_recv(fd, &m);
    assert_int_equal(m.h.flags, WEIR_VFU_REPLY);
}

static void wait_signal(int event)
{
    struct pollfd p = {.fd = event, .events = POLLIN};
    uint64_t count;

    assert_int_equal(poll(&p, 1, WIRE_PATIENCE_MS), 1);
    assert_int_equal(read(event, &count, sizeof(count)), sizeof(count));
    assert_int_equal(count, 1);
}

/* INTx masks itself; a client may leave an eventfd that unmasks it, blocking or not. */
static void unmask_by_eventfd(void **state)
{
    struct served *s = serve_thread("toy");
    int fd = agreed_client(), trigger = eventfd(0, EFD_CLOEXEC), unmask = eventfd(0, EFD_CLOEXEC);
    uint64_t one = 1;

    (void)state;
    raw_write(fd, 7, 4, 2, 2); /* memory decoding */
    raw_irq(fd, VFIO_IRQ_SET_ACTION_TRIGGER, trigger);
    raw_irq(fd, VFIO_IRQ_SET_ACTION_UNMASK, unmask);
    raw_write(fd, 0, SCRATCH, 0x1717, 8);
    wait_signal(trigger);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(wire_quiet(trigger));
        assert_int_equal(write(unmask, &one, sizeof(one)), sizeof(one));
        wait_signal(trigger); /* the level is still there */
    }
    raw_write(fd, 0, SCRATCH, 0, 8);
    assert_int_equal(write(unmask, &one, sizeof(one)), sizeof(one));
    /* Taken away, it means nothing any more. */
    struct pollfd p = {.fd = unmask, .events = POLLIN};
    UNTIL(poll(&p, 1, 0) == 0);
    raw_irq(fd, VFIO_IRQ_SET_ACTION_UNMASK, -1);
    raw_write(fd, 0, SCRATCH, 0x1717, 8);
    wait_signal(trigger);
    assert_int_equal(write(unmask, &one, sizeof(one)), sizeof(one));
    raw_write(fd, 0, SRC, 1, 8);
    assert_true(wire_quiet(trigger));
    close(fd);
    close(trigger);
    close(unmask);
    unserve(s);
}

/* Hostile clients, one after another; the model steps on and the next client is served. */
static void hostile_clients(void **state)
{
    static const uint8_t garbage[4096] = {0x16, 0x03, 0x01, 0x02};
    struct served *s = serve_thread("toy");
    const struct {
        struct weir_vfu_header h;
        struct weir_vfu_device_info info;
    } h = {{1, WEIR_VFU_DEVICE_GET_INFO, 32, 0, 0}, {16, 0, 0, 0}};
    struct wire_msg m;

    (void)state;
    unsigned fds = wire_count_fds();
    for (unsigned round = 0; round < 40; round++) {
        int fd = round % 8 < 3 ? raw_client() : agreed_client();
        unsigned steps = atomic_load(&s->toy->steps);
        switch (round % 8) {
        case 0: /* says nothing and goes */
            break;
        case 1: /* speaks something else */
            wire_raw(fd, garbage, sizeof(garbage), NULL, 0);
            assert_int_equal(wire_recv_ms(fd, &m, WIRE_PATIENCE_MS), 0);
            break;
        case 2: /* dies in its first message */
            wire_raw(fd, &h, 11, NULL, 0);
            break;
        case 3: /* stalls in a message: the wake is what makes an idle server step */
            wire_raw(fd, &h, 20, NULL, 0);
            for (unsigned i = 0; i < 20; i++)
                weir_server_wake(s->s);
            UNTIL(atomic_load(&s->toy->steps) >= steps + 3 || (weir_server_wake(s->s), false));
            break;
        case 4: /* floods with what needs no reply */
            for (unsigned i = 0; i < 20000; i++)
                wire_send(fd, 1, WEIR_VFU_DEVICE_RESET, WEIR_VFU_NO_REPLY, NULL, 0);
            break;
        case 5: /* asks for much and reads nothing */
            for (unsigned i = 0; i < 100; i++) {
                struct weir_vfu_region_access a = {0, 0, 0x1000};
                wire_send(fd, 1, WEIR_VFU_REGION_READ, 0, &a, sizeof(a));
            }
            break;
        case 6: /* sends descriptors with everything */
            for (unsigned i = 0; i < 100; i++) {
                int many[17];
                for (unsigned k = 0; k < 17; k++)
                    many[k] = fd;
                wire_send_fds(fd, 1, WEIR_VFU_DEVICE_RESET, WEIR_VFU_NO_REPLY, NULL, 0, many, 17);
            }
            break;
        default: /* answers what nobody asked */
            wire_send(fd, 1, WEIR_VFU_DMA_READ, WEIR_VFU_REPLY, NULL, 0);
            assert_int_equal(wire_recv_ms(fd, &m, WIRE_PATIENCE_MS), 0);
        }
        close(fd);
        /* It may take a moment until the server sees the end of the last one, not more. */
        struct weir_device *d = NULL;
        UNTIL((d = open_it_with(10000, NULL)) != NULL);
        assert_int_equal(get(d, ID), 0x70790000);
        weir_device_close(d);
    }
    unserve(s);
    /* but for the server's own: listener and wake, and what an instance has */
    assert_true(wire_count_fds() < fds);
}

/* Memory that a client truncates under a running model */
static void memory_truncated_under_way(void **state)
{
    struct served *s = serve_thread("toy");
    struct weir_device *d = open_it();
    int fd = wire_memfd(0x10000, 0);
    uint8_t *va = map_memfd(d, fd, 0x10000, 0x100000, true);

    (void)state;
    assert_int_equal(copy(d, 0x10f000, 0x100000, 16), 1);
    munmap(va, 0x10000);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(copy(d, 0x10f000, 0x100000, 16), 0);
    assert_int_equal(copy(d, 0x100000, 0x10f000, 16), 0);
    assert_int_equal(get(d, ID), 0x70790000);
    weir_device_close(d);
    unserve(s);
    close(fd);
}

static uint64_t cpu_ticks(pid_t pid)
{
    char name[64], text[1024];
    unsigned long user, system;

    snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    assert_true(n > 0);
    text[n] = '\0';
    /* utime and stime are the 12th and 13th behind the name in brackets */
    assert_int_equal(sscanf(strrchr(text, ')'),
                            ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                            &system),
                     2);
    return user + system;
}

/* A model with nothing to do costs nothing, with a client or without, and next to nothing when its
 * wire has what it cannot take. */
static void idle_server_sleeps(void **state)
{
    static const char *const specs[] = {"toy", "toy?wire=stuck:"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        pid_t server = serve_process(specs[i]);
        struct weir_device *d = NULL;
        for (unsigned with = 0; with < 2; with++) {
            if (with)
                d = open_it();
            uint64_t before = cpu_ticks(server);
            poll(NULL, 0, 500);
            /* 500 ms are 50 ticks */
            assert_in_range(cpu_ticks(server) - before, 0, 3);
        }
        weir_device_close(d);
        kill_process(server);
    }
}

static void run_returns_in_time(void **state)
{
    struct weir_model *m = weir_model_new(w, "toy", NULL);
    struct weir_server *s = weir_server_new(m, path, NULL);

    (void)state;
    uint64_t from = weir_now_ns();
    assert_int_equal(weir_server_run(s, 0, NULL), 0);
    assert_int_equal(weir_server_run(s, 50, NULL), 0);
    uint64_t took = weir_now_ns() - from;
    assert_true(took >= 50000000 && took < 5000000000u);
    /* woken before it slept */
    weir_server_wake(s);
    assert_int_equal(weir_server_run(s, -1, NULL), 0);
    weir_server_free(s);
    weir_model_free(m);
}

/* All of it goes with the instance, whatever was left open. */
static void freed_with_the_instance(void **state)
{
    struct served *s = serve_thread("toy");
    struct weir_device *d = open_it();

    (void)state;
    put(d, SCRATCH, 1);
    weir_free(w);
    atomic_store(&s->stop, true);
    weir_server_wake(s->s);
    pthread_join(s->thread, NULL);
    weir_free(s->w);
    assert_int_equal(access(path, F_OK), -1);
    free(s);
    w = instance();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(registers, setup, teardown),
        cmocka_unit_test_setup_teardown(dma, setup, teardown),
        cmocka_unit_test_setup_teardown(interrupts, setup, teardown),
        cmocka_unit_test_setup_teardown(one_client_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_client, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_server, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_server_under_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(another_device_returns, setup, teardown),
        cmocka_unit_test_setup_teardown(stopped_server, setup, teardown),
        cmocka_unit_test_setup_teardown(opening_what_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(opening_without_the_right, setup, teardown),
        cmocka_unit_test_setup_teardown(spaces_are_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(serving_where_it_cannot, setup, teardown),
        cmocka_unit_test_setup_teardown(not_my_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(unmask_by_eventfd, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_truncated_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(idle_server_sleeps, setup, teardown),
        cmocka_unit_test_setup_teardown(run_returns_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(freed_with_the_instance, setup, teardown),
    };
    return cmocka_run_group_tests_name("vfu_server", tests, NULL, NULL);
}
