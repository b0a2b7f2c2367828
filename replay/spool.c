/* spool.c: see spool.h. The only file besides ledger.c that knows SQLite.
 *
 * Called by cli/ (building), stream.c, plan.c, verify.c and mapping drafts (reading). It decides nothing about what is sent.
 *
 * The database is a cache of what the archives hold: journal_mode=OFF and synchronous=OFF, so a build that dies leaves rubbish.
 * What makes it count is the row `complete` of table info, written last. A power loss could still lose pages written before
 * that row: the row therefore holds the kernel's boot id, and a spool of another boot is rebuilt (where the system tells no
 * boot id, the file is synced before the row is written).
 *
 * A message is one row of a WITHOUT ROWID table clustered by (conv, ts, id): files come in nearly that order, so a build
 * appends and a lane reads sequentially. What plan and rules need stands in columns before the body, which is read only when
 * asked for. Statistics are counted in memory while building (one small struct per conversation and per author).
 */
#include "replay/spool.h"

#include "core/buf.h"
#include "core/canon.h"
#include "core/table.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SPOOL_APP = 0x6d767370, /* "mvsp" */
	SPOOL_VERSION = 1,
	LINE_MAX_BYTES = 256 << 20,
	BADS_KEPT = 10000,      /* unreadable records kept with their place; all are counted */
	HAZARDS_KEPT = 1000,    /* kinds of oddities */
	CHAIN_MAX = 64,         /* steps up a chain of replies to replies that run backwards in time */
};

/* Statement texts that are used again and again; prepared once. */
enum sql { SQL_ALL, SQL_CHANNEL, SQL_THREAD, SQL_ONE, SQL_BY_KEY, SQL_BY_ID, SQL_USER, SQL_CONV, N_SQL };
#define META "conv,ts,id,root,root_ts,author,kind,flags,files,reacts,reactors,replies,length(body),fp,empty,body"
#define CONV "num,line,msgs,replies,threads,files,reacts,first,last"
static const char *const sqls[N_SQL] = {
	[SQL_ALL] = "SELECT " META " FROM msg WHERE conv=?1 AND (ts,id)>(?2,?3) ORDER BY ts,id",
	[SQL_CHANNEL] = "SELECT " META " FROM msg WHERE conv=?1 AND (ts,id)>(?2,?3) AND root IS NULL ORDER BY ts,id",
	[SQL_THREAD] = "SELECT " META " FROM msg INDEXED BY reply WHERE conv=?1 AND root=?4 AND (ts,id)>(?2,?3) ORDER BY ts,id",
	[SQL_ONE] = "SELECT " META " FROM msg WHERE conv=?1 AND ts=?2 AND id=?3",
	[SQL_BY_KEY] = "SELECT root,root_ts FROM msg WHERE conv=?1 AND ts=?2 AND id=?3",
	[SQL_BY_ID] = "SELECT ts FROM msg INDEXED BY by_id WHERE conv=?1 AND id=?2",
	[SQL_USER] = "SELECT line FROM user WHERE id=?1 UNION ALL SELECT u.line FROM alias a JOIN user u ON u.id=a.id WHERE a.alias=?1 LIMIT 1",
	[SQL_CONV] = "SELECT " CONV " FROM conv WHERE id=?1",
};

static const char schema[] =
	"CREATE TABLE info(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE archive(num INTEGER PRIMARY KEY, path TEXT, format TEXT, identity TEXT, digest BLOB);"
	"CREATE TABLE user(id TEXT PRIMARY KEY, source INTEGER, msgs INTEGER NOT NULL DEFAULT 0, line BLOB) WITHOUT ROWID;"
	"CREATE TABLE alias(alias TEXT PRIMARY KEY, id TEXT) WITHOUT ROWID;"
	"CREATE TABLE conv(num INTEGER PRIMARY KEY, id TEXT UNIQUE, line BLOB, msgs INTEGER DEFAULT 0, replies INTEGER DEFAULT 0,"
	" threads INTEGER DEFAULT 0, files INTEGER DEFAULT 0, reacts INTEGER DEFAULT 0, first INTEGER DEFAULT 0, last INTEGER DEFAULT 0);"
	"CREATE TABLE msg(conv INTEGER, ts INTEGER, id TEXT, root TEXT, root_ts INTEGER, author TEXT, kind INTEGER, flags INTEGER,"
	" files INTEGER, reacts INTEGER, reactors INTEGER, replies INTEGER, present INTEGER, empty INTEGER, edited INTEGER,"
	" fp INTEGER, body BLOB, PRIMARY KEY(conv,ts,id)) WITHOUT ROWID;"
	"CREATE TABLE bad(num INTEGER PRIMARY KEY, place TEXT, what TEXT, archive INTEGER);"
	"CREATE TABLE hazard(num INTEGER PRIMARY KEY, level INTEGER, name TEXT, place TEXT, what TEXT, n INTEGER);"
	"CREATE TABLE fact(num INTEGER PRIMARY KEY, archive INTEGER, key TEXT, value TEXT);";

/* While building: what is counted in memory. */
struct tally { const char *id; int64_t num; bool pushed; int64_t msgs, files, reacts, first, last; };
struct who { int source; /* enum name_source, or -1: seen as an author only */ int64_t msgs; };
struct oddity { enum hazard_level level; const char *name, *where, *what; int64_t n; };
enum put { PUT_MSG, PUT_OLD, PUT_REPLACE, PUT_USER, PUT_ALIAS, GET_USER_LINE, PUT_CONV, GET_CONV_LINE, PUT_BAD, PUT_FACT, N_PUT };
struct build {
	struct arena run, step;
	struct table convs, users, oddities; /* struct tally, struct who, struct oddity */
	struct tally *last;                  /* records come conversation by conversation */
	struct buf line;
	struct file *files; size_t files_cap;
	sqlite3_stmt *st[N_PUT];
	int64_t untimed;                     /* messages whose id does not spell their time: they need an index by id */
	bool failed; struct err err;
};
static const char *const puts_sql[N_PUT] = {
	[PUT_MSG] = "INSERT OR IGNORE INTO msg VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,0,?12,?13,?14,?15,?16)",
	[PUT_OLD] = "SELECT fp,edited,present,reactors,files,reacts,author,body FROM msg WHERE conv=?1 AND ts=?2 AND id=?3",
	[PUT_REPLACE] = "INSERT OR REPLACE INTO msg VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,0,?12,?13,?14,?15,?16)",
	[PUT_USER] = "INSERT INTO user(id,source,line) VALUES(?1,?2,?3) ON CONFLICT DO UPDATE SET source=?2, line=?3",
	[PUT_ALIAS] = "INSERT OR REPLACE INTO alias VALUES(?1,?2)",
	[GET_USER_LINE] = "SELECT line FROM user WHERE id=?1",
	[PUT_CONV] = "INSERT INTO conv(num,id,line) VALUES(?1,?2,?3) ON CONFLICT DO UPDATE SET line=?3",
	[GET_CONV_LINE] = "SELECT line FROM conv WHERE num=?1",
	[PUT_BAD] = "INSERT INTO bad(place,what,archive) VALUES(?1,?2,?3)",
	[PUT_FACT] = "INSERT INTO fact(archive,key,value) VALUES(?1,?2,?3)",
};

