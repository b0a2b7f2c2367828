/* test_voice.c: replay/voice.c: what is heard in a known file, and that any bytes are survived. */
#include "replay/voice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned char note[8192];
static size_t note_len;

static int load(void **state)
{
	(void)state;
	FILE *f = fopen("fixtures/media/voice.opus", "rb");
	if (!f)
		return -1;
	note_len = fread(note, 1, sizeof(note), f);
	fclose(f);
	return note_len > 0 && note_len < sizeof(note) ? 0 : -1;
}

static int bars(const char *wave, int v[VOICE_BARS])
{
	int n = 0;
	for (const char *p = wave; *p && n < VOICE_BARS; n++) {
		char *end;
		v[n] = (int)strtol(p, &end, 10);
		assert_true(end > p && (*end == ',' || !*end));
		p = *end ? end + 1 : end;
	}
	return n;
}

static void a_tone_that_swells(void **state)
{
	struct voice v, again;
	int b[VOICE_BARS], top = 0;
	(void)state;
	assert_true(voice_read(note, note_len, &v));
	assert_int_equal(v.duration_ms, 1600);
	assert_int_equal(bars(v.wave, b), VOICE_BARS);
	for (int i = 0; i < 12; i++)
		assert_true(b[i] <= 1); /* 0.3 s of the quiet at the beginning */
	for (int i = 0; i < VOICE_BARS; i++)
		top = b[i] > b[top] ? i : top;
	assert_int_equal(b[top], VOICE_LOUDEST);
	assert_in_range(top, 34, 46); /* loudest in the middle of the tone, at 1.0 of 1.6 s */
	assert_true(b[22] < b[28] && b[28] < b[34] && b[48] > b[56] && b[56] > b[62]);
	assert_true(voice_read(note, note_len, &again));
	assert_string_equal(v.wave, again.wave);
}

static void what_is_none(void **state)
{
	struct voice v;
	(void)state;
	assert_false(voice_read(note, 0, &v));
	assert_false(voice_read((const unsigned char *)"#!AMR\n\x3c", 7, &v));
	assert_false(voice_read(note, 40, &v));
	assert_false(voice_read(note + 1, note_len - 1, &v));
	/* two recordings one behind the other */
	unsigned char *two = malloc(2 * note_len);
	assert_non_null(two);
	memcpy(two, note, note_len);
	memcpy(two + note_len, note, note_len);
	assert_false(voice_read(two, 2 * note_len, &v));
	/* as large as may be looked at, and one byte more */
	two = realloc(two, VOICE_BYTES_MAX + 1);
	assert_non_null(two);
	memcpy(two, note, note_len);
	memset(two + note_len, 0, VOICE_BYTES_MAX + 1 - note_len);
	assert_true(voice_read(two, VOICE_BYTES_MAX, &v));
	assert_false(voice_read(two, VOICE_BYTES_MAX + 1, &v));
	free(two);
}

/* The checksum of RFC 3533, 6: polynomial 0x04c11db7, nothing inverted. */
static void seal_page(unsigned char *page, size_t n)
{
	uint32_t c = 0;
	memset(page + 22, 0, 4);
	for (size_t i = 0; i < n; i++) {
		c ^= (uint32_t)page[i] << 24;
		for (int k = 0; k < 8; k++)
			c = c << 1 ^ (c & 0x80000000u ? 0x04c11db7u : 0);
	}
	for (int k = 0; k < 4; k++)
		page[22 + k] = (unsigned char)(c >> (8 * k));
}

static size_t page_size(const unsigned char *p)
{
	size_t n = 27 + (size_t)p[26];
	for (int i = 0; i < p[26]; i++)
		n += p[27 + i];
	return n;
}

/* Damage that the checksum tells, and damage that it does not because whoever made the file wrote it anew. */
static void any_bytes(void **state)
{
	unsigned char *p = malloc(note_len);
	struct voice v;
	uint32_t r = 1;
	int heard = 0, refused = 0;
	(void)state;
	assert_non_null(p);
	for (int i = 0; i < 600; i++) {
		memcpy(p, note, note_len);
		for (int k = 0; k < 1 + i % 4; k++) {
			r = r * 1664525u + 1013904223u;
			p[(r >> 8) % note_len] = (unsigned char)(r >> 3);
		}
		if (i % 2)
			for (size_t at = 0; at + 27 < note_len && !memcmp(p + at, "OggS", 4);) {
				size_t n = page_size(p + at);
				if (at + n > note_len)
					break;
				seal_page(p + at, n);
				at += n;
			}
		size_t n = i % 7 == 6 ? (size_t)i % note_len : note_len;
		int b[VOICE_BARS];
		if (voice_read(p, n, &v)) {
			heard++;
			assert_in_range(v.duration_ms, 1, VOICE_SECONDS_MAX * 1000);
			assert_true(bars(v.wave, b) == VOICE_BARS && strlen(v.wave) < VOICE_WAVE);
		} else {
			refused++;
		}
	}
	assert_true(heard > 50 && refused > 20);
	/* a time nobody spoke for: the last page says two hours, then fifty minutes */
	memcpy(p, note, note_len);
	size_t last = 0;
	for (size_t at = 0; at + 27 < note_len && !memcmp(p + at, "OggS", 4); at += page_size(p + at))
		last = at;
	for (int minutes = 120; minutes >= 50; minutes -= 70) {
		uint64_t granule = (uint64_t)minutes * 60 * 48000;
		for (int k = 0; k < 8; k++)
			p[last + 6 + (size_t)k] = (unsigned char)(granule >> (8 * k));
		seal_page(p + last, note_len - last);
		bool ok = voice_read(p, note_len, &v);
		assert_false(minutes == 120 && ok);
		assert_false(ok && v.duration_ms > VOICE_SECONDS_MAX * 1000);
	}
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tone_that_swells),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(any_bytes),
	};
	return cmocka_run_group_tests_name("voice", tests, load, NULL);
}
