/* mapping_sheet.c: CSV in and out. Called by mapping.c, mapping_rows.c and mapping_draft.c. It knows cells, rows and places, not what they
 * mean; it opens no file. Reading is libcsv's (RFC 4180 with the usual leniency), fed line by line so that rows know their line. */
#include "mapping/mapping_sheet.h"

#include "core/table.h"
#include "core/utf8.h"
#include "mapping/mapping_config.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

enum { COLUMNS_MAX = 200 };

void sheet_init(struct sheet *s, const char *file, const struct sheet_column *standard, size_t n_standard, struct arena *a)
{
	*s = (struct sheet){ .file = file, .standard = standard, .n_standard = n_standard, .sep = ',' };
	s->order = arena_array(a, n_standard, size_t);
	s->n_order = n_standard;
	for (size_t i = 0; i < n_standard; i++)
		s->order[i] = i;
}

static bool risky(char c)
{
	return c == '=' || c == '+' || c == '-' || c == '@' || c == '\t' || c == '\r';
}

/* '…'=x: any number of apostrophes before a character that starts a formula. */
static bool has_guard(const char *s)
{
	size_t n = strspn(s, "'");
	return n && risky(s[n]);
}

static const char *unwrap(const char *cell, struct arena *a)
{
	size_t n = strlen(cell);
	if (n >= 3 && cell[0] == '=' && cell[1] == '"' && cell[n - 1] == '"')
		return arena_strndup(a, cell + 2, n - 3);
	return has_guard(cell) ? cell + 1 : cell;
}

const char *sheet_meant(const char *cell, struct arena *a)
{
	size_t n = strlen(cell), i = 0;
	while (i < n && strchr(" \t\r\n", cell[i]))
		i++;
	while (n > i && strchr(" \t\r\n", cell[n - 1]))
		n--;
	return unwrap(!i && !cell[n] ? cell : arena_strndup(a, cell + i, n - i), a); /* of a hundred thousand cells hardly one has blanks around it */
}

const char *sheet_key(const char *id)
{
	return id[0] == '+' && id[1] >= '0' && id[1] <= '9' ? id + 1 : id;
}

static bool fold_equal(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char x = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a;
		if (x != *b)
			return false;
	}
	return *a == *b;
}

static size_t standard_index(const struct sheet *s, const char *name)
{
	for (size_t i = 0; i < s->n_standard; i++)
		if (fold_equal(name, s->standard[i].name))
			return i;
	return SIZE_MAX;
}

struct sheet_row *sheet_add(struct sheet *s, struct arena *a)
{
	ARENA_GROW(a, s->rows, s->n_rows, s->cap_rows, 64);
	struct sheet_row *r = &s->rows[s->n_rows++];
	r->line = 0;
	r->cells = arena_array(a, s->n_standard + s->n_extra + 1, const char *);
	for (size_t i = 0; i < s->n_standard + s->n_extra; i++)
		r->cells[i] = "";
	return r;
}

struct reading {
	struct sheet *s;
	struct arena *a;
	struct err *e;
	const char *cells[COLUMNS_MAX];
	size_t n, n_file, line, row_line; /* n_file: columns the file itself has */
	bool at_start, have_header, failed;
};

/* Most of a table repeats the row above: its kinds, dates and decisions are kept once. */
static bool same_text(const char *above, const char *p, size_t len)
{
	return above && !strncmp(above, p, len) && !above[len];
}

static void on_cell(void *p, size_t len, void *ctx)
{
	struct reading *r = ctx;
	if (r->n < COLUMNS_MAX)
		r->cells[r->n] = !len ? "" : same_text(r->cells[r->n], p, len) ? r->cells[r->n] : arena_strndup(r->a, p, len);
	r->n++;
}

