/* stream_step.h: what the files that answer "what is next" share: stream.c (whose turn it is), stream_op.c (one op), stream_reopen.c (the
 * open op), stream_finish.c and stream_join.c (the end of a chat), stream_ahead.c (files before their turn). Nobody else includes it. */
#ifndef MVCHAT_STREAM_STEP_H
#define MVCHAT_STREAM_STEP_H

#include "replay/stream_in.h"

/* How far a lane has come; stream_pos.phase. */
enum phase { PH_START, PH_MAKE, PH_MSGS, PH_REMOVE, PH_REACT, PH_PIN, PH_MEMBERS, PH_LINKS, PH_ARCHIVE, PH_END };
/* To a message: it is behind. */
void stream_pos_move(struct stream_pos *p, int64_t ts_us, const char *id, int64_t conv);
/* Into another phase, at its beginning. */
void stream_pos_enter(struct stream_pos *p, enum phase phase);

/* Where a message goes: the chat, or a thread of it. */
struct goal { struct spot *sp; const char *chat, *thread; };
/* sp: the conversation the first message was written in, or, of a thread of ours, in whose chat it is. false: it is not open yet; *state:
 * what the ledger says of its opening. */
bool stream_thread_goal(struct stream *s, struct spot *sp, int64_t root_ts, const char *root, struct arena *a, struct goal *out, enum op_state *state);

/* Which messages are in the lane; those behind a place in it. */
static inline enum spool_which stream_lane_which(const struct stream *s, enum lane_kind kind)
{
	return kind == LANE_THREAD ? SPOOL_THREAD : s->threads ? SPOOL_CHANNEL : SPOOL_ALL;
}
static inline struct spool_walk *stream_lane_walk(struct stream *s, const struct spot *sp, const struct lane_spec *lane, const struct stream_pos *from)
{
	return spool_walk_after(s->x.spool, sp->num, stream_lane_which(s, lane->kind), lane->root, from->ts_us, from->id, from->conv);
}

/* stream_op.c: one op. All it points to is in a, but for what comes from a message, a letter or `target`: those are kept as they are.
 * g: NULL for a person, or for what makes the chat itself. state: what the ledger says of it. */
struct op *stream_op_begin(struct stream_op *out, const struct opkey *k, const struct goal *g, enum op_state state, struct arena *a);
void stream_op_user(struct stream *s, const char *id, const struct opkey *k, enum op_state state, struct arena *a, struct stream_op *out);
void stream_op_chat(struct stream *s, const struct spot *sp, const struct opkey *k, enum op_state state, struct arena *a, struct stream_op *out);
/* false: the message has no such file (any more). */
bool stream_op_upload(struct stream *s, const struct msg *m, const struct opkey *k, const struct goal *g, enum op_state state, struct arena *a,
                      uint64_t fp, struct stream_op *out);
void stream_op_post(struct stream *s, const struct letter *l, const struct opkey *k, const struct goal *g, enum op_state state,
                    struct arena *a, uint64_t fp, struct stream_op *out);
/* Says something else in a part that stands in the target as `target`. */
void stream_op_edit(struct stream *s, const struct letter *l, const struct opkey *k, const struct goal *g, enum op_state state, const char *target,
                    struct arena *a, uint64_t fp, struct stream_op *out);
/* Takes back what an op of this kind has made: k is a deletion. */
void stream_op_undo(const struct goal *g, const struct opkey *k, enum op_kind undoes, const char *target, enum op_state state, uint64_t fp,
                    struct arena *a, struct stream_op *out);
void stream_op_react(const struct goal *g, const struct react *r, const struct opkey *k, const char *target, enum op_state state,
                     uint64_t fp, struct arena *a, struct stream_op *out);
/* Takes an op of a message out of the memory in which the message was read: that is many times larger, and a thousand lanes hold an op. */
void stream_op_keep(struct op *op, struct arena *a);
/* The target's id of a part that was posted, or NULL. */
const char *stream_post_target(struct stream *s, const struct opkey *of, int part, struct arena *a, struct ledger_row *row);

/* stream_reopen.c: has the lane an open op? Then it is given as it was; when it cannot be rebuilt the lane ends here, for as long as it is
 * open: the engine sees that its op was not given back, stops this lane and tells a person. */
bool stream_open_op(struct stream *s, const struct lane_spec *lane, const struct goal *g, struct arena *a, struct stream_op *out, enum stream_got *got);

/* stream_finish.c: the next op after the messages of a chat and its threads. */
enum stream_got stream_next_finish(struct stream *s, const struct goal *g, struct stream_pos *pos, struct arena *a, struct stream_op *out, struct err *e);
/* Opens a chat again that an earlier run of ours has archived: nothing can be written into it otherwise. In the end it is archived again,
 * because the archiving is GONE then. false: it is not shut, or may not be opened. */
bool stream_unarchive(struct stream *s, struct spot *sp, enum op_state state, struct arena *a, struct stream_op *out);

/* stream_join.c: the first joining that is to do; the one with this id. When there is no portion like it any more, the first one goes under
 * this id: joining twice has no further effect. */
bool stream_next_members(struct stream *s, const struct goal *g, struct arena *a, struct stream_op *out);
bool stream_reopen_members(struct stream *s, const struct goal *g, const char *id, enum op_state state, struct arena *a, struct stream_op *out);

#endif
