/* align.c: see align.h; words, samples of texts, clocks. Promises: memory bounded by the sample, time in proportion to it. Called by
 * spool_merge.c and the tests; pairs nothing (align_match.c). */
#include "replay/align.h"

#include "core/hash.h"

#include <stdlib.h>
#include <string.h>

enum {
	WINDOW_S = 150,         /* anchors of one clock lie within this: a minute of grain on both sides and some seconds */
	MODES_MAX = 16,
	SLACK_FINE_S = 3, ENOUGH = 20,
	SWITCH_COST = 15, OUT_COST = 10, /* Viterbi: a change of the clock must explain two anchors */
};

/* ---- words ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h ^= v + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
	h *= 0xff51afd7ed558ccdu;
	return h ^ h >> 32;
}

/* Length of what does not count at p: blanks, U+00A0, U+200B..200F, U+202A..202F, U+2060..2069, U+2009, U+FEFF, U+FE0F, signs of style. */
static size_t nothing(const unsigned char *p, size_t n)
{
	if (*p <= ' ' || *p == '*' || *p == '_' || *p == '~' || *p == '`' || *p == '>')
		return 1;
	if (n >= 2 && p[0] == 0xc2 && p[1] == 0xa0)
		return 2;
	if (n < 3)
		return 0;
	if (p[0] == 0xe2 && p[1] == 0x80 && ((p[2] >= 0x89 && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xaf)))
		return 3;
	if (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xa9)
		return 3;
	if (p[0] == 0xef && ((p[1] == 0xbb && p[2] == 0xbf) || (p[1] == 0xb8 && p[2] == 0x8f)))
		return 3;
	return 0;
}

void align_words_end(struct align_words *w)
{
	if (w->word)
		w->bag |= (uint64_t)1 << (w->word * 0x9e3779b97f4a7c15u >> 58);
	w->word = 0;
}

void align_words_mention(struct align_words *w)
{
	if (!w->mention) {
		w->lead = mix(w->h, '@');
		w->lead += !w->lead;
	}
	w->mention = true;
	w->h = mix(w->h, '@');
	w->h += !w->h;
}

void align_words_add(struct align_words *w, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	for (size_t i = 0, k; i < n; i++) {
		if ((k = nothing(p + i, n - i))) {
			if (k == 1)
				align_words_end(w);
			i += k - 1;
			continue;
		}
		if (p[i] == '@') {
			align_words_mention(w);
			for (k = i + 1; k < n && p[k] >= '0' && p[k] <= '9'; k++)
				;
			if (k - i > 7) /* a number that is nobody's contact */
				i = k - 1;
			continue;
		}
		w->h = mix(w->h, p[i]);
		w->h += !w->h;
		w->word = w->word * 31 + p[i] + 1;
		w->bytes++;
	}
}

/* ---- samples ---- */

static struct align_text *slot_of(const struct align_sample *s, uint64_t words)
{
	size_t k = (size_t)(words * 0x9e3779b97f4a7c15u >> 20) & (s->cap - 1);
	while (s->slots[k].words && s->slots[k].words != words)
		k = (k + 1) & (s->cap - 1);
	return &s->slots[k];
}

/* Another table of cap slots with the texts up to limit. */
static void rebuild(struct align_sample *s, size_t cap, uint64_t limit)
{
	struct align_sample old = *s;
	*s = (struct align_sample){ .slots = xcalloc(cap, sizeof(*s->slots)), .cap = cap, .limit = limit };
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].words && old.slots[i].words <= limit) {
			*slot_of(s, old.slots[i].words) = old.slots[i];
			s->n++;
		}
	free(old.slots);
}

void align_sample_add(struct align_sample *s, const struct align_text *t)
{
	if (!s->cap)
		rebuild(s, 1024, UINT64_MAX);
	if (t->words > s->limit)
		return;
	struct align_text *x = slot_of(s, t->words);
	if (x->words) {
		x->n += x->n < UINT32_MAX;
		return;
	}
	*x = *t;
	x->n = 1;
	if (++s->n * 2 <= s->cap)
		return;
	if (s->n < ALIGN_SAMPLE_MAX)
		rebuild(s, s->cap * 2, s->limit);
	while (s->n >= ALIGN_SAMPLE_MAX)
		rebuild(s, s->cap, s->limit / 2);
}

void align_sample_free(struct align_sample *s)
{
	free(s->slots);
	*s = (struct align_sample){ 0 };
}

static int by_time(const void *a, const void *b)
{
	const struct align_anchor *x = a, *y = b;
	if (x->ts_us != y->ts_us)
		return x->ts_us < y->ts_us ? -1 : 1;
	return x->apart_us < y->apart_us ? -1 : x->apart_us > y->apart_us;
}

