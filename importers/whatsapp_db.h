/* whatsapp_db.h: what the parts of the importer of WhatsApp's databases share. Only importers/whatsapp_db*.c include it.
 *
 * Three schemas (whatsapp_db_ios.c, whatsapp_db_android.c: two) fill the same few structs; whatsapp_db.c turns them into records.
 */
#ifndef MVCHAT_WHATSAPP_DB_H
#define MVCHAT_WHATSAPP_DB_H

#include "core/db.h"
#include "importers/whatsapp.h"
#include "importers/whatsapp_crypt.h"

enum wadb_schema { WADB_IOS, WADB_ANDROID, WADB_ANDROID_OLD };

struct wadb_person {
	const char *id, *phone;      /* user id; E.164 or NULL */
	const char *name;            /* or NULL */
	enum name_source source;
	bool said, wrote;            /* pushed; author of a message this phone received */
	size_t groups;               /* whose list of members names them */
};

struct wadb_chat {
	int64_t row;
	const char *id, *jid;
	const char *name, *topic;    /* or NULL */
	bool group, archived, pushed, skipped;
	bool roster, with_me;        /* members are known; the phone's owner is one, without a number */
	int64_t created_us;
	const struct wadb_person *partner; /* of a talk of two */
	struct wadb_person **members;
	size_t n_members, cap_members;
	size_t n_msgs;
};

struct wadb_react { const char *emoji; const struct wadb_person *who; };

/* One message, as the schemas fill it. Borrowed from the row and the step arena. */
struct wadb_msg {
	int64_t row;
	struct wadb_chat *chat;
	const char *stanza;               /* the messenger's id, or NULL */
	const struct wadb_person *author; /* or NULL */
	int64_t ts_us, edited_us;
	uint32_t grain_s;
	enum msg_kind kind;
	const char *subtype;              /* or NULL */
	const char *text;                 /* somebody's words, or NULL */
	const char *note;                 /* what WhatsApp says, or NULL */
	const char *unknown;              /* what about it is not known ("type 99"), or NULL */
	bool forwarded;
	struct { /* a file belongs to it when kind is set */
		enum file_kind kind;
		const char *path, *name, *mime, *title; /* or NULL */
		int64_t size;
		int width, height, duration_ms;
	} file;
	struct { const char *id, *text; const struct wadb_person *who; } quote; /* id NULL: none */
	const struct wadb_react *reacts; size_t n_reacts;
};

struct wadb {
	struct source wa;                 /* first: the functions of whatsapp.h work on it */
	struct wa_chat mentions;          /* an empty transcript whose people can be mentioned */
	const struct entry *en;           /* the database */
	struct wa_key key;
	bool key_given;
	enum wadb_schema schema;
	struct db *db, *names;            /* names: the address book beside it, or NULL */
	struct arena a;                   /* the walk's */
	struct table people, chats;       /* by id; by JID without its device */
	struct table by_jid;              /* JID as stored -> struct wadb_person */
	struct wadb_chat **rows; size_t n_rows, cap_rows; /* chats by row number, sorted */
	struct wadb_person *me;
	size_t skipped_status, skipped_channels, skipped_lists;
	size_t restarts, tries;           /* over damaged pages; those since the last row */
};

/* whatsapp_db_find.c. The entry the messages are read from, or NULL; importer.h's bid. */
const struct entry *wadb_find(struct vault *v);
int wadb_bid(struct vault *v);

/* whatsapp_db.c */
void wadb_push(struct wadb *w, const struct wadb_msg *m);
struct wadb_chat *wadb_chat_row(const struct wadb *w, int64_t row); /* or NULL */
/* The chat of a JID, made when new; NULL for what is no conversation. row: its number in the database (unique), 0 = none. */
struct wadb_chat *wadb_chat(struct wadb *w, const char *jid, int64_t row);
void wadb_member(struct wadb *w, struct wadb_chat *c, struct wadb_person *p);
/* Columns that may be missing: "t.column" when the table has it, else `otherwise`. */
const char *wadb_col(struct wadb *w, const char *table, const char *as, const char *column, const char *otherwise);
/* Calls push for each message: a query for the rows behind ?1, in their order, their number in this column. Where the file is damaged it is
 * told, and the walk goes on behind. false: there is no such query, or the walk was stopped. */
typedef void wadb_push_fn(struct wadb *w, struct db_query *q, void *ctx);
bool wadb_rows(struct wadb *w, const char *sql, int column, wadb_push_fn *push, void *ctx, struct err *e);

/* whatsapp_db_people.c */
/* The person of a JID; NULL for a group and the like. */
struct wadb_person *wadb_person(struct wadb *w, const char *jid);
void wadb_name(struct wadb *w, struct wadb_person *p, const char *name, enum name_source source);
void wadb_lid(struct wadb *w, const char *lid, const char *jid); /* two JIDs of one person; before either is used */
void wadb_find_me(struct wadb *w, const char *first_stanza);     /* when lists of members and authors are known */
const char *wadb_bare(struct arena *a, const char *jid, const char **server); /* "7916@s.whatsapp.net" of "7916:2@s.whatsapp.net" */
bool wadb_push_person(struct wadb *w, struct wadb_person *p);

/* whatsapp_db_ios.c, whatsapp_db_android.c. people: before the messages, also who is in which chat. */
bool wadb_ios_people(struct wadb *w, struct err *e);
bool wadb_ios_messages(struct wadb *w, struct err *e);
bool wadb_android_people(struct wadb *w, struct err *e);
bool wadb_android_messages(struct wadb *w, struct err *e);
bool wadb_android_old_people(struct wadb *w, struct err *e);
bool wadb_android_old_messages(struct wadb *w, struct err *e);
/* What both generations of Android share. */
void wadb_android_contacts(struct wadb *w);
void wadb_android_members(struct wadb *w);
void wadb_android_me(struct wadb *w, const char *first_stanza_sql);
enum file_kind wadb_android_file(int type); /* 0: no file */
void wadb_android_event(struct wadb *w, struct wadb_msg *m, int action, const char *value, const char *whom);

/* The name a notice calls somebody by. */
const char *wadb_called(const struct wadb *w, const struct wadb_person *p);
/* "what" with "{}" replaced by who, in the step arena; the notice of a message. */
void wadb_notice(struct wadb *w, struct wadb_msg *m, enum msg_kind kind, const char *subtype, const char *what, const char *who);
/* A place: its name, its address, a link to a map. */
const char *wadb_place(struct wadb *w, const char *name, const char *address, double lat, double lon);
/* "BEGIN:VCARD…": the name in it and its numbers, one a line. */
const char *wadb_card(struct wadb *w, const char *card);

/* Calls fn for each row of a query about people and chats; what cannot be read is told, and the walk goes on. */
typedef void wadb_row_fn(struct wadb *w, struct db_query *q);
void wadb_each(struct wadb *w, struct db *d, const char *what, const char *sql, wadb_row_fn *fn);

/* Rows of another table that belong to messages, in the order of the messages' rows: column 0 is the message's. */
struct wadb_side { struct db_query *q; bool open; int64_t row; };
void wadb_side_open(struct wadb *w, struct wadb_side *s, const char *sql, const char *what);
bool wadb_side_next(struct wadb *w, struct wadb_side *s, int64_t row); /* a row of this message; false: no more */

#endif
