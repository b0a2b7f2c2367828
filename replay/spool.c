/* spool.c: see spool.h. Opening and reading; spool_build.c makes it.
 *
 * Called by cli/ (building), stream.c, plan.c, verify.c and mapping drafts (reading). It decides nothing about what is sent.
 *
 * The database is a cache of what the archives hold: journal_mode=OFF and synchronous=OFF, so a build that dies leaves rubbish.
 * What makes it count is the row `complete` of table info, written last. A power loss could still lose pages written before
 * that row: the row therefore holds the kernel's boot id, and a spool of another boot is rebuilt (where the system tells no
 * boot id, the file is synced before the row is written).
 *
 * A message is one row of a WITHOUT ROWID table clustered by (conv, ts, id): files come in nearly that order, so a build
 * appends and a lane reads sequentially. What plan and rules need stands in columns before the body, which is read only when
 * asked for.
 */
#include "replay/spool.h"

#include "core/canon.h"
#include "core/hash.h"
#include "replay/filestore.h"
#include "replay/spool_db.h"
#include "replay/spool_seat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SPOOL_APP = 0x6d767370 /* "mvsp" */, SPOOL_VERSION = 3 };

#define META "conv,ts,id,root,root_ts,author,kind,flags,files,reacts,reactors,replies,length(body),fp,empty,body,NULL,0,replies,conv"
#define CONV "num,line,msgs,replies,threads,files,reacts,first,last,id,0"
#define LIVE "SELECT num,line,0,0,0,0,0,0,0,id,msgs FROM seats.conv WHERE id IS NOT NULL"
static const char *const sqls[N_SQL] = {
	[SQL_ALL] = "SELECT " META " FROM msg WHERE conv=?1 AND (ts,id)>(?2,?3) ORDER BY ts,id",
	[SQL_SOURCE] = "SELECT " META " FROM msg WHERE conv=?1 AND (ts,id)>(?2,?3) ORDER BY ts,id",
	[SQL_CHANNEL] = "SELECT " META " FROM msg WHERE conv=?1 AND (ts,id)>(?2,?3) AND root IS NULL ORDER BY ts,id",
	[SQL_THREAD] = "SELECT " META " FROM msg INDEXED BY reply WHERE conv=?1 AND root=?4 AND (ts,id)>(?2,?3) ORDER BY ts,id",
	[SQL_ONE] = "SELECT " META " FROM msg WHERE conv=?1 AND ts=?2 AND id=?3",
	[SQL_BY_KEY] = "SELECT root,root_ts FROM msg WHERE conv=?1 AND ts=?2 AND id=?3",
	[SQL_BY_ID] = "SELECT ts FROM msg INDEXED BY by_id WHERE conv=?1 AND id=?2",
	[SQL_USER] = "SELECT line FROM user WHERE id=?1 UNION ALL SELECT u.line FROM alias a JOIN user u ON u.id=a.id WHERE a.alias=?1 LIMIT 1",
	[SQL_CONV] = "SELECT " CONV " FROM conv WHERE id=?1",
};

/* ---- small things ---- */

bool spool_db_fail(struct spool *s, const char *what, struct err *e)
{
	err_set(e, ERR_INTERNAL, "spool: %s: %s", what, sqlite3_errmsg(s->db));
	return err_hint(e, "the spool is only a cache: free some space, delete it and run again");
}

bool spool_db_run(struct spool *s, const char *sql, struct err *e)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK || spool_db_fail(s, "cannot write", e);
}

/* Prepared once, kept until spool_close. Failing is a bug or a spool that broke under our hands: dying is safe. */
sqlite3_stmt *spool_db_kept(struct spool *s, sqlite3_stmt **slot, const char *sql)
{
	if (!*slot && sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, slot, NULL) != SQLITE_OK)
		die("spool: %s", sqlite3_errmsg(s->db));
	sqlite3_reset(*slot);
	return *slot;
}

