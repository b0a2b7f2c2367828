/* sb_messages.c: messages and threads: posting, listing, changing, deleting. Reactions and pins are in sb_marks.c.
 * Sources: the vendor's spec and pages; "assumed" where they are silent. Posting costs a constant number of statements. */
#include "sandbox/sb.h"

#include <string.h>

#define MSG_COLS "id,chat,root_chat,entity_type,entity_id,content,user,bot,display_name,avatar,parent,buttons,n_files,thread," \
	"thread_chat,created,changed,deleted"

static void files_json(struct sb_req *r, int64_t message, bool voice)
{
	struct jw *w = &r->w;
	bool found = false;
	sqlite3_stmt *st = sb_q(r->s, "SELECT id,key,name,file_type,width,height,duration,waveform FROM files WHERE message=?1 ORDER BY id",
	                        "i", message);
	while (sb_row(r->s, st)) {
		if (voice && !streq(sb_text(st, 3), "voice"))
			continue;
		jw_obj(w);
		if (voice) {
			found = true;
			jw_kint(w, "duration_ms", sqlite3_column_int64(st, 6));
			jw_kstr(w, "waveform", sb_text(st, 7));
			sb_knull(w, "transcript", NULL);
			jw_obj_end(w);
			sqlite3_reset(st);
			break;
		}
		jw_kint(w, "id", sqlite3_column_int64(st, 0));
		jw_kstr(w, "key", sb_text(st, 1));
		jw_kstr(w, "name", sb_text(st, 2));
		jw_kstr(w, "file_type", sb_text(st, 3));
		jw_kstr(w, "url", arena_fmt(&r->a, "%s/sandbox/ui/file?id=%lld", sb_here(r),
		                            (long long)sqlite3_column_int64(st, 0)));
		for (int i = 4; i <= 5; i++) {
			jw_key(w, i == 4 ? "width" : "height");
			if (sqlite3_column_type(st, i) == SQLITE_NULL)
				jw_null(w);
			else
				jw_int(w, sqlite3_column_int64(st, i));
		}
		jw_obj_end(w);
	}
	if (voice && !found)
		jw_null(w);
}

static bool message_json(struct sb_req *r, int64_t id)
{
	struct jw *w = &r->w;
	sqlite3_stmt *st = sb_q(r->s, "SELECT " MSG_COLS " FROM messages WHERE id=?1", "i", id);
	if (!sb_row(r->s, st)) {
		jw_null(w);
		return false;
	}
	bool files = sqlite3_column_int64(st, 12) > 0;
	jw_obj(w);
	jw_kint(w, "id", id);
	jw_kstr(w, "entity_type", sb_text(st, 3));
	jw_kint(w, "entity_id", sqlite3_column_int64(st, 4));
	jw_kint(w, "chat_id", sqlite3_column_int64(st, 1));
	jw_kint(w, "root_chat_id", sqlite3_column_int64(st, 2));
	jw_kstr(w, "content", sb_text(st, 5));
	jw_kint(w, "user_id", sqlite3_column_int64(st, 6));
	sb_ktime(w, "created_at", sqlite3_column_int64(st, 15));
	jw_kstr(w, "url", arena_fmt(&r->a, "%s/?chat=%lld&message=%lld", sb_here(r),
	                            (long long)sqlite3_column_int64(st, 1), (long long)id));
	jw_key(w, "files");
	jw_arr(w);
	if (files)
		files_json(r, id, false);
	jw_arr_end(w);
	jw_key(w, "voice_content");
	if (files)
		files_json(r, id, true);
	else
		jw_null(w);
	jw_key(w, "buttons");
	const struct jv *buttons = sb_text(st, 11) ? jv_parse(&r->a, sb_text(st, 11), strlen(sb_text(st, 11)), NULL) : NULL;
	sb_write(w, buttons, NULL);
	jw_key(w, "thread");
	if (sqlite3_column_int64(st, 13)) {
		jw_obj(w);
		jw_kint(w, "id", sqlite3_column_int64(st, 13));
		jw_kint(w, "chat_id", sqlite3_column_int64(st, 14));
		jw_obj_end(w);
	} else {
		jw_null(w);
	}
	sb_knull(w, "forwarding", NULL);
	jw_key(w, "parent_message_id");
	if (sqlite3_column_type(st, 10) == SQLITE_NULL)
		jw_null(w);
	else
		jw_int(w, sqlite3_column_int64(st, 10));
	if (sqlite3_column_int(st, 7)) { /* only on messages from bots */
		sb_knull(w, "display_avatar_url", sb_text(st, 9));
		sb_knull(w, "display_name", sb_text(st, 8));
	}
	sb_ktime(w, "changed_at", sqlite3_column_int64(st, 16));
	if (sqlite3_column_type(st, 17) == SQLITE_NULL)
		sb_knull(w, "deleted_at", NULL);
	else
		sb_ktime(w, "deleted_at", sqlite3_column_int64(st, 17));
	jw_obj_end(w);
	sqlite3_reset(st);
	return true;
}

