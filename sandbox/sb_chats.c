/* sb_chats.c: chats, channels, threads' chats and one-to-ones as places with members; who sees and may change what; and the
 * count of notifications, which is O(1) a message: a chat counts its notifying messages, a member remembers how many of them
 * came before joining or were its own. Sources: the vendor's spec and pages; "assumed" where they are silent. */
#include "sandbox/sb.h"

#include <string.h>

bool sb_chat_get(struct sandbox *s, int64_t id, int64_t user, struct sb_chat *c)
{
	sqlite3_stmt *st = sb_q(s, "SELECT kind,owner,channel,public,archived,thread,parent,n_notify,role FROM chats "
	                           "LEFT JOIN members ON chat=chats.id AND user=?2 WHERE chats.id=?1", "ii", id, user);
	*c = (struct sb_chat){ .id = id };
	if (!sb_row(s, st))
		return false;
	c->kind = (enum sb_kind)sqlite3_column_int(st, 0);
	c->owner = sqlite3_column_int64(st, 1);
	c->channel = sqlite3_column_int(st, 2) != 0;
	c->is_public = sqlite3_column_int(st, 3) != 0;
	c->archived = sqlite3_column_int(st, 4) != 0;
	c->thread = sqlite3_column_int64(st, 5);
	c->parent = sqlite3_column_int64(st, 6);
	c->n_notify = sqlite3_column_int64(st, 7);
	const char *role = sb_text(st, 8);
	c->member = role != NULL;
	fmt_into(c->role, sizeof c->role, "%s", !role ? "" : c->owner == user ? "owner" : role);
	sqlite3_reset(st);
	c->sees = c->member || c->is_public;
	struct sb_chat up;
	if (c->kind == SB_THREAD && c->parent && c->parent != id && sb_chat_get(s, c->parent, user, &up)) {
		c->sees |= up.sees;
		c->archived |= up.archived; /* a thread lives and dies with its chat (assumed) */
	}
	return true;
}

int64_t sb_chat_add(struct sandbox *s, enum sb_kind kind, const char *name, int64_t owner, bool channel, bool is_public, int64_t parent)
{
	sb_run(s, "INSERT INTO chats(kind,name,owner,channel,public,parent,created,last_message) VALUES(?1,?2,?3,?4,?5,nullif(?6,0),?7,?7)",
	       "isiiiii", (int64_t)kind, name, owner, (int64_t)channel, (int64_t)is_public, parent, s->now);
	int64_t id = sqlite3_last_insert_rowid(s->db);
	sb_run(s, "INSERT INTO members(chat,user,role,base) VALUES(?1,?2,'admin',0)", "ii", id, owner);
	return id;
}

bool sb_member_add(struct sandbox *s, int64_t chat, int64_t user, enum sb_notice notice)
{
	/* A bot added to a channel is an editor (the spec). */
	sb_run(s, "INSERT OR IGNORE INTO members(chat,user,role,base) SELECT chats.id,users.id,"
	          "CASE WHEN channel AND bot THEN 'editor' ELSE 'member' END,n_notify FROM chats,users WHERE chats.id=?1 AND users.id=?2", "ii",
	       chat, user);
	if (!sqlite3_changes(s->db))
		return false;
	if (notice == NOTIFY)
		sb_run(s, "UPDATE users SET notified=notified+1 WHERE id=?1 AND NOT suspended AND NOT bot", "i", user);
	return true;
}

void sb_member_drop(struct sandbox *s, int64_t chat, int64_t user)
{
	sb_run(s, "UPDATE users SET notified=notified+coalesce((SELECT n_notify-base FROM members JOIN chats ON chats.id=chat "
	          "WHERE chat=?1 AND user=?2),0) WHERE id=?2 AND NOT suspended AND NOT bot", "ii", chat, user);
	sb_run(s, "DELETE FROM members WHERE chat=?1 AND user=?2", "ii", chat, user);
}

