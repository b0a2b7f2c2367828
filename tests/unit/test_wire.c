/* The wire against a server that misbehaves on purpose. */
#include "wire_server.h"

static void an_answer_is_complete(void **state)
{
	(void)state;
	struct wire *w = open_plain();
	struct wire_done d = one(w, (struct http_req){ .method = "POST", .path = "/messages?x=1", .content_type = "application/json", .body = "{\"a\":1}",
	                                               .body_len = 7, .auth = AUTH_ADMIN, .scope = "", .writes = true });
	assert_int_equal(d.cls, WIRE_ANSWER);
	assert_int_equal(d.resp.status, 201);
	assert_string_equal(d.resp.body, "{\"path\":\"/api/messages?x=1\"}");
	assert_int_equal(d.resp.len, strlen(d.resp.body));
	assert_string_equal(d.resp.content_type, "application/json");
	assert_int_equal(d.resp.retry_after_s, -1);
	const struct request *r = last();
	assert_string_equal(r->method, "POST");
	assert_string_equal(r->body, "{\"a\":1}");
	assert_non_null(strstr(r->head, "Authorization: Bearer " TOKEN "\r\n"));
	assert_non_null(strstr(r->head, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(r->head, "Content-Length: 7\r\n"));
	assert_non_null(strstr(r->head, "User-Agent: mvchat/"));
	assert_non_null(strstr(r->head, "X-Mvchat-Now: 1751364000000000 "));
	assert_non_null(strstr(r->head, "Accept-Encoding: "));
	assert_null(strstr(r->head, "Expect"));
	assert_int_equal(wire_requests(w, false), 1);
	assert_int_equal(wire_requests(w, true), 1);
	assert_int_equal(clock_mono_us(), 0); /* time stands still while a request is under way */
	d = one(w, request("GET", "/chunked", NULL));
	assert_string_equal(d.resp.body, "hello world");
	d = one(w, request("GET", "/204", NULL));
	assert_int_equal(d.resp.status, 204);
	assert_string_equal(d.resp.body, "");
	d = one(w, request("POST", "/500", "x"));
	assert_int_equal(d.cls, WIRE_ANSWER);
	assert_int_equal(d.resp.status, 500);
	assert_string_equal(d.resp.body, "<oops>");
	assert_int_equal(wire_requests(w, false), 4);
	assert_int_equal(wire_requests(w, true), 2);
	close_all(w);
}

static void every_method_goes_out_as_it_is(void **state)
{
	(void)state;
	static const struct { const char *method, *body, *length; } T[] = {
		{ "POST", "b", "Content-Length: 1\r\n" }, { "PUT", "bb", "Content-Length: 2\r\n" }, { "DELETE", "bbb", "Content-Length: 3\r\n" },
		{ "POST", NULL, "Content-Length: 0\r\n" }, { "PUT", NULL, "Content-Length: 0\r\n" }, { "DELETE", NULL, NULL }, { "GET", NULL, NULL },
	};
	struct wire *w = open_plain();
	for (int round = 0; round < 2; round++) { /* the second with handles used before, in another order */
		for (size_t i = 0; i < countof(T); i++) {
			size_t k = round ? countof(T) - 1 - i : i;
			struct wire_done d = one(w, request(T[k].method, "/ok", T[k].body));
			assert_int_equal(d.cls, WIRE_ANSWER);
			assert_string_equal(last()->method, T[k].method);
			assert_string_equal(last()->body, T[k].body ? T[k].body : "");
			assert_non_null(strstr(last()->head, "Authorization: Bearer " BOT "\r\n"));
			if (T[k].length)
				assert_non_null(strstr(last()->head, T[k].length));
			else
				assert_null(strstr(last()->head, "Content-Length"));
			assert_null(strstr(last()->head, "chunked"));
			if (!T[k].body)
				assert_null(strstr(last()->head, "Content-Type"));
		}
	}
	close_all(w);
}

/* THE regression test. libcurl re-sends a request when a reused connection dies before the answer, and reports one success.
 * First what it does by itself, so that the reason is on record; then that we do not let it. */
static size_t ignore_body(char *p, size_t a, size_t b, void *ctx)
{
	(void)p;
	(void)ctx;
	return a * b;
}

static void libcurl_sends_again_when_left_alone(void **state)
{
	(void)state;
	CURL *h = curl_easy_init();
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, ignore_body);
	curl_easy_setopt(h, CURLOPT_POSTFIELDS, "m");
	static const char *const PATHS[] = { "/one", "/drop", "/three" };
	for (size_t i = 0; i < countof(PATHS); i++) {
		curl_easy_setopt(h, CURLOPT_URL, absolute(PATHS[i]));
		curl_easy_perform(h);
	}
	curl_easy_cleanup(h);
	assert_int_equal(applied("/one"), 1);
	if (applied("/drop") == 1)
		print_message("this libcurl (%s) does not send a POST again; the guard stays\n", curl_version());
	else
		assert_true(applied("/drop") == 2); /* one POST asked for, two applied */
}

