/* verify_repair.c: lost messages are put back to "to do".
 *
 * Promises: only rows of the messages named change, from DONE to GONE, in one transaction; a first message whose thread still has
 * replies of ours is left alone, because it would come back without them. Called by `mvchat verify --repair`, which names only
 * messages missing behind everything else in their lane: written again they stand where they stood. Does not talk to a target.
 */
#include "replay/verify.h"

#include <stdlib.h>

/* Replies of ours in the thread of this message? */
static bool has_replies(struct ledger *l, const struct opkey *k, struct arena *a)
{
	struct ledger_row row;
	struct opkey th = *k;
	int64_t before = 0;
	th.kind = OP_THREAD_OPEN;
	th.part = 0;
	return ledger_get(l, &th, a, &row) && row.state == OP_DONE && ledger_newest(l, row.lane, 1u << OP_POST, &before, a, &row);
}

static void put_back(struct ledger *l, const struct opkey *k, struct arena *a)
{
	struct ledger_row r;
	struct opkey *v = NULL;
	size_t n = 0, cap = 0;
	bool whole = true; /* no other part of the message is left */
	struct ledger_walk *w = ledger_walk_record(l, k->conv, k->ts_us, k->id);
	while (ledger_walk_next(w, &r))
		whole = whole && !(r.key.kind == OP_POST && r.state == OP_DONE && r.key.part != k->part);
	ledger_walk_end(w);
	w = ledger_walk_record(l, k->conv, k->ts_us, k->id);
	while (ledger_walk_next(w, &r)) {
		bool same = (r.key.kind == OP_POST || r.key.kind == OP_EDIT) && r.key.part == k->part;
		if (r.state != OP_DONE || r.key.kind == OP_DELETE || !(whole || same || r.key.kind == OP_UPLOAD))
			continue;
		GROW(v, n, cap, 8);
		v[n] = r.key;
		v[n++].id = arena_strdup(a, r.key.id);
	}
	ledger_walk_end(w);
	for (size_t i = 0; i < n; i++)
		ledger_gone(l, &v[i]);
	free(v);
}

bool verify_repair(struct ledger *l, const struct opkey *lost, size_t n, int64_t *repaired, int64_t *refused, struct err *e)
{
	struct arena a;
	*repaired = *refused = 0;
	arena_init(&a);
	ledger_begin(l);
	for (size_t i = 0; i < n; i++) {
		arena_reset(&a);
		if (has_replies(l, &lost[i], &a)) {
			++*refused;
			continue;
		}
		put_back(l, &lost[i], &a);
		++*repaired;
	}
	arena_release(&a);
	return ledger_commit(l, e);
}
