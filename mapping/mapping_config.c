/* mapping_config.c: reads mvchat.yaml strictly. Called by mapping.c. Pure: text in, struct config or one error out; what is
 * not known is an error with its place, what looks like a secret is never repeated. It opens no file and asks no clock. */
#include "mapping/mapping_config.h"

#include "core/canon.h"
#include "core/clock.h"

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

/* In the order of enum people_policy. Who has left never gets access; a bot gets no person's account. */
static const char *const values_people[] = { "label", "create", "skip", "fail", "create-suspended", NULL };
static const char *const values_gone[] = { "label", "skip", "fail", "create-suspended", NULL };
static const char *const values_bots[] = { "label", "skip", "fail", NULL };
static const char *const values_dm[] = { "private-chat", "skip", NULL };
static const char *const values_archived[] = { "archive", "skip", "open", NULL };
static const char *const values_placement[] = { "auto", "inline", "threads", "archive-chat", NULL };
static const char *const values_by[] = { "month", "year", "all", NULL };
static const char *const values_carry[] = { "same", "any", NULL };
static const char *const values_mentions[] = { "mute", "live", "text", NULL };
static const char *const values_reactions[] = { "text", "native", "drop", NULL };
static const char *const values_avatars[] = { "match", "none", NULL };
static const char *const values_orphans[] = { "placeholder", "skip", NULL };
static const char *const values_attribution[] = { "label", "header", "none", NULL };
static const char *const values_do[] = { "drop", "route", "tag", NULL }; /* enum rule_do */
static const char *const values_date_order[] = { "dmy", "mdy", "ymd", NULL };
static const char *const values_locale[] = { "en", "ru", NULL };

const struct config_key config_keys[] = {
	{ "version", KEY_VERSION, NULL },
	{ "locale", KEY_ENUM, values_locale },
	{ "archives", KEY_ARCHIVES, NULL },
	{ "archives[].path", KEY_PATH, NULL },
	{ "archives[].format", KEY_TEXT, NULL },
	{ "archives[].zone", KEY_ZONE, NULL },
	{ "archives[].date_order", KEY_ENUM, values_date_order },
	{ "archives[].key_file", KEY_PATH, NULL },
	{ "target", KEY_SECTION, NULL },
	{ "target.name", KEY_TEXT, NULL },
	{ "target.url", KEY_URL, NULL },
	{ "target.admin_token_env", KEY_ENV, NULL },
	{ "target.bot_token_env", KEY_ENV, NULL },
	{ "target.admin_token_file", KEY_PATH, NULL },
	{ "target.bot_token_file", KEY_PATH, NULL },
	{ "time", KEY_SECTION, NULL },
	{ "time.zone", KEY_ZONE, NULL },
	{ "time.label", KEY_LABEL, NULL },
	{ "people", KEY_SECTION, NULL },
	{ "people.unmatched", KEY_ENUM, values_people },
	{ "people.deactivated", KEY_ENUM, values_gone },
	{ "people.guests", KEY_ENUM, values_people },
	{ "people.bots", KEY_ENUM, values_bots },
	{ "people.strangers", KEY_ENUM, values_people },
	{ "people.invite", KEY_BOOL, NULL },
	{ "people.aliases", KEY_GROUPS, NULL },
	{ "people.members_list", KEY_PATH, NULL },
	{ "channels", KEY_SECTION, NULL },
	{ "channels.dm", KEY_ENUM, values_dm },
	{ "channels.group_dm", KEY_ENUM, values_dm },
	{ "channels.prefix", KEY_TEXT, NULL },
	{ "channels.suffix", KEY_TEXT, NULL },
	{ "channels.rename", KEY_ITEMS, NULL },
	{ "channels.rename[].match", KEY_REGEX, NULL },
	{ "channels.rename[].to", KEY_TEXT, NULL },
	{ "channels.members", KEY_ITEMS, NULL },
	{ "channels.members[].channel", KEY_WORDS, NULL },
	{ "channels.members[].admin", KEY_WORDS, NULL },
	{ "channels.members[].editor", KEY_WORDS, NULL },
	{ "channels.members[].tag", KEY_WORDS, NULL },
	{ "channels.archived", KEY_ENUM, values_archived },
	{ "channels.join_members", KEY_BOOL, NULL },
	{ "channels.allow_public", KEY_LIST, NULL },
	{ "history", KEY_SECTION, NULL },
	{ "history.placement", KEY_ENUM, values_placement },
	{ "history.thread_by", KEY_ENUM, values_by },
	{ "history.thread_size", KEY_COUNT, NULL },
	{ "history.channels", KEY_ITEMS, NULL },
	{ "history.channels[].channel", KEY_WORDS, NULL },
	{ "history.channels[].placement", KEY_ENUM, values_placement + 1 },
	{ "messages", KEY_SECTION, NULL },
	{ "messages.leave_out", KEY_KINDS, NULL },
	{ "messages.mentions", KEY_ENUM, values_mentions },
	{ "messages.reactions", KEY_ENUM, values_reactions },
	{ "messages.pins", KEY_BOOL, NULL },
	{ "messages.orphans", KEY_ENUM, values_orphans },
	{ "messages.avatars", KEY_ENUM, values_avatars },
	{ "messages.attribution", KEY_ENUM, values_attribution },
	{ "text", KEY_ITEMS, NULL },
	{ "text[].name", KEY_TEXT, NULL },
	{ "text[].match", KEY_REGEX, NULL },
	{ "text[].replace", KEY_TEXT, NULL },
	{ "text[].ignore_case", KEY_BOOL, NULL },
	{ "redact", KEY_CHOICES, redaction_names },
	{ "rules", KEY_ITEMS, NULL },
	{ "rules[].name", KEY_TEXT, NULL },
	{ "rules[].where", KEY_SECTION, NULL },
	{ "rules[].where.channel", KEY_WORDS, NULL },
	{ "rules[].where.author", KEY_WORDS, NULL },
	{ "rules[].where.text", KEY_REGEX, NULL },
	{ "rules[].where.ignore_case", KEY_BOOL, NULL },
	{ "rules[].where.since", KEY_DATE, NULL },
	{ "rules[].where.until", KEY_DATE, NULL },
	{ "rules[].where.kind", KEY_ALL_KINDS, NULL },
	{ "rules[].where.has_file", KEY_BOOL, NULL },
	{ "rules[].do", KEY_ENUM, values_do },
	{ "rules[].into", KEY_TEXT, NULL },
	{ "rules[].allow_wider", KEY_WORDS, NULL },
	{ "rules[].thread", KEY_TEXT, NULL },
	{ "rules[].carry", KEY_SPAN, NULL },
	{ "rules[].back", KEY_SPAN, NULL },
	{ "rules[].carry_author", KEY_ENUM, values_carry },
	{ "rules[].tag", KEY_TEXT, NULL },
	{ "only", KEY_SECTION, NULL },
	{ "only.channels", KEY_LIST, NULL },
	{ "only.users", KEY_LIST, NULL },
	{ "only.tags", KEY_LIST, NULL },
	{ "only.since", KEY_DATE, NULL },
	{ "only.until", KEY_DATE, NULL },
	{ "only.last_days", KEY_COUNT, NULL },
	{ "only.last_messages", KEY_COUNT, NULL },
};
const size_t n_config_keys = countof(config_keys);

