/* spool_apps.c: apps, bots and webhooks in the spool: put there by importers, joined with what their messages show when read.
 *
 * Called by spool_build.c (the sink, the end of a build) and, for reading, through spool.h. Messages are counted per author
 * and conversation while they are stored (spool_put.c), so a copy that was merged counts once.
 */
#include "replay/spool.h"

#include "replay/spool_db.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT_MAX = 50 * 1000, WORDS_MAX = 400 };

/* ---- building ---- */

struct kept { struct integration in; struct table authors, convs; };

static void add_words(struct build *b, struct table *t, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n && t->n < WORDS_MAX; i++)
		if (!table_get(t, v[i]))
			table_put(t, arena_strdup(&b->run, v[i]), t);
}

static struct integration copied(struct build *b, const struct integration *in)
{
	struct integration c = *in;
	c.id = arena_strdup(&b->run, in->id);
	c.name = arena_strdup(&b->run, in->name);
	c.installer = arena_strdup(&b->run, in->installer);
	c.installer_name = arena_strdup(&b->run, in->installer_name);
	c.scopes = arena_strdup(&b->run, in->scopes);
	c.authors = c.convs = NULL;
	c.n_authors = c.n_convs = 0;
	return c;
}

/* What the newer of two archives does not tell, the older one may. */
static void fill_in(struct integration *now, const struct integration *old)
{
	if (!now->installer && !now->installer_name) {
		now->installer = old->installer;
		now->installer_name = old->installer_name;
		now->installed_us = old->installed_us ? old->installed_us : now->installed_us;
	}
	if (!now->installed_us)
		now->installed_us = old->installed_us;
	if (!now->scopes)
		now->scopes = old->scopes;
	if (!now->state)
		now->state = old->state;
	if (streq(now->name, now->id))
		now->name = old->name;
}

bool spool_put_integration(void *ctx, const struct integration *in)
{
	struct build *b = ((struct spool *)ctx)->b;
	struct kept *k = table_get(&b->integrations, in->id);
	if (!k) {
		if (b->integrations.n >= KEPT_MAX)
			return true;
		k = arena_new(&b->run, struct kept);
		table_init(&k->authors);
		table_init(&k->convs);
		table_put(&b->integrations, arena_strdup(&b->run, in->id), k);
		k->in = copied(b, in);
	} else {
		struct integration now = copied(b, in), old = k->in;
		const bool newer = now.changed_us >= old.changed_us;
		k->in = newer ? now : old;
		fill_in(&k->in, newer ? &old : &now);
	}
	add_words(b, &k->authors, in->authors, in->n_authors);
	add_words(b, &k->convs, in->convs, in->n_convs);
	return true;
}

static bool run(struct spool *s, sqlite3_stmt *st)
{
	const bool ok = sqlite3_step(st) == SQLITE_DONE;
	sqlite3_reset(st);
	if (!ok && !s->b->failed) {
		spool_db_fail(s, "cannot store what is known of apps", &s->b->err);
		s->b->failed = true;
	}
	return ok;
}

static bool put_words(struct spool *s, sqlite3_stmt *st, int64_t app, const struct table *t, bool authors)
{
	bool ok = true;
	for (size_t i = 0; ok && i < t->n; i++) {
		sqlite3_bind_int64(st, 1, app);
		spool_db_text(st, 2, t->rows[i].key);
		sqlite3_bind_int(st, 3, authors);
		ok = run(s, st);
	}
	return ok;
}

