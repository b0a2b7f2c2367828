/* source_view.c: message of the target → ledger row → message of the spool, as one JSON object. Called by the sandbox's page
 * through sandbox_args.source, on its thread. It shows the archive's own words: author, time, text, files, reactions. */
#include "cli/source_view.h"

#include "cli/i18n.h"
#include "core/canon.h"
#include "core/json.h"
#include "exporters/exporter.h"
#include "replay/ledger.h"
#include "replay/spool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TEXT_MAX = 64 << 10, WHO_MAX = 12 /* names of one reaction */ };

struct seen_file { dev_t dev; ino_t ino; };
struct source_view {
	char *ledger_path, *spool_path, *state;
	struct seen_file ledger_file, spool_file; /* what is open */
	struct ledger *ledger;
	struct spool *spool;
	char address[64];  /* how this sandbox stands in a ledger's bond */
};

struct source_view *source_view_new(const char *project_dir)
{
	struct source_view *v = xcalloc(1, sizeof(*v));
	struct arena a;
	arena_init(&a);
	v->state = xstrdup(arena_fmt(&a, "%s/.mvchat", project_dir));
	v->ledger_path = xstrdup(arena_fmt(&a, "%s/ledger.db", v->state));
	v->spool_path = xstrdup(arena_fmt(&a, "%s/spool.db", v->state));
	arena_release(&a);
	return v;
}

void source_view_free(struct source_view *v)
{
	if (!v)
		return;
	ledger_close(v->ledger);
	spool_close(v->spool);
	free(v->ledger_path);
	free(v->spool_path);
	free(v->state);
	free(v);
}

void source_view_port(struct source_view *v, int port)
{
	fmt_into(v->address, sizeof(v->address), "//127.0.0.1:%d/", port);
}

/* Is the file another than the one that is open? A database that is written to keeps its inode; a spool is made anew. */
static bool moved(const char *path, struct seen_file *known)
{
	struct stat st;
	struct seen_file now = { 0 };
	if (stat(path, &st) == 0)
		now = (struct seen_file){ .dev = st.st_dev, .ino = st.st_ino };
	bool other = now.dev != known->dev || now.ino != known->ino;
	*known = now;
	return other;
}

static bool at_hand(struct source_view *v)
{
	struct err e = ERR_INIT;
	if (moved(v->ledger_path, &v->ledger_file)) {
		ledger_close(v->ledger);
		v->ledger = v->ledger_file.ino ? ledger_open(v->state, LEDGER_READ, &e) : NULL;
	}
	if (moved(v->spool_path, &v->spool_file) || !v->spool) {
		spool_close(v->spool); /* one that is being built is not there yet: asked again next time */
		v->spool = v->spool_file.ino ? spool_open(v->spool_path, SPOOL_READ, &e) : NULL;
	}
	return v->ledger && v->spool;
}

/* ---- the words ---- */

static const char *name_of(struct source_view *v, const char *user, struct arena *a)
{
	struct user u;
	return user && spool_user(v->spool, user, a, &u) ? u.name : user;
}

static void span_words(struct source_view *v, const struct span *s, struct arena *a, struct buf *out)
{
	switch (s->kind) {
	case SPAN_USER:
		buf_addf(out, "@%s", *s->ref ? name_of(v, s->ref, a) : s->text);
		break;
	case SPAN_CONV: {
		struct spool_conv c;
		buf_addf(out, "#%s", *s->ref && spool_conv(v->spool, s->ref, a, &c) ? c.conv.name : s->text);
		break;
	}
	case SPAN_BROADCAST:
		buf_addf(out, "@%s", s->ref);
		break;
	case SPAN_EMOJI:
		buf_addf(out, *s->text ? "%s" : ":%s:", *s->text ? s->text : s->ref);
		break;
	case SPAN_LINK: case SPAN_MSG:
		buf_adds(out, *s->text ? s->text : s->url);
		if (*s->text && *s->url && !streq(s->text, s->url))
			buf_addf(out, " (%s)", s->url);
		break;
	case SPAN_CELL:
		buf_addc(out, '\t');
		break;
	case SPAN_CALL:
		text_call(s, streq(i18n_lang(), "ru") ? TEXT_RUSSIAN : TEXT_ENGLISH, out);
		break;
	case SPAN_TEXT: case SPAN_GROUP: case SPAN_DATE:
		buf_adds(out, s->text);
		break;
	}
}

