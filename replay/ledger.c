/* ledger.c: transactions, names and every change of state of the durable record.
 *
 * Promises: what ledger_commit returned true for survives power loss (ledger_open.c sees to it); a change that the state machine does not
 * allow never happens (the schema refuses it and we die); after a failure of the disk nothing of that transaction holds and ledger_commit
 * says so.
 * Called by the engine, verify, rollback and adopt. Opening is in ledger_open.c, runs are in ledger_run.c, reads in ledger_read.c.
 * Does not: hold message text or tokens, decide what to write, talk to a target.
 */
#include "replay/ledger.h"

#include "replay/ledger_db.h"
#include "core/step.h"

#include <string.h>

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

bool ledger_disk_error(struct ledger *l, struct err *e, const char *doing)
{
	err_set(e, ERR_INTERNAL, "the ledger cannot %s: %s", doing, sqlite3_errmsg(l->db));
	return err_hint(e, "check free space and permissions of the state folder, then run the same command again");
}

void ledger_fail(struct ledger *l, const char *doing)
{
	if (!l->failed)
		ledger_disk_error(l, &l->why, doing);
	l->failed = true;
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

bool ledger_exec(struct ledger *l, const char *sql)
{
	return sqlite3_exec(l->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* ---- transactions ---- */

static void open_tx(struct ledger *l)
{
	if (l->mode != LEDGER_WRITE)
		die("ledger: opened for reading");
	sqlite3_stmt *s = ledger_stmt(l, S_BEGIN);
	if (sqlite3_step(s) != SQLITE_DONE)
		ledger_fail(l, "be written");
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
			ledger_fail(l, "be written");
		sqlite3_reset(s);
	}
	if (!l->failed) {
		sqlite3_stmt *s = ledger_stmt(l, S_COMMIT);
		if (sqlite3_step(s) != SQLITE_DONE)
			ledger_fail(l, "be written");
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

bool ledger_close_names(struct ledger *l, struct err *e)
{
	if (!l->in_tx || l->asked_tx)
		return true;
	l->asked_tx = true;
	return ledger_commit(l, e);
}

/* ---- names ---- */

static int64_t number(struct ledger *l, enum ledger_stmt get, enum ledger_stmt add, const char *name)
{
	sqlite3_stmt *s = ledger_stmt(l, get);
	ledger_bind_str(s, 1, name);
	int64_t n = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
	ledger_put_back(s);
	if (n >= 0 || l->mode == LEDGER_READ)
		return n;
	/* Made outside of a transaction it waits for the next one: a number that no op uses yet may be lost. */
	if (!l->in_tx)
		open_tx(l);
	if (l->failed)
		return -1;
	s = ledger_stmt(l, add);
	ledger_bind_str(s, 1, name);
	if (sqlite3_step(s) == SQLITE_DONE)
		n = sqlite3_last_insert_rowid(l->db);
	else
		ledger_fail(l, "be written");
	ledger_put_back(s);
	return n;
}

static const char *name_of(struct ledger *l, enum ledger_stmt get, int64_t num, struct arena *a)
{
	sqlite3_stmt *s = ledger_stmt(l, get);
	sqlite3_bind_int64(s, 1, num);
	const char *name = sqlite3_step(s) == SQLITE_ROW ? arena_strdup(a, (const char *)sqlite3_column_text(s, 0)) : NULL;
	ledger_put_back(s);
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

/* ---- changes of state ---- */

/* What came of a bound change of state. The disk may fail (the commit will say so); a change that is not allowed may not. */
static void changed(struct ledger *l, int rc, sqlite3_stmt *s, const struct opkey *k, const char *what)
{
	if ((rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_MISUSE || (rc & 0xff) == SQLITE_MISMATCH)
		die("ledger: %s of kind %d, part %d, id %s: %s", what, (int)k->kind, k->part, k->id, sqlite3_errmsg(l->db));
	if (rc != SQLITE_DONE)
		ledger_fail(l, "be written");
	else if (sqlite3_changes(l->db) != 1)
		die("ledger: %s of kind %d, part %d, id %s does not fit its state", what, (int)k->kind, k->part, k->id);
	ledger_put_back(s);
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
			ledger_fail(l, "be read");
		l->last[i].lane = lane;
		l->last[i].seq = sqlite3_column_int64(s, 0);
		ledger_put_back(s);
	}
	return ++l->last[i].seq;
}

static sqlite3_stmt *bind_intent(struct ledger *l, enum ledger_stmt n, const struct opkey *k, int64_t lane, uint64_t src_fp, uint64_t body_fp,
                                 uint32_t loss, int64_t run, int64_t now_us, int64_t seq)
{
	sqlite3_stmt *s = ledger_stmt(l, n);
	ledger_bind_key(s, k);
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
		ledger_put_back(s);
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
	ledger_bind_key(s, k);
	if (sqlite3_bind_parameter_count(s) >= 6)
		ledger_bind_str(s, 6, a);
	if (sqlite3_bind_parameter_count(s) >= 7)
		ledger_bind_str(s, 7, b);
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
		ledger_bind_key(s, k);
		ledger_bind_str(s, 6, was.target);
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
		ledger_bind_key(s, k);
		if (sqlite3_step(s) != SQLITE_DONE)
			ledger_fail(l, "be written");
		ledger_put_back(s);
	}
	if (!unsent_edit(l, k))
		simple(l, S_UNSENT, k, NULL, NULL, "unsent");
}

/* There is hardly anything open: the index of what is open is all that is read. */
void ledger_forget_uploads(struct ledger *l)
{
	if (!may_change(l))
		return;
	if (!ledger_exec(l, "UPDATE op SET state = 1, why = NULL WHERE state IN (1, 2) AND state = 2 AND kind = 3;"
	                    " DELETE FROM op WHERE state IN (1, 2) AND state = 1 AND kind = 3"))
		ledger_fail(l, "be written");
}

void ledger_gone(struct ledger *l, const struct opkey *k)
{
	simple(l, S_GONE, k, NULL, NULL, "gone");
}