/* A message of a person cannot be left out by its kind: that is what `only` and the tables are for. */
const enum msg_kind leavable_kinds[] = { MSG_BOT, MSG_JOIN, MSG_LEAVE, MSG_TOPIC, MSG_RENAME, MSG_ARCHIVE, MSG_PIN,
	MSG_CALL, MSG_DELETED, MSG_APP, MSG_SYSTEM };
const size_t n_leavable_kinds = countof(leavable_kinds);
static const enum msg_kind left_out_by_default[] = { MSG_JOIN, MSG_LEAVE, MSG_ARCHIVE, MSG_RENAME, MSG_TOPIC, MSG_APP, MSG_PIN };

const char *people_policy_name(enum people_policy p)
{
	switch (p) {
	case POLICY_LABEL: return "label";
	case POLICY_CREATE: return "create";
	case POLICY_SKIP: return "skip";
	case POLICY_FAIL: return "fail";
	case POLICY_CREATE_SUSPENDED: return "create-suspended";
	}
	die("people policy %d", (int)p);
}

/* ---- reading ---- */

struct reader {
	const char *file;
	struct arena *a;
	struct err *e;
	struct config *c;
	bool seen_archives, seen_target, seen_version;
};

static const struct fy_mark *mark_of(struct fy_node *n)
{
	struct fy_token *t = n ? fy_node_get_scalar_token(n) : NULL;
	return t ? fy_token_start_mark(t) : NULL;
}

static bool place(struct reader *r, const struct fy_mark *m)
{
	return m ? err_where(r->e, "%s:%d:%d", r->file, m->line + 1, m->column + 1) : err_where(r->e, "%s", r->file);
}

/* The text of a scalar in the arena; NULL when it is no scalar, empty-valued or holds a NUL. */
static const char *scalar(struct reader *r, struct fy_node *n)
{
	size_t len = 0;
	const char *s = n && fy_node_is_scalar(n) && !fy_node_is_null(n) ? fy_node_get_scalar(n, &len) : NULL;
	return s && !memchr(s, '\0', len) ? arena_strndup(r->a, s, len) : NULL;
}

static const char *shape(struct fy_node *n)
{
	if (!n || fy_node_is_null(n))
		return N_("nothing");
	return fy_node_is_sequence(n) ? N_("a list") : fy_node_is_mapping(n) ? N_("a section") : N_("a single value");
}

static const char *listed(struct arena *a, const char *const *v, size_t n)
{
	const char *s = "";
	for (size_t i = 0; i < n; i++)
		s = arena_fmt(a, "%s%s%s", s, i ? ", " : "", v[i]);
	return s;
}

static bool bad_type(struct reader *r, const char *path, const char *want, struct fy_node *n, const struct fy_mark *at)
{
	err_set(r->e, ERR_USAGE, "'%s' must be %s, not %s", path, err_word(want), err_word(shape(n)));
	return place(r, mark_of(n) ? mark_of(n) : at);
}

static bool secret_here(struct reader *r, const struct fy_mark *at)
{
	err_set(r->e, ERR_USAGE, "this looks like an access token; tokens never belong into this file");
	err_hint(r->e, "put the token into an environment variable (target.admin_token_env) or a 0600 file (target.admin_token_file), and revoke it if this file was shared");
	return place(r, at);
}

static bool is_secret_key(const char *key)
{
	static const char *const words[] = { "token", "tokens", "admin_token", "bot_token", "access_token", "api_key", "apikey",
		"password", "secret", "bearer" };
	for (size_t i = 0; i < countof(words); i++)
		if (streq(key, words[i]))
			return true;
	return false;
}

static bool bad_word(struct reader *r, const char *path, const char *got, const char *const *v, size_t n, const struct fy_mark *at)
{
	const char *near = nearest_word(got, v, n);
	err_set(r->e, ERR_USAGE, "'%s': '%s' is not one of %s", path, got, listed(r->a, v, n));
	if (near)
		err_hint(r->e, "did you mean '%s'?", near);
	return place(r, at);
}

static bool bad_value(struct reader *r, const char *path, const char *got, const char *want, const struct fy_mark *at)
{
	err_set(r->e, ERR_USAGE, "'%s': '%s' is not %s", path, got, err_word(want));
	return place(r, at);
}

static size_t count_values(const char *const *v)
{
	size_t n = 0;
	while (v[n])
		n++;
	return n;
}

