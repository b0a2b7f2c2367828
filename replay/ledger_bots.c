/* ledger_bots.c: whose messages are ours: the accounts that have written besides the first one, which the bond names.
 *
 * Promises: an account is in the table before, or in the same commit as, the first intent it may carry out. Without it a message whose
 * outcome is unknown would look like a stranger's to a run that has fewer tokens, and be sent again.
 * Called by the engine and by adopting (writing), and by whoever opens a session beside a ledger (reading).
 */
#include "replay/ledger_db.h"

void ledger_know_bots(struct ledger *l, const char *const *ids, size_t n)
{
	for (size_t i = 0; i < n && !l->failed; i++) {
		if (!ids[i])
			continue;
		sqlite3_stmt *s = ledger_prepare(l, "INSERT OR IGNORE INTO bot VALUES(?1)");
		sqlite3_bind_text(s, 1, ids[i], -1, SQLITE_STATIC);
		if (sqlite3_step(s) != SQLITE_DONE)
			ledger_fail(l, "be written");
		sqlite3_finalize(s);
	}
}

const char *const *ledger_bots(struct ledger *l, struct arena *a)
{
	enum { KNOWN_MAX = 1000 }; /* far beyond any pool; what a file holds is not believed without end */
	const char **v = arena_array(a, KNOWN_MAX + 1, const char *);
	size_t n = 0;
	if (l->version >= 6) {
		sqlite3_stmt *s = ledger_prepare(l, "SELECT id FROM bot ORDER BY id LIMIT ?1");
		sqlite3_bind_int(s, 1, KNOWN_MAX);
		while (sqlite3_step(s) == SQLITE_ROW)
			v[n++] = arena_strdup(a, (const char *)sqlite3_column_text(s, 0));
		sqlite3_finalize(s);
	}
	v[n] = NULL;
	return v;
}
