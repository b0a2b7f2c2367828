/* test_sandbox.c: the sandbox over loopback, as a client sees it: the API's happy paths and refusals, limits by the client's
 * clock, faults at the level of the connection, notifications, and the dump. */
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

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	(void)ctx;
	buf_add(&t.body, p, size * n);
	return size * n;
}

static void keep(const char *line, size_t n, const char *name, char *dst, size_t cap)
{
	size_t k = strlen(name);
	if (n > k && strncasecmp(line, name, k) == 0) {
		while (k < n && line[k] == ' ')
			k++;
		fmt_into(dst, cap, "%.*s", (int)(n - k - 2), line + k);
	}
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
	(void)ctx;
	keep(p, size * n, "Retry-After:", t.retry_after, sizeof t.retry_after);
	keep(p, size * n, "Content-Type:", t.type, sizeof t.type);
	keep(p, size * n, "WWW-Authenticate:", t.www, sizeof t.www);
	return size * n;
}

/* One request; the status, or 0 when there was no answer (t.rc says why). */
static long call(const char *method, const char *path, const char *body)
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

static const struct jv *json(void)
{
	struct err e = ERR_INIT;
	const struct jv *v = jv_parse(&t.a, t.body.p, t.body.len, &e);
	if (!v)
		fail_msg("no JSON (%s): %s", e.msg, t.body.p);
	return v;
}

static int64_t num(const char *path)
{
	return jv_int(jv_at(json(), path), -1);
}

static const char *str(const char *path)
{
	const char *s = jv_str(jv_at(json(), path));
	return s ? s : "(null)";
}

/* The first error of an ApiError, "key:code", with its shape checked. */
static const char *refusal(void)
{
	const struct jv *e = jv_get(json(), "errors"), *one = e ? e->first : NULL;
	assert_non_null(one);
	assert_int_equal(one->n, 5);
	assert_non_null(jv_get(one, "value"));
	assert_non_null(jv_get(one, "payload"));
	assert_non_null(jv_str(jv_get(one, "message")));
	return arena_fmt(&t.a, "%s:%s", jv_str(jv_get(one, "key")), jv_str(jv_get(one, "code")));
}

static void start(const struct sandbox_args *args)
{
	struct err e = ERR_INIT;
	t.s = sandbox_start(args, &e);
	if (!t.s)
		fail_msg("%s %s", e.msg, e.where);
	t.token = BOT;
	t.now = 0;
	t.timeout_ms = 0;
}

static void stop(void)
{
	int64_t began = clock_mono_us();
	sandbox_close(t.s);
	t.s = NULL;
	assert_true(clock_mono_us() - began < 1000000);
}

static int setup(void **state)
{
	(void)state;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	arena_init(&t.a);
	buf_init(&t.body, 1 << 24);
	t.c = curl_easy_init();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	curl_easy_cleanup(t.c);
	buf_release(&t.body);
	arena_release(&t.a);
	curl_global_cleanup();
	return 0;
}

static long as(const char *token, const char *method, const char *path, const char *body)
{
	const char *was = t.token;
	t.token = token;
	long st = call(method, path, body);
	t.token = was;
	return st;
}

static int64_t make_chat(const char *name)
{
	char body[300];
	fmt_into(body, sizeof body, "{\"chat\":{\"name\":\"%s\"}}", name);
	assert_int_equal(call("POST", "/chats", body), 201);
	return num("data.id");
}

static const char *f(const char *fmt, int64_t a)
{
	const char *star = strchr(fmt, '$');
	return star ? arena_fmt(&t.a, "%.*s%lld%s", (int)(star - fmt), fmt, (long long)a, star + 1) : fmt;
}

static int64_t say(int64_t chat, const char *text)
{
	assert_int_equal(call("POST", "/messages", arena_fmt(&t.a, "{\"message\":{\"entity_id\":%lld,\"content\":\"%s\",\"display_name\":\"Анна\"}}",
	                                                     (long long)chat, text)), 201);
	return num("data.id");
}

static int64_t stat(const char *path)
{
	int64_t now = t.now; /* looking does not move time */
	t.now = 0;
	assert_int_equal(call("GET", "/sandbox/stats", NULL), 200);
	t.now = now;
	return num(path);
}

static void faults(const char *script)
{
	int64_t now = t.now;
	t.now = 0;
	assert_int_equal(call("POST", "/sandbox/faults", script), 200);
	assert_int_equal(call("POST", "/sandbox/reset", NULL), 200);
	t.now = now;
}

/* ---- who may what ---- */

static void test_tokens(void **state)
{
	(void)state;
	start(&(struct sandbox_args){ 0 });
	assert_int_equal(as(NULL, "GET", "/profile", NULL), 401);
	assert_string_equal(str("error"), "invalid_token");
	assert_true(*str("error_description") != 0);
	assert_int_equal(as("nobody", "GET", "/profile", NULL), 401);
	assert_non_null(strstr(t.www, "invalid_token"));
	assert_int_equal(as(ADMIN, "GET", "/oauth/token/info", NULL), 200);
	assert_string_equal(str("data.token"), "sandbox-...oken");
	assert_int_equal(num("data.user_id"), 1);
	assert_int_equal(call("GET", "/profile", NULL), 200);
	assert_string_equal(str("data.first_name"), "Импорт");
	assert_true(jv_get_bool(jv_get(json(), "data"), "bot"));
	assert_int_equal(call("POST", "/sandbox/tokens", "{\"token\":\"narrow-token\",\"scopes\":[\"chats:read\"],\"user_id\":1}"), 200);
	assert_int_equal(as("narrow-token", "GET", "/chats", NULL), 200);
	assert_int_equal(as("narrow-token", "POST", "/chats", "{\"chat\":{\"name\":\"x\"}}"), 403);
	assert_string_equal(str("error"), "insufficient_scope");
	assert_non_null(strstr(t.www, "chats:create"));
	assert_int_equal(call("POST", "/sandbox/tokens", "{\"token\":\"t2\",\"scopes\":[\"fly\"]}"), 422);
	assert_int_equal(call("GET", "/nowhere", NULL), 404);
	assert_int_equal(call("POST", "/sandbox/settings", "{\"unpaid\":true}"), 200);
	assert_int_equal(call("GET", "/chats", NULL), 402);
	assert_string_equal(refusal(), "base:payment_required");
	stop();
}

