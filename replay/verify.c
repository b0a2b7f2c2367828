/* verify.c: reads the target back and holds it against the ledger.
 *
 * Promises: every message the ledger calls done is looked for in the chat it was written to, by its id; text, label and files
 * are compared by fingerprint; the order is the ledger's order of writing against the target's order of ids. Only reads.
 * What a target does not show cannot be compared: Pachca gives no size of a file (but which upload it is) and no list of pins.
 * Memory: a page of the list and one row of the ledger, whatever a lane's length, because both are walked together, ids
 * ascending; beyond that only what is wrong, and one entry per chat and person. Called by `mvchat verify`. People and chats: verify_chats.c.
 */
#include "replay/verify.h"

#include "replay/verify_in.h"

#include <stdlib.h>
#include <string.h>

enum { OTHERS_MAX = 10000 };   /* messages with another file than was sent: so many are named */
enum { STRANGERS_MAX = 4096 }; /* messages of ours that the ledger does not know: collected, then looked up in one walk */

struct stranger { uint64_t fp; char *id; bool told; };

/* One lane being compared. */
struct lane {
	struct verify *v;
	const char *name, *chat;
	int64_t num;
	struct ledger_walk *walk;
	bool have;               /* row is the next message to find */
	struct ledger_row row;
	struct arena arena;      /* lives as long as the lane: what is out of order */
	struct table early;      /* ids seen before their turn: out of order; value: this very id, NULL once it is explained */
	struct stranger *strangers;
	size_t n_strangers, cap_strangers;
	char *last;              /* the last id seen */
	bool cut;                /* the sample ends here: the rest was not looked at */
};

struct other_file { struct other_file *next; struct opkey key; const char *lane, *chat, *target; };

void verify_tell(struct verify *v, enum finding f, const char *lane, const struct opkey *k, const char *chat, const char *target, const char *what)
{
	if (!v->args->finding)
		return;
	const struct target *t = v->args->session->target;
	const char *url = chat && target && k ? v->ex->message_url(t, chat, target, &v->step) : chat && !k && v->ex->chat_url ? v->ex->chat_url(t, chat, &v->step) : NULL;
	v->args->finding(v->args->ctx, f, lane, k, target, url, what);
}

static void count(struct lane *l, enum finding f, const struct opkey *k, const char *target, const char *what)
{
	l->v->out->messages[f]++;
	if (f != FIND_MATCH && f != FIND_FOREIGN)
		verify_tell(l->v, f, l->name, k, l->chat, target, what);
}

/* ---- what the ledger expects ---- */

/* The next post of the lane that was written at some time: done, or done and taken back. */
static void next_expected(struct lane *l)
{
	do {
		l->have = ledger_walk_next(l->walk, &l->row);
	} while (l->have && (l->row.key.kind != OP_POST || (l->row.state != OP_DONE && l->row.state != OP_GONE)));
}

static bool get_sibling(struct verify *v, const struct opkey *post, enum op_kind kind, struct ledger_row *out)
{
	struct opkey k = *post;
	k.kind = kind;
	return ledger_get(v->args->ledger, &k, &v->step, out);
}

/* Is this fingerprint what we wrote last? While an edit's outcome is open, the text before it is as good as the one after. */
static bool ours_now(struct verify *v, const struct ledger_row *post, uint64_t fp)
{
	struct ledger_row edit;
	if (!v->edits || !get_sibling(v, &post->key, OP_EDIT, &edit))
		return fp == post->body_fp;
	bool open = edit.state == OP_INTENT || edit.state == OP_UNKNOWN;
	return fp == ledger_there(post, &edit).body_fp || (open && fp == edit.body_fp);
}

/* Deleted, and not written again since. */
static bool was_deleted(struct verify *v, const struct ledger_row *post)
{
	struct ledger_row del;
	return v->deletes && get_sibling(v, &post->key, OP_DELETE, &del) && del.state == OP_DONE &&
	       (del.run > post->run || (del.run == post->run && del.sent_us >= post->sent_us));
}

