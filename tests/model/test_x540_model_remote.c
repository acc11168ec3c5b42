/* SPDX-License-Identifier: BSD-3-Clause */
/* The X540 model on memory that it reaches by messages, some of which cannot be sent just now. */
#include "lib/model/model.h"
#include "x540_case.h"
#include <weir/driver/model.h>
#include <weir/driver/siommu.h>

static struct {
    struct bench *b;
    unsigned reads, refuse_every; /* one read of so many is put off */
    unsigned settles, refuse_settles;
    bool always;
} far;

static int far_access(void *user, uint64_t iova, void *buf, size_t len, bool write)
{
    uint8_t *at = far.b->mem + (iova - MEM_IOVA);
    (void)user;

    if (!len) {
        far.settles++;
        return far.refuse_settles && far.refuse_settles-- ? -EAGAIN : 0;
    }
    if (write) {
        memcpy(at, buf, len);
        return 0;
    }
    if (far.always || (far.refuse_every && ++far.reads % far.refuse_every == 0))
        return -EAGAIN;
    memcpy(buf, at, len);
    return 0;
}

static int setup(void **state)
{
    struct weir_mem mem = {.len = MEM_SIZE, .fd = -1, .name = "far"};

    bench_setup(state);
    memset(&far, 0, sizeof(far));
    far.b = *state;
    /* The same addresses, but no address in this process behind them. */
    struct weir_siommu *s = weir_model_siommu(far.b->m);
    assert_int_equal(weir_siommu_unmap(s, MEM_IOVA, MEM_SIZE, NULL, NULL), 0);
    weir_siommu_set_remote(s, far_access, NULL);
    assert_int_equal(weir_siommu_map(s, &mem, MEM_IOVA, WEIR_PROT_RW), 0);
    return 0;
}

/* Until nothing is due: a step that had to put something off has moved nothing. */
static unsigned run_far(struct bench *b)
{
    unsigned steps = 0;

    do {
        weir_model_step(b->m, 64);
        assert_true(++steps < 100000);
    } while (weir_model_deadline(b->m) == 0);
    return steps;
}

static void sends_each_frame_once(void **state)
{
    struct bench *b = *state;
    static uint8_t f[3000];
    uint32_t last[20];

    tx_on(b, 0);
    make_frame(f, "02:00:00:00:00:09", 0x88b5, sizeof(f));
    for (unsigned i = 0; i < 20; i++) {
        uint8_t *buf = carve(b, 3000);
        put16(f + 14, i);
        memcpy(buf, f, 3000);
        for (unsigned k = 0; k < 3; k++)
            last[i] = post_raw(b, 0, iova_of(b, buf) + 1000 * k,
                               TX_DATA | 1000 | (k == 2 ? (uint32_t)TX_LAST : 0),
                               weir_field_set(0, X540_TXD_PAYLEN, 3000));
    }
    doorbell(b, 0);
    far.refuse_every = 7; /* a frame takes six reads: it is begun more than once */
    assert_true(run_far(b) > 10);
    assert_int_equal(b->wire.n_out, 20);
    for (unsigned i = 0; i < 20; i++) {
        put16(f + 14, i);
        check_out(b, i, f, 3000);
        assert_true(tx_done(b, 0, last[i]));
    }
    assert_int_equal(get(b, X540_GPTC), 20);
    assert_int_equal(get(b, x540_txq(X540_TDH, 0)), 60);
    assert_int_equal(b->warnings, 0);
}

static void reports_legacy_descriptors(void **state)
{
    struct bench *b = *state;
    uint8_t *buf = carve(b, 60);

    tx_on(b, 0);
    make_frame(buf, "02:00:00:00:00:09", 0x88b5, 60);
    uint32_t i = post_raw(b, 0, iova_of(b, buf), TX_LAST | X540_TXD_CMD_IFCS | 60,
                          0x00051200); /* tag 5, CSS 0x12 */
    doorbell(b, 0);
    run_far(b);
    assert_int_equal(b->wire.n_out, 1);
    /* Beside the status it is as it was (7.2.3.2.3). */
    assert_int_equal(weir_le32(b->tx[0].desc[i].wb.status), 0x00051200 | X540_TXD_STA_DD);
}

static void receives_each_frame_once(void **state)
{
    struct bench *b = *state;
    static uint8_t f[5000], got[16384];
    struct x540_rx_wb wb;
    uint32_t len;

    rx_on(b, 0, 2, 0);
    set(b, X540_HLREG0, get(b, X540_HLREG0) | X540_HLREG0_JUMBOEN);
    set(b, X540_MAXFRS, 9022u << 16);
    make_frame(f, "02:00:00:00:00:01", 0x88b5, sizeof(f));
    for (unsigned i = 0; i < 20; i++) {
        put16(f + 14, i);
        arrives(b, f, 5000);
    }
    far.refuse_every = 4;
    assert_true(run_far(b) > 10);
    for (unsigned i = 0; i < 20; i++) {
        put16(f + 14, i);
        assert_true(next_frame(b, 0, got, &len, &wb));
        assert_int_equal(len, 5000);
        assert_memory_equal(got, f, 5000);
    }
    assert_false(next_frame(b, 0, got, &len, &wb));
    assert_int_equal(get(b, X540_QPRC), 20);
    assert_int_equal(get(b, X540_GPRC), 20);
    assert_int_equal(get(b, X540_QPRDC), 0);
    assert_int_equal(b->warnings, 0);
}

/* As long as nothing can be read, nothing is lost and nothing stops; then it goes on. */
static void waits(void **state)
{
    struct bench *b = *state;
    uint8_t f[64];

    rx_on(b, 0, 2, 0);
    tx_on(b, 0);
    make_frame(f, "02:00:00:00:00:01", 0x88b5, 60);
    post(b, 0, f, 60, 0, 0);
    doorbell(b, 0);
    arrives(b, f, 60);
    far.always = true;
    for (unsigned i = 0; i < 10; i++) {
        weir_model_step(b->m, 64);
        assert_int_equal(weir_model_deadline(b->m), 0);
    }
    assert_int_equal(b->wire.n_out, 0);
    assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), 0);
    far.always = false;
    run_far(b);
    assert_int_equal(b->wire.n_out, 1);
    assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), 1);
    assert_int_equal(b->warnings, 0);
}

/* An interrupt does not overtake what it tells of. */
static void interrupts_after_writes(void **state)
{
    struct bench *b = *state;
    uint8_t f[64];

    rx_on(b, 0, 2, 0);
    set(b, X540_IVAR, X540_IVAR_INT_ALLOC_VAL0 | 3);
    make_frame(f, "02:00:00:00:00:01", 0x88b5, 60);
    arrives(b, f, 60);
    far.refuse_settles = 2;
    weir_model_step(b->m, 64);
    assert_int_equal(get(b, x540_rxq(X540_RDH, 0)), 1);
    assert_int_equal(get(b, X540_EICS) & 8, 0);
    assert_int_equal(weir_model_deadline(b->m), 0);
    weir_model_step(b->m, 64);
    assert_int_equal(get(b, X540_EICS) & 8, 0);
    weir_model_step(b->m, 64);
    assert_int_equal(get(b, X540_EICS) & 8, 8);
    assert_int_equal(far.settles, 3);
    /* Without news nothing is waited for. */
    run_far(b);
    assert_int_equal(far.settles, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FAR(name) cmocka_unit_test_setup_teardown(name, setup, bench_teardown)
        FAR(sends_each_frame_once),    FAR(reports_legacy_descriptors),
        FAR(receives_each_frame_once), FAR(waits),
        FAR(interrupts_after_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
