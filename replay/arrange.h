/* arrange.h: who sits where: the mapping's placements and routes, worked out once for a spool and a mapping. */
#ifndef MVCHAT_ARRANGE_H
#define MVCHAT_ARRANGE_H

#include "mapping/mapping.h"
#include "replay/spool.h"

/* From now on the spool is read as the mapping seats it (spool_seat.h): history in threads of ours, messages in the threads the rules
 * send them to. A mapping without any of that leaves the spool as it is and costs one look at its conversations. */
bool arrange(struct spool *s, const struct mapping *m, struct err *e);

#endif
