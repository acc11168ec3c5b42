/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Registers of the Intel Ethernet Controller X540, physical function, BAR0.
 *
 * From the Intel Ethernet Controller X540 Datasheet (order 333168), chapter 8, "Programming
 * interface". Data only: the driver, the model and the tools share it. BAR4 holds nothing but the
 * MSI-X table and pending bits. Registers that the datasheet places at two addresses have a second
 * row, named _ALIAS. Receive queues 64-127 are a second block, in rows named _64.
 */
#ifndef WEIR_HW_X540_REGS_H
#define WEIR_HW_X540_REGS_H

#include <stdint.h>

#include <weir/driver/regs.h>

/*
 * R(NAME, offset, stride, count, access, section, doc), sorted by offset. The elements of arrays
 * interleave (ring registers are 0x40 apart); no two elements share an offset.
 */
/* clang-format off */
#define X540_REGISTERS(R) \
    R(CTRL,            0x00000, 0,   1,    RW, "8.2 general control", "device control: resets and bus-master disable") \
    R(CTRL_ALIAS,      0x00004, 0,   1,    RW, "8.2 general control", "the same register as CTRL") \
    R(STATUS,          0x00008, 0,   1,    RO, "8.2 general control", "device status: LAN id, VFs, bus mastering") \
    R(CTRL_EXT,        0x00018, 0,   1,    RW, "8.2 general control", "extended device control") \
    R(ESDP,            0x00020, 0,   1,    RW, "8.2 general control", "software-definable pins") \
    R(I2CCTL,          0x00028, 0,   1,    RW, "8.2 general control", "two-wire bus pins") \
    R(FRTIMER,         0x00048, 0,   1,    RO, "8.2 timers", "free-running timer") \
    R(TCPTIMER,        0x0004c, 0,   1,    RW, "8.2 timers", "TCP timer") \
    R(PFVFLRE_32,      0x001c0, 0,   1,    RO, "8.2 virtualization", "VFs 32-63 that were reset") \
    R(LEDCTL,          0x00200, 0,   1,    RW, "8.2 general control", "four LEDs, a byte each") \
    R(PFVFLRE,         0x00600, 0,   1,    RO, "8.2 virtualization", "VFs 0-31 that were reset") \
    R(PFVFLREC,        0x00700, 4,   2,    W1C,"8.2 virtualization", "acknowledge VF resets, 32 VFs each") \
    R(PFMBICR,         0x00710, 4,   4,    W1C,"8.2 virtualization", "mailbox causes: requests and acknowledgements, 16 VFs each") \
    R(PFMBIMR,         0x00720, 4,   2,    RW, "8.2 virtualization", "mailbox interrupt mask, 32 VFs each") \
    R(EICR,            0x00800, 0,   1,    W1C,"8.2 interrupts", "interrupt causes; also cleared on read unless GPIE.OCD") \
    R(EICS,            0x00808, 0,   1,    WO, "8.2 interrupts", "set interrupt causes") \
    R(EIAC,            0x00810, 0,   1,    RW, "8.2 interrupts", "causes cleared when their MSI-X message is sent") \
    R(EITR,            0x00820, 4,   24,   RW, "8.2 interrupts", "interrupt moderation, vectors 0-23") \
    R(EIMS,            0x00880, 0,   1,    RW, "8.2 interrupts", "interrupt mask: read it, write ones to enable") \
    R(EIMC,            0x00888, 0,   1,    WO, "8.2 interrupts", "write ones to disable interrupts") \
    R(EIAM,            0x00890, 0,   1,    RW, "8.2 interrupts", "causes masked when raised or set") \
    R(EITRSEL,         0x00894, 0,   1,    RW, "8.2 interrupts", "moderation by pool (VFs 32-63)") \
    R(GPIE,            0x00898, 0,   1,    RW, "8.2 interrupts", "interrupt mode") \
    R(IVAR,            0x00900, 4,   64,   RW, "8.2 interrupts", "vector of queues 2n and 2n+1") \
    R(IVAR_MISC,       0x00a00, 0,   1,    RW, "8.2 interrupts", "vector of the TCP timer and other causes") \
    R(EICS_EX,         0x00a90, 4,   2,    WO, "8.2 interrupts", "set queue interrupts, by vector") \
    R(EIMS_EX,         0x00aa0, 4,   2,    RW, "8.2 interrupts", "queue interrupt mask: read, write ones to enable") \
    R(EIMC_EX,         0x00ab0, 4,   2,    WO, "8.2 interrupts", "disable queue interrupts, by vector") \
    R(EIAM_EX,         0x00ad0, 4,   2,    RW, "8.2 interrupts", "auto-mask of queue interrupts, by vector") \
    R(RDBAL,           0x01000, 0x40,64,   RW, "8.2 receive DMA", "receive ring base, low, queues 0-63") \
    R(RDBAH,           0x01004, 0x40,64,   RW, "8.2 receive DMA", "receive ring base, high, queues 0-63") \
    R(RDLEN,           0x01008, 0x40,64,   RW, "8.2 receive DMA", "receive ring length in bytes, queues 0-63") \
    R(DCA_RXCTRL,      0x0100c, 0x40,64,   RW, "8.2 DCA", "receive DCA and relaxed ordering, queues 0-63") \
    R(RDH,             0x01010, 0x40,64,   RO, "8.2 receive DMA", "receive ring head, queues 0-63") \
    R(SRRCTL,          0x01014, 0x40,64,   RW, "8.2 receive DMA", "receive buffer sizes and descriptor type, queues 0-63") \
    R(RDT,             0x01018, 0x40,64,   RW, "8.2 receive DMA", "receive ring tail, queues 0-63") \
    R(RXDCTL,          0x01028, 0x40,64,   RW, "8.2 receive DMA", "receive queue control, queues 0-63") \
    R(RSCCTL,          0x0102c, 0x40,64,   RW, "8.2 receive DMA", "receive coalescing control, queues 0-63") \
    R(QPRC,            0x01030, 0x40,16,   RC, "8.2 statistics", "frames received, per statistics index") \
    R(QBRC_L,          0x01034, 0x40,16,   RC, "8.2 statistics", "bytes received, per statistics index, low") \
    R(QBRC_H,          0x01038, 0x40,16,   RC, "8.2 statistics", "bytes received, per statistics index, high") \
    R(QPRDC,           0x01430, 0x40,16,   RC, "8.2 statistics", "frames dropped, per statistics index") \
    R(SRRCTL_ALIAS,    0x02100, 4,   16,   RW, "8.2 receive DMA", "the same registers as SRRCTL[0-15]") \
    R(RTRPT4C,         0x02140, 4,   8,    RW, "8.2 DCB", "receive packet plane arbiter: configuration") \
    R(RTRPT4S,         0x02160, 4,   8,    RO, "8.2 DCB", "receive packet plane arbiter: state") \
    R(DCA_RXCTRL_ALIAS,0x02200, 4,   16,   RW, "8.2 DCA", "the same registers as DCA_RXCTRL[0-15]") \
    R(RQSMR,           0x02300, 4,   32,   RW, "8.2 statistics", "statistics index of receive queues, four each") \
    R(FCPTRL,          0x02410, 0,   1,    RW, "8.2 FCoE", "DDP context: user descriptor list, low") \
    R(FCPTRH,          0x02414, 0,   1,    RW, "8.2 FCoE", "DDP context: user descriptor list, high") \
    R(FCBUFF,          0x02418, 0,   1,    RW, "8.2 FCoE", "DDP context: buffers") \
    R(FCOERPDC,        0x0241c, 0,   1,    RC, "8.2 statistics", "FCoE frames dropped") \
    R(FCDMARW,         0x02420, 0,   1,    RW, "8.2 FCoE", "DDP context: index and command") \
    R(FCLAST,          0x02424, 0,   1,    RC, "8.2 statistics", "FCoE last-frame errors") \
    R(FCOEPRC,         0x02428, 0,   1,    RC, "8.2 statistics", "FCoE frames received") \
    R(FCOEDWRC,        0x0242c, 0,   1,    RC, "8.2 statistics", "FCoE dwords received") \
    R(RTRPCS,          0x02430, 0,   1,    RW, "8.2 DCB", "receive packet plane control") \
    R(RDRXCTL,         0x02f00, 0,   1,    RW, "8.2 receive DMA", "receive DMA control") \
    R(PFQDE,           0x02f04, 0,   1,    RW, "8.2 receive DMA", "drop enable by queue index") \
    R(RDDCC,           0x02f20, 0,   1,    RW, "8.2 receive DMA", "receive descriptor DMA cache control") \
    R(RXDSTATCTRL,     0x02f40, 0,   1,    RW, "8.2 statistics", "which queues the RXD* counters count") \
    R(RXDGPC,          0x02f50, 0,   1,    RC, "8.2 statistics", "good frames DMAed to the host") \
    R(RXDGBCL,         0x02f54, 0,   1,    RC, "8.2 statistics", "good bytes DMAed to the host, low") \
    R(RXDGBCH,         0x02f58, 0,   1,    RC, "8.2 statistics", "good bytes DMAed to the host, high") \
    R(RXDDGPC,         0x02f5c, 0,   1,    RC, "8.2 statistics", "duplicated good frames DMAed") \
    R(RXDDGBCL,        0x02f60, 0,   1,    RC, "8.2 statistics", "duplicated good bytes DMAed, low") \
    R(RXDDGBCH,        0x02f64, 0,   1,    RC, "8.2 statistics", "duplicated good bytes DMAed, high") \
    R(RXLPBKGPC,       0x02f68, 0,   1,    RC, "8.2 statistics", "loopback frames DMAed") \
    R(RXLPBKGBCL,      0x02f6c, 0,   1,    RC, "8.2 statistics", "loopback bytes DMAed, low") \
    R(RXLPBKGBCH,      0x02f70, 0,   1,    RC, "8.2 statistics", "loopback bytes DMAed, high") \
    R(RXDLPBKGPC,      0x02f74, 0,   1,    RC, "8.2 statistics", "duplicated loopback frames DMAed") \
    R(RXDLPBKGBCL,     0x02f78, 0,   1,    RC, "8.2 statistics", "duplicated loopback bytes DMAed, low") \
    R(RXDLPBKGBCH,     0x02f7c, 0,   1,    RC, "8.2 statistics", "duplicated loopback bytes DMAed, high") \
    R(B2OGPRC,         0x02f90, 0,   1,    RC, "8.2 statistics", "frames from the BMC received by the host") \
    R(RXCTRL,          0x03000, 0,   1,    RW, "8.2 receive DMA", "receive enable") \
    R(PFCTOP,          0x03008, 0,   1,    RW, "8.2 flow control", "priority flow control: type and opcode") \
    R(RTRUP2TC,        0x03020, 0,   1,    RW, "8.2 DCB", "receive user priority to traffic class") \
    R(RSCDBU,          0x03028, 0,   1,    RW, "8.2 receive DMA", "receive coalescing: data buffer unit") \
    R(RXMEMWRAP,       0x03190, 0,   1,    RO, "8.2 receive DMA", "packet buffer wrap counts and empty flags") \
    R(FCTTV,           0x03200, 4,   4,    RW, "8.2 flow control", "pause time, two traffic classes each") \
    R(FCRTL,           0x03220, 4,   8,    RW, "8.2 flow control", "low-water mark (XON), per packet buffer") \
    R(PXON2OFFCNT,     0x03240, 4,   8,    RC, "8.2 statistics", "XON to XOFF transitions, per traffic class") \
    R(FCRTH,           0x03260, 4,   8,    RW, "8.2 flow control", "high-water mark (XOFF), per packet buffer") \
    R(FCRTV,           0x032a0, 0,   1,    RW, "8.2 flow control", "pause refresh threshold") \
    R(RXPBSIZE,        0x03c00, 4,   8,    RW, "8.2 receive DMA", "receive packet buffer size") \
    R(FCCFG,           0x03d00, 0,   1,    RW, "8.2 flow control", "which pause frames are sent") \
    R(PXONTXC,         0x03f00, 4,   8,    RC, "8.2 statistics", "priority XON frames sent") \
    R(PXOFFTXC,        0x03f20, 4,   8,    RC, "8.2 statistics", "priority XOFF frames sent") \
    R(LXONTXC,         0x03f60, 0,   1,    RC, "8.2 statistics", "link XON frames sent") \
    R(LXOFFTXC,        0x03f68, 0,   1,    RC, "8.2 statistics", "link XOFF frames sent") \
    R(RXMPC,           0x03fa0, 4,   8,    RC, "8.2 statistics", "frames missed for lack of buffer, per packet buffer") \
    R(RNBC,            0x03fc0, 4,   8,    RC, "8.2 statistics", "frames without a host buffer (82598; unconfirmed here)") \
    R(CRCERRS,         0x04000, 0,   1,    RC, "8.2 statistics", "frames with a bad CRC") \
    R(ILLERRC,         0x04004, 0,   1,    RC, "8.2 statistics", "illegal byte errors") \
    R(ERRBC,           0x04008, 0,   1,    RC, "8.2 statistics", "error bytes") \
    R(MSPDC,           0x04010, 0,   1,    RC, "8.2 statistics", "frames shorter than 64 bytes discarded by the MAC") \
    R(MLFC,            0x04034, 0,   1,    RC, "8.2 statistics", "MAC local faults") \
    R(MRFC,            0x04038, 0,   1,    RC, "8.2 statistics", "MAC remote faults") \
    R(RLEC,            0x04040, 0,   1,    RC, "8.2 statistics", "frames whose length field is wrong") \
    R(PRC64,           0x0405c, 0,   1,    RC, "8.2 statistics", "good frames received, 64 bytes") \
    R(PRC127,          0x04060, 0,   1,    RC, "8.2 statistics", "good frames received, 65-127 bytes") \
    R(PRC255,          0x04064, 0,   1,    RC, "8.2 statistics", "good frames received, 128-255 bytes") \
    R(PRC511,          0x04068, 0,   1,    RC, "8.2 statistics", "good frames received, 256-511 bytes") \
    R(PRC1023,         0x0406c, 0,   1,    RC, "8.2 statistics", "good frames received, 512-1023 bytes") \
    R(PRC1522,         0x04070, 0,   1,    RC, "8.2 statistics", "good frames received, 1024 bytes to the maximum") \
    R(GPRC,            0x04074, 0,   1,    RC, "8.2 statistics", "good frames received") \
    R(BPRC,            0x04078, 0,   1,    RC, "8.2 statistics", "broadcast frames received") \
    R(MPRC,            0x0407c, 0,   1,    RC, "8.2 statistics", "multicast frames received") \
    R(GPTC,            0x04080, 0,   1,    RC, "8.2 statistics", "good frames sent") \
    R(GORCL,           0x04088, 0,   1,    RC, "8.2 statistics", "good bytes received, low; read before GORCH") \
    R(GORCH,           0x0408c, 0,   1,    RC, "8.2 statistics", "good bytes received, high") \
    R(GOTCL,           0x04090, 0,   1,    RC, "8.2 statistics", "good bytes sent, low; read before GOTCH") \
    R(GOTCH,           0x04094, 0,   1,    RC, "8.2 statistics", "good bytes sent, high") \
    R(RUC,             0x040a4, 0,   1,    RC, "8.2 statistics", "undersize frames received") \
    R(RFC,             0x040a8, 0,   1,    RC, "8.2 statistics", "fragments received") \
    R(ROC,             0x040ac, 0,   1,    RC, "8.2 statistics", "oversize frames received") \
    R(RJC,             0x040b0, 0,   1,    RC, "8.2 statistics", "jabber frames received") \
    R(MNGPRC,          0x040b4, 0,   1,    RC, "8.2 statistics", "management frames received") \
    R(MNGPDC,          0x040b8, 0,   1,    RC, "8.2 statistics", "management frames dropped") \
    R(TORL,            0x040c0, 0,   1,    RC, "8.2 statistics", "all bytes received, low") \
    R(TORH,            0x040c4, 0,   1,    RC, "8.2 statistics", "all bytes received, high") \
    R(TPR,             0x040d0, 0,   1,    RC, "8.2 statistics", "all frames received") \
    R(TPT,             0x040d4, 0,   1,    RC, "8.2 statistics", "all frames sent") \
    R(PTC64,           0x040d8, 0,   1,    RC, "8.2 statistics", "frames sent, 64 bytes") \
    R(PTC127,          0x040dc, 0,   1,    RC, "8.2 statistics", "frames sent, 65-127 bytes") \
    R(PTC255,          0x040e0, 0,   1,    RC, "8.2 statistics", "frames sent, 128-255 bytes") \
    R(PTC511,          0x040e4, 0,   1,    RC, "8.2 statistics", "frames sent, 256-511 bytes") \
    R(PTC1023,         0x040e8, 0,   1,    RC, "8.2 statistics", "frames sent, 512-1023 bytes") \
    R(PTC1522,         0x040ec, 0,   1,    RC, "8.2 statistics", "frames sent, 1024 bytes or more") \
    R(MPTC,            0x040f0, 0,   1,    RC, "8.2 statistics", "multicast frames sent") \
    R(BPTC,            0x040f4, 0,   1,    RC, "8.2 statistics", "broadcast frames sent") \
    R(XEC,             0x04120, 0,   1,    RC, "8.2 statistics", "packets with a wrong IP, TCP or UDP checksum") \
    R(PXONRXCNT,       0x04140, 4,   8,    RC, "8.2 statistics", "priority XON frames received") \
    R(PXOFFRXCNT,      0x04160, 4,   8,    RC, "8.2 statistics", "priority XOFF frames received") \
    R(LXONRXCNT,       0x041a4, 0,   1,    RC, "8.2 statistics", "link XON frames received") \
    R(LXOFFRXCNT,      0x041a8, 0,   1,    RC, "8.2 statistics", "link XOFF frames received") \
    R(RXNFGPC,         0x041b0, 0,   1,    RC, "8.2 statistics", "good frames received before filtering") \
    R(RXNFGBCL,        0x041b4, 0,   1,    RC, "8.2 statistics", "good bytes received before filtering, low") \
    R(RXNFGBCH,        0x041b8, 0,   1,    RC, "8.2 statistics", "good bytes received before filtering, high") \
    R(B2OSPC,          0x041c0, 0,   1,    RC, "8.2 statistics", "frames from the BMC to the host, sent by the BMC") \
    R(O2BGPTC,         0x041c4, 0,   1,    RC, "8.2 statistics", "frames from the host to the BMC, received by the BMC") \
    R(PCS1GLCTL,       0x04208, 0,   1,    RW, "8.2 MAC", "1G link control") \
    R(PCS1GLSTA,       0x0420c, 0,   1,    RO, "8.2 MAC", "1G link status") \
    R(HLREG0,          0x04240, 0,   1,    RW, "8.2 MAC", "MAC core control") \
    R(HLREG1,          0x04244, 0,   1,    RO, "8.2 MAC", "MAC core status") \
    R(PAP,             0x04248, 0,   1,    RW, "8.2 MAC", "pause and pace") \
    R(MSCA,            0x0425c, 0,   1,    RW, "8.2 MAC", "MDIO command and address") \
    R(MSRWD,           0x04260, 0,   1,    RW, "8.2 MAC", "MDIO data") \
    R(MAXFRS,          0x04268, 0,   1,    RW, "8.2 MAC", "largest frame") \
    R(MFLCN,           0x04294, 0,   1,    RW, "8.2 MAC", "received flow-control frames") \
    R(AUTOC,           0x042a0, 0,   1,    RW, "8.2 MAC", "link mode (backplane parts; inert on X540)") \
    R(LINKS,           0x042a4, 0,   1,    RO, "8.2 MAC", "link state") \
    R(AUTOC2,          0x042a8, 0,   1,    RW, "8.2 MAC", "link mode 2 (backplane parts; inert on X540)") \
    R(ANLP1,           0x042b0, 0,   1,    RO, "8.2 MAC", "link partner's ability 1 (backplane parts)") \
    R(ANLP2,           0x042b4, 0,   1,    RO, "8.2 MAC", "link partner's ability 2 (backplane parts)") \
    R(MMNGC,           0x042d0, 0,   1,    RW, "8.2 MAC", "management's veto of link changes") \
    R(LINKS2,          0x04324, 0,   1,    RO, "8.2 MAC", "link state 2") \
    R(MACC,            0x04330, 0,   1,    RW, "8.2 MAC", "MAC control: forced link") \
    R(RTTDCS,          0x04900, 0,   1,    RW, "8.2 DCB", "transmit descriptor plane control") \
    R(RTTDQSEL,        0x04904, 0,   1,    RW, "8.2 DCB", "queue that the RTTDT1x and RTTBCNRx windows show") \
    R(RTTDT1C,         0x04908, 0,   1,    RW, "8.2 DCB", "transmit queue arbiter: configuration") \
    R(RTTDT1S,         0x0490c, 0,   1,    RO, "8.2 DCB", "transmit queue arbiter: state") \
    R(RTTDT2C,         0x04910, 4,   8,    RW, "8.2 DCB", "transmit descriptor plane arbiter: configuration") \
    R(RTTDT2S,         0x04930, 4,   8,    RO, "8.2 DCB", "transmit descriptor plane arbiter: state") \
    R(TXPBTHRESH,      0x04950, 4,   8,    RW, "8.2 transmit", "free space at which a packet is fetched, KiB") \
    R(RTTBCNRM,        0x04980, 0,   1,    RW, "8.2 DCB", "transmit rate scheduler: memory window") \
    R(RTTBCNRC,        0x04984, 0,   1,    RW, "8.2 DCB", "transmit rate scheduler: rate factor") \
    R(RTTBCNRS,        0x04988, 0,   1,    RW, "8.2 DCB", "transmit rate scheduler: status") \
    R(RTTBCNRD,        0x0498c, 0,   1,    RW, "8.2 DCB", "transmit rate scheduler: drift") \
    R(RTTDTECC,        0x04990, 0,   1,    RW, "8.2 DCB", "transmit descriptor plane ECC control") \
    R(DMATXCTL,        0x04a80, 0,   1,    RW, "8.2 transmit", "transmit DMA control") \
    R(DTXTCPFLGL,      0x04a88, 0,   1,    RW, "8.2 transmit", "TCP flags of first and middle TSO segments") \
    R(DTXTCPFLGH,      0x04a8c, 0,   1,    RW, "8.2 transmit", "TCP flags of the last TSO segment") \
    R(RTTQCNTG,        0x04a90, 0,   1,    RW, "8.2 DCB", "congestion notification tagging") \
    R(TEOFF,           0x04a94, 0,   1,    RW, "8.2 FCoE", "transmit EOF codes") \
    R(TSOFF,           0x04a98, 0,   1,    RW, "8.2 FCoE", "transmit SOF codes") \
    R(PFMAILBOX,       0x04b00, 4,   64,   RW, "8.2 virtualization", "mailbox control, per VF") \
    R(RXCSUM,          0x05000, 0,   1,    RW, "8.2 receive", "receive checksum control") \
    R(RFCTL,           0x05008, 0,   1,    RW, "8.2 receive", "receive filter control") \
    R(MAVTV,           0x05010, 4,   8,    RW, "8.2 management", "management VLAN tags") \
    R(MFUTP,           0x05030, 4,   8,    RW, "8.2 management", "management flexible ports") \
    R(EXVET,           0x05078, 0,   1,    RW, "8.2 general control", "outer VLAN ether-type") \
    R(FCTRL,           0x05080, 0,   1,    RW, "8.2 receive", "filter control: promiscuity") \
    R(VLNCTRL,         0x05088, 0,   1,    RW, "8.2 receive", "VLAN filtering") \
    R(MCSTCTRL,        0x05090, 0,   1,    RW, "8.2 receive", "multicast filter control") \
    R(PFFLPL,          0x050b0, 0,   1,    RO, "8.2 virtualization", "last malformed packet's pools, low") \
    R(PFFLPH,          0x050b4, 0,   1,    RO, "8.2 virtualization", "last malformed packet's pools, high") \
    R(FCRXCTRL,        0x05100, 0,   1,    RW, "8.2 FCoE", "FCoE receive control") \
    R(FCFLT,           0x05108, 0,   1,    RW, "8.2 FCoE", "FCoE filter context") \
    R(FCFLTRW,         0x05110, 0,   1,    RW, "8.2 FCoE", "FCoE filter context: index and command") \
    R(FCCRC,           0x05118, 0,   1,    RC, "8.2 statistics", "FCoE frames with a bad FC CRC") \
    R(RXMTRL,          0x05120, 0,   1,    RW, "8.2 time sync", "messages whose receive time is taken") \
    R(ETQF,            0x05128, 4,   8,    RW, "8.2 receive", "ether-type filter") \
    R(REOFF,           0x05158, 0,   1,    RW, "8.2 FCoE", "receive EOF codes") \
    R(MDEF_EXT,        0x05160, 4,   8,    RW, "8.2 management", "management decision filters, extended") \
    R(PFVMTXSW,        0x05180, 4,   2,    RW, "8.2 virtualization", "transmit switching, 32 pools each") \
    R(TSYNCRXCTL,      0x05188, 0,   1,    RW, "8.2 time sync", "receive time-stamp control") \
    R(METF,            0x05190, 4,   4,    RW, "8.2 management", "management ether-types") \
    R(RXSATRL,         0x051a0, 0,   1,    RO, "8.2 time sync", "source of the stamped packet, low") \
    R(RXSTMPH,         0x051a4, 0,   1,    RO, "8.2 time sync", "receive time stamp, high; reading it unlocks") \
    R(RXSATRH,         0x051a8, 0,   1,    RO, "8.2 time sync", "source of the stamped packet, high, and sequence id") \
    R(PFVTCTL,         0x051b0, 0,   1,    RW, "8.2 virtualization", "virtualization control") \
    R(FCPARAM,         0x051d8, 0,   1,    RW, "8.2 FCoE", "FCoE filter context: offset") \
    R(PFVFRE,          0x051e0, 4,   2,    RW, "8.2 virtualization", "receive enable, 32 pools each") \
    R(RXSTMPL,         0x051e8, 0,   1,    RO, "8.2 time sync", "receive time stamp, low") \
    R(RSOFF,           0x051f8, 0,   1,    RW, "8.2 FCoE", "receive SOF codes") \
    R(MTA,             0x05200, 4,   128,  RW, "8.2 receive", "multicast hash table, 4096 bits") \
    R(RAL_ALIAS,       0x05400, 8,   16,   RW, "8.2 receive", "the same registers as RAL[0-15]") \
    R(RAH_ALIAS,       0x05404, 8,   16,   RW, "8.2 receive", "the same registers as RAH[0-15]") \
    R(PSRTYPE_ALIAS,   0x05480, 4,   16,   RW, "8.2 receive", "the same registers as PSRTYPE[0-15]") \
    R(WUC,             0x05800, 0,   1,    RW, "8.2 wake-up", "wake-up control") \
    R(WUFC,            0x05808, 0,   1,    RW, "8.2 wake-up", "wake-up filters") \
    R(WUS,             0x05810, 0,   1,    W1C,"8.2 wake-up", "wake-up status") \
    R(MRQC,            0x05818, 0,   1,    RW, "8.2 receive", "how packets are spread over queues") \
    R(MANC,            0x05820, 0,   1,    RW, "8.2 management", "management control") \
    R(MFVAL,           0x05824, 0,   1,    RW, "8.2 management", "which management filters are valid") \
    R(IPAV,            0x05838, 0,   1,    RW, "8.2 wake-up", "which wake-up IP addresses are valid") \
    R(IP4AT,           0x05840, 8,   4,    RW, "8.2 wake-up", "wake-up IPv4 addresses") \
    R(MANC2H,          0x05860, 0,   1,    RW, "8.2 management", "management packets also sent to the host") \
    R(IP6AT,           0x05880, 4,   4,    RW, "8.2 wake-up", "wake-up IPv6 address") \
    R(MDEF,            0x05890, 4,   8,    RW, "8.2 management", "management decision filters") \
    R(MIPAF,           0x058b0, 4,   16,   RW, "8.2 management", "management IP addresses") \
    R(WUPL,            0x05900, 0,   1,    RO, "8.2 wake-up", "length of the packet that woke the system") \
    R(MMAL,            0x05910, 8,   4,    RW, "8.2 management", "management MAC address, low") \
    R(MMAH,            0x05914, 8,   4,    RW, "8.2 management", "management MAC address, high") \
    R(WUPM,            0x05a00, 4,   32,   RO, "8.2 wake-up", "the packet that woke the system") \
    R(IMIRVP,          0x05ac0, 0,   1,    RW, "8.2 receive", "low-latency interrupt by VLAN priority") \
    R(RETA,            0x05c00, 4,   32,   RW, "8.2 receive", "RSS redirection table, four entries each") \
    R(RSSRK,           0x05c80, 4,   10,   RW, "8.2 receive", "RSS key") \
    R(TDBAL,           0x06000, 0x40,128,  RW, "8.2 transmit", "transmit ring base, low") \
    R(TDBAH,           0x06004, 0x40,128,  RW, "8.2 transmit", "transmit ring base, high") \
    R(TDLEN,           0x06008, 0x40,128,  RW, "8.2 transmit", "transmit ring length in bytes") \
    R(DCA_TXCTRL,      0x0600c, 0x40,128,  RW, "8.2 DCA", "transmit DCA and relaxed ordering") \
    R(TDH,             0x06010, 0x40,128,  RO, "8.2 transmit", "transmit ring head") \
    R(TDT,             0x06018, 0x40,128,  RW, "8.2 transmit", "transmit ring tail") \
    R(TXDCTL,          0x06028, 0x40,128,  RW, "8.2 transmit", "transmit queue control") \
    R(QPTC,            0x06030, 0x40,16,   RC, "8.2 statistics", "frames sent, per statistics index") \
    R(TDWBAL,          0x06038, 0x40,128,  RW, "8.2 transmit", "head write-back address, low, and enable") \
    R(TDWBAH,          0x0603c, 0x40,128,  RW, "8.2 transmit", "head write-back address, high") \
    R(PFVMVIR,         0x08000, 4,   64,   RW, "8.2 virtualization", "VLAN insertion, per pool") \
    R(DTXMXSZRQ,       0x08100, 0,   1,    RW, "8.2 transmit", "outstanding transmit DMA reads") \
    R(PFVFTE,          0x08110, 4,   2,    RW, "8.2 virtualization", "transmit enable, 32 pools each") \
    R(MTQC,            0x08120, 0,   1,    RW, "8.2 transmit", "transmit queue layout") \
    R(PFVFSPOOF,       0x08200, 4,   8,    RW, "8.2 virtualization", "anti-spoofing, eight pools each") \
    R(PFDTXGSWC,       0x08220, 0,   1,    RW, "8.2 virtualization", "pool-to-pool switching") \
    R(TXLLQ,           0x082e0, 4,   4,    RW, "8.2 DCB", "low-latency transmit queues, a bit each") \
    R(TQSM,            0x08600, 4,   32,   RW, "8.2 statistics", "statistics index of transmit queues, four each") \
    R(QPTC_ALIAS,      0x08680, 4,   16,   RC, "8.2 statistics", "the same registers as QPTC") \
    R(QBTC_L,          0x08700, 8,   16,   RC, "8.2 statistics", "bytes sent, per statistics index, low") \
    R(QBTC_H,          0x08704, 8,   16,   RC, "8.2 statistics", "bytes sent, per statistics index, high") \
    R(SSVPC,           0x08780, 0,   1,    RC, "8.2 statistics", "packets dropped as spoofed") \
    R(FCOEPTC,         0x08784, 0,   1,    RC, "8.2 statistics", "FCoE frames sent") \
    R(FCOEDWTC,        0x08788, 0,   1,    RC, "8.2 statistics", "FCoE dwords sent") \
    R(PFVMECM,         0x08790, 4,   2,    RW, "8.2 virtualization", "spoofed-packet counting, 32 pools each") \
    R(TXDGPC,          0x087a0, 0,   1,    RC, "8.2 statistics", "good frames fetched for transmission") \
    R(TXDGBCL,         0x087a4, 0,   1,    RC, "8.2 statistics", "good bytes fetched for transmission, low") \
    R(TXDGBCH,         0x087a8, 0,   1,    RC, "8.2 statistics", "good bytes fetched for transmission, high") \
    R(O2BSPC,          0x087b0, 0,   1,    RC, "8.2 statistics", "frames from the host sent to the BMC") \
    R(SECTXCTRL,       0x08800, 0,   1,    RW, "8.2 security", "transmit security block control") \
    R(SECTXSTAT,       0x08804, 0,   1,    RO, "8.2 security", "transmit security block status") \
    R(SECTXBUFFAF,     0x08808, 0,   1,    RW, "8.2 security", "transmit security buffer almost full") \
    R(SECTXMINIFG,     0x08810, 0,   1,    RW, "8.2 security", "transmit security minimum gap") \
    R(IPSTXIDX,        0x08900, 0,   1,    RW, "8.2 IPsec", "transmit SA table: index and command") \
    R(IPSTXSALT,       0x08904, 0,   1,    RW, "8.2 IPsec", "transmit SA table: salt") \
    R(IPSTXKEY,        0x08908, 4,   4,    RW, "8.2 IPsec", "transmit SA table: key") \
    R(LSECTXCAP,       0x08a00, 0,   1,    RW, "8.2 LinkSec", "transmit LinkSec capabilities") \
    R(LSECTXCTRL,      0x08a04, 0,   1,    RW, "8.2 LinkSec", "transmit LinkSec control") \
    R(LSECTXSCL,       0x08a08, 0,   1,    RW, "8.2 LinkSec", "transmit SCI, low") \
    R(LSECTXSCH,       0x08a0c, 0,   1,    RW, "8.2 LinkSec", "transmit SCI, high") \
    R(LSECTXSA,        0x08a10, 0,   1,    RW, "8.2 LinkSec", "transmit secure association") \
    R(LSECTXPN0,       0x08a14, 0,   1,    RW, "8.2 LinkSec", "transmit packet number, association 0") \
    R(LSECTXPN1,       0x08a18, 0,   1,    RW, "8.2 LinkSec", "transmit packet number, association 1") \
    R(LSECTXKEY0,      0x08a1c, 4,   4,    WO, "8.2 LinkSec", "transmit key, association 0") \
    R(LSECTXKEY1,      0x08a2c, 4,   4,    WO, "8.2 LinkSec", "transmit key, association 1") \
    R(LSECTXUT,        0x08a3c, 0,   1,    RC, "8.2 LinkSec", "untagged packets sent") \
    R(LSECTXPKTE,      0x08a40, 0,   1,    RC, "8.2 LinkSec", "encrypted packets sent") \
    R(LSECTXPKTP,      0x08a44, 0,   1,    RC, "8.2 LinkSec", "protected packets sent") \
    R(LSECTXOCTE,      0x08a48, 0,   1,    RC, "8.2 LinkSec", "encrypted bytes sent") \
    R(LSECTXOCTP,      0x08a4c, 0,   1,    RC, "8.2 LinkSec", "protected bytes sent") \
    R(RTTQCNCR,        0x08b00, 0,   1,    RW, "8.2 DCB", "congestion notification control") \
    R(TSYNCTXCTL,      0x08c00, 0,   1,    RW, "8.2 time sync", "transmit time-stamp control") \
    R(TXSTMPL,         0x08c04, 0,   1,    RO, "8.2 time sync", "transmit time stamp, low") \
    R(TXSTMPH,         0x08c08, 0,   1,    RO, "8.2 time sync", "transmit time stamp, high; reading it unlocks") \
    R(SYSTIML,         0x08c0c, 0,   1,    RW, "8.2 time sync", "system time, low; reading it latches the high half") \
    R(SYSTIMH,         0x08c10, 0,   1,    RW, "8.2 time sync", "system time, high") \
    R(TIMINCA,         0x08c14, 0,   1,    RW, "8.2 time sync", "increment per clock") \
    R(TIMADJL,         0x08c18, 0,   1,    RW, "8.2 time sync", "time adjustment, low") \
    R(TIMADJH,         0x08c1c, 0,   1,    RW, "8.2 time sync", "time adjustment, high and sign") \
    R(TSAUXC,          0x08c20, 0,   1,    RW, "8.2 time sync", "auxiliary control") \
    R(TRGTTIML0,       0x08c24, 0,   1,    RW, "8.2 time sync", "target time 0, low") \
    R(TRGTTIMH0,       0x08c28, 0,   1,    RW, "8.2 time sync", "target time 0, high") \
    R(TRGTTIML1,       0x08c2c, 0,   1,    RW, "8.2 time sync", "target time 1, low") \
    R(TRGTTIMH1,       0x08c30, 0,   1,    RW, "8.2 time sync", "target time 1, high") \
    R(CLKTIML,         0x08c34, 0,   1,    RW, "8.2 time sync", "clock-out half period, low (82599: FREQOUT0)") \
    R(CLKTIMH,         0x08c38, 0,   1,    RW, "8.2 time sync", "clock-out half period, high (82599: FREQOUT1)") \
    R(AUXSTMPL0,       0x08c3c, 0,   1,    RO, "8.2 time sync", "auxiliary time stamp 0, low") \
    R(AUXSTMPH0,       0x08c40, 0,   1,    RO, "8.2 time sync", "auxiliary time stamp 0, high") \
    R(AUXSTMPL1,       0x08c44, 0,   1,    RO, "8.2 time sync", "auxiliary time stamp 1, low") \
    R(AUXSTMPH1,       0x08c48, 0,   1,    RO, "8.2 time sync", "auxiliary time stamp 1, high") \
    R(SECRXCTRL,       0x08d00, 0,   1,    RW, "8.2 security", "receive security block control") \
    R(SECRXSTAT,       0x08d04, 0,   1,    RO, "8.2 security", "receive security block status") \
    R(IPSRXIDX,        0x08e00, 0,   1,    RW, "8.2 IPsec", "receive tables: index and command") \
    R(IPSRXIPADDR,     0x08e04, 4,   4,    RW, "8.2 IPsec", "receive IP table: address") \
    R(IPSRXSPI,        0x08e14, 0,   1,    RW, "8.2 IPsec", "receive SPI table: SPI") \
    R(IPSRXIPIDX,      0x08e18, 0,   1,    RW, "8.2 IPsec", "receive SPI table: index into the IP table") \
    R(IPSRXKEY,        0x08e1c, 4,   4,    RW, "8.2 IPsec", "receive key table: key") \
    R(IPSRXSALT,       0x08e2c, 0,   1,    RW, "8.2 IPsec", "receive key table: salt") \
    R(IPSRXMOD,        0x08e30, 0,   1,    RW, "8.2 IPsec", "receive key table: mode") \
    R(LSECRXCAP,       0x08f00, 0,   1,    RW, "8.2 LinkSec", "receive LinkSec capabilities") \
    R(LSECRXCTRL,      0x08f04, 0,   1,    RW, "8.2 LinkSec", "receive LinkSec control") \
    R(LSECRXSCL,       0x08f08, 0,   1,    RW, "8.2 LinkSec", "receive SCI, low") \
    R(LSECRXSCH,       0x08f0c, 0,   1,    RW, "8.2 LinkSec", "receive SCI, high") \
    R(LSECRXSA,        0x08f10, 4,   2,    RW, "8.2 LinkSec", "receive secure association") \
    R(LSECRXPN,        0x08f18, 4,   2,    RW, "8.2 LinkSec", "receive packet number") \
    R(LSECRXKEY,       0x08f20, 4,   8,    WO, "8.2 LinkSec", "receive keys, four words per association") \
    R(LSECRXUT,        0x08f40, 0,   1,    RC, "8.2 LinkSec", "untagged packets received") \
    R(LSECRXOCTD,      0x08f44, 0,   1,    RC, "8.2 LinkSec", "bytes decrypted") \
    R(LSECRXOCTV,      0x08f48, 0,   1,    RC, "8.2 LinkSec", "bytes validated") \
    R(LSECRXBAD,       0x08f4c, 0,   1,    RC, "8.2 LinkSec", "packets with a bad tag") \
    R(LSECRXNOSCI,     0x08f50, 0,   1,    RC, "8.2 LinkSec", "packets without an SCI") \
    R(LSECRXUNSCI,     0x08f54, 0,   1,    RC, "8.2 LinkSec", "packets with an unknown SCI") \
    R(LSECRXUNCH,      0x08f58, 0,   1,    RC, "8.2 LinkSec", "packets not checked") \
    R(LSECRXDELAY,     0x08f5c, 0,   1,    RC, "8.2 LinkSec", "delayed packets") \
    R(LSECRXLATE,      0x08f60, 0,   1,    RC, "8.2 LinkSec", "late packets") \
    R(LSECRXOK,        0x08f64, 4,   2,    RC, "8.2 LinkSec", "good packets, per association") \
    R(LSECRXINV,       0x08f6c, 4,   2,    RC, "8.2 LinkSec", "invalid packets, per association") \
    R(LSECRXNV,        0x08f74, 4,   2,    RC, "8.2 LinkSec", "packets not valid, per association") \
    R(LSECRXUNSA,      0x08f7c, 0,   1,    RC, "8.2 LinkSec", "packets of an unused association") \
    R(LSECRXNUSA,      0x08f80, 0,   1,    RC, "8.2 LinkSec", "packets not using an association") \
    R(FHFT,            0x09000, 4,   256,  RW, "8.2 wake-up", "flexible filters 0-3, 64 dwords each") \
    R(FTFT,            0x09400, 4,   256,  RW, "8.2 management", "flexible TCO filter") \
    R(FHFT_EXT,        0x09800, 4,   128,  RW, "8.2 wake-up", "flexible filters 4-5, 64 dwords each") \
    R(VFTA,            0x0a000, 4,   128,  RW, "8.2 receive", "VLAN filter table, 4096 bits") \
    R(RAL,             0x0a200, 8,   128,  RW, "8.2 receive", "receive address, bytes 0-3") \
    R(RAH,             0x0a204, 8,   128,  RW, "8.2 receive", "receive address, bytes 4-5") \
    R(MPSAR,           0x0a600, 4,   256,  RW, "8.2 receive", "pools of receive address n/2, 32 pools each") \
    R(RTTUP2TC,        0x0c800, 0,   1,    RW, "8.2 DCB", "transmit user priority to traffic class") \
    R(TXPBSIZE,        0x0cc00, 4,   8,    RW, "8.2 transmit", "transmit packet buffer size") \
    R(RTTPCS,          0x0cd00, 0,   1,    RW, "8.2 DCB", "transmit packet plane control") \
    R(MNGTXMAP,        0x0cd10, 0,   1,    RW, "8.2 transmit", "traffic class of management packets") \
    R(RTTPT2C,         0x0cd20, 4,   8,    RW, "8.2 DCB", "transmit packet plane arbiter: configuration") \
    R(RTTPT2S,         0x0cd40, 4,   8,    RO, "8.2 DCB", "transmit packet plane arbiter: state") \
    R(TFCS,            0x0ce00, 0,   1,    RO, "8.2 flow control", "which traffic classes may transmit") \
    R(MNGPTC,          0x0cf90, 0,   1,    RC, "8.2 statistics", "management frames sent") \
    R(RDBAL_64,        0x0d000, 0x40,64,   RW, "8.2 receive DMA", "receive ring base, low, queues 64-127") \
    R(RDBAH_64,        0x0d004, 0x40,64,   RW, "8.2 receive DMA", "receive ring base, high, queues 64-127") \
    R(RDLEN_64,        0x0d008, 0x40,64,   RW, "8.2 receive DMA", "receive ring length in bytes, queues 64-127") \
    R(DCA_RXCTRL_64,   0x0d00c, 0x40,64,   RW, "8.2 DCA", "receive DCA and relaxed ordering, queues 64-127") \
    R(RDH_64,          0x0d010, 0x40,64,   RO, "8.2 receive DMA", "receive ring head, queues 64-127") \
    R(SRRCTL_64,       0x0d014, 0x40,64,   RW, "8.2 receive DMA", "receive buffer sizes and descriptor type, queues 64-127") \
    R(RDT_64,          0x0d018, 0x40,64,   RW, "8.2 receive DMA", "receive ring tail, queues 64-127") \
    R(RXDCTL_64,       0x0d028, 0x40,64,   RW, "8.2 receive DMA", "receive queue control, queues 64-127") \
    R(RSCCTL_64,       0x0d02c, 0x40,64,   RW, "8.2 receive DMA", "receive coalescing control, queues 64-127") \
    R(SAQF,            0x0e000, 4,   128,  RW, "8.2 receive", "five-tuple filter: source address") \
    R(DAQF,            0x0e200, 4,   128,  RW, "8.2 receive", "five-tuple filter: destination address") \
    R(SDPQF,           0x0e400, 4,   128,  RW, "8.2 receive", "five-tuple filter: ports") \
    R(FTQF,            0x0e600, 4,   128,  RW, "8.2 receive", "five-tuple filter: protocol, pool, mask, enable") \
    R(L34TIMIR,        0x0e800, 4,   128,  RW, "8.2 receive", "five-tuple filter: queue and low-latency interrupt") \
    R(PSRTYPE,         0x0ea00, 4,   64,   RW, "8.2 receive", "header split types and RSS queues, per pool") \
    R(RETA_ALIAS,      0x0eb00, 4,   32,   RW, "8.2 receive", "the same registers as RETA") \
    R(RSSRK_ALIAS,     0x0eb80, 4,   10,   RW, "8.2 receive", "the same registers as RSSRK") \
    R(ETQS,            0x0ec00, 4,   8,    RW, "8.2 receive", "ether-type filter: queue") \
    R(SYNQF,           0x0ec30, 0,   1,    RW, "8.2 receive", "TCP SYN filter") \
    R(IMIRVP_ALIAS,    0x0ec60, 0,   1,    RW, "8.2 receive", "the same register as IMIRVP") \
    R(RQTC,            0x0ec70, 0,   1,    RW, "8.2 receive", "RSS queues per traffic class") \
    R(MRQC_ALIAS,      0x0ec80, 0,   1,    RW, "8.2 receive", "the same register as MRQC") \
    R(LLITHRESH,       0x0ec90, 0,   1,    RW, "8.2 receive", "low-latency interrupt thresholds") \
    R(FCRECTL,         0x0ed00, 0,   1,    RW, "8.2 FCoE", "FCoE redirection control") \
    R(FCRETA,          0x0ed10, 4,   8,    RW, "8.2 FCoE", "FCoE redirection table") \
    R(FDIRCTRL,        0x0ee00, 0,   1,    RW, "8.2 flow director", "flow director control") \
    R(FDIRSIPV6,       0x0ee0c, 4,   3,    RW, "8.2 flow director", "IPv6 source address, words 0-2") \
    R(FDIRIPSA,        0x0ee18, 0,   1,    RW, "8.2 flow director", "source address (IPv6: word 3)") \
    R(FDIRIPDA,        0x0ee1c, 0,   1,    RW, "8.2 flow director", "destination address") \
    R(FDIRPORT,        0x0ee20, 0,   1,    RW, "8.2 flow director", "ports") \
    R(FDIRVLAN,        0x0ee24, 0,   1,    RW, "8.2 flow director", "VLAN tag and flexible bytes") \
    R(FDIRHASH,        0x0ee28, 0,   1,    RW, "8.2 flow director", "bucket hash and software index") \
    R(FDIRCMD,         0x0ee2c, 0,   1,    RW, "8.2 flow director", "command, action and queue") \
    R(FDIRFREE,        0x0ee38, 0,   1,    RO, "8.2 flow director", "free filters and collisions") \
    R(FDIRDIP4M,       0x0ee3c, 0,   1,    RW, "8.2 flow director", "IPv4 destination mask (ones are ignored)") \
    R(FDIRSIP4M,       0x0ee40, 0,   1,    RW, "8.2 flow director", "IPv4 source mask (ones are ignored)") \
    R(FDIRTCPM,        0x0ee44, 0,   1,    RW, "8.2 flow director", "TCP port mask (ones are ignored)") \
    R(FDIRUDPM,        0x0ee48, 0,   1,    RW, "8.2 flow director", "UDP port mask (ones are ignored)") \
    R(FDIRLEN,         0x0ee4c, 0,   1,    RC, "8.2 flow director", "longest list of filters") \
    R(FDIRUSTAT,       0x0ee50, 0,   1,    RC, "8.2 flow director", "filters added and removed") \
    R(FDIRFSTAT,       0x0ee54, 0,   1,    RC, "8.2 flow director", "filters that could not be added or removed") \
    R(FDIRMATCH,       0x0ee58, 0,   1,    RC, "8.2 flow director", "packets that matched") \
    R(FDIRMISS,        0x0ee5c, 0,   1,    RC, "8.2 flow director", "packets that missed") \
    R(FDIRHKEY,        0x0ee68, 0,   1,    RW, "8.2 flow director", "bucket hash key") \
    R(FDIRSKEY,        0x0ee6c, 0,   1,    RW, "8.2 flow director", "signature hash key") \
    R(FDIRM,           0x0ee70, 0,   1,    RW, "8.2 flow director", "other masks (ones are ignored)") \
    R(FDIRIP6M,        0x0ee74, 0,   1,    RW, "8.2 flow director", "IPv6 address mask, a bit per byte (ones are ignored)") \
    R(PFVML2FLT,       0x0f000, 4,   64,   RW, "8.2 virtualization", "what a pool accepts (ixgbe: VMOLR)") \
    R(PFVLVF,          0x0f100, 4,   64,   RW, "8.2 virtualization", "VLAN filter, by pool") \
    R(PFVLVFB,         0x0f200, 4,   128,  RW, "8.2 virtualization", "pools of PFVLVF[n/2], 32 pools each") \
    R(PFUTA,           0x0f400, 4,   128,  RW, "8.2 virtualization", "unicast hash table, 4096 bits") \
    R(PFMRCTL,         0x0f600, 4,   4,    RW, "8.2 virtualization", "mirror rule control") \
    R(PFMRVLAN,        0x0f610, 4,   8,    RW, "8.2 virtualization", "mirror rule VLANs") \
    R(PFMRVM,          0x0f630, 4,   8,    RW, "8.2 virtualization", "mirror rule pools") \
    R(EEC,             0x10010, 0,   1,    RW, "8.2 NVM", "NVM control and state") \
    R(EERD,            0x10014, 0,   1,    RW, "8.2 NVM", "NVM word read") \
    R(EEWR,            0x10018, 0,   1,    RW, "8.2 NVM", "NVM word write") \
    R(FLA,             0x1001c, 0,   1,    RW, "8.2 NVM", "flash bit-banging") \
    R(EEMNGCTL,        0x10110, 0,   1,    RW, "8.2 NVM", "management NVM access: control") \
    R(EEMNGDATA,       0x10114, 0,   1,    RW, "8.2 NVM", "management NVM access: data") \
    R(FLMNGCTL,        0x10118, 0,   1,    RW, "8.2 NVM", "management flash access: control") \
    R(FLMNGDATA,       0x1011c, 0,   1,    RW, "8.2 NVM", "management flash access: data") \
    R(FLMNGCNT,        0x10120, 0,   1,    RW, "8.2 NVM", "management flash access: length") \
    R(FLOP,            0x1013c, 0,   1,    RW, "8.2 NVM", "flash opcodes") \
    R(SWSM,            0x10140, 0,   1,    RS, "8.2 PCIe", "software semaphore; reading takes SMBI") \
    R(FWSM,            0x10148, 0,   1,    RO, "8.2 PCIe", "firmware mode and health") \
    R(FACTPS,          0x10150, 0,   1,    RO, "8.2 PCIe", "power states of the functions") \
    R(SW_FW_SYNC,      0x10160, 0,   1,    RS, "8.2 PCIe", "resource semaphores; reading takes REGSMP") \
    R(GRC,             0x10200, 0,   1,    RW, "8.2 NVM", "general receive control: management, APM") \
    R(VPDDIAG0,        0x10204, 0,   1,    RO, "8.2 NVM", "VPD diagnostics 0") \
    R(VPDDIAG1,        0x10208, 0,   1,    RO, "8.2 NVM", "VPD diagnostics 1") \
    R(SRAMREL,         0x10210, 0,   1,    RW, "8.2 NVM", "shadow RAM reload") \
    R(GCR,             0x11000, 0,   1,    RW, "8.2 PCIe", "PCIe control") \
    R(GSCL_1,          0x11010, 0,   1,    RW, "8.2 PCIe", "PCIe statistics control 1") \
    R(GSCL_2,          0x11014, 0,   1,    RW, "8.2 PCIe", "PCIe statistics control 2: events") \
    R(GSCL_3,          0x11018, 0,   1,    RW, "8.2 PCIe", "PCIe statistics control 3") \
    R(GSCL_4,          0x1101c, 0,   1,    RW, "8.2 PCIe", "PCIe statistics control 4") \
    R(GSCN,            0x11020, 4,   4,    RC, "8.2 PCIe", "PCIe statistics counters") \
    R(GSCL_5_8,        0x11030, 4,   4,    RW, "8.2 PCIe", "PCIe statistics leaky buckets (GSCL_5..GSCL_8)") \
    R(PHYADR,          0x11040, 0,   1,    RW, "8.2 PCIe", "PCIe PHY access: address") \
    R(PHYDAT,          0x11044, 0,   1,    RW, "8.2 PCIe", "PCIe PHY access: data") \
    R(PHYCTL,          0x11048, 0,   1,    RW, "8.2 PCIe", "PCIe PHY access: control") \
    R(GCR_EXT,         0x11050, 0,   1,    RW, "8.2 PCIe", "extended PCIe control: VT mode, buffer flush") \
    R(MREVID,          0x11064, 0,   1,    RO, "8.2 PCIe", "mirrored revision id") \
    R(PBACL_ALIAS,     0x11068, 0,   1,    W1C,"8.2 interrupts", "the same register as PBACL[0]") \
    R(DCA_ID,          0x11070, 0,   1,    RO, "8.2 DCA", "DCA requester id") \
    R(DCA_CTRL,        0x11074, 0,   1,    RW, "8.2 DCA", "DCA enable and mode") \
    R(CIAA,            0x11088, 0,   1,    RW, "8.2 PCIe", "configuration space access: address") \
    R(CIAD,            0x1108c, 0,   1,    RW, "8.2 PCIe", "configuration space access: data") \
    R(PCIE_DIAG,       0x11090, 4,   8,    RO, "8.2 PCIe", "PCIe diagnostics") \
    R(PICAUSE,         0x110b0, 0,   1,    W1C,"8.2 PCIe", "PCIe interrupt causes") \
    R(PIENA,           0x110b8, 0,   1,    RW, "8.2 PCIe", "PCIe interrupt enables") \
    R(PBACL,           0x110c0, 4,   8,    W1C,"8.2 interrupts", "MSI-X pending-bit clear") \
    R(BARCTRL,         0x110f4, 0,   1,    RO, "8.2 PCIe", "sizes of the BARs") \
    R(EITR_24,         0x12300, 4,   104,  RW, "8.2 interrupts", "interrupt moderation, vectors 24-127") \
    R(PFMBMEM,         0x13000, 4,   1024, RW, "8.2 virtualization", "mailbox memory, 16 dwords per VF") \
    R(LSWFW,           0x15014, 0,   1,    RO, "8.2 management", "LinkSec ownership, software or firmware") \
    R(FLEX_MNG,        0x15800, 4,   448,  RW, "8.2 management", "host interface RAM") \
    R(HICR,            0x15f00, 0,   1,    RW, "8.2 management", "host interface control") \
    R(FWSTS,           0x15f0c, 0,   1,    RO, "8.2 management", "firmware status") \
    R(SWSR,            0x15f10, 0,   1,    RW, "8.2 management", "software status") \
    R(HFDR,            0x15fe8, 0,   1,    RW, "8.2 management", "host to firmware doorbell")

