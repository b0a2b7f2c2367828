/* json_quick.h: the ordinary case of jv_parse. Nobody else includes it. */
#ifndef MVCHAT_JSON_QUICK_H
#define MVCHAT_JSON_QUICK_H

#include "core/json.h"

enum { JSON_DEPTH = 128 }; /* brackets open at once in a document */
/* s must be valid UTF-8. NULL: not an ordinary document, which says nothing about whether it is a good one. */
const struct jv *json_quick(struct arena *a, const char *s, size_t n);

#endif
