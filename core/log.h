/* log.h: what happened, for people and for machines; on stderr, one write(2) a line.
 *
 * Levels error/warn/info/debug; text or NDJSON ({"t":...,"lvl":...,"ev":...,"msg":...}). Registered secrets never come out:
 * any occurrence in a line becomes "***". Foreign text is filtered by utf8_term_safe here, so callers may pass it as it is.
 * The progress line, if one is on the screen, is taken away before and drawn again after a line (log_set_hooks).
 */
#ifndef MVCHAT_LOG_H
#define MVCHAT_LOG_H

#include "core/base.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

void log_init(enum log_level max, enum log_format format);
/* ev: a dotted event name of the documented table ("op.done"); msg: a sentence. */
void log_at(enum log_level level, const char *ev, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define log_error(ev, ...) log_at(LOG_ERROR, ev, __VA_ARGS__)
#define log_warn(ev, ...) log_at(LOG_WARN, ev, __VA_ARGS__)
#define log_info(ev, ...) log_at(LOG_INFO, ev, __VA_ARGS__)
#define log_debug(ev, ...) log_at(LOG_DEBUG, ev, __VA_ARGS__)
bool log_enabled(enum log_level level);

/* Registers a secret of at least 4 bytes (copied). Empty and NULL are ignored. At most 64 of them. */
void log_secret(const char *secret);
/* Replaces every registered secret in s[0..n) by "***"; appends to out. */
struct buf;
void log_redact(const char *s, size_t n, struct buf *out);

/* What stands before an error and a warning in text, instead of "error" and "warning"; they must live as long as the program. */
void log_set_words(const char *error, const char *warning);
void log_set_hooks(void (*before)(void), void (*after)(void));

#endif
