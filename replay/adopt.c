/* adopt.c: a ledger from what the target holds.
 *
 * Promises: only what our own accounts wrote is taken, and only where it says exactly what would be written today (an account that has
 * written so, under the name that only we give, is ours even if its token is not given); equal messages
 * of one lane are taken in their order; one message of the target for one post. A lane with an open op is left to apply. A text
 * may hold links to other messages that led to the target or not, depending on what was there when it was sent: such texts are
 * tried in every form, and again when more of the target is known.
 * Memory: the messages of our account in one chat. Called by `mvchat verify --adopt`. Writes the ledger, never the target.
 */
#include "replay/adopt.h"

#include "replay/adopt_in.h"

#include <stdlib.h>

enum { ROWS_A_COMMIT = 2000, ROUNDS = 4 };

/* ---- the ledger ---- */

bool adopt_commit(struct adopt *x)
{
	if (x->rows < ROWS_A_COMMIT)
		return true;
	x->rows = 0;
	x->lost_tx = !ledger_commit(x->l, x->err);
	if (!x->lost_tx)
		ledger_begin(x->l);
	return !x->lost_tx;
}

enum op_state adopt_state(struct adopt *x, const struct opkey *k)
{
	struct ledger_row row;
	return ledger_get(x->l, k, &x->one, &row) ? row.state : OP_ABSENT;
}

bool adopt_free(struct adopt *x, const struct opkey *k, const char *lane)
{
	struct ledger_row open;
	int64_t num = ledger_lane(x->l, lane);
	if (num < 0 || !ledger_open_op(x->l, num, &x->one, &open))
		return true;
	return open.key.conv == k->conv && open.key.ts_us == k->ts_us && open.key.kind == k->kind && open.key.part == k->part && streq(open.key.id, k->id);
}

void adopt_row(struct adopt *x, const struct opkey *k, const struct fact *f)
{
	enum op_state st = adopt_state(x, k);
	if (st != OP_INTENT && st != OP_UNKNOWN)
		ledger_intent(x->l, k, ledger_lane(x->l, f->lane), f->src_fp, f->body_fp, f->loss, x->args->run, wire_now_us(x->args->session->wire, NULL));
	ledger_done(x->l, k, f->id, f->id2);
	x->out->adopted[k->kind]++;
	x->found++;
	x->rows++;
}

void adopt_missing(struct adopt *x, const struct opkey *k, const char *lane, const char *why)
{
	x->lacking = true;
	if (!x->last)
		return;
	x->out->missing[k->kind]++;
	if (x->args->missing)
		x->args->missing(x->args->ctx, k->kind, lane, k, why);
}

/* ---- people ---- */

static bool adopt_person(void *ctx, const struct user *u, int64_t n_msgs)
{
	struct adopt *x = ctx;
	struct person p;
	struct opkey k = { 0, 0, u->id, OP_USER_CREATE, 0 };
	const struct seen *who = NULL;
	(void)n_msgs;
	arena_reset(&x->one);
	mapping_person(x->args->mapping, u, &x->one, &p);
	const char *lane = arena_fmt(&x->one, "p:%s", u->id);
	if (p.action != PERSON_CREATE || !p.email || !*p.email)
		return !adopt_stopping(x);
	if (adopt_settled(adopt_state(x, &k))) {
		x->out->known += x->round == 0;
		return !adopt_stopping(x);
	}
	struct op op = { .key = k, .email = p.email, .suspended = p.suspended };
	for (size_t i = 0; i < x->n_people && !who; i++)
		if (x->ex->match(x->args->session->target, &op, &x->people[i], &x->one) == MATCH_SAME)
			who = &x->people[i];
	if (who && adopt_free(x, &k, lane))
		adopt_row(x, &k, &(struct fact){ .lane = lane, .src_fp = hash64s(u->id), .id = who->id });
	else
		adopt_missing(x, &k, lane, "no account has this e-mail address");
	return !adopt_stopping(x);
}

/* ---- one conversation ---- */

/* The chat of ours that is like the one expected: exactly one, or it is not for us to guess. */
static const char *find_chat(struct adopt *x, struct spot *sp, const char *lane)
{
	struct opkey k = { stream_lconv(x->s, sp), 0, "", OP_CHAT_CREATE, 0 };
	struct op op = { .key = k, .is_public = sp->place.is_public };
	const struct seen *is = NULL;
	bool twice = false;
	arena_reset(&x->one);
	op.name = x->ex->chat_name(sp->place.name, &x->one);
	for (size_t i = 0; i < x->n_chats; i++) {
		const struct seen *c = &x->chats[i];
		if (x->ex->match(x->args->session->target, &op, c, &x->one) != MATCH_SAME || ledger_owns(x->l, OP_CHAT_CREATE, c->id))
			continue;
		twice = twice || is;
		is = c;
	}
	if (is && !twice && adopt_free(x, &k, lane)) {
		adopt_row(x, &k, &(struct fact){ .lane = lane, .src_fp = hash64s(sp->id), .id = is->id });
		return is->id;
	}
	x->out->ambiguous += twice && x->last;
	adopt_missing(x, &k, lane, twice ? "several chats of ours have this name" : "no chat of ours has this name");
	return NULL;
}

