/* plan_chat.c: what becomes of one chat and of its pins, and who could read what they could not before. Called by plan.c for
 * each conversation; writes nothing. */
#include "replay/plan_in.h"

/* Pins of our own threads are in no bucket. */
static void count_pin(struct plan *p, const char *id, enum bucket b, const char *rule, int64_t n)
{
	if (id[0] != '@')
		plan_count(p, ITEM_PIN, b, rule, n);
}

void plan_pins(struct plan *p, const struct conv *c)
{
	struct stream *s = p->s;
	for (size_t i = 0; i < c->n_pins; i++) {
		int64_t ts, conv = stream_lconv(s, p->sp);
		struct spool_meta m;
		struct standing st;
		const char *rule = NULL;
		arena_reset(&p->one);
		arena_reset(&s->tmp);
		if (p->sp->place.action == PLACE_SKIP || !s->cfg->pins || !(s->tr.caps & CAP_PIN)) {
			count_pin(p, c->pins[i].msg_id, BUCKET_SKIPPED, p->sp->place.action == PLACE_SKIP ? p->sp->place.why : "pins-off", 1);
			continue;
		}
		if (!spool_find(s->x.spool, p->sp->num, c->pins[i].msg_id, &ts) ||
		    !spool_msg(s->x.spool, p->sp->num, ts, c->pins[i].msg_id, &p->one, NULL, &m, NULL)) {
			count_pin(p, c->pins[i].msg_id, BUCKET_SKIPPED, "message-not-found", 1);
			continue;
		}
		bool twice = false;
		for (size_t k = 0; k < i && !twice; k++)
			twice = streq(c->pins[k].msg_id, c->pins[i].msg_id);
		if (twice) {
			count_pin(p, c->pins[i].msg_id, BUCKET_MERGED, NULL, 1);
			continue;
		}
		enum op_state state = plan_state(p, conv, ts, m.id, OP_PIN, NULL, NULL);
		standing_get(s, conv, ts, m.id, &st);
		enum bucket b = state == OP_DONE ? BUCKET_SENT : state == OP_REJECTED ? BUCKET_REJECTED : plan_is_open(state) ? BUCKET_DOUBT : N_BUCKET;
		if (b == N_BUCKET) {
			enum fate fate;
			bool send;
			b = plan_judge(p, &m, &st, &fate, &rule, &send);
			if (b == BUCKET_SENT || b == BUCKET_DOUBT || fate == FATE_PLACEHOLDER)
				b = BUCKET_PENDING;
		}
		count_pin(p, c->pins[i].msg_id, b, b == BUCKET_SKIPPED || b == BUCKET_REJECTED ? rule ? rule : "refused" : NULL, 1);
		if (b == BUCKET_PENDING || b == BUCKET_DOUBT)
			plan_call(p, OP_PIN, ts, m.id, 0, 0);
	}
}

static const struct target_chat *snap_chat(const struct snapshot *snap, const char *id, const char *name)
{
	for (size_t i = 0; snap && i < snap->n_chats; i++)
		if ((id && streq(snap->chats[i].id, id)) || (name && snap->chats[i].name && streq(snap->chats[i].name, name)))
			return &snap->chats[i];
	return NULL;
}

static const char *source_privacy(enum conv_kind k)
{
	switch (k) {
	case CONV_PUBLIC: return "public";
	case CONV_PRIVATE: return "private";
	case CONV_GROUP: return "a group conversation";
	case CONV_DM: return "a direct conversation";
	}
	return "private";
}