static void message_answer(struct sb_req *r, int status, int64_t id)
{
	sb_data(r, status);
	message_json(r, id);
	sb_data_end(r);
}

/* ---- what a message may contain ---- */

static const char *extension(const char *name)
{
	const char *slash = strrchr(name, '/'), *dot = strrchr(slash ? slash : name, '.');
	return dot ? dot : "";
}

static bool one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (streq(*words, word))
			return true;
	return false;
}

static const char *const file_types[] = { "file", "image", "audio", "voice", NULL };

static void check_files(struct sb_req *r, const struct jv *files, bool creating)
{
	static const struct sb_field make[] = {
		{ "key", FT_STR, REQUIRED, 0 }, { "name", FT_STR, REQUIRED, 0 }, { "file_type", FT_STR, REQUIRED, 0 }, { "size", FT_INT, REQUIRED, 0 },
		{ "width", FT_INT, OPTIONAL, 0 }, { "height", FT_INT, OPTIONAL, 0 }, { "duration_ms", FT_INT, OPTIONAL, 0 },
		{ "waveform", FT_STR, OPTIONAL, 256 },
	};
	static const struct sb_field change[] = {
		{ "key", FT_STR, REQUIRED, 0 }, { "name", FT_STR, REQUIRED, 0 }, { "file_type", FT_STR, OPTIONAL, 0 }, { "size", FT_INT, OPTIONAL, 0 },
		{ "width", FT_INT, OPTIONAL, 0 }, { "height", FT_INT, OPTIONAL, 0 }, { "duration_ms", FT_INT, OPTIONAL, 0 },
		{ "waveform", FT_STR, OPTIONAL, 256 },
	};
	jv_each(files, f) {
		if (!sb_check(r, f, "files", creating ? make : change, countof(make)))
			continue;
		const char *key = jv_str(jv_get(f, "key")), *name = jv_str(jv_get(f, "name")), *type = jv_str(jv_get(f, "file_type"));
		if (type && !one_of(type, file_types)) {
			sb_error(r, 400, "file_type", type, "inclusion", "Is not included in the list");
		} else if (sb_int(r->s, -1, "SELECT size FROM uploads WHERE key=?1", "s", key) < 0) {
			sb_error(r, 422, "key", key, "wrong_params", "No such uploaded file");
		} else if (!streq(extension(key), extension(name))) {
			sb_error(r, 422, "name", name, "wrong_params", "The extension differs from that of the key");
		} else if (type && streq(type, "voice")) {
			if (jv_get_int(f, "duration_ms", 0) < 1)
				sb_error(r, 422, "duration_ms", NULL, "required", "A voice message needs its duration");
			if (!jv_get(f, "waveform"))
				sb_error(r, 422, "waveform", NULL, "required", "A voice message needs its waveform");
		}
	}
}

