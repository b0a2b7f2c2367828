/* stream_in.h: what stream*.c (order: stream.c, stream_step.h; words: stream_text.c), plan*.c (counting) and adopt.c (finding again) share.
 * Nobody else includes it. */
#ifndef MVCHAT_STREAM_IN_H
#define MVCHAT_STREAM_IN_H

#include "core/table.h"
#include "replay/stream.h"

/* A person of the source, as far as messages need it; kept for the life of the stream. */
struct someone { const char *name; const char *target; /* PERSON_MATCH, or made by us */ enum person_action action; uint32_t flags; bool suspended, known; const char *avatar; /* may be shown above messages, or NULL */ };

/* A conversation of the source and its place in the target. */
struct spot {
	const char *id, *name;   /* as in the source */
	int64_t num;             /* spool's number */
	int64_t lconv;           /* ledger's number; 0 = not asked yet, -1 unknown to a ledger that is only read */
	int64_t n_msgs, n_roots, n_threads;
	enum conv_kind kind;
	bool no_files;           /* certainly not one */
	int64_t count_since_us;  /* only.last_messages begins here; 0 = no bound, -1 = not looked up yet */
	struct place place;      /* strings live as long as the stream */
	const char *target;      /* chat in the target, once known */
	enum { GUESTS_UNKNOWN, GUESTS_NONE, GUESTS_SOME } guests; /* do messages of other conversations sit in its chat? */
	enum { IDLE_UNKNOWN, IDLE_NO, IDLE_YES } idle; /* stream_idle's */
	uint64_t open_at;        /* not archived by us when so many chats had been (stream.shuts); 0 = not asked yet */
	const struct removed *removed; size_t n_removed; bool removed_known;
};

/* A message that was sent and that the archives of today no longer have. */
struct removed { int64_t ts_us; const char *id; int parts; bool thread /* it has one in the target: it stays */; };
/* Collects them while ledger and spool are walked side by side; see docs/replay.md for what counts. Strings in a. */
struct removal { struct removed *v; size_t n, cap, sure; bool any, strict, off; int64_t last_us; struct arena *a; };

enum { TEXT_ANSWERS = 4096 };
struct text_answer { uint64_t key; const char *rule; };

struct stream {
	struct stream_args x;
	struct traits tr;
	const struct mapping_config *cfg;
	uint32_t wish;           /* enum stream_wish */
	bool several, bad;       /* archives, unreadable records: how a removal is told */
	uint64_t shuts;          /* 1 + chats archived so far */
	bool files;              /* there are some that could be uploaded */
	bool threads;            /* replies go into threads with lanes of their own */
	bool crosses;            /* rules send messages into other chats than their conversation's */
	struct arena run;
	struct arena tmp, trial; /* reset for every message: rows of the ledger; a message looked at that may need nothing */
	struct table people, spots, numbers; /* numbers: spots by the spool's number, those that were asked for */
	struct spot *last_num;   /* the last of them */
	int64_t days_since_us;   /* only.last_days begins here; 0 = no bound */
	struct text_answer *answers;/* what rules that read the text said lately; NULL = there are none */
	struct arena words;      /* reset for every message whose text is asked for */
};

