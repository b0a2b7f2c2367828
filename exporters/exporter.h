/* exporter.h: the contract of a target.
 *
 * An exporter does no I/O: it says what to send (build) and what an answer means (parse). Sockets, retries, pacing, secrets
 * and the ledger belong to replay/. All functions are pure; everything they return lives in the arena they were given.
 * A request never holds a secret: it names the role whose token goes with it, and replay/wire.c adds that.
 */
#ifndef MVCHAT_EXPORTER_H
#define MVCHAT_EXPORTER_H

#include "core/err.h"
#include "core/op.h"

struct target; /* private to each exporter: its configuration and what HELLO told */

/* Which secret a request carries. AUTH_NONE also for addresses the target handed out (upload forms). */
enum auth { AUTH_NONE, AUTH_ADMIN, AUTH_BOT };

/* Several bots may share the work, each with a token and limits of its own. The first makes chats and threads and is their
 * owner: what only an owner may do, and what asks who did something, goes with its token. */
enum carrier {
	CARRY_FIRST,
	CARRY_ANY,   /* any bot that is in the chat */
	CARRY_SAME,  /* any, but the same one for everything with this record's key: its files and itself */
};
enum { BOTS_MAX = 16 };

/* Rate classes: each has its own limit in traits; a request names its class and, for per-chat limits, its scope. */
enum req_class { REQ_POST, REQ_READ, REQ_OTHER, REQ_BLOB /* uploads to storage: not limited by the API */, N_REQ_CLASS };

struct http_req {
	const char *method;        /* "GET", "POST", "PUT", "DELETE" */
	const char *path;          /* below the base address ("/messages"), or absolute ("https://…", upload forms) */
	const char *content_type;  /* of the body, or NULL */
	const char *body; size_t body_len;      /* NULL = none */
	const struct file *stream;              /* or NULL: the bytes of this file follow body ... */
	const char *tail; size_t tail_len;      /* ... and then these */
	enum auth auth;
	enum carrier carrier;      /* AUTH_BOT: which bots may carry it */
	int bot;                   /* AUTH_BOT: whose token, 0 = the first; chosen by replay for CARRY_ANY and CARRY_SAME */
	enum req_class rate;
	const char *scope;         /* chat id for per-chat limits, or "" */
	bool writes;               /* may change the target: never resent blindly */
};

struct http_resp {
	int status;
	const char *body; size_t len;
	const char *content_type;  /* or "" */
	int retry_after_s;         /* -1 when there was none; never negative otherwise */
};

enum verdict { V_DONE, V_MORE, V_REJECTED, V_THROTTLED, V_UNKNOWN, V_FATAL, V_LANE /* this chat only is closed to us */,
	V_REST /* not applied: this token is shut for a while, whatever it asks for */ };

/* The first words of an UNKNOWN's reason: what was asked for existed already. Asked for only once, it was not we who made it. */
#define WHY_EXISTED "existed: "

struct outcome {
	enum verdict v;
	const char *id;            /* V_DONE: the target's id (message, chat, user, thread, upload handle) */
	const char *id2;           /* V_DONE of OP_THREAD_OPEN: the thread's chat id; else NULL */
	const char *carry;         /* V_MORE */
	const char *why;           /* not DONE/MORE: a sentence, "code: message"; never the body of a message */
	int retry_after_s;         /* V_THROTTLED, V_REST: -1 unknown */
};

/* Read back. Rows are generic; what a field means depends on the list. */
enum list_kind { LIST_USERS, LIST_CHATS, LIST_MEMBERS, LIST_MESSAGES, LIST_REACTIONS, LIST_USERS_FIND /* scope = e-mail */,
	LIST_ADMINS, LIST_EDITORS /* members with this role; scope = chat */, LIST_TAGS_FIND /* scope = name */ };