static void test_refusals(void **state)
{
	(void)state;
	start(&(struct sandbox_args){ 0 });
	int64_t c = make_chat("общий");
	assert_int_equal(c, 1);
	const struct { const char *method, *path, *body; long status; const char *what; } all[] = {
		{ "POST", "/messages", "{\"message\":{\"entity_id\":1,\"content\":\"x\",\"bogus\":1}}", 400, "bogus:invalid" },
		{ "POST", "/messages", "{\"message\":{\"entity_id\":1,\"content\":\"x\"},\"notify\":true}", 400, "notify:invalid" },
		{ "POST", "/messages", "{\"message\":{\"entity_id\":\"1\",\"content\":\"x\"}}", 400, "entity_id:invalid" },
		{ "POST", "/messages", "{\"message\":{\"entity_id\":4294967297,\"content\":\"x\"}}", 400, "entity_id:invalid" },
		{ "POST", "/messages", "{\"message\":{\"entity_id\":1,\"content\":null}}", 400, "content:invalid" },
		{ "POST", "/messages", "{\"message\":{\"entity_id\":1}}", 400, "content:blank" },
		{ "POST", "/messages", "{\"message\":{\"entity_id\":1,\"content\":\" \"}}", 422, "content:blank" },
		{ "POST", "/messages", "{\"message\":{\"entity_type\":\"channel\",\"entity_id\":1,\"content\":\"x\"}}", 400, "entity_type:invalid" },
		{ "POST", "/messages", "{\"message\":{\"entity_id\":99,\"content\":\"x\"}}", 422, "entity_id:not_found" },
		{ "POST", "/messages", "{\"message\":{\"entity_id\":1,\"content\":\"x\",\"parent_message_id\":77}}", 422, "parent_message_id:not_found" },
		{ "POST", "/messages", "{\"message\":{\"entity_id\":1,\"content\":\"x\",\"files\":[{\"key\":\"k/a.png\",\"name\":\"a.png\","
		  "\"file_type\":\"image\",\"size\":1}]}}", 422, "key:wrong_params" },
		{ "POST", "/messages", "{\"message\":", 400, "base:invalid" },
		{ "POST", "/messages", "[]", 400, "base:invalid" },
		{ "POST", "/chats", "{\"chat\":{\"name\":\"x\",\"color\":1}}", 400, "color:invalid" },
		{ "POST", "/chats", "{\"chat\":{\"name\":\" \"}}", 422, "name:blank" },
		{ "POST", "/chats", "{\"chat\":{\"name\":\"x\",\"member_ids\":[55]}}", 422, "member_ids:not_found" },
		{ "GET", "/chats?limit=51", NULL, 422, "limit:invalid" },
		{ "GET", "/chats?limit=0", NULL, 422, "limit:invalid" },
		{ "GET", "/chats?per=5", NULL, 400, "per:invalid" },
		{ "GET", "/chats?cursor=nonsense", NULL, 422, "cursor:invalid" },
		{ "GET", "/chats?order=up", NULL, 422, "order:inclusion" },
		{ "GET", "/messages", NULL, 400, "chat_id:blank" },
		{ "GET", "/messages?chat_id=99", NULL, 404, "id:not_found" },
		{ "GET", "/messages/99", NULL, 404, "id:not_found" },
		{ "GET", "/threads/99", NULL, 404, "id:not_found" },
		{ "GET", "/users/99", NULL, 404, "id:not_found" },
		{ "POST", "/uploads", "{\"name\":\"a\"}", 400, "base:invalid" },
	};
	for (size_t i = 0; i < countof(all); i++) {
		long st = call(all[i].method, all[i].path, all[i].body);
		if (st != all[i].status || !streq(refusal(), all[i].what))
			fail_msg("%s %s %s: %ld %s", all[i].method, all[i].path, all[i].body ? all[i].body : "", st, t.body.p);
	}
	assert_int_equal(as(ADMIN, "POST", "/chats", "{\"chat\":{\"name\":\"закрытый\"}}"), 201);
	int64_t closed = num("data.id");
	assert_int_equal(call("GET", f("/chats/$", closed), NULL), 404);
	assert_int_equal(call("POST", "/messages", f("{\"message\":{\"entity_id\":$,\"content\":\"x\"}}", closed)), 403);
	assert_string_equal(str("error"), "forbidden");
	assert_int_equal(as(ADMIN, "POST", "/messages", f("{\"message\":{\"entity_id\":$,\"content\":\"x\",\"display_name\":\"y\"}}", closed)), 422);
	assert_string_equal(refusal(), "display_name:not_authorized");
	char *long_text = arena_alloc(&t.a, 40100);
	memset(long_text, 'a', 40001);
	long_text[40001] = 0;
	assert_int_equal(call("POST", "/messages", arena_fmt(&t.a, "{\"message\":{\"entity_id\":1,\"content\":\"%s\"}}", long_text)), 422);
	assert_string_equal(refusal(), "content:too_long");
	long_text[40000] = 0;
	assert_int_equal(call("POST", "/messages", arena_fmt(&t.a, "{\"message\":{\"entity_id\":1,\"content\":\"%s\"}}", long_text)), 201);
	assert_int_equal(stat("messages"), 1);
	stop();
}

/* ---- people ---- */

