/* stream_know.c: what the stream knows before it decides on an order: people, places, rules, and how a message stands in the
 * ledger. Called by stream.c, stream_text.c and plan.c through stream_in.h; decides nothing about what comes next. */
#include "replay/stream_in.h"

#include <stdlib.h>
#include <string.h>

/* ---- people and places ---- */

struct someone *stream_someone(struct stream *s, const char *id)
{
	struct someone *w = table_get(&s->people, id);
	if (w)
		return w;
	struct arena a;
	struct user u;
	arena_init(&a);
	w = arena_new(&s->run, struct someone);
	if (spool_user(s->x.spool, id, &a, &u)) {
		struct person p;
		mapping_person(s->x.mapping, &u, &a, &p);
		*w = (struct someone){ arena_strdup(&s->run, p.name), p.action == PERSON_MATCH ? arena_strdup(&s->run, p.target_id) : NULL,
		                       p.action, p.flags | u.flags, p.suspended, true };
	}
	arena_release(&a);
	table_put(&s->people, arena_strdup(&s->run, id), w);
	return w;
}

/* Kept: the place and the numbers; members and pins are read again when they are needed. */
static struct spot *keep_spot(struct stream *s, const struct spool_conv *c)
{
	struct spot *sp = table_get(&s->spots, c->conv.id);
	if (sp)
		return sp;
	struct place p;
	mapping_place(s->x.mapping, &c->conv, &s->run, &p);
	sp = arena_new(&s->run, struct spot);
	*sp = (struct spot){ .id = arena_strdup(&s->run, c->conv.id), .num = c->num, .n_msgs = c->n_msgs, .n_roots = c->n_roots,
	                     .n_threads = c->n_threads, .kind = c->conv.kind, .place = p };
	sp->place.id = sp->id;
	sp->place.name = arena_strdup(&s->run, p.name);
	sp->place.target_id = arena_strdup(&s->run, p.target_id);
	sp->place.why = arena_strdup(&s->run, p.why);
	table_put(&s->spots, sp->id, sp);
	return sp;
}

struct spot *stream_spot(struct stream *s, const char *id)
{
	struct spot *sp = table_get(&s->spots, id);
	if (sp)
		return sp;
	struct arena a;
	struct spool_conv c;
	arena_init(&a);
	if (spool_conv(s->x.spool, id, &a, &c))
		sp = keep_spot(s, &c);
	arena_release(&a);
	return sp;
}

int64_t stream_lconv(struct stream *s, struct spot *sp)
{
	if (!sp->lconv)
		sp->lconv = ledger_conv(s->x.ledger, sp->id);
	return sp->lconv;
}

bool stream_row(struct stream *s, const struct opkey *k, struct arena *a, struct ledger_row *row)
{
	*row = (struct ledger_row){ .state = OP_ABSENT };
	if (ledger_get(s->x.ledger, k, a, row))
		return true;
	row->state = OP_ABSENT;
	return false;
}

bool stream_todo(enum op_state state)
{
	return state == OP_ABSENT || state == OP_INTENT || state == OP_UNKNOWN;
}

const char *stream_spot_target(struct stream *s, struct spot *sp)
{
	if (sp->target)
		return sp->target;
	if (sp->place.action == PLACE_ADOPT)
		return sp->target = sp->place.target_id;
	struct ledger_row row;
	struct opkey k = { stream_lconv(s, sp), 0, "", OP_CHAT_CREATE, 0 };
	struct arena a;
	arena_init(&a);
	if (stream_row(s, &k, &a, &row) && row.state == OP_DONE)
		sp->target = arena_strdup(&s->run, row.target);
	arena_release(&a);
	return sp->target;
}

const char *stream_chat_target(struct stream *s, const char *source_conv, struct arena *a)
{
	struct spot *sp = stream_spot(s, source_conv);
	return sp ? arena_strdup(a, stream_spot_target(s, sp)) : NULL;
}

const char *stream_user_target(struct stream *s, const char *source_user, struct arena *a)
{
	struct someone *w = stream_someone(s, source_user);
	if (w->target)
		return arena_strdup(a, w->target);
	struct ledger_row row;
	struct opkey k = { 0, 0, source_user, OP_USER_CREATE, 0 };
	return stream_row(s, &k, a, &row) && row.state == OP_DONE ? row.target : NULL;
}

struct stream *stream_open(const struct stream_args *args, struct err *e)
{
	struct stream *s = xcalloc(1, sizeof(*s));
	s->x = *args;
	s->cfg = mapping_config(args->mapping);
	args->exporter->traits(args->target, &s->tr);
	s->threads = (s->tr.caps & CAP_THREAD) && (s->tr.caps & CAP_THREAD_LANES);
	arena_init(&s->run);
	arena_init(&s->tmp);
	arena_init(&s->trial);
	table_init(&s->people);
	table_init(&s->spots);
	if (!s->cfg->zone || !s->cfg->locale || !s->cfg->label_format) {
		err_set(e, ERR_USAGE, "the mapping names no zone, locale or label");
		stream_close(s);
		return NULL;
	}
	return s;
}

