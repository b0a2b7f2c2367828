/* whatsapp_db_android_old.c: msgstore.db of Android before about 2022: one wide table `messages`.
 *
 * Facts of the schema: github.com/KnugiHK/WhatsApp-Chat-Exporter (android_handler.py), github.com/andreas-mausch/whatsapp-viewer. Called by
 * whatsapp_db.c.
 */
#include "importers/whatsapp_db.h"

#include "core/utf8.h"

#include <stdlib.h>
#include <string.h>

static void chat(struct wadb *w, struct db_query *q)
{
	struct wadb_chat *c = wadb_chat(w, db_text(q, 0, &w->a), 0);
	const char *subject = db_text(q, 1, &w->a);
	if (!c)
		return;
	if (subject)
		c->name = arena_strdup(&w->a, subject);
	c->archived = db_int(q, 2) != 0;
	if (db_int(q, 3) > 0 && db_int(q, 3) < INT64_MAX / 1000)
		c->created_us = db_int(q, 3) * 1000;
}

static void author(struct wadb *w, struct db_query *q)
{
	struct wadb_chat *c = wadb_chat(w, db_text(q, 0, &w->a), 0);
	struct wadb_person *p = wadb_person(w, db_text(q, 1, &w->a));
	if (p)
		p->wrote = true;
	if (p && c && c->group && !c->roster)
		wadb_member(w, c, p);
}

bool wadb_android_old_people(struct wadb *w, struct err *e UNUSED)
{
	wadb_android_contacts(w);
	if (db_has_column(w->db, "chat_list", "key_remote_jid"))
		wadb_each(w, w->db, "the list of chats", arena_fmt(&w->a, "SELECT l.key_remote_jid, %s, %s, %s FROM chat_list l", wadb_col(w, "chat_list", "l", "subject", "NULL"),
		     wadb_col(w, "chat_list", "l", "archived", "0"), wadb_col(w, "chat_list", "l", "creation", "0")), chat);
	wadb_android_members(w);
	wadb_each(w, w->db, "the authors", "SELECT DISTINCT key_remote_jid, remote_resource FROM messages WHERE key_from_me = 0 AND remote_resource IS NOT NULL", author);
	wadb_android_me(w, "SELECT key_id FROM messages WHERE key_from_me = 1 AND key_id IS NOT NULL ORDER BY timestamp, _id LIMIT 1");
	return !w->wa.stopped;
}

enum col {
	C_ROW, C_CHAT, C_MINE, C_KEY, C_FROM, C_TIME, C_TEXT, C_TYPE, C_STATUS, C_EDIT, C_NAME, C_CAPTION, C_MIME, C_BYTES, C_SECONDS, C_LAT, C_LON,
	C_THUMB, C_FORWARDED, N_OWN, C_QUOTED = N_OWN, C_QUOTED_TEXT, C_QUOTED_MINE, C_QUOTED_FROM, C_PATH,
};

static const char *message_sql(struct wadb *w)
{
	static const struct { const char *column, *otherwise; } own[N_OWN] = {
		[C_ROW] = { "_id", "0" }, [C_CHAT] = { "key_remote_jid", "NULL" }, [C_MINE] = { "key_from_me", "0" }, [C_KEY] = { "key_id", "NULL" },
		[C_FROM] = { "remote_resource", "NULL" }, [C_TIME] = { "timestamp", "0" }, [C_TEXT] = { "data", "NULL" }, [C_TYPE] = { "media_wa_type", "0" },
		[C_STATUS] = { "status", "0" }, [C_EDIT] = { "edit_version", "0" }, [C_NAME] = { "media_name", "NULL" }, [C_CAPTION] = { "media_caption", "NULL" },
		[C_MIME] = { "media_mime_type", "NULL" }, [C_BYTES] = { "media_size", "0" }, [C_SECONDS] = { "media_duration", "0" },
		[C_LAT] = { "latitude", "0" }, [C_LON] = { "longitude", "0" }, [C_THUMB] = { "thumb_image", "NULL" }, [C_FORWARDED] = { "forwarded", "0" },
	};
	const bool quotes = db_has_column(w->db, "messages", "quoted_row_id") && db_has_column(w->db, "messages_quotes", "key_id");
	const bool media = db_has_column(w->db, "message_media", "file_path");
	struct buf b;
	buf_init(&b, 16 * 1024);
	buf_adds(&b, "SELECT ");
	for (size_t i = 0; i < N_OWN; i++)
		buf_addf(&b, "%s%s", i ? ", " : "", wadb_col(w, "messages", "m", own[i].column, own[i].otherwise));
	buf_addf(&b, ", %s, %s FROM messages m%s%s WHERE m._id > ?1 ORDER BY m._id",
		quotes ? "q.key_id, q.data, q.key_from_me, q.remote_resource" : "NULL, NULL, 0, NULL", media ? "f.file_path" : "NULL",
		quotes ? " LEFT JOIN messages_quotes q ON q._id = m.quoted_row_id" : "", media ? " LEFT JOIN message_media f ON f.message_row_id = m._id" : "");
	const char *sql = arena_strndup(&w->a, b.p, b.len);
	buf_release(&b);
	return sql;
}

