/* json_parse.c: JSON text into trees, whole (jv_parse) or one array element at a time (json_elements).
 *
 * Promises: memory stays flat whatever the file's size: a tree is bounded by max_element, a single string too long to be kept
 * is cut while it is read, and nesting is bounded. Trees hold valid UTF-8 only: a byte that is none, and an escaped surrogate
 * without its partner, become U+FFFD; U+0000 in a key does too (keys have no length). Nothing recurses over foreign data.
 *
 * yajl (2.1) finds the tokens, but for those of ordinary whole documents and small files (json_quick.c). It alters lone surrogates
 * silently ("?" or three bytes that are no UTF-8), does not care for UTF-8 when told so (else it stops at the first bad byte), and
 * collects an unfinished token without limit (it also takes U+000B and U+000C for space, which is let be). So escapes are looked
 * over before it gets them (json_escape.c), and strings are checked when they are kept.
 */
#include "core/json.h"

#include "core/json_escape.h"
#include "core/json_quick.h"
#include "core/swar.h"
#include "core/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

enum {
	CHUNK = 112 * 1024,          /* most files of an archive are smaller; malloc maps nothing anew for it */
	HELD_MAX = 16,               /* bytes kept back at a chunk's end: an unfinished escape */
	NEST_MAX = 1000 * 1000,      /* brackets open at once, even in what is skipped; yajl keeps one byte for each */
	NUMBER_MAX = 1024 * 1024,    /* bytes of a single number or word */
	SKIP_MAX = 64,
	TREE_MAX = 128 * 1024 * 1024, /* bytes of a whole document's tree: a value of three bytes takes 72, and the text comes from a server */
};

/* ---- yajl's events into a tree ---- */

enum fault { FAULT_NONE, FAULT_BIG, FAULT_DEEP };

struct frame { struct jv *node, *last; };

struct reader {
	yajl_handle yajl;
	struct arena *arena;
	struct json_elements *el; /* NULL: jv_parse, the whole document is one element */
	struct frame *frames;     /* open containers of the tree; `depth_max` of them */
	size_t depth_max, size_max;

	size_t nest;              /* brackets open */
	size_t base;              /* brackets around the elements: 1 inside the top-level array, else 0 */
	bool begun;               /* the first token has been seen */
	struct jv *root;          /* of the current element */
	struct jv *pending;       /* has its key, waits for its value */
	bool skip_next;           /* the value of the key just seen is not wanted */
	size_t skip_nest;         /* > 0: inside an unwanted container that opened at this nesting */
	enum fault fault;         /* of the current element: nothing more of it is built */
	bool cut;                 /* the token that ends next has lost its middle */
	bool too_nested;
	bool done;                /* the document is complete: only space may follow */
	bool trailing;            /* something else did */
	size_t index, line;       /* of the current element */
	size_t told;              /* elements that json_quick.c has told already */
	size_t events;            /* so far */
	size_t after_event;       /* offset in the chunk behind the last event */

	const char *chunk;        /* what yajl is reading now */
	size_t counted, lines;    /* line ends before chunk + counted */
	struct buf repaired;      /* a string whose bytes are not all UTF-8 */

	uint64_t skip_marks;      /* the bits mark_of() says of skip[]: most keys can be told from them by these */
	size_t n_skip;
	struct { const char *s; size_t len; } skip[SKIP_MAX];
};

static void fail(struct reader *r, enum fault fault)
{
	r->fault = fault;
	r->root = r->pending = NULL;
	if (r->el)
		arena_reset(r->arena);
}

static size_t line_here(struct reader *r)
{
	size_t at = yajl_get_bytes_consumed(r->yajl);
	if (at > r->counted) {
		r->lines += swar_lines(r->chunk + r->counted, at - r->counted);
		r->counted = at;
	}
	return r->lines + 1;
}

static void element_begins(struct reader *r)
{
	r->begun = true;
	if (!r->el)
		return;
	r->fault = FAULT_NONE;
	r->root = r->pending = NULL;
	r->line = line_here(r);
	arena_reset(r->arena);
}

