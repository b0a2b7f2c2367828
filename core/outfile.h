/* outfile.h: files that exist whole or not at all: written beside their place, synced, then renamed.
 *
 * Sequence: outfile_open -> write to o.f -> outfile_commit (or outfile_abort). A process that dies in between leaves the
 * old file untouched; a stale ".NAME.tmp" beside it is overwritten by the next attempt.
 */
#ifndef MVCHAT_OUTFILE_H
#define MVCHAT_OUTFILE_H

#include "core/err.h"

#include <stdio.h>
#include <sys/types.h>

struct outfile { FILE *f; char *path, *tmp; };

bool outfile_open(struct outfile *o, const char *path, mode_t mode, struct err *e);
bool outfile_commit(struct outfile *o, struct err *e); /* flush, fsync, rename, fsync of the folder */
void outfile_abort(struct outfile *o);                 /* harmless after commit or a failed open */

#endif
