/* mapping_folder.h: a project folder for one test, with files to put into it and to read back. Included by one .c of a program, after
 * cmocka.h. */
#include "mapping/mapping_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];

static void path_of(const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", dir, name);
}

static void put(const char *name, const char *text)
{
	char path[128];
	path_of(name, path);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	fclose(f);
}

static char *get(const char *name)
{
	char path[128], *text;
	size_t len;
	struct err e = ERR_INIT;
	path_of(name, path);
	assert_true(rows_slurp(path, &text, &len, &e));
	assert_non_null(text);
	return text;
}

static int begin(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/mvchat-mapping-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
	static const char *const names[] = { "mvchat.yaml", "users.csv", "channels.csv", "members.csv" };
	(void)state;
	for (size_t i = 0; i < countof(names); i++) {
		char path[128];
		path_of(names[i], path);
		unlink(path);
	}
	return rmdir(dir);
}
