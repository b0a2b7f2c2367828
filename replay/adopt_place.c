/* adopt_place.c: what the target holds: people, chats, and the messages of one chat or thread that our accounts wrote, by what they say.
 *
 * Promises: one message of the target is taken once; of equal ones the oldest that is free. A chat that is closed to us is as good as
 * empty. Called by the other parts of adopting. Asks the target, writes no ops.
 */
#include "replay/adopt_in.h"

#include "core/clock.h"

#include <stdlib.h>

static struct seen copy_seen(struct arena *a, const struct seen *s)
{
	struct seen c = { .id = arena_strdup(a, s->id), .author = arena_strdup(a, s->author), .name = arena_strdup(a, s->name),
		.body = arena_strdup(a, s->body), .ts_us = s->ts_us, .is_public = s->is_public, .archived = s->archived, .suspended = s->suspended,
		.bot = s->bot, .personal = s->personal, .is_channel = s->is_channel };
	const char **ids = arena_array(a, s->n_ids + 1, const char *);
	for (size_t i = 0; i < s->n_ids; i++)
		ids[i] = arena_strdup(a, s->ids[i]);
	c.ids = ids;
	c.n_ids = s->n_ids;
	const char **tags = arena_array(a, s->n_tags + 1, const char *);
	for (size_t i = 0; i < s->n_tags; i++)
		tags[i] = arena_strdup(a, s->tags[i]);
	c.tags = tags;
	c.n_tags = s->n_tags;
	return c;
}

static void grow(struct seen **v, size_t n, size_t *cap)
{
	if (n < *cap)
		return;
	*cap = *cap ? 2 * *cap : 64;
	*v = xrealloc(*v, *cap * sizeof(**v));
}

static bool on_person(void *ctx, const struct seen *s)
{
	struct adopt *x = ctx;
	grow(&x->people, x->n_people, &x->cap_people);
	x->people[x->n_people++] = copy_seen(&x->arena, s);
	return !adopt_stopping(x);
}

static bool on_chat(void *ctx, const struct seen *s)
{
	struct adopt *x = ctx;
	grow(&x->chats, x->n_chats, &x->cap_chats);
	x->chats[x->n_chats++] = copy_seen(&x->arena, s);
	return !adopt_stopping(x);
}

const struct seen *adopt_chat_row(const struct adopt *x, const char *id)
{
	for (size_t i = 0; i < x->n_chats; i++)
		if (streq(x->chats[i].id, id))
			return &x->chats[i];
	return NULL;
}

struct listing { struct adopt *x; struct place_seen *p; };

static bool on_message(void *ctx, const struct seen *s)
{
	struct listing *q = ctx;
	struct adopt *x = q->x;
	struct place_seen *p = q->p;
	struct op any = { .key = { .kind = OP_POST, .id = "" }, .body = "", .label = "" };
	arena_reset(&x->one);
	/* A token may be missing that was given when it was sent: under a name of its own only a program writes. */
	bool foreign = x->ex->match(x->args->session->target, &any, s, &x->one) == MATCH_FOREIGN;
	if (foreign && !(x->ex->also_ours && *s->name && s->author && *s->author))
		return !adopt_stopping(x);
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 256;
		p->v = xrealloc(p->v, p->cap * sizeof(*p->v));
	}
	p->v[p->n] = (struct here){ x->ex->fingerprint_seen(s), p->n, arena_strdup(&x->conv, s->id), arena_strdup(&x->conv, s->thread),
		arena_strdup(&x->conv, s->thread_chat), foreign ? arena_strdup(&x->conv, s->author) : NULL, ledger_owns(x->l, OP_POST, s->id) };
	p->n++;
	return !adopt_stopping(x);
}

static int by_fp(const void *a, const void *b)
{
	const struct here *x = a, *y = b;
	if (x->fp != y->fp)
		return x->fp < y->fp ? -1 : 1;
	return x->no < y->no ? -1 : x->no > y->no;
}

bool adopt_place_read(struct adopt *x, const char *chat, struct place_seen *p)
{
	struct listing q = { x, p };
	struct err e = ERR_INIT;
	*p = (struct place_seen){ .read = true };
	table_init(&p->by_id);
	if (!session_list(x->args->session, LIST_MESSAGES, chat, OLDEST_FIRST, on_message, &q, &e)) {
		int st = x->args->session->last_status;
		if (st == 403 || st == 404 || st == 410)
			return p->closed = true; /* nothing of it can be adopted */
		if (x->err)
			*x->err = e;
		return false;
	}
	if (p->n)
		qsort(p->v, p->n, sizeof(*p->v), by_fp);
	for (size_t i = 0; i < p->n; i++)
		table_put(&p->by_id, p->v[i].id, &p->v[i]);
	return true;
}

void adopt_place_release(struct adopt *x, struct place_seen *p)
{
	for (size_t i = 0; i < p->n; i++)
		x->strangers += !p->v[i].taken && !p->v[i].author;
	if (p->read)
		table_release(&p->by_id);
	free(p->v);
	*p = (struct place_seen){ 0 };
}

struct here *adopt_place_find(struct place_seen *p, uint64_t fp)
{
	struct here *other = NULL;
	size_t lo = 0, hi = p->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (p->v[mid].fp < fp)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < p->n && p->v[lo].fp == fp; lo++) {
		if (!p->v[lo].taken && !p->v[lo].author)
			return &p->v[lo];
		if (!p->v[lo].taken && !other)
			other = &p->v[lo];
	}
	return other;
}

void adopt_learn(struct adopt *x, struct here *h)
{
	if (!h->author)
		return;
	struct op any = { .key = { .kind = OP_POST, .id = "" }, .body = "", .label = "" };
	struct seen s = { .id = h->id, .author = h->author, .name = "", .body = "" };
	if (x->ex->match(x->args->session->target, &any, &s, &x->one) == MATCH_FOREIGN) {
		x->out->accounts++;
		x->ex->also_ours(x->args->session->target, h->author, &x->args->session->arena);
		ledger_know_bots(x->l, &h->author, 1);
	}
	h->author = NULL;
}

bool adopt_read_target(struct adopt *x, struct err *e)
{
	int settle = x->args->settle_s >= 0 ? x->args->settle_s : x->args->session->traits.settle_s;
	int64_t until = clock_mono_us() + (int64_t)settle * 1000000;
	/* A request of the time before may still be applied, and lists may lag. */
	while (clock_mono_us() < until && !adopt_stopping(x))
		clock_sleep_until_mono(until);
	return session_list(x->args->session, LIST_USERS, "", OLDEST_FIRST, on_person, x, e) &&
	       session_list(x->args->session, LIST_CHATS, "", OLDEST_FIRST, on_chat, x, e);
}
