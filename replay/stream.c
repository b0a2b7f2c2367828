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
 * order. Such an op is rebuilt from its key; links to messages that have found their address meanwhile are left as they were
 * when the fingerprint in the ledger says so.
 */
#include "replay/spool_seat.h"
#include "replay/stream_in.h"

#include "core/hash.h"
#include "core/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum phase { PH_START, PH_MAKE, PH_MSGS, PH_REMOVE, PH_REACT, PH_PIN, PH_MEMBERS, PH_LINKS, PH_ARCHIVE, PH_END };

/* ---- positions ---- */

void stream_pos_release(struct stream_pos *p)
{
	free(p->id);
	*p = (struct stream_pos){ 0 };
}

static void move_to(struct stream_pos *p, int64_t ts_us, const char *id, int64_t conv)
{
	p->conv = conv;
	if (p->id && p->ts_us == ts_us && streq(p->id, id))
		return;
	free(p->id);
	p->id = xstrdup(id);
	p->ts_us = ts_us;
}

static void enter(struct stream_pos *p, enum phase phase)
{
	free(p->id);
	*p = (struct stream_pos){ .phase = (int)phase };
}

/* ---- lanes ---- */

struct lanes { struct stream *s; bool (*each)(void *, const struct lane_spec *); void *ctx; struct arena a; bool stopped; };

static bool person_lane(void *ctx, const struct user *u, int64_t n_msgs)
{
	struct lanes *l = ctx;
	struct person p;
	struct ledger_row row;
	struct opkey k = { 0, 0, u->id, OP_USER_CREATE, 0 };
	mapping_person(l->s->x.mapping, u, &l->a, &p);
	(void)n_msgs;
	if (p.action == PERSON_CREATE && p.email && *p.email) {
		stream_row(l->s, &k, &l->a, &row);
		struct lane_spec spec = { LANE_PERSON, arena_fmt(&l->a, "p:%s", u->id), u->id, NULL, 0, NULL, 0 };
		if (stream_todo(row.state) && !l->each(l->ctx, &spec))
			l->stopped = true;
	}
	arena_reset(&l->a);
	return !l->stopped;
}

static bool chat_lane(void *ctx, const struct spool_conv *c)
{
	struct lanes *l = ctx;
	struct spot *sp = stream_spot(l->s, c->conv.id);
	if (sp->place.action != PLACE_SKIP && !stream_idle(l->s, sp)) {
		const struct spot *host = stream_host(l->s, sp);
		struct lane_spec spec = { .kind = LANE_CHAT, .name = arena_fmt(&l->a, "c:%s", sp->id), .id = sp->id, .host = host ? host->id : NULL, .weight = sp->n_msgs };
		if (!l->each(l->ctx, &spec))
			l->stopped = true;
	}
	arena_reset(&l->a);
	return !l->stopped;
}

/* A write in doubt whose message sits elsewhere by today's rules: only in the thread it was sent to can be found out what became of it. */
static bool doubt_lane(void *ctx, const struct ledger_row *r)
{
	struct lanes *l = ctx;
	struct stream *s = l->s;
	if (r->state != OP_INTENT && r->state != OP_UNKNOWN)
		return false; /* the open ones come first */
	arena_reset(&l->a);
	const char *name = ledger_lane_name(s->x.ledger, r->lane, &l->a), *conv = ledger_conv_name(s->x.ledger, r->key.conv, &l->a);
	const char *root;
	struct spot *home = conv && *conv ? stream_spot(s, conv) : NULL, *sp = name && home ? stream_lane_spot(s, name, &root) : NULL;
	if (!sp)
		return true;
	struct spool_meta m;
	int64_t root_ts = r->key.ts_us;
	struct ledger_walk *w = ledger_walk_lane(s->x.ledger, r->lane);
	for (struct ledger_row row; ledger_walk_next(w, &row);)
		if (row.key.kind == OP_THREAD_OPEN)
			root_ts = row.key.ts_us;
	ledger_walk_end(w);
	bool known = spool_msg(s->x.spool, home->num, r->key.ts_us, r->key.id, &l->a, NULL, &m, NULL);
	if (known && (m.root ? streq(m.root, root) && stream_thread_spot(s, home, &m) == sp : streq(m.id, root) && m.n_replies > 0))
		return true; /* its chat tells of this thread */
	struct lane_spec spec = { LANE_THREAD, arena_strdup(&l->a, name), sp->id, root, root_ts, NULL, 1 };
	l->stopped = !l->each(l->ctx, &spec);
	return !l->stopped;
}

bool stream_lanes(struct stream *s, bool (*each)(void *ctx, const struct lane_spec *), void *ctx, struct err *e)
{
	struct lanes l = { .s = s, .each = each, .ctx = ctx };
	arena_init(&l.a);
	bool ok = true;
	if (s->tr.caps & CAP_USER_CREATE)
		ok = spool_users(s->x.spool, &l.a, person_lane, &l, e);
	if (ok && !l.stopped)
		ok = spool_convs(s->x.spool, &l.a, chat_lane, &l, e);
	if (ok && !l.stopped && s->threads)
		ledger_troubles(s->x.ledger, doubt_lane, &l);
	arena_release(&l.a);
	return ok;
}

/* ---- building one op ---- */

/* Where a message goes: the chat, or a thread of it. */
struct goal { struct spot *sp; const char *chat, *thread; };

static struct op *begin_op(struct stream_op *out, const struct opkey *k, const struct goal *g, enum op_state state, struct arena *a)
{
	*out = (struct stream_op){ .state = state, .visible = k->kind != OP_UPLOAD };
	out->op.key = *k;
	out->op.key.id = arena_strdup(a, k->id);
	out->op.label = out->op.body = "";
	if (g) {
		out->op.chat = arena_strdup(a, g->chat);
		out->op.thread = arena_strdup(a, g->thread);
	}
	return &out->op;
}

