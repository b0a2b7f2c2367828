/* mapping_text.h: regular expressions with limits, and what is replaced in texts before they leave. Used by the configuration
 * (compiling), the decisions (asking) and mapping_text.c itself (replacing). Patterns are PCRE2 with UTF and Unicode
 * properties; a pattern that would take too long gives REGEX_LIMIT instead of an answer. */
#ifndef MVCHAT_MAPPING_TEXT_H
#define MVCHAT_MAPPING_TEXT_H

#include "core/arena.h"
#include "core/buf.h"

struct regex;
enum regex_case { REGEX_EXACT, REGEX_CASELESS };
enum regex_got { REGEX_NO, REGEX_YES, REGEX_LIMIT };
/* Lives in the arena, wholly. NULL: *why (in a) says what is wrong and after how many bytes. */
const struct regex *regex_compile(const char *pattern, enum regex_case how, struct arena *a, const char **why);
enum regex_got regex_search(const struct regex *re, const char *s, size_t len);
/* The same; *begin, *end: where the first match stands. */
enum regex_got regex_find(const struct regex *re, const char *s, size_t len, size_t *begin, size_t *end);
/* The template with the groups of the first match in s. */
enum regex_got regex_expand(const struct regex *re, const char *with, const char *s, size_t len, struct arena *a, const char **out);
/* The first match in s replaced by the template; *out = s when there is none. */
enum regex_got regex_replace(const struct regex *re, const char *with, const char *s, struct arena *a, const char **out);
/* {0} to {9} in a replacement must be groups of the pattern. NULL: sound. Else what is wrong. */
const char *regex_bad_template(const struct regex *re, const char *with, struct arena *a);

/* One replacement. group: which group of the match is replaced (0 = all of it). check: narrows or refuses a match, or NULL. */
struct subst {
	const char *name, *match, *with;   /* with: {0}..{9} are what the groups matched */
	bool caseless;
	const struct regex *re;
	int group;
	size_t shown;                      /* number among mapping_replacements */
	bool (*check)(const char *s, size_t len, size_t begin, size_t *end);
	bool (*maybe)(const char *s, size_t len); /* false: the pattern cannot match anything in it; or NULL */
};
/* Built-in ones: NULL-terminated names; appends what the name stands for. locale: language of what is written instead. */
extern const char *const redaction_names[];
enum { REDACTION_PATTERNS_MAX = 4 }; /* of one name */
size_t redaction_add(size_t which, const char *locale, struct arena *a, struct subst *out);

#endif
