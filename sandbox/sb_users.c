/* sb_users.c: people, their tags, who the token is. Sources: the vendor's spec and pages; "assumed" where they are silent.
 * Called by the router. Membership and notifications are in sb_chats.c. */
#include "sandbox/sb.h"

#include "core/utf8.h"

#include <string.h>

#define USER_COLS "id,email,nickname,first_name,last_name,phone,department,title,role,suspended,bot,confirmed,inviter,created"

static void user_row(struct sb_req *r, sqlite3_stmt *st)
{
	struct jw *w = &r->w;
	int64_t id = sqlite3_column_int64(st, 0);
	bool bot = sqlite3_column_int(st, 10) != 0, confirmed = sqlite3_column_int(st, 11) != 0;
	jw_obj(w);
	jw_kint(w, "id", id);
	/* The spec: null until an invited employee has registered. */
	sb_knull(w, "first_name", confirmed ? sb_text(st, 3) : NULL);
	sb_knull(w, "last_name", sb_text(st, 4));
	jw_kstr(w, "nickname", sb_text(st, 2));
	sb_knull(w, "email", sb_text(st, 1));
	sb_knull(w, "phone_number", sb_text(st, 5));
	sb_knull(w, "department", sb_text(st, 6));
	sb_knull(w, "title", sb_text(st, 7));
	jw_kstr(w, "role", sb_text(st, 8));
	jw_kbool(w, "suspended", sqlite3_column_int(st, 9) != 0);
	jw_kstr(w, "invite_status", confirmed ? "confirmed" : "sent");
	jw_key(w, "inviter_id");
	if (sqlite3_column_type(st, 12) == SQLITE_NULL)
		jw_null(w);
	else
		jw_int(w, sqlite3_column_int64(st, 12));
	jw_key(w, "list_tags");
	jw_arr(w);
	sqlite3_stmt *tags = sb_q(r->s, "SELECT name FROM user_tags JOIN tags ON tags.id=tag WHERE user=?1 ORDER BY name", "i", id);
	while (sb_row(r->s, tags))
		jw_str(w, sb_text(tags, 0));
	jw_arr_end(w);
	jw_key(w, "custom_properties");
	jw_arr(w);
	jw_arr_end(w);
	jw_key(w, "user_status");
	jw_null(w);
	jw_kbool(w, "bot", bot);
	jw_kbool(w, "sso", false);
	sb_ktime(w, "created_at", sqlite3_column_int64(st, 13));
	jw_key(w, "last_activity_at");
	if (confirmed) {
		char t[40];
		sb_time(sqlite3_column_int64(st, 13), t);
		jw_str(w, t);
	} else {
		jw_null(w);
	}
	sb_knull(w, "time_zone", NULL);
	sb_knull(w, "image_url", NULL);
	jw_obj_end(w);
}

void sb_user_json(struct sb_req *r, int64_t id)
{
	sqlite3_stmt *st = sb_q(r->s, "SELECT " USER_COLS " FROM users WHERE id=?1", "i", id);
	if (sb_row(r->s, st)) {
		user_row(r, st);
		sqlite3_reset(st);
	} else {
		jw_null(&r->w);
	}
}

static void search_text(struct sandbox *s, struct arena *a, int64_t id)
{
	char *all = sb_str(s, a, "SELECT coalesce(first_name,'')||' '||coalesce(last_name,'')||' '||coalesce(email,'')||' '||"
	                         "coalesce(phone,'')||' '||nickname FROM users WHERE id=?1", "i", id);
	if (all)
		sb_run(s, "UPDATE users SET search=?2 WHERE id=?1", "is", id, sb_fold(a, all));
}

