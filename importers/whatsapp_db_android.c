/* whatsapp_db_android.c: msgstore.db as Android keeps it since about 2022: the table `message` and many beside it, one for each kind
 * of content. Times are milliseconds since 1970 UTC.
 *
 * Facts of the schema: github.com/KnugiHK/WhatsApp-Chat-Exporter (android_handler.py), the tables of a database in
 * github.com/ElDavoo/wa-crypt-tools (tests/res), and schema dumps in public forensic tools' tests. Tables and columns that a version does
 * not have are asked for and left out. Called by whatsapp_db.c.
 */
#include "importers/whatsapp_db.h"

#include <stdlib.h>
#include <string.h>

enum { REACTS_MAX = 1100, OPTIONS_BYTES = 16 * 1024 };

/* ---- people and chats ---- */

static void same_person(struct wadb *w, struct db_query *q)
{
	wadb_lid(w, db_text(q, 0, &w->a), db_text(q, 1, &w->a));
}

static void contact(struct wadb *w, struct db_query *q)
{
	struct wadb_person *p = wadb_person(w, db_text(q, 0, &w->a));
	wadb_name(w, p, db_text(q, 1, &w->a), NAME_LISTED);
	wadb_name(w, p, db_text(q, 2, &w->a), NAME_PROFILE);
}

static void hidden_name(struct wadb *w, struct db_query *q)
{
	wadb_name(w, wadb_person(w, db_text(q, 0, &w->a)), db_text(q, 1, &w->a), NAME_PROFILE);
}

static void chat(struct wadb *w, struct db_query *q)
{
	struct wadb_chat *c = wadb_chat(w, db_text(q, 1, &w->a), db_int(q, 0));
	const char *subject = db_text(q, 2, &w->a);
	if (!c)
		return;
	if (subject && !c->name)
		c->name = arena_strdup(&w->a, subject);
	c->archived |= db_int(q, 3) != 0;
	if (db_int(q, 4) > 0 && db_int(q, 4) < INT64_MAX / 1000)
		c->created_us = db_int(q, 4) * 1000;
}

