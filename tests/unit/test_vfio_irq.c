/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts of a PCI function, and those of its that become events. */
#include "fake_vfio.h"

#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>

#define A "0000:01:00.0"
#define N 16

static struct weir *w;
static struct weir_error e;
static struct fake_function *f;
static int fds[N];

static int setup(void **state)
{
    int r = fake_setup(state);

    f = fake_add(A, 1);
    w = fake_weir();
    for (unsigned i = 0; i < N; i++)
        fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return r;
}

static int teardown(void **state)
{
    weir_free(w);
    for (unsigned i = 0; i < N; i++)
        close(fds[i]);
    return fake_teardown(state);
}

/* Which of fds[] were signalled, one bit each; they are then not any more. */
static unsigned signalled(void)
{
    unsigned bits = 0;
    uint64_t n;

    for (unsigned i = 0; i < N; i++)
        if (read(fds[i], &n, sizeof(n)) == sizeof(n))
            bits |= 1u << i;
    return bits;
}

/* Raise all vectors of the kind. */
static unsigned raise_all(enum weir_irq_index kind)
{
    for (unsigned i = 0; i < f->irqs[kind].count; i++)
        fake_raise(f, kind, i);
    return signalled();
}

static int msix(struct weir_device *d, unsigned start, unsigned count, const int *some)
{
    return weir_device_irq_set(d, WEIR_IRQ_MSIX, start, count, some, &e);
}

/* ---- what there is ---- */

static void test_counts(void **state)
{
    struct weir_device *d;

    (void)state;
    d = fake_open_device(w, A, NULL);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_INTX), 1);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_MSI), 4);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_MSIX), 16);
    /* These are the library's. */
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_ERR), 0);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_REQ), 0);
    weir_device_close(d);
    f->irqs[WEIR_IRQ_MSIX].count = 2049; /* more than PCIe allows */
    f->irqs[WEIR_IRQ_MSI].flags = VFIO_IRQ_INFO_MASKABLE;
    f->irqs[WEIR_IRQ_ERR].flags = 0; /* no PCIe device */
    f->num_irqs = 77;
    d = fake_open_device(w, A, NULL);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_MSI), 0);
    assert_int_equal(weir_device_irqs(d, WEIR_IRQ_MSIX), 0);
    assert_int_equal(f->err_fd, -1);
    assert_true(f->req_fd >= 0);
    weir_device_close(d);
    f->num_irqs = 1;
    d = fake_open_device(w, A, NULL);
    assert_int_equal(f->req_fd, -1);
    weir_device_close(d);
    fake_fail(VFIO_DEVICE_GET_IRQ_INFO, EIO, 0);
    fake_open_fails(w, A, NULL, -EIO, "vfio-irq", &e);
}

/* ---- message signalled ---- */

static void test_msix(void **state)
{
    struct weir_device *d = fake_open_device(w, A, NULL);
    unsigned calls = fake.set_irqs;

    (void)state;
    assert_int_equal(msix(d, 0, 4, fds), 0);
    assert_int_equal(fake.set_irqs, calls + 1);
    assert_int_equal(f->irq_type, WEIR_IRQ_MSIX);
    assert_int_equal(f->n_vectors, 4);
    assert_int_equal(raise_all(WEIR_IRQ_MSIX), 0xf);
    /* Another descriptor for one vector, without the others noticing. */
    assert_int_equal(msix(d, 2, 1, fds + 9), 0);
    assert_int_equal(fake.set_irqs, calls + 2);
    assert_int_equal(fake.irq_set.start, 2);
    assert_int_equal(raise_all(WEIR_IRQ_MSIX), 0x20b);
    /* Leave one out. */
    assert_int_equal(msix(d, 1, 2, (int[]){-1, fds[2]}), 0);
    assert_int_equal(raise_all(WEIR_IRQ_MSIX), 0xd);
    assert_int_equal(msix(d, 0, 0, NULL), 0);
    assert_int_equal(f->irq_type, -1);
    assert_int_equal(raise_all(WEIR_IRQ_MSIX), 0);
    assert_int_equal(msix(d, 0, 0, NULL), 0); /* off already: nothing to tell */
    assert_int_equal(fake.set_irqs, calls + 4);
}

/* Vectors that begin in the middle, and holes. */
static void test_holes(void **state)
{
    struct weir_device *d = fake_open_device(w, A, NULL);

    (void)state;
    assert_int_equal(msix(d, 3, 3, (int[]){fds[3], -1, fds[5]}), 0);
    assert_int_equal(f->n_vectors, 6);
    assert_int_equal(raise_all(WEIR_IRQ_MSIX), 0x28);
    assert_int_equal(msix(d, 4, 1, fds + 4), 0);
    assert_int_equal(raise_all(WEIR_IRQ_MSIX), 0x38);
}

