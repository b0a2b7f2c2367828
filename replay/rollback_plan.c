/* rollback_plan.c: what may be taken back? Reads ledger and target, decides, writes nothing.
 *
 * Promises: what the ledger does not own is never chosen; what people have changed, answered or reacted to is not chosen either,
 * unless forced. What a chat holds is read and judged in rollback_look.c. Memory: one entry per lane and per message that stays.
 * Called by rollback.c and `mvchat rollback`.
 */
#include "replay/rollback_in.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *keep_word(enum keep k)
{
	static const char *const w[N_KEEP] = { "changed", "reacted", "answered", "thread", "archived", "closed", "occupied", "adopted", "unnamed",
		"active", "older", "policy", "edit" };
	return k < N_KEEP ? w[k] : "?";
}

/* ---- small tools ---- */

bool rb_stopping(const struct rollback *rb)
{
	return rb->args.stop && *rb->args.stop;
}

bool rb_in_scope(const struct rollback *rb, const struct ledger_row *row)
{
	/* A lane may hold messages of several conversations: rules send them there. */
	return (!rb->args.only_run || row->run == rb->args.only_run) && (!rb->args.only_conv || row->key.conv == rb->only_num);
}

static const char *record_of(const struct opkey *k, struct arena *a)
{
	return arena_fmt(a, "%" PRId64 "/%" PRId64 "/%s", k->conv, k->ts_us, k->id);
}

bool rb_is_kept(struct rollback *rb, const struct opkey *k)
{
	return rb->kept.n && table_get(&rb->kept, record_of(k, &rb->tmp));
}

void rb_say_kept(struct rollback *rb, enum keep why, enum op_kind what, const char *lane, const struct opkey *k, const char *chat, const char *target)
{
	rb->counts.kept[why]++;
	if (!rb->reporting || !rb->args.kept)
		return;
	const struct session *s = rb->args.session;
	const char *url = chat && target && what == OP_POST ? rb->ex->message_url(s->target, chat, target, &rb->tmp) : NULL;
	rb->args.kept(rb->args.ctx, why, what, lane, k, target, url);
}

void rb_keep(struct rollback *rb, struct rb_lane *l, const struct opkey *k, enum keep why, const char *chat, const char *target)
{
	static char yes[] = "";
	if (rb_is_kept(rb, k))
		return;
	table_put(&rb->kept, record_of(k, &rb->arena), yes);
	l->conv->kept++;
	rb_say_kept(rb, why, OP_POST, l->name, k, chat, target);
}

/* ---- lanes and chats of the ledger ---- */

static struct rb_conv *conv_of(struct rollback *rb, const char *id)
{
	struct rb_conv *c = table_get(&rb->convs, id);
	if (c)
		return c;
	struct ledger_row row;
	struct opkey k = { ledger_conv(rb->args.ledger, id), 0, "", OP_CHAT_CREATE, 0 };
	c = arena_new(&rb->arena, struct rb_conv);
	c->num = k.conv;
	c->id = arena_strdup(&rb->arena, id);
	if (ledger_get(rb->args.ledger, &k, &rb->arena, &row) && row.state == OP_DONE) {
		c->created = true;
		c->chat = row.target;
	} else {
		c->chat = c->id ? stream_chat_target(rb->args.stream, c->id, &rb->arena) : NULL;
	}
	table_put(&rb->convs, c->id, c);
	if (c->chat)
		c->mate = table_put(&rb->by_chat, c->chat, c);
	return c;
}

static void count_posts(struct rollback *rb, struct rb_lane *l)
{
	struct ledger_walk *w = ledger_walk_lane(rb->args.ledger, l->num);
	struct ledger_row r;
	while (ledger_walk_next(w, &r))
		l->posts += r.key.kind == OP_POST && r.state == OP_DONE && rb_in_scope(rb, &r);
	ledger_walk_end(w);
}

