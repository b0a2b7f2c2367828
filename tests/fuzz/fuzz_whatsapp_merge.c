/* Any bytes as two or three phones' transcripts of one chat (a byte FF parts them), put together in the spool: no crash; every
 * message read is stored or merged; ids are unique. What was written keeps its id, time and words: when all of it was, read again nothing
 * changes; when a part of it was; and when all but the last phone's export was, and that is added now. */
#include "core/arena.h"
#include "core/table.h"
#include "core/text.h"
#include "importers/importer.h"
#include "replay/align.h"
#include "replay/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
#endif

enum { PHONES = 3, KEYS = 4000 };
struct key { char conv[300], id[80]; int64_t ts_us; uint64_t words; bool later; };
struct keys { struct key *v; size_t n; };

static bool past_conv(void *ctx, const char *conv_id, bool (*put)(void *to, int64_t ts_us, const char *id), void *to)
{
	const struct keys *k = ctx;
	for (size_t i = 0; i < k->n; i++)
		if (streq(k->v[i].conv, conv_id) && !put(to, k->v[i].ts_us, k->v[i].id))
			return false;
	return true;
}

struct walk { struct spool *s; struct keys *keys; struct table ids; struct arena a; };

/* What somebody said, as align.h sees it; later: it may be another version's. */
static void note_words(struct spool_walk *sw, struct key *k)
{
	struct arena a;
	struct msg m;
	struct err e = ERR_INIT;
	struct align_words w = { 0 };
	arena_init(&a);
	if (!spool_walk_body(sw, &a, &m, &e))
		abort();
	k->later = m.kind != MSG_TEXT || m.edited_us;
	for (size_t i = 0; i < m.body.n_blocks; i++)
		for (size_t n = 0; n < m.body.blocks[i].n_spans && !text_is_quoted(&m.body.blocks[i]); n++)
			if (m.body.blocks[i].spans[n].kind == SPAN_USER)
				align_words_mention(&w);
			else
				align_words_add(&w, m.body.blocks[i].spans[n].text, strlen(m.body.blocks[i].spans[n].text));
	k->words = w.mention ? 0 : w.h;
	arena_release(&a);
}

static bool conv(void *ctx, const struct spool_conv *c)
{
	struct walk *w = ctx;
	struct spool_meta m;
	struct spool_walk *sw = spool_walk(w->s, c->num, SPOOL_ALL, NULL, 0, NULL);
	int64_t n = 0;
	while (spool_walk_next(sw, &m)) {
		const char *id = arena_fmt(&w->a, "%s %s", c->conv.id, m.id);
		if (table_put(&w->ids, id, w))
			abort(); /* an id twice in one conversation */
		n++;
		if (w->keys->n < KEYS) {
			struct key *k = &w->keys->v[w->keys->n++];
			fmt_into(k->conv, sizeof(k->conv), "%s", c->conv.id);
			fmt_into(k->id, sizeof(k->id), "%s", m.id);
			k->ts_us = m.ts_us;
			note_words(sw, k);
		}
	}
	spool_walk_end(sw);
	if (n != c->n_msgs)
		abort();
	return true;
}

static bool build(const char *dir, size_t phones, struct keys *past, struct keys *out)
{
	struct err e = ERR_INIT;
	char path[300], db[300];
	fmt_into(db, sizeof(db), "%s/spool.db", dir);
	struct spool *s = spool_open(db, SPOOL_BUILD, &e);
	bool ok = s != NULL;
	for (size_t i = 0; ok && i < phones; i++) {
		uint8_t digest[DIGEST_BYTES] = { (uint8_t)i };
		struct sink sink;
		struct arena step;
		const char *const options[] = { i == 1 ? "zone=Europe/Berlin" : "zone=UTC", "date-order=dmy", NULL };
		fmt_into(path, sizeof(path), "%s/%zu", dir, i);
		struct vault *v = vault_open(path, NULL, NULL, &e);
		struct source *src = v ? importer_whatsapp.open(v, options, &e) : NULL;
		if (src && spool_archive_begin(s, path, "whatsapp", "whatsapp", digest, &e)) {
			spool_sink(s, &sink);
			arena_init(&step);
			importer_whatsapp.walk(src, &sink, &step, &e);
			arena_release(&step);
		}
		if (src)
			importer_whatsapp.close(src);
		vault_close(v);
		err_clear(&e);
	}
	if (past)
		spool_set_past(s, &(struct spool_past){ past_conv, past });
	if (!ok || !spool_finish(s, &e))
		abort();
	spool_close(s);
	s = spool_open(db, SPOOL_READ, &e);
	if (!s)
		abort();
	struct spool_counts c;
	spool_count(s, &c);
	if (c.read != c.stored + c.merged)
		abort();
	struct walk w = { .s = s, .keys = out };
	table_init(&w.ids);
	arena_init(&w.a);
	out->n = 0;
	if (!spool_convs(s, &w.a, conv, &w, &e) || (int64_t)w.ids.n != c.stored)
		abort();
	table_release(&w.ids);
	arena_release(&w.a);
	spool_close(s);
	unlink(db);
	return true;
}

static void broken(const char *what, const struct key *k)
{
	fprintf(stderr, "%s: %s %s at %lld\n", what, k->conv, k->id, (long long)k->ts_us);
	abort();
}

