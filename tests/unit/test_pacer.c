/* The pacer against its own rule: greedy asking in simulated time, windows, learning, memory. */
#include "replay/pacer.h"

#include "core/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SECOND = 1000000 };

static struct traits traits_of(struct rate post)
{
	struct traits t = { 0 };
	t.rate[REQ_POST] = post;
	t.rate[REQ_READ] = (struct rate){ false, 10, 10, 10 };
	t.rate[REQ_OTHER] = (struct rate){ false, 50, 50, 50 };
	return t;
}

/* Asks as early as it may, n times; at[i] = the moment of the i-th grant. */
static void greedy(struct pacer *p, enum req_class c, const char *scope, int64_t start, int64_t *at, size_t n)
{
	int64_t now = start;
	for (size_t i = 0; i < n;) {
		int64_t t = pacer_ask(p, c, scope, now);
		if (t == 0) {
			at[i++] = now;
			continue;
		}
		assert_true(t > now); /* else a caller would spin */
		now = t;
	}
}

static const struct rate RATES[] = {
	{ true, 4, 150, 30 }, { true, 4, 130, 30 }, { false, 10, 10, 10 }, { false, 50, 50, 50 }, { false, 50, 1, 50 },
	{ true, 1, 1, 1 }, { true, 0.5, 3, 2 }, { true, 1000, 1, 0 }, { true, 4, 20, 0 },
};
static const size_t COUNTS[] = { 1, 2, 10, 100, 149, 150, 151, 173, 174, 180, 250, 1000, 5000 };

static void total_time_is_the_bound(void **state)
{
	(void)state;
	for (size_t r = 0; r < countof(RATES); r++) {
		struct traits t = traits_of(RATES[r]);
		for (size_t k = 0; k < countof(COUNTS); k++) {
			size_t n = COUNTS[k];
			int64_t *at = xcalloc(n, sizeof(*at));
			struct pacer *p = pacer_new(&t, 1.0);
			greedy(p, REQ_POST, "1", 5 * SECOND, at, n);
			double took = (double)(at[n - 1] - at[0]) / SECOND, bound = pacer_bound_s(&t, REQ_POST, (int64_t)n);
			assert_true(took >= bound - 1e-5);
			/* The margin is half a request of the burst and 1 % of the rates. */
			double keep = RATES[r].burst * 0.01 > 0.5 ? 0.5 : RATES[r].burst * 0.01;
			assert_true(took <= bound * 1.011 + keep / RATES[r].per_s * 1.011 + 1e-5);
			if (n >= 100 && RATES[r].burst > 100)
				assert_true(took <= bound * 1.05);
			if (n == 5000 && bound > 0)
				assert_true(took <= bound * 1.012);
			pacer_free(p);
			free(at);
		}
	}
}

static void bound_by_hand(void **state)
{
	(void)state;
	struct traits t = traits_of((struct rate){ true, 4, 150, 30 });
	assert_true(pacer_bound_s(&t, REQ_POST, 0) == 0);
	assert_true(pacer_bound_s(&t, REQ_POST, 1) == 0);
	assert_float_equal(pacer_bound_s(&t, REQ_POST, 31), 1.0, 1e-9);
	assert_float_equal(pacer_bound_s(&t, REQ_POST, 151), 5.0, 1e-9);
	assert_float_equal(pacer_bound_s(&t, REQ_POST, 4150), 1000.0, 1e-9);
	assert_true(pacer_bound_s(&t, REQ_BLOB, 1000000) == 0);
}

/* No window of any length may hold more than the nominal rule lets through in it. */
static void check_windows(const int64_t *at, size_t n, struct rate r)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = i; j < n; j++) {
			double s = (double)(at[j] - at[i]) / SECOND, got = (double)(j - i + 1);
			double burst = r.burst < 1 ? 1 : r.burst;
			assert_true(got <= burst + s * r.per_s + 1e-6);
			if (r.peak_per_s > 0)
				assert_true(got <= 1 + s * r.peak_per_s + 1e-6);
		}
	}
}

static void no_window_is_too_full(void **state)
{
	(void)state;
	for (size_t r = 0; r < countof(RATES); r++) {
		struct traits t = traits_of(RATES[r]);
		struct pacer *p = pacer_new(&t, 1.0);
		enum { N = 900 };
		static int64_t at[N];
		/* In three fits, with pauses that let the bucket fill up partly and wholly. */
		greedy(p, REQ_POST, "1", 0, at, 300);
		greedy(p, REQ_POST, "1", at[299] + 7 * SECOND, at + 300, 300);
		greedy(p, REQ_POST, "1", at[599] + 500 * (int64_t)SECOND, at + 600, 300);
		check_windows(at, N, RATES[r]);
		pacer_free(p);
	}
}

