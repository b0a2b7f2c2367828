/* names_state.c: see names_state.h. Called by the stages and by `verify --adopt`. Writes one small file, whole or not at all; that it
 * cannot be written or read is a warning at most. */
#include "cli/names_state.h"

#include "cli/i18n.h"
#include "core/log.h"
#include "core/outfile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 64 << 20, NAMES_OF_ONE = 16 };

/* Of one person, oldest first: from which run on which name. run 0: from before this ledger. */
struct called { size_t n; struct { int64_t run; const char *name; } v[NAMES_OF_ONE]; };
struct names { struct arena a; struct table who; };

static const char *path_of(struct project *p)
{
	return arena_fmt(&p->arena, "%s/names.state", p->state);
}

static void names_open(struct names *x)
{
	arena_init(&x->a);
	table_init(&x->who);
}

static void names_close(struct names *x)
{
	table_release(&x->who);
	arena_release(&x->a);
}

static void add(struct names *x, const char *id, int64_t run, const char *name)
{
	struct called *c = table_get(&x->who, id);
	if (!c) {
		c = arena_new(&x->a, struct called);
		table_put(&x->who, arena_strdup(&x->a, id), c);
	}
	if (c->n == NAMES_OF_ONE)
		memmove(c->v, c->v + 1, --c->n * sizeof(c->v[0]));
	c->v[c->n].run = run;
	c->v[c->n++].name = arena_strdup(&x->a, name);
}

/* A tab ends a field, a newline the line. */
static void put(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (*s == '\\' || *s == '\t' || *s == '\n')
			buf_addc(b, '\\');
		buf_addc(b, *s == '\t' ? 't' : *s == '\n' ? 'n' : *s);
	}
}

static char *field(char **at)
{
	char *s = *at, *to = s, *from = s;
	for (; *from && *from != '\t' && *from != '\n'; from++) {
		if (*from == '\\' && from[1])
			*to++ = *++from == 't' ? '\t' : *from == 'n' ? '\n' : *from;
		else
			*to++ = *from;
	}
	*at = *from ? from + 1 : from;
	*to = '\0';
	return s;
}

static void read_file(struct project *p, struct names *x)
{
	FILE *f = fopen(path_of(p), "r");
	char block[16384];
	struct buf b;
	if (!f)
		return;
	buf_init(&b, FILE_MAX);
	for (size_t k; (k = fread(block, 1, sizeof(block), f)) > 0;)
		buf_add(&b, block, k);
	fclose(f);
	for (char *at = b.p; *at && !b.full;) {
		int64_t run = strtoll(field(&at), NULL, 10);
		const char *id = field(&at), *name = field(&at);
		if (*id && run >= 0)
			add(x, id, run, name);
	}
	buf_release(&b);
}

static void write_file(struct project *p, const struct names *x)
{
	struct err e = ERR_INIT;
	struct outfile o;
	struct buf b;
	buf_init(&b, FILE_MAX);
	for (size_t i = 0; i < x->who.n; i++) {
		const struct called *c = x->who.rows[i].value;
		for (size_t k = 0; k < c->n; k++) {
			buf_addf(&b, "%" PRId64 "\t", c->v[k].run);
			put(&b, x->who.rows[i].key);
			buf_addc(&b, '\t');
			put(&b, c->v[k].name);
			buf_addc(&b, '\n');
		}
	}
	bool ok = !b.full && project_state_dir(p, &e) && outfile_open(&o, path_of(p), 0600, &e);
	if (ok && fwrite(b.p, 1, b.len, o.f) != b.len) {
		outfile_abort(&o);
		ok = false;
	}
	if (!ok || !outfile_commit(&o, &e))
		log_warn("names.state", _("the names people are shown by cannot be kept: %s"), e.msg);
	buf_release(&b);
}

struct visit { struct project *p; struct names *x; int64_t run; const struct table *other; bool changed; struct former *former; size_t n_former; struct arena one, list; };

