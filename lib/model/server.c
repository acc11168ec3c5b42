/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model served over vfio-user: one client at a time, its memory in a software IOMMU, the model
 * stepped between its messages.
 */
#include "lib/vfio-user/server.h"
#include "lib/core/clock.h"
#include "lib/model/client_memory.h"
#include "lib/model/model.h"
#include "lib/vfio-user/socket.h"

#include <errno.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define STEP         64            /* frames in each direction between two looks at the socket */
#define SLOW_STEP    4             /* the same, where memory is reached by messages */
#define MESSAGES     256           /* messages between two steps */
#define LOOK_NS      10000000      /* a busy server looks for further clients this often */
#define SLEPT_NS     20000         /* poll() that took longer has waited */
#define STUCK_NS     5000000       /* a wire that is readable and yields nothing is left alone */
#define PAUSE_NS     100000        /* a model that is always due and does nothing is slowed down */
#define REFUSE_NS    1000000000ull /* a further client may take this long to say hello */
#define MAX_REFUSED  8
#define MAX_WIRE_FDS 16

struct refused {
    int fd;
    uint64_t until;
};

struct weir_server {
    struct weir_object object;
    struct weir *weir;
    struct weir_model *model;
    struct weir_client_memory *memory;
    struct weir_vfu_listener listener;
    struct weir_vfu_session *session; /* NULL: no client */
    int *irq_fds[WEIR_N_IRQS];        /* the client's eventfds, -1 where none */
    int unmask_fd;                    /* INTx */
    struct refused refused[MAX_REFUSED];
    unsigned n_refused;
    bool slow; /* this client's memory is reached by messages */
    int wake_fd;
    atomic_bool wake;
    /* What run() remembers from one sleep to the next. */
    uint64_t looked;      /* when poll() was asked last */
    uint64_t no_accept;   /* until then: out of descriptors */
    uint64_t wires_quiet; /* until then: wires are not polled */
    unsigned wires_for_naught, due_for_naught;
};

/* What a client asks for */

static void do_region(void *user, unsigned region, struct weir_vfu_region *out)
{
    struct weir_server *s = user;
    struct weir_region r;

    weir_model_region(s->model, region, &r);
    /* Never mapped: a client that maps anything posts no writes any more, as those could be
     * overtaken (QEMU's rule). */
    *out = (struct weir_vfu_region){
        .size = r.size,
        .flags = (r.readable ? VFIO_REGION_INFO_FLAG_READ : 0u) |
                 (r.writable ? VFIO_REGION_INFO_FLAG_WRITE : 0u),
        .fd = -1,
    };
}

static unsigned do_irqs(void *user, unsigned index)
{
    struct weir_server *s = user;

    return weir_model_irqs(s->model, (enum weir_irq_index)index);
}

static int do_read(void *user, unsigned region, uint64_t off, void *buf, size_t len)
{
    struct weir_server *s = user;

    return weir_model_region_read(s->model, region, off, buf, len);
}

static int do_write(void *user, unsigned region, uint64_t off, const void *buf, size_t len)
{
    struct weir_server *s = user;

    return weir_model_region_write(s->model, region, off, buf, len);
}

static int do_dma_map(void *user, uint64_t iova, uint64_t size, uint32_t prot, int *fd,
                      uint64_t offset)
{
    struct weir_server *s = user;
    unsigned p = (prot & VFIO_DMA_MAP_FLAG_READ ? WEIR_PROT_READ : 0u) |
                 (prot & VFIO_DMA_MAP_FLAG_WRITE ? WEIR_PROT_WRITE : 0u);

    weir_log(s->weir, WEIR_LOG_DEBUG, "server", "DMA_MAP %#llx, %llu bytes, rights %u",
             (unsigned long long)iova, (unsigned long long)size, p);
    return weir_client_memory_map(s->memory, iova, size, p, fd, offset);
}

static int do_dma_unmap(void *user, uint64_t iova, uint64_t size)
{
    struct weir_server *s = user;

    return weir_client_memory_unmap(s->memory, iova, size);
}

static void close_irqs(struct weir_server *s, unsigned kind, unsigned start, unsigned count)
{
    for (unsigned i = start; i < start + count; i++) {
        if (s->irq_fds[kind][i] >= 0)
            close(s->irq_fds[kind][i]);
        s->irq_fds[kind][i] = -1;
    }
}

