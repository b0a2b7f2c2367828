/* canon_int.h: the words of the canonical form, shared by canon.c (writing) and canon_read.c. Nobody else includes it. */
#ifndef MVCHAT_CANON_INT_H
#define MVCHAT_CANON_INT_H

#include "core/canon.h"

/* Words by number; NULL where a number means nothing. Of flags: by bit, the lowest first. */
struct canon_names { const char *const *v; size_t n; };
extern const struct canon_names canon_conv_kinds, canon_msg_kinds, canon_file_states, canon_file_kinds, canon_name_sources, canon_block_kinds,
	canon_span_kinds, canon_user_flags, canon_msg_flags;
#define CANON_STYLES "biscu" /* a letter for each bit of a span's style */

static inline const char *canon_name(const struct canon_names *names, size_t i)
{
	return i < names->n && names->v[i] ? names->v[i] : "unknown";
}

#endif
