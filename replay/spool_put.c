/* spool_put.c: messages on their way into the spool: gathered into batches, stored and merged a batch at a time.
 *
 * Called through struct sink (spool_put_msg) and by spool_build.c. A message becomes its canonical line and its columns at
 * once, on the caller's side, as the importer's memory is about to be used again; the rest, which is SQLite's work, is done by a
 * worker while the importer goes on, or by the caller itself where there is no second processor. Batches are stored in the
 * order of reading, one by one, so the spool's content does not depend on who stores them.
 *
 * What the worker touches, from worker_give until worker_wait: the database, struct storing, the message numbers of
 * s->counts and of the tallies. The caller's side keeps away from them until spool_put_settle.
 */
#include "core/canon.h"
#include "core/worker.h"
#include "replay/spool_db.h"

#include <stdlib.h>
#include <string.h>

enum {
	BATCH_BYTES = 128 * 1024,
	BATCHES = 4,
	POSTS_MAX = 200 * 1000,   /* (bot, conversation) pairs that are counted */
	POST_KEY = 320,
	KEEP_BYTES = 1024 * 1024, /* a buffer that one message has made larger is given back */
	GROUP = 16,               /* messages that one statement stores */
	PARAMS = 16,              /* of a message in it */
};

/* What one stored message adds to the counts, or takes away when a better copy replaces it. */
struct share { int64_t files, present, linked, external, gone, reacts, reactors; };

/* A message in a batch: this, then its id, root, author, name and line. */
struct row {
	struct tally *tally;
	int64_t conv, ts_us, root_ts_us, edited_us;
	uint64_t fp;
	struct share share;
	size_t id_n, root_n, author_n, name_n, line_n; /* root_n, author_n, name_n: 0 = none; name: of a bot that has nothing else */
	enum msg_kind kind;
	uint32_t flags;
	bool empty, timed; /* timed: its id spells its time */
};
struct strings { const char *id, *root, *author, *name, *line; };

struct batch {
	struct buf buf;
	uint64_t number; /* of the worker's job; 0: it has not been given */
	bool failed;     /* out */
};

/* Messages that come behind all of their conversation, as nearly all do, need not be looked for and are stored by one statement:
 * the tree of the table is not gone down for each, and numbers that are the same as in the statement before stay bound. */
struct group {
	sqlite3_stmt *st;
	struct bound { int64_t v[PARAMS + 1]; bool text[PARAMS + 1]; } was[GROUP]; /* of the values bound */
};

/* The worker's side. */
struct storing {
	struct group group;
	struct arena run, step;
	struct table authors; /* id -> int64_t: messages */
	struct table posts;   /* of bots: author and conversation -> struct spool_post */
	int64_t untimed;
	struct spool_differing edited, differs;
	bool failed;
	struct err err;
};

struct putting {
	struct worker *worker;
	bool tried;                /* to have a worker */
	struct batch batch[BATCHES];
	size_t now;                /* the batch being filled */
	uint64_t last;             /* job given */
	bool named;                /* a message names another by its id */
	struct file *files; size_t files_cap;
	struct storing storing;
};

void spool_put_begin(struct build *b)
{
	struct putting *p = b->putting = xcalloc(1, sizeof(*p));
	for (size_t i = 0; i < BATCHES; i++)
		buf_init(&p->batch[i].buf, (size_t)2 * SPOOL_LINE_MAX);
	arena_init(&p->storing.run);
	arena_init(&p->storing.step);
	table_init(&p->storing.authors);
	table_init(&p->storing.posts);
}

void spool_put_end(struct build *b)
{
	struct putting *p = b->putting;
	if (!p)
		return;
	worker_close(p->worker);
	for (size_t i = 0; i < BATCHES; i++)
		buf_release(&p->batch[i].buf);
	sqlite3_finalize(p->storing.group.st);
	table_release(&p->storing.authors);
	table_release(&p->storing.posts);
	arena_release(&p->storing.run);
	arena_release(&p->storing.step);
	free(p->files);
	free(p);
	b->putting = NULL;
}

