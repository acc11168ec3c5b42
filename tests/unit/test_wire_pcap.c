/* SPDX-License-Identifier: BSD-3-Clause */
/* Capture files in and out, under a clock that the test turns. */
#include "wire_case.h"
#include <pcap/pcap.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define S 1000000000ull

static uint64_t now = 7 * S;
static char dir[] = "/tmp/weir-test-pcap-XXXXXX";
static char in[64], out[64], spec[256];

int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    (void)id;
    t->tv_sec = (time_t)(now / S);
    t->tv_nsec = (long)(now % S);
    return 0;
}

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(in, sizeof in, "%s/in.pcap", dir);
    snprintf(out, sizeof out, "%s/out.pcap", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(in);
    unlink(out);
    return rmdir(dir);
}

struct record {
    uint32_t len, cut; /* captured: len - cut bytes */
    uint64_t at;
};

static void write_pcap(int link_type, int precision, const struct record *r, unsigned n)
{
    pcap_t *p = pcap_open_dead_with_tstamp_precision(link_type, 262144, (u_int)precision);
    pcap_dumper_t *d = pcap_dump_open(p, in);
    static uint8_t f[20000];

    assert_non_null(d);
    for (unsigned i = 0; i < n; i++) {
        struct pcap_pkthdr h = {.caplen = r[i].len - r[i].cut, .len = r[i].len};
        h.ts.tv_sec = (time_t)(r[i].at / S);
        h.ts.tv_usec =
            (suseconds_t)(r[i].at % S / (precision == PCAP_TSTAMP_PRECISION_NANO ? 1 : 1000));
        wire_case_frame(f, r[i].len, i);
        pcap_dump((u_char *)d, &h, f);
    }
    pcap_dump_close(d);
    pcap_close(p);
}

/* Each < becomes the input file, each > the output file. */
static const char *spec_of(const char *text)
{
    size_t used = 0;

    for (; *text && used < sizeof spec - sizeof in; text++)
        used += (size_t)snprintf(spec + used, sizeof spec - used, "%.*s",
                                 *text == '<' || *text == '>' ? (int)sizeof in : 1,
                                 *text == '<'   ? in
                                 : *text == '>' ? out
                                                : text);
    return spec;
}

static void frames_come_as_they_stand_in_the_file(void **state)
{
    static const struct record r[] = {{60, 0, 0},   {1514, 0, 9},      {42, 0, 3}, {61, 0, 100},
                                      {9018, 0, 1}, {15872, 0, 5 * S}, {14, 0, 0}};
    struct weir_model_stats s;
    struct weir_wire *wire;
    struct weir_frame got;
    static uint8_t want[16000];

    write_pcap(DLT_EN10MB, PCAP_TSTAMP_PRECISION_MICRO, r, 7);
    wire = wire_case_open(state, spec_of("pcap:in=<"));
    for (unsigned i = 0; i < 7; i++) {
        uint32_t len = r[i].len < 60 ? 60 : r[i].len;
        assert_int_equal(weir_wire_deadline(wire), 0);
        assert_true(weir_wire_rx(wire, &got));
        assert_int_equal(got.len, len);
        memset(want, 0, len);
        wire_case_frame(want, r[i].len, i);
        assert_memory_equal(got.data, want, len);
    }
    assert_false(weir_wire_rx(wire, &got));
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    s = wire_case_stats(wire);
    assert_int_equal(s.rx_frames, 7);
    assert_int_equal(s.rx_pad_bytes, 18 + 46);
    assert_int_equal(s.rx_dropped, 0);
    assert_true(wire_case_send(wire, want, 60)); /* to nobody */
    weir_wire_close(wire);
}

static uint32_t length_of(uint32_t i)
{
    return i == 0 ? 42 : 60 + i * 8;
}