static void words(struct source_view *v, const struct text *t, struct arena *a, struct buf *out)
{
	for (size_t i = 0; i < t->n_blocks; i++) {
		const struct block *b = &t->blocks[i];
		if (i)
			buf_addc(out, '\n');
		for (int q = 0; q < b->quote && q < 8; q++)
			buf_adds(out, "> ");
		for (int q = 0; q < b->indent && q < 16; q++)
			buf_adds(out, "  ");
		if (b->kind == BLOCK_ITEM && b->ordinal > 0)
			buf_addf(out, "%d. ", b->ordinal);
		else if (b->kind == BLOCK_ITEM)
			buf_adds(out, "• ");
		else if (b->kind == BLOCK_RULE)
			buf_adds(out, "———");
		for (size_t k = 0; k < b->n_spans && !out->full; k++)
			span_words(v, &b->spans[k], a, out);
	}
}

static void put_msg(struct source_view *v, const struct msg *m, struct arena *a, struct jw *w)
{
	struct buf text;
	buf_init(&text, TEXT_MAX); /* what is longer is cut: the page is for comparing with the eye */
	words(v, &m->body, a, &text);
	jw_kstr(w, "author", m->author_name ? m->author_name : name_of(v, m->author, a));
	jw_kint(w, "time_us", m->ts_us);
	jw_kint(w, "grain_s", m->grain_s);
	jw_kstr(w, "kind", msg_kind_name(m->kind));
	jw_kstr(w, "text", text.p);
	buf_release(&text);
	jw_kbool(w, "edited", m->edited_us != 0);
	jw_key(w, "files");
	jw_arr(w);
	for (size_t i = 0; i < m->n_files; i++) {
		jw_obj(w);
		jw_kstr(w, "name", m->files[i].name);
		jw_kint(w, "size", m->files[i].size);
		jw_kstr(w, "state", file_state_name(m->files[i].state));
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_key(w, "reactions");
	jw_arr(w);
	for (size_t i = 0; i < m->n_reacts; i++) {
		const struct react *r = &m->reacts[i];
		jw_obj(w);
		jw_kstr(w, "name", r->name);
		jw_kstr(w, "emoji", r->emoji);
		jw_kint(w, "n", r->count);
		jw_key(w, "who");
		jw_arr(w);
		for (size_t k = 0; k < r->n_users && k < WHO_MAX; k++)
			jw_str(w, name_of(v, r->users[k], a));
		jw_arr_end(w);
		jw_obj_end(w);
	}
	jw_arr_end(w);
}

/* ---- one message ---- */

/* What was lost in writing it, as it stands now: an edit says it anew. */
static uint32_t losses(struct source_view *v, const struct ledger_row *post)
{
	uint32_t loss = post->loss;
	struct ledger_row row;
	struct ledger_walk *walk = ledger_walk_record(v->ledger, post->key.conv, post->key.ts_us, post->key.id);
	while (ledger_walk_next(walk, &row))
		if (row.key.kind == OP_EDIT && row.key.part == post->key.part && row.state == OP_DONE)
			loss = row.loss;
	ledger_walk_end(walk);
	return loss;
}

bool source_view_tell(void *ctx, const char *message, struct jw *w)
{
	struct source_view *v = ctx;
	struct arena a;
	struct ledger_row row;
	struct spool_conv conv;
	struct msg m;
	struct spool_meta meta;
	struct err e = ERR_INIT;
	arena_init(&a);
	bool ok = at_hand(v) && strstr(ledger_bonded(v->ledger, &a), v->address) && ledger_find_post(v->ledger, message, &a, &row);
	if (ok) {
		const char *name = ledger_conv_name(v->ledger, row.key.conv, &a);
		bool known = name && spool_conv(v->spool, name, &a, &conv);
		jw_obj(w);
		jw_kstr(w, "message", message);
		jw_kstr(w, "conv", known ? conv.conv.name : name);
		jw_kstr(w, "conv_kind", known ? conv_kind_name(conv.conv.kind) : NULL);
		jw_kstr(w, "id", row.key.id);
		jw_kint(w, "part", row.key.part);
		jw_key(w, "losses");
		jw_arr(w);
		uint32_t loss = losses(v, &row);
		for (int i = 0; i < N_LOSS; i++)
			if (loss & 1u << i)
				jw_str(w, loss_name((enum loss)(1u << i)));
		jw_arr_end(w);
		if (known && spool_msg(v->spool, conv.num, row.key.ts_us, row.key.id, &a, &m, &meta, &e)) {
			jw_kbool(w, "reply", m.parent != NULL);
			put_msg(v, &m, &a, w);
		} else {
			jw_kbool(w, "missing", true); /* the archives at hand do not hold it (any more), or we wrote it ourselves */
		}
		jw_obj_end(w);
	}
	arena_release(&a);
	return ok;
}
