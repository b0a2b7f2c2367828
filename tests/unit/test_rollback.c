/* test_rollback.c: the parts that rollback and repair stand on: the ledger seen backwards, the requests that take back, and which
 * rows a repair may touch. The whole of it is tested from outside: tests/e2e/test_rollback.sh, tests/tools/chaos.c. */
#include "replay/rollback.h"
#include "replay/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct arena arena;
static struct ledger *led;
static int64_t lane_c, lane_t, run;

static int setup(void **state)
{
	(void)state;
	static const uint8_t digest[DIGEST_BYTES] = { 1 };
	struct err e = ERR_INIT;
	strcpy(dir, "/tmp/mvchat-rollback-XXXXXX");
	arena_init(&arena);
	if (!mkdtemp(dir) || !(led = ledger_open(dir, LEDGER_WRITE, &e)))
		return -1;
	run = ledger_run_begin(led, "test", digest, NULL);
	ledger_begin(led);
	ledger_conv(led, "C1");
	lane_c = ledger_lane(led, "c:C1");
	lane_t = ledger_lane(led, "t:C1/1.0");
	return ledger_commit(led, &e) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	static const char *const names[] = { "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.lock", "ledger.db-mark" };
	char path[128];
	ledger_close(led);
	arena_release(&arena);
	for (size_t i = 0; i < countof(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static struct opkey key(int64_t ts, const char *id, enum op_kind kind, int part)
{
	return (struct opkey){ .conv = 1, .ts_us = ts, .id = id, .kind = kind, .part = part };
}

static void did(int64_t lane, struct opkey k, const char *target, const char *target2)
{
	struct err e = ERR_INIT;
	ledger_begin(led);
	ledger_intent(led, &k, lane, 1, 2, 0, run, 1000);
	ledger_done(led, &k, target, target2);
	assert_true(ledger_commit(led, &e));
}

static enum op_state state_of(struct opkey k)
{
	struct ledger_row r;
	return ledger_get(led, &k, &arena, &r) ? r.state : OP_ABSENT;
}

/* ---- the ledger ---- */

static void backwards(void **state)
{
	(void)state;
	struct ledger_row r;
	struct err e = ERR_INIT;
	int64_t before = 0;
	did(lane_c, key(0, "", OP_CHAT_CREATE, 0), "9", NULL);
	did(lane_c, key(1, "1.0", OP_POST, 0), "11", NULL);
	did(lane_c, key(2, "2.0", OP_UPLOAD, 0), "u", NULL);
	did(lane_c, key(2, "2.0", OP_POST, 0), "12", NULL);
	did(lane_t, key(3, "3.0", OP_POST, 0), "13", NULL);
	assert_true(ledger_newest(led, lane_c, 1u << OP_POST, &before, &arena, &r));
	assert_string_equal(r.target, "12");
	/* taken back in between: the walk goes on below */
	ledger_begin(led);
	struct opkey k = key(2, "2.0", OP_POST, 0);
	ledger_gone(led, &k);
	assert_true(ledger_commit(led, &e));
	assert_true(ledger_newest(led, lane_c, 1u << OP_POST, &before, &arena, &r));
	assert_string_equal(r.target, "11");
	assert_false(ledger_newest(led, lane_c, 1u << OP_POST, &before, &arena, &r));
	before = 0;
	assert_true(ledger_newest(led, lane_c, 1u << OP_POST, &before, &arena, &r));
	assert_string_equal(r.target, "11");
	assert_true(ledger_find_post(led, "12", &arena, &r));
	assert_int_equal(r.state, OP_GONE);
	assert_false(ledger_find_post(led, "u", &arena, &r));
	struct ledger_walk *w = ledger_walk_record(led, 1, 2, "2.0");
	int rows = 0;
	while (ledger_walk_next(w, &r))
		rows++;
	ledger_walk_end(w);
	assert_int_equal(rows, 2);
}

/* One part for each thing that can be taken back: no two of a record share a row. */
static void undo_parts(void **state)
{
	(void)state;
	for (int a = OP_USER_CREATE; a < OP_DELETE; a++)
		for (int b = OP_USER_CREATE; b < OP_DELETE; b++)
			for (int i = 0; i < 3; i++)
				for (int j = 0; j < 3; j++)
					assert_int_equal(opkey_undo_part((enum op_kind)a, i) == opkey_undo_part((enum op_kind)b, j), a == b && i == j);
	assert_int_equal(opkey_undo_part(OP_POST, 7), 7);
	assert_int_equal(opkey_undo_part(OP_PIN, 0), 7 << 20);
}

/* ---- the target ---- */

static const struct exporter *const ex = &exporter_pachca;
static const char *const people[] = { "501", "502" };

static struct op undo(enum op_kind what)
{
	struct op op = { .key = { .conv = 1, .ts_us = 5, .id = "m", .kind = OP_DELETE, .part = opkey_undo_part(what, 0) }, .undoes = what };
	op.chat = "334";
	op.target_id = "194275";
	op.name = "[taken back] sales";
	op.emoji = "\xf0\x9f\x91\x8d";
	op.ids = people;
	op.n_ids = 2;
	op.suspended = true;
	op.label = op.body = "";
	return op;
}

static struct target *target(void)
{
	static const char *const opts[] = { "admin=1", NULL };
	struct err e = ERR_INIT;
	struct target *t = ex->configure(opts, &arena, &e);
	assert_non_null(t);
	return t;
}

static void requests(void **state)
{
	(void)state;
	struct target *t = target();
	static const struct { enum op_kind what; int step; const char *method, *path, *body; enum auth auth; enum req_class rate; } rows[] = {
		{ OP_POST, 0, "DELETE", "/messages/194275", NULL, AUTH_BOT, REQ_POST },
		{ OP_REACT, 0, "DELETE", "/messages/194275/reactions?code=%F0%9F%91%8D", NULL, AUTH_BOT, REQ_OTHER },
		{ OP_PIN, 0, "DELETE", "/messages/194275/pin", NULL, AUTH_BOT, REQ_OTHER },
		{ OP_MEMBERS, 0, "DELETE", "/chats/334/members/501", NULL, AUTH_BOT, REQ_OTHER },
		{ OP_MEMBERS, 1, "DELETE", "/chats/334/members/502", NULL, AUTH_BOT, REQ_OTHER },
		{ OP_ARCHIVE, 0, "PUT", "/chats/334/unarchive", NULL, AUTH_BOT, REQ_OTHER },
		{ OP_CHAT_CREATE, 0, "PUT", "/chats/334", "{\"chat\":{\"name\":\"[taken back] sales\"}}", AUTH_BOT, REQ_OTHER },
		{ OP_CHAT_CREATE, 1, "PUT", "/chats/334/archive", NULL, AUTH_BOT, REQ_OTHER },
		{ OP_USER_CREATE, 0, "PUT", "/users/194275", "{\"user\":{\"suspended\":true}}", AUTH_ADMIN, REQ_OTHER },
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct op op = undo(rows[i].what);
		struct http_req q;
		struct err e = ERR_INIT;
		op.step = rows[i].step;
		assert_true(ex->build(t, &op, &arena, &q, &e));
		assert_string_equal(q.method, rows[i].method);
		assert_string_equal(q.path, rows[i].path);
		assert_int_equal(q.body != NULL, rows[i].body != NULL);
		if (rows[i].body)
			assert_string_equal(q.body, rows[i].body);
		assert_int_equal(q.auth, rows[i].auth);
		assert_int_equal(q.rate, rows[i].rate);
		assert_true(q.writes);
	}
	struct op op = undo(OP_USER_CREATE);
	struct http_req q;
	struct err e = ERR_INIT;
	op.suspended = false;
	assert_true(ex->build(t, &op, &arena, &q, &e));
	assert_string_equal(q.method, "DELETE");
	assert_string_equal(q.path, "/users/194275");
	static const enum op_kind never[] = { OP_UPLOAD, OP_THREAD_OPEN, OP_EDIT, OP_DELETE };
	for (size_t i = 0; i < countof(never); i++) {
		op = undo(never[i]);
		assert_false(ex->build(t, &op, &arena, &q, &e));
	}
	op = undo(OP_MEMBERS);
	op.n_ids = 0;
	assert_false(ex->build(t, &op, &arena, &q, &e));
	op = undo(OP_POST);
	op.target_id = "1/../2";
	assert_false(ex->build(t, &op, &arena, &q, &e));
}

static void answers(void **state)
{
	(void)state;
	struct target *t = target();
	static const char error[] = "{\"errors\":[{\"key\":null,\"value\":null,\"message\":\"x\",\"code\":\"not_found\"}]}";
	static const char chat[] = "{\"data\":{\"id\":334}}", user[] = "{\"data\":{\"id\":194275}}", page[] = "<html>";
	static const struct { enum op_kind what; int step, status; const char *body, *type; enum verdict v; const char *id; } rows[] = {
		{ OP_POST, 0, 204, "", "", V_DONE, "194275" },
		{ OP_POST, 0, 404, error, "application/json", V_DONE, "194275" }, /* what was wanted is so */
		{ OP_POST, 0, 200, page, "text/html", V_UNKNOWN, NULL },
		{ OP_POST, 0, 502, page, "text/html", V_UNKNOWN, NULL },
		{ OP_POST, 0, 403, error, "application/json", V_REJECTED, NULL },
		{ OP_REACT, 0, 404, error, "application/json", V_DONE, "194275" },
		{ OP_PIN, 0, 404, error, "application/json", V_DONE, "194275" },
		{ OP_MEMBERS, 0, 204, "", "", V_MORE, NULL },
		{ OP_MEMBERS, 0, 404, error, "application/json", V_MORE, NULL }, /* has left by himself; the next one */
		{ OP_MEMBERS, 1, 204, "", "", V_DONE, "334" },
		{ OP_ARCHIVE, 0, 204, "", "", V_DONE, "334" },
		{ OP_ARCHIVE, 0, 404, error, "application/json", V_REJECTED, NULL }, /* a chat we no longer see is not open */
		{ OP_CHAT_CREATE, 0, 200, chat, "application/json", V_MORE, NULL },
		{ OP_CHAT_CREATE, 0, 200, user, "application/json", V_UNKNOWN, NULL }, /* another chat's answer proves nothing */
		{ OP_CHAT_CREATE, 1, 204, "", "", V_DONE, "334" },
		{ OP_USER_CREATE, 0, 200, user, "application/json", V_DONE, "194275" },
		{ OP_USER_CREATE, 0, 200, chat, "application/json", V_UNKNOWN, NULL },
		{ OP_USER_CREATE, 0, 404, error, "application/json", V_DONE, "194275" },
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct op op = undo(rows[i].what);
		struct outcome o;
		op.step = rows[i].step;
		struct http_resp r = { .status = rows[i].status, .body = rows[i].body, .len = strlen(rows[i].body), .content_type = rows[i].type, .retry_after_s = -1 };
		ex->parse(t, &op, &r, &arena, &o);
		if (o.v != rows[i].v)
			fail_msg("row %zu: verdict %d, not %d (%s)", i, (int)o.v, (int)rows[i].v, o.why ? o.why : "");
		if (rows[i].id)
			assert_string_equal(o.id, rows[i].id);
	}
}

/* An account taken back gets its access again; only when it is no more, a new one is made. */
static void account_again(void **state)
{
	(void)state;
	struct target *t = target();
	struct op op = { .key = { .id = "U1", .kind = OP_USER_CREATE }, .email = "a@b.c", .first = "A", .account = "77", .label = "", .body = "" };
	struct http_req q;
	struct outcome o;
	struct err e = ERR_INIT;
	assert_true(ex->build(t, &op, &arena, &q, &e));
	assert_string_equal(q.method, "PUT");
	assert_string_equal(q.path, "/users/77");
	assert_string_equal(q.body, "{\"user\":{\"suspended\":false}}");
	struct http_resp gone = { .status = 404, .body = "", .content_type = "", .retry_after_s = -1 };
	ex->parse(t, &op, &gone, &arena, &o);
	assert_int_equal(o.v, V_MORE);
	op.step = 1;
	assert_true(ex->build(t, &op, &arena, &q, &e));
	assert_string_equal(q.method, "POST");
	assert_string_equal(q.path, "/users");
	ex->parse(t, &op, &gone, &arena, &o);
	assert_int_equal(o.v, V_REJECTED);
	struct seen who = { .id = "77", .author = "", .name = "", .body = "A@B.c", .suspended = true };
	assert_int_equal(ex->match(t, &op, &who, &arena), MATCH_FOREIGN); /* the access was not given yet: ask again */
	who.suspended = false;
	assert_int_equal(ex->match(t, &op, &who, &arena), MATCH_SAME);
}

/* ---- repair ---- */

static void repair(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	int64_t repaired, refused;
	did(lane_c, key(1, "1.0", OP_POST, 0), "11", NULL);
	did(lane_c, key(1, "1.0", OP_PIN, 0), "11", NULL);
	did(lane_t, key(1, "1.0", OP_THREAD_OPEN, 0), "900", "901");
	did(lane_t, key(2, "2.0", OP_POST, 0), "12", NULL);
	did(lane_c, key(3, "3.0", OP_UPLOAD, 0), "u", NULL);
	did(lane_c, key(3, "3.0", OP_POST, 0), "13", NULL);
	did(lane_c, key(3, "3.0", OP_REACT, 0), "13", NULL);
	did(lane_c, key(3, "3.0", OP_POST, 1), "14", NULL);
	struct opkey lost[] = { key(1, "1.0", OP_POST, 0), key(3, "3.0", OP_POST, 1) };
	assert_true(verify_repair(led, lost, 2, &repaired, &refused, &e));
	assert_int_equal(repaired, 1);
	assert_int_equal(refused, 1); /* its thread has a reply of ours */
	assert_int_equal(state_of(lost[0]), OP_DONE);
	assert_int_equal(state_of(lost[1]), OP_GONE);
	assert_int_equal(state_of(key(3, "3.0", OP_POST, 0)), OP_DONE);
	assert_int_equal(state_of(key(3, "3.0", OP_UPLOAD, 0)), OP_GONE); /* files ride on the last part */
	assert_int_equal(state_of(key(3, "3.0", OP_REACT, 0)), OP_DONE);
	lost[1].part = 0;
	assert_true(verify_repair(led, lost + 1, 1, &repaired, &refused, &e));
	assert_int_equal(state_of(key(3, "3.0", OP_REACT, 0)), OP_GONE);
	/* with the reply gone the first message can come back as well */
	struct opkey reply = key(2, "2.0", OP_POST, 0);
	assert_true(verify_repair(led, &reply, 1, &repaired, &refused, &e));
	assert_true(verify_repair(led, lost, 1, &repaired, &refused, &e));
	assert_int_equal(repaired, 1);
	assert_int_equal(state_of(key(1, "1.0", OP_PIN, 0)), OP_GONE);
	assert_int_equal(state_of(key(1, "1.0", OP_THREAD_OPEN, 0)), OP_GONE);
}

static void words(void **state)
{
	(void)state;
	for (int a = 0; a < N_KEEP; a++) {
		assert_true(strlen(keep_word((enum keep)a)) > 3);
		for (int b = 0; b < a; b++)
			assert_string_not_equal(keep_word((enum keep)a), keep_word((enum keep)b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(backwards, setup, teardown), cmocka_unit_test(undo_parts),
		cmocka_unit_test_setup_teardown(requests, setup, teardown), cmocka_unit_test_setup_teardown(answers, setup, teardown),
		cmocka_unit_test_setup_teardown(account_again, setup, teardown), cmocka_unit_test_setup_teardown(repair, setup, teardown),
		cmocka_unit_test(words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
