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

#include "tests/conform/expect.h"
#include "tests/conform/stop_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUT_MAX = 4 * 1024 * 1024 };

static void walk(const char *folder, struct jsonl *j)
{
	struct err e = ERR_INIT;
	struct sink sink;
	struct arena step;
	char path[1024], *given;
	const char *options[4] = { NULL };
	jsonl_sink(j, &sink, OUT_MAX);
	fmt_into(path, sizeof(path), "%s/options", folder);
	given = expect_slurp(path);
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

static void check(const char *folder)
{
	struct jsonl j;
	walk(folder, &j);
	expect_file(folder, &j.out);
	buf_release(&j.out);
}

static void fixtures(void **state)
{
	(void)state;
	expect_each("fixtures/whatsapp", 20, check);
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
	char *have = expect_slurp("importers/whatsapp_table.c");
	assert_non_null(have);
	expect_lines("importers/whatsapp_table.c", b.p, have);
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
