/* mapping_items.c: the lists of sections in mvchat.yaml: archives, replacements, rules, renames, placements, members, aliases.
 * Called by mapping_config.c. Each entry is complete and its pattern compiled, or there is an error with its place. */
#include "mapping/mapping_yaml.h"

#include "core/canon.h"

#include <string.h>

static bool on_archive_key(struct reader *r, void *ctx, const struct config_key *k, struct fy_node *v, const struct fy_mark *at)
{
	struct mapping_archive *ar = ctx;
	int order = 0;
	if (streq(k->path, "archives[].date_order")) {
		if (!yaml_value(r, k, v, &(struct target_of){ .path = k->path, .choice = &order }, at))
			return false;
		ar->date_order = config_values_date_order[order];
		return true;
	}
	const char **field = streq(k->path, "archives[].path") ? &ar->path : streq(k->path, "archives[].format") ? &ar->format
		: streq(k->path, "archives[].key_file") ? &ar->key_file : &ar->zone;
	return yaml_value(r, k, v, &(struct target_of){ .path = k->path, .text = field }, at);
}

bool config_archives(struct reader *r, struct fy_node *n, const struct fy_mark *at)
{
	if (!n || !fy_node_is_sequence(n))
		return yaml_bad_type(r, "archives", N_("a list of '- path: …'"), n, at);
	int count = fy_node_sequence_item_count(n);
	struct mapping_archive *v = arena_array(r->a, (size_t)(count > 0 ? count : 0) + 1, struct mapping_archive);
	size_t i = 0;
	void *it = NULL;
	for (struct fy_node *c; (c = fy_node_sequence_iterate(n, &it)); i++) {
		const char *name = arena_fmt(r->a, "archives[%zu]", i);
		if (!fy_node_is_mapping(c))
			return yaml_bad_type(r, name, N_("a section with 'path'"), c, at);
		if (!yaml_pairs(r, "archives[].", c, on_archive_key, &v[i]))
			return false;
		if (!v[i].path) {
			err_set(r->e, ERR_USAGE, "'%s' has no 'path'", name);
			return yaml_place(r, at);
		}
	}
	r->c->c.archives = v;
	r->c->c.n_archives = i;
	return true;
}

/* ---- lists of sections ---- */

struct item { void *v; const struct fy_mark *at, *match_at; const char *text; bool flag, seen_do, seen_where; };

/* Each section of a list: entry i is read into items[i] by fn. */
static bool each_item(struct reader *r, const char *path, struct fy_node *n, size_t size, size_t max, yaml_pair_fn fn,
                      bool (*done)(struct reader *r, struct item *it, const char *name), void **out, size_t *n_out, const struct fy_mark *at)
{
	*out = NULL;
	*n_out = 0;
	if (!n || fy_node_is_null(n))
		return true; /* everything in it commented out */
	if (!fy_node_is_sequence(n))
		return yaml_bad_type(r, path, N_("a list of sections"), n, at);
	int count = fy_node_sequence_item_count(n);
	if (count > 0 && (size_t)count > max) {
		err_set(r->e, ERR_USAGE, "'%s' has %d entries; at most %zu are possible", path, count, max);
		return yaml_place(r, at);
	}
	char *v = arena_calloc(r->a, (size_t)(count > 0 ? count : 0) + 1, size);
	size_t i = 0;
	void *it = NULL;
	for (struct fy_node *c; (c = fy_node_sequence_iterate(n, &it)); i++) {
		const char *name = arena_fmt(r->a, "%s[%zu]", path, i);
		struct item x = { .v = v + i * size };
		if (!fy_node_is_mapping(c))
			return yaml_bad_type(r, name, N_("a section"), c, at);
		void *first = NULL;
		struct fy_node_pair *p = fy_node_mapping_iterate(c, &first);
		x.at = p ? yaml_mark(fy_node_pair_key(p)) : at;
		if (!yaml_pairs(r, arena_fmt(r->a, "%s[].", path), c, fn, &x) || !done(r, &x, name))
			return false;
	}
	*out = v;
	*n_out = i;
	return true;
}

