/* text.h: rich text, the one form every importer writes and every exporter renders.
 *
 * A text is a list of blocks (lines with a role), each a list of spans (characters with a style). Nesting is expressed by
 * numbers, not by trees: `quote` is the depth of quotation a block stands in, `indent` the depth of a list item. All strings
 * are valid UTF-8, NUL-terminated, borrowed from the arena the text was built in. An importer keeps what it can express
 * here; what it cannot, it writes as plain text.
 */
#ifndef MVCHAT_TEXT_H
#define MVCHAT_TEXT_H

#include "core/arena.h"
#include "core/buf.h"

enum block_kind {
	BLOCK_PARA,    /* ordinary text; '\n' inside a span is a line break */
	BLOCK_HEADING, /* a header; `level` 1..6 */
	BLOCK_ITEM,    /* a list item at depth `indent` (0 = outermost); `ordinal` > 0 numbered, 0 = bullet */
	BLOCK_CODE,    /* preformatted; spans are SPAN_TEXT or SPAN_LINK only; `lang` may be NULL */
	BLOCK_RULE,    /* a divider; no spans */
	BLOCK_ROW,     /* a table row; cells are separated by SPAN_CELL; `level` 1 = header row */
	BLOCK_NOTE,    /* small print: footers, contexts, what the program itself says */
};

enum span_kind {
	SPAN_TEXT,      /* text */
	SPAN_LINK,      /* text (label; may be empty = show the address), url */
	SPAN_USER,      /* ref = user.id; text = label seen in the source, or "" */
	SPAN_CONV,      /* ref = conv.id; text = label or "" */
	SPAN_GROUP,     /* ref = user group id; text = its label ("@sales") or "" */
	SPAN_BROADCAST, /* ref = "here" | "channel" | "everyone" */
	SPAN_EMOJI,     /* ref = short name without colons; text = the character(s), "" for a custom one */
	SPAN_DATE,      /* ref = Unix seconds as decimal; text = the fallback the source shows; url may be set */
	SPAN_MSG,       /* ref = "conv id/msg id"; text = label; url = the original address: a link to another message */
	SPAN_CELL,      /* end of a table cell */
	SPAN_CALL,      /* a call: text = its name or ""; ref = "minutes/people", 0 = unknown: the words are made where the reader's language is known */
};

enum span_style {
	STYLE_BOLD = 1 << 0, STYLE_ITALIC = 1 << 1, STYLE_STRIKE = 1 << 2, STYLE_CODE = 1 << 3, STYLE_UNDERLINE = 1 << 4,
};

struct span {
	enum span_kind kind;
	uint32_t style;          /* bits of enum span_style; styles apply to every kind */
	const char *text, *ref, *url; /* never NULL; "" where there is none */
};

struct block {
	enum block_kind kind;
	int quote;               /* depth of quotation, 0 = none */
	int indent, ordinal, level;
	const char *lang;        /* BLOCK_CODE: language hint or NULL */
	struct span *spans;
	size_t n_spans;
};

struct text { struct block *blocks; size_t n_blocks; };

/* What a reply quotes, where the source has replies that are no threads: a note in a quotation, before the author's own words. It is
 * no part of the words two copies of a message are compared by. */
static inline bool text_is_quoted(const struct block *b)
{
	return b->kind == BLOCK_NOTE && b->quote > 0;
}

/* Building: append blocks, then spans to the last block. Everything lives in the builder's arena. */
struct text_builder { struct arena *a; struct block *blocks; size_t n, cap, span_cap; int quote; };
void text_begin(struct text_builder *b, struct arena *a);
struct block *text_block(struct text_builder *b, enum block_kind kind); /* the new last block, quote = b->quote */
/* Appends a span to the last block (a BLOCK_PARA is opened if there is none). NULL strings become "". Strings are not copied:
 * they must live as long as the arena. Adjacent SPAN_TEXT of one style are merged only by text_end. */
void text_span(struct text_builder *b, enum span_kind kind, uint32_t style, const char *text, const char *ref, const char *url);
void text_plain(struct text_builder *b, uint32_t style, const char *s, size_t n); /* copies s[0..n) as SPAN_TEXT; n = 0 does nothing */
struct text text_end(struct text_builder *b); /* drops empty blocks, merges neighbours, trims blank edges */

/* A SPAN_CALL as a line, "Call: NAME, 30 min, 3 participants": what of it is known. */
enum text_lang { TEXT_ENGLISH, TEXT_RUSSIAN };
void text_call(const struct span *s, enum text_lang lang, struct buf *out);
bool text_is_empty(const struct text *t); /* nothing a reader would see */
/* The words only, for matching, search, previews and fingerprints: no styles; mentions as "@label or id"; blocks joined by '\n'. */
void text_plaintext(const struct text *t, struct buf *out);
struct text text_from_plain(struct arena *a, const char *s); /* one BLOCK_PARA */

#endif
