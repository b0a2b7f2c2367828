/* engine_active.c: lanes come and go: which of those that wait get the memory to work, and what becomes of one that has come to rest.
 *
 * Promises: no more lanes at work than there is room for; people before the chats they join, where that was asked for; a chat goes on to
 * its end when its threads, its company and its people are in, and not before. Called by engine.c in each tick, and by engine_step.c
 * when a chat is made. Does not: write ops (but that an upload which never left is forgotten), or send.
 */
#include "replay/engine_lanes.h"

#include <stdlib.h>

void engine_thread_told(void *ctx, const struct lane_spec *spec)
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

bool engine_lane_told(void *ctx, const struct lane_spec *spec)
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
void engine_house(struct engine *x)
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

void engine_activate(struct engine *x)
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

void engine_housed(struct engine *x, struct runner *host)
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
		engine_housed(x, r);
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

/* Those that wait for a thread that stopped go on waiting. */
void engine_wake_later(struct engine *x)
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

void engine_retire_all(struct engine *x)
{
	for (size_t i = 0; i < x->n_active;) {
		enum lane_state st = (enum lane_state)x->active[i]->lane.state;
		if (st == LANE_ENDED || st == LANE_STOPPED || st == LANE_HALTED || st == LANE_PARKED || (st == LANE_NEXT && x->active[i]->uploads))
			retire(x, i);
		else
			i++;
	}
}
