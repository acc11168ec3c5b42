/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/host/config.h"
#include "lib/host/quirk.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPACE 4096u

/* Where configuration space comes from. */
struct source {
    bool (*get)(struct source *s, unsigned off, unsigned len, uint8_t *out);
    int fd;         /* collect */
    char *text;     /* collect: the end of what was written */
    size_t room;    /* collect */
    uint8_t *image; /* parse: bytes, then one flag per byte that was read */
};

static unsigned le16(const uint8_t *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static uint32_t le32(const uint8_t *p)
{
    return le16(p) | (uint32_t)le16(p + 2) << 16;
}

/* PCIe 5.0, 7.7.8. Where Intel made both registers 32 bits wide, control is 4 bytes further on. */
static void read_acs(struct source *s, unsigned pos, struct weir_function *f)
{
    bool wide = weir_quirk_wide_acs(f);
    uint8_t b[8];

    if (!s->get(s, pos + PCI_ACS_CAP, wide ? 8 : 4, b)) {
        f->acs = WEIR_UNKNOWN;
        return;
    }
    f->acs = WEIR_YES;
    f->acs_cap = (uint16_t)le16(b);
    f->acs_ctrl = (uint16_t)le16(b + (wide ? 4 : 2));
}

static void walk_extended(struct source *s, struct weir_function *f)
{
    unsigned pos = PCI_CFG_SPACE_SIZE;
    uint8_t b[4];

    f->acs = f->ari = f->ats = f->sriov = WEIR_NO;
    /* Each is 8 bytes at least, so a chain that is longer runs in a circle. */
    for (unsigned n = 0; n < (SPACE - PCI_CFG_SPACE_SIZE) / 8; n++) {
        uint32_t header;

        /* The kernel, too, takes space it cannot reach for space without capabilities. */
        if (pos < PCI_CFG_SPACE_SIZE || !s->get(s, pos, 4, b))
            return;
        header = le32(b);
        if (header == 0 || header == UINT32_MAX)
            return;
        switch (PCI_EXT_CAP_ID(header)) {
        case PCI_EXT_CAP_ID_ACS:
            if (f->acs == WEIR_NO)
                read_acs(s, pos, f);
            break;
        case PCI_EXT_CAP_ID_ARI:
            f->ari = WEIR_YES;
            break;
        case PCI_EXT_CAP_ID_ATS:
            f->ats = WEIR_YES;
            break;
        case PCI_EXT_CAP_ID_SRIOV:
            f->sriov = WEIR_YES;
            break;
        default:
            break;
        }
        pos = PCI_EXT_CAP_NEXT(header) & ~3u;
    }
}

static bool walk(struct source *s, struct weir_function *f)
{
    uint8_t b[PCI_STD_HEADER_SIZEOF];
    unsigned pos;

    if (!s->get(s, 0, sizeof(b), b))
        return false;
    f->vendor = (uint16_t)le16(b + PCI_VENDOR_ID);
    f->device = (uint16_t)le16(b + PCI_DEVICE_ID);
    f->revision = b[PCI_REVISION_ID];
    f->class_code = le32(b + PCI_CLASS_REVISION) >> 8;
    f->header = b[PCI_HEADER_TYPE] & 0x7f;
    f->multifunction = b[PCI_HEADER_TYPE] & 0x80;
    f->bridge = f->header == PCI_HEADER_TYPE_BRIDGE || f->header == PCI_HEADER_TYPE_CARDBUS;
    f->type = WEIR_PCIE_NONE;
    f->acs = f->ari = f->ats = f->sriov = WEIR_NO;
    if (f->header == PCI_HEADER_TYPE_NORMAL) {
        f->subsystem_vendor = (uint16_t)le16(b + PCI_SUBSYSTEM_VENDOR_ID);
        f->subsystem_device = (uint16_t)le16(b + PCI_SUBSYSTEM_ID);
    }
    if (f->header > PCI_HEADER_TYPE_BRIDGE || !(le16(b + PCI_STATUS) & PCI_STATUS_CAP_LIST))
        return true;
    pos = b[PCI_CAPABILITY_LIST] & ~3u;
    /* As many as fit behind the header: a longer chain runs in a circle. */
    for (unsigned n = 0; n < (PCI_CFG_SPACE_SIZE - sizeof(b)) / 4 && pos >= sizeof(b); n++) {
        if (!s->get(s, pos, 4, b)) {
            f->type = WEIR_PCIE_UNKNOWN;
            f->acs = f->ari = f->ats = f->sriov = WEIR_UNKNOWN;
            return true;
        }
        if (b[0] == 0xff)
            break;
        if (b[0] == PCI_CAP_ID_EXP) {
            f->type = (enum weir_pcie_type)((le16(b + PCI_EXP_FLAGS) & PCI_EXP_FLAGS_TYPE) >> 4);
            walk_extended(s, f);
            break;
        }
        pos = b[1] & ~3u;
    }
    return true;
}

static bool get_file(struct source *s, unsigned off, unsigned len, uint8_t *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t need = 8 + 2 * (size_t)len;

    if (s->room < need || pread(s->fd, out, len, (off_t)off) != (ssize_t)len)
        return false;
    s->room -= need;
    for (int shift = off < 0x10 ? 0 : off < 0x100 ? 4 : 8; shift >= 0; shift -= 4)
        *s->text++ = digits[off >> shift & 15];
    *s->text++ = ':';
    for (unsigned i = 0; i < len; i++) {
        *s->text++ = digits[out[i] >> 4];
        *s->text++ = digits[out[i] & 15];
    }
    *s->text++ = ' ';
    return true;
}

int weir_config_collect(int fd, char *out, size_t size)
{
    struct source s = {.get = get_file, .fd = fd, .text = out, .room = size};
    struct weir_function f = {0};

    if (!walk(&s, &f))
        return -EINVAL;
    s.text[-1] = '\0'; /* the blank behind the last piece */
    return 0;
}

static bool get_image(struct source *s, unsigned off, unsigned len, uint8_t *out)
{
    if (off > SPACE - len || memchr(s->image + SPACE + off, 0, len))
        return false;
    memcpy(out, s->image + off, len);
    return true;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "OFFSET:HEX ..." to image. */
static bool take_pieces(const char *text, uint8_t *image)
{
    while (*text) {
        unsigned off = 0;

        if (digit(*text) < 0)
            return false;
        for (; digit(*text) >= 0 && off < SPACE; text++)
            off = off << 4 | (unsigned)digit(*text);
        if (*text++ != ':')
            return false;
        for (; digit(text[0]) >= 0 && digit(text[1]) >= 0; text += 2, off++) {
            if (off >= SPACE)
                return false;
            image[off] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
            image[SPACE + off] = 1;
        }
        if (*text == ' ')
            text++;
        else if (*text)
            return false;
    }
    return true;
}

int weir_config_parse(const char *text, struct weir_function *f)
{
    uint8_t *image = calloc(2, SPACE);
    struct source s = {.get = get_image, .image = image};
    bool good;

    if (!image)
        return -ENOMEM;
    good = take_pieces(text, image) && walk(&s, f);
    free(image);
    return good ? 0 : -EINVAL;
}