/* A chat made under another mapping keeps its name and its openness: what people see every day is not changed behind their backs. */
static void say_kept(struct plan *p, const struct conv *c)
{
	const struct facts_chat *f = p->chat;
	const struct target_chat *seen = snap_chat(p->snap, f->target_id, NULL);
	struct ledger_row row;
	struct opkey k = { stream_lconv(p->s, p->sp), 0, "", OP_CHAT_CREATE, 0 };
	if (ledger_get(p->s->x.ledger, &k, &p->one, &row) && row.body_fp != hash64s(f->target_name))
		plan_say(p, &p->notes, arena_fmt(p->a, "%s (%s) has its chat already and is not renamed; the mapping calls it '%s' now", c->name, c->id, f->target_name));
	if (seen && seen->is_public != p->sp->place.is_public)
		plan_say(p, &p->notes, arena_fmt(p->a, seen->is_public ? "%s (%s) has its chat already, which is public, and is not closed; the mapping says private"
		                                                  : "%s (%s) has its chat already, which is private, and is not opened; the mapping says public", c->name, c->id));
}

/* A department that becomes a member reads what some of its people could not. */
static void say_company(struct plan *p, const struct conv *c)
{
	struct company who;
	mapping_company(p->s->x.mapping, c, &p->one, &who);
	if (who.ignored)
		plan_say(p, &p->notes, arena_fmt(p->a, "channels.members names %s, a direct message: these have no administrators, editors or tags; ignored", c->id));
	if (who.n_editors && p->sp->place.action != PLACE_ADOPT)
		plan_say(p, &p->notes, arena_fmt(p->a, "channels.members: nobody becomes an editor of %s: only channels of the target have editors, and a chat is made here", c->name));
	for (size_t i = 0; i < who.n_tags; i++) {
		if (plan_state(p, stream_lconv(p->s, p->sp), 0, arena_fmt(&p->one, "tag:%s", who.tags[i]), OP_MEMBERS, NULL, NULL) == OP_DONE)
			continue;
		if (c->kind != CONV_PUBLIC)
			plan_say(p, &p->privacy, arena_fmt(p->a, "%s is %s; everybody with the tag '%s' will read it", c->name, source_privacy(c->kind), who.tags[i]));
		plan_say(p, &p->notes, arena_fmt(p->a, "the tag '%s' joins %s: the target tells its people so, there is no silent way", who.tags[i], c->name));
	}
}

static int64_t strangers_of(const struct conv *c, const struct conv *readers)
{
	struct table in;
	int64_t n = 0;
	table_init(&in);
	for (size_t i = 0; i < c->n_members; i++)
		table_put(&in, c->members[i], &in);
	for (size_t i = 0; i < readers->n_members; i++)
		n += !table_get(&in, readers->members[i]);
	table_release(&in);
	return n;
}

/* Two conversations in one chat: who is in the one reads the other. */
static void say_merged(struct plan *p, const struct conv *c, const struct spot *host)
{
	struct spool_conv h;
	struct ledger_row shut;
	if (!host) {
		plan_say(p, &p->notes, arena_fmt(p->a, "%s (%s) has a chat of its own from an earlier run and stays in it; the mapping merges it into %s", c->name, c->id,
		                            p->sp->place.into));
		return;
	}
	if (stream_shut(p->s, stream_spot(p->s, host->id), &p->one, &shut))
		plan_say(p, &p->unresolved, arena_fmt(p->a, "%s (%s) goes into the chat of %s, which an earlier run has archived: unarchive the chat %s first", c->name, c->id,
		                                 host->id, shut.target ? shut.target : ""));
	if (!spool_conv(p->s->x.spool, host->id, &p->one, &h))
		return;
	int64_t read_c = strangers_of(c, &h.conv), read_h = strangers_of(&h.conv, c);
	if (c->kind != CONV_PUBLIC && host->place.is_public)
		plan_say(p, &p->privacy, arena_fmt(p->a, "%s is private and is merged into the public chat of %s", c->name, h.conv.name));
	else if (c->kind != CONV_PUBLIC && read_c)
		plan_say(p, &p->privacy, arena_fmt(p->a, "%s is private and is merged into the chat of %s: %lld people who were not in it will read it", c->name,
		                              h.conv.name, (long long)read_c));
	if (h.conv.kind != CONV_PUBLIC && read_h && p->sp->place.join_members)
		plan_say(p, &p->privacy, arena_fmt(p->a, "%s is merged into the chat of %s, which is private: %lld people who were not in that one will read it", c->name,
		                              h.conv.name, (long long)read_h));
}

