/* mapping_draft.c: drafting and refreshing the three files. Called by `mvchat map` and `mvchat move`. Decisions, notes, target
 * names and the user's own columns are kept; suggestions are made anew; rows never vanish; mvchat.yaml is written only when
 * there is none. Each file is whole or untouched (core/outfile), and written only when its bytes change. */
#include "mapping/mapping_draft.h"

#include "core/canon.h"
#include "core/clock.h"
#include "core/outfile.h"
#include "mapping/mapping_match.h"
#include "mapping/mapping_members.h"
#include "mapping/mapping_names.h"
#include "mapping/mapping_rows.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 64 << 20 };

struct draft {
	const struct survey *s;
	struct mapping *m;
	struct matcher *mt;
	struct arena *a;             /* the caller's: results */
	struct draft_result *out;
	const char **asks; size_t cap_asks;
	struct table users;          /* source id -> struct user */
	struct table members;        /* source id -> struct member */
	struct table taken;          /* folded names of chats: rows and the live target's */
	struct table shared;         /* folded names of channels that several workspaces have */
};

static void question(struct draft *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void question(struct draft *d, const char *fmt, ...)
{
	char line[2048];
	struct draft_result *o = d->out;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), err_word(fmt), ap);
	va_end(ap);
	if (o->n_unresolved == d->cap_asks) {
		d->cap_asks = d->cap_asks ? 2 * d->cap_asks : 32;
		const char **v = arena_array(d->a, d->cap_asks, const char *);
		if (o->n_unresolved)
			memcpy(v, d->asks, o->n_unresolved * sizeof(*v));
		d->asks = v;
	}
	d->asks[o->n_unresolved++] = arena_strdup(d->a, line);
	o->unresolved = d->asks;
}

/* What is written into the tables is in the project's language, whoever runs the program. */
static const char *in(const struct draft *d, const char *en, const char *ru) __attribute__((format_arg(2), format_arg(3)));

static const char *in(const struct draft *d, const char *en, const char *ru)
{
	return streq(d->m->cfg.c.locale, "ru") ? ru : en;
}

/* Row of a source id: the one that is there, or a new one at the end. */
static size_t row_of(struct draft *d, struct sheet *sh, struct table *index, const char *id)
{
	size_t at = (size_t)(uintptr_t)table_get(index, sheet_key(id));
	if (at) {
		d->out->n_rows_kept++;
		return at - 1;
	}
	struct sheet_row *r = sheet_add(sh, &d->m->a);
	r->cells[0] = id;
	table_put(index, sheet_key(id), (void *)(uintptr_t)sh->n_rows);
	d->out->n_rows_new++;
	return sh->n_rows - 1;
}

static void index_rows(const struct sheet *sh, struct table *t)
{
	table_init(t);
	for (size_t i = 0; i < sh->n_rows; i++)
		table_put(t, sheet_key(sh->rows[i].cells[0]), (void *)(uintptr_t)(i + 1));
}

/* Source objects in the order of their ids: new rows come in an order that does not depend on the archive's. */
struct by_id { const char *id; size_t i; };

static int compare_ids(const void *a, const void *b)
{
	const struct by_id *x = a, *y = b;
	int c = strcmp(x->id, y->id);
	return c ? c : (x->i > y->i) - (x->i < y->i);
}

static void mark_stale(struct draft *d, struct sheet *sh, size_t n_before, const bool *seen, size_t suggestion, size_t reason)
{
	for (size_t i = 0; i < n_before; i++)
		if (!seen[i]) {
			sh->rows[i].cells[suggestion] = "stale";
			sh->rows[i].cells[reason] = in(d, "no longer in the archives", "в архивах этого больше нет");
			d->out->n_rows_stale++;
		}
}

static const char *day_text(struct draft *d, int64_t us)
{
	char iso[32];
	if (!us)
		return "";
	clock_iso(us, iso);
	return arena_strndup(&d->m->a, iso, 10);
}

