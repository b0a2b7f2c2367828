/* plan_away.c: what goes into another conversation's chat, by rules or because channels are merged: how long that chat's lane becomes, who
 * will read there what they could not before, and which rules take what others would have taken.
 *
 * Called by plan.c and plan_msg.c. Where more people would read a message than before and no rule says so, the plan is a breach: nothing
 * is written. */
#include "replay/plan_in.h"

static struct load *load_of(struct plan *p, const char *key, struct spot *sp, const struct load *chat)
{
	struct load *x = table_get(&p->loads, key);
	if (!x) {
		x = arena_new(p->a, struct load);
		*x = (struct load){ 0, sp, chat };
		table_put(&p->loads, arena_strdup(p->a, key), x);
	}
	return x;
}

/* Only where several conversations may share a chat: else each one's own count is the chat's. */
void plan_load(struct plan *p, const struct spool_meta *m, int64_t posts)
{
	if (posts <= 0 || (!p->s->crosses && !mapping_merges(p->s->x.mapping)))
		return;
	struct spot *sp = stream_seat(p->s, p->sp, m), *host = stream_host(p->s, sp);
	struct load *chat = load_of(p, (host ? host : sp)->id, host ? host : sp, NULL);
	if (m->root && m->root[0] == '@' && p->s->threads)
		load_of(p, stream_lane_name(p->s, p->sp, m, &p->one), sp, chat)->posts += posts;
	else if (!m->root || !p->s->threads)
		chat->posts += posts;
}

/* Why nothing can be sent into another conversation's chat, or the thread of ours there that this message is for; or NULL. */
const char *plan_far_shut(struct plan *p, struct spot *seat, const struct spool_meta *m)
{
	static char fine[] = "";
	bool ours = m->root && m->root[0] == '@' && p->s->threads;
	const char *key = arena_fmt(&p->one, "%s/%s", seat->id, ours ? m->root : ""), *why = table_get(&p->far, key);
	if (!why) {
		struct spot *host = stream_host(p->s, seat);
		why = plan_state(p, stream_lconv(p->s, host ? host : seat), 0, "", OP_CHAT_CREATE, NULL, NULL) == OP_REJECTED ? "chat-rejected" : fine;
		if (ours && why == fine && (plan_state(p, stream_lconv(p->s, seat), m->root_ts_us, m->root, OP_POST, NULL, NULL) == OP_REJECTED ||
		                            plan_state(p, stream_lconv(p->s, seat), m->root_ts_us, m->root, OP_THREAD_OPEN, NULL, NULL) == OP_REJECTED))
			why = "root-rejected";
		table_put(&p->far, arena_strdup(p->a, key), (void *)(uintptr_t)why);
	}
	if (why != fine)
		return why;
	return m->root && !ours && p->s->threads ? table_get(&p->closed, m->root) : NULL;
}

void plan_away(struct plan *p, const struct spool_meta *m, const struct standing *st, enum bucket b)
{
	struct spot *seat = stream_seat(p->s, p->sp, m);
	struct away *x = NULL, *heard;
	for (size_t i = 0; i < p->n_away && !x; i++)
		x = p->away[i].host == seat ? &p->away[i] : NULL;
	if (!x) {
		GROW(p->away, p->n_away, p->cap_away, 4);
		x = &p->away[p->n_away++];
		*x = (struct away){ seat, 0, 0, 0 };
	}
	bool there = b == BUCKET_SENT && st->complete && !plan_elsewhere(p, m, st);
	x->there += there;
	x->msgs += there || b == BUCKET_PENDING || b == BUCKET_DOUBT;
	if (b != BUCKET_PENDING)
		return;
	x->pending++;
	if (m->root && m->root[0] == '@')
		return;
	if (!(heard = table_get(&p->heard, seat->id))) {
		heard = arena_new(p->a, struct away);
		*heard = (struct away){ seat, 0, 0, 0 };
		table_put(&p->heard, seat->id, heard);
	}
	heard->pending++;
}

/* Who reads a chat, as far as the archives tell: the members of its conversation and of those merged into it. */
struct readers { struct plan *p; struct spot *host; struct table in; struct arena a; };

