/* SPDX-License-Identifier: BSD-3-Clause */
/* The model kit: specs, steps, DMA faults, sharing, wires. */
#include "model_case.h"

static void refuses_bad_specs(void **state)
{
    struct kit_case *c = *state;
    static const struct {
        const char *spec, *code, *in_why, *in_fix;
        int err;
    } bad[] = {
        {"tiger", "model-name", "plain, toy", "", -ENOENT},
        {"", "model-name", "plain, toy", "", -ENOENT},
        {"toy?speed=3", "model-param", "unknown key: 'speed'", "wire, colour, size", -EINVAL},
        {"toy?colour=red&colour=blue", "model-param", "twice: 'colour'", "", -EINVAL},
        {"toy?colour", "model-param", "no value: 'colour'", "", -EINVAL},
        {"toy?colour=", "model-param", "no value", "", -EINVAL},
        {"toy?=red", "model-param", "missing", "", -EINVAL},
        {"toy?", "model-param", "missing", "", -EINVAL},
        {"toy?colour=red&", "model-param", "missing", "", -EINVAL},
        {"toy?colours=red", "model-param", "unknown key: 'colours'", "", -EINVAL},
        {"toy?wire=loopback&wire=loopback&wire=loopback", "model-param", "more wires", "", -EINVAL},
        {"plain?wire=loopback", "model-param", "unknown key: 'wire'", "iotlb", -EINVAL},
        {"toy?iotlb=", "model-param", "no value", "", -EINVAL},
        {"toy?iotlb=off", "model-param", "cannot be 'off'", "iotlb=on", -EINVAL},
        {"plain?iotlb=0", "model-param", "cannot be '0'", "4096 entries", -EINVAL},
        {"plain?iotlb=5000", "model-param", "cannot be '5000'", "", -EINVAL},
        {"plain?iotlb=64,ways=5", "model-param", "cannot be '64,ways=5'", "", -EINVAL},
        {"plain?iotlb=ways=65", "model-param", "cannot be", "", -EINVAL},
        {"plain?iotlb=pages=4K+", "model-param", "cannot be", "", -EINVAL},
        {"plain?iotlb=pages=3K", "model-param", "cannot be", "", -EINVAL},
        {"plain?iotlb=pages=4096", "model-param", "cannot be", "", -EINVAL},
        {"plain?iotlb=pages=4K,pages=2M", "model-param", "cannot be", "", -EINVAL},
        {"plain?iotlb=entries=8,pages=", "model-param", "cannot be", "", -EINVAL},
        {"plain?iotlb=bits=65", "model-param", "cannot be", "", -EINVAL},
        {"toy?co\nlour=1", "model-param", "'co?lour'", "", -EINVAL},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct weir_error e = {0};
        assert_null(weir_model_new(c->w, bad[i].spec, &e));
        assert_string_equal(e.code, bad[i].code);
        assert_int_equal(e.err, bad[i].err);
        if (!strstr(e.why, bad[i].in_why) && strcmp(bad[i].code, "model-name") != 0)
            fail_msg("%s: %s", bad[i].spec, e.why);
        if (!strstr(e.fix, bad[i].in_fix))
            fail_msg("%s: %s", bad[i].spec, e.fix);
    }
    struct weir_error e = {0};
    assert_null(weir_model_new(c->w, "tiger", &e));
    assert_non_null(strstr(e.why, "toy"));
    assert_non_null(strstr(e.why, "plain"));
    assert_null(weir_model_new(c->w, "toy?wire=string:x", &e)); /* the wire's own error */
}

static void reads_parameters(void **state)
{
    struct kit_case *c = *state;
    struct weir_model *m = weir_model_new(c->w, "toy?colour=a=b:c,d&wire=loopback&size=9", NULL);
    assert_non_null(m);
    assert_string_equal(weir_model_param(m, "colour"), "a=b:c,d");
    assert_string_equal(weir_model_param(m, "size"), "9");
    assert_string_equal(weir_model_param(m, "wire"), "loopback");
    assert_null(weir_model_param(m, "shape"));
    assert_non_null(weir_model_wire(m, 0));
    assert_null(weir_model_wire(m, 1));
    struct weir_error e;
    assert_int_equal(weir_model_set(m, "colour", "red", &e), -EINVAL);
    assert_string_equal(e.code, "model-param");
    weir_model_free(m);
}

