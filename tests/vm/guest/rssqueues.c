/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packets that each queue must get, out of the hash key and the table that `ethtool -x` tells.
 *
 *   ethtool -x eth0 | rssqueues FROM PORT TO PORT COUNT FLOWS QUEUES
 *
 * Packet i of COUNT goes from FROM:PORT to TO:(PORT + i % FLOWS). The answer is a line of QUEUES
 * numbers. The hash: "Verifying the RSS Hash Calculation", Windows driver documentation. It is not
 * the model's, which this judges.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY        40 /* octets */
#define TABLE      128
#define MAX_QUEUES 64

struct flow {
    uint8_t octets[12]; /* from, to, port from, port to: as on the wire */
};

static uint32_t toeplitz(const uint8_t *key, const struct flow *flow)
{
    uint32_t hash = 0;

    for (unsigned bit = 0; bit < 8 * sizeof(flow->octets); bit++) {
        uint64_t window = 0;
        for (unsigned i = 0; i < 5; i++)
            window = window << 8 | key[bit / 8 + i];
        if (flow->octets[bit / 8] & 0x80 >> bit % 8)
            hash ^= (uint32_t)(window >> (8 - bit % 8));
    }
    return hash;
}

static int make_flow(struct flow *flow, const char *from, unsigned from_port, const char *to,
                     unsigned to_port)
{
    uint16_t ports[] = {htons((uint16_t)from_port), htons((uint16_t)to_port)};

    memcpy(flow->octets + 8, ports, sizeof(ports));
    return inet_pton(AF_INET, from, flow->octets) == 1 &&
                   inet_pton(AF_INET, to, flow->octets + 4) == 1
               ? 0
               : -1;
}

/* The first of the published results, so that nobody trusts this program more than the driver. */
static int verify(void)
{
    static const uint8_t key[KEY] = {
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
        0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
        0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
    };
    struct flow flow = {0};

    return make_flow(&flow, "66.9.149.187", 2794, "161.142.100.80", 1766) ||
                   toeplitz(key, &flow) != 0x51ccc178
               ? -1
               : 0;
}

/* Lines of the table, "    8:      0     1 ...", and the key, "6d:5a:...", after its title. */
static int read_ethtool(uint8_t *key, unsigned *table)
{
    unsigned entries = 0, octets = 0, titled = 0;
    char line[512];

    while (fgets(line, sizeof(line), stdin)) {
        char *at = line, *end;
        if (strncmp(line, "RSS hash key:", 13) == 0) {
            titled = 1;
        } else if (titled && !octets) {
            for (; octets < KEY; octets++, at = end + 1) {
                key[octets] = (uint8_t)strtoul(at, &end, 16);
                if (end != at + 2)
                    break;
            }
        } else if (!titled && strtoul(line, &at, 10) == entries && *at == ':') {
            for (at++; entries < TABLE; at = end) {
                unsigned long queue = strtoul(at, &end, 10);
                if (end == at)
                    break;
                table[entries++] = (unsigned)queue;
            }
        }
    }
    return entries == TABLE && octets == KEY ? 0 : -1;
}

int main(int argc, char **argv)
{
    unsigned table[TABLE], count, flows, queues, packets[MAX_QUEUES] = {0};
    uint8_t key[KEY];

    if (argc != 8 || !(flows = (unsigned)atoi(argv[6])) ||
        (queues = (unsigned)atoi(argv[7])) > MAX_QUEUES) {
        fprintf(stderr, "usage: rssqueues FROM PORT TO PORT COUNT FLOWS QUEUES\n");
        return 2;
    }
    if (verify()) {
        fprintf(stderr, "rssqueues: its own hash is not the published one\n");
        return 1;
    }
    if (read_ethtool(key, table)) {
        fprintf(stderr, "rssqueues: no key of %d octets and table of %d queues\n", KEY, TABLE);
        return 1;
    }
    count = (unsigned)atoi(argv[5]);
    for (unsigned i = 0; i < count; i++) {
        struct flow flow = {0};
        unsigned queue;
        if (make_flow(&flow, argv[1], (unsigned)atoi(argv[2]), argv[3],
                      (unsigned)atoi(argv[4]) + i % flows)) {
            fprintf(stderr, "rssqueues: bad addresses\n");
            return 2;
        }
        queue = table[toeplitz(key, &flow) % TABLE];
        if (queue >= queues) {
            fprintf(stderr, "rssqueues: the table names queue %u\n", queue);
            return 1;
        }
        packets[queue]++;
    }
    for (unsigned i = 0; i < queues; i++)
        printf("%u%s", packets[i], i + 1 < queues ? " " : "\n");
    return 0;
}
