/* mapping_yaml.c: the values of mvchat.yaml, each checked by the type of its key; every error with its place. Called by
 * mapping_config.c and mapping_items.c. What looks like a secret is never repeated. */
#include "mapping/mapping_yaml.h"

#include "core/canon.h"
#include "core/clock.h"

#include <stdlib.h>
#include <string.h>

const struct fy_mark *yaml_mark(struct fy_node *n)
{
	struct fy_token *t = n ? fy_node_get_scalar_token(n) : NULL;
	return t ? fy_token_start_mark(t) : NULL;
}

bool yaml_place(struct reader *r, const struct fy_mark *m)
{
	return m ? err_where(r->e, "%s:%d:%d", r->file, m->line + 1, m->column + 1) : err_where(r->e, "%s", r->file);
}

const char *yaml_scalar(struct reader *r, struct fy_node *n)
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

bool yaml_bad_type(struct reader *r, const char *path, const char *want, struct fy_node *n, const struct fy_mark *at)
{
	err_set(r->e, ERR_USAGE, "'%s' must be %s, not %s", path, err_word(want), err_word(shape(n)));
	return yaml_place(r, yaml_mark(n) ? yaml_mark(n) : at);
}

bool yaml_secret(struct reader *r, const struct fy_mark *at)
{
	err_set(r->e, ERR_USAGE, "this looks like an access token; tokens never belong into this file");
	err_hint(r->e, "put the token into an environment variable (target.admin_token_env) or a 0600 file (target.admin_token_file), and revoke it if this file was shared");
	return yaml_place(r, at);
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

bool yaml_bad_word(struct reader *r, const char *path, const char *got, const char *const *v, size_t n, const struct fy_mark *at)
{
	const char *near = nearest_word(got, v, n);
	err_set(r->e, ERR_USAGE, "'%s': '%s' is not one of %s", path, got, listed(r->a, v, n));
	if (near)
		err_hint(r->e, "did you mean '%s'?", near);
	return yaml_place(r, at);
}

static bool bad_value(struct reader *r, const char *path, const char *got, const char *want, const struct fy_mark *at)
{
	err_set(r->e, ERR_USAGE, "'%s': '%s' is not %s", path, got, err_word(want));
	return yaml_place(r, at);
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

bool yaml_list(struct reader *r, const struct config_key *k, struct fy_node *n, struct string_list *out, const struct fy_mark *at)
{
	if (k->type == KEY_WORDS && yaml_scalar(r, n) && *yaml_scalar(r, n)) {
		const char **one = arena_array(r->a, 1, const char *);
		*one = yaml_scalar(r, n);
		*out = (struct string_list){ one, 1 };
		return true;
	}
	if (!n || !fy_node_is_sequence(n))
		return yaml_bad_type(r, k->path, N_("a list"), n, at);
	int count = fy_node_sequence_item_count(n);
	const char **v = arena_array(r->a, (size_t)(count > 0 ? count : 0) + 1, const char *);
	size_t i = 0;
	void *it = NULL;
	for (struct fy_node *c; (c = fy_node_sequence_iterate(n, &it));) {
		const char *s = yaml_scalar(r, c);
		if (!s || !*s)
			return yaml_bad_type(r, arena_fmt(r->a, "%s[%zu]", k->path, i), N_("a single value"), c, at);
		if (k->type == KEY_KINDS) {
			const char *names[16];
			bool ok = false;
			for (size_t j = 0; j < n_leavable_kinds; j++) {
				names[j] = msg_kind_name(leavable_kinds[j]);
				ok = ok || streq(names[j], s);
			}
			if (!ok)
				return yaml_bad_word(r, k->path, s, names, n_leavable_kinds, yaml_mark(c));
		}
		if (k->type == KEY_CHOICES) {
			size_t j = 0;
			while (k->values[j] && !streq(k->values[j], s))
				j++;
			if (!k->values[j])
				return yaml_bad_word(r, k->path, s, k->values, count_values(k->values), yaml_mark(c));
		}
		v[i++] = s;
	}
	*out = (struct string_list){ v, i };
	return true;
}

bool yaml_value(struct reader *r, const struct config_key *k, struct fy_node *n, const struct target_of *t, const struct fy_mark *at)
{
	if (k->type == KEY_LIST || k->type == KEY_KINDS || k->type == KEY_CHOICES || k->type == KEY_WORDS)
		return yaml_list(r, k, n, t->list, at);
	const char *s = yaml_scalar(r, n);
	if (!s && (k->type == KEY_TEXT || k->type == KEY_DATE || k->type == KEY_URL || k->type == KEY_ZONE) && (!n || fy_node_is_null(n)))
		return true; /* "since:" with nothing behind it says nothing */
	if (!s)
		return yaml_bad_type(r, k->path, N_("a single value"), n, at);
	at = yaml_mark(n) ? yaml_mark(n) : at;
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
		yaml_bad_word(r, k->path, s, k->values, count_values(k->values), at);
		if (k->values == config_values_gone && streq(s, "create"))
			err_hint(r->e, "who has left must not get access: write create-suspended");
		if (k->values == config_values_bots && !strncmp(s, "create", 6))
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
			return yaml_secret(r, at);
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
		if (!config_day(s, &y, &m, &d))
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
		return yaml_place(r, at);
	}
	const char *names[64] = { NULL };
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
	return yaml_place(r, at);
}

bool yaml_pairs(struct reader *r, const char *section, struct fy_node *n, yaml_pair_fn fn, void *ctx)
{
	void *it = NULL;
	for (struct fy_node_pair *p; (p = fy_node_mapping_iterate(n, &it));) {
		const char *key = yaml_scalar(r, fy_node_pair_key(p));
		const struct fy_mark *at = yaml_mark(fy_node_pair_key(p));
		if (!key) {
			err_set(r->e, ERR_USAGE, "a key must be a plain word");
			return yaml_place(r, at);
		}
		const struct config_key *k = find_key(arena_fmt(r->a, "%s%s", section, key));
		if (!k || strpbrk(key, ".["))
			return unknown_key(r, section, key, at);
		if (!fn(r, ctx, k, fy_node_pair_value(p), at))
			return false;
	}
	return true;
}
