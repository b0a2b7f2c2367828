/* whatsapp.h: what the parts of the WhatsApp importer share. Only importers/whatsapp*.c include it.
 *
 * A transcript is read twice: the *survey* learns its shape, the order of its date fields, its people, title and language; the
 * second reading pushes messages. Both stream.
 */
#ifndef MVCHAT_WHATSAPP_H
#define MVCHAT_WHATSAPP_H

#include "core/clock.h"
#include "core/table.h"
#include "importers/importer.h"
#include "importers/whatsapp_header.h"
#include "importers/whatsapp_match.h"
#include "importers/whatsapp_reader.h"

enum {
	WA_AUTHOR_MAX = 200,              /* bytes of a name in a line; longer ones are no names */
	WA_BODY_MAX = 4 * 1024 * 1024,    /* a message; WhatsApp itself allows 65,536 characters */
	WA_AUTHORS_MAX = 20000,           /* spellings of names in a chat; groups hold some thousand people */
	WA_MATCHED_LINES = 300,           /* generated lines of which the survey asks the language */
};

struct wa_author {
	const char *name;      /* cleaned: no marks, plain spaces */
	const char *id, *phone; /* user id; E.164 or NULL */
	size_t n, marked;      /* lines; lines whose text begins with a mark of direction */
	size_t generated;      /* lines whose text the table knows (asked only where there are no marks) */
	const char *next;      /* every text so far begins with this and ": ": the name may be longer than it seems */
	bool always;           /* still so */
	bool colon_proved;     /* a notice names the longer name */
	const char *full;      /* the longer name's author record key, or NULL */
	bool system;           /* the group's title, under which iPhones write notices */
	bool half_notice;      /* a quotation begins in it and does not end, or a notice does that has a colon */
	bool push;             /* "~ Name": what the person calls themselves, no contact */
};

struct wa_spelling { const char *text; size_t n; struct wa_author *author; }; /* a name as it stands in lines */

/* What the date fields say under each reading. */
struct wa_evidence {
	size_t n;                         /* headers */
	size_t differ;                    /* of them with readings that differ */
	size_t invalid[WA_N_ORDERS], jumps[WA_N_ORDERS], hits[WA_N_ORDERS];
	size_t n_hits;                    /* lines with a media name that bears a date */
	int32_t last[WA_N_ORDERS], low[WA_N_ORDERS], high[WA_N_ORDERS];
	size_t invalid_line[WA_N_ORDERS]; /* first line that rules the reading out */
	size_t hit_line, jump_line[WA_N_ORDERS];
	uint16_t prev[3];
	bool dots;                        /* fields are separated by dots */
};

struct wa_chat {
	const struct entry *en;
	const char *folder;        /* "" or "Name/" */
	const char *title;         /* from a name or from the chat itself */
	const char *guessed_from;  /* what the title was taken from */
	bool named;                /* the title comes from a name WhatsApp gives */
	bool cp1251;
	enum wa_encoding enc;
	struct wa_head lock;
	struct wa_like like;       /* lock, for wa_head_parse_like */
	bool ios;                  /* brackets, or the colon of old iPhones, around the time */
	bool crlf_only;            /* headers follow CRLF only: a bare LF is inside a message */
	struct wa_evidence ev;
	enum wa_order order;
	char why[240];             /* the proof of the order, for people */
	struct table by_raw, by_name;
	const struct wa_spelling *last; /* of the line before: often the same again */
	struct wa_author *first_author, *me, *title_author;
	bool first_is_media;
	size_t headers, authorless, marked, marked_known, marked_asked, group_events, foreign, near_, near_line, foreign_line, bad_lines;
	size_t votes[128];
	struct wa_locale_set locales;
	bool language_known, group;
	const char *conv_id;
	/* emission */
	struct wa_seen { uint64_t *slots; size_t cap, n; } seen;
	int64_t grain_us, in_grain; /* the last message's minute or second, and its place in it */
	size_t said, notices, media_gone, media_missing;
	size_t numbered, at_number, skipped, skipped_line; /* iPhones: the last file's number, the message it is of; numbers that no line has */
};

