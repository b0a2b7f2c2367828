/* arrange.c: see arrange.h. Called by stream_open; what it works out is kept beside the spool and found again by the mapping's digest.
 *
 * What decides where a message sits, the first that applies: a rule that catches it; for a reply, where the message it answers sits; a rule that
 * caught a message of the same author (or, if the rule says so, of anybody) up to `carry` before; for a message with files, one that
 * caught such a message up to `back` after; the placement of its conversation.
 * It depends on the archives and the mapping alone, not on what was sent before or on limits (only), so that a pilot and its extension
 * agree. Memory: one entry per author of a conversation and a bounded list of files that wait for a number. Texts are read only where
 * a rule that could apply has a pattern.
 *
 * A rule may send messages into the chat of another conversation. They keep their key (where they were written) and sit there in the
 * order of time; a message takes its replies along, but for those that a rule catches themselves. A chat that rules make is a
 * conversation of ours without messages of its own. In it are those who could read all that goes into it before: members of every private
 * conversation it is made of, but for those that the rules name under allow_wider. Nobody else, so no rule opens anything by itself.
 */
#include "replay/arrange.h"

#include "core/clock.h"
#include "core/table.h"
#include "replay/spool_seat.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAITING_MAX = 1024, MADE_MAX = 500, RULES = MAPPING_RULES_MAX };
static const int64_t DAY_US = 86400 * (int64_t)1000000;

/* How many conversations go into a chat that was there before. */
static char once[] = "once", several[] = "several";

/* What a rule said last, of an author or of anybody. */
struct last { int64_t until_us; int64_t host; size_t rule; char thread[256]; bool named; };
/* A conversation in whose chat messages sit. */
struct seat_in {
	int64_t num; const char *id, *name;
	enum placement placement; enum history_by by; int64_t thread_size;
	bool shared;             /* its threads say in their names whose they are */
	bool made;               /* by rules: */
	struct table from;       /* ids of the conversations whose messages go into it -> themselves */
};
struct waiting { int64_t ts_us; char *id, *author; };

struct arranger {
	struct spool *s;
	const struct mapping *m;
	const struct mapping_config *cfg;
	struct seating *g;
	struct arena one, names /* lives to the end */, list /* a record of spool_convs; reset behind each */;
	struct err *e;
	struct waiting *waiting; size_t n_waiting, first; /* a ring */
	struct table chats;      /* chats that were there before -> how many conversations go into them */
	struct table into;       /* id of a conversation that rules name -> struct seat_in, or &nowhere */
	size_t n_made;
	int64_t *cut, *cut_size; size_t n_cut, cap_cut; /* conversations whose threads are not to be longer than so many messages */
	uint64_t tags;           /* rules that tag */
	int64_t (*taken)[RULES], tagged[RULES];
	bool routes, ok;
};
static struct seat_in nowhere;

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
	struct question q = { .m = m, .yes = mapping_has_routes(m) || mapping_has_tags(m) };
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

static struct seat_in seat_of(const char *id, const char *name, int64_t num, const struct place *p)
{
	return (struct seat_in){ .num = num, .id = id, .name = name, .placement = p->placement, .by = p->history_by, .thread_size = p->thread_size };
}

static bool shares_chat(const struct arranger *x, const struct place *p)
{
	return p->into || (p->action == PLACE_ADOPT && p->target_id && table_get(&x->chats, p->target_id) == several);
}

static void cut_later(struct arranger *x, const struct seat_in *d)
{
	if (d->placement != PLACEMENT_THREADS || d->thread_size <= 0)
		return;
	if (x->n_cut == x->cap_cut) {
		x->cap_cut = x->cap_cut ? 2 * x->cap_cut : 16;
		x->cut = xrealloc(x->cut, x->cap_cut * sizeof(*x->cut));
		x->cut_size = xrealloc(x->cut_size, x->cap_cut * sizeof(*x->cut_size));
	}
	x->cut[x->n_cut] = d->num;
	x->cut_size[x->n_cut++] = d->thread_size;
}

