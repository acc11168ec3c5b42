/* SPDX-License-Identifier: BSD-3-Clause */
/* The NVM: its image, reading and writing words of it (chapters 3.4 and 6). */
#include "xm.h"

enum {
    NVM_CORE0_PTR = 0x09, /* LAN core 0 section: the MAC address among others */
    NVM_FW_PTR = 0x0f,    /* pointers below it lead to sections that the checksum covers */
    NVM_FIRST_PTR = 0x03,
    NVM_PHY_PTR = 0x04, /* not covered */
    NVM_OROM_PTR = 0x05,
    NVM_CORE0 = 0x200,
    NVM_CORE0_WORDS = 8,
};

/* All words up to the checksum, and the sections, without their length word. */
static uint16_t nvm_sum(const struct xm *x)
{
    uint16_t sum = 0;

    for (unsigned i = 0; i < X540_NVM_CHECKSUM; i++)
        sum = (uint16_t)(sum + x->nvm[i]);
    for (unsigned i = NVM_FIRST_PTR; i < NVM_FW_PTR; i++) {
        unsigned at = x->nvm[i];
        if (i == NVM_PHY_PTR || i == NVM_OROM_PTR || at == 0 || at >= XM_NVM_WORDS)
            continue;
        unsigned len = x->nvm[at];
        if (len == 0xffff || len == 0 || at + len >= XM_NVM_WORDS)
            continue;
        for (unsigned k = at + 1; k <= at + len; k++)
            sum = (uint16_t)(sum + x->nvm[k]);
    }
    return sum;
}

void weir_xm_nvm_init(struct xm *x)
{
    memset(x->nvm, 0xff, sizeof(x->nvm));
    memset(x->nvm, 0, 2 * (X540_NVM_CHECKSUM + 1));
    x->nvm[NVM_CORE0_PTR] = NVM_CORE0;
    x->nvm[0x27] = 0xffff; /* no SAN MAC address */
    x->nvm[0x2d] = 0x0001; /* image id */
    x->nvm[0x2e] = 0x8000;
    x->nvm[0x2f] = 0xffff; /* no VPD */
    x->nvm[0x37] = 0xffff; /* no alternate MAC address */
    x->nvm[NVM_CORE0] = NVM_CORE0_WORDS;
    for (unsigned i = 0; i < 3; i++)
        x->nvm[NVM_CORE0 + 1 + i] = (uint16_t)(x->mac[2 * i] | x->mac[2 * i + 1] << 8);
    x->nvm[X540_NVM_CHECKSUM] = (uint16_t)(X540_NVM_SUM - nvm_sum(x) + x->bad_nvm);
}

void weir_xm_eerd(struct xm *x, uint32_t value)
{
    if (!(value & X540_EERD_START)) {
        x->reg[X540_EERD / 4] = value;
        return;
    }
    uint32_t word = weir_field_get(value, X540_EERD_ADDR);
    uint32_t data = word < XM_NVM_WORDS ? x->nvm[word] : 0xffff;
    x->reg[X540_EERD / 4] =
        weir_field_set(value & ~X540_EERD_START, X540_EERD_DATA, data) | X540_EERD_DONE;
}

void weir_xm_eewr(struct xm *x, uint32_t value)
{
    if (value & X540_EEWR_START) {
        uint32_t word = weir_field_get(value, X540_EEWR_ADDR);
        if (word < XM_NVM_WORDS)
            x->nvm[word] = (uint16_t)weir_field_get(value, X540_EEWR_DATA);
        value = (value & ~X540_EEWR_START) | X540_EEWR_DONE;
    }
    x->reg[X540_EEWR / 4] = value;
}

void weir_xm_eec(struct xm *x, uint32_t value)
{
    const uint32_t fixed = X540_EEC_PRES | X540_EEC_AUTO_RD | X540_EEC_SIZE | X540_EEC_SEC1VAL;
    uint32_t now = (x->reg[X540_EEC / 4] & fixed) | (value & ~(fixed | X540_EEC_GNT));

    if (now & X540_EEC_REQ)
        now |= X540_EEC_GNT;
    if (now & X540_EEC_FLUPD) /* write the shadow RAM to flash: done at once */
        now = (now & ~X540_EEC_FLUPD) | X540_EEC_FLUDONE;
    x->reg[X540_EEC / 4] = now;
}
