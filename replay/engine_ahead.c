/* engine_ahead.c: files are uploaded while the messages before theirs are posted.
 *
 * A lane that is at its messages has runners beside it, each with one upload of a message that is still to come. Their ops are recorded
 * like any other and stand in the lane of their message; nobody sees an upload before that names it, so several may be under way at once,
 * and what a dead process left open is simply forgotten (ledger_forget_uploads): at worst the storage holds a file that nobody uses.
 * The lane itself uploads what nobody has begun, and waits for what somebody has.
 * Promises: each file is begun once; how far it goes ahead is bounded per lane (files, bytes, messages looked at) and in all; what is on its way
 * to the storage takes no room from messages.
 * Called by engine.c. Does not: send, or decide what is uploaded (stream_ahead).
 */
#include "replay/engine_lanes.h"

#include "core/clock.h"
#include "core/hash.h"

#include <stdlib.h>
#include <string.h>

static const int64_t AHEAD_BYTES = 64 << 20, SECOND_US = 1000000;
/* Bytes on their way to the storage at once: as many as a thin line takes within the time of one request, at first. More while they arrive
 * quickly, fewer when they do not. Files of up to 4 MiB are in memory until they are sent (core/vault_inflate.c), so there is an end to it;
 * a larger one is not, and goes also when it alone is more. */
static const int64_t WINDOW_MIN = 4 << 20, WINDOW_MAX = 32 << 20, QUICK_S = 10, SLOW_S = 25;
enum {
	LOOK_AGAIN = 64, /* messages passed: then looking ahead is worth while again */
};

/* ---- on the way to the storage ---- */

static bool is_blob(const struct runner *r)
{
	return r->hot->built && r->hot->req.rate == REQ_BLOB && r->lane.state != LANE_LOOK;
}

static int64_t size_of(const struct runner *r)
{
	const struct file *f = r->hot->req.stream;
	return f && f->size > 0 ? f->size : 0;
}

void engine_ahead_init(struct engine *x)
{
	size_t connections = wire_connections(x->s->wire);
	x->flight_max = connections / 2 < FLIGHT_MAX ? connections / 2 : FLIGHT_MAX;
	x->blobs.most = connections - x->flight_max < BLOBS_MAX ? connections - x->flight_max : BLOBS_MAX;
	x->blobs.may = x->blobs.most < BLOBS_FIRST ? x->blobs.most : BLOBS_FIRST;
	x->blobs.window = WINDOW_MIN;
	x->blobs.fewer_us = -1;
}

bool engine_full(struct engine *x, const struct runner *r)
{
	if (!is_blob(r))
		return x->flying + x->n_batch >= x->flight_max + x->blobs.n;
	bool many = x->blobs.n >= x->blobs.may;
	x->blobs.held |= many;
	return many || (x->blobs.n && x->blobs.bytes + size_of(r) > x->blobs.window);
}

/* More at once than are asked for within the time one takes are of no use: their number grows only while it is what holds them up. */
static void more_at_once(struct engine *x)
{
	if (x->blobs.held && x->blobs.may < x->blobs.most)
		x->blobs.may += x->blobs.may + 1 < x->blobs.most ? 2 : 1; /* threefold in the time of one upload: places are given out meanwhile */
}

/* Those that were under way together are one lesson. */
static void fewer_at_once(struct engine *x, const struct runner *r)
{
	if (r->hot->blob_us <= x->blobs.fewer_us)
		return;
	x->blobs.fewer_us = clock_mono_us();
	if (x->blobs.may > BLOBS_MIN)
		x->blobs.may = x->blobs.may / 2 > BLOBS_MIN ? x->blobs.may / 2 : BLOBS_MIN;
}

void engine_blob_refused(struct engine *x, const struct runner *r)
{
	if (r->hot->req.rate == REQ_BLOB)
		fewer_at_once(x, r);
}

void engine_blob_out(struct engine *x, struct runner *r)
{
	if (r->hot->req.rate != REQ_BLOB)
		return;
	r->hot->blob_us = clock_mono_us();
	x->blobs.n++;
	x->blobs.bytes += size_of(r);
}

void engine_blob_back(struct engine *x, const struct runner *r, enum wire_class cls)
{
	if (r->hot->req.rate != REQ_BLOB)
		return;
	int64_t took = clock_mono_us() - r->hot->blob_us, *window = &x->blobs.window;
	x->blobs.n--;
	x->blobs.bytes -= size_of(r);
	if (cls == WIRE_UNKNOWN || took > SLOW_S * SECOND_US) {
		*window = *window / 2 > WINDOW_MIN ? *window / 2 : WINDOW_MIN;
		fewer_at_once(x, r);
	} else if (cls == WIRE_ANSWER && took < QUICK_S * SECOND_US) {
		*window = *window + size_of(r) < WINDOW_MAX ? *window + size_of(r) : WINDOW_MAX;
		more_at_once(x);
	}
}