static void user_op(struct stream *s, const char *id, const struct opkey *k, enum op_state state, struct arena *a, struct stream_op *out)
{
	struct user u;
	struct person p;
	struct op *op = begin_op(out, k, NULL, state, a);
	if (!spool_user(s->x.spool, id, a, &u))
		die("stream: the user %s has left the spool", id);
	mapping_person(s->x.mapping, &u, a, &p);
	const char *space = strchr(p.name, ' ');
	op->name = arena_strdup(a, p.name);
	op->email = arena_strdup(a, p.email);
	op->first = p.first ? arena_strdup(a, p.first) : space && space > p.name ? arena_strndup(a, p.name, (size_t)(space - p.name)) : op->name;
	op->last = p.last ? arena_strdup(a, p.last) : !p.first && space && space > p.name ? arena_strdup(a, space + strspn(space, " ")) : NULL;
	op->phone = arena_strdup(a, p.phone);
	op->title = arena_strdup(a, p.title);
	op->role = arena_strdup(a, p.role);
	op->suspended = p.suspended;
	op->invite = s->cfg->invite && !p.suspended;
	/* An account of ours that a rollback has taken back is given its access again rather than made a second time. */
	struct ledger_row taken;
	struct opkey undo = { 0, 0, id, OP_DELETE, opkey_undo_part(OP_USER_CREATE, 0) };
	if (stream_row(s, &undo, a, &taken) && taken.state == OP_DONE)
		op->account = taken.target;
	out->src_fp = hash64s(id);
	out->body_fp = hash64s(op->email ? op->email : "");
}

static void chat_op(struct stream *s, const struct spot *sp, const struct opkey *k, enum op_state state, struct arena *a, struct stream_op *out)
{
	struct op *op = begin_op(out, k, NULL, state, a);
	op->name = s->x.exporter->chat_name(sp->place.name, a);
	op->is_public = sp->place.is_public;
	out->src_fp = hash64s(sp->id);
	out->body_fp = hash64s(op->name);
}

static bool upload_op(struct stream *s, const struct msg *m, const struct opkey *k, const struct goal *g, enum op_state state, struct arena *a,
                      uint64_t fp, struct stream_op *out)
{
	if (k->part < 0 || (size_t)k->part >= m->n_files)
		return false;
	struct op *op = begin_op(out, k, g, state, a);
	op->file = &m->files[k->part];
	op->alone = m->n_files == 1;
	op->name = mapping_redact(s->x.mapping, op->file->name, a);
	if (!op->name || !*op->name)
		op->name = "file";
	out->src_fp = fp;
	return true;
}

static void post_op(struct stream *s, const struct letter *l, const struct opkey *k, const struct goal *g, enum op_state state,
                    struct arena *a, uint64_t fp, struct stream_op *out)
{
	struct op *op = begin_op(out, k, g, state, a);
	stream_post(s, l, (size_t)k->part, op);
	out->src_fp = fp;
	out->body_fp = s->x.exporter->fingerprint(op);
	/* Every part but the last says that more follow: a message is complete when a part without this bit is DONE. */
	out->loss = (l->loss & ~(uint32_t)LOSS_SPLIT) | ((size_t)k->part + 1 < l->n_parts ? LOSS_SPLIT : 0);
}

/* The target's id of a part that was posted, or NULL. */
static const char *post_target(struct stream *s, const struct opkey *of, int part, struct arena *a, struct ledger_row *row)
{
	struct opkey k = *of;
	k.kind = OP_POST;
	k.part = part;
	return stream_row(s, &k, a, row) && row->state == OP_DONE ? row->target : NULL;
}

static void keep_file(const struct file **f, struct arena *a)
{
	if (!*f)
		return;
	struct file *own = arena_memdup(a, *f, sizeof(*own));
	const char **texts[] = { &own->id, &own->name, &own->title, &own->mime, &own->url, &own->permalink, &own->preview, &own->entry };
	for (size_t i = 0; i < countof(texts); i++)
		*texts[i] = arena_strdup(a, *texts[i]);
	*f = own;
}

