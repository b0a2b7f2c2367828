/* err.h: one error as people need it: what failed, where, and what to do next.
 *
 * A function that can fail returns bool (or a small enum) and fills the struct err its caller gave; the caller that can *do*
 * something about it handles it, everyone else returns false. Only cli/ prints. `msg` is lower case, without a full stop.
 * Text taken from archives or servers may be in msg: whoever prints it passes it through utf8_term_safe.
 * Messages are written in English where they arise and put into the reader's language by err_speak's translator; the formats
 * are collected for translation by tests/tools/pot.sh (err_set, err_wrap, err_hint), so they must be literals. Places are not
 * translated.
 */
#ifndef MVCHAT_ERR_H
#define MVCHAT_ERR_H

#include "core/base.h"

/* The class decides the exit code (cli/exit.h) and the remedy sentence. */
enum err_code {
	ERR_NONE,
	ERR_INTERNAL, /* a bug, a full disk, a broken library: exit 1 */
	ERR_USAGE,    /* command line or mapping syntax: exit 2 */
	ERR_ARCHIVE,  /* archive unreadable or not recognised: exit 3 */
	ERR_MAPPING,  /* mapping incomplete under the chosen policy: exit 4 */
	ERR_TARGET,   /* the target refused us: authorisation, network: exit 5 */
	ERR_PARTIAL,  /* incomplete but safe: rejected, in doubt, stopped: exit 6 */
	ERR_DIFF,     /* a difference was found: exit 7 */
	ERR_LOCKED,   /* ledger locked, or of another source/target pair: exit 8 */
	ERR_RECORD,   /* one unusable record of an archive; never ends a run */
};

struct err { /* Cyrillic takes two bytes for a letter */
	enum err_code code;
	char msg[640];
	char where[240]; /* "entry:line", a JSON pointer, "file:line:column"; empty when there is no place */
	char hint[480];  /* the next thing to do or type; may be empty */
};

#define ERR_INIT { .code = ERR_NONE }

/* Fills e (which may be NULL) and returns false, so that callers can `return err_set(...)`. A trailing ':' in the message
 * asks for strerror(errno) to be appended. */
bool err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool err_where(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3); /* sets the place; returns false */
bool err_hint(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);  /* sets the hint; returns false */
bool err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);  /* puts "context: " before msg; returns false */
void err_clear(struct err *e);

/* How formats of messages are put into the reader's language: gives the translation, or its argument. Set once by cli before
 * anything can fail; NULL (the start) = English. It must be callable from any thread. */
void err_speak(const char *(*translate)(const char *english));
/* The same for a piece that goes into a message as an argument: a literal, marked N_() where it stands. */
const char *err_word(const char *english) __attribute__((format_arg(1)));

#endif
