/* test_slack_conform.c: every Slack fixture against what the importer is expected to push.
 *
 * fixtures/slack/demo and each folder of fixtures/slack/hazards hold expect.jsonl: the canonical lines of everything pushed.
 * MVCHAT_REGEN=1 writes the expectations anew; whoever does that reads the difference. README and expect.jsonl are not part of
 * an archive, so the lines about them are left out here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/conform/expect.h"
#include "tests/conform/stop_check.h"
#include "tests/tools/hostile.h"

#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUT_MAX = 8 * 1024 * 1024 };

static bool about_fixture(const char *where)
{
	return strncmp(where, "README", 6) == 0 || strncmp(where, "expect.jsonl", 12) == 0;
}

static bool hazard(void *ctx, enum hazard_level level, const char *name, const char *where, const char *what)
{
	return about_fixture(where) || jsonl_hazard(ctx, level, name, where, what);
}

static void walk(const char *folder, struct jsonl *j)
{
	struct err e = ERR_INIT;
	struct sink sink;
	struct arena step;
	jsonl_sink(j, &sink, OUT_MAX);
	sink.hazard = hazard;
	char archive[512]; /* where README and expectation must not stand beside it, the archive is a folder of that name */
	snprintf(archive, sizeof(archive), "%s/archive", folder);
	struct vault *v = vault_open(access(archive, R_OK) == 0 ? archive : folder, NULL, NULL, &e);
	const struct importer *im = v ? importer_choose(v, &e) : NULL;
	if (im != &importer_slack)
		fail_msg("%s: %s", folder, e.msg);
	struct source *s = im->open(v, NULL, &e);
	if (!s) { /* recognised and refused */
		jsonl_bad(j, &e);
		assert_int_equal(e.code, ERR_ARCHIVE);
		assert_true(e.hint[0]);
	} else {
		arena_init(&step);
		if (!im->walk(s, &sink, &step, &e))
			fail_msg("%s: %s", folder, e.msg);
		/* A second walk of the same source says the same. */
		struct jsonl again;
		jsonl_sink(&again, &sink, OUT_MAX);
		sink.hazard = hazard;
		assert_true(im->walk(s, &sink, &step, &e));
		assert_string_equal(j->out.p, again.out.p);
		buf_release(&again.out);
		arena_release(&step);
		im->close(s);
	}
	vault_close(v);
	assert_false(j->out.full);
}

static void check(const char *folder)
{
	struct jsonl j;
	walk(folder, &j);
	assert_null(strstr(j.out.p, "xoxe-0")); /* no token gets out of the importer */
	expect_file(folder, &j.out);
	buf_release(&j.out);
}

static void demo(void **state)
{
	(void)state;
	check("fixtures/slack/demo");
}

static void hazards(void **state)
{
	(void)state;
	expect_each("fixtures/slack/hazards", 30, check);
}

/* ---- the same content in zips of every kind ---- */

enum form { FORM_FLAGGED, FORM_UNFLAGGED, FORM_866, FORM_1251, FORM_64, N_FORM };

static void in_page(const char *name, const char *page, char *out, size_t size)
{
	iconv_t cd = iconv_open(page, "UTF-8");
	char *from = (char *)(uintptr_t)name, *to = out;
	size_t n = strlen(name), left = size - 1;
	assert_true(cd != (iconv_t)-1);
	assert_true(iconv(cd, &from, &n, &to, &left) != (size_t)-1);
	*to = '\0';
	iconv_close(cd);
}