/* The file holds n frames, numbered from 0, 1001 ns apart. */
static void check_out(uint32_t n, uint64_t start)
{
    char err[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *h;
    static uint8_t want[10000];
    const u_char *data;
    uint32_t i = 0;
    pcap_t *p = pcap_open_offline_with_tstamp_precision(out, PCAP_TSTAMP_PRECISION_NANO, err);

    assert_non_null(p);
    assert_int_equal(pcap_datalink(p), DLT_EN10MB);
    while (pcap_next_ex(p, &h, &data) == 1) {
        uint32_t len = length_of(i) < 60 ? 60 : length_of(i);
        memset(want, 0, len);
        wire_case_frame(want, length_of(i), i);
        assert_int_equal(h->len, len);
        assert_int_equal(h->caplen, len);
        assert_memory_equal(data, want, len);
        assert_int_equal((uint64_t)h->ts.tv_sec * S + (uint64_t)h->ts.tv_usec, start + i * 1001);
        i++;
    }
    assert_int_equal(i, n);
    pcap_close(p);
}

static void send_numbered(struct weir_wire *wire, uint32_t i)
{
    static uint8_t f[10000];
    uint32_t len = length_of(i);
    struct iovec pieces[3] = {{f, 14}, {f + 14, 0}, {f + 14, len - 14}}, whole = {f, len};

    wire_case_frame(f, len, i);
    if (i & 1)
        assert_true(weir_wire_tx(wire, pieces, 3, len));
    else
        assert_true(weir_wire_tx(wire, &whole, 1, len));
    now += 1001;
}

static void what_is_sent_is_in_the_file(void **state)
{
    struct weir_wire *wire = wire_case_open(state, spec_of("pcap:out=>"));
    uint64_t start = now;
    struct weir_frame got;

    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    assert_false(weir_wire_rx(wire, &got));
    for (uint32_t i = 0; i < 1000; i++)
        send_numbered(wire, i);
    weir_wire_flush(wire);
    weir_wire_close(wire);
    check_out(1000, start);
}

/* An idle wire writes what it has: whoever watches the file sees it grow. */
static void an_idle_wire_writes_out(void **state)
{
    struct weir_wire *wire = wire_case_open(state, spec_of("pcap:out=>"));
    uint64_t start = now;
    struct weir_frame got;

    send_numbered(wire, 0);
    weir_wire_flush(wire);
    assert_int_equal(weir_wire_deadline(wire), start + S / 10);
    now = start + S / 10;
    assert_false(weir_wire_rx(wire, &got));
    check_out(1, start);
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    now = start + 1001;
    send_numbered(wire, 1);
    now = start + S / 2;
    weir_wire_flush(wire);
    check_out(2, start);
    weir_wire_close(wire);
    check_out(2, start);
}

static void through_two_files_nothing_changes(void **state)
{
    struct record r[300];
    struct weir_wire *wire;
    struct weir_frame got;
    uint64_t start = now;

    for (unsigned i = 0; i < 300; i++)
        r[i] = (struct record){.len = length_of(i), .at = i};
    write_pcap(DLT_EN10MB, PCAP_TSTAMP_PRECISION_NANO, r, 300);
    wire = wire_case_open(state, spec_of("pcap:in=<,out=>,fast"));
    while (weir_wire_rx(wire, &got)) {
        assert_true(wire_case_send(wire, got.data, got.len));
        now += 1001;
    }
    weir_wire_close(wire);
    check_out(300, start);
}

static void the_recorded_pace_is_kept(void **state)
{
    static const struct record r[] = {{60, 0, 100 * S + 7}, {61, 0, 100 * S + 8},
                                      {62, 0, 100 * S + 8}, {63, 0, 102 * S},
                                      {64, 0, 101 * S},     {65, 0, 103 * S}};
    struct weir_wire *wire;
    struct weir_frame got;
    uint64_t start;

    write_pcap(DLT_EN10MB, PCAP_TSTAMP_PRECISION_NANO, r, 6);
    wire = wire_case_open(state, spec_of("pcap:in=<,rate=recorded"));
    now += 3 * S; /* the first is due when it is asked for */
    start = now;
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 60);
    assert_false(weir_wire_rx(wire, &got));
    assert_int_equal(weir_wire_deadline(wire), start + 1);
    now++;
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 61);
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 62);
    assert_false(weir_wire_rx(wire, &got));
    assert_int_equal(weir_wire_deadline(wire), start + 2 * S - 7);
    now = start + 2 * S - 8;
    assert_false(weir_wire_rx(wire, &got));
    now++;
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 63);
    assert_true(weir_wire_rx(wire, &got)); /* a time before that: at once, not out of order */
    assert_int_equal(got.len, 64);
    assert_false(weir_wire_rx(wire, &got));
    now = start + 5 * S;
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 65);
    assert_false(weir_wire_rx(wire, &got));
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    weir_wire_close(wire);
}

