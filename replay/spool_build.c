/* spool_build.c: the sink importers push into, and what is found out when they have ended: threads, lost roots, authors.
 *
 * Called by spool.c (opening) and through struct sink; the rest of the program sees spool.h only. Messages go through
 * spool_put.c, which stores them a little later: whoever touches the database here settles them first. What is counted per
 * conversation and per author is counted in memory, one small struct each. Replies to replies are hung on the first message
 * of their thread; a thread whose first message no archive has gets a place-holder.
 */
#include "replay/spool.h"

#include "core/canon.h"
#include "replay/spool_db.h"

#include <stdlib.h>
#include <string.h>

enum {
	BADS_KEPT = 10000,      /* unreadable records kept with their place; all are counted */
	HAZARDS_KEPT = 1000,    /* kinds of oddities */
	CHAIN_MAX = 64,         /* steps up a chain of replies to replies that run backwards in time */
};

/* What is read comes in nearly the order of the table: more memory would save no page. Putting copies of a chat together goes
 * back and forth. */
#define CACHE_READING "PRAGMA cache_size=-6144;"
#define CACHE_MERGING "PRAGMA cache_size=-12288;"

static const char schema[] =
	"CREATE TABLE info(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE archive(num INTEGER PRIMARY KEY, path TEXT, format TEXT, identity TEXT, digest BLOB);"
	"CREATE TABLE user(id TEXT PRIMARY KEY, source INTEGER, msgs INTEGER NOT NULL DEFAULT 0, line BLOB) WITHOUT ROWID;"
	"CREATE TABLE alias(alias TEXT PRIMARY KEY, id TEXT) WITHOUT ROWID;"
	"CREATE TABLE conv(num INTEGER PRIMARY KEY, id TEXT UNIQUE, line BLOB, msgs INTEGER DEFAULT 0, replies INTEGER DEFAULT 0,"
	" threads INTEGER DEFAULT 0, files INTEGER DEFAULT 0, reacts INTEGER DEFAULT 0, first INTEGER DEFAULT 0, last INTEGER DEFAULT 0);"
	"CREATE TABLE msg(conv INTEGER, ts INTEGER, id TEXT, root TEXT, root_ts INTEGER, author TEXT, kind INTEGER NOT NULL, flags INTEGER NOT NULL,"
	" files INTEGER NOT NULL, reacts INTEGER NOT NULL, reactors INTEGER NOT NULL, replies INTEGER NOT NULL, present INTEGER NOT NULL,"
	" empty INTEGER NOT NULL, edited INTEGER NOT NULL, fp INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY(conv,ts,id)) WITHOUT ROWID;"
	/* root_ts is in it so that threads can be grouped without their messages being read. */
	"CREATE INDEX reply ON msg(conv,root,ts,id,root_ts) WHERE root IS NOT NULL;"
	"CREATE TABLE bad(num INTEGER PRIMARY KEY, place TEXT, what TEXT, archive INTEGER);"
	"CREATE TABLE hazard(num INTEGER PRIMARY KEY, level INTEGER, name TEXT, place TEXT, what TEXT, n INTEGER);"
	"CREATE TABLE fact(num INTEGER PRIMARY KEY, archive INTEGER, key TEXT, value TEXT);"
	"CREATE TABLE app(num INTEGER PRIMARY KEY, id TEXT, name TEXT, kind INTEGER, state INTEGER, installer TEXT, installer_name TEXT,"
	" installed INTEGER, changed INTEGER, scopes TEXT);"
	"CREATE TABLE app_word(app INTEGER, word TEXT, is_author INTEGER);"
	"CREATE TABLE post(author TEXT, conv INTEGER, n INTEGER, first INTEGER, last INTEGER);";