struct spool_walk {
	struct spool *s;
	enum sql sql;
	sqlite3_stmt *st;
	const char *root; /* last row's, for the body */
	struct spool_walk *next;
};

struct spool {
	sqlite3 *db;
	struct build *b;                /* NULL when reading */
	struct spool_walk *idle[N_SQL]; /* walks that have ended: their statements are used again */
	sqlite3_stmt *st[N_SQL];
	struct spool_counts counts;
	int n_archives;
	bool by_id;                     /* there is an index by id */
	struct arena scratch;
};

/* ---- small things ---- */

static bool sql_fail(struct spool *s, const char *what, struct err *e)
{
	err_set(e, ERR_INTERNAL, "spool: %s: %s", what, sqlite3_errmsg(s->db));
	return err_hint(e, "the spool is only a cache: free some space, delete it and run again");
}

static bool run_sql(struct spool *s, const char *sql, struct err *e)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK || sql_fail(s, "cannot write", e);
}

/* Prepared once, kept until spool_close. Failing is a bug or a spool that broke under our hands: dying is safe. */
static sqlite3_stmt *kept(struct spool *s, sqlite3_stmt **slot, const char *sql)
{
	if (!*slot && sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, slot, NULL) != SQLITE_OK)
		die("spool: %s", sqlite3_errmsg(s->db));
	sqlite3_reset(*slot);
	return *slot;
}

static void bind_text(sqlite3_stmt *st, int i, const char *v)
{
	if (v)
		sqlite3_bind_text(st, i, v, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, i);
}

static bool step_row(struct spool *s, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		die("spool: %s", sqlite3_errmsg(s->db));
	return rc == SQLITE_ROW;
}

static const char *col(sqlite3_stmt *st, int i)
{
	return (const char *)sqlite3_column_text(st, i);
}

static bool boot_id(char out[64])
{
	out[0] = '\0';
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, out, 63);
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return out[0] != '\0';
}

/* An id that spells its own time as "seconds.microseconds" (Slack) needs no index to be found. */
static bool timed_id(const char *id, int64_t *ts_us)
{
	int64_t s = 0, us = 0;
	const char *p = id;
	for (; *p >= '0' && *p <= '9' && p - id < 11; p++)
		s = s * 10 + (*p - '0');
	if (p == id || *p != '.')
		return false;
	const char *dot = p++;
	for (; *p >= '0' && *p <= '9' && p - dot <= 6; p++)
		us = us * 10 + (*p - '0');
	if (*p || p - dot != 7)
		return false;
	*ts_us = s * 1000000 + us;
	return true;
}

/* ---- opening and closing ---- */

static void build_free(struct build *b)
{
	if (!b)
		return;
	for (int i = 0; i < N_PUT; i++)
		sqlite3_finalize(b->st[i]);
	table_release(&b->convs);
	table_release(&b->users);
	table_release(&b->oddities);
	arena_release(&b->run);
	arena_release(&b->step);
	buf_release(&b->line);
	free(b->files);
	free(b);
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	build_free(s->b);
	for (int i = 0; i < N_SQL; i++) {
		sqlite3_finalize(s->st[i]);
		for (struct spool_walk *w = s->idle[i], *next; w; w = next) {
			next = w->next;
			sqlite3_finalize(w->st);
			free(w);
		}
	}
	sqlite3_close(s->db);
	arena_release(&s->scratch);
	free(s);
}

static bool start_build(struct spool *s, struct err *e)
{
	/* One transaction for everything: with journal_mode=OFF it costs no memory, and no page is written twice for a commit. */
	if (!run_sql(s, "PRAGMA page_size=16384; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
	                "PRAGMA cache_size=-12288; PRAGMA application_id=1836479344; PRAGMA user_version=1; BEGIN", e) ||
	    !run_sql(s, schema, e))
		return false;
	struct build *b = s->b = xcalloc(1, sizeof(*b));
	arena_init(&b->run);
	arena_init(&b->step);
	table_init(&b->convs);
	table_init(&b->users);
	table_init(&b->oddities);
	buf_init(&b->line, LINE_MAX_BYTES);
	return true;
}

