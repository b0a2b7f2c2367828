/* slack.h: what the parts of the Slack importer share. Private to importers/slack*.c.
 *
 * slack.c        bid, open, the walk over entries, facts; hazards and bad records
 * slack_dump.c   slackdump's dump layout
 * slack_apps.c   apps, bots and webhooks
 * slack_lists.c  users.json, channels.json and the other lists
 * slack_people.c who is who: listed people, and people known only from messages
 * slack_msg.c    one message; slack_attach.c its attachments and calls; slack_files.c its files
 * slack_text.c, slack_blocks.c  text
 *
 * Hazards (stable names; level N note, W warn, L loss; docs/slack.md has them for people):
 *   empty-string-in-list N     lists of 2026 exports that hold [""]
 *   null-field N               null where an array is expected (blocks, attachments, members)
 *   integer-user N             user_id 0 in integration_logs.json: Slack itself
 *   file-gone L                deleted, hidden by the plan's limit, or without any address
 *   file-linked W              only a link that dies with the export's token
 *   file-external N            a file kept elsewhere (Google Drive…)
 *   file-is-html L             a sign-in page saved under a file's name; treated as linked
 *   file-size-differs W        the archive's bytes are not as many as the message says
 *   no-ts L                    a message without a usable time: it has no identity (also a bad record)
 *   empty-message N            neither text nor files nor attachments
 *   call-without-text N        a call card, written as one line
 *   tombstone-root N           a deleted first message whose replies live
 *   orphan-reply W             replies whose first message is not in the archive
 *   duplicate N                the same (conversation, ts) again
 *   same-millisecond N         neighbours that only microseconds tell apart
 *   author-from-profile N, author-unknown W, system-author N, bot-by-alias N   where an author's name came from
 *   stranger N                 a person of another company (Slack Connect)
 *   extra-top-folder N         everything stood in one more folder
 *   file-conversation N        a conversation about a canvas ("FC:…" folder)
 *   canvas-in-conversation W   canvas_in_the_conversation.json: listed, its text is not in the export
 *   folder-by-id N, folder-without-channel W, folder-shared W, grid-shared-channel N   how folders met channels
 *   group-dm-twice N, dm-with-self N, unknown-member N, no-members N              conversations
 *   day-not-utc N              a day file holds another UTC day's messages (they are filed by Pacific time)
 *   token-in-url W             an export token stands in an address ("t" or "token"); it is taken out
 *   channel-label-empty N      <#C…|>
 *   unknown-block W, unknown-element W, unknown-subtype W, table-cut L            kept as text
 *   canvas-as-message N        a canvas stands where a message should
 *   broken-json L, too-large L an entry, or one element of it, that cannot be read
 *   large-day N                500 messages or more in one day file
 *   name-unflagged N, name-guessed W, zip64 N, data-descriptor N, encrypted L, archive-junk N     about the archive itself
 *   unfurl-dropped N, forwarded N, ekm-denied L, unknown-file N, lone-surrogate N
 */
#ifndef MVCHAT_SLACK_H
#define MVCHAT_SLACK_H

#include "core/json.h"
#include "core/table.h"
#include "importers/importer.h"
#include "importers/slack_text.h"

enum {
	PATH_BUF = 1024,
	SLACK_NAME_MAX = 200,      /* bytes of a name that is remembered */
	FOUND_MAX = 200 * 1000,    /* people known from messages only that are remembered; later ones are told at once */
	GROUPS_MAX = 10 * 1000,
	TIMES_MAX = 512 * 1024,    /* messages of one conversation watched for twins and lost roots */
	ROOTS_MAX = 128 * 1024,
	RESCANS_MAX = 64,
};

struct person {
	const char *id, *name, *alias; /* alias: bot_id or NULL */
	uint32_t flags;
	enum name_source source;
	bool listed;                   /* in users.json; else told at the end of the walk */
};

struct space { const char *prefix; size_t len; }; /* "" or "teams/x/" */

struct chan {
	const char *id, *name;
	enum conv_kind kind;
	const struct space *space;
	bool walked;                   /* a folder has been read into it */
};

/* A set of times, emptied between conversations; open addressing, 0 is no member. */
struct times { int64_t *slots; size_t n, n_slots; };
struct root { int64_t us; uint32_t entry, line; }; /* where it was first replied to */

struct source {
	struct vault *v;
	struct arena keep;             /* as long as the source */
	struct space *spaces;
	size_t n_spaces;
	bool grid, dump, has_uploads, has_attachments;
	char team[64];                 /* workspace or organisation id, or "unknown" */

	/* ---- of the walk ---- */
	const struct sink *sink;
	struct arena *step;
	bool stopped;
	struct arena names;            /* people, channels, groups */
	struct table people;           /* id or alias -> struct person */
	struct table found;            /* id -> struct person, those not listed */
	struct table by_id, by_folder; /* -> struct chan; folder keys carry the space's prefix */
	struct table groups;           /* user group id -> label */
	struct table member_sets;      /* of group DMs */
	struct table apps, app_of;     /* id -> struct app; author or bot id -> struct app */
	struct slack_seen seen;
	const struct space *listed_space; /* whose list is being read */
	const char *entry;             /* where we are */
	uint32_t entry_index;
	size_t line;