/* ---- storing: the worker's side ---- */

static bool store_failed(struct spool *s, const char *what)
{
	struct storing *g = &s->b->putting->storing;
	if (!g->failed)
		spool_db_fail(s, what, &g->err);
	g->failed = true;
	return false;
}

static struct share share_of(const struct msg *m)
{
	struct share r = { .files = (int64_t)m->n_files, .reacts = (int64_t)m->n_reacts };
	for (size_t i = 0; i < m->n_files; i++) {
		switch (m->files[i].state) {
		case FILE_PRESENT: r.present++; break;
		case FILE_LINKED: r.linked++; break;
		case FILE_EXTERNAL: r.external++; break;
		case FILE_GONE: r.gone++; break;
		}
	}
	for (size_t i = 0; i < m->n_reacts; i++)
		r.reactors += (int64_t)m->reacts[i].n_users;
	return r;
}

static void add_share(struct spool *s, struct tally *t, const struct share *r, int sign)
{
	s->counts.files += sign * r->files;
	s->counts.files_present += sign * r->present;
	s->counts.files_linked += sign * r->linked;
	s->counts.files_external += sign * r->external;
	s->counts.files_gone += sign * r->gone;
	s->counts.reactions += sign * r->reacts;
	t->files += sign * r->files;
	t->reacts += sign * r->reacts;
}

static void add_author(struct storing *g, const char *id, int64_t n)
{
	int64_t *msgs = table_get(&g->authors, id);
	if (!msgs) {
		msgs = arena_new(&g->run, int64_t);
		table_put(&g->authors, arena_strdup(&g->run, id), msgs);
	}
	*msgs += n;
}

/* A bot's message in a conversation, or one less where another copy replaces it. */
static void add_post(struct storing *g, const char *author, int64_t conv, int64_t ts_us, int n)
{
	char key[POST_KEY];
	if (!author || !fmt_into(key, sizeof(key), "%lld %s", (long long)conv, author))
		return;
	struct spool_post *p = table_get(&g->posts, key);
	if (!p) {
		if (g->posts.n >= POSTS_MAX)
			return;
		p = arena_new(&g->run, struct spool_post);
		*p = (struct spool_post){ .author = arena_strdup(&g->run, author), .conv = conv, .first = ts_us, .last = ts_us };
		table_put(&g->posts, arena_strdup(&g->run, key), p);
	}
	p->n += n;
	p->first = ts_us < p->first ? ts_us : p->first;
	p->last = ts_us > p->last ? ts_us : p->last;
}

static void bind_int(sqlite3_stmt *st, int from, struct bound *was, int i, int64_t v)
{
	if (was && was->v[i] == v)
		return;
	sqlite3_bind_int64(st, from + i, v);
	if (was)
		was->v[i] = v;
}

static void bind_text(sqlite3_stmt *st, int from, struct bound *was, int i, const char *s, size_t n)
{
	if (n)
		sqlite3_bind_text64(st, from + i, s, n, SQLITE_STATIC, SQLITE_UTF8);
	else if (!was || was->text[i])
		sqlite3_bind_null(st, from + i);
	if (was)
		was->text[i] = n > 0;
}

/* was: what the statement's parameters behind `from` are bound to already; NULL: unknown. */
static void bind_at(sqlite3_stmt *st, int from, struct bound *was, const struct row *r, const struct strings *v)
{
	bind_int(st, from, was, 1, r->conv);
	bind_int(st, from, was, 2, r->ts_us);
	sqlite3_bind_text64(st, from + 3, v->id, r->id_n, SQLITE_STATIC, SQLITE_UTF8);
	bind_text(st, from, was, 4, v->root, r->root_n);
	bind_int(st, from, was, 5, r->root_ts_us);
	bind_text(st, from, was, 6, v->author, r->author_n);
	bind_int(st, from, was, 7, (int)r->kind);
	bind_int(st, from, was, 8, r->flags);
	bind_int(st, from, was, 9, r->share.files);
	bind_int(st, from, was, 10, r->share.reacts);
	bind_int(st, from, was, 11, r->share.reactors);
	bind_int(st, from, was, 12, r->share.present);
	bind_int(st, from, was, 13, r->empty);
	bind_int(st, from, was, 14, r->edited_us);
	bind_int(st, from, was, 15, (int64_t)r->fp);
	sqlite3_bind_blob64(st, from + 16, v->line, r->line_n, SQLITE_STATIC);
}