/* Are its files the very ones we have uploaded? The names are compared with the text. A ledger adopted from the target does not know;
 * nor is anything said when there are more or fewer than we have uploaded for it (the source took one away). */
static void compare_files(struct lane *l, const struct seen *s)
{
	struct verify *v = l->v;
	struct ledger_row r;
	size_t uploads = 0, here = 0, known = 0;
	struct ledger_walk *w = s->n_files && s->file_handles ? ledger_walk_record(v->args->ledger, l->row.key.conv, l->row.key.ts_us, l->row.key.id) : NULL;
	while (w && ledger_walk_next(w, &r)) {
		if (r.key.kind != OP_UPLOAD || r.state != OP_DONE)
			continue;
		bool found_it = false;
		for (size_t i = 0; i < s->n_files && !found_it; i++)
			found_it = streq(s->file_handles[i], r.target);
		uploads++;
		known += !streq(r.target, LEDGER_ADOPTED);
		here += found_it;
	}
	if (w)
		ledger_walk_end(w);
	if (uploads != s->n_files || known != uploads)
		return;
	v->out->files_ok += (int64_t)here;
	v->out->files_other += (int64_t)(uploads - here);
	if (here == uploads || v->out->files_other > OTHERS_MAX)
		return;
	struct other_file *o = arena_new(&v->arena, struct other_file);
	*o = (struct other_file){ v->others, l->row.key, arena_strdup(&v->arena, l->name), arena_strdup(&v->arena, l->chat), arena_strdup(&v->arena, s->id) };
	o->key.id = arena_strdup(&v->arena, l->row.key.id);
	v->others = o;
}

/* A target that gives files other names than the upload was told keeps none: then nothing can be said. */
static void tell_files(struct verify *v)
{
	if (!v->out->files_ok)
		v->out->files_other = 0;
	for (const struct other_file *o = v->out->files_other ? v->others : NULL; o; o = o->next) {
		arena_reset(&v->step);
		verify_tell(v, FIND_ALTERED, o->lane, &o->key, o->chat, o->target, "a file is not the one that was sent");
	}
}

static void expected_is_here(struct lane *l, const struct seen *s)
{
	struct verify *v = l->v;
	if (l->row.state == OP_GONE || was_deleted(v, &l->row)) {
		count(l, FIND_ALTERED, &l->row.key, s->id, "it was deleted and is still there");
	} else if (ours_now(v, &l->row, v->ex->fingerprint_seen(s))) {
		count(l, FIND_MATCH, &l->row.key, s->id, NULL);
		compare_files(l, s);
	} else
		count(l, FIND_ALTERED, &l->row.key, s->id, "text, label or files differ from what was written");
}

/* The list has passed the place where the expected message should stand. */
static void expected_is_not_here(struct lane *l, const char *what)
{
	if (table_get(&l->early, l->row.target)) {
		table_put(&l->early, l->row.target, NULL);
		count(l, FIND_MISPLACED, &l->row.key, l->row.target, "it stands before a message that was written earlier");
	} else if (l->row.state != OP_GONE && !was_deleted(l->v, &l->row)) {
		count(l, FIND_MISSING, &l->row.key, l->row.target, what);
	}
}

/* ---- what the target has and the ledger does not ---- */

static int by_fp(const void *a, const void *b)
{
	const struct stranger *x = a, *y = b;
	return x->fp != y->fp ? (x->fp < y->fp ? -1 : 1) : strcmp(x->id, y->id);
}

static struct stranger *stranger_with(struct lane *l, uint64_t fp)
{
	size_t lo = 0, hi = l->n_strangers;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (l->strangers[mid].fp < fp)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < l->n_strangers && l->strangers[lo].fp == fp; lo++)
		if (!l->strangers[lo].told)
			return &l->strangers[lo];
	return NULL;
}

