/* stream.c: see stream.h. Decides the order; what a message says is stream_text.c, who and where is stream_know.c.
 *
 * Called by engine.c (op by op) and plan.c (lanes, fates and standings). It writes nothing: it reads spool and ledger and
 * answers "what is next". The ledger is the only memory: a position says which messages of a lane are certainly behind, and
 * what is left of a message is asked from the ledger again each time, so that any op may be repeated, put off or refused
 * without the position being wrong.
 *
 * The open op. A lane's first call asks the ledger for its open op and yields that before anything else, whatever stands
 * before it by now: a later archive may have brought an earlier message, a message may have changed (EDIT) or fallen under a
 * rule, or the op belongs to the finish. Only when the ledger has no open op in this lane does the ordinary walk begin, and
 * from there on the engine opens at most the one op it was given. So the schema's "one open op in a lane" cannot be broken by
 * order. It is rebuilt by stream_reopen.c.
 */
#include "replay/stream.h"

#include "replay/stream_step.h"

#include "core/hash.h"

#include <stdlib.h>
#include <string.h>

/* ---- positions ---- */

void stream_pos_release(struct stream_pos *p)
{
	free(p->id);
	*p = (struct stream_pos){ 0 };
}

void stream_pos_move(struct stream_pos *p, int64_t ts_us, const char *id, int64_t conv)
{
	p->conv = conv;
	if (p->id && p->ts_us == ts_us && streq(p->id, id))
		return;
	free(p->id);
	p->id = xstrdup(id);
	p->ts_us = ts_us;
}

void stream_pos_enter(struct stream_pos *p, enum phase phase)
{
	free(p->id);
	*p = (struct stream_pos){ .phase = (int)phase };
}

/* ---- the next op of one message ---- */

enum look { LOOK_PASS, LOOK_OP, LOOK_ERROR };

/* A message in the target that is to say something else: first the parts it goes on in, if it may (l is made so), then an edit for each part
 * whose words differ; in the end, the last one first, parts that it no longer needs are deleted. */
static enum look look_edit(struct stream *s, const struct goal *g, const struct letter *l, const struct spool_meta *m, enum fate fate, int sent,
                           bool goes_on, struct arena *a, struct stream_op *out)
{
	struct ledger_row post, edit, del;
	int n = l->n_parts < (size_t)sent ? (int)l->n_parts : sent;
	struct opkey k = { stream_mconv(s, g->sp, m), m->ts_us, m->id, OP_EDIT, sent - 1 };
	if (goes_on && l->n_parts > (size_t)sent && stream_post_target(s, &k, k.part, a, &post)) {
		stream_row(s, &k, a, &edit);
		k.kind = OP_POST;
		k.part = sent;
		stream_op_post(s, l, &k, g, OP_ABSENT, a, m->fp, out);
		if (stream_change_due(s, m, fate, &post, &edit))
			return LOOK_OP;
	}
	for (int i = 0; i < sent; i++) {
		k.kind = OP_EDIT;
		k.part = i < n ? i : sent - 1 - (i - n);
		const char *target = stream_post_target(s, &k, k.part, a, &post);
		if (!target)
			continue;
		stream_row(s, &k, a, &edit);
		stream_op_edit(s, l, &k, g, edit.state == OP_INTENT || edit.state == OP_UNKNOWN ? edit.state : OP_ABSENT, target, a, m->fp, out);
		if (!stream_edit_due(s, m, fate, &post, &edit, out->body_fp))
			continue;
		if (i < n || !stream_part_goes(s, &k, k.part, sent, a))
			return LOOK_OP;
		k.kind = OP_DELETE;
		if (stream_row(s, &k, a, &del) && del.state == OP_DONE)
			ledger_gone(s->x.ledger, &k); /* it has been written again since */
		stream_op_undo(g, &k, OP_POST, target, OP_ABSENT, m->fp, a, out);
		out->loss = LOSS_SPLIT; /* not deleted in the source: the message is whole without it */
		return LOOK_OP;
	}
	return LOOK_PASS;
}

