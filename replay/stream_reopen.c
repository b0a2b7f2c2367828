/* stream_reopen.c: the open op of a lane, rebuilt from its key in the ledger, the spool and the mapping.
 *
 * Promises: what is given back is what was begun, as far as anything tells: links to messages that have found their address meanwhile are
 * left as they were when the fingerprint in the ledger says so. What cannot be rebuilt is not guessed at. Called by stream.c at the
 * beginning of a lane.
 */
#include "replay/stream_step.h"

/* The conversation whose message an open op is about: not always the lane's own. */
static struct spot *home_of(struct stream *s, const struct goal *g, const struct opkey *k, struct arena *a)
{
	const char *conv = !g ? NULL : k->conv == stream_lconv(s, g->sp) ? g->sp->id : ledger_conv_name(s->x.ledger, k->conv, a);
	return conv ? stream_spot(s, conv) : NULL;
}

/* The message ops: rebuilt from the spool, whatever rules and changes say by now. */
static bool reopen_msg(struct stream *s, const struct goal *g, const struct ledger_row *row, struct arena *a, struct stream_op *out)
{
	struct spool_meta m;
	struct msg msg;
	struct standing st;
	struct letter l;
	struct ledger_row post;
	const struct opkey *k = &row->key;
	const char *target = NULL;
	struct spot *home = home_of(s, g, k, a);
	if (!home || !spool_msg(s->x.spool, home->num, k->ts_us, k->id, a, &msg, &m, NULL))
		return false;
	if (k->kind == OP_UPLOAD)
		return stream_op_upload(s, &msg, k, g, row->state, a, m.fp, out);
	if (k->kind == OP_EDIT && !(target = stream_post_target(s, k, k->part, a, &post)))
		return false;
	const char *rule;
	arena_reset(&s->tmp);
	standing_get(s, k->conv, k->ts_us, k->id, &st);
	struct letter_args x = { .sp = home, .meta = &m, .msg = &msg, .fate = stream_fate(s, home, &m, &rule), .rule = rule, .posted = true,
	                         .want = LETTER_NEXT, .parts_max = k->kind == OP_EDIT ? st.parts : 0 };
	if (x.fate == FATE_SKIP)
		x.fate = FATE_SEND;
	if (x.fate == FATE_SEND && m.kind != MSG_LOST_ROOT)
		x.rule = NULL;
	for (int attempt = 0; attempt < (k->kind == OP_EDIT ? 3 : 2); attempt++) {
		x.no_links = attempt == 1; /* an edit that was sent in neither form says what it would say now */
		stream_letter(s, &x, a, &l);
		if (target)
			stream_op_edit(s, &l, k, g, row->state, target, a, m.fp, out);
		else
			stream_op_post(s, &l, k, g, row->state, a, m.fp, out);
		if (out->body_fp == row->body_fp)
			break;
	}
	return true;
}

static bool reopen_react(struct stream *s, const struct goal *g, const struct ledger_row *row, struct arena *a, struct stream_op *out)
{
	struct spool_meta m;
	struct msg msg;
	struct ledger_row post;
	const char *target = stream_post_target(s, &row->key, 0, a, &post);
	struct spot *home = home_of(s, g, &row->key, a);
	if (!target || !home || !spool_msg(s->x.spool, home->num, row->key.ts_us, row->key.id, a, &msg, &m, NULL) || row->key.part < 0 ||
	    (size_t)row->key.part >= msg.n_reacts)
		return false;
	stream_op_react(g, &msg.reacts[row->key.part], &row->key, target, row->state, m.fp, a, out);
	return true;
}

/* false: the archives no longer have what it was made of, or the mapping has another name by now for what is looked up by its
 * name: looking for the new one would make a second. */
static bool reopen(struct stream *s, const struct goal *g, const struct ledger_row *row, struct arena *a, struct stream_op *out)
{
	struct ledger_row post;
	struct spot *home = NULL;
	switch (row->key.kind) {
	case OP_USER_CREATE:
		stream_op_user(s, row->key.id, &row->key, row->state, a, out);
		return !row->body_fp || row->body_fp == out->body_fp;
	case OP_CHAT_CREATE:
		stream_op_chat(s, g->sp, &row->key, row->state, a, out);
		return !row->body_fp || row->body_fp == out->body_fp;
	case OP_UPLOAD: case OP_POST: case OP_EDIT:
		return reopen_msg(s, g, row, a, out);
	case OP_REACT:
		return reopen_react(s, g, row, a, out);
	case OP_THREAD_OPEN: case OP_PIN:
		stream_op_begin(out, &row->key, g, row->state, a)->target_id = stream_post_target(s, &row->key, 0, a, &post);
		return out->op.target_id != NULL;
	case OP_MEMBERS:
		return stream_reopen_members(s, g, row->key.id, row->state, a, out);
	case OP_ARCHIVE:
		stream_op_begin(out, &row->key, g, row->state, a);
		return true;
	case OP_DELETE: /* a rollback that was cut short: it must be finished first; but for what we do ourselves */
		stream_op_undo(g, &row->key, OP_POST, stream_post_target(s, &row->key, row->key.part, a, &post), row->state, 0, a, out);
		if (out->op.target_id && (row->loss & LOSS_SPLIT))
			return true; /* a part that is no longer needed */
		home = home_of(s, g, &row->key, a);
		if (out->op.target_id && row->key.ts_us && home && !spool_msg(s->x.spool, home->num, row->key.ts_us, row->key.id, a, NULL, NULL, NULL))
			return true;
		return row->key.part == opkey_undo_part(OP_ARCHIVE, 0) && stream_unarchive(s, g->sp, row->state, a, out);
	}
	return false;
}

bool stream_open_op(struct stream *s, const struct lane_spec *lane, const struct goal *g, struct arena *a, struct stream_op *out, enum stream_got *got)
{
	struct ledger_row row;
	int64_t n = ledger_lane(s->x.ledger, lane->name);
	if (n < 0 || !ledger_open_op(s->x.ledger, n, a, &row))
		return false;
	*got = reopen(s, g, &row, a, out) ? STREAM_OP : STREAM_END;
	return true;
}
