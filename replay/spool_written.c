/* spool_written.c: the messages of a merged chat that were written in earlier runs, found again under their ids.
 *
 * Called by spool_merge.c for a chat that spool_fold.c puts together. The promise: what was written under an id keeps it, whichever of the
 * phones it comes from this time, so that nothing is sent twice. Why it holds:
 *
 *  1. Putting copies together does not look at what was written. It is a function of the exports in their order, and what is put in
 *     later takes no id away. So with the same exports, or with more behind them, every message has the id it had, and
 *     nothing has to be found.
 *  2. Where the list has changed otherwise (a newer export in an older one's place, another order, one that is gone), a message may
 *     have the id of another phone's copy. While the copies are put together, ids under which each message may have been written
 *     before are noted (claims). At the end, written ids that no message has go to those that claim them; where the claimant has a
 *     written id of its own, it passes that on to whoever claims it (one chain at a time, Kuhn's algorithm), and where nobody
 *     does, to its twin: the same words of the same person within two minutes, of which one more was written than has its id now.
 *  3. Times follow the ids: what was written keeps the time it was written under.
 *
 * Memory: two bytes for each written message, 8 MiB at most; everything else is in temporary tables.
 */
#include "replay/spool_merge.h"

#include "core/canon.h"

#include <stdlib.h>

enum { CHAIN_LEN = 8, CLAIMANTS = 16 };
static const int64_t near_us = 120ll * 1000000;

/* ---- what was written ---- */

void written_init(struct written *w, struct spool *s)
{
	*w = (struct written){ .s = s };
}

void written_free(struct written *w)
{
	sqlite3_finalize(w->has);
	sqlite3_finalize(w->claim);
	idfilter_free(&w->ids);
	*w = (struct written){ .s = w->s };
}

struct putting_past { struct written *w; sqlite3_stmt *st; bool failed; };

static bool put_past(void *to, int64_t ts_us, const char *id)
{
	struct putting_past *p = to;
	sqlite3_reset(p->st);
	spool_db_text(p->st, 1, id);
	sqlite3_bind_int64(p->st, 2, ts_us);
	p->failed = sqlite3_step(p->st) != SQLITE_DONE;
	return !p->failed;
}

/* A filter before the table: most ids that are asked for were never written. */
static void fill_filter(struct written *w)
{
	sqlite3_stmt *st = spool_db_once(w->s, "SELECT id FROM temp.past");
	idfilter_init(&w->ids, w->n);
	while (spool_db_step(w->s, st))
		idfilter_add(&w->ids, spool_db_col(st, 0));
	sqlite3_finalize(st);
}

/* They come in the order of time, and are sorted before they go into the table: their ids are hashes. */
bool written_load(struct written *w, const char *conv_id)
{
	struct spool *s = w->s;
	struct putting_past p = { .w = w };
	written_free(w);
	if (!s->b->past.conv)
		return true;
	if (!spool_db_run(s, "CREATE TEMP TABLE IF NOT EXISTS past(id TEXT PRIMARY KEY, ts INTEGER) WITHOUT ROWID; DELETE FROM temp.past;"
	                     "CREATE TEMP TABLE IF NOT EXISTS arrived(id TEXT, ts INTEGER); DELETE FROM temp.arrived;"
	                     "CREATE TEMP TABLE IF NOT EXISTS claim(id TEXT, was TEXT, PRIMARY KEY(was,id)) WITHOUT ROWID; DELETE FROM temp.claim", &s->b->err))
		return !(s->b->failed = true);
	p.st = spool_db_once(s, "INSERT INTO temp.arrived VALUES(?1,?2)");
	bool ok = s->b->past.conv(s->b->past.ctx, conv_id, put_past, &p) || !p.failed;
	sqlite3_finalize(p.st);
	if (!ok)
		return spool_put_failed(s, "cannot write");
	if (!spool_db_run(s, "PRAGMA cache_size=-4096; INSERT OR IGNORE INTO temp.past SELECT id,ts FROM temp.arrived ORDER BY id; DELETE FROM temp.arrived; PRAGMA cache_size=-12288", &s->b->err))
		return !(s->b->failed = true);
	sqlite3_stmt *n = spool_db_once(s, "SELECT count(*) FROM temp.past");
	w->n = spool_db_step(s, n) ? (size_t)sqlite3_column_int64(n, 0) : 0;
	sqlite3_finalize(n);
	if (!w->n)
		return true;
	w->has = spool_db_once(s, "SELECT 1 FROM temp.past WHERE id=?1");
	w->claim = spool_db_once(s, "INSERT OR IGNORE INTO temp.claim VALUES(?1,?2)");
	fill_filter(w);
	return true;
}