struct wa_media;
struct source {
	struct vault *v;
	struct wa_match *match;
	struct arena keep;         /* lives as long as the source */
	char zone[64];
	bool zone_given;
	bool order_given;
	enum wa_order order;
	struct wa_chat_ref { const struct entry *en; } *chats;
	size_t n_chats;
	bool nested;               /* archives inside the archive */
	/* a walk */
	const struct sink *sink;
	struct arena *step;
	struct arena names;        /* people of the chat being read */
	struct arena run;          /* the walk's */
	struct table people;       /* user id -> said */
	struct wa_media *media;
	bool stopped;
	const char *entry;
	size_t line;
	int32_t zone_day; bool zone_plain; int64_t zone_offset; /* cached: the offset of a day without a change */
	int64_t first_us, last_us;
	size_t n_msgs, n_users;
	size_t twice, never;
	struct buf norm, body;
};

/* whatsapp.c */
bool wa_hazard(struct source *s, enum hazard_level level, const char *name, const char *fmt, ...) PRINTF_LIKE(4, 5);
bool wa_bad(struct source *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool wa_fact(struct source *s, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* whatsapp_people.c */
size_t wa_clean_name(const char *s, size_t n, char out[WA_AUTHOR_MAX + 1]); /* length; 0 = no name */
bool wa_phone(const char *name, char out[24]);                            /* E.164 of a name that is a number */
/* The record of the author whose name stands at s[0..n) in a line; made when new. NULL = this is no name. */
struct wa_author *wa_author_at(struct source *s, struct wa_chat *c, const char *raw, size_t n);
struct wa_author *wa_author_named(struct source *s, struct wa_chat *c, const char *name);
const char *wa_person_id(struct arena *a, struct buf *scratch, const char *name, const char **phone);
bool wa_push_person(struct source *s, const struct wa_author *p);
const struct wa_author *wa_mentioned(struct source *s, struct wa_chat *c, const char *label, size_t n); /* "@label" */

/* Where the text of a line begins behind its header: author may be NULL. */
struct wa_parts { struct wa_author *author; const char *text; size_t n; };
void wa_split(struct source *s, struct wa_chat *c, const char *rest, size_t n, struct wa_parts *out);
/* Whether a line of Android that looks like "p: text" is a notice with ": " in a group's or a person's name. */
bool wa_is_notice(struct source *s, const struct wa_chat *c, const struct wa_author *p, const char *rest, size_t n);

/* whatsapp_survey.c */
enum wa_surveyed { WA_CHAT, WA_NO_CHAT, WA_SURVEY_FAILED };
enum wa_surveyed wa_survey(struct source *s, struct wa_chat *c, struct err *e);
/* Decides the order of the date fields; false + err (ERR_ARCHIVE) with both readings when nothing proves one. */
bool wa_decide_order(struct source *s, struct wa_chat *c, struct err *e);
size_t wa_sniff(struct vault *v, const struct entry *en, struct wa_head *shape); /* headers of one shape near the beginning */
int32_t wa_name_day(const char *name, size_t n); /* the day a media file's name bears, or WA_DAY_NONE */
bool wa_title_of(struct arena *a, struct buf *scratch, const char *file_name, const char **title); /* "WhatsApp Chat with X.txt" */

/* whatsapp_media.c */
struct wa_media *wa_media_new(struct source *s);
void wa_media_free(struct wa_media *m);
/* The entry a message names, beside the transcript; NULL when it is not there. Marks it as used. */
const struct entry *wa_media_find(struct source *s, const char *folder, const char *name, size_t n);
void wa_media_describe(struct source *s, struct file *f);   /* kind, mime, and what the bytes tell */
void wa_media_kind(const char *name, struct file *f);
void wa_media_unused(struct source *s);                      /* hazards for files no message names */
void wa_media_is_transcript(struct source *s, const struct entry *en);

/* whatsapp_msg.c */
bool wa_emit(struct source *s, struct wa_chat *c, struct err *e);

/* whatsapp_text.c */
struct text wa_text(struct source *s, struct wa_chat *c, const char *p, size_t n);
struct text wa_note(struct source *s, const char *p, size_t n);

#endif