int64_t sb_user_add(struct sandbox *s, struct arena *a, const struct sb_user_new *u)
{
	const char *nick = u->nickname;
	if (!nick) { /* assumed: the part before the @, made unique by a number */
		const char *from = u->email ? u->email : "user";
		nick = arena_strndup(a, from, strcspn(from, "@"));
		for (int i = 2; sb_int(s, 0, "SELECT 1 FROM users WHERE nickname=?1", "s", nick); i++)
			nick = arena_fmt(a, "%.*s%d", (int)strcspn(from, "@"), from, i);
	}
	sb_run(s, "INSERT INTO users(email,nickname,first_name,last_name,phone,department,title,role,suspended,bot,confirmed,created)"
	          " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)", "ssssssssiiii",
	       u->email ? sb_fold(a, u->email) : NULL, nick, u->first, u->last, u->phone, u->department, u->title,
	       u->role ? u->role : "user", (int64_t)u->suspended, (int64_t)u->bot, (int64_t)u->confirmed, s->now);
	int64_t id = sqlite3_last_insert_rowid(s->db);
	if (u->inviter)
		sb_run(s, "UPDATE users SET inviter=?2 WHERE id=?1", "ii", id, u->inviter);
	search_text(s, a, id);
	return id;
}

void sb_token_info(struct sb_req *r)
{
	const struct sb_token *t = r->tok;
	struct jw *w = &r->w;
	sb_data(r, 200);
	jw_obj(w);
	jw_kint(w, "id", t->id);
	size_t n = strlen(t->token);
	jw_kstr(w, "token", n > 12 ? arena_fmt(&r->a, "%.8s...%s", t->token, t->token + n - 4) : "********...****");
	sb_knull(w, "name", t->bot ? NULL : t->name);
	jw_kint(w, "user_id", t->user);
	jw_key(w, "scopes");
	jw_arr(w);
	for (size_t i = 0; i < N_SB_SCOPES; i++)
		if (t->scopes >> i & 1)
			jw_str(w, sb_scopes[i]);
	jw_arr_end(w);
	sb_ktime(w, "created_at", t->created);
	sb_knull(w, "revoked_at", NULL);
	sb_knull(w, "expires_in", NULL);
	sb_ktime(w, "last_used_at", t->used);
	jw_obj_end(w);
	sb_data_end(r);
}

void sb_profile(struct sb_req *r)
{
	sb_data(r, 200);
	sb_user_json(r, r->tok->user);
	sb_data_end(r);
}

void sb_properties(struct sb_req *r)
{
	static const char *const types[] = { "User", "Task", NULL };
	if (!sb_query(r, "entity_type"))
		sb_error(r, 400, "entity_type", NULL, "blank", "Can't be blank");
	else if (sb_query_enum(r, "entity_type", types, 0) >= 0)
		buf_adds(&r->out, "{\"data\":[]}"); /* a workspace without properties */
}

/* ---- people ---- */

static const struct sb_field user_fields[] = {
	{ "first_name", FT_STR, OPTIONAL, 255 }, { "last_name", FT_STR, OPTIONAL, 255 }, { "email", FT_STR, OPTIONAL, 255 },
	{ "phone_number", FT_STR, OPTIONAL, 255 }, { "nickname", FT_STR, OPTIONAL, 255 }, { "department", FT_STR, OPTIONAL, 255 },
	{ "title", FT_STR, OPTIONAL, 0 }, { "role", FT_STR, OPTIONAL, 0 }, { "suspended", FT_BOOL, OPTIONAL, 0 },
	{ "list_tags", FT_STRS, OPTIONAL, 0 }, { "custom_properties", FT_ARR, OPTIONAL, 0 },
	{ "chat_ids", FT_INTS, OPTIONAL, 0 }, /* last: only when creating */
};

static bool email_fine(struct sb_req *r, const char *email, int64_t self)
{
	const char *at = email ? strchr(email, '@') : NULL;
	if (!email || !*email)
		return sb_error(r, 400, "email", email, "blank", "Can't be blank");
	if (!at || at == email || !at[1] || strpbrk(email, " \t\r\n<>") || strchr(at + 1, '@'))
		return sb_error(r, 422, "email", email, "invalid", "Is invalid");
	if (sb_int(r->s, 0, "SELECT id FROM users WHERE email=?1 AND id<>?2", "si", sb_fold(&r->a, email), self))
		return sb_error(r, 422, "email", email, "taken", "Has already been taken");
	return true;
}

