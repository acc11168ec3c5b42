/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Registers of the Intel Ethernet Controller X540, physical function, BAR0.
 *
 * From the Intel Ethernet Controller X540 Datasheet (order 333168), chapter 8, "Programming
 * interface". Data only: the driver, the model and the tools share it. BAR4 holds nothing but the
 * MSI-X table and pending bits. Registers that the datasheet places at two addresses have a second
 * row, named _ALIAS. Receive queues 64-127 are a second block, in rows named _64. The rows are in
 * registers.def and fields.def.
 */
#ifndef WEIR_HW_X540_REGS_H
#define WEIR_HW_X540_REGS_H

#include <stdint.h>

#include <weir/driver/regs.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Offset of each register, or of the first of an array: X540_CTRL, ... */
enum {
#define R(name, offset, stride, count, access, section, doc) X540_##name = (offset),
#include "registers.def"
#undef R
};

/* Mask of each field: X540_CTRL_RST, ... Use with weir_field_get() and weir_field_set(). */
#define F(reg, field, shift, width)                                                                \
    static const uint32_t X540_##reg##_##field = (0xffffffffu >> (32 - (width))) << (shift);
#include "fields.def"
#undef F

/** The whole table. */
extern const struct weir_reg_table x540_regs;

/** Limits of the device. */
enum {
    X540_RX_QUEUES = 128,
    X540_TX_QUEUES = 128,
    X540_MSIX_VECTORS = 64,
    X540_PACKET_BUFFERS = 8,
    X540_RX_BUFFER_KIB = 384, /**< all receive packet buffers together */
    X540_TX_BUFFER_KIB = 160, /**< all transmit packet buffers together */
    X540_POOLS = 64,
    X540_MAX_FRAME = 15872, /**< with CRC: 15.5 KiB */
};

/** Address of receive queue @a q's instance of the register whose queue-0 offset is @a reg0. */
static inline uint32_t x540_rxq(uint32_t reg0, uint32_t q)
{
    const uint32_t low = X540_RDBAL, high = X540_RDBAL_64;

    return q < 64 ? reg0 + 0x40 * q : reg0 - low + high + 0x40 * (q - 64);
}

/** Address of transmit queue @a q's instance of the register whose queue-0 offset is @a reg0. */
static inline uint32_t x540_txq(uint32_t reg0, uint32_t q)
{
    return reg0 + 0x40 * q;
}

/** Address of vector @a v's interrupt moderation register. */
static inline uint32_t x540_eitr(uint32_t v)
{
    const uint32_t low = X540_EITR, high = X540_EITR_24;

    return v < 24 ? low + 4 * v : high + 4 * (v - 24);
}

/** Address of the IVAR register of queue @a q; receive and transmit share it. */
static inline uint32_t x540_ivar(uint32_t q)
{
    const uint32_t base = X540_IVAR;

    return base + 4 * (q / 2);
}

/** Where queue @a q's byte begins in its IVAR register. */
static inline uint32_t x540_ivar_shift(uint32_t q, int tx)
{
    return 16 * (q & 1) + (tx ? 8u : 0u);
}

/* Values of fields. */

/** LINKS.LINK_SPEED. */
enum { X540_LINK_SPEED_100M = 1, X540_LINK_SPEED_1G = 2, X540_LINK_SPEED_10G = 3 };

/** MACC.FSV, the speed forced with MACC.FS. */
enum { X540_MACC_SPEED_10G = 3 };

/** LEDCTL.LEDn_MODE. */
enum {
    X540_LED_LINK_UP = 0x0,
    X540_LED_LINK_10G = 0x1,
    X540_LED_MAC_ACTIVITY = 0x2,
    X540_LED_FILTER_ACTIVITY = 0x3,
    X540_LED_LINK_ACTIVITY = 0x4,
    X540_LED_LINK_1G = 0x5,
    X540_LED_LINK_100M = 0x6,
    X540_LED_ON = 0xe,
    X540_LED_OFF = 0xf,
};

/** SRRCTL.DESCTYPE. */
enum {
    X540_DESCTYPE_LEGACY = 0,
    X540_DESCTYPE_ADV_ONE_BUFFER = 1,
    X540_DESCTYPE_ADV_HEADER_SPLIT = 2,
    X540_DESCTYPE_ADV_HEADER_SPLIT_ALWAYS = 5,
};

/** Units of SRRCTL.BSIZEPACKET and SRRCTL.BSIZEHEADER, in bytes. */
enum { X540_SRRCTL_PACKET_UNIT = 1024, X540_SRRCTL_HEADER_UNIT = 64 };

/** RSCCTL.MAXDESC. */
enum { X540_RSC_1 = 0, X540_RSC_4 = 1, X540_RSC_8 = 2, X540_RSC_16 = 3 };