static void check_buttons(struct sb_req *r, const struct jv *buttons)
{
	static const struct sb_field one[] = { { "text", FT_STR, REQUIRED, 255 }, { "url", FT_STR, OPTIONAL, 0 }, { "data", FT_STR, OPTIONAL, 255 } };
	size_t n = 0;
	jv_each(buttons, row) {
		n += row->n;
		if (row->type != JV_ARR || row->n > 8)
			sb_error(r, 422, "buttons", NULL, "invalid", "Rows of at most 8 buttons are expected");
		else
			jv_each(row, b)
				SB_CHECK(r, b, "buttons", one);
	}
	if (n > 100)
		sb_error(r, 422, "buttons", NULL, "invalid", "At most 100 buttons");
}

static bool check_content(struct sb_req *r, const struct jv *m, bool creating)
{
	const struct jv *c = jv_get(m, "content"), *files = jv_get(m, "files"), *buttons = jv_get(m, "buttons");
	check_files(r, files, creating);
	check_buttons(r, buttons);
	if (c && c->len > SB_TEXT_MAX)
		sb_error(r, 422, "content", NULL, "too_long", "Too long (maximum is 40000 bytes)");
	if (c && !c->s[strspn(c->s, " \t\r\n")] && !(files && files->n) && !(buttons && buttons->n))
		sb_error(r, 422, "content", c->s, "blank", "Can't be blank");
	for (int i = 0; i < 2 && !r->tok->bot; i++) {
		const char *only = i ? "display_avatar_url" : "display_name";
		if (jv_get(m, only))
			sb_error(r, 422, only, jv_str(jv_get(m, only)), "not_authorized", "Only a bot's token may set it");
	}
	return r->n_errors == 0;
}

/* `<@id>` becomes `@nickname` (the spec). Whoever is mentioned goes to people[]. */
static const char *mentions(struct sb_req *r, const char *text, int64_t *people, size_t *n, size_t max)
{
	struct sandbox *s = r->s;
	if (!strchr(text, '@'))
		return text;
	struct buf out;
	buf_init(&out, 1 << 20);
	for (const char *p = text; *p;) {
		size_t digits = p[0] == '<' && p[1] == '@' ? strspn(p + 2, "0123456789") : 0;
		if (digits && digits < 10 && p[2 + digits] == '>') {
			int64_t id = 0;
			for (size_t i = 0; i < digits; i++)
				id = id * 10 + (p[2 + i] - '0');
			char *nick = sb_str(s, &r->a, "SELECT nickname FROM users WHERE id=?1 AND NOT deleted", "i", id);
			if (nick) {
				buf_addf(&out, "@%s", nick);
				p += digits + 3;
				if (*n < max)
					people[(*n)++] = id;
				continue;
			}
		}
		if (*p == '@' && (p == text || strchr(" \t\r\n(<,;:", p[-1]))) {
			size_t len = strcspn(p + 1, " \t\r\n@<>(),;:!?*`\"");
			while (len && p[len] == '.')
				len--;
			int64_t id = len && len < 256 ? sb_int(s, 0, "SELECT id FROM users WHERE nickname=?1 AND NOT deleted", "s",
			                                        arena_strndup(&r->a, p + 1, len)) : 0;
			if (id && *n < max)
				people[(*n)++] = id;
		}
		buf_addc(&out, *p++);
	}
	char *made = arena_strndup(&r->a, out.p, out.len);
	buf_release(&out);
	return made;
}

