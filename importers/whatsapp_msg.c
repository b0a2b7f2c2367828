/* whatsapp_msg.c: the second reading: lines become messages.
 *
 * Promises: what WhatsApp wrote is never pushed as somebody's words. Structure decides (no author, the title as author, a mark of
 * direction before the text), the table names the kind; a generated text that the table does not know is MSG_SYSTEM of unknown
 * kind, with everything it says. A message's id is a hash of time and words, so it is the same in every export from one phone: what
 * its people are called there, whether the media were exported, how WhatsApp numbered them, an "edited" sign and Unicode forms do
 * not change it. Messages of one minute get times that differ by milliseconds, so that they stay in order.
 */
#include "importers/whatsapp_classify.h"

#include "core/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <uninorm.h>

enum { SEEN_START = 1024, TAIL_MAX = 200 };

/* The message being collected. */
struct pending {
	struct wa_head head;
	struct wa_author *author;
	size_t line;
	bool open, truncated;
};

/* ---- small ---- */

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

/* ---- what a text is ---- */

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

/* ---- ids ---- */

static bool keeps_author(const struct wa_made *m);

static bool seen_before(struct wa_seen *t, uint64_t h)
{
	if (8 * (t->n + 1) > 7 * t->cap) {
		struct wa_seen old = *t;
		t->cap = old.cap ? 2 * old.cap : SEEN_START;
		t->slots = xcalloc(t->cap, sizeof(*t->slots));
		for (size_t i = 0; i < old.cap; i++)
			if (old.slots[i]) {
				size_t k = (size_t)old.slots[i] & (t->cap - 1);
				while (t->slots[k])
					k = (k + 1) & (t->cap - 1);
				t->slots[k] = old.slots[i];
			}
		free(old.slots);
	}
	h += !h; /* 0 marks a free slot */
	size_t k = (size_t)h & (t->cap - 1);
	for (; t->slots[k]; k = (k + 1) & (t->cap - 1))
		if (t->slots[k] == h)
			return true;
	t->slots[k] = h;
	t->n++;
	return false;
}

/* The words without the names in mentions, which follow the address book of the phone. */
static void unnamed(const char *p, size_t n, struct buf *out)
{
	const char *end = p + n, *at;
	for (; (at = memchr(p, '@', (size_t)(end - p))); p = at) {
		buf_add(out, p, (size_t)(at + 1 - p));
		p = ++at;
		if (end - at > 3 && !memcmp(at, "\xe2\x81\xa8", 3)) {
			for (at += 3; at < end && *at != '\n' && !(end - at >= 3 && !memcmp(at, "\xe2\x81\xa9", 3)); at++)
				;
		} else {
			while (at < end && *at >= '0' && *at <= '9')
				at++;
			if (at - p < 7)
				at = p;
		}
	}
	buf_add(out, p, (size_t)(end - p));
}

/* Local time, words, and whether a file belongs to it; "#k" counts equal messages within the grain, in file order. Nobody's name is in
 * it, as names follow the address book. Media count by being there: an export without them has no names, and iPhones number them anew.
 * Notices have no time in it, because exports of one chat give them different ones. */
static const char *message_id(struct source *s, struct wa_chat *c, const struct wa_made *m, int64_t local_s)
{
	const char *text = m->text;
	size_t n = m->n;
	if (memchr(text, '@', n)) {
		struct buf plain;
		buf_init(&plain, WA_BODY_MAX + 64);
		unnamed(m->text, m->n, &plain);
		text = arena_strndup(s->step, plain.p, plain.len);
		n = plain.len;
		buf_release(&plain);
	}
	buf_reset(&s->norm);
	wa_norm(text, n, &s->norm);
	uint64_t h = hash64(s->norm.p, s->norm.len, m->generated && !keeps_author(m) ? (uint64_t)m->kind << 48 : (uint64_t)local_s);
	h = hash64(&h, sizeof(h), m->media ? 1 : 0);
	unsigned k = 0;
	while (seen_before(&c->seen, h + k * 0x9e3779b97f4a7c15u))
		k++;
	char *id = arena_alloc(s->step, 16 + 1 + 10 + 1), *p = id + 17;
	for (int i = 15; i >= 0; i--, h >>= 4)
		id[i] = "0123456789abcdef"[h & 15];
	id[16] = '#';
	unsigned ten = 1;
	while (k / ten >= 10)
		ten *= 10;
	for (; ten; ten /= 10)
		*p++ = (char)('0' + k / ten % 10);
	*p = '\0';
	return id;
}

/* ---- time ---- */

