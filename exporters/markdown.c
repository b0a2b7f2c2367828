/* markdown.c: rich text → a Markdown dialect. See markdown.h for the promises.
 *
 * In three steps: blocks become *lines* ( pieces of one style, made quiet, prefixed; styles never reach over a line's
 * end, so every line is valid on its own); a line too long for a part is cut between words; markdown_line.c puts lines into
 * parts. Called through md_render only.
 */
#include "exporters/markdown_priv.h"

#include "core/swar.h"
#include "core/utf8.h"

#include <stdlib.h>
#include <string.h>

#define WORD_JOINER "\xe2\x81\xa0" /* U+2060: invisible, no line break, no letter */
#define HAIR_SPACE "\xe2\x80\x8a"  /* U+200A: white space for a Markdown parser, a hair wide for a reader */
#define GRAVE "\xcb\x8b"           /* U+02CB: looks like a backtick */

enum { MAX_DEPTH = 6 };

const struct md_dialect md_pachca = {
	.bold = "**", .strike = "~~", .italic = '_', .italic_in_word = '*',
	.bullet = { "\xe2\x80\xa2", "\xe2\x97\xa6", "\xe2\x96\xaa" }, /* • ◦ ▪ */
	.quote = "> ", .rule = "\xe2\x80\x94\xe2\x80\x94\xe2\x80\x94", .cell = " | ",
	.mention_open = "<@", .mention_close = ">",
	.cyrillic_lang = "text",
};

static bool space(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* Letters and digits for the rules on where a marker may stand; other scripts' letters count, typographic signs do not. */
static bool wordy(uint32_t c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
	return c > 0xbf && !(c >= 0x2000 && c <= 0x2bff) && !(c >= 0x3000 && c <= 0x303f) && !(c >= 0xfe00 && c <= 0xfe0f);
}

/* ---- making foreign text quiet ---- */

static bool wordy_byte(char c)
{
	return wordy((unsigned char)c < 0x80 ? (uint32_t)(unsigned char)c : 0x400u);
}

/* "ivan" @ "corp.ru": a letter before, a host name with a dot after. Nobody's parser takes that for a mention of "corp". */
static bool in_address(uint32_t before, const char *after, size_t n)
{
	if (before >= 0x80 || !wordy(before))
		return false;
	bool dot = false, part = false;
	for (size_t i = 0; i < n; i++) {
		char c = after[i];
		if ((unsigned char)c < 0x80 && (wordy_byte(c) || c == '-')) {
			part = true;
			if (dot)
				return true;
		} else if (c == '.' && part) {
			dot = true;
			part = false;
		} else {
			break;
		}
	}
	return false;
}

static size_t url_length(const char *s, size_t n)
{
	size_t k = n > 8 && !strncmp(s, "https://", 8) ? 8 : n > 7 && !strncmp(s, "http://", 7) ? 7 : 0;
	if (!k)
		return 0;
	while (k < n && (unsigned char)s[k] > 0x20 && s[k] != '<' && s[k] != '>' && s[k] != '"')
		k++;
	return k;
}

static size_t run_of(const char *s, size_t n, char c)
{
	size_t k = 0;
	while (k < n && s[k] == c)
		k++;
	return k;
}

/* An address inside running text stays an address: what would be read as a mention or as formatting is percent-encoded. */
static void quiet_url(const char *s, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '@' && !in_address(i ? (unsigned char)s[i - 1] : 0, s + i + 1, n - i - 1))
			buf_adds(out, "%40");
		else if (s[i] == '`')
			buf_adds(out, "%60");
		else if (s[i] == '*')
			buf_adds(out, "%2A");
		else if (s[i] == '~')
			buf_adds(out, "%7E");
		else
			buf_addc(out, s[i]);
	}
}