struct someone *stream_someone(struct stream *s, const char *id);
/* May this address stand in a message that everybody loads? Only https, a public name, nothing behind the path: no token. */
bool stream_avatar_safe(const char *url);
struct spot *stream_spot(struct stream *s, const char *id); /* NULL: no such conversation */
struct spot *stream_spot_num(struct stream *s, int64_t num); /* by the spool's number; it must be there */
/* The conversation a message was written in, which its key in the ledger says; `at` is a guess. */
static inline struct spot *stream_home(struct stream *s, struct spot *at, const struct spool_meta *m)
{
	return m->conv == at->num ? at : stream_spot_num(s, m->conv);
}
/* The conversation in whose chat it sits. */
static inline struct spot *stream_seat(struct stream *s, struct spot *at, const struct spool_meta *m)
{
	return m->host == at->num ? at : stream_spot_num(s, m->host);
}
/* The conversation by whose id the lane of the thread is called that a reply sits in. */
static inline struct spot *stream_thread_spot(struct stream *s, struct spot *at, const struct spool_meta *m)
{
	return m->root && m->root[0] == '@' ? stream_seat(s, at, m) : stream_home(s, at, m);
}
/* The name of the lane it belongs to today. */
const char *stream_lane_name(struct stream *s, struct spot *at, const struct spool_meta *m, struct arena *a);
/* The conversation in the name of a thread's lane, and its first message; NULL: the spool has it not, or it is no thread's. */
struct spot *stream_lane_spot(struct stream *s, const char *name, const char **root);
/* A chat that rules make and into which nothing is to go (it is not made then). */
bool stream_idle(struct stream *s, struct spot *sp);
/* The chat in which a message that was sent stands. row: its post. */
const char *stream_stands_in(struct stream *s, struct spot *home, const struct ledger_row *row, struct arena *a);
int64_t stream_lconv(struct stream *s, struct spot *sp);
static inline int64_t stream_mconv(struct stream *s, struct spot *at, const struct spool_meta *m)
{
	return stream_lconv(s, stream_home(s, at, m));
}
const char *stream_spot_target(struct stream *s, struct spot *sp);
bool stream_shares(struct stream *s, struct spot *sp); /* does anything of other conversations go into its chat, in the order of time? */
struct spot *stream_host(struct stream *s, struct spot *sp); /* the conversation into whose chat this one is merged, or NULL */

/* The ledger's row, or one that says OP_ABSENT (also for what was taken back). Has the op still to be done? */
bool stream_row(struct stream *s, const struct opkey *k, struct arena *a, struct ledger_row *row);
bool stream_todo(enum op_state state);

/* What becomes of a message by rules alone. */
enum fate { FATE_SEND, FATE_PLACEHOLDER /* left out, but its thread needs a first message */, FATE_SKIP };
/* *rule: why it is not sent as it is, or NULL. */
enum fate stream_fate(struct stream *s, struct spot *sp, const struct spool_meta *meta, const char **rule);

/* Which of the mapping's `rules` would take a message, were there nothing else: bit i for rule i. For counting. */
uint64_t stream_rule_hits(struct stream *s, struct spot *sp, const struct spool_meta *meta);
/* What rules tag it with, as a line of words; or NULL. sp: its home. */
const char *stream_tags(struct stream *s, struct spot *sp, const struct spool_meta *meta, const struct msg *msg, struct arena *a);

/* Which of them (by number) sends it to another place, by itself and not because it goes along with another message? */
bool stream_route_of(struct stream *s, struct spot *sp, const struct spool_meta *meta, size_t *rule);
/* Who wrote it, as messages show it; lives as long as m and the stream. */
const char *stream_author_name(struct stream *s, const struct msg *m);
/* "2024-03-12 14:05" of the mapping's zone, in its language. */
const char *stream_when(const struct stream *s, int64_t ts_us, struct arena *a);

/* What the ledger has of one message, summed up from its rows. */
struct standing {
	int parts;               /* posts DONE */
	int uploads;             /* uploads DONE */
	bool complete;           /* the last part is DONE: one without LOSS_SPLIT, or what came behind it is no longer needed (OP_DELETE with LOSS_SPLIT) */
	bool rejected, open;
	int64_t lane, open_lane; /* of its posts; of the one that is open */
	int64_t last_run, last_sent_us; /* of the newest post */
	uint64_t src_fp;         /* of part 0 */
	uint32_t loss;           /* of what stands there now: of the newest edit, else of the posts */
	int64_t edit_sent_us;    /* when the newest edit was made */
	bool stale, post_stale;  /* written under another mapping: what stands there; one of the posts, whatever became of it since */
	bool edit_refused;       /* of any part */
	bool edit;               /* part 0 was edited (or the edit was refused) ... */
	uint64_t edit_src_fp;
	enum op_state thread;    /* OP_THREAD_OPEN */
	int reacts[OP_GONE + 1]; /* reactions by state */
};
void standing_add(struct standing *st, const struct ledger_row *row);
void standing_get(struct stream *s, int64_t lconv, int64_t ts_us, const char *id, struct standing *out);
/* Nothing more to do for it, as far as the ledger and the rules tell without looking at the text. */
bool standing_settled(struct stream *s, struct spot *sp, const struct standing *st, const struct spool_meta *m);

