/* adopt.c: a ledger from what the target holds.
 *
 * Promises: only what our own accounts wrote is taken, and only where it says exactly what would be written today (an account that has
 * written so, under the name that only we give, is ours even if its token is not given); equal messages
 * of one lane are taken in their order; one message of the target for one post. A lane with an open op is left to apply. A text
 * may hold links to other messages that led to the target or not, depending on what was there when it was sent: such texts are
 * tried in every form, and again when more of the target is known.
 * Memory: the messages of our account in one chat. Called by `mvchat verify --adopt`. Writes the ledger, never the target.
 */
#include "replay/adopt.h"

#include "core/clock.h"
#include "replay/stream_in.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_A_COMMIT = 2000, ROUNDS = 4, PARTS_TRIED = 8 };

/* A message in the target: of ours, or of an account that may be ours, too: author, else NULL. */
struct here { uint64_t fp; size_t no; const char *id, *thread, *thread_chat, *author; bool taken; };
struct place_seen { struct here *v; size_t n, cap; struct table by_id; bool read; };

struct adopt {
	const struct adopt_args *args;
	struct stream *s;
	struct ledger *l;
	const struct exporter *ex;
	struct adopt_result *out;
	struct arena arena;      /* chats and people of the target */
	struct arena conv;       /* what is read of one chat */
	struct arena one;        /* one message */
	struct seen *chats; size_t n_chats, cap_chats;
	struct seen *people; size_t n_people, cap_people;
	int rows;                /* in the open transaction */
	int round;
	int64_t found;           /* in this round */
	bool last;               /* round: tell what is missing */
	bool lacking;            /* something of this conversation is missing */
	bool lost_tx;            /* a commit failed: no transaction is open */
	int64_t strangers;       /* of this conversation */
	struct err *err;
};

static bool stopping(const struct adopt *x)
{
	return x->args->stop && *x->args->stop;
}

/* ---- the ledger ---- */

static bool commit(struct adopt *x)
{
	x->rows = 0;
	x->lost_tx = !ledger_commit(x->l, x->err);
	if (!x->lost_tx)
		ledger_begin(x->l);
	return !x->lost_tx;
}

struct fact { const char *lane; uint64_t src_fp, body_fp; uint32_t loss; const char *id, *id2; };

static enum op_state state_of(struct adopt *x, const struct opkey *k)
{
	struct ledger_row row;
	return ledger_get(x->l, k, &x->one, &row) ? row.state : OP_ABSENT;
}

static bool settled(enum op_state st)
{
	return st == OP_DONE || st == OP_REJECTED;
}

/* May this row be written? Not while another op of its lane is open: that one comes first, and is apply's to settle. */
static bool free_to_write(struct adopt *x, const struct opkey *k, const char *lane)
{
	struct ledger_row open;
	int64_t num = ledger_lane(x->l, lane);
	if (num < 0 || !ledger_open_op(x->l, num, &x->one, &open))
		return true;
	return open.key.conv == k->conv && open.key.ts_us == k->ts_us && open.key.kind == k->kind && open.key.part == k->part && streq(open.key.id, k->id);
}

static void write_row(struct adopt *x, const struct opkey *k, const struct fact *f)
{
	enum op_state st = state_of(x, k);
	if (st != OP_INTENT && st != OP_UNKNOWN)
		ledger_intent(x->l, k, ledger_lane(x->l, f->lane), f->src_fp, f->body_fp, f->loss, x->args->run, wire_now_us(x->args->session->wire, NULL));
	ledger_done(x->l, k, f->id, f->id2);
	x->out->adopted[k->kind]++;
	x->found++;
	x->rows++;
}

static void missing(struct adopt *x, const struct opkey *k, const char *lane, const char *why)
{
	x->lacking = true;
	if (!x->last)
		return;
	x->out->missing[k->kind]++;
	if (x->args->missing)
		x->args->missing(x->args->ctx, k->kind, lane, k, why);
}

/* ---- what the target holds ---- */

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
	return !stopping(x);
}

static bool on_chat(void *ctx, const struct seen *s)
{
	struct adopt *x = ctx;
	grow(&x->chats, x->n_chats, &x->cap_chats);
	x->chats[x->n_chats++] = copy_seen(&x->arena, s);
	return !stopping(x);
}