static int element_ends(struct reader *r)
{
	struct json_elements *el = r->el;
	if (!el)
		return 1;
	bool go_on = true;
	size_t index = r->index++;
	if (index < r->told)
		return 1;
	if (r->fault == FAULT_NONE) {
		go_on = el->each(el->ctx, r->root, index, r->line);
	} else if (el->bad) {
		struct err e = ERR_INIT;
		if (r->fault == FAULT_BIG)
			err_set(&e, ERR_RECORD, "an element of more than %zu bytes", r->size_max);
		else
			err_set(&e, ERR_RECORD, "an element nested deeper than %zu levels", r->depth_max);
		err_where(&e, "line %zu", r->line);
		go_on = el->bad(el->ctx, &e, index, r->line);
	}
	el->stopped = !go_on;
	return go_on;
}

/* Room for `extra` bytes behind the node; NULL (and the element is given up) when the tree would grow too large. */
static void *grow(struct reader *r, size_t n)
{
	if (r->size_max && (n > r->size_max || r->arena->used > r->size_max - n)) {
		fail(r, FAULT_BIG);
		return NULL;
	}
	return arena_alloc(r->arena, n);
}

/* The node for a value that begins now, linked into its container. NULL: not wanted, or given up. */
static struct jv *add(struct reader *r, enum jv_type type)
{
	struct jv *v = r->pending;
	r->pending = NULL;
	if (!v) {
		v = grow(r, sizeof(*v));
		if (!v)
			return NULL;
		*v = (struct jv){ .type = type };
	}
	v->type = type;
	size_t depth = r->nest - r->base;
	if (!depth) {
		r->root = v;
		return v;
	}
	struct frame *f = &r->frames[depth - 1];
	if (f->last)
		f->last->next = v;
	else
		f->node->first = v;
	f->last = v;
	f->node->n++;
	return v;
}

/* Common head of the events: true when the value is to be built. */
static bool wanted(struct reader *r)
{
	r->events++;
	r->after_event = yajl_get_bytes_consumed(r->yajl);
	if (r->nest == r->base)
		element_begins(r);
	if (r->skip_next || r->skip_nest) {
		r->skip_next = false;
		r->cut = false;
		return false;
	}
	if (r->cut && !r->fault)
		fail(r, FAULT_BIG);
	r->cut = false;
	return r->fault == FAULT_NONE;
}

static int scalar_done(struct reader *r)
{
	r->done = !r->nest;
	return r->nest == r->base ? element_ends(r) : 1;
}

static int on_null(void *ctx)
{
	struct reader *r = ctx;
	if (wanted(r))
		add(r, JV_NULL);
	return scalar_done(r);
}

static int on_boolean(void *ctx, int b)
{
	struct reader *r = ctx;
	struct jv *v = wanted(r) ? add(r, JV_BOOL) : NULL;
	if (v)
		v->b = b != 0;
	return scalar_done(r);
}

/* Bytes that are no UTF-8 become U+FFFD. Only what is kept is looked at: most of an export's bytes are not. */
static const char *repaired(struct reader *r, const char *s, size_t *n)
{
	if (utf8_valid(s, *n))
		return s;
	buf_reset(&r->repaired);
	utf8_repair(s, *n, &r->repaired);
	*n = r->repaired.len;
	return r->repaired.p;
}

static int on_chars(struct reader *r, enum jv_type type, const char *s, size_t n)
{
	struct jv *v = wanted(r) ? add(r, type) : NULL;
	if (v && !swar_plain(s, n))
		s = repaired(r, s, &n);
	char *copy = v ? grow(r, n + 1) : NULL;
	if (copy) {
		memcpy(copy, s, n);
		copy[n] = '\0';
		v->s = copy;
		v->len = n;
	}
	return scalar_done(r);
}

static int on_number(void *ctx, const char *s, size_t n)
{
	return on_chars(ctx, JV_NUM, s, n);
}