/* A message put into the target's words. */
struct letter {
	const char *label, *avatar;   /* avatar: goes with a label only; or NULL */
	const char *const *parts; size_t n_parts;
	uint32_t loss;
	struct op_file *files; size_t n_files; /* ride on the last part ... */
	int *file_no;            /* ... and which files of the message they are */
	int upload;              /* index of the first file that must be uploaded before, or -1; parts are then not rendered ... */
	int n_uploads;           /* ... unless asked for; number of those */
	int n_named;             /* files only named in the text */
	const char *const *links; int n_links; /* different links to other messages that have an address: these; up to LINKS_TOLD_APART */
	struct mapping_hits hits;/* replacements that changed the message */
	bool ahead, stays;       /* asked for by letter_args.ahead: a link leads to what is still to be sent; one will never lead there */
};
enum { LINKS_TOLD_APART = 60 };
/* Which links count as ahead: of a message that is in the target all that have no address yet; of one that is not, those that may
 * still have none when it is posted. */
enum ahead { AHEAD_NO, AHEAD_OF_SENT, AHEAD_OF_UNSENT };
enum letter_want { LETTER_NEXT /* stop at the first missing upload */, LETTER_ALL /* as if they were done: for counting */, LETTER_FILES /* nothing but these */ };
/* posted: a part of it is in the target already; files that were not uploaded before are then only named. */
struct letter_args {
	struct spot *sp; const struct spool_meta *meta; const struct msg *msg;
	enum fate fate; const char *rule; bool posted, no_links; enum letter_want want;
	uint64_t links_off;      /* bit i: the i-th link (letter.links) is left as it was */
	enum ahead ahead;
	int parts_max;           /* the text may take so many parts, 0 = as many as it needs; what is too much is replaced by a note (LOSS_CUT) */
};
/* The first `at` units of a text (bytes of words; any other span is one more); *left: characters that are left out. */
size_t stream_text_size(const struct text *t);
struct text stream_text_head(const struct text *t, size_t at, struct arena *a, size_t *left);
void stream_letter(struct stream *s, const struct letter_args *x, struct arena *a, struct letter *out);
void stream_post(struct stream *s, const struct letter *l, size_t part, struct op *op); /* label, body, files of a POST or EDIT */

/* In how many parts may a message be told that stands in the target already? As many as it needs (0) where nothing stands behind it in its
 * lane, so that they can follow; else in those that are there. */
int stream_parts_max(struct stream *s, struct spot *sp, const struct spool_meta *m, const struct standing *st);
/* Is there a reason to write a part again, but for its words? */
bool stream_change_due(const struct stream *s, const struct spool_meta *m, enum fate fate, const struct ledger_row *post, const struct ledger_row *edit);
/* Is a part that the text no longer needs to be deleted, of so many that are there? Where it cannot be, it is edited to a note. */
bool stream_part_goes(struct stream *s, const struct opkey *of, int part, int sent, struct arena *a);
/* Must a part that would say `now` be edited? fate: of its message. Words that differ by the mapping alone are a matter of WISH_EDIT_DRIFT. */
bool stream_edit_due(const struct stream *s, const struct spool_meta *m, enum fate fate, const struct ledger_row *post, const struct ledger_row *edit,
                     uint64_t now);