void spool_db_text(sqlite3_stmt *st, int i, const char *v)
{
	if (v)
		sqlite3_bind_text(st, i, v, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, i);
}

bool spool_db_step(struct spool *s, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		die("spool: %s", sqlite3_errmsg(s->db));
	return rc == SQLITE_ROW;
}

const char *spool_db_col(sqlite3_stmt *st, int i)
{
	return (const char *)sqlite3_column_text(st, i);
}

bool spool_db_boot_id(char out[64])
{
	out[0] = '\0';
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, out, 63);
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return out[0] != '\0';
}

/* An id that spells its own time as "seconds.microseconds" (Slack) needs no index to be found. */
bool spool_db_timed(const char *id, int64_t *ts_us)
{
	int64_t s = 0, us = 0;
	const char *p = id;
	for (; *p >= '0' && *p <= '9' && p - id < 11; p++)
		s = s * 10 + (*p - '0');
	if (p == id || *p != '.')
		return false;
	const char *dot = p++;
	for (; *p >= '0' && *p <= '9' && p - dot <= 6; p++)
		us = us * 10 + (*p - '0');
	if (*p || p - dot != 7)
		return false;
	*ts_us = s * 1000000 + us;
	return true;
}

sqlite3_stmt *spool_db_once(struct spool *s, const char *sql)
{
	sqlite3_stmt *st = NULL;
	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
		die("spool: %s", sqlite3_errmsg(s->db));
	return st;
}

sqlite3_stmt *spool_db_again(struct spool *s, enum sql q)
{
	return spool_db_kept(s, &s->st[q], sqls[q]);
}

/* An index by id for this reader alone, in a file of SQLite's that has no name. */
static void index_ids(struct spool *s)
{
	static const char sql[] = "CREATE TEMP TABLE IF NOT EXISTS ids AS SELECT conv,id,ts FROM main.msg;"
	                          "CREATE INDEX IF NOT EXISTS temp.ids_by_id ON ids(conv,id,ts)";
	if (s->st[SQL_BY_ID])
		return;
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die("spool: %s", sqlite3_errmsg(s->db));
	spool_db_kept(s, &s->st[SQL_BY_ID], "SELECT ts FROM temp.ids WHERE conv=?1 AND id=?2");
}

/* Where a message is: by the time its reply told, by the time its id spells, by the index. */
bool spool_db_locate(struct spool *s, int64_t conv, const char *id, int64_t hint_us, int64_t *ts_us, const char **root, int64_t *root_ts)
{
	int64_t spelt = hint_us;
	for (int attempt = 0; attempt < 3; attempt++) {
		int64_t at = hint_us;
		if (attempt == 1) {
			if (!spool_db_timed(id, &spelt) || spelt == hint_us)
				continue;
			at = spelt;
		} else if (attempt == 2) {
			if (s->ids == SPOOL_IDS_TIMED)
				return false;
			if (s->ids == SPOOL_IDS_LOOSE)
				index_ids(s);
			sqlite3_stmt *st = spool_db_again(s, SQL_BY_ID);
			sqlite3_bind_int64(st, 1, conv);
			spool_db_text(st, 2, id);
			bool found = spool_db_step(s, st);
			at = found ? sqlite3_column_int64(st, 0) : 0;
			sqlite3_reset(st);
			if (!found)
				return false;
		}
		sqlite3_stmt *st = spool_db_again(s, SQL_BY_KEY);
		sqlite3_bind_int64(st, 1, conv);
		sqlite3_bind_int64(st, 2, at);
		spool_db_text(st, 3, id);
		if (spool_db_step(s, st)) {
			*ts_us = at;
			if (root) {
				arena_reset(&s->scratch);
				*root = arena_strdup(&s->scratch, spool_db_col(st, 0));
				*root_ts = sqlite3_column_int64(st, 1);
			}
			sqlite3_reset(st);
			return true;
		}
		sqlite3_reset(st);
	}
	return false;
}