static void bind_row(sqlite3_stmt *st, const struct row *r, const struct strings *v)
{
	bind_at(st, 0, NULL, r, v);
}

static bool store_done(struct spool *s, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);
	sqlite3_reset(st);
	return rc == SQLITE_DONE || store_failed(s, "cannot store a message");
}

/* The same (conv, time, id) again. The newest edit wins; between equals the copy that holds more, so that the outcome does not
 * depend on the order of the archives. */
static bool merge(struct spool *s, const struct row *r, const struct strings *v)
{
	struct storing *g = &s->b->putting->storing;
	const struct share *now = &r->share;
	sqlite3_stmt *st = spool_put_st(s, PUT_OLD);
	sqlite3_bind_int64(st, 1, r->conv);
	sqlite3_bind_int64(st, 2, r->ts_us);
	sqlite3_bind_text64(st, 3, v->id, r->id_n, SQLITE_STATIC, SQLITE_UTF8);
	if (sqlite3_step(st) != SQLITE_ROW)
		return store_failed(s, "cannot read a message again");
	s->counts.merged++;
	uint64_t old_fp = (uint64_t)sqlite3_column_int64(st, 0);
	int64_t edited = sqlite3_column_int64(st, 1), present = sqlite3_column_int64(st, 2), reactors = sqlite3_column_int64(st, 3);
	bool better = r->edited_us != edited ? r->edited_us > edited
	            : now->present != present ? now->present > present
	            : now->reactors != reactors ? now->reactors > reactors : r->fp > old_fp;
	if (r->fp != old_fp) {
		struct spool_differing *d = r->edited_us != edited ? &g->edited : &g->differs;
		s->counts.conflicts++;
		if (!d->n++)
			d->where = arena_fmt(&g->run, "%s/%s", r->tally->id, v->id);
	}
	if (!better || (r->fp == old_fp && now->present == present && now->reactors == reactors && r->edited_us == edited)) {
		sqlite3_reset(st);
		return true;
	}
	struct msg old;
	arena_reset(&g->step);
	if (!canon_read_msg(sqlite3_column_blob(st, 7), (size_t)sqlite3_column_bytes(st, 7), &g->step, &old, NULL, &g->err)) {
		sqlite3_reset(st);
		g->failed = true;
		return false;
	}
	const char *author = spool_db_col(st, 6);
	if (author)
		add_author(g, author, -1);
	if (old.kind == MSG_BOT)
		add_post(g, author ? author : old.author_name, r->conv, r->ts_us, -1);
	sqlite3_reset(st);
	struct share was = share_of(&old);
	add_share(s, r->tally, &was, -1);
	add_share(s, r->tally, now, +1);
	if (r->author_n)
		add_author(g, v->author, +1);
	if (r->kind == MSG_BOT)
		add_post(g, r->author_n ? v->author : r->name_n ? v->name : NULL, r->conv, r->ts_us, +1);
	st = spool_put_st(s, PUT_REPLACE);
	bind_row(st, r, v);
	return store_done(s, st);
}

