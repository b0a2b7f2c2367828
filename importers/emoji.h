/* emoji.h: Slack's short names ("+1::skin-tone-3") to characters. Pure; private to the importers. */
#ifndef MVCHAT_EMOJI_H
#define MVCHAT_EMOJI_H

#include "core/base.h"

struct emoji_row { const char *name, *chars; bool tone; };
extern const struct emoji_row emoji_rows[]; /* sorted by name, bytewise */
extern const size_t n_emoji_rows;

enum { EMOJI_MAX = 64, EMOJI_NAME_MAX = 100 };

/* The characters of a standard emoji, NUL-terminated in out, and true; false for custom or unknown names. The name has no outer
 * colons and may end with "::skin-tone-2" to "-6"; a tone the emoji does not take is left away. */
bool emoji_chars(const char *name, size_t n, char out[EMOJI_MAX]);

/* The untoned character of a name, a constant; NULL when it is no standard emoji. */
const char *emoji_plain(const char *name, size_t n);

/* "1f44d-1f3fc" (hexadecimal code points, as Slack's blocks have them) to characters. */
bool emoji_from_hex(const char *hex, size_t n, char out[EMOJI_MAX]);

#endif
