/* spool_fold.c: the messages of one copy of a chat put into another copy, both in the database.
 *
 * Called by spool_merge.c, which knows that the two are one chat, how far their clocks are apart and who is who. Reads both in
 * order of time through a window; align.c pairs what is in it; what is old enough that nothing can be paired with it any more
 * leaves the window: pairs become one message (the newest words, the files of whoever has them, the finer time), what only the second
 * copy has is moved over. The first copy's rows stay where they are unless they change.
 *
 * Ids: a pair keeps the first copy's id. What only the second copy has keeps its own where both phones' local times are the same, else
 * the id is salted with the difference, because ids that importers make are hashes of local time and words, and other messages of
 * the first copy may have the same. What was written in earlier runs changes nothing of this; under which of the written ids a
 * message may be known is only noted (written_claim, spool_written.c).
 */
#include "replay/spool_merge.h"

#include "core/canon.h"
#include "core/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_MIN = 4096, WINDOW_MAX = 24576, TWINS = 3, BRIEF_BYTES = 24 };
static const int64_t second = 1000000, minute = 60ll * 1000000, hour = 3600ll * 1000000;

/* A row of either copy in the window: one block of memory. */
struct row {
	int64_t ts_us, root_ts_us;     /* as stored */
	int64_t at_us, alt_us;         /* on the first copy's clock; the other possible time near a change */
	int64_t fin_us;                /* where it comes to stand */
	const char *id, *author, *root; /* author, root: or NULL */
	const char *line; size_t line_n;
	uint64_t words, lead, bag, idh;
	uint32_t kind, flags, no;
	bool stranger, fine, media, reacts, unclear;
	struct row *pair;
};

struct side {
	sqlite3_stmt *st;
	bool end;
	struct row *next;              /* read, not yet in the window */
	struct row **v; size_t n, cap;
};

struct folding {
	struct fold *f;
	struct spool *s;
	struct side a, b;
	struct arena step;
	struct buf line;
	sqlite3_stmt *moved;
	bool dry;                      /* only learns who is who */
	bool replies;                  /* ids that change must be told to those who reply */
	bool native;                   /* equal ids are equal messages */
	bool comparable;               /* equal ids of one author are */
	struct { const char *zone; int64_t at; int offset_s; } zones[2]; /* asked last */
	bool *taken; size_t n_taken;
	int64_t last_a, last_b;        /* fin_us of what left the window last, by side */
	bool failed;
};

/* ---- rows ---- */

static bool fail(struct folding *g, const char *what)
{
	g->failed = true;
	return spool_put_failed(g->s, what);
}

/* Of a place only where it is: the words around it are in each phone's language. */
static bool place_of(const struct msg *m, struct align_words *w)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	text_plaintext(&m->body, &b);
	const char *q = strstr(b.p, "?q=");
	if (!q)
		q = strstr(b.p, "&q=");
	if (q)
		align_words_add(w, q + 3, strspn(q + 3, "0123456789.,-%"));
	buf_release(&b);
	return q != NULL;
}

/* Of a poll the question, in its second line. */
static bool question_of(const struct msg *m, struct align_words *w)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	text_plaintext(&m->body, &b);
	const char *nl = strchr(b.p, '\n');
	if (nl)
		align_words_add(w, nl + 1, strcspn(nl + 1, "\n"));
	buf_release(&b);
	return nl != NULL;
}