/* ---- opening and closing ---- */

void spool_close(struct spool *s)
{
	if (!s)
		return;
	spool_seats_leave(s);
	spool_build_free(s->b);
	spool_walks_unpark(s);
	for (int i = 0; i < N_SQL; i++) {
		sqlite3_finalize(s->st[i]);
		for (struct spool_walk *w = s->idle[i], *next; w; w = next) {
			next = w->next;
			sqlite3_finalize(w->st);
			free(w);
		}
	}
	sqlite3_close(s->db);
	arena_release(&s->scratch);
	free(s->path);
	free(s);
}

static int64_t info_int(struct spool *s, const char *key)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;
	if (sqlite3_prepare_v2(s->db, "SELECT value FROM info WHERE key=?1", -1, &st, NULL) != SQLITE_OK)
		return -1;
	spool_db_text(st, 1, key);
	if (sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

static bool pragma_is(struct spool *s, const char *pragma, int want)
{
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_prepare_v2(s->db, pragma, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW &&
	          sqlite3_column_int(st, 0) == want;
	sqlite3_finalize(st);
	return ok;
}

/* Order of the numbers in info: the fields of struct spool_counts. */
const struct spool_db_count spool_db_counts[] = {
#define K(f) { #f, offsetof(struct spool_counts, f) }
	K(read), K(stored), K(merged), K(conflicts), K(bad), K(users), K(convs), K(threads), K(replies), K(lost_roots), K(files),
	K(files_present), K(files_linked), K(files_external), K(files_gone), K(reactions), K(pins), K(first_us), K(last_us),
#undef K
};

_Static_assert(countof(spool_db_counts) == SPOOL_N_COUNTS, "spool_db.h says how many");
_Static_assert(sizeof(struct spool_counts) == SPOOL_N_COUNTS * sizeof(int64_t), "every count is kept");

int64_t *spool_db_count_at(struct spool_counts *c, size_t i)
{
	return (int64_t *)(void *)((char *)c + spool_db_counts[i].at);
}

static bool is_complete(struct spool *s)
{
	char now[64], then[64] = "";
	if (!pragma_is(s, "PRAGMA application_id", SPOOL_APP) || !pragma_is(s, "PRAGMA user_version", SPOOL_VERSION))
		return false;
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_prepare_v2(s->db, "SELECT value FROM info WHERE key='complete'", -1, &st, NULL) == SQLITE_OK &&
	          sqlite3_step(st) == SQLITE_ROW;
	if (ok)
		fmt_into(then, sizeof(then), "%s", spool_db_col(st, 0));
	sqlite3_finalize(st);
	return ok && (!*then || (spool_db_boot_id(now) && streq(now, then)));
}

static bool start_read(struct spool *s, const char *path, struct err *e)
{
	if (!is_complete(s)) {
		err_set(e, ERR_INTERNAL, "the spool was not finished, or the machine was restarted since");
		return err_where(e, "%s", path);
	}
	for (size_t i = 0; i < SPOOL_N_COUNTS; i++)
		*spool_db_count_at(&s->counts, i) = info_int(s, spool_db_counts[i].key);
	s->n_archives = (int)info_int(s, "archives");
	int64_t ids = info_int(s, "ids");
	s->ids = ids == SPOOL_IDS_TIMED ? SPOOL_IDS_TIMED : ids == SPOOL_IDS_INDEXED ? SPOOL_IDS_INDEXED : SPOOL_IDS_LOOSE;
	return true;
}

struct spool *spool_open(const char *path, enum spool_mode mode, struct err *e)
{
	if (mode == SPOOL_BUILD) {
		/* The file is made here so that no one else can read it at any moment. */
		if (unlink(path) != 0 && errno != ENOENT) {
			err_set(e, ERR_INTERNAL, "cannot remove the old spool %s:", path);
			return NULL;
		}
		int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		if (fd < 0) {
			err_set(e, ERR_INTERNAL, "cannot make the spool %s:", path);
			return NULL;
		}
		close(fd);
	}
	struct spool *s = xcalloc(1, sizeof(*s));
	arena_init(&s->scratch);
	s->path = xstrdup(path);
	int flags = mode == SPOOL_BUILD ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	bool ok = sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK;
	if (!ok)
		err_set(e, ERR_INTERNAL, "cannot open the spool %s: %s", path, s->db ? sqlite3_errmsg(s->db) : "no memory");
	else if (mode == SPOOL_BUILD)
		ok = spool_build_begin(s, e);
	else
		ok = sqlite3_exec(s->db, "PRAGMA cache_size=-4096; PRAGMA mmap_size=0", NULL, NULL, NULL) == SQLITE_OK ? start_read(s, path, e)
		                                                                                        : spool_db_fail(s, "cannot read", e);
	if (ok)
		return s;
	spool_close(s);
	return NULL;
}

/* ---- reading: the whole ---- */

bool spool_matches(struct spool *s, const uint8_t (*digests)[DIGEST_BYTES], size_t n)
{
	sqlite3_stmt *st = spool_db_once(s, "SELECT digest FROM archive ORDER BY num");
	size_t i = 0;
	bool same = true;
	for (; same && spool_db_step(s, st); i++)
		same = i < n && sqlite3_column_bytes(st, 0) == DIGEST_BYTES && !memcmp(sqlite3_column_blob(st, 0), digests[i], DIGEST_BYTES);
	sqlite3_finalize(st);
	return same && i == n;
}

const char *spool_source_id(struct spool *s, struct arena *a)
{
	struct buf b;
	buf_init(&b, 4096);
	sqlite3_stmt *st = spool_db_once(s, "SELECT DISTINCT format||':'||identity FROM archive ORDER BY 1");
	while (spool_db_step(s, st))
		buf_addf(&b, "%s%s", b.len ? "+" : "", spool_db_col(st, 0));
	sqlite3_finalize(st);
	char *id = arena_strdup(a, b.p);
	buf_release(&b);
	return id;
}

void spool_count(struct spool *s, struct spool_counts *out)
{
	*out = s->counts;
}

bool spool_bads(struct spool *s, bool (*each)(void *ctx, const char *where, const char *msg, const char *archive), void *ctx)
{
	sqlite3_stmt *st = spool_db_once(s, "SELECT place,what,coalesce(path,'') FROM bad LEFT JOIN archive ON archive.num=bad.archive ORDER BY bad.num");
	bool go = true;
	while (go && spool_db_step(s, st))
		go = each(ctx, spool_db_col(st, 0), spool_db_col(st, 1), spool_db_col(st, 2));
	sqlite3_finalize(st);
	return go;
}

bool spool_hazards(struct spool *s, bool (*each)(void *ctx, const struct spool_hazard *h), void *ctx)
{
	sqlite3_stmt *st = spool_db_once(s, "SELECT level,name,place,what,n FROM hazard ORDER BY level DESC,name");
	bool go = true;
	while (go && spool_db_step(s, st)) {
		struct spool_hazard h = { (enum hazard_level)sqlite3_column_int(st, 0), spool_db_col(st, 1), spool_db_col(st, 2), spool_db_col(st, 3), sqlite3_column_int64(st, 4) };
		go = each(ctx, &h);
	}
	sqlite3_finalize(st);
	return go;
}

bool spool_facts(struct spool *s, bool (*each)(void *ctx, const char *archive, const char *key, const char *value), void *ctx)
{
	sqlite3_stmt *st = spool_db_once(s, "SELECT coalesce(path,''),key,value FROM fact LEFT JOIN archive ON archive.num=fact.archive ORDER BY fact.num");
	bool go = true;
	while (go && spool_db_step(s, st))
		go = each(ctx, spool_db_col(st, 0), spool_db_col(st, 1), spool_db_col(st, 2));
	sqlite3_finalize(st);
	return go;
}

size_t spool_archives(struct spool *s, struct arena *a, const char *const **paths)
{
	const char **v = arena_array(a, (size_t)s->n_archives + 1, const char *);
	sqlite3_stmt *st = spool_db_once(s, "SELECT path FROM archive ORDER BY num");
	size_t n = 0;
	while (n < (size_t)s->n_archives && spool_db_step(s, st))
		v[n++] = arena_strdup(a, spool_db_col(st, 0));
	sqlite3_finalize(st);
	*paths = v;
	return n;
}

bool spool_archive_each(struct spool *s, bool (*each)(void *ctx, const struct spool_archive *ar), void *ctx)
{
	sqlite3_stmt *st = spool_db_once(s, "SELECT path,format,identity,digest FROM archive ORDER BY num");
	bool go = true;
	while (go && spool_db_step(s, st)) {
		struct spool_archive ar = { .path = spool_db_col(st, 0), .format = spool_db_col(st, 1), .identity = spool_db_col(st, 2) };
		const void *digest = sqlite3_column_blob(st, 3);
		if (digest && sqlite3_column_bytes(st, 3) == DIGEST_BYTES)
			memcpy(ar.digest, digest, DIGEST_BYTES);
		go = each(ctx, &ar);
	}
	sqlite3_finalize(st);
	return go;
}

/* Days since 1970 to months since year 0: the civil calendar counted from March, so that leap days end a year. */
static int64_t month_of(int64_t us)
{
	int64_t day = us / 86400000000 - (us % 86400000000 < 0) + 719468; /* since 0000-03-01 */
	int64_t era = (day >= 0 ? day : day - 146096) / 146097, in_era = day - era * 146097;
	int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
	return (era * 400 + year) * 12 + (5 * in_year + 2) / 153 + 2; /* March is 2 */
}

bool spool_months(struct spool *s, bool (*each)(void *ctx, int year, int month, int64_t n), void *ctx)
{
	enum { FIRST = SPOOL_YEAR_MIN * 12, LAST = SPOOL_YEAR_MAX * 12 + 11 };
	int64_t *n = xcalloc(LAST - FIRST + 1, sizeof(*n));
	sqlite3_stmt *st = spool_db_once(s, "SELECT ts FROM msg WHERE kind<>?1");
	sqlite3_bind_int(st, 1, MSG_LOST_ROOT); /* ours, not the source's */
	while (spool_db_step(s, st)) {
		int64_t m = month_of(sqlite3_column_int64(st, 0));
		if (m >= FIRST && m <= LAST)
			n[m - FIRST]++;
	}
	sqlite3_finalize(st);
	bool go = true;
	for (int m = FIRST; go && m <= LAST; m++)
		if (n[m - FIRST])
			go = each(ctx, m / 12, m % 12 + 1, n[m - FIRST]);
	free(n);
	return go;
}

/* ---- reading: people and conversations ---- */

bool spool_users(struct spool *s, struct arena *a, bool (*each)(void *ctx, const struct user *u, int64_t n_msgs), void *ctx, struct err *e)
{
	sqlite3_stmt *st = spool_db_once(s, "SELECT line,msgs FROM user ORDER BY id");
	bool ok = true, go = true;
	while (ok && go && spool_db_step(s, st)) {
		struct user u;
		ok = canon_read_user(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0), a, &u, e);
		go = ok && each(ctx, &u, sqlite3_column_int64(st, 1));
	}
	sqlite3_finalize(st);
	return ok;
}

bool spool_user(struct spool *s, const char *id, struct arena *a, struct user *out)
{
	sqlite3_stmt *st = spool_db_again(s, SQL_USER);
	spool_db_text(st, 1, id);
	bool ok = spool_db_step(s, st) && canon_read_user(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0), a, out, NULL);
	sqlite3_reset(st);
	return ok;
}

