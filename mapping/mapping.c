/* mapping.c: the project folder in memory: loading and checking that it is complete. Called by cli and replay. What the cells mean is in
 * mapping_rows.c, what follows from them in mapping_decide.c; what is written, in mapping_draft.c. */
#include "mapping/mapping.h"

#include "core/utf8.h"
#include "mapping/mapping_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { YAML_MAX = 4 << 20, CSV_MAX = 64 << 20 };

bool rows_slurp(const char *path, char **out, size_t *len, struct err *e)
{
	*out = NULL;
	*len = 0;
	FILE *f = fopen(path, "r");
	if (!f && errno == ENOENT)
		return true;
	struct stat st;
	if (!f || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > CSV_MAX) {
		if (!f)
			err_set(e, ERR_USAGE, "cannot read '%s':", path);
		else
			err_set(e, ERR_USAGE, "'%s' is not a plain file of a sensible size", path);
		if (f)
			fclose(f);
		return false;
	}
	struct buf b;
	buf_init(&b, CSV_MAX);
	char block[16384];
	for (size_t n; (n = fread(block, 1, sizeof(block), f)) > 0;)
		buf_add(&b, block, n);
	bool bad = ferror(f);
	fclose(f);
	if (bad || b.full) {
		buf_release(&b);
		return err_set(e, ERR_USAGE, "cannot read '%s'", path);
	}
	*len = b.len;
	*out = buf_detach(&b);
	return true;
}

bool rows_read_config(struct mapping *m, const char *text, size_t len, struct err *e)
{
	if (len > YAML_MAX || !utf8_valid(text, len) || memchr(text, '\0', len)) {
		err_set(e, ERR_USAGE, "the file is too large or not UTF-8 text");
		return err_where(e, "mvchat.yaml");
	}
	if (!config_parse("mvchat.yaml", text, len, &m->a, &m->cfg, e))
		return false;
	const struct mapping_config *c = &m->cfg.c;
	m->kind_rules = arena_array(&m->a, c->n_leave_out + 1, const char *);
	for (size_t i = 0; i < c->n_leave_out; i++)
		m->kind_rules[i] = arena_fmt(&m->a, "messages.leave_out: %s", c->leave_out[i]);
	m->rule_names = arena_array(&m->a, m->cfg.n_rules + 1, const char *);
	for (size_t i = 0; i < m->cfg.n_rules; i++)
		m->rule_names[i] = m->cfg.rules[i].why;
	return true;
}

static bool read_sheet(struct mapping *m, const char *name, struct sheet *s, const struct sheet_column *columns, size_t n, enum load how,
                       struct err *e)
{
	char *text;
	size_t len;
	sheet_init(s, name, columns, n, &m->a);
	if (!rows_slurp(arena_fmt(&m->a, "%s/%s", m->dir, name), &text, &len, e))
		return false;
	bool ok = true;
	if (text) {
		ok = sheet_read(s, text, len, &m->a, e);
	} else if (how == LOAD_ALL) {
		ok = err_set(e, ERR_MAPPING, "'%s/%s' is missing", m->dir, name);
		err_hint(e, "run 'mvchat map' to draft it");
	}
	free(text);
	return ok;
}

struct mapping *rows_open(const char *dir, enum load how, bool *has_yaml, struct err *e)
{
	struct mapping *m = xcalloc(1, sizeof(*m));
	arena_init(&m->a);
	m->dir = arena_strdup(&m->a, dir);
	char *text;
	size_t len;
	bool ok = rows_slurp(arena_fmt(&m->a, "%s/mvchat.yaml", dir), &text, &len, e);
	*has_yaml = ok && text;
	if (ok && text)
		ok = rows_read_config(m, text, len, e);
	else if (ok && how == LOAD_ALL) {
		ok = err_set(e, ERR_MAPPING, "'%s/mvchat.yaml' is missing", dir);
		err_hint(e, "run 'mvchat map ARCHIVE' to draft it");
	}
	free(text);
	ok = ok && read_sheet(m, "users.csv", &m->users, users_columns, N_USERS_COLUMN, how, e) &&
	     read_sheet(m, "channels.csv", &m->channels, channels_columns, N_CHANNELS_COLUMN, how, e);
	if (ok && (*has_yaml || how == LOAD_ALL))
		ok = rows_build(m, e);
	if (ok)
		return m;
	mapping_free(m);
	return NULL;
}

/* A policy "fail" means: do not start while somebody is undecided. */
static bool check_complete(struct mapping *m, struct err *e)
{
	size_t open = 0;
	const struct user_row *first = NULL;
	const char *key, *first_key = NULL;
	for (size_t i = 0; i < m->user_rows.n; i++) {
		const struct user_row *u = m->user_rows.rows[i].value;
		if (table_get(&m->mains, u->id))
			continue; /* decided with the main one */
		if (rows_policy(&m->cfg, u->flags, &key) != POLICY_FAIL || u->decision != DECIDE_NOTHING || u->suggests_match || !u->in_pilot)
			continue;
		open++;
		first = first ? first : u;
		first_key = first_key ? first_key : key;
	}
	if (!open)
		return true;
	err_set(e, ERR_MAPPING, "%s: fail, and there is no account in the target for %zu people; the first is %s (%s)", first_key, open,
	        first->name, first->id);
	err_hint(e, "fill the 'decision' column of users.csv: match:ID, create, label or skip");
	return rows_where(e, &m->users, first->line, U_DECISION);
}

static bool check_aliases(const struct mapping *m, struct err *e)
{
	for (size_t i = 0; i < m->cfg.n_aliases; i++)
		for (size_t j = 0; j < m->cfg.aliases[i].n; j++)
			if (!rows_user(m, m->cfg.aliases[i].v[j])) {
				err_set(e, ERR_MAPPING, "people.aliases: '%s' has no row in users.csv", m->cfg.aliases[i].v[j]);
				err_hint(e, "aliases are source ids, as in the first column of users.csv");
				return err_where(e, "mvchat.yaml");
			}
	return true;
}

struct mapping *mapping_load_open(const char *dir, struct err *e)
{
	bool has_yaml;
	struct mapping *m = rows_open(dir, LOAD_ALL, &has_yaml, e);
	if (m && !check_aliases(m, e)) {
		mapping_free(m);
		m = NULL;
	}
	return m;
}

struct mapping *mapping_load_draft(const char *dir, struct err *e)
{
	bool has_yaml;
	struct mapping *m = rows_open(dir, LOAD_DRAFT, &has_yaml, e);
	if (!m || has_yaml)
		return m;
	mapping_free(m);
	err_set(e, ERR_MAPPING, "'%s/mvchat.yaml' is missing", dir);
	err_hint(e, "run 'mvchat map ARCHIVE' to draft it");
	return NULL;
}

struct mapping *mapping_load(const char *dir, struct err *e)
{
	struct mapping *m = mapping_load_open(dir, e);
	if (m && !check_complete(m, e)) {
		mapping_free(m);
		m = NULL;
	}
	return m;
}

void mapping_free(struct mapping *m)
{
	if (!m)
		return;
	table_release(&m->user_rows);
	table_release(&m->place_rows);
	table_release(&m->taken);
	table_release(&m->tagged);
	table_release(&m->mains);
	table_release(&m->named);
	arena_release(&m->a);
	free(m);
}

const struct mapping_config *mapping_config(const struct mapping *m)
{
	return &m->cfg.c;
}
