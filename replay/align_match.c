/* align_match.c: see align.h; which messages of two windows are the same. Promises: memory bounded by the windows, time in
 * proportion to the number of items but for floods of equal messages, which are cut into small groups. Called by spool_fold.c
 * and the tests; decides nothing about what is stored.
 *
 * Short words that somebody says again and again ("ok") are told apart by what the same person said around them: one sender's texts
 * come in one order on every phone. Between other people's messages they need not, as phones order what comes at once as it
 * comes; so those only decide where there is a choice, and where they speak against a pair it is called unclear.
 */
#include "replay/align.h"

#include "core/hash.h"

#include <stdlib.h>
#include <string.h>

enum { GROUP_MAX = 192 }; /* equal messages compared each with each; larger groups are paired in order */
static const int64_t one_s = 1000000, one_minute = 60ll * 1000000;

static uint64_t both(uint64_t a, uint64_t b)
{
	return hash64(&a, sizeof(a), b) | 1;
}

struct key { uint64_t key; uint32_t at; };

/* Where an item of the first copy stands among the pairs that are certain: between which items of the second. */
struct place { int32_t after, before; };

struct matching {
	struct align_item *a, *b;
	const struct align_rules *r;
	struct key *ka, *kb;
	int64_t slack_us, coarse_us, reach_us; /* reach: how far apart the numbers of a pair can be */
	bool strangers;         /* authors need not be known to be the same */
	bool alone;             /* only what comes once on both sides */
	struct place *own, *any; /* among the same person's texts, among everybody's; NULL: not known yet */
	uint8_t *back; long *rows; /* of the comparison each with each */
};

