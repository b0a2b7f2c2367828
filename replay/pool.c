/* pool.c: see pool.h. Promises: a token's limits are its own; one that is shut or refused again and again is left alone for a
 * while, longer each time, while the others go on. Pure but for its memory: time is passed in. Called by session.c and engine*.c. */
#include "replay/pool.h"

#include <stdlib.h>

enum {
	REST_S = 60, REST_MAX_S = 900,
	STORM = 64,       /* refusals in a row: as many as may be under way at once teach nothing about the token as a whole */
	STORM_REST_S = 30,
};

void pool_open(struct pool *p, const struct traits *t, double rate, size_t n)
{
	*p = (struct pool){ .n = n ? n : 1 };
	for (size_t i = 0; i < p->n; i++)
		p->bot[i].pacer = pacer_new(t, rate);
	p->admin.pacer = pacer_new(t, rate);
	table_init(&p->rooms);
	arena_init(&p->names);
}

static void free_pacers(struct pool *p)
{
	for (size_t i = 0; i < p->n; i++)
		pacer_free(p->bot[i].pacer);
	pacer_free(p->admin.pacer);
}

void pool_close(struct pool *p)
{
	free_pacers(p);
	table_release(&p->rooms);
	arena_release(&p->names);
	*p = (struct pool){ 0 };
}

void pool_rate(struct pool *p, const struct traits *t, double rate)
{
	free_pacers(p);
	for (size_t i = 0; i < p->n; i++)
		p->bot[i].pacer = pacer_new(t, rate);
	p->admin.pacer = pacer_new(t, rate);
}

void pool_swap(struct pool *p, int bot)
{
	if (bot <= 0 || (size_t)bot >= p->n)
		return;
	struct bot_state was = p->bot[0];
	p->bot[0] = p->bot[bot];
	p->bot[bot] = was;
}

static struct bot_state *state_of(struct pool *p, const struct http_req *r)
{
	if (r->auth == AUTH_ADMIN)
		return &p->admin;
	return &p->bot[r->bot > 0 && (size_t)r->bot < p->n ? r->bot : 0];
}

static const char *scope_of(const struct http_req *r)
{
	return r->scope ? r->scope : "";
}

static int64_t ask_one(struct bot_state *b, const struct http_req *r, int64_t now_us)
{
	/* The storage for files is not the token's: it goes on. */
	if (b->rest_until_us > now_us && r->auth != AUTH_NONE)
		return b->rest_until_us;
	return pacer_ask(b->pacer, r->rate, scope_of(r), now_us);
}

uint32_t pool_all(const struct pool *p)
{
	return p->n > 1 ? (1u << p->n) - 1 : 1;
}

/* The bots of the mask that have not been dropped, the first at any rate. */
static uint32_t usable(const struct pool *p, uint32_t mask)
{
	uint32_t v = 1;
	for (size_t i = 1; i < p->n; i++)
		if (!p->bot[i].out)
			v |= mask & 1u << i;
	return v;
}

int pool_pick(struct pool *p, const struct http_req *r, uint32_t mask, uint64_t key, enum pool_how how)
{
	/* By the key in equal shares, so that what goes into one chat does not all fall to one bot; but equal shares of few are
	 * uneven, and the first has other work: who is so many ahead of another is spared. */
	enum { AHEAD_MAX = 8 };
	size_t best = (size_t)(key % (p->n ? p->n : 1));
	mask = p->n < 2 ? 1 : usable(p, mask);
	best = mask >> best & 1 ? best : 0;
	if (how == POOL_EVENLY) {
		size_t least = 0;
		for (size_t i = 1; i < p->n; i++)
			if ((mask >> i & 1) && p->bot[i].given < p->bot[least].given)
				least = i;
		best = p->bot[best].given > p->bot[least].given + AHEAD_MAX ? least : best;
	}
	p->bot[best].given += r->rate == REQ_OTHER;
	return (int)best;
}

