/* adopt_finish.c: what belongs to the end of a chat: reactions, people with their roles and tags, pins, the archiving.
 *
 * Promises: what the target shows is taken; pins, which it does not show, where something that comes after them is there. Called by
 * adopt.c when the messages of a chat have been looked for.
 */
#include "replay/adopt_in.h"

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
		if (adopt_settled(adopt_state(x, &k))) {
			x->out->known += x->round == 0;
			continue;
		}
		ok = listed || session_list(x->args->session, LIST_REACTIONS, post.target, OLDEST_FIRST, on_reaction, &got, x->err);
		listed = true;
		if (ok && table_get(&got.ours, msg.reacts[i].emoji) && adopt_free(x, &k, ln->name))
			adopt_row(x, &k, &(struct fact){ .lane = ln->name, .src_fp = m->fp, .id = post.target });
		else if (ok)
			adopt_missing(x, &k, ln->name, "the reaction is not there");
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
	while (ok && !adopt_stopping(x) && spool_walk_next(w, &m))
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
		if (adopt_settled(adopt_state(x, &k)))
			x->out->known += x->round == 0;
		else if (ok && in == one->n && adopt_free(x, &k, ln->name))
			adopt_row(x, &k, &(struct fact){ .lane = ln->name, .src_fp = hash64s(one->id), .id = ln->chat });
		else if (ok)
			adopt_missing(x, &k, ln->name, "not everybody has joined");
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
		if (adopt_settled(adopt_state(x, &k))) {
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
		if (ok && there && adopt_free(x, &k, ln->name))
			adopt_row(x, &k, &(struct fact){ .lane = ln->name, .src_fp = hash64s(e->id), .id = ln->chat, .id2 = tag });
		else if (ok)
			adopt_missing(x, &k, ln->name, e->what == JOIN_TAG ? "the tag is not a member of the chat" : "this person has not this role in the chat");
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
		if (adopt_settled(adopt_state(x, &k)))
			continue;
		if (witnessed && adopt_free(x, &k, ln->name))
			adopt_row(x, &k, &(struct fact){ .lane = ln->name, .src_fp = hash64s(k.id), .id = post.target });
		else
			adopt_missing(x, &k, ln->name, "the target does not show its pins");
	}
}

bool adopt_finish(struct adopt *x, const struct lane_now *ln)
{
	const struct seen *chat = adopt_chat_row(x, ln->chat);
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
	if (archives && archived && adopt_free(x, &k, ln->name))
		adopt_row(x, &k, &(struct fact){ .lane = ln->name, .id = ln->chat });
	else if (archives)
		adopt_missing(x, &k, ln->name, "the chat is not archived");
	return true;
}
