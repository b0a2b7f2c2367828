/* sandbox_client.h: a client of the sandbox over loopback, for its tests. Included by one .c of a program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/sandbox.h"

#include "core/arena.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/json.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define ADMIN "sandbox-admin-token"
#define BOT "sandbox-bot-token"
#define BASE "/api/shared/v1"

static struct {
	struct sandbox *s;
	struct arena a;
	struct buf body;
	CURL *c;
	char retry_after[64], type[80], www[160];
	int64_t now;         /* sent as X-Mvchat-Now when not 0 */
	const char *token;
	long timeout_ms;
	CURLcode rc;
} t;

static inline size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	(void)ctx;
	buf_add(&t.body, p, size * n);
	return size * n;
}

static inline void keep(const char *line, size_t n, const char *name, char *dst, size_t cap)
{
	size_t k = strlen(name);
	if (n > k && strncasecmp(line, name, k) == 0) {
		while (k < n && line[k] == ' ')
			k++;
		fmt_into(dst, cap, "%.*s", (int)(n - k - 2), line + k);
	}
}

static inline size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
	(void)ctx;
	keep(p, size * n, "Retry-After:", t.retry_after, sizeof t.retry_after);
	keep(p, size * n, "Content-Type:", t.type, sizeof t.type);
	keep(p, size * n, "WWW-Authenticate:", t.www, sizeof t.www);
	return size * n;
}

