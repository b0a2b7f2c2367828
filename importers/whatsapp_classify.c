/* whatsapp_classify.c: is a text somebody's words, a notice of WhatsApp, a file and its caption?
 *
 * Promises: what WhatsApp wrote is never taken for somebody's words. Structure decides (no author, the title as author, a mark of
 * direction before the text), the table names the kind; a generated text that the table does not know is said to be one.
 * Called by whatsapp_msg.c for each message. Pushes nothing and keeps nothing but what the chat has shown of itself.
 */
#include "importers/whatsapp_classify.h"

#include <string.h>

enum { TAIL_MAX = 200 };

static size_t marks(const char *p, size_t n)
{
	size_t i = 0, k;
	while (i < n && ((k = wa_mark(p + i, n - i)) || (p[i] == ' ' && (k = 1))))
		i += k;
	return i;
}

static bool has_mark_before(const char *start, const char *p)
{
	while (p > start && p[-1] == ' ')
		p--;
	return p - start >= 3 && wa_mark(p - 3, 3) == 3;
}

/* Cuts marks and blanks off both ends. */
static void tidy(const char **p, size_t *n)
{
	size_t k = marks(*p, *n);
	*p += k;
	*n -= k;
	for (;;) {
		if (*n && strchr(" \n\t", (*p)[*n - 1]))
			(*n)--;
		else if (*n >= 3 && wa_mark(*p + *n - 3, 3) == 3)
			*n -= 3;
		else
			break;
	}
}

static const struct wa_string *known(struct source *s, const struct wa_chat *c, enum wa_form form, const char *p, size_t n)
{
	if (!n || n > WA_PHRASE_MAX)
		return NULL;
	buf_reset(&s->norm);
	wa_norm(p, n, &s->norm);
	return wa_match(s->match, form, &c->locales, s->norm.p, s->norm.len, NULL);
}

static bool is_ours(const struct wa_chat *c, const struct wa_string *hit)
{
	return (hit->locales.bits[0] & c->locales.bits[0]) || (hit->locales.bits[1] & c->locales.bits[1]);
}

/* "…<This message was edited>": on iPhones a mark stands before it in every language; elsewhere the words must be known. */
static void strip_edited(struct source *s, const struct wa_chat *c, struct wa_made *m)
{
	const char *p = m->text, *end = p + m->n;
	while (end > p && (end[-1] == ' ' || end[-1] == '\n'))
		end--;
	if (end - p >= 3 && wa_mark(end - 3, 3) == 3)
		end -= 3;
	if (end - p < 4 || end[-1] != '>')
		return;
	const char *open = end - 1;
	while (open > p && end - open < TAIL_MAX && *open != '<' && *open != '\n')
		open--;
	if (*open != '<' || open == p)
		return;
	buf_reset(&s->norm);
	wa_norm(open + 1, (size_t)(end - open - 2), &s->norm);
	bool word = wa_match_kind(WA_EDITED, s->norm.p, s->norm.len, NULL) != NULL;
	bool marked = c->ios && has_mark_before(p, open) && !strpbrk(s->norm.p, ".:\xef"); /* a file's name has a dot */
	if (!word && !marked)
		return;
	m->edited = true;
	m->n = (size_t)(open - p);
	while (m->n && (m->text[m->n - 1] == ' ' || (m->n >= 3 && wa_mark(m->text + m->n - 3, 3) == 3)))
		m->n -= m->text[m->n - 1] == ' ' ? 1 : 3;
}

static bool looks_like_file(const char *p, size_t n)
{
	size_t i = n;
	if (n < 3 || n > 255 || memchr(p, '\n', n) || memchr(p, '/', n))
		return false;
	while (i && p[i - 1] != '.')
		i--;
	if (i > 1 && n - i >= 1 && n - i <= 5)
		return true;
	for (i = 0; i < 8 && p[i] >= '0' && p[i] <= '9'; i++)
		;
	return n > 9 && i == 8 && p[8] == '-';
}

static void file_is(struct wa_made *m, const char *name, size_t n)
{
	tidy(&name, &n);
	m->media = true;
	m->file = name;
	m->file_n = n;
	m->kind = WA_ATTACHED;
}

