/* slack_apps.c: the apps, bots and webhooks a workspace uses, put together from the three places that know of them.
 *
 * integration_logs.json says who installed what, and when; users.json lists bots with their app; messages say who posts. They are
 * joined by the app's id (A…), by the bot's id (B…), and where old services have neither in common, by who added them when, or
 * by a name that only one of them has. Called by the lists, by each message of a bot, and at the end of the walk, which tells each of them once. How often
 * they posted is not counted here: the messages say it, and they may be merged with those of another archive.
 *
 * Fields of a log entry: Slack's method team.integrationLogs. Entries stand newest first, but nothing here relies on it.
 */
#include "importers/slack.h"

#include "core/buf.h"
#include "core/utf8.h"

#include <string.h>

enum { APPS_MAX = 50 * 1000, WORDS_MAX = 200, SCOPES_MAX = 4000, JOIN_MAX = 5000, MINUTE_US = 60 * 1000 * 1000 };

struct words { const char **v; size_t n, cap; };
struct app {
	const char *id, *name;
	enum integration_kind kind;
	enum integration_state state;
	const char *installer, *installer_name;
	int64_t installed_us, changed_us;
	struct words authors, convs, scopes;
	bool logged, installed;        /* an entry of the log is about it; one says that it was added */
	bool joined;                   /* it is told as another one */
};

static bool wanted(const struct source *s)
{
	return s->sink->integration != NULL;
}

static void add_word(struct source *s, struct words *w, const char *word, size_t n)
{
	if (!n || w->n == WORDS_MAX)
		return;
	for (size_t i = 0; i < w->n; i++)
		if (strlen(w->v[i]) == n && memcmp(w->v[i], word, n) == 0)
			return;
	ARENA_GROW(&s->names, w->v, w->n, w->cap, 4);
	w->v[w->n++] = arena_strndup(&s->names, word, n);
}

static struct app *app_get(struct source *s, const char *id)
{
	struct app *a = table_get(&s->apps, id);
	if (a || s->apps.n >= APPS_MAX)
		return a;
	a = arena_new(&s->names, struct app);
	a->id = arena_strdup(&s->names, id);
	a->kind = INTEGRATION_BOT;
	table_put(&s->apps, a->id, a);
	return a;
}

static void posts_as(struct source *s, struct app *a, const char *author)
{
	if (!author || table_get(&s->app_of, author))
		return;
	add_word(s, &a->authors, author, strlen(author));
	table_put(&s->app_of, arena_strdup(&s->names, author), a);
}

/* ---- the log ---- */

/* "added", "removed", "enabled", "disabled", "updated", and "expanded" where an app was given more rights. */
static enum integration_state state_of(const char *change)
{
	static const struct { const char *word; enum integration_state state; } words[] = {
		{ "added", INTEGRATION_ON }, { "enabled", INTEGRATION_ON }, { "updated", INTEGRATION_ON }, { "expanded", INTEGRATION_ON },
		{ "disabled", INTEGRATION_OFF }, { "removed", INTEGRATION_REMOVED },
	};
	for (size_t i = 0; change && i < countof(words); i++)
		if (streq(words[i].word, change))
			return words[i].state;
	return INTEGRATION_UNKNOWN;
}

/* The newest "added" says who installed it; where the log begins later, its oldest entry says whom to ask. */
static void installed_by(struct source *s, struct app *a, const struct jv *v, const char *change, int64_t us)
{
	const struct jv *user = jv_get(v, "user_id");
	const char *id = user && user->type == JV_STR && slack_is_ref(user->s, user->len) ? user->s : NULL;
	const bool added = change && streq(change, "added");
	if (a->installed ? !added || us <= a->installed_us : a->installer && !added && us >= a->installed_us)
		return;
	a->installed = added;
	a->installed_us = us;
	a->installer = id && !streq(id, "0") ? arena_strdup(&s->names, id) : NULL;
	a->installer_name = !a->installer && user ? "Slack" : slack_name(s, slack_str(s->step, jv_get(v, "user_name")));
}