void stream_close(struct stream *s)
{
	if (!s)
		return;
	table_release(&s->people);
	table_release(&s->spots);
	arena_release(&s->run);
	arena_release(&s->tmp);
	arena_release(&s->trial);
	free(s);
}

/* ---- rules ---- */

static const char *rule_of(struct stream *s, const struct spot *sp, const struct spool_meta *m)
{
	if (m->kind == MSG_LOST_ROOT)
		return "orphan"; /* sent only where replies need it */
	struct msg_meta mm = { .conv = sp->id, .author = m->author, .ts_us = m->ts_us, .kind = m->kind, .flags = m->flags,
	                       .has_replies = m->n_replies > 0, .is_reply = m->root != NULL, .is_empty = m->empty };
	const char *rule = mapping_skips(s->x.mapping, &mm);
	return rule ? rule : m->empty && m->kind != MSG_DELETED ? "empty" : NULL;
}

/* Will any reply be sent? Asked only for first messages that are themselves left out. */
static bool any_reply_goes(struct stream *s, const struct spot *sp, const char *root)
{
	struct spool_walk *w = spool_walk(s->x.spool, sp->num, SPOOL_THREAD, root, 0, NULL);
	struct spool_meta m;
	bool goes = false;
	while (!goes && spool_walk_next(w, &m))
		goes = !rule_of(s, sp, &m);
	spool_walk_end(w);
	return goes;
}

enum fate stream_fate(struct stream *s, struct spot *sp, const struct spool_meta *m, const char **rule)
{
	*rule = rule_of(s, sp, m);
	if (!*rule)
		return FATE_SEND;
	if (!s->threads || m->root || !m->n_replies || (m->kind == MSG_LOST_ROOT && s->cfg->orphans == ORPHAN_SKIP))
		return FATE_SKIP;
	return any_reply_goes(s, sp, m->id) ? FATE_PLACEHOLDER : FATE_SKIP;
}

/* ---- standing ---- */

void standing_add(struct standing *st, const struct ledger_row *r)
{
	if (r->state == OP_ABSENT)
		return;
	bool open = r->state == OP_INTENT || r->state == OP_UNKNOWN;
	switch (r->key.kind) {
	case OP_UPLOAD:
		st->uploads += r->state == OP_DONE;
		st->open |= open;
		break;
	case OP_POST:
		st->open |= open;
		st->rejected |= r->state == OP_REJECTED;
		st->gone |= r->state == OP_GONE;
		st->stale |= r->stale_mapping;
		st->loss |= r->loss;
		if (r->state == OP_DONE) {
			st->parts++;
			st->complete |= !(r->loss & LOSS_SPLIT);
		}
		if (r->key.part == 0) {
			st->src_fp = r->src_fp;
			st->body_fp = r->body_fp;
		}
		break;
	case OP_EDIT:
		st->open |= open;
		if (r->key.part == 0 && (r->state == OP_DONE || r->state == OP_REJECTED)) {
			st->edit = true;
			st->edit_src_fp = r->src_fp;
			st->edit_body_fp = r->state == OP_DONE ? r->body_fp : st->body_fp;
			st->stale = r->state == OP_DONE ? r->stale_mapping : st->stale;
		}
		break;
	case OP_THREAD_OPEN:
		st->thread = r->state;
		break;
	case OP_REACT:
		st->reacts[r->state]++;
		break;
	case OP_USER_CREATE: case OP_CHAT_CREATE: case OP_PIN: case OP_MEMBERS: case OP_ARCHIVE: case OP_DELETE:
		break;
	}
}

void standing_get(struct stream *s, int64_t lconv, int64_t ts_us, const char *id, struct standing *out)
{
	struct ledger_row row;
	struct opkey k = { lconv, ts_us, id, OP_POST, 0 };
	*out = (struct standing){ 0 };
	while (stream_row(s, &k, &s->tmp, &row)) {
		standing_add(out, &row);
		if (!(row.loss & LOSS_SPLIT) || row.state != OP_DONE)
			break;
		k.part++;
	}
	if (!out->parts)
		return;
	k.kind = OP_EDIT;
	k.part = 0;
	if (stream_row(s, &k, &s->tmp, &row))
		standing_add(out, &row);
}

bool standing_settled(const struct stream *s, const struct standing *st, uint64_t fp)
{
	if (st->open)
		return false;
	if (st->rejected || st->gone)
		return true;
	if (!st->complete)
		return false;
	return st->src_fp == fp || !(s->tr.caps & CAP_EDIT) || (st->parts == 1 && st->edit && st->edit_src_fp == fp);
}
