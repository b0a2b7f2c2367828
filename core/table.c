#include "core/table.h"

#include "core/hash.h"

#include <stdlib.h>
#include <string.h>

void table_init(struct table *t)
{
	*t = (struct table){ 0 };
}

void table_release(struct table *t)
{
	free(t->rows);
	free(t->slots);
	table_init(t);
}

/* The slot that holds key, or the empty one where it belongs. */
static size_t slot_of(const struct table *t, const char *key)
{
	size_t i = (size_t)hash64s(key) & (t->n_slots - 1);
	while (t->slots[i] && strcmp(t->rows[t->slots[i] - 1].key, key) != 0)
		i = (i + 1) & (t->n_slots - 1);
	return i;
}

void *table_get(const struct table *t, const char *key)
{
	if (!t->n_slots)
		return NULL;
	uint32_t row = t->slots[slot_of(t, key)];
	return row ? t->rows[row - 1].value : NULL;
}

static void grow(struct table *t)
{
	t->n_slots = t->n_slots ? 2 * t->n_slots : 16;
	free(t->slots);
	t->slots = xcalloc(t->n_slots, sizeof(*t->slots));
	for (size_t i = 0; i < t->n; i++)
		t->slots[slot_of(t, t->rows[i].key)] = (uint32_t)i + 1;
}

void *table_put(struct table *t, const char *key, void *value)
{
	if (t->n + 1 > t->n_slots / 2)
		grow(t);
	size_t s = slot_of(t, key);
	if (t->slots[s]) {
		struct table_row *row = &t->rows[t->slots[s] - 1];
		void *old = row->value;
		row->value = value;
		return old;
	}
	GROW(t->rows, t->n, t->cap, 16);
	t->rows[t->n++] = (struct table_row){ key, value };
	t->slots[s] = (uint32_t)t->n;
	return NULL;
}