static void factor_scales_all_three(void **state)
{
	(void)state;
	struct rate nominal = { true, 4, 100, 30 };
	struct traits t = traits_of(nominal), half = traits_of((struct rate){ true, 2, 50, 15 });
	struct pacer *p = pacer_new(&t, 0.5);
	static int64_t at[600];
	greedy(p, REQ_POST, "1", 0, at, 600);
	check_windows(at, 600, half.rate[REQ_POST]);
	double took = (double)at[599] / SECOND, bound = pacer_bound_s(&half, REQ_POST, 600);
	assert_true(took >= bound && took <= bound * 1.05);
	pacer_free(p);
}

static void scopes_are_apart_and_classes_too(void **state)
{
	(void)state;
	struct traits t = traits_of((struct rate){ true, 1, 1, 1 });
	t.rate[REQ_READ] = (struct rate){ false, 1, 1, 1 };
	struct pacer *p = pacer_new(&t, 1.0);
	assert_int_equal(pacer_ask(p, REQ_POST, "a", 10), 0);
	assert_true(pacer_ask(p, REQ_POST, "a", 10) > 10);
	assert_int_equal(pacer_ask(p, REQ_POST, "b", 10), 0);
	/* Not per scope: any scope draws from the one bucket. */
	assert_int_equal(pacer_ask(p, REQ_READ, "a", 10), 0);
	assert_true(pacer_ask(p, REQ_READ, "b", 10) > 10);
	/* Unlimited. */
	for (int i = 0; i < 1000; i++)
		assert_int_equal(pacer_ask(p, REQ_BLOB, "x", 10), 0);
	pacer_free(p);
}

