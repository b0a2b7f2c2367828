/* spool_seat.c: messages seated elsewhere than the source has them: in threads of ours, in another conversation's chat.
 *
 * Promises: while a seating is in use, walks and look-ups of the conversations it covers show every message once, where it sits;
 * conversations it does not cover are read as before, at the same cost. A message keeps its own key (conversation, time, id). The
 * first messages of our own threads are shown too: kind MSG_LOST_ROOT, an id that begins with '@'.
 * The seating is a second scratch file beside the spool, made whole or not at all, and used again as long as its key is the same.
 * Called by arrange.c (making) and spool.c (reading). It decides nothing about who sits where.
 */
#include "replay/spool_seat.h"

#include "core/canon.h"
#include "replay/spool_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEATS_VERSION = 3 };
_Static_assert(MSG_LOST_ROOT == 12, "the statements below say so");

#define SEEN "t.conv,t.ts,t.id,t.root,t.root_ts,m.author,m.kind,m.flags,m.files,m.reacts,m.reactors,coalesce(c.n,0),length(m.body),m.fp,m.empty,m.body," \
	"m.root,m.root_ts,m.replies,t.host"
#define TITLE "SELECT t.host,t.ts,t.id,NULL,0,NULL,12,0,0,0,0,coalesce(c.n,0),length(t.line),t.fp,0,t.line,NULL,0,0,t.host FROM seats.title t" \
	" LEFT JOIN seats.cnt c ON c.conv=t.host AND c.root=t.id WHERE t.host=?1"
#define JOINED " CROSS JOIN msg m ON m.conv=t.conv AND m.ts=t.ts AND m.id=t.id LEFT JOIN seats.cnt c ON c.conv=t.conv AND c.root=t.id"
#define SEATED "SELECT " SEEN " FROM seats.seat t" JOINED " WHERE t.host=?1 AND (t.ts,t.id,t.conv)>(?2,?3,?5)"
#define TITLES " UNION ALL " TITLE " AND (t.ts,t.id,t.host)>(?2,?3,?5) ORDER BY 2,3,1"
const char *const spool_seat_sqls[N_SQL] = {
	[SQL_ALL] = SEATED TITLES,
	[SQL_CHANNEL] = SEATED " AND t.root IS NULL" TITLES,
	[SQL_THREAD] = "SELECT " SEEN " FROM seats.seat t INDEXED BY seat_reply" JOINED
	               " WHERE t.root_conv=?1 AND t.root=?4 AND (t.ts,t.id,t.conv)>(?2,?3,?5) ORDER BY t.ts,t.id,t.conv",
	[SQL_SOURCE] = "SELECT " SEEN " FROM seats.seat t INDEXED BY seat_source" JOINED " WHERE t.conv=?1 AND (t.ts,t.id)>(?2,?3)"
	               " UNION ALL " TITLE " AND (t.ts,t.id)>(?2,?3) ORDER BY 2,3",
	[SQL_ONE] = "SELECT " SEEN " FROM msg m JOIN seats.seat t INDEXED BY seat_source ON t.conv=m.conv AND t.ts=m.ts AND t.id=m.id LEFT JOIN seats.cnt c"
	            " ON c.conv=t.conv AND c.root=t.id WHERE m.conv=?1 AND m.ts=?2 AND m.id=?3 UNION ALL " TITLE " AND t.ts=?2 AND t.id=?3",
	[SQL_BY_ID] = "SELECT ts FROM seats.title WHERE host=?1 AND id=?2",
};

/* ---- using one ---- */

bool spool_seated(const struct spool *s, int64_t conv)
{
	size_t lo = 0, hi = s->n_seated;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->seated[mid] == conv)
			return true;
		if (s->seated[mid] < conv)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