/* Employees who are not suspended hold a seat; guests of one chat and bots do not (assumed). */
static bool seat_left(struct sb_req *r)
{
	if (!r->s->seats || sb_int(r->s, 0, "SELECT count(*) FROM users WHERE NOT suspended AND NOT bot AND NOT deleted AND role<>'guest'", "") <
	                        r->s->seats)
		return true;
	return sb_error(r, 422, "base", NULL, "licenses_limit", "The limit of active employees is reached");
}

static void set_tags(struct sb_req *r, int64_t user, const struct jv *tags)
{
	struct sandbox *s = r->s;
	if (!tags)
		return;
	sb_run(s, "DELETE FROM user_tags WHERE user=?1", "i", user);
	jv_each(tags, it) {
		sb_run(s, "INSERT OR IGNORE INTO tags(name) VALUES(?1)", "s", it->s);
		sb_user_tag(s, user, sb_int(s, 0, "SELECT id FROM tags WHERE name=?1", "s", it->s));
	}
}

/* The tag's people are in every chat that has the tag (the spec: both lists are kept in step). */
void sb_user_tag(struct sandbox *s, int64_t user, int64_t tag)
{
	sb_run(s, "INSERT OR IGNORE INTO user_tags(tag,user) VALUES(?1,?2)", "ii", tag, user);
	sqlite3_stmt *st = sb_q(s, "SELECT chat FROM chat_tags WHERE tag=?1", "i", tag);
	while (sb_row(s, st))
		sb_member_add(s, sqlite3_column_int64(st, 0), user, SILENT);
}

static bool user_checked(struct sb_req *r, const struct jv *u, bool creating, int64_t self)
{
	static const char *const roles[] = { "admin", "user", "multi_guest", "guest", NULL };
	if (!sb_check(r, u, "user", user_fields, countof(user_fields) - !creating))
		return false;
	const char *role = jv_str(jv_get(u, "role")), *nick = jv_str(jv_get(u, "nickname"));
	bool known = !role;
	for (int i = 0; role && roles[i] && (creating || i < 3); i++)
		known |= streq(roles[i], role);
	if (!known)
		sb_error(r, 422, "role", role, "inclusion", "Is not included in the list");
	if (nick && (!*nick || strpbrk(nick, " \t\r\n@<>")))
		sb_error(r, 422, "nickname", nick, "invalid", "Is invalid");
	else if (nick && sb_int(r->s, 0, "SELECT id FROM users WHERE nickname=?1 AND id<>?2", "si", nick, self))
		sb_error(r, 422, "nickname", nick, "taken", "Has already been taken");
	if ((creating || jv_get(u, "email")) && !email_fine(r, jv_str(jv_get(u, "email")), self))
		return false;
	const struct jv *props = jv_get(u, "custom_properties");
	if (props && props->n)
		sb_error(r, 422, "custom_properties", NULL, "not_found", "No such custom property");
	return r->n_errors == 0;
}

