/* test_whatsapp.c: headers, dates, zones and names of WhatsApp exports, one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "importers/whatsapp.h"

#include <stdlib.h>
#include <string.h>

#define RLM "\xe2\x80\x8f"
#define NNBSP "\xe2\x80\xaf"

static const struct { const char *line, *shape; int y, m, d, second; enum wa_order order; } good[] = {
	{ "31/01/2024, 09:05 - A: x", "N/N/Y, N:N -", 2024, 1, 31, 32700, WA_DMY },
	{ "1/31/24, 9:05" NNBSP "PM - A: x", "N/N/N, N:N M -", 2024, 1, 31, 75900, WA_MDY },
	{ "1/31/24, 12:05 AM - A: x", "N/N/N, N:N M -", 2024, 1, 31, 300, WA_MDY },
	{ "31/01/24, 12:05 p. m. - A: x", "N/N/N, N:N M -", 2024, 1, 31, 43500, WA_DMY },
	{ "[31.01.24, 09:05:07] A: x", "[N.N.N, N:N:N]", 2024, 1, 31, 32707, WA_DMY },
	{ "[\xef\xbb\xbf" "31.01.24, 09:05:07] A: x", "[N.N.N, N:N:N]", 2024, 1, 31, 32707, WA_DMY },
	{ "31/12/14 23:59:58: A: x", "N/N/N N:N:N:", 2014, 12, 31, 86398, WA_DMY },
	{ "12.07.2017 - 22:35:22 - A: x", "N.N.Y - N:N:N -", 2017, 7, 12, 81322, WA_DMY },
	{ "2017-7-12, 10:35:22 PM: A: x", "Y-N-N, N:N:N M:", 2017, 7, 12, 81322, WA_YMD },
	{ "[21:41:35, 3/27/22] A: x", "[N:N:N, N/N/N]", 2022, 3, 27, 78095, WA_MDY },
	{ "2024. 1. 31. \xec\x98\xa4\xed\x9b\x84 3:04, A : x", "Y. N. N. M N:N,", 2024, 1, 31, 54240, WA_YMD },
	{ "2024/1/31 \xe4\xb8\x8b\xe5\x8d\x88" "3:04 - A: x", "Y/N/N MN:N -", 2024, 1, 31, 54240, WA_YMD },
	{ "[\xd9\xa1\xd9\xa8" RLM "/\xd9\xa3" RLM "/\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa2\xd8\x8c \xd9\xa2:\xd9\xa5\xd9\xa6:\xd9\xa0\xd9\xa0\xc2\xa0\xd9\x85] A: x",
	  "[N/N/Y, N:N:N M]", 2022, 3, 18, 53760, WA_DMY },
	{ "\xdb\xb1\xdb\xb4\xdb\xb0\xdb\xb4/\xdb\xb1\xdb\xb2/\xdb\xb1\xdb\xb8, \xdb\xb1\xdb\xb4:\xdb\xb0\xdb\xb5 - A: x", "Y/N/N, N:N -", 2026, 3, 9, 50700, WA_YMD },
	{ "9/3/69 14:05 - A: x", "N/N/N N:N -", 2026, 3, 9, 50700, WA_DMY },
	{ "9/3/2569 BE 14:05 - A: x", "N/N/Y BE N:N -", 2026, 3, 9, 50700, WA_DMY },
	{ "R4/3/27 21:41 - A: x", "RN/N/N N:N -", 2022, 3, 27, 78060, WA_YMD },
	{ "9.3.2026 klo 14.05 - A: x", "N.N.Y klo N.N -", 2026, 3, 9, 50700, WA_DMY },
	{ "2026-03-09 14 h 05 - A: x", "Y-N-N N h N -", 2026, 3, 9, 50700, WA_YMD },
	{ "31.01.19, 3:05 nachm. - A: x", "N.N.N, N:N M -", 2019, 1, 31, 54300, WA_DMY },
};

static void headers(void **state)
{
	static const char *const none[] = { "", "hello", "31/01/2024", "31/01/2024, 09:05", "31/01/2024, 9:5 - A: x", "31/01/2024, 29:05 - A: x", "5 - 4 = 1: yes",
		"12:30 - lunch", "[1] foot: note", "31/01/2024, 13:05 PM - A: x", "192.168.1.1 - - log: line", "2024-01-31T09:05:00 - x", "1/2/3/4/5/6/7 - x" };
	struct wa_head h;
	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		char shape[64];
		if (wa_head_parse(good[i].line, strlen(good[i].line), &h) != WA_HEAD_YES)
			fail_msg("no header: %s", good[i].line);
		wa_shape_text(&h, shape, sizeof(shape));
		assert_string_equal(shape, good[i].shape);
		assert_int_equal(wa_day(&h, good[i].order), wa_day_of(good[i].y, good[i].m, good[i].d));
		assert_int_equal(wa_second_of_day(&h), good[i].second);
		assert_int_equal(good[i].line[h.len], 'A');
	}
	for (size_t i = 0; i < countof(none); i++)
		if (wa_head_parse(none[i], strlen(none[i]), &h) == WA_HEAD_YES)
			fail_msg("a header: %s", none[i]);
	const char *near_one = "31/01/2024, 9:05 xyz - A: x";
	assert_int_equal(wa_head_parse(near_one, strlen(near_one), &h), WA_HEAD_NEAR);
}

/* Every field of the answer is the parser's, whichever header came before. */
static void same_as_parsed(const char *line, struct wa_like *like)
{
	struct wa_head a, b;
	const size_t n = strlen(line);
	char *copy = n ? strdup(line) : NULL; /* without its end: nothing behind n may be looked at */
	if (copy)
		copy = realloc(copy, n);
	const enum wa_head_is x = wa_head_parse(n ? copy : "", n, &a), y = wa_head_parse_like(n ? copy : "", n, like, &b);
	if (x != y)
		fail_msg("%d, not %d, like %.*s: %s", (int)y, (int)x, (int)like->head.shape_n, like->head.shape, line);
	if (x != WA_HEAD_NO) {
		assert_true(wa_same_shape(&a, &b));
		assert_int_equal(a.len, b.len);
		assert_true(a.bracket == b.bracket && a.mark == b.mark && a.era == b.era && a.seconds == b.seconds && a.native == b.native && a.hours == b.hours);
		assert_true(a.hour == b.hour && a.minute == b.minute && a.second == b.second);
		assert_memory_equal(a.date, b.date, sizeof(a.date));
		assert_memory_equal(a.width, b.width, sizeof(a.width));
	}
	free(copy);
}

