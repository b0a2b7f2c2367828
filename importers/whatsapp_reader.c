/* whatsapp_reader.c: streaming lines out of a transcript.
 *
 * Promises: a window of 256 KiB whatever the file's size; every line is valid UTF-8 without NUL; a longer line comes in pieces.
 * UTF-16 and windows-1251 (somebody opened the file and saved it again) are converted; byte order marks are taken away. What a
 * line means is not known here.
 */
#include "importers/whatsapp_reader.h"

#include "core/buf.h"
#include "core/utf8.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 256 * 1024, RAW = 64 * 1024, PROBE = 4096 };

struct wa_reader {
	struct vfile *f;
	const char *name;
	enum wa_encoding enc;
	bool bom, end, cut, last_lf;
	char *win;           /* UTF-8 waiting: win[at..len) */
	size_t at, len;
	size_t clean_to;     /* the window up to here is known to be clean */
	char *raw;           /* bytes waiting for conversion: raw[0..raw_n) */
	size_t raw_n;
	iconv_t cd;
	size_t line_no;
	struct buf repaired;
	size_t bad_lines, cyrillic, high;
};

const char *wa_encoding_name(enum wa_encoding e)
{
	static const char *const names[] = { "UTF-8", "UTF-16LE", "UTF-16BE", "windows-1251" };
	return names[e];
}

/* UTF-16 without a mark: every second byte of a text in a Latin script, or the line ends of any other, is zero. */
static enum wa_encoding guess(const char *p, size_t n)
{
	size_t even = 0, odd = 0;
	for (size_t i = 0; i < n; i++)
		if (!p[i])
			*(i % 2 ? &odd : &even) += 1;
	if (odd > n / 16 && odd > 4 * even)
		return WA_UTF16LE;
	if (even > n / 16 && even > 4 * odd)
		return WA_UTF16BE;
	return WA_UTF8;
}

static bool fill_raw(struct wa_reader *r, size_t want, struct err *e)
{
	while (!r->end && r->raw_n < want) {
		ptrdiff_t got = vfile_read(r->f, r->raw + r->raw_n, want - r->raw_n, e);
		if (got < 0)
			return false;
		r->end = got == 0;
		r->raw_n += (size_t)got;
	}
	return true;
}

struct wa_reader *wa_reader_open(struct vault *v, const struct entry *en, bool force_1251, struct err *e)
{
	struct vfile *f = vault_read(v, en, e);
	if (!f)
		return NULL;
	struct wa_reader *r = xcalloc(1, sizeof(*r));
	r->f = f;
	r->name = en->name;
	r->win = xmalloc(WINDOW + 1);
	r->raw = xmalloc(RAW);
	r->cd = (iconv_t)-1;
	buf_init(&r->repaired, 3 * WINDOW + 16);
	if (!fill_raw(r, PROBE, e)) {
		wa_reader_close(r);
		return NULL;
	}
	size_t skip = 0;
	const unsigned char *p = (const unsigned char *)r->raw;
	if (r->raw_n >= 3 && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf)
		skip = 3;
	else if (r->raw_n >= 2 && p[0] == 0xff && p[1] == 0xfe)
		r->enc = WA_UTF16LE, skip = 2;
	else if (r->raw_n >= 2 && p[0] == 0xfe && p[1] == 0xff)
		r->enc = WA_UTF16BE, skip = 2;
	else
		r->enc = force_1251 ? WA_CP1251 : guess(r->raw, r->raw_n);
	r->bom = skip > 0;
	r->raw_n -= skip;
	memmove(r->raw, r->raw + skip, r->raw_n);
	if (r->enc == WA_UTF8) {
		memcpy(r->win, r->raw, r->raw_n);
		r->len = r->raw_n;
		r->raw_n = 0;
	} else {
		static const char *const names[] = { "UTF-8", "UTF-16LE", "UTF-16BE", "CP1251" };
		r->cd = iconv_open("UTF-8", names[r->enc]);
		if (r->cd == (iconv_t)-1) {
			err_set(e, ERR_INTERNAL, "this system cannot convert %s", names[r->enc]);
			wa_reader_close(r);
			return NULL;
		}
	}
	return r;
}

/* Converts what is in raw into the window's free end. What is no character becomes U+FFFD. */
static void convert(struct wa_reader *r)
{
	char *in = r->raw;
	size_t left = r->raw_n, unit = r->enc == WA_CP1251 ? 1 : 2;
	while (left && WINDOW - r->len > 8) {
		char *to = r->win + r->len;
		size_t room = WINDOW - r->len - 4;
		size_t rc = iconv(r->cd, &in, &left, &to, &room);
		r->len = (size_t)(to - r->win);
		if (rc != (size_t)-1 || errno == E2BIG)
			break;
		if (errno == EINVAL && !r->end)
			break; /* half a character: its rest comes with the next bytes */
		memcpy(r->win + r->len, "\xef\xbf\xbd", 3);
		r->len += 3;
		size_t k = left < unit ? left : unit;
		in += k;
		left -= k;
		iconv(r->cd, NULL, NULL, NULL, NULL);
	}
	memmove(r->raw, in, left);
	r->raw_n = left;
}

