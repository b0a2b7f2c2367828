/* engine_lanes.c: the engine's lanes while they wait: by name, and by weight. A waiting lane costs about 200 bytes.
 * Promises: one living lane per name; the heaviest first, ties by name so that two runs go alike. */
#include "replay/engine_lanes.h"

#include "core/hash.h"

#include <stdlib.h>
#include <string.h>

void lanes_init(struct lanes *l)
{
	*l = (struct lanes){ .n_buckets = 256 };
	l->buckets = xcalloc(l->n_buckets, sizeof(struct runner *));
}

static void runner_free(struct runner *r)
{
	stream_pos_release(&r->pos);
	engine_ahead_free(r);
	free(r->name);
	free(r);
}

void lanes_release(struct lanes *l)
{
	for (size_t i = 0; i < l->n_buckets; i++)
		for (struct runner *r = l->buckets[i], *next; r; r = next) {
			next = r->chain;
			runner_free(r);
		}
	for (struct company_lanes *c = l->companies, *next; c; c = next) {
		next = c->next;
		free(c->host);
		free(c->v);
		free(c);
	}
	free(l->buckets);
	free(l->people.v);
	free(l->chats.v);
	free(l->threads.v);
	*l = (struct lanes){ 0 };
}

static struct runner **place(struct lanes *l, const char *name)
{
	struct runner **p = &l->buckets[hash64s(name) & (l->n_buckets - 1)];
	while (*p && !streq((*p)->name, name))
		p = &(*p)->chain;
	return p;
}

static void grow(struct lanes *l)
{
	struct runner **old = l->buckets;
	size_t n = l->n_buckets;
	l->n_buckets *= 2;
	l->buckets = xcalloc(l->n_buckets, sizeof(struct runner *));
	for (size_t i = 0; i < n; i++)
		for (struct runner *r = old[i], *next; r; r = next) {
			next = r->chain;
			struct runner **p = &l->buckets[hash64s(r->name) & (l->n_buckets - 1)];
			r->chain = *p;
			*p = r;
		}
	free(old);
}

struct runner *lanes_add(struct lanes *l, const struct lane_spec *spec, struct runner *parent)
{
	if (*place(l, spec->name))
		return NULL;
	if (l->n >= l->n_buckets)
		grow(l);
	size_t n = strlen(spec->name) + 1, n_id = strlen(spec->id) + 1, n_root = spec->root ? strlen(spec->root) + 1 : 0;
	struct runner *r = xcalloc(1, sizeof(*r));
	r->name = xmalloc(n + n_id + n_root);
	memcpy(r->name, spec->name, n);
	memcpy(r->name + n, spec->id, n_id);
	r->id = r->name + n;
	if (spec->root) {
		memcpy(r->name + n + n_id, spec->root, n_root);
		r->root = r->name + n + n_id;
	}
	r->kind = (uint8_t)spec->kind;
	r->root_ts_us = spec->root_ts_us;
	r->weight = spec->weight;
	r->num = -1;
	r->parent = parent;
	lane_init(&r->lane);
	struct runner **p = &l->buckets[hash64s(r->name) & (l->n_buckets - 1)];
	r->chain = *p;
	*p = r;
	l->n++;
	return r;
}

struct runner *lanes_find(struct lanes *l, const char *name)
{
	return *place(l, name);
}

void lanes_join(struct lanes *l, struct runner *r, const char *host)
{
	struct company_lanes *c = l->companies;
	while (c && !streq(c->host, host))
		c = c->next;
	if (!c) {
		c = xcalloc(1, sizeof(*c));
		c->host = xstrdup(host);
		c->next = l->companies;
		l->companies = c;
	}
	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 4;
		c->v = xrealloc(c->v, c->cap * sizeof(*c->v));
	}
	c->v[c->n++] = r;
	r->company = c;
}

void lanes_leave(struct runner *r)
{
	struct company_lanes *c = r->company;
	for (size_t i = 0; c && i < c->n; i++)
		if (c->v[i] == r) {
			c->v[i] = c->v[--c->n];
			break;
		}
	r->company = NULL;
}

/* Is what this lane does, or will do next, before that post? What is not known yet may be. */
static bool goes_before(const struct runner *r, const struct runner *other)
{
	if (other->through)
		return false;
	if (!other->hot || other->lane.state == LANE_NEXT || other->lane.state == LANE_PARKED)
		return other->lane.state != LANE_PARKED || other->unhoused;
	const struct opkey *a = &other->hot->op.op.key, *b = &r->hot->op.op.key;
	switch (a->kind) {
	case OP_POST:
		if (other->lane.state != LANE_READY || other->lane.mid || other->lane.row != LANE_ROW_NONE)
			return true; /* it is out, or its outcome is open */
		break;
	case OP_UPLOAD: case OP_EDIT: case OP_DELETE:
		break;
	case OP_CHAT_CREATE:
		return true;
	case OP_USER_CREATE: case OP_THREAD_OPEN: case OP_REACT: case OP_PIN: case OP_MEMBERS: case OP_ARCHIVE:
		return false;
	}
	int c = a->ts_us != b->ts_us ? (a->ts_us < b->ts_us ? -1 : 1) : strcmp(other->id, r->id);
	return c < 0;
}

bool lanes_must_wait(const struct runner *r)
{
	const struct company_lanes *c = r->company;
	if (!c || r->hot->op.op.key.kind != OP_POST || r->lane.state != LANE_READY || r->lane.mid || r->lane.row != LANE_ROW_NONE)
		return false;
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i] != r && goes_before(r, c->v[i]))
			return true;
	return c->stopped;
}

void lanes_drop(struct lanes *l, struct runner *r)
{
	struct runner **p = place(l, r->name);
	if (*p != r)
		die("engine: a lane that is not there");
	*p = r->chain;
	l->n--;
	runner_free(r);
}

static bool heavier(const struct runner *a, const struct runner *b)
{
	return a->weight != b->weight ? a->weight > b->weight : strcmp(a->name, b->name) < 0;
}

void lanes_wait(struct lanes *l, struct runner *r)
{
	struct heap *h = r->kind == LANE_PERSON ? &l->people : r->kind == LANE_CHAT ? &l->chats : &l->threads;
	if (h->n == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 64;
		h->v = xrealloc(h->v, h->cap * sizeof(struct runner *));
	}
	size_t i = h->n++;
	for (; i > 0 && heavier(r, h->v[(i - 1) / 2]); i = (i - 1) / 2)
		h->v[i] = h->v[(i - 1) / 2];
	h->v[i] = r;
}

struct runner *heap_top(const struct heap *h)
{
	return h->n ? h->v[0] : NULL;
}

struct runner *heap_pop(struct heap *h)
{
	struct runner *top = heap_top(h);
	if (!top)
		return NULL;
	struct runner *r = h->v[--h->n];
	size_t i = 0;
	for (size_t c; (c = 2 * i + 1) < h->n; i = c) {
		if (c + 1 < h->n && heavier(h->v[c + 1], h->v[c]))
			c++;
		if (!heavier(h->v[c], r))
			break;
		h->v[i] = h->v[c];
	}
	h->v[i] = r;
	return top;
}