static const char *const puts_sql[N_PUT] = {
	[PUT_MSG] = "INSERT OR IGNORE INTO msg VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,0,?12,?13,?14,?15,?16)",
	[PUT_OLD] = "SELECT fp,edited,present,reactors,files,reacts,author,body FROM msg WHERE conv=?1 AND ts=?2 AND id=?3",
	[PUT_REPLACE] = "INSERT OR REPLACE INTO msg VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,0,?12,?13,?14,?15,?16)",
	[PUT_USER] = "INSERT INTO user(id,source,line) VALUES(?1,?2,?3) ON CONFLICT DO UPDATE SET source=?2, line=?3",
	[PUT_ALIAS] = "INSERT OR REPLACE INTO alias VALUES(?1,?2)",
	[GET_USER_LINE] = "SELECT line FROM user WHERE id=?1",
	[PUT_CONV] = "INSERT INTO conv(num,id,line) VALUES(?1,?2,?3) ON CONFLICT DO UPDATE SET line=?3, id=?2",
	[GET_CONV_LINE] = "SELECT line FROM conv WHERE num=?1",
	[PUT_BAD] = "INSERT INTO bad(place,what,archive) VALUES(?1,?2,?3)",
	[PUT_FACT] = "INSERT INTO fact(archive,key,value) VALUES(?1,?2,?3)",
	[PUT_DROP] = "DELETE FROM msg WHERE conv=?1 AND ts=?2 AND id=?3",
};

void spool_build_free(struct build *b)
{
	if (!b)
		return;
	spool_put_end(b);
	for (int i = 0; i < N_PUT; i++)
		sqlite3_finalize(b->st[i]);
	table_release(&b->convs);
	table_release(&b->users);
	table_release(&b->oddities);
	table_release(&b->copy_now);
	free(b->copies);
	spool_apps_free(b);
	arena_release(&b->run);
	arena_release(&b->step);
	buf_release(&b->line);
	free(b);
}

bool spool_build_begin(struct spool *s, struct err *e)
{
	/* One transaction for everything: with journal_mode=OFF it costs no memory, and no page is written twice for a commit. */
	if (!spool_db_run(s, "PRAGMA page_size=16384; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
	                "PRAGMA secure_delete=OFF;" CACHE_READING "PRAGMA application_id=1836479344; PRAGMA user_version=3; BEGIN", e) ||
	    !spool_db_run(s, schema, e))
		return false;
	struct build *b = s->b = xcalloc(1, sizeof(*b));
	arena_init(&b->run);
	arena_init(&b->step);
	table_init(&b->convs);
	table_init(&b->users);
	table_init(&b->oddities);
	table_init(&b->copy_now);
	table_init(&b->integrations);
	buf_init(&b->line, SPOOL_LINE_MAX);
	spool_put_begin(b);
	return true;
}

/* ---- building: the sink ---- */

/* The first failure is kept for spool_finish; the walk stops. */
bool spool_put_failed(struct spool *s, const char *what)
{
	if (!s->b->failed)
		spool_db_fail(s, what, &s->b->err);
	s->b->failed = true;
	return false;
}

sqlite3_stmt *spool_put_st(struct spool *s, enum put p)
{
	return spool_db_kept(s, &s->b->st[p], puts_sql[p]);
}

static bool put_done(struct spool *s, sqlite3_stmt *st, const char *what)
{
	int rc = sqlite3_step(st);
	sqlite3_reset(st);
	return rc == SQLITE_DONE || spool_put_failed(s, what);
}

bool spool_archive_begin(struct spool *s, const char *path, const char *format, const char *identity, const uint8_t digest[DIGEST_BYTES], struct err *e)
{
	sqlite3_stmt *st = NULL;
	if (!spool_put_settle(s)) {
		*e = s->b->err;
		return false;
	}
	if (sqlite3_prepare_v2(s->db, "INSERT INTO archive VALUES(?1,?2,?3,?4,?5)", -1, &st, NULL) != SQLITE_OK)
		return spool_db_fail(s, "cannot write", e);
	sqlite3_bind_int(st, 1, s->n_archives);
	spool_db_text(st, 2, path);
	spool_db_text(st, 3, format);
	spool_db_text(st, 4, identity);
	sqlite3_bind_blob(st, 5, digest, DIGEST_BYTES, SQLITE_STATIC);
	bool ok = sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	if (!ok)
		return spool_db_fail(s, "cannot write", e);
	s->n_archives++;
	table_release(&s->b->copy_now);
	table_init(&s->b->copy_now);
	s->b->last = NULL;
	return true;
}