bool written_has(struct written *w, const char *id)
{
	if (!idfilter_has(&w->ids, id))
		return false;
	sqlite3_reset(w->has);
	spool_db_text(w->has, 1, id);
	bool found = spool_db_step(w->s, w->has);
	sqlite3_reset(w->has);
	return found;
}

bool written_claim(struct written *w, const char *id, const char *was)
{
	sqlite3_reset(w->claim);
	spool_db_text(w->claim, 1, id);
	spool_db_text(w->claim, 2, was);
	return sqlite3_step(w->claim) == SQLITE_DONE || spool_put_failed(w->s, "cannot write");
}

/* In the order of ids, so that it can be compared with what was written in one pass; an index of all messages would be written to
 * at random with every message that is put together. */
bool written_list(struct written *w, int64_t conv)
{
	struct spool *s = w->s;
	if (!spool_db_run(s, "CREATE TEMP TABLE IF NOT EXISTS have(conv INTEGER, id TEXT, ts INTEGER, PRIMARY KEY(conv,id)) WITHOUT ROWID; PRAGMA cache_size=-4096", &s->b->err))
		return !(s->b->failed = true);
	sqlite3_stmt *out = spool_db_once(s, "DELETE FROM temp.have WHERE conv=?1"), *in = spool_db_once(s, "INSERT INTO temp.have SELECT conv,id,ts FROM main.msg WHERE conv=?1 ORDER BY id");
	sqlite3_bind_int64(out, 1, conv);
	sqlite3_bind_int64(in, 1, conv);
	bool ok = sqlite3_step(out) == SQLITE_DONE && sqlite3_step(in) == SQLITE_DONE;
	sqlite3_finalize(out);
	sqlite3_finalize(in);
	return (ok && spool_db_run(s, "PRAGMA cache_size=-12288", &s->b->err)) || spool_put_failed(s, "cannot write");
}

int64_t written_in(struct written *w, int64_t conv)
{
	if (!w->n)
		return 0;
	sqlite3_stmt *st = spool_db_once(w->s, "SELECT count(*) FROM temp.past p CROSS JOIN temp.have h ON h.conv=?1 AND h.id=p.id");
	sqlite3_bind_int64(st, 1, conv);
	int64_t n = spool_db_step(w->s, st) ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_finalize(st);
	return n;
}

int64_t written_time(struct written *w, int64_t conv)
{
	sqlite3_stmt *st = spool_db_once(w->s, "SELECT count(*) FROM main.msg WHERE conv=?1 AND ts BETWEEN (SELECT min(ts) FROM temp.past) AND (SELECT max(ts) FROM temp.past)");
	sqlite3_bind_int64(st, 1, conv);
	int64_t n = spool_db_step(w->s, st) ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_finalize(st);
	return n;
}

/* ---- ids that nobody has go to those that claim them ---- */

struct settling {
	struct written *w;
	int64_t conv;
	struct arena a;
	sqlite3_stmt *claimants, *took, *take, *give_back, *near;
	size_t n;
	bool failed;
};

static bool failed(struct settling *z)
{
	z->failed = true;
	return spool_put_failed(z->w->s, "cannot write");
}

static bool has_taken(struct settling *z, const char *id)
{
	sqlite3_reset(z->took);
	spool_db_text(z->took, 1, id);
	bool found = spool_db_step(z->w->s, z->took);
	sqlite3_reset(z->took);
	return found;
}