static bool missing(struct reader *r, const char *name, const char *key, const struct fy_mark *at)
{
	err_set(r->e, ERR_USAGE, "'%s' has no '%s'", name, key);
	return yaml_place(r, at);
}

static const struct regex *compile(struct reader *r, const char *name, const char *key, const char *pattern, bool caseless, const struct fy_mark *at)
{
	const char *why = "";
	const struct regex *re = regex_compile(pattern, caseless ? REGEX_CASELESS : REGEX_EXACT, r->a, &why);
	if (re)
		return re;
	err_set(r->e, ERR_USAGE, "'%s.%s' is not a pattern: %s", name, key, why);
	err_hint(r->e, "patterns are PCRE2; put them into 'single quotes' so that \\ stays as it is");
	yaml_place(r, at);
	return NULL;
}

static bool on_subst_key(struct reader *r, void *ctx, const struct config_key *k, struct fy_node *v, const struct fy_mark *at)
{
	struct item *it = ctx;
	struct subst *x = it->v;
	if (streq(k->path, "text[].replace")) {
		/* "" is a value here, unlike for other texts */
		x->with = yaml_scalar(r, v);
		return x->with || yaml_bad_type(r, k->path, N_("a single value"), v, at);
	}
	if (streq(k->path, "text[].match"))
		it->match_at = yaml_mark(v);
	const struct target_of t = { .path = k->path, .text = streq(k->path, "text[].name") ? &x->name : &x->match, .flag = &x->caseless };
	return yaml_value(r, k, v, &t, at);
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
	return yaml_place(r, it->at);
}

