/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/host/quirk.h"

#define ANY             0xffff
#define V(major, minor) ((unsigned)(major) << 8 | (minor))

enum kind {
    NO_PEERS,   /* functions of the device do not reach each other */
    ROOT_PORT,  /* a root port that keeps apart what is behind it and its siblings */
    PORT,       /* a root or switch port that does */
    RC_END,     /* a root complex integrated endpoint */
    SOUTHBRIDGE /* on the root bus of a machine with an AMD IOMMU */
};

/*
 * Who vouches for what. since: the first kernel that has it; with EARLIER, one that is known to
 * have it, and nothing is said of those before.
 */
#define EARLIER 1
static const struct vouched {
    uint16_t vendor, first, last;
    uint8_t kind, earlier;
    uint16_t since;
} vouched[] = {
    /* Intel 10G: 82598, 82599 */
    {0x8086, 0x10c6, 0x10c6, NO_PEERS, 0, V(3, 18)},
    {0x8086, 0x10db, 0x10db, NO_PEERS, 0, V(3, 18)},
    {0x8086, 0x10dd, 0x10dd, NO_PEERS, 0, V(3, 18)},
    {0x8086, 0x10e1, 0x10e1, NO_PEERS, 0, V(3, 18)},
    {0x8086, 0x10f1, 0x10f1, NO_PEERS, 0, V(3, 18)},
    {0x8086, 0x10f7, 0x10fc, NO_PEERS, 0, V(3, 18)},
    {0x8086, 0x1507, 0x1507, NO_PEERS, 0, V(3, 18)},
    {0x8086, 0x1514, 0x1514, NO_PEERS, 0, V(3, 18)},
    {0x8086, 0x151c, 0x151c, NO_PEERS, 0, V(3, 18)},
    {0x8086, 0x1529, 0x152a, NO_PEERS, 0, V(3, 18)},
    {0x8086, 0x154d, 0x154d, NO_PEERS, 0, V(3, 18)},
    {0x8086, 0x154f, 0x154f, NO_PEERS, 0, V(3, 18)},
    {0x8086, 0x1551, 0x1551, NO_PEERS, 0, V(3, 18)},
    {0x8086, 0x1558, 0x1558, NO_PEERS, 0, V(3, 18)},
    /* Intel 1G: 82580, 82576, 82575, I350, 82571 */
    {0x8086, 0x1509, 0x1509, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x150e, 0x1511, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x1516, 0x1516, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x1527, 0x1527, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x10c9, 0x10c9, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x10e6, 0x10e8, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x150a, 0x150a, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x150d, 0x150d, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x1518, 0x1518, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x1526, 0x1526, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x10a7, 0x10a7, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x10a9, 0x10a9, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x10d6, 0x10d6, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x1521, 0x1524, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x105e, 0x1060, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x10d9, 0x10d9, NO_PEERS, 0, V(4, 1)},
    {0x8086, 0x15b7, 0x15b8, NO_PEERS, EARLIER, V(6, 1)}, /* I219 */
    {0x8086, 0, ANY, RC_END, 0, V(5, 8)},
    /* Intel PCH root ports: Ibex Peak to Lynx Point, Wildcat, Patsburg, Wellsburg */
    {0x8086, 0x3b42, 0x3b51, ROOT_PORT, 0, V(3, 15)},
    {0x8086, 0x1c10, 0x1c1f, ROOT_PORT, 0, V(3, 15)},
    {0x8086, 0x1e10, 0x1e1f, ROOT_PORT, 0, V(3, 15)},
    {0x8086, 0x8c10, 0x8c1f, ROOT_PORT, 0, V(3, 15)},
    {0x8086, 0x9c10, 0x9c1b, ROOT_PORT, 0, V(3, 15)},
    {0x8086, 0x9c90, 0x9c9b, ROOT_PORT, EARLIER, V(6, 1)},
    {0x8086, 0x1d10, 0x1d1e, ROOT_PORT, EARLIER, V(6, 1)},
    {0x8086, 0x8d10, 0x8d1e, ROOT_PORT, EARLIER, V(6, 1)},
    {0x8086, 0x8c90, 0x8c9e, ROOT_PORT, EARLIER, V(6, 1)},
    /* AMD southbridges */
    {0x1002, 0x4383, 0x4385, SOUTHBRIDGE, EARLIER, V(6, 1)},
    {0x1002, 0x4399, 0x4399, SOUTHBRIDGE, EARLIER, V(6, 1)},
    {0x1002, 0x439c, 0x439d, SOUTHBRIDGE, EARLIER, V(6, 1)},
    {0x1022, 0x7809, 0x7809, SOUTHBRIDGE, EARLIER, V(6, 1)},
    {0x1022, 0x780f, 0x780f, SOUTHBRIDGE, EARLIER, V(6, 1)},
    /* Solarflare, Emulex, Broadcom, Cavium, Zhaoxin, Wangxun */
    {0x1924, 0x0903, 0x0903, NO_PEERS, EARLIER, V(6, 1)},
    {0x1924, 0x0923, 0x0923, NO_PEERS, EARLIER, V(6, 1)},
    {0x1924, 0x0a03, 0x0a03, NO_PEERS, EARLIER, V(6, 1)},
    {0x19a2, 0x0710, 0x0710, NO_PEERS, EARLIER, V(6, 1)},
    {0x10df, 0x0720, 0x0720, NO_PEERS, EARLIER, V(6, 1)},
    {0x14e4, 0x16d7, 0x16d7, NO_PEERS, EARLIER, V(6, 1)},
    {0x14e4, 0x1750, 0x1752, NO_PEERS, EARLIER, V(6, 1)},
    {0x14e4, 0x1760, 0x1763, NO_PEERS, EARLIER, V(6, 1)},
    {0x14e4, 0xd714, 0xd714, NO_PEERS, EARLIER, V(6, 1)},
    {0x177d, 0xa026, 0xa026, NO_PEERS, EARLIER, V(6, 1)},
    {0x177d, 0xa059, 0xa059, NO_PEERS, EARLIER, V(6, 1)},
    {0x177d, 0xa060, 0xa060, NO_PEERS, EARLIER, V(6, 1)},
    {0x177d, 0xa000, 0xa7ff, ROOT_PORT, EARLIER, V(6, 1)},
    {0x177d, 0xaf84, 0xaf84, ROOT_PORT, EARLIER, V(6, 1)},
    {0x177d, 0xb884, 0xb884, ROOT_PORT, EARLIER, V(6, 1)},
    {0x1d17, 0x3038, 0x3038, NO_PEERS, EARLIER, V(6, 1)},
    {0x1d17, 0x3104, 0x3104, NO_PEERS, EARLIER, V(6, 1)},
    {0x1d17, 0x9083, 0x9083, NO_PEERS, EARLIER, V(6, 1)},
    {0x1d17, 0x0710, 0x071e, PORT, EARLIER, V(6, 1)},
    {0x1d17, 0x0721, 0x0721, PORT, EARLIER, V(6, 1)},
    {0x1d17, 0x0723, 0x0752, PORT, EARLIER, V(6, 1)},
    {0x8088, 0x0100, 0x010f, NO_PEERS, EARLIER, V(6, 1)},
    {0x8088, 0x1001, 0x1001, NO_PEERS, EARLIER, V(6, 1)},
    {0x8088, 0x2001, 0x2001, NO_PEERS, EARLIER, V(6, 1)},
    {0x8088, 0x5010, 0x5010, NO_PEERS, EARLIER, V(6, 1)},
    {0x8088, 0x5025, 0x5025, NO_PEERS, EARLIER, V(6, 1)},
    {0x8088, 0x5040, 0x5040, NO_PEERS, EARLIER, V(6, 1)},
    {0x8088, 0x5110, 0x5110, NO_PEERS, EARLIER, V(6, 1)},
    {0x8088, 0x5125, 0x5125, NO_PEERS, EARLIER, V(6, 1)},
    {0x8088, 0x5140, 0x5140, NO_PEERS, EARLIER, V(6, 1)},
    /* Root ports of Qualcomm, HXT, Ampere, NXP, Loongson and Amazon */
    {0x17cb, 0x0111, 0x0111, NO_PEERS, EARLIER, V(6, 1)},
    {0x17cb, 0x0115, 0x0115, NO_PEERS, EARLIER, V(6, 1)},
    {0x17cb, 0x0120, 0x0120, NO_PEERS, EARLIER, V(6, 1)},
    {0x17cb, 0x0400, 0x0401, NO_PEERS, EARLIER, V(6, 1)},
    {0x1dbf, 0x0401, 0x0401, NO_PEERS, EARLIER, V(6, 1)},
    {0x10e8, 0xe004, 0xe004, NO_PEERS, EARLIER, V(6, 1)},
    {0x1def, 0xe005, 0xe00c, NO_PEERS, EARLIER, V(6, 1)},
    {0x1957, 0x8d80, 0x8d83, NO_PEERS, EARLIER, V(6, 1)},
    {0x1957, 0x8d88, 0x8d8b, NO_PEERS, EARLIER, V(6, 1)},
    {0x1957, 0x8d90, 0x8d93, NO_PEERS, EARLIER, V(6, 1)},
    {0x1957, 0x8d98, 0x8d9b, NO_PEERS, EARLIER, V(6, 1)},
    {0x1957, 0x8da0, 0x8da1, NO_PEERS, EARLIER, V(6, 1)},
    {0x1957, 0x8da8, 0x8da9, NO_PEERS, EARLIER, V(6, 1)},
    {0x1957, 0x8db0, 0x8db1, NO_PEERS, EARLIER, V(6, 1)},
    {0x1957, 0x8db8, 0x8db9, NO_PEERS, EARLIER, V(6, 1)},
    {0x0014, 0x3c09, 0x3c09, NO_PEERS, EARLIER, V(6, 1)},
    {0x0014, 0x3c19, 0x3c19, NO_PEERS, EARLIER, V(6, 1)},
    {0x0014, 0x3c29, 0x3c29, NO_PEERS, EARLIER, V(6, 1)},
    {0x0014, 0x7a09, 0x7a09, NO_PEERS, EARLIER, V(6, 1)},
    {0x0014, 0x7a19, 0x7a19, NO_PEERS, EARLIER, V(6, 1)},
    {0x0014, 0x7a29, 0x7a29, NO_PEERS, EARLIER, V(6, 1)},
    {0x0014, 0x7a39, 0x7a39, NO_PEERS, EARLIER, V(6, 1)},
    {0x0014, 0x7a49, 0x7a49, NO_PEERS, EARLIER, V(6, 1)},
    {0x0014, 0x7a59, 0x7a59, NO_PEERS, EARLIER, V(6, 1)},
    {0x0014, 0x7a69, 0x7a69, NO_PEERS, EARLIER, V(6, 1)},
    {0x1c36, 0x0031, 0x0031, ROOT_PORT, EARLIER, V(6, 1)},
};

