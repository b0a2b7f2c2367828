/* test_power.c: the power goes at any write. A VFS below SQLite keeps what was written since the last sync of each file; at the cut
 * the disk holds what was synced, and of the rest any sectors of 512 bytes and not others. Then the ledger is opened again:
 *
 *   every intent whose commit had returned is there, because its request may have left: without it it would be sent twice;
 *   what was recorded as done before is done; nothing is half there; the file is sound and not taken for an older copy. */
#define _DEFAULT_SOURCE
#include "replay/ledger.h"

#include "core/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sqlite_shim.h"

enum { COMMITS = 14, SECTOR = 512, FILES_MAX = 8, SEEDS = 3, CUTS = 60 };

static char dir[64];
static uint64_t rng;

static uint64_t pick(uint64_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (rng >> 33) % n;
}

/* The real sync is left out: what counts as on disk is decided here. */
int fdatasync(int fd) { (void)fd; return 0; }
int fsync(int fd) { (void)fd; return 0; }

/* ---- what the disk holds, and what only its cache ---- */

struct pending { struct pending *next; sqlite3_int64 at; int n; unsigned char data[]; };
struct disk { char path[300]; unsigned char *synced; size_t len; struct pending *first, **last; };
static struct disk disks[FILES_MAX];
static size_t n_disks;
static long writes, cut_at;
static struct told { long committed, done; long writes; } *told; /* shared with the parent */

static struct disk *disk_of(const char *path)
{
	for (size_t i = 0; i < n_disks; i++)
		if (streq(disks[i].path, path))
			return &disks[i];
	if (n_disks == FILES_MAX)
		abort();
	struct disk *d = &disks[n_disks++];
	snprintf(d->path, sizeof(d->path), "%s", path);
	d->last = &d->first;
	return d;
}

static void forget_pending(struct disk *d)
{
	for (struct pending *p = d->first, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	d->first = NULL;
	d->last = &d->first;
}

static void take_synced(struct disk *d)
{
	struct stat st;
	int fd = open(d->path, O_RDONLY);
	free(d->synced);
	d->synced = NULL;
	d->len = 0;
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
		d->len = (size_t)st.st_size;
		d->synced = malloc(d->len);
		if (!d->synced || read(fd, d->synced, d->len) != st.st_size)
			abort();
	}
	if (fd >= 0)
		close(fd);
	forget_pending(d);
}

/* The file as it is found when the power is back. */
static void settle(struct disk *d)
{
	if (access(d->path, F_OK) != 0)
		return;
	int fd = open(d->path, O_WRONLY | O_TRUNC);
	if (fd < 0 || (d->len && pwrite(fd, d->synced, d->len, 0) != (ssize_t)d->len))
		abort();
	for (const struct pending *p = d->first; p; p = p->next)
		for (int at = 0; at < p->n;) {
			int left = p->n - at, to_edge = SECTOR - (int)((p->at + at) % SECTOR), n = left < to_edge ? left : to_edge;
			if (pick(2) && pwrite(fd, p->data + at, (size_t)n, p->at + at) != n)
				abort();
			at += n;
		}
	close(fd);
}

static void cut(void)
{
	for (size_t i = 0; i < n_disks; i++)
		settle(&disks[i]);
	_exit(0);
}

/* ---- what SQLite does with its files ---- */

static void opened(struct shim_file *f, bool there)
{
	f->own = disk_of(f->path);
	if (!there)
		take_synced(f->own);
}

static void written(struct shim_file *f, const void *data, int n, sqlite3_int64 at)
{
	struct disk *d = f->own;
	struct pending *p = malloc(sizeof(*p) + (size_t)n);
	if (!p)
		abort();
	*p = (struct pending){ .at = at, .n = n };
	memcpy(p->data, data, (size_t)n);
	*d->last = p;
	d->last = &p->next;
	if (++writes == cut_at)
		cut();
}

static void before_sync(struct shim_file *f)
{
	(void)f;
	if (writes + 1 == cut_at && pick(2))
		cut();
}

static void synced(struct shim_file *f)
{
	take_synced(f->own);
}

/* Shorter at once: what matters is that nothing relies on old bytes being there. */
static void truncated(struct shim_file *f, sqlite3_int64 n)
{
	struct disk *d = f->own;
	if ((size_t)n < d->len)
		d->len = (size_t)n;
}

