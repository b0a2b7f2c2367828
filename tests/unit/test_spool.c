/* The spool: whatever the order of what importers push, reading gives time order, one copy of everything, and whole threads. */
#include "core/base.h"

#include "core/arena.h"
#include "core/canon.h"
#include "core/clock.h"
#include "replay/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];
static const uint8_t digests[2][DIGEST_BYTES] = { { 1, 2, 3 }, { 4, 5, 6 } };

static struct spool *begin(struct sink *k)
{
	struct err e = ERR_INIT;
	snprintf(path, sizeof(path), "/tmp/mvchat-spool-%ld", (long)getpid());
	struct spool *s = spool_open(path, SPOOL_BUILD, &e);
	assert_non_null(s);
	assert_true(spool_archive_begin(s, "a.zip", "slack", "T1", digests[0], &e));
	spool_sink(s, k);
	return s;
}

static struct spool *reopen(struct spool *s)
{
	struct err e = ERR_INIT;
	if (!spool_finish(s, &e))
		fail_msg("%s", e.msg);
	spool_close(s);
	s = spool_open(path, SPOOL_READ, &e);
	if (!s)
		fail_msg("%s", e.msg);
	return s;
}

static void end(struct spool *s)
{
	spool_close(s);
	unlink(path);
}

/* n-th second, spelt as Slack does */
static const char *id_of(struct arena *a, int n)
{
	return arena_fmt(a, "%d.000000", 1000 + n);
}

static void push(struct sink *k, struct arena *a, const char *conv, const char *author, int at, int root, const char *text)
{
	struct msg m = { .id = id_of(a, at), .author = author, .ts_us = (int64_t)(1000 + at) * 1000000, .kind = MSG_TEXT, .body = text_from_plain(a, text) };
	if (root >= 0) {
		m.parent = id_of(a, root);
		m.parent_ts_us = (int64_t)(1000 + root) * 1000000;
	}
	assert_true(k->msg(k->ctx, conv, &m));
}

static int64_t conv_num(struct spool *s, const char *id)
{
	struct arena a;
	struct spool_conv c;
	arena_init(&a);
	assert_true(spool_conv(s, id, &a, &c));
	arena_release(&a);
	return c.num;
}

/* Ids of a walk, one after the other. */
static void assert_walk(struct spool *s, const char *conv, enum spool_which which, const char *root, const char *want)
{
	char got[1024] = "";
	struct spool_meta m;
	struct spool_walk *w = spool_walk(s, conv_num(s, conv), which, root, 0, NULL);
	while (spool_walk_next(w, &m)) {
		size_t n = strlen(got);
		snprintf(got + n, sizeof(got) - n, "%s%.4s%s%.4s", n ? " " : "", m.id, m.root ? "<" : "", m.root ? m.root : "");
	}
	spool_walk_end(w);
	assert_string_equal(got, want);
}

