#include "core/utf8.h"

#include "core/buf.h"

#include <string.h>
#include <unigbrk.h>
#include <uniwidth.h>

size_t utf8_get(const char *s, size_t n, uint32_t *cp)
{
	const unsigned char *p = (const unsigned char *)s;
	if (!n)
		return 0;
	if (p[0] < 0x80) {
		*cp = p[0];
		return 1;
	}
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	if (p[0] < 0xc2 || p[0] > 0xf4 || n < len)
		return 0;
	uint32_t c = p[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*cp = c;
	return len;
}

size_t utf8_put(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		if (c >= 0xd800 && c <= 0xdfff)
			return 0;
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	if (c > 0x10ffff)
		return 0;
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The vectors that gcc and clang have for any machine. */
typedef unsigned char bytes __attribute__((vector_size(16)));

static bytes bytes_at(const unsigned char *p)
{
	bytes v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static bool none(bytes v)
{
	uint64_t half[2];
	memcpy(half, &v, sizeof(half));
	return !(half[0] | half[1]);
}

/* Are the sixteen bytes at p ASCII and characters of two bytes (U+0080..U+07FF: Cyrillic, Greek, Latin with marks), seen with
 * the byte before them? The last one may be the first half of a character. */
static bool sixteen_narrow(const unsigned char *p)
{
	const bytes now = bytes_at(p), before = bytes_at(p - 1);
	const bytes follows = (bytes)((now & 0xc0) == 0x80), led = (bytes)((before & 0xe0) == 0xc0);
	const bytes wide = (bytes)(now >= 0xe0), never = (bytes)((now & 0xfe) == 0xc0); /* C0 and C1 lead nothing */
	return none((follows ^ led) | wide | never);
}

void utf8_mend(char *s)
{
	size_t len = strlen(s), out = 0;
	uint32_t cp;
	if (utf8_valid(s, len))
		return;
	for (size_t i = 0; i < len;) {
		size_t k = utf8_get(s + i, len - i, &cp);
		if (k)
			memmove(s + out, s + i, k);
		out += k;
		i += k ? k : 1;
	}
	s[out] = '\0';
}

bool utf8_valid(const char *s, size_t n)
{
	const unsigned char *const begin = (const unsigned char *)s, *const end = begin + n, *p = begin;
	while (p < end) {
		/* What is before p is whole characters, so the byte before p leads nothing. */
		if (p > begin && end - p >= 16 && sixteen_narrow(p)) {
			do
				p += 16;
			while (end - p >= 16 && sixteen_narrow(p));
			p -= p[-1] >= 0xc0;
			continue;
		}
		const unsigned char *const stop = end - p > 16 ? p + 16 : end;
		while (p < stop) {
			if (*p < 0x80) {
				p++;
			} else if (end - p >= 2 && p[0] >= 0xc2 && p[0] <= 0xdf && (p[1] & 0xc0) == 0x80) {
				p += 2;
			} else {
				uint32_t cp;
				const size_t k = utf8_get((const char *)p, (size_t)(end - p), &cp);
				if (!k)
					return false;
				p += k;
			}
		}
	}
	return true;
}

void utf8_repair(const char *s, size_t n, struct buf *out)
{
	uint32_t cp;
	size_t start = 0;
	for (size_t i = 0; i < n;) {
		size_t k = utf8_get(s + i, n - i, &cp);
		if (k) {
			i += k;
			continue;
		}
		buf_add(out, s + start, i - start);
		buf_adds(out, "\xef\xbf\xbd");
		start = ++i;
	}
	buf_add(out, s + start, n - start);
}

size_t utf8_cut(const char *s, size_t n)
{
	/* Step back over at most three continuation bytes to the lead byte, and drop the character if it is not whole. */
	size_t k = n;
	while (k > 0 && n - k < 4 && ((unsigned char)s[k - 1] & 0xc0) == 0x80)
		k--;
	if (k == 0)
		return n;
	unsigned char lead = (unsigned char)s[k - 1];
	size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
	return n - (k - 1) >= need ? n : k - 1;
}

static bool is_regional(const uint8_t *p, const uint8_t *end) /* U+1F1E6..U+1F1FF: two of them are a flag */
{
	return end - p >= 4 && p[0] == 0xf0 && p[1] == 0x9f && p[2] == 0x87 && p[3] >= 0xa6;
}

/* libunistring 1.0 looks at two neighbours only: it ends a cluster behind a zero width joiner and within a flag, where UAX #29
 * (GB11, GB12) goes on. */
static const uint8_t *cluster_end(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *next = u8_grapheme_next(at, end);
	if (next && next - at == 4 && is_regional(at, end) && is_regional(next, end))
		next = u8_grapheme_next(next, end);
	while (next && next < end && next - at >= 3 && !memcmp(next - 3, "\xe2\x80\x8d", 3))
		next = u8_grapheme_next(next, end);
	return next ? next : end;
}

size_t utf8_cut_cluster(const char *s, size_t len, size_t n)
{
	if (n >= len)
		return len;
	size_t whole = utf8_cut(s, n);
	const uint8_t *p = (const uint8_t *)s, *end = p + len, *last = p;
	while (last < end) {
		const uint8_t *next = cluster_end(last, end);
		if ((size_t)(next - p) > n)
			break;
		last = next;
	}
	return last > p ? (size_t)(last - p) : whole;
}

size_t utf8_width(const char *s)
{
	int w = u8_strwidth((const uint8_t *)s, "UTF-8");
	return w > 0 ? (size_t)w : 0;
}

size_t utf8_length(const char *s)
{
	size_t n = 0;
	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* Invisible or direction-changing characters, and controls: what could make a terminal or a reader see something else. */
static bool unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f || c == 0x2028 || c == 0x2029 ||
	       (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe007f) ||
	       (c >= 0xfff9 && c <= 0xfffb);
}

void utf8_term_safe(const char *s, size_t n, enum term_lines lines, struct buf *out)
{
	uint32_t c;
	for (size_t i = 0; i < n;) {
		size_t k = utf8_get(s + i, n - i, &c);
		if (!k) {
			buf_addf(out, "\\x%02X", (unsigned)(unsigned char)s[i]);
			i++;
			continue;
		}
		if (c == '\n' && lines == TERM_KEEP_LINES)
			buf_addc(out, '\n');
		else if (c == '\n')
			buf_adds(out, "\\n");
		else if (c == '\t')
			buf_addc(out, lines == TERM_KEEP_LINES ? '\t' : ' ');
		else if (unsafe(c))
			buf_addf(out, "\\u{%04X}", (unsigned)c);
		else
			buf_add(out, s + i, k);
		i += k;
	}
}
