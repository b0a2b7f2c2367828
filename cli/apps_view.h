/* apps_view.h: apps, bots and webhooks of the archives, for people and for programs: text, JSON, CSV. */
#ifndef MVCHAT_APPS_VIEW_H
#define MVCHAT_APPS_VIEW_H

#include "cli/cmd.h"

const char *apps_kind_word(enum integration_kind k);   /* translated */
const char *apps_state_word(enum integration_state s); /* translated; "" unknown */
/* "general (120), dev (3)": the busiest first, at most max of them. In a. */
const char *apps_places(const struct spool_integration *in, size_t max, struct arena *a);
const char *apps_installer(const struct spool_integration *in, struct arena *a); /* "Анна Иванова, 2024-01-15" or "" */

void apps_print(struct spool *sp);                     /* with a title; nothing when there are none */
void apps_json(struct spool *sp, struct jw *w);        /* an array */
/* One line each, RFC 4180. path is written whole or not at all. */
bool apps_csv(struct spool *sp, const char *path, struct err *e);

#endif
