/* stream_finish.c: the end of a chat, when its messages and its threads are done: messages that the source has deleted, reactions, pins,
 * people (stream_join.c), links that lead somewhere only now, the archiving; and the opening of a chat that was archived before.
 *
 * Called by stream.c, step by step (enum phase), by plan*.c and adopt.c for single questions. Writes nothing.
 */
#include "replay/spool_seat.h"
#include "replay/stream_step.h"

#include "core/hash.h"

/* Reaction i of the message is the first of its emoji, and within what the target takes. */
bool stream_reaction_counts(const struct stream *s, const struct msg *m, size_t i)
{
	size_t before = 0;
	if (!*m->reacts[i].emoji)
		return false;
	for (size_t k = 0; k < i; k++) {
		if (streq(m->reacts[k].emoji, m->reacts[i].emoji))
			return false;
		before += *m->reacts[k].emoji != '\0';
	}
	return s->tr.reactions_max <= 0 || before < (size_t)s->tr.reactions_max;
}

static bool next_react(struct stream *s, const struct goal *g, struct stream_pos *pos, struct arena *a, struct stream_op *out, bool *broken, struct err *e)
{
	if (s->cfg->reactions != REACTION_NATIVE || !(s->tr.caps & (CAP_REACT_SELF | CAP_REACT_AS)))
		return false;
	struct spool_walk *w = spool_walk_after(s->x.spool, g->sp->num, SPOOL_ALL, NULL, pos->ts_us, pos->id, pos->conv);
	struct spool_meta m;
	bool found = false;
	while (!found && !*broken && spool_walk_next(w, &m)) {
		struct ledger_row row;
		struct msg msg;
		struct opkey k = { stream_mconv(s, g->sp, &m), m.ts_us, m.id, OP_POST, 0 };
		const char *target;
		arena_reset(&s->trial);
		if (!m.n_reacts || !(target = stream_post_target(s, &k, 0, &s->trial, &row)))
			continue;
		struct standing st = { .loss = row.loss };
		if (row.loss & LOSS_ROOT)
			standing_get(s, k.conv, m.ts_us, m.id, &st);
		if (st.loss & LOSS_ROOT)
			continue; /* what stands there is not the message people reacted to */
		*broken = !spool_walk_body(w, &s->trial, &msg, e);
		k.kind = OP_REACT;
		for (size_t i = 0; !found && !*broken && i < msg.n_reacts; i++) {
			k.part = (int)i;
			if (!stream_reaction_counts(s, &msg, i))
				continue;
			stream_row(s, &k, &s->trial, &row);
			if ((found = stream_todo(row.state)))
				stream_op_react(g, &msg.reacts[i], &k, arena_strdup(a, target), row.state, m.fp, a, out);
		}
		if (!found && !*broken)
			stream_pos_move(pos, m.ts_us, m.id, m.conv);
	}
	spool_walk_end(w);
	return found;
}

/* Pins of the messages that sit in this chat, whichever conversation they were pinned in. pos->part counts all of them. */
static bool next_pin(struct stream *s, const struct goal *g, struct stream_pos *pos, struct arena *a, struct stream_op *out)
{
	struct spool_conv c;
	const int64_t *guests = NULL;
	int at = 0;
	if (!s->cfg->pins || !(s->tr.caps & CAP_PIN))
		return false;
	size_t n = s->crosses ? spool_seats_guests(s->x.spool, g->sp->num, a, &guests) : 0;
	for (size_t from = 0; from <= n; from++) {
		struct spot *home = from ? stream_spot_num(s, guests[from - 1]) : g->sp;
		arena_reset(&s->trial); /* the record is many times larger than what is taken from it */
		if (!spool_conv(s->x.spool, home->id, &s->trial, &c))
			continue;
		for (size_t i = 0; i < c.conv.n_pins; i++, at++) {
			const char *id = c.conv.pins[i].msg_id, *target;
			struct ledger_row row;
			struct spool_meta m;
			int64_t ts;
			if (at < pos->part)
				continue;
			pos->part = at;
			if (!spool_find(s->x.spool, home->num, id, &ts) ||
			    (s->crosses && spool_msg(s->x.spool, home->num, ts, id, a, NULL, &m, NULL) && m.host != g->sp->num))
				continue;
			struct opkey k = { stream_lconv(s, home), ts, id, OP_PIN, 0 };
			if (!(target = stream_post_target(s, &k, 0, a, &row)))
				continue;
			stream_row(s, &k, a, &row);
			if (!stream_todo(row.state))
				continue;
			stream_op_begin(out, &k, g, row.state, a)->target_id = target;
			out->src_fp = hash64s(id);
			return true;
		}
	}
	return false;
}

