/* json_quick.h: the ordinary cases of jv_parse and json_elements. Nobody else includes it. */
#ifndef MVCHAT_JSON_QUICK_H
#define MVCHAT_JSON_QUICK_H

#include "core/json.h"

enum { JSON_DEPTH = 128 }; /* brackets open at once in a document */
/* s must be valid UTF-8. NULL: not an ordinary document, which says nothing about whether it is a good one; or, with *big, one whose
 * tree would take more than tree_max bytes. */
const struct jv *json_quick(struct arena *a, const char *s, size_t n, size_t tree_max, bool *big);

/* A text that is one array of objects, one object after the other. */
struct json_quick_list {
	struct arena *a;    /* reset before each */
	size_t depth;       /* brackets open at once in an object; at most JSON_DEPTH count */
	bool (*skip)(void *ctx, const char *key, size_t n); /* of this key no value is wanted */
	bool (*each)(void *ctx, const struct jv *object, const char *at /* where it begins in s */); /* false stops */
	void *ctx;
};
/* QUICK_ODD: from some object on it is not ordinary; those before it were told. */
enum json_quick_end { QUICK_ALL, QUICK_STOPPED, QUICK_ODD };
enum json_quick_end json_quick_list(const struct json_quick_list *x, const char *s, size_t n);

#endif
