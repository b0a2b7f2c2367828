/* mapping_sheet.h: a CSV table as spreadsheets leave it, and as they like to find it.
 *
 * Reading accepts a BOM, UTF-16 that has one, ',' ';' or tab (told from the header line), CRLF, quotes over several lines, "sep=;", ="…" wraps,
 * missing trailing cells, columns in any order and columns of the user's own. Writing keeps the file's own separator, BOM,
 * line ends and column order. Cells that a spreadsheet would run as a formula are written with a leading apostrophe and read
 * back without it; columns marked `own` belong to the user and are kept byte by byte.
 */
#ifndef MVCHAT_MAPPING_SHEET_H
#define MVCHAT_MAPPING_SHEET_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"

struct sheet_column { const char *name; bool own; bool is_id; /* a number in it is a name: 7,9E+10 is refused */ };
struct sheet_row { size_t line; const char **cells; /* n_standard, then n_extra; never NULL */ };
struct sheet {
	const char *file;                               /* how errors call it */
	const struct sheet_column *standard; size_t n_standard;
	const char **extra; size_t n_extra;             /* names of the user's columns */
	size_t *order; size_t n_order;                  /* column i of the file is cell order[i] */
	struct sheet_row *rows; size_t n_rows, cap_rows;
	char sep; bool bom, crlf;
};

void sheet_init(struct sheet *s, const char *file, const struct sheet_column *standard, size_t n_standard, struct arena *a);
/* The first standard column is the key: each row has one, no two the same. Everything in a. */
bool sheet_read(struct sheet *s, const char *text, size_t len, struct arena *a, struct err *e);
struct sheet_row *sheet_add(struct sheet *s, struct arena *a); /* all cells "" */
void sheet_write(const struct sheet *s, struct buf *out);
/* A key as it is compared: without a leading '+' before a digit, which spreadsheets lose. */
const char *sheet_key(const char *id);
/* A cell of an own column as it is meant: without blanks around it, apostrophe or ="…"; in a, or a part of the cell. */
const char *sheet_meant(const char *cell, struct arena *a);

#endif
