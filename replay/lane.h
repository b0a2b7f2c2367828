/* lane.h: the state machine of one lane: pure, small, and the only place that decides what may follow what.
 *
 * An event goes in, at most one action comes out; the state says what the lane waits for next. It holds no pointer and does
 * no I/O, so tests/unit/test_lane_model.c drives this very code through every order of events that the world can produce.
 * The engine (engine.c) carries the actions out; why they suffice is in docs/replay.md.
 *
 * The rules in one place: a request goes out only after its intent is durable; at most one op is open; an open op whose
 * outcome is unknown is settled (wait, then look, or repeat where repeating is harmless) and never retried blindly; what
 * cannot be known stops this lane alone.
 */
#ifndef MVCHAT_LANE_H
#define MVCHAT_LANE_H

#include "exporters/exporter.h"

enum lane_state {
	LANE_NEXT,     /* no open op: ask the stream */
	LANE_READY,    /* knows its next request: waits for the pacer */
	LANE_WRITING,  /* intent written, not yet durable */
	LANE_FLYING,   /* a request is out */
	LANE_SETTLING, /* an op is open and its outcome unknown: waits until nothing can change any more */
	LANE_LOOK,     /* ... waits for the pacer, to read back */
	LANE_LOOKING,  /* ... reads back */
	LANE_PARKED,   /* nothing until its threads have ended */
	LANE_ENDED,
	LANE_STOPPED,  /* a person has to look */
	LANE_HALTED,   /* asked to stop; goes on in the next run */
};

enum lane_event {
	LANE_EV_OP,        /* stream: an op the ledger does not have */
	LANE_EV_OPEN,      /* stream: the op found open in the ledger (an earlier process died or was stopped) */
	LANE_EV_WAIT,      /* stream: nothing now */
	LANE_EV_END,       /* stream: nothing more */
	LANE_EV_WAKE,      /* parked: ask again */
	LANE_EV_UNFIT,     /* ready: the exporter cannot make a request of this op */
	LANE_EV_GRANTED,   /* ready, look: the pacer gave a slot */
	LANE_EV_COMMITTED, /* writing: the intent is on disk */
	LANE_EV_DONE,      /* flying: the target's id is in hand */
	LANE_EV_MORE,      /* flying: this step succeeded, another follows · looking: the list has another page */
	LANE_EV_REJECTED,  /* flying: refused for good, or a file of ours could not be read: nothing visible was written */
	LANE_EV_AGAIN,     /* flying: certainly not applied (throttled, or never left this machine) · looking: the same */
	LANE_EV_UNKNOWN,   /* flying: may have been applied */
	LANE_EV_CLOSED,    /* flying: not applied, and this chat is closed to us */
	LANE_EV_SETTLED,   /* settling: the settle time is over */
	LANE_EV_FOUND, LANE_EV_ABSENT, LANE_EV_STRANGE, LANE_EV_BLIND, /* looking: what was seen; BLIND: the list cannot be read now */
	LANE_EV_HALT,      /* any state but writing, flying and looking: begin nothing new */
};

enum lane_action {
	LANE_DO_NOTHING,
	LANE_DO_INTENT,   /* write the intent; EV_COMMITTED when it is durable */
	LANE_DO_SEND,     /* send the request of the current step */
	LANE_DO_DONE,     /* write done with the id of the answer or of the row found */
	LANE_DO_REJECT,   /* write rejected */
	LANE_DO_REFUSE,   /* write intent and rejected at once: no request was made */
	LANE_DO_UNKNOWN,  /* write unknown */
	LANE_DO_FORGET,   /* take the intent back: it was certainly not applied */
	LANE_DO_LOOK,     /* read the next page of the list */
};

/* What the ledger holds of the lane's current op. */
enum lane_row { LANE_ROW_NONE, LANE_ROW_INTENT, LANE_ROW_UNKNOWN };

struct lane {
	uint8_t state;    /* enum lane_state */
	uint8_t row;      /* enum lane_row */
	uint8_t settle;   /* enum settle of the current op */
	uint8_t mid;      /* a step after the first: the intent stands already */
	uint8_t resends;  /* of the current op, after proof of absence, in this process */
	uint8_t blind;    /* looks that failed in a row */
	uint8_t why;      /* enum lane_why, when STOPPED */
};
enum lane_why { LANE_WHY_NONE, LANE_WHY_CLOSED, LANE_WHY_STRANGE, LANE_WHY_TRIES, LANE_WHY_BLIND, LANE_WHY_UNKNOWABLE };

struct lane_limits { int max_resends, max_blind; };

void lane_init(struct lane *l);
/* settle: read with EV_OP and EV_OPEN only. An event that cannot happen in this state is a bug and dies. */
enum lane_action lane_step(struct lane *l, enum lane_event ev, enum settle settle, const struct lane_limits *max);
const char *lane_state_name(enum lane_state s);

/* ---- reading back: rows newest first, one verdict ---- */

/* What a row of the list is to the op in question, after everything that decides has been asked. */
struct lane_row_seen {
	bool after_anchor;   /* newer than the lane's newest finished post, or there is none */
	bool owned;          /* its id belongs to a done op already */
	enum match match;    /* exporter->match */
};
struct lane_look { uint32_t same, other; bool over; };
/* Returns true when this row is, so far, the one to adopt (the oldest of equals wins: later calls replace it). */
bool lane_look_row(struct lane_look *k, const struct lane_row_seen *r);
/* FOUND, ABSENT or STRANGE. To be asked when the rows are over or `over` is set. */
enum lane_event lane_look_verdict(const struct lane_look *k);

#endif