static void put_files(struct sb_req *r, int64_t message, const struct jv *files)
{
	struct sandbox *s = r->s;
	sb_run(s, "DELETE FROM files WHERE message=?1", "i", message);
	jv_each(files, f) {
		const char *type = jv_str(jv_get(f, "file_type"));
		sb_run(s, "INSERT INTO files(message,key,name,file_type,size,width,height,duration,waveform) VALUES(?1,?2,?3,?4,?5,nullif(?6,-1),"
		          "nullif(?7,-1),nullif(?8,-1),?9)", "isssiiiis", message, jv_str(jv_get(f, "key")), jv_str(jv_get(f, "name")),
		       type ? type : "file", jv_get_int(f, "size", 0), jv_get_int(f, "width", -1), jv_get_int(f, "height", -1),
		       jv_get_int(f, "duration_ms", -1), jv_str(jv_get(f, "waveform")));
	}
	sb_run(s, "UPDATE messages SET n_files=?2 WHERE id=?1", "ii", message, files ? (int64_t)files->n : INT64_C(0));
}

/* ---- posting ---- */

struct post {
	struct sb_chat c;
	const char *type; int64_t entity;
	const char *content, *label, *avatar, *buttons;
	int64_t user, parent, lag;
	bool bot;
	enum sb_notice notice;
};

static int64_t insert(struct sandbox *s, const struct post *p)
{
	sb_run(s, "INSERT INTO messages(chat,root_chat,entity_type,entity_id,content,user,bot,display_name,avatar,parent,buttons,created,changed,"
	          "visible) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,nullif(?10,0),?11,?12,?12,?13)", "iisisiissisii", p->c.id,
	       p->c.kind == SB_THREAD && p->c.parent ? p->c.parent : p->c.id, p->type, p->entity, p->content, p->user, (int64_t)p->bot,
	       p->label, p->avatar, p->parent, p->buttons, s->now, s->now + p->lag);
	int64_t id = sqlite3_last_insert_rowid(s->db);
	sb_run(s, "UPDATE chats SET n_messages=n_messages+1,n_notify=n_notify+?3,last_message=?2 WHERE id=?1", "iii", p->c.id, s->now,
	       (int64_t)(p->notice == NOTIFY));
	if (p->notice == NOTIFY) /* not to its author */
		sb_run(s, "UPDATE members SET base=base+1 WHERE chat=?1 AND user=?2", "ii", p->c.id, p->user);
	if (p->c.kind == SB_THREAD)
		sb_run(s, "UPDATE threads SET updated=?2 WHERE id=?1", "ii", p->c.thread, s->now);
	return id;
}

int64_t sb_message_plain(struct sandbox *s, int64_t chat, int64_t user, const char *text, enum sb_notice notice)
{
	struct post p = { .content = text, .user = user, .notice = notice };
	if (!sb_chat_get(s, chat, user, &p.c))
		return 0;
	sb_member_add(s, chat, user, SILENT);
	p.type = p.c.kind == SB_THREAD ? "thread" : "discussion";
	p.entity = p.c.kind == SB_THREAD ? p.c.thread : chat;
	return insert(s, &p);
}

/* The one-to-one of the token's owner and a person, made on first use (the spec). */
static int64_t one_to_one(struct sb_req *r, int64_t with)
{
	struct sandbox *s = r->s;
	int64_t me = r->tok->user, low = me < with ? me : with, high = me < with ? with : me;
	const char *pair = arena_fmt(&r->a, "%lld:%lld", (long long)low, (long long)high);
	int64_t id = sb_int(s, 0, "SELECT id FROM chats WHERE pair=?1", "s", pair);
	if (!id) {
		id = sb_chat_add(s, SB_DM, "", me, false, false, 0);
		sb_run(s, "UPDATE chats SET pair=?2 WHERE id=?1", "is", id, pair);
		sb_member_add(s, id, with, SILENT);
	}
	return id;
}

