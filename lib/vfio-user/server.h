/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server's side of one connection: checks each message of a client that may be broken or
 * hostile, has callbacks do what it asks, and answers. Nothing waits, but for
 * weir_vfu_session_dma().
 *
 * A request that is wrong in itself gets an error reply and the stream goes on. What leaves no way
 * to go on (a size that cannot be, an answer nobody asked for, a client that takes no replies) ends
 * the session.
 */
#ifndef WEIR_VFIO_USER_SERVER_H
#define WEIR_VFIO_USER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What REGION_INFO tells of a region. */
struct weir_vfu_region {
    uint64_t size;
    uint32_t flags;   /* VFIO_REGION_INFO_FLAG_READ, _WRITE, and _MMAP if fd >= 0 */
    int fd;           /* stays the callback's */
    uint64_t offset;  /* of the region in fd */
    const void *caps; /* capability list as in linux/vfio.h, whose offsets count from the struct in
                         front of it, or NULL */
    uint32_t caps_len;
};

/* What the server does for a client. int: 0 or -errno, which the client is told. */
struct weir_vfu_server_ops {
    unsigned num_regions, num_irqs;
    void (*region)(void *user, unsigned region, struct weir_vfu_region *out);
    unsigned (*irqs)(void *user, unsigned index); /* vectors of a kind */
    int (*read)(void *user, unsigned region, uint64_t off, void *buf, size_t len);
    int (*write)(void *user, unsigned region, uint64_t off, const void *buf, size_t len);
    /* @prot: VFIO_DMA_MAP_FLAG_*. @fd: -1, or a descriptor that is taken over by setting it to -1.
     * The range is aligned to 4 KiB and ends below 2^64. */
    int (*dma_map)(void *user, uint64_t iova, uint64_t size, uint32_t prot, int *fd,
                   uint64_t offset);
    /* Everything within [iova, iova + size). From 0, UINT64_MAX is all there is. */
    int (*dma_unmap)(void *user, uint64_t iova, uint64_t size);
    /* start and count are within irqs(). Eventfds are taken over by setting them to -1; fds NULL:
     * take the vectors' away. count 0: disable the kind. */
    int (*irq_set)(void *user, unsigned index, unsigned start, unsigned count, int *fds);
    int (*irq_trigger)(void *user, unsigned index, unsigned start, unsigned count);
    int (*irq_mask)(void *user, unsigned index, unsigned start, unsigned count, bool mask);
    /* An eventfd by which the client unmasks the one vector of INTx; -1: none any more. */
    int (*irq_unmask_fd)(void *user, int *fd);
    void (*reset)(void *user);
    /* Something worth a line in the log. */
    void (*note)(void *user, const char *text);
};

struct weir_vfu_session_options {
    unsigned version_ms; /* to begin with VERSION; default 2000 */
    unsigned stall_ms;   /* to take a reply; default 5000 */
    unsigned dma_ms;     /* to answer all of a step's DMA_READ and DMA_WRITE; default 2000 */
};

struct weir_vfu_session;

/* Takes over fd, also on failure (-errno). @opt may be NULL. */
int weir_vfu_session_new(int fd, const struct weir_vfu_server_ops *ops, void *user,
                         const struct weir_vfu_session_options *opt, struct weir_vfu_session **out);
void weir_vfu_session_free(struct weir_vfu_session *s);

/* Serve at most @max messages. Their number, or -errno when the session is over, with
 * weir_vfu_session_why() saying why; 0 of -ECONNRESET is a client that went. */
int weir_vfu_session_run(struct weir_vfu_session *s, unsigned max);
const char *weir_vfu_session_why(const struct weir_vfu_session *s);

/* For poll(): the socket, the events to wait for, and when to call weir_vfu_session_run() at the
 * latest (CLOCK_MONOTONIC ns, UINT64_MAX never). */
int weir_vfu_session_fd(const struct weir_vfu_session *s);
short weir_vfu_session_events(const struct weir_vfu_session *s);
uint64_t weir_vfu_session_deadline(const struct weir_vfu_session *s);
/* True if messages wait that poll() does not tell of. */
bool weir_vfu_session_ready(const struct weir_vfu_session *s);

/* True once VERSION was agreed on. */
bool weir_vfu_session_open(const struct weir_vfu_session *s);

/*
 * Read or write the client's memory by messages, waiting for its answers. Never from a callback of
 * read or write: a client that waits for that reply may not serve this. Messages that arrive
 * meanwhile are kept for weir_vfu_session_run(). When one is among them that the client wants a
 * reply to, nothing more is waited for: a read is -EAGAIN, to be made again after
 * weir_vfu_session_run(), and a write 0 although its answer is still to come. The waiting between
 * two weir_vfu_session_run() is limited as a whole. A failure of the connection shows there too.
 */
int weir_vfu_session_dma(struct weir_vfu_session *s, uint64_t iova, void *buf, size_t len,
                         bool write);
/* Wait until the client has made all writes. -EAGAIN as above. */
int weir_vfu_session_settle(struct weir_vfu_session *s);

/*
 * Refuse a further client: answer its VERSION with EBUSY. 1 when done with fd, which is closed; 0
 * to be called again when it is readable or after a while.
 */
int weir_vfu_refuse(int fd);

#endif
