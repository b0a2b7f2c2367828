/* sb_control.c: /sandbox/…, for tests and rehearsals: more tokens, people and chats that exist beforehand, a person who
 * writes, faults, limits, time, counters, the dump. Not part of the API; not limited, not counted, without a token, and only
 * for this machine (sb_http.c checks). Called under the lock. */
#include "sandbox/sb.h"

#include <stdlib.h>
#include <string.h>

static const struct jv *body(struct sb_req *r, const struct sb_field *f, size_t n)
{
	r->json = r->body.len ? jv_parse(&r->a, r->body.p, r->body.len, NULL) : jv_parse(&r->a, "{}", 2, NULL);
	if (!r->json) {
		sb_error(r, 400, "base", NULL, "invalid", "The body is no valid JSON");
		return NULL;
	}
	return sb_check(r, r->json, "", f, n) ? r->json : NULL;
}
#define BODY(r, f) body((r), (f), countof(f))

static void ok(struct sb_req *r)
{
	buf_adds(&r->out, "{\"ok\":true}");
}

static void ids(struct sb_req *r, int64_t id)
{
	jw_obj(&r->w);
	jw_kint(&r->w, "id", id);
	jw_obj_end(&r->w);
}

static void stats(struct sb_req *r)
{
	static const char *const names[N_SBC] = { "post", "read", "other", "blob" };
	struct sandbox *s = r->s;
	struct jw *w = &r->w;
	jw_obj(w);
	jw_kint(w, "requests", s->stats.requests);
	jw_kint(w, "mutating", s->stats.mutating);
	jw_key(w, "by_class");
	jw_obj(w);
	for (size_t i = 0; i < N_SBC; i++)
		jw_kint(w, names[i], s->stats.by_class[i]);
	jw_obj_end(w);
	jw_kint(w, "throttled", s->stats.throttled);
	jw_kint(w, "restricted", s->stats.restricted);
	jw_kint(w, "refused", s->stats.refused);
	jw_kint(w, "faults", s->stats.faults);
	jw_kint(w, "uploads", s->stats.uploads);
	jw_kint(w, "late", (int64_t)(s->late != NULL));
	jw_kint(w, "users", sb_int(s, 0, "SELECT count(*) FROM users WHERE NOT deleted", ""));
	jw_kint(w, "chats", sb_int(s, 0, "SELECT count(*) FROM chats WHERE kind<>1", ""));
	jw_kint(w, "messages", sb_int(s, 0, "SELECT coalesce(sum(n_messages),0) FROM chats", ""));
	jw_kint(w, "threads", sb_int(s, 0, "SELECT count(*) FROM threads", ""));
	jw_kint(w, "notifications", sb_notifications(s, -1));
	jw_kint(w, "invitations", sb_int(s, 0, "SELECT coalesce(sum(invited),0) FROM users", ""));
	jw_key(w, "by_user");
	jw_arr(w);
	sqlite3_stmt *st = sb_q(s, "SELECT id,coalesce(email,nickname),invited FROM users WHERE NOT deleted ORDER BY id", "");
	while (sb_row(s, st)) {
		int64_t id = sqlite3_column_int64(st, 0), n = sb_notifications(s, id), invited = sqlite3_column_int64(st, 2);
		if (!n && !invited)
			continue;
		jw_obj(w);
		jw_kint(w, "id", id);
		jw_kstr(w, "who", sb_text(st, 1));
		jw_kint(w, "notifications", n);
		jw_kint(w, "invitations", invited);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	sb_ktime(w, "time", s->now);
	jw_obj_end(w);
}

static void reset(struct sb_req *r)
{
	static const struct sb_field f[] = { { "notifications", FT_BOOL, OPTIONAL, 0 } };
	struct sandbox *s = r->s;
	const struct jv *b = BODY(r, f);
	if (!b)
		return;
	s->stats = (struct sb_stats){ 0 };
	for (size_t i = 0; i < s->faults.n; i++)
		s->faults.v[i].seen = 0;
	sb_limits_release(s);
	for (size_t i = 0; i < s->n_tokens; i++) {
		struct sb_token *t = &s->tokens[i];
		t->read = t->other = (struct sb_bucket){ 0 };
		t->ignored = t->ignored_at = t->restricted_until = 0;
	}
	if (jv_get_bool(b, "notifications")) {
		sb_run(s, "UPDATE users SET notified=0, invited=0", "");
		sb_run(s, "UPDATE members SET base=(SELECT n_notify FROM chats WHERE chats.id=chat)", "");
	}
	ok(r);
}

static void tokens(struct sb_req *r)
{
	static const struct sb_field f[] = { { "token", FT_STR, REQUIRED, 200 }, { "name", FT_STR, OPTIONAL, 100 }, { "scopes", FT_STRS, OPTIONAL, 0 },
		{ "user_id", FT_INT, OPTIONAL, 0 }, { "bot", FT_BOOL, OPTIONAL, 0 } };
	struct sandbox *s = r->s;
	const struct jv *b = BODY(r, f), *list = jv_get(b, "scopes");
	if (!b)
		return;
	const char *token = jv_str(jv_get(b, "token")), *name = jv_get_str(b, "name");
	uint64_t scopes = list ? 0 : (UINT64_C(1) << N_SB_SCOPES) - 1;
	jv_each(list, it) {
		if (!sb_scope_bit(it->s))
			sb_error(r, 422, "scopes", it->s, "inclusion", "No such scope");
		scopes |= sb_scope_bit(it->s);
	}
	int64_t user = jv_get_int(b, "user_id", 0);
	if (user && !sb_int(s, 0, "SELECT 1 FROM users WHERE id=?1", "i", user))
		sb_error(r, 422, "user_id", NULL, "not_found", "No such user");
	for (size_t i = 0; i < s->n_tokens; i++)
		if (streq(s->tokens[i].token, token))
			sb_error(r, 422, "token", NULL, "taken", "Has already been taken");
	if (r->n_errors)
		return;
	if (!user)
		user = sb_user_add(s, &r->a, &(struct sb_user_new){ .first = name ? name : "Бот", .bot = true, .confirmed = true });
	const struct sb_token *t = sb_token_add(s, token, name ? name : "", user, scopes);
	if (!t) {
		sb_error(r, 422, "token", NULL, "general_limit", "Too many tokens");
		return;
	}
	jw_obj(&r->w);
	jw_kint(&r->w, "id", t->id);
	jw_kint(&r->w, "user_id", user);
	jw_obj_end(&r->w);
}

static void users(struct sb_req *r)
{
	static const struct sb_field f[] = { { "email", FT_STR, OPTIONAL, 255 }, { "first_name", FT_STR, OPTIONAL, 255 },
		{ "last_name", FT_STR, OPTIONAL, 255 }, { "nickname", FT_STR, OPTIONAL, 255 }, { "role", FT_STR, OPTIONAL, 20 },
		{ "suspended", FT_BOOL, OPTIONAL, 0 }, { "bot", FT_BOOL, OPTIONAL, 0 } };
	struct sandbox *s = r->s;
	const struct jv *b = BODY(r, f);
	if (!b)
		return;
	const char *email = jv_get_str(b, "email"), *nick = jv_get_str(b, "nickname");
	if ((email && sb_int(s, 0, "SELECT 1 FROM users WHERE email=?1", "s", sb_fold(&r->a, email))) ||
	    (nick && sb_int(s, 0, "SELECT 1 FROM users WHERE nickname=?1", "s", nick)))
		sb_error(r, 422, "email", email, "taken", "Has already been taken");
	else
		ids(r, sb_user_add(s, &r->a, &(struct sb_user_new){ .email = email, .nickname = nick, .first = jv_get_str(b, "first_name"),
		       .last = jv_get_str(b, "last_name"), .role = jv_get_str(b, "role"), .suspended = jv_get_bool(b, "suspended"),
		       .bot = jv_get_bool(b, "bot"), .confirmed = true }));
}

static void chats(struct sb_req *r)
{
	static const struct sb_field f[] = { { "name", FT_STR, REQUIRED, 255 }, { "owner_id", FT_INT, OPTIONAL, 0 }, { "public", FT_BOOL, OPTIONAL, 0 },
		{ "channel", FT_BOOL, OPTIONAL, 0 }, { "member_ids", FT_INTS, OPTIONAL, 0 } };
	const struct jv *b = BODY(r, f), *members = jv_get(b, "member_ids");
	if (!b)
		return;
	int64_t id = sb_chat_add(r->s, SB_CHAT, jv_str(jv_get(b, "name")), jv_get_int(b, "owner_id", 1), jv_get_bool(b, "channel"),
	                         jv_get_bool(b, "public"), 0);
	jv_each(members, it)
		sb_member_add(r->s, id, jv_int(it, 0), SILENT);
	ids(r, id);
}

/* The person who writes where others rehearse. Such messages are not the replay's: they cause no notification here. */
static int64_t person(struct sandbox *s)
{
	int64_t id = sb_int(s, 0, "SELECT id FROM users WHERE nickname='live.person'", "");
	if (!id) {
		struct arena a;
		arena_init(&a);
		id = sb_user_add(s, &a, &(struct sb_user_new){ .email = "live.person@sandbox.local", .nickname = "live.person", .first = "Живой",
		                 .last = "Человек", .confirmed = true });
		arena_release(&a);
	}
	return id;
}

void sb_foreign(struct sandbox *s, int64_t chat, const char *text)
{
	sb_message_plain(s, chat, person(s), text, SILENT);
}

const char *const sb_human_deeds[] = { "edit", "delete", "react", "archive", "unarchive", "edit-oldest", "react-oldest", "write", NULL };

/* What a person with the right to does to the newest message of a bot (in this chat), or to the oldest, or to the chat it is in. */
void sb_human(struct sandbox *s, int64_t chat, const char *deed)
{
	bool oldest = strstr(deed, "-oldest") != NULL;
	int64_t id = sb_int(s, 0, oldest ? "SELECT min(id) FROM messages WHERE bot AND deleted IS NULL AND (?1=0 OR chat=?1)"
	                                 : "SELECT max(id) FROM messages WHERE bot AND deleted IS NULL AND (?1=0 OR chat=?1)", "i", chat);
	int64_t root = id ? sb_int(s, 0, "SELECT root_chat FROM messages WHERE id=?1", "i", id) : chat;
	if (streq(deed, "archive") || streq(deed, "unarchive"))
		sb_run(s, "UPDATE chats SET archived=?2 WHERE id=?1", "ii", root, (int64_t)streq(deed, "archive"));
	if (streq(deed, "write") && root)
		sb_foreign(s, chat ? chat : root, "a word in between");
	if (!id)
		return;
	if (!strncmp(deed, "edit", 4))
		sb_run(s, "UPDATE messages SET content='edited by a person: '||content,changed=?2 WHERE id=?1", "ii", id, s->now);
	if (streq(deed, "delete")) {
		sb_run(s, "UPDATE messages SET deleted=?2,pinned=0 WHERE id=?1", "ii", id, s->now);
		sb_run(s, "UPDATE chats SET n_messages=n_messages-1 WHERE id=(SELECT chat FROM messages WHERE id=?1)", "i", id);
	}
	if (!strncmp(deed, "react", 5) && !sb_int(s, 0, "SELECT 1 FROM reactions WHERE message=?1 AND user=?2", "ii", id, person(s))) {
		sb_run(s, "INSERT INTO reactions(message,user,code,name,created) VALUES(?1,?2,'\xF0\x9F\x91\x8D','+1',?3)", "iii", id, person(s), s->now);
		sb_run(s, "UPDATE messages SET n_reactions=n_reactions+1 WHERE id=?1", "i", id);
	}
	sb_rest(s);
}

static void messages(struct sb_req *r)
{
	static const struct sb_field f[] = { { "chat_id", FT_INT, REQUIRED, 0 }, { "text", FT_STR, REQUIRED, 0 }, { "user_id", FT_INT, OPTIONAL, 0 },
		{ "notify", FT_BOOL, OPTIONAL, 0 } };
	const struct jv *b = BODY(r, f);
	if (!b)
		return;
	int64_t user = jv_get_int(b, "user_id", 0);
	int64_t id = sb_message_plain(r->s, jv_get_int(b, "chat_id", 0), user ? user : person(r->s), jv_str(jv_get(b, "text")),
	                              jv_get_bool(b, "notify") ? NOTIFY : SILENT);
	if (id)
		ids(r, id);
	else
		sb_missing(r);
}

static void faults(struct sb_req *r)
{
	struct err e = ERR_INIT;
	if (sb_faults_parse(&r->s->faults, r->body.p, r->body.len, &e))
		ok(r);
	else
		sb_error(r, 422, "faults", e.where, "invalid", e.msg);
}

/* A person does something, now: {"deed":"edit|delete|react|archive|unarchive|edit-oldest|react-oldest|write","chat_id"}; without chat_id where a bot wrote last. */
static void human(struct sb_req *r)
{
	static const struct sb_field f[] = { { "deed", FT_STR, REQUIRED, 20 }, { "chat_id", FT_INT, OPTIONAL, 0 } };
	const struct jv *b = BODY(r, f);
	size_t i = 0;
	while (b && sb_human_deeds[i] && !streq(sb_human_deeds[i], jv_get_str(b, "deed")))
		i++;
	if (b && !sb_human_deeds[i]) {
		sb_error(r, 422, "deed", jv_get_str(b, "deed"), "inclusion", "Nothing a person does");
	} else if (b) {
		sb_human(r->s, jv_get_int(b, "chat_id", 0), sb_human_deeds[i]);
		ok(r);
	}
}

/* Every chat is opened again. */
static void unarchive(struct sb_req *r)
{
	sb_run(r->s, "UPDATE chats SET archived=0", "");
	ok(r);
}

static void settings(struct sb_req *r)
{
	static const struct sb_field f[] = { { "limits", FT_BOOL, OPTIONAL, 0 }, { "unpaid", FT_BOOL, OPTIONAL, 0 },
		{ "seats", FT_INT, OPTIONAL, 0 }, { "advance_ms", FT_INT, OPTIONAL, 0 } };
	const struct jv *b = BODY(r, f), *v;
	if (!b)
		return;
	if ((v = jv_get(b, "limits")))
		r->s->limits = v->b;
	if ((v = jv_get(b, "unpaid")))
		r->s->unpaid = v->b;
	if ((v = jv_get(b, "seats")))
		r->s->seats = (int)jv_int(v, 0);
	if ((v = jv_get(b, "advance_ms")) && jv_int(v, 0) > 0) {
		r->s->now += jv_int(v, 0) * 1000;
		r->s->scripted_clock = true; /* from now on time moves only when told */
		sb_tick(r->s, false);
	}
	ok(r);
}

static void dump(struct sb_req *r)
{
	char *text = NULL;
	size_t n = 0;
	struct err e = ERR_INIT;
	FILE *f = open_memstream(&text, &n);
	if (!f)
		die("sandbox: no memory for the dump");
	bool done = sb_dump_db(r->s->db, sb_query(r, "deleted") ? DUMP_DELETED_TOO : DUMP_LIVE, f, &e);
	fclose(f);
	if (!done)
		sb_error(r, 500, "dump", NULL, "unhandled", e.msg);
	else
		buf_add(&r->out, text, n);
	free(text);
	r->type = "application/x-ndjson; charset=utf-8";
}

void sb_control(struct sb_req *r)
{
	static const struct { const char *method, *path; void (*fn)(struct sb_req *r); } all[] = {
		{ "GET", "stats", stats }, { "GET", "dump", dump }, { "POST", "reset", reset }, { "POST", "tokens", tokens }, { "POST", "users", users },
		{ "POST", "chats", chats }, { "POST", "messages", messages }, { "POST", "faults", faults }, { "POST", "settings", settings },
		{ "POST", "human", human }, { "POST", "unarchive", unarchive },
	};
	const char *path = r->url + strlen("/sandbox/");
	for (size_t i = 0; i < countof(all); i++)
		if (streq(all[i].path, path) && streq(all[i].method, r->method)) {
			all[i].fn(r);
			return;
		}
	sb_missing(r);
}