/* Uploads first, then the parts in order. *last: nothing of this message follows the op. */
static enum look look_send(struct stream *s, const struct goal *g, struct letter *l, const struct spool_meta *m, const struct msg *msg,
                           const struct standing *st, struct arena *a, struct stream_op *out, bool *last)
{
	struct ledger_row row;
	struct opkey k = { stream_mconv(s, g->sp, m), m->ts_us, m->id, OP_UPLOAD, l->upload };
	if (l->upload >= 0) {
		stream_row(s, &k, a, &row);
		return stream_op_upload(s, msg, &k, g, row.state, a, m->fp, out) ? LOOK_OP : LOOK_PASS;
	}
	/* The parts before are DONE; behind one that was refused the rest would be a torn message, and it is settled. */
	k.kind = OP_POST;
	k.part = st->parts;
	row.state = OP_ABSENT;
	if (st->open)
		stream_row(s, &k, a, &row);
	if ((size_t)k.part >= l->n_parts || !stream_todo(row.state))
		return LOOK_PASS;
	stream_op_post(s, l, &k, g, row.state, a, m->fp, out);
	*last = (size_t)k.part + 1 == l->n_parts;
	return LOOK_OP;
}

/* One message: what is to be done for it, if anything. st: in: what the ledger has. */
static enum look look(struct stream *s, const struct goal *g, struct spool_walk *w, const struct spool_meta *m, const struct standing *st,
                      struct arena *a, struct stream_op *out, bool *last, struct err *e)
{
	*last = false;
	if (standing_settled(s, g->sp, st, m))
		return LOOK_PASS;
	const char *rule;
	enum fate fate = stream_fate(s, g->sp, m, &rule);
	if ((fate == FATE_SKIP && (!st->parts || st->complete)) || (fate == FATE_PLACEHOLDER && st->complete && !(st->loss & LOSS_ROOT)))
		return LOOK_PASS; /* what was sent before it fell under a rule stays as it is */
	struct msg msg;
	struct letter l;
	if (!spool_walk_body(w, a, &msg, e))
		return LOOK_ERROR;
	struct letter_args x = { .sp = g->sp, .meta = m, .msg = &msg, .fate = fate, .rule = rule, .posted = st->parts > 0, .want = LETTER_NEXT,
	                         .parts_max = st->complete ? stream_parts_max(s, g->sp, m, st) : 0 };
	stream_letter(s, &x, a, &l);
	if (st->complete)
		return s->tr.caps & CAP_EDIT ? look_edit(s, g, &l, m, fate, st->parts, !x.parts_max, a, out) : LOOK_PASS;
	enum look r = look_send(s, g, &l, m, &msg, st, a, out, last);
	*last = *last && (!st->parts || (st->src_fp == m->fp && !st->edit)); /* else its first parts are to be edited yet */
	return r;
}

/* ---- threads ---- */

bool stream_thread_goal(struct stream *s, struct spot *sp, int64_t root_ts, const char *root, struct arena *a, struct goal *out, enum op_state *state)
{
	struct ledger_row row;
	struct spool_meta m;
	struct opkey k = { stream_lconv(s, sp), root_ts, root, OP_THREAD_OPEN, 0 };
	stream_row(s, &k, a, &row);
	*state = row.state;
	*out = (struct goal){ sp, NULL, NULL };
	if (row.state != OP_DONE || !row.target2 || !*row.target2) {
		bool away = s->crosses && root[0] != '@' && spool_msg(s->x.spool, sp->num, root_ts, root, a, NULL, &m, NULL) && m.host != sp->num;
		out->chat = stream_spot_target(s, away ? stream_seat(s, sp, &m) : sp);
	}
	if (row.state != OP_DONE)
		return false;
	out->thread = row.target;
	if (row.target2 && *row.target2)
		out->chat = row.target2;
	return true;
}

/* Is there anything to do in this thread? Stops at the first reply that needs a look. */
static bool thread_waits(struct stream *s, struct spot *sp, int64_t root_ts, const char *root)
{
	struct ledger_row row;
	struct opkey k = { stream_lconv(s, sp), root_ts, root, OP_THREAD_OPEN, 0 };
	arena_reset(&s->tmp);
	stream_row(s, &k, &s->tmp, &row);
	if (row.state == OP_REJECTED)
		return false;
	bool waits = row.state == OP_INTENT || row.state == OP_UNKNOWN;
	struct spool_walk *w = spool_walk(s->x.spool, sp->num, SPOOL_THREAD, root, 0, NULL);
	struct spool_meta m;
	while (!waits && spool_walk_next(w, &m)) {
		struct standing st;
		const char *rule;
		arena_reset(&s->tmp);
		standing_get(s, stream_mconv(s, sp, &m), m.ts_us, m.id, &st);
		waits = !standing_settled(s, sp, &st, &m) && (st.parts || st.open || stream_fate(s, sp, &m, &rule) != FATE_SKIP);
	}
	spool_walk_end(w);
	return waits;
}