/* One request; the status, or 0 when there was no answer (t.rc says why). */
static inline long call(const char *method, const char *path, const char *body)
{
	char url[2048], line[300];
	struct curl_slist *h = NULL;
	long status = 0;
	curl_easy_reset(t.c);
	buf_reset(&t.body);
	*t.retry_after = *t.type = *t.www = 0;
	if (strncmp(path, "http", 4) == 0)
		fmt_into(url, sizeof url, "%s", path);
	else
		fmt_into(url, sizeof url, "http://127.0.0.1:%d%s%s", sandbox_port(t.s),
		         strncmp(path, "/sandbox", 8) == 0 || streq(path, "/") ? "" : BASE, path);
	if (t.token) {
		fmt_into(line, sizeof line, "Authorization: Bearer %s", t.token);
		h = curl_slist_append(h, line);
	}
	if (t.now) {
		fmt_into(line, sizeof line, "X-Mvchat-Now: %lld", (long long)t.now);
		h = curl_slist_append(h, line);
	}
	if (body)
		h = curl_slist_append(h, "Content-Type: application/json");
	h = curl_slist_append(h, "Expect:");
	curl_easy_setopt(t.c, CURLOPT_URL, url);
	curl_easy_setopt(t.c, CURLOPT_HTTPHEADER, h);
	curl_easy_setopt(t.c, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(t.c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(t.c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(t.c, CURLOPT_TIMEOUT_MS, t.timeout_ms ? t.timeout_ms : 20000L);
	curl_easy_setopt(t.c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t.c, CURLOPT_NOPROXY, "*");
	/* libcurl would send a POST again on a connection that died: not in a test of dying connections */
	curl_easy_setopt(t.c, CURLOPT_FRESH_CONNECT, 1L);
	if (body)
		curl_easy_setopt(t.c, CURLOPT_POSTFIELDS, body);
	t.rc = curl_easy_perform(t.c);
	curl_easy_getinfo(t.c, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(h);
	return t.rc == CURLE_OK ? status : 0;
}

static inline const struct jv *json(void)
{
	struct err e = ERR_INIT;
	const struct jv *v = jv_parse(&t.a, t.body.p, t.body.len, &e);
	if (!v)
		fail_msg("no JSON (%s): %s", e.msg, t.body.p);
	return v;
}

static inline int64_t num(const char *path)
{
	return jv_int(jv_at(json(), path), -1);
}

static inline const char *str(const char *path)
{
	const char *s = jv_str(jv_at(json(), path));
	return s ? s : "(null)";
}

/* The first error of an ApiError, "key:code", with its shape checked. */
static inline const char *refusal(void)
{
	const struct jv *e = jv_get(json(), "errors"), *one = e ? e->first : NULL;
	assert_non_null(one);
	assert_int_equal(one->n, 5);
	assert_non_null(jv_get(one, "value"));
	assert_non_null(jv_get(one, "payload"));
	assert_non_null(jv_str(jv_get(one, "message")));
	return arena_fmt(&t.a, "%s:%s", jv_str(jv_get(one, "key")), jv_str(jv_get(one, "code")));
}

static inline void start(const struct sandbox_args *args)
{
	struct err e = ERR_INIT;
	t.s = sandbox_start(args, &e);
	if (!t.s)
		fail_msg("%s %s", e.msg, e.where);
	t.token = BOT;
	t.now = 0;
	t.timeout_ms = 0;
}

static inline void stop(void)
{
	int64_t began = clock_mono_us();
	sandbox_close(t.s);
	t.s = NULL;
	assert_true(clock_mono_us() - began < 1000000);
}

static inline int setup(void **state)
{
	(void)state;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	arena_init(&t.a);
	buf_init(&t.body, 1 << 24);
	t.c = curl_easy_init();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	curl_easy_cleanup(t.c);
	buf_release(&t.body);
	arena_release(&t.a);
	curl_global_cleanup();
	return 0;
}

static inline long as(const char *token, const char *method, const char *path, const char *body)
{
	const char *was = t.token;
	t.token = token;
	long st = call(method, path, body);
	t.token = was;
	return st;
}

static inline int64_t make_chat(const char *name)
{
	char body[300];
	fmt_into(body, sizeof body, "{\"chat\":{\"name\":\"%s\"}}", name);
	assert_int_equal(call("POST", "/chats", body), 201);
	return num("data.id");
}

static inline const char *f(const char *fmt, int64_t a)
{
	const char *star = strchr(fmt, '$');
	return star ? arena_fmt(&t.a, "%.*s%lld%s", (int)(star - fmt), fmt, (long long)a, star + 1) : fmt;
}

static inline int64_t say(int64_t chat, const char *text)
{
	assert_int_equal(call("POST", "/messages", arena_fmt(&t.a, "{\"message\":{\"entity_id\":%lld,\"content\":\"%s\",\"display_name\":\"Анна\"}}",
	                                                     (long long)chat, text)), 201);
	return num("data.id");
}

static inline int64_t stat(const char *path)
{
	int64_t now = t.now; /* looking does not move time */
	t.now = 0;
	assert_int_equal(call("GET", "/sandbox/stats", NULL), 200);
	t.now = now;
	return num(path);
}

static inline void faults(const char *script)
{
	int64_t now = t.now;
	t.now = 0;
	assert_int_equal(call("POST", "/sandbox/faults", script), 200);
	assert_int_equal(call("POST", "/sandbox/reset", NULL), 200);
	t.now = now;
}

/* A place for a file, and its form. */
struct slot { const char *key[8], *value[8]; const char *url, *want; };

static inline struct slot get_slot(void)
{
	static const char *const names[8] = { "Content-Disposition", "acl", "policy", "x-amz-credential", "x-amz-algorithm", "x-amz-date",
		"x-amz-signature", "key" };
	struct slot s;
	assert_int_equal(call("POST", "/uploads", NULL), 201);
	for (int i = 0; i < 8; i++) {
		s.key[i] = names[i];
		s.value[i] = arena_strdup(&t.a, jv_get_str(json(), names[i]));
		assert_non_null(s.value[i]);
	}
	s.url = arena_strdup(&t.a, str("direct_url"));
	s.want = arena_fmt(&t.a, "%.*s", (int)(strlen(s.value[7]) - strlen("${filename}")), s.value[7]);
	return s;
}

enum order { FILE_LAST, FILE_FIRST };

static inline long send_form(const struct slot *s, const char *name, const char *bytes, size_t n, enum order order, const char *extra)
{
	long status = 0;
	char now[60];
	struct curl_slist *h = NULL;
	curl_easy_reset(t.c);
	buf_reset(&t.body);
	curl_mime *form = curl_mime_init(t.c);
	for (int i = -1; i <= 8; i++) {
		if ((order == FILE_FIRST && i == -1) || (order == FILE_LAST && i == 8)) {
			curl_mimepart *p = curl_mime_addpart(form);
			curl_mime_name(p, "file");
			curl_mime_filename(p, name);
			curl_mime_data(p, bytes, n);
		} else if (i >= 0 && i < 8 && s->value[i]) {
			curl_mimepart *p = curl_mime_addpart(form);
			curl_mime_name(p, s->key[i]);
			curl_mime_data(p, s->value[i], CURL_ZERO_TERMINATED);
		}
		if (i == 3 && extra) {
			curl_mimepart *p = curl_mime_addpart(form);
			curl_mime_name(p, extra);
			curl_mime_data(p, "1", 1);
		}
	}
	fmt_into(now, sizeof now, "X-Mvchat-Now: %lld", (long long)t.now);
	if (t.now)
		h = curl_slist_append(h, now);
	curl_easy_setopt(t.c, CURLOPT_URL, s->url);
	curl_easy_setopt(t.c, CURLOPT_HTTPHEADER, h);
	curl_easy_setopt(t.c, CURLOPT_MIMEPOST, form);
	curl_easy_setopt(t.c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(t.c, CURLOPT_NOPROXY, "*");
	assert_int_equal(curl_easy_perform(t.c), CURLE_OK);
	curl_easy_getinfo(t.c, CURLINFO_RESPONSE_CODE, &status);
	curl_mime_free(form);
	curl_slist_free_all(h);
	return status;
}
