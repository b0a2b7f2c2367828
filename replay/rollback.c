/* rollback.c: carries a rollback out: the engine's source of OP_DELETE ops, in five passes.
 *
 * Passes, each a run of the engine: archived chats are opened again; threads are emptied; chats are emptied and their members leave;
 * what was made for us is renamed and archived; accounts. Within a lane newest first. With the done of a deletion the rows it
 * concerns become GONE in the same transaction, so a kill anywhere leaves either an open deletion, which is repeated (it has no
 * second effect) unless its message has to stay by then, or a finished one.
 * Called by `mvchat rollback`. Does not: decide (rollback_plan.c, rollback_look.c), speak HTTP.
 */
#include "replay/rollback.h"

#include "replay/rollback_in.h"

#include <stdlib.h>
#include <string.h>

struct rollback *rollback_open(const struct rollback_args *args)
{
	struct rollback *rb = xcalloc(1, sizeof(*rb));
	rb->args = *args;
	rb->ex = args->session->ex;
	arena_init(&rb->arena);
	arena_init(&rb->tmp);
	struct table *const all[] = { &rb->by_name, &rb->convs, &rb->by_chat, &rb->kept, &rb->writers, &rb->accounts };
	for (size_t i = 0; i < countof(all); i++)
		table_init(all[i]);
	return rb;
}

void rb_forget_lows(struct rollback *rb)
{
	for (size_t i = 0; i < rb->n_lanes; i++) {
		free(rb->lanes[i]->low);
		rb->lanes[i]->low = NULL;
	}
}

void rollback_close(struct rollback *rb)
{
	if (!rb)
		return;
	rb_forget_lows(rb);
	struct table *const all[] = { &rb->by_name, &rb->convs, &rb->by_chat, &rb->kept, &rb->writers, &rb->accounts };
	for (size_t i = 0; i < countof(all); i++)
		table_release(all[i]);
	free(rb->lanes);
	arena_release(&rb->arena);
	arena_release(&rb->tmp);
	free(rb);
}

/* ---- one op ---- */

static bool fill_reaction(struct rollback *rb, const struct ledger_row *row, struct arena *a, struct op *op)
{
	struct msg m;
	if (!rb_message(rb, &row->key, a, &m) || row->key.part < 0 || (size_t)row->key.part >= m.n_reacts)
		return false;
	op->emoji = arena_strdup(a, m.reacts[row->key.part].emoji);
	op->emoji_name = arena_strdup(a, m.reacts[row->key.part].name);
	return true;
}

/* The op that takes the row back; state: what the ledger has of it. False: it can no longer be said how. */
static bool make_op(struct rollback *rb, struct rb_lane *l, const struct ledger_row *row, enum op_state state, struct arena *a, struct stream_op *out)
{
	struct rb_conv *c = l->conv;
	*out = (struct stream_op){ .state = state, .visible = true, .src_fp = row->src_fp, .body_fp = row->body_fp };
	struct op *op = &out->op;
	op->key = row->key;
	op->key.id = arena_strdup(a, row->key.id);
	op->key.kind = OP_DELETE;
	op->key.part = opkey_undo_part(row->key.kind, row->key.part);
	op->undoes = row->key.kind;
	op->label = op->body = "";
	op->target_id = arena_strdup(a, row->target);
	op->chat = arena_strdup(a, c ? c->chat : NULL);
	op->thread = arena_strdup(a, l->thread);
	switch (row->key.kind) {
	case OP_POST: case OP_PIN: case OP_ARCHIVE:
		return true;
	case OP_REACT:
		return fill_reaction(rb, row, a, op);
	case OP_MEMBERS:
		op->n_ids = rb_members(rb, c, a, &op->ids);
		op->n_tags = rb_tags(rb, c, a, &op->tags);
		return op->n_ids + op->n_tags > 0;
	case OP_CHAT_CREATE: {
		const char *name = c->name ? c->name : "";
		bool marked = !strncmp(name, rb->args.mark, strlen(rb->args.mark));
		op->name = rb->ex->chat_name(marked ? name : arena_fmt(a, "%s%s", rb->args.mark, name), a);
		return true;
	}
	case OP_USER_CREATE:
		op->suspended = rb->args.users != ROLLBACK_DELETE;
		return true;
	case OP_UPLOAD: case OP_THREAD_OPEN: case OP_EDIT: case OP_DELETE:
		break;
	}
	return false;
}