static bool read_conv(struct spool *s, sqlite3_stmt *st, struct arena *a, struct spool_conv *out, struct err *e)
{
	*out = (struct spool_conv){
		.num = sqlite3_column_int64(st, 0), .n_msgs = sqlite3_column_int64(st, 2), .n_replies = sqlite3_column_int64(st, 3),
		.n_threads = sqlite3_column_int64(st, 4), .n_files = sqlite3_column_int64(st, 5), .n_reacts = sqlite3_column_int64(st, 6),
		.first_us = sqlite3_column_int64(st, 7), .last_us = sqlite3_column_int64(st, 8), .n_guests = sqlite3_column_int64(st, 10),
	};
	out->n_roots = out->n_msgs - out->n_replies;
	return canon_read_conv(sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1), a, &out->conv, e) &&
	       (!spool_seated(s, out->num) || spool_seat_conv(s, a, out));
}

bool spool_convs(struct spool *s, struct arena *a, bool (*each)(void *ctx, const struct spool_conv *c), void *ctx, struct err *e)
{
	sqlite3_stmt *st = spool_db_once(s, !s->seats ? "SELECT " CONV " FROM conv ORDER BY id"
	                                  : "SELECT " CONV " FROM main.conv UNION ALL " LIVE " ORDER BY 10");
	bool ok = true, go = true;
	while (ok && go && spool_db_step(s, st)) {
		struct spool_conv c;
		ok = read_conv(s, st, a, &c, e);
		go = ok && each(ctx, &c);
	}
	sqlite3_finalize(st);
	return ok;
}