void spool_seats_leave(struct spool *s)
{
	spool_walks_unpark(s);
	if (!s->seats)
		return;
	for (int i = 0; i < N_SQL; i++) {
		sqlite3_finalize(s->seat_st[i]);
		s->seat_st[i] = NULL;
		for (struct spool_walk *w = s->seat_idle[i], *next; w; w = next) {
			next = w->next;
			sqlite3_finalize(w->st);
			free(w);
		}
		s->seat_idle[i] = NULL;
	}
	sqlite3_exec(s->db, "DETACH seats", NULL, NULL, NULL);
	free(s->seated);
	s->seated = NULL;
	s->n_seated = 0;
	s->seats = false;
}

static const char *seats_path(const struct spool *s, struct arena *a)
{
	return arena_fmt(a, "%s.seats", s->path);
}

/* The mapping's part of the key, and which spool this is: one that is built anew is another file, or the same written later. */
static void whole_key(const struct spool *s, const uint8_t key[DIGEST_BYTES], uint8_t out[DIGEST_BYTES])
{
	struct digest d;
	struct stat st = { 0 };
	char words[160];
	digest_init(&d);
	digest_add(&d, key, DIGEST_BYTES);
	stat(s->path, &st);
	int n = snprintf(words, sizeof(words), "%d %lld %lld %lld.%09ld", SEATS_VERSION, (long long)st.st_ino, (long long)st.st_size,
	                 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	digest_add(&d, words, (size_t)n);
	digest_end(&d, out);
}

static void load_seated(struct spool *s)
{
	sqlite3_stmt *st = spool_db_once(s, "SELECT num FROM seats.conv WHERE seated ORDER BY num");
	size_t cap = 0;
	while (spool_db_step(s, st)) {
		GROW(s->seated, s->n_seated, cap, 64);
		s->seated[s->n_seated++] = sqlite3_column_int64(st, 0);
	}
	sqlite3_finalize(st);
}

bool spool_seats_use(struct spool *s, const uint8_t key[DIGEST_BYTES])
{
	uint8_t want[DIGEST_BYTES];
	struct arena a;
	struct stat there;
	whole_key(s, key, want);
	if (s->seats && !memcmp(s->seats_key, want, DIGEST_BYTES))
		return true;
	spool_seats_leave(s);
	arena_init(&a);
	const char *path = seats_path(s, &a);
	sqlite3_stmt *st = NULL;
	bool ok = stat(path, &there) == 0 && sqlite3_prepare_v2(s->db, "ATTACH ?1 AS seats", -1, &st, NULL) == SQLITE_OK;
	if (ok) {
		spool_db_text(st, 1, path);
		ok = sqlite3_step(st) == SQLITE_DONE;
	}
	sqlite3_finalize(st);
	st = NULL;
	s->seats = ok;
	ok = ok && sqlite3_prepare_v2(s->db, "SELECT value FROM seats.info WHERE key='complete'", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW &&
	     sqlite3_column_bytes(st, 0) == DIGEST_BYTES && !memcmp(sqlite3_column_blob(st, 0), want, DIGEST_BYTES);
	sqlite3_finalize(st);
	arena_release(&a);
	if (!ok) {
		spool_seats_leave(s);
		return false;
	}
	memcpy(s->seats_key, want, DIGEST_BYTES);
	load_seated(s);
	return true;
}

bool spool_seat_conv(struct spool *s, struct arena *a, struct spool_conv *c)
{
	sqlite3_stmt *st = spool_db_once(s, "SELECT count(*) FROM seats.cnt WHERE conv=?1");
	sqlite3_bind_int64(st, 1, c->num);
	if (spool_db_step(s, st))
		c->n_threads = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	st = spool_db_once(s, "SELECT id FROM seats.title WHERE host=?1 AND id>='@history:' AND id<'@history;' ORDER BY ts,id");
	sqlite3_bind_int64(st, 1, c->num);
	while (spool_db_step(s, st)) { /* the threads that hold what was: pinned, after what the source has pinned */
		struct pin *v = arena_array(a, c->conv.n_pins + 1, struct pin);
		if (c->conv.n_pins)
			memcpy(v, c->conv.pins, c->conv.n_pins * sizeof(*v));
		v[c->conv.n_pins++] = (struct pin){ .msg_id = arena_strdup(a, spool_db_col(st, 0)) };
		c->conv.pins = v;
	}
	sqlite3_finalize(st);
	return true;
}

int64_t spool_seats_picked(struct spool *s, size_t rule)
{
	if (!s->seats)
		return 0;
	sqlite3_stmt *st = spool_db_once(s, "SELECT count(*) FROM seats.pick WHERE rule=?1");
	sqlite3_bind_int64(st, 1, (int64_t)rule);
	int64_t n = spool_db_step(s, st) ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_finalize(st);
	return n;
}

int64_t spool_seats_tally(struct spool *s, size_t rule, int by)
{
	if (!s->seats)
		return 0;
	sqlite3_stmt *st = spool_db_once(s, "SELECT n FROM seats.tally WHERE rule=?1 AND by=?2");
	sqlite3_bind_int64(st, 1, (int64_t)rule);
	sqlite3_bind_int(st, 2, by);
	int64_t n = spool_db_step(s, st) ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_finalize(st);
	return n;
}

size_t spool_seats_guests(struct spool *s, int64_t host, struct arena *a, const int64_t **convs)
{
	size_t n = 0, cap = 0;
	int64_t *v = NULL;
	*convs = NULL;
	if (!s->seats)
		return 0;
	sqlite3_stmt *st = spool_db_once(s, "SELECT conv FROM seats.guest WHERE host=?1 ORDER BY conv");
	sqlite3_bind_int64(st, 1, host);
	while (spool_db_step(s, st)) {
		GROW(v, n, cap, 8);
		v[n++] = sqlite3_column_int64(st, 0);
	}
	sqlite3_finalize(st);
	*convs = n ? arena_memdup(a, v, n * sizeof(*v)) : NULL;
	free(v);
	return n;
}

bool spool_seats_away(struct spool *s, int64_t conv)
{
	if (!s->seats)
		return false;
	sqlite3_stmt *st = spool_db_once(s, "SELECT 1 FROM seats.guest WHERE conv=?1 LIMIT 1");
	sqlite3_bind_int64(st, 1, conv);
	bool away = spool_db_step(s, st);
	sqlite3_finalize(st);
	return away;
}

bool spool_seats_pick(struct spool *s, int64_t conv, int64_t ts_us, const char *id, struct arena *a, struct pick *out)
{
	if (!s->seats)
		return false;
	sqlite3_stmt *st = spool_db_once(s, "SELECT host,thread,rule,how FROM seats.pick WHERE conv=?1 AND ts=?2 AND id=?3");
	sqlite3_bind_int64(st, 1, conv);
	sqlite3_bind_int64(st, 2, ts_us);
	spool_db_text(st, 3, id);
	bool found = spool_db_step(s, st);
	if (found)
		*out = (struct pick){ sqlite3_column_int64(st, 0), arena_strdup(a, spool_db_col(st, 1)), (size_t)sqlite3_column_int64(st, 2),
			(enum pick_how)sqlite3_column_int(st, 3) };
	sqlite3_finalize(st);
	return found;
}

/* ---- making one ---- */

enum seat_put { PUT_SEAT, PUT_TITLE, PUT_PICK, GET_PICK, PUT_LIVE, PUT_TALLY, N_SEAT_PUT };
struct seating { struct spool *s; sqlite3 *db; sqlite3_stmt *st[N_SEAT_PUT]; struct arena a; const char *path, *tmp; bool failed; };

static void seating_fail(struct seating *g, const char *what, struct err *e)
{
	if (!g->failed) {
		err_set(e, ERR_INTERNAL, "spool: %s: %s", what, sqlite3_errmsg(g->db));
		err_hint(e, "the spool is only a cache: free some space, delete it and run again");
	}
	g->failed = true;
}

static bool seating_run(struct seating *g, const char *sql, struct err *e)
{
	if (!g->failed && sqlite3_exec(g->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		seating_fail(g, "cannot write", e);
	return !g->failed;
}

static sqlite3_stmt *seating_st(struct seating *g, enum seat_put p)
{
	static const char *const sql[N_SEAT_PUT] = {
		[PUT_SEAT] = "INSERT INTO seat VALUES(?1,?2,?3,?4,?5,?6,?7)",
		[PUT_TITLE] = "INSERT OR IGNORE INTO title VALUES(?1,?2,?3,?4,?5,?6)",
		[PUT_PICK] = "INSERT OR IGNORE INTO pick VALUES(?1,?2,?3,?4,?5,?6,?7)",
		[GET_PICK] = "SELECT host,thread,rule,how FROM pick WHERE conv=?1 AND ts=?2 AND id=?3",
		[PUT_LIVE] = "INSERT INTO conv VALUES(?1,?2,?3,?4,0)",
		[PUT_TALLY] = "INSERT INTO tally VALUES(?1,?2,?3)",
	};
	if (!g->st[p] && sqlite3_prepare_v2(g->db, sql[p], -1, &g->st[p], NULL) != SQLITE_OK)
		die("spool: %s", sqlite3_errmsg(g->db));
	sqlite3_reset(g->st[p]);
	return g->st[p];
}

static void seating_step(struct seating *g, sqlite3_stmt *st)
{
	if (sqlite3_step(st) != SQLITE_DONE)
		g->failed = true; /* told by seating_finish */
	sqlite3_reset(st);
}

struct seating *seating_begin(struct spool *s, struct err *e)
{
	struct seating *g = xcalloc(1, sizeof(*g));
	g->s = s;
	arena_init(&g->a);
	g->path = seats_path(s, &g->a);
	g->tmp = arena_fmt(&g->a, "%s.%ld", g->path, (long)getpid());
	unlink(g->tmp);
	int fd = open(g->tmp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	if (fd < 0 || sqlite3_open_v2(g->tmp, &g->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		err_set(e, ERR_INTERNAL, "cannot make '%s':", g->tmp);
		seating_drop(g);
		return NULL;
	}
	if (!seating_run(g, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16384; BEGIN;"
	                    "CREATE TABLE info(key TEXT PRIMARY KEY, value BLOB);"
	                    "CREATE TABLE seat(host INTEGER, ts INTEGER, id TEXT, conv INTEGER, root TEXT, root_ts INTEGER, root_conv INTEGER,"
	                    " PRIMARY KEY(host,ts,id,conv)) WITHOUT ROWID;"
	                    "CREATE TABLE title(host INTEGER, ts INTEGER, id TEXT, line BLOB, fp INTEGER, text TEXT, PRIMARY KEY(host,ts,id)) WITHOUT ROWID;"
	                    "CREATE TABLE pick(conv INTEGER, ts INTEGER, id TEXT, host INTEGER, thread TEXT, rule INTEGER, how INTEGER, PRIMARY KEY(conv,ts,id)) WITHOUT ROWID;"
	                    "CREATE TABLE tally(rule INTEGER, by INTEGER, n INTEGER, PRIMARY KEY(rule,by)) WITHOUT ROWID;"
	                    "CREATE TABLE conv(num INTEGER PRIMARY KEY, id TEXT, line BLOB, seated INTEGER, msgs INTEGER)", e)) {
		seating_drop(g);
		return NULL;
	}
	return g;
}

void seating_drop(struct seating *g)
{
	if (!g)
		return;
	for (int i = 0; i < N_SEAT_PUT; i++)
		sqlite3_finalize(g->st[i]);
	sqlite3_close(g->db);
	unlink(g->tmp);
	arena_release(&g->a);
	free(g);
}

void seating_pick(struct seating *g, int64_t conv, int64_t ts_us, const char *id, const struct pick *p)
{
	sqlite3_stmt *st = seating_st(g, PUT_PICK);
	sqlite3_bind_int64(st, 1, conv);
	sqlite3_bind_int64(st, 2, ts_us);
	spool_db_text(st, 3, id);
	sqlite3_bind_int64(st, 4, p->host);
	spool_db_text(st, 5, p->thread);
	sqlite3_bind_int64(st, 6, (int64_t)p->rule);
	sqlite3_bind_int(st, 7, (int)p->how);
	seating_step(g, st);
}

bool seating_picked(struct seating *g, int64_t conv, int64_t ts_us, const char *id, struct arena *a, struct pick *out)
{
	sqlite3_stmt *st = seating_st(g, GET_PICK);
	sqlite3_bind_int64(st, 1, conv);
	sqlite3_bind_int64(st, 2, ts_us);
	spool_db_text(st, 3, id);
	bool found = sqlite3_step(st) == SQLITE_ROW;
	if (found)
		*out = (struct pick){ sqlite3_column_int64(st, 0), arena_strdup(a, (const char *)sqlite3_column_text(st, 1)), (size_t)sqlite3_column_int64(st, 2),
			(enum pick_how)sqlite3_column_int(st, 3) };
	sqlite3_reset(st);
	return found;
}

void seating_put(struct seating *g, const struct spool_seat *x)
{
	sqlite3_stmt *st = seating_st(g, PUT_SEAT);
	sqlite3_bind_int64(st, 1, x->host);
	sqlite3_bind_int64(st, 2, x->ts_us);
	spool_db_text(st, 3, x->id);
	sqlite3_bind_int64(st, 4, x->conv);
	spool_db_text(st, 5, x->root);
	sqlite3_bind_int64(st, 6, x->root ? x->root_ts_us : 0);
	sqlite3_bind_int64(st, 7, x->root ? x->root_conv : 0);
	seating_step(g, st);
}

void seating_title(struct seating *g, int64_t host, int64_t ts_us, const char *id, const char *text)
{
	struct arena a;
	struct buf line;
	arena_init(&a);
	buf_init(&line, 1 << 16);
	struct msg m = { .id = id, .ts_us = ts_us, .kind = MSG_LOST_ROOT, .body = text_from_plain(&a, text) };
	canon_msg(&m, NULL, &line);
	sqlite3_stmt *st = seating_st(g, PUT_TITLE);
	sqlite3_bind_int64(st, 1, host);
	sqlite3_bind_int64(st, 2, ts_us);
	spool_db_text(st, 3, id);
	sqlite3_bind_blob(st, 4, line.p, (int)line.len, SQLITE_STATIC);
	sqlite3_bind_int64(st, 5, (int64_t)hash64s(text));
	spool_db_text(st, 6, text);
	seating_step(g, st);
	buf_release(&line);
	arena_release(&a);
}

void seating_conv(struct seating *g, int64_t num, const struct conv *ours)
{
	struct buf line;
	buf_init(&line, 16 << 20);
	if (ours)
		canon_conv(ours, &line);
	sqlite3_stmt *st = seating_st(g, PUT_LIVE);
	sqlite3_bind_int64(st, 1, num);
	spool_db_text(st, 2, ours ? ours->id : NULL);
	if (ours)
		sqlite3_bind_blob(st, 3, line.p, (int)line.len, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, 3);
	sqlite3_bind_int(st, 4, !ours || num <= SEATING_MADE);
	seating_step(g, st);
	buf_release(&line);
}

void seating_tally(struct seating *g, size_t rule, int by, int64_t n)
{
	sqlite3_stmt *st = seating_st(g, PUT_TALLY);
	sqlite3_bind_int64(st, 1, (int64_t)rule);
	sqlite3_bind_int(st, 2, by);
	sqlite3_bind_int64(st, 3, n);
	seating_step(g, st);
}

/* Threads of ours with more than so many messages go on in a second one, a third …, in the order of time. */
bool seating_cut(struct seating *g, int64_t host, int64_t size, struct err *e)
{
	sqlite3_stmt *st = NULL;
	struct arena a;
	char sql[512];
	snprintf(sql, sizeof(sql),
	         "CREATE TEMP TABLE piece AS SELECT ts,id,conv,root,(row_number() OVER (PARTITION BY root ORDER BY ts,id,conv)-1)/%lld AS k"
	         " FROM seat WHERE host=%lld AND root>='@history:' AND root<'@history;'; DELETE FROM temp.piece WHERE k=0", (long long)size, (long long)host);
	bool ok = seating_run(g, sql, e) && sqlite3_prepare_v2(g->db, "SELECT t.ts,t.id,t.text,max(p.k) FROM title t JOIN temp.piece p ON p.root=t.id WHERE t.host=?1 GROUP BY t.ts,t.id,t.text",
	                                                       -1, &st, NULL) == SQLITE_OK;
	arena_init(&a);
	if (ok)
		sqlite3_bind_int64(st, 1, host);
	struct cut { int64_t ts, n; const char *id, *text; struct cut *next; } *all = NULL;
	while (ok && sqlite3_step(st) == SQLITE_ROW) {
		struct cut *c = arena_new(&a, struct cut);
		*c = (struct cut){ sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 3), arena_strdup(&a, spool_db_col(st, 1)), arena_strdup(&a, spool_db_col(st, 2)), all };
		all = c;
	}
	sqlite3_finalize(st);
	for (; all; all = all->next)
		for (int64_t k = 1; k <= all->n; k++)
			seating_title(g, host, all->ts, arena_fmt(&a, "%s:%06lld", all->id, (long long)k + 1), arena_fmt(&a, "%s (%lld)", all->text, (long long)k + 1));
	arena_release(&a);
	snprintf(sql, sizeof(sql), "UPDATE seat SET root=p.root||printf(':%%06d',p.k+1) FROM temp.piece p WHERE seat.host=%lld AND seat.ts=p.ts AND seat.id=p.id"
	                           " AND seat.conv=p.conv; DROP TABLE temp.piece", (long long)host);
	return ok && seating_run(g, sql, e);
}

bool seating_finish(struct seating *g, const uint8_t key[DIGEST_BYTES], struct err *e)
{
	uint8_t want[DIGEST_BYTES];
	sqlite3_stmt *st = NULL;
	whole_key(g->s, key, want);
	if (g->failed) {
		err_set(e, ERR_INTERNAL, "spool: cannot write '%s': %s", g->tmp, sqlite3_errmsg(g->db));
		err_hint(e, "the spool is only a cache: free some space, delete it and run again");
	}
	bool ok = !g->failed &&
	          seating_run(g, "CREATE INDEX seat_source ON seat(conv,ts,id);"
	                         "CREATE INDEX seat_reply ON seat(root_conv,root,ts,id,conv) WHERE root IS NOT NULL;"
	                         "CREATE TABLE cnt(conv INTEGER, root TEXT, n INTEGER, PRIMARY KEY(conv,root)) WITHOUT ROWID;"
	                         "INSERT INTO cnt SELECT root_conv,root,count(*) FROM seat INDEXED BY seat_reply WHERE root IS NOT NULL GROUP BY root_conv,root;"
	                         "CREATE TABLE guest(host INTEGER, conv INTEGER, PRIMARY KEY(host,conv)) WITHOUT ROWID;"
	                         "INSERT OR IGNORE INTO guest SELECT DISTINCT host,conv FROM pick WHERE host<>conv;"
	                         "UPDATE conv SET msgs=(SELECT count(*) FROM seat WHERE host=conv.num) WHERE seated AND id IS NOT NULL; COMMIT", e);
	ok = ok && sqlite3_prepare_v2(g->db, "INSERT INTO info VALUES('complete',?1)", -1, &st, NULL) == SQLITE_OK;
	if (ok) {
		sqlite3_bind_blob(st, 1, want, DIGEST_BYTES, SQLITE_STATIC);
		ok = sqlite3_step(st) == SQLITE_DONE;
	}
	sqlite3_finalize(st);
	struct spool *s = g->s;
	if (ok && rename(g->tmp, g->path) != 0) {
		err_set(e, ERR_INTERNAL, "cannot rename '%s':", g->tmp);
		ok = false;
	}
	seating_drop(g);
	if (ok && !spool_seats_use(s, key))
		ok = err_set(e, ERR_INTERNAL, "spool: what was arranged cannot be read back");
	return ok;
}