void slack_app_log(struct source *s, const struct jv *v)
{
	if (!wanted(s) || !jv_is(v, JV_OBJ))
		return;
	const char *change = jv_get_str(v, "change_type"), *scope = slack_untoken(s->step, slack_str(s->step, jv_get(v, "scope")), NULL);
	const struct jv *service = jv_get(v, "service_id");
	const char *app_id = jv_get_str(v, "app_id"), *name = jv_get_str(v, app_id ? "app_type" : "service_type"), *id = app_id;
	if (!id && service && (service->type == JV_STR || service->type == JV_NUM) && slack_is_ref(service->s, service->len) && !streq(service->s, "0"))
		id = service->s;
	if (!name)
		name = jv_get_str(v, "app_type") ? jv_get_str(v, "app_type") : jv_get_str(v, "service_type");
	name = name ? slack_untoken(s->step, name, NULL) : NULL;
	if (!id)
		id = name;
	struct app *a = id && strlen(id) <= SLACK_NAME_MAX ? app_get(s, id) : NULL;
	if (!a)
		return;
	const int64_t us = slack_time_us(jv_get(v, "date"));
	a->logged = true;
	a->kind = app_id ? INTEGRATION_APP : strstr(scope, "incoming-webhook") ? INTEGRATION_WEBHOOK : a->kind == INTEGRATION_BOT ? INTEGRATION_APP : a->kind;
	if (!a->name || us > a->changed_us)
		a->name = slack_name(s, name) ? slack_name(s, name) : a->name;
	if (state_of(change) && (!a->state || us > a->changed_us))
		a->state = state_of(change);
	if (us > a->changed_us)
		a->changed_us = us;
	installed_by(s, a, v, change, us);
	const char *channel = jv_get_str(v, "channel");
	if (channel && slack_is_id(channel, strlen(channel)))
		add_word(s, &a->convs, channel, strlen(channel));
	for (size_t n; *scope; scope += n + (scope[n] == ',')) {
		while (*scope == ' ')
			scope++;
		n = strcspn(scope, ",");
		if (n <= SLACK_NAME_MAX)
			add_word(s, &a->scopes, scope, n);
	}
}

/* ---- people and messages ---- */

void slack_app_user(struct source *s, const struct user *u, const char *app_id, bool workflow)
{
	if (!wanted(s) || !(u->flags & USER_BOT) || (u->flags & USER_SYSTEM))
		return;
	if (app_id && !slack_is_id(app_id, strlen(app_id)))
		app_id = NULL;
	struct app *a = table_get(&s->app_of, u->id);
	if (!a)
		a = app_get(s, app_id ? app_id : u->id);
	if (!a)
		return;
	if (!a->logged)
		a->kind = workflow ? INTEGRATION_WORKFLOW : app_id ? INTEGRATION_APP : INTEGRATION_BOT;
	if (!a->name)
		a->name = slack_name(s, u->name);
	if ((u->flags & USER_GONE) && !a->logged)
		a->state = INTEGRATION_REMOVED;
	posts_as(s, a, u->id);
	posts_as(s, a, u->alias);
}

void slack_app_msg(struct source *s, const char *author, const char *bot, const char *app_id, const char *name, bool workflow)
{
	if (!wanted(s))
		return;
	struct app *a = table_get(&s->app_of, author);
	if (a && (a->name || !name))
		return;
	const struct person *p = slack_person(s, author);
	if (p && (p->flags & USER_SYSTEM))
		return;
	if (bot && !slack_is_ref(bot, strlen(bot)))
		bot = NULL;
	if (app_id && !slack_is_id(app_id, strlen(app_id)))
		app_id = NULL;
	if (!a && bot)
		a = table_get(&s->app_of, bot);
	if (!a) {
		const bool known = app_id && table_get(&s->apps, app_id);
		a = app_get(s, app_id ? app_id : bot ? bot : author);
		if (!a)
			return;
		if (!known)
			a->kind = workflow ? INTEGRATION_WORKFLOW : app_id ? INTEGRATION_APP : INTEGRATION_BOT;
	}
	if (!a->name && name)
		a->name = slack_name(s, slack_untoken(s->step, name, NULL));
	posts_as(s, a, author);
	posts_as(s, a, bot);
}

/* "added an integration to this channel", said by whoever did it: often all that is left of an old one. */
void slack_app_notice(struct source *s, const char *subtype, const char *bot, const char *user, int64_t us)
{
	if (!wanted(s) || !subtype || strncmp(subtype, "bot_", 4) != 0)
		return;
	const bool added = streq(subtype, "bot_add");
	struct app *a = table_get(&s->app_of, bot);
	if (!a)
		a = app_get(s, bot);
	if (!a)
		return;
	posts_as(s, a, bot);
	if (s->chan)
		add_word(s, &a->convs, s->chan->id, strlen(s->chan->id));
	if (a->logged)
		return; /* the log knows better */
	if (us >= a->changed_us) {
		a->changed_us = us;
		a->state = added || streq(subtype, "bot_enable") ? INTEGRATION_ON : streq(subtype, "bot_disable") ? INTEGRATION_OFF : INTEGRATION_REMOVED;
	}
	if (added && us >= a->installed_us && user && slack_is_ref(user, strlen(user))) {
		a->installed_us = us;
		a->installer = arena_strdup(&s->names, user);
	}
}

/* ---- telling ---- */