bool spool_conv(struct spool *s, const char *id, struct arena *a, struct spool_conv *out)
{
	bool live = s->seats && id[0] == '@';
	sqlite3_stmt *st = live ? spool_db_once(s, LIVE " AND id=?1") : spool_db_again(s, SQL_CONV);
	spool_db_text(st, 1, id);
	bool ok = spool_db_step(s, st) && read_conv(s, st, a, out, NULL);
	if (live)
		sqlite3_finalize(st);
	else
		sqlite3_reset(st);
	return ok;
}

const char *spool_conv_id(struct spool *s, int64_t num, struct arena *a)
{
	sqlite3_stmt *st = spool_db_once(s, num > 0 ? "SELECT id FROM main.conv WHERE num=?1" : "SELECT id FROM seats.conv WHERE num=?1");
	sqlite3_bind_int64(st, 1, num);
	const char *id = spool_db_step(s, st) ? arena_strdup(a, spool_db_col(st, 0)) : NULL;
	sqlite3_finalize(st);
	return id;
}

/* ---- reading: messages ---- */

static void fill_meta(sqlite3_stmt *st, struct spool_meta *out)
{
	*out = (struct spool_meta){
		.conv = sqlite3_column_int64(st, 0), .ts_us = sqlite3_column_int64(st, 1), .id = spool_db_col(st, 2), .root = spool_db_col(st, 3),
		.root_ts_us = sqlite3_column_int64(st, 4), .author = spool_db_col(st, 5), .kind = (enum msg_kind)sqlite3_column_int(st, 6),
		.flags = (uint32_t)sqlite3_column_int64(st, 7), .n_files = sqlite3_column_int(st, 8), .n_reacts = sqlite3_column_int(st, 9),
		.n_reactors = sqlite3_column_int(st, 10), .n_replies = sqlite3_column_int64(st, 11), .len = sqlite3_column_int64(st, 12),
		.fp = (uint64_t)sqlite3_column_int64(st, 13), .empty = sqlite3_column_int(st, 14) != 0,
		.host = sqlite3_column_int64(st, 19), .quotes = spool_db_col(st, 16), .quotes_ts_us = sqlite3_column_int64(st, 17), .n_answers = sqlite3_column_int64(st, 18),
	};
	if (out->quotes && out->root && streq(out->quotes, out->root))
		out->quotes = NULL;
}

