/* stream_again.c: messages that are in the target already and may have to be touched again: links that lead somewhere only now;
 * messages that the source has deleted since.
 *
 * A link to a message that had no address yet when the linking message was posted stays as the source has it (LOSS_LINK in the
 * ledger). When every lane has posted what it has, those messages are rendered once more: where nothing but links is different
 * from what stands in the target, that is an edit. What differs otherwise too (another mapping, other names) is left: nobody
 * asked for it. Called by stream_finish.c (op by op) and plan.c (counting) through stream_in.h; writes nothing.
 */
#include "replay/spool_seat.h"
#include "replay/stream_in.h"

#include <stdlib.h>
#include <string.h>

static uint64_t words_of(struct stream *s, const struct letter *l, int part)
{
	struct op op = { .key = { .kind = OP_EDIT, .id = "" }, .label = "", .body = "" };
	stream_post(s, l, (size_t)part, &op);
	return s->x.exporter->fingerprint(&op);
}

/* Messages of the target that are written one after the other have ids in that order. So the links that led somewhere at any time are
 * those to the older ones, and of those in question only a few at the border may have been under way. */
enum { BORDER = 4 };
struct aged { const char *target; int no; };

static const struct exporter *order_of; /* for qsort, which has no context */
static int by_age(const void *x, const void *y)
{
	const struct aged *a = x, *b = y;
	int c = order_of->id_cmp(a->target, b->target);
	return c ? c : a->no - b->no;
}

void stream_link_forms(struct stream *s, const struct letter *today, struct arena *a, struct link_forms *out)
{
	struct aged v[LINKS_TOLD_APART];
	out->n_links = today->n_links;
	for (int i = 0; i < today->n_links; i++) {
		const char *ref = today->links[i], *slash = strchr(ref, '/');
		struct spot *sp = slash ? stream_spot(s, arena_strndup(a, ref, (size_t)(slash - ref))) : NULL;
		struct ledger_row row;
		struct opkey k = { 0, 0, slash ? slash + 1 : "", OP_POST, 0 };
		bool known = sp && spool_find(s->x.spool, sp->num, k.id, &k.ts_us);
		k.conv = known ? stream_lconv(s, sp) : 0;
		v[i] = (struct aged){ known && stream_row(s, &k, a, &row) && row.target ? row.target : "", i };
	}
	order_of = s->x.exporter;
	if (out->n_links)
		qsort(v, (size_t)out->n_links, sizeof(*v), by_age);
	for (int i = 0; i < out->n_links; i++)
		out->by_age[i] = v[i].no;
}

/* n: all on; then, for each border, what is younger is off and so are some of the last few before it. Few links: every form. */
bool stream_link_form(const struct link_forms *f, int n, uint64_t *off)
{
	int few = f->n_links < BORDER + 2 ? f->n_links : 0, border = few ? f->n_links : f->n_links - n / (1 << BORDER);
	int some = few ? n : n % (1 << BORDER), last = few ? few : border < BORDER ? border : BORDER;
	*off = 0;
	if (few ? n >= 1 << few : border < 0 || (!f->n_links && n))
		return false;
	for (int i = border; i < f->n_links; i++)
		*off |= UINT64_C(1) << f->by_age[i];
	for (int i = 0; i < last; i++)
		if (some >> i & 1)
			*off |= UINT64_C(1) << f->by_age[border - 1 - i];
	return true;
}

bool stream_only_links(struct stream *s, const struct letter_args *x, const struct letter *l, int part, uint64_t then)
{
	struct letter_args old = *x;
	struct link_forms forms;
	struct letter form;
	struct arena a;
	bool same = false;
	if (!l->n_links)
		return false;
	arena_init(&a);
	stream_link_forms(s, l, &a, &forms);
	old.no_links = true; /* the first: none of them, however many */
	for (int n = 0; !same; n++) {
		if (n && !stream_link_form(&forms, n, &old.links_off))
			break;
		arena_reset(&a);
		stream_letter(s, &old, &a, &form);
		same = form.n_parts == l->n_parts && words_of(s, &form, part) == then;
		old.no_links = false;
	}
	arena_release(&a);
	return same;
}

static bool can_edit_links(const struct stream *s)
{
	return (s->tr.caps & CAP_EDIT) && s->x.exporter->message_url;
}

bool stream_links_may_change(const struct stream *s, const struct standing *st)
{
	return (st->loss & LOSS_LINK) && st->complete && !st->open && !st->rejected && can_edit_links(s);
}

