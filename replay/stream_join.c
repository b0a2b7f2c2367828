/* stream_join.c: who joins a chat: its members in portions, then roles and tags.
 *
 * Promises: a portion's id says who is in it, so that a later run sees whether these people have been let in. Nobody joins who has no
 * account, has lost access or is no person. Called by stream.c and stream_finish.c (ops), by plan*.c, verify and adopt.c (questions).
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
enum join { JOIN_NOW, JOIN_EXPECTED };
static size_t joiners(struct stream *s, const struct spot *sp, enum join when, struct arena *a, const char ***ids)
{
	struct spool_conv c;
	struct arena read; /* the record is many times larger than what is taken from it, and a thousand lanes may be here */
	size_t n = 0, kept = 0;
	if (!sp->place.join_members || !(s->tr.caps & CAP_MEMBERS))
		return 0;
	arena_init(&read);
	if (!spool_conv(s->x.spool, sp->id, &read, &c)) {
		arena_release(&read);
		return 0;
	}
	const char **v = arena_array(a, c.conv.n_members + 1, const char *);
	for (size_t i = 0; i < c.conv.n_members; i++) {
		const struct someone *w = stream_someone(s, c.conv.members[i]);
		if (!w->known || w->suspended || (w->flags & (USER_BOT | USER_GONE | USER_SYSTEM)))
			continue;
		if (w->action != PERSON_MATCH && w->action != PERSON_CREATE)
			continue;
		const char *target = stream_user_target(s, c.conv.members[i], a);
		if (!target && when == JOIN_EXPECTED && (s->tr.caps & CAP_USER_CREATE)) {
			struct ledger_row row;
			const char *main = mapping_same_person(s->x.mapping, c.conv.members[i]);
			struct opkey k = { 0, 0, main, OP_USER_CREATE, 0 };
			stream_row(s, &k, a, &row);
			target = stream_todo(row.state) ? arena_fmt(a, "new %s", main) : NULL;
		}
		if (target)
			v[n++] = target;
	}
	arena_release(&read);
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

static size_t portion_max(const struct stream *s)
{
	return s->tr.members_max > 0 ? (size_t)s->tr.members_max : 50;
}

/* After the portions: one op for each administrator, editor and tag. id: "admin:ACCOUNT", "editor:ACCOUNT", "tag:NAME". */
struct extra_join { const char *id, *who, *tag, *role; };

/* Who has joined gets the role; whoever administers a chat already edits it. */
static size_t add_roles(struct stream *s, const char *role, const char *const *people, size_t n_people, const char *const *ids, size_t joined,
                        struct arena *a, struct extra_join *out, size_t n)
{
	for (size_t i = 0; i < n_people; i++) {
		const char *target = stream_user_target(s, people[i], a);
		const char *expected = target ? target : arena_fmt(a, "new %s", mapping_same_person(s->x.mapping, people[i]));
		bool in = false, twice = false;
		for (size_t k = 0; k < joined && !in; k++)
			in = streq(ids[k], expected);
		for (size_t k = 0; k < n && !twice; k++)
			twice = streq(out[k].who, expected);
		if (in && !twice)
			out[n++] = (struct extra_join){ arena_fmt(a, "%s:%s", role, expected), expected, NULL, role };
	}
	return n;
}

static size_t extra_joins(struct stream *s, const struct spot *sp, enum join when, struct arena *a, struct extra_join **out)
{
	struct spool_conv c;
	struct company co;
	const char **ids = NULL;
	size_t n = 0, joined;
	*out = NULL;
	arena_reset(&s->trial);
	if (!sp->place.join_members || !(s->tr.caps & CAP_MEMBERS) || !spool_conv(s->x.spool, sp->id, &s->trial, &c))
		return 0;
	mapping_company(s->x.mapping, &c.conv, &s->trial, &co);
	if (sp->place.action != PLACE_ADOPT)
		co.n_editors = 0; /* there are editors in channels of the target only, and what is made here is a chat */
	if (!co.n_admins && !co.n_editors && !co.n_tags)
		return 0;
	joined = joiners(s, sp, when, a, &ids);
	*out = arena_array(a, co.n_admins + co.n_editors + co.n_tags, struct extra_join);
	n = add_roles(s, "admin", co.admins, co.n_admins, ids, joined, a, *out, n);
	n = add_roles(s, "editor", co.editors, co.n_editors, ids, joined, a, *out, n);
	for (size_t i = 0; i < co.n_tags; i++)
		(*out)[n++] = (struct extra_join){ arena_fmt(a, "tag:%s", co.tags[i]), "", arena_strdup(a, co.tags[i]), NULL };
	return n;
}