void spool_fetched(struct spool *s, const struct filestore *store)
{
	s->store = store;
}

static void use_fetched(const struct spool *s, struct arena *a, struct msg *m)
{
	struct file *own = NULL;
	char entry[FILESTORE_ENTRY];
	int64_t size;
	for (size_t i = 0; i < m->n_files; i++) {
		if (m->files[i].state != FILE_LINKED || !filestore_find(s->store, m->files[i].id, entry, &size))
			continue;
		if (!own)
			m->files = own = arena_memdup(a, m->files, m->n_files * sizeof(*own));
		own[i].state = FILE_PRESENT;
		own[i].entry = arena_strdup(a, entry);
		own[i].archive = SPOOL_FETCHED;
		own[i].size = size;
	}
}

/* The columns hold what finishing the spool found out (thread, author by alias); the line what the archive said. */
static bool read_body(const struct spool *s, sqlite3_stmt *st, struct arena *a, struct msg *out, struct err *e)
{
	const char *conv_id;
	if (!canon_read_msg(sqlite3_column_blob(st, 15), (size_t)sqlite3_column_bytes(st, 15), a, out, &conv_id, e))
		return err_wrap(e, "spool: message %s", spool_db_col(st, 2));
	out->author = arena_strdup(a, spool_db_col(st, 5));
	out->parent = arena_strdup(a, spool_db_col(st, 3));
	out->parent_ts_us = out->parent ? sqlite3_column_int64(st, 4) : 0;
	if (s->store && out->n_files)
		use_fetched(s, a, out);
	return true;
}

