/* markdown.h: struct text → a messenger's Markdown dialect, in parts that fit.
 *
 * Called by exporters (render). What a dialect can show is a table; what it cannot is written as plain characters and said in
 * the loss mask. Three promises:
 *  - Nothing foreign pings: in every text that comes from the archive (words, names, code, addresses) an '@' that could begin
 *    a mention is followed by U+2060 WORD JOINER (in addresses it becomes %40). Only what the resolver's live_mention
 *    returns is written alive.
 *  - Foreign characters are not taken for formatting (see quiet() in markdown.c for the means, and docs/pachca.md).
 *  - Each part is valid on its own and at most `max` bytes long; styles and code fences never reach over a part's end.
 * It does not look anything up: names, dates and addresses come from the resolver.
 */
#ifndef MVCHAT_MARKDOWN_H
#define MVCHAT_MARKDOWN_H

#include "exporters/exporter.h"

struct md_dialect {
	const char *bold, *strike;    /* markers, the same on both sides */
	char italic, italic_in_word;  /* the second one where a letter touches the marker from outside */
	const char *bullet[3];        /* by depth; the last one also for everything deeper */
	const char *quote;            /* before each line, once per level */
	const char *rule, *cell;      /* a divider; between the cells of a table row */
	const char *mention_open, *mention_close; /* around an account's id: what live_mention returned, unless that begins with '@' or '<' */
	const char *cyrillic_lang;    /* language word of a code block that has none and holds Cyrillic, or NULL */
	bool shows_lists, shows_quotes, shows_headings, shows_tables; /* false: written as characters, LOSS_STYLE */
};

/* Pachca, from the vendor's page on message text: bold, italic, strike, links, code, fenced code; nothing else is shown. */
extern const struct md_dialect md_pachca;

enum { MD_MIN_PART = 256 };

/* max: bytes of one part, at least MD_MIN_PART. There is at least one part (possibly ""). ORs into *loss. */
void md_render(const struct md_dialect *d, const struct text *t, const struct resolver *r, size_t max, struct arena *a,
               const char *const **parts, size_t *n_parts, uint32_t *loss);
/* One line of foreign text (a file name, a person's name) made harmless: no mention, no formatting, no line break. */
void md_plain(const char *s, struct arena *a, struct buf *out);

#endif
