/* A report as one HTML file: no scripts, nothing from elsewhere. Promises: well-formed as XML too (so that tests can parse it), nothing
 * foreign is read as markup; usable by keyboard and screen reader (WCAG 2.1 AA: headings, captions, scopes, contrast of both colour
 * schemes, what scrolls can be focused); prints without shadows and colours it does not need. */
#include "cli/report_int.h"
#include "cli/report_xml.h"

#include <string.h>

enum { BARS_MAX = 120, YEARS_SHOWN = 6, PLOT_TOP = 24, PLOT_BASE = 164, PLOT_HEIGHT = 190 };

struct html {
	struct xw x;
	struct column cols[16];
	size_t n_cols, at;
	int tables;
	bool in_cell, in_body, in_section;
};

/* Contrast: text #1b2430 on #fff 15.6:1, muted #56606f 6.4:1, links #0b57b0 6.8:1; dark: #e6e9ee on #161a20 14.3:1, muted #a7b0bd 7.9:1.
 * No '<', '>' or '&' in here: HTML reads a style raw, XML does not. */
static const char css[] =
	":root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--ink:#1b2430;--muted:#56606f;--line:#d5dae1;--head:#eef1f5;--link:#0b57b0;"
	"--bar:#3b6fb6;--good:#1a6b3c;--open:#8a5200;--bad:#b3261e}\n"
	"@media (prefers-color-scheme:dark){:root{--bg:#0f1216;--card:#161a20;--ink:#e6e9ee;--muted:#a7b0bd;--line:#333b47;--head:#1e242c;"
	"--link:#8ab8ff;--bar:#6ea3ec;--good:#6fd29a;--open:#f0b45c;--bad:#ff9d94}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif}\n"
	"main{max-width:76rem;margin:0 auto;padding:1.5rem 1rem 3rem}\n"
	"h1{font-size:1.75rem;line-height:1.2;margin:.5rem 0 1rem}\n"
	"h2{font-size:1.2rem;line-height:1.3;margin:0 0 .75rem}\n"
	"p{margin:0 0 .75rem;max-width:46rem}section p:last-child{margin-bottom:0}\n"
	"section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1rem 1.25rem;margin:1rem 0}\n"
	".verdict{background:var(--card);border:1px solid var(--line);border-left:8px solid var(--tone);border-radius:8px;padding:1rem 1.25rem;margin:1rem 0}\n"
	".verdict p{margin:0;font-size:1.15rem}\n"
	".verdict .tone{color:var(--tone);font-weight:700;font-size:1rem;margin:0 0 .25rem}\n"
	".good{--tone:var(--good)}.open{--tone:var(--open)}.bad{--tone:var(--bad)}\n"
	".meta p{color:var(--muted);margin:0 0 .25rem}\n"
	".t{overflow-x:auto;margin:0 0 1rem;border:1px solid var(--line);border-radius:6px}\n"
	".t:last-child{margin-bottom:0}.pair{max-width:52rem}\n"
	".t:focus-visible,summary:focus-visible,a:focus-visible{outline:3px solid var(--link);outline-offset:2px}\n"
	"table{border-collapse:separate;border-spacing:0;width:100%;font-size:.94rem}\n" /* so that a sticky cell keeps its line */
	"caption{text-align:left;color:var(--muted);padding:.5rem .75rem;font-size:.9rem}\n"
	"caption span{position:sticky;left:.75rem;display:inline-block;max-width:min(60rem,78vw)}\n"
	"th,td{padding:.4rem .75rem;text-align:left;vertical-align:top;border-top:1px solid var(--line)}\n"
	"thead th{background:var(--head);font-weight:600;white-space:nowrap}\n"
	"tbody th{font-weight:500;min-width:9rem;max-width:26rem;overflow-wrap:anywhere}\n"
	"td{overflow-wrap:break-word;max-width:30rem}\n"
	".n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\n"
	".zero{color:var(--muted)}\n"
	"code{font:.86em/1.5 ui-monospace,'DejaVu Sans Mono',monospace;overflow-wrap:anywhere}\n"
	"td code{display:inline-block;min-width:9rem}\n"
	".b{display:block;margin-top:.2rem;width:100%;height:6px}\n"
	".b rect,.plot rect{fill:var(--bar)}\n"
	".plot{display:block;width:100%;height:190px}\n"
	".plot text{fill:var(--muted);font:12px system-ui,'DejaVu Sans',sans-serif}\n"
	".plot line{stroke:var(--line);stroke-width:1}\n"
	"figure{margin:0 0 1rem}figcaption{color:var(--muted);font-size:.9rem;margin-top:.25rem}\n"
	"ul{margin:0;padding-left:1.25rem;max-width:60rem}li{margin:.2rem 0;overflow-wrap:anywhere}\n"
	"summary{cursor:pointer;padding:.25rem 0;color:var(--link)}details[open] summary{margin-bottom:.5rem}\n"
	"a{color:var(--link)}\n"
	".sign{display:grid;grid-template-columns:repeat(auto-fit,minmax(16rem,1fr));gap:2rem;margin-top:1rem}\n"
	".sign h3{font-size:1rem;margin:0 0 .5rem}\n"
	".line{border-bottom:1px solid var(--muted);height:2.6rem;display:flex;align-items:flex-end;color:var(--muted);font-size:.85rem}\n";