struct who *spool_who(struct build *b, const char *id)
{
	struct who *w = table_get(&b->users, id);
	if (!w) {
		w = arena_new(&b->run, struct who);
		w->source = -1;
		table_put(&b->users, arena_strdup(&b->run, id), w);
	}
	return w;
}

struct tally *spool_tally(struct spool *s, const char *id)
{
	struct build *b = s->b;
	if (b->last && streq(b->last->copy ? b->last->copy->conv_id : b->last->id, id))
		return b->last;
	const struct spool_copy *copy = table_get(&b->copy_now, id);
	struct tally *t = copy ? copy->tally : table_get(&b->convs, id);
	if (!t) {
		t = arena_new(&b->run, struct tally);
		t->id = arena_strdup(&b->run, id);
		t->num = (int64_t)b->convs.n + 1;
		table_put(&b->convs, t->id, t);
	}
	return b->last = t;
}

/* The conversation that comes next under this id is a copy of its own. */
static bool put_copy(void *ctx, const struct copy *c)
{
	struct spool *s = ctx;
	struct build *b = s->b;
	if (!spool_put_settle(s))
		return false;
	if (b->n_copies == b->cap_copies) {
		b->cap_copies = b->cap_copies ? 2 * b->cap_copies : 16;
		b->copies = xrealloc(b->copies, b->cap_copies * sizeof(struct spool_copy *));
	}
	struct spool_copy *x = b->copies[b->n_copies++] = arena_new(&b->run, struct spool_copy);
	*x = (struct spool_copy){
		.conv_id = arena_strdup(&b->run, c->conv_id), .label = arena_strdup(&b->run, c->label ? c->label : ""),
		.owner = arena_strdup(&b->run, c->owner), .zone = arena_strdup(&b->run, c->zone), .ids = c->ids, .clock = c->clock,
		.archive = s->n_archives - 1, .limit = UINT64_MAX,
	};
	/* No id of a source has a control character in it. */
	x->tally = spool_tally(s, arena_fmt(&b->run, "%s\x1f%zu", c->conv_id, b->n_copies));
	x->tally->copy = x;
	table_put(&b->copy_now, x->conv_id, x);
	b->last = NULL;
	return true;
}

static const char *or_old(const char *now, const char *old)
{
	return now && *now ? now : old;
}

/* The line kept for this user, decoded into the step arena; false = none. */
bool spool_old_user(struct spool *s, const char *id, struct user *out)
{
	sqlite3_stmt *st = spool_put_st(s, GET_USER_LINE);
	spool_db_text(st, 1, id);
	bool ok = sqlite3_step(st) == SQLITE_ROW &&
	          canon_read_user(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0), &s->b->step, out, NULL);
	sqlite3_reset(st);
	return ok;
}

bool spool_write_user(struct spool *s, const struct user *u)
{
	struct build *b = s->b;
	buf_reset(&b->line);
	canon_user(u, &b->line);
	sqlite3_stmt *st = spool_put_st(s, PUT_USER);
	spool_db_text(st, 1, u->id);
	sqlite3_bind_int(st, 2, (int)u->name_source);
	sqlite3_bind_blob(st, 3, b->line.p, (int)b->line.len, SQLITE_STATIC);
	if (!put_done(s, st, "cannot store a user"))
		return false;
	if (!u->alias || streq(u->alias, u->id))
		return true;
	st = spool_put_st(s, PUT_ALIAS);
	spool_db_text(st, 1, u->alias);
	spool_db_text(st, 2, u->id);
	return put_done(s, st, "cannot store a user");
}

