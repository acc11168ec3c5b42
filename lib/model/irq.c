/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts of a model, delivered through eventfds. What a driver sees are the registers: MSI-X
 * table and enables. What a user of the device sees is VFIO's way: giving eventfds enables a kind
 * and programs its vectors, as the kernel does on a driver's behalf, and INTx masks itself when it
 * fires.
 */
#include "lib/model/kit.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int weir_model_irq_init(struct weir_model *m)
{
    const struct weir_model_pci *pci = &m->ops->pci;

    m->intx.fd = m->err.fd = -1;
    if (pci->msix_cap) {
        m->msix = calloc(pci->msix_vectors, sizeof(*m->msix));
        m->msix_table = calloc(pci->msix_vectors, sizeof(*m->msix_table));
        if (!m->msix || !m->msix_table)
            return -ENOMEM;
    }
    if (pci->msi_cap) {
        m->msi = calloc(pci->msi_vectors, sizeof(*m->msi));
        if (!m->msi)
            return -ENOMEM;
    }
    weir_model_irq_forget(m);
    return 0;
}

void weir_model_irq_free(struct weir_model *m)
{
    if (m->aio)
        syscall(SYS_io_destroy, m->aio);
    if (m->ready_fd >= 0)
        close(m->ready_fd);
    free(m->msix);
    free(m->msi);
    free(m->msix_table);
}

/*
 * Never blocks, though the eventfd may: it is the client's too, who can fill its counter at any
 * time. The kernel itself signals without waiting where the completion of an asynchronous request
 * is told by an eventfd, so one that completes at once is submitted: to poll an eventfd of ours,
 * which always can be written.
 */
static bool signal_by_kernel(struct weir_model *m, int fd)
{
    struct iocb cb =
                    {
                        .aio_lio_opcode = IOCB_CMD_POLL,
                        .aio_fildes = (uint32_t)m->ready_fd,
                        .aio_buf = POLLOUT,
                        .aio_flags = IOCB_FLAG_RESFD,
                        .aio_resfd = (uint32_t)fd,
                    },
                *list[] = {&cb};
    struct io_event done;

    if (!m->aio && !m->no_aio) {
        m->ready_fd = eventfd(0, EFD_CLOEXEC);
        m->no_aio = m->ready_fd < 0 || syscall(SYS_io_setup, 4, &m->aio) != 0;
        cb.aio_fildes = (uint32_t)m->ready_fd;
    }
    if (m->no_aio || syscall(SYS_io_submit, m->aio, 1, list) != 1)
        return false;
    syscall(SYS_io_getevents, m->aio, 0, 1, &done, NULL);
    return true;
}

static void signal_fd(struct weir_model *m, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    uint64_t one = 1;

    if (fd < 0 || (m->served && signal_by_kernel(m, fd)))
        return;
    /* One whose counter is full has been signalled often enough. */
    if (poll(&p, 1, 0) == 1 && p.revents & POLLOUT)
        (void)!write(fd, &one, sizeof(one));
}

