/* markdown_priv.h: between markdown.c (blocks, quiet text) and markdown_line.c (lines with styles, parts). Nobody else's. */
#ifndef MVCHAT_MARKDOWN_PRIV_H
#define MVCHAT_MARKDOWN_PRIV_H

#include "exporters/markdown.h"

enum md_raw { MD_TEXT /* foreign: made quiet */, MD_READY /* already as it must be; never cut */ };
enum md_code { MD_CODE_SPAN, MD_CODE_BLOCK };
enum md_prefix { MD_FIRST_LINE, MD_NEXT_LINES };

struct md_piece { const char *s; size_t n; uint32_t style; enum md_raw raw; }; /* n > 0 */
struct md_pieces { struct md_piece *v; size_t n, cap; };
struct md_marks { size_t stars, unders, ticks; }; /* runs in a block that could pair up */

struct md_line {
	const char *s; size_t n;
	const char *lang;   /* code: language word, or "" */
	int code;           /* number of the code block it is in, or 0 */
	bool block_start;   /* a good place to begin a part */
	bool forced;        /* goes on in the middle of the line before: must begin a part */
};

struct md_job {
	const struct md_dialect *d;
	const struct resolver *r;
	struct arena *a;
	size_t max;
	uint32_t loss;
	struct md_pieces p;                         /* of the current block */
	struct md_line *lines; size_t n_lines, cap_lines;
	int n_code;
	bool at_block_start;
};

void md_quiet_code(enum md_code where, const char *s, size_t n, struct buf *out);
bool md_wordy(uint32_t c);
struct md_line *md_add_line(struct md_job *j, const char *s, size_t n);

/* j->p (quiet) → lines, each with its prefix. */
void md_text_lines(struct md_job *j, const char *first_prefix, const char *next_prefix);
/* j->lines → parts. */
void md_pack(struct md_job *j, const char *const **parts, size_t *n_parts);

#endif