static void fail(struct reading *r, size_t column, const char *msg)
{
	if (r->failed)
		return;
	r->failed = true;
	err_set(r->e, ERR_USAGE, "%s", msg);
	if (column)
		err_where(r->e, "%s:%zu:%zu", r->s->file, r->row_line, column);
	else
		err_where(r->e, "%s:%zu", r->s->file, r->row_line);
}

/* A misspelt column would silently lose every decision in it, so a stranger close to a missing column is an error. */
static void check_strangers(struct reading *r, const bool *present, const size_t *at)
{
	struct sheet *s = r->s;
	for (size_t i = 0; i < s->n_extra && !r->failed; i++) {
		const char *missing[32];
		size_t n = 0;
		for (size_t j = 0; j < s->n_standard && n < countof(missing); j++)
			if (!present[j])
				missing[n++] = s->standard[j].name;
		const char *near = nearest_word(s->extra[i], missing, n);
		if (near) {
			fail(r, at[i], arena_fmt(r->a, err_word("column '%s' is missing and '%s' is not known"), near, s->extra[i]));
			err_hint(r->e, "did you mean '%s'?", near);
		}
	}
}

static void on_header(struct reading *r)
{
	struct sheet *s = r->s;
	bool present[32] = { false };
	size_t at[COLUMNS_MAX];
	while (r->n && !*sheet_meant(r->cells[r->n - 1], r->a))
		r->n--;
	s->extra = arena_array(r->a, r->n + 1, const char *);
	size_t *order = arena_array(r->a, r->n + s->n_standard, size_t);
	for (size_t i = 0; i < r->n; i++) {
		const char *name = sheet_meant(r->cells[i], r->a);
		size_t k = standard_index(s, name);
		if (k != SIZE_MAX && present[k]) {
			fail(r, i + 1, arena_fmt(r->a, err_word("column '%s' is there twice"), name));
			return;
		}
		if (k == SIZE_MAX) {
			k = s->n_standard + s->n_extra;
			at[s->n_extra] = i + 1;
			s->extra[s->n_extra++] = r->cells[i];
		} else {
			present[k] = true;
		}
		order[i] = k;
	}
	check_strangers(r, present, at);
	if (!r->failed && !present[0]) {
		fail(r, 1, arena_fmt(r->a, err_word("the first line must name the columns; '%s' is not among them"), s->standard[0].name));
		err_hint(r->e, "put the heading line back, or delete the file and run 'mvchat map'");
	}
	s->order = order;
	s->n_order = r->n_file = r->n;
	for (size_t k = 0; k < s->n_standard; k++)
		if (!present[k])
			s->order[s->n_order++] = k;
	r->have_header = true;
	r->n = 0;
}

/* 7,9E+10: what is left of 79161234567 when a spreadsheet took it for a number. Also behind "match:". */
static bool is_rounded(const char *s)
{
	const char *colon = strchr(s, ':');
	s = colon ? colon + 1 : s;
	s += strspn(s, " +-");
	size_t n = strspn(s, "0123456789");
	if (!n)
		return false;
	s += n;
	if (*s == '.' || *s == ',')
		s += 1 + strspn(s + 1, "0123456789");
	return (*s == 'E' || *s == 'e') && s[1] == '+' && s[2] && strspn(s + 2, "0123456789") == strlen(s + 2);
}

