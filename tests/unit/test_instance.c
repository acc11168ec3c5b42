/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/core/instance.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void two_instances_share_nothing(void **state)
{
    struct weir *a = weir_new(NULL, NULL), *b = weir_new(NULL, NULL);
    struct weir_event ev;
    (void)state;
    weir_post(a, &(struct weir_event){.type = WEIR_EVENT_LINK});
    assert_true(readable(weir_event_fd(a)));
    assert_false(readable(weir_event_fd(b)));
    assert_int_equal(weir_events(b, &ev, 1), 0);
    assert_int_equal(weir_events(a, &ev, 1), 1);
    assert_int_equal(ev.type, WEIR_EVENT_LINK);
    assert_false(readable(weir_event_fd(a)));
    weir_free(a);
    weir_free(b);
}

static void a_wrong_options_size_is_refused(void **state)
{
    struct weir_options opt = {.size = 3};
    struct weir_error e;
    (void)state;
    assert_null(weir_new(&opt, &e));
    assert_string_equal(e.code, "options-size");
    assert_int_equal(e.err, -EINVAL);
}

static void no_descriptors_left_is_an_error(void **state)
{
    struct rlimit was, none;
    struct weir_error e;
    int next = dup(0);
    (void)state;
    assert_true(next >= 0);
    close(next);
    getrlimit(RLIMIT_NOFILE, &was);
    for (rlim_t left = 0; left < 2; left++) { /* first epoll fails, then the eventfd */
        none = was;
        none.rlim_cur = (rlim_t)next + left;
        setrlimit(RLIMIT_NOFILE, &none);
        struct weir *w = weir_new(NULL, &e);
        setrlimit(RLIMIT_NOFILE, &was);
        assert_null(w);
        assert_string_equal(e.code, "no-descriptors");
        assert_int_equal(e.err, -EMFILE);
    }
    int again = dup(0);
    assert_int_equal(again, next); /* nothing leaked */
    close(again);
}

struct thing {
    struct weir_object object;
    int id;
    struct thing *owns;
};

static int freed[8], n_freed;

static void thing_free(struct weir_object *o)
{
    struct thing *t = (struct thing *)o;
    weir_object_remove(o);
    if (t->owns)
        thing_free(&t->owns->object);
    freed[n_freed++] = t->id;
    free(t);
}

static struct thing *thing_new(struct weir *w, int id, enum weir_rank rank)
{
    struct thing *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->id = id;
    weir_object_add(w, &t->object, rank, thing_free);
    return t;
}

static void free_takes_ports_before_devices_before_memory(void **state)
{
    struct weir *w = weir_new(NULL, NULL);
    (void)state;
    n_freed = 0;
    thing_new(w, 1, WEIR_RANK_ARENA);
    struct thing *device = thing_new(w, 2, WEIR_RANK_DEVICE);
    thing_new(w, 3, WEIR_RANK_SPACE);
    struct thing *port = thing_new(w, 4, WEIR_RANK_PORT);
    port->owns = device;
    weir_free(w);
    assert_int_equal(n_freed, 4);
    assert_int_equal(freed[0], 2); /* freed by the port, before the port itself */
    assert_int_equal(freed[1], 4);
    assert_int_equal(freed[2], 1);
    assert_int_equal(freed[3], 3);
}

static void events_come_in_order_and_stay_until_fetched(void **state)
{
    struct weir *w = weir_new(NULL, NULL);
    struct weir_event ev[4];
    struct weir_device *d = (void *)&ev;
    (void)state;
    for (int i = 0; i < 3; i++)
        weir_post(w, &(struct weir_event){.type = WEIR_EVENT_LINK, .device = d, .link_up = i == 1});
    assert_int_equal(weir_events(w, ev, 2), 2);
    assert_true(readable(weir_event_fd(w)));
    assert_false(ev[0].link_up);
    assert_true(ev[1].link_up);
    assert_int_equal(weir_events(w, ev, 4), 1);
    assert_false(readable(weir_event_fd(w)));
    weir_free(w);
}

static void a_full_queue_never_drops_a_loss(void **state)
{
    struct weir *w = weir_new(NULL, NULL);
    struct weir_event ev[WEIR_EVENT_QUEUE + 8];
    static char devices[2 * WEIR_EVENT_QUEUE];
    unsigned n, lost = 0;
    (void)state;
    weir_post(w, &(struct weir_event){.type = WEIR_EVENT_LOST, .device = (void *)&devices[0]});
    for (int i = 1; i < 2 * WEIR_EVENT_QUEUE; i++)
        weir_post(w, &(struct weir_event){.type = WEIR_EVENT_LINK, .device = (void *)&devices[i]});
    weir_post(w, &(struct weir_event){.type = WEIR_EVENT_LOST, .device = (void *)&devices[9]});
    n = weir_events(w, ev, WEIR_EVENT_QUEUE + 8);
    assert_int_equal(n, WEIR_EVENT_QUEUE);
    for (unsigned i = 0; i < n; i++)
        lost += ev[i].type == WEIR_EVENT_LOST;
    assert_int_equal(lost, 2);
    weir_free(w);
}

