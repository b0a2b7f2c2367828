/* stream_join.c: who joins a chat: its members in portions, then roles and tags.
 *
 * Promises: a portion's id says who is in it, so that a later run sees whether these people have been let in. Nobody joins who has no
 * account, has lost access or is no person. One list (struct joins) tells all of it, in the order in which it is done. Called by stream.c and stream_finish.c (ops), by plan*.c, verify and adopt.c (questions).
 */
#include "replay/stream_step.h"

#include "core/hash.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* Target ids of those who join: members with an account, people only, none who has lost access. Sorted, each once. EXPECTED
 * also counts, under a stand-in, those whose account this plan will make first. */
static size_t joiners(struct stream *s, const struct conv *c, enum join_when when, struct arena *a, const char ***ids)
{
	size_t n = 0, kept = 0;
	const char **v = arena_array(a, c->n_members + 1, const char *);
	for (size_t i = 0; i < c->n_members; i++) {
		const struct someone *w = stream_someone(s, c->members[i]);
		if (!w->known || w->suspended || (w->flags & (USER_BOT | USER_GONE | USER_SYSTEM)))
			continue;
		if (w->action != PERSON_MATCH && w->action != PERSON_CREATE)
			continue;
		const char *target = stream_user_target(s, c->members[i], a);
		if (!target && when == JOIN_EXPECTED && (s->tr.caps & CAP_USER_CREATE)) {
			struct ledger_row row;
			const char *main = mapping_same_person(s->x.mapping, c->members[i]);
			struct opkey k = { 0, 0, main, OP_USER_CREATE, 0 };
			stream_row(s, &k, a, &row);
			target = stream_todo(row.state) ? arena_fmt(a, "new %s", main) : NULL;
		}
		if (target)
			v[n++] = target;
	}
	qsort(v, n, sizeof(*v), by_text);
	for (size_t i = 0; i < n; i++)
		if (!kept || !streq(v[kept - 1], v[i]))
			v[kept++] = v[i];
	*ids = v;
	return kept;
}

/* A portion's identity is who is in it: a second run with the same people finds it done, new people make a new portion. */
static const char *portion_id(const char *const *ids, size_t n, struct arena *a)
{
	uint64_t h = 0;
	for (size_t i = 0; i < n; i++)
		h = hash64(ids[i], strlen(ids[i]) + 1, h);
	return arena_fmt(a, "members:%016" PRIx64, h);
}

static void add(struct joins *j, enum join_what what, const char *role, const char *id, const char *const *who, size_t n)
{
	j->v[j->n++] = (struct join){ id, what, role, who, n };
}

static const char *const *one_of(const char *s, struct arena *a)
{
	const char **v = arena_array(a, 1, const char *);
	*v = s;
	return v;
}

/* Who has joined gets the role; whoever administers a chat already edits it. */
static void add_roles(struct stream *s, struct joins *j, const char *role, const char *const *people, size_t n_people, struct arena *a)
{
	for (size_t i = 0; i < n_people; i++) {
		const char *target = stream_user_target(s, people[i], a);
		const char *expected = target ? target : arena_fmt(a, "new %s", mapping_same_person(s->x.mapping, people[i]));
		bool in = false, twice = false;
		for (size_t k = 0; k < j->n_people && !in; k++)
			in = streq(j->people[k], expected);
		for (size_t k = j->n_portions; k < j->n && !twice; k++)
			twice = streq(*j->v[k].who, expected);
		if (in && !twice)
			add(j, JOIN_ROLE, role, arena_fmt(a, "%s:%s", role, expected), one_of(expected, a), 1);
	}
}

