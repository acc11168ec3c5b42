/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Descriptors of the Intel Ethernet Controller X540.
 *
 * From the Intel Ethernet Controller X540 Datasheet (order 333168), chapter 7, "Inline functions".
 * All members are little-endian in memory. Masks apply to the value of the member they are listed
 * under; use weir_field_get() and weir_field_set() for those wider than a bit.
 */
#ifndef WEIR_HW_X540_DESC_H
#define WEIR_HW_X540_DESC_H

#include <stdint.h>

/** Advanced receive descriptor as software writes it. */
struct x540_rx_read {
    uint64_t pkt_addr; /**< packet buffer; bit 0 is no-snoop */
    uint64_t hdr_addr; /**< header buffer, or 0; bit 0 is DD and must be 0 */
};

/** Advanced receive descriptor as the device writes it back. */
struct x540_rx_wb {
    uint32_t info; /**< X540_RXD_INFO_* */
    uint32_t rss;  /**< RSS hash, or fragment checksum (31:16) and IP id (15:0), or FDIR id */
    uint32_t status_error; /**< X540_RXD_STAT_* and X540_RXD_ERR_* */
    uint16_t length;       /**< bytes in this buffer */
    uint16_t vlan;         /**< the tag that was stripped */
};

/** Legacy receive descriptor, SRRCTL.DESCTYPE 0; the device writes the second half. */
struct x540_rx_legacy {
    uint64_t addr;
    uint16_t length;
    uint16_t checksum; /**< of the fragment */
    uint8_t status;    /**< X540_RXD_LEGACY_STAT_* */
    uint8_t errors;    /**< X540_RXD_LEGACY_ERR_* */
    uint16_t vlan;
};

/** One entry of a receive ring. */
struct x540_rx_desc {
    union {
        struct x540_rx_read read;
        struct x540_rx_wb wb;
        struct x540_rx_legacy legacy;
        uint64_t qw[2];
    };
};

/** Advanced transmit data descriptor as software writes it. */
struct x540_tx_read {
    uint64_t addr;
    uint32_t cmd_type_len;  /**< X540_TXD_DTALEN, _MAC_*, _DTYP, _CMD_* */
    uint32_t olinfo_status; /**< X540_TXD_STA_*, _IDX, _CC, _POPTS_*, _PAYLEN */
};

/** Transmit descriptor as the device writes it back. */
struct x540_tx_wb {
    uint64_t reserved;
    uint32_t nxtseq_seed;
    uint32_t status; /**< X540_TXD_STA_* */
};

/** Advanced transmit context descriptor. */
struct x540_tx_ctx {
    uint32_t vlan_macip_lens; /**< X540_CTXD_IPLEN, _MACLEN, _VLAN */
    uint32_t fcoef_sa;        /**< X540_CTXD_SA_IDX, _FCOEF */
    uint32_t type_tucmd_mlhl; /**< X540_CTXD_ESP_LEN, _TUCMD_*, and X540_TXD_DTYP, _CMD_DEXT */
    uint32_t mss_l4len_idx;   /**< X540_CTXD_IDX, _L4LEN, _MSS */
};

/** Legacy transmit descriptor (CMD.DEXT 0). */
struct x540_tx_legacy {
    uint64_t addr;
    uint32_t cmd_len;     /**< X540_TXD_LEGACY_LEN, _CSO, and X540_TXD_CMD_* */
    uint32_t status_vlan; /**< X540_TXD_STA_*, X540_TXD_LEGACY_CSS, _VLAN */
};

/** One entry of a transmit ring. */
struct x540_tx_desc {
    union {
        struct x540_tx_read read;
        struct x540_tx_wb wb;
        struct x540_tx_ctx ctx;
        struct x540_tx_legacy legacy;
        uint64_t qw[2];
    };
};

/* clang-format off */

