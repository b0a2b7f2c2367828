/* expect.h: expectations that stand beside fixtures: FOLDER/expect.jsonl. MVCHAT_REGEN=1 writes them anew; whoever does that reads the
 * difference. Conformance tests of importers; include cmocka before it. */
#ifndef MVCHAT_TESTS_EXPECT_H
#define MVCHAT_TESTS_EXPECT_H

#include "core/base.h"
#include "core/buf.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIXTURES_MAX = 200, EXPECT_MAX = 8 * 1024 * 1024 };

static char *expect_slurp(const char *path) /* NULL: cannot be opened; the caller frees */
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return NULL;
	struct buf b;
	char chunk[4096];
	size_t n;
	buf_init(&b, EXPECT_MAX);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, chunk, n);
	fclose(f);
	return buf_detach(&b);
}

/* Fails with the first line that differs. */
static void expect_lines(const char *folder, const char *want, const char *got)
{
	for (int line = 1; *want || *got; line++) {
		size_t a = strcspn(want, "\n"), b = strcspn(got, "\n");
		if (a != b || memcmp(want, got, a) != 0)
			fail_msg("%s, line %d\n  expected %.*s\n  got      %.*s", folder, line, (int)a, want, (int)b, got);
		want += a + (want[a] == '\n');
		got += b + (got[b] == '\n');
	}
}

static void expect_file(const char *folder, const struct buf *got)
{
	char path[1024];
	fmt_into(path, sizeof(path), "%s/expect.jsonl", folder);
	if (getenv("MVCHAT_REGEN")) {
		FILE *f = fopen(path, "wb");
		assert_non_null(f);
		assert_int_equal(fwrite(got->p, 1, got->len, f), got->len);
		assert_int_equal(fclose(f), 0);
		return;
	}
	char *want = expect_slurp(path);
	if (!want)
		fail_msg("%s is missing", path);
	expect_lines(folder, want, got->p);
	free(want);
}

static int expect_by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every folder of root, by name; there are at_least so many. */
static void expect_each(const char *root, size_t at_least, void (*check)(const char *folder))
{
	char *names[FIXTURES_MAX], path[1024];
	size_t n = 0;
	DIR *d = opendir(root);
	assert_non_null(d);
	for (struct dirent *en; (en = readdir(d)) && n < FIXTURES_MAX;)
		if (en->d_name[0] != '.')
			names[n++] = strdup(en->d_name);
	closedir(d);
	qsort(names, n, sizeof(names[0]), expect_by_name);
	assert_true(n >= at_least && n < FIXTURES_MAX);
	for (size_t i = 0; i < n; i++) {
		fmt_into(path, sizeof(path), "%s/%s", root, names[i]);
		check(path);
		free(names[i]);
	}
}

#endif
