/* UTF-8 at the border: decoding against the rules, repairing, cutting, what a terminal may see. */
#include "core/utf8.h"

#include "core/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include <cmocka.h>

static void test_all_code_points(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x110010; c++) {
		char s[4];
		uint32_t back = 0;
		size_t n = utf8_put(c, s);
		const bool scalar = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
		assert_int_equal(n != 0, scalar);
		if (n && (utf8_get(s, n, &back) != n || back != c || utf8_get(s, n - 1, &back) != 0))
			fail_msg("U+%04X", (unsigned)c);
	}
	uint32_t c;
	assert_int_equal(utf8_get("", 0, &c), 0);
}

/* All strings of three bytes (the fourth fixed) against libunistring, which is written by others. */
static void test_against_libunistring(void **state)
{
	(void)state;
	for (uint32_t v = 0; v < 1u << 24; v += (v & 0xff) > 0xc0 || !(v & 0x3f) ? 1 : 7) {
		const char s[4] = { (char)(v >> 16), (char)(v >> 8 & 0xff), (char)(v & 0xff), (char)0x80 };
		const bool ours = utf8_valid(s, 4), theirs = u8_check((const uint8_t *)s, 4) == NULL;
		if (ours != theirs)
			fail_msg("%06x: %d, libunistring %d", (unsigned)v, ours, theirs);
	}
}

static void test_repair(void **state)
{
	(void)state;
	static const struct { const char *in; size_t n; const char *out; } cases[] = {
		{ "abc", 3, "abc" }, { "", 0, "" }, { "\xff", 1, "\xef\xbf\xbd" }, { "a\xd0", 2, "a\xef\xbf\xbd" },
		{ "\xd0\xb6\xd0", 3, "\xd0\xb6\xef\xbf\xbd" }, { "\xe2\x82x", 3, "\xef\xbf\xbd\xef\xbf\xbdx" },
		{ "\xc0\x80", 2, "\xef\xbf\xbd\xef\xbf\xbd" },
	};
	for (size_t i = 0; i < countof(cases); i++) {
		struct buf b;
		buf_init(&b, 100);
		utf8_repair(cases[i].in, cases[i].n, &b);
		assert_string_equal(b.p, cases[i].out);
		assert_true(utf8_valid(b.p, b.len));
		buf_release(&b);
	}
}

static void test_cut(void **state)
{
	(void)state;
	static const char s[] = "a\xd0\xb6\xe2\x82\xac\xf0\x9f\x98\x80";
	static const size_t expected[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10 };
	for (size_t n = 0; n < countof(expected); n++) {
		assert_int_equal(utf8_cut(s, n), expected[n]);
		assert_true(utf8_valid(s, utf8_cut(s, n)));
	}
	assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80", 5), 5); /* no characters at all: left as it is */
}

static void test_cut_cluster(void **state)
{
	(void)state;
	static const struct { const char *s; size_t n, expected; } cases[] = {
		{ "abc", 2, 2 }, { "abc", 9, 3 }, { "abc", 3, 3 }, { "abc", 0, 0 },
		{ "xe\xcc\x81", 2, 1 },                                               /* e + acute */
		{ "x\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd", 5, 1 },                        /* thumb + skin tone */
		{ "x\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", 8, 1 },            /* woman + joiner + laptop */
		{ "x\xe2\x9d\xa4\xef\xb8\x8f", 4, 1 },                                /* heart + variation selector */
		{ "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", 8, 7 },             /* nothing would be left: whole characters */
		{ "ab\xd0\xb6", 3, 2 },
		{ "\xf0\x9f\x87\xb7\xf0\x9f\x87\xba\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa", 12, 8 }, /* two flags */
	};
	for (size_t i = 0; i < countof(cases); i++)
		assert_int_equal(utf8_cut_cluster(cases[i].s, strlen(cases[i].s), cases[i].n), cases[i].expected);
}

static void test_width(void **state)
{
	(void)state;
	assert_int_equal(utf8_width("abc"), 3);
	assert_int_equal(utf8_width("\xd0\xb6\xd0\xb6"), 2);
	assert_int_equal(utf8_width("\xe6\xbc\xa2"), 2);
	assert_int_equal(utf8_width("e\xcc\x81"), 1);
	assert_int_equal(utf8_length("e\xcc\x81\xd0\xb6"), 3);
	assert_int_equal(utf8_length(""), 0);
}

static void test_term_safe(void **state)
{
	(void)state;
	static const struct { const char *in; enum term_lines lines; const char *out; } cases[] = {
		{ "plain \xd0\xb6 \xf0\x9f\x98\x80", TERM_ONE_LINE, "plain \xd0\xb6 \xf0\x9f\x98\x80" },
		{ "\x1b[31mred\x07", TERM_ONE_LINE, "\\u{001B}[31mred\\u{0007}" },
		{ "a\nb\tc", TERM_ONE_LINE, "a\\nb c" },
		{ "a\nb\tc", TERM_KEEP_LINES, "a\nb\tc" },
		{ "a\rb", TERM_KEEP_LINES, "a\\u{000D}b" },
		{ "\xc2\x9b" "31m", TERM_ONE_LINE, "\\u{009B}31m" },
		{ "\x7f", TERM_ONE_LINE, "\\u{007F}" },
		{ "gpj.\xe2\x80\xae" "exe", TERM_ONE_LINE, "gpj.\\u{202E}exe" },
		{ "\xe2\x81\xa6x\xe2\x81\xa9", TERM_ONE_LINE, "\\u{2066}x\\u{2069}" },
		{ "\xef\xbb\xbf", TERM_ONE_LINE, "\\u{FEFF}" },
		{ "\xf3\xa0\x81\x81", TERM_ONE_LINE, "\\u{E0041}" },
		{ "\xff\xd0", TERM_ONE_LINE, "\\xFF\\xD0" },
		{ "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", TERM_ONE_LINE, "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb" }, /* the joiner of emoji stays */
	};
	for (size_t i = 0; i < countof(cases); i++) {
		struct buf b;
		buf_init(&b, 1000);
		utf8_term_safe(cases[i].in, strlen(cases[i].in), cases[i].lines, &b);
		assert_string_equal(b.p, cases[i].out);
		buf_release(&b);
	}
	struct buf b;
	buf_init(&b, 100);
	utf8_term_safe("a\0b", 3, TERM_ONE_LINE, &b);
	assert_string_equal(b.p, "a\\u{0000}b");
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_code_points),
		cmocka_unit_test(test_against_libunistring),
		cmocka_unit_test(test_repair),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_cluster),
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_term_safe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