static int64_t info_int(struct spool *s, const char *key)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;
	if (sqlite3_prepare_v2(s->db, "SELECT value FROM info WHERE key=?1", -1, &st, NULL) != SQLITE_OK)
		return -1;
	bind_text(st, 1, key);
	if (sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

static bool pragma_is(struct spool *s, const char *pragma, int want)
{
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_prepare_v2(s->db, pragma, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW &&
	          sqlite3_column_int(st, 0) == want;
	sqlite3_finalize(st);
	return ok;
}

/* Order of the numbers in info: the fields of struct spool_counts. */
static const struct { const char *key; size_t at; } count_keys[] = {
#define K(f) { #f, offsetof(struct spool_counts, f) }
	K(read), K(stored), K(merged), K(conflicts), K(bad), K(users), K(convs), K(threads), K(replies), K(lost_roots), K(files),
	K(files_present), K(files_linked), K(files_external), K(files_gone), K(reactions), K(pins), K(first_us), K(last_us),
#undef K
};

static int64_t *count_at(struct spool_counts *c, size_t i)
{
	return (int64_t *)(void *)((char *)c + count_keys[i].at);
}

static bool is_complete(struct spool *s)
{
	char now[64], then[64] = "";
	if (!pragma_is(s, "PRAGMA application_id", SPOOL_APP) || !pragma_is(s, "PRAGMA user_version", SPOOL_VERSION))
		return false;
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_prepare_v2(s->db, "SELECT value FROM info WHERE key='complete'", -1, &st, NULL) == SQLITE_OK &&
	          sqlite3_step(st) == SQLITE_ROW;
	if (ok)
		fmt_into(then, sizeof(then), "%s", col(st, 0));
	sqlite3_finalize(st);
	return ok && (!*then || (boot_id(now) && streq(now, then)));
}

static bool start_read(struct spool *s, const char *path, struct err *e)
{
	if (!is_complete(s)) {
		err_set(e, ERR_INTERNAL, "the spool was not finished, or the machine was restarted since");
		return err_where(e, "%s", path);
	}
	for (size_t i = 0; i < countof(count_keys); i++)
		*count_at(&s->counts, i) = info_int(s, count_keys[i].key);
	s->n_archives = (int)info_int(s, "archives");
	s->by_id = info_int(s, "by_id") > 0;
	return true;
}

struct spool *spool_open(const char *path, enum spool_mode mode, struct err *e)
{
	if (mode == SPOOL_BUILD) {
		/* The file is made here so that no one else can read it at any moment. */
		if (unlink(path) != 0 && errno != ENOENT) {
			err_set(e, ERR_INTERNAL, "cannot remove the old spool %s:", path);
			return NULL;
		}
		int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		if (fd < 0) {
			err_set(e, ERR_INTERNAL, "cannot make the spool %s:", path);
			return NULL;
		}
		close(fd);
	}
	struct spool *s = xcalloc(1, sizeof(*s));
	arena_init(&s->scratch);
	int flags = mode == SPOOL_BUILD ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	bool ok = sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK;
	if (!ok)
		err_set(e, ERR_INTERNAL, "cannot open the spool %s: %s", path, s->db ? sqlite3_errmsg(s->db) : "no memory");
	else if (mode == SPOOL_BUILD)
		ok = start_build(s, e);
	else
		ok = sqlite3_exec(s->db, "PRAGMA cache_size=-8192; PRAGMA mmap_size=0", NULL, NULL, NULL) == SQLITE_OK ? start_read(s, path, e)
		                                                                                        : sql_fail(s, "cannot read", e);
	if (ok)
		return s;
	spool_close(s);
	return NULL;
}

/* ---- building: the sink ---- */

/* The first failure is kept for spool_finish; the walk stops. */
static bool put_failed(struct spool *s, const char *what)
{
	if (!s->b->failed)
		sql_fail(s, what, &s->b->err);
	s->b->failed = true;
	return false;
}

static sqlite3_stmt *put_st(struct spool *s, enum put p)
{
	return kept(s, &s->b->st[p], puts_sql[p]);
}

static bool put_done(struct spool *s, sqlite3_stmt *st, const char *what)
{
	int rc = sqlite3_step(st);
	sqlite3_reset(st);
	return rc == SQLITE_DONE || put_failed(s, what);
}

bool spool_archive_begin(struct spool *s, const char *path, const char *format, const char *identity, const uint8_t digest[DIGEST_BYTES], struct err *e)
{
	sqlite3_stmt *st = NULL;
	if (sqlite3_prepare_v2(s->db, "INSERT INTO archive VALUES(?1,?2,?3,?4,?5)", -1, &st, NULL) != SQLITE_OK)
		return sql_fail(s, "cannot write", e);
	sqlite3_bind_int(st, 1, s->n_archives);
	bind_text(st, 2, path);
	bind_text(st, 3, format);
	bind_text(st, 4, identity);
	sqlite3_bind_blob(st, 5, digest, DIGEST_BYTES, SQLITE_STATIC);
	bool ok = sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	if (!ok)
		return sql_fail(s, "cannot write", e);
	s->n_archives++;
	return true;
}

static struct who *who_of(struct build *b, const char *id)
{
	struct who *w = table_get(&b->users, id);
	if (!w) {
		w = arena_new(&b->run, struct who);
		w->source = -1;
		table_put(&b->users, arena_strdup(&b->run, id), w);
	}
	return w;
}

static struct tally *tally_of(struct spool *s, const char *id)
{
	struct build *b = s->b;
	if (b->last && streq(b->last->id, id))
		return b->last;
	struct tally *t = table_get(&b->convs, id);
	if (!t) {
		t = arena_new(&b->run, struct tally);
		t->id = arena_strdup(&b->run, id);
		t->num = (int64_t)b->convs.n + 1;
		table_put(&b->convs, t->id, t);
	}
	return b->last = t;
}

static const char *or_old(const char *now, const char *old)
{
	return now && *now ? now : old;
}

/* The line kept for this user, decoded into the step arena; false = none. */
static bool old_user(struct spool *s, const char *id, struct user *out)
{
	sqlite3_stmt *st = put_st(s, GET_USER_LINE);
	bind_text(st, 1, id);
	bool ok = sqlite3_step(st) == SQLITE_ROW &&
	          canon_read_user(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0), &s->b->step, out, NULL);
	sqlite3_reset(st);
	return ok;
}

/* Best source of the name wins; among lists the later archive, with what it does not know filled in from the earlier. */
static bool put_user(void *ctx, const struct user *u)
{
	struct spool *s = ctx;
	struct build *b = s->b;
	struct who *w = who_of(b, u->id);
	if (w->source >= 0 && ((int)u->name_source > w->source || ((int)u->name_source == w->source && u->name_source != NAME_LISTED)))
		return true;
	struct user now = *u, old;
	arena_reset(&b->step);
	if (w->source >= 0 && old_user(s, u->id, &old)) {
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
	buf_reset(&b->line);
	canon_user(&now, &b->line);
	sqlite3_stmt *st = put_st(s, PUT_USER);
	bind_text(st, 1, u->id);
	sqlite3_bind_int(st, 2, w->source);
	sqlite3_bind_blob(st, 3, b->line.p, (int)b->line.len, SQLITE_STATIC);
	if (!put_done(s, st, "cannot store a user"))
		return false;
	if (!now.alias || streq(now.alias, u->id))
		return true;
	st = put_st(s, PUT_ALIAS);
	bind_text(st, 1, now.alias);
	bind_text(st, 2, u->id);
	return put_done(s, st, "cannot store a user");
}

static bool old_conv(struct spool *s, int64_t num, struct conv *out)
{
	sqlite3_stmt *st = put_st(s, GET_CONV_LINE);
	sqlite3_bind_int64(st, 1, num);
	bool ok = sqlite3_step(st) == SQLITE_ROW &&
	          canon_read_conv(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0), &s->b->step, out, NULL);
	sqlite3_reset(st);
	return ok;
}

/* The later archive wins; what it does not tell is kept. The stricter privacy holds: private once is private. */
static bool put_conv(void *ctx, const struct conv *c)
{
	struct spool *s = ctx;
	struct build *b = s->b;
	struct tally *t = tally_of(s, c->id);
	struct conv now = *c, old;
	arena_reset(&b->step);
	if (t->pushed && old_conv(s, t->num, &old)) {
		now.topic = or_old(now.topic, old.topic);
		now.purpose = or_old(now.purpose, old.purpose);
		now.creator = or_old(now.creator, old.creator);
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
	buf_reset(&b->line);
	canon_conv(&now, &b->line);
	sqlite3_stmt *st = put_st(s, PUT_CONV);
	sqlite3_bind_int64(st, 1, t->num);
	bind_text(st, 2, c->id);
	sqlite3_bind_blob(st, 3, b->line.p, (int)b->line.len, SQLITE_STATIC);
	return put_done(s, st, "cannot store a conversation");
}

/* What one stored message adds to the counts, or takes away when a better copy replaces it. */
struct share { int64_t files, present, linked, external, gone, reacts, reactors; };

static struct share share_of(const struct msg *m)
{
	struct share r = { .files = (int64_t)m->n_files, .reacts = (int64_t)m->n_reacts };
	for (size_t i = 0; i < m->n_files; i++) {
		switch (m->files[i].state) {
		case FILE_PRESENT: r.present++; break;
		case FILE_LINKED: r.linked++; break;
		case FILE_EXTERNAL: r.external++; break;
		case FILE_GONE: r.gone++; break;
		}
	}
	for (size_t i = 0; i < m->n_reacts; i++)
		r.reactors += (int64_t)m->reacts[i].n_users;
	return r;
}

static void add_share(struct spool *s, struct tally *t, const struct share *r, int sign)
{
	s->counts.files += sign * r->files;
	s->counts.files_present += sign * r->present;
	s->counts.files_linked += sign * r->linked;
	s->counts.files_external += sign * r->external;
	s->counts.files_gone += sign * r->gone;
	s->counts.reactions += sign * r->reacts;
	t->files += sign * r->files;
	t->reacts += sign * r->reacts;
}

static void bind_msg(sqlite3_stmt *st, const struct tally *t, const struct msg *m, const struct share *r, uint64_t fp, const struct buf *line)
{
	sqlite3_bind_int64(st, 1, t->num);
	sqlite3_bind_int64(st, 2, m->ts_us);
	bind_text(st, 3, m->id);
	bool reply = m->parent && !streq(m->parent, m->id);
	bind_text(st, 4, reply ? m->parent : NULL);
	sqlite3_bind_int64(st, 5, reply ? m->parent_ts_us : 0);
	bind_text(st, 6, m->author);
	sqlite3_bind_int(st, 7, (int)m->kind);
	sqlite3_bind_int64(st, 8, m->flags);
	sqlite3_bind_int64(st, 9, r->files);
	sqlite3_bind_int64(st, 10, r->reacts);
	sqlite3_bind_int64(st, 11, r->reactors);
	sqlite3_bind_int64(st, 12, r->present);
	sqlite3_bind_int(st, 13, !m->n_files && text_is_empty(&m->body));
	sqlite3_bind_int64(st, 14, m->edited_us);
	sqlite3_bind_int64(st, 15, (int64_t)fp);
	sqlite3_bind_blob64(st, 16, line->p, line->len, SQLITE_STATIC);
}

/* The same (conv, time, id) again. The newest edit wins; between equals the copy that holds more, so that the outcome does not
 * depend on the order of the archives. */
static bool merge_msg(struct spool *s, struct tally *t, const struct msg *m, const struct share *now, uint64_t fp)
{
	sqlite3_stmt *st = put_st(s, PUT_OLD);
	sqlite3_bind_int64(st, 1, t->num);
	sqlite3_bind_int64(st, 2, m->ts_us);
	bind_text(st, 3, m->id);
	if (sqlite3_step(st) != SQLITE_ROW)
		return put_failed(s, "cannot read a message again");
	s->counts.merged++;
	uint64_t old_fp = (uint64_t)sqlite3_column_int64(st, 0);
	int64_t edited = sqlite3_column_int64(st, 1), present = sqlite3_column_int64(st, 2), reactors = sqlite3_column_int64(st, 3);
	bool better = m->edited_us != edited ? m->edited_us > edited
	            : now->present != present ? now->present > present
	            : now->reactors != reactors ? now->reactors > reactors : fp > old_fp;
	if (fp != old_fp)
		s->counts.conflicts++;
	if (!better || (fp == old_fp && now->present == present && now->reactors == reactors && m->edited_us == edited)) {
		sqlite3_reset(st);
		return true;
	}
	struct msg old;
	arena_reset(&s->b->step);
	if (!canon_read_msg(sqlite3_column_blob(st, 7), (size_t)sqlite3_column_bytes(st, 7), &s->b->step, &old, NULL, &s->b->err)) {
		s->b->failed = true;
		return false;
	}
	const char *author = col(st, 6);
	if (author)
		who_of(s->b, author)->msgs--;
	sqlite3_reset(st);
	struct share was = share_of(&old);
	add_share(s, t, &was, -1);
	add_share(s, t, now, +1);
	if (m->author)
		who_of(s->b, m->author)->msgs++;
	st = put_st(s, PUT_REPLACE);
	bind_msg(st, t, m, now, fp, &s->b->line);
	return put_done(s, st, "cannot store a message");
}

static const struct file *files_here(struct spool *s, const struct msg *m)
{
	struct build *b = s->b;
	if (m->n_files > b->files_cap) {
		b->files_cap = m->n_files + 8;
		b->files = xrealloc(b->files, b->files_cap * sizeof(*b->files));
	}
	for (size_t i = 0; i < m->n_files; i++) {
		b->files[i] = m->files[i];
		b->files[i].archive = s->n_archives - 1;
	}
	return b->files;
}

static bool put_bad(void *ctx, const struct err *e);

static bool put_msg(void *ctx, const char *conv_id, const struct msg *given)
{
	struct spool *s = ctx;
	struct build *b = s->b;
	struct tally *t = tally_of(s, conv_id);
	struct msg m = *given;
	if (m.n_files)
		m.files = files_here(s, given);
	buf_reset(&b->line);
	canon_msg(&m, NULL, &b->line);
	if (b->line.full) {
		struct err e = ERR_INIT;
		err_set(&e, ERR_RECORD, "message of more than %d MiB", LINE_MAX_BYTES >> 20);
		err_where(&e, "%s/%s", conv_id, m.id);
		return put_bad(s, &e);
	}
	struct share r = share_of(&m);
	uint64_t fp = canon_msg_fp(&m);
	s->counts.read++;
	sqlite3_stmt *st = put_st(s, PUT_MSG);
	bind_msg(st, t, &m, &r, fp, &b->line);
	if (!put_done(s, st, "cannot store a message"))
		return false;
	if (!sqlite3_changes(s->db))
		return merge_msg(s, t, &m, &r, fp);
	s->counts.stored++;
	add_share(s, t, &r, +1);
	if (m.author)
		who_of(b, m.author)->msgs++;
	if (!t->msgs++ || m.ts_us < t->first)
		t->first = m.ts_us;
	if (t->msgs == 1 || m.ts_us > t->last)
		t->last = m.ts_us;
	int64_t spelt;
	if (!timed_id(m.id, &spelt) || spelt != m.ts_us)
		b->untimed++;
	return true;
}

static bool put_bad(void *ctx, const struct err *e)
{
	struct spool *s = ctx;
	if (s->counts.bad++ >= BADS_KEPT)
		return true;
	sqlite3_stmt *st = put_st(s, PUT_BAD);
	bind_text(st, 1, e->where);
	bind_text(st, 2, e->msg);
	sqlite3_bind_int(st, 3, s->n_archives - 1);
	return put_done(s, st, "cannot store a bad record");
}

static bool put_hazard(void *ctx, enum hazard_level level, const char *name, const char *where, const char *what)
{
	struct build *b = ((struct spool *)ctx)->b;
	struct oddity *o = table_get(&b->oddities, name);
	if (!o) {
		if (b->oddities.n >= HAZARDS_KEPT)
			return true;
		o = arena_new(&b->run, struct oddity);
		*o = (struct oddity){ level, arena_strdup(&b->run, name), arena_strdup(&b->run, where), arena_strdup(&b->run, what), 0 };
		table_put(&b->oddities, o->name, o);
	}
	o->n++;
	if (level > o->level)
		o->level = level;
	return true;
}

static bool put_fact(void *ctx, const char *key, const char *value)
{
	struct spool *s = ctx;
	sqlite3_stmt *st = put_st(s, PUT_FACT);
	sqlite3_bind_int(st, 1, s->n_archives - 1);
	bind_text(st, 2, key);
	bind_text(st, 3, value);
	return put_done(s, st, "cannot store a fact");
}

void spool_sink(struct spool *s, struct sink *out)
{
	*out = (struct sink){ s, put_user, put_conv, put_msg, put_bad, put_hazard, put_fact };
}

/* ---- building: the end ---- */

/* Where a message is: by the time its reply told, by the time its id spells, by the index. */
static bool locate(struct spool *s, int64_t conv, const char *id, int64_t hint_us, int64_t *ts_us, const char **root, int64_t *root_ts)
{
	int64_t spelt = hint_us;
	for (int attempt = 0; attempt < 3; attempt++) {
		int64_t at = hint_us;
		if (attempt == 1) {
			if (!timed_id(id, &spelt) || spelt == hint_us)
				continue;
			at = spelt;
		} else if (attempt == 2) {
			if (!s->by_id)
				return false;
			sqlite3_stmt *st = kept(s, &s->st[SQL_BY_ID], sqls[SQL_BY_ID]);
			sqlite3_bind_int64(st, 1, conv);
			bind_text(st, 2, id);
			bool found = step_row(s, st);
			at = found ? sqlite3_column_int64(st, 0) : 0;
			sqlite3_reset(st);
			if (!found)
				return false;
		}
		sqlite3_stmt *st = kept(s, &s->st[SQL_BY_KEY], sqls[SQL_BY_KEY]);
		sqlite3_bind_int64(st, 1, conv);
		sqlite3_bind_int64(st, 2, at);
		bind_text(st, 3, id);
		if (step_row(s, st)) {
			*ts_us = at;
			if (root) {
				arena_reset(&s->scratch);
				*root = arena_strdup(&s->scratch, col(st, 0));
				*root_ts = sqlite3_column_int64(st, 1);
			}
			sqlite3_reset(st);
			return true;
		}
		sqlite3_reset(st);
	}
	return false;
}

static sqlite3_stmt *once(struct spool *s, const char *sql)
{
	sqlite3_stmt *st = NULL;
	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
		die("spool: %s", sqlite3_errmsg(s->db));
	return st;
}

static bool any_nested(struct spool *s)
{
	sqlite3_stmt *st = once(s, "SELECT conv,root,hint FROM grp");
	bool nested = false;
	int64_t ts, root_ts;
	const char *root = NULL;
	while (!nested && step_row(s, st))
		nested = locate(s, sqlite3_column_int64(st, 0), col(st, 1), sqlite3_column_int64(st, 2), &ts, &root, &root_ts) && root;
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
		if (!locate(s, conv, *top, *top_ts, top_ts, &up, &up_ts))
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
	sqlite3_stmt *each = once(s, "SELECT r.conv,r.ts,r.id,m.root,m.root_ts FROM r JOIN msg m ON m.conv=r.conv AND m.ts=r.ts AND m.id=r.id ORDER BY r.rowid");
	sqlite3_stmt *set = once(s, "UPDATE msg SET root=?4, root_ts=?5 WHERE conv=?1 AND ts=?2 AND id=?3");
	while (step_row(s, each)) {
		arena_reset(&a);
		const char *top, *id = arena_strdup(&a, col(each, 2)), *root = arena_strdup(&a, col(each, 3));
		int64_t conv = sqlite3_column_int64(each, 0), top_ts;
		int got = root ? top_of(s, conv, id, root, sqlite3_column_int64(each, 4), &a, &top, &top_ts) : 0;
		if (!root || (got >= 0 && streq(top, root)))
			continue;
		sqlite3_reset(set);
		sqlite3_bind_int64(set, 1, conv);
		sqlite3_bind_int64(set, 2, sqlite3_column_int64(each, 1));
		bind_text(set, 3, id);
		bind_text(set, 4, got < 0 ? NULL : top);
		sqlite3_bind_int64(set, 5, got < 0 ? 0 : top_ts);
		step_row(s, set);
	}
	sqlite3_finalize(each);
	sqlite3_finalize(set);
	arena_release(&a);
}

/* A place-holder for a thread's first message that no archive has. */
static bool put_lost_root(struct spool *s, int64_t conv, const char *id, int64_t ts_us)
{
	struct build *b = s->b;
	struct tally t = { .num = conv };
	struct msg m = { .id = id, .ts_us = ts_us, .kind = MSG_LOST_ROOT };
	struct share none = { 0 };
	buf_reset(&b->line);
	canon_msg(&m, NULL, &b->line);
	sqlite3_stmt *st = put_st(s, PUT_MSG);
	bind_msg(st, &t, &m, &none, canon_msg_fp(&m), &b->line);
	if (!put_done(s, st, "cannot store a place-holder"))
		return false;
	s->counts.lost_roots++;
	int64_t spelt;
	if (!timed_id(id, &spelt) || spelt != ts_us)
		b->untimed++;
	return true;
}

static bool group_threads(struct spool *s, struct err *e)
{
	return run_sql(s, "DROP TABLE IF EXISTS temp.grp; CREATE TEMP TABLE grp AS SELECT conv,root,max(root_ts) AS hint,min(ts) AS first,count(*) AS n"
	                  " FROM msg INDEXED BY reply WHERE root IS NOT NULL GROUP BY conv,root", e);
}

static bool finish_threads(struct spool *s, struct err *e)
{
	if (!run_sql(s, "CREATE INDEX reply ON msg(conv,root,ts,id) WHERE root IS NOT NULL", e))
		return false;
	if (s->b->untimed) {
		if (!run_sql(s, "CREATE INDEX by_id ON msg(conv,id)", e))
			return false;
		s->by_id = true;
	}
	if (!group_threads(s, e))
		return false;
	if (any_nested(s)) {
		flatten(s);
		if (!group_threads(s, e))
			return false;
	}
	sqlite3_stmt *each = once(s, "SELECT conv,root,hint,first,n FROM grp");
	sqlite3_stmt *set_ts = once(s, "UPDATE msg INDEXED BY reply SET root_ts=?3 WHERE conv=?1 AND root=?2 AND root_ts IS NOT ?3");
	sqlite3_stmt *set_n = once(s, "UPDATE msg SET replies=?4 WHERE conv=?1 AND ts=?3 AND id=?2");
	sqlite3_stmt *tell = once(s, "UPDATE conv SET threads=threads+1, replies=replies+?2 WHERE num=?1");
	bool ok = true;
	while (ok && step_row(s, each)) {
		int64_t conv = sqlite3_column_int64(each, 0), hint = sqlite3_column_int64(each, 2), n = sqlite3_column_int64(each, 4), ts;
		const char *root = col(each, 1);
		if (!locate(s, conv, root, hint, &ts, NULL, NULL)) {
			if (!hint && !timed_id(root, &hint))
				hint = sqlite3_column_int64(each, 3) - 1;
			ok = put_lost_root(s, conv, root, ts = hint);
		}
		sqlite3_stmt *const both[] = { set_ts, set_n };
		for (size_t i = 0; i < countof(both); i++) {
			sqlite3_reset(both[i]);
			sqlite3_bind_int64(both[i], 1, conv);
			bind_text(both[i], 2, root);
			sqlite3_bind_int64(both[i], 3, ts);
			if (both[i] == set_n)
				sqlite3_bind_int64(set_n, 4, n);
			step_row(s, both[i]);
		}
		sqlite3_reset(tell);
		sqlite3_bind_int64(tell, 1, conv);
		sqlite3_bind_int64(tell, 2, n);
		step_row(s, tell);
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
	sqlite3_stmt *set = once(s, "UPDATE conv SET msgs=?2, files=?3, reacts=?4, first=?5, last=?6 WHERE num=?1");
	bool ok = true;
	for (size_t i = 0; ok && i < b->convs.n; i++) {
		struct tally *t = b->convs.rows[i].value;
		struct conv c = { .id = t->id, .name = t->id, .kind = CONV_PRIVATE };
		if (!t->pushed && !put_conv(s, &c)) {
			ok = false;
			break;
		}
		const int64_t v[] = { t->num, t->msgs, t->files, t->reacts, t->first, t->last };
		sqlite3_reset(set);
		for (size_t k = 0; k < countof(v); k++)
			sqlite3_bind_int64(set, (int)k + 1, v[k]);
		ok = sqlite3_step(set) == SQLITE_DONE || put_failed(s, "cannot write");
	}
	sqlite3_finalize(set);
	return ok;
}

/* Authors get a user: by alias the one it belongs to, else a place-holder. */
static bool finish_users(struct spool *s)
{
	struct build *b = s->b;
	sqlite3_stmt *alias = once(s, "SELECT id FROM alias WHERE alias=?1");
	sqlite3_stmt *set = once(s, "UPDATE user SET msgs=msgs+?2 WHERE id=?1");
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
			bind_text(alias, 1, id);
			if (step_row(s, alias)) {
				real = col(alias, 0);
				aliased = true;
			} else {
				struct user u = { .id = id, .name = id, .name_source = NAME_PLACEHOLDER, .flags = USER_STRANGER };
				ok = put_user(s, &u);
			}
		}
		sqlite3_reset(set);
		bind_text(set, 1, real);
		sqlite3_bind_int64(set, 2, w->msgs);
		ok = ok && (sqlite3_step(set) == SQLITE_DONE || put_failed(s, "cannot write"));
	}
	sqlite3_finalize(alias);
	sqlite3_finalize(set);
	if (ok && aliased)
		ok = sqlite3_exec(s->db, "UPDATE msg SET author=(SELECT id FROM alias WHERE alias=msg.author) WHERE author IN"
		                         " (SELECT alias FROM alias WHERE alias NOT IN (SELECT id FROM user))", NULL, NULL, NULL) == SQLITE_OK ||
		     put_failed(s, "cannot write");
	return ok;
}

static bool put_info(struct spool *s, const char *key, int64_t v)
{
	sqlite3_stmt *st = once(s, "INSERT INTO info VALUES(?1,?2)");
	bind_text(st, 1, key);
	sqlite3_bind_int64(st, 2, v);
	bool ok = sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	return ok || put_failed(s, "cannot write");
}

static bool finish_info(struct spool *s)
{
	struct build *b = s->b;
	sqlite3_stmt *st = once(s, "SELECT min(CASE WHEN msgs>0 THEN first END), max(CASE WHEN msgs>0 THEN last END) FROM conv");
	if (step_row(s, st)) {
		s->counts.first_us = sqlite3_column_int64(st, 0);
		s->counts.last_us = sqlite3_column_int64(st, 1);
	}
	sqlite3_finalize(st);
	bool ok = put_info(s, "archives", s->n_archives) && put_info(s, "by_id", s->by_id);
	for (size_t i = 0; ok && i < countof(count_keys); i++)
		ok = put_info(s, count_keys[i].key, *count_at(&s->counts, i));
	st = once(s, "INSERT INTO hazard(level,name,place,what,n) VALUES(?1,?2,?3,?4,?5)");
	for (size_t i = 0; ok && i < b->oddities.n; i++) {
		const struct oddity *o = b->oddities.rows[i].value;
		sqlite3_reset(st);
		sqlite3_bind_int(st, 1, (int)o->level);
		bind_text(st, 2, o->name);
		bind_text(st, 3, o->where);
		bind_text(st, 4, o->what);
		sqlite3_bind_int64(st, 5, o->n);
		ok = sqlite3_step(st) == SQLITE_DONE || put_failed(s, "cannot write");
	}
	sqlite3_finalize(st);
	return ok;
}

static bool seal(struct spool *s, struct err *e)
{
	char boot[64];
	if (!run_sql(s, "DROP TABLE IF EXISTS temp.grp; DROP TABLE IF EXISTS temp.r; COMMIT", e))
		return false;
	if (!boot_id(boot) && !run_sql(s, "PRAGMA synchronous=FULL", e))
		return false;
	sqlite3_stmt *st = once(s, "INSERT INTO info VALUES('complete',?1)");
	bind_text(st, 1, boot);
	bool ok = sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	return ok || sql_fail(s, "cannot write", e);
}

bool spool_finish(struct spool *s, struct err *e)
{
	struct build *b = s->b;
	/* Conversations first: threads are counted in their rows. */
	if (b->failed || !finish_convs(s) || !finish_users(s)) {
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
	build_free(b);
	s->b = NULL;
	return true;
}

/* ---- reading: the whole ---- */

bool spool_matches(struct spool *s, const uint8_t (*digests)[DIGEST_BYTES], size_t n)
{
	sqlite3_stmt *st = once(s, "SELECT digest FROM archive ORDER BY num");
	size_t i = 0;
	bool same = true;
	for (; same && step_row(s, st); i++)
		same = i < n && sqlite3_column_bytes(st, 0) == DIGEST_BYTES && !memcmp(sqlite3_column_blob(st, 0), digests[i], DIGEST_BYTES);
	sqlite3_finalize(st);
	return same && i == n;
}

const char *spool_source_id(struct spool *s, struct arena *a)
{
	struct buf b;
	buf_init(&b, 4096);
	sqlite3_stmt *st = once(s, "SELECT DISTINCT format||':'||identity FROM archive ORDER BY 1");
	while (step_row(s, st))
		buf_addf(&b, "%s%s", b.len ? "+" : "", col(st, 0));
	sqlite3_finalize(st);
	char *id = arena_strdup(a, b.p);
	buf_release(&b);
	return id;
}

void spool_count(struct spool *s, struct spool_counts *out)
{
	*out = s->counts;
}

bool spool_bads(struct spool *s, bool (*each)(void *ctx, const char *where, const char *msg, const char *archive), void *ctx)
{
	sqlite3_stmt *st = once(s, "SELECT place,what,coalesce(path,'') FROM bad LEFT JOIN archive ON archive.num=bad.archive ORDER BY bad.num");
	bool go = true;
	while (go && step_row(s, st))
		go = each(ctx, col(st, 0), col(st, 1), col(st, 2));
	sqlite3_finalize(st);
	return go;
}

bool spool_hazards(struct spool *s, bool (*each)(void *ctx, const struct spool_hazard *h), void *ctx)
{
	sqlite3_stmt *st = once(s, "SELECT level,name,place,what,n FROM hazard ORDER BY level DESC,name");
	bool go = true;
	while (go && step_row(s, st)) {
		struct spool_hazard h = { (enum hazard_level)sqlite3_column_int(st, 0), col(st, 1), col(st, 2), col(st, 3), sqlite3_column_int64(st, 4) };
		go = each(ctx, &h);
	}
	sqlite3_finalize(st);
	return go;
}

bool spool_facts(struct spool *s, bool (*each)(void *ctx, const char *archive, const char *key, const char *value), void *ctx)
{
	sqlite3_stmt *st = once(s, "SELECT coalesce(path,''),key,value FROM fact LEFT JOIN archive ON archive.num=fact.archive ORDER BY fact.num");
	bool go = true;
	while (go && step_row(s, st))
		go = each(ctx, col(st, 0), col(st, 1), col(st, 2));
	sqlite3_finalize(st);
	return go;
}

size_t spool_archives(struct spool *s, struct arena *a, const char *const **paths)
{
	const char **v = arena_array(a, (size_t)s->n_archives + 1, const char *);
	sqlite3_stmt *st = once(s, "SELECT path FROM archive ORDER BY num");
	size_t n = 0;
	while (n < (size_t)s->n_archives && step_row(s, st))
		v[n++] = arena_strdup(a, col(st, 0));
	sqlite3_finalize(st);
	*paths = v;
	return n;
}

bool spool_archive_each(struct spool *s, bool (*each)(void *ctx, const struct spool_archive *ar), void *ctx)
{
	sqlite3_stmt *st = once(s, "SELECT path,format,identity,digest FROM archive ORDER BY num");
	bool go = true;
	while (go && step_row(s, st)) {
		struct spool_archive ar = { .path = col(st, 0), .format = col(st, 1), .identity = col(st, 2) };
		const void *digest = sqlite3_column_blob(st, 3);
		if (digest && sqlite3_column_bytes(st, 3) == DIGEST_BYTES)
			memcpy(ar.digest, digest, DIGEST_BYTES);
		go = each(ctx, &ar);
	}
	sqlite3_finalize(st);
	return go;
}

/* Days since 1970 to months since year 0: the civil calendar counted from March, so that leap days end a year. */
static int64_t month_of(int64_t us)
{
	int64_t day = us / 86400000000 - (us % 86400000000 < 0) + 719468; /* since 0000-03-01 */
	int64_t era = (day >= 0 ? day : day - 146096) / 146097, in_era = day - era * 146097;
	int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
	return (era * 400 + year) * 12 + (5 * in_year + 2) / 153 + 2; /* March is 2 */
}

bool spool_months(struct spool *s, bool (*each)(void *ctx, int year, int month, int64_t n), void *ctx)
{
	enum { FIRST = SPOOL_YEAR_MIN * 12, LAST = SPOOL_YEAR_MAX * 12 + 11 };
	int64_t *n = xcalloc(LAST - FIRST + 1, sizeof(*n));
	sqlite3_stmt *st = once(s, "SELECT ts FROM msg WHERE kind<>?1");
	sqlite3_bind_int(st, 1, MSG_LOST_ROOT); /* ours, not the source's */
	while (step_row(s, st)) {
		int64_t m = month_of(sqlite3_column_int64(st, 0));
		if (m >= FIRST && m <= LAST)
			n[m - FIRST]++;
	}
	sqlite3_finalize(st);
	bool go = true;
	for (int m = FIRST; go && m <= LAST; m++)
		if (n[m - FIRST])
			go = each(ctx, m / 12, m % 12 + 1, n[m - FIRST]);
	free(n);
	return go;
}

/* ---- reading: people and conversations ---- */

bool spool_users(struct spool *s, struct arena *a, bool (*each)(void *ctx, const struct user *u, int64_t n_msgs), void *ctx, struct err *e)
{
	sqlite3_stmt *st = once(s, "SELECT line,msgs FROM user ORDER BY id");
	bool ok = true, go = true;
	while (ok && go && step_row(s, st)) {
		struct user u;
		ok = canon_read_user(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0), a, &u, e);
		go = ok && each(ctx, &u, sqlite3_column_int64(st, 1));
	}
	sqlite3_finalize(st);
	return ok;
}

bool spool_user(struct spool *s, const char *id, struct arena *a, struct user *out)
{
	sqlite3_stmt *st = kept(s, &s->st[SQL_USER], sqls[SQL_USER]);
	bind_text(st, 1, id);
	bool ok = step_row(s, st) && canon_read_user(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0), a, out, NULL);
	sqlite3_reset(st);
	return ok;
}

