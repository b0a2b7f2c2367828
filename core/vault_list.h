/* vault_list.h: the entries of a vault, sorted by name, in memory that hardly grows with their number. Only core/vault*.c include it.
 *
 * Entries are added in the order of the archive and sorted once; then they are looked up by rank or by name. Up to some twenty thousand
 * all of them stay in memory; beyond, they are sorted in runs, merged and read back by blocks from a private file that has no name
 * (vault_private_file), so that a million entries take as little as a few: a block's place and the beginning of its first name each.
 *
 * Not for two threads. A file that cannot be read back ends the program: it is the program's own, and dying is safe.
 */
#ifndef MVCHAT_VAULT_LIST_H
#define MVCHAT_VAULT_LIST_H

#include "core/err.h"

struct item;
struct vault_list;

enum { VAULT_NAME_MAX = 16 * 1024 }; /* bytes of a name */

/* scratch: where the private file goes, as of vault_open; outlives the list. names_max: bytes of all names together. */
struct vault_list *vault_list_new(const char *scratch, int64_t names_max);
void vault_list_free(struct vault_list *l); /* NULL is fine */

/* Copies the entry and its names; its rank is given by the sorting. false + err: a name or all of them are too long, or the disk is full. */
bool vault_list_add(struct vault_list *l, const struct item *it, struct err *e);
/* How long the folders are that all entries are in and may lose, with the last '/', or 0; the rule is vault.h's. Before the sorting. */
size_t vault_list_top(const struct vault_list *l, const char **first /* a name that has them; of the list */);
/* Once, when all have been added: `strip` bytes are taken from the beginning of every name. Of equal names the first added keeps it, the next
 * ones are "NAME (2)", … */
bool vault_list_sort(struct vault_list *l, size_t strip, struct err *e);

size_t vault_list_count(const struct vault_list *l);
/* The entry of that rank. Its names are good until the next call about this list. */
void vault_list_get(struct vault_list *l, size_t rank, struct item *out);
/* The rank of the first entry whose name is >= name, bytewise. */
size_t vault_list_lower(struct vault_list *l, const char *name);

#endif
