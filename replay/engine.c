/* engine.c: the loop: lanes × pacer × wire × ledger.
 *
 * One tick: what was answered is written down, lanes that may go get their next intent, one commit makes all of it durable,
 * and only then the requests of those intents leave. So a request is never out without an intent on disk, and a tick costs
 * one sync however many lanes it serves.
 * Promises: order inside a lane, at most one open op per lane, nothing sent blindly twice; a lane that cannot go on stops
 * alone; whatever ends the run, the next one goes on from the ledger. Memory is bounded by the number of hot lanes.
 * Called by apply. Does not: print, decide what to write (stream), know HTTP or SQLite.
 */
#include "replay/engine.h"

#include "replay/engine_lanes.h"
#include "replay/voice.h"
#include "core/clock.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/step.h"
#include "core/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t SECOND_US = 1000000, TELL_EVERY_US = 100000, NEVER = INT64_MAX;
enum { MAX_RESENDS = 3, MAX_BLIND = 5, MAX_WAIT_S = 900 };

/* ---- telling ---- */

void engine_event(struct engine *x, const char *ev, const struct runner *r, const char *fmt, ...)
{
	char what[512];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(what))
		what[utf8_cut(what, sizeof(what) - 1)] = '\0';
	log_debug(ev, "%s: %s", r ? r->name : "-", what);
	if (x->a->event)
		x->a->event(x->a->ctx, ev, r ? r->name : "", what);
}

static const char *op_words(const struct op *op, char out[160])
{
	static const char *const names[] = { "?", "person", "chat", "upload", "message", "thread", "reaction", "pin", "members", "archiving",
		"edit", "deletion" };
	fmt_into(out, 160, "%s %s", names[op->key.kind <= OP_DELETE ? op->key.kind : 0], op->key.id);
	return out;
}

enum when { WHEN_DUE, WHEN_AT_END };
static void tell(struct engine *x, enum when when)
{
	int64_t now = clock_mono_us();
	if (!x->a->progress || (when == WHEN_DUE && x->told_us && now - x->told_us < TELL_EVERY_US))
		return;
	x->told_us = now;
	int64_t until = NEVER;
	for (size_t i = 0; i < x->n_active && until > now; i++)
		until = x->active[i]->not_before < until ? x->active[i]->not_before : until;
	if (x->closed_us > now)
		until = x->closed_us;
	struct engine_progress p = {
		.done = x->res->posted + x->res->edited + x->res->taken_back, .total = x->a->total,
		.ops_done = x->res->posted + x->res->edited + x->res->created + x->res->uploaded + x->res->taken_back + x->res->rejected,
		.lanes_open = x->n_active - x->n_uploads, .lanes_waiting = x->lanes.n - (x->n_active - x->n_uploads), .lanes_stopped = x->res->lanes_stopped,
		.in_flight = x->flying, .throttled = wire_throttled(x->s->wire) - x->throttled0,
		.wait_until_mono_us = !x->flying && until != NEVER && until > now ? until : 0, .began_mono_us = x->began_us,
	};
	x->a->progress(x->a->ctx, &p);
}

/* ---- stopping ---- */

void engine_halt(struct engine *x, const char *why)
{
	if (!x->halting)
		engine_event(x, "engine.halt", NULL, "%s", why);
	x->halting = true;
	x->res->stopped = true;
}

void engine_break(struct engine *x, const struct err *e)
{
	if (!x->broken)
		x->err = *e;
	x->broken = true;
	engine_halt(x, e->msg);
}

/* ---- what a step of a lane writes ---- */

static void count_done(struct engine *x, struct runner *r)
{
	switch (r->hot->op.op.key.kind) {
	case OP_POST:
		x->res->posted++;
		r->weight -= r->weight > 0 && r->weight != HURRY;
		break;
	case OP_EDIT:
		x->res->edited++;
		break;
	case OP_USER_CREATE: case OP_CHAT_CREATE: case OP_THREAD_OPEN:
		x->res->created++;
		break;
	case OP_UPLOAD:
		x->res->uploaded++;
		break;
	case OP_DELETE:
		x->res->taken_back += x->a->source || r->hot->op.op.undoes != OP_ARCHIVE; /* a chat opened for a while is nothing lost */
		r->weight -= r->weight > 0;
		break;
	case OP_REACT: case OP_PIN: case OP_MEMBERS: case OP_ARCHIVE:
		break;
	}
}

/* The op is recorded as done or refused: what gave it may move on. */
static void passed(struct engine *x, struct runner *r)
{
	const struct engine_source *src = x->a->source;
	if (src)
		src->passed(src->src, &r->pos, &r->hot->op);
	else if (!r->uploads)
		stream_passed(x->a->stream, &r->pos, &r->hot->op);
	engine_ahead_moved(r, &r->hot->op.op.key);
}

