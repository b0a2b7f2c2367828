/* mapping_page.h: a mapping of one page and no rows, for tests of what a page says. Included by one .c of a program, after cmocka.h. */
#include "mapping/mapping_rows.h"

#include <string.h>

static struct mapping *mapping_of(const char *yaml)
{
	struct mapping *m = xcalloc(1, sizeof(*m));
	struct err e = ERR_INIT;
	arena_init(&m->a);
	if (!rows_read_config(m, yaml, strlen(yaml), &e))
		fail_msg("%s (%s)\n%s", e.msg, e.where, yaml);
	return m;
}
