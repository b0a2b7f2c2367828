/* rollback_in.h: what rollback_plan.c (reading, deciding) and rollback.c (taking back) share. Nobody else includes it. */
#ifndef MVCHAT_ROLLBACK_IN_H
#define MVCHAT_ROLLBACK_IN_H

#include "core/table.h"
#include "replay/rollback.h"

struct rb_conv {
	int64_t num;             /* the ledger's */
	const char *id;          /* the source's */
	const char *chat, *name; /* in the target; NULL: not known, not listed */
	bool created;            /* by us, and not taken back */
	bool archived, is_public, alone /* nobody but us can see it */;
	bool shut;               /* everything in it stays, because: */
	enum keep why;
	bool given_up;           /* foretold: emptied, renamed, archived */
	int64_t kept, others /* ours, not to be taken back */, foreign;
	struct rb_lane *lanes;   /* through next_of_conv */
	struct rb_conv *mate;    /* goes into the same chat, and has been read before this one; NULL: none */
};
struct rb_lane {
	struct rb_lane *next_of_conv;
	struct rb_conv *conv;    /* NULL: a person's */
	const char *name;
	int64_t num, posts;
	enum lane_kind kind;
	const char *chat, *thread; /* of the thread, in the target */
	struct opkey root;       /* thread: the key of its first message */
	bool shut;
	int64_t fresh_us;        /* until when (clock_mono_us) what was read of it is believed */
	char *low;               /* this message and older ones have not been looked at again; NULL: all have been. Owned */
	const char *open;        /* the message whose deletion was found open, or NULL */
	bool open_seen;          /* ... is there still */
};

struct rollback {
	struct rollback_args args;
	const struct exporter *ex;
	struct arena arena;      /* the decisions */
	struct arena tmp;        /* one row */
	struct rb_lane **lanes; size_t n_lanes, cap_lanes;
	int64_t only_num;        /* the ledger's number of only_conv */
	struct table by_name, convs /* by source id */, by_chat, kept /* by record */, writers /* ids of people who have written since */;
	struct table accounts;   /* target user id -> int64_t *created */
	struct rollback_counts counts;
	int64_t done[OP_DELETE + 1];
	bool reporting;
	struct err *err; bool failed;
};

enum pass { PASS_ARCHIVE, PASS_THREADS, PASS_CHATS, PASS_GIVE_UP, PASS_PEOPLE, N_PASS };
enum live { FORETOLD, LIVE };
/* The next row of this lane to take back, walking backwards. pos: zeroed at first. */
bool rb_next(struct rollback *rb, struct rb_lane *l, enum pass pass, enum live live, struct stream_pos *pos, struct arena *a, struct ledger_row *row);
bool rb_in_scope(const struct rollback *rb, const struct ledger_row *row);
bool rb_message(struct rollback *rb, const struct opkey *k, struct arena *a, struct msg *m); /* of the archives, in a; false: they no longer have it */
/* The tags that joined the chat with us. */
size_t rb_tags(struct rollback *rb, const struct rb_conv *c, struct arena *a, const char *const **ids);
/* Who joined the chat through us, as far as archives and mapping tell: target ids in a. */
size_t rb_members(struct rollback *rb, const struct rb_conv *c, struct arena *a, const char *const **ids);
bool rb_gives_up(const struct rollback *rb, const struct rb_conv *c);
bool rb_is_kept(struct rollback *rb, const struct opkey *post);
void rb_keep(struct rollback *rb, struct rb_lane *l, const struct opkey *post, enum keep why, const char *chat, const char *target);
void rb_say_kept(struct rollback *rb, enum keep why, enum op_kind what, const char *lane, const struct opkey *k, const char *chat, const char *target);
bool rb_stopping(const struct rollback *rb);

/* ---- rollback.c ---- */
void rb_forget_lows(struct rollback *rb); /* before the lanes' memory goes */

/* ---- rollback_look.c ---- */
/* Reads the whole lane and decides which of its messages stay. */
bool rb_read(struct rollback *rb, struct rb_lane *l);
/* Has what is about to be taken back been looked at lately? If not, that end of the lane is read and judged once more. *again: it was,
 * so a row chosen before may have to stay. upto: the message that is to go; NULL: the chat itself. */
bool rb_look_again(struct rollback *rb, struct rb_lane *l, const char *upto, bool *again, struct err *e);

/* ---- rollback_plan.c ---- */
void rb_say_occupied(struct rollback *rb); /* chats that were to be given up and are in use by now */
/* Still to be taken back, by what is known now? Says so if it has to stay. */
bool rb_wanted(struct rollback *rb, struct rb_lane *l, const struct ledger_row *row);
/* Is there anything at all of this lane in the pass? */
bool rb_any(struct rollback *rb, struct rb_lane *l, enum pass pass);

#endif