/* Which of the unknown messages say what a message of the ledger says? Those are there twice. One may belong to a post whose
 * outcome is still open: the next apply will find it. */
static void explain_strangers(struct lane *l)
{
	struct verify *v = l->v;
	struct ledger_row r;
	struct stranger *s;
	if (!l->n_strangers)
		return;
	qsort(l->strangers, l->n_strangers, sizeof(*l->strangers), by_fp);
	struct ledger_walk *w = ledger_walk_lane(v->args->ledger, l->num);
	for (int pass = 0; pass < 2; pass++) { /* open ones first, so that they are not called duplicates of a twin */
		while (ledger_walk_next(w, &r)) {
			bool open = r.state == OP_INTENT || r.state == OP_UNKNOWN;
			if ((r.key.kind != OP_POST && r.key.kind != OP_EDIT) || (pass == 0 ? !open : r.state != OP_DONE))
				continue;
			if (pass == 0 && r.key.kind == OP_POST && (s = stranger_with(l, r.body_fp))) {
				s->told = true;
				v->out->messages[FIND_FOREIGN]++;
			}
			while (pass == 1 && (s = stranger_with(l, r.body_fp))) {
				s->told = true;
				count(l, FIND_TWICE, &r.key, s->id, "the same message is there a second time");
			}
		}
		ledger_walk_end(w);
		w = pass == 0 ? ledger_walk_lane(v->args->ledger, l->num) : NULL;
	}
	for (size_t i = 0; i < l->n_strangers; i++) {
		v->out->messages[FIND_FOREIGN] += !l->strangers[i].told;
		free(l->strangers[i].id);
	}
	l->n_strangers = 0;
}

static const char *conv_chat(struct verify *v, const char *conv, struct arena *a);

/* Is this row of a lane that goes into the chat that is being read? */
static bool goes_here(struct lane *l, const struct ledger_row *row)
{
	struct verify *v = l->v;
	const char *name = l->chat ? ledger_lane_name(v->args->ledger, row->lane, &v->step) : NULL;
	const char *conv = name && !strncmp(name, "c:", 2) ? name + 2 : NULL;
	const char *chat = conv ? conv_chat(v, conv, &v->step) : NULL;
	return chat && streq(chat, l->chat);
}

static void unexpected(struct lane *l, const struct seen *s)
{
	struct verify *v = l->v;
	struct op any = { .key = { .kind = OP_POST, .id = "" }, .body = "", .label = "" };
	if (v->ex->match(v->args->session->target, &any, s, &v->step) == MATCH_FOREIGN) {
		v->out->messages[FIND_FOREIGN]++;
		return;
	}
	struct ledger_row owner;
	if (ledger_find_post(v->args->ledger, s->id, &v->step, &owner)) {
		if (owner.lane != l->num && goes_here(l, &owner))
			return; /* another conversation's, of the same chat: its lane looks for it */
		char *id = arena_strdup(&l->arena, s->id);
		table_put(&l->early, id, id);
		return;
	}
	if (l->n_strangers == STRANGERS_MAX)
		explain_strangers(l);
	if (l->n_strangers == l->cap_strangers) {
		l->cap_strangers = l->cap_strangers ? l->cap_strangers * 2 : 16;
		l->strangers = xrealloc(l->strangers, l->cap_strangers * sizeof(*l->strangers));
	}
	l->strangers[l->n_strangers++] = (struct stranger){ v->ex->fingerprint_seen(s), xstrdup(s->id), false };
}

/* ---- one lane ---- */

