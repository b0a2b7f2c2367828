/* ledger.c: opening, transactions, names and every change of state of the durable record.
 *
 * Promises: what ledger_commit returned true for survives power loss (WAL, synchronous=FULL, both read back at open); a
 * change that the state machine does not allow never happens (the schema refuses it and we die); after a failure of the disk
 * nothing of that transaction holds and ledger_commit says so.
 * Called by the engine (writes), stream, plan, verify, rollback, status (reads). Reads of many rows are in ledger_read.c.
 * Does not: hold message text or tokens, decide what to write, talk to a target.
 */
#include "replay/ledger.h"

#include "replay/ledger_db.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/step.h"
#include "embed/replay/schema.sql.h"
#include "embed/replay/schema_v2.sql.h"
#include "embed/replay/schema_v3.sql.h"
#include "embed/replay/schema_v4.sql.h"
#include "embed/replay/schema_v5.sql.h"
#include "embed/replay/schema_v6.sql.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DB_NAME "ledger.db"
#define LOCK_NAME "ledger.lock"
enum {
	APPLICATION_ID = 0x4d564c44, /* "MVLD": file(1) and a person with sqlite3 can tell what this is */
	VERSION = 6,
	READABLE = 1,                /* the oldest version whose rows are read as they are */
	BUSY_MS = 10000,             /* somebody looks with sqlite3 and holds a lock for a moment */
	SMALL_PAGES = 2048,          /* up to 8 MiB the check costs nothing worth saving, clean end or not */
};

/* migrations[v] leads from version v to v + 1; [0] makes a new ledger. */
static const char *const migrations[VERSION] = { (const char *)embed_schema_sql, (const char *)embed_schema_v2_sql,
                                                 (const char *)embed_schema_v3_sql, (const char *)embed_schema_v4_sql,
                                                 (const char *)embed_schema_v5_sql, (const char *)embed_schema_v6_sql };

static const char *const sql_of[N_LEDGER_STMT] = {
	[S_BEGIN] = "BEGIN IMMEDIATE",
	[S_COMMIT] = "COMMIT",
	[S_ROLLBACK] = "ROLLBACK",
	[S_GET] = "SELECT " OP_COLUMNS " FROM op WHERE conv = ?1 AND ts = ?2 AND id = ?3 AND kind = ?4 AND part = ?5",
	[S_SEQ] = "SELECT coalesce(max(seq), 0) FROM op WHERE lane = ?1",
	/* OR ROLLBACK, OR FAIL: SQLite need not be able to undo the one statement, which would cost as much again. A change that is
	 * not allowed ends the process, a disk that fails ends the transaction. */
	[S_INTENT] = "INSERT OR FAIL INTO op(conv, ts, id, kind, part, lane, seq, state, src_fp, body_fp, loss, tries, sent, run)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?12, 1, ?7, ?8, ?9, 1, ?10, ?11)",
	[S_AGAIN] = "UPDATE OR ROLLBACK op SET lane = ?6, seq = ?12, state = 1,"
		" target2 = CASE WHEN kind <> 10 THEN NULL WHEN state = 3 THEN 'was ' || src_fp || ' ' || body_fp || ' ' ||"
		" loss || ' ' || sent || ' ' || run || ' ' || target WHEN state IN (2, 4) THEN target2 END,"
		" target = NULL, why = NULL, src_fp = ?7, body_fp = ?8, loss = ?9, tries = tries + 1, sent = ?10, run = ?11"
		" WHERE conv = ?1 AND ts = ?2 AND id = ?3 AND kind = ?4 AND part = ?5 AND (state = 2 OR state = 4 OR state = 5 OR state = 3 AND kind = 10)",
	[S_DONE] = "UPDATE OR ROLLBACK op SET state = 3, target = ?6, target2 = ?7, why = NULL"
		" WHERE conv = ?1 AND ts = ?2 AND id = ?3 AND kind = ?4 AND part = ?5 AND state IN (1, 2)",
	[S_REJECT] = "UPDATE OR ROLLBACK op SET state = 4, why = ?6"
		" WHERE conv = ?1 AND ts = ?2 AND id = ?3 AND kind = ?4 AND part = ?5 AND state IN (1, 2)",
	[S_UNKNOWN] = "UPDATE OR ROLLBACK op SET state = 2, why = ?6"
		" WHERE conv = ?1 AND ts = ?2 AND id = ?3 AND kind = ?4 AND part = ?5 AND state IN (1, 2)",
	[S_UNSENT] = "DELETE FROM op WHERE conv = ?1 AND ts = ?2 AND id = ?3 AND kind = ?4 AND part = ?5 AND state = 1",
	[S_UPLOAD_AGAIN] = "UPDATE OR ROLLBACK op SET state = 1, why = NULL WHERE conv = ?1 AND ts = ?2 AND id = ?3 AND kind = ?4 AND part = ?5 AND state = 2",
	[S_UNSENT_EDIT] = "UPDATE OR ROLLBACK op SET state = 3, target = ?6, target2 = NULL, why = NULL, src_fp = ?7, body_fp = ?8, loss = ?9,"
		" sent = ?10, run = ?11 WHERE conv = ?1 AND ts = ?2 AND id = ?3 AND kind = ?4 AND part = ?5 AND state = 1",
	[S_GONE] = "UPDATE OR ROLLBACK op SET state = 5"
		" WHERE conv = ?1 AND ts = ?2 AND id = ?3 AND kind = ?4 AND part = ?5 AND state = 3",
	[S_OPEN] = "SELECT " OP_COLUMNS " FROM op WHERE lane = ?1 AND kind <> 3 AND state IN (1, 2)",
	[S_ANCHOR] = "SELECT target FROM op WHERE lane = ?1 AND ((1 << kind) & ?2) AND state = 3 ORDER BY seq DESC LIMIT 1",
	[S_OWNS] = "SELECT 1 FROM op WHERE kind = ?1 AND target = ?2 AND state = 3 LIMIT 1",
	[S_OWNS_POST] = "SELECT 1 FROM op WHERE kind = 4 AND target = ?2 AND target IS NOT NULL AND state = 3 AND ?1 = 4",
	[S_OWNS_MADE] = "SELECT 1 FROM op INDEXED BY op_made"
		" WHERE kind = ?1 AND kind IN (1, 2, 5) AND (kind = 1 OR kind = 2 OR kind = 5) AND target = ?2 AND target IS NOT NULL AND state = 3 LIMIT 1",
	[S_NEWEST] = "SELECT " OP_COLUMNS ", seq FROM op WHERE lane = ?1 AND seq < ?2 AND ((1 << kind) & ?3) AND state = 3"
		" ORDER BY seq DESC LIMIT 1",
	[S_FIND_POST] = "SELECT " OP_COLUMNS " FROM op WHERE kind = 4 AND target = ?1 AND target IS NOT NULL",
	[S_SENT] = "SELECT sent FROM op WHERE lane = ?1 AND ((1 << kind) & ?2) ORDER BY seq DESC LIMIT ?3",
	[S_CONV] = "SELECT num FROM conv WHERE name = ?1",
	[S_CONV_ADD] = "INSERT INTO conv(name) VALUES(?1)",
	[S_CONV_NAME] = "SELECT name FROM conv WHERE num = ?1",
	[S_LANE] = "SELECT num FROM lane WHERE name = ?1",
	[S_LANE_ADD] = "INSERT INTO lane(name) VALUES(?1)",
	[S_LANE_NAME] = "SELECT name FROM lane WHERE num = ?1",
	[S_COUNT_INTENTS] = "UPDATE status SET intents = intents + ?1",
};