/* Valid UTF-8 without NUL? */
static bool clean(const char *s, size_t n)
{
	return !memchr(s, '\0', n) && utf8_valid(s, n);
}

/* Looks at all whole lines of the window at once, which costs a quarter of looking at one after the other. Where one of them is
 * broken, each is looked at. */
static void look_ahead(struct wa_reader *r)
{
	size_t end = r->len;
	while (end > r->at && r->win[end - 1] != '\n')
		end--;
	r->clean_to = clean(r->win + r->at, end - r->at) ? end : r->at;
}

/* More bytes into the window; false = failed. r->end && nothing new = the end. */
static bool fill(struct wa_reader *r, struct err *e)
{
	if (r->at) {
		r->len -= r->at;
		memmove(r->win, r->win + r->at, r->len);
		r->at = 0;
	}
	if (r->enc == WA_UTF8) {
		ptrdiff_t got = vfile_read(r->f, r->win + r->len, WINDOW - r->len, e);
		if (got < 0)
			return false;
		r->end = got == 0;
		r->len += (size_t)got;
		look_ahead(r);
		return true;
	}
	if (!fill_raw(r, RAW, e))
		return false;
	convert(r);
	look_ahead(r);
	return true;
}

/* In windows-1251 Russian letters are A8, B8 and C0..FF; the rest counted here are quotes, dashes, the numero sign, spaces. */
static void count_high(struct wa_reader *r, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		r->high += c >= 0x80;
		r->cyrillic += c >= 0xc0 || c == 0xa8 || c == 0xb8 || c == 0xa0 || c == 0xab || c == 0xbb || c == 0xb9 || (c >= 0x91 && c <= 0x97) || c == 0x85;
	}
}

static void repair(struct wa_reader *r, struct wa_line *l)
{
	r->bad_lines++;
	count_high(r, l->p, l->n);
	buf_reset(&r->repaired);
	utf8_repair(l->p, l->n, &r->repaired);
	for (size_t i = 0; i < r->repaired.len; i++)
		if (!r->repaired.p[i])
			r->repaired.p[i] = ' ';
	l->p = r->repaired.p;
	l->n = r->repaired.len;
}

enum wa_read wa_reader_next(struct wa_reader *r, struct wa_line *l, struct err *e)
{
	size_t seen = 0;
	for (;;) {
		const char *s = r->win + r->at, *nl = memchr(s + seen, '\n', r->len - r->at - seen);
		size_t n = r->len - r->at;
		bool full = !nl && n >= WINDOW - 16;
		if (!nl && !full) {
			if (!r->end || r->raw_n) {
				size_t raw = r->raw_n;
				bool ended = r->end;
				seen = n;
				if (!fill(r, e))
					return WA_FAILED;
				if (!(ended && r->raw_n == raw))
					continue;
			}
			if (!n)
				return WA_END;
		}
		l->begins = !r->cut;
		l->after_lf = r->last_lf;
		if (!r->cut)
			r->line_no++;
		l->no = r->line_no;
		if (nl)
			n = (size_t)(nl - s);
		else if (full)
			n = utf8_cut(s, n);
		r->at += n + (nl != NULL);
		r->cut = full;
		l->crlf = nl && n && s[n - 1] == '\r';
		if (nl)
			r->last_lf = !l->crlf;
		l->p = s;
		l->n = n;
		while (nl && l->n && s[l->n - 1] == '\r')
			l->n--;
		if (r->at > r->clean_to && !clean(l->p, l->n))
			repair(r, l);
		return WA_LINE;
	}
}

enum wa_encoding wa_reader_encoding(const struct wa_reader *r)
{
	return r->enc;
}

bool wa_reader_bom(const struct wa_reader *r)
{
	return r->bom;
}

void wa_reader_broken(const struct wa_reader *r, size_t *lines, size_t *cyrillic, size_t *high)
{
	*lines = r->bad_lines;
	*cyrillic = r->cyrillic;
	*high = r->high;
}

void wa_reader_close(struct wa_reader *r)
{
	if (!r)
		return;
	vfile_close(r->f);
	if (r->cd != (iconv_t)-1)
		iconv_close(r->cd);
	buf_release(&r->repaired);
	free(r->win);
	free(r->raw);
	free(r);
}