static int64_t to_utc(struct source *s, int32_t day, int32_t second)
{
	int64_t local = ((int64_t)day * 86400 + second) * 1000000;
	if (day != s->zone_day) {
		int64_t a, b;
		enum zone_fit fa, fb;
		int64_t start = (int64_t)day * 86400000000;
		s->zone_day = day;
		s->zone_plain = zone_to_utc(s->zone, start, &a, &fa) && zone_to_utc(s->zone, start + 86400000000 - 1000000, &b, &fb) && fa == ZONE_EXACT &&
		                fb == ZONE_EXACT && b - a == 86400000000 - 1000000;
		s->zone_offset = start - a;
	}
	if (s->zone_plain)
		return local - s->zone_offset;
	int64_t out = local;
	enum zone_fit fit = ZONE_EXACT;
	zone_to_utc(s->zone, local, &out, &fit);
	if (fit == ZONE_TWICE) {
		s->twice++;
		wa_hazard(s, HAZARD_NOTE, "clock-went-back", "this hour came twice in %s; the first is taken", s->zone);
	} else if (fit == ZONE_NEVER) {
		s->never++;
		wa_hazard(s, HAZARD_NOTE, "clock-went-forward", "this time never was in %s; counted on from before the gap", s->zone);
	}
	return out;
}

/* Messages of one minute (or second) keep the order of the file: a millisecond for each that came before, which leaves room
 * between them for what another phone has. */
static int64_t in_grain(struct wa_chat *c, int64_t ts, int grain_s)
{
	const int64_t last = (int64_t)grain_s * 1000 - 1;
	c->in_grain = ts == c->grain_us ? c->in_grain + 1 : 0;
	c->grain_us = ts;
	return 1000 * (c->in_grain < last ? c->in_grain : last);
}

/* ---- pushing ---- */

static enum msg_kind kind_of(const struct wa_made *m)
{
	switch (m->kind) {
	case WA_JOIN:
		return MSG_JOIN;
	case WA_LEAVE: case WA_REMOVE:
		return MSG_LEAVE;
	case WA_DESCRIPTION:
		return MSG_TOPIC;
	case WA_SUBJECT:
		return MSG_RENAME;
	case WA_PIN:
		return MSG_PIN;
	case WA_CALL: case WA_CALL_MISSED:
		return MSG_CALL;
	case WA_DELETED: case WA_DELETED_ME:
		return MSG_DELETED;
	case WA_ADMIN: case WA_BLOCKED: case WA_BUSINESS: case WA_CONTACT: case WA_CREATE: case WA_DISAPPEARING: case WA_EDITED:
	case WA_ENCRYPTION: case WA_EXPORT_NAME: case WA_ICON: case WA_INVITE_LINK: case WA_JOIN_REQUEST: case WA_LIVE_LOCATION:
	case WA_META_AI: case WA_NUMBER: case WA_PRIVACY: case WA_SECURITY_CODE: case WA_SETTINGS: case WA_UNSUPPORTED: case WA_VIEW_ONCE:
	case WA_WAITING:
		return MSG_SYSTEM;
	case WA_NONE:
		return m->generated ? MSG_SYSTEM : MSG_TEXT;
	case WA_ATTACHED: case WA_LOCATION: case WA_OMITTED: case WA_OMITTED_AUDIO: case WA_OMITTED_CONTACT: case WA_OMITTED_DOCUMENT:
	case WA_OMITTED_GIF: case WA_OMITTED_IMAGE: case WA_OMITTED_PRODUCT: case WA_OMITTED_STICKER: case WA_OMITTED_VIDEO:
	case WA_OMITTED_VIDEO_NOTE: case WA_POLL: case WA_N_KINDS:
		return MSG_TEXT;
	}
	return MSG_TEXT;
}

/* Kinds whose author means something though the words are WhatsApp's: who called, who deleted. */
static bool keeps_author(const struct wa_made *m)
{
	if (!m->generated)
		return true;
	switch (m->kind) {
	case WA_CALL: case WA_CALL_MISSED: case WA_DELETED: case WA_DELETED_ME: case WA_LIVE_LOCATION: case WA_VIEW_ONCE: case WA_WAITING:
	case WA_UNSUPPORTED:
		return true;
	case WA_NONE: case WA_ADMIN: case WA_ATTACHED: case WA_BLOCKED: case WA_BUSINESS: case WA_CONTACT: case WA_CREATE: case WA_DESCRIPTION:
	case WA_DISAPPEARING: case WA_EDITED: case WA_ENCRYPTION: case WA_EXPORT_NAME: case WA_ICON: case WA_INVITE_LINK: case WA_JOIN:
	case WA_JOIN_REQUEST: case WA_LEAVE: case WA_LOCATION: case WA_META_AI: case WA_NUMBER: case WA_OMITTED: case WA_OMITTED_AUDIO:
	case WA_OMITTED_CONTACT: case WA_OMITTED_DOCUMENT: case WA_OMITTED_GIF: case WA_OMITTED_IMAGE: case WA_OMITTED_PRODUCT:
	case WA_OMITTED_STICKER: case WA_OMITTED_VIDEO: case WA_OMITTED_VIDEO_NOTE: case WA_PIN: case WA_POLL: case WA_PRIVACY:
	case WA_REMOVE: case WA_SECURITY_CODE: case WA_SETTINGS: case WA_SUBJECT: case WA_N_KINDS:
		break;
	}
	return false;
}

