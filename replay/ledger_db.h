/* ledger_db.h: what ledger.c (writing) and ledger_read.c (walks, sums) share: the only two files that know SQLite here. */
#ifndef MVCHAT_LEDGER_DB_H
#define MVCHAT_LEDGER_DB_H

#include "replay/ledger.h"

#include <sqlite3.h>

enum ledger_stmt {
	S_BEGIN, S_COMMIT, S_ROLLBACK,
	S_GET, S_INTENT, S_DONE, S_REJECT, S_UNKNOWN, S_UNSENT, S_GONE,
	S_OPEN, S_ANCHOR, S_OWNS, S_OWNS_POST, S_OWNS_MADE, S_NEWEST, S_FIND_POST,
	S_CONV, S_CONV_ADD, S_CONV_NAME, S_LANE, S_LANE_ADD, S_LANE_NAME,
	N_LEDGER_STMT
};

struct ledger {
	sqlite3 *db;
	sqlite3_stmt *stmt[N_LEDGER_STMT]; /* prepared on first use, kept */
	enum ledger_mode mode;
	int lock_fd;
	bool in_tx;      /* a transaction is open: by ledger_begin, or because a name had to be made outside of one */
	bool asked_tx;   /* ... by ledger_begin */
	bool failed;     /* the disk failed inside it: nothing more is tried, ledger_commit says so */
	struct err why;  /* ... what failed */
	uint8_t mapping[DIGEST_BYTES];
	uint8_t *stale;  /* by run id: 0 not asked yet, 1 current mapping, 2 another */
	size_t n_stale;
};

/* Columns of OP_COLUMNS, in order; strings point into the statement. */
#define OP_COLUMNS "conv, ts, id, kind, part, lane, state, target, target2, why, src_fp, body_fp, loss, tries, sent, run"
enum { N_OP_COLUMNS = 16 };
void ledger_row_read(struct ledger *l, sqlite3_stmt *s, struct ledger_row *out);
sqlite3_stmt *ledger_prepare(struct ledger *l, const char *sql);

#endif
