/* session.h: a target we have greeted: exporter + its struct target + wire + pacer, and lists read to their end.
 *
 * Used by map and plan (reads only), by the engine and by verify. session_open does HELLO: who are we, which permissions.
 */
#ifndef MVCHAT_SESSION_H
#define MVCHAT_SESSION_H

#include "mapping/mapping.h"
#include "replay/pacer.h"
#include "replay/pool.h"
#include "replay/wire.h"

struct session {
	const struct exporter *ex;
	struct target *target;
	struct traits traits;
	struct wire *wire;
	struct pool pool;        /* the tokens' limits */
	struct arena arena;      /* lives as long as the session */
	const char *target_id;   /* ex->identity() */
	int64_t list_requests;   /* made by session_list so far */
	int last_status;         /* HTTP status of its last answer; 0 = none came */
};
struct session_args {
	const struct exporter *ex;
	struct wire_config wire;      /* base_url NULL = the exporter's default */
	const char *const *options;   /* for ex->configure; "url=ADDRESS" is added when wire.base_url is set and it is not among them */
	uint32_t op_kinds;            /* permissions to check for: mask of 1 << op_kind; 0 = reads only */
	double rate;                  /* 0 = 1.0 */
	const char *const *known;     /* accounts whose messages are ours, too (ledger_bots); NULL-terminated, or NULL */
	const char *bond;             /* identity the ledger is tied to, or NULL: of several bots that one is the first */
};
struct session *session_open(const struct session_args *args, struct err *e); /* NULL + err (ERR_TARGET, ERR_USAGE) */
void session_close(struct session *s);
/* Lets the further bots into a chat of ours that was made without them, so that they can share the work. Nobody is told, and
 * when it is refused the chat is written by the bots that are in it. false + err: the target cannot be asked. */
bool session_admit(struct session *s, const char *chat, struct err *e);

/* Reads a list page by page, paced, throttles waited out, transient failures (5xx, network) tried again up to 5 times with
 * back-off. each: rows in order; false stops early (still true). */
bool session_list(struct session *s, enum list_kind kind, const char *scope, enum list_order order,
                  bool (*each)(void *ctx, const struct seen *row), void *ctx, struct err *e);

/* Everything plan and map want to know about the live target, read once. Arrays in a. */
struct snapshot { struct target_person *people; size_t n_people; struct target_chat *chats; size_t n_chats; };
bool snapshot_read(struct session *s, struct arena *a, struct snapshot *out, struct err *e);

#endif
