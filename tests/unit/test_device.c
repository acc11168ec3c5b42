/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices: names, options, spaces, loss and return. */
#include "model_case.h"

static int no_map(struct weir_space *s, const struct weir_mem *mem, weir_iova_t iova, unsigned prot,
                  struct weir_error *e)
{
    (void)s, (void)mem, (void)iova, (void)prot, (void)e;
    return 0;
}

static int no_unmap(struct weir_space *s, weir_iova_t iova, size_t len, struct weir_error *e)
{
    (void)s, (void)iova, (void)len, (void)e;
    return 0;
}

static void no_free(struct weir_space *s)
{
    (void)s;
}

static void refuses_a_foreign_space(void **state)
{
    static const struct weir_space_ops ops = {
        .kind = "odd", .map = no_map, .unmap = no_unmap, .free = no_free};
    static const struct weir_iova_range all = {0, 0xffffffff};
    struct kit_case *c = *state;
    struct weir_device_options opt = {.size = sizeof(opt)};
    struct weir_error e;

    opt.space = weir_space_make(c->w, &ops, NULL, 4096, &all, 1, UINT64_MAX, NULL);
    assert_non_null(opt.space);
    assert_null(weir_device_open(c->w, "model:toy", &opt, &e));
    assert_string_equal(e.code, "device-space");
    assert_non_null(strstr(e.why, "odd"));
    weir_space_free(opt.space);
}

static void refuses_bad_names(void **state)
{
    struct kit_case *c = *state;
    struct weir_error e;
    static const struct {
        const char *name, *code, *why;
        int err;
    } bad[] = {
        {"", "device-name", "known are vfio-user:, model:", -EINVAL},
        {"eth0", "device-name", "known are vfio-user:, model:", -EINVAL},
        {"0000:ff:1f.7", "device-absent", "no such PCI function", -ENODEV},
        {"ff:1f.7", "device-absent", "no such PCI function", -ENODEV},
        {"vfio:ff:1f.7", "device-absent", "no such PCI function", -ENODEV},
        {"vfio:eth0", "device-name", "'eth0' is no PCI address", -EINVAL},
        {"ff:1f.7?iommu=some", "device-param", "'iommu=some'", -EINVAL},
        {"ff:1f.7?vf-token=1", "device-param", "'vf-token=1'", -EINVAL},
        {"ff:1f.7?", "device-param", "''", -EINVAL},
        {"0000:01:00.0x", "device-name", "known are", -EINVAL},
        {"model", "device-name", "known are", -EINVAL},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(weir_device_open(c->w, bad[i].name, NULL, &e));
        assert_string_equal(e.code, bad[i].code);
        assert_int_equal(e.err, bad[i].err);
        if (!strstr(e.why, bad[i].why))
            fail_msg("%s: %s", bad[i].name, e.why);
        assert_true(e.fix[0]);
    }
    char *longest = malloc(5000);
    memset(longest, 'a', 4999);
    longest[4999] = '\0';
    assert_null(weir_device_open(c->w, longest, NULL, &e));
    assert_string_equal(e.code, "device-name");
    free(longest);
    assert_null(weir_device_open(c->w, "model:tiger", NULL, &e));
    assert_string_equal(e.code, "model-name");
    assert_int_equal(e.err, -ENOENT);

    struct weir_device_options opt = {.size = 4};
    assert_null(weir_device_open(c->w, "model:toy", &opt, &e));
    assert_string_equal(e.code, "device-options");
    opt.size = sizeof(opt) + 8;
    assert_null(weir_device_open(c->w, "model:toy", &opt, &e));
    assert_string_equal(e.code, "device-options");
    opt.size = sizeof(opt);
    opt.timeout_ms = UINT32_MAX;
    assert_null(weir_device_open(c->w, "model:toy", &opt, &e));
    assert_string_equal(e.code, "device-options");
}

/* Loss and return, with a backend that says when. */
static bool is_back;
static int reopen_result;

static bool test_returned(struct weir_device *d)
{
    (void)d;
    return is_back;
}

static int test_reopen(struct weir_device *d, struct weir_error *e)
{
    (void)d;
    return reopen_result ? weir_fail(e, reopen_result, "test", "reopen\nno\n") : 0;
}

/* Wait until weir_events() has one, at most five seconds. */
static struct weir_event next_event(struct weir *w)
{
    struct weir_event ev;
    for (unsigned i = 0; i < 50; i++) {
        if (weir_events(w, &ev, 1))
            return ev;
        struct epoll_event out;
        epoll_wait(weir_event_fd(w), &out, 1, 100);
    }
    fail_msg("no event");
    abort();
}

