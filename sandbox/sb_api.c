/* sb_api.c: from a complete request to a complete answer: token, scope, limits, body, query, handler, transaction.
 * Called by sb_http.c (and for late requests by sb_tick). Error shapes: the vendor's spec, ApiError and OAuthError.
 * What the endpoints mean is in sb_users.c, sb_chats.c, sb_messages.c, sb_marks.c, sb_uploads.c. */
#include "sandbox/sb.h"

#include "core/utf8.h"

#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* OAuthScope of the vendor's spec, in its order. */
const char *const sb_scopes[] = {
	"chats:read", "chats:create", "chats:update", "chats:archive", "chats:leave", "chat_members:read", "chat_members:write",
	"chat_exports:read", "chat_exports:write", "messages:read", "messages:create", "messages:update", "messages:delete",
	"reactions:read", "reactions:write", "pins:write", "threads:read", "threads:create", "link_previews:write", "users:read",
	"users:create", "users:update", "users:delete", "group_tags:read", "group_tags:write", "bots:read", "bots:write",
	"bot_self:webhook:write", "bot_self:write", "profile:read", "profile_status:read", "profile_status:write",
	"profile_avatar:write", "user_status:read", "user_status:write", "user_avatar:write", "custom_properties:read",
	"audit_events:read", "tasks:read", "tasks:create", "tasks:update", "tasks:delete", "files:read", "files:write",
	"uploads:write", "views:write", "webhooks:read", "webhooks:write", "webhooks:events:read", "webhooks:events:delete",
	"search:users", "search:chats", "search:messages",
};
_Static_assert(countof(sb_scopes) == N_SB_SCOPES, "scopes");

uint64_t sb_scope_bit(const char *name)
{
	for (size_t i = 0; i < countof(sb_scopes); i++)
		if (streq(sb_scopes[i], name))
			return UINT64_C(1) << i;
	return 0;
}