/* Fields that several registers share. */
#define X540_FIELDS_CTRL(F, REG)                                            \
    F(REG, PCIE_MASTER_DISABLE, 2, 1) F(REG, LRST, 3, 1) F(REG, RST, 26, 1)
#define X540_FIELDS_CAUSE(F, REG)                                                             \
    F(REG, RTXQ, 0, 16) F(REG, FLOW_DIR, 16, 1) F(REG, RX_MISS, 17, 1) F(REG, PCI, 18, 1)     \
    F(REG, MAILBOX, 19, 1) F(REG, LSC, 20, 1) F(REG, LINKSEC, 21, 1) F(REG, MNG, 22, 1)       \
    F(REG, TS, 23, 1) F(REG, TIMESYNC, 24, 1) F(REG, GPI_SDP0, 25, 1) F(REG, GPI_SDP1, 26, 1) \
    F(REG, GPI_SDP2, 27, 1) F(REG, ECC, 28, 1) F(REG, TCP_TIMER, 30, 1) F(REG, OTHER, 31, 1)
#define X540_FIELDS_EITR(F, REG)                                                       \
    F(REG, ITR_INTERVAL, 3, 9) F(REG, LLI_MODERATION, 15, 1) F(REG, LLI_CREDIT, 16, 5) \
    F(REG, ITR_COUNTER, 21, 7) F(REG, CNT_WDIS, 31, 1)
