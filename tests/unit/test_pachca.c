/* The Pachca exporter against canned answers (fixtures/http/pachca), and the exact bytes of every request. */
#include "exporters/exporter.h"

#include "core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct exporter *const ex = &exporter_pachca;
static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

/* Status line, headers, empty line, body. */
static struct http_resp answer(const char *name)
{
	FILE *f = fopen(arena_fmt(&arena, "fixtures/http/pachca/%s.http", name), "rb");
	if (!f)
		fail_msg("no fixture %s", name);
	char *s = arena_zalloc(&arena, 65536);
	size_t n = fread(s, 1, 65535, f);
	fclose(f);
	struct http_resp r = { .content_type = "", .retry_after_s = -1 };
	assert_int_equal(sscanf(s, "HTTP/1.1 %d", &r.status), 1);
	char *body = strstr(s, "\n\n");
	assert_non_null(body);
	body[1] = '\0';
	char *retry = strstr(s, "\nRetry-After: ");
	if (retry)
		r.retry_after_s = atoi(retry + 14);
	r.body = body + 2;
	r.len = n - (size_t)(r.body - s);
	return r;
}

static struct target *greeted(const char *bot, const char *admin)
{
	const char *opts[] = { admin ? "admin=1" : "admin=0", NULL };
	struct err e = ERR_INIT;
	struct target *t = ex->configure(opts, &arena, &e);
	assert_non_null(t);
	struct http_resp r = answer(bot);
	assert_true(ex->hello_parse(t, 0, &r, &arena, &e));
	r = answer("profile_bot");
	assert_true(ex->hello_parse(t, 1, &r, &arena, &e));
	if (admin) {
		r = answer(admin);
		assert_true(ex->hello_parse(t, 2, &r, &arena, &e));
	}
	return t;
}

static const struct file photo = { .id = "F1", .name = "Фото \"1\".JPG", .mime = "image/jpeg", .entry = "f/1", .state = FILE_PRESENT, .kind = FILE_IMAGE, .size = 5 };
static const struct op_file sent_photo = { .handle = "a/b/1.JPG", .name = "Фото \"1\".JPG", .mime = "image/jpeg", .kind = FILE_IMAGE, .size = 5, .width = 2, .height = 3 };
static const char *const people[] = { "501", "502" };
static const char carry[] = "{\"url\":\"https://storage.example.org/direct_upload\",\"key\":\"attaches/1.JPG\",\"fields\":[[\"acl\",\"private\"],"
                            "[\"key\",\"attaches/${filename}\"]]}";

static struct op op_of(enum op_kind kind)
{
	struct op op = { .key = { .conv = 3, .ts_us = 1700000000000000, .id = "1700000000.000100", .kind = kind } };
	op.chat = "334";
	op.target_id = "194275";
	op.email = "Anna@example.org";
	op.first = "Anna";
	op.last = "Li";
	op.name = "sales";
	op.label = "Anna · 14.11.2023 22:13";
	op.body = "Hello";
	op.emoji = "👍";
	op.ids = people;
	op.n_ids = 2;
	op.file = &photo;
	if (kind == OP_UPLOAD)
		op.name = photo.name;
	return op;
}

/* ---- requests ---- */

static void expect_request(const struct target *t, const struct op *op, const char *method, const char *path, const char *body, enum auth auth,
                           enum req_class rate, const char *scope)
{
	struct http_req q;
	struct err e = ERR_INIT;
	if (!ex->build(t, op, &arena, &q, &e))
		fail_msg("not built: %s", e.msg);
	assert_string_equal(q.method, method);
	assert_string_equal(q.path, path);
	if (body) {
		assert_string_equal(q.body, body);
		assert_int_equal(q.body_len, strlen(body));
		assert_string_equal(q.content_type, "application/json");
	} else {
		assert_null(q.body);
		assert_null(q.content_type);
	}
	assert_int_equal(q.auth, auth);
	assert_int_equal(q.rate, rate);
	assert_string_equal(q.scope, scope);
	assert_true(q.writes);
}

