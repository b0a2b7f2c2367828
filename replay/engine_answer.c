/* engine_answer.c: what became of a request, and the gates that close when nobody can be reached.
 *
 * Promises: each answer becomes exactly one event of its lane; what says neither yes nor no is UNKNOWN; a refusal for now
 * slows the pacer down and keeps the op's place in its lane. Called by engine.c. Sends nothing.
 */
#include "replay/engine_lanes.h"

#include "core/clock.h"
#include "core/step.h"

static const int64_t SECOND_US = 1000000;
enum { GATE_MAX_S = 60 };

/* ---- gates ---- */

struct gate *engine_gate(struct engine *x, const struct http_req *req)
{
	return &x->gate[req->rate == REQ_BLOB ? GATE_STORAGE : GATE_API];
}

int64_t engine_gate_fail(struct engine *x, struct gate *g, int64_t now)
{
	if (!g->fails)
		g->since = now;
	if (now >= g->open_at) { /* many requests fail together: that is one failure */
		int64_t pause = g->fails < 6 ? (int64_t)1 << g->fails : GATE_MAX_S;
		g->open_at = now + pause * SECOND_US;
		g->fails++;
	}
	g->probing = false;
	if (now - g->since > x->max_wait_us)
		engine_halt(x, g == &x->gate[GATE_API] ? "the target cannot be reached" : "the storage for files cannot be reached");
	return g->open_at;
}

static void gate_ok(struct gate *g)
{
	*g = (struct gate){ 0 };
}

int64_t engine_gate_ask(struct gate *g, int64_t now)
{
	if (!g->fails)
		return 0;
	if (now < g->open_at)
		return g->open_at;
	if (g->probing)
		return now + SECOND_US / 10;
	g->probing = true;
	return 0;
}

/* ---- answers ---- */

/* Kinds whose answer names nothing new are done without an id; the others are not believed without one. */
static const char *id_of(const struct op *op, const struct outcome *o)
{
	if (o->id && *o->id)
		return o->id;
	switch (op->key.kind) {
	case OP_USER_CREATE: case OP_CHAT_CREATE: case OP_UPLOAD: case OP_POST: case OP_THREAD_OPEN:
		return NULL;
	case OP_REACT: case OP_PIN: case OP_MEMBERS: case OP_ARCHIVE: case OP_EDIT: case OP_DELETE:
		break;
	}
	return op->target_id && *op->target_id ? op->target_id : op->chat && *op->chat ? op->chat : "ok";
}

void engine_throttled(struct engine *x, struct runner *r, int retry_after_s, int64_t now)
{
	struct hot *h = r->hot;
	if (pool_throttled(&x->s->pool, &h->req, retry_after_s, now))
		engine_event(x, "token.rests", NULL, "bot %d is told to wait again and again and rests for a while", h->req.bot + 1);
	if (h->refused_since < 0)
		h->refused_since = now;
	if (retry_after_s > x->max_wait_us / SECOND_US || now - h->refused_since > x->max_wait_us)
		engine_halt(x, "the target asks us to wait longer than we are allowed to");
	engine_step(x, r, LANE_EV_AGAIN, NULL);
}

void engine_refused(struct engine *x, struct runner *r, const char *why)
{
	struct err e = ERR_INIT;
	err_set(&e, ERR_TARGET, "the target refused us: %s", why ? why : "no reason given");
	err_hint(&e, "check the tokens and their permissions, then run the same command again");
	engine_step(x, r, LANE_EV_AGAIN, NULL);
	engine_break(x, &e);
}

static void on_unknown(struct engine *x, struct runner *r, const char *why, int64_t now)
{
	r->not_before = now + x->settle_us;
	engine_step(x, r, LANE_EV_UNKNOWN, &(struct said){ .why = why });
}

/* A token that the target has shut for a while: what it carried was not applied and goes on with another, or waits with it. */
static void engine_rest(struct engine *x, struct runner *r, int retry_after_s, const char *why, int64_t now)
{
	int64_t until = pool_rest(&x->s->pool, &r->hot->req, retry_after_s, now);
	engine_event(x, "token.rests", NULL, "bot %d rests for %lld s: %s", r->hot->req.bot + 1, (long long)((until - now) / 1000000), why ? why : "");
	engine_step(x, r, LANE_EV_AGAIN, NULL);
}