static bool take(struct settling *z, const char *id, const char *was)
{
	sqlite3_reset(z->take);
	spool_db_text(z->take, 1, id);
	spool_db_text(z->take, 2, was);
	z->n++;
	return sqlite3_step(z->take) == SQLITE_DONE || failed(z);
}

static void give_back(struct settling *z, const char *id)
{
	sqlite3_reset(z->give_back);
	spool_db_text(z->give_back, 1, id);
	z->n--;
	if (sqlite3_step(z->give_back) != SQLITE_DONE)
		failed(z);
}

static size_t claimants_of(struct settling *z, const char *was, const char *v[CLAIMANTS])
{
	size_t n = 0;
	sqlite3_reset(z->claimants);
	spool_db_text(z->claimants, 1, was);
	while (n < CLAIMANTS && spool_db_step(z->w->s, z->claimants))
		v[n++] = arena_strdup(&z->a, spool_db_col(z->claimants, 0));
	sqlite3_reset(z->claimants);
	return n;
}

/* Somebody takes the id `was`, which nobody has: at the end of the chain one that has no written id. */
static bool pass_on(struct settling *z, struct table *seen, const char *was, int depth)
{
	const char *v[CLAIMANTS];
	size_t n = claimants_of(z, was, v);
	for (size_t i = 0; i < n; i++)
		if (!written_has(z->w, v[i]) && !has_taken(z, v[i]))
			return take(z, v[i], was);
	for (size_t i = 0; i < n && depth < CHAIN_LEN && !z->failed; i++) {
		if (!written_has(z->w, v[i]) || has_taken(z, v[i]) || table_put(seen, v[i], z))
			continue;
		if (!take(z, v[i], was))
			return false;
		if (pass_on(z, seen, v[i], depth + 1))
			return true;
		give_back(z, v[i]);
	}
	return false;
}

struct twin { int64_t ts_us; const char *author; uint64_t words; };

/* Of a message that is nothing but words; else 0. */
static uint64_t words_of(const struct msg *m)
{
	struct align_words w = { 0 };
	if (m->kind != MSG_TEXT || m->n_files)
		return 0;
	fold_words_of(m, &w);
	return w.h;
}

static bool read_twin(struct settling *z, const char *id, struct twin *out)
{
	sqlite3_stmt *st = spool_db_once(z->w->s, "SELECT m.ts,m.author,m.body FROM temp.have h JOIN main.msg m ON m.conv=h.conv AND m.ts=h.ts AND m.id=h.id WHERE h.conv=?1 AND h.id=?2");
	sqlite3_bind_int64(st, 1, z->conv);
	spool_db_text(st, 2, id);
	bool found = spool_db_step(z->w->s, st);
	struct msg m;
	if (found && canon_read_msg(sqlite3_column_blob(st, 2), (size_t)sqlite3_column_bytes(st, 2), &z->a, &m, NULL, NULL))
		*out = (struct twin){ sqlite3_column_int64(st, 0), arena_strdup(&z->a, spool_db_col(st, 1)), words_of(&m) };
	else
		found = false;
	sqlite3_finalize(st);
	return found && out->author && out->words;
}

/* Two messages were written, a claimant's own and `was`, and are one now; then a message that is the same to any reader and
 * seems new is the other one of them. */
static bool give_twin(struct settling *z, const char *was)
{
	const char *v[CLAIMANTS];
	size_t n = claimants_of(z, was, v);
	for (size_t i = 0; i < n && !z->failed; i++) {
		struct twin t;
		const char *found = NULL;
		if (!read_twin(z, v[i], &t))
			continue;
		sqlite3_reset(z->near);
		sqlite3_bind_int64(z->near, 1, z->conv);
		sqlite3_bind_int64(z->near, 2, t.ts_us - near_us);
		sqlite3_bind_int64(z->near, 3, t.ts_us + near_us);
		spool_db_text(z->near, 4, t.author);
		for (size_t k = 0; !found && k < 1000 && spool_db_step(z->w->s, z->near); k++) {
			struct msg m;
			const char *id = arena_strdup(&z->a, spool_db_col(z->near, 0));
			if (written_has(z->w, id) || has_taken(z, id))
				continue;
			if (canon_read_msg(sqlite3_column_blob(z->near, 1), (size_t)sqlite3_column_bytes(z->near, 1), &z->a, &m, NULL, NULL) && words_of(&m) == t.words)
				found = id;
		}
		sqlite3_reset(z->near);
		if (found)
			return take(z, found, was);
	}
	return false;
}