/* What may mean something, or what an address may begin with; all other bytes are written as they are, whatever stands beside them. */
static const bool loud[256] = {
	['*'] = true, ['_'] = true, ['`'] = true, ['~'] = true, ['@'] = true, [']'] = true, ['h'] = true,
	[0x00] = true, [0x01] = true, [0x02] = true, [0x03] = true, [0x04] = true, [0x05] = true, [0x06] = true, [0x07] = true, [0x08] = true,
	[0x0b] = true, [0x0c] = true, [0x0d] = true, [0x0e] = true, [0x0f] = true, [0x10] = true, [0x11] = true, [0x12] = true, [0x13] = true,
	[0x14] = true, [0x15] = true, [0x16] = true, [0x17] = true, [0x18] = true, [0x19] = true, [0x1a] = true, [0x1b] = true, [0x1c] = true,
	[0x1d] = true, [0x1e] = true, [0x1f] = true,
};

/* The last character of s[0..n), n > 0. */
static uint32_t last_of(const char *s, size_t n)
{
	uint32_t cp = (unsigned char)s[n - 1];
	size_t k = n - 1;
	if (cp < 0x80)
		return cp;
	while (k > 0 && n - k < 4 && ((unsigned char)s[k] & 0xc0) == 0x80)
		k--;
	utf8_get(s + k, n - k, &cp);
	return cp;
}

/* s[0..n) as it may be written between other text. before: the character in front of it (0 at the beginning); after: the first
 * byte behind it (0 at the end).
 *  '@' + WORD JOINER; "](" and "~~" get one in the middle (then they mean nothing); a '*' or '_' that could open emphasis gets a
 *  HAIR SPACE behind it, for no parser opens emphasis before white space; backticks in pairs become U+02CB. A mark that stands
 *  alone in its block can open nothing and stays untouched. */
static void quiet(const struct md_marks *m, const char *s, size_t n, uint32_t before, char after, struct buf *out)
{
	for (size_t i = 0; i < n;) {
		size_t plain = i;
		while (plain < n && !loud[(unsigned char)s[plain]])
			plain++;
		if (plain > i) {
			buf_add(out, s + i, plain - i);
			before = last_of(s + i, plain - i);
			i = plain;
			continue;
		}
		size_t left = n - i, k = s[i] != 'h' || wordy(before) ? 0 : url_length(s + i, left);
		if (k) {
			quiet_url(s + i, k, out);
			before = 'x';
			i += k;
			continue;
		}
		char c = s[i];
		k = c == '*' || c == '_' || c == '`' || c == '~' ? run_of(s + i, left, c) : 1;
		char next = k < left ? s[i + k] : after;
		if (c == '@') {
			buf_addc(out, c);
			if (next && !space(next) && !in_address(i ? before : 0, s + i + 1, left - 1)) /* i: a part may begin with this piece */
				buf_adds(out, WORD_JOINER);
		} else if (c == ']' && next == '(') {
			buf_adds(out, "]" WORD_JOINER);
		} else if (c == '~') {
			for (size_t j = 0; j < k; j++)
				buf_adds(out, j || before == '~' ? WORD_JOINER "~" : "~");
		} else if (c == '`' && (m->ticks > 1 || k > 2)) {
			for (size_t j = 0; j < k; j++)
				buf_adds(out, GRAVE);
		} else if (c == '*' || c == '_') {
			buf_add(out, s + i, k);
			bool open = next && !space(next) && (c == '*' || !wordy(before));
			if (open && (c == '*' ? m->stars > 1 : m->unders > 1))
				buf_adds(out, HAIR_SPACE);
		} else if ((unsigned char)c >= 0x20) { /* other controls are dropped */
			buf_add(out, s + i, k);
		}
		before = (unsigned char)c;
		i += k;
	}
}

/* Code keeps every character; only mentions are broken, and runs of backticks: a block's fence ends at three, and a span with a
 * run of two would need a fence of three, which at the beginning of a line is a block's. */
void md_quiet_code(enum md_code where, const char *s, size_t n, struct buf *out)
{
	size_t run = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c < 0x20 && c != '\t' && c != '\n')
			continue;
		run = c == '`' ? run + 1 : 0;
		if (run > (where == MD_CODE_BLOCK ? 2u : 1u)) {
			buf_adds(out, WORD_JOINER);
			run = 1;
		}
		buf_addc(out, s[i]);
		if (c == '@' && i + 1 < n && !space(s[i + 1]) && !in_address(i ? (unsigned char)s[i - 1] : 0, s + i + 1, n - i - 1))
			buf_adds(out, WORD_JOINER);
	}
}

