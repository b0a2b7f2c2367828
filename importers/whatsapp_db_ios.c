/* whatsapp_db_ios.c: ChatStorage.sqlite, as iPhones and WhatsApp for Mac keep it (Core Data: tables and columns begin with Z, times are
 * seconds since 2001-01-01 UTC).
 *
 * Facts of the schema: github.com/KnugiHK/WhatsApp-Chat-Exporter (ios_handler.py), github.com/domingogallardo/SwiftWABackupAPI
 * (Docs/WhatsAppDatabase), github.com/sepinf-inc/IPED (ExtractorIOS). Columns that a version does not have are asked for and
 * left out. Called by whatsapp_db.c.
 */
#include "importers/whatsapp_db.h"

#include "core/utf8.h"
#include "importers/whatsapp_proto.h"

#include <stdlib.h>
#include <string.h>

enum { EPOCH_2001 = 978307200, REACTS_MAX = 1100 };

static int64_t to_us(double seconds)
{
	return seconds > -1e9 && seconds < 1e11 && (seconds < 0 || seconds > 0) ? (int64_t)((seconds + EPOCH_2001) * 1e6 + (seconds > -EPOCH_2001 ? 0.5 : -0.5)) : 0;
}

static void pushname(struct wadb *w, struct db_query *q)
{
	wadb_name(w, wadb_person(w, db_text(q, 0, &w->a)), db_text(q, 1, &w->a), NAME_PROFILE);
}

static void contact(struct wadb *w, struct db_query *q)
{
	const char *jid = db_text(q, 0, &w->a), *lid = db_text(q, 2, &w->a);
	if (!jid)
		return;
	jid = strchr(jid, '@') ? jid : arena_fmt(&w->a, "%s@s.whatsapp.net", jid);
	if (lid)
		wadb_lid(w, strchr(lid, '@') ? lid : arena_fmt(&w->a, "%s@lid", lid), jid);
	wadb_name(w, wadb_person(w, jid), db_text(q, 1, &w->a), NAME_LISTED);
}

static void session(struct wadb *w, struct db_query *q)
{
	const char *name = db_text(q, 2, &w->a);
	struct wadb_chat *c = wadb_chat(w, db_text(q, 1, &w->a), db_int(q, 0));
	if (!c)
		return;
	if (c->group && name)
		c->name = arena_strdup(&w->a, name);
	else if (c->partner)
		wadb_name(w, (struct wadb_person *)(uintptr_t)c->partner, name, NAME_LISTED);
	c->archived = db_int(q, 3) != 0;
	c->created_us = to_us(db_real(q, 4));
}

static void member(struct wadb *w, struct db_query *q)
{
	struct wadb_chat *c = wadb_chat_row(w, db_int(q, 0));
	struct wadb_person *p = wadb_person(w, db_text(q, 1, &w->a));
	if (!c || !p || !c->group || !db_int(q, 2))
		return;
	p->groups++;
	c->roster = true;
	wadb_member(w, c, p);
}

/* The phone's owner stands there as "You", in the phone's language. */
static void member_name(struct wadb *w, struct db_query *q)
{
	struct wadb_person *p = wadb_person(w, db_text(q, 0, &w->a));
	if (p != w->me)
		wadb_name(w, p, db_text(q, 1, &w->a), NAME_PROFILE);
}

static void author(struct wadb *w, struct db_query *q)
{
	struct wadb_chat *c = wadb_chat_row(w, db_int(q, 0));
	struct wadb_person *p = wadb_person(w, db_text(q, 1, &w->a));
	if (p)
		p->wrote = true;
	if (p && c && c->group && !c->roster)
		wadb_member(w, c, p);
}