static const struct sb_route routes[] = {
	{ "GET", "/oauth/token/info", NULL, SBC_OTHER, BODY_NONE, "", sb_token_info },
	{ "GET", "/profile", "profile:read", SBC_OTHER, BODY_NONE, "", sb_profile },
	{ "GET", "/custom_properties", "custom_properties:read", SBC_OTHER, BODY_NONE, "entity_type", sb_properties },
	{ "POST", "/users", "users:create", SBC_OTHER, BODY_JSON, "", sb_users_create },
	{ "GET", "/users", "users:read", SBC_OTHER, BODY_NONE, "query limit cursor", sb_users_list },
	{ "GET", "/users/:", "users:read", SBC_OTHER, BODY_NONE, "", sb_users_get },
	{ "PUT", "/users/:", "users:update", SBC_OTHER, BODY_JSON, "", sb_users_update },
	{ "DELETE", "/users/:", "users:delete", SBC_OTHER, BODY_NONE, "", sb_users_delete },
	{ "POST", "/group_tags", "group_tags:write", SBC_OTHER, BODY_JSON, "", sb_tags_create },
	{ "GET", "/group_tags", "group_tags:read", SBC_OTHER, BODY_NONE, "names names[] limit cursor", sb_tags_list },
	{ "GET", "/group_tags/:", "group_tags:read", SBC_OTHER, BODY_NONE, "", sb_tags_get },
	{ "PUT", "/group_tags/:", "group_tags:write", SBC_OTHER, BODY_JSON, "", sb_tags_update },
	{ "DELETE", "/group_tags/:", "group_tags:write", SBC_OTHER, BODY_NONE, "", sb_tags_delete },
	{ "GET", "/group_tags/:/users", "group_tags:read", SBC_OTHER, BODY_NONE, "limit cursor", sb_tags_users },
	{ "POST", "/chats", "chats:create", SBC_OTHER, BODY_JSON, "", sb_chats_create },
	{ "GET", "/chats", "chats:read", SBC_OTHER, BODY_NONE,
	  "sort order availability archived last_message_at_after last_message_at_before personal limit cursor", sb_chats_list },
	{ "GET", "/chats/:", "chats:read", SBC_OTHER, BODY_NONE, "", sb_chats_get },
	{ "PUT", "/chats/:", "chats:update", SBC_OTHER, BODY_JSON, "", sb_chats_update },
	{ "PUT", "/chats/:/archive", "chats:archive", SBC_OTHER, BODY_NONE, "", sb_chats_archive },
	{ "PUT", "/chats/:/unarchive", "chats:archive", SBC_OTHER, BODY_NONE, "", sb_chats_unarchive },
	{ "DELETE", "/chats/:/leave", "chats:leave", SBC_OTHER, BODY_NONE, "", sb_chats_leave },
	{ "POST", "/chats/:/group_tags", "chat_members:write", SBC_OTHER, BODY_JSON, "", sb_chat_tags_add },
	{ "DELETE", "/chats/:/group_tags/:", "chat_members:write", SBC_OTHER, BODY_NONE, "", sb_chat_tags_remove },
	{ "GET", "/chats/:/members", "chat_members:read", SBC_OTHER, BODY_NONE, "role limit cursor", sb_members_list },
	{ "POST", "/chats/:/members", "chat_members:write", SBC_OTHER, BODY_JSON, "", sb_members_add },
	{ "DELETE", "/chats/:/members/:", "chat_members:write", SBC_OTHER, BODY_NONE, "", sb_members_remove },
	{ "PUT", "/chats/:/members/:", "chat_members:write", SBC_OTHER, BODY_JSON, "", sb_members_role },
	{ "POST", "/messages", "messages:create", SBC_POST, BODY_JSON, "", sb_messages_create },
	{ "GET", "/messages", "messages:read", SBC_READ, BODY_NONE, "chat_id sort order limit cursor", sb_messages_list },
	{ "GET", "/messages/:", "messages:read", SBC_READ, BODY_NONE, "", sb_messages_get },
	{ "PUT", "/messages/:", "messages:update", SBC_POST, BODY_JSON, "", sb_messages_update },
	{ "DELETE", "/messages/:", "messages:delete", SBC_POST, BODY_NONE, "", sb_messages_delete },
	{ "GET", "/messages/:/read_member_ids", "messages:read", SBC_OTHER, BODY_NONE, "limit cursor", sb_readers },
	{ "POST", "/messages/:/thread", "threads:create", SBC_OTHER, BODY_NONE, "", sb_threads_open },
	{ "POST", "/messages/:/reactions", "reactions:write", SBC_OTHER, BODY_JSON, "", sb_reactions_add },
	{ "DELETE", "/messages/:/reactions", "reactions:write", SBC_OTHER, BODY_NONE, "code name", sb_reactions_remove },
	{ "GET", "/messages/:/reactions", "reactions:read", SBC_OTHER, BODY_NONE, "limit cursor", sb_reactions_list },
	{ "POST", "/messages/:/pin", "pins:write", SBC_OTHER, BODY_NONE, "", sb_pin },
	{ "DELETE", "/messages/:/pin", "pins:write", SBC_OTHER, BODY_NONE, "", sb_unpin },
	{ "POST", "/threads", "threads:create", SBC_OTHER, BODY_NONE, "", sb_threads_create },
	{ "GET", "/threads", "threads:read", SBC_OTHER, BODY_NONE, "last_message_at_after last_message_at_before limit cursor",
	  sb_threads_list },
	{ "GET", "/threads/:", "threads:read", SBC_OTHER, BODY_NONE, "", sb_threads_get },
	{ "POST", "/uploads", "uploads:write", SBC_OTHER, BODY_NONE, "", sb_uploads_create },
	{ "POST", "/direct_url", "", SBC_BLOB, BODY_FORM, "", sb_upload_store },
};

/* ---- answers ---- */

void sb_time(int64_t us, char out[40])
{
	time_t t = (time_t)(us / 1000000);
	int ms = (int)(us % 1000000 / 1000);
	struct tm tm;
	if (us < 0 || !gmtime_r(&t, &tm)) {
		memcpy(out, "1970-01-01T00:00:00.000Z", 25);
		return;
	}
	char day[32];
	strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
	fmt_into(out, 40, "%s.%03dZ", day, ms);
}

void sb_ktime(struct jw *w, const char *key, int64_t us)
{
	char t[40];
	sb_time(us, t);
	jw_kstr(w, key, t);
}

void sb_knull(struct jw *w, const char *key, const char *value)
{
	jw_key(w, key);
	jw_str(w, value);
}

