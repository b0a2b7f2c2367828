#include "core/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char nothing[1]; /* shared by all empty buffers, never written */

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .p = nothing, .max = max };
}

void buf_release(struct buf *b)
{
	if (b->cap)
		free(b->p);
	buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->full = false;
	if (b->cap)
		b->p[0] = '\0';
}

char *buf_grow(struct buf *b, size_t n)
{
	if (n > b->max - b->len)
		return NULL;
	if (b->len + n + 1 > b->cap) {
		size_t cap = b->cap ? b->cap : 64;
		while (cap < b->len + n + 1)
			cap *= 2;
		b->p = xrealloc(b->cap ? b->p : NULL, cap);
		b->cap = cap;
	}
	return b->p + b->len;
}

static size_t room(struct buf *b, size_t n)
{
	if (n > b->max - b->len) {
		b->full = true;
		n = b->max - b->len;
	}
	buf_grow(b, n);
	return n;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	n = room(b, n);
	memcpy(b->p + b->len, p, n);
	b->len += n;
	b->p[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
	if (b->len + 1 < b->cap && b->len < b->max) { /* texts are often built so */
		b->p[b->len++] = c;
		b->p[b->len] = '\0';
		return;
	}
	buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	char small[256];
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0)
		die("bad format '%s'", fmt);
	if ((size_t)n < sizeof(small)) {
		buf_add(b, small, (size_t)n);
	} else {
		char *big = xmalloc((size_t)n + 1);
		vsnprintf(big, (size_t)n + 1, fmt, again);
		buf_add(b, big, (size_t)n);
		free(big);
	}
	va_end(again);
}

void buf_cut(struct buf *b, size_t len)
{
	if (len > b->len)
		die("buf_cut: %zu > %zu", len, b->len);
	b->len = len;
	if (b->cap)
		b->p[len] = '\0';
}

char *buf_detach(struct buf *b)
{
	char *p = b->cap ? b->p : xstrdup("");
	buf_init(b, b->max);
	return p;
}
