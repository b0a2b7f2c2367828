/* Lengths of time and quiet hours: what is understood, what is refused, and when writing goes on, also when clocks change. */
#include "cli/hours.h"

#include "core/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int64_t utc(int64_t seconds) { return seconds * 1000000; }

static void spans(void **state)
{
	(void)state;
	static const struct { const char *text; int64_t s; } good[] = { { "2h", 7200 }, { "90m", 5400 }, { "1h30m", 5400 }, { "45s", 45 }, { "1h0m5s", 3605 } };
	static const char *const bad[] = { "", "2", "h", "2d", "-1h", "1h x", "0m", "99999999999999999999h", "9000h9000h" };
	struct err e;
	int64_t s;
	for (size_t i = 0; i < countof(good); i++) {
		assert_true(hours_span(good[i].text, &s, &e));
		assert_int_equal(s, good[i].s);
	}
	for (size_t i = 0; i < countof(bad); i++)
		assert_false(hours_span(bad[i], &s, &e));
}

static void refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "9-19", "09:00", "09:00-", "09:00-09:00", "24:00-01:00", "09:60-10:00", "09:00-19:00;", "09:00-19:00,",
		"00:00-12:00,12:00-00:00", "09:00-19:00 ", "a9:00-19:00" };
	struct err e;
	struct hours h;
	for (size_t i = 0; i < countof(bad); i++)
		assert_false(hours_quiet(bad[i], "UTC", &h, &e));
}

static void closed(void **state)
{
	(void)state;
	struct err e;
	struct hours h;
	/* 1710201600 is 2024-03-12 00:00 UTC, 03:00 in Moscow. */
	assert_true(hours_quiet("09:00-13:00,13:00-19:00", "Europe/Moscow", &h, &e));
	assert_int_equal(hours_closed_until(&h, utc(1710201600)), 0);
	assert_int_equal(hours_closed_until(&h, utc(1710201600 + 6 * 3600)), utc(1710201600 + 16 * 3600)); /* one ends where the next begins */
	assert_int_equal(hours_closed_until(&h, utc(1710201600 + 15 * 3600 + 3599) + 5), utc(1710201600 + 16 * 3600));
	assert_int_equal(hours_closed_until(&h, utc(1710201600 + 16 * 3600)), 0);
	assert_true(hours_quiet("22:00-06:00", "Europe/Moscow", &h, &e));
	assert_int_equal(hours_closed_until(&h, utc(1710201600)), utc(1710201600 + 3 * 3600));
	assert_int_equal(hours_closed_until(&h, utc(1710201600 + 19 * 3600)), utc(1710201600 + 27 * 3600));
	assert_int_equal(hours_closed_until(&h, utc(1710201600 + 12 * 3600)), 0);
	/* The night in which clocks go forward is an hour shorter: 2024-03-31 02:00 in Berlin is 03:00. */
	assert_true(hours_quiet("01:00-04:00", "Europe/Berlin", &h, &e));
	assert_int_equal(hours_closed_until(&h, utc(1711843200 + 1800)), utc(1711850400)); /* 01:30 CET until 04:00 CEST */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(spans), cmocka_unit_test(refused), cmocka_unit_test(closed) };
	return cmocka_run_group_tests_name("hours", tests, NULL, NULL);
}
