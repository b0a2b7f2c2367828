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
/* How many messages rule `rule` would have placed or tagged, and rule `by` has taken before it; by = TALLY_TAGGED: that it has tagged. */
enum { TALLY_TAGGED = -1 };
int64_t spool_seats_tally(struct spool *s, size_t rule, int by);
/* The conversations whose messages rules have sent into this one's chat. */
size_t spool_seats_guests(struct spool *s, int64_t host, struct arena *a, const int64_t **convs);
bool spool_seats_away(struct spool *s, int64_t conv); /* have rules sent any of its messages into another one's chat? */
/* What placed a message, if a rule did; asked of the message itself. */
enum pick_how { PICK_RULE, PICK_CARRY /* it followed one that a rule caught */, PICK_BACK /* it went before one, with files */ };
struct pick { int64_t host; const char *thread /* name, or NULL */; size_t rule; enum pick_how how; };
bool spool_seats_pick(struct spool *s, int64_t conv, int64_t ts_us, const char *id, struct arena *a, struct pick *out);

/* Making one, from a spool that is read as the source has it. */
struct seating;
struct spool_seat { int64_t host /* number of the conversation it sits in */, ts_us; const char *id; int64_t conv; const char *root; int64_t root_ts_us, root_conv; };
struct seating *seating_begin(struct spool *s, struct err *e);
void seating_drop(struct seating *g);
void seating_pick(struct seating *g, int64_t conv, int64_t ts_us, const char *id, const struct pick *p); /* the first holds */
bool seating_picked(struct seating *g, int64_t conv, int64_t ts_us, const char *id, struct arena *a, struct pick *out);
void seating_put(struct seating *g, const struct spool_seat *x);
void seating_title(struct seating *g, int64_t host, int64_t ts_us, const char *id, const char *text); /* the first message of a thread of ours */
/* Is covered; or (ours) one that the source does not have: without messages; or, from SEATING_MADE downwards, covered too. */
#define SEATING_MADE (-(INT64_C(1) << 40))
void seating_conv(struct seating *g, int64_t num, const struct conv *ours);
void seating_tally(struct seating *g, size_t rule, int by, int64_t n);
/* When all messages are seated: threads that hold the history of this one's chat, cut to so many messages each. */
bool seating_cut(struct seating *g, int64_t host, int64_t size, struct err *e);
/* Ends it whatever comes of it; true: it is in use. */
bool seating_finish(struct seating *g, const uint8_t key[DIGEST_BYTES], struct err *e);

#endif
