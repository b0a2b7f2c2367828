/* sb_dump.c: the sandbox's content as canonical lines (core/json's writer): no ids, no times, the same bytes for the same
 * content. Reads only; works on a store that is being served or was left by a killed process. */
#include "sandbox/sb.h"

#include <string.h>

struct dump { sqlite3 *db; enum sb_dumped what; FILE *out; struct buf line; struct jw w; bool bad; };

static sqlite3_stmt *query(struct dump *d, const char *sql, int64_t a)
{
	sqlite3_stmt *st = NULL;
	if (sqlite3_prepare_v2(d->db, sql, -1, &st, NULL) != SQLITE_OK) {
		d->bad = true;
		return NULL;
	}
	if (sqlite3_bind_parameter_count(st) > 0)
		sqlite3_bind_int64(st, 1, a);
	if (sqlite3_bind_parameter_count(st) > 1)
		sqlite3_bind_int(st, 2, d->what == DUMP_DELETED_TOO);
	return st;
}

static bool row(struct dump *d, sqlite3_stmt *st)
{
	int rc = st ? sqlite3_step(st) : SQLITE_DONE;
	if (rc == SQLITE_ROW)
		return true;
	if (rc != SQLITE_DONE)
		d->bad = true;
	sqlite3_finalize(st);
	return false;
}

static int64_t count(struct dump *d, const char *sql)
{
	sqlite3_stmt *st = query(d, sql, 0);
	int64_t n = 0;
	while (row(d, st))
		n = sqlite3_column_int64(st, 0);
	return n;
}

static void begin(struct dump *d, const char *type)
{
	buf_reset(&d->line);
	jw_init(&d->w, &d->line);
	jw_obj(&d->w);
	jw_kstr(&d->w, "type", type);
}

static void end(struct dump *d)
{
	jw_obj_end(&d->w);
	buf_addc(&d->line, '\n');
	if (fwrite(d->line.p, 1, d->line.len, d->out) != d->line.len || d->line.full)
		d->bad = true;
}

static void list(struct dump *d, const char *key, const char *sql, int64_t a)
{
	jw_key(&d->w, key);
	jw_arr(&d->w);
	sqlite3_stmt *st = query(d, sql, a);
	while (row(d, st))
		jw_str(&d->w, sb_text(st, 0));
	jw_arr_end(&d->w);
}

#define WHO "coalesce(email,nickname)"

static void message(struct dump *d, sqlite3_stmt *st, const char *chat, int64_t thread)
{
	struct jw *w = &d->w;
	int64_t id = sqlite3_column_int64(st, 0);
	begin(d, "message");
	jw_kstr(w, "chat", chat);
	jw_key(w, "thread");
	if (thread)
		jw_int(w, thread);
	else
		jw_null(w);
	sb_knull(w, "label", sb_text(st, 1));
	jw_kstr(w, "author", sb_text(st, 2));
	jw_kstr(w, "content", sb_text(st, 3));
	jw_key(w, "files");
	jw_arr(w);
	if (sqlite3_column_int64(st, 4)) {
		sqlite3_stmt *f = query(d, "SELECT name,uploads.size,sha256,file_type FROM files LEFT JOIN uploads ON uploads.key=files.key "
		                           "WHERE message=?1 ORDER BY id", id);
		while (row(d, f)) {
			jw_obj(w);
			jw_kstr(w, "name", sb_text(f, 0));
			jw_kint(w, "size", sqlite3_column_int64(f, 1));
			jw_kstr(w, "sha256", sb_text(f, 2));
			jw_kstr(w, "type", sb_text(f, 3));
			jw_obj_end(w);
		}
	}
	jw_arr_end(w);
	jw_key(w, "reactions");
	jw_arr(w);
	if (sqlite3_column_int64(st, 5)) {
		sqlite3_stmt *f = query(d, "SELECT code," WHO " FROM reactions JOIN users ON users.id=user WHERE message=?1 ORDER BY 1,2", id);
		while (row(d, f)) {
			jw_obj(w);
			jw_kstr(w, "code", sb_text(f, 0));
			jw_kstr(w, "user", sb_text(f, 1));
			jw_obj_end(w);
		}
	}
	jw_arr_end(w);
	jw_kbool(w, "pinned", sqlite3_column_int(st, 6) != 0);
	if (sqlite3_column_int(st, 7))
		jw_kbool(w, "reply", true);
	if (sqlite3_column_int(st, 9))
		jw_kbool(w, "deleted", true);
	end(d);
}

/* A deleted message is left out, unless a thread with messages in it hangs on it. */
#define MESSAGES "SELECT messages.id,display_name," WHO ",content,n_files,n_reactions,pinned,parent IS NOT NULL,thread_chat,messages.deleted IS NOT NULL " \
	"FROM messages JOIN users ON users.id=user WHERE chat=?1 AND (?2 OR messages.deleted IS NULL OR EXISTS(SELECT 1 FROM messages r WHERE r.chat=messages.thread_chat AND r.deleted IS NULL)) ORDER BY messages.id"

