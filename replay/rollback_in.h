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
	bool shares;             /* its chat holds another conversation's messages, too */
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
	bool reporting;
	struct err *err; bool failed;
};

enum pass { PASS_ARCHIVE, PASS_THREADS, PASS_CHATS, PASS_PEOPLE, N_PASS };
enum live { FORETOLD, LIVE };
/* The next row of this lane to take back, walking backwards. pos: zeroed at first. */
bool rb_next(struct rollback *rb, struct rb_lane *l, enum pass pass, enum live live, struct stream_pos *pos, struct arena *a, struct ledger_row *row);
bool rb_in_scope(const struct rollback *rb, const struct ledger_row *row);
bool rb_message(struct rollback *rb, const struct opkey *k, struct arena *a, struct msg *m); /* of the archives, in a; false: they no longer have it */
/* Who joined the chat through us, as far as archives and mapping tell: target ids in a. */
/* The tags that joined the chat with us. */
size_t rb_tags(struct rollback *rb, const struct rb_conv *c, struct arena *a, const char *const **ids);
size_t rb_members(struct rollback *rb, const struct rb_conv *c, struct arena *a, const char *const **ids);
bool rb_gives_up(const struct rollback *rb, const struct rb_conv *c);
/* Is there anything at all of this lane in the pass? */
bool rb_any(struct rollback *rb, struct rb_lane *l, enum pass pass);

#endif