static void a_full_queue_tells_the_newest_link_last(void **state)
{
    struct weir *w = weir_new(NULL, NULL);
    struct weir_event ev[WEIR_EVENT_QUEUE];
    static char one, two;
    unsigned n;
    (void)state;
    weir_post(w, &(struct weir_event){.type = WEIR_EVENT_RETURNED, .device = (void *)&two});
    for (int i = 0; i < 2 * WEIR_EVENT_QUEUE; i++)
        weir_post(w, &(struct weir_event){
                         .type = WEIR_EVENT_LINK, .device = (void *)&one, .link_up = i & 1});
    n = weir_events(w, ev, WEIR_EVENT_QUEUE);
    assert_int_equal(n, WEIR_EVENT_QUEUE);
    assert_int_equal(ev[0].type, WEIR_EVENT_RETURNED);
    assert_true(ev[n - 1].link_up);
    assert_false(ev[n - 2].link_up && ev[n - 3].link_up);
    /* Nothing but losses: a link is not worth one. */
    static char devices[WEIR_EVENT_QUEUE];
    for (int i = 0; i < WEIR_EVENT_QUEUE; i++)
        weir_post(w, &(struct weir_event){.type = WEIR_EVENT_LOST, .device = (void *)&devices[i]});
    weir_post(w, &(struct weir_event){.type = WEIR_EVENT_LINK, .device = (void *)&one});
    n = weir_events(w, ev, WEIR_EVENT_QUEUE);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(ev[i].type, WEIR_EVENT_LOST);
    weir_free(w);
}

static void events_of_a_freed_device_are_forgotten(void **state)
{
    struct weir *w = weir_new(NULL, NULL);
    struct weir_event ev[4];
    static char a, b;
    (void)state;
    weir_post(w, &(struct weir_event){.type = WEIR_EVENT_LOST, .device = (void *)&a});
    weir_post(w, &(struct weir_event){.type = WEIR_EVENT_LINK, .device = (void *)&b});
    weir_unpost(w, (void *)&a, NULL);
    assert_int_equal(weir_events(w, ev, 4), 1);
    assert_ptr_equal(ev[0].device, &b);
    weir_free(w);
}

struct counter {
    struct weir_watch watch;
    struct weir *w;
    int calls;
};

static void counter_ready(struct weir_watch *watch, uint32_t events)
{
    struct counter *c = (struct counter *)watch;
    uint64_t v;
    (void)events;
    c->calls++;
    (void)!read(watch->fd, &v, sizeof v);
}

static void a_watch_is_served_by_weir_events(void **state)
{
    struct weir *w = weir_new(NULL, NULL);
    struct counter c = {.watch = {.fd = -1, .ready = counter_ready}, .w = w};
    int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    (void)state;
    assert_int_equal(weir_watch_add(w, &c.watch, fd, false, NULL), 0);
    weir_events(w, NULL, 0);
    weir_events(w, NULL, 0);
    assert_int_equal(c.calls, 1);
    weir_watch_remove(w, &c.watch);
    assert_int_equal(c.watch.fd, -1);
    assert_int_equal(write(fd, &(uint64_t){1}, 8), 8);
    weir_events(w, NULL, 0);
    assert_int_equal(c.calls, 1);
    close(fd);
    weir_free(w);
}

static void names_are_taken_once(void **state)
{
    static const struct weir_driver one = {.name = "one"}, two = {.name = "two"},
                                    twin = {.name = "one"};
    struct weir *w = weir_new(NULL, NULL);
    struct weir_error e;
    char list[64];
    (void)state;
    assert_string_equal(weir_named_list(w->drivers, list, sizeof list), "none");
    assert_int_equal(weir_driver_register(w, &one, &e), 0);
    assert_int_equal(weir_driver_register(w, &two, &e), 0);
    assert_int_equal(weir_driver_register(w, &twin, &e), -EEXIST);
    assert_string_equal(e.code, "name-taken");
    assert_string_equal(weir_named_list(w->drivers, list, sizeof list), "two, one");
    assert_string_equal(weir_named_list(w->drivers, list, 6), "two, ");
    assert_ptr_equal(weir_named_find(w->drivers, "one"), &one);
    assert_null(weir_named_find(w->drivers, "three"));
    weir_free(w);
}

static char last_line[256];

static void keep(void *user, enum weir_log_level level, const char *part, const char *text)
{
    (void)user;
    snprintf(last_line, sizeof last_line, "%d %s %s", (int)level, part, text);
}

static void the_log_goes_to_its_sink_at_its_level(void **state)
{
    struct weir_options opt = {.size = sizeof opt, .log = keep, .log_level = WEIR_LOG_WARNING};
    struct weir *w = weir_new(&opt, NULL);
    (void)state;
    weir_log(w, WEIR_LOG_WARNING, "mem", "%d pages", 3);
    assert_string_equal(last_line, "1 mem 3 pages");
    weir_log(w, WEIR_LOG_INFO, "mem", "quiet");
    assert_string_equal(last_line, "1 mem 3 pages");
    weir_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_instances_share_nothing),
        cmocka_unit_test(a_wrong_options_size_is_refused),
        cmocka_unit_test(no_descriptors_left_is_an_error),
        cmocka_unit_test(free_takes_ports_before_devices_before_memory),
        cmocka_unit_test(events_come_in_order_and_stay_until_fetched),
        cmocka_unit_test(a_full_queue_never_drops_a_loss),
        cmocka_unit_test(a_full_queue_tells_the_newest_link_last),
        cmocka_unit_test(events_of_a_freed_device_are_forgotten),
        cmocka_unit_test(a_watch_is_served_by_weir_events),
        cmocka_unit_test(names_are_taken_once),
        cmocka_unit_test(the_log_goes_to_its_sink_at_its_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