static void make_zip(const char *folder, enum form form, const char *path)
{
	struct err e = ERR_INIT;
	struct zip_maker z;
	struct buf out;
	struct vault *v = vault_open(folder, NULL, NULL, &e);
	assert_non_null(v);
	zip_begin(&z);
	z.zip64 = form == FORM_64;
	for (size_t i = 0; i < vault_count(v); i++) {
		const struct entry *en = vault_entry(v, i);
		char name[512];
		size_t n;
		if (about_fixture(en->name))
			continue;
		if (form == FORM_866 || form == FORM_1251)
			in_page(en->name, form == FORM_866 ? "CP866" : "CP1251", name, sizeof(name));
		else
			snprintf(name, sizeof(name), "%s", en->name);
		char *data = vault_slurp(v, en, OUT_MAX, &n, &e);
		assert_non_null(data);
		zip_part(&z, (struct zip_part){ .name = name, .data = data, .len = n, .flags = form == FORM_FLAGGED ? 1 << 11 : 0,
			.zip64 = form == FORM_64, .descriptor = form == FORM_64 });
		free(data);
	}
	buf_init(&out, 64u << 20);
	zip_end(&z, &out);
	hostile_write(path, &out);
	buf_release(&out);
	vault_close(v);
}

/* The records themselves: what is said of the archive differs, what is in it does not. */
static char *records(const char *lines, int *said, const char *about)
{
	struct buf out;
	char word[64];
	buf_init(&out, OUT_MAX);
	snprintf(word, sizeof(word), "\"name\":\"%s\"", about);
	*said = 0;
	for (size_t n; *lines; lines += n + (lines[n] == '\n')) {
		n = strcspn(lines, "\n");
		char *line = strndup(lines, n);
		*said += strstr(line, word) != NULL;
		if (strncmp(line, "{\"type\":\"hazard\"", 16) != 0)
			buf_add(&out, lines, n + 1);
		free(line);
	}
	return buf_detach(&out);
}

static void zips(void **state)
{
	static const char *const folders[] = { "fixtures/slack/hazards/15-cyrillic-names", "fixtures/slack/demo" };
	static const struct { enum form form; const char *says; int in_15; } forms[N_FORM] = {
		{ FORM_FLAGGED, "name-unflagged", 0 }, { FORM_UNFLAGGED, "name-unflagged", 2 }, { FORM_866, "name-guessed", 2 },
		{ FORM_1251, "name-guessed", 2 }, { FORM_64, "zip64", 4 },
	};
	const char *tmp = getenv("TMPDIR");
	char path[512];
	(void)state;
	snprintf(path, sizeof(path), "%s/mvchat-forms-%d.zip", tmp && *tmp ? tmp : "/tmp", (int)getpid());
	for (size_t k = 0; k < countof(folders); k++) {
		struct jsonl plain;
		int none;
		walk(folders[k], &plain);
		char *want = records(plain.out.p, &none, "name-unflagged");
		assert_int_equal(none, 0);
		for (size_t i = 0; i < N_FORM; i++) {
			struct jsonl j;
			int said;
			make_zip(folders[k], forms[i].form, path);
			walk(path, &j);
			char *got = records(j.out.p, &said, forms[i].says);
			expect_lines(folders[k], want, got);
			if (k == 0)
				assert_int_equal(said, forms[i].in_15);
			else if (forms[i].in_15)
				assert_true(said > 2);
			if (forms[i].form == FORM_64)
				assert_non_null(strstr(j.out.p, "\"name\":\"data-descriptor\",\"where\":"));
			free(got);
			buf_release(&j.out);
			unlink(path);
		}
		free(want);
		buf_release(&plain.out);
	}
}

static void stopped(void **state)
{
	(void)state;
	stop_check(&importer_slack, "fixtures/slack/demo", 140, 20);
}

/* What nobody knows is refused with the names of what is known. */
static void unknown(void **state)
{
	struct err e = ERR_INIT;
	(void)state;
	struct vault *v = vault_open("tests/conform", NULL, NULL, &e);
	assert_non_null(v);
	assert_null(importer_choose(v, &e));
	assert_int_equal(e.code, ERR_ARCHIVE);
	assert_non_null(strstr(e.hint, importer_slack.summary));
	assert_null(importer_slack.open(v, NULL, &e));
	assert_true(importer_named("slack") == &importer_slack);
	assert_null(importer_named("slac"));
	vault_close(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(demo), cmocka_unit_test(hazards), cmocka_unit_test(zips), cmocka_unit_test(stopped),
		cmocka_unit_test(unknown) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
