/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UDP both ways, every byte verified.
 *
 *   udpcheck echo PORT                               answers until it is killed
 *   udpcheck send ADDRESS PORT COUNT SIZE FLOWS      sends COUNT datagrams of SIZE bytes from FLOWS
 *                                                    ports and wants as many answers
 *
 * A datagram holds its number, its length and bytes made from both; the answer has them inverted,
 * so that a frame that only came back is none. What is wrong gets no answer, and what gets no
 * answer in time is reported. Nothing is sent twice: a frame that was lost stays lost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_SIZE  9216
#define MAX_FLOWS 64
#define WINDOW    64 /* datagrams under way: less than any queue between the two ends */
#define QUIET_MS  60000

struct head {
    uint32_t number, length;
};

/* The bytes of a datagram (xorshift, so that a shifted or swapped piece does not fit). */
static void fill(uint8_t *out, uint32_t number, uint32_t length, uint8_t invert)
{
    uint32_t x = number * 2654435761u ^ length ^ 0x5eed;

    memcpy(out, &(struct head){number, length}, sizeof(struct head));
    for (uint32_t i = sizeof(struct head); i < length; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        out[i] = (uint8_t)(x ^ invert);
    }
}

/* Is it what fill() makes? */
static bool verify(const uint8_t *data, ssize_t n, uint8_t invert, uint32_t *number)
{
    static uint8_t want[MAX_SIZE];
    struct head h;

    if (n < (ssize_t)sizeof(h) || n > MAX_SIZE)
        return false;
    memcpy(&h, data, sizeof(h));
    if (h.length != (uint32_t)n)
        return false;
    fill(want, h.number, h.length, invert);
    *number = h.number;
    return memcmp(want, data, (size_t)n) == 0;
}

static int udp_socket(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), bytes = 4 << 20;

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a))) {
        perror("udpcheck: socket");
        exit(2);
    }
    /* A window of jumbo frames takes more than rmem_max, which does not bind root this way. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    return fd;
}

static int echo(uint16_t port)
{
    static uint8_t data[MAX_SIZE + 1];
    int fd = udp_socket(port);

    for (;;) {
        struct sockaddr_in from;
        socklen_t len = sizeof(from);
        uint32_t number;
        ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len);
        if (n < 0 && errno != EINTR) {
            perror("udpcheck: recvfrom");
            return 2;
        }
        if (n < 0)
            continue;
        if (!verify(data, n, 0, &number)) {
            fprintf(stderr, "udpcheck: a datagram of %zd bytes is not what was sent\n", n);
            continue;
        }
        fill(data, number, (uint32_t)n, 0xff);
        while (sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, len) < 0 && errno == EINTR)
            ;
    }
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int report(uint32_t sent, uint32_t answered, uint32_t wrong, uint32_t count, uint64_t ms)
{
    printf("udpcheck: sent %u, answered %u, wrong %u, in %llu ms\n", sent, answered, wrong,
           (unsigned long long)ms);
    return sent == count && answered == count && !wrong ? 0 : 1;
}

static int send_all(const char *address, uint16_t port, uint32_t count, uint32_t size,
                    unsigned flows)
{
    static uint8_t data[MAX_SIZE + 1];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct pollfd p[MAX_FLOWS];
    uint8_t *seen = calloc(count, 1);
    uint32_t sent = 0, answered = 0, wrong = 0;
    uint64_t start = now_ms(), last = start;

    if (!seen || !flows || flows > MAX_FLOWS || size < sizeof(struct head) || size > MAX_SIZE ||
        inet_pton(AF_INET, address, &to.sin_addr) != 1) {
        fprintf(stderr, "udpcheck: bad arguments\n");
        return 2;
    }
    for (unsigned i = 0; i < flows; i++)
        p[i] = (struct pollfd){.fd = udp_socket((uint16_t)(20000 + i)), .events = POLLIN};
    while (answered + wrong < count) {
        while (sent < count && sent - answered - wrong < WINDOW) {
            fill(data, sent, size, 0);
            if (sendto(p[sent % flows].fd, data, size, 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
                perror("udpcheck: sendto");
                return 1;
            }
            sent++;
        }
        if (poll(p, flows, 1000) < 0 && errno != EINTR)
            return 2;
        for (unsigned i = 0; i < flows; i++) {
            uint32_t number;
            ssize_t n;
            while ((n = recv(p[i].fd, data, sizeof(data), MSG_DONTWAIT)) >= 0) {
                if (verify(data, n, 0xff, &number) && number < count && number % flows == i &&
                    !seen[number]++)
                    answered++;
                else
                    wrong++;
                last = now_ms();
            }
        }
        if (now_ms() - last > QUIET_MS)
            break;
    }
    return report(sent, answered, wrong, count, now_ms() - start);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "echo") == 0)
        return echo((uint16_t)atoi(argv[2]));
    if (argc == 7 && strcmp(argv[1], "send") == 0)
        return send_all(argv[2], (uint16_t)atoi(argv[3]), (uint32_t)atoi(argv[4]),
                        (uint32_t)atoi(argv[5]), (unsigned)atoi(argv[6]));
    fprintf(stderr, "usage: udpcheck echo PORT | udpcheck send ADDRESS PORT COUNT SIZE FLOWS\n");
    return 2;
}