/* ---- people ---- */

/* A missing e-mail comes from the members list; one that is there stays, and a difference is told. */
static void fill_email(struct draft *d, const struct user *u, struct sheet_row *r)
{
	struct arena *a = &d->m->a;
	const struct member *m = table_get(&d->members, sheet_key(u->id));
	bool known = u->email && *u->email;
	if (known)
		r->cells[U_EMAIL] = u->email;
	if (!m || !*m->email)
		return;
	if (!*r->cells[U_EMAIL])
		r->cells[U_EMAIL] = m->email;
	else if (!streq(names_fold(r->cells[U_EMAIL], a), names_fold(m->email, a)))
		question(d, "users.csv, row %s (%s): %s says %s, the members list %s; the first is used.", u->id, u->name ? u->name : u->id,
		         err_word(known ? N_("the archive") : N_("the table")), r->cells[U_EMAIL], m->email);
}

static void fill_user(struct draft *d, const struct user *u, int64_t n_msgs, struct sheet_row *r)
{
	struct arena *a = &d->m->a;
	r->cells[U_NAME] = u->name ? u->name : "";
	r->cells[U_HANDLE] = u->handle ? u->handle : "";
	fill_email(d, u, r);
	r->cells[U_FLAGS] = mapping_flags_text(u->flags, a);
	r->cells[U_MESSAGES] = arena_fmt(a, "%lld", (long long)n_msgs);
	/* With no view of the target, what an earlier look at it found stays. */
	if (!d->s->n_people && *r->cells[U_TARGET]) {
		if (streq(r->cells[U_SUGGESTION], "stale"))
			r->cells[U_SUGGESTION] = atoi(r->cells[U_CONFIDENCE]) >= CONFIDENCE_PHONE ? "match" : "ask";
		return;
	}
	struct match x = match_person(d->mt, u, r->cells[U_EMAIL], a);
	r->cells[U_TARGET] = x.target_id ? x.target_id : "";
	r->cells[U_CONFIDENCE] = x.confidence ? arena_fmt(a, "%d", x.confidence) : "";
	r->cells[U_REASON] = x.reason;
	r->cells[U_SUGGESTION] = x.asks ? "ask" : x.confidence ? "match" : "";
	/* A decision that names an e-mail is looked up here; the reason says so and mapping_rows.c relies on it. */
	const char *decision = sheet_meant(r->cells[U_DECISION], a);
	const char *email = !strncmp(decision, "match:", 6) ? sheet_meant(decision + 6, a) : decision;
	const struct target_person *p = strchr(email, '@') && !strchr(email, ':') ? match_by_email(d->mt, email, a) : NULL;
	if (p) {
		r->cells[U_TARGET] = p->id;
		r->cells[U_CONFIDENCE] = "100";
		r->cells[U_SUGGESTION] = "match";
		r->cells[U_REASON] = arena_fmt(a, "decision: %s", email);
	}
}

static void draft_users(struct draft *d)
{
	const struct survey *s = d->s;
	struct sheet *sh = &d->m->users;
	struct table index;
	size_t before = sh->n_rows;
	bool *seen = xcalloc(before + 1, sizeof(*seen));
	struct by_id *order = xcalloc(s->n_users + 1, sizeof(*order));
	index_rows(sh, &index);
	for (size_t i = 0; i < s->n_users; i++)
		order[i] = (struct by_id){ s->users[i].id, i };
	qsort(order, s->n_users, sizeof(*order), compare_ids);
	for (size_t i = 0; i < s->n_users; i++) {
		const struct user *u = &s->users[order[i].i];
		if (i && streq(order[i].id, order[i - 1].id))
			continue;
		size_t r = row_of(d, sh, &index, u->id);
		if (r < before)
			seen[r] = true;
		fill_user(d, u, s->user_msgs ? s->user_msgs[order[i].i] : 0, &sh->rows[r]);
	}
	mark_stale(d, sh, before, seen, U_SUGGESTION, U_REASON);
	table_release(&index);
	free(order);
	free(seen);
}