static void features(struct row *r, const struct msg *m)
{
	struct align_words w = { 0 };
	const char *sub = m->subtype ? m->subtype : "";
	bool notice = fold_is_notice(m);
	r->fine = m->grain_s < 60;
	r->media = m->n_files > 0;
	r->flags = (r->media ? ALIGN_MEDIA : 0) | (notice ? ALIGN_NOTICE : 0) | (r->fine ? 0 : ALIGN_COARSE);
	if (m->edited_us || m->kind == MSG_DELETED)
		r->flags |= ALIGN_LATER | ALIGN_CHANGED;
	if (notice && m->author && (streq(sub, "waiting") || streq(sub, "view-once") || streq(sub, "unsupported")))
		r->flags |= ALIGN_LATER;
	if (m->kind == MSG_DELETED)
		r->words = 3;
	else if ((streq(sub, "location") && place_of(m, &w)) || (streq(sub, "poll") && question_of(m, &w)) || (fold_words_of(m, &w), true))
		r->words = w.h;
	r->lead = w.lead;
	align_words_end(&w);
	r->bag = w.bag;
	if (!notice && w.bytes < BRIEF_BYTES)
		r->flags |= ALIGN_BRIEF;
	if (!r->words && !notice)
		r->words = r->media ? 1 : 2; /* a file without a caption; nothing at all */
	if (notice && *sub)
		r->kind = (uint32_t)hash64s(sub) | 1;
	else if (notice && m->kind != MSG_SYSTEM)
		r->kind = (uint32_t)m->kind << 1 | 1;
}

static struct row *read_row(struct folding *g, struct side *x)
{
	if (x->end || !spool_db_step(g->s, x->st)) {
		x->end = true;
		return NULL;
	}
	const char *id = spool_db_col(x->st, 1), *author = spool_db_col(x->st, 2), *root = spool_db_col(x->st, 3);
	size_t id_n = strlen(id) + 1, author_n = author ? strlen(author) + 1 : 0, root_n = root ? strlen(root) + 1 : 0;
	size_t n = (size_t)sqlite3_column_bytes(x->st, 5);
	struct row *r = xcalloc(1, sizeof(*r) + id_n + author_n + root_n + n + 1);
	char *p = (char *)(r + 1);
	r->id = memcpy(p, id, id_n);
	p += id_n;
	r->author = author_n ? memcpy(p, author, author_n) : NULL;
	p += author_n;
	r->root = root_n ? memcpy(p, root, root_n) : NULL;
	p += root_n;
	if (n)
		memcpy(p, sqlite3_column_blob(x->st, 5), n);
	r->line = p;
	r->line_n = n;
	r->ts_us = sqlite3_column_int64(x->st, 0);
	r->root_ts_us = sqlite3_column_int64(x->st, 4);
	r->reacts = sqlite3_column_int64(x->st, 6) > 0;
	r->at_us = r->alt_us = r->ts_us;
	r->idh = g->comparable ? hash64s(r->id) | 1 : 0;
	struct msg m;
	arena_reset(&g->step);
	if (!canon_read_msg(r->line, n, &g->step, &m, NULL, &g->s->b->err)) {
		free(r);
		g->failed = g->s->b->failed = true;
		return NULL;
	}
	features(r, &m);
	return r;
}

static int64_t floor_minute(int64_t us)
{
	return us - ((us % minute) + minute) % minute;
}

static struct row *read_a(struct folding *g)
{
	struct row *r = read_row(g, &g->a);
	if (r && r->author)
		r->no = people_get(g->s->b, &g->f->sa->people, r->author)->no;
	if (r && !r->fine) /* it may have been moved within its minute, to keep the order */
		r->at_us = r->alt_us = floor_minute(r->ts_us);
	return r;
}

static struct row *read_b(struct folding *g)
{
	struct row *r = read_row(g, &g->b);
	if (!r)
		return NULL;
	const struct compared *c = g->f->c;
	const struct align_shift *s = align_shift_at(c->shifts, c->n_shifts, r->ts_us);
	r->at_us = r->alt_us = r->ts_us + s->shift_us;
	for (size_t i = 0; i < c->n_shifts; i++) { /* within half a day of a change it may already be, or still be, the other one */
		if (i + 1 < c->n_shifts && s == &c->shifts[i] && c->shifts[i + 1].from_us - r->ts_us < 12 * hour)
			r->alt_us = r->ts_us + c->shifts[i + 1].shift_us;
		if (i && s == &c->shifts[i] && r->ts_us - s->from_us < 12 * hour)
			r->alt_us = r->ts_us + c->shifts[i - 1].shift_us;
	}
	if (r->author) {
		const struct person *p = people_get(g->s->b, &g->f->sb->people, r->author);
		r->no = p->same ? p->same->no : (1u << 24) + p->no;
		r->stranger = !p->same;
	}
	return r;
}

