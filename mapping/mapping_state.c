/* mapping_state.c: what a project has decided, as lines that can be kept and compared: nothing that people changed in a table or
 * in mvchat.yaml is taken without having been shown. Called by cli/, which keeps the lines of what was replayed last. Pure. */
#include "mapping/mapping_rows.h"

#include "core/hash.h"
#include "core/table.h"

#include <stdlib.h>
#include <string.h>

static const char head[] = "mvchat mapping state 1\n";

/* where TAB id TAB column TAB name TAB value: whatever would break a line becomes a blank. */
static void cell(struct buf *out, const char *s, char end)
{
	for (; *s; s++)
		buf_addc(out, (unsigned char)*s < 0x20 ? ' ' : *s);
	buf_addc(out, end);
}

static void line(struct buf *out, const char *where, const char *id, const char *column, const char *name, const char *value)
{
	buf_addf(out, "%s\t", where);
	cell(out, id, '\t');
	buf_addf(out, "%s\t", column);
	cell(out, name, '\t');
	cell(out, value, '\n');
}

void mapping_state(const struct mapping *m, struct buf *out)
{
	struct arena a;
	arena_init(&a);
	buf_adds(out, head);
	for (size_t i = 0; i < m->cfg.n_said; i++)
		line(out, "mvchat.yaml", m->cfg.said[i].path, "", "", m->cfg.said[i].value);
	for (size_t i = 0; i < m->user_rows.n; i++) {
		const struct user_row *u = m->user_rows.rows[i].value;
		const struct sheet_row *r = &m->users.rows[u->row];
		const char *d = sheet_meant(r->cells[U_DECISION], &a);
		line(out, "users.csv", u->id, "decision", u->name, !*d && u->suggests_match ? arena_fmt(&a, "match:%s", u->suggested_id) : d);
		if (u->decision == DECIDE_CREATE || u->decision == DECIDE_CREATE_SUSPENDED)
			line(out, "users.csv", u->id, "email", u->name, u->decided_email ? u->decided_email : u->email);
	}
	for (size_t i = 0; i < m->place_rows.n; i++) {
		const struct place_row *p = m->place_rows.rows[i].value;
		const struct sheet_row *r = &m->channels.rows[p->row];
		line(out, "channels.csv", p->id, "decision", p->name, sheet_meant(r->cells[C_DECISION], &a));
		line(out, "channels.csv", p->id, "target_name", p->name, p->target_name);
		line(out, "channels.csv", p->id, "privacy", p->name, sheet_meant(r->cells[C_PRIVACY], &a));
	}
	arena_release(&a);
}

/* One line cut into its five fields; false: no line of ours. */
static bool cut(char *s, struct mapping_change *c, const char **value)
{
	char *f[5] = { s };
	for (int i = 1; i < 5; i++) {
		char *tab = strchr(f[i - 1], '\t');
		if (!tab)
			return false;
		*tab = '\0';
		f[i] = tab + 1;
	}
	*c = (struct mapping_change){ .where = f[0], .id = f[1], .column = f[2], .name = f[3] };
	*value = f[4];
	return true;
}

static const char *key_of(const struct mapping_change *c, struct arena *a)
{
	return arena_fmt(a, "%s\t%s\t%s", c->where, sheet_key(c->id), c->column);
}

struct entry { struct mapping_change c; const char *value; bool seen; };

/* What both say alike is nearly all, in a mapping of tens of thousands of rows: only lines that the other does not have are taken apart. */
struct line_set { uint64_t *v; size_t n; };

static int by_hash(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
	return a < b ? -1 : a > b;
}

static const char *body_of(const char *text)
{
	size_t skip = strlen(head);
	return !strncmp(text, head, skip) ? text + skip : "";
}

static struct line_set lines_of(const char *text)
{
	struct line_set l = { 0 };
	size_t cap = 0;
	for (const char *s = body_of(text), *nl; (nl = strchr(s, '\n')); s = nl + 1) {
		GROW(l.v, l.n, cap, 1024);
		l.v[l.n++] = hash64(s, (size_t)(nl - s), 0);
	}
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_hash);
	return l;
}

static void read_lines(const char *text, const char *other, struct table *t, struct arena *a)
{
	struct line_set same = lines_of(other);
	for (const char *s = body_of(text), *nl; (nl = strchr(s, '\n')); s = nl + 1) {
		struct entry e = { .seen = false };
		uint64_t h = hash64(s, (size_t)(nl - s), 0);
		if (same.n && bsearch(&h, same.v, same.n, sizeof(h), by_hash))
			continue;
		if (cut(arena_strndup(a, s, (size_t)(nl - s)), &e.c, &e.value))
			table_put(t, key_of(&e.c, a), arena_memdup(a, &e, sizeof(e)));
	}
	free(same.v);
}

size_t mapping_changes(const char *was, const char *is, struct arena *a, const struct mapping_change **out)
{
	struct table old, now;
	size_t n = 0;
	table_init(&old);
	table_init(&now);
	read_lines(was, is, &old, a);
	read_lines(is, was, &now, a);
	struct mapping_change *v = arena_array(a, old.n + now.n + 1, struct mapping_change);
	for (size_t i = 0; i < now.n; i++) {
		struct entry *e = now.rows[i].value, *o = table_get(&old, now.rows[i].key);
		if (o)
			o->seen = true;
		/* A name the draft gave to a new row is no decision; an account that a person now gets is shown by its decision. */
		bool drafted = !o && (streq(e->c.column, "target_name") || streq(e->c.column, "email"));
		if (drafted || streq(o ? o->value : "", e->value))
			continue;
		v[n] = e->c;
		v[n].was = o ? o->value : "";
		v[n++].is = e->value;
	}
	for (size_t i = 0; i < old.n; i++) {
		const struct entry *o = old.rows[i].value;
		if (o->seen || !*o->value || streq(o->c.column, "target_name") || streq(o->c.column, "email"))
			continue;
		v[n] = o->c;
		v[n].was = o->value;
		v[n++].is = "";
	}
	table_release(&old);
	table_release(&now);
	*out = v;
	return n;
}
