/* sb_http.c: libmicrohttpd's side: collecting a request, the clock, connection-level faults, the answer, the log.
 * Everything here runs in libmicrohttpd's one thread. What the API means is in sb_api.c. */
#include "sandbox/sb.h"

#include "core/clock.h"
#include "core/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- time ---- */

/* A client on a virtual clock says its time with each request; server time moves by what passed on that clock. A client
 * that starts again from the real time (its clock is behind) goes on where the last one stopped, so that what was to happen
 * "30 s later" happens for it, too. Without such a client it is the real time. */
static void set_clock(struct sandbox *s, const char *header)
{
	char *who = NULL;
	int64_t h = header ? strtoll(header, &who, 10) : 0, client = who ? strtoll(who, NULL, 10) : 0;
	if (h > 0 && client != s->client) { /* another process, or the same program again: it goes on from here */
		s->client = client;
		s->last_header = s->scripted_clock ? h : s->last_header;
	}
	if (h > 0) {
		int64_t passed = s->last_header ? h - s->last_header : h - s->now;
		if (passed > 0)
			s->now += passed;
		if (passed > 0 || !s->scripted_clock || passed < -2000000)
			s->last_header = h;
		s->scripted_clock = true;
	} else if (!s->scripted_clock) {
		int64_t real = clock_wall_us();
		if (real > s->now)
			s->now = real;
	}
}

void sb_tick(struct sandbox *s, bool all)
{
	if (!s->late)
		return;
	if (!s->scripted_clock)
		set_clock(s, NULL);
	for (;;) {
		struct sb_req **first = NULL;
		for (struct sb_req **p = &s->late; *p; p = &(*p)->next)
			if ((all || (*p)->due <= s->now) && (!first || (*p)->due < (*first)->due))
				first = p;
		if (!first)
			return;
		struct sb_req *r = *first;
		*first = r->next;
		r->replay = true;
		r->rule = NULL;
		sb_handle(r);
		sb_req_free(r);
	}
}

/* ---- a request's life ---- */

static enum MHD_Result add_query(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct sb_req *r = cls;
	(void)kind;
	if (r->n_query == countof(r->query)) {
		r->too_large = true;
	} else {
		const char *v = arena_strdup(&r->a, value ? value : "");
		r->query[r->n_query++] = (struct sb_kv){ arena_strdup(&r->a, key), v, strlen(v) };
	}
	return MHD_YES;
}

static struct sb_req *req_new(struct sandbox *s, struct MHD_Connection *conn, const char *url, const char *method)
{
	struct sb_req *r = xcalloc(1, sizeof *r);
	r->s = s;
	arena_init(&r->a);
	buf_init(&r->body, SB_BODY_MAX);
	buf_init(&r->out, SB_OUT_MAX);
	buf_init(&r->errors, 1 << 20);
	buf_init(&r->field, 1 << 14);
	buf_init(&r->file, SB_FILE_KEEP);
	r->method = arena_strdup(&r->a, method);
	if (utf8_valid(url, strlen(url))) {
		r->url = arena_strdup(&r->a, url);
	} else {
		utf8_repair(url, strlen(url), &r->field);
		r->url = arena_strndup(&r->a, r->field.p, r->field.len);
		buf_reset(&r->field);
	}
	r->path = r->url;
	r->api = strncmp(url, SB_BASE "/", sizeof SB_BASE) == 0;
	if (r->api)
		r->path = r->url + sizeof SB_BASE - 1;
	r->mutating = r->api && !streq(method, "GET") && !streq(method, "HEAD");
	r->cls = r->api && streq(r->path, "/direct_url") ? SBC_BLOB : SBC_OTHER;
#define HEADER(name) arena_strdup(&r->a, MHD_lookup_connection_value(conn, MHD_HEADER_KIND, (name)))
	r->auth = HEADER("Authorization");
	r->content_type = HEADER("Content-Type");
	r->lang = HEADER("Accept-Language");
	r->host = HEADER("Host");
	r->origin = HEADER("Origin");
	MHD_get_connection_values(conn, MHD_GET_ARGUMENT_KIND, add_query, r);
	return r;
}

void sb_req_free(struct sb_req *r)
{
	uint8_t sum[DIGEST_BYTES];
	if (r->digesting)
		digest_end(&r->file_digest, sum);
	if (r->pp)
		MHD_destroy_post_processor(r->pp);
	buf_release(&r->body);
	buf_release(&r->out);
	buf_release(&r->errors);
	buf_release(&r->field);
	buf_release(&r->file);
	arena_release(&r->a);
	free(r);
}