/* Best source of the name wins; among lists the later archive, with what it does not know filled in from the earlier. */
static bool put_user(void *ctx, const struct user *u)
{
	struct spool *s = ctx;
	struct build *b = s->b;
	if (!spool_put_settle(s))
		return false;
	struct who *w = spool_who(b, u->id);
	if (w->source >= 0 && ((int)u->name_source > w->source || ((int)u->name_source == w->source && u->name_source != NAME_LISTED)))
		return true;
	struct user now = *u, old;
	arena_reset(&b->step);
	if (w->source >= 0 && spool_old_user(s, u->id, &old)) {
		now.alias = or_old(now.alias, old.alias);
		now.handle = or_old(now.handle, old.handle);
		now.first = or_old(now.first, old.first);
		now.last = or_old(now.last, old.last);
		now.email = or_old(now.email, old.email);
		now.phone = or_old(now.phone, old.phone);
		now.title = or_old(now.title, old.title);
		now.zone = or_old(now.zone, old.zone);
		now.avatar_url = or_old(now.avatar_url, old.avatar_url);
	}
	if (w->source < 0)
		s->counts.users++;
	w->source = (int)u->name_source;
	return spool_write_user(s, &now);
}

bool spool_old_conv(struct spool *s, int64_t num, struct conv *out)
{
	sqlite3_stmt *st = spool_put_st(s, GET_CONV_LINE);
	sqlite3_bind_int64(st, 1, num);
	bool ok = sqlite3_step(st) == SQLITE_ROW &&
	          canon_read_conv(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0), &s->b->step, out, NULL);
	sqlite3_reset(st);
	return ok;
}

bool spool_write_conv(struct spool *s, int64_t num, const char *id, const struct conv *c)
{
	struct build *b = s->b;
	buf_reset(&b->line);
	canon_conv(c, &b->line);
	sqlite3_stmt *st = spool_put_st(s, PUT_CONV);
	sqlite3_bind_int64(st, 1, num);
	spool_db_text(st, 2, id);
	sqlite3_bind_blob(st, 3, b->line.p, (int)b->line.len, SQLITE_STATIC);
	return put_done(s, st, "cannot store a conversation");
}

/* The later archive wins; what it does not tell is kept. The stricter privacy holds: private once is private. */
static bool put_conv(void *ctx, const struct conv *c)
{
	struct spool *s = ctx;
	struct build *b = s->b;
	if (!spool_put_settle(s))
		return false;
	struct tally *t = spool_tally(s, c->id);
	struct conv now = *c, old;
	arena_reset(&b->step);
	if (t->pushed && spool_old_conv(s, t->num, &old)) {
		now.topic = or_old(now.topic, old.topic);
		now.purpose = or_old(now.purpose, old.purpose);
		now.creator = or_old(now.creator, old.creator);
		now.space = or_old(now.space, old.space);
		if (now.kind == CONV_PUBLIC && old.kind != CONV_PUBLIC)
			now.kind = old.kind;
		if (!now.created_us)
			now.created_us = old.created_us;
		if (!now.n_members)
			now.members = old.members, now.n_members = old.n_members;
		if (!now.n_pins)
			now.pins = old.pins, now.n_pins = old.n_pins;
		s->counts.pins -= (int64_t)old.n_pins;
	}
	if (!t->pushed)
		s->counts.convs++;
	s->counts.pins += (int64_t)now.n_pins;
	t->pushed = true;
	return spool_write_conv(s, t->num, t->id, &now);
}

bool spool_put_bad(void *ctx, const struct err *e)
{
	struct spool *s = ctx;
	if (s->counts.bad++ >= BADS_KEPT)
		return true;
	if (!spool_put_settle(s))
		return false;
	sqlite3_stmt *st = spool_put_st(s, PUT_BAD);
	spool_db_text(st, 1, e->where);
	spool_db_text(st, 2, e->msg);
	sqlite3_bind_int(st, 3, s->n_archives - 1);
	return put_done(s, st, "cannot store a bad record");
}

bool spool_put_hazard(void *ctx, enum hazard_level level, const char *name, const char *where, const char *what)
{
	struct build *b = ((struct spool *)ctx)->b;
	struct oddity *o = table_get(&b->oddities, name);
	if (!o) {
		if (b->oddities.n >= HAZARDS_KEPT)
			return true;
		o = arena_new(&b->run, struct oddity);
		*o = (struct oddity){ level, arena_strdup(&b->run, name), arena_strdup(&b->run, where), arena_strdup(&b->run, what), 0, b->read ? -1 : ((struct spool *)ctx)->n_archives - 1 };
		table_put(&b->oddities, o->name, o);
	}
	o->n++;
	if (level > o->level)
		o->level = level;
	return true;
}