bool weir_quirk_wide_acs(const struct weir_function *f)
{
    static const uint16_t ids[][2] = {
        {0x9d10, 0x9d1b}, {0xa110, 0xa11f}, {0xa167, 0xa16a}, {0xa290, 0xa29f}, {0xa2e7, 0xa2ee},
    };

    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (f->vendor == 0x8086 && f->type == WEIR_PCIE_ROOT_PORT && f->device >= ids[i][0] &&
            f->device <= ids[i][1])
            return true;
    }
    return false;
}

/* WEIR_UNKNOWN if it hangs on a port type that could not be read. */
static enum weir_known fits(const struct vouched *v, const struct weir_function *f, bool ivrs)
{
    if (f->vendor != v->vendor || f->device < v->first || f->device > v->last)
        return WEIR_NO;
    if (v->kind == NO_PEERS)
        return WEIR_YES;
    if (v->kind == SOUTHBRIDGE)
        return ivrs && f->multifunction && f->parent < 0 ? WEIR_YES : WEIR_NO;
    if (f->type == WEIR_PCIE_UNKNOWN)
        return f->bridge == (v->kind != RC_END) ? WEIR_UNKNOWN : WEIR_NO;
    if (v->kind == RC_END)
        return f->type == WEIR_PCIE_RC_ENDPOINT ? WEIR_YES : WEIR_NO;
    return f->type == WEIR_PCIE_ROOT_PORT || (v->kind == PORT && f->type == WEIR_PCIE_DOWNSTREAM)
               ? WEIR_YES
               : WEIR_NO;
}