static void settle_ids(struct settling *z)
{
	struct spool *s = z->w->s;
	struct table seen;
	sqlite3_stmt *spare = spool_db_once(s, "SELECT id FROM temp.spare ORDER BY ts,id");
	while (!z->failed && spool_db_step(s, spare)) {
		arena_reset(&z->a);
		const char *was = arena_strdup(&z->a, spool_db_col(spare, 0));
		table_init(&seen);
		if (pass_on(z, &seen, was, 0) || (!z->failed && give_twin(z, was)))
			z->w->found++;
		table_release(&seen);
	}
	sqlite3_finalize(spare);
}

/* ---- in the table ---- */

/* The row that the statement stands on, of columns author, root, root_ts, body from `at` on, under another id and time. */
static bool put_as(struct settling *z, sqlite3_stmt *st, int at, const char *id, int64_t ts_us, const char *old_id, int64_t old_ts, struct buf *line)
{
	struct spool *s = z->w->s;
	struct msg m;
	if (!canon_read_msg(sqlite3_column_blob(st, at + 3), (size_t)sqlite3_column_bytes(st, at + 3), &z->a, &m, NULL, &s->b->err)) {
		s->b->failed = z->failed = true;
		return false;
	}
	m.id = id;
	m.author = arena_strdup(&z->a, spool_db_col(st, at));
	m.parent = arena_strdup(&z->a, spool_db_col(st, at + 1));
	m.parent_ts_us = sqlite3_column_int64(st, at + 2);
	m.edited_us = m.edited_us ? ts_us : 0;
	m.ts_us = ts_us;
	return (!old_id || fold_drop(s, z->conv, old_ts, old_id)) && fold_put(s, z->conv, &m, line);
}

/* Those that take another id: all are taken out before any is put back, as one may take what another gives up. */
static bool apply_ids(struct settling *z, struct buf *line)
{
	struct spool *s = z->w->s;
	bool ok = spool_db_run(s, "CREATE TEMP TABLE hold AS SELECT t.was AS was,p.ts AS at,m.author AS author,m.root AS root,m.root_ts AS root_ts,m.body AS body,m.ts AS ts,m.id AS id"
	                          " FROM temp.took t CROSS JOIN temp.past p ON p.id=t.was CROSS JOIN temp.have h ON h.conv=(SELECT conv FROM temp.here) AND h.id=t.id"
	                          " CROSS JOIN main.msg m ON m.conv=h.conv AND m.ts=h.ts AND m.id=h.id", &s->b->err);
	sqlite3_stmt *st = ok ? spool_db_once(s, "SELECT ts,id FROM temp.hold ORDER BY rowid") : NULL;
	while (ok && spool_db_step(s, st))
		ok = fold_drop(s, z->conv, sqlite3_column_int64(st, 0), spool_db_col(st, 1));
	sqlite3_finalize(st);
	st = ok ? spool_db_once(s, "SELECT was,at,author,root,root_ts,body FROM temp.hold ORDER BY rowid") : NULL;
	while (ok && spool_db_step(s, st)) {
		arena_reset(&z->a);
		ok = put_as(z, st, 2, arena_strdup(&z->a, spool_db_col(st, 0)), sqlite3_column_int64(st, 1), NULL, 0, line);
	}
	sqlite3_finalize(st);
	/* Replies name what they answer by the id it had. */
	return ok && spool_db_run(s, "UPDATE main.msg SET root=(SELECT was FROM temp.took WHERE id=msg.root) WHERE conv=(SELECT conv FROM temp.here) AND root IN (SELECT id FROM temp.took)", &s->b->err);
}