void sb_http_done(void *cls, struct MHD_Connection *conn, void **ctx, enum MHD_RequestTerminationCode why)
{
	struct sandbox *s = cls;
	struct sb_req *r = *ctx;
	(void)conn, (void)why;
	*ctx = NULL;
	if (!r)
		return;
	pthread_mutex_lock(&s->lock);
	for (struct sb_req **p = &s->hung; *p; p = &(*p)->next)
		if (*p == r) {
			*p = r->next;
			break;
		}
	pthread_mutex_unlock(&s->lock);
	sb_req_free(r);
}

/* ---- log ---- */

static const char *role(const struct sb_req *r)
{
	if (!r->tok)
		return "none";
	return r->tok->id == 1 ? "admin" : r->tok->id == 2 ? "bot" : r->tok->bot ? "other-bot" : "other";
}

static void account(struct sb_req *r)
{
	static const char *const names[N_SBC] = { "post", "read", "other", "blob" };
	struct sandbox *s = r->s;
	if (!r->api)
		return;
	s->stats.requests++;
	s->stats.by_class[r->cls]++;
	s->stats.faults += r->rule != NULL;
	s->stats.refused += r->status >= 400 && r->status != 429;
	if (!s->log)
		return;
	struct buf line;
	struct jw w;
	buf_init(&line, 1 << 16);
	jw_init(&w, &line);
	jw_obj(&w);
	sb_ktime(&w, "time", s->now);
	jw_kstr(&w, "method", r->method);
	jw_kstr(&w, "path", r->path);
	jw_kint(&w, "status", r->status);
	jw_kstr(&w, "class", names[r->cls]);
	jw_kbool(&w, "mutating", r->mutating);
	jw_kstr(&w, "token", role(r));
	if (r->chat)
		jw_kint(&w, "chat", r->chat);
	jw_kstr(&w, "fault", r->rule ? sb_action_name[r->rule->action] : NULL);
	jw_obj_end(&w);
	buf_addc(&line, '\n');
	fwrite(line.p, 1, line.len, s->log);
	fflush(s->log);
	buf_release(&line);
}