static bool read_kinds(struct reader *r, const struct config_key *k, struct fy_node *v, uint32_t *out, const struct fy_mark *at)
{
	const char *names[32];
	size_t n = 0;
	struct string_list list;
	for (int i = MSG_TEXT; i <= MSG_SYSTEM; i++)
		if (i != MSG_LOST_ROOT)
			names[n++] = msg_kind_name((enum msg_kind)i);
	if (!yaml_list(r, &(struct config_key){ .path = k->path, .type = KEY_WORDS }, v, &list, at))
		return false;
	for (size_t j = 0; j < list.n; j++) {
		uint32_t bit = 0;
		for (int i = MSG_TEXT; i <= MSG_SYSTEM; i++)
			if (i != MSG_LOST_ROOT && streq(list.v[j], msg_kind_name((enum msg_kind)i)))
				bit = 1u << i;
		if (!bit)
			return yaml_bad_word(r, k->path, list.v[j], names, n, yaml_mark(v) ? yaml_mark(v) : at);
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
			return yaml_bad_type(r, k->path, N_("a section"), v, at);
		it->seen_where = true;
		return yaml_pairs(r, "rules[].where.", v, on_rule_key, it);
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
		it->match_at = yaml_mark(v);
	it->seen_do = it->seen_do || streq(k->path, "rules[].do");
	for (size_t i = 0; i < countof(places); i++)
		if (streq(places[i].path, k->path)) {
			if (!yaml_value(r, k, v, &places[i], at))
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
		return yaml_place(r, it->at);
	}
	for (const char *p = x->re ? "" : with; (p = strchr(p, '{')); p++)
		if (p[1] >= '0' && p[1] <= '9' && p[2] == '}') {
			err_set(r->e, ERR_USAGE, "'%s.%s' uses {%c}, but the rule has no 'where.text'", name, key, p[1]);
			return yaml_place(r, it->at);
		}
	const char *why = x->re ? regex_bad_template(x->re, with, r->a) : NULL;
	if (!why)
		return true;
	err_set(r->e, ERR_USAGE, "'%s.%s' uses %s", name, key, why);
	return yaml_place(r, it->at);
}

/* Channels are few and have names; what a pattern caught may be anything. */
static bool into_done(struct reader *r, struct item *it, const char *name, const char *into)
{
	for (const char *p = into; (p = strchr(p, '{')); p++)
		if (p[1] >= '0' && p[1] <= '9' && p[2] == '}') {
			err_set(r->e, ERR_USAGE, "'%s.into' uses {%c}: only {channel}, {year} and {month} can stand in the name of a channel", name, p[1]);
			return yaml_place(r, it->at);
		}
	if (strlen(into) <= 200)
		return true;
	err_set(r->e, ERR_USAGE, "'%s.into' is longer than 200 bytes", name);
	return yaml_place(r, it->at);
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
		return yaml_place(r, it->at);
	}
	if ((x->what != RULE_ROUTE && x->into) || (!x->into && x->allow_wider.n)) {
		err_set(r->e, ERR_USAGE, x->into ? "rule '%s': 'into' belongs to 'do: route'" : "rule '%s': 'allow_wider' belongs to 'into'", x->name);
		return yaml_place(r, it->at);
	}
	if (x->what != RULE_TAG && x->tag) {
		err_set(r->e, ERR_USAGE, "rule '%s': 'tag' belongs to 'do: tag'; let a rule of its own tag the messages", x->name);
		return yaml_place(r, it->at);
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
	if (!yaml_value(r, k, v, &(struct target_of){ .path = k->path, .list = &x->channels, .choice = &what }, at))
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
		return yaml_place(r, it->at);
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
		it->match_at = yaml_mark(v);
	return yaml_value(r, k, v, &(struct target_of){ .path = k->path, .text = match ? &x->match : &x->to }, at);
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
	return yaml_place(r, it->at);
}

static bool on_extra_key(struct reader *r, void *ctx, const struct config_key *k, struct fy_node *v, const struct fy_mark *at)
{
	struct extra *x = ((struct item *)ctx)->v;
	const struct target_of places[] = { { .path = "channels.members[].channel", .list = &x->channels }, { .path = "channels.members[].admin", .list = &x->admins },
		{ .path = "channels.members[].editor", .list = &x->editors }, { .path = "channels.members[].tag", .list = &x->tags } };
	for (size_t i = 0; i < countof(places); i++)
		if (streq(places[i].path, k->path))
			return yaml_value(r, k, v, &places[i], at);
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
bool config_aliases(struct reader *r, const struct config_key *k, struct fy_node *n, const struct fy_mark *at)
{
	struct config *c = r->c;
	if (!n || fy_node_is_null(n))
		return true;
	if (!fy_node_is_sequence(n))
		return yaml_bad_type(r, k->path, N_("a list of lists"), n, at);
	int count = fy_node_sequence_item_count(n);
	c->aliases = arena_array(r->a, (size_t)(count > 0 ? count : 0) + 1, struct string_list);
	void *it = NULL;
	for (struct fy_node *v; (v = fy_node_sequence_iterate(n, &it)); c->n_aliases++) {
		const char *name = arena_fmt(r->a, "%s[%zu]", k->path, c->n_aliases);
		struct string_list *l = &c->aliases[c->n_aliases];
		if (!yaml_list(r, &(struct config_key){ .path = name, .type = KEY_LIST }, v, l, at))
			return false;
		if (l->n < 2) {
			err_set(r->e, ERR_USAGE, "'%s' must name at least two source ids of one person", name);
			return yaml_place(r, at);
		}
		for (size_t i = 0; i < l->n; i++)
			for (size_t g = 0; g <= c->n_aliases; g++)
				for (size_t j = 0; j < (g == c->n_aliases ? i : c->aliases[g].n); j++)
					if (streq(l->v[i], c->aliases[g].v[j])) {
						err_set(r->e, ERR_USAGE, "'%s': '%s' is named twice", k->path, l->v[i]);
						return yaml_place(r, at);
					}
	}
	return true;
}

bool config_items(struct reader *r, const struct config_key *k, struct fy_node *v, const struct fy_mark *at)
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
				return yaml_place(r, at);
			}
	return true;
}