static bool add_readers(void *ctx, const struct spool_conv *c)
{
	struct readers *r = ctx;
	struct spot *sp = stream_spot(r->p->s, c->conv.id);
	for (size_t i = 0; i < c->conv.n_members && (sp == r->host || (sp->place.action != PLACE_SKIP && stream_host(r->p->s, sp) == r->host)); i++) {
		const char *who = arena_strdup(&r->p->conv, mapping_same_person(r->p->s->x.mapping, c->conv.members[i]));
		table_put(&r->in, who, (void *)(uintptr_t)who);
	}
	arena_reset(&r->a);
	return true;
}

static int64_t new_readers(struct plan *p, const struct conv *c, struct spot *seat)
{
	struct readers r = { .p = p, .host = seat };
	struct spool_conv h;
	struct table old;
	int64_t n = 0;
	struct spot *host = stream_host(p->s, seat);
	r.host = host ? host : seat;
	arena_init(&r.a);
	table_init(&r.in);
	table_init(&old);
	if (mapping_hosts(p->s->x.mapping, r.host->id))
		spool_convs(p->s->x.spool, &r.a, add_readers, &r, NULL);
	else if (spool_conv(p->s->x.spool, r.host->id, &r.a, &h))
		add_readers(&r, &h);
	for (size_t i = 0; i < c->n_members; i++)
		table_put(&old, mapping_same_person(p->s->x.mapping, c->members[i]), &old);
	for (size_t i = 0; i < r.in.n; i++)
		n += !table_get(&old, r.in.rows[i].key);
	table_release(&old);
	table_release(&r.in);
	arena_release(&r.a);
	return n;
}

/* Is anybody in this chat who would not be let in by what goes into it today? Joined are portions; each is called by who is in it. */
static bool others_are_in(struct plan *p, struct spot *sp)
{
	struct ledger_walk *w = ledger_walk(p->s->x.ledger, stream_lconv(p->s, sp));
	struct ledger_row row;
	struct joins j;
	bool others = false;
	stream_joins(p->s, sp, JOIN_NOW, &p->one, &j);
	while (!others && ledger_walk_next(w, &row) && !row.key.ts_us) {
		bool known = row.key.kind != OP_MEMBERS || row.state != OP_DONE || strncmp(row.key.id, "members:", 8) != 0;
		for (size_t i = 0; !known && i < j.n_portions; i++)
			known = streq(j.v[i].id, row.key.id);
		others = !known;
	}
	ledger_walk_end(w);
	return others;
}

/* Messages of this conversation that rules send into another chat: who reads there what they could not before? Where somebody may, a rule
 * must say so; else nothing is written at all. */