/* Everything that was written is still there, under its id, at its time, with its words. */
static void still_there(const struct keys *old, const struct keys *now)
{
	struct table t;
	struct arena a;
	arena_init(&a);
	table_init(&t);
	for (size_t i = 0; i < now->n; i++)
		table_put(&t, arena_fmt(&a, "%s %s", now->v[i].conv, now->v[i].id), &now->v[i]);
	for (size_t i = 0; i < old->n; i++) {
		const struct key *x = &old->v[i], *k = table_get(&t, arena_fmt(&a, "%s %s", x->conv, x->id));
		if (!k && now->n == KEYS)
			continue; /* not looked at */
		if (!k)
			broken("gone", x);
		if (k->ts_us != x->ts_us)
			broken("at another time", x);
		if (x->words && k->words && !x->later && !k->later && x->words != k->words)
			broken("other words", x);
	}
	table_release(&t);
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/tmp/mvchat-fuzz-XXXXXX", path[PHONES][300], sub[300];
	size_t phones = 0;
	if (size < 2 || size > 200000 || !mkdtemp(dir))
		return 0;
	for (const uint8_t *p = data, *end = data + size; phones < PHONES && p < end; phones++) {
		const uint8_t *cut = memchr(p, 0xff, (size_t)(end - p)), *stop = cut ? cut : end;
		fmt_into(sub, sizeof(sub), "%s/%zu", dir, phones);
		fmt_into(path[phones], sizeof(path[phones]), "%s/%zu/WhatsApp Chat with X.txt", dir, phones);
		FILE *f = mkdir(sub, 0700) == 0 ? fopen(path[phones], "wb") : NULL;
		if (!f)
			abort();
		fwrite(p, 1, (size_t)(stop - p), f);
		fclose(f);
		p = stop + 1;
	}
	struct keys a = { calloc(KEYS, sizeof(struct key)), 0 }, b = { calloc(KEYS, sizeof(struct key)), 0 };
	unsigned turn = 7; /* all of them; when exploring one, for speed */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
	turn = 1u << hash64(data, size, 0) % 3;
#endif
	if (turn & 3)
		build(dir, phones, NULL, &a);
	if (turn & 1) {
		build(dir, phones, &a, &b); /* all of it written: nothing may move */
		for (size_t i = 0; i < a.n || i < b.n; i++)
			if (i >= a.n || i >= b.n || memcmp(&a.v[i], &b.v[i], sizeof(*a.v)) != 0)
				broken("not the same when all is written", i < a.n ? &a.v[i] : &b.v[i]);
	}
	if (turn & 2) {
		size_t some = 0; /* a part of it: until the run was killed, and without notices, as a mapping may say */
		for (size_t i = 0; i < a.n * 2 / 3; i++)
			if (!a.v[i].later)
				a.v[some++] = a.v[i];
		a.n = some;
		build(dir, phones, &a, &b);
		still_there(&a, &b);
	}
	if (turn & 4 && phones > 1) { /* one more phone */
		build(dir, phones - 1, NULL, &a);
		build(dir, phones, &a, &b);
		still_there(&a, &b);
	}
	free(a.v);
	free(b.v);
	for (size_t i = 0; i < phones; i++) {
		unlink(path[i]);
		fmt_into(sub, sizeof(sub), "%s/%zu", dir, i);
		rmdir(sub);
	}
	rmdir(dir);
	return 0;
}

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION

/* What phones differ in is lines: one is left out, comes twice, moves, is on the other phone too, has another time. */
static uint32_t next(uint32_t *state, size_t n)
{
	*state = *state * 1664525u + 1013904223u;
	return (uint32_t)((*state >> 8) % n);
}

/* The beginning of a line, and its length with its end. */
static size_t line_at(const uint8_t *data, size_t size, uint32_t *state, size_t *len)
{
	size_t at = next(state, size), end;
	while (at && data[at - 1] != '\n' && data[at - 1] != 0xff)
		at--;
	for (end = at; end < size && data[end] != '\n' && data[end] != 0xff; end++)
		;
	end += end < size && data[end] == '\n';
	*len = end - at;
	return at;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	uint32_t state = seed;
	uint8_t line[1024];
	if (size < 20 || next(&state, 5) == 0)
		return LLVMFuzzerMutate(data, size, max);
	for (uint32_t times = 1 + next(&state, 4); times && size > 20; times--) {
		size_t len, to_len, at = line_at(data, size, &state, &len), to;
		uint32_t how = next(&state, 8);
		if (!len || len > sizeof(line))
			continue;
		memcpy(line, data + at, len);
		if (how < 2 || how == 7) { /* left out; moved */
			memmove(data + at, data + at + len, size - at - len);
			size -= len;
		}
		if (how < 2)
			continue;
		if (how == 6) { /* another digit of its time */
			size_t k = next(&state, len < 20 ? len : 20);
			if (line[k] >= '0' && line[k] <= '9')
				data[at + k] = (uint8_t)('0' + next(&state, 6));
			continue;
		}
		to = line_at(data, size, &state, &to_len); /* once more, anywhere */
		if (size + len > max)
			continue;
		memmove(data + to + len, data + to, size - to);
		memcpy(data + to, line, len);
		size += len;
	}
	return size;
}

#endif