static void push(struct side *x, struct row *r)
{
	if (x->n == x->cap) {
		x->cap = x->cap ? 2 * x->cap : 1024;
		x->v = xrealloc(x->v, x->cap * sizeof(struct row *));
	}
	x->v[x->n++] = r;
}

/* ---- time ---- */

/* Seconds east of a zone; the same within a quarter of an hour. */
static int offset_of(struct folding *g, int side, const char *zone, int64_t us)
{
	struct zoned z = { .offset_s = 0 };
	int64_t at = us / (15 * minute);
	if (!zone)
		return 0;
	if (g->zones[side].zone != zone || g->zones[side].at != at) {
		zone_local(zone, us, &z);
		g->zones[side].zone = zone;
		g->zones[side].at = at;
		g->zones[side].offset_s = z.offset_s;
	}
	return g->zones[side].offset_s;
}

/* Minutes by which the first phone's local time is ahead of the second's at this moment. */
static int64_t ahead(struct folding *g, const struct row *r)
{
	int64_t s = (r->at_us - r->ts_us) / 1000000 + offset_of(g, 0, g->f->ca->zone, r->at_us) - offset_of(g, 1, g->f->cb->zone, r->ts_us);
	return (s + (s >= 0 ? 30 : -30)) / 60;
}

/* A pair's time: the finer one, within the minute the coarser one tells. */
static int64_t pair_time(const struct row *a, const struct row *b)
{
	if (a->fine || !b->fine)
		return a->ts_us;
	int64_t from = floor_minute(a->ts_us), t = llabs(b->at_us - a->ts_us) <= llabs(b->alt_us - a->ts_us) ? b->at_us : b->alt_us;
	return t < from ? from : t >= from + minute ? from + minute - 1000 : t;
}

/* Where everything in the window comes to stand, in the order each copy has it in. */
static void settle_times(struct folding *g)
{
	int64_t last = g->last_a;
	for (size_t i = 0; i < g->a.n; i++) {
		struct row *r = g->a.v[i];
		r->fin_us = r->pair ? pair_time(r, r->pair) : r->ts_us;
		if (!r->fine && r->fin_us <= last && last + 1 < floor_minute(r->ts_us) + minute)
			r->fin_us = last + 1;
		if (r->fin_us > last)
			last = r->fin_us;
	}
	int64_t next = INT64_MAX;
	for (size_t i = g->b.n; i-- > 0;) { /* not after what its own copy has next */
		struct row *r = g->b.v[i];
		if (r->pair) {
			r->fin_us = next = r->pair->fin_us;
			continue;
		}
		int64_t room = r->fine ? g->f->c->shifts[0].slack_us : minute;
		r->fin_us = r->at_us;
		if (r->fin_us >= next && r->fin_us - next <= room + minute)
			r->fin_us = next - 1;
		next = r->fin_us < next ? r->fin_us : next;
	}
	last = g->last_b;
	for (size_t i = 0; i < g->b.n; i++) { /* nor before what it had last */
		struct row *r = g->b.v[i];
		if (!r->pair && r->fin_us <= last && last - r->fin_us < minute)
			r->fin_us = last + 1;
		last = r->fin_us > last ? r->fin_us : last;
	}
}

/* ---- storing ---- */

static bool tell_moved(struct folding *g, const char *old, const char *id, int64_t ts_us)
{
	if (!g->replies || streq(old, id))
		return true;
	sqlite3_reset(g->moved);
	spool_db_text(g->moved, 1, old);
	spool_db_text(g->moved, 2, id);
	sqlite3_bind_int64(g->moved, 3, ts_us);
	return sqlite3_step(g->moved) == SQLITE_DONE || fail(g, "cannot write");
}

/* The id of a message that only the second copy has: its own, or salted with the difference of local times. */
static const char *salted(struct folding *g, const struct row *r, int64_t minutes)
{
	if (!minutes || g->f->cb->ids == COPY_IDS_NATIVE)
		return r->id;
	return arena_fmt(&g->step, "%016llx~%s", (unsigned long long)hash64(r->id, strlen(r->id), (uint64_t)minutes), strchr(r->id, '#') ? strchr(r->id, '#') : "");
}

