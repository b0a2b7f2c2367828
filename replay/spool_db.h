/* spool_db.h: what spool.c (opening, reading) and spool_build.c (building) share: the only two files that know the spool is SQLite. */
#ifndef MVCHAT_SPOOL_DB_H
#define MVCHAT_SPOOL_DB_H

#include "core/buf.h"
#include "core/table.h"
#include "replay/spool.h"

#include <sqlite3.h>

/* Statement texts that are used again and again; prepared once. */
enum sql { SQL_ALL, SQL_CHANNEL, SQL_THREAD, SQL_ONE, SQL_BY_KEY, SQL_BY_ID, SQL_USER, SQL_CONV, N_SQL };

/* While building: what is counted in memory. */
struct tally {
	const char *id; int64_t num; bool pushed;
	bool gone;                  /* a copy that was put into another */
	struct spool_copy *copy;    /* or NULL */
	int64_t msgs, files, reacts, first, last; /* spool_put.c's */
};
/* One device's copy of a chat (struct copy, importers/importer.h), as spool_merge.c finds it when the reading has ended. Its
 * conversation stands in the database under a name of its own until then. The sketch holds hashes of some of its texts, always
 * those with the lowest hashes, so that two copies of one chat have hashes in common whatever else they hold. */
enum { SPOOL_SKETCH = 128 };
struct spool_copy {
	struct tally *tally;
	const char *conv_id, *label, *owner, *zone; /* owner, zone: or NULL */
	enum copy_ids ids;
	enum copy_clock clock;
	int archive;
	uint64_t sketch[2 * SPOOL_SKETCH], limit;
	size_t n_sketch;
	size_t chat; enum conv_kind kind; const char *title; int64_t written; bool listed; /* spool_merge.c's */
};
struct who { int source; /* enum name_source, or -1: seen as an author only */ int64_t msgs; };
struct oddity { enum hazard_level level; const char *name, *where, *what; int64_t n; int archive; /* where `where` is; -1 found out after reading */ };
enum put { PUT_MSG, PUT_OLD, PUT_REPLACE, PUT_USER, PUT_ALIAS, GET_USER_LINE, PUT_CONV, GET_CONV_LINE, PUT_BAD, PUT_FACT, PUT_DROP, N_PUT };
struct build {
	struct arena run, step;
	struct table convs, users, oddities; /* struct tally, struct who, struct oddity */
	struct table integrations;           /* spool_apps.c's */
	bool read;                           /* all archives are read */
	struct tally *last;                  /* records come conversation by conversation */
	struct buf line;
	sqlite3_stmt *st[N_PUT];
	struct putting *putting;             /* spool_put.c's */
	struct spool_copy **copies; size_t n_copies, cap_copies;
	struct table copy_now;               /* conv id -> copy, of the archive being read */
	struct spool_past past;
	bool failed; struct err err;
};

struct spool_walk {
	struct spool *s;
	enum sql sql;
	sqlite3_stmt *st;
	bool seat;                      /* as seated (spool_seat.c), not as the source has it */
	bool at_row;                    /* it stands at a message */
	struct spool_walk *next;
};

enum { SPOOL_PARKED = 128 /* a power of two */ };
/* How a message is found by its id alone: the id spells its time; table msg has an index by_id, as something in the spool names
 * messages by their ids; nothing does, and whoever asks nevertheless makes a table for as long as the spool is open. */
enum spool_ids { SPOOL_IDS_TIMED, SPOOL_IDS_INDEXED, SPOOL_IDS_LOOSE };

struct spool {
	sqlite3 *db;
	struct build *b;                /* NULL when reading */
	struct spool_walk *idle[N_SQL]; /* walks that have ended: their statements are used again */
	struct spool_walk *parked[SPOOL_PARKED]; /* walks that have ended at a message and may go on behind it; by a hash */
	sqlite3_stmt *st[N_SQL];
	struct spool_counts counts;
	int n_archives;
	enum spool_ids ids;
	struct arena scratch;
	const struct filestore *store;  /* files fetched since, or NULL */
	char *path;
	/* spool_seat.c's; seats: the second file is attached */
	bool seats;
	uint8_t seats_key[DIGEST_BYTES];
	int64_t *seated; size_t n_seated; /* conversations it covers, ascending */
	sqlite3_stmt *seat_st[N_SQL];
	struct spool_walk *seat_idle[N_SQL];
};

