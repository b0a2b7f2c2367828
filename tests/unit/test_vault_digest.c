/* What identifies an archive: everything that a vault of it would show otherwise, and nothing else. */
#include "core/vault.h"

#include "core/buf.h"
#include "tests/tools/hostile.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/made_folder.h"

/* The digest follows names, sizes and checksums, and nothing else. */
static void test_digest(void **state)
{
	(void)state;
	static const char *const data[] = { "hello", "hello", "hellp" };
	uint8_t d[3][DIGEST_BYTES];
	for (size_t i = 0; i < 3; i++) {
		struct zip_maker z;
		struct buf b;
		zip_begin(&z);
		if (i == 1)
			zip_part(&z, (struct zip_part){ .name = "folder/", .data = "" });
		zip_part(&z, (struct zip_part){ .name = "x", .data = data[i], .len = 5, .descriptor = i == 1 });
		buf_init(&b, 1 << 20);
		zip_end(&z, &b);
		hostile_write(at("d.zip"), &b);
		buf_release(&b);
		assert_true(vault_digest(at("d.zip"), d[i], NULL));
	}
	assert_memory_equal(d[0], d[1], DIGEST_BYTES);
	assert_memory_not_equal(d[0], d[2], DIGEST_BYTES);
	unlink(at("d.zip"));
}

static void digest_is(const char *name, uint8_t d[DIGEST_BYTES])
{
	struct err e = ERR_INIT;
	if (!vault_digest(at(name), d, &e))
		fail_msg("%s: %s", name, e.msg);
}

static void put_zip(const char *name, const char *entry, const char *data)
{
	struct zip_maker z;
	struct buf b;
	zip_begin(&z);
	zip_part(&z, (struct zip_part){ .name = entry, .data = data, .len = strlen(data) });
	buf_init(&b, 1 << 20);
	zip_end(&z, &b);
	hostile_write(at(name), &b);
	buf_release(&b);
}

static void same_time(const char *name)
{
	const struct timespec t[2] = { { .tv_sec = 1700000000 }, { .tv_sec = 1700000000 } };
	assert_int_equal(utimensat(AT_FDCWD, at(name), t, 0), 0);
}

/* What size and time do not tell: a zip in a folder, and a tar, in which one byte is another; a name; which of two twins comes first. */
static void test_digest_tells(void **state)
{
	(void)state;
	uint8_t a[DIGEST_BYTES], b[DIGEST_BYTES], c[DIGEST_BYTES];
	mkdir(at("f"), 0700);
	mkdir(at("f/sub"), 0700);
	put_zip("f/sub/Chat.zip", "_chat.txt", "hello");
	same_time("f/sub/Chat.zip");
	digest_is("f", a);
	put_zip("f/sub/Chat.zip", "_chat.txt", "hellp");
	same_time("f/sub/Chat.zip");
	digest_is("f", b);
	assert_memory_not_equal(a, b, DIGEST_BYTES);
	put_zip("f/sub/Chat.zip", "_chat.txt", "hello");
	same_time("f/sub/Chat.zip");
	put("f/.DS_Store", "noise");
	digest_is("f", b);
	assert_memory_equal(a, b, DIGEST_BYTES);
	assert_int_equal(symlink("nothing", at("f/sub/link")), 0); /* vault_open refuses it: it must be asked */
	digest_is("f", c);
	assert_memory_not_equal(a, c, DIGEST_BYTES);
	remove_tree(AT_FDCWD, at("f"));

	static const char *const text[] = { "hello", "hellp" };
	for (size_t i = 0; i < 2; i++) {
		struct buf t;
		buf_init(&t, 1 << 20);
		tar_part(&t, "a.txt", '0', "", text[i]);
		tar_end(&t);
		hostile_write(at("a.tar"), &t);
		same_time("a.tar");
		digest_is("a.tar", i ? b : a);
		buf_release(&t);
	}
	assert_memory_not_equal(a, b, DIGEST_BYTES);
	unlink(at("a.tar"));

	put("x.txt", "one");
	same_time("x.txt");
	digest_is("x.txt", a);
	put("x.txt", "two");
	digest_is("x.txt", b);
	assert_memory_not_equal(a, b, DIGEST_BYTES);
	unlink(at("x.txt"));

	for (size_t i = 0; i < 2; i++) {
		struct zip_maker z;
		struct buf t;
		zip_begin(&z);
		zip_part(&z, (struct zip_part){ .name = "x", .data = text[i], .len = 5 });
		zip_part(&z, (struct zip_part){ .name = "x", .data = text[!i], .len = 5 });
		buf_init(&t, 1 << 20);
		zip_end(&z, &t);
		hostile_write(at("t.zip"), &t);
		digest_is("t.zip", i ? b : a);
		buf_release(&t);
	}
	assert_memory_not_equal(a, b, DIGEST_BYTES);
	put_zip("t.zip", "y", "hello");
	digest_is("t.zip", a);
	put_zip("t.zip", "z", "hello");
	digest_is("t.zip", b);
	assert_memory_not_equal(a, b, DIGEST_BYTES);
	unlink(at("t.zip"));
	struct err e = ERR_INIT;
	assert_false(vault_digest(at("absent"), a, &e));
	assert_int_equal(e.code, ERR_ARCHIVE);
}

/* What vault_open reads has a digest, and what has none is an archive's fault. */
static void test_hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(hostile); i++) {
		struct buf b;
		struct err e = ERR_INIT, why = ERR_INIT;
		uint8_t d[2][DIGEST_BYTES];
		buf_init(&b, 64u << 20);
		hostile[i].make(&b);
		hostile_write(at(hostile[i].file), &b);
		buf_release(&b);
		const bool known = vault_digest(at(hostile[i].file), d[0], &e);
		struct vault *v = vault_open(at(hostile[i].file), NULL, root, &why);
		if (!known && (v || e.code != ERR_ARCHIVE || !e.msg[0]))
			fail_msg("%s: %s", hostile[i].file, e.msg);
		vault_close(v);
		if (known) {
			digest_is(hostile[i].file, d[1]);
			assert_memory_equal(d[0], d[1], DIGEST_BYTES);
		}
		unlink(at(hostile[i].file));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_digest_tells),
		cmocka_unit_test(test_hostile),
	};
	return cmocka_run_group_tests(tests, make_root, drop_root);
}