void stream_joins(struct stream *s, const struct spot *sp, enum join_when when, struct arena *a, struct joins *out)
{
	struct spool_conv c;
	struct company co;
	struct arena read; /* the record is many times larger than what is taken from it, and a thousand lanes may be here */
	const char **ids;
	*out = (struct joins){ 0 };
	if (!sp->place.join_members || !(s->tr.caps & CAP_MEMBERS))
		return;
	arena_init(&read);
	if (spool_conv(s->x.spool, sp->id, &read, &c)) {
		size_t max = s->tr.members_max > 0 ? (size_t)s->tr.members_max : 50;
		mapping_company(s->x.mapping, &c.conv, &read, &co);
		if (sp->place.action != PLACE_ADOPT)
			co.n_editors = 0; /* there are editors in channels of the target only, and what is made here is a chat */
		out->n_people = joiners(s, &c.conv, when, a, &ids);
		out->people = ids;
		out->v = arena_array(a, out->n_people / max + 1 + co.n_admins + co.n_editors + co.n_tags, struct join);
		for (size_t at = 0; at < out->n_people; at += max) {
			size_t n = out->n_people - at < max ? out->n_people - at : max;
			add(out, JOIN_PORTION, NULL, portion_id(ids + at, n, a), ids + at, n);
		}
		out->n_portions = out->n;
		add_roles(s, out, "admin", co.admins, co.n_admins, a);
		add_roles(s, out, "editor", co.editors, co.n_editors, a);
		for (size_t i = 0; i < co.n_tags; i++)
			add(out, JOIN_TAG, NULL, arena_fmt(a, "tag:%s", co.tags[i]), one_of(arena_strdup(a, co.tags[i]), a), 1);
	}
	arena_release(&read);
}

static enum op_state state_of(struct stream *s, struct spot *sp, const struct join *j, struct arena *a)
{
	struct ledger_row row;
	struct opkey k = { stream_lconv(s, sp), 0, j->id, OP_MEMBERS, 0 };
	stream_row(s, &k, a, &row);
	return row.state;
}

static void join_op(struct stream *s, const struct goal *g, const struct join *j, const char *id, enum op_state state, struct arena *a, struct stream_op *out)
{
	struct opkey k = { stream_lconv(s, g->sp), 0, id, OP_MEMBERS, 0 };
	struct op *op = stream_op_begin(out, &k, g, state, a);
	if (j->what == JOIN_TAG) {
		op->tags = j->who;
		op->n_tags = j->n;
	} else {
		op->ids = j->who;
		op->n_ids = j->n;
		op->as = j->role;
	}
	out->src_fp = hash64s(id);
}

bool stream_next_members(struct stream *s, const struct goal *g, struct arena *a, struct stream_op *out)
{
	struct joins j;
	stream_joins(s, g->sp, JOIN_NOW, a, &j);
	for (size_t i = 0; i < j.n; i++) {
		enum op_state state = state_of(s, g->sp, &j.v[i], a);
		if (!stream_todo(state))
			continue;
		join_op(s, g, &j.v[i], j.v[i].id, state, a, out);
		return true;
	}
	return false;
}

bool stream_reopen_members(struct stream *s, const struct goal *g, const char *id, enum op_state state, struct arena *a, struct stream_op *out)
{
	static const struct join nobody = { .what = JOIN_PORTION };
	struct joins j;
	size_t i = 0;
	stream_joins(s, g->sp, JOIN_NOW, a, &j);
	while (i < j.n && !streq(j.v[i].id, id))
		i++;
	if (i == j.n && !str_begins(id, "members:"))
		return false;
	join_op(s, g, i < j.n ? &j.v[i] : j.n_portions ? &j.v[0] : &nobody, id, state, a, out);
	return true;
}

size_t stream_joiners(struct stream *s, const char *source_conv, struct arena *a, const char *const **ids)
{
	struct joins j = { 0 };
	struct spot *sp = stream_spot(s, source_conv);
	if (sp)
		stream_joins(s, sp, JOIN_NOW, a, &j);
	*ids = j.people;
	return j.n_people;
}

bool stream_joining(struct stream *s, const char *source_conv, struct arena *a)
{
	struct joins j = { 0 };
	struct spot *sp = stream_spot(s, source_conv);
	if (sp)
		stream_joins(s, sp, JOIN_NOW, a, &j);
	for (size_t i = 0; i < j.n_portions; i++)
		if (state_of(s, sp, &j.v[i], a) != OP_DONE)
			return true;
	return false;
}

int64_t stream_joins_todo(struct stream *s, struct spot *sp, struct arena *a, int64_t *people)
{
	struct joins j;
	int64_t todo = 0;
	stream_joins(s, sp, JOIN_EXPECTED, a, &j);
	*people = (int64_t)j.n_people;
	for (size_t i = 0; i < j.n; i++)
		todo += stream_todo(state_of(s, sp, &j.v[i], a));
	return todo;
}