/* ---- who carries a file ---- */

static uint64_t record_key(const struct opkey *k)
{
	const int64_t num[2] = { k->conv, k->ts_us };
	return hash64(k->id ? k->id : "", k->id ? strlen(k->id) : 0, hash64(num, sizeof(num), 0));
}

static size_t further_bots(const struct engine *x, const char *const **ids)
{
	*ids = NULL;
	return x->s->ex->other_bots ? x->s->ex->other_bots(x->s->target, ids) : 0;
}

const char *engine_bot_name(const struct engine *x, int bot)
{
	const char *const *ids;
	size_t n = further_bots(x, &ids);
	return !bot ? OP_FILE_FIRST : bot > 0 && (size_t)bot <= n ? ids[bot - 1] : NULL;
}

static int bot_named(const struct engine *x, const char *name)
{
	const char *const *ids;
	size_t n = further_bots(x, &ids);
	for (size_t i = 0; i < n; i++)
		if (streq(ids[i], name))
			return (int)i + 1;
	return streq(name, OP_FILE_FIRST) ? 0 : -1;
}

/* A message goes with the token its first file came with, which the ledger has; several files of one message all with one that their
 * message tells. */
int engine_same_bot(struct engine *x, struct runner *r)
{
	struct hot *h = r->hot;
	const struct op *op = &h->op.op;
	if (h->req.carrier != CARRY_SAME || x->s->pool.n < 2)
		return 0;
	if (h->same < 0 && op->n_files && op->files[0].by)
		h->same = bot_named(x, op->files[0].by);
	if (h->same < 0)
		h->same = pool_pick(&x->s->pool, &h->req, engine_bots(x, r), record_key(&op->key), op->key.kind == OP_UPLOAD && op->alone ? POOL_EVENLY : POOL_BY_KEY);
	return h->same;
}

/* ---- what is ahead of a lane ---- */

void engine_ahead_free(struct runner *r)
{
	struct ahead *h = r->ahead;
	if (!h)
		return;
	while (h->n)
		free(h->file[--h->n].id);
	stream_pos_release(&h->pos);
	free(h->file);
	free(h);
	r->ahead = NULL;
}

void engine_ahead_moved(struct runner *r, const struct opkey *k)
{
	struct ahead *h = r->ahead;
	size_t gone = 0;
	if (!h || (k->kind != OP_POST && k->kind != OP_EDIT))
		return;
	while (gone < h->n && (h->file[gone].ts_us < k->ts_us || (h->file[gone].ts_us == k->ts_us && strcmp(h->file[gone].id, k->id) <= 0))) {
		h->bytes -= h->file[gone].bytes;
		free(h->file[gone++].id);
	}
	h->n -= gone;
	if (gone)
		memmove(h->file, h->file + gone, h->n * sizeof(h->file[0]));
	h->look += h->look < STREAM_LOOK;
	h->fresh |= gone > 0;
	h->full = false;
}

static bool same_key(const struct opkey *a, const struct opkey *b)
{
	return a->kind == b->kind && a->conv == b->conv && a->ts_us == b->ts_us && a->part == b->part && streq(a->id, b->id);
}

bool engine_ahead_has(const struct engine *x, const struct runner *r, const struct opkey *k)
{
	for (size_t i = 0; r->ahead && r->ahead->busy && i < x->n_active; i++)
		if (x->active[i]->uploads && x->active[i]->owner == r && same_key(&x->active[i]->hot->op.op.key, k))
			return true;
	return false;
}

/* ---- one more upload ---- */

static struct runner *new_upload(struct engine *x, const struct runner *owner)
{
	struct runner *u = xcalloc(1, sizeof(*u));
	u->hot = x->n_spare ? x->spare[--x->n_spare] : xcalloc(1, sizeof(*u->hot));
	u->hot->arena.chunk = HOT_CHUNK;
	u->hot->refused_since = -1;
	u->hot->same = u->hot->by = -1;
	u->id = u->name = xstrdup(owner->name);
	u->kind = LANE_THREAD;
	u->uploads = true;
	u->num = owner->num;
	lane_init(&u->lane);
	return u;
}

static void free_upload(struct engine *x, struct runner *u)
{
	arena_reset(&u->hot->arena);
	struct arena keep = u->hot->arena;
	*u->hot = (struct hot){ .arena = keep };
	x->spare[x->n_spare++] = u->hot;
	free(u->name);
	free(u);
}