/* What is refused to a further bot is not refused to us: this chat, or the whole run, goes on without it. Nothing was applied. */
enum let_go { LET_GO_HERE, LET_GO_RUN };
static bool let_go(struct engine *x, struct runner *r, enum let_go how, const char *why)
{
	const struct http_req *req = &r->hot->req;
	if (req->auth != AUTH_BOT || req->bot <= 0)
		return false;
	if (how == LET_GO_RUN && !pool_drop(&x->s->pool, req))
		return false;
	struct runner *chat = r->parent ? r->parent : r;
	chat->bots = (uint16_t)(chat->bots & ~(1u << req->bot));
	engine_event(x, "token.out", how == LET_GO_HERE ? chat : NULL, "goes on without bot %d: %s", req->bot + 1, why ? why : "no reason given");
	engine_step(x, r, LANE_EV_AGAIN, NULL);
	return true;
}

static void on_answer(struct engine *x, struct runner *r, const struct http_resp *resp, int64_t now)
{
	struct hot *h = r->hot;
	struct outcome o = { .retry_after_s = -1 };
	x->s->ex->parse(x->s->target, &h->op.op, resp, &x->scratch, &o);
	struct said said = { .id = o.id, .id2 = o.id2, .why = o.why };
	if (o.v != V_THROTTLED && o.v != V_REST) {
		pool_ok(&x->s->pool, &h->req, now);
		h->refused_since = -1;
	}
	r->not_before = 0;
	switch (o.v) {
	case V_DONE:
		said.id = id_of(&h->op.op, &o);
		if (h->op.op.key.kind == OP_UPLOAD)
			said.id2 = engine_bot_name(x, h->by);
		if (said.id)
			engine_step(x, r, LANE_EV_DONE, &said);
		else
			on_unknown(x, r, "success was said, but not what was made", now);
		break;
	case V_MORE:
		h->op.op.step++;
		h->op.op.carry = arena_strdup(&h->arena, o.carry);
		h->built = false;
		engine_step(x, r, LANE_EV_MORE, NULL);
		break;
	case V_REJECTED:
		engine_step(x, r, LANE_EV_REJECTED, &said);
		break;
	case V_THROTTLED:
		engine_blob_refused(x, r);
		engine_throttled(x, r, o.retry_after_s, now);
		break;
	case V_UNKNOWN:
		on_unknown(x, r, o.why, now);
		break;
	case V_REST:
		engine_rest(x, r, o.retry_after_s, o.why, now);
		break;
	case V_LANE:
		if (let_go(x, r, LET_GO_HERE, o.why))
			break;
		engine_step(x, r, LANE_EV_CLOSED, &said);
		break;
	case V_FATAL:
		if (let_go(x, r, LET_GO_RUN, o.why))
			break;
		engine_refused(x, r, o.why);
		break;
	}
}

void engine_answer(struct engine *x, const struct wire_done *d)
{
	struct runner *r = d->tag;
	int64_t now = clock_mono_us();
	x->flying--;
	engine_blob_back(x, r, d->cls);
	arena_reset(&x->scratch);
	step("answer-read");
	struct gate *g = engine_gate(x, &r->hot->req);
	if (d->cls == WIRE_ANSWER)
		gate_ok(g);
	else if (d->cls != WIRE_UNSENT)
		g->probing = false;
	if (r->lane.state == LANE_LOOKING) {
		engine_look_answer(x, r, d);
		return;
	}
	switch (d->cls) {
	case WIRE_ANSWER:
		on_answer(x, r, &d->resp, now);
		break;
	case WIRE_UNSENT:
		r->not_before = engine_gate_fail(x, g, now);
		engine_step(x, r, LANE_EV_AGAIN, NULL);
		break;
	case WIRE_UNKNOWN:
		on_unknown(x, r, d->why, now);
		break;
	case WIRE_LOCAL:
		r->not_before = 0;
		engine_step(x, r, LANE_EV_REJECTED, &(struct said){ .why = d->why });
		break;
	}
}
