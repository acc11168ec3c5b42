/* SPDX-License-Identifier: BSD-3-Clause */
/* The X540 model as the kit sees it: identity, parameters, life, step. */
#include "xm.h"
#include <errno.h>
#include <stdlib.h>
#include <weir/driver/builtin.h>

/* A name for each wire: locally administered, the same every time. */
static void default_mac(const char *wire, uint8_t mac[6])
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = wire; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    mac[0] = 0x02;
    mac[1] = 0x54;
    for (unsigned i = 0; i < 4; i++)
        mac[2 + i] = (uint8_t)(hash >> (8 * i));
}

static int parse_mac(const char *text, uint8_t mac[6])
{
    unsigned v[6];
    int end = 0;

    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &end) !=
            6 ||
        text[end])
        return -EINVAL;
    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)v[i];
    return mac[0] & 1 || !(v[0] | v[1] | v[2] | v[3] | v[4] | v[5]) ? -EINVAL : 0;
}

static int bad_param(const char *key, const char *value, const char *want, struct weir_error *e)
{
    char shown[80];
    weir_printable(shown, sizeof(shown), value, strlen(value));
    return weir_fail(e, -EINVAL, "model-param",
                     "make an x540 model\n%s cannot be '%s'\nwrite %s=%s", key, shown, key, want);
}

static int set_stall(struct xm *x, const char *value, struct weir_error *e)
{
    bool tx = strcmp(value, "tx") == 0 || strcmp(value, "both") == 0;
    bool rx = strcmp(value, "rx") == 0 || strcmp(value, "both") == 0;

    if (!tx && !rx && strcmp(value, "none") != 0)
        return bad_param("stall", value, "tx, rx, both or none", e);
    x->stall_tx = tx;
    x->stall_rx = rx;
    return 0;
}

static int xm_set(struct weir_model *m, const char *key, const char *value, struct weir_error *e)
{
    if (strcmp(key, "stall") == 0)
        return set_stall(weir_model_priv(m), value, e);
    return weir_fail(e, -EINVAL, "model-param",
                     "change %s of an x540 model\nonly stall can change while it exists\ngive the "
                     "parameter when making it",
                     key);
}

static int read_params(struct xm *x, struct weir_model *m, struct weir_error *e)
{
    const char *wire = weir_model_param(m, "wire"), *mac = weir_model_param(m, "mac");
    const char *nvm = weir_model_param(m, "nvm"), *stall = weir_model_param(m, "stall");
    const char *autoneg = weir_model_param(m, "autoneg");

    default_mac(wire ? wire : "", x->mac);
    if (mac && parse_mac(mac, x->mac))
        return bad_param("mac", mac, "02:00:00:00:00:01, a unicast address", e);
    if (nvm && strcmp(nvm, "good") != 0 && strcmp(nvm, "bad") != 0)
        return bad_param("nvm", nvm, "good or bad", e);
    x->bad_nvm = nvm && strcmp(nvm, "bad") == 0;
    if (autoneg) {
        char *end;
        unsigned long ms = strtoul(autoneg, &end, 10);
        if (autoneg[0] < '0' || autoneg[0] > '9' || *end || ms > 60000)
            return bad_param("autoneg", autoneg, "0 to 60000, milliseconds", e);
        x->autoneg_ns = (uint64_t)ms * 1000000;
    }
    return stall ? set_stall(x, stall, e) : 0;
}

static int xm_create(struct weir_model *m, struct weir_error *e)
{
    struct xm *x = calloc(1, sizeof(*x));
    int ret;

    if (x && (weir_xm_fifo_init(&x->fifo) || !(x->scratch = malloc(XM_SCRATCH)))) {
        free(x->fifo.buf);
        free(x);
        x = NULL;
    }
    if (!x)
        return weir_fail(e, -ENOMEM, "no-memory", "make an x540 model\nout of memory");
    x->model = m;
    x->weir = weir_model_instance(m);
    x->wire = weir_model_wire(m, 0);
    ret = read_params(x, m, e);
    if (!ret)
        ret = weir_xm_reg_init(x, e);
    if (ret) {
        free(x->scratch);
        free(x->fifo.buf);
        free(x);
        return ret;
    }
    weir_xm_nvm_init(x);
    weir_model_set_priv(m, x);
    return 0;
}

