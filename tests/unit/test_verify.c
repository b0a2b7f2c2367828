/* verify against a ledger on disk and a target made of arrays. */
#define _DEFAULT_SOURCE
#include "replay/verify.h"

#include "core/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <unistd.h>

#include <cmocka.h>

#define US "7"

/* ---- the target ---- */

struct thing { const char *chat, *id, *author, *body; bool is_public, archived; const char *const *ids; size_t n_ids; const char *const *tags; size_t n_tags; };
enum { THINGS = 64 };
static struct thing messages[THINGS], chats[THINGS], users[THINGS], members[THINGS], admins[THINGS], editors[THINGS];
static size_t n_messages, n_chats, n_users, n_members, n_admins, n_editors;
static const char *denied_chat, *broken_chat;
static int64_t generated; /* LIST_MESSAGES of chat "big": so many, ids 1… */

/* Stands in for replay/session.c: rows come in the order of the arrays. */
bool session_list(struct session *s, enum list_kind kind, const char *scope, enum list_order order,
                  bool (*each)(void *ctx, const struct seen *row), void *ctx, struct err *e)
{
	assert_int_equal(order, OLDEST_FIRST);
	s->list_requests++;
	s->last_status = 200;
	if (kind == LIST_MESSAGES && denied_chat && streq(scope, denied_chat)) {
		s->last_status = 404;
		return err_set(e, ERR_TARGET, "not found");
	}
	if (kind == LIST_MESSAGES && broken_chat && streq(scope, broken_chat)) {
		s->last_status = 0;
		return err_set(e, ERR_TARGET, "no network");
	}
	if (kind == LIST_MESSAGES && streq(scope, "big")) {
		for (int64_t i = 1; i <= generated; i++) {
			char id[32];
			snprintf(id, sizeof(id), "%lld", (long long)i);
			struct seen r = { .id = id, .author = US, .name = "", .body = "x" };
			if (!each(ctx, &r))
				return true;
		}
		return true;
	}
	const struct thing *t = kind == LIST_MESSAGES ? messages : kind == LIST_CHATS ? chats : kind == LIST_USERS ? users : kind == LIST_ADMINS ? admins : kind == LIST_EDITORS ? editors : members;
	size_t n = kind == LIST_MESSAGES ? n_messages : kind == LIST_CHATS ? n_chats : kind == LIST_USERS ? n_users : kind == LIST_ADMINS ? n_admins : kind == LIST_EDITORS ? n_editors : n_members;
	for (size_t i = 0; i < n; i++) {
		if (kind != LIST_CHATS && kind != LIST_USERS && !streq(t[i].chat, scope))
			continue;
		struct seen r = { .id = t[i].id, .author = t[i].author ? t[i].author : US, .name = "", .body = t[i].body ? t[i].body : "",
			          .is_public = t[i].is_public, .archived = t[i].archived, .ids = t[i].ids, .n_ids = t[i].n_ids,
			          .tags = t[i].tags, .n_tags = t[i].n_tags };
		if (!each(ctx, &r))
			return true;
	}
	return true;
}

static int id_cmp(const char *a, const char *b)
{
	long x = strtol(a, NULL, 10), y = strtol(b, NULL, 10);
	return (x > y) - (x < y);
}

static enum match match(const struct target *t, const struct op *op, const struct seen *s, struct arena *a)
{
	(void)t;
	(void)a;
	assert_int_equal(op->key.kind, OP_POST);
	return streq(s->author, US) ? MATCH_OTHER : MATCH_FOREIGN;
}

static uint64_t fingerprint_seen(const struct seen *s)
{
	return hash64s(s->body);
}

static const char *message_url(const struct target *t, const char *chat, const char *msg, struct arena *a)
{
	(void)t;
	return arena_fmt(a, "https://x/%s/%s", chat, msg);
}

static const struct exporter fake = { .name = "fake", .id_cmp = id_cmp, .match = match, .fingerprint_seen = fingerprint_seen, .message_url = message_url };

/* ---- the ledger ---- */

static char dir[64];
static struct ledger *ledger;
static int64_t run;