static size_t once_between(const struct align_sample *s, uint64_t limit, int64_t from, int64_t to)
{
	size_t n = 0;
	for (size_t i = 0; i < s->cap; i++)
		n += s->slots[i].words && s->slots[i].words <= limit && s->slots[i].n == 1 && s->slots[i].ts_us >= from && s->slots[i].ts_us <= to;
	return n;
}

static void span_of(const struct align_sample *s, int64_t *from, int64_t *to)
{
	*from = INT64_MAX;
	*to = INT64_MIN;
	for (size_t i = 0; i < s->cap; i++)
		if (s->slots[i].words) {
			*from = s->slots[i].ts_us < *from ? s->slots[i].ts_us : *from;
			*to = s->slots[i].ts_us > *to ? s->slots[i].ts_us : *to;
		}
}

struct align_anchor *align_anchors(const struct align_sample *first, const struct align_sample *second, size_t *n, size_t *of_first, size_t *of_second)
{
	enum { DAY_US_HALF = 43200 };
	struct align_anchor *out = xcalloc(second->n + 1, sizeof(*out));
	*n = *of_first = *of_second = 0;
	if (!first->n || !second->n)
		return out;
	uint64_t limit = first->limit < second->limit ? first->limit : second->limit;
	for (size_t i = 0; i < second->cap; i++) {
		const struct align_text *b = &second->slots[i], *a;
		if (!b->words || b->words > limit || b->n != 1)
			continue;
		a = slot_of(first, b->words);
		if (a->words && a->n == 1)
			out[(*n)++] = (struct align_anchor){ .ts_us = b->ts_us, .apart_us = a->ts_us - b->ts_us, .first = a->author, .second = b->author,
			                                     .bytes = a->bytes, .coarse_first = a->coarse, .coarse_second = b->coarse };
	}
	qsort(out, *n, sizeof(*out), by_time);
	int64_t a0, a1, b0, b1;
	span_of(first, &a0, &a1);
	span_of(second, &b0, &b1);
	/* Clocks may be half a day apart; the edges of the overlap hold texts that only one of them has. */
	int64_t from = (a0 > b0 ? a0 : b0) - (int64_t)DAY_US_HALF * 1000000, to = (a1 < b1 ? a1 : b1) + (int64_t)DAY_US_HALF * 1000000;
	*of_first = once_between(first, limit, from, to);
	*of_second = once_between(second, limit, from, to);
	return out;
}

/* ---- clocks ---- */

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/* Where the differences gather: the centres of the densest windows. */
static size_t find_modes(const struct align_anchor *a, size_t n, int64_t out[MODES_MAX])
{
	int64_t *d = xcalloc(n, sizeof(*d));
	size_t found = 0, left = n;
	for (size_t i = 0; i < n; i++)
		d[i] = a[i].apart_us;
	qsort(d, n, sizeof(*d), by_value);
	while (found < MODES_MAX && left) {
		size_t best = 0, best_n = 0;
		for (size_t i = 0, j = 0; i < left; i++) {
			if (j < i)
				j = i;
			while (j < left && d[j] - d[i] <= (int64_t)WINDOW_S * 1000000)
				j++;
			if (j - i > best_n) {
				best = i;
				best_n = j - i;
			}
		}
		if (found && best_n < 2)
			break;
		out[found++] = d[best] + (d[best + best_n - 1] - d[best]) / 2;
		memmove(d + best, d + best + best_n, (left - best - best_n) * sizeof(*d));
		left -= best_n;
	}
	free(d);
	return found;
}

static int cost_of(const struct align_anchor *a, int64_t mode)
{
	int64_t off = llabs(a->apart_us - mode), half = (int64_t)WINDOW_S * 1000000 / 2 + 1000000;
	return off > half ? OUT_COST : 0;
}

/* The state of each anchor on the cheapest path: which mode the clocks were apart by. */
static void viterbi(const struct align_anchor *a, size_t n, const int64_t *modes, size_t k, uint8_t *path)
{
	uint8_t (*from)[MODES_MAX] = xcalloc(n, sizeof(*from));
	long cost[MODES_MAX] = { 0 }, now[MODES_MAX];
	for (size_t i = 0; i < n; i++) {
		size_t low = 0;
		for (size_t m = 1; m < k; m++)
			if (cost[m] < cost[low])
				low = m;
		for (size_t m = 0; m < k; m++) {
			bool change = i && cost[low] + SWITCH_COST < cost[m];
			from[i][m] = (uint8_t)(change ? low : m);
			now[m] = (change ? cost[low] + SWITCH_COST : cost[m]) + cost_of(&a[i], modes[m]);
		}
		memcpy(cost, now, k * sizeof(*cost));
	}
	size_t m = 0;
	for (size_t x = 1; x < k; x++)
		if (cost[x] < cost[m])
			m = x;
	for (size_t i = n; i-- > 0;) {
		path[i] = (uint8_t)m;
		m = from[i][m];
	}
	free(from);
}