static void is_lost_and_returns(void **state)
{
    struct kit_case *c = *state;
    struct weir_device *d = open_toy(c, "model:toy");
    struct weir_device_ops ops = weir_device_model;
    struct weir_event ev;
    struct weir_error e;
    uint32_t value;

    ops.returned = test_returned;
    ops.reopen = test_reopen;
    d->ops = &ops;
    is_back = false;
    reopen_result = 0;
    weir_write32(d, 0, REG_KEEP, 5);
    assert_int_equal(weir_device_reopen(d, &e), -EINVAL);
    assert_string_equal(e.code, "device-not-lost");

    weir_device_set_lost(d, "the test says so");
    weir_device_set_lost(d, "and again");
    assert_true(weir_device_lost(d));
    assert_int_equal(weir_read32(d, 0, REG_KEEP), 0xffffffff);
    weir_write32(d, 0, REG_KEEP, 6);
    assert_int_equal(weir_region_read(d, 0, REG_KEEP, &value, 4, &e), -ENODEV);
    assert_string_equal(e.code, "device-lost");
    assert_int_equal(value, 0xffffffff);
    assert_int_equal(weir_config_read(d, 0, 2), 0xffff);
    assert_int_equal(weir_config_cap(d, PCI_CAP_ID_PM), 0);
    assert_int_equal(weir_device_reset(d, &e), -ENODEV);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSIX, 0, 0, NULL, &e), -ENODEV);
    ev = next_event(c->w);
    assert_int_equal(ev.type, WEIR_EVENT_LOST);
    assert_ptr_equal(ev.device, d);
    assert_int_equal(weir_events(c->w, &ev, 1), 0); /* told once */

    is_back = true;
    ev = next_event(c->w);
    assert_int_equal(ev.type, WEIR_EVENT_RETURNED);
    /* A reopening that fails leaves it lost and looks out again. */
    reopen_result = -ECONNREFUSED;
    assert_int_equal(weir_device_reopen(d, &e), -ECONNREFUSED);
    assert_true(weir_device_lost(d));
    ev = next_event(c->w);
    assert_int_equal(ev.type, WEIR_EVENT_RETURNED);
    /* Another device in its place is refused. */
    reopen_result = 0;
    d->device++;
    assert_int_equal(weir_device_reopen(d, &e), -ENXIO);
    assert_string_equal(e.code, "device-changed");
    assert_true(weir_device_lost(d));
    d->device--;
    assert_int_equal(weir_device_reopen(d, &e), 0);
    assert_false(weir_device_lost(d));
    assert_int_equal(weir_read32(d, 0, REG_KEEP), 5);
    weir_device_close(d);
}

/* Registers that are mapped are reached without the backend, as far as the mapping goes. */
static void uses_a_mapping(void **state)
{
    struct weir_device *d = open_toy(*state, "model:toy");
    static uint32_t page[1024];

    d->regions[0].map = (volatile uint8_t *)page;
    d->regions[0].map_size = sizeof(page);
    page[4] = weir_le32(0x11223344);
    assert_int_equal(weir_read32(d, 0, 16), 0x11223344);
    weir_write32(d, 0, 20, 0x55667788);
    assert_int_equal(weir_le32(page[5]), 0x55667788);
    assert_int_equal(weir_read32(d, 0, 4096), 0); /* behind it */
    d->regions[0].writable = d->regions[0].readable = false;
    weir_write32(d, 0, 20, 0);
    assert_int_equal(weir_le32(page[5]), 0x55667788);
    assert_int_equal(weir_read32(d, 0, 20), 0xffffffff);
    struct weir_error e;
    uint32_t v;
    assert_int_equal(weir_region_read(d, 0, 0, &v, 4, &e), -EACCES);
    assert_string_equal(e.code, "device-access");
    assert_int_equal(weir_region_write(d, 0, 0, &v, 4, &e), -EACCES);
    d->regions[0].map = NULL;
    weir_device_close(d);
}

static void told_when_lost(struct weir_device *d)
{
    toy_of(d)->widths[0]++;
}

static void goes_with_its_instance(void **state)
{
    struct kit_case *c = *state;
    struct weir_device *d = open_toy(c, "model:toy");
    struct weir_event ev;

    d->on_lost = told_when_lost;
    weir_device_set_lost(d, "pulled");
    weir_device_set_lost(d, "pulled twice");
    assert_int_equal(toy_of(d)->widths[0], 1);
    assert_int_equal(weir_device_irq_unmask(d, WEIR_IRQ_INTX, NULL), -ENODEV);
    weir_device_close(d); /* its events go, too */
    assert_int_equal(weir_events(c->w, &ev, 1), 0);
    open_toy(c, "model:toy"); /* left to weir_free() */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CASE(refuses_a_foreign_space), CASE(refuses_bad_names),      CASE(is_lost_and_returns),
        CASE(uses_a_mapping),          CASE(goes_with_its_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