#define X540_FIELDS_RAH(F, REG)           \
    F(REG, ADDR, 0, 16) F(REG, AV, 31, 1)
#define X540_FIELDS_PSRTYPE(F, REG)                                                       \
    F(REG, TCPHDR, 4, 1) F(REG, UDPHDR, 5, 1) F(REG, IPV4HDR, 8, 1) F(REG, IPV6HDR, 9, 1) \
    F(REG, L2HDR, 12, 1) F(REG, RQPL, 29, 3)
#define X540_FIELDS_MRQC(F, REG)                                                \
    F(REG, MRQE, 0, 4) F(REG, RSS_FIELDS, 16, 16) F(REG, RSS_IPV4_TCP, 16, 1)   \
    F(REG, RSS_IPV4, 17, 1) F(REG, RSS_IPV6, 20, 1) F(REG, RSS_IPV6_TCP, 21, 1) \
    F(REG, RSS_IPV4_UDP, 22, 1) F(REG, RSS_IPV6_UDP, 23, 1)
#define X540_FIELDS_IMIRVP(F, REG)                   \
    F(REG, PRIORITY, 0, 3) F(REG, PRIORITY_EN, 3, 1)
#define X540_FIELDS_RETA(F, REG)                                                          \
    F(REG, ENTRY0, 0, 4) F(REG, ENTRY1, 8, 4) F(REG, ENTRY2, 16, 4) F(REG, ENTRY3, 24, 4)
