/* ledger.h: the durable record of everything written: the only truth about what the target has from us.
 *
 * SQLite (WAL, synchronous=FULL, schema.sql), one writer guarded by flock on DIR/ledger.lock; nothing outside ledger*.c knows
 * that it is SQLite. It holds no message text and no token: ids, states, fingerprints, reasons. Invariants live in the
 * schema: at most one open (intent, unknown) op per lane, uploads apart; done is final; a target id belongs to one post. A state change
 * that does not apply is a bug and dies (dying is safe).
 *
 * Writing happens inside ledger_begin … ledger_commit; a commit returns when it is on disk. Reads see the open transaction.
 */
#ifndef MVCHAT_LEDGER_H
#define MVCHAT_LEDGER_H

#include "core/err.h"
#include "core/hash.h"
#include "core/op.h"

struct ledger;
/* target2 of a done OP_USER_CREATE: the account was there before our first request for it, and is not ours to take back. */
#define LEDGER_EXISTED "existed"
/* target of an OP_UPLOAD found again with its message: which upload it was is not known. */
#define LEDGER_ADOPTED "adopted"

/* LEDGER_REBUILD: for writing, even if it is missing or older than what was written: only to complete it from the target. */
enum ledger_mode { LEDGER_READ, LEDGER_WRITE, LEDGER_REBUILD };
/* The numbers stand in the database. */
enum op_state { OP_ABSENT = 0, OP_INTENT = 1, OP_UNKNOWN = 2, OP_DONE = 3, OP_REJECTED = 4, OP_GONE = 5 };

/* dir: state folder (.mvchat), which must exist. LEDGER_READ of a missing ledger gives an empty one in memory.
 * NULL + err: ERR_LOCKED when another process writes (its pid in msg) or
 * the ledger is not the newest of its project (a copy put back, see ledger_outdated), ERR_INTERNAL when damaged (integrity_check). */
struct ledger *ledger_open(const char *dir, enum ledger_mode mode, struct err *e);
void ledger_close(struct ledger *l);
/* Was more written in this project than this ledger knows of? Then it is for reading and for LEDGER_REBUILD only, and what it
 * has open is forgotten there: the target itself tells what arrived. ledger_rebuilt: it is complete again. */
bool ledger_outdated(const struct ledger *l);
bool ledger_rebuilt(struct ledger *l, struct err *e);
/* A consistent copy, also while somebody writes; of mode 0600, complete when it appears under its name. */
bool ledger_backup(struct ledger *l, const char *path, struct err *e);
/* Is some process writing to the ledger of this folder? Changes nothing. */
bool ledger_in_use(const char *dir);
/* Ties the ledger to one source and one target for ever; ERR_LOCKED when it belongs to another pair (both named). */
bool ledger_bond(struct ledger *l, const char *source_id, const char *target_id, struct err *e);

/* The target's half of the bond, also of a ledger that is gone but for its mark; "" when there is none yet. In a. */
const char *ledger_bonded(struct ledger *l, struct arena *a);

/* Accounts of the target, by id, that write from now on beside the one of the bond; inside a transaction. And all that ever did,
 * NULL-terminated, in a: what they wrote is ours, whether or not their tokens are given today. */
void ledger_know_bots(struct ledger *l, const char *const *ids, size_t n);
const char *const *ledger_bots(struct ledger *l, struct arena *a);

int64_t ledger_run_begin(struct ledger *l, const char *cmd, const uint8_t mapping[DIGEST_BYTES], struct err *e); /* 0: the disk failed */
void ledger_run_end(struct ledger *l, int64_t run, int exit_code);

void ledger_begin(struct ledger *l);
bool ledger_commit(struct ledger *l, struct err *e); /* false: disk full and the like; nothing of the transaction holds */

/* Numbers for names, made on first use, the same for ever. In LEDGER_READ an unknown name gives -1. */
int64_t ledger_conv(struct ledger *l, const char *source_conv);   /* "" = people = 0 */
const char *ledger_conv_name(struct ledger *l, int64_t conv, struct arena *a); /* NULL unknown */
int64_t ledger_lane(struct ledger *l, const char *name);
const char *ledger_lane_name(struct ledger *l, int64_t lane, struct arena *a);

struct ledger_row {
	struct opkey key;
	int64_t lane;
	enum op_state state;
	const char *target, *target2; /* DONE, GONE: ids in the target; else NULL */
	const char *why;              /* reason for REJECTED and UNKNOWN, or NULL */
	uint64_t src_fp;              /* fingerprint of the source record when it was written */
	uint64_t body_fp;             /* exporter's fingerprint of what was written */
	uint32_t loss;                /* bits of enum loss */
	int tries;
	int64_t sent_us;              /* wall time of the last intent */
	int64_t run;
	bool stale_mapping;           /* written under another mapping digest than the current run's (ledger_current_mapping) */
	/* EDIT that is not DONE: what an earlier edit of this part had made of it, if there was one. */
	struct { bool any; uint64_t src_fp, body_fp; uint32_t loss; bool stale_mapping; } was;
};
/* What stands in the target: as posted, or as the last edit that was DONE made it. Of an edit with an open outcome: before it. */
struct ledger_there { uint64_t src_fp, body_fp; uint32_t loss; bool stale_mapping, edited; };
struct ledger_there ledger_there(const struct ledger_row *post, const struct ledger_row *edit);
/* false = OP_ABSENT. Strings in a. */
bool ledger_get(struct ledger *l, const struct opkey *k, struct arena *a, struct ledger_row *out);