	/* of the conversation */
	struct chan *chan;
	const char *folder;            /* with its prefix, without '/' */
	struct times times, replied;
	struct root *roots;
	size_t n_roots, roots_cap;
	bool watch;                    /* the sets above are complete so far */

	/* of the day file */
	int64_t last_us, day;          /* day: days since 1970 in the file's name, or INT64_MIN */
	size_t in_file, off_day;
	bool want_profiles;            /* an author of this file is known by nothing better than an id */
	bool keep_profiles;            /* build user_profile at once: it was needed too often */
	int rescans;

	int64_t first_us, newest_us;
	int64_t n_msgs, n_listed, n_uploads;
	const char *token_kind;
	char domain[64];
};

/* slack.c: all return false (and set stopped) when the sink wants no more */
bool slack_hazard(struct source *s, enum hazard_level level, const char *name, const char *fmt, ...) PRINTF_LIKE(4, 5);
bool slack_bad(struct source *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool slack_fact(struct source *s, const char *key, const char *value);
bool slack_fact_int(struct source *s, const char *key, int64_t value);
typedef bool (*slack_each)(struct source *s, const struct jv *element);
bool slack_read(struct source *s, const struct entry *en, const char *const *skip_keys, slack_each each);
/* Reads what `read` gives as one array; what is broken becomes one bad record. lines_before (or NULL) is added to line numbers. */
bool slack_read_from(struct source *s, json_read_fn read, void *read_ctx, const char *const *skip, slack_each each, size_t max_element,
		     const size_t *lines_before);
bool slack_is_id(const char *s, size_t n);  /* Slack's own form: C024BE91L */
bool slack_is_ref(const char *s, size_t n); /* what other tools may write as a person's id, too: no blanks, no slashes */

/* slack_dump.c */
bool slack_walk_dump_file(struct source *s, const struct entry *en, size_t index);

/* slack_people.c */
struct person *slack_person(struct source *s, const char *id);              /* NULL when nobody has told of it */
struct person *slack_list_person(struct source *s, const struct user *u);   /* remembers a listed user */
/* A person met in messages: remembers the best name so far. name "" = nothing known. */
struct person *slack_found(struct source *s, const char *id, enum name_source source, const char *name, uint32_t flags);
bool slack_push_found(struct source *s);                                    /* at the end of the walk */
void slack_people_seen(struct source *s);                                   /* sets up s->seen */

/* slack_apps.c: nothing is remembered when the sink does not ask for integrations */
void slack_app_log(struct source *s, const struct jv *v);                   /* an element of integration_logs.json */
void slack_app_user(struct source *s, const struct user *u, const char *app_id, bool workflow); /* a listed bot; app_id or NULL */
/* A message of a bot. author: what it is pushed with; the others or NULL. */
void slack_app_msg(struct source *s, const char *author, const char *bot, const char *app_id, const char *name, bool workflow);
void slack_app_notice(struct source *s, const char *subtype, const char *bot, const char *user, int64_t us); /* "bot_add" in a channel */
bool slack_push_apps(struct source *s);                                     /* at the end of the walk */

/* slack_lists.c */
bool slack_read_users(struct source *s, const struct space *sp);
const char *slack_space_name(struct source *s, const struct space *sp); /* of a Grid's workspace; NULL at the root; in the step arena */
bool slack_read_channels(struct source *s, const struct space *sp);
bool slack_read_others(struct source *s, const struct space *sp);
bool slack_find_team(struct source *s);
const char *slack_name(struct source *s, const char *name); /* kept for the whole walk, at most SLACK_NAME_MAX bytes, whole characters; NULL stays NULL, "" becomes NULL */
struct chan *slack_add_chan(struct source *s, const struct space *sp, const char *id, const char *name, enum conv_kind kind);
int64_t slack_time_us(const struct jv *seconds_or_ms);

/* slack_msg.c */
bool slack_ts(const char *s, int64_t *us);
bool slack_msg(struct source *s, const struct jv *v);
void slack_conv_begin(struct source *s);
bool slack_conv_end(struct source *s); /* tells the lost roots */
bool slack_profile_pass(struct source *s, const struct jv *v);
extern const char *const slack_skip_day[], *const slack_skip_day_keep[], *const slack_skip_profiles[];

/* slack_attach.c: what attachments and rooms say; files of forwarded messages go to the list */
struct files { struct file *v; size_t n, cap; };
uint32_t slack_attachments(struct source *s, struct text_builder *b, const struct jv *attachments, bool from_bot, bool wrote_text, struct files *files);
bool slack_room(struct source *s, struct text_builder *b, const struct jv *room);

/* slack_files.c */
void slack_file(struct source *s, const struct jv *v, struct files *files);

#endif