/* Takes an op of a message out of the memory in which the message was read: that is many times larger, and a thousand lanes hold an op. */
static void keep_op(struct op *op, struct arena *a)
{
	const char **texts[] = { &op->key.id, &op->chat, &op->thread, &op->target_id, &op->name, &op->label, &op->avatar, &op->body };
	for (size_t i = 0; i < countof(texts); i++)
		*texts[i] = arena_strdup(a, *texts[i]);
	keep_file(&op->file, a);
	struct op_file *files = arena_memdup(a, op->files, op->n_files * sizeof(*files));
	for (size_t i = 0; i < op->n_files; i++) {
		files[i].handle = arena_strdup(a, files[i].handle);
		files[i].by = arena_strdup(a, files[i].by);
		files[i].name = arena_strdup(a, files[i].name);
		files[i].mime = arena_strdup(a, files[i].mime);
		files[i].waveform = arena_strdup(a, files[i].waveform);
		keep_file(&files[i].source, a);
	}
	op->files = op->n_files ? files : NULL;
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
	if (goes_on && l->n_parts > (size_t)sent && post_target(s, &k, k.part, a, &post)) {
		stream_row(s, &k, a, &edit);
		k.kind = OP_POST;
		k.part = sent;
		post_op(s, l, &k, g, OP_ABSENT, a, m->fp, out);
		if (stream_change_due(s, m, fate, &post, &edit))
			return LOOK_OP;
	}
	for (int i = 0; i < sent; i++) {
		k.kind = OP_EDIT;
		k.part = i < n ? i : sent - 1 - (i - n);
		const char *target = post_target(s, &k, k.part, a, &post);
		if (!target)
			continue;
		stream_row(s, &k, a, &edit);
		post_op(s, l, &k, g, edit.state == OP_INTENT || edit.state == OP_UNKNOWN ? edit.state : OP_ABSENT, a, m->fp, out);
		out->op.target_id = target;
		out->loss = l->loss & ~(uint32_t)LOSS_SPLIT;
		if (!stream_edit_due(s, m, fate, &post, &edit, out->body_fp))
			continue;
		if (i < n || !stream_part_goes(s, &k, k.part, sent, a))
			return LOOK_OP;
		k.kind = OP_DELETE;
		if (stream_row(s, &k, a, &del) && del.state == OP_DONE)
			ledger_gone(s->x.ledger, &k); /* it has been written again since */
		begin_op(out, &k, g, OP_ABSENT, a)->target_id = target;
		out->op.undoes = OP_POST;
		out->src_fp = m->fp;
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
		return upload_op(s, msg, &k, g, row.state, a, m->fp, out) ? LOOK_OP : LOOK_PASS;
	}
	/* The parts before are DONE; behind one that was refused the rest would be a torn message, and it is settled. */
	k.kind = OP_POST;
	k.part = st->parts;
	row.state = OP_ABSENT;
	if (st->open)
		stream_row(s, &k, a, &row);
	if ((size_t)k.part >= l->n_parts || !stream_todo(row.state))
		return LOOK_PASS;
	post_op(s, l, &k, g, row.state, a, m->fp, out);
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

/* sp: the conversation the first message was written in, or, of a thread of ours, in whose chat it is. */
static bool thread_goal(struct stream *s, struct spot *sp, int64_t root_ts, const char *root, struct arena *a, struct goal *out, enum op_state *state)
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
	struct spool_walk *w = spool_walk(s->x.spool, sp->num, s->threads ? SPOOL_CHANNEL : SPOOL_ALL, NULL, 0, NULL);
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
		move_to(q->pos, last_ts, last.p, last_conv);
	buf_release(&last);
}

/* false: no message is left (or, with *got = STREAM_ERROR, something broke). */
static bool next_msg(struct stream *s, const struct goal *g, const struct asked *q, struct arena *a, struct stream_op *out,
                     enum stream_got *got, struct err *e)
{
	bool chat = q->lane->kind == LANE_CHAT;
	enum spool_which which = !chat ? SPOOL_THREAD : s->threads ? SPOOL_CHANNEL : SPOOL_ALL;
	struct spool_walk *w = spool_walk_after(s->x.spool, g->sp->num, which, q->lane->root, q->pos->ts_us, q->pos->id, q->pos->conv);
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
				keep_op(&out->op, a);
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
		move_to(q->pos, passed_ts, passed.p, passed_conv);
	buf_release(&passed);
	return found;
}

/* ---- files ahead of their messages ---- */

bool stream_has_files(const struct stream *s)
{
	return s->files;
}

/* The file of this message to be uploaded next, from number `from` on; -1: none. A message that stands in the target already, or whose
 * outcome is open, gets no more files. */
static int file_ahead(struct stream *s, struct spot *sp, struct spool_walk *w, const struct spool_meta *m, int from, struct arena *a, struct msg *msg)
{
	struct standing st;
	struct letter l;
	const char *rule;
	arena_reset(&s->tmp);
	standing_get(s, stream_mconv(s, sp, m), m->ts_us, m->id, &st);
	if (st.parts || st.open || st.rejected || stream_fate(s, sp, m, &rule) != FATE_SEND || !spool_walk_body(w, a, msg, NULL))
		return -1;
	struct letter_args x = { .sp = sp, .meta = m, .msg = msg, .fate = FATE_SEND, .want = LETTER_FILES };
	stream_letter(s, &x, a, &l);
	for (size_t i = 0; i < l.n_files; i++) {
		struct ledger_row row;
		struct opkey k = { stream_mconv(s, sp, m), m->ts_us, m->id, OP_UPLOAD, l.file_no[i] };
		if (l.file_no[i] >= from && !*l.files[i].handle && (stream_row(s, &k, a, &row), row.state == OP_ABSENT))
			return l.file_no[i];
	}
	return -1;
}

enum stream_got stream_ahead(struct stream *s, const struct lane_spec *lane, const struct stream_pos *pos, struct stream_pos *ahead, size_t *look,
                             int64_t max, struct arena *a, struct stream_op *out)
{
	struct spot *sp = lane->kind == LANE_PERSON ? NULL : stream_spot(s, lane->id);
	bool chat = lane->kind == LANE_CHAT;
	if (!sp || sp->no_files || pos->phase > PH_MSGS)
		return STREAM_END;
	if (pos->phase != PH_MSGS)
		return STREAM_WAIT; /* its chat or thread is not there yet */
	int c = !pos->id || !ahead->id || ahead->ts_us != pos->ts_us ? 0 : strcmp(ahead->id, pos->id);
	bool same = pos->id && ahead->id && ahead->ts_us == pos->ts_us && !c;
	if (pos->id && (!ahead->id || ahead->ts_us < pos->ts_us || c < 0 || (same && ahead->conv < pos->conv))) {
		move_to(ahead, pos->ts_us, pos->id, pos->conv);
		ahead->part = 0;
		*look = STREAM_LOOK;
	}
	enum spool_which which = !chat ? SPOOL_THREAD : s->threads ? SPOOL_CHANNEL : SPOOL_ALL;
	struct spool_walk *w = spool_walk_after(s->x.spool, sp->num, which, lane->root, ahead->ts_us, ahead->id, ahead->conv);
	struct goal g = { sp, stream_spot_target(s, sp), NULL };
	enum stream_got got = STREAM_END;
	struct spool_meta m;
	while (got == STREAM_END && spool_walk_next(w, &m)) {
		struct msg msg;
		int n = -1;
		if (!*look) {
			got = STREAM_WAIT;
			break;
		}
		arena_reset(&s->trial);
		if (m.n_files && (n = file_ahead(s, sp, w, &m, ahead->part, &s->trial, &msg)) >= 0) {
			struct opkey k = { stream_mconv(s, sp, &m), m.ts_us, m.id, OP_UPLOAD, n };
			got = msg.files[n].size > max ? STREAM_WAIT : STREAM_OP;
			if (got == STREAM_OP && spool_walk_body(w, a, &msg, NULL) && upload_op(s, &msg, &k, &g, OP_ABSENT, a, m.fp, out))
				ahead->part = n + 1;
			break;
		}
		move_to(ahead, m.ts_us, m.id, m.conv);
		ahead->part = 0;
		--*look;
	}
	spool_walk_end(w);
	return got;
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
	bool open = thread_goal(s, sp, m->ts_us, m->id, &a, &g, &state);
	bool writes = open ? next_msg(s, &g, &q, &a, &op, &got, NULL) : stream_todo(state) && post_target(s, &k, 0, &a, &post);
	stream_pos_release(&pos);
	arena_release(&a);
	return writes;
}