static const struct seen *chat_row(const struct adopt *x, const char *id)
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
		return !stopping(x);
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 256;
		p->v = xrealloc(p->v, p->cap * sizeof(*p->v));
	}
	p->v[p->n] = (struct here){ x->ex->fingerprint_seen(s), p->n, arena_strdup(&x->conv, s->id), arena_strdup(&x->conv, s->thread),
		arena_strdup(&x->conv, s->thread_chat), foreign ? arena_strdup(&x->conv, s->author) : NULL, ledger_owns(x->l, OP_POST, s->id) };
	p->n++;
	return !stopping(x);
}

static int by_fp(const void *a, const void *b)
{
	const struct here *x = a, *y = b;
	if (x->fp != y->fp)
		return x->fp < y->fp ? -1 : 1;
	return x->no < y->no ? -1 : x->no > y->no;
}

static bool read_place(struct adopt *x, const char *chat, struct place_seen *p)
{
	struct listing q = { x, p };
	struct err e = ERR_INIT;
	*p = (struct place_seen){ .read = true };
	table_init(&p->by_id);
	if (!session_list(x->args->session, LIST_MESSAGES, chat, OLDEST_FIRST, on_message, &q, &e)) {
		int st = x->args->session->last_status;
		if (st == 403 || st == 404 || st == 410)
			return true; /* closed to us: nothing of it can be adopted */
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

static void place_release(struct adopt *x, struct place_seen *p)
{
	for (size_t i = 0; i < p->n; i++)
		x->strangers += !p->v[i].taken && !p->v[i].author;
	if (p->read)
		table_release(&p->by_id);
	free(p->v);
	*p = (struct place_seen){ 0 };
}

/* The oldest message that says this and belongs to nothing yet; one of an unknown account only when none of ours does. */
static struct here *find(struct place_seen *p, uint64_t fp)
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

/* It has written what only we write, under the name that only we give: it is one of our bots, whose token is not given today. From now on
 * (the next round, the next run) all it has written is ours. */
static void learn(struct adopt *x, struct here *h)
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

/* ---- people ---- */

static bool adopt_person(void *ctx, const struct user *u, int64_t n_msgs)
{
	struct adopt *x = ctx;
	struct person p;
	struct opkey k = { 0, 0, u->id, OP_USER_CREATE, 0 };
	const struct seen *who = NULL;
	(void)n_msgs;
	arena_reset(&x->one);
	mapping_person(x->args->mapping, u, &x->one, &p);
	const char *lane = arena_fmt(&x->one, "p:%s", u->id);
	if (p.action != PERSON_CREATE || !p.email || !*p.email)
		return !stopping(x);
	if (settled(state_of(x, &k))) {
		x->out->known += x->round == 0;
		return !stopping(x);
	}
	struct op op = { .key = k, .email = p.email, .suspended = p.suspended };
	for (size_t i = 0; i < x->n_people && !who; i++)
		if (x->ex->match(x->args->session->target, &op, &x->people[i], &x->one) == MATCH_SAME)
			who = &x->people[i];
	if (who && free_to_write(x, &k, lane))
		write_row(x, &k, &(struct fact){ .lane = lane, .src_fp = hash64s(u->id), .id = who->id });
	else
		missing(x, &k, lane, "no account has this e-mail address");
	return !stopping(x);
}

/* ---- messages ---- */

struct lane_now { const char *name, *chat; struct spot *sp; struct place_seen *place; };

/* Tries one form of the message; adopts its parts as far as they are there. True: something of it was found. */
static bool try_form(struct adopt *x, const struct lane_now *ln, const struct spool_meta *m, const struct letter *l, bool uploaded)
{
	bool any = false;
	for (size_t part = 0; part < l->n_parts; part++) {
		struct opkey k = { stream_mconv(x->s, ln->sp, m), m->ts_us, m->id, OP_POST, (int)part };
		enum op_state st = state_of(x, &k);
		if (st == OP_DONE)
			continue;
		struct op op = { .key = k, .label = "", .body = "" };
		stream_post(x->s, l, part, &op);
		uint64_t fp = x->ex->fingerprint(&op);
		struct here *h = st == OP_REJECTED ? NULL : find(ln->place, fp);
		if (!h || !free_to_write(x, &k, ln->name))
			return any;
		bool last = part + 1 == l->n_parts;
		for (size_t i = 0; last && uploaded && i < l->n_files; i++) {
			struct opkey u = { k.conv, k.ts_us, k.id, OP_UPLOAD, l->file_no[i] };
			if (!settled(state_of(x, &u)))
				write_row(x, &u, &(struct fact){ .lane = ln->name, .src_fp = m->fp, .id = LEDGER_ADOPTED });
		}
		write_row(x, &k, &(struct fact){ .lane = ln->name, .src_fp = m->fp, .body_fp = fp,
			.loss = (l->loss & ~(uint32_t)LOSS_SPLIT) | (last ? 0 : LOSS_SPLIT), .id = h->id });
		h->taken = true;
		learn(x, h);
		any = true;
	}
	return any;
}

/* The message in every form in which it may have been sent; true: something of it was found. */
static bool try_forms(struct adopt *x, const struct lane_now *ln, const struct spool_meta *m, const struct msg *msg, enum fate fate, const char *rule)
{
	/* All files uploaded, or none; every link as it may have been when the message was sent. */
	bool any = false;
	size_t whole = 0;
	for (int named = 0; named < (m->n_files ? 2 : 1) && !any; named++) {
		struct link_forms forms = { .n_links = 0 }; /* of the first letter, which has every link that leads somewhere by now */
		uint64_t off = 0;
		for (int n = 0; !any && (!n || stream_link_form(&forms, n, &off)); n++) {
			struct letter l;
			struct letter_args la = { .sp = ln->sp, .meta = m, .msg = msg, .fate = fate, .rule = rule, .posted = named == 1, .want = LETTER_ALL, .links_off = off };
			stream_letter(x->s, &la, &x->one, &l);
			if (!n)
				stream_link_forms(x->s, &l, &x->one, &forms);
			whole = l.n_parts;
			any = try_form(x, ln, m, &l, named == 0);
		}
	}
	/* It became longer in the target: its text ends with a note. */
	for (int parts = 1; parts < PARTS_TRIED && !any && (size_t)parts < whole; parts++) {
		struct letter l;
		struct letter_args la = { .sp = ln->sp, .meta = m, .msg = msg, .fate = fate, .rule = rule, .posted = true, .want = LETTER_ALL, .parts_max = parts };
		stream_letter(x->s, &la, &x->one, &l);
		any = try_form(x, ln, m, &l, false);
	}
	return any;
}

/* As it was sent when people had other names: its author alone, then everybody; under the newest of the former names, or the one before … */
enum { FORMER_TRIED = 4 };
static bool try_former(struct adopt *x, const struct lane_now *ln, const struct spool_meta *m, const struct msg *msg, enum fate fate, const char *rule)
{
	const struct former *f = x->args->former;
	const char **today = arena_array(&x->one, x->args->n_former, const char *);
	bool any = false;
	for (size_t form = 0; form < 2 * FORMER_TRIED && !any; form++) {
		bool others = false;
		for (size_t i = 0; i < x->args->n_former; i++) {
			struct someone *who = stream_someone(x->s, f[i].person);
			const char *const *v = f[i].names;
			today[i] = NULL;
			if (!who->name || !*v || (form < FORMER_TRIED && !(msg->author && streq(f[i].person, msg->author))))
				continue;
			for (size_t n = form % FORMER_TRIED; n && v[1]; n--)
				v++;
			today[i] = who->name;
			who->name = *v;
			others = true;
		}
		any = others && try_forms(x, ln, m, msg, fate, rule);
		x->out->renamed += any;
		for (size_t i = 0; i < x->args->n_former; i++) {
			struct someone *who = stream_someone(x->s, f[i].person);
			if (any && today[i])
				x->args->renamed(x->args->ctx, f[i].person, who->name);
			if (today[i])
				who->name = today[i];
		}
	}
	return any;
}

static bool adopt_message(struct adopt *x, const struct lane_now *ln, struct spool_walk *w, const struct spool_meta *m, bool *there)
{
	struct standing st;
	struct msg msg;
	const char *rule;
	struct opkey k = { stream_mconv(x->s, ln->sp, m), m->ts_us, m->id, OP_POST, 0 };
	*there = false;
	arena_reset(&x->one);
	arena_reset(&x->s->tmp);
	standing_get(x->s, k.conv, m->ts_us, m->id, &st);
	*there = st.parts > 0;
	if (st.rejected || st.complete) {
		x->out->known += x->round == 0;
		return true;
	}
	enum fate fate = stream_fate(x->s, ln->sp, m, &rule);
	if (fate == FATE_SKIP && !st.parts)
		return true;
	if (!spool_walk_body(w, &x->one, &msg, x->err))
		return false;
	bool any = try_forms(x, ln, m, &msg, fate, rule);
	if (!any && !st.parts && x->args->n_former)
		any = try_former(x, ln, m, &msg, fate, rule);
	if (!any)
		missing(x, &k, ln->name, st.parts ? "a part of it is not there" : "no message of ours says this");
	*there = *there || any;
	return x->rows < ROWS_A_COMMIT || commit(x);
}

/* What was found late (its text has links) stands behind in the ledger: the order of rows must be that of the target, because the
 * newest row of a lane is where looking begins. The rows are then written again, in order. */
struct late { struct ledger_row row; };

static const struct exporter *order_of; /* for qsort, which has no context */
static int by_target(const void *a, const void *b)
{
	return order_of->id_cmp(((const struct late *)a)->row.target, ((const struct late *)b)->row.target);
}

static bool straight(struct adopt *x, int64_t lane, size_t *posts)
{
	struct ledger_walk *w = ledger_walk_lane(x->l, lane);
	struct ledger_row r;
	char *before = NULL;
	bool ok = true;
	*posts = 0;
	while (ledger_walk_next(w, &r)) {
		if (r.key.kind != OP_POST || r.state != OP_DONE)
			continue;
		ok = ok && !(before && x->ex->id_cmp(before, r.target) > 0);
		free(before);
		before = xstrdup(r.target);
		++*posts;
	}
	free(before);
	ledger_walk_end(w);
	return ok;
}

static void straighten(struct adopt *x, const char *lane_name)
{
	int64_t lane = ledger_lane(x->l, lane_name);
	struct ledger_row r;
	size_t n, k = 0;
	arena_reset(&x->one);
	if (straight(x, lane, &n) || ledger_open_op(x->l, lane, &x->one, &r))
		return;
	struct late *v = xcalloc(n, sizeof(*v));
	struct ledger_walk *w = ledger_walk_lane(x->l, lane);
	while (k < n && ledger_walk_next(w, &r)) {
		if (r.key.kind != OP_POST || r.state != OP_DONE)
			continue;
		v[k].row = r;
		v[k].row.key.id = arena_strdup(&x->one, r.key.id);
		v[k++].row.target = arena_strdup(&x->one, r.target);
	}
	ledger_walk_end(w);
	order_of = x->ex;
	qsort(v, k, sizeof(*v), by_target);
	for (size_t i = 0; i < k; i++) {
		const struct ledger_row *p = &v[i].row;
		ledger_gone(x->l, &p->key);
		ledger_intent(x->l, &p->key, lane, p->src_fp, p->body_fp, p->loss, x->args->run, p->sent_us);
		ledger_done(x->l, &p->key, p->target, NULL);
	}
	free(v);
}

static bool adopt_walk(struct adopt *x, const struct lane_now *ln, enum spool_which which, const char *root, bool *threads);

/* The root's thread: opened when the target says so. */
static bool adopt_thread(struct adopt *x, const struct lane_now *chat, const struct spool_meta *m)
{
	struct ledger_row post, open;
	struct spot *home = stream_home(x->s, chat->sp, m);
	struct opkey k = { stream_lconv(x->s, home), m->ts_us, m->id, OP_POST, 0 };
	struct place_seen place = { 0 };
	arena_reset(&x->one);
	char *root = xstrdup(m->id), *name = NULL;
	struct buf b;
	bool ok = true, none = false;
	buf_init(&b, 1 << 20);
	buf_addf(&b, "t:%s/%s", home->id, root);
	name = buf_detach(&b);
	struct lane_now ln = { name, NULL, home, &place };
	if (!ledger_get(x->l, &k, &x->one, &post) || post.state != OP_DONE)
		goto out; /* without its first message a thread cannot be */
	k.kind = OP_THREAD_OPEN;
	const struct here *h = table_get(&chat->place->by_id, post.target);
	if (ledger_get(x->l, &k, &x->conv, &open) && open.state == OP_DONE) {
		x->out->known += x->round == 0;
		ln.chat = open.target2;
	} else if (h && h->thread && h->thread_chat && free_to_write(x, &k, name)) {
		write_row(x, &k, &(struct fact){ .lane = name, .src_fp = hash64s(root), .id = h->thread, .id2 = h->thread_chat });
		ln.chat = h->thread_chat;
	} else {
		missing(x, &k, name, "the message has no thread");
	}
	if (ln.chat)
		ok = read_place(x, ln.chat, &place) && adopt_walk(x, &ln, SPOOL_THREAD, root, &none);
	place_release(x, &place);
out:
	free(root);
	free(name);
	return ok;
}

static bool adopt_walk(struct adopt *x, const struct lane_now *ln, enum spool_which which, const char *root, bool *threads)
{
	struct spool_walk *w = spool_walk(x->args->spool, ln->sp->num, which, root, 0, NULL);
	struct spool_meta m;
	bool ok = true, there;
	while (ok && !stopping(x) && spool_walk_next(w, &m)) {
		ok = adopt_message(x, ln, w, &m, &there);
		*threads = *threads || (which == SPOOL_CHANNEL && m.n_replies && there);
	}
	spool_walk_end(w);
	if (ok && x->round > 0)
		straighten(x, ln->name);
	return ok;
}

static bool adopt_threads(struct adopt *x, const struct lane_now *ln)
{
	struct spool_walk *w = spool_walk(x->args->spool, ln->sp->num, SPOOL_CHANNEL, NULL, 0, NULL);
	struct spool_meta m;
	bool ok = true;
	while (ok && !stopping(x) && spool_walk_next(w, &m))
		if (m.n_replies && !m.root)
			ok = adopt_thread(x, ln, &m);
	spool_walk_end(w);
	return ok;
}

/* ---- the finish of a chat ---- */

struct marks { struct adopt *x; struct table ours; };

static bool on_reaction(void *ctx, const struct seen *s)
{
	struct marks *k = ctx;
	struct op any = { .key = { .kind = OP_REACT, .id = "" } };
	static char yes[] = "";
	if (k->x->ex->match(k->x->args->session->target, &any, s, &k->x->one) != MATCH_FOREIGN)
		table_put(&k->ours, arena_strdup(&k->x->one, s->name), yes);
	return true;
}

static bool adopt_reactions_of(struct adopt *x, const struct lane_now *ln, struct spool_walk *w, const struct spool_meta *m)
{
	struct msg msg;
	struct ledger_row post;
	struct opkey k = { stream_mconv(x->s, ln->sp, m), m->ts_us, m->id, OP_POST, 0 };
	struct marks got = { .x = x };
	arena_reset(&x->one);
	if (!m->n_reacts || !ledger_get(x->l, &k, &x->one, &post) || post.state != OP_DONE)
		return true;
	if (!spool_walk_body(w, &x->one, &msg, x->err))
		return false;
	k.kind = OP_REACT;
	table_init(&got.ours);
	bool listed = false, ok = true;
	for (size_t i = 0; ok && i < msg.n_reacts; i++) {
		k.part = (int)i;
		if (!stream_reaction_counts(x->s, &msg, i))
			continue;
		if (settled(state_of(x, &k))) {
			x->out->known += x->round == 0;
			continue;
		}
		ok = listed || session_list(x->args->session, LIST_REACTIONS, post.target, OLDEST_FIRST, on_reaction, &got, x->err);
		listed = true;
		if (ok && table_get(&got.ours, msg.reacts[i].emoji) && free_to_write(x, &k, ln->name))
			write_row(x, &k, &(struct fact){ .lane = ln->name, .src_fp = m->fp, .id = post.target });
		else if (ok)
			missing(x, &k, ln->name, "the reaction is not there");
	}
	table_release(&got.ours);
	return ok;
}

static bool adopt_reactions(struct adopt *x, const struct lane_now *ln)
{
	if (x->s->cfg->reactions != REACTION_NATIVE || !(x->s->tr.caps & (CAP_REACT_SELF | CAP_REACT_AS)))
		return true;
	struct spool_walk *w = spool_walk(x->args->spool, ln->sp->num, SPOOL_ALL, NULL, 0, NULL);
	struct spool_meta m;
	bool ok = true;
	while (ok && !stopping(x) && spool_walk_next(w, &m))
		ok = adopt_reactions_of(x, ln, w, &m);
	spool_walk_end(w);
	return ok;
}

struct joined { struct table ids; struct arena *a; };

static bool on_member(void *ctx, const struct seen *s)
{
	struct joined *j = ctx;
	static char yes[] = "";
	table_put(&j->ids, arena_strdup(j->a, s->id), yes);
	return true;
}

/* Portions whose people are all there. */
static bool adopt_members(struct adopt *x, const struct lane_now *ln, const struct seen *chat, bool *all_in)
{
	struct joins joins;
	struct joined j = { .a = &x->conv };
	bool ok = true, listed = false;
	static char yes[] = "";
	table_init(&j.ids);
	for (size_t i = 0; chat && i < chat->n_ids; i++)
		table_put(&j.ids, chat->ids[i], yes);
	*all_in = false;
	arena_reset(&x->one);
	stream_joins(x->s, ln->sp, JOIN_NOW, &x->one, &joins);
	for (size_t i = 0; ok && i < joins.n_portions; i++) {
		const struct join *one = &joins.v[i];
		struct opkey k = { stream_lconv(x->s, ln->sp), 0, one->id, OP_MEMBERS, 0 };
		size_t in = 0;
		if (!j.ids.n && !listed)
			ok = session_list(x->args->session, LIST_MEMBERS, ln->chat, OLDEST_FIRST, on_member, &j, x->err);
		listed = true;
		for (size_t p = 0; p < one->n; p++)
			in += table_get(&j.ids, one->who[p]) != NULL;
		*all_in = (i == 0 || *all_in) && in == one->n;
		if (settled(state_of(x, &k)))
			x->out->known += x->round == 0;
		else if (ok && in == one->n && free_to_write(x, &k, ln->name))
			write_row(x, &k, &(struct fact){ .lane = ln->name, .src_fp = hash64s(one->id), .id = ln->chat });
		else if (ok)
			missing(x, &k, ln->name, "not everybody has joined");
	}
	table_release(&j.ids);
	return ok;
}

struct tag_named { struct arena *a; const char *name, *id; };

static bool on_tag(void *ctx, const struct seen *s)
{
	struct tag_named *t = ctx;
	if (!t->id && streq(s->name, t->name))
		t->id = arena_strdup(t->a, s->id);
	return true;
}

/* The tag's id when it is a member of the chat, else *id is NULL. A tag may be given by its id or its name. */
static bool tag_in_chat(struct adopt *x, const struct seen *chat, const char *tag, const char **id)
{
	struct tag_named t = { &x->conv, tag, NULL };
	bool in = false;
	*id = NULL;
	for (int pass = 0; pass < 2 && !in && chat && chat->n_tags; pass++) {
		if (pass && !session_list(x->args->session, LIST_TAGS_FIND, tag, OLDEST_FIRST, on_tag, &t, x->err))
			return false;
		const char *want = pass ? t.id : tag;
		for (size_t i = 0; want && i < chat->n_tags && !in; i++)
			in = streq(chat->tags[i], want);
		*id = in ? want : NULL;
	}
	return true;
}

/* Roles and tags that are as they should be. The owner of a chat needs no role. */
static bool adopt_extras(struct adopt *x, const struct lane_now *ln, const struct seen *chat)
{
	struct joined held[2] = { { .a = &x->conv }, { .a = &x->conv } };
	bool listed[2] = { false, false }, ok = true;
	struct joins joins;
	arena_reset(&x->one);
	for (size_t i = 0; i < countof(held); i++)
		table_init(&held[i].ids);
	stream_joins(x->s, ln->sp, JOIN_NOW, &x->one, &joins);
	for (size_t i = joins.n_portions; ok && i < joins.n; i++) {
		const struct join *e = &joins.v[i];
		const char *who = *e->who;
		struct opkey k = { stream_lconv(x->s, ln->sp), 0, e->id, OP_MEMBERS, 0 };
		const char *tag = NULL;
		bool there;
		if (settled(state_of(x, &k))) {
			x->out->known += x->round == 0;
			continue;
		}
		if (e->what == JOIN_TAG) {
			ok = tag_in_chat(x, chat, who, &tag);
			there = tag != NULL;
		} else {
			size_t editor = streq(e->role, "editor");
			if (!listed[editor])
				ok = session_list(x->args->session, editor ? LIST_EDITORS : LIST_ADMINS, ln->chat, OLDEST_FIRST, on_member, &held[editor], x->err);
			listed[editor] = true;
			there = table_get(&held[editor].ids, who) || (chat && streq(chat->author, who));
		}
		if (ok && there && free_to_write(x, &k, ln->name))
			write_row(x, &k, &(struct fact){ .lane = ln->name, .src_fp = hash64s(e->id), .id = ln->chat, .id2 = tag });
		else if (ok)
			missing(x, &k, ln->name, e->what == JOIN_TAG ? "the tag is not a member of the chat" : "this person has not this role in the chat");
	}
	for (size_t i = 0; i < countof(held); i++)
		table_release(&held[i].ids);
	return ok;
}

/* Pins cannot be read. They come before people join and before archiving: where one of these is done, the pins were. */
static void adopt_pins(struct adopt *x, const struct lane_now *ln, bool witnessed)
{
	struct spool_conv c;
	arena_reset(&x->one);
	if (!x->s->cfg->pins || !(x->s->tr.caps & CAP_PIN) || !spool_conv(x->args->spool, ln->sp->id, &x->one, &c))
		return;
	for (size_t i = 0; i < c.conv.n_pins; i++) {
		struct ledger_row post;
		int64_t ts;
		if (!spool_find(x->args->spool, ln->sp->num, c.conv.pins[i].msg_id, &ts))
			continue;
		struct opkey k = { stream_lconv(x->s, ln->sp), ts, c.conv.pins[i].msg_id, OP_POST, 0 };
		if (!ledger_get(x->l, &k, &x->one, &post) || post.state != OP_DONE) {
			x->lacking = x->lacking || x->s->crosses; /* another conversation's chat may not have been read yet */
			continue;
		}
		k.kind = OP_PIN;
		if (settled(state_of(x, &k)))
			continue;
		if (witnessed && free_to_write(x, &k, ln->name))
			write_row(x, &k, &(struct fact){ .lane = ln->name, .src_fp = hash64s(k.id), .id = post.target });
		else
			missing(x, &k, ln->name, "the target does not show its pins");
	}
}

static bool adopt_finish(struct adopt *x, const struct lane_now *ln)
{
	const struct seen *chat = chat_row(x, ln->chat);
	struct opkey k = { stream_lconv(x->s, ln->sp), 0, "", OP_ARCHIVE, 0 };
	bool all_in;
	enum op_state st;
	if (!adopt_reactions(x, ln))
		return false;
	arena_reset(&x->one);
	bool archives = stream_archives(x->s, ln->sp, &x->one, &st);
	bool archived = chat && chat->archived && (archives || st == OP_DONE);
	/* The order of rows is the order of writing: pins before people. Whether people are in is asked first. */
	if (!adopt_members(x, ln, chat, &all_in) || !adopt_extras(x, ln, chat))
		return false;
	adopt_pins(x, ln, (all_in && ln->sp->place.placement != PLACEMENT_THREADS) || archived); /* there people do not wait for pins */
	if (archives && archived && free_to_write(x, &k, ln->name))
		write_row(x, &k, &(struct fact){ .lane = ln->name, .id = ln->chat });
	else if (archives)
		missing(x, &k, ln->name, "the chat is not archived");
	return true;
}

/* ---- one conversation ---- */

/* The chat of ours that is like the one expected: exactly one, or it is not for us to guess. */
static const char *find_chat(struct adopt *x, struct spot *sp, const char *lane)
{
	struct opkey k = { stream_lconv(x->s, sp), 0, "", OP_CHAT_CREATE, 0 };
	struct op op = { .key = k, .is_public = sp->place.is_public };
	const struct seen *is = NULL;
	bool twice = false;
	arena_reset(&x->one);
	op.name = x->ex->chat_name(sp->place.name, &x->one);
	for (size_t i = 0; i < x->n_chats; i++) {
		const struct seen *c = &x->chats[i];
		if (x->ex->match(x->args->session->target, &op, c, &x->one) != MATCH_SAME || ledger_owns(x->l, OP_CHAT_CREATE, c->id))
			continue;
		twice = twice || is;
		is = c;
	}
	if (is && !twice && free_to_write(x, &k, lane)) {
		write_row(x, &k, &(struct fact){ .lane = lane, .src_fp = hash64s(sp->id), .id = is->id });
		return is->id;
	}
	x->out->ambiguous += twice && x->last;
	missing(x, &k, lane, twice ? "several chats of ours have this name" : "no chat of ours has this name");
	return NULL;
}

static bool adopt_conv(struct adopt *x, struct spot *sp)
{
	struct place_seen place = { 0 };
	arena_reset(&x->conv);
	struct lane_now ln = { arena_fmt(&x->conv, "c:%s", sp->id), NULL, sp, &place };
	bool threads = false;
	ln.chat = stream_spot_target(x->s, sp);
	if (!ln.chat) {
		struct opkey k = { stream_lconv(x->s, sp), 0, "", OP_CHAT_CREATE, 0 };
		arena_reset(&x->one);
		if (state_of(x, &k) == OP_REJECTED)
			return true;
		if (stream_host(x->s, sp)) { /* it has no chat of its own: the round after its host's is found */
			x->lacking = true;
			return true;
		}
		ln.chat = find_chat(x, sp, ln.name);
	}
	if (!ln.chat)
		return true;
	bool ok = read_place(x, ln.chat, &place) && adopt_walk(x, &ln, x->s->threads ? SPOOL_CHANNEL : SPOOL_ALL, NULL, &threads);
	if (ok && threads && x->s->threads)
		ok = adopt_threads(x, &ln);
	ok = ok && (stopping(x) || adopt_finish(x, &ln));
	place_release(x, &place);
	return ok && (x->rows < ROWS_A_COMMIT || commit(x));
}

struct conv_name { const char *id; bool complete; int64_t strangers; };
struct names { struct adopt *x; struct conv_name *v; size_t n, cap; };

static bool on_conv(void *ctx, const struct spool_conv *c)
{
	struct names *q = ctx;
	if (q->n == q->cap) {
		q->cap = q->cap ? 2 * q->cap : 64;
		q->v = xrealloc(q->v, q->cap * sizeof(*q->v));
	}
	q->v[q->n++] = (struct conv_name){ .id = arena_strdup(&q->x->arena, c->conv.id) };
	return true;
}

static bool round_of(struct adopt *x, struct names *q, struct err *e)
{
	bool ok = true;
	struct arena a;
	arena_init(&a);
	if (x->s->tr.caps & CAP_USER_CREATE)
		ok = spool_users(x->args->spool, &a, adopt_person, x, e);
	arena_release(&a);
	for (size_t i = 0; ok && i < q->n && !stopping(x); i++) {
		struct spot *sp = stream_spot(x->s, q->v[i].id);
		if (sp && sp->place.action != PLACE_SKIP && !q->v[i].complete && !stream_idle(x->s, sp)) {
			x->lacking = false;
			x->strangers = 0;
			ok = adopt_conv(x, sp);
			q->v[i].complete = !x->lacking;
			q->v[i].strangers = x->strangers;
		}
		if (x->args->progress)
			x->args->progress(x->args->ctx, (int64_t)i + 1, (int64_t)q->n);
	}
	return ok;
}

static bool read_target(struct adopt *x, struct err *e)
{
	int settle = x->args->settle_s >= 0 ? x->args->settle_s : x->args->session->traits.settle_s;
	int64_t until = clock_mono_us() + (int64_t)settle * 1000000;
	/* A request of the time before may still be applied, and lists may lag. */
	while (clock_mono_us() < until && !stopping(x))
		clock_sleep_until_mono(until);
	return session_list(x->args->session, LIST_USERS, "", OLDEST_FIRST, on_person, x, e) &&
	       session_list(x->args->session, LIST_CHATS, "", OLDEST_FIRST, on_chat, x, e);
}

bool adopt_run(const struct adopt_args *args, struct adopt_result *out, struct err *e)
{
	struct adopt x = { .args = args, .s = args->stream, .l = args->ledger, .ex = args->session->ex, .out = out, .err = e };
	struct names q = { .x = &x };
	struct arena a;
	*out = (struct adopt_result){ 0 };
	arena_init(&x.arena);
	arena_init(&x.conv);
	arena_init(&x.one);
	arena_init(&a);
	const char *const *bots = NULL;
	size_t n_bots = x.ex->other_bots ? x.ex->other_bots(args->session->target, &bots) : 0;
	bool ok = read_target(&x, e) && spool_convs(args->spool, &a, on_conv, &q, e);
	/* Texts with links change with what is known: until nothing more is found; the last round tells what is missing. */
	for (bool more = true; ok && more; x.round++) {
		x.last = x.round + 1 == ROUNDS || (x.round > 0 && !x.found);
		more = !x.last && !stopping(&x);
		x.found = 0;
		ledger_begin(x.l);
		if (x.round == 0)
			ledger_know_bots(x.l, bots, n_bots);
		ok = round_of(&x, &q, e);
		struct err last = ERR_INIT;
		if (!x.lost_tx && !ledger_commit(x.l, &last) && ok) {
			ok = false;
			if (e)
				*e = last;
		}
	}
	out->stopped = stopping(&x);
	for (size_t i = 0; i < q.n; i++)
		out->strangers += q.v[i].strangers;
	free(q.v);
	free(x.people);
	free(x.chats);
	arena_release(&a);
	arena_release(&x.one);
	arena_release(&x.conv);
	arena_release(&x.arena);
	return ok;
}