static bool adopt_conv(struct adopt *x, struct spot *sp)
{
	struct place_seen place = { 0 };
	arena_reset(&x->conv);
	struct lane_now ln = { arena_fmt(&x->conv, "c:%s", sp->id), NULL, sp, &place };
	bool threads = false;
	ln.chat = stream_spot_target(x->s, sp);
	if (!ln.chat) {
		struct opkey k = { stream_lconv(x->s, sp), 0, "", OP_CHAT_CREATE, 0 };
		arena_reset(&x->one);
		if (adopt_state(x, &k) == OP_REJECTED)
			return true;
		if (stream_host(x->s, sp)) { /* it has no chat of its own: the round after its host's is found */
			x->lacking = true;
			return true;
		}
		ln.chat = find_chat(x, sp, ln.name);
	}
	if (!ln.chat)
		return true;
	bool ok = adopt_place_read(x, ln.chat, &place) && adopt_walk(x, &ln, x->s->threads ? SPOOL_CHANNEL : SPOOL_ALL, NULL, &threads);
	if (ok && threads && x->s->threads)
		ok = adopt_threads(x, &ln);
	x->closed = place.closed;
	ok = ok && (adopt_stopping(x) || place.closed || adopt_finish(x, &ln));
	adopt_place_release(x, &place);
	return ok && adopt_commit(x);
}

struct conv_name { const char *id; bool complete, closed; int64_t strangers; };
struct names { struct adopt *x; struct conv_name *v; size_t n, cap; };

static bool on_conv(void *ctx, const struct spool_conv *c)
{
	struct names *q = ctx;
	if (q->n == q->cap) {
		q->cap = q->cap ? 2 * q->cap : 64;
		q->v = xrealloc(q->v, q->cap * sizeof(*q->v));
	}
	q->v[q->n++] = (struct conv_name){ .id = arena_strdup(&q->x->arena, c->conv.id) };
	return true;
}

static bool round_of(struct adopt *x, struct names *q, struct err *e)
{
	bool ok = true;
	struct arena a;
	arena_init(&a);
	if (x->s->tr.caps & CAP_USER_CREATE)
		ok = spool_users(x->args->spool, &a, adopt_person, x, e);
	arena_release(&a);
	for (size_t i = 0; ok && i < q->n && !adopt_stopping(x); i++) {
		struct spot *sp = stream_spot(x->s, q->v[i].id);
		if (sp && sp->place.action != PLACE_SKIP && !q->v[i].complete && !stream_idle(x->s, sp)) {
			x->lacking = false;
			x->strangers = 0;
			x->closed = false;
			ok = adopt_conv(x, sp);
			q->v[i].complete = !x->lacking;
			q->v[i].strangers = x->strangers;
			q->v[i].closed = x->closed;
		}
		if (x->args->progress)
			x->args->progress(x->args->ctx, (int64_t)i + 1, (int64_t)q->n);
	}
	return ok;
}

bool adopt_run(const struct adopt_args *args, struct adopt_result *out, struct err *e)
{
	struct adopt x = { .args = args, .s = args->stream, .l = args->ledger, .ex = args->session->ex, .out = out, .err = e };
	struct names q = { .x = &x };
	struct arena a;
	*out = (struct adopt_result){ 0 };
	arena_init(&x.arena);
	arena_init(&x.conv);
	arena_init(&x.one);
	arena_init(&a);
	const char *const *bots = NULL;
	size_t n_bots = x.ex->other_bots ? x.ex->other_bots(args->session->target, &bots) : 0;
	bool ok = adopt_read_target(&x, e) && spool_convs(args->spool, &a, on_conv, &q, e);
	/* Texts with links change with what is known: until nothing more is found; the last round tells what is missing. */
	for (bool more = true; ok && more; x.round++) {
		x.last = x.round + 1 == ROUNDS || (x.round > 0 && !x.found);
		more = !x.last && !adopt_stopping(&x);
		x.found = 0;
		ledger_begin(x.l);
		if (x.round == 0)
			ledger_know_bots(x.l, bots, n_bots);
		ok = round_of(&x, &q, e);
		struct err last = ERR_INIT;
		if (!x.lost_tx && !ledger_commit(x.l, &last) && ok) {
			ok = false;
			if (e)
				*e = last;
		}
	}
	out->stopped = adopt_stopping(&x);
	for (size_t i = 0; i < q.n; i++)
		out->strangers += q.v[i].strangers, out->closed += q.v[i].closed;
	free(q.v);
	free(x.people);
	free(x.chats);
	arena_release(&a);
	arena_release(&x.one);
	arena_release(&x.conv);
	arena_release(&x.arena);
	return ok;
}
