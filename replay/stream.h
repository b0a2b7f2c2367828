/* stream.h: what to write next: spool × mapping × exporter × ledger → ops, in lane order. Used by plan and apply alike.
 *
 * Lanes: one per person to create ("p:USER"), one per conversation ("c:CONV"), one per thread where the target orders threads
 * apart ("t:CONV/ROOT"). A chat lane yields: CHAT_CREATE · for each message UPLOAD… then POST parts, in (time, id) order ·
 * and, when all its threads have ended, the finish: REACT, PIN, MEMBERS, EDIT (links that lead somewhere only now), ARCHIVE. A thread lane yields
 * THREAD_OPEN, then its replies. Files may be uploaded before it is their turn (stream_ahead). What the ledger has as DONE or REJECTED is passed over; a message whose source changed since yields EDIT.
 * The ledger's open op of a lane, if there is one, is yielded first, exactly as it was (struct op rebuilt from the source).
 */
#ifndef MVCHAT_STREAM_H
#define MVCHAT_STREAM_H

#include "exporters/exporter.h"
#include "mapping/mapping.h"
#include "replay/ledger.h"
#include "replay/spool.h"

struct stream;
struct snapshot; /* session.h */
struct stream_args {
	struct spool *spool;
	const struct mapping *mapping;
	const struct exporter *exporter;
	const struct target *target;
	struct ledger *ledger;
	const struct snapshot *snap; /* or NULL: what the target's accounts look like; borrowed */
};
struct stream *stream_open(const struct stream_args *args, struct err *e);
void stream_close(struct stream *s);
/* What is done only when asked for: a mask; to be said before the first question. */
enum stream_wish {
	WISH_EDIT_DRIFT = 1 << 0,     /* edit what was sent and today's mapping would write otherwise */
	WISH_DELETE_REMOVED = 1 << 1, /* delete what was sent and a newer archive no longer has */
};
void stream_wish(struct stream *s, uint32_t wishes);

enum lane_kind { LANE_PERSON = 1, LANE_CHAT = 2, LANE_THREAD = 3 };
struct lane_spec {
	enum lane_kind kind;
	char *name;            /* "c:C024BE91L": ledger's name of the lane; the receiver copies */
	const char *id;        /* person: user id · chat, thread: source conv id */
	const char *root;      /* thread: msg id of the root, else NULL */
	int64_t root_ts_us;
	const char *host;      /* chat: the conversation into whose chat it is merged (stream.h), or NULL */
	int64_t weight;        /* messages it still has to send, roughly: the largest starts first */
};
/* All lanes that exist before anything is written: persons to create, then conversations that are not skipped. Threads are
 * announced by stream_next (on_thread). each: false stops. */
bool stream_lanes(struct stream *s, bool (*each)(void *ctx, const struct lane_spec *), void *ctx, struct err *e);

/* Where a lane stands; plain data, zero-initialised by its owner, freed by stream_pos_release. */
struct stream_pos { int phase; int64_t ts_us; char *id; int part; };
void stream_pos_release(struct stream_pos *p);

enum stream_got {
	STREAM_OP,    /* *op is the next thing to write; everything it points to is in a */
	STREAM_WAIT,  /* nothing now: threads of this chat are still open (the engine asks again when they have ended), or people are not made yet */
	STREAM_LATER, /* nothing now: when no lane has anything else to write any more, ask again; said at most once by a position */
	STREAM_END,   /* nothing left in this lane */
	STREAM_ERROR,
};
struct stream_op {
	struct op op;
	uint64_t src_fp, body_fp;
	uint32_t loss;
	enum op_state state;   /* what the ledger says: ABSENT, or INTENT/UNKNOWN for the open op found at the start */
	bool visible;          /* POST, EDIT…: someone sees it; else repeatable at will */
};
/* A root the lane has passed and that is DONE: its thread lane may open. */
typedef void (*stream_thread_fn)(void *ctx, const struct lane_spec *thread);
/* threads_open: number of this chat's thread lanes not ended yet (the engine counts). */
enum stream_got stream_next(struct stream *s, const struct lane_spec *lane, struct stream_pos *pos, size_t threads_open,
                            stream_thread_fn on_thread, void *ctx, struct arena *a, struct stream_op *out, struct err *e);
/* The engine calls this, in the same transaction, when the op stream_next gave is DONE or REJECTED in the ledger: moves pos past it. */
void stream_passed(struct stream *s, struct stream_pos *pos, const struct stream_op *op);

/* Is there anything that could be uploaded at all? */
bool stream_has_files(const struct stream *s);
/* The next file of a lane whose upload nobody has begun, of the messages behind *pos (where the lane stands) and *ahead (where this has
 * got to by now; zeroed at first, moves on). *look: how many messages may be looked at, is made less; a lane that has overtaken *ahead has
 * STREAM_LOOK of them again. STREAM_OP: it is the next, no larger than max bytes · STREAM_WAIT: none for now · STREAM_END: there are no more. */
enum { STREAM_LOOK = 256 };
enum stream_got stream_ahead(struct stream *s, const struct lane_spec *lane, const struct stream_pos *pos, struct stream_pos *ahead, size_t *look,
                             int64_t max, struct arena *a, struct stream_op *out);

/* Target id of a source user: matched by the mapping or created (ledger), else NULL. */
const char *stream_user_target(struct stream *s, const char *source_user, struct arena *a);
/* Target ids of the people who should be in a conversation's chat (sorted, each once); in a. */
size_t stream_joiners(struct stream *s, const char *source_conv, struct arena *a, const char *const **ids);
/* Is somebody of them still to be let in? */
bool stream_joining(struct stream *s, const char *source_conv, struct arena *a);
/* The time of the oldest of the last `want` messages of a conversation (spool's number), replies included; 0: it has no more. */
int64_t stream_count_since(struct spool *sp, int64_t conv, int64_t want);
/* Target chat id of a source conversation, or NULL. */
const char *stream_chat_target(struct stream *s, const char *source_conv, struct arena *a);

#endif