int stream_relink(struct stream *s, struct spot *sp, const struct spool_meta *m, const struct msg *msg, const struct standing *st, int from,
                  struct arena *a, struct relink *out)
{
	const char *rule;
	struct letter_args x = { .sp = sp, .meta = m, .msg = msg, .fate = stream_fate(s, sp, m, &rule), .posted = true, .want = LETTER_ALL,
	                         .ahead = AHEAD_OF_SENT, .parts_max = st->parts };
	*out = (struct relink){ 0 };
	if (x.fate != FATE_SEND)
		return -1; /* no longer to be sent: it stays as it is */
	stream_letter(s, &x, a, &out->letter);
	x.ahead = AHEAD_NO;
	if (out->letter.n_parts != (size_t)st->parts)
		return -1;
	for (int part = from; part < st->parts; part++) {
		struct opkey k = { stream_lconv(s, sp), m->ts_us, m->id, OP_POST, part };
		struct ledger_row post, edit;
		if (!stream_row(s, &k, a, &post) || post.state != OP_DONE)
			continue;
		k.kind = OP_EDIT;
		stream_row(s, &k, a, &edit);
		uint64_t then = ledger_there(&post, &edit).body_fp, now = words_of(s, &out->letter, part);
		if (now == then || (edit.state == OP_REJECTED && edit.body_fp == now) || !stream_only_links(s, &x, &out->letter, part, then))
			continue;
		out->target = post.target;
		out->state = edit.state == OP_INTENT || edit.state == OP_UNKNOWN ? edit.state : OP_ABSENT;
		out->fp = now;
		return part;
	}
	return -1;
}

/* The next message from (ts_us, id) on whose ledger rows say that a link of it was left as it was: its number of posts, or 0. */
static int next_lossy(struct stream *s, struct spot *sp, struct ledger_walk *w, struct buf *id, int64_t *ts_us, struct arena *a, struct spool_meta *m,
                      struct msg *msg, struct standing *st)
{
	struct ledger_row row, r;
	while (ledger_walk_next(w, &row)) {
		if (id->len && row.key.ts_us == *ts_us && streq(id->p, row.key.id))
			continue; /* another row of the same message */
		*ts_us = row.key.ts_us;
		buf_reset(id);
		buf_adds(id, row.key.id);
		*st = (struct standing){ 0 };
		struct ledger_walk *one = ledger_walk_record(s->x.ledger, row.key.conv, *ts_us, id->p);
		while (ledger_walk_next(one, &r))
			standing_add(st, &r);
		ledger_walk_end(one);
		arena_reset(a);
		if (stream_links_may_change(s, st) && spool_msg(s->x.spool, sp->num, *ts_us, id->p, a, msg, m, NULL))
			return st->parts;
	}
	return 0;
}

bool stream_links_wait(struct stream *s, struct spot *sp)
{
	struct spool_meta m;
	struct msg msg;
	struct standing st;
	struct relink r = { 0 };
	struct buf id;
	int64_t ts = 0;
	bool waits = false;
	if (!can_edit_links(s))
		return false;
	if (s->crosses && spool_seats_away(s->x.spool, sp->num))
		return true; /* some of its messages are posted by another lane, perhaps only now */
	struct ledger_walk *w = ledger_walk_loss(s->x.ledger, stream_lconv(s, sp), LOSS_LINK, INT64_MIN, "");
	buf_init(&id, 1 << 20);
	while (!waits && next_lossy(s, sp, w, &id, &ts, &s->trial, &m, &msg, &st))
		waits = stream_relink(s, sp, &m, &msg, &st, 0, &s->trial, &r) >= 0 || r.letter.ahead;
	buf_release(&id);
	ledger_walk_end(w);
	return waits;
}

bool stream_next_link(struct stream *s, struct spot *sp, int64_t ts_us, const char *from, struct arena *a, struct spool_meta *m, struct relink *out)
{
	struct msg msg;
	struct standing st;
	struct buf id;
	int part = -1;
	if (!can_edit_links(s))
		return false;
	struct ledger_walk *w = ledger_walk_loss(s->x.ledger, stream_lconv(s, sp), LOSS_LINK, from ? ts_us : INT64_MIN, from ? from : "");
	buf_init(&id, 1 << 20);
	while (part < 0 && next_lossy(s, sp, w, &id, &ts_us, &s->trial, m, &msg, &st))
		part = stream_relink(s, sp, m, &msg, &st, 0, &s->trial, out);
	/* Once more, into the caller's arena. */
	bool found = part >= 0 && spool_msg(s->x.spool, sp->num, ts_us, id.p, a, &msg, m, NULL) &&
	             (part = stream_relink(s, sp, m, &msg, &st, part, a, out)) >= 0;
	buf_release(&id);
	ledger_walk_end(w);
	out->part = part;
	return found;
}

/* ---- deleted in the source ---- */

static const int64_t DAY_US = 86400 * (int64_t)1000000;
enum { REMOVED_MAX = 1000000 };

void removal_begin(struct removal *r, const struct stream *s, struct arena *a)
{
	*r = (struct removal){ .a = a, .strict = s->several, .off = s->bad };
}

/* Rows come by (ts, id, kind, part): the posts of a message, then its thread. */
void removal_row(struct removal *r, const struct ledger_row *row)
{
	const struct opkey *k = &row->key;
	struct removed *last = r->n ? &r->v[r->n - 1] : NULL;
	bool same = last && last->ts_us == k->ts_us && streq(last->id, k->id);
	if (r->off || row->state != OP_DONE || !k->ts_us || k->id[0] == '@')
		return;
	if (same && k->kind == OP_POST)
		last->parts = k->part + 1;
	if (same && k->kind == OP_THREAD_OPEN)
		last->thread = true;
	if (same || k->kind != OP_POST || (row->loss & LOSS_ROOT) || !r->any || r->n >= REMOVED_MAX)
		return;
	GROW(r->v, r->n, r->cap, 16);
	r->v[r->n++] = (struct removed){ k->ts_us, arena_strdup(r->a, k->id), k->part + 1, false };
}

