/* mapping.h: one readable file decides who, where and what.
 *
 * A project is a folder with mvchat.yaml, users.csv, channels.csv. mapping_load reads and checks all three; everything is
 * answered from memory afterwards. The module is pure but for reading and writing those files (through core/outfile).
 * Unknown keys are errors with file:line:column and a suggestion.
 */
#ifndef MVCHAT_MAPPING_H
#define MVCHAT_MAPPING_H

#include "core/err.h"
#include "core/hash.h"
#include "core/model.h"

enum person_action {
	PERSON_LABEL,   /* no account: the name in the label only */
	PERSON_MATCH,   /* an existing account: target_id */
	PERSON_CREATE,  /* create an account (users.csv or policy says so) */
	PERSON_SKIP,    /* this person's messages are left out too */
};
struct person {
	const char *id;            /* source */
	enum person_action action;
	const char *target_id;     /* PERSON_MATCH */
	const char *name;          /* shown in labels; never empty */
	const char *email, *first, *last, *phone, *title, *role; /* PERSON_CREATE; or NULL */
	bool suspended;            /* PERSON_CREATE without access */
	uint32_t flags;            /* of the source user */
	const char *why;           /* the rule that decided, for explain and reports */
	const char *shares;        /* the main id of a person who has several: name and account are that one's; or NULL */
	bool unresolved;           /* an open question: the person is only labelled until users.csv answers it */
};

enum place_action { PLACE_CREATE, PLACE_ADOPT, PLACE_SKIP };
enum placement { PLACEMENT_INLINE, PLACEMENT_THREADS, PLACEMENT_ARCHIVE_CHAT };
enum history_by { HISTORY_MONTH, HISTORY_YEAR, HISTORY_ALL };
/* Beside a conversation whose history has a chat of its own (archive-chat) stands the chat people go on in: a conversation without
 * messages, known by this and the id of the other. */
#define MAPPING_LIVE "@live:"
struct place {
	const char *id;            /* source conversation */
	enum place_action action;
	const char *target_id;     /* PLACE_ADOPT; NULL with `into`: the chat that is made for that one */
	const char *into;          /* PLACE_ADOPT: the source conversation whose chat this one is merged into, in the order of time; or NULL */
	bool twin;                 /* ... because both adopt the same chat */
	const char *name;          /* in the target; unique among the places of the mapping */
	bool is_public, archive_at_end, join_members;
	bool may_be_public;        /* public in the source, or named by channels.allow_public: a public chat may be adopted for it */
	enum placement placement;
	enum history_by history_by;/* PLACEMENT_THREADS: what one thread holds ... */
	int64_t thread_size;       /* ... and how many messages at most; 0 = no bound */
	const char *why;           /* the rule that decided ("policy dm: skip") */
};

enum mention_policy { MENTION_MUTE, MENTION_LIVE, MENTION_TEXT };
enum reaction_policy { REACTION_TEXT, REACTION_NATIVE, REACTION_DROP };
enum orphan_policy { ORPHAN_PLACEHOLDER, ORPHAN_SKIP };
enum avatars { AVATARS_MATCH, AVATARS_NONE };
enum attribution { ATTRIBUTION_LABEL, ATTRIBUTION_HEADER, ATTRIBUTION_NONE };

struct mapping_archive { const char *path; const char *format; const char *zone; const char *date_order; const char *key_file; }; /* path and key_file as written, relative to the project; all but path or NULL */

struct mapping_config {
	const struct mapping_archive *archives; size_t n_archives;
	const char *target;                   /* exporter name */
	const char *target_url;               /* or NULL = the exporter's default */
	const char *admin_token_env, *bot_token_env;   /* names of environment variables, or NULL */
	const char *admin_token_file, *bot_token_file; /* 0600 files, or NULL */
	const char *zone;                     /* IANA name, for times in labels */
	const char *locale;                   /* "ru" or "en": language of what we write into messages */
	bool invite;                          /* false: created people get no invitation */
	enum mention_policy mentions;
	enum reaction_policy reactions;
	bool pins;
	enum orphan_policy orphans;
	enum attribution attribution;
	enum avatars avatars;                 /* of people with an account in the target, above their messages */
	const char *label_format;             /* "{name} · {date} {time}" */
	const char *const *leave_out; size_t n_leave_out; /* message kinds (msg_kind_name) not sent: join, leave, … */
	int64_t since_us, until_us;           /* 0 = no bound */
	int64_t last_days, last_messages;     /* 0 = no bound; last_messages of each conversation */
};