static bool is_env_name(const char *s)
{
	if (!*s || (*s >= '0' && *s <= '9'))
		return false;
	for (; *s; s++)
		if (!((*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_'))
			return false;
	return true;
}

/* One name or several, separated by commas or blanks: of the bots that share the work. */
static bool are_env_names(struct reader *r, const char *s)
{
	size_t names = 0;
	for (s += strspn(s, ", \t"); *s; s += strspn(s, ", \t"), names++) {
		size_t n = strcspn(s, ", \t");
		if (!is_env_name(arena_strndup(r->a, s, n)))
			return false;
		s += n;
	}
	return names > 0;
}

/* Only {name}, {date}, {time}, {zone}; {name} must be there, or nobody could tell who wrote what. */
static const char *bad_placeholder(const char *s)
{
	bool name = false;
	for (const char *p = s; *p; p++) {
		if (*p == '}' )
			return N_("a label: '}' without '{'");
		if (*p != '{')
			continue;
		if (!strncmp(p, "{name}", 6))
			name = true;
		else if (strncmp(p, "{date}", 6) && strncmp(p, "{time}", 6) && strncmp(p, "{zone}", 6))
			return N_("a label: only {name}, {date}, {time} and {zone} are known");
		p += 5;
	}
	return name ? NULL : N_("a label: {name} is missing");
}

/* Days since 1970 of a civil date (proleptic Gregorian). */
static int64_t days_of(int y, int m, int d)
{
	y -= m <= 2;
	int64_t era = y / 400, yoe = y - era * 400, doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool read_day(const char *s, int *y, int *m, int *d)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	if (strlen(s) != 10 || strspn(s, "0123456789") != 4 || s[4] != '-' || strspn(s + 5, "0123456789") != 2 || s[7] != '-' ||
	    strspn(s + 8, "0123456789") != 2)
		return false;
	*y = atoi(s);
	*m = atoi(s + 5);
	*d = atoi(s + 8);
	bool leap = (*y % 4 == 0 && *y % 100 != 0) || *y % 400 == 0;
	return *y >= 1970 && *m >= 1 && *m <= 12 && *d >= 1 && *d <= lengths[*m - 1] + (*m == 2 && leap);
}

/* The UTC instant at which a day begins in the zone. */
static int64_t day_start(const char *day, const char *zone)
{
	int y, m, d;
	if (!read_day(day, &y, &m, &d))
		return 0;
	int64_t us = days_of(y, m, d) * 86400 * 1000000;
	struct zoned z;
	int64_t at = us;
	for (int i = 0; i < 2; i++) /* twice: the offset at the guess may differ from the one at the answer */
		if (zone_local(zone, at, &z))
			at = us - (int64_t)z.offset_s * 1000000;
	return at;
}

/* "until" names the last day that is taken along; the bound kept is the first instant after it. */
static int64_t day_end(const char *day, const char *zone)
{
	int y, m, d;
	struct zoned z;
	if (!read_day(day, &y, &m, &d))
		return 0;
	int64_t us = (days_of(y, m, d) + 1) * 86400 * 1000000, at = us;
	for (int i = 0; i < 2; i++)
		if (zone_local(zone, at, &z))
			at = us - (int64_t)z.offset_s * 1000000;
	return at;
}

int64_t config_days_since(int64_t newest_us, int64_t days, const char *zone)
{
	struct zoned z;
	if (!zone_local(zone, newest_us, &z))
		return 0;
	int64_t us = (days_of(z.year, z.month, z.day) - days + 1) * 86400 * 1000000, at = us;
	for (int i = 0; i < 2; i++)
		if (zone_local(zone, at, &z))
			at = us - (int64_t)z.offset_s * 1000000;
	return at > 1 ? at : 1; /* 0 would be no bound */
}

struct target_of { const char *path; const char **text; bool *flag; struct string_list *list; int *choice; int64_t *number; };

static bool read_list(struct reader *r, const struct config_key *k, struct fy_node *n, struct string_list *out, const struct fy_mark *at)
{
	if (k->type == KEY_WORDS && scalar(r, n) && *scalar(r, n)) {
		const char **one = arena_array(r->a, 1, const char *);
		*one = scalar(r, n);
		*out = (struct string_list){ one, 1 };
		return true;
	}
	if (!n || !fy_node_is_sequence(n))
		return bad_type(r, k->path, N_("a list"), n, at);
	int count = fy_node_sequence_item_count(n);
	const char **v = arena_array(r->a, (size_t)(count > 0 ? count : 0) + 1, const char *);
	size_t i = 0;
	void *it = NULL;
	for (struct fy_node *c; (c = fy_node_sequence_iterate(n, &it));) {
		const char *s = scalar(r, c);
		if (!s || !*s)
			return bad_type(r, arena_fmt(r->a, "%s[%zu]", k->path, i), N_("a single value"), c, at);
		if (k->type == KEY_KINDS) {
			const char *names[16];
			bool ok = false;
			for (size_t j = 0; j < n_leavable_kinds; j++) {
				names[j] = msg_kind_name(leavable_kinds[j]);
				ok = ok || streq(names[j], s);
			}
			if (!ok)
				return bad_word(r, k->path, s, names, n_leavable_kinds, mark_of(c));
		}
		if (k->type == KEY_CHOICES) {
			size_t j = 0;
			while (k->values[j] && !streq(k->values[j], s))
				j++;
			if (!k->values[j])
				return bad_word(r, k->path, s, k->values, count_values(k->values), mark_of(c));
		}
		v[i++] = s;
	}
	*out = (struct string_list){ v, i };
	return true;
}

/* One value into the place that belongs to its path. Enum values are stored as their index in k->values. */
static bool read_value(struct reader *r, const struct config_key *k, struct fy_node *n, const struct target_of *t, const struct fy_mark *at)
{
	if (k->type == KEY_LIST || k->type == KEY_KINDS || k->type == KEY_CHOICES || k->type == KEY_WORDS)
		return read_list(r, k, n, t->list, at);
	const char *s = scalar(r, n);
	if (!s && (k->type == KEY_TEXT || k->type == KEY_DATE || k->type == KEY_URL || k->type == KEY_ZONE) && (!n || fy_node_is_null(n)))
		return true; /* "since:" with nothing behind it says nothing */
	if (!s)
		return bad_type(r, k->path, N_("a single value"), n, at);
	at = mark_of(n) ? mark_of(n) : at;
	switch (k->type) {
	case KEY_BOOL:
		if (!streq(s, "true") && !streq(s, "false"))
			return bad_value(r, k->path, s, N_("true or false"), at);
		*t->flag = streq(s, "true");
		return true;
	case KEY_ENUM: {
		for (int i = 0; k->values[i]; i++)
			if (streq(s, k->values[i])) {
				*t->choice = i;
				return true;
			}
		bad_word(r, k->path, s, k->values, count_values(k->values), at);
		if (k->values == values_gone && streq(s, "create"))
			err_hint(r->e, "who has left must not get access: write create-suspended");
		if (k->values == values_bots && !strncmp(s, "create", 6))
			err_hint(r->e, "a bot gets no account of a person: write label, or name an account in users.csv");
		return false;
	}
	case KEY_ENV:
		if (streq(k->path, "target.bot_token_env") ? !are_env_names(r, s) : !is_env_name(s)) {
			bad_value(r, k->path, s, N_("the name of an environment variable"), at);
			return err_hint(r->e, "write the variable's name (PACHCA_ADMIN_TOKEN), not the token");
		}
		break;
	case KEY_URL: {
		const char *host = !strncmp(s, "https://", 8) ? s + 8 : !strncmp(s, "http://", 7) ? s + 7 : NULL;
		if (!host || !*host || *host == '/')
			return bad_value(r, k->path, s, N_("an address that begins with https:// or http://"), at);
		if (strchr(s, '@') || strchr(s, '?') || strchr(s, '#'))
			return secret_here(r, at);
		break;
	}
	case KEY_ZONE:
		if (!zone_known(s)) {
			bad_value(r, k->path, s, N_("a time zone this system knows"), at);
			return err_hint(r->e, "write an IANA name such as Europe/Moscow");
		}
		break;
	case KEY_LABEL: {
		const char *why = bad_placeholder(s);
		if (why)
			return bad_value(r, k->path, s, why, at);
		break;
	}
	case KEY_DATE: {
		int y, m, d;
		if (!read_day(s, &y, &m, &d))
			return bad_value(r, k->path, s, N_("a date written as 2024-03-31"), at);
		break;
	}
	case KEY_PATH:
		if (!*s)
			return bad_value(r, k->path, s, N_("a path"), at);
		break;
	case KEY_REGEX:
		if (!*s)
			return bad_value(r, k->path, s, N_("a pattern"), at);
		break;
	case KEY_COUNT: {
		size_t n_digits = strspn(s, "0123456789");
		if (!n_digits || s[n_digits] || n_digits > 9 || atol(s) < 1)
			return bad_value(r, k->path, s, N_("a whole number, at least 1"), at);
		*t->number = atol(s);
		return true;
	}
	case KEY_SPAN: {
		size_t n_digits = strspn(s, "0123456789");
		int64_t unit = !n_digits || n_digits > 6 ? 0 : s[n_digits] == 's' ? 1 : s[n_digits] == 'm' ? 60 : s[n_digits] == 'h' ? 3600 : 0;
		if (!unit || s[n_digits + 1] || atol(s) < 1 || atol(s) * unit > 86400)
			return bad_value(r, k->path, s, N_("a length of time such as 30s, 10m or 2h, at most a day"), at);
		*t->number = atol(s) * unit * 1000000;
		return true;
	}
	case KEY_TEXT: case KEY_VERSION: case KEY_SECTION: case KEY_ARCHIVES: case KEY_LIST: case KEY_KINDS: case KEY_ALL_KINDS:
	case KEY_ITEMS: case KEY_WORDS: case KEY_CHOICES: case KEY_GROUPS:
		break;
	}
	*t->text = s;
	return true;
}

/* Enum choices arrive as indexes into the value lists above; kept apart so that the lists and the C enums need not agree. */
struct choices { int locale, unmatched, deactivated, guests, bots, strangers, dm, group_dm, archived, placement, mentions, reactions,
	orphans, avatars, attribution, history_by; };

static const struct config_key *find_key(const char *path)
{
	for (size_t i = 0; i < n_config_keys; i++)
		if (streq(config_keys[i].path, path))
			return &config_keys[i];
	return NULL;
}

static bool unknown_key(struct reader *r, const char *section, const char *key, const struct fy_mark *at)
{
	if (is_secret_key(key)) {
		err_set(r->e, ERR_USAGE, "'%s%s' is not a key: tokens never belong into this file", section, key);
		err_hint(r->e, "name an environment variable with target.admin_token_env and target.bot_token_env, or a 0600 file with …_token_file");
		return place(r, at);
	}
	const char *names[64];
	size_t n = 0, len = strlen(section);
	for (size_t i = 0; i < n_config_keys && n < countof(names); i++) {
		const char *p = config_keys[i].path;
		if (!strncmp(p, section, len) && p[len] && !strpbrk(p + len, ".["))
			names[n++] = p + len;
	}
	const char *near = nearest_word(key, names, n);
	err_set(r->e, ERR_USAGE, "unknown key '%s%s'", section, key);
	if (near)
		err_hint(r->e, "did you mean '%s'?", near);
	else
		err_hint(r->e, "known here: %s", listed(r->a, names, n));
	return place(r, at);
}

typedef bool (*pair_fn)(struct reader *r, void *ctx, const struct config_key *k, struct fy_node *v, const struct fy_mark *at);

/* Each pair of a mapping whose keys are "section" + key. */
static bool each_pair(struct reader *r, const char *section, struct fy_node *n, pair_fn fn, void *ctx)
{
	void *it = NULL;
	for (struct fy_node_pair *p; (p = fy_node_mapping_iterate(n, &it));) {
		const char *key = scalar(r, fy_node_pair_key(p));
		const struct fy_mark *at = mark_of(fy_node_pair_key(p));
		if (!key) {
			err_set(r->e, ERR_USAGE, "a key must be a plain word");
			return place(r, at);
		}
		const struct config_key *k = find_key(arena_fmt(r->a, "%s%s", section, key));
		if (!k || strpbrk(key, ".["))
			return unknown_key(r, section, key, at);
		if (!fn(r, ctx, k, fy_node_pair_value(p), at))
			return false;
	}
	return true;
}

struct everything { struct choices ch; bool leave_out_given; struct string_list leave_out; };

static bool on_archive_key(struct reader *r, void *ctx, const struct config_key *k, struct fy_node *v, const struct fy_mark *at)
{
	struct mapping_archive *ar = ctx;
	int order = 0;
	if (streq(k->path, "archives[].date_order")) {
		if (!read_value(r, k, v, &(struct target_of){ .path = k->path, .choice = &order }, at))
			return false;
		ar->date_order = values_date_order[order];
		return true;
	}
	const char **field = streq(k->path, "archives[].path") ? &ar->path : streq(k->path, "archives[].format") ? &ar->format
		: streq(k->path, "archives[].key_file") ? &ar->key_file : &ar->zone;
	return read_value(r, k, v, &(struct target_of){ .path = k->path, .text = field }, at);
}

static bool read_archives(struct reader *r, struct fy_node *n, const struct fy_mark *at)
{
	if (!n || !fy_node_is_sequence(n))
		return bad_type(r, "archives", N_("a list of '- path: …'"), n, at);
	int count = fy_node_sequence_item_count(n);
	struct mapping_archive *v = arena_array(r->a, (size_t)(count > 0 ? count : 0) + 1, struct mapping_archive);
	size_t i = 0;
	void *it = NULL;
	for (struct fy_node *c; (c = fy_node_sequence_iterate(n, &it)); i++) {
		const char *name = arena_fmt(r->a, "archives[%zu]", i);
		if (!fy_node_is_mapping(c))
			return bad_type(r, name, N_("a section with 'path'"), c, at);
		if (!each_pair(r, "archives[].", c, on_archive_key, &v[i]))
			return false;
		if (!v[i].path) {
			err_set(r->e, ERR_USAGE, "'%s' has no 'path'", name);
			return place(r, at);
		}
	}
	r->c->c.archives = v;
	r->c->c.n_archives = i;
	return true;
}

/* ---- lists of sections ---- */

struct item { void *v; const struct fy_mark *at, *match_at; const char *text; bool flag, seen_do, seen_where; };

/* Each section of a list: entry i is read into items[i] by fn. */
static bool each_item(struct reader *r, const char *path, struct fy_node *n, size_t size, size_t max, pair_fn fn,
                      bool (*done)(struct reader *r, struct item *it, const char *name), void **out, size_t *n_out, const struct fy_mark *at)
{
	*out = NULL;
	*n_out = 0;
	if (!n || fy_node_is_null(n))
		return true; /* everything in it commented out */
	if (!fy_node_is_sequence(n))
		return bad_type(r, path, N_("a list of sections"), n, at);
	int count = fy_node_sequence_item_count(n);
	if (count > 0 && (size_t)count > max) {
		err_set(r->e, ERR_USAGE, "'%s' has %d entries; at most %zu are possible", path, count, max);
		return place(r, at);
	}
	char *v = arena_calloc(r->a, (size_t)(count > 0 ? count : 0) + 1, size);
	size_t i = 0;
	void *it = NULL;
	for (struct fy_node *c; (c = fy_node_sequence_iterate(n, &it)); i++) {
		const char *name = arena_fmt(r->a, "%s[%zu]", path, i);
		struct item x = { .v = v + i * size };
		if (!fy_node_is_mapping(c))
			return bad_type(r, name, N_("a section"), c, at);
		void *first = NULL;
		struct fy_node_pair *p = fy_node_mapping_iterate(c, &first);
		x.at = p ? mark_of(fy_node_pair_key(p)) : at;
		if (!each_pair(r, arena_fmt(r->a, "%s[].", path), c, fn, &x) || !done(r, &x, name))
			return false;
	}
	*out = v;
	*n_out = i;
	return true;
}

static bool missing(struct reader *r, const char *name, const char *key, const struct fy_mark *at)
{
	err_set(r->e, ERR_USAGE, "'%s' has no '%s'", name, key);
	return place(r, at);
}

static const struct regex *compile(struct reader *r, const char *name, const char *key, const char *pattern, bool caseless, const struct fy_mark *at)
{
	const char *why = "";
	const struct regex *re = regex_compile(pattern, caseless ? REGEX_CASELESS : REGEX_EXACT, r->a, &why);
	if (re)
		return re;
	err_set(r->e, ERR_USAGE, "'%s.%s' is not a pattern: %s", name, key, why);
	err_hint(r->e, "patterns are PCRE2; put them into 'single quotes' so that \\ stays as it is");
	place(r, at);
	return NULL;
}

static bool on_subst_key(struct reader *r, void *ctx, const struct config_key *k, struct fy_node *v, const struct fy_mark *at)
{
	struct item *it = ctx;
	struct subst *x = it->v;
	if (streq(k->path, "text[].replace")) {
		/* "" is a value here, unlike for other texts */
		x->with = scalar(r, v);
		return x->with || bad_type(r, k->path, N_("a single value"), v, at);
	}
	if (streq(k->path, "text[].match"))
		it->match_at = mark_of(v);
	const struct target_of t = { .path = k->path, .text = streq(k->path, "text[].name") ? &x->name : &x->match, .flag = &x->caseless };
	return read_value(r, k, v, &t, at);
}

static bool subst_done(struct reader *r, struct item *it, const char *name)
{
	struct subst *x = it->v;
	if (!x->match || !x->with)
		return missing(r, name, x->match ? "replace" : "match", it->at);
	if (!x->name || !*x->name)
		x->name = name;
	if (!(x->re = compile(r, name, "match", x->match, x->caseless, it->match_at)))
		return false;
	const char *why = regex_bad_template(x->re, x->with, r->a);
	if (!why)
		return true;
	err_set(r->e, ERR_USAGE, "'%s.replace' uses %s", name, why);
	return place(r, it->at);
}

static bool read_kinds(struct reader *r, const struct config_key *k, struct fy_node *v, uint32_t *out, const struct fy_mark *at)
{
	const char *names[32];
	size_t n = 0;
	struct string_list list;
	for (int i = MSG_TEXT; i <= MSG_SYSTEM; i++)
		if (i != MSG_LOST_ROOT)
			names[n++] = msg_kind_name((enum msg_kind)i);
	if (!read_list(r, &(struct config_key){ .path = k->path, .type = KEY_WORDS }, v, &list, at))
		return false;
	for (size_t j = 0; j < list.n; j++) {
		uint32_t bit = 0;
		for (int i = MSG_TEXT; i <= MSG_SYSTEM; i++)
			if (i != MSG_LOST_ROOT && streq(list.v[j], msg_kind_name((enum msg_kind)i)))
				bit = 1u << i;
		if (!bit)
			return bad_word(r, k->path, list.v[j], names, n, mark_of(v) ? mark_of(v) : at);
		*out |= bit;
	}
	return true;
}

static bool on_rule_key(struct reader *r, void *ctx, const struct config_key *k, struct fy_node *v, const struct fy_mark *at)
{
	struct item *it = ctx;
	struct rule_where *x = it->v;
	bool has_file = false;
	int what = 0, carry_author = 0;
	if (k->type == KEY_SECTION) {
		if (!v || !fy_node_is_mapping(v))
			return bad_type(r, k->path, N_("a section"), v, at);
		it->seen_where = true;
		return each_pair(r, "rules[].where.", v, on_rule_key, it);
	}
	if (k->type == KEY_ALL_KINDS)
		return read_kinds(r, k, v, &x->kinds, at);
	const struct target_of places[] = {
		{ .path = "rules[].name", .text = &x->name }, { .path = "rules[].do", .choice = &what },
		{ .path = "rules[].where.channel", .list = &x->channels }, { .path = "rules[].where.author", .list = &x->authors },
		{ .path = "rules[].where.text", .text = &x->text }, { .path = "rules[].where.ignore_case", .flag = &x->caseless },
		{ .path = "rules[].where.since", .text = &x->since }, { .path = "rules[].where.until", .text = &x->until },
		{ .path = "rules[].where.has_file", .flag = &has_file },
		{ .path = "rules[].thread", .text = &x->thread }, { .path = "rules[].into", .text = &x->into },
		{ .path = "rules[].allow_wider", .list = &x->allow_wider }, { .path = "rules[].tag", .text = &x->tag },
		{ .path = "rules[].carry", .number = &x->carry_us }, { .path = "rules[].back", .number = &x->back_us },
		{ .path = "rules[].carry_author", .choice = &carry_author },
	};
	if (streq(k->path, "rules[].where.text"))
		it->match_at = mark_of(v);
	it->seen_do = it->seen_do || streq(k->path, "rules[].do");
	for (size_t i = 0; i < countof(places); i++)
		if (streq(places[i].path, k->path)) {
			if (!read_value(r, k, v, &places[i], at))
				return false;
			if (streq(k->path, "rules[].where.has_file"))
				x->file = has_file ? FILE_SOME : FILE_NONE;
			if (streq(k->path, "rules[].do"))
				x->what = (enum rule_do)what;
			if (streq(k->path, "rules[].carry_author"))
				x->any_author = carry_author != 0;
			return true;
		}
	die("mapping key '%s' has no place", k->path);
}

/* The name of a thread or a tag, made of what the pattern caught. */
static bool name_done(struct reader *r, struct item *it, const char *name, const char *key, const char *with)
{
	const struct rule_where *x = it->v;
	if (strlen(with) > 200) {
		err_set(r->e, ERR_USAGE, "'%s.%s' is longer than 200 bytes", name, key);
		return place(r, it->at);
	}
	for (const char *p = x->re ? "" : with; (p = strchr(p, '{')); p++)
		if (p[1] >= '0' && p[1] <= '9' && p[2] == '}') {
			err_set(r->e, ERR_USAGE, "'%s.%s' uses {%c}, but the rule has no 'where.text'", name, key, p[1]);
			return place(r, it->at);
		}
	const char *why = x->re ? regex_bad_template(x->re, with, r->a) : NULL;
	if (!why)
		return true;
	err_set(r->e, ERR_USAGE, "'%s.%s' uses %s", name, key, why);
	return place(r, it->at);
}

/* Channels are few and have names; what a pattern caught may be anything. */
static bool into_done(struct reader *r, struct item *it, const char *name, const char *into)
{
	for (const char *p = into; (p = strchr(p, '{')); p++)
		if (p[1] >= '0' && p[1] <= '9' && p[2] == '}') {
			err_set(r->e, ERR_USAGE, "'%s.into' uses {%c}: only {channel}, {year} and {month} can stand in the name of a channel", name, p[1]);
			return place(r, it->at);
		}
	if (strlen(into) <= 200)
		return true;
	err_set(r->e, ERR_USAGE, "'%s.into' is longer than 200 bytes", name);
	return place(r, it->at);
}

/* Keys of one kind of rules under another are a mistake that would be silent. */
static bool action_done(struct reader *r, struct item *it, const char *name)
{
	struct rule_where *x = it->v;
	x->thread = x->thread && *x->thread ? x->thread : NULL;
	x->into = x->into && *x->into ? x->into : NULL;
	x->tag = x->tag && *x->tag ? x->tag : NULL;
	x->at = arena_fmt(r->a, "%s:%d:%d", r->file, it->at ? it->at->line + 1 : 1, it->at ? it->at->column + 1 : 1);
	if (x->what != RULE_ROUTE && (x->thread || x->carry_us || x->back_us)) {
		err_set(r->e, ERR_USAGE, x->what == RULE_DROP ? "rule '%s' leaves messages out: 'thread', 'carry' and 'back' belong to 'do: route'"
		                                              : "rule '%s' tags messages: 'thread', 'carry' and 'back' belong to 'do: route'", x->name);
		return place(r, it->at);
	}
	if ((x->what != RULE_ROUTE && x->into) || (!x->into && x->allow_wider.n)) {
		err_set(r->e, ERR_USAGE, x->into ? "rule '%s': 'into' belongs to 'do: route'" : "rule '%s': 'allow_wider' belongs to 'into'", x->name);
		return place(r, it->at);
	}
	if (x->what != RULE_TAG && x->tag) {
		err_set(r->e, ERR_USAGE, "rule '%s': 'tag' belongs to 'do: tag'; let a rule of its own tag the messages", x->name);
		return place(r, it->at);
	}
	switch (x->what) {
	case RULE_DROP:
		return true;
	case RULE_TAG:
		r->c->has_tags = true;
		return x->tag ? name_done(r, it, name, "tag", x->tag) : missing(r, name, "tag", it->at);
	case RULE_ROUTE:
		break;
	}
	r->c->has_routes = true;
	r->c->has_into = r->c->has_into || x->into;
	if (!x->thread && !x->into)
		return missing(r, name, "thread", it->at);
	return (!x->thread || name_done(r, it, name, "thread", x->thread)) && (!x->into || into_done(r, it, name, x->into));
}

static bool on_placed_key(struct reader *r, void *ctx, const struct config_key *k, struct fy_node *v, const struct fy_mark *at)
{
	struct item *it = ctx;
	struct placed *x = it->v;
	int what = 0;
	if (!read_value(r, k, v, &(struct target_of){ .path = k->path, .list = &x->channels, .choice = &what }, at))
		return false;
	if (k->type == KEY_ENUM) {
		static const enum placement placements[] = { PLACEMENT_INLINE, PLACEMENT_THREADS, PLACEMENT_ARCHIVE_CHAT };
		x->placement = placements[what];
		it->seen_do = true;
	}
	return true;
}

static bool placed_done(struct reader *r, struct item *it, const char *name)
{
	const struct placed *x = it->v;
	return (x->channels.n && it->seen_do) || missing(r, name, x->channels.n ? "placement" : "channel", it->at);
}

static bool rule_done(struct reader *r, struct item *it, const char *name)
{
	struct rule_where *x = it->v;
	if (!x->name || !*x->name)
		return missing(r, name, "name", it->at);
	if (!it->seen_do)
		return missing(r, name, "do", it->at);
	if (!x->channels.n && !x->authors.n && !x->text && !x->since && !x->until && !x->kinds && x->file == FILE_EITHER) {
		err_set(r->e, ERR_USAGE, "rule '%s' says nothing under 'where': it would take everything", x->name);
		return place(r, it->at);
	}
	x->why = arena_fmt(r->a, "rules: %s", x->name);
	if (x->text && !(x->re = compile(r, name, "where.text", x->text, x->caseless, it->match_at)))
		return false;
	r->c->asks_text = r->c->asks_text || (x->re && x->what == RULE_DROP); /* where a message goes is worked out once, before */
	return action_done(r, it, name);
}

static bool on_rename_key(struct reader *r, void *ctx, const struct config_key *k, struct fy_node *v, const struct fy_mark *at)
{
	struct item *it = ctx;
	struct rename *x = it->v;
	bool match = streq(k->path, "channels.rename[].match");
	if (match)
		it->match_at = mark_of(v);
	return read_value(r, k, v, &(struct target_of){ .path = k->path, .text = match ? &x->match : &x->to }, at);
}

static bool rename_done(struct reader *r, struct item *it, const char *name)
{
	struct rename *x = it->v;
	if (!x->match || !x->to)
		return missing(r, name, x->match ? "to" : "match", it->at);
	if (!(x->re = compile(r, name, "match", x->match, false, it->match_at)))
		return false;
	const char *why = regex_bad_template(x->re, x->to, r->a);
	if (!why)
		return true;
	err_set(r->e, ERR_USAGE, "'%s.to' uses %s", name, why);
	return place(r, it->at);
}

static bool on_extra_key(struct reader *r, void *ctx, const struct config_key *k, struct fy_node *v, const struct fy_mark *at)
{
	struct extra *x = ((struct item *)ctx)->v;
	const struct target_of places[] = { { .path = "channels.members[].channel", .list = &x->channels }, { .path = "channels.members[].admin", .list = &x->admins },
		{ .path = "channels.members[].editor", .list = &x->editors }, { .path = "channels.members[].tag", .list = &x->tags } };
	for (size_t i = 0; i < countof(places); i++)
		if (streq(places[i].path, k->path))
			return read_value(r, k, v, &places[i], at);
	die("mapping key '%s' has no place", k->path);
}

static bool extra_done(struct reader *r, struct item *it, const char *name)
{
	const struct extra *x = it->v;
	if (!x->channels.n)
		return missing(r, name, "channel", it->at);
	return x->admins.n || x->editors.n || x->tags.n || missing(r, name, "admin", it->at);
}

/* Nobody can be two people: an id stands in one group, once. */
static bool read_aliases(struct reader *r, const struct config_key *k, struct fy_node *n, const struct fy_mark *at)
{
	struct config *c = r->c;
	if (!n || fy_node_is_null(n))
		return true;
	if (!fy_node_is_sequence(n))
		return bad_type(r, k->path, N_("a list of lists"), n, at);
	int count = fy_node_sequence_item_count(n);
	c->aliases = arena_array(r->a, (size_t)(count > 0 ? count : 0) + 1, struct string_list);
	void *it = NULL;
	for (struct fy_node *v; (v = fy_node_sequence_iterate(n, &it)); c->n_aliases++) {
		const char *name = arena_fmt(r->a, "%s[%zu]", k->path, c->n_aliases);
		struct string_list *l = &c->aliases[c->n_aliases];
		if (!read_list(r, &(struct config_key){ .path = name, .type = KEY_LIST }, v, l, at))
			return false;
		if (l->n < 2) {
			err_set(r->e, ERR_USAGE, "'%s' must name at least two source ids of one person", name);
			return place(r, at);
		}
		for (size_t i = 0; i < l->n; i++)
			for (size_t g = 0; g <= c->n_aliases; g++)
				for (size_t j = 0; j < (g == c->n_aliases ? i : c->aliases[g].n); j++)
					if (streq(l->v[i], c->aliases[g].v[j])) {
						err_set(r->e, ERR_USAGE, "'%s': '%s' is named twice", k->path, l->v[i]);
						return place(r, at);
					}
	}
	return true;
}

static bool read_items(struct reader *r, const struct config_key *k, struct fy_node *v, const struct fy_mark *at)
{
	struct config *c = r->c;
	void *items;
	if (streq(k->path, "text")) {
		if (!each_item(r, k->path, v, sizeof(struct subst), MAPPING_RULES_MAX, on_subst_key, subst_done, &items, &c->n_own_substs, at))
			return false;
		c->substs = items;
		return true;
	}
	if (streq(k->path, "history.channels")) {
		if (!each_item(r, k->path, v, sizeof(struct placed), 1000, on_placed_key, placed_done, &items, &c->n_placed, at))
			return false;
		c->placed = items;
		return true;
	}
	if (streq(k->path, "channels.rename")) {
		if (!each_item(r, k->path, v, sizeof(struct rename), MAPPING_RULES_MAX, on_rename_key, rename_done, &items, &c->n_renames, at))
			return false;
		c->renames = items;
		return true;
	}
	if (streq(k->path, "channels.members")) {
		if (!each_item(r, k->path, v, sizeof(struct extra), MAPPING_RULES_MAX, on_extra_key, extra_done, &items, &c->n_extras, at))
			return false;
		c->extras = items;
		return true;
	}
	if (!each_item(r, k->path, v, sizeof(struct rule_where), MAPPING_RULES_MAX, on_rule_key, rule_done, &items, &c->n_rules, at))
		return false;
	c->rules = items;
	for (size_t i = 0; i < c->n_rules; i++)
		for (size_t j = 0; j < i; j++)
			if (streq(c->rules[i].name, c->rules[j].name)) {
				err_set(r->e, ERR_USAGE, "two rules are called '%s'", c->rules[i].name);
				return place(r, at);
			}
	return true;
}

/* What is built in comes after what the file says: nothing that a replacement leaves behind gets past it. */
static void add_redactions(struct reader *r)
{
	struct config *c = r->c;
	struct subst *v = arena_array(r->a, c->n_own_substs + c->redact.n * REDACTION_PATTERNS_MAX + 1, struct subst);
	if (c->n_own_substs)
		memcpy(v, c->substs, c->n_own_substs * sizeof(*v));
	c->n_substs = c->n_own_substs;
	for (size_t which = 0; redaction_names[which]; which++) /* in our order, each once */
		for (size_t i = 0; i < c->redact.n; i++)
			if (streq(c->redact.v[i], redaction_names[which])) {
				c->n_substs += redaction_add(which, c->c.locale, r->a, v + c->n_substs);
				break;
			}
	c->substs = v;
	c->asks_text = c->asks_text || c->n_substs;
}

static bool on_key(struct reader *r, void *ctx, const struct config_key *k, struct fy_node *v, const struct fy_mark *at)
{
	struct everything *x = ctx;
	struct config *c = r->c;
	if (k->type == KEY_VERSION) {
		const char *s = scalar(r, v);
		if (!s || !streq(s, "1")) {
			err_set(r->e, ERR_USAGE, "'version' must be 1: this program reads no other");
			return place(r, mark_of(v) ? mark_of(v) : at);
		}
		r->seen_version = true;
		return true;
	}
	if (k->type == KEY_ARCHIVES) {
		r->seen_archives = true;
		return read_archives(r, v, at);
	}
	if (k->type == KEY_ITEMS)
		return read_items(r, k, v, at);
	if (k->type == KEY_GROUPS)
		return read_aliases(r, k, v, at);
	if (k->type == KEY_SECTION) {
		if (!v || fy_node_is_null(v))
			return true; /* everything in it commented out */
		if (!fy_node_is_mapping(v))
			return bad_type(r, k->path, N_("a section"), v, at);
		return each_pair(r, arena_fmt(r->a, "%s.", k->path), v, on_key, x);
	}
	const struct target_of places[] = {
		{ .path = "locale", .choice = &x->ch.locale },
		{ .path = "target.name", .text = &c->c.target },
		{ .path = "target.url", .text = &c->c.target_url },
		{ .path = "target.admin_token_env", .text = &c->c.admin_token_env },
		{ .path = "target.bot_token_env", .text = &c->c.bot_token_env },
		{ .path = "target.admin_token_file", .text = &c->c.admin_token_file },
		{ .path = "target.bot_token_file", .text = &c->c.bot_token_file },
		{ .path = "time.zone", .text = &c->c.zone },
		{ .path = "time.label", .text = &c->c.label_format },
		{ .path = "people.unmatched", .choice = &x->ch.unmatched },
		{ .path = "people.deactivated", .choice = &x->ch.deactivated },
		{ .path = "people.guests", .choice = &x->ch.guests },
		{ .path = "people.bots", .choice = &x->ch.bots },
		{ .path = "people.strangers", .choice = &x->ch.strangers },
		{ .path = "people.invite", .flag = &c->c.invite },
		{ .path = "people.members_list", .text = &c->members_list },
		{ .path = "channels.dm", .choice = &x->ch.dm },
		{ .path = "channels.group_dm", .choice = &x->ch.group_dm },
		{ .path = "channels.prefix", .text = &c->prefix },
		{ .path = "channels.suffix", .text = &c->suffix },
		{ .path = "channels.archived", .choice = &x->ch.archived },
		{ .path = "channels.join_members", .flag = &c->join_members },
		{ .path = "channels.allow_public", .list = &c->allow_public },
		{ .path = "history.placement", .choice = &x->ch.placement },
		{ .path = "history.thread_by", .choice = &x->ch.history_by },
		{ .path = "history.thread_size", .number = &c->thread_size },
		{ .path = "messages.leave_out", .list = &x->leave_out },
		{ .path = "messages.mentions", .choice = &x->ch.mentions },
		{ .path = "messages.reactions", .choice = &x->ch.reactions },
		{ .path = "messages.pins", .flag = &c->c.pins },
		{ .path = "messages.orphans", .choice = &x->ch.orphans },
		{ .path = "messages.avatars", .choice = &x->ch.avatars },
		{ .path = "messages.attribution", .choice = &x->ch.attribution },
		{ .path = "redact", .list = &c->redact },
		{ .path = "only.channels", .list = &c->only_channels },
		{ .path = "only.users", .list = &c->only_users },
		{ .path = "only.tags", .list = &c->only_tags },
		{ .path = "only.since", .text = &c->since },
		{ .path = "only.until", .text = &c->until },
		{ .path = "only.last_days", .number = &c->c.last_days },
		{ .path = "only.last_messages", .number = &c->c.last_messages },
	};
	for (size_t i = 0; i < countof(places); i++)
		if (streq(places[i].path, k->path)) {
			if (streq(k->path, "messages.leave_out"))
				x->leave_out_given = true;
			return read_value(r, k, v, &places[i], at);
		}
	die("mapping key '%s' has no place", k->path);
}

/* Before anything is quoted in an error: no scalar of the document may look like a secret, no alias may stand anywhere. */
static bool scan_scalars(struct reader *r, struct fy_node *n, bool is_path)
{
	if (!n)
		return true;
	void *it = NULL;
	if (fy_node_is_sequence(n)) {
		for (struct fy_node *c; (c = fy_node_sequence_iterate(n, &it));)
			if (!scan_scalars(r, c, is_path))
				return false;
		return true;
	}
	if (fy_node_is_mapping(n)) {
		for (struct fy_node_pair *p; (p = fy_node_mapping_iterate(n, &it));) {
			const char *key = scalar(r, fy_node_pair_key(p));
			/* patterns say what secrets look like; errors about them never quote them */
			bool path = key && (streq(key, "path") || strstr(key, "_file") || streq(key, "members_list") || streq(key, "match") || streq(key, "text") || streq(key, "replace"));
			if (!scan_scalars(r, fy_node_pair_key(p), false) || !scan_scalars(r, fy_node_pair_value(p), path))
				return false;
		}
		return true;
	}
	if (fy_node_is_alias(n)) {
		err_set(r->e, ERR_USAGE, "anchors and aliases are not read here: write the value out");
		return place(r, mark_of(n));
	}
	const char *s = scalar(r, n);
	return !s || is_path || !looks_like_token(s) || secret_here(r, mark_of(n));
}

/* Every value with its path; lists with their numbers. */
static void flatten(struct reader *r, struct fy_node *n, const char *path)
{
	struct config *c = r->c;
	void *it = NULL;
	size_t i = 0;
	if (!n)
		return;
	if (fy_node_is_sequence(n)) {
		for (struct fy_node *v; (v = fy_node_sequence_iterate(n, &it)); i++)
			flatten(r, v, arena_fmt(r->a, "%s[%zu]", path, i));
	} else if (fy_node_is_mapping(n)) {
		for (struct fy_node_pair *p; (p = fy_node_mapping_iterate(n, &it));)
			flatten(r, fy_node_pair_value(p), arena_fmt(r->a, "%s%s%s", path, *path ? "." : "", scalar(r, fy_node_pair_key(p))));
	} else if (scalar(r, n)) {
		if (c->n_said == c->cap_said) {
			c->cap_said = c->cap_said ? 2 * c->cap_said : 64;
			struct said *v = arena_array(r->a, c->cap_said, struct said);
			if (c->n_said)
				memcpy(v, c->said, c->n_said * sizeof(*v));
			c->said = v;
		}
		c->said[c->n_said++] = (struct said){ path, scalar(r, n) };
	}
}

static void defaults(struct reader *r, struct everything *x)
{
	*r->c = (struct config){ .join_members = true, .prefix = "", .suffix = "" };
	r->c->c.pins = true;
	r->c->c.target = "pachca";
	r->c->c.zone = "UTC";
	r->c->c.label_format = "{name} · {date} {time}";
	*x = (struct everything){ 0 };
}

/* Indexes of the value lists -> the enums; the order of each list is written out here once. */
static void settle(struct reader *r, const struct everything *x)
{
	static const enum people_policy people[] = { POLICY_LABEL, POLICY_CREATE, POLICY_SKIP, POLICY_FAIL, POLICY_CREATE_SUSPENDED };
	static const enum people_policy gone[] = { POLICY_LABEL, POLICY_SKIP, POLICY_FAIL, POLICY_CREATE_SUSPENDED };
	static const enum people_policy bots[] = { POLICY_LABEL, POLICY_SKIP, POLICY_FAIL };
	static const enum dm_policy dm[] = { DM_PRIVATE_CHAT, DM_SKIP };
	static const enum archived_policy archived[] = { ARCHIVED_ARCHIVE, ARCHIVED_SKIP, ARCHIVED_OPEN };
	static const enum placement placements[] = { PLACEMENT_INLINE, PLACEMENT_INLINE, PLACEMENT_THREADS, PLACEMENT_ARCHIVE_CHAT };
	static const enum history_by bys[] = { HISTORY_MONTH, HISTORY_YEAR, HISTORY_ALL };
	static const enum mention_policy mentions[] = { MENTION_MUTE, MENTION_LIVE, MENTION_TEXT };
	static const enum reaction_policy reactions[] = { REACTION_TEXT, REACTION_NATIVE, REACTION_DROP };
	static const enum orphan_policy orphans[] = { ORPHAN_PLACEHOLDER, ORPHAN_SKIP };
	static const enum attribution attributions[] = { ATTRIBUTION_LABEL, ATTRIBUTION_HEADER, ATTRIBUTION_NONE };
	struct config *c = r->c;
	const struct choices *ch = &x->ch;
	c->unmatched = people[ch->unmatched];
	c->deactivated = gone[ch->deactivated];
	c->guests = people[ch->guests];
	c->bots = bots[ch->bots];
	c->strangers = people[ch->strangers];
	c->dm = dm[ch->dm];
	c->group_dm = dm[ch->group_dm];
	c->archived = archived[ch->archived];
	c->placement = placements[ch->placement];
	c->placement_auto = ch->placement == 0;
	c->history_by = bys[ch->history_by];
	c->c.mentions = mentions[ch->mentions];
	c->c.reactions = reactions[ch->reactions];
	c->c.orphans = orphans[ch->orphans];
	c->c.avatars = ch->avatars ? AVATARS_NONE : AVATARS_MATCH;
	c->c.attribution = attributions[ch->attribution];
	c->c.locale = values_locale[ch->locale];
	if (!c->c.admin_token_env && !c->c.admin_token_file)
		c->c.admin_token_env = "PACHCA_ADMIN_TOKEN";
	if (!c->c.bot_token_env && !c->c.bot_token_file)
		c->c.bot_token_env = "PACHCA_BOT_TOKEN";
	if (x->leave_out_given) {
		c->c.leave_out = x->leave_out.v;
		c->c.n_leave_out = x->leave_out.n;
	} else {
		const char **v = arena_array(r->a, countof(left_out_by_default), const char *);
		for (size_t i = 0; i < countof(left_out_by_default); i++)
			v[i] = msg_kind_name(left_out_by_default[i]);
		c->c.leave_out = v;
		c->c.n_leave_out = countof(left_out_by_default);
	}
	if (c->since)
		c->c.since_us = day_start(c->since, c->c.zone);
	if (c->until)
		c->c.until_us = day_end(c->until, c->c.zone);
	for (size_t i = 0; i < c->n_rules; i++) {
		struct rule_where *w = &c->rules[i];
		w->since_us = w->since ? day_start(w->since, c->c.zone) : 0;
		w->until_us = w->until ? day_end(w->until, c->c.zone) : 0;
	}
	add_redactions(r);
}

static bool check_whole(struct reader *r)
{
	struct config *c = r->c;
	if (!r->seen_version) {
		err_set(r->e, ERR_USAGE, "the line 'version: 1' is missing");
		return err_where(r->e, "%s", r->file);
	}
	for (size_t i = 0; i < c->n_rules; i++)
		if (c->rules[i].since_us && c->rules[i].until_us && c->rules[i].since_us >= c->rules[i].until_us) {
			err_set(r->e, ERR_USAGE, "rule '%s': since (%s) is later than until (%s)", c->rules[i].name, c->rules[i].since, c->rules[i].until);
			return err_where(r->e, "%s", r->file);
		}
	if (c->c.since_us && c->c.until_us && c->c.since_us >= c->c.until_us) {
		err_set(r->e, ERR_USAGE, "only.since (%s) is later than only.until (%s)", c->since, c->until);
		return err_where(r->e, "%s", r->file);
	}
	return true;
}

static bool read_document(struct reader *r, struct fy_document *d)
{
	struct fy_node *root = fy_document_root(d);
	if (!root || !fy_node_is_mapping(root)) {
		err_set(r->e, ERR_USAGE, "the file must consist of 'key: value' lines, beginning with 'version: 1'");
		return err_where(r->e, "%s:1:1", r->file);
	}
	struct everything x;
	defaults(r, &x);
	if (!scan_scalars(r, root, false) || !each_pair(r, "", root, on_key, &x))
		return false;
	settle(r, &x);
	flatten(r, root, "");
	return check_whole(r);
}

bool config_parse(const char *name, const char *text, size_t len, struct arena *a, struct config *out, struct err *e)
{
	struct reader r = { .file = name, .a = a, .e = e, .c = out };
	struct fy_diag_cfg dc = { .level = FYET_ERROR, .module_mask = ~0u };
	struct fy_diag *diag = fy_diag_create(&dc);
	if (!diag)
		die("libfyaml: no diagnostics");
	fy_diag_set_collect_errors(diag, true);
	struct fy_parse_cfg pc = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE, .diag = diag };
	struct fy_parser *p = fy_parser_create(&pc);
	if (!p || fy_parser_set_string(p, text, len) != 0)
		die("libfyaml: no parser");
	struct fy_document *d = fy_parse_load_document(p), *second = d ? fy_parse_load_document(p) : NULL;
	bool ok = false;
	void *it = NULL;
	struct fy_diag_error *bad = fy_diag_errors_iterate(diag, &it);
	if (bad) {
		bool twice = streq(bad->msg, "duplicate key");
		if (twice)
			err_set(e, ERR_USAGE, "this key stands there twice");
		else
			err_set(e, ERR_USAGE, "this is not YAML: %s", bad->msg);
		if (twice)
			err_hint(e, "delete one of them");
		else
			err_hint(e, "look at this line and the one before it: indentation by blanks (no tabs), a blank after ':', closed quotes");
		err_where(e, "%s:%d:%d", name, bad->line, bad->column);
	} else if (second) {
		err_set(e, ERR_USAGE, "the file holds more than one YAML document ('---')");
		err_where(e, "%s", name);
	} else if (!d) {
		err_set(e, ERR_USAGE, "the file is empty");
		err_where(e, "%s:1:1", name);
	} else {
		ok = read_document(&r, d);
	}
	if (second)
		fy_parse_document_destroy(p, second);
	if (d)
		fy_parse_document_destroy(p, d);
	fy_parser_destroy(p);
	fy_diag_destroy(diag);
	return ok;
}

const char *mapping_library(void)
{
	return fy_library_version();
}
