/* pachca_op.c: one op → one request, one answer → what became of the op. Called by replay through the exporter's table.
 *
 * Which token: people are created by the administrator's (users:create is not given to bots); everything else is done by the
 * bot, also making the chats, because a chat's creator is its member and owner for good, and no administrator shall become a
 * member of other people's private conversations by migrating them.
 */
#include "exporters/pachca.h"

#include "core/utf8.h"
#include "exporters/http_verdict.h"
#include "exporters/markdown.h"

#include <string.h>

/* ---- what a post says ---- */

const char *pachca_content(const struct op *op, struct arena *a)
{
	const char *body = op->body ? op->body : "";
	if (body[strspn(body, " \t\r\n")] || !op->n_files)
		return body;
	/* `content` is required and the vendor's code list has "blank": a message that is only a file says the file's name. */
	struct buf b;
	buf_init(&b, PACHCA_TEXT_MAX);
	for (size_t i = 0; i < op->n_files && b.len < 2000; i++) {
		if (i)
			buf_adds(&b, ", ");
		md_plain(pachca_file_name(op->files[i].name, a), a, &b);
	}
	return pachca_keep(&b, a, NULL);
}

const char *pachca_label(const struct op *op, struct arena *a)
{
	const char *s = op->label ? op->label : "";
	size_t n = strlen(s);
	return n <= PACHCA_LABEL_MAX ? s : arena_strndup(a, s, utf8_cut_cluster(s, n, PACHCA_LABEL_MAX));
}

/* Images that browsers show; others (HEIC, TIFF, SVG…) go as plain files, which every client can at least save. */
static bool shown_as_image(const struct op_file *f)
{
	static const char *const types[] = { "image/jpeg", "image/png", "image/gif", "image/webp" };
	if (f->kind != FILE_IMAGE)
		return false;
	if (!f->mime)
		return true;
	for (size_t i = 0; i < countof(types); i++)
		if (streq(f->mime, types[i]))
			return true;
	return false;
}

/* "voice" needs a duration and a waveform: what could not be listened to (AMR, damaged, very long) is sound like any other. */
static bool told_as_voice(const struct op_file *f)
{
	return f->kind == FILE_VOICE && f->duration_ms > 0 && f->waveform && *f->waveform && strlen(f->waveform) <= PACHCA_WAVEFORM_MAX;
}

static const char *file_type(const struct op_file *f)
{
	switch (f->kind) {
	case FILE_IMAGE:
		return shown_as_image(f) ? "image" : "file";
	case FILE_AUDIO:
		return "audio";
	case FILE_VOICE:
		return told_as_voice(f) ? "voice" : "audio";
	case FILE_PLAIN:
	case FILE_VIDEO:
	case FILE_CANVAS:
	case FILE_SNIPPET:
		break;
	}
	return "file";
}

static void write_files(struct jw *w, const struct op *op, struct arena *a)
{
	jw_key(w, "files");
	jw_arr(w);
	for (size_t i = 0; i < op->n_files; i++) {
		const struct op_file *f = &op->files[i];
		jw_obj(w);
		jw_kstr(w, "key", f->handle);
		jw_kstr(w, "name", pachca_file_name(f->name, a));
		jw_kstr(w, "file_type", file_type(f));
		jw_kint(w, "size", f->size < 0 ? 0 : f->size > INT32_MAX ? INT32_MAX : f->size);
		if (shown_as_image(f) && f->width > 0 && f->height > 0) {
			jw_kint(w, "width", f->width);
			jw_kint(w, "height", f->height);
		}
		if (told_as_voice(f)) {
			jw_kint(w, "duration_ms", f->duration_ms);
			jw_kstr(w, "waveform", f->waveform);
		}
		jw_obj_end(w);
	}
	jw_arr_end(w);
}

static bool all_uploaded(const struct op *op)
{
	for (size_t i = 0; i < op->n_files; i++)
		if (!op->files[i].handle || !*op->files[i].handle)
			return false;
	return op->n_files > 0;
}

/* ---- requests ---- */

static bool need_id(const char *what, const char *id, struct err *e)
{
	return pachca_is_id(id) || err_set(e, ERR_INTERNAL, "pachca: %s '%s' is not a number", what, id ? id : "");
}

