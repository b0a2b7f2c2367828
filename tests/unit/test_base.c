/* base, arena, buf, err, hash: the ground everything stands on. */
#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/hash.h"

#include <errno.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_fmt_into(void **state)
{
	(void)state;
	char s[6];
	assert_true(fmt_into(s, sizeof(s), "%d", 12345));
	assert_string_equal(s, "12345");
	assert_false(fmt_into(s, sizeof(s), "%d", 123456));
	assert_string_equal(s, "12345");
	assert_false(fmt_into(s, sizeof(s), "1234\xd0\xb6")); /* not half a character */
	assert_string_equal(s, "1234");
	assert_true(fmt_into(s, sizeof(s), "123\xd0\xb6"));
	assert_false(fmt_into(s, 1, "x"));
	assert_string_equal(s, "");
	assert_false(fmt_into(NULL, 0, "x"));
}

static void test_alloc(void **state)
{
	(void)state;
	void *p = xmalloc(0);
	assert_non_null(p);
	p = xrealloc(p, 0);
	assert_non_null(p);
	free(p);
	p = xcalloc(0, 0);
	assert_non_null(p);
	free(p);
	char *s = xstrndup("abc", 2);
	assert_string_equal(s, "ab");
	free(s);
	assert_true(streq("", ""));
	assert_true(streq("ab", "ab"));
	assert_false(streq("ab", "a"));
	assert_false(streq("a", "ab"));
}

static void test_arena(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a);
	arena_reset(&a); /* harmless on an empty one */
	char *first = arena_strdup(&a, "first");
	for (size_t n = 1; n < 100000; n = n * 3 + 1) {
		char *p = arena_alloc(&a, n);
		assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
		memset(p, 0xaa, n);
	}
	assert_string_equal(first, "first");
	const size_t used = a.used;
	assert_true(used > 100000);
	unsigned char *z = arena_calloc(&a, 100, 7);
	for (size_t i = 0; i < 700; i++)
		assert_int_equal(z[i], 0);
	assert_null(arena_strdup(&a, NULL));
	assert_string_equal(arena_strndup(&a, "abc", 0), "");
	assert_string_equal(arena_fmt(&a, "%s-%d", "x", 7), "x-7");
	assert_memory_equal(arena_memdup(&a, "a\0b", 3), "a\0b", 3);
	assert_non_null(arena_alloc(&a, 0));
	arena_reset(&a);
	assert_int_equal(a.used, 0);
	z = arena_zalloc(&a, 5000); /* what was used before comes back zeroed */
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(z[i], 0);
	/* One giant record does not stay in memory: the chunk that is kept is an ordinary one. */
	arena_alloc(&a, 1 << 20);
	arena_reset(&a);
	void *kept = a.head;
	arena_alloc(&a, 100);
	assert_ptr_equal(a.head, kept);
	arena_release(&a);
	assert_non_null(arena_alloc(&a, 1)); /* usable again */
	arena_release(&a);
}

static void test_buf(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 10);
	assert_string_equal(b.p, "");
	buf_reset(&b);
	buf_cut(&b, 0);
	buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.p, "a\0b", 4);
	buf_adds(&b, "cdef");
	buf_addf(&b, "%d", 123);
	assert_false(b.full);
	assert_int_equal(b.len, 10);
	buf_addc(&b, 'x');
	assert_true(b.full);
	assert_int_equal(b.len, 10);
	assert_int_equal(b.p[10], '\0');
	buf_cut(&b, 5);
	assert_true(b.full); /* sticky */
	buf_adds(&b, "123456789");
	assert_int_equal(b.len, 10);
	buf_reset(&b);
	assert_false(b.full);
	buf_adds(&b, "abc");
	char *s = buf_detach(&b);
	assert_string_equal(s, "abc");
	free(s);
	s = buf_detach(&b);
	assert_string_equal(s, "");
	free(s);
	assert_int_equal(b.max, 10);
	buf_release(&b);

	buf_init(&b, 1 << 20);
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "%0*d", 300, i); /* longer than the small buffer inside */
	assert_int_equal(b.len, 300000);
	assert_memory_equal(b.p + 299997, "999", 4);
	buf_release(&b);
	buf_init(&b, 0);
	buf_addc(&b, 'x');
	assert_true(b.full);
	assert_string_equal(b.p, "");
	buf_release(&b);
}

static void test_err(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	errno = ENOENT;
	assert_false(err_set(&e, ERR_ARCHIVE, "cannot open '%s':", "x"));
	assert_int_equal(e.code, ERR_ARCHIVE);
	assert_string_equal(e.msg, "cannot open 'x': No such file or directory");
	assert_false(err_where(&e, "%s:%d", "f", 3));
	assert_false(err_hint(&e, "look"));
	assert_false(err_wrap(&e, "reading"));
	assert_string_equal(e.msg, "reading: cannot open 'x': No such file or directory");
	assert_string_equal(e.where, "f:3");
	assert_string_equal(e.hint, "look");
	err_set(&e, ERR_USAGE, "again");
	assert_string_equal(e.where, "");
	assert_string_equal(e.hint, "");
	err_set(&e, ERR_USAGE, "%0*d\xd0\xb6", (int)sizeof(e.msg) - 2, 1); /* cut, at a whole character */
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 2);
	err_wrap(&e, "context");
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	err_clear(&e);
	assert_int_equal(e.code, ERR_NONE);
	assert_string_equal(e.msg, "");
	assert_false(err_set(NULL, ERR_USAGE, "x"));
	assert_false(err_where(NULL, "x"));
	assert_false(err_hint(NULL, "x"));
	assert_false(err_wrap(NULL, "x"));
	err_clear(NULL);
}

static void test_hash(void **state)
{
	(void)state;
	/* FIPS 180-4 example: SHA-256("abc"). */
	struct digest d;
	uint8_t out[DIGEST_BYTES];
	char text[DIGEST_HEX];
	digest_init(&d);
	digest_add(&d, "a", 1);
	digest_add(&d, "", 0);
	digest_add(&d, "bc", 2);
	digest_end(&d, out);
	hex(out, sizeof(out), text);
	assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_true(hash64("abc", 3, 0) == hash64s("abc"));
	assert_true(hash64("abc", 3, 1) != hash64s("abc"));
	assert_true(hash64(NULL, 0, 0) == hash64s(""));
	/* XXH3-64 of nothing, from the reference implementation's test vectors: fingerprints stand in files. */
	assert_true(hash64s("") == 0x2d06800538d394c2u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fmt_into),
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
