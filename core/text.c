/* text.c: building rich text, and reducing it to its words.
 *
 * Promises: everything lives in the builder's arena; nothing fails. A finished text has no block that shows nothing (rules
 * excepted), no two neighbouring spans that could be one, and no blank edges. Importers build; canon.c reads back; exporters
 * only look. It knows no markup of any messenger.
 */
#include "core/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *given(const char *s)
{
	return s ? s : "";
}

void text_begin(struct text_builder *b, struct arena *a)
{
	*b = (struct text_builder){ .a = a };
}

struct block *text_block(struct text_builder *b, enum block_kind kind)
{
	ARENA_GROW(b->a, b->blocks, b->n, b->cap, 4);
	struct block *last = &b->blocks[b->n++];
	*last = (struct block){ .kind = kind, .quote = b->quote };
	b->span_cap = 0;
	return last;
}

void text_span(struct text_builder *b, enum span_kind kind, uint32_t style, const char *text, const char *ref, const char *url)
{
	struct block *last = b->n ? &b->blocks[b->n - 1] : text_block(b, BLOCK_PARA);
	if (last->n_spans == b->span_cap) {
		size_t cap = b->span_cap ? 2 * b->span_cap : 2;
		struct span *spans = arena_alloc(b->a, cap * sizeof(*spans));
		if (last->n_spans)
			memcpy(spans, last->spans, last->n_spans * sizeof(*spans));
		last->spans = spans;
		b->span_cap = cap;
	}
	last->spans[last->n_spans++] = (struct span){ kind, style, given(text), given(ref), given(url) };
}

void text_plain(struct text_builder *b, uint32_t style, const char *s, size_t n)
{
	if (n)
		text_span(b, SPAN_TEXT, style, arena_strndup(b->a, s, n), NULL, NULL);
}

/* ---- finishing ---- */

/* Neighbouring text of one style, and the pieces of one link that a source cut in two, become one span. */
static bool can_join(const struct span *a, const struct span *b)
{
	if (a->kind != b->kind || a->style != b->style)
		return false;
	return a->kind == SPAN_TEXT || (a->kind == SPAN_LINK && streq(a->url, b->url) && *a->text && *b->text);
}

static void join_spans(struct arena *a, struct block *k)
{
	size_t out = 0;
	for (size_t i = 0; i < k->n_spans;) {
		size_t end = i + 1, len = strlen(k->spans[i].text);
		while (end < k->n_spans && can_join(&k->spans[i], &k->spans[end]))
			len += strlen(k->spans[end++].text);
		struct span joined = k->spans[i];
		if (end - i > 1) {
			char *p = arena_alloc(a, len + 1), *w = p;
			for (size_t j = i; j < end; j++) {
				size_t n = strlen(k->spans[j].text);
				memcpy(w, k->spans[j].text, n);
				w += n;
			}
			*w = '\0';
			joined.text = p;
		}
		i = end;
		if (joined.kind != SPAN_TEXT || *joined.text)
			k->spans[out++] = joined;
	}
	k->n_spans = out;
}

static bool is_blank(const char *s)
{
	return s[strspn(s, " \t\r\n")] == '\0';
}

static bool shows_something(const struct block *k)
{
	if (k->kind == BLOCK_RULE)
		return true;
	for (size_t i = 0; i < k->n_spans; i++)
		if (k->spans[i].kind != SPAN_CELL && (k->spans[i].kind != SPAN_TEXT || !is_blank(k->spans[i].text)))
			return true;
	return false;
}

/* Whole blank lines before the first word go; what stands on its line before it (indentation) stays. */
static void trim_front(struct block *k)
{
	size_t drop = 0;
	for (; drop < k->n_spans && k->spans[drop].kind == SPAN_TEXT; drop++) {
		const char *s = k->spans[drop].text, *start = s + strspn(s, " \t\r\n");
		if (*start) {
			while (start > s && start[-1] != '\n')
				start--;
			k->spans[drop].text = start;
			break;
		}
		/* Blank throughout: it goes up to its last line end, or altogether. */
		const char *nl = strrchr(s, '\n');
		if (!nl)
			break;
		if (nl[1]) {
			k->spans[drop].text = nl + 1;
			break;
		}
	}
	if (drop) {
		k->spans += drop;
		k->n_spans -= drop;
	}
}