static void test_users(void **state)
{
	(void)state;
	start(&(struct sandbox_args){ .seats = 3 });
	t.token = ADMIN;
	assert_int_equal(call("POST", "/users", "{\"user\":{\"email\":\"Anna@example.com\",\"first_name\":\"Анна\",\"last_name\":\"Ким\","
	                                        "\"list_tags\":[\"dev\"]},\"skip_email_notify\":true}"), 201);
	int64_t anna = num("data.id");
	assert_string_equal(str("data.email"), "anna@example.com");
	assert_string_equal(str("data.invite_status"), "sent");
	assert_true(jv_is(jv_at(json(), "data.first_name"), JV_NULL)); /* until registered: the spec */
	assert_int_equal(stat("invitations"), 0);
	assert_int_equal(call("POST", "/users", "{\"user\":{\"email\":\"ANNA@example.com\"}}"), 422);
	assert_string_equal(refusal(), "email:taken");
	assert_int_equal(call("POST", "/users", "{\"user\":{\"email\":\"nobody\"}}"), 422);
	assert_int_equal(call("POST", "/users", "{\"user\":{}}"), 400);
	assert_int_equal(call("POST", "/users", "{\"user\":{\"email\":\"g@example.com\",\"role\":\"guest\"}}"), 400);
	assert_string_equal(refusal(), "chat_ids:invalid");
	assert_int_equal(call("POST", "/users", "{\"user\":{\"email\":\"b@example.com\"}}"), 201); /* invited */
	assert_int_equal(stat("invitations"), 1);
	assert_int_equal(call("POST", "/users", "{\"user\":{\"email\":\"c@example.com\"}}"), 422);
	assert_string_equal(refusal(), "base:licenses_limit");
	assert_int_equal(call("POST", "/users", "{\"user\":{\"email\":\"c@example.com\",\"suspended\":true},\"skip_email_notify\":true}"), 201);
	int64_t gone = num("data.id");
	assert_int_equal(call("PUT", f("/users/$", gone), "{\"user\":{\"suspended\":false}}"), 422);
	assert_int_equal(call("PUT", f("/users/$", anna), "{\"user\":{\"role\":\"guest\"}}"), 422);
	assert_int_equal(call("PUT", f("/users/$", anna), "{\"user\":{\"title\":\"Инженер\",\"suspended\":true}}"), 200);
	assert_string_equal(str("data.title"), "Инженер");
	assert_int_equal(call("PUT", f("/users/$", gone), "{\"user\":{\"suspended\":false}}"), 200); /* the seat is free */
	/* a query answers with a search's meta, without has_next */
	assert_int_equal(call("GET", "/users?query=%D0%9A%D0%98%D0%9C&limit=50", NULL), 200);
	assert_int_equal(jv_get(json(), "data")->n, 1);
	assert_int_equal(num("meta.total"), 1);
	assert_null(jv_at(json(), "meta.paginate.has_next"));
	assert_non_null(jv_str(jv_at(json(), "meta.paginate.next_page")));
	assert_int_equal(call("GET", "/group_tags?names%5B%5D=dev", NULL), 200);
	assert_int_equal(jv_get_int(jv_get(json(), "data")->first, "users_count", -1), 1);
	assert_int_equal(call("POST", "/group_tags", "{\"group_tag\":{\"name\":\"dev\"}}"), 422);
	assert_int_equal(call("DELETE", f("/users/$", gone), NULL), 204);
	assert_int_equal(call("GET", f("/users/$", gone), NULL), 404);
	assert_int_equal(call("DELETE", "/users/1", NULL), 403);
	stop();
}

/* ---- chats ---- */

static void test_chats(void **state)
{
	(void)state;
	start(&(struct sandbox_args){ 0 });
	assert_int_equal(call("POST", "/sandbox/users", "{\"email\":\"a@example.com\"}"), 200);
	int64_t anna = num("id");
	int64_t c = make_chat("команда");
	assert_int_equal(call("GET", f("/chats/$", c), NULL), 200);
	assert_int_equal(num("data.owner_id"), 2);
	assert_false(jv_get_bool(jv_get(json(), "data"), "public"));
	assert_int_equal(call("POST", f("/chats/$/members", c), f("{\"member_ids\":[$],\"silent\":true}", anna)), 204);
	assert_int_equal(stat("notifications"), 0);
	assert_int_equal(call("DELETE", f("/chats/$/members/2", c), NULL), 403);
	assert_string_equal(str("error"), "cannot_kick_owner");
	assert_int_equal(call("PUT", arena_fmt(&t.a, "/chats/%lld/members/%lld", (long long)c, (long long)anna), "{\"role\":\"admin\"}"), 204);
	assert_int_equal(call("GET", f("/chats/$/members?role=admin", c), NULL), 200);
	assert_int_equal(jv_get(json(), "data")->n, 1);
	assert_int_equal(call("PUT", f("/chats/$/members/2", c), "{\"role\":\"member\"}"), 422);
	assert_string_equal(refusal(), "role:owner_protected");
	assert_int_equal(call("PUT", f("/chats/$", c), "{\"chat\":{\"name\":\"Команда\",\"public\":true}}"), 200);
	assert_string_equal(str("data.name"), "Команда");
	int64_t m = say(c, "до архива");
	assert_int_equal(call("PUT", f("/chats/$/archive", c), NULL), 204);
	assert_int_equal(call("POST", "/messages", f("{\"message\":{\"entity_id\":$,\"content\":\"x\"}}", c)), 403);
	assert_int_equal(call("POST", f("/messages/$/reactions", m), "{\"code\":\"👍\"}"), 403);
	assert_int_equal(call("POST", f("/messages/$/pin", m), NULL), 403);
	assert_int_equal(call("DELETE", f("/messages/$", m), NULL), 403);
	assert_int_equal(call("GET", f("/messages?chat_id=$", c), NULL), 200);
	assert_int_equal(call("GET", "/chats", NULL), 200);
	assert_int_equal(jv_get(json(), "data")->n, 0);
	assert_int_equal(call("GET", "/chats?archived=true", NULL), 200);
	assert_int_equal(jv_get(json(), "data")->n, 1);
	assert_int_equal(call("PUT", f("/chats/$/unarchive", c), NULL), 204);
	say(c, "после архива");
	/* pages: 7 chats by 3, both orders, no loss and no repetition */
	for (int i = 0; i < 6; i++)
		make_chat("ещё");
	for (int dir = 0; dir < 2; dir++) {
		const char *cursor = "";
		int seen = 0, pages = 0;
		int64_t last = dir ? 0 : INT32_MAX;
		bool more = true;
		while (more) {
			char *esc = curl_easy_escape(t.c, cursor, 0);
			assert_int_equal(call("GET", arena_fmt(&t.a, "/chats?limit=3&order=%s&cursor=%s", dir ? "asc" : "desc", esc), NULL), 200);
			curl_free(esc);
			jv_each(jv_get(json(), "data"), it) {
				int64_t id = jv_get_int(it, "id", -1);
				assert_true(dir ? id > last : id < last);
				last = id;
				seen++;
			}
			more = jv_get_bool(jv_at(json(), "meta.paginate"), "has_next");
			cursor = arena_strdup(&t.a, str("meta.paginate.next_page"));
			pages++;
		}
		assert_int_equal(seen, 7);
		assert_int_equal(pages, 3);
	}
	/* one-to-one */
	assert_int_equal(call("POST", "/messages", f("{\"message\":{\"entity_type\":\"USER\",\"entity_id\":$,\"content\":\"привет\"}}", anna)), 201);
	int64_t dm = num("data.chat_id");
	assert_string_equal(str("data.entity_type"), "user");
	assert_int_equal(call("POST", "/messages", f("{\"message\":{\"entity_type\":\"user\",\"entity_id\":$,\"content\":\"снова\"}}", anna)), 201);
	assert_int_equal(num("data.chat_id"), dm);
	assert_int_equal(call("GET", "/chats?personal=true", NULL), 200);
	assert_int_equal(jv_get(json(), "data")->n, 1);
	stop();
}

