/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <weir/error.h>

static void three_lines_go_to_three_fields(void **state)
{
    struct weir_error e;
    (void)state;
    assert_int_equal(weir_fail(&e, -ENOENT, "no-thing", "open %s\nit is %d\nmake %s", "x", 7, "it"),
                     -ENOENT);
    assert_int_equal(e.err, -ENOENT);
    assert_string_equal(e.code, "no-thing");
    assert_string_equal(e.what, "open x");
    assert_string_equal(e.why, "it is 7");
    assert_string_equal(e.fix, "make it");
}

static void missing_lines_are_empty_and_null_is_fine(void **state)
{
    struct weir_error e;
    (void)state;
    memset(&e, 0x5a, sizeof e);
    weir_fail(&e, -EIO, "c", "only what");
    assert_string_equal(e.what, "only what");
    assert_string_equal(e.why, "");
    assert_string_equal(e.fix, "");
    assert_int_equal(weir_fail(NULL, -EIO, "c", "x"), -EIO);
}

static void long_text_is_cut_not_overrun(void **state)
{
    struct weir_error e;
    char big[4096];
    (void)state;
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    weir_fail(&e, -EIO, "c", "%.300s\n%.500s\n%s", big, big, big);
    assert_int_equal(strlen(e.what), sizeof e.what - 1);
    assert_int_equal(strlen(e.why), sizeof e.why - 1);
    assert_true(strlen(e.fix) < sizeof e.fix);
}

static void peer_text_becomes_printable(void **state)
{
    char out[8];
    (void)state;
    assert_string_equal(weir_printable(out, sizeof out, "a\nb\x1b[2Jlong", 12), "a?b?[2J");
    assert_string_equal(weir_printable(out, sizeof out, "ab\0cd", 5), "ab");
    assert_string_equal(weir_printable(out, 1, "ab", 2), "");
}

static void print_shows_what_why_and_fix(void **state)
{
    struct weir_error e;
    char text[512] = "";
    FILE *f = fmemopen(text, sizeof text, "w");
    (void)state;
    weir_fail(&e, -ENOENT, "c", "open x\nit is not there\nmake it");
    weir_error_print(&e, f);
    weir_fail(&e, -ENOENT, "c", "open y");
    weir_error_print(&e, f);
    fclose(f);
    assert_string_equal(
        text, "open x: it is not there\n  try: make it\nopen y: No such file or directory\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_lines_go_to_three_fields),
        cmocka_unit_test(missing_lines_are_empty_and_null_is_fine),
        cmocka_unit_test(long_text_is_cut_not_overrun),
        cmocka_unit_test(peer_text_becomes_printable),
        cmocka_unit_test(print_shows_what_why_and_fix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
