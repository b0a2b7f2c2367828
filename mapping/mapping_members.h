/* mapping_members.h: a CSV list of members, as Slack's administration page exports it, for e-mails the archive lacks. */
#ifndef MVCHAT_MAPPING_MEMBERS_H
#define MVCHAT_MAPPING_MEMBERS_H

#include "core/arena.h"
#include "core/err.h"
#include "core/table.h"

struct member { const char *id, *email, *name; size_t line; };
/* name: how errors call the file. Members by id (sheet_key -> struct member), those without an e-mail left out. twice: sentences,
 * one for each e-mail that several members have; such e-mails are not used. Everything in a. */
bool members_read(const char *path, const char *name, struct arena *a, struct table *out, const char *const **twice, size_t *n_twice, struct err *e);
/* Whoever has one of these tags, or is of a department so called: into out (sheet_key -> a value). The tags stand in a column `tags`,
 * several in a cell separated by "," or ";", the department in a column `department`; case does not matter, * and ? work. A list
 * with neither column, and a tag nobody has, are errors: a pilot of nobody is not meant. */
bool members_tagged(const char *path, const char *name, const char *const *tags, size_t n_tags, struct arena *a, struct table *out, struct err *e);

#endif