/* iPhones: "<attached: 00000012-PHOTO-….jpg>", the words in any language, before or behind the name. */
static bool ios_attached(struct source *s, const struct wa_chat *c, struct wa_made *m, bool marked)
{
	const char *p = m->text, *end = p + m->n;
	while (end > p && (end[-1] == ' ' || end[-1] == '\n'))
		end--;
	if (end - p < 6 || end[-1] != '>')
		return false;
	const char *open = end - 1;
	while (open > p && *open != '<' && *open != '\n')
		open--;
	if (*open != '<')
		return false;
	const char *in = open + 1;
	size_t n = (size_t)(end - 1 - in);
	tidy(&in, &n);
	bool certain = marked || has_mark_before(p, open);
	const char *name = in, *colon = NULL;
	size_t name_n = n;
	for (size_t i = 0; i < n && !colon; i++)
		if (in[i] == ':' || (n - i >= 3 && !memcmp(in + i, "\xef\xbc\x9a", 3)))
			colon = in + i + (in[i] == ':' ? 1 : 3);
	if (colon) {
		name = colon;
		name_n = (size_t)(in + n - colon);
		tidy(&name, &name_n);
	} else {
		/* Name first ("<… eklendi>"), or the name before the bracket ("2015-08-04-PHOTO-00004762.jpg <attached>"). */
		while (name_n && !looks_like_file(name, name_n)) {
			while (name_n && name[name_n - 1] != ' ')
				name_n--;
			while (name_n && name[name_n - 1] == ' ')
				name_n--;
		}
		if (!name_n) {
			const char *q = p;
			size_t k = (size_t)(open - p);
			tidy(&q, &k);
			if (!looks_like_file(q, k) || wa_name_day(q, k) == WA_DAY_NONE)
				return false;
			file_is(m, q, k);
			m->n = 0;
			return true;
		}
	}
	if (!looks_like_file(name, name_n))
		return false;
	if (!certain) {
		buf_reset(&s->norm);
		wa_norm(open, (size_t)(end - open), &s->norm);
		if (!wa_match_kind(WA_ATTACHED, s->norm.p, s->norm.len, NULL))
			return false;
	}
	(void)c;
	file_is(m, name, name_n);
	m->n = (size_t)(open - p);
	tidy(&m->text, &m->n);
	return true;
}

/* "name.pdf • 2 pages": what iPhones write before a document. Returns the length of the name, 0 = it is not that. */
static size_t document_name(const char *p, size_t n)
{
	for (size_t i = 0; i + 4 <= n && p[i] != '\n'; i++)
		if (!memcmp(p + i, " \xe2\x80\xa2", 4))
			return looks_like_file(p, i) ? i : 0;
	return 0;
}

/* Android: a mark, the name, " (file attached)"; a caption on the next lines. Persian and Tamil have no brackets. */
static bool android_attached(struct source *s, struct wa_made *m, bool marked)
{
	const char *nl = memchr(m->text, '\n', m->n);
	size_t n = nl ? (size_t)(nl - m->text) : m->n;
	const char *p = m->text;
	tidy(&p, &n);
	if (n < 6 || n > 400 || (p[n - 1] != ')' && !marked))
		return false;
	struct wa_arg arg = { NULL, 0 };
	const char *name = NULL;
	size_t name_n = 0;
	if (p[n - 1] == ')') {
		size_t i = n;
		while (i && !(p[i - 1] == '(' && i >= 2 && p[i - 2] == ' '))
			i--;
		if (i && looks_like_file(p, i - 2)) {
			name = p;
			name_n = i - 2;
		}
	}
	if (!marked || !name) {
		buf_reset(&s->norm);
		wa_norm(p, n, &s->norm);
		if (!wa_match_kind(WA_ATTACHED, s->norm.p, s->norm.len, &arg) || !looks_like_file(arg.s, arg.n))
			return false;
		if (!name) {
			name = arena_strndup(s->step, arg.s, arg.n);
			name_n = arg.n;
		}
	}
	file_is(m, name, name_n);
	m->n -= nl ? (size_t)(nl + 1 - m->text) : m->n;
	m->text = nl ? nl + 1 : m->text;
	return true;
}

/* "caption <mark>image omitted": the words behind the last mark are WhatsApp's. */
static bool omitted_tail(struct source *s, struct wa_chat *c, struct wa_made *m)
{
	const char *p = m->text, *end = p + m->n, *q = end;
	while (q > p + 3 && end - q < TAIL_MAX && wa_mark(q - 3, 3) != 3)
		q--;
	if (q <= p + 3 || wa_mark(q - 3, 3) != 3)
		return false;
	const struct wa_string *hit = known(s, c, WA_FIXED, q, (size_t)(end - q));
	size_t doc = document_name(p, (size_t)(q - p));
	if (!(hit && wa_is_omitted((enum wa_kind)hit->kind)) && !doc)
		return false;
	m->media = true;
	m->omitted = hit ? (enum wa_kind)hit->kind : WA_OMITTED_DOCUMENT;
	m->kind = m->omitted;
	m->n = (size_t)(q - p);
	if (doc) {
		m->file = p;
		m->file_n = doc;
		m->n = 0;
	}
	tidy(&m->text, &m->n);
	return true;
}

static bool is_map(const char *p, size_t n)
{
	static const char *const maps[] = { "https://maps.google.com/?q=", "https://maps.apple.com/", "https://www.google.com/maps", "https://foursquare.com/v/" };
	const char *end = p + (n < 400 ? n : 400);
	for (; (p = memchr(p, 'h', (size_t)(end - p))); p++)
		for (size_t k = 0; k < countof(maps); k++)
			if ((size_t)(end - p) >= strlen(maps[k]) && !memcmp(p, maps[k], strlen(maps[k])))
				return true;
	return false;
}