/* ---- the finish of a chat ---- */

static void react_op(struct stream *s, const struct goal *g, const struct react *r, const struct opkey *k, const char *target, enum op_state state,
                     uint64_t fp, struct arena *a, struct stream_op *out)
{
	struct op *op = begin_op(out, k, g, state, a);
	(void)s;
	op->target_id = target;
	op->emoji = arena_strdup(a, r->emoji);
	op->emoji_name = arena_strdup(a, r->name);
	out->src_fp = fp;
}

/* Reaction i of the message is the first of its emoji, and within what the target takes. */
bool stream_reaction_counts(const struct stream *s, const struct msg *m, size_t i)
{
	size_t before = 0;
	if (!*m->reacts[i].emoji)
		return false;
	for (size_t k = 0; k < i; k++) {
		if (streq(m->reacts[k].emoji, m->reacts[i].emoji))
			return false;
		before += *m->reacts[k].emoji != '\0';
	}
	return s->tr.reactions_max <= 0 || before < (size_t)s->tr.reactions_max;
}

static bool next_react(struct stream *s, const struct goal *g, struct stream_pos *pos, struct arena *a, struct stream_op *out, bool *broken, struct err *e)
{
	if (s->cfg->reactions != REACTION_NATIVE || !(s->tr.caps & (CAP_REACT_SELF | CAP_REACT_AS)))
		return false;
	struct spool_walk *w = spool_walk_after(s->x.spool, g->sp->num, SPOOL_ALL, NULL, pos->ts_us, pos->id, pos->conv);
	struct spool_meta m;
	bool found = false;
	while (!found && !*broken && spool_walk_next(w, &m)) {
		struct ledger_row row;
		struct msg msg;
		struct opkey k = { stream_mconv(s, g->sp, &m), m.ts_us, m.id, OP_POST, 0 };
		const char *target;
		arena_reset(&s->trial);
		if (!m.n_reacts || !(target = post_target(s, &k, 0, &s->trial, &row)))
			continue;
		struct standing st = { .loss = row.loss };
		if (row.loss & LOSS_ROOT)
			standing_get(s, k.conv, m.ts_us, m.id, &st);
		if (st.loss & LOSS_ROOT)
			continue; /* what stands there is not the message people reacted to */
		*broken = !spool_walk_body(w, &s->trial, &msg, e);
		k.kind = OP_REACT;
		for (size_t i = 0; !found && !*broken && i < msg.n_reacts; i++) {
			k.part = (int)i;
			if (!stream_reaction_counts(s, &msg, i))
				continue;
			stream_row(s, &k, &s->trial, &row);
			if ((found = stream_todo(row.state)))
				react_op(s, g, &msg.reacts[i], &k, arena_strdup(a, target), row.state, m.fp, a, out);
		}
		if (!found && !*broken)
			move_to(pos, m.ts_us, m.id, m.conv);
	}
	spool_walk_end(w);
	return found;
}

/* Pins of the messages that sit in this chat, whichever conversation they were pinned in. pos->part counts all of them. */
static bool next_pin(struct stream *s, const struct goal *g, struct stream_pos *pos, struct arena *a, struct stream_op *out)
{
	struct spool_conv c;
	const int64_t *guests = NULL;
	int at = 0;
	if (!s->cfg->pins || !(s->tr.caps & CAP_PIN))
		return false;
	size_t n = s->crosses ? spool_seats_guests(s->x.spool, g->sp->num, a, &guests) : 0;
	for (size_t from = 0; from <= n; from++) {
		struct spot *home = from ? stream_spot_num(s, guests[from - 1]) : g->sp;
		arena_reset(&s->trial); /* the record is many times larger than what is taken from it */
		if (!spool_conv(s->x.spool, home->id, &s->trial, &c))
			continue;
		for (size_t i = 0; i < c.conv.n_pins; i++, at++) {
			const char *id = c.conv.pins[i].msg_id, *target;
			struct ledger_row row;
			struct spool_meta m;
			int64_t ts;
			if (at < pos->part)
				continue;
			pos->part = at;
			if (!spool_find(s->x.spool, home->num, id, &ts) ||
			    (s->crosses && spool_msg(s->x.spool, home->num, ts, id, a, NULL, &m, NULL) && m.host != g->sp->num))
				continue;
			struct opkey k = { stream_lconv(s, home), ts, id, OP_PIN, 0 };
			if (!(target = post_target(s, &k, 0, a, &row)))
				continue;
			stream_row(s, &k, a, &row);
			if (!stream_todo(row.state))
				continue;
			begin_op(out, &k, g, row.state, a)->target_id = target;
			out->src_fp = hash64s(id);
			return true;
		}
	}
	return false;
}