static void count(struct spool *s, const struct row *r, const struct strings *v)
{
	struct storing *g = &s->b->putting->storing;
	struct tally *t = r->tally;
	s->counts.stored++;
	add_share(s, t, &r->share, +1);
	if (r->author_n)
		add_author(g, v->author, +1);
	if (r->kind == MSG_BOT)
		add_post(g, r->author_n ? v->author : r->name_n ? v->name : NULL, r->conv, r->ts_us, +1);
	if (!t->msgs++ || r->ts_us < t->first)
		t->first = r->ts_us;
	if (t->msgs == 1 || r->ts_us > t->last)
		t->last = r->ts_us;
	g->untimed += !r->timed;
}

static bool store(struct spool *s, const struct row *r, const struct strings *v)
{
	sqlite3_stmt *st = spool_put_st(s, PUT_MSG);
	bind_row(st, r, v);
	if (!store_done(s, st))
		return false;
	if (!sqlite3_changes(s->db))
		return merge(s, r, v);
	count(s, r, v);
	return true;
}

/* OR FAIL: there is no journal from which SQLite could undo a part of it. */
static sqlite3_stmt *group_statement(struct spool *s)
{
	struct buf sql;
	sqlite3_stmt *st = NULL;
	buf_init(&sql, 16384);
	buf_adds(&sql, "INSERT OR FAIL INTO msg VALUES");
	for (int i = 0; i < GROUP; i++)
		for (int k = 1; k <= PARAMS; k++) /* `replies`, which is found out later, stands before the 12th */
			buf_addf(&sql, "%s%s?%d%s", k > 1 ? "," : i ? ",(" : "(", k == 12 ? "0," : "", i * PARAMS + k, k == PARAMS ? ")" : "");
	spool_db_kept(s, &st, sql.p);
	/* What struct bound says at first: numbers are 0, not NULL as they would be. */
	static const int numbers[] = { 1, 2, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	for (int i = 0; i < GROUP; i++)
		for (size_t k = 0; k < countof(numbers); k++)
			sqlite3_bind_int64(st, i * PARAMS + numbers[k], 0);
	buf_release(&sql);
	return st;
}

struct held { struct row r; struct strings v; };

/* Fewer than the statement takes only where a batch ends or a message stands out of order. */
static bool store_held(struct spool *s, const struct held *h, int n)
{
	struct group *g = &s->b->putting->storing.group;
	bool ok = true;
	for (int i = 0; ok && n < GROUP && i < n; i++) {
		sqlite3_stmt *st = spool_put_st(s, PUT_MSG);
		bind_row(st, &h[i].r, &h[i].v);
		ok = store_done(s, st);
	}
	if (n < GROUP)
		return ok;
	if (!g->st)
		g->st = group_statement(s);
	for (int i = 0; i < n; i++)
		bind_at(g->st, i * PARAMS, &g->was[i], &h[i].r, &h[i].v);
	return store_done(s, g->st);
}

static void store_batch(void *ctx, void *job)
{
	struct spool *s = ctx;
	struct batch *b = job;
	struct held held[GROUP];
	int n = 0;
	bool ok = !s->b->putting->storing.failed;
	for (const char *p = b->buf.p, *end = p + b->buf.len; ok && p < end;) {
		struct held *h = &held[n];
		struct row *r = &h->r;
		memcpy(r, p, sizeof(*r)); /* rows stand at any address */
		p += sizeof(*r);
		h->v = (struct strings){ .id = p, .root = p + r->id_n + 1 };
		h->v.author = h->v.root + r->root_n + 1;
		h->v.name = h->v.author + r->author_n + 1;
		h->v.line = h->v.name + r->name_n + 1;
		p = h->v.line + r->line_n;
		s->counts.read++;
		if (!r->tally->msgs || r->ts_us > r->tally->last) {
			count(s, r, &h->v);
			n++;
		} else {
			ok = store_held(s, held, n) && store(s, r, &h->v);
			n = 0;
		}
		if (n == GROUP) {
			ok = store_held(s, held, n);
			n = 0;
		}
	}
	ok = ok && store_held(s, held, n);
	b->failed = !ok;
}

/* ---- gathering: the caller's side ---- */

/* The batch can be filled again. */
static bool reclaim(struct build *b, struct batch *t)
{
	struct putting *p = b->putting;
	if (t->number)
		worker_wait(p->worker, t->number);
	if (t->failed && !b->failed) {
		if (p->worker)
			worker_wait(p->worker, p->last); /* the others, which find it failed, too */
		b->err = p->storing.err;
		b->failed = true;
	}
	t->number = 0;
	t->failed = false;
	if (t->buf.cap > KEEP_BYTES)
		buf_release(&t->buf);
	buf_reset(&t->buf);
	return !b->failed;
}

/* The batch is full: to the worker with it. */
static bool give(struct spool *s)
{
	struct putting *p = s->b->putting;
	struct batch *t = &p->batch[p->now];
	if (!p->tried) {
		p->tried = true;
		p->worker = worker_new(store_batch, s);
	}
	if (p->worker) {
		t->number = p->last = worker_give(p->worker, t);
		p->now = (p->now + 1) % BATCHES;
	} else {
		store_batch(s, t);
	}
	return reclaim(s->b, &p->batch[p->now]);
}

bool spool_put_settle(struct spool *s)
{
	struct putting *p = s->b->putting;
	struct batch *t = &p->batch[p->now];
	if (p->worker) {
		worker_wait(p->worker, p->last);
		for (size_t i = 0; i < BATCHES; i++)
			if (&p->batch[i] != t)
				reclaim(s->b, &p->batch[i]);
	}
	if (t->buf.len) {
		store_batch(s, t); /* the worker has nothing to do */
		reclaim(s->b, t);
	}
	return !s->b->failed;
}

static const struct file *files_here(struct spool *s, const struct msg *m)
{
	struct putting *p = s->b->putting;
	if (m->n_files > p->files_cap) {
		p->files_cap = m->n_files + 8;
		p->files = xrealloc(p->files, p->files_cap * sizeof(*p->files));
	}
	for (size_t i = 0; i < m->n_files; i++) {
		p->files[i] = m->files[i];
		p->files[i].archive = s->n_archives - 1;
	}
	return p->files;
}

static struct row row_of(const struct msg *m)
{
	const bool reply = m->parent && !streq(m->parent, m->id);
	int64_t spelt;
	return (struct row){
		.ts_us = m->ts_us, .root_ts_us = reply ? m->parent_ts_us : 0, .edited_us = m->edited_us,
		.fp = canon_msg_fp(m), .share = share_of(m),
		.id_n = strlen(m->id), .root_n = reply ? strlen(m->parent) : 0, .author_n = m->author ? strlen(m->author) : 0,
		.name_n = m->kind == MSG_BOT && !m->author && m->author_name ? strlen(m->author_name) : 0,
		.kind = m->kind, .flags = m->flags,
		.empty = !m->n_files && text_is_empty(&m->body), .timed = spool_db_timed(m->id, &spelt) && spelt == m->ts_us,
	};
}

/* The hash of a plain text of some length, if it is among the copy's lowest. */
static void sketch(struct spool_copy *c, const struct msg *m)
{
	enum { TEXT_MIN = 16 };
	if (m->kind != MSG_TEXT || m->body.n_blocks != 1 || m->body.blocks[0].n_spans != 1 || m->body.blocks[0].spans[0].kind != SPAN_TEXT)
		return;
	const char *text = m->body.blocks[0].spans[0].text;
	size_t n = strlen(text), k = 0;
	uint64_t h = n >= TEXT_MIN ? hash64(text, n, 0) : UINT64_MAX;
	if (h >= c->limit)
		return;
	while (k < c->n_sketch && c->sketch[k] != h)
		k++;
	if (k < c->n_sketch)
		return;
	c->sketch[c->n_sketch++] = h;
	while (c->n_sketch == countof(c->sketch)) {
		size_t left = 0;
		c->limit /= 2;
		for (k = 0; k < c->n_sketch; k++)
			if (c->sketch[k] < c->limit)
				c->sketch[left++] = c->sketch[k];
		c->n_sketch = left;
	}
}

static bool names_another(const struct msg *m)
{
	for (size_t i = 0; i < m->body.n_blocks; i++)
		for (size_t k = 0; k < m->body.blocks[i].n_spans; k++)
			if (m->body.blocks[i].spans[k].kind == SPAN_MSG)
				return true;
	return false;
}

bool spool_put_msg(void *ctx, const char *conv_id, const struct msg *given)
{
	struct spool *s = ctx;
	struct putting *p = s->b->putting;
	struct buf *out = &p->batch[p->now].buf;
	struct msg m = *given;
	if (s->b->failed)
		return false;
	if (m.n_files)
		m.files = files_here(s, given);
	struct row r = row_of(&m);
	r.tally = spool_tally(s, conv_id);
	r.conv = r.tally->num;
	p->named = p->named || r.root_n || names_another(&m);
	if (r.tally->copy)
		sketch(r.tally->copy, &m);
	const size_t at = out->len;
	buf_add(out, &r, sizeof(r));
	buf_add(out, m.id, r.id_n + 1);
	buf_add(out, r.root_n ? m.parent : "", r.root_n + 1);
	buf_add(out, r.author_n ? m.author : "", r.author_n + 1);
	buf_add(out, r.name_n ? m.author_name : "", r.name_n + 1);
	const size_t line_at = out->len;
	canon_msg(&m, NULL, out);
	r.line_n = out->len - line_at;
	if (out->full || r.line_n > SPOOL_LINE_MAX) {
		struct err e = ERR_INIT;
		buf_cut(out, at);
		out->full = false;
		err_set(&e, ERR_RECORD, "message of more than %d MiB", SPOOL_LINE_MAX >> 20);
		err_where(&e, "%s/%s", conv_id, m.id);
		return spool_put_bad(s, &e);
	}
	memcpy(out->p + at, &r, sizeof(r));
	return out->len < BATCH_BYTES || give(s);
}

/* ---- afterwards ---- */

void spool_put_rename(struct spool *s, const char *from, const char *to)
{
	struct storing *g = &s->b->putting->storing;
	int64_t *n = table_get(&g->authors, from);
	if (n && *n) {
		add_author(g, to, *n);
		n = table_get(&g->authors, from);
		*n = 0;
	}
}

void spool_put_authors(struct spool *s)
{
	const struct table *t = &s->b->putting->storing.authors;
	for (size_t i = 0; i < t->n; i++)
		spool_who(s->b, t->rows[i].key)->msgs = *(const int64_t *)t->rows[i].value;
}

const struct table *spool_put_posts(struct spool *s)
{
	return &s->b->putting->storing.posts;
}

void spool_put_differing(struct spool *s, struct spool_differing *edited, struct spool_differing *differs)
{
	*edited = s->b->putting->storing.edited;
	*differs = s->b->putting->storing.differs;
}

bool spool_put_untimed(struct spool *s)
{
	return s->b->putting->storing.untimed > 0;
}

bool spool_put_named(struct spool *s)
{
	return s->b->putting->named;
}

void spool_put_count(struct spool *s, struct tally *t, const struct msg *m, int sign)
{
	struct share r = share_of(m);
	add_share(s, t, &r, sign);
	s->counts.stored += sign;
	t->msgs += sign;
	if (m->author)
		add_author(&s->b->putting->storing, m->author, sign);
}

sqlite3_stmt *spool_put_lone(struct spool *s, int64_t conv, const struct msg *m, const struct buf *line)
{
	struct row r = row_of(m);
	r.conv = conv;
	r.line_n = line->len;
	sqlite3_stmt *st = spool_put_st(s, PUT_MSG);
	bind_row(st, &r, &(struct strings){ .id = m->id, .root = m->parent, .author = m->author, .line = line->p });
	s->b->putting->storing.untimed += !r.timed;
	return st;
}
