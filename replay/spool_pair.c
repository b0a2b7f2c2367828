/* spool_pair.c: two phones' copies of one message become one.
 *
 * Called by spool_fold.c for each pair. Promises: the newest state (text, edited, deleted) counts; a place-holder for what a phone has
 * not got never wins; files, captions and reactions come from whichever copy has them; people are named by the first copy's ids.
 * Besides, what spool_merge.c, spool_fold.c and spool_written.c share: what counts as a message's words, and rows put in and taken out.
 */
#include "replay/spool_merge.h"

#include "core/canon.h"

#include <string.h>

void fold_words_of(const struct msg *m, struct align_words *w)
{
	for (size_t i = 0; i < m->body.n_blocks; i++)
		for (size_t k = 0; k < m->body.blocks[i].n_spans && !text_is_quoted(&m->body.blocks[i]); k++) {
			const struct span *x = &m->body.blocks[i].spans[k];
			const char *text = *x->text ? x->text : x->url;
			if (x->kind == SPAN_USER)
				align_words_mention(w);
			else
				align_words_add(w, text, strlen(text));
		}
}

bool fold_drop(struct spool *s, int64_t conv, int64_t ts_us, const char *id)
{
	sqlite3_stmt *st = spool_put_st(s, PUT_DROP);
	sqlite3_bind_int64(st, 1, conv);
	sqlite3_bind_int64(st, 2, ts_us);
	spool_db_text(st, 3, id);
	bool ok = sqlite3_step(st) == SQLITE_DONE;
	sqlite3_reset(st);
	return ok || spool_put_failed(s, "cannot write");
}

bool fold_put(struct spool *s, int64_t conv, struct msg *m, struct buf *line)
{
	for (int i = 0; i < 1000; i++, m->ts_us++) {
		buf_reset(line);
		canon_msg(m, NULL, line);
		sqlite3_stmt *st = spool_put_lone(s, conv, m, line);
		int rc = sqlite3_step(st);
		sqlite3_reset(st);
		if (rc != SQLITE_DONE)
			return spool_put_failed(s, "cannot store a message");
		if (sqlite3_changes(s->db))
			return true;
	}
	return spool_put_failed(s, "a message has no place");
}

/* Words that are the messenger's own; deleted messages keep their author and are none. */
bool fold_is_notice(const struct msg *m)
{
	switch (m->kind) {
	case MSG_TEXT: case MSG_ME: case MSG_BOT: case MSG_DELETED:
		return false;
	case MSG_JOIN: case MSG_LEAVE: case MSG_TOPIC: case MSG_RENAME: case MSG_ARCHIVE: case MSG_PIN: case MSG_CALL: case MSG_LOST_ROOT:
	case MSG_APP: case MSG_SYSTEM:
		return true;
	}
	return true;
}

const char *fold_who(const struct fold *f, const char *id)
{
	const struct person *p = id ? table_get(&f->sb->people.by_id, id) : NULL;
	return p && p->same ? p->same->id : id;
}

/* Mentions and reactions of the second copy, with the people's ids of the first. */
void fold_translate(const struct fold *f, struct arena *a, struct msg *m)
{
	for (size_t i = 0; i < m->body.n_blocks; i++)
		for (size_t k = 0; k < m->body.blocks[i].n_spans; k++)
			if (m->body.blocks[i].spans[k].kind == SPAN_USER)
				m->body.blocks[i].spans[k].ref = fold_who(f, m->body.blocks[i].spans[k].ref);
	if (!m->n_reacts)
		return;
	struct react *v = arena_memdup(a, m->reacts, m->n_reacts * sizeof(*v));
	for (size_t i = 0; i < m->n_reacts; i++) {
		const char **u = arena_array(a, v[i].n_users + 1, const char *);
		for (size_t k = 0; k < v[i].n_users; k++)
			u[k] = fold_who(f, v[i].users[k]);
		v[i].users = u;
	}
	m->reacts = v;
}

/* How new a state is: text, edited, deleted; a place-holder for what a phone has not got is nothing. */
static int newness(const struct msg *m)
{
	if (m->kind == MSG_DELETED)
		return 3;
	if (fold_is_notice(m) && m->author)
		return 0;
	return m->edited_us ? 2 : 1;
}

bool fold_any_present(const struct msg *m)
{
	for (size_t i = 0; i < m->n_files; i++)
		if (m->files[i].state == FILE_PRESENT)
			return true;
	return false;
}

/* A file that the export lacks. */
int fold_lacking(const struct msg *m)
{
	return m->n_files && !fold_any_present(m) && m->files[0].state == FILE_GONE;
}

/* Takes from b into a what is newer or missing. True: a has changed. */
bool fold_words(struct fold *f, struct msg *a, const struct msg *b, bool differ)
{
	int na = newness(a), nb = newness(b);
	bool take = nb > na || (nb == na && nb == 2 && f->b_is_newer && differ);
	if (nb == na && nb == 1 && text_is_empty(&a->body) && !text_is_empty(&b->body))
		take = true; /* a caption that one of the phones leaves out */
	if (fold_is_notice(a) && fold_is_notice(b))
		take = !a->subtype && b->subtype; /* a language that is known beats one that is not */
	bool changed = false;
	if (take) {
		a->kind = b->kind;
		a->subtype = b->subtype;
		a->body = b->body;
		a->flags = b->flags;
		a->edited_us = b->edited_us;
		if (b->kind == MSG_DELETED)
			a->n_files = 0;
		changed = true;
		f->later += na > 0 && nb > na;
	}
	if (a->kind != MSG_DELETED && b->n_files && !fold_any_present(a) && (fold_any_present(b) || !a->n_files)) {
		f->media += fold_any_present(b);
		a->files = b->files;
		a->n_files = b->n_files;
		changed = true;
	}
	if (!a->n_reacts && b->n_reacts) {
		a->reacts = b->reacts;
		a->n_reacts = b->n_reacts;
		changed = true;
	}
	if (!a->author && b->author && !fold_is_notice(b)) {
		a->author = fold_who(f, b->author);
		changed = true;
	}
	return changed;
}
