/* The clock: virtual time, ISO dates, time zones. */
#include "core/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_virtual(void **state)
{
	(void)state;
	setenv("MVCHAT_CLOCK", "virtual", 1);
	setenv("MVCHAT_CLOCK_START", "1700000000", 1);
	clock_init();
	assert_true(clock_is_virtual());
	assert_true(clock_wall_us() == 1700000000000000);
	assert_true(clock_mono_us() == 0);
	clock_sleep_until_mono(3600000000); /* an hour, at once */
	assert_true(clock_wall_us() == 1700003600000000);
	assert_true(clock_mono_us() == 3600000000);
	clock_sleep_until_mono(5); /* in the past: nothing */
	clock_advance_us(-5);
	assert_true(clock_mono_us() == 3600000000);
	clock_advance_us(7);
	assert_true(clock_mono_us() == 3600000007);
	assert_true(clock_wall_us() == 1700003600000007); /* time stands still between calls */
}

static void test_real(void **state)
{
	(void)state;
	unsetenv("MVCHAT_CLOCK");
	clock_init();
	assert_false(clock_is_virtual());
	const int64_t t = clock_mono_us();
	assert_true(t >= 0 && t < 60000000);
	clock_advance_us(1000000000);
	assert_true(clock_mono_us() < 60000000);
	assert_true(clock_mono_us() >= t);
	clock_sleep_until_mono(0); /* past: returns at once */
	assert_true(clock_wall_us() > 1700000000000000);
}

static void test_iso(void **state)
{
	(void)state;
	static const struct { int64_t us; const char *text; } cases[] = {
		{ 0, "1970-01-01T00:00:00Z" }, { 1710252309999999, "2024-03-12T14:05:09Z" }, { -1, "1969-12-31T23:59:59Z" },
		{ -1000000, "1969-12-31T23:59:59Z" }, { 951782400000000, "2000-02-29T00:00:00Z" },
	};
	char out[32];
	for (size_t i = 0; i < countof(cases); i++) {
		clock_iso(cases[i].us, out);
		assert_string_equal(out, cases[i].text);
	}
}

static void test_zones(void **state)
{
	(void)state;
	static const struct { const char *zone; int64_t s; struct zoned z; } cases[] = {
		{ "UTC", 1710252309, { 2024, 3, 12, 14, 5, 9, 0 } },
		{ "Europe/Moscow", 1710252309, { 2024, 3, 12, 17, 5, 9, 10800 } },
		{ "Europe/Moscow", 1400000000, { 2014, 5, 13, 20, 53, 20, 14400 } }, /* +4 until October 2014 */
		{ "America/New_York", 1710054000, { 2024, 3, 10, 3, 0, 0, -14400 } }, /* the hour after the gap */
		{ "America/New_York", 1710053999, { 2024, 3, 10, 1, 59, 59, -18000 } },
		{ "Asia/Kolkata", 1710252309, { 2024, 3, 12, 19, 35, 9, 19800 } },
		{ "Europe/Moscow", 1710252309, { 2024, 3, 12, 17, 5, 9, 10800 } },   /* and back again */
		{ "Pacific/Kiritimati", 1704016799, { 2023, 12, 31, 23, 59, 59, 50400 } },
		{ "Asia/Kathmandu", -1, { 1970, 1, 1, 5, 29, 59, 19800 } },
	};
	for (size_t i = 0; i < countof(cases); i++) {
		struct zoned z = { 0 };
		assert_true(zone_known(cases[i].zone));
		assert_true(zone_local(cases[i].zone, cases[i].s * 1000000, &z));
		if (memcmp(&z, &cases[i].z, sizeof(z)) != 0)
			fail_msg("%s: %d-%d-%d %d:%d:%d %+d", cases[i].zone, z.year, z.month, z.day, z.hour, z.minute, z.second, z.offset_s);
	}
	static const char *const bad[] = { "", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "Europe/../UTC" };
	for (size_t i = 0; i < countof(bad); i++) {
		struct zoned z;
		assert_false(zone_known(bad[i]));
		assert_false(zone_local(bad[i], 0, &z));
	}
	struct zoned z;
	assert_true(zone_local("Europe/Moscow", 1710252309000000, &z)); /* a failed one does not spoil the next */
	assert_int_equal(z.hour, 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_virtual),
		cmocka_unit_test(test_real),
		cmocka_unit_test(test_iso),
		cmocka_unit_test(test_zones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
