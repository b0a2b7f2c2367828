/* engine_look.c: reading back: was the op whose outcome is unknown applied?
 *
 * Promises: asks the target only (no write), page by page and not faster than the pacer allows, newest first down to the
 * lane's last finished post; the verdict itself is lane_look_verdict's. What it cannot read or understand is never "absent".
 * Called by engine.c when a lane is in LANE_LOOK and LANE_LOOKING.
 */
#include "replay/engine_lanes.h"

#include "core/clock.h"
#include "core/step.h"

#include <string.h>

enum {
	ROWS_MAX = 20000,    /* read in one look: a chat that grew by more since our last message is not searched for ever */
	EMPTY_PAGE_ROWS = 20 /* what an empty page counts for: a server whose list never ends is not asked for ever either */
};
static const int64_t DAY_US = 86400 * (int64_t)1000000, HOUR_US = 3600 * (int64_t)1000000;

static const char *scope_of(const struct op *op, enum list_kind list)
{
	switch (list) {
	case LIST_USERS: case LIST_CHATS:
		return "";
	case LIST_USERS_FIND:
		return op->email ? op->email : "";
	case LIST_REACTIONS:
		return op->target_id ? op->target_id : "";
	case LIST_TAGS_FIND:
		return op->n_tags ? op->tags[0] : "";
	case LIST_MEMBERS: case LIST_ADMINS: case LIST_EDITORS: case LIST_MESSAGES:
		break;
	}
	return op->chat ? op->chat : "";
}

static void restart(struct hot *h)
{
	h->looking = false;
	h->built = false;
	h->cursor = NULL;
}

static void begin(struct engine *x, struct runner *r)
{
	struct hot *h = r->hot;
	struct ledger_row row;
	h->look = (struct lane_look){ 0 };
	h->looking = true;
	h->rows = h->members = 0;
	h->cursor = h->anchor = NULL;
	h->found = h->found2 = NULL;
	bool known = ledger_get(x->l, &h->op.op.key, &h->arena, &row);
	int64_t now = wire_now_us(x->s->wire, &h->time_told);
	h->sent_us = !known ? 0 : row.sent_us < now ? row.sent_us : now; /* the future: nobody told the time when it was written */
	h->sent_fp = known ? row.body_fp : 0;
	if (h->op.op.key.kind == OP_POST)
		h->anchor = ledger_anchor(x->l, r->num, 1u << OP_POST, &h->arena);
}

bool engine_look_build(struct engine *x, struct runner *r, struct err *e)
{
	struct hot *h = r->hot;
	if (!h->looking)
		begin(x, r);
	const struct op *op = &h->op.op;
	enum list_kind list = x->s->traits.settle_list[op->key.kind];
	h->built = x->s->ex->list_build(x->s->target, list, scope_of(op, list), NEWEST_FIRST, h->cursor, &h->arena, &h->req, e);
	return h->built;
}

/* What the exporter said of the row, in the light of what the op is. */
static enum match judge(struct engine *x, const struct hot *h, const struct seen *row)
{
	const struct op *op = &h->op.op;
	enum match m = x->s->ex->match(x->s->target, op, row, &x->scratch);
	bool aged = row->ts_us && h->sent_us;
	if (op->key.kind == OP_POST) {
		/* The archive or the mapping may have changed since it was sent, and what would be sent today is not what arrived. */
		if (m == MATCH_OTHER && h->sent_fp && x->s->ex->fingerprint_seen(row) == h->sent_fp)
			return MATCH_SAME;
		/* Ours from long before this op existed (a chat we were let into, that another project has written to). Only
		 * what would stop the lane is forgiven by age, and by the target's own time only: a person may have edited the message. */
		return m == MATCH_OTHER && aged && h->time_told && row->ts_us < h->sent_us - DAY_US ? MATCH_FOREIGN : m;
	}
	if (op->key.kind == OP_CHAT_CREATE && m == MATCH_SAME && aged && row->ts_us < h->sent_us - HOUR_US)
		return MATCH_OTHER; /* like ours and older than our request: this one or a namesake? not for us to guess */
	if (m == MATCH_OTHER || (m == MATCH_SAME && op->target_id && op->key.kind != OP_REACT && !streq(op->target_id, row->id)))
		return MATCH_FOREIGN; /* other chats, reactions, messages of ours are no wonder */
	return m;
}