/* A message that the source has deleted since, when that was asked for. */
static bool next_removed(struct stream *s, struct spot *sp, struct stream_pos *pos, struct arena *a, struct stream_op *out)
{
	struct ledger_row post;
	struct goal g = { sp, stream_spot_target(s, sp), NULL };
	if (!stream_next_removed(s, sp, &pos->part, a, &post))
		return false;
	struct opkey k = post.key;
	k.kind = OP_DELETE;
	begin_op(out, &k, &g, OP_ABSENT, a)->target_id = post.target;
	out->op.undoes = OP_POST;
	out->src_fp = post.src_fp;
	return true;
}

/* Links that lead somewhere only now. The message may stand in a thread of the chat. */
static bool next_link(struct stream *s, struct spot *sp, struct stream_pos *pos, struct arena *a, struct stream_op *out)
{
	struct spool_meta m;
	struct relink r;
	struct goal g = { sp, stream_spot_target(s, sp), NULL };
	enum op_state state;
	if (!stream_next_link(s, sp, pos->ts_us, pos->id, a, &m, &r))
		return false;
	if (m.root && s->threads)
		thread_goal(s, stream_thread_spot(s, sp, &m), m.root_ts_us, m.root, a, &g, &state);
	struct opkey k = { stream_lconv(s, sp), m.ts_us, m.id, OP_EDIT, r.part };
	post_op(s, &r.letter, &k, &g, r.state, a, m.fp, out);
	out->op.target_id = r.target;
	out->loss = r.letter.loss & ~(uint32_t)LOSS_SPLIT;
	move_to(pos, m.ts_us, m.id, m.conv);
	return true;
}

