/* ledger_read.c: reads: one op, walks over a conversation or a lane, lanes, sums, troubles.
 *
 * Promises: rows in the order the header says; an open walk costs one statement and no memory that grows. A ledger that
 * cannot be read dies instead of looking shorter than it is: a missing row would mean a message sent twice.
 * Called by stream, plan, verify, rollback, status. Does not write.
 */
#include "replay/ledger.h"

#include "replay/ledger_db.h"

#include <stdlib.h>

static bool next_row(struct ledger *l, sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		die("ledger: cannot be read: %s", sqlite3_errmsg(l->db));
	return rc == SQLITE_ROW;
}

/* ---- one op ---- */

void ledger_row_read(struct ledger *l, sqlite3_stmt *s, struct ledger_row *out)
{
	struct ledger_was was;
	*out = (struct ledger_row){
		.key = { .conv = sqlite3_column_int64(s, 0), .ts_us = sqlite3_column_int64(s, 1),
			.id = (const char *)sqlite3_column_text(s, 2), .kind = (enum op_kind)sqlite3_column_int(s, 3),
			.part = sqlite3_column_int(s, 4) },
		.lane = sqlite3_column_int64(s, 5), .state = (enum op_state)sqlite3_column_int(s, 6),
		.target = (const char *)sqlite3_column_text(s, 7), .target2 = (const char *)sqlite3_column_text(s, 8),
		.why = (const char *)sqlite3_column_text(s, 9),
		.src_fp = (uint64_t)sqlite3_column_int64(s, 10), .body_fp = (uint64_t)sqlite3_column_int64(s, 11),
		.loss = (uint32_t)sqlite3_column_int64(s, 12), .tries = sqlite3_column_int(s, 13),
		.sent_us = sqlite3_column_int64(s, 14), .run = sqlite3_column_int64(s, 15),
	};
	out->stale_mapping = ledger_stale(l, out->run);
	if (out->key.kind == OP_EDIT && ledger_was_read(out->target2, &was)) {
		out->was.any = true;
		out->was.src_fp = (uint64_t)was.src_fp;
		out->was.body_fp = (uint64_t)was.body_fp;
		out->was.loss = (uint32_t)was.loss;
		out->was.stale_mapping = ledger_stale(l, was.run);
	}
}

static void keep_strings(struct ledger_row *r, struct arena *a)
{
	r->key.id = arena_strdup(a, r->key.id);
	r->target = arena_strdup(a, r->target);
	r->target2 = arena_strdup(a, r->target2);
	r->why = arena_strdup(a, r->why);
}

static bool row_or_none(struct ledger *l, sqlite3_stmt *s, struct arena *a, struct ledger_row *out)
{
	int rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		ledger_row_read(l, s, out);
		keep_strings(out, a);
	} else if (rc != SQLITE_DONE) {
		die("ledger: cannot be read: %s", sqlite3_errmsg(l->db)); /* "absent" would be a lie that sends twice */
	}
	ledger_put_back(s);
	return rc == SQLITE_ROW;
}

bool ledger_get(struct ledger *l, const struct opkey *k, struct arena *a, struct ledger_row *out)
{
	sqlite3_stmt *s = ledger_stmt(l, S_GET);
	ledger_bind_key(s, k);
	return row_or_none(l, s, a, out);
}

bool ledger_open_op(struct ledger *l, int64_t lane, struct arena *a, struct ledger_row *out)
{
	sqlite3_stmt *s = ledger_stmt(l, S_OPEN);
	sqlite3_bind_int64(s, 1, lane);
	return row_or_none(l, s, a, out);
}

const char *ledger_anchor(struct ledger *l, int64_t lane, uint32_t kinds, struct arena *a)
{
	sqlite3_stmt *s = ledger_stmt(l, S_ANCHOR);
	sqlite3_bind_int64(s, 1, lane);
	sqlite3_bind_int64(s, 2, kinds);
	int rc = sqlite3_step(s);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		die("ledger: cannot be read: %s", sqlite3_errmsg(l->db));
	const char *id = rc == SQLITE_ROW ? arena_strdup(a, (const char *)sqlite3_column_text(s, 0)) : NULL;
	ledger_put_back(s);
	return id;
}

bool ledger_newest(struct ledger *l, int64_t lane, uint32_t kinds, int64_t *before, struct arena *a, struct ledger_row *out)
{
	sqlite3_stmt *s = ledger_stmt(l, S_NEWEST);
	sqlite3_bind_int64(s, 1, lane);
	sqlite3_bind_int64(s, 2, *before ? *before : INT64_MAX);
	sqlite3_bind_int64(s, 3, kinds);
	int rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		*before = sqlite3_column_int64(s, N_OP_COLUMNS);
		ledger_row_read(l, s, out);
		keep_strings(out, a);
	} else if (rc != SQLITE_DONE) {
		die("ledger: cannot be read: %s", sqlite3_errmsg(l->db));
	}
	ledger_put_back(s);
	return rc == SQLITE_ROW;
}