static int setup(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	uint8_t digest[DIGEST_BYTES] = { 1 };
	snprintf(dir, sizeof(dir), "/tmp/mvchat-verify-XXXXXX");
	assert_non_null(mkdtemp(dir));
	ledger = ledger_open(dir, LEDGER_WRITE, &e);
	if (!ledger)
		fail_msg("%s", e.msg);
	run = ledger_run_begin(ledger, "test", digest, NULL);
	n_messages = n_chats = n_users = n_members = n_admins = n_editors = 0;
	denied_chat = broken_chat = NULL;
	generated = 0;
	ledger_begin(ledger);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ledger_close(ledger);
	DIR *d = opendir(dir);
	for (struct dirent *f; d && (f = readdir(d));) {
		char path[400];
		snprintf(path, sizeof(path), "%s/%s", dir, f->d_name);
		if (f->d_name[0] != '.')
			unlink(path);
	}
	closedir(d);
	return rmdir(dir);
}

static struct opkey key_of(const char *conv, int64_t ts, const char *id, enum op_kind kind)
{
	return (struct opkey){ .conv = ledger_conv(ledger, conv), .ts_us = ts, .id = id, .kind = kind };
}

static void begin_op(const char *lane, const struct opkey *k, const char *text)
{
	ledger_intent(ledger, k, ledger_lane(ledger, lane), 1, hash64s(text), 0, run, 1);
}

static void did(const char *lane, struct opkey k, const char *text, const char *target, const char *target2)
{
	begin_op(lane, &k, text);
	ledger_done(ledger, &k, target, target2);
}

static void post(const char *id, const char *target, const char *text)
{
	did("c:C1", key_of("C1", strtol(id, NULL, 10), id, OP_POST), text, target, NULL);
}

static void chat_made(void)
{
	did("c:C1", key_of("C1", 0, "", OP_CHAT_CREATE), "", "500", NULL);
	chats[n_chats++] = (struct thing){ .id = "500" };
}

static void there(const char *id, const char *author, const char *body)
{
	messages[n_messages++] = (struct thing){ .chat = "500", .id = id, .author = author, .body = body };
}

/* ---- running it ---- */

static char told[2000]; /* "missing c:C1 m2 12;" per finding */
static int ticks;
static const char *adopted;
static int wanted_public;

static void finding(void *ctx, enum finding f, const char *lane, const struct opkey *k, const char *target, const char *url, const char *what)
{
	static const char *const WORD[] = { "match", "missing", "altered", "foreign", "misplaced", "twice" };
	size_t n = strlen(told);
	assert_string_equal(ctx, "ctx");
	assert_non_null(what);
	assert_int_equal(url != NULL, k != NULL && target != NULL && !strstr(what, "not known"));
	snprintf(told + n, sizeof(told) - n, "%s %s %s %s;", WORD[f], lane, k ? k->id : "-", target ? target : "-");
}

static void progress(void *ctx, int64_t done, int64_t total)
{
	assert_string_equal(ctx, "ctx");
	assert_true(done >= 1 && done <= total);
	ticks++;
}

static const char *chat_of(void *ctx, const char *conv)
{
	assert_string_equal(ctx, "ctx");
	return streq(conv, "C1") ? adopted : NULL;
}

static int public_of(void *ctx, const char *conv)
{
	assert_string_equal(ctx, "ctx");
	assert_string_equal(conv, "C1");
	return wanted_public;
}

static const char *const WANTED_MEMBERS[] = { "11", "12", "13" };
static const char *const *members_of(void *ctx, const char *conv, size_t *n)
{
	assert_string_equal(ctx, "ctx");
	assert_string_equal(conv, "C1");
	*n = countof(WANTED_MEMBERS);
	return WANTED_MEMBERS;
}

static struct session session;
static int stop_now;

static struct verify_result verify(bool expect_ok)
{
	static char ctx[] = "ctx";
	struct err e = ERR_INIT;
	struct verify_result r;
	if (!ledger_commit(ledger, &e))
		fail_msg("%s", e.msg);
	told[0] = '\0';
	ticks = 0;
	session = (struct session){ .ex = &fake };
	struct verify_args a = { .session = &session, .ledger = ledger, .finding = finding, .progress = progress, .chat_of = chat_of,
		                 .public_of = public_of, .members_of = members_of, .ctx = ctx, .stop = &stop_now };
	bool ok = verify_run(&a, &r, &e);
	assert_int_equal(ok, expect_ok);
	if (!ok) {
		assert_int_equal(e.code, ERR_TARGET);
		assert_false(r.clean);
	}
	ledger_begin(ledger);
	return r;
}