static void write_intent(struct engine *x, struct runner *r)
{
	const struct stream_op *o = &r->hot->op;
	ledger_intent(x->l, &o->op.key, r->num, o->src_fp, o->body_fp, o->loss, x->a->run, wire_now_us(x->s->wire, NULL));
	x->wrote |= WROTE_INTENT;
}

static void write_reject(struct engine *x, struct runner *r, const char *why)
{
	char words[160];
	ledger_reject(x->l, &r->hot->op.op.key, why);
	x->wrote |= WROTE_REJECT;
	x->res->rejected++;
	engine_event(x, "op.rejected", r, "%s: %s", op_words(&r->hot->op.op, words), why);
	passed(x, r);
}

/* The op begins again at its first step. */
static void rewind_op(struct hot *h)
{
	h->op.op.step = 0;
	h->op.op.carry = NULL;
	h->built = false;
}

static void housed(struct engine *x, struct runner *host);

/* Found, and refused as existing the only time it was asked for: somebody else has made it. */
static bool existed(struct engine *x, struct hot *h, enum lane_event ev)
{
	struct ledger_row row;
	return ev == LANE_EV_FOUND && h->op.op.key.kind == OP_USER_CREATE && ledger_get(x->l, &h->op.op.key, &h->arena, &row) && row.tries == 1 &&
	       row.why && !strncmp(row.why, WHY_EXISTED, sizeof(WHY_EXISTED) - 1);
}

void engine_step(struct engine *x, struct runner *r, enum lane_event ev, const struct said *said)
{
	static const struct said nothing = { NULL, NULL, NULL };
	struct hot *h = r->hot;
	char words[160];
	if (!said)
		said = &nothing;
	const char *why = said->why ? said->why : "no reason given";
	enum settle settle = ev == LANE_EV_OP || ev == LANE_EV_OPEN ? x->s->traits.settle[h->op.op.key.kind] : SETTLE_STOP;
	switch (lane_step(&r->lane, ev, settle, &x->limits)) {
	case LANE_DO_NOTHING: case LANE_DO_SEND: case LANE_DO_LOOK: /* sending is send_batch's, and after the commit */
		break;
	case LANE_DO_INTENT:
		write_intent(x, r);
		x->intents++;
		break;
	case LANE_DO_DONE:
		ledger_done(x->l, &h->op.op.key, said->id, existed(x, h, ev) ? LEDGER_EXISTED : said->id2);
		x->wrote |= WROTE_DONE;
		count_done(x, r);
		if (h->op.op.key.kind == OP_CHAT_CREATE && ev == LANE_EV_DONE) /* made with all bots in it */
			pool_room_put(&x->s->pool, said->id, pool_all(&x->s->pool));
		if (h->op.op.key.kind == OP_CHAT_CREATE)
			housed(x, r);
		if (ev == LANE_EV_FOUND) {
			x->res->adopted++;
			engine_event(x, "op.adopted", r, "%s had arrived", op_words(&h->op.op, words));
		}
		passed(x, r);
		break;
	case LANE_DO_REFUSE:
		write_intent(x, r);
		write_reject(x, r, why);
		break;
	case LANE_DO_REJECT:
		write_reject(x, r, why);
		break;
	case LANE_DO_UNKNOWN:
		if (h->op.state != OP_UNKNOWN || ev != LANE_EV_OPEN) { /* an older reason says more than "found open" */
			ledger_unknown(x->l, &h->op.op.key, why);
			x->wrote |= WROTE_UNKNOWN;
		}
		if (ev == LANE_EV_UNKNOWN)
			engine_event(x, "op.unknown", r, "%s: %s", op_words(&h->op.op, words),
			             strncmp(why, WHY_EXISTED, sizeof(WHY_EXISTED) - 1) ? why : why + sizeof(WHY_EXISTED) - 1);
		rewind_op(h);
		break;
	case LANE_DO_FORGET:
		ledger_unsent(x->l, &h->op.op.key);
		x->wrote |= WROTE_FORGET;
		if (ev != LANE_EV_AGAIN)
			rewind_op(h);
		break;
	}
	if (ev == LANE_EV_ABSENT && r->lane.state == LANE_READY) {
		x->res->resent++;
		engine_event(x, "op.resent", r, "%s had not arrived and is sent again", op_words(&h->op.op, words));
	}
	if (r->lane.state == LANE_STOPPED && !r->uploads) { /* else its lane tries once more, when it is there */
		static const char *const reasons[] = {
			[LANE_WHY_NONE] = "", [LANE_WHY_CLOSED] = "the target does not let us write here",
			[LANE_WHY_STRANGE] = "its outcome cannot be told from what the chat holds",
			[LANE_WHY_TRIES] = "sent several times, it never arrived", [LANE_WHY_BLIND] = "the target does not show the chat",
			[LANE_WHY_UNKNOWABLE] = "whether it arrived cannot be found out",
		};
		engine_event(x, "lane.stopped", r, "%s: %s (%s)", op_words(&h->op.op, words), reasons[r->lane.why], why);
	}
}