/* The suggestion column says what happens without a decision; only "match" and "ask" are read back. */
static void suggest_users(struct draft *d)
{
	struct table index;
	index_rows(&d->m->users, &index);
	struct arena step;
	arena_init(&step);
	for (size_t i = 0; i < d->s->n_users; i++) {
		const struct user *u = &d->s->users[i];
		struct person p;
		arena_reset(&step);
		decide_person(d->m, u, &step, &p, NULL);
		size_t at = (size_t)(uintptr_t)table_get(&index, sheet_key(u->id));
		struct sheet_row *r = &d->m->users.rows[at - 1];
		const struct user_row *row = rows_user(d->m, u->id);
		d->out->n_people_matched += p.action == PERSON_MATCH;
		d->out->n_people_create += p.action == PERSON_CREATE;
		d->out->n_people_label += p.action == PERSON_LABEL;
		d->out->n_people_skip += p.action == PERSON_SKIP;
		if (row->decision == DECIDE_NOTHING && !row->suggests_match && !row->asks)
			r->cells[U_SUGGESTION] = p.action == PERSON_CREATE ? (p.suspended ? "create-suspended" : "create")
			                         : p.action == PERSON_SKIP ? "skip" : "label";
		const struct target_person *t = row->decided_id && d->s->n_people ? match_by_id(d->mt, row->decided_id) : NULL;
		if (row->decision == DECIDE_MATCH && row->decided_id && d->s->n_people && !t) {
			d->out->n_people_unresolved++;
			question(d, "users.csv, row %s (%s): the decision names account %s, which the target does not have.", u->id, p.name, row->decided_id);
		} else if (p.unresolved) {
			d->out->n_people_unresolved++;
			question(d, "users.csv, row %s (%s): %s; write match:ID, create, label or skip into 'decision'.", u->id, p.name, words_of_rule(p.why, &step));
		} else if (row->decision == DECIDE_NOTHING && row->asks && row->in_pilot) {
			question(d, "users.csv, row %s (%s): %s%s%s; only the name will be shown unless 'decision' says match:ID.", u->id, p.name,
			         row->reason, row->suggested_id ? err_word(", account ") : "", row->suggested_id ? row->suggested_id : "");
		}
	}
	arena_release(&step);
	table_release(&index);
}

/* ---- places ---- */

/* A name nobody has yet: "name", "name (2)", "name (3)"…, never longer than the target takes. */
static const char *free_name(struct draft *d, const char *wanted, const char *id)
{
	struct arena *a = &d->m->a;
	const char *name = names_fit(wanted, id, d->s->name_max, a);
	for (int n = 2; table_get(&d->taken, names_fold(name, a)); n++) {
		const char *tail = arena_fmt(a, " (%d)", n);
		int64_t room = d->s->name_max > 0 ? d->s->name_max - (int64_t)strlen(tail) : 0;
		name = arena_fmt(a, "%s%s", names_fit(wanted, id, room, a), tail);
	}
	table_put(&d->taken, names_fold(name, a), d);
	return name;
}

static const struct target_chat *chat_named(const struct draft *d, const char *name)
{
	struct arena a;
	arena_init(&a);
	const struct target_chat *found = NULL;
	const char *want = names_fold(name, &a);
	for (size_t i = 0; i < d->s->n_chats && !found; i++) {
		const struct target_chat *t = &d->s->chats[i];
		if (!t->personal && t->name && streq(want, names_fold(t->name, &a)))
			found = t;
	}
	arena_release(&a);
	return found;
}

/* The chat that was made for it before it had a row. */
static const struct target_chat *chat_made_for(const struct draft *d, const struct conv *c)
{
	for (size_t i = 0; i < d->s->n_chats; i++)
		if (d->s->chats[i].made_for && streq(d->s->chats[i].made_for, c->id))
			return &d->s->chats[i];
	return NULL;
}