/* The conversation whose chat this lane writes into. Of a thread: where its first message stands; row: any of its rows. */
static const char *conv_id_of(struct rollback *rb, int64_t num, const char *name, const struct ledger_row *row)
{
	struct ledger_row open, post;
	int64_t before = 0;
	if (!strncmp(name, "t:", 2) && ledger_newest(rb->args.ledger, num, 1u << OP_THREAD_OPEN, &before, &rb->tmp, &open)) {
		struct opkey k = { open.key.conv, open.key.ts_us, open.key.id, OP_POST, 0 };
		const char *lane = ledger_get(rb->args.ledger, &k, &rb->tmp, &post) ? ledger_lane_name(rb->args.ledger, post.lane, &rb->tmp) : NULL;
		return lane && !strncmp(lane, "c:", 2) ? lane + 2 : ledger_conv_name(rb->args.ledger, open.key.conv, &rb->tmp);
	}
	return !strncmp(name, "c:", 2) ? name + 2 : ledger_conv_name(rb->args.ledger, row->key.conv, &rb->tmp);
}

static bool any_in_scope(struct rollback *rb, int64_t lane)
{
	struct ledger_walk *w = ledger_walk_lane(rb->args.ledger, lane);
	struct ledger_row r;
	bool any = false;
	while (!any && ledger_walk_next(w, &r))
		any = r.key.conv == rb->only_num;
	ledger_walk_end(w);
	return any;
}

static bool on_lane(void *ctx, int64_t num, const char *name)
{
	struct rollback *rb = ctx;
	struct ledger_row row;
	int64_t before = 0;
	arena_reset(&rb->tmp);
	if (!ledger_newest(rb->args.ledger, num, ~(1u << OP_DELETE), &before, &rb->tmp, &row))
		return true; /* nothing but old deletions */
	bool person = row.key.kind == OP_USER_CREATE;
	if (rb->args.only_conv && (person || !any_in_scope(rb, num)))
		return true;
	struct rb_lane *l = arena_new(&rb->arena, struct rb_lane);
	l->num = num;
	l->name = arena_strdup(&rb->arena, name);
	l->kind = person ? LANE_PERSON : name[0] == 't' ? LANE_THREAD : LANE_CHAT;
	if (!person) {
		l->conv = conv_of(rb, conv_id_of(rb, num, name, &row));
		l->next_of_conv = l->conv->lanes;
		l->conv->lanes = l;
		count_posts(rb, l);
	}
	before = 0;
	if (l->kind == LANE_THREAD && ledger_newest(rb->args.ledger, num, 1u << OP_THREAD_OPEN, &before, &rb->arena, &row)) {
		l->thread = row.target;
		l->chat = row.target2;
		l->root = row.key;
		l->root.kind = OP_POST;
	} else if (l->conv) {
		l->chat = l->conv->chat;
	}
	if (rb->n_lanes == rb->cap_lanes) {
		rb->cap_lanes = rb->cap_lanes ? 2 * rb->cap_lanes : 64;
		rb->lanes = xrealloc(rb->lanes, rb->cap_lanes * sizeof(struct rb_lane *));
	}
	rb->lanes[rb->n_lanes++] = l;
	table_put(&rb->by_name, l->name, l);
	return true;
}

static bool on_chat(void *ctx, const struct seen *s)
{
	struct rollback *rb = ctx;
	struct rb_conv *c = table_get(&rb->by_chat, s->id);
	if (!c)
		return !rb_stopping(rb);
	const char *name = arena_strdup(&rb->arena, s->name);
	for (; c; c = c->mate) {
		c->name = name;
		c->archived = s->archived;
		c->is_public = s->is_public;
		c->alone = c->created && !s->is_public && s->n_ids == 1;
	}
	return !rb_stopping(rb);
}

static bool on_account(void *ctx, const struct seen *s)
{
	struct rollback *rb = ctx;
	int64_t *created = arena_new(&rb->arena, int64_t);
	*created = s->ts_us;
	table_put(&rb->accounts, arena_strdup(&rb->arena, s->id), created);
	return !rb_stopping(rb);
}

static void shut(struct rb_conv *c, enum keep why)
{
	c->shut = true;
	c->why = why;
}