static const char *name_of(struct visit *v, const struct user *u)
{
	struct person who;
	arena_reset(&v->one);
	mapping_person(v->p->mapping, u, &v->one, &who);
	return who.name;
}

static bool mark(void *ctx, const struct user *u, int64_t n_msgs)
{
	struct visit *v = ctx;
	const struct called *c = table_get(&v->x->who, u->id);
	const char *today = c ? name_of(v, u) : NULL;
	(void)n_msgs;
	for (size_t i = 0; c && i < c->n; i++)
		if (!streq(c->v[i].name, today))
			ledger_other_names(v->p->ledger, c->v[i].run, i + 1 < c->n ? c->v[i + 1].run : INT64_MAX);
	arena_reset(&v->list);
	return true;
}

static bool note(void *ctx, const struct user *u, int64_t n_msgs)
{
	struct visit *v = ctx;
	const struct called *c = table_get(&v->x->who, u->id);
	const char *other = v->other ? table_get(v->other, u->id) : NULL, *name = other ? other : name_of(v, u);
	(void)n_msgs;
	if (!c || !streq(c->v[c->n - 1].name, name)) {
		add(v->x, u->id, v->run, name);
		v->changed = true;
	}
	arena_reset(&v->list);
	return true;
}

static bool people(struct project *p, struct visit *v, bool (*each)(void *, const struct user *, int64_t), struct err *e)
{
	arena_init(&v->one);
	arena_init(&v->list);
	bool ok = spool_users(p->spool, &v->list, each, v, e);
	arena_release(&v->one);
	arena_release(&v->list);
	return ok;
}

bool names_mark(struct project *p, struct err *e)
{
	struct names x;
	struct visit v = { .p = p, .x = &x };
	names_open(&x);
	read_file(p, &x);
	bool ok = !x.who.n || people(p, &v, mark, e);
	names_close(&x);
	return ok;
}

bool names_begin(struct project *p, int64_t run, const struct table *other, struct err *e)
{
	struct names x;
	struct visit v = { .p = p, .x = &x, .run = run, .other = other };
	names_open(&x);
	read_file(p, &x);
	for (size_t i = 0; i < x.who.n; i++) { /* what a ledger that is gone has called runs */
		struct called *c = x.who.rows[i].value;
		for (size_t k = 0; k < c->n; k++)
			if (c->v[k].run >= run)
				c->v[k].run = 0, v.changed = true;
	}
	bool ok = people(p, &v, note, e);
	if (ok && v.changed)
		write_file(p, &x);
	names_close(&x);
	return ok && names_mark(p, e);
}

static bool former(void *ctx, const struct user *u, int64_t n_msgs)
{
	struct visit *v = ctx;
	const struct called *c = table_get(&v->x->who, u->id);
	const char *today = c ? name_of(v, u) : NULL;
	(void)n_msgs;
	const char **names = c ? arena_array(&v->p->arena, c->n + 1, const char *) : NULL;
	size_t n = 0;
	for (size_t i = c ? c->n : 0; i-- > 0;) {
		bool known = streq(c->v[i].name, today);
		for (size_t k = 0; k < n && !known; k++)
			known = streq(names[k], c->v[i].name);
		if (!known)
			names[n++] = arena_strdup(&v->p->arena, c->v[i].name);
	}
	if (n)
		v->former[v->n_former++] = (struct former){ arena_strdup(&v->p->arena, u->id), names };
	arena_reset(&v->list);
	return true;
}

bool names_former(struct project *p, const struct former **out, size_t *n, struct err *e)
{
	struct names x;
	struct visit v = { .p = p, .x = &x };
	names_open(&x);
	read_file(p, &x);
	v.former = arena_array(&p->arena, x.who.n + 1, struct former);
	bool ok = !x.who.n || people(p, &v, former, e);
	names_close(&x);
	*out = v.former;
	*n = v.n_former;
	return ok;
}