static void member(struct wadb *w, struct db_query *q)
{
	struct wadb_chat *c = wadb_chat(w, db_text(q, 0, &w->a), 0);
	const char *jid = db_text(q, 1, &w->a);
	struct wadb_person *p = wadb_person(w, jid);
	if (!c || !c->group)
		return;
	if (!p) { /* the old table has the owner as "" */
		c->roster |= jid == NULL;
		c->with_me |= jid == NULL;
		return;
	}
	p->groups++;
	c->roster = true;
	wadb_member(w, c, p);
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

void wadb_android_contacts(struct wadb *w)
{
	if (!w->names || !db_has_table(w->names, "wa_contacts"))
		return;
	const bool push = db_has_column(w->names, "wa_contacts", "wa_name");
	wadb_each(w, w->names, "the address book", push ? "SELECT jid, display_name, wa_name FROM wa_contacts" : "SELECT jid, display_name, NULL FROM wa_contacts", contact);
}

static const char *single(struct wadb *w, const char *sql)
{
	struct db_query *q = db_query(w->db, sql, NULL);
	const char *s = q && db_next(q, NULL) == DB_ROW ? db_text(q, 0, &w->a) : NULL;
	s = s ? arena_strdup(&w->a, s) : NULL;
	db_end(q);
	return s;
}

void wadb_android_me(struct wadb *w, const char *first_stanza_sql)
{
	wadb_find_me(w, single(w, first_stanza_sql));
	if (db_has_column(w->db, "props", "value"))
		wadb_name(w, w->me, single(w, "SELECT value FROM props WHERE key = 'user_push_name'"), NAME_PROFILE);
}

/* Members of groups, in the newer table or the older one. */
void wadb_android_members(struct wadb *w)
{
	if (db_has_table(w->db, "group_participant_user"))
		wadb_each(w, w->db, "the members of groups", "SELECT g.raw_string, u.raw_string FROM group_participant_user p JOIN jid g ON g._id = p.group_jid_row_id "
		     "JOIN jid u ON u._id = p.user_jid_row_id", member);
	else if (db_has_column(w->db, "group_participants", "gjid"))
		wadb_each(w, w->db, "the members of groups", "SELECT gjid, jid FROM group_participants", member);
}

bool wadb_android_people(struct wadb *w, struct err *e UNUSED)
{
	if (db_has_table(w->db, "jid_map"))
		wadb_each(w, w->db, "the table of hidden numbers", "SELECT l.raw_string, p.raw_string FROM jid_map m JOIN jid l ON l._id = m.lid_row_id JOIN jid p ON p._id = m.jid_row_id", same_person);
	wadb_android_contacts(w);
	if (db_has_table(w->db, "lid_display_name"))
		wadb_each(w, w->db, "the names of hidden numbers", "SELECT j.raw_string, n.display_name FROM lid_display_name n JOIN jid j ON j._id = n.lid_row_id", hidden_name);
	wadb_each(w, w->db, "the list of chats", arena_fmt(&w->a, "SELECT c._id, j.raw_string, %s, %s, %s FROM chat c JOIN jid j ON j._id = c.jid_row_id ORDER BY c._id",
	     wadb_col(w, "chat", "c", "subject", "NULL"), wadb_col(w, "chat", "c", "archived", "0"), wadb_col(w, "chat", "c", "created_timestamp", "0")), chat);
	wadb_android_members(w);
	wadb_each(w, w->db, "the authors", "SELECT DISTINCT m.chat_row_id, j.raw_string FROM message m JOIN jid j ON j._id = m.sender_jid_row_id WHERE m.from_me = 0", author);
	wadb_android_me(w, "SELECT key_id FROM message WHERE from_me = 1 AND key_id IS NOT NULL ORDER BY timestamp, _id LIMIT 1");
	return !w->wa.stopped;
}

/* ---- messages ---- */

enum col {
	C_ROW, C_CHAT, C_MINE, C_KEY, C_FROM, C_TIME, C_TEXT, C_TYPE, C_STATUS,
	C_PATH, C_NAME, C_MIME, C_BYTES, C_WIDTH, C_HEIGHT, C_SECONDS, C_CAPTION,
	C_QUOTED, C_QUOTED_TEXT, C_QUOTED_MINE, C_QUOTED_FROM,
	C_LAT, C_LON, C_PLACE, C_ADDRESS, C_ACTION, C_OLD, C_FORWARDED, C_EDITED, C_MISSED, C_ORIGIN,
	N_COLS
};

/* What each column is taken from: a table with its alias, and a column; the table is joined when it is there. */
static const struct { const char *table, *as, *column, *otherwise; } columns[N_COLS] = {
	[C_ROW] = { "message", "m", "_id", "0" }, [C_CHAT] = { "message", "m", "chat_row_id", "0" }, [C_MINE] = { "message", "m", "from_me", "0" },
	[C_KEY] = { "message", "m", "key_id", "NULL" }, [C_FROM] = { "jid", "j", "raw_string", "NULL" }, [C_TIME] = { "message", "m", "timestamp", "0" },
	[C_TEXT] = { "message", "m", "text_data", "NULL" }, [C_TYPE] = { "message", "m", "message_type", "0" }, [C_STATUS] = { "message", "m", "status", "0" },
	[C_PATH] = { "message_media", "f", "file_path", "NULL" }, [C_NAME] = { "message_media", "f", "media_name", "NULL" },
	[C_MIME] = { "message_media", "f", "mime_type", "NULL" }, [C_BYTES] = { "message_media", "f", "file_size", "0" },
	[C_WIDTH] = { "message_media", "f", "width", "0" }, [C_HEIGHT] = { "message_media", "f", "height", "0" },
	[C_SECONDS] = { "message_media", "f", "media_duration", "0" }, [C_CAPTION] = { "message_media", "f", "media_caption", "NULL" },
	[C_QUOTED] = { "message_quoted", "q", "key_id", "NULL" }, [C_QUOTED_TEXT] = { "message_quoted", "q", "text_data", "NULL" },
	[C_QUOTED_MINE] = { "message_quoted", "q", "from_me", "0" }, [C_QUOTED_FROM] = { "jid", "qj", "raw_string", "NULL" },
	[C_LAT] = { "message_location", "l", "latitude", "0" }, [C_LON] = { "message_location", "l", "longitude", "0" },
	[C_PLACE] = { "message_location", "l", "place_name", "NULL" }, [C_ADDRESS] = { "message_location", "l", "place_address", "NULL" },
	[C_ACTION] = { "message_system", "s", "action_type", "NULL" }, [C_OLD] = { "message_system_value_change", "v", "old_data", "NULL" },
	[C_FORWARDED] = { "message_forwarded", "w", "forward_score", "0" }, [C_EDITED] = { "message_edit_info", "e", "edited_timestamp", "0" },
	[C_MISSED] = { "missed_call_logs", "c", "video_call", "NULL" }, [C_ORIGIN] = { "message", "m", "origin", "0" },
};

static const char *message_sql(struct wadb *w)
{
	static const struct { const char *table, *as; } joined[] = {
		{ "message_media", "f" }, { "message_quoted", "q" }, { "message_location", "l" }, { "message_system", "s" }, { "message_system_value_change", "v" },
		{ "message_forwarded", "w" }, { "message_edit_info", "e" }, { "missed_call_logs", "c" },
	};
	const bool quoted = db_has_column(w->db, "message_quoted", "sender_jid_row_id");
	struct buf b;
	buf_init(&b, 16 * 1024);
	buf_adds(&b, "SELECT ");
	for (size_t i = 0; i < N_COLS; i++)
		buf_addf(&b, "%s%s", i ? ", " : "", i == C_QUOTED_FROM && !quoted ? "NULL" : wadb_col(w, columns[i].table, columns[i].as, columns[i].column, columns[i].otherwise));
	buf_adds(&b, " FROM message m LEFT JOIN jid j ON j._id = m.sender_jid_row_id");
	for (size_t i = 0; i < countof(joined); i++)
		if (db_has_column(w->db, joined[i].table, "message_row_id"))
			buf_addf(&b, " LEFT JOIN %s %s ON %s.message_row_id = m._id", joined[i].table, joined[i].as, joined[i].as);
	if (quoted)
		buf_adds(&b, " LEFT JOIN jid qj ON qj._id = q.sender_jid_row_id");
	buf_adds(&b, " WHERE m._id > ?1 ORDER BY m._id");
	const char *sql = arena_strndup(&w->a, b.p, b.len);
	buf_release(&b);
	return sql;
}

/* message_system.action_type */
void wadb_android_event(struct wadb *w, struct wadb_msg *m, int action, const char *value, const char *whom)
{
	const char *who = wadb_called(w, m->author);
	const char *them = whom && *whom ? whom : who;
	switch (action) {
	case 1:
		wadb_notice(w, m, MSG_RENAME, "subject", "the group's new name: {}", value);
		break;
	case 4: case 12: case 20: case 79:
		wadb_notice(w, m, MSG_JOIN, "join", action == 20 ? "{} joined by a link" : whom && *whom ? "{} was added" : "{} joined", them);
		break;
	case 5: case 13:
		wadb_notice(w, m, MSG_LEAVE, "leave", "{} left", them);
		break;
	case 7: case 14:
		wadb_notice(w, m, MSG_LEAVE, "remove", "{} was removed", them);
		break;
	case 6:
		wadb_notice(w, m, MSG_SYSTEM, "icon", "{} changed the group's picture", who);
		break;
	case 10: case 28:
		wadb_notice(w, m, MSG_SYSTEM, "number", "{} has a new number", who);
		break;
	case 11:
		wadb_notice(w, m, MSG_SYSTEM, "create", "{} created the group", who);
		break;
	case 15:
		wadb_notice(w, m, MSG_SYSTEM, "admin", "{} became an administrator", them);
		break;
	case 18: case 57:
		wadb_notice(w, m, MSG_SYSTEM, "security_code", "the security code with {} changed", who);
		break;
	case 19: case 67:
		wadb_notice(w, m, MSG_SYSTEM, "encryption", "messages and calls are end-to-end encrypted", NULL);
		break;
	case 27:
		wadb_notice(w, m, MSG_TOPIC, "description", value ? "the group's new description: {}" : "the group's description was changed", value);
		break;
	case 46: case 47: case 69:
		wadb_notice(w, m, MSG_SYSTEM, "business", "this chat is with a business account", NULL);
		break;
	case 56:
		wadb_notice(w, m, MSG_SYSTEM, "disappearing", "the timer of disappearing messages was changed", NULL);
		break;
	case 58:
		wadb_notice(w, m, MSG_SYSTEM, "blocked", "this contact was blocked or unblocked", NULL);
		break;
	default: /* a number out of the file, no enum */
		wadb_notice(w, m, MSG_SYSTEM, "system", value ? "{}" : "a notice of WhatsApp", value);
		m->unknown = arena_fmt(w->wa.step, "notice %d", action);
		break;
	}
	m->text = NULL;
	m->author = NULL;
}

enum file_kind wadb_android_file(int type)
{
	switch (type) {
	case 1: case 20: case 42:
		return FILE_IMAGE;
	case 2: case 82:
		return FILE_AUDIO;
	case 3: case 13: case 43: case 81:
		return FILE_VIDEO;
	case 9:
		return FILE_PLAIN;
	default: /* a number out of the file, no enum */
		return 0;
	}
}

struct sides { struct wadb_side reacts, cards, options, people; };

static void with_file(struct wadb *w, struct wadb_msg *m, struct db_query *q, enum file_kind kind)
{
	struct arena *a = w->wa.step;
	const char *caption = db_text(q, C_CAPTION, a);
	m->file.kind = kind;
	m->file.path = db_text(q, C_PATH, a);
	m->file.mime = db_text(q, C_MIME, a);
	m->file.size = db_int(q, C_BYTES);
	if (kind == FILE_PLAIN)
		m->file.name = db_text(q, C_NAME, a);
	if (db_int(q, C_WIDTH) > 0 && db_int(q, C_WIDTH) < 100000 && db_int(q, C_HEIGHT) > 0 && db_int(q, C_HEIGHT) < 100000) {
		m->file.width = (int)db_int(q, C_WIDTH);
		m->file.height = (int)db_int(q, C_HEIGHT);
	}
	if (db_int(q, C_SECONDS) > 0 && db_int(q, C_SECONDS) < 86400)
		m->file.duration_ms = (int)db_int(q, C_SECONDS) * 1000;
	if (kind == FILE_AUDIO && (db_int(q, C_ORIGIN) == 1 || (m->file.path && strstr(m->file.path, "PTT-"))))
		m->file.kind = FILE_VOICE;
	if (!m->text)
		m->text = caption;
	if (m->text && m->file.name && streq(m->text, m->file.name))
		m->text = NULL;
}

static void content(struct wadb *w, struct wadb_msg *m, struct db_query *q, struct sides *s, int type)
{
	struct arena *a = w->wa.step;
	const enum file_kind kind = wadb_android_file(type);
	if (kind) {
		with_file(w, m, q, kind);
		if (type == 20)
			m->subtype = "sticker";
		return;
	}
	struct buf b;
	switch (type) {
	case 0:
		break;
	case 4: case 14:
		m->subtype = "contact";
		buf_init(&b, OPTIONS_BYTES);
		while (wadb_side_next(w, &s->cards, m->row)) {
			const char *card = db_text(s->cards.q, 1, a);
			if (card)
				buf_addf(&b, "%s%s", b.len ? "\n" : "", wadb_card(w, card));
		}
		if (b.len)
			m->text = arena_strndup(a, b.p, b.len);
		buf_release(&b);
		break;
	case 5: case 16:
		m->subtype = "location";
		m->text = wadb_place(w, db_text(q, C_PLACE, a), db_text(q, C_ADDRESS, a), db_real(q, C_LAT), db_real(q, C_LON));
		break;
	case 10: case 90:
		m->text = NULL;
		wadb_notice(w, m, MSG_CALL, type == 10 ? "call.missed" : "call", type == 90 ? "call" : db_int(q, C_MISSED) ? "missed video call" : "missed call", NULL);
		break;
	case 11:
		m->text = NULL;
		wadb_notice(w, m, MSG_SYSTEM, "waiting", "this message never arrived on this phone", NULL);
		break;
	case 15: case 64:
		m->text = NULL;
		m->kind = MSG_DELETED;
		m->subtype = "deleted";
		m->note = type == 64 ? "this message was deleted by an administrator" : "this message was deleted";
		break;
	case 66:
		m->subtype = "poll";
		buf_init(&b, OPTIONS_BYTES);
		buf_adds(&b, m->text ? m->text : "");
		while (wadb_side_next(w, &s->options, m->row)) {
			const char *option = db_text(s->options.q, 1, a);
			if (option)
				buf_addf(&b, "%s\xe2\x80\xa2 %s (%lld)", b.len ? "\n" : "", option, (long long)db_int(s->options.q, 2));
		}
		m->text = arena_strndup(a, b.p, b.len);
		buf_release(&b);
		break;
	default: /* a number out of the file, no enum */
		if (db_text(q, C_PATH, a))
			with_file(w, m, q, FILE_PLAIN);
		m->unknown = arena_fmt(a, "type %d", type);
		break;
	}
}

static const char *event_people(struct wadb *w, struct wadb_side *s, int64_t row)
{
	struct buf b;
	buf_init(&b, 2048);
	while (wadb_side_next(w, s, row)) {
		const struct wadb_person *p = wadb_person(w, db_text(s->q, 1, w->wa.step));
		if (p)
			buf_addf(&b, "%s%s", b.len ? ", " : "", wadb_called(w, p));
	}
	const char *out = arena_strndup(w->wa.step, b.p, b.len);
	buf_release(&b);
	return out;
}

static void push_row(struct wadb *w, struct db_query *q, void *ctx)
{
	struct sides *s = ctx;
	struct arena *a = w->wa.step;
	struct wadb_react reacts[REACTS_MAX];
	const int type = (int)db_int(q, C_TYPE);
	const int64_t ms = db_int(q, C_TIME);
	struct wadb_msg m = {
		.row = db_int(q, C_ROW), .chat = wadb_chat_row(w, db_int(q, C_CHAT)), .stanza = db_text(q, C_KEY, a), .grain_s = 1,
		.ts_us = ms > 0 && ms < INT64_MAX / 1000 ? ms * 1000 : 0, .kind = MSG_TEXT, .text = db_text(q, C_TEXT, a), .reacts = reacts,
		.forwarded = db_int(q, C_FORWARDED) > 0,
	};
	if (!m.chat && db_int(q, C_CHAT) <= 0 && !m.text) /* a row of the app's own, at the beginning of the table */
		return;
	if (db_int(q, C_MINE))
		m.author = w->me;
	else if (!db_null(q, C_FROM))
		m.author = wadb_person(w, db_text(q, C_FROM, a));
	if (!m.author && m.chat && !m.chat->group)
		m.author = m.chat->partner;
	if (type == 7 || !db_null(q, C_ACTION)) {
		const char *value = m.text ? m.text : NULL, *whom = event_people(w, &s->people, m.row);
		wadb_android_event(w, &m, (int)db_int(q, C_ACTION), value, whom);
	} else {
		content(w, &m, q, s, type);
	}
	if (db_int(q, C_EDITED) > 0 && db_int(q, C_EDITED) < INT64_MAX / 1000)
		m.edited_us = db_int(q, C_EDITED) * 1000;
	if (m.kind == MSG_TEXT && !db_null(q, C_QUOTED)) {
		m.quote.id = db_text(q, C_QUOTED, a);
		m.quote.text = db_text(q, C_QUOTED_TEXT, a);
		m.quote.who = db_int(q, C_QUOTED_MINE) ? w->me : !db_null(q, C_QUOTED_FROM) ? wadb_person(w, db_text(q, C_QUOTED_FROM, a))
			: m.chat && !m.chat->group ? m.chat->partner : NULL;
	}
	while (wadb_side_next(w, &s->reacts, m.row) && m.n_reacts < REACTS_MAX) {
		const char *emoji = db_text(s->reacts.q, 1, a), *jid = db_text(s->reacts.q, 3, a);
		const struct wadb_person *p = db_int(s->reacts.q, 2) ? w->me : jid ? wadb_person(w, jid) : m.chat && !m.chat->group ? m.chat->partner : NULL;
		if (emoji && p)
			reacts[m.n_reacts++] = (struct wadb_react){ arena_strdup(a, emoji), p };
	}
	wadb_push(w, &m);
}

bool wadb_android_messages(struct wadb *w, struct err *e)
{
	struct sides s = { .reacts = { .open = false } };
	if (db_has_table(w->db, "message_add_on_reaction") && db_has_column(w->db, "message_add_on", "parent_message_row_id"))
		wadb_side_open(w, &s.reacts, arena_fmt(&w->a, "SELECT a.parent_message_row_id, r.reaction, %s, j.raw_string FROM message_add_on_reaction r JOIN message_add_on a "
			"ON a._id = r.message_add_on_row_id LEFT JOIN jid j ON j._id = a.sender_jid_row_id WHERE a.parent_message_row_id IS NOT NULL ORDER BY 1, a._id",
			wadb_col(w, "message_add_on", "a", "from_me", "0")), "reactions");
	if (db_has_column(w->db, "message_vcard", "vcard"))
		wadb_side_open(w, &s.cards, "SELECT message_row_id, vcard FROM message_vcard WHERE message_row_id IS NOT NULL ORDER BY 1, rowid", "contact cards");
	if (db_has_column(w->db, "message_poll_option", "option_name"))
		wadb_side_open(w, &s.options, arena_fmt(&w->a, "SELECT o.message_row_id, o.option_name, %s FROM message_poll_option o WHERE o.message_row_id IS NOT NULL ORDER BY 1, o.rowid",
			wadb_col(w, "message_poll_option", "o", "vote_total", "0")), "polls");
	if (db_has_column(w->db, "message_system_chat_participant", "user_jid_row_id"))
		wadb_side_open(w, &s.people, "SELECT p.message_row_id, j.raw_string FROM message_system_chat_participant p JOIN jid j ON j._id = p.user_jid_row_id "
			"WHERE p.message_row_id IS NOT NULL ORDER BY 1, p.rowid", "people of events");
	const bool whole = wadb_rows(w, message_sql(w), C_ROW, push_row, &s, e);
	db_end(s.reacts.q);
	db_end(s.cards.q);
	db_end(s.options.q);
	db_end(s.people.q);
	return whole;
}