void sb_users_create(struct sb_req *r)
{
	static const struct sb_field top[] = { { "user", FT_OBJ, REQUIRED, 0 }, { "skip_email_notify", FT_BOOL, OPTIONAL, 0 } };
	struct sandbox *s = r->s;
	const struct jv *u = jv_get(r->json, "user"), *chats = jv_get(u, "chat_ids");
	if (!SB_CHECK(r, r->json, "", top) || !user_checked(r, u, true, 0))
		return;
	const char *role = jv_str(jv_get(u, "role"));
	bool guest = role && streq(role, "guest"), suspended = jv_get_bool(u, "suspended");
	if (guest && (!chats || chats->n != 1))
		sb_error(r, 400, "chat_ids", NULL, "invalid", "A guest needs exactly one chat");
	jv_each(chats, it) {
		struct sb_chat c;
		if (!sb_chat_get(s, jv_int(it, 0), r->tok->user, &c) || !c.sees || c.kind == SB_DM)
			sb_error(r, guest ? 400 : 422, "chat_ids", it->s, "not_found", "Chat not found");
		else if (c.archived)
			sb_error(r, guest ? 400 : 422, "chat_ids", it->s, "invalid", "The chat is archived");
	}
	if (r->n_errors || (!suspended && !guest && !seat_left(r)))
		return;
	int64_t id = sb_user_add(s, &r->a, &(struct sb_user_new){
		.email = jv_str(jv_get(u, "email")), .nickname = jv_str(jv_get(u, "nickname")), .first = jv_str(jv_get(u, "first_name")),
		.last = jv_str(jv_get(u, "last_name")), .phone = jv_str(jv_get(u, "phone_number")),
		.department = jv_str(jv_get(u, "department")), .title = jv_str(jv_get(u, "title")), .role = role,
		.suspended = suspended, .inviter = r->tok->user });
	set_tags(r, id, jv_get(u, "list_tags"));
	if (!jv_get_bool(r->json, "skip_email_notify"))
		sb_run(s, "UPDATE users SET invited=invited+1 WHERE id=?1", "i", id);
	jv_each(chats, it)
		sb_member_add(s, jv_int(it, 0), id, NOTIFY);
	sb_data(r, 201);
	sb_user_json(r, id);
	sb_data_end(r);
}

void sb_users_list(struct sb_req *r)
{
	struct sb_page p;
	const char *query = sb_query(r, "query");
	if (!sb_page_open(r, &p, true, 50, 50))
		return;
	char *like = query ? sb_fold(&r->a, query) : NULL;
	sqlite3_stmt *st;
	if (like) /* instr: no wildcards in what people type */
		st = sb_q(r->s, SB_PAGE_SQL(&p, "SELECT id,id FROM users WHERE NOT deleted AND instr(search,?4)", "id", "id"), "iiis", p.k, p.id,
		          p.limit + 1, like);
	else
		st = sb_q(r->s, SB_PAGE_SQL(&p, "SELECT id,id FROM users WHERE NOT deleted", "id", "id"), "iii", p.k, p.id, p.limit + 1);
	sb_page_rows(r, &p, st);
	sb_data(r, 200);
	jw_arr(&r->w);
	for (int64_t i = 0; i < p.n; i++)
		sb_user_json(r, p.ids[i]);
	jw_arr_end(&r->w);
	if (!like) {
		sb_page_meta(r, &p);
	} else {
		/* The vendor's page on pagination: with a query the meta is that of a search, without has_next. */
		struct buf *out = &r->out;
		size_t from = out->len;
		sb_page_meta(r, &p);
		char *next = strstr(out->p + from, "\"next_page\":\"");
		char *value = next ? arena_strndup(&r->a, next + 13, strcspn(next + 13, "\"")) : arena_strdup(&r->a, "");
		buf_cut(out, from);
		buf_addf(out, ",\"meta\":{\"total\":%lld,\"paginate\":{\"next_page\":\"%s\"}}",
		         (long long)sb_int(r->s, 0, "SELECT count(*) FROM users WHERE NOT deleted AND instr(search,?1)", "s", like), value);
	}
	sb_data_end(r);
}

static bool user_exists(struct sb_req *r, int64_t id)
{
	return sb_int(r->s, 0, "SELECT 1 FROM users WHERE id=?1 AND NOT deleted", "i", id) || sb_missing(r);
}

void sb_users_get(struct sb_req *r)
{
	if (!user_exists(r, r->arg[0]))
		return;
	sb_data(r, 200);
	sb_user_json(r, r->arg[0]);
	sb_data_end(r);
}