/* ---- lanes come and go ---- */

static void on_thread(void *ctx, const struct lane_spec *spec)
{
	void **both = ctx;
	struct engine *x = both[0];
	struct runner *chat = both[1], *r = lanes_add(&x->lanes, spec, chat);
	if (!r)
		return; /* announced twice */
	r->weight += chat->weight >= HURRY ? HURRY : 0;
	chat->threads_open++;
	lanes_wait(&x->lanes, r);
}

static bool on_lane(void *ctx, const struct lane_spec *spec)
{
	struct engine *x = ctx;
	struct runner *r = lanes_add(&x->lanes, spec, NULL);
	if (r) {
		if (x->a->small_first && spec->kind == LANE_CHAT && spec->weight <= x->a->small_first)
			r->weight += HURRY;
		if (spec->host)
			lanes_join(&x->lanes, r, spec->host);
		lanes_wait(&x->lanes, r);
		x->people_left += spec->kind == LANE_PERSON;
	}
	return true;
}

/* The chats into which others are merged: their own lanes belong to those companies. */
static void house(struct engine *x)
{
	struct buf name;
	buf_init(&name, 1 << 20);
	for (struct company_lanes *c = x->lanes.companies; c; c = c->next) {
		buf_reset(&name);
		buf_adds(&name, "c:");
		buf_adds(&name, c->host);
		struct runner *host = lanes_find(&x->lanes, name.p);
		if (host)
			lanes_join(&x->lanes, host, c->host);
	}
	buf_release(&name);
}

static struct heap *next_heap(struct engine *x)
{
	/* People are made beside the chats, which wait for them before their members join; or before anything else. */
	if (x->lanes.people.n && (x->a->people_first || x->n_active_people < HOT_PEOPLE_MAX))
		return &x->lanes.people;
	if (x->people_left && x->a->people_first)
		return NULL;
	struct runner *chat = heap_top(&x->lanes.chats), *thread = heap_top(&x->lanes.threads);
	if (!thread)
		return x->n_active_chats < HOT_CHATS_MAX ? &x->lanes.chats : NULL;
	bool take_chat = chat && chat->weight > thread->weight && x->n_active_chats < HOT_CHATS_MAX;
	return take_chat ? &x->lanes.chats : &x->lanes.threads;
}

static void activate(struct engine *x)
{
	while (x->n_active - x->n_uploads < HOT_MAX) {
		struct heap *h = next_heap(x);
		struct runner *r = h ? heap_pop(h) : NULL;
		if (!r)
			return;
		r->hot = x->n_spare ? x->spare[--x->n_spare] : xcalloc(1, sizeof(*r->hot));
		r->hot->arena.chunk = HOT_CHUNK;
		r->hot->refused_since = -1;
		x->n_active_chats += r->kind == LANE_CHAT;
		x->n_active_people += r->kind == LANE_PERSON;
		x->active[x->n_active++] = r;
	}
}

static void stopped(struct engine *x, const struct runner *r)
{
	x->res->lanes_stopped++;
	x->res->in_doubt += r->lane.row != LANE_ROW_NONE;
}


/* A chat that has nothing more to wait for goes on to its end. */
static void wake(struct engine *x, struct runner *chat)
{
	if (chat->threads_open || (x->people_left && !chat->unhoused) || chat->lane.state != LANE_PARKED || chat->later || x->halting)
		return;
	if (chat->company && chat->through && !chat->company->finish)
		return;
	chat->unhoused = false;
	lane_step(&chat->lane, LANE_EV_WAKE, SETTLE_STOP, &x->limits);
	if (chat->hot)
		return; /* parked in this very tick and still among the active ones */
	x->n_parked--;
	lanes_wait(&x->lanes, chat);
}

/* The chat of a company is made, or never will be. */
static void housed(struct engine *x, struct runner *host)
{
	for (size_t i = 0; host->company && i < host->company->n; i++)
		if (host->company->v[i]->unhoused)
			wake(x, host->company->v[i]);
}

/* Has the last lane of a company come to the end of its messages? Then all go on to the rest. */
static void company_through(struct engine *x, struct company_lanes *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!c->v[i]->through)
			return;
	if (c->finish || c->stopped)
		return;
	c->finish = true;
	for (size_t i = 0; i < c->n; i++)
		wake(x, c->v[i]);
}

static void thread_over(struct engine *x, struct runner *chat)
{
	chat->threads_open--;
	wake(x, chat);
}

static void people_over(struct engine *x)
{
	for (size_t i = 0; i < x->lanes.n_buckets; i++)
		for (struct runner *r = x->lanes.buckets[i]; r; r = r->chain)
			if (r->kind == LANE_CHAT)
				wake(x, r);
}