static void gone_file(const struct wa_made *m, struct file *f)
{
	static const struct { enum wa_kind kind; const char *name; enum file_kind file; } kinds[] = {
		{ WA_OMITTED_IMAGE, "image", FILE_IMAGE }, { WA_OMITTED_PRODUCT, "image", FILE_IMAGE }, { WA_OMITTED_STICKER, "sticker", FILE_IMAGE },
		{ WA_OMITTED_VIDEO, "video", FILE_VIDEO }, { WA_OMITTED_VIDEO_NOTE, "video note", FILE_VIDEO }, { WA_OMITTED_GIF, "GIF", FILE_VIDEO },
		{ WA_OMITTED_AUDIO, "audio", FILE_AUDIO }, { WA_OMITTED_DOCUMENT, "document", FILE_PLAIN }, { WA_OMITTED_CONTACT, "contact", FILE_PLAIN },
	};
	f->name = "media";
	f->kind = FILE_PLAIN;
	for (size_t i = 0; i < countof(kinds); i++)
		if (kinds[i].kind == m->omitted) {
			f->name = kinds[i].name;
			f->kind = kinds[i].file;
		}
}

/* "00000047-contract.pdf" is "contract.pdf" in WhatsApp; the number is the message's place in the chat. */
static const char *shown_name(const char *name)
{
	size_t i = 0;
	while (name[i] >= '0' && name[i] <= '9')
		i++;
	return i == 8 && name[8] == '-' && name[9] ? name + 9 : name;
}

/* An iPhone numbers its messages and shows the number in the names of files. Where the numbers go on faster than the lines, lines
 * are missing: deleted on this phone. */
static void note_number(struct source *s, struct wa_chat *c, const char *name)
{
	size_t no = 0, at = c->said + c->notices + 1;
	if (!c->ios || shown_name(name) == name)
		return;
	for (int i = 0; i < 8; i++)
		no = no * 10 + (size_t)(name[i] - '0');
	if (c->at_number && no > c->numbered && no - c->numbered > at - c->at_number) {
		c->skipped += no - c->numbered - (at - c->at_number);
		c->skipped_line = c->skipped_line ? c->skipped_line : s->line;
	}
	c->numbered = no;
	c->at_number = at;
}

static void attach(struct source *s, struct wa_chat *c, const struct wa_made *m, struct file *f)
{
	*f = (struct file){ .state = FILE_GONE, .size = -1 };
	if (m->omitted) {
		gone_file(m, f);
		if (m->file)
			f->name = arena_strndup(s->step, m->file, m->file_n);
		if (m->file)
			wa_media_kind(f->name, f);
		c->media_gone++;
		wa_hazard(s, HAZARD_LOSS, "media-omitted", "the export was made without this file (%s)", f->name);
		return;
	}
	const char *name = arena_strndup(s->step, m->file, m->file_n);
	f->name = shown_name(name);
	wa_media_kind(name, f);
	note_number(s, c, name);
	const struct entry *en = wa_media_find(s, c->folder, m->file, m->file_n);
	if (!en) {
		c->media_missing++;
		wa_hazard(s, HAZARD_LOSS, "media-missing", "the file \"%.120s\" is named and not in the archive", name);
		return;
	}
	f->state = FILE_PRESENT;
	f->entry = en->name;
	f->size = en->size;
	wa_media_describe(s, f);
}

