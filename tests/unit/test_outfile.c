/* Files that exist whole or not at all. */
#include "core/outfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64], path[128], tmp[128];

static int begin(void **state)
{
	(void)state;
	strcpy(root, "/tmp/mvchat-outfile-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(path, sizeof(path), "%s/report.txt", root);
	snprintf(tmp, sizeof(tmp), "%s/.report.txt.tmp", root);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(path);
	unlink(tmp);
	return rmdir(root); /* fails when something else was left */
}

static const char *content(void)
{
	static char s[100];
	FILE *f = fopen(path, "r");
	if (!f)
		return NULL;
	s[fread(s, 1, sizeof(s) - 1, f)] = '\0';
	fclose(f);
	return s;
}

static void test_commit(void **state)
{
	(void)state;
	struct outfile o;
	struct err e = ERR_INIT;
	struct stat st;
	assert_true(outfile_open(&o, path, 0600, &e));
	fputs("one", o.f);
	fflush(o.f);
	assert_null(content()); /* not there before the commit */
	assert_true(outfile_commit(&o, &e));
	assert_string_equal(content(), "one");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_not_equal(access(tmp, F_OK), 0);
	outfile_abort(&o); /* harmless */

	assert_true(outfile_open(&o, path, 0600, &e));
	fputs("two", o.f);
	fflush(o.f);
	assert_string_equal(content(), "one");
	assert_true(outfile_commit(&o, &e));
	assert_string_equal(content(), "two");
}

static void test_abort(void **state)
{
	(void)state;
	struct outfile o;
	struct err e = ERR_INIT;
	assert_true(outfile_open(&o, path, 0600, &e));
	fputs("half", o.f);
	outfile_abort(&o);
	assert_null(content());
	assert_int_not_equal(access(tmp, F_OK), 0);
}

static void test_stale(void **state)
{
	(void)state;
	/* What a killed process left is written over; a link left there by someone is not followed. */
	struct outfile o;
	struct err e = ERR_INIT;
	char other[128];
	snprintf(other, sizeof(other), "%s/other", root);
	assert_int_equal(symlink(other, tmp), 0);
	assert_true(outfile_open(&o, path, 0600, &e));
	fputs("new", o.f);
	assert_true(outfile_commit(&o, &e));
	assert_string_equal(content(), "new");
	assert_int_not_equal(access(other, F_OK), 0);
}

static void test_failures(void **state)
{
	(void)state;
	struct outfile o;
	struct err e = ERR_INIT;
	char bad[160];
	snprintf(bad, sizeof(bad), "%s/none/x", root);
	assert_false(outfile_open(&o, bad, 0600, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_non_null(strstr(e.msg, "No such file"));
	outfile_abort(&o);
	/* A folder stands where the file shall be: the rename fails, and nothing is left. */
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(outfile_open(&o, path, 0600, &e));
	assert_false(outfile_commit(&o, &e));
	assert_non_null(strstr(e.msg, "cannot rename"));
	assert_int_not_equal(access(tmp, F_OK), 0);
	rmdir(path);
}

static void test_full_disk(void **state)
{
	(void)state;
	struct outfile o;
	struct err e = ERR_INIT;
	assert_true(outfile_open(&o, path, 0600, &e));
	/* /dev/full refuses every byte, as a full disk does. */
	if (!freopen("/dev/full", "w", o.f)) {
		o.f = NULL;
		outfile_abort(&o);
		skip();
	}
	fputs("x", o.f);
	assert_false(outfile_commit(&o, &e));
	assert_non_null(strstr(e.msg, "No space left"));
	assert_null(content());
	assert_int_not_equal(access(tmp, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_commit, begin, end),
		cmocka_unit_test_setup_teardown(test_abort, begin, end),
		cmocka_unit_test_setup_teardown(test_stale, begin, end),
		cmocka_unit_test_setup_teardown(test_failures, begin, end),
		cmocka_unit_test_setup_teardown(test_full_disk, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