/* A message that the source has deleted since, when that was asked for. */
static bool next_removed(struct stream *s, struct spot *sp, struct stream_pos *pos, struct arena *a, struct stream_op *out)
{
	struct ledger_row post;
	struct goal g = { sp, stream_spot_target(s, sp), NULL };
	if (!stream_next_removed(s, sp, &pos->part, a, &post))
		return false;
	struct opkey k = post.key;
	k.kind = OP_DELETE;
	stream_op_undo(&g, &k, OP_POST, post.target, OP_ABSENT, post.src_fp, a, out);
	return true;
}

/* Links that lead somewhere only now. The message may stand in a thread of the chat. */
static bool next_link(struct stream *s, struct spot *sp, struct stream_pos *pos, struct arena *a, struct stream_op *out)
{
	struct spool_meta m;
	struct relink r;
	struct goal g = { sp, stream_spot_target(s, sp), NULL };
	enum op_state state;
	if (!stream_next_link(s, sp, pos->ts_us, pos->id, a, &m, &r))
		return false;
	if (m.root && s->threads)
		stream_thread_goal(s, stream_thread_spot(s, sp, &m), m.root_ts_us, m.root, a, &g, &state);
	struct opkey k = { stream_lconv(s, sp), m.ts_us, m.id, OP_EDIT, r.part };
	stream_op_edit(s, &r.letter, &k, &g, r.state, r.target, a, m.fp, out);
	stream_pos_move(pos, m.ts_us, m.id, m.conv);
	return true;
}

bool stream_archives(struct stream *s, struct spot *sp, struct arena *a, enum op_state *state)
{
	struct ledger_row row;
	struct opkey k = { stream_lconv(s, sp), 0, "", OP_ARCHIVE, 0 };
	*state = OP_ABSENT;
	if (!sp->place.archive_at_end || !(s->tr.caps & CAP_ARCHIVE))
		return false;
	stream_row(s, &k, a, &row);
	*state = row.state;
	return stream_todo(row.state);
}

static bool archive_op(struct stream *s, const struct goal *g, struct arena *a, struct stream_op *out)
{
	struct opkey k = { stream_lconv(s, g->sp), 0, "", OP_ARCHIVE, 0 };
	enum op_state state;
	if (!stream_archives(s, g->sp, a, &state))
		return false;
	stream_op_begin(out, &k, g, state, a);
	return true;
}

bool stream_unarchive(struct stream *s, struct spot *sp, enum op_state state, struct arena *a, struct stream_op *out)
{
	struct ledger_row shut, opened;
	struct goal g = { sp, stream_spot_target(s, sp), NULL };
	struct opkey k = { stream_lconv(s, sp), 0, "", OP_DELETE, opkey_undo_part(OP_ARCHIVE, 0) };
	if (!stream_shut(s, sp, a, &shut))
		return false;
	if (stream_row(s, &k, a, &opened) && opened.state == OP_DONE)
		ledger_gone(s->x.ledger, &k); /* it has been archived again since */
	stream_op_undo(&g, &k, OP_ARCHIVE, shut.target, state, hash64s(sp->id), a, out);
	return true;
}

enum stream_got stream_next_finish(struct stream *s, const struct goal *g, struct stream_pos *pos, struct arena *a, struct stream_op *out, struct err *e)
{
	bool broken = false;
	switch ((enum phase)pos->phase) {
	case PH_REMOVE:
		if (next_removed(s, g->sp, pos, a, out))
			return STREAM_OP;
		stream_pos_enter(pos, PH_REACT);
		/* fall through */
	case PH_REACT:
		if (next_react(s, g, pos, a, out, &broken, e))
			return STREAM_OP;
		if (broken)
			return STREAM_ERROR;
		stream_pos_enter(pos, PH_PIN);
		/* fall through */
	case PH_PIN:
		if (next_pin(s, g, pos, a, out))
			return STREAM_OP;
		stream_pos_enter(pos, PH_MEMBERS);
		/* fall through */
	case PH_MEMBERS:
		if (stream_next_members(s, g, a, out))
			return STREAM_OP;
		stream_pos_enter(pos, PH_LINKS);
		/* fall through */
	case PH_LINKS:
		/* After people have joined, here and everywhere: an edit reaches nobody, and nobody waits for it. part: this has been waited for. */
		if (!pos->part++ && stream_links_wait(s, g->sp))
			return STREAM_LATER;
		if (next_link(s, g->sp, pos, a, out))
			return STREAM_OP;
		stream_pos_enter(pos, PH_ARCHIVE);
		/* fall through */
	case PH_ARCHIVE:
		if (archive_op(s, g, a, out))
			return STREAM_OP;
		stream_pos_enter(pos, PH_END);
		break;
	case PH_START: case PH_MAKE: case PH_MSGS: case PH_END:
		break;
	}
	return STREAM_END;
}