static bool thread_writes(struct stream *s, struct spot *sp, const struct spool_meta *m);

/* false: the chat is shut and must be opened first. */
static bool announce(struct stream *s, struct spot *sp, const struct spool_meta *m, stream_thread_fn fn, void *ctx, bool *announced)
{
	struct ledger_row shut;
	struct spot *home = stream_home(s, sp, m);
	if (!fn || !s->threads || !m->n_replies || m->root || !thread_waits(s, home, m->ts_us, m->id))
		return true;
	arena_reset(&s->tmp);
	if (stream_shut(s, sp, &s->tmp, &shut))
		return !thread_writes(s, home, m);
	*announced = true;
	struct lane_spec spec = { LANE_THREAD, arena_fmt(&s->tmp, "t:%s/%s", home->id, m->id), home->id, arena_strdup(&s->tmp, m->id), m->ts_us, NULL, m->n_replies };
	fn(ctx, &spec);
	return true;
}

/* ---- messages of a lane ---- */

/* `announced`: a thread was told of in this very call; the count the caller gave does not know of it yet. */
struct asked {
	const struct lane_spec *lane; struct stream_pos *pos; size_t threads_open; stream_thread_fn fn; void *ctx;
	bool *announced, *shut /* a thread of a chat that is archived has something to write */;
};

/* Passes over everything the ledger has settled by walking spool and ledger side by side, without decoding a message. The
 * position is then the last message before the first one that needs a look. */
static void skip_settled(struct stream *s, struct spot *sp, const struct asked *q)
{
	struct ledger_walk *lw = ledger_walk(s->x.ledger, stream_lconv(s, sp));
	struct spool_walk *w = spool_walk(s->x.spool, sp->num, stream_lane_which(s, LANE_CHAT), NULL, 0, NULL);
	struct ledger_row row;
	struct spool_meta m;
	bool more = ledger_walk_next(lw, &row), ok = true;
	struct buf last;
	int64_t last_ts = 0, last_conv = 0;
	buf_init(&last, 1 << 20);
	while (ok && more && spool_walk_next(w, &m)) {
		int c = -1;
		struct standing st = { 0 };
		if (m.conv != sp->num) { /* its rows are another conversation's */
			arena_reset(&s->tmp);
			standing_get(s, stream_mconv(s, sp, &m), m.ts_us, m.id, &st);
			c = 1;
		}
		while (m.conv == sp->num && more && (c = row.key.ts_us != m.ts_us ? (row.key.ts_us < m.ts_us ? -1 : 1) : strcmp(row.key.id, m.id)) <= 0) {
			if (c == 0)
				standing_add(&st, &row);
			more = ledger_walk_next(lw, &row);
		}
		ok = standing_settled(s, sp, &st, &m);
		if (!ok && !st.parts && !st.open) {
			const char *rule;
			ok = stream_fate(s, sp, &m, &rule) == FATE_SKIP;
		}
		if (!ok)
			break;
		if (m.n_replies && st.complete && !announce(s, sp, &m, q->fn, q->ctx, q->announced))
			break; /* looked at again by next_msg */
		buf_reset(&last);
		buf_adds(&last, m.id);
		last_ts = m.ts_us;
		last_conv = m.conv;
	}
	spool_walk_end(w);
	ledger_walk_end(lw);
	if (last.len)
		stream_pos_move(q->pos, last_ts, last.p, last_conv);
	buf_release(&last);
}