bool spool_apps_finish(struct spool *s)
{
	struct build *b = s->b;
	sqlite3_stmt *app = spool_db_once(s, "INSERT INTO app VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)");
	sqlite3_stmt *word = spool_db_once(s, "INSERT INTO app_word VALUES(?1,?2,?3)");
	sqlite3_stmt *post = spool_db_once(s, "INSERT INTO post VALUES(coalesce((SELECT id FROM alias WHERE alias=?1 AND ?1 NOT IN (SELECT id FROM user)),?1),?2,?3,?4,?5)");
	bool ok = true;
	for (size_t i = 0; i < b->integrations.n; i++) {
		struct kept *k = b->integrations.rows[i].value;
		const int64_t num = (int64_t)i + 1;
		sqlite3_bind_int64(app, 1, num);
		spool_db_text(app, 2, k->in.id);
		spool_db_text(app, 3, k->in.name);
		sqlite3_bind_int(app, 4, (int)k->in.kind);
		sqlite3_bind_int(app, 5, (int)k->in.state);
		spool_db_text(app, 6, k->in.installer);
		spool_db_text(app, 7, k->in.installer_name);
		sqlite3_bind_int64(app, 8, k->in.installed_us);
		sqlite3_bind_int64(app, 9, k->in.changed_us);
		spool_db_text(app, 10, k->in.scopes);
		ok = ok && run(s, app) && put_words(s, word, num, &k->authors, true) && put_words(s, word, num, &k->convs, false);
	}
	const struct table *posts = spool_put_posts(s);
	for (size_t i = 0; ok && i < posts->n; i++) {
		const struct spool_post *p = posts->rows[i].value;
		if (p->n <= 0)
			continue;
		spool_db_text(post, 1, p->author);
		sqlite3_bind_int64(post, 2, p->conv);
		sqlite3_bind_int64(post, 3, p->n);
		sqlite3_bind_int64(post, 4, p->first);
		sqlite3_bind_int64(post, 5, p->last);
		ok = run(s, post);
	}
	sqlite3_finalize(app);
	sqlite3_finalize(word);
	sqlite3_finalize(post);
	return ok;
}

void spool_apps_free(struct build *b)
{
	for (size_t i = 0; i < b->integrations.n; i++) {
		struct kept *k = b->integrations.rows[i].value;
		table_release(&k->authors);
		table_release(&k->convs);
	}
	table_release(&b->integrations);
}

/* ---- reading ---- */

struct line { struct spool_integration it; struct spool_place *places; size_t cap; };
struct reading {
	struct spool *s;
	struct arena *a;
	struct line *v; size_t n, cap;
	struct table by_author; /* author -> its place in v, plus one */
};

static struct line *new_line(struct reading *r)
{
	GROW(r->v, r->n, r->cap, 64);
	r->v[r->n] = (struct line){ .cap = 0 };
	return &r->v[r->n++];
}

static struct spool_place *place_in(struct reading *r, struct line *l, const char *conv, const char *name)
{
	for (size_t i = 0; i < l->it.n_places; i++)
		if (streq(l->places[i].conv, conv))
			return &l->places[i];
	if (l->it.n_places == SPOOL_PLACES_MAX)
		return NULL;
	GROW(l->places, l->it.n_places, l->cap, 4);
	struct spool_place *p = &l->places[l->it.n_places++];
	*p = (struct spool_place){ .conv = arena_strdup(r->a, conv), .name = arena_strdup(r->a, name) };
	return p;
}

static void read_apps(struct reading *r)
{
	sqlite3_stmt *st = spool_db_once(r->s, "SELECT id,name,kind,state,installer,installer_name,installed,changed,scopes FROM app ORDER BY num");
	while (spool_db_step(r->s, st)) {
		struct line *l = new_line(r);
		l->it.in = (struct integration){
			.id = arena_strdup(r->a, spool_db_col(st, 0)), .name = arena_strdup(r->a, spool_db_col(st, 1)),
			.kind = (enum integration_kind)sqlite3_column_int(st, 2), .state = (enum integration_state)sqlite3_column_int(st, 3),
			.installer = arena_strdup(r->a, spool_db_col(st, 4)), .installer_name = arena_strdup(r->a, spool_db_col(st, 5)),
			.installed_us = sqlite3_column_int64(st, 6), .changed_us = sqlite3_column_int64(st, 7), .scopes = arena_strdup(r->a, spool_db_col(st, 8)),
		};
	}
	sqlite3_finalize(st);
	st = spool_db_once(r->s, "SELECT app,word,is_author FROM app_word ORDER BY rowid");
	while (spool_db_step(r->s, st)) {
		const int64_t num = sqlite3_column_int64(st, 0);
		const char *word = arena_strdup(r->a, spool_db_col(st, 1));
		if (num < 1 || (size_t)num > r->n)
			continue;
		if (sqlite3_column_int(st, 2)) {
			table_put(&r->by_author, word, (void *)(uintptr_t)num);
			continue;
		}
		struct spool_conv c;
		place_in(r, &r->v[num - 1], word, spool_conv(r->s, word, r->a, &c) ? c.conv.name : word);
	}
	sqlite3_finalize(st);
}

