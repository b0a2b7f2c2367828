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

#endif
