/* The plan: its buckets add up whatever the model, it says "nothing to do" exactly when the stream has nothing, and its counts
 * of what is to be done are those of the ops the stream then gives. */
#include "stream_fakes.h"

#include "core/clock.h"

#include <sqlite3.h>

static bool plan(struct world *w, const struct snapshot *snap, struct facts *f)
{
	struct err e = ERR_INIT;
	bool ok = plan_run(w->spool, &fake_map, &fake_ex, NULL, &fake_tr, w->ledger, snap, &w->a, f, &e);
	if (!ok)
		fail_msg("%s", e.msg);
	if (!f->adds_up)
		for (int i = 0; i < N_ITEM; i++)
			for (int b = 0; b < N_BUCKET; b++)
				print_message("# %s %s %lld of %lld\n", item_name((enum item)i), bucket_name((enum bucket)b), (long long)f->bucket[i][b], (long long)f->read[i]);
	if (!f->adds_up)
		fail_msg("%s do not add up", f->mismatch);
	return ok;
}

static size_t count_lines(const char *log, const char *word)
{
	size_t n = 0;
	for (const char *p = log; *p; p = *p ? p + 1 : p) {
		n += !strncmp(p, word, strlen(word));
		p += strcspn(p, "\n");
	}
	return n;
}

static uint32_t seed;
static int rnd(int n)
{
	seed = seed * 1664525u + 1013904223u;
	return (int)((seed >> 8) % (uint32_t)n);
}

/* A company of chance: a few people with and without accounts, chats, threads, orphans, files, reactions, pins, rules. */
static void random_model(struct world *w, uint32_t s)
{
	static const char *const emails[] = { NULL, "21", "22", "new1@x", "new2@x", NULL, "23" };
	static const struct file files[] = {
		{ .name = "a.txt", .entry = "f/a", .state = FILE_PRESENT, .kind = FILE_PLAIN, .size = 1 },
		{ .name = "b.txt", .url = "https://x/b", .state = FILE_EXTERNAL, .kind = FILE_PLAIN, .size = -1 },
		{ .name = "c.txt", .state = FILE_GONE, .kind = FILE_PLAIN, .size = -1 },
	};
	static const char *const fans[] = { "U0", "U3", "U9" };
	static const struct react reacts[] = { { "+1", "👍", fans, 3, 3 }, { "ok", "👌", NULL, 0, 1 }, { "own", "", NULL, 0, 1 } };
	seed = s;
	fake_map.cfg.reactions = (enum reaction_policy)rnd(3);
	fake_map.cfg.orphans = (enum orphan_policy)rnd(2);
	fake_map.cfg.pins = rnd(2);
	fake_map.skip_author = rnd(2) ? "U2" : NULL;
	fake_map.skip_conv = rnd(3) ? NULL : "C1";
	fake_tr.text_max = 30 + rnd(60);
	for (int i = 0; i < 7; i++)
		add_user(w, arena_fmt(&w->a, "U%d", i), "Some One", emails[i], i == 6 ? USER_GONE : 0);
	for (int c = 0; c < 3; c++) {
		const char *conv = arena_fmt(&w->a, "C%d", c);
		static const struct pin pins[] = { { "1003.000000", NULL, 0 }, { "1003.000000", NULL, 0 }, { "1004.000000", NULL, 0 }, { "1.0", NULL, 0 } };
		static const char *const in[] = { "U1", "U3", "U6", "U0", "U9" };
		struct conv cv = { .id = conv, .name = conv, .kind = CONV_PUBLIC, .archived = c == 2, .members = in, .n_members = 5, .pins = pins, .n_pins = 4 };
		assert_true(w->sink.conv(w->sink.ctx, &cv));
		for (int n = rnd(30); n > 0; n--) {
			int at = 1001 + rnd(40), root = rnd(2) ? 1001 + rnd(40) : 0;
			struct msg m = make_msg(w, at, arena_fmt(&w->a, "U%d", rnd(9)), root == at ? 0 : root,
			                        rnd(9) ? rnd(5) ? "a few words" : "so many words that they cannot possibly fit in one single part" : "");
			m.kind = rnd(8) ? MSG_TEXT : rnd(2) ? MSG_JOIN : MSG_DELETED;
			m.files = files;
			m.n_files = rnd(3) ? 0 : (size_t)rnd(4);
			m.reacts = reacts;
			m.n_reacts = rnd(3) ? 0 : (size_t)rnd(4);
			m.flags = rnd(5) ? 0 : MSGF_BROADCAST;
			assert_true(w->sink.msg(w->sink.ctx, conv, &m));
		}
		for (int n = rnd(6); n > 0; n--)
			add_link(w, conv, 1050 + rnd(20), rnd(3) ? 0 : 1001 + rnd(40), arena_fmt(&w->a, "C%d/%d.000000", rnd(4), 1001 + rnd(70)));
	}
	if (rnd(2)) {
		struct err bad = { .code = ERR_RECORD };
		assert_true(w->sink.bad(w->sink.ctx, &bad));
	}
}

