/* mapping_match.c: tables over the live target's people. Called by mapping_draft.c. Suspended accounts and bots are never
 * matched by themselves, but an e-mail they hold is told, because no second account can be made for it. */
#include "mapping/mapping_match.h"

#include "core/table.h"
#include "mapping/mapping_names.h"

#include <stdlib.h>
#include <string.h>

struct hits { const struct target_person *first; size_t n; };
/* For likenesses: what each account sounds like, by its surname's and first name's sound, so that few are looked at. */
struct sounder { const struct target_person *p; const char *sound; struct sounder *next; };
struct matcher {
	struct table ids, emails, phones, names, source_names;
	struct table words;        /* one word of an account's name as it sounds -> struct sounder list */
	struct table locals;       /* an account's e-mail without its domain, as it sounds -> struct sounder list */
	struct table source_sounds;
	bool ru;                   /* the project's language: reasons stand in its table, whoever runs the program */
};

static const char *in(const struct matcher *mt, const char *en, const char *ru) __attribute__((format_arg(2), format_arg(3)));

static const char *in(const struct matcher *mt, const char *en, const char *ru)
{
	return mt->ru ? ru : en;
}

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

static void add_sounder(struct table *t, const char *key, const struct target_person *p, const char *sound, struct arena *a)
{
	struct sounder *x = arena_new(a, struct sounder);
	*x = (struct sounder){ p, sound, table_get(t, key) };
	table_put(t, key, x);
}

/* Keys under which a local part or a handle is looked for: all its letters, and those without an initial in front or behind. */
static const char *letters_of(const char *local, struct arena *a)
{
	char *own = arena_strndup(a, local, strcspn(local, "@+"));
	for (char *p = own; *p; p++)
		if ((*p >= '0' && *p <= '9') || strchr("._-", *p))
			*p = ' ';
	const char *sound = names_sound(own, a);
	char *out = arena_strdup(a, sound), *to = out;
	for (const char *p = out; *p; p++)
		if (*p != ' ')
			*to++ = *p;
	*to = '\0';
	return out;
}

static void add_sounds(struct matcher *mt, const struct target_person *p, struct arena *a)
{
	const char *sound = p->name ? names_sound(p->name, a) : "";
	char *words = arena_strdup(a, sound), *save = NULL;
	for (char *w = strchr(sound, ' ') ? strtok_r(words, " ", &save) : NULL; w; w = strtok_r(NULL, " ", &save))
		add_sounder(&mt->words, w, p, sound, a);
	if (p->email && *p->email)
		add_sounder(&mt->locals, letters_of(p->email, a), p, p->email, a);
}

struct matcher *match_open(const struct survey *s, const char *locale, struct arena *a)
{
	struct matcher *mt = xcalloc(1, sizeof(*mt));
	mt->ru = locale && streq(locale, "ru");
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
		add_sounds(mt, p, a);
	}
	for (size_t i = 0; i < s->n_users; i++)
		if (s->users[i].name && !(s->users[i].flags & (USER_BOT | USER_SYSTEM))) {
			count(&mt->source_names, names_person(s->users[i].name, a), NULL, a);
			count(&mt->source_sounds, names_sound(s->users[i].name, a), NULL, a);
		}
	return mt;
}

void match_close(struct matcher *mt)
{
	table_release(&mt->ids);
	table_release(&mt->emails);
	table_release(&mt->phones);
	table_release(&mt->names);
	table_release(&mt->source_names);
	table_release(&mt->words);
	table_release(&mt->locals);
	table_release(&mt->source_sounds);
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
		return ask(NULL, 0, arena_fmt(a, in(mt, "%zu accounts have this name", "учётных записей с таким именем: %zu"), h->n));
	if (own && own->n > 1)
		return ask(NULL, 0, arena_fmt(a, in(mt, "%zu people of the source have this name, one account does (%s)", "людей с таким именем в источнике: %zu, учётная запись одна (%s)"), own->n, h->first->id));
	return ask(h->first, CONFIDENCE_NAME, in(mt, "same full name, different or unknown e-mail", "то же имя и фамилия, адрес почты другой или неизвестен"));
}

/* ---- likenesses: only ever questions ---- */

/* Who is alike for the best reason found so far, each once. More than these are as ambiguous as these. */
struct likeness { const struct target_person *who[8]; size_t n; int confidence; const char *reason; };

static void alike(struct likeness *l, const struct target_person *p, int confidence, const char *reason)
{
	if (confidence < l->confidence)
		return;
	if (confidence > l->confidence)
		*l = (struct likeness){ .confidence = confidence, .reason = reason };
	for (size_t i = 0; i < l->n; i++)
		if (l->who[i] == p)
			return;
	if (l->n < countof(l->who))
		l->who[l->n++] = p;
}

static void look_words(const struct matcher *mt, const char *sound, struct likeness *l, struct arena *a)
{
	char *words = arena_strdup(a, sound), *save = NULL;
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		for (const struct sounder *x = table_get(&mt->words, w); x; x = x->next)
			if (streq(x->sound, sound))
				alike(l, x->p, CONFIDENCE_SOUND, in(mt, "the same name in another spelling, order or without a patronymic", "то же имя в другом написании, порядке или без отчества"));
}