bool wadb_ios_people(struct wadb *w, struct err *e UNUSED)
{
	if (w->names && db_has_table(w->names, "ZWAADDRESSBOOKCONTACT")) {
		const bool lid = db_has_column(w->names, "ZWAADDRESSBOOKCONTACT", "ZLID");
		wadb_each(w, w->names, "the address book", lid ? "SELECT ZWHATSAPPID, ZFULLNAME, ZLID FROM ZWAADDRESSBOOKCONTACT" : "SELECT ZWHATSAPPID, ZFULLNAME, NULL FROM ZWAADDRESSBOOKCONTACT", contact);
	}
	const char *archived = wadb_col(w, "ZWACHATSESSION", "s", "ZARCHIVED", "0");
	const bool info = db_has_column(w->db, "ZWACHATSESSION", "ZGROUPINFO") && db_has_column(w->db, "ZWAGROUPINFO", "ZCREATIONDATE");
	wadb_each(w, w->db, "the list of chats", arena_fmt(&w->a, "SELECT s.Z_PK, s.ZCONTACTJID, s.ZPARTNERNAME, %s, %s FROM ZWACHATSESSION s %s ORDER BY s.Z_PK", archived,
	     info ? "i.ZCREATIONDATE" : "NULL", info ? "LEFT JOIN ZWAGROUPINFO i ON i.Z_PK = s.ZGROUPINFO" : ""), session);
	if (db_has_table(w->db, "ZWAPROFILEPUSHNAME"))
		wadb_each(w, w->db, "the people's own names", "SELECT ZJID, ZPUSHNAME FROM ZWAPROFILEPUSHNAME", pushname);
	if (db_has_table(w->db, "ZWAGROUPMEMBER")) {
		const char *active = wadb_col(w, "ZWAGROUPMEMBER", "g", "ZISACTIVE", "1");
		wadb_each(w, w->db, "the members of groups", arena_fmt(&w->a, "SELECT g.ZCHATSESSION, g.ZMEMBERJID, ifnull(%s, 1) FROM ZWAGROUPMEMBER g", active), member);
		wadb_each(w, w->db, "the authors", "SELECT DISTINCT m.ZCHATSESSION, g.ZMEMBERJID FROM ZWAMESSAGE m JOIN ZWAGROUPMEMBER g ON g.Z_PK = m.ZGROUPMEMBER WHERE m.ZISFROMME = 0", author);
	}
	struct db_query *q = db_query(w->db, "SELECT ZSTANZAID FROM ZWAMESSAGE WHERE ZISFROMME = 1 AND ZSTANZAID IS NOT NULL ORDER BY ZMESSAGEDATE, Z_PK LIMIT 1", NULL);
	wadb_find_me(w, q && db_next(q, NULL) == DB_ROW ? db_text(q, 0, &w->a) : NULL);
	db_end(q);
	if (db_has_column(w->db, "ZWAGROUPMEMBER", "ZCONTACTNAME"))
		wadb_each(w, w->db, "the members of groups", "SELECT ZMEMBERJID, ZCONTACTNAME FROM ZWAGROUPMEMBER", member_name);
	return !w->wa.stopped;
}

/* ---- messages ---- */

enum col {
	C_ROW, C_CHAT, C_MINE, C_DATE, C_TEXT, C_TYPE, C_EVENT, C_STANZA, C_FROM, C_MEMBER, C_PATH, C_TITLE, C_CARD, C_CARD_NAME, C_LAT, C_LON,
	C_SECONDS, C_BYTES, C_META, C_RECEIPT, C_QUOTED, C_FLAGS,
};
/* Of ZFLAGS: the message was forwarded (sepinf-inc/IPED#1287; the bits above it say other things, #2687). */
enum { FLAG_FORWARDED = 1 << 7 };

/* Message rows of the stanza ids that are quoted, for quotations that name the id only. */
struct quotable { uint64_t *keys; int64_t *rows; size_t cap, n; };

static void quotable_put(struct quotable *t, uint64_t key, int64_t row)
{
	if (2 * (t->n + 1) > t->cap) {
		struct quotable old = *t;
		*t = (struct quotable){ .cap = old.cap ? 2 * old.cap : 4096 };
		t->keys = xcalloc(t->cap, sizeof(*t->keys));
		t->rows = xcalloc(t->cap, sizeof(*t->rows));
		for (size_t i = 0; i < old.cap; i++)
			if (old.keys[i])
				quotable_put(t, old.keys[i], old.rows[i]);
		free(old.keys);
		free(old.rows);
	}
	key += !key;
	size_t k = (size_t)key & (t->cap - 1);
	while (t->keys[k] && t->keys[k] != key)
		k = (k + 1) & (t->cap - 1);
	t->n += !t->keys[k];
	t->keys[k] = key;
	t->rows[k] = row;
}

