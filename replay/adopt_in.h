/* adopt_in.h: what adopt.c (rounds, people, conversations), adopt_place.c (what the target holds), adopt_msg.c and adopt_finish.c share.
 * Nobody else includes it. */
#ifndef MVCHAT_ADOPT_IN_H
#define MVCHAT_ADOPT_IN_H

#include "replay/adopt.h"
#include "replay/stream_in.h"

/* A message in the target: of ours, or of an account that may be ours, too: author, else NULL. */
struct here { uint64_t fp; size_t no; const char *id, *thread, *thread_chat, *author; bool taken; };
struct place_seen { struct here *v; size_t n, cap; struct table by_id; bool read, closed /* to us */; };

struct adopt {
	const struct adopt_args *args;
	struct stream *s;
	struct ledger *l;
	const struct exporter *ex;
	struct adopt_result *out;
	struct arena arena;      /* chats and people of the target */
	struct arena conv;       /* what is read of one chat */
	struct arena one;        /* one message */
	struct seen *chats; size_t n_chats, cap_chats;
	struct seen *people; size_t n_people, cap_people;
	int rows;                /* in the open transaction */
	int round;
	int64_t found;           /* in this round */
	bool last;               /* round: tell what is missing */
	bool lacking;            /* something of this conversation is missing */
	bool lost_tx;            /* a commit failed: no transaction is open */
	int64_t strangers;       /* of this conversation */
	bool closed;             /* its chat, to us */
	struct err *err;
};

static inline bool adopt_stopping(const struct adopt *x)
{
	return x->args->stop && *x->args->stop;
}

/* adopt.c: rows of the ledger. */
struct fact { const char *lane; uint64_t src_fp, body_fp; uint32_t loss; const char *id, *id2; };
static inline bool adopt_settled(enum op_state st)
{
	return st == OP_DONE || st == OP_REJECTED;
}
enum op_state adopt_state(struct adopt *x, const struct opkey *k);
/* May this row be written? Not while another op of its lane is open: that one comes first, and is apply's to settle. */
bool adopt_free(struct adopt *x, const struct opkey *k, const char *lane);
void adopt_row(struct adopt *x, const struct opkey *k, const struct fact *f);
bool adopt_commit(struct adopt *x); /* when enough rows have come together; false: the disk failed */
void adopt_missing(struct adopt *x, const struct opkey *k, const char *lane, const char *why); /* told in the last round */

/* adopt_place.c */
bool adopt_read_target(struct adopt *x, struct err *e); /* people and chats */
const struct seen *adopt_chat_row(const struct adopt *x, const char *id); /* or NULL */
bool adopt_place_read(struct adopt *x, const char *chat, struct place_seen *p);
void adopt_place_release(struct adopt *x, struct place_seen *p); /* what is taken by nothing is counted */
/* The oldest message that says this and belongs to nothing yet; one of an unknown account only when none of ours does. */
struct here *adopt_place_find(struct place_seen *p, uint64_t fp);
/* It has written what only we write, under the name that only we give: it is one of our bots, whose token is not given today. From now on
 * (the next round, the next run) all it has written is ours. */
void adopt_learn(struct adopt *x, struct here *h);

/* adopt_msg.c, adopt_finish.c: one lane. */
struct lane_now { const char *name, *chat; struct spot *sp; struct place_seen *place; };
/* *threads: becomes true when a message with replies is there. */
bool adopt_walk(struct adopt *x, const struct lane_now *ln, enum spool_which which, const char *root, bool *threads);
bool adopt_threads(struct adopt *x, const struct lane_now *ln);
bool adopt_finish(struct adopt *x, const struct lane_now *ln);

#endif
