/* test_ledger.c: the durable record: states and their legal changes, order, locking, damage, a full disk, lost power. */
#include "replay/ledger.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "sqlite_shim.h"

static char dir[64];
static const uint8_t map_a[DIGEST_BYTES] = { 1 }, map_b[DIGEST_BYTES] = { 2 };

static const char *in_dir(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/mvchat-ledger-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	static const char *const names[] = { "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.lock", "ledger.db-mark",
		"ledger.db.synced", "ledger.db-wal.synced", "ledger.db-journal.synced" };
	for (size_t i = 0; i < countof(names); i++)
		unlink(in_dir(names[i]));
	return rmdir(dir);
}

static struct ledger *opened(enum ledger_mode mode)
{
	struct err e = ERR_INIT;
	struct ledger *l = ledger_open(dir, mode, &e);
	if (!l)
		fail_msg("ledger_open: %s", e.msg);
	return l;
}

static void commit(struct ledger *l)
{
	struct err e = ERR_INIT;
	if (!ledger_commit(l, &e))
		fail_msg("commit: %s", e.msg);
}

static struct opkey key(int64_t ts, enum op_kind kind)
{
	return (struct opkey){ .conv = 1, .ts_us = ts, .id = "m", .kind = kind };
}

static void intent(struct ledger *l, const struct opkey *k, int64_t lane)
{
	ledger_intent(l, k, lane, 0xfeedfacecafebeefu, 7, 3, 1, 1000);
}

static enum op_state state_of(struct ledger *l, const struct opkey *k)
{
	struct arena a;
	struct ledger_row r;
	arena_init(&a);
	enum op_state s = ledger_get(l, k, &a, &r) ? r.state : OP_ABSENT;
	arena_release(&a);
	return s;
}

