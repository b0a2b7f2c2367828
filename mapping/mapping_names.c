/* mapping_names.c: comparing and cutting names. Called by the matcher, the draft and the decisions. Unicode is libunistring's;
 * nothing here depends on the process locale but fnmatch, which gets folded text and treats it as bytes in the C locale. */
#include "mapping/mapping_names.h"

#include "core/buf.h"
#include "core/hash.h"
#include "core/utf8.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

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
	if (n)
		qsort(list, n, sizeof(*list), by_text);
	char *out = arena_strdup(a, "");
	for (size_t i = 0; i < n; i++)
		out = arena_fmt(a, "%s%s%s", out, i ? " " : "", list[i]);
	return out;
}

/* ---- how names sound ---- */

/* One letter per sound; upper case letters are sounds that Latin writes with several: Q = ch, W = sh/shch, J = zh, C = ts. The
 * longest spelling stands first. Cyrillic after ISO 9, GOST 7.79, BGN/PCGN, ALA-LC, passports of 1997 to 2014 and habit. */
static const struct { const char *from, *to; } sounds[] = {
	{ "shch", "W" }, { "tsch", "Q" }, { "sch", "W" }, { "tch", "Q" }, { "ch", "Q" }, { "sh", "W" }, { "zh", "J" }, { "kh", "h" }, { "ph", "f" },
	{ "ck", "k" }, { "ts", "C" }, { "tz", "C" }, { "th", "t" }, { "yo", "e" }, { "jo", "e" }, { "ye", "e" }, { "je", "e" }, { "ie", "e" }, { "iye", "e" },
	{ "x", "ks" }, { "c", "k" }, { "q", "k" }, { "w", "v" }, { "j", "i" }, { "y", "i" },
	{ "ье", "e" }, { "ъе", "e" }, { "ие", "e" }, { "йе", "e" }, { "ьо", "e" }, { "ьи", "i" }, { "ье", "e" }, { "тс", "C" }, { "дж", "J" }, { "кс", "ks" },
	{ "а", "a" }, { "б", "b" }, { "в", "v" }, { "г", "g" }, { "д", "d" }, { "е", "e" }, { "ж", "J" }, { "з", "z" }, { "и", "i" }, { "й", "i" },
	{ "к", "k" }, { "л", "l" }, { "м", "m" }, { "н", "n" }, { "о", "o" }, { "п", "p" }, { "р", "r" }, { "с", "s" }, { "т", "t" }, { "у", "u" },
	{ "ф", "f" }, { "х", "h" }, { "ц", "C" }, { "ч", "Q" }, { "ш", "W" }, { "щ", "W" }, { "ъ", "" }, { "ы", "i" }, { "ь", "" }, { "э", "e" },
	{ "ю", "iu" }, { "я", "ia" }, { "і", "i" }, { "ї", "i" }, { "є", "e" }, { "ґ", "g" }, { "ў", "u" }, { "’", "" }, { "'", "" }, { "`", "" }, { "ʹ", "" },
};

/* Accents go (Zoë, Čechov): decomposed, without the marks. But й and ї are letters of their own and stand in the table. */
static char *plain_letters(const char *s, struct arena *a)
{
	struct buf b;
	buf_init(&b, 64 << 10);
	for (const uint8_t *p = (const uint8_t *)s; *p;) {
		ucs4_t c, base[8];
		size_t n = countof(base);
		int len = u8_strmbtouc(&c, p);
		if (len <= 0)
			break;
		uint32_t one = c;
		if (c < 0x400 && u32_normalize(UNINORM_NFD, &one, 1, base, &n) == base && n)
			c = base[0];
		uint8_t out[6];
		int m = u8_uctomb(out, c, sizeof(out));
		buf_add(&b, out, m > 0 ? (size_t)m : 0);
		p += len;
	}
	char *out = arena_strdup(a, b.p);
	buf_release(&b);
	return out;
}

