/* test_durable.c: what a commit does to the disk, seen from below SQLite.
 *
 * PRAGMA synchronous read back says what SQLite was told; this counts what it does: fdatasync and fsync are this program's, so
 * every sync of the library goes through here. A commit must have synced the log before it returns, and one whose sync failed
 * must say so and leave nothing behind. */
#include "replay/ledger.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int wal_syncs, other_syncs, fail_after = -1;

/* The sync itself is left out: the folder is gone after the test. */
static int synced(int fd)
{
	char link[64], path[4096];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	bool wal = strstr(path, "ledger.db-wal") != NULL;
	if (wal && fail_after == 0) {
		errno = EIO;
		return -1;
	}
	if (wal && fail_after > 0)
		fail_after--;
	*(wal ? &wal_syncs : &other_syncs) += 1;
	return 0;
}

int fdatasync(int fd)
{
	return synced(fd);
}

int fsync(int fd)
{
	return synced(fd);
}

static char dir[64];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/mvchat-durable-XXXXXX");
	fail_after = -1;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = { "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.lock", "ledger.db-mark" };
	(void)state;
	char path[128];
	for (size_t i = 0; i < countof(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static void intend(struct ledger *l, int64_t n)
{
	struct opkey k = { .conv = 1, .ts_us = n, .id = "m", .kind = OP_POST };
	char lane[32];
	snprintf(lane, sizeof(lane), "c:%lld", (long long)n);
	ledger_intent(l, &k, ledger_lane(l, lane), 0, 0, 0, 1, n);
}

/* Each commit reaches the disk before it returns: one sync of the log for each, and not fewer. */
static void test_every_commit_is_synced(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct ledger *l = ledger_open(dir, LEDGER_WRITE, &e);
	assert_non_null(l);
	for (int64_t i = 1; i <= 20; i++) {
		ledger_begin(l);
		intend(l, i);
		int before = wal_syncs;
		assert_true(ledger_commit(l, &e));
		assert_true(wal_syncs > before);
	}
	ledger_close(l);
}

/* A sync that fails is a commit that failed: it says so, and what it held is not there afterwards. */
static void test_failed_sync_is_told(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct arena a;
	struct ledger_row row;
	struct opkey one = { .conv = 1, .ts_us = 1, .id = "m", .kind = OP_POST }, two = { .conv = 1, .ts_us = 2, .id = "m", .kind = OP_POST };
	struct ledger *l = ledger_open(dir, LEDGER_WRITE, &e);
	assert_non_null(l);
	arena_init(&a);
	ledger_begin(l);
	intend(l, 1);
	assert_true(ledger_commit(l, &e));
	ledger_begin(l);
	intend(l, 2);
	fail_after = 0;
	assert_false(ledger_commit(l, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	fail_after = -1;
	assert_true(ledger_get(l, &one, &a, &row));
	assert_false(ledger_get(l, &two, &a, &row));
	ledger_close(l);
	l = ledger_open(dir, LEDGER_WRITE, &e);
	assert_non_null(l);
	assert_true(ledger_get(l, &one, &a, &row));
	assert_false(ledger_get(l, &two, &a, &row));
	ledger_close(l);
	arena_release(&a);
}

int main(void)
{
	clock_init();
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_commit_is_synced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed_sync_is_told, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