static void sorts_and_merges(void **state)
{
	(void)state;
	struct arena a;
	struct sink k;
	struct spool_counts c;
	arena_init(&a);
	struct spool *s = begin(&k);
	struct user u = { .id = "U1", .name = "Иван", .name_source = NAME_PROFILE };
	struct user better = { .id = "U1", .alias = "B1", .name = "Иван Петров", .email = "i@x.ru", .name_source = NAME_LISTED };
	assert_true(k.user(k.ctx, &u) && k.user(k.ctx, &better) && k.user(k.ctx, &u));
	struct conv cv = { .id = "C1", .name = "general", .kind = CONV_PUBLIC };
	assert_true(k.conv(k.ctx, &cv));
	static const int order[] = { 5, 1, 9, 3, 1, 7, 5 };
	for (size_t i = 0; i < countof(order); i++)
		push(&k, &a, "C1", i % 2 ? "U1" : "U1", order[i], -1, "text");
	push(&k, &a, "C1", "B1", 4, -1, "by alias");
	push(&k, &a, "C1", "U9", 6, -1, "by a stranger");
	push(&k, &a, "C9", NULL, 6, -1, "in an unlisted place");
	struct err bad = ERR_INIT;
	err_set(&bad, ERR_RECORD, "broken");
	err_where(&bad, "day.json:3");
	assert_true(k.bad(k.ctx, &bad));
	assert_true(k.hazard(k.ctx, HAZARD_NOTE, "odd", "here", "what") && k.hazard(k.ctx, HAZARD_WARN, "odd", "there", "what"));
	s = reopen(s);
	spool_count(s, &c);
	assert_int_equal(c.read, 10);
	assert_int_equal(c.stored, 8);
	assert_int_equal(c.merged, 2);
	assert_int_equal(c.conflicts, 0);
	assert_int_equal(c.bad, 1);
	assert_int_equal(c.users, 2);
	assert_int_equal(c.convs, 2);
	assert_int_equal(c.first_us, 1001000000);
	assert_int_equal(c.last_us, 1009000000);
	assert_walk(s, "C1", SPOOL_ALL, NULL, "1001 1003 1004 1005 1006 1007 1009");
	struct user got;
	assert_true(spool_user(s, "B1", &a, &got));
	assert_string_equal(got.id, "U1");
	assert_string_equal(got.name, "Иван Петров");
	assert_true(spool_user(s, "U9", &a, &got));
	assert_int_equal(got.name_source, NAME_PLACEHOLDER);
	assert_true(got.flags & USER_STRANGER);
	struct spool_conv sc;
	assert_true(spool_conv(s, "C9", &a, &sc));
	assert_int_equal(sc.conv.kind, CONV_PRIVATE);
	/* an author by alias is the person */
	struct msg m;
	struct spool_meta meta;
	struct err e = ERR_INIT;
	assert_true(spool_msg(s, conv_num(s, "C1"), 1004000000, "1004.000000", &a, &m, &meta, &e));
	assert_string_equal(m.author, "U1");
	assert_string_equal(meta.author, "U1");
	assert_false(spool_msg(s, conv_num(s, "C1"), 1004000000, "1004.000001", &a, &m, &meta, &e));
	assert_true(spool_matches(s, digests, 1));
	assert_false(spool_matches(s, digests, 2));
	assert_string_equal(spool_source_id(s, &a), "slack:T1");
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	end(s);
	arena_release(&a);
}

/* What is kept of two copies does not depend on which was read first. */
static void newest_edit_wins(void **state)
{
	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		struct arena a;
		struct sink k;
		struct err e = ERR_INIT;
		struct spool_counts c;
		arena_init(&a);
		struct spool *s = begin(&k);
		static const struct file f = { .name = "f.txt", .entry = "files/f.txt", .state = FILE_PRESENT, .kind = FILE_PLAIN, .size = 3 };
		struct msg old = { .id = "1001.000000", .author = "U1", .ts_us = 1001000000, .kind = MSG_TEXT, .body = text_from_plain(&a, "old"), .files = &f, .n_files = 1 };
		struct msg new = old;
		new.body = text_from_plain(&a, "new");
		new.author = "U2";
		new.edited_us = 1002000000;
		new.n_files = 0;
		assert_true(k.msg(k.ctx, "C1", turn ? &new : &old));
		assert_true(spool_archive_begin(s, "b.zip", "slack", "T1", digests[1], &e));
		assert_true(k.msg(k.ctx, "C1", turn ? &old : &new));
		s = reopen(s);
		spool_count(s, &c);
		assert_int_equal(c.merged, 1);
		assert_int_equal(c.conflicts, 1);
		assert_int_equal(c.files, 0);
		struct msg m;
		assert_true(spool_msg(s, 1, 1001000000, "1001.000000", &a, &m, NULL, &e));
		struct buf b;
		buf_init(&b, 1000);
		text_plaintext(&m.body, &b);
		assert_string_equal(b.p, "new");
		buf_release(&b);
		assert_true(spool_matches(s, digests, 2));
		assert_string_equal(spool_source_id(s, &a), "slack:T1");
		end(s);
		arena_release(&a);
	}
}

