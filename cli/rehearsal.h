/* rehearsal.h: the sandbox as a child process of `mvchat move --to sandbox`.
 *
 * A process and not a thread: the clock, the signals and the steps of the program stay its own, and a sandbox that dies takes
 * nothing with it. The child ends when its parent does, however that ends. */
#ifndef MVCHAT_REHEARSAL_H
#define MVCHAT_REHEARSAL_H

#include "core/err.h"

#include <sys/types.h>

struct rehearsal { pid_t pid; int keep; int port; }; /* keep: while this end of a pipe is open, the child serves */

/* project_dir: whose messages the page can trace back to their source. Starts it on the port, or with 0 on a free one. Must come before threads, connections and databases are opened: it forks. */
bool rehearsal_start(struct rehearsal *r, const char *store, int port, const char *project_dir, struct err *e);
void rehearsal_stop(struct rehearsal *r); /* waits for its end; harmless when it did not start */

#endif