void sb_write(struct jw *w, const struct jv *v, const char *without)
{
	if (!v) {
		jw_null(w);
		return;
	}
	switch (v->type) {
	case JV_NULL: jw_null(w); break;
	case JV_BOOL: jw_bool(w, v->b); break;
	case JV_NUM: jw_int(w, jv_int(v, 0)); break; /* the API has no other numbers */
	case JV_STR: jw_strn(w, v->s, v->len); break;
	case JV_ARR:
		jw_arr(w);
		jv_each(v, it)
			sb_write(w, it, without);
		jw_arr_end(w);
		break;
	case JV_OBJ:
		jw_obj(w);
		jv_each(v, it) {
			if (without && it->key && streq(it->key, without))
				continue;
			jw_key(w, it->key);
			sb_write(w, it, without);
		}
		jw_obj_end(w);
		break;
	}
}

void sb_data(struct sb_req *r, int status)
{
	r->status = status;
	jw_obj(&r->w);
	jw_key(&r->w, "data");
}

void sb_data_end(struct sb_req *r)
{
	jw_obj_end(&r->w);
}

void sb_empty(struct sb_req *r)
{
	r->status = 204;
}

bool sb_error(struct sb_req *r, int status, const char *key, const char *value, const char *code, const char *message)
{
	if (r->n_errors >= SB_ERRORS)
		return false;
	if (r->n_errors++)
		buf_addc(&r->errors, ',');
	else
		r->status = status;
	char cut[256];
	struct jw w;
	jw_init(&w, &r->errors);
	jw_obj(&w);
	jw_kstr(&w, "key", key);
	if (value)
		fmt_into(cut, sizeof cut, "%s", value);
	sb_knull(&w, "value", value ? cut : NULL);
	jw_kstr(&w, "message", message);
	jw_kstr(&w, "code", code);
	jw_key(&w, "payload");
	jw_null(&w);
	jw_obj_end(&w);
	return false;
}

bool sb_missing(struct sb_req *r)
{
	return sb_error(r, 404, "id", NULL, "not_found", "Object not found");
}

bool sb_denied(struct sb_req *r, int status, const char *error, const char *description)
{
	r->status = status;
	r->n_errors = 0;
	buf_reset(&r->errors);
	buf_reset(&r->out);
	jw_init(&r->w, &r->out);
	jw_obj(&r->w);
	jw_kstr(&r->w, "error", error);
	jw_kstr(&r->w, "error_description", description);
	jw_obj_end(&r->w);
	return false;
}

void sb_finish(struct sb_req *r)
{
	if (!r->n_errors)
		return;
	buf_reset(&r->out);
	buf_adds(&r->out, "{\"errors\":[");
	buf_add(&r->out, r->errors.p, r->errors.len);
	buf_adds(&r->out, "]}");
}

/* ---- what a request may contain ---- */

static bool typed(const struct jv *v, enum sb_type t)
{
	switch (t) {
	case FT_STR: return v->type == JV_STR && strlen(v->s) == v->len;
	case FT_BOOL: return v->type == JV_BOOL;
	case FT_ARR: return v->type == JV_ARR;
	case FT_OBJ: return v->type == JV_OBJ;
	case FT_INT: {
		if (v->type != JV_NUM || strpbrk(v->s, ".eE"))
			return false;
		int64_t n = jv_int(v, INT64_MIN);
		return n >= INT32_MIN && n <= INT32_MAX; /* format int32 throughout the requests of the spec */
	}
	case FT_INTS:
		if (v->type != JV_ARR)
			return false;
		jv_each(v, it)
			if (!typed(it, FT_INT))
				return false;
		return true;
	case FT_STRS:
		if (v->type != JV_ARR)
			return false;
		jv_each(v, it)
			if (!typed(it, FT_STR))
				return false;
		return true;
	}
	return false;
}