static void name_place(struct draft *d, const struct conv *c, struct sheet_row *r)
{
	struct arena *a = &d->m->a;
	const struct target_chat *own = chat_made_for(d, c);
	if (own && own->name) {
		r->cells[C_TARGET_NAME] = own->name;
		r->cells[C_REASON] = "";
		return;
	}
	const char *wanted = decide_name(d->m, c, &d->users, a);
	const bool shared = c->space && c->name && table_get(&d->shared, names_fold(c->name, a));
	if (shared)
		wanted = arena_fmt(a, "%s · %s", wanted, c->space);
	const char *fitted = names_fit(wanted, c->id, d->s->name_max, a);
	bool clash = table_get(&d->taken, names_fold(fitted, a)) != NULL;
	r->cells[C_TARGET_NAME] = free_name(d, wanted, c->id);
	r->cells[C_REASON] = clash ? in(d, "the name is taken", "название занято") : !streq(fitted, wanted) ? in(d, "the name is too long", "название слишком длинное")
	                     : shared ? in(d, "several workspaces have the name", "такое название есть в нескольких пространствах") : "";
	const struct target_chat *t = clash ? chat_named(d, fitted) : NULL;
	if (!t)
		return;
	r->cells[C_REASON] = arena_fmt(a, in(d, "the target has a chat of this name: %s", "в мессенджере есть чат с таким названием: %s"), t->id);
	d->out->n_places_unresolved++;
	question(d, "channels.csv, row %s (%s): the target already has a chat '%s' (%s); a new one will be called '%s' unless 'decision' says adopt:%s.",
	         c->id, wanted, fitted, t->id, r->cells[C_TARGET_NAME], t->id);
}

static void fill_place(struct draft *d, const struct conv *c, const struct conv_stats *st, struct sheet_row *r)
{
	struct arena *a = &d->m->a;
	const char *kind = conv_kind_name(c->kind);
	bool direct = c->kind == CONV_DM || c->kind == CONV_GROUP;
	r->cells[C_NAME] = direct ? decide_name(d->m, c, &d->users, a) : c->name ? c->name : "";
	r->cells[C_KIND] = kind ? kind : "";
	r->cells[C_ARCHIVED] = c->archived ? "yes" : "";
	r->cells[C_MESSAGES] = arena_fmt(a, "%lld", (long long)(st ? st->n_msgs : 0));
	r->cells[C_FIRST] = st ? day_text(d, st->first_us) : "";
	r->cells[C_LAST] = st ? day_text(d, st->last_us) : "";
	if (streq(r->cells[C_SUGGESTION], "stale"))
		r->cells[C_SUGGESTION] = r->cells[C_REASON] = "";
}

/* An organisation's workspaces all have a "general": each is told by its workspace, whichever is read first. */
static void find_shared(struct draft *d)
{
	struct arena *a = &d->m->a;
	struct table first;
	table_init(&first);
	for (size_t i = 0; i < d->s->n_convs; i++) {
		const struct conv *c = &d->s->convs[i];
		if (!c->space || !c->name || c->kind == CONV_DM || c->kind == CONV_GROUP)
			continue;
		const char *key = names_fold(c->name, a), *space = table_get(&first, key);
		if (!space)
			table_put(&first, key, (void *)(uintptr_t)c->space);
		else if (!streq(space, c->space))
			table_put(&d->shared, key, d);
	}
	table_release(&first);
}