static int by_text(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* Target ids of those who join: members with an account, people only, none who has lost access. Sorted, each once. EXPECTED
 * also counts, under a stand-in, those whose account this plan will make first. */
enum join { JOIN_NOW, JOIN_EXPECTED };
static size_t joiners(struct stream *s, const struct spot *sp, enum join when, struct arena *a, const char ***ids)
{
	struct spool_conv c;
	struct arena read; /* the record is many times larger than what is taken from it, and a thousand lanes may be here */
	size_t n = 0, kept = 0;
	if (!sp->place.join_members || !(s->tr.caps & CAP_MEMBERS))
		return 0;
	arena_init(&read);
	if (!spool_conv(s->x.spool, sp->id, &read, &c)) {
		arena_release(&read);
		return 0;
	}
	const char **v = arena_array(a, c.conv.n_members + 1, const char *);
	for (size_t i = 0; i < c.conv.n_members; i++) {
		const struct someone *w = stream_someone(s, c.conv.members[i]);
		if (!w->known || w->suspended || (w->flags & (USER_BOT | USER_GONE | USER_SYSTEM)))
			continue;
		if (w->action != PERSON_MATCH && w->action != PERSON_CREATE)
			continue;
		const char *target = stream_user_target(s, c.conv.members[i], a);
		if (!target && when == JOIN_EXPECTED && (s->tr.caps & CAP_USER_CREATE)) {
			struct ledger_row row;
			const char *main = mapping_same_person(s->x.mapping, c.conv.members[i]);
			struct opkey k = { 0, 0, main, OP_USER_CREATE, 0 };
			stream_row(s, &k, a, &row);
			target = stream_todo(row.state) ? arena_fmt(a, "new %s", main) : NULL;
		}
		if (target)
			v[n++] = target;
	}
	arena_release(&read);
	qsort(v, n, sizeof(*v), by_text);
	for (size_t i = 0; i < n; i++)
		if (!kept || !streq(v[kept - 1], v[i]))
			v[kept++] = v[i];
	*ids = v;
	return kept;
}

/* A portion's identity is who is in it: a second run with the same people finds it done, new people make a new portion. */
static const char *portion_id(const char *const *ids, size_t n, struct arena *a)
{
	uint64_t h = 0;
	for (size_t i = 0; i < n; i++)
		h = hash64(ids[i], strlen(ids[i]) + 1, h);
	return arena_fmt(a, "members:%016" PRIx64, h);
}

static size_t portion_max(const struct stream *s)
{
	return s->tr.members_max > 0 ? (size_t)s->tr.members_max : 50;
}

/* After the portions: one op for each administrator, editor and tag. id: "admin:ACCOUNT", "editor:ACCOUNT", "tag:NAME". */
struct extra_join { const char *id, *who, *tag, *role; };

/* Who has joined gets the role; whoever administers a chat already edits it. */
static size_t add_roles(struct stream *s, const char *role, const char *const *people, size_t n_people, const char *const *ids, size_t joined,
                        struct arena *a, struct extra_join *out, size_t n)
{
	for (size_t i = 0; i < n_people; i++) {
		const char *target = stream_user_target(s, people[i], a);
		const char *expected = target ? target : arena_fmt(a, "new %s", mapping_same_person(s->x.mapping, people[i]));
		bool in = false, twice = false;
		for (size_t k = 0; k < joined && !in; k++)
			in = streq(ids[k], expected);
		for (size_t k = 0; k < n && !twice; k++)
			twice = streq(out[k].who, expected);
		if (in && !twice)
			out[n++] = (struct extra_join){ arena_fmt(a, "%s:%s", role, expected), expected, NULL, role };
	}
	return n;
}

static size_t extra_joins(struct stream *s, const struct spot *sp, enum join when, struct arena *a, struct extra_join **out)
{
	struct spool_conv c;
	struct company co;
	const char **ids = NULL;
	size_t n = 0, joined;
	*out = NULL;
	arena_reset(&s->trial);
	if (!sp->place.join_members || !(s->tr.caps & CAP_MEMBERS) || !spool_conv(s->x.spool, sp->id, &s->trial, &c))
		return 0;
	mapping_company(s->x.mapping, &c.conv, &s->trial, &co);
	if (sp->place.action != PLACE_ADOPT)
		co.n_editors = 0; /* there are editors in channels of the target only, and what is made here is a chat */
	if (!co.n_admins && !co.n_editors && !co.n_tags)
		return 0;
	joined = joiners(s, sp, when, a, &ids);
	*out = arena_array(a, co.n_admins + co.n_editors + co.n_tags, struct extra_join);
	n = add_roles(s, "admin", co.admins, co.n_admins, ids, joined, a, *out, n);
	n = add_roles(s, "editor", co.editors, co.n_editors, ids, joined, a, *out, n);
	for (size_t i = 0; i < co.n_tags; i++)
		(*out)[n++] = (struct extra_join){ arena_fmt(a, "tag:%s", co.tags[i]), "", arena_strdup(a, co.tags[i]), NULL };
	return n;
}

static bool next_extra(struct stream *s, const struct goal *g, const char *want, enum op_state want_state, struct arena *a, struct stream_op *out)
{
	struct extra_join *v;
	size_t n = extra_joins(s, g->sp, JOIN_NOW, a, &v);
	struct ledger_row row;
	for (size_t i = 0; i < n; i++) {
		struct opkey k = { stream_lconv(s, g->sp), 0, v[i].id, OP_MEMBERS, 0 };
		stream_row(s, &k, a, &row);
		if (want ? !streq(want, k.id) : !stream_todo(row.state))
			continue;
		struct op *op = begin_op(out, &k, g, want ? want_state : row.state, a);
		const char **one = arena_array(a, 1, const char *);
		*one = v[i].tag ? v[i].tag : v[i].who;
		if (v[i].tag) {
			op->tags = one;
			op->n_tags = 1;
		} else {
			op->ids = one;
			op->n_ids = 1;
			op->as = v[i].role;
		}
		out->src_fp = hash64s(k.id);
		return true;
	}
	return false;
}

/* want: the portion with this id, whatever the ledger says of it (the open op); when there is none like it any more, the first
 * portion goes under this id: joining twice has no further effect. NULL: the first that is to do. */
static bool next_members(struct stream *s, const struct goal *g, const char *want, enum op_state want_state, struct arena *a, struct stream_op *out)
{
	if (want && strncmp(want, "members:", 8) != 0)
		return next_extra(s, g, want, want_state, a, out);
	const char **ids = NULL;
	size_t n = joiners(s, g->sp, JOIN_NOW, a, &ids), max = portion_max(s), at = 0;
	struct ledger_row row;
	struct opkey k = { stream_lconv(s, g->sp), 0, "", OP_MEMBERS, 0 };
	for (; at < n; at += max) {
		k.id = portion_id(ids + at, n - at < max ? n - at : max, a);
		stream_row(s, &k, a, &row);
		if (want ? streq(want, k.id) : stream_todo(row.state))
			break;
	}
	if (at >= n && !want)
		return next_extra(s, g, NULL, OP_ABSENT, a, out);
	if (at >= n)
		at = 0;
	if (want)
		k.id = want;
	struct op *op = begin_op(out, &k, g, want ? want_state : row.state, a);
	op->ids = ids + at;
	op->n_ids = !n ? 0 : n - at < max ? n - at : max;
	out->src_fp = hash64s(k.id);
	return true;
}

size_t stream_joiners(struct stream *s, const char *source_conv, struct arena *a, const char *const **ids)
{
	const char **v = NULL;
	struct spot *sp = stream_spot(s, source_conv);
	size_t n = sp ? joiners(s, sp, JOIN_NOW, a, &v) : 0;
	*ids = v;
	return n;
}

bool stream_portion(struct stream *s, struct spot *sp, size_t i, struct arena *a, const char **id, const char *const **ids, size_t *n)
{
	const char **all = NULL;
	size_t people = joiners(s, sp, JOIN_NOW, a, &all), max = portion_max(s), at = i * max;
	if (at >= people)
		return false;
	*n = people - at < max ? people - at : max;
	*ids = all + at;
	*id = portion_id(*ids, *n, a);
	return true;
}

bool stream_joining(struct stream *s, const char *source_conv, struct arena *a)
{
	struct spot *sp = stream_spot(s, source_conv);
	const char *id, *const *ids;
	struct ledger_row row;
	size_t n;
	for (size_t i = 0; sp && stream_portion(s, sp, i, a, &id, &ids, &n); i++) {
		struct opkey k = { stream_lconv(s, sp), 0, id, OP_MEMBERS, 0 };
		stream_row(s, &k, a, &row);
		if (row.state != OP_DONE)
			return true;
	}
	return false;
}

bool stream_extra(struct stream *s, struct spot *sp, size_t i, struct arena *a, struct stream_extra *out)
{
	struct extra_join *v;
	if (i >= extra_joins(s, sp, JOIN_NOW, a, &v))
		return false;
	*out = (struct stream_extra){ v[i].id, v[i].who, v[i].tag, v[i].role };
	return true;
}

int64_t stream_portions(struct stream *s, struct spot *sp, struct arena *a, int64_t *people)
{
	const char **ids = NULL;
	size_t n = joiners(s, sp, JOIN_EXPECTED, a, &ids), max = portion_max(s);
	int64_t todo = 0;
	*people = (int64_t)n;
	for (size_t at = 0; at < n; at += max) {
		struct ledger_row row;
		struct opkey k = { stream_lconv(s, sp), 0, portion_id(ids + at, n - at < max ? n - at : max, a), OP_MEMBERS, 0 };
		stream_row(s, &k, a, &row);
		todo += stream_todo(row.state);
	}
	struct extra_join *v;
	size_t extra = extra_joins(s, sp, JOIN_EXPECTED, a, &v);
	for (size_t i = 0; i < extra; i++) {
		struct ledger_row row;
		struct opkey k = { stream_lconv(s, sp), 0, v[i].id, OP_MEMBERS, 0 };
		stream_row(s, &k, a, &row);
		todo += stream_todo(row.state);
	}
	return todo;
}

bool stream_archives(struct stream *s, struct spot *sp, struct arena *a, enum op_state *state)
{
	struct ledger_row row;
	struct opkey k = { stream_lconv(s, sp), 0, "", OP_ARCHIVE, 0 };
	*state = OP_ABSENT;
	if (!sp->place.archive_at_end || !(s->tr.caps & CAP_ARCHIVE))
		return false;
	stream_row(s, &k, a, &row);
	*state = row.state;
	return stream_todo(row.state);
}

static bool archive_op(struct stream *s, const struct goal *g, struct arena *a, struct stream_op *out)
{
	struct opkey k = { stream_lconv(s, g->sp), 0, "", OP_ARCHIVE, 0 };
	enum op_state state;
	if (!stream_archives(s, g->sp, a, &state))
		return false;
	begin_op(out, &k, g, state, a);
	return true;
}

/* ---- the open op ---- */

/* Opens a chat again that an earlier run of ours has archived: nothing can be written into it otherwise. In the end it is archived again,
 * because the archiving is GONE then. */
static bool unarchive_op(struct stream *s, struct spot *sp, enum op_state state, struct arena *a, struct stream_op *out)
{
	struct ledger_row shut, opened;
	struct goal g = { sp, stream_spot_target(s, sp), NULL };
	struct opkey k = { stream_lconv(s, sp), 0, "", OP_DELETE, opkey_undo_part(OP_ARCHIVE, 0) };
	if (!stream_shut(s, sp, a, &shut))
		return false;
	if (stream_row(s, &k, a, &opened) && opened.state == OP_DONE)
		ledger_gone(s->x.ledger, &k); /* it has been archived again since */
	begin_op(out, &k, &g, state, a);
	out->op.undoes = OP_ARCHIVE;
	out->op.target_id = shut.target;
	out->src_fp = hash64s(sp->id);
	return true;
}

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
	struct spot *home = home_of(s, g, k, a);
	if (!home || !spool_msg(s->x.spool, home->num, k->ts_us, k->id, a, &msg, &m, NULL))
		return false;
	if (k->kind == OP_UPLOAD)
		return upload_op(s, &msg, k, g, row->state, a, m.fp, out);
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
		post_op(s, &l, k, g, row->state, a, m.fp, out);
		if (out->body_fp == row->body_fp)
			break;
	}
	if (k->kind == OP_EDIT)
		out->op.target_id = post_target(s, k, k->part, a, &post);
	return k->kind != OP_EDIT || out->op.target_id != NULL;
}