/* A kernel that cannot add a vector is told of all of them again, by descriptors that the caller
 * may have closed meanwhile. */
static void test_growth(void **state)
{
    struct weir_device *d = fake_open_device(w, A, NULL);
    int copy = dup(fds[0]);
    unsigned calls;

    (void)state;
    assert_int_equal(msix(d, 0, 1, &copy), 0);
    close(copy);
    calls = fake.set_irqs;
    assert_int_equal(msix(d, 8, 2, fds + 8), 0);
    assert_int_equal(fake.set_irqs, calls + 2); /* off, and on */
    assert_int_equal(fake.irq_set.start, 0);
    assert_int_equal(fake.irq_set.count, 10);
    assert_int_equal(f->n_vectors, 10);
    assert_int_equal(raise_all(WEIR_IRQ_MSIX), 0x301);
    /* Within what is on it is one call. */
    assert_int_equal(msix(d, 5, 1, fds + 5), 0);
    assert_int_equal(fake.set_irqs, calls + 3);
    assert_int_equal(raise_all(WEIR_IRQ_MSIX), 0x321);
}

/* Since Linux 6.6 MSI-X can be added to. */
static void test_dynamic(void **state)
{
    struct weir_device *d;
    unsigned calls;

    (void)state;
    f->irqs[WEIR_IRQ_MSIX].flags &= ~(uint32_t)VFIO_IRQ_INFO_NORESIZE;
    d = fake_open_device(w, A, NULL);
    assert_int_equal(msix(d, 0, 1, fds), 0);
    calls = fake.set_irqs;
    assert_int_equal(msix(d, 8, 2, fds + 8), 0);
    assert_int_equal(fake.set_irqs, calls + 1);
    assert_int_equal(fake.irq_set.start, 8);
    assert_int_equal(raise_all(WEIR_IRQ_MSIX), 0x301);
}

/* The kernel says how many it has, or ENOSPC. */
static void test_too_few(void **state)
{
    struct weir_device *d = fake_open_device(w, A, NULL);

    (void)state;
    for (f->vectors_left = 0; f->vectors_left < 8; f->vectors_left += 3) {
        assert_int_equal(msix(d, 0, 8, fds), -ENOSPC);
        fake_failed(&e, -ENOSPC, "vfio-irq");
        fake_contains(e.fix, "use fewer");
        assert_int_equal(f->irq_type, -1);
    }
    f->vectors_left = 4;
    assert_int_equal(msix(d, 0, 4, fds), 0);
    assert_int_equal(raise_all(WEIR_IRQ_MSIX), 0xf);
    /* Growth fails: none is left on, and it can begin anew. */
    assert_int_equal(msix(d, 4, 1, fds), -ENOSPC);
    assert_int_equal(f->irq_type, -1);
    assert_int_equal(msix(d, 0, 0, NULL), 0);
    assert_int_equal(msix(d, 0, 2, fds), 0);
    assert_int_equal(raise_all(WEIR_IRQ_MSIX), 0x3);
    assert_int_equal(msix(d, 0, 0, NULL), 0);
    f->irqs[WEIR_IRQ_MSIX].flags &= ~(uint32_t)VFIO_IRQ_INFO_NORESIZE;
    weir_device_close(d);
    d = fake_open_device(w, A, NULL);
    assert_int_equal(msix(d, 0, 4, fds), 0);
    assert_int_equal(msix(d, 4, 1, fds), -ENOSPC);
    assert_int_equal(f->irq_type, -1);
}

/* Out of descriptors half-way: what was on, and what was to come, is off together. */
static void test_no_descriptors(void **state)
{
    struct weir_device *d = fake_open_device(w, A, NULL);
    unsigned before = fake_process_files();

    (void)state;
    assert_int_equal(msix(d, 0, 2, fds), 0);
    for (unsigned k = 0; k < 3; k++) {
        fake_fail_call(k, EMFILE);
        assert_int_equal(msix(d, 1, 4, fds + 1), k == 0 ? -ENOMEM : -EMFILE);
        assert_true(fake_fail_end());
        fake_failed(&e, k == 0 ? -ENOMEM : -EMFILE, "vfio-irq");
        assert_int_equal(f->irq_type, -1);
        assert_int_equal(fake_process_files(), before);
        assert_int_equal(msix(d, 0, 2, fds), 0);
        assert_int_equal(raise_all(WEIR_IRQ_MSIX), 0x3);
    }
}

