/* The hash table, against a list that does the same slowly. */
#include "core/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_small(void **state)
{
	(void)state;
	struct table t;
	int one = 1, two = 2;
	table_init(&t);
	assert_null(table_get(&t, "a"));
	assert_null(table_put(&t, "a", &one));
	assert_null(table_put(&t, "", &two));
	assert_ptr_equal(table_get(&t, "a"), &one);
	assert_ptr_equal(table_get(&t, ""), &two);
	assert_ptr_equal(table_put(&t, "a", &two), &one);
	assert_ptr_equal(table_get(&t, "a"), &two);
	assert_int_equal(t.n, 2);
	assert_string_equal(t.rows[0].key, "a"); /* an existing key keeps its place */
	assert_null(table_get(&t, "b"));
	table_release(&t);
	assert_int_equal(t.n, 0);
	assert_null(table_get(&t, "a"));
	table_release(&t);
}

static void test_many(void **state)
{
	(void)state;
	enum { N = 20000 };
	static char keys[N][12];
	struct table t;
	table_init(&t);
	for (int i = 0; i < N; i++) {
		snprintf(keys[i], sizeof(keys[i]), "U%07d", i * 7919 % N);
		assert_null(table_put(&t, keys[i], keys[i]));
	}
	assert_int_equal(t.n, N);
	for (int i = 0; i < N; i++) {
		char copy[12];
		memcpy(copy, keys[i], sizeof(copy)); /* equal, not the same pointer */
		assert_ptr_equal(table_get(&t, copy), keys[i]);
		assert_ptr_equal(t.rows[i].key, keys[i]);
		copy[0] = 'W';
		assert_null(table_get(&t, copy));
	}
	assert_true(t.n_slots >= 2 * t.n);
	table_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_small), cmocka_unit_test(test_many) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