/* Place-holders and notices that stand in a person's own line without a mark: only whole texts, only in the chat's language. */
static void unmarked(struct source *s, struct wa_chat *c, struct wa_made *m)
{
	const char *nl = memchr(m->text, '\n', m->n);
	size_t first = nl ? (size_t)(nl - m->text) : m->n;
	const struct wa_string *hit = wa_may_be_fixed(s->match, m->text, first) ? known(s, c, WA_FIXED, m->text, first) : NULL;
	if (!hit)
		return;
	enum wa_kind k = (enum wa_kind)hit->kind;
	bool ours = is_ours(c, hit) || !c->language_known;
	if (wa_is_omitted(k) && (m->text[0] == '<' || (ours && c->ios))) {
		m->media = true;
		m->omitted = m->kind = k;
		m->n -= nl ? first + 1 : m->n;
		m->text = nl ? nl + 1 : m->text;
		tidy(&m->text, &m->n);
	} else if (!nl && ours &&
	           (k == WA_DELETED || k == WA_DELETED_ME || k == WA_WAITING || k == WA_VIEW_ONCE || k == WA_CALL_MISSED || k == WA_LIVE_LOCATION || k == WA_UNSUPPORTED)) {
		m->kind = k;
		m->generated = true;
	}
}

static void generated(struct source *s, struct wa_chat *c, const struct wa_author *author, bool line_mark, struct wa_made *m)
{
	const struct wa_string *hit = known(s, c, WA_TEMPLATES, m->text, m->n);
	const char *nl = memchr(m->text, '\n', m->n);
	if (!hit && nl)
		hit = known(s, c, WA_FIXED, m->text, (size_t)(nl - m->text)); /* "POLL:" and its lines, a place-holder and its caption */
	m->generated = true;
	if (hit) {
		m->kind = (enum wa_kind)hit->kind;
		if (wa_is_omitted(m->kind)) {
			m->generated = false;
			m->media = true;
			m->omitted = m->kind;
			m->n -= nl ? (size_t)(nl + 1 - m->text) : m->n;
			m->text = nl ? nl + 1 : m->text;
		} else if (m->kind == WA_POLL || m->kind == WA_LOCATION) {
			m->generated = false;
		}
		return;
	}
	if (author && author != c->title_author && is_map(m->text, m->n)) {
		m->kind = WA_LOCATION;
		m->generated = false;
	} else if (author && author != c->title_author && line_mark) {
		/* A mark before the whole line: media left out, in a language the table does not know. */
		m->media = true;
		m->omitted = m->kind = WA_OMITTED;
		m->generated = false;
		m->n = 0;
	} else if (author && author != c->title_author && c->language_known) {
		m->generated = false; /* pasted with the mark of what it was copied from; the language being known, WhatsApp's text would be too */
		m->unknown = true;
	} else {
		m->unknown = true;
	}
}

void wa_classify(struct source *s, struct wa_chat *c, const struct wa_author *a, bool head_mark, struct wa_made *m)
{
	bool marked = wa_mark(m->text, m->n) > 0;
	if (c->ios && ios_attached(s, c, m, marked || head_mark)) {
		size_t doc = document_name(m->text, m->n);
		if (doc || (m->n == m->file_n && !memcmp(m->text, m->file, m->n)))
			m->n = 0; /* the document's own name and pages, not a caption */
		return;
	}
	if (a && !c->ios && (marked || memchr(m->text, ')', m->n)) && android_attached(s, m, marked))
		return;
	if (!marked || !c->ios)
		strip_edited(s, c, m);
	size_t k = marks(m->text, m->n);
	m->text += k;
	m->n -= k;
	if (!a || a == c->title_author || (marked && c->ios)) {
		if (a && a != c->title_author && omitted_tail(s, c, m))
			return;
		generated(s, c, a, head_mark, m);
		if (m->unknown && !m->generated)
			strip_edited(s, c, m);
		return;
	}
	if (c->ios && memchr(m->text, 0xe2, m->n) && omitted_tail(s, c, m))
		return;
	if (!c->ios || !c->marked)
		unmarked(s, c, m);
	if (m->kind == WA_NONE && is_map(m->text, m->n))
		m->kind = WA_LOCATION;
	if (m->kind == WA_NONE && m->n > 5 && memchr(m->text, ':', m->n < 20 ? m->n : 20)) {
		const char *nl = memchr(m->text, '\n', m->n);
		if (nl && nl > m->text && nl[-1] == ':') {
			const struct wa_string *hit = known(s, c, WA_FIXED, m->text, (size_t)(nl - 1 - m->text));
			if (hit && hit->kind == WA_POLL)
				m->kind = WA_POLL;
		}
	}
}
