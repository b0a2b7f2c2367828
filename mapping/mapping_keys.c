/* mapping_keys.c: the table of the keys of mvchat.yaml, which reading, the JSON Schema and the manual are tested against. Called by
 * mapping_yaml.c, mapping_config.c and tests. Data only. */
#include "mapping/mapping_yaml.h"

/* In the order of enum people_policy. Who has left never gets access; a bot gets no person's account. */
static const char *const values_people[] = { "label", "create", "skip", "fail", "create-suspended", NULL };
const char *const config_values_gone[] = { "label", "skip", "fail", "create-suspended", NULL };
const char *const config_values_bots[] = { "label", "skip", "fail", NULL };
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
const char *const config_values_date_order[] = { "dmy", "mdy", "ymd", NULL };
const char *const config_values_locale[] = { "en", "ru", NULL };

const struct config_key config_keys[] = {
	{ "version", KEY_VERSION, NULL },
	{ "locale", KEY_ENUM, config_values_locale },
	{ "archives", KEY_ARCHIVES, NULL },
	{ "archives[].path", KEY_PATH, NULL },
	{ "archives[].format", KEY_TEXT, NULL },
	{ "archives[].zone", KEY_ZONE, NULL },
	{ "archives[].date_order", KEY_ENUM, config_values_date_order },
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
	{ "people.deactivated", KEY_ENUM, config_values_gone },
	{ "people.guests", KEY_ENUM, values_people },
	{ "people.bots", KEY_ENUM, config_values_bots },
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
