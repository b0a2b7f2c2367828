/* whatsapp_text.c: a message's characters as rich text.
 *
 * Promises: WhatsApp's own marks (*bold*, _italic_, ~struck~, `code`, ```preformatted```, "> " quotes; faq.whatsapp.com, "How to
 * format your messages") become styles where WhatsApp would show them so, and stay characters everywhere else; addresses become
 * links; "@name" of somebody who is in the chat becomes a mention. Nothing else is changed.
 */
#include "importers/whatsapp.h"

#include "core/utf8.h"

#include <string.h>

struct inl { struct source *s; struct wa_chat *c; struct text_builder *b; };

static bool is_word(const char *p, const char *end)
{
	unsigned char c = p < end ? (unsigned char)*p : ' ';
	if (c >= 0xe2) /* punctuation and signs, most of what is not a letter beyond */
		return c != 0xe2 && c < 0xf0;
	return c >= 0x80 ? c != 0xc2 : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_blank(const char *p, const char *end)
{
	return p >= end || *p == ' ' || *p == '\n' || *p == '\t';
}

static uint32_t style_of(char c)
{
	return c == '*' ? STYLE_BOLD : c == '_' ? STYLE_ITALIC : c == '~' ? STYLE_STRIKE : c == '`' ? STYLE_CODE : 0;
}

/* The closing sign of a style opened at p, on the same line; NULL when it stays a character. */
static const char *closing(const char *start, const char *p, const char *end)
{
	if (p > start && is_word(p - 1, end) && ((unsigned char)p[-1] < 0x80))
		return NULL;
	if (p > start && (unsigned char)p[-1] >= 0x80 && p - start >= 2 && is_word(p - 2, end))
		return NULL;
	if (is_blank(p + 1, end) || p[1] == *p)
		return NULL;
	for (const char *q = p + 2; q < end && *q != '\n'; q++)
		if (*q == *p && !is_blank(q - 1, end) && !is_word(q + 1, end))
			return q;
	return NULL;
}

static size_t url_length(const char *p, const char *end)
{
	size_t n = 0, left = (size_t)(end - p);
	if (!(left > 8 && (!memcmp(p, "https://", 8) || !memcmp(p, "http://", 7))))
		return 0;
	while (n < left && (unsigned char)p[n] > ' ' && !strchr("<>\"", p[n]) && !wa_mark(p + n, left - n))
		n++;
	while (n && strchr(".,;:!?'", p[n - 1]))
		n--;
	if (n && p[n - 1] == ')' && !memchr(p, '(', n))
		n--;
	return n > 8 ? n : 0;
}

static void flush(struct inl *t, const char *from, const char *to, uint32_t style)
{
	text_plain(t->b, style, from, (size_t)(to - from));
}

/* "@" and a name between U+2068 and U+2069, or digits. Returns its length when somebody of the chat is meant. */
static size_t mention(struct inl *t, const char *p, const char *end, uint32_t style)
{
	const char *label = p + 1, *stop;
	size_t n = 0;
	if (end - label > 6 && !memcmp(label, "\xe2\x81\xa8", 3)) {
		label += 3;
		for (stop = label; stop + 3 <= end && memcmp(stop, "\xe2\x81\xa9", 3); stop++)
			if (*stop == '\n' || stop - label > WA_AUTHOR_MAX)
				return 0;
		if (stop + 3 > end)
			return 0;
		n = (size_t)(stop + 3 - p);
	} else {
		for (stop = label; stop < end && *stop >= '0' && *stop <= '9'; stop++)
			;
		if (stop - label < 7)
			return 0;
		n = (size_t)(stop - p);
	}
	const struct wa_author *who = wa_mentioned(t->s, t->c, label, (size_t)(stop - label));
	const char *text = arena_strndup(t->s->step, label, (size_t)(stop - label));
	if (who)
		text_span(t->b, SPAN_USER, style, who->name, arena_strdup(t->s->step, who->id), NULL);
	else
		text_span(t->b, SPAN_TEXT, style, arena_fmt(t->s->step, "@%s", text), NULL, NULL);
	return n;
}

static void inlines(struct inl *t, const char *p, const char *end, uint32_t style, int depth)
{
	static const bool tells[256] = { ['h'] = true, ['@'] = true, ['*'] = true, ['_'] = true, ['~'] = true, ['`'] = true };
	const char *start = p, *plain = p;
	for (;;) {
		while (p < end && !tells[(unsigned char)*p])
			p++;
		if (p == end)
			break;
		unsigned char c = (unsigned char)*p;
		size_t k;
		if (c == 'h' && (k = url_length(p, end))) {
			flush(t, plain, p, style);
			text_span(t->b, SPAN_LINK, style, NULL, NULL, arena_strndup(t->s->step, p, k));
			plain = p += k;
		} else if (c == '@') {
			flush(t, plain, p, style);
			plain = p;
			k = mention(t, p, end, style);
			p += k ? k : 1;
			plain = k ? p : plain;
		} else if (depth < 4 && style_of((char)c) && !(style & style_of((char)c))) {
			const char *q = closing(start, p, end);
			if (!q) {
				p++;
				continue;
			}
			flush(t, plain, p, style);
			if (c == '`')
				flush(t, p + 1, q, style | STYLE_CODE);
			else
				inlines(t, p + 1, q, style | style_of((char)c), depth + 1);
			plain = p = q + 1;
		} else {
			p++;
		}
	}
	flush(t, plain, end, style);
}

static const char *fence(const char *p, const char *end)
{
	for (; p + 3 <= end; p++) {
		p = memchr(p, '`', (size_t)(end - p) - 2);
		if (!p)
			return NULL;
		if (p[1] == '`' && p[2] == '`')
			return p;
	}
	return NULL;
}

/* Lines that are quoted stand in blocks of their own. */
static void lines(struct inl *t, const char *p, const char *end)
{
	bool quoted = false, open = false;
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
		bool quote = stop - p >= 2 && p[0] == '>' && p[1] == ' ';
		if (!open || quote != quoted) {
			t->b->quote = quote;
			text_block(t->b, BLOCK_PARA);
		} else {
			text_plain(t->b, 0, "\n", 1);
		}
		open = true;
		quoted = quote;
		inlines(t, p + 2 * quote, stop, 0, 0);
		p = nl ? nl + 1 : end;
	}
	t->b->quote = 0;
}

struct text wa_text(struct source *s, struct wa_chat *c, const char *p, size_t n)
{
	struct text_builder b;
	struct inl t = { s, c, &b };
	const char *end = p + n;
	text_begin(&b, s->step);
	/* Most messages have none of it: no sign of a style, a name, an address, a quotation at the beginning of any line. */
	if (!memchr(p, '*', n) && !memchr(p, '_', n) && !memchr(p, '~', n) && !memchr(p, '`', n) && !memchr(p, '@', n) && !memchr(p, ':', n) &&
	    !memchr(p, '>', n)) {
		text_plain(&b, 0, p, n);
		return text_end(&b);
	}
	for (;;) {
		const char *open = fence(p, end), *shut = open ? fence(open + 3, end) : NULL;
		if (!shut) {
			lines(&t, p, end);
			return text_end(&b);
		}
		lines(&t, p, open);
		text_block(&b, BLOCK_CODE);
		text_plain(&b, 0, open + 3, (size_t)(shut - open - 3));
		p = shut + 3;
	}
}

struct text wa_note(struct source *s, const char *p, size_t n)
{
	struct text_builder b;
	text_begin(&b, s->step);
	text_block(&b, BLOCK_NOTE);
	text_plain(&b, 0, p, n);
	return text_end(&b);
}
