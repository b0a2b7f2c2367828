/* lane.c: see lane.h. Promises: pure (same state and event, same result), total (an impossible event dies, and dying is
 * safe), and that DO_SEND comes only after EV_COMMITTED of the same op. Called by engine.c and by the model test. */
#include "replay/lane.h"

#include <string.h>

static const char *const names[] = {
	[LANE_NEXT] = "next", [LANE_READY] = "ready", [LANE_WRITING] = "writing", [LANE_FLYING] = "flying",
	[LANE_SETTLING] = "settling", [LANE_LOOK] = "look", [LANE_LOOKING] = "looking", [LANE_PARKED] = "parked",
	[LANE_ENDED] = "ended", [LANE_STOPPED] = "stopped", [LANE_HALTED] = "halted",
};

const char *lane_state_name(enum lane_state s)
{
	return names[s];
}

void lane_init(struct lane *l)
{
	memset(l, 0, sizeof(*l));
	l->state = LANE_NEXT;
}

NORETURN static void impossible(const struct lane *l, enum lane_event ev)
{
	die("lane: event %d in state %s", (int)ev, names[l->state]);
}

static enum lane_action go(struct lane *l, enum lane_state to, enum lane_action action)
{
	l->state = (uint8_t)to;
	return action;
}

static enum lane_action stop(struct lane *l, enum lane_why why, enum lane_action action)
{
	l->why = (uint8_t)why;
	return go(l, LANE_STOPPED, action);
}

/* The op is finished, one way or the other: nothing of it remains. */
static enum lane_action finish(struct lane *l, enum lane_action action)
{
	lane_init(l);
	return action;
}

/* An open op whose outcome nobody knows. Its row says so from now on, so that every later reader knows as well. */
static enum lane_action doubt(struct lane *l)
{
	enum lane_action action = l->row == LANE_ROW_UNKNOWN ? LANE_DO_NOTHING : LANE_DO_UNKNOWN;
	l->row = LANE_ROW_UNKNOWN;
	l->mid = 0;
	if (l->settle == SETTLE_STOP)
		return stop(l, LANE_WHY_UNKNOWABLE, action);
	return go(l, LANE_SETTLING, action);
}

/* Proved absent, or harmless to repeat: once more from the first step, but not for ever. */
static enum lane_action resend(struct lane *l, const struct lane_limits *max)
{
	if (l->resends >= max->max_resends)
		return stop(l, LANE_WHY_TRIES, LANE_DO_NOTHING);
	l->resends++;
	l->blind = 0;
	return go(l, LANE_READY, LANE_DO_NOTHING);
}

static enum lane_action on_next(struct lane *l, enum lane_event ev, enum settle settle)
{
	if (ev == LANE_EV_OP || ev == LANE_EV_OPEN) {
		l->settle = (uint8_t)settle;
		l->row = LANE_ROW_NONE;
		if (ev == LANE_EV_OP)
			return go(l, LANE_READY, LANE_DO_NOTHING);
		l->row = LANE_ROW_INTENT;
		return doubt(l);
	}
	if (ev == LANE_EV_WAIT)
		return go(l, LANE_PARKED, LANE_DO_NOTHING);
	if (ev == LANE_EV_END)
		return go(l, LANE_ENDED, LANE_DO_NOTHING);
	if (ev == LANE_EV_HALT)
		return go(l, LANE_HALTED, LANE_DO_NOTHING);
	impossible(l, ev);
}

static enum lane_action on_ready(struct lane *l, enum lane_event ev)
{
	if (ev == LANE_EV_GRANTED) {
		if (l->mid)
			return go(l, LANE_FLYING, LANE_DO_SEND);
		l->row = LANE_ROW_INTENT;
		return go(l, LANE_WRITING, LANE_DO_INTENT);
	}
	if (ev == LANE_EV_UNFIT)
		return finish(l, l->row == LANE_ROW_NONE ? LANE_DO_REFUSE : LANE_DO_REJECT);
	if (ev == LANE_EV_HALT) {
		/* Half of an op that may be repeated at will is as good as none of it. */
		bool forget = l->mid && l->settle == SETTLE_REPEAT;
		if (forget)
			l->row = LANE_ROW_NONE;
		return go(l, LANE_HALTED, forget ? LANE_DO_FORGET : LANE_DO_NOTHING);
	}
	impossible(l, ev);
}