static char *word_sound(const char *w, struct arena *a)
{
	char *out = arena_alloc(a, 3 * strlen(w) + 1);
	size_t n = 0;
	while (*w) {
		size_t k = 0;
		while (k < countof(sounds) && strncmp(w, sounds[k].from, strlen(sounds[k].from)) != 0)
			k++;
		const char *to = k < countof(sounds) ? sounds[k].to : w;
		size_t len = k < countof(sounds) ? strlen(to) : 1;
		for (size_t i = 0; i < len; i++)
			if (!n || out[n - 1] != to[i]) /* doubled letters are written or not */
				out[n++] = to[i];
		w += k < countof(sounds) ? strlen(sounds[k].from) : 1;
	}
	out[n] = '\0';
	/* Alexander and Александр */
	if (n >= 6 && streq(out + n - 6, "sander"))
		memcpy(out + n - 6, "sandr", 6);
	return out;
}

static bool ends(const char *s, const char *tail)
{
	size_t n = strlen(s), t = strlen(tail);
	return n > t + 1 && streq(s + n - t, tail);
}

static bool is_patronymic(const char *w)
{
	static const char *const short_ones[] = { "iliQ", "kuzmiQ", "lukiQ", "fomiQ", "nikitiQ", "saviQ" };
	for (size_t i = 0; i < countof(short_ones); i++)
		if (streq(w, short_ones[i]))
			return true;
	return ends(w, "oviQ") || ends(w, "eviQ") || ends(w, "ovna") || ends(w, "evna") || ends(w, "iQna") || ends(w, "iniWna");
}

char *names_sound(const char *s, struct arena *a)
{
	static const char between[] = " \t\r\n.,;()\"-_";
	char *words = plain_letters(names_fold(s, a), a), *save = NULL, *list[16];
	size_t n = 0, kept = 0;
	for (char *w = strtok_r(words, between, &save); w && n < countof(list); w = strtok_r(NULL, between, &save))
		list[n++] = word_sound(w, a);
	for (size_t i = 0; i < n; i++)
		if (*list[i] && !(n >= 3 && kept + (n - i) > 2 && is_patronymic(list[i])))
			list[kept++] = list[i];
	if (kept)
		qsort(list, kept, sizeof(*list), by_text);
	char *out = arena_strdup(a, "");
	for (size_t i = 0; i < kept; i++)
		out = arena_fmt(a, "%s%s%s", out, i ? " " : "", list[i]);
	return out;
}

enum local_fit names_local_fits(const char *local, const char *sound, struct arena *a)
{
	char *own = arena_strndup(a, local, strcspn(local, "@+"));
	size_t n = strlen(own);
	while (n && own[n - 1] >= '0' && own[n - 1] <= '9')
		own[--n] = '\0';
	const char *space = strchr(sound, ' ');
	if (!space || strchr(space + 1, ' '))
		return LOCAL_NO; /* two words: a first name and a surname */
	const char *l = names_sound(own, a);
	if (streq(l, sound))
		return LOCAL_FULL;
	const char *x = arena_strndup(a, sound, (size_t)(space - sound)), *y = space + 1;
	/* ivanpetrov, petrovivan; i.petrov, ipetrov, petrovi: initials are compared as sounds too */
	if (streq(l, arena_fmt(a, "%s%s", x, y)) || streq(l, arena_fmt(a, "%s%s", y, x)))
		return LOCAL_FULL;
	const char *const pair[2][2] = { { x, y }, { y, x } };
	for (size_t i = 0; i < 2; i++) {
		const char *first = pair[i][0], *last = pair[i][1];
		if (strlen(last) < 4)
			continue;
		const char *const forms[] = { arena_fmt(a, "%c %s", *first, last), arena_fmt(a, "%s %c", last, *first), arena_fmt(a, "%c%s", *first, last),
		                              arena_fmt(a, "%s%c", last, *first) };
		for (size_t k = 0; k < countof(forms); k++)
			if (streq(l, forms[k]))
				return LOCAL_INITIAL;
	}
	return LOCAL_NO;
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
