/* plan_in.h: what the parts of the plan share: plan.c (people, the whole), plan_msg.c (messages), plan_chat.c (chats, pins),
 * plan_caught.c (what rules catch), plan_count.c (sums, sentences, requests). For nobody else. */
#ifndef MVCHAT_PLAN_IN_H
#define MVCHAT_PLAN_IN_H

#include "replay/plan.h"

#include "core/buf.h"
#include "core/table.h"
#include "replay/spool_seat.h"
#include "replay/stream_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct sentences { const char **v; size_t n, cap, left_out; };

/* Of one lane: messages to send so far in the order of time, none of them followed by one that is there already. */
struct line_up { int64_t waiting; };

/* A thread that still has replies to send: how many, and how many posts of the channel come before it can open. */
struct rest { int64_t posts, before; bool posted; };

struct plan {
	struct stream *s;
	struct facts *f;
	const struct snapshot *snap;
	struct arena *a;               /* results */
	struct arena one, conv, lists; /* reset for each message; for each conversation; after each record of a list */
	struct digest digest;
	struct table rules;            /* "item rule" -> int64_t */
	struct sentences unresolved, privacy, notes;
	size_t examples;               /* of each rule */
	struct table samples;          /* rule -> struct facts_caught with the examples found so far */
	int64_t changed[MAPPING_REPLACEMENTS_MAX]; /* messages to be sent that replacement i changes */
	int64_t n_late, n_late_chats;  /* messages that will stand after later ones; chats with such */
	int64_t n_made, n_shut, n_guests; /* accounts to be created: all; of them without access; guests */
	int64_t would[MAPPING_RULES_MAX]; /* messages left out for whatever reason that rule i would take too */
	size_t chats_cap, people_cap;
	size_t n_named;                /* the mapping's `rules` */
	int64_t ops, people_calls, uploads;
	int64_t ahead_other;           /* chats opened and archived again for these alone */
	int64_t ahead;                 /* edits at most, if what links lead to is sent */
	struct err *e;
	bool ok;
	/* the conversation being walked */
	struct spot *sp;
	struct facts_chat *chat;
	struct table closed;           /* roots whose replies cannot be sent -> rule */
	struct table line_ups;         /* root, "" for the channel -> struct line_up */
	int64_t late;                  /* messages to send that are older than ones there */
	struct table rests;            /* roots with replies to send -> struct rest */
	int64_t posts;                 /* of the chat's own lane */
	bool posted;                   /* ... a message among them that was not there: it will stand behind all that are */
	int64_t goes_on;               /* messages that go on in new ones */
	struct removal removal;
	bool people_in;                /* some have joined already */
	enum op_state made;            /* CHAT_CREATE */
	int64_t elsewhere;             /* messages sent that would go to another place today */
	int64_t stays;                 /* messages sent that would be left out today */
	struct table opened;           /* roots whose thread goes on although a thread without its first message would not be begun today */
	int64_t orphans;               /* replies in such threads, sent or to be sent */
	struct { int64_t num; char name[512]; } lane; /* of the ledger, asked for last */
};

/* ---- plan_count.c ---- */
void plan_say(struct plan *p, struct sentences *s, const char *text);
/* The list is complete: what did not fit is told in its last line. */
void plan_say_end(struct plan *p, struct sentences *s, const char ***v, size_t *n);
const char *plan_reason(struct arena *a, const char *why);
void plan_count(struct plan *p, enum item item, enum bucket b, const char *rule, int64_t n);
void plan_count_loss(struct plan *p, uint32_t loss);
void plan_digest_num(struct plan *p, int64_t v);
void plan_digest_str(struct plan *p, const char *s);
void plan_call(struct plan *p, enum op_kind kind, int64_t ts_us, const char *id, int part, uint64_t body_fp);
/* target, why: or NULL; live until p->one is reset. */
enum op_state plan_state(struct plan *p, int64_t conv, int64_t ts, const char *id, enum op_kind kind, const char **target, const char **why);

static inline bool plan_is_open(enum op_state s)
{
	return s == OP_INTENT || s == OP_UNKNOWN;
}

static inline const char *plan_copy(struct plan *p, const char *s)
{
	return arena_strdup(p->a, s);
}

/* ---- plan_caught.c ---- */
/* An example of a message that the rule so called catches; it may not be kept. w: where the walk stands. */
void plan_example(struct plan *p, const char *rule, enum sample_of what, size_t i, struct spool_walk *w, const struct spool_meta *m);
void plan_example_left_out(struct plan *p, const char *rule, struct spool_walk *w, const struct spool_meta *m);
void plan_example_moved(struct plan *p, struct spool_walk *w, const struct spool_meta *m);
void plan_changed(struct plan *p, const struct letter *l, struct spool_walk *w, const struct spool_meta *m);
int64_t plan_left_out(const struct plan *p, const char *rule); /* messages */
void plan_finish_caught(struct plan *p);

/* ---- plan_msg.c ---- */
/* Every message of the conversation p->sp. */
bool plan_messages(struct plan *p);
enum bucket plan_judge(struct plan *p, const struct spool_meta *m, const struct standing *st, enum fate *fate, const char **rule, bool *send);

/* ---- plan_chat.c ---- */
void plan_judge_chat(struct plan *p, const struct conv *c);
void plan_pins(struct plan *p, const struct conv *c);

#endif
