/* The sandbox over loopback, as a client sees it: the API's happy paths and refusals. */
#include "sandbox_client.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens), cmocka_unit_test(test_refusals), cmocka_unit_test(test_users),
		cmocka_unit_test(test_chats), cmocka_unit_test(test_messages), cmocka_unit_test(test_uploads),
	};
	clock_init();
	return cmocka_run_group_tests(tests, setup, teardown);
}
