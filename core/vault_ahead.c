/* vault_ahead.c: unpacks, on a second core, the entries of a zip that will be read next.
 *
 * Called by vault_inflate.c. Importers walk an archive's documents in the order of names; once some have been read one after
 * the other, the following ones are unpacked by a worker, a batch at a time: while one batch is read, the next one is made.
 * What an entry holds does not depend on who unpacks it, so nothing is ever different but the time it takes.
 *
 * Does not touch large entries and media; costs at most two batches of memory. A batch belongs to the worker from when it is given
 * until it has been waited for.
 */
#include "core/vault_int.h"
#include "core/worker.h"

#include <stdlib.h>
#include <string.h>

enum {
	BATCH = 24,                 /* entries */
	BATCH_BYTES = 512 * 1024,   /* unpacked; a batch ends with the entry that reaches it */
	ENTRY_MAX = 512 * 1024,     /* unpacked or packed bytes of an entry worth it */
	LOOK_MAX = 64,              /* entries passed over when looking for the next ones */
	WARM_UP = 8,                /* entries read one after the other before a thread is worth it */
};

struct batch {
	const struct vault *v;
	size_t n;
	struct { struct item it; struct whole *whole; bool good; } of[BATCH]; /* without their names */
	uint64_t number;            /* of the worker's job; 0: nothing given */
	size_t after;               /* the rank where the next batch begins */
};

struct ahead {
	struct worker *worker;
	struct unpacker *unpacker;  /* the worker's */
	bool tried;                 /* to have a worker */
	size_t expected;            /* rank of the entry that would be the next one in a row */
	size_t run;                 /* entries that have been read in a row */
	struct batch batch[2];
	int now;                    /* the batch that is being read */
};

static void fill(void *ctx, void *job)
{
	struct ahead *a = ctx;
	struct batch *b = job;
	for (size_t i = 0; i < b->n; i++)
		b->of[i].good = whole_fill(b->of[i].whole, a->unpacker, b->v, &b->of[i].it);
}

static bool is_worth_it(const struct item *it)
{
	const size_t n = strlen(it->pub.name);
	return n > 5 && streq(it->pub.name + n - 5, ".json") && !it->pub.encrypted && whole_fits(it) && it->pub.size <= ENTRY_MAX &&
	       it->pub.packed <= ENTRY_MAX;
}

/* Rank of the first entry from `from` on that would be read in such a walk, and that entry without its name; or how many there are. */
static size_t next_in_row(const struct vault *v, size_t from, struct item *it)
{
	const size_t n = vault_list_count(v->list);
	for (size_t i = from; i < n && i - from < LOOK_MAX; i++) {
		vault_list_get(v->list, i, it);
		const bool worth = is_worth_it(it);
		it->pub.name = it->raw = NULL; /* which the list takes back */
		if (worth)
			return i;
	}
	return n;
}

static void empty(struct vault *v, struct ahead *a, struct batch *b)
{
	worker_wait(a->worker, b->number);
	for (size_t i = 0; i < b->n; i++)
		if (b->of[i].whole)
			whole_give_back(v, b->of[i].whole);
	b->n = 0;
	b->number = 0;
}

static void begin(struct vault *v, struct ahead *a, struct batch *b, size_t from)
{
	int64_t bytes = 0;
	empty(v, a, b);
	b->v = v;
	b->after = from;
	const size_t n = vault_list_count(v->list);
	struct item it;
	for (size_t i = from; b->n < BATCH && bytes < BATCH_BYTES && (i = next_in_row(v, i, &it)) < n; i++) {
		b->of[b->n].it = it;
		b->of[b->n].whole = whole_take(v);
		b->n++;
		b->after = i + 1;
		bytes += it.pub.size + it.pub.packed;
	}
	if (b->n)
		b->number = worker_give(a->worker, b);
}

/* The entry out of this batch, or NULL when it is not in it or could not be unpacked. */
static struct whole *take_from(struct vault *v, struct ahead *a, struct batch *b, const struct item *it)
{
	for (size_t i = 0; i < b->n; i++) {
		struct whole *w = b->of[i].whole;
		if (b->of[i].it.rank != it->rank || !w)
			continue;
		worker_wait(a->worker, b->number);
		b->of[i].whole = NULL;
		if (b->of[i].good)
			return w;
		whole_give_back(v, w);
	}
	return NULL;
}

static bool is_in(const struct batch *b, const struct item *it)
{
	return b->n && it->rank >= b->of[0].it.rank && it->rank <= b->of[b->n - 1].it.rank;
}

struct whole *vault_ahead_take(struct vault *v, const struct item *it)
{
	const size_t at = it->rank;
	struct item next_one;
	struct ahead *a = v->ahead;
	if (!is_worth_it(it))
		return NULL;
	if (!a)
		a = v->ahead = xcalloc(1, sizeof(*a));
	if (at != a->expected) {
		/* Read again, or out of order: such things are rare in a walk, which goes on where it was. */
		const bool known = a->worker && (is_in(&a->batch[0], it) || is_in(&a->batch[1], it));
		if (!known) {
			a->run = 0;
			a->expected = next_in_row(v, at + 1, &next_one);
		}
		return known ? take_from(v, a, &a->batch[is_in(&a->batch[0], it) ? 0 : 1], it) : NULL;
	}
	a->expected = next_in_row(v, at + 1, &next_one);
	a->run++;
	if (!a->worker) {
		if (a->tried || a->run < WARM_UP)
			return NULL;
		a->tried = true;
		a->worker = worker_new(fill, a);
		if (!a->worker)
			return NULL;
		a->unpacker = unpacker_new();
	}
	struct batch *now = &a->batch[a->now], *next = &a->batch[!a->now];
	if (!is_in(now, it) && is_in(next, it)) { /* on to the next batch; the one behind us can be made anew */
		struct batch *behind = now;
		a->now = !a->now;
		begin(v, a, behind, next->after);
		return take_from(v, a, next, it);
	}
	if (!is_in(now, it)) {
		if (a->run >= WARM_UP) { /* a new row */
			begin(v, a, now, a->expected);
			begin(v, a, next, now->after);
		}
		return NULL;
	}
	return take_from(v, a, now, it);
}

void vault_ahead_close(struct vault *v)
{
	struct ahead *a = v->ahead;
	if (!a)
		return;
	for (size_t i = 0; a->worker && i < countof(a->batch); i++)
		empty(v, a, &a->batch[i]);
	worker_close(a->worker);
	unpacker_free(a->unpacker);
	free(a);
	v->ahead = NULL;
}