struct seen {
	const char *id;
	const char *author;        /* message: user id · chat: owner id · reaction: user id */
	const char *name;          /* chat: name · user: full name · message: label shown ("" none) · reaction: emoji */
	const char *body;          /* message: content · user: e-mail or "" */
	const char *phone, *nick, *avatar; /* user; or NULL */
	const char *thread, *thread_chat; /* message: its thread, or NULL */
	const char *const *file_names; size_t n_files;
	const char *const *file_handles; /* what OP_UPLOAD left of each, if the target tells it; else NULL */
	const char *const *ids; size_t n_ids;     /* chat: member ids */
	const char *const *tags; size_t n_tags;   /* chat: ids of the tags that are members */
	int64_t ts_us;
	bool is_public, archived, suspended, bot, personal, is_channel;
	const char *role;          /* user, or NULL */
};
struct page { struct seen *v; size_t n; const char *next; /* cursor, or NULL at the end */ };
enum list_order { NEWEST_FIRST, OLDEST_FIRST };

/* How an op whose outcome is unknown is settled. */
enum settle {
	SETTLE_REPEAT, /* doing it again has no further effect */
	SETTLE_LIST,   /* list the lane after the anchor and look for it (settle_list) */
	SETTLE_STOP,   /* cannot be known: the lane stops and a person decides */
};

enum cap {
	CAP_LABEL = 1 << 0, CAP_THREAD = 1 << 1, CAP_EDIT = 1 << 2, CAP_DELETE = 1 << 3, CAP_REACT_SELF = 1 << 4, CAP_REACT_AS = 1 << 5,
	CAP_PIN = 1 << 6, CAP_UPLOAD = 1 << 7, CAP_LIST = 1 << 8, CAP_TIME = 1 << 9, CAP_AUTHOR = 1 << 10, CAP_ARCHIVE = 1 << 11,
	CAP_USER_CREATE = 1 << 12, CAP_MEMBERS = 1 << 13, CAP_THREAD_LANES = 1 << 14 /* a thread is ordered and limited apart */,
	CAP_DM_AS_CHAT = 1 << 15,
};

/* A token bucket: `per_s` sustained, `burst` requests saved up at most, never more than `peak_per_s` at once. */
struct rate { bool per_scope; double per_s, burst, peak_per_s; };

struct traits {
	uint32_t caps;
	int64_t text_max, name_max, label_max, file_max; /* bytes; chat name in characters */
	int members_max;         /* ids in one OP_MEMBERS */
	int reactions_max;       /* different emoji on one message by us */
	int settle_s;            /* longest time a request or a list may lag */
	struct rate rate[N_REQ_CLASS]; /* of one token */
	int bots;                /* tokens that share what any bot may carry; 0 = 1 */
	enum settle settle[OP_DELETE + 1];
	enum list_kind settle_list[OP_DELETE + 1];
};

/* What did not carry over as it was; bits of a mask kept per message in the ledger. */
enum loss {
	LOSS_AUTHOR = 1 << 0,     /* author shown as a label */
	LOSS_TIME = 1 << 1,       /* time shown as text */
	LOSS_STYLE = 1 << 2,      /* lists, quotes, headings, tables or underline written as plain characters */
	LOSS_MENTION = 1 << 3,    /* mention muted */
	LOSS_REACTION = 1 << 4,   /* reactions written as text */
	LOSS_FILE = 1 << 5,       /* a file without its bytes: named in the text */
	LOSS_EMOJI = 1 << 6,      /* custom emoji as :name: */
	LOSS_SPLIT = 1 << 7,      /* split in several messages */
	LOSS_BROADCAST = 1 << 8,  /* "also sent to the channel" as a note */
	LOSS_ROOT = 1 << 9,       /* the thread's first message is a place-holder */
	LOSS_LINK = 1 << 10,      /* link to another message left as it was */
	LOSS_EDITED = 1 << 11,    /* the edit's time and author */
	LOSS_PIN = 1 << 12,
	LOSS_CUT = 1 << 13,       /* became longer after it was posted, and other messages stand behind it: ends with a note */
	N_LOSS = 14
};
const char *loss_name(enum loss bit);     /* "author-as-label" … stable words */
const char *loss_sentence(enum loss bit); /* English, for gettext */

/* What a renderer asks about the people and places a text names. Answers live as long as the resolver. */
struct resolver {
	void *ctx;
	const char *(*user_name)(void *ctx, const char *source_id);  /* NULL unknown */
	const char *(*conv_name)(void *ctx, const char *source_id);  /* NULL unknown or not to be named here */
	const char *(*msg_url)(void *ctx, const char *ref);          /* address in the target, or NULL */
	const char *(*date_text)(void *ctx, int64_t unix_s);         /* local time as text */
	const char *(*call_text)(void *ctx, const struct span *call); /* SPAN_CALL in the reader's language; NULL = English */
	const char *(*live_mention)(void *ctx, const char *source_id); /* target's own mention syntax when mentions are live, else NULL */
};

