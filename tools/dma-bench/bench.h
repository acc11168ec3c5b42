/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * weir dma-bench: what DMA costs on this machine. bench.c reads the command line and runs the
 * tests, each in a file of its own (map.c, copy.c, channel.c, net.c). They all add rows to one
 * result: a test, the variables it was run with, a metric and the spread of its repetitions.
 * table.c, json.c and html.c show a result, or two side by side.
 */
#ifndef WEIR_TOOLS_DMA_BENCH_H
#define WEIR_TOOLS_DMA_BENCH_H

#include "tools/size.h"
#include "tools/tool.h"

/* What a test may be run with. */
enum bench_var {
    BENCH_PAGE,      /* bytes of the pages behind the memory */
    BENCH_LENGTH,    /* bytes of a mapping, or of a copy */
    BENCH_NODE,      /* NUMA node of the memory */
    BENCH_FRAME,     /* bytes of a frame, without CRC */
    BENCH_RING,      /* descriptors of a ring */
    BENCH_BURST,     /* packets in a call */
    BENCH_FOOTPRINT, /* bytes that the device works on, in turn */
    BENCH_IOTLB,     /* entries of the modelled IOTLB */
    BENCH_VARS,
};

struct bench_var_info {
    const char *name; /* of the option and in results */
    bool bytes;       /* shown as a size */
    const char *help;
    uint64_t min, max;
    const char *list; /* values by default; NULL: as the test sees fit */
};

extern const struct bench_var_info bench_vars[BENCH_VARS];

enum { BENCH_MAX_VALUES = 24 };

struct bench_list {
    uint64_t v[BENCH_MAX_VALUES];
    unsigned n;
};

#define BENCH_NONE UINT64_MAX /* a variable that a test does not have */

struct bench_row {
    char test[24];   /* "map", "copy", "throughput", ... */
    char target[96]; /* of what: a device, a kind of space */
    char metric[24];
    char unit[12];
    bool higher; /* is better */
    uint64_t var[BENCH_VARS];
    unsigned n; /* samples */
    double median, q1, q3, min, max;
};

struct bench_result {
    char version[24], machine[160], when[32];
    struct bench_row *rows;
    size_t n_rows, cap_rows;
    char **notes; /* what could not be measured, and why */
    size_t n_notes;
};

struct bench {
    struct bench_list list[BENCH_VARS];
    bool given[BENCH_VARS]; /* on the command line */
    unsigned reps;
    uint64_t time_ns; /* of a repetition */
    char **devices;
    unsigned n_devices;
    bool by_default;    /* nobody named them */
    unsigned iova_bits; /* of the device that memory is made for; 0: as usual */
    bool interactive;   /* progress goes to a terminal */
    bool failed;        /* a device is not there, or data was not what it should be */
    unsigned step, steps;
    struct bench_result result;
    uint64_t seed;
};

/* Value number i of a list; BENCH_NONE of one without any. */
uint64_t bench_value(const struct bench *b, enum bench_var v, unsigned i);

uint64_t bench_now(void);                /* ns */
void *bench_alloc(void *p, size_t size); /* realloc() that does not fail: the command ends */

/* What is being measured, on a terminal. */
void bench_progress(struct bench *b, const char *fmt, ...) WEIR_PRINTF(2, 3);
/* A note that makes the command fail. */
void bench_fail(struct bench *b, const char *fmt, ...) WEIR_PRINTF(2, 3);
/* Something that could not be measured. The same text is kept once. */
void bench_note(struct bench_result *r, const char *fmt, ...) WEIR_PRINTF(2, 3);
/* One with the reason that the library gives. */
void bench_note_error(struct bench *b, const char *what, const struct weir_error *e);

/* A row without variables, to be filled. */
struct bench_row bench_row(const char *test, const char *target, const char *metric,
                           const char *unit, bool higher);
/* Add row with the spread of n > 0 samples, which are sorted for it. */
void bench_add(struct bench *b, struct bench_row row, double *samples, unsigned n);
struct bench_row *bench_push(struct bench_result *r);

/* "page 2M, frame 64", of the variables that the row has. */
const char *bench_vars_text(const uint64_t var[BENCH_VARS], char *out, size_t size);
const char *bench_value_text(enum bench_var var, uint64_t value, char *out); /* SIZE_TEXT bytes */

/* An instance and an arena in pages of that size, on that node (BENCH_NONE: any). NULL after a
 * note. */
struct weir *bench_instance(struct bench *b);
struct weir_arena *bench_arena(struct bench *b, struct weir *w, uint64_t bytes, uint64_t page,
                               uint64_t node, struct weir_space *space);

/* The tests. */
void bench_map(struct bench *b);
void bench_copy(struct bench *b);
void bench_channel(struct bench *b, const char *device, bool throughput, bool latency);
void bench_net(struct bench *b, const char *device, bool throughput, bool latency, bool iotlb);

/* Output; FILE "-" is standard output. 0, or 1 after saying what went wrong. */
void bench_table(const struct bench_result *r, FILE *f);
void bench_csv(const struct bench_result *r, FILE *f);
void bench_json(const struct bench_result *r, FILE *f);
void bench_html(const struct bench_result *const *r, const char *const *names, unsigned n, FILE *f);
int bench_svg_files(const struct bench_result *r, const char *folder);

/* Read what bench_json() wrote; trusts nothing of it. 0, or 1 after saying what is wrong. */
int bench_load(const char *path, struct bench_result *out);
void bench_compare(const struct bench_result *a, const struct bench_result *b, const char *name_a,
                   const char *name_b, FILE *f);
/* The row of r that measures the same as row, or NULL. */
const struct bench_row *bench_find(const struct bench_result *r, const struct bench_row *row);
/* Do the quartiles of two rows leave a gap? */
bool bench_differ(const struct bench_row *a, const struct bench_row *b);
void bench_result_free(struct bench_result *r);

#endif
