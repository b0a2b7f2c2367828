/* slack_text.c: mrkdwn (the `text` of a message) to spans, and the small string helpers the other parts share.
 *
 * The order matters: first `<…>` tokens and styles are found, then &amp; &lt; &gt; are decoded, so that a typed "<http://x>"
 * never becomes a link. Every scan is linear: a failed search is remembered. Does not look at blocks (slack_blocks.c).
 */
#include "importers/slack_text.h"

#include "core/utf8.h"
#include "importers/emoji.h"

#include <string.h>

enum mode { MODE_FULL, MODE_VERBATIM /* inside `code`: tokens only */, MODE_PRE /* inside ```: links and text only */ };

struct scan {
	struct text_builder *b;
	const struct slack_seen *seen;
	const char *start, *end; /* of the whole text, for looking at neighbours */
};

char *slack_decode(struct arena *a, const char *s, size_t n)
{
	static const struct { const char *entity; size_t n; char c; } known[] = { { "&amp;", 5, '&' }, { "&lt;", 4, '<' }, { "&gt;", 4, '>' } };
	char *out = arena_alloc(a, n + 1), *o = out;
	for (size_t i = 0; i < n;) {
		unsigned char c = (unsigned char)s[i];
		if (c == '&') {
			size_t k = 0;
			while (k < countof(known) && !(n - i >= known[k].n && memcmp(s + i, known[k].entity, known[k].n) == 0))
				k++;
			if (k < countof(known)) {
				*o++ = known[k].c;
				i += known[k].n;
				continue;
			}
		}
		i++;
		if ((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t')
			*o++ = (char)c;
	}
	*o = '\0';
	return out;
}

const char *slack_str(struct arena *a, const struct jv *v)
{
	if (!v || v->type != JV_STR)
		return "";
	if (!memchr(v->s, '\0', v->len))
		return v->s;
	char *out = arena_alloc(a, v->len + 1), *o = out;
	for (size_t i = 0; i < v->len; i++)
		if (v->s[i])
			*o++ = v->s[i];
	*o = '\0';
	return out;
}

static bool token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '%' || c == '.';
}

/* Slack's tokens: xoxe- (export), xoxb-, xoxp-, xoxc-, xoxd-, xoxs-, xapp-. */
static size_t token_length(const char *s)
{
	if (!(s[0] == 'x' && s[1] == 'o' && s[2] == 'x' && s[3] && strchr("abcdeoprs", s[3]) && (s[4] == '-' || s[4] == '.')) &&
	    strncmp(s, "xapp-", 5) != 0)
		return 0;
	size_t n = 5;
	while (token_char(s[n]))
		n++;
	return n >= 5 + 4 ? n : 0; /* "xoxe-" by itself is a word people write about tokens */
}

bool slack_token_in(const char *s, size_t n)
{
	for (const char *p = s; (p = memchr(p, 'x', n - (size_t)(p - s))); p++)
		if (token_length(p))
			return true;
	return false;
}

/* Whether the parameter [p, q) is the export token; the name it has there. */
static const char *token_param(const char *p, const char *q)
{
	if (q - p > 2 && memcmp(p, "t=", 2) == 0 && token_length(p + 2))
		return "t";
	if (q - p > 6 && memcmp(p, "token=", 6) == 0)
		return "token";
	return NULL;
}

const char *slack_untoken(struct arena *a, const char *s, const char **found)
{
	const char *hit = strstr(s, "xox");
	if (!hit && !strstr(s, "token=") && !strstr(s, "xapp-"))
		return s;
	size_t n = strlen(s);
	bool address = strncmp(s, "http", 4) == 0;
	char *out = arena_alloc(a, n + 1), *o = out;
	for (const char *p = s; *p;) {
		if (address && (*p == '?' || *p == '&')) {
			const char *q = p + 1 + strcspn(p + 1, "&#");
			const char *name = token_param(p + 1, q);
			if (name) {
				if (found)
					*found = name;
				if (*p == '?' && *q == '&') { /* the next parameter becomes the first one */
					*o++ = '?';
					q++;
				}
				p = q;
				continue;
			}
		}
		size_t k = *p == 'x' ? token_length(p) : 0;
		if (k) {
			if (found && !*found)
				*found = "text";
			memcpy(o, "***", 3); /* a token has at least nine characters */
			o += 3;
			p += k;
			continue;
		}
		*o++ = *p++;
	}
	while (address && o > out && o[-1] == '?')
		o--;
	*o = '\0';
	return out;
}

const char *slack_permalink(struct arena *a, const char *url, size_t n)
{
	static const char host[] = ".slack.com/archives/";
	if (n < 8 || memcmp(url, "https://", 8) != 0)
		return NULL;
	size_t i = 8;
	while (i < n && url[i] != '/' && url[i] != '?' && url[i] != '#' && url[i] != '@')
		i++;
	size_t tail = sizeof(".slack.com") - 1;
	if (i < 8 + tail + 1 || memcmp(url + i - tail, host, tail) != 0)
		return NULL;
	i -= tail;
	if (n - i < sizeof(host) - 1 || memcmp(url + i, host, sizeof(host) - 1) != 0)
		return NULL;
	i += sizeof(host) - 1;
	size_t conv = i;
	while (i < n && ((url[i] >= 'A' && url[i] <= 'Z') || (url[i] >= '0' && url[i] <= '9')))
		i++;
	size_t conv_n = i - conv;
	if (!conv_n || conv_n > 32 || n - i < 2 || url[i] != '/' || url[i + 1] != 'p')
		return NULL;
	i += 2;
	size_t d = i;
	while (i < n && url[i] >= '0' && url[i] <= '9')
		i++;
	size_t digits = i - d;
	if (digits < 7 || digits > 17 || (i < n && url[i] != '?' && url[i] != '#' && url[i] != '/'))
		return NULL;
	return arena_fmt(a, "%.*s/%.*s.%.6s", (int)conv_n, url + conv, (int)(digits - 6), url + d, url + d + digits - 6);
}

/* ---- characters and their neighbours ---- */

static bool is_word_at(const char *p, const char *end)
{
	unsigned char c = (unsigned char)*p;
	if (c < 0x80)
		return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
	uint32_t cp;
	if (!utf8_get(p, (size_t)(end - p), &cp))
		return false;
	return !(cp <= 0xBF || (cp >= 0x2000 && cp <= 0x2BFF) || (cp >= 0x3000 && cp <= 0x303F) || (cp >= 0xFE00 && cp <= 0xFE0F) ||
		 cp >= 0x1F000);
}

static bool is_word_before(const struct scan *s, const char *p)
{
	if (p == s->start)
		return false;
	const char *q = p - 1;
	while (q > s->start && ((unsigned char)*q & 0xC0) == 0x80 && p - q < 4)
		q--;
	return is_word_at(q, s->end);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The '>' that ends the token opened at p, or NULL. A token holds no '<': typed ones are escaped. */
static const char *token_close(const char *p, const char *e)
{
	for (const char *q = p + 1; q < e && *q != '<'; q++)
		if (*q == '>')
			return q > p + 1 ? q : NULL;
	return NULL;
}

static bool can_close(const struct scan *s, const char *open, const char *k, const char *e)
{
	if (k <= open + 1 || is_space(k[-1]))
		return false;
	return k + 1 >= e || !is_word_at(k + 1, s->end);
}

/* The closing delimiter for the one at p on the same line, or NULL. */
static const char *style_close(const struct scan *s, const char *p, const char *e)
{
	bool ticks = true;
	for (const char *q = p + 1; q < e && *q != '\n'; q++) {
		if (*q == *p && can_close(s, p, q, e))
			return q;
		if (*q == '<') {
			const char *c = token_close(q, e);
			if (c)
				q = c;
		} else if (*q == '`' && ticks) {
			const char *c = q + 1;
			while (c < e && *c != '`' && *c != '\n')
				c++;
			if (c < e && *c == '`')
				q = c;
			else
				ticks = false;
		}
	}
	return NULL;
}

/* ---- tokens ---- */

static void emit_text(struct scan *s, uint32_t style, const char *p, const char *q)
{
	if (p >= q)
		return;
	size_t n = (size_t)(q - p);
	bool plain = !memchr(p, '&', n);
	for (size_t i = 0; plain && i < n; i++)
		plain = (unsigned char)p[i] >= 0x20 || p[i] == '\n' || p[i] == '\t';
	if (plain) {
		text_plain(s->b, style, p, n);
		return;
	}
	char *t = slack_decode(s->b->a, p, n);
	text_plain(s->b, style, t, strlen(t));
}

static bool is_id(const char *p, const char *q)
{
	if (p >= q || q - p > 64)
		return false;
	for (; p < q; p++)
		if (!((*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')))
			return false;
	return true;
}

static bool has_scheme(const char *p, const char *q)
{
	const char *c = p;
	while (c < q && ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (c > p && ((*c >= '0' && *c <= '9') || *c == '+' || *c == '-' || *c == '.'))))
		c++;
	return c > p && c < q && *c == ':' && c + 1 < q;
}

/* <!date^1392734382^{date_short}^https://link|fallback> */
static void emit_date(struct scan *s, uint32_t style, const char *p, const char *q, const char *label)
{
	struct arena *a = s->b->a;
	const char *part[3] = { p, q, q };
	size_t n = 1;
	for (const char *c = p; c < q && n < 3; c++)
		if (*c == '^')
			part[n++] = c + 1;
	const char *unix_end = n > 1 ? part[1] - 1 : q;
	const char *url = n > 2 ? slack_decode(a, part[2], (size_t)(q - part[2])) : "";
	text_span(s->b, SPAN_DATE, style, label, arena_strndup(a, p, (size_t)(unix_end - p)), url);
}

static void emit_command(struct scan *s, uint32_t style, enum mode mode, const char *p, const char *q, const char *label)
{
	struct arena *a = s->b->a;
	size_t n = (size_t)(q - p);
	if (mode != MODE_PRE) {
		static const char *const ranges[] = { "here", "channel", "everyone", "group" };
		for (size_t i = 0; i < countof(ranges); i++) {
			if (n == strlen(ranges[i]) && memcmp(p, ranges[i], n) == 0) {
				/* "group" is what private channels called "channel" in the format's first years. */
				text_span(s->b, SPAN_BROADCAST, style, "", i == 3 ? "channel" : ranges[i], "");
				return;
			}
		}
		if (n > 8 && memcmp(p, "subteam^", 8) == 0 && is_id(p + 8, q)) {
			const char *id = arena_strndup(a, p + 8, n - 8);
			if (*label && s->seen && s->seen->group)
				s->seen->group(s->seen->ctx, id, label);
			else if (!*label && s->seen && s->seen->group_label && s->seen->group_label(s->seen->ctx, id))
				label = s->seen->group_label(s->seen->ctx, id);
			text_span(s->b, SPAN_GROUP, style, label, id, "");
			return;
		}
		if (n > 5 && memcmp(p, "date^", 5) == 0) {
			emit_date(s, style, p + 5, q, label);
			return;
		}
	}
	if (!*label)
		label = slack_decode(a, p, n);
	text_plain(s->b, style, label, strlen(label));
}

static void emit_token(struct scan *s, uint32_t style, enum mode mode, const char *p, const char *e)
{
	struct arena *a = s->b->a;
	const char *bar = memchr(p, '|', (size_t)(e - p));
	const char *q = bar ? bar : e;
	const char *label = bar ? slack_decode(a, bar + 1, (size_t)(e - bar - 1)) : "";
	if (*p == '@' && is_id(p + 1, q)) {
		const char *id = arena_strndup(a, p + 1, (size_t)(q - p - 1));
		while (*label == '@')
			label++;
		if (s->seen && s->seen->user)
			s->seen->user(s->seen->ctx, id, label);
		if (mode == MODE_PRE)
			text_plain(s->b, style, *label ? label : id, strlen(*label ? label : id));
		else
			text_span(s->b, SPAN_USER, style, label, id, "");
	} else if (*p == '#' && is_id(p + 1, q)) {
		const char *id = arena_strndup(a, p + 1, (size_t)(q - p - 1));
		if (bar && !*label && s->seen && s->seen->odd)
			s->seen->odd(s->seen->ctx, "channel-label-empty", id);
		while (*label == '#')
			label++;
		if (mode == MODE_PRE)
			text_plain(s->b, style, *label ? label : id, strlen(*label ? label : id));
		else
			text_span(s->b, SPAN_CONV, style, label, id, "");
	} else if (*p == '!') {
		emit_command(s, style, mode, p + 1, q, label);
	} else if (has_scheme(p, q)) {
		const char *url = slack_decode(a, p, (size_t)(q - p));
		const char *msg = mode == MODE_PRE ? NULL : slack_permalink(a, url, strlen(url));
		if (streq(label, url))
			label = "";
		if (strncmp(url, "mailto:", 7) == 0 && !*label)
			label = url + 7;
		if (msg)
			text_span(s->b, SPAN_MSG, style, label, msg, url);
		else
			text_span(s->b, SPAN_LINK, style, label, "", url);
	} else { /* no token of Slack's: a literal, as exporters that do not escape write it */
		emit_text(s, style, p - 1, e + 1);
	}
}

/* ":name:" or ":name::skin-tone-N:" at p: the position behind it, or NULL. */
static const char *emit_emoji(struct scan *s, uint32_t style, const char *run, const char *p, const char *e)
{
	const char *q = p + 1;
	bool letter = false;
	while (q < e && q - p <= EMOJI_NAME_MAX) {
		unsigned char c = (unsigned char)*q;
		if ((c >= 'a' && c <= 'z') || c >= 0x80)
			letter = true;
		else if (!((c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+' || c == '\''))
			break;
		q++;
	}
	if (q >= e || *q != ':' || q == p + 1)
		return NULL;
	const char *plain = emoji_plain(p + 1, (size_t)(q - p - 1));
	if (p > run && p[-1] == ':') /* "a::b::c"; where an emoji has just ended, run is p */
		return NULL;
	/* A custom emoji is known by its name alone, so times, paths and C++ must not look like one. */
	if (!plain && (!letter || is_word_before(s, p) || (q + 1 < e && is_word_at(q + 1, s->end))))
		return NULL;
	const char *name_end = q;
	static const char mark[] = ":skin-tone-";
	size_t m = sizeof(mark) - 1;
	if (plain && (size_t)(e - q - 1) >= m + 2 && memcmp(q + 1, mark, m) == 0 && q[m + 1] >= '2' && q[m + 1] <= '6' && q[m + 2] == ':') {
		name_end = q + m + 2;
		q = name_end;
	}
	emit_text(s, style, run, p);
	size_t n = (size_t)(name_end - p - 1);
	char *name = arena_strndup(s->b->a, p + 1, n);
	char chars[EMOJI_MAX];
	bool known = emoji_chars(name, n, chars);
	text_span(s->b, SPAN_EMOJI, style, known ? arena_strdup(s->b->a, chars) : "", name, "");
	return q + 1;
}

static uint32_t style_of(char c)
{
	return c == '*' ? STYLE_BOLD : c == '_' ? STYLE_ITALIC : c == '~' ? STYLE_STRIKE : STYLE_CODE;
}

/* Spans of [p, e). Recursion is bounded by the number of styles: one that is on cannot be opened again. */
static void inline_run(struct scan *s, const char *p, const char *e, uint32_t style, enum mode mode)
{
	const char *run = p;
	const char *hopeless[4] = { p, p, p, p }; /* per delimiter: no closer before this position */
	while (p < e) {
		char c = *p;
		const char *q;
		if (c == '<' && (q = token_close(p, e))) {
			emit_text(s, style, run, p);
			emit_token(s, style, mode, p + 1, q);
			run = p = q + 1;
			continue;
		}
		if (mode != MODE_FULL) {
			p++;
			continue;
		}
		if (c == ':' && (q = emit_emoji(s, style, run, p, e))) {
			run = p = q;
			continue;
		}
		if (c == '*' || c == '_' || c == '~' || c == '`') {
			uint32_t bit = style_of(c);
			size_t k = c == '*' ? 0 : c == '_' ? 1 : c == '~' ? 2 : 3;
			bool open = !(style & bit) && p >= hopeless[k] && p + 1 < e && p[1] != c && p[1] != '\n' && (c == '`' || !is_space(p[1])) &&
				    !is_word_before(s, p);
			if (open) {
				q = style_close(s, p, e);
				if (q) {
					emit_text(s, style, run, p);
					inline_run(s, p + 1, q, style | bit, c == '`' ? MODE_VERBATIM : mode);
					run = p = q + 1;
					continue;
				}
				const char *eol = memchr(p, '\n', (size_t)(e - p));
				hopeless[k] = eol ? eol : e;
			}
		}
		p++;
	}
	emit_text(s, style, run, e);
}

/* ---- lines ---- */

static size_t quote_mark(const char *p, const char *e)
{
	if (e - p >= 4 && memcmp(p, "&gt;", 4) == 0)
		return 4;
	return p < e && *p == '>' ? 1 : 0;
}

static const char *fence(const char *p, const char *e)
{
	for (; p && e - p >= 3; p++) {
		p = memchr(p, '`', (size_t)(e - p));
		if (!p)
			break;
		if (e - p >= 3 && p[1] == '`' && p[2] == '`')
			return p;
	}
	return NULL;
}

static void code_block(struct scan *s, const char *p, const char *q)
{
	if (p < q && *p == '\n')
		p++;
	if (p < q && q[-1] == '\n')
		q--;
	text_block(s->b, BLOCK_CODE);
	inline_run(s, p, q, 0, MODE_PRE);
}

/* The end of [p, q) without its last spaces. */
static const char *trimmed(const char *p, const char *q)
{
	while (q > p && q[-1] == ' ')
		q--;
	return q > p ? q : p;
}

static void para(struct scan *s, const char *p, const char *q)
{
	if (q < s->end) /* a code block or a quote follows */
		q = trimmed(p, q);
	if (p >= q)
		return;
	text_block(s->b, BLOCK_PARA);
	inline_run(s, p, q, 0, MODE_FULL);
}

void slack_mrkdwn(struct text_builder *b, const char *text, size_t n, const struct slack_seen *seen)
{
	struct scan s = { b, seen, text, text + n };
	const char *p = text, *e = text + n, *seg = text;
	int outer = b->quote;
	bool to_end = false, in_quote = false;
	const char *open = fence(p, e), *close = open ? fence(open + 3, e) : NULL;
	if (!close)
		open = NULL;
	while (p < e) { /* p is at the start of a line, or right behind a code block */
		size_t mark = p == text || p[-1] == '\n' ? quote_mark(p, e) : 0;
		if (mark && !to_end) { /* ">>>" quotes all that follows */
			size_t second = quote_mark(p + mark, e), third = second ? quote_mark(p + mark + second, e) : 0;
			if (third) {
				to_end = true;
				mark += second + third;
			}
		}
		const char *eol = memchr(p, '\n', (size_t)(e - p));
		if (!eol)
			eol = e;
		const char *body = p + mark + (mark && p + mark < e && p[mark] == ' ' ? 1 : 0);
		bool fenced = open && open < eol;
		bool quoted = mark || to_end;
		if (quoted) {
			if (!in_quote) {
				para(&s, seg, p > seg && p[-1] == '\n' ? p - 1 : p);
				b->quote = outer + 1;
				text_block(b, BLOCK_PARA);
				in_quote = true;
			} else {
				text_plain(b, 0, "\n", 1);
			}
			inline_run(&s, body, fenced ? trimmed(body, open) : eol, 0, MODE_FULL);
		} else if (in_quote) {
			b->quote = outer;
			in_quote = false;
			seg = p;
		}
		if (fenced) {
			if (!quoted)
				para(&s, seg, open > seg && open[-1] == '\n' ? open - 1 : open);
			code_block(&s, open + 3, close);
			p = close + 3;
			while (p < e && *p == ' ')
				p++;
			if (p < e && *p == '\n')
				p++;
			seg = p;
			if (in_quote) { /* the rest of the line stands in a new quoted paragraph */
				if (p < e && p[-1] != '\n') {
					const char *rest = memchr(p, '\n', (size_t)(e - p));
					rest = rest ? rest : e;
					text_block(b, BLOCK_PARA);
					inline_run(&s, p, rest, 0, MODE_FULL);
					p = rest < e ? rest + 1 : e;
					seg = p;
				} else if (p < e && !to_end && !quote_mark(p, e)) {
					b->quote = outer;
					in_quote = false;
				} else if (p < e) {
					text_block(b, BLOCK_PARA);
				}
			}
			open = fence(p, e);
			close = open ? fence(open + 3, e) : NULL;
			if (!close)
				open = NULL;
			continue;
		}
		p = eol < e ? eol + 1 : e;
		if (quoted)
			seg = p;
	}
	b->quote = outer;
	if (!in_quote || seg < e)
		para(&s, seg, e);
}