#define assert_counts(r, match_, missing_, altered_, foreign_, misplaced_, twice_) do { \
	const int64_t want_[] = { match_, missing_, altered_, foreign_, misplaced_, twice_ }; \
	for (int i_ = 0; i_ < N_FINDING; i_++) \
		if ((r).messages[i_] != want_[i_]) \
			fail_msg("finding %d: %lld instead of %lld (%s)", i_, (long long)(r).messages[i_], (long long)want_[i_], told); \
} while (0)

/* ---- messages ---- */

static void three(void)
{
	chat_made();
	post("1", "10", "one");
	post("2", "12", "two");
	post("3", "14", "three");
}

static void an_empty_ledger_is_clean(void **state)
{
	(void)state;
	struct verify_result r = verify(true);
	assert_true(r.clean);
	assert_int_equal(r.lists, 0);
}

static void all_there(void **state)
{
	(void)state;
	three();
	there("10", US, "one"), there("12", US, "two"), there("14", US, "three");
	struct verify_result r = verify(true);
	assert_counts(r, 3, 0, 0, 0, 0, 0);
	assert_true(r.clean && !r.stopped);
	assert_string_equal(told, "");
	assert_int_equal(r.lists, 2);
	assert_int_equal(r.chats_ok, 1);
	assert_int_equal(ticks, 1);
}

static void others_may_write_too(void **state)
{
	(void)state;
	three();
	there("1", "99", "hi"), there("10", US, "one"), there("11", "99", "one"), there("12", US, "two"), there("13", US, "from another tool"),
		there("14", US, "three"), there("15", "98", "bye");
	struct verify_result r = verify(true);
	assert_counts(r, 3, 0, 0, 4, 0, 0);
	assert_true(r.clean);
}

static void one_is_missing_at_each_place(void **state)
{
	(void)state;
	three();
	there("10", US, "one"), there("12", US, "two"), there("14", US, "three");
	for (size_t i = 0; i < 3; i++) {
		struct thing all[3], want[64];
		memcpy(all, messages, sizeof(all));
		memcpy(want, messages, sizeof(want));
		memmove(&messages[i], &messages[i + 1], (2 - i) * sizeof(all[0]));
		n_messages = 2;
		struct verify_result r = verify(true);
		assert_counts(r, 2, 1, 0, 0, 0, 0);
		assert_false(r.clean);
		static const char *const SAID[] = { "missing c:C1 1 10;", "missing c:C1 2 12;", "missing c:C1 3 14;" };
		assert_string_equal(told, SAID[i]);
		memcpy(messages, want, sizeof(want));
	}
	n_messages = 0;
	struct verify_result r = verify(true);
	assert_counts(r, 0, 3, 0, 0, 0, 0);
}

static void altered_text(void **state)
{
	(void)state;
	three();
	there("10", US, "one"), there("12", US, "two!"), there("14", US, "three");
	struct verify_result r = verify(true);
	assert_counts(r, 2, 0, 1, 0, 0, 0);
	assert_string_equal(told, "altered c:C1 2 12;");
	assert_false(r.clean);
}

static void a_duplicate_wherever_it_stands(void **state)
{
	(void)state;
	three();
	there("9", US, "three"), there("10", US, "one"), there("11", US, "one"), there("12", US, "two"), there("14", US, "three"), there("15", US, "two"),
		there("16", US, "two");
	struct verify_result r = verify(true);
	assert_counts(r, 3, 0, 0, 0, 0, 4);
	assert_false(r.clean);
	assert_string_equal(told, "twice c:C1 1 11;twice c:C1 2 15;twice c:C1 2 16;twice c:C1 3 9;");
}

static void what_an_open_op_may_have_done_is_no_duplicate(void **state)
{
	(void)state;
	three();
	struct opkey k = key_of("C1", 4, "4", OP_POST);
	begin_op("c:C1", &k, "three"); /* a twin of the third */
	ledger_unknown(ledger, &k, "timeout");
	there("10", US, "one"), there("12", US, "two"), there("14", US, "three"), there("15", US, "three");
	struct verify_result r = verify(true);
	assert_counts(r, 3, 0, 0, 1, 0, 0);
	there("16", US, "three"); /* but two are one too many */
	r = verify(true);
	assert_counts(r, 3, 0, 0, 1, 0, 1);
}

