/* archive_search.c: the texts for the search page, in pieces a browser can load one after the other from disk.
 *
 * A page opened from disk may not fetch(), but it may run scripts that lie beside it: each piece is a call with data. Format,
 * read by cli/page/archive-search.js:
 *   search/N.js      archive_shard(N,[[conversation,"page",[["anchor",author,"local time","text"],…]],…]); author: a number of
 *                    people in the index, or a name
 *   search/index.js  archive_index({"shards":N,"convs":[[number,"name","kind",first piece,last piece],…],"people":["name",…]});
 * A piece is about a mebibyte: 100,000 messages are some twenty. */
#include "cli/archive_int.h"

#include "core/canon.h"
#include "core/json.h"

#include <stdio.h>
#include <string.h>

enum { SHARD_BYTES = 1 << 20 };

static bool shard_end(struct site *s)
{
	char path[PATH_BYTES];
	struct sheet f;
	if (!s->shard.len)
		return true;
	buf_adds(&s->shard, "]]]);\n");
	snprintf(path, sizeof(path), "search/%lld.js", (long long)s->n_shards++);
	if (!sheet_open(&f, s->root, path, s->e))
		return false;
	f.bad = s->shard.full;
	buf_add(&f.b, s->shard.p, s->shard.len);
	buf_reset(&s->shard);
	s->shard_conv = NULL;
	return sheet_close(&f, s->e);
}

/* Mentions by the names the pages show. The record is ours until the next message. */
static void name_mentions(struct site *s, const struct msg *m)
{
	for (size_t i = 0; i < m->body.n_blocks; i++) {
		for (size_t k = 0; k < m->body.blocks[i].n_spans; k++) {
			struct span *sp = &m->body.blocks[i].spans[k];
			const struct author *w = sp->kind == SPAN_USER ? table_get(&s->authors, sp->ref) : NULL;
			const struct shelf *h = sp->kind == SPAN_CONV ? table_get(&s->shelves, sp->ref) : NULL;
			if (w)
				sp->text = w->name;
			else if (h && !h->left_out)
				sp->text = h->c.conv.name;
		}
	}
}

static void files_words(const struct msg *m, struct buf *out)
{
	for (size_t i = 0; i < m->n_files; i++) {
		if (out->len)
			buf_addc(out, '\n');
		buf_adds(out, m->files[i].name);
	}
}

bool search_add(struct site *s, struct shelf *h, const char *page, const struct msg *m)
{
	struct jw w;
	struct zoned z;
	char at[64];
	size_t num;
	buf_reset(&s->text);
	name_mentions(s, m);
	text_plaintext(&m->body, &s->text);
	files_words(m, &s->text);
	if (!s->text.len)
		return true;
	if (s->shard.len >= SHARD_BYTES && !shard_end(s))
		return false;
	bool fresh = !s->shard.len;
	if (fresh)
		buf_addf(&s->shard, "archive_shard(%lld,[", (long long)s->n_shards);
	if (h->shard_first > h->shard_last)
		h->shard_first = s->n_shards;
	h->shard_last = s->n_shards;
	if (fresh || s->shard_conv != h || !streq(s->shard_page, page)) {
		buf_addf(&s->shard, "%s[%lld,\"%s\",[", fresh ? "" : "]],\n", (long long)h->c.num, page);
		s->shard_conv = h;
		fmt_into(s->shard_page, sizeof(s->shard_page), "%s", page);
	} else {
		buf_addc(&s->shard, ',');
	}
	site_local(s, m->ts_us, &z);
	snprintf(at, sizeof(at), "%04d-%02d-%02d %02d:%02d", z.year, z.month, z.day, z.hour, z.minute);
	const char *name = site_author(s, m, &num);
	buf_adds(&s->shard, "[\"");
	site_anchor(m->id, &s->shard);
	buf_adds(&s->shard, "\",");
	jw_init(&w, &s->shard);
	if (num == SIZE_MAX)
		jw_str(&w, name);
	else
		jw_int(&w, (int64_t)num);
	jw_str(&w, at);
	jw_strn(&w, s->text.p, s->text.len);
	buf_addc(&s->shard, ']');
	return true;
}

bool search_end(struct site *s)
{
	struct sheet f;
	struct jw w;
	if (!shard_end(s) || !sheet_open(&f, s->root, "search/index.js", s->e))
		return false;
	buf_addf(&f.b, "archive_index({\"shards\":%lld,\"convs\":[", (long long)s->n_shards);
	bool first = true;
	for (size_t i = 0; i < s->n; i++) {
		const struct shelf *h = s->v[i];
		if (h->shard_first > h->shard_last)
			continue;
		buf_adds(&f.b, first ? "\n[" : ",\n[");
		first = false;
		jw_init(&w, &f.b);
		jw_int(&w, h->c.num);
		jw_str(&w, h->c.conv.name);
		jw_str(&w, conv_kind_name(h->c.conv.kind));
		jw_int(&w, h->shard_first);
		jw_int(&w, h->shard_last);
		buf_addc(&f.b, ']');
		if (sheet_full(&f))
			sheet_flush(&f);
	}
	buf_adds(&f.b, "],\"people\":[");
	jw_init(&w, &f.b);
	for (size_t i = 0; i < s->n_people; i++) {
		jw_str(&w, s->people[i]->name);
		if (sheet_full(&f))
			sheet_flush(&f);
	}
	buf_adds(&f.b, "]});\n");
	return sheet_close(&f, s->e);
}