struct mapping;
/* dir: the project folder. NULL + err (ERR_USAGE with the place; ERR_MAPPING when files are missing). */
struct mapping *mapping_load(const char *dir, struct err *e);
/* The same while people are still undecided under a policy that insists on an answer: for refreshing and comparing. */
struct mapping *mapping_load_open(const char *dir, struct err *e);
/* The same where tables may be missing, in part or as a whole, because they are about to be drafted. */
struct mapping *mapping_load_draft(const char *dir, struct err *e);
void mapping_free(struct mapping *m);
const struct mapping_config *mapping_config(const struct mapping *m);
/* SHA-256 over everything that can change what is written: config, decisions, in canonical form. */
void mapping_digest(const struct mapping *m, uint8_t out[DIGEST_BYTES]);

/* Conversations merged into others: the engine keeps all of them at work at once. */
enum { MAPPING_MERGED_MAX = 400 };
/* Is any? */
bool mapping_merges(const struct mapping *m);
bool mapping_hosts(const struct mapping *m, const char *conv); /* is any merged into this one? */

/* Decisions. The mapping copies nothing it is given. A user or conversation that has no row falls under the policies. */
void mapping_person(const struct mapping *m, const struct user *u, struct arena *a, struct person *out);
/* The id under which a person is known who has several (people.aliases), or the id itself. */
const char *mapping_same_person(const struct mapping *m, const char *id);
void mapping_place(const struct mapping *m, const struct conv *c, struct arena *a, struct place *out);
/* Who is more than a member of a conversation's chat, and which of the target's tags (departments) are members of it as a whole. */
struct company {
	const char *const *admins; size_t n_admins;   /* source ids of members */
	const char *const *editors; size_t n_editors; /* the same; only channels of the target have editors */
	const char *const *tags; size_t n_tags;
	bool ignored;                                 /* channels.members names it, but it is a direct message: nothing of that holds */
};
void mapping_company(const struct mapping *m, const struct conv *c, struct arena *a, struct company *out);
bool mapping_names_tags(const struct mapping *m); /* is one of these tags given by its name rather than its id? */
/* Name of the rule that leaves the message out, or NULL when it is sent. Only fields listed are read. Whether the
 * conversation is carried at all is mapping_place's answer, not repeated here. A message that has replies is never left out for
 * its kind. only.since and only.until look at the message's own time. */
struct msg_meta {
	const char *conv, *author; int64_t ts_us; enum msg_kind kind; uint32_t flags; bool has_replies, is_reply, is_empty;
	const char *conv_name;              /* as in the source, or NULL */
	bool has_file;
	int64_t days_since_us, count_since_us; /* only.last_days (mapping_days_since), only.last_messages; 0 = no bound */
	bool whenever;                      /* the limits of time and number under `only` do not count */
};
const char *mapping_skips(const struct mapping *m, const struct msg_meta *mm);
/* The second question, for messages that mapping_skips lets through: rules and redactions that need the text. Asked only when
 * mapping_asks_text: no text has to be read otherwise. */
bool mapping_asks_text(const struct mapping *m);
const char *mapping_skips_text(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct arena *a);
/* The rules under `rules:`, in order. Which of them would take this message, were there nothing else? msg: NULL = rules that
 * need a text that is not given do not. */
size_t mapping_rules(const struct mapping *m, const char *const **names);
bool mapping_rule_drops(const struct mapping *m, size_t i); /* does it leave messages out? */
/* A channel that rules make (`into:` with a name that no channel has) is known by this and a hash of its name. */
#define MAPPING_MADE "@chat:"
/* Rules that send messages to another place (`do: route`). Asked of every message of a conversation that is carried over, in the
 * order of time. ROUTE_ASK_TEXT: the answer depends on the text, and msg was NULL. */
struct route {
	size_t rule;                        /* number among mapping_rules */
	const char *thread;                 /* name of the thread it goes to, or NULL */
	const char *into;                   /* the conversation into whose chat it goes: of the source, or MAPPING_MADE; NULL: its own */
	const char *into_name;              /* the name of the latter */
	int64_t carry_us, back_us;          /* how long after, and before, messages go along */
	bool any_author;                    /* ... whoever wrote them; else of the same author */
};
enum route_answer { ROUTE_NO, ROUTE_YES, ROUTE_ASK_TEXT };
bool mapping_has_routes(const struct mapping *m);
bool mapping_has_tags(const struct mapping *m);
bool mapping_has_into(const struct mapping *m);
/* Says every rule that may send messages of this conversation into that one that more people may read them than before? */
bool mapping_may_widen(const struct mapping *m, const char *conv, const char *conv_name, const char *into);
/* What rules tag (`do: tag`) a message with: "#one #two", or NULL. */
const char *mapping_tags(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct arena *a);
enum route_answer mapping_route(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct arena *a, struct route *out);
enum { MAPPING_RULES_MAX = 64 };
const char *mapping_rule_into(const struct mapping *m, size_t rule);               /* as written; NULL: a thread of the same chat, or none */
uint64_t mapping_tag_rules(const struct mapping *m);                             /* bit i: rule i tags */
uint64_t mapping_rules_about(const struct mapping *m, const struct msg_meta *mm, uint64_t *texts); /* that may take it; those of them that need its text */
uint64_t mapping_rule_hits(const struct mapping *m, const struct msg_meta *mm, const struct msg *msg, struct arena *a);
/* The instant only.last_days begins at, counted from the newest message of the archives; 0 = no bound. */
int64_t mapping_days_since(const struct mapping *m, int64_t newest_us);

