/* ledger_run.c: the pair a ledger belongs to, the runs that wrote it, and which of them wrote under the mapping of today.
 *
 * Promises: a ledger is bound to one source and one target for ever. Called by cli, the engine and verify; ledger_read.c asks for every row
 * whether its run's mapping is another. Does not touch ops.
 */
#include "replay/ledger.h"

#include "replay/ledger_db.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/step.h"

#include <string.h>

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
	if (!ledger_mark_belongs(l, target_id, e) || !ledger_close_names(l, e))
		return false;
	keep_bond(l, target_id);
	s = ledger_prepare(l, "INSERT INTO bond VALUES(1, ?1, ?2)");
	ledger_bind_str(s, 1, source_id);
	ledger_bind_str(s, 2, target_id);
	bool ok = sqlite3_step(s) == SQLITE_DONE || ledger_disk_error(l, e, "be written");
	sqlite3_finalize(s);
	return ok;
}

int64_t ledger_run_begin(struct ledger *l, const char *cmd, const uint8_t mapping[DIGEST_BYTES], struct err *e)
{
	if (!ledger_close_names(l, e))
		return 0;
	sqlite3_stmt *s = ledger_prepare(l, "INSERT INTO run(cmd, began, mapping, version) VALUES(?1, ?2, ?3, ?4)");
	ledger_bind_str(s, 1, cmd);
	sqlite3_bind_int64(s, 2, clock_wall_us());
	sqlite3_bind_blob(s, 3, mapping, DIGEST_BYTES, SQLITE_STATIC);
	ledger_bind_str(s, 4, MVCHAT_VERSION);
	bool ok = sqlite3_step(s) == SQLITE_DONE || ledger_disk_error(l, e, "be written");
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
	if (!ledger_close_names(l, &lost))
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
	GROW(l->other_names, l->n_other_names, l->cap_other_names, 16);
	l->other_names[l->n_other_names].from = from;
	l->other_names[l->n_other_names++].until = until;
	if (l->n_stale)
		memset(l->stale, 0, l->n_stale);
}

bool ledger_stale(struct ledger *l, int64_t run)
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
