/* rollback_look.c: reads chats and threads: what have people made of our messages? Reads the target and the ledger, writes nothing.
 *
 * Promises: a message is chosen only while it says what we wrote, nobody else has reacted to it and nobody has answered; a thread with
 * an answer stays whole. Everything is read before anything is deleted, and what is to be deleted more than FRESH_S later is read
 * once more just before: people go on writing, changing and answering for as long as a rollback takes. What happens in between is
 * not seen. Memory: a page of the list. Called by rollback_plan.c and rollback.c.
 */
#include "replay/rollback_in.h"

#include "core/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
	FRESH_S = 60,   /* what was read is believed for so long */
	WINDOW = 200,   /* messages of ours looked at again at once: as many as Pachca lets us delete in a chat in 50 seconds */
};

struct reading {
	struct rollback *rb;
	struct rb_lane *lane;
	int64_t foreign, kept, own;
	bool again;       /* not everything is read: from the newest message to `upto` and WINDOW messages of ours in all */
	const char *upto; /* or NULL */
};

static bool ours(struct rollback *rb, const struct seen *s)
{
	struct op any = { .key = { .kind = OP_POST, .id = "" }, .body = "", .label = "" };
	return rb->ex->match(rb->args.session->target, &any, s, &rb->tmp) != MATCH_FOREIGN;
}

static void note_writer(struct rollback *rb, const char *user)
{
	static char yes[] = "";
	if (user && *user && !table_get(&rb->writers, user))
		table_put(&rb->writers, arena_strdup(&rb->arena, user), yes);
}

struct others { struct rollback *rb; bool any; };

static bool on_reaction(void *ctx, const struct seen *s)
{
	struct others *o = ctx;
	struct op any = { .key = { .kind = OP_REACT, .id = "" } };
	if (o->rb->ex->match(o->rb->args.session->target, &any, s, &o->rb->tmp) != MATCH_FOREIGN)
		return true;
	note_writer(o->rb, s->author);
	o->any = true;
	return true;
}

static bool on_answer(void *ctx, const struct seen *s)
{
	struct others *o = ctx;
	if (!ours(o->rb, s))
		note_writer(o->rb, s->author);
	o->any = true;
	return true;
}

static bool gone_or_closed(int status)
{
	return status == 403 || status == 404 || status == 410;
}

/* Has anybody but us left something in this list? false + rb->failed: it could not be read. */
static bool somebody(struct rollback *rb, enum list_kind kind, const char *scope, bool (*each)(void *, const struct seen *))
{
	struct others o = { rb, false };
	struct err e = ERR_INIT;
	if (session_list(rb->args.session, kind, scope, OLDEST_FIRST, each, &o, &e) || gone_or_closed(rb->args.session->last_status))
		return o.any;
	if (rb->err)
		*rb->err = e;
	rb->failed = true;
	return false;
}

/* The text we wrote last: of the post, or of its edit; while an edit is in doubt, either. */
static bool unchanged(struct rollback *rb, const struct ledger_row *post, const struct seen *s)
{
	struct ledger_row edit;
	struct opkey k = post->key;
	uint64_t fp = rb->ex->fingerprint_seen(s);
	k.kind = OP_EDIT;
	bool has = ledger_get(rb->args.ledger, &k, &rb->tmp, &edit);
	if (has && (edit.state == OP_INTENT || edit.state == OP_UNKNOWN) && fp == edit.body_fp)
		return true;
	return fp == (has ? ledger_there(post, &edit).body_fp : post->body_fp);
}

static bool reason_to_keep(struct reading *rd, const struct ledger_row *row, const struct seen *s, enum keep *why)
{
	struct rollback *rb = rd->rb;
	struct rb_lane *l = rd->lane;
	if (rb->args.force == ROLLBACK_FORCE)
		return false;
	if (!unchanged(rb, row, s)) {
		*why = KEEP_CHANGED;
		return true;
	}
	if (l->conv->alone)
		return false;
	if (somebody(rb, LIST_REACTIONS, s->id, on_reaction)) {
		*why = KEEP_REACTED;
		return true;
	}
	/* A thread that we opened has been read already, as a lane; now it is empty, if nobody has written into it since. */
	struct ledger_row th;
	struct opkey k = row->key;
	k.kind = OP_THREAD_OPEN;
	k.part = 0;
	bool opened = !rd->again && ledger_get(rb->args.ledger, &k, &rb->tmp, &th) && th.state == OP_DONE;
	*why = KEEP_ANSWERED;
	return !rb->failed && !opened && l->kind == LANE_CHAT && s->thread_chat && somebody(rb, LIST_MESSAGES, s->thread_chat, on_answer);
}