/* And where another message has it: another person's same words in the same minute; a notice, whose id has no time in it, at another time. */
static const char *other_id(struct folding *g, const struct row *r, const char *id, unsigned twin)
{
	return arena_fmt(&g->step, "%s'%08x.%u", id, (unsigned)hash64s(r->author ? r->author : ""), twin);
}

/* The ids under which a message may have been written when this copy had it, as the message with this id. */
static bool claim(struct folding *g, const struct row *r, const char *id)
{
	int64_t m = ahead(g, r);
	const char *base[3] = { NULL };
	if (!g->f->written->n)
		return true;
	for (int k = 0; k < 3; k++) { /* the difference is known to the minute */
		base[k] = salted(g, r, m + (k == 0 ? 0 : k == 1 ? 1 : -1));
		if (k && streq(base[k], base[0]))
			break;
		for (unsigned twin = 0; twin < TWINS; twin++) {
			const char *was = twin ? other_id(g, r, base[k], twin - 1) : base[k];
			if (!streq(was, id) && written_has(g->f->written, was) && !written_claim(g->f->written, id, was))
				return !(g->failed = true);
		}
	}
	return true;
}

static bool load(struct folding *g, const struct row *r, struct msg *m)
{
	if (!canon_read_msg(r->line, r->line_n, &g->step, m, NULL, &g->s->b->err)) {
		g->failed = g->s->b->failed = true;
		return false;
	}
	m->author = r->author;
	m->parent = r->root;
	m->parent_ts_us = r->root_ts_us;
	return true;
}

/* A vote for who a stranger is. */
static void learn(struct folding *g, const struct row *r)
{
	const struct row *p = r->pair;
	if (!p || !r->no || !p->author || p->words <= 3 || (p->flags & ALIGN_NOTICE))
		return;
	struct person *x = people_get(g->s->b, &g->f->sb->people, p->author);
	size_t k = 0;
	while (k < x->n_guesses && x->guess[k].no != r->no)
		k++;
	if (x->same || k == GUESSES)
		return;
	if (k == x->n_guesses)
		x->guess[x->n_guesses++].n = 0;
	x->guess[k].no = r->no;
	x->guess[k].n++;
	x->guess[k].bytes += 4;
}

/* Nothing but the same words by somebody known, at a time that stays: there is nothing to take from the pair. */
static bool adds_nothing(const struct row *r)
{
	const struct row *p = r->pair;
	return r->fin_us == r->ts_us && r->author && r->words == p->words && r->words > 3 && !p->reacts && !p->root &&
	       !((r->flags | p->flags) & (ALIGN_MEDIA | ALIGN_LATER | ALIGN_NOTICE));
}

/* A message of the first copy leaves the window, with its pair or without. */
static bool leave_a(struct folding *g, struct row *r)
{
	struct msg a, b;
	struct row *p = r->pair;
	bool changed = r->fin_us != r->ts_us;
	g->last_a = r->fin_us > g->last_a ? r->fin_us : g->last_a;
	if (g->dry)
		learn(g, r);
	if (g->dry || (!p && !changed))
		return true;
	arena_reset(&g->step);
	if (p) {
		g->s->counts.merged++;
		g->f->same++;
		g->f->unclear += r->unclear;
		g->f->notices += (p->flags & ALIGN_NOTICE) != 0;
		if (!claim(g, p, r->id) || !tell_moved(g, p->id, r->id, r->fin_us))
			return false;
		if (adds_nothing(r)) {
			b = (struct msg){ .author = p->author };
			spool_put_count(g->s, g->f->b, &b, -1);
			return true;
		}
	}
	if (!load(g, r, &a))
		return false;
	struct msg was = a;
	if (p) {
		if (!load(g, p, &b))
			return false;
		spool_put_count(g->s, g->f->b, &b, -1);
		fold_translate(g->f, &g->step, &b);
		int64_t gone = fold_lacking(&a) + fold_lacking(&b);
		changed |= fold_words(g->f, &a, &b, r->words != p->words);
		if (fold_any_present(&a))
			g->f->made_up += gone;
		if (r->fin_us != r->ts_us && p->fine && !r->fine)
			a.grain_s = b.grain_s;
		if (!a.parent && b.parent) {
			a.parent = b.parent;
			a.parent_ts_us = 0;
			changed = true;
		}
	}
	if (!changed)
		return true;
	a.id = r->id;
	a.ts_us = r->fin_us;
	if (a.edited_us)
		a.edited_us = a.ts_us;
	if (!fold_drop(g->s, g->f->a->num, r->ts_us, r->id) || !fold_put(g->s, g->f->a->num, &a, &g->line))
		return !(g->failed = true);
	spool_put_count(g->s, g->f->a, &was, -1);
	spool_put_count(g->s, g->f->a, &a, +1);
	return true;
}