static void steps_with_dma(void **state)
{
    struct kit_case *c = *state;
    struct weir_device *d = open_toy(c, "model:toy");
    struct weir_model *m = model_of(d);
    struct toy *t = toy_of(d);
    struct weir_dma_fault f;
    struct weir_device_info info;
    void *page = aligned_alloc(4096, 4096);
    struct weir_mem mem = {.va = page, .len = 4096, .fd = -1, .name = "a ring"};

    memset(page, 0, 4096);
    weir_device_info(d, &info);
    assert_int_equal(weir_space_map(info.space, &mem, weir_iova(0x10000), WEIR_PROT_READ, NULL), 0);
    assert_false(weir_model_last_fault(m, &f));
    assert_int_equal(weir_model_step(m, 5), 0);
    t->dma_iova = 0x10010;
    assert_int_equal(weir_model_step(m, 5), 5);
    assert_int_equal(t->dma_result, 0);
    assert_false(weir_model_last_fault(m, &f));

    t->dma_iova = 0x10020;
    t->dma_write = true;
    weir_model_step(m, 1);
    assert_int_equal(t->dma_result, -EFAULT);
    assert_true(weir_model_last_fault(m, &f));
    assert_string_equal(f.reason, "read-only");
    assert_string_equal(f.queue, "ring");
    assert_int_equal(f.queue_index, 3);
    assert_int_equal(f.descriptor, 77);
    assert_int_equal(f.iova, 0x10020);
    assert_int_equal(f.len, 16);
    assert_true(f.write);
    assert_string_equal(f.mapping, "a ring");
    assert_non_null(strstr(c->log, "write 16 bytes at IOVA 0x10020 for ring 3, descriptor 77: "
                                   "read-only (mapping 'a ring')"));

    assert_int_equal(weir_space_unmap(info.space, weir_iova(0x10000), 4096, NULL), 0);
    t->dma_iova = 0x10000;
    t->dma_write = false;
    weir_model_step(m, 1);
    assert_true(weir_model_last_fault(m, &f));
    assert_string_equal(f.reason, "freed");
    t->dma_iova = 0x123450;
    weir_models_step(c->w, 1);
    assert_true(weir_model_last_fault(m, &f));
    assert_string_equal(f.reason, "unmapped");
    struct weir_model_stats s;
    weir_model_stats(m, &s);
    assert_int_equal(s.dma_faults, 3);

    /* A loop that faults does not flood the log: ten lines, then every thousandth. */
    c->warnings = 0;
    for (unsigned i = 0; i < 2000; i++) {
        t->dma_iova = 0x123450;
        weir_model_step(m, 1);
    }
    assert_int_equal(c->warnings, 7 + 2);
    weir_device_close(d);
    free(page);
}