static void file_knows_its_archive(void **state)
{
	(void)state;
	struct arena a;
	struct sink k;
	struct err e = ERR_INIT;
	arena_init(&a);
	struct spool *s = begin(&k);
	assert_true(spool_archive_begin(s, "b.zip", "slack", "T1", digests[1], &e));
	static const struct file f = { .name = "f.txt", .entry = "files/f.txt", .state = FILE_PRESENT, .kind = FILE_PLAIN, .size = 3 };
	struct msg m = { .id = "1001.000000", .ts_us = 1001000000, .kind = MSG_TEXT, .files = &f, .n_files = 1 };
	assert_true(k.msg(k.ctx, "C1", &m));
	s = reopen(s);
	assert_true(spool_msg(s, 1, 1001000000, "1001.000000", &a, &m, NULL, &e));
	assert_int_equal(m.n_files, 1);
	assert_int_equal(m.files[0].archive, 1);
	struct spool_counts c;
	spool_count(s, &c);
	assert_int_equal(c.files_present, 1);
	end(s);
	arena_release(&a);
}

static void threads_are_whole(void **state)
{
	(void)state;
	struct arena a;
	struct sink k;
	struct spool_counts c;
	arena_init(&a);
	struct spool *s = begin(&k);
	push(&k, &a, "C1", "U1", 7, 5, "reply to a reply to a reply");
	push(&k, &a, "C1", "U1", 5, 3, "reply to a reply");
	push(&k, &a, "C1", "U1", 3, 1, "reply");
	push(&k, &a, "C1", "U1", 1, -1, "root");
	push(&k, &a, "C1", "U1", 9, 2, "orphan"); /* 2 is nowhere */
	push(&k, &a, "C1", "U1", 8, 2, "orphan");
	push(&k, &a, "C1", "U1", 20, 21, "a circle");
	push(&k, &a, "C1", "U1", 21, 20, "a circle");
	s = reopen(s);
	spool_count(s, &c);
	assert_walk(s, "C1", SPOOL_ALL, NULL, "1001 1002 1003<1001 1005<1001 1007<1001 1008<1002 1009<1002 1020 1021<1020");
	assert_walk(s, "C1", SPOOL_CHANNEL, NULL, "1001 1002 1020");
	assert_walk(s, "C1", SPOOL_THREAD, "1001.000000", "1003<1001 1005<1001 1007<1001");
	assert_int_equal(c.threads, 3);
	assert_int_equal(c.replies, 6);
	assert_int_equal(c.lost_roots, 1);
	assert_int_equal(c.stored, 8);
	struct msg m;
	struct spool_meta meta;
	struct err e = ERR_INIT;
	assert_true(spool_msg(s, 1, 1002000000, "1002.000000", &a, &m, &meta, &e));
	assert_int_equal(m.kind, MSG_LOST_ROOT);
	assert_int_equal(meta.n_replies, 2);
	assert_true(spool_msg(s, 1, 1007000000, "1007.000000", &a, &m, &meta, &e));
	assert_string_equal(m.parent, "1001.000000");
	assert_int_equal(m.parent_ts_us, 1001000000);
	end(s);
	arena_release(&a);
}

/* Ids that do not tell their time, parents without one. */
/* A lane is read a message at a time, as the replay does; of so many lanes not every one keeps its place. Ids in the order they came. */
static int step_lane(struct spool *s, int64_t conv, enum spool_which which, const char *root, int64_t *ts, char id[32])
{
	struct spool_meta m;
	struct spool_walk *w = spool_walk(s, conv, which, root, *ts, *id ? id : NULL);
	bool found = spool_walk_next(w, &m);
	if (found) {
		assert_int_equal(m.conv, conv);
		*ts = m.ts_us;
		snprintf(id, 32, "%s", m.id);
	}
	spool_walk_pause(w);
	return found ? (int)(*ts / 1000000 - 1000) : -1;
}