/* Chats that somebody else has archived, and those we cannot see, are left alone as they are. */
static void judge_conv(struct rollback *rb, struct rb_conv *c)
{
	struct rb_conv *mate = c->chat ? table_get(&rb->by_chat, c->chat) : NULL;
	bool opens = false; /* archived by us, whichever conversation of the chat did it */
	for (; mate && !opens; mate = mate->mate) {
		struct ledger_row row;
		struct opkey k = { mate->num, 0, "", OP_ARCHIVE, 0 };
		opens = ledger_get(rb->args.ledger, &k, &rb->tmp, &row) && row.state == OP_DONE && rb_in_scope(rb, &row);
	}
	if (!c->name)
		shut(c, KEEP_CLOSED);
	else if (c->archived && !opens)
		shut(c, KEEP_ARCHIVED);
}

/* ---- which rows ---- */

/* A chat of several conversations is given up when nothing of any of them stays in it. */
bool rb_gives_up(const struct rollback *rb, const struct rb_conv *c)
{
	bool empty = c->created && c->chat;
	for (const struct rb_conv *m = empty ? table_get(&rb->by_chat, c->chat) : NULL; m && empty; m = m->mate)
		empty = !m->shut && !m->kept && !m->others && (!m->foreign || rb->args.force == ROLLBACK_FORCE);
	return empty;
}

static bool chat_in_scope(struct rollback *rb, const struct rb_conv *c)
{
	struct ledger_row row;
	struct opkey k = { c->num, 0, "", OP_CHAT_CREATE, 0 };
	return ledger_get(rb->args.ledger, &k, &rb->tmp, &row) && row.state == OP_DONE && rb_in_scope(rb, &row);
}

static bool any_post_left(struct rollback *rb, const struct rb_conv *c)
{
	struct ledger_row row;
	bool any = false;
	for (const struct rb_conv *m = c->chat ? table_get(&rb->by_chat, c->chat) : NULL; m && !any; m = m->mate)
		for (struct rb_lane *l = m->lanes; l && !any; l = l->next_of_conv) {
			int64_t before = 0;
			any = ledger_newest(rb->args.ledger, l->num, 1u << OP_POST, &before, &rb->tmp, &row);
		}
	return any;
}

/* A mark on a message that itself stays, because it is another run's. */
static bool lone_mark(struct rollback *rb, const struct ledger_row *row)
{
	struct ledger_row post;
	struct opkey k = row->key;
	k.kind = OP_POST;
	k.part = 0;
	return ledger_get(rb->args.ledger, &k, &rb->tmp, &post) && post.state == OP_DONE && !rb_in_scope(rb, &post);
}

bool rb_message(struct rollback *rb, const struct opkey *k, struct arena *a, struct msg *m)
{
	struct spool_conv sc;
	struct spool_meta meta;
	const char *conv = ledger_conv_name(rb->args.ledger, k->conv, a);
	return conv && spool_conv(rb->args.spool, conv, a, &sc) && spool_msg(rb->args.spool, sc.num, k->ts_us, k->id, a, m, &meta, NULL);
}

static bool reaction_named(struct rollback *rb, const struct ledger_row *row)
{
	struct msg m;
	return rb_message(rb, &row->key, &rb->tmp, &m) && row->key.part >= 0 && (size_t)row->key.part < m.n_reacts;
}

size_t rb_tags(struct rollback *rb, const struct rb_conv *c, struct arena *a, const char *const **ids)
{
	struct ledger_walk *w = ledger_walk(rb->args.ledger, c->num);
	struct ledger_row row;
	const char **v = NULL;
	size_t n = 0, cap = 0;
	while (ledger_walk_next(w, &row) && !row.key.ts_us) {
		if (row.key.kind != OP_MEMBERS || strncmp(row.key.id, "tag:", 4) != 0 || row.state != OP_DONE || !row.target2)
			continue;
		if (n == cap) {
			const char **more = arena_array(a, cap = cap ? 2 * cap : 8, const char *);
			if (n)
				memcpy(more, v, n * sizeof(*v));
			v = more;
		}
		v[n++] = arena_strdup(a, row.target2);
	}
	ledger_walk_end(w);
	*ids = v;
	return n;
}