/* "Travis CI" and "travisci": letters and digits only, in small letters. */
static const char *plain(struct source *s, const char *name)
{
	char *out = arena_strdup(s->step, name), *to = out;
	for (const char *p = name; *p; p++) {
		const unsigned char c = (unsigned char)*p;
		if (c >= 'A' && c <= 'Z')
			*to++ = (char)(c + 32);
		else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80)
			*to++ = *p;
	}
	*to = '\0';
	return out;
}

static bool has_word(const struct words *w, const char *word)
{
	for (size_t i = 0; i < w->n; i++)
		if (streq(w->v[i], word))
			return true;
	return false;
}

static void join(struct source *s, struct app *a, struct app *to)
{
	for (size_t k = 0; k < a->authors.n; k++)
		add_word(s, &to->authors, a->authors.v[k], strlen(a->authors.v[k]));
	for (size_t k = 0; k < a->convs.n; k++)
		add_word(s, &to->convs, a->convs.v[k], strlen(a->convs.v[k]));
	a->joined = true;
}

/* The same person added both within a minute, in the same channel: the log's entry and the notice there are about one thing. */
static void join_by_time(struct source *s)
{
	for (size_t i = 0; i < s->apps.n; i++) {
		struct app *a = s->apps.rows[i].value;
		if (a->logged || !a->installer || !a->installed_us || !a->convs.n)
			continue;
		for (size_t k = 0; k < s->apps.n && k < JOIN_MAX && !a->joined; k++) {
			struct app *to = s->apps.rows[k].value;
			const int64_t apart = to->installed_us - a->installed_us;
			if (to->logged && !to->authors.n && to->installer && streq(to->installer, a->installer) && apart > -MINUTE_US && apart < MINUTE_US &&
			    has_word(&to->convs, a->convs.v[0]))
				join(s, a, to);
		}
	}
}

/* A name that one service alone has joins the bot of that name to it. */
static void join_by_name(struct source *s)
{
	struct table services;
	static char twice;
	table_init(&services);
	for (size_t i = 0; i < s->apps.n; i++) {
		const struct app *a = s->apps.rows[i].value;
		const char *key = a->logged && !a->authors.n && a->name ? plain(s, a->name) : "";
		if (*key)
			table_put(&services, key, table_get(&services, key) ? (void *)&twice : s->apps.rows[i].value);
	}
	for (size_t i = 0; i < s->apps.n && services.n; i++) {
		struct app *a = s->apps.rows[i].value;
		if (a->logged || a->joined || !a->name)
			continue;
		void *found = table_get(&services, plain(s, a->name));
		struct app *to = found == (void *)&twice ? NULL : found;
		if (to)
			join(s, a, to);
	}
	table_release(&services);
}

static bool push(struct source *s, const struct app *a)
{
	struct integration in = {
		.id = a->id, .name = a->name, .kind = a->kind, .state = a->state, .installer = a->installer, .installer_name = a->installer_name,
		.installed_us = a->installed_us, .changed_us = a->changed_us, .authors = a->authors.v, .n_authors = a->authors.n,
		.convs = a->convs.v, .n_convs = a->convs.n,
	};
	const struct person *by = a->installer ? slack_person(s, a->installer) : NULL;
	if (by && by->source != NAME_PLACEHOLDER)
		in.installer_name = by->name;
	struct buf scopes;
	buf_init(&scopes, SCOPES_MAX);
	for (size_t i = 0; i < a->scopes.n && scopes.len + strlen(a->scopes.v[i]) + 2 < SCOPES_MAX; i++)
		buf_addf(&scopes, "%s%s", i ? ", " : "", a->scopes.v[i]);
	if (scopes.len)
		in.scopes = arena_strndup(s->step, scopes.p, scopes.len);
	buf_release(&scopes);
	if (!s->sink->integration(s->sink->ctx, &in))
		s->stopped = true;
	return !s->stopped;
}

bool slack_push_apps(struct source *s)
{
	if (!wanted(s))
		return true;
	arena_reset(s->step);
	for (size_t i = 0; i < s->apps.n; i++) {
		struct app *a = s->apps.rows[i].value;
		for (size_t k = 0; k < a->authors.n && !a->name; k++) {
			const struct person *p = slack_person(s, a->authors.v[k]);
			a->name = p && p->source != NAME_PLACEHOLDER ? p->name : NULL;
		}
	}
	/* Old services: the log knows a number that no message carries. */
	join_by_time(s);
	join_by_name(s);
	for (size_t i = 0; i < s->apps.n && !s->stopped; i++) {
		struct app *a = s->apps.rows[i].value;
		if (!a->name)
			a->name = a->id;
		if (!a->joined)
			push(s, a);
	}
	return !s->stopped;
}