static void paused_walks_go_on_where_they_were(void **state)
{
	(void)state;
	enum { CONVS = 300, MSGS = 12 };
	struct arena a;
	struct sink k;
	arena_init(&a);
	struct spool *s = begin(&k);
	for (int c = 0; c < CONVS; c++)
		for (int i = 0; i < MSGS; i++) /* every third is a reply to the first */
			push(&k, &a, arena_fmt(&a, "C%d", c), "U1", i, i && i % 3 == 0 ? 0 : -1, "x");
	s = reopen(s);
	static struct { int64_t num, ts[3]; char id[3][32]; } lanes[CONVS];
	for (int c = 0; c < CONVS; c++)
		lanes[c].num = conv_num(s, arena_fmt(&a, "C%d", c));
	static const int channel[] = { 0, 1, 2, 4, 5, 7, 8, 10, 11, -1, -1, -1 }, thread[] = { 3, 6, 9, -1, -1, -1, -1, -1, -1, -1, -1, -1 };
	for (int i = 0; i < MSGS; i++)
		for (int c = 0; c < CONVS; c++) {
			assert_int_equal(step_lane(s, lanes[c].num, SPOOL_ALL, NULL, &lanes[c].ts[0], lanes[c].id[0]), i);
			assert_int_equal(step_lane(s, lanes[c].num, SPOOL_CHANNEL, NULL, &lanes[c].ts[1], lanes[c].id[1]), channel[i]);
			assert_int_equal(step_lane(s, lanes[c].num, SPOOL_THREAD, "1000.000000", &lanes[c].ts[2], lanes[c].id[2]), thread[i]);
		}
	/* From another place than where the last one stands, and twice from the same. */
	for (int attempt = 0; attempt < 2; attempt++) {
		int64_t ts = 1004000000;
		char id[32] = "1004.000000";
		assert_int_equal(step_lane(s, lanes[7].num, SPOOL_ALL, NULL, &ts, id), 5);
	}
	int64_t ts = 1005000000;
	char id[32] = "1005.000000";
	assert_int_equal(step_lane(s, lanes[7].num, SPOOL_ALL, NULL, &ts, id), 6);
	ts = 0, id[0] = '\0';
	assert_int_equal(step_lane(s, lanes[7].num, SPOOL_ALL, NULL, &ts, id), 0);
	end(s);
	arena_release(&a);
}

static void untimed_ids(void **state)
{
	(void)state;
	struct arena a;
	struct sink k;
	arena_init(&a);
	struct spool *s = begin(&k);
	struct msg root = { .id = "m-root", .ts_us = 5000, .kind = MSG_TEXT, .body = text_from_plain(&a, "x") };
	struct msg reply = { .id = "m-reply", .parent = "m-root", .ts_us = 6000, .kind = MSG_TEXT, .body = text_from_plain(&a, "y") };
	struct msg orphan = { .id = "m-orphan", .parent = "m-lost", .ts_us = 7000, .kind = MSG_TEXT, .body = text_from_plain(&a, "z") };
	assert_true(k.msg(k.ctx, "C1", &reply) && k.msg(k.ctx, "C1", &orphan) && k.msg(k.ctx, "C1", &root));
	s = reopen(s);
	int64_t ts;
	assert_true(spool_find(s, 1, "m-root", &ts));
	assert_int_equal(ts, 5000);
	assert_true(spool_find(s, 1, "m-lost", &ts));
	assert_int_equal(ts, 6999);
	assert_false(spool_find(s, 1, "m-none", &ts));
	end(s);
	arena_release(&a);
}