/* false: no message is left (or, with *got = STREAM_ERROR, something broke). */
static bool next_msg(struct stream *s, const struct goal *g, const struct asked *q, struct arena *a, struct stream_op *out,
                     enum stream_got *got, struct err *e)
{
	bool chat = q->lane->kind == LANE_CHAT;
	struct spool_walk *w = stream_lane_walk(s, g->sp, q->lane, q->pos);
	struct spool_meta m;
	bool found = false;
	struct buf passed;
	int64_t passed_ts = 0, passed_conv = 0;
	buf_init(&passed, 1 << 20);
	while (!found && spool_walk_next(w, &m)) {
		struct standing st;
		bool last;
		arena_reset(&s->tmp);
		arena_reset(&s->trial);
		standing_get(s, stream_mconv(s, g->sp, &m), m.ts_us, m.id, &st);
		if (st.open && q->lane->name && st.open_lane != ledger_lane(s->x.ledger, q->lane->name))
			continue; /* begun when it belonged elsewhere: only there can be found out what became of it */
		enum look r = look(s, g, w, &m, &st, &s->trial, out, &last, e);
		if (r != LOOK_PASS) {
			if (r == LOOK_OP)
				stream_op_keep(&out->op, a);
			*got = r == LOOK_OP ? STREAM_OP : STREAM_ERROR;
			q->pos->given = m.conv;
			q->pos->part = r == LOOK_OP && last && !(chat && m.n_replies); /* stream_passed may go past the message */
			found = true;
			break;
		}
		if (chat && m.n_replies && st.complete && !announce(s, g->sp, &m, q->fn, q->ctx, q->announced)) {
			*q->shut = true;
			break;
		}
		buf_reset(&passed);
		buf_adds(&passed, m.id);
		passed_ts = m.ts_us;
		passed_conv = m.conv;
	}
	spool_walk_pause(w);
	if (passed.len)
		stream_pos_move(q->pos, passed_ts, passed.p, passed_conv);
	buf_release(&passed);
	return found;
}

/* Would the lane of this thread write anything? */
static bool thread_writes(struct stream *s, struct spot *sp, const struct spool_meta *m)
{
	struct arena a;
	struct goal g;
	enum op_state state;
	enum stream_got got = STREAM_END;
	struct ledger_row post;
	struct stream_op op;
	struct stream_pos pos = { .phase = PH_MSGS };
	struct lane_spec lane = { LANE_THREAD, NULL, sp->id, m->id, m->ts_us, NULL, 0 };
	bool none = false;
	struct asked q = { &lane, &pos, 0, NULL, NULL, &none, &none };
	struct opkey k = { stream_lconv(s, sp), m->ts_us, m->id, OP_THREAD_OPEN, 0 };
	arena_init(&a);
	bool open = stream_thread_goal(s, sp, m->ts_us, m->id, &a, &g, &state);
	bool writes = open ? next_msg(s, &g, &q, &a, &op, &got, NULL) : stream_todo(state) && stream_post_target(s, &k, 0, &a, &post);
	stream_pos_release(&pos);
	arena_release(&a);
	return writes;
}

/* ---- one step of a lane ---- */

static enum stream_got next_person(struct stream *s, const struct asked *q, struct arena *a, struct stream_op *out)
{
	struct ledger_row row;
	struct opkey k = { 0, 0, q->lane->id, OP_USER_CREATE, 0 };
	if (q->pos->phase == PH_START) {
		enum stream_got got;
		if (stream_open_op(s, q->lane, NULL, a, out, &got))
			return got;
		q->pos->phase = PH_MAKE;
	}
	stream_row(s, &k, a, &row);
	if (q->pos->phase == PH_END || !stream_todo(row.state)) {
		q->pos->phase = PH_END;
		return STREAM_END;
	}
	stream_op_user(s, q->lane->id, &k, row.state, a, out);
	return STREAM_OP;
}

static enum stream_got next_thread(struct stream *s, struct spot *sp, const struct asked *q, struct arena *a, struct stream_op *out, struct err *e)
{
	struct goal g;
	enum op_state state;
	enum stream_got got;
	bool open = stream_thread_goal(s, sp, q->lane->root_ts_us, q->lane->root, a, &g, &state);
	if (q->pos->phase == PH_START) {
		if (stream_open_op(s, q->lane, &g, a, out, &got))
			return got;
		stream_pos_enter(q->pos, PH_MAKE);
	}
	if (q->pos->phase == PH_MAKE && !open) {
		struct ledger_row post;
		struct opkey k = { stream_lconv(s, sp), q->lane->root_ts_us, q->lane->root, OP_THREAD_OPEN, 0 };
		const char *target = stream_post_target(s, &k, 0, a, &post);
		if (!target || !stream_todo(state)) {
			stream_pos_enter(q->pos, PH_END); /* the root is not there, or threads were refused on it: its replies cannot be sent */
			return STREAM_END;
		}
		stream_op_begin(out, &k, &g, state, a)->target_id = target;
		out->src_fp = hash64s(q->lane->root);
		return STREAM_OP;
	}
	if (q->pos->phase == PH_MAKE)
		q->pos->phase = PH_MSGS;
	if (q->pos->phase == PH_MSGS && next_msg(s, &g, q, a, out, &got, e))
		return got;
	stream_pos_enter(q->pos, PH_END);
	return STREAM_END;
}