static void suspend(struct sandbox *s, int64_t id, bool on)
{
	if (sb_int(s, 0, "SELECT suspended FROM users WHERE id=?1", "i", id) == on)
		return;
	if (on) /* what was counted stays, what comes is not */
		sb_run(s, "UPDATE users SET notified=?2 WHERE id=?1", "ii", id, sb_notifications(s, id));
	else
		sb_run(s, "UPDATE members SET base=(SELECT n_notify FROM chats WHERE chats.id=chat) WHERE user=?1", "i", id);
	sb_run(s, "UPDATE users SET suspended=?2 WHERE id=?1", "ii", id, (int64_t)on);
}

void sb_users_update(struct sb_req *r)
{
	static const struct sb_field top[] = { { "user", FT_OBJ, REQUIRED, 0 } };
	static const char *const columns[][2] = {
		{ "first_name", "UPDATE users SET first_name=?2 WHERE id=?1" }, { "last_name", "UPDATE users SET last_name=?2 WHERE id=?1" },
		{ "phone_number", "UPDATE users SET phone=?2 WHERE id=?1" }, { "nickname", "UPDATE users SET nickname=?2 WHERE id=?1" },
		{ "department", "UPDATE users SET department=?2 WHERE id=?1" }, { "title", "UPDATE users SET title=?2 WHERE id=?1" },
		{ "role", "UPDATE users SET role=?2 WHERE id=?1" }, { "email", "UPDATE users SET email=?2 WHERE id=?1" },
	};
	struct sandbox *s = r->s;
	int64_t id = r->arg[0];
	const struct jv *u = jv_get(r->json, "user"), *v;
	if (!user_exists(r, id) || !SB_CHECK(r, r->json, "", top) || !user_checked(r, u, false, id))
		return;
	v = jv_get(u, "suspended");
	if (v && v->b && id == r->tok->user) {
		sb_error(r, 422, "suspended", NULL, "self_update", "You cannot deactivate yourself");
		return;
	}
	if (v && !v->b && sb_int(s, 0, "SELECT suspended FROM users WHERE id=?1", "i", id) && !seat_left(r))
		return;
	if (v)
		suspend(s, id, v->b);
	for (size_t i = 0; i < countof(columns); i++) {
		const char *text = jv_str(jv_get(u, columns[i][0]));
		if (text)
			sb_run(s, columns[i][1], "is", id, streq(columns[i][0], "email") ? sb_fold(&r->a, text) : text);
	}
	set_tags(r, id, jv_get(u, "list_tags"));
	search_text(s, &r->a, id);
	sb_data(r, 200);
	sb_user_json(r, id);
	sb_data_end(r);
}

void sb_users_delete(struct sb_req *r)
{
	struct sandbox *s = r->s;
	int64_t id = r->arg[0];
	if (!user_exists(r, id))
		return;
	if (id <= 2 || id == r->tok->user) {
		sb_denied(r, 403, "forbidden", "This account cannot be deleted");
		return;
	}
	sb_run(s, "UPDATE users SET notified=?2 WHERE id=?1", "ii", id, sb_notifications(s, id));
	sb_run(s, "DELETE FROM members WHERE user=?1", "i", id);
	sb_run(s, "DELETE FROM user_tags WHERE user=?1", "i", id);
	sb_run(s, "UPDATE users SET deleted=1, email=NULL, search='', nickname='deleted:'||id WHERE id=?1", "i", id);
	sb_empty(r);
}

/* ---- tags ---- */

static bool tag_json(struct sb_req *r, int64_t id)
{
	sqlite3_stmt *st = sb_q(r->s, "SELECT name,(SELECT count(*) FROM user_tags WHERE tag=tags.id) FROM tags WHERE id=?1", "i", id);
	if (!sb_row(r->s, st))
		return false;
	jw_obj(&r->w);
	jw_kint(&r->w, "id", id);
	jw_kstr(&r->w, "name", sb_text(st, 0));
	jw_kint(&r->w, "users_count", sqlite3_column_int64(st, 1));
	jw_obj_end(&r->w);
	sqlite3_reset(st);
	return true;
}