/* Over https the client knows us by a name of its own, which the certificate must bear. */
const char *sb_here(struct sb_req *r)
{
	const char *host = r->host;
	if (!r->s->tls || !host || strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") != strlen(host))
		return arena_fmt(&r->a, "http%s://127.0.0.1:%d", r->s->tls ? "s" : "", r->s->port);
	return arena_fmt(&r->a, "https://%s", host);
}

/* ---- answers ---- */

static void plain(struct sb_req *r, int status, const char *type, const char *body)
{
	buf_reset(&r->out);
	buf_adds(&r->out, body);
	r->status = status;
	r->type = type;
}

static const char *http_date(struct sb_req *r, int64_t us)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t t = (time_t)(us / 1000000);
	struct tm tm;
	if (!gmtime_r(&t, &tm))
		return "Thu, 01 Jan 1970 00:00:00 GMT";
	return arena_fmt(&r->a, "%.3s, %02d %.3s %d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
	                 tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static const char *retry_after(struct sb_req *r, const struct sb_rule *f)
{
	if (f->number >= 0)
		return arena_fmt(&r->a, "%lld", (long long)f->number);
	if (streq(f->text, "none"))
		return NULL;
	if (streq(f->text, "garbage"))
		return "soon";
	if (streq(f->text, "date"))
		return http_date(r, r->s->now + 2000000);
	if (streq(f->text, "past"))
		return http_date(r, r->s->now - INT64_C(3600000000));
	return "1";
}

struct cut { char *p; size_t len; };

static ssize_t cut_read(void *cls, uint64_t pos, char *dst, size_t max)
{
	struct cut *c = cls;
	if (pos >= c->len)
		return MHD_CONTENT_READER_END_WITH_ERROR; /* fewer bytes than Content-Length said: the connection is closed */
	size_t n = c->len - (size_t)pos < max ? c->len - (size_t)pos : max;
	memcpy(dst, c->p + pos, n);
	return (ssize_t)n;
}

static void cut_free(void *cls)
{
	struct cut *c = cls;
	free(c->p);
	free(c);
}

static enum MHD_Result answer(struct sb_req *r, struct MHD_Connection *conn)
{
	struct MHD_Response *m;
	if (r->cut && r->out.len > 1) {
		struct cut *c = xmalloc(sizeof *c);
		c->len = r->out.len / 2;
		c->p = xmalloc(c->len);
		memcpy(c->p, r->out.p, c->len);
		m = MHD_create_response_from_callback(r->out.len, 4096, cut_read, c, cut_free);
	} else if (r->cut) {
		return MHD_NO;
	} else { /* r lives until the answer is out */
		m = MHD_create_response_from_buffer(r->status == 204 ? 0 : r->out.len, r->out.p, MHD_RESPMEM_PERSISTENT);
	}
	if (!m)
		return MHD_NO;
	if (r->status != 204)
		MHD_add_response_header(m, "Content-Type", r->type ? r->type : "application/json; charset=utf-8");
	MHD_add_response_header(m, "Date", http_date(r, r->s->now));
	MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(m, "Cache-Control", r->cacheable ? "private, max-age=3600" : "no-store");
	if (r->retry_after)
		MHD_add_response_header(m, "Retry-After", r->retry_after);
	if (r->www_auth)
		MHD_add_response_header(m, "WWW-Authenticate", r->www_auth);
	if (r->disposition)
		MHD_add_response_header(m, "Content-Disposition", r->disposition);
	if (r->took && r->s->scripted_clock)
		MHD_add_response_header(m, "X-Mvchat-Took", arena_fmt(&r->a, "%lld", (long long)r->took));
	if (r->csp)
		MHD_add_response_header(m, "Content-Security-Policy", r->csp);
	enum MHD_Result ok = MHD_queue_response(conn, (unsigned)r->status, m);
	MHD_destroy_response(m);
	return ok;
}

enum after { ANSWER, CLOSE, HANG, KEEP };

static const char sign_in[] = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Sign in to continue</form></body></html>";
static const char bad_gateway[] = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";

static enum after work(struct sb_req *r)
{
	const struct sb_rule *f = r->rule;
	enum sb_action a = f ? f->action : SBF_NONE;
	switch (a) {
	case SBF_DROP_BEFORE: return CLOSE;
	case SBF_HANG: return HANG;
	case SBF_500_BEFORE: plain(r, 500, "text/plain; charset=utf-8", "Internal Server Error\n"); return ANSWER;
	case SBF_HTML_502: plain(r, 502, "text/html; charset=utf-8", bad_gateway); return ANSWER;
	case SBF_429: sb_throttle(r, retry_after(r, f)); r->s->stats.throttled++; return ANSWER;
	case SBF_503:
		plain(r, 503, "text/plain; charset=utf-8", "Service Unavailable\n");
		if (f->number >= 0 || *f->text)
			r->retry_after = retry_after(r, f);
		return ANSWER;
	case SBF_LATE:
		r->due = r->s->now + f->number * 1000;
		return KEEP;
	case SBF_LIST_LAG: case SBF_LAG_DROP: r->lag = f->number * 1000; break;
	case SBF_SLOW: r->took = f->number * 1000; break;
	case SBF_401:
		jw_init(&r->w, &r->out);
		sb_denied(r, 401, "invalid_token", "Access token is invalid");
		return ANSWER;
	case SBF_NONE: case SBF_DROP_AFTER: case SBF_500_AFTER: case SBF_HANG_AFTER: case SBF_CUT_BODY: case SBF_HTML_200: case SBF_503_AFTER:
	case SBF_FOREIGN: case SBF_FOREIGN_AFTER: case SBF_WRONG_ID: case SBF_HUMAN: case SBF_HUMAN_DROP: case N_SBF: break;
	}
	sb_handle(r);
	switch (a) {
	case SBF_DROP_AFTER: case SBF_LAG_DROP: return CLOSE;
	case SBF_HUMAN: sb_human(r->s, r->chat, f->text); break;
	case SBF_HUMAN_DROP: sb_human(r->s, r->chat, f->text); return CLOSE;
	case SBF_HANG_AFTER: return HANG;
	case SBF_500_AFTER: plain(r, 500, "text/plain; charset=utf-8", "Internal Server Error\n"); break;
	case SBF_503_AFTER: plain(r, 503, "text/plain; charset=utf-8", "Service Unavailable\n"); break;
	case SBF_HTML_200: plain(r, 200, "text/html; charset=utf-8", sign_in); break;
	case SBF_CUT_BODY: r->cut = true; break;
	case SBF_WRONG_ID: {
		const struct jv *v = r->status < 300 ? jv_parse(&r->a, r->out.p, r->out.len, NULL) : NULL;
		if (v) {
			buf_reset(&r->out);
			jw_init(&r->w, &r->out);
			sb_write(&r->w, v, "id");
		}
		break;
	}
	case SBF_NONE: case SBF_DROP_BEFORE: case SBF_500_BEFORE: case SBF_LATE: case SBF_HANG: case SBF_HTML_502: case SBF_429: case SBF_503:
	case SBF_LIST_LAG: case SBF_SLOW: case SBF_FOREIGN: case SBF_FOREIGN_AFTER: case SBF_401: case N_SBF: break;
	}
	return ANSWER;
}

/* The control addresses and the page are for this machine's people: not for a web page elsewhere that knows the port. */
static bool local(const struct sb_req *r)
{
	static const char *const names[] = { "127.0.0.1", "localhost", NULL };
	const char *host = r->host ? r->host : "127.0.0.1";
	for (int i = 0; names[i]; i++) {
		size_t n = strlen(names[i]);
		if (strncmp(host, names[i], n) == 0 && (!host[n] || host[n] == ':')) {
			if (!r->origin || streq(r->method, "GET"))
				return true;
			return strncmp(r->origin, "http://", 7) == 0 && streq(r->origin + 7, host);
		}
	}
	return false;
}

static void inside(struct sb_req *r)
{
	r->status = 200;
	jw_init(&r->w, &r->out);
	if (!local(r)) {
		plain(r, 403, "text/plain; charset=utf-8", "Only for this machine\n");
		return;
	}
	if (strncmp(r->url, "/sandbox/", 9) == 0 && strncmp(r->url, "/sandbox/ui/", 12) != 0)
		sb_control(r);
	else
		sb_ui(r);
	sb_finish(r);
	sb_rest(r->s);
}

static enum MHD_Result begin(struct sandbox *s, struct sb_req *r, struct MHD_Connection *conn)
{
	pthread_mutex_lock(&s->lock);
	set_clock(s, MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "X-Mvchat-Now"));
	sb_tick(s, false);
	bool drop = false;
	if (r->api) {
		s->stats.mutating += r->mutating;
		const struct sb_rule *f = sb_faults_match(&s->faults, r->method, r->path, r->mutating, s->stats.mutating);
		if (f) { /* the script may be replaced while the body comes in */
			r->rule_copy = *f;
			r->rule = &r->rule_copy;
		}
		drop = f && f->action == SBF_DROP_BEFORE;
		if (drop)
			account(r);
	}
	pthread_mutex_unlock(&s->lock);
	if (!drop && r->api && r->cls == SBC_BLOB && streq(r->method, "POST"))
		r->pp = MHD_create_post_processor(conn, 65536, sb_upload_part, r);
	return drop ? MHD_NO : MHD_YES;
}

enum MHD_Result sb_http(void *cls, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
                        const char *data, size_t *size, void **ctx)
{
	struct sandbox *s = cls;
	struct sb_req *r = *ctx;
	(void)version;
	if (!r) {
		*ctx = r = req_new(s, conn, url, method);
		return begin(s, r, conn);
	}
	if (*size) {
		if (r->pp) {
			if (MHD_post_process(r->pp, data, *size) != MHD_YES && !r->form_error)
				r->form_error = "the form cannot be read";
		} else {
			buf_add(&r->body, data, *size);
			r->too_large = r->body.full;
		}
		*size = 0;
		return MHD_YES;
	}
	if (r->hung) /* resumed: the server stops */
		return MHD_NO;
	if (r->pp) {
		MHD_destroy_post_processor(r->pp);
		r->pp = NULL;
	}
	enum after then = ANSWER;
	pthread_mutex_lock(&s->lock);
	if (r->api)
		then = work(r);
	else
		inside(r);
	account(r);
	if (then == HANG && !s->stopping) {
		r->hung = true;
		r->conn = conn;
		r->next = s->hung;
		s->hung = r;
		MHD_suspend_connection(conn);
	} else if (then == KEEP) {
		*ctx = NULL;
		r->next = s->late;
		s->late = r;
	}
	pthread_mutex_unlock(&s->lock);
	switch (then) {
	case ANSWER: return answer(r, conn);
	case HANG: return r->hung ? MHD_YES : MHD_NO;
	case CLOSE: case KEEP: break;
	}
	return MHD_NO;
}