/* Counts what could pair up in a block: runs of '*', '_' and '`'. */
static void count_marks(const char *s, size_t n, struct md_marks *m)
{
	for (size_t i = 0; i < n;) {
		char c = s[i];
		if (n - i >= 8) {
			uint64_t v = swar_load(s + i);
			if (!(swar_has(v, '*') | swar_has(v, '_') | swar_has(v, '`'))) {
				i += 8;
				continue;
			}
		}
		if (c != '*' && c != '_' && c != '`') {
			i++;
			continue;
		}
		size_t k = run_of(s + i, n - i, c);
		m->stars += c == '*';
		m->unders += c == '_';
		m->ticks += c == '`';
		i += k;
	}
}

void md_plain(const char *s, struct arena *a, struct buf *out)
{
	(void)a;
	struct buf one;
	struct md_marks m = { 0 };
	size_t n = strlen(s);
	buf_init(&one, n + 1);
	for (size_t i = 0; i < n; i++)
		buf_addc(&one, (unsigned char)s[i] < 0x20 ? ' ' : s[i]);
	count_marks(one.p, one.len, &m);
	quiet(&m, one.p, one.len, 0, 0, out);
	buf_release(&one);
}

/* ---- spans to pieces ---- */

static struct md_piece *add_piece(struct md_pieces *v, const char *s, size_t n, uint32_t style, enum md_raw raw)
{
	if (!n)
		return NULL;
	GROW(v->v, v->n, v->cap, 8);
	v->v[v->n] = (struct md_piece){ .s = s, .n = n, .style = style, .raw = raw };
	return &v->v[v->n++];
}

static const char *kept(struct buf *b, struct arena *a)
{
	const char *s = arena_strndup(a, b->p, b->len);
	buf_release(b);
	return s;
}

/* A name on one line, without a sign in front (sign 0: none is taken off). */
static const char *bare(const char *s, char sign, struct arena *a)
{
	while (*s && *s == sign)
		s++;
	char *out = arena_strdup(a, s);
	for (char *p = out; *p; p++)
		if ((unsigned char)*p < 0x20)
			*p = ' ';
	return out;
}

static bool has_scheme(const char *url, const char *scheme)
{
	for (; *scheme; url++, scheme++)
		if ((*url >= 'A' && *url <= 'Z' ? *url + 32 : *url) != *scheme)
			return false;
	return *url != '\0';
}

static bool may_link(const char *url)
{
	return has_scheme(url, "http://") || has_scheme(url, "https://") || has_scheme(url, "mailto:") || has_scheme(url, "tel:");
}

/* Inside "(…)": nothing that ends it, opens another mark or mentions anyone. RFC 3986 allows all of these as %XX. */
static void link_target(const char *url, struct buf *out)
{
	size_t n = strlen(url);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)url[i];
		bool at = c == '@' && !in_address(i ? (unsigned char)url[i - 1] : 0, url + i + 1, n - i - 1);
		if (c <= 0x20 || c == 0x7f || at || strchr("()<>\"`\\{}|^*", c))
			buf_addf(out, "%%%02X", c);
		else
			buf_addc(out, url[i]);
	}
}