/* Which chat the request names; 0 when there is none (an error has been written). */
static bool find_place(struct sb_req *r, const struct jv *m, struct post *p)
{
	struct sandbox *s = r->s;
	const char *type = jv_str(jv_get(m, "entity_type"));
	int64_t id = jv_get_int(m, "entity_id", 0);
	type = type ? sb_fold(&r->a, type) : "discussion"; /* case-insensitive (the spec) */
	if (streq(type, "discussion")) {
		p->c.id = id;
	} else if (streq(type, "thread")) {
		p->c.id = sb_int(s, 0, "SELECT chat FROM threads WHERE id=?1", "i", id);
	} else if (streq(type, "user")) {
		if (id == r->tok->user || !sb_int(s, 0, "SELECT 1 FROM users WHERE id=?1 AND NOT deleted AND NOT suspended", "i", id))
			return sb_error(r, 422, "entity_id", NULL, "not_found", "User not found");
		p->c.id = one_to_one(r, id);
	} else {
		return sb_error(r, 400, "entity_type", type, "invalid", "Is invalid");
	}
	if (!sb_chat_get(s, p->c.id, r->tok->user, &p->c))
		return sb_error(r, 422, "entity_id", NULL, "not_found", "Chat not found");
	p->type = p->c.kind == SB_THREAD ? "thread" : p->c.kind == SB_DM ? "user" : "discussion";
	p->entity = p->c.kind == SB_THREAD ? p->c.thread : p->c.kind == SB_DM && streq(type, "user") ? id : p->c.id;
	if (p->c.kind == SB_DM && !streq(type, "user"))
		p->entity = sb_int(s, id, "SELECT user FROM members WHERE chat=?1 AND user<>?2", "ii", p->c.id, r->tok->user);
	return true;
}

static bool may_write(struct sb_req *r, const struct sb_chat *c)
{
	bool in = c->member || (c->kind == SB_THREAD && c->sees);
	if (!in)
		return sb_denied(r, 403, "forbidden", "You are not a member of the chat");
	if (c->archived)
		return sb_denied(r, 403, "forbidden", "The chat is archived");
	if (c->channel && streq(c->role, "member"))
		return sb_denied(r, 403, "forbidden", "Only editors and admins write in a channel");
	return true;
}

void sb_messages_create(struct sb_req *r)
{
	static const struct sb_field top[] = { { "message", FT_OBJ, REQUIRED, 0 }, { "link_preview", FT_BOOL, OPTIONAL, 0 } };
	static const struct sb_field inner[] = {
		{ "entity_type", FT_STR, OPTIONAL, 0 }, { "entity_id", FT_INT, REQUIRED, 0 }, { "content", FT_STR, REQUIRED, 0 },
		{ "files", FT_ARR, OPTIONAL, 0 }, { "buttons", FT_ARR, OPTIONAL, 0 }, { "parent_message_id", FT_INT, OPTIONAL, 0 },
		{ "display_avatar_url", FT_STR, OPTIONAL, 255 }, { "display_name", FT_STR, OPTIONAL, 255 },
		{ "skip_invite_mentions", FT_BOOL, OPTIONAL, 0 },
	};
	struct sandbox *s = r->s;
	const struct jv *m = jv_get(r->json, "message"), *buttons = jv_get(m, "buttons");
	struct post p = { .user = r->tok->user, .bot = r->tok->bot, .lag = r->lag, .notice = NOTIFY };
	if (!SB_CHECK(r, r->json, "", top) || !SB_CHECK(r, m, "message", inner) || !find_place(r, m, &p))
		return;
	r->chat = p.c.id;
	if (!sb_limit(r, SBC_POST, p.c.id) || !may_write(r, &p.c) || !check_content(r, m, true))
		return;
	p.parent = jv_get_int(m, "parent_message_id", 0);
	if (p.parent && !sb_int(s, 0, "SELECT 1 FROM messages WHERE id=?1 AND chat=?2 AND deleted IS NULL", "ii", p.parent, p.c.id)) {
		sb_error(r, 422, "parent_message_id", NULL, "not_found", "No such message in this chat");
		return;
	}
	if (r->rule && r->rule->action == SBF_FOREIGN)
		sb_foreign(s, p.c.id, r->rule->text);
	int64_t people[64];
	size_t n = 0;
	p.content = mentions(r, jv_str(jv_get(m, "content")), people, &n, countof(people));
	p.label = jv_str(jv_get(m, "display_name"));
	p.avatar = jv_str(jv_get(m, "display_avatar_url"));
	if (buttons && buttons->n) {
		struct buf b;
		struct jw w;
		buf_init(&b, SB_BODY_MAX);
		jw_init(&w, &b);
		sb_write(&w, buttons, NULL);
		p.buttons = arena_strndup(&r->a, b.p, b.len);
		buf_release(&b);
	}
	if (p.c.kind == SB_THREAD) { /* who writes or is mentioned in a thread takes part in it from then on */
		sb_member_add(s, p.c.id, p.user, SILENT);
		for (size_t i = 0; i < n && !jv_get_bool(m, "skip_invite_mentions"); i++)
			sb_member_add(s, p.c.id, people[i], SILENT);
	}
	int64_t id = insert(s, &p);
	const struct jv *files = jv_get(m, "files");
	if (files && files->n)
		put_files(r, id, files);
	message_answer(r, 201, id);
	if (r->rule && r->rule->action == SBF_FOREIGN_AFTER)
		sb_foreign(s, p.c.id, r->rule->text);
}