/* Found out while merging: told once, with how many there are. */
static void put_differing(struct spool *s)
{
	static const char edit[] = "a message was edited between two exports; the newest edit is kept";
	static const char no_edit[] = "copies of a message differ without an edit; the one that holds more is kept";
	struct spool_differing edited, differs;
	spool_put_differing(s, &edited, &differs);
	for (int64_t i = 0; i < edited.n; i++)
		spool_put_hazard(s, HAZARD_NOTE, "edited-between", edited.where, edit);
	for (int64_t i = 0; i < differs.n; i++)
		spool_put_hazard(s, HAZARD_WARN, "content-differs", differs.where, no_edit);
}

bool spool_put_archive_fact(struct spool *s, int archive, const char *key, const char *value)
{
	if (!spool_put_settle(s))
		return false;
	sqlite3_stmt *st = spool_put_st(s, PUT_FACT);
	sqlite3_bind_int(st, 1, archive);
	spool_db_text(st, 2, key);
	spool_db_text(st, 3, value);
	return put_done(s, st, "cannot store a fact");
}

static bool put_fact(void *ctx, const char *key, const char *value)
{
	struct spool *s = ctx;
	return spool_put_archive_fact(s, s->n_archives - 1, key, value);
}

void spool_set_past(struct spool *s, const struct spool_past *past)
{
	s->b->past = *past;
}

void spool_sink(struct spool *s, struct sink *out)
{
	*out = (struct sink){ .ctx = s, .user = put_user, .conv = put_conv, .msg = spool_put_msg, .bad = spool_put_bad, .hazard = spool_put_hazard, .fact = put_fact,
	                      .integration = spool_put_integration, .copy = put_copy };
}

/* ---- building: the end ---- */

static bool any_nested(struct spool *s)
{
	sqlite3_stmt *st = spool_db_once(s, "SELECT conv,root,hint FROM grp");
	bool nested = false;
	int64_t ts, root_ts;
	const char *root = NULL;
	while (!nested && spool_db_step(s, st))
		nested = spool_db_locate(s, sqlite3_column_int64(st, 0), spool_db_col(st, 1), sqlite3_column_int64(st, 2), &ts, &root, &root_ts) && root;
	sqlite3_finalize(st);
	return nested;
}

/* The top of the thread that (id, hint) is in: follows replies to replies. 1 found in *top, 0 the chain leads to a message
 * that no archive has (*top is that), -1 the chain comes back to `self` or never ends: hostile, self becomes a root. */
static int top_of(struct spool *s, int64_t conv, const char *self, const char *id, int64_t hint, struct arena *a, const char **top, int64_t *top_ts)
{
	*top = id;
	*top_ts = hint;
	for (int i = 0; i < CHAIN_MAX; i++) {
		const char *up = NULL;
		int64_t up_ts = 0;
		if (streq(*top, self))
			return -1;
		if (!spool_db_locate(s, conv, *top, *top_ts, top_ts, &up, &up_ts))
			return 0;
		if (!up)
			return 1;
		*top = arena_strdup(a, up);
		*top_ts = up_ts;
	}
	return -1;
}

/* Replies to replies go to the thread's first message. In order of time, so that a parent has found its top before its
 * replies ask; only chains that run backwards in time are longer than one step. */