bool sb_check(struct sb_req *r, const struct jv *obj, const char *where, const struct sb_field *f, size_t n)
{
	int before = r->n_errors;
	if (!jv_is(obj, JV_OBJ))
		return sb_error(r, 400, *where ? where : "base", NULL, obj ? "invalid" : "blank", "An object is expected");
	jv_each(obj, it) {
		const struct sb_field *k = NULL;
		for (size_t i = 0; i < n && !k; i++)
			if (streq(f[i].name, it->key))
				k = &f[i];
		if (!k) {
			sb_error(r, 400, it->key, NULL, "invalid", "Unknown field");
		} else if (!typed(it, k->type)) {
			sb_error(r, 400, it->key, it->type == JV_STR ? it->s : NULL, "invalid", "Wrong type of value");
		} else if (k->max && it->type == JV_STR && utf8_length(it->s) > (size_t)k->max) {
			char msg[80];
			fmt_into(msg, sizeof msg, "Too long (maximum is %d characters)", k->max);
			sb_error(r, 422, it->key, it->s, "too_long", msg);
		}
	}
	for (size_t i = 0; i < n; i++)
		if (f[i].need == REQUIRED && !jv_get(obj, f[i].name))
			sb_error(r, 400, f[i].name, NULL, "blank", "Can't be blank");
	return r->n_errors == before;
}

const char *sb_query(const struct sb_req *r, const char *key)
{
	for (size_t i = 0; i < r->n_query; i++)
		if (streq(r->query[i].key, key))
			return r->query[i].value;
	return NULL;
}

static bool number(const char *s, int64_t *out)
{
	size_t n = strspn(s, "0123456789");
	if (n == 0 || n > 18 || s[n])
		return false;
	*out = strtoll(s, NULL, 10);
	return true;
}

int64_t sb_query_int(struct sb_req *r, const char *key, int64_t otherwise, int64_t min, int64_t max)
{
	const char *t = sb_query(r, key);
	int64_t v;
	if (!t)
		return otherwise;
	if (!number(t, &v)) {
		sb_error(r, 400, key, t, "invalid", "A number is expected");
		return otherwise;
	}
	if (v < min || v > max) {
		sb_error(r, 422, key, t, "invalid", "Out of range");
		return otherwise;
	}
	return v;
}

int sb_query_enum(struct sb_req *r, const char *key, const char *const *words, int otherwise)
{
	const char *t = sb_query(r, key);
	if (!t)
		return otherwise;
	for (int i = 0; words[i]; i++)
		if (streq(words[i], t))
			return i;
	sb_error(r, 422, key, t, "inclusion", "Not one of the allowed values");
	return -1;
}

bool sb_query_time(struct sb_req *r, const char *key, int64_t *us)
{
	const char *t = sb_query(r, key);
	if (!t)
		return false;
	int y, mo, d, h, mi, sec, n = 0;
	if (sscanf(t, "%4d-%2d-%2dT%2d:%2d:%2d%n", &y, &mo, &d, &h, &mi, &sec, &n) != 6 || n != 19 || y < 1970 || mo < 1 || mo > 12 ||
	    d < 1 || d > 31 || h > 23 || mi > 59 || sec > 60)
		return sb_error(r, 422, key, t, "invalid", "A time YYYY-MM-DDThh:mm:ss.sssZ is expected");
	int64_t frac = 0, unit = 100000;
	const char *p = t + n;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
			frac += unit * (*p - '0');
	if (!streq(p, "Z"))
		return sb_error(r, 422, key, t, "invalid", "A time YYYY-MM-DDThh:mm:ss.sssZ is expected");
	/* days of the civil calendar since 1970 */
	int64_t yy = mo <= 2 ? y - 1 : y, era = yy / 400, yoe = yy - era * 400;
	int64_t doy = (153 * (mo + (mo > 2 ? -3 : 9)) + 2) / 5 + d - 1, doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	*us = (((era * 146097 + doe - 719468) * 24 + h) * 60 + mi) * 60000000 + sec * INT64_C(1000000) + frac;
	return true;
}

/* ---- pages ---- */

static const char *cursor(struct sb_req *r, char way, int64_t k, int64_t id)
{
	char plain[80];
	fmt_into(plain, sizeof plain, "{\"%c\":[%lld,%lld]}", way, (long long)k, (long long)id);
	size_t n = strlen(plain);
	char *out = arena_zalloc(&r->a, BASE64_ENCODE_RAW_LENGTH(n) + 1);
	base64_encode_raw(out, n, (const uint8_t *)plain);
	return out;
}

