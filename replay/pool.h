/* pool.h: the bots that share the work: a pacer for each token, who is in which chat, who rests.
 *
 * Bot 0 is the first: it owns what is made. The others carry what any bot may (http_req.carrier). The order inside a lane is the
 * engine's: a lane has one request out at a time, whoever carries it, so it may change bots between any two.
 */
#ifndef MVCHAT_POOL_H
#define MVCHAT_POOL_H

#include "core/table.h"
#include "replay/pacer.h"

struct bot_state {
	struct pacer *pacer;
	int64_t rest_until_us;   /* mono: nothing goes with this token before */
	int rests;               /* in a row */
	int refused;             /* answers 429 in a row, whatever the scope */
	bool out;                /* for the rest of the run */
	int64_t given;           /* requests of REQ_OTHER that it has carried, or is to carry */
};
struct pool {
	struct bot_state bot[BOTS_MAX], admin;
	size_t n;                /* bots; 0 counts as 1 */
	unsigned turn;
	struct table rooms;      /* chat -> mask of the bots that are in it */
	struct arena names;
};

void pool_open(struct pool *p, const struct traits *t, double rate, size_t n);
void pool_close(struct pool *p);
void pool_rate(struct pool *p, const struct traits *t, double rate); /* pacers anew; 1.0 = the full rate */
void pool_swap(struct pool *p, int bot);                             /* this one becomes the first */

/* May this request go? 0: yes, its slot is taken and r->bot says with whose token; else the earliest moment to ask again.
 * mask: bots that may carry it (bit 0 = the first); same: the bot that a CARRY_SAME is for. */
int64_t pool_ask(struct pool *p, struct http_req *r, uint32_t mask, int same, int64_t now_us);
/* Which bot is the one for what belongs together under this key; asked once for each request. POOL_BY_KEY: told by the key alone, the same whenever it is asked.
 * POOL_EVENLY: whoever has had least to do, where the key's has had more; the caller remembers which it was. */
enum pool_how { POOL_BY_KEY, POOL_EVENLY };
int pool_pick(struct pool *p, const struct http_req *r, uint32_t mask, uint64_t key, enum pool_how how);
/* What earlier processes have sent in this request's scope (pacer_recall); by which of these bots is not known, so by all in turn. */
void pool_recall(struct pool *p, const struct http_req *r, uint32_t mask, const int64_t *ago_us, size_t n, enum recall how,
                 int64_t now_us);
void pool_return(struct pool *p, const struct http_req *r, int64_t now_us);
void pool_ok(struct pool *p, const struct http_req *r, int64_t now_us);
/* Returns true when so many refusals in a row have come that the whole token rests now. */
bool pool_throttled(struct pool *p, const struct http_req *r, int retry_after_s, int64_t now_us);
int64_t pool_rest(struct pool *p, const struct http_req *r, int retry_after_s, int64_t now_us); /* the token rests; until when */
/* This bot is of no more use in this run. false: it is the first or the administrator, without whom nothing goes. */
bool pool_drop(struct pool *p, const struct http_req *r);

uint32_t pool_all(const struct pool *p);
void pool_room_put(struct pool *p, const char *chat, uint32_t mask);
uint32_t pool_room(const struct pool *p, const char *chat); /* at least the first */

#endif