/* What lies between two messages that are there was deleted. With several archives there may be a time that none of them covers;
 * no export leaves out less than a day. */
void removal_msg(struct removal *r, const struct spool_meta *m)
{
	if (m->kind == MSG_LOST_ROOT)
		return;
	if (r->strict && r->any && m->ts_us - r->last_us > DAY_US)
		r->n = r->sure;
	r->sure = r->n;
	r->any = true;
	r->last_us = m->ts_us;
}

size_t removal_end(struct removal *r)
{
	struct removed *v = r->v;
	r->v = r->sure ? arena_memdup(r->a, v, r->sure * sizeof(*v)) : NULL;
	free(v);
	return r->n = r->sure;
}

static void find_removed(struct stream *s, struct spot *sp)
{
	struct removal r;
	struct ledger_row row;
	struct spool_meta m;
	removal_begin(&r, s, &s->run);
	struct ledger_walk *lw = ledger_walk(s->x.ledger, stream_lconv(s, sp));
	struct spool_walk *w = spool_walk(s->x.spool, sp->num, SPOOL_SOURCE, NULL, 0, NULL);
	bool more = ledger_walk_next(lw, &row);
	while (more && spool_walk_next(w, &m)) {
		int c;
		while (more && (c = row.key.ts_us != m.ts_us ? (row.key.ts_us < m.ts_us ? -1 : 1) : strcmp(row.key.id, m.id)) <= 0) {
			if (c < 0)
				removal_row(&r, &row);
			more = ledger_walk_next(lw, &row);
		}
		removal_msg(&r, &m);
	}
	spool_walk_end(w);
	ledger_walk_end(lw);
	sp->n_removed = removal_end(&r);
	sp->removed = r.v;
	sp->removed_known = true;
}

bool stream_next_removed(struct stream *s, struct spot *sp, int *i, struct arena *a, struct ledger_row *post)
{
	if (!(s->wish & WISH_DELETE_REMOVED) || !(s->tr.caps & CAP_DELETE))
		return false;
	if (!sp->removed_known)
		find_removed(s, sp);
	for (; (size_t)*i < sp->n_removed; ++*i) {
		const struct removed *r = &sp->removed[*i];
		for (int part = r->thread ? 0 : r->parts; part-- > 0;) { /* the first one last: with it all that hangs on the message is gone */
			struct opkey k = { stream_lconv(s, sp), r->ts_us, r->id, OP_POST, part };
			struct ledger_row del;
			if (!stream_row(s, &k, a, post) || post->state != OP_DONE)
				continue;
			k.kind = OP_DELETE;
			if (stream_row(s, &k, a, &del) && del.state == OP_DONE)
				ledger_gone(s->x.ledger, &k); /* it has been written again since */
			else if (del.state == OP_REJECTED)
				continue;
			return true;
		}
	}
	return false;
}

struct gone_list { struct opkey *v; size_t n, cap; };

/* With the first part of a message all that hangs on it. */
static void gone_with(struct stream *s, const struct opkey *post, struct arena *a)
{
	struct gone_list g = { 0 };
	struct ledger_row r;
	struct ledger_walk *w = ledger_walk_record(s->x.ledger, post->conv, post->ts_us, post->id);
	while (ledger_walk_next(w, &r)) {
		if (r.state != OP_DONE || r.key.kind == OP_DELETE || (r.key.kind == OP_POST && r.key.part))
			continue;
		GROW(g.v, g.n, g.cap, 16);
		g.v[g.n] = r.key;
		g.v[g.n++].id = arena_strdup(a, r.key.id);
	}
	ledger_walk_end(w);
	for (size_t i = 0; i < g.n; i++)
		ledger_gone(s->x.ledger, &g.v[i]);
	free(g.v);
}

void stream_taken_back(struct stream *s, const struct opkey *del, enum op_kind what)
{
	struct ledger_row row;
	struct arena a;
	struct opkey k = *del;
	arena_init(&a);
	if (ledger_get(s->x.ledger, del, &a, &row) && row.state == OP_DONE) {
		k.kind = what ? what : OP_POST;
		k.part = k.kind == OP_POST ? del->part : 0;
		if (k.kind == OP_POST && k.part == 0)
			gone_with(s, &k, &a);
		else if (ledger_get(s->x.ledger, &k, &a, &row) && row.state == OP_DONE)
			ledger_gone(s->x.ledger, &k);
		k.kind = OP_EDIT; /* what a part said is gone with it */
		if (k.part > 0 && ledger_get(s->x.ledger, &k, &a, &row) && row.state == OP_DONE)
			ledger_gone(s->x.ledger, &k);
	}
	arena_release(&a);
}
