/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mkpcap FILE SEED: writes a capture file with frames of every size from 60 bytes to what an MTU of
 * 1500 allows: plain, with one VLAN tag (which may be 4 bytes longer), and with two, all twice.
 * Order and contents look random, but are the same each time. Prints how many there are.
 *
 * mkpcap --compare FILE FILE: whether both hold the same frames in the same order.
 */
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIN = 60, MAX = 1514, SIZES = MAX - MIN + 1, KINDS = 3 };

static uint64_t state;

/* xorshift64*, by Marsaglia and Vigna. */
static uint32_t next(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545f4914f6cdd1du) >> 32);
}

static unsigned put16(uint8_t *frame, unsigned at, unsigned value)
{
    frame[at] = (uint8_t)(value >> 8);
    frame[at + 1] = (uint8_t)value;
    return at + 2;
}

/* Frame number i: each size comes in each kind. Returns its length. */
static unsigned make(uint8_t *frame, unsigned i)
{
    static const uint8_t to[3][6] = {
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x02, 0, 0, 0, 0, 1}, {0x33, 0x33, 0, 0, 0, 1}};
    unsigned kind = i / SIZES % KINDS;
    /* 7 and the number of sizes have no common divisor: all sizes come, but not in order. */
    unsigned len = MIN + i * 7 % SIZES + (kind == 1 ? 4 : 0);
    unsigned at = 12;

    for (unsigned k = 0; k < len; k++)
        frame[k] = (uint8_t)next();
    memcpy(frame, to[next() % 3], 6);
    frame[6] = 0x02;
    if (kind == 2)
        at = put16(frame, put16(frame, at, 0x88a8), next() & 0xffff);
    if (kind >= 1)
        at = put16(frame, put16(frame, at, 0x8100), next() & 0xffff);
    put16(frame, at, 0x88b5); /* for local experiments */
    return len;
}

static int write_file(const char *path, uint64_t seed)
{
    const unsigned count = 2 * SIZES * KINDS;
    pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
    pcap_dumper_t *out = pcap ? pcap_dump_open(pcap, path) : NULL;
    uint8_t frame[MAX + 4];

    if (!out) {
        fprintf(stderr, "mkpcap: %s\n", pcap ? pcap_geterr(pcap) : "out of memory");
        return 2;
    }
    state = 0x9e3779b97f4a7c15u ^ seed;
    for (unsigned i = 0; i < count; i++) {
        unsigned len = make(frame, i);
        struct pcap_pkthdr header = {
            .ts = {.tv_sec = i / 1000, .tv_usec = i % 1000 * 1000}, .caplen = len, .len = len};
        pcap_dump((uint8_t *)out, &header, frame);
    }
    if (pcap_dump_flush(out)) {
        fprintf(stderr, "mkpcap: %s could not be written\n", path);
        return 2;
    }
    pcap_dump_close(out);
    pcap_close(pcap);
    printf("%u\n", count);
    return 0;
}

static int compare(const char *paths[2])
{
    char why[PCAP_ERRBUF_SIZE];
    pcap_t *in[2];

    for (int i = 0; i < 2; i++) {
        in[i] = pcap_open_offline(paths[i], why);
        if (!in[i]) {
            fprintf(stderr, "mkpcap: %s\n", why);
            return 2;
        }
    }
    for (unsigned n = 0;; n++) {
        struct pcap_pkthdr *header[2];
        const uint8_t *frame[2];
        int got[2];
        for (int i = 0; i < 2; i++) {
            got[i] = pcap_next_ex(in[i], &header[i], &frame[i]);
            if (got[i] != 1 && got[i] != PCAP_ERROR_BREAK) {
                printf("%s, frame %u: %s\n", paths[i], n, pcap_geterr(in[i]));
                return 1;
            }
        }
        if (got[0] != 1 || got[1] != 1) {
            if (got[0] == got[1])
                return 0;
            printf("%s has only %u frames\n", paths[got[0] == 1], n);
            return 1;
        }
        if (header[0]->len != header[1]->len || header[0]->caplen != header[1]->caplen ||
            memcmp(frame[0], frame[1], header[0]->caplen) != 0) {
            printf("frame %u of %u bytes differs, %u bytes in the other\n", n, header[0]->len,
                   header[1]->len);
            return 1;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--compare") == 0)
        return compare((const char *[2]){argv[2], argv[3]});
    if (argc == 3)
        return write_file(argv[1], strtoull(argv[2], NULL, 0));
    fprintf(stderr, "usage: mkpcap FILE SEED | mkpcap --compare FILE FILE\n");
    return 2;
}
