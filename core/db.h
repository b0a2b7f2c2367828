/* db.h: a foreign SQLite database, read only, out of an archive.
 *
 * Promises: SQLite sees only the bytes it is given (a file system of our own, without paths, locks or writing), so nothing is changed
 * beside the archive and no other file is opened; a `-wal` that is handed over is read with it. The database is not trusted: no
 * extensions, no functions or virtual tables of its schema, no views and triggers, defensive mode, limits on sizes, and an end to
 * queries that run on without giving a row. Sorting that does not fit in memory goes to a private file in the scratch folder.
 * Text comes out as valid UTF-8 without NULs.
 *
 * Called by importers whose archives are databases. Does not write and does not know what is in them.
 */
#ifndef MVCHAT_DB_H
#define MVCHAT_DB_H

#include "core/arena.h"
#include "core/vault.h"

struct db;
/* Takes main->fd and wal->fd over, also when it fails; wal may be NULL. scratch: for sorting, NULL = $TMPDIR or /tmp.
 * NULL + err (ERR_ARCHIVE): not a database, encrypted, damaged at its root. */
struct db *db_open(const struct vault_span *main, const struct vault_span *wal, const char *scratch, struct err *e);
void db_close(struct db *d); /* NULL is fine; all its queries must have ended */

bool db_has_table(struct db *d, const char *table); /* an ordinary table: no view, no virtual one */
bool db_has_column(struct db *d, const char *table, const char *column);

struct db_query;
enum db_step { DB_ROW, DB_END, DB_DAMAGED /* err says how; the query has ended */ };
/* NULL + err (ERR_ARCHIVE) when the database does not allow it. */
struct db_query *db_query(struct db *d, const char *sql, struct err *e);
void db_bind(struct db_query *q, int place, int64_t value); /* places count from 1 */
void db_again(struct db_query *q);                          /* from the first row, for other values */
enum db_step db_next(struct db_query *q, struct err *e);
void db_end(struct db_query *q); /* NULL is fine */

/* Columns of the row, from 0. Text and bytes live until the next db_next or db_again; text also in `a` when it had to be repaired. */
bool db_null(struct db_query *q, int column);
int64_t db_int(struct db_query *q, int column);   /* 0 for NULL */
double db_real(struct db_query *q, int column);   /* 0 for NULL and what is no finite number */
const char *db_text(struct db_query *q, int column, struct arena *a); /* NULL for NULL and empty */
const uint8_t *db_bytes(struct db_query *q, int column, size_t *n);   /* NULL for NULL and empty */

const char *db_library(void);

#endif