/* Where nothing names a message by its id, no index is made; who asks nevertheless is answered, while a walk is open, too. */
static void loose_ids(void **state)
{
	(void)state;
	enum { N = 50 };
	struct arena a;
	struct sink k;
	arena_init(&a);
	for (int linked = 0; linked < 2; linked++) {
		struct spool *s = begin(&k);
		for (int i = 0; i < 2 * N; i++) {
			struct text_builder b;
			struct msg m = { .id = arena_fmt(&a, "m-%d", i % N), .ts_us = 5000 + i, .kind = MSG_TEXT };
			text_begin(&b, &a);
			text_plain(&b, 0, "see", 3);
			if (linked && i == 7)
				text_span(&b, SPAN_MSG, 0, "there", "C1/m-3", NULL);
			m.body = text_end(&b);
			assert_true(k.msg(k.ctx, i < N ? "C1" : "C2", &m));
		}
		s = reopen(s);
		struct spool_meta m;
		struct spool_walk *w = spool_walk(s, conv_num(s, "C2"), SPOOL_ALL, NULL, 0, NULL);
		int64_t ts;
		for (int i = 0; spool_walk_next(w, &m); i++) {
			assert_string_equal(m.id, arena_fmt(&a, "m-%d", i));
			assert_true(spool_find(s, conv_num(s, "C1"), m.id, &ts));
			assert_int_equal(ts, 5000 + i);
			assert_true(spool_find(s, conv_num(s, "C2"), m.id, &ts));
			assert_int_equal(ts, 5000 + N + i);
		}
		spool_walk_end(w);
		assert_false(spool_find(s, conv_num(s, "C1"), "m-x", &ts));
		assert_false(spool_find(s, 77, "m-1", &ts));
		end(s);
	}
	arena_release(&a);
}