/* Errors of writing go to the caller; a read that fails is a bug or a spool that broke under our hands: it dies, which is safe. */
bool spool_db_fail(struct spool *s, const char *what, struct err *e);
bool spool_db_run(struct spool *s, const char *sql, struct err *e);
sqlite3_stmt *spool_db_kept(struct spool *s, sqlite3_stmt **slot, const char *sql); /* prepared once, kept until spool_close */
sqlite3_stmt *spool_db_again(struct spool *s, enum sql q);                          /* the same, by number */
sqlite3_stmt *spool_db_once(struct spool *s, const char *sql);                      /* the caller finalizes */
bool spool_db_step(struct spool *s, sqlite3_stmt *st);                              /* true: a row */
void spool_db_text(sqlite3_stmt *st, int i, const char *v);                         /* NULL binds null; v must outlive the step */
const char *spool_db_col(sqlite3_stmt *st, int i);
extern const char *const spool_seat_sqls[N_SQL]; /* like those of spool.c, of conversations that are seated; NULL: the same */
void spool_walks_unpark(struct spool *s);            /* nothing is read from now on */
bool spool_db_boot_id(char out[64]);
bool spool_db_timed(const char *id, int64_t *ts_us); /* does the id spell its own time as "seconds.microseconds"? */
/* Where a message is: by the time its reply told (hint), by the time its id spells, by the index. root: its own thread, in
 * s->scratch, or NULL when not asked. */
bool spool_db_locate(struct spool *s, int64_t conv, const char *id, int64_t hint_us, int64_t *ts_us, const char **root, int64_t *root_ts);
/* The fields of struct spool_counts as rows of table info. */
struct spool_db_count { const char *key; size_t at; };
extern const struct spool_db_count spool_db_counts[];
enum { SPOOL_N_COUNTS = 19 };
int64_t *spool_db_count_at(struct spool_counts *c, size_t i);

bool spool_build_begin(struct spool *s, struct err *e); /* schema, one transaction; s->b */
void spool_build_free(struct build *b);
struct who *spool_who(struct build *b, const char *id);
struct tally *spool_tally(struct spool *s, const char *id);
sqlite3_stmt *spool_put_st(struct spool *s, enum put p);
bool spool_put_bad(void *ctx, const struct err *e);

/* spool_put.c: messages are stored in batches, by a worker where there is one. From spool_put_msg until spool_put_settle the
 * database, the numbers of messages in s->counts and the tallies' belong to it. */
enum { SPOOL_LINE_MAX = 256 << 20 };
void spool_put_begin(struct build *b);
void spool_put_end(struct build *b);
bool spool_put_msg(void *ctx, const char *conv_id, const struct msg *m);
struct spool_post { const char *author; int64_t conv, n, first, last; }; /* of bots: how often in which conversation */
const struct table *spool_put_posts(struct spool *s); /* settled: struct spool_post */
/* Settled: copies of one message that are not the same, by an edit or without one. */
struct spool_differing { int64_t n; const char *where; /* the first: conversation/message */ };
void spool_put_differing(struct spool *s, struct spool_differing *edited, struct spool_differing *differs);
bool spool_put_settle(struct spool *s);  /* all are stored; false: it failed, b->err says how */
void spool_put_authors(struct spool *s); /* settled: tells spool_who how many messages each author has */
bool spool_put_untimed(struct spool *s); /* settled: are there messages whose id does not spell their time? */
bool spool_put_named(struct spool *s);   /* does a message name another by its id: as a reply, in a link? */
/* settled: one message more (+1) or less (-1) in the counts, the tally's and its author's. */
void spool_put_count(struct spool *s, struct tally *t, const struct msg *m, int sign);
void spool_put_rename(struct spool *s, const char *from, const char *to); /* settled: one author's messages are another's */
sqlite3_stmt *spool_put_lone(struct spool *s, int64_t conv, const struct msg *m, const struct buf *line); /* settled: one without files, bound */

/* spool_apps.c: apps, bots and webhooks; the building side */
bool spool_put_integration(void *ctx, const struct integration *in);
void spool_apps_free(struct build *b);
bool spool_apps_finish(struct spool *s); /* after spool_put_authors and the aliases: their tables */

/* spool_build.c, for spool_merge.c */
bool spool_put_hazard(void *ctx, enum hazard_level level, const char *name, const char *where, const char *what);
bool spool_put_archive_fact(struct spool *s, int archive, const char *key, const char *value);
bool spool_old_user(struct spool *s, const char *id, struct user *out);            /* in the step arena */
bool spool_old_conv(struct spool *s, int64_t num, struct conv *out);               /* the same */
bool spool_write_user(struct spool *s, const struct user *u);
bool spool_write_conv(struct spool *s, int64_t num, const char *id, const struct conv *c);
bool spool_put_failed(struct spool *s, const char *what);

/* spool_merge.c: settled; puts the copies of one chat together. false: b->err says how it failed. */
bool spool_merge(struct spool *s);

#endif
