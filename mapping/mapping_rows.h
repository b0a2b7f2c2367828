/* mapping_rows.h: the loaded mapping, inside. Shared by the files of mapping/; no one else. */
#ifndef MVCHAT_MAPPING_ROWS_H
#define MVCHAT_MAPPING_ROWS_H

#include "core/table.h"
#include "mapping/mapping_config.h"
#include "mapping/mapping_sheet.h"

enum users_column { U_ID, U_NAME, U_HANDLE, U_EMAIL, U_FLAGS, U_MESSAGES, U_SUGGESTION, U_TARGET, U_CONFIDENCE, U_REASON, U_DECISION,
	U_NOTES, N_USERS_COLUMN };
enum channels_column { C_ID, C_NAME, C_KIND, C_ARCHIVED, C_MESSAGES, C_FIRST, C_LAST, C_SUGGESTION, C_TARGET_NAME, C_REASON,
	C_DECISION, C_PRIVACY, C_NOTES, N_CHANNELS_COLUMN };
extern const struct sheet_column users_columns[N_USERS_COLUMN];
extern const struct sheet_column channels_columns[N_CHANNELS_COLUMN];

enum person_decision { DECIDE_NOTHING, DECIDE_MATCH, DECIDE_CREATE, DECIDE_CREATE_SUSPENDED, DECIDE_LABEL, DECIDE_SKIP };
struct user_row {
	const char *id, *name, *handle, *email; /* as in the table */
	uint32_t flags;
	enum person_decision decision;
	const char *decided_id;     /* DECIDE_MATCH: account; NULL when given by an e-mail not looked up yet */
	const char *decided_email;  /* "match:x@y", "x@y", "create:x@y"; or NULL */
	const char *suggested_id;   /* "match": taken; "ask": only shown; or NULL */
	bool suggests_match, asks, in_pilot;
	uint64_t rules;             /* bit i: rule i is about this author, or about all */
	const char *reason;
	size_t line, row;           /* in the file; among the sheet's rows */
};
enum place_decision { PLACE_DECIDE_NOTHING, PLACE_DECIDE_CREATE, PLACE_DECIDE_ADOPT, PLACE_DECIDE_SKIP, PLACE_DECIDE_INTO };
enum privacy { PRIVACY_AS_SOURCE, PRIVACY_PRIVATE, PRIVACY_PUBLIC };
struct place_row {
	const char *id, *name, *target_name, *adopt_id, *into; /* the row it is merged into, or that adopts the same chat */
	enum conv_kind kind;        /* 0: not said */
	enum place_decision decision;
	enum privacy privacy;
	bool stale, hosts;          /* ... hosts: others are merged into it */
	uint64_t rules;             /* bit i: rule i is about this conversation, or about all */
	size_t line, row;
};
struct mapping {
	struct arena a;
	const char *dir;
	struct config cfg;
	const char **rule_names;    /* of `rules`, in order */
	const char **kind_rules;    /* per leave_out entry: "messages.leave_out: join" */
	struct sheet users, channels;
	struct table user_rows, place_rows; /* sheet_key -> row */
	struct table mains;         /* source id -> the main id of the same person; people.aliases */
	struct table taken;         /* folded target names of all rows */
	size_t n_into;              /* rows that are merged into another */
	struct table named;         /* folded names and ids of rows -> the row that rules mean, or &rows_ambiguous; only when rules name some */
	struct table tagged;        /* sheet_key -> a value: people with one of only.tags, by the members list */
};

/* Reads what the project has. LOAD_ALL: three files must be there and complete; LOAD_DRAFT: what is missing is left empty. */
enum load { LOAD_ALL, LOAD_DRAFT };
struct mapping *rows_open(const char *dir, enum load how, bool *has_yaml, struct err *e);
bool rows_read_config(struct mapping *m, const char *text, size_t len, struct err *e);
bool rows_build(struct mapping *m, struct err *e); /* the sheets' cells -> user_rows, place_rows */
/* "name (file:line:column)" of a cell; the column is counted as the file has it. Returns false, as err_where does. */
bool rows_where(struct err *e, const struct sheet *s, size_t line, size_t column);
const char *mapping_flags_text(uint32_t flags, struct arena *a); /* "bot deactivated" */
/* The file's bytes; *out NULL when it does not exist. The caller frees. */
bool rows_slurp(const char *path, char **out, size_t *len, struct err *e);

const struct user_row *rows_user(const struct mapping *m, const char *id);
const struct place_row *rows_place(const struct mapping *m, const char *id);
bool rows_allow_public(const struct mapping *m, const char *id, const char *name, struct arena *a);
/* Is a pilot defined by people? Has somebody one of its tags? */
bool rows_pilot_of_people(const struct mapping *m);
bool rows_tagged(const struct mapping *m, const char *id);
bool rows_may_be_public(enum conv_kind kind);
bool rows_public(const struct place_row *p); /* is the chat made for it public? */
/* Which rules are about an author or a conversation; what is not known may be NULL. */
uint64_t rows_rules_author(const struct mapping *m, const char *id, const char *name, const char *handle, const char *email, struct arena *a);
uint64_t rows_rules_place(const struct mapping *m, const char *id, const char *name, struct arena *a);

/* Which policy is responsible for somebody with these flags, and what it says. */
enum people_policy rows_policy(const struct config *c, uint32_t flags, const char **key);

/* Rules whose conditions other than the text hold; the text their patterns are tried on. */
uint64_t rows_rules_about(const struct mapping *m, const struct msg_meta *mm);
void rows_words(const struct msg *msg, struct buf *out);
/* mapping_route.c: what `into` of a rule means, worked out when the rows are known; where in the target the history of this conversation goes; what else it changes about the place. */
bool route_splits(const struct mapping *m, const struct place_row *h, struct arena *a); /* its history goes into a second chat */
bool route_names(struct mapping *m, struct err *e);
void route_place(const struct mapping *m, const struct conv *c, struct arena *a, struct place *p);

/* With trace, each rule looked at is one line in it. */
void decide_person(const struct mapping *m, const struct user *u, struct arena *a, struct person *out, struct buf *trace);
void decide_place(const struct mapping *m, const struct conv *c, struct arena *a, struct place *out, struct buf *trace);
/* prefix + name + suffix; direct messages by the people in them, never the source's technical name. */
const char *decide_name(const struct mapping *m, const struct conv *c, const struct table *people, struct arena *a);
/* One line of a trace, in the reader's language; the rule that decided, by its key and in words. Without a trace nothing is done. */
void decide_note(struct buf *trace, const char *fmt, ...) PRINTF_LIKE(2, 3);
void decide_note_why(struct buf *trace, const char *why);
const char *decide_by_policies(const struct mapping *m, const struct msg_meta *mm); /* what policies leave out; rules come after them */
/* Those of the rules that match; *limit: one could not be decided. Rules that need no text are taken as they are. */
uint64_t decide_rules_by_text(const struct mapping *m, uint64_t about, const struct msg *msg, bool *limit);

/* The key of a rule that decided (struct person, struct place: why; mapping_skips) in words, for people; the key stays in it. */
const char *words_of_rule(const char *why, struct arena *a);

#endif