/* The deletion found open: the same again. */
static bool reopen(struct rollback *rb, struct rb_lane *l, const struct ledger_row *open, struct arena *a, struct stream_op *out)
{
	struct ledger_row row;
	struct opkey k = open->key;
	if (open->key.kind != OP_DELETE)
		return false;
	k.kind = (enum op_kind)(open->key.part >> 20);
	k.part = open->key.part & ((1 << 20) - 1);
	if (k.kind == 0)
		k.kind = OP_POST;
	return ledger_get(rb->args.ledger, &k, a, &row) && row.state == OP_DONE && make_op(rb, l, &row, open->state, a, out);
}

/* ---- the engine's source ---- */

struct source { struct rollback *rb; enum pass pass; };

static bool lane_out(struct rb_lane *l, bool (*each)(void *, const struct lane_spec *), void *ctx, struct arena *a)
{
	struct lane_spec spec = { .kind = l->kind, .name = arena_strdup(a, l->name), .id = l->name + (l->name[0] ? 2 : 0), .weight = l->posts };
	if (l->kind == LANE_THREAD) {
		spec.root = l->root.id ? l->root.id : "";
		spec.root_ts_us = l->root.ts_us;
	}
	return each(ctx, &spec);
}

static bool lanes(void *src, bool (*each)(void *ctx, const struct lane_spec *), void *ctx, struct err *e)
{
	struct source *s = src;
	struct arena a;
	bool go = true;
	(void)e;
	arena_init(&a);
	for (size_t i = 0; go && i < s->rb->n_lanes; i++) {
		arena_reset(&a);
		struct rb_lane *l = s->rb->lanes[i];
		struct ledger_row open;
		bool mine = l->kind == (s->pass == PASS_THREADS ? LANE_THREAD : s->pass == PASS_PEOPLE ? LANE_PERSON : LANE_CHAT);
		/* A deletion found open is finished whatever is decided by now: only that closes it. */
		if (mine && (rb_any(s->rb, l, s->pass) || ledger_open_op(s->rb->args.ledger, l->num, &a, &open)))
			go = lane_out(s->rb->lanes[i], each, ctx, &a);
	}
	arena_release(&a);
	return true;
}

enum { BEGUN = 1 }; /* stream_pos.part: the open op has been asked for */

static enum stream_got next(void *src, const struct lane_spec *lane, struct stream_pos *pos, size_t threads_open, stream_thread_fn on_thread,
                            void *ctx, struct arena *a, struct stream_op *out, struct err *e)
{
	struct source *s = src;
	struct rollback *rb = s->rb;
	struct rb_lane *l = table_get(&rb->by_name, lane->name);
	struct ledger_row row, del;
	(void)threads_open;
	(void)on_thread;
	(void)ctx;
	if (!l)
		return STREAM_END;
	if (pos->part != BEGUN) {
		pos->part = BEGUN;
		if (ledger_open_op(rb->args.ledger, l->num, a, &row))
			return reopen(rb, l, &row, a, out) ? STREAM_OP : STREAM_END; /* END: the engine stops the lane and tells a person */
	}
	while (rb_next(rb, l, s->pass, LIVE, pos, a, &row)) {
		bool again = false;
		bool message = row.key.kind == OP_POST, chat = row.key.kind == OP_MEMBERS || row.key.kind == OP_CHAT_CREATE;
		if ((message || chat) && !rb_look_again(rb, l, message ? row.target : NULL, &again, e))
			return STREAM_ERROR;
		if (rb_stopping(rb))
			return STREAM_END;
		if (again && !rb_wanted(rb, l, &row))
			continue;
		struct opkey k = row.key;
		k.kind = OP_DELETE;
		k.part = opkey_undo_part(row.key.kind, row.key.part);
		if (!make_op(rb, l, &row, OP_ABSENT, a, out))
			continue;
		if (ledger_get(rb->args.ledger, &k, a, &del) && del.state == OP_DONE)
			ledger_gone(rb->args.ledger, &k); /* that deletion was undone by writing again */
		return STREAM_OP;
	}
	return STREAM_END;
}

struct keys { struct opkey *v; size_t n, cap; };

static void keep_key(struct keys *ks, const struct opkey *k, struct arena *a)
{
	if (ks->n == ks->cap) {
		ks->cap = ks->cap ? 2 * ks->cap : 16;
		ks->v = xrealloc(ks->v, ks->cap * sizeof(*ks->v));
	}
	ks->v[ks->n] = *k;
	ks->v[ks->n++].id = arena_strdup(a, k->id);
}