static void add_link(struct md_job *j, const char *label, const char *url, uint32_t style)
{
	const char *shown = has_scheme(url, "mailto:") ? url + 7 : has_scheme(url, "tel:") ? url + 4 : url;
	label = bare(label, '\0', j->a);
	bool bare_url = !label[strspn(label, " ")] || streq(label, url) || streq(label, shown);
	struct buf b;
	buf_init(&b, 1 << 20);
	if (!*url || !may_link(url) || strpbrk(label, "[]")) {
		/* No link, or a label that would break it: both as text. */
		add_piece(&j->p, label, strlen(label), style, MD_TEXT);
		if (*url && !bare_url) {
			const char *u = arena_fmt(j->a, " (%s)", bare(url, '\0', j->a));
			add_piece(&j->p, u, strlen(u), style & ~(uint32_t)STYLE_CODE, MD_TEXT);
		} else if (*url && !label[strspn(label, " ")]) {
			const char *u = bare(url, '\0', j->a);
			add_piece(&j->p, u, strlen(u), style, MD_TEXT);
		}
		return;
	}
	if (bare_url) {
		add_piece(&j->p, bare(shown, '\0', j->a), strlen(shown), style & ~(uint32_t)STYLE_CODE, MD_TEXT);
		return;
	}
	struct md_marks m = { .stars = 2, .unders = 2, .ticks = 2 };
	buf_addc(&b, '[');
	quiet(&m, label, strlen(label), 0, 0, &b);
	buf_adds(&b, "](");
	link_target(url, &b);
	buf_addc(&b, ')');
	size_t n = b.len;
	if (n > j->max / 2 - 64 || b.full) { /* cannot be one piece of a part */
		buf_release(&b);
		const char *u = arena_fmt(j->a, "%s (%s)", label, bare(url, '\0', j->a));
		add_piece(&j->p, u, strlen(u), style, MD_TEXT);
		return;
	}
	add_piece(&j->p, kept(&b, j->a), n, style & ~(uint32_t)STYLE_CODE, MD_READY);
}

/* "@Name" that notifies nobody: quiet() breaks it like any other. */
static void add_muted(struct md_job *j, const char *name, uint32_t style)
{
	const char *s = arena_fmt(j->a, "@%s", bare(name, '@', j->a));
	add_piece(&j->p, s, strlen(s), style & ~(uint32_t)STYLE_CODE, MD_TEXT);
	j->loss |= LOSS_MENTION;
}

static void add_span(struct md_job *j, const struct span *sp, uint32_t style)
{
	const struct resolver *r = j->r;
	const char *s = NULL;
	switch (sp->kind) {
	case SPAN_TEXT:
		add_piece(&j->p, sp->text, strlen(sp->text), style, MD_TEXT);
		break;
	case SPAN_LINK:
		add_link(j, sp->text, sp->url, style);
		break;
	case SPAN_USER:
		s = r && r->live_mention ? r->live_mention(r->ctx, sp->ref) : NULL;
		if (s && *s && strlen(s) < j->max / 2 - 80) {
			if (*s != '@' && *s != '<')
				s = arena_fmt(j->a, "%s%s%s", j->d->mention_open, s, j->d->mention_close);
			add_piece(&j->p, s, strlen(s), style & ~(uint32_t)STYLE_CODE, MD_READY);
			break;
		}
		s = r && r->user_name ? r->user_name(r->ctx, sp->ref) : NULL;
		add_muted(j, s && *s ? s : *sp->text ? sp->text : sp->ref, style);
		break;
	case SPAN_GROUP:
		add_muted(j, *sp->text ? sp->text : sp->ref, style);
		break;
	case SPAN_BROADCAST:
		add_muted(j, sp->ref, style);
		break;
	case SPAN_CONV:
		/* The label is not a way out: a name that is not to be told must not come from there. */
		s = r && r->conv_name ? r->conv_name(r->ctx, sp->ref) : NULL;
		s = arena_fmt(j->a, "#%s", s && *s ? bare(s, '#', j->a) : "\xe2\x80\xa6");
		add_piece(&j->p, s, strlen(s), style & ~(uint32_t)STYLE_CODE, MD_TEXT);
		j->loss |= LOSS_MENTION;
		break;
	case SPAN_EMOJI:
		if (*sp->text) {
			add_piece(&j->p, sp->text, strlen(sp->text), style & ~(uint32_t)STYLE_CODE, MD_TEXT);
			break;
		}
		s = arena_fmt(j->a, ":%s:", bare(sp->ref, ':', j->a));
		add_piece(&j->p, s, strlen(s), style, MD_TEXT);
		j->loss |= LOSS_EMOJI;
		break;
	case SPAN_DATE: {
		char *end = NULL;
		long long unix_s = strtoll(sp->ref, &end, 10);
		if (end != sp->ref && !*end && r && r->date_text)
			s = r->date_text(r->ctx, unix_s);
		if (!s || !*s)
			s = *sp->text ? sp->text : sp->ref;
		if (*sp->url)
			add_link(j, s, sp->url, style);
		else
			add_piece(&j->p, s, strlen(s), style, MD_TEXT);
		break;
	}
	case SPAN_MSG:
		s = r && r->msg_url ? r->msg_url(r->ctx, sp->ref) : NULL;
		if (!s || !*s) {
			j->loss |= LOSS_LINK;
			s = sp->url;
		}
		/* A label that is only the old address would still show it. */
		add_link(j, streq(sp->text, sp->url) ? "" : sp->text, s, style);
		break;
	case SPAN_CELL:
		break; /* add_block's */
	case SPAN_CALL:
		s = r && r->call_text ? r->call_text(r->ctx, sp) : NULL;
		if (!s) {
			struct buf b;
			buf_init(&b, 64 << 10);
			text_call(sp, TEXT_ENGLISH, &b);
			s = kept(&b, j->a);
		}
		add_piece(&j->p, s, strlen(s), style, MD_TEXT);
		break;
	}
}

