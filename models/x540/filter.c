/* SPDX-License-Identifier: BSD-3-Clause */
/* Which frames the MAC lets pass (7.1.1): destination address, then VLAN. */
#include "sum.h"
#include "xm.h"

static uint64_t address(const uint8_t *p)
{
    return (uint64_t)xm_be32(p) << 16 | xm_be16(p + 4);
}

static void collect_addresses(struct xm *x)
{
    x->n_exact = 0;
    x->addresses_stale = false;
    for (uint32_t i = 0; i < 128; i++) {
        uint32_t low = weir_xm_get(x, X540_RAL + 8 * i), high = weir_xm_get(x, X540_RAH + 8 * i);
        if (!(high & X540_RAH_AV))
            continue;
        uint8_t mac[6] = {(uint8_t)low,         (uint8_t)(low >> 8), (uint8_t)(low >> 16),
                          (uint8_t)(low >> 24), (uint8_t)high,       (uint8_t)(high >> 8)};
        x->exact[x->n_exact++] = address(mac);
    }
}

static bool exact_match(struct xm *x, const uint8_t *dest)
{
    uint64_t wanted = address(dest);

    if (x->addresses_stale)
        collect_addresses(x);
    for (unsigned i = 0; i < x->n_exact; i++)
        if (x->exact[i] == wanted)
            return true;
    return false;
}

/* Twelve bits of the address, from the one that MCSTCTRL.MO says, are an index to the MTA's bits.
 */
static bool multicast_match(const struct xm *x, const uint8_t *dest)
{
    static const uint8_t shifts[4] = {4, 3, 2, 0};
    uint32_t control = weir_xm_get(x, X540_MCSTCTRL);
    unsigned shift = shifts[weir_field_get(control, X540_MCSTCTRL_MO)];
    unsigned hash = ((unsigned)dest[4] | (unsigned)dest[5] << 8) >> shift & 0xfff;

    return control & X540_MCSTCTRL_MFE &&
           weir_xm_get(x, X540_MTA + hash / 32 * 4) >> (hash % 32) & 1;
}

static bool address_passes(struct xm *x, struct xm_packet *p)
{
    uint32_t fctrl = weir_xm_get(x, X540_FCTRL);
    const uint8_t *dest = p->data;

    p->inexact = false;
    if (address(dest) == 0xffffffffffff)
        return fctrl & X540_FCTRL_BAM;
    if (exact_match(x, dest))
        return true;
    p->inexact = true;
    if (dest[0] & 1)
        return fctrl & X540_FCTRL_MPE || multicast_match(x, dest);
    return fctrl & X540_FCTRL_UPE;
}

static bool vlan_passes(const struct xm *x, const struct xm_packet *p)
{
    uint32_t control = weir_xm_get(x, X540_VLNCTRL);

    if (!(control & X540_VLNCTRL_VFE) || !p->tagged)
        return true;
    if (control & X540_VLNCTRL_CFIEN &&
        !(control & X540_VLNCTRL_CFI) != !(p->vlan & X540_VLAN_TAG_DEI))
        return false;
    unsigned id = p->vlan & X540_VLAN_TAG_VID;
    return weir_xm_get(x, X540_VFTA + id / 32 * 4) >> (id % 32) & 1;
}

bool weir_xm_filter(struct xm *x, struct xm_packet *p)
{
    return address_passes(x, p) && vlan_passes(x, p);
}
