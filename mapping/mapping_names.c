/* mapping_names.c: comparing and cutting names. Called by the matcher, the draft and the decisions. Unicode is libunistring's;
 * nothing here depends on the process locale but fnmatch, which gets folded text and treats it as bytes in the C locale. */
#include "mapping/mapping_names.h"

#include "core/hash.h"
#include "core/utf8.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>

char *names_fold(const char *s, struct arena *a)
{
	size_t len = 0;
	uint8_t *f = u8_casefold((const uint8_t *)s, strlen(s), NULL, UNINORM_NFC, NULL, &len);
	if (!f)
		return arena_strdup(a, s); /* not UTF-8: cannot be, the border checks it; then compare bytes */
	char *out = arena_strndup(a, (const char *)f, len);
	free(f);
	for (char *p = out; (p = strstr(p, "ё"));)
		memcpy(p, "е", 2);
	return out;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *names_person(const char *s, struct arena *a)
{
	char *words = names_fold(s, a), *save = NULL, *list[16];
	size_t n = 0;
	for (char *w = strtok_r(words, " \t\r\n.,;()\"'", &save); w && n < countof(list); w = strtok_r(NULL, " \t\r\n.,;()\"'", &save))
		list[n++] = w;
	qsort(list, n, sizeof(*list), by_text);
	char *out = arena_strdup(a, "");
	for (size_t i = 0; i < n; i++)
		out = arena_fmt(a, "%s%s%s", out, i ? " " : "", list[i]);
	return out;
}

char *names_phone(const char *s, struct arena *a)
{
	char *out = arena_alloc(a, strlen(s) + 1);
	size_t n = 0;
	for (const char *p = s; *p; p++) {
		if (*p >= '0' && *p <= '9')
			out[n++] = *p;
		else if (!strchr("+-(). \t/", *p))
			return NULL; /* an extension or a remark: not a number to compare by */
	}
	out[n] = '\0';
	if (n == 11 && out[0] == '8' && !strchr(s, '+')) /* the Russian trunk prefix */
		out[0] = '7';
	return n >= 10 && n <= 15 ? out : NULL; /* E.164: at most 15; shorter ones lack the country */
}

bool names_glob(const char *pattern, const char *s, struct arena *a)
{
	pattern += *pattern == '#' || *pattern == '@';
	s += *s == '#' || *s == '@';
	return fnmatch(names_fold(pattern, a), names_fold(s, a), 0) == 0;
}

const char *names_fit(const char *s, const char *id, int64_t max, struct arena *a)
{
	enum { TAIL = 7 };
	if (max < 1 || utf8_length(s) <= (size_t)max)
		return s;
	char tail[DIGEST_HEX];
	uint64_t h = hash64s(arena_fmt(a, "%s\n%s", id, s));
	uint8_t bytes[3] = { (uint8_t)(h >> 16), (uint8_t)(h >> 8), (uint8_t)h };
	hex(bytes, sizeof(bytes), tail);
	size_t len = strlen(s), keep = 0, chars = 0, room = max > TAIL ? (size_t)max - TAIL : 0;
	while (keep < len && chars < room) {
		keep++;
		while (keep < len && ((unsigned char)s[keep] & 0xc0) == 0x80)
			keep++;
		chars++;
	}
	keep = keep ? utf8_cut_cluster(s, len, keep) : 0;
	while (keep && s[keep - 1] == ' ')
		keep--;
	return arena_fmt(a, "%.*s~%s", (int)keep, s, tail);
}
