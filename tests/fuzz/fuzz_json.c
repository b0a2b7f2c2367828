/* Any bytes as JSON. Byte 0 seeds the cutting, the rest is the document. Properties:
 *  - reading it in pieces gives what reading it whole gives;
 *  - a tree written out is read as the same tree;
 *  - strings are valid UTF-8;
 *  - jansson and we agree on what is JSON and on what it says, but for what is ours by decision (repairs, byte order mark, depth, big numbers). */
#include "core/json.h"
#include "core/utf8.h"
#include "tests/conform/oracle.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WHOLE_DEPTH = 128 };

#define CHECK(x) do { if (!(x)) die("property does not hold: %s", #x); } while (0)

static void put_tree(const struct jv *v, struct jw *w)
{
	switch (v->type) {
	case JV_NULL:
		jw_null(w);
		break;
	case JV_BOOL:
		jw_bool(w, v->b);
		break;
	case JV_NUM:
		jw_null(w); /* for the comma; the digits take its place */
		buf_cut(w->out, w->out->len - 4);
		buf_add(w->out, v->s, v->len);
		break;
	case JV_STR:
		CHECK(utf8_valid(v->s, v->len) && v->s[v->len] == '\0');
		jw_strn(w, v->s, v->len);
		break;
	case JV_ARR:
		jw_arr(w);
		jv_each(v, it)
			put_tree(it, w);
		jw_arr_end(w);
		break;
	case JV_OBJ:
		jw_obj(w);
		jv_each(v, it) {
			CHECK(utf8_valid(it->key, strlen(it->key)));
			jw_key(w, it->key);
			put_tree(it, w);
		}
		jw_obj_end(w);
		break;
	}
}

struct pieces { const uint8_t *p; size_t n; uint32_t seed; };

static ptrdiff_t read_piece(void *ctx, char *dst, size_t n, struct err *e)
{
	struct pieces *s = ctx;
	(void)e;
	s->seed = s->seed * 1664525u + 1013904223u;
	size_t k = s->seed % 7 ? 1 + (s->seed >> 8) % 40 : n;
	k = k < n ? k : n;
	k = k < s->n ? k : s->n;
	memcpy(dst, s->p, k);
	s->p += k;
	s->n -= k;
	return (ptrdiff_t)k;
}

struct got { struct jw w; size_t n, bad, line; };

static bool one(void *ctx, const struct jv *v, size_t index, size_t line)
{
	struct got *g = ctx;
	CHECK(index == g->n + g->bad && line >= g->line);
	g->line = line;
	g->n++;
	put_tree(v, &g->w);
	return true;
}

static bool bad(void *ctx, const struct err *e, size_t index, size_t line)
{
	struct got *g = ctx;
	CHECK(e->code == ERR_RECORD && index == g->n + g->bad && line >= g->line);
	g->line = line;
	g->bad++;
	return true;
}

static void check_oracle(const char *s, size_t n, const struct jv *ours, const struct err *e, size_t repaired)
{
	json_error_t je;
	if (n && memchr(s, '\0', n))
		return; /* jansson 2.14 takes a NUL behind a number for the end of the text */
	json_t *theirs = json_loadb(s, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &je);
	if (theirs && !ours)
		CHECK(strstr(e->msg, "deeper"));
	const bool odd_space = memchr(s, '\v', n) || memchr(s, '\f', n); /* yajl takes both for space */
	if (!theirs && ours && !odd_space && !repaired && utf8_valid(s, n) && !(n >= 3 && !memcmp(s, "\xef\xbb\xbf", 3)))
		CHECK(json_error_code(&je) == json_error_numeric_overflow || json_error_code(&je) == json_error_null_byte_in_key);
	/* json_error_code tells nothing where it succeeded; what was repaired is ours alone. */
	if (theirs && ours && !odd_space && !repaired && utf8_valid(s, n))
		oracle_same(ours, theirs);
	json_decref(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a, step;
	struct buf whole, pieces;
	struct err e = ERR_INIT, se = ERR_INIT;
	if (size < 1 || size > 1 << 20)
		return 0;
	const char *s = (const char *)data + 1;
	const size_t n = size - 1;
	arena_init(&a);
	arena_init(&step);
	buf_init(&whole, 16 << 20);
	buf_init(&pieces, 16 << 20);
	struct jw w;
	const struct jv *v = jv_parse(&a, s, n, &e);
	const bool list = v && v->type == JV_ARR;

	struct pieces src = { (const uint8_t *)s, n, data[0] };
	struct got got = { .n = 0 };
	jw_init(&got.w, &pieces);
	struct json_elements r = {
		.read = read_piece, .read_ctx = &src, .max_element = 1 << 28, .max_depth = list ? WHOLE_DEPTH - 1 : WHOLE_DEPTH, .step = &step,
		.each = one, .bad = bad, .ctx = &got,
	};
	const bool ok = json_elements(&r, &se);
	CHECK(ok || (se.code == ERR_ARCHIVE && !strncmp(se.where, "line ", 5)));
	check_oracle(s, n, v, &e, r.n_replaced);
	if (v) {
		CHECK(ok && !got.bad);
		jw_init(&w, &whole);
		if (list) {
			jv_each(v, it)
				put_tree(it, &w);
			CHECK(got.n == v->n);
		} else {
			put_tree(v, &w);
			CHECK(got.n == 1);
		}
		CHECK(whole.len == pieces.len && !memcmp(whole.p, pieces.p, whole.len));

		buf_reset(&whole);
		buf_reset(&pieces);
		jw_init(&w, &whole);
		put_tree(v, &w);
		const struct jv *again = jv_parse(&a, whole.p, whole.len, &e);
		CHECK(again);
		jw_init(&w, &pieces);
		put_tree(again, &w);
		CHECK(whole.len == pieces.len && !memcmp(whole.p, pieces.p, whole.len));
	} else {
		CHECK(e.code == ERR_RECORD && e.msg[0]);
		CHECK(!ok || strstr(e.msg, "deeper"));
	}
	buf_release(&whole);
	buf_release(&pieces);
	arena_release(&a);
	arena_release(&step);
	return 0;
}
