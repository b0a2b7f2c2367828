/* verify_chats.c: people we created, chats, and who is in them, against the ledger.
 *
 * Promises: each is asked for once, by the target's own lists; only what the ledger calls done is expected. Called by verify.c when all
 * lanes have told which people and chats there are. Only reads.
 */
#include "replay/verify_in.h"

#include <string.h>

char verify_unseen[] = "unseen";
static char found[] = "found";

static bool on_user(void *ctx, const struct seen *s)
{
	struct verify *v = ctx;
	if (table_get(&v->users, s->id) == verify_unseen) {
		table_put(&v->users, s->id, found); /* the key is there: it keeps its own copy */
		v->out->users_ok++;
	}
	return !verify_stopping(v);
}

/* ---- who is in a chat ---- */

static bool ledger_has(struct verify *v, int64_t conv, enum op_kind kind)
{
	struct ledger_row r;
	struct opkey k = { .conv = conv, .id = "", .kind = kind };
	return conv >= 0 && ledger_get(v->args->ledger, &k, &v->step, &r) && r.state == OP_DONE;
}

struct members { struct verify *v; struct table ids; };

static bool on_member(void *ctx, const struct seen *s)
{
	struct members *m = ctx;
	table_put(&m->ids, arena_strdup(&m->v->step, s->id), found);
	return true;
}

/* Who should be in the chat and is not. The chat's own row usually names its members; else they are listed. */
static bool check_members(struct verify *v, const struct chat *c, const char *const *ids, size_t n_ids)
{
	size_t n = 0;
	const char *const *want = v->args->members_of(v->args->ctx, c->conv, &n);
	struct members m = { .v = v };
	bool ok = true;
	table_init(&m.ids);
	for (size_t i = 0; i < n_ids; i++)
		table_put(&m.ids, ids[i], found);
	if (!n_ids && n)
		ok = session_list(v->args->session, LIST_MEMBERS, c->id, OLDEST_FIRST, on_member, &m, v->err);
	for (size_t i = 0; ok && i < n; i++) {
		if (table_get(&m.ids, want[i]))
			continue;
		v->out->members_missing++;
		verify_tell(v, FIND_MISSING, c->conv, NULL, c->id, want[i], "this person is not a member of the chat");
	}
	table_release(&m.ids);
	return ok;
}

static bool has_role(struct verify *v, const char *chat, enum list_kind role, struct members *m)
{
	*m = (struct members){ .v = v };
	table_init(&m->ids);
	return session_list(v->args->session, role, chat, OLDEST_FIRST, on_member, m, v->err);
}

/* Portions of members, roles and tags that the ledger calls done: their rows stand before those of the messages. A role is asked for
 * once for each chat that has somebody in it; the owner needs none. */
static bool check_company(struct verify *v, const struct chat *c, const struct seen *s)
{
	static const struct { const char *prefix, *what; enum list_kind list; } ROLES[] = {
		{ "admin:", "this person is not an administrator of the chat", LIST_ADMINS },
		{ "editor:", "this person is not an editor of the chat", LIST_EDITORS },
	};
	struct members held[countof(ROLES)];
	bool asked[countof(ROLES)] = { false, false }, portions = false, ok = true;
	struct ledger_row r;
	if (c->num < 0)
		return true;
	struct ledger_walk *w = ledger_walk(v->args->ledger, c->num);
	while (ok && ledger_walk_next(w, &r) && !r.key.ts_us) {
		const char *who = NULL, *what = NULL;
		bool there = true;
		if (r.key.kind != OP_MEMBERS || r.state != OP_DONE)
			continue;
		if (!strncmp(r.key.id, "tag:", 4) && r.target2) {
			who = r.target2;
			what = "this tag is not a member of the chat";
			there = false;
			for (size_t i = 0; i < s->n_tags && !there; i++)
				there = streq(s->tags[i], who);
		}
		for (size_t i = 0; i < countof(ROLES); i++) {
			size_t n = strlen(ROLES[i].prefix);
			if (strncmp(r.key.id, ROLES[i].prefix, n) != 0)
				continue;
			who = r.key.id + n;
			what = ROLES[i].what;
			if (!asked[i])
				ok = has_role(v, c->id, ROLES[i].list, &held[i]);
			asked[i] = true;
			there = !ok || table_get(&held[i].ids, who) || streq(s->author, who);
		}
		portions = portions || !who;
		if (!there) {
			v->out->members_missing++;
			verify_tell(v, FIND_MISSING, c->conv, NULL, c->id, who, what);
		}
	}
	ledger_walk_end(w);
	for (size_t i = 0; i < countof(ROLES); i++)
		if (asked[i])
			table_release(&held[i].ids);
	return ok && (!portions || !v->args->members_of || check_members(v, c, s->ids, s->n_ids));
}

static bool on_chat(void *ctx, const struct seen *s)
{
	struct verify *v = ctx;
	struct chat *c = table_get(&v->chats, s->id);
	arena_reset(&v->step);
	if (!c || c->seen)
		return !verify_stopping(v);
	c->seen = true;
	v->out->chats_ok++;
	const struct chat *made = c; /* the conversation for which we made it, if we did */
	for (struct chat *k = c; k; k = k->also)
		made = k->created ? k : made;
	int public = v->args->public_of && made->created ? v->args->public_of(v->args->ctx, made->conv) : -1;
	if (public >= 0 && (public != 0) != s->is_public) {
		v->out->privacy_wrong++;
		verify_tell(v, FIND_ALTERED, c->conv, NULL, c->id, c->id, s->is_public ? "the chat is public and should be private" : "the chat is private and should be public");
	}
	bool shut = ledger_has(v, made->num, OP_ARCHIVE);
	if (s->archived != shut && (shut || made->created)) {
		v->out->archived_wrong++;
		verify_tell(v, FIND_ALTERED, c->conv, NULL, c->id, c->id, shut ? "the chat should be archived" : "the chat is archived and should not be");
	}
	if (made->name_fp && hash64s(s->name) != made->name_fp) {
		v->out->names_wrong++;
		verify_tell(v, FIND_ALTERED, c->conv, NULL, c->id, c->id, "the chat has another name than it was given");
	}
	for (; c && !v->failed; c = c->also)
		v->failed = !check_company(v, c, s);
	return !v->failed && !verify_stopping(v);
}

bool verify_people(struct verify *v)
{
	if (!v->users.n)
		return true;
	if (!session_list(v->args->session, LIST_USERS, "", OLDEST_FIRST, on_user, v, v->err))
		return err_wrap(v->err, "reading people back");
	for (size_t i = 0; i < v->users.n && !verify_stopping(v); i++) {
		if (v->users.rows[i].value != verify_unseen)
			continue;
		v->out->users_missing++;
		verify_tell(v, FIND_MISSING, "people", NULL, NULL, v->users.rows[i].key, "the person we created is not in the target");
	}
	return true;
}

bool verify_chats(struct verify *v)
{
	if (!v->chats.n)
		return true;
	if (!session_list(v->args->session, LIST_CHATS, "", OLDEST_FIRST, on_chat, v, v->err) || v->failed)
		return err_wrap(v->err, "reading chats back");
	for (size_t i = 0; i < v->chats.n && !verify_stopping(v); i++) {
		const struct chat *c = v->chats.rows[i].value;
		if (c->seen)
			continue;
		v->out->chats_missing++;
		verify_tell(v, FIND_MISSING, c->conv, NULL, c->id, c->id, "the chat is not in the target, or closed to us");
	}
	return true;
}