/* ---- messages, threads, marks ---- */

static void test_messages(void **state)
{
	(void)state;
	start(&(struct sandbox_args){ 0 });
	int64_t c = make_chat("лента"), first = say(c, "первое"), m;
	for (int i = 0; i < 4; i++)
		say(c, "ещё");
	assert_int_equal(call("GET", f("/messages/$", first), NULL), 200);
	assert_string_equal(str("data.display_name"), "Анна");
	assert_string_equal(str("data.entity_type"), "discussion");
	assert_int_equal(call("GET", f("/messages?chat_id=$&order=asc&limit=2", c), NULL), 200);
	assert_int_equal(jv_get_int(jv_get(json(), "data")->first, "id", 0), first);
	assert_true(jv_get_bool(jv_at(json(), "meta.paginate"), "has_next"));
	/* prev_page of the newest page: what has come since */
	assert_int_equal(call("GET", f("/messages?chat_id=$&limit=2", c), NULL), 200);
	const char *prev = arena_strdup(&t.a, str("meta.paginate.prev_page"));
	m = say(c, "новое");
	char *esc = curl_easy_escape(t.c, prev, 0);
	assert_int_equal(call("GET", arena_fmt(&t.a, "/messages?chat_id=%lld&limit=2&cursor=%s", (long long)c, esc), NULL), 200);
	curl_free(esc);
	assert_int_equal(jv_get(json(), "data")->n, 1);
	assert_int_equal(jv_get_int(jv_get(json(), "data")->first, "id", 0), m);
	assert_int_equal(call("PUT", f("/messages/$", m), "{\"message\":{\"content\":\"изменено\"}}"), 200);
	assert_string_equal(str("data.content"), "изменено");
	assert_int_equal(call("PUT", f("/messages/$", m), "{\"message\":{\"entity_id\":5}}"), 400);
	/* threads */
	assert_int_equal(call("POST", f("/messages/$/thread", first), NULL), 201);
	int64_t thread = num("data.id"), tchat = num("data.chat_id");
	assert_int_equal(call("POST", f("/messages/$/thread", first), NULL), 201);
	assert_int_equal(num("data.id"), thread);
	assert_int_equal(call("POST", "/messages", f("{\"message\":{\"entity_type\":\"thread\",\"entity_id\":$,\"content\":\"ответ\"}}", thread)), 201);
	int64_t reply = num("data.id");
	assert_int_equal(num("data.chat_id"), tchat);
	assert_int_equal(num("data.root_chat_id"), c);
	assert_int_equal(call("POST", f("/messages/$/thread", reply), NULL), 400);
	assert_string_equal(refusal(), "id:thread_message");
	say(tchat, "по чату треда");
	assert_string_equal(str("data.entity_type"), "thread");
	assert_int_equal(num("data.entity_id"), thread);
	assert_int_equal(call("GET", f("/messages?chat_id=$", tchat), NULL), 200);
	assert_int_equal(jv_get(json(), "data")->n, 2);
	assert_int_equal(call("GET", f("/threads/$", thread), NULL), 200);
	assert_int_equal(num("data.message_id"), first);
	assert_int_equal(call("POST", "/threads", NULL), 201);
	assert_true(jv_is(jv_at(json(), "data.message_id"), JV_NULL));
	assert_int_equal(call("GET", "/threads", NULL), 200);
	assert_int_equal(jv_get(json(), "data")->n, 2);
	/* deleting */
	assert_int_equal(call("DELETE", f("/messages/$", m), NULL), 204);
	assert_int_equal(call("DELETE", f("/messages/$", m), NULL), 404);
	assert_int_equal(call("POST", f("/messages/$/thread", m), NULL), 404);
	assert_int_equal(call("GET", f("/messages?chat_id=$&limit=50", c), NULL), 200);
	assert_int_equal(jv_get(json(), "data")->n, 5);
	/* pins and reactions */
	assert_int_equal(call("POST", f("/messages/$/pin", first), NULL), 204);
	assert_int_equal(call("POST", f("/messages/$/pin", first), NULL), 409);
	assert_string_equal(refusal(), "message_id:already_exists");
	assert_int_equal(call("DELETE", f("/messages/$/pin", first), NULL), 204);
	assert_int_equal(call("POST", f("/messages/$/reactions", first), "{\"code\":\"👍\"}"), 201);
	assert_int_equal(num("user_id"), 2);
	assert_int_equal(call("POST", f("/messages/$/reactions", first), "{\"code\":\"👍\"}"), 201);
	assert_int_equal(call("POST", f("/messages/$/reactions", first), "{\"code\":\"ok\"}"), 422);
	assert_string_equal(refusal(), "code:wrong_emoji");
	for (int i = 1; i < 20; i++)
		assert_int_equal(call("POST", f("/messages/$/reactions", first), arena_fmt(&t.a, "{\"code\":\"\xf0\x9f\x98%c\"}", 0x80 + i)), 201);
	assert_int_equal(call("POST", f("/messages/$/reactions", first), "{\"code\":\"🎉\"}"), 422);
	assert_string_equal(refusal(), "code:user_limit");
	for (int i = 0; i < 10; i++)
		assert_int_equal(as(ADMIN, "POST", f("/messages/$/reactions", first), "{\"code\":\"x\"}"), 404); /* not a member */
	assert_int_equal(call("POST", f("/chats/$/members", c), "{\"member_ids\":[1],\"silent\":true}"), 204);
	for (int i = 0; i < 10; i++)
		assert_int_equal(as(ADMIN, "POST", f("/messages/$/reactions", first), arena_fmt(&t.a, "{\"code\":\"\xf0\x9f\x99%c\"}", 0x80 + i)), 201);
	assert_int_equal(as(ADMIN, "POST", f("/messages/$/reactions", first), "{\"code\":\"🎉\"}"), 422);
	assert_string_equal(refusal(), "code:unique_limit");
	assert_int_equal(call("GET", f("/messages/$/reactions?limit=50", first), NULL), 200);
	assert_int_equal(jv_get(json(), "data")->n, 30);
	assert_int_equal(call("DELETE", f("/messages/$/reactions?code=%F0%9F%91%8D", first), NULL), 204);
	assert_int_equal(call("DELETE", f("/messages/$/reactions?code=%F0%9F%91%8D", first), NULL), 404);
	stop();
}