#define X540_FIELDS_SRRCTL(F, REG)                                           \
    F(REG, BSIZEPACKET, 0, 5) F(REG, BSIZEHEADER, 8, 6) F(REG, RDMTS, 22, 3) \
    F(REG, DESCTYPE, 25, 3) F(REG, DROP_EN, 28, 1)
#define X540_FIELDS_RXDCTL(F, REG)                                                           \
    F(REG, RLPML, 0, 14) F(REG, RLPML_EN, 15, 1) F(REG, ENABLE, 25, 1) F(REG, SWFLSH, 26, 1) \
    F(REG, VME, 30, 1)
#define X540_FIELDS_RSCCTL(F, REG)            \
    F(REG, RSCEN, 0, 1) F(REG, MAXDESC, 2, 2)
#define X540_FIELDS_DCA_RXCTRL(F, REG)                                              \
    F(REG, DESC_DCA_EN, 5, 1) F(REG, HEAD_DCA_EN, 6, 1) F(REG, DATA_DCA_EN, 7, 1)   \
    F(REG, DESC_RRO_EN, 9, 1) F(REG, DATA_WRO_EN, 13, 1) F(REG, HEAD_WRO_EN, 15, 1) \
    F(REG, CPUID, 24, 8)
#define X540_FIELDS_RING_LEN(F, REG) \
    F(REG, LEN, 7, 13)