static const char css_small_and_print[] =
	"@media (max-width:40rem){main{padding:.75rem .6rem 2rem}section,.verdict{padding:.85rem .8rem}h1{font-size:1.4rem}"
	"th,td{padding:.35rem .5rem}table{font-size:.88rem}tbody th{min-width:9rem;max-width:11rem}"
	".wide td code{white-space:nowrap;min-width:0}.wide tbody th{position:sticky;left:0;background:var(--card);border-right:1px solid var(--line)}"
	".wide td:last-child:not(.n){min-width:20rem}}\n"
	"@media print{:root{color-scheme:light;--bg:#fff;--card:#fff;--ink:#000;--muted:#444;--line:#999;--head:#eee;--link:#000;--bar:#555;"
	"--good:#000;--open:#000;--bad:#000}@page{margin:15mm}body{font-size:10pt}main{max-width:none;padding:0}"
	"section,.verdict{border-radius:0;padding:0;border-width:0;margin:0 0 6mm}.verdict{border-left:4pt solid #000;padding-left:4mm}"
	".t{overflow:visible;border:0;max-width:none}table{font-size:8pt}caption{font-size:9pt}h1{font-size:18pt}h2{font-size:12pt}.verdict p{font-size:11pt}"
	"caption,th,td{padding:2pt 4pt}thead th{white-space:normal}tbody th{min-width:58pt}td code,.n{min-width:0}td code{display:inline}.meta{margin-bottom:4mm}"
	"td a{overflow-wrap:anywhere}thead{display:table-header-group}tr,figure,.sign div,li{break-inside:avoid}"
	"h2{break-after:avoid}details::details-content{content-visibility:visible;display:block;height:auto}summary{color:#000}"
	".plot rect,.b rect{print-color-adjust:exact}}\n";

static void nl(struct html *h)
{
	xw_raw(&h->x, "\n");
}

static void meta(struct html *h, const char *key, const char *name, const char *content)
{
	xw_start(&h->x, "meta");
	xw_attr(&h->x, key, name);
	xw_attr(&h->x, "content", content);
	xw_void(&h->x);
	nl(h);
}