static void any_model_adds_up(void **state)
{
	(void)state;
	size_t relinked = 0;
	for (uint32_t s = 1; s <= 150; s++) {
		struct world w;
		struct facts before, mid, after, late;
		world_begin(&w);
		random_model(&w, s);
		world_ready(&w);
		plan(&w, NULL, &before);
		const char *some = drive_with(&w, 1 + rnd(12), NULL);
		plan(&w, NULL, &mid);
		bool died = *some != '\0';
		assert_int_equal(mid.nothing_to_do, !died);
		const char *log = drive_with(&w, 0, NULL);
		plan(&w, NULL, &after);
	if (!after.nothing_to_do)
			fail_msg("model %u: something is left: %lld posts, %lld others, %lld edits\n%s", s, (long long)after.calls[REQ_POST], (long long)after.calls[REQ_OTHER], (long long)after.edits, log);
		assert_int_equal(after.calls_total, 0);
		for (int i = 0; i < N_ITEM; i++)
			assert_int_equal(after.bucket[i][BUCKET_PENDING] + after.bucket[i][BUCKET_DOUBT], 0);
		assert_string_equal(drive_with(&w, 0, NULL), "");
		/* the first plan foresaw the posts and uploads: those of both runs less the one op that both show */
		size_t posts = count_lines(some, "post") + count_lines(log, "post"), edits = count_lines(some, "edit") + count_lines(log, "edit"), twice = !strncmp(some + strlen(some) - (strlen(some) > 0), "\n", 1);
		assert_true(posts + (size_t)before.links >= (size_t)before.calls[REQ_POST]); /* of one part each */
		assert_true(posts <= (size_t)before.calls[REQ_POST] - (size_t)before.links + twice);
		assert_true(edits <= (size_t)before.links + twice);
		assert_int_equal(after.links, 0);
		relinked += edits;
		plan(&w, NULL, &late);
		assert_memory_equal(late.digest, after.digest, DIGEST_BYTES);
		assert_memory_not_equal(late.digest, before.digest, DIGEST_BYTES);
		world_end(&w);
	}
	if (relinked < 50)
		fail_msg("%zu", relinked);
}

/* Refusals: still everything is somewhere, and a second run does not try again. */
static void refusals_add_up(void **state)
{
	(void)state;
	for (uint32_t s = 1; s <= 40; s++) {
		struct world w;
		struct facts f;
		world_begin(&w);
		random_model(&w, s);
		world_ready(&w);
		drive_with(&w, 0, s % 2 ? "few" : "many");
		plan(&w, NULL, &f);
		assert_string_equal(drive_with(&w, 0, NULL), "");
		if (!f.nothing_to_do)
			fail_msg("model %u: %lld calls left", s, (long long)f.calls_total);
		world_end(&w);
	}
}

static void tells_edits_and_drift(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	world_begin(&w);
	add_msg(&w, "C1", 1001, "U1", 0, "one");
	add_msg(&w, "C1", 1002, "U1", 0, "two");
	world_ready(&w);
	drive_with(&w, 0, NULL);
	fake_map.digest = 9;
	fake_map.cfg.label_format = "{name}";
	uint8_t digest[DIGEST_BYTES];
	mapping_digest(&fake_map, digest);
	ledger_current_mapping(w.ledger, digest);
	plan(&w, NULL, &f);
	assert_int_equal(f.drift, 2);
	assert_int_equal(f.edits, 0);
	assert_true(f.nothing_to_do);
	fake_map.cfg.label_format = "{name} {date} {time}";
	world_spool(&w);
	add_msg(&w, "C1", 1001, "U1", 0, "one, changed");
	add_msg(&w, "C1", 1002, "U1", 0, "two");
	world_ready(&w);
	plan(&w, NULL, &f);
	assert_int_equal(f.drift, 0);
	assert_int_equal(f.edits, 1);
	assert_int_equal(f.calls[REQ_POST], 1);
	assert_false(f.nothing_to_do);
	assert_int_equal(f.bucket[ITEM_MSG][BUCKET_SENT], 2);
	const char *log = drive_with(&w, 0, NULL);
	assert_string_equal(log, "edit 102 one, changed\n");
	world_end(&w);
}