static bool read_conv(sqlite3_stmt *st, struct arena *a, struct spool_conv *out, struct err *e)
{
	*out = (struct spool_conv){
		.num = sqlite3_column_int64(st, 0), .n_msgs = sqlite3_column_int64(st, 2), .n_replies = sqlite3_column_int64(st, 3),
		.n_threads = sqlite3_column_int64(st, 4), .n_files = sqlite3_column_int64(st, 5), .n_reacts = sqlite3_column_int64(st, 6),
		.first_us = sqlite3_column_int64(st, 7), .last_us = sqlite3_column_int64(st, 8),
	};
	out->n_roots = out->n_msgs - out->n_replies;
	return canon_read_conv(sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1), a, &out->conv, e);
}

bool spool_convs(struct spool *s, struct arena *a, bool (*each)(void *ctx, const struct spool_conv *c), void *ctx, struct err *e)
{
	sqlite3_stmt *st = once(s, "SELECT " CONV " FROM conv ORDER BY id");
	bool ok = true, go = true;
	while (ok && go && step_row(s, st)) {
		struct spool_conv c;
		ok = read_conv(st, a, &c, e);
		go = ok && each(ctx, &c);
	}
	sqlite3_finalize(st);
	return ok;
}

bool spool_conv(struct spool *s, const char *id, struct arena *a, struct spool_conv *out)
{
	sqlite3_stmt *st = kept(s, &s->st[SQL_CONV], sqls[SQL_CONV]);
	bind_text(st, 1, id);
	bool ok = step_row(s, st) && read_conv(st, a, out, NULL);
	sqlite3_reset(st);
	return ok;
}