/* ---- reading and changing ---- */

bool sb_message_open(struct sb_req *r, int64_t id, bool writing, struct sb_chat *c)
{
	int64_t chat = sb_int(r->s, 0, "SELECT chat FROM messages WHERE id=?1 AND (deleted IS NULL OR ?2=0)", "ii", id, (int64_t)writing);
	if (!chat || !sb_chat_get(r->s, chat, r->tok->user, c))
		return sb_missing(r);
	if (!c->sees) {
		/* Who takes part in a thread sees its root message, too. */
		int64_t thread = sb_int(r->s, 0, "SELECT thread_chat FROM messages WHERE id=?1", "i", id);
		if (writing || !thread || !sb_int(r->s, 0, "SELECT 1 FROM members WHERE chat=?1 AND user=?2", "ii", thread, r->tok->user))
			return sb_missing(r);
	}
	r->chat = chat;
	if (writing && c->archived)
		return sb_denied(r, 403, "forbidden", "The chat is archived");
	return true;
}

static void listed(struct sb_req *r, int64_t id)
{
	message_json(r, id);
}

void sb_messages_list(struct sb_req *r)
{
	static const char *const sorts[] = { "id", NULL }, *const orders[] = { "desc", "asc", NULL };
	struct sb_page p;
	struct sb_chat c;
	if (!sb_query(r, "chat_id")) {
		sb_error(r, 400, "chat_id", NULL, "blank", "Can't be blank");
		return;
	}
	int64_t chat = sb_query_int(r, "chat_id", 0, 0, INT32_MAX);
	int order = sb_query_enum(r, "order", orders, 0);
	if (sb_query_enum(r, "sort", sorts, 0) < 0 || r->n_errors || !sb_page_open(r, &p, order == 0, 50, 50))
		return;
	if (!sb_chat_get(r->s, chat, r->tok->user, &c) || !c.sees) {
		sb_missing(r);
		return;
	}
	sb_page_rows(r, &p, sb_q(r->s, SB_PAGE_SQL(&p, "SELECT id,id FROM messages WHERE chat=?4 AND deleted IS NULL AND visible<=?5", "id", "id"),
	                         "iiiii", p.k, p.id, p.limit + 1, chat, r->s->now));
	sb_page_answer(r, &p, listed);
}

void sb_messages_get(struct sb_req *r)
{
	struct sb_chat c;
	if (sb_message_open(r, r->arg[0], false, &c))
		message_answer(r, 200, r->arg[0]);
}