/* Takes a lane that has come to rest out of the active ones (its place in them is i). */
static void retire(struct engine *x, size_t i)
{
	struct runner *r = x->active[i];
	x->active[i] = x->active[--x->n_active];
	if (r->lane.state == LANE_HALTED && r->hot->op.op.key.kind == OP_UPLOAD && r->lane.row != LANE_ROW_NONE) {
		ledger_unsent(x->l, &r->hot->op.op.key);
		x->wrote |= WROTE_FORGET;
		r->lane.row = LANE_ROW_NONE;
	}
	if (r->uploads) {
		engine_ahead_over(x, r);
		return;
	}
	engine_ahead_leave(x, r);
	x->n_active_chats -= r->kind == LANE_CHAT;
	x->n_active_people -= r->kind == LANE_PERSON;
	arena_reset(&r->hot->arena);
	struct arena keep = r->hot->arena;
	*r->hot = (struct hot){ .arena = keep };
	x->spare[x->n_spare++] = r->hot;
	r->hot = NULL;
	enum lane_state st = (enum lane_state)r->lane.state;
	if (st == LANE_PARKED) {
		x->n_parked++;
		if (r->company)
			company_through(x, r->company);
		return;
	}
	struct company_lanes *company = r->company;
	if (company) {
		housed(x, r);
		lanes_leave(r);
		company->stopped |= st == LANE_STOPPED;
		company_through(x, company);
	}
	if (r->kind == LANE_PERSON && --x->people_left == 0)
		people_over(x);
	if (st == LANE_STOPPED)
		stopped(x, r);
	else if (st == LANE_HALTED)
		x->res->in_doubt += r->lane.row != LANE_ROW_NONE;
	if (r->parent && st == LANE_ENDED)
		thread_over(x, r->parent); /* of a thread that stopped the chat goes on waiting: nobody joins before it is in */
	if (r->kind == LANE_CHAT && r->threads_open)
		return; /* its threads point to it; it is freed with all the rest */
	lanes_drop(&x->lanes, r);
}

/* Nothing else is left: who waited for just that goes on. Those that wait for a thread that stopped go on waiting. */
static void wake_later(struct engine *x)
{
	for (size_t i = 0; i < x->lanes.n_buckets; i++)
		for (struct runner *r = x->lanes.buckets[i]; r; r = r->chain) {
			if (!r->later)
				continue;
			r->later = false;
			lane_step(&r->lane, LANE_EV_WAKE, SETTLE_STOP, &x->limits);
			x->n_parked--;
			lanes_wait(&x->lanes, r);
		}
	x->n_later = 0;
}

static void retire_all(struct engine *x)
{
	for (size_t i = 0; i < x->n_active;) {
		enum lane_state st = (enum lane_state)x->active[i]->lane.state;
		if (st == LANE_ENDED || st == LANE_STOPPED || st == LANE_HALTED || st == LANE_PARKED || (st == LANE_NEXT && x->active[i]->uploads))
			retire(x, i);
		else
			i++;
	}
}

/* ---- one tick ---- */

/* Chats announce threads faster than these can be written: they pause, so that what waits stays bounded. */
static bool crowded(const struct engine *x)
{
	return x->lanes.threads.n > THREADS_WAITING_MAX;
}

/* The ledger has an op open that the stream does not give back first: the source or the mapping no longer knows it. */
static bool orphaned(struct engine *x, struct runner *r, enum stream_got got)
{
	struct ledger_row row;
	struct hot *h = r->hot;
	if (r->num >= 0)
		return false;
	r->num = ledger_lane(x->l, r->name);
	if (r->num < 0 || !ledger_open_op(x->l, r->num, &x->scratch, &row))
		return false;
	const struct opkey *k = &h->op.op.key;
	if (got == STREAM_OP && k->conv == row.key.conv && k->ts_us == row.key.ts_us && k->kind == row.key.kind &&
	    k->part == row.key.part && streq(k->id, row.key.id) && (h->op.state == OP_INTENT || h->op.state == OP_UNKNOWN))
		return false;
	h->op = (struct stream_op){ .op = { .key = row.key }, .state = row.state };
	h->op.op.key.id = arena_strdup(&h->arena, row.key.id);
	lane_step(&r->lane, LANE_EV_OPEN, SETTLE_STOP, &x->limits);
	if (row.state == OP_INTENT) {
		ledger_unknown(x->l, &row.key, "in doubt, and no longer part of what is to be sent");
		x->wrote |= WROTE_UNKNOWN;
	}
	if (row.key.kind == OP_DELETE) {
		engine_event(x, "lane.stopped", r, "a rollback was cut short here: finish it first (mvchat rollback)");
		return true;
	}
	char words[160];
	engine_event(x, "lane.stopped", r, "%s is in doubt, and the archive or the mapping no longer has it", op_words(&h->op.op, words));
	return true;
}