int64_t sb_notifications(struct sandbox *s, int64_t user)
{
	/* Bots and suspended people get none; what was settled before a suspension stays. */
	return sb_int(s, 0, "SELECT coalesce(sum(notified),0)+coalesce((SELECT sum(n_notify-base) FROM members JOIN chats ON chats.id=chat "
	                    "JOIN users u ON u.id=user WHERE (?1<0 OR user=?1) AND NOT u.suspended AND NOT u.bot),0) FROM users "
	                    "WHERE NOT bot AND (?1<0 OR id=?1)", "i", user);
}

static void chat_json(struct sb_req *r, int64_t id)
{
	struct sandbox *s = r->s;
	struct jw *w = &r->w;
	/* A one-to-one is called after its other person (assumed). */
	sqlite3_stmt *st = sb_q(s, "SELECT CASE kind WHEN 2 THEN coalesce((SELECT trim(coalesce(first_name,'')||' '||coalesce(last_name,'')) "
	                           "FROM members JOIN users ON users.id=user WHERE chat=chats.id AND user<>?2),'') ELSE name END,"
	                           "created,owner,channel,archived,kind,public,last_message FROM chats WHERE id=?1", "ii", id, r->tok->user);
	if (!sb_row(s, st)) {
		jw_null(w);
		return;
	}
	jw_obj(w);
	jw_kint(w, "id", id);
	jw_kstr(w, "name", sb_text(st, 0));
	sb_ktime(w, "created_at", sqlite3_column_int64(st, 1));
	jw_kint(w, "owner_id", sqlite3_column_int64(st, 2));
	jw_key(w, "member_ids");
	jw_arr(w);
	sqlite3_stmt *m = sb_q(s, "SELECT user FROM members WHERE chat=?1 ORDER BY user", "i", id);
	while (sb_row(s, m))
		jw_int(w, sqlite3_column_int64(m, 0));
	jw_arr_end(w);
	jw_key(w, "group_tag_ids");
	jw_arr(w);
	m = sb_q(s, "SELECT tag FROM chat_tags WHERE chat=?1 ORDER BY tag", "i", id);
	while (sb_row(s, m))
		jw_int(w, sqlite3_column_int64(m, 0));
	jw_arr_end(w);
	jw_kbool(w, "channel", sqlite3_column_int(st, 3) != 0);
	jw_kbool(w, "archived", sqlite3_column_int(st, 4) != 0);
	jw_kbool(w, "personal", sqlite3_column_int(st, 5) == SB_DM);
	jw_kbool(w, "public", sqlite3_column_int(st, 6) != 0);
	sb_ktime(w, "last_message_at", sqlite3_column_int64(st, 7));
	jw_kstr(w, "meet_room_url", arena_fmt(&r->a, "%s/meet/%lld", sb_here(r), (long long)id));
	jw_obj_end(w);
	sqlite3_reset(st);
}

static void chat_answer(struct sb_req *r, int status, int64_t id)
{
	sb_data(r, status);
	chat_json(r, id);
	sb_data_end(r);
}

enum right { SEE, MANAGE };

/* MANAGE: owner or admin of the chat, or an administrator of the workspace who is in it (assumed). */
static bool open_chat(struct sb_req *r, struct sb_chat *c, enum right need)
{
	if (!sb_chat_get(r->s, r->arg[0], r->tok->user, c) || !c->sees)
		return sb_missing(r);
	if (need == MANAGE && !streq(c->role, "owner") && !streq(c->role, "admin") &&
	    !(c->member && sb_int(r->s, 0, "SELECT role='admin' FROM users WHERE id=?1", "i", r->tok->user)))
		return sb_denied(r, 403, "forbidden", "Only the owner and admins of the chat may do that");
	r->chat = c->id;
	return true;
}

static bool users_exist(struct sb_req *r, const struct jv *ids)
{
	jv_each(ids, it)
		if (!sb_int(r->s, 0, "SELECT 1 FROM users WHERE id=?1 AND NOT deleted", "i", jv_int(it, 0)))
			sb_error(r, 422, "member_ids", it->s, "not_found", "User not found");
	return r->n_errors == 0;
}

