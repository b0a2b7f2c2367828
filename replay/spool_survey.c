/* spool_survey.c: what a pass over a copy of a chat shows: its people, a sample of its texts; how two copies compare, and who of one is
 * who in the other.
 *
 * Called by spool_merge.c and spool_fold.c. Promises: a person is somebody else's alias only where what they said agrees (or where nothing
 * says otherwise of those who are called the same); memory is bounded by the sample (align.h) and the people. It stores nothing.
 */
#include "replay/spool_merge.h"

#include "core/canon.h"

#include <stdlib.h>

enum { AGREE_PERCENT = 80, AGREE_BYTES = 16 };

/* ---- people of a copy ---- */

struct person *people_get(struct build *b, struct people *p, const char *id)
{
	struct person *x = table_get(&p->by_id, id);
	if (x)
		return x;
	x = arena_new(&b->run, struct person);
	x->id = arena_strdup(&b->run, id);
	if ((p->n & (p->n + 1)) == 0)
		p->v = xrealloc(p->v, (2 * p->n + 2) * sizeof(struct person *));
	p->v[p->n] = x;
	x->no = (uint32_t)++p->n;
	table_put(&p->by_id, x->id, x);
	return x;
}

void people_free(struct people *p)
{
	table_release(&p->by_id);
	free(p->v);
	*p = (struct people){ .n = 0 };
}

/* ---- a pass over a copy ---- */

void survey_copy(struct spool *s, int64_t conv, struct survey_of *out)
{
	struct arena a;
	sqlite3_stmt *st = spool_db_once(s, "SELECT ts,author,kind,body FROM msg WHERE conv=?1 ORDER BY ts,id");
	*out = (struct survey_of){ .first_us = 0 };
	table_init(&out->people.by_id);
	arena_init(&a);
	sqlite3_bind_int64(st, 1, conv);
	while (spool_db_step(s, st)) {
		struct msg m;
		const char *author = spool_db_col(st, 1);
		int64_t ts = sqlite3_column_int64(st, 0);
		if (!author)
			continue;
		struct person *who = people_get(s->b, &out->people, author);
		who->said++;
		if (sqlite3_column_int(st, 2) != MSG_TEXT)
			continue;
		if (!out->authored++)
			out->first_us = ts;
		out->last_us = ts;
		arena_reset(&a);
		if (!canon_read_msg(sqlite3_column_blob(st, 3), (size_t)sqlite3_column_bytes(st, 3), &a, &m, NULL, NULL) || m.edited_us)
			continue;
		struct align_words w = { 0 };
		fold_words_of(&m, &w);
		if (w.bytes >= 4)
			align_sample_add(&out->texts, &(struct align_text){ .words = w.h, .ts_us = ts, .author = who->no, .bytes = (uint32_t)w.bytes, .coarse = m.grain_s >= 60 });
	}
	sqlite3_finalize(st);
	arena_release(&a);
}

void survey_free(struct survey_of *o)
{
	align_sample_free(&o->texts);
	people_free(&o->people);
	idfilter_free(&o->ids);
}

static void vote(struct person *p, uint32_t no, uint32_t bytes)
{
	size_t k = 0;
	while (k < p->n_guesses && p->guess[k].no != no)
		k++;
	if (k == GUESSES)
		return;
	if (k == p->n_guesses) {
		p->guess[k].no = no;
		p->guess[k].n = p->guess[k].bytes = 0;
		p->n_guesses++;
	}
	p->guess[k].n++;
	p->guess[k].bytes += bytes;
}

void compare_copies(const struct survey_of *a, const struct survey_of *b, struct compared *out)
{
	size_t n, of_a, of_b;
	struct align_anchor *v = align_anchors(&a->texts, &b->texts, &n, &of_a, &of_b);
	*out = (struct compared){ .anchors = n, .of_least = of_a < of_b ? of_a : of_b };
	out->n_shifts = align_shifts(v, n, out->shifts);
	for (size_t i = 0; i < b->people.n; i++)
		b->people.v[i]->n_guesses = 0;
	if (!out->n_shifts)
		out->n_shifts = 1; /* no text in common: one clock, as far as anybody can tell */
	for (size_t i = 0; i < n; i++)
		if (v[i].fits) {
			out->fits++;
			out->bytes += v[i].bytes;
			vote(b->people.v[v[i].second - 1], v[i].first, v[i].bytes);
		}
	out->overlap = a->authored && b->authored && a->first_us <= b->last_us && b->first_us <= a->last_us;
	free(v);
}

/* Who of b is who in a, from the votes. */
void guess_people(struct survey_of *a, struct survey_of *b)
{
	for (size_t i = 0; i < b->people.n; i++) {
		struct person *p = b->people.v[i];
		size_t all = 0, best = 0;
		for (size_t k = 0; k < p->n_guesses; k++) {
			all += p->guess[k].n;
			best = p->guess[k].n > p->guess[best].n ? k : best;
		}
		struct person *named = table_get(&a->people.by_id, p->id);
		p->agree = all ? p->guess[best].n : 0;
		p->against = all - p->agree;
		if (all && p->agree * 100 >= all * AGREE_PERCENT && (p->agree > 1 || p->guess[best].bytes >= AGREE_BYTES))
			p->same = a->people.v[p->guess[best].no - 1];
		else
			p->same = named; /* nothing says otherwise: who is called the same is the same */
	}
}