static void draft_places(struct draft *d)
{
	const struct survey *s = d->s;
	struct sheet *sh = &d->m->channels;
	struct arena *a = &d->m->a;
	struct table index;
	size_t before = sh->n_rows;
	bool *seen = xcalloc(before + 1, sizeof(*seen));
	struct by_id *order = xcalloc(s->n_convs + 1, sizeof(*order));
	index_rows(sh, &index);
	find_shared(d);
	/* Names already given stay given; then the live target's; then new ones, in the order of the source ids. */
	for (size_t i = 0; i < before; i++)
		if (*sh->rows[i].cells[C_TARGET_NAME])
			table_put(&d->taken, names_fold(sh->rows[i].cells[C_TARGET_NAME], a), d);
	for (size_t i = 0; i < s->n_chats; i++)
		if (s->chats[i].name && !s->chats[i].personal)
			table_put(&d->taken, names_fold(s->chats[i].name, a), d);
	for (size_t i = 0; i < s->n_convs; i++)
		order[i] = (struct by_id){ s->convs[i].id, i };
	qsort(order, s->n_convs, sizeof(*order), compare_ids);
	for (size_t i = 0; i < s->n_convs; i++) {
		const struct conv *c = &s->convs[order[i].i];
		if (i && streq(order[i].id, order[i - 1].id))
			continue;
		size_t r = row_of(d, sh, &index, c->id);
		if (r < before)
			seen[r] = true;
		fill_place(d, c, s->conv_stats ? &s->conv_stats[order[i].i] : NULL, &sh->rows[r]);
		if (!*sh->rows[r].cells[C_TARGET_NAME])
			name_place(d, c, &sh->rows[r]);
	}
	mark_stale(d, sh, before, seen, C_SUGGESTION, C_REASON);
	table_release(&index);
	free(order);
	free(seen);
}

static void check_adopted(struct draft *d, const struct conv *c, const struct place *p)
{
	const struct target_chat *t = NULL;
	for (size_t i = 0; i < d->s->n_chats && !t; i++)
		if (streq(d->s->chats[i].id, p->target_id))
			t = &d->s->chats[i];
	if (!d->s->n_chats || (t && !t->personal && !t->archived && (!t->is_public || p->is_public)))
		return;
	d->out->n_places_unresolved++;
	const char *why = !t ? N_("the target has no such chat") : t->personal ? N_("that is a personal chat") : t->archived ? N_("that chat is archived")
	                  : N_("that chat is public and the source is private");
	question(d, "channels.csv, row %s (%s): the decision says adopt:%s, but %s.", c->id, p->name, p->target_id, err_word(why));
}

static void suggest_places(struct draft *d)
{
	struct table index;
	index_rows(&d->m->channels, &index);
	struct arena step;
	arena_init(&step);
	for (size_t i = 0; i < d->s->n_convs; i++) {
		const struct conv *c = &d->s->convs[i];
		struct place p;
		arena_reset(&step);
		decide_place(d->m, c, &step, &p, NULL);
		d->out->n_places_create += p.action == PLACE_CREATE;
		d->out->n_places_adopt += p.action == PLACE_ADOPT;
		d->out->n_places_skip += p.action == PLACE_SKIP;
		const struct place_row *row = rows_place(d->m, c->id);
		struct sheet_row *r = &d->m->channels.rows[(size_t)(uintptr_t)table_get(&index, sheet_key(c->id)) - 1];
		if (row->decision == PLACE_DECIDE_NOTHING)
			r->cells[C_SUGGESTION] = p.action == PLACE_SKIP ? "skip" : "create";
		if (p.action == PLACE_ADOPT && !p.into)
			check_adopted(d, c, &p);
	}
	arena_release(&step);
	table_release(&index);
}

static void check_archives(struct draft *d)
{
	const struct mapping_config *c = &d->m->cfg.c;
	for (size_t i = 0; i < d->s->n_archives; i++) {
		bool listed = false;
		for (size_t j = 0; j < c->n_archives; j++)
			listed = listed || streq(d->s->archives[i].path, c->archives[j].path);
		if (!listed)
			question(d, "mvchat.yaml: the archive '%s' is not listed; add '- path: …' under 'archives' or it will not be replayed.",
			         d->s->archives[i].path);
	}
}