static void unfinished_does_not_count(void **state)
{
	(void)state;
	struct sink k;
	struct arena a;
	struct err e = ERR_INIT;
	arena_init(&a);
	struct spool *s = begin(&k);
	push(&k, &a, "C1", "U1", 1, -1, "text");
	spool_close(s);
	assert_null(spool_open(path, SPOOL_READ, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	FILE *f = fopen(path, "wb");
	fputs("not a database", f);
	fclose(f);
	assert_null(spool_open(path, SPOOL_READ, &e));
	unlink(path);
	assert_null(spool_open(path, SPOOL_READ, &e));
	arena_release(&a);
}


static bool one_bad(void *ctx, const char *where, const char *msg, const char *archive)
{
	assert_string_equal(where, "e:1");
	assert_string_equal(msg, "m");
	assert_string_equal(archive, "a.zip");
	++*(int *)ctx;
	return true;
}

static bool one_hazard(void *ctx, const struct spool_hazard *h)
{
	assert_string_equal(h->name, "odd");
	assert_int_equal(h->n, 3);
	assert_int_equal(h->level, HAZARD_WARN);
	++*(int *)ctx;
	return true;
}

static bool one_fact(void *ctx, const char *archive, const char *key, const char *value)
{
	assert_string_equal(archive, "a.zip");
	assert_string_equal(key, "k");
	assert_string_equal(value, "v");
	++*(int *)ctx;
	return true;
}

static void lists_are_told(void **state)
{
	(void)state;
	struct sink k;
	struct spool *s = begin(&k);
	struct err bad = { .code = ERR_RECORD, .msg = "m", .where = "e:1" };
	int n = 0;
	assert_true(k.bad(k.ctx, &bad) && k.fact(k.ctx, "k", "v"));
	for (int i = 0; i < 3; i++)
		assert_true(k.hazard(k.ctx, i == 1 ? HAZARD_WARN : HAZARD_NOTE, "odd", "w", "x"));
	s = reopen(s);
	assert_true(spool_bads(s, one_bad, &n) && spool_hazards(s, one_hazard, &n) && spool_facts(s, one_fact, &n));
	assert_int_equal(n, 3);
	end(s);
}

/* Many batches: the same messages from two archives, edits in the second, with other records in between; nothing may get lost
 * or out of order on the way through the worker. */
static void many_batches(void **state)
{
	(void)state;
	enum { N = 6000 };
	struct arena a;
	struct sink k;
	struct err e = ERR_INIT;
	static char dots[600];
	memset(dots, '.', sizeof(dots) - 1);
	arena_init(&a);
	struct spool *s = begin(&k);
	for (int round = 0; round < 2; round++) {
		if (round)
			assert_true(spool_archive_begin(s, "b.zip", "slack", "T1", digests[1], &e));
		for (int i = 0; i < N; i++) {
			arena_reset(&a);
			if (i % 500 == 0) {
				struct user u = { .id = arena_fmt(&a, "U%d", i), .name = "x", .name_source = NAME_LISTED };
				struct conv c = { .id = arena_fmt(&a, "C%d", i / 1000), .name = "c", .kind = CONV_PUBLIC };
				assert_true(k.user(k.ctx, &u) && k.conv(k.ctx, &c) && k.hazard(k.ctx, HAZARD_NOTE, "odd", "w", "x"));
			}
			if (i % 1000 == 7)
				assert_true(k.bad(k.ctx, &(struct err){ .code = ERR_RECORD, .msg = "m", .where = "e:1" }));
			char *body = arena_fmt(&a, "%d %.*s", i, 100 + i % 400, dots);
			struct msg m = { .id = id_of(&a, i), .author = round && i % 3 == 0 ? "U7" : arena_fmt(&a, "U%d", i % 5), .ts_us = (int64_t)(1000 + i) * 1000000,
				.kind = MSG_TEXT, .body = text_from_plain(&a, body), .edited_us = round && i % 3 == 0 ? 1 : 0 };
			assert_true(k.msg(k.ctx, arena_fmt(&a, "C%d", i / 1000), &m));
		}
	}
	s = reopen(s);
	struct spool_counts c;
	spool_count(s, &c);
	assert_int_equal(c.read, 2 * N);
	assert_int_equal(c.stored, N);
	assert_int_equal(c.merged, N);
	assert_int_equal(c.conflicts, N / 3); /* another author */
	assert_int_equal(c.bad, 12);
	int64_t by_u7 = 0;
	for (int i = 0; i < N / 1000; i++) {
		struct spool_meta m;
		char conv[16];
		int n = 0;
		snprintf(conv, sizeof(conv), "C%d", i);
		struct spool_walk *w = spool_walk(s, conv_num(s, conv), SPOOL_ALL, NULL, 0, NULL);
		for (; spool_walk_next(w, &m); n++) {
			struct msg full;
			struct buf words;
			char want[32];
			arena_reset(&a);
			const int at = 1000 * i + n;
			assert_string_equal(m.id, id_of(&a, at));
			by_u7 += !strcmp(m.author, "U7");
			assert_true(spool_walk_body(w, &a, &full, &e));
			assert_int_equal(full.edited_us, at % 3 == 0);
			buf_init(&words, 4096);
			text_plaintext(&full.body, &words);
			snprintf(want, sizeof(want), "%d .", at);
			assert_memory_equal(words.p, want, strlen(want));
			assert_int_equal(words.len, strlen(want) - 1 + 100 + (size_t)(at % 400));
			buf_release(&words);
		}
		spool_walk_end(w);
		assert_int_equal(n, 1000);
	}
	assert_int_equal(by_u7, N / 3);
	end(s);
	arena_release(&a);
}

/* Messages in any order, some of them twice, of several conversations in turn, with and without what a column may hold: every row is
 * what its message was, whichever messages were stored together with it. */
static struct msg scattered(struct arena *a, int i)
{
	struct file *f = arena_new(a, struct file);
	*f = (struct file){ .name = "a.jpg", .state = FILE_PRESENT, .entry = "a.jpg", .size = i };
	struct react *r = arena_new(a, struct react);
	const char **who = arena_array(a, 1, const char *);
	who[0] = "U1";
	*r = (struct react){ .name = "ok", .emoji = "", .users = who, .n_users = 1, .count = 1 };
	return (struct msg){
		.id = id_of(a, i), .author = i % 4 ? arena_fmt(a, "U%d", i % 7) : NULL, .ts_us = (int64_t)(1000 + i) * 1000000, .kind = i % 5 ? MSG_TEXT : MSG_JOIN,
		.parent = i % 6 == 5 ? id_of(a, i - 5) : NULL, .parent_ts_us = i % 6 == 5 ? (int64_t)(1000 + i - 5) * 1000000 : 0, .flags = i % 3 ? 0 : MSGF_FORWARDED,
		.edited_us = i % 9 ? 0 : 5, .files = f, .n_files = i % 8 == 3, .reacts = r, .n_reacts = i % 10 == 4,
		.body = i % 11 ? text_from_plain(a, arena_fmt(a, "text %d", i)) : (struct text){ NULL, 0 },
	};
}

static void any_order(void **state)
{
	(void)state;
	enum { N = 3000, CONVS = 3 };
	struct arena a;
	struct sink k;
	struct err e = ERR_INIT;
	uint32_t seed = 1;
	arena_init(&a);
	struct spool *s = begin(&k);
	static int order[N];
	for (int i = 0; i < N; i++)
		order[i] = i;
	for (int i = 0; i < N; i++) { /* runs in order, of which some are moved */
		seed = seed * 1664525u + 1013904223u;
		int from = (int)((seed >> 8) % (N - 40)), to = (int)((seed >> 20) % (N - 40));
		if (i % 40 == 0)
			for (int j = 0; j < 20; j++) {
				int x = order[from + j];
				order[from + j] = order[to + j];
				order[to + j] = x;
			}
	}
	for (int i = 0; i < N; i++)
		for (int again = 0; again < 1 + (i % 13 == 0) + (i % 26 == 0); again++) {
			arena_reset(&a);
			struct msg m = scattered(&a, order[i]);
			assert_true(k.msg(k.ctx, arena_fmt(&a, "C%d", order[i] / 6 % CONVS), &m));
		}
	s = reopen(s);
	struct spool_counts c;
	spool_count(s, &c);
	assert_int_equal(c.stored, N);
	assert_int_equal(c.read, N + c.merged);
	assert_true(c.merged > N / 13);
	assert_int_equal(c.conflicts, 0);
	int64_t files = 0, reacts = 0;
	for (int i = 0; i < N; i++) {
		struct msg got;
		struct spool_meta m;
		arena_reset(&a);
		struct msg want = scattered(&a, i);
		assert_true(spool_msg(s, conv_num(s, arena_fmt(&a, "C%d", i / 6 % CONVS)), want.ts_us, want.id, &a, &got, &m, &e));
		assert_true(want.author ? got.author && !strcmp(got.author, want.author) && !strcmp(m.author, want.author) : !got.author && !m.author);
		assert_true(want.parent ? m.root && !strcmp(m.root, want.parent) && m.root_ts_us == want.parent_ts_us : !m.root);
		assert_int_equal(m.kind, want.kind);
		assert_int_equal(m.flags, want.flags);
		assert_int_equal(m.n_files, want.n_files);
		assert_int_equal(m.n_reacts, want.n_reacts);
		assert_int_equal(m.n_reactors, want.n_reacts);
		assert_int_equal(got.edited_us, want.edited_us);
		assert_true(m.fp == canon_msg_fp(&want));
		assert_true(m.empty == (!want.n_files && !want.body.n_blocks));
		files += (int64_t)want.n_files;
		reacts += (int64_t)want.n_reacts;
	}
	assert_int_equal(c.files, files);
	assert_int_equal(c.files_present, files);
	assert_int_equal(c.reactions, reacts);
	end(s);
	arena_release(&a);
}

/* A build that is given up while batches are on their way ends quietly and does not count. */
static void given_up(void **state)
{
	(void)state;
	struct arena a;
	struct sink k;
	struct err e = ERR_INIT;
	arena_init(&a);
	struct spool *s = begin(&k);
	char text[2000];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 1000; i++) {
		arena_reset(&a);
		push(&k, &a, "C1", "U1", i, -1, text);
	}
	spool_close(s);
	assert_null(spool_open(path, SPOOL_READ, &e));
	unlink(path);
	arena_release(&a);
}

/* A disk that is full: the failure comes back, at the latest from spool_finish, with the reason. */
static void full_disk(void **state)
{
	(void)state;
	struct arena a;
	struct sink k;
	struct err e = ERR_INIT;
	struct rlimit before, small = { 4 << 20, 0 };
	arena_init(&a);
	struct spool *s = begin(&k);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	static char text[20000];
	memset(text, 'x', sizeof(text) - 1);
	bool ok = true;
	int i = 0;
	for (; ok && i < 3000; i++) {
		arena_reset(&a);
		struct msg m = { .id = id_of(&a, i), .author = "U1", .ts_us = (int64_t)(1000 + i) * 1000000, .kind = MSG_TEXT, .body = text_from_plain(&a, text) };
		ok = k.msg(k.ctx, "C1", &m);
	}
	assert_false(ok); /* 60 MB do not fit into 4, nor into the page cache */
	assert_false(k.msg(k.ctx, "C1", &(struct msg){ .id = "1.000000", .ts_us = 1000000, .kind = MSG_TEXT }));
	assert_false(spool_finish(s, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_non_null(strstr(e.msg, "spool: cannot store a message"));
	spool_close(s);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, handler);
	unlink(path);
	arena_release(&a);
}

/* A synthetic read: what the sink costs. Prints; asserts only that all of it is there. MVCHAT_BENCH=N messages. */
static void bench(void **state)
{
	(void)state;
	const char *env = getenv("MVCHAT_BENCH");
	int n = env ? atoi(env) : 2000;
	struct arena a;
	struct sink k;
	arena_init(&a);
	struct spool *s = begin(&k);
	char text[700];
	memset(text, 'x', sizeof(text));
	text[650] = '\0';
	int64_t t0 = clock_mono_us();
	for (int i = 0; i < n; i++) {
		arena_reset(&a);
		char id[32], root[32], conv[16];
		int per = n / 200 ? n / 200 : 1;
		int64_t ts = (int64_t)1600000000 * 1000000 + (int64_t)i * 1000000 + 100;
		snprintf(id, sizeof(id), "%lld.%06d", (long long)(ts / 1000000), 100);
		snprintf(conv, sizeof(conv), "C%d", i / per);
		struct msg m = { .id = id, .author = i % 3 ? "U1" : "U2", .ts_us = ts, .kind = MSG_TEXT, .body = text_from_plain(&a, text) };
		if (i % 10 == 9 && i % per >= 9) {
			int64_t up = ts - (int64_t)(i % 10) * 1000000;
			snprintf(root, sizeof(root), "%lld.%06d", (long long)(up / 1000000), 100);
			m.parent = root;
			m.parent_ts_us = up;
		}
		assert_true(k.msg(k.ctx, conv, &m));
	}
	int64_t t1 = clock_mono_us();
	s = reopen(s);
	int64_t t2 = clock_mono_us();
	struct spool_counts c;
	spool_count(s, &c);
	assert_int_equal(c.stored, n);
	assert_int_equal(c.lost_roots, 0);
	if (env)
		print_message("# sink %.2f us/message, finish %.2f us/message, %lld threads\n", (double)(t1 - t0) / n, (double)(t2 - t1) / n, (long long)c.threads);
	end(s);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorts_and_merges), cmocka_unit_test(newest_edit_wins), cmocka_unit_test(file_knows_its_archive),
		cmocka_unit_test(threads_are_whole), cmocka_unit_test(paused_walks_go_on_where_they_were), cmocka_unit_test(untimed_ids), cmocka_unit_test(loose_ids), cmocka_unit_test(unfinished_does_not_count),
		cmocka_unit_test(lists_are_told), cmocka_unit_test(many_batches), cmocka_unit_test(any_order), cmocka_unit_test(given_up), cmocka_unit_test(full_disk), cmocka_unit_test(bench),
	};
	clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