/* Was the chat archived by us, and may it be opened again for what is still to be written? *row: the archiving. */
bool stream_shut(struct stream *s, struct spot *sp, struct arena *a, struct ledger_row *row);

void removal_begin(struct removal *r, const struct stream *s, struct arena *a);
void removal_row(struct removal *r, const struct ledger_row *row); /* of no message of the spool */
void removal_msg(struct removal *r, const struct spool_meta *m);
size_t removal_end(struct removal *r);                             /* how many there are: r->v[0] … */
/* The next part to be deleted of the i-th of them: its row and its place; *i moves on. */
bool stream_next_removed(struct stream *s, struct spot *sp, int *i, struct arena *a, struct ledger_row *post);
/* A deletion of ours is recorded: what it took back (part 0, or the same part of a post) is GONE. Within the same transaction. */
void stream_taken_back(struct stream *s, const struct opkey *del, enum op_kind what);

/* stream_again.c: messages in the target whose links may lead to their targets by now. */
struct relink { struct letter letter; const char *target; enum op_state state; uint64_t fp; int part; };
bool stream_links_may_change(const struct stream *s, const struct standing *st);
/* The first part from `from` on that would say something else today, and nothing else than where links lead; -1: none. */
int stream_relink(struct stream *s, struct spot *sp, const struct spool_meta *m, const struct msg *msg, const struct standing *st, int from,
                  struct arena *a, struct relink *out);
/* The forms in which a text may have been written, depending on which of its links led anywhere: call with *n = 0, 1, … and use *off as
 * links_off until it is false. The first is that of today. */
struct link_forms { int by_age[LINKS_TOLD_APART]; int n_links; };
void stream_link_forms(struct stream *s, const struct letter *today, struct arena *a, struct link_forms *out);
bool stream_link_form(const struct link_forms *f, int n, uint64_t *off);
/* Did part `part` of the letter say `then` when fewer of its links led anywhere? */
bool stream_only_links(struct stream *s, const struct letter_args *x, const struct letter *l, int part, uint64_t then);
/* Is there such a message, to be edited now or when what its links lead to has been sent? */
bool stream_links_wait(struct stream *s, struct spot *sp);
/* The next of them to be edited, from the message (ts_us, from) on (NULL: from the first); what *out and *m point to is in a. */
bool stream_next_link(struct stream *s, struct spot *sp, int64_t ts_us, const char *from, struct arena *a, struct spool_meta *m, struct relink *out);

/* Reaction i goes to the target: it has a character, is the first of its kind, and within what the target takes. */
bool stream_reaction_counts(const struct stream *s, const struct msg *m, size_t i);
/* Is the chat still to be archived? *state: what the ledger says. */
bool stream_archives(struct stream *s, struct spot *sp, struct arena *a, enum op_state *state);

/* stream_join.c: how people come into a chat, in this order: portions of them, then one op for each role and each tag. id: in the ledger:
 * "members:HASH of who", "admin:ACCOUNT", "editor:ACCOUNT", "tag:NAME". */
enum join_what { JOIN_PORTION, JOIN_ROLE, JOIN_TAG };
struct join { const char *id; enum join_what what; const char *role; const char *const *who; size_t n; /* accounts; of a tag: its name */ };
struct joins { struct join *v; size_t n, n_portions; const char *const *people; size_t n_people; };
enum join_when { JOIN_NOW, JOIN_EXPECTED /* as if the accounts of this plan were made */ };
void stream_joins(struct stream *s, const struct spot *sp, enum join_when when, struct arena *a, struct joins *out);
/* How many of them are still to be done; *people: who joins in all. */
int64_t stream_joins_todo(struct stream *s, struct spot *sp, struct arena *a, int64_t *people);
bool stream_uploadable(const struct stream *s, const struct file *f);

#endif
