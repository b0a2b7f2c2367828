/* stream_lanes.c: the lanes that exist before anything is written (stream.h). Called by engine.c and plan.c. Threads that a chat's lane
 * announces are stream.c's; here only those are told in which a write is in doubt and which no chat would announce any more. Decides
 * nothing about what is in a lane; writes nothing. */
#include "replay/stream_in.h"

struct lanes { struct stream *s; bool (*each)(void *, const struct lane_spec *); void *ctx; struct arena a; bool stopped; };

static bool person_lane(void *ctx, const struct user *u, int64_t n_msgs)
{
	struct lanes *l = ctx;
	struct person p;
	struct ledger_row row;
	struct opkey k = { 0, 0, u->id, OP_USER_CREATE, 0 };
	mapping_person(l->s->x.mapping, u, &l->a, &p);
	(void)n_msgs;
	if (p.action == PERSON_CREATE && p.email && *p.email) {
		stream_row(l->s, &k, &l->a, &row);
		struct lane_spec spec = { LANE_PERSON, arena_fmt(&l->a, "p:%s", u->id), u->id, NULL, 0, NULL, 0 };
		if (stream_todo(row.state) && !l->each(l->ctx, &spec))
			l->stopped = true;
	}
	arena_reset(&l->a);
	return !l->stopped;
}

static bool chat_lane(void *ctx, const struct spool_conv *c)
{
	struct lanes *l = ctx;
	struct spot *sp = stream_spot(l->s, c->conv.id);
	if (sp->place.action != PLACE_SKIP && !stream_idle(l->s, sp)) {
		const struct spot *host = stream_host(l->s, sp);
		struct lane_spec spec = { .kind = LANE_CHAT, .name = arena_fmt(&l->a, "c:%s", sp->id), .id = sp->id, .host = host ? host->id : NULL, .weight = sp->n_msgs };
		if (!l->each(l->ctx, &spec))
			l->stopped = true;
	}
	arena_reset(&l->a);
	return !l->stopped;
}

/* A write in doubt whose message sits elsewhere by today's rules: only in the thread it was sent to can be found out what became of it. */
static bool doubt_lane(void *ctx, const struct ledger_row *r)
{
	struct lanes *l = ctx;
	struct stream *s = l->s;
	if (r->state != OP_INTENT && r->state != OP_UNKNOWN)
		return false; /* the open ones come first */
	arena_reset(&l->a);
	const char *name = ledger_lane_name(s->x.ledger, r->lane, &l->a), *conv = ledger_conv_name(s->x.ledger, r->key.conv, &l->a);
	const char *root;
	struct spot *home = conv && *conv ? stream_spot(s, conv) : NULL, *sp = name && home ? stream_lane_spot(s, name, &root) : NULL;
	if (!sp)
		return true;
	struct spool_meta m;
	int64_t root_ts = r->key.ts_us;
	struct ledger_walk *w = ledger_walk_lane(s->x.ledger, r->lane);
	for (struct ledger_row row; ledger_walk_next(w, &row);)
		if (row.key.kind == OP_THREAD_OPEN)
			root_ts = row.key.ts_us;
	ledger_walk_end(w);
	bool known = spool_msg(s->x.spool, home->num, r->key.ts_us, r->key.id, &l->a, NULL, &m, NULL);
	if (known && (m.root ? streq(m.root, root) && stream_thread_spot(s, home, &m) == sp : streq(m.id, root) && m.n_replies > 0))
		return true; /* its chat tells of this thread */
	struct lane_spec spec = { LANE_THREAD, arena_strdup(&l->a, name), sp->id, root, root_ts, NULL, 1 };
	l->stopped = !l->each(l->ctx, &spec);
	return !l->stopped;
}

bool stream_lanes(struct stream *s, bool (*each)(void *ctx, const struct lane_spec *), void *ctx, struct err *e)
{
	struct lanes l = { .s = s, .each = each, .ctx = ctx };
	arena_init(&l.a);
	bool ok = true;
	if (s->tr.caps & CAP_USER_CREATE)
		ok = spool_users(s->x.spool, &l.a, person_lane, &l, e);
	if (ok && !l.stopped)
		ok = spool_convs(s->x.spool, &l.a, chat_lane, &l, e);
	if (ok && !l.stopped && s->threads)
		ledger_troubles(s->x.ledger, doubt_lane, &l);
	arena_release(&l.a);
	return ok;
}