static void alike(void **state)
{
	static const char *const odd[] = { "31/01/2024, 09:05 - Somebody: 31/01/2024", "31/01/2024, 9:05 - Somebody: a longer text", "1/1/2024, 09:05 - Somebody: a longer text",
		"31/01/2024, 09:05 -Somebody: a longer text", "31/01/2024, 09:05 -  Somebody: a longer text", "31/01/2024, 09:05  - Somebody: a longer text", "31/01/2024, 99:05 - Somebody: a longer text",
		"31/01/20245, 09:05 - Somebody: longer", "31/01/2024, 09:05:06 - Somebody: longer", "31/01/2024, 09:05 - ", "31/01/2024, 09:05 -", "31/01/2024, 09:05 ", "[31.01.24, 09:05:07]",
		"[31.01.24, 09:05:07] Somebody: a longer text", "[31.01.24, 09:05:07]  Somebody: a longer text", "[31.01.24, 09:05:07]Somebody: a longer text", "[31.01.24, 09:05:07]" NNBSP "Somebody: longer",
		"[31.01.24, 09:05:7] Somebody: a longer text", "[31.01.24, 09:05: 07] Somebody: longer", RLM "[31.01.24, 09:05:07] Somebody: longer", "31.01.24 09:05 - \xd8\xa7\xd8\xa7 longer than most: x",
		"31.01.24, 09:05 - Somebody: a longer text", "31.01.2\xd9\xa4, 09:05 - Somebody: a longer text", "31/01/2024, 09:05, Somebody: a longer text", "31/01/2024 09:05:06: Somebody: longer",
		"31/01-2024, 09:05 - Somebody: a longer text", "09:05, 31/01/2024 - Somebody: a longer text", "31/01/2024, 09:05 -5 - Somebody: a longer text", "0/0/0, 0:00 - Somebody: a text that goes on" };
	enum { ALL = countof(good) + countof(odd) };
	const char *lines[ALL];
	(void)state;
	for (size_t i = 0; i < ALL; i++)
		lines[i] = i < countof(good) ? good[i].line : odd[i - countof(good)];
	for (size_t i = 0; i < ALL; i++) {
		struct wa_like like = { .len = 0 };
		if (wa_head_parse(lines[i], strlen(lines[i]), &like.head) == WA_HEAD_NO)
			continue;
		for (size_t k = 0; k < ALL; k++) {
			char line[256];
			same_as_parsed(lines[k], &like);
			same_as_parsed(lines[i], &like); /* which is remembered again where it can be */
			/* And with each byte another one. */
			for (size_t at = 0; k == i && at < strlen(lines[i]) && at < 40; at++)
				for (const char *c = "07 :-,]x\xd9"; *c; c++) {
					fmt_into(line, sizeof(line), "%s", lines[i]);
					line[at] = *c;
					same_as_parsed(line, &like);
				}
		}
	}
}