/* The conversation that a rule names; NULL: the archives do not have it. */
static struct seat_in *seat_into(struct arranger *x, const struct route *r)
{
	struct seat_in *d = table_get(&x->into, r->into);
	struct spool_conv c;
	struct place p;
	struct arena a;
	if (d)
		return d == &nowhere ? NULL : d;
	arena_init(&a);
	const char *id = arena_strdup(&x->names, r->into);
	if (r->into_name) {
		struct conv made = { .id = id, .name = r->into_name, .kind = CONV_PRIVATE };
		mapping_place(x->m, &made, &a, &p);
		d = arena_new(&x->names, struct seat_in);
		*d = seat_of(id, arena_strdup(&x->names, r->into_name), SEATING_MADE - (int64_t)x->n_made++, &p);
		d->made = true;
		cut_later(x, d);
	} else if (spool_conv(x->s, id, &a, &c)) {
		mapping_place(x->m, &c.conv, &a, &p);
		d = arena_new(&x->names, struct seat_in);
		*d = seat_of(id, arena_strdup(&x->names, c.conv.name), c.num, &p);
		d->shared = shares_chat(x, &p);
	}
	arena_release(&a);
	if (d)
		table_init(&d->from);
	table_put(&x->into, id, d ? d : &nowhere);
	if (x->n_made > MADE_MAX) {
		err_set(x->e, ERR_MAPPING, "rules send messages into more than %d channels that do not exist yet", MADE_MAX);
		err_hint(x->e, "send them into threads of one channel: 'thread:' beside 'into:'");
		x->ok = false;
	}
	return d;
}

static const struct seat_in *seat_no(struct arranger *x, int64_t num)
{
	for (size_t i = 0; i < x->into.n; i++) {
		const struct seat_in *d = x->into.rows[i].value;
		if (d->num == num)
			return d;
	}
	return NULL;
}

