/* arrange.c: see arrange.h. Called by stream_open; what it works out is kept beside the spool and found again by the mapping's digest.
 *
 * What decides where a message sits, the first that applies: a rule that catches it; for a reply, where the message it answers sits; a rule that
 * caught a message of the same author (or, if the rule says so, of anybody) up to `carry` before; for a message with files, one that
 * caught such a message up to `back` after; the placement of its conversation.
 * It depends on the archives and the mapping alone, not on what was sent before or on limits (only), so that a pilot and its extension
 * agree. Memory: one entry per author of a conversation and a bounded list of files that wait for a number. Texts are read only where
 * a rule that could apply has a pattern.
 */
#include "replay/arrange.h"

#include "core/clock.h"
#include "core/table.h"
#include "replay/spool_seat.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAITING_MAX = 1024 };
static const int64_t DAY_US = 86400 * (int64_t)1000000;

/* How many conversations go into a chat that was there before. */
static char once[] = "once", several[] = "several";

/* What a rule said last, of an author or of anybody. */
struct last { int64_t until_us; int64_t host; size_t rule; char thread[256]; bool named; };
struct waiting { int64_t ts_us; char *id, *author; };

struct arranger {
	struct spool *s;
	const struct mapping *m;
	const struct mapping_config *cfg;
	struct seating *g;
	struct arena one, names, list /* a record of spool_convs; reset behind each */;
	struct err *e;
	struct waiting *waiting; size_t n_waiting, first; /* a ring */
	struct table chats;      /* chats that were there before -> how many conversations go into them */
	bool routes, ok;
};

/* ---- does anything sit elsewhere? ---- */

struct question { const struct mapping *m; struct arena a, list; bool yes; };

static bool ask_place(void *ctx, const struct spool_conv *c)
{
	struct question *q = ctx;
	struct place p;
	arena_reset(&q->a);
	mapping_place(q->m, &c->conv, &q->a, &p);
	q->yes = p.action != PLACE_SKIP && p.placement != PLACEMENT_INLINE;
	arena_reset(&q->list);
	return !q->yes;
}

static bool anything(struct spool *s, const struct mapping *m, bool *yes, struct err *e)
{
	struct question q = { .m = m, .yes = mapping_has_routes(m) };
	bool ok = true;
	arena_init(&q.a);
	arena_init(&q.list);
	if (!q.yes)
		ok = spool_convs(s, &q.list, ask_place, &q, e);
	arena_release(&q.list);
	arena_release(&q.a);
	*yes = q.yes;
	return ok;
}

/* ---- the first pass: rules ---- */

static void pick(struct arranger *x, const struct spool_conv *c, int64_t ts_us, const char *id, size_t rule, const char *thread)
{
	seating_pick(x->g, c->num, ts_us, id, &(struct pick){ c->num, thread, rule });
}

static void keep_waiting(struct arranger *x, const struct spool_meta *m)
{
	struct waiting *w;
	if (x->n_waiting == WAITING_MAX) {
		w = &x->waiting[x->first];
		x->first = (x->first + 1) % WAITING_MAX;
		free(w->id);
		free(w->author);
		x->n_waiting--;
	}
	w = &x->waiting[(x->first + x->n_waiting++) % WAITING_MAX];
	*w = (struct waiting){ m->ts_us, xstrdup(m->id), m->author ? xstrdup(m->author) : NULL };
}

static void drop_waiting(struct arranger *x)
{
	for (; x->n_waiting; x->n_waiting--, x->first = (x->first + 1) % WAITING_MAX) {
		free(x->waiting[x->first].id);
		free(x->waiting[x->first].author);
	}
	x->first = 0;
}

static bool same_author(const char *a, const char *b)
{
	return a && b && streq(a, b);
}

/* Files that were sent shortly before go along; the newest place holds, so what a rule has caught stays. */
static void take_back(struct arranger *x, const struct spool_conv *c, const struct spool_meta *m, const struct route *r)
{
	for (size_t i = 0; r->back_us && i < x->n_waiting; i++) {
		const struct waiting *w = &x->waiting[(x->first + i) % WAITING_MAX];
		if (m->ts_us - w->ts_us <= r->back_us && (r->any_author || same_author(w->author, m->author)))
			pick(x, c, w->ts_us, w->id, r->rule, r->thread);
	}
}

static struct last *last_of(struct table *t, const char *author, struct arena *a, bool make)
{
	struct last *l = table_get(t, author);
	if (!l && make) {
		l = arena_new(a, struct last);
		table_put(t, arena_strdup(a, author), l);
	}
	return l;
}

