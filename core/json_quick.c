/* json_quick.c: ordinary JSON documents into trees, several times faster than by way of yajl's events.
 *
 * Promises: what it returns is the tree that jv_parse would make; of whatever is out of the ordinary (not JSON, nested deeply, half a
 * surrogate, a NUL in a key, an odd blank) it makes nothing at all, so that there is one place that says what is wrong and repairs what
 * can be. Nothing recurses over foreign data; the tree is at most a few dozen times as large as the text, and
 * of a whole document not larger than the caller allows.
 * Called by json_parse.c for every answer of a server, every record read back from our own files, and the small files of an archive.
 */
#include "core/json_quick.h"

#include "core/swar.h"
#include "core/utf8.h"

#include <string.h>

struct quick {
	struct arena *a;
	const char *p, *end;
	struct jv *open[JSON_DEPTH], *last[JSON_DEPTH]; /* containers, and their newest children */
	size_t depth;
	size_t used_max;                                /* of the arena: more is not made */
	bool skip;                                      /* what is read is not wanted: no nodes are made */
};

static struct jv nothing[] = { [JV_NULL] = { .type = JV_NULL }, [JV_BOOL] = { .type = JV_BOOL }, [JV_NUM] = { .type = JV_NUM },
	[JV_STR] = { .type = JV_STR }, [JV_ARR] = { .type = JV_ARR }, [JV_OBJ] = { .type = JV_OBJ } }; /* for these; never written */

/* A string as it stands in the text, between its marks. */
struct raw { const char *s; size_t n; bool escaped; };

