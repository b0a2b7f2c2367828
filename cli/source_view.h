/* source_view.h: for a message of the target, where it came from and what was lost: what the sandbox's page shows beside it.
 *
 * Reads the project's ledger and spool, never writes, and looks again when they have changed; all calls from one thread.
 * A ledger that belongs to another target answers nothing: ids of two targets may be equal. */
#ifndef MVCHAT_SOURCE_VIEW_H
#define MVCHAT_SOURCE_VIEW_H

#include "sandbox/sandbox.h"

struct source_view;
struct source_view *source_view_new(const char *project_dir); /* the folder need not hold a project yet */
void source_view_free(struct source_view *v);
void source_view_port(struct source_view *v, int port); /* of the sandbox whose messages are asked for */
/* sandbox_source.tell; ctx = struct source_view */
bool source_view_tell(void *ctx, const char *message, struct jw *w);

#endif