static void sees_the_target_and_privacy(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	world_begin(&w);
	struct target_person people[] = { { .id = "11", .name = "Ann", .email = "NEW@x.ru" } };
	struct target_chat chats[] = { { .id = "5", .name = "board", .is_public = true } };
	struct snapshot snap = { people, 1, chats, 1 };
	add_user(&w, "U1", "Ann", "12", 0);
	add_user(&w, "U2", "New One", "new@x.ru", 0);
	struct conv c = { .id = "C1", .name = "board", .kind = CONV_PRIVATE };
	assert_true(w.sink.conv(w.sink.ctx, &c));
	fake_map.private_as_public = "C1";
	world_ready(&w);
	plan(&w, &snap, &f);
	assert_int_equal(f.n_unresolved, 2); /* account 12 is not there; new@x.ru is */
	assert_non_null(strstr(f.unresolved[0], "12"));
	assert_non_null(strstr(f.unresolved[1], "new@x.ru"));
	assert_int_equal(f.n_privacy, 1);
	assert_non_null(strstr(f.privacy[0], "becomes public"));
	assert_int_equal(f.chats[0].action, CHAT_CREATE);
	assert_non_null(strstr(f.chats[0].why, "id 5"));
	world_end(&w);
}

/* The bound: a channel's own posts, or the posts before a root and then its thread. */
static void bound_follows_the_lanes(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	world_begin(&w);
	fake_tr.rate[REQ_POST] = (struct rate){ .per_scope = true, .per_s = 4, .burst = 1, .peak_per_s = 30 };
	fake_tr.rate[REQ_OTHER] = (struct rate){ .per_s = 50, .burst = 50, .peak_per_s = 50 };
	for (int i = 0; i < 100; i++)
		add_msg(&w, "C1", 1001 + i, "U1", 0, "x");
	for (int i = 0; i < 200; i++)
		add_msg(&w, "C1", 2000 + i, "U1", 1050, "y");
	world_ready(&w);
	plan(&w, NULL, &f);
	double want = pacer_bound_s(&fake_tr, REQ_POST, 50) + pacer_bound_s(&fake_tr, REQ_POST, 200);
	assert_int_equal((int)(f.chats[0].bound_s * 1000), (int)(want * 1000));
	assert_true(f.bound_s >= f.chats[0].bound_s);
	memset(fake_tr.rate, 0, sizeof(fake_tr.rate));
	world_end(&w);
}

/* Before anything was ever written there is no ledger; planning makes none. */
static void works_without_a_ledger(void **state)
{
	(void)state;
	struct world w;
	struct facts f;
	struct err e = ERR_INIT;
	world_begin(&w);
	char dir[80];
	snprintf(dir, sizeof(dir), "%s/none", w.dir);
	add_msg(&w, "C1", 1001, "U1", 0, "x");
	add_msg(&w, "C1", 1002, "U1", 1001, "y");
	world_ready(&w);
	ledger_close(w.ledger);
	w.ledger = ledger_open(dir, LEDGER_READ, &e);
	if (!w.ledger)
		fail_msg("%s", e.msg);
	plan(&w, NULL, &f);
	assert_int_equal(f.bucket[ITEM_MSG][BUCKET_PENDING], 2);
	assert_int_equal(f.calls[REQ_POST], 2);
	assert_int_equal(f.calls[REQ_OTHER], 2); /* chat, thread */
	assert_int_not_equal(access(dir, F_OK), 0);
	world_end(&w);
}

