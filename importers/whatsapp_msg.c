/* whatsapp_msg.c: the second reading: lines become messages.
 *
 * Promises: what WhatsApp wrote is never pushed as somebody's words (whatsapp_classify.c); a generated text of unknown kind is
 * MSG_SYSTEM, with everything it says. A message's id is a hash of time and words, so it is the same in every export from one phone: what
 * its people are called there, whether the media were exported, how WhatsApp numbered them, an "edited" sign and Unicode forms do
 * not change it. Messages of one minute get times that differ by milliseconds, so that they stay in order.
 */
#include "importers/whatsapp_classify.h"

#include "core/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <uninorm.h>

enum { SEEN_START = 1024 };

/* The message being collected. */
struct pending {
	struct wa_head head;
	struct wa_author *author;
	size_t line;
	bool open, truncated;
};

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