static void on_row(int c, void *ctx)
{
	struct reading *r = ctx;
	(void)c;
	r->at_start = true;
	if (r->failed)
		return;
	struct sheet *s = r->s;
	if (r->n > COLUMNS_MAX) {
		fail(r, 0, err_word("too many columns"));
		return;
	}
	if (!r->have_header) {
		on_header(r);
		return;
	}
	size_t n = r->n, filled = 0;
	r->n = 0;
	for (size_t i = 0; i < n; i++)
		filled += *r->cells[i] != '\0';
	if (!filled)
		return;
	struct sheet_row *row = sheet_add(s, r->a);
	row->line = r->row_line;
	for (size_t i = 0; i < n; i++) {
		size_t k = i < r->n_file ? s->order[i] : SIZE_MAX;
		if (k == SIZE_MAX) {
			if (*r->cells[i]) {
				fail(r, i + 1, err_word("more cells than columns: a quote or a separator is out of place"));
				return;
			}
			continue;
		}
		bool own = k >= s->n_standard || s->standard[k].own;
		if (k < s->n_standard && s->standard[k].is_id && is_rounded(sheet_meant(r->cells[i], r->a))) {
			fail(r, i + 1, arena_fmt(r->a, err_word("'%s' is a number that a spreadsheet has shortened: its digits are lost"), sheet_meant(r->cells[i], r->a)));
			err_hint(r->e, "make column '%s' a text column, and type the number again or take the cell from the table as it was", s->standard[k].name);
			return;
		}
		row->cells[k] = own ? r->cells[i] : sheet_meant(r->cells[i], r->a);
	}
	if (!*row->cells[0])
		fail(r, 1, arena_fmt(r->a, err_word("a row without '%s'"), s->standard[0].name));
}

/* The character that separates the header's cells: the most frequent of the three outside quotes. */
static char separator_of(const char *p, size_t n)
{
	size_t commas = 0, semis = 0, tabs = 0;
	bool quoted = false;
	for (size_t i = 0; i < n && (quoted || (p[i] != '\n' && p[i] != '\r')); i++) {
		if (p[i] == '"')
			quoted = !quoted;
		else if (!quoted) {
			commas += p[i] == ',';
			semis += p[i] == ';';
			tabs += p[i] == '\t';
		}
	}
	return tabs > commas && tabs > semis ? '\t' : semis > commas ? ';' : ',';
}

static bool check_keys(struct sheet *s, struct err *e)
{
	struct table seen;
	table_init(&seen);
	bool ok = true;
	for (size_t i = 0; i < s->n_rows && ok; i++) {
		struct sheet_row *was = table_put(&seen, sheet_key(s->rows[i].cells[0]), &s->rows[i]);
		if (was) {
			err_set(e, ERR_USAGE, "'%s' has two rows, in lines %zu and %zu", s->rows[i].cells[0], was->line, s->rows[i].line);
			err_where(e, "%s:%zu", s->file, s->rows[i].line);
			err_hint(e, "delete one of them");
			ok = false;
		}
	}
	table_release(&seen);
	return ok;
}

/* "Unicode text", as Excel calls UTF-16 with tabs and a BOM: as UTF-8, or NULL when it is broken. */
static char *from_utf16(const char *text, size_t len, struct arena *a, size_t *out)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t hi = p[0] == 0xfe ? 0 : 1, n = len / 2, at = 0;
	char *v = arena_alloc(a, 3 * n + 1);
	if (len % 2)
		return NULL;
	for (size_t i = 1; i < n; i++) {
		uint32_t c = (uint32_t)p[2 * i + hi] << 8 | p[2 * i + 1 - hi];
		if (c >= 0xd800 && c < 0xdc00 && i + 1 < n) {
			uint32_t low = (uint32_t)p[2 * i + 2 + hi] << 8 | p[2 * i + 3 - hi];
			if (low < 0xdc00 || low > 0xdfff)
				return NULL;
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i++;
		}
		uint8_t utf[6];
		int k = u8_uctomb(utf, c, sizeof(utf));
		if (k <= 0)
			return NULL; /* half a pair */
		memcpy(v + at, utf, (size_t)k); /* two bytes in, at most three out; four in, four out */
		at += (size_t)k;
	}
	v[at] = '\0';
	*out = at;
	return v;
}