static int on_string(void *ctx, const unsigned char *s, size_t n)
{
	return on_chars(ctx, JV_STR, (const char *)s, n);
}

static uint64_t mark_of(const char *key, size_t n)
{
	return (uint64_t)1 << ((5 * n + (n ? (unsigned char)*key : 0)) & 63);
}

static bool is_skipped(const struct reader *r, const char *s, size_t n)
{
	if (!(r->skip_marks & mark_of(s, n)))
		return false;
	for (size_t i = 0; i < r->n_skip; i++)
		if (r->skip[i].len == n && !memcmp(r->skip[i].s, s, n))
			return true;
	return false;
}

static int on_key(void *ctx, const unsigned char *s, size_t n)
{
	struct reader *r = ctx;
	r->events++;
	r->after_event = yajl_get_bytes_consumed(r->yajl);
	if (r->skip_nest || r->fault) {
		r->cut = false;
		return 1;
	}
	if (r->cut) {
		r->cut = false;
		fail(r, FAULT_BIG);
		return 1;
	}
	if (is_skipped(r, (const char *)s, n)) {
		r->skip_next = true;
		return 1;
	}
	size_t zeros = 0;
	if (!swar_plain((const char *)s, n)) {
		s = (const unsigned char *)repaired(r, (const char *)s, &n);
		for (const unsigned char *z = s; n && (z = memchr(z, 0, n - (size_t)(z - s))); z++)
			zeros++;
	}
	struct jv *v = grow(r, sizeof(*v) + n + 2 * zeros + 1);
	if (!v)
		return 1;
	*v = (struct jv){ .type = JV_NULL };
	char *key = (char *)(v + 1);
	if (!zeros) {
		memcpy(key, s, n);
		key[n] = '\0';
	} else {
		char *w = key;
		for (size_t i = 0; i < n; i++) {
			if (s[i]) {
				*w++ = (char)s[i];
			} else {
				memcpy(w, "\xef\xbf\xbd", 3);
				w += 3;
			}
		}
		*w = '\0';
	}
	v->key = key;
	r->pending = v;
	return 1;
}

static int on_open(struct reader *r, enum jv_type type)
{
	if (r->el && !r->begun && type == JV_ARR) {
		r->events++;
		r->after_event = yajl_get_bytes_consumed(r->yajl);
		r->begun = true;
		r->base = r->nest = 1;
		return 1;
	}
	bool unwanted = r->skip_next || r->skip_nest;
	bool build = wanted(r);
	if (r->nest == NEST_MAX) {
		r->too_nested = true;
		return 0;
	}
	if (build && r->nest - r->base == r->depth_max) {
		fail(r, FAULT_DEEP);
		build = false;
	}
	struct jv *v = build ? add(r, type) : NULL;
	if (v)
		r->frames[r->nest - r->base] = (struct frame){ .node = v };
	r->nest++;
	if (unwanted && !r->skip_nest)
		r->skip_nest = r->nest;
	return 1;
}

static int on_close(struct reader *r)
{
	r->events++;
	r->after_event = yajl_get_bytes_consumed(r->yajl);
	if (r->nest == r->base) { /* the top-level array itself */
		r->nest = r->base = 0;
		r->done = true;
		return 1;
	}
	if (r->skip_nest == r->nest)
		r->skip_nest = 0;
	r->nest--;
	return scalar_done(r);
}

static int on_map(void *ctx)
{
	return on_open(ctx, JV_OBJ);
}

static int on_array(void *ctx)
{
	return on_open(ctx, JV_ARR);
}

static int on_end(void *ctx)
{
	return on_close(ctx);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_array,
	.yajl_end_array = on_end,
};

static void *y_malloc(void *ctx UNUSED, size_t n)
{
	return xmalloc(n);
}

static void *y_realloc(void *ctx UNUSED, void *p, size_t n)
{
	return xrealloc(p, n);
}

static void y_free(void *ctx UNUSED, void *p)
{
	free(p);
}

