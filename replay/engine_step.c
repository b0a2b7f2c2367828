/* engine_step.c: one step of a lane: what happened goes into its state machine (lane.c), what that answers into the ledger.
 *
 * Promises: nothing is recorded but what lane.c decided, within the transaction that the tick has open; the stream moves on only past
 * what is recorded as done or refused. Called by the other parts of the engine. Does not: send, or commit.
 */
#include "replay/engine_lanes.h"

const char *engine_op_words(const struct op *op, char out[160])
{
	static const char *const names[] = { "?", "person", "chat", "upload", "message", "thread", "reaction", "pin", "members", "archiving",
		"edit", "deletion" };
	fmt_into(out, 160, "%s %s", names[op->key.kind <= OP_DELETE ? op->key.kind : 0], op->key.id);
	return out;
}

static void count_done(struct engine *x, struct runner *r)
{
	switch (r->hot->op.op.key.kind) {
	case OP_POST:
		x->res->posted++;
		r->weight -= r->weight > 0 && r->weight != HURRY;
		break;
	case OP_EDIT:
		x->res->edited++;
		break;
	case OP_USER_CREATE: case OP_CHAT_CREATE: case OP_THREAD_OPEN:
		x->res->created++;
		break;
	case OP_UPLOAD:
		x->res->uploaded++;
		break;
	case OP_DELETE:
		x->res->taken_back += x->a->source || r->hot->op.op.undoes != OP_ARCHIVE; /* a chat opened for a while is nothing lost */
		r->weight -= r->weight > 0;
		break;
	case OP_REACT: case OP_PIN: case OP_MEMBERS: case OP_ARCHIVE:
		break;
	}
}

/* The op is recorded as done or refused: what gave it may move on. */
static void passed(struct engine *x, struct runner *r)
{
	const struct engine_source *src = x->a->source;
	if (src)
		src->passed(src->src, &r->pos, &r->hot->op);
	else if (!r->uploads)
		stream_passed(x->a->stream, &r->pos, &r->hot->op);
	engine_ahead_moved(r, &r->hot->op.op.key);
}

static void write_intent(struct engine *x, struct runner *r)
{
	const struct stream_op *o = &r->hot->op;
	ledger_intent(x->l, &o->op.key, r->num, o->src_fp, o->body_fp, o->loss, x->a->run, wire_now_us(x->s->wire, NULL));
	x->wrote |= WROTE_INTENT;
}

static void write_reject(struct engine *x, struct runner *r, const char *why)
{
	char words[160];
	ledger_reject(x->l, &r->hot->op.op.key, why);
	x->wrote |= WROTE_REJECT;
	x->res->rejected++;
	engine_event(x, "op.rejected", r, "%s: %s", engine_op_words(&r->hot->op.op, words), why);
	passed(x, r);
}

/* The op begins again at its first step. */
static void rewind_op(struct hot *h)
{
	h->op.op.step = 0;
	h->op.op.carry = NULL;
	h->built = false;
}

/* Found, and refused as existing the only time it was asked for: somebody else has made it. */
static bool existed(struct engine *x, struct hot *h, enum lane_event ev)
{
	struct ledger_row row;
	return ev == LANE_EV_FOUND && h->op.op.key.kind == OP_USER_CREATE && ledger_get(x->l, &h->op.op.key, &h->arena, &row) && row.tries == 1 &&
	       row.why && str_begins(row.why, WHY_EXISTED);
}

void engine_step(struct engine *x, struct runner *r, enum lane_event ev, const struct said *said)
{
	static const struct said nothing = { NULL, NULL, NULL };
	struct hot *h = r->hot;
	char words[160];
	if (!said)
		said = &nothing;
	const char *why = said->why ? said->why : "no reason given";
	enum settle settle = ev == LANE_EV_OP || ev == LANE_EV_OPEN ? x->s->traits.settle[h->op.op.key.kind] : SETTLE_STOP;
	switch (lane_step(&r->lane, ev, settle, &x->limits)) {
	case LANE_DO_NOTHING: case LANE_DO_SEND: case LANE_DO_LOOK: /* sending is send_batch's, and after the commit */
		break;
	case LANE_DO_INTENT:
		write_intent(x, r);
		x->intents++;
		break;
	case LANE_DO_DONE:
		ledger_done(x->l, &h->op.op.key, said->id, existed(x, h, ev) ? LEDGER_EXISTED : said->id2);
		x->wrote |= WROTE_DONE;
		count_done(x, r);
		if (h->op.op.key.kind == OP_CHAT_CREATE && ev == LANE_EV_DONE) /* made with all bots in it */
			pool_room_put(&x->s->pool, said->id, pool_all(&x->s->pool));
		if (h->op.op.key.kind == OP_CHAT_CREATE)
			engine_housed(x, r);
		if (ev == LANE_EV_FOUND) {
			x->res->adopted++;
			engine_event(x, "op.adopted", r, "%s had arrived", engine_op_words(&h->op.op, words));
		}
		passed(x, r);
		break;
	case LANE_DO_REFUSE:
		write_intent(x, r);
		write_reject(x, r, why);
		break;
	case LANE_DO_REJECT:
		write_reject(x, r, why);
		break;
	case LANE_DO_UNKNOWN:
		if (h->op.state != OP_UNKNOWN || ev != LANE_EV_OPEN) { /* an older reason says more than "found open" */
			ledger_unknown(x->l, &h->op.op.key, why);
			x->wrote |= WROTE_UNKNOWN;
		}
		if (ev == LANE_EV_UNKNOWN)
			engine_event(x, "op.unknown", r, "%s: %s", engine_op_words(&h->op.op, words),
			             str_begins(why, WHY_EXISTED) ? why + sizeof(WHY_EXISTED) - 1 : why);
		rewind_op(h);
		break;
	case LANE_DO_FORGET:
		ledger_unsent(x->l, &h->op.op.key);
		x->wrote |= WROTE_FORGET;
		if (ev != LANE_EV_AGAIN)
			rewind_op(h);
		break;
	}
	if (ev == LANE_EV_ABSENT && r->lane.state == LANE_READY) {
		x->res->resent++;
		engine_event(x, "op.resent", r, "%s had not arrived and is sent again", engine_op_words(&h->op.op, words));
	}
	if (r->lane.state == LANE_STOPPED && !r->uploads) { /* else its lane tries once more, when it is there */
		static const char *const reasons[] = {
			[LANE_WHY_NONE] = "", [LANE_WHY_CLOSED] = "the target does not let us write here",
			[LANE_WHY_STRANGE] = "its outcome cannot be told from what the chat holds",
			[LANE_WHY_TRIES] = "sent several times, it never arrived", [LANE_WHY_BLIND] = "the target does not show the chat",
			[LANE_WHY_UNKNOWABLE] = "whether it arrived cannot be found out",
		};
		engine_event(x, "lane.stopped", r, "%s: %s (%s)", engine_op_words(&h->op.op, words), reasons[r->lane.why], why);
	}
}