static void xm_destroy(struct weir_model *m)
{
    struct xm *x = weir_model_priv(m);
    free(x->scratch);
    free(x->fifo.buf);
    free(x);
}

static void xm_reset(struct weir_model *m)
{
    struct xm *x = weir_model_priv(m);

    x->wire_up = x->linked = false; /* the kit tells the wire's state again */
    weir_xm_phy_reset(x);
    x->reg[X540_SWSM / 4] = x->reg[X540_SW_FW_SYNC / 4] = 0;
    weir_xm_soft_reset(x);
}

static unsigned xm_step(struct weir_model *m, unsigned budget)
{
    struct xm *x = weir_model_priv(m);

    x->step++;
    x->iotlb = weir_siommu_has_iotlb(weir_model_siommu(m));
    x->dma_later = false;
    weir_xm_phy_step(x);
    unsigned moved = weir_xm_tx_step(x, budget);
    moved += weir_xm_rx_step(x, budget);
    weir_xm_irq_step(x);
    return moved;
}

static uint64_t xm_deadline(struct weir_model *m)
{
    struct xm *x = weir_model_priv(m);
    uint64_t at = x->link_at ? x->link_at : UINT64_MAX;

    if (weir_xm_rx_pending(x) || weir_xm_irq_pending(x))
        return 0;
    if (weir_xm_tx_pending(x) && x->tx_retry < at)
        at = x->tx_retry; /* 0: now */
    if (weir_xm_rx_wants(x)) {
        uint64_t wire = weir_wire_deadline(x->wire);
        at = wire < at ? wire : at;
    }
    return at;
}

static void xm_link(struct weir_model *m, unsigned wire, bool up)
{
    (void)wire;
    weir_xm_wire_link(weir_model_priv(m), up);
}

static bool xm_wants(struct weir_model *m, unsigned wire)
{
    (void)wire;
    return weir_xm_rx_wants(weir_model_priv(m));
}

const struct weir_model_ops weir_x540_model = {
    .name = "x540",
    .params = "mac nvm stall autoneg",
    .help = "wire=KIND:...     what the port is plugged into\n"
            "mac=02:..:01      its address (default: one made from the wire's name)\n"
            "autoneg=MS        how long negotiating the link takes (default 0)\n"
            "nvm=bad           an NVM with a wrong checksum\n"
            "stall=tx|rx|both  stop completing descriptors\n",
    .wires = 1,
    .pci =
        {
            .vendor = 0x8086,
            .device = 0x1528,
            .subsystem_vendor = 0x8086,
            .subsystem_device = 0x0001,
            .class_code = 0x020000,
            .revision = 0x01,
            .bars = {[0] = {.size = XM_BAR0_SIZE, .is64 = true, .prefetchable = true},
                     [4] = {.size = 16u << 10, .is64 = true, .prefetchable = true}},
            .interrupt_pin = 1,
            .pm_cap = 0x40,
            .msi_cap = 0x50,
            .msi_vectors = 1,
            .msix_cap = 0x70,
            .msix_bar = 4,
            .msix_vectors = X540_MSIX_VECTORS,
            .msix_table = 0,
            .msix_pba = 0x2000,
            .pcie_cap = 0xa0,
        },
    .create = xm_create,
    .destroy = xm_destroy,
    .reset = xm_reset,
    .read = weir_xm_read,
    .write = weir_xm_write,
    .step = xm_step,
    .deadline = xm_deadline,
    .link = xm_link,
    .wants = xm_wants,
    .set = xm_set,
};
