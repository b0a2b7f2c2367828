/* archive_plan.c: which message stands on which page, before a page is written, so that links between messages can be made.
 *
 * A page begins with a message of the channel and holds whole threads; a thread too long for that has pages of its own. What is
 * kept is the first message of each page: a page per 500 messages, so memory grows with pages, not with messages. Called by
 * archive_site.c (planning) and by the writers (finding). Decides nothing that the mapping decides. */
#include "cli/archive_int.h"

#include "core/clock.h"

#include <stdlib.h>
#include <string.h>

enum fate_of site_fate(struct site *s, const struct shelf *h, const struct spool_meta *m)
{
	if (!s->x->as_mapped)
		return SHOW;
	struct msg_meta mm = {
		.conv = h->c.conv.id, .author = m->author, .ts_us = m->ts_us, .kind = m->kind, .flags = m->flags,
		.has_replies = m->n_replies > 0, .is_reply = m->root != NULL, .is_empty = m->empty,
	};
	if (!mapping_skips(s->x->mapping, &mm))
		return SHOW;
	return m->n_replies > 0 ? SHOW_STUB : SHOW_NOT;
}

static int compare(const struct spot_key *k, int64_t ts, const char *id)
{
	return k->ts != ts ? (k->ts < ts ? -1 : 1) : strcmp(k->id, id);
}