static void a_pulled_cable_loses_what_has_a_time(void **state)
{
    static const struct record r[] = {{60, 0, S}, {61, 0, 2 * S}, {62, 0, 3 * S}, {63, 0, 9 * S}};
    struct weir_wire *wire;
    struct weir_frame got;

    write_pcap(DLT_EN10MB, PCAP_TSTAMP_PRECISION_NANO, r, 4);
    wire = wire_case_open(state, spec_of("pcap:in=<,rate=recorded"));
    assert_true(weir_wire_rx(wire, &got));
    weir_wire_set_link(wire, false);
    now += 3 * S;
    weir_wire_set_link(wire, true);
    assert_false(weir_wire_rx(wire, &got));
    assert_int_equal(wire_case_stats(wire).rx_dropped, 2);
    now += 5 * S;
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 63);
    weir_wire_close(wire);

    wire = wire_case_open(state, spec_of("pcap:in=<"));
    assert_true(weir_wire_rx(wire, &got));
    weir_wire_set_link(wire, false);
    assert_false(weir_wire_rx(wire, &got));
    assert_true(weir_wire_deadline(wire) == UINT64_MAX);
    weir_wire_set_link(wire, true);
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 61);
    weir_wire_close(wire);
}

static void cut_frames_are_left_out_and_told(void **state)
{
    static const struct record r[] = {{60, 0, 0}, {1514, 1418, 0}, {61, 0, 0}, {1514, 1, 0}};
    struct wire_case *c = *state;
    struct weir_wire *wire;
    struct weir_frame got;

    write_pcap(DLT_EN10MB, PCAP_TSTAMP_PRECISION_NANO, r, 4);
    wire = wire_case_open(state, spec_of("pcap:in=<"));
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 60);
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 61);
    assert_false(weir_wire_rx(wire, &got));
    assert_int_equal(wire_case_stats(wire).rx_dropped, 2);
    assert_int_equal(wire_case_stats(wire).rx_frames, 2);
    assert_int_equal(c->warnings, 1);
    assert_non_null(strstr(c->log, "a frame of 1514 bytes was cut to 96"));
    weir_wire_close(wire);
}

static void frames_longer_than_a_wire_carries_are_lost(void **state)
{
    static const struct record r[] = {{15873, 0, 0}, {60, 0, 0}, {10, 0, 0}};
    struct weir_wire *wire;
    struct weir_frame got;

    write_pcap(DLT_EN10MB, PCAP_TSTAMP_PRECISION_NANO, r, 3);
    wire = wire_case_open(state, spec_of("pcap:in=<"));
    assert_true(weir_wire_rx(wire, &got));
    assert_int_equal(got.len, 60);
    assert_false(weir_wire_rx(wire, &got));
    assert_int_equal(wire_case_stats(wire).rx_dropped, 2);
    weir_wire_close(wire);
}

static void a_damaged_file_ends_there(void **state)
{
    static const struct record r[] = {{60, 0, 0}, {61, 0, 0}, {62, 0, 0}};
    struct wire_case *c = *state;
    struct weir_wire *wire;
    struct weir_frame got;

    write_pcap(DLT_EN10MB, PCAP_TSTAMP_PRECISION_NANO, r, 3);
    assert_int_equal(truncate(in, 24 + 16 + 60 + 16 + 61 + 16 + 5), 0);
    wire = wire_case_open(state, spec_of("pcap:in=<"));
    assert_true(weir_wire_rx(wire, &got));
    assert_true(weir_wire_rx(wire, &got));
    assert_false(weir_wire_rx(wire, &got));
    assert_false(weir_wire_rx(wire, &got));
    assert_int_equal(c->warnings, 1);
    assert_non_null(strstr(c->log, "the rest of it is left out"));
    weir_wire_close(wire);
}