void plan_say_away(struct plan *p, const struct conv *c, const struct away *x)
{
	const char *to = x->host->place.name;
	struct spool_conv h;
	struct company who = { 0 };
	if (!x->msgs || c->kind == CONV_PUBLIC)
		return;
	bool allowed = mapping_may_widen(p->s->x.mapping, c->id, c->name, x->host->id);
	struct spot *top = stream_host(p->s, x->host);
	top = top ? top : x->host;
	const struct target_chat *seen = top->place.action == PLACE_ADOPT && top->place.target_id ? plan_snap_chat(p->snap, top->place.target_id, NULL) : NULL;
	bool public = top->place.is_public || (seen && seen->is_public);
	int64_t more = new_readers(p, c, x->host);
	if (spool_conv(p->s->x.spool, top->id, &p->one, &h))
		mapping_company(p->s->x.mapping, &h.conv, &p->one, &who);
	const char *name = c->name && *c->name ? c->name : c->id, *chat = top->place.target_id, *said;
	long long n = (long long)x->msgs;
	bool direct = c->kind == CONV_DM || c->kind == CONV_GROUP, adopted = top->place.action == PLACE_ADOPT && chat;
	if (!allowed && !x->there && !strncmp(x->host->id, MAPPING_MADE, strlen(MAPPING_MADE)) && others_are_in(p, x->host)) {
		said = arena_fmt(p->a, "%s (%s) is not public and rules send %lld of its messages into '%s', where people are already who may not have been in it; name it under 'allow_wider' of the rule, or choose another channel",
		                 name, c->id, n, to);
		plan_say(p, &p->unresolved, said);
		p->f->breach = p->f->breach ? p->f->breach : said;
		return;
	}
	if (!public && !adopted && !more && !who.n_tags)
		return;
	if (allowed && !(public && direct)) {
		said = public ? arena_fmt(p->a, "%s is not public; rules send %lld of its messages into '%s', which everybody can read", name, n, to)
		     : adopted ? arena_fmt(p->a, "%s is not public; rules send %lld of its messages into '%s': whoever is in the chat %s will read them", name, n, to, chat)
		     : more ? arena_fmt(p->a, "%s is not public; rules send %lld of its messages into '%s': %lld people who were not in it will read them", name, n, to, (long long)more)
		            : arena_fmt(p->a, "%s is not public; rules send %lld of its messages into '%s': everybody with its tags will read them", name, n, to);
		plan_say(p, &p->privacy, said);
		return;
	}
	said = public && direct ? arena_fmt(p->a, "direct messages never become public; rules send %lld of %s (%s) into '%s', which everybody can read", n, name, c->id, to)
	     : public ? arena_fmt(p->a, "%s (%s) is not public and rules send %lld of its messages into '%s', which everybody can read: name it under 'allow_wider' of the rule, or choose another channel",
	                          name, c->id, n, to)
	     : adopted ? arena_fmt(p->a, "%s (%s) is not public and rules send %lld of its messages into '%s': whoever is in the chat %s would read them; name it under 'allow_wider' of the rule, or choose another channel",
	                           name, c->id, n, to, chat)
	     : more ? arena_fmt(p->a, "%s (%s) is not public and rules send %lld of its messages into '%s': %lld people who were not in it would read them; name it under 'allow_wider' of the rule, or choose another channel",
	                        name, c->id, n, to, (long long)more)
	            : arena_fmt(p->a, "%s (%s) is not public and rules send %lld of its messages into '%s': everybody with its tags would read them; name it under 'allow_wider' of the rule, or choose another channel",
	                        name, c->id, n, to);
	plan_say(p, &p->unresolved, said);
	p->f->breach = p->f->breach ? p->f->breach : said;
}

/* Where several conversations go into one chat, its lane is as long as all of them. */
void plan_finish_loads(struct plan *p)
{
	for (size_t i = 0; i < p->loads.n; i++) {
		const struct load *x = p->loads.rows[i].value;
		struct spot *sp = p->sp;
		p->sp = x->sp;
		double t = plan_lane_bound(p, x->posts);
		p->sp = sp;
		for (size_t k = 0; k < p->f->n_chats && !x->chat; k++) {
			struct facts_chat *c = &p->f->chats[k];
			if (c->bound_s < t && streq(c->id, x->sp->id))
				c->bound_s = t;
		}
		p->f->bound_s = t > p->f->bound_s ? t : p->f->bound_s;
	}
	for (size_t i = 0; i < p->heard.n; i++) {
		const struct away *x = p->heard.rows[i].value;
		struct ledger_walk *w = ledger_walk(p->s->x.ledger, stream_lconv(p->s, x->host));
		struct ledger_row row;
		bool in = false;
		while (!in && ledger_walk_next(w, &row) && !row.key.ts_us)
			in = row.key.kind == OP_MEMBERS && row.state == OP_DONE;
		ledger_walk_end(w);
		p->f->heard += in && x->host->place.placement != PLACEMENT_THREADS ? x->pending : 0;
	}
}

/* Which rules take what this one would have taken: "rules: a (5), rules: b (2)"; NULL: none does. */
const char *plan_takers(struct plan *p, size_t rule)
{
	const char *said = NULL;
	for (size_t k = 0; k < p->n_named; k++) {
		int64_t n = p->would_by[rule][k] + spool_seats_tally(p->s->x.spool, rule, (int)k);
		if (n)
			said = arena_fmt(p->a, "%s%s%s (%lld)", said ? said : "", said ? ", " : "", p->names[k], (long long)n);
	}
	return said;
}