static enum route_answer ask_rules(struct arranger *x, const struct spool_conv *c, struct spool_walk *w, const struct spool_meta *m, struct route *r)
{
	struct msg_meta mm = { .conv = c->conv.id, .conv_name = c->conv.name, .author = m->author, .ts_us = m->ts_us, .kind = m->kind, .flags = m->flags,
	                       .has_replies = m->n_replies > 0, .is_reply = m->root != NULL, .is_empty = m->empty, .has_file = m->n_files > 0 };
	enum route_answer got = mapping_route(x->m, &mm, NULL, &x->one, r);
	if (got != ROUTE_ASK_TEXT)
		return got;
	struct msg msg;
	if (!spool_walk_body(w, &x->one, &msg, x->e)) {
		x->ok = false;
		return ROUTE_NO;
	}
	return mapping_route(x->m, &mm, &msg, &x->one, r);
}

static void remember(struct last *l, const struct spool_meta *m, const struct route *r)
{
	*l = (struct last){ .until_us = m->ts_us + r->carry_us, .rule = r->rule };
	l->named = r->thread && fmt_into(l->thread, sizeof(l->thread), "%s", r->thread);
}

static bool first_pass(struct arranger *x, const struct spool_conv *c)
{
	struct spool_walk *w = spool_walk(x->s, c->num, SPOOL_ALL, NULL, 0, NULL);
	struct spool_meta m;
	struct table authors;
	struct arena kept;
	struct last any = { .until_us = INT64_MIN };
	arena_init(&kept);
	table_init(&authors);
	while (x->ok && spool_walk_next(w, &m)) {
		struct route r;
		if (m.kind == MSG_LOST_ROOT)
			continue;
		arena_reset(&x->one);
		if (ask_rules(x, c, w, &m, &r) == ROUTE_YES) {
			pick(x, c, m.ts_us, m.id, r.rule, r.thread);
			take_back(x, c, &m, &r);
			if (r.carry_us && r.any_author)
				remember(&any, &m, &r);
			else if (r.carry_us && m.author)
				remember(last_of(&authors, m.author, &kept, true), &m, &r);
			continue;
		}
		if (m.root)
			continue; /* goes with the message it answers */
		const struct last *l = m.author ? last_of(&authors, m.author, &kept, false) : NULL;
		if (!l || l->until_us < m.ts_us)
			l = &any;
		if (l->until_us >= m.ts_us)
			pick(x, c, m.ts_us, m.id, l->rule, l->named ? l->thread : NULL);
		else if (m.n_files)
			keep_waiting(x, &m);
	}
	spool_walk_end(w);
	drop_waiting(x);
	table_release(&authors);
	arena_release(&kept);
	return x->ok;
}

/* ---- the second pass: seats ---- */

/* The thread of a month, a year, everything: its id, its time and what its first message says. */
static void history(struct arranger *x, enum history_by by, int64_t ts_us, char id[32], int64_t *at, char title[96])
{
	static const char *const en[] = { "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December" };
	static const char *const ru[] = { "январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь" };
	struct zoned z;
	bool russian = streq(x->cfg->locale, "ru");
	if (!zone_local(x->cfg->zone, ts_us, &z) && !zone_local("UTC", ts_us, &z))
		z = (struct zoned){ .year = 1970, .month = 1, .day = 1 };
	int month = by == HISTORY_MONTH ? z.month : 1, year = by == HISTORY_ALL ? 1970 : z.year;
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t day = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 - 719468;
	*at = day * DAY_US - DAY_US; /* before all it holds, in every zone */
	switch (by) {
	case HISTORY_MONTH:
		snprintf(id, 32, "@history:%04d-%02d", z.year, z.month);
		snprintf(title, 96, russian ? "История: %s %d" : "History: %s %d", (russian ? ru : en)[z.month >= 1 && z.month <= 12 ? z.month - 1 : 0], z.year);
		return;
	case HISTORY_YEAR:
		snprintf(id, 32, "@history:%04d", z.year);
		snprintf(title, 96, russian ? "История: %d" : "History: %d", z.year);
		return;
	case HISTORY_ALL:
		snprintf(id, 32, "@history:all");
		snprintf(title, 96, "%s", russian ? "История" : "History");
		return;
	}
}

/* Not the name itself: the id stands in the ledger, which holds no text. The first number of the name is in front, so that threads called
 * after orders stand in their order. */
static void thread_id(const char *name, char id[64])
{
	const char *p = name + strcspn(name, "0123456789");
	size_t n = strspn(p, "0123456789");
	snprintf(id, 64, "@thread:%012lld:%016" PRIx64, n && n <= 12 ? strtoll(p, NULL, 10) : 0LL, hash64s(name));
}