static void reader_init(struct reader *r, struct arena *a, struct frame *frames, size_t depth_max)
{
	static yajl_alloc_funcs never_null = { .malloc = y_malloc, .realloc = y_realloc, .free = y_free };
	memset(r, 0, offsetof(struct reader, skip));
	r->arena = a;
	r->frames = frames;
	r->depth_max = depth_max;
	r->yajl = yajl_alloc(&callbacks, &never_null, r);
	yajl_config(r->yajl, yajl_dont_validate_strings, 1); /* we do: repaired() */
}

/* What yajl has to say about the place it stopped at; its texts end with a line end. */
static void say_broken(struct reader *r, enum err_code code, struct err *e)
{
	if (r->too_nested) {
		err_set(e, code, "more than %d brackets open at once", NEST_MAX);
		return;
	}
	if (r->trailing) {
		err_set(e, code, "broken JSON: more text after its end");
		return;
	}
	unsigned char *text = yajl_get_error(r->yajl, 0, NULL, 0);
	const char *s = text ? (const char *)text : "unreadable";
	err_set(e, code, "broken JSON: %.*s", (int)strcspn(s, "\n"), s);
	if (text)
		yajl_free_error(r->yajl, text);
}

/* yajl takes an unfinished string behind the end for nothing at all ("[1]\""). Looks at what came behind the last event of the
 * chunk; returns the offset of the first byte that may not be there, or n. */
static size_t find_trailing(struct reader *r, const char *s, size_t n, size_t from)
{
	if (!r->done)
		return n;
	while (from < n && memchr(" \t\r\n\v\f", s[from], 6))
		from++;
	r->trailing = from < n;
	return from;
}

/* ---- a whole document ---- */

static void too_big(struct err *e)
{
	err_set(e, ERR_RECORD, "a document of more than %d bytes in memory", TREE_MAX);
}

/* Any document, by way of yajl. */
static const struct jv *parse_any(struct arena *a, const char *s, size_t n, struct err *e)
{
	struct reader r;
	struct frame frames[JSON_DEPTH];
	struct buf fixed;
	size_t lone = 0;
	const size_t bom = n >= 3 && !memcmp(s, "\xef\xbb\xbf", 3) ? 3 : 0;
	const struct jv *out = NULL;
	s += bom;
	n -= bom;
	buf_init(&fixed, n > SIZE_MAX / 4 ? SIZE_MAX / 2 : 3 * n + 1);
	json_settle(s, n, JSON_ALL_THERE, NULL, &lone);
	if (lone || !utf8_valid(s, n)) {
		utf8_repair(s, n, &fixed);
		s = fixed.p;
		n = fixed.len;
		json_settle(s, n, JSON_ALL_THERE, fixed.p, &lone);
	}
	reader_init(&r, a, frames, JSON_DEPTH);
	r.size_max = a->used + TREE_MAX;
	r.chunk = s;
	yajl_status st = yajl_parse(r.yajl, (const unsigned char *)s, n);
	size_t at = n;
	if (st != yajl_status_ok)
		at = yajl_get_bytes_consumed(r.yajl);
	else if ((at = find_trailing(&r, s, n, r.after_event)) < n)
		st = yajl_status_error;
	else
		st = yajl_complete_parse(r.yajl);
	if (st == yajl_status_ok && r.fault == FAULT_NONE) {
		out = r.root;
	} else {
		if (r.fault == FAULT_DEEP && st == yajl_status_ok)
			err_set(e, ERR_RECORD, "a document nested deeper than %d levels", JSON_DEPTH);
		else if (r.fault == FAULT_BIG && st == yajl_status_ok)
			too_big(e);
		else
			say_broken(&r, ERR_RECORD, e);
		if (at > n)
			at = n;
		size_t line = swar_lines(s, at) + 1, column = 1;
		while (column <= at && s[at - column] != '\n')
			column++;
		err_where(e, "%zu:%zu", line, column);
	}
	yajl_free(r.yajl);
	buf_release(&fixed);
	return out;
}