static int64_t ask_for(struct pool *p, struct http_req *r, uint32_t mask, int same, int64_t now_us)
{
	if (r->auth != AUTH_BOT || r->carrier == CARRY_FIRST || p->n < 2)
		return ask_one(state_of(p, r), r, now_us);
	mask = usable(p, mask);
	if (r->carrier == CARRY_SAME) {
		if (same < 0 || (size_t)same >= p->n || !(mask & 1u << same))
			same = 0;
		/* While that one rests another does it: a small risk is better than a long wait. */
		if (p->bot[same].rest_until_us <= now_us) {
			r->bot = same;
			return ask_one(&p->bot[same], r, now_us);
		}
	}
	int64_t soonest = INT64_MAX;
	for (size_t i = 0; i < p->n; i++) {
		size_t k = (p->turn + i) % p->n;
		if (!(mask & 1u << k))
			continue;
		int64_t at = ask_one(&p->bot[k], r, now_us);
		if (!at) {
			p->turn = (unsigned)(k + 1);
			r->bot = (int)k;
			return 0;
		}
		soonest = at < soonest ? at : soonest;
	}
	return soonest;
}

int64_t pool_ask(struct pool *p, struct http_req *r, uint32_t mask, int same, int64_t now_us)
{
	int64_t at = ask_for(p, r, mask, same, now_us);
	if (!at && r->auth == AUTH_BOT && r->rate == REQ_OTHER && r->carrier != CARRY_SAME) /* that one was counted when it was picked */
		state_of(p, r)->given++;
	return at;
}

void pool_recall(struct pool *p, const struct http_req *r, uint32_t mask, const int64_t *ago_us, size_t n, enum recall how,
                 int64_t now_us)
{
	enum { PART = 256 };
	int64_t part[PART];
	size_t bots = 0, k = 0;
	if (r->auth != AUTH_BOT)
		return;
	mask = p->n < 2 ? 1 : usable(p, mask);
	for (size_t i = 0; i < (p->n ? p->n : 1); i++)
		bots += mask >> i & 1;
	for (size_t i = 0; i < (p->n ? p->n : 1); i++) {
		size_t got = 0;
		if (!(mask >> i & 1))
			continue;
		for (size_t at = k++; at < n && got < PART; at += bots)
			part[got++] = ago_us[at];
		pacer_recall(p->bot[i].pacer, r->rate, scope_of(r), part, got, how, now_us);
	}
}

void pool_return(struct pool *p, const struct http_req *r, int64_t now_us)
{
	pacer_return(state_of(p, r)->pacer, r->rate, scope_of(r), now_us);
}

void pool_ok(struct pool *p, const struct http_req *r, int64_t now_us)
{
	struct bot_state *b = state_of(p, r);
	if (r->auth != AUTH_NONE && b->rest_until_us <= now_us)
		b->refused = b->rests = 0;
	pacer_ok(b->pacer, r->rate, scope_of(r), now_us);
}

static int64_t rest(struct bot_state *b, int64_t seconds, int64_t now_us)
{
	for (int i = 0; i < b->rests && seconds < REST_MAX_S; i++)
		seconds *= 2;
	seconds = seconds > REST_MAX_S ? REST_MAX_S : seconds;
	if (b->rest_until_us <= now_us) { /* what was under way together is one lesson */
		b->rests++;
		b->rest_until_us = now_us + seconds * 1000000;
	}
	b->refused = 0;
	return b->rest_until_us;
}

bool pool_throttled(struct pool *p, const struct http_req *r, int retry_after_s, int64_t now_us)
{
	struct bot_state *b = state_of(p, r);
	pacer_throttled(b->pacer, r->rate, scope_of(r), retry_after_s, now_us);
	if (r->auth == AUTH_NONE || ++b->refused < STORM || b->rest_until_us > now_us)
		return false;
	rest(b, STORM_REST_S, now_us);
	return true;
}

int64_t pool_rest(struct pool *p, const struct http_req *r, int retry_after_s, int64_t now_us)
{
	return rest(state_of(p, r), retry_after_s > REST_S ? retry_after_s : REST_S, now_us);
}

bool pool_drop(struct pool *p, const struct http_req *r)
{
	struct bot_state *b = state_of(p, r);
	if (r->auth != AUTH_BOT || b == &p->bot[0])
		return false;
	b->out = true;
	return true;
}

void pool_room_put(struct pool *p, const char *chat, uint32_t mask)
{
	if (p->n < 2)
		return; /* nothing to know */
	uint32_t *had = table_get(&p->rooms, chat);
	if (!had) {
		had = arena_new(&p->names, uint32_t);
		table_put(&p->rooms, arena_strdup(&p->names, chat), had);
	}
	*had = mask | 1;
}

uint32_t pool_room(const struct pool *p, const char *chat)
{
	const uint32_t *mask = p->n > 1 && chat ? table_get(&p->rooms, chat) : NULL;
	return mask ? *mask : 1;
}