/* What is replaced before anything leaves (text, redact). NULL, false: it could not be decided within the limits, and the text
 * must not be sent. Results live in a, or are the argument. Names of people are left as they are. */
const char *mapping_redact(const struct mapping *m, const char *text, struct arena *a);
bool mapping_redact_msg(const struct mapping *m, const struct msg *in, struct arena *a, struct msg *out);

/* Which of the replacements changed something: bit i of bits[i / 64] for number i of mapping_replacements ("text: NAME",
 * "redact: NAME", in the order in which they are applied). hits may be NULL. */
enum { MAPPING_REPLACEMENTS_MAX = 128 };
struct mapping_hits { uint64_t bits[MAPPING_REPLACEMENTS_MAX / 64]; };
size_t mapping_replacements(const struct mapping *m, const char *const **names);
bool mapping_redact_seen(const struct mapping *m, const struct msg *in, struct arena *a, struct msg *out, struct mapping_hits *hits);
/* A few words of a message for whoever checks a mapping: around what rule i (of mapping_rules) or replacement i matches, or the
 * first ones. One line, cut, in a; nothing in it that a replacement takes out. false: it cannot be shown, because that could not be
 * decided within the limits. */
enum sample_of { SAMPLE_BEGINNING, SAMPLE_RULE, SAMPLE_REPLACEMENT };
struct mapping_sample { const char *before, *match, *after; }; /* match: "" where there is none to show */
bool mapping_sample(const struct mapping *m, const struct msg *msg, enum sample_of what, size_t i, struct arena *a, struct mapping_sample *out);

/* ---- what changed ---- */
/* What the project has decided, as text that can be kept; and what is different between two such texts (NULL-free strings in
 * a; "" = nothing was, or is, said). where: the file; id: the row's, or the key of mvchat.yaml; name, column: "" there. */
struct mapping_change { const char *where, *id, *column, *name, *was, *is; };
void mapping_state(const struct mapping *m, struct buf *out);
size_t mapping_changes(const char *was, const char *is, struct arena *a, const struct mapping_change **out);

/* ---- drafting (mvchat map) ---- */
struct target_person { const char *id, *name, *email, *phone, *nick, *avatar /* address, or NULL */; bool bot, suspended; };
struct target_chat { const char *id, *name; bool is_public, archived, personal; const char *made_for; /* the source's conversation, if we made it; or NULL */ };
struct conv_stats { int64_t n_msgs, first_us, last_us; };
struct survey { /* what is known when a draft is made; all borrowed */
	const struct mapping_archive *archives; size_t n_archives;
	const struct user *users; const int64_t *user_msgs; size_t n_users;   /* user_msgs[i]: messages written */
	const struct conv *convs; const struct conv_stats *conv_stats; size_t n_convs; /* topics, purposes and pins are not asked for */
	const struct target_person *people; size_t n_people;    /* the live target, or none */
	const struct target_chat *chats; size_t n_chats;
	const char *target, *target_url, *zone, *locale;        /* for a new file; NULL = defaults */
	const char *unmatched;                                  /* "label" | "create" | "skip" | "fail": policy written into a new file; NULL = "label" */
	int64_t name_max;                                       /* characters of a chat name */
};
struct draft_result {
	size_t n_people_matched, n_people_create, n_people_label, n_people_skip, n_people_unresolved;
	size_t n_places_create, n_places_adopt, n_places_skip, n_places_unresolved;
	size_t n_rows_new, n_rows_kept, n_rows_stale;
	bool wrote_yaml, wrote_users, wrote_channels;
	const char *const *unresolved; size_t n_unresolved;     /* sentences, one per open question */
};
/* Writes or refreshes the three files; every decision already made is kept; rows never vanish. Results live in the arena. */
bool mapping_draft(const char *dir, const struct survey *s, struct arena *a, struct draft_result *out, struct err *e);

/* How one person or conversation is mapped and why, as lines of text. id: source id, name, handle or e-mail. */
/* The same for one message, without any text of it. */
void mapping_explain_msg(const struct mapping *m, const struct conv *c, const struct msg_meta *mm, const struct msg *msg, struct buf *out);
bool mapping_explain(const struct mapping *m, const struct survey *s, const char *id, struct buf *out, struct err *e);

const char *mapping_library(void); /* version of what reads the file, for doctor */

/* The key of a rule that decided (struct person, struct place: why; mapping_skips) in words, for people; the key stays in it. */
const char *words_of_rule(const char *why, struct arena *a);

#endif