/* The IOTLB that a spec asks for, whoever shares its space. */
static void counts_translations(void **state)
{
    struct kit_case *c = *state;
    struct weir_device *d = open_toy(c, "model:toy?iotlb=entries=8,ways=2,pages=4K+2M,bits=39");
    struct weir_model *m = model_of(d);
    struct weir_device_options opt = {.size = sizeof(opt)};
    struct weir_iotlb_stats s;
    struct weir_device_info info;
    void *page = aligned_alloc(4096, 4096);
    struct weir_mem mem = {.va = page, .len = 4096, .fd = -1, .name = "a ring"};

    memset(page, 0, 4096);
    weir_device_info(d, &info);
    assert_int_equal(weir_space_map(info.space, &mem, weir_iova(0x10000), WEIR_PROT_READ, NULL), 0);
    assert_true(weir_model_iotlb(m, NULL));
    assert_true(weir_model_iotlb(m, &s));
    assert_int_equal(s.entries, 8);
    assert_int_equal(s.ways, 2);
    assert_int_equal(s.n_pages, 2);
    assert_int_equal(s.page[1], 2 << 20);
    assert_int_equal(s.leaves[0], 1);
    assert_int_equal(s.n_queues, 0);
    for (unsigned i = 0; i < 3; i++) {
        toy_of(d)->dma_iova = 0x10010;
        weir_model_step(m, 1);
    }
    assert_true(weir_model_iotlb(m, &s));
    assert_int_equal(s.n_queues, 1);
    assert_string_equal(s.queue[0].queue, "ring");
    assert_int_equal(s.queue[0].queue_index, 3);
    assert_int_equal(s.total.misses[0], 1);
    assert_int_equal(s.total.hits[0], 2);
    assert_int_equal(s.total.reads, 3);

    /* The second device in the space has what the first one asked for. */
    opt.space = info.space;
    struct weir_device *other = weir_device_open(c->w, "model:toy?iotlb=on", &opt, NULL);
    assert_non_null(other);
    toy_of(other)->dma_iova = 0x10010;
    weir_model_step(model_of(other), 1);
    assert_true(weir_model_iotlb(model_of(other), &s));
    assert_int_equal(s.entries, 8);
    assert_int_equal(s.total.hits[0], 3);
    weir_device_close(other);
    weir_device_close(d);

    d = open_toy(c, "model:toy?iotlb=on");
    assert_true(weir_model_iotlb(model_of(d), &s));
    assert_int_equal(s.entries, 64);
    assert_int_equal(s.ways, 64);
    assert_int_equal(s.n_pages, 3);
    weir_device_close(d);
    d = open_toy(c, "model:toy?iotlb=128,ways=4");
    assert_true(weir_model_iotlb(model_of(d), &s));
    assert_int_equal(s.entries, 128);
    assert_int_equal(s.ways, 4);
    weir_device_close(d);
    d = open_toy(c, "model:toy");
    assert_false(weir_model_iotlb(model_of(d), &s));
    weir_device_close(d);
    m = weir_model_new(c->w, "toy?iotlb=on", NULL);
    assert_false(weir_model_iotlb(m, &s)); /* in no space yet */
    weir_model_free(m);
    free(page);
}

static void tells_faults_apart_in_a_shared_space(void **state)
{
    struct kit_case *c = *state;
    struct weir_device *a = open_toy(c, "model:toy");
    struct weir_device_options opt = {.size = sizeof(opt)};
    struct weir_device_info info;
    struct weir_dma_fault f;

    weir_device_info(a, &info);
    opt.space = info.space;
    struct weir_device *b = weir_device_open(c->w, "model:toy", &opt, NULL);
    assert_non_null(b);
    toy_of(b)->dma_iova = 0x5000;
    weir_models_step(c->w, 1);
    assert_false(weir_model_last_fault(model_of(a), &f));
    assert_true(weir_model_last_fault(model_of(b), &f));
    assert_int_equal(f.iova, 0x5000);
    weir_device_close(a); /* the space stays for the other */
    toy_of(b)->dma_iova = 0x6000;
    weir_models_step(c->w, 1);
    assert_true(weir_model_last_fault(model_of(b), &f));
    assert_int_equal(f.iova, 0x6000);
    weir_device_close(b);
}

