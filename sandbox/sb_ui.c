/* sb_ui.c: the page on / and the JSON it reads under /sandbox/ui/…; everything a page of at most 50 or 100 rows, by index.
 * Only reads. Uploaded bytes go out as images, sound or downloads, never as something a browser would run. */
#include "sandbox/sb.h"

#include "core/utf8.h"

#include "embed/sandbox/page/icon.svg.h"
#include "embed/sandbox/page/index.html.h"
#include "embed/sandbox/page/page.css.h"
#include "embed/sandbox/page/page.js.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 50, CHAT_ROWS = 100, FOUND_ROWS = 50 };

static int64_t arg(struct sb_req *r, const char *key, int64_t otherwise)
{
	const char *t = sb_query(r, key);
	return t && *t ? strtoll(t, NULL, 10) : otherwise;
}

static void page(struct sb_req *r, const unsigned char *bytes, size_t n, const char *type)
{
	buf_reset(&r->out);
	buf_add(&r->out, bytes, n);
	r->type = type;
	r->csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
	         "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

static void summary(struct sb_req *r)
{
	struct sandbox *s = r->s;
	struct jw *w = &r->w;
	jw_obj(w);
	jw_kint(w, "chats", sb_int(s, 0, "SELECT count(*) FROM chats WHERE kind<>1", ""));
	jw_kint(w, "messages", sb_int(s, 0, "SELECT coalesce(sum(n_messages),0) FROM chats", ""));
	jw_kint(w, "users", sb_int(s, 0, "SELECT count(*) FROM users WHERE NOT deleted AND NOT bot", ""));
	jw_kint(w, "notifications", sb_notifications(s, -1));
	jw_kint(w, "invitations", sb_int(s, 0, "SELECT coalesce(sum(invited),0) FROM users", ""));
	jw_kbool(w, "limits", s->limits);
	jw_kbool(w, "sources", s->source != NULL);
	jw_kstr(w, "lang", r->lang && (strncmp(r->lang, "ru", 2) == 0 || strstr(r->lang, ",ru") || strstr(r->lang, ", ru")) ? "ru" : "en");
	jw_obj_end(w);
}

#define FULL_NAME "trim(coalesce(first_name,'')||' '||coalesce(last_name,''))"

static void chat_row(struct sb_req *r, sqlite3_stmt *st)
{
	struct jw *w = &r->w;
	jw_obj(w);
	jw_kint(w, "id", sqlite3_column_int64(st, 0));
	jw_kstr(w, "name", sb_text(st, 1));
	jw_kint(w, "kind", sqlite3_column_int64(st, 2));
	jw_kbool(w, "public", sqlite3_column_int(st, 3) != 0);
	jw_kbool(w, "channel", sqlite3_column_int(st, 4) != 0);
	jw_kbool(w, "archived", sqlite3_column_int(st, 5) != 0);
	jw_kint(w, "messages", sqlite3_column_int64(st, 6));
	jw_kint(w, "members", sqlite3_column_int64(st, 7));
	jw_obj_end(w);
}

#define CHAT_COLS "SELECT id,CASE kind WHEN 2 THEN coalesce((SELECT group_concat(n,', ') FROM (SELECT coalesce(nullif(" FULL_NAME ",''),nickname) n " \
	"FROM members JOIN users ON users.id=user WHERE chat=chats.id)),'') ELSE name END,kind,public,channel,archived,n_messages," \
	"(SELECT count(*) FROM members WHERE chat=chats.id) FROM chats "

static void chats(struct sb_req *r)
{
	struct sandbox *s = r->s;
	const char *q = sb_query(r, "q");
	struct jw *w = &r->w;
	int64_t skip = arg(r, "skip", 0), n = 0;
	char *like = sb_fold(&r->a, q ? q : "");
	sqlite3_stmt *st = sb_q(s, CHAT_COLS "WHERE (kind<>1 OR parent IS NULL) AND (?1='' OR instr(fold(name),?1)) "
	                             "ORDER BY archived,fold(name),id LIMIT ?2 OFFSET ?3", "sii", like, (int64_t)CHAT_ROWS + 1, skip);
	jw_obj(w);
	jw_key(w, "chats");
	jw_arr(w);
	while (n < CHAT_ROWS && sb_row(s, st)) {
		chat_row(r, st);
		n++;
	}
	jw_arr_end(w);
	jw_kbool(w, "more", n == CHAT_ROWS && sb_row(s, st));
	jw_obj_end(w);
}

static void message(struct sb_req *r, int64_t id)
{
	struct sandbox *s = r->s;
	struct jw *w = &r->w;
	sqlite3_stmt *st = sb_q(s, "SELECT content,display_name,coalesce(nullif(" FULL_NAME ",''),nickname),messages.created,changed,pinned,parent,"
	                           "thread_chat,n_files,n_reactions,messages.bot,chat,(SELECT n_messages FROM chats WHERE chats.id=thread_chat),"
	                           "(SELECT coalesce(display_name,'')||': '||substr(content,1,80) FROM messages p WHERE p.id=messages.parent),buttons "
	                           "FROM messages JOIN users ON users.id=user WHERE messages.id=?1", "i", id);
	if (!sb_row(s, st))
		return;
	int64_t files = sqlite3_column_int64(st, 8), reactions = sqlite3_column_int64(st, 9);
	jw_obj(w);
	jw_kint(w, "id", id);
	jw_kint(w, "chat", sqlite3_column_int64(st, 11));
	jw_kstr(w, "text", sb_text(st, 0));
	jw_kstr(w, "label", sb_text(st, 1));
	jw_kstr(w, "author", sb_text(st, 2));
	jw_kbool(w, "bot", sqlite3_column_int(st, 10) != 0);
	sb_ktime(w, "time", sqlite3_column_int64(st, 3));
	jw_kbool(w, "edited", sqlite3_column_int64(st, 4) != sqlite3_column_int64(st, 3));
	jw_kbool(w, "pinned", sqlite3_column_int(st, 5) != 0);
	jw_kstr(w, "reply", sb_text(st, 13));
	if (sqlite3_column_type(st, 7) != SQLITE_NULL) {
		jw_kint(w, "thread", sqlite3_column_int64(st, 7));
		jw_kint(w, "replies", sqlite3_column_int64(st, 12));
	}
	jw_key(w, "files");
	jw_arr(w);
	if (files) {
		sqlite3_stmt *f = sb_q(s, "SELECT id,name,file_type,size,width,height,duration,waveform FROM files WHERE message=?1 ORDER BY id", "i", id);
		while (sb_row(s, f)) {
			jw_obj(w);
			jw_kint(w, "id", sqlite3_column_int64(f, 0));
			jw_kstr(w, "name", sb_text(f, 1));
			jw_kstr(w, "type", sb_text(f, 2));
			jw_kint(w, "size", sqlite3_column_int64(f, 3));
			jw_kint(w, "width", sqlite3_column_int64(f, 4));
			jw_kint(w, "height", sqlite3_column_int64(f, 5));
			jw_kint(w, "duration_ms", sqlite3_column_int64(f, 6));
			if (sqlite3_column_type(f, 7) != SQLITE_NULL)
				jw_kstr(w, "waveform", sb_text(f, 7));
			jw_obj_end(w);
		}
	}
	jw_arr_end(w);
	jw_key(w, "reactions");
	jw_arr(w);
	if (reactions) {
		sqlite3_stmt *f = sb_q(s, "SELECT code,count(*),min(id) FROM reactions WHERE message=?1 GROUP BY code ORDER BY 3", "i", id);
		while (sb_row(s, f)) {
			jw_obj(w);
			jw_kstr(w, "code", sb_text(f, 0));
			jw_kint(w, "n", sqlite3_column_int64(f, 1));
			jw_obj_end(w);
		}
	}
	jw_arr_end(w);
	jw_obj_end(w);
	sqlite3_reset(st);
}

/* Up to 50 messages before an id, after one, or around one; always oldest first. */
static void messages(struct sb_req *r)
{
	struct sandbox *s = r->s;
	struct jw *w = &r->w;
	int64_t chat = arg(r, "chat", 0), before = arg(r, "before", INT64_MAX), after = arg(r, "after", -1), around = arg(r, "around", 0);
	int64_t ids[ROWS + 1];
	int n = 0;
	bool forward = after >= 0;
	if (around)
		before = sb_int(s, INT64_MAX, "SELECT max(id)+1 FROM (SELECT id FROM messages WHERE chat=?1 AND id>=?2 AND deleted IS NULL "
		                              "ORDER BY id LIMIT 20)", "ii", chat, around);
	sqlite3_stmt *st = forward ? sb_q(s, "SELECT id FROM messages WHERE chat=?1 AND id>?2 AND deleted IS NULL ORDER BY id LIMIT ?3", "iii",
	                                  chat, after, (int64_t)ROWS + 1)
	                           : sb_q(s, "SELECT id FROM messages WHERE chat=?1 AND id<?2 AND deleted IS NULL ORDER BY id DESC LIMIT ?3", "iii",
	                                  chat, before, (int64_t)ROWS + 1);
	while (n < ROWS + 1 && sb_row(s, st))
		ids[n++] = sqlite3_column_int64(st, 0);
	bool more = n > ROWS;
	if (more)
		n = ROWS;
	jw_obj(w);
	jw_key(w, "messages");
	jw_arr(w);
	for (int i = 0; i < n; i++)
		message(r, ids[forward ? i : n - 1 - i]);
	jw_arr_end(w);
	jw_kbool(w, "more", more);
	jw_kbool(w, "newer", !forward && n && sb_int(s, 0, "SELECT 1 FROM messages WHERE chat=?1 AND id>?2 AND deleted IS NULL LIMIT 1", "ii", chat,
	                                             ids[0]));
	jw_obj_end(w);
}

static void chat(struct sb_req *r)
{
	struct sandbox *s = r->s;
	struct jw *w = &r->w;
	int64_t id = arg(r, "id", 0), n = 0;
	sqlite3_stmt *st = sb_q(s, CHAT_COLS "WHERE id=?1", "i", id);
	if (!sb_row(s, st)) {
		sb_missing(r);
		return;
	}
	jw_obj(w);
	jw_key(w, "chat");
	chat_row(r, st);
	sqlite3_reset(st);
	jw_kint(w, "parent", sb_int(s, 0, "SELECT parent FROM chats WHERE id=?1", "i", id));
	int64_t root = sb_int(s, 0, "SELECT message FROM threads WHERE chat=?1", "i", id);
	if (root) {
		jw_key(w, "root");
		message(r, root);
	}
	jw_key(w, "members");
	jw_arr(w);
	st = sb_q(s, "SELECT coalesce(nullif(" FULL_NAME ",''),nickname) n,coalesce(email,nickname),CASE WHEN user=owner THEN 'owner' ELSE members.role "
	             "END,suspended,users.bot FROM members JOIN users ON users.id=user JOIN chats ON chats.id=chat WHERE chat=?1 "
	             "ORDER BY users.bot,fold(n),user LIMIT 201 OFFSET ?2", "ii", id, arg(r, "skip", 0));
	for (; n < 200 && sb_row(s, st); n++) {
		jw_obj(w);
		jw_kstr(w, "name", sb_text(st, 0));
		jw_kstr(w, "who", sb_text(st, 1));
		jw_kstr(w, "role", sb_text(st, 2));
		jw_kbool(w, "suspended", sqlite3_column_int(st, 3) != 0);
		jw_kbool(w, "bot", sqlite3_column_int(st, 4) != 0);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_kbool(w, "more", n == 200 && sb_row(s, st));
	jw_obj_end(w);
}

static void search(struct sb_req *r)
{
	struct sandbox *s = r->s;
	struct jw *w = &r->w;
	const char *q = sb_query(r, "q");
	int64_t ids[FOUND_ROWS], before = arg(r, "before", INT64_MAX);
	int n = 0;
	if (q && *q && strlen(q) < 1000) {
		sqlite3_stmt *st = sb_q(s, "SELECT id FROM messages WHERE id<?1 AND deleted IS NULL AND (instr(fold(content),?2) OR "
		                           "instr(fold(coalesce(display_name,'')),?2)) ORDER BY id DESC LIMIT ?3", "isi", before, sb_fold(&r->a, q),
		                        (int64_t)FOUND_ROWS);
		while (n < FOUND_ROWS && sb_row(s, st))
			ids[n++] = sqlite3_column_int64(st, 0);
	}
	jw_obj(w);
	jw_key(w, "found");
	jw_arr(w);
	for (int i = 0; i < n; i++) {
		jw_obj(w);
		int64_t in = sb_int(s, 0, "SELECT chat FROM messages WHERE id=?1", "i", ids[i]);
		int64_t shown = sb_int(s, in, "SELECT parent FROM chats WHERE id=?1", "i", in);
		jw_kint(w, "chat", shown);
		if (shown != in) {
			jw_kint(w, "thread", in);
			jw_kint(w, "root", sb_int(s, 0, "SELECT message FROM threads WHERE chat=?1", "i", in));
		}
		jw_kstr(w, "chat_name", sb_str(s, &r->a, "SELECT name FROM chats WHERE id=?1", "i", shown));
		jw_key(w, "message");
		message(r, ids[i]);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_kbool(w, "more", n == FOUND_ROWS);
	jw_obj_end(w);
}

/* Where messages came from: ids=1,2,3 (at most a page of them) → {"sources":[…]}; those nobody knows are left out. */
static void source(struct sb_req *r)
{
	const struct sandbox_source *from = r->s->source;
	const char *p = sb_query(r, "ids");
	struct jw *w = &r->w;
	jw_obj(w);
	jw_key(w, "sources");
	jw_arr(w);
	for (int n = 0; from && p && n < ROWS + 1; n++) {
		char *end, id[24];
		long long v = strtoll(p, &end, 10);
		if (end == p || v <= 0)
			break;
		fmt_into(id, sizeof(id), "%lld", v);
		from->tell(from->ctx, id, w);
		p = *end == ',' ? end + 1 : NULL;
	}
	jw_arr_end(w);
	jw_obj_end(w);
}

/* What a browser may show inline, by its first bytes: never by name, never SVG or HTML. */
static const char *inline_type(const char *p, size_t n)
{
	static const struct { const char *magic; size_t n; const char *type; } known[] = {
		{ "\x89PNG\r\n\x1a\n", 8, "image/png" }, { "\xff\xd8\xff", 3, "image/jpeg" }, { "GIF8", 4, "image/gif" }, { "OggS", 4, "audio/ogg" },
		{ "ID3", 3, "audio/mpeg" },
	};
	for (size_t i = 0; i < countof(known); i++)
		if (n >= known[i].n && memcmp(p, known[i].magic, known[i].n) == 0)
			return known[i].type;
	if (n >= 12 && memcmp(p, "RIFF", 4) == 0)
		return memcmp(p + 8, "WEBP", 4) == 0 ? "image/webp" : memcmp(p + 8, "WAVE", 4) == 0 ? "audio/wav" : NULL;
	if (n >= 12 && memcmp(p + 4, "ftypM4A", 7) == 0)
		return "audio/mp4";
	return NULL;
}

static void file(struct sb_req *r)
{
	struct sandbox *s = r->s;
	sqlite3_stmt *st = sb_q(s, "SELECT bytes,name FROM files JOIN uploads ON uploads.key=files.key WHERE id=?1", "i", arg(r, "id", 0));
	if (!sb_row(s, st) || sqlite3_column_type(st, 0) == SQLITE_NULL) {
		sb_missing(r);
		return;
	}
	const char *bytes = sqlite3_column_blob(st, 0);
	size_t n = (size_t)sqlite3_column_bytes(st, 0);
	buf_add(&r->out, bytes ? bytes : "", n);
	r->type = inline_type(r->out.p, r->out.len);
	r->cacheable = true;
	r->csp = "default-src 'none'; sandbox";
	if (!r->type) {
		r->type = "application/octet-stream";
		struct buf name; /* RFC 8187 */
		buf_init(&name, 4096);
		for (const char *p = sb_text(st, 1); *p; p++)
			if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '.' || *p == '-' || *p == '_')
				buf_addc(&name, *p);
			else
				buf_addf(&name, "%%%02X", (unsigned char)*p);
		r->disposition = arena_fmt(&r->a, "attachment; filename*=UTF-8''%s", name.p);
		buf_release(&name);
	}
}

void sb_ui(struct sb_req *r)
{
	static const struct { const char *path; void (*fn)(struct sb_req *r); } data[] = {
		{ "summary", summary }, { "chats", chats }, { "messages", messages }, { "chat", chat }, { "search", search }, { "file", file }, { "source", source },
	};
	const char *path = r->url;
	for (size_t i = 0; i < r->n_query; i++)
		if (!utf8_valid(r->query[i].value, r->query[i].len)) {
			sb_error(r, 400, "base", NULL, "invalid", "The query is no valid UTF-8");
			return;
		}
	if (!streq(r->method, "GET")) {
		sb_missing(r);
	} else if (streq(path, "/")) {
		page(r, embed_index_html, embed_index_html_len, "text/html; charset=utf-8");
	} else if (streq(path, "/icon.svg")) {
		page(r, embed_icon_svg, embed_icon_svg_len, "image/svg+xml");
	} else if (streq(path, "/page.css")) {
		page(r, embed_page_css, embed_page_css_len, "text/css; charset=utf-8");
	} else if (streq(path, "/page.js")) {
		page(r, embed_page_js, embed_page_js_len, "text/javascript; charset=utf-8");
	} else {
		for (size_t i = 0; strncmp(path, "/sandbox/ui/", 12) == 0 && i < countof(data); i++)
			if (streq(path + 12, data[i].path)) {
				data[i].fn(r);
				return;
			}
		sb_missing(r);
	}
}