static void days(void **state)
{
	(void)state;
	assert_int_equal(wa_day_of(1970, 1, 1), 0);
	for (int32_t d = 14245; d < 30000; d++) {
		int y, m, day;
		wa_day_split(d, &y, &m, &day);
		assert_int_equal(wa_day_of(y, m, day), d);
	}
	struct wa_head h;
	const char *leap = "29/02/2023, 10:00 - A: x";
	assert_int_equal(wa_head_parse(leap, strlen(leap), &h), WA_HEAD_YES);
	assert_int_equal(wa_day(&h, WA_DMY), WA_DAY_NONE);
	assert_int_equal(wa_name_day("IMG-20240131-WA0003.jpg", 23), wa_day_of(2024, 1, 31));
	assert_int_equal(wa_name_day("00000012-PHOTO-2024-01-31-10-15-59.jpg", 38), wa_day_of(2024, 1, 31));
	assert_int_equal(wa_name_day("2015-08-04-PHOTO-00004762.jpg", 29), wa_day_of(2015, 8, 4));
	assert_int_equal(wa_name_day("contract-2024.pdf", 17), WA_DAY_NONE);
}

static void zones(void **state)
{
	static const struct { const char *zone; int y, m, d, hour; enum zone_fit fit; int64_t offset; } cases[] = {
		{ "UTC", 2024, 1, 31, 10, ZONE_EXACT, 0 },
		{ "Europe/Moscow", 2024, 1, 31, 10, ZONE_EXACT, 3 },
		{ "Europe/Moscow", 2013, 1, 31, 10, ZONE_EXACT, 4 },  /* permanent summer time, 2011-2014 */
		{ "Asia/Almaty", 2024, 2, 20, 10, ZONE_EXACT, 6 },
		{ "Asia/Almaty", 2024, 3, 2, 10, ZONE_EXACT, 5 },     /* UTC+5 from 1 March 2024 */
		{ "Europe/Berlin", 2024, 10, 27, 2, ZONE_TWICE, 2 },
		{ "Europe/Berlin", 2024, 3, 31, 2, ZONE_NEVER, 1 },
		{ "America/New_York", 2024, 11, 3, 1, ZONE_TWICE, -4 },
	};
	int64_t utc;
	enum zone_fit fit;
	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		int64_t local = ((int64_t)wa_day_of(cases[i].y, cases[i].m, cases[i].d) * 86400 + cases[i].hour * 3600 + 1800) * 1000000;
		if (!zone_known(cases[i].zone))
			continue; /* a system without the database; UTC is always known */
		assert_true(zone_to_utc(cases[i].zone, local, &utc, &fit));
		assert_int_equal(fit, cases[i].fit);
		assert_int_equal((local - utc) / 1000000, cases[i].offset * 3600);
	}
	assert_false(zone_to_utc("No/Such", 0, &utc, &fit));
}

static void phones(void **state)
{
	char out[24];
	(void)state;
	assert_true(wa_phone("+7 916 123-45-67", out));
	assert_string_equal(out, "+79161234567");
	assert_true(wa_phone("+49 (151) 1234\xe2\x80\x91" "5678", out));
	assert_string_equal(out, "+4915112345678");
	assert_false(wa_phone("8 916 123-45-67", out)); /* without its country it is a name */
	assert_false(wa_phone("+7 Ivan", out));
	assert_false(wa_phone("+123", out));
	assert_false(wa_phone("+1234567890123456", out));
}

/* NFC and NFD, case and spaces make no other person. */
static void people(void **state)
{
	static const char *const same[][2] = { { "\xd0\x99\xd0\xbe\xd0\xb6\xd0\xb8\xd0\xba", "\xd0\xb8\xcc\x86\xd0\xbe\xd0\xb6\xd0\xb8\xd0\xba" },
		{ "Anna  Holm", "anna\xc2\xa0holm" }, { "+7 916 123 45 67", "+7\xc2\xa0(916)\xc2\xa0" "123-45-67" } };
	struct arena a;
	struct buf scratch;
	(void)state;
	arena_init(&a);
	buf_init(&scratch, 4096);
	for (size_t i = 0; i < countof(same); i++) {
		char name[2][WA_AUTHOR_MAX + 1];
		const char *phone;
		for (int k = 0; k < 2; k++)
			assert_true(wa_clean_name(same[i][k], strlen(same[i][k]), name[k]) > 0);
		assert_string_equal(wa_person_id(&a, &scratch, name[0], &phone), wa_person_id(&a, &scratch, name[1], &phone));
	}
	buf_release(&scratch);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(headers), cmocka_unit_test(alike), cmocka_unit_test(days), cmocka_unit_test(zones), cmocka_unit_test(phones), cmocka_unit_test(people) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
