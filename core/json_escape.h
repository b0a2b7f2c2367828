/* json_escape.h: what must not reach yajl. Only core/json*.c include it. */
#ifndef MVCHAT_JSON_ESCAPE_H
#define MVCHAT_JSON_ESCAPE_H

#include "core/base.h"

enum json_more { JSON_MORE_FOLLOWS, JSON_ALL_THERE };
/* Finds escaped surrogates without partner and, where `fix` is given (the same bytes, writable), makes them \uFFFD. Returns how
 * many bytes from the start are settled: less than n when an escape may go on in the next chunk. A backslash outside of a
 * string is an error that yajl reports, so strings need not be followed here. */
size_t json_settle(const char *s, size_t n, enum json_more more, char *fix, size_t *n_lone);

#endif