/* Does what, in a child, die by abort? */
static bool dies(struct ledger *l, void (*what)(struct ledger *l))
{
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		int null = open("/dev/null", O_WRONLY);
		dup2(null, 2);
		what(l);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_life_of_an_op(void **state)
{
	(void)state;
	struct ledger *l = opened(LEDGER_WRITE);
	struct arena a;
	struct ledger_row r;
	arena_init(&a);
	int64_t run = ledger_run_begin(l, "apply", map_a, NULL);
	assert_int_equal(run, 1);
	ledger_begin(l);
	int64_t lane = ledger_lane(l, "c:C1");
	struct opkey k = key(5, OP_POST);
	assert_false(ledger_get(l, &k, &a, &r));
	intent(l, &k, lane);
	assert_true(ledger_get(l, &k, &a, &r)); /* reads see the open transaction */
	assert_int_equal(r.state, OP_INTENT);
	assert_int_equal(r.tries, 1);
	assert_null(r.target);
	commit(l);
	assert_true(ledger_open_op(l, lane, &a, &r));
	assert_string_equal(r.key.id, "m");
	ledger_begin(l);
	ledger_unknown(l, &k, "timeout");
	intent(l, &k, lane);
	ledger_done(l, &k, "900", NULL);
	commit(l);
	assert_true(ledger_get(l, &k, &a, &r));
	assert_int_equal(r.state, OP_DONE);
	assert_int_equal(r.tries, 2);
	assert_string_equal(r.target, "900");
	assert_null(r.target2);
	assert_null(r.why);
	assert_true(r.src_fp == 0xfeedfacecafebeefu);
	assert_int_equal(r.body_fp, 7);
	assert_int_equal(r.loss, 3);
	assert_int_equal(r.sent_us, 1000);
	assert_false(r.stale_mapping);
	ledger_current_mapping(l, map_b);
	assert_true(ledger_get(l, &k, &a, &r) && r.stale_mapping);
	assert_false(ledger_open_op(l, lane, &a, &r));
	assert_true(ledger_owns(l, OP_POST, "900"));
	assert_false(ledger_owns(l, OP_POST, "901"));
	assert_false(ledger_owns(l, OP_EDIT, "900"));

	struct opkey up = key(6, OP_UPLOAD), th = key(5, OP_THREAD_OPEN), no = key(7, OP_POST);
	ledger_begin(l);
	intent(l, &up, lane);
	ledger_unsent(l, &up);
	intent(l, &th, lane);
	ledger_done(l, &th, "t1", "tc1");
	intent(l, &no, lane);
	ledger_reject(l, &no, "422: too long");
	commit(l);
	assert_int_equal(state_of(l, &up), OP_ABSENT);
	assert_true(ledger_get(l, &th, &a, &r));
	assert_string_equal(r.target2, "tc1");
	assert_true(ledger_owns(l, OP_THREAD_OPEN, "t1"));
	assert_true(ledger_get(l, &no, &a, &r));
	assert_string_equal(r.why, "422: too long");
	ledger_begin(l);
	intent(l, &no, lane); /* a rejected op may be tried again */
	ledger_done(l, &no, "901", NULL);
	ledger_gone(l, &k);
	commit(l);
	assert_int_equal(state_of(l, &k), OP_GONE);
	assert_false(ledger_owns(l, OP_POST, "900"));
	struct ledger_counts c;
	ledger_count(l, &c);
	assert_int_equal(c.by_kind_state[OP_POST][OP_DONE], 1);
	assert_int_equal(c.by_kind_state[OP_POST][OP_GONE], 1);
	assert_int_equal(c.by_kind_state[OP_THREAD_OPEN][OP_DONE], 1);
	assert_int_equal(c.runs, 1);
	assert_int_equal(c.last_done_us, 1000);
	ledger_run_end(l, run, 0);
	ledger_close(l);
	l = opened(LEDGER_WRITE);
	assert_int_equal(state_of(l, &no), OP_DONE);
	ledger_close(l);
	arena_release(&a);
}

static void test_an_edit_may_follow_an_edit(void **state)
{
	(void)state;
	struct ledger *l = opened(LEDGER_WRITE);
	struct opkey k = key(5, OP_EDIT);
	for (int i = 0; i < 3; i++) {
		ledger_begin(l);
		intent(l, &k, ledger_lane(l, "c:C1"));
		ledger_done(l, &k, "900", NULL);
		commit(l);
	}
	struct arena a;
	struct ledger_row r;
	arena_init(&a);
	assert_true(ledger_get(l, &k, &a, &r));
	assert_int_equal(r.tries, 3);
	arena_release(&a);
	ledger_close(l);
}

/* A later edit that is open, refused or was never sent does not make the ledger forget what stands there. */
static void test_an_edit_keeps_what_was(void **state)
{
	(void)state;
	struct ledger *l = opened(LEDGER_WRITE);
	struct opkey k = key(6, OP_EDIT);
	int64_t lane = ledger_lane(l, "c:C1");
	struct ledger_row r, post = { .state = OP_DONE, .body_fp = 1, .run = 1 };
	struct arena a;
	arena_init(&a);
	ledger_begin(l);
	ledger_intent(l, &k, lane, 21, UINT64_MAX - 7, 1025, 1, 5);
	ledger_get(l, &k, &a, &r);
	assert_int_equal(ledger_there(&post, &r).body_fp, 1); /* the first edit of all: nothing but the post */
	ledger_done(l, &k, "900 x", NULL);
	ledger_intent(l, &k, lane, 22, 2, 0, 1, 6);
	assert_true(ledger_get(l, &k, &a, &r));
	assert_true(r.was.any && r.was.loss == 1025 && r.was.src_fp == 21);
	assert_int_equal(ledger_there(&post, &r).body_fp, UINT64_MAX - 7);
	ledger_unsent(l, &k);
	assert_true(ledger_get(l, &k, &a, &r));
	assert_int_equal(r.state, OP_DONE);
	assert_string_equal(r.target, "900 x");
	assert_true(r.src_fp == 21 && r.body_fp == UINT64_MAX - 7 && r.loss == 1025 && r.sent_us == 5 && !r.was.any && !r.target2);
	ledger_intent(l, &k, lane, 23, 3, 0, 1, 7);
	ledger_reject(l, &k, "bad: refused");
	ledger_intent(l, &k, lane, 24, 4, 0, 1, 8);
	ledger_unknown(l, &k, "lost");
	ledger_get(l, &k, &a, &r);
	assert_int_equal(ledger_there(&post, &r).body_fp, UINT64_MAX - 7);
	post.run = 2; /* deleted and posted again since */
	assert_int_equal(ledger_there(&post, &r).body_fp, 1);
	ledger_done(l, &k, "900 x", NULL);
	ledger_get(l, &k, &a, &r);
	assert_true(!r.was.any && r.body_fp == 4);
	commit(l);
	arena_release(&a);
	ledger_close(l);
}

/* Every change that must be impossible, from a ledger with: post 1 done as "900" and post 2 intent, both in lane 1. */
static void second_open(struct ledger *l) { struct opkey k = key(3, OP_POST); intent(l, &k, 1); }
static void intent_twice(struct ledger *l) { struct opkey k = key(2, OP_POST); intent(l, &k, 1); }
static void done_again(struct ledger *l) { struct opkey k = key(1, OP_POST); ledger_done(l, &k, "902", NULL); }
static void done_to_intent(struct ledger *l) { struct opkey k = key(1, OP_POST), o = key(2, OP_POST); ledger_unsent(l, &o); intent(l, &k, 1); }
static void done_forgotten(struct ledger *l) { struct opkey k = key(1, OP_POST); ledger_unsent(l, &k); }
static void done_of_nothing(struct ledger *l) { struct opkey k = key(4, OP_POST); ledger_done(l, &k, "902", NULL); }
static void done_without_id(struct ledger *l) { struct opkey k = key(2, OP_POST); ledger_done(l, &k, "", NULL); }
static void target_twice(struct ledger *l) { struct opkey k = key(2, OP_POST); ledger_done(l, &k, "900", NULL); }
static void unknown_unsent(struct ledger *l) { struct opkey k = key(2, OP_POST); ledger_unknown(l, &k, "?"); ledger_unsent(l, &k); }
static void gone_of_open(struct ledger *l) { struct opkey k = key(2, OP_POST); ledger_gone(l, &k); }
static void reject_of_done(struct ledger *l) { struct opkey k = key(1, OP_POST); ledger_reject(l, &k, "no"); }
static void bad_kind(struct ledger *l) { struct opkey k = key(9, (enum op_kind)12); intent(l, &k, 2); }
static void begin_twice(struct ledger *l) { ledger_begin(l); }
static void allowed(struct ledger *l) { struct opkey k = key(2, OP_POST); ledger_done(l, &k, "902", NULL); }

static void test_illegal_changes_die(void **state)
{
	(void)state;
	static void (*const bad[])(struct ledger *) = { second_open, intent_twice, done_again, done_to_intent, done_forgotten,
		done_of_nothing, done_without_id, target_twice, unknown_unsent, gone_of_open, reject_of_done, bad_kind, begin_twice };
	struct ledger *l = opened(LEDGER_WRITE);
	ledger_begin(l);
	assert_int_equal(ledger_lane(l, "c:C1"), 1);
	struct opkey one = key(1, OP_POST), two = key(2, OP_POST);
	intent(l, &one, 1);
	ledger_done(l, &one, "900", NULL);
	intent(l, &two, 1);
	for (size_t i = 0; i < countof(bad); i++)
		if (!dies(l, bad[i]))
			fail_msg("illegal change %zu was let through", i);
	assert_false(dies(l, allowed));
	commit(l);
	ledger_close(l);
}

/* The schema alone holds the invariants: whoever writes with other tools meets them too. */
static void test_schema_refuses(void **state)
{
	(void)state;
	static const struct { const char *sql; bool ok; } t[] = {
		{ "UPDATE op SET state = 1, target = NULL WHERE ts = 1", false },
		{ "UPDATE op SET state = 4, target = NULL WHERE ts = 1", false },
		{ "UPDATE op SET target = 'x' WHERE ts = 1", false },
		{ "UPDATE op SET state = 5, target = 'x' WHERE ts = 1", false },
		{ "UPDATE op SET state = 3 WHERE ts = 2", false },               /* done without an id */
		{ "UPDATE op SET state = 3, target = '900' WHERE ts = 2", false }, /* an id that is taken */
		{ "DELETE FROM op WHERE ts = 1", false },
		{ "INSERT INTO op SELECT conv, 3, id, kind, part, lane, 99, 1, NULL, NULL, NULL, 0, 0, 0, 1, 0, 1 FROM op WHERE ts = 2", false },
		{ "INSERT INTO bond VALUES(2, 'a', 'b')", false },
		{ "UPDATE op SET sent = 'soon' WHERE ts = 2", false },
		{ "UPDATE op SET state = 2 WHERE ts = 2", true },
		{ "UPDATE op SET state = 5 WHERE ts = 1", true },
	};
	struct ledger *l = opened(LEDGER_WRITE);
	ledger_begin(l);
	int64_t lane = ledger_lane(l, "c:C1");
	struct opkey one = key(1, OP_POST), two = key(2, OP_POST);
	intent(l, &one, lane);
	ledger_done(l, &one, "900", NULL);
	intent(l, &two, lane);
	commit(l);
	ledger_close(l);
	sqlite3 *db;
	assert_int_equal(sqlite3_open(in_dir("ledger.db"), &db), SQLITE_OK);
	for (size_t i = 0; i < countof(t); i++)
		if ((sqlite3_exec(db, t[i].sql, NULL, NULL, NULL) == SQLITE_OK) != t[i].ok)
			fail_msg("%s: %s", t[i].sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void test_order_and_anchor(void **state)
{
	(void)state;
	struct ledger *l = opened(LEDGER_WRITE);
	struct arena a;
	arena_init(&a);
	ledger_begin(l);
	int64_t one = ledger_lane(l, "c:C1"), two = ledger_lane(l, "t:C1/5");
	assert_null(ledger_anchor(l, one, 1u << OP_POST, &a));
	/* written in an order that is not that of time */
	static const struct { int64_t ts; enum op_kind kind; const char *target; } w[] = {
		{ 30, OP_POST, "900" }, { 10, OP_POST, "901" }, { 10, OP_PIN, "p" }, { 20, OP_POST, NULL } };
	for (size_t i = 0; i < countof(w); i++) {
		struct opkey k = key(w[i].ts, w[i].kind);
		intent(l, &k, one);
		if (w[i].target)
			ledger_done(l, &k, w[i].target, NULL);
	}
	struct opkey t = key(31, OP_POST);
	intent(l, &t, two);
	ledger_done(l, &t, "950", NULL);
	commit(l);
	assert_string_equal(ledger_anchor(l, one, 1u << OP_POST, &a), "901");
	assert_string_equal(ledger_anchor(l, one, 1u << OP_POST | 1u << OP_PIN, &a), "p");
	assert_string_equal(ledger_anchor(l, two, 1u << OP_POST, &a), "950");
	struct ledger_row r;
	struct ledger_walk *walk = ledger_walk(l, 1);
	static const int64_t by_time[] = { 10, 10, 20, 30, 31 };
	for (size_t i = 0; i < countof(by_time); i++) {
		assert_true(ledger_walk_next(walk, &r));
		assert_int_equal(r.key.ts_us, by_time[i]);
	}
	assert_false(ledger_walk_next(walk, &r));
	assert_false(ledger_walk_next(walk, &r));
	ledger_walk_end(walk);
	walk = ledger_walk_lane(l, one);
	for (size_t i = 0; i < countof(w); i++) {
		assert_true(ledger_walk_next(walk, &r));
		assert_int_equal(r.key.ts_us, w[i].ts);
		assert_int_equal(r.key.kind, w[i].kind);
	}
	assert_false(ledger_walk_next(walk, &r));
	ledger_walk_end(walk);
	arena_release(&a);
	ledger_close(l);
}

static bool count_lane(void *ctx, int64_t lane, const char *name)
{
	(void)lane, (void)name;
	++*(int *)ctx;
	return true;
}

static bool count_row(void *ctx, const struct ledger_row *r)
{
	(void)r;
	return ++*(int *)ctx < 2;
}

static void test_names_and_lists(void **state)
{
	(void)state;
	struct ledger *l = opened(LEDGER_WRITE);
	struct arena a;
	arena_init(&a);
	assert_int_equal(ledger_conv(l, ""), 0);
	assert_string_equal(ledger_conv_name(l, 0, &a), "");
	int64_t c = ledger_conv(l, "C024BE91L"); /* outside of a transaction: it joins the next one */
	assert_true(c > 0);
	assert_int_equal(ledger_conv(l, "C024BE91L"), c);
	int64_t run = ledger_run_begin(l, "apply", map_a, NULL);
	ledger_begin(l);
	int64_t lanes[3] = { ledger_lane(l, "c:1"), ledger_lane(l, "c:2"), ledger_lane(l, "c:3") };
	for (int i = 0; i < 3; i++) {
		struct opkey k = key(i, OP_POST);
		ledger_intent(l, &k, lanes[i], 0, 0, 0, run, 5);
		if (i == 0)
			ledger_done(l, &k, "1", NULL);
		if (i == 1)
			ledger_reject(l, &k, "no");
	}
	commit(l);
	ledger_lane(l, "c:lost"); /* never committed */
	ledger_close(l);
	l = opened(LEDGER_READ);
	assert_int_equal(ledger_conv(l, "C024BE91L"), c);
	assert_string_equal(ledger_conv_name(l, c, &a), "C024BE91L");
	assert_int_equal(ledger_lane(l, "c:lost"), -1);
	assert_string_equal(ledger_lane_name(l, lanes[2], &a), "c:3");
	assert_null(ledger_lane_name(l, 77, &a));
	int n = 0;
	assert_true(ledger_lanes(l, count_lane, &n));
	assert_int_equal(n, 1);
	n = 0;
	assert_false(ledger_troubles(l, count_row, &n)); /* stopped at the second */
	assert_int_equal(n, 2);
	ledger_close(l);
	arena_release(&a);
}

static void test_bond_lock_and_modes(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct ledger *r = opened(LEDGER_READ); /* nothing there yet: empty, and nothing is made */
	struct opkey k = key(1, OP_POST);
	assert_int_equal(state_of(r, &k), OP_ABSENT);
	assert_int_equal(ledger_conv(r, "C1"), -1);
	assert_true(ledger_bond(r, "slack:T1", "pachca:2", &e));
	ledger_close(r);
	assert_int_equal(access(in_dir("ledger.db"), F_OK), -1);

	struct ledger *l = opened(LEDGER_WRITE);
	assert_true(ledger_bond(l, "slack:T1", "pachca:1", &e));
	assert_true(ledger_bond(l, "slack:T1", "pachca:1", &e));
	assert_false(ledger_bond(l, "slack:T1", "pachca:2", &e));
	assert_int_equal(e.code, ERR_LOCKED);
	assert_non_null(strstr(e.msg, "pachca:1"));
	assert_non_null(strstr(e.msg, "pachca:2"));
	struct stat st;
	static const char *const files[] = { "ledger.db", "ledger.db-wal", "ledger.lock" };
	for (size_t i = 0; i < countof(files); i++) {
		assert_int_equal(stat(in_dir(files[i]), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	err_clear(&e);
	assert_null(ledger_open(dir, LEDGER_WRITE, &e)); /* flock is per open file: our own second try meets it too */
	assert_int_equal(e.code, ERR_LOCKED);
	char pid[32];
	snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	assert_non_null(strstr(e.msg, pid));
	static const char *const bots[] = { "31", "4", "31" };
	struct arena a;
	arena_init(&a);
	assert_null(ledger_bots(l, &a)[0]);
	ledger_begin(l);
	ledger_know_bots(l, bots, 3);
	ledger_know_bots(l, bots + 1, 1);
	commit(l);
	r = opened(LEDGER_READ); /* looking is always allowed */
	assert_false(ledger_bond(r, "slack:T2", "pachca:1", &e));
	const char *const *known = ledger_bots(r, &a);
	assert_string_equal(known[0], "31");
	assert_string_equal(known[1], "4");
	assert_null(known[2]);
	arena_release(&a);
	ledger_close(r);
	ledger_close(l);
}

static void test_pragmas_and_damage(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct ledger *l = opened(LEDGER_WRITE);
	ledger_begin(l);
	int64_t lane = ledger_lane(l, "c:C1");
	for (int i = 0; i < 2000; i++) {
		struct opkey k = key(i, OP_POST);
		char id[32];
		snprintf(id, sizeof(id), "%d", i);
		intent(l, &k, lane);
		ledger_done(l, &k, id, NULL);
	}
	commit(l);
	ledger_close(l);
	sqlite3 *db;
	sqlite3_stmt *s;
	assert_int_equal(sqlite3_open(in_dir("ledger.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT journal_mode, user_version, application_id, clean FROM pragma_journal_mode,"
		" pragma_user_version, pragma_application_id, status", -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(s, 0), "wal");
	assert_int_equal(sqlite3_column_int(s, 1), 6);
	assert_int_equal(sqlite3_column_int(s, 2), 0x4d564c44);
	assert_int_equal(sqlite3_column_int(s, 3), 1);
	sqlite3_finalize(s);
	sqlite3_close(db);

	int fd = open(in_dir("ledger.db"), O_RDWR);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	char junk[4096];
	memset(junk, 0xa5, sizeof(junk));
	for (off_t at = 4096 * 12; at + 4096 <= st.st_size; at += 4096 * 3)
		assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
	close(fd);
	assert_null(ledger_open(dir, LEDGER_WRITE, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_non_null(strstr(e.msg, "damaged"));
	assert_non_null(strstr(e.hint, "adopt"));

	fd = open(in_dir("ledger.db"), O_RDWR | O_TRUNC);
	assert_int_equal(pwrite(fd, junk, sizeof(junk), 0), sizeof(junk));
	close(fd);
	assert_null(ledger_open(dir, LEDGER_WRITE, &e)); /* no database at all */
	assert_int_equal(e.code, ERR_INTERNAL);
}

static void test_newer_or_foreign(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	sqlite3 *db;
	ledger_close(opened(LEDGER_WRITE));
	assert_int_equal(sqlite3_open(in_dir("ledger.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_null(ledger_open(dir, LEDGER_WRITE, &e));
	assert_non_null(strstr(e.msg, "newer"));
	assert_null(ledger_open(dir, LEDGER_READ, &e));
	assert_int_equal(sqlite3_open(in_dir("ledger.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1; PRAGMA application_id = 5", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_null(ledger_open(dir, LEDGER_WRITE, &e));
	assert_non_null(strstr(e.msg, "not a ledger"));
}

/* The disk fills up in the middle of a transaction: nothing of it holds, what was committed before does, and the same
 * process may go on when there is room again. */
static void test_full_disk(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	struct ledger *l = opened(LEDGER_WRITE);
	struct err e = ERR_INIT;
	ledger_begin(l);
	int64_t lane = ledger_lane(l, "c:C1");
	struct opkey first = key(-1, OP_POST);
	intent(l, &first, lane);
	ledger_done(l, &first, "f", NULL);
	commit(l);
	struct rlimit was, small;
	getrlimit(RLIMIT_FSIZE, &was);
	struct stat st;
	assert_int_equal(stat(in_dir("ledger.db-wal"), &st), 0);
	small = was;
	small.rlim_cur = (rlim_t)st.st_size + 8192;
	setrlimit(RLIMIT_FSIZE, &small);
	ledger_begin(l);
	char id[2048];
	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	for (int i = 0; i < 6000; i++) { /* more than the page cache: it must spill while the transaction runs */
		struct opkey k = key(i, OP_POST);
		snprintf(id, 16, "%d", i);
		id[strlen(id)] = 'x';
		intent(l, &k, lane);
		ledger_done(l, &k, id, NULL);
	}
	bool ok = ledger_commit(l, &e);
	setrlimit(RLIMIT_FSIZE, &was);
	assert_false(ok);
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_true(*e.hint);
	struct opkey k = key(0, OP_POST);
	assert_int_equal(state_of(l, &k), OP_ABSENT);
	assert_int_equal(state_of(l, &first), OP_DONE);
	ledger_begin(l);
	intent(l, &k, ledger_lane(l, "c:C1"));
	commit(l);
	ledger_close(l);
	l = opened(LEDGER_WRITE);
	assert_int_equal(state_of(l, &k), OP_INTENT);
	ledger_close(l);
}

/* ---- power loss: what was synced is remembered; the cut puts every file back to that ---- */

static long syncs;

static void copy_file(const char *from, const char *to)
{
	char b[65536];
	ssize_t n;
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (in >= 0 && out >= 0)
		while ((n = read(in, b, sizeof(b))) > 0)
			if (write(out, b, (size_t)n) != n)
				abort();
	close(in);
	close(out);
}

static void keep_synced(struct shim_file *f)
{
	char to[310];
	snprintf(to, sizeof(to), "%s.synced", f->path);
	copy_file(f->path, to);
	syncs++;
}

/* In a child: n commits of one post each, then the process is gone and what was not synced with it. */
static void write_then_cut(int n)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct err e = ERR_INIT;
		shim_install((struct shim_hooks){ .synced = keep_synced });
		struct ledger *l = ledger_open(dir, LEDGER_WRITE, &e);
		if (!l)
			_exit(2);
		for (int i = 0; i < n; i++) {
			ledger_begin(l);
			struct opkey k = key(i, OP_POST);
			char id[16];
			snprintf(id, sizeof(id), "%d", i);
			intent(l, &k, ledger_lane(l, "c:C1"));
			ledger_done(l, &k, id, NULL);
			if (!ledger_commit(l, &e))
				_exit(3);
		}
		ledger_begin(l); /* written, never committed */
		struct opkey k = key(n, OP_POST);
		intent(l, &k, ledger_lane(l, "c:C1"));
		_exit(syncs >= n ? 0 : 4);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	static const char *const files[] = { "ledger.db", "ledger.db-wal" };
	for (size_t i = 0; i < countof(files); i++) {
		char synced[160];
		snprintf(synced, sizeof(synced), "%s.synced", in_dir(files[i]));
		if (access(synced, F_OK) == 0)
			assert_int_equal(rename(synced, in_dir(files[i])), 0);
		else
			unlink(in_dir(files[i]));
	}
	unlink(in_dir("ledger.db-shm"));
}

static void test_power_loss(void **state)
{
	(void)state;
	enum { N = 40 };
	write_then_cut(N);
	struct ledger *l = opened(LEDGER_WRITE);
	for (int i = 0; i < N; i++) {
		struct opkey k = key(i, OP_POST);
		assert_int_equal(state_of(l, &k), OP_DONE);
	}
	struct opkey k = key(N, OP_POST);
	assert_int_equal(state_of(l, &k), OP_ABSENT);
	ledger_close(l);
}

/* Not a benchmark (the machine may be busy), but the figure is printed so that a dearer change is seen. */
static void test_cost(void **state)
{
	(void)state;
	enum { N = 20000 };
	struct ledger *l = opened(LEDGER_WRITE);
	ledger_begin(l);
	int64_t lane = ledger_lane(l, "c:C1");
	clock_t began = clock();
	for (int i = 0; i < N; i++) {
		char id[32], target[32];
		struct opkey k = key(1700000000000000 + i * 1000, OP_POST);
		snprintf(id, sizeof(id), "1700000000.%06d", i);
		snprintf(target, sizeof(target), "%d", 500000000 + i);
		k.id = id;
		intent(l, &k, lane);
		ledger_done(l, &k, target, NULL);
	}
	double us = (double)(clock() - began) / CLOCKS_PER_SEC * 1e6 / (2.0 * N);
	commit(l);
	ledger_close(l);
	print_message("# %.2f us CPU a state change\n", us);
	assert_true(us < 1000); /* also under valgrind */
}

int main(void)
{
	clock_init();
	static const struct CMUnitTest tests[] = {
#define T(name) { #name, name, setup, teardown, NULL }
		T(test_life_of_an_op), T(test_an_edit_may_follow_an_edit), T(test_an_edit_keeps_what_was), T(test_illegal_changes_die), T(test_schema_refuses),
		T(test_order_and_anchor), T(test_names_and_lists), T(test_bond_lock_and_modes), T(test_pragmas_and_damage),
		T(test_newer_or_foreign), T(test_full_disk), T(test_power_loss), T(test_cost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