static void h_open(void *ctx, const struct report *r, const char *title)
{
	struct html *h = ctx;
	char full[256];
	xw_raw(&h->x, "<!DOCTYPE html>\n");
	xw_start(&h->x, "html");
	xw_attr(&h->x, "xmlns", "http://www.w3.org/1999/xhtml");
	xw_attr(&h->x, "lang", i18n_lang());
	xw_attr(&h->x, "xml:lang", i18n_lang());
	nl(h);
	xw_start(&h->x, "head");
	nl(h);
	xw_start(&h->x, "meta");
	xw_attr(&h->x, "charset", "utf-8");
	xw_void(&h->x);
	nl(h);
	meta(h, "name", "viewport", "width=device-width, initial-scale=1");
	meta(h, "name", "referrer", "no-referrer");
	meta(h, "name", "generator", "mvchat " MVCHAT_VERSION);
	meta(h, "http-equiv", "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
	fmt_into(full, sizeof(full), "%s: %s", title, safe(r->target));
	xw_element(&h->x, "title", full);
	nl(h);
	xw_start(&h->x, "style");
	xw_raw(&h->x, css);
	xw_raw(&h->x, css_small_and_print);
	xw_end(&h->x);
	nl(h);
	xw_end(&h->x);
	nl(h);
	xw_start(&h->x, "body");
	xw_start(&h->x, "main");
	nl(h);
	xw_element(&h->x, "h1", title);
	nl(h);
}

static void h_verdict(void *ctx, enum tone tone, const char *word, const char *text)
{
	struct html *h = ctx;
	static const char *const classes[] = { [TONE_GOOD] = "verdict good", [TONE_OPEN] = "verdict open", [TONE_BAD] = "verdict bad" };
	xw_start(&h->x, "div");
	xw_attr(&h->x, "class", classes[tone]);
	xw_start(&h->x, "p");
	xw_attr(&h->x, "class", "tone");
	xw_text(&h->x, word);
	xw_end(&h->x);
	xw_element(&h->x, "p", text);
	xw_end(&h->x);
	nl(h);
	xw_start(&h->x, "div");
	xw_attr(&h->x, "class", "meta");
	h->in_section = true; /* ended by the first section */
}

static void h_section(void *ctx, const char *id, const char *title)
{
	struct html *h = ctx;
	if (h->in_section)
		xw_end(&h->x);
	nl(h);
	xw_start(&h->x, "section");
	xw_attrf(&h->x, "aria-labelledby", "h-%s", id);
	nl(h);
	xw_start(&h->x, "h2");
	xw_attrf(&h->x, "id", "h-%s", id);
	xw_text(&h->x, title);
	xw_end(&h->x);
	nl(h);
	h->in_section = true;
}

static void h_para(void *ctx, const char *text)
{
	struct html *h = ctx;
	xw_element(&h->x, "p", text);
	nl(h);
}

static void h_table(void *ctx, const char *caption, const struct column *cols, size_t n)
{
	struct html *h = ctx;
	h->n_cols = n < countof(h->cols) ? n : countof(h->cols);
	memcpy(h->cols, cols, h->n_cols * sizeof(*cols));
	h->tables++;
	xw_start(&h->x, "div");
	xw_attr(&h->x, "class", h->n_cols == 2 ? "t pair" : "t wide");
	xw_attr(&h->x, "role", "region");
	xw_attrf(&h->x, "aria-labelledby", "c-%d", h->tables);
	xw_attr(&h->x, "tabindex", "0");
	xw_start(&h->x, "table");
	nl(h);
	xw_start(&h->x, "caption");
	xw_attrf(&h->x, "id", "c-%d", h->tables);
	xw_element(&h->x, "span", caption); /* stays in sight when the table is wider than the screen */
	xw_end(&h->x);
	nl(h);
	xw_start(&h->x, "thead");
	xw_start(&h->x, "tr");
	for (size_t i = 0; i < h->n_cols; i++) {
		xw_start(&h->x, "th");
		xw_attr(&h->x, "scope", "col");
		if (h->cols[i].kind == CELL_NUM)
			xw_attr(&h->x, "class", "n");
		xw_text(&h->x, h->cols[i].head);
		xw_end(&h->x);
	}
	xw_end(&h->x);
	xw_end(&h->x);
	nl(h);
	xw_start(&h->x, "tbody");
	h->in_body = false; /* no row yet */
}

/* A cell stays open until the next one, so that a picture can follow its number. */
static void cell_end(struct html *h)
{
	if (h->in_cell)
		xw_end(&h->x);
	h->in_cell = false;
}

static void h_row(void *ctx)
{
	struct html *h = ctx;
	cell_end(h);
	if (h->in_body)
		xw_end(&h->x);
	nl(h);
	xw_start(&h->x, "tr");
	h->in_body = true;
	h->at = 0;
}

static bool is_url(const char *s)
{
	return !strncmp(s, "https://", 8) || !strncmp(s, "http://", 7);
}

static void h_cell(void *ctx, const char *text)
{
	struct html *h = ctx;
	enum cell kind = h->at < h->n_cols ? h->cols[h->at].kind : CELL_TEXT;
	h->at++;
	cell_end(h);
	xw_start(&h->x, kind == CELL_HEAD ? "th" : "td");
	h->in_cell = true;
	switch (kind) {
	case CELL_HEAD:
		xw_attr(&h->x, "scope", "row");
		xw_text(&h->x, text);
		break;
	case CELL_NUM:
		xw_attr(&h->x, "class", streq(text, "0") ? "n zero" : "n");
		xw_text(&h->x, text);
		break;
	case CELL_CODE:
		if (*text)
			xw_element(&h->x, "code", text);
		break;
	case CELL_LINK:
		if (is_url(text)) {
			xw_start(&h->x, "a");
			xw_attr(&h->x, "href", text);
			xw_attr(&h->x, "rel", "noreferrer noopener");
			xw_text(&h->x, text);
			xw_end(&h->x);
			break;
		}
		xw_text(&h->x, text);
		break;
	case CELL_TEXT:
		xw_text(&h->x, text);
		break;
	}
}

static void rect(struct html *h, double x, double y, double w, double height)
{
	xw_start(&h->x, "rect");
	xw_attrf(&h->x, "x", "%.3f%%", x);
	xw_attrf(&h->x, "y", "%.1f", y);
	xw_attrf(&h->x, "width", "%.3f%%", w);
	xw_attrf(&h->x, "height", "%.1f", height);
	xw_void(&h->x);
}

static void h_bar(void *ctx, int64_t n, int64_t of)
{
	struct html *h = ctx;
	xw_start(&h->x, "svg");
	xw_attr(&h->x, "xmlns", "http://www.w3.org/2000/svg");
	xw_attr(&h->x, "class", "b");
	xw_attr(&h->x, "aria-hidden", "true");
	rect(h, 0, 0, of > 0 ? 100.0 * (double)n / (double)of : 0, 6);
	xw_end(&h->x);
}

static void h_table_end(void *ctx)
{
	struct html *h = ctx;
	cell_end(h);
	if (h->in_body)
		xw_end(&h->x);
	h->in_body = false;
	xw_end(&h->x);
	xw_end(&h->x);
	xw_end(&h->x);
	nl(h);
}

static void h_list(void *ctx)
{
	struct html *h = ctx;
	xw_start(&h->x, "ul");
}

static void h_item(void *ctx, const char *text)
{
	struct html *h = ctx;
	nl(h);
	xw_element(&h->x, "li", text);
}

static void h_list_end(void *ctx)
{
	struct html *h = ctx;
	xw_end(&h->x);
	nl(h);
}

static void label(struct html *h, double x_percent, double y, const char *anchor, const char *text)
{
	xw_start(&h->x, "text");
	xw_attrf(&h->x, "x", "%.3f%%", x_percent);
	xw_attrf(&h->x, "y", "%.1f", y);
	if (anchor)
		xw_attr(&h->x, "text-anchor", anchor);
	xw_text(&h->x, text);
	xw_end(&h->x);
}

static void grid_line(struct html *h, double y)
{
	xw_start(&h->x, "line");
	xw_attr(&h->x, "x1", "0");
	xw_attr(&h->x, "x2", "100%");
	xw_attrf(&h->x, "y1", "%.1f", y);
	xw_attrf(&h->x, "y2", "%.1f", y);
	xw_void(&h->x);
}

/* Years under the bars, as many as fit on a phone; with less than two years, the first and the last month. */
static void plot_labels(struct html *h, const struct span_bar *b, size_t n)
{
	char word[16];
	size_t years = 0, every, k = 0;
	for (size_t i = 1; i < n; i++)
		years += b[i].year != b[i - 1].year;
	if (years < 2) {
		fmt_into(word, sizeof(word), "%04d-%02d", b[0].year, b[0].month);
		label(h, 0, PLOT_BASE + 18, NULL, word);
		fmt_into(word, sizeof(word), "%04d-%02d", b[n - 1].year, b[n - 1].month);
		if (n > 1)
			label(h, 100, PLOT_BASE + 18, "end", word);
		return;
	}
	every = (years + YEARS_SHOWN - 1) / YEARS_SHOWN;
	for (size_t i = 1; i < n; i++) {
		if (b[i].year == b[i - 1].year || k++ % every)
			continue;
		double at = 100.0 * ((double)i + 0.5) / (double)n;
		fmt_into(word, sizeof(word), "%04d", b[i].year);
		label(h, at > 95 ? 100 : at < 5 ? 0 : at, PLOT_BASE + 18, at > 95 ? "end" : at < 5 ? NULL : "middle", word);
	}
}

static void plot(struct html *h, const char *caption, const struct span_bar *b, size_t n, int64_t most)
{
	const double height = PLOT_BASE - PLOT_TOP, width = 100.0 / (double)n;
	xw_start(&h->x, "svg");
	xw_attr(&h->x, "xmlns", "http://www.w3.org/2000/svg");
	xw_attr(&h->x, "class", "plot");
	xw_attr(&h->x, "role", "img");
	xw_attr(&h->x, "aria-label", caption);
	grid_line(h, PLOT_TOP);
	grid_line(h, PLOT_TOP + height / 2);
	for (size_t i = 0; i < n; i++) {
		double tall = height * (double)b[i].n / (double)most;
		if (!b[i].n)
			continue;
		tall = tall < 1 ? 1 : tall;
		rect(h, width * ((double)i + 0.08), PLOT_BASE - tall, width * 0.84 < 12 ? width * 0.84 : 12, tall);
	}
	grid_line(h, PLOT_BASE);
	label(h, 0, PLOT_TOP - 6, NULL, num(most));
	plot_labels(h, b, n);
	xw_end(&h->x);
}

static void h_fold(void *ctx, const char *summary, bool open)
{
	struct html *h = ctx;
	xw_start(&h->x, "details");
	if (open)
		xw_attr(&h->x, "open", "open");
	xw_element(&h->x, "summary", summary);
	nl(h);
}

static void h_fold_end(void *ctx)
{
	struct html *h = ctx;
	xw_end(&h->x);
	nl(h);
}

static void h_months(void *ctx, const char *caption, const struct month *v, size_t n)
{
	struct html *h = ctx;
	struct arena a;
	size_t bars, top = 0;
	int step;
	char text[256];
	arena_init(&a);
	struct span_bar *b = report_bars(v, n, BARS_MAX, &bars, &step, &a);
	for (size_t i = 0; i < bars; i++)
		top = b[i].n > b[top].n ? i : top;
	xw_start(&h->x, "figure");
	plot(h, caption, b, bars, b[top].n);
	if (step == 1)
		fmt_into(text, sizeof(text), _("%s. The most: %s in %04d-%02d."), caption, num(b[top].n), b[top].year, b[top].month);
	else
		fmt_into(text, sizeof(text), _("%s, %d months a bar. The most: %s from %04d-%02d on."), caption, step, num(b[top].n), b[top].year, b[top].month);
	xw_element(&h->x, "figcaption", text);
	xw_end(&h->x);
	nl(h);
	const struct column cols[] = { { _("From"), CELL_HEAD }, { _("Messages"), CELL_NUM } };
	h_fold(h, _("The same as a table"), false);
	h_table(h, caption, cols, countof(cols));
	for (size_t i = 0; i < bars; i++) {
		char from[16];
		fmt_into(from, sizeof(from), "%04d-%02d", b[i].year, b[i].month);
		h_row(h);
		h_cell(h, from);
		h_cell(h, num(b[i].n));
	}
	h_table_end(h);
	h_fold_end(h);
	arena_release(&a);
}

static void h_sign(void *ctx, const char *text, const char *const *who, size_t n)
{
	struct html *h = ctx;
	const char *const lines[] = { _("Name"), _("Date"), _("Signature") };
	h_para(h, text);
	xw_start(&h->x, "div");
	xw_attr(&h->x, "class", "sign");
	for (size_t i = 0; i < n; i++) {
		nl(h);
		xw_start(&h->x, "div");
		xw_element(&h->x, "h3", who[i]);
		for (size_t k = 0; k < countof(lines); k++) {
			xw_start(&h->x, "div");
			xw_attr(&h->x, "class", "line");
			xw_text(&h->x, lines[k]);
			xw_end(&h->x);
		}
		xw_end(&h->x);
	}
	xw_end(&h->x);
	nl(h);
}

static void h_close(void *ctx)
{
	struct html *h = ctx;
	xw_end(&h->x); /* section */
	nl(h);
	xw_end(&h->x); /* main */
	xw_end(&h->x); /* body */
	xw_end(&h->x); /* html */
	nl(h);
}

bool report_write_html(const struct report *r, FILE *f, struct err *e)
{
	struct html h = { .tables = 0 };
	const struct paper paper = {
		.ctx = &h, .open = h_open, .verdict = h_verdict, .section = h_section, .para = h_para, .table = h_table, .row = h_row,
		.cell = h_cell, .bar = h_bar, .table_end = h_table_end, .list = h_list, .item = h_item, .list_end = h_list_end,
		.months = h_months, .fold = h_fold, .fold_end = h_fold_end, .sign = h_sign, .close = h_close,
	};
	if (!xw_open(&h.x, f, e))
		return false;
	report_doc(r, &paper);
	return xw_close(&h.x, e);
}
