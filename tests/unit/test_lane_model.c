/* test_lane_model.c: every order of events against the shipped lane.c.
 *
 * One lane, three messages of which two have the same text, a target that lists. The world may, at every moment: apply a
 * request, apply it and lose the answer, lose it, let it linger and apply it later, throttle it, let its lists lag, kill the
 * process, have a person write in between, have somebody else write with our account. The client is lane.c plus the order in
 * which engine.c carries its actions out: write, commit, send. All reachable states are visited (breadth first, each once).
 *
 * What must hold: in no state is a message in the target twice or out of order; where the lane has ended, all are there;
 * nothing ever gets stuck; what cannot be decided ends in STOPPED. And so that the search is known to be able to fail: with
 * any one guard of the protocol taken away it must find a violation.
 */
#include "replay/lane.h"

#include "core/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { N_MSG = 3, MAX_TARGET = 8, MAX_LINGER = 5, PERSON = 8, ALIEN = 9 };

enum guard { /* what may be taken away */
	WITHOUT_NOTHING, WITHOUT_WRITE_AHEAD, WITHOUT_SETTLE, WITHOUT_READ_BACK, WITHOUT_UNKNOWN /* timeout = failure */,
	WITHOUT_SINGLE_FLIGHT, WITHOUT_DURABLE_INTENT, WITHOUT_ANCHOR /* nor asking what the ledger owns */,
};

struct setting {
	const char *name;
	enum guard without;
	enum settle settle;
	int text[N_MSG];
	int crashes, losses, persons, aliens, halts, max_resends;
	int steps;        /* requests per message; only the last one shows */
	int may_stop;     /* may the lane end in STOPPED? */
	int must_stop;    /* must some state be STOPPED? */
};

struct world {
	uint8_t target[MAX_TARGET], n_target, visible;
	uint8_t linger[MAX_LINGER], n_linger; /* requests still under way, sorted; may be applied or vanish */
	uint8_t crashes, losses, persons, aliens, halts;
	/* client */
	struct lane lane[2];
	uint8_t msg[2], step[2], flying[2];
	uint8_t synced[2];                     /* the commit of its intent has returned */
	uint8_t row[N_MSG], at[N_MSG];         /* the ledger as the process sees it: enum op_state-like; at: place in target + 1 */
	uint8_t disk_row[N_MSG], disk_at[N_MSG];
	uint8_t dirty;
};
enum { ABSENT, INTENT, UNKNOWN, DONE, REJECTED };

struct search {
	const struct setting *s;
	struct lane_limits limits;
	struct world *v;
	size_t n, cap;
	uint32_t *slots;
	size_t n_slots;
	const char *violation;
	size_t n_stopped, n_ended;
};

static void grow_slots(struct search *q)
{
	free(q->slots);
	q->n_slots = q->n_slots ? 2 * q->n_slots : 1 << 12;
	q->slots = xcalloc(q->n_slots, sizeof(*q->slots));
	for (size_t i = 0; i < q->n; i++) {
		size_t h = hash64(&q->v[i], sizeof(q->v[i]), 0) & (q->n_slots - 1);
		while (q->slots[h])
			h = (h + 1) & (q->n_slots - 1);
		q->slots[h] = (uint32_t)i + 1;
	}
}

static void visit(struct search *q, const struct world *w)
{
	if (2 * (q->n + 1) > q->n_slots)
		grow_slots(q);
	size_t h = hash64(w, sizeof(*w), 0) & (q->n_slots - 1);
	for (; q->slots[h]; h = (h + 1) & (q->n_slots - 1))
		if (!memcmp(&q->v[q->slots[h] - 1], w, sizeof(*w)))
			return;
	if (q->n == q->cap) {
		q->cap = q->cap ? 2 * q->cap : 1024;
		q->v = xrealloc(q->v, q->cap * sizeof(*q->v));
	}
	q->v[q->n++] = *w;
	q->slots[h] = (uint32_t)q->n;
}

/* ---- the target ---- */

static bool apply(const struct search *q, struct world *w, uint8_t m)
{
	if (m < N_MSG && q->s->settle == SETTLE_REPEAT) /* such a request has no second effect */
		for (uint8_t i = 0; i < w->n_target; i++)
			if (w->target[i] == m)
				return true;
	if (w->n_target == MAX_TARGET)
		return false;
	w->target[w->n_target++] = m;
	return true;
}

