/* spool_merge.c: which copies, made on several devices, are one chat, and who is who in them.
 *
 * Called by spool_finish when the importers have ended. Where a messenger keeps a chat on each device (struct copy,
 * importers/importer.h), several exports of one chat differ in clock, names, language, and in what is missing. This file finds the
 * copies that are one chat (spool_survey.c compares them), spool_fold.c puts their messages together, align_match.c says which are the same.
 *
 * Promises:
 *  - Copies are put together on strong evidence only: the same texts at the same times on a clock that is off by a constant
 *    (which may change with summer time), in most of what both cover; or the same title and the same people where they do not
 *    overlap. Two chats that merely have one title stay apart, and both cases are told.
 *  - The first copy, in the order of the archives, gives the chat its id, its clock and its people their ids; so an archive that
 *    is added at the end changes none. What was written in earlier runs (struct spool_past) keeps the id and time it was
 *    written under, whichever phone it came from (spool_written.c).
 *  - People are joined by what they said: who wrote the same message is the same person. Each joining is told as a fact.
 *  - Memory is bounded: a sample of texts (align.h) for three copies at a time, a window of messages, the people.
 */
#include "replay/spool_merge.h"

#include "core/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SKETCH_SHARED = 3,      /* hashes two sketches must share for a closer look */
	FIT_MIN = 5, FIT_BYTES = 100, /* copies with different titles: texts in common, and their length */
	SAME_TITLE_PERCENT = 20, OTHER_TITLE_PERCENT = 50,
	SAY_LITTLE = 10,        /* so few texts in the time both cover prove nothing */
};
/* WhatsApp lets people edit for a quarter of an hour and delete for sixty hours, and keeps what a phone has not fetched for thirty days. */
static const int64_t CHANGES_US = 33ll * 86400 * 1000000;

/* ---- which copies are one chat ---- */

enum verdict { VERDICT_OTHER, VERDICT_MAYBE, VERDICT_SAME };

struct chat {
	struct spool_copy *first;
	int64_t ended_us;                 /* the earliest end of what was put together, on the first one's clock */
	const char *id;                   /* under which it is known */
	size_t n;                         /* copies */
};

/* Passes over copies as they were read, the last few: most chats have few copies, and each is looked at more than once. */
enum { SURVEYS_KEPT = 3 };
struct kept { const struct spool_copy *copy; struct survey_of of; unsigned used; };

struct merging {
	struct spool *s;
	struct build *b;
	struct chat *chats; size_t n_chats;
	struct table ids;                 /* of chats */
	struct table aka;                 /* user id -> struct alias */
	struct kept kept[SURVEYS_KEPT]; unsigned uses;
};

struct alias { const char *to; bool clash; };

