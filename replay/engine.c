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
	engine_event(x, "lane.stopped", r, "%s is in doubt, and the archive or the mapping no longer has it", engine_op_words(&h->op.op, words));
	return true;
}

static enum stream_got next_op(struct engine *x, struct runner *r, const struct lane_spec *spec, void **both, struct err *e)
{
	const struct engine_source *src = x->a->source;
	struct hot *h = r->hot;
	size_t open = r->threads_open + (r->kind == LANE_CHAT && x->people_left > 0); /* its end waits for them as for a thread */
	open += r->company && !r->company->finish; /* ... and for all that goes into the same chat */
	if (src)
		return src->next(src->src, spec, &r->pos, open, engine_thread_told, both, &h->arena, &h->op, e);
	return stream_next(x->a->stream, spec, &r->pos, open, engine_thread_told, both, &h->arena, &h->op, e);
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
	h->same = h->by = -1;
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
		at = pool_ask(&x->s->pool, &h->req, engine_bots(x, r), engine_same_bot(x, r), now);
		if (at)
			g->probing = was_probing;
		if (at - now > x->max_wait_us)
			engine_halt(x, "the target asks us to wait longer than we are allowed to");
	}
	r->not_before = at;
	if (at)
		return;
	if (h->op.op.key.kind == OP_UPLOAD && h->req.auth == AUTH_BOT)
		h->by = h->req.bot;
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
			engine_activate(x);
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
		engine_retire_all(x);
		tell(x, WHEN_DUE);
		bool waiting = x->lanes.people.n || x->lanes.chats.n || x->lanes.threads.n;
		if (!x->n_active && !waiting && x->n_later && !x->halting) {
			engine_wake_later(x);
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
	if (!(src ? src->lanes(src->src, engine_lane_told, x, &x->err) : stream_lanes(args->stream, engine_lane_told, x, &x->err)))
		x->broken = true;
	else if (engine_house(x), loop(x))
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
