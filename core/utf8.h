/* utf8.h: text as it crosses the border.
 *
 * Everything from an archive or a server is validated or repaired on the way in (utf8_valid, utf8_repair), and filtered on
 * the way to a terminal or a report (utf8_term_safe). Lengths are bytes unless said otherwise.
 */
#ifndef MVCHAT_UTF8_H
#define MVCHAT_UTF8_H

#include "core/base.h"

struct buf;

/* Reads one code point of s[0..n). Returns its length 1..4, or 0 when the bytes are no valid UTF-8 (RFC 3629: no
 * surrogates, no overlong forms, nothing above U+10FFFF) or n is 0. */
size_t utf8_get(const char *s, size_t n, uint32_t *cp);
size_t utf8_put(uint32_t cp, char out[4]); /* length, or 0 for what is no scalar value */

bool utf8_valid(const char *s, size_t n);
/* Takes out of a NUL-terminated string, in place, what is no UTF-8: for texts that "%.99s" cut inside a character. */
void utf8_mend(char *s);
void utf8_repair(const char *s, size_t n, struct buf *out); /* every bad byte becomes U+FFFD */

/* The largest k <= n such that s[0..k) does not end inside a character. s must hold at least n valid or cut bytes. */
size_t utf8_cut(const char *s, size_t n);
/* Like utf8_cut, but also never between a base character and its combining marks, variation selectors, emoji modifiers or
 * ZWJ sequences. Falls back to utf8_cut where that would leave nothing. */
size_t utf8_cut_cluster(const char *s, size_t len, size_t n);

size_t utf8_width(const char *s);  /* terminal columns (East Asian wide = 2, combining = 0) */
size_t utf8_length(const char *s); /* code points */

/* Appends s with control characters, C1, bidi controls and other invisible format characters shown as \u{XXXX}; a newline
 * becomes "\n" spelled out when keep_lines is false. For everything quoted from archive or server. */
enum term_lines { TERM_ONE_LINE, TERM_KEEP_LINES };
void utf8_term_safe(const char *s, size_t n, enum term_lines lines, struct buf *out);

#endif