static void a_post_on_a_reused_connection_is_never_sent_again(void **state)
{
	(void)state;
	static const char *const METHODS[] = { "POST", "PUT", "DELETE" };
	static const char *const FAULTS[] = { "/drop", "/reset" };
	struct wire *w = open_plain();
	for (size_t f = 0; f < countof(FAULTS); f++) {
		for (size_t i = 0; i < countof(METHODS); i++) {
			char path[64];
			snprintf(path, sizeof(path), "%s-%s", FAULTS[f], METHODS[i]);
			assert_int_equal(one(w, request(METHODS[i], "/ok", "m1")).cls, WIRE_ANSWER);
			int connection = last()->connection;
			struct wire_done d = one(w, request(METHODS[i], path, "m2"));
			assert_int_equal(last()->connection, connection); /* it was a reused one, or this test tests nothing */
			assert_int_equal(d.cls, WIRE_UNKNOWN);
			assert_int_equal(applied(path), 1);
			assert_int_equal(one(w, request(METHODS[i], "/ok", "m3")).cls, WIRE_ANSWER);
			assert_int_equal(applied(path), 1);
		}
	}
	close_all(w);
}

static void without_a_body_neither(void **state)
{
	(void)state;
	static const char *const METHODS[] = { "POST", "PUT", "DELETE" };
	static const char *const FAULTS[] = { "/drop", "/reset" };
	struct wire *w = open_plain();
	for (size_t f = 0; f < countof(FAULTS); f++) {
		for (size_t i = 0; i < countof(METHODS); i++) {
			char path[64];
			snprintf(path, sizeof(path), "%s-%s", FAULTS[f], METHODS[i]);
			assert_int_equal(one(w, request("POST", "/ok", "m1")).cls, WIRE_ANSWER);
			int connection = last()->connection;
			struct wire_done d = one(w, request(METHODS[i], path, NULL));
			assert_int_equal(d.cls, WIRE_UNKNOWN);
			assert_int_equal(applied(path), 1);
			assert_true(last()->connection != connection);
			/* and the connection we had is still in use for the rest */
			assert_int_equal(one(w, request("POST", "/ok", "m3")).cls, WIRE_ANSWER);
			assert_int_equal(last()->connection, connection);
		}
	}
	close_all(w);
}

static void several_at_once_are_not_sent_again_either(void **state)
{
	(void)state;
	enum { N = 8 };
	struct wire *w = open_plain();
	struct wire_done d[N];
	int tags[N];
	for (int round = 0; round < 2; round++) {
		size_t left = N;
		for (int i = 0; i < N; i++) {
			char path[32];
			snprintf(path, sizeof(path), round ? "/drop%d" : "/warm%d", i);
			struct http_req r = request("POST", path, "m");
			assert_true(wire_send(w, &r, &tags[i], NULL));
		}
		assert_int_equal(wire_in_flight(w), N);
		while (left) {
			size_t n = wire_poll(w, clock_mono_us(), d, 3);
			assert_true(n <= 3);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(d[i].cls, round ? WIRE_UNKNOWN : WIRE_ANSWER);
			left -= n;
		}
	}
	for (int i = 0; i < N; i++) {
		char path[32];
		snprintf(path, sizeof(path), "/drop%d", i);
		assert_int_equal(applied(path), 1);
	}
	close_all(w);
}