/* The last of the sorted keys that is not after (ts, id); the first when all are. */
static size_t not_after(const struct spot_key *v, size_t n, int64_t ts, const char *id)
{
	size_t lo = 0, hi = n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (compare(&v[mid], ts, id) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? lo - 1 : 0;
}

size_t shelf_page(const struct shelf *h, int64_t ts, const char *id)
{
	return not_after(h->pages, h->n_pages, ts, id);
}

const struct long_thread *shelf_thread(const struct shelf *h, int64_t ts, const char *id)
{
	size_t lo = 0, hi = h->n_threads;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = compare(&h->threads[mid].root, ts, id);
		if (!c)
			return &h->threads[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

void site_anchor(const char *id, struct buf *out)
{
	buf_addc(out, 'm');
	for (; *id; id++) {
		unsigned char c = (unsigned char)*id;
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-')
			buf_addc(out, *id);
		else
			buf_addf(out, "_%02x", c);
	}
}

const char *site_find(struct site *s, const char *conv, const char *id, int64_t *at, struct shelf **where)
{
	struct shelf *h = table_get(&s->shelves, conv);
	struct spool_meta m;
	struct err ignored = ERR_INIT;
	if (!h || h->left_out || !h->n_pages || !spool_find(s->x->spool, h->c.num, id, at) ||
	    !spool_msg(s->x->spool, h->c.num, *at, id, &s->step, NULL, &m, &ignored) || site_fate(s, h, &m) == SHOW_NOT)
		return NULL;
	const struct long_thread *t = m.root ? shelf_thread(h, m.root_ts_us, m.root) : NULL;
	struct buf b;
	buf_init(&b, 64 << 10);
	if (t)
		buf_addf(&b, "../%lld/t%zu-%zu.html#", (long long)h->c.num, (size_t)(t - h->threads) + 1, not_after(t->starts, t->n, *at, id) + 1);
	else
		buf_addf(&b, "../%lld/%zu.html#", (long long)h->c.num, shelf_page(h, m.root ? m.root_ts_us : *at, m.root ? m.root : id) + 1);
	site_anchor(id, &b);
	const char *to = arena_strdup(&s->step, b.p);
	buf_release(&b);
	*where = h;
	return to;
}

/* ---- planning ---- */

static void plan_thread(struct site *s, struct shelf *h, const struct spool_meta *root)
{
	GROW(h->threads, h->n_threads, h->cap_threads, 4);
	struct long_thread *t = &h->threads[h->n_threads++];
	*t = (struct long_thread){ .root = { root->ts_us, arena_strdup(&s->run, root->id) } };
	struct spool_walk *w = spool_walk(s->x->spool, h->c.num, SPOOL_THREAD, t->root.id, 0, NULL);
	struct spool_meta m;
	for (int64_t n = 0; spool_walk_next(w, &m);) {
		if (site_fate(s, h, &m) == SHOW_NOT)
			continue;
		if (n++ % PAGE_MESSAGES == 0) {
			GROW(t->starts, t->n, t->cap, 4);
			t->starts[t->n++] = (struct spot_key){ m.ts_us, arena_strdup(&s->run, m.id) };
		}
	}
	spool_walk_end(w);
}

static void plan_month(struct site *s, struct shelf *h, int64_t ts_us)
{
	struct zoned z;
	site_local(s, ts_us, &z);
	const struct month_at *last = h->n_months ? &h->months[h->n_months - 1] : NULL;
	if ((last && last->year == z.year && last->month == z.month) || h->n_months == MONTHS_MAX)
		return;
	GROW(h->months, h->n_months, h->cap_months, 4);
	h->months[h->n_months++] = (struct month_at){ z.year, z.month, h->n_pages };
}

static void plan_shelf(struct site *s, struct shelf *h)
{
	struct spool_walk *w = spool_walk(s->x->spool, h->c.num, SPOOL_CHANNEL, NULL, 0, NULL);
	struct spool_meta m;
	int64_t on_page = 0;
	while (spool_walk_next(w, &m)) {
		if (site_fate(s, h, &m) == SHOW_NOT)
			continue;
		bool alone = m.n_replies > LONG_THREAD;
		int64_t weight = 1 + (alone ? 0 : m.n_replies);
		if (!h->n_pages || on_page + weight > PAGE_MESSAGES) {
			GROW(h->pages, h->n_pages, h->cap_pages, 4);
			h->pages[h->n_pages++] = (struct spot_key){ m.ts_us, arena_strdup(&s->run, m.id) };
			on_page = 0;
		}
		on_page += weight;
		plan_month(s, h, m.ts_us);
		if (alone)
			plan_thread(s, h, &m);
	}
	spool_walk_end(w);
}

static int by_text(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

struct taking { struct site *s; struct arena *conv; /* a record of spool_convs */ };

/* Of tens of thousands of conversations only what other pages say about them is kept; archive_conv.c reads the members again. */
static bool take_conv(void *ctx, const struct spool_conv *c)
{
	struct taking *t = ctx;
	struct site *s = t->s;
	struct shelf *h = arena_new(&s->run, struct shelf);
	*h = (struct shelf){ .c = *c, .shard_first = 1, .shard_last = 0 };
	h->c.conv = (struct conv){
		.id = arena_strdup(&s->run, c->conv.id), .name = arena_strdup(&s->run, c->conv.name), .topic = arena_strdup(&s->run, c->conv.topic),
		.kind = c->conv.kind, .archived = c->conv.archived,
	};
	h->pins = arena_array(&s->run, c->conv.n_pins + 1, const char *);
	for (size_t i = 0; i < c->conv.n_pins; i++)
		if (c->conv.pins[i].msg_id)
			h->pins[h->n_pins++] = arena_strdup(&s->run, c->conv.pins[i].msg_id);
	if (h->n_pins)
		qsort(h->pins, h->n_pins, sizeof(*h->pins), by_text);
	if (s->x->as_mapped) {
		struct place place;
		mapping_place(s->x->mapping, &c->conv, t->conv, &place);
		h->left_out = place.action == PLACE_SKIP;
	}
	GROW(s->v, s->n, s->cap, 4);
	s->v[s->n++] = h;
	table_put(&s->shelves, h->c.conv.id, h);
	if (!h->left_out)
		s->total += c->n_msgs;
	arena_reset(t->conv);
	return true;
}

static bool take_user(void *ctx, const struct user *u, int64_t n_msgs)
{
	struct site *s = ctx;
	(void)n_msgs;
	struct author *w = arena_new(&s->run, struct author);
	*w = (struct author){ .name = u->name, .flags = u->flags, .num = s->n_people };
	if (s->x->mapping) {
		struct person person;
		mapping_person(s->x->mapping, u, &s->run, &person);
		if (person.name && *person.name)
			w->name = person.name;
	}
	w->name = arena_strdup(&s->run, w->name);
	GROW(s->people, s->n_people, s->cap_people, 4);
	s->people[s->n_people++] = w;
	table_put(&s->authors, arena_strdup(&s->run, u->id), w);
	if (u->alias && !table_get(&s->authors, u->alias))
		table_put(&s->authors, arena_strdup(&s->run, u->alias), w);
	return true;
}

static int by_num(const void *x, const void *y)
{
	const struct shelf *a = *(struct shelf *const *)x, *b = *(struct shelf *const *)y;
	return a->c.num < b->c.num ? -1 : a->c.num > b->c.num;
}

bool site_plan(struct site *s)
{
	struct arena conv;
	struct taking t = { s, &conv };
	arena_init(&conv);
	const bool ok = spool_users(s->x->spool, &s->run, take_user, s, s->e) && spool_convs(s->x->spool, &conv, take_conv, &t, s->e);
	arena_release(&conv);
	if (!ok)
		return false;
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_num);
	for (size_t i = 0; i < s->n; i++)
		if (!s->v[i]->left_out)
			plan_shelf(s, s->v[i]);
	return true;
}

void site_plan_free(struct site *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct shelf *h = s->v[i];
		for (size_t k = 0; k < h->n_threads; k++)
			free(h->threads[k].starts);
		free(h->threads);
		free(h->pages);
		free(h->months);
	}
	free(s->v);
	free(s->people);
}
