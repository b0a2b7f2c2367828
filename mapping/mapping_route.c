/* mapping_route.c: where history goes: the placement of a conversation, and rules that send messages into threads and other channels,
 * or tag them.
 *
 * Called by mapping_decide.c (placement), mapping_rows.c (route_names) and by replay through mapping.h (routes, tags), which keeps the windows
 * of time; here stands only what one rule says of one message. Pure: text in, names out. */
#include "mapping/mapping_rows.h"

#include "core/clock.h"
#include "core/utf8.h"
#include "mapping/mapping_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { THREAD_NAME_MAX = 200, TAG_MAX = 64, TAGS_MAX = 16 };

static enum placement placement_of(const struct mapping *m, const struct conv *c, const struct place *p, struct arena *a)
{
	const struct place_row *r = rows_place(m, c->id);
	const struct place_row *h = p->into && !p->twin ? rows_place(m, p->into) : NULL;
	if (h) { /* all of a chat is placed the same way */
		const struct conv host = { .id = h->id, .name = h->name, .kind = h->kind };
		const struct place hp = { .action = h->decision == PLACE_DECIDE_ADOPT ? PLACE_ADOPT : PLACE_CREATE };
		return placement_of(m, &host, &hp, a);
	}
	for (size_t i = 0; i < m->cfg.n_placed; i++)
		for (size_t k = 0; k < m->cfg.placed[i].channels.n; k++) {
			const char *g = m->cfg.placed[i].channels.v[k];
			if (streq(g, c->id) || (c->name && names_glob(g, c->name, a)) || (r && *r->name && names_glob(g, r->name, a)))
				return m->cfg.placed[i].placement;
		}
	/* People talk in a chat that was there before: history does not come among them unless somebody says so. */
	return m->cfg.placement_auto ? p->action == PLACE_ADOPT ? PLACEMENT_THREADS : PLACEMENT_INLINE : m->cfg.placement;
}

bool route_splits(const struct mapping *m, const struct place_row *h, struct arena *a)
{
	const struct conv c = { .id = h->id, .name = h->name, .kind = h->kind };
	const struct place p = { .action = h->decision == PLACE_DECIDE_ADOPT ? PLACE_ADOPT : PLACE_CREATE };
	return placement_of(m, &c, &p, a) == PLACEMENT_ARCHIVE_CHAT;
}

void route_place(const struct mapping *m, const struct conv *c, struct arena *a, struct place *p)
{
	bool live = !strncmp(c->id, MAPPING_LIVE, strlen(MAPPING_LIVE)), made = !strncmp(c->id, MAPPING_MADE, strlen(MAPPING_MADE));
	p->history_by = m->cfg.history_by;
	p->thread_size = m->cfg.thread_size;
	p->placement = live || p->action == PLACE_SKIP ? PLACEMENT_INLINE : placement_of(m, c, p, a);
	if (p->placement != PLACEMENT_ARCHIVE_CHAT)
		return;
	if (made || (c->archived && p->action == PLACE_CREATE)) {
		p->placement = PLACEMENT_INLINE; /* it is read-only as it is; or nothing goes on in it */
		return;
	}
	p->name = arena_fmt(a, streq(m->cfg.c.locale, "ru") ? "%s · архив" : "%s · archive", p->name);
	p->action = PLACE_CREATE;
	p->target_id = NULL;
	p->archive_at_end = true;
}

bool mapping_merges(const struct mapping *m)
{
	return m->n_into > 0;
}

bool mapping_hosts(const struct mapping *m, const char *conv)
{
	const struct place_row *r = m->n_into ? rows_place(m, conv) : NULL;
	return r && r->hosts;
}

bool mapping_has_routes(const struct mapping *m)
{
	return m->cfg.has_routes;
}

bool mapping_has_tags(const struct mapping *m)
{
	return m->cfg.has_tags;
}

bool mapping_has_into(const struct mapping *m)
{
	return m->cfg.has_into;
}

const char *mapping_rule_into(const struct mapping *m, size_t rule)
{
	return rule < m->cfg.n_rules ? m->cfg.rules[rule].into : NULL;
}

/* ---- channels that rules name ---- */

static struct place_row rows_ambiguous;

static void name_row(struct mapping *m, const char *name, struct place_row *r)
{
	if (!name || !*name)
		return;
	const char *key = names_fold(name, &m->a);
	struct place_row *had = table_get(&m->named, key);
	table_put(&m->named, key, !had || had == r ? r : &rows_ambiguous);
}

/* NULL: no row is called so, a chat is made. */
static struct place_row *row_called(const struct mapping *m, const char *name, struct arena *a)
{
	struct place_row *r = table_get(&m->place_rows, sheet_key(name));
	return r ? r : table_get(&m->named, names_fold(*name == '#' ? name + 1 : name, a));
}