static void a_full_disk_is_told_and_counted(void **state)
{
    struct wire_case *c = *state;
    struct weir_wire *wire = wire_case_open(state, "pcap:out=/dev/full");
    struct weir_model_stats s;

    for (uint32_t i = 0; i < 2000; i++)
        send_numbered(wire, i % 1000);
    now += S;
    weir_wire_flush(wire);
    send_numbered(wire, 1);
    s = wire_case_stats(wire);
    assert_int_equal(s.tx_frames, 2001);
    assert_true(s.tx_dropped > 1000);
    assert_true(s.tx_dropped_bytes > s.tx_dropped * 60);
    weir_wire_close(wire);
    assert_int_equal(c->warnings, 1);
    assert_non_null(strstr(c->log, "No space left on device; it is incomplete"));
}

static void what_cannot_be_opened_is_explained(void **state)
{
    static const struct record r[] = {{60, 0, 0}};
    FILE *f;

    wire_case_refused(state, "pcap:", "wire-arg", "neither in nor out");
    wire_case_refused(state, "pcap", "wire-arg", "rate=recorded");
    wire_case_refused(state, "pcap:in=", "wire-arg", "it is empty");
    wire_case_refused(state, "pcap:in=x,rate=5", "wire-arg", "rate is not 'recorded'");
    wire_case_refused(state, "pcap:in=x,rate=recorded,fast", "wire-arg", "exclude");
    wire_case_refused(state, "pcap:out=x,rate=recorded", "wire-arg", "without in");
    wire_case_refused(state, "pcap:file=x", "wire-arg", "in=TEXT, out=TEXT");
    wire_case_refused(state, "pcap:in=/nonexistent.pcap", "pcap-open", "No such file");
    wire_case_refused(state, "pcap:in=/dev/null", "pcap-open", "not a regular file");
    wire_case_refused(state, "pcap:in=/tmp", "pcap-open", "not a regular file");
    wire_case_refused(state, "pcap:out=/tmp", "pcap-open", "not a file");
    wire_case_refused(state, "pcap:out=/nonexistent/x.pcap", "pcap-open", "No such file");
    unlink(out);
    assert_int_equal(mkfifo(out, 0600), 0);
    wire_case_refused(state, spec_of("pcap:in=>"), "pcap-open", "not a regular file");
    wire_case_refused(state, spec_of("pcap:out=>"), "pcap-open", "not a file");
    unlink(out);
    f = fopen(in, "w");
    fputs("this is not a capture, whatever its name says", f);
    fclose(f);
    wire_case_refused(state, spec_of("pcap:in=<"), "pcap-format", "unknown file format");
    assert_int_equal(truncate(in, 0), 0);
    wire_case_refused(state, spec_of("pcap:in=<"), "pcap-format", "truncated");
    write_pcap(DLT_RAW, PCAP_TSTAMP_PRECISION_MICRO, r, 1);
    wire_case_refused(state, spec_of("pcap:in=<"), "pcap-link-type", "RAW, not Ethernet");
    write_pcap(DLT_EN10MB, PCAP_TSTAMP_PRECISION_MICRO, r, 1);
    wire_case_refused(state, spec_of("pcap:in=<,out=<"), "wire-arg", "the same file");
    assert_int_equal(link(in, out), 0);
    wire_case_refused(state, spec_of("pcap:in=<,out=>"), "wire-arg", "the same file");
    unlink(out);
    /* The input is as it was. */
    weir_wire_close(wire_case_open(state, spec_of("pcap:in=<,out=>")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WIRE_CASE(frames_come_as_they_stand_in_the_file),
        WIRE_CASE(what_is_sent_is_in_the_file),
        WIRE_CASE(an_idle_wire_writes_out),
        WIRE_CASE(through_two_files_nothing_changes),
        WIRE_CASE(the_recorded_pace_is_kept),
        WIRE_CASE(a_pulled_cable_loses_what_has_a_time),
        WIRE_CASE(cut_frames_are_left_out_and_told),
        WIRE_CASE(frames_longer_than_a_wire_carries_are_lost),
        WIRE_CASE(a_damaged_file_ends_there),
        WIRE_CASE(a_full_disk_is_told_and_counted),
        WIRE_CASE(what_cannot_be_opened_is_explained),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
