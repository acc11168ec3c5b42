/* SPDX-License-Identifier: BSD-3-Clause */
/* The NVM: word reads through EERD, and the checksum that says whether it can be believed. */
#include "x540.h"
#include <errno.h>

#define WORD_US  20000
#define TOTAL_US 2000000

/* Pointers to the sections that the checksum covers; those to the PHY's configuration (4) and the
 * expansion ROM (5) are not among them. */
#define FIRST_POINTER 0x3
#define LAST_POINTER  0xe

static bool read_word(const struct x540 *x, uint32_t word, uint16_t *out)
{
    x540_write(x, X540_EERD, weir_field_set(X540_EERD_START, X540_EERD_ADDR, word));
    if (!x540_wait(x, X540_EERD, X540_EERD_DONE, X540_EERD_DONE, WORD_US))
        return false;
    *out = (uint16_t)weir_field_get(x540_read(x, X540_EERD), X540_EERD_DATA);
    return true;
}

/* Add words first to first + n - 1 to *sum. */
static bool add_words(const struct x540 *x, uint32_t first, uint32_t n, uint64_t end, uint16_t *sum)
{
    uint16_t word;

    for (uint32_t i = first; i < first + n; i++) {
        if (x540_now_us() >= end || !read_word(x, i, &word))
            return false;
        *sum = (uint16_t)(*sum + word);
    }
    return true;
}

/* A section starts with its length. Pointers and lengths that make no sense mean that there is
 * none. */
static bool add_section(const struct x540 *x, uint32_t at, uint32_t words, uint64_t end,
                        uint16_t *sum)
{
    uint16_t pointer, len;

    if (!read_word(x, at, &pointer))
        return false;
    if (pointer == 0 || pointer == 0xffff || pointer >= words)
        return true;
    if (!read_word(x, pointer, &len))
        return false;
    if (len == 0 || len == 0xffff || pointer + len >= words)
        return true;
    return add_words(x, pointer + 1u, len, end, sum);
}

int x540_nvm_check(struct x540 *x, struct weir_error *e)
{
    uint32_t size = weir_field_get(x540_read(x, X540_EEC), X540_EEC_SIZE);
    uint32_t words = size < 8 ? 64u << size : 1u << 14; /* EERD addresses 2^14 */
    uint64_t end = x540_now_us() + TOTAL_US;
    uint16_t sum = 0, stored = 0;
    bool ok;
    int ret = x540_lock(x, X540_SW_FW_SYNC_SW_NVM, e);

    if (ret)
        return ret;
    ok = add_words(x, 0, X540_NVM_CHECKSUM, end, &sum);
    for (uint32_t at = FIRST_POINTER; ok && at <= LAST_POINTER; at++)
        if (at != 4 && at != 5)
            ok = add_section(x, at, words, end, &sum);
    ok = ok && read_word(x, X540_NVM_CHECKSUM, &stored);
    x540_unlock(x, X540_SW_FW_SYNC_SW_NVM);

    if (weir_device_lost(x->device))
        return x540_fail_lost(x, "read the NVM of", e);
    if (!ok)
        return weir_fail(e, -EIO, "x540-nvm-read",
                         "read the NVM of the X540\na word did not arrive within %d ms, or all of "
                         "them within %d ms\nreset the device, or power-cycle it",
                         WORD_US / 1000, TOTAL_US / 1000);
    sum = (uint16_t)(X540_NVM_SUM - sum);
    if (sum != stored)
        return weir_fail(e, -EIO, "x540-nvm-checksum",
                         "check the NVM of the X540\nits checksum is %#06x, %#06x would be right\n"
                         "the NVM is damaged: write it anew with the vendor's tool",
                         stored, sum);
    return 0;
}