static bool on_message(void *ctx, const struct seen *s)
{
	struct lane *l = ctx;
	struct verify *v = l->v;
	arena_reset(&v->step);
	if (verify_stopping(v))
		return false;
	if (v->args->sample && v->lane_budget-- <= 0) {
		v->out->sampled = l->cut = true;
		return false;
	}
	/* Pages shift when somebody deletes meanwhile: what was seen already is not seen again. */
	if (l->last && v->ex->id_cmp(s->id, l->last) <= 0)
		return true;
	free(l->last);
	l->last = xstrdup(s->id);
	for (; l->have; next_expected(l)) {
		int c = v->ex->id_cmp(s->id, l->row.target);
		if (c < 0)
			break;
		if (c == 0) {
			expected_is_here(l, s);
			next_expected(l);
			return true;
		}
		expected_is_not_here(l, "it is not in the chat");
	}
	unexpected(l, s);
	return true;
}

/* tail: the chat was read to its end, so what is left is missing behind everything else. */
enum rest { REST_TAIL, REST_UNREADABLE };
static void rest_is_missing(struct lane *l, const char *what, enum rest rest)
{
	struct verify *v = l->v;
	for (; l->have; next_expected(l)) {
		arena_reset(&v->step);
		int64_t before = v->out->messages[FIND_MISSING];
		expected_is_not_here(l, what);
		if (rest == REST_TAIL && v->args->lost && v->out->messages[FIND_MISSING] > before)
			v->args->lost(v->args->ctx, &l->row.key);
	}
	for (size_t i = 0; i < l->early.n; i++)
		if (l->early.rows[i].value)
			count(l, FIND_MISPLACED, NULL, l->early.rows[i].key, "the ledger has it in another chat");
}

static bool denied(int status)
{
	return status == 403 || status == 404 || status == 410;
}

static bool compare(struct lane *l, struct err *e)
{
	struct verify *v = l->v;
	next_expected(l);
	if (!l->have)
		return true;
	if (!l->chat) {
		rest_is_missing(l, "the chat's id in the target is not known", REST_UNREADABLE);
		return true;
	}
	struct err why = ERR_INIT;
	if (session_list(v->args->session, LIST_MESSAGES, l->chat, OLDEST_FIRST, on_message, l, &why)) {
		if (verify_stopping(v))
			return true;
		if (!l->cut)
			rest_is_missing(l, "it is not in the chat", REST_TAIL);
		explain_strangers(l);
		return true;
	}
	if (denied(v->args->session->last_status)) {
		rest_is_missing(l, "the chat is gone or closed to us", REST_UNREADABLE);
		return true;
	}
	if (e)
		*e = why;
	return err_wrap(e, "reading %s back", l->name);
}

/* The thread's own chat, as opening the thread told. */
static const char *thread_chat(struct verify *v, int64_t lane, struct arena *a)
{
	struct ledger_row r;
	const char *chat = NULL;
	struct ledger_walk *w = ledger_walk_lane(v->args->ledger, lane);
	while (!chat && ledger_walk_next(w, &r))
		if (r.key.kind == OP_THREAD_OPEN && r.state == OP_DONE)
			chat = arena_strdup(a, r.target2);
	ledger_walk_end(w);
	return chat;
}

static void remember_chat(struct verify *v, const char *id, const char *conv, int64_t num, bool created, uint64_t name_fp)
{
	for (const struct chat *k = table_get(&v->chats, id); k; k = k->also)
		if (k->num == num)
			return; /* asked for again */
	struct chat *c = arena_new(&v->arena, struct chat);
	*c = (struct chat){ .id = arena_strdup(&v->arena, id), .conv = arena_strdup(&v->arena, conv), .num = num, .name_fp = name_fp, .created = created, .also = table_get(&v->chats, id) };
	table_put(&v->chats, c->id, c);
}

/* The chat of a conversation: the one we made, else the one it was adopted into. */
static const char *conv_chat(struct verify *v, const char *conv, struct arena *a)
{
	struct ledger_row r;
	int64_t num = ledger_conv(v->args->ledger, conv);
	struct opkey k = { .conv = num, .id = "", .kind = OP_CHAT_CREATE };
	bool created = num >= 0 && ledger_get(v->args->ledger, &k, a, &r) && r.state == OP_DONE;
	const char *chat = created ? r.target : v->args->chat_of ? arena_strdup(a, v->args->chat_of(v->args->ctx, conv)) : NULL; /* theirs lives until the next question */
	if (chat)
		remember_chat(v, chat, conv, num, created, created ? r.body_fp : 0);
	return chat;
}