static bool tags_exist(struct sb_req *r, const struct jv *ids)
{
	jv_each(ids, it)
		if (!sb_int(r->s, 0, "SELECT 1 FROM tags WHERE id=?1", "i", jv_int(it, 0)))
			sb_error(r, 422, "group_tag_ids", it->s, "not_found", "Tag not found");
	return r->n_errors == 0;
}

static void add_tags(struct sb_req *r, int64_t chat, const struct jv *ids)
{
	jv_each(ids, it) {
		int64_t tag = jv_int(it, 0);
		sb_run(r->s, "INSERT OR IGNORE INTO chat_tags(chat,tag) VALUES(?1,?2)", "ii", chat, tag);
		sqlite3_stmt *st = sb_q(r->s, "SELECT user FROM user_tags WHERE tag=?1", "i", tag);
		while (sb_row(r->s, st))
			sb_member_add(r->s, chat, sqlite3_column_int64(st, 0), NOTIFY);
	}
}

void sb_chats_create(struct sb_req *r)
{
	static const struct sb_field top[] = { { "chat", FT_OBJ, REQUIRED, 0 } };
	static const struct sb_field inner[] = {
		{ "name", FT_STR, REQUIRED, 255 }, { "member_ids", FT_INTS, OPTIONAL, 0 }, { "group_tag_ids", FT_INTS, OPTIONAL, 0 },
		{ "channel", FT_BOOL, OPTIONAL, 0 }, { "public", FT_BOOL, OPTIONAL, 0 },
	};
	const struct jv *c = jv_get(r->json, "chat");
	if (!SB_CHECK(r, r->json, "", top) || !SB_CHECK(r, c, "chat", inner) || !users_exist(r, jv_get(c, "member_ids")) ||
	    !tags_exist(r, jv_get(c, "group_tag_ids")))
		return;
	const char *name = jv_str(jv_get(c, "name"));
	if (!name[strspn(name, " \t\r\n")]) {
		sb_error(r, 422, "name", name, "blank", "Can't be blank");
		return;
	}
	int64_t id = sb_chat_add(r->s, SB_CHAT, name, r->tok->user, jv_get_bool(c, "channel"), jv_get_bool(c, "public"), 0);
	const struct jv *members = jv_get(c, "member_ids");
	jv_each(members, it)
		sb_member_add(r->s, id, jv_int(it, 0), NOTIFY);
	add_tags(r, id, jv_get(c, "group_tag_ids"));
	r->chat = id;
	chat_answer(r, 201, id);
}

void sb_chats_list(struct sb_req *r)
{
	static const char *const sorts[] = { "id", "last_message_at", NULL }, *const orders[] = { "desc", "asc", NULL };
	static const char *const where[] = { "is_member", "public", NULL }, *const yes_no[] = { "false", "true", NULL };
	int sort = sb_query_enum(r, "sort", sorts, 0), order = sb_query_enum(r, "order", orders, 0);
	int availability = sb_query_enum(r, "availability", where, 0), archived = sb_query_enum(r, "archived", yes_no, 0);
	int personal = sb_query(r, "personal") ? sb_query_enum(r, "personal", yes_no, 0) : 2;
	int64_t after = 0, before = INT64_MAX;
	sb_query_time(r, "last_message_at_after", &after);
	sb_query_time(r, "last_message_at_before", &before);
	struct sb_page p;
	if (r->n_errors || !sb_page_open(r, &p, order == 0, 50, 50))
		return;
#define CHATS(k) "SELECT " k ",id FROM chats WHERE kind<>1 AND (?4 OR NOT archived) AND (?5=2 OR (kind=2)=?5) AND last_message>=?6 " \
	"AND last_message<=?7 AND CASE WHEN ?8 THEN public AND NOT EXISTS(SELECT 1 FROM members WHERE chat=chats.id AND user=?9 AND ?8=2) " \
	"ELSE EXISTS(SELECT 1 FROM members WHERE chat=chats.id AND user=?9) END"
	const char *sql = sort == 0 ? SB_PAGE_SQL(&p, CHATS("id"), "id", "id")
	                            : SB_PAGE_SQL(&p, CHATS("last_message"), "last_message", "id");
	sb_page_rows(r, &p, sb_q(r->s, sql, "iiiiiiiii", p.k, p.id, p.limit + 1, (int64_t)archived, (int64_t)personal, after, before,
	                         (int64_t)availability, r->tok->user));
	sb_page_answer(r, &p, chat_json);
}

