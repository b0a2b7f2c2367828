/* A report as Markdown (CommonMark with the tables of GFM). Promises: nothing foreign is read as markup. */
#include "cli/report_int.h"

#include <string.h>

enum { MONTHS_MAX = 36, BAR_WIDTH = 24 };

struct md { FILE *f; struct column kept[16]; size_t n, at; }; /* kept: the columns of the open table */

/* s as plain text; start: at the beginning of a block, where more characters mean something. */
enum where { MID_LINE, LINE_START };
static void escaped(struct md *m, const char *s, enum where at)
{
	size_t digits = strspn(s, "0123456789");
	for (size_t i = 0; s[i]; i++) {
		if (at == LINE_START && ((i == 0 && strchr("-+=#", s[0])) || (digits && i == digits && (s[i] == '.' || s[i] == ')'))))
			fputc('\\', m->f);
		else if (strchr("\\`*_{}[]<>|~&$", s[i]))
			fputc('\\', m->f);
		fputc(s[i], m->f);
	}
}

static bool is_url(const char *s)
{
	return (!strncmp(s, "https://", 8) || !strncmp(s, "http://", 7)) && !strpbrk(s, " <>|\\`\"");
}

static void md_open(void *ctx, const struct report *r, const char *title)
{
	struct md *m = ctx;
	(void)r;
	fputs("# ", m->f);
	escaped(m, title, MID_LINE);
	fputs("\n\n", m->f);
}

static void md_verdict(void *ctx, enum tone tone, const char *word, const char *text)
{
	struct md *m = ctx;
	(void)tone;
	fputs("**", m->f);
	escaped(m, word, MID_LINE);
	fputs(".** ", m->f);
	escaped(m, text, MID_LINE);
	fputs("\n\n", m->f);
}

static void md_section(void *ctx, const char *id, const char *title)
{
	struct md *m = ctx;
	(void)id;
	fputs("## ", m->f);
	escaped(m, title, MID_LINE);
	fputs("\n\n", m->f);
}

static void md_para(void *ctx, const char *text)
{
	struct md *m = ctx;
	escaped(m, text, LINE_START);
	fputs("\n\n", m->f);
}

static void md_table(void *ctx, const char *caption, const struct column *cols, size_t n)
{
	struct md *m = ctx;
	m->n = n < countof(m->kept) ? n : countof(m->kept);
	memcpy(m->kept, cols, m->n * sizeof(*cols));
	m->at = m->n;
	md_para(m, caption);
	for (size_t i = 0; i < m->n; i++) {
		fputs("| ", m->f);
		escaped(m, m->kept[i].head, MID_LINE);
		fputc(' ', m->f);
	}
	fputs("|\n", m->f);
	for (size_t i = 0; i < m->n; i++)
		fputs(m->kept[i].kind == CELL_NUM ? "| ---: " : "| --- ", m->f);
	fputc('|', m->f);
}

static void md_row(void *ctx)
{
	struct md *m = ctx;
	fputc('\n', m->f);
	m->at = 0;
}

static void md_cell(void *ctx, const char *text)
{
	struct md *m = ctx;
	enum cell kind = m->at < m->n ? m->kept[m->at].kind : CELL_TEXT;
	m->at++;
	fputs(m->at == 1 ? "| " : " ", m->f);
	if (*text && kind == CELL_CODE && !strpbrk(text, "`|\\"))
		fprintf(m->f, "`%s`", text);
	else if (kind == CELL_LINK && is_url(text))
		fprintf(m->f, "<%s>", text);
	else
		escaped(m, text, MID_LINE);
	fputs(" |", m->f);
}

static void md_bar(void *ctx, int64_t n, int64_t of)
{
	(void)ctx, (void)n, (void)of; /* the number stands before it */
}

static void md_table_end(void *ctx)
{
	struct md *m = ctx;
	fputs("\n\n", m->f);
}

static void md_list(void *ctx)
{
	(void)ctx;
}

static void md_item(void *ctx, const char *text)
{
	struct md *m = ctx;
	fputs("- ", m->f);
	escaped(m, text, LINE_START);
	fputc('\n', m->f);
}

static void md_list_end(void *ctx)
{
	struct md *m = ctx;
	fputc('\n', m->f);
}

static void md_months(void *ctx, const char *caption, const struct month *v, size_t n)
{
	struct md *m = ctx;
	struct arena a;
	size_t bars;
	int step;
	int64_t most = 1;
	const struct column cols[] = { { _("From"), CELL_HEAD }, { _("Messages"), CELL_NUM }, { "", CELL_TEXT } };
	arena_init(&a);
	struct span_bar *b = report_bars(v, n, MONTHS_MAX, &bars, &step, &a);
	for (size_t i = 0; i < bars; i++)
		most = b[i].n > most ? b[i].n : most;
	md_table(m, caption, cols, countof(cols));
	for (size_t i = 0; i < bars; i++) {
		char from[16], picture[BAR_WIDTH * 3 + 1] = "";
		int64_t width = b[i].n ? 1 + b[i].n * (BAR_WIDTH - 1) / most : 0;
		fmt_into(from, sizeof(from), "%04d-%02d", b[i].year, b[i].month);
		for (int64_t k = 0; k < width; k++)
			memcpy(picture + 3 * k, "█", 4);
		md_row(m);
		md_cell(m, from);
		md_cell(m, num(b[i].n));
		md_cell(m, picture);
	}
	md_table_end(m);
	arena_release(&a);
}

static void md_fold(void *ctx, const char *summary, bool open)
{
	(void)open;
	md_para(ctx, summary);
}

static void md_fold_end(void *ctx)
{
	(void)ctx;
}

static void md_sign(void *ctx, const char *text, const char *const *who, size_t n)
{
	struct md *m = ctx;
	const struct column cols[] = { { "", CELL_HEAD }, { _("Name"), CELL_TEXT }, { _("Date"), CELL_TEXT }, { _("Signature"), CELL_TEXT } };
	md_table(m, text, cols, countof(cols));
	for (size_t i = 0; i < n; i++) {
		md_row(m);
		md_cell(m, who[i]);
		md_cell(m, "");
		md_cell(m, "");
		md_cell(m, "");
	}
	md_table_end(m);
}

static void md_close(void *ctx)
{
	(void)ctx;
}

bool report_write_markdown(const struct report *r, FILE *f, struct err *e)
{
	struct md m = { .f = f };
	const struct paper paper = {
		.ctx = &m, .open = md_open, .verdict = md_verdict, .section = md_section, .para = md_para, .table = md_table, .row = md_row,
		.cell = md_cell, .bar = md_bar, .table_end = md_table_end, .list = md_list, .item = md_item, .list_end = md_list_end,
		.months = md_months, .fold = md_fold, .fold_end = md_fold_end, .sign = md_sign, .close = md_close,
	};
	report_doc(r, &paper);
	return !ferror(f) || err_set(e, ERR_INTERNAL, _("cannot write the report:"));
}