static bool on_message(void *ctx, const struct seen *s)
{
	struct reading *rd = ctx;
	struct rollback *rb = rd->rb;
	struct ledger_row row;
	enum keep why = KEEP_CHANGED;
	arena_reset(&rb->tmp);
	if (rb_stopping(rb))
		return false;
	if (rd->lane->open && streq(s->id, rd->lane->open))
		rd->lane->open_seen = true;
	if (rd->again && rd->own >= WINDOW && (!rd->upto || rb->ex->id_cmp(s->id, rd->upto) < 0)) {
		rd->lane->low = xstrdup(s->id);
		return false;
	}
	if (!ledger_find_post(rb->args.ledger, s->id, &rb->tmp, &row) || row.state != OP_DONE) {
		rd->foreign++;
		rd->lane->conv->foreign++;
		rb->counts.foreign++;
		if (!ours(rb, s))
			note_writer(rb, s->author);
		return true;
	}
	rd->own += row.lane == rd->lane->num;
	if (!rb_in_scope(rb, &row)) {
		rd->lane->conv->others++;
		rd->kept++;
	} else if (row.lane == rd->lane->num && reason_to_keep(rd, &row, s, &why)) {
		rb_keep(rb, rd->lane, &row.key, why, rd->lane->chat, s->id);
		rd->kept++;
	}
	return !rb->failed;
}

/* Everything of this lane stays. */
static void keep_lane(struct rollback *rb, struct rb_lane *l, enum keep why)
{
	struct ledger_walk *w = ledger_walk_lane(rb->args.ledger, l->num);
	struct ledger_row r;
	l->shut = true;
	while (ledger_walk_next(w, &r)) {
		if (r.key.kind != OP_POST || r.state != OP_DONE || !rb_in_scope(rb, &r))
			continue;
		arena_reset(&rb->tmp);
		if (rb_is_kept(rb, &r.key))
			continue;
		l->conv->kept++;
		rb_say_kept(rb, why, OP_POST, l->name, &r.key, l->chat, r.target);
	}
	ledger_walk_end(w);
}

/* A conversation that people have joined is not torn apart: all of it stays. */
static void judge_thread(struct rollback *rb, struct rb_lane *l, const struct reading *rd)
{
	struct ledger_row root;
	bool answered = rd->foreign && rb->args.force == ROLLBACK_CAREFUL;
	if (answered)
		keep_lane(rb, l, KEEP_ANSWERED);
	arena_reset(&rb->tmp);
	if ((answered || rd->kept) && ledger_get(rb->args.ledger, &l->root, &rb->tmp, &root) && root.state == OP_DONE && rb_in_scope(rb, &root))
		rb_keep(rb, l, &l->root, answered ? KEEP_ANSWERED : KEEP_THREAD, l->conv->chat, root.target);
}

static bool read_back(struct rollback *rb, struct rb_lane *l, enum list_order order, struct reading *rd)
{
	struct err e = ERR_INIT;
	int64_t began = clock_mono_us();
	bool ok = session_list(rb->args.session, LIST_MESSAGES, l->chat, order, on_message, rd, &e);
	if (rb->failed)
		return false;
	if (!ok && gone_or_closed(rb->args.session->last_status)) {
		keep_lane(rb, l, KEEP_CLOSED);
	} else if (!ok) {
		if (rb->err)
			*rb->err = e;
		return err_wrap(rb->err, "reading %s back", l->name);
	} else if (l->kind == LANE_THREAD && !rb_stopping(rb)) {
		judge_thread(rb, l, rd);
	}
	l->fresh_us = began + FRESH_S * INT64_C(1000000);
	return true;
}

/* The deletion that a run before this one has left open: whatever came of it, what people have changed since is not asked for again. */
static void note_open(struct rollback *rb, struct rb_lane *l)
{
	struct ledger_row open, post;
	struct opkey k;
	arena_reset(&rb->tmp);
	if (!ledger_open_op(rb->args.ledger, l->num, &rb->tmp, &open) || open.key.kind != OP_DELETE || !opkey_undo_is_post(open.key.part))
		return;
	k = open.key;
	k.kind = OP_POST;
	if (ledger_get(rb->args.ledger, &k, &rb->tmp, &post) && post.state == OP_DONE)
		l->open = arena_strdup(&rb->arena, post.target);
}

bool rb_read(struct rollback *rb, struct rb_lane *l)
{
	struct reading rd = { .rb = rb, .lane = l };
	if (l->conv->shut) {
		keep_lane(rb, l, l->conv->why);
		return true;
	}
	if (!l->chat)
		return true; /* no thread was opened, or no chat made */
	note_open(rb, l);
	return read_back(rb, l, OLDEST_FIRST, &rd);
}

bool rb_look_again(struct rollback *rb, struct rb_lane *l, const char *upto, bool *again, struct err *e)
{
	struct reading rd = { .rb = rb, .lane = l, .again = true, .upto = upto };
	bool covered = !l->low || !upto || rb->ex->id_cmp(upto, l->low) > 0;
	*again = false;
	if (rb->args.force == ROLLBACK_FORCE || l->shut || !l->chat || (covered && clock_mono_us() < l->fresh_us))
		return true;
	free(l->low);
	l->low = NULL;
	rb->err = e;
	*again = true;
	return read_back(rb, l, NEWEST_FIRST, &rd);
}