/* A serialised Java object, in which the file's path is a string: "Media/WhatsApp Images/IMG-….jpg". */
static const char *path_in(struct wadb *w, const uint8_t *p, size_t n)
{
	static const char head[] = "Media/WhatsApp";
	for (size_t i = 0; i + sizeof(head) < n; i++) {
		if (p[i] != 'M' || memcmp(p + i, head, sizeof(head) - 1))
			continue;
		/* TC_STRING, two bytes of length, the characters (Java Object Serialization Specification, 6.4.2) */
		for (size_t at = i; at >= 3 && i - at < 256; at--) {
			const size_t len = (size_t)p[at - 2] << 8 | p[at - 1];
			if (p[at - 3] == 't' && len > i - at + sizeof(head) && len <= n - at && len < 512 && utf8_valid((const char *)p + at, len) && !memchr(p + at, '\0', len))
				return arena_strndup(w->wa.step, (const char *)p + at, len);
		}
		size_t k = i;
		while (k < n && p[k] >= ' ' && p[k] != 0x7f && k - i < 512)
			k++;
		const char *path = arena_strndup(w->wa.step, (const char *)p + i, k - i);
		const char *dot = strrchr(path, '.');
		size_t ext = 1;
		while (dot && ((dot[ext] >= 'a' && dot[ext] <= 'z') || (dot[ext] >= '0' && dot[ext] <= '9')) && ext < 6)
			ext++;
		return dot && utf8_valid(path, strlen(path)) ? arena_strndup(w->wa.step, path, (size_t)(dot - path) + ext) : NULL;
	}
	return NULL;
}

static void with_file(struct wadb *w, struct wadb_msg *m, struct db_query *q, enum file_kind kind)
{
	struct arena *a = w->wa.step;
	size_t n;
	const uint8_t *thumb = db_bytes(q, C_THUMB, &n);
	m->file.kind = kind;
	m->file.path = db_text(q, C_PATH, a);
	if (!m->file.path && thumb)
		m->file.path = path_in(w, thumb, n);
	m->file.name = kind == FILE_PLAIN ? db_text(q, C_NAME, a) : NULL;
	m->file.mime = db_text(q, C_MIME, a);
	m->file.size = db_int(q, C_BYTES);
	if (db_int(q, C_SECONDS) > 0 && db_int(q, C_SECONDS) < 86400)
		m->file.duration_ms = (int)db_int(q, C_SECONDS) * 1000;
	if (kind == FILE_AUDIO && m->file.path && strstr(m->file.path, "PTT-"))
		m->file.kind = FILE_VOICE;
	m->text = db_text(q, C_CAPTION, a);
}

static void content(struct wadb *w, struct wadb_msg *m, struct db_query *q)
{
	struct arena *a = w->wa.step;
	const int type = (int)db_int(q, C_TYPE);
	const enum file_kind kind = wadb_android_file(type);
	if (db_int(q, C_EDIT) == 7 || type == 15) {
		m->text = NULL;
		m->kind = MSG_DELETED;
		m->subtype = "deleted";
		m->note = "this message was deleted";
	} else if (kind) {
		with_file(w, m, q, kind);
		if (type == 20)
			m->subtype = "sticker";
	} else if (type == 4 || type == 14) {
		m->subtype = "contact";
		if (m->text && strstr(m->text, "BEGIN:VCARD"))
			m->text = wadb_card(w, m->text);
	} else if (type == 5 || type == 16) {
		m->subtype = "location";
		m->text = wadb_place(w, db_text(q, C_NAME, a), NULL, db_real(q, C_LAT), db_real(q, C_LON));
	} else if (type == 8 || type == 10) {
		m->text = NULL;
		wadb_notice(w, m, MSG_CALL, type == 10 ? "call.missed" : "call", type == 10 ? "missed call" : "call", NULL);
	} else if (type) {
		m->unknown = arena_fmt(a, "type %d", type);
	}
}

static void push_row(struct wadb *w, struct db_query *q, void *ctx UNUSED)
{
	struct arena *a = w->wa.step;
	const int64_t ms = db_int(q, C_TIME);
	const char *jid = db_text(q, C_CHAT, a);
	if (!jid || streq(jid, "-1")) /* a row of the app's own, at the beginning of the table */
		return;
	struct wadb_msg m = {
		.row = db_int(q, C_ROW), .chat = wadb_chat(w, jid, 0), .stanza = db_text(q, C_KEY, a), .grain_s = 1, .ts_us = ms > 0 && ms < INT64_MAX / 1000 ? ms * 1000 : 0,
		.kind = MSG_TEXT, .text = db_text(q, C_TEXT, a), .forwarded = db_int(q, C_FORWARDED) > 0,
	};
	if (db_int(q, C_STATUS) == 6)
		m.author = wadb_person(w, db_text(q, C_FROM, a));
	else if (db_int(q, C_MINE))
		m.author = w->me;
	else
		m.author = m.chat && m.chat->group ? wadb_person(w, db_text(q, C_FROM, a)) : m.chat ? m.chat->partner : NULL;
	if (db_int(q, C_STATUS) == 6) /* the number of the event stands where a file's size would */
		wadb_android_event(w, &m, (int)db_int(q, C_BYTES), m.text, NULL);
	else
		content(w, &m, q);
	if (m.kind == MSG_TEXT && !db_null(q, C_QUOTED)) {
		m.quote.id = db_text(q, C_QUOTED, a);
		m.quote.text = db_text(q, C_QUOTED_TEXT, a);
		m.quote.who = db_int(q, C_QUOTED_MINE) ? w->me : !db_null(q, C_QUOTED_FROM) ? wadb_person(w, db_text(q, C_QUOTED_FROM, a))
			: m.chat && !m.chat->group ? m.chat->partner : NULL;
	}
	wadb_push(w, &m);
}

bool wadb_android_old_messages(struct wadb *w, struct err *e)
{
	return wadb_rows(w, message_sql(w), C_ROW, push_row, NULL, e);
}
