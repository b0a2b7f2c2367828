/* The worker: order, back pressure, visibility, shutdown. Run it under ThreadSanitizer too (MODE=tsan). */
#include "core/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { JOBS = 10000 };

struct tally { int order[JOBS]; int n; };

static void note(void *ctx, void *job)
{
	struct tally *t = ctx;
	t->order[t->n++] = *(int *)job;
}

/* Jobs are done one by one in the order of giving, however many are given, and all are done when it closes. */
static void test_order(void **state)
{
	(void)state;
	struct tally *t = calloc(1, sizeof(*t));
	int *jobs = calloc(JOBS, sizeof(*jobs));
	struct worker *w = worker_new(note, t);
	if (!w) {
		free(t);
		free(jobs);
		skip();
	}
	for (int i = 0; i < JOBS; i++) {
		jobs[i] = i;
		assert_int_equal(worker_give(w, &jobs[i]), i + 1);
	}
	worker_close(w);
	assert_int_equal(t->n, JOBS);
	for (int i = 0; i < JOBS; i++)
		assert_int_equal(t->order[i], i);
	free(t);
	free(jobs);
}

static void twice(void *ctx, void *job)
{
	(void)ctx;
	int *v = job;
	v[1] = 2 * v[0];
}

/* What a job wrote is seen after waiting for it; the caller may then change it and give it again. */
static void test_hand_over(void **state)
{
	(void)state;
	int ring[3][2] = { { 0 } };
	uint64_t number[3] = { 0 };
	struct worker *w = worker_new(twice, NULL);
	if (!w)
		skip();
	worker_wait(w, 0);
	for (int i = 0; i < 3 * 2000; i++) {
		int k = i % 3;
		worker_wait(w, number[k]);
		if (i >= 3)
			assert_int_equal(ring[k][1], 2 * (i - 3));
		ring[k][0] = i;
		ring[k][1] = -1;
		number[k] = worker_give(w, ring[k]);
	}
	worker_wait(w, number[2]);
	assert_int_equal(ring[0][1], 2 * 5997);
	worker_close(w);
}

static void test_idle(void **state)
{
	(void)state;
	worker_close(NULL);
	for (int i = 0; i < 50; i++)
		worker_close(worker_new(twice, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_hand_over),
		cmocka_unit_test(test_idle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
