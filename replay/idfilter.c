/* idfilter.c: see idfilter.h. Called by the files that put copies of a chat together (spool_fold.c, spool_written.c). */
#include "replay/idfilter.h"

#include "core/hash.h"

#include <stdlib.h>

enum { PROBES = 4, BITS_EACH = 16, BITS_MIN = 1 << 12, BITS_MAX = 1 << 26 };

void idfilter_init(struct idfilter *f, size_t n)
{
	uint64_t bits = BITS_MIN;
	while (bits < BITS_MAX && bits / BITS_EACH < n)
		bits *= 2;
	*f = (struct idfilter){ xcalloc((size_t)bits / 64, sizeof(*f->bits)), bits - 1 };
}

void idfilter_free(struct idfilter *f)
{
	free(f->bits);
	*f = (struct idfilter){ 0 };
}

void idfilter_add(struct idfilter *f, const char *id)
{
	uint64_t h = hash64s(id), step = h >> 32 | 1;
	for (int i = 0; i < PROBES; i++, h += step)
		f->bits[(h & f->mask) >> 6] |= (uint64_t)1 << (h & 63);
}

bool idfilter_has(const struct idfilter *f, const char *id)
{
	uint64_t h = hash64s(id), step = h >> 32 | 1;
	for (int i = 0; f->bits && i < PROBES; i++, h += step)
		if (!(f->bits[(h & f->mask) >> 6] >> (h & 63) & 1))
			return false;
	return f->bits != NULL;
}
