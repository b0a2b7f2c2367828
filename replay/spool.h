/* spool.h: the scratch database of everything read; sorts, merges, de-duplicates, groups threads. Rebuilt at need.
 *
 * SQLite, journal_mode=OFF, one file 0600 in the state folder; it holds private text and may be deleted at any time. It is
 * complete or it does not count: spool_open throws away one that was not finished or whose archives changed.
 */
#ifndef MVCHAT_SPOOL_H
#define MVCHAT_SPOOL_H

#include "core/err.h"
#include "core/hash.h"
#include "core/model.h"
#include "importers/importer.h"

struct spool;
enum spool_mode { SPOOL_READ, SPOOL_BUILD };
/* SPOOL_BUILD starts empty. SPOOL_READ: NULL + err when missing or incomplete. path: the file. */
struct spool *spool_open(const char *path, enum spool_mode mode, struct err *e);
void spool_close(struct spool *s);

/* Building: for each archive spool_archive_begin, then the walk into spool_sink, then after the last spool_finish. */
bool spool_archive_begin(struct spool *s, const char *path, const char *format, const char *identity, const uint8_t digest[DIGEST_BYTES], struct err *e);
void spool_sink(struct spool *s, struct sink *out);     /* a sink that puts into the spool */
/* What has been written of a conversation in earlier runs (the ledger knows): each message's time and id, through put. Copies of a
 * chat that are put together keep the ids and times under which their messages were written, so that nothing is written twice.
 * Told before spool_finish; NULL functions: nothing was. */
struct spool_past {
	bool (*conv)(void *ctx, const char *conv_id, bool (*put)(void *to, int64_t ts_us, const char *id), void *to); /* false: put said so */
	void *ctx;
};
void spool_set_past(struct spool *s, const struct spool_past *past);
bool spool_finish(struct spool *s, struct err *e);      /* threads, lost roots, authors without a user, counts; marks it complete */
/* Do the archives (paths with digests, in order) equal those it was built from? */
bool spool_matches(struct spool *s, const uint8_t (*digests)[DIGEST_BYTES], size_t n);
const char *spool_source_id(struct spool *s, struct arena *a); /* identity of the source, for the ledger's bond */

struct spool_counts {
	int64_t read;            /* messages pushed by importers */
	int64_t stored, merged;  /* distinct; the same message read again */
	int64_t conflicts;       /* merged copies whose content differed (the newer edit won) */
	int64_t bad;             /* records that could not be read */
	int64_t users, convs, threads, replies, lost_roots, files, files_present, files_linked, files_external, files_gone, reactions, pins;
	int64_t first_us, last_us;
};
void spool_count(struct spool *s, struct spool_counts *out);
bool spool_bads(struct spool *s, bool (*each)(void *ctx, const char *where, const char *msg, const char *archive), void *ctx);
struct spool_hazard { enum hazard_level level; const char *name, *where, *what; int64_t n; };
bool spool_hazards(struct spool *s, bool (*each)(void *ctx, const struct spool_hazard *h), void *ctx);
bool spool_facts(struct spool *s, bool (*each)(void *ctx, const char *archive, const char *key, const char *value), void *ctx);

/* Apps, bots and webhooks, whoever posts most first: what the archives tell of them, joined with what their messages show; bots
 * that nothing tells of are here, too. The messenger's own voice is not. Lives in a. places: at most SPOOL_PLACES_MAX, the
 * busiest first; n == 0 where it was installed and never posted. */
enum { SPOOL_PLACES_MAX = 1000 };
struct spool_place { const char *conv, *name; int64_t n, first_us, last_us; }; /* name: conv where no archive lists it */
struct spool_integration { struct integration in; int64_t n_msgs, first_us, last_us; const struct spool_place *places; size_t n_places; };
bool spool_integrations(struct spool *s, struct arena *a, bool (*each)(void *ctx, const struct spool_integration *in), void *ctx);

/* People and conversations; records live in a. Order: by id. n_msgs etc. by the functions below. */
bool spool_users(struct spool *s, struct arena *a, bool (*each)(void *ctx, const struct user *u, int64_t n_msgs), void *ctx, struct err *e);
bool spool_user(struct spool *s, const char *id, struct arena *a, struct user *out); /* by id or alias */
struct spool_conv { int64_t num; struct conv conv; int64_t n_msgs, n_roots, n_threads, n_replies, n_files, n_reacts, first_us, last_us;
	int64_t n_guests; /* one that rules make: messages of others that sit in it */
};
bool spool_convs(struct spool *s, struct arena *a, bool (*each)(void *ctx, const struct spool_conv *c), void *ctx, struct err *e);
bool spool_conv(struct spool *s, const char *id, struct arena *a, struct spool_conv *out);
const char *spool_conv_id(struct spool *s, int64_t num, struct arena *a); /* NULL: there is none */