static bool json_body(struct buf *b, struct arena *a, struct http_req *out, struct err *e)
{
	out->content_type = "application/json";
	out->body = pachca_keep(b, a, &out->body_len);
	return out->body || err_set(e, ERR_RECORD, "pachca: the request would be larger than %d bytes", (int)PACHCA_BODY_MAX);
}

static int64_t digits(const char *s) /* of what pachca_is_id accepts: fits */
{
	int64_t v = 0;
	for (; *s; s++)
		v = v * 10 + (*s - '0');
	return v;
}

static void key_id(struct jw *w, const char *key, const char *id)
{
	jw_key(w, key);
	jw_int(w, digits(id));
}

static void build_user(const struct op *op, struct arena *a, struct jw *w)
{
	jw_obj(w);
	jw_key(w, "user");
	jw_obj(w);
	if (op->first && *op->first)
		jw_kstr(w, "first_name", arena_strndup(a, op->first, utf8_cut_cluster(op->first, strlen(op->first), PACHCA_NAME_MAX)));
	if (op->last && *op->last)
		jw_kstr(w, "last_name", arena_strndup(a, op->last, utf8_cut_cluster(op->last, strlen(op->last), PACHCA_NAME_MAX)));
	jw_kstr(w, "email", op->email ? op->email : "");
	if (op->phone && *op->phone)
		jw_kstr(w, "phone_number", op->phone);
	if (op->title && *op->title)
		jw_kstr(w, "title", op->title);
	if (op->role && *op->role)
		jw_kstr(w, "role", op->role);
	jw_kbool(w, "suspended", op->suspended);
	jw_obj_end(w);
	/* Someone without access is not invited, whatever the mapping says of the others. */
	jw_kbool(w, "skip_email_notify", !op->invite || op->suspended);
	jw_obj_end(w);
}

static bool build_message(const struct op *op, struct arena *a, struct jw *w, struct err *e)
{
	bool post = op->key.kind == OP_POST;
	jw_obj(w);
	jw_key(w, "message");
	jw_obj(w);
	if (post) {
		const char *where = op->thread ? op->thread : op->chat;
		if (!need_id(op->thread ? "thread" : "chat", where, e))
			return false;
		if (op->n_files && !all_uploaded(op))
			return err_set(e, ERR_INTERNAL, "pachca: a message's file has not been uploaded");
		jw_kstr(w, "entity_type", op->thread ? "thread" : "discussion");
		key_id(w, "entity_id", where);
	}
	jw_kstr(w, "content", pachca_content(op, a));
	/* An edit leaves the attachments as they are: whether `files` in a PUT replaces or adds is not said, and a key that has been
	 * used once may not be accepted again. */
	if (post && op->n_files)
		write_files(w, op, a);
	const char *label = pachca_label(op, a);
	if (*label)
		jw_kstr(w, "display_name", label);
	if (post && op->avatar && utf8_length(op->avatar) <= PACHCA_AVATAR_MAX)
		jw_kstr(w, "display_avatar_url", op->avatar);
	if (post && op->thread)
		jw_kbool(w, "skip_invite_mentions", true);
	jw_obj_end(w);
	if (post)
		jw_kbool(w, "link_preview", false);
	jw_obj_end(w);
	return true;
}

static bool message_path(const struct op *op, const char *tail, struct arena *a, struct http_req *out, struct err *e)
{
	if (!need_id("message", op->target_id, e))
		return false;
	out->path = arena_fmt(a, "/messages/%s%s", op->target_id, tail);
	return true;
}

/* A thread is a chat of its own for the limits. */
static const char *post_scope(const struct op *op, struct arena *a)
{
	return op->thread ? arena_fmt(a, "thread/%s", op->thread) : op->chat ? op->chat : "";
}