static bool push(struct source *s, struct wa_chat *c, struct pending *p)
{
	struct wa_made m = { .text = s->body.p, .n = s->body.len };
	struct file file;
	p->open = false;
	s->line = p->line;
	if (p->truncated) {
		wa_hazard(s, HAZARD_LOSS, "message-cut", "a message of more than %d bytes was cut", WA_BODY_MAX);
		wa_bad(s, "a message of more than %d bytes; its beginning is kept", WA_BODY_MAX);
	}
	while (m.n && strchr(" \n\t", m.text[m.n - 1]))
		m.n--;
	wa_classify(s, c, p->author, p->head.mark, &m);
	int32_t day = wa_day(&p->head, c->order), second = wa_second_of_day(&p->head);
	int64_t ts = to_utc(s, day, second < 0 ? 0 : second);
	ts += in_grain(c, ts, p->head.seconds ? 1 : 60);
	if (second < 0)
		wa_hazard(s, HAZARD_WARN, "half-of-day", "the hour and the word for the half of the day contradict each other; midnight is taken");
	bool keep = p->author && p->author != c->title_author && keeps_author(&m);
	struct msg msg = {
		.id = message_id(s, c, &m, (int64_t)day * 86400 + second), .author = keep ? p->author->id : NULL, .ts_us = ts,
		.grain_s = p->head.seconds ? 1 : 60, .kind = kind_of(&m), .edited_us = m.edited ? ts : 0, .flags = m.unknown ? MSGF_UNKNOWN_KIND : 0,
		.subtype = m.kind ? wa_kind_name(m.kind) : NULL,
	};
	if (m.generated)
		msg.body = wa_note(s, m.text, m.n);
	else if (m.n)
		msg.body = wa_text(s, c, m.text, m.n);
	if (m.media) {
		attach(s, c, &m, &file);
		msg.files = &file;
		msg.n_files = 1;
	}
	if (m.unknown)
		wa_hazard(s, HAZARD_NOTE, m.generated ? "notice-unknown" : "marked-text",
		          m.generated ? "WhatsApp wrote this, and its kind is not known: \"%.100s\"" : "a person's text with WhatsApp's mark before it: \"%.100s\"",
		          arena_strndup(s->step, m.text, utf8_cut(m.text, m.n < 100 ? m.n : 100)));
	if (!m.generated && !m.media && !m.n && !s->stopped)
		wa_hazard(s, HAZARD_LOSS, "message-empty", "a message without content: seen once, or of a kind the export leaves out");
	if (keep)
		c->said++;
	else
		c->notices++;
	if (!s->n_msgs || ts < s->first_us)
		s->first_us = ts;
	if (!s->n_msgs || ts > s->last_us)
		s->last_us = ts;
	s->n_msgs++;
	if (!s->stopped && !s->sink->msg(s->sink->ctx, c->conv_id, &msg))
		s->stopped = true;
	arena_reset(s->step);
	return !s->stopped;
}

static bool begin(struct source *s, struct wa_chat *c, struct pending *p, const struct wa_head *h, const struct wa_line *l)
{
	struct wa_parts parts;
	if (p->open && !push(s, c, p))
		return false;
	wa_split(s, c, l->p + h->len, l->n - h->len, &parts);
	if (parts.author && wa_is_notice(s, c, parts.author, l->p + h->len, l->n - h->len))
		parts = (struct wa_parts){ NULL, l->p + h->len, l->n - h->len };
	*p = (struct pending){ .head = *h, .author = parts.author, .line = l->no, .open = true };
	buf_reset(&s->body);
	buf_add(&s->body, parts.text, parts.n);
	return true;
}

bool wa_emit(struct source *s, struct wa_chat *c, struct err *e)
{
	struct wa_reader *r = wa_reader_open(s->v, c->en, c->cp1251, e);
	if (!r)
		return false;
	struct pending p = { .open = false };
	struct wa_line l;
	struct wa_head h;
	enum wa_read got;
	size_t lost = 0;
	s->zone_day = INT32_MAX;
	while (!s->stopped && (got = wa_reader_next(r, &l, e)) != WA_END) {
		if (got == WA_FAILED) {
			wa_reader_close(r);
			return false;
		}
		bool header = l.begins && wa_head_parse_like(l.p, l.n, &c->like, &h) == WA_HEAD_YES && wa_same_shape(&h, &c->lock) && !(c->crlf_only && l.after_lf && l.no > 1);
		if (header && wa_day(&h, c->order) != WA_DAY_NONE) {
			begin(s, c, &p, &h, &l);
		} else if (p.open) {
			s->line = l.no;
			if (header)
				wa_hazard(s, HAZARD_NOTE, "header-like-text", "this looks like the beginning of a message with a date that is none; taken as text");
			if (l.begins)
				buf_addc(&s->body, '\n');
			buf_add(&s->body, l.p, l.n);
			if (s->body.full) {
				buf_cut(&s->body, utf8_cut(s->body.p, s->body.len));
				p.truncated = true;
			}
		} else if (l.n && !lost++) {
			s->line = l.no;
			wa_hazard(s, HAZARD_LOSS, "text-before-first", "text before the first message; it has no author and no time");
			wa_bad(s, "text before the first message");
		}
	}
	if (p.open && !s->stopped)
		push(s, c, &p);
	wa_reader_close(r);
	if (c->skipped && !s->stopped) {
		s->line = c->skipped_line;
		wa_hazard(s, HAZARD_WARN, "numbers-missing", "the numbers in file names skip %zu messages that are not here: deleted on this phone; another phone's export may have them",
		          c->skipped);
	}
	return !s->stopped;
}