static enum lane_action on_flying(struct lane *l, enum lane_event ev)
{
	if (ev == LANE_EV_DONE)
		return finish(l, LANE_DO_DONE);
	if (ev == LANE_EV_REJECTED)
		return finish(l, LANE_DO_REJECT);
	if (ev == LANE_EV_UNKNOWN)
		return doubt(l);
	if (ev == LANE_EV_MORE) {
		l->mid = 1;
		return go(l, LANE_READY, LANE_DO_NOTHING);
	}
	if (ev == LANE_EV_AGAIN) {
		/* A later step not applied says nothing of the earlier ones: the intent stays and this step is repeated. */
		if (l->mid)
			return go(l, LANE_READY, LANE_DO_NOTHING);
		l->row = LANE_ROW_NONE;
		return go(l, LANE_READY, LANE_DO_FORGET);
	}
	if (ev == LANE_EV_CLOSED) {
		bool forget = !l->mid;
		l->row = forget ? LANE_ROW_NONE : LANE_ROW_UNKNOWN;
		l->mid = 0;
		return stop(l, LANE_WHY_CLOSED, forget ? LANE_DO_FORGET : LANE_DO_UNKNOWN);
	}
	impossible(l, ev);
}

static enum lane_action on_looking(struct lane *l, enum lane_event ev, const struct lane_limits *max)
{
	if (ev == LANE_EV_FOUND)
		return finish(l, LANE_DO_DONE);
	if (ev == LANE_EV_ABSENT)
		return resend(l, max);
	if (ev == LANE_EV_STRANGE)
		return stop(l, LANE_WHY_STRANGE, LANE_DO_NOTHING);
	if (ev == LANE_EV_MORE || ev == LANE_EV_AGAIN)
		return go(l, LANE_LOOK, LANE_DO_NOTHING);
	if (ev == LANE_EV_BLIND) {
		if (++l->blind >= max->max_blind)
			return stop(l, LANE_WHY_BLIND, LANE_DO_NOTHING);
		return go(l, LANE_LOOK, LANE_DO_NOTHING);
	}
	impossible(l, ev);
}

enum lane_action lane_step(struct lane *l, enum lane_event ev, enum settle settle, const struct lane_limits *max)
{
	switch ((enum lane_state)l->state) {
	case LANE_NEXT:
		return on_next(l, ev, settle);
	case LANE_READY:
		return on_ready(l, ev);
	case LANE_WRITING:
		if (ev == LANE_EV_COMMITTED)
			return go(l, LANE_FLYING, LANE_DO_SEND);
		break;
	case LANE_FLYING:
		return on_flying(l, ev);
	case LANE_SETTLING:
		if (ev == LANE_EV_SETTLED)
			return l->settle == SETTLE_REPEAT ? resend(l, max) : go(l, LANE_LOOK, LANE_DO_NOTHING);
		if (ev == LANE_EV_HALT)
			return go(l, LANE_HALTED, LANE_DO_NOTHING);
		break;
	case LANE_LOOK:
		if (ev == LANE_EV_GRANTED)
			return go(l, LANE_LOOKING, LANE_DO_LOOK);
		if (ev == LANE_EV_HALT)
			return go(l, LANE_HALTED, LANE_DO_NOTHING);
		break;
	case LANE_LOOKING:
		return on_looking(l, ev, max);
	case LANE_PARKED:
		if (ev == LANE_EV_WAKE)
			return go(l, LANE_NEXT, LANE_DO_NOTHING);
		if (ev == LANE_EV_HALT)
			return go(l, LANE_HALTED, LANE_DO_NOTHING);
		break;
	case LANE_ENDED: case LANE_STOPPED: case LANE_HALTED:
		if (ev == LANE_EV_HALT)
			return LANE_DO_NOTHING;
		break;
	}
	impossible(l, ev);
}

bool lane_look_row(struct lane_look *k, const struct lane_row_seen *r)
{
	if (k->over)
		return false;
	if (!r->after_anchor) {
		k->over = true; /* newest first: everything further down is older still */
		return false;
	}
	if (r->owned)
		return false;
	switch (r->match) {
	case MATCH_SAME:
		k->same++;
		return true;
	case MATCH_OTHER:
		k->other++;
		return false;
	case MATCH_FOREIGN:
		break;
	}
	return false;
}

/* With one open op per lane there can be one unowned message of ours after the anchor, and it is this op's. Anything else
 * of ours was not written by this protocol: what it means is not for us to guess. */
enum lane_event lane_look_verdict(const struct lane_look *k)
{
	if (k->other)
		return LANE_EV_STRANGE;
	return k->same ? LANE_EV_FOUND : LANE_EV_ABSENT;
}