static void out_of_order(void **state)
{
	(void)state;
	chat_made();
	post("1", "10", "one");
	post("2", "13", "two");
	post("3", "11", "three");
	post("4", "14", "four");
	there("10", US, "one"), there("11", US, "three"), there("13", US, "two"), there("14", US, "four");
	struct verify_result r = verify(true);
	assert_counts(r, 3, 0, 0, 0, 1, 0);
	assert_string_equal(told, "misplaced c:C1 3 11;");
	assert_false(r.clean);
}

static void out_of_order_at_the_end(void **state)
{
	(void)state;
	chat_made();
	post("1", "13", "one");
	post("2", "10", "two");
	there("10", US, "two"), there("13", US, "one");
	struct verify_result r = verify(true);
	assert_counts(r, 1, 0, 0, 0, 1, 0);
}

static void in_another_chat_than_the_ledger_says(void **state)
{
	(void)state;
	three();
	did("c:C2", key_of("C2", 0, "", OP_CHAT_CREATE), "", "600", NULL);
	did("c:C2", key_of("C2", 1, "1", OP_POST), "elsewhere", "13", NULL);
	chats[n_chats++] = (struct thing){ .id = "600" };
	wanted_public = -1;
	there("10", US, "one"), there("12", US, "two"), there("13", US, "elsewhere"), there("14", US, "three");
	struct err e = ERR_INIT;
	struct verify_result r;
	assert_true(ledger_commit(ledger, &e));
	session = (struct session){ .ex = &fake };
	struct verify_args a = { .session = &session, .ledger = ledger }; /* nothing optional given */
	assert_true(verify_run(&a, &r, &e));
	ledger_begin(ledger);
	assert_counts(r, 3, 1, 0, 0, 1, 0);
}

static void a_page_that_comes_again_counts_once(void **state)
{
	(void)state;
	three();
	there("10", US, "one"), there("12", US, "two"), there("10", US, "one"), there("12", US, "two"), there("14", US, "three");
	struct verify_result r = verify(true);
	assert_counts(r, 3, 0, 0, 0, 0, 0);
}

static void edits_and_deletions(void **state)
{
	(void)state;
	three();
	did("c:C1", key_of("C1", 2, "2", OP_EDIT), "two, edited", "12", NULL);
	there("10", US, "one"), there("12", US, "two, edited"), there("14", US, "three");
	struct verify_result r = verify(true);
	assert_counts(r, 3, 0, 0, 0, 0, 0);
	messages[1].body = "two"; /* the edit did not hold */
	r = verify(true);
	assert_counts(r, 2, 0, 1, 0, 0, 0);
	/* an edit not settled: before and after are both fine */
	struct opkey k = key_of("C1", 1, "1", OP_EDIT);
	begin_op("c:C1", &k, "one, edited");
	ledger_unknown(ledger, &k, "timeout");
	messages[1].body = "two, edited";
	r = verify(true);
	assert_counts(r, 3, 0, 0, 0, 0, 0);
	messages[0].body = "one, edited";
	r = verify(true);
	assert_counts(r, 3, 0, 0, 0, 0, 0);
	messages[0].body = "one, otherwise";
	r = verify(true);
	assert_counts(r, 2, 0, 1, 0, 0, 0);
	messages[0].body = "one";
	ledger_reject(ledger, &k, "no");
	r = verify(true);
	assert_counts(r, 3, 0, 0, 0, 0, 0);
	/* a second edit, refused: the first one stands */
	struct opkey two = key_of("C1", 2, "2", OP_EDIT);
	begin_op("c:C1", &two, "two, edited again");
	ledger_reject(ledger, &two, "no");
	r = verify(true);
	assert_counts(r, 3, 0, 0, 0, 0, 0);
	messages[1].body = "two";
	r = verify(true);
	assert_counts(r, 2, 0, 1, 0, 0, 0);
	messages[1].body = "two, edited";
	/* deleted by us: it must not be there */
	did("c:C1", key_of("C1", 3, "3", OP_DELETE), "", "14", NULL);
	r = verify(true);
	assert_counts(r, 2, 0, 1, 0, 0, 0);
	n_messages = 2;
	r = verify(true);
	assert_counts(r, 2, 0, 0, 0, 0, 0);
	assert_true(r.clean);
	/* taken back by a rollback */
	k = key_of("C1", 1, "1", OP_POST);
	ledger_gone(ledger, &k);
	r = verify(true);
	assert_counts(r, 1, 0, 1, 0, 0, 0);
	messages[0] = messages[1];
	n_messages = 1;
	r = verify(true);
	assert_counts(r, 1, 0, 0, 0, 0, 0);
}

