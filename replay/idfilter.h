/* idfilter.h: is an id among many? A Bloom filter: "no" is certain, "yes" is wrong once in a few hundred times. Two bytes for each id. */
#ifndef MVCHAT_IDFILTER_H
#define MVCHAT_IDFILTER_H

#include "core/base.h"

struct idfilter { uint64_t *bits; uint64_t mask; };
void idfilter_init(struct idfilter *f, size_t n); /* for about n ids; 8 MiB at most, then it errs more often */
void idfilter_free(struct idfilter *f);
void idfilter_add(struct idfilter *f, const char *id);
bool idfilter_has(const struct idfilter *f, const char *id); /* of one that was not made: false */

#endif
