/* mapping_draft.h: the text of a new mvchat.yaml, for mapping_draft.c and its tests. */
#ifndef MVCHAT_MAPPING_DRAFT_H
#define MVCHAT_MAPPING_DRAFT_H

#include "mapping/mapping.h"

void draft_page(const struct survey *s, struct buf *out);

#endif