/* Lanes are read a message at a time, and each time behind the one before: a walk that is paused at a message waits there, so that the
 * next one need not look for its place. One place for each hash: of many lanes some lose theirs. */
static struct spool_walk **parking(struct spool *s, int64_t conv, enum sql q, const char *root)
{
	uint64_t h = hash64s(root && q == SQL_THREAD ? root : "") ^ ((uint64_t)conv * N_SQL + q) * UINT64_C(0x9e3779b97f4a7c15);
	return &s->parked[h >> 32 & (SPOOL_PARKED - 1)];
}

static bool stands_at(const struct spool_walk *w, enum sql q, int64_t conv, const char *root, int64_t ts_us, const char *id)
{
	if (w->sql != q || sqlite3_column_int64(w->st, 0) != conv || sqlite3_column_int64(w->st, 1) != ts_us || !streq(spool_db_col(w->st, 2), id))
		return false;
	return q != SQL_THREAD || streq(spool_db_col(w->st, 3), root);
}

static void go_idle(struct spool_walk *w)
{
	w->at_row = false;
	sqlite3_reset(w->st);
	struct spool_walk **idle = w->seat ? &w->s->seat_idle[w->sql] : &w->s->idle[w->sql];
	w->next = *idle;
	*idle = w;
}

void spool_walks_unpark(struct spool *s)
{
	for (size_t i = 0; i < SPOOL_PARKED; i++) {
		if (s->parked[i])
			go_idle(s->parked[i]);
		s->parked[i] = NULL;
	}
}

struct spool_walk *spool_walk(struct spool *s, int64_t conv, enum spool_which which, const char *root, int64_t after_ts, const char *after_id)
{
	return spool_walk_after(s, conv, which, root, after_ts, after_id, INT64_MAX);
}