/* ---- files ---- */

struct slot { const char *key[8], *value[8]; const char *url, *want; };

static struct slot get_slot(void)
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

static long send_form(const struct slot *s, const char *name, const char *bytes, size_t n, enum order order, const char *extra)
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

static void test_uploads(void **state)
{
	(void)state;
	start(&(struct sandbox_args){ 0 });
	int64_t c = make_chat("файлы");
	struct slot s = get_slot();
	static const char png[] = "\x89PNG\r\n\x1a\nrest";
	assert_int_equal(send_form(&s, "снимок.png", png, 12, FILE_FIRST, NULL), 400);
	assert_int_equal(send_form(&s, "снимок.png", png, 12, FILE_LAST, "x-extra"), 403);
	struct slot bad = s;
	bad.value[1] = "public-read";
	assert_int_equal(send_form(&bad, "a.png", png, 12, FILE_LAST, NULL), 403);
	bad = s;
	bad.value[7] = "elsewhere/${filename}";
	assert_int_equal(send_form(&bad, "a.png", png, 12, FILE_LAST, NULL), 403);
	bad = s;
	bad.value[6] = "00";
	assert_int_equal(send_form(&bad, "a.png", png, 12, FILE_LAST, NULL), 403);
	assert_non_null(strstr(t.body.p, "SignatureDoesNotMatch"));
	bad = s;
	bad.value[0] = NULL;
	assert_int_equal(send_form(&bad, "a.png", png, 12, FILE_LAST, NULL), 403);
	assert_int_equal(send_form(&s, "снимок.png", png, 12, FILE_LAST, NULL), 204);
	char body[1000];
	fmt_into(body, sizeof body, "{\"message\":{\"entity_id\":%lld,\"content\":\"\",\"files\":[{\"key\":\"%sснимок.png\",\"name\":\"a.jpg\","
	                            "\"file_type\":\"image\",\"size\":12}]}}", (long long)c, s.want);
	assert_int_equal(call("POST", "/messages", body), 422);
	assert_string_equal(refusal(), "name:wrong_params");
	fmt_into(body, sizeof body, "{\"message\":{\"entity_id\":%lld,\"content\":\"\",\"files\":[{\"key\":\"%sснимок.png\",\"name\":\"имя.png\","
	                            "\"file_type\":\"image\",\"size\":12,\"width\":3,\"height\":4}]}}", (long long)c, s.want);
	assert_int_equal(call("POST", "/messages", body), 201);
	const struct jv *file = jv_at(json(), "data.files")->first;
	assert_int_equal(jv_get_int(file, "width", 0), 3);
	assert_int_equal(as(NULL, "GET", f("/sandbox/ui/file?id=$", jv_get_int(file, "id", 0)), NULL), 200);
	assert_string_equal(t.type, "image/png");
	assert_int_equal(t.body.len, 12);
	/* a voice note needs its duration and waveform */
	s = get_slot();
	assert_int_equal(send_form(&s, "v.ogg", "OggS", 4, FILE_LAST, NULL), 204);
	fmt_into(body, sizeof body, "{\"message\":{\"entity_id\":%lld,\"content\":\"\",\"files\":[{\"key\":\"%sv.ogg\",\"name\":\"v.ogg\","
	                            "\"file_type\":\"voice\",\"size\":4}]}}", (long long)c, s.want);
	assert_int_equal(call("POST", "/messages", body), 422);
	/* an empty file, and parameters that are over */
	s = get_slot();
	assert_int_equal(send_form(&s, "empty.txt", "", 0, FILE_LAST, NULL), 204);
	s = get_slot();
	t.now = clock_wall_us() + INT64_C(3700000000);
	assert_int_equal(send_form(&s, "late.txt", "x", 1, FILE_LAST, NULL), 403);
	assert_non_null(strstr(t.body.p, "expired"));
	t.now = 0;
	assert_int_equal(stat("uploads"), 3);
	stop();
}

/* ---- limits, by the client's clock ---- */

static long try_say(int64_t chat)
{
	return call("POST", "/messages", f("{\"message\":{\"entity_id\":$,\"content\":\"x\"}}", chat));
}