static void requests(void **state)
{
	(void)state;
	struct target *t = greeted("token_bot", "token_admin");
	struct op op = op_of(OP_USER_CREATE);
	expect_request(t, &op, "POST", "/users",
	               "{\"user\":{\"first_name\":\"Anna\",\"last_name\":\"Li\",\"email\":\"Anna@example.org\",\"suspended\":false},\"skip_email_notify\":true}",
	               AUTH_ADMIN, REQ_OTHER, "");
	op.invite = true;
	op.role = "multi_guest";
	op.phone = "+7";
	op.title = "CEO";
	op.last = NULL;
	expect_request(t, &op, "POST", "/users",
	               "{\"user\":{\"first_name\":\"Anna\",\"email\":\"Anna@example.org\",\"phone_number\":\"+7\",\"title\":\"CEO\",\"role\":\"multi_guest\","
	               "\"suspended\":false},\"skip_email_notify\":false}",
	               AUTH_ADMIN, REQ_OTHER, "");
	op = op_of(OP_USER_CREATE);
	op.invite = op.suspended = true; /* no access: no invitation either */
	expect_request(t, &op, "POST", "/users",
	               "{\"user\":{\"first_name\":\"Anna\",\"last_name\":\"Li\",\"email\":\"Anna@example.org\",\"suspended\":true},\"skip_email_notify\":true}",
	               AUTH_ADMIN, REQ_OTHER, "");

	op = op_of(OP_CHAT_CREATE);
	expect_request(t, &op, "POST", "/chats", "{\"chat\":{\"name\":\"sales\",\"channel\":false,\"public\":false}}", AUTH_BOT, REQ_OTHER, "");
	op.is_public = op.is_channel = true;
	expect_request(t, &op, "POST", "/chats", "{\"chat\":{\"name\":\"sales\",\"channel\":true,\"public\":true}}", AUTH_BOT, REQ_OTHER, "");

	op = op_of(OP_POST);
	expect_request(t, &op, "POST", "/messages",
	               "{\"message\":{\"entity_type\":\"discussion\",\"entity_id\":334,\"content\":\"Hello\",\"display_name\":\"Anna · 14.11.2023 22:13\"},"
	               "\"link_preview\":false}",
	               AUTH_BOT, REQ_POST, "334");
	op.thread = "265142";
	op.label = "";
	expect_request(t, &op, "POST", "/messages",
	               "{\"message\":{\"entity_type\":\"thread\",\"entity_id\":265142,\"content\":\"Hello\",\"skip_invite_mentions\":true},\"link_preview\":false}",
	               AUTH_BOT, REQ_POST, "thread/265142");
	op = op_of(OP_POST);
	uint64_t without = ex->fingerprint(&op);
	op.avatar = "https://app.pachca.com/users/12/photo.jpg";
	assert_true(ex->fingerprint(&op) == without); /* old ledgers know nothing of pictures */
	expect_request(t, &op, "POST", "/messages",
	               "{\"message\":{\"entity_type\":\"discussion\",\"entity_id\":334,\"content\":\"Hello\",\"display_name\":\"Anna · 14.11.2023 22:13\","
	               "\"display_avatar_url\":\"https://app.pachca.com/users/12/photo.jpg\"},\"link_preview\":false}",
	               AUTH_BOT, REQ_POST, "334");
	op = op_of(OP_POST);
	op.body = " \n";
	op.label = NULL;
	op.files = &sent_photo;
	op.n_files = 1;
	expect_request(t, &op, "POST", "/messages",
	               "{\"message\":{\"entity_type\":\"discussion\",\"entity_id\":334,\"content\":\"Фото \\\"1\\\".JPG\",\"files\":[{\"key\":\"a/b/1.JPG\","
	               "\"name\":\"Фото \\\"1\\\".JPG\",\"file_type\":\"image\",\"size\":5,\"width\":2,\"height\":3}]},\"link_preview\":false}",
	               AUTH_BOT, REQ_POST, "334");
	op = op_of(OP_EDIT);
	op.body = "New";
	expect_request(t, &op, "PUT", "/messages/194275", "{\"message\":{\"content\":\"New\",\"display_name\":\"Anna · 14.11.2023 22:13\"}}", AUTH_BOT,
	               REQ_POST, "334");
	op.files = &sent_photo; /* attachments stay as they are */
	op.n_files = 1;
	expect_request(t, &op, "PUT", "/messages/194275", "{\"message\":{\"content\":\"New\",\"display_name\":\"Anna · 14.11.2023 22:13\"}}", AUTH_BOT,
	               REQ_POST, "334");
	op = op_of(OP_DELETE);
	expect_request(t, &op, "DELETE", "/messages/194275", NULL, AUTH_BOT, REQ_POST, "334");
	op = op_of(OP_THREAD_OPEN);
	expect_request(t, &op, "POST", "/messages/194275/thread", NULL, AUTH_BOT, REQ_OTHER, "");
	op = op_of(OP_PIN);
	expect_request(t, &op, "POST", "/messages/194275/pin", NULL, AUTH_BOT, REQ_OTHER, "");
	op = op_of(OP_REACT);
	expect_request(t, &op, "POST", "/messages/194275/reactions", "{\"code\":\"👍\"}", AUTH_BOT, REQ_OTHER, "");
	op.emoji = "";
	op.emoji_name = "party";
	expect_request(t, &op, "POST", "/messages/194275/reactions", "{\"code\":\":party:\",\"name\":\":party:\"}", AUTH_BOT, REQ_OTHER, "");
	op = op_of(OP_MEMBERS);
	expect_request(t, &op, "POST", "/chats/334/members", "{\"member_ids\":[501,502],\"silent\":true}", AUTH_BOT, REQ_OTHER, "");
	const char *const one[] = { "501" }, *const name[] = { "R&D отдел" }, *const number[] = { "86" };
	op.ids = one;
	op.n_ids = 1;
	op.as = "admin";
	expect_request(t, &op, "PUT", "/chats/334/members/501", "{\"role\":\"admin\"}", AUTH_BOT, REQ_OTHER, "");
	op.as = "editor";
	expect_request(t, &op, "PUT", "/chats/334/members/501", "{\"role\":\"editor\"}", AUTH_BOT, REQ_OTHER, "");
	op = op_of(OP_MEMBERS);
	op.n_ids = 0;
	op.n_tags = 1;
	op.tags = number;
	expect_request(t, &op, "POST", "/chats/334/group_tags", "{\"group_tag_ids\":[86]}", AUTH_BOT, REQ_OTHER, "");
	op.tags = name;
	op.step = 1;
	op.carry = "9111"; /* what looking the name up left */
	expect_request(t, &op, "POST", "/chats/334/group_tags", "{\"group_tag_ids\":[9111]}", AUTH_BOT, REQ_OTHER, "");
	op = op_of(OP_ARCHIVE);
	expect_request(t, &op, "PUT", "/chats/334/archive", NULL, AUTH_BOT, REQ_OTHER, "");
	op = op_of(OP_UPLOAD);
	expect_request(t, &op, "POST", "/uploads", NULL, AUTH_BOT, REQ_OTHER, "");
}

static void not_built(void **state)
{
	(void)state;
	struct target *t = greeted("token_bot", NULL);
	struct err e = ERR_INIT;
	struct http_req q;
	struct op op = op_of(OP_USER_CREATE);
	assert_false(ex->build(t, &op, &arena, &q, &e));
	assert_non_null(strstr(e.msg, "administrator"));
	op = op_of(OP_POST);
	op.chat = "33/../4";
	assert_false(ex->build(t, &op, &arena, &q, &e));
	op = op_of(OP_PIN);
	op.target_id = "";
	assert_false(ex->build(t, &op, &arena, &q, &e));
	op = op_of(OP_POST);
	op.files = &(struct op_file){ .name = "x", .kind = FILE_PLAIN };
	op.n_files = 1; /* no handle */
	assert_false(ex->build(t, &op, &arena, &q, &e));
	op = op_of(OP_UPLOAD);
	op.step = 1; /* no carry */
	assert_false(ex->build(t, &op, &arena, &q, &e));
}