/* The row kept for this id, or NULL. */
static int64_t *quotable_get(const struct quotable *t, uint64_t key)
{
	key += !key;
	for (size_t k = (size_t)key & (t->cap - 1); t->cap && t->keys[k]; k = (k + 1) & (t->cap - 1))
		if (t->keys[k] == key)
			return &t->rows[k];
	return NULL;
}

/* Reactions: field 7 of the receipts, in it one message per person: their JID and the emoji, without a JID one's own. The numbers of
 * the fields within differ between versions; a JID is known by its '@', an emoji by not being ASCII (keycaps aside). */
static size_t reactions(struct wadb *w, const uint8_t *p, size_t n, struct wadb_react *out)
{
	struct wa_proto top = wa_proto(p, n);
	struct wa_field f, one, x;
	size_t count = 0;
	while (wa_proto_next(&top, &f)) {
		if (f.no != 7 || !f.is_bytes)
			continue;
		struct wa_proto list = wa_proto(f.p, f.n);
		while (wa_proto_next(&list, &one) && count < REACTS_MAX) {
			struct wa_proto m = wa_proto(one.p, one.n);
			const char *jid = NULL, *emoji = NULL;
			if (!one.is_bytes)
				continue;
			while (wa_proto_next(&m, &x)) {
				const char *s = (const char *)x.p;
				if (!x.is_bytes || !x.n || x.n > 100 || memchr(s, '\0', x.n) || !utf8_valid(s, x.n))
					continue;
				if (memchr(s, '@', x.n) && !jid)
					jid = arena_strndup(w->wa.step, s, x.n);
				else if (!emoji && (x.p[0] >= 0xc2 || (x.n > 1 && x.n <= 7 && x.p[1] >= 0xe2)))
					emoji = arena_strndup(w->wa.step, s, x.n);
			}
			const struct wadb_person *who = jid ? wadb_person(w, jid) : w->me;
			if (emoji && who)
				out[count++] = (struct wadb_react){ emoji, who };
		}
	}
	return count;
}

static void group_event(struct wadb *w, struct wadb_msg *m, int event, const char *text)
{
	const char *who = wadb_called(w, m->author);
	/* Numbers of ZGROUPEVENTTYPE for messages of type 6. */
	switch (event) {
	case 1:
		wadb_notice(w, m, MSG_RENAME, "subject", "the group's new name: {}", text);
		break;
	case 2: case 50:
		wadb_notice(w, m, MSG_JOIN, "join", "{} joined", who);
		break;
	case 3:
		wadb_notice(w, m, MSG_LEAVE, "leave", "{} left", who);
		break;
	case 4: case 5:
		wadb_notice(w, m, MSG_SYSTEM, "icon", event == 4 ? "{} changed the group's picture" : "{} deleted the group's picture", who);
		break;
	case 7:
		wadb_notice(w, m, MSG_LEAVE, "remove", "{} was removed", who);
		break;
	case 10:
		wadb_notice(w, m, MSG_SYSTEM, "admin", "the phone's owner became an administrator", NULL);
		break;
	case 12:
		wadb_notice(w, m, MSG_SYSTEM, "create", "{} created the group", who);
		break;
	default: /* a number out of the file, no enum */
		wadb_notice(w, m, MSG_SYSTEM, "group-event", text ? "{}" : "an event of the group", text);
		m->unknown = arena_fmt(w->wa.step, "group event %d", event);
		break;
	}
}

