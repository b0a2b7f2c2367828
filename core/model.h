/* model.h: what a messenger holds, as every importer pushes it and everything inside understands it.
 *
 * Everything is borrowed: valid until the arena it came from is reset. Strings are valid UTF-8 and NUL-terminated. Pointers
 * documented as "or NULL" may be NULL, no others. Times are UTC microseconds since 1970; 0 = unknown.
 */
#ifndef MVCHAT_MODEL_H
#define MVCHAT_MODEL_H

#include "core/text.h"

enum user_flag {
	USER_BOT = 1 << 0,
	USER_GONE = 1 << 1,     /* deactivated: must never get access by being migrated */
	USER_GUEST = 1 << 2,
	USER_STRANGER = 1 << 3, /* of another company (Slack Connect), or seen only in messages */
	USER_SYSTEM = 1 << 4,   /* the messenger itself (USLACKBOT) */
	USER_ADMIN = 1 << 5,
	USER_OWNER = 1 << 6,
	USER_INVITED = 1 << 7,  /* invited, never signed in */
};

/* How a name became known, best first; recorded and reported. */
enum name_source { NAME_LISTED, NAME_BOT, NAME_PROFILE, NAME_MENTION, NAME_PLACEHOLDER };

struct user {
	const char *id;                           /* the source's id; unique in its workspace */
	const char *alias;                        /* a second id messages may carry (Slack bot_id), or NULL */
	const char *handle, *name;                /* handle without '@' or NULL; name: what people see, never empty */
	const char *first, *last, *email, *phone, *title, *zone, *avatar_url; /* or NULL */
	enum name_source name_source;
	uint32_t flags;                           /* enum user_flag */
};

enum conv_kind { CONV_PUBLIC = 1, CONV_PRIVATE = 2, CONV_GROUP = 3, CONV_DM = 4 };

struct pin { const char *msg_id, *user; int64_t at_us; }; /* user or NULL */

struct conv {
	const char *id;
	const char *name;                         /* without '#'; for DMs and group DMs a name made of the members */
	const char *topic, *purpose, *creator;    /* or NULL */
	const char *space;                        /* the one workspace it belongs to, where the source has several; else NULL */
	enum conv_kind kind;
	bool archived, general, shared;           /* shared: with other companies */
	int64_t created_us;
	const char *const *members; size_t n_members; /* user ids; may name unknown users */
	const struct pin *pins; size_t n_pins;
};

enum file_state {
	FILE_PRESENT = 1,  /* `entry` names its bytes in the archive */
	FILE_LINKED = 2,   /* only `url`, which needs the export's token (kept out of the model) */
	FILE_EXTERNAL = 3, /* a link to somewhere else (Google Drive…): `url` */
	FILE_GONE = 4,     /* the source itself no longer has it (tombstone, hidden by limit) */
};

enum file_kind { FILE_PLAIN = 1, FILE_IMAGE = 2, FILE_AUDIO = 3, FILE_VOICE = 4, FILE_VIDEO = 5, FILE_CANVAS = 6, FILE_SNIPPET = 7 };

struct file {
	const char *id;                           /* or NULL */
	const char *name;                         /* never empty */
	const char *title, *mime, *url, *permalink, *preview; /* or NULL; url without any token */
	const char *entry;                        /* FILE_PRESENT: name in the vault; else NULL */
	enum file_state state;
	enum file_kind kind;
	int64_t size;                             /* bytes; -1 unknown */
	int width, height, duration_ms;           /* 0 unknown */
	int archive;                              /* filled by the spool: which archive `entry` is in (0-based) */
};

struct react { const char *name, *emoji; const char *const *users; size_t n_users; int count; }; /* name: short name; emoji: character(s) or "" */

enum msg_kind {
	MSG_TEXT = 1,
	MSG_ME = 2,        /* "/me" */
	MSG_BOT = 3,
	MSG_JOIN = 4, MSG_LEAVE = 5,
	MSG_TOPIC = 6, MSG_RENAME = 7, MSG_ARCHIVE = 8, /* and other changes of the conversation */
	MSG_PIN = 9,
	MSG_CALL = 10,
	MSG_DELETED = 11,  /* a place-holder for a deleted message (tombstone) */
	MSG_LOST_ROOT = 12,/* made by the spool: replies exist, their first message is not in the archive */
	MSG_APP = 13,      /* bot added, removed, reminders… */
	MSG_SYSTEM = 14,   /* anything else the messenger itself wrote */
};

enum msg_flag {
	MSGF_BROADCAST = 1 << 0,   /* a reply also shown in the channel */
	MSGF_UNKNOWN_KIND = 1 << 1,/* subtype not known to the importer; its text is kept */
	MSGF_FALLBACK_TEXT = 1 << 2, /* text came from the plain field, not from blocks */
	MSGF_FORWARDED = 1 << 3,
};

struct msg {
	const char *id;                           /* unique in its conversation; the same in every export */
	const char *author;                       /* user.id, or NULL (system lines, authorless bots) */
	const char *author_name;                  /* overrides the author's name for this message (bots), or NULL */
	const char *parent;                       /* msg.id of the thread's first message, or NULL; never its own id */
	int64_t parent_ts_us;                     /* when parent was written if its id tells, else 0 */
	int64_t ts_us;
	uint32_t grain_s;                         /* how coarse ts_us is: 0 exact, 1 second, 60 minute */
	enum msg_kind kind;
	const char *subtype;                      /* the source's own word, or NULL */
	struct text body;
	const struct file *files; size_t n_files;
	const struct react *reacts; size_t n_reacts;
	int64_t edited_us;
	uint32_t flags;                           /* enum msg_flag */
};

/* An app, bot or webhook, as far as the source tells: what an administrator has to rebuild elsewhere. */
enum integration_kind { INTEGRATION_APP = 1, INTEGRATION_BOT = 2, INTEGRATION_WEBHOOK = 3, INTEGRATION_WORKFLOW = 4 };
enum integration_state { INTEGRATION_UNKNOWN, INTEGRATION_ON, INTEGRATION_OFF, INTEGRATION_REMOVED };

struct integration {
	const char *id;                           /* the source's: of the app, else of the service, else of the bot */
	const char *name;                         /* never empty */
	enum integration_kind kind;
	enum integration_state state;
	const char *installer, *installer_name;   /* user.id; what people call them; or NULL */
	const char *scopes;                       /* what it may do, in the source's words separated by ", "; or NULL */
	int64_t installed_us, changed_us;         /* 0 unknown; changed: the newest thing known of it besides its messages */
	const char *const *authors; size_t n_authors; /* msg.author of what it posts */
	const char *const *convs; size_t n_convs; /* where it was installed; ids that may be unknown */
};

#endif