#define X540_FIELDS_RING_PTR(F, REG) \
    F(REG, PTR, 0, 16)
#define X540_FIELDS_CREDITS(F, REG)                                            \
    F(REG, CRQ, 0, 9) F(REG, BWG, 9, 3) F(REG, MCL, 12, 12) F(REG, GSP, 30, 1) \
    F(REG, LSP, 31, 1)
#define X540_FIELDS_UP2TC(F, REG)                                                           \
    F(REG, UP0MAP, 0, 3) F(REG, UP1MAP, 3, 3) F(REG, UP2MAP, 6, 3) F(REG, UP3MAP, 9, 3)     \
    F(REG, UP4MAP, 12, 3) F(REG, UP5MAP, 15, 3) F(REG, UP6MAP, 18, 3) F(REG, UP7MAP, 21, 3)
#define X540_FIELDS_QMAP(F, REG)                                                          \
    F(REG, Q_MAP0, 0, 4) F(REG, Q_MAP1, 8, 4) F(REG, Q_MAP2, 16, 4) F(REG, Q_MAP3, 24, 4)
#define X540_FIELDS_WAKE(F, REG)                                                            \
    F(REG, LNKC, 0, 1) F(REG, MAG, 1, 1) F(REG, EX, 2, 1) F(REG, MC, 3, 1) F(REG, BC, 4, 1) \
    F(REG, ARP, 5, 1) F(REG, IPV4, 6, 1) F(REG, IPV6, 7, 1) F(REG, MNG, 8, 1)               \
    F(REG, FLX0, 16, 1) F(REG, FLX1, 17, 1) F(REG, FLX2, 18, 1) F(REG, FLX3, 19, 1)         \
    F(REG, FLX4, 20, 1) F(REG, FLX5, 21, 1)