/* ---- files ---- */

static bool put_file(struct draft *d, const char *name, const struct buf *text, mode_t mode, bool *wrote, struct err *e)
{
	const char *path = arena_fmt(&d->m->a, "%s/%s", d->m->dir, name);
	char *old;
	size_t len;
	*wrote = false;
	if (text->full)
		return err_set(e, ERR_INTERNAL, "'%s' would grow beyond %d MiB", path, FILE_MAX >> 20);
	if (!rows_slurp(path, &old, &len, e))
		return false;
	bool same = old && len == text->len && !memcmp(old, text->p, len);
	free(old);
	if (same)
		return true;
	struct stat st;
	if (stat(path, &st) == 0)
		mode = st.st_mode & 0777; /* a team that shares the project keeps sharing it */
	struct outfile o;
	if (!outfile_open(&o, path, mode, e))
		return false;
	if (fwrite(text->p, 1, text->len, o.f) != text->len) {
		err_set(e, ERR_INTERNAL, "cannot write '%s':", path);
		outfile_abort(&o);
		return false;
	}
	*wrote = outfile_commit(&o, e);
	return *wrote;
}

static bool put_files(struct draft *d, const struct buf *page, struct err *e)
{
	struct buf b;
	buf_init(&b, FILE_MAX);
	/* The page comes last: while it is missing the project is a draft that is simply made again. */
	sheet_write(&d->m->users, &b);
	bool ok = put_file(d, "users.csv", &b, 0600, &d->out->wrote_users, e);
	buf_reset(&b);
	sheet_write(&d->m->channels, &b);
	ok = ok && put_file(d, "channels.csv", &b, 0600, &d->out->wrote_channels, e);
	if (page)
		ok = ok && put_file(d, "mvchat.yaml", page, 0644, &d->out->wrote_yaml, e);
	buf_release(&b);
	return ok;
}

static bool draft_all(struct draft *d, struct buf *page, struct err *e)
{
	const struct survey *s = d->s;
	/* A page that this very program would refuse must not be left behind, so it is read like any other. */
	if (page && (!rows_read_config(d->m, page->p, page->len, e) || !rows_build(d->m, e)))
		return false;
	for (size_t i = 0; i < s->n_users; i++)
		table_put(&d->users, s->users[i].id, (void *)(uintptr_t)&s->users[i]);
	const char *list = d->m->cfg.members_list, *const *twice;
	size_t n_twice = 0;
	if (list && !members_read(*list == '/' ? list : arena_fmt(&d->m->a, "%s/%s", d->m->dir, list), list, &d->m->a, &d->members, &twice, &n_twice, e))
		return false;
	for (size_t i = 0; i < n_twice; i++)
		question(d, "%s", twice[i]);
	d->mt = match_open(s, d->m->cfg.c.locale, &d->m->a);
	draft_users(d);
	draft_places(d);
	bool ok = rows_build(d->m, e);
	if (ok) {
		suggest_users(d);
		suggest_places(d);
		check_archives(d);
		ok = put_files(d, page, e);
	}
	match_close(d->mt);
	return ok;
}

bool mapping_draft(const char *dir, const struct survey *s, struct arena *a, struct draft_result *out, struct err *e)
{
	bool has_yaml;
	*out = (struct draft_result){ 0 };
	struct draft d = { .s = s, .a = a, .out = out, .m = rows_open(dir, LOAD_DRAFT, &has_yaml, e) };
	if (!d.m)
		return false;
	struct buf page;
	buf_init(&page, FILE_MAX);
	if (!has_yaml)
		draft_page(s, &page);
	bool ok = draft_all(&d, has_yaml ? NULL : &page, e);
	buf_release(&page);
	table_release(&d.users);
	table_release(&d.taken);
	table_release(&d.shared);
	table_release(&d.members);
	mapping_free(d.m);
	return ok;
}
