/* pachca_list.c: reading back: people, chats, members, messages, reactions, page by page.
 *
 * People are read with the administrator's token where there is one (bots may see e-mails as null), everything else with the
 * bot's: what the bot does not see it cannot have written. Only reading messages has the low limit (10/s); the rest has the
 * general one. The end is has_next = false. A page that claims a next one and names no cursor is an error, never the end.
 * Whoever walks the pages must stop at a cursor it has just used: a page does not know by which cursor it was asked for.
 */
#include "exporters/pachca.h"

#include "core/utf8.h"
#include "exporters/http_verdict.h"

#include <string.h>

enum { ROWS_MAX = 5000 }; /* on a page: 50 are asked for; whoever sends a million of empty ones is not read */

bool pachca_list_build(const struct target *t, enum list_kind kind, const char *scope, enum list_order order, const char *cursor,
                       struct arena *a, struct http_req *out, struct err *e)
{
	*out = (struct http_req){ .method = "GET", .auth = AUTH_BOT, .rate = REQ_OTHER, .scope = "" };
	const char *dir = order == NEWEST_FIRST ? "desc" : "asc";
	struct buf b;
	switch (kind) {
	case LIST_MEMBERS:
	case LIST_ADMINS:
	case LIST_EDITORS:
	case LIST_MESSAGES:
	case LIST_REACTIONS:
		if (!pachca_is_id(scope))
			return err_set(e, ERR_INTERNAL, "pachca: a list's scope '%s' is not a number", scope ? scope : "");
		break;
	case LIST_USERS:
	case LIST_CHATS:
	case LIST_USERS_FIND:
	case LIST_TAGS_FIND:
		break;
	}
	buf_init(&b, 65536);
	switch (kind) {
	case LIST_USERS:
	case LIST_USERS_FIND:
		out->auth = t->has_admin ? AUTH_ADMIN : AUTH_BOT;
		buf_adds(&b, "/users?limit=50");
		if (kind == LIST_USERS_FIND) {
			buf_adds(&b, "&query=");
			http_escape(&b, scope ? scope : "");
		}
		break;
	case LIST_CHATS:
		/* Chats the bot is a member of: the ones it made, and those it was invited into to be adopted. */
		buf_addf(&b, "/chats?sort=id&order=%s&availability=is_member&archived=true&limit=50", dir);
		break;
	case LIST_MEMBERS:
		buf_addf(&b, "/chats/%s/members?limit=50", scope);
		break;
	case LIST_ADMINS:
	case LIST_EDITORS:
		buf_addf(&b, "/chats/%s/members?role=%s&limit=50", scope, kind == LIST_ADMINS ? "admin" : "editor");
		break;
	case LIST_TAGS_FIND:
		out->auth = t->has_admin ? AUTH_ADMIN : AUTH_BOT;
		buf_adds(&b, "/group_tags?limit=50&names[]=");
		http_escape(&b, scope ? scope : "");
		break;
	case LIST_MESSAGES:
		out->rate = REQ_READ;
		buf_addf(&b, "/messages?chat_id=%s&sort=id&order=%s&limit=50", scope, dir);
		break;
	case LIST_REACTIONS:
		buf_addf(&b, "/messages/%s/reactions?limit=50", scope);
		break;
	}
	if (cursor) {
		buf_adds(&b, "&cursor=");
		http_escape(&b, cursor);
	}
	out->path = pachca_keep(&b, a, NULL);
	return out->path || err_set(e, ERR_TARGET, "pachca: the cursor of the next page is too long");
}

/* "2020-06-08T09:32:57.000Z" → microseconds; 0 when it is anything else. */
static int64_t read_time(const char *s)
{
	int f[6], len[6] = { 4, 2, 2, 2, 2, 2 };
	const char *sep = "--T::";
	if (!s)
		return 0;
	for (int i = 0; i < 6; i++) {
		f[i] = 0;
		for (int k = 0; k < len[i]; k++, s++) {
			if (*s < '0' || *s > '9')
				return 0;
			f[i] = f[i] * 10 + (*s - '0');
		}
		if (i < 5 && *s++ != sep[i])
			return 0;
	}
	int64_t us = 0, unit = 100000;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, unit /= 10)
			us += (*s - '0') * unit;
	if (*s != 'Z' || f[1] < 1 || f[1] > 12 || f[2] < 1 || f[2] > 31 || f[3] > 23 || f[4] > 59 || f[5] > 60)
		return 0;
	/* Days since 1970 in the proleptic Gregorian calendar, years beginning in March. */
	int64_t y = f[0] - (f[1] <= 2), era = y / 400, yoe = y - era * 400;
	int64_t doy = (153 * (f[1] + (f[1] > 2 ? -3 : 9)) + 2) / 5 + f[2] - 1;
	int64_t days = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
	return ((days * 24 + f[3]) * 60 + f[4]) * 60000000 + (int64_t)f[5] * 1000000 + us;
}

/* Text as C strings: what follows a NUL (never seen, but JSON allows it) is left out. "" for null and absent. */
static const char *text_of(const struct jv *obj, const char *key)
{
	const char *s = jv_str(jv_get(obj, key));
	return s ? s : "";
}

static const char *id_at(const struct jv *obj, const char *key, struct arena *a)
{
	const char *s = pachca_id(jv_get(obj, key), a);
	return s ? s : "";
}

