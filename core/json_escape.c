/* json_escape.c: see json_escape.h. Escapes have a fixed length, so that looking them over costs little and a lone \uD800 is overwritten by
 * \uFFFD where it stands. Called by json_parse.c; keeps nothing between calls. */
#include "core/json_escape.h"

#include <string.h>

/* The number of a \uXXXX escape at s (6 bytes), or -1. */
static int32_t escape_at(const char *s)
{
	int32_t v = 0;
	if (s[0] != '\\' || s[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		char c = s[i];
		int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

size_t json_settle(const char *s, size_t n, enum json_more more, char *fix, size_t *n_lone)
{
	size_t i = 0;
	for (;;) {
		const char *hit = n > i ? memchr(s + i, '\\', n - i) : NULL;
		if (!hit)
			return n;
		i = (size_t)(hit - s);
		if (n - i < 2)
			return more == JSON_ALL_THERE ? n : i;
		if (s[i + 1] != 'u') {
			i += 2;
			continue;
		}
		if (n - i < 6)
			return more == JSON_ALL_THERE ? n : i;
		int32_t u = escape_at(s + i);
		if (u < 0xd800 || u > 0xdfff) {
			i += u < 0 ? 2 : 6;
			continue;
		}
		if (u <= 0xdbff) {
			if (n - i < 12 && more == JSON_MORE_FOLLOWS)
				return i;
			int32_t low = n - i < 12 ? -1 : escape_at(s + i + 6);
			if (low >= 0xdc00 && low <= 0xdfff) {
				i += 12;
				continue;
			}
		}
		++*n_lone;
		if (fix)
			memcpy(fix + i + 2, "fffd", 4);
		i += 6;
	}
}
