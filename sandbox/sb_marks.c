/* sb_marks.c: reactions (as the token's owner only, idempotent, limits of the spec) and pins. */
#include "sandbox/sb.h"

#include <string.h>

enum { PER_USER = 20, PER_MESSAGE = 30, IN_ALL = 1000 };

static void reaction_json(struct sb_req *r, int64_t id)
{
	sqlite3_stmt *st = sb_q(r->s, "SELECT user,created,code,name FROM reactions WHERE id=?1", "i", id);
	if (!sb_row(r->s, st)) {
		jw_null(&r->w);
		return;
	}
	jw_obj(&r->w);
	jw_kint(&r->w, "user_id", sqlite3_column_int64(st, 0));
	sb_ktime(&r->w, "created_at", sqlite3_column_int64(st, 1));
	jw_kstr(&r->w, "code", sb_text(st, 2));
	jw_kstr(&r->w, "name", sb_text(st, 3));
	jw_obj_end(&r->w);
	sqlite3_reset(st);
}

static int64_t counted(struct sb_req *r, const char *sql)
{
	return sb_int(r->s, 0, sql, "ii", r->arg[0], r->tok->user);
}

void sb_reactions_add(struct sb_req *r)
{
	static const struct sb_field top[] = { { "code", FT_STR, REQUIRED, 0 }, { "name", FT_STR, OPTIONAL, 255 } };
	struct sandbox *s = r->s;
	struct sb_chat c;
	int64_t message = r->arg[0];
	if (!sb_message_open(r, message, true, &c) || !SB_CHECK(r, r->json, "", top))
		return;
	const char *code = jv_str(jv_get(r->json, "code")), *name = jv_str(jv_get(r->json, "name"));
	bool plain = true; /* an emoji has a character outside ASCII; a custom one comes with a name */
	for (const char *p = code; *p; p++)
		plain &= (unsigned char)*p < 0x80;
	if (!*code || strlen(code) > 64 || (plain && !name)) {
		sb_error(r, 422, "code", code, *code ? "wrong_emoji" : "blank", "Is no emoji");
		return;
	}
	int64_t id = sb_int(s, 0, "SELECT id FROM reactions WHERE message=?1 AND user=?2 AND code=?3", "iis", message, r->tok->user, code);
	if (!id) {
		bool new_here = !sb_int(s, 0, "SELECT 1 FROM reactions WHERE message=?1 AND code=?2", "is", message, code);
		if (counted(r, "SELECT count(*) FROM reactions WHERE message=?1 AND user=?2") >= PER_USER)
			sb_error(r, 422, "code", code, "user_limit", "At most 20 reactions of one person");
		else if (new_here && counted(r, "SELECT count(DISTINCT code) FROM reactions WHERE message=?1 OR ?2<0") >= PER_MESSAGE)
			sb_error(r, 422, "code", code, "unique_limit", "At most 30 different reactions");
		else if (counted(r, "SELECT n_reactions FROM messages WHERE id=?1 OR ?2<0") >= IN_ALL)
			sb_error(r, 422, "code", code, "general_limit", "At most 1000 reactions");
		if (r->n_errors)
			return;
		sb_run(s, "INSERT INTO reactions(message,user,code,name,created) VALUES(?1,?2,?3,?4,?5)", "iissi", message, r->tok->user, code,
		       name ? name : code, s->now);
		id = sqlite3_last_insert_rowid(s->db);
		sb_run(s, "UPDATE messages SET n_reactions=n_reactions+1 WHERE id=?1", "i", message);
	}
	r->status = 201; /* the spec: the reaction itself, without data */
	reaction_json(r, id);
}

void sb_reactions_remove(struct sb_req *r)
{
	struct sb_chat c;
	const char *code = sb_query(r, "code");
	if (!code) {
		sb_error(r, 400, "code", NULL, "blank", "Can't be blank");
		return;
	}
	if (!sb_message_open(r, r->arg[0], true, &c))
		return;
	sb_run(r->s, "DELETE FROM reactions WHERE message=?1 AND user=?2 AND code=?3", "iis", r->arg[0], r->tok->user, code);
	if (!sqlite3_changes(r->s->db)) {
		sb_missing(r);
		return;
	}
	sb_run(r->s, "UPDATE messages SET n_reactions=n_reactions-1 WHERE id=?1", "i", r->arg[0]);
	sb_empty(r);
}

void sb_reactions_list(struct sb_req *r)
{
	struct sb_chat c;
	struct sb_page p;
	if (!sb_message_open(r, r->arg[0], false, &c) || !sb_page_open(r, &p, false, 50, 50))
		return;
	sb_page_rows(r, &p, sb_q(r->s, SB_PAGE_SQL(&p, "SELECT id,id FROM reactions WHERE message=?4", "id", "id"), "iiii", p.k, p.id, p.limit + 1,
	                         r->arg[0]));
	sb_page_answer(r, &p, reaction_json);
}

static void pin(struct sb_req *r, bool on)
{
	struct sb_chat c;
	if (!sb_message_open(r, r->arg[0], true, &c))
		return;
	if (!c.member && c.kind != SB_THREAD) {
		sb_denied(r, 403, "forbidden", "You are not a member of the chat");
		return;
	}
	bool pinned = sb_int(r->s, 0, "SELECT pinned FROM messages WHERE id=?1", "i", r->arg[0]) != 0;
	if (pinned == on) { /* the vendor's page on errors: 409 already_exists for a pin that is there */
		if (on)
			sb_error(r, 409, "message_id", NULL, "already_exists", "The message is pinned");
		else
			sb_missing(r);
		return;
	}
	sb_run(r->s, "UPDATE messages SET pinned=?2 WHERE id=?1", "ii", r->arg[0], (int64_t)on);
	sb_empty(r);
}

void sb_pin(struct sb_req *r)
{
	pin(r, true);
}

void sb_unpin(struct sb_req *r)
{
	pin(r, false);
}