static bool add_linger(struct world *w, uint8_t m)
{
	if (w->n_linger == MAX_LINGER)
		return false;
	uint8_t i = w->n_linger++;
	for (; i > 0 && w->linger[i - 1] > m; i--)
		w->linger[i] = w->linger[i - 1];
	w->linger[i] = m;
	return true;
}

static void drop_linger(struct world *w, uint8_t i)
{
	memmove(&w->linger[i], &w->linger[i + 1], (size_t)(w->n_linger - i - 1));
	w->linger[--w->n_linger] = 0;
}

static const char *wrong(const struct search *q, const struct world *w)
{
	int last = -1, seen[N_MSG] = { 0 };
	for (uint8_t i = 0; i < w->n_target; i++) {
		if (w->target[i] >= N_MSG)
			continue;
		if (++seen[w->target[i]] > 1)
			return "twice";
		if (w->target[i] < last)
			return "out of order";
		last = w->target[i];
	}
	bool all_ended = true;
	for (int k = 0; k < (q->s->without == WITHOUT_SINGLE_FLIGHT ? 2 : 1); k++)
		all_ended = all_ended && w->lane[k].state == LANE_ENDED;
	for (int m = 0; all_ended && m < N_MSG; m++)
		if (!seen[m])
			return "lost";
	return NULL;
}

/* ---- the client: lane.c, and the order of engine.c ---- */

static void restart(struct world *w)
{
	for (int k = 0; k < 2; k++) {
		if (w->flying[k])
			add_linger(w, w->msg[k]);
		lane_init(&w->lane[k]);
		w->msg[k] = w->step[k] = w->flying[k] = w->synced[k] = 0;
	}
	memcpy(w->row, w->disk_row, sizeof(w->row));
	memcpy(w->at, w->disk_at, sizeof(w->at));
	w->dirty = 0;
}

static void commit(const struct search *q, struct world *w)
{
	for (int m = 0; m < N_MSG; m++) {
		if (q->s->without == WITHOUT_DURABLE_INTENT && w->row[m] == INTENT)
			continue; /* committed as far as the process can tell, gone when the power goes */
		w->disk_row[m] = w->row[m];
		w->disk_at[m] = w->at[m];
	}
	w->dirty = 0;
	for (int k = 0; k < 2; k++)
		if (w->lane[k].state == LANE_WRITING)
			w->synced[k] = 1;
}

static void set_row(struct world *w, int k, uint8_t to, uint8_t at)
{
	w->row[w->msg[k]] = to;
	w->at[w->msg[k]] = at;
	w->dirty = 1;
}

/* Gives lane k an event and carries the action out. found: place in the target + 1, for DO_DONE. */
static void event(const struct search *q, struct world *w, int k, enum lane_event ev, uint8_t found)
{
	enum lane_action what = lane_step(&w->lane[k], ev, q->s->settle, &q->limits);
	switch (what) {
	case LANE_DO_NOTHING: case LANE_DO_LOOK:
		break;
	case LANE_DO_INTENT:
		w->synced[k] = 0;
		if (q->s->without == WITHOUT_WRITE_AHEAD)
			w->synced[k] = 1; /* straight to sending */
		else
			set_row(w, k, INTENT, 0);
		break;
	case LANE_DO_SEND:
		w->flying[k] = 1;
		w->synced[k] = 0;
		break;
	case LANE_DO_DONE:
		set_row(w, k, DONE, found);
		w->step[k] = w->msg[k] = 0;
		break;
	case LANE_DO_REJECT: case LANE_DO_REFUSE:
		set_row(w, k, REJECTED, 0);
		break;
	case LANE_DO_UNKNOWN:
		set_row(w, k, UNKNOWN, 0);
		w->step[k] = 0;
		break;
	case LANE_DO_FORGET:
		set_row(w, k, ABSENT, 0);
		w->step[k] = 0;
		break;
	}
}