/* Accounts that an earlier rollback has taken back are members still. */
size_t rb_members(struct rollback *rb, const struct rb_conv *c, struct arena *a, const char *const **ids)
{
	struct spool_conv sc;
	size_t n = 0;
	*ids = NULL;
	if (!c->id || !spool_conv(rb->args.spool, c->id, a, &sc))
		return 0;
	const char **v = arena_array(a, sc.conv.n_members + 1, const char *);
	for (size_t i = 0; i < sc.conv.n_members; i++) {
		struct ledger_row row;
		struct opkey k = { 0, 0, sc.conv.members[i], OP_USER_CREATE, 0 };
		const char *target = stream_user_target(rb->args.stream, sc.conv.members[i], a);
		if (!target && ledger_get(rb->args.ledger, &k, a, &row) && row.state == OP_GONE)
			target = row.target;
		if (target)
			v[n++] = target;
	}
	*ids = v;
	return n;
}

enum { WANTED = -1, NOT_OURS_TO_SAY = -2 };
/* WANTED, or the reason to keep it (enum keep), or neither. */
static int judge_row(struct rollback *rb, struct rb_lane *l, const struct ledger_row *row, enum live live)
{
	struct rb_conv *c = l->conv;
	const char *const *ids;
	if (!rb_in_scope(rb, row))
		return NOT_OURS_TO_SAY;
	switch (row->key.kind) {
	case OP_POST:
		return l->shut || rb_is_kept(rb, &row->key) ? NOT_OURS_TO_SAY : WANTED; /* told when it was decided */
	case OP_ARCHIVE:
		return c->shut ? NOT_OURS_TO_SAY : WANTED;
	case OP_MEMBERS:
		if (c->shut)
			return (int)c->why;
		if (!c->created)
			return KEEP_ADOPTED;
		if (chat_in_scope(rb, c) && !rb_gives_up(rb, c))
			return KEEP_OCCUPIED;
		return rb_members(rb, c, &rb->tmp, &ids) || rb_tags(rb, c, &rb->tmp, &ids) ? WANTED : KEEP_UNNAMED;
	case OP_REACT:
	case OP_PIN:
		if (c->shut || !lone_mark(rb, row))
			return NOT_OURS_TO_SAY;
		return row->key.kind == OP_PIN || reaction_named(rb, row) ? WANTED : KEEP_UNNAMED;
	case OP_CHAT_CREATE:
		if (!rb_gives_up(rb, c) || (live == LIVE && any_post_left(rb, c)))
			return c->shut ? (int)c->why : KEEP_OCCUPIED;
		return WANTED;
	case OP_USER_CREATE: {
		const int64_t *made = table_get(&rb->accounts, row->target);
		if (rb->args.users == ROLLBACK_KEEP)
			return KEEP_POLICY;
		if (row->target2 && streq(row->target2, LEDGER_EXISTED))
			return KEEP_OLDER;
		if (made && *made && row->sent_us && *made < row->sent_us - INT64_C(3600000000))
			return KEEP_OLDER;
		if (table_get(&rb->writers, row->target) && rb->args.force == ROLLBACK_CAREFUL)
			return KEEP_ACTIVE;
		return WANTED;
	}
	case OP_EDIT: {
		struct ledger_row copy = *row;
		return lone_mark(rb, &copy) ? KEEP_EDIT : NOT_OURS_TO_SAY;
	}
	case OP_UPLOAD:
	case OP_THREAD_OPEN:
	case OP_DELETE:
		break;
	}
	return NOT_OURS_TO_SAY;
}

static const uint32_t *phases(enum pass p)
{
	static const uint32_t archive[] = { 1u << OP_ARCHIVE, 0 }, threads[] = { 1u << OP_POST | 1u << OP_EDIT, 0 },
		chats[] = { 1u << OP_MEMBERS, 1u << OP_PIN | 1u << OP_REACT | 1u << OP_EDIT, 1u << OP_POST, 0 },
		give_up[] = { 1u << OP_CHAT_CREATE, 0 }, people[] = { 1u << OP_USER_CREATE, 0 };
	switch (p) {
	case PASS_ARCHIVE: return archive;
	case PASS_THREADS: return threads;
	case PASS_CHATS: return chats;
	case PASS_GIVE_UP: return give_up;
	case PASS_PEOPLE: return people;
	case N_PASS: break;
	}
	die("rollback: no such pass");
}

