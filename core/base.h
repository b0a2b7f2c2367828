/* base.h: what every file of the program may rely on.
 *
 * Promises: C11 + POSIX 2008; attributes by name; the functions that lose or overrun data cannot be called by accident.
 * Every .c of this tree includes its own header first, and that header (or this one) comes before any system header.
 */
#ifndef MVCHAT_BASE_H
#define MVCHAT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define countof(a) (sizeof(a) / sizeof((a)[0]))

#if defined(__GNUC__)
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))
#define MUST_USE __attribute__((warn_unused_result))
#define UNUSED __attribute__((unused))
#else
#define PRINTF_LIKE(fmt, args)
#define NORETURN
#define MUST_USE
#define UNUSED
#endif

/* Marks a text that people will read; whoever prints it translates it (cli/i18n.h). */
#define N_(s) s

/* Says what broke on stderr and aborts. Only for bugs and exhausted memory: the program is crash-only, so dying is safe
 * at any instruction and the next run goes on where this one stopped. */
NORETURN void die(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* malloc family that never returns NULL (die() instead). The caller frees with free(). */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
/* Room for one more in an array of cap places, n of them taken: at first `first`, then twice as many each time. */
#define GROW(v, n, cap, first) \
	do { \
		if ((n) == (cap)) { \
			(cap) = (cap) ? 2 * (cap) : (first); \
			(v) = xrealloc((v), (cap) * sizeof(*(v))); \
		} \
	} while (0)
void xtrim(void); /* gives memory that is not in use back to the system, where that can be asked for */
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);

/* snprintf that cuts at a whole UTF-8 character and always terminates; returns false when it had to cut. */
bool fmt_into(char *dst, size_t cap, const char *fmt, ...) PRINTF_LIKE(3, 4);

static inline bool streq(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static inline bool str_begins(const char *s, const char *head)
{
	return strncmp(s, head, strlen(head)) == 0;
}

static inline bool str_ends(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);
	return n >= m && streq(s + n - m, tail);
}

/* What follows the last '/' of a path, or all of it. */
static inline const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

#endif
