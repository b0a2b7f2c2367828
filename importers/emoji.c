/* emoji.c: what emoji.h promises, by binary search in a constant table. Custom emoji are not here: an export holds only
 * their names. */
#include "importers/emoji.h"

#include "core/utf8.h"

#include <string.h>

static const struct emoji_row *find(const char *name, size_t n)
{
	size_t lo = 0, hi = n_emoji_rows;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const char *key = emoji_rows[mid].name;
		size_t k = 0;
		while (k < n && key[k] == name[k])
			k++;
		if (k == n && !key[k])
			return &emoji_rows[mid];
		int c = k == n ? 1 : (unsigned char)key[k] - (unsigned char)name[k]; /* k == n: the key is longer */
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* Splits "::skin-tone-N" off; returns the tone 2..6, or 0. */
static unsigned split_tone(const char *name, size_t *n)
{
	static const char mark[] = "::skin-tone-";
	size_t m = sizeof(mark) - 1;
	if (*n <= m + 1 || memcmp(name + *n - m - 1, mark, m) != 0)
		return 0;
	char d = name[*n - 1];
	if (d < '2' || d > '6')
		return 0;
	*n -= m + 1;
	return (unsigned)(d - '0');
}

const char *emoji_plain(const char *name, size_t n)
{
	if (memchr(name, '\0', n))
		return NULL;
	const struct emoji_row *r = find(name, n);
	return r ? r->chars : NULL;
}

bool emoji_chars(const char *name, size_t n, char out[EMOJI_MAX])
{
	out[0] = '\0';
	if (memchr(name, '\0', n))
		return false;
	unsigned tone = split_tone(name, &n);
	const struct emoji_row *r = find(name, n);
	if (!r)
		return false;
	size_t len = strlen(r->chars);
	if (len + 5 > EMOJI_MAX)
		return false;
	if (!tone || !r->tone) {
		memcpy(out, r->chars, len + 1);
		return true;
	}
	/* Unicode TR 51: the modifier follows the base character and replaces a variation selector there. */
	uint32_t cp;
	size_t first = utf8_get(r->chars, len, &cp), rest = first;
	if (len >= first + 3 && memcmp(r->chars + first, "\xef\xb8\x8f", 3) == 0)
		rest += 3;
	memcpy(out, r->chars, first);
	size_t at = first + utf8_put(0x1F3FB + tone - 2, out + first);
	memcpy(out + at, r->chars + rest, len - rest + 1);
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool emoji_from_hex(const char *hex, size_t n, char out[EMOJI_MAX])
{
	size_t at = 0, i = 0;
	out[0] = '\0';
	while (i < n) {
		uint32_t cp = 0;
		size_t digits = 0;
		for (; i < n && hex[i] != '-'; i++, digits++) {
			int d = hex_digit(hex[i]);
			if (d < 0 || digits == 6)
				goto bad;
			cp = cp * 16 + (uint32_t)d;
		}
		char c[4];
		size_t k = cp < 0x20 ? 0 : utf8_put(cp, c);
		if (!k || at + k >= EMOJI_MAX)
			goto bad;
		memcpy(out + at, c, k);
		at += k;
		if (i < n)
			i++;
	}
	out[at] = '\0';
	return at > 0;
bad:
	out[0] = '\0';
	return false;
}