static void test_limits(void **state)
{
	(void)state;
	start(&(struct sandbox_args){ .limits = true });
	t.now = clock_wall_us() + 1000000;
	int64_t a = make_chat("a"), b = make_chat("b");
	int sent = 0;
	while (try_say(a) == 201)
		sent++;
	assert_int_equal(sent, 30); /* in one second */
	assert_string_equal(t.retry_after, "1");
	assert_non_null(strstr(t.type, "text/plain"));
	assert_int_equal(try_say(b), 201); /* another chat is another lane */
	/* 30 a second for 5 seconds uses up the 150 and what came in meanwhile */
	for (int second = 0; second < 10; second++) {
		t.now += 1000000;
		while (try_say(a) == 201)
			sent++;
	}
	assert_in_range(sent, 150 + 4 * 10 - 2, 150 + 4 * 10);
	/* then 4 a second */
	int before = sent;
	for (int tick = 0; tick < 40; tick++) {
		t.now += 250000;
		if (try_say(a) == 201)
			sent++;
	}
	assert_in_range(sent - before, 39, 41);
	/* reading: 10 a second a token */
	int read = 0;
	while (read < 100 && call("GET", f("/messages?chat_id=$", a), NULL) == 200)
		read++;
	assert_int_equal(read, 10);
	/* everything else: 50 a second */
	t.now += 5000000;
	int other = 0;
	while (other < 100 && call("GET", "/profile", NULL) == 200)
		other++;
	assert_int_equal(other, 50);
	assert_true(stat("throttled") > 10);
	/* going on regardless: restricted, for a minute */
	for (int i = 0; i < 250; i++)
		call("GET", "/profile", NULL);
	assert_int_equal(call("GET", "/profile", NULL), 403);
	assert_string_equal(str("error"), "token_restricted");
	assert_true(stat("restricted") > 0);
	t.now += 61000000;
	assert_int_equal(call("GET", "/profile", NULL), 200);
	stop();
}

/* ---- faults ---- */

static int64_t count_messages(int64_t chat)
{
	assert_int_equal(call("GET", f("/messages?chat_id=$&limit=50", chat), NULL), 200);
	return (int64_t)jv_get(json(), "data")->n;
}

static void test_faults(void **state)
{
	(void)state;
	start(&(struct sandbox_args){ 0 });
	int64_t c = make_chat("faults"), n = 0;
	const struct { const char *script; long status; CURLcode rc, rc2; int applied; const char *retry; } all[] = {
		{ "POST /messages 1 drop-before", 0, CURLE_GOT_NOTHING, CURLE_RECV_ERROR, 0, NULL },
		{ "POST /messages 1 drop-after", 0, CURLE_GOT_NOTHING, CURLE_RECV_ERROR, 1, NULL },
		{ "POST /messages 1 500-before", 500, CURLE_OK, CURLE_OK, 0, NULL },
		{ "POST /messages 1 500-after", 500, CURLE_OK, CURLE_OK, 1, NULL },
		{ "POST /messages 1 hang", 0, CURLE_OPERATION_TIMEDOUT, CURLE_OPERATION_TIMEDOUT, 0, NULL },
		{ "* * #1 hang-after", 0, CURLE_OPERATION_TIMEDOUT, CURLE_OPERATION_TIMEDOUT, 1, NULL },
		{ "POST /mess* 1 cut-body", 0, CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, 1, NULL },
		{ "POST /messages * html-200", 200, CURLE_OK, CURLE_OK, 1, NULL },
		{ "POST /messages every:1 html-502", 502, CURLE_OK, CURLE_OK, 0, NULL },
		{ "POST /messages 1 429 7", 429, CURLE_OK, CURLE_OK, 0, "7" },
		{ "POST /messages 1 429 none", 429, CURLE_OK, CURLE_OK, 0, "" },
		{ "POST /messages 1 429 garbage", 429, CURLE_OK, CURLE_OK, 0, "soon" },
		{ "POST /messages 1 503 3", 503, CURLE_OK, CURLE_OK, 0, "3" },
		{ "POST /messages 1 503", 503, CURLE_OK, CURLE_OK, 0, "" },
		{ "POST /messages 1 503-after", 503, CURLE_OK, CURLE_OK, 1, NULL },
		{ "POST /messages 1 wrong-id", 201, CURLE_OK, CURLE_OK, 1, NULL },
		{ "POST /messages 1 foreign Привет всем", 201, CURLE_OK, CURLE_OK, 2, NULL },
		{ "POST /messages 1 foreign-after Пока", 201, CURLE_OK, CURLE_OK, 2, NULL },
		{ "# nothing\n\nGET /messages 1 drop-before", 201, CURLE_OK, CURLE_OK, 1, NULL },
	};
	for (size_t i = 0; i < countof(all); i++) {
		faults(all[i].script);
		bool hangs = strstr(all[i].script, "hang") != NULL;
		t.timeout_ms = hangs ? 250 : 0;
		long st = try_say(c);
		t.timeout_ms = 0;
		if (st != all[i].status || (t.rc != all[i].rc && t.rc != all[i].rc2) || (all[i].retry && !streq(all[i].retry, t.retry_after)))
			fail_msg("%s: %ld, curl %d, Retry-After '%s'", all[i].script, st, (int)t.rc, t.retry_after);
		if (strstr(all[i].script, "wrong-id"))
			assert_null(jv_at(json(), "data.id"));
		faults("");
		int64_t m = count_messages(c);
		if (m - n != all[i].applied)
			fail_msg("%s: %d applied", all[i].script, (int)(m - n));
		n = m;
	}
	faults("POST /messages 1 429 date\nPOST /messages 2 429 past");
	assert_int_equal(try_say(c), 429);
	time_t when = curl_getdate(t.retry_after, NULL), now = time(NULL);
	assert_in_range(when, now, now + 4);
	assert_int_equal(try_say(c), 429);
	assert_true(curl_getdate(t.retry_after, NULL) < now);
	/* the person who wrote in between is in the chat since then, and is the only one to be notified */
	assert_int_equal(call("GET", "/sandbox/stats", NULL), 200);
	assert_int_equal(jv_get(json(), "by_user")->n, 1);
	assert_string_equal(jv_get_str(jv_get(json(), "by_user")->first, "who"), "live.person@sandbox.local");
	/* late: applied when the server's time has come; lag: there, but not listed yet */
	faults("POST /messages 1 late 5000\nPOST /messages 2 list-lag 4000");
	t.now = clock_wall_us() + 1000000;
	assert_int_equal(try_say(c), 0);
	assert_int_equal(count_messages(c), n);
	t.now += 4900000;
	assert_int_equal(count_messages(c), n);
	t.now += 200000;
	assert_int_equal(count_messages(c), n + 1);
	assert_int_equal(try_say(c), 201);
	int64_t id = num("data.id");
	assert_int_equal(count_messages(c), n + 1);
	assert_int_equal(call("GET", f("/messages/$", id), NULL), 200);
	t.now += 4100000;
	assert_int_equal(count_messages(c), n + 2);
	/* a client whose clock begins again does not stop time: 5 s of its own are 5 s */
	faults("POST /messages 1 late 5000");
	assert_int_equal(try_say(c), 0);
	t.now -= 3000000000;
	assert_int_equal(count_messages(c), n + 2);
	t.now += 5100000;
	assert_int_equal(count_messages(c), n + 3);
	t.now = 0;
	assert_int_equal(call("POST", "/sandbox/faults", "POST /messages once explode"), 422);
	assert_int_equal(call("POST", "/sandbox/faults", "POST /messages 1 explode"), 422);
	assert_int_equal(call("POST", "/sandbox/faults", "POST /messages 1 late"), 422);
	faults("POST /messages 1 hang");
	t.timeout_ms = 150;
	assert_int_equal(try_say(c), 0);
	stop(); /* within a second, with a request hanging */
}