static void system_event(struct wadb *w, struct wadb_msg *m, int event, const char *text)
{
	switch (event) {
	case 1: case 4: case 22:
		wadb_notice(w, m, MSG_CALL, "call.missed", "missed call", NULL);
		return;
	case 2:
		wadb_notice(w, m, MSG_SYSTEM, "encryption", "messages and calls are end-to-end encrypted", NULL);
		break;
	case 3:
		wadb_notice(w, m, MSG_SYSTEM, "security_code", "the security code with {} changed", wadb_called(w, m->author));
		break;
	case 34: case 35:
		wadb_notice(w, m, MSG_SYSTEM, "blocked", event == 34 ? "this contact was blocked" : "this contact was unblocked", NULL);
		break;
	case 38:
		wadb_notice(w, m, MSG_SYSTEM, "business", "this chat is with a business account", NULL);
		break;
	default: /* a number out of the file, no enum */
		wadb_notice(w, m, MSG_SYSTEM, "system", text && !strchr(text, '@') ? "{}" : "a notice of WhatsApp", text);
		m->unknown = arena_fmt(w->wa.step, "notice %d", event);
		break;
	}
	m->author = NULL;
}

static bool has_extension(const char *s)
{
	const char *dot = s ? strrchr(s, '.') : NULL;
	return dot && dot > s && strlen(dot) >= 2 && strlen(dot) <= 6 && !strchr(s, '\n') && !strchr(dot, ' ');
}

static void with_file(struct wadb *w, struct wadb_msg *m, struct db_query *q, enum file_kind kind)
{
	const char *title = db_text(q, C_TITLE, w->wa.step), *mime = db_text(q, C_CARD, w->wa.step);
	m->file.kind = kind;
	m->file.path = db_text(q, C_PATH, w->wa.step);
	m->file.mime = mime && strchr(mime, '/') && strlen(mime) < 120 ? mime : NULL;
	m->file.size = db_int(q, C_BYTES);
	if (db_int(q, C_SECONDS) > 0 && db_int(q, C_SECONDS) < 86400)
		m->file.duration_ms = (int)db_int(q, C_SECONDS) * 1000;
	if (kind == FILE_AUDIO && m->file.mime && strstr(m->file.mime, "opus"))
		m->file.kind = FILE_VOICE;
	if (!m->text)
		m->text = title;
	if (kind != FILE_PLAIN)
		return;
	/* A document: its name stands in the title or in the text; the other one, if it differs, is the caption. */
	const char *text = db_text(q, C_TEXT, w->wa.step);
	m->file.name = has_extension(title) ? title : has_extension(text) ? text : title ? title : text;
	m->text = m->file.name == title ? text : title;
	if (m->text && m->file.name && streq(m->text, m->file.name))
		m->text = NULL;
}

static void content(struct wadb *w, struct wadb_msg *m, struct db_query *q, int type)
{
	const int event = (int)db_int(q, C_EVENT);
	const char *card = db_text(q, C_CARD, w->wa.step);
	switch (type) {
	case 0: case 7:
		break;
	case 1: case 38:
		with_file(w, m, q, FILE_IMAGE);
		break;
	case 2: case 11: case 39:
		with_file(w, m, q, FILE_VIDEO);
		break;
	case 3:
		with_file(w, m, q, FILE_AUDIO);
		break;
	case 4:
		m->subtype = "contact";
		if (card && strstr(card, "BEGIN:VCARD"))
			m->text = wadb_card(w, card);
		else if (!m->text)
			m->text = db_text(q, C_CARD_NAME, w->wa.step);
		break;
	case 5: case 16:
		m->subtype = "location";
		m->text = wadb_place(w, db_text(q, C_TITLE, w->wa.step), m->text, db_real(q, C_LAT), db_real(q, C_LON));
		break;
	case 6:
		m->text = NULL;
		group_event(w, m, event, db_text(q, C_TEXT, w->wa.step));
		break;
	case 8:
		with_file(w, m, q, FILE_PLAIN);
		break;
	case 10:
		m->text = NULL;
		system_event(w, m, event, db_text(q, C_TEXT, w->wa.step));
		break;
	case 14:
		m->text = NULL;
		m->kind = MSG_DELETED;
		m->subtype = "deleted";
		m->note = "this message was deleted";
		break;
	case 15:
		with_file(w, m, q, FILE_IMAGE);
		m->subtype = "sticker";
		break;
	case 46:
		m->subtype = "poll";
		break;
	case 59:
		m->text = NULL;
		wadb_notice(w, m, MSG_CALL, "call", "call", NULL);
		break;
	default: /* a number out of the file, no enum */
		if (db_text(q, C_PATH, w->wa.step))
			with_file(w, m, q, FILE_PLAIN);
		m->unknown = arena_fmt(w->wa.step, "type %d", type);
		break;
	}
}

