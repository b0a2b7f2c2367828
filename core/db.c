/* db.c: SQLite behind a file system of our own.
 *
 * Promises what db.h says. One sqlite3_vfs per database, registered under a name of its own while the database is open: "main" and
 * "main-wal" are the two spans it was given, files without a name are for sorting, everything else does not exist.
 * https://www.sqlite.org/vfs.html, https://www.sqlite.org/security.html ("Untrusted SQLite Database Files").
 *
 * Locking mode "exclusive" makes SQLite keep the index of a write-ahead log in memory (sqlite.org/wal.html, "Use of WAL Without
 * Shared-Memory"), so that a database with a `-wal` can be read where nothing may be written.
 */
#include "core/db.h"

#include "core/buf.h"
#include "core/utf8.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	OPS_A_STEP = 1000,           /* between two looks of the progress handler */
	STEPS_MAX = 30 * 1000,       /* looks without a row: 30 million operations, and one more for each byte of the database */
	VALUE_MAX = 64 * 1024 * 1024,
	SQL_MAX = 64 * 1024,
	TEXT_MAX = 16 * 1024 * 1024,
};

struct db {
	sqlite3_vfs vfs;
	char name[48];
	struct vault_span main, wal;
	char *scratch;
	sqlite3 *sql;
	int64_t steps;
};

struct db_query { struct db *db; sqlite3_stmt *st; int64_t rows; };

/* ---- files ---- */

struct file {
	sqlite3_file base;
	const struct vault_span *span; /* read only; or NULL */
	int fd;                        /* of its own, for sorting; or -1 */
};

static int f_close(sqlite3_file *p)
{
	struct file *f = (struct file *)p;
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	return SQLITE_OK;
}

static int f_read(sqlite3_file *p, void *dst, int amount, sqlite3_int64 at)
{
	const struct file *f = (const struct file *)p;
	size_t n = (size_t)amount, got = 0;
	if (f->span && at >= f->span->size)
		n = 0;
	else if (f->span && (int64_t)n > f->span->size - at)
		n = (size_t)(f->span->size - at);
	while (got < n) {
		ssize_t k = pread(f->span ? f->span->fd : f->fd, (char *)dst + got, n - got, (f->span ? f->span->at : 0) + at + (int64_t)got);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return SQLITE_IOERR_READ;
		if (!k)
			break;
		got += (size_t)k;
	}
	if (got == (size_t)amount)
		return SQLITE_OK;
	memset((char *)dst + got, 0, (size_t)amount - got);
	return SQLITE_IOERR_SHORT_READ;
}

static int f_write(sqlite3_file *p, const void *src, int amount, sqlite3_int64 at)
{
	const struct file *f = (const struct file *)p;
	size_t n = (size_t)amount, done = 0;
	if (f->span)
		return SQLITE_READONLY;
	while (done < n) {
		ssize_t k = pwrite(f->fd, (const char *)src + done, n - done, at + (int64_t)done);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return errno == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
		done += (size_t)k;
	}
	return SQLITE_OK;
}