/* What only the second copy has. */
static bool leave_b(struct folding *g, struct row *r)
{
	struct msg m;
	const char *id;
	g->last_b = r->fin_us > g->last_b ? r->fin_us : g->last_b;
	if (g->dry || r->pair)
		return true;
	arena_reset(&g->step);
	if (!load(g, r, &m))
		return false;
	spool_put_count(g->s, g->f->b, &m, -1);
	fold_translate(g->f, &g->step, &m);
	m.author = fold_who(g->f, r->author);
	m.ts_us = r->fin_us;
	if (m.edited_us)
		m.edited_us = m.ts_us;
	const char *plain = salted(g, r, ahead(g, r));
	id = plain;
	for (unsigned k = 0; idfilter_has(&g->f->sa->ids, id); k++)
		id = other_id(g, r, plain, k);
	idfilter_add(&g->f->sa->ids, id);
	m.id = id;
	if (!claim(g, r, id) || !fold_put(g->s, g->f->a->num, &m, &g->line) || !tell_moved(g, r->id, id, m.ts_us))
		return !(g->failed = true);
	spool_put_count(g->s, g->f->a, &m, +1);
	g->f->added++;
	g->f->media += fold_any_present(&m);
	return true;
}

/* ---- the window ---- */

static int by_at(const void *x, const void *y)
{
	const struct row *a = *(struct row *const *)x, *b = *(struct row *const *)y;
	if (a->at_us != b->at_us)
		return a->at_us < b->at_us ? -1 : 1;
	return strcmp(a->id, b->id);
}

static void pair_up(struct folding *g)
{
	struct align_item *ia = xcalloc(g->a.n + 1, sizeof(*ia)), *ib = xcalloc(g->b.n + 1, sizeof(*ib));
	struct align_rules rules = { .slack_us = 3 * second, .coarse_us = second, .certain = g->native, .open_us = g->f->open_us, .notice_us = hour, .taken = g->taken, .n_taken = g->n_taken };
	for (size_t i = 0; i < g->f->c->n_shifts; i++) {
		const struct align_shift *s = &g->f->c->shifts[i];
		rules.slack_us = !i || s->slack_us > rules.slack_us ? s->slack_us : rules.slack_us;
		rules.coarse_us = !i || s->coarse_us > rules.coarse_us ? s->coarse_us : rules.coarse_us;
	}
	if (!g->f->c->fits) { /* nothing is known about the clocks but that they should agree */
		rules.slack_us = 3 * second;
		rules.coarse_us = second;
	}
	for (size_t side = 0; side < 2; side++) {
		struct side *x = side ? &g->b : &g->a;
		struct align_item *v = side ? ib : ia;
		for (size_t i = 0; i < x->n; i++) {
			struct row *r = x->v[i];
			r->pair = NULL;
			uint64_t id = g->native || (r->flags & ALIGN_NOTICE) ? r->idh : r->stranger || !r->idh ? 0 : hash64(&r->idh, sizeof(r->idh), r->no) | 1;
			v[i] = (struct align_item){ .ts_us = r->at_us, .alt_us = r->alt_us, .id = id, .words = r->words, .bag = r->bag, .lead = r->lead, .author = r->no,
			                            .kind = r->kind, .flags = r->flags, .stranger = r->stranger };
		}
	}
	align_match(ia, g->a.n, ib, g->b.n, &rules);
	for (size_t i = 0; i < g->a.n; i++)
		g->a.v[i]->unclear = ia[i].unclear;
	for (size_t i = 0; i < g->a.n; i++)
		if (ia[i].pair >= 0) {
			g->a.v[i]->pair = g->b.v[ia[i].pair];
			g->b.v[ia[i].pair]->pair = g->a.v[i];
		}
	free(ia);
	free(ib);
}