static bool apply_times(struct settling *z, struct buf *line)
{
	struct spool *s = z->w->s;
	bool ok = spool_db_run(s, "CREATE TEMP TABLE late AS SELECT p.id AS id,h.ts AS old,p.ts AS ts FROM temp.past p CROSS JOIN temp.have h"
	                          " ON h.conv=(SELECT conv FROM temp.here) AND h.id=p.id WHERE h.ts<>p.ts AND p.id NOT IN (SELECT id FROM temp.took)"
	                          " ORDER BY h.ts", &s->b->err);
	if (!ok)
		return false;
	sqlite3_stmt *st = spool_db_once(s, "SELECT l.id,l.old,l.ts,m.author,m.root,m.root_ts,m.body FROM temp.late l JOIN main.msg m ON m.conv=?1 AND m.ts=l.old AND m.id=l.id");
	sqlite3_bind_int64(st, 1, z->conv);
	while (ok && spool_db_step(s, st)) {
		arena_reset(&z->a);
		const char *id = arena_strdup(&z->a, spool_db_col(st, 0));
		ok = put_as(z, st, 3, id, sqlite3_column_int64(st, 2), id, sqlite3_column_int64(st, 1), line);
	}
	sqlite3_finalize(st);
	return ok;
}

bool written_settle(struct written *w, int64_t conv)
{
	struct spool *s = w->s;
	struct settling z = { .w = w, .conv = conv };
	struct buf line;
	if (!w->n)
		return true;
	bool ok = written_list(w, conv) && spool_db_run(s, "CREATE TEMP TABLE IF NOT EXISTS here(conv INTEGER); DELETE FROM temp.here;"
	                          "DROP TABLE IF EXISTS temp.took; CREATE TEMP TABLE took(id TEXT PRIMARY KEY, was TEXT UNIQUE) WITHOUT ROWID;"
	                          "DROP TABLE IF EXISTS temp.hold; DROP TABLE IF EXISTS temp.late; DROP TABLE IF EXISTS temp.spare", &s->b->err);
	sqlite3_stmt *st = ok ? spool_db_once(s, "INSERT INTO temp.here VALUES(?1)") : NULL;
	if (ok) {
		sqlite3_bind_int64(st, 1, conv);
		ok = sqlite3_step(st) == SQLITE_DONE;
	}
	sqlite3_finalize(st);
	ok = ok && spool_db_run(s, "CREATE TEMP TABLE spare AS SELECT p.ts AS ts,p.id AS id FROM temp.past p WHERE p.id IN (SELECT was FROM temp.claim)"
	                           " AND NOT EXISTS (SELECT 1 FROM temp.have h WHERE h.conv=(SELECT conv FROM temp.here) AND h.id=p.id)", &s->b->err);
	if (!ok)
		return !(s->b->failed = true);
	arena_init(&z.a);
	buf_init(&line, SPOOL_LINE_MAX);
	z.claimants = spool_db_once(s, "SELECT id FROM temp.claim WHERE was=?1 ORDER BY id");
	z.took = spool_db_once(s, "SELECT 1 FROM temp.took WHERE id=?1");
	z.take = spool_db_once(s, "INSERT INTO temp.took VALUES(?1,?2)");
	z.give_back = spool_db_once(s, "DELETE FROM temp.took WHERE id=?1");
	z.near = spool_db_once(s, "SELECT id,body FROM msg WHERE conv=?1 AND ts BETWEEN ?2 AND ?3 AND author=?4 ORDER BY ts,id");
	w->found = written_in(w, conv);
	settle_ids(&z);
	sqlite3_finalize(z.claimants);
	sqlite3_finalize(z.took);
	sqlite3_finalize(z.take);
	sqlite3_finalize(z.give_back);
	sqlite3_finalize(z.near);
	ok = !z.failed && (!z.n || apply_ids(&z, &line)) && apply_times(&z, &line);
	if (!ok)
		s->b->failed = true;
	arena_release(&z.a);
	buf_release(&line);
	return ok;
}