/* "voice" only with both things it needs; else sound like any other. */
static void voice_notes(void **state)
{
	(void)state;
	struct target *t = greeted("token_bot", NULL);
	static const struct { enum file_kind kind; int ms; const char *wave, *type; } cases[] = {
		{ FILE_VOICE, 1600, "0,4,31", "voice" }, { FILE_VOICE, 0, "0,4,31", "audio" }, { FILE_VOICE, 1600, NULL, "audio" },
		{ FILE_VOICE, 1600, "", "audio" }, { FILE_AUDIO, 1600, "0,4,31", "audio" }, { FILE_PLAIN, 1600, "0,4,31", "file" },
	};
	char wide[258];
	memset(wide, '1', sizeof(wide) - 1);
	wide[257] = '\0';
	for (size_t i = 0; i <= countof(cases); i++) {
		struct op op = op_of(OP_POST);
		struct op_file f = { .handle = "a/1.opus", .name = "PTT-1.opus", .mime = "audio/ogg", .size = 9, .kind = FILE_VOICE, .duration_ms = 5, .waveform = wide };
		if (i < countof(cases)) {
			f.kind = cases[i].kind;
			f.duration_ms = cases[i].ms;
			f.waveform = cases[i].wave;
		}
		const char *type = i < countof(cases) ? cases[i].type : "audio";
		op.files = &f;
		op.n_files = 1;
		struct http_req q;
		struct err e = ERR_INIT;
		const uint64_t fp = ex->fingerprint(&op);
		assert_true(ex->build(t, &op, &arena, &q, &e));
		const struct jv *sent = jv_first(jv_get(jv_get(jv_parse(&arena, q.body, q.body_len, &e), "message"), "files"));
		assert_string_equal(jv_get_str(sent, "file_type"), type);
		const bool voice = streq(type, "voice");
		assert_int_equal(jv_get_int(sent, "duration_ms", -1), voice ? 1600 : -1);
		assert_string_equal(jv_get(sent, "waveform") ? jv_get_str(sent, "waveform") : "", voice ? "0,4,31" : "");
		f.waveform = NULL;
		assert_true(fp == ex->fingerprint(&op)); /* it is the same message whether it could be listened to or not */
	}
}

static void label_is_cut(void **state)
{
	(void)state;
	struct target *t = greeted("token_bot", NULL);
	struct op op = op_of(OP_POST);
	char label[400] = "";
	for (int i = 0; i < 150; i++)
		strcat(label, "я");
	op.label = label;
	struct http_req q;
	struct err e = ERR_INIT;
	assert_true(ex->build(t, &op, &arena, &q, &e));
	const struct jv *m = jv_get(jv_parse(&arena, q.body, q.body_len, &e), "message");
	assert_int_equal(strlen(jv_get_str(m, "display_name")), 254);
}