/* Fills the window. Returns the time before which everything is in it. */
static int64_t fill(struct folding *g)
{
	int64_t first = INT64_MAX;
	for (size_t i = 0; i < g->a.n; i++)
		first = g->a.v[i]->at_us < first ? g->a.v[i]->at_us : first;
	for (size_t i = 0; i < g->b.n; i++)
		first = g->b.v[i]->at_us < first ? g->b.v[i]->at_us : first;
	for (;;) {
		if (!g->a.next)
			g->a.next = read_a(g);
		if (!g->b.next)
			g->b.next = read_b(g);
		if (g->failed || (!g->a.next && !g->b.next))
			return INT64_MAX;
		bool a = !g->b.next || (g->a.next && g->a.next->at_us <= g->b.next->at_us);
		int64_t t = a ? g->a.next->at_us : g->b.next->at_us;
		size_t n = g->a.n + g->b.n;
		if (n >= WINDOW_MAX || (n >= WINDOW_MIN && t - first > 6 * hour))
			return t;
		first = t < first ? t : first;
		push(a ? &g->a : &g->b, a ? g->a.next : g->b.next);
		*(a ? &g->a.next : &g->b.next) = NULL;
	}
}

static bool empty_window(struct folding *g, int64_t limit)
{
	size_t kept = 0;
	/* Pairs leave together, when the first copy's time has come. */
	for (size_t i = 0; i < g->a.n; i++) {
		struct row *r = g->a.v[i];
		if (r->at_us >= limit)
			continue;
		if (!leave_a(g, r))
			return false;
		if (r->pair)
			r->pair->at_us = INT64_MIN; /* leaves below */
	}
	for (size_t i = 0; i < g->b.n; i++) {
		struct row *r = g->b.v[i];
		bool leaves = r->pair ? r->at_us == INT64_MIN : r->at_us < limit;
		if (!leaves) {
			g->b.v[kept++] = r;
			continue;
		}
		if (!leave_b(g, r))
			return false;
		if (r->pair)
			r->pair->alt_us = INT64_MIN; /* its pair in a is done with */
		free(r);
	}
	g->b.n = kept;
	kept = 0;
	for (size_t i = 0; i < g->a.n; i++) {
		struct row *r = g->a.v[i];
		if (r->alt_us == INT64_MIN || (r->at_us < limit && !r->pair))
			free(r);
		else
			g->a.v[kept++] = r;
	}
	g->a.n = kept;
	return true;
}

static sqlite3_stmt *rows_of(struct folding *g, int64_t conv)
{
	sqlite3_stmt *st = spool_db_once(g->s, "SELECT ts,id,author,root,root_ts,body,reacts FROM msg WHERE conv=?1 ORDER BY ts,id");
	sqlite3_bind_int64(st, 1, conv);
	return st;
}

static void side_end(struct side *x)
{
	sqlite3_finalize(x->st);
	for (size_t i = 0; i < x->n; i++)
		free(x->v[i]);
	free(x->next);
	free(x->v);
	*x = (struct side){ 0 };
}

static void take_people(struct folding *g)
{
	g->n_taken = g->f->sa->people.n + 1;
	g->taken = xrealloc(g->taken, g->n_taken * sizeof(*g->taken));
	memset(g->taken, 0, g->n_taken * sizeof(*g->taken));
	for (size_t i = 0; i < g->f->sb->people.n; i++)
		if (g->f->sb->people.v[i]->same)
			g->taken[g->f->sb->people.v[i]->same->no] = true;
}

