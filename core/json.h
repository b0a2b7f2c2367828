/* json.h: three tools, one for each way we meet JSON.
 *
 *  - `jw_*`: a stream writer over a buf. Sticky error in buf.full. Writes canonical form: no spaces, UTF-8 as is, keys in the
 *    order given; only '"', '\\' and controls are escaped.
 *  - `jv`: a read-only tree in an arena. `json_elements` walks a file that is one array, element by element, by way of yajl's
 *    events, in constant memory, skipping keys the caller does not want: for exports (importers). `jv_parse` takes a whole string.
 *  - jansson: for API answers, configuration and small documents. A json_t never leaves the function that parsed it; the
 *    getters below work on jv trees, which `jv_parse` also makes from a complete string.
 */
#ifndef MVCHAT_JSON_H
#define MVCHAT_JSON_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"

/* ---- writer ---- */
struct jw { struct buf *out; bool comma; };
void jw_init(struct jw *w, struct buf *out);
void jw_obj(struct jw *w);  void jw_obj_end(struct jw *w);
void jw_arr(struct jw *w);  void jw_arr_end(struct jw *w);
void jw_key(struct jw *w, const char *key);
void jw_str(struct jw *w, const char *s);               /* NULL writes null */
void jw_strn(struct jw *w, const char *s, size_t n);
void jw_int(struct jw *w, int64_t v);
void jw_bool(struct jw *w, bool v);
void jw_null(struct jw *w);
/* key and value at once */
void jw_kstr(struct jw *w, const char *key, const char *s);   /* leaves the key out when s is NULL */
void jw_kint(struct jw *w, const char *key, int64_t v);
void jw_kbool(struct jw *w, const char *key, bool v);

/* ---- tree ---- */
enum jv_type { JV_NULL, JV_BOOL, JV_NUM, JV_STR, JV_ARR, JV_OBJ };
struct jv {
	enum jv_type type;
	bool b;                     /* JV_BOOL */
	const char *s; size_t len;  /* JV_STR: text (may hold NULs; valid UTF-8); JV_NUM: the digits as written */
	const char *key;            /* of this value in its object, else NULL */
	struct jv *first, *next;    /* JV_ARR, JV_OBJ: children in order; siblings. With duplicate keys the last one is found */
	size_t n;                   /* children */
};

/* All getters accept NULL and wrong types: they then return NULL / the default. */
const struct jv *jv_get(const struct jv *obj, const char *key);
const struct jv *jv_at(const struct jv *obj, const char *path);     /* "profile.email" */
const char *jv_str(const struct jv *v);                             /* string, or NULL */
const char *jv_get_str(const struct jv *obj, const char *key);      /* non-empty string, or NULL */
int64_t jv_int(const struct jv *v, int64_t otherwise);              /* numbers and numeric strings; clamped, no wrap */
int64_t jv_get_int(const struct jv *obj, const char *key, int64_t otherwise);
bool jv_get_bool(const struct jv *obj, const char *key);            /* true only for true */
bool jv_is(const struct jv *v, enum jv_type type);
size_t jv_count(const struct jv *list);                             /* elements of an array; 0 for anything else */
static inline const struct jv *jv_first(const struct jv *v)
{
	return v && (v->type == JV_ARR || v->type == JV_OBJ) ? v->first : NULL;
}
#define jv_each(v, it) for (const struct jv *it = jv_first(v); it; it = it->next)

/* Parses a complete document. NULL + err (msg, where = "line:column") on bad JSON. Lone surrogates become U+FFFD. */
const struct jv *jv_parse(struct arena *a, const char *s, size_t n, struct err *e);

/* ---- streaming reader ---- */
/* Returns bytes read, 0 at the end, -1 with err. */
typedef ptrdiff_t (*json_read_fn)(void *ctx, char *dst, size_t n, struct err *e);
struct json_elements {
	json_read_fn read; void *read_ctx;
	const char *const *skip_keys;   /* NULL-terminated; values of these keys, at any depth, are not built (NULL = keep all) */
	size_t max_element;             /* bytes of one element's tree; 0 = 16 MiB */
	int max_depth;                  /* 0 = 64 */
	struct arena *step;             /* reset before each element */
	/* One element of the top-level array (a top-level object is delivered as one element). line: 1-based, where it starts.
	 * false stops the reading (json_elements then returns true with stopped set). */
	bool (*each)(void *ctx, const struct jv *element, size_t index, size_t line);
	/* An element that is too large or too deep: told here, and the reading goes on. May be NULL. */
	bool (*bad)(void *ctx, const struct err *e, size_t index, size_t line);
	void *ctx;
	bool stopped;
	size_t n_replaced;              /* out: lone surrogates replaced by U+FFFD (each byte that is no UTF-8 is replaced too, uncounted) */
};
/* false: read failed or the JSON is broken (e->where = "line L"); the elements before that place have been delivered. */
bool json_elements(struct json_elements *r, struct err *e);

#endif
