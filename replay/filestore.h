/* filestore.h: files fetched from where an export only links to them; addressed by content, found by the source's file id.
 *
 *   DIR/ab/abcdef…      the bytes, named by their SHA-256
 *   DIR/index.tsv       one line per file id: id, SHA-256, size, name; only ever appended to
 *   DIR/part/           downloads under way
 *
 * Crash-safe without a journal: bytes are synced and renamed into place before their line is appended and synced, and a line
 * without its newline does not count. A line whose bytes are not there (or not as many) counts as absent.
 */
#ifndef MVCHAT_FILESTORE_H
#define MVCHAT_FILESTORE_H

#include "core/err.h"
#include "core/hash.h"

enum { FILESTORE_ENTRY = 3 + DIGEST_HEX }; /* "ab/abcd…" with its NUL */

struct filestore;
enum filestore_mode { FILESTORE_READ, FILESTORE_WRITE };
/* FILESTORE_READ of a folder that is not there gives an empty store. FILESTORE_WRITE makes it (0700) and is alone in it
 * (ERR_LOCKED). NULL + err. */
struct filestore *filestore_open(const char *dir, enum filestore_mode mode, struct err *e);
void filestore_close(struct filestore *s); /* NULL is fine */
size_t filestore_count(const struct filestore *s); /* file ids with their bytes there */
/* false: not there. entry: the name inside DIR. */
bool filestore_find(const struct filestore *s, const char *id, char entry[FILESTORE_ENTRY], int64_t *size);
/* May this id be a key? At most 200 bytes, no control characters. */
bool filestore_may(const char *id);
/* Where the bytes of `id` are gathered, and the note beside them (".tag"); the caller frees. */
char *filestore_part(const struct filestore *s, const char *id, const char *suffix);
/* Takes the file at `part` into the store under `id`: hashed, synced, renamed, entered. */
bool filestore_add(struct filestore *s, const char *id, const char *part, const char *name, struct err *e);

#endif
