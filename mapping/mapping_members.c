/* mapping_members.c: reads a members list. Called by mapping_draft.c; the e-mails it finds are written into users.csv, so that
 * nothing depends on the list afterwards. Columns as Slack writes them (Help Center, "Export your workspace member list"):
 * username, email, status, …, userid, fullname, displayname. Only userid must be there. */
#include "mapping/mapping_members.h"

#include "mapping/mapping_names.h"
#include "mapping/mapping_rows.h"

#include <stdlib.h>
#include <string.h>

enum { M_ID, M_EMAIL, M_NAME, N_MEMBER_COLUMN };
static const struct sheet_column columns[N_MEMBER_COLUMN] = { [M_ID] = { "userid", false, true }, [M_EMAIL] = { "email", false, false }, [M_NAME] = { "fullname", false, false } };

bool members_read(const char *path, const char *name, struct arena *a, struct table *out, const char *const **twice, size_t *n_twice, struct err *e)
{
	char *text;
	size_t len, n = 0;
	struct sheet sh;
	struct table emails;
	sheet_init(&sh, name, columns, countof(columns), a);
	if (!rows_slurp(path, &text, &len, e))
		return false;
	bool ok = text != NULL;
	if (!ok) {
		err_set(e, ERR_MAPPING, "people.members_list: '%s' is missing", name);
		err_where(e, "mvchat.yaml");
	}
	ok = ok && sheet_read(&sh, text, len, a, e);
	free(text);
	if (!ok)
		return false;
	const char **said = arena_array(a, sh.n_rows + 1, const char *);
	table_init(&emails);
	for (size_t i = 0; i < sh.n_rows; i++) {
		const struct sheet_row *r = &sh.rows[i];
		const char *email = sheet_meant(r->cells[M_EMAIL], a);
		if (!strchr(email, '@'))
			continue;
		struct member *m = arena_new(a, struct member);
		*m = (struct member){ r->cells[M_ID], email, r->cells[M_NAME], r->line };
		const char *key = names_fold(email, a);
		struct member *was = table_get(&emails, key);
		if (was) {
			said[n++] = arena_fmt(a, err_word("%s, lines %zu and %zu: %s and %s have one e-mail (%s); it is not used."), name, was->line, m->line, was->id, m->id, email);
			was->email = m->email = "";
			continue;
		}
		table_put(&emails, key, m);
		table_put(out, sheet_key(m->id), m);
	}
	table_release(&emails);
	*twice = said;
	*n_twice = n;
	return true;
}
