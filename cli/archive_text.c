/* archive_text.c: rich text and names as HTML.
 *
 * Promises: nothing foreign gets out unescaped; the markup is balanced whatever the blocks are; an address is a link only when
 * it is http, https or mailto. Called by the archive_*.c files. */
#include "cli/archive_int.h"

#include "cli/i18n.h"
#include "core/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUOTE_MAX = 8, INDENT_MAX = 8 };

/* ---- escaping ---- */

/* Controls have no place in HTML (WHATWG HTML, 13.1.4); a reader sees that something stood there. */
static const char *instead(unsigned char c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\'': return "&#39;";
	case '\t': case '\n': return NULL;
	case '\r': return "";
	default: return c < 0x20 || c == 0x7f ? "\xef\xbf\xbd" : NULL;
	}
}

void html(struct buf *b, const char *s)
{
	const char *from = s;
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c > '>' && c != 0x7f)
			continue;
		const char *r = instead(c);
		if (!r)
			continue;
		buf_add(b, from, (size_t)(s - from));
		buf_adds(b, r);
		from = s + 1;
	}
	buf_add(b, from, (size_t)(s - from));
}

void htmlf(struct buf *b, const char *fmt, ...)
{
	char s[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(s, sizeof(s), fmt, ap);
	va_end(ap);
	buf_adds(b, s);
}

static bool has_scheme(const char *url, const char *scheme)
{
	for (; *scheme; url++, scheme++)
		if ((*url >= 'A' && *url <= 'Z' ? *url + 32 : *url) != *scheme)
			return false;
	return *url != '\0';
}

bool web_address(const char *url)
{
	return url && (has_scheme(url, "http://") || has_scheme(url, "https://") || has_scheme(url, "mailto:"));
}

/* ---- names and times ---- */

void site_local(struct site *s, int64_t ts_us, struct zoned *z)
{
	if (!zone_local(s->x->zone, ts_us, z) && !zone_local("UTC", ts_us, z))
		*z = (struct zoned){ 1970, 1, 1, 0, 0, 0, 0 };
}

const char *site_conv_sign(const struct conv *c)
{
	return c->kind == CONV_PUBLIC || c->kind == CONV_PRIVATE ? "#" : "";
}

const char *site_author(struct site *s, const struct msg *m, size_t *num)
{
	const struct author *w = m->author ? table_get(&s->authors, m->author) : NULL;
	*num = SIZE_MAX;
	if (m->author_name && *m->author_name)
		return m->author_name;
	if (w)
		*num = w->num;
	return w ? w->name : m->author ? m->author : _("System");
}

static void put_time(struct site *s, int64_t ts_us, struct buf *b)
{
	struct zoned z;
	char iso[32];
	site_local(s, ts_us, &z);
	clock_iso(ts_us, iso);
	htmlf(b, "<time datetime=\"%s\">%04d-%02d-%02d %02d:%02d</time>", iso, z.year, z.month, z.day, z.hour, z.minute);
}

/* ---- spans ---- */

static void put_link(const char *url, const char *label, struct buf *b)
{
	const char *shown = *label ? label : has_scheme(url, "mailto:") ? url + 7 : url;
	if (!web_address(url)) {
		html(b, shown);
		if (*url && *label && !streq(label, url)) {
			buf_adds(b, " (");
			html(b, url);
			buf_addc(b, ')');
		}
		return;
	}
	buf_adds(b, "<a class=\"x\" rel=\"noopener noreferrer\" href=\"");
	html(b, url);
	buf_adds(b, "\">");
	html(b, shown);
	buf_adds(b, "</a>");
}

static void put_mention(const char *name, struct buf *b)
{
	while (*name == '@')
		name++;
	buf_adds(b, "<bdi class=\"u\">@");
	html(b, name);
	buf_adds(b, "</bdi>");
}

static void put_conv(struct site *s, const struct span *sp, struct buf *b)
{
	const struct shelf *h = table_get(&s->shelves, sp->ref);
	if (h && h->n_pages) {
		htmlf(b, "<a href=\"../%lld/1.html\">", (long long)h->c.num);
		html(b, site_conv_sign(&h->c.conv));
		html(b, h->c.conv.name);
		buf_adds(b, "</a>");
		return;
	}
	const char *name = h && !h->left_out ? h->c.conv.name : *sp->text ? sp->text : sp->ref;
	buf_addc(b, '#');
	html(b, *name == '#' ? name + 1 : name);
}

static void put_message_link(struct site *s, const struct span *sp, struct buf *b)
{
	const char *slash = strchr(sp->ref, '/');
	int64_t at = 0;
	struct shelf *h = NULL;
	const char *to = slash ? site_find(s, arena_strndup(&s->step, sp->ref, (size_t)(slash - sp->ref)), slash + 1, &at, &h) : NULL;
	if (!to) {
		put_link(sp->url, sp->text, b);
		return;
	}
	buf_adds(b, "<a href=\"");
	html(b, to);
	buf_adds(b, "\">");
	if (*sp->text && !streq(sp->text, sp->url)) {
		html(b, sp->text);
	} else { /* the old address says nothing here */
		html(b, site_conv_sign(&h->c.conv));
		html(b, h->c.conv.name);
		buf_addc(b, ' ');
		put_time(s, at, b);
	}
	buf_adds(b, "</a>");
}

static void put_date(struct site *s, const struct span *sp, struct buf *b)
{
	char *end = NULL;
	long long unix_s = strtoll(sp->ref, &end, 10);
	bool sound = end != sp->ref && !*end && unix_s > -100000000000 && unix_s < 100000000000;
	bool link = web_address(sp->url);
	if (link) {
		buf_adds(b, "<a class=\"x\" rel=\"noopener noreferrer\" href=\"");
		html(b, sp->url);
		buf_adds(b, "\">");
	}
	if (sound)
		put_time(s, unix_s * 1000000, b);
	else
		html(b, *sp->text ? sp->text : sp->ref);
	if (link)
		buf_adds(b, "</a>");
}

static void put_call(const struct span *sp, struct buf *b)
{
	struct buf words;
	buf_init(&words, 64 << 10);
	text_call(sp, streq(i18n_lang(), "ru") ? TEXT_RUSSIAN : TEXT_ENGLISH, &words);
	if (words.len)
		html(b, words.p);
	buf_release(&words);
}

static const struct { uint32_t style; const char *tag; } tags[] = {
	{ STYLE_BOLD, "b" }, { STYLE_ITALIC, "i" }, { STYLE_STRIKE, "s" }, { STYLE_UNDERLINE, "u" }, { STYLE_CODE, "code" },
};

static void put_span(struct site *s, const struct span *sp, struct buf *b)
{
	for (size_t i = 0; sp->style && i < countof(tags); i++)
		if (sp->style & tags[i].style)
			htmlf(b, "<%s>", tags[i].tag);
	switch (sp->kind) {
	case SPAN_TEXT:
		html(b, sp->text);
		break;
	case SPAN_LINK:
		put_link(sp->url, sp->text, b);
		break;
	case SPAN_USER: {
		const struct author *w = table_get(&s->authors, sp->ref);
		put_mention(w ? w->name : *sp->text ? sp->text : sp->ref, b);
		break;
	}
	case SPAN_CONV:
		put_conv(s, sp, b);
		break;
	case SPAN_GROUP:
		put_mention(*sp->text ? sp->text : sp->ref, b);
		break;
	case SPAN_BROADCAST:
		put_mention(sp->ref, b);
		break;
	case SPAN_EMOJI:
		if (*sp->text) {
			html(b, sp->text);
		} else {
			buf_addc(b, ':');
			html(b, sp->ref);
			buf_addc(b, ':');
		}
		break;
	case SPAN_DATE:
		put_date(s, sp, b);
		break;
	case SPAN_MSG:
		put_message_link(s, sp, b);
		break;
	case SPAN_CELL:
		break; /* put_row's */
	case SPAN_CALL:
		put_call(sp, b);
		break;
	}
	for (size_t i = countof(tags); i > 0; i--)
		if (sp->style & tags[i - 1].style)
			htmlf(b, "</%s>", tags[i - 1].tag);
}

static void put_spans(struct site *s, const struct block *k, struct buf *b)
{
	for (size_t i = 0; i < k->n_spans; i++)
		put_span(s, &k->spans[i], b);
}

/* ---- blocks ---- */

/* What is open: quotations, in them lists (each with an open item), or a table. */
struct nest { int quotes, lists; bool ordered[INDENT_MAX + 1], table; };

static void lists_down(struct nest *n, int to, struct buf *b)
{
	while (n->lists > to) {
		n->lists--;
		buf_adds(b, n->ordered[n->lists] ? "</li></ol>" : "</li></ul>");
	}
}

static void leave(struct nest *n, int quotes, struct buf *b)
{
	lists_down(n, 0, b);
	if (n->table)
		buf_adds(b, "</table></div>");
	n->table = false;
	for (; n->quotes > quotes; n->quotes--)
		buf_adds(b, "</blockquote>");
}

static void list_open(struct nest *n, bool ordered, struct buf *b)
{
	n->ordered[n->lists++] = ordered;
	buf_adds(b, ordered ? "<ol>" : "<ul>");
}

static void put_item(struct site *s, struct nest *n, const struct block *k, struct buf *b)
{
	int depth = 1 + (k->indent < 0 ? 0 : k->indent > INDENT_MAX - 1 ? INDENT_MAX - 1 : k->indent);
	bool ordered = k->ordinal > 0;
	lists_down(n, depth, b);
	if (n->lists == depth && n->ordered[depth - 1] != ordered)
		lists_down(n, depth - 1, b);
	if (n->lists == depth) {
		buf_adds(b, "</li>");
	} else {
		while (n->lists < depth - 1) {
			list_open(n, false, b);
			buf_adds(b, "<li class=\"e\">");
		}
		list_open(n, ordered, b);
	}
	if (ordered)
		htmlf(b, "<li value=\"%d\">", k->ordinal);
	else
		buf_adds(b, "<li>");
	put_spans(s, k, b);
}

static void put_row(struct site *s, const struct block *k, struct buf *b)
{
	const char *cell = k->level == 1 ? "th" : "td";
	bool open = false;
	buf_adds(b, "<tr>");
	for (size_t i = 0; i < k->n_spans; i++) {
		bool end = k->spans[i].kind == SPAN_CELL;
		if (!open)
			htmlf(b, "<%s>", cell);
		open = !end;
		if (end)
			htmlf(b, "</%s>", cell);
		else
			put_span(s, &k->spans[i], b);
	}
	if (open)
		htmlf(b, "</%s>", cell);
	buf_adds(b, "</tr>");
}

static void put_block(struct site *s, struct nest *n, const struct block *k, struct buf *b)
{
	switch (k->kind) {
	case BLOCK_PARA:
		buf_adds(b, "<p>");
		put_spans(s, k, b);
		buf_adds(b, "</p>");
		break;
	case BLOCK_HEADING:
		buf_adds(b, "<h4>");
		put_spans(s, k, b);
		buf_adds(b, "</h4>");
		break;
	case BLOCK_ITEM:
		put_item(s, n, k, b);
		break;
	case BLOCK_CODE:
		buf_adds(b, "<pre><code>");
		put_spans(s, k, b);
		buf_adds(b, "</code></pre>");
		break;
	case BLOCK_RULE:
		buf_adds(b, "<hr>");
		break;
	case BLOCK_ROW:
		if (!n->table)
			buf_adds(b, "<div class=\"wide\"><table>");
		n->table = true;
		put_row(s, k, b);
		break;
	case BLOCK_NOTE:
		buf_adds(b, "<p class=\"note\">");
		put_spans(s, k, b);
		buf_adds(b, "</p>");
		break;
	}
}

void site_text(struct site *s, const struct text *t, struct buf *b)
{
	struct nest n = { 0 };
	for (size_t i = 0; i < t->n_blocks; i++) {
		const struct block *k = &t->blocks[i];
		int quotes = k->quote < 0 ? 0 : k->quote > QUOTE_MAX ? QUOTE_MAX : k->quote;
		if (quotes != n.quotes || (n.lists && k->kind != BLOCK_ITEM) || (n.table && k->kind != BLOCK_ROW))
			leave(&n, quotes, b);
		for (; n.quotes < quotes; n.quotes++)
			buf_adds(b, "<blockquote>");
		put_block(s, &n, k, b);
	}
	leave(&n, 0, b);
}