void sb_chats_get(struct sb_req *r)
{
	struct sb_chat c;
	if (open_chat(r, &c, SEE))
		chat_answer(r, 200, c.id);
}

void sb_chats_update(struct sb_req *r)
{
	static const struct sb_field top[] = { { "chat", FT_OBJ, REQUIRED, 0 } };
	static const struct sb_field inner[] = { { "name", FT_STR, OPTIONAL, 255 }, { "public", FT_BOOL, OPTIONAL, 0 } };
	struct sb_chat c;
	const struct jv *v = jv_get(r->json, "chat"), *pub = jv_get(v, "public");
	if (!open_chat(r, &c, MANAGE) || !SB_CHECK(r, r->json, "", top) || !SB_CHECK(r, v, "chat", inner))
		return;
	const char *name = jv_str(jv_get(v, "name"));
	if (c.kind == SB_DM)
		sb_error(r, 422, "base", NULL, "personal_chat", "A one-to-one chat cannot be changed");
	else if (name && !name[strspn(name, " \t\r\n")])
		sb_error(r, 422, "name", name, "blank", "Can't be blank");
	if (r->n_errors)
		return;
	if (name)
		sb_run(r->s, "UPDATE chats SET name=?2 WHERE id=?1", "is", c.id, name);
	if (pub)
		sb_run(r->s, "UPDATE chats SET public=?2 WHERE id=?1", "ii", c.id, (int64_t)pub->b);
	chat_answer(r, 200, c.id);
}

static void archive(struct sb_req *r, bool on)
{
	struct sb_chat c;
	if (!open_chat(r, &c, MANAGE))
		return;
	if (c.kind != SB_CHAT) {
		sb_denied(r, 403, "forbidden", "Only conversations and channels can be archived");
		return;
	}
	sb_run(r->s, "UPDATE chats SET archived=?2 WHERE id=?1", "ii", c.id, (int64_t)on);
	sb_empty(r);
}

void sb_chats_archive(struct sb_req *r)
{
	archive(r, true);
}

void sb_chats_unarchive(struct sb_req *r)
{
	archive(r, false);
}

/* ---- members ---- */

void sb_members_list(struct sb_req *r)
{
	static const char *const roles[] = { "all", "owner", "admin", "editor", "member", NULL };
	struct sb_chat c;
	struct sb_page p;
	int role = sb_query_enum(r, "role", roles, 0);
	if (role < 0 || !open_chat(r, &c, SEE) || !sb_page_open(r, &p, false, 50, 50))
		return;
	sb_page_rows(r, &p, sb_q(r->s, SB_PAGE_SQL(&p, "SELECT user,user FROM members JOIN chats ON chats.id=chat WHERE chat=?4 AND (?5='all' OR "
	                                               "CASE WHEN user=owner THEN 'owner' ELSE role END=?5)", "user", "user"),
	                         "iiiis", p.k, p.id, p.limit + 1, c.id, roles[role]));
	sb_page_answer(r, &p, sb_user_json);
}

/* Membership of a one-to-one is fixed; of an archived chat, too (assumed: nothing can be written there). */
static bool changeable(struct sb_req *r, const struct sb_chat *c)
{
	if (c->kind == SB_DM)
		return sb_error(r, 422, "base", NULL, "personal_chat", "A one-to-one chat has its two people");
	if (c->archived)
		return sb_denied(r, 403, "forbidden", "The chat is archived");
	return true;
}

