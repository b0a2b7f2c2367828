/* rollback.h: takes back what the ledger has as ours, newest first, by the engine's own protocol.
 *
 * Every taking back is an op of its own (OP_DELETE, see opkey_undo_part) with intent and done; with its done the rows it concerns
 * become GONE, in one transaction. It can be stopped and killed anywhere; the same call goes on. What was taken back is written
 * again by the next apply. What people have changed, answered or reacted to stays, unless forced. docs/rollback.md.
 */
#ifndef MVCHAT_ROLLBACK_H
#define MVCHAT_ROLLBACK_H

#include "replay/engine.h"

enum rollback_force { ROLLBACK_CAREFUL, ROLLBACK_FORCE };
enum rollback_users { ROLLBACK_SUSPEND, ROLLBACK_DELETE, ROLLBACK_KEEP };

/* Why something that is ours stays. */
enum keep {
	KEEP_CHANGED,   /* the message no longer says what we wrote */
	KEEP_REACTED,   /* somebody reacted to it */
	KEEP_ANSWERED,  /* somebody wrote in its thread */
	KEEP_THREAD,    /* its thread keeps messages of ours */
	KEEP_ARCHIVED,  /* the chat is archived, and not by what is taken back */
	KEEP_CLOSED,    /* the chat is gone or closed to us */
	KEEP_OCCUPIED,  /* chat and members: messages stay in it */
	KEEP_ADOPTED,   /* members of a chat that was there before: who was in it already is not known */
	KEEP_UNNAMED,   /* members, reactions: archives and mapping no longer say which */
	KEEP_ACTIVE,    /* account: it has written since */
	KEEP_OLDER,     /* account: older than our request for it */
	KEEP_POLICY,    /* account: asked to be kept */
	KEEP_EDIT,      /* an edit of a message that itself stays: the text before it is not known */
	N_KEEP
};
const char *keep_word(enum keep k); /* "changed" …: stable */

struct rollback_counts {
	int64_t todo[OP_DELETE + 1];   /* rows to take back, by kind */
	int64_t done[OP_DELETE + 1];   /* rows taken back since rollback_open, by kind */
	int64_t kept[N_KEEP];
	int64_t doubt;                 /* ops in doubt: settled first */
	int64_t chats_left;            /* chats that the target cannot delete: emptied, renamed, archived */
	int64_t files_left;            /* uploaded files whose bytes stay in the target's storage */
	int64_t foreign;               /* messages of others in the chats concerned */
};
struct rollback_args {
	struct session *session; struct ledger *ledger; struct stream *stream; struct spool *spool;
	int64_t only_run;              /* 0 = any */
	const char *only_conv;         /* source id; NULL = any, and people too */
	enum rollback_force force; enum rollback_users users;
	const char *mark;              /* put before the name of a chat given up: "[taken back] " */
	int settle_s; int64_t max_wait_s;
	const volatile int *stop;
	/* One call for each thing that stays. key, target, url may be NULL. */
	void (*kept)(void *ctx, enum keep why, enum op_kind what, const char *lane, const struct opkey *key, const char *target, const char *url);
	void (*progress)(void *ctx, int64_t lanes_done, int64_t lanes_total); /* of reading */
	void (*working)(void *ctx, const struct engine_progress *p);
	void (*event)(void *ctx, const char *ev, const char *lane, const char *what);
	void *ctx;
};
struct rollback;
struct rollback *rollback_open(const struct rollback_args *args);
void rollback_close(struct rollback *rb);
/* Reads the target and decides. May be called again; writes nothing. */
bool rollback_plan(struct rollback *rb, struct rollback_counts *out, struct err *e);
/* Finds out what became of ops an apply left in doubt, by the ordinary rules; to be followed by rollback_plan. */
bool rollback_settle(struct rollback *rb, int64_t run, struct engine_result *out, struct err *e);
/* Carries out what rollback_plan decided. */
bool rollback_run(struct rollback *rb, int64_t run, struct engine_result *out, struct err *e);
/* What is still to be taken back, by the decisions of the last plan and of what was looked at again since; kept: all that stays by now. */
void rollback_left(struct rollback *rb, struct rollback_counts *out);
/* Chats given up: each(ctx, name before, id). */
void rollback_chats(struct rollback *rb, void (*each)(void *ctx, const char *name, const char *id), void *ctx);
/* For exporter->may: permissions for this scope. */
uint32_t rollback_kinds(const struct rollback_counts *c, enum rollback_users users);

#endif