/* D(NAME, shift, width): fields of the descriptors' 32-bit words. */
#define X540_RXD_FIELDS(D) \
    /* advanced write-back: info */ \
    D(RXD_INFO_RSSTYPE, 0, 4)     /* X540_RSSTYPE_* */ \
    D(RXD_INFO_PKTTYPE, 4, 13)    /* X540_PKTTYPE_* */ \
    D(RXD_INFO_RSCCNT, 17, 4)     /* descriptors coalesced before this one */ \
    D(RXD_INFO_HDR_LEN, 21, 10)   /* bytes in the header buffer */ \
    D(RXD_INFO_SPH, 31, 1)        /* the header was found */ \
    /* advanced write-back: status_error, status */ \
    D(RXD_STAT_DD, 0, 1)          /* done */ \
    D(RXD_STAT_EOP, 1, 1)         /* last buffer of the packet */ \
    D(RXD_STAT_FLM, 2, 1)         /* flow director match (with EOP) */ \
    D(RXD_STAT_VP, 3, 1)          /* VLAN packet; the tag is in vlan if stripped (with EOP) */ \
    D(RXD_STAT_UDPCS, 4, 1)       /* fragment checksum valid (not FCoE, with EOP) */ \
    D(RXD_STAT_L4CS, 5, 1)        /* TCP, UDP or SCTP checksum checked (not FCoE, with EOP) */ \
    D(RXD_STAT_IPCS, 6, 1)        /* IPv4 checksum checked (not FCoE, with EOP) */ \
    D(RXD_STAT_FCSTAT, 4, 2)      /* FCoE DDP state (FCoE, with EOP) */ \
    D(RXD_STAT_FCEOFS, 6, 1)      /* FCoE EOF or SOF state (FCoE, with EOP) */ \
    D(RXD_STAT_PIF, 7, 1)         /* not an exact unicast match (with EOP) */ \
    D(RXD_STAT_VEXT, 9, 1)        /* outer VLAN found (with EOP) */ \
    D(RXD_STAT_UDPV, 10, 1)       /* fragment has a UDP checksum (with EOP) */ \
    D(RXD_STAT_LLINT, 11, 1)      /* low-latency interrupt (with EOP) */ \
    D(RXD_STAT_NEXTP, 4, 16)      /* next descriptor of a coalesced packet (without EOP) */ \
    D(RXD_STAT_TS, 16, 1)         /* time stamp taken (with EOP) */ \
    D(RXD_STAT_SECP, 17, 1)       /* LinkSec or IPsec processed (with EOP) */ \
    D(RXD_STAT_LB, 18, 1)         /* sent by a VM of this port (with EOP) */ \
    /* advanced write-back: status_error, errors */ \
    D(RXD_ERR_FDIR, 20, 3)        /* X540_FDIRERR_*; FCoE: FCERR */ \
    D(RXD_ERR_HBO, 23, 1)         /* header larger than its buffer */ \
    D(RXD_ERR_SECERR, 27, 2)      /* security error */ \
    D(RXD_ERR_RXE, 29, 1)         /* MAC error: CRC, length, size (only with FCTRL.SBP) */ \
    D(RXD_ERR_L4E, 30, 1)         /* TCP, UDP or SCTP checksum wrong */ \
    D(RXD_ERR_IPE, 31, 1)         /* IPv4 checksum wrong; FCoE: FCEOFE */ \
    /* legacy status */ \
    D(RXD_LEGACY_STAT_DD, 0, 1) \
    D(RXD_LEGACY_STAT_EOP, 1, 1) \
    D(RXD_LEGACY_STAT_VP, 3, 1) \
    D(RXD_LEGACY_STAT_UDPCS, 4, 1) \
    D(RXD_LEGACY_STAT_L4CS, 5, 1) \
    D(RXD_LEGACY_STAT_IPCS, 6, 1) \
    D(RXD_LEGACY_STAT_PIF, 7, 1) \
    /* legacy errors */ \
    D(RXD_LEGACY_ERR_RXE, 0, 1) \
    D(RXD_LEGACY_ERR_L4E, 6, 1) \
    D(RXD_LEGACY_ERR_IPE, 7, 1) \
    /* the 16-bit VLAN tag, both directions */ \
    D(VLAN_TAG_VID, 0, 12) \
    D(VLAN_TAG_DEI, 12, 1) \
    D(VLAN_TAG_PCP, 13, 3)