static int by_key(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int64_t apart(const struct align_item *a, const struct align_item *b)
{
	const bool ca = a->flags & ALIGN_COARSE, cb = b->flags & ALIGN_COARSE;
	int64_t d = align_apart(a->ts_us, ca, b->ts_us, cb), alt = align_apart(a->ts_us, ca, b->alt_us, cb);
	return d < alt ? d : alt;
}

static bool fits_place(const struct place *v, const struct matching *m, const struct align_item *a, const struct align_item *b)
{
	return !v || (v[a - m->a].after < (int32_t)(b - m->b) && (int32_t)(b - m->b) < v[a - m->a].before);
}

/* Do only their places tell them from others? */
static bool by_place(const struct align_item *a, const struct align_item *b)
{
	return (a->flags & b->flags & ALIGN_BRIEF) && ((a->flags | b->flags) & ALIGN_COARSE) && !((a->flags | b->flags) & ALIGN_MEDIA);
}

/* What the pairing keeps small: first how far apart, then whether another place, then how far apart the numbers are. */
static long cost(const struct matching *m, const struct align_item *a, const struct align_item *b)
{
	return (long)(apart(a, b) / 1000 * 1000 + (fits_place(m->any, m, a, b) ? 0 : 500) + llabs(a->ts_us - b->ts_us) / one_s % 500);
}

static bool may_pair(const struct matching *m, const struct align_item *a, const struct align_item *b)
{
	if (by_place(a, b) && !fits_place(m->own, m, a, b))
		return false;
	if (apart(a, b) > (a->flags & b->flags & ALIGN_COARSE ? m->coarse_us : m->slack_us))
		return false;
	if (!m->strangers || a->author == b->author)
		return true;
	return b->stranger && a->author && !(a->author < m->r->n_taken && m->r->taken[a->author]);
}

static void pair(struct matching *m, uint32_t ia, uint32_t ib)
{
	m->a[ia].pair = (int32_t)ib;
	m->b[ib].pair = (int32_t)ia;
}

/* Of two short lists the pairing in order with the most pairs and, among those, the least time between them. */
static void pair_best(struct matching *m, const struct key *ka, size_t na, const struct key *kb, size_t nb)
{
	enum { BOTH, SKIP_A, SKIP_B };
	const long one = 1l << 40;
	long *old = m->rows, *now = m->rows + GROUP_MAX + 1;
	memset(old, 0, (nb + 1) * sizeof(*old));
	for (size_t i = 1; i <= na; i++) {
		now[0] = 0;
		for (size_t j = 1; j <= nb; j++) {
			const struct align_item *a = &m->a[ka[i - 1].at], *b = &m->b[kb[j - 1].at];
			long best = old[j];
			uint8_t how = SKIP_A;
			if (now[j - 1] > best) {
				best = now[j - 1];
				how = SKIP_B;
			}
			if (may_pair(m, a, b)) {
				long d = old[j - 1] + one - cost(m, a, b);
				if (d >= best) {
					best = d;
					how = BOTH;
				}
			}
			now[j] = best;
			m->back[i * (GROUP_MAX + 1) + j] = how;
		}
		long *t = old;
		old = now;
		now = t;
	}
	for (size_t i = na, j = nb; i && j;) {
		switch (m->back[i * (GROUP_MAX + 1) + j]) {
		case BOTH: pair(m, ka[--i].at, kb[--j].at); break;
		case SKIP_A: i--; break;
		default: j--; break;
		}
	}
}

static void pair_in_order(struct matching *m, const struct key *ka, size_t na, const struct key *kb, size_t nb)
{
	for (size_t i = 0, j = 0; i < na && j < nb;) {
		const struct align_item *a = &m->a[ka[i].at], *b = &m->b[kb[j].at];
		if (may_pair(m, a, b))
			pair(m, ka[i++].at, kb[j++].at);
		else if (a->ts_us < b->ts_us)
			i++;
		else
			j++;
	}
}

/* Items with one key: cut where both copies are silent for longer than the slack. */
static void pair_group(struct matching *m, const struct key *ka, size_t na, const struct key *kb, size_t nb)
{
	size_t i = 0, j = 0;
	while (i < na && j < nb) {
		size_t i0 = i, j0 = j;
		int64_t last = INT64_MIN;
		for (;;) {
			int64_t ta = i < na ? m->a[ka[i].at].ts_us : INT64_MAX, tb = j < nb ? m->b[kb[j].at].ts_us : INT64_MAX, t = ta < tb ? ta : tb;
			bool alt = j < nb && m->b[kb[j].at].alt_us != m->b[kb[j].at].ts_us;
			if (t == INT64_MAX || (last != INT64_MIN && t - last > m->reach_us && !alt && !(j > j0 && m->b[kb[j - 1].at].alt_us != m->b[kb[j - 1].at].ts_us)))
				break;
			last = t;
			if (ta <= tb)
				i++;
			else
				j++;
		}
		if (i == i0 || j == j0 || (m->alone && (i - i0 > 1 || j - j0 > 1)))
			continue;
		if (i - i0 <= GROUP_MAX && j - j0 <= GROUP_MAX)
			pair_best(m, ka + i0, i - i0, kb + j0, j - j0);
		else
			pair_in_order(m, ka + i0, i - i0, kb + j0, j - j0);
	}
}

/* What is compared in one round, and when. Rounds go from what is certain to what is likely. */
enum round { ROUND_CERTAIN, ROUND_ALONE, ROUND_ID, ROUND_WORDS, ROUND_STRANGER, ROUND_MENTION, ROUND_MEDIA, ROUND_LATER, ROUND_NOTICE_WORDS, ROUND_NOTICE, ROUND_NOTICE_ANY, N_ROUNDS };

static uint64_t key_of(enum round round, const struct align_item *x)
{
	const bool notice = x->flags & ALIGN_NOTICE;
	switch (round) {
	case ROUND_CERTAIN: case ROUND_ID:
		return x->id;
	case ROUND_ALONE:
		return !(x->flags & (ALIGN_NOTICE | ALIGN_LATER | ALIGN_BRIEF)) && x->words && !x->stranger ? both(x->words, x->author) : 0;
	case ROUND_WORDS:
		return !notice && x->words && !x->stranger ? both(x->words, x->author) : 0;
	case ROUND_STRANGER:
		return !notice ? x->words : 0;
	case ROUND_MENTION:
		return !notice && !x->stranger && x->lead ? both(x->lead, x->author) : 0;
	case ROUND_MEDIA:
		return (x->flags & ALIGN_MEDIA) && !x->stranger ? (uint64_t)x->author + 1 : 0;
	case ROUND_LATER:
		return x->author && !x->stranger ? (uint64_t)x->author + 1 : 0;
	case ROUND_NOTICE_WORDS:
		return notice && x->words ? both(x->words, x->kind) : 0;
	case ROUND_NOTICE:
		return notice ? x->kind : 0;
	case ROUND_NOTICE_ANY:
		return notice ? 1 : 0;
	case N_ROUNDS:
		break;
	}
	return 0;
}

static size_t keys(enum round round, const struct align_item *v, size_t n, struct key *out)
{
	size_t k = 0;
	for (size_t i = 0; i < n; i++)
		if (v[i].pair < 0) {
			uint64_t key = key_of(round, &v[i]);
			if (key)
				out[k++] = (struct key){ key, (uint32_t)i };
		}
	qsort(out, k, sizeof(*out), by_key);
	return k;
}

/* May one text be the other, edited? Of a few words nobody can tell; of more, half of the shorter one's are left. */
static bool alike(const struct align_item *a, const struct align_item *b)
{
	enum { FEW = 4 };
	int n = __builtin_popcountll(a->bag), k = __builtin_popcountll(b->bag), least = n < k ? n : k;
	return least < FEW || __builtin_popcountll(a->bag & b->bag) * 2 >= least;
}

/* May the two be states of one message, of before and after it was edited or deleted? A place-holder stays one for ever. */
static bool may_differ(const struct matching *m, const struct align_item *a, const struct align_item *b)
{
	return a->ts_us >= m->r->open_us || ((a->flags | b->flags) & (ALIGN_LATER | ALIGN_CHANGED)) == ALIGN_LATER;
}

/* Of the last two rounds: one of the two must be of the sort the round is about. Where words are not the same, they must be alike, and
 * the place must agree: else a message that was edited or deleted would swallow another that only the other copy has. */
static bool fits_round(const struct matching *m, enum round round, const struct align_item *a, const struct align_item *b)
{
	if (round == ROUND_LATER)
		return ((a->flags | b->flags) & ALIGN_LATER) != 0 && !(a->flags & b->flags & ALIGN_NOTICE) && may_differ(m, a, b) &&
		       fits_place(m->any, m, a, b) && fits_place(m->own, m, a, b) && alike(a, b);
	return round != ROUND_NOTICE_ANY || !a->kind || !b->kind;
}

/* The rounds whose pairs depend on both items: nearest first, in the order of the second copy. */
static void pair_nearest(struct matching *m, enum round round, const struct key *ka, size_t na, const struct key *kb, size_t nb)
{
	size_t low = 0;
	for (size_t j = 0; j < nb; j++) {
		const struct align_item *b = &m->b[kb[j].at];
		int64_t from = (b->ts_us < b->alt_us ? b->ts_us : b->alt_us) - m->reach_us, to = (b->ts_us > b->alt_us ? b->ts_us : b->alt_us) + m->reach_us;
		const struct key *best = NULL;
		while (low < na && m->a[ka[low].at].ts_us < from)
			low++;
		for (size_t i = low; i < na && i < low + GROUP_MAX && m->a[ka[i].at].ts_us <= to; i++) {
			const struct align_item *a = &m->a[ka[i].at];
			if (a->pair < 0 && fits_round(m, round, a, b) && may_pair(m, a, b) && (!best || cost(m, a, b) < cost(m, &m->a[best->at], b)))
				best = &ka[i];
		}
		if (best)
			pair(m, best->at, kb[j].at);
	}
}

/* ---- places ---- */

/* The pairs by whose order others are judged; one that is out of order itself is none. before: of the same person (first copy's
 * number of it), or of anybody. */
struct witness { int32_t first, second, before, after /* in the list, or -1 */; };

static bool is_witness(const struct align_item *a)
{
	return a->pair >= 0 && !(a->flags & (ALIGN_NOTICE | ALIGN_LATER | ALIGN_BRIEF));
}

static bool in_order(const struct witness *v, const struct witness *x)
{
	return (x->before < 0 || v[x->before].second < x->second) && (x->after < 0 || x->second < v[x->after].second);
}

/* last: for each person (or for all of them: one) where the list was last left, -1 at first. */
static void link_witnesses(struct matching *m, struct witness *v, size_t n, int32_t *last, bool own)
{
	for (size_t i = 0; i < n; i++) {
		int32_t *l = &last[own ? m->a[v[i].first].author : 0];
		v[i].before = *l;
		v[i].after = -1;
		if (*l >= 0)
			v[*l].after = (int32_t)i;
		*l = (int32_t)i;
	}
}

static void find_places(struct matching *m, const struct witness *v, size_t n_v, size_t n, int32_t *last, size_t n_last, bool own)
{
	struct place *p = xcalloc(n, sizeof(*p));
	for (size_t i = 0; i < n_last; i++)
		last[i] = -1;
	for (size_t i = 0, k = 0; i < n; i++) {
		int32_t *l = &last[own ? m->a[i].author : 0];
		p[i].after = *l;
		if (k < n_v && (size_t)v[k].first == i) {
			if (in_order(v, &v[k]))
				*l = v[k].second;
			k++;
		}
	}
	for (size_t i = 0; i < n_last; i++)
		last[i] = INT32_MAX;
	for (size_t i = n, k = n_v; i-- > 0;) {
		int32_t *l = &last[own ? m->a[i].author : 0];
		p[i].before = *l;
		if (k && (size_t)v[k - 1].first == i) {
			k--;
			if (in_order(v, &v[k]))
				*l = v[k].second;
		}
	}
	*(own ? &m->own : &m->any) = p;
}

/* own: of the same person, without files, as these may be sent later than what was written after them. */
static void take_places(struct matching *m, size_t n, bool own)
{
	struct witness *v = xcalloc(n, sizeof(*v));
	size_t n_v = 0, people = 1;
	for (size_t i = 0; i < n; i++) {
		people = own && m->a[i].author >= people ? (size_t)m->a[i].author + 1 : people;
		if (is_witness(&m->a[i]) && !(own && (m->a[i].flags & ALIGN_MEDIA)))
			v[n_v++] = (struct witness){ .first = (int32_t)i, .second = m->a[i].pair };
	}
	int32_t *last = xcalloc(people, sizeof(*last));
	for (size_t i = 0; i < people; i++)
		last[i] = -1;
	link_witnesses(m, v, n_v, last, own);
	find_places(m, v, n_v, n, last, people, own);
	free(last);
	free(v);
}

/* For each item whether something without a pair stands between the same certain pairs as it: those by whose order it is judged. */
static bool *lonely(const struct align_item *v, size_t n, const bool *certain)
{
	bool *out = xcalloc(n, 1);
	for (size_t i = 0, from = 0; i <= n; i++) {
		if (i < n && !certain[i])
			continue;
		bool any = false;
		for (size_t k = from; k < i; k++)
			any |= v[k].pair < 0 && !(v[k].flags & ALIGN_NOTICE);
		for (size_t k = from; k < i; k++)
			out[k] = any;
		from = i + 1;
	}
	return out;
}

/* A pair of brief texts may be two messages where what others said speaks against it, and where each copy lacks something that the
 * other has between the same two certain messages: it may lack one of these two. */
static void find_unclear(struct matching *m, size_t n_first, size_t n_second)
{
	bool *certain_a = xcalloc(n_first, 1), *certain_b = xcalloc(n_second, 1);
	for (size_t i = 0; i < n_first; i++)
		if (is_witness(&m->a[i]))
			certain_a[i] = certain_b[m->a[i].pair] = true;
	bool *lonely_a = lonely(m->a, n_first, certain_a), *lonely_b = lonely(m->b, n_second, certain_b);
	for (size_t i = 0; i < n_first; i++) {
		struct align_item *a = &m->a[i];
		const struct align_item *b = a->pair >= 0 ? &m->b[a->pair] : NULL;
		a->unclear = b && by_place(a, b) && (!fits_place(m->any, m, a, b) || (lonely_a[i] && lonely_b[a->pair]));
	}
	free(certain_a);
	free(certain_b);
	free(lonely_a);
	free(lonely_b);
}

void align_match(struct align_item *first, size_t n_first, struct align_item *second, size_t n_second, const struct align_rules *r)
{
	for (size_t i = 0; i < n_first; i++) {
		first[i].pair = -1;
		first[i].unclear = false;
	}
	for (size_t i = 0; i < n_second; i++)
		second[i].pair = -1;
	if (!n_first || !n_second)
		return;
	struct matching m = { .a = first, .b = second, .r = r };
	m.ka = xcalloc(n_first, sizeof(*m.ka));
	m.kb = xcalloc(n_second, sizeof(*m.kb));
	m.back = xmalloc((size_t)(GROUP_MAX + 1) * (GROUP_MAX + 1));
	m.rows = xcalloc(2 * (GROUP_MAX + 1), sizeof(*m.rows));
	for (int x = 0; x < N_ROUNDS; x++) {
		enum round round = (enum round)x;
		if (round == (r->certain ? ROUND_ID : ROUND_CERTAIN))
			continue;
		size_t na = keys(round, first, n_first, m.ka), nb = keys(round, second, n_second, m.kb);
		bool notices = round >= ROUND_NOTICE_WORDS;
		m.strangers = round == ROUND_STRANGER;
		m.alone = round == ROUND_ALONE;
		bool wide = notices || round == ROUND_ID || round == ROUND_CERTAIN;
		m.slack_us = wide && r->notice_us > r->slack_us ? r->notice_us : r->slack_us;
		m.coarse_us = wide && r->notice_us > r->coarse_us ? r->notice_us : r->coarse_us;
		m.reach_us = (m.slack_us > m.coarse_us ? m.slack_us : m.coarse_us) + one_minute;
		for (size_t i = 0, j = 0; i < na && j < nb;) {
			uint64_t k = m.ka[i].key;
			if (k != m.kb[j].key) {
				*(k < m.kb[j].key ? &i : &j) += 1;
				continue;
			}
			size_t i0 = i, j0 = j;
			while (i < na && m.ka[i].key == k)
				i++;
			while (j < nb && m.kb[j].key == k)
				j++;
			if (round == ROUND_LATER || round == ROUND_NOTICE_ANY)
				pair_nearest(&m, round, m.ka + i0, i - i0, m.kb + j0, j - j0);
			else
				pair_group(&m, m.ka + i0, i - i0, m.kb + j0, j - j0);
		}
		if (round == ROUND_ALONE) {
			take_places(&m, n_first, true);
			take_places(&m, n_first, false);
		}
	}
	find_unclear(&m, n_first, n_second);
	free(m.own);
	free(m.any);
	free(m.ka);
	free(m.kb);
	free(m.back);
	free(m.rows);
}