/* Nearly all are ordinary (json_quick.c); the others, good and bad ones, are read as an archive's are. */
const struct jv *jv_parse(struct arena *a, const char *s, size_t n, struct err *e)
{
	bool big = false;
	const struct jv *v = utf8_valid(s, n) ? json_quick(a, s, n, TREE_MAX, &big) : NULL;
	if (big)
		too_big(e);
	return v || big ? v : parse_any(a, s, n, e);
}

/* ---- element by element ---- */

enum token { TOKEN_NONE, TOKEN_STRING, TOKEN_WORD };

struct stream {
	char in[HELD_MAX + CHUNK];
	size_t held;          /* bytes of the next chunk already at the front of `in` */
	bool begun;           /* the byte order mark, if any, is behind us */
	enum token token;     /* what yajl is collecting at the end of a chunk */
	size_t collected;     /* bytes of it, so far */
	bool cutting;         /* the rest of this string is thrown away */
};

/* What begins in s[0..n) and is not finished there, given that no event came after s. */
static enum token token_in(const char *s, size_t n, size_t *len)
{
	for (size_t i = 0; i < n; i++) {
		if (memchr(" \t\r\n\v\f,:", s[i], 8))
			continue;
		*len = n - i;
		return s[i] == '"' ? TOKEN_STRING : TOKEN_WORD;
	}
	*len = 0;
	return TOKEN_NONE;
}

/* The offset of the quotation mark that ends the string s[0..n) is in, or n. Escapes are never split between chunks. */
static size_t string_end(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"')
			return i;
		if (s[i] == '\\')
			i++;
	}
	return n;
}

static bool stream_broken(struct reader *r, size_t at, struct err *e)
{
	say_broken(r, ERR_ARCHIVE, e);
	if (at > r->counted)
		r->lines += swar_lines(r->chunk + r->counted, at - r->counted);
	return err_where(e, "line %zu", r->lines + 1);
}

/* One chunk of settled bytes into yajl. */
static bool feed(struct reader *r, struct stream *t, const char *s, size_t n, struct err *e)
{
	if (t->cutting) {
		size_t end = string_end(s, n);
		s += end;
		n -= end;
		if (!n)
			return true;
		t->cutting = false;
	}
	size_t events = r->events;
	r->chunk = s;
	r->counted = 0;
	yajl_status st = yajl_parse(r->yajl, (const unsigned char *)s, n);
	if (st == yajl_status_client_canceled && r->el->stopped)
		return true;
	if (st != yajl_status_ok)
		return stream_broken(r, yajl_get_bytes_consumed(r->yajl), e);
	const size_t stray = find_trailing(r, s, n, r->events != events ? r->after_event : 0);
	if (stray < n)
		return stream_broken(r, stray, e);
	r->lines += swar_lines(s + r->counted, n - r->counted);
	size_t len;
	if (r->events != events) {
		t->token = token_in(s + r->after_event, n - r->after_event, &t->collected);
	} else if (t->token != TOKEN_NONE) {
		t->collected += n;
	} else {
		t->token = token_in(s, n, &len);
		t->collected = len;
	}
	if (t->token == TOKEN_STRING && t->collected > r->size_max) {
		t->cutting = r->cut = true;
	} else if (t->token == TOKEN_WORD && t->collected > NUMBER_MAX) {
		err_set(e, ERR_ARCHIVE, "broken JSON: a number of more than %d bytes", NUMBER_MAX);
		return err_where(e, "line %zu", r->lines + 1);
	}
	return true;
}

/* Bytes from the caller, made fit for yajl; what may belong to an unfinished escape stays for the next time. */
static bool take(struct reader *r, struct stream *t, size_t n, enum json_more more, struct err *e)
{
	char *s = t->in;
	size_t bom = 0;
	if (!t->begun) {
		if (n < 3 && more == JSON_MORE_FOLLOWS) {
			t->held = n;
			return true;
		}
		bom = n >= 3 && !memcmp(s, "\xef\xbb\xbf", 3) ? 3 : 0;
		t->begun = true;
	}
	const size_t whole = json_settle(s, n, more, s, &r->el->n_replaced);
	if (!feed(r, t, s + bom, whole > bom ? whole - bom : 0, e))
		return false;
	t->held = n - whole;
	memmove(s, s + whole, t->held);
	return true;
}

