/* progress.h: one line on a terminal, plain lines elsewhere; never mixed up with log lines. */
#ifndef MVCHAT_PROGRESS_H
#define MVCHAT_PROGRESS_H

#include "replay/engine.h"

enum progress_mode { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER, PROGRESS_PLAIN };
void progress_init(enum progress_mode mode);
void progress_count(const char *what, int64_t n);          /* "reading the archive  12 345"; total unknown */
void progress_part(const char *what, int64_t n, int64_t of);
void progress_engine(void *ctx, const struct engine_progress *p);
void progress_clear(void);                                 /* takes the line away */

#endif