/* The sender, the chat's admins and editors; in a one-to-one both (the vendor's page). */
static bool may_change(struct sb_req *r, const struct sb_chat *c)
{
	int64_t author = sb_int(r->s, 0, "SELECT user FROM messages WHERE id=?1", "i", r->arg[0]);
	if (author == r->tok->user || (c->member && (c->kind == SB_DM || !streq(c->role, "member"))))
		return true;
	return sb_denied(r, 403, "forbidden", "Only the sender and the admins and editors of the chat may do that");
}

void sb_messages_update(struct sb_req *r)
{
	static const struct sb_field top[] = { { "message", FT_OBJ, REQUIRED, 0 } };
	static const struct sb_field inner[] = {
		{ "content", FT_STR, OPTIONAL, 0 }, { "files", FT_ARR, OPTIONAL, 0 }, { "buttons", FT_ARR, OPTIONAL, 0 },
		{ "display_avatar_url", FT_STR, OPTIONAL, 255 }, { "display_name", FT_STR, OPTIONAL, 255 },
	};
	struct sandbox *s = r->s;
	struct sb_chat c;
	int64_t id = r->arg[0];
	const struct jv *m = jv_get(r->json, "message"), *v;
	if (!sb_message_open(r, id, true, &c) || !sb_limit(r, SBC_POST, c.id) || !may_change(r, &c) || !SB_CHECK(r, r->json, "", top) ||
	    !SB_CHECK(r, m, "message", inner) || !check_content(r, m, false))
		return;
	int64_t people[64];
	size_t n = 0;
	if ((v = jv_get(m, "content")))
		sb_run(s, "UPDATE messages SET content=?2 WHERE id=?1", "is", id, mentions(r, v->s, people, &n, countof(people)));
	if ((v = jv_get(m, "display_name")))
		sb_run(s, "UPDATE messages SET display_name=nullif(?2,'') WHERE id=?1", "is", id, v->s);
	if ((v = jv_get(m, "display_avatar_url")))
		sb_run(s, "UPDATE messages SET avatar=nullif(?2,'') WHERE id=?1", "is", id, v->s);
	if ((v = jv_get(m, "files")))
		put_files(r, id, v);
	if ((v = jv_get(m, "buttons"))) {
		struct buf b;
		struct jw w;
		buf_init(&b, SB_BODY_MAX);
		jw_init(&w, &b);
		sb_write(&w, v, NULL);
		sb_run(s, "UPDATE messages SET buttons=?2 WHERE id=?1", "is", id, v->n ? b.p : NULL);
		buf_release(&b);
	}
	sb_run(s, "UPDATE messages SET changed=?2 WHERE id=?1", "ii", id, s->now);
	message_answer(r, 200, id);
}

void sb_messages_delete(struct sb_req *r)
{
	struct sb_chat c;
	if (!sb_message_open(r, r->arg[0], true, &c) || !sb_limit(r, SBC_POST, c.id) || !may_change(r, &c))
		return;
	sb_run(r->s, "UPDATE messages SET deleted=?2,pinned=0 WHERE id=?1", "ii", r->arg[0], r->s->now);
	sb_run(r->s, "UPDATE chats SET n_messages=n_messages-1 WHERE id=?1", "i", c.id);
	sb_empty(r);
}

void sb_readers(struct sb_req *r)
{
	struct sb_chat c;
	struct sb_page p;
	if (!sb_message_open(r, r->arg[0], true, &c) || !sb_page_open(r, &p, false, 300, 300))
		return;
	p.ids = p.ks = NULL; /* nobody reads in a sandbox */
	sb_page_answer(r, &p, sb_user_json);
}

/* ---- threads ---- */

static void thread_json(struct sb_req *r, int64_t id)
{
	struct jw *w = &r->w;
	sqlite3_stmt *st = sb_q(r->s, "SELECT chat,message,message_chat,updated FROM threads WHERE id=?1", "i", id);
	if (!sb_row(r->s, st)) {
		jw_null(w);
		return;
	}
	jw_obj(w);
	jw_kint(w, "id", id);
	jw_kint(w, "chat_id", sqlite3_column_int64(st, 0));
	for (int i = 1; i <= 2; i++) {
		jw_key(w, i == 1 ? "message_id" : "message_chat_id");
		if (sqlite3_column_type(st, i) == SQLITE_NULL)
			jw_null(w);
		else
			jw_int(w, sqlite3_column_int64(st, i));
	}
	sb_ktime(w, "updated_at", sqlite3_column_int64(st, 3));
	jw_obj_end(w);
	sqlite3_reset(st);
}

