/* whatsapp_db_notes.c: what the schemas share: notices, places, cards, and rows that belong to messages.
 *
 * Databases hold the number of an event, not a sentence; the sentence is made here, in English, as a note. Called by whatsapp_db_*.c.
 */
#include "importers/whatsapp_db.h"

#include <stdlib.h>
#include <string.h>

enum { CARD_MAX = 64 * 1024 };

const char *wadb_called(const struct wadb *w, const struct wadb_person *p)
{
	return !p ? "somebody" : p->name ? p->name : p->phone ? p->phone : p == w->me ? "the phone's owner" : p->id + 3;
}

void wadb_notice(struct wadb *w, struct wadb_msg *m, enum msg_kind kind, const char *subtype, const char *what, const char *who)
{
	const char *at = strstr(what, "{}");
	m->kind = kind;
	m->subtype = subtype;
	m->note = at ? arena_fmt(w->wa.step, "%.*s%s%s", (int)(at - what), what, who ? who : "somebody", at + 2) : what;
}

const char *wadb_place(struct wadb *w, const char *name, const char *address, double lat, double lon)
{
	const char *link = lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180 && (lat < 0 || lat > 0 || lon < 0 || lon > 0)
		? arena_fmt(w->wa.step, "https://maps.google.com/?q=%.6f,%.6f", lat, lon) : "";
	return arena_fmt(w->wa.step, "%s%s%s%s%s", name ? name : "", name && address ? ", " : "", address ? address : "", (name || address) && *link ? "\n" : "", link);
}

/* RFC 6350: FN, the name as it is shown; TEL. Lines may be grouped ("item1.TEL"), parameters follow a semicolon. */
const char *wadb_card(struct wadb *w, const char *card)
{
	struct buf b;
	const char *name = NULL;
	size_t name_n = 0;
	buf_init(&b, 4096);
	for (const char *p = card, *end = card + strnlen(card, CARD_MAX); p < end;) {
		size_t n = strcspn(p, "\r\n");
		const char *dot = memchr(p, '.', n), *colon = memchr(p, ':', n);
		const char *key = dot && colon && dot < colon && dot - p < 12 ? dot + 1 : p;
		if (colon && colon - key >= 2 && !strncmp(key, "FN", 2) && (key[2] == ':' || key[2] == ';') && !name) {
			name = colon + 1;
			name_n = n - (size_t)(name - p);
		} else if (colon && colon - key >= 3 && !strncmp(key, "TEL", 3) && (key[3] == ':' || key[3] == ';')) {
			buf_addc(&b, '\n');
			buf_add(&b, colon + 1, n - (size_t)(colon + 1 - p));
		}
		p += n;
		p += strspn(p, "\r\n");
	}
	const char *out = arena_fmt(w->wa.step, "%.*s%s", (int)(name_n < 300 ? name_n : 0), name ? name : "", b.p + (b.len && !name_n ? 1 : 0));
	buf_release(&b);
	return out;
}

void wadb_each(struct wadb *w, struct db *d, const char *what, const char *sql, wadb_row_fn *fn)
{
	struct err e = ERR_INIT;
	struct db_query *q = db_query(d, sql, &e);
	enum db_step step = q ? DB_ROW : DB_DAMAGED;
	while (q && !w->wa.stopped && (step = db_next(q, &e)) == DB_ROW)
		fn(w, q);
	if (step == DB_DAMAGED)
		wa_hazard(&w->wa, HAZARD_LOSS, "table-unreadable", "%s cannot be read: %s", what, e.msg);
	db_end(q);
}

void wadb_side_open(struct wadb *w, struct wadb_side *s, const char *sql, const char *what)
{
	struct err e = ERR_INIT;
	*s = (struct wadb_side){ .q = db_query(w->db, sql, &e) };
	if (!s->q) {
		w->wa.line = 0;
		wa_hazard(&w->wa, HAZARD_LOSS, "table-unreadable", "%s cannot be read: %s", what, e.msg);
		return;
	}
	s->open = true;
	s->row = INT64_MIN;
}

bool wadb_side_next(struct wadb *w, struct wadb_side *s, int64_t row)
{
	struct err e = ERR_INIT;
	if (s->open && s->row == row) { /* the one that was looked at */
		s->row = INT64_MIN;
		return true;
	}
	if (s->row < row)
		s->row = INT64_MIN;
	while (s->open && s->row < row) {
		const enum db_step step = db_next(s->q, &e);
		if (step != DB_ROW) {
			if (step == DB_DAMAGED)
				wa_bad(&w->wa, "what belongs to messages cannot be read to its end: %s", e.msg);
			s->open = false;
			break;
		}
		const int64_t at = db_int(s->q, 0);
		if (at == row)
			return true;
		if (at > row) {
			s->row = at;
			return false;
		}
	}
	return false;
}