/* The stream: the first message in order that is not finished; with a window of two, that the other lane does not hold. */
static void ask_stream(const struct search *q, struct world *w, int k)
{
	for (uint8_t m = 0; m < N_MSG; m++) {
		if (w->row[m] == DONE)
			continue;
		bool other = q->s->without == WITHOUT_SINGLE_FLIGHT && w->lane[!k].state != LANE_NEXT &&
			w->lane[!k].state != LANE_ENDED && w->msg[!k] == m;
		if (other)
			continue;
		w->msg[k] = m;
		event(q, w, k, w->row[m] == ABSENT ? LANE_EV_OP : LANE_EV_OPEN, 0);
		return;
	}
	event(q, w, k, LANE_EV_END, 0);
}

static void look(const struct search *q, struct world *w, int k)
{
	event(q, w, k, LANE_EV_GRANTED, 0);
	if (q->s->without == WITHOUT_READ_BACK) {
		event(q, w, k, LANE_EV_ABSENT, 0);
		return;
	}
	uint8_t anchor = 0, found = 0;
	for (int m = 0; m < N_MSG; m++)
		if (w->row[m] == DONE && w->at[m] > anchor)
			anchor = w->at[m];
	struct lane_look acc = { 0 };
	for (uint8_t i = w->visible; i > 0 && !acc.over; i--) {
		uint8_t m = w->target[i - 1];
		bool blind = q->s->without == WITHOUT_ANCHOR;
		struct lane_row_seen r = { .after_anchor = i > anchor || blind, .match = MATCH_FOREIGN };
		for (int o = 0; o < N_MSG && !blind; o++)
			r.owned = r.owned || (w->row[o] == DONE && w->at[o] == i);
		if (m == ALIEN)
			r.match = MATCH_OTHER;
		else if (m < N_MSG)
			r.match = q->s->text[m] == q->s->text[w->msg[k]] ? MATCH_SAME : MATCH_OTHER;
		if (lane_look_row(&acc, &r))
			found = i;
	}
	event(q, w, k, lane_look_verdict(&acc), found);
}

/* ---- all moves of one state ---- */

static size_t moves;

static void move(struct search *q, const struct world *w)
{
	moves++;
	visit(q, w);
}

/* What can become of a request that is out. */
static void fly(struct search *q, const struct world *from, int k)
{
	struct world w = *from;
	bool last = w.step[k] + 1 == q->s->steps;
	enum lane_event lost = q->s->without == WITHOUT_UNKNOWN ? LANE_EV_AGAIN : LANE_EV_UNKNOWN;
	w.flying[k] = 0;
	struct world arrived = w;
	if (!last) { /* an invisible step succeeds */
		arrived.step[k]++;
		event(q, &arrived, k, LANE_EV_MORE, 0);
		move(q, &arrived);
	} else if (apply(q, &arrived, w.msg[k])) {
		uint8_t at = 0;
		for (uint8_t i = 0; i < arrived.n_target; i++)
			if (arrived.target[i] == w.msg[k])
				at = (uint8_t)(i + 1);
		struct world silent = arrived;
		event(q, &arrived, k, LANE_EV_DONE, at);
		move(q, &arrived);
		if (from->losses) {
			silent.losses--;
			event(q, &silent, k, lost, 0);
			move(q, &silent);
		}
	}
	struct world again = w; /* throttled, or it never left this machine */
	event(q, &again, k, LANE_EV_AGAIN, 0);
	move(q, &again);
	if (from->losses) {
		struct world gone = w;
		gone.losses--;
		struct world late = gone;
		event(q, &gone, k, lost, 0);
		move(q, &gone);
		if (last && add_linger(&late, w.msg[k])) {
			event(q, &late, k, lost, 0);
			move(q, &late);
		}
	}
}

static bool quiet(const struct world *w)
{
	return !w->n_linger && w->visible == w->n_target;
}