/* ---- blocks to lines ---- */

static struct md_line *add_line(struct md_job *j, const char *s, size_t n, int code)
{
	GROW(j->lines, j->n_lines, j->cap_lines, 16);
	struct md_line *l = &j->lines[j->n_lines++];
	*l = (struct md_line){ .s = s, .n = n, .code = code, .block_start = j->at_block_start };
	j->at_block_start = false;
	return l;
}

static bool has_cyrillic(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] == 0xd0 || (unsigned char)s[i] == 0xd1)
			return true;
	return false;
}

static const char *language(const struct md_job *j, const struct block *b, const char *code, size_t n)
{
	size_t k = 0;
	for (const char *p = b->lang; p && *p && k < 24; p++, k++)
		if ((unsigned char)*p >= 0x80 || (!wordy_byte(*p) && !strchr("+#-._", *p)))
			break;
	if (k && !b->lang[k])
		return b->lang;
	return j->d->cyrillic_lang && has_cyrillic(code, n) ? j->d->cyrillic_lang : "";
}

static void add_code_block(struct md_job *j, const struct block *b)
{
	struct buf raw, out;
	buf_init(&raw, 64u << 20);
	buf_init(&out, 128u << 20);
	for (size_t i = 0; i < b->n_spans; i++)
		buf_adds(&raw, *b->spans[i].text ? b->spans[i].text : b->spans[i].kind == SPAN_TEXT ? "" : *b->spans[i].url ? b->spans[i].url : b->spans[i].ref);
	while (raw.len && raw.p[raw.len - 1] == '\n')
		buf_cut(&raw, raw.len - 1);
	md_quiet_code(MD_CODE_BLOCK, raw.p, raw.len, &out);
	buf_release(&raw);
	if (b->quote)
		j->loss |= LOSS_STYLE; /* a fence must begin its line, so no quote mark can stand before it */
	size_t len = out.len;
	const char *s = kept(&out, j->a), *lang = language(j, b, s, len);
	int code = ++j->n_code;
	size_t most = j->max - 2 * 4 - strlen(lang) - 1;
	for (size_t at = 0; at <= len;) {
		size_t n = strcspn(s + at, "\n"), used = 0;
		bool first = true;
		do {
			size_t k = md_cut(s + at + used, n - used, most);
			struct md_line *l = add_line(j, s + at + used, k, code);
			l->lang = lang;
			l->forced = !first;
			first = false;
			used += k;
		} while (used < n);
		at += n + 1;
	}
}

static const char *prefix_of(struct md_job *j, const struct block *b, enum md_prefix which)
{
	const struct md_dialect *d = j->d;
	struct buf out;
	buf_init(&out, 256);
	for (int i = 0; i < b->quote && i < MAX_DEPTH; i++)
		buf_adds(&out, d->quote);
	if (b->quote && !d->shows_quotes)
		j->loss |= LOSS_STYLE;
	if (b->kind == BLOCK_ITEM) {
		if (!d->shows_lists)
			j->loss |= LOSS_STYLE;
		int depth = b->indent < 0 ? 0 : b->indent > MAX_DEPTH ? MAX_DEPTH : b->indent;
		for (int i = 0; i < depth; i++)
			buf_adds(&out, "  ");
		if (which == MD_NEXT_LINES)
			buf_adds(&out, "  ");
		else if (b->ordinal > 0)
			buf_addf(&out, "%d. ", b->ordinal);
		else
			buf_addf(&out, "%s ", d->bullet[depth < 2 ? depth : 2]);
	}
	return kept(&out, j->a);
}