static void upload_form(void **state)
{
	(void)state;
	struct target *t = greeted("token_bot", NULL);
	struct op op = op_of(OP_UPLOAD);
	struct http_resp r = answer("upload_form");
	struct outcome out;
	ex->parse(t, &op, &r, &arena, &out);
	assert_int_equal(out.v, V_MORE);
	op.step = 1;
	op.carry = out.carry;
	struct http_req q, again;
	struct err e = ERR_INIT;
	assert_true(ex->build(t, &op, &arena, &q, &e));
	assert_true(ex->build(t, &op, &arena, &again, &e));
	assert_string_equal(q.body, again.body); /* the boundary is the same each time */
	assert_string_equal(q.method, "POST");
	assert_string_equal(q.path, "https://storage.example.org/direct_upload");
	assert_int_equal(q.auth, AUTH_NONE);
	assert_int_equal(q.rate, REQ_BLOB);
	assert_ptr_equal(q.stream, &photo);
	const char *line = strstr(q.content_type, "boundary=") + 9;
	assert_int_equal(strlen(line), 39);
	struct buf want;
	buf_init(&want, 65536);
	static const char *const fields[][2] = {
		{ "Content-Disposition", "attachment" }, { "acl", "private" }, { "policy", "eyJwIjoxfQ==" },
		{ "x-amz-credential", "286471_server/20211122/kz-6x/s3/aws4_request" }, { "x-amz-algorithm", "AWS4-HMAC-SHA256" },
		{ "x-amz-date", "20211122T065734Z" }, { "x-amz-signature", "87e8f3" }, { "key", "attaches/files/93746/e354fd79/${filename}" },
	};
	for (size_t i = 0; i < countof(fields); i++)
		buf_addf(&want, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", line, fields[i][0], fields[i][1]);
	buf_addf(&want, "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"1.JPG\"\r\nContent-Type: image/jpeg\r\n\r\n", line);
	assert_string_equal(q.body, want.p);
	assert_string_equal(q.tail, arena_fmt(&arena, "\r\n--%s--\r\n", line));
	assert_int_equal(q.tail_len, strlen(q.tail));
	buf_release(&want);
	op.key.part = 1;
	assert_true(ex->build(t, &op, &arena, &again, &e));
	assert_string_not_equal(q.content_type, again.content_type);
	r = answer("no_content");
	ex->parse(t, &op, &r, &arena, &out);
	assert_int_equal(out.v, V_DONE);
	assert_string_equal(out.id, "attaches/files/93746/e354fd79/1.JPG");
}

/* The extension shown equals the key's: the server compares them. */
static void file_names(void **state)
{
	(void)state;
	static const struct { const char *name, *shown, *key; } rows[] = {
		{ "a.png", "a.png", "a.png" }, { "Отчёт.PDF", "Отчёт.PDF", "file.PDF" }, { "README", "README", "README" },
		{ "a/b\\c.txt", "a_b_c.txt", "a_b_c.txt" }, { "x.tar.gz", "x.tar.gz", "xtar.gz" }, { "файл.док", "файл.док.bin", "file.bin" },
		{ ".bashrc", ".bashrc", "bashrc" }, { "dot.", "dot", "dot" }, { "..", "file", "file" }, { "v1.2 final", "v1.2 final.bin", "v12final.bin" },
		{ "q\"\r\n.txt", "q\"__.txt", "q__.txt" }, { "", "file", "file" }, { "  .txt", ".txt", "txt" },
	};
	struct target *t = greeted("token_bot", NULL);
	for (size_t i = 0; i < countof(rows); i++) {
		struct file f = photo;
		struct op op = op_of(OP_UPLOAD);
		struct outcome out;
		f.name = op.name = rows[i].name;
		op.file = &f;
		struct http_resp r = answer("upload_form");
		ex->parse(t, &op, &r, &arena, &out);
		assert_int_equal(out.v, V_MORE);
		struct err e = ERR_INIT;
		assert_string_equal(jv_get_str(jv_parse(&arena, out.carry, strlen(out.carry), &e), "key"),
		                    arena_fmt(&arena, "attaches/files/93746/e354fd79/%s", rows[i].key));
		struct op post = op_of(OP_POST);
		struct op_file pf = sent_photo;
		pf.name = rows[i].name;
		post.files = &pf;
		post.n_files = 1;
		struct http_req q;
		assert_true(ex->build(t, &post, &arena, &q, &e));
		const struct jv *file = jv_get(jv_get(jv_parse(&arena, q.body, q.body_len, &e), "message"), "files")->first;
		assert_string_equal(jv_get_str(file, "name"), rows[i].shown);
	}
}

/* ---- answers ---- */

static void answers(void **state)
{
	(void)state;
	static const struct { const char *file; enum op_kind kind; int step; enum verdict v; const char *id, *id2, *why; int retry; } rows[] = {
		{ "user_created", OP_USER_CREATE, 0, V_DONE, "501", NULL, NULL, -1 },
		{ "chat_created", OP_CHAT_CREATE, 0, V_DONE, "334", NULL, NULL, -1 },
		{ "chat_created_public", OP_CHAT_CREATE, 0, V_FATAL, NULL, NULL, "made_public", -1 },
		{ "message_created", OP_POST, 0, V_DONE, "194275", NULL, NULL, -1 },
		{ "message_edited", OP_EDIT, 0, V_DONE, "194275", NULL, NULL, -1 },
		{ "thread_created", OP_THREAD_OPEN, 0, V_DONE, "265142", "2637266155", NULL, -1 },
		{ "thread_no_chat", OP_THREAD_OPEN, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "reaction_created", OP_REACT, 0, V_DONE, "194275", NULL, NULL, -1 },
		{ "no_content", OP_PIN, 0, V_DONE, "194275", NULL, NULL, -1 },
		{ "no_content", OP_DELETE, 0, V_DONE, "194275", NULL, NULL, -1 },
		{ "no_content", OP_MEMBERS, 0, V_DONE, "334", NULL, NULL, -1 },
		{ "no_content", OP_ARCHIVE, 0, V_DONE, "334", NULL, NULL, -1 },
		{ "no_content", OP_POST, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "message_no_id", OP_POST, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "message_id_zero", OP_POST, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "message_id_float", OP_POST, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "message_cut", OP_POST, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "empty_201", OP_POST, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "html_200", OP_POST, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "html_200", OP_PIN, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "html_200", OP_MEMBERS, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "html_200", OP_REACT, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "html_200", OP_UPLOAD, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "taken_email", OP_USER_CREATE, 0, V_UNKNOWN, NULL, NULL, "existed: taken: Already in use (email)", -1 },
		{ "taken_phone", OP_USER_CREATE, 0, V_REJECTED, NULL, NULL, "taken: Already in use (phone_number)", -1 },
		{ "licenses_limit", OP_USER_CREATE, 0, V_REJECTED, NULL, NULL, "licenses_limit: Active employee limit exceeded (base): no paid seat", -1 },
		{ "access_denied", OP_USER_CREATE, 0, V_REJECTED, NULL, NULL, "access_denied", -1 },
		{ "blank_content", OP_POST, 0, V_REJECTED, NULL, NULL, "blank: Cannot be empty (content)", -1 },
		{ "echo_value", OP_POST, 0, V_REJECTED, NULL, NULL, "too_long (content)", -1 },
		{ "echo_body", OP_POST, 0, V_REJECTED, NULL, NULL, "invalid (content)", -1 },
		{ "many_errors", OP_POST, 0, V_REJECTED, NULL, NULL, "invalid: m0 (k0); invalid: m1 (k1); invalid: m2 (k2); and 2 more", -1 },
		{ "wrong_params", OP_POST, 0, V_REJECTED, NULL, NULL, "wrong_params: Extensions differ (files)", -1 },
		{ "chat_not_found", OP_POST, 0, V_LANE, NULL, NULL, "not_found", -1 },
		{ "not_found", OP_POST, 0, V_LANE, NULL, NULL, "not_found", -1 },
		{ "not_found", OP_MEMBERS, 0, V_LANE, NULL, NULL, "not_found", -1 },
		{ "not_found", OP_ARCHIVE, 0, V_LANE, NULL, NULL, "not_found", -1 },
		{ "not_found", OP_THREAD_OPEN, 0, V_REJECTED, NULL, NULL, "not_found: Object not found (id)", -1 },
		{ "not_found", OP_PIN, 0, V_REJECTED, NULL, NULL, "not_found", -1 },
		{ "not_found", OP_REACT, 0, V_REJECTED, NULL, NULL, "not_found", -1 },
		{ "not_found", OP_EDIT, 0, V_REJECTED, NULL, NULL, "not_found", -1 },
		{ "not_found", OP_DELETE, 0, V_DONE, "194275", NULL, NULL, -1 },
		{ "message_deleted", OP_DELETE, 0, V_DONE, "194275", NULL, NULL, -1 },
		{ "message_deleted", OP_EDIT, 0, V_REJECTED, NULL, NULL, "message_deleted", -1 },
		{ "conflict", OP_POST, 0, V_REJECTED, NULL, NULL, "unhandled", -1 },
		{ "moved", OP_POST, 0, V_REJECTED, NULL, NULL, "HTTP 302", -1 },
		{ "already_exists", OP_REACT, 0, V_DONE, "194275", NULL, NULL, -1 },
		{ "already_exists", OP_MEMBERS, 0, V_REJECTED, NULL, NULL, "already_exists", -1 },
		{ "pin_failed", OP_PIN, 0, V_REJECTED, NULL, NULL, "pin_failed", -1 },
		{ "pin_already", OP_PIN, 0, V_DONE, "194275", NULL, NULL, -1 },
		{ "user_limit", OP_REACT, 0, V_REJECTED, NULL, NULL, "user_limit", -1 },
		{ "rate_limit_422", OP_POST, 0, V_THROTTLED, NULL, NULL, "rate_limit", -1 },
		{ "throttled", OP_POST, 0, V_THROTTLED, NULL, NULL, "rate_limit", 7 },
		{ "throttled_bare", OP_POST, 0, V_THROTTLED, NULL, NULL, "HTTP 429", -1 },
		{ "unavailable_retry", OP_POST, 0, V_THROTTLED, NULL, NULL, "HTTP 503", 30 },
		{ "unavailable", OP_POST, 0, V_UNKNOWN, NULL, NULL, "HTTP 503", -1 },
		{ "server_error", OP_POST, 0, V_UNKNOWN, NULL, NULL, "HTTP 500", -1 },
		{ "bad_gateway", OP_POST, 0, V_UNKNOWN, NULL, NULL, "HTTP 502", -1 },
		{ "request_timeout", OP_POST, 0, V_UNKNOWN, NULL, NULL, "HTTP 408", -1 },
		{ "unauthorized", OP_POST, 0, V_FATAL, NULL, NULL, "invalid_token: Access token is missing", -1 },
		{ "payment_required", OP_POST, 0, V_FATAL, NULL, NULL, "payment_required", -1 },
		{ "insufficient_scope", OP_POST, 0, V_FATAL, NULL, NULL, "insufficient_scope", -1 },
		{ "insufficient_scope", OP_PIN, 0, V_FATAL, NULL, NULL, "insufficient_scope", -1 },
		{ "access_denied", OP_POST, 0, V_LANE, NULL, NULL, "access_denied", -1 },
		{ "access_denied", OP_THREAD_OPEN, 0, V_LANE, NULL, NULL, "access_denied", -1 },
		{ "access_denied", OP_PIN, 0, V_REJECTED, NULL, NULL, "access_denied", -1 },
		{ "access_denied", OP_UPLOAD, 0, V_FATAL, NULL, NULL, "access_denied", -1 },
		{ "upload_form_no_key", OP_UPLOAD, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "upload_form_bad_url", OP_UPLOAD, 0, V_UNKNOWN, NULL, NULL, "unreadable_answer", -1 },
		{ "storage_201", OP_UPLOAD, 1, V_DONE, "attaches/1.JPG", NULL, NULL, -1 },
		{ "storage_expired", OP_UPLOAD, 1, V_UNKNOWN, NULL, NULL, "storage: AccessDenied (HTTP 403 Forbidden)", -1 },
		{ "storage_denied", OP_UPLOAD, 1, V_REJECTED, NULL, NULL, "storage: AccessDenied", -1 },
		{ "storage_too_large", OP_UPLOAD, 1, V_REJECTED, NULL, NULL, "storage: EntityTooLarge", -1 },
		{ "unauthorized", OP_UPLOAD, 1, V_UNKNOWN, NULL, NULL, "storage: HTTP 401", -1 },
		{ "bad_gateway", OP_UPLOAD, 1, V_UNKNOWN, NULL, NULL, "storage: HTTP 502", -1 },
		{ "unavailable_retry", OP_UPLOAD, 1, V_THROTTLED, NULL, NULL, "storage: HTTP 503", 30 },
	};
	struct target *t = greeted("token_bot", "token_admin");
	for (size_t i = 0; i < countof(rows); i++) {
		struct op op = op_of(rows[i].kind);
		op.step = rows[i].step;
		op.carry = op.step ? carry : NULL;
		struct http_resp r = answer(rows[i].file);
		struct outcome out;
		ex->parse(t, &op, &r, &arena, &out);
		if (out.v != rows[i].v)
			fail_msg("%s, op %d: verdict %d, expected %d (%s)", rows[i].file, (int)rows[i].kind, (int)out.v, (int)rows[i].v, out.why ? out.why : "");
		if (rows[i].id)
			assert_string_equal(out.id, rows[i].id);
		if (rows[i].id2)
			assert_string_equal(out.id2, rows[i].id2);
		if (rows[i].why && strncmp(out.why, rows[i].why, strlen(rows[i].why)))
			fail_msg("%s: '%s', expected '%s'", rows[i].file, out.why, rows[i].why);
		if (out.v == V_THROTTLED)
			assert_int_equal(out.retry_after_s, rows[i].retry);
		if (out.why) {
			assert_null(strstr(out.why, "secret text"));
			assert_null(strstr(out.why, "Hello"));
		}
	}
}

static void access_must_not_be_given(void **state)
{
	(void)state;
	struct target *t = greeted("token_bot", "token_admin");
	struct op op = op_of(OP_USER_CREATE);
	struct outcome out;
	op.suspended = true;
	struct http_resp r = answer("user_created");
	ex->parse(t, &op, &r, &arena, &out);
	assert_int_equal(out.v, V_FATAL);
	r = answer("user_created_suspended");
	ex->parse(t, &op, &r, &arena, &out);
	assert_int_equal(out.v, V_DONE);
}

/* ---- greeting ---- */

static void hello(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct http_req q;
	const char *opts[] = { "url=http://127.0.0.1:8080/api/shared/v1/", "admin=0", NULL };
	struct target *t = ex->configure(opts, &arena, &e);
	assert_true(ex->hello_build(t, 0, &arena, &q));
	assert_string_equal(q.path, "/oauth/token/info");
	assert_int_equal(q.auth, AUTH_BOT);
	assert_false(q.writes);
	assert_true(ex->hello_build(t, 1, &arena, &q));
	assert_string_equal(q.path, "/profile");
	assert_false(ex->hello_build(t, 2, &arena, &q));
	struct http_resp r = answer("token_bot");
	assert_true(ex->hello_parse(t, 0, &r, &arena, &e));
	assert_string_equal(ex->identity(t, &arena), "pachca http://127.0.0.1:8080/api/shared/v1 bot 12");
	r = answer("profile_person_12");
	assert_false(ex->hello_parse(t, 1, &r, &arena, &e));
	assert_int_equal(e.code, ERR_TARGET);
	assert_non_null(strstr(e.msg, "belongs to a person"));
	assert_non_null(strstr(e.hint, "bot"));

	t = ex->configure(NULL, &arena, &e);
	assert_true(ex->hello_build(t, 3, &arena, &q));
	assert_int_equal(q.auth, AUTH_ADMIN);
	assert_false(ex->hello_build(t, 4, &arena, &q));
	r = answer("token_admin");
	assert_true(ex->hello_parse(t, 2, &r, &arena, &e));
	r = answer("profile_person");
	assert_true(ex->hello_parse(t, 3, &r, &arena, &e));
	r = answer("access_denied");
	assert_true(ex->hello_parse(t, 3, &r, &arena, &e));
	static const struct { int i; const char *file, *says; } bad[] = {
		{ 0, "unauthorized", "does not accept the bot token" }, { 2, "unauthorized", "does not accept the administrator's token" },
		{ 1, "insufficient_scope", "lacks the permission profile:read" }, { 0, "html_200", "is not Pachca's" }, { 0, "empty_201", "is not Pachca's" },
		{ 0, "not_found", "there is no Pachca API" }, { 0, "bad_gateway", "HTTP 502" }, { 1, "message_created", "is not Pachca's" },
	};
	for (size_t i = 0; i < countof(bad); i++) {
		r = answer(bad[i].file);
		assert_false(ex->hello_parse(t, bad[i].i, &r, &arena, &e));
		assert_int_equal(e.code, ERR_TARGET);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("%s: '%s'", bad[i].file, e.msg);
		assert_true(*e.hint != '\0');
	}
	const char *wrong[] = { "uri=x", NULL };
	assert_null(ex->configure(wrong, &arena, &e));
	assert_int_equal(e.code, ERR_USAGE);
}

static void permissions(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	uint32_t all = 0;
	for (int k = OP_USER_CREATE; k <= OP_DELETE; k++)
		all |= 1u << k;
	assert_true(ex->may(greeted("token_bot", "token_admin"), all, &e));
	assert_false(ex->may(greeted("token_bot", NULL), 1u << OP_USER_CREATE, &e));
	assert_string_equal(e.msg, "the bot token lacks users:read and an administrator's token is missing for users:create");
	assert_false(ex->may(greeted("token_bot_poor", "token_admin"), 1u << OP_POST | 1u << OP_PIN | 1u << OP_MEMBERS, &e));
	assert_string_equal(e.msg, "the bot token lacks messages:read, pins:write, chat_members:write, chat_members:read");
	assert_false(ex->may(greeted("token_bot_poor", "token_bot"), all, &e));
	assert_string_equal(e.msg, "the bot token lacks chats:create, messages:read, messages:update, messages:delete, threads:create, uploads:write, "
	                           "reactions:write, pins:write, chat_members:write, chat_members:read, chats:archive and the administrator's token lacks "
	                           "users:read, users:create");
	assert_true(ex->may(greeted("token_bot_poor", "token_admin"), 0, &e));
}

/* ---- reading back ---- */

static void list_requests(void **state)
{
	(void)state;
	static const struct { enum list_kind k; const char *scope; enum list_order o; const char *cursor, *path; enum auth auth; enum req_class rate; } rows[] = {
		{ LIST_USERS, "", NEWEST_FIRST, NULL, "/users?limit=50", AUTH_ADMIN, REQ_OTHER },
		{ LIST_USERS_FIND, "a+b@x.ru", NEWEST_FIRST, "c=", "/users?limit=50&query=a%2Bb%40x.ru&cursor=c%3D", AUTH_ADMIN, REQ_OTHER },
		{ LIST_CHATS, "", OLDEST_FIRST, NULL, "/chats?sort=id&order=asc&availability=is_member&archived=true&limit=50", AUTH_BOT, REQ_OTHER },
		{ LIST_MEMBERS, "334", OLDEST_FIRST, NULL, "/chats/334/members?limit=50", AUTH_BOT, REQ_OTHER },
		{ LIST_ADMINS, "334", OLDEST_FIRST, NULL, "/chats/334/members?role=admin&limit=50", AUTH_BOT, REQ_OTHER },
		{ LIST_EDITORS, "334", OLDEST_FIRST, "c", "/chats/334/members?role=editor&limit=50&cursor=c", AUTH_BOT, REQ_OTHER },
		{ LIST_TAGS_FIND, "R&D", OLDEST_FIRST, NULL, "/group_tags?limit=50&names[]=R%26D", AUTH_ADMIN, REQ_OTHER },
		{ LIST_MESSAGES, "334", NEWEST_FIRST, "x", "/messages?chat_id=334&sort=id&order=desc&limit=50&cursor=x", AUTH_BOT, REQ_READ },
		{ LIST_REACTIONS, "5", OLDEST_FIRST, NULL, "/messages/5/reactions?limit=50", AUTH_BOT, REQ_OTHER },
	};
	struct target *t = greeted("token_bot", "token_admin");
	struct err e = ERR_INIT;
	struct http_req q;
	for (size_t i = 0; i < countof(rows); i++) {
		assert_true(ex->list_build(t, rows[i].k, rows[i].scope, rows[i].o, rows[i].cursor, &arena, &q, &e));
		assert_string_equal(q.method, "GET");
		assert_string_equal(q.path, rows[i].path);
		assert_int_equal(q.auth, rows[i].auth);
		assert_int_equal(q.rate, rows[i].rate);
		assert_false(q.writes);
	}
	assert_false(ex->list_build(t, LIST_MESSAGES, "1&x=2", NEWEST_FIRST, NULL, &arena, &q, &e));
	assert_true(ex->list_build(greeted("token_bot", NULL), LIST_USERS, "", NEWEST_FIRST, NULL, &arena, &q, &e));
	assert_int_equal(q.auth, AUTH_BOT);
}

static bool list(const char *file, enum list_kind kind, struct page *p, struct err *e)
{
	struct http_resp r = answer(file);
	return ex->list_parse(greeted("token_bot", NULL), kind, &r, &arena, p, e);
}

static void lists(void **state)
{
	(void)state;
	struct page p;
	struct err e = ERR_INIT;
	assert_true(list("list_messages", LIST_MESSAGES, &p, &e));
	assert_int_equal(p.n, 1); /* the deleted one is passed over */
	assert_string_equal(p.next, "abc==");
	assert_string_equal(p.v[0].id, "194275");
	assert_string_equal(p.v[0].author, "12");
	assert_string_equal(p.v[0].name, "Anna");
	assert_string_equal(p.v[0].body, "Hello");
	assert_string_equal(p.v[0].thread, "5");
	assert_string_equal(p.v[0].thread_chat, "6");
	assert_int_equal(p.v[0].n_files, 1);
	assert_string_equal(p.v[0].file_names[0], "b.png");
	assert_true(p.v[0].ts_us == 1767323045678000);
	assert_true(list("list_end", LIST_MESSAGES, &p, &e));
	assert_null(p.next);
	assert_true(list("list_empty", LIST_MESSAGES, &p, &e));
	assert_int_equal(p.n, 0);
	assert_null(p.next);
	assert_true(list("list_old_style", LIST_MESSAGES, &p, &e));
	assert_string_equal(p.next, "abc");
	static const char *const bad[] = { "list_no_cursor", "list_no_id", "html_200", "empty_201", "message_created", "bad_gateway", "access_denied", "throttled" };
	for (size_t i = 0; i < countof(bad); i++) {
		if (list(bad[i], LIST_MESSAGES, &p, &e))
			fail_msg("%s was taken for a list", bad[i]);
		assert_int_equal(e.code, ERR_TARGET);
	}
	/* more rows than anybody asked for */
	struct buf many;
	buf_init(&many, 1 << 20);
	buf_adds(&many, "{\"data\":[{}");
	for (int i = 0; i < 5000; i++)
		buf_adds(&many, ",{}");
	buf_adds(&many, "],\"meta\":{\"paginate\":{\"has_next\":false}}}");
	struct http_resp flood = { .status = 200, .body = many.p, .len = many.len, .content_type = "application/json", .retry_after_s = -1 };
	assert_false(ex->list_parse(NULL, LIST_MESSAGES, &flood, &arena, &p, &e));
	assert_non_null(strstr(e.msg, "5001 rows"));
	buf_release(&many);
	assert_true(list("list_chats", LIST_CHATS, &p, &e));
	assert_string_equal(p.v[0].author, "12");
	assert_true(p.v[0].is_public && !p.v[0].archived && !p.v[0].personal && !p.v[0].is_channel);
	assert_int_equal(p.v[0].n_ids, 1);
	assert_string_equal(p.v[0].ids[0], "12");
	assert_true(list("list_users", LIST_USERS, &p, &e));
	assert_string_equal(p.v[0].name, "Anna Li");
	assert_string_equal(p.v[0].body, "anna@example.org");
	assert_string_equal(p.v[0].role, "user");
	assert_string_equal(p.v[0].avatar, "https://app.pachca.com/users/501/photo.jpg");
	assert_null(p.v[1].avatar);
	assert_string_equal(p.v[1].name, "bot9");
	assert_string_equal(p.v[1].body, "");
	assert_true(p.v[1].bot && p.v[1].suspended && !p.v[0].bot && !p.v[0].suspended);
	assert_true(list("list_reactions", LIST_REACTIONS, &p, &e));
	assert_string_equal(p.v[0].name, "👍");
}

static void matching(void **state)
{
	(void)state;
	struct target *t = greeted("token_bot", "token_admin");
	struct op op = op_of(OP_POST);
	struct seen s = { .id = "1", .author = "12", .name = op.label, .body = "Hello\r\n " };
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_SAME);
	assert_true(ex->fingerprint(&op) == ex->fingerprint_seen(&s));
	s.body = "Hello!";
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_OTHER);
	s.body = "Hello";
	s.name = "Anna · 14.11.2023 22:14";
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_OTHER);
	s.name = op.label;
	s.author = "13";
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_FOREIGN);
	struct err e = ERR_INIT;
	static const char *const knows[] = { "known=31", "known=13", NULL };
	struct target *knowing = ex->configure(knows, &arena, &e); /* a bot whose token is not given any more */
	assert_non_null(knowing);
	assert_int_equal(ex->match(knowing, &op, &s, &arena), MATCH_SAME);
	s.author = "1";
	assert_int_equal(ex->match(knowing, &op, &s, &arena), MATCH_FOREIGN);
	s.author = "12";
	s.file_names = (const char *const[]){ "x.png" };
	s.n_files = 1;
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_OTHER);
	op.files = &sent_photo;
	op.n_files = 1;
	op.body = ""; /* what is really written is the name */
	s.file_names = (const char *const[]){ sent_photo.name };
	s.body = sent_photo.name;
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_SAME);

	op = op_of(OP_POST); /* a live mention comes back by its nickname */
	op.body = "<@501>: see it";
	s = (struct seen){ .id = "1", .author = "12", .name = op.label, .body = "@anna: see it" };
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_SAME);
	s.body = "anna: see it";
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_OTHER);

	op = op_of(OP_CHAT_CREATE);
	s = (struct seen){ .id = "1", .author = "12", .name = "sales", .body = "" };
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_SAME);
	s.is_public = true;
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_OTHER);
	s.is_public = false;
	s.author = "77";
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_FOREIGN);

	op = op_of(OP_USER_CREATE);
	s = (struct seen){ .id = "1", .author = "", .name = "x", .body = "anna@EXAMPLE.org" };
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_SAME);
	s.body = "hanna@example.org";
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_FOREIGN);
	s.body = "";
	op.email = "";
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_FOREIGN);

	op = op_of(OP_MEMBERS);
	s.id = "502";
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_SAME);
	s.id = "503";
	assert_int_equal(ex->match(t, &op, &s, &arena), MATCH_FOREIGN);
}

