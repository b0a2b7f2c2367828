/* swar.h: looking at eight bytes at once, for the few loops that see every byte of an export. Independent of byte order. */
#ifndef MVCHAT_SWAR_H
#define MVCHAT_SWAR_H

#include "core/base.h"

#include <string.h>

#define SWAR_ONES UINT64_C(0x0101010101010101)
#define SWAR_HIGHS UINT64_C(0x8080808080808080)

static inline uint64_t swar_load(const char *s)
{
	uint64_t v;
	memcpy(&v, s, sizeof(v));
	return v;
}

/* Non-zero when a byte of v is below n (n <= 0x80). */
static inline uint64_t swar_below(uint64_t v, uint64_t n)
{
	return (v - SWAR_ONES * n) & ~v & SWAR_HIGHS;
}

static inline uint64_t swar_has(uint64_t v, unsigned char c)
{
	return swar_below(v ^ SWAR_ONES * c, 1);
}

/* Are all of s[0..n) ASCII, and none of them NUL? */
static inline bool swar_plain(const char *s, size_t n)
{
	size_t i = 0;
	for (; n - i >= 8; i += 8) {
		const uint64_t v = swar_load(s + i);
		if ((v | swar_below(v, 1)) & SWAR_HIGHS)
			return false;
	}
	for (; i < n; i++)
		if ((signed char)s[i] <= 0)
			return false;
	return true;
}

/* How many lines end in s[0..n). Sixteen bytes at a time, by the vectors that gcc and clang have for any machine. */
static inline size_t swar_lines(const char *s, size_t n)
{
	typedef unsigned char bytes __attribute__((vector_size(16)));
	size_t lines = 0, i = 0;
	while (n - i >= sizeof(bytes)) {
		size_t end = (n - i) / sizeof(bytes) * sizeof(bytes);
		if (end > 255 * sizeof(bytes)) /* a byte of `found` counts no further */
			end = 255 * sizeof(bytes);
		bytes found = { 0 }, v;
		for (end += i; i < end; i += sizeof(bytes)) {
			memcpy(&v, s + i, sizeof(v));
			found -= (bytes)(v == '\n'); /* true is 255, which is -1 */
		}
		for (size_t k = 0; k < sizeof(bytes); k++)
			lines += found[k];
	}
	for (; i < n; i++)
		lines += s[i] == '\n';
	return lines;
}

#endif