static const int64_t one_s = 1000000, one_minute = 60ll * 1000000;

int64_t align_apart(int64_t a, bool coarse_a, int64_t b, bool coarse_b)
{
	int64_t d = b - a; /* of a minute and a moment: how long after the minute's beginning the moment is */
	if (coarse_a == coarse_b)
		return llabs(d);
	if (coarse_b)
		d = -d;
	return d < 0 ? -d : d > one_minute ? d - one_minute : 0;
}

/* The shift that explains the differences of a piece: each anchor bounds it, a whole minute by a minute. A round number of quarters
 * of an hour, which zones differ by, is taken where it lies within the bounds. */
static void settle(struct align_shift *s, const struct align_anchor *a, size_t n, int64_t to_us)
{
	const int64_t quarter = 900 * one_s;
	int64_t low = INT64_MIN, high = INT64_MAX, mode = s->shift_us;
	for (size_t i = 0; i < n; i++) {
		if (!a[i].fits || a[i].ts_us < s->from_us || a[i].ts_us >= to_us || llabs(a[i].apart_us - mode) > (int64_t)WINDOW_S * one_s)
			continue;
		int64_t from = a[i].apart_us - (a[i].coarse_second ? one_minute : 0), to = a[i].apart_us + (a[i].coarse_first ? one_minute : 0);
		low = from > low ? from : low;
		high = to < high ? to : high;
	}
	if (low == INT64_MIN)
		return;
	if (low > high) { /* the clocks were not quite constant */
		int64_t t = low;
		low = high;
		high = t;
	}
	int64_t mid = low + (high - low) / 2, round = (mid >= 0 ? mid + quarter / 2 : mid - quarter / 2) / quarter * quarter;
	s->shift_us = round >= low - 2 * one_s && round <= high + 2 * one_s ? round : mid;
	s->slack_us = s->n < ENOUGH ? SLACK_FINE_S * one_s : 0;
	s->coarse_us = 0;
	for (size_t i = 0; i < n; i++) {
		if (!a[i].fits || a[i].ts_us < s->from_us || a[i].ts_us >= to_us || llabs(a[i].apart_us - mode) > (int64_t)WINDOW_S * one_s)
			continue;
		int64_t off = align_apart(a[i].apart_us, a[i].coarse_first, s->shift_us, a[i].coarse_second);
		int64_t *worst = a[i].coarse_first && a[i].coarse_second ? &s->coarse_us : &s->slack_us;
		*worst = off > *worst ? off : *worst;
	}
	s->slack_us += one_s;
	s->coarse_us += one_s;
}

size_t align_shifts(struct align_anchor *a, size_t n, struct align_shift out[ALIGN_SHIFTS_MAX])
{
	int64_t modes[MODES_MAX], last_us = 0;
	size_t pieces = 0;
	if (!n)
		return 0;
	size_t k = find_modes(a, n, modes);
	uint8_t *path = xcalloc(n, 1);
	viterbi(a, n, modes, k, path);
	for (size_t i = 0; i < n; i++) {
		a[i].fits = cost_of(&a[i], modes[path[i]]) == 0;
		if (!a[i].fits)
			continue;
		bool same = pieces && i && out[pieces - 1].from_us != INT64_MAX && modes[path[i]] == out[pieces - 1].shift_us;
		if (!same) {
			if (pieces == ALIGN_SHIFTS_MAX)
				break;
			/* shift_us holds the mode until the piece is complete. */
			out[pieces] = (struct align_shift){ .from_us = pieces ? last_us + (a[i].ts_us - last_us) / 2 : INT64_MIN, .shift_us = modes[path[i]] };
			pieces++;
		}
		out[pieces - 1].n++;
		last_us = a[i].ts_us;
	}
	for (size_t p = 0; p < pieces; p++)
		settle(&out[p], a, n, p + 1 < pieces ? out[p + 1].from_us : INT64_MAX);
	free(path);
	return pieces;
}

const struct align_shift *align_shift_at(const struct align_shift *v, size_t n, int64_t ts_us)
{
	size_t i = 0;
	while (i + 1 < n && v[i + 1].from_us <= ts_us)
		i++;
	return &v[i];
}
