/* stream_ahead.c: files ahead of their messages: which could be uploaded before it is their turn (stream.h).
 *
 * Promises: only files whose upload the ledger knows nothing of, of messages of which nothing is sent. Called by engine_ahead.c. Remembers
 * nothing but the position that its caller keeps.
 */
#include "replay/stream_step.h"

#include <string.h>

bool stream_has_files(const struct stream *s)
{
	return s->files;
}

/* The file of this message to be uploaded next, from number `from` on; -1: none. A message that stands in the target already, or whose
 * outcome is open, gets no more files. */
static int file_ahead(struct stream *s, struct spot *sp, struct spool_walk *w, const struct spool_meta *m, int from, struct arena *a, struct msg *msg)
{
	struct standing st;
	struct letter l;
	const char *rule;
	arena_reset(&s->tmp);
	standing_get(s, stream_mconv(s, sp, m), m->ts_us, m->id, &st);
	if (st.parts || st.open || st.rejected || stream_fate(s, sp, m, &rule) != FATE_SEND || !spool_walk_body(w, a, msg, NULL))
		return -1;
	struct letter_args x = { .sp = sp, .meta = m, .msg = msg, .fate = FATE_SEND, .want = LETTER_FILES };
	stream_letter(s, &x, a, &l);
	for (size_t i = 0; i < l.n_files; i++) {
		struct ledger_row row;
		struct opkey k = { stream_mconv(s, sp, m), m->ts_us, m->id, OP_UPLOAD, l.file_no[i] };
		if (l.file_no[i] >= from && !*l.files[i].handle && (stream_row(s, &k, a, &row), row.state == OP_ABSENT))
			return l.file_no[i];
	}
	return -1;
}

enum stream_got stream_ahead(struct stream *s, const struct lane_spec *lane, const struct stream_pos *pos, struct stream_pos *ahead, size_t *look,
                             int64_t max, struct arena *a, struct stream_op *out)
{
	struct spot *sp = lane->kind == LANE_PERSON ? NULL : stream_spot(s, lane->id);
	if (!sp || sp->no_files || pos->phase > PH_MSGS)
		return STREAM_END;
	if (pos->phase != PH_MSGS)
		return STREAM_WAIT; /* its chat or thread is not there yet */
	int c = !pos->id || !ahead->id || ahead->ts_us != pos->ts_us ? 0 : strcmp(ahead->id, pos->id);
	bool same = pos->id && ahead->id && ahead->ts_us == pos->ts_us && !c;
	if (pos->id && (!ahead->id || ahead->ts_us < pos->ts_us || c < 0 || (same && ahead->conv < pos->conv))) {
		stream_pos_move(ahead, pos->ts_us, pos->id, pos->conv);
		ahead->part = 0;
		*look = STREAM_LOOK;
	}
	struct spool_walk *w = stream_lane_walk(s, sp, lane, ahead);
	struct goal g = { sp, stream_spot_target(s, sp), NULL };
	enum stream_got got = STREAM_END;
	struct spool_meta m;
	while (got == STREAM_END && spool_walk_next(w, &m)) {
		struct msg msg;
		int n = -1;
		if (!*look) {
			got = STREAM_WAIT;
			break;
		}
		arena_reset(&s->trial);
		if (m.n_files && (n = file_ahead(s, sp, w, &m, ahead->part, &s->trial, &msg)) >= 0) {
			struct opkey k = { stream_mconv(s, sp, &m), m.ts_us, m.id, OP_UPLOAD, n };
			got = msg.files[n].size > max ? STREAM_WAIT : STREAM_OP;
			if (got == STREAM_OP && spool_walk_body(w, a, &msg, NULL) && stream_op_upload(s, &msg, &k, &g, OP_ABSENT, a, m.fp, out))
				ahead->part = n + 1;
			break;
		}
		stream_pos_move(ahead, m.ts_us, m.id, m.conv);
		ahead->part = 0;
		--*look;
	}
	spool_walk_end(w);
	return got;
}
