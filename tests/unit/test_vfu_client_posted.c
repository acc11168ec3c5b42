/* SPDX-License-Identifier: BSD-3-Clause */
/* Posted writes, which wait for no answer, and threads that use one client at the same time. */
#include "vfu_client_case.h"

static void expect_seen(unsigned i, uint64_t off, uint32_t value)
{
    uint32_t got;

    memcpy(&got, server.seen[i].data, 4);
    if (server.seen[i].offset != off || got != value)
        fail_msg("write %u is %u at %#llx, not %u at %#llx", i, got,
                 (unsigned long long)server.seen[i].offset, value, (unsigned long long)off);
}

static void post(uint64_t off, uint32_t value)
{
    assert_int_equal(weir_vfu_client_post(client, 0, off, &value, 4), 0);
}

static void posted_writes_come_before_a_read(void **state)
{
    uint32_t value;

    (void)state;
    assert_int_equal(start(RIGHT, RIGHT, 10000, NULL), 0);
    for (uint32_t i = 0; i < 100; i++)
        post(8 * (i % 3), i);
    assert_int_equal(read4(0, &value, NULL), 0);
    assert_int_equal(atomic_load(&server.n_seen), 100);
    for (uint32_t i = 0; i < 100; i++)
        expect_seen(i, 8 * (i % 3), i);
    stop();
}

/* A server that reads nothing for a while: nothing blocks, nothing is lost, the order is kept. */
static void posted_writes_wait_for_the_socket(void **state)
{
    (void)state;
    for (int multi = 0; multi < 2; multi++) {
        const uint32_t n = 20000;
        uint32_t value;
        assert_int_equal(start(RIGHT, READS_NOTHING, 10000, NULL), 0);
        if (!multi)
            client->peer.write_multi = false;
        uint64_t from = weir_now_ns();
        for (uint32_t i = 0; i < n; i++)
            post(i & 1 ? 0x10 : 0x20, i);
        assert_true(weir_now_ns() - from < 5000000000u);
        assert_true(atomic_load(&out_wanted));
        assert_int_equal(atomic_load(&out_calls), 1);
        atomic_store(&server.go, true);
        READY_UNTIL(!atomic_load(&out_wanted));
        assert_int_equal(read4(0, &value, NULL), 0);
        assert_int_equal(atomic_load(&server.n_seen), n);
        for (uint32_t i = 0; i < n; i++)
            expect_seen(i, i & 1 ? 0x10 : 0x20, i);
        if (multi)
            assert_in_range(server.multis, 1, n / 2);
        else
            assert_int_equal(server.multis, 0);
        stop();
    }
}

/* A register is not memory: every write to it counts, also when they wait for the socket. */
static void writes_to_one_register_all_arrive(void **state)
{
    const uint32_t n = 20000;
    uint32_t value;

    (void)state;
    assert_int_equal(start(RIGHT, READS_NOTHING, 10000, NULL), 0);
    for (uint32_t i = 0; i < n; i++)
        post(0x10, i);
    atomic_store(&server.go, true);
    assert_int_equal(read4(0, &value, NULL), 0);
    assert_int_equal(atomic_load(&server.n_seen), n);
    for (uint32_t i = 0; i < n; i++)
        expect_seen(i, 0x10, i);
    stop();
}

static void a_server_that_never_reads_is_lost(void **state)
{
    struct weir_error e;
    uint32_t value;
    char why[200];

    (void)state;
    /* by time */
    assert_int_equal(start(RIGHT, READS_NOTHING, 10000, NULL), 0);
    client->timeout_ms = 50;
    uint64_t from = weir_now_ns();
    for (uint32_t i = 0; weir_vfu_client_post(client, 0, i % 7 * 4, &i, 4) == 0; i++) {
        assert_true(weir_now_ns() - from < 10000000000u);
        if (i > 2000)
            poll(NULL, 0, 1);
    }
    weir_vfu_client_why(client, why, sizeof(why));
    assert_non_null(strstr(why, "took no register writes for 50 ms"));
    stop();

    /* by number */
    assert_int_equal(start(RIGHT, READS_NOTHING, 60000, NULL), 0);
    from = weir_now_ns();
    uint32_t n = 0;
    while (weir_vfu_client_post(client, 0, n % 7 * 4, &n, 4) == 0)
        n++;
    assert_true(weir_now_ns() - from < 10000000000u);
    assert_in_range(n, 32768, 60000);
    weir_vfu_client_why(client, why, sizeof(why));
    assert_non_null(strstr(why, "32768 register writes waiting"));
    stop();

    /* a read behind them is told in time */
    assert_int_equal(start(RIGHT, READS_NOTHING, 10000, NULL), 0);
    client->timeout_ms = 100;
    for (uint32_t i = 0; i < 5000; i++)
        post(i % 7 * 4, i);
    from = weir_now_ns();
    assert_int_equal(read4(0, &value, &e), -ETIMEDOUT);
    assert_true(weir_now_ns() - from < 5000000000u);
    expect_error(&e, -ETIMEDOUT, "vfio-user-timeout", "");
    stop();
}

static void *reader(void *arg)
{
    uint32_t value;

    *(int *)arg = read4(0, &value, NULL);
    return NULL;
}

/* While one thread waits for an answer, another posts without waiting. */
static void posting_while_another_thread_waits(void **state)
{
    pthread_t thread;
    int r = 1;

    (void)state;
    assert_int_equal(start(RIGHT, SILENT, 10000, NULL), 0);
    client->timeout_ms = 3000;
    assert_int_equal(pthread_create(&thread, NULL, reader, &r), 0);
    uint64_t from = weir_now_ns();
    while (!atomic_load(&server.asked)) {
        assert_true(weir_now_ns() - from < 10000000000u);
        sched_yield();
    }
    from = weir_now_ns();
    for (uint32_t i = 0; i < 100; i++)
        post(4 * i, i);
    assert_true(weir_now_ns() - from < 2500000000u);
    weir_vfu_client_ready(client); /* does not wait for it either */
    assert_true(weir_now_ns() - from < 2500000000u);
    pthread_join(thread, NULL);
    assert_int_equal(r, -ETIMEDOUT);
    stop();
}

/* Halting frees a thread that waits. */
static void halt_while_another_thread_waits(void **state)
{
    pthread_t thread;
    int r = 1;

    (void)state;
    assert_int_equal(start(RIGHT, SILENT, 60000, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, reader, &r), 0);
    uint64_t from = weir_now_ns();
    while (!atomic_load(&server.asked)) {
        assert_true(weir_now_ns() - from < 10000000000u);
        sched_yield();
    }
    weir_vfu_client_halt(client, "enough");
    pthread_join(thread, NULL);
    assert_int_equal(r, -ENODEV);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posted_writes_come_before_a_read),
        cmocka_unit_test(posted_writes_wait_for_the_socket),
        cmocka_unit_test(writes_to_one_register_all_arrive),
        cmocka_unit_test(a_server_that_never_reads_is_lost),
        cmocka_unit_test(posting_while_another_thread_waits),
        cmocka_unit_test(halt_while_another_thread_waits),
    };
    return cmocka_run_group_tests_name("vfu_client_posted", tests, NULL, NULL);
}