/* ---- reading: messages ---- */

static void fill_meta(sqlite3_stmt *st, struct spool_meta *out)
{
	*out = (struct spool_meta){
		.conv = sqlite3_column_int64(st, 0), .ts_us = sqlite3_column_int64(st, 1), .id = col(st, 2), .root = col(st, 3),
		.root_ts_us = sqlite3_column_int64(st, 4), .author = col(st, 5), .kind = (enum msg_kind)sqlite3_column_int(st, 6),
		.flags = (uint32_t)sqlite3_column_int64(st, 7), .n_files = sqlite3_column_int(st, 8), .n_reacts = sqlite3_column_int(st, 9),
		.n_reactors = sqlite3_column_int(st, 10), .n_replies = sqlite3_column_int64(st, 11), .len = sqlite3_column_int64(st, 12),
		.fp = (uint64_t)sqlite3_column_int64(st, 13), .empty = sqlite3_column_int(st, 14) != 0,
	};
}

/* The columns hold what finishing the spool found out (thread, author by alias); the line what the archive said. */
static bool read_body(sqlite3_stmt *st, struct arena *a, struct msg *out, struct err *e)
{
	const char *conv_id;
	if (!canon_read_msg(sqlite3_column_blob(st, 15), (size_t)sqlite3_column_bytes(st, 15), a, out, &conv_id, e))
		return err_wrap(e, "spool: message %s", col(st, 2));
	out->author = arena_strdup(a, col(st, 5));
	out->parent = arena_strdup(a, col(st, 3));
	out->parent_ts_us = out->parent ? sqlite3_column_int64(st, 4) : 0;
	return true;
}

