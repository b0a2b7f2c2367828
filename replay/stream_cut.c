/* stream_cut.c: messages that stand in the target and need another number of parts by now.
 *
 * The target orders messages by arrival. What became longer goes on in further messages only where nothing of ours stands behind it;
 * elsewhere the text ends with a note of how much is missing (stream_text.c) and the ledger says so (LOSS_CUT). Parts that are no longer
 * needed are deleted. Called by stream.c and plan.c through stream_in.h; writes nothing.
 */
#include "replay/stream_in.h"

#include "core/utf8.h"

#include <string.h>

static size_t span_size(const struct span *p)
{
	return strlen(p->text) + (p->kind != SPAN_TEXT);
}

size_t stream_text_size(const struct text *t)
{
	size_t n = 0;
	for (size_t i = 0; i < t->n_blocks; i++)
		for (size_t k = 0; k < t->blocks[i].n_spans; k++)
			n += span_size(&t->blocks[i].spans[k]);
	return n;
}

struct text stream_text_head(const struct text *t, size_t at, struct arena *a, size_t *left)
{
	struct text out = { t->n_blocks ? arena_memdup(a, t->blocks, t->n_blocks * sizeof(*t->blocks)) : NULL, 0 };
	*left = 0;
	for (size_t i = 0; i < t->n_blocks; i++) {
		struct block *b = &out.blocks[i];
		const struct span *v = b->spans;
		size_t n = b->n_spans, kept = 0;
		b->spans = arena_array(a, n + 1, struct span);
		for (size_t k = 0; k < n; k++) {
			size_t size = span_size(&v[k]), keep = size <= at ? size : 0;
			if (!keep && v[k].kind == SPAN_TEXT && at)
				keep = utf8_cut_cluster(v[k].text, size, at);
			if (keep) {
				b->spans[kept] = v[k];
				if (keep < size)
					b->spans[kept].text = arena_strndup(a, v[k].text, keep);
				kept++;
			}
			*left += keep < size ? utf8_length(v[k].text + keep) : 0;
			at = keep < size ? 0 : at - size;
		}
		b->n_spans = kept;
		out.n_blocks = kept ? i + 1 : out.n_blocks;
	}
	return out;
}

int stream_parts_max(struct stream *s, struct spot *sp, const struct spool_meta *m, const struct standing *st)
{
	struct ledger_row post, newest;
	struct opkey k = { stream_mconv(s, sp, m), m->ts_us, m->id, OP_POST, st->parts - 1 };
	struct arena a;
	int64_t before = 0;
	if (stream_shares(s, stream_seat(s, sp, m)))
		return st->parts; /* what stands behind it may be in another lane */
	arena_init(&a);
	bool last = st->parts > 0 && ledger_get(s->x.ledger, &k, &a, &post) && ledger_newest(s->x.ledger, post.lane, 1u << OP_POST, &before, &a, &newest) &&
	            newest.key.conv == k.conv && newest.key.ts_us == k.ts_us && newest.key.part == k.part && streq(newest.key.id, k.id);
	/* Nor may what goes on be written into another lane than the rest: the mapping's placement can have changed since. */
	if (last) {
		last = streq(stream_lane_name(s, sp, m, &a), ledger_lane_name(s->x.ledger, post.lane, &a));
	}
	arena_release(&a);
	return last ? 0 : st->parts;
}

/* No part goes from between others. */
bool stream_part_goes(struct stream *s, const struct opkey *of, int part, int sent, struct arena *a)
{
	struct ledger_row row;
	struct opkey k = *of;
	bool goes = part > 0 && (s->tr.caps & CAP_DELETE);
	k.kind = OP_DELETE;
	for (k.part = part; goes && k.part < sent; k.part++)
		goes = !(stream_row(s, &k, a, &row) && row.state == OP_REJECTED);
	return goes;
}
