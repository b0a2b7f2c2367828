/* pacer.c: token buckets, one per class or per (class, scope), that learn from refusals.
 *
 * Promises: what is granted never exceeds the traits' rule in any window, with a small margin kept back so that two clocks
 * that tick differently do not disagree about the last request; a scope that was told 429 stays shut as long as it was told,
 * and is slower afterwards until successes have brought it back. Deterministic: no clock, no random source of its own.
 * Called by engine.c and session.c before every request and after every answer. It sends nothing and waits for nothing.
 */
#include "replay/pacer.h"

#include "core/base.h"
#include "core/hash.h"

#include <stdlib.h>
#include <string.h>

/* The margin: 1 % of the rates and at most half a request of the burst. Half a request of Pachca's 4/s is an eighth of a
 * second by which one request may travel faster than the one before it, and costs that eighth once per burst. */
static const double RATE_MARGIN = 0.99, BURST_MARGIN = 0.01, BURST_MARGIN_MAX = 0.5;
/* Who comes a few milliseconds late, because a commit was waited for, may make up for it with the next request; who was away
 * for longer may not. */
static const double LATE_S = 0.006;
static const double SLOWEST = 1.0 / 64, CREEP = 0.05, EPSILON = 1e-9;
/* A rate that was refused twice is not tried again for a while: below it, but not much. */
static const double STAY_BELOW = 0.97, FALL_TO = 0.85;
enum {
	CREEP_AFTER = 20,                     /* successes for one step back to the trait */
	BACKOFF_FIRST_S = 1, BACKOFF_MAX_S = 120,
	WAIT_MAX_S = 3600,                    /* a server that says "in a year" is asked again in an hour */
	TELLING = 10,                         /* requests after a refusal until the next one says something of the rate */
	SWEEP_FIRST = 256,
};
static const int64_t FORGET_SLOW_US = 600 * (int64_t)1000000; /* a lesson this old is learnt anew */

struct bucket {
	char *scope;          /* owned */
	uint64_t hash;
	enum req_class cls;
	double tokens, peak;  /* requests that may go now under the two rules, as of at_us */
	int64_t at_us;
	int64_t shut_us;      /* nothing before this moment */
	double slow;          /* 1 = the trait's rate */
	int successes;        /* since the last step of creeping back */
	int strikes;          /* refusals in a row */
	int lessons;          /* refusals lately, those of one moment counted once */
	int64_t lesson_us;    /* the last of them */
	double ceiling;       /* the lowest `slow` that was refused lately; of use from the second lesson on */
	uint32_t since;       /* requests since the last refusal */
	uint32_t used;        /* requests since it was last full */
	uint32_t heard;       /* the number of the class's lesson it has taken to heart */
};

/* What several scopes of a class have learnt, the others need not learn by themselves. */
struct lesson {
	uint32_t no;          /* grows with each */
	uint64_t who;         /* the last scope that learnt something */
	int scopes;
	double ceiling, burst;
	int64_t at_us;
};

struct pacer {
	struct lesson lesson[N_REQ_CLASS];
	struct rate rate[N_REQ_CLASS]; /* factor and margin included; per_s 0 = unlimited, peak_per_s 0 = no peak rule */
	struct bucket *v;
	size_t n, cap, sweep_at;
	uint32_t *slots;      /* index + 1; 0 = empty; linear probing; a power of two, more than half empty */
	size_t n_slots;
	uint64_t seed;
};

static double lesser(double a, double b)
{
	return a < b ? a : b;
}

static double greater(double a, double b)
{
	return a > b ? a : b;
}

struct pacer *pacer_new(const struct traits *t, double factor)
{
	struct pacer *p = xcalloc(1, sizeof(*p));
	if (!(factor > 0))
		factor = 1;
	for (int c = 0; c < N_REQ_CLASS; c++) {
		const struct rate *r = &t->rate[c];
		double burst = greater(1, r->burst * factor), keep = lesser(burst * BURST_MARGIN, BURST_MARGIN_MAX);
		p->rate[c] = (struct rate){ .per_scope = r->per_scope, .per_s = r->per_s * factor * RATE_MARGIN, .burst = greater(1, burst - keep),
		                            .peak_per_s = r->peak_per_s * factor * RATE_MARGIN };
	}
	p->sweep_at = SWEEP_FIRST;
	p->seed = 0x6d76636861740001;
	return p;
}