/* Field 5 of a media item's metadata: the stanza id of the message that is quoted. */
static bool quoted_id(const uint8_t *meta, size_t n, struct wa_field *f)
{
	return meta && wa_proto_bytes(meta, n, 5, f) && f->n > 3 && f->n < 128 && utf8_valid((const char *)f->p, f->n) && !memchr(f->p, '\0', f->n);
}

/* What replies lead to: the message by its row; rows by stanza ids, where replies say only those. */
struct quotes { struct db_query *q; struct quotable ids; };

static void push_row(struct wadb *w, struct db_query *q, void *ctx)
{
	const struct quotes *quotes = ctx;
	struct db_query *quoted = quotes->q;
	struct arena *a = w->wa.step;
	struct wadb_react reacts[REACTS_MAX];
	const int type = (int)db_int(q, C_TYPE);
	struct wadb_msg m = {
		.row = db_int(q, C_ROW), .chat = wadb_chat_row(w, db_int(q, C_CHAT)), .stanza = db_text(q, C_STANZA, a), .ts_us = to_us(db_real(q, C_DATE)),
		.grain_s = 1, .kind = MSG_TEXT, .text = db_text(q, C_TEXT, a), .reacts = reacts,
		.forwarded = (db_int(q, C_FLAGS) & FLAG_FORWARDED) != 0,
	};
	if (type == 66) /* a vote in a poll: no message of its own */
		return;
	if (db_int(q, C_MINE))
		m.author = w->me;
	else if (!db_null(q, C_MEMBER))
		m.author = wadb_person(w, db_text(q, C_MEMBER, a));
	else if (m.chat && m.chat->group)
		m.author = wadb_person(w, db_text(q, C_FROM, a));
	else if (m.chat)
		m.author = m.chat->partner;
	content(w, &m, q, type);
	size_t n;
	const uint8_t *p = db_bytes(q, C_RECEIPT, &n);
	m.n_reacts = p ? reactions(w, p, n, reacts) : 0;
	struct wa_field f;
	const uint8_t *meta = db_bytes(q, C_META, &n);
	int64_t row = db_int(q, C_QUOTED);
	if (!row && quoted_id(meta, n, &f)) {
		const int64_t *found = quotable_get(&quotes->ids, hash64(f.p, f.n, 0));
		m.quote.id = arena_strndup(a, (const char *)f.p, f.n);
		row = found ? *found : 0;
	}
	if (row && quoted && m.kind == MSG_TEXT) {
		db_again(quoted);
		db_bind(quoted, 1, row);
		if (db_next(quoted, NULL) == DB_ROW) {
			const char *id = db_text(quoted, 0, a), *text = db_text(quoted, 1, a), *title = db_text(quoted, 2, a);
			m.quote.id = id ? arena_strdup(a, id) : m.quote.id;
			m.quote.text = text || title ? arena_strdup(a, text ? text : title) : NULL;
			const char *jid = db_text(quoted, 4, a);
			m.quote.who = db_int(quoted, 3) ? w->me : jid ? wadb_person(w, jid) : m.chat && !m.chat->group ? m.chat->partner : NULL;
		}
	}
	if (m.kind != MSG_TEXT)
		m.quote.id = NULL;
	wadb_push(w, &m);
}

