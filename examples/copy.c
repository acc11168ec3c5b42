/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * copy: let a DMA device copy memory, and verify what it did.
 *
 *   copy model:edu                            a software edu device in this process
 *   copy --interrupt vfio-user:/run/edu.sock  one that `weir model edu` serves; sleep until it is
 * done copy --interrupt 0000:01:00.0             QEMU's, in a virtual machine with an IOMMU
 *
 * Prints a line for each thing it verified, then PASS or FAIL. Exits with 0 if all is well, 1 if
 * not, 2 if it was called wrongly.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <weir/weir.h>

#define ROOM    16384 /* of each buffer */
#define GUARD   64    /* bytes on both sides of a destination that must stay as they are */
#define SECONDS 60    /* for one batch of copies */

struct job {
    struct weir *w;
    struct weir_channel *ch;
    struct weir_channel_info info;
    bool in_process; /* a model: device, which works when it is stepped */
    bool interrupt;
    unsigned wakeups;
    struct weir_dma src, dst;
};

/* Lengths around the sizes that matter: bytes, cache lines, edu's buffer and pieces, pages. */
static const uint32_t lengths[] = {1, 63, 64, 4031, 4032, 4033, 4096, 9000};
enum { N_LENGTHS = sizeof lengths / sizeof lengths[0] };

static uint8_t pattern(uint32_t i, uint32_t seed)
{
    return (uint8_t)(i * 31 + (i >> 8) * 7 + seed * 101 + 1);
}

/* Sleep until the device says that there is something to do. */
static int doze(struct job *j, struct weir_error *err)
{
    struct pollfd fds[2] = {{.fd = weir_channel_fd(j->ch), .events = POLLIN},
                            {.fd = weir_event_fd(j->w), .events = POLLIN}};
    struct weir_event ev;
    int now = weir_channel_arm(j->ch, err);

    if (now)
        return now < 0 ? now : 0;
    weir_models_step(j->w, 32); /* in this process nobody else works while it sleeps */
    poll(fds, 2, j->in_process ? 1 : 1000);
    j->wakeups += (fds[0].revents & POLLIN) != 0;
    while (weir_events(j->w, &ev, 1)) /* notices a device that is lost */
        printf("event: %s\n", weir_event_name(ev.type));
    return 0;
}

/* Fetch n copies: in order, and all well. */
static int finish(struct job *j, unsigned n, struct weir_error *err)
{
    const time_t end = time(NULL) + SECONDS;
    struct weir_copy_done done;

    for (unsigned got = 0; got < n;) {
        if (weir_channel_poll(j->ch, &done, 1)) {
            if (done.status || done.cookie != got)
                return weir_fail(err, done.status ? done.status : -EPROTO, "copy-status",
                                 "copy memory\ncopy %u came back as %llu: %s", got,
                                 (unsigned long long)done.cookie, strerror(-done.status));
            got++;
            continue;
        }
        if (time(NULL) > end)
            return weir_fail(err, -ETIMEDOUT, "copy-time",
                             "copy memory\n%u of %u copies were "
                             "done in %d s",
                             got, n, SECONDS);
        if (!j->interrupt)
            weir_models_step(j->w, 32);
        else if (doze(j, err))
            return -1;
    }
    return 0;
}

/* One copy of a length, from and to odd addresses if the device can. */
static int copy_one(struct job *j, uint32_t len, struct weir_error *err)
{
    uint8_t *src = j->src.va, *dst = j->dst.va;
    uint32_t from = j->info.align == 1 ? 3 : 0, to = GUARD + (j->info.align == 1);
    int ret;

    for (uint32_t i = 0; i < ROOM; i++)
        src[i] = pattern(i, len);
    memset(dst, 0xa5, ROOM);
    ret = weir_channel_copy(j->ch, weir_iova_add(j->dst.iova, to), weir_iova_add(j->src.iova, from),
                            len, 0, err);
    if (!ret)
        ret = finish(j, 1, err);
    for (uint32_t i = 0; !ret && i < ROOM; i++) {
        uint8_t want = i >= to && i < to + len ? pattern(i - to + from, len) : 0xa5;
        if (dst[i] != want || src[i] != pattern(i, len))
            ret = weir_fail(err, -EIO, "copy-data",
                            "copy %u bytes\nbyte %u is %#x in the destination, where %#x belongs",
                            len, i, dst[i], want);
    }
    return ret;
}