static void person_lane(struct verify *v, int64_t lane)
{
	struct ledger_row r;
	struct ledger_walk *w = ledger_walk_lane(v->args->ledger, lane);
	while (ledger_walk_next(w, &r))
		if (r.key.kind == OP_USER_CREATE && r.state == OP_DONE)
			table_put(&v->users, arena_strdup(&v->arena, r.target), verify_unseen);
	ledger_walk_end(w);
}

/* ---- reactions we made ---- */

struct marks { struct verify *v; int64_t ours; };

static bool on_reaction(void *ctx, const struct seen *s)
{
	struct marks *m = ctx;
	struct op any = { .key = { .kind = OP_REACT, .id = "" } };
	m->ours += m->v->ex->match(m->v->args->session->target, &any, s, &m->v->step) != MATCH_FOREIGN;
	return !verify_stopping(m->v);
}

static bool compare_marks(struct lane *l, const struct opkey *key, const char *target, int64_t n, struct err *e)
{
	struct verify *v = l->v;
	struct marks m = { v, 0 };
	if (!session_list(v->args->session, LIST_REACTIONS, target, OLDEST_FIRST, on_reaction, &m, e)) {
		if (!denied(v->args->session->last_status))
			return err_wrap(e, "reading reactions back");
		return true; /* the message is gone, which is told elsewhere */
	}
	if (verify_stopping(v))
		return true;
	int64_t there = m.ours < n ? m.ours : n;
	v->out->reactions_ok += there;
	v->out->reactions_missing += n - there;
	if (there < n)
		verify_tell(v, FIND_ALTERED, l->name, key, l->chat, target, "reactions of ours are missing");
	return true;
}

/* One request for each message we reacted to; their rows stand together. Only of messages that are still ours. */
static bool reactions(struct lane *l, struct err *e)
{
	struct verify *v = l->v;
	struct ledger_row r;
	struct opkey key = { .id = "" };
	char *target = NULL, *id = NULL;
	int64_t n = 0;
	bool ok = true, more = true;
	struct ledger_walk *w = ledger_walk_lane(v->args->ledger, l->num);
	while (ok && more && !verify_stopping(v) && !(v->args->sample && v->lane_budget-- <= 0)) {
		more = ledger_walk_next(w, &r);
		if (more && (r.key.kind != OP_REACT || r.state != OP_DONE))
			continue;
		if (target && (!more || !streq(target, r.target))) {
			arena_reset(&v->step);
			ok = compare_marks(l, &key, target, n, e);
			free(target);
			target = NULL;
		}
		if (more && !target) {
			free(id);
			id = xstrdup(r.key.id);
			target = xstrdup(r.target);
			key = r.key;
			key.id = id;
			n = 0;
		}
		n++;
	}
	ledger_walk_end(w);
	free(target);
	free(id);
	return ok;
}

static int64_t looked_at(const struct verify *v)
{
	const int64_t *m = v->out->messages;
	return m[FIND_MATCH] + m[FIND_MISSING] + m[FIND_ALTERED] + m[FIND_MISPLACED];
}