static void is_claimed_once(void **state)
{
    struct kit_case *c = *state;
    struct weir_model *m = weir_model_new(c->w, "toy", NULL);
    struct weir_siommu *s = weir_siommu_new(NULL);
    struct weir_error e;
    struct toy *t = weir_model_priv(m);

    t->dma_iova = 0x1000;
    assert_int_equal(weir_model_step(m, 1), 0); /* nobody uses it */
    assert_int_equal(t->dma_iova, 0x1000);
    assert_int_equal(weir_model_deadline(m), UINT64_MAX);
    assert_int_equal(weir_model_attach(m, s, true, NULL), 0);
    assert_int_equal(weir_model_attach(m, s, false, &e), -EBUSY);
    assert_string_equal(e.code, "device-busy");
    assert_int_equal(weir_models_step(c->w, 1), 0); /* its server steps it */
    assert_int_equal(t->dma_iova, 0x1000);
    c->log[0] = '\0';
    weir_model_free(m); /* refused, and said */
    assert_non_null(strstr(c->log, "in use by a server"));
    assert_int_equal(weir_model_step(m, 1), 1);
    unsigned resets_before = t->resets;
    weir_model_detach(m);
    assert_int_equal(t->resets, resets_before + 1);
    assert_int_equal(weir_model_attach(m, s, false, NULL), 0);
    weir_model_detach(m);
    weir_model_free(m);
    weir_siommu_free(s);
}

/* A wire with a descriptor, and a link that the test switches. */
static struct {
    int fd;
    bool link;
    uint64_t deadline;
} fake;

static int fake_open(struct weir *w, const char *args, void **priv, struct weir_error *e)
{
    (void)w, (void)args, (void)e;
    *priv = &fake;
    return 0;
}

static void fake_close(void *priv)
{
    (void)priv;
}

static bool fake_rx(void *priv, struct weir_frame *frame)
{
    (void)priv, (void)frame;
    return false;
}

static bool fake_tx(void *priv, const struct iovec *iov, unsigned n, uint32_t len)
{
    (void)priv, (void)iov, (void)n, (void)len;
    return true;
}

static uint64_t fake_deadline(void *priv)
{
    (void)priv;
    return fake.deadline;
}

static int fake_fd(void *priv)
{
    (void)priv;
    return fake.fd;
}

static bool fake_link(void *priv)
{
    (void)priv;
    return fake.link;
}

static const struct weir_wire_ops fake_wire = {
    .kind = "fake",
    .help = "",
    .open = fake_open,
    .close = fake_close,
    .rx = fake_rx,
    .tx = fake_tx,
    .deadline = fake_deadline,
    .fd = fake_fd,
    .link = fake_link,
};

static void watches_wires(void **state)
{
    struct kit_case *c = *state;
    int fds[4];

    fake.fd = event_fd();
    fake.link = false;
    fake.deadline = UINT64_MAX;
    assert_int_equal(weir_wire_register(c->w, &fake_wire, NULL), 0);
    struct weir_device *d = open_toy(c, "model:toy?wire=fake:&wire=loopback");
    struct weir_model *m = model_of(d);
    struct toy *t = toy_of(d);

    assert_false(weir_wire_link(weir_model_wire(m, 0)));
    t->links = 0;
    t->link = false;
    fake.link = true; /* a carrier appears: the next look tells, and the model wants to run */
    assert_int_equal(weir_model_deadline(m), 0);
    assert_int_equal(t->links, 1);
    assert_true(t->link);
    assert_int_equal(weir_model_deadline(m), UINT64_MAX);
    fake.link = false;
    weir_model_step(m, 1);
    assert_int_equal(t->links, 2);
    assert_false(t->link);
    fake.link = true;
    weir_model_step(m, 1);
    weir_model_set_link(m, false); /* both wires */
    assert_int_equal(t->links, 5);
    assert_false(weir_wire_link(weir_model_wire(m, 1)));
    weir_model_set_link(m, true);
    assert_int_equal(t->links, 7);
    assert_true(t->link);

    assert_int_equal(weir_model_fds(m, fds, 4), 1);
    assert_int_equal(fds[0], fake.fd);
    t->wants = false; /* has no room: its frames must not wake anybody */
    assert_int_equal(weir_model_fds(m, fds, 4), 0);
    t->deadline = 12345;
    assert_int_equal(weir_model_deadline(m), 12345);
    weir_device_close(d);
    close(fake.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CASE(refuses_bad_specs),
        CASE(reads_parameters),
        CASE(steps_with_dma),
        CASE(counts_translations),
        CASE(tells_faults_apart_in_a_shared_space),
        CASE(is_claimed_once),
        CASE(watches_wires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