static bool cursor_read(const char *text, struct sb_page *p)
{
	uint8_t plain[BASE64_DECODE_LENGTH(120) + 1];
	size_t n = sizeof plain - 1, len = strlen(text);
	struct base64_decode_ctx ctx;
	base64_decode_init(&ctx);
	if (len == 0 || len > 120 || !base64_decode_update(&ctx, &n, plain, len, text) || !base64_decode_final(&ctx))
		return false;
	plain[n] = 0;
	char way;
	long long k, id;
	int end = 0;
	if (sscanf((char *)plain, "{\"%c\":[%lld,%lld]}%n", &way, &k, &id, &end) != 3 || (size_t)end != n || (way != 'n' && way != 'p'))
		return false;
	p->back = way == 'p';
	p->k = k;
	p->id = id;
	return true;
}

bool sb_page_open(struct sb_req *r, struct sb_page *p, bool desc, int64_t max, int64_t otherwise)
{
	*p = (struct sb_page){ .desc = desc };
	p->limit = sb_query_int(r, "limit", otherwise, 1, max);
	p->cursor = sb_query(r, "cursor");
	p->has_cursor = p->cursor && *p->cursor;
	if (p->has_cursor) {
		if (!cursor_read(p->cursor, p))
			return sb_error(r, 422, "cursor", p->cursor, "invalid", "Unknown cursor");
	} else {
		p->k = p->id = desc ? INT64_MAX : -1;
	}
	return r->n_errors == 0;
}

void sb_page_rows(struct sb_req *r, struct sb_page *p, sqlite3_stmt *st)
{
	p->ids = arena_array(&r->a, (size_t)p->limit + 1, int64_t);
	p->ks = arena_array(&r->a, (size_t)p->limit + 1, int64_t);
	while (sb_row(r->s, st)) {
		if (p->n == p->limit) {
			p->more = true;
			sqlite3_reset(st);
			break;
		}
		p->ks[p->n] = sqlite3_column_int64(st, 0);
		p->ids[p->n++] = sqlite3_column_int64(st, 1);
	}
	if (p->back) /* nearest the anchor, but shown in the order of the list */
		for (int64_t i = 0, j = p->n - 1; i < j; i++, j--) {
			int64_t k = p->ks[i], id = p->ids[i];
			p->ks[i] = p->ks[j], p->ids[i] = p->ids[j];
			p->ks[j] = k, p->ids[j] = id;
		}
}

void sb_page_meta(struct sb_req *r, const struct sb_page *p)
{
	/* The vendor's page on pagination: the four fields are always there and cursors are never null, also on an empty page. */
	int64_t fk = p->k, fid = p->id, lk = p->k, lid = p->id;
	if (p->n) {
		fk = p->ks[0], fid = p->ids[0];
		lk = p->ks[p->n - 1], lid = p->ids[p->n - 1];
	}
	jw_key(&r->w, "meta");
	jw_obj(&r->w);
	jw_key(&r->w, "paginate");
	jw_obj(&r->w);
	jw_kstr(&r->w, "next_page", cursor(r, 'n', lk, lid));
	jw_kstr(&r->w, "prev_page", cursor(r, 'p', fk, fid));
	jw_kbool(&r->w, "has_next", p->back ? p->n == 0 : p->more);
	jw_kbool(&r->w, "has_prev", p->back ? p->more : p->has_cursor);
	jw_obj_end(&r->w);
	jw_obj_end(&r->w);
}

void sb_page_answer(struct sb_req *r, const struct sb_page *p, void (*one)(struct sb_req *r, int64_t id))
{
	sb_data(r, 200);
	jw_arr(&r->w);
	for (int64_t i = 0; i < p->n; i++)
		one(r, p->ids[i]);
	jw_arr_end(&r->w);
	sb_page_meta(r, p);
	sb_data_end(r);
}

/* ---- the request ---- */