static bool reopen_react(struct stream *s, const struct goal *g, const struct ledger_row *row, struct arena *a, struct stream_op *out)
{
	struct spool_meta m;
	struct msg msg;
	struct ledger_row post;
	const char *target = post_target(s, &row->key, 0, a, &post);
	struct spot *home = home_of(s, g, &row->key, a);
	if (!target || !home || !spool_msg(s->x.spool, home->num, row->key.ts_us, row->key.id, a, &msg, &m, NULL) || row->key.part < 0 ||
	    (size_t)row->key.part >= msg.n_reacts)
		return false;
	react_op(s, g, &msg.reacts[row->key.part], &row->key, target, row->state, m.fp, a, out);
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
		user_op(s, row->key.id, &row->key, row->state, a, out);
		return !row->body_fp || row->body_fp == out->body_fp;
	case OP_CHAT_CREATE:
		chat_op(s, g->sp, &row->key, row->state, a, out);
		return !row->body_fp || row->body_fp == out->body_fp;
	case OP_UPLOAD: case OP_POST: case OP_EDIT:
		return reopen_msg(s, g, row, a, out);
	case OP_REACT:
		return reopen_react(s, g, row, a, out);
	case OP_THREAD_OPEN: case OP_PIN:
		begin_op(out, &row->key, g, row->state, a)->target_id = post_target(s, &row->key, 0, a, &post);
		return out->op.target_id != NULL;
	case OP_MEMBERS:
		return next_members(s, g, row->key.id, row->state, a, out);
	case OP_ARCHIVE:
		begin_op(out, &row->key, g, row->state, a);
		return true;
	case OP_DELETE: /* a rollback that was cut short: it must be finished first; but for what we do ourselves */
		begin_op(out, &row->key, g, row->state, a)->target_id = post_target(s, &row->key, row->key.part, a, &post);
		out->op.undoes = OP_POST;
		if (out->op.target_id && (row->loss & LOSS_SPLIT))
			return true; /* a part that is no longer needed */
		home = home_of(s, g, &row->key, a);
		if (out->op.target_id && row->key.ts_us && home && !spool_msg(s->x.spool, home->num, row->key.ts_us, row->key.id, a, NULL, NULL, NULL))
			return true;
		return row->key.part == opkey_undo_part(OP_ARCHIVE, 0) && unarchive_op(s, g->sp, row->state, a, out);
	}
	return false;
}

/* Has the lane an open op? Then it is given as it was; when it cannot be rebuilt the lane ends here, for as long as it is
 * open: the engine sees that its op was not given back, stops this lane and tells a person. */
static bool open_op(struct stream *s, const struct lane_spec *lane, const struct goal *g, struct arena *a, struct stream_op *out, enum stream_got *got)
{
	struct ledger_row row;
	int64_t n = ledger_lane(s->x.ledger, lane->name);
	if (n < 0 || !ledger_open_op(s->x.ledger, n, a, &row))
		return false;
	*got = reopen(s, g, &row, a, out) ? STREAM_OP : STREAM_END;
	return true;
}

/* ---- one step of a lane ---- */

static enum stream_got next_person(struct stream *s, const struct asked *q, struct arena *a, struct stream_op *out)
{
	struct ledger_row row;
	struct opkey k = { 0, 0, q->lane->id, OP_USER_CREATE, 0 };
	if (q->pos->phase == PH_START) {
		enum stream_got got;
		if (open_op(s, q->lane, NULL, a, out, &got))
			return got;
		q->pos->phase = PH_MAKE;
	}
	stream_row(s, &k, a, &row);
	if (q->pos->phase == PH_END || !stream_todo(row.state)) {
		q->pos->phase = PH_END;
		return STREAM_END;
	}
	user_op(s, q->lane->id, &k, row.state, a, out);
	return STREAM_OP;
}