static bool msix_enabled(const struct weir_model *m)
{
    unsigned cap = m->ops->pci.msix_cap;
    return cap && weir_model_config16(m, cap + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_ENABLE;
}

static bool msix_masked(const struct weir_model *m)
{
    return weir_model_config16(m, m->ops->pci.msix_cap + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_MASKALL;
}

static bool msi_enabled(const struct weir_model *m)
{
    unsigned cap = m->ops->pci.msi_cap;
    return cap && weir_model_config16(m, cap + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_ENABLE;
}

bool weir_model_msix_enabled(const struct weir_model *m)
{
    return msix_enabled(m);
}

static void set_enable(struct weir_model *m, unsigned off, uint16_t bit, bool on)
{
    uint16_t flags = weir_model_config16(m, off);
    weir_model_config_set16(m, off, on ? flags | bit : (uint16_t)(flags & ~bit));
}

/* Deliver a pending message if nothing is in its way. */
static void deliver(struct weir_model *m, struct kit_vector *v, bool masked)
{
    if (v->pending && !masked && !v->masked && !v->user_masked) {
        v->pending = false;
        signal_fd(m, v->fd);
    }
}

static void intx_deliver(struct weir_model *m)
{
    bool disabled = weir_model_config16(m, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
    if (!m->intx_level || disabled || msix_enabled(m) || msi_enabled(m) || m->intx.user_masked ||
        m->intx.fd < 0)
        return;
    m->intx.user_masked = true; /* until the user unmasks, as VFIO_IRQ_INFO_AUTOMASKED says */
    signal_fd(m, m->intx.fd);
}

void weir_model_irq_update(struct weir_model *m)
{
    if (msix_enabled(m)) {
        bool masked = msix_masked(m);
        for (unsigned i = 0; i < m->ops->pci.msix_vectors; i++)
            deliver(m, &m->msix[i], masked);
    }
    if (msi_enabled(m))
        for (unsigned i = 0; i < m->ops->pci.msi_vectors; i++)
            deliver(m, &m->msi[i], false);
    intx_deliver(m);
}

void weir_model_raise(struct weir_model *m, unsigned vector)
{
    if (msix_enabled(m)) {
        if (vector >= m->ops->pci.msix_vectors)
            return;
        m->msix[vector].pending = true;
        deliver(m, &m->msix[vector], msix_masked(m));
    } else if (msi_enabled(m)) {
        struct kit_vector *v = &m->msi[vector % m->ops->pci.msi_vectors];
        v->pending = true;
        deliver(m, v, false);
    }
}

void weir_model_intx(struct weir_model *m, bool asserted)
{
    m->intx_level = asserted;
    set_enable(m, PCI_STATUS, PCI_STATUS_INTERRUPT, asserted);
    intx_deliver(m);
}

void weir_model_irq_reset(struct weir_model *m)
{
    for (unsigned i = 0; m->msix && i < m->ops->pci.msix_vectors; i++) {
        m->msix[i].masked = true; /* PCI 3.0, 6.8.2.9 */
        m->msix[i].pending = m->msix[i].user_masked = false;
        memset(m->msix_table[i], 0, sizeof(m->msix_table[i]));
    }
    for (unsigned i = 0; m->msi && i < m->ops->pci.msi_vectors; i++)
        m->msi[i].pending = m->msi[i].user_masked = false;
    m->intx.user_masked = false;
    m->intx_level = false;
}

void weir_model_irq_forget(struct weir_model *m)
{
    for (unsigned i = 0; m->msix && i < m->ops->pci.msix_vectors; i++)
        m->msix[i].fd = -1;
    for (unsigned i = 0; m->msi && i < m->ops->pci.msi_vectors; i++)
        m->msi[i].fd = -1;
    m->intx.fd = m->err.fd = -1;
    weir_model_irq_reset(m);
}

unsigned weir_model_irqs(const struct weir_model *m, enum weir_irq_index kind)
{
    const struct weir_model_pci *pci = &m->ops->pci;
    if (kind == WEIR_IRQ_INTX)
        return pci->interrupt_pin ? 1 : 0;
    if (kind == WEIR_IRQ_MSI)
        return pci->msi_cap ? pci->msi_vectors : 0;
    if (kind == WEIR_IRQ_MSIX)
        return pci->msix_cap ? pci->msix_vectors : 0;
    if (kind == WEIR_IRQ_ERR) /* as the kernel has it; nothing of a model goes wrong on the link */
        return pci->pcie_cap ? 1 : 0;
    return 0;
}

static struct kit_vector *vectors(struct weir_model *m, enum weir_irq_index kind)
{
    switch (kind) {
    case WEIR_IRQ_INTX:
        return &m->intx;
    case WEIR_IRQ_MSI:
        return m->msi;
    case WEIR_IRQ_ERR:
        return &m->err;
    default:
        return m->msix;
    }
}

static bool in_range(const struct weir_model *m, enum weir_irq_index kind, unsigned start,
                     unsigned count)
{
    unsigned have = weir_model_irqs(m, kind);
    return start <= have && count <= have - start;
}

/* An eventfd is an anonymous inode. A pipe or socket could raise SIGPIPE or block. */
static bool could_be_eventfd(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == 0;
}

int weir_model_irq_set(struct weir_model *m, enum weir_irq_index kind, unsigned start,
                       unsigned count, const int *fds)
{
    const struct weir_model_pci *pci = &m->ops->pci;

    if (!in_range(m, kind, start, count) || (count && !fds))
        return -EINVAL;
    for (unsigned i = 0; i < count; i++)
        if (fds[i] >= 0 && !could_be_eventfd(fds[i]))
            return -EINVAL;
    if (!weir_model_irqs(m, kind))
        return 0; /* nothing to disable */

    pthread_mutex_lock(&m->lock);
    struct kit_vector *v = vectors(m, kind);
    unsigned n = count ? count : weir_model_irqs(m, kind);
    for (unsigned i = 0; i < n; i++) {
        v[start + i].fd = count ? fds[i] : -1;
        v[start + i].user_masked = false;
        if (kind == WEIR_IRQ_MSIX)
            v[start + i].masked = v[start + i].fd < 0;
        if (!count)
            v[start + i].pending = false;
    }
    if (kind == WEIR_IRQ_MSIX)
        set_enable(m, pci->msix_cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, count > 0);
    else if (kind == WEIR_IRQ_MSI)
        set_enable(m, pci->msi_cap + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE, count > 0);
    weir_model_irq_update(m);
    pthread_mutex_unlock(&m->lock);
    return 0;
}

int weir_model_irq_trigger(struct weir_model *m, enum weir_irq_index kind, unsigned start,
                           unsigned count)
{
    if (!in_range(m, kind, start, count))
        return -EINVAL;
    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < count; i++)
        signal_fd(m, vectors(m, kind)[start + i].fd);
    pthread_mutex_unlock(&m->lock);
    return 0;
}

int weir_model_irq_mask(struct weir_model *m, enum weir_irq_index kind, unsigned start,
                        unsigned count, bool mask)
{
    if (!in_range(m, kind, start, count))
        return -EINVAL;
    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < count; i++)
        vectors(m, kind)[start + i].user_masked = mask;
    weir_model_irq_update(m);
    pthread_mutex_unlock(&m->lock);
    return 0;
}

/* The MSI-X table and the pending bits in a BAR; accesses are aligned, so none straddles an edge.
 */

static bool in_table(const struct weir_model *m, uint64_t off)
{
    return off - m->ops->pci.msix_table < 16u * m->ops->pci.msix_vectors;
}

bool weir_model_table_has(const struct weir_model *m, unsigned bar, uint64_t off)
{
    const struct weir_model_pci *pci = &m->ops->pci;
    return pci->msix_cap && bar == pci->msix_bar &&
           (in_table(m, off) || off - pci->msix_pba < (pci->msix_vectors + 63u) / 64 * 8);
}

static uint8_t table_byte(const struct weir_model *m, uint64_t off)
{
    if (in_table(m, off)) {
        uint64_t at = off - m->ops->pci.msix_table;
        unsigned entry = (unsigned)(at / 16), word = (unsigned)(at / 4 % 4);
        uint32_t value = word == 3 ? m->msix[entry].masked : m->msix_table[entry][word];
        return (uint8_t)(value >> (8 * (at % 4)));
    }
    unsigned first = (unsigned)(off - m->ops->pci.msix_pba) * 8;
    uint8_t bits = 0;
    for (unsigned i = 0; i < 8 && first + i < m->ops->pci.msix_vectors; i++)
        bits |= (uint8_t)(m->msix[first + i].pending << i);
    return bits;
}

uint64_t weir_model_table_read(struct weir_model *m, uint64_t off, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++)
        value |= (uint64_t)table_byte(m, off + i) << (8 * i);
    return value;
}

void weir_model_table_write(struct weir_model *m, uint64_t off, unsigned width, uint64_t value)
{
    if (!in_table(m, off))
        return; /* pending bits are read-only */
    for (unsigned i = 0; i < width; i++) {
        uint64_t at = off + i - m->ops->pci.msix_table;
        unsigned entry = (unsigned)(at / 16), word = (unsigned)(at / 4 % 4), shift = 8 * (at % 4);
        uint8_t byte = (uint8_t)(value >> (8 * i));
        if (word < 3)
            m->msix_table[entry][word] =
                (m->msix_table[entry][word] & ~(0xffu << shift)) | (uint32_t)byte << shift;
        else if (!shift)
            m->msix[entry].masked = byte & PCI_MSIX_ENTRY_CTRL_MASKBIT;
    }
    weir_model_irq_update(m);
}