static void client_moves(struct search *q, const struct world *from)
{
	int n = q->s->without == WITHOUT_SINGLE_FLIGHT ? 2 : 1;
	if (from->dirty) {
		struct world w = *from;
		commit(q, &w);
		move(q, &w);
	}
	for (int k = 0; k < n; k++) {
		struct world w = *from;
		switch ((enum lane_state)w.lane[k].state) {
		case LANE_NEXT:
			ask_stream(q, &w, k);
			move(q, &w);
			break;
		case LANE_READY:
			event(q, &w, k, LANE_EV_GRANTED, 0);
			move(q, &w);
			break;
		case LANE_WRITING:
			if (w.synced[k]) {
				event(q, &w, k, LANE_EV_COMMITTED, 0);
				move(q, &w);
			}
			break;
		case LANE_FLYING:
			fly(q, from, k);
			break;
		case LANE_SETTLING:
			if (quiet(&w) || q->s->without == WITHOUT_SETTLE) {
				event(q, &w, k, LANE_EV_SETTLED, 0);
				move(q, &w);
			}
			break;
		case LANE_LOOK:
			look(q, &w, k);
			move(q, &w);
			break;
		case LANE_LOOKING: case LANE_PARKED: case LANE_ENDED: case LANE_STOPPED: case LANE_HALTED:
			break;
		}
	}
	enum lane_state st = (enum lane_state)from->lane[0].state;
	if (n == 1 && from->halts && st != LANE_WRITING && st != LANE_FLYING && st != LANE_ENDED) { /* ^C, and started again */
		struct world w = *from;
		w.halts--;
		event(q, &w, 0, LANE_EV_HALT, 0);
		commit(q, &w);
		restart(&w);
		move(q, &w);
	}
}

static void world_moves(struct search *q, const struct world *from)
{
	struct world w;
	if (from->visible < from->n_target) {
		w = *from;
		w.visible++;
		move(q, &w);
	}
	for (uint8_t i = 0; i < from->n_linger; i++) {
		w = *from;
		drop_linger(&w, i);
		move(q, &w);
		if (apply(q, &w, from->linger[i]))
			move(q, &w);
	}
	if (from->crashes) {
		w = *from;
		w.crashes--;
		restart(&w);
		move(q, &w);
	}
	w = *from;
	if (from->persons && apply(q, &w, PERSON)) {
		w.persons--;
		move(q, &w);
	}
	w = *from;
	if (from->aliens && apply(q, &w, ALIEN)) {
		w.aliens--;
		move(q, &w);
	}
}

static void search(const struct setting *s, struct search *q)
{
	*q = (struct search){ .s = s, .limits = { .max_resends = s->max_resends, .max_blind = 3 } };
	struct world first;
	memset(&first, 0, sizeof(first));
	first.crashes = (uint8_t)s->crashes;
	first.losses = (uint8_t)s->losses;
	first.persons = (uint8_t)s->persons;
	first.aliens = (uint8_t)s->aliens;
	first.halts = (uint8_t)s->halts;
	restart(&first);
	visit(q, &first);
	for (size_t i = 0; i < q->n && !q->violation; i++) {
		struct world w = q->v[i];
		q->violation = wrong(q, &w);
		if (q->violation)
			break;
		enum lane_state st = (enum lane_state)w.lane[0].state;
		q->n_stopped += st == LANE_STOPPED;
		q->n_ended += st == LANE_ENDED;
		if (st == LANE_STOPPED && !s->may_stop)
			q->violation = "stopped without need";
		moves = 0;
		client_moves(q, &w);
		world_moves(q, &w);
		if (!moves && st != LANE_ENDED && st != LANE_STOPPED)
			q->violation = "stuck";
	}
}

#define TWINS_FIRST { 1, 1, 2 }
#define TWINS_LAST { 1, 2, 2 }
#define TWINS_APART { 1, 2, 1 }