static enum stream_got next_op(struct engine *x, struct runner *r, const struct lane_spec *spec, void **both, struct err *e)
{
	const struct engine_source *src = x->a->source;
	struct hot *h = r->hot;
	size_t open = r->threads_open + (r->kind == LANE_CHAT && x->people_left > 0); /* its end waits for them as for a thread */
	open += r->company && !r->company->finish; /* ... and for all that goes into the same chat */
	if (src)
		return src->next(src->src, spec, &r->pos, open, on_thread, both, &h->arena, &h->op, e);
	return stream_next(x->a->stream, spec, &r->pos, open, on_thread, both, &h->arena, &h->op, e);
}

static bool pull(struct engine *x, struct runner *r)
{
	struct hot *h = r->hot;
	struct lane_spec spec = { .kind = (enum lane_kind)r->kind, .name = r->name, .id = r->id, .root = r->root,
		.root_ts_us = r->root_ts_us, .weight = r->weight };
	void *both[2] = { x, r };
	struct err e = ERR_INIT;
	arena_reset(&h->arena);
	arena_reset(&x->scratch);
	h->built = h->looking = false;
	h->refused_since = -1;
	r->not_before = 0;
	enum stream_got got = next_op(x, r, &spec, both, &e);
	if (orphaned(x, r, got))
		return true; /* also when the stream failed over just this op */
	if (got == STREAM_ERROR) {
		engine_break(x, &e);
		return false;
	}
	switch (got) {
	case STREAM_OP:
		r->awaits = h->op.op.key.kind == OP_UPLOAD && engine_ahead_has(x, r, &h->op.op.key);
		if (r->awaits)
			break;
		if (h->op.state == OP_INTENT || h->op.state == OP_UNKNOWN) {
			r->not_before = x->began_us + x->settle_us; /* a monotonic clock: what the wall clock did meanwhile is no matter */
			engine_step(x, r, LANE_EV_OPEN, &(struct said){ .why = "found open: an earlier run ended before the answer" });
		} else {
			engine_step(x, r, LANE_EV_OP, NULL);
		}
		break;
	case STREAM_WAIT:
		r->unhoused = r->company && !r->company->finish && !stream_chat_target(x->a->stream, r->id, &x->scratch);
		r->through = r->company && !r->unhoused && !r->threads_open;
		lane_step(&r->lane, LANE_EV_WAIT, SETTLE_STOP, &x->limits);
		break;
	case STREAM_LATER:
		r->later = true;
		x->n_later++;
		lane_step(&r->lane, LANE_EV_WAIT, SETTLE_STOP, &x->limits);
		break;
	case STREAM_END:
		lane_step(&r->lane, LANE_EV_END, SETTLE_STOP, &x->limits);
		break;
	case STREAM_ERROR:
		break;
	}
	return true;
}

static bool may_pull(const struct engine *x, const struct runner *r)
{
	return r->lane.state == LANE_NEXT && !r->uploads && !r->awaits && !(r->kind == LANE_CHAT && crowded(x));
}

static bool pull_all(struct engine *x, int64_t now)
{
	for (size_t i = 0; i < x->n_active; i++) {
		struct runner *r = x->active[i];
		if (may_pull(x, r) && !pull(x, r))
			return false;
		if (r->lane.state == LANE_SETTLING && r->not_before <= now) {
			step("settled");
			r->not_before = 0;
			r->hot->looking = r->hot->built = false;
			engine_step(x, r, LANE_EV_SETTLED, &(struct said){ .why = "its outcome stayed unknown" });
		}
	}
	return true;
}

static int by_weight(const void *a, const void *b)
{
	const struct runner *x = *(struct runner *const *)a, *y = *(struct runner *const *)b;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	int c = strcmp(x->name, y->name);
	return c ? c : x->uploads - y->uploads; /* what is due before what is ahead */
}

/* Makes the request of a lane's current step. False: it has none (the op is refused or the look failed). */
static bool build(struct engine *x, struct runner *r)
{
	struct hot *h = r->hot;
	struct err e = ERR_INIT;
	if (h->built)
		return true;
	if (r->lane.state == LANE_LOOK) {
		if (engine_look_build(x, r, &e))
			return true;
		engine_step(x, r, LANE_EV_GRANTED, NULL);
		engine_look_blind(x, r, e.msg);
		return false;
	}
	if (h->op.op.key.kind == OP_POST)
		voice_fill(x->s->wire, &h->op.op, &h->arena);
	h->built = x->s->ex->build(x->s->target, &h->op.op, &h->arena, &h->req, &e);
	if (!h->built)
		engine_step(x, r, LANE_EV_UNFIT, &(struct said){ .why = e.msg });
	return h->built;
}

