/* mapping_config.c: reads mvchat.yaml strictly. Called by mapping.c. Pure: text in, struct config or one error out; what is
 * not known is an error with its place, what looks like a secret is never repeated. It opens no file and asks no clock. */
#include "mapping/mapping_config.h"

#include "core/canon.h"
#include "core/clock.h"
#include "mapping/mapping_yaml.h"

#include <stdlib.h>
#include <string.h>

static const enum msg_kind left_out_by_default[] = { MSG_JOIN, MSG_LEAVE, MSG_ARCHIVE, MSG_RENAME, MSG_TOPIC, MSG_APP, MSG_PIN };

/* Days since 1970 of a civil date (proleptic Gregorian). */
static int64_t days_of(int y, int m, int d)
{
	y -= m <= 2;
	int64_t era = y / 400, yoe = y - era * 400, doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

bool config_day(const char *s, int *y, int *m, int *d)
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
	if (!config_day(day, &y, &m, &d))
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
	if (!config_day(day, &y, &m, &d))
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

/* Enum choices arrive as indexes into the value lists above; kept apart so that the lists and the C enums need not agree. */
struct choices { int locale, unmatched, deactivated, guests, bots, strangers, dm, group_dm, archived, placement, mentions, reactions,
	orphans, avatars, attribution, history_by; };

struct everything { struct choices ch; bool leave_out_given; struct string_list leave_out; };

/* What is built in comes after what the file says: nothing that a replacement leaves behind gets past it. */
static void add_redactions(struct reader *r)
{
	struct config *c = r->c;
	struct subst *v = arena_array(r->a, c->n_own_substs + c->redact.n * REDACTION_PATTERNS_MAX + 1, struct subst);
	if (c->n_own_substs)
		memcpy(v, c->substs, c->n_own_substs * sizeof(*v));
	c->n_substs = c->n_own_substs;
	c->shown = arena_array(r->a, c->n_own_substs + c->redact.n + 1, const char *);
	for (; c->n_shown < c->n_own_substs; c->n_shown++) {
		v[c->n_shown].shown = c->n_shown;
		c->shown[c->n_shown] = !strncmp(v[c->n_shown].name, "text[", 5) ? v[c->n_shown].name : arena_fmt(r->a, "text: %s", v[c->n_shown].name);
	}
	for (size_t which = 0; redaction_names[which]; which++) /* in our order, each once */
		for (size_t i = 0; i < c->redact.n; i++)
			if (streq(c->redact.v[i], redaction_names[which])) {
				size_t n = redaction_add(which, c->c.locale, r->a, v + c->n_substs);
				for (size_t k = 0; k < n; k++)
					v[c->n_substs + k].shown = c->n_shown;
				c->n_substs += n;
				c->shown[c->n_shown++] = arena_fmt(r->a, "redact: %s", redaction_names[which]);
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
		const char *s = yaml_scalar(r, v);
		if (!s || !streq(s, "1")) {
			err_set(r->e, ERR_USAGE, "'version' must be 1: this program reads no other");
			return yaml_place(r, yaml_mark(v) ? yaml_mark(v) : at);
		}
		r->seen_version = true;
		return true;
	}
	if (k->type == KEY_ARCHIVES) {
		r->seen_archives = true;
		return config_archives(r, v, at);
	}
	if (k->type == KEY_ITEMS)
		return config_items(r, k, v, at);
	if (k->type == KEY_GROUPS)
		return config_aliases(r, k, v, at);
	if (k->type == KEY_SECTION) {
		if (!v || fy_node_is_null(v))
			return true; /* everything in it commented out */
		if (!fy_node_is_mapping(v))
			return yaml_bad_type(r, k->path, N_("a section"), v, at);
		return yaml_pairs(r, arena_fmt(r->a, "%s.", k->path), v, on_key, x);
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
			return yaml_value(r, k, v, &places[i], at);
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
			const char *key = yaml_scalar(r, fy_node_pair_key(p));
			/* patterns say what secrets look like; errors about them never quote them */
			bool path = key && (streq(key, "path") || strstr(key, "_file") || streq(key, "members_list") || streq(key, "match") || streq(key, "text") || streq(key, "replace"));
			if (!scan_scalars(r, fy_node_pair_key(p), false) || !scan_scalars(r, fy_node_pair_value(p), path))
				return false;
		}
		return true;
	}
	if (fy_node_is_alias(n)) {
		err_set(r->e, ERR_USAGE, "anchors and aliases are not read here: write the value out");
		return yaml_place(r, yaml_mark(n));
	}
	const char *s = yaml_scalar(r, n);
	return !s || is_path || !looks_like_token(s) || yaml_secret(r, yaml_mark(n));
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
			flatten(r, fy_node_pair_value(p), arena_fmt(r->a, "%s%s%s", path, *path ? "." : "", yaml_scalar(r, fy_node_pair_key(p))));
	} else if (yaml_scalar(r, n)) {
		if (c->n_said == c->cap_said) {
			c->cap_said = c->cap_said ? 2 * c->cap_said : 64;
			struct said *v = arena_array(r->a, c->cap_said, struct said);
			if (c->n_said)
				memcpy(v, c->said, c->n_said * sizeof(*v));
			c->said = v;
		}
		c->said[c->n_said++] = (struct said){ path, yaml_scalar(r, n) };
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
	c->c.locale = config_values_locale[ch->locale];
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
	if (!scan_scalars(r, root, false) || !yaml_pairs(r, "", root, on_key, &x))
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