/* A tag joins a chat by its id; one given by name is looked up first (the carry is its id). */
static bool build_tag(const struct target *t, const struct op *op, struct arena *a, struct http_req *out, struct err *e)
{
	const char *tag = op->step > 0 ? op->carry : op->tags[0];
	struct buf b;
	struct jw w;
	buf_init(&b, PACHCA_BODY_MAX);
	if (!pachca_is_id(tag)) {
		buf_adds(&b, "/group_tags?limit=50&names[]=");
		http_escape(&b, tag ? tag : "");
		out->method = "GET";
		out->auth = t->has_admin ? AUTH_ADMIN : AUTH_BOT;
		out->writes = false;
		out->path = pachca_keep(&b, a, NULL);
		return out->path || err_set(e, ERR_RECORD, "pachca: a tag's name is too long");
	}
	jw_init(&w, &b);
	jw_obj(&w);
	jw_key(&w, "group_tag_ids");
	jw_arr(&w);
	jw_int(&w, digits(tag));
	jw_arr_end(&w);
	jw_obj_end(&w);
	out->path = arena_fmt(a, "/chats/%s/group_tags", op->chat);
	return json_body(&b, a, out, e);
}

bool pachca_build(const struct target *t, const struct op *op, struct arena *a, struct http_req *out, struct err *e)
{
	*out = (struct http_req){ .method = "POST", .auth = AUTH_BOT, .rate = REQ_OTHER, .scope = "", .writes = true };
	struct buf b;
	struct jw w;
	buf_init(&b, PACHCA_BODY_MAX);
	jw_init(&w, &b);
	switch (op->key.kind) {
	case OP_USER_CREATE:
		if (!t->has_admin)
			return err_set(e, ERR_TARGET, "people can only be created with an administrator's token, and there is none");
		out->auth = AUTH_ADMIN;
		if (op->account && op->step == 0)
			return pachca_access_build(op->account, op->suspended, a, out, e);
		out->path = "/users";
		build_user(op, a, &w);
		return json_body(&b, a, out, e);
	case OP_CHAT_CREATE:
		out->path = "/chats";
		jw_obj(&w);
		jw_key(&w, "chat");
		jw_obj(&w);
		jw_kstr(&w, "name", op->name ? op->name : "");
		jw_kbool(&w, "channel", op->is_channel);
		jw_kbool(&w, "public", op->is_public);
		if (t->n_others) { /* they write here as well */
			jw_key(&w, "member_ids");
			jw_arr(&w);
			for (size_t i = 0; i < t->n_others; i++)
				jw_int(&w, digits(t->others[i].user_id));
			jw_arr_end(&w);
		}
		jw_obj_end(&w);
		jw_obj_end(&w);
		return json_body(&b, a, out, e);
	case OP_UPLOAD:
		return pachca_upload_build(op, a, out, e);
	case OP_POST:
	case OP_EDIT:
		out->rate = REQ_POST;
		out->scope = post_scope(op, a);
		if (op->key.kind == OP_EDIT) {
			out->method = "PUT";
			if (!message_path(op, "", a, out, e))
				return false;
		} else {
			out->path = "/messages";
			out->carrier = op->n_files ? CARRY_SAME : CARRY_ANY; /* nobody says that a file may be used by another than who uploaded it */
		}
		if (!build_message(op, a, &w, e)) {
			buf_release(&b);
			return false;
		}
		return json_body(&b, a, out, e);
	case OP_DELETE:
		return pachca_undo_build(t, op, post_scope(op, a), a, out, e);
	case OP_THREAD_OPEN:
		return message_path(op, "/thread", a, out, e);
	case OP_PIN:
		return message_path(op, "/pin", a, out, e);
	case OP_REACT:
		if (!message_path(op, "/reactions", a, out, e))
			return false;
		jw_obj(&w);
		if (op->emoji && *op->emoji) {
			jw_kstr(&w, "code", op->emoji);
		} else {
			const char *name = arena_fmt(a, ":%s:", op->emoji_name ? op->emoji_name : "");
			jw_kstr(&w, "code", name);
			jw_kstr(&w, "name", name);
		}
		jw_obj_end(&w);
		return json_body(&b, a, out, e);
	case OP_MEMBERS:
		if (!need_id("chat", op->chat, e))
			return false;
		if (op->n_tags)
			return build_tag(t, op, a, out, e);
		if (op->as) {
			if (op->n_ids != 1 || !need_id("user", op->ids[0], e))
				return err_set(e, ERR_INTERNAL, "pachca: one person becomes %s at a time", op->as);
			out->method = "PUT";
			out->path = arena_fmt(a, "/chats/%s/members/%s", op->chat, op->ids[0]);
			jw_obj(&w);
			jw_kstr(&w, "role", op->as);
			jw_obj_end(&w);
			return json_body(&b, a, out, e);
		}
		out->path = arena_fmt(a, "/chats/%s/members", op->chat);
		for (size_t i = 0; i < op->n_ids; i++)
			if (!need_id("user", op->ids[i], e))
				return false;
		jw_obj(&w);
		jw_key(&w, "member_ids");
		jw_arr(&w);
		for (size_t i = 0; i < op->n_ids; i++)
			jw_int(&w, digits(op->ids[i]));
		jw_arr_end(&w);
		jw_kbool(&w, "silent", true); /* no "X joined" line */
		jw_obj_end(&w);
		return json_body(&b, a, out, e);
	case OP_ARCHIVE:
		if (!need_id("chat", op->chat, e))
			return false;
		out->method = "PUT";
		out->path = arena_fmt(a, "/chats/%s/archive", op->chat);
		return true;
	}
	return err_set(e, ERR_INTERNAL, "pachca: unknown op %d", (int)op->key.kind);
}