static int do_irq_set(void *user, unsigned index, unsigned start, unsigned count, int *fds)
{
    struct weir_server *s = user;
    enum weir_irq_index kind = (enum weir_irq_index)index;
    unsigned have = weir_model_irqs(s->model, kind), n = count ? count : have;
    int *none = NULL;

    if (count && !fds) {
        none = malloc(count * sizeof(int));
        if (!none)
            return -ENOMEM;
        memset(none, 0xff, count * sizeof(int));
    }
    /* The model forgets the old ones before they are closed. */
    int r = weir_model_irq_set(s->model, kind, start, count, fds ? fds : none);
    free(none);
    if (r)
        return r;
    close_irqs(s, index, start, n);
    for (unsigned i = 0; fds && i < count; i++) {
        s->irq_fds[index][start + i] = fds[i];
        fds[i] = -1;
    }
    return 0;
}

static int do_irq_trigger(void *user, unsigned index, unsigned start, unsigned count)
{
    struct weir_server *s = user;

    return weir_model_irq_trigger(s->model, (enum weir_irq_index)index, start, count);
}

static int do_irq_mask(void *user, unsigned index, unsigned start, unsigned count, bool mask)
{
    struct weir_server *s = user;

    return weir_model_irq_mask(s->model, (enum weir_irq_index)index, start, count, mask);
}

static int do_irq_unmask_fd(void *user, int *fd)
{
    struct weir_server *s = user;

    if (s->unmask_fd >= 0)
        close(s->unmask_fd);
    s->unmask_fd = *fd;
    *fd = -1;
    return 0;
}

static void do_reset(void *user)
{
    struct weir_server *s = user;

    weir_model_reset(s->model);
}

static void do_note(void *user, const char *text)
{
    struct weir_server *s = user;

    weir_log(s->weir, WEIR_LOG_WARNING, "vfio-user", "%s: %s", s->listener.path, text);
}

static const struct weir_vfu_server_ops server_ops = {
    .num_regions = WEIR_N_REGIONS,
    .num_irqs = WEIR_N_IRQS,
    .region = do_region,
    .irqs = do_irqs,
    .read = do_read,
    .write = do_write,
    .dma_map = do_dma_map,
    .dma_unmap = do_dma_unmap,
    .irq_set = do_irq_set,
    .irq_trigger = do_irq_trigger,
    .irq_mask = do_irq_mask,
    .irq_unmask_fd = do_irq_unmask_fd,
    .reset = do_reset,
    .note = do_note,
};

/* Memory that came without a descriptor. Called in a step, never in a region access. */
static int dma_by_message(void *user, uint64_t iova, void *buf, size_t len, bool write)
{
    struct weir_server *s = user;

    if (!s->session)
        return -ENOTCONN;
    if (!len)
        return weir_vfu_session_settle(s->session);
    s->slow = true;
    return weir_vfu_session_dma(s->session, iova, buf, len, write);
}

/* Clients coming and going */

static void drop_client(struct weir_server *s)
{
    const char *why = weir_vfu_session_why(s->session);

    if (!*why)
        why = "its server ends";
    if (weir_vfu_session_open(s->session)) {
        /* First nothing moves any more, then its memory and descriptors go. */
        weir_model_reset(s->model);
        for (unsigned i = 0; i < WEIR_N_IRQS; i++) {
            weir_model_irq_set(s->model, (enum weir_irq_index)i, 0, 0, NULL);
            close_irqs(s, i, 0, weir_model_irqs(s->model, (enum weir_irq_index)i));
        }
        if (s->unmask_fd >= 0)
            close(s->unmask_fd);
        s->unmask_fd = -1;
        weir_client_memory_clear(s->memory);
        weir_log(s->weir, WEIR_LOG_INFO, "vfio-user", "%s: the client is gone: %s",
                 s->listener.path, why);
    } else {
        weir_log(s->weir, WEIR_LOG_DEBUG, "vfio-user", "%s: a connection came to nothing: %s",
                 s->listener.path, why);
    }
    weir_vfu_session_free(s->session);
    s->session = NULL;
    s->slow = false;
}

/* Serve what the client sent. @return messages */
static unsigned serve(struct weir_server *s)
{
    if (!s->session)
        return 0;
    bool was_open = weir_vfu_session_open(s->session);
    int n = weir_vfu_session_run(s->session, MESSAGES);
    if (!was_open && weir_vfu_session_open(s->session))
        weir_log(s->weir, WEIR_LOG_INFO, "vfio-user", "%s: a client is here", s->listener.path);
    if (n >= 0)
        return (unsigned)n;
    drop_client(s);
    return 1;
}

/* Has the client gone, though messages of its may be left? */
static bool client_leaves(const struct weir_server *s)
{
    struct pollfd p = {.fd = weir_vfu_session_fd(s->session), .events = POLLRDHUP};

    return poll(&p, 1, 0) == 1 && p.revents;
}

static void refuse(struct weir_server *s, unsigned i, bool now)
{
    if (!weir_vfu_refuse(s->refused[i].fd)) {
        if (!now)
            return;
        close(s->refused[i].fd);
    }
    s->refused[i] = s->refused[--s->n_refused];
}

