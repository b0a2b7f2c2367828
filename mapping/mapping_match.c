/* mapping_match.c: tables over the live target's people. Called by mapping_draft.c. Suspended accounts and bots are never
 * matched by themselves, but an e-mail they hold is told, because no second account can be made for it. */
#include "mapping/mapping_match.h"

#include "core/table.h"
#include "mapping/mapping_names.h"

#include <stdlib.h>
#include <string.h>

struct hits { const struct target_person *first; size_t n; };
struct matcher { struct table ids, emails, phones, names, source_names; };

static void count(struct table *t, const char *key, const struct target_person *p, struct arena *a)
{
	if (!key || !*key)
		return;
	struct hits *h = table_get(t, key);
	if (!h) {
		h = arena_new(a, struct hits);
		h->first = p;
		table_put(t, key, h);
	}
	h->n++;
}

struct matcher *match_open(const struct survey *s, struct arena *a)
{
	struct matcher *mt = xcalloc(1, sizeof(*mt));
	for (size_t i = 0; i < s->n_people; i++) {
		const struct target_person *p = &s->people[i];
		table_put(&mt->ids, p->id, (void *)(uintptr_t)p);
		if (p->email)
			count(&mt->emails, names_fold(p->email, a), p, a);
		if (p->bot || p->suspended)
			continue;
		if (p->phone)
			count(&mt->phones, names_phone(p->phone, a), p, a);
		if (p->name)
			count(&mt->names, names_person(p->name, a), p, a);
	}
	for (size_t i = 0; i < s->n_users; i++)
		if (s->users[i].name && !(s->users[i].flags & (USER_BOT | USER_SYSTEM)))
			count(&mt->source_names, names_person(s->users[i].name, a), NULL, a);
	return mt;
}

void match_close(struct matcher *mt)
{
	table_release(&mt->ids);
	table_release(&mt->emails);
	table_release(&mt->phones);
	table_release(&mt->names);
	table_release(&mt->source_names);
	free(mt);
}

const struct target_person *match_by_id(const struct matcher *mt, const char *id)
{
	return table_get(&mt->ids, id);
}

const struct target_person *match_by_email(const struct matcher *mt, const char *email, struct arena *a)
{
	const struct hits *h = table_get(&mt->emails, names_fold(email, a));
	return h && h->n == 1 ? h->first : NULL;
}

static struct match ask(const struct target_person *p, int confidence, const char *reason)
{
	return (struct match){ .target_id = p ? p->id : NULL, .confidence = confidence, .reason = reason, .asks = true };
}

static struct match by_name(const struct matcher *mt, const struct user *u, struct arena *a)
{
	const char *name = names_person(u->name, a);
	const struct hits *h = *name ? table_get(&mt->names, name) : NULL;
	if (!h || !strchr(name, ' ')) /* one word is not a full name */
		return (struct match){ .reason = "" };
	const struct hits *own = table_get(&mt->source_names, name);
	if (h->n > 1)
		return ask(NULL, 0, arena_fmt(a, "%zu accounts have this name", h->n));
	if (own && own->n > 1)
		return ask(NULL, 0, arena_fmt(a, "%zu people of the source have this name, one account does (%s)", own->n, h->first->id));
	return ask(h->first, CONFIDENCE_NAME, "same full name, different or unknown e-mail");
}

struct match match_person(const struct matcher *mt, const struct user *u, const char *email, struct arena *a)
{
	if (u->flags & (USER_BOT | USER_SYSTEM))
		return (struct match){ .reason = "" };
	const struct hits *h = email && *email ? table_get(&mt->emails, names_fold(email, a)) : NULL;
	if (h && h->n > 1)
		return ask(NULL, 0, arena_fmt(a, "%zu accounts have this e-mail", h->n));
	if (h && (h->first->bot || h->first->suspended))
		return ask(h->first, CONFIDENCE_NAME, h->first->bot ? "a bot has this e-mail" : "the account with this e-mail is suspended");
	if (h)
		return (struct match){ h->first->id, CONFIDENCE_EMAIL, "same e-mail", false };
	const char *phone = u->phone ? names_phone(u->phone, a) : NULL;
	h = phone ? table_get(&mt->phones, phone) : NULL;
	if (h && h->n > 1)
		return ask(NULL, 0, arena_fmt(a, "%zu accounts have this phone number", h->n));
	if (h)
		return (struct match){ h->first->id, CONFIDENCE_PHONE, "same phone number", false };
	return by_name(mt, u, a);
}