/* ---- answers ---- */

static void no(struct outcome *out, enum verdict v, const char *why)
{
	out->v = v;
	out->why = why;
}

static void done(struct outcome *out, const char *id, const char *id2)
{
	*out = (struct outcome){ .v = V_DONE, .id = id, .id2 = id2, .retry_after_s = -1 };
}

static void tag_answer(const struct op *op, const struct http_resp *r, const struct jv *data, struct arena *a, struct outcome *out)
{
	const char *tag = op->step > 0 ? op->carry : op->tags[0];
	if (pachca_is_id(tag)) {
		if (r->status == 204 || http_is_json(r) || !r->len)
			done(out, arena_strdup(a, op->chat), arena_strdup(a, tag));
		return;
	}
	if (!jv_is(data, JV_ARR))
		return;
	jv_each(data, it)
		if (streq(jv_str(jv_get(it, "name")) ? jv_str(jv_get(it, "name")) : "", tag)) {
			const char *id = pachca_id(jv_get(it, "id"), a);
			if (id)
				*out = (struct outcome){ .v = V_MORE, .carry = id, .retry_after_s = -1 };
			return;
		}
	no(out, V_REJECTED, arena_fmt(a, "no_tag: the target has no tag '%s'", tag));
}

/* 2xx: is what we need in it? A success we cannot read is no proof (a proxy's page, a cut body). */
static void read_success(const struct op *op, const struct http_resp *r, struct arena *a, struct outcome *out)
{
	const struct jv *data = NULL;
	const char *id = NULL;
	if (http_is_json(r))
		data = jv_get(jv_parse(a, r->body, r->len, NULL), "data");
	if (data)
		id = pachca_id(jv_get(data, "id"), a);
	switch (op->key.kind) {
	case OP_USER_CREATE:
		if (id && op->suspended && jv_is(jv_get(data, "suspended"), JV_BOOL) && !jv_get_bool(data, "suspended"))
			no(out, V_FATAL, arena_fmt(a, "access_given: account %s was to be made without access and has it; suspend it in Pachca, "
			                              "then run again", id));
		else if (id)
			done(out, id, NULL);
		break;
	case OP_CHAT_CREATE:
		if (id && !op->is_public && jv_get_bool(data, "public"))
			no(out, V_FATAL, arena_fmt(a, "made_public: chat %s was to be private and is public; nothing has been written into it", id));
		else if (id)
			done(out, id, NULL);
		break;
	case OP_POST:
		if (id)
			done(out, id, NULL);
		break;
	case OP_EDIT:
		if (id && streq(id, op->target_id))
			done(out, id, NULL);
		break;
	case OP_THREAD_OPEN: {
		const char *chat = pachca_id(jv_get(data, "chat_id"), a);
		if (id && chat)
			done(out, id, chat);
		break;
	}
	case OP_REACT: {
		/* the spec's answer is the reaction itself, without "data" */
		const struct jv *doc = http_is_json(r) ? jv_parse(a, r->body, r->len, NULL) : NULL;
		if (r->status == 204 || jv_is(doc, JV_OBJ))
			done(out, arena_strdup(a, op->target_id), NULL);
		break;
	}
	case OP_DELETE:
		pachca_undo_done(op, r, a, out);
		break;
	case OP_PIN:
		if (r->status == 204 || http_is_json(r) || !r->len)
			done(out, arena_strdup(a, op->target_id), NULL);
		break;
	case OP_MEMBERS:
		if (op->n_tags) {
			tag_answer(op, r, data, a, out);
			break;
		}
		/* fall through */
	case OP_ARCHIVE:
		if (r->status == 204 || http_is_json(r) || !r->len)
			done(out, arena_strdup(a, op->chat), NULL);
		break;
	case OP_UPLOAD:
		break;
	}
}

