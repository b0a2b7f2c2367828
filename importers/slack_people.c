/* slack_people.c: who is who.
 *
 * The chain of names: users.json -> profile.bot_id -> the message's own profile -> labels in mentions -> the bare id. Listed
 * people are pushed when read; those only met in messages are pushed once, at the end, with the best name seen.
 */
#include "importers/slack.h"

#include "core/utf8.h"

#include <string.h>

/* Ids that Slack uses for itself and lists nowhere. */
static const struct { const char *id, *name; } system_ids[] = { { "USLACKBOT", "Slackbot" }, { "B01", "Slackbot" }, { "U00", "Slack" } };

struct person *slack_person(struct source *s, const char *id)
{
	return table_get(&s->people, id);
}

static struct person *remember(struct source *s, const char *id)
{
	struct person *p = arena_new(&s->names, struct person);
	p->id = arena_strdup(&s->names, id);
	table_put(&s->people, p->id, p);
	return p;
}

struct person *slack_list_person(struct source *s, const struct user *u)
{
	struct person *p = slack_person(s, u->id);
	if (!p)
		p = remember(s, u->id);
	p->name = arena_strdup(&s->names, u->name);
	p->flags = u->flags;
	p->source = u->name_source;
	p->listed = true;
	if (u->alias && !slack_person(s, u->alias)) {
		p->alias = arena_strdup(&s->names, u->alias);
		table_put(&s->people, p->alias, p);
	}
	return p;
}

const char *slack_name(struct source *s, const char *name)
{
	const size_t n = name ? strlen(name) : 0;
	return n ? arena_strndup(&s->names, name, n > SLACK_NAME_MAX ? utf8_cut(name, SLACK_NAME_MAX) : n) : NULL;
}

static bool push(struct source *s, const struct person *p)
{
	struct user u = { .id = p->id, .name = p->name, .name_source = p->source, .flags = p->flags };
	if (!s->sink->user(s->sink->ctx, &u))
		s->stopped = true;
	return !s->stopped;
}

struct person *slack_found(struct source *s, const char *id, enum name_source source, const char *name, uint32_t flags)
{
	struct person *p = slack_person(s, id);
	if (p && p->listed)
		return p;
	if (!p) {
		if (s->found.n >= FOUND_MAX) { /* hostile or enormous: tell and forget */
			struct person once = { .id = id, .name = *name ? name : id, .source = *name ? source : NAME_PLACEHOLDER, .flags = flags | USER_STRANGER };
			push(s, &once);
			return NULL;
		}
		p = remember(s, id);
		p->source = NAME_PLACEHOLDER;
		p->name = p->id;
		p->flags = flags;
		for (size_t i = 0; i < countof(system_ids); i++) {
			if (streq(system_ids[i].id, id)) {
				p->name = system_ids[i].name;
				p->source = NAME_BOT;
				p->flags = USER_SYSTEM | USER_BOT;
				slack_hazard(s, HAZARD_NOTE, "system-author", "%s is Slack itself", id);
			}
		}
		if (!(p->flags & (USER_SYSTEM | USER_BOT)))
			p->flags |= USER_STRANGER;
		table_put(&s->found, p->id, p);
	}
	if (p->flags & USER_SYSTEM)
		return p;
	p->flags |= flags;
	if (p->flags & USER_BOT) /* of no company */
		p->flags &= ~(uint32_t)USER_STRANGER;
	if (*name && source < p->source) {
		p->name = slack_name(s, name);
		p->source = source;
	}
	return p;
}

bool slack_push_found(struct source *s)
{
	for (size_t i = 0; i < s->found.n && !s->stopped; i++) {
		const struct person *p = s->found.rows[i].value;
		if (p->listed)
			continue;
		if (p->source == NAME_PROFILE)
			slack_hazard(s, HAZARD_NOTE, "author-from-profile", "%s is in no list; a message's profile names them", p->id);
		else if (p->source == NAME_PLACEHOLDER)
			slack_hazard(s, HAZARD_WARN, "author-unknown", "%s is in no list and nothing names them", p->id);
		push(s, p);
	}
	return !s->stopped;
}

/* ---- what the text parsers tell ---- */

static void seen_user(void *ctx, const char *id, const char *label)
{
	struct source *s = ctx;
	const struct person *p = slack_person(s, id);
	if (!p || (!p->listed && *label && p->source > NAME_MENTION))
		slack_found(s, id, NAME_MENTION, label, 0);
}

static void seen_group(void *ctx, const char *id, const char *label)
{
	struct source *s = ctx;
	if (s->groups.n < GROUPS_MAX && !table_get(&s->groups, id))
		table_put(&s->groups, arena_strdup(&s->names, id), (void *)(uintptr_t)slack_name(s, label));
}

static const char *group_label(void *ctx, const char *id)
{
	struct source *s = ctx;
	return table_get(&s->groups, id);
}

static void seen_odd(void *ctx, const char *name, const char *what)
{
	struct source *s = ctx;
	enum hazard_level level = streq(name, "channel-label-empty") ? HAZARD_NOTE : streq(name, "table-cut") ? HAZARD_LOSS : HAZARD_WARN;
	slack_hazard(s, level, name, "%.80s", what);
}

void slack_people_seen(struct source *s)
{
	s->seen = (struct slack_seen){ s, seen_user, seen_group, group_label, seen_odd };
}