static int f_truncate(sqlite3_file *p, sqlite3_int64 size)
{
	const struct file *f = (const struct file *)p;
	return f->span ? SQLITE_READONLY : ftruncate(f->fd, size) == 0 ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int f_size(sqlite3_file *p, sqlite3_int64 *size)
{
	const struct file *f = (const struct file *)p;
	struct stat st;
	*size = f->span ? f->span->size : fstat(f->fd, &st) == 0 ? st.st_size : 0;
	return SQLITE_OK;
}

static int f_sync(sqlite3_file *p UNUSED, int flags UNUSED) { return SQLITE_OK; }
static int f_lock(sqlite3_file *p UNUSED, int level UNUSED) { return SQLITE_OK; }
static int f_reserved(sqlite3_file *p UNUSED, int *out)
{
	*out = 0;
	return SQLITE_OK;
}
static int f_control(sqlite3_file *p UNUSED, int op UNUSED, void *arg UNUSED) { return SQLITE_NOTFOUND; }
static int f_sector(sqlite3_file *p UNUSED) { return 4096; }
static int f_traits(sqlite3_file *p UNUSED) { return 0; }

static const sqlite3_io_methods methods = {
	.iVersion = 1, .xClose = f_close, .xRead = f_read, .xWrite = f_write, .xTruncate = f_truncate, .xSync = f_sync, .xFileSize = f_size,
	.xLock = f_lock, .xUnlock = f_lock, .xCheckReservedLock = f_reserved, .xFileControl = f_control, .xSectorSize = f_sector,
	.xDeviceCharacteristics = f_traits,
};

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *out, int flags, int *out_flags)
{
	struct db *d = v->pAppData;
	struct file *f = (struct file *)out;
	*f = (struct file){ .fd = -1 };
	if (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) {
		f->span = flags & SQLITE_OPEN_WAL ? &d->wal : &d->main;
		flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
	} else if (!name) {
		f->fd = vault_private_file(d->scratch, NULL);
		if (f->fd < 0)
			return SQLITE_CANTOPEN;
	} else {
		return SQLITE_CANTOPEN;
	}
	f->base.pMethods = &methods;
	if (out_flags)
		*out_flags = flags;
	return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *v UNUSED, const char *name UNUSED, int sync UNUSED) { return SQLITE_OK; }

static int v_access(sqlite3_vfs *v, const char *name, int flags UNUSED, int *out)
{
	const struct db *d = v->pAppData;
	const size_t n = strlen(name);
	*out = d->wal.fd >= 0 && n > 4 && streq(name + n - 4, "-wal");
	return SQLITE_OK;
}