/* What a lane has to post beyond what is uploaded for it. */
static int64_t left_of(const struct runner *r)
{
	return r->weight - (r->ahead ? (int64_t)r->ahead->n : 0);
}

static void begin(struct engine *x, struct runner *owner, struct runner *u)
{
	struct ahead *h = owner->ahead;
	const struct op *op = &u->hot->op.op;
	int64_t bytes = op->file && op->file->size > 0 ? op->file->size : 0;
	if (h->n == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 8;
		h->file = xrealloc(h->file, h->cap * sizeof(h->file[0]));
	}
	h->file[h->n].ts_us = op->key.ts_us;
	h->file[h->n].bytes = bytes;
	h->file[h->n++].id = xstrdup(op->key.id);
	h->bytes += bytes;
	h->busy++;
	u->owner = owner;
	u->weight = left_of(owner);
	u->bots = (uint16_t)engine_bots(x, owner);
	x->active[x->n_active++] = u;
	x->n_uploads++;
	engine_step(x, u, LANE_EV_OP, NULL);
}

/* Begins one, or finds that there is nothing to begin here for now. */
static void look_ahead(struct engine *x, struct runner *r)
{
	struct ahead *h = r->ahead;
	struct lane_spec spec = { .kind = (enum lane_kind)r->kind, .name = r->name, .id = r->id, .root = r->root, .root_ts_us = r->root_ts_us };
	struct runner *u = new_upload(x, r);
	enum stream_got got;
	do {
		arena_reset(&u->hot->arena);
		got = stream_ahead(x->a->stream, &spec, &r->pos, &h->pos, &h->look, h->n ? AHEAD_BYTES - h->bytes : INT64_MAX, &u->hot->arena, &u->hot->op);
	} while (got == STREAM_OP && r->lane.state != LANE_NEXT && same_key(&r->hot->op.op.key, &u->hot->op.op.key)); /* the lane does it itself */
	h->over = got == STREAM_END;
	h->fresh = got == STREAM_OP;
	h->full = got == STREAM_WAIT && h->look; /* the next one is too large for now */
	if (got == STREAM_OP)
		begin(x, r, u);
	else
		free_upload(x, u);
}

static bool at_messages(const struct runner *r)
{
	enum op_kind k = r->hot->op.op.key.kind;
	bool rests = r->lane.state == LANE_ENDED || r->lane.state == LANE_STOPPED || r->lane.state == LANE_HALTED || r->lane.state == LANE_PARKED;
	return !r->uploads && !rests && (r->awaits || (r->lane.state != LANE_NEXT && (k == OP_UPLOAD || k == OP_POST || k == OP_EDIT)));
}

static bool wants(const struct runner *r)
{
	const struct ahead *h = r->ahead;
	return !h || (!h->over && !h->full && h->n < AHEAD_FILES && (h->fresh || h->look >= LOOK_AGAIN));
}

static bool crowded(const struct engine *x)
{
	return x->n_uploads >= x->blobs.n + UPLOADS_BESIDE;
}

/* The lane that has most left: lanes of one weight take turns, and none takes the places of one that takes longer. */
static struct runner *whose_turn(const struct engine *x)
{
	struct runner *best = NULL;
	for (size_t i = 0; i < x->n_active; i++) {
		struct runner *r = x->active[i];
		if (at_messages(r) && wants(r) && (!best || left_of(r) > left_of(best)))
			best = r;
	}
	return best;
}

void engine_ahead(struct engine *x)
{
	x->blobs.held = false;
	while (x->files && !crowded(x)) {
		struct runner *r = whose_turn(x);
		if (!r)
			return;
		if (!r->ahead) {
			r->ahead = xcalloc(1, sizeof(*r->ahead));
			r->ahead->look = STREAM_LOOK;
			r->ahead->fresh = true;
		}
		look_ahead(x, r);
	}
}

/* ---- the end of one ---- */

void engine_ahead_over(struct engine *x, struct runner *u)
{
	if (u->owner) {
		u->owner->ahead->busy--;
		u->owner->awaits = false;
	}
	x->n_uploads--;
	free_upload(x, u);
}

/* The lane rests or is at its end: what is under way for it ends by itself. */
void engine_ahead_leave(struct engine *x, struct runner *r)
{
	for (size_t i = 0; r->ahead && r->ahead->busy && i < x->n_active; i++)
		if (x->active[i]->owner == r)
			x->active[i]->owner = NULL;
	r->awaits = false;
	engine_ahead_free(r);
}
