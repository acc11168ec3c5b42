/* SPDX-License-Identifier: BSD-3-Clause */
/* A server or its client is killed, stopped or replaced: what the other one is left with. */
#include "vfu_server_case.h"

#include <dirent.h>

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
    uint64_t soonest = UINT64_MAX; /* a busy machine may hold up one round, but not all */
    for (unsigned round = 0; round < 3; round++) {
        put(d, SCRATCH, 7);
        kill_process(server);
        uint64_t took = wait_event(WEIR_EVENT_LOST);
        soonest = took < soonest ? took : soonest;
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
    assert_true(soonest < 1000000000u);
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
    assert_true(weir_now_ns() - from < 20000000000u); /* one wait of 2 s, not 20,000 */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_client, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_server, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_server_under_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(another_device_returns, setup, teardown),
        cmocka_unit_test_setup_teardown(stopped_server, setup, teardown),
    };
    return cmocka_run_group_tests_name("vfu_server_killed", tests, NULL, NULL);
}