static bool next_extra(struct stream *s, const struct goal *g, const char *want, enum op_state want_state, struct arena *a, struct stream_op *out)
{
	struct extra_join *v;
	size_t n = extra_joins(s, g->sp, JOIN_NOW, a, &v);
	struct ledger_row row;
	for (size_t i = 0; i < n; i++) {
		struct opkey k = { stream_lconv(s, g->sp), 0, v[i].id, OP_MEMBERS, 0 };
		stream_row(s, &k, a, &row);
		if (want ? !streq(want, k.id) : !stream_todo(row.state))
			continue;
		struct op *op = stream_op_begin(out, &k, g, want ? want_state : row.state, a);
		const char **one = arena_array(a, 1, const char *);
		*one = v[i].tag ? v[i].tag : v[i].who;
		if (v[i].tag) {
			op->tags = one;
			op->n_tags = 1;
		} else {
			op->ids = one;
			op->n_ids = 1;
			op->as = v[i].role;
		}
		out->src_fp = hash64s(k.id);
		return true;
	}
	return false;
}

bool stream_next_members(struct stream *s, const struct goal *g, const char *want, enum op_state want_state, struct arena *a, struct stream_op *out)
{
	if (want && strncmp(want, "members:", 8) != 0)
		return next_extra(s, g, want, want_state, a, out);
	const char **ids = NULL;
	size_t n = joiners(s, g->sp, JOIN_NOW, a, &ids), max = portion_max(s), at = 0;
	struct ledger_row row;
	struct opkey k = { stream_lconv(s, g->sp), 0, "", OP_MEMBERS, 0 };
	for (; at < n; at += max) {
		k.id = portion_id(ids + at, n - at < max ? n - at : max, a);
		stream_row(s, &k, a, &row);
		if (want ? streq(want, k.id) : stream_todo(row.state))
			break;
	}
	if (at >= n && !want)
		return next_extra(s, g, NULL, OP_ABSENT, a, out);
	if (at >= n)
		at = 0;
	if (want)
		k.id = want;
	struct op *op = stream_op_begin(out, &k, g, want ? want_state : row.state, a);
	op->ids = ids + at;
	op->n_ids = !n ? 0 : n - at < max ? n - at : max;
	out->src_fp = hash64s(k.id);
	return true;
}

size_t stream_joiners(struct stream *s, const char *source_conv, struct arena *a, const char *const **ids)
{
	const char **v = NULL;
	struct spot *sp = stream_spot(s, source_conv);
	size_t n = sp ? joiners(s, sp, JOIN_NOW, a, &v) : 0;
	*ids = v;
	return n;
}

bool stream_portion(struct stream *s, struct spot *sp, size_t i, struct arena *a, const char **id, const char *const **ids, size_t *n)
{
	const char **all = NULL;
	size_t people = joiners(s, sp, JOIN_NOW, a, &all), max = portion_max(s), at = i * max;
	if (at >= people)
		return false;
	*n = people - at < max ? people - at : max;
	*ids = all + at;
	*id = portion_id(*ids, *n, a);
	return true;
}

bool stream_joining(struct stream *s, const char *source_conv, struct arena *a)
{
	struct spot *sp = stream_spot(s, source_conv);
	const char *id, *const *ids;
	struct ledger_row row;
	size_t n;
	for (size_t i = 0; sp && stream_portion(s, sp, i, a, &id, &ids, &n); i++) {
		struct opkey k = { stream_lconv(s, sp), 0, id, OP_MEMBERS, 0 };
		stream_row(s, &k, a, &row);
		if (row.state != OP_DONE)
			return true;
	}
	return false;
}

bool stream_extra(struct stream *s, struct spot *sp, size_t i, struct arena *a, struct stream_extra *out)
{
	struct extra_join *v;
	if (i >= extra_joins(s, sp, JOIN_NOW, a, &v))
		return false;
	*out = (struct stream_extra){ v[i].id, v[i].who, v[i].tag, v[i].role };
	return true;
}

int64_t stream_portions(struct stream *s, struct spot *sp, struct arena *a, int64_t *people)
{
	const char **ids = NULL;
	size_t n = joiners(s, sp, JOIN_EXPECTED, a, &ids), max = portion_max(s);
	int64_t todo = 0;
	*people = (int64_t)n;
	for (size_t at = 0; at < n; at += max) {
		struct ledger_row row;
		struct opkey k = { stream_lconv(s, sp), 0, portion_id(ids + at, n - at < max ? n - at : max, a), OP_MEMBERS, 0 };
		stream_row(s, &k, a, &row);
		todo += stream_todo(row.state);
	}
	struct extra_join *v;
	size_t extra = extra_joins(s, sp, JOIN_EXPECTED, a, &v);
	for (size_t i = 0; i < extra; i++) {
		struct ledger_row row;
		struct opkey k = { stream_lconv(s, sp), 0, v[i].id, OP_MEMBERS, 0 };
		stream_row(s, &k, a, &row);
		todo += stream_todo(row.state);
	}
	return todo;
}
