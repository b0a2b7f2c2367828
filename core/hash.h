/* hash.h: fingerprints.
 *
 * hash64: XXH3-64 (libxxhash), for tables and change detection; not for secrets and not against ill will.
 * digest: SHA-256 (FIPS 180-4, libnettle), for archives, plans and files.
 */
#ifndef MVCHAT_HASH_H
#define MVCHAT_HASH_H

#include "core/base.h"

uint64_t hash64(const void *p, size_t n, uint64_t seed);
uint64_t hash64s(const char *s);

enum { DIGEST_BYTES = 32, DIGEST_HEX = 2 * DIGEST_BYTES + 1 };
struct digest { void *ctx; };
void digest_init(struct digest *d);
void digest_add(struct digest *d, const void *p, size_t n);
void digest_end(struct digest *d, uint8_t out[DIGEST_BYTES]); /* releases what init took */
void hex(const uint8_t *p, size_t n, char *out);              /* out holds 2n+1 */

#endif