void sb_members_add(struct sb_req *r)
{
	static const struct sb_field top[] = { { "member_ids", FT_INTS, REQUIRED, 0 }, { "silent", FT_BOOL, OPTIONAL, 0 } };
	struct sb_chat c;
	const struct jv *ids = jv_get(r->json, "member_ids");
	/* Any member may add people; who is not in a private chat does not see it. */
	if (!open_chat(r, &c, SEE) || !SB_CHECK(r, r->json, "", top) || !users_exist(r, ids) || !changeable(r, &c))
		return;
	jv_each(ids, it)
		sb_member_add(r->s, c.id, jv_int(it, 0), jv_get_bool(r->json, "silent") ? SILENT : NOTIFY);
	sb_empty(r);
}

static bool is_member(struct sb_req *r, const struct sb_chat *c, int64_t user)
{
	return sb_int(r->s, 0, "SELECT 1 FROM members WHERE chat=?1 AND user=?2", "ii", c->id, user) || sb_missing(r);
}

void sb_members_remove(struct sb_req *r)
{
	struct sb_chat c;
	if (!open_chat(r, &c, MANAGE) || !is_member(r, &c, r->arg[1]) || !changeable(r, &c))
		return;
	if (r->arg[1] == c.owner) {
		sb_denied(r, 403, "cannot_kick_owner", "The owner of a chat cannot be removed");
		return;
	}
	sb_member_drop(r->s, c.id, r->arg[1]);
	sb_empty(r);
}

void sb_members_role(struct sb_req *r)
{
	static const struct sb_field top[] = { { "role", FT_STR, REQUIRED, 0 } };
	struct sb_chat c;
	if (!open_chat(r, &c, MANAGE) || !SB_CHECK(r, r->json, "", top) || !is_member(r, &c, r->arg[1]) || !changeable(r, &c))
		return;
	const char *role = jv_str(jv_get(r->json, "role"));
	if (!streq(role, "admin") && !streq(role, "member") && !(streq(role, "editor") && c.channel))
		sb_error(r, 422, "role", role, "inclusion", "Is not included in the list (editors are in channels only)");
	else if (r->arg[1] == c.owner)
		sb_error(r, 422, "role", role, "owner_protected", "The owner's role cannot be changed");
	if (r->n_errors)
		return;
	sb_run(r->s, "UPDATE members SET role=?3 WHERE chat=?1 AND user=?2", "iis", c.id, r->arg[1], role);
	sb_empty(r);
}

void sb_chats_leave(struct sb_req *r)
{
	struct sb_chat c;
	if (!open_chat(r, &c, SEE) || !is_member(r, &c, r->tok->user) || !changeable(r, &c))
		return;
	sb_member_drop(r->s, c.id, r->tok->user);
	sb_empty(r);
}

void sb_chat_tags_add(struct sb_req *r)
{
	static const struct sb_field top[] = { { "group_tag_ids", FT_INTS, REQUIRED, 0 } };
	struct sb_chat c;
	if (!open_chat(r, &c, SEE) || !SB_CHECK(r, r->json, "", top) || !tags_exist(r, jv_get(r->json, "group_tag_ids")) || !changeable(r, &c))
		return;
	add_tags(r, c.id, jv_get(r->json, "group_tag_ids"));
	sb_empty(r);
}

void sb_chat_tags_remove(struct sb_req *r)
{
	struct sb_chat c;
	if (!open_chat(r, &c, MANAGE) || !changeable(r, &c))
		return;
	sb_run(r->s, "DELETE FROM chat_tags WHERE chat=?1 AND tag=?2", "ii", c.id, r->arg[1]);
	if (!sqlite3_changes(r->s->db)) {
		sb_missing(r);
		return;
	}
	/* Its people leave, but for the owner (assumed). */
	sqlite3_stmt *st = sb_q(r->s, "SELECT user FROM user_tags WHERE tag=?1 AND user<>?2", "ii", r->arg[1], c.owner);
	while (sb_row(r->s, st))
		sb_member_drop(r->s, c.id, sqlite3_column_int64(st, 0));
	sb_empty(r);
}