static enum pass pass_of(const struct rb_lane *l, enum op_kind kind)
{
	return kind == OP_ARCHIVE ? PASS_ARCHIVE : kind == OP_CHAT_CREATE ? PASS_GIVE_UP : l->kind == LANE_THREAD ? PASS_THREADS : l->kind == LANE_CHAT ? PASS_CHATS : PASS_PEOPLE;
}

bool rb_next(struct rollback *rb, struct rb_lane *l, enum pass pass, enum live live, struct stream_pos *pos, struct arena *a, struct ledger_row *row)
{
	const uint32_t *mask = phases(pass);
	bool mine = pass == PASS_ARCHIVE || pass == PASS_GIVE_UP ? l->kind == LANE_CHAT : pass == pass_of(l, OP_POST);
	for (; mine && mask[pos->phase]; pos->phase++, pos->ts_us = 0) {
		for (;;) {
			arena_reset(&rb->tmp);
			if (!ledger_newest(rb->args.ledger, l->num, mask[pos->phase], &pos->ts_us, &rb->tmp, row))
				break;
			if (judge_row(rb, l, row, live) != WANTED)
				continue;
			row->key.id = arena_strdup(a, row->key.id);
			row->target = arena_strdup(a, row->target);
			row->target2 = arena_strdup(a, row->target2);
			row->why = NULL;
			return true;
		}
	}
	return false;
}

bool rb_wanted(struct rollback *rb, struct rb_lane *l, const struct ledger_row *row)
{
	arena_reset(&rb->tmp);
	int why = judge_row(rb, l, row, LIVE);
	if (why >= 0)
		rb_say_kept(rb, (enum keep)why, row->key.kind, l->name, &row->key, NULL, row->target);
	return why == WANTED;
}

bool rb_any(struct rollback *rb, struct rb_lane *l, enum pass pass)
{
	struct stream_pos pos = { 0 };
	struct ledger_row row;
	struct arena a;
	arena_init(&a);
	bool any = rb_next(rb, l, pass, FORETOLD, &pos, &a, &row);
	arena_release(&a);
	return any;
}

/* ---- counting ---- */

static void count_row(struct rollback *rb, struct rb_lane *l, const struct ledger_row *row, struct rollback_counts *out, enum live live)
{
	arena_reset(&rb->tmp);
	int why = judge_row(rb, l, row, live);
	if (why == WANTED) {
		out->todo[row->key.kind]++;
		if (row->key.kind == OP_CHAT_CREATE && live == FORETOLD) {
			out->chats_left++;
			l->conv->given_up = true;
		}
	} else if (why >= 0 && live == FORETOLD) {
		rb_say_kept(rb, (enum keep)why, row->key.kind, l->name, &row->key, NULL, row->target);
	}
	if (row->key.kind == OP_UPLOAD && rb_in_scope(rb, row) && l->conv && !l->shut && !rb_is_kept(rb, &row->key))
		out->files_left++;
}

static void count_lane(struct rollback *rb, struct rb_lane *l, struct rollback_counts *out, enum live live)
{
	struct ledger_walk *w = ledger_walk_lane(rb->args.ledger, l->num);
	struct ledger_row row;
	while (ledger_walk_next(w, &row))
		if (row.state == OP_DONE)
			count_row(rb, l, &row, out, live);
	ledger_walk_end(w);
}

static bool on_trouble(void *ctx, const struct ledger_row *r)
{
	struct rollback *rb = ctx;
	if (r->state != OP_INTENT && r->state != OP_UNKNOWN)
		return false; /* the open ones come first */
	rb->counts.doubt += r->key.kind != OP_DELETE;
	return true;
}

/* Chats that were to be given up and are in use by now. */
void rb_say_occupied(struct rollback *rb)
{
	for (size_t i = 0; i < rb->convs.n; i++) {
		struct rb_conv *c = rb->convs.rows[i].value;
		struct opkey k = { c->num, 0, "", OP_CHAT_CREATE, 0 };
		if (!c->given_up || rb_gives_up(rb, c))
			continue;
		c->given_up = false;
		arena_reset(&rb->tmp);
		rb_say_kept(rb, KEEP_OCCUPIED, OP_CHAT_CREATE, arena_fmt(&rb->tmp, "c:%s", c->id), &k, NULL, c->chat);
	}
}