static void a_read_may_be_sent_again(void **state)
{
	(void)state;
	struct wire *w = open_plain();
	assert_int_equal(one(w, request("GET", "/ok", NULL)).cls, WIRE_ANSWER);
	assert_int_equal(one(w, request("GET", "/drop", NULL)).cls, WIRE_UNKNOWN); /* in the end it is the same */
	assert_true(applied("/drop") >= 1);
	close_all(w);
}

static void broken_answers_are_unknown(void **state)
{
	(void)state;
	static const char *const PATHS[] = { "/drop", "/reset", "/cut", "/halfhead", "/garbage" };
	struct wire *w = open_plain();
	for (size_t i = 0; i < countof(PATHS); i++) {
		struct wire_done d = one(w, request("POST", PATHS[i], "m"));
		assert_int_equal(d.cls, WIRE_UNKNOWN);
		assert_int_equal(applied(PATHS[i]), 1);
	}
	close_all(w);
}

static void what_was_not_sent_is_called_so(void **state)
{
	(void)state;
	struct wire *w = open_plain();
	int closed_port;
	char url[96];
	int fd = bind_loopback(&closed_port); /* bound, not listening: refuses */
	struct http_req r = request("POST", "/x", "m");
	r.auth = AUTH_NONE;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/x?sig=s3cret", closed_port);
	r.path = url;
	assert_int_equal(one(w, r).cls, WIRE_UNSENT);
	/* TLS asked of a server that does not speak it */
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/x?sig=s3cret", port);
	struct wire_done d = one(w, r);
	assert_int_equal(d.cls, WIRE_UNSENT);
	assert_non_null(strstr(d.why, "cannot connect"));
	/* a name that does not exist (RFC 6761) */
	r.path = "https://nowhere.invalid/x?sig=s3cret";
	assert_int_equal(one(w, r).cls, WIRE_UNSENT);
	assert_int_equal(n_seen, 0);
	close(fd);
	close_all(w);
}

static void a_connection_that_never_opens_is_unsent(void **state)
{
	(void)state;
	/* A listener whose queue is full: the kernel leaves further connections without an answer. */
	int full_port, fd = bind_loopback(&full_port), fill[4];
	assert_int_equal(listen(fd, 0), 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)full_port) };
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < countof(fill); i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fill[i], (struct sockaddr *)&a, sizeof(a));
	}
	struct wire *w = open_plain();
	char url[96];
	struct http_req r = request("POST", "/x", "m");
	r.auth = AUTH_NONE;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/x", full_port);
	r.path = url;
	struct wire_done d = one(w, r);
	assert_int_equal(d.cls, WIRE_UNSENT);
	assert_int_equal(clock_mono_us(), 15000000); /* the limit for connecting, not the total */
	for (size_t i = 0; i < countof(fill); i++)
		close(fill[i]);
	close(fd);
	close_all(w);
}

static void a_hung_server_costs_no_real_minute(void **state)
{
	(void)state;
	struct wire *w = open_plain();
	struct timeval a, b;
	gettimeofday(&a, NULL);
	struct wire_done d = one(w, request("POST", "/hang", "m"));
	gettimeofday(&b, NULL);
	assert_int_equal(d.cls, WIRE_UNKNOWN);
	assert_non_null(strstr(d.why, "no answer in time"));
	assert_int_equal(clock_mono_us(), 60000000);
	assert_true(b.tv_sec - a.tv_sec < 10);
	assert_int_equal(applied("/hang"), 1);
	/* the next one is not harmed */
	assert_int_equal(one(w, request("POST", "/ok", "m")).cls, WIRE_ANSWER);
	assert_non_null(strstr(last()->head, "X-Mvchat-Now: 1751364060000000 "));
	close_all(w);
}

