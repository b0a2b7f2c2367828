/* arena.h: memory that is released all at once.
 *
 * Three lifetimes exist in the program, each with its own arena: *run* (configuration, people), *lane* (one conversation and
 * its current op), *step* (one record; reset between records). What is handed out lives until arena_reset or arena_release.
 * Never returns NULL; pointers are aligned for any type.
 */
#ifndef MVCHAT_ARENA_H
#define MVCHAT_ARENA_H

#include "core/base.h"

struct arena_chunk;
struct arena {
	struct arena_chunk *head; /* the chunk allocations come from; older and larger ones behind it */
	size_t used;              /* bytes handed out since the last reset */
	size_t chunk;             /* least size of a chunk; 0 = 16 KiB. For owners of a thousand of them */
};

void arena_init(struct arena *a);
void arena_reset(struct arena *a);   /* everything handed out becomes invalid; the first chunk is kept for reuse */
void arena_release(struct arena *a); /* gives all memory back; the arena may be used again */

void *arena_alloc(struct arena *a, size_t n);               /* uninitialised */
void *arena_zalloc(struct arena *a, size_t n);              /* zeroed */
void *arena_calloc(struct arena *a, size_t n, size_t size); /* zeroed; dies when n * size overflows */
void *arena_memdup(struct arena *a, const void *p, size_t n);
char *arena_strdup(struct arena *a, const char *s);         /* NULL stays NULL */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_fmt(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define arena_new(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define arena_array(a, n, type) ((type *)arena_calloc((a), (n), sizeof(type)))
/* GROW (base.h) for an array that lies in an arena. The old one stays behind in it: at most as much again as the new one. */
#define ARENA_GROW(a, v, n, cap, first) \
	do { \
		if ((n) == (cap)) \
			(v) = arena_more((a), (v), (n), &(cap), (first), sizeof(*(v))); \
	} while (0)
void *arena_more(struct arena *a, const void *v, size_t n, size_t *cap, size_t first, size_t size);

#endif