void pacer_free(struct pacer *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].scope);
	free(p->v);
	free(p->slots);
	free(p);
}

/* How many requests may be saved up, as far as is known by now. */
static double burst_of(const struct pacer *p, const struct bucket *b, int64_t now_us)
{
	const struct lesson *l = &p->lesson[b->cls];
	bool known = l->scopes > 1 && now_us - l->at_us <= FORGET_SLOW_US;
	return known ? lesser(p->rate[b->cls].burst, l->burst) : p->rate[b->cls].burst;
}

/* Takes over what other scopes have learnt. */
static void hear(const struct pacer *p, struct bucket *b, int64_t now_us)
{
	const struct lesson *l = &p->lesson[b->cls];
	if (b->heard == l->no || l->scopes < 2 || now_us - l->at_us > FORGET_SLOW_US)
		return;
	b->heard = l->no;
	if (l->ceiling < 1) {
		b->ceiling = b->lessons > 1 ? lesser(b->ceiling, l->ceiling) : l->ceiling;
		b->slow = lesser(b->slow, b->ceiling * STAY_BELOW);
		b->lessons = b->lessons > 2 ? b->lessons : 2;
		b->lesson_us = now_us;
	}
	b->tokens = lesser(b->tokens, greater(0, l->burst - (double)b->used));
}

/* Brings the bucket's two levels up to now. Time that went back (another caller's older stamp) changes nothing. */
static void refill(const struct pacer *p, struct bucket *b, int64_t now_us)
{
	const struct rate *r = &p->rate[b->cls];
	if (now_us <= b->at_us)
		return;
	double s = (double)(now_us - b->at_us) / 1e6;
	b->tokens += s * r->per_s * b->slow;
	double burst = burst_of(p, b, now_us);
	if (b->tokens >= burst) {
		b->tokens = burst;
		b->used = 0;
	}
	b->peak += s * r->peak_per_s * b->slow;
	if (b->peak > 1 + LATE_S * r->peak_per_s)
		b->peak = 1;
	b->at_us = now_us;
}

/* Does forgetting this bucket change nothing, or nothing that matters any more? */
static bool forgettable(const struct pacer *p, struct bucket *b, int64_t now_us)
{
	const struct rate *r = &p->rate[b->cls];
	if (b->shut_us > now_us)
		return false;
	bool idle = now_us - b->at_us > FORGET_SLOW_US; /* before refill moves it */
	refill(p, b, now_us);
	bool full = b->tokens >= burst_of(p, b, now_us) - EPSILON && (r->peak_per_s <= 0 || b->peak >= 1 - EPSILON);
	return full && ((b->slow >= 1 && b->strikes == 0) || idle);
}

static void reindex(struct pacer *p)
{
	size_t want = 64;
	while (want < p->n * 4)
		want *= 2;
	if (want != p->n_slots) {
		p->slots = xrealloc(p->slots, want * sizeof(*p->slots));
		p->n_slots = want;
	}
	memset(p->slots, 0, want * sizeof(*p->slots));
	for (size_t i = 0; i < p->n; i++) {
		size_t s = p->v[i].hash & (want - 1);
		while (p->slots[s])
			s = (s + 1) & (want - 1);
		p->slots[s] = (uint32_t)i + 1;
	}
}

/* Forgets every bucket that is as good as new. Runs when the number has doubled since the last time, so its cost is spread
 * over the insertions, and what is kept is at most twice the number of scopes in use. */
static void sweep(struct pacer *p, int64_t now_us)
{
	size_t kept = 0;
	for (size_t i = 0; i < p->n; i++) {
		if (forgettable(p, &p->v[i], now_us))
			free(p->v[i].scope);
		else
			p->v[kept++] = p->v[i];
	}
	p->n = kept;
	p->sweep_at = kept * 2 < SWEEP_FIRST ? SWEEP_FIRST : kept * 2;
	if (p->cap > p->sweep_at * 2) {
		p->cap = p->sweep_at;
		p->v = xrealloc(p->v, p->cap * sizeof(*p->v));
	}
	reindex(p);
}