/* ---- small tools ---- */

/* What broke outside of our own logic: disk full, I/O error, a foreign lock that stays. */
static bool disk_error(struct ledger *l, struct err *e, const char *doing)
{
	err_set(e, ERR_INTERNAL, "the ledger cannot %s: %s", doing, sqlite3_errmsg(l->db));
	return err_hint(e, "check free space and permissions of the state folder, then run the same command again");
}

/* Inside a transaction the first failure decides; everything after it is left alone, because SQLite may already have rolled
 * back and would otherwise commit each further statement on its own. */
static void fail(struct ledger *l, const char *doing)
{
	if (!l->failed)
		disk_error(l, &l->why, doing);
	l->failed = true;
}

void ledger_fail(struct ledger *l, const char *doing)
{
	fail(l, doing);
}

sqlite3_stmt *ledger_prepare(struct ledger *l, const char *sql)
{
	sqlite3_stmt *s;
	if (sqlite3_prepare_v2(l->db, sql, -1, &s, NULL) != SQLITE_OK)
		die("ledger: %s: %s", sqlite3_errmsg(l->db), sql);
	return s;
}

sqlite3_stmt *ledger_stmt(struct ledger *l, enum ledger_stmt n)
{
	if (!l->stmt[n] && sqlite3_prepare_v3(l->db, sql_of[n], -1, SQLITE_PREPARE_PERSISTENT, &l->stmt[n], NULL) != SQLITE_OK)
		die("ledger: %s: %s", sqlite3_errmsg(l->db), sql_of[n]);
	return l->stmt[n];
}