/* ---- the work that is cut off ---- */

static struct opkey key(int i)
{
	return (struct opkey){ .conv = 1, .ts_us = i, .id = "m", .kind = OP_POST };
}

static void work(void)
{
	struct err e = ERR_INIT;
	shim_install((struct shim_hooks){ opened, written, truncated, before_sync, synced, SECTOR });
	struct ledger *l = ledger_open(dir, LEDGER_WRITE, &e);
	if (!l)
		_exit(2);
	for (int i = 1; i <= COMMITS; i++) {
		/* the done of the last and the intent of the next are one commit, as in the engine */
		struct opkey last = key(i - 1), next = key(i);
		char id[16], lane[16];
		snprintf(id, sizeof(id), "%d", i - 1);
		snprintf(lane, sizeof(lane), "c:C%d", i % 3);
		ledger_begin(l);
		if (i > 1)
			ledger_done(l, &last, id, NULL);
		ledger_intent(l, &next, ledger_lane(l, lane), 0, 0, 0, 1, i);
		if (!ledger_commit(l, &e))
			_exit(3);
		told->committed = i;
		told->done = i - 1;
	}
	ledger_close(l);
	told->writes = writes;
	_exit(0);
}

static void remove_all(void)
{
	static const char *const names[] = { "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db-journal", "ledger.lock", "ledger.db-mark" };
	char path[128];
	for (size_t i = 0; i < countof(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
}

static void run_until(long at, uint64_t seed)
{
	*told = (struct told){ 0 };
	cut_at = at;
	rng = seed * 2654435761u + (uint64_t)at;
	pid_t pid = fork();
	if (pid == 0)
		work();
	int st;
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFEXITED(st));
	assert_int_equal(WEXITSTATUS(st), 0);
	char path[128];
	snprintf(path, sizeof(path), "%s/ledger.db-shm", dir); /* memory: gone with the power */
	unlink(path);
}

static enum op_state state_of(struct ledger *l, int i, struct arena *a)
{
	struct ledger_row r;
	struct opkey k = key(i);
	arena_reset(a);
	return ledger_get(l, &k, a, &r) ? r.state : OP_ABSENT;
}

static void check(long at)
{
	struct err e = ERR_INIT;
	struct arena a;
	struct ledger *l = ledger_open(dir, LEDGER_WRITE, &e);
	if (!l)
		fail_msg("cut at write %ld, %ld commits: %s", at, told->committed, e.msg);
	arena_init(&a);
	for (int i = 1; i <= COMMITS; i++) {
		enum op_state st = state_of(l, i, &a);
		if (i <= told->done && st != OP_DONE)
			fail_msg("cut at write %ld: %d was done and is %d", at, i, (int)st);
		if (i <= told->committed && st != OP_DONE && st != OP_INTENT)
			fail_msg("cut at write %ld: the intent %d is lost (%d): it would be sent twice", at, i, (int)st);
		/* One more commit may have reached the disk without anybody knowing: whole, or not at all. */
		if (i > told->committed + 1 && st != OP_ABSENT)
			fail_msg("cut at write %ld: %d is %d out of nowhere", at, i, (int)st);
		if (i == told->committed + 1 && st == OP_INTENT && i > 1 && state_of(l, i - 1, &a) != OP_DONE)
			fail_msg("cut at write %ld: half of commit %d", at, i);
	}
	arena_release(&a);
	ledger_close(l);
}

static void test_power_goes_at_any_write(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/mvchat-power-XXXXXX");
	assert_non_null(mkdtemp(dir));
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(told, MAP_FAILED);
	run_until(0, 1);
	long all = told->writes;
	assert_int_equal(told->committed, COMMITS);
	assert_true(all > COMMITS);
	check(0);
	long step = all / CUTS + 1, cuts = 0;
	for (long at = 1; at <= all; at += at < 40 ? 1 : step) /* making the file is the densest part */
		for (uint64_t seed = 1; seed <= SEEDS; seed++, cuts++) {
			remove_all();
			run_until(at, seed);
			check(at);
		}
	print_message("# %ld writes, %ld cuts\n", all, cuts);
	remove_all();
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	clock_init();
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_power_goes_at_any_write) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