bool route_names(struct mapping *m, struct err *e)
{
	table_release(&m->named);
	for (size_t i = 0; m->cfg.has_into && i < m->place_rows.n; i++) {
		struct place_row *r = m->place_rows.rows[i].value;
		if (r->stale)
			continue;
		name_row(m, r->target_name, r);
		if (!*r->target_name || !streq(names_fold(r->target_name, &m->a), names_fold(r->name, &m->a)))
			name_row(m, r->name, r);
	}
	for (size_t i = 0; i < m->cfg.n_rules; i++) {
		const struct rule_where *x = &m->cfg.rules[i];
		const struct place_row *r = x->into && !strchr(x->into, '{') ? row_called(m, x->into, &m->a) : NULL;
		if (!r || (r != &rows_ambiguous && !r->stale && r->decision != PLACE_DECIDE_SKIP))
			continue;
		if (r == &rows_ambiguous)
			err_set(e, ERR_MAPPING, "rule '%s' sends messages into '%s', and several channels are called so", x->name, x->into);
		else
			err_set(e, ERR_MAPPING, r->stale ? "rule '%s' sends messages into '%s', which the archives no longer have" : "rule '%s' sends messages into '%s', which is left out",
			        x->name, x->into);
		err_hint(e, "name the channel by its id, the first column of channels.csv; a name that no channel has makes a new chat");
		return err_where(e, "%s", x->at);
	}
	return true;
}

/* The conversation with this name, or the chat that is made for it; false: several are called so. */
static bool destination(const struct mapping *m, const char *name, struct arena *a, struct route *out)
{
	const struct place_row *r = row_called(m, name, a);
	if (r == &rows_ambiguous || (r && (r->stale || r->decision == PLACE_DECIDE_SKIP)))
		return false;
	if (r && r->decision == PLACE_DECIDE_INTO && (r = rows_place(m, r->into)) == NULL)
		return false;
	out->into = r ? r->id : arena_fmt(a, MAPPING_MADE "%016" PRIx64, hash64s(names_fold(name, a)));
	out->into_name = r ? NULL : name;
	return true;
}

bool mapping_may_widen(const struct mapping *m, const char *conv, const char *conv_name, const char *into)
{
	struct arena a;
	bool any = false, all = true;
	arena_init(&a);
	const struct place_row *p = rows_place(m, conv);
	uint64_t about = p ? p->rules : rows_rules_place(m, conv, conv_name, &a);
	for (size_t i = 0; i < m->cfg.n_rules && all; i++) {
		const struct rule_where *x = &m->cfg.rules[i];
		struct route r = { .into = NULL };
		if (!x->into || !(about >> i & 1) || (!strchr(x->into, '{') && destination(m, x->into, &a, &r) && !streq(r.into, into)))
			continue;
		bool named = false;
		for (size_t k = 0; k < x->allow_wider.n && !named; k++) {
			const char *s = x->allow_wider.v[k];
			named = streq(s, conv) || (conv_name && streq(names_fold(*s == '#' ? s + 1 : s, &a), names_fold(conv_name, &a)));
		}
		any = true;
		all = named;
	}
	arena_release(&a);
	return any && all;
}

/* ---- names made of a message ---- */

/* {channel}, {year}, {month}: of the message's conversation and its time in time.zone. */
static const char *filled(const struct mapping *m, const struct msg_meta *mm, const char *s, struct arena *a)
{
	static const char *const words[] = { "{channel}", "{year}", "{month}" };
	struct buf b;
	struct zoned z = { .year = 1970, .month = 1 };
	if (!strchr(s, '{'))
		return s;
	if (!zone_local(m->cfg.c.zone ? m->cfg.c.zone : "UTC", mm->ts_us, &z))
		z = (struct zoned){ .year = 1970, .month = 1 };
	buf_init(&b, 1 << 16);
	while (*s) {
		size_t w = 0;
		while (w < countof(words) && strncmp(s, words[w], strlen(words[w])) != 0)
			w++;
		if (w == countof(words)) {
			buf_addc(&b, *s++);
			continue;
		}
		if (w == 0)
			buf_adds(&b, mm->conv_name && *mm->conv_name ? mm->conv_name : mm->conv);
		else
			buf_addf(&b, w == 1 ? "%04d" : "%04d-%02d", z.year, z.month);
		s += strlen(words[w]);
	}
	s = arena_strdup(a, b.p ? b.p : "");
	buf_release(&b);
	return s;
}