static bool on_lane(void *ctx, int64_t num, const char *name)
{
	struct verify *v = ctx;
	if (verify_stopping(v))
		return false;
	if (v->args->sample) {
		int64_t left = v->args->sample - looked_at(v), share = v->args->sample / 8 + 10;
		v->lane_budget = left < share ? left : share;
		if (left <= 0 && strncmp(name, "p:", 2) != 0) {
			v->out->sampled = true;
			return true;
		}
	}
	if (!strncmp(name, "p:", 2)) {
		person_lane(v, num);
	} else {
		struct lane l = { .v = v, .num = num };
		arena_init(&l.arena);
		table_init(&l.early);
		l.name = arena_strdup(&l.arena, name);
		l.chat = strncmp(name, "t:", 2) ? conv_chat(v, name + (strncmp(name, "c:", 2) ? 0 : 2), &l.arena) : thread_chat(v, num, &l.arena);
		l.walk = ledger_walk_lane(v->args->ledger, num);
		v->failed = !compare(&l, v->err) || !reactions(&l, v->err);
		ledger_walk_end(l.walk);
		for (size_t i = 0; i < l.n_strangers; i++)
			free(l.strangers[i].id);
		free(l.strangers);
		free(l.last);
		table_release(&l.early);
		arena_release(&l.arena);
	}
	v->lanes_done++;
	if (v->args->progress)
		v->args->progress(v->args->ctx, v->lanes_done, v->lanes);
	return !v->failed;
}

static bool count_lane(void *ctx, int64_t num, const char *name)
{
	struct verify *v = ctx;
	v->lanes++;
	if (!v->args->sample)
		return true;
	if (v->n_refs == v->cap_refs) {
		v->cap_refs = v->cap_refs ? 2 * v->cap_refs : 256;
		v->refs = xrealloc(v->refs, v->cap_refs * sizeof(*v->refs));
	}
	v->refs[v->n_refs++] = (struct lane_ref){ num, arena_strdup(&v->arena, name), hash64(name, strlen(name), v->args->seed) };
	return true;
}

static int by_rank(const void *a, const void *b)
{
	const struct lane_ref *x = a, *y = b;
	return x->rank != y->rank ? (x->rank < y->rank ? -1 : 1) : strcmp(x->name, y->name);
}

static void lanes_by_seed(struct verify *v)
{
	if (v->n_refs)
		qsort(v->refs, v->n_refs, sizeof(*v->refs), by_rank);
	for (size_t i = 0; i < v->n_refs && on_lane(v, v->refs[i].num, v->refs[i].name); i++)
		;
}

int64_t verify_other_things(const struct verify_result *r)
{
	return r->users_missing + r->chats_missing + r->members_missing + r->privacy_wrong + r->archived_wrong + r->names_wrong + r->reactions_missing +
	       r->files_other;
}

bool verify_run(const struct verify_args *args, struct verify_result *out, struct err *e)
{
	struct verify v = { .args = args, .out = out, .ex = args->session->ex, .err = e };
	struct ledger_counts counts;
	int64_t before = args->session->list_requests;
	*out = (struct verify_result){ 0 };
	arena_init(&v.arena);
	arena_init(&v.step);
	table_init(&v.chats);
	table_init(&v.users);
	ledger_count(args->ledger, &counts);
	for (int s = 0; s <= OP_GONE; s++) {
		v.edits = v.edits || counts.by_kind_state[OP_EDIT][s];
		v.deletes = v.deletes || counts.by_kind_state[OP_DELETE][s];
	}
	ledger_lanes(args->ledger, count_lane, &v);
	if (args->sample)
		lanes_by_seed(&v);
	else
		ledger_lanes(args->ledger, on_lane, &v);
	bool ok = !v.failed && (verify_stopping(&v) || (verify_people(&v) && verify_chats(&v)));
	out->lists = args->session->list_requests - before;
	out->stopped = verify_stopping(&v);
	tell_files(&v);
	out->clean = ok && !out->stopped && !out->messages[FIND_MISSING] && !out->messages[FIND_ALTERED] && !out->messages[FIND_MISPLACED] &&
	             !out->messages[FIND_TWICE] && !verify_other_things(out);
	free(v.refs);
	table_release(&v.users);
	table_release(&v.chats);
	arena_release(&v.step);
	arena_release(&v.arena);
	return ok;
}
