/* table.h: a hash table from strings to pointers. Keys are borrowed (they live in an arena); values are not owned.
 * Insertion order is kept by table_each, so that what we print never depends on hashing. */
#ifndef MVCHAT_TABLE_H
#define MVCHAT_TABLE_H

#include "core/base.h"

struct table_row { const char *key; void *value; };
struct table {
	struct table_row *rows; /* in order of insertion */
	size_t n, cap;
	uint32_t *slots;        /* row index + 1; 0 = empty */
	size_t n_slots;         /* a power of two, or 0 */
};

void table_init(struct table *t);
void table_release(struct table *t);
void *table_get(const struct table *t, const char *key); /* NULL when absent */
/* Puts key -> value; an existing key keeps its place and gets the new value. Returns the old value or NULL. */
void *table_put(struct table *t, const char *key, void *value);
/* for (size_t i = 0; i < t.n; i++) t.rows[i] is the way to walk; there is no removal. */

#endif
