#include "core/hash.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL /* most of what is hashed is short: the call would cost as much again */
#include <xxhash.h>

uint64_t hash64(const void *p, size_t n, uint64_t seed)
{
	return XXH3_64bits_withSeed(n ? p : "", n, seed);
}

uint64_t hash64s(const char *s)
{
	return hash64(s, strlen(s), 0);
}

void digest_init(struct digest *d)
{
	d->ctx = xmalloc(sizeof(struct sha256_ctx));
	sha256_init(d->ctx);
}

void digest_add(struct digest *d, const void *p, size_t n)
{
	sha256_update(d->ctx, n, p);
}

void digest_end(struct digest *d, uint8_t out[DIGEST_BYTES])
{
	sha256_digest(d->ctx, DIGEST_BYTES, out);
	free(d->ctx);
	d->ctx = NULL;
}

void hex(const uint8_t *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}
