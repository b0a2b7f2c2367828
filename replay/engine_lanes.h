/* engine_lanes.h: the engine's own view: its lanes (waiting, hot, parked) and what its parts share. Private to engine*.c. */
#ifndef MVCHAT_ENGINE_LANES_H
#define MVCHAT_ENGINE_LANES_H

#include "replay/engine.h"
#include "replay/lane.h"

enum {
	HOT_MAX = 1024,      /* lanes with an op in memory */
	HOT_CHATS_MAX = 896,/* ... of which chats: what is left lets the threads they announce drain */
	HOT_CHUNK = 2048,   /* of a hot lane's memory: an ordinary message and its request take one */
	FLIGHT_MAX = 64,    /* requests to the target out at once */
	BLOBS_FIRST = 64,   /* files on their way to the storage at once: at first, more while they arrive quickly and that is what holds them up */
	BLOBS_MIN = 8, BLOBS_MAX = 256, /* with FLIGHT_MAX wire's number of connections, where the process may open so many */
	HOT_PEOPLE_MAX = 128,/* ... of which people, while chats are at work beside them */
	HURRY = 1 << 30,    /* added to a weight; no chat has as many messages */
	UPLOADS_BESIDE = 128,/* uploads ahead of their messages beside those on their way to the storage: asking for a place, or with one */
	UPLOADS_MAX = BLOBS_MAX + UPLOADS_BESIDE,
	AHEAD_FILES = 64,   /* ... of one lane, those that are done and wait for their message among them */
	THREADS_WAITING_MAX = 20000, /* more than that and chats announce no further ones for a while */
};

/* What a lane needs only while it is at work. */
struct hot {
	struct arena arena;          /* its current op, request and reading back; reset with each op */
	struct stream_op op;
	struct http_req req;
	bool built;                  /* req is that of the current step */
	int same, by;                /* which bot CARRY_SAME means for this op; with whose token an upload's place was asked for; -1 not known yet */
	int64_t refused_since;       /* mono: first of the refusals in a row of this op; -1 none */
	struct lane_look look;       /* reading back, see engine_look.c */
	bool looking, time_told;     /* time_told: does the target tell its time? */
	const char *cursor, *anchor;
	int64_t sent_us, blob_us;    /* blob_us: when the file left for the storage */
	uint64_t sent_fp;            /* the ledger's fingerprint of what was sent; 0 none */
	char *found, *found2;        /* in arena */
	size_t rows, members;
};

/* The lanes of one chat: its own conversation's and those of the conversations that are merged into it. They take turns, the oldest
 * message first, so that the chat is in the order of time and at most one of its posts is open; and nobody joins before all are in. */
struct company_lanes {
	char *host;              /* the conversation whose chat it is; owned */
	struct runner **v; size_t n, cap; /* those that live */
	bool finish;             /* all messages are in: members and the rest may follow */
	bool stopped;            /* one of them needs a person: the others halt rather than overtake it */
	struct company_lanes *next;
};

/* What of a lane's files is uploaded, or being so, ahead of its messages; engine_ahead.c. */
struct ahead {
	struct stream_pos pos;       /* how far it has looked */
	struct { int64_t ts_us, bytes; char *id; } *file; size_t n, cap; /* in the order of their messages; at most AHEAD_FILES */
	int64_t bytes;
	size_t look;                 /* messages it may look at */
	uint32_t busy;               /* of the files: those under way */
	bool over, fresh, full;      /* no more files · there may be one right behind · the next is too large until others have gone */
};

struct runner {
	struct runner *chain;        /* same hash bucket */
	struct runner *parent;       /* a thread's chat */
	struct company_lanes *company; /* NULL: alone in its chat */
	bool through;                /* of a company: it has no more messages, nor have its threads */
	bool unhoused;               /* of a company: parked until the chat is made */
	struct hot *hot;             /* NULL while waiting or parked */
	struct ahead *ahead;         /* or NULL */
	struct runner *owner;        /* of an upload ahead: whose; NULL once that rests */
	bool uploads;                /* it is one upload ahead, no lane */
	bool recalled;               /* what earlier runs have sent here lately has been asked for */
	bool awaits;                 /* in LANE_NEXT: until one of its uploads ahead is over */
	char *name;                  /* owned; id and root lie behind it */
	const char *id, *root;
	struct stream_pos pos;
	int64_t root_ts_us, weight /* plus HURRY: goes before all that have none */, num /* the ledger's; -1 not asked yet */, not_before /* mono us */;
	uint32_t threads_open;
	uint16_t bots;               /* a chat's: who may write in it, as a mask; 0 = not asked yet */
	uint8_t kind;                /* enum lane_kind */
	bool later;                  /* parked until nothing else is left (STREAM_LATER) */
	struct lane lane;
};

struct heap { struct runner **v; size_t n, cap; }; /* heaviest on top */
struct lanes {
	struct runner **buckets;
	size_t n_buckets, n;         /* n: all that live */
	struct heap people, chats, threads;
	struct company_lanes *companies;
};

void lanes_init(struct lanes *l);
void lanes_release(struct lanes *l);
/* NULL when a lane of this name lives already. */
struct runner *lanes_add(struct lanes *l, const struct lane_spec *spec, struct runner *parent);
struct runner *lanes_find(struct lanes *l, const char *name); /* or NULL */
/* Puts a lane into the company of a host's chat; asked for the merged lanes, and for all chats once one is (a host has no word of it). */
void lanes_join(struct lanes *l, struct runner *r, const char *host);
void lanes_leave(struct runner *r);
/* Must this post wait for another lane of its chat? */
bool lanes_must_wait(const struct runner *r);
void lanes_drop(struct lanes *l, struct runner *r); /* frees it; it must not be in a heap */
void lanes_wait(struct lanes *l, struct runner *r); /* puts it into its heap */
struct runner *heap_top(const struct heap *h);
struct runner *heap_pop(struct heap *h);