static void flatten(struct spool *s)
{
	struct arena a;
	arena_init(&a);
	if (sqlite3_exec(s->db, "CREATE TEMP TABLE r AS SELECT conv,ts,id FROM msg INDEXED BY reply WHERE root IS NOT NULL ORDER BY conv,ts,id",
	                 NULL, NULL, NULL) != SQLITE_OK)
		die("spool: %s", sqlite3_errmsg(s->db));
	sqlite3_stmt *each = spool_db_once(s, "SELECT r.conv,r.ts,r.id,m.root,m.root_ts FROM r JOIN msg m ON m.conv=r.conv AND m.ts=r.ts AND m.id=r.id ORDER BY r.rowid");
	sqlite3_stmt *set = spool_db_once(s, "UPDATE msg SET root=?4, root_ts=?5 WHERE conv=?1 AND ts=?2 AND id=?3");
	while (spool_db_step(s, each)) {
		arena_reset(&a);
		const char *top, *id = arena_strdup(&a, spool_db_col(each, 2)), *root = arena_strdup(&a, spool_db_col(each, 3));
		int64_t conv = sqlite3_column_int64(each, 0), top_ts;
		int got = root ? top_of(s, conv, id, root, sqlite3_column_int64(each, 4), &a, &top, &top_ts) : 0;
		if (!root || (got >= 0 && streq(top, root)))
			continue;
		sqlite3_reset(set);
		sqlite3_bind_int64(set, 1, conv);
		sqlite3_bind_int64(set, 2, sqlite3_column_int64(each, 1));
		spool_db_text(set, 3, id);
		spool_db_text(set, 4, got < 0 ? NULL : top);
		sqlite3_bind_int64(set, 5, got < 0 ? 0 : top_ts);
		spool_db_step(s, set);
	}
	sqlite3_finalize(each);
	sqlite3_finalize(set);
	arena_release(&a);
}

/* A place-holder for a thread's first message that no archive has. */
static bool put_lost_root(struct spool *s, int64_t conv, const char *id, int64_t ts_us)
{
	struct build *b = s->b;
	struct msg m = { .id = id, .ts_us = ts_us, .kind = MSG_LOST_ROOT };
	buf_reset(&b->line);
	canon_msg(&m, NULL, &b->line);
	sqlite3_stmt *st = spool_put_lone(s, conv, &m, &b->line);
	if (!put_done(s, st, "cannot store a place-holder"))
		return false;
	s->counts.lost_roots++;
	return true;
}

static bool group_threads(struct spool *s, struct err *e)
{
	return spool_db_run(s, "DROP TABLE IF EXISTS temp.grp; CREATE TEMP TABLE grp AS SELECT conv,root,max(root_ts) AS hint,min(ts) AS first,count(*) AS n"
	                  " FROM msg INDEXED BY reply WHERE root IS NOT NULL GROUP BY conv,root", e);
}

/* Made before for whatever reason. */
static bool has_index(struct spool *s)
{
	sqlite3_stmt *st = spool_db_once(s, "SELECT 1 FROM sqlite_master WHERE type='index' AND name='by_id'");
	bool has = spool_db_step(s, st);
	sqlite3_finalize(st);
	return has;
}

static bool finish_threads(struct spool *s, struct err *e)
{
	if (spool_put_untimed(s) && (spool_put_named(s) || s->counts.pins)) {
		/* Sorting takes as much memory again as the cache may; together they stay within what reading took. */
		if (!spool_db_run(s, "PRAGMA cache_size=-4096; CREATE INDEX IF NOT EXISTS by_id ON msg(conv,id);" CACHE_READING, e))
			return false;
	}
	if (has_index(s))
		s->ids = SPOOL_IDS_INDEXED;
	if (!group_threads(s, e))
		return false;
	if (any_nested(s)) {
		flatten(s);
		if (!group_threads(s, e))
			return false;
	}
	sqlite3_stmt *each = spool_db_once(s, "SELECT conv,root,hint,first,n FROM grp");
	sqlite3_stmt *set_ts = spool_db_once(s, "UPDATE msg INDEXED BY reply SET root_ts=?3 WHERE conv=?1 AND root=?2 AND root_ts IS NOT ?3");
	sqlite3_stmt *set_n = spool_db_once(s, "UPDATE msg SET replies=?4 WHERE conv=?1 AND ts=?3 AND id=?2");
	sqlite3_stmt *tell = spool_db_once(s, "UPDATE conv SET threads=threads+1, replies=replies+?2 WHERE num=?1");
	bool ok = true;
	while (ok && spool_db_step(s, each)) {
		int64_t conv = sqlite3_column_int64(each, 0), hint = sqlite3_column_int64(each, 2), n = sqlite3_column_int64(each, 4), ts;
		const char *root = spool_db_col(each, 1);
		if (!spool_db_locate(s, conv, root, hint, &ts, NULL, NULL)) {
			if (!hint && !spool_db_timed(root, &hint))
				hint = sqlite3_column_int64(each, 3) - 1;
			ok = put_lost_root(s, conv, root, ts = hint);
		}
		sqlite3_stmt *const both[] = { set_ts, set_n };
		for (size_t i = 0; i < countof(both); i++) {
			sqlite3_reset(both[i]);
			sqlite3_bind_int64(both[i], 1, conv);
			spool_db_text(both[i], 2, root);
			sqlite3_bind_int64(both[i], 3, ts);
			if (both[i] == set_n)
				sqlite3_bind_int64(set_n, 4, n);
			spool_db_step(s, both[i]);
		}
		sqlite3_reset(tell);
		sqlite3_bind_int64(tell, 1, conv);
		sqlite3_bind_int64(tell, 2, n);
		spool_db_step(s, tell);
		s->counts.threads++;
		s->counts.replies += n;
	}
	sqlite3_finalize(each);
	sqlite3_finalize(set_ts);
	sqlite3_finalize(set_n);
	sqlite3_finalize(tell);
	if (!ok) {
		*e = s->b->err;
		return false;
	}
	return true;
}

