/* test_whatsapp_conform.c: every WhatsApp fixture against what the importer is expected to push.
 *
 * Each folder of fixtures/whatsapp holds README, archive/, expect.jsonl and, where options are given, `options` (one a line).
 * MVCHAT_REGEN=1 writes the expectations anew; whoever does that reads the difference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/conform/stop_check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIXTURES_MAX = 200, OUT_MAX = 4 * 1024 * 1024 };

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return NULL;
	struct buf b;
	char chunk[4096];
	size_t n;
	buf_init(&b, OUT_MAX);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, chunk, n);
	fclose(f);
	return buf_detach(&b);
}

static void walk(const char *folder, struct jsonl *j)
{
	struct err e = ERR_INIT;
	struct sink sink;
	struct arena step;
	char path[1024], *given;
	const char *options[4] = { NULL };
	jsonl_sink(j, &sink, OUT_MAX);
	fmt_into(path, sizeof(path), "%s/options", folder);
	given = slurp(path);
	size_t n = 0;
	for (char *o = given ? strtok(given, "\n") : NULL; o && n < 3; o = strtok(NULL, "\n"))
		options[n++] = o;
	fmt_into(path, sizeof(path), "%s/archive", folder);
	struct vault *v = vault_open(path, NULL, NULL, &e);
	const struct importer *im = v ? importer_choose(v, &e) : NULL;
	if (!im) { /* not recognised */
		jsonl_bad(j, &e);
		vault_close(v);
		free(given);
		return;
	}
	assert_ptr_equal(im, &importer_whatsapp);
	struct source *s = im->open(v, options, &e);
	if (!s)
		fail_msg("%s: %s", folder, e.msg);
	arena_init(&step);
	if (!im->walk(s, &sink, &step, &e)) { /* refused, with what to do */
		jsonl_bad(j, &e);
		assert_int_equal(e.code, ERR_ARCHIVE);
		assert_true(e.hint[0]);
	} else { /* a second walk of the same source says the same */
		struct jsonl again;
		jsonl_sink(&again, &sink, OUT_MAX);
		assert_true(im->walk(s, &sink, &step, &e));
		assert_string_equal(j->out.p, again.out.p);
		buf_release(&again.out);
	}
	arena_release(&step);
	im->close(s);
	vault_close(v);
	free(given);
	assert_false(j->out.full);
}

/* Fails with the first line that differs. */
static void same_lines(const char *folder, const char *want, const char *got)
{
	for (int line = 1; *want || *got; line++) {
		size_t a = strcspn(want, "\n"), b = strcspn(got, "\n");
		if (a != b || memcmp(want, got, a) != 0)
			fail_msg("%s, line %d\n  expected %.*s\n  got      %.*s", folder, line, (int)a, want, (int)b, got);
		want += a + (want[a] == '\n');
		got += b + (got[b] == '\n');
	}
}

static void check(const char *folder)
{
	char path[1024];
	struct jsonl j;
	walk(folder, &j);
	fmt_into(path, sizeof(path), "%s/expect.jsonl", folder);
	if (getenv("MVCHAT_REGEN")) {
		FILE *f = fopen(path, "wb");
		assert_non_null(f);
		assert_int_equal(fwrite(j.out.p, 1, j.out.len, f), j.out.len);
		assert_int_equal(fclose(f), 0);
	} else {
		char *want = slurp(path);
		if (!want)
			fail_msg("%s is missing", path);
		same_lines(folder, want, j.out.p);
		free(want);
	}
	buf_release(&j.out);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void fixtures(void **state)
{
	static const char root[] = "fixtures/whatsapp";
	char *names[FIXTURES_MAX], path[1024];
	size_t n = 0;
	(void)state;
	DIR *d = opendir(root);
	assert_non_null(d);
	for (struct dirent *en; (en = readdir(d)) && n < FIXTURES_MAX;)
		if (en->d_name[0] != '.')
			names[n++] = strdup(en->d_name);
	closedir(d);
	qsort(names, n, sizeof(names[0]), by_name);
	assert_true(n >= 20);
	for (size_t i = 0; i < n; i++) {
		fmt_into(path, sizeof(path), "%s/%s", root, names[i]);
		check(path);
		free(names[i]);
	}
}

/* Slack's archives stay Slack's. */
static void slack_is_slack(void **state)
{
	struct err e = ERR_INIT;
	(void)state;
	struct vault *v = vault_open("fixtures/slack/demo", NULL, NULL, &e);
	assert_non_null(v);
	assert_int_equal(importer_whatsapp.bid(v), 0);
	assert_ptr_equal(importer_choose(v, &e), &importer_slack);
	vault_close(v);
}

/* The C table is what the script makes of the source table. */
static void table_in_step(void **state)
{
	struct buf b;
	char chunk[4096];
	size_t n;
	(void)state;
	FILE *p = popen("sh tests/tools/whatsapp_table.sh", "r");
	assert_non_null(p);
	buf_init(&b, OUT_MAX);
	while ((n = fread(chunk, 1, sizeof(chunk), p)) > 0)
		buf_add(&b, chunk, n);
	assert_int_equal(pclose(p), 0);
	char *have = slurp("importers/whatsapp_table.c");
	assert_non_null(have);
	same_lines("importers/whatsapp_table.c", b.p, have);
	free(have);
	buf_release(&b);
}

static void stopped(void **state)
{
	(void)state;
	stop_check(&importer_whatsapp, "fixtures/whatsapp/ios-group-ru/archive", 15, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(fixtures), cmocka_unit_test(slack_is_slack), cmocka_unit_test(table_in_step), cmocka_unit_test(stopped) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
