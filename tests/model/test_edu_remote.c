/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The edu driver over a socket: the same copies on a model that another instance serves, polled and
 * by both kinds of interrupt. The model goes away in the midst of them, and comes back.
 */
#include "edu_rig.h"
#include "lib/device/backend.h"
#include "remote.h"

static void copies(void **state)
{
    static const uint32_t lengths[] = {1, 64, 4031, 4032, 4033, 4096, 9000, 50000};
    struct remote me = {0};
    (void)state;
    remote_up(&me, "edu?delay=1");
    for (unsigned way = 0; way < 3; way++) {
        struct weir_channel_info info;
        struct rig r;
        rig_init(&r);
        struct weir_device *d = weir_device_open(r.w, me.name, NULL, NULL);
        assert_non_null(d);
        if (way == 2)
            d->irqs[WEIR_IRQ_MSI] = 0;
        const struct weir_channel_options o = {
            .size = sizeof o, .arena = r.arena, .use_interrupt = way > 0};
        struct weir_channel *ch = weir_channel_new(d, &o, NULL);
        assert_non_null(ch);
        weir_channel_info(ch, &info);
        assert_string_equal(info.interrupt, way == 0 ? "none" : way == 1 ? "MSI" : "INTx");
        for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++)
            rig_copy(&r, ch, 11, 5, lengths[i]);
        weir_channel_close(ch);
        rig_free(&r);
    }
    remote_down(&me);
}

static struct weir_event await(struct rig *r, enum weir_event_type type)
{
    uint64_t end = rig_now_ms() + RIG_SECONDS * 1000;
    struct pollfd fd = {.fd = weir_event_fd(r->w), .events = POLLIN};
    struct weir_event ev;
    for (;;) {
        while (weir_events(r->w, &ev, 1))
            if (ev.type == type)
                return ev;
        assert_true(rig_now_ms() < end);
        poll(&fd, 1, 10);
    }
}

static void the_model_goes_away_and_comes_back(void **state)
{
    struct remote me = {0};
    struct weir_channel_info info;
    struct weir_error e;
    struct rig r;
    (void)state;
    rig_init(&r);
    remote_up(&me, "edu");
    for (int interrupt = 0; interrupt <= 1; interrupt++) {
        struct weir_channel *ch = rig_open(&r, me.name, interrupt);
        for (unsigned round = 0; round < 3; round++) {
            rig_copy(&r, ch, 0, 0, 9000);
            /* In the midst of things: one that does not end, and two behind it. */
            remote_down(&me);
            remote_up(&me, "edu?stall=on");
            await(&r, WEIR_EVENT_RETURNED);
            assert_int_equal(weir_channel_recover(ch, &e), 0);
            for (unsigned i = 0; i < 3; i++)
                assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 100, i, &e), 0);
            if (interrupt)
                assert_int_equal(weir_channel_arm(ch, &e), 0);
            remote_down(&me);
            assert_ptr_equal(await(&r, WEIR_EVENT_LOST).device, weir_channel_device(ch));
            if (interrupt) { /* who sleeps is woken */
                struct pollfd fd = {.fd = weir_channel_fd(ch), .events = POLLIN};
                assert_int_equal(poll(&fd, 1, 0), 1);
            }
            for (unsigned i = 0; i < 3; i++) {
                struct weir_copy_done done = rig_next(&r, ch);
                assert_int_equal(done.cookie, i);
                assert_int_equal(done.status, -ENODEV);
            }
            assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 1, 0, &e), -ENODEV);
            assert_true(weir_channel_recover(ch, &e) < 0); /* nobody is there */
            weir_channel_info(ch, &info);
            assert_true(info.lost);
            remote_up(&me, "edu");
            await(&r, WEIR_EVENT_RETURNED);
            if (weir_channel_recover(ch, &e)) {
                weir_error_print(&e, stderr);
                fail();
            }
            weir_channel_info(ch, &info);
            assert_false(info.lost || info.stuck);
        }
        rig_copy(&r, ch, 0, 0, 9000);
        weir_channel_close(ch);
    }
    /* Lost for good, with copies queued. */
    struct weir_channel *ch = rig_open(&r, me.name, true);
    assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 100, 1, &e), 0);
    remote_down(&me);
    weir_channel_close(ch);
    rig_free(&r);
}

/* Its owner leaves a transfer behind; the next finds a device that works. */
static void the_next_owner(void **state)
{
    struct remote me = {0};
    struct rig r;
    (void)state;
    rig_init(&r);
    remote_up(&me, "edu?delay=50");
    for (unsigned i = 0; i < 3; i++) {
        struct weir_channel *ch = rig_open(&r, me.name, i & 1);
        rig_copy(&r, ch, 0, 0, 100);
        assert_int_equal(weir_channel_copy(ch, r.dst.iova, r.src.iova, 100, 1, NULL), 0);
        weir_channel_close(ch);
    }
    rig_free(&r);
    remote_down(&me);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies),
        cmocka_unit_test(the_model_goes_away_and_comes_back),
        cmocka_unit_test(the_next_owner),
    };
    return cmocka_run_group_tests_name("edu_remote", tests, NULL, NULL);
}