static void blanks(struct quick *q)
{
	while (q->p < q->end && (*q->p == ' ' || *q->p == '\n' || *q->p == '\r' || *q->p == '\t'))
		q->p++;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits after "\u", or -1. */
static int32_t hex4(const char *s, const char *end)
{
	int32_t v = 0;
	for (int i = 0; i < 4; i++) {
		int d = s + i < end ? hex_digit(s[i]) : -1;
		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

/* Reads one escape at s (behind the backslash): *c is what it means. Returns its length, 0 for what is none. */
static size_t escape(const char *s, const char *end, uint32_t *c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *hit = s < end && *s ? strchr(from, *s) : NULL;
	if (hit) {
		*c = (unsigned char)to[hit - from];
		return 1;
	}
	int32_t high = s < end && *s == 'u' ? hex4(s + 1, end) : -1;
	if (high < 0 || (high >= 0xdc00 && high <= 0xdfff))
		return 0;
	*c = (uint32_t)high;
	if (high < 0xd800 || high > 0xdbff)
		return 5;
	int32_t low = end - s >= 11 && s[5] == '\\' && s[6] == 'u' ? hex4(s + 7, end) : -1;
	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	*c = 0x10000 + (((uint32_t)high & 0x3ff) << 10 | ((uint32_t)low & 0x3ff));
	return 11;
}

/* From behind the first mark to behind the last. */
static bool string(struct quick *q, struct raw *out)
{
	const char *p = q->p, *end = q->end;
	uint32_t c;
	*out = (struct raw){ .s = p };
	for (;;) {
		for (uint64_t v; end - p >= 8; p += 8) {
			v = swar_load(p);
			if (swar_has(v, '"') | swar_has(v, '\\') | swar_below(v, 0x20))
				break;
		}
		while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
			p++;
		if (p == end || (unsigned char)*p < 0x20)
			return false;
		if (*p == '"')
			break;
		size_t k = escape(p + 1, end, &c);
		if (!k)
			return false;
		out->escaped = true;
		p += 1 + k;
	}
	out->n = (size_t)(p - out->s);
	q->p = p + 1;
	return true;
}

/* An escape is never shorter than what it means. Returns the length. */
static size_t put(const struct raw *r, char *to)
{
	if (!r->escaped) {
		memcpy(to, r->s, r->n);
		to[r->n] = '\0';
		return r->n;
	}
	char *w = to;
	for (const char *s = r->s, *end = s + r->n; s < end;) {
		const char *slash = memchr(s, '\\', (size_t)(end - s));
		size_t n = (size_t)((slash ? slash : end) - s);
		memcpy(w, s, n);
		w += n;
		s += n;
		if (!slash)
			break;
		uint32_t c = 0;
		s += 1 + escape(s + 1, end, &c);
		w += utf8_put(c, w);
	}
	*w = '\0';
	return (size_t)(w - to);
}

static bool digits(struct quick *q)
{
	const char *from = q->p;
	while (q->p < q->end && *q->p >= '0' && *q->p <= '9')
		q->p++;
	return q->p > from;
}

/* RFC 8259, 6. */
static bool number(struct quick *q, struct raw *out)
{
	*out = (struct raw){ .s = q->p };
	q->p += *q->p == '-';
	const char *from = q->p;
	if (!digits(q) || (*from == '0' && q->p - from > 1))
		return false;
	if (q->p < q->end && *q->p == '.') {
		q->p++;
		if (!digits(q))
			return false;
	}
	if (q->p < q->end && (*q->p == 'e' || *q->p == 'E')) {
		q->p++;
		q->p += q->p < q->end && (*q->p == '+' || *q->p == '-');
		if (!digits(q))
			return false;
	}
	out->n = (size_t)(q->p - out->s);
	return true;
}

static bool word(struct quick *q, const char *w, size_t n)
{
	if ((size_t)(q->end - q->p) < n || memcmp(q->p, w, n) != 0)
		return false;
	q->p += n;
	return true;
}

/* The node of a value, linked into its container; key and text stand behind it. NULL: a NUL in a key, which has no length. */
static struct jv *node(struct quick *q, enum jv_type type, const struct raw *key, const struct raw *text)
{
	if (q->skip)
		return &nothing[type];
	if (q->a->used > q->used_max)
		return NULL;
	struct jv *v = arena_alloc(q->a, sizeof(*v) + (key ? key->n + 1 : 0) + (text ? text->n + 1 : 0));
	char *more = (char *)(v + 1);
	*v = (struct jv){ .type = type };
	if (key) {
		v->key = more;
		more += put(key, more) + 1;
		if (key->escaped && strlen(v->key) + 1 != (size_t)(more - v->key))
			return NULL;
	}
	if (text) {
		v->s = more;
		v->len = put(text, more);
	}
	if (q->depth) {
		struct jv *in = q->open[q->depth - 1], *before = q->last[q->depth - 1];
		if (before)
			before->next = v;
		else
			in->first = v;
		q->last[q->depth - 1] = v;
		in->n++;
	}
	return v;
}

/* One value, of a container only its beginning. NULL: nothing that can be made here. */
static struct jv *value(struct quick *q, const struct raw *key)
{
	struct raw text;
	struct jv *v;
	blanks(q);
	if (q->p == q->end)
		return NULL;
	switch (*q->p) {
	case '{': case '[':
		if (q->depth == JSON_DEPTH)
			return NULL;
		v = node(q, *q->p++ == '{' ? JV_OBJ : JV_ARR, key, NULL);
		if (!v)
			return NULL;
		q->open[q->depth] = v;
		q->last[q->depth++] = NULL;
		return v;
	case '"':
		q->p++;
		return string(q, &text) ? node(q, JV_STR, key, &text) : NULL;
	case 'n':
		return word(q, "null", 4) ? node(q, JV_NULL, key, NULL) : NULL;
	case 't': case 'f':
		v = word(q, "true", 4) || word(q, "false", 5) ? node(q, JV_BOOL, key, NULL) : NULL;
		if (v && !q->skip)
			v->b = q->p[-2] == 'u';
		return v;
	}
	return number(q, &text) ? node(q, JV_NUM, key, &text) : NULL;
}

/* "key" and the colon. */
static bool key_of(struct quick *q, struct raw *key)
{
	blanks(q);
	if (q->p == q->end || *q->p++ != '"' || !string(q, key))
		return false;
	blanks(q);
	return q->p < q->end && *q->p++ == ':';
}

/* Ends the containers that end here and goes to the next value's place, of which *key tells. false: that is broken. */
static bool next_place(struct quick *q, bool begun, struct raw *key)
{
	for (bool first = begun; q->depth; first = false) {
		struct jv *in = q->open[q->depth - 1];
		blanks(q);
		if (q->p == q->end)
			return false;
		if (*q->p == (in->type == JV_OBJ ? '}' : ']')) {
			q->p++;
			q->depth--;
			continue;
		}
		if (!first && *q->p++ != ',')
			return false;
		return in->type == JV_ARR || key_of(q, key);
	}
	return true;
}

/* The value at q->p. x: whose keys to skip, or NULL. */
static struct jv *whole(struct quick *q, const struct json_quick_list *x)
{
	struct raw key;
	size_t skip_depth = 0;
	q->depth = 0;
	q->skip = false;
	struct jv *root = value(q, NULL), *v = root;
	while (v && (!x || q->depth <= x->depth)) {
		bool begun = q->depth && q->open[q->depth - 1] == v;
		if (!next_place(q, begun, &key))
			return NULL;
		if (!q->depth)
			return root;
		const bool named = q->open[q->depth - 1]->type == JV_OBJ;
		if (q->depth <= skip_depth)
			q->skip = false;
		if (x && named && !q->skip) {
			if (key.escaped)
				return NULL; /* its letters are needed */
			if (x->skip(x->ctx, key.s, key.n)) {
				q->skip = true;
				skip_depth = q->depth;
			}
		}
		v = value(q, named ? &key : NULL);
	}
	return NULL;
}

const struct jv *json_quick(struct arena *a, const char *s, size_t n, size_t tree_max, bool *big)
{
	struct quick q;
	q.a = a;
	q.used_max = a->used + tree_max;
	q.p = s;
	q.end = s + n;
	struct jv *root = whole(&q, NULL);
	blanks(&q);
	*big = !root && a->used > q.used_max;
	return q.p == q.end ? root : NULL;
}

enum json_quick_end json_quick_list(const struct json_quick_list *x, const char *s, size_t n)
{
	struct quick q;
	q.a = x->a;
	q.used_max = SIZE_MAX; /* the caller has seen to the text's length */
	q.p = s;
	q.end = s + n;
	blanks(&q);
	if (q.p == q.end || *q.p++ != '[')
		return QUICK_ODD;
	for (bool first = true;; first = false) {
		blanks(&q);
		if (q.p < q.end && *q.p == ']' && first)
			break;
		if (q.p == q.end || *q.p != '{')
			return QUICK_ODD;
		const char *at = q.p;
		arena_reset(x->a);
		const struct jv *v = whole(&q, x);
		if (!v)
			return QUICK_ODD;
		/* What comes behind it must be in order before it is told: whoever reads on counts from here. */
		blanks(&q);
		if (q.p == q.end || (*q.p != ',' && *q.p != ']'))
			return QUICK_ODD;
		if (!x->each(x->ctx, v, at))
			return QUICK_STOPPED;
		if (*q.p == ']')
			break;
		q.p++;
	}
	q.p++;
	blanks(&q);
	return q.p == q.end ? QUICK_ALL : QUICK_ODD;
}