#define X540_TXD_FIELDS(D) \
    /* data: cmd_type_len; DTYP and CMD are also in a context's type_tucmd_mlhl */ \
    D(TXD_DTALEN, 0, 16)          /* bytes in this buffer */ \
    D(TXD_MAC_LINKSEC, 18, 1)     /* apply LinkSec */ \
    D(TXD_MAC_1588, 19, 1)        /* take a time stamp */ \
    D(TXD_DTYP, 20, 4)            /* X540_DTYP_* */ \
    D(TXD_CMD_EOP, 24, 1)         /* last buffer of the packet */ \
    D(TXD_CMD_IFCS, 25, 1)        /* append the CRC */ \
    D(TXD_CMD_IC, 26, 1)          /* legacy: insert a checksum */ \
    D(TXD_CMD_RS, 27, 1)          /* report status */ \
    D(TXD_CMD_DEXT, 29, 1)        /* advanced descriptor */ \
    D(TXD_CMD_VLE, 30, 1)         /* insert the context's VLAN tag */ \
    D(TXD_CMD_TSE, 31, 1)         /* segment */ \
    /* data: olinfo_status */ \
    D(TXD_STA_DD, 0, 1)           /* done */ \
    D(TXD_IDX, 4, 3)              /* which context, 0 or 1 */ \
    D(TXD_CC, 7, 1)               /* check context; required with VF anti-spoofing */ \
    D(TXD_POPTS_IXSM, 8, 1)       /* insert the IPv4 checksum */ \
    D(TXD_POPTS_TXSM, 9, 1)       /* insert the TCP, UDP or SCTP checksum */ \
    D(TXD_POPTS_IPSEC, 10, 1)     /* apply IPsec */ \
    D(TXD_PAYLEN, 14, 18)         /* bytes of the packet; with TSE, of the payload */ \
    /* context: vlan_macip_lens */ \
    D(CTXD_IPLEN, 0, 9)           /* IP header, bytes */ \
    D(CTXD_MACLEN, 9, 7)          /* MAC header, bytes, without the inserted tag */ \
    D(CTXD_VLAN, 16, 16)          /* tag to insert */ \
    /* context: fcoef_sa */ \
    D(CTXD_SA_IDX, 0, 10)         /* IPsec association */ \
    D(CTXD_FCOEF, 10, 6)          /* FCoE flags */ \
    /* context: type_tucmd_mlhl */ \
    D(CTXD_ESP_LEN, 0, 9)         /* ESP trailer, bytes */ \
    D(CTXD_TUCMD_SNAP, 9, 1)      /* SNAP header */ \
    D(CTXD_TUCMD_IPV4, 10, 1)     /* IPv4, else IPv6 */ \
    D(CTXD_TUCMD_L4T, 11, 2)      /* X540_L4T_* */ \
    D(CTXD_TUCMD_ESP, 13, 1)      /* IPsec: ESP, else AH */ \
    D(CTXD_TUCMD_ENCRYPT, 14, 1)  /* IPsec: encrypt */ \
    D(CTXD_TUCMD_FCOE, 15, 1)     /* FCoE */ \
    /* context: mss_l4len_idx */ \
    D(CTXD_IDX, 4, 1)             /* which context this sets */ \
    D(CTXD_L4LEN, 8, 8)           /* TCP or UDP header, bytes */ \
    D(CTXD_MSS, 16, 16)           /* largest segment payload */ \
    /* legacy: cmd_len, status_vlan */ \
    D(TXD_LEGACY_LEN, 0, 16) \
    D(TXD_LEGACY_CSO, 16, 8)      /* where to put the checksum */ \
    D(TXD_LEGACY_CSS, 8, 8)       /* where it starts */ \
    D(TXD_LEGACY_VLAN, 16, 16)

/* clang-format on */

#define X540_D(name, shift, width)                                                                 \
    static const uint32_t X540_##name = (0xffffffffu >> (32 - (width))) << (shift);
X540_RXD_FIELDS(X540_D)
X540_TXD_FIELDS(X540_D)
#undef X540_D

/** X540_TXD_DTYP. */
enum { X540_DTYP_CONTEXT = 2, X540_DTYP_DATA = 3 };

/** X540_CTXD_TUCMD_L4T. */
enum { X540_L4T_UDP = 0, X540_L4T_TCP = 1, X540_L4T_SCTP = 2, X540_L4T_NONE = 3 };

/** X540_RXD_INFO_RSSTYPE: what the hash covers. */
enum {
    X540_RSSTYPE_NONE = 0,
    X540_RSSTYPE_IPV4_TCP = 1,
    X540_RSSTYPE_IPV4 = 2,
    X540_RSSTYPE_IPV6_TCP = 3,
    X540_RSSTYPE_IPV6 = 5,
    X540_RSSTYPE_IPV4_UDP = 7,
    X540_RSSTYPE_IPV6_UDP = 8,
    X540_RSSTYPE_FDIR = 15, /**< the rss word is the flow director's filter id */
};

/** Bits of X540_RXD_INFO_PKTTYPE, shifted down. With ETQF set the others mean something else. */
enum {
    X540_PKTTYPE_IPV4 = 1 << 0,
    X540_PKTTYPE_IPV4_OPTIONS = 1 << 1,
    X540_PKTTYPE_IPV6 = 1 << 2,
    X540_PKTTYPE_IPV6_EXTENSIONS = 1 << 3,
    X540_PKTTYPE_TCP = 1 << 4,
    X540_PKTTYPE_UDP = 1 << 5,
    X540_PKTTYPE_SCTP = 1 << 6,
    X540_PKTTYPE_NFS = 1 << 7,
    X540_PKTTYPE_ESP = 1 << 8,
    X540_PKTTYPE_AH = 1 << 9,
    X540_PKTTYPE_LINKSEC = 1 << 10,
    X540_PKTTYPE_ETQF = 1 << 11,  /**< an ether-type filter matched */
    X540_PKTTYPE_ETQF_INDEX = 0x7 /**< with ETQF: which one */
};

/** Bits of X540_RXD_ERR_FDIR, shifted down. */
enum {
    X540_FDIRERR_LENGTH = 1, /**< the list of filters was too long */
    X540_FDIRERR_DROP = 2,   /**< the filter says drop */
    X540_FDIRERR_COLLISION = 4,
};

#endif
