/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames from a capture file, and into one, through libpcap: pcap and pcapng are read, pcap with
 * nanoseconds is written. Files are streamed. */
#include "lib/core/clock.h"
#include "lib/core/instance.h"
#include "lib/model/wires.h"
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_S    1000000000u
#define WRITE_EVERY (NS_PER_S / 10) /* how long what was written may stay in the buffer */

struct pcap_wire {
    struct weir *w;
    char *in_name, *out_name;
    /* in */
    pcap_t *in; /* NULL: none, or it ended */
    bool paced, pulled;
    uint64_t start;                /* when the first frame was due */
    uint64_t first, due;           /* times in the file: the first frame's, and the waiting one's */
    const struct pcap_pkthdr *hdr; /* the frame that waits for its time, or NULL */
    const u_char *data;
    uint64_t truncated;
    /* out */
    pcap_t *shape;
    pcap_dumper_t *out;
    bool dirty, broken;
    uint64_t written_at;
    uint64_t dropped, dropped_bytes;
    uint8_t frame[WEIR_WIRE_MAX_FRAME];
};

static int open_in(struct pcap_wire *p, struct weir_error *e)
{
    char err[PCAP_ERRBUF_SIZE] = "", why[PCAP_ERRBUF_SIZE];
    struct stat st;
    int fd;
    FILE *f;

    /* A pipe could block the model; opening it already would. */
    fd = open(p->in_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return weir_fail(e, -errno, "pcap-open",
                         "open capture %s\n%s\nname a file that you may "
                         "read",
                         p->in_name, strerror(errno));
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return weir_fail(e, -EINVAL, "pcap-open",
                         "open capture %s\nit is not a regular file\nsave the capture to a file "
                         "first",
                         p->in_name);
    }
    f = fdopen(fd, "rb");
    if (!f) {
        close(fd);
        return weir_fail(e, -ENOMEM, "no-memory", "open capture %s\nout of memory", p->in_name);
    }
    p->in = pcap_fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, err);
    if (!p->in) {
        fclose(f);
        return weir_fail(e, -EINVAL, "pcap-format",
                         "open capture %s\n%s\n`file` tells what it is; `editcap` makes a pcap of "
                         "most captures",
                         p->in_name, weir_printable(why, sizeof why, err, strlen(err)));
    }
    if (pcap_datalink(p->in) != DLT_EN10MB) {
        const char *type = pcap_datalink_val_to_name(pcap_datalink(p->in));
        return weir_fail(e, -EINVAL, "pcap-link-type",
                         "open capture %s\nits frames are %s, not Ethernet (EN10MB)\ncapture on an "
                         "Ethernet interface",
                         p->in_name, type ? type : "of an unknown type");
    }
    return 0;
}

static int open_out(struct pcap_wire *p, struct weir_error *e)
{
    struct stat in, out;
    FILE *f;

    if (!stat(p->out_name, &out)) {
        if (S_ISFIFO(out.st_mode) || S_ISSOCK(out.st_mode) || S_ISDIR(out.st_mode))
            return weir_fail(e, -EINVAL, "pcap-open",
                             "write capture %s\nit is not a file\nname a file", p->out_name);
        if (p->in && !fstat(fileno(pcap_file(p->in)), &in) && in.st_dev == out.st_dev &&
            in.st_ino == out.st_ino)
            return weir_fail(e, -EINVAL, "wire-arg",
                             "open a wire of kind pcap\nin and out are the same file, %s\nname "
                             "another file to write to",
                             p->out_name);
    }
    p->shape = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, 65535, PCAP_TSTAMP_PRECISION_NANO);
    if (!p->shape)
        return weir_fail(e, -ENOMEM, "no-memory", "write capture %s\nout of memory", p->out_name);
    f = fopen(p->out_name, "wbe");
    if (!f)
        return weir_fail(e, -errno, "pcap-open",
                         "write capture %s\n%s\nname a file in a folder you may write to",
                         p->out_name, strerror(errno));
    p->out = pcap_dump_fopen(p->shape, f);
    if (!p->out) {
        fclose(f);
        return weir_fail(e, -EIO, "pcap-open", "write capture %s\nits header could not be written",
                         p->out_name);
    }
    return 0;
}

static void tell_broken(struct pcap_wire *p)
{
    if (!p->broken)
        weir_log(p->w, WEIR_LOG_ERROR, "wire", "write capture %s: %s; it is incomplete",
                 p->out_name, strerror(errno));
    p->broken = true;
}

static void write_out(struct pcap_wire *p)
{
    if (pcap_dump_flush(p->out))
        tell_broken(p);
    p->dirty = false;
}

static void pcap_wire_close(void *priv)
{
    struct pcap_wire *p = priv;

    if (p->out) {
        write_out(p);
        pcap_dump_close(p->out);
    }
    if (p->shape)
        pcap_close(p->shape);
    if (p->in)
        pcap_close(p->in);
    free(p->in_name);
    free(p->out_name);
    free(p);
}

static int set_rate(struct pcap_wire *p, const char *rate, bool fast, struct weir_error *e)
{
    const char *why = NULL;

    if (!p->in_name && !p->out_name)
        why = "neither in nor out is given";
    else if (rate && fast)
        why = "fast and rate exclude each other";
    else if (rate && strcmp(rate, "recorded"))
        why = "rate is not 'recorded'";
    else if (rate && !p->in_name)
        why = "rate is of no use without in";
    p->paced = rate != NULL;
    if (!why)
        return 0;
    return weir_fail(e, -EINVAL, "wire-arg",
                     "open a wire of kind pcap\n%s\narguments of pcap: in=FILE, out=FILE, "
                     "rate=recorded (at the pace of the timestamps), fast (the default)",
                     why);
}