/* Which rows vanish with the one that was taken back. */
static bool goes_along(const struct rollback *rb, const struct opkey *what, bool last_part, const struct ledger_row *r)
{
	if (r->state != OP_DONE || r->key.kind == OP_DELETE)
		return false;
	switch (what->kind) {
	case OP_POST: /* the message with everything on it, when no other part of it is left */
		return last_part || (r->key.part == what->part && (r->key.kind == OP_POST || r->key.kind == OP_EDIT));
	case OP_MEMBERS: /* all portions left together */
		return r->key.kind == OP_MEMBERS && rb_in_scope(rb, r);
	case OP_CHAT_CREATE: /* who had joined and that it was archived belong to the chat that is given up */
		return r->key.kind == OP_CHAT_CREATE || r->key.kind == OP_MEMBERS || r->key.kind == OP_ARCHIVE;
	case OP_REACT: case OP_PIN: case OP_ARCHIVE: case OP_USER_CREATE: case OP_UPLOAD: case OP_THREAD_OPEN: case OP_EDIT: case OP_DELETE:
		break;
	}
	return r->key.kind == what->kind && r->key.part == what->part;
}

/* The rows of one record, or, for members and chats, all rows of the chat itself (they have no time and come first). */
static void collect(struct rollback *rb, const struct opkey *what, struct arena *a, struct keys *out)
{
	bool chat = what->kind == OP_MEMBERS || what->kind == OP_CHAT_CREATE, last_part = what->kind == OP_POST;
	struct ledger *l = rb->args.ledger;
	struct ledger_row r;
	struct ledger_walk *w;
	if (last_part) {
		w = ledger_walk_record(l, what->conv, what->ts_us, what->id);
		while (ledger_walk_next(w, &r))
			last_part = last_part && !(r.key.kind == OP_POST && r.state == OP_DONE && r.key.part != what->part);
		ledger_walk_end(w);
	}
	w = chat ? ledger_walk(l, what->conv) : ledger_walk_record(l, what->conv, what->ts_us, what->id);
	while (ledger_walk_next(w, &r) && (!chat || r.key.ts_us <= 0))
		if ((!chat || r.key.ts_us == 0) && goes_along(rb, what, last_part, &r))
			keep_key(out, &r.key, a);
	ledger_walk_end(w);
}

static void passed(void *src, struct stream_pos *pos, const struct stream_op *op)
{
	struct rollback *rb = ((struct source *)src)->rb;
	struct ledger_row del;
	struct keys ks = { 0 };
	struct arena a;
	(void)pos;
	arena_init(&a);
	if (ledger_get(rb->args.ledger, &op->op.key, &a, &del) && del.state == OP_DONE) {
		struct opkey what = op->op.key;
		what.kind = op->op.undoes;
		what.part = what.kind == OP_POST ? op->op.key.part : op->op.key.part & ((1 << 20) - 1);
		collect(rb, &what, &a, &ks);
		for (size_t i = 0; i < ks.n; i++) {
			ledger_gone(rb->args.ledger, &ks.v[i]);
			rb->done[what.kind] += ks.v[i].kind == what.kind;
		}
	}
	free(ks.v);
	arena_release(&a);
}

/* ---- ops that an apply left in doubt ---- */

struct settling { struct rollback *rb; bool (*each)(void *, const struct lane_spec *); void *ctx; struct arena a; };

static bool settle_lane(void *ctx, const struct ledger_row *r)
{
	struct settling *s = ctx;
	struct rollback *rb = s->rb;
	if (r->state != OP_INTENT && r->state != OP_UNKNOWN)
		return false;
	const char *name = ledger_lane_name(rb->args.ledger, r->lane, &s->a);
	const char *conv = ledger_conv_name(rb->args.ledger, r->key.conv, &s->a);
	if (r->key.kind == OP_DELETE || !name || strlen(name) < 2)
		return true;
	struct lane_spec spec = { .kind = name[0] == 'p' ? LANE_PERSON : name[0] == 't' ? LANE_THREAD : LANE_CHAT, .name = arena_strdup(&s->a, name) };
	spec.id = spec.kind == LANE_PERSON || spec.kind == LANE_CHAT ? name + 2 : conv;
	if (spec.kind == LANE_CHAT && !stream_chat_known(rb->args.stream, spec.id))
		spec.id = conv; /* the mapping makes that chat no more */
	if (spec.kind == LANE_THREAD && !stream_thread_lane(rb->args.stream, name, &spec.root, &spec.id, &spec.root_ts_us))
		return true;
	return !spec.id || s->each(s->ctx, &spec);
}