/** MRQC.MRQE. */
enum {
    X540_MRQE_NONE = 0x0,
    X540_MRQE_RSS = 0x1,
    X540_MRQE_DCB_8TC = 0x2,
    X540_MRQE_DCB_4TC = 0x3,
    X540_MRQE_DCB_8TC_RSS = 0x4,
    X540_MRQE_DCB_4TC_RSS = 0x5,
    X540_MRQE_VMDQ_64 = 0x8,
    X540_MRQE_VMDQ_32_RSS = 0xa,
    X540_MRQE_VMDQ_64_RSS = 0xb,
    X540_MRQE_VMDQ_16_DCB_8TC = 0xc,
    X540_MRQE_VMDQ_32_DCB_4TC = 0xd,
};

/** MTQC.NUM_TC_OR_Q; what it means depends on RT_ENA and VT_ENA. */
enum {
    X540_MTQC_64Q = 0,      /**< 64 queues, neither DCB nor VT */
    X540_MTQC_64_POOLS = 1, /**< VT: 64 pools of two queues */
    X540_MTQC_32_POOLS = 2, /**< VT: 32 pools of four queues, with DCB four traffic classes */
    X540_MTQC_4TC = 2,      /**< DCB: four traffic classes */
    X540_MTQC_8TC = 3,      /**< DCB: eight traffic classes */
    X540_MTQC_16_POOLS = 3, /**< VT and DCB: 16 pools of eight traffic classes */
};

/** GCR_EXT.VT_MODE and GPIE.VT_MODE. */
enum { X540_VT_MODE_NONE = 0, X540_VT_MODE_16 = 1, X540_VT_MODE_32 = 2, X540_VT_MODE_64 = 3 };

/** FCCFG.TFCE. */
enum { X540_TFCE_OFF = 0, X540_TFCE_LINK = 1, X540_TFCE_PRIORITY = 2 };

/** MSCA.OPCODE with the clause 45 protocol (STCODE 0). */
enum {
    X540_MDIO_ADDRESS = 0,
    X540_MDIO_WRITE = 1,
    X540_MDIO_READ_INCREMENT = 2,
    X540_MDIO_READ = 3,
};

/** MSCA.STCODE. */
enum { X540_MDIO_CLAUSE_45 = 0, X540_MDIO_CLAUSE_22 = 1 };

/** FWSM.FW_MODE. */
enum { X540_FW_MODE_NONE = 0, X540_FW_MODE_PASS_THROUGH = 2 };

/** FTQF.PROTOCOL. */
enum {
    X540_FTQF_TCP = 0,
    X540_FTQF_UDP = 1,
    X540_FTQF_SCTP = 2,
    X540_FTQF_OTHER = 3,
};

/** FTQF.MASK: a set bit leaves that part of the five-tuple out of the comparison. */
enum {
    X540_FTQF_ANY_SOURCE = 0x01,
    X540_FTQF_ANY_DESTINATION = 0x02,
    X540_FTQF_ANY_SOURCE_PORT = 0x04,
    X540_FTQF_ANY_DESTINATION_PORT = 0x08,
    X540_FTQF_ANY_PROTOCOL = 0x10,
};

/** What L34TIMIR.RESERVED must be written with. */
enum { X540_L34TIMIR_RESERVED_VALUE = 0x40 };

/** FDIRCTRL.PBALLOC. */
enum {
    X540_FDIR_OFF = 0,
    X540_FDIR_64K = 1,
    X540_FDIR_128K = 2,
    X540_FDIR_256K = 3,
};

/** FDIRCMD.CMD. */
enum {
    X540_FDIR_IDLE = 0,
    X540_FDIR_ADD = 1,
    X540_FDIR_REMOVE = 2,
    X540_FDIR_QUERY = 3,
};

/** FDIRCMD.L4TYPE. */
enum { X540_FDIR_L4_NONE = 0, X540_FDIR_UDP = 1, X540_FDIR_TCP = 2, X540_FDIR_SCTP = 3 };

/** TSYNCRXCTL.TYPE. */
enum {
    X540_TSYNC_L2_V2 = 0,
    X540_TSYNC_L4_V1 = 1,
    X540_TSYNC_L2_L4_V2 = 2,
    X540_TSYNC_ALL = 4,
    X540_TSYNC_EVENT_V2 = 5,
};

/** PFVMVIR.VLANA. */
enum { X540_VLAN_FROM_DESC = 0, X540_VLAN_DEFAULT = 1, X540_VLAN_NEVER = 2 };

/** IPSRXIDX.TABLE. */
enum {
    X540_IPS_TABLE_NONE = 0,
    X540_IPS_TABLE_IP = 1,
    X540_IPS_TABLE_SPI = 2,
    X540_IPS_TABLE_KEY = 3,
};

/** NVM words. */
enum {
    X540_NVM_CHECKSUM = 0x3f, /**< makes the words add up to X540_NVM_SUM */
    X540_NVM_SUM = 0xbaba,
};

#ifdef __cplusplus
}
#endif

#endif