static void messages(struct dump *d, int64_t chat, const char *name)
{
	int64_t ordinal = 0;
	sqlite3_stmt *st = query(d, MESSAGES, chat);
	while (row(d, st)) {
		message(d, st, name, 0);
		ordinal++;
		if (sqlite3_column_type(st, 8) == SQLITE_NULL)
			continue;
		sqlite3_stmt *t = query(d, MESSAGES, sqlite3_column_int64(st, 8));
		while (row(d, t))
			message(d, t, name, ordinal);
	}
}

bool sb_dump_db(sqlite3 *db, enum sb_dumped what, FILE *out, struct err *e)
{
	struct dump d = { .db = db, .what = what, .out = out };
	buf_init(&d.line, SB_OUT_MAX);
	sqlite3_stmt *st = query(&d, "SELECT email,nickname,first_name,last_name,role,suspended,bot FROM users WHERE NOT deleted "
	                             "ORDER BY coalesce(email,nickname)", 0);
	while (row(&d, st)) {
		begin(&d, "user");
		sb_knull(&d.w, "email", sb_text(st, 0));
		jw_kstr(&d.w, "nickname", sb_text(st, 1));
		sb_knull(&d.w, "first", sb_text(st, 2));
		sb_knull(&d.w, "last", sb_text(st, 3));
		jw_kstr(&d.w, "role", sb_text(st, 4));
		jw_kbool(&d.w, "suspended", sqlite3_column_int(st, 5) != 0);
		jw_kbool(&d.w, "bot", sqlite3_column_int(st, 6) != 0);
		end(&d);
	}
	/* kind 1 without a parent: a thread of its own */
	st = query(&d, "SELECT chats.id,name,public,archived,channel," WHO ",kind FROM chats JOIN users ON users.id=owner "
	               "WHERE kind<>1 OR parent IS NULL ORDER BY name,chats.id", 0);
	while (row(&d, st)) {
		static const char *const kinds[] = { "chat", "thread", "personal" };
		int64_t id = sqlite3_column_int64(st, 0);
		begin(&d, "chat");
		jw_kstr(&d.w, "name", sb_text(st, 1));
		jw_kstr(&d.w, "kind", kinds[sqlite3_column_int(st, 6) % 3]);
		jw_kbool(&d.w, "public", sqlite3_column_int(st, 2) != 0);
		jw_kbool(&d.w, "archived", sqlite3_column_int(st, 3) != 0);
		jw_kbool(&d.w, "channel", sqlite3_column_int(st, 4) != 0);
		jw_kstr(&d.w, "owner", sb_text(st, 5));
		list(&d, "members", "SELECT " WHO " FROM members JOIN users ON users.id=user WHERE chat=?1 ORDER BY 1", id);
		list(&d, "tags", "SELECT name FROM chat_tags JOIN tags ON tags.id=tag WHERE chat=?1 ORDER BY 1", id);
		end(&d);
		messages(&d, id, sb_text(st, 1));
	}
	begin(&d, "stats");
	jw_kint(&d.w, "users", count(&d, "SELECT count(*) FROM users WHERE NOT deleted"));
	jw_kint(&d.w, "chats", count(&d, "SELECT count(*) FROM chats WHERE kind<>1"));
	jw_kint(&d.w, "messages", count(&d, "SELECT count(*) FROM messages WHERE deleted IS NULL"));
	jw_kint(&d.w, "threads", count(&d, "SELECT count(*) FROM threads"));
	jw_kint(&d.w, "files", count(&d, "SELECT count(*) FROM files JOIN messages ON messages.id=message WHERE deleted IS NULL"));
	jw_kint(&d.w, "reactions", count(&d, "SELECT count(*) FROM reactions"));
	jw_kint(&d.w, "pins", count(&d, "SELECT count(*) FROM messages WHERE pinned"));
	jw_kint(&d.w, "notifications", count(&d, "SELECT coalesce(sum(notified),0)+coalesce((SELECT sum(n_notify-base) FROM members JOIN chats "
	                                         "ON chats.id=chat JOIN users u ON u.id=user WHERE NOT u.suspended AND NOT u.bot),0) "
	                                         "FROM users WHERE NOT bot"));
	jw_kint(&d.w, "invitations", count(&d, "SELECT coalesce(sum(invited),0) FROM users"));
	end(&d);
	buf_release(&d.line);
	if (fflush(out) != 0)
		d.bad = true;
	return d.bad ? err_set(e, ERR_INTERNAL, "cannot write the dump: %s", sqlite3_errmsg(db)) : true;
}

bool sandbox_dump(const char *store, FILE *out, struct err *e)
{
	sqlite3 *db = NULL;
	/* A store left by a killed server has a log to read back, which needs writing rights; it is not created. */
	if (!store || sqlite3_open_v2(store, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		sqlite3_close(db);
		db = NULL;
		if (!store || sqlite3_open_v2(store, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
			err_set(e, ERR_USAGE, "cannot open the sandbox store: %s", db ? sqlite3_errmsg(db) : "no file named");
			err_where(e, "%s", store ? store : "");
			sqlite3_close(db);
			return false;
		}
	}
	sqlite3_busy_timeout(db, 5000);
	/* one transaction: one moment of a store that is being written */
	bool ok = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK && sb_dump_db(db, DUMP_LIVE, out, e);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
	return ok;
}