static bool fits(const char *pattern, const char *path, int64_t arg[2])
{
	int n = 0;
	while (*pattern) {
		if (*pattern == ':') {
			size_t len = strspn(path, "0123456789");
			if (len == 0 || len > 18 || n == 2)
				return false;
			arg[n++] = strtoll(path, NULL, 10);
			path += len;
			pattern++;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return !*path;
}

static const struct sb_route *route(struct sb_req *r, bool *path_known)
{
	for (size_t i = 0; i < countof(routes); i++) {
		int64_t arg[2] = { 0, 0 };
		if (!fits(routes[i].pattern, r->path, arg))
			continue;
		*path_known = true;
		if (!streq(routes[i].method, r->method))
			continue;
		memcpy(r->arg, arg, sizeof arg);
		return &routes[i];
	}
	return NULL;
}

static bool word_in(const char *words, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = words; *p && n; p += strcspn(p, " "), p += *p == ' ')
		if (strncmp(p, word, n) == 0 && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

static bool authorise(struct sb_req *r)
{
	static const char prefix[] = "Bearer ";
	if (r->auth && strncmp(r->auth, prefix, sizeof prefix - 1) == 0)
		for (size_t i = 0; i < r->s->n_tokens; i++)
			if (streq(r->s->tokens[i].token, r->auth + sizeof prefix - 1))
				r->tok = &r->s->tokens[i];
	if (!r->tok) {
		r->www_auth = "Bearer error=\"invalid_token\"";
		return sb_denied(r, 401, "invalid_token", r->auth ? "Access token is invalid" : "Access token is missing");
	}
	r->tok->used = r->s->now;
	return true;
}

static bool read_body(struct sb_req *r)
{
	const struct sb_route *rt = r->route;
	if (r->too_large)
		return sb_error(r, 400, "base", NULL, "too_long", "The body is too large, or the query too long");
	if (rt->body == BODY_FORM)
		return true;
	if (rt->body == BODY_NONE) {
		if (r->body.len && strspn(r->body.p, " \t\r\n{}") != r->body.len)
			return sb_error(r, 400, "base", NULL, "invalid", "This method takes no body");
		return true;
	}
	if (r->content_type && strncmp(r->content_type, "application/json", 16) != 0)
		return sb_error(r, 400, "base", r->content_type, "invalid", "Content-Type must be application/json");
	struct err e = ERR_INIT;
	r->json = jv_parse(&r->a, r->body.p, r->body.len, &e);
	if (!r->json)
		return sb_error(r, 400, "base", NULL, "invalid", "The body is no valid JSON");
	return true;
}

static bool read_query(struct sb_req *r)
{
	for (size_t i = 0; i < r->n_query; i++) {
		const struct sb_kv *q = &r->query[i];
		if (!word_in(r->route->query, q->key))
			sb_error(r, 400, utf8_valid(q->key, strlen(q->key)) ? q->key : "base", NULL, "invalid", "Unknown query parameter");
		else if (!utf8_valid(q->value, strlen(q->value)))
			sb_error(r, 400, q->key, NULL, "invalid", "The value is no valid UTF-8");
	}
	return r->n_errors == 0;
}

static bool prepare(struct sb_req *r)
{
	bool known = false;
	r->route = route(r, &known);
	if (r->route)
		r->cls = r->route->cls;
	if (!r->route || !r->route->scope || *r->route->scope) {
		if (!authorise(r) || !sb_not_restricted(r))
			return false;
		if (!r->route)
			return sb_error(r, 404, "base", r->path, "not_found", known ? "No such method for this address" : "No such address");
		if (r->route->scope && !(r->tok->scopes & sb_scope_bit(r->route->scope))) {
			r->www_auth = arena_fmt(&r->a, "Bearer error=\"insufficient_scope\", scope=\"%s\"", r->route->scope);
			return sb_denied(r, 403, "insufficient_scope",
			                 arena_fmt(&r->a, "The token needs the scope %s", r->route->scope));
		}
		if (r->s->unpaid && r->route->scope && !streq(r->path, "/profile"))
			return sb_error(r, 402, "base", NULL, "payment_required", "The plan does not include this method");
		/* Messages are limited by chat, which only the handler knows. */
		if ((r->cls == SBC_OTHER || r->cls == SBC_READ) && !sb_limit(r, r->cls, 0))
			return false;
	}
	return read_query(r) && read_body(r);
}

void sb_handle(struct sb_req *r)
{
	struct sandbox *s = r->s;
	buf_reset(&r->out);
	buf_reset(&r->errors);
	r->n_errors = 0;
	r->status = 200;
	jw_init(&r->w, &r->out);
	if (prepare(r)) {
		if (r->mutating)
			sb_run(s, "BEGIN IMMEDIATE", "");
		r->route->fn(r);
		sb_rest(s);
		if (r->mutating)
			sb_run(s, r->n_errors || r->status >= 400 ? "ROLLBACK" : "COMMIT", "");
	}
	sb_finish(r);
	sb_rest(s);
	if (r->out.full)
		die("sandbox: an answer is larger than its maximum");
}