static enum stream_got next_thread(struct stream *s, struct spot *sp, const struct asked *q, struct arena *a, struct stream_op *out, struct err *e)
{
	struct goal g;
	enum op_state state;
	enum stream_got got;
	bool open = thread_goal(s, sp, q->lane->root_ts_us, q->lane->root, a, &g, &state);
	if (q->pos->phase == PH_START) {
		if (open_op(s, q->lane, &g, a, out, &got))
			return got;
		enter(q->pos, PH_MAKE);
	}
	if (q->pos->phase == PH_MAKE && !open) {
		struct ledger_row post;
		struct opkey k = { stream_lconv(s, sp), q->lane->root_ts_us, q->lane->root, OP_THREAD_OPEN, 0 };
		const char *target = post_target(s, &k, 0, a, &post);
		if (!target || !stream_todo(state)) {
			enter(q->pos, PH_END); /* the root is not there, or threads were refused on it: its replies cannot be sent */
			return STREAM_END;
		}
		begin_op(out, &k, &g, state, a)->target_id = target;
		out->src_fp = hash64s(q->lane->root);
		return STREAM_OP;
	}
	if (q->pos->phase == PH_MAKE)
		q->pos->phase = PH_MSGS;
	if (q->pos->phase == PH_MSGS && next_msg(s, &g, q, a, out, &got, e))
		return got;
	enter(q->pos, PH_END);
	return STREAM_END;
}

static enum stream_got next_finish(struct stream *s, const struct goal *g, const struct asked *q, struct arena *a, struct stream_op *out, struct err *e)
{
	bool broken = false;
	switch ((enum phase)q->pos->phase) {
	case PH_REMOVE:
		if (next_removed(s, g->sp, q->pos, a, out))
			return STREAM_OP;
		enter(q->pos, PH_REACT);
		/* fall through */
	case PH_REACT:
		if (next_react(s, g, q->pos, a, out, &broken, e))
			return STREAM_OP;
		if (broken)
			return STREAM_ERROR;
		enter(q->pos, PH_PIN);
		/* fall through */
	case PH_PIN:
		if (next_pin(s, g, q->pos, a, out))
			return STREAM_OP;
		enter(q->pos, PH_MEMBERS);
		/* fall through */
	case PH_MEMBERS:
		if (next_members(s, g, NULL, OP_ABSENT, a, out))
			return STREAM_OP;
		enter(q->pos, PH_LINKS);
		/* fall through */
	case PH_LINKS:
		/* After people have joined, here and everywhere: an edit reaches nobody, and nobody waits for it. part: this has been waited for. */
		if (!q->pos->part++ && stream_links_wait(s, g->sp))
			return STREAM_LATER;
		if (next_link(s, g->sp, q->pos, a, out))
			return STREAM_OP;
		enter(q->pos, PH_ARCHIVE);
		/* fall through */
	case PH_ARCHIVE:
		if (archive_op(s, g, a, out))
			return STREAM_OP;
		enter(q->pos, PH_END);
		break;
	case PH_START: case PH_MAKE: case PH_MSGS: case PH_END:
		break;
	}
	return STREAM_END;
}

static enum stream_got next_of_chat(struct stream *s, struct spot *sp, const struct asked *q, struct arena *a, struct stream_op *out, struct err *e)
{
	struct goal g = { sp, stream_spot_target(s, sp), NULL };
	enum stream_got got;
	if (q->pos->phase == PH_START) {
		if (open_op(s, q->lane, &g, a, out, &got))
			return got;
		enter(q->pos, PH_MAKE);
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
				enter(q->pos, PH_END); /* the chat was refused: nothing can be said in it */
				return STREAM_END;
			}
			chat_op(s, sp, &k, row.state, a, out);
			return STREAM_OP;
		}
		enter(q->pos, PH_MSGS);
		skip_settled(s, sp, q);
	}
	if (q->pos->phase == PH_MSGS) {
		if (next_msg(s, &g, q, a, out, &got, e))
			return got;
		if (*q->shut)
			return unarchive_op(s, sp, OP_ABSENT, a, out) ? STREAM_OP : STREAM_WAIT;
		/* Nobody takes part in the threads that hold the history: people need not wait for them. */
		if (sp->place.placement == PLACEMENT_THREADS && next_members(s, &g, NULL, OP_ABSENT, a, out))
			return STREAM_OP;
		if (q->threads_open || *q->announced)
			return STREAM_WAIT;
		enter(q->pos, PH_REMOVE);
	}
	return next_finish(s, &g, q, a, out, e);
}

/* Whatever is to be written into a chat that we have archived, it is opened first. */
static enum stream_got next_chat(struct stream *s, struct spot *sp, const struct asked *q, struct arena *a, struct stream_op *out, struct err *e)
{
	struct ledger_row shut;
	bool first = q->pos->phase == PH_START;
	enum stream_got got = next_of_chat(s, sp, q, a, out, e);
	bool writes = got == STREAM_OP && out->op.key.kind != OP_ARCHIVE && out->op.undoes != OP_ARCHIVE;
	if (writes && !(first && (out->state == OP_INTENT || out->state == OP_UNKNOWN)) && stream_shut(s, sp, a, &shut))
		unarchive_op(s, sp, OP_ABSENT, a, out);
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
		move_to(pos, k->ts_us, k->id, pos->given);
	if (pos->phase == PH_MSGS)
		pos->part = 0;
	if (k->kind == OP_DELETE)
		stream_taken_back(s, k, op->op.undoes);
	s->shuts += k->kind == OP_ARCHIVE;
}