static void pick(struct arranger *x, const struct spool_conv *c, int64_t ts_us, const char *id, const struct pick *p)
{
	seating_pick(x->g, c->num, ts_us, id, p);
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
static void take_back(struct arranger *x, const struct spool_conv *c, const struct spool_meta *m, const struct route *r, int64_t host)
{
	for (size_t i = 0; r->back_us && i < x->n_waiting; i++) {
		const struct waiting *w = &x->waiting[(x->first + i) % WAITING_MAX];
		if (m->ts_us - w->ts_us <= r->back_us && (r->any_author || same_author(w->author, m->author)))
			pick(x, c, w->ts_us, w->id, &(struct pick){ host, r->thread, r->rule, PICK_BACK });
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

/* Rules that would have placed it too, had it not been taken; rules that tag it. */
static void tally(struct arranger *x, const struct msg_meta *mm, const struct msg *msg, const struct route *taken)
{
	uint64_t hits = mapping_rule_hits(x->m, mm, msg, &x->one), tags = hits & x->tags;
	if (tags && mapping_skips(x->m, mm))
		tags = 0;
	for (size_t i = 0; i < RULES && (hits || tags); i++) {
		x->tagged[i] += (int64_t)(tags >> i & 1);
		if (taken && i != taken->rule)
			x->taken[i][taken->rule] += (int64_t)((hits & ~x->tags) >> i & 1);
	}
}

static enum route_answer ask_rules(struct arranger *x, const struct spool_conv *c, struct spool_walk *w, const struct spool_meta *m, struct route *r)
{
	struct msg_meta mm = { .conv = c->conv.id, .conv_name = c->conv.name, .author = m->author, .ts_us = m->ts_us, .kind = m->kind, .flags = m->flags,
	                       .has_replies = m->n_replies > 0, .is_reply = m->root != NULL, .is_empty = m->empty, .has_file = m->n_files > 0 };
	struct msg msg;
	bool read = false;
	uint64_t texts, about = mapping_rules_about(x->m, &mm, &texts);
	enum route_answer got = about ? mapping_route(x->m, &mm, NULL, &x->one, r) : ROUTE_NO;
	/* What else would take it is asked only of what is taken, and where anything else may be about it. */
	uint64_t more = (about & x->tags) | (got == ROUTE_YES ? about & ~(UINT64_C(1) << r->rule) : 0);
	if (got == ROUTE_ASK_TEXT || (more & texts)) {
		read = true;
		if (!spool_walk_body(w, &x->one, &msg, x->e)) {
			x->ok = false;
			return ROUTE_NO;
		}
	}
	if (got == ROUTE_ASK_TEXT) {
		got = mapping_route(x->m, &mm, &msg, &x->one, r);
		more = (about & x->tags) | (got == ROUTE_YES ? about & ~(UINT64_C(1) << r->rule) : 0);
	}
	if (more)
		tally(x, &mm, read ? &msg : NULL, got == ROUTE_YES ? r : NULL);
	return got;
}

static void remember(struct last *l, const struct spool_meta *m, const struct route *r, int64_t host)
{
	*l = (struct last){ .until_us = m->ts_us + r->carry_us, .rule = r->rule, .host = host };
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
		struct seat_in *d = NULL;
		bool caught = ask_rules(x, c, w, &m, &r) == ROUTE_YES;
		if (caught && r.into && (d = seat_into(x, &r)) == NULL)
			caught = false; /* the channel is not in the archives: it stays where it is */
		if (caught) {
			int64_t host = d ? d->num : c->num;
			if (d && host != c->num && !table_get(&d->from, c->conv.id)) {
				char *id = arena_strdup(&x->names, c->conv.id);
				table_put(&d->from, id, id);
			}
			pick(x, c, m.ts_us, m.id, &(struct pick){ host, r.thread, r.rule, PICK_RULE });
			take_back(x, c, &m, &r, host);
			if (r.carry_us && r.any_author)
				remember(&any, &m, &r, host);
			else if (r.carry_us && m.author)
				remember(last_of(&authors, m.author, &kept, true), &m, &r, host);
			continue;
		}
		if (m.root)
			continue; /* goes with the message it answers */
		const struct last *l = m.author ? last_of(&authors, m.author, &kept, false) : NULL;
		if (!l || l->until_us < m.ts_us)
			l = &any;
		if (l->until_us >= m.ts_us)
			pick(x, c, m.ts_us, m.id, &(struct pick){ l->host, l->named ? l->thread : NULL, l->rule, PICK_CARRY });
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

/* What rules picked for it, or for the message it answers. *reply: it stays under that one. */
static bool picked(struct arranger *x, const struct spool_conv *c, const struct spool_meta *m, struct pick *out, bool *reply)
{
	struct pick root = { .host = c->num };
	*reply = m->root != NULL;
	if (!x->routes || m->kind == MSG_LOST_ROOT)
		return false;
	bool mine = seating_picked(x->g, c->num, m->ts_us, m->id, &x->one, out);
	bool its = m->root && seating_picked(x->g, c->num, m->root_ts_us, m->root, &x->one, &root);
	if (mine)
		*reply = m->root && !out->thread && out->host == root.host && !(its && root.thread);
	else if (its)
		*out = root;
	return mine || its;
}

static void seat(struct arranger *x, const struct spool_conv *c, const struct seat_in *own, const struct spool_meta *m)
{
	struct spool_seat st = { c->num, m->ts_us, m->id, c->num, m->root, m->root_ts_us, c->num };
	struct pick pk = { .host = c->num };
	const struct seat_in *in = own;
	char id[64], title[96];
	bool reply;
	arena_reset(&x->one);
	if (picked(x, c, m, &pk, &reply) && pk.host != c->num)
		in = seat_no(x, pk.host);
	st.host = in->num;
	if (!reply)
		st.root = NULL;
	if (pk.thread) {
		thread_id(pk.thread, id);
		st.root = id;
		st.root_ts_us = 0; /* before everything: all of them open early and fill side by side */
		st.root_conv = in->num;
		seating_title(x->g, in->num, 0, id, pk.thread);
	} else if (in->placement == PLACEMENT_THREADS && m->kind != MSG_LOST_ROOT) {
		history(x, in->by, m->ts_us, id, &st.root_ts_us, title);
		st.root = id;
		st.root_conv = in->num;
		seating_title(x->g, in->num, st.root_ts_us, id, in->shared ? arena_fmt(&x->one, "%s · %s", title, in->name) : title);
	}
	seating_put(x->g, &st);
}

static bool second_pass(struct arranger *x, const struct spool_conv *c, const struct seat_in *own)
{
	struct spool_walk *w = spool_walk(x->s, c->num, SPOOL_ALL, NULL, 0, NULL);
	struct spool_meta m;
	while (spool_walk_next(w, &m))
		seat(x, c, own, &m);
	spool_walk_end(w);
	return true;
}

/* ---- chats that rules make ---- */

/* Who is in it: everybody of those conversations who could read all of them that are private. */
static void members_of(struct arranger *x, const struct seat_in *d, struct arena *a, struct conv *out)
{
	struct reader { const char *id; size_t closed, last; } *w; /* of how many private ones, and of which last: somebody may have two ids in it */
	size_t closed = 0, n = 0;
	struct table readers;
	table_init(&readers);
	for (size_t i = 0; i < d->from.n; i++) {
		struct spool_conv c;
		if (!spool_conv(x->s, d->from.rows[i].key, a, &c))
			continue;
		bool counts = c.conv.kind != CONV_PUBLIC && !mapping_may_widen(x->m, c.conv.id, c.conv.name, d->id);
		closed += counts;
		for (size_t k = 0; k < c.conv.n_members; k++) {
			const char *who = mapping_same_person(x->m, c.conv.members[k]);
			if (!(w = table_get(&readers, who))) {
				w = arena_new(a, struct reader);
				*w = (struct reader){ c.conv.members[k], 0, 0 };
				table_put(&readers, who, w);
			}
			w->closed += counts && w->last != i + 1;
			w->last = i + 1;
		}
	}
	const char **in = arena_array(a, readers.n + 1, const char *);
	for (size_t i = 0; i < readers.n; i++) {
		w = readers.rows[i].value;
		if (w->closed == closed)
			in[n++] = w->id;
	}
	table_release(&readers);
	*out = (struct conv){ .id = d->id, .name = d->name, .kind = CONV_PRIVATE, .members = in, .n_members = n };
}

static void put_made(struct arranger *x)
{
	for (size_t i = 0; i < x->into.n; i++) {
		const struct seat_in *d = x->into.rows[i].value;
		struct arena a;
		struct conv c;
		if (!d->made)
			continue;
		arena_init(&a);
		members_of(x, d, &a, &c);
		seating_conv(x->g, d->num, &c);
		arena_release(&a);
	}
}

static void put_tallies(struct arranger *x)
{
	for (size_t i = 0; i < RULES; i++) {
		if (x->tagged[i])
			seating_tally(x->g, i, TALLY_TAGGED, x->tagged[i]);
		for (size_t k = 0; k < RULES; k++)
			if (x->taken[i][k])
				seating_tally(x->g, i, (int)k, x->taken[i][k]);
	}
}

/* ---- all of it ---- */

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
	struct seat_in own = seat_of(c->conv.id, c->conv.name, c->num, &p);
	own.shared = shares_chat(x, &p);
	cut_later(x, &own);
	if (p.placement == PLACEMENT_ARCHIVE_CHAT) {
		struct conv live = c->conv;
		live.id = arena_fmt(&a, MAPPING_LIVE "%s", c->conv.id);
		live.pins = NULL;
		live.n_pins = 0;
		seating_conv(x->g, -c->num, &live);
	}
	if (x->routes || p.placement == PLACEMENT_THREADS) {
		seating_conv(x->g, c->num, NULL);
		x->ok = (!(x->routes || x->tags) || first_pass(x, c)) && second_pass(x, c, &own);
	} else if (x->tags) {
		x->ok = first_pass(x, c);
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
	struct arranger x = { .s = s, .m = m, .cfg = mapping_config(m), .g = seating_begin(s, e), .e = e, .routes = mapping_has_routes(m),
		.tags = mapping_tag_rules(m), .ok = true };
	if (!x.g)
		return false;
	arena_init(&x.list);
	arena_init(&x.one);
	x.waiting = xcalloc(WAITING_MAX, sizeof(*x.waiting));
	arena_init(&x.names);
	table_init(&x.chats);
	table_init(&x.into);
	x.taken = xcalloc(RULES, sizeof(*x.taken));
	bool ok = spool_convs(s, &x.list, count_chat, &x, e) && spool_convs(s, &x.list, arrange_conv, &x, e) && x.ok;
	put_made(&x);
	put_tallies(&x);
	for (size_t i = 0; i < x.n_cut && ok; i++)
		ok = seating_cut(x.g, x.cut[i], x.cut_size[i], e);
	for (size_t i = 0; i < x.into.n; i++)
		if (x.into.rows[i].value != &nowhere)
			table_release(&((struct seat_in *)x.into.rows[i].value)->from);
	table_release(&x.into);
	free(x.taken);
	free(x.cut);
	free(x.cut_size);
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