/* A part of the world that cannot be reached now: while shut nothing goes there, then one request tries. */
struct gate { int64_t open_at, since; int fails; bool probing; };
enum { GATE_API, GATE_STORAGE, N_GATE };

enum wrote { WROTE_INTENT = 1, WROTE_DONE = 2, WROTE_UNKNOWN = 4, WROTE_REJECT = 8, WROTE_FORGET = 16 };

struct engine {
	const struct engine_args *a;
	struct session *s;
	struct ledger *l;
	struct engine_result *res;
	struct lane_limits limits;
	struct lanes lanes;
	struct runner *active[HOT_MAX + UPLOADS_MAX]; size_t n_active, n_active_chats, n_active_people, n_uploads, n_parked, n_later /* of those parked */;
	struct hot *spare[HOT_MAX + UPLOADS_MAX]; size_t n_spare;
	struct runner *batch[FLIGHT_MAX + BLOBS_MAX]; size_t n_batch;
	struct gate gate[N_GATE];
	struct arena scratch;        /* one answer */
	size_t people_left, flying, flight_max /* of what goes to the target */;
	/* Granted or flying, to the storage: how many, how many may be now and ever, whether one was held up by that in this tick, when
	 * their number was last reduced (mono) · bytes, and how many may be. */
	struct { size_t n, may, most; bool held; int64_t fewer_us, bytes, window; } blobs;
	bool files;                  /* there are some to be uploaded */
	uint32_t wrote;              /* enum wrote: what the open transaction holds */
	bool halting, broken /* err is set: end with false */;
	struct err err;
	int64_t began_us, settle_us, max_wait_us, ends_us /* mono; NEVER */, closed_us /* mono: quiet until then */, intents, requests0, writes0, throttled0, told_us;
};

void engine_event(struct engine *x, const char *ev, const struct runner *r, const char *fmt, ...) PRINTF_LIKE(4, 5);
void engine_halt(struct engine *x, const char *why); /* begin nothing new; the run ends resumably */
void engine_break(struct engine *x, const struct err *e); /* the same, but the run ends with an error */
/* Carries an event into the lane and the action out into the ledger. */
struct said { const char *id, *id2, *why; };
void engine_step(struct engine *x, struct runner *r, enum lane_event ev, const struct said *said);
const char *engine_op_words(const struct op *op, char out[160]);
int64_t engine_gate_fail(struct engine *x, struct gate *g, int64_t now); /* the moment to try again */
int64_t engine_gate_ask(struct gate *g, int64_t now);     /* 0: may go (and, after a failure, tries for all); else when to ask again */
struct gate *engine_gate(struct engine *x, const struct http_req *req);

uint32_t engine_bots(struct engine *x, struct runner *r); /* who may write where this lane writes */

/* engine_active.c: lanes come and go */
bool engine_lane_told(void *ctx, const struct lane_spec *spec);   /* ctx: the engine; stream_lanes' each */
void engine_thread_told(void *ctx, const struct lane_spec *spec); /* ctx: the engine and the chat's runner; stream_next's on_thread */
void engine_house(struct engine *x);                    /* when all lanes are told: chats join those that are merged into them */
void engine_activate(struct engine *x);                 /* gives waiting lanes the memory to work, as far as there is any */
void engine_housed(struct engine *x, struct runner *host); /* the chat of a company is made, or never will be */
void engine_retire_all(struct engine *x);               /* takes the lanes that have come to rest out of the active ones */
void engine_wake_later(struct engine *x);               /* nothing else is left: who waited for just that goes on */

/* engine_ahead.c */
void engine_ahead_init(struct engine *x);
int engine_same_bot(struct engine *x, struct runner *r);            /* whose token the current request goes with, where it matters */
const char *engine_bot_name(const struct engine *x, int bot);       /* as struct op_file has it; NULL: unknown */
void engine_ahead(struct engine *x);                                /* begins what may be begun */
bool engine_ahead_has(const struct engine *x, const struct runner *r, const struct opkey *k); /* is this upload under way beside the lane? */
void engine_ahead_moved(struct runner *r, const struct opkey *k);   /* the lane has passed an op */
void engine_ahead_over(struct engine *x, struct runner *u);         /* an upload is over, one way or the other; frees it */
void engine_ahead_leave(struct engine *x, struct runner *r);        /* the lane rests */
void engine_ahead_free(struct runner *r);
/* What goes to the storage, so that it neither keeps messages from going nor chokes a thin line. */
bool engine_full(struct engine *x, const struct runner *r); /* may its next request not go for what is out already? */
void engine_blob_out(struct engine *x, struct runner *r);
void engine_blob_back(struct engine *x, const struct runner *r, enum wire_class cls);
void engine_blob_refused(struct engine *x, const struct runner *r); /* the storage asks for fewer at once */

/* engine_answer.c */
void engine_answer(struct engine *x, const struct wire_done *d);
void engine_throttled(struct engine *x, struct runner *r, int retry_after_s, int64_t now); /* not applied; later */
void engine_refused(struct engine *x, struct runner *r, const char *why);                  /* not applied; no more of anything (401, 402) */

/* engine_look.c */
bool engine_look_build(struct engine *x, struct runner *r, struct err *e); /* the request of the next page into hot->req */
void engine_look_blind(struct engine *x, struct runner *r, const char *why); /* the list cannot be read: later, from its start */
void engine_look_answer(struct engine *x, struct runner *r, const struct wire_done *d);

#endif