static const char *message_sql(struct wadb *w)
{
	const bool member = db_has_table(w->db, "ZWAGROUPMEMBER"), media = db_has_table(w->db, "ZWAMEDIAITEM"), info = db_has_table(w->db, "ZWAMESSAGEINFO");
	const bool has_info = info && db_has_column(w->db, "ZWAMESSAGE", "ZMESSAGEINFO");
	const char *c[11];
	static const char *const of_media[11] = { "ZMEDIALOCALPATH", "ZTITLE", "ZVCARDSTRING", "ZVCARDNAME", "ZLATITUDE", "ZLONGITUDE", "ZMOVIEDURATION", "ZFILESIZE", "ZMETADATA", NULL, NULL };
	for (size_t i = 0; i < 9; i++)
		c[i] = media ? wadb_col(w, "ZWAMEDIAITEM", "i", of_media[i], "NULL") : "NULL";
	return arena_fmt(&w->a,
		"SELECT m.Z_PK, m.ZCHATSESSION, m.ZISFROMME, m.ZMESSAGEDATE, m.ZTEXT, m.ZMESSAGETYPE, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s "
		"FROM ZWAMESSAGE m %s %s %s WHERE m.Z_PK > ?1 ORDER BY m.Z_PK",
		wadb_col(w, "ZWAMESSAGE", "m", "ZGROUPEVENTTYPE", "0"), wadb_col(w, "ZWAMESSAGE", "m", "ZSTANZAID", "NULL"), wadb_col(w, "ZWAMESSAGE", "m", "ZFROMJID", "NULL"),
		member ? "g.ZMEMBERJID" : "NULL", c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], has_info ? "x.ZRECEIPTINFO" : "NULL",
		wadb_col(w, "ZWAMESSAGE", "m", "ZPARENTMESSAGE", "NULL"), wadb_col(w, "ZWAMESSAGE", "m", "ZFLAGS", "0"), member ? "LEFT JOIN ZWAGROUPMEMBER g ON g.Z_PK = m.ZGROUPMEMBER" : "",
		media ? "LEFT JOIN ZWAMEDIAITEM i ON i.Z_PK = m.ZMEDIAITEM" : "", has_info ? "LEFT JOIN ZWAMESSAGEINFO x ON x.Z_PK = m.ZMESSAGEINFO" : "");
}

static void collect_ids(struct wadb *w, struct quotable *ids)
{
	struct arena a;
	struct wa_field f;
	size_t n;
	struct db_query *q = db_query(w->db, "SELECT ZMETADATA FROM ZWAMEDIAITEM WHERE ZMETADATA IS NOT NULL", NULL);
	while (q && db_next(q, NULL) == DB_ROW) {
		const uint8_t *meta = db_bytes(q, 0, &n);
		if (quoted_id(meta, n, &f))
			quotable_put(ids, hash64(f.p, f.n, 0), 0);
	}
	db_end(q);
	arena_init(&a);
	q = ids->n ? db_query(w->db, "SELECT Z_PK, ZSTANZAID FROM ZWAMESSAGE WHERE ZSTANZAID IS NOT NULL", NULL) : NULL;
	while (q && db_next(q, NULL) == DB_ROW) {
		const char *id = db_text(q, 1, &a);
		int64_t *row = id ? quotable_get(ids, hash64(id, strlen(id), 0)) : NULL;
		if (row)
			*row = db_int(q, 0);
		arena_reset(&a);
	}
	db_end(q);
	arena_release(&a);
}

bool wadb_ios_messages(struct wadb *w, struct err *e)
{
	struct quotes quotes = { .ids = { .n = 0 } };
	const bool member = db_has_table(w->db, "ZWAGROUPMEMBER"), media = db_has_table(w->db, "ZWAMEDIAITEM");
	if (db_has_column(w->db, "ZWAMESSAGE", "ZSTANZAID") && db_has_column(w->db, "ZWAMEDIAITEM", "ZMETADATA"))
		collect_ids(w, &quotes.ids);
	quotes.q = db_query(w->db, arena_fmt(&w->a, "SELECT m.ZSTANZAID, m.ZTEXT, %s, m.ZISFROMME, %s FROM ZWAMESSAGE m %s %s WHERE m.Z_PK = ?1",
		media ? "i.ZTITLE" : "NULL", member ? "g.ZMEMBERJID" : "NULL", media ? "LEFT JOIN ZWAMEDIAITEM i ON i.Z_PK = m.ZMEDIAITEM" : "",
		member ? "LEFT JOIN ZWAGROUPMEMBER g ON g.Z_PK = m.ZGROUPMEMBER" : ""), NULL);
	const bool whole = wadb_rows(w, message_sql(w), C_ROW, push_row, &quotes, e);
	db_end(quotes.q);
	free(quotes.ids.keys);
	free(quotes.ids.rows);
	return whole;
}