enum match { MATCH_SAME, MATCH_OTHER, MATCH_FOREIGN };

struct exporter {
	const char *name;      /* "pachca" */
	const char *summary;
	const char *default_url;
	/* options: "key=value", NULL-terminated. The target lives in the arena. known=ID: what this account wrote is ours, too. */
	struct target *(*configure)(const char *const *options, struct arena *a, struct err *e);
	void (*traits)(const struct target *t, struct traits *out);
	/* HELLO: requests 0..n-1, in order, before anything else; build returns false when there is none with that number.
	 * parse fills the target (who we are, scopes); false + err (ERR_TARGET) names what is missing. */
	bool (*hello_build)(const struct target *t, int i, struct arena *a, struct http_req *out);
	bool (*hello_parse)(struct target *t, int i, const struct http_resp *r, struct arena *a, struct err *e);
	/* What must be allowed for these ops (bit 1 << op_kind); false + err naming every missing permission. */
	bool (*may)(const struct target *t, uint32_t op_kinds, struct err *e);
	/* After HELLO, with several bots: which of them is the first from now on (the target has put it in front). NULL: as given. */
	int (*first_bot)(struct target *t);
	/* Ids of the bots behind the first, or 0: who else belongs into each chat. NULL: there are none. */
	size_t (*other_bots)(const struct target *t, const char *const **ids);
	/* This account has written for us, though its token is not here: as the option known=ID. a: the target's. NULL: authors do not matter. */
	void (*also_ours)(struct target *t, const char *author, struct arena *a);
	/* Identity for the ledger's bond: service, workspace and the account that writes. After HELLO. */
	const char *(*identity)(const struct target *t, struct arena *a);

	bool (*build)(const struct target *t, const struct op *op, struct arena *a, struct http_req *out, struct err *e);
	void (*parse)(const struct target *t, const struct op *op, const struct http_resp *r, struct arena *a, struct outcome *out);
	bool (*list_build)(const struct target *t, enum list_kind kind, const char *scope, enum list_order order, const char *cursor,
	                   struct arena *a, struct http_req *out, struct err *e);
	bool (*list_parse)(const struct target *t, enum list_kind kind, const struct http_resp *r, struct arena *a, struct page *out, struct err *e);
	/* Ids of one list in the order of creation: <0, 0, >0. */
	int (*id_cmp)(const char *a, const char *b);
	/* Is this row what the op would have made? FOREIGN: not ours at all. OTHER: ours, but something else. */
	enum match (*match)(const struct target *t, const struct op *op, const struct seen *s, struct arena *a);

	/* Renders one message for this target. The result is split into parts no longer than text_max bytes each at sensible
	 * places; losses are OR-ed into *loss. There is at least one part. */
	void (*render)(const struct target *t, const struct text *body, const struct resolver *r, struct arena *a,
	               const char *const **parts, size_t *n_parts, uint32_t *loss);
	/* What the target's storage does to a text (trimming, line ends): for comparing. */
	void (*canon)(const char *body, struct buf *out);
	/* Fingerprint of what the op writes (label, canonical body, files' names): kept in the ledger, compared by verify. */
	uint64_t (*fingerprint)(const struct op *op);
	uint64_t (*fingerprint_seen)(const struct seen *s);
	/* A valid name for a chat (length, forbidden characters). */
	const char *(*chat_name)(const char *wanted, struct arena *a);
	/* The page of a chat, for people; NULL: it has none. */
	const char *(*chat_url)(const struct target *t, const char *chat, struct arena *a);
	/* Address of a message for people, or NULL. */
	const char *(*message_url)(const struct target *t, const char *chat, const char *msg, struct arena *a);
};

extern const struct exporter exporter_pachca;
extern const struct exporter *const exporters[]; /* NULL-terminated; exporters/registry.c */
const struct exporter *exporter_named(const char *name);

#endif