/*
 * Fields: F(REG, FIELD, shift, width), in the order of the registers. MRQC.RSS_FIELDS is the one
 * deliberate overlap: all of the single RSS_* enables together.
 */
#define X540_FIELDS(F) \
    X540_FIELDS_CTRL(F, CTRL) \
    X540_FIELDS_CTRL(F, CTRL_ALIAS) \
    F(STATUS, LAN_ID, 2, 2) F(STATUS, LINKUP, 7, 1) F(STATUS, NUM_VFS, 10, 8) \
    F(STATUS, IOV_ACTIVE, 18, 1) F(STATUS, PCIE_MASTER_ENABLE, 19, 1) \
    F(CTRL_EXT, PFRSTD, 14, 1) F(CTRL_EXT, NS_DIS, 16, 1) F(CTRL_EXT, RO_DIS, 17, 1) \
    F(CTRL_EXT, EXT_VLAN, 26, 1) F(CTRL_EXT, DRV_LOAD, 28, 1) \
    F(ESDP, SDP0_DATA, 0, 1) F(ESDP, SDP1_DATA, 1, 1) F(ESDP, SDP2_DATA, 2, 1) \
    F(ESDP, SDP3_DATA, 3, 1) F(ESDP, SDP0_IODIR, 8, 1) F(ESDP, SDP1_IODIR, 9, 1) \
    F(ESDP, SDP2_IODIR, 10, 1) F(ESDP, SDP3_IODIR, 11, 1) F(ESDP, SDP0_NATIVE, 16, 1) \
    F(ESDP, SDP1_NATIVE, 17, 1) F(ESDP, SDP2_NATIVE, 18, 1) F(ESDP, SDP3_NATIVE, 19, 1) \
    F(I2CCTL, CLK_IN, 0, 1) F(I2CCTL, CLK_OUT, 1, 1) F(I2CCTL, DATA_IN, 2, 1) \
    F(I2CCTL, DATA_OUT, 3, 1) \
    F(TCPTIMER, DURATION, 0, 8) F(TCPTIMER, KICKSTART, 8, 1) F(TCPTIMER, TCPCOUNTEN, 9, 1) \
    F(TCPTIMER, TCPCOUNTFINISH, 10, 1) F(TCPTIMER, LOOP, 11, 1) \
    F(LEDCTL, LED0_MODE, 0, 4) F(LEDCTL, GLOBAL_BLINK_MODE, 5, 1) F(LEDCTL, LED0_IVRT, 6, 1) \
    F(LEDCTL, LED0_BLINK, 7, 1) F(LEDCTL, LED1_MODE, 8, 4) F(LEDCTL, LED1_IVRT, 14, 1) \
    F(LEDCTL, LED1_BLINK, 15, 1) F(LEDCTL, LED2_MODE, 16, 4) F(LEDCTL, LED2_IVRT, 22, 1) \
    F(LEDCTL, LED2_BLINK, 23, 1) F(LEDCTL, LED3_MODE, 24, 4) F(LEDCTL, LED3_IVRT, 30, 1) \
    F(LEDCTL, LED3_BLINK, 31, 1) \
    F(PFMBICR, VFREQ, 0, 16) F(PFMBICR, VFACK, 16, 16) \
    X540_FIELDS_CAUSE(F, EICR) \
    X540_FIELDS_CAUSE(F, EICS) \
    F(EIAC, RTXQ, 0, 16) F(EIAC, TCP_TIMER, 30, 1) \
    X540_FIELDS_EITR(F, EITR) \
    X540_FIELDS_CAUSE(F, EIMS) \
    X540_FIELDS_CAUSE(F, EIMC) \
    X540_FIELDS_CAUSE(F, EIAM) \
    F(GPIE, SDP0_GPIEN, 1, 1) F(GPIE, SDP1_GPIEN, 2, 1) F(GPIE, SDP2_GPIEN, 3, 1) \
    F(GPIE, MULTIPLE_MSIX, 4, 1) F(GPIE, OCD, 5, 1) F(GPIE, EIMEN, 6, 1) \
    F(GPIE, LLI_INTERVAL, 7, 4) F(GPIE, RSC_DELAY, 11, 3) F(GPIE, VT_MODE, 14, 2) \
    F(GPIE, EIAME, 30, 1) F(GPIE, PBA_SUPPORT, 31, 1) \
    F(IVAR, INT_ALLOC0, 0, 6) F(IVAR, INT_ALLOC_VAL0, 7, 1) F(IVAR, INT_ALLOC1, 8, 6) \
    F(IVAR, INT_ALLOC_VAL1, 15, 1) F(IVAR, INT_ALLOC2, 16, 6) F(IVAR, INT_ALLOC_VAL2, 23, 1) \
    F(IVAR, INT_ALLOC3, 24, 6) F(IVAR, INT_ALLOC_VAL3, 31, 1) \
    F(IVAR_MISC, INT_ALLOC0, 0, 6) F(IVAR_MISC, INT_ALLOC_VAL0, 7, 1) \
    F(IVAR_MISC, INT_ALLOC1, 8, 6) F(IVAR_MISC, INT_ALLOC_VAL1, 15, 1) \
    X540_FIELDS_RING_LEN(F, RDLEN) \
    X540_FIELDS_DCA_RXCTRL(F, DCA_RXCTRL) \
    X540_FIELDS_RING_PTR(F, RDH) \
    X540_FIELDS_SRRCTL(F, SRRCTL) \
    X540_FIELDS_RING_PTR(F, RDT) \
    X540_FIELDS_RXDCTL(F, RXDCTL) \
    X540_FIELDS_RSCCTL(F, RSCCTL) \
    X540_FIELDS_SRRCTL(F, SRRCTL_ALIAS) \
    X540_FIELDS_CREDITS(F, RTRPT4C) \
    X540_FIELDS_DCA_RXCTRL(F, DCA_RXCTRL_ALIAS) \
    X540_FIELDS_QMAP(F, RQSMR) \
    F(FCBUFF, VALID, 0, 1) F(FCBUFF, BUFFSIZE, 3, 2) F(FCBUFF, WRCONTX, 7, 1) \
    F(FCBUFF, BUFFCNT, 8, 8) F(FCBUFF, OFFSET, 16, 16) \
    F(FCDMARW, FCOESEL, 0, 9) F(FCDMARW, WE, 14, 1) F(FCDMARW, RE, 15, 1) \
    F(FCDMARW, LASTSIZE, 16, 16) \
    F(RTRPCS, RRM, 1, 1) F(RTRPCS, RAC, 2, 1) F(RTRPCS, ARBDIS, 6, 1) \
    F(RDRXCTL, CRCSTRIP, 1, 1) F(RDRXCTL, DMAIDONE, 3, 1) F(RDRXCTL, AGGDIS, 16, 1) \
    F(RDRXCTL, RSCFRSTSIZE, 17, 5) F(RDRXCTL, RSCLLIDIS, 23, 1) F(RDRXCTL, RSCACKC, 25, 1) \
    F(RDRXCTL, FCOE_WRFIX, 26, 1) \
    F(PFQDE, QDE, 0, 1) F(PFQDE, QUEUE_IDX, 8, 7) F(PFQDE, WE, 16, 1) F(PFQDE, RE, 17, 1) \
    F(RXDSTATCTRL, QSEL, 0, 5) \
    F(RXCTRL, RXEN, 0, 1) \
    F(PFCTOP, FCT, 0, 16) F(PFCTOP, FCOP, 16, 16) \
    X540_FIELDS_UP2TC(F, RTRUP2TC) \
    F(RSCDBU, RSCSMALDIS, 0, 7) F(RSCDBU, RSCACKDIS, 7, 1) \
    F(RXMEMWRAP, TC0WRAP, 0, 3) F(RXMEMWRAP, TC0EMPTY, 3, 1) F(RXMEMWRAP, TC1WRAP, 4, 3) \
    F(RXMEMWRAP, TC1EMPTY, 7, 1) F(RXMEMWRAP, TC2WRAP, 8, 3) F(RXMEMWRAP, TC2EMPTY, 11, 1) \
    F(RXMEMWRAP, TC3WRAP, 12, 3) F(RXMEMWRAP, TC3EMPTY, 15, 1) F(RXMEMWRAP, TC4WRAP, 16, 3) \
    F(RXMEMWRAP, TC4EMPTY, 19, 1) F(RXMEMWRAP, TC5WRAP, 20, 3) F(RXMEMWRAP, TC5EMPTY, 23, 1) \
    F(RXMEMWRAP, TC6WRAP, 24, 3) F(RXMEMWRAP, TC6EMPTY, 27, 1) F(RXMEMWRAP, TC7WRAP, 28, 3) \
    F(RXMEMWRAP, TC7EMPTY, 31, 1) \
    F(FCTTV, TTV_EVEN, 0, 16) F(FCTTV, TTV_ODD, 16, 16) \
    F(FCRTL, RTL, 5, 14) F(FCRTL, XONE, 31, 1) \
    F(FCRTH, RTH, 5, 14) F(FCRTH, FCEN, 31, 1) \
    F(FCRTV, FC_REFRESH_TH, 0, 16) \
    F(RXPBSIZE, SIZE, 10, 10) \
    F(FCCFG, TFCE, 3, 2) \
    F(PCS1GLCTL, FLV, 0, 1) F(PCS1GLCTL, FORCE_LINK, 5, 1) F(PCS1GLCTL, LINK_LATCH_LOW, 6, 1) \
    F(PCS1GLCTL, AN_EN, 16, 1) F(PCS1GLCTL, AN_RESTART, 17, 1) \
    F(PCS1GLCTL, AN_TIMEOUT_EN, 18, 1) \
    F(PCS1GLSTA, LINK_OK, 0, 1) F(PCS1GLSTA, SYNC_OK, 4, 1) F(PCS1GLSTA, AN_COMPLETE, 16, 1) \
    F(PCS1GLSTA, AN_PAGE_RX, 17, 1) F(PCS1GLSTA, AN_TIMED_OUT, 18, 1) \
    F(PCS1GLSTA, AN_REMOTE_FAULT, 19, 1) F(PCS1GLSTA, AN_ERROR, 20, 1) \
    F(HLREG0, TXCRCEN, 0, 1) F(HLREG0, RXCRCSTRP, 1, 1) F(HLREG0, JUMBOEN, 2, 1) \
    F(HLREG0, TXPADEN, 10, 1) F(HLREG0, LPBK, 15, 1) F(HLREG0, MDCSPD, 16, 1) \
    F(HLREG0, CONTMDC, 17, 1) F(HLREG0, PREPEND, 20, 4) F(HLREG0, RXLNGTHERREN, 27, 1) \
    F(HLREG0, RXPADSTRIPEN, 28, 1) \
    F(PAP, PACE, 16, 4) \
    F(MSCA, MDIADD, 0, 16) F(MSCA, DEVADD, 16, 5) F(MSCA, PHYADD, 21, 5) F(MSCA, OPCODE, 26, 2) \
    F(MSCA, STCODE, 28, 2) F(MSCA, MDICMD, 30, 1) F(MSCA, MDIINPROGEN, 31, 1) \
    F(MSRWD, MDIWRDATA, 0, 16) F(MSRWD, MDIRDDATA, 16, 16) \
    F(MAXFRS, MFS, 16, 16) \
    F(MFLCN, PMCF, 0, 1) F(MFLCN, DPF, 1, 1) F(MFLCN, RPFCM, 2, 1) F(MFLCN, RFCE, 3, 1) \
    F(MFLCN, RPFCE, 4, 8) \
    F(AUTOC, FLU, 0, 1) F(AUTOC, RESTART_AN, 12, 1) F(AUTOC, LMS, 13, 3) \
    F(LINKS, LINK_STATUS, 7, 1) F(LINKS, MAC_TX_MODE, 23, 2) F(LINKS, MAC_RX_MODE, 25, 2) \
    F(LINKS, LINK_SPEED, 28, 2) F(LINKS, LINK_UP, 30, 1) F(LINKS, KX_AN_COMP, 31, 1) \
    F(ANLP1, SYM_PAUSE, 10, 1) F(ANLP1, ASM_PAUSE, 11, 1) F(ANLP1, AN_STATE, 16, 4) \
    F(MMNGC, MNG_VETO, 0, 1) \
    F(LINKS2, AN_SUPPORTED, 6, 1) \
    F(MACC, FLU, 0, 1) F(MACC, RX2TX_LPBK, 1, 1) F(MACC, FSV, 16, 2) F(MACC, FS, 18, 1) \
    F(RTTDCS, TDPAC, 0, 1) F(RTTDCS, VMPAC, 1, 1) F(RTTDCS, TDRM, 4, 1) F(RTTDCS, ARBDIS, 6, 1) \
    F(RTTDCS, BDPM, 22, 1) F(RTTDCS, BPBFSM, 23, 1) \
    F(RTTDQSEL, TXDQ_IDX, 0, 7) \
    F(RTTDT1C, CRQ, 0, 14) \
    X540_FIELDS_CREDITS(F, RTTDT2C) \
    F(TXPBTHRESH, THRESH, 0, 10) \
    F(RTTBCNRC, RF_DEC, 0, 14) F(RTTBCNRC, RF_INT, 14, 10) F(RTTBCNRC, RS_ENA, 31, 1) \
    F(RTTDTECC, NO_BCN, 8, 1) \
    F(DMATXCTL, TE, 0, 1) F(DMATXCTL, NS, 1, 1) F(DMATXCTL, GDV, 3, 1) F(DMATXCTL, VT, 16, 16) \
    F(DTXTCPFLGL, TCP_FLG_FIRST_SEG, 0, 12) F(DTXTCPFLGL, TCP_FLG_MID_SEG, 16, 12) \
    F(DTXTCPFLGH, TCP_FLG_LST_SEG, 0, 12) \
    F(PFMAILBOX, STS, 0, 1) F(PFMAILBOX, ACK, 1, 1) F(PFMAILBOX, VFU, 2, 1) \
    F(PFMAILBOX, PFU, 3, 1) F(PFMAILBOX, RVFU, 4, 1) \
    F(RXCSUM, IPPCSE, 12, 1) F(RXCSUM, PCSD, 13, 1) \
    F(RFCTL, RSC_DIS, 5, 1) F(RFCTL, NFSW_DIS, 6, 1) F(RFCTL, NFSR_DIS, 7, 1) \
    F(RFCTL, NFS_VER, 8, 2) F(RFCTL, IPV6_DIS, 10, 1) F(RFCTL, IPFRSP_DIS, 14, 1) \
    F(EXVET, VET_EXT, 16, 16) \
    F(FCTRL, SBP, 1, 1) F(FCTRL, MPE, 8, 1) F(FCTRL, UPE, 9, 1) F(FCTRL, BAM, 10, 1) \
    F(VLNCTRL, VET, 0, 16) F(VLNCTRL, CFI, 28, 1) F(VLNCTRL, CFIEN, 29, 1) \
    F(VLNCTRL, VFE, 30, 1) \
    F(MCSTCTRL, MO, 0, 2) F(MCSTCTRL, MFE, 2, 1) \
    F(FCRXCTRL, FCOELLI, 0, 1) F(FCRXCTRL, SAVBAD, 1, 1) F(FCRXCTRL, FRSTRDH, 2, 1) \
    F(FCRXCTRL, LASTSEQH, 3, 1) F(FCRXCTRL, ALLH, 4, 1) F(FCRXCTRL, FRSTSEQH, 5, 1) \
    F(FCRXCTRL, ICRC, 6, 1) F(FCRXCTRL, FCCRCBO, 7, 1) F(FCRXCTRL, FCOEVER, 8, 4) \
    F(FCFLT, VALID, 0, 1) F(FCFLT, FIRST, 1, 1) F(FCFLT, SEQID, 16, 8) F(FCFLT, SEQCNT, 24, 8) \
    F(FCFLTRW, FCOESEL, 0, 9) F(FCFLTRW, RVALDT, 13, 1) F(FCFLTRW, WE, 14, 1) \
    F(FCFLTRW, RE, 15, 1) \
    F(RXMTRL, CTRLT, 0, 8) F(RXMTRL, MSGT, 8, 8) F(RXMTRL, UDPT, 16, 16) \
    F(ETQF, ETYPE, 0, 16) F(ETQF, UP, 16, 3) F(ETQF, UP_EN, 19, 1) F(ETQF, POOL, 20, 6) \
    F(ETQF, POOL_EN, 26, 1) F(ETQF, FCOE, 27, 1) F(ETQF, TX_ANTISPOOF, 29, 1) \
    F(ETQF, IEEE1588, 30, 1) F(ETQF, FILTER_EN, 31, 1) \
    F(TSYNCRXCTL, RXTT, 0, 1) F(TSYNCRXCTL, TYPE, 1, 3) F(TSYNCRXCTL, EN, 4, 1) \
    F(RXSATRH, SOURCE_IDH, 0, 16) F(RXSATRH, SEQUENCE_ID, 16, 16) \
    F(PFVTCTL, VT_ENA, 0, 1) F(PFVTCTL, DEF_PL, 7, 6) F(PFVTCTL, DIS_DEF_PL, 29, 1) \
    F(PFVTCTL, RPL_EN, 30, 1) \
    X540_FIELDS_RAH(F, RAH_ALIAS) \
    X540_FIELDS_PSRTYPE(F, PSRTYPE_ALIAS) \
    F(WUC, PME_EN, 1, 1) F(WUC, PME_STATUS, 2, 1) F(WUC, WKEN, 4, 1) \
    X540_FIELDS_WAKE(F, WUFC) \
    X540_FIELDS_WAKE(F, WUS) \
    X540_FIELDS_MRQC(F, MRQC) \
    F(MANC, RCV_TCO_EN, 17, 1) \
    F(IPAV, V4, 0, 4) F(IPAV, V60, 16, 1) \
    F(WUPL, LEN, 0, 16) \
    X540_FIELDS_IMIRVP(F, IMIRVP) \
    X540_FIELDS_RETA(F, RETA) \
    X540_FIELDS_RING_LEN(F, TDLEN) \
    F(DCA_TXCTRL, DESC_DCA_EN, 5, 1) F(DCA_TXCTRL, DESC_RRO_EN, 9, 1) \
    F(DCA_TXCTRL, DESC_WRO_EN, 11, 1) F(DCA_TXCTRL, DATA_RRO_EN, 13, 1) \
    F(DCA_TXCTRL, CPUID, 24, 8) \
    X540_FIELDS_RING_PTR(F, TDH) \
    X540_FIELDS_RING_PTR(F, TDT) \
    F(TXDCTL, PTHRESH, 0, 7) F(TXDCTL, HTHRESH, 8, 7) F(TXDCTL, WTHRESH, 16, 7) \
    F(TXDCTL, ENABLE, 25, 1) F(TXDCTL, SWFLSH, 26, 1) \
    F(TDWBAL, HEAD_WB_EN, 0, 1) F(TDWBAL, HEADWB_LOW, 2, 30) \
    F(PFVMVIR, PORT_VLAN_ID, 0, 16) F(PFVMVIR, VLANA, 30, 2) \
    F(DTXMXSZRQ, MAX_BYTES_NUM_REQ, 0, 12) \
    F(MTQC, RT_ENA, 0, 1) F(MTQC, VT_ENA, 1, 1) F(MTQC, NUM_TC_OR_Q, 2, 2) \
    F(PFVFSPOOF, MACAS, 0, 8) F(PFVFSPOOF, VLANAS, 8, 8) \
    F(PFDTXGSWC, LBE, 0, 1) \
    X540_FIELDS_QMAP(F, TQSM) \
    F(SECTXCTRL, SECTX_DIS, 0, 1) F(SECTXCTRL, TX_DIS, 1, 1) F(SECTXCTRL, STORE_FORWARD, 2, 1) \
    F(SECTXSTAT, SECTX_RDY, 0, 1) F(SECTXSTAT, SECTX_OFF_DIS, 1, 1) \
    F(SECTXSTAT, ECC_TXERR, 2, 1) \
    F(SECTXBUFFAF, FULLTHRESH, 0, 10) \
    F(SECTXMINIFG, MINSECIFG, 0, 4) F(SECTXMINIFG, SECTXDCB, 8, 5) \
    F(IPSTXIDX, IPS_TX_EN, 0, 1) F(IPSTXIDX, SA_IDX, 3, 10) F(IPSTXIDX, READ, 30, 1) \
    F(IPSTXIDX, WRITE, 31, 1) \
    F(LSECTXCAP, LSECTXSUM, 16, 8) \
    F(LSECTXCTRL, LSTXEN, 0, 2) F(LSECTXCTRL, AISCI, 5, 1) F(LSECTXCTRL, PNTHRSH, 8, 24) \
    F(TSYNCTXCTL, TXTT, 0, 1) F(TSYNCTXCTL, EN, 4, 1) \
    F(TIMINCA, INCVALUE, 0, 32) \
    F(TSAUXC, EN_TT0, 0, 1) F(TSAUXC, EN_TT1, 1, 1) F(TSAUXC, EN_CLK, 2, 1) \
    F(TSAUXC, SYNCLK, 3, 1) F(TSAUXC, SDP0_INT, 6, 1) \
    F(SECRXCTRL, SECRX_DIS, 0, 1) F(SECRXCTRL, RX_DIS, 1, 1) \
    F(SECRXSTAT, SECRX_RDY, 0, 1) F(SECRXSTAT, SECRX_OFF_DIS, 1, 1) \
    F(SECRXSTAT, ECC_RXERR, 2, 1) \
    F(IPSRXIDX, IPS_RX_EN, 0, 1) F(IPSRXIDX, TABLE, 1, 2) F(IPSRXIDX, TB_IDX, 3, 10) \
    F(IPSRXIDX, READ, 30, 1) F(IPSRXIDX, WRITE, 31, 1) \
    F(IPSRXIPIDX, IP_IDX, 0, 7) \
    F(IPSRXMOD, VALID, 0, 1) F(IPSRXMOD, PROTO, 2, 1) F(IPSRXMOD, DECRYPT, 3, 1) \
    F(IPSRXMOD, IPV6, 4, 1) \
    F(LSECRXCAP, LSECRXSUM, 16, 8) \
    F(LSECRXCTRL, LSRXEN, 2, 2) F(LSECRXCTRL, PLSH, 6, 1) F(LSECRXCTRL, RP, 7, 1) \
    X540_FIELDS_RAH(F, RAH) \
    X540_FIELDS_UP2TC(F, RTTUP2TC) \
    F(TXPBSIZE, SIZE, 10, 10) \
    F(RTTPCS, TPPAC, 5, 1) F(RTTPCS, ARBDIS, 6, 1) F(RTTPCS, TPRM, 8, 1) F(RTTPCS, ARBD, 22, 10) \
    F(MNGTXMAP, MAP, 0, 3) \
    X540_FIELDS_CREDITS(F, RTTPT2C) \
    F(TFCS, TC_XON, 0, 8) \
    X540_FIELDS_RING_LEN(F, RDLEN_64) \
    X540_FIELDS_DCA_RXCTRL(F, DCA_RXCTRL_64) \
    X540_FIELDS_RING_PTR(F, RDH_64) \
    X540_FIELDS_SRRCTL(F, SRRCTL_64) \
    X540_FIELDS_RING_PTR(F, RDT_64) \
    X540_FIELDS_RXDCTL(F, RXDCTL_64) \
    X540_FIELDS_RSCCTL(F, RSCCTL_64) \
    F(SDPQF, SOURCE_PORT, 0, 16) F(SDPQF, DESTINATION_PORT, 16, 16) \
    F(FTQF, PROTOCOL, 0, 2) F(FTQF, PRIORITY, 2, 3) F(FTQF, POOL, 8, 6) F(FTQF, MASK, 25, 5) \
    F(FTQF, POOL_MASK, 30, 1) F(FTQF, QUEUE_ENABLE, 31, 1) \
    F(L34TIMIR, SIZE_BP, 12, 1) F(L34TIMIR, RESERVED, 13, 7) F(L34TIMIR, LLI, 20, 1) \
    F(L34TIMIR, RX_QUEUE, 21, 7) \
    X540_FIELDS_PSRTYPE(F, PSRTYPE) \
    X540_FIELDS_RETA(F, RETA_ALIAS) \
    F(ETQS, RX_QUEUE, 16, 7) F(ETQS, LLI, 29, 1) F(ETQS, QUEUE_EN, 31, 1) \
    F(SYNQF, QUEUE_ENABLE, 0, 1) F(SYNQF, RX_QUEUE, 1, 7) F(SYNQF, SYNQFP, 31, 1) \
    X540_FIELDS_IMIRVP(F, IMIRVP_ALIAS) \
    F(RQTC, RQTC0, 0, 3) F(RQTC, RQTC1, 4, 3) F(RQTC, RQTC2, 8, 3) F(RQTC, RQTC3, 12, 3) \
    F(RQTC, RQTC4, 16, 3) F(RQTC, RQTC5, 20, 3) F(RQTC, RQTC6, 24, 3) F(RQTC, RQTC7, 28, 3) \
    X540_FIELDS_MRQC(F, MRQC_ALIAS) \
    F(LLITHRESH, SIZE_THRESH, 0, 12) F(LLITHRESH, CREDIT, 26, 6) \
    F(FCRECTL, ENA, 0, 1) \
    F(FCRETA, TABLE_ENTRY, 0, 7) \
    F(FDIRCTRL, PBALLOC, 0, 2) F(FDIRCTRL, INIT_DONE, 3, 1) F(FDIRCTRL, PERFECT_MATCH, 4, 1) \
    F(FDIRCTRL, REPORT_STATUS, 5, 1) F(FDIRCTRL, REPORT_STATUS_ALWAYS, 7, 1) \
    F(FDIRCTRL, DROP_QUEUE, 8, 7) F(FDIRCTRL, FLEX_OFFSET, 16, 5) F(FDIRCTRL, MAX_LENGTH, 24, 4) \
    F(FDIRCTRL, FULL_THRESH, 28, 4) \
    F(FDIRPORT, SOURCE, 0, 16) F(FDIRPORT, DESTINATION, 16, 16) \
    F(FDIRVLAN, VLAN, 0, 16) F(FDIRVLAN, FLEX, 16, 16) \
    F(FDIRHASH, HASH, 0, 15) F(FDIRHASH, BUCKET_VALID, 15, 1) F(FDIRHASH, SIG_SW_INDEX, 16, 15) \
    F(FDIRCMD, CMD, 0, 2) F(FDIRCMD, FILTER_VALID, 2, 1) F(FDIRCMD, FILTER_UPDATE, 3, 1) \
    F(FDIRCMD, IPV6DMATCH, 4, 1) F(FDIRCMD, L4TYPE, 5, 2) F(FDIRCMD, IPV6, 7, 1) \
    F(FDIRCMD, CLEARHT, 8, 1) F(FDIRCMD, DROP, 9, 1) F(FDIRCMD, INT, 10, 1) \
    F(FDIRCMD, LAST, 11, 1) F(FDIRCMD, COLLISION, 12, 1) F(FDIRCMD, QUEUE_EN, 15, 1) \
    F(FDIRCMD, RX_QUEUE, 16, 7) F(FDIRCMD, POOL, 24, 6) \
    F(FDIRFREE, FREE, 0, 16) F(FDIRFREE, COLL, 16, 15) \
    F(FDIRTCPM, SPORTM, 0, 16) F(FDIRTCPM, DPORTM, 16, 16) \
    F(FDIRUDPM, SPORTM, 0, 16) F(FDIRUDPM, DPORTM, 16, 16) \
    F(FDIRLEN, MAXLEN, 0, 6) F(FDIRLEN, MAXHASH, 16, 15) \
    F(FDIRUSTAT, ADD, 0, 16) F(FDIRUSTAT, REMOVE, 16, 16) \
    F(FDIRFSTAT, FADD, 0, 8) F(FDIRFSTAT, FREMOVE, 8, 8) \
    F(FDIRM, VLANID, 0, 1) F(FDIRM, VLANP, 1, 1) F(FDIRM, POOL, 2, 1) F(FDIRM, L4P, 3, 1) \
    F(FDIRM, FLEX, 4, 1) F(FDIRM, DIPV6, 5, 1) \
    F(FDIRIP6M, SIPM, 0, 16) F(FDIRIP6M, DIPM, 16, 16) \
    F(PFVML2FLT, AUPE, 24, 1) F(PFVML2FLT, ROMPE, 25, 1) F(PFVML2FLT, ROPE, 26, 1) \
    F(PFVML2FLT, BAM, 27, 1) F(PFVML2FLT, MPE, 28, 1) \
    F(PFVLVF, VLAN_ID, 0, 12) F(PFVLVF, VI_EN, 31, 1) \
    F(PFMRCTL, VPME, 0, 1) F(PFMRCTL, UPME, 1, 1) F(PFMRCTL, DPME, 2, 1) F(PFMRCTL, VLME, 3, 1) \
    F(PFMRCTL, MP, 8, 6) \
    F(EEC, SK, 0, 1) F(EEC, CS, 1, 1) F(EEC, DI, 2, 1) F(EEC, DO, 3, 1) F(EEC, FWE, 4, 2) \
    F(EEC, REQ, 6, 1) F(EEC, GNT, 7, 1) F(EEC, PRES, 8, 1) F(EEC, AUTO_RD, 9, 1) \
    F(EEC, ADDR_SIZE, 10, 1) F(EEC, SIZE, 11, 4) F(EEC, FLUPD, 23, 1) F(EEC, SEC1VAL, 25, 1) \
    F(EEC, FLUDONE, 26, 1) \
    F(EERD, START, 0, 1) F(EERD, DONE, 1, 1) F(EERD, ADDR, 2, 14) F(EERD, DATA, 16, 16) \
    F(EEWR, START, 0, 1) F(EEWR, DONE, 1, 1) F(EEWR, ADDR, 2, 14) F(EEWR, DATA, 16, 16) \
    F(FLA, SCK, 0, 1) F(FLA, CE, 1, 1) F(FLA, SI, 2, 1) F(FLA, SO, 3, 1) F(FLA, REQ, 4, 1) \
    F(FLA, GNT, 5, 1) F(FLA, BUSY, 30, 1) F(FLA, ER, 31, 1) \
    F(EEMNGCTL, ADDR, 0, 15) F(EEMNGCTL, START, 15, 1) F(EEMNGCTL, WRITE, 16, 1) \
    F(EEMNGCTL, CFG_DONE0, 18, 1) F(EEMNGCTL, CFG_DONE1, 19, 1) F(EEMNGCTL, DONE, 31, 1) \
    F(SWSM, SMBI, 0, 1) F(SWSM, SWESMBI, 1, 1) \
    F(FWSM, TS_ENABLED, 0, 1) F(FWSM, FW_MODE, 1, 3) F(FWSM, EEP_RELOAD_IND, 6, 1) \
    F(FWSM, FW_VAL, 15, 1) F(FWSM, RESET_CNT, 16, 3) F(FWSM, EXT_ERR_IND, 19, 6) \
    F(FWSM, PCIE_CONFIG_ERR_IND, 25, 1) F(FWSM, PHY_ERR_IND0, 26, 1) \
    F(FWSM, PHY_ERR_IND1, 27, 1) \
    F(FACTPS, FUNC0_POWER_STATE, 0, 2) F(FACTPS, LAN0_VALID, 2, 1) F(FACTPS, FUNC0_AUX_EN, 3, 1) \
    F(FACTPS, FUNC1_POWER_STATE, 6, 2) F(FACTPS, LAN1_VALID, 8, 1) F(FACTPS, FUNC1_AUX_EN, 9, 1) \
    F(FACTPS, MNGCG, 29, 1) F(FACTPS, LFS, 30, 1) F(FACTPS, PM_STATE_CHANGED, 31, 1) \
    F(SW_FW_SYNC, SW_NVM, 0, 1) F(SW_FW_SYNC, SW_PHY0, 1, 1) F(SW_FW_SYNC, SW_PHY1, 2, 1) \
    F(SW_FW_SYNC, SW_MAC_CSR, 3, 1) F(SW_FW_SYNC, SW_FLASH, 4, 1) F(SW_FW_SYNC, FW_NVM, 5, 1) \
    F(SW_FW_SYNC, FW_PHY0, 6, 1) F(SW_FW_SYNC, FW_PHY1, 7, 1) F(SW_FW_SYNC, FW_MAC_CSR, 8, 1) \
    F(SW_FW_SYNC, NVM_UPDATE, 9, 1) F(SW_FW_SYNC, SW_MNG, 10, 1) F(SW_FW_SYNC, REGSMP, 31, 1) \
    F(GRC, MNG_EN, 0, 1) F(GRC, APME, 1, 1) \
    F(GCR, CMPL_TMOUT, 12, 4) F(GCR, CMPL_TMOUT_RESEND, 16, 1) F(GCR, CAP_VER2, 18, 1) \
    F(GCR_EXT, VT_MODE, 0, 2) F(GCR_EXT, APBACD, 4, 1) F(GCR_EXT, BUFFERS_CLEAR_FUNC, 30, 1) \
    F(GCR_EXT, MSIX_EN, 31, 1) \
    F(DCA_CTRL, DCA_DIS, 0, 1) F(DCA_CTRL, DCA_MODE, 1, 4) \
    F(PICAUSE, CA, 0, 1) F(PICAUSE, UA, 1, 1) F(PICAUSE, BE, 2, 1) F(PICAUSE, TO, 3, 1) \
    F(PICAUSE, BMEF, 4, 1) \
    F(PIENA, CA, 0, 1) F(PIENA, UA, 1, 1) F(PIENA, BE, 2, 1) F(PIENA, TO, 3, 1) \
    F(PIENA, BMEF, 4, 1) \
    F(BARCTRL, FLSIZE, 8, 3) F(BARCTRL, CSRSIZE, 13, 1) \
    X540_FIELDS_EITR(F, EITR_24) \
    F(HICR, EN, 0, 1) F(HICR, C, 1, 1) F(HICR, SV, 2, 1) F(HICR, FWRE, 6, 1) F(HICR, FWR, 7, 1) \
    F(FWSTS, FWRI, 9, 1)
/* clang-format on */

#ifdef __cplusplus
extern "C" {
#endif

/** Offset of each register, or of the first of an array: X540_CTRL, ... */
enum {
#define X540_R(name, offset, stride, count, access, section, doc) X540_##name = (offset),
    X540_REGISTERS(X540_R)
#undef X540_R
};

/* Mask of each field: X540_CTRL_RST, ... Use with weir_field_get() and weir_field_set(). */
#define X540_F(reg, field, shift, width)                                                           \
    static const uint32_t X540_##reg##_##field = (0xffffffffu >> (32 - (width))) << (shift);
X540_FIELDS(X540_F)
#undef X540_F

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