/* What the target says of a message stands in the ledger and in reports; the message must not come along, not even its beginning. */
static void a_part_of_the_text_is_not_repeated(void **state)
{
	(void)state;
	struct target *t = greeted("token_bot", "token_admin");
	static const struct { const char *says, *why; } T[] = {
		{ "Text 'the code of the sa' is not allowed", "invalid (content)" }, { "the code of the safe is 4711", "invalid (content)" },
		{ "not allowed: of the safe", "invalid (content)" }, { "Not allowed here", "invalid: Not allowed here (content)" },
		{ "the code o", "invalid: the code o (content)" }, /* so little tells nothing */
	};
	for (size_t i = 0; i < countof(T); i++) {
		struct op op = op_of(OP_POST);
		struct outcome o = { .v = V_DONE };
		op.body = "the code of the safe is 4711, tell nobody";
		const char *body = arena_fmt(&arena, "{\"errors\":[{\"key\":\"content\",\"value\":null,\"message\":\"%s\",\"code\":\"invalid\",\"payload\":null}]}", T[i].says);
		struct http_resp r = { .status = 400, .body = body, .len = strlen(body), .content_type = "application/json", .retry_after_s = -1 };
		ex->parse(t, &op, &r, &arena, &o);
		assert_int_equal(o.v, V_REJECTED);
		assert_string_equal(o.why, T[i].why);
	}
}