struct spool_walk *spool_walk_after(struct spool *s, int64_t conv, enum spool_which which, const char *root, int64_t after_ts, const char *after_id,
                                    int64_t after_conv)
{
	static const enum sql sql_of[] = { [SPOOL_ALL] = SQL_ALL, [SPOOL_CHANNEL] = SQL_CHANNEL, [SPOOL_THREAD] = SQL_THREAD, [SPOOL_SOURCE] = SQL_SOURCE };
	enum sql q = sql_of[which];
	bool seat = s->seats && spool_seated(s, conv);
	struct spool_walk **slot = parking(s, conv, q, root);
	if (!seat && after_id && *slot && stands_at(*slot, q, conv, root, after_ts, after_id)) {
		struct spool_walk *on = *slot;
		*slot = NULL;
		return on;
	}
	struct spool_walk **idle = seat ? &s->seat_idle[q] : &s->idle[q], *w = *idle;
	if (w) {
		*idle = w->next;
	} else {
		w = xcalloc(1, sizeof(*w));
		w->s = s;
		w->sql = q;
		w->seat = seat;
	}
	spool_db_kept(s, &w->st, seat ? spool_seat_sqls[q] : sqls[q]);
	sqlite3_bind_int64(w->st, 1, conv);
	sqlite3_bind_int64(w->st, 2, after_id ? after_ts : INT64_MIN);
	sqlite3_bind_text(w->st, 3, after_id ? after_id : "", -1, SQLITE_TRANSIENT);
	if (q == SQL_THREAD)
		sqlite3_bind_text(w->st, 4, root, -1, SQLITE_TRANSIENT);
	if (seat && q != SQL_SOURCE)
		sqlite3_bind_int64(w->st, 5, after_conv);
	return w;
}

bool spool_walk_next(struct spool_walk *w, struct spool_meta *out)
{
	w->at_row = spool_db_step(w->s, w->st);
	if (w->at_row)
		fill_meta(w->st, out);
	return w->at_row;
}

bool spool_walk_body(struct spool_walk *w, struct arena *a, struct msg *out, struct err *e)
{
	return read_body(w->s, w->st, a, out, e);
}

void spool_walk_end(struct spool_walk *w)
{
	if (w)
		go_idle(w);
}

void spool_walk_pause(struct spool_walk *w)
{
	bool stays = w->at_row && !w->seat && !w->s->b; /* what is being built still changes */
	if (!stays) {
		go_idle(w);
		return;
	}
	struct spool_walk **slot = parking(w->s, sqlite3_column_int64(w->st, 0), w->sql, spool_db_col(w->st, 3));
	if (*slot)
		go_idle(*slot);
	*slot = w;
}

bool spool_msg(struct spool *s, int64_t conv, int64_t ts_us, const char *id, struct arena *a, struct msg *out, struct spool_meta *meta, struct err *e)
{
	sqlite3_stmt *st = s->seats && spool_seated(s, conv) ? spool_db_kept(s, &s->seat_st[SQL_ONE], spool_seat_sqls[SQL_ONE]) : spool_db_again(s, SQL_ONE);
	sqlite3_bind_int64(st, 1, conv);
	sqlite3_bind_int64(st, 2, ts_us);
	spool_db_text(st, 3, id);
	bool ok = spool_db_step(s, st);
	if (!ok)
		err_set(e, ERR_INTERNAL, "spool: there is no message %s", id);
	ok = ok && (!out || read_body(s, st, a, out, e));
	if (ok && meta) {
		fill_meta(st, meta);
		meta->id = arena_strdup(a, meta->id);
		meta->root = arena_strdup(a, meta->root);
		meta->author = arena_strdup(a, meta->author);
		meta->quotes = arena_strdup(a, meta->quotes);
	}
	sqlite3_reset(st);
	return ok;
}

bool spool_find(struct spool *s, int64_t conv, const char *id, int64_t *ts_us)
{
	if (*id != '@' || !s->seats)
		return spool_db_locate(s, conv, id, 0, ts_us, NULL, NULL);
	sqlite3_stmt *st = spool_db_kept(s, &s->seat_st[SQL_BY_ID], spool_seat_sqls[SQL_BY_ID]);
	sqlite3_bind_int64(st, 1, conv);
	spool_db_text(st, 2, id);
	bool found = spool_db_step(s, st);
	*ts_us = found ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return found;
}