void rollback_left(struct rollback *rb, struct rollback_counts *out)
{
	*out = (struct rollback_counts){ 0 };
	memcpy(out->kept, rb->counts.kept, sizeof(out->kept));
	memcpy(out->done, rb->done, sizeof(out->done));
	for (size_t i = 0; i < rb->n_lanes; i++)
		count_lane(rb, rb->lanes[i], out, LIVE);
}

void rollback_chats(struct rollback *rb, void (*each)(void *ctx, const char *name, const char *id), void *ctx)
{
	for (size_t i = 0; i < rb->convs.n; i++) {
		const struct rb_conv *c = rb->convs.rows[i].value;
		if (c->given_up)
			each(ctx, c->name, c->chat);
	}
}

uint32_t rollback_kinds(const struct rollback_counts *c, enum rollback_users users)
{
	uint32_t k = 0;
	for (int kind = 0; kind < OP_DELETE; kind++)
		if (c->todo[kind])
			k |= 1u << (OP_UNDO_BIT + kind);
	if (c->todo[OP_USER_CREATE] && users == ROLLBACK_DELETE)
		k |= 1u << (OP_UNDO_BIT + OP_DELETE);
	return k;
}

/* ---- the plan ---- */

static void forget(struct rollback *rb)
{
	struct table *const all[] = { &rb->by_name, &rb->convs, &rb->by_chat, &rb->kept, &rb->writers, &rb->accounts };
	for (size_t i = 0; i < countof(all); i++) {
		table_release(all[i]);
		table_init(all[i]);
	}
	rb_forget_lows(rb);
	arena_reset(&rb->arena);
	rb->n_lanes = 0;
	rb->failed = false;
	rb->counts = (struct rollback_counts){ 0 };
}

static bool read_all(struct rollback *rb, struct err *e)
{
	int64_t done = 0, total = (int64_t)rb->n_lanes;
	bool people = false;
	for (size_t i = 0; i < rb->n_lanes; i++)
		people = people || rb->lanes[i]->kind == LANE_PERSON;
	if (people && !session_list(rb->args.session, LIST_USERS, "", OLDEST_FIRST, on_account, rb, e))
		return err_wrap(e, "reading people back");
	if (rb->convs.n && !session_list(rb->args.session, LIST_CHATS, "", OLDEST_FIRST, on_chat, rb, e))
		return err_wrap(e, "reading chats back");
	for (size_t i = 0; i < rb->convs.n; i++)
		judge_conv(rb, rb->convs.rows[i].value);
	for (int threads = 1; threads >= 0; threads--) { /* what a thread keeps decides on its first message */
		for (size_t i = 0; i < rb->n_lanes && !rb_stopping(rb); i++) {
			struct rb_lane *l = rb->lanes[i];
			if (!l->conv || (l->kind == LANE_THREAD) != (threads == 1))
				continue;
			if (!rb_read(rb, l))
				return false;
			if (rb->args.progress)
				rb->args.progress(rb->args.ctx, ++done, total);
		}
	}
	return true;
}

bool rollback_plan(struct rollback *rb, struct rollback_counts *out, struct err *e)
{
	forget(rb);
	rb->err = e;
	rb->reporting = true;
	rb->only_num = rb->args.only_conv ? ledger_conv(rb->args.ledger, rb->args.only_conv) : 0;
	ledger_lanes(rb->args.ledger, on_lane, rb);
	ledger_troubles(rb->args.ledger, on_trouble, rb);
	bool ok = read_all(rb, e);
	if (ok && rb_stopping(rb))
		ok = err_set(e, ERR_PARTIAL, "stopped before anything was taken back");
	for (size_t i = 0; ok && i < rb->n_lanes; i++)
		count_lane(rb, rb->lanes[i], &rb->counts, FORETOLD);
	rb->reporting = false;
	*out = rb->counts;
	return ok;
}
