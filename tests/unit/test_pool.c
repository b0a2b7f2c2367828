/* The pool with the real pacer: whose token takes what, who rests and for how long, and what is evened out between them. */
#include "replay/pool.h"

#include "core/base.h"
#include "core/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SECOND = 1000000 };

static struct traits traits(void)
{
	struct traits t = { 0 };
	t.rate[REQ_POST] = (struct rate){ true, 4, 150, 30 };
	t.rate[REQ_OTHER] = (struct rate){ false, 50, 50, 50 };
	return t;
}

static struct http_req place(void)
{
	return (struct http_req){ .auth = AUTH_BOT, .rate = REQ_OTHER, .scope = "", .carrier = CARRY_SAME };
}

/* Nothing goes with a token that was shut, until its rest is over; each further rest is longer, up to a limit; an answer ends the row. */
static void test_shut_token_rests(void **state)
{
	(void)state;
	const struct traits t = traits();
	struct pool p;
	pool_open(&p, &t, 1.0, 1);
	struct http_req r = { .auth = AUTH_BOT, .rate = REQ_OTHER, .scope = "" }, blob = { .auth = AUTH_NONE, .rate = REQ_BLOB, .scope = "" };
	int64_t now = SECOND;
	static const int want_s[] = { 60, 120, 240, 480, 900, 900 };
	for (size_t i = 0; i < countof(want_s); i++) {
		assert_int_equal(pool_ask(&p, &r, 1, 0, now), 0);
		int64_t until = pool_rest(&p, &r, -1, now);
		assert_int_equal(until - now, (int64_t)want_s[i] * SECOND);
		assert_int_equal(pool_rest(&p, &r, -1, now + SECOND), until); /* another that was under way with it: the same lesson */
		assert_int_equal(pool_ask(&p, &r, 1, 0, now + SECOND), until);
		assert_int_equal(pool_ask(&p, &r, 1, 0, until - 1), until);
		assert_int_equal(pool_ask(&p, &blob, 1, 0, now + SECOND), 0); /* the storage asks for no token */
		now = until;
	}
	assert_int_equal(pool_ask(&p, &r, 1, 0, now), 0);
	pool_ok(&p, &r, now);
	assert_int_equal(pool_rest(&p, &r, -1, now) - now, 60 * (int64_t)SECOND);
	now += 61 * (int64_t)SECOND;
	pool_ok(&p, &r, now);
	assert_int_equal(pool_rest(&p, &r, 200, now) - now, 200 * (int64_t)SECOND); /* as long as it was told */
	pool_close(&p);
}

/* What a resting token would have carried goes with another, the file of a message too. */
static void test_others_carry_on(void **state)
{
	(void)state;
	const struct traits t = traits();
	struct pool p;
	pool_open(&p, &t, 1.0, 3);
	struct http_req any = { .auth = AUTH_BOT, .rate = REQ_OTHER, .scope = "", .carrier = CARRY_ANY, .bot = 1 }, same = place();
	pool_rest(&p, &any, -1, 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(pool_ask(&p, &any, 7, 0, i * (int64_t)SECOND), 0);
		assert_int_not_equal(any.bot, 1);
		assert_int_equal(pool_ask(&p, &same, 7, 1, i * (int64_t)SECOND + 500000), 0);
		assert_int_not_equal(same.bot, 1);
	}
	assert_int_equal(pool_ask(&p, &same, 7, 1, 61 * (int64_t)SECOND), 0);
	assert_int_equal(same.bot, 1);
	pool_close(&p);
}

/* So many refusals in a row, whatever they are about, say that it is the token. */
static void test_storm(void **state)
{
	(void)state;
	const struct traits t = traits();
	struct pool p;
	pool_open(&p, &t, 1.0, 1);
	char scope[16];
	int n = 0;
	for (bool rests = false; !rests && n < 1000; n++) {
		fmt_into(scope, sizeof(scope), "%d", n);
		struct http_req r = { .auth = AUTH_BOT, .rate = REQ_POST, .scope = scope };
		assert_int_equal(pool_ask(&p, &r, 1, 0, 0), 0);
		rests = pool_throttled(&p, &r, 1, 0);
	}
	assert_in_range(n, 40, 100);
	struct http_req fresh = { .auth = AUTH_BOT, .rate = REQ_POST, .scope = "never asked" };
	assert_int_equal(pool_ask(&p, &fresh, 1, 0, 5 * SECOND), 30 * (int64_t)SECOND);
	assert_int_equal(pool_ask(&p, &fresh, 1, 0, 30 * (int64_t)SECOND), 0);
	pool_close(&p);
}

/* By the key alone it is the same bot each time, and none is left out; and where the caller remembers who it was, all have the same to do in
 * the end although the first has work of its own. */
static void test_shares_are_even(void **state)
{
	(void)state;
	enum { BOTS = 3, N = 3000, OWN = 60 };
	const struct traits t = traits();
	struct pool p;
	pool_open(&p, &t, 1.0, BOTS);
	struct http_req r = place(), own = { .auth = AUTH_BOT, .rate = REQ_OTHER, .scope = "" };
	int n[BOTS] = { OWN }, by_key[BOTS] = { 0 }, moved = 0;
	for (int i = 0; i < OWN; i++)
		assert_int_equal(pool_ask(&p, &own, 7, 0, i * (int64_t)SECOND), 0);
	for (int i = 0; i < N; i++) {
		uint64_t key = hash64(&i, sizeof(i), 0);
		struct http_req post = { .auth = AUTH_BOT, .rate = REQ_POST, .carrier = CARRY_SAME };
		int told = pool_pick(&p, &post, 7, key, POOL_BY_KEY), even = pool_pick(&p, &r, 7, key, POOL_EVENLY);
		assert_int_equal(pool_pick(&p, &post, 7, key, POOL_BY_KEY), told);
		by_key[told]++;
		n[even]++;
		moved += told != even;
	}
	for (int i = 0; i < BOTS; i++) {
		assert_in_range(by_key[i], N / BOTS - 120, N / BOTS + 120);
		assert_in_range(n[i], (N + OWN) / BOTS - 10, (N + OWN) / BOTS + 10);
	}
	assert_in_range(moved, 1, N / 4); /* few: the rest is spread by the key, so that no chat's messages all fall to one */
	for (int i = 0; i < 1000; i++)
		assert_int_equal(pool_ask(&p, &own, 7, 0, (100 + i) * (int64_t)SECOND), 0);
	for (int i = 0; i < N / 4; i++) /* now it has more to do than all of these */
		assert_int_not_equal(pool_pick(&p, &r, 7, hash64(&i, sizeof(i), 1), POOL_EVENLY), 0);
	assert_int_equal(pool_pick(&p, &r, 1, 1, POOL_EVENLY), 0); /* the only one in the chat */
	assert_int_equal(pool_pick(&p, &r, 3, 2, POOL_BY_KEY), 0);
	pool_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shut_token_rests), cmocka_unit_test(test_others_carry_on), cmocka_unit_test(test_storm),
		cmocka_unit_test(test_shares_are_even),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
