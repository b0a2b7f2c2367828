/* adopt_msg.c: the messages of a lane and the threads under them, looked up by what they would say today.
 *
 * Promises: only a text in one of the forms it may have had (links that led somewhere or not, names of yesterday) is taken; the rows of a
 * lane stand in the order of the target in the end. Called by adopt.c. Does not read what belongs to the end of a chat.
 */
#include "replay/adopt_in.h"

#include <stdlib.h>

enum { PARTS_TRIED = 8 };

/* Tries one form of the message; adopts its parts as far as they are there. True: something of it was found. */
static bool try_form(struct adopt *x, const struct lane_now *ln, const struct spool_meta *m, const struct letter *l, bool uploaded)
{
	bool any = false;
	for (size_t part = 0; part < l->n_parts; part++) {
		struct opkey k = { stream_mconv(x->s, ln->sp, m), m->ts_us, m->id, OP_POST, (int)part };
		enum op_state st = adopt_state(x, &k);
		if (st == OP_DONE)
			continue;
		struct op op = { .key = k, .label = "", .body = "" };
		stream_post(x->s, l, part, &op);
		uint64_t fp = x->ex->fingerprint(&op);
		struct here *h = st == OP_REJECTED ? NULL : adopt_place_find(ln->place, fp);
		if (!h || !adopt_free(x, &k, ln->name))
			return any;
		bool last = part + 1 == l->n_parts;
		for (size_t i = 0; last && uploaded && i < l->n_files; i++) {
			struct opkey u = { k.conv, k.ts_us, k.id, OP_UPLOAD, l->file_no[i] };
			if (!adopt_settled(adopt_state(x, &u)))
				adopt_row(x, &u, &(struct fact){ .lane = ln->name, .src_fp = m->fp, .id = LEDGER_ADOPTED });
		}
		adopt_row(x, &k, &(struct fact){ .lane = ln->name, .src_fp = m->fp, .body_fp = fp,
			.loss = (l->loss & ~(uint32_t)LOSS_SPLIT) | (last ? 0 : LOSS_SPLIT), .id = h->id });
		h->taken = true;
		adopt_learn(x, h);
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
		adopt_missing(x, &k, ln->name, st.parts ? "a part of it is not there" : "no message of ours says this");
	*there = *there || any;
	return adopt_commit(x);
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
	} else if (h && h->thread && h->thread_chat && adopt_free(x, &k, name)) {
		adopt_row(x, &k, &(struct fact){ .lane = name, .src_fp = hash64s(root), .id = h->thread, .id2 = h->thread_chat });
		ln.chat = h->thread_chat;
	} else {
		adopt_missing(x, &k, name, "the message has no thread");
	}
	if (ln.chat)
		ok = adopt_place_read(x, ln.chat, &place) && adopt_walk(x, &ln, SPOOL_THREAD, root, &none);
	adopt_place_release(x, &place);
out:
	free(root);
	free(name);
	return ok;
}

bool adopt_walk(struct adopt *x, const struct lane_now *ln, enum spool_which which, const char *root, bool *threads)
{
	struct spool_walk *w = spool_walk(x->args->spool, ln->sp->num, which, root, 0, NULL);
	struct spool_meta m;
	bool ok = true, there;
	while (ok && !adopt_stopping(x) && spool_walk_next(w, &m)) {
		ok = adopt_message(x, ln, w, &m, &there);
		*threads = *threads || (which == SPOOL_CHANNEL && m.n_replies && there);
	}
	spool_walk_end(w);
	if (ok && x->round > 0)
		straighten(x, ln->name);
	return ok;
}

bool adopt_threads(struct adopt *x, const struct lane_now *ln)
{
	struct spool_walk *w = spool_walk(x->args->spool, ln->sp->num, SPOOL_CHANNEL, NULL, 0, NULL);
	struct spool_meta m;
	bool ok = true;
	while (ok && !adopt_stopping(x) && spool_walk_next(w, &m))
		if (m.n_replies && !m.root)
			ok = adopt_thread(x, ln, &m);
	spool_walk_end(w);
	return ok;
}
