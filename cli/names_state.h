/* names_state.h: under which names people were shown by which run: .mvchat/names.state.
 *
 * Names come from the archives, and a newer one may have others: what was sent under an old one is then written differently today, although
 * the mapping is the same. The file holds each name with the first run that used it, one a line. Without it nothing is
 * noticed, and nothing breaks. */
#ifndef MVCHAT_NAMES_STATE_H
#define MVCHAT_NAMES_STATE_H

#include "cli/project.h"
#include "core/table.h"
#include "replay/adopt.h"

/* Runs that wrote under a name that is another one today count as written under another mapping. After ledger_current_mapping. */
bool names_mark(struct project *p, struct err *e);
/* Run `run` writes under today's names, or, for whoever is in `other` (id -> name), under that one. Marks, too. */
bool names_begin(struct project *p, int64_t run, const struct table *other, struct err *e);
/* Who was called otherwise before today. In the project's arena. */
bool names_former(struct project *p, const struct former **v, size_t *n, struct err *e);

#endif