static void a_timeout_in_real_time(void **state)
{
	(void)state;
	clock_mode(NULL);
	struct wire *w = open_with((struct wire_config){ .timeout_s = 1 });
	assert_int_equal(one(w, request("POST", "/ok", "m")).cls, WIRE_ANSWER);
	assert_null(strstr(last()->head, "X-Mvchat-Now"));
	int64_t t = clock_mono_us();
	assert_int_equal(one(w, request("POST", "/hang", "m")).cls, WIRE_UNKNOWN);
	assert_true(clock_mono_us() - t >= 1000000);
	/* with nothing under way a poll waits for its deadline and not longer */
	struct wire_done d;
	t = clock_mono_us();
	assert_int_equal(wire_poll(w, t + 20000, &d, 1), 0);
	assert_true(clock_mono_us() - t >= 19000 && clock_mono_us() - t < 5000000);
	assert_int_equal(wire_poll(w, 0, &d, 1), 0);
	close_all(w);
}

static void an_idle_poll_jumps_to_its_deadline(void **state)
{
	(void)state;
	struct wire *w = open_plain();
	struct wire_done d;
	assert_int_equal(wire_poll(w, 3600 * (int64_t)1000000, &d, 1), 0);
	assert_int_equal(clock_mono_us(), 3600 * (int64_t)1000000);
	close_all(w);
}

static void retry_after(void **state)
{
	(void)state;
	static const struct { const char *path; int s; } T[] = {
		{ "/429s", 7 }, { "/429none", -1 }, { "/429date", 30 }, { "/429past", 0 }, { "/429nodate", 90 }, { "/429baddate", 90 },
		{ "/429minus", 0 }, { "/429huge", 2147483647 }, { "/429junk", -1 }, { "/429half", -1 }, { "/429empty", -1 }, { "/429utf", -1 },
		{ "/interim", -1 },
	};
	struct wire *w = open_plain();
	for (size_t i = 0; i < countof(T); i++) {
		struct wire_done d = one(w, request("POST", T[i].path, "m"));
		assert_int_equal(d.cls, WIRE_ANSWER);
		assert_int_equal(d.resp.retry_after_s, T[i].s);
		assert_string_equal(d.resp.content_type, "");
	}
	assert_int_equal(wire_throttled(w), countof(T) - 1);
	close_all(w);
}

static void a_redirect_is_an_answer_and_not_followed(void **state)
{
	(void)state;
	struct wire *w = open_plain();
	assert_int_equal(one(w, request("POST", "/redirect", "m")).resp.status, 307);
	assert_int_equal(one(w, request("GET", "/redirect", NULL)).resp.status, 307);
	assert_int_equal(applied("/target"), 0);
	close_all(w);
}

static void an_answer_too_large_is_unknown(void **state)
{
	(void)state;
	struct wire *w = open_with((struct wire_config){ .max_answer_bytes = 100000 });
	struct wire_done d = one(w, request("POST", "/big", "m"));
	assert_int_equal(d.cls, WIRE_UNKNOWN);
	assert_non_null(strstr(d.why, "larger than 100000 bytes"));
	assert_int_equal(one(w, request("POST", "/ok", "m")).cls, WIRE_ANSWER);
	close_all(w);
}

/* Whatever a server sends, what is kept of it has a bound. */
static void a_lying_server_costs_no_memory(void **state)
{
	(void)state;
	static const struct { const char *path, *why; } T[] = {
		{ "/endless-head", "header fields are larger" }, { "/endless-body", "larger than 1000000 bytes" }, { "/bomb", "larger than 1000000 bytes" },
	};
	clock_mode(NULL); /* packing the bomb takes a moment */
	struct wire *w = open_with((struct wire_config){ .max_answer_bytes = 1000000 });
	struct rusage before, after;
	getrusage(RUSAGE_SELF, &before);
	for (size_t i = 0; i < countof(T); i++) {
		struct wire_done d = one(w, request("POST", T[i].path, "m"));
		assert_int_equal(d.cls, WIRE_UNKNOWN);
		if (!strstr(d.why, T[i].why))
			fail_msg("%s: %s", T[i].path, d.why);
	}
	assert_in_range(endless, 200000, 16 << 20); /* what the kernel holds in between included */
	getrusage(RUSAGE_SELF, &after);
	if (!getenv("ASAN_OPTIONS") || strcmp(getenv("MODE") ? getenv("MODE") : "", "asan"))
		assert_true(after.ru_maxrss - before.ru_maxrss < 16 * 1024); /* KiB */
	assert_int_equal(one(w, request("POST", "/ok", "m")).cls, WIRE_ANSWER);
	close_all(w);
}