static void trim_back(struct arena *a, struct block *k)
{
	while (k->n_spans && k->spans[k->n_spans - 1].kind == SPAN_TEXT) {
		struct span *last = &k->spans[k->n_spans - 1];
		size_t n = strlen(last->text), keep = n;
		while (keep && strchr(" \t\r\n", last->text[keep - 1]))
			keep--;
		if (keep == n)
			return;
		if (keep) {
			last->text = arena_strndup(a, last->text, keep);
			return;
		}
		k->n_spans--;
	}
}

struct text text_end(struct text_builder *b)
{
	size_t out = 0;
	for (size_t i = 0; i < b->n; i++) {
		struct block k = b->blocks[i];
		join_spans(b->a, &k);
		if (k.kind != BLOCK_RULE && !shows_something(&k))
			continue;
		if (k.kind == BLOCK_RULE) {
			k.spans = NULL;
			k.n_spans = 0;
		} else if (k.kind == BLOCK_CODE) {
			trim_front(&k);
			trim_back(b->a, &k);
		}
		b->blocks[out++] = k;
	}
	if (out && b->blocks[0].kind != BLOCK_CODE && b->blocks[0].kind != BLOCK_ROW)
		trim_front(&b->blocks[0]);
	if (out && b->blocks[out - 1].kind != BLOCK_CODE && b->blocks[out - 1].kind != BLOCK_ROW)
		trim_back(b->a, &b->blocks[out - 1]);
	struct text t = { b->blocks, out };
	b->n = out;
	b->span_cap = out ? b->blocks[out - 1].n_spans : 0; /* going on after text_end is allowed: the last block is full */
	return t;
}

/* ---- reading ---- */

bool text_is_empty(const struct text *t)
{
	for (size_t i = 0; i < t->n_blocks; i++)
		if (shows_something(&t->blocks[i]))
			return false;
	return true;
}

static void words_of(const struct span *s, struct buf *out)
{
	switch (s->kind) {
	case SPAN_TEXT:
		buf_adds(out, s->text);
		break;
	case SPAN_LINK:
	case SPAN_MSG:
		buf_adds(out, *s->text ? s->text : *s->url ? s->url : s->ref);
		break;
	case SPAN_USER:
	case SPAN_GROUP: {
		const char *label = *s->text ? s->text : s->ref;
		if (*label != '@')
			buf_addc(out, '@');
		buf_adds(out, label);
		break;
	}
	case SPAN_CONV: {
		const char *label = *s->text ? s->text : s->ref;
		if (*label != '#')
			buf_addc(out, '#');
		buf_adds(out, label);
		break;
	}
	case SPAN_BROADCAST:
		buf_addc(out, '@');
		buf_adds(out, s->ref);
		break;
	case SPAN_EMOJI:
		if (*s->text) {
			buf_adds(out, s->text);
		} else {
			buf_addc(out, ':');
			buf_adds(out, s->ref);
			buf_addc(out, ':');
		}
		break;
	case SPAN_DATE:
		buf_adds(out, *s->text ? s->text : s->ref);
		break;
	case SPAN_CELL:
		buf_addc(out, '\t');
		break;
	case SPAN_CALL:
		text_call(s, TEXT_ENGLISH, out);
		break;
	}
}

void text_call(const struct span *s, enum text_lang lang, struct buf *out)
{
	const bool ru = lang == TEXT_RUSSIAN;
	char *end;
	const long minutes = strtol(s->ref, &end, 10), people = *end == '/' ? strtol(end + 1, NULL, 10) : 0;
	buf_adds(out, ru ? "Звонок" : "Call");
	if (*s->text)
		buf_addf(out, ": %s", s->text);
	if (minutes > 0 && minutes < LONG_MAX)
		buf_addf(out, ru ? ", %ld мин" : ", %ld min", minutes);
	if (people > 0 && people < LONG_MAX)
		buf_addf(out, ru ? ", участников: %ld" : people == 1 ? ", %ld participant" : ", %ld participants", people);
}

void text_plaintext(const struct text *t, struct buf *out)
{
	for (size_t i = 0; i < t->n_blocks; i++) {
		if (i)
			buf_addc(out, '\n');
		for (size_t j = 0; j < t->blocks[i].n_spans; j++)
			words_of(&t->blocks[i].spans[j], out);
	}
}

struct text text_from_plain(struct arena *a, const char *s)
{
	struct text_builder b;
	text_begin(&b, a);
	text_plain(&b, 0, s, strlen(s));
	return text_end(&b);
}