/* Which bots may write here: those that are in the chat. */
uint32_t engine_bots(struct engine *x, struct runner *r)
{
	struct runner *chat = r->parent ? r->parent : r;
	if (x->s->pool.n < 2 || x->a->source)
		return 1;
	if (!chat->bots) {
		const char *id = stream_chat_target(x->a->stream, chat->id, &x->scratch);
		if (!id)
			return 1;
		chat->bots = (uint16_t)pool_room(&x->s->pool, id);
	}
	return chat->bots;
}

static uint64_t record_key(const struct opkey *k)
{
	const int64_t num[2] = { k->conv, k->ts_us };
	return hash64(k->id ? k->id : "", k->id ? strlen(k->id) : 0, hash64(num, sizeof(num), 0));
}

/* The limits of a chat do not begin anew with this process: what the ledger says was sent there a moment ago counts. What lies in the
 * future nevertheless (nobody told the time) counts as just now. */
static void recall(struct engine *x, struct runner *r, int64_t now)
{
	enum { LATELY = 256 };
	const uint32_t kinds = 1u << OP_POST | 1u << OP_EDIT | 1u << OP_DELETE;
	const struct rate *rate = &x->s->traits.rate[REQ_POST];
	int64_t v[LATELY], ago[LATELY], from = wire_now_us(x->s->wire, NULL);
	r->recalled = true;
	if (rate->per_s <= 0 || !ledger_sent(x->l, r->num, kinds, v, 1))
		return;
	int64_t full = (int64_t)(rate->burst / rate->per_s * 1e6); /* after so long nothing of it is left */
	from = v[0] > from ? v[0] : from;
	if (from - v[0] >= full)
		return;
	size_t n = ledger_sent(x->l, r->num, kinds, v, LATELY), used = 1;
	while (used < n && v[used - 1] - v[used] < full)
		used++;
	for (size_t i = 0; i < used; i++)
		ago[i] = from > v[used - 1 - i] ? from - v[used - 1 - i] : 0;
	pool_recall(&x->s->pool, &r->hot->req, engine_bots(x, r), ago, used, used < LATELY ? RECALL_ALL : RECALL_REST, now);
}

/* One lane that could go: slot, then intent. */
static void grant(struct engine *x, struct runner *r, int64_t now)
{
	struct hot *h = r->hot;
	if (engine_full(x, r) || !build(x, r) || engine_full(x, r))
		return;
	if (!r->recalled && h->req.rate == REQ_POST)
		recall(x, r, now);
	struct gate *g = engine_gate(x, &h->req);
	bool was_probing = g->probing;
	int64_t at = engine_gate_ask(g, now);
	if (!at) {
		at = pool_ask(&x->s->pool, &h->req, engine_bots(x, r), record_key(&h->op.op.key), now);
		if (at)
			g->probing = was_probing;
		if (at - now > x->max_wait_us)
			engine_halt(x, "the target asks us to wait longer than we are allowed to");
	}
	r->not_before = at;
	if (at)
		return;
	engine_step(x, r, LANE_EV_GRANTED, NULL);
	engine_blob_out(x, r);
	x->batch[x->n_batch++] = r;
}

/* Would its next request begin one op more than was asked for? */
static bool enough(const struct engine *x, const struct runner *r)
{
	return x->a->max_ops && x->intents >= x->a->max_ops && r->lane.state == LANE_READY && !r->lane.mid;
}

static bool half_done(const struct engine *x)
{
	for (size_t i = 0; i < x->n_active; i++)
		if (x->active[i]->lane.mid)
			return true;
	return false;
}

static void grant_all(struct engine *x, int64_t now)
{
	struct runner *may[HOT_MAX + UPLOADS_MAX];
	size_t n = 0;
	if (x->halting || x->closed_us > now)
		return;
	for (size_t i = 0; i < x->n_active; i++) {
		struct runner *r = x->active[i];
		if (r->company && lanes_must_wait(r)) {
			if (r->company->stopped)
				engine_step(x, r, LANE_EV_HALT, NULL);
			continue;
		}
		if ((r->lane.state == LANE_READY || r->lane.state == LANE_LOOK) && r->not_before <= now)
			may[n++] = r;
	}
	qsort(may, n, sizeof(may[0]), by_weight); /* what takes longest goes first: the schedule is as long as the longest lane */
	bool over = false;
	for (size_t i = 0; i < n && !x->halting; i++) {
		if (enough(x, may[i]))
			over = true;
		else
			grant(x, may[i], now);
	}
	if (over && !x->flying && !x->n_batch && !half_done(x))
		engine_halt(x, "the number of writes asked for is reached");
}

