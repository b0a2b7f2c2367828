/* mapping_members.c: reads a members list. Called by mapping_draft.c; the e-mails it finds are written into users.csv, so that
 * nothing depends on the list afterwards but pilots by tag (only.tags). Columns as Slack writes them (Help Center, "Export your workspace member list"):
 * username, email, status, …, userid, fullname, displayname. Only userid must be there. */
#include "mapping/mapping_members.h"

#include "mapping/mapping_names.h"
#include "mapping/mapping_rows.h"

#include <stdlib.h>
#include <string.h>

enum { M_ID, M_EMAIL, M_NAME, N_MEMBER_COLUMN };
static const struct sheet_column columns[N_MEMBER_COLUMN] = { [M_ID] = { "userid", false, true }, [M_EMAIL] = { "email", false, false }, [M_NAME] = { "fullname", false, false } };

static bool read_list(const char *path, const char *name, struct sheet *sh, struct arena *a, struct err *e)
{
	char *text;
	size_t len;
	sheet_init(sh, name, columns, countof(columns), a);
	if (!rows_slurp(path, &text, &len, e))
		return false;
	bool ok = text != NULL;
	if (!ok) {
		err_set(e, ERR_MAPPING, "people.members_list: '%s' is missing", name);
		err_where(e, "mvchat.yaml");
	}
	ok = ok && sheet_read(sh, text, len, a, e);
	free(text);
	return ok;
}

bool members_read(const char *path, const char *name, struct arena *a, struct table *out, const char *const **twice, size_t *n_twice, struct err *e)
{
	size_t n = 0;
	struct sheet sh;
	struct table emails;
	if (!read_list(path, name, &sh, a, e))
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

/* Columns that few lists have, so that none is taken for a misspelt one of them. */
static const char *cell_called(const struct sheet *sh, const struct sheet_row *r, const char *column, struct arena *a)
{
	for (size_t i = 0; i < sh->n_extra; i++)
		if (streq(names_fold(sh->extra[i], a), column))
			return sheet_meant(r->cells[sh->n_standard + i], a);
	return "";
}

static bool has_tag(const struct sheet *sh, const struct sheet_row *r, const char *tag, struct arena *a)
{
	const char *department = cell_called(sh, r, "department", a);
	if (*department && names_glob(tag, department, a))
		return true;
	for (const char *p = cell_called(sh, r, "tags", a); *p;) {
		p += strspn(p, " ,;");
		size_t n = strcspn(p, ",;"), end = n;
		while (end && p[end - 1] == ' ')
			end--;
		if (end && names_glob(tag, arena_strndup(a, p, end), a))
			return true;
		p += n;
	}
	return false;
}

bool members_tagged(const char *path, const char *name, const char *const *tags, size_t n_tags, struct arena *a, struct table *out, struct err *e)
{
	static char yes[] = "";
	struct sheet sh;
	bool known = false;
	if (!read_list(path, name, &sh, a, e))
		return false;
	for (size_t i = 0; i < sh.n_extra; i++)
		known = known || streq(names_fold(sh.extra[i], a), "tags") || streq(names_fold(sh.extra[i], a), "department");
	if (!known) {
		err_set(e, ERR_MAPPING, "only.tags: '%s' has neither a column 'tags' nor 'department'", name);
		err_hint(e, "archives know no tags: add a column to people.members_list, or list the people under only.users");
		return err_where(e, "mvchat.yaml");
	}
	for (size_t t = 0; t < n_tags; t++) {
		size_t found = 0;
		for (size_t i = 0; i < sh.n_rows; i++)
			if (*sh.rows[i].cells[M_ID] && has_tag(&sh, &sh.rows[i], tags[t], a)) {
				table_put(out, sheet_key(sh.rows[i].cells[M_ID]), yes);
				found++;
			}
		if (!found) {
			err_set(e, ERR_MAPPING, "only.tags: nobody in '%s' has the tag '%s'", name, tags[t]);
			return err_where(e, "mvchat.yaml");
		}
	}
	return true;
}