bool ledger_find_post(struct ledger *l, const char *target, struct arena *a, struct ledger_row *out)
{
	sqlite3_stmt *s = ledger_stmt(l, S_FIND_POST);
	ledger_bind_str(s, 1, target);
	return row_or_none(l, s, a, out);
}

static enum ledger_stmt owns_stmt(enum op_kind kind)
{
	switch (kind) {
	case OP_POST:
		return S_OWNS_POST;
	case OP_USER_CREATE: case OP_CHAT_CREATE: case OP_THREAD_OPEN:
		return S_OWNS_MADE;
	case OP_UPLOAD: case OP_REACT: case OP_PIN: case OP_MEMBERS: case OP_ARCHIVE: case OP_EDIT: case OP_DELETE:
		break;
	}
	return S_OWNS; /* reads the whole ledger: nobody asks this often */
}

bool ledger_owns(struct ledger *l, enum op_kind kind, const char *target)
{
	sqlite3_stmt *s = ledger_stmt(l, owns_stmt(kind));
	sqlite3_bind_int(s, 1, (int)kind);
	ledger_bind_str(s, 2, target);
	int rc = sqlite3_step(s);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		die("ledger: cannot be read: %s", sqlite3_errmsg(l->db));
	ledger_put_back(s);
	return rc == SQLITE_ROW;
}

/* ---- walks ---- */

/* Walks that have ended wait here with their statements: preparing one costs as much as reading a hundred rows. */
struct ledger_walk {
	struct ledger *l;
	enum ledger_walk_kind kind;
	sqlite3_stmt *s;
	bool over;                /* a statement asked once more after its end would start again */
	struct ledger_walk *next; /* of those that wait */
};

static const char *const walk_sql[N_LEDGER_WALK] = {
	[WALK_CONV] = "SELECT " OP_COLUMNS " FROM op WHERE conv = ?1 ORDER BY ts, id, kind, part",
	[WALK_RECORD] = "SELECT " OP_COLUMNS " FROM op WHERE conv = ?1 AND ts = ?2 AND id = ?3 ORDER BY kind, part",
	[WALK_LOSS] = "SELECT " OP_COLUMNS " FROM op WHERE conv = ?1 AND (ts, id) >= (?2, ?3) AND kind IN (4, 10) AND state = 3"
		" AND loss & ?4 ORDER BY ts, id, kind, part",
	[WALK_LANE] = "SELECT " OP_COLUMNS " FROM op WHERE lane = ?1 ORDER BY seq",
};

static struct ledger_walk *walk(struct ledger *l, enum ledger_walk_kind kind, int64_t number)
{
	struct ledger_walk *w = l->idle[kind];
	if (w) {
		l->idle[kind] = w->next;
	} else {
		w = xcalloc(1, sizeof(*w));
		w->l = l;
		w->kind = kind;
		w->s = ledger_prepare(l, walk_sql[kind]);
	}
	w->over = false;
	sqlite3_bind_int64(w->s, 1, number);
	return w;
}

struct ledger_walk *ledger_walk(struct ledger *l, int64_t conv)
{
	return walk(l, WALK_CONV, conv);
}

struct ledger_walk *ledger_walk_record(struct ledger *l, int64_t conv, int64_t ts_us, const char *id)
{
	struct ledger_walk *w = walk(l, WALK_RECORD, conv);
	sqlite3_bind_int64(w->s, 2, ts_us);
	sqlite3_bind_text(w->s, 3, id, -1, SQLITE_TRANSIENT);
	return w;
}