static void a_thread_is_read_from_its_own_chat(void **state)
{
	(void)state;
	chat_made();
	post("1", "10", "root");
	did("t:C1/1", key_of("C1", 1, "1", OP_THREAD_OPEN), "", "77", "501");
	did("t:C1/1", key_of("C1", 2, "2", OP_POST), "reply", "12", NULL);
	there("10", US, "root");
	messages[n_messages++] = (struct thing){ .chat = "501", .id = "12", .author = US, .body = "reply" };
	struct verify_result r = verify(true);
	assert_counts(r, 2, 0, 0, 0, 0, 0);
	assert_int_equal(ticks, 2);
	messages[1].chat = "502";
	r = verify(true);
	assert_counts(r, 1, 1, 0, 0, 0, 0);
	assert_string_equal(told, "missing t:C1/1 2 12;");
}

static void an_adopted_chat(void **state)
{
	(void)state;
	post("1", "10", "one");
	there("10", US, "one");
	chats[n_chats++] = (struct thing){ .id = "500", .is_public = true };
	wanted_public = 0;
	adopted = "500";
	struct verify_result r = verify(true);
	assert_counts(r, 1, 0, 0, 0, 0, 0);
	assert_true(r.clean); /* its privacy is not ours to judge */
	adopted = NULL;
	r = verify(true);
	assert_counts(r, 0, 1, 0, 0, 0, 0);
	assert_false(r.clean);
}

static void a_chat_closed_to_us_is_a_finding_and_no_network_is_an_error(void **state)
{
	(void)state;
	three();
	denied_chat = "500";
	n_chats = 0;
	struct verify_result r = verify(true);
	assert_counts(r, 0, 3, 0, 0, 0, 0);
	assert_int_equal(r.chats_missing, 1);
	denied_chat = NULL;
	broken_chat = "500";
	verify(false);
}

static void stopping_is_not_clean(void **state)
{
	(void)state;
	three();
	there("10", US, "one"), there("12", US, "two"), there("14", US, "three");
	stop_now = 1;
	struct verify_result r = verify(true);
	stop_now = 0;
	assert_true(r.stopped && !r.clean);
}

static void a_long_lane(void **state)
{
	(void)state;
	did("c:C1", key_of("C1", 0, "", OP_CHAT_CREATE), "", "big", NULL);
	chats[n_chats++] = (struct thing){ .id = "big" };
	generated = 20000;
	for (int i = 1; i <= generated; i++) {
		char id[32];
		snprintf(id, sizeof(id), "%d", i);
		if (i % 100 != 50)
			post(id, id, "x");
	}
	wanted_public = -1;
	struct verify_result r = verify(true);
	assert_counts(r, 19800, 0, 0, 0, 0, 200);
	/* more strangers than are collected at once */
	generated = 40000;
	r = verify(true);
	assert_counts(r, 19800, 0, 0, 0, 0, 20200);
}

/* ---- people and chats ---- */

static void people(void **state)
{
	(void)state;
	did("p:U1", key_of("", 0, "U1", OP_USER_CREATE), "", "31", NULL);
	did("p:U2", key_of("", 0, "U2", OP_USER_CREATE), "", "32", NULL);
	users[n_users++] = (struct thing){ .id = "30" };
	users[n_users++] = (struct thing){ .id = "31" };
	users[n_users++] = (struct thing){ .id = "31" };
	struct verify_result r = verify(true);
	assert_int_equal(r.users_ok, 1);
	assert_int_equal(r.users_missing, 1);
	assert_string_equal(told, "missing people - 32;");
	assert_false(r.clean);
	users[n_users++] = (struct thing){ .id = "32" };
	r = verify(true);
	assert_int_equal(r.users_ok, 2);
	assert_true(r.clean);
}

static void privacy_and_archive(void **state)
{
	(void)state;
	chat_made();
	did("c:C1", key_of("C1", 0, "", OP_ARCHIVE), "", "500", NULL);
	static const struct { bool is_public, archived; int wanted; int privacy, archive; } T[] = {
		{ false, true, 0, 0, 0 }, { true, true, 0, 1, 0 }, { true, true, 1, 0, 0 }, { false, true, 1, 1, 0 }, { true, true, -1, 0, 0 },
		{ false, false, 0, 0, 1 }, { true, false, 0, 1, 1 },
	};
	for (size_t i = 0; i < countof(T); i++) {
		chats[0].is_public = T[i].is_public;
		chats[0].archived = T[i].archived;
		wanted_public = T[i].wanted;
		struct verify_result r = verify(true);
		assert_int_equal(r.privacy_wrong, T[i].privacy);
		assert_int_equal(r.archived_wrong, T[i].archive);
		assert_int_equal(r.clean, !T[i].privacy && !T[i].archive);
		assert_int_equal(r.chats_ok, 1);
	}
}