static bool pass(struct folding *g)
{
	take_people(g);
	g->last_a = g->last_b = INT64_MIN;
	g->a.st = rows_of(g, g->f->a->num);
	g->b.st = rows_of(g, g->f->b->num);
	bool ok = true;
	for (;;) {
		int64_t full = fill(g);
		if (g->failed)
			ok = false;
		if (!ok)
			break;
		qsort(g->b.v, g->b.n, sizeof(struct row *), by_at);
		pair_up(g);
		settle_times(g);
		bool change = g->f->c->n_shifts > 1;
		int64_t limit = full == INT64_MAX ? INT64_MAX : full - (change ? 13 * hour : hour);
		size_t before = g->a.n + g->b.n;
		ok = empty_window(g, limit);
		if (ok && full != INT64_MAX && g->a.n + g->b.n == before && before >= WINDOW_MAX) /* a flood: some must go */
			ok = empty_window(g, full - minute) && (g->a.n + g->b.n < before || empty_window(g, INT64_MAX));
		if (!ok || full == INT64_MAX)
			break;
	}
	side_end(&g->a);
	side_end(&g->b);
	return ok;
}

/* Replies name the messages they answer by the ids these had. */
static bool mend_replies(struct folding *g)
{
	if (!g->replies)
		return true;
	sqlite3_stmt *st = spool_db_once(g->s, "UPDATE msg SET root=(SELECT id FROM temp.moved WHERE old=msg.root), root_ts=(SELECT ts FROM temp.moved WHERE old=msg.root)"
	                                       " WHERE conv=?1 AND root IN (SELECT old FROM temp.moved)");
	sqlite3_bind_int64(st, 1, g->f->a->num);
	bool ok = sqlite3_step(st) == SQLITE_DONE || fail(g, "cannot write");
	sqlite3_finalize(st);
	return ok;
}

static bool any_replies(struct spool *s, int64_t a, int64_t b)
{
	sqlite3_stmt *st = spool_db_once(s, "SELECT 1 FROM msg WHERE conv IN (?1,?2) AND root IS NOT NULL LIMIT 1");
	sqlite3_bind_int64(st, 1, a);
	sqlite3_bind_int64(st, 2, b);
	bool any = spool_db_step(s, st);
	sqlite3_finalize(st);
	return any;
}

bool fold_copy(struct fold *f)
{
	struct folding g = { .f = f, .s = f->s };
	struct spool *s = f->s;
	bool strangers = false;
	arena_init(&g.step);
	buf_init(&g.line, SPOOL_LINE_MAX);
	g.native = f->ca->ids == COPY_IDS_NATIVE && f->cb->ids == COPY_IDS_NATIVE;
	g.comparable = g.native || (f->ca->ids == f->cb->ids && f->c->n_shifts == 1 && llabs(f->c->shifts[0].shift_us) < minute && f->ca->zone && f->cb->zone &&
	                            streq(f->ca->zone, f->cb->zone));
	g.replies = any_replies(s, f->a->num, f->b->num);
	bool ok = spool_db_run(s, "CREATE TEMP TABLE IF NOT EXISTS moved(old TEXT PRIMARY KEY, id TEXT, ts INTEGER) WITHOUT ROWID; DELETE FROM temp.moved", &s->b->err);
	if (!ok)
		s->b->failed = true;
	if (ok) {
		g.moved = spool_db_once(s, "INSERT OR REPLACE INTO temp.moved VALUES(?1,?2,?3)");
	}
	for (size_t i = 0; i < f->sb->people.n; i++)
		strangers |= !f->sb->people.v[i]->same;
	if (ok && strangers) { /* first only to learn who they are, from all that agrees */
		g.dry = true;
		ok = pass(&g);
		g.dry = false;
		if (ok)
			guess_people(f->sa, f->sb);
	}
	ok = ok && pass(&g) && mend_replies(&g);
	sqlite3_finalize(g.moved);
	if (ok) {
		sqlite3_stmt *st = spool_db_once(s, "DELETE FROM msg WHERE conv=?1");
		sqlite3_bind_int64(st, 1, f->b->num);
		ok = sqlite3_step(st) == SQLITE_DONE || fail(&g, "cannot write");
		sqlite3_finalize(st);
	}
	free(g.taken);
	arena_release(&g.step);
	buf_release(&g.line);
	return ok;
}