struct spool_walk *spool_walk(struct spool *s, int64_t conv, enum spool_which which, const char *root, int64_t after_ts, const char *after_id)
{
	enum sql q = which == SPOOL_ALL ? SQL_ALL : which == SPOOL_CHANNEL ? SQL_CHANNEL : SQL_THREAD;
	struct spool_walk *w = s->idle[q];
	if (w) {
		s->idle[q] = w->next;
	} else {
		w = xcalloc(1, sizeof(*w));
		w->s = s;
		w->sql = q;
	}
	kept(s, &w->st, sqls[q]);
	sqlite3_bind_int64(w->st, 1, conv);
	sqlite3_bind_int64(w->st, 2, after_id ? after_ts : INT64_MIN);
	sqlite3_bind_text(w->st, 3, after_id ? after_id : "", -1, SQLITE_TRANSIENT);
	if (q == SQL_THREAD)
		sqlite3_bind_text(w->st, 4, root, -1, SQLITE_TRANSIENT);
	return w;
}

bool spool_walk_next(struct spool_walk *w, struct spool_meta *out)
{
	if (!step_row(w->s, w->st))
		return false;
	fill_meta(w->st, out);
	return true;
}

bool spool_walk_body(struct spool_walk *w, struct arena *a, struct msg *out, struct err *e)
{
	return read_body(w->st, a, out, e);
}

