/* archive_key.h: the key of an encrypted archive. */
#ifndef MVCHAT_ARCHIVE_KEY_H
#define MVCHAT_ARCHIVE_KEY_H

#include "core/err.h"

/* The importer's option "key=HEX" for a key file ("-": standard input), or, with path NULL, for what the environment's
 * MVCHAT_BACKUP_KEY holds; *out NULL when there is neither. The caller gives *out to archive_key_free. */
bool archive_key(const char *path, char **out, struct err *e);
void archive_key_free(char *option); /* wipes it; NULL is fine */

#endif