/* Conversations that only messages named. Nobody said that they are public, so they are not. */
static bool finish_convs(struct spool *s)
{
	struct build *b = s->b;
	sqlite3_stmt *set = spool_db_once(s, "UPDATE conv SET msgs=?2, files=?3, reacts=?4, first=?5, last=?6 WHERE num=?1");
	bool ok = true;
	for (size_t i = 0; ok && i < b->convs.n; i++) {
		struct tally *t = b->convs.rows[i].value;
		struct conv c = { .id = t->id, .name = t->id, .kind = CONV_PRIVATE };
		if (t->gone)
			continue;
		if (!t->pushed && t->copy) {
			s->counts.convs++;
			ok = spool_write_conv(s, t->num, t->id, &c);
		} else if (!t->pushed && !put_conv(s, &c)) {
			ok = false;
			break;
		}
		const int64_t v[] = { t->num, t->msgs, t->files, t->reacts, t->first, t->last };
		sqlite3_reset(set);
		for (size_t k = 0; k < countof(v); k++)
			sqlite3_bind_int64(set, (int)k + 1, v[k]);
		ok = sqlite3_step(set) == SQLITE_DONE || spool_put_failed(s, "cannot write");
	}
	sqlite3_finalize(set);
	return ok;
}

/* Authors get a user: by alias the one it belongs to, else a place-holder. */
static bool finish_users(struct spool *s)
{
	struct build *b = s->b;
	spool_put_authors(s);
	sqlite3_stmt *alias = spool_db_once(s, "SELECT id FROM alias WHERE alias=?1");
	sqlite3_stmt *set = spool_db_once(s, "UPDATE user SET msgs=msgs+?2 WHERE id=?1");
	size_t n = b->users.n;
	bool ok = true, aliased = false;
	for (size_t i = 0; ok && i < n; i++) {
		const char *id = b->users.rows[i].key;
		struct who *w = b->users.rows[i].value;
		const char *real = id;
		if (w->source < 0 && w->msgs <= 0)
			continue;
		sqlite3_reset(alias);
		if (w->source < 0) {
			spool_db_text(alias, 1, id);
			if (spool_db_step(s, alias)) {
				real = spool_db_col(alias, 0);
				aliased = true;
			} else {
				struct user u = { .id = id, .name = id, .name_source = NAME_PLACEHOLDER, .flags = USER_STRANGER };
				ok = put_user(s, &u);
			}
		}
		sqlite3_reset(set);
		spool_db_text(set, 1, real);
		sqlite3_bind_int64(set, 2, w->msgs);
		ok = ok && (sqlite3_step(set) == SQLITE_DONE || spool_put_failed(s, "cannot write"));
	}
	sqlite3_finalize(alias);
	sqlite3_finalize(set);
	if (ok && aliased)
		ok = sqlite3_exec(s->db, "UPDATE msg SET author=(SELECT id FROM alias WHERE alias=msg.author) WHERE author IN"
		                         " (SELECT alias FROM alias WHERE alias NOT IN (SELECT id FROM user))", NULL, NULL, NULL) == SQLITE_OK ||
		     spool_put_failed(s, "cannot write");
	return ok;
}