static struct bucket *lookup(const struct pacer *p, enum req_class c, const char *scope, uint64_t h)
{
	if (!p->n_slots)
		return NULL;
	for (size_t s = h & (p->n_slots - 1); p->slots[s]; s = (s + 1) & (p->n_slots - 1)) {
		struct bucket *b = &p->v[p->slots[s] - 1];
		if (b->hash == h && b->cls == c && streq(b->scope, scope))
			return b;
	}
	return NULL;
}

/* The bucket of a request, made full when there is none. Valid until the next call. */
static struct bucket *bucket_of(struct pacer *p, enum req_class c, const char *scope, int64_t now_us)
{
	if (!p->rate[c].per_scope || !scope)
		scope = "";
	uint64_t h = hash64(scope, strlen(scope), (uint64_t)c);
	struct bucket *b = lookup(p, c, scope, h);
	if (b)
		return b;
	if (p->n >= p->sweep_at)
		sweep(p, now_us);
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 16;
		p->v = xrealloc(p->v, p->cap * sizeof(*p->v));
	}
	b = &p->v[p->n++];
	*b = (struct bucket){ .scope = xstrdup(scope), .hash = h, .cls = c, .tokens = p->rate[c].burst, .peak = 1, .at_us = now_us,
	                      .shut_us = INT64_MIN, .slow = 1 };
	if (p->n * 2 > p->n_slots) {
		reindex(p);
	} else {
		size_t s = h & (p->n_slots - 1);
		while (p->slots[s])
			s = (s + 1) & (p->n_slots - 1);
		p->slots[s] = (uint32_t)p->n;
	}
	return b;
}

/* When will this level have reached one request at this rate? */
static int64_t when(double level, double per_s, int64_t now_us)
{
	if (level >= 1 - EPSILON)
		return now_us;
	return now_us + (int64_t)((1 - level) / per_s * 1e6) + 1; /* rounded up: never a moment too early */
}

int64_t pacer_ask(struct pacer *p, enum req_class c, const char *scope, int64_t now_us)
{
	const struct rate *r = &p->rate[c];
	struct bucket *b = bucket_of(p, c, scope, now_us);
	refill(p, b, now_us);
	hear(p, b, now_us);
	int64_t at = b->shut_us > now_us ? b->shut_us : now_us;
	if (r->per_s > 0) {
		int64_t t = when(b->tokens, r->per_s * b->slow, now_us);
		at = t > at ? t : at;
	}
	if (r->peak_per_s > 0) {
		int64_t t = when(b->peak, r->peak_per_s * b->slow, now_us);
		at = t > at ? t : at;
	}
	if (at > now_us)
		return at;
	b->tokens -= 1;
	b->peak -= 1;
	b->used++;
	b->since++;
	return 0;
}

void pacer_return(struct pacer *p, enum req_class c, const char *scope, int64_t now_us)
{
	struct bucket *b = bucket_of(p, c, scope, now_us);
	refill(p, b, now_us);
	b->tokens = lesser(p->rate[c].burst, b->tokens + 1);
	b->peak = lesser(1, b->peak + 1);
}

void pacer_recall(struct pacer *p, enum req_class c, const char *scope, const int64_t *ago_us, size_t n, enum recall how, int64_t now_us)
{
	const struct rate *r = &p->rate[c];
	if (!n || r->per_s <= 0)
		return;
	struct bucket *b = bucket_of(p, c, scope, now_us);
	refill(p, b, now_us);
	double left = how == RECALL_REST ? 0 : r->burst;
	for (size_t i = 0; i < n; i++) {
		int64_t until = i + 1 < n ? ago_us[i + 1] : 0;
		left = greater(0, left - 1);
		if (ago_us[i] > until)
			left = lesser(r->burst, left + (double)(ago_us[i] - until) / 1e6 * r->per_s);
	}
	b->peak = lesser(b->peak, (double)ago_us[n - 1] / 1e6 * r->peak_per_s);
	b->tokens = greater(0, b->tokens - (r->burst - left)); /* others may have used it already: several lanes of one chat */
}