/* ---- notifications ---- */

static void test_notifications(void **state)
{
	(void)state;
	start(&(struct sandbox_args){ 0 });
	int64_t who[3];
	for (int i = 0; i < 3; i++) {
		assert_int_equal(call("POST", "/sandbox/users", arena_fmt(&t.a, "{\"email\":\"u%d@example.com\",\"nickname\":\"u%d\"}", i, i)), 200);
		who[i] = num("id");
	}
	int64_t c = make_chat("тихо");
	say(c, "никого нет");
	assert_int_equal(stat("notifications"), 0);
	assert_int_equal(call("POST", f("/chats/$/members", c), f("{\"member_ids\":[$],\"silent\":true}", who[0])), 204);
	assert_int_equal(stat("notifications"), 0);
	assert_int_equal(call("POST", f("/chats/$/members", c), f("{\"member_ids\":[$]}", who[1])), 204);
	assert_int_equal(stat("notifications"), 1); /* told of being added */
	say(c, "двоим");
	assert_int_equal(stat("notifications"), 3);
	say(c, "@u2 не участник");
	assert_int_equal(stat("notifications"), 5);
	assert_int_equal(as(ADMIN, "PUT", f("/users/$", who[0]), "{\"user\":{\"suspended\":true}}"), 200);
	say(c, "одному");
	assert_int_equal(stat("notifications"), 6);
	assert_int_equal(as(ADMIN, "PUT", f("/users/$", who[0]), "{\"user\":{\"suspended\":false}}"), 200);
	assert_int_equal(stat("notifications"), 6);
	assert_int_equal(call("DELETE", arena_fmt(&t.a, "/chats/%lld/members/%lld", (long long)c, (long long)who[1]), NULL), 204);
	assert_int_equal(stat("notifications"), 6);
	/* in a thread: those who take part, and who is mentioned takes part */
	int64_t m = say(c, "корень");
	assert_int_equal(stat("notifications"), 7);
	assert_int_equal(call("POST", f("/messages/$/thread", m), NULL), 201);
	int64_t thread = num("data.chat_id");
	say(thread, "никто не участвует");
	assert_int_equal(stat("notifications"), 7);
	assert_int_equal(call("POST", "/messages", f("{\"message\":{\"entity_id\":$,\"content\":\"@u2 тише\",\"skip_invite_mentions\":true}}", thread)), 201);
	assert_int_equal(stat("notifications"), 7);
	say(thread, "слушай, @u2!");
	assert_int_equal(stat("notifications"), 8);
	assert_int_equal(call("POST", "/messages", arena_fmt(&t.a, "{\"message\":{\"entity_id\":%lld,\"content\":\"и <@%lld>\"}}", (long long)thread,
	                                                     (long long)who[0])), 201);
	assert_string_equal(str("data.content"), "и @u0");
	assert_int_equal(stat("notifications"), 10);
	assert_int_equal(call("GET", "/sandbox/stats", NULL), 200);
	int64_t sum = 0;
	jv_each(jv_get(json(), "by_user"), u)
		sum += jv_get_int(u, "notifications", 0);
	assert_int_equal(sum, 10);
	stop();
}

/* ---- dump ---- */

static char *content(const char *store, size_t *n, int order)
{
	struct err e = ERR_INIT;
	char *text = NULL;
	start(&(struct sandbox_args){ .store = store });
	int64_t c[2];
	for (int i = 0; i < 2; i++)
		c[i ^ order] = make_chat(i ^ order ? "б" : "а");
	for (int i = 0; i < 3; i++) {
		say(c[0], "раз");
		say(c[1], "два");
	}
	int64_t m = say(c[1], "корень");
	assert_int_equal(call("POST", f("/messages/$/thread", m), NULL), 201);
	int64_t thread = num("data.chat_id");
	say(c[1], "после корня");
	say(thread, "в треде");
	assert_int_equal(call("POST", f("/messages/$/reactions", m), "{\"code\":\"👍\"}"), 201);
	struct slot s = get_slot();
	assert_int_equal(send_form(&s, "a.txt", "текст", 10, FILE_LAST, NULL), 204);
	assert_int_equal(call("POST", "/messages", arena_fmt(&t.a, "{\"message\":{\"entity_id\":%lld,\"content\":\"файл\",\"files\":[{\"key\":\"%sa.txt\","
	                 "\"name\":\"a.txt\",\"file_type\":\"file\",\"size\":10}]}}", (long long)c[0], s.want)), 201);
	/* while the server runs */
	FILE *out = open_memstream(&text, n);
	if (!sandbox_dump(store, out, &e))
		fail_msg("%s", e.msg);
	fclose(out);
	/* the same over HTTP, and after the end */
	assert_int_equal(call("GET", "/sandbox/dump", NULL), 200);
	assert_int_equal(t.body.len, *n);
	assert_memory_equal(t.body.p, text, *n);
	stop();
	char *after = NULL;
	size_t m2 = 0;
	out = open_memstream(&after, &m2);
	assert_true(sandbox_dump(store, out, &e));
	fclose(out);
	assert_int_equal(m2, *n);
	assert_memory_equal(after, text, m2);
	free(after);
	return text;
}