/* One message without its body: enough for plan, rules and order. Strings live until the next step of the walk. */
struct spool_meta {
	int64_t conv;               /* spool's number of the conversation it was written in ... */
	int64_t host;               /* ... and of the one in whose chat it sits: the same, but for rules */
	int64_t ts_us; const char *id;
	const char *root; int64_t root_ts_us;   /* reply: its thread; else NULL */
	const char *author;         /* or NULL */
	enum msg_kind kind; uint32_t flags;
	int n_files, n_reacts, n_reactors /* sum of users over reactions */; int64_t n_replies;
	int64_t len;                /* bytes of the canonical line: an upper bound for the text */
	uint64_t fp;
	bool empty;                 /* no text, no files */
	const char *quotes; int64_t quotes_ts_us; /* a reply that sits elsewhere than under the message it answers: that one; else NULL */
	int64_t n_answers;          /* replies in the source, wherever they sit; n_replies: those that sit under it */
};
/* The first message of a thread of ours (spool_seat.h), not of the source. */
static inline bool spool_is_title(const struct spool_meta *m)
{
	return m->kind == MSG_LOST_ROOT && m->id[0] == '@';
}
struct spool_walk;
enum spool_which {
	SPOOL_ALL,     /* what sits in the conversation's chat */
	SPOOL_CHANNEL, /* ... but for replies */
	SPOOL_THREAD,  /* the replies to root: a message of this conversation, or the first of a thread of ours in its chat */
	SPOOL_SOURCE,  /* what was written in the conversation, wherever it sits, and the first messages of our threads in its chat */
};
/* In (ts, id, conv) order, strictly after (after_ts, after_id); after_id NULL = from the start. root: SPOOL_THREAD. */
struct spool_walk *spool_walk(struct spool *s, int64_t conv, enum spool_which which, const char *root, int64_t after_ts, const char *after_id);
/* The same, strictly after the message of conversation after_conv: in one chat two of different ones may have one time and id. */
struct spool_walk *spool_walk_after(struct spool *s, int64_t conv, enum spool_which which, const char *root, int64_t after_ts, const char *after_id,
                                    int64_t after_conv);
bool spool_walk_next(struct spool_walk *w, struct spool_meta *out);
bool spool_walk_body(struct spool_walk *w, struct arena *a, struct msg *out, struct err *e); /* of the current row */
void spool_walk_end(struct spool_walk *w);
/* The same, but a walk of the same kind that goes on behind the message it stands at is likely to follow: that one finds its place ready. */
void spool_walk_pause(struct spool_walk *w);
/* By its key: conv is the conversation it was written in. */
bool spool_msg(struct spool *s, int64_t conv, int64_t ts_us, const char *id, struct arena *a, struct msg *out, struct spool_meta *meta, struct err *e);
/* A message by id alone: its time; for links and pins. */
bool spool_find(struct spool *s, int64_t conv, const char *id, int64_t *ts_us);
/* Files that were only linked and have been fetched since (replay/filestore.h): from now on messages read from this spool hold
 * them as FILE_PRESENT, `entry` in the store, `archive` = SPOOL_FETCHED, with the size they really have. The fingerprints of
 * messages, which are the archive's, stay the same: what was sent without its file is not sent again. The store outlives the
 * spool; NULL takes it away. */
enum { SPOOL_FETCHED = -1 };
struct filestore;
void spool_fetched(struct spool *s, const struct filestore *store);
/* The archives in order, as told to spool_archive_begin; false stops. */
struct spool_archive { const char *path, *format, *identity; uint8_t digest[DIGEST_BYTES]; };
bool spool_archive_each(struct spool *s, bool (*each)(void *ctx, const struct spool_archive *ar), void *ctx);
/* Messages per month (UTC), oldest first, months without any left out; false stops. Times outside SPOOL_YEAR_MIN …
 * SPOOL_YEAR_MAX, which no messenger wrote, are not counted. Reads the whole spool once. */
enum { SPOOL_YEAR_MIN = 1990, SPOOL_YEAR_MAX = 2199 };
bool spool_months(struct spool *s, bool (*each)(void *ctx, int year, int month /* 1 to 12 */, int64_t n), void *ctx);
/* Paths of the archives in order, as given to spool_archive_begin. */
size_t spool_archives(struct spool *s, struct arena *a, const char *const **paths);

#endif