/* One line without control characters, not too long; NULL: nothing is left. */
static const char *thread_name(const struct mapping *m, const char *s, struct arena *a)
{
	char *name = arena_strdup(a, s);
	size_t n = 0;
	for (const char *p = name; *p; p++) {
		bool blank = (unsigned char)*p <= ' ' || *p == 0x7f;
		if (!blank || (n && name[n - 1] != ' '))
			name[n++] = blank ? ' ' : *p;
	}
	while (n && name[n - 1] == ' ')
		n--;
	name[n] = '\0';
	if (n > THREAD_NAME_MAX)
		name[utf8_cut(name, THREAD_NAME_MAX)] = '\0';
	const char *clean = mapping_redact(m, name, a);
	return clean && *clean ? clean : NULL;
}

/* Where rule i sends it; false: the groups that make up a name were empty. */
static bool goes_to(const struct mapping *m, size_t i, const struct msg_meta *mm, const char *name, struct arena *a, struct route *out)
{
	const struct rule_where *r = &m->cfg.rules[i];
	*out = (struct route){ .rule = i, .carry_us = r->carry_us, .back_us = r->back_us, .any_author = r->any_author };
	if (r->thread && !(out->thread = thread_name(m, filled(m, mm, name, a), a)))
		return false;
	const char *into = r->into ? thread_name(m, filled(m, mm, r->into, a), a) : NULL;
	return !r->into || (into && destination(m, into, a, out));
}

enum route_answer mapping_route(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct arena *a, struct route *out)
{
	uint64_t about = m->cfg.has_routes ? rows_rules_about(m, mm) : 0;
	bool asks = false;
	struct buf words = { 0 };
	enum route_answer answer = ROUTE_NO;
	if (!about)
		return ROUTE_NO;
	if (msg) {
		buf_init(&words, 4 << 20);
		rows_words(msg, &words);
	}
	/* As when messages are left out: rules without a text first. */
	for (int with_text = 0; with_text < 2 && answer == ROUTE_NO; with_text++)
		for (size_t i = 0; i < m->cfg.n_rules; i++) {
			const struct rule_where *r = &m->cfg.rules[i];
			const char *name = r->thread ? r->thread : "";
			if (!(about >> i & 1) || r->what == RULE_TAG || (r->re != NULL) != (with_text == 1))
				continue;
			if (r->re && !msg) {
				asks = true;
				continue;
			}
			if (r->re && (words.full || regex_expand(r->re, r->what == RULE_ROUTE ? name : "", words.p ? words.p : "", words.len, a, &name) != REGEX_YES))
				continue;
			if (r->what == RULE_DROP)
				goto out; /* left out: it goes nowhere */
			if (!goes_to(m, i, mm, name, a, out))
				continue;
			answer = ROUTE_YES;
			break;
		}
out:
	if (msg)
		buf_release(&words);
	return answer == ROUTE_NO && asks ? ROUTE_ASK_TEXT : answer;
}

/* ---- tags ---- */

/* One word that a search takes as it is: letters, digits, '-' and '_'. */
static const char *tag_word(const struct mapping *m, const char *s, struct arena *a)
{
	char *tag = arena_strdup(a, mapping_redact(m, s + (*s == '#'), a));
	size_t n = 0;
	for (const char *p = tag; p && *p; p++) {
		bool fits = (unsigned char)*p >= 0x80 || (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '-' || *p == '_';
		if (fits || (n && tag[n - 1] != '_'))
			tag[n++] = fits ? *p : '_';
	}
	while (n && tag[n - 1] == '_')
		n--;
	if (!n)
		return NULL;
	tag[n] = '\0';
	if (n > TAG_MAX)
		tag[utf8_cut(tag, TAG_MAX)] = '\0';
	return tag;
}

const char *mapping_tags(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct arena *a)
{
	uint64_t about = m->cfg.has_tags ? rows_rules_about(m, mm) : 0;
	const char *tags[TAGS_MAX], *line = NULL;
	size_t n = 0;
	struct buf words = { 0 };
	bool ready = false;
	for (size_t i = 0; about && n < TAGS_MAX && i < m->cfg.n_rules; i++) {
		const struct rule_where *r = &m->cfg.rules[i];
		const char *name = r->tag;
		bool twice = false;
		if (!(about >> i & 1) || r->what != RULE_TAG)
			continue;
		if (r->re && !ready) {
			buf_init(&words, 4 << 20);
			rows_words(msg, &words);
			ready = true;
		}
		if (r->re && (words.full || regex_expand(r->re, r->tag, words.p ? words.p : "", words.len, a, &name) != REGEX_YES))
			continue;
		name = tag_word(m, filled(m, mm, name, a), a);
		for (size_t k = 0; name && k < n && !twice; k++)
			twice = streq(tags[k], name);
		if (!name || twice)
			continue;
		tags[n++] = name;
		line = line ? arena_fmt(a, "%s #%s", line, name) : arena_fmt(a, "#%s", name);
	}
	if (ready)
		buf_release(&words);
	return line;
}