/* Nor does one that drips keep us longer than the time for one request, whatever it drips. */
static void a_slow_server_costs_no_time(void **state)
{
	(void)state;
	clock_mode(NULL);
	struct wire *w = open_with((struct wire_config){ .timeout_s = 1 });
	struct err e = ERR_INIT;
	struct http_req r = request("POST", "/trickleh", "m");
	struct wire_done d[2];
	int marks[2], ended = 0;
	int64_t t = clock_mono_us();
	assert_true(wire_send(w, &r, &marks[0], &e));
	r = request("POST", "/trickleb", "m");
	assert_true(wire_send(w, &r, &marks[1], &e));
	for (int i = 0; i < 10000 && ended < 2; i++) {
		size_t n = wire_poll(w, clock_mono_us() + 100000, d, 2);
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(d[k].cls, WIRE_UNKNOWN);
			assert_non_null(strstr(d[k].why, "no answer in time"));
			ended++;
		}
	}
	assert_int_equal(ended, 2);
	assert_true(clock_mono_us() - t >= 1000000 && clock_mono_us() - t < 10000000);
	close_all(w);
}

static void tokens_stay_at_home(void **state)
{
	(void)state;
	static const struct { const char *url; bool fine; } BASES[] = {
		{ "https://api.example.com/v1", true }, { "https://api.example.com:8443", true }, { "http://127.0.0.1:1", true },
		{ "http://127.9.8.7:1", true }, { "http://localhost:1/x/", true }, { "http://[::1]:8080", true }, { "HTTPS://api.example.com", true },
		{ "http://api.example.com", false }, { "http://10.0.0.1", false }, { "http://127.0.0.1.example.com", false },
		{ "http://localhost.example.com", false }, { "http://128.0.0.1", false }, { "ftp://127.0.0.1", false }, { "file:///etc/passwd", false },
		{ "https://me:s3cret@api.example.com", false }, { "http://127.0.0.1@evil.example.com/", false }, { "api.example.com", false },
		{ "", false }, { "https://", false }, { "https://api.example.com/?q=1", false }, { "https://api.example.com/#x", false },
		{ "https://a b.example.com", false }, { "https://api.example.com/\r\nX: y", false },
	};
	for (size_t i = 0; i < countof(BASES); i++) {
		struct err e = ERR_INIT;
		struct wire_config c = { .base_url = BASES[i].url, .admin_token = TOKEN };
		struct wire *w = wire_open(&c, &e);
		if ((w != NULL) != BASES[i].fine)
			fail_msg("%s: %s", BASES[i].url, e.msg);
		if (!w) {
			assert_int_equal(e.code, ERR_USAGE);
			assert_null(strstr(e.msg, "s3cret"));
		}
		wire_close(w);
	}
	struct wire *w = open_plain();
	static const struct { const char *path; enum auth auth; enum err_code code; } REFUSED[] = {
		{ "http://files.example.com/x?sig=s3cret", AUTH_NONE, ERR_TARGET },   /* plain http beyond loopback */
		{ "https://files.example.com/x?sig=s3cret", AUTH_BOT, ERR_TARGET },   /* a token to another host */
		{ "https://files.example.com/x", AUTH_ADMIN, ERR_TARGET },
		{ "ftp://127.0.0.1/x", AUTH_NONE, ERR_TARGET }, { "file:///etc/passwd", AUTH_NONE, ERR_TARGET },
		{ "messages", AUTH_NONE, ERR_TARGET }, { "/a b", AUTH_NONE, ERR_INTERNAL }, { "/a\r\nX: y", AUTH_NONE, ERR_INTERNAL },
		{ "http://127.0.0.1:1/x", AUTH_BOT, ERR_TARGET },                     /* the same host, another port */
	};
	for (size_t i = 0; i < countof(REFUSED); i++) {
		struct err e = ERR_INIT;
		struct http_req r = request("POST", "/x", "m");
		r.path = REFUSED[i].path;
		r.auth = REFUSED[i].auth;
		if (wire_send(w, &r, NULL, &e))
			fail_msg("sent: %s", REFUSED[i].path);
		assert_int_equal(e.code, REFUSED[i].code);
		assert_null(strstr(e.msg, "s3cret"));
	}
	/* an address handed out, without a token */
	struct http_req r = request("POST", "/form?sig=1", "m");
	r.auth = AUTH_NONE;
	assert_int_equal(one(w, r).cls, WIRE_ANSWER);
	assert_null(strstr(last()->head, "Authorization"));
	assert_int_equal(wire_requests(w, false), 1); /* the refused ones were never started */
	assert_int_equal(wire_in_flight(w), 0);
	/* injection */
	r.content_type = "text/plain\r\nX-Evil: 1";
	assert_false(wire_send(w, &r, NULL, NULL));
	r.content_type = NULL;
	r.method = "POST / HTTP/1.1\r\nX";
	assert_false(wire_send(w, &r, NULL, NULL));
	close_all(w);
	struct err e = ERR_INIT;
	struct wire_config c = { .base_url = "https://api.example.com", .bot_token = "abc\r\nX: y" };
	assert_null(wire_open(&c, &e));
	c = (struct wire_config){ .base_url = "https://api.example.com", .cacert = "/nonexistent/ca.pem" };
	assert_null(wire_open(&c, &e));
	assert_non_null(strstr(e.msg, "/nonexistent/ca.pem"));
}

