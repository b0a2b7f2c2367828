/* sb_db.c: SQLite behind the sandbox: one connection, statements prepared once and kept by their text's address.
 * Called by the other sandbox files under the lock. Does not know what the tables mean. */
#include "sandbox/sb.h"

#include "core/base.h"

#include "embed/sandbox/schema.sql.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>

static NORETURN void broken(struct sandbox *s, const char *sql)
{
	die("sandbox store: %s (%s)", sqlite3_errmsg(s->db), sql);
}

static void fold_sql(sqlite3_context *c, int n, sqlite3_value **v)
{
	const uint8_t *t = n == 1 ? sqlite3_value_text(v[0]) : NULL;
	if (!t)
		return;
	size_t len = 0;
	uint8_t *low = u8_tolower(t, (size_t)sqlite3_value_bytes(v[0]), NULL, NULL, NULL, &len);
	if (low)
		sqlite3_result_text(c, (char *)low, (int)len, free);
}

char *sb_fold(struct arena *a, const char *s)
{
	size_t len = 0;
	uint8_t *low = u8_tolower((const uint8_t *)s, strlen(s), NULL, NULL, NULL, &len);
	char *r = low ? arena_strndup(a, (const char *)low, len) : arena_strdup(a, s);
	free(low);
	return r;
}

bool sb_db_open(struct sandbox *s, const char *path, struct err *e)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	if (sqlite3_open_v2(path ? path : ":memory:", &s->db, flags, NULL) != SQLITE_OK) {
		err_set(e, ERR_INTERNAL, "cannot open the sandbox store: %s", s->db ? sqlite3_errmsg(s->db) : "out of memory");
		err_where(e, "%s", path ? path : ":memory:");
		sqlite3_close(s->db);
		s->db = NULL;
		return false;
	}
	sqlite3_busy_timeout(s->db, 5000);
	sqlite3_create_function(s->db, "fold", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, fold_sql, NULL, NULL);
	/* WAL: a dump can read beside us. No syncing: what is answered must outlive the client, not a power cut. */
	char *msg = NULL;
	if (sqlite3_exec(s->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-65536;"
	                        "PRAGMA wal_autocheckpoint=4000;", NULL, NULL, &msg) != SQLITE_OK ||
	    sqlite3_exec(s->db, (const char *)embed_schema_sql, NULL, NULL, &msg) != SQLITE_OK) {
		err_set(e, ERR_INTERNAL, "cannot use the sandbox store: %s", msg ? msg : sqlite3_errmsg(s->db));
		err_where(e, "%s", path ? path : ":memory:");
		sqlite3_free(msg);
		sqlite3_close(s->db);
		s->db = NULL;
		return false;
	}
	return true;
}

void sb_db_close(struct sandbox *s)
{
	for (size_t i = 0; i < countof(s->stmts); i++)
		sqlite3_finalize(s->stmts[i].st);
	sqlite3_close(s->db);
	s->db = NULL;
}

static struct sb_stmt *slot(struct sandbox *s, const char *sql)
{
	/* Keyed by address, as the texts are literals: the same text in two files may be prepared twice, which is harmless. */
	size_t i = ((uintptr_t)sql >> 3) * 0x9E3779B97F4A7C15u >> 55;
	for (size_t tries = 0; tries < countof(s->stmts); tries++, i = (i + 1) % countof(s->stmts)) {
		struct sb_stmt *p = &s->stmts[i];
		if (p->sql == sql)
			return p;
		if (p->sql)
			continue;
		if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &p->st, NULL) != SQLITE_OK)
			broken(s, sql);
		p->sql = sql;
		return p;
	}
	die("sandbox store: too many statements");
}

static sqlite3_stmt *bound(struct sandbox *s, const char *sql, const char *types, va_list ap)
{
	struct sb_stmt *p = slot(s, sql);
	sqlite3_stmt *st = p->st;
	sqlite3_reset(st);
	if (!p->used) {
		p->used = true;
		s->used[s->n_used++] = (uint16_t)(p - s->stmts);
	}
	for (int i = 1; *types; i++, types++) {
		if (*types == 'i') {
			sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
		} else if (*types == 's') {
			const char *t = va_arg(ap, const char *);
			sqlite3_bind_text(st, i, t, -1, SQLITE_STATIC);
		} else {
			const void *b = va_arg(ap, const void *);
			size_t n = va_arg(ap, size_t);
			sqlite3_bind_blob64(st, i, b, n, SQLITE_STATIC);
		}
	}
	return st;
}

sqlite3_stmt *sb_q(struct sandbox *s, const char *sql, const char *types, ...)
{
	va_list ap;
	va_start(ap, types);
	sqlite3_stmt *st = bound(s, sql, types, ap);
	va_end(ap);
	return st;
}

bool sb_row(struct sandbox *s, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		return true;
	if (rc != SQLITE_DONE)
		broken(s, sqlite3_sql(st));
	sqlite3_reset(st);
	return false;
}

void sb_run(struct sandbox *s, const char *sql, const char *types, ...)
{
	va_list ap;
	va_start(ap, types);
	sqlite3_stmt *st = bound(s, sql, types, ap);
	va_end(ap);
	while (sb_row(s, st))
		;
}

int64_t sb_int(struct sandbox *s, int64_t otherwise, const char *sql, const char *types, ...)
{
	va_list ap;
	va_start(ap, types);
	sqlite3_stmt *st = bound(s, sql, types, ap);
	va_end(ap);
	int64_t v = otherwise;
	if (sb_row(s, st)) {
		if (sqlite3_column_type(st, 0) != SQLITE_NULL)
			v = sqlite3_column_int64(st, 0);
		sqlite3_reset(st);
	}
	return v;
}

char *sb_str(struct sandbox *s, struct arena *a, const char *sql, const char *types, ...)
{
	va_list ap;
	va_start(ap, types);
	sqlite3_stmt *st = bound(s, sql, types, ap);
	va_end(ap);
	char *v = NULL;
	if (sb_row(s, st)) {
		v = arena_strdup(a, sb_text(st, 0));
		sqlite3_reset(st);
	}
	return v;
}

void sb_rest(struct sandbox *s)
{
	for (size_t i = 0; i < s->n_used; i++) {
		struct sb_stmt *p = &s->stmts[s->used[i]];
		sqlite3_reset(p->st);
		sqlite3_clear_bindings(p->st);
		p->used = false;
	}
	s->n_used = 0;
}
