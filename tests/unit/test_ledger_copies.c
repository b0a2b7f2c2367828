/* test_ledger_copies.c: ledgers of an older version, copies that were put back, backups taken while somebody writes. */
#include "replay/ledger.h"

#include "embed/replay/schema_v2.sql.h"
#include "embed/replay/schema_v3.sql.h"
#include "embed/replay/schema_v4.sql.h"
#include "embed/replay/schema_v5.sql.h"

#include "core/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static char dir[64];

static const char *in_dir(const char *name)
{
	static char ring[4][160];
	static int next;
	char *p = ring[next++ % 4];
	snprintf(p, sizeof(ring[0]), "%s/%s", dir, name);
	return p;
}

static const char *const files[] = { "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.lock", "ledger.db-mark",
	"old.db", "old.db-wal", "old.db-mark", "backup.db", "backup.db.part" };

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/mvchat-copies-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(files); i++)
		unlink(in_dir(files[i]));
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

static struct err refused(void)
{
	struct err e = ERR_INIT;
	assert_null(ledger_open(dir, LEDGER_WRITE, &e));
	assert_int_equal(e.code, ERR_LOCKED);
	assert_non_null(strstr(e.hint, "--adopt"));
	return e;
}

static struct opkey key(int64_t ts)
{
	return (struct opkey){ .conv = 1, .ts_us = ts, .id = "m", .kind = OP_POST };
}

enum until { UNTIL_INTENT, UNTIL_DONE };

static void write_one(struct ledger *l, int64_t n, enum until until)
{
	struct err e = ERR_INIT;
	struct opkey k = key(n);
	char id[32];
	snprintf(id, sizeof(id), "%lld", (long long)n);
	ledger_begin(l);
	ledger_intent(l, &k, ledger_lane(l, "c:C1"), 0, 0, 0, 1, n);
	assert_true(ledger_commit(l, &e));
	if (until == UNTIL_INTENT)
		return;
	ledger_begin(l);
	ledger_done(l, &k, id, NULL);
	assert_true(ledger_commit(l, &e));
}

static enum op_state state_of(struct ledger *l, int64_t n)
{
	struct arena a;
	struct ledger_row r = { .state = OP_ABSENT };
	struct opkey k = key(n);
	arena_init(&a);
	enum op_state st = ledger_get(l, &k, &a, &r) ? r.state : OP_ABSENT;
	arena_release(&a);
	return st;
}