static bool commit(struct engine *x)
{
	static const struct { uint32_t bit; const char *step; } names[] = {
		{ WROTE_DONE, "done-commit" }, { WROTE_REJECT, "reject-commit" }, { WROTE_UNKNOWN, "unknown-commit" },
		{ WROTE_FORGET, "unsent-commit" }, { WROTE_INTENT, "intent-commit" },
	};
	if (!x->wrote)
		return true; /* names at most: they can wait */
	if (!ledger_commit(x->l, &x->err)) {
		x->broken = true;
		return false;
	}
	for (size_t i = 0; i < countof(names); i++)
		if (x->wrote & names[i].bit)
			step(names[i].step);
	x->wrote = 0;
	ledger_begin(x->l);
	return true;
}

static void refused_to_send(struct engine *x, struct runner *r, struct err *e)
{
	struct hot *h = r->hot;
	pool_return(&x->s->pool, &h->req, clock_mono_us());
	engine_gate(x, &h->req)->probing = false;
	engine_blob_back(x, r, WIRE_LOCAL);
	if (r->lane.state == LANE_LOOKING) {
		engine_step(x, r, LANE_EV_AGAIN, NULL);
		engine_break(x, e);
	} else if (h->req.auth == AUTH_NONE) { /* an address the target handed out that we do not use: this op's matter */
		engine_step(x, r, LANE_EV_REJECTED, &(struct said){ .why = e->msg });
	} else {
		engine_step(x, r, LANE_EV_AGAIN, NULL);
		engine_break(x, e);
	}
}

static void send_batch(struct engine *x)
{
	for (size_t i = 0; i < x->n_batch; i++) {
		struct runner *r = x->batch[i];
		struct err e = ERR_INIT;
		if (r->lane.state == LANE_WRITING)
			engine_step(x, r, LANE_EV_COMMITTED, NULL);
		if (!wire_send(x->s->wire, &r->hot->req, r, &e)) {
			refused_to_send(x, r, &e);
			continue;
		}
		x->flying++;
		step(r->lane.state == LANE_LOOKING ? "look-sent" : "request-sent");
	}
	x->n_batch = 0;
}

static void halt_all(struct engine *x)
{
	for (size_t i = 0; i < x->n_active; i++) {
		struct runner *r = x->active[i];
		if (r->lane.state != LANE_FLYING && r->lane.state != LANE_LOOKING && r->lane.state != LANE_WRITING)
			engine_step(x, r, LANE_EV_HALT, NULL);
	}
}

/* ---- the loop ---- */

/* Until the first lane may go again, or something is answered. */
static void wait(struct engine *x)
{
	enum { ROWS = 64, GATHER_US = 5000, MANY = 16 };
	struct wire_done done[ROWS];
	int64_t now = clock_mono_us(), until = NEVER;
	bool others = x->a->max_ops && (x->flying || half_done(x)); /* what is begun is finished; then it halts */
	for (size_t i = 0; i < x->n_active; i++) {
		struct runner *r = x->active[i];
		bool timed = r->lane.state == LANE_READY || r->lane.state == LANE_LOOK || r->lane.state == LANE_SETTLING;
		if (may_pull(x, r))
			until = now;
		int64_t at = r->not_before > x->closed_us || r->lane.state == LANE_SETTLING ? r->not_before : x->closed_us;
		if (timed && ((r->company && lanes_must_wait(r)) || engine_full(x, r) || (others && enough(x, r))))
			continue;
		if (timed && !x->halting && at < until)
			until = at;
	}
	if (until == NEVER && !x->flying)
		return;
	/* Of many lanes each is due at another moment: those of the same few milliseconds share one commit. */
	if (until > now && until < NEVER - GATHER_US && x->n_active > MANY)
		until += GATHER_US - until % GATHER_US;
	if (until > x->ends_us && !x->halting)
		until = x->ends_us > now ? x->ends_us : now;
	if (!clock_is_virtual() && until > now + SECOND_US)
		until = now + SECOND_US; /* so that progress and ^C are seen */
	if (!x->flying) {
		if (until > now)
			clock_sleep_until_mono(until);
		return;
	}
	/* One commit is dear (it waits for the disk) and may hold many answers: once one has come, up to half of what is out is
	 * waited for, but not for long, so that a slow request holds nothing up. */
	size_t want = x->flying / 2, got = 0;
	do {
		size_t n = wire_poll(x->s->wire, until, done, ROWS);
		if (!n && got)
			break;
		for (size_t i = 0; i < n; i++)
			engine_answer(x, &done[i]);
		int64_t gather = clock_mono_us() + GATHER_US;
		if (!got && gather < until)
			until = gather; /* but who is due before goes when it is due */
		got += n;
	} while (got && got < want && x->flying && (clock_is_virtual() || clock_mono_us() < until));
}