static int pcap_wire_open(struct weir *w, const char *args, void **priv, struct weir_error *e)
{
    struct pcap_wire *p = calloc(1, sizeof *p);
    char *rate = NULL;
    bool fast = false;
    int err;

    if (!p)
        return weir_fail(e, -ENOMEM, "no-memory", "open a pcap wire\nout of memory");
    const struct weir_arg table[] = {
        {"in", WEIR_ARG_TEXT, &p->in_name, 0, 0},
        {"out", WEIR_ARG_TEXT, &p->out_name, 0, 0},
        {"rate", WEIR_ARG_TEXT, &rate, 0, 0},
        {"fast", WEIR_ARG_FLAG, &fast, 0, 0},
    };
    p->w = w;
    err = weir_args_parse("pcap", args, table, sizeof table / sizeof table[0], e);
    if (!err)
        err = set_rate(p, rate, fast, e);
    free(rate);
    if (!err && p->in_name)
        err = open_in(p, e);
    if (!err && p->out_name)
        err = open_out(p, e);
    if (err) {
        pcap_wire_close(p);
        return err;
    }
    *priv = p;
    return 0;
}

static void end_in(struct pcap_wire *p)
{
    pcap_close(p->in);
    p->in = NULL;
    p->hdr = NULL;
}

/* Read the next whole frame. */
static bool read_frame(struct pcap_wire *p)
{
    char why[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *hdr;
    uint64_t at;
    int got;

    while ((got = pcap_next_ex(p->in, &hdr, &p->data)) == 1) {
        if (hdr->caplen < hdr->len) {
            if (!p->truncated++)
                weir_log(p->w, WEIR_LOG_WARNING, "wire",
                         "capture %s: a frame of %u bytes was cut to %u when it was captured; it "
                         "and others like it are left out (capture with -s 0)",
                         p->in_name, hdr->len, hdr->caplen);
            continue;
        }
        /* The precision asked for: tv_usec holds nanoseconds. */
        at = (uint64_t)hdr->ts.tv_sec * NS_PER_S + (uint64_t)hdr->ts.tv_usec;
        if (!p->start) {
            p->start = weir_now_ns();
            p->first = at;
        }
        /* A clock that was set back during the capture does not stop the replay. */
        p->due = p->start + (at > p->first ? at - p->first : 0);
        p->hdr = hdr;
        return true;
    }
    if (got == PCAP_ERROR) {
        const char *text = pcap_geterr(p->in);
        weir_log(p->w, WEIR_LOG_ERROR, "wire", "capture %s: %s; the rest of it is left out",
                 p->in_name, weir_printable(why, sizeof why, text, strlen(text)));
    }
    end_in(p);
    return false;
}

static void write_if_old(struct pcap_wire *p)
{
    if (p->dirty && weir_now_ns() - p->written_at >= WRITE_EVERY)
        write_out(p);
}

static bool pcap_wire_rx(void *priv, struct weir_frame *frame)
{
    struct pcap_wire *p = priv;

    write_if_old(p);
    if (!p->in || (p->pulled && !p->paced)) /* nobody pulls frames from a pulled cable */
        return false;
    if (!p->hdr && !read_frame(p))
        return false;
    if (p->paced && p->due > weir_now_ns())
        return false;
    *frame = (struct weir_frame){p->data, p->hdr->caplen};
    p->hdr = NULL;
    return true;
}

static bool pcap_wire_tx(void *priv, const struct iovec *iov, unsigned n, uint32_t len)
{
    struct pcap_wire *p = priv;
    struct pcap_pkthdr hdr = {.caplen = len, .len = len};
    const uint8_t *data = iov[0].iov_base;
    struct timespec now;
    uint8_t *to = p->frame;

    if (!p->out)
        return true; /* sent, to nobody */
    if (p->broken) {
        p->dropped++;
        p->dropped_bytes += len;
        return true;
    }
    if (n > 1) {
        for (unsigned i = 0; i < n; i++) {
            if (iov[i].iov_len)
                memcpy(to, iov[i].iov_base, iov[i].iov_len);
            to += iov[i].iov_len;
        }
        data = p->frame;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    hdr.ts.tv_sec = now.tv_sec;
    hdr.ts.tv_usec = now.tv_nsec;
    pcap_dump((u_char *)p->out, &hdr, data);
    if (ferror(pcap_dump_file(p->out)))
        tell_broken(p);
    if (!p->dirty)
        p->written_at = weir_now_ns();
    p->dirty = true;
    return true;
}

static void pcap_wire_flush(void *priv)
{
    write_if_old(priv);
}

static uint64_t pcap_wire_deadline(void *priv)
{
    const struct pcap_wire *p = priv;
    uint64_t at = p->dirty ? p->written_at + WRITE_EVERY : UINT64_MAX;

    if (!p->in)
        return at;
    if (!p->paced || !p->hdr)
        return 0;
    return p->due < at ? p->due : at;
}

static void pcap_wire_set_link(void *priv, bool up)
{
    ((struct pcap_wire *)priv)->pulled = !up;
}

static void pcap_wire_stats(void *priv, struct weir_model_stats *sum)
{
    const struct pcap_wire *p = priv;

    sum->rx_dropped += p->truncated;
    sum->tx_dropped += p->dropped;
    sum->tx_dropped_bytes += p->dropped_bytes;
}

const struct weir_wire_ops weir_wire_pcap = {
    .kind = "pcap",
    .help = "in=FILE,out=FILE[,rate=recorded]",
    .open = pcap_wire_open,
    .close = pcap_wire_close,
    .rx = pcap_wire_rx,
    .tx = pcap_wire_tx,
    .flush = pcap_wire_flush,
    .deadline = pcap_wire_deadline,
    .set_link = pcap_wire_set_link,
    .stats = pcap_wire_stats,
};