/* splitmix64 (public domain, Sebastiano Vigna): jitter that is the same in every run. */
static uint64_t next_random(struct pacer *p)
{
	uint64_t z = p->seed += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* One refusal: slower; and after a second one a rate that is not tried again. */
static void learn(struct pacer *p, struct bucket *b, int64_t now_us)
{
	struct lesson *l = &p->lesson[b->cls];
	if (now_us - b->lesson_us > FORGET_SLOW_US)
		b->lessons = 0;
	/* A refusal right after another says how empty the server's bucket is, not how fast it fills. */
	bool tells = b->lessons && b->since >= TELLING;
	if (!b->lessons)
		b->ceiling = 1;
	if (tells)
		b->ceiling = lesser(b->ceiling, b->slow);
	b->slow = greater(SLOWEST, tells ? b->ceiling * FALL_TO : b->strikes || !b->lessons ? b->slow / 2 : b->slow * FALL_TO);
	b->since = 0;
	b->lessons++;
	b->strikes++;
	b->lesson_us = now_us;
	if (!p->rate[b->cls].per_scope)
		return;
	if (!l->scopes || now_us - l->at_us > FORGET_SLOW_US)
		*l = (struct lesson){ .no = l->no, .ceiling = 1, .burst = p->rate[b->cls].burst };
	l->scopes += !l->scopes || l->who != b->hash;
	l->who = b->hash;
	l->at_us = now_us;
	double ceiling = tells ? b->ceiling : l->ceiling, burst = b->lessons == 1 && b->used > 1 ? (double)b->used - 1 : l->burst;
	if (ceiling < l->ceiling || burst < l->burst || l->scopes == 2)
		l->no++;
	l->ceiling = lesser(l->ceiling, ceiling);
	l->burst = greater(1, lesser(l->burst, burst));
}

void pacer_throttled(struct pacer *p, enum req_class c, const char *scope, int retry_after_s, int64_t now_us)
{
	struct bucket *b = bucket_of(p, c, scope, now_us);
	refill(p, b, now_us);
	/* Requests that were under way together are refused together: one lesson, not ten. */
	bool same = now_us < b->shut_us;
	if (!same)
		learn(p, b, now_us);
	b->successes = 0;
	b->tokens = lesser(b->tokens, 0); /* the server's bucket is empty, whatever ours says */
	int64_t wait_s = BACKOFF_FIRST_S;
	for (int i = 1; i < b->strikes && wait_s < BACKOFF_MAX_S; i++)
		wait_s *= 2;
	if (wait_s > BACKOFF_MAX_S)
		wait_s = BACKOFF_MAX_S;
	if (retry_after_s > wait_s)
		wait_s = retry_after_s;
	if (wait_s > WAIT_MAX_S)
		wait_s = WAIT_MAX_S;
	/* Up to 5 % and 50 ms more, so that scopes refused together do not come back together. */
	int64_t wait_us = wait_s * 1000000, jitter = (int64_t)(next_random(p) % (uint64_t)(wait_us / 20 + 50000));
	int64_t until = now_us + wait_us + jitter;
	if (until > b->shut_us)
		b->shut_us = until;
}

void pacer_ok(struct pacer *p, enum req_class c, const char *scope, int64_t now_us)
{
	struct bucket *b = bucket_of(p, c, scope, now_us);
	if (b->shut_us > now_us)
		return; /* sent before the refusal: says nothing about it */
	b->strikes = 0;
	if (b->slow >= 1 || ++b->successes < CREEP_AFTER)
		return;
	refill(p, b, now_us);
	b->successes = 0;
	bool taught = b->lessons > 1 && b->ceiling < 1 && now_us - b->lesson_us <= FORGET_SLOW_US;
	b->slow = lesser(taught ? greater(b->slow, b->ceiling * STAY_BELOW) : 1, b->slow + CREEP);
}

size_t pacer_scopes(const struct pacer *p)
{
	return p->n;
}

double pacer_bound_shared_s(const struct traits *t, enum req_class c, int64_t n, int tokens)
{
	const struct rate *r = &t->rate[c];
	double share = tokens > 1 ? (double)n / tokens : (double)n, burst = greater(1, r->burst), s = 0;
	if (share <= 1)
		return 0;
	/* The n-th request waits for both rules: one interval of the peak after each other, and a full bucket that refills. */
	if (r->peak_per_s > 0)
		s = (share - 1) / r->peak_per_s;
	if (r->per_s > 0)
		s = greater(s, (share - burst) / r->per_s);
	return s;
}

double pacer_bound_s(const struct traits *t, enum req_class c, int64_t n)
{
	return pacer_bound_shared_s(t, c, n, 1);
}
