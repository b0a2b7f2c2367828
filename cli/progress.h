/* progress.h: one line on a terminal, plain lines elsewhere, or one JSON object a line for programs (mvchat-report(5), EVENTS);
 * never mixed up with log lines. */
#ifndef MVCHAT_PROGRESS_H
#define MVCHAT_PROGRESS_H

#include "replay/engine.h"

enum progress_mode { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER, PROGRESS_PLAIN, PROGRESS_JSON };
void progress_init(enum progress_mode mode);
/* stage: its name in events, never translated ("reading"); what: for people ("reading the archive  12 345"). */
void progress_count(const char *stage, const char *what, int64_t n); /* total unknown */
void progress_part(const char *stage, const char *what, int64_t n, int64_t of);
void progress_engine(void *ctx, const struct engine_progress *p);
void progress_clear(void);                                 /* takes the line away; the stage has ended */

#endif