enum weir_known weir_quirk_isolated(const struct weir_function *f, unsigned version, bool ivrs,
                                    const char **who, unsigned *since)
{
    static const char *const words[] = {
        [NO_PEERS] = "its vendor says that it sends nothing to its own kind",
        [ROOT_PORT] = "its vendor says that this root port keeps peers apart without ACS",
        [PORT] = "its vendor says that this port keeps peers apart without ACS",
        [RC_END] = "Intel VT-d lets root complex endpoints reach peers only through the IOMMU",
        [SOUTHBRIDGE] = "AMD says that its southbridge sends everything to the IOMMU",
    };

    *since = 0;
    for (unsigned i = 0; i < sizeof(vouched) / sizeof(vouched[0]); i++) {
        enum weir_known fit = fits(&vouched[i], f, ivrs);

        if (fit == WEIR_NO)
            continue;
        *who = words[vouched[i].kind];
        *since = vouched[i].since;
        if (version >= vouched[i].since)
            return fit;
        if (vouched[i].earlier)
            return WEIR_UNKNOWN;
    }
    *who = NULL;
    return WEIR_NO;
}

bool weir_quirk_alias(const struct weir_function *f, unsigned devfn)
{
    static const struct {
        uint16_t vendor, device;
    } function1[] = {
        {0x1b4b, 0x9120}, {0x1b4b, 0x9123}, {0x1b4b, 0x9125}, {0x1b4b, 0x9128}, {0x1b4b, 0x9130},
        {0x1b4b, 0x9170}, {0x1b4b, 0x9172}, {0x1b4b, 0x917a}, {0x1b4b, 0x9182}, {0x1b4b, 0x9183},
        {0x1b4b, 0x91a0}, {0x1b4b, 0x9215}, {0x1b4b, 0x9220}, {0x1b4b, 0x9230}, {0x1b4b, 0x9235},
        {0x1103, 0x0642}, {0x1103, 0x0645}, {0x197b, 0x2392}, {0x1c28, 0x0122},
    };
    unsigned own = (unsigned)f->slot << 3 | f->number;
    unsigned slot = (unsigned)f->slot << 3;

    if (devfn == own)
        return false;
    if ((f->vendor == 0x1180 && (f->device == 0xe832 || f->device == 0xe476)) ||
        (f->vendor == 0x6766 && (f->device == 0x3d40 || f->device == 0x3d41)))
        return devfn == slot;
    if (f->vendor == 0x9005 && f->device == 0x0285 && f->subsystem_vendor == 0x9005 &&
        (f->subsystem_device == 0x02bb || f->subsystem_device == 0x02bc))
        return devfn == 1 << 3;
    if (f->vendor == 0x10b5 && (f->device == 0x87b0 || f->device == 0x87b1))
        return true;
    if (f->vendor == 0x8086 && (f->device == 0x2260 || f->device == 0x2264))
        return devfn == 0x10 << 3 || devfn == 0x11 << 3 || devfn == (0x12 << 3 | 3);
    if (f->vendor == 0x8086 && f->device >= 0x2954 && f->device <= 0x295a && f->device != 0x2957)
        return (devfn & 7) < 5; /* Visual Compute Accelerator */
    for (unsigned i = 0; i < sizeof(function1) / sizeof(function1[0]); i++) {
        if (f->vendor == function1[i].vendor && f->device == function1[i].device)
            return devfn == (slot | 1);
    }
    return false;
}

enum weir_bridge_quirk weir_quirk_bridge(const struct weir_function *f)
{
    if (f->vendor == 0x14e4 && (f->device == 0x9000 || f->device == 0x9084))
        return WEIR_BRIDGE_XLATE;
    return f->vendor == 0x1a03 && f->device == 0x1150 ? WEIR_BRIDGE_NO_ALIAS : WEIR_BRIDGE_PLAIN;
}
