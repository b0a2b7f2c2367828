/* op.h: one write into the target: what replay hands to an exporter.
 *
 * Identity (struct opkey) is the source's, never the target's: the same record of any export of one workspace gives the same
 * key, so a second run finds what the first one did whatever the mapping has become meanwhile. The numbers of op_kind stand
 * in ledgers: never renumber.
 */
#ifndef MVCHAT_OP_H
#define MVCHAT_OP_H

#include "core/model.h"

enum op_kind {
	OP_USER_CREATE = 1,
	OP_CHAT_CREATE = 2,
	OP_UPLOAD = 3,      /* one file of a message; part = index of the file; not visible to anyone, may be repeated */
	OP_POST = 4,        /* part 0.. when one message had to be split */
	OP_THREAD_OPEN = 5, /* on the post of a thread's first message */
	OP_REACT = 6,       /* part = index of the reaction */
	OP_PIN = 7,
	OP_MEMBERS = 8,     /* people join the chat; part = index of the portion */
	OP_ARCHIVE = 9,     /* the chat's archive state at the end */
	OP_EDIT = 10,       /* the source changed a message already sent; part as of its post */
	OP_DELETE = 11,
};

struct opkey {
	int64_t conv;       /* ledger's number of the source conversation; 0 for people */
	int64_t ts_us;      /* the message's time; 0 for people and chats */
	const char *id;     /* message id, user id, or "" for the chat itself */
	enum op_kind kind;
	int part;
};

/* In masks of permissions: 1 << (OP_UNDO_BIT + kind) = taking back ops of this kind; OP_DELETE there = deleting accounts.
 * 1 << OP_TAG_BIT = finding a tag of the target by its name. */
enum { OP_TAG_BIT = 15, OP_UNDO_BIT = 16 };

/* The part of the OP_DELETE row that takes back part `part` of kind `kind` of the same record. Stands in ledgers. */
static inline int opkey_undo_part(enum op_kind kind, int part)
{
	return kind == OP_POST ? part : (int)kind * (1 << 20) + part;
}
static inline bool opkey_undo_is_post(int undo_part)
{
	return undo_part < 1 << 20;
}

#define OP_FILE_FIRST "first" /* stands in ledgers */
struct op_file {
	const char *handle; /* what OP_UPLOAD left (exporter's own string) */
	const char *by;     /* whose token brought it: OP_FILE_FIRST or the target's id of a further bot; NULL not known */
	const char *name, *mime;
	enum file_kind kind;
	int64_t size;
	int width, height, duration_ms;
	const char *waveform; /* FILE_VOICE: loudness from moment to moment, "4,8,12,…" (replay/voice.h); NULL unknown */
	const struct file *source; /* where its bytes are, for replay */
};

struct op {
	struct opkey key;
	const char *chat;          /* target chat id the op belongs to (numeric string for Pachca); NULL for people */
	const char *thread;        /* target thread id when posting into a thread, else NULL */
	const char *target_id;     /* THREAD_OPEN, REACT, PIN, EDIT, DELETE: the target's message id */
	/* USER_CREATE */
	const char *email, *first, *last, *phone, *title, *role;
	bool suspended, invite;
	const char *account;       /* made by us before and taken back since: gets its access again; or NULL */
	/* CHAT_CREATE */
	const char *name;          /* also the file name for UPLOAD */
	bool is_public, is_channel;
	/* MEMBERS */
	const char *const *ids; size_t n_ids;
	const char *as;            /* these, members already, become "admin" or "editor"; or NULL */
	const char *const *tags; size_t n_tags; /* ids or names: everybody who has one of them joins; taken back: those leave with it */
	/* POST, EDIT */
	const char *label;         /* who and when, for display_name; "" = none */
	const char *avatar;        /* POST: address of the author's picture, or NULL; no part of what is compared */
	const char *body;          /* rendered for this target; may be "" when there are files */
	const struct op_file *files; size_t n_files;
	/* UPLOAD */
	const struct file *file;   /* what to read; entry and size are set */
	bool alone;                /* the only file of its message */
	/* REACT */
	const char *emoji, *emoji_name;
	/* DELETE: what is taken back; 0 = a message (OP_POST). POST, REACT, PIN: target_id (REACT: emoji, too) · MEMBERS: chat, ids ·
	 * ARCHIVE: chat · CHAT_CREATE: chat gets `name` and is archived · USER_CREATE: target_id loses access (suspended) or is deleted. */
	enum op_kind undoes;
	/* multi-request ops */
	int step;                  /* 0, then +1 after each MORE */
	const char *carry;         /* what the previous step's parse left, or NULL */
};

#endif