static void a_missing_token_is_a_usage_error(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char base[64];
	snprintf(base, sizeof(base), "http://127.0.0.1:%d", port);
	struct wire_config c = { .base_url = base, .admin_token = TOKEN };
	struct wire *w = wire_open(&c, &e);
	struct http_req r = { .method = "GET", .path = "/x", .auth = AUTH_BOT, .scope = "" };
	assert_false(wire_send(w, &r, NULL, &e));
	assert_int_equal(e.code, ERR_USAGE);
	wire_close(w);
}

static void loopback_ignores_the_proxy_of_the_environment(void **state)
{
	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	struct wire *w = open_plain();
	assert_int_equal(one(w, request("GET", "/ok", NULL)).cls, WIRE_ANSWER);
	close_all(w);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	/* one that is named is used, also with a password that must not show up anywhere */
	char proxy[96];
	snprintf(proxy, sizeof(proxy), "http://me:s3cret-proxy@127.0.0.1:%d", port);
	w = open_with((struct wire_config){ .proxy = proxy });
	assert_int_equal(one(w, request("GET", "/ok", NULL)).cls, WIRE_ANSWER);
	assert_non_null(strstr(last()->head, "GET http://127.0.0.1:"));
	close_all(w);
	/* for https the proxy is asked to connect, and when it is not there nothing was sent */
	snprintf(proxy, sizeof(proxy), "http://me:s3cret-proxy@127.0.0.1:1");
	w = open_with((struct wire_config){ .proxy = proxy, .base_url = "https://api.example.com" });
	struct wire_done d = one(w, (struct http_req){ .method = "POST", .path = "/x", .body = "m", .body_len = 1, .auth = AUTH_BOT, .scope = "", .writes = true });
	assert_int_equal(d.cls, WIRE_UNSENT);
	close_all(w);
}

