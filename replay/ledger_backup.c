/* ledger_backup.c: a copy of the ledger that can be put back.
 *
 * Promises: the copy is one moment of the ledger, also while another process writes; it has been checked and synced before it
 * appears under its name, replaces what had that name whole, and is readable by nobody else. It is one file (no log beside it).
 * Called by cmd_status. Does not stop a writer, not even for a moment (WAL). Putting a copy back: ledger_mark.c. */
#include "replay/ledger.h"

#include "replay/ledger_db.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool broken(struct err *e, const char *path, sqlite3 *db)
{
	err_set(e, ERR_INTERNAL, "the copy of the ledger cannot be written: %s", db ? sqlite3_errmsg(db) : "no memory");
	return err_where(e, "%s", path);
}

static bool sound(sqlite3 *db)
{
	sqlite3_stmt *s = NULL;
	bool ok = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW &&
	          streq((const char *)sqlite3_column_text(s, 0), "ok");
	sqlite3_finalize(s);
	return ok;
}

/* One step for all pages: a copy in portions would begin again whenever somebody writes in between. */
static bool copy_pages(struct ledger *l, sqlite3 *to)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", l->db, "main");
	if (!b)
		return false;
	int rc = sqlite3_backup_step(b, -1);
	return (sqlite3_backup_finish(b) == SQLITE_OK) && rc == SQLITE_DONE;
}

static bool fill(struct ledger *l, const char *part, struct err *e)
{
	int fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	sqlite3 *to = NULL;
	if (fd < 0)
		return err_set(e, ERR_USAGE, "cannot write %s:", part);
	bool ok = sqlite3_open_v2(part, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK && copy_pages(l, to) &&
	          sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) == SQLITE_OK && sound(to);
	if (!ok)
		broken(e, part, to);
	sqlite3_close(to);
	if (ok && fsync(fd) != 0)
		ok = err_set(e, ERR_INTERNAL, "cannot write %s:", part);
	close(fd);
	return ok;
}

bool ledger_backup(struct ledger *l, const char *path, struct err *e)
{
	char part[4096];
	const char *own = sqlite3_db_filename(l->db, "main");
	if (!own || !*own) {
		err_set(e, ERR_USAGE, "there is no ledger yet");
		return err_hint(e, "it begins with the first apply");
	}
	if (!fmt_into(part, sizeof(part), "%s.part", path))
		return err_set(e, ERR_USAGE, "the name of the copy is too long");
	if (!fill(l, part, e)) {
		unlink(part);
		return false;
	}
	if (rename(part, path) != 0) {
		err_set(e, ERR_USAGE, "cannot write %s:", path);
		unlink(part);
		return false;
	}
	return true;
}
