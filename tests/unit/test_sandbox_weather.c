/* The sandbox over loopback: limits by the client's clock, faults at the level of the connection, notifications, the dump, its page, a
 * start that fails. */
#include "sandbox_client.h"

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
		cmocka_unit_test(test_limits), cmocka_unit_test(test_faults), cmocka_unit_test(test_notifications),
		cmocka_unit_test(test_dump), cmocka_unit_test(test_page), cmocka_unit_test(test_bad_start),
	};
	clock_init();
	return cmocka_run_group_tests(tests, setup, teardown);
}
