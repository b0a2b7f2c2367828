/* align.h: which messages of two copies of one chat are the same: by words and times alone, where ids do not tell.
 *
 * Pure functions over small structs; no database, no text. replay/spool_merge.c feeds them. Two copies of a chat made by two
 * phones differ in: the clock (another time zone, a wrong clock, another rule of summer time), the grain of time (seconds or
 * minutes), the names of people, what is missing, and what was edited or deleted between the two exports. What does not differ
 * are the words and the order.
 *
 *  1. Anchors are texts that each copy has once. The difference of their times, as a function of time, is piecewise constant:
 *     align_shifts finds the pieces, and how much the differences vary within them, which then bounds what may be the same.
 *  2. align_match pairs the messages of a window, on one clock by then, each at most once.
 *
 * Everything is deterministic: same input, same output.
 */
#ifndef MVCHAT_ALIGN_H
#define MVCHAT_ALIGN_H

#include "core/base.h"

/* ---- a sample of texts: the same texts are in the samples of both copies, whatever else they hold ---- */

struct align_text { uint64_t words; int64_t ts_us; uint32_t author, bytes, n; bool coarse; }; /* n: how often it came */
struct align_sample { struct align_text *slots; size_t cap, n; uint64_t limit; };
enum { ALIGN_SAMPLE_MAX = 1 << 16 }; /* texts kept; beyond it those with the lowest hashes */
void align_sample_add(struct align_sample *s, const struct align_text *t); /* words: not 0 */
void align_sample_free(struct align_sample *s);

/* A text that both copies have once. */
struct align_anchor { int64_t ts_us /* in the second copy */, apart_us /* first minus second */; uint32_t first, second /* authors */, bytes; bool coarse_first, coarse_second, fits; };
/* Anchors in order of time; *of_first, *of_second: texts that come once in the time both cover, and could have been anchors.
 * The caller frees. */
struct align_anchor *align_anchors(const struct align_sample *first, const struct align_sample *second, size_t *n, size_t *of_first, size_t *of_second);

/* ---- clocks ---- */

/* From from_us on (in the second copy's time) the first copy's clock shows shift_us more. What is the same is then apart by at most
 * slack_us, where a whole minute stands for all of its seconds; and two whole minutes by at most coarse_us. */
struct align_shift { int64_t from_us, shift_us, slack_us, coarse_us; size_t n; };
enum { ALIGN_SHIFTS_MAX = 64 };
/* Marks the anchors that fit. Returns the number of pieces; 0 when there is no anchor. */
size_t align_shifts(struct align_anchor *a, size_t n, struct align_shift out[ALIGN_SHIFTS_MAX]);
/* How far two times are apart where a whole minute stands for any of its seconds; two minutes are compared as they are. */
int64_t align_apart(int64_t a, bool coarse_a, int64_t b, bool coarse_b);
const struct align_shift *align_shift_at(const struct align_shift *v, size_t n, int64_t ts_us);

/* ---- pairs ---- */

enum align_flag {
	ALIGN_MEDIA = 1 << 0,
	ALIGN_LATER = 1 << 1,   /* edited, deleted or still waited for: its words may differ from another copy's */
	ALIGN_NOTICE = 1 << 2,  /* the messenger's own words, in each phone's language */
	ALIGN_COARSE = 1 << 3,  /* whole minutes */
	ALIGN_CHANGED = 1 << 5, /* of those: edited or deleted, which its author can do for some days only */
	ALIGN_BRIEF = 1 << 4,   /* a few words, such as people say again and again: only their place tells them apart */
};
struct align_item {
	int64_t ts_us, alt_us;  /* on the first copy's clock; alt: near a change of the shift, the other possible time; else = ts_us */
	uint64_t id, words;     /* hashes; id 0: not comparable; words 0: none */
	uint64_t bag;           /* a bit for each of its words, by hash; 0: not known */
	uint64_t lead;          /* of the words before the first mention, which phones spell in their own way; 0 = no mention */
	uint32_t author;        /* number of the person, the same in both copies where known to be the same; 0 = nobody */
	uint32_t kind;          /* of a notice: hash of its kind; 0 = not known */
	uint32_t flags;         /* enum align_flag */
	bool stranger;          /* of the second copy: who the author is in the first is not known */
	int32_t pair;           /* out: index in the other copy, or -1 */
	bool unclear;           /* out, in the first copy: a brief text whose pair may be another message */
};
struct align_rules {
	int64_t slack_us, coarse_us; /* how far apart the same message may be; see struct align_shift */
	bool certain;           /* equal ids are equal messages; else they are so by words, time and number */
	int64_t open_us;        /* from here on one copy may not know yet what was edited or deleted in another */
	int64_t notice_us;      /* and a notice, whose times WhatsApp changes from export to export */
	const bool *taken;      /* by author number of the first copy: somebody of the second copy is known to be them */
	size_t n_taken;
};
/* Both sorted by ts_us. Fills .pair. */
void align_match(struct align_item *first, size_t n_first, struct align_item *second, size_t n_second, const struct align_rules *r);

/* The hash of a text as people see it: without blanks, marks of direction, signs of style and variation selectors, mentions as
 * "@". 0 for a text without anything else. *lead: see struct align_item. Adds spans one after the other. */
struct align_words { uint64_t h, lead, bag /* see struct align_item; the last word: align_words_end */; size_t bytes; bool mention; uint64_t word; };
void align_words_add(struct align_words *w, const char *s, size_t n);
void align_words_mention(struct align_words *w);
void align_words_end(struct align_words *w);

#endif