static bool settle_lanes(void *src, bool (*each)(void *ctx, const struct lane_spec *), void *ctx, struct err *e)
{
	struct settling s = { .rb = src, .each = each, .ctx = ctx };
	(void)e;
	arena_init(&s.a);
	ledger_troubles(((struct rollback *)src)->args.ledger, settle_lane, &s);
	arena_release(&s.a);
	return true;
}

/* Only the op that is open, and it once; the rest of the lane is not for us to send. */
static enum stream_got settle_next(void *src, const struct lane_spec *lane, struct stream_pos *pos, size_t threads_open, stream_thread_fn on_thread,
                                   void *ctx, struct arena *a, struct stream_op *out, struct err *e)
{
	struct rollback *rb = src;
	struct stream_pos own = { 0 };
	(void)threads_open;
	(void)on_thread;
	(void)ctx;
	if (pos->part == BEGUN)
		return STREAM_END;
	pos->part = BEGUN;
	enum stream_got got = stream_next(rb->args.stream, lane, &own, 0, NULL, NULL, a, out, e);
	stream_pos_release(&own);
	return got == STREAM_OP && out->state != OP_INTENT && out->state != OP_UNKNOWN ? STREAM_END : got;
}

static void settle_passed(void *src, struct stream_pos *pos, const struct stream_op *op)
{
	(void)src;
	(void)pos;
	(void)op;
}

/* ---- runs ---- */

static void add(struct engine_result *sum, const struct engine_result *r)
{
	sum->posted += r->posted;
	sum->edited += r->edited;
	sum->created += r->created;
	sum->uploaded += r->uploaded;
	sum->rejected += r->rejected;
	sum->in_doubt += r->in_doubt;
	sum->adopted += r->adopted;
	sum->resent += r->resent;
	sum->requests += r->requests;
	sum->writes += r->writes;
	sum->throttled += r->throttled;
	sum->taken_back += r->taken_back;
	sum->lanes_stopped += r->lanes_stopped;
	sum->stopped = sum->stopped || r->stopped;
	sum->elapsed_us += r->elapsed_us;
}

static bool run_source(struct rollback *rb, const struct engine_source *src, int64_t run, int64_t total, struct engine_result *sum, struct err *e)
{
	struct engine_result r = { 0 };
	struct engine_args ea = {
		.session = rb->args.session, .source = src, .ledger = rb->args.ledger, .run = run, .total = total, .settle_s = rb->args.settle_s,
		.max_wait_s = rb->args.max_wait_s, .stop = rb->args.stop, .progress = rb->args.working, .event = rb->args.event, .ctx = rb->args.ctx,
	};
	bool ok = engine_run(&ea, &r, e);
	add(sum, &r);
	return ok;
}

bool rollback_settle(struct rollback *rb, int64_t run, struct engine_result *out, struct err *e)
{
	struct engine_source src = { settle_lanes, settle_next, settle_passed, rb };
	*out = (struct engine_result){ 0 };
	return run_source(rb, &src, run, 0, out, e);
}

/* A deletion found open whose message is still there and has to stay by now: it is not asked for a second time. */
static bool drop_open(struct rollback *rb, struct err *e)
{
	ledger_begin(rb->args.ledger);
	for (size_t i = 0; i < rb->n_lanes; i++) {
		struct rb_lane *l = rb->lanes[i];
		struct ledger_row open;
		arena_reset(&rb->tmp);
		if (!l->open || !l->open_seen || !ledger_open_op(rb->args.ledger, l->num, &rb->tmp, &open))
			continue;
		struct opkey post = open.key;
		post.kind = OP_POST;
		if (open.key.kind == OP_DELETE && opkey_undo_is_post(open.key.part) && (l->shut || rb_is_kept(rb, &post)))
			ledger_reject(rb->args.ledger, &open.key, "kept: people have changed, answered or reacted to it since");
	}
	return ledger_commit(rb->args.ledger, e);
}

bool rollback_run(struct rollback *rb, int64_t run, struct engine_result *out, struct err *e)
{
	int64_t total = 0;
	*out = (struct engine_result){ 0 };
	rb->reporting = true;
	if (!drop_open(rb, e))
		return false;
	for (int k = 0; k <= OP_DELETE; k++)
		total += rb->counts.todo[k];
	for (int p = 0; p < N_PASS && !out->stopped; p++) {
		struct source s = { rb, (enum pass)p };
		struct engine_source src = { lanes, next, passed, &s };
		if (!run_source(rb, &src, run, total, out, e))
			return false;
	}
	rb_say_occupied(rb);
	return true;
}