/* Gives each piece its quiet form. Neighbours matter: "~" + "~", "]" + "(". */
static void quiet_pieces(struct md_job *j)
{
	struct md_marks m = { 0 };
	for (size_t i = 0; i < j->p.n; i++) {
		struct md_piece *p = &j->p.v[i];
		if (p->style & STYLE_CODE)
			continue;
		if (p->raw == MD_TEXT)
			count_marks(p->s, p->n, &m);
		/* our own markers can close what a foreign one opens */
		m.stars += (p->style & (STYLE_BOLD | STYLE_ITALIC)) != 0;
		m.unders += (p->style & STYLE_ITALIC) != 0;
	}
	uint32_t before = 0;
	for (size_t i = 0; i < j->p.n; i++) {
		struct md_piece *p = &j->p.v[i];
		char after = i + 1 < j->p.n ? j->p.v[i + 1].s[0] : '\0';
		uint32_t last = (unsigned char)p->s[p->n - 1] < 0x80 ? (uint32_t)(unsigned char)p->s[p->n - 1] : 0x400;
		if (p->raw == MD_TEXT) {
			struct buf b;
			buf_init(&b, p->n * 4 + 16);
			if (p->style & STYLE_CODE)
				md_quiet_code(MD_CODE_SPAN, p->s, p->n, &b);
			else
				quiet(&m, p->s, p->n, before, after, &b);
			p->n = b.len;
			p->s = kept(&b, j->a);
		}
		before = last;
	}
}

static void add_block(struct md_job *j, const struct block *b)
{
	uint32_t add = 0;
	j->at_block_start = true;
	j->p.n = 0;
	switch (b->kind) {
	case BLOCK_CODE:
		add_code_block(j, b);
		return;
	case BLOCK_RULE:
		j->loss |= LOSS_STYLE;
		add_line(j, j->d->rule, strlen(j->d->rule), 0);
		return;
	case BLOCK_HEADING:
		add = STYLE_BOLD;
		if (!j->d->shows_headings)
			j->loss |= LOSS_STYLE;
		break;
	case BLOCK_ROW:
		add = b->level == 1 ? STYLE_BOLD : 0;
		if (!j->d->shows_tables)
			j->loss |= LOSS_STYLE;
		break;
	case BLOCK_NOTE:
		add = STYLE_ITALIC;
		break;
	case BLOCK_PARA:
	case BLOCK_ITEM:
		break;
	}
	size_t cells = 0;
	for (size_t i = 0; i < b->n_spans; i++) {
		const struct span *sp = &b->spans[i];
		if (sp->kind == SPAN_CELL) {
			cells++;
			continue;
		}
		for (; cells; cells--)
			add_piece(&j->p, j->d->cell, strlen(j->d->cell), 0, MD_READY);
		if (sp->style & STYLE_UNDERLINE)
			j->loss |= LOSS_STYLE;
		add_span(j, sp, (sp->style | add) & ~(uint32_t)STYLE_UNDERLINE);
	}
	quiet_pieces(j);
	md_text_lines(j, prefix_of(j, b, MD_FIRST_LINE), prefix_of(j, b, MD_NEXT_LINES));
}

void md_render(const struct md_dialect *d, const struct text *t, const struct resolver *r, size_t max, struct arena *a,
               const char *const **parts, size_t *n_parts, uint32_t *loss)
{
	struct md_job j = { .d = d, .r = r, .a = a, .max = max < MD_MIN_PART ? MD_MIN_PART : max };
	for (size_t i = 0; i < t->n_blocks; i++)
		add_block(&j, &t->blocks[i]);
	md_pack(&j, parts, n_parts);
	if (*n_parts > 1)
		j.loss |= LOSS_SPLIT;
	*loss |= j.loss;
	free(j.p.v);
	free(j.lines);
}

struct md_line *md_add_line(struct md_job *j, const char *s, size_t n)
{
	return add_line(j, s, n, 0);
}

bool md_wordy(uint32_t c)
{
	return wordy(c);
}