void spool_walk_end(struct spool_walk *w)
{
	if (!w)
		return;
	sqlite3_reset(w->st);
	w->next = w->s->idle[w->sql];
	w->s->idle[w->sql] = w;
}

bool spool_msg(struct spool *s, int64_t conv, int64_t ts_us, const char *id, struct arena *a, struct msg *out, struct spool_meta *meta, struct err *e)
{
	sqlite3_stmt *st = kept(s, &s->st[SQL_ONE], sqls[SQL_ONE]);
	sqlite3_bind_int64(st, 1, conv);
	sqlite3_bind_int64(st, 2, ts_us);
	bind_text(st, 3, id);
	bool ok = step_row(s, st);
	if (!ok)
		err_set(e, ERR_INTERNAL, "spool: there is no message %s", id);
	ok = ok && (!out || read_body(st, a, out, e));
	if (ok && meta) {
		fill_meta(st, meta);
		meta->id = arena_strdup(a, meta->id);
		meta->root = arena_strdup(a, meta->root);
		meta->author = arena_strdup(a, meta->author);
	}
	sqlite3_reset(st);
	return ok;
}

bool spool_find(struct spool *s, int64_t conv, const char *id, int64_t *ts_us)
{
	return locate(s, conv, id, 0, ts_us, NULL, NULL);
}