static enum stream_got next_of_chat(struct stream *s, struct spot *sp, const struct asked *q, struct arena *a, struct stream_op *out, struct err *e)
{
	struct goal g = { sp, stream_spot_target(s, sp), NULL };
	enum stream_got got;
	if (q->pos->phase == PH_START) {
		if (stream_open_op(s, q->lane, &g, a, out, &got))
			return got;
		stream_pos_enter(q->pos, PH_MAKE);
	}
	if (q->pos->phase == PH_MAKE) {
		struct ledger_row row;
		struct opkey k = { stream_lconv(s, sp), 0, "", OP_CHAT_CREATE, 0 };
		struct spot *host = g.chat ? NULL : stream_host(s, sp);
		if (host) {
			k.conv = stream_lconv(s, host);
			stream_row(s, &k, a, &row);
			if (stream_todo(row.state))
				return STREAM_WAIT; /* its host's lane makes the chat */
		}
		if (!g.chat) {
			stream_row(s, &k, a, &row);
			if (!stream_todo(row.state)) {
				stream_pos_enter(q->pos, PH_END); /* the chat was refused: nothing can be said in it */
				return STREAM_END;
			}
			stream_op_chat(s, sp, &k, row.state, a, out);
			return STREAM_OP;
		}
		stream_pos_enter(q->pos, PH_MSGS);
		skip_settled(s, sp, q);
	}
	if (q->pos->phase == PH_MSGS) {
		if (next_msg(s, &g, q, a, out, &got, e))
			return got;
		if (*q->shut)
			return stream_unarchive(s, sp, OP_ABSENT, a, out) ? STREAM_OP : STREAM_WAIT;
		/* Nobody takes part in the threads that hold the history: people need not wait for them. */
		if (sp->place.placement == PLACEMENT_THREADS && stream_next_members(s, &g, a, out))
			return STREAM_OP;
		if (q->threads_open || *q->announced)
			return STREAM_WAIT;
		stream_pos_enter(q->pos, PH_REMOVE);
	}
	return stream_next_finish(s, &g, q->pos, a, out, e);
}

/* Whatever is to be written into a chat that we have archived, it is opened first. */
static enum stream_got next_chat(struct stream *s, struct spot *sp, const struct asked *q, struct arena *a, struct stream_op *out, struct err *e)
{
	struct ledger_row shut;
	bool first = q->pos->phase == PH_START;
	enum stream_got got = next_of_chat(s, sp, q, a, out, e);
	bool writes = got == STREAM_OP && out->op.key.kind != OP_ARCHIVE && out->op.undoes != OP_ARCHIVE;
	if (writes && !(first && (out->state == OP_INTENT || out->state == OP_UNKNOWN)) && stream_shut(s, sp, a, &shut))
		stream_unarchive(s, sp, OP_ABSENT, a, out);
	return got;
}

enum stream_got stream_next(struct stream *s, const struct lane_spec *lane, struct stream_pos *pos, size_t threads_open,
                            stream_thread_fn on_thread, void *ctx, struct arena *a, struct stream_op *out, struct err *e)
{
	bool announced = false, shut = false;
	struct asked q = { lane, pos, threads_open, on_thread, ctx, &announced, &shut };
	if (lane->kind == LANE_PERSON)
		return next_person(s, &q, a, out);
	struct spot *sp = stream_spot(s, lane->id);
	if (!sp) {
		err_set(e, ERR_INTERNAL, "the conversation %s is not in the spool", lane->id);
		return STREAM_ERROR;
	}
	return lane->kind == LANE_CHAT ? next_chat(s, sp, &q, a, out, e) : next_thread(s, sp, &q, a, out, e);
}

void stream_passed(struct stream *s, struct stream_pos *pos, const struct stream_op *op)
{
	const struct opkey *k = &op->op.key;
	if (pos->phase == PH_MSGS && pos->part && k->kind == OP_POST)
		stream_pos_move(pos, k->ts_us, k->id, pos->given);
	if (pos->phase == PH_MSGS)
		pos->part = 0;
	if (k->kind == OP_DELETE)
		stream_taken_back(s, k, op->op.undoes);
	s->shuts += k->kind == OP_ARCHIVE;
}