/* What becomes of the chat itself, and who could read what they could not before. */
void plan_judge_chat(struct plan *p, const struct conv *c)
{
	struct facts_chat *f = p->chat;
	const struct place *pl = &p->sp->place;
	const char *target = NULL, *why = NULL, *rule = NULL;
	enum bucket b = BUCKET_SENT;
	p->made = plan_state(p, stream_lconv(p->s, p->sp), 0, "", OP_CHAT_CREATE, &target, &why);
	if (pl->action == PLACE_SKIP) {
		f->action = CHAT_SKIP;
		b = BUCKET_SKIPPED;
		rule = pl->why ? pl->why : "channel";
	} else if (pl->action == PLACE_ADOPT) {
		const struct target_chat *seen = pl->target_id ? snap_chat(p->snap, pl->target_id, NULL) : NULL;
		struct spot *host = stream_host(p->s, p->sp);
		const char *dest = pl->into ? stream_spot_target(p->s, p->sp) : pl->target_id;
		if (host)
			p->made = plan_state(p, stream_lconv(p->s, host), 0, "", OP_CHAT_CREATE, NULL, NULL);
		if (!pl->into || dest)
			p->made = OP_DONE;
		f->action = CHAT_ADOPT;
		f->target_id = dest;
		if (p->made == OP_REJECTED) {
			b = BUCKET_REJECTED;
			rule = "chat-rejected";
		}
		if (pl->into)
			say_merged(p, c, host);
		if (p->snap && pl->target_id && !seen)
			plan_say(p, &p->unresolved, arena_fmt(p->a, "%s (%s) is to go into the chat %s, which the target does not have, or in which our bot is not", c->name, c->id, pl->target_id));
		if (seen && seen->is_public && !pl->may_be_public) {
			const char *said = arena_fmt(p->a, "%s (%s) is %s and must not go into the public chat %s: name it under channels.allow_public, or choose another chat",
			                             c->name, c->id, source_privacy(c->kind), pl->target_id);
			plan_say(p, &p->unresolved, said);
			p->f->breach = p->f->breach ? p->f->breach : said;
		}
		if (c->kind != CONV_PUBLIC && pl->target_id)
			plan_say(p, &p->privacy, arena_fmt(p->a, "%s is %s; whoever is in the chat %s%s will read it", c->name, source_privacy(c->kind),
			                              pl->target_id, seen && seen->is_public ? " (public)" : ""));
	} else if (p->made == OP_DONE) {
		f->action = CHAT_EXISTS;
		f->target_id = plan_copy(p, target);
		say_kept(p, c);
	} else if (p->made == OP_REJECTED) {
		f->action = CHAT_REJECTED;
		f->why = plan_copy(p, why);
		b = BUCKET_REJECTED;
		rule = plan_reason(&p->one, why);
	} else {
		f->action = CHAT_CREATE;
		b = plan_is_open(p->made) ? BUCKET_DOUBT : BUCKET_PENDING;
		plan_call(p, OP_CHAT_CREATE, 0, "", 0, hash64s(f->target_name));
		const struct target_chat *same = snap_chat(p->snap, NULL, f->target_name);
		if (same)
			f->why = arena_fmt(p->a, "the target has a chat of this name already (id %s); a second one will be made", same->id);
	}
	if (pl->action == PLACE_CREATE && pl->is_public && c->kind != CONV_PUBLIC)
		plan_say(p, &p->privacy, arena_fmt(p->a, "%s is %s and becomes public", c->name, source_privacy(c->kind)));
	if (pl->action != PLACE_SKIP && pl->join_members)
		say_company(p, c);
	if (strncmp(c->id, MAPPING_LIVE, strlen(MAPPING_LIVE)) != 0) /* that one is ours */
		plan_count(p, ITEM_CONV, b, rule, 1);
}
