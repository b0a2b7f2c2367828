/* spool_merge.h: what spool_merge.c (which copies are one chat, who is who) and spool_fold.c (two copies into one) share. */
#ifndef MVCHAT_SPOOL_MERGE_H
#define MVCHAT_SPOOL_MERGE_H

#include "replay/align.h"
#include "replay/idfilter.h"
#include "replay/spool_db.h"

/* A person as one copy calls them, and who that is in the other. */
enum { GUESSES = 8 };
struct person {
	const char *id;
	uint32_t no;                 /* from 1; in the order of first sight */
	int64_t said;                /* messages */
	/* of the copy that is put in */
	struct { uint32_t no; size_t n, bytes; } guess[GUESSES]; size_t n_guesses;
	const struct person *same;   /* in the first copy, or NULL */
	size_t agree, against;       /* messages that say so, and that say otherwise */
};

struct people { struct table by_id; struct person **v; size_t n; }; /* v[no - 1] */
struct person *people_get(struct build *b, struct people *p, const char *id);
void people_free(struct people *p);

/* What a pass over a copy shows. */
struct survey_of { struct align_sample texts; struct people people; int64_t first_us, last_us; size_t authored; struct idfilter ids; /* the first copy's, while another is put into it */ };
void survey_copy(struct spool *s, int64_t conv, struct survey_of *out);
void survey_free(struct survey_of *o);

/* How two copies compare. */
struct compared {
	struct align_shift shifts[ALIGN_SHIFTS_MAX]; size_t n_shifts;
	size_t anchors, fits, of_least, bytes; /* texts in common; of them on one clock; texts that could have been; length of those that fit */
	bool overlap;
};
/* Votes for who is who go into b's people, instead of any from before. */
void compare_copies(const struct survey_of *a, const struct survey_of *b, struct compared *out);
void guess_people(struct survey_of *a, struct survey_of *b);

/* Puts copy `b` into chat `a` (two conversations of the database), message by message; afterwards b has none. */
struct fold {
	struct spool *s;
	struct tally *a, *b;
	const struct spool_copy *ca, *cb;     /* ca: the chat's first copy */
	struct survey_of *sa, *sb;
	const struct compared *c;
	struct written *written;              /* what was written of the chat, loaded */
	int64_t open_us;                      /* until then every copy knows what was edited or deleted */
	bool b_is_newer;                      /* b goes on longer: of two edits its is the later */
	/* out */
	size_t same, added, media, later, notices, unclear;
	int64_t made_up;                      /* files that an export lacks and another has */
};
bool fold_copy(struct fold *f);

/* spool_written.c: what was written of a chat in earlier runs (struct spool_past), and under which ids. */
struct written {
	struct spool *s;
	size_t n;                             /* messages */
	int64_t found;                        /* of them, when settled */
	struct idfilter ids;
	sqlite3_stmt *has, *claim;
};
void written_init(struct written *w, struct spool *s);
void written_free(struct written *w);
bool written_load(struct written *w, const char *conv_id);                    /* instead of what was loaded before */
bool written_has(struct written *w, const char *id);
bool written_list(struct written *w, int64_t conv);                           /* the ids of a copy, as they are now; for the next two */
int64_t written_in(struct written *w, int64_t conv);                          /* how many of them are there, by their ids */
int64_t written_time(struct written *w, int64_t conv);                        /* messages of it in the time for which something was written */
bool written_claim(struct written *w, const char *id, const char *was);       /* the message may have been written under `was` */
bool written_settle(struct written *w, int64_t conv);                         /* gives ids and times back; the chat is complete */

/* spool_pair.c */
bool fold_is_notice(const struct msg *m);
void fold_words_of(const struct msg *m, struct align_words *w);               /* what somebody said, without what they quoted */
bool fold_drop(struct spool *s, int64_t conv, int64_t ts_us, const char *id);
bool fold_put(struct spool *s, int64_t conv, struct msg *m, struct buf *line); /* where its place is taken, a microsecond later */
const char *fold_who(const struct fold *f, const char *id);                   /* of the second copy's people, in the first; or id */
void fold_translate(const struct fold *f, struct arena *a, struct msg *m);    /* mentions and reactions of the second copy */
bool fold_any_present(const struct msg *m);                                   /* a file whose bytes are there */
int fold_lacking(const struct msg *m);                                        /* 1: a file that the export lacks */
/* Takes from b into a what is newer or missing; differ: their words are not the same. True: a has changed. */
bool fold_words(struct fold *f, struct msg *a, const struct msg *b, bool differ);

#endif