/* Is it a time in which nothing may be sent? Said once each time one begins. */
static void look_at_hours(struct engine *x, int64_t now)
{
	if (!x->a->closed_until || x->closed_us > now)
		return;
	int64_t wall = clock_wall_us(), until = x->a->closed_until(x->a->hours, wall);
	if (!until)
		return;
	char when[32];
	clock_iso(until, when);
	x->closed_us = now + (until - wall);
	engine_event(x, "engine.quiet", NULL, "quiet until %s", when);
}

static bool loop(struct engine *x)
{
	for (;;) {
		int64_t now = clock_mono_us();
		if (x->a->stop && *x->a->stop)
			engine_halt(x, "asked to stop");
		if (now >= x->ends_us)
			engine_halt(x, "the time it was given is over");
		look_at_hours(x, now);
		if (!x->halting) {
			activate(x);
			if (pull_all(x, now)) {
				engine_ahead(x);
				grant_all(x, now);
			}
		}
		if (x->halting)
			halt_all(x); /* lanes granted a slot in this very tick are not at rest: they go and are waited for */
		if (!commit(x))
			return false;
		send_batch(x);
		retire_all(x);
		tell(x, WHEN_DUE);
		bool waiting = x->lanes.people.n || x->lanes.chats.n || x->lanes.threads.n;
		if (!x->n_active && !waiting && x->n_later && !x->halting) {
			wake_later(x);
			waiting = true;
		}
		if (!x->n_active && (x->halting || !waiting))
			return commit(x);
		wait(x);
	}
}

/* Chats that still wait for a thread that stopped: what comes after their history was not done. */
static void count_waiting(struct engine *x)
{
	for (size_t i = 0; i < x->lanes.n_buckets && !x->halting; i++)
		for (struct runner *r = x->lanes.buckets[i]; r; r = r->chain)
			if (r->lane.state == LANE_PARKED) {
				x->res->lanes_stopped++;
				engine_event(x, "lane.stopped", r, "waits for threads that stopped: what follows the history (people, archiving) is not done before they are in");
			}
}

bool engine_run(const struct engine_args *args, struct engine_result *out, struct err *e)
{
	struct engine *x = xcalloc(1, sizeof(*x));
	*out = (struct engine_result){ 0 };
	x->a = args;
	x->s = args->session;
	x->l = args->ledger;
	x->res = out;
	x->limits = (struct lane_limits){ .max_resends = args->max_tries > 0 ? args->max_tries : MAX_RESENDS, .max_blind = MAX_BLIND };
	x->began_us = clock_mono_us();
	x->ends_us = args->window_s > 0 ? x->began_us + args->window_s * SECOND_US : NEVER;
	x->settle_us = (args->settle_s >= 0 ? args->settle_s : x->s->traits.settle_s) * SECOND_US;
	x->max_wait_us = (args->max_wait_s > 0 ? args->max_wait_s : MAX_WAIT_S) * SECOND_US;
	x->requests0 = wire_requests(x->s->wire, false);
	x->writes0 = wire_requests(x->s->wire, true);
	x->throttled0 = wire_throttled(x->s->wire);
	arena_init(&x->scratch);
	lanes_init(&x->lanes);
	engine_ahead_init(x);
	ledger_begin(x->l);
	const char *const *bots = NULL;
	size_t n_bots = x->s->ex->other_bots ? x->s->ex->other_bots(x->s->target, &bots) : 0;
	ledger_know_bots(x->l, bots, n_bots); /* before the first intent, or with it */
	ledger_forget_uploads(x->l);
	const struct engine_source *src = args->source;
	x->files = !src && stream_has_files(args->stream);
	if (!(src ? src->lanes(src->src, on_lane, x, &x->err) : stream_lanes(args->stream, on_lane, x, &x->err)))
		x->broken = true;
	else if (house(x), loop(x))
		count_waiting(x);
	struct err last = ERR_INIT;
	bool in_tx = !x->wrote || !x->broken; /* a commit that failed has ended its transaction */
	if (in_tx && !ledger_commit(x->l, &last) && !x->broken) {
		x->err = last;
		x->broken = true;
	}
	tell(x, WHEN_AT_END);
	out->requests = wire_requests(x->s->wire, false) - x->requests0;
	out->writes = wire_requests(x->s->wire, true) - x->writes0;
	out->throttled = wire_throttled(x->s->wire) - x->throttled0;
	out->elapsed_us = clock_mono_us() - x->began_us;
	while (x->n_active) { /* only after a failed commit: requests may still be out */
		struct runner *r = x->active[--x->n_active];
		if (r->uploads)
			engine_ahead_over(x, r);
		else
			x->spare[x->n_spare++] = r->hot;
	}
	for (size_t i = 0; i < x->n_spare; i++) {
		arena_release(&x->spare[i]->arena);
		free(x->spare[i]);
	}
	lanes_release(&x->lanes);
	arena_release(&x->scratch);
	bool ok = !x->broken;
	if (!ok && e)
		*e = x->err;
	free(x);
	return ok;
}