/* What rules picked for it, or for the message it answers. */
static bool picked(struct arranger *x, const struct spool_conv *c, const struct spool_meta *m, struct pick *out)
{
	if (!x->routes)
		return false;
	return seating_picked(x->g, c->num, m->ts_us, m->id, &x->one, out) ||
	       (m->root && seating_picked(x->g, c->num, m->root_ts_us, m->root, &x->one, out));
}

static void seat(struct arranger *x, const struct spool_conv *c, const struct place *p, const struct spool_meta *m)
{
	struct spool_seat st = { c->num, m->ts_us, m->id, c->num, m->root, m->root_ts_us };
	struct pick pk = { 0 };
	char id[64], title[96];
	arena_reset(&x->one);
	if (m->kind != MSG_LOST_ROOT && picked(x, c, m, &pk) && pk.thread) {
		thread_id(pk.thread, id);
		st.root = id;
		st.root_ts_us = 0; /* before everything: all of them open early and fill side by side */
		seating_title(x->g, c->num, 0, id, pk.thread);
	} else if (p->placement == PLACEMENT_THREADS && m->kind != MSG_LOST_ROOT) {
		history(x, p->history_by, m->ts_us, id, &st.root_ts_us, title);
		st.root = id;
		bool shared = p->into || (p->action == PLACE_ADOPT && table_get(&x->chats, p->target_id) == several);
		seating_title(x->g, c->num, st.root_ts_us, id, shared ? arena_fmt(&x->one, "%s · %s", title, c->conv.name) : title);
	}
	seating_put(x->g, &st);
}

static bool second_pass(struct arranger *x, const struct spool_conv *c, const struct place *p)
{
	struct spool_walk *w = spool_walk(x->s, c->num, SPOOL_ALL, NULL, 0, NULL);
	struct spool_meta m;
	while (spool_walk_next(w, &m))
		seat(x, c, p, &m);
	spool_walk_end(w);
	return true;
}

static bool count_chat(void *ctx, const struct spool_conv *c)
{
	struct arranger *x = ctx;
	struct place p;
	arena_reset(&x->one);
	mapping_place(x->m, &c->conv, &x->one, &p);
	if (p.action == PLACE_ADOPT && p.target_id)
		table_put(&x->chats, arena_strdup(&x->names, p.target_id), table_get(&x->chats, p.target_id) ? several : once);
	arena_reset(&x->list);
	return true;
}

static bool arrange_conv(void *ctx, const struct spool_conv *c)
{
	struct arranger *x = ctx;
	struct place p;
	struct arena a;
	arena_init(&a);
	mapping_place(x->m, &c->conv, &a, &p);
	if (p.action == PLACE_SKIP)
		goto out;
	if (p.placement == PLACEMENT_ARCHIVE_CHAT) {
		struct conv live = c->conv;
		live.id = arena_fmt(&a, MAPPING_LIVE "%s", c->conv.id);
		live.pins = NULL;
		live.n_pins = 0;
		seating_conv(x->g, c->num, &live);
	}
	if (x->routes || p.placement == PLACEMENT_THREADS) {
		seating_conv(x->g, c->num, NULL);
		x->ok = (!x->routes || first_pass(x, c)) && second_pass(x, c, &p);
	}
out:
	arena_release(&a);
	arena_reset(&x->list);
	return x->ok;
}

bool arrange(struct spool *s, const struct mapping *m, struct err *e)
{
	uint8_t key[DIGEST_BYTES];
	bool any;
	if (!anything(s, m, &any, e))
		return false;
	if (!any) {
		spool_seats_leave(s);
		return true;
	}
	mapping_digest(m, key);
	if (spool_seats_use(s, key))
		return true;
	struct arranger x = { .s = s, .m = m, .cfg = mapping_config(m), .g = seating_begin(s, e), .e = e, .routes = mapping_has_routes(m), .ok = true };
	if (!x.g)
		return false;
	arena_init(&x.list);
	arena_init(&x.one);
	x.waiting = xcalloc(WAITING_MAX, sizeof(*x.waiting));
	arena_init(&x.names);
	table_init(&x.chats);
	bool ok = spool_convs(s, &x.list, count_chat, &x, e) && spool_convs(s, &x.list, arrange_conv, &x, e) && x.ok;
	table_release(&x.chats);
	arena_release(&x.names);
	free(x.waiting);
	arena_release(&x.one);
	arena_release(&x.list);
	if (ok)
		return seating_finish(x.g, key, e);
	seating_drop(x.g);
	return false;
}