struct ledger_walk *ledger_walk_loss(struct ledger *l, int64_t conv, uint32_t loss, int64_t ts_us, const char *id)
{
	struct ledger_walk *w = walk(l, WALK_LOSS, conv);
	sqlite3_bind_int64(w->s, 2, ts_us);
	sqlite3_bind_text(w->s, 3, id, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(w->s, 4, loss);
	return w;
}

struct ledger_walk *ledger_walk_lane(struct ledger *l, int64_t lane)
{
	return walk(l, WALK_LANE, lane);
}

bool ledger_walk_next(struct ledger_walk *w, struct ledger_row *out)
{
	if (w->over || !next_row(w->l, w->s)) {
		if (!w->over)
			sqlite3_reset(w->s); /* it reads no longer */
		w->over = true;
		return false;
	}
	ledger_row_read(w->l, w->s, out);
	return true;
}

void ledger_walk_end(struct ledger_walk *w)
{
	if (!w)
		return;
	sqlite3_reset(w->s);
	sqlite3_clear_bindings(w->s);
	w->next = w->l->idle[w->kind];
	w->l->idle[w->kind] = w;
}

void ledger_walks_release(struct ledger *l)
{
	for (size_t i = 0; i < N_LEDGER_WALK; i++)
		for (struct ledger_walk *w = l->idle[i], *next; w; w = next) {
			next = w->next;
			sqlite3_finalize(w->s);
			free(w);
		}
}

/* ---- the ledger as a whole ---- */

size_t ledger_sent(struct ledger *l, int64_t lane, uint32_t kinds, int64_t *sent_us, size_t max)
{
	sqlite3_stmt *s = ledger_stmt(l, S_SENT);
	size_t n = 0;
	sqlite3_bind_int64(s, 1, lane);
	sqlite3_bind_int64(s, 2, kinds);
	sqlite3_bind_int64(s, 3, (int64_t)max);
	while (next_row(l, s))
		sent_us[n++] = sqlite3_column_int64(s, 0);
	sqlite3_reset(s);
	return n;
}

bool ledger_lanes(struct ledger *l, bool (*each)(void *ctx, int64_t lane, const char *name), void *ctx)
{
	sqlite3_stmt *s = ledger_prepare(l, "SELECT num, name FROM lane"
		" WHERE EXISTS(SELECT 1 FROM op WHERE op.lane = lane.num AND op.state = 3) ORDER BY num");
	bool go = true;
	while (go && next_row(l, s))
		go = each(ctx, sqlite3_column_int64(s, 0), (const char *)sqlite3_column_text(s, 1));
	sqlite3_finalize(s);
	return go;
}

const char *ledger_bonded(struct ledger *l, struct arena *a)
{
	sqlite3_stmt *s = ledger_prepare(l, "SELECT target FROM bond");
	const char *target = arena_strdup(a, sqlite3_step(s) == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : l->marked_bond);
	sqlite3_finalize(s);
	return target;
}

void ledger_count(struct ledger *l, struct ledger_counts *out)
{
	*out = (struct ledger_counts){ 0 };
	/* Added up here: SQLite would sort all rows for a GROUP BY, at seven times the cost. */
	sqlite3_stmt *s = ledger_prepare(l, "SELECT kind, state, sent FROM op");
	while (next_row(l, s)) {
		int kind = sqlite3_column_int(s, 0), state = sqlite3_column_int(s, 1);
		if (kind < 0 || kind > OP_DELETE || state < 0 || state > OP_GONE)
			continue; /* cannot be: the schema checks both */
		int64_t sent = sqlite3_column_int64(s, 2);
		out->by_kind_state[kind][state]++;
		if (state == OP_DONE && sent > out->last_done_us)
			out->last_done_us = sent;
	}
	sqlite3_finalize(s);
	s = ledger_prepare(l, "SELECT count(*) FROM run");
	if (next_row(l, s))
		out->runs = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
}

bool ledger_runs(struct ledger *l, bool (*each)(void *ctx, const struct ledger_run *r), void *ctx)
{
	sqlite3_stmt *s = ledger_prepare(l, "SELECT id, cmd, version, began, ended, exit FROM run ORDER BY id");
	sqlite3_stmt *n = ledger_prepare(l, "SELECT run, kind, state, count(*) FROM op GROUP BY run, kind, state ORDER BY run");
	bool more = next_row(l, n), go = true;
	while (go && next_row(l, s)) {
		struct ledger_run r = { .id = sqlite3_column_int64(s, 0), .cmd = (const char *)sqlite3_column_text(s, 1),
			.version = (const char *)sqlite3_column_text(s, 2), .began_us = sqlite3_column_int64(s, 3),
			.ended_us = sqlite3_column_int64(s, 4), .exit_code = sqlite3_column_int(s, 5) };
		for (; more && sqlite3_column_int64(n, 0) <= r.id; more = next_row(l, n)) {
			int kind = sqlite3_column_int(n, 1);
			if (sqlite3_column_int64(n, 0) != r.id || kind < 0 || kind > OP_DELETE)
				continue;
			int64_t k = sqlite3_column_int64(n, 3);
			switch ((enum op_state)sqlite3_column_int(n, 2)) {
			case OP_INTENT: case OP_UNKNOWN: r.open += k; break;
			case OP_DONE: r.done[kind] += k; break;
			case OP_REJECTED: r.rejected += k; break;
			case OP_GONE: r.gone += k; break;
			case OP_ABSENT: break;
			}
		}
		go = each(ctx, &r);
	}
	sqlite3_finalize(n);
	sqlite3_finalize(s);
	return go;
}

/* Open ops first, they stop a lane; then what was refused. Both come from an index of their own. */
bool ledger_troubles(struct ledger *l, bool (*each)(void *ctx, const struct ledger_row *r), void *ctx)
{
	static const char *const sql[] = {
		"SELECT " OP_COLUMNS " FROM op WHERE state IN (1, 2) ORDER BY lane",
		"SELECT " OP_COLUMNS " FROM op WHERE state = 4 ORDER BY lane, seq",
	};
	bool go = true;
	for (size_t i = 0; go && i < countof(sql); i++) {
		sqlite3_stmt *s = ledger_prepare(l, sql[i]);
		struct ledger_row r;
		while (go && next_row(l, s)) {
			ledger_row_read(l, s, &r);
			go = each(ctx, &r);
		}
		sqlite3_finalize(s);
	}
	return go;
}