static void chat_members(void **state)
{
	(void)state;
	static const char *const SOME[] = { "11", "13" }, *const ALL[] = { "10", "13", "12", "11" };
	chat_made();
	wanted_public = -1;
	struct verify_result r = verify(true);
	assert_int_equal(r.members_missing, 0); /* none were added yet */
	did("c:C1", key_of("C1", 0, "", OP_MEMBERS), "", "500", NULL);
	chats[0].ids = SOME;
	chats[0].n_ids = countof(SOME);
	r = verify(true);
	assert_int_equal(r.members_missing, 1);
	assert_string_equal(told, "missing C1 - 12;");
	assert_false(r.clean);
	chats[0].ids = ALL;
	chats[0].n_ids = countof(ALL);
	r = verify(true);
	assert_int_equal(r.members_missing, 0);
	assert_true(r.clean);
	/* a chat's row without its members: they are listed */
	chats[0].n_ids = 0;
	members[n_members++] = (struct thing){ .chat = "500", .id = "12" };
	members[n_members++] = (struct thing){ .chat = "501", .id = "11" };
	r = verify(true);
	assert_int_equal(r.members_missing, 2);
}

/* Roles and tags: what the ledger says was given and the chat does not have. */
static void chat_company(void **state)
{
	(void)state;
	static const char *const ALL[] = { "10", "13", "12", "11" }, *const TAGS[] = { "77", "86" };
	chat_made();
	wanted_public = -1;
	chats[0].ids = ALL;
	chats[0].n_ids = countof(ALL);
	did("c:C1", key_of("C1", 0, "admin:11", OP_MEMBERS), "", "500", NULL);
	did("c:C1", key_of("C1", 0, "admin:12", OP_MEMBERS), "", "500", NULL);
	did("c:C1", key_of("C1", 0, "editor:13", OP_MEMBERS), "", "500", NULL);
	did("c:C1", key_of("C1", 0, "tag:Sales", OP_MEMBERS), "", "500", "86");
	struct verify_result r = verify(true);
	assert_int_equal(r.members_missing, 4);
	assert_string_equal(told, "missing C1 - 11;missing C1 - 12;missing C1 - 13;missing C1 - 86;");
	assert_false(r.clean);
	admins[n_admins++] = (struct thing){ .chat = "500", .id = "11" };
	admins[n_admins++] = (struct thing){ .chat = "501", .id = "12" };
	editors[n_editors++] = (struct thing){ .chat = "500", .id = "12" }; /* another role than it was given */
	editors[n_editors++] = (struct thing){ .chat = "500", .id = "13" };
	chats[0].tags = TAGS;
	chats[0].n_tags = 1;
	r = verify(true);
	assert_string_equal(told, "missing C1 - 12;missing C1 - 86;");
	chats[0].n_tags = 2;
	chats[0].author = "12"; /* the owner needs no role */
	r = verify(true);
	assert_int_equal(r.members_missing, 0);
	assert_true(r.clean);
}

#define with_ledger(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	wanted_public = -1;
	const struct CMUnitTest tests[] = {
		with_ledger(an_empty_ledger_is_clean), with_ledger(all_there), with_ledger(others_may_write_too),
		with_ledger(one_is_missing_at_each_place), with_ledger(altered_text), with_ledger(a_duplicate_wherever_it_stands),
		with_ledger(what_an_open_op_may_have_done_is_no_duplicate), with_ledger(out_of_order), with_ledger(out_of_order_at_the_end),
		with_ledger(in_another_chat_than_the_ledger_says), with_ledger(a_page_that_comes_again_counts_once),
		with_ledger(edits_and_deletions), with_ledger(a_thread_is_read_from_its_own_chat), with_ledger(an_adopted_chat),
		with_ledger(a_chat_closed_to_us_is_a_finding_and_no_network_is_an_error), with_ledger(stopping_is_not_clean),
		with_ledger(a_long_lane), with_ledger(people), with_ledger(privacy_and_archive), with_ledger(chat_members), with_ledger(chat_company),
	};
	return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