/* Ops whose refusal says something about the chat rather than about this one message. */
static bool about_chat(enum op_kind k)
{
	return k == OP_POST || k == OP_MEMBERS || k == OP_ARCHIVE || k == OP_CHAT_CREATE;
}

static void read_refusal(const struct op *op, const struct http_resp *r, const struct pachca_error *pe, struct arena *a, struct outcome *out)
{
	enum op_kind k = op->key.kind;
	bool repeatable = k == OP_REACT || k == OP_PIN || k == OP_ARCHIVE || (k == OP_MEMBERS && op->n_ids == 1);
	if (r->status == 403 && pe->restricted) {
		no(out, V_REST, pe->why);
		out->retry_after_s = r->retry_after_s;
		return;
	}
	if (r->status == 403) {
		/* No permission at all ends the run; no access to this chat ends the chat's lane. */
		if (pe->scope || k == OP_UPLOAD)
			no(out, V_FATAL, pe->why);
		else if (about_chat(k) || k == OP_THREAD_OPEN)
			no(out, V_LANE, pe->why);
		return;
	}
	if (k == OP_DELETE && pachca_undo_refused(op, r, pe, a, out))
		return; /* what was asked for is so */
	if (k == OP_USER_CREATE && op->account && op->step == 0 && r->status == 404) {
		*out = (struct outcome){ .v = V_MORE, .carry = "", .retry_after_s = -1 }; /* that account is no more: a new one */
		return;
	}
	if (r->status == 404 && about_chat(k)) {
		no(out, V_LANE, pe->why);
		return;
	}
	if (pe->rate) {
		no(out, V_THROTTLED, pe->why);
		out->retry_after_s = r->retry_after_s;
	} else if (pe->payment) {
		no(out, V_FATAL, pe->why);
	} else if (k == OP_USER_CREATE && pe->email_taken) {
		/* The account exists, perhaps by our own request whose answer was lost: reading back by e-mail finds it. */
		no(out, V_UNKNOWN, arena_fmt(a, WHY_EXISTED "%s", pe->why));
	} else if (k == OP_USER_CREATE && pe->licenses) {
		no(out, V_REJECTED, arena_fmt(a, "%s: no paid seat is left; free one or buy more, then run again", pe->why));
	} else if (repeatable && pe->already) {
		done(out, arena_strdup(a, k == OP_REACT || k == OP_PIN ? op->target_id : op->chat), NULL);
	} else if (k == OP_POST && pe->absent && !op->n_files) {
		no(out, V_LANE, pe->why); /* the spec has no 404 here: a chat or thread that is not there is named by code */
	}
}

void pachca_parse(const struct target *t, const struct op *op, const struct http_resp *r, struct arena *a, struct outcome *out)
{
	(void)t;
	*out = (struct outcome){ .v = V_UNKNOWN, .why = "unreadable_answer: success was said, but not what was made", .retry_after_s = -1 };
	if (op->key.kind == OP_UPLOAD && op->step > 0) {
		pachca_upload_parse(op, r, a, out); /* the storage's answer, not Pachca's */
		return;
	}
	enum verdict v = http_verdict(r);
	if (v == V_DONE) {
		if (op->key.kind == OP_UPLOAD)
			pachca_upload_parse(op, r, a, out);
		else
			read_success(op, r, a, out);
		return;
	}
	struct pachca_error pe;
	pachca_read_error(r, op->body, a, &pe);
	no(out, v, pe.why);
	if (v == V_THROTTLED)
		out->retry_after_s = r->retry_after_s;
	else if (r->status == 402)
		no(out, V_FATAL, arena_fmt(a, "%s: the company's Pachca plan does not include this", pe.why));
	else if (v == V_REJECTED)
		read_refusal(op, r, &pe, a, out);
}
