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
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_cut(struct buf *b, size_t len); /* shortens to len, which must be <= b->len */
char *buf_detach(struct buf *b);         /* the caller frees; b is empty afterwards */

#endif