static void accept_clients(struct weir_server *s)
{
    /* Who connects without end is not to hold up the client that is served. */
    for (unsigned i = 0; i < MAX_REFUSED; i++) {
        /* One that just went is not to keep the next from coming in. */
        if (s->session && client_leaves(s))
            return;
        /* cppcheck-suppress nullPointer ; who comes need not be told */
        int fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS)
                return;
            if (!s->no_accept)
                weir_log(s->weir, WEIR_LOG_WARNING, "vfio-user",
                         "%s: a client cannot be let in: %s", s->listener.path, strerror(errno));
            s->no_accept = weir_now_ns() + LOOK_NS;
            return;
        }
        s->no_accept = 0;
        if (!s->session) {
            int r = weir_vfu_session_new(fd, &server_ops, s, NULL, &s->session);
            if (r)
                weir_log(s->weir, WEIR_LOG_WARNING, "vfio-user",
                         "%s: a client cannot be let in: %s", s->listener.path, strerror(-r));
            else
                serve(s);
            continue;
        }
        if (s->n_refused == MAX_REFUSED)
            refuse(s, 0, true);
        s->refused[s->n_refused++] = (struct refused){fd, weir_now_ns() + REFUSE_NS};
    }
}

static void read_unmask(struct weir_server *s)
{
    uint64_t count;
    struct iovec iov = {&count, sizeof(count)};

    /* The client shares this descriptor, and what is blocking in it: a plain read() could wait. */
    if (preadv2(s->unmask_fd, &iov, 1, -1, RWF_NOWAIT) < 0 && errno != EAGAIN && errno != EINTR) {
        close(s->unmask_fd);
        s->unmask_fd = -1;
        return;
    }
    weir_model_irq_mask(s->model, WEIR_IRQ_INTX, 0, 1, false);
}

/* The loop */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Until when to sleep, if nothing happens. */
static uint64_t next_deadline(struct weir_server *s, uint64_t now, uint64_t end)
{
    uint64_t until = end, due = weir_model_deadline(s->model);

    if (due > now)
        s->due_for_naught = 0;
    else if (s->due_for_naught++ > 64)
        due = now + PAUSE_NS;
    until = earlier(until, due);
    if (s->session)
        until = earlier(
            until, weir_vfu_session_ready(s->session) ? 0 : weir_vfu_session_deadline(s->session));
    for (unsigned i = 0; i < s->n_refused; i++)
        until = earlier(until, s->refused[i].until);
    if (s->no_accept > now)
        until = earlier(until, s->no_accept);
    if (s->wires_quiet > now)
        until = earlier(until, s->wires_quiet);
    return until;
}

