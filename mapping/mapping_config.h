/* mapping_config.h: what mvchat.yaml says, checked; and the table of its keys, which the JSON Schema is tested against. */
#ifndef MVCHAT_MAPPING_CONFIG_H
#define MVCHAT_MAPPING_CONFIG_H

#include "mapping/mapping.h"
#include "mapping/mapping_text.h"

enum key_type {
	KEY_VERSION,  /* the number 1 */
	KEY_SECTION,  /* a mapping of further keys, "section.key" in the table */
	KEY_ARCHIVES, /* a list of mappings, their keys "archives[].key" in the table */
	KEY_TEXT, KEY_PATH, KEY_ENV, KEY_URL, KEY_ZONE, KEY_LABEL, KEY_DATE, KEY_BOOL,
	KEY_ENUM,     /* one of values */
	KEY_LIST,     /* a list of strings */
	KEY_KINDS,    /* a list of the kinds messages.leave_out takes */
	KEY_ALL_KINDS,/* a list of message kinds, or one */
	KEY_ITEMS,    /* a list of mappings, their keys "path[].key" in the table */
	KEY_WORDS,    /* a list of strings, or one */
	KEY_CHOICES,  /* a list of values */
	KEY_REGEX,    /* a pattern; never quoted in an error */
	KEY_GROUPS,   /* a list of lists of strings, each of at least two */
	KEY_COUNT,    /* a whole number, at least 1 */
	KEY_SPAN,     /* a length of time: 30s, 10m, 2h */
};
struct config_key { const char *path; enum key_type type; const char *const *values; /* KEY_ENUM: NULL-terminated */ };
extern const struct config_key config_keys[];
extern const size_t n_config_keys;

enum people_policy { POLICY_LABEL, POLICY_CREATE, POLICY_SKIP, POLICY_FAIL, POLICY_CREATE_SUSPENDED };
enum dm_policy { DM_PRIVATE_CHAT, DM_SKIP };
enum archived_policy { ARCHIVED_ARCHIVE, ARCHIVED_SKIP, ARCHIVED_OPEN };

struct string_list { const char *const *v; size_t n; };
enum rule_do { RULE_DROP, RULE_ROUTE, RULE_TAG };
/* One entry of `rules`: what is given must all hold. What it catches is left out, goes elsewhere, or gets a tag. */
struct rule_where {
	const char *name, *why;         /* "rules: NAME" */
	struct string_list channels, authors;
	const char *text; bool caseless;
	const struct regex *re;         /* of text, or NULL */
	const char *since, *until; int64_t since_us, until_us;
	uint32_t kinds;                 /* 1 << kind; 0 = all */
	enum { FILE_EITHER, FILE_NONE, FILE_SOME } file;
	enum rule_do what;
	const char *thread;             /* RULE_ROUTE: its name, with groups; NULL: no thread */
	const char *into;               /* RULE_ROUTE: the channel it goes to, or a new one; NULL: its own */
	struct string_list allow_wider; /* whose messages may be read by more people than before */
	const char *tag;                /* RULE_TAG: with groups */
	const char *at;                 /* "mvchat.yaml:3:6" */
	int64_t carry_us, back_us; bool any_author;
};
/* What the file says, key by key, for comparing it with what it said before. */
struct said { const char *path, *value; };
struct config {
	struct said *said; size_t n_said, cap_said;
	struct mapping_config c;
	struct subst *substs; size_t n_substs;        /* in the order in which they are applied */
	struct string_list redact;
	size_t n_own_substs;                          /* the first ones: written under `text` */
	const char **shown; size_t n_shown;           /* "text: NAME", "redact: NAME": what the plan counts them as */
	struct rule_where *rules; size_t n_rules;
	bool asks_text;
	enum people_policy unmatched, deactivated, guests, bots, strangers;
	enum dm_policy dm, group_dm;
	enum archived_policy archived;
	enum placement placement; bool placement_auto;
	enum history_by history_by; int64_t thread_size; /* messages; 0 = no bound */
	struct placed { struct string_list channels; enum placement placement; } *placed; size_t n_placed;
	bool has_routes, has_tags, has_into; /* among the rules */
	bool join_members;
	const char *prefix, *suffix;
	struct string_list allow_public, only_channels, only_users, only_tags;
	const char *since, *until; /* as written, for sentences; or NULL */
	struct string_list *aliases; size_t n_aliases; /* each: source ids of one person, the main one first */
	const char *members_list;                     /* relative to the project, or NULL */
	/* channels.members: for the channels so called, these are administrators or editors, these tags join. */
	struct extra { struct string_list channels, admins, editors, tags; } *extras; size_t n_extras;
	struct rename { const char *match, *to; const struct regex *re; } *renames; size_t n_renames;
};
const char *people_policy_name(enum people_policy p);

/* name: how errors call the file. Everything in a. The text must be valid UTF-8. */
bool config_parse(const char *name, const char *text, size_t len, struct arena *a, struct config *out, struct err *e);

/* The beginning of the first of so many days of the zone, the last of which is the newest message's. */
int64_t config_days_since(int64_t newest_us, int64_t days, const char *zone);

/* The nearest of n words, or NULL when none is near enough to be what was meant. */
const char *nearest_word(const char *word, const char *const *words, size_t n);
/* Does the text look like an access token? Then it must never be quoted back. */
bool looks_like_token(const char *s);
/* 1..14 -> "text"...; the kinds messages.leave_out accepts. */
extern const enum msg_kind leavable_kinds[];
extern const size_t n_leavable_kinds;

#endif