static void test_kinds(void **state)
{
    struct weir_device *d = fake_open_device(w, A, NULL);
    int r;

    (void)state;
    assert_int_equal(msix(d, 0, 1, fds), 0);
    r = weir_device_irq_set(d, WEIR_IRQ_MSI, 0, 1, fds, &e);
    assert_int_equal(r, -EBUSY);
    fake_failed(&e, -EBUSY, "device-irq-kind");
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSI, 0, 0, NULL, &e), 0);
    assert_int_equal(f->irq_type, WEIR_IRQ_MSIX);
    assert_int_equal(msix(d, 0, 0, NULL), 0);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSI, 0, 4, fds, &e), 0);
    assert_int_equal(raise_all(WEIR_IRQ_MSI), 0xf);
    /* More than there are, or none that can be had. */
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSI, 2, 3, fds, &e), -EINVAL);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_ERR, 0, 1, fds, &e), -EINVAL);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_REQ, 0, 0, NULL, &e), 0);
    assert_true(f->req_fd >= 0);
    fake_fail(VFIO_DEVICE_SET_IRQS, EIO, 0);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_MSI, 0, 0, NULL, &e), -EIO);
    fake_fail(0, 0, 0);
    weir_device_close(d);
    assert_int_equal(f->irq_type, -1);
}

/* ---- INTx ---- */

static void test_intx(void **state)
{
    struct weir_device *d = fake_open_device(w, A, NULL);

    (void)state;
    assert_int_equal(weir_device_irq_unmask(d, WEIR_IRQ_INTX, &e), 0); /* it is not on */
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_INTX, 0, 1, fds, &e), 0);
    assert_int_equal(raise_all(WEIR_IRQ_INTX), 1);
    assert_int_equal(raise_all(WEIR_IRQ_INTX), 0); /* masked itself */
    assert_int_equal(weir_device_irq_unmask(d, WEIR_IRQ_INTX, &e), 0);
    assert_int_equal(fake.irq_set.flags, VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_DATA_NONE);
    assert_int_equal(raise_all(WEIR_IRQ_INTX), 1);
    fake_fail(VFIO_DEVICE_SET_IRQS, EIO, 0);
    assert_int_equal(weir_device_irq_unmask(d, WEIR_IRQ_INTX, &e), -EIO);
    fake_failed(&e, -EIO, "vfio-irq");
    fake_fail(0, 0, 0);
    /* Message signalled ones do not mask themselves. */
    assert_int_equal(weir_device_irq_unmask(d, WEIR_IRQ_MSIX, &e), 0);
    assert_int_equal(weir_device_irq_set(d, WEIR_IRQ_INTX, 0, 0, NULL, &e), 0);
    assert_int_equal(msix(d, 0, 1, fds), 0);
    assert_int_equal(weir_device_irq_unmask(d, WEIR_IRQ_INTX, &e), 0);
}

/* ---- events ---- */

static void test_events(void **state)
{
    struct weir_device *d = fake_open_device(w, A, NULL);
    struct weir_event ev;

    (void)state;
    fake_raise(f, WEIR_IRQ_REQ, 0);
    ev = fake_event(w, false);
    assert_int_equal(ev.type, WEIR_EVENT_REQUEST);
    assert_ptr_equal(ev.device, d);
    assert_null(ev.port);
    fake_contains(fake_log, "the host wants the device back");
    assert_false(weir_device_lost(d));
    /* An error of a device that still answers. */
    fake_raise(f, WEIR_IRQ_ERR, 0);
    ev = fake_event(w, false);
    assert_int_equal(ev.type, WEIR_EVENT_DEVICE_ERROR);
    assert_ptr_equal(ev.device, d);
    assert_int_equal((int)fake_event(w, false).type, -1);
    assert_false(weir_device_lost(d));
    /* And of one that does not. */
    f->gone = true;
    fake_raise(f, WEIR_IRQ_ERR, 0);
    assert_int_equal(fake_event(w, false).type, WEIR_EVENT_DEVICE_ERROR);
    assert_int_equal(fake_event(w, false).type, WEIR_EVENT_LOST);
    assert_true(weir_device_lost(d));
}

static void test_events_refused(void **state)
{
    (void)state;
    for (unsigned skip = 0; skip < 2; skip++) {
        fake_fail(VFIO_DEVICE_SET_IRQS, EINVAL, skip);
        fake_open_fails(w, A, NULL, -EINVAL, "vfio-irq", &e);
        assert_int_equal(f->req_fd, -1);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_counts),  CASE(test_msix),    CASE(test_holes),          CASE(test_growth),
        CASE(test_dynamic), CASE(test_too_few), CASE(test_no_descriptors), CASE(test_kinds),
        CASE(test_intx),    CASE(test_events),  CASE(test_events_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