static bool tag_exists(struct sb_req *r)
{
	return sb_int(r->s, 0, "SELECT 1 FROM tags WHERE id=?1", "i", r->arg[0]) || sb_missing(r);
}

static const char *tag_name(struct sb_req *r, int64_t self)
{
	static const struct sb_field top[] = { { "group_tag", FT_OBJ, REQUIRED, 0 } }, inner[] = { { "name", FT_STR, REQUIRED, 255 } };
	const struct jv *t = jv_get(r->json, "group_tag");
	if (!SB_CHECK(r, r->json, "", top) || !SB_CHECK(r, t, "group_tag", inner))
		return NULL;
	const char *name = jv_str(jv_get(t, "name"));
	if (!*name)
		sb_error(r, 422, "name", name, "blank", "Can't be blank");
	else if (sb_int(r->s, 0, "SELECT 1 FROM tags WHERE name=?1 AND id<>?2", "si", name, self))
		sb_error(r, 422, "name", name, "taken", "Has already been taken");
	return r->n_errors ? NULL : name;
}

void sb_tags_create(struct sb_req *r)
{
	const char *name = tag_name(r, 0);
	if (!name)
		return;
	sb_run(r->s, "INSERT INTO tags(name) VALUES(?1)", "s", name);
	int64_t id = sqlite3_last_insert_rowid(r->s->db);
	sb_data(r, 201);
	tag_json(r, id);
	sb_data_end(r);
}

static void listed(struct sb_req *r, int64_t id)
{
	tag_json(r, id);
}

void sb_tags_list(struct sb_req *r)
{
	struct sb_page p;
	if (!sb_page_open(r, &p, false, 50, 50))
		return;
	/* names or names[], several times: as a JSON list for the query */
	struct buf names;
	buf_init(&names, 1 << 16);
	struct jw w;
	jw_init(&w, &names);
	jw_arr(&w);
	for (size_t i = 0; i < r->n_query; i++)
		if (streq(r->query[i].key, "names") || streq(r->query[i].key, "names[]"))
			jw_str(&w, r->query[i].value);
	jw_arr_end(&w);
	sb_page_rows(r, &p, sb_q(r->s, SB_PAGE_SQL(&p, "SELECT id,id FROM tags WHERE (?4='[]' OR name IN (SELECT value FROM json_each(?4)))",
	                                           "id", "id"), "iiis", p.k, p.id, p.limit + 1, names.p));
	sb_rest(r->s);
	buf_release(&names);
	sb_page_answer(r, &p, listed);
}

void sb_tags_get(struct sb_req *r)
{
	if (!tag_exists(r))
		return;
	sb_data(r, 200);
	tag_json(r, r->arg[0]);
	sb_data_end(r);
}

void sb_tags_update(struct sb_req *r)
{
	const char *name;
	if (!tag_exists(r) || !(name = tag_name(r, r->arg[0])))
		return;
	sb_run(r->s, "UPDATE tags SET name=?2 WHERE id=?1", "is", r->arg[0], name);
	sb_tags_get(r);
}

void sb_tags_delete(struct sb_req *r)
{
	if (!tag_exists(r))
		return;
	sb_run(r->s, "DELETE FROM user_tags WHERE tag=?1", "i", r->arg[0]);
	sb_run(r->s, "DELETE FROM chat_tags WHERE tag=?1", "i", r->arg[0]);
	sb_run(r->s, "DELETE FROM tags WHERE id=?1", "i", r->arg[0]);
	sb_empty(r);
}

void sb_tags_users(struct sb_req *r)
{
	struct sb_page p;
	if (!tag_exists(r) || !sb_page_open(r, &p, false, 50, 50))
		return;
	sb_page_rows(r, &p, sb_q(r->s, SB_PAGE_SQL(&p, "SELECT user,user FROM user_tags WHERE tag=?4", "user", "user"), "iiii", p.k, p.id,
	                         p.limit + 1, r->arg[0]));
	sb_page_answer(r, &p, sb_user_json);
}