static bool put_info(struct spool *s, const char *key, int64_t v)
{
	sqlite3_stmt *st = spool_db_once(s, "INSERT INTO info VALUES(?1,?2)");
	spool_db_text(st, 1, key);
	sqlite3_bind_int64(st, 2, v);
	bool ok = sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	return ok || spool_put_failed(s, "cannot write");
}

static bool finish_info(struct spool *s)
{
	struct build *b = s->b;
	sqlite3_stmt *st = spool_db_once(s, "SELECT min(CASE WHEN msgs>0 THEN first END), max(CASE WHEN msgs>0 THEN last END) FROM conv");
	put_differing(s);
	if (spool_db_step(s, st)) {
		s->counts.first_us = sqlite3_column_int64(st, 0);
		s->counts.last_us = sqlite3_column_int64(st, 1);
	}
	sqlite3_finalize(st);
	if (s->ids == SPOOL_IDS_TIMED && spool_put_untimed(s))
		s->ids = SPOOL_IDS_LOOSE;
	bool ok = put_info(s, "archives", s->n_archives) && put_info(s, "ids", s->ids);
	for (size_t i = 0; ok && i < SPOOL_N_COUNTS; i++)
		ok = put_info(s, spool_db_counts[i].key, *spool_db_count_at(&s->counts, i));
	/* Of several archives the place says which. */
	st = spool_db_once(s, "INSERT INTO hazard(level,name,place,what,n) VALUES(?1,?2,CASE WHEN ?3<>'' THEN "
	                      "coalesce((SELECT path||': ' FROM archive WHERE num=?6 AND (SELECT count(*) FROM archive)>1),'') ELSE '' END||?3,?4,?5)");
	for (size_t i = 0; ok && i < b->oddities.n; i++) {
		const struct oddity *o = b->oddities.rows[i].value;
		if (!o->n)
			continue;
		sqlite3_reset(st);
		sqlite3_bind_int(st, 1, (int)o->level);
		spool_db_text(st, 2, o->name);
		spool_db_text(st, 3, o->where);
		spool_db_text(st, 4, o->what);
		sqlite3_bind_int64(st, 5, o->n);
		sqlite3_bind_int(st, 6, o->archive);
		ok = sqlite3_step(st) == SQLITE_DONE || spool_put_failed(s, "cannot write");
	}
	sqlite3_finalize(st);
	return ok;
}

static bool seal(struct spool *s, struct err *e)
{
	char boot[64];
	if (!spool_db_run(s, "DROP TABLE IF EXISTS temp.grp; DROP TABLE IF EXISTS temp.r; DROP TABLE IF EXISTS temp.past; COMMIT", e))
		return false;
	if (!spool_db_boot_id(boot) && !spool_db_run(s, "PRAGMA synchronous=FULL", e))
		return false;
	sqlite3_stmt *st = spool_db_once(s, "INSERT INTO info VALUES('complete',?1)");
	spool_db_text(st, 1, boot);
	bool ok = sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	return ok || spool_db_fail(s, "cannot write", e);
}

bool spool_finish(struct spool *s, struct err *e)
{
	struct build *b = s->b;
	b->read = true;
	bool ok = spool_put_settle(s) && (b->n_copies < 2 || spool_db_run(s, CACHE_MERGING, &b->err)) && spool_merge(s);
	/* Conversations first: threads are counted in their rows. */
	if (!ok || !finish_convs(s) || !finish_users(s) || !spool_apps_finish(s)) {
		*e = b->err;
		return false;
	}
	if (!finish_threads(s, e))
		return false;
	if (!finish_info(s)) {
		*e = b->err;
		return false;
	}
	if (!seal(s, e))
		return false;
	spool_build_free(b);
	s->b = NULL;
	return true;
}

