/* What the reports ask of the spool: messages per month, and the archives with their digests. */
#include "core/base.h"

#include "core/arena.h"
#include "core/clock.h"
#include "replay/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static bool add(void *ctx, int year, int month, int64_t n)
{
	char *out = ctx;
	size_t at = strlen(out);
	snprintf(out + at, 512 - at, "%04d-%02d:%lld ", year, month, (long long)n);
	return true;
}

static bool first_only(void *ctx, int year, int month, int64_t n)
{
	add(ctx, year, month, n);
	return false;
}

static bool archive(void *ctx, const struct spool_archive *ar)
{
	char *out = ctx;
	size_t at = strlen(out);
	snprintf(out + at, 512 - at, "%s %s %s %d ", ar->path, ar->format, ar->identity, ar->digest[0]);
	return true;
}

static void months_and_archives(void **state)
{
	(void)state;
	/* the edges of months, a leap day, and times no messenger wrote */
	static const int64_t at[] = {
		1706745599 /* 2024-01-31 23:59:59 */, 1706745600 /* 2024-02-01 */, 1709164800 /* 2024-02-29 */, 1709251199 /* 2024-02-29 23:59:59 */,
		1709251200 /* 2024-03-01 */, 1735689599 /* 2024-12-31 23:59:59 */, 1735689600 /* 2025-01-01 */, 951782400 /* 2000-02-29 */,
		631151999 /* 1989-12-31 */, 631152000 /* 1990-01-01 */, 0, -5, 7258118399 /* 2199-12-31 23:59:59 */, 7258118400, 9000000000000,
	};
	char path[64], got[512] = "";
	struct err e = ERR_INIT;
	struct arena a;
	struct sink k;
	const uint8_t d1[DIGEST_BYTES] = { 1 }, d2[DIGEST_BYTES] = { 2 };
	arena_init(&a);
	snprintf(path, sizeof(path), "/tmp/mvchat-months-%ld", (long)getpid());
	struct spool *s = spool_open(path, SPOOL_BUILD, &e);
	assert_non_null(s);
	assert_true(spool_archive_begin(s, "a.zip", "slack", "T1", d1, &e));
	spool_sink(s, &k);
	for (size_t i = 0; i < countof(at); i++) {
		struct msg m = { .id = arena_fmt(&a, "m%zu", i), .author = "U1", .ts_us = at[i] * 1000000, .kind = MSG_TEXT, .body = text_from_plain(&a, "x") };
		if (i == 1) /* a thread whose first message is lost: what stands for it is not the source's */
			m.parent = "nobody";
		assert_true(k.msg(k.ctx, "C1", &m));
	}
	assert_true(spool_archive_begin(s, "b.zip", "slack", "T1", d2, &e));
	if (!spool_finish(s, &e))
		fail_msg("%s", e.msg);
	spool_close(s);
	s = spool_open(path, SPOOL_READ, &e);
	assert_non_null(s);
	assert_true(spool_months(s, add, got));
	assert_string_equal(got, "1990-01:1 2000-02:1 2024-01:1 2024-02:3 2024-03:1 2024-12:1 2025-01:1 2199-12:1 ");
	got[0] = '\0';
	assert_false(spool_months(s, first_only, got));
	assert_string_equal(got, "1990-01:1 ");
	got[0] = '\0';
	assert_true(spool_archive_each(s, archive, got));
	assert_string_equal(got, "a.zip slack T1 1 b.zip slack T1 2 ");
	spool_close(s);
	unlink(path);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(months_and_archives) };
	clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
