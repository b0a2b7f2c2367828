/* spool_seat.h: messages seated elsewhere than the source has them; see spool_seat.c. For arrange.c and spool.c. */
#ifndef MVCHAT_SPOOL_SEAT_H
#define MVCHAT_SPOOL_SEAT_H

#include "replay/spool.h"

/* The seating with this key is used from now on, when there is one: beside the spool, or in use already. */
bool spool_seats_use(struct spool *s, const uint8_t key[DIGEST_BYTES]);
void spool_seats_leave(struct spool *s);             /* everything is read as the source has it */
bool spool_seated(const struct spool *s, int64_t conv); /* is this conversation covered? */

/* The conversation as it is seated: threads counted, ours among the pins. How many messages a rule (by number) has placed. */
bool spool_seat_conv(struct spool *s, struct arena *a, struct spool_conv *c);
int64_t spool_seats_picked(struct spool *s, size_t rule);

/* Making one, from a spool that is read as the source has it. */
struct seating;
struct spool_seat { int64_t host /* number of the conversation it sits in */, ts_us; const char *id; int64_t conv; const char *root; int64_t root_ts_us; };
struct pick { int64_t host; const char *thread /* name, or NULL */; size_t rule; }; /* what a rule said of a message; the first holds */
struct seating *seating_begin(struct spool *s, struct err *e);
void seating_drop(struct seating *g);
void seating_pick(struct seating *g, int64_t conv, int64_t ts_us, const char *id, const struct pick *p);
bool seating_picked(struct seating *g, int64_t conv, int64_t ts_us, const char *id, struct arena *a, struct pick *out);
void seating_put(struct seating *g, const struct spool_seat *x);
void seating_title(struct seating *g, int64_t host, int64_t ts_us, const char *id, const char *text); /* the first message of a thread of ours */
void seating_conv(struct seating *g, int64_t num, const struct conv *live); /* is covered; or (live) one without messages that stands beside it */
/* Ends it whatever comes of it; true: it is in use. */
bool seating_finish(struct seating *g, const uint8_t key[DIGEST_BYTES], struct err *e);

#endif