static void a_call_among_others(void **state)
{
	(void)state;
	struct wire *w = open_plain();
	struct http_resp resp;
	struct err e = ERR_INIT;
	int tag;
	struct http_req hang = request("POST", "/ok-first", "m");
	assert_true(wire_send(w, &hang, &tag, &e));
	struct http_req r = request("GET", "/read", NULL);
	assert_int_equal(wire_call(w, &r, &arena, &resp, &e), WIRE_ANSWER);
	assert_int_equal(resp.status, 201);
	assert_string_equal(resp.body, "{\"path\":\"/read\"}");
	assert_string_equal(resp.content_type, "application/json");
	struct wire_done d;
	while (!wire_poll(w, clock_mono_us(), &d, 1))
		continue;
	assert_ptr_equal(d.tag, &tag);
	assert_string_equal(d.resp.body, "{\"path\":\"/ok-first\"}");
	/* what wire_poll gave stays while a call is made */
	assert_int_equal(wire_call(w, &r, &arena, &resp, &e), WIRE_ANSWER);
	assert_string_equal(d.resp.body, "{\"path\":\"/ok-first\"}");
	r = request("GET", "/cut?s3cret=1", NULL);
	assert_int_equal(wire_call(w, &r, &arena, &resp, &e), WIRE_UNKNOWN);
	assert_int_equal(e.code, ERR_TARGET);
	assert_null(strstr(e.msg, "s3cret"));
	assert_int_equal(resp.status, 0);
	close_all(w);
}

static void connections_are_bounded(void **state)
{
	(void)state;
	enum { N = 60 };
	struct wire *w = open_with((struct wire_config){ .max_connections = 4 });
	struct wire_done d[N];
	for (int i = 0; i < N; i++) {
		struct http_req r = request("POST", "/ok", i % 3 ? "m" : NULL);
		assert_true(wire_send(w, &r, NULL, NULL));
	}
	for (size_t left = N; left;) {
		size_t n = wire_poll(w, clock_mono_us(), d, N);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(d[i].cls, WIRE_ANSWER);
		left -= n;
	}
	assert_int_equal(applied("/ok"), N);
	assert_in_range(most_open, 2, 12); /* 4, and those whose end the server has not noticed yet */
	close_all(w);
}

/* Whatever this machine's clock says; and what is nearly right stays as it is. */
static void the_time_is_the_targets(void **state)
{
	(void)state;
	static const int64_t at = INT64_C(1751364000000000); /* 2025-07-01 10:00:00 UTC, by date(1) */
	bool told = true;
	struct wire *w = open_plain();
	one(w, request("GET", "/undated", NULL));
	int64_t ours = clock_wall_us() - wire_now_us(w, &told);
	assert_true(!told && ours > -2000000 && ours < 2000000);
	one(w, request("GET", "/2025", NULL));
	int64_t t = wire_now_us(w, &told);
	assert_true(told && t >= at && t < at + 20000000);
	one(w, request("GET", "/2025soon", NULL));
	assert_true(wire_now_us(w, NULL) >= t && wire_now_us(w, NULL) < at + 30000000);
	one(w, request("GET", "/2025late", NULL));
	t = wire_now_us(w, NULL);
	assert_true(t >= at + 300000000 && t < at + 330000000);
	one(w, request("GET", "/2025", NULL));
	assert_true(wire_now_us(w, NULL) < at + 30000000);
	close_all(w);
}

int main(void)
{
	static const char *const PROXY_VARS[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
	for (size_t i = 0; i < countof(PROXY_VARS); i++)
		unsetenv(PROXY_VARS[i]);
	const struct CMUnitTest tests[] = {
		served(an_answer_is_complete), served(every_method_goes_out_as_it_is), served(libcurl_sends_again_when_left_alone),
		served(a_post_on_a_reused_connection_is_never_sent_again), served(without_a_body_neither),
		served(several_at_once_are_not_sent_again_either), served(a_read_may_be_sent_again), served(broken_answers_are_unknown),
		served(what_was_not_sent_is_called_so), served(a_connection_that_never_opens_is_unsent),
		served(a_hung_server_costs_no_real_minute), served(a_timeout_in_real_time), served(an_idle_poll_jumps_to_its_deadline),
		served(retry_after), served(a_redirect_is_an_answer_and_not_followed), served(an_answer_too_large_is_unknown),
		served(a_lying_server_costs_no_memory), served(a_slow_server_costs_no_time), served(tokens_stay_at_home),
		served(a_missing_token_is_a_usage_error), served(loopback_ignores_the_proxy_of_the_environment),
		served(a_call_among_others), served(the_time_is_the_targets), served(connections_are_bounded),
	};
	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
