/* mapping_config.h: what mvchat.yaml says, checked; and the table of its keys, which the JSON Schema is tested against. */
#ifndef MVCHAT_MAPPING_CONFIG_H
#define MVCHAT_MAPPING_CONFIG_H

#include "mapping/mapping.h"

enum key_type {
	KEY_VERSION,  /* the number 1 */
	KEY_SECTION,  /* a mapping of further keys, "section.key" in the table */
	KEY_ARCHIVES, /* a list of mappings, their keys "archives[].key" in the table */
	KEY_TEXT, KEY_PATH, KEY_ENV, KEY_URL, KEY_ZONE, KEY_LABEL, KEY_DATE, KEY_BOOL,
	KEY_ENUM,     /* one of values */
	KEY_LIST,     /* a list of strings */
	KEY_KINDS,    /* a list of message kinds */
};
struct config_key { const char *path; enum key_type type; const char *const *values; /* KEY_ENUM: NULL-terminated */ };
extern const struct config_key config_keys[];
extern const size_t n_config_keys;

enum people_policy { POLICY_LABEL, POLICY_CREATE, POLICY_SKIP, POLICY_FAIL, POLICY_CREATE_SUSPENDED };
enum dm_policy { DM_PRIVATE_CHAT, DM_SKIP };
enum archived_policy { ARCHIVED_ARCHIVE, ARCHIVED_SKIP, ARCHIVED_OPEN };

struct string_list { const char *const *v; size_t n; };
struct config {
	struct mapping_config c;
	enum people_policy unmatched, deactivated, guests, bots, strangers;
	enum dm_policy dm, group_dm;
	enum archived_policy archived;
	enum placement placement;
	bool join_members;
	const char *prefix, *suffix;
	struct string_list allow_public, only_channels, only_users;
	const char *since, *until; /* as written, for sentences; or NULL */
};
const char *people_policy_name(enum people_policy p);

/* name: how errors call the file. Everything in a. The text must be valid UTF-8. */
bool config_parse(const char *name, const char *text, size_t len, struct arena *a, struct config *out, struct err *e);

/* The nearest of n words, or NULL when none is near enough to be what was meant. */
const char *nearest_word(const char *word, const char *const *words, size_t n);
/* Does the text look like an access token? Then it must never be quoted back. */
bool looks_like_token(const char *s);
/* 1..14 -> "text"...; the kinds messages.leave_out accepts. */
extern const enum msg_kind leavable_kinds[];
extern const size_t n_leavable_kinds;

#endif