static int v_full(sqlite3_vfs *v UNUSED, const char *name, int room, char *out)
{
	return fmt_into(out, (size_t)room, "%s", name) ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* SQLite wants a seed for names of files that have none here; the same bytes in, the same records out. */
static int v_random(sqlite3_vfs *v UNUSED, int n, char *out)
{
	memset(out, 1, (size_t)n);
	return n;
}

static int v_sleep(sqlite3_vfs *v UNUSED, int us) { return us; }
static int v_time(sqlite3_vfs *v UNUSED, double *out)
{
	*out = 2440587.5; /* 1970-01-01 as a Julian day: no clock here */
	return SQLITE_OK;
}
static int v_time64(sqlite3_vfs *v UNUSED, sqlite3_int64 *out)
{
	*out = INT64_C(210866760000000);
	return SQLITE_OK;
}
static int v_error(sqlite3_vfs *v UNUSED, int n UNUSED, char *out UNUSED) { return 0; }

/* ---- opening ---- */

static int too_long(void *ctx)
{
	struct db *d = ctx;
	return ++d->steps > STEPS_MAX + (d->main.size + d->wal.size) / OPS_A_STEP;
}

static bool refused(struct db *d, struct err *e)
{
	const int code = d->sql ? sqlite3_errcode(d->sql) : SQLITE_NOMEM;
	switch (code & 0xff) {
	case SQLITE_NOTADB:
		err_set(e, ERR_ARCHIVE, "this is no database, or it is encrypted");
		return err_hint(e, "a backup (.crypt15, .crypt14, .crypt12) is given as it is, with its key");
	case SQLITE_CORRUPT:
		err_set(e, ERR_ARCHIVE, "the database is damaged or cut off");
		return err_hint(e, "copy it again while the program that writes it is closed, with its -wal file");
	case SQLITE_INTERRUPT:
		return err_set(e, ERR_ARCHIVE, "the database answers a question without an end: it is damaged or made to do harm");
	case SQLITE_FULL:
		return err_set(e, ERR_INTERNAL, "no room for sorting; TMPDIR says where");
	case SQLITE_IOERR:
		return err_set(e, ERR_ARCHIVE, "the database cannot be read: %s", d->sql ? sqlite3_errmsg(d->sql) : "no memory");
	default:
		return err_set(e, ERR_ARCHIVE, "the database is not understood: %s", d->sql ? sqlite3_errmsg(d->sql) : "no memory");
	}
}

static bool harden(struct db *d)
{
	static const struct { int what, value; } limits[] = {
		{ SQLITE_LIMIT_LENGTH, VALUE_MAX }, { SQLITE_LIMIT_SQL_LENGTH, SQL_MAX }, { SQLITE_LIMIT_COLUMN, 500 }, { SQLITE_LIMIT_EXPR_DEPTH, 50 },
		{ SQLITE_LIMIT_COMPOUND_SELECT, 3 }, { SQLITE_LIMIT_VDBE_OP, 25000 }, { SQLITE_LIMIT_FUNCTION_ARG, 8 }, { SQLITE_LIMIT_ATTACHED, 0 },
		{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50 }, { SQLITE_LIMIT_VARIABLE_NUMBER, 10 }, { SQLITE_LIMIT_TRIGGER_DEPTH, 1 }, { SQLITE_LIMIT_WORKER_THREADS, 0 },
	};
	static const struct { int what, value; } switches[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 }, { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 }, { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 }, { SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 }, { SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1 },
		{ SQLITE_DBCONFIG_DQS_DML, 0 }, { SQLITE_DBCONFIG_DQS_DDL, 0 },
	};
	for (size_t i = 0; i < countof(limits); i++)
		sqlite3_limit(d->sql, limits[i].what, limits[i].value);
	for (size_t i = 0; i < countof(switches); i++)
		if (sqlite3_db_config(d->sql, switches[i].what, switches[i].value, NULL) != SQLITE_OK)
			return false;
	sqlite3_progress_handler(d->sql, OPS_A_STEP, too_long, d);
	/* The first that reads the file is the last one. */
	return sqlite3_exec(d->sql, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA query_only=1; PRAGMA cell_size_check=1; PRAGMA mmap_size=0; "
			"PRAGMA cache_size=-4096; PRAGMA temp_store=FILE; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) == SQLITE_OK;
}

struct db *db_open(const struct vault_span *main, const struct vault_span *wal, const char *scratch, struct err *e)
{
	struct db *d = xcalloc(1, sizeof(*d));
	d->main = *main;
	d->wal = wal ? *wal : (struct vault_span){ .fd = -1 };
	d->scratch = scratch ? xstrdup(scratch) : NULL;
	fmt_into(d->name, sizeof(d->name), "mvchat-%p", (void *)d);
	d->vfs = (sqlite3_vfs){
		.iVersion = 2, .szOsFile = sizeof(struct file), .mxPathname = 64, .zName = d->name, .pAppData = d, .xOpen = v_open,
		.xDelete = v_delete, .xAccess = v_access, .xFullPathname = v_full, .xRandomness = v_random, .xSleep = v_sleep,
		.xCurrentTime = v_time, .xGetLastError = v_error, .xCurrentTimeInt64 = v_time64,
	};
	bool ok = sqlite3_vfs_register(&d->vfs, 0) == SQLITE_OK &&
	          sqlite3_open_v2("main", &d->sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, d->name) == SQLITE_OK && harden(d);
	if (!ok) {
		refused(d, e);
		db_close(d);
		return NULL;
	}
	return d;
}

void db_close(struct db *d)
{
	if (!d)
		return;
	if (sqlite3_close(d->sql) != SQLITE_OK)
		die("a database was closed under a query");
	sqlite3_vfs_unregister(&d->vfs);
	close(d->main.fd);
	if (d->wal.fd >= 0)
		close(d->wal.fd);
	free(d->scratch);
	free(d);
}

/* ---- what is in it ---- */

static bool ask(struct db *d, const char *sql, const char *a, const char *b)
{
	sqlite3_stmt *st = NULL;
	bool yes = false;
	d->steps = 0;
	if (sqlite3_prepare_v2(d->sql, sql, -1, &st, NULL) == SQLITE_OK) {
		sqlite3_bind_text(st, 1, a, -1, SQLITE_STATIC);
		if (b)
			sqlite3_bind_text(st, 2, b, -1, SQLITE_STATIC);
		yes = sqlite3_step(st) == SQLITE_ROW;
	}
	sqlite3_finalize(st);
	return yes;
}

bool db_has_table(struct db *d, const char *table)
{
	return ask(d, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE AND sql LIKE 'CREATE TABLE%'", table, NULL);
}

bool db_has_column(struct db *d, const char *table, const char *column)
{
	return db_has_table(d, table) && ask(d, "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2 COLLATE NOCASE", table, column);
}

/* ---- asking ---- */

struct db_query *db_query(struct db *d, const char *sql, struct err *e)
{
	struct db_query *q = xcalloc(1, sizeof(*q));
	q->db = d;
	d->steps = 0;
	if (sqlite3_prepare_v2(d->sql, sql, -1, &q->st, NULL) == SQLITE_OK && q->st && sqlite3_stmt_readonly(q->st))
		return q;
	refused(d, e);
	sqlite3_finalize(q->st);
	free(q);
	return NULL;
}

void db_bind(struct db_query *q, int place, int64_t value)
{
	if (sqlite3_bind_int64(q->st, place, value) != SQLITE_OK)
		die("db_bind: place %d", place);
}

void db_again(struct db_query *q)
{
	sqlite3_reset(q->st);
	q->rows = 0;
}

enum db_step db_next(struct db_query *q, struct err *e)
{
	struct db *d = q->db;
	d->steps = 0;
	const int r = sqlite3_step(q->st);
	if (r == SQLITE_ROW) {
		/* A row takes two bytes at the least. More come only out of a join over rows that a schema made to do harm allows. */
		if (++q->rows <= (d->main.size + d->wal.size) / 2)
			return DB_ROW;
		err_set(e, ERR_ARCHIVE, "the database gives more rows than can be in it: it is damaged or made to do harm");
		sqlite3_reset(q->st);
		return DB_DAMAGED;
	}
	if (r == SQLITE_DONE)
		return DB_END;
	refused(d, e);
	sqlite3_reset(q->st);
	return DB_DAMAGED;
}

void db_end(struct db_query *q)
{
	if (!q)
		return;
	sqlite3_finalize(q->st);
	free(q);
}

bool db_null(struct db_query *q, int column)
{
	return sqlite3_column_type(q->st, column) == SQLITE_NULL;
}

int64_t db_int(struct db_query *q, int column)
{
	return sqlite3_column_int64(q->st, column);
}

double db_real(struct db_query *q, int column)
{
	const double x = sqlite3_column_double(q->st, column);
	return isfinite(x) ? x : 0;
}

const char *db_text(struct db_query *q, int column, struct arena *a)
{
	const char *s = (const char *)sqlite3_column_text(q->st, column);
	if (!s || !*s)
		return NULL;
	const size_t n = strlen(s); /* what stands behind a NUL is left out */
	if (n <= TEXT_MAX && utf8_valid(s, n))
		return s;
	struct buf b;
	buf_init(&b, 3 * TEXT_MAX + 64);
	utf8_repair(s, n < TEXT_MAX ? n : TEXT_MAX, &b);
	const char *out = arena_strndup(a, b.p, b.len);
	buf_release(&b);
	return out;
}

const uint8_t *db_bytes(struct db_query *q, int column, size_t *n)
{
	const void *p = sqlite3_column_blob(q->st, column);
	const int k = sqlite3_column_bytes(q->st, column);
	*n = p && k > 0 ? (size_t)k : 0;
	return *n ? p : NULL;
}

const char *db_library(void)
{
	return sqlite3_libversion();
}