static void keep_found(struct hot *h, const struct seen *row)
{
	bool thread = h->op.op.key.kind == OP_THREAD_OPEN;
	h->found = arena_strdup(&h->arena, thread && row->thread ? row->thread : row->id);
	h->found2 = arena_strdup(&h->arena, thread ? row->thread_chat : NULL);
}

static void take_row(struct engine *x, struct hot *h, const struct seen *row)
{
	const struct op *op = &h->op.op;
	bool makes = op->key.kind == OP_POST || op->key.kind == OP_CHAT_CREATE || op->key.kind == OP_USER_CREATE;
	struct lane_row_seen seen = { .after_anchor = !h->anchor || x->s->ex->id_cmp(row->id, h->anchor) > 0 };
	if (seen.after_anchor) {
		seen.owned = makes && ledger_owns(x->l, op->key.kind, row->id);
		seen.match = seen.owned ? MATCH_FOREIGN : judge(x, h, row);
	}
	if (lane_look_row(&h->look, &seen)) {
		keep_found(h, row);
		h->members++;
	}
}

static enum lane_event verdict(const struct hot *h)
{
	if (h->rows >= ROWS_MAX && !h->look.over)
		return LANE_EV_STRANGE;
	enum lane_event ev = lane_look_verdict(&h->look);
	/* Some of those who were to join are in: the rest has to be asked again, which harms nobody. */
	if (h->op.op.key.kind == OP_MEMBERS && ev == LANE_EV_FOUND && h->members < h->op.op.n_ids)
		return LANE_EV_ABSENT;
	return ev;
}

void engine_look_blind(struct engine *x, struct runner *r, const char *why)
{
	int64_t now = clock_mono_us();
	restart(r->hot);
	r->not_before = now + ((int64_t)1000000 << r->lane.blind);
	engine_step(x, r, LANE_EV_BLIND, &(struct said){ .why = why });
}

static void read_page(struct engine *x, struct runner *r, const struct http_resp *resp)
{
	struct hot *h = r->hot;
	struct page page = { 0 };
	struct err e = ERR_INIT;
	enum list_kind list = x->s->traits.settle_list[h->op.op.key.kind];
	if (!x->s->ex->list_parse(x->s->target, list, resp, &x->scratch, &page, &e)) {
		engine_look_blind(x, r, e.msg);
		return;
	}
	if (page.next && h->cursor && streq(page.next, h->cursor)) {
		engine_look_blind(x, r, "the target's list goes round in circles");
		return;
	}
	h->rows += page.n ? 0 : EMPTY_PAGE_ROWS;
	for (size_t i = 0; i < page.n && !h->look.over; i++, h->rows++)
		take_row(x, h, &page.v[i]);
	h->built = false;
	if (page.next && !h->look.over && h->rows < ROWS_MAX) {
		h->cursor = arena_strdup(&h->arena, page.next);
		engine_step(x, r, LANE_EV_MORE, NULL);
		return;
	}
	enum lane_event ev = verdict(h);
	step("look-done");
	if (ev == LANE_EV_FOUND && h->look.same > 1 && h->op.op.key.kind == OP_POST)
		engine_event(x, "op.duplicate", r, "%u equal messages of ours were found where one was expected; the oldest counts", h->look.same);
	h->looking = false;
	engine_step(x, r, ev, &(struct said){ .id = h->found, .id2 = h->found2,
		.why = "the target holds something of ours that this program did not record" });
}

void engine_look_answer(struct engine *x, struct runner *r, const struct wire_done *d)
{
	struct hot *h = r->hot;
	int64_t now = clock_mono_us();
	const struct http_resp *resp = &d->resp;
	switch (d->cls) {
	case WIRE_UNSENT:
		r->not_before = engine_gate_fail(x, engine_gate(x, &h->req), now);
		engine_step(x, r, LANE_EV_AGAIN, NULL);
		return;
	case WIRE_UNKNOWN: case WIRE_LOCAL:
		engine_look_blind(x, r, d->why ? d->why : "no answer");
		return;
	case WIRE_ANSWER:
		break;
	}
	if (resp->status == 429 || (resp->status == 503 && resp->retry_after_s >= 0)) {
		engine_throttled(x, r, resp->retry_after_s, now);
		return;
	}
	if (resp->status == 401 || resp->status == 402) {
		engine_refused(x, r, resp->status == 401 ? "HTTP 401, asked for what was written" : "HTTP 402, asked for what was written");
		return;
	}
	h->refused_since = -1;
	pool_ok(&x->s->pool, &h->req, now);
	read_page(x, r, resp);
}