/* What a plan over a finished ledger, and a resume over it, cost. Prints with MVCHAT_BENCH=N. */
static void bench(void **state)
{
	(void)state;
	const char *env = getenv("MVCHAT_BENCH");
	int n = env ? atoi(env) : 1000;
	struct world w;
	struct facts f;
	struct err e = ERR_INIT;
	world_begin(&w);
	fake_tr.text_max = 40000;
	struct arena step;
	arena_init(&step);
	char words[600];
	memset(words, 'w', sizeof(words));
	words[599] = '\0';
	for (int i = 0; i < n; i++) {
		arena_reset(&step);
		struct msg m = { .id = arena_fmt(&step, "%d.000000", 100000 + i), .author = "U1", .ts_us = (int64_t)(100000 + i) * 1000000, .kind = MSG_TEXT,
		                 .body = text_from_plain(&step, words) };
		if (i % 10 == 9) {
			m.parent = arena_fmt(&step, "%d.000000", 100000 + i - 9);
			m.parent_ts_us = (int64_t)(100000 + i - 9) * 1000000;
		}
		assert_true(w.sink.msg(w.sink.ctx, i % 2000 < 1000 ? "C1" : "C2", &m));
	}
	arena_release(&step);
	world_ready(&w);
	int64_t t0 = clock_mono_us();
	/* as the engine would have left it */
	struct spool_meta m;
	ledger_begin(w.ledger);
	for (int c = 1; c <= (n > 1000 ? 2 : 1); c++) {
		char conv[16], lane[24];
		snprintf(conv, sizeof(conv), "C%d", c);
		snprintf(lane, sizeof(lane), "c:C%d", c);
		int64_t num = ledger_conv(w.ledger, conv), ln = ledger_lane(w.ledger, lane);
		struct opkey ck = { num, 0, "", OP_CHAT_CREATE, 0 };
		ledger_intent(w.ledger, &ck, ln, 1, 1, 0, w.run, 1);
		ledger_done(w.ledger, &ck, conv, NULL);
		struct spool_walk *sw = spool_walk(w.spool, c, SPOOL_ALL, NULL, 0, NULL);
		while (spool_walk_next(sw, &m)) {
			char id[32];
			snprintf(id, sizeof(id), "%d", ++w.serial);
			struct opkey k = { num, m.ts_us, m.id, OP_POST, 0 };
			ledger_intent(w.ledger, &k, ln, m.fp, 1, 0, w.run, 1);
			ledger_done(w.ledger, &k, id, NULL);
			if (m.n_replies) {
				k.kind = OP_THREAD_OPEN;
				ledger_intent(w.ledger, &k, ln, m.fp, 0, 0, w.run, 1);
				ledger_done(w.ledger, &k, id, id);
			}
		}
		spool_walk_end(sw);
	}
	assert_true(ledger_commit(w.ledger, &e));
	int64_t t1 = clock_mono_us();
	plan(&w, NULL, &f);
	int64_t t2 = clock_mono_us();
	assert_true(f.nothing_to_do);
	assert_int_equal(f.bucket[ITEM_MSG][BUCKET_SENT], n);
	int64_t t3 = clock_mono_us();
	assert_string_equal(drive_with(&w, 0, NULL), "");
	int64_t t4 = clock_mono_us();
	if (env)
		print_message("# ledger %.2f, plan with nothing to do %.2f, resume with nothing to do %.2f us/message\n", (double)(t1 - t0) / n, (double)(t2 - t1) / n,
		              (double)(t4 - t3) / n);
	world_end(&w);
}

/* The check itself: one more or one less read than is accounted for, of anything, is told. */
static void a_wrong_sum_is_told(void **state)
{
	(void)state;
	static const struct { const char *key; enum item item; } counts[] = {
		{ "users", ITEM_USER }, { "convs", ITEM_CONV }, { "read", ITEM_MSG }, { "threads", ITEM_THREAD }, { "files", ITEM_FILE },
		{ "reactions", ITEM_REACTION }, { "pins", ITEM_PIN },
	};
	for (size_t i = 0; i < 2 * countof(counts); i++) {
		struct world w;
		struct facts f;
		struct err e = ERR_INIT;
		sqlite3 *db;
		world_begin(&w);
		random_model(&w, 5);
		world_ready(&w);
		plan(&w, NULL, &f);
		assert_true(f.adds_up);
		spool_close(w.spool);
		assert_int_equal(sqlite3_open(w.spool_path, &db), SQLITE_OK);
		const char *sql = arena_fmt(&w.a, "UPDATE info SET value = value %s 1 WHERE key = '%s'", i % 2 ? "+" : "-", counts[i / 2].key);
		assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_changes(db), 1);
		sqlite3_close(db);
		w.spool = spool_open(w.spool_path, SPOOL_READ, &e);
		assert_non_null(w.spool);
		assert_true(plan_run(w.spool, &fake_map, &fake_ex, NULL, &fake_tr, w.ledger, NULL, &w.a, &f, &e));
		assert_false(f.adds_up);
		assert_string_equal(f.mismatch, item_name(counts[i / 2].item));
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_model_adds_up), cmocka_unit_test(refusals_add_up), cmocka_unit_test(tells_edits_and_drift),
		cmocka_unit_test(sees_the_target_and_privacy), cmocka_unit_test(bound_follows_the_lanes),
		cmocka_unit_test(works_without_a_ledger), cmocka_unit_test(bench),
		cmocka_unit_test(a_wrong_sum_is_told),
	};
	clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