static int by_hash(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* What every pair of copies is asked for, so that a thousand chats are compared in no time. */
static void prepare(struct merging *g)
{
	for (size_t i = 0; i < g->b->n_copies; i++) {
		struct spool_copy *c = g->b->copies[i];
		struct conv v = { .kind = CONV_PRIVATE, .name = c->conv_id };
		arena_reset(&g->b->step);
		if (c->tally->pushed)
			spool_old_conv(g->s, c->tally->num, &v);
		c->kind = v.kind;
		c->title = arena_strdup(&g->b->run, v.name);
		qsort(c->sketch, c->n_sketch, sizeof(*c->sketch), by_hash);
	}
}

static bool sketches_meet(const struct spool_copy *a, const struct spool_copy *b)
{
	size_t n = 0;
	for (size_t i = 0, k = 0; n < SKETCH_SHARED && i < a->n_sketch && k < b->n_sketch;) {
		n += a->sketch[i] == b->sketch[k];
		if (a->sketch[i] <= b->sketch[k])
			i++;
		else
			k++;
	}
	return n >= SKETCH_SHARED;
}

/* People both copies have, by what they are called: in a group most of what was said, in a talk of two both of them. */
static bool same_people(const struct survey_of *a, const struct survey_of *b, enum conv_kind kind)
{
	int64_t common_a = 0, common_b = 0, all_a = 0, all_b = 0;
	size_t n = 0;
	for (size_t i = 0; i < b->people.n; i++) {
		const struct person *p = b->people.v[i], *q = table_get(&a->people.by_id, p->id);
		all_b += p->said;
		if (q) {
			common_b += p->said;
			common_a += q->said;
			n++;
		}
	}
	for (size_t i = 0; i < a->people.n; i++)
		all_a += a->people.v[i]->said;
	if (!all_a || !all_b)
		return true; /* one of them holds only notices */
	if (kind == CONV_DM)
		return n >= 2;
	return common_a * 2 >= all_a || common_b * 2 >= all_b;
}

static enum verdict judge(const struct compared *c, const struct survey_of *a, const struct survey_of *b, bool one_title, enum conv_kind kind)
{
	size_t percent = c->of_least ? c->fits * 100 / c->of_least : 0;
	bool clear = c->fits >= FIT_MIN && c->bytes >= FIT_BYTES && c->fits * 2 >= c->anchors;
	if (!one_title)
		return clear && percent >= OTHER_TITLE_PERCENT ? VERDICT_SAME : clear ? VERDICT_MAYBE : VERDICT_OTHER;
	if (c->fits && percent >= SAME_TITLE_PERCENT)
		return VERDICT_SAME;
	if (c->overlap && c->of_least >= SAY_LITTLE)
		return clear ? VERDICT_MAYBE : VERDICT_OTHER;
	return same_people(a, b, kind) ? VERDICT_SAME : VERDICT_OTHER;
}

static void say_apart(struct merging *g, const struct spool_copy *a, const struct spool_copy *b, const struct compared *c, enum verdict v)
{
	char what[320];
	const char *ta = a->title, *tb = b->title;
	if (v == VERDICT_MAYBE)
		snprintf(what, sizeof(what), "\"%.80s\" and \"%.80s\" have %zu texts in common, and more that are not: they may be one chat, and were kept apart", ta, tb, c->fits);
	else
		snprintf(what, sizeof(what), "two chats are called \"%.80s\" and have nothing in common (%zu of %zu texts): they were kept apart", ta, c->fits, c->of_least);
	what[utf8_cut(what, strlen(what))] = '\0';
	spool_put_hazard(g->s, HAZARD_WARN, v == VERDICT_MAYBE ? "maybe-one-chat" : "same-title", b->label, what);
}

/* A talk of two in the databases of both: each one's id ends in the number of the other's owner. */
static bool talk_of_both(const struct spool_copy *a, const struct spool_copy *b)
{
	if (a->ids != COPY_IDS_NATIVE || b->ids != COPY_IDS_NATIVE || !a->owner || !b->owner || streq(a->owner, b->owner))
		return false;
	const char *ta = strrchr(a->conv_id, ':'), *tb = strrchr(b->conv_id, ':'), *oa = strrchr(a->owner, ':'), *ob = strrchr(b->owner, ':');
	return ta && tb && oa && ob && streq(ta, ob) && streq(tb, oa);
}

/* A pass over a copy that nothing was put into yet; other than `but`, it may be the one that goes. */
static struct survey_of *survey(struct merging *g, const struct spool_copy *c, const struct spool_copy *but)
{
	struct kept *oldest = NULL;
	for (size_t i = 0; i < SURVEYS_KEPT; i++) {
		struct kept *k = &g->kept[i];
		if (k->copy == c) {
			k->used = ++g->uses;
			return &k->of;
		}
		if (!k->copy || k->copy != but)
			oldest = !oldest || k->used < oldest->used ? k : oldest;
	}
	survey_free(&oldest->of);
	survey_copy(g->s, c->tally->num, &oldest->of);
	oldest->copy = c;
	oldest->used = ++g->uses;
	return &oldest->of;
}

static void forget_survey(struct merging *g, const struct spool_copy *c)
{
	for (size_t i = 0; i < SURVEYS_KEPT; i++)
		if (g->kept[i].copy == c) {
			survey_free(&g->kept[i].of);
			g->kept[i] = (struct kept){ .copy = NULL };
		}
}

/* The chat a copy belongs to, or the number of chats: to none yet. */
static size_t chat_of(struct merging *g, const struct spool_copy *c)
{
	size_t best = g->n_chats, best_fits = 0;
	struct { const struct spool_copy *copy; struct compared cmp; enum verdict v; } apart = { .copy = NULL };
	for (size_t i = 0; i < g->b->n_copies && g->b->copies[i] != c; i++) {
		const struct spool_copy *x = g->b->copies[i];
		struct compared cmp = { 0 };
		bool one_id = streq(x->conv_id, c->conv_id), dm = c->kind == CONV_DM, alike = dm == (x->kind == CONV_DM);
		bool one_title = one_id || (alike && streq(c->title, x->title));
		if (dm && alike && talk_of_both(x, c)) {
			best = x->chat;
			break;
		}
		if (x->chat == best || !(one_title || (alike && sketches_meet(x, c))))
			continue;
		/* The messenger's own id of a group is the same on every device; that of a talk names the other side. */
		bool native = one_id && !dm && x->ids == COPY_IDS_NATIVE && c->ids == COPY_IDS_NATIVE;
		if (native) {
			best = x->chat;
			break;
		}
		struct survey_of *own = survey(g, c, NULL), *other = survey(g, x, c);
		compare_copies(other, own, &cmp);
		enum verdict v = judge(&cmp, other, own, one_title, c->kind);
		if (v == VERDICT_SAME && (best == g->n_chats || cmp.fits > best_fits)) {
			best = x->chat;
			best_fits = cmp.fits;
		} else if (v != VERDICT_SAME && !apart.copy && (v == VERDICT_MAYBE || one_title)) {
			apart.copy = x;
			apart.cmp = cmp;
			apart.v = v;
		}
	}
	if (best == g->n_chats && apart.copy)
		say_apart(g, apart.copy, c, &apart.cmp, apart.v);
	return best;
}

/* ---- people over all chats ---- */

/* "from", as one copy calls them, is "to". Whoever is somebody else in another chat cannot be renamed everywhere. */
static void note_alias(struct merging *g, const char *from, const char *to)
{
	struct alias *x = table_get(&g->aka, from);
	if (x) {
		x->clash |= !streq(x->to, to);
		return;
	}
	x = arena_new(&g->b->run, struct alias);
	x->to = arena_strdup(&g->b->run, to);
	table_put(&g->aka, arena_strdup(&g->b->run, from), x);
}

static void name_of(struct merging *g, const char *id, char *out, size_t cap)
{
	struct user u;
	fmt_into(out, cap, "%s", spool_old_user(g->s, id, &u) ? u.name : id);
	if (strlen(out) + 1 >= cap)
		out[utf8_cut(out, cap - 2)] = '\0';
}

static bool tell_people(struct merging *g, const struct spool_copy *c, const struct survey_of *a, const struct survey_of *b)
{
	char x[120], y[120], text[400];
	bool ok = true;
	for (size_t i = 0; ok && i < b->people.n; i++) {
		const struct person *p = b->people.v[i];
		const struct person *namesake = table_get(&a->people.by_id, p->id);
		if (p->same && p->agree)
			note_alias(g, p->id, p->same->id);
		if (p->same && p->agree && p->same != namesake && namesake && namesake->said)
			note_alias(g, p->id, p->id); /* another person is called so there: only this copy's are meant */
		arena_reset(&g->b->step);
		if (p->same && !streq(p->same->id, p->id)) {
			name_of(g, p->id, x, sizeof(x));
			name_of(g, p->same->id, y, sizeof(y));
			fmt_into(text, sizeof(text), "%s = %s (%s = %s); messages that agree: %zu%s", x, y, p->id, p->same->id, p->agree, p->against ? ", some do not" : "");
			text[utf8_cut(text, strlen(text))] = '\0';
			ok = spool_put_archive_fact(g->s, c->archive, "same-person", text);
		} else if (!p->same && p->n_guesses > 1 && p->agree) {
			name_of(g, p->id, x, sizeof(x));
			fmt_into(text, sizeof(text), "\"%s\" wrote what several people wrote in another copy: nobody was joined; say who it is under people.aliases", x);
			ok = spool_put_hazard(g->s, HAZARD_WARN, "person-unclear", c->label, text);
		}
	}
	return ok;
}

/* The person under an id that stays: aliases of aliases are followed. */
static const char *real_id(struct merging *g, const char *id)
{
	for (int i = 0; i < 16; i++) {
		const struct alias *x = table_get(&g->aka, id);
		if (!x || x->clash || streq(x->to, id))
			return id;
		id = x->to;
	}
	return id;
}

static bool rename_user(struct merging *g, const char *from, const char *to)
{
	struct spool *s = g->s;
	struct user u, old;
	bool ok = true;
	arena_reset(&g->b->step);
	struct who *w = table_get(&g->b->users, from), *v = spool_who(g->b, to);
	if (w && w->source >= 0 && spool_old_user(s, from, &old)) {
		if (v->source >= 0 && spool_old_user(s, to, &u)) {
			/* A contact's name is better than a number; everything else is filled in. */
			if (old.name_source < u.name_source) {
				u.name = old.name;
				u.name_source = old.name_source;
			}
			u.phone = u.phone ? u.phone : old.phone;
			u.handle = u.handle ? u.handle : old.handle;
			u.email = u.email ? u.email : old.email;
		} else {
			u = old;
			u.id = to;
			s->counts.users++;
		}
		v->source = (int)u.name_source;
		ok = spool_write_user(s, &u);
		sqlite3_stmt *st = spool_db_once(s, "DELETE FROM user WHERE id=?1");
		spool_db_text(st, 1, from);
		ok = ok && (sqlite3_step(st) == SQLITE_DONE || spool_put_failed(s, "cannot join two people"));
		sqlite3_finalize(st);
		s->counts.users--;
	}
	if (w)
		w->source = -1;
	sqlite3_stmt *st = spool_put_st(s, PUT_ALIAS);
	spool_db_text(st, 1, from);
	spool_db_text(st, 2, to);
	ok = ok && (sqlite3_step(st) == SQLITE_DONE || spool_put_failed(s, "cannot join two people"));
	sqlite3_reset(st);
	if (ok)
		spool_put_rename(s, from, to);
	return ok;
}

/* The members of a conversation under the ids that stay, each once. */
static bool rename_members(struct merging *g, const struct tally *t)
{
	struct conv c;
	arena_reset(&g->b->step);
	if (!t->pushed || t->gone || !spool_old_conv(g->s, t->num, &c))
		return true;
	const char **v = arena_array(&g->b->step, c.n_members + 1, const char *);
	size_t n = 0;
	bool changed = false;
	for (size_t i = 0; i < c.n_members; i++) {
		const char *id = real_id(g, c.members[i]);
		size_t k = 0;
		changed |= id != c.members[i];
		while (k < n && !streq(v[k], id))
			k++;
		if (k == n)
			v[n++] = id;
	}
	c.members = v;
	c.n_members = n;
	return !changed || spool_write_conv(g->s, t->num, t->id, &c);
}

static bool join_people(struct merging *g)
{
	bool ok = true, any = false;
	for (size_t i = 0; ok && i < g->aka.n; i++) {
		const char *from = g->aka.rows[i].key, *to = real_id(g, from);
		if (streq(from, to))
			continue;
		any = true;
		ok = rename_user(g, from, to);
	}
	if (!ok || !any)
		return ok;
	for (size_t i = 0; ok && i < g->b->convs.n; i++)
		ok = rename_members(g, g->b->convs.rows[i].value);
	/* Their messages in the chats that only one phone has. */
	ok = ok && (sqlite3_exec(g->s->db, "UPDATE msg SET author=(SELECT id FROM alias WHERE alias=msg.author) WHERE author IN (SELECT alias FROM alias WHERE alias NOT IN (SELECT id FROM user))",
	                         NULL, NULL, NULL) == SQLITE_OK || spool_put_failed(g->s, "cannot write"));
	return ok;
}

/* ---- one chat ---- */

/* Members and what else is known of the chat, from both copies. */
static bool merge_conv(struct merging *g, const struct chat *h, const struct spool_copy *c, const struct survey_of *people)
{
	struct conv a, b;
	arena_reset(&g->b->step);
	if (!c->tally->pushed)
		return true;
	if (!spool_old_conv(g->s, c->tally->num, &b))
		return true;
	g->s->counts.convs--;
	g->s->counts.pins -= (int64_t)b.n_pins;
	if (!h->first->tally->pushed || !spool_old_conv(g->s, h->first->tally->num, &a))
		return true;
	const char **v = arena_array(&g->b->step, a.n_members + b.n_members + 1, const char *);
	size_t n = 0;
	for (size_t i = 0; i < a.n_members + b.n_members; i++) {
		const char *id = i < a.n_members ? a.members[i] : b.members[i - a.n_members];
		const struct person *p = i < a.n_members ? NULL : table_get(&people->people.by_id, id);
		size_t k = 0;
		id = p && p->same ? p->same->id : id;
		while (k < n && !streq(v[k], id))
			k++;
		if (k == n)
			v[n++] = id;
	}
	a.members = v;
	a.n_members = n;
	a.topic = a.topic ? a.topic : b.topic;
	a.purpose = a.purpose ? a.purpose : b.purpose;
	if (!a.n_pins && b.n_pins) {
		a.pins = b.pins;
		a.n_pins = b.n_pins;
		g->s->counts.pins += (int64_t)b.n_pins;
	}
	if (!a.created_us)
		a.created_us = b.created_us;
	return spool_write_conv(g->s, h->first->tally->num, h->first->tally->id, &a);
}

static void span_text(int64_t us, char out[32])
{
	int64_t t = llabs(us) / 1000000;
	if (!t)
		fmt_into(out, 32, "the same clock");
	else
		fmt_into(out, 32, "clock put %c%lld:%02lld:%02lld", us < 0 ? '-' : '+', (long long)(t / 3600), (long long)(t / 60 % 60), (long long)(t % 60));
}

static bool tell_merge(struct merging *g, const struct chat *h, const struct fold *f)
{
	char text[400], clock[32], more[40] = "";
	const char *title = h->first->title;
	span_text(f->c->shifts[0].shift_us, clock);
	if (f->c->n_shifts > 1)
		fmt_into(more, sizeof(more), " at first, changed later (%zu)", f->c->n_shifts - 1);
	fmt_into(text, sizeof(text), "%.80s: %zu messages are the same, %zu only here (%.100s); %s%s; %zu files come from here", title, f->same, f->added, f->cb->label, clock, more, f->media);
	return spool_put_archive_fact(g->s, f->cb->archive, "merged", text);
}

static void tell_unclear(struct merging *g, const struct chat *h, const struct fold *f)
{
	char what[320];
	if (!f->unclear)
		return;
	snprintf(what, sizeof(what), "in \"%.80s\" %zu short texts cannot be told for certain from others of the same minute in another copy: each was taken for one message, and may be two",
	         h->first->title, f->unclear);
	what[utf8_cut(what, strlen(what))] = '\0';
	spool_put_hazard(g->s, HAZARD_WARN, "short-texts-unclear", f->cb->label, what);
}

/* A file that one export lacks and another has is no loss. */
static void take_back_losses(struct merging *g, int64_t n)
{
	static const char *const names[] = { "media-omitted", "media-missing" };
	for (size_t i = 0; i < countof(names) && n > 0; i++) {
		struct oddity *o = table_get(&g->b->oddities, names[i]);
		int64_t k = !o ? 0 : o->n < n ? o->n : n;
		if (o)
			o->n -= k;
		n -= k;
	}
}

/* Which ids the chat has, and room for those of a copy that comes. */
static bool list_ids(struct merging *g, const struct spool_copy *first, const struct spool_copy *c, struct survey_of *out)
{
	sqlite3_stmt *st = spool_db_once(g->s, "SELECT id FROM msg WHERE conv=?1");
	idfilter_init(&out->ids, (size_t)(first->tally->msgs + c->tally->msgs));
	sqlite3_bind_int64(st, 1, first->tally->num);
	while (spool_db_step(g->s, st))
		idfilter_add(&out->ids, spool_db_col(st, 0));
	sqlite3_finalize(st);
	return !g->b->failed;
}

static bool add_copy(struct merging *g, struct chat *h, struct spool_copy *c, struct written *w)
{
	struct compared cmp;
	struct survey_of *a = survey(g, h->first, NULL), *b = survey(g, c, h->first);
	if (!list_ids(g, h->first, c, a))
		return false;
	compare_copies(a, b, &cmp);
	guess_people(a, b);
	int64_t ended = b->last_us + align_shift_at(cmp.shifts, cmp.n_shifts, b->last_us)->shift_us;
	h->ended_us = h->ended_us && h->ended_us < ended ? h->ended_us : ended;
	h->ended_us = a->last_us < h->ended_us ? a->last_us : h->ended_us;
	struct fold f = { .s = g->s, .a = h->first->tally, .b = c->tally, .ca = h->first, .cb = c, .sa = a, .sb = b, .c = &cmp, .written = w,
	                  .open_us = h->ended_us - CHANGES_US, .b_is_newer = b->last_us > a->last_us };
	bool ok = fold_copy(&f) && tell_people(g, c, a, b) && merge_conv(g, h, c, b) && tell_merge(g, h, &f);
	if (ok) {
		sqlite3_stmt *st = spool_db_once(g->s, "DELETE FROM conv WHERE num=?1");
		sqlite3_bind_int64(st, 1, c->tally->num);
		ok = sqlite3_step(st) == SQLITE_DONE || spool_put_failed(g->s, "cannot write");
		sqlite3_finalize(st);
		c->tally->gone = true;
		take_back_losses(g, f.made_up);
		tell_unclear(g, h, &f);
	}
	forget_survey(g, h->first); /* it has more now */
	forget_survey(g, c);
	return ok;
}

/* The id of a chat that nobody has written: its first copy's; numbered where another chat has it. */
static const char *own_id(struct merging *g, const struct chat *h)
{
	const char *id = h->first->conv_id;
	for (int no = 2; table_get(&g->ids, id); no++)
		id = arena_fmt(&g->b->run, "%s#%d", h->first->conv_id, no);
	return id;
}

/* How many messages of each copy were written of what is loaded; the most, or -1: it failed. */
static int64_t count_written(struct merging *g, size_t chat, struct written *w)
{
	int64_t most = 0;
	for (size_t i = 0; i < g->b->n_copies; i++) {
		struct spool_copy *c = g->b->copies[i];
		if (c->chat != chat)
			continue;
		if (w->n && !c->listed && !written_list(w, c->tally->num))
			return -1;
		c->listed |= w->n > 0;
		c->written = written_in(w, c->tally->num);
		most = c->written > most ? c->written : most;
	}
	return most;
}

/* The id under which the chat is known, and what was written under it, loaded: of the ids its copies have, numbered or not, the one
 * under which most of a copy was written, and its own where that is as good. */
static bool find_id(struct merging *g, struct chat *h, size_t chat, struct written *w)
{
	enum { NUMBERED = 9 };
	const char *own = own_id(g, h), *loaded = own;
	if (!written_load(w, own))
		return false;
	int64_t most = count_written(g, chat, w);
	h->id = own;
	if (!g->b->past.conv || most < 0)
		return most >= 0;
	for (size_t i = 0; i < g->b->n_copies; i++) {
		const struct spool_copy *c = g->b->copies[i];
		bool again = c->chat != chat;
		for (size_t k = 0; !again && k < i; k++) /* its ids were looked up */
			again = g->b->copies[k]->chat == chat && streq(g->b->copies[k]->conv_id, c->conv_id);
		for (int no = 1; !again && no <= NUMBERED; no++) {
			const char *id = no == 1 ? c->conv_id : arena_fmt(&g->b->run, "%s#%d", c->conv_id, no);
			if (streq(id, own) || table_get(&g->ids, id))
				continue;
			loaded = id;
			if (!written_load(w, id))
				return false;
			int64_t n = w->n ? count_written(g, chat, w) : 0;
			if (n < 0)
				return false;
			if (n > most) {
				most = n;
				h->id = id;
			}
		}
	}
	if (!streq(loaded, h->id)) {
		if (!written_load(w, h->id))
			return false;
		most = count_written(g, chat, w);
	}
	return most >= 0;
}

/* The copy that the others are put into is the one by which the chat was written before: ids, clock and people's ids are its. Where
 * the list is in another order now, that is seen: of the first one's messages, in the time for which something was written, hardly any
 * was written under the ids it gives them. Phones with one local time give the same. */
static void find_first(struct merging *g, struct chat *h, size_t chat, struct written *w)
{
	enum { FEW = 8, ENOUGH = 4 }; /* notices have no time in their ids, and may be the same on any phone */
	int64_t own = h->first->written, all = w->n ? written_time(w, h->first->tally->num) : 0;
	struct spool_copy *best = h->first;
	if (all < ENOUGH || own * FEW >= all)
		return;
	for (size_t i = 0; i < g->b->n_copies; i++)
		if (g->b->copies[i]->chat == chat && g->b->copies[i]->written > best->written)
			best = g->b->copies[i];
	if (best->written >= ENOUGH * (own + 1))
		h->first = best;
}

static bool finish_chat(struct merging *g, struct chat *h, size_t no)
{
	struct conv c;
	struct written w;
	written_init(&w, g->s);
	bool ok = find_id(g, h, no, &w);
	if (ok) {
		table_put(&g->ids, h->id, h);
		find_first(g, h, no, &w);
	}
	for (size_t i = 0; ok && i < g->b->n_copies; i++) {
		struct spool_copy *x = g->b->copies[i];
		if (x->chat == no && x != h->first)
			ok = add_copy(g, h, x, &w);
	}
	ok = ok && written_settle(&w, h->first->tally->num);
	if (ok && w.n) {
		char what[320];
		snprintf(what, sizeof(what), "of %zu messages written before, only %lld are in these exports: keep the earlier exports in the list, or what has other ids now is written again",
		         w.n, (long long)w.found);
		if (w.found * 10 < (int64_t)w.n * 9)
			spool_put_hazard(g->s, HAZARD_WARN, "written-not-found", h->first->label, what);
	}
	written_free(&w);
	/* Its own name at last. */
	h->first->tally->id = h->id;
	arena_reset(&g->b->step);
	if (ok && h->first->tally->pushed && spool_old_conv(g->s, h->first->tally->num, &c)) {
		c.id = h->id;
		ok = spool_write_conv(g->s, h->first->tally->num, h->id, &c);
	}
	return ok;
}

/* Numbers that merging has changed and nobody counted along. */
static void count_again(struct merging *g, const struct chat *h)
{
	struct tally *t = h->first->tally;
	if (h->n < 2 && !g->b->past.conv)
		return;
	sqlite3_stmt *st = spool_db_once(g->s, "SELECT count(*),coalesce(sum(files),0),coalesce(sum(reacts),0),coalesce(min(ts),0),coalesce(max(ts),0) FROM msg WHERE conv=?1");
	sqlite3_bind_int64(st, 1, t->num);
	if (spool_db_step(g->s, st)) {
		t->msgs = sqlite3_column_int64(st, 0);
		t->files = sqlite3_column_int64(st, 1);
		t->reacts = sqlite3_column_int64(st, 2);
		t->first = sqlite3_column_int64(st, 3);
		t->last = sqlite3_column_int64(st, 4);
	}
	sqlite3_finalize(st);
}

bool spool_merge(struct spool *s)
{
	struct build *b = s->b;
	struct merging g = { .s = s, .b = b };
	bool ok = true;
	table_release(&b->copy_now);
	table_init(&b->copy_now);
	b->last = NULL;
	if (!b->n_copies)
		return true;
	table_init(&g.ids);
	table_init(&g.aka);
	g.chats = xcalloc(b->n_copies, sizeof(*g.chats));
	prepare(&g);
	for (size_t i = 0; i < b->n_copies; i++) {
		struct spool_copy *c = b->copies[i];
		c->chat = chat_of(&g, c);
		if (c->chat == g.n_chats)
			g.chats[g.n_chats++] = (struct chat){ .first = c };
		g.chats[c->chat].n++;
	}
	for (size_t i = 0; ok && i < g.n_chats; i++) {
		ok = finish_chat(&g, &g.chats[i], i);
		if (ok)
			count_again(&g, &g.chats[i]);
	}
	for (size_t i = 0; i < SURVEYS_KEPT; i++)
		survey_free(&g.kept[i].of);
	ok = ok && join_people(&g);
	table_release(&g.ids);
	table_release(&g.aka);
	free(g.chats);
	return ok && !b->failed;
}
