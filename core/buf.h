/* buf.h: growable bytes with a mandatory maximum.
 *
 * Invariants: `p` is never NULL and always NUL-terminated after `len` bytes (which may hold NULs). Growing past `max` sets
 * `full` and drops the bytes that do not fit; a writer calls many times and checks `full` once at the end.
 */
#ifndef MVCHAT_BUF_H
#define MVCHAT_BUF_H

#include "core/base.h"

struct buf {
	char *p;
	size_t len, cap, max;
	bool full; /* something did not fit; sticky until buf_reset */
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* frees; b may be initialised again */
void buf_reset(struct buf *b);   /* empties, keeps the memory */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
/* Where n more bytes can be written; buf_wrote then says how many were. NULL when max does not allow for them all. */
char *buf_grow(struct buf *b, size_t n);
static inline char *buf_room(struct buf *b, size_t n)
{
	return b->cap - b->len > n && b->max - b->len >= n ? b->p + b->len : buf_grow(b, n);
}
static inline void buf_wrote(struct buf *b, size_t n)
{
	b->len += n;
	b->p[b->len] = '\0';
}
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_cut(struct buf *b, size_t len); /* shortens to len, which must be <= b->len */
char *buf_detach(struct buf *b);         /* the caller frees; b is empty afterwards */

#endif