/* Many at once, each its own piece of the buffers. */
static int copy_many(struct job *j, struct weir_error *err)
{
    enum { N = 8, EACH = ROOM / N };
    int ret = 0;

    for (uint32_t i = 0; i < ROOM; i++)
        ((uint8_t *)j->src.va)[i] = pattern(i, 1);
    memset(j->dst.va, 0, ROOM);
    for (unsigned i = 0; i < N && !ret; i++) /* the last comes first */
        ret = weir_channel_copy(j->ch, weir_iova_add(j->dst.iova, i * EACH),
                                weir_iova_add(j->src.iova, (N - 1 - i) * EACH), EACH, i, err);
    if (!ret)
        ret = finish(j, N, err);
    for (unsigned i = 0; i < N && !ret; i++)
        if (memcmp((uint8_t *)j->dst.va + i * EACH, (uint8_t *)j->src.va + (N - 1 - i) * EACH,
                   EACH))
            ret =
                weir_fail(err, -EIO, "copy-data", "copy %d pieces at once\npiece %u differs", N, i);
    if (!ret)
        printf("ok: %d copies of %d bytes, queued at once\n", N, EACH);
    return ret;
}

/* An address that the device cannot reach must be refused, not cut. */
static int refused(struct job *j, struct weir_error *err)
{
    struct weir_error why;
    int ret;

    if (j->info.iova_bits >= 64)
        return 0;
    ret = weir_channel_copy(j->ch, weir_iova(1ull << j->info.iova_bits), j->src.iova, 64, 0, &why);
    if (ret != -ERANGE)
        return weir_fail(err, -EIO, "copy-width", "copy to IOVA 2^%u\nit was not refused: %d",
                         j->info.iova_bits, ret);
    printf("ok: IOVA 2^%u is refused: %s\n", j->info.iova_bits, why.code);
    return 0;
}

static int run(struct job *j, const char *name, struct weir_error *err)
{
    struct weir_channel_options options = {.size = sizeof options, .use_interrupt = j->interrupt};
    struct weir_arena_options memory = {.size = sizeof memory, .name = "copy", .page = 4096};
    struct weir_device_info device;
    struct weir_space_info space;
    struct weir_arena *arena;

    /* What the device reaches is known once it is open; the memory is made to fit. */
    j->ch = weir_channel_open(j->w, name, &options, err);
    if (!j->ch)
        return -1;
    weir_channel_info(j->ch, &j->info);
    weir_device_info(weir_channel_device(j->ch), &device);
    j->in_process = device.model != NULL;
    printf("%s: %04x:%04x, driver %s, %u address bits, interrupt %s\n", name, device.vendor,
           device.device, j->info.driver, j->info.iova_bits, j->info.interrupt);
    weir_space_info(device.space, &space);
    if (!strcmp(space.kind, "no-iommu")) /* which needs hugepages */
        memory.page = 0;
    memory.bytes = 4 * ROOM;
    memory.iova_bits = j->info.iova_bits;
    memory.spaces = &device.space;
    memory.n_spaces = 1;
    arena = weir_arena_new(j->w, &memory, err);
    if (!arena || weir_arena_map(arena, device.space, WEIR_PROT_RW, err) ||
        weir_dma_alloc(arena, ROOM, 4096, &j->src, err) ||
        weir_dma_alloc(arena, ROOM, 4096, &j->dst, err))
        return -1;
    printf("ok: memory at IOVA %#llx\n", (unsigned long long)j->src.iova.addr);

    for (unsigned i = 0; i < N_LENGTHS; i++) {
        if (copy_one(j, lengths[i], err))
            return -1;
        printf("ok: %u bytes\n", lengths[i]);
    }
    if (copy_many(j, err) || refused(j, err))
        return -1;
    if (j->interrupt && !j->wakeups)
        return weir_fail(err, -EIO, "copy-interrupt",
                         "wait for interrupts\nall was copied, but none of them came");
    if (j->interrupt)
        printf("ok: woken by %u interrupts (%s)\n", j->wakeups, j->info.interrupt);
    weir_channel_close(j->ch); /* before the memory that it copies goes */
    return 0;
}

int main(int argc, char **argv)
{
    struct job j = {.interrupt = argc > 1 && strcmp(argv[1], "--interrupt") == 0};
    const char *name = argv[argc - 1];
    struct weir_error err;
    int failed;

    if (argc != 2 + j.interrupt || name[0] == '-') {
        fprintf(stderr, "usage: copy [--interrupt] DEVICE\n  try: copy model:edu\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    j.w = weir_new(&(struct weir_options){.size = sizeof(struct weir_options),
                                          .log = weir_log_stdio,
                                          .log_level = WEIR_LOG_WARNING},
                   &err);
    failed = !j.w || weir_register_builtin(j.w, &err) || run(&j, name, &err);
    if (failed)
        weir_error_print(&err, stderr);
    weir_free(j.w);
    printf("%s: copy%s %s\n", failed ? "FAIL" : "PASS", j.interrupt ? " --interrupt" : "", name);
    return failed;
}
