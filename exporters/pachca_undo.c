/* pachca_undo.c: what rollback takes back: one OP_DELETE → requests, answers → what became of it.
 *
 * Promises: each of these can be sent again without a further effect, and "it is not there" counts as done. Messages, reactions,
 * pins and members go with the bot's token, accounts with the administrator's. Pachca has no method that deletes a chat, so a
 * chat is renamed and archived. Called by pachca_op.c. Sources: the spec's methods of the same names.
 */
#include "exporters/pachca.h"

#include "exporters/http_verdict.h"

#include <string.h>

static bool need_id(const char *what, const char *id, struct err *e)
{
	return pachca_is_id(id) || err_set(e, ERR_INTERNAL, "pachca: %s '%s' is not a number", what, id ? id : "");
}

enum op_kind pachca_undoes(const struct op *op)
{
	return op->undoes ? op->undoes : OP_POST;
}

static bool one_field(struct arena *a, const char *object, const char *key, const char *text, bool flag, struct http_req *out)
{
	struct buf b;
	struct jw w;
	buf_init(&b, 65536);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_key(&w, object);
	jw_obj(&w);
	if (text)
		jw_kstr(&w, key, text);
	else
		jw_kbool(&w, key, flag);
	jw_obj_end(&w);
	jw_obj_end(&w);
	out->method = "PUT";
	out->content_type = "application/json";
	out->body = pachca_keep(&b, a, &out->body_len);
	return out->body != NULL;
}

static const char *reaction_path(const struct op *op, struct arena *a)
{
	struct buf b;
	bool plain = op->emoji && *op->emoji;
	const char *name = plain ? op->emoji : arena_fmt(a, ":%s:", op->emoji_name ? op->emoji_name : "");
	buf_init(&b, 65536);
	buf_addf(&b, "/messages/%s/reactions?code=", op->target_id);
	http_escape(&b, name);
	if (!plain) {
		buf_adds(&b, "&name=");
		http_escape(&b, name);
	}
	return pachca_keep(&b, a, NULL);
}

bool pachca_access_build(const char *user, bool suspended, struct arena *a, struct http_req *out, struct err *e)
{
	if (!need_id("user", user, e))
		return false;
	out->auth = AUTH_ADMIN;
	out->path = arena_fmt(a, "/users/%s", user);
	return one_field(a, "user", "suspended", NULL, suspended, out);
}

bool pachca_undo_build(const struct target *t, const struct op *op, const char *scope, struct arena *a, struct http_req *out, struct err *e)
{
	enum op_kind what = pachca_undoes(op);
	out->method = "DELETE";
	switch (what) {
	case OP_POST:
		out->rate = REQ_POST;
		out->scope = scope;
		out->path = arena_fmt(a, "/messages/%s", op->target_id);
		return need_id("message", op->target_id, e);
	case OP_REACT:
		out->path = reaction_path(op, a);
		return need_id("message", op->target_id, e);
	case OP_PIN:
		out->path = arena_fmt(a, "/messages/%s/pin", op->target_id);
		return need_id("message", op->target_id, e);
	case OP_MEMBERS:
		/* tags first: who came with one leaves with it */
		if (op->step < 0 || (size_t)op->step >= op->n_tags + op->n_ids)
			return err_set(e, ERR_INTERNAL, "pachca: nobody is to leave");
		bool tag = (size_t)op->step < op->n_tags;
		const char *who = tag ? op->tags[op->step] : op->ids[(size_t)op->step - op->n_tags];
		out->path = arena_fmt(a, tag ? "/chats/%s/group_tags/%s" : "/chats/%s/members/%s", op->chat, who);
		return need_id("chat", op->chat, e) && need_id(tag ? "tag" : "user", who, e);
	case OP_ARCHIVE:
		out->method = "PUT";
		out->path = arena_fmt(a, "/chats/%s/unarchive", op->chat);
		return need_id("chat", op->chat, e);
	case OP_CHAT_CREATE:
		if (!need_id("chat", op->chat, e))
			return false;
		if (op->step > 0) {
			out->method = "PUT";
			out->path = arena_fmt(a, "/chats/%s/archive", op->chat);
			return true;
		}
		out->path = arena_fmt(a, "/chats/%s", op->chat);
		return one_field(a, "chat", "name", op->name ? op->name : "", false, out);
	case OP_USER_CREATE:
		if (!t->has_admin)
			return err_set(e, ERR_TARGET, "accounts can only be changed with an administrator's token, and there is none");
		if (op->suspended)
			return pachca_access_build(op->target_id, true, a, out, e);
		out->auth = AUTH_ADMIN;
		out->path = arena_fmt(a, "/users/%s", op->target_id);
		return need_id("user", op->target_id, e);
	case OP_UPLOAD:
	case OP_THREAD_OPEN:
	case OP_EDIT:
	case OP_DELETE:
		break;
	}
	return err_set(e, ERR_INTERNAL, "pachca: ops of kind %d cannot be taken back", (int)what);
}

/* Done, or this step is: the next person, the archiving after the renaming. */
static void step_over(const struct op *op, struct arena *a, struct outcome *out)
{
	enum op_kind what = pachca_undoes(op);
	bool more = (what == OP_MEMBERS && (size_t)op->step + 1 < op->n_tags + op->n_ids) || (what == OP_CHAT_CREATE && op->step == 0);
	bool chat = what == OP_MEMBERS || what == OP_CHAT_CREATE || what == OP_ARCHIVE;
	*out = (struct outcome){ .v = more ? V_MORE : V_DONE, .id = more ? NULL : arena_strdup(a, chat ? op->chat : op->target_id),
	                         .carry = more ? "" : NULL, .retry_after_s = -1 };
}

void pachca_undo_done(const struct op *op, const struct http_resp *r, struct arena *a, struct outcome *out)
{
	/* A proxy's page is no proof; what changes something and answers with it must name it. */
	enum op_kind what = pachca_undoes(op);
	bool answers = (what == OP_USER_CREATE && op->suspended) || (what == OP_CHAT_CREATE && op->step == 0);
	if (answers) {
		const struct jv *data = http_is_json(r) ? jv_get(jv_parse(a, r->body, r->len, NULL), "data") : NULL;
		const char *id = pachca_id(jv_get(data, "id"), a);
		if (!id || !streq(id, what == OP_USER_CREATE ? op->target_id : op->chat))
			return;
	} else if (r->status != 204 && r->len && !http_is_json(r)) {
		return;
	}
	step_over(op, a, out);
}

bool pachca_undo_refused(const struct op *op, const struct http_resp *r, const struct pachca_error *pe, struct arena *a, struct outcome *out)
{
	enum op_kind what = pachca_undoes(op);
	bool missing = r->status == 404 || r->status == 410 || (what == OP_POST && pe->deleted);
	if (!missing || what == OP_ARCHIVE || what == OP_CHAT_CREATE)
		return false; /* of a chat it would mean that we no longer see it */
	step_over(op, a, out);
	return true;
}