static bool quick_skip(void *ctx, const char *key, size_t n)
{
	return is_skipped(ctx, key, n);
}

static bool quick_each(void *ctx, const struct jv *object, const char *at)
{
	struct reader *r = ctx;
	const size_t to = (size_t)(at - r->chunk);
	r->lines += swar_lines(r->chunk + r->counted, to - r->counted);
	r->counted = to;
	r->el->stopped = !r->el->each(r->el->ctx, object, r->told++, r->lines + 1);
	return !r->el->stopped;
}

/* A file that is all there, small and ordinary, which most files of an archive are: without yajl. false: from element r->told on
 * it must be read by yajl. */
static bool read_quickly(struct reader *r, const char *s, size_t n)
{
	/* A tree is at most some fifty times as large as its text, so none is too large. */
	if (r->size_max / 64 < n || !utf8_valid(s, n))
		return false;
	const struct json_quick_list list = { .a = r->arena, .depth = r->depth_max, .skip = quick_skip, .each = quick_each, .ctx = r };
	r->chunk = s;
	const bool all = json_quick_list(&list, s, n) != QUICK_ODD;
	r->lines = r->counted = 0;
	return all;
}

bool json_elements(struct json_elements *el, struct err *e)
{
	const size_t depth = el->max_depth > 0 ? (size_t)el->max_depth : 64;
	struct frame *frames = xcalloc(depth, sizeof(*frames));
	struct stream *t = xmalloc(sizeof(*t));
	struct reader r;
	el->stopped = false;
	el->n_replaced = 0;
	reader_init(&r, el->step, frames, depth);
	r.el = el;
	r.size_max = el->max_element ? el->max_element : (size_t)16 * 1024 * 1024;
	for (const char *const *k = el->skip_keys; k && *k && r.n_skip < SKIP_MAX; k++, r.n_skip++) {
		r.skip[r.n_skip].s = *k;
		r.skip[r.n_skip].len = strlen(*k);
		r.skip_marks |= mark_of(*k, r.skip[r.n_skip].len);
	}
	t->held = t->collected = 0;
	t->begun = t->cutting = false;
	t->token = TOKEN_NONE;
	buf_init(&r.repaired, 3 * (r.size_max + 2 * sizeof(t->in))); /* a longer string is cut */

	bool ok = true, all = false;
	enum json_more more = JSON_MORE_FOLLOWS;
	while (ok && more == JSON_MORE_FOLLOWS && !el->stopped && !all) {
		struct err later = ERR_INIT;
		ptrdiff_t got = el->read(el->read_ctx, t->in + t->held, CHUNK, e), then = 1;
		if (got < 0) {
			ok = false;
			break;
		}
		/* Is that all of the file? */
		if (!t->begun && !t->held && got > 0 && got < CHUNK) {
			then = el->read(el->read_ctx, t->in + got, (size_t)(CHUNK - got), &later);
			all = !then && read_quickly(&r, t->in, (size_t)got);
			got += then > 0 ? then : 0;
			if (all)
				break;
		}
		more = got && then ? JSON_MORE_FOLLOWS : JSON_ALL_THERE;
		ok = take(&r, t, t->held + (size_t)got, more, e);
		if (ok && then < 0 && !el->stopped) {
			if (e)
				*e = later;
			ok = false;
		}
	}
	r.chunk = " "; /* which is what yajl adds to end the last token */
	r.counted = 1;
	if (ok && !all && !el->stopped && yajl_complete_parse(r.yajl) != yajl_status_ok && !el->stopped)
		ok = stream_broken(&r, 0, e);
	yajl_free(r.yajl);
	buf_release(&r.repaired);
	free(t);
	free(frames);
	return ok;
}