bool sheet_read(struct sheet *s, const char *text, size_t len, struct arena *a, struct err *e)
{
	struct reading r = { .s = s, .a = a, .e = e, .line = 1, .row_line = 1, .at_start = true };
	if (len >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2))) {
		text = from_utf16(text, len, a, &len);
		if (!text) {
			err_set(e, ERR_USAGE, "the file says it is UTF-16 and is not");
			return err_where(e, "%s", s->file);
		}
		s->bom = true; /* written back as UTF-8 that says so */
	} else if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		s->bom = true;
		text += 3;
		len -= 3;
	}
	if (!utf8_valid(text, len) || memchr(text, '\0', len)) {
		err_set(e, ERR_USAGE, "the file is not UTF-8 text");
		err_hint(e, "save it again as \"CSV UTF-8\"; in Excel: Save as, CSV UTF-8 (comma delimited)");
		return err_where(e, "%s", s->file);
	}
	s->sep = separator_of(text, len);
	if (len > 5 && !strncmp(text, "sep=", 4)) { /* Excel's own note to itself */
		const char *nl = memchr(text, '\n', len);
		s->sep = text[4];
		size_t skip = nl ? (size_t)(nl - text) + 1 : len;
		text += skip;
		len -= skip;
		r.line++;
	}
	if (s->sep != ',' && s->sep != ';' && s->sep != '\t')
		s->sep = ',';
	const char *first = memchr(text, '\n', len);
	s->crlf = first && first > text && first[-1] == '\r';
	struct csv_parser p;
	if (csv_init(&p, CSV_APPEND_NULL) != 0)
		die("libcsv: cannot start");
	csv_set_delim(&p, (unsigned char)s->sep);
	for (size_t i = 0; i < len && !r.failed;) {
		const char *nl = memchr(text + i, '\n', len - i);
		size_t n = nl ? (size_t)(nl - text) + 1 - i : len - i;
		if (r.at_start) {
			r.row_line = r.line;
			r.at_start = false;
		}
		if (csv_parse(&p, text + i, n, on_cell, on_row, &r) != n)
			die("libcsv: %s", csv_strerror(csv_error(&p)));
		if (!r.n && !p.quoted)
			r.at_start = true; /* an empty line: libcsv says nothing about it */
		i += n;
		r.line++;
	}
	if (!r.failed)
		csv_fini(&p, on_cell, on_row, &r);
	csv_free(&p);
	if (!r.failed && !r.have_header)
		fail(&r, 1, err_word("the file is empty: the first line must name the columns"));
	return !r.failed && check_keys(s, e);
}

static void put_cell(const struct sheet *s, const char *cell, bool own, struct buf *out)
{
	bool guard = !own && (risky(*cell) || has_guard(cell));
	bool quote = strpbrk(cell, own ? "\",;\t\r\n" : "\",;") || (*cell && (strchr(" \t\r\n", *cell) || strchr(" \t\r\n", cell[strlen(cell) - 1])));
	(void)s;
	if (quote)
		buf_addc(out, '"');
	if (guard)
		buf_addc(out, '\'');
	for (; *cell; cell++) {
		if (*cell == '"')
			buf_addc(out, '"');
		/* Line breaks in names help nobody in a table; in the user's own cells they stay. */
		buf_addc(out, !own && (*cell == '\n' || *cell == '\r' || *cell == '\t') ? ' ' : *cell);
	}
	if (quote)
		buf_addc(out, '"');
}

void sheet_write(const struct sheet *s, struct buf *out)
{
	const char *eol = s->crlf ? "\r\n" : "\n";
	if (s->bom)
		buf_adds(out, "\xef\xbb\xbf");
	for (size_t i = 0; i < s->n_order; i++) {
		size_t k = s->order[i];
		if (i)
			buf_addc(out, s->sep);
		put_cell(s, k < s->n_standard ? s->standard[k].name : s->extra[k - s->n_standard], true, out);
	}
	buf_adds(out, eol);
	for (size_t r = 0; r < s->n_rows; r++) {
		for (size_t i = 0; i < s->n_order; i++) {
			size_t k = s->order[i];
			if (i)
				buf_addc(out, s->sep);
			put_cell(s, s->rows[r].cells[k], k >= s->n_standard || s->standard[k].own, out);
		}
		buf_adds(out, eol);
	}
}