static void asking_in_vain_takes_nothing(void **state)
{
	(void)state;
	struct traits t = traits_of((struct rate){ true, 1, 1, 1 });
	struct pacer *p = pacer_new(&t, 1.0);
	assert_int_equal(pacer_ask(p, REQ_POST, "a", 0), 0);
	int64_t at = pacer_ask(p, REQ_POST, "a", 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(pacer_ask(p, REQ_POST, "a", 0), at);
	assert_int_equal(pacer_ask(p, REQ_POST, "a", at - 1), at);
	assert_int_equal(pacer_ask(p, REQ_POST, "a", at), 0);
	pacer_free(p);
}

static void a_slot_given_back_is_there_again(void **state)
{
	(void)state;
	struct traits t = traits_of((struct rate){ true, 1, 1, 1 });
	struct pacer *p = pacer_new(&t, 1.0);
	assert_int_equal(pacer_ask(p, REQ_POST, "a", 0), 0);
	pacer_return(p, REQ_POST, "a", 0);
	assert_int_equal(pacer_ask(p, REQ_POST, "a", 0), 0);
	assert_true(pacer_ask(p, REQ_POST, "a", 0) > 0);
	pacer_return(p, REQ_POST, "a", 0);
	pacer_return(p, REQ_POST, "a", 0); /* one too many does not overfill */
	assert_int_equal(pacer_ask(p, REQ_POST, "a", 0), 0);
	assert_true(pacer_ask(p, REQ_POST, "a", 0) > 0);
	pacer_free(p);
}

static void refusals_shut_slow_and_heal(void **state)
{
	(void)state;
	struct traits t = traits_of((struct rate){ true, 10, 20, 30 });
	struct pacer *p = pacer_new(&t, 1.0);
	static int64_t at[400];
	int64_t now = 0;
	assert_int_equal(pacer_ask(p, REQ_POST, "a", now), 0);
	pacer_throttled(p, REQ_POST, "a", 5, now);
	int64_t open = pacer_ask(p, REQ_POST, "a", now);
	assert_true(open >= 5 * SECOND && open <= 5 * SECOND + 5 * SECOND / 20 + 50000);
	/* Others under way at the same time teach nothing new, but a longer wait is obeyed. */
	for (int i = 0; i < 10; i++)
		pacer_throttled(p, REQ_POST, "a", 5, now);
	pacer_throttled(p, REQ_POST, "a", 9, now);
	open = pacer_ask(p, REQ_POST, "a", now);
	assert_true(open >= 9 * SECOND && open < 10 * SECOND);
	assert_int_equal(pacer_ask(p, REQ_POST, "b", now), 0); /* only the scope concerned */
	/* Half the rate afterwards: empty out what has gathered, then measure. */
	greedy(p, REQ_POST, "a", open, at, 400);
	double rate = 100.0 * SECOND / (double)(at[399] - at[299]);
	assert_true(rate > 4.8 && rate < 5.01);
	/* 20 successes: +5 % of the trait; 200: back to it. */
	for (int i = 0; i < 20; i++)
		pacer_ok(p, REQ_POST, "a", at[399]);
	greedy(p, REQ_POST, "a", at[399], at, 400);
	rate = 100.0 * SECOND / (double)(at[399] - at[299]);
	assert_true(rate > 5.3 && rate < 5.51);
	for (int i = 0; i < 1000; i++)
		pacer_ok(p, REQ_POST, "a", at[399]);
	greedy(p, REQ_POST, "a", at[399], at, 400);
	rate = 100.0 * SECOND / (double)(at[399] - at[299]);
	assert_true(rate > 9.8 && rate < 10.01);
	pacer_free(p);
}

static void refused_again_waits_longer(void **state)
{
	(void)state;
	struct traits t = traits_of((struct rate){ true, 10, 20, 30 });
	struct pacer *p = pacer_new(&t, 1.0);
	int64_t now = 0, last = 0;
	for (int i = 0; i < 12; i++) {
		pacer_throttled(p, REQ_POST, "a", -1, now);
		int64_t open = pacer_ask(p, REQ_POST, "a", now), wait = open - now;
		assert_true(wait >= (i < 7 ? (int64_t)SECOND << i : 120 * (int64_t)SECOND));
		assert_true(wait <= 140 * (int64_t)SECOND);
		assert_true(i > 6 || wait > last);
		last = wait;
		now = open;
	}
	/* A wait beyond reason is an hour. */
	pacer_throttled(p, REQ_POST, "b", 2147483647, 0);
	assert_true(pacer_ask(p, REQ_POST, "b", 0) <= 3600 * (int64_t)SECOND * 106 / 100);
	assert_true(pacer_ask(p, REQ_POST, "b", 0) >= 3600 * (int64_t)SECOND);
	pacer_throttled(p, REQ_POST, "c", 0, 0);
	assert_true(pacer_ask(p, REQ_POST, "c", 0) >= SECOND);
	pacer_free(p);
}

static void the_jitter_is_the_same_in_every_run(void **state)
{
	(void)state;
	struct traits t = traits_of((struct rate){ true, 10, 20, 30 });
	struct pacer *p = pacer_new(&t, 1.0), *q = pacer_new(&t, 1.0);
	int64_t differ = 0, first = 0;
	for (int i = 0; i < 20; i++) {
		char scope[16];
		snprintf(scope, sizeof(scope), "%d", i);
		pacer_throttled(p, REQ_POST, scope, 3, 0);
		pacer_throttled(q, REQ_POST, scope, 3, 0);
		int64_t a = pacer_ask(p, REQ_POST, scope, 0);
		assert_int_equal(a, pacer_ask(q, REQ_POST, scope, 0));
		first = i ? first : a;
		differ += a != first;
	}
	assert_true(differ > 10);
	pacer_free(p);
	pacer_free(q);
}

/* A server whose limits are lower than the traits say, in many scopes: what they are is learnt, at a price of less than one
 * refusal in a hundred requests, and the time is hardly more than those limits ask for. */
struct served { double level; int64_t at, next; int sent; };

static void unknown_limits_are_learnt(void **state)
{
	(void)state;
	enum { SCOPES = 40, EACH = 1500 };
	static const struct { double per_s, burst; } real[] = { { 2, 20 }, { 2, 150 }, { 3, 40 }, { 1, 10 } };
	struct traits t = traits_of((struct rate){ true, 4, 150, 30 });
	for (size_t k = 0; k < countof(real); k++) {
		static struct served v[SCOPES];
		struct pacer *p = pacer_new(&t, 1.0);
		int64_t now = 0, refused = 0, left = (int64_t)SCOPES * EACH;
		for (int i = 0; i < SCOPES; i++)
			v[i] = (struct served){ .level = real[k].burst, .next = i * (SECOND / 25) };
		while (left) {
			int first = -1;
			for (int i = 0; i < SCOPES; i++)
				if (v[i].sent < EACH && (first < 0 || v[i].next < v[first].next))
					first = i;
			struct served *s = &v[first];
			char scope[16];
			snprintf(scope, sizeof(scope), "%d", first);
			now = s->next > now ? s->next : now;
			int64_t at = pacer_ask(p, REQ_POST, scope, now);
			if (at) {
				s->next = at;
				continue;
			}
			s->level += (double)(now - s->at) / SECOND * real[k].per_s;
			s->level = s->level > real[k].burst ? real[k].burst : s->level;
			s->at = now;
			if (s->level < 1) {
				refused++;
				pacer_throttled(p, REQ_POST, scope, 1, now);
			} else {
				s->level -= 1;
				s->sent++;
				left--;
				pacer_ok(p, REQ_POST, scope, now);
			}
		}
		double bound = (EACH - real[k].burst) / real[k].per_s, took = (double)now / SECOND;
		if (took > bound * 1.06 || refused * 100 >= (int64_t)SCOPES * EACH)
			fail_msg("%g a second, burst %g: %.0f s (bound %.0f), %lld refusals", real[k].per_s, real[k].burst, took, bound, (long long)refused);
		pacer_free(p);
	}
}

/* How many may go at once: asked again and again within a second, as fast as the peak allows. */
static int go_now(struct pacer *p, const char *scope, int64_t now)
{
	int n = 0;
	for (int64_t t = now; t < now + 6 * SECOND; t += 40000)
		n += pacer_ask(p, REQ_POST, scope, t) == 0;
	return n;
}

/* A process that begins where another has just ended has no more than what that one left. */
static void what_went_before_counts(void **state)
{
	(void)state;
	enum { N = 256 };
	int64_t ago[N];
	struct traits t = traits_of((struct rate){ true, 4, 150, 30 });
	struct pacer *p = pacer_new(&t, 1.0);
	for (int i = 0; i < 100; i++)
		ago[i] = (100 - i) * SECOND / 20; /* a burst of 5 s that has just ended */
	pacer_recall(p, REQ_POST, "burst", ago, 100, RECALL_ALL, 0);
	int fresh = go_now(p, "fresh", 0), burst = go_now(p, "burst", 0);
	assert_true(fresh >= 148);
	assert_in_range(burst, 150 - 100 + 20 + 24 - 4, 150 - 100 + 20 + 24); /* what was left, came back, and comes while it is used */
	for (int i = 0; i < N; i++)
		ago[i] = (N - i) * SECOND / 4; /* hours at the sustained rate: nothing was saved up */
	pacer_recall(p, REQ_POST, "steady", ago, N, RECALL_REST, 0);
	assert_in_range(go_now(p, "steady", 0), 22, 26);
	for (int i = 0; i < 100; i++)
		ago[i] = 60 * SECOND + (100 - i) * SECOND / 20; /* a minute ago: all of it is back */
	pacer_recall(p, REQ_POST, "rested", ago, 100, RECALL_ALL, 0);
	assert_int_equal(go_now(p, "rested", 0), fresh);
	/* Two lanes of one chat: what both have used. */
	for (int i = 0; i < 50; i++)
		ago[i] = 0;
	pacer_recall(p, REQ_POST, "shared", ago, 50, RECALL_ALL, 0);
	pacer_recall(p, REQ_POST, "shared", ago, 50, RECALL_ALL, 0);
	assert_in_range(go_now(p, "shared", 0), 150 - 100 + 24 - 4, 150 - 100 + 24);
	pacer_free(p);
}

/* 100,000 scopes, each seen a few times, and 2,000,000 that come and go. */
static void many_scopes(void **state)
{
	(void)state;
	struct traits t = traits_of((struct rate){ true, 4, 150, 30 });
	struct pacer *p = pacer_new(&t, 1.0);
	char scope[32];
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 100000; i++) {
			snprintf(scope, sizeof(scope), "%d", i);
			assert_int_equal(pacer_ask(p, REQ_POST, scope, round * 40000), 0);
		}
	}
	assert_int_equal(pacer_scopes(p), 100000);
	assert_true(pacer_ask(p, REQ_POST, "77", 80000) > 80000); /* remembered among so many */
	int64_t now = 10 * SECOND;
	for (int i = 0; i < 300000; i++) {
		snprintf(scope, sizeof(scope), "n%d", i);
		assert_int_equal(pacer_ask(p, REQ_POST, scope, now), 0);
		now += 1000;
	}
	/* A bucket is full again after a quarter of a second: 250 of them are not, and the sweep lets at most double. */
	assert_true(pacer_scopes(p) < 2000);
	pacer_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bound_by_hand), cmocka_unit_test(total_time_is_the_bound), cmocka_unit_test(no_window_is_too_full),
		cmocka_unit_test(factor_scales_all_three), cmocka_unit_test(scopes_are_apart_and_classes_too),
		cmocka_unit_test(asking_in_vain_takes_nothing), cmocka_unit_test(a_slot_given_back_is_there_again),
		cmocka_unit_test(refusals_shut_slow_and_heal), cmocka_unit_test(refused_again_waits_longer),
		cmocka_unit_test(unknown_limits_are_learnt), cmocka_unit_test(the_jitter_is_the_same_in_every_run), cmocka_unit_test(many_scopes),
		cmocka_unit_test(what_went_before_counts),
	};
	return cmocka_run_group_tests_name("pacer", tests, NULL, NULL);
}