/* A local part or handle of the source against the accounts' names: they share the surname's sound, or most of it. */
static void look_local(const struct matcher *mt, const char *local, const char *what, struct likeness *l, struct arena *a)
{
	const char *letters = letters_of(local, a);
	size_t n = strlen(letters);
	/* Whatever the form, a surname is a run of its letters from an end: each run that is some account's word is looked at. */
	for (size_t k = 3; k <= n; k++) {
		const char *const runs[] = { arena_strndup(a, letters, k), letters + n - k };
		for (size_t r = 0; r < (k == n ? 1u : 2u); r++)
			for (const struct sounder *x = table_get(&mt->words, runs[r]); x; x = x->next) {
				enum local_fit fit = names_local_fits(local, x->sound, a);
				if (fit != LOCAL_NO)
					alike(l, x->p, fit == LOCAL_FULL ? CONFIDENCE_LOCAL : CONFIDENCE_INITIAL,
					      arena_fmt(a, fit == LOCAL_FULL ? in(mt, "%s '%.60s' is this name", "%s «%.60s» — это имя")
					                                               : in(mt, "%s '%.60s' is an initial and this surname", "%s «%.60s» — инициал и эта фамилия"), what, local));
			}
	}
}

/* The source's name against the local parts of the accounts' e-mails. */
static void look_accounts(const struct matcher *mt, const char *sound, struct likeness *l, struct arena *a)
{
	const char *space = strchr(sound, ' ');
	if (!space || strchr(space + 1, ' '))
		return;
	const char *x = arena_strndup(a, sound, (size_t)(space - sound)), *y = space + 1;
	const char *const keys[] = { arena_fmt(a, "%s%s", x, y), arena_fmt(a, "%s%s", y, x), arena_fmt(a, "%c%s", *x, y), arena_fmt(a, "%c%s", *y, x),
	                             arena_fmt(a, "%s%c", x, *y), arena_fmt(a, "%s%c", y, *x) };
	for (size_t i = 0; i < countof(keys); i++)
		for (const struct sounder *t = table_get(&mt->locals, keys[i]); t; t = t->next) {
			enum local_fit fit = names_local_fits(t->sound, sound, a);
			if (fit != LOCAL_NO)
				alike(l, t->p, fit == LOCAL_FULL ? CONFIDENCE_LOCAL : CONFIDENCE_INITIAL,
				      arena_fmt(a, fit == LOCAL_FULL ? in(mt, "the account's e-mail '%.60s' is this name", "почта учётной записи «%.60s» — это имя")
				                                               : in(mt, "the account's e-mail '%.60s' is an initial and this surname", "почта учётной записи «%.60s» — инициал и эта фамилия"),
				                t->sound));
		}
}

static struct match by_likeness(const struct matcher *mt, const struct user *u, const char *email, struct arena *a)
{
	struct likeness l = { 0 };
	const char *sound = u->name ? names_sound(u->name, a) : "";
	if (strchr(sound, ' ')) {
		look_words(mt, sound, &l, a);
		look_accounts(mt, sound, &l, a);
	}
	if (email && *email)
		look_local(mt, email, in(mt, "the e-mail", "почта"), &l, a);
	if (u->handle && *u->handle)
		look_local(mt, u->handle, in(mt, "the handle", "логин"), &l, a);
	if (!l.n)
		return (struct match){ .reason = "" };
	if (l.n > 1)
		return ask(NULL, 0, arena_fmt(a, in(mt, "%zu accounts could be this person (%s)", "подходящих учётных записей: %zu (%s)"), l.n, l.reason));
	const struct hits *own = table_get(&mt->source_sounds, sound);
	if (own && own->n > 1)
		return ask(NULL, 0, arena_fmt(a, in(mt, "%zu people of the source sound like one account (%s)", "людей источника, похожих на одну учётную запись: %zu (%s)"), own->n, l.who[0]->id));
	return ask(l.who[0], l.confidence, l.reason);
}

struct match match_person(const struct matcher *mt, const struct user *u, const char *email, struct arena *a)
{
	if (u->flags & (USER_BOT | USER_SYSTEM))
		return (struct match){ .reason = "" };
	const struct hits *h = email && *email ? table_get(&mt->emails, names_fold(email, a)) : NULL;
	if (h && h->n > 1)
		return ask(NULL, 0, arena_fmt(a, in(mt, "%zu accounts have this e-mail", "учётных записей с этим адресом почты: %zu"), h->n));
	if (h && (h->first->bot || h->first->suspended))
		return ask(h->first, CONFIDENCE_NAME, h->first->bot ? in(mt, "a bot has this e-mail", "этот адрес почты у бота") : in(mt, "the account with this e-mail is suspended", "учётная запись с этим адресом почты отключена"));
	if (h)
		return (struct match){ h->first->id, CONFIDENCE_EMAIL, in(mt, "same e-mail", "тот же адрес почты"), false };
	const char *phone = u->phone ? names_phone(u->phone, a) : NULL;
	h = phone ? table_get(&mt->phones, phone) : NULL;
	if (h && h->n > 1)
		return ask(NULL, 0, arena_fmt(a, in(mt, "%zu accounts have this phone number", "учётных записей с этим телефоном: %zu"), h->n));
	if (h)
		return (struct match){ h->first->id, CONFIDENCE_PHONE, in(mt, "same phone number", "тот же телефон"), false };
	struct match same = by_name(mt, u, a);
	return same.asks ? same : by_likeness(mt, u, email, a);
}