static void small_things(void **state)
{
	(void)state;
	assert_true(ex->id_cmp("9", "10") < 0);
	assert_true(ex->id_cmp("2637266155", "2637266154") > 0);
	assert_int_equal(ex->id_cmp("007", "7"), 0);
	static const struct { const char *in, *out; } canon[] = {
		{ " a \r\n b\t\n\n", "a\n b" }, { "hi <@12>, ok", "hi @, ok" }, { "hi @ivan.li, ok", "hi @, ok" }, { "<@12", "<@" },
		{ "@\xe2\x81\xa0ivan @", "@\xe2\x81\xa0ivan @" }, { "<@x>", "<@>" }, { "ivan@corp.ru.", "ivan@corp.ru." }, { "", "" }, { "\n\n", "" }, { "a\rb", "a\nb" },
	};
	for (size_t i = 0; i < countof(canon); i++) {
		struct buf b;
		buf_init(&b, 1000);
		ex->canon(canon[i].in, &b);
		assert_string_equal(b.p, canon[i].out);
		buf_release(&b);
	}
	assert_string_equal(ex->chat_name("  a\n\tb \xe2\x80\xae" "c ", &arena), "a b c");
	assert_string_equal(ex->chat_name(" \n", &arena), "chat");
	char longname[700] = "";
	for (int i = 0; i < 300; i++)
		strcat(longname, "я");
	assert_int_equal(strlen(ex->chat_name(longname, &arena)), 510);
	struct target *t = greeted("token_bot", NULL);
	assert_string_equal(ex->message_url(t, "334", "194275", &arena), "https://app.pachca.com/chats/334?message=194275");
	assert_null(ex->message_url(t, "x", "1", &arena));
	struct traits tr;
	ex->traits(t, &tr);
	assert_false(tr.caps & CAP_USER_CREATE);
	assert_true(tr.caps & CAP_THREAD_LANES);
	for (int k = OP_USER_CREATE; k <= OP_DELETE; k++)
		assert_true(tr.settle[k] == SETTLE_REPEAT || tr.settle[k] == SETTLE_LIST);
	assert_int_equal(tr.settle[OP_POST], SETTLE_LIST);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(requests), TEST(not_built), TEST(voice_notes), TEST(label_is_cut), TEST(upload_form), TEST(file_names), TEST(answers), TEST(access_must_not_be_given),
		TEST(hello), TEST(permissions), TEST(list_requests), TEST(lists), TEST(matching), TEST(a_part_of_the_text_is_not_repeated),
		TEST(small_things),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
