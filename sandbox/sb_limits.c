/* sb_limits.c: the vendor's rate limits, by server time: messages per (token, chat) 4 a second with bursts of 30 a second for 5
 * seconds, reading messages 10 a second, everything else 50 a second (the vendor's page on limits; "a token that goes on
 * may be restricted" is the vendor's, 200 requests and 60 seconds are assumed). Called by the API under the lock. */
#include "sandbox/sb.h"

#include <stdlib.h>
#include <string.h>

static const struct sb_rate vendor[N_SBC] = {
	[SBC_POST] = { 4, 150, 30 }, [SBC_READ] = { 10, 10, 0 }, [SBC_OTHER] = { 50, 50, 0 }, [SBC_BLOB] = { 0, 0, 0 },
};
enum { RESTRICT_AFTER = 200, RESTRICT_S = 60, FORGET_S = 10 };

/* "post=2/20/10,other=25/25": per second, burst, and at most so many within one second. */
bool sb_limits_set(struct sandbox *s, const char *rates, struct err *e)
{
	static const char *const names[] = { [SBC_POST] = "post=", [SBC_READ] = "read=", [SBC_OTHER] = "other=" };
	memcpy(s->rates, vendor, sizeof(s->rates));
	while (rates && *rates) {
		size_t c = 0;
		while (c < countof(names) && strncmp(rates, names[c], strlen(names[c])))
			c++;
		char *end = NULL;
		double v[3] = { 0, 0, 0 };
		bool ok = c < countof(names);
		const char *p = ok ? rates + strlen(names[c]) : rates;
		for (size_t i = 0; ok && i < countof(v); i++) {
			v[i] = strtod(p, &end);
			ok = end != p && v[i] > 0 && v[i] < 1e6;
			p = end;
			if (!ok || *p != '/')
				break;
			p++;
		}
		if (!ok || (*p && *p != ',') || v[1] < 1 || v[2] > countof(((struct sb_bucket *)0)->ring))
			return err_set(e, ERR_USAGE, "'%s' does not say limits; for example: post=2/20/10,read=5/5,other=25/25", rates);
		s->rates[c] = (struct sb_rate){ v[0], v[1], (int)v[2] };
		rates = *p ? p + 1 : p;
	}
	return true;
}

static size_t place(const struct sandbox *s, int64_t token, int64_t chat)
{
	const int64_t key[2] = { token, chat };
	size_t i = (size_t)hash64(key, sizeof key, 0) & (s->cap_lanes - 1);
	while (s->lanes[i] && (s->lanes[i]->token != token || s->lanes[i]->chat != chat))
		i = (i + 1) & (s->cap_lanes - 1);
	return i;
}

static struct sb_bucket *lane(struct sandbox *s, int64_t token, int64_t chat)
{
	if (s->n_lanes * 2 >= s->cap_lanes) {
		struct sb_bucket **old = s->lanes;
		size_t n = s->cap_lanes;
		s->cap_lanes = n ? n * 2 : 256;
		s->lanes = xcalloc(s->cap_lanes, sizeof *s->lanes);
		for (size_t i = 0; i < n; i++)
			if (old[i])
				s->lanes[place(s, old[i]->token, old[i]->chat)] = old[i];
		free(old);
	}
	size_t i = place(s, token, chat);
	if (!s->lanes[i]) {
		s->lanes[i] = xcalloc(1, sizeof **s->lanes);
		s->lanes[i]->token = token;
		s->lanes[i]->chat = chat;
		s->n_lanes++;
	}
	return s->lanes[i];
}

void sb_limits_release(struct sandbox *s)
{
	for (size_t i = 0; i < s->cap_lanes; i++)
		free(s->lanes[i]);
	free(s->lanes);
	s->lanes = NULL;
	s->n_lanes = s->cap_lanes = 0;
}

/* Takes one request out of the bucket. Returns 0, or the microseconds until one would fit. */
static int64_t take(struct sb_bucket *b, const struct sb_rate *rate, int64_t now)
{
	if (!b->last)
		b->level = rate->burst;
	else
		b->level += (double)(now - b->last) / 1e6 * rate->per_s;
	b->last = now;
	if (b->level > rate->burst)
		b->level = rate->burst;
	int64_t wait = 0;
	if (b->level < 1)
		wait = (int64_t)((1 - b->level) / rate->per_s * 1e6) + 1;
	if (rate->peak) {
		int64_t oldest = b->ring[(b->at + countof(b->ring) - (unsigned)rate->peak) % countof(b->ring)]; /* peak requests ago */
		if (oldest && now - oldest < 1000000 && oldest + 1000000 - now > wait)
			wait = oldest + 1000000 - now;
	}
	if (wait)
		return wait;
	b->level -= 1;
	if (rate->peak) {
		b->ring[b->at] = now;
		b->at = (b->at + 1) % (unsigned)countof(b->ring);
	}
	return 0;
}

void sb_throttle(struct sb_req *r, const char *retry_after)
{
	/* The vendor answers before the request reaches the method: a short text, not JSON (its page on errors). */
	r->n_errors = 0;
	buf_reset(&r->errors);
	buf_reset(&r->out);
	buf_adds(&r->out, "Retry later\n");
	r->type = "text/plain; charset=utf-8";
	r->status = 429;
	r->retry_after = retry_after;
}

bool sb_not_restricted(struct sb_req *r)
{
	struct sb_token *t = r->tok;
	if (!r->s->limits || r->replay || t->restricted_until <= r->s->now)
		return true;
	r->s->stats.restricted++;
	return sb_denied(r, 403, "token_restricted", "The token is restricted for ignoring Retry-After");
}

bool sb_limit(struct sb_req *r, enum sb_class cls, int64_t chat)
{
	struct sandbox *s = r->s;
	struct sb_token *t = r->tok;
	if (!s->limits || r->replay || !t || cls == SBC_BLOB)
		return true;
	struct sb_bucket *b = cls == SBC_READ ? &t->read : cls == SBC_OTHER ? &t->other : lane(s, t->id, chat);
	bool early = s->now < b->told;
	int64_t wait = take(b, &s->rates[cls], s->now);
	if (!wait)
		return true;
	if (early) {
		if (s->now - t->ignored_at > FORGET_S * INT64_C(1000000))
			t->ignored = 0;
		t->ignored_at = s->now;
		if (++t->ignored > RESTRICT_AFTER) {
			t->ignored = 0;
			t->restricted_until = s->now + RESTRICT_S * INT64_C(1000000);
		}
	}
	int64_t seconds = (wait + 999999) / 1000000;
	if (s->now + seconds * 1000000 > b->told)
		b->told = s->now + seconds * 1000000;
	s->stats.throttled++;
	sb_throttle(r, arena_fmt(&r->a, "%lld", (long long)seconds));
	return false;
}
