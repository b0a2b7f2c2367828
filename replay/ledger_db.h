/* ledger_db.h: what ledger.c (transactions, changes of state), ledger_open.c, ledger_run.c (pair, runs), ledger_read.c, ledger_mark.c and
 * ledger_backup.c share: the only files that know SQLite here, spool*.c apart. Nobody else includes it. */
#ifndef MVCHAT_LEDGER_DB_H
#define MVCHAT_LEDGER_DB_H

#include "replay/ledger.h"

#include <sqlite3.h>

enum ledger_stmt {
	S_BEGIN, S_COMMIT, S_ROLLBACK,
	S_GET, S_SEQ, S_INTENT, S_AGAIN, S_DONE, S_REJECT, S_UNKNOWN, S_UNSENT, S_UPLOAD_AGAIN, S_UNSENT_EDIT, S_GONE,
	S_OPEN, S_ANCHOR, S_OWNS, S_OWNS_POST, S_OWNS_MADE, S_NEWEST, S_FIND_POST, S_SENT,
	S_CONV, S_CONV_ADD, S_CONV_NAME, S_LANE, S_LANE_ADD, S_LANE_NAME,
	S_COUNT_INTENTS,
	N_LEDGER_STMT
};

enum ledger_walk_kind { WALK_CONV, WALK_RECORD, WALK_LOSS, WALK_LANE, N_LEDGER_WALK };

enum { LEDGER_BOND_MAX = 400 /* a longer one is not marked */, LEDGER_LASTS = 1024 /* a power of two */ };

struct ledger {
	sqlite3 *db;
	sqlite3_stmt *stmt[N_LEDGER_STMT]; /* prepared on first use, kept */
	struct ledger_walk *idle[N_LEDGER_WALK]; /* ledger_read.c's */
	enum ledger_mode mode;
	int lock_fd;
	bool in_tx;      /* a transaction is open: by ledger_begin, or because a name had to be made outside of one */
	bool asked_tx;   /* ... by ledger_begin */
	bool failed;     /* the disk failed inside it: nothing more is tried, ledger_commit says so */
	struct err why;  /* ... what failed */
	uint8_t mapping[DIGEST_BYTES];
	struct { int64_t from, until; } *other_names; size_t n_other_names, cap_other_names;
	uint8_t *stale;  /* by run id: 0 not asked yet, 1 current mapping, 2 another */
	size_t n_stale;
	char *dir;
	int64_t version;         /* of the file when it was opened */
	bool rebuilding;         /* opened by LEDGER_REBUILD */
	int64_t ident, intents;  /* of the file; intents: committed ones */
	struct { int64_t lane, seq; } last[LEDGER_LASTS]; /* the newest place in lanes written lately, by lane; seq 0 = not known */
	int64_t fresh;           /* intents of the open transaction */
	int64_t marked;          /* what the mark beside it says; ledger_mark.c */
	char bond[LEDGER_BOND_MAX], marked_bond[LEDGER_BOND_MAX]; /* the target's half, by this file and by the mark of one that is gone; "" = not known */
	int mark_fd;
	bool outdated;           /* more was written than this file knows of */
};

/* Columns of OP_COLUMNS, in order; strings point into the statement. */
#define OP_COLUMNS "conv, ts, id, kind, part, lane, state, target, target2, why, src_fp, body_fp, loss, tries, sent, run"
enum { N_OP_COLUMNS = 16 };
void ledger_row_read(struct ledger *l, sqlite3_stmt *s, struct ledger_row *out);
sqlite3_stmt *ledger_prepare(struct ledger *l, const char *sql);
void ledger_walks_release(struct ledger *l);
sqlite3_stmt *ledger_stmt(struct ledger *l, enum ledger_stmt n); /* kept; to be put back after use */

static inline void ledger_bind_str(sqlite3_stmt *s, int n, const char *v)
{
	if (v)
		sqlite3_bind_text(s, n, v, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(s, n);
}

static inline void ledger_bind_key(sqlite3_stmt *s, const struct opkey *k)
{
	sqlite3_bind_int64(s, 1, k->conv);
	sqlite3_bind_int64(s, 2, k->ts_us);
	ledger_bind_str(s, 3, k->id);
	sqlite3_bind_int(s, 4, (int)k->kind);
	sqlite3_bind_int(s, 5, k->part);
}

/* Puts a statement back for its next use; text bound to it belongs to callers and must not be kept. */
static inline void ledger_put_back(sqlite3_stmt *s)
{
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
}

/* What broke outside of our own logic: disk full, I/O error, a foreign lock that stays. */
bool ledger_disk_error(struct ledger *l, struct err *e, const char *doing);
/* The same inside a transaction: the first failure decides; everything after it is left alone, because SQLite may already have rolled
 * back and would otherwise commit each further statement on its own. */
void ledger_fail(struct ledger *l, const char *doing);
bool ledger_exec(struct ledger *l, const char *sql);
/* Names made outside of a transaction left one open; what must be on disk by itself brings them along. */
bool ledger_close_names(struct ledger *l, struct err *e);

/* ledger_run.c: was this run made under another mapping than the one that counts as current? */
bool ledger_stale(struct ledger *l, int64_t run);

/* ledger_was.c: the second id of an edit that is not DONE; false: it says nothing. The target's id stays a part of text. */
struct ledger_was { int64_t src_fp, body_fp, loss, sent_us, run; const char *target; };
bool ledger_was_read(const char *text, struct ledger_was *w);

/* ledger_mark.c: the counter beside the ledger that tells a copy put back from the newest one. */
enum ledger_age { LEDGER_NEWEST, LEDGER_BEHIND, LEDGER_LOST, LEDGER_EXCHANGED, LEDGER_UNPROVEN, LEDGER_UNFINISHED };
enum ledger_age ledger_mark_read(struct ledger *l, const char *dir);
bool ledger_refused(enum ledger_age age, struct err *e); /* true for LEDGER_NEWEST only */
bool ledger_mark_open(struct ledger *l, const char *dir, struct err *e);
bool ledger_mark_set(struct ledger *l, const char *dir, struct err *e); /* to what the ledger says, durably */
bool ledger_mark_belongs(const struct ledger *l, const char *target_id, struct err *e); /* was the ledger that is gone of this account? */
bool ledger_mark_shut(struct ledger *l, const char *dir, struct err *e); /* closed to everything but rebuilding, durably */
void ledger_mark_raise(struct ledger *l);                               /* after a commit */

#endif