/* State changes (inside a transaction). */
void ledger_intent(struct ledger *l, const struct opkey *k, int64_t lane, uint64_t src_fp, uint64_t body_fp, uint32_t loss, int64_t run, int64_t now_us); /* from ABSENT, REJECTED or UNKNOWN (proved absent); tries + 1 */
void ledger_done(struct ledger *l, const struct opkey *k, const char *target, const char *target2); /* from INTENT or UNKNOWN */
void ledger_reject(struct ledger *l, const struct opkey *k, const char *why);                       /* from INTENT or UNKNOWN */
void ledger_unknown(struct ledger *l, const struct opkey *k, const char *why);                      /* from INTENT or UNKNOWN */
void ledger_unsent(struct ledger *l, const struct opkey *k);   /* from INTENT: certainly not applied (an upload also from UNKNOWN: nobody can see it); back to ABSENT, an edit to the one DONE before it */
void ledger_gone(struct ledger *l, const struct opkey *k);     /* from DONE: taken back */

/* Uploads left open are forgotten: nobody sees one before a message names it, so it is simply made again when it is due. */
void ledger_forget_uploads(struct ledger *l);

/* The lane's one open op (INTENT or UNKNOWN) but for uploads, or false. */
bool ledger_open_op(struct ledger *l, int64_t lane, struct arena *a, struct ledger_row *out);
/* When the newest ops of these kinds (mask of 1 << op_kind) of the lane were sent, the newest first: how many, at most max. */
size_t ledger_sent(struct ledger *l, int64_t lane, uint32_t kinds, int64_t *sent_us, size_t max);
/* Target id of the newest DONE op of these kinds (mask of 1 << op_kind) in the lane by order of writing, or NULL. */
const char *ledger_anchor(struct ledger *l, int64_t lane, uint32_t kinds, struct arena *a);
/* Is this target id already that of a DONE op of this kind, anywhere? */
bool ledger_owns(struct ledger *l, enum op_kind kind, const char *target);

/* Walks rows ordered by (ts, id, kind, part) of one conversation. The row's strings live until the next call. */
struct ledger_walk;
struct ledger_walk *ledger_walk(struct ledger *l, int64_t conv);
bool ledger_walk_next(struct ledger_walk *w, struct ledger_row *out);
void ledger_walk_end(struct ledger_walk *w);
/* Rows of one record of the source, all kinds and parts. */
struct ledger_walk *ledger_walk_record(struct ledger *l, int64_t conv, int64_t ts_us, const char *id);
/* Posts and edits DONE of one conversation with one of these loss bits, from the record (ts_us, id) on; by (ts, id, kind, part). */
struct ledger_walk *ledger_walk_loss(struct ledger *l, int64_t conv, uint32_t loss, int64_t ts_us, const char *id);
/* Rows of one lane in the order they were written (seq). */
struct ledger_walk *ledger_walk_lane(struct ledger *l, int64_t lane);
/* The newest DONE row of the lane among these kinds (mask of 1 << kind) that was written before *before (0 = the newest at
 * all; set to the place of the row found): for walks backwards that may be interrupted by writing. Strings in a. */
bool ledger_newest(struct ledger *l, int64_t lane, uint32_t kinds, int64_t *before, struct arena *a, struct ledger_row *out);
/* The post that this message of the target belongs to, DONE or GONE. Strings in a. */
bool ledger_find_post(struct ledger *l, const char *target, struct arena *a, struct ledger_row *out);
/* Every lane that holds a DONE row: for verify. Calls each(ctx, lane, name); false stops. */
bool ledger_lanes(struct ledger *l, bool (*each)(void *ctx, int64_t lane, const char *name), void *ctx);

/* Which mapping digest counts as current for stale_mapping. */
void ledger_current_mapping(struct ledger *l, const uint8_t mapping[DIGEST_BYTES]);
/* Runs from … until - 1 wrote under names that are others today: their rows count as written under another mapping, until
 * ledger_current_mapping is told anew. */
void ledger_other_names(struct ledger *l, int64_t from, int64_t until);

struct ledger_counts { int64_t by_kind_state[OP_DELETE + 1][OP_GONE + 1]; int64_t runs; int64_t last_done_us; };
void ledger_count(struct ledger *l, struct ledger_counts *out);
/* The runs, oldest first, with what each one wrote last: rows that bear its number. ended_us 0: cut off, or still running. */
struct ledger_run { int64_t id; const char *cmd, *version; int64_t began_us, ended_us; int exit_code; int64_t done[OP_DELETE + 1], open, rejected, gone; };
bool ledger_runs(struct ledger *l, bool (*each)(void *ctx, const struct ledger_run *r), void *ctx);
/* Open or rejected ops with reasons: for status and reports. each: false stops. */
bool ledger_troubles(struct ledger *l, bool (*each)(void *ctx, const struct ledger_row *r), void *ctx);

const char *ledger_library(void); /* version of what is behind it, for doctor */

#endif