static void bind_str(sqlite3_stmt *s, int n, const char *v)
{
	if (v)
		sqlite3_bind_text(s, n, v, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(s, n);
}

static void bind_key(sqlite3_stmt *s, const struct opkey *k)
{
	sqlite3_bind_int64(s, 1, k->conv);
	sqlite3_bind_int64(s, 2, k->ts_us);
	bind_str(s, 3, k->id);
	sqlite3_bind_int(s, 4, (int)k->kind);
	sqlite3_bind_int(s, 5, k->part);
}

/* Puts a statement back for its next use; text bound to it belongs to callers and must not be kept. */
static void done_with(sqlite3_stmt *s)
{
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
}

static bool exec(struct ledger *l, const char *sql)
{
	return sqlite3_exec(l->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static int64_t pragma_int(struct ledger *l, const char *sql)
{
	sqlite3_stmt *s = NULL;
	int64_t v = -1;
	if (sqlite3_prepare_v2(l->db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
		v = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return v;
}

static bool pragma_is(struct ledger *l, const char *sql, const char *want)
{
	sqlite3_stmt *s = NULL;
	bool same = false;
	if (sqlite3_prepare_v2(l->db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
		const char *got = (const char *)sqlite3_column_text(s, 0);
		same = got && streq(got, want);
	}
	sqlite3_finalize(s);
	return same;
}

/* ---- opening ---- */

/* One writer: the kernel lets the lock go when we die, however we die. The pid inside is for people. */
static bool lock(struct ledger *l, const char *dir, struct err *e)
{
	char path[4096], text[32] = "";
	if (!fmt_into(path, sizeof(path), "%s/" LOCK_NAME, dir))
		return err_set(e, ERR_USAGE, "the name of the state folder is too long");
	l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (l->lock_fd < 0)
		return err_set(e, ERR_INTERNAL, "cannot open %s:", path);
	if (flock(l->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_set(e, ERR_INTERNAL, "cannot lock %s:", path);
		ssize_t n = read(l->lock_fd, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		long pid = strtol(text, NULL, 10);
		if (pid > 0)
			err_set(e, ERR_LOCKED, "another mvchat (process %ld) is writing to this ledger", pid);
		else
			err_set(e, ERR_LOCKED, "another mvchat is writing to this ledger");
		return err_hint(e, "wait until it ends, or watch it with: mvchat status");
	}
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(l->lock_fd, 0) < 0 || pwrite(l->lock_fd, text, (size_t)n, 0) != n)
		return err_set(e, ERR_INTERNAL, "cannot write %s:", path);
	return true;
}

/* Takes the lock for a moment, but only while the last writer's process lives: one that is just starting has not written its
 * number yet and is not disturbed. */
bool ledger_in_use(const char *dir)
{
	char path[4096], text[32] = "";
	if (!fmt_into(path, sizeof(path), "%s/" LOCK_NAME, dir))
		return false;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	long pid = strtol(text, NULL, 10);
	bool lives = pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
	bool busy = lives && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return busy;
}

/* The file itself is made by us, so that it is never readable to others, not even for a moment; WAL files follow its mode. */
static bool make_file(const char *dir, const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, ERR_INTERNAL, "cannot open %s:", path);
	close(fd);
	int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d >= 0) {
		fsync(d); /* the name must survive power loss as well; where folders cannot be synced there is nothing to do */
		close(d);
	}
	return true;
}

static bool damaged(struct err *e, const char *how)
{
	err_set(e, ERR_INTERNAL, "the ledger is damaged: %s", how);
	return err_hint(e, "put back a backup, or delete ledger.db and ledger.db-wal and rebuild them from the target with: mvchat verify --adopt");
}

static bool migrate(struct ledger *l, int64_t from, struct err *e)
{
	for (int64_t v = from; v < VERSION; v++) {
		char tail[300];
		fmt_into(tail, sizeof(tail), "INSERT INTO migration VALUES(%d, %lld, 'mvchat " MVCHAT_VERSION "');"
			" PRAGMA user_version = %d; PRAGMA application_id = %d; COMMIT",
			(int)v + 1, (long long)clock_wall_us(), (int)v + 1, (int)APPLICATION_ID);
		if (!exec(l, "BEGIN IMMEDIATE") || !exec(l, migrations[v]) || !exec(l, tail)) {
			int why = sqlite3_errcode(l->db) & 0xff;
			if (v > 0 && (why == SQLITE_CONSTRAINT || why == SQLITE_CORRUPT || why == SQLITE_NOTADB || why == SQLITE_ERROR))
				damaged(e, sqlite3_errmsg(l->db)); /* what is in it cannot have been written by us */
			else
				disk_error(l, e, "be brought to the current version");
			exec(l, "ROLLBACK");
			return false;
		}
		step("ledger-migrated");
	}
	return true;
}

/* The whole check, indexes too: the promises of the schema live in them, and a copy torn by hand may hold a table and indexes of
 * different moments. */
static bool sound(struct ledger *l, struct err *e)
{
	sqlite3_stmt *s = NULL;
	const char *said = sqlite3_errmsg(l->db);
	if (sqlite3_prepare_v2(l->db, "PRAGMA integrity_check(1)", -1, &s, NULL) == SQLITE_OK) {
		if (sqlite3_step(s) == SQLITE_ROW)
			said = (const char *)sqlite3_column_text(s, 0);
		if (said && streq(said, "ok")) {
			sqlite3_finalize(s);
			return true;
		}
	}
	damaged(e, said ? said : "no answer");
	sqlite3_finalize(s);
	return false;
}

/* Ours, not newer than we are, and brought up to date when we may write. */
static bool check_version(struct ledger *l, const char *path, struct err *e)
{
	int64_t app = pragma_int(l, "PRAGMA application_id"), version = pragma_int(l, "PRAGMA user_version");
	if (app < 0 || version < 0) {
		err_set(e, ERR_INTERNAL, "%s cannot be read as a ledger: %s", path, sqlite3_errmsg(l->db));
		return err_hint(e, "put back a backup, or delete ledger.db and ledger.db-wal and rebuild them from the target with: mvchat verify --adopt");
	}
	if (version > 0 && app != APPLICATION_ID)
		return err_set(e, ERR_INTERNAL, "%s is a database, but not a ledger of mvchat", path);
	if (version > VERSION) {
		err_set(e, ERR_INTERNAL, "this ledger was written by a newer mvchat (version %lld, known is %d)", (long long)version, (int)VERSION);
		return err_hint(e, "go on with that mvchat, or a newer one; nothing was changed");
	}
	l->version = version;
	if (version == VERSION || (l->mode == LEDGER_READ && version >= READABLE))
		return true;
	if (l->mode == LEDGER_READ)
		return err_set(e, ERR_INTERNAL, "this ledger was written by an older mvchat and is brought up to date by the next apply");
	/* A torn copy must not be taken for one that only needs to be brought up to date. */
	return (version == 0 || sound(l, e)) && migrate(l, version, e);
}

/* The guarantees rest on these two, so they are read back and not believed. */
static bool set_durable(struct ledger *l, struct err *e)
{
	if (!pragma_is(l, "PRAGMA journal_mode = WAL", "wal"))
		return err_set(e, ERR_INTERNAL, "the ledger's file system cannot hold a write-ahead log: %s", sqlite3_errmsg(l->db));
	exec(l, "PRAGMA synchronous = FULL");
	if (pragma_int(l, "PRAGMA synchronous") != 2)
		return err_set(e, ERR_INTERNAL, "the ledger cannot be made to sync every commit");
	return true;
}

static void read_ident(struct ledger *l)
{
	l->ident = pragma_int(l, "SELECT ident FROM status");
	l->intents = pragma_int(l, "SELECT intents FROM status");
}

/* Is this the newest ledger of the project? What was brought up to date just now comes from a time without marks. */
static bool claim(struct ledger *l, const char *dir, struct err *e)
{
	read_ident(l);
	enum ledger_age age = ledger_mark_read(l, dir);
	if (age == LEDGER_UNPROVEN && l->version == 1)
		age = LEDGER_NEWEST;
	if (l->rebuilding ? false : !ledger_refused(age, e))
		return false;
	if (!ledger_mark_open(l, dir, e))
		return false;
	if (age == LEDGER_NEWEST)
		return ledger_mark_set(l, dir, e);
	l->outdated = true;
	/* Open ops of another day cannot be settled by their anchor: what follows them in the target is not known here. Another
	 * identity: while it is being completed its count must not be taken for the mark's. */
	if (!exec(l, "BEGIN IMMEDIATE; UPDATE op SET state = 1 WHERE state = 2; DELETE FROM op WHERE state = 1;"
	             " UPDATE status SET ident = random(); COMMIT"))
		return disk_error(l, e, "be written");
	read_ident(l);
	return true;
}

bool ledger_rebuilt(struct ledger *l, struct err *e)
{
	if (!l->outdated)
		return true;
	l->outdated = !ledger_mark_set(l, l->dir, e);
	return !l->outdated;
}

static bool open_write(struct ledger *l, const char *dir, const char *path, struct err *e)
{
	if (!lock(l, dir, e) || !make_file(dir, path, e))
		return false;
	if (sqlite3_open_v2(path, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return err_set(e, ERR_INTERNAL, "cannot open %s: %s", path, l->db ? sqlite3_errmsg(l->db) : "no memory");
	sqlite3_extended_result_codes(l->db, 1);
	/* Without this SQLite looks at bound values to see whether a partial index fits, and prepares every statement anew
	 * each time it is bound: four times the cost of the change itself, measured on 3.40.1. */
	sqlite3_db_config(l->db, SQLITE_DBCONFIG_ENABLE_QPSG, 1, NULL);
	sqlite3_busy_timeout(l->db, BUSY_MS);
	exec(l, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -6144; PRAGMA temp_store = MEMORY");
	if (!check_version(l, path, e) || !set_durable(l, e))
		return false;
	bool clean = pragma_int(l, "SELECT clean FROM status") == 1;
	if ((!clean || pragma_int(l, "PRAGMA page_count") <= SMALL_PAGES) && !sound(l, e))
		return false;
	return claim(l, dir, e) && (exec(l, "UPDATE status SET clean = 0") || disk_error(l, e, "be written"));
}

static bool open_read(struct ledger *l, const char *dir, const char *path, struct err *e)
{
	struct stat st;
	bool there = stat(path, &st) == 0 && st.st_size > 0;
	int flags = there ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	if (sqlite3_open_v2(there ? path : ":memory:", &l->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return err_set(e, ERR_INTERNAL, "cannot open %s: %s", path, l->db ? sqlite3_errmsg(l->db) : "no memory");
	sqlite3_busy_timeout(l->db, BUSY_MS);
	sqlite3_db_config(l->db, SQLITE_DBCONFIG_ENABLE_QPSG, 1, NULL);
	/* Read between the making of the file and its first commit it has no tables yet: as good as missing. */
	if (there && pragma_int(l, "PRAGMA user_version") == 0 && pragma_int(l, "SELECT count(*) FROM sqlite_schema") == 0) {
		sqlite3_close(l->db);
		there = false;
		if (sqlite3_open_v2(":memory:", &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
			return err_set(e, ERR_INTERNAL, "no memory for an empty ledger");
	}
	if (!there && !migrate(l, 0, e))
		return false;
	if (there && !check_version(l, path, e))
		return false;
	if (l->version != 1) {
		if (there)
			read_ident(l);
		l->outdated = ledger_mark_read(l, dir) != LEDGER_NEWEST;
	}
	return true;
}

struct ledger *ledger_open(const char *dir, enum ledger_mode mode, struct err *e)
{
	/* SQLite counts its memory under a lock, which costs a sixth of a change; refused, harmlessly, once it is in use. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	struct ledger *l = xcalloc(1, sizeof(*l));
	l->mode = mode == LEDGER_READ ? LEDGER_READ : LEDGER_WRITE;
	l->rebuilding = mode == LEDGER_REBUILD;
	l->dir = xstrdup(dir);
	l->lock_fd = l->mark_fd = -1;
	char path[4096];
	bool ok = fmt_into(path, sizeof(path), "%s/" DB_NAME, dir);
	if (!ok)
		err_set(e, ERR_USAGE, "the name of the state folder is too long");
	ok = ok && (l->mode == LEDGER_WRITE ? open_write(l, dir, path, e) : open_read(l, dir, path, e));
	if (ok)
		return l;
	l->failed = true; /* so that closing writes nothing */
	ledger_close(l);
	return NULL;
}

void ledger_close(struct ledger *l)
{
	if (!l)
		return;
	if (l->in_tx) /* names only, or a caller that gave up: either way it does not count */
		sqlite3_step(ledger_stmt(l, S_ROLLBACK));
	for (size_t i = 0; i < N_LEDGER_STMT; i++)
		sqlite3_finalize(l->stmt[i]);
	ledger_walks_release(l);
	if (l->mode == LEDGER_WRITE && !l->failed)
		exec(l, "UPDATE status SET clean = 1");
	if (sqlite3_close(l->db) != SQLITE_OK)
		die("ledger: closed while a walk was open");
	if (l->lock_fd >= 0)
		close(l->lock_fd);
	if (l->mark_fd >= 0)
		close(l->mark_fd);
	free(l->dir);
	free(l->stale);
	free(l->other_names);
	free(l);
}

/* ---- transactions ---- */

static void open_tx(struct ledger *l)
{
	if (l->mode != LEDGER_WRITE)
		die("ledger: opened for reading");
	sqlite3_stmt *s = ledger_stmt(l, S_BEGIN);
	if (sqlite3_step(s) != SQLITE_DONE)
		fail(l, "be written");
	sqlite3_reset(s);
	l->in_tx = true;
}

void ledger_begin(struct ledger *l)
{
	if (l->asked_tx)
		die("ledger: transaction in a transaction");
	if (!l->in_tx)
		open_tx(l);
	l->asked_tx = true;
}

bool ledger_commit(struct ledger *l, struct err *e)
{
	if (!l->asked_tx)
		die("ledger: commit without begin");
	l->in_tx = l->asked_tx = false;
	step("ledger-commit");
	if (!l->failed && l->fresh) {
		sqlite3_stmt *s = ledger_stmt(l, S_COUNT_INTENTS);
		sqlite3_bind_int64(s, 1, l->fresh);
		if (sqlite3_step(s) != SQLITE_DONE)
			fail(l, "be written");
		sqlite3_reset(s);
	}
	if (!l->failed) {
		sqlite3_stmt *s = ledger_stmt(l, S_COMMIT);
		if (sqlite3_step(s) != SQLITE_DONE)
			fail(l, "be written");
		sqlite3_reset(s);
	}
	if (l->failed) {
		if (!sqlite3_get_autocommit(l->db)) {
			sqlite3_step(ledger_stmt(l, S_ROLLBACK));
			sqlite3_reset(ledger_stmt(l, S_ROLLBACK));
		}
		if (e)
			*e = l->why;
		l->failed = false;
		l->fresh = 0;
		memset(l->last, 0, sizeof(l->last));
		return false;
	}
	l->intents += l->fresh;
	l->fresh = 0;
	ledger_mark_raise(l);
	step("ledger-committed");
	return true;
}

/* Names made outside of a transaction left one open; what must be on disk by itself brings them along. */
static bool close_names(struct ledger *l, struct err *e)
{
	if (!l->in_tx || l->asked_tx)
		return true;
	l->asked_tx = true;
	return ledger_commit(l, e);
}

/* ---- pair and runs ---- */

/* For the mark. */
static void keep_bond(struct ledger *l, const char *target_id)
{
	if (!fmt_into(l->bond, sizeof(l->bond), "%s", target_id))
		l->bond[0] = '\0';
}

bool ledger_bond(struct ledger *l, const char *source_id, const char *target_id, struct err *e)
{
	sqlite3_stmt *s = ledger_prepare(l, "SELECT source, target FROM bond");
	if (sqlite3_step(s) == SQLITE_ROW) {
		const char *source = (const char *)sqlite3_column_text(s, 0), *target = (const char *)sqlite3_column_text(s, 1);
		bool same = streq(source, source_id) && streq(target, target_id);
		if (!same) {
			err_set(e, ERR_LOCKED, "this ledger belongs to %s -> %s, not to %s -> %s", source, target, source_id, target_id);
			err_hint(e, "use the project folder of that pair, or a new one for this pair");
		}
		keep_bond(l, target);
		sqlite3_finalize(s);
		return same;
	}
	sqlite3_finalize(s);
	if (l->mode == LEDGER_READ)
		return true;
	if (!ledger_mark_belongs(l, target_id, e) || !close_names(l, e))
		return false;
	keep_bond(l, target_id);
	s = ledger_prepare(l, "INSERT INTO bond VALUES(1, ?1, ?2)");
	bind_str(s, 1, source_id);
	bind_str(s, 2, target_id);
	bool ok = sqlite3_step(s) == SQLITE_DONE || disk_error(l, e, "be written");
	sqlite3_finalize(s);
	return ok;
}


int64_t ledger_run_begin(struct ledger *l, const char *cmd, const uint8_t mapping[DIGEST_BYTES], struct err *e)
{
	if (!close_names(l, e))
		return 0;
	sqlite3_stmt *s = ledger_prepare(l, "INSERT INTO run(cmd, began, mapping, version) VALUES(?1, ?2, ?3, ?4)");
	bind_str(s, 1, cmd);
	sqlite3_bind_int64(s, 2, clock_wall_us());
	sqlite3_bind_blob(s, 3, mapping, DIGEST_BYTES, SQLITE_STATIC);
	bind_str(s, 4, MVCHAT_VERSION);
	bool ok = sqlite3_step(s) == SQLITE_DONE || disk_error(l, e, "be written");
	sqlite3_finalize(s);
	if (!ok)
		return 0;
	step("run-begun");
	ledger_current_mapping(l, mapping);
	return sqlite3_last_insert_rowid(l->db);
}

void ledger_run_end(struct ledger *l, int64_t run, int exit_code)
{
	struct err lost;
	if (!close_names(l, &lost))
		return;
	sqlite3_stmt *s = ledger_prepare(l, "UPDATE run SET ended = ?2, exit = ?3 WHERE id = ?1");
	sqlite3_bind_int64(s, 1, run);
	sqlite3_bind_int64(s, 2, clock_wall_us());
	sqlite3_bind_int(s, 3, exit_code);
	if (sqlite3_step(s) != SQLITE_DONE) /* the run's end is for people; the ops are safe without it */
		log_warn("ledger.run_end", "the end of run %lld is not recorded: %s", (long long)run, sqlite3_errmsg(l->db));
	sqlite3_finalize(s);
	step("run-ended");
}

void ledger_current_mapping(struct ledger *l, const uint8_t mapping[DIGEST_BYTES])
{
	memcpy(l->mapping, mapping, DIGEST_BYTES);
	l->n_other_names = 0;
	if (l->n_stale)
		memset(l->stale, 0, l->n_stale);
}

void ledger_other_names(struct ledger *l, int64_t from, int64_t until)
{
	if (l->n_other_names == l->cap_other_names) {
		l->cap_other_names = l->cap_other_names ? 2 * l->cap_other_names : 16;
		l->other_names = xrealloc(l->other_names, l->cap_other_names * sizeof(*l->other_names));
	}
	l->other_names[l->n_other_names].from = from;
	l->other_names[l->n_other_names++].until = until;
	if (l->n_stale)
		memset(l->stale, 0, l->n_stale);
}

static bool stale(struct ledger *l, int64_t run)
{
	enum { MAX_KNOWN = 1 << 20 };
	if (run < 0 || run >= MAX_KNOWN)
		return true;
	size_t i = (size_t)run;
	if (i >= l->n_stale) {
		size_t n = 2 * i + 16;
		l->stale = xrealloc(l->stale, n);
		memset(l->stale + l->n_stale, 0, n - l->n_stale);
		l->n_stale = n;
	}
	if (!l->stale[i]) {
		sqlite3_stmt *s = ledger_prepare(l, "SELECT mapping FROM run WHERE id = ?1");
		sqlite3_bind_int64(s, 1, run);
		bool same = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_bytes(s, 0) == DIGEST_BYTES &&
			!memcmp(sqlite3_column_blob(s, 0), l->mapping, DIGEST_BYTES);
		sqlite3_finalize(s);
		for (size_t k = 0; k < l->n_other_names && same; k++)
			same = run < l->other_names[k].from || run >= l->other_names[k].until;
		l->stale[i] = same ? 1 : 2;
	}
	return l->stale[i] == 2;
}

/* ---- names ---- */

static int64_t number(struct ledger *l, enum ledger_stmt get, enum ledger_stmt add, const char *name)
{
	sqlite3_stmt *s = ledger_stmt(l, get);
	bind_str(s, 1, name);
	int64_t n = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
	done_with(s);
	if (n >= 0 || l->mode == LEDGER_READ)
		return n;
	/* Made outside of a transaction it waits for the next one: a number that no op uses yet may be lost. */
	if (!l->in_tx)
		open_tx(l);
	if (l->failed)
		return -1;
	s = ledger_stmt(l, add);
	bind_str(s, 1, name);
	if (sqlite3_step(s) == SQLITE_DONE)
		n = sqlite3_last_insert_rowid(l->db);
	else
		fail(l, "be written");
	done_with(s);
	return n;
}

static const char *name_of(struct ledger *l, enum ledger_stmt get, int64_t num, struct arena *a)
{
	sqlite3_stmt *s = ledger_stmt(l, get);
	sqlite3_bind_int64(s, 1, num);
	const char *name = sqlite3_step(s) == SQLITE_ROW ? arena_strdup(a, (const char *)sqlite3_column_text(s, 0)) : NULL;
	done_with(s);
	return name;
}

int64_t ledger_conv(struct ledger *l, const char *source_conv)
{
	return *source_conv ? number(l, S_CONV, S_CONV_ADD, source_conv) : 0;
}

const char *ledger_conv_name(struct ledger *l, int64_t conv, struct arena *a)
{
	return name_of(l, S_CONV_NAME, conv, a);
}

int64_t ledger_lane(struct ledger *l, const char *name)
{
	return number(l, S_LANE, S_LANE_ADD, name);
}

const char *ledger_lane_name(struct ledger *l, int64_t lane, struct arena *a)
{
	return name_of(l, S_LANE_NAME, lane, a);
}

/* ---- one op ---- */

void ledger_row_read(struct ledger *l, sqlite3_stmt *s, struct ledger_row *out)
{
	struct ledger_was was;
	*out = (struct ledger_row){
		.key = { .conv = sqlite3_column_int64(s, 0), .ts_us = sqlite3_column_int64(s, 1),
			.id = (const char *)sqlite3_column_text(s, 2), .kind = (enum op_kind)sqlite3_column_int(s, 3),
			.part = sqlite3_column_int(s, 4) },
		.lane = sqlite3_column_int64(s, 5), .state = (enum op_state)sqlite3_column_int(s, 6),
		.target = (const char *)sqlite3_column_text(s, 7), .target2 = (const char *)sqlite3_column_text(s, 8),
		.why = (const char *)sqlite3_column_text(s, 9),
		.src_fp = (uint64_t)sqlite3_column_int64(s, 10), .body_fp = (uint64_t)sqlite3_column_int64(s, 11),
		.loss = (uint32_t)sqlite3_column_int64(s, 12), .tries = sqlite3_column_int(s, 13),
		.sent_us = sqlite3_column_int64(s, 14), .run = sqlite3_column_int64(s, 15),
	};
	out->stale_mapping = stale(l, out->run);
	if (out->key.kind == OP_EDIT && ledger_was_read(out->target2, &was)) {
		out->was.any = true;
		out->was.src_fp = (uint64_t)was.src_fp;
		out->was.body_fp = (uint64_t)was.body_fp;
		out->was.loss = (uint32_t)was.loss;
		out->was.stale_mapping = stale(l, was.run);
	}
}

static void keep_strings(struct ledger_row *r, struct arena *a)
{
	r->key.id = arena_strdup(a, r->key.id);
	r->target = arena_strdup(a, r->target);
	r->target2 = arena_strdup(a, r->target2);
	r->why = arena_strdup(a, r->why);
}

static bool row_or_none(struct ledger *l, sqlite3_stmt *s, struct arena *a, struct ledger_row *out)
{
	int rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		ledger_row_read(l, s, out);
		keep_strings(out, a);
	} else if (rc != SQLITE_DONE) {
		die("ledger: cannot be read: %s", sqlite3_errmsg(l->db)); /* "absent" would be a lie that sends twice */
	}
	done_with(s);
	return rc == SQLITE_ROW;
}

bool ledger_get(struct ledger *l, const struct opkey *k, struct arena *a, struct ledger_row *out)
{
	sqlite3_stmt *s = ledger_stmt(l, S_GET);
	bind_key(s, k);
	return row_or_none(l, s, a, out);
}

bool ledger_open_op(struct ledger *l, int64_t lane, struct arena *a, struct ledger_row *out)
{
	sqlite3_stmt *s = ledger_stmt(l, S_OPEN);
	sqlite3_bind_int64(s, 1, lane);
	return row_or_none(l, s, a, out);
}

const char *ledger_anchor(struct ledger *l, int64_t lane, uint32_t kinds, struct arena *a)
{
	sqlite3_stmt *s = ledger_stmt(l, S_ANCHOR);
	sqlite3_bind_int64(s, 1, lane);
	sqlite3_bind_int64(s, 2, kinds);
	int rc = sqlite3_step(s);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		die("ledger: cannot be read: %s", sqlite3_errmsg(l->db));
	const char *id = rc == SQLITE_ROW ? arena_strdup(a, (const char *)sqlite3_column_text(s, 0)) : NULL;
	done_with(s);
	return id;
}

bool ledger_newest(struct ledger *l, int64_t lane, uint32_t kinds, int64_t *before, struct arena *a, struct ledger_row *out)
{
	sqlite3_stmt *s = ledger_stmt(l, S_NEWEST);
	sqlite3_bind_int64(s, 1, lane);
	sqlite3_bind_int64(s, 2, *before ? *before : INT64_MAX);
	sqlite3_bind_int64(s, 3, kinds);
	int rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		*before = sqlite3_column_int64(s, N_OP_COLUMNS);
		ledger_row_read(l, s, out);
		keep_strings(out, a);
	} else if (rc != SQLITE_DONE) {
		die("ledger: cannot be read: %s", sqlite3_errmsg(l->db));
	}
	done_with(s);
	return rc == SQLITE_ROW;
}

bool ledger_find_post(struct ledger *l, const char *target, struct arena *a, struct ledger_row *out)
{
	sqlite3_stmt *s = ledger_stmt(l, S_FIND_POST);
	bind_str(s, 1, target);
	return row_or_none(l, s, a, out);
}

static enum ledger_stmt owns_stmt(enum op_kind kind)
{
	switch (kind) {
	case OP_POST:
		return S_OWNS_POST;
	case OP_USER_CREATE: case OP_CHAT_CREATE: case OP_THREAD_OPEN:
		return S_OWNS_MADE;
	case OP_UPLOAD: case OP_REACT: case OP_PIN: case OP_MEMBERS: case OP_ARCHIVE: case OP_EDIT: case OP_DELETE:
		break;
	}
	return S_OWNS; /* reads the whole ledger: nobody asks this often */
}

bool ledger_owns(struct ledger *l, enum op_kind kind, const char *target)
{
	sqlite3_stmt *s = ledger_stmt(l, owns_stmt(kind));
	sqlite3_bind_int(s, 1, (int)kind);
	bind_str(s, 2, target);
	int rc = sqlite3_step(s);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		die("ledger: cannot be read: %s", sqlite3_errmsg(l->db));
	done_with(s);
	return rc == SQLITE_ROW;
}

/* What came of a bound change of state. The disk may fail (the commit will say so); a change that is not allowed may not. */
static void changed(struct ledger *l, int rc, sqlite3_stmt *s, const struct opkey *k, const char *what)
{
	if ((rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_MISUSE || (rc & 0xff) == SQLITE_MISMATCH)
		die("ledger: %s of kind %d, part %d, id %s: %s", what, (int)k->kind, k->part, k->id, sqlite3_errmsg(l->db));
	if (rc != SQLITE_DONE)
		fail(l, "be written");
	else if (sqlite3_changes(l->db) != 1)
		die("ledger: %s of kind %d, part %d, id %s does not fit its state", what, (int)k->kind, k->part, k->id);
	done_with(s);
}

static void change(struct ledger *l, sqlite3_stmt *s, const struct opkey *k, const char *what)
{
	changed(l, sqlite3_step(s), s, k, what);
}

/* True when the change may be tried at all. */
static bool may_change(const struct ledger *l)
{
	if (!l->asked_tx)
		die("ledger: change outside of a transaction");
	return !l->failed;
}

/* The next place in a lane: nobody else writes. What is remembered of a transaction that fails is forgotten with it. */
static int64_t next_seq(struct ledger *l, int64_t lane)
{
	size_t i = (size_t)lane & (LEDGER_LASTS - 1);
	if (!l->last[i].seq || l->last[i].lane != lane) {
		sqlite3_stmt *s = ledger_stmt(l, S_SEQ);
		sqlite3_bind_int64(s, 1, lane);
		if (sqlite3_step(s) != SQLITE_ROW)
			fail(l, "be read");
		l->last[i].lane = lane;
		l->last[i].seq = sqlite3_column_int64(s, 0);
		done_with(s);
	}
	return ++l->last[i].seq;
}

static sqlite3_stmt *bind_intent(struct ledger *l, enum ledger_stmt n, const struct opkey *k, int64_t lane, uint64_t src_fp, uint64_t body_fp,
                                 uint32_t loss, int64_t run, int64_t now_us, int64_t seq)
{
	sqlite3_stmt *s = ledger_stmt(l, n);
	bind_key(s, k);
	sqlite3_bind_int64(s, 6, lane);
	sqlite3_bind_int64(s, 7, (int64_t)src_fp);
	sqlite3_bind_int64(s, 8, (int64_t)body_fp);
	sqlite3_bind_int64(s, 9, loss);
	sqlite3_bind_int64(s, 10, now_us);
	sqlite3_bind_int64(s, 11, run);
	sqlite3_bind_int64(s, 12, seq);
	return s;
}

void ledger_intent(struct ledger *l, const struct opkey *k, int64_t lane, uint64_t src_fp, uint64_t body_fp, uint32_t loss,
                   int64_t run, int64_t now_us)
{
	if (!may_change(l))
		return;
	int64_t seq = next_seq(l, lane);
	if (l->failed)
		return;
	sqlite3_stmt *s = bind_intent(l, S_INTENT, k, lane, src_fp, body_fp, loss, run, now_us, seq);
	int rc = sqlite3_step(s);
	if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE) {
		/* It has been there before; or its lane has another one open, which is a bug. */
		char why[200];
		fmt_into(why, sizeof(why), "%s", sqlite3_errmsg(l->db));
		done_with(s);
		s = bind_intent(l, S_AGAIN, k, lane, src_fp, body_fp, loss, run, now_us, seq);
		rc = sqlite3_step(s);
		if (rc == SQLITE_DONE && sqlite3_changes(l->db) != 1)
			die("ledger: intent of kind %d, part %d, id %s does not fit its state: %s", (int)k->kind, k->part, k->id, why);
	}
	changed(l, rc, s, k, "intent");
	l->fresh++;
}

static void simple(struct ledger *l, enum ledger_stmt n, const struct opkey *k, const char *a, const char *b, const char *what)
{
	if (!may_change(l))
		return;
	sqlite3_stmt *s = ledger_stmt(l, n);
	bind_key(s, k);
	if (sqlite3_bind_parameter_count(s) >= 6)
		bind_str(s, 6, a);
	if (sqlite3_bind_parameter_count(s) >= 7)
		bind_str(s, 7, b);
	change(l, s, k, what);
}

void ledger_done(struct ledger *l, const struct opkey *k, const char *target, const char *target2)
{
	if (!target || !*target)
		die("ledger: done without an id of the target");
	simple(l, S_DONE, k, target, target2, "done");
}

void ledger_reject(struct ledger *l, const struct opkey *k, const char *why)
{
	simple(l, S_REJECT, k, why, NULL, "reject");
}

void ledger_unknown(struct ledger *l, const struct opkey *k, const char *why)
{
	simple(l, S_UNKNOWN, k, why, NULL, "unknown");
}

/* An edit of an edit: the first one stands. */
static bool unsent_edit(struct ledger *l, const struct opkey *k)
{
	struct ledger_row row;
	struct ledger_was was;
	struct arena a;
	arena_init(&a);
	bool edited = k->kind == OP_EDIT && ledger_get(l, k, &a, &row) && ledger_was_read(row.target2, &was);
	if (edited) {
		sqlite3_stmt *s = ledger_stmt(l, S_UNSENT_EDIT);
		bind_key(s, k);
		bind_str(s, 6, was.target);
		sqlite3_bind_int64(s, 7, was.src_fp);
		sqlite3_bind_int64(s, 8, was.body_fp);
		sqlite3_bind_int64(s, 9, was.loss);
		sqlite3_bind_int64(s, 10, was.sent_us);
		sqlite3_bind_int64(s, 11, was.run);
		change(l, s, k, "unsent");
	}
	arena_release(&a);
	return edited;
}

void ledger_unsent(struct ledger *l, const struct opkey *k)
{
	if (!may_change(l))
		return;
	if (k->kind == OP_UPLOAD) {
		sqlite3_stmt *s = ledger_stmt(l, S_UPLOAD_AGAIN);
		bind_key(s, k);
		if (sqlite3_step(s) != SQLITE_DONE)
			fail(l, "be written");
		done_with(s);
	}
	if (!unsent_edit(l, k))
		simple(l, S_UNSENT, k, NULL, NULL, "unsent");
}

/* There is hardly anything open: the index of what is open is all that is read. */
void ledger_forget_uploads(struct ledger *l)
{
	if (!may_change(l))
		return;
	if (!exec(l, "UPDATE op SET state = 1, why = NULL WHERE state IN (1, 2) AND state = 2 AND kind = 3;"
	             " DELETE FROM op WHERE state IN (1, 2) AND state = 1 AND kind = 3"))
		fail(l, "be written");
}

void ledger_gone(struct ledger *l, const struct opkey *k)
{
	simple(l, S_GONE, k, NULL, NULL, "gone");
}

const char *ledger_library(void)
{
	return sqlite3_libversion();
}
