/* plan.h: what apply would do, and where everything stands: one pass over stream's decisions without rendering what the
 * ledger already holds. facts are the numbers of every report; the buckets add up to what was read, or it is a bug. */
#ifndef MVCHAT_PLAN_H
#define MVCHAT_PLAN_H

#include "replay/session.h"
#include "replay/stream.h"

enum item { ITEM_USER, ITEM_CONV, ITEM_MSG, ITEM_THREAD, ITEM_FILE, ITEM_REACTION, ITEM_PIN, N_ITEM };
enum bucket { BUCKET_SENT, BUCKET_MERGED, BUCKET_TEXT, BUCKET_SKIPPED, BUCKET_REJECTED, BUCKET_DOUBT, BUCKET_PENDING, N_BUCKET };
const char *item_name(enum item i);     /* "messages" … */
const char *bucket_name(enum bucket b); /* "sent" … */

struct facts_rule { enum item item; const char *rule; int64_t n; };       /* why skipped, rejected */
/* What a rule of the mapping catches, for whoever checks it. Examples only when they were asked for: a few messages chosen by chance,
 * the same ones every time. What they show has passed all replacements. */
struct facts_example {
	const char *conv, *name, *id;               /* conversation of the source, its name, the message's id there */
	const char *author, *when;                  /* as labels show them */
	const char *before, *match, *after;         /* one line; match "" where there is none to show */
	bool withheld;                              /* it could not be decided what must not be shown: nothing is */
	int64_t ts_us; uint64_t order;
};
enum caught { CAUGHT_LEFT_OUT, CAUGHT_MOVED, CAUGHT_CHANGED, CAUGHT_TAGGED };
const char *caught_name(enum caught c);         /* "left-out", "moved", "changed", "tagged" */
struct facts_caught { const char *rule; enum caught how; int64_t n; struct facts_example *examples; size_t n_examples; };
struct facts_chat {                                                       /* one conversation of the source */
	const char *id, *name, *target_name, *target_id; enum conv_kind kind; bool is_public, archived;
	enum { CHAT_CREATE, CHAT_EXISTS, CHAT_ADOPT, CHAT_SKIP, CHAT_REJECTED } action; const char *why;
	int64_t read, sent, pending, skipped, rejected, doubt, edits, threads, files, members;
	int64_t links, links_ahead;               /* sent or to be sent, and to be edited so that links lead to their messages: at most;
	                                           * of those: when what they lead to has been sent */
	int64_t removed, deletes;                 /* sent, and deleted in the source since; of those: to be deleted, as was asked for */
	bool reopens;                             /* archived by an earlier run: opened for what is new */
	double bound_s;                           /* least time until its people join: without links */
};
struct facts_person { const char *id, *name, *email, *target_id, *why; enum person_action action; enum op_state state; int64_t messages; bool unresolved; };
struct facts {
	int64_t read[N_ITEM], bucket[N_ITEM][N_BUCKET];
	bool adds_up; const char *mismatch;         /* which item does not */
	struct facts_rule *rules; size_t n_rules;
	struct facts_caught *caught; size_t n_caught; /* rules and replacements of the mapping in its order; with examples, kinds and policies, too */
	int64_t loss[N_LOSS];                       /* messages concerned, per loss bit */
	int64_t edits;                              /* sent messages whose source changed */
	int64_t links;                              /* messages to be edited so that their links lead to the target: at most */
	int64_t links_later;                       /* requests for those that only lead somewhere when more is sent: at most so many, one for each part */
	int64_t removed, deletes, removed_stay;     /* as in facts_chat; kept although asked for: answered in a thread, or refused */
	int64_t avatars;                            /* messages to send with the picture of their author's account */
	int64_t heard;                              /* messages to send into chats whose people have joined before */
	int64_t drift_edits;                        /* those of them that are to be edited, as was asked for: not in drift */
	int64_t refused;                            /* sent messages that changed since, and the target refused the edit */
	int64_t drift;                              /* sent messages that today's mapping would write differently */
	struct facts_chat *chats; size_t n_chats;
	struct facts_person *people; size_t n_people;
	const char **unresolved; size_t n_unresolved;  /* sentences */
	const char *breach;                         /* what the mapping must not do and would; or NULL: nothing may be written then */
	const char **privacy; size_t n_privacy;        /* who could see what they could not before; who gains an account */
	const char **notes; size_t n_notes;            /* rules that catch nothing; what a pilot leaves for later */
	int64_t calls[N_REQ_CLASS], calls_total;       /* requests apply would make */
	int64_t upload_bytes;                          /* of the files that are to be uploaded */
	double bound_s;                                /* least time the target's limits allow, however long storage and line take ... */
	double people_s;                               /* ... until the last chat has its people: without links put right after that */
	bool nothing_to_do;
	uint8_t digest[DIGEST_BYTES];                  /* of the plan: archives, mapping, ledger state, ops */
	struct spool_counts spool;
};
/* snap may be NULL (offline). Everything in a. */
bool plan_run(struct spool *sp, const struct mapping *m, const struct exporter *ex, const struct target *t, const struct traits *tr,
              struct ledger *l, const struct snapshot *snap, struct arena *a, struct facts *out, struct err *e);
/* The same with what was asked for besides (enum stream_wish), and with so many examples of each rule, at most PLAN_EXAMPLES_MAX. */
enum { PLAN_EXAMPLES_MAX = 50 };
bool plan_wished(struct spool *sp, const struct mapping *m, const struct exporter *ex, const struct target *t, const struct traits *tr,
                 struct ledger *l, const struct snapshot *snap, uint32_t wish, size_t examples, struct arena *a, struct facts *out, struct err *e);

#endif
