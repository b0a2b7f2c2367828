/* pacer.h: when may the next request go? Token buckets per class and per (class, scope), from the traits; learns from 429.
 *
 * Pure: time is passed in (monotonic microseconds). On a throttle the bucket concerned is shut for Retry-After (or an
 * exponential back-off with jitter from a fixed seed), its rate is halved and then creeps back to the trait's.
 * Memory: a scope's bucket exists only while it is not full.
 */
#ifndef MVCHAT_PACER_H
#define MVCHAT_PACER_H

#include "exporters/exporter.h"

struct pacer;
struct pacer *pacer_new(const struct traits *t, double factor /* 1.0 = the full rate; --rate slows down */);
void pacer_free(struct pacer *p);
/* 0 = now (and the slot is taken); else the earliest moment (mono us) to ask again; takes nothing. */
int64_t pacer_ask(struct pacer *p, enum req_class c, const char *scope, int64_t now_us);
/* Gives a slot back that was taken and not used. */
void pacer_return(struct pacer *p, enum req_class c, const char *scope, int64_t now_us);
/* What went before this pacer was made: n requests of this scope, so long ago, the oldest first. The bucket is then as it would be.
 * RECALL_REST: what went before them is not known either, and may have emptied it. */
enum recall { RECALL_ALL, RECALL_REST };
void pacer_recall(struct pacer *p, enum req_class c, const char *scope, const int64_t *ago_us, size_t n, enum recall how, int64_t now_us);
void pacer_throttled(struct pacer *p, enum req_class c, const char *scope, int retry_after_s, int64_t now_us);
void pacer_ok(struct pacer *p, enum req_class c, const char *scope, int64_t now_us);
size_t pacer_scopes(const struct pacer *p); /* buckets held now: what the memory is proportional to */
/* The least time n requests of this class take in one scope (seconds): the bound that plan and bench use. */
double pacer_bound_s(const struct traits *t, enum req_class c, int64_t n);
/* The same when the requests are spread over so many tokens. */
double pacer_bound_shared_s(const struct traits *t, enum req_class c, int64_t n, int tokens);

#endif
