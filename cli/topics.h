/* topics.h: `mvchat help TOPIC`: what does not belong to one command, in a screenful each. */
#ifndef MVCHAT_TOPICS_H
#define MVCHAT_TOPICS_H

#include "core/base.h"

bool topic_print(const char *name);     /* false: there is no such topic */
void topic_list(void);                  /* their names and first lines */
const char *const *topic_names(void);   /* NULL-terminated */

#endif
