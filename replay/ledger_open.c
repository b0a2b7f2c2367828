/* ledger_open.c: the file behind the ledger: whose it is, whether it is whole and the newest, and how it is closed.
 *
 * Promises: one writer at a time; a ledger that is damaged, foreign, newer than we are or a copy put back is refused and not changed;
 * commits are durable once it is open for writing (WAL and synchronous=FULL are read back and not believed).
 * Called by cli and replay. Does not: read or write ops.
 */
#include "replay/ledger.h"

#include "replay/ledger_db.h"
#include "core/clock.h"
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
		if (!ledger_exec(l, "BEGIN IMMEDIATE") || !ledger_exec(l, migrations[v]) || !ledger_exec(l, tail)) {
			int why = sqlite3_errcode(l->db) & 0xff;
			if (v > 0 && (why == SQLITE_CONSTRAINT || why == SQLITE_CORRUPT || why == SQLITE_NOTADB || why == SQLITE_ERROR))
				damaged(e, sqlite3_errmsg(l->db)); /* what is in it cannot have been written by us */
			else
				ledger_disk_error(l, e, "be brought to the current version");
			ledger_exec(l, "ROLLBACK");
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
	ledger_exec(l, "PRAGMA synchronous = FULL");
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
	if (age == LEDGER_NEWEST && !(l->rebuilding && l->intents == 0))
		return ledger_mark_set(l, dir, e);
	l->outdated = true;
	/* A lost ledger that is half rebuilt, or rebuilt with doubts, must not be taken for a whole one. */
	if (age == LEDGER_NEWEST)
		return ledger_mark_shut(l, dir, e);
	/* Open ops of another day cannot be settled by their anchor: what follows them in the target is not known here. Another
	 * identity: while it is being completed its count must not be taken for the mark's. */
	if (!ledger_exec(l, "BEGIN IMMEDIATE; UPDATE op SET state = 1 WHERE state = 2; DELETE FROM op WHERE state = 1;"
	                    " UPDATE status SET ident = random(); COMMIT"))
		return ledger_disk_error(l, e, "be written");
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
	ledger_exec(l, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -6144; PRAGMA temp_store = MEMORY");
	if (!check_version(l, path, e) || !set_durable(l, e))
		return false;
	bool clean = pragma_int(l, "SELECT clean FROM status") == 1;
	if ((!clean || pragma_int(l, "PRAGMA page_count") <= SMALL_PAGES) && !sound(l, e))
		return false;
	return claim(l, dir, e) && (ledger_exec(l, "UPDATE status SET clean = 0") || ledger_disk_error(l, e, "be written"));
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
		ledger_exec(l, "UPDATE status SET clean = 1");
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

const char *ledger_library(void)
{
	return sqlite3_libversion();
}