static void test_protocol_holds(void **state)
{
	(void)state;
	static const struct setting t[] = {
		{ "twins first", WITHOUT_NOTHING, SETTLE_LIST, TWINS_FIRST, 3, 4, 0, 0, 0, 9, 1, 0, 0 },
		{ "twins last", WITHOUT_NOTHING, SETTLE_LIST, TWINS_LAST, 3, 4, 0, 0, 0, 9, 1, 0, 0 },
		{ "twins apart", WITHOUT_NOTHING, SETTLE_LIST, TWINS_APART, 3, 4, 0, 0, 0, 9, 1, 0, 0 },
		{ "two requests each", WITHOUT_NOTHING, SETTLE_LIST, TWINS_FIRST, 2, 3, 0, 0, 0, 9, 2, 0, 0 },
		{ "stopped by hand", WITHOUT_NOTHING, SETTLE_LIST, TWINS_FIRST, 2, 2, 0, 0, 2, 9, 2, 0, 0 },
		{ "people write too", WITHOUT_NOTHING, SETTLE_LIST, TWINS_FIRST, 2, 2, 2, 0, 0, 9, 1, 0, 0 },
		{ "our account is used by others", WITHOUT_NOTHING, SETTLE_LIST, TWINS_FIRST, 2, 2, 0, 1, 0, 9, 1, 1, 1 },
		{ "few tries", WITHOUT_NOTHING, SETTLE_LIST, TWINS_FIRST, 2, 4, 0, 0, 0, 1, 1, 1, 1 },
		{ "repeatable", WITHOUT_NOTHING, SETTLE_REPEAT, TWINS_FIRST, 3, 4, 0, 0, 0, 9, 1, 0, 0 },
		{ "repeatable, two requests, stops", WITHOUT_NOTHING, SETTLE_REPEAT, TWINS_FIRST, 2, 3, 0, 0, 2, 9, 2, 0, 0 },
		{ "cannot be read back", WITHOUT_NOTHING, SETTLE_STOP, TWINS_FIRST, 3, 4, 0, 0, 1, 9, 1, 1, 1 },
	};
	size_t total = 0;
	clock_t began = clock();
	for (size_t i = 0; i < countof(t); i++) {
		struct search q;
		search(&t[i], &q);
		print_message("# %-34s %7zu states, %6zu ended, %6zu stopped%s%s\n", t[i].name, q.n, q.n_ended, q.n_stopped,
			q.violation ? ": " : "", q.violation ? q.violation : "");
		total += q.n;
		assert_null(q.violation);
		assert_true(q.n_ended > 0);
		assert_true(!t[i].must_stop || q.n_stopped > 0);
		free(q.v);
		free(q.slots);
	}
	print_message("# %zu states in %.2f s\n", total, (double)(clock() - began) / CLOCKS_PER_SEC);
}

static void test_each_guard_is_needed(void **state)
{
	(void)state;
	static const struct setting t[] = {
		{ "without write-ahead", WITHOUT_WRITE_AHEAD, SETTLE_LIST, TWINS_FIRST, 3, 4, 0, 0, 0, 9, 1, 0, 0 },
		{ "without the settle wait", WITHOUT_SETTLE, SETTLE_LIST, TWINS_FIRST, 3, 4, 0, 0, 0, 9, 1, 0, 0 },
		{ "without reading back", WITHOUT_READ_BACK, SETTLE_LIST, TWINS_FIRST, 3, 4, 0, 0, 0, 9, 1, 0, 0 },
		{ "a timeout taken for a failure", WITHOUT_UNKNOWN, SETTLE_LIST, TWINS_FIRST, 3, 4, 0, 0, 0, 9, 1, 0, 0 },
		{ "two open ops in a lane", WITHOUT_SINGLE_FLIGHT, SETTLE_LIST, TWINS_FIRST, 1, 2, 0, 0, 0, 9, 1, 1, 0 },
		{ "looking without an anchor", WITHOUT_ANCHOR, SETTLE_LIST, TWINS_FIRST, 3, 4, 0, 0, 0, 9, 1, 1, 0 },
		{ "intents that power loss undoes", WITHOUT_DURABLE_INTENT, SETTLE_LIST, TWINS_FIRST, 3, 4, 0, 0, 0, 9, 1, 0, 0 },
	};
	for (size_t i = 0; i < countof(t); i++) {
		struct search q;
		search(&t[i], &q);
		print_message("# %-34s %7zu states: %s\n", t[i].name, q.n, q.violation ? q.violation : "NOTHING FOUND");
		/* the harm must be in the target: "stuck" or "stopped" would not show what the guard is for */
		assert_non_null(q.violation);
		assert_true(streq(q.violation, "twice") || streq(q.violation, "out of order") || streq(q.violation, "lost"));
		free(q.v);
		free(q.slots);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_protocol_holds), cmocka_unit_test(test_each_guard_is_needed) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
