/* SPDX-License-Identifier: BSD-3-Clause */
/* A model served over vfio-user and devices opened on it, as both sides are meant to be used. */
#include "vfu_server_case.h"

#include <grp.h>
#include <sys/stat.h>
#include <sys/un.h>

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
        cmocka_unit_test_setup_teardown(opening_what_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(opening_without_the_right, setup, teardown),
        cmocka_unit_test_setup_teardown(spaces_are_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(serving_where_it_cannot, setup, teardown),
        cmocka_unit_test_setup_teardown(not_my_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(idle_server_sleeps, setup, teardown),
        cmocka_unit_test_setup_teardown(run_returns_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(freed_with_the_instance, setup, teardown),
    };
    return cmocka_run_group_tests_name("vfu_server", tests, NULL, NULL);
}