static void thread_answer(struct sb_req *r, int status, int64_t id)
{
	sb_data(r, status);
	thread_json(r, id);
	sb_data_end(r);
}

static int64_t thread_add(struct sb_req *r, int64_t message, int64_t chat)
{
	struct sandbox *s = r->s;
	int64_t own = sb_chat_add(s, SB_THREAD, "", r->tok->user, false, false, chat);
	sb_run(s, "INSERT INTO threads(chat,message,message_chat,updated) VALUES(?1,nullif(?2,0),nullif(?3,0),?4)", "iiii", own, message, chat,
	       s->now);
	int64_t id = sqlite3_last_insert_rowid(s->db);
	sb_run(s, "UPDATE chats SET thread=?2 WHERE id=?1", "ii", own, id);
	if (message) {
		sb_run(s, "UPDATE messages SET thread=?2,thread_chat=?3 WHERE id=?1", "iii", message, id, own);
		/* The author of the root takes part (assumed). */
		sb_member_add(s, own, sb_int(s, 0, "SELECT user FROM messages WHERE id=?1", "i", message), SILENT);
	}
	return id;
}

void sb_threads_open(struct sb_req *r)
{
	struct sb_chat c;
	int64_t message = r->arg[0];
	if (!sb_message_open(r, message, false, &c))
		return;
	if (sb_int(r->s, 0, "SELECT 1 FROM messages WHERE id=?1 AND deleted IS NOT NULL", "i", message)) {
		sb_missing(r);
		return;
	}
	if (c.kind == SB_THREAD) {
		sb_error(r, 400, "id", NULL, "thread_message", "A message in a thread has no thread");
		return;
	}
	int64_t id = sb_int(r->s, 0, "SELECT thread FROM messages WHERE id=?1", "i", message);
	if (!id && !c.member) {
		sb_denied(r, 403, "forbidden", "You are not a member of the chat");
		return;
	}
	if (!id && c.archived) {
		sb_denied(r, 403, "forbidden", "The chat is archived");
		return;
	}
	thread_answer(r, 201, id ? id : thread_add(r, message, c.id));
}

void sb_threads_create(struct sb_req *r)
{
	thread_answer(r, 201, thread_add(r, 0, 0));
}

void sb_threads_list(struct sb_req *r)
{
	int64_t after = 0, before = INT64_MAX;
	struct sb_page p;
	sb_query_time(r, "last_message_at_after", &after);
	sb_query_time(r, "last_message_at_before", &before);
	if (r->n_errors || !sb_page_open(r, &p, true, 50, 50))
		return;
	sb_page_rows(r, &p, sb_q(r->s, SB_PAGE_SQL(&p, "SELECT updated,id FROM threads WHERE updated>=?4 AND updated<=?5 AND EXISTS(SELECT 1 FROM "
	                                               "members WHERE user=?6 AND (chat=threads.chat OR chat=message_chat))", "updated", "id"),
	                         "iiiiii", p.k, p.id, p.limit + 1, after, before, r->tok->user));
	sb_page_answer(r, &p, thread_json);
}

void sb_threads_get(struct sb_req *r)
{
	struct sb_chat c;
	int64_t chat = sb_int(r->s, 0, "SELECT chat FROM threads WHERE id=?1", "i", r->arg[0]);
	if (!chat || !sb_chat_get(r->s, chat, r->tok->user, &c) || !c.sees)
		sb_missing(r);
	else
		thread_answer(r, 200, r->arg[0]);
}