/* Wait for something to do, or only look if until is past. 0 or -errno. */
static int look(struct weir_server *s, uint64_t now, uint64_t until)
{
    enum { WAKE, LISTEN, SESSION, UNMASK, REFUSED, WIRES = REFUSED + MAX_REFUSED };
    struct pollfd p[WIRES + MAX_WIRE_FDS];
    int wires[MAX_WIRE_FDS] = {0};
    unsigned n_wires = 0;

    for (unsigned i = 0; i < WIRES; i++)
        p[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    p[WAKE].fd = s->wake_fd;
    if (s->no_accept <= now)
        p[LISTEN].fd = s->listener.fd;
    if (s->session) {
        p[SESSION].fd = weir_vfu_session_fd(s->session);
        p[SESSION].events = weir_vfu_session_events(s->session);
    }
    p[UNMASK].fd = s->unmask_fd;
    for (unsigned i = 0; i < s->n_refused; i++)
        p[REFUSED + i].fd = s->refused[i].fd;
    /* Asked each time: a wire's descriptor comes and goes with what is behind it. */
    if (s->wires_quiet <= now)
        n_wires = weir_model_fds(s->model, wires, MAX_WIRE_FDS);
    for (unsigned i = 0; i < n_wires; i++)
        p[WIRES + i] = (struct pollfd){.fd = wires[i], .events = POLLIN};

    uint64_t left = until > now ? until - now : 0;
    struct timespec ts = {
        .tv_sec = (time_t)(left / 1000000000u),
        .tv_nsec = (long)(left % 1000000000u),
    };
    int n = ppoll(p, WIRES + n_wires, until == UINT64_MAX ? NULL : &ts, NULL);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;

    bool wire_ready = false, slept = weir_now_ns() - now > SLEPT_NS;
    now = weir_now_ns();
    s->looked = now;
    for (unsigned i = 0; i < n_wires; i++)
        wire_ready |= p[WIRES + i].revents != 0;
    /* Ready again and again, at once, and never any work: the model has no room for its frames, or
     * what is behind it has gone. Once may be a wake-up that was overtaken. */
    s->wires_for_naught = wire_ready && !slept ? s->wires_for_naught + 1 : 0;
    if (s->wires_for_naught > 3)
        s->wires_quiet = now + STUCK_NS;
    if (p[UNMASK].revents && s->unmask_fd >= 0)
        read_unmask(s);
    for (unsigned i = s->n_refused; i-- > 0;)
        if (p[REFUSED + i].revents || s->refused[i].until <= now)
            refuse(s, i, s->refused[i].until <= now);
    if (p[LISTEN].revents)
        accept_clients(s);
    return 0;
}

int weir_server_run(struct weir_server *s, int timeout_ms, struct weir_error *e)
{
    uint64_t now = weir_now_ns();
    uint64_t end = timeout_ms < 0 ? UINT64_MAX : now + (uint64_t)timeout_ms * 1000000u;

    for (;;) {
        unsigned work = serve(s);
        work += weir_model_step(s->model, s->slow ? SLOW_STEP : STEP);
        now = weir_now_ns();
        if (atomic_load_explicit(&s->wake, memory_order_acquire)) {
            uint64_t count;
            atomic_store(&s->wake, false);
            (void)!read(s->wake_fd, &count, sizeof(count));
            return 0;
        }
        bool over = now >= end;
        if (over && (work || timeout_ms) && now - s->looked < LOOK_NS)
            return 0;

        bool look_only = over;
        if (work) {
            s->wires_quiet = 0;
            s->wires_for_naught = s->due_for_naught = 0;
            look_only |= now - s->looked >= LOOK_NS;
            if (!look_only)
                continue;
        }
        /* No spinning before sleep: measured with two models and a forwarder on two cores, 20 us of
         * it cost a quarter of the frames. */
        int r = look(s, now, look_only ? 0 : next_deadline(s, now, end));
        if (r)
            return weir_fail(e, r, "server-poll", "serve %s\nppoll: %s\n", s->listener.path,
                             strerror(-r));
        if (over)
            return 0;
    }
}

void weir_server_wake(struct weir_server *s)
{
    int saved = errno;

    atomic_store(&s->wake, true);
    (void)!write(s->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    errno = saved; /* for signal handlers */
}

static void server_free(struct weir_object *o)
{
    weir_server_free((struct weir_server *)((char *)o - offsetof(struct weir_server, object)));
}

static void release(struct weir_server *s)
{
    for (unsigned i = 0; i < WEIR_N_IRQS; i++)
        free(s->irq_fds[i]);
    if (s->wake_fd >= 0)
        close(s->wake_fd);
    weir_client_memory_free(s->memory);
    free(s);
}

struct weir_server *weir_server_new(struct weir_model *m, const char *path, struct weir_error *e)
{
    struct weir_server *s = calloc(1, sizeof(*s));
    bool ok = s != NULL;

    if (s) {
        s->weir = weir_model_instance(m);
        s->model = m;
        s->unmask_fd = -1;
        s->wake_fd = -1;
        s->memory = weir_client_memory_new(s->weir, dma_by_message, s);
        ok = s->memory != NULL;
    }
    for (unsigned i = 0; ok && i < WEIR_N_IRQS; i++) {
        unsigned n = weir_model_irqs(m, (enum weir_irq_index)i);
        s->irq_fds[i] = malloc((n ? n : 1) * sizeof(int));
        ok = s->irq_fds[i] != NULL;
        if (ok)
            memset(s->irq_fds[i], 0xff, n * sizeof(int));
    }
    if (!ok) {
        weir_fail(e, -ENOMEM, "no-memory", "serve a model on %s\nout of memory\n", path);
        if (s)
            release(s);
        return NULL;
    }
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake_fd < 0) {
        weir_fail(e, -errno, "no-descriptors",
                  "serve a model on %s\neventfd: %s\nraise the limit of open files (ulimit -n)",
                  path, strerror(errno));
        release(s);
        return NULL;
    }
    if (weir_model_attach(m, weir_client_memory_siommu(s->memory), true, e)) {
        release(s);
        return NULL;
    }
    if (weir_vfu_listen(&s->listener, path, e)) {
        weir_model_detach(m);
        release(s);
        return NULL;
    }
    weir_object_add(s->weir, &s->object, WEIR_RANK_SERVER, server_free);
    weir_log(s->weir, WEIR_LOG_INFO, "vfio-user", "serving a %s on %s", weir_model_ops(m)->name,
             path);
    return s;
}

void weir_server_free(struct weir_server *s)
{
    if (!s)
        return;
    weir_object_remove(&s->object);
    if (s->session)
        drop_client(s);
    while (s->n_refused)
        refuse(s, 0, true);
    weir_vfu_unlisten(&s->listener);
    weir_model_detach(s->model);
    release(s);
}