static void test_dump(void **state)
{
	(void)state;
	char dir[] = "/tmp/mvchat-sandbox-XXXXXX", path[80];
	assert_non_null(mkdtemp(dir));
	char *text[2];
	size_t n[2];
	for (int i = 0; i < 2; i++) {
		fmt_into(path, sizeof path, "%s/%d.db", dir, i);
		text[i] = content(path, &n[i], i); /* chats made in another order, other ids */
	}
	assert_int_equal(n[0], n[1]);
	assert_memory_equal(text[0], text[1], n[0]);
	const char *root = strstr(text[0], "\"content\":\"корень\""), *in = strstr(text[0], "\"thread\":4,");
	assert_non_null(root);
	assert_true(in > root && in < strstr(text[0], "после корня"));
	assert_non_null(strstr(text[0], "\"files\":[{\"name\":\"a.txt\",\"size\":10,\"sha256\":\""));
	assert_non_null(strstr(text[0], "{\"type\":\"stats\",\"users\":2,\"chats\":2,\"messages\":10,\"threads\":1,\"files\":1,\"reactions\":1,"));
	/* a store goes on where it was left */
	start(&(struct sandbox_args){ .store = path });
	assert_int_equal(stat("messages"), 10);
	stop();
	for (int i = 0; i < 2; i++) {
		free(text[i]);
		fmt_into(path, sizeof path, "%s/%d.db", dir, i);
		unlink(path);
	}
	assert_int_equal(rmdir(dir), 0); /* nothing else was left */
	struct err e = ERR_INIT;
	FILE *null = fopen("/dev/null", "w");
	assert_false(sandbox_dump("/nonexistent/store.db", null, &e));
	fclose(null);
}

/* ---- page, log, port file ---- */

static void test_page(void **state)
{
	(void)state;
	char dir[] = "/tmp/mvchat-sandbox-XXXXXX", log[80], port[80], line[4096];
	assert_non_null(mkdtemp(dir));
	fmt_into(log, sizeof log, "%s/log", dir);
	fmt_into(port, sizeof port, "%s/port", dir);
	start(&(struct sandbox_args){ .log = log, .port_file = port });
	FILE *p = fopen(port, "r");
	assert_non_null(p);
	assert_non_null(fgets(line, sizeof line, p));
	fclose(p);
	assert_int_equal(atoi(line), sandbox_port(t.s));
	int64_t c = make_chat("<b>чат</b>");
	for (int i = 0; i < 60; i++)
		say(c, i == 5 ? "иголка" : "сено");
	t.token = NULL;
	assert_int_equal(call("GET", "/", NULL), 200);
	assert_non_null(strstr(t.type, "text/html"));
	assert_null(strstr(t.body.p, "http://"));
	assert_int_equal(call("GET", "/sandbox/ui/chats", NULL), 200);
	assert_int_equal(jv_get(json(), "chats")->n, 1);
	assert_int_equal(call("GET", f("/sandbox/ui/messages?chat=$", c), NULL), 200);
	assert_int_equal(jv_get(json(), "messages")->n, 50);
	assert_true(jv_get_bool(json(), "more"));
	assert_int_equal(call("GET", "/sandbox/ui/search?q=%D0%98%D0%93%D0%9E%D0%9B", NULL), 200);
	assert_int_equal(jv_get(json(), "found")->n, 1);
	assert_int_equal(call("GET", f("/sandbox/ui/chat?id=$", c), NULL), 200);
	assert_int_equal(call("GET", "/sandbox/ui/summary", NULL), 200);
	assert_int_equal(call("GET", "/sandbox/nothing", NULL), 404);
	stop();
	p = fopen(log, "r");
	assert_non_null(p);
	int lines = 0;
	while (fgets(line, sizeof line, p)) {
		struct err e = ERR_INIT;
		const struct jv *v = jv_parse(&t.a, line, strlen(line), &e);
		assert_non_null(v);
		assert_null(strstr(line, BOT));
		assert_string_equal(jv_str(jv_get(v, "token")), "bot");
		lines++;
	}
	fclose(p);
	assert_int_equal(lines, 61); /* the API's requests only */
	unlink(log);
	unlink(port);
	assert_int_equal(rmdir(dir), 0);
}

static void test_bad_start(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	assert_null(sandbox_start(&(struct sandbox_args){ .admin_token = "same", .bot_token = "same" }, &e));
	assert_int_equal(e.code, ERR_USAGE);
	assert_null(sandbox_start(&(struct sandbox_args){ .faults = "/nonexistent" }, &e));
	assert_null(sandbox_start(&(struct sandbox_args){ .store = "/nonexistent/dir/x.db" }, &e));
	start(&(struct sandbox_args){ 0 });
	assert_null(sandbox_start(&(struct sandbox_args){ .port = 70000 }, &e));
	assert_null(sandbox_start(&(struct sandbox_args){ .port = sandbox_port(t.s) }, &e)); /* taken */
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens), cmocka_unit_test(test_refusals), cmocka_unit_test(test_users), cmocka_unit_test(test_chats),
		cmocka_unit_test(test_messages), cmocka_unit_test(test_uploads), cmocka_unit_test(test_limits), cmocka_unit_test(test_faults),
		cmocka_unit_test(test_notifications), cmocka_unit_test(test_dump), cmocka_unit_test(test_page), cmocka_unit_test(test_bad_start),
	};
	clock_init();
	return cmocka_run_group_tests(tests, setup, teardown);
}