static void copy(const char *from, const char *to)
{
	char b[65536];
	ssize_t n;
	int in = open(in_dir(from), O_RDONLY), out = open(in_dir(to), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(out >= 0);
	while (in >= 0 && (n = read(in, b, sizeof(b))) > 0)
		assert_int_equal(write(out, b, (size_t)n), n);
	if (in >= 0)
		close(in);
	close(out);
}

static void put_back(void)
{
	copy("old.db", "ledger.db");
	copy("old.db-wal", "ledger.db-wal");
	unlink(in_dir("ledger.db-shm"));
}

static void make_version_1(void)
{
	static char sql[65536];
	FILE *f = fopen("fixtures/ledger/v1.sql", "r");
	assert_non_null(f);
	sql[fread(sql, 1, sizeof(sql) - 1, f)] = '\0';
	fclose(f);
	sqlite3 *db;
	assert_int_equal(sqlite3_open(in_dir("ledger.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static int64_t one_number(const char *file, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *s;
	assert_int_equal(sqlite3_open(in_dir(file), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return n;
}

/* A copy torn while the file was being made: rows that no statement of ours could have written. */
static void test_torn_copy_is_not_migrated(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'state INTEGER NOT NULL CHECK(state IN (1, 2, 3, 4, 5))', 'state INTEGER') WHERE name = 'op';"
		" PRAGMA user_version = 1",
		"DROP TRIGGER done_is_final; DROP TRIGGER only_unsent_goes; UPDATE op SET state = NULL WHERE part = (SELECT part FROM op LIMIT 1)",
	};
	struct err e = ERR_INIT;
	sqlite3 *db;
	make_version_1();
	for (size_t i = 0; i < countof(wrong); i++) {
		assert_int_equal(sqlite3_open(in_dir("ledger.db"), &db), SQLITE_OK);
		sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
		assert_int_equal(sqlite3_exec(db, wrong[i], NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
	}
	assert_null(ledger_open(dir, LEDGER_WRITE, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_non_null(strstr(e.msg, "damaged"));
	assert_non_null(strstr(e.hint, "--adopt"));
	assert_true(one_number("ledger.db", "PRAGMA user_version") < 6);
	assert_int_equal(one_number("ledger.db", "SELECT count(*) FROM op WHERE state IS NULL"), 4); /* left as it was */
}

/* A ledger of version 1 is read as it is, brought up to date for writing, and everything in it is still there. */
static void test_version_1_goes_on(void **state)
{
	(void)state;
	struct arena a;
	struct ledger_row r;
	struct ledger_counts c;
	make_version_1();
	struct ledger *l = opened(LEDGER_READ);
	ledger_count(l, &c);
	assert_int_equal(c.by_kind_state[OP_USER_CREATE][OP_DONE], 2);
	assert_false(ledger_outdated(l));
	ledger_close(l);
	assert_int_equal(one_number("ledger.db", "PRAGMA user_version"), 1);
	l = opened(LEDGER_WRITE);
	ledger_count(l, &c);
	assert_int_equal(c.by_kind_state[OP_USER_CREATE][OP_DONE], 2);
	assert_int_equal(c.by_kind_state[OP_CHAT_CREATE][OP_DONE], 1);
	assert_int_equal(c.by_kind_state[OP_POST][OP_INTENT], 1);
	arena_init(&a);
	assert_true(ledger_open_op(l, ledger_lane(l, "c:C0GENERAL1"), &a, &r));
	assert_string_equal(r.key.id, "1699991000.000100");
	arena_release(&a);
	ledger_close(l);
	assert_int_equal(one_number("ledger.db", "PRAGMA user_version"), 6);
	assert_int_equal(one_number("ledger.db", "SELECT count(*) FROM migration"), 6);
	assert_int_equal(one_number("ledger.db", "SELECT intents FROM status"), 4);
	l = opened(LEDGER_WRITE); /* and now it has a mark */
	ledger_close(l);
	unlink(in_dir("ledger.db-mark"));
	refused();
}

/* Everything in the file that is ours, as one text. */
static void describe(const char *sql, char *out, size_t cap)
{
	sqlite3 *db;
	sqlite3_stmt *s;
	size_t n = 0;
	out[0] = '\0';
	assert_int_equal(sqlite3_open(in_dir("ledger.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	while (sqlite3_step(s) == SQLITE_ROW) {
		n += (size_t)snprintf(out + n, cap - n, "%s\n", (const char *)sqlite3_column_text(s, 0));
		assert_true(n < cap);
	}
	sqlite3_finalize(s);
	sqlite3_close(db);
}

/* From whichever version it comes, a ledger keeps every row, is readable before, and ends with the very schema a new one has. */
static void test_every_version_goes_on(void **state)
{
	(void)state;
	static const char *const upto[] = { NULL, (const char *)embed_schema_v2_sql, (const char *)embed_schema_v3_sql, (const char *)embed_schema_v4_sql,
		(const char *)embed_schema_v5_sql };
	static const char rows[] = "SELECT quote(conv)||quote(ts)||quote(id)||quote(kind)||quote(part)||quote(lane)||quote(seq)||quote(state)||quote(target)"
		"||quote(target2)||quote(why)||quote(src_fp)||quote(body_fp)||quote(loss)||quote(tries)||quote(sent)||quote(run) FROM op ORDER BY lane, seq",
		others[] = "SELECT quote(id)||quote(cmd)||quote(began)||quote(ended)||quote(exit)||quote(mapping)||quote(version) FROM run"
		" UNION ALL SELECT num||name FROM conv UNION ALL SELECT num||name FROM lane UNION ALL SELECT source||target FROM bond",
		schema[] = "SELECT type||' '||name||' '||replace(coalesce(sql, ''), '\"', '') FROM sqlite_schema ORDER BY type, name";
	static char fresh[32768], is[32768], was[32768];
	struct ledger_counts c;
	ledger_close(opened(LEDGER_WRITE));
	describe(schema, fresh, sizeof(fresh));
	for (int v = 1; v <= (int)countof(upto); v++) {
		unlink(in_dir("ledger.db"));
		unlink(in_dir("ledger.db-mark"));
		make_version_1();
		sqlite3 *db;
		assert_int_equal(sqlite3_open(in_dir("ledger.db"), &db), SQLITE_OK);
		for (int k = 2; k <= v; k++) {
			char tail[100];
			snprintf(tail, sizeof(tail), "INSERT INTO migration VALUES(%d, 7, 'older'); PRAGMA user_version = %d", k, k);
			assert_int_equal(sqlite3_exec(db, upto[k - 1], NULL, NULL, NULL), SQLITE_OK);
			assert_int_equal(sqlite3_exec(db, tail, NULL, NULL, NULL), SQLITE_OK);
		}
		/* one of each state, an edit, and an upload whose outcome is open beside nothing else in its lane */
		assert_int_equal(sqlite3_exec(db, "INSERT INTO lane VALUES(9,'c:C9');"
			"INSERT INTO op VALUES(1,5,'5',4,0,9,1,3,'77',NULL,NULL,-1,9223372036854775807,83,1,6,1),(1,5,'5',10,0,9,2,4,NULL,'was 1 2 3 4 1 77','422: too long',1,2,0,3,8,1),"
			"(1,6,'6',4,0,9,3,5,'78',NULL,NULL,1,2,0,1,7,1),(1,6,'6',11,0,9,4,3,'78',NULL,NULL,1,2,0,1,9,1),(1,7,'7',3,0,9,5,2,NULL,NULL,'HTTP 500',1,2,0,1,9,1)",
			NULL, NULL, NULL), SQLITE_OK);
		if (v >= 2) /* nothing is known of its mark: as if it had never counted */
			assert_int_equal(sqlite3_exec(db, "UPDATE status SET intents = 0", NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
		describe(rows, was, sizeof(was));
		struct ledger *l = opened(LEDGER_READ);
		ledger_count(l, &c);
		assert_int_equal(c.by_kind_state[OP_POST][OP_GONE], 1);
		ledger_close(l);
		assert_int_equal(one_number("ledger.db", "PRAGMA user_version"), v); /* reading changes nothing */
		ledger_close(opened(LEDGER_WRITE));
		describe(rows, is, sizeof(is));
		assert_string_equal(is, was);
		assert_int_equal(one_number("ledger.db", "PRAGMA user_version"), 6);
		assert_int_equal(one_number("ledger.db", "SELECT count(*) FROM migration"), 6);
		describe(schema, is, sizeof(is));
		assert_string_equal(is, fresh);
		describe(others, is, sizeof(is));
		assert_non_null(strstr(is, "slack:T0HAZARD01"));
		assert_non_null(strstr(is, "9c:C9"));
		l = opened(LEDGER_WRITE);
		write_one(l, 70, UNTIL_DONE);
		assert_int_equal(state_of(l, 70), OP_DONE);
		ledger_close(l);
	}
}

/* A copy from before the last intent, put back by hand: what followed would be sent twice. */
static void test_old_copy_is_refused(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct ledger *l = opened(LEDGER_WRITE);
	write_one(l, 1, UNTIL_DONE);
	write_one(l, 2, UNTIL_INTENT);
	copy("ledger.db", "old.db");
	copy("ledger.db-wal", "old.db-wal");
	struct opkey two = key(2);
	ledger_begin(l);
	ledger_done(l, &two, "2", NULL);
	assert_true(ledger_commit(l, &e));
	ledger_close(l);
	/* nothing was begun after the copy: what it has open is found out as always */
	put_back();
	l = opened(LEDGER_WRITE);
	assert_int_equal(state_of(l, 2), OP_INTENT);
	ledger_begin(l);
	ledger_done(l, &two, "2", NULL);
	assert_true(ledger_commit(l, &e));
	write_one(l, 3, UNTIL_INTENT);
	ledger_close(l);
	put_back();
	e = refused();
	assert_non_null(strstr(e.msg, "older copy"));
	refused(); /* and again: refusing changes nothing */
	l = opened(LEDGER_READ);
	assert_true(ledger_outdated(l));
	assert_int_equal(state_of(l, 2), OP_INTENT);
	ledger_close(l);

	/* Completing it: what it had open is forgotten, and it counts again only when that is said. */
	l = opened(LEDGER_REBUILD);
	assert_true(ledger_outdated(l));
	assert_int_equal(state_of(l, 1), OP_DONE);
	assert_int_equal(state_of(l, 2), OP_ABSENT);
	write_one(l, 2, UNTIL_DONE);
	ledger_close(l);
	refused();
	l = opened(LEDGER_REBUILD);
	write_one(l, 3, UNTIL_DONE);
	assert_true(ledger_rebuilt(l, &e));
	write_one(l, 4, UNTIL_DONE);
	ledger_close(l);
	l = opened(LEDGER_WRITE);
	assert_int_equal(state_of(l, 4), OP_DONE);
	ledger_close(l);
}

/* The ledger's file is gone, its mark is not; or it is another's; or it came alone. */
static void test_lost_and_exchanged(void **state)
{
	(void)state;
	struct ledger *l = opened(LEDGER_WRITE);
	ledger_close(l);
	unlink(in_dir("ledger.db")); /* nothing was written yet: nothing is lost */
	l = opened(LEDGER_WRITE);
	write_one(l, 1, UNTIL_DONE);
	ledger_close(l);
	copy("ledger.db", "old.db");
	copy("ledger.db-mark", "old.db-mark");
	unlink(in_dir("ledger.db"));
	assert_non_null(strstr(refused().msg, "gone"));
	assert_non_null(strstr(refused().msg, "gone"));
	l = opened(LEDGER_READ);
	assert_true(ledger_outdated(l));
	ledger_close(l);
	unlink(in_dir("ledger.db"));
	unlink(in_dir("ledger.db-mark"));
	l = opened(LEDGER_WRITE); /* both gone: as new (docs/replay.md) */
	write_one(l, 7, UNTIL_DONE);
	ledger_close(l);
	copy("old.db", "ledger.db");
	unlink(in_dir("ledger.db-wal"));
	assert_non_null(strstr(refused().msg, "not the one"));
	unlink(in_dir("ledger.db-mark"));
	assert_non_null(strstr(refused().msg, "without its mark"));
	copy("old.db-mark", "ledger.db-mark");
	ledger_close(opened(LEDGER_WRITE));
	int fd = open(in_dir("ledger.db-mark"), O_RDWR);
	char byte;
	assert_int_equal(pread(fd, &byte, 1, 20), 1);
	byte = (char)~byte;
	assert_int_equal(pwrite(fd, &byte, 1, 20), 1);
	close(fd);
	assert_non_null(strstr(refused().msg, "without its mark")); /* one that cannot be read is none */
}

/* The ledger is gone; its mark still says whose it was, and another account does not begin it anew. */
static void test_the_mark_knows_whose(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct arena a;
	arena_init(&a);
	struct ledger *l = opened(LEDGER_WRITE);
	assert_true(ledger_bond(l, "slack:T1", "pachca:1", &e));
	ledger_close(l);
	unlink(in_dir("ledger.db"));
	l = opened(LEDGER_WRITE); /* nothing was written yet: whoever wants it */
	assert_true(ledger_bond(l, "slack:T1", "pachca:2", &e));
	write_one(l, 1, UNTIL_DONE);
	ledger_close(l);
	unlink(in_dir("ledger.db"));
	l = opened(LEDGER_REBUILD);
	assert_string_equal(ledger_bonded(l, &a), "pachca:2");
	assert_false(ledger_bond(l, "slack:T1", "pachca:1", &e));
	assert_int_equal(e.code, ERR_LOCKED);
	assert_non_null(strstr(e.msg, "pachca:2"));
	assert_non_null(strstr(e.msg, "pachca:1"));
	assert_true(ledger_bond(l, "slack:T1", "pachca:2", &e));
	write_one(l, 1, UNTIL_DONE);
	assert_true(ledger_rebuilt(l, &e));
	ledger_close(l);
	unlink(in_dir("ledger.db")); /* and once more, by the mark that was set anew */
	l = opened(LEDGER_REBUILD);
	assert_false(ledger_bond(l, "slack:T1", "pachca:1", &e));
	ledger_close(l);
	arena_release(&a);
}

/* A ledger that is made anew from the target, mark and all lost, is for rebuilding only until that is said to have ended well. */
static void test_half_rebuilt_is_closed(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct ledger *l = opened(LEDGER_REBUILD);
	write_one(l, 1, UNTIL_DONE);
	ledger_close(l);
	e = refused();
	assert_non_null(strstr(e.msg, "has not ended well"));
	assert_non_null(strstr(e.hint, "--accept"));
	l = opened(LEDGER_READ);
	assert_true(ledger_outdated(l));
	assert_int_equal(state_of(l, 1), OP_DONE);
	ledger_close(l);
	l = opened(LEDGER_REBUILD); /* goes on where it was */
	assert_int_equal(state_of(l, 1), OP_DONE);
	write_one(l, 2, UNTIL_DONE);
	ledger_close(l);
	refused();
	l = opened(LEDGER_REBUILD);
	assert_true(ledger_rebuilt(l, &e));
	ledger_close(l);
	l = opened(LEDGER_WRITE);
	assert_int_equal(state_of(l, 2), OP_DONE);
	ledger_close(l);
	l = opened(LEDGER_REBUILD); /* of one that is whole: adopting twice closes nothing */
	assert_false(ledger_outdated(l));
	ledger_close(l);
	ledger_close(opened(LEDGER_WRITE));
}

/* The copy is one moment of a ledger that is being written, private, whole, and can be put back. */
static void test_backup_while_writing(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct stat st;
	struct ledger *r = opened(LEDGER_READ);
	assert_false(ledger_backup(r, in_dir("backup.db"), &e));
	assert_int_equal(e.code, ERR_USAGE);
	ledger_close(r);
	struct ledger *l = opened(LEDGER_WRITE);
	for (int64_t i = 1; i <= 50; i++)
		write_one(l, i, UNTIL_DONE);
	struct opkey k = key(51);
	ledger_begin(l); /* in the middle of a transaction */
	ledger_intent(l, &k, ledger_lane(l, "c:C1"), 0, 0, 0, 1, 51);
	r = opened(LEDGER_READ);
	assert_true(ledger_backup(r, in_dir("backup.db"), &e));
	ledger_close(r);
	assert_true(ledger_commit(l, &e));
	assert_int_equal(stat(in_dir("backup.db"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(access(in_dir("backup.db.part"), F_OK), -1);
	assert_int_equal(one_number("backup.db", "SELECT count(*) FROM op WHERE state = 3"), 50);
	assert_int_equal(one_number("backup.db", "SELECT count(*) FROM op"), 50);
	ledger_close(l);
	r = opened(LEDGER_READ);
	assert_true(ledger_backup(r, in_dir("backup.db"), &e)); /* over an older one */
	assert_int_equal(one_number("backup.db", "SELECT count(*) FROM op"), 51);
	assert_false(ledger_backup(r, in_dir("no/such/folder"), &e));
	ledger_close(r);
	/* put back with nothing written since: in order; after one more write: noticed */
	copy("backup.db", "ledger.db");
	unlink(in_dir("ledger.db-wal"));
	l = opened(LEDGER_WRITE);
	struct opkey open_one = key(51);
	ledger_begin(l);
	ledger_done(l, &open_one, "51", NULL);
	assert_true(ledger_commit(l, &e));
	write_one(l, 52, UNTIL_DONE);
	ledger_close(l);
	copy("backup.db", "ledger.db");
	refused();
}

static int seen_runs;
static bool on_run(void *ctx, const struct ledger_run *r)
{
	(void)ctx;
	seen_runs++;
	assert_int_equal(r->id, seen_runs);
	assert_string_equal(r->cmd, r->id == 1 ? "apply" : "rollback");
	assert_int_equal(r->done[OP_POST], r->id == 1 ? 2 : 0);
	assert_int_equal(r->gone, r->id == 1 ? 1 : 0);
	assert_int_equal(r->open, r->id == 2 ? 1 : 0);
	assert_int_equal(r->ended_us != 0, r->id == 1);
	assert_int_equal(r->exit_code, r->id == 1 ? 6 : 0);
	return true;
}

/* Runs with their numbers: what each one wrote, what of it is gone. */
static void test_runs(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	static const uint8_t mapping[DIGEST_BYTES];
	struct ledger *l = opened(LEDGER_WRITE);
	int64_t run = ledger_run_begin(l, "apply", mapping, NULL);
	assert_int_equal(run, 1);
	for (int64_t i = 1; i <= 3; i++)
		write_one(l, i, UNTIL_DONE);
	ledger_run_end(l, run, 6);
	run = ledger_run_begin(l, "rollback", mapping, NULL);
	struct opkey two = key(2), undo = { .conv = 1, .ts_us = 3, .id = "m", .kind = OP_DELETE };
	ledger_begin(l);
	ledger_gone(l, &two);
	ledger_intent(l, &undo, ledger_lane(l, "c:C1"), 0, 0, 0, run, 9);
	assert_true(ledger_commit(l, &e));
	ledger_close(l);
	l = opened(LEDGER_READ);
	assert_true(ledger_runs(l, on_run, NULL));
	assert_int_equal(seen_runs, 2);
	ledger_close(l);
}

int main(void)
{
	clock_init();
	static const struct CMUnitTest tests[] = {
#define T(name) { #name, name, setup, teardown, NULL }
		T(test_version_1_goes_on), T(test_torn_copy_is_not_migrated), T(test_old_copy_is_refused), T(test_lost_and_exchanged), T(test_the_mark_knows_whose), T(test_half_rebuilt_is_closed),
		T(test_every_version_goes_on), T(test_backup_while_writing), T(test_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