static void read_user(const struct jv *d, struct arena *a, struct seen *s)
{
	const char *first = text_of(d, "first_name"), *last = text_of(d, "last_name");
	s->name = *first && *last ? arena_fmt(a, "%s %s", first, last) : *first ? first : *last ? last : text_of(d, "nickname");
	s->body = text_of(d, "email");
	s->phone = jv_get_str(d, "phone_number");
	s->nick = jv_get_str(d, "nickname");
	s->avatar = jv_get_str(d, "image_url");
	s->role = jv_get_str(d, "role");
	s->suspended = jv_get_bool(d, "suspended");
	s->bot = jv_get_bool(d, "bot");
	s->ts_us = read_time(jv_get_str(d, "created_at"));
}

static const char *const *read_ids(const struct jv *list, struct arena *a, size_t *n)
{
	*n = 0;
	if (!jv_is(list, JV_ARR) || !list->n)
		return NULL;
	const char **ids = arena_array(a, list->n, const char *);
	jv_each(list, it) {
		const char *id = pachca_id(it, a);
		if (id)
			ids[(*n)++] = id;
	}
	return ids;
}

static void read_chat(const struct jv *d, struct arena *a, struct seen *s)
{
	s->author = id_at(d, "owner_id", a);
	s->name = text_of(d, "name");
	s->is_public = jv_get_bool(d, "public");
	s->archived = jv_get_bool(d, "archived");
	s->personal = jv_get_bool(d, "personal");
	s->is_channel = jv_get_bool(d, "channel");
	s->ts_us = read_time(jv_get_str(d, "created_at"));
	s->ids = read_ids(jv_get(d, "member_ids"), a, &s->n_ids);
	s->tags = read_ids(jv_get(d, "group_tag_ids"), a, &s->n_tags);
}

static void read_message(const struct jv *d, struct arena *a, struct seen *s)
{
	s->author = id_at(d, "user_id", a);
	s->name = text_of(d, "display_name");
	s->body = text_of(d, "content");
	s->ts_us = read_time(jv_get_str(d, "created_at"));
	const struct jv *th = jv_get(d, "thread"), *files = jv_get(d, "files");
	s->thread = pachca_id(jv_get(th, "id"), a);
	s->thread_chat = pachca_id(jv_get(th, "chat_id"), a);
	if (!jv_is(files, JV_ARR) || !files->n)
		return;
	const char **names = arena_array(a, files->n, const char *), **keys = arena_array(a, files->n, const char *);
	jv_each(files, f) {
		keys[s->n_files] = text_of(f, "key");
		names[s->n_files++] = text_of(f, "name");
	}
	s->file_names = names;
	s->file_handles = keys;
}

static void read_reaction(const struct jv *d, struct arena *a, struct seen *s)
{
	s->author = id_at(d, "user_id", a);
	s->name = text_of(d, "code");
	s->ts_us = read_time(jv_get_str(d, "created_at"));
	s->id = *s->author && *s->name ? arena_fmt(a, "%s:%s", s->author, s->name) : NULL;
}

static bool read_row(enum list_kind kind, const struct jv *d, struct arena *a, struct seen *s)
{
	*s = (struct seen){ .author = "", .name = "", .body = "" };
	s->id = pachca_id(jv_get(d, "id"), a);
	switch (kind) {
	case LIST_USERS:
	case LIST_USERS_FIND:
	case LIST_MEMBERS:
	case LIST_ADMINS:
	case LIST_EDITORS:
		read_user(d, a, s);
		break;
	case LIST_CHATS:
		read_chat(d, a, s);
		break;
	case LIST_MESSAGES:
		read_message(d, a, s);
		break;
	case LIST_REACTIONS:
		read_reaction(d, a, s);
		break;
	case LIST_TAGS_FIND:
		s->name = text_of(d, "name");
		break;
	}
	return s->id != NULL;
}

bool pachca_list_parse(const struct target *t, enum list_kind kind, const struct http_resp *r, struct arena *a, struct page *out, struct err *e)
{
	(void)t;
	*out = (struct page){ 0 };
	if (http_verdict(r) != V_DONE) {
		struct pachca_error pe;
		pachca_read_error(r, NULL, a, &pe);
		return err_set(e, ERR_TARGET, "Pachca does not give the list: %s", pe.why);
	}
	struct err why = ERR_INIT;
	const struct jv *doc = http_is_json(r) ? jv_parse(a, r->body, r->len, &why) : NULL;
	const struct jv *data = jv_get(doc, "data"), *pag = jv_at(doc, "meta.paginate");
	if (!jv_is(data, JV_ARR))
		return err_set(e, ERR_TARGET, "Pachca's answer is not a list (%s)%s%s", http_words(r, a), *why.msg ? ": " : "", why.msg);
	if (data->n > ROWS_MAX)
		return err_set(e, ERR_TARGET, "Pachca's list has %zu rows on a page", data->n);
	out->v = arena_array(a, data->n ? data->n : 1, struct seen);
	jv_each(data, it) {
		if (kind == LIST_MESSAGES && jv_get_str(it, "deleted_at"))
			continue; /* the spec says deleted ones are not listed */
		if (!read_row(kind, it, a, &out->v[out->n]))
			return err_set(e, ERR_TARGET, "Pachca's list has a row without an id");
		out->n++;
	}
	const struct jv *more = jv_get(pag, "has_next");
	const char *next = jv_get_str(pag, "next_page");
	if (jv_is(more, JV_BOOL) ? more->b : data->n > 0 && next) {
		if (!next)
			return err_set(e, ERR_TARGET, "Pachca's list goes on, but does not say where");
		out->next = next;
	}
	return true;
}