/* The line of whoever posts as this, a new one for a bot that nothing else tells of; NULL: the messenger itself. */
static struct line *line_of(struct reading *r, const char *author)
{
	uintptr_t at = (uintptr_t)table_get(&r->by_author, author);
	if (at)
		return &r->v[at - 1];
	struct user u = { .name = author };
	const bool known = spool_user(r->s, author, r->a, &u);
	if (known && (u.flags & USER_SYSTEM))
		return NULL;
	if (known && (at = (uintptr_t)table_get(&r->by_author, u.id)))
		return &r->v[at - 1];
	struct line *l = new_line(r);
	const char *id = arena_strdup(r->a, author);
	l->it.in = (struct integration){ .id = id, .name = known ? u.name : id, .kind = INTEGRATION_BOT };
	table_put(&r->by_author, id, (void *)(uintptr_t)r->n);
	return l;
}

static void read_posts(struct reading *r)
{
	sqlite3_stmt *st = spool_db_once(r->s, "SELECT p.author,c.id,sum(p.n),min(p.first),max(p.last) FROM post p JOIN conv c ON c.num=p.conv"
	                                       " GROUP BY p.author,p.conv ORDER BY p.author,p.conv");
	while (spool_db_step(r->s, st)) {
		struct line *l = line_of(r, spool_db_col(st, 0));
		if (!l)
			continue;
		const char *conv = arena_strdup(r->a, spool_db_col(st, 1));
		const int64_t n = sqlite3_column_int64(st, 2), first = sqlite3_column_int64(st, 3), last = sqlite3_column_int64(st, 4);
		struct spool_conv c;
		struct spool_place *p = place_in(r, l, conv, spool_conv(r->s, conv, r->a, &c) ? c.conv.name : conv);
		if (p) {
			p->first_us = p->n && p->first_us < first ? p->first_us : first;
			p->last_us = last > p->last_us ? last : p->last_us;
			p->n += n;
		}
		l->it.first_us = l->it.n_msgs && l->it.first_us < first ? l->it.first_us : first;
		l->it.last_us = last > l->it.last_us ? last : l->it.last_us;
		l->it.n_msgs += n;
	}
	sqlite3_finalize(st);
}

static int busiest_place(const void *a, const void *b)
{
	const struct spool_place *x = a, *y = b;
	return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : strcmp(x->name, y->name) ? strcmp(x->name, y->name) : strcmp(x->conv, y->conv);
}

static int busiest(const void *a, const void *b)
{
	const struct spool_integration *x = &((const struct line *)a)->it, *y = &((const struct line *)b)->it;
	if (x->n_msgs != y->n_msgs)
		return (x->n_msgs < y->n_msgs) - (x->n_msgs > y->n_msgs);
	const int by_name = strcmp(x->in.name, y->in.name);
	return by_name ? by_name : strcmp(x->in.id, y->in.id);
}

bool spool_integrations(struct spool *s, struct arena *a, bool (*each)(void *ctx, const struct spool_integration *in), void *ctx)
{
	struct reading r = { .s = s, .a = a };
	bool go = true;
	table_init(&r.by_author);
	read_apps(&r);
	read_posts(&r);
	if (r.n)
		qsort(r.v, r.n, sizeof(*r.v), busiest);
	for (size_t i = 0; i < r.n; i++) {
		struct line *l = &r.v[i];
		if (l->it.n_places)
			qsort(l->places, l->it.n_places, sizeof(*l->places), busiest_place);
		l->it.places = l->places;
		go = go && each(ctx, &l->it);
		free(l->places);
	}
	free(r.v);
	table_release(&r.by_author);
	return go;
}
