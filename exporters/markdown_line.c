/* markdown_line.c: pieces of one block → lines with style markers; lines → parts that fit. Second half of markdown.c. */
#include "exporters/markdown_priv.h"

#include "core/utf8.h"

#include <stdlib.h>
#include <string.h>

/* What markers around one piece can take at most: three pairs closed, three opened, a code span's fences and blanks. */
enum { STYLE_COST = 48 };

static const uint32_t nested[] = { STYLE_BOLD, STYLE_ITALIC, STYLE_STRIKE };

struct open { uint32_t style; char marker[4]; };
struct emit { const struct md_dialect *d; struct buf *out; struct open stack[countof(nested)]; size_t n; };

static bool blank(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] != ' ' && s[i] != '\t')
			return false;
	return true;
}

static uint32_t first_char(const char *s, size_t n)
{
	uint32_t c = 0;
	return utf8_get(s, n, &c) ? c : 0;
}

static uint32_t last_char(const char *s, size_t n)
{
	size_t k = n;
	while (k > 0 && ((unsigned char)s[k - 1] & 0xc0) == 0x80)
		k--;
	return k ? first_char(s + k - 1, n - k + 1) : 0;
}

static void close_top(struct emit *w)
{
	buf_adds(w->out, w->stack[--w->n].marker);
}

/* How many pieces from v on have this style. */
static size_t reach(const struct md_piece *v, size_t n, uint32_t style)
{
	size_t k = 0;
	while (k < n && v[k].style & style)
		k++;
	return k;
}

static void open_style(struct emit *w, const struct md_piece *v, size_t n, uint32_t style, uint32_t before)
{
	struct open *o = &w->stack[w->n++];
	size_t k = reach(v, n, style);
	o->style = style;
	if (style == STYLE_BOLD) {
		fmt_into(o->marker, sizeof(o->marker), "%s", w->d->bold);
	} else if (style == STYLE_STRIKE) {
		fmt_into(o->marker, sizeof(o->marker), "%s", w->d->strike);
	} else {
		/* '_' inside a word is an underscore to most parsers */
		bool touched = md_wordy(before) || (k < n && md_wordy(first_char(v[k].s, v[k].n)));
		o->marker[0] = touched ? w->d->italic_in_word : w->d->italic;
		o->marker[1] = '\0';
	}
	buf_adds(w->out, o->marker);
}

/* Consecutive code pieces are one code span; its fence is longer than any run of backticks inside. */
static size_t emit_code(struct emit *w, const struct md_piece *v, size_t n)
{
	struct buf in;
	size_t k = 0, run = 0, longest = 0;
	buf_init(&in, 64u << 20);
	for (; k < n && v[k].style == v[0].style && v[k].raw == MD_TEXT; k++)
		buf_add(&in, v[k].s, v[k].n);
	for (size_t i = 0; i < in.len; i++) {
		run = in.p[i] == '`' ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	bool pad = longest && (in.p[0] == '`' || in.p[in.len - 1] == '`');
	for (size_t i = 0; i <= longest; i++)
		buf_addc(w->out, '`');
	buf_adds(w->out, pad ? " " : "");
	buf_add(w->out, in.p, in.len);
	buf_adds(w->out, pad ? " " : "");
	for (size_t i = 0; i <= longest; i++)
		buf_addc(w->out, '`');
	buf_release(&in);
	return k;
}

/* Writes pieces (of one line, trimmed so that no styled piece but code begins or ends blank). */
static void emit_pieces(const struct md_dialect *d, const struct md_piece *v, size_t n, struct buf *out)
{
	struct emit w = { .d = d, .out = out };
	uint32_t before = 0;
	for (size_t i = 0; i < n;) {
		uint32_t want = v[i].style & (STYLE_BOLD | STYLE_ITALIC | STYLE_STRIKE), have = 0;
		for (size_t k = 0; k < w.n; k++)
			if (!(want & w.stack[k].style))
				while (w.n > k)
					close_top(&w);
		for (size_t k = 0; k < w.n; k++)
			have |= w.stack[k].style;
		for (uint32_t missing = want & ~have; missing;) {
			uint32_t best = 0; /* what lasts longest goes outside */
			for (size_t k = 0; k < countof(nested); k++)
				if (missing & nested[k] && (!best || reach(v + i, n - i, nested[k]) > reach(v + i, n - i, best)))
					best = nested[k];
			open_style(&w, v + i, n - i, best, before);
			missing &= ~best;
		}
		if (v[i].style & STYLE_CODE && v[i].raw == MD_TEXT) {
			i += emit_code(&w, v + i, n - i);
			before = '`';
			continue;
		}
		buf_add(out, v[i].s, v[i].n);
		before = last_char(v[i].s, v[i].n);
		i++;
	}
	while (w.n)
		close_top(&w);
}

static void push(struct md_pieces *to, const char *s, size_t n, uint32_t style, enum md_raw raw)
{
	if (!n)
		return;
	GROW(to->v, to->n, to->cap, 8);
	to->v[to->n++] = (struct md_piece){ .s = s, .n = n, .style = style, .raw = raw };
}

/* Blanks at a piece's edges become pieces of their own that carry only the styles both neighbours have. */
static void trim_styles(struct md_pieces *line)
{
	struct md_pieces to = { 0 };
	for (size_t i = 0; i < line->n; i++) {
		const struct md_piece *p = &line->v[i];
		if (p->raw == MD_READY || (p->style & STYLE_CODE && !blank(p->s, p->n))) {
			push(&to, p->s, p->n, p->style, p->raw);
			continue;
		}
		size_t a = 0, b = p->n;
		while (a < b && blank(p->s + a, 1))
			a++;
		while (b > a && blank(p->s + b - 1, 1))
			b--;
		push(&to, p->s, a, 0, MD_TEXT);
		push(&to, p->s + a, b - a, p->style, MD_TEXT);
		push(&to, p->s + b, p->n - b, 0, MD_TEXT);
	}
	uint32_t left = 0;
	for (size_t i = 0; i < to.n; i++) {
		struct md_piece *p = &to.v[i];
		if (p->raw == MD_READY || !blank(p->s, p->n)) {
			left = p->style;
			continue;
		}
		uint32_t right = 0;
		for (size_t k = i + 1; k < to.n && !right; k++)
			if (to.v[k].raw == MD_READY || !blank(to.v[k].s, to.v[k].n)) {
				right = to.v[k].style;
				break;
			}
		p->style = left & right & (STYLE_BOLD | STYLE_ITALIC | STYLE_STRIKE);
	}
	free(line->v);
	*line = to;
}

/* Makes a line of the pieces, which are used up; false when it would be longer than most (nothing is added then). */
static bool flush_line(struct md_job *j, struct md_pieces *line, const char *prefix, bool goes_on, size_t most)
{
	struct buf b;
	buf_init(&b, 64u << 20);
	buf_adds(&b, prefix);
	trim_styles(line);
	emit_pieces(j->d, line->v, line->n, &b);
	size_t n = b.len;
	if (n <= most)
		md_add_line(j, arena_strndup(j->a, b.p, n), n)->forced = goes_on;
	buf_release(&b);
	line->n = 0;
	return n <= most;
}

size_t md_cut(const char *s, size_t n, size_t room)
{
	size_t k = n <= room ? n : utf8_cut_cluster(s, n, room);
	while (k < n && s[k] == '@' && k > 1) {
		size_t less = utf8_cut_cluster(s, n, k - 1);
		if (!less || less >= k)
			break;
		k = less;
	}
	return k;
}

/* The largest beginning of s[0..n) that is at most room bytes: after a blank, else between characters as people see them. */
static size_t cut_at(const char *s, size_t n, size_t room)
{
	if (n <= room)
		return n;
	for (size_t k = room; k > room / 2; k--)
		if (blank(s + k - 1, 1))
			return k;
	return md_cut(s, n, room);
}

/* One source line of pieces: whole if it fits, else cut into lines that each fill a part. */
static void lay_line(struct md_job *j, const struct md_piece *v, size_t n, const char *prefix, const char *next_prefix)
{
	struct md_pieces line = { 0 };
	size_t used = strlen(prefix), most = j->max;
	bool goes_on = false;
	for (size_t i = 0; i < n; i++) {
		push(&line, v[i].s, v[i].n, v[i].style, v[i].raw);
		used += v[i].n;
	}
	if (used <= most && flush_line(j, &line, prefix, goes_on, most)) {
		free(line.v);
		return;
	}
	line.n = 0;
	used = strlen(prefix);
	/* STYLE_COST is more than the markers can take, so what is put together below fits. */
	for (size_t i = 0; i < n; i++) {
		const char *s = v[i].s;
		size_t left = v[i].n;
		while (left) {
			size_t cost = !line.n || line.v[line.n - 1].style != v[i].style ? STYLE_COST : 0;
			size_t room = used + cost < most ? most - used - cost : 0, k = left;
			if (left > room) {
				k = v[i].raw == MD_READY ? 0 : cut_at(s, left, room);
				/* Do not put a few letters at the end of a part when they fit into the next one whole. */
				if (line.n && left <= most / 4)
					k = 0;
				if (room < 16)
					k = 0;
			}
			push(&line, s, k, v[i].style, v[i].raw);
			used += cost + k;
			s += k;
			left -= k;
			if (left) {
				flush_line(j, &line, prefix, goes_on, SIZE_MAX);
				goes_on = true;
				prefix = next_prefix;
				used = strlen(prefix);
			}
		}
	}
	flush_line(j, &line, prefix, goes_on, SIZE_MAX);
	free(line.v);
}

void md_text_lines(struct md_job *j, const char *first_prefix, const char *next_prefix)
{
	struct md_pieces line = { 0 };
	const char *prefix = first_prefix;
	for (size_t i = 0; i < j->p.n; i++) {
		const struct md_piece *p = &j->p.v[i];
		size_t at = 0;
		while (p->raw == MD_TEXT && at < p->n) {
			const char *nl = memchr(p->s + at, '\n', p->n - at);
			if (!nl)
				break;
			push(&line, p->s + at, (size_t)(nl - p->s) - at, p->style, p->raw);
			lay_line(j, line.v, line.n, prefix, next_prefix);
			line.n = 0;
			prefix = next_prefix;
			at = (size_t)(nl - p->s) + 1;
		}
		push(&line, p->s + at, p->n - at, p->style, p->raw);
	}
	lay_line(j, line.v, line.n, prefix, next_prefix);
	free(line.v);
}

/* ---- lines to parts ---- */

static bool empty(const struct md_line *l)
{
	return !l->code && blank(l->s, l->n);
}

/* The part's size with this line added after prev_code (0 = text or nothing yet), fences included. */
static size_t grown(size_t size, int prev_code, const struct md_line *l)
{
	if (!l->code)
		return size + (size > 0) + l->n;
	if (l->code == prev_code)
		return size + 1 + l->n;
	return size + (size > 0) + 3 + strlen(l->lang) + 1 + l->n + 1 + 3;
}

static const char *write_part(struct md_job *j, size_t from, size_t to)
{
	struct buf b;
	buf_init(&b, 64u << 20);
	int code = 0;
	for (size_t i = from; i < to; i++) {
		const struct md_line *l = &j->lines[i];
		if (code && l->code != code)
			buf_adds(&b, "\n```");
		if (i > from)
			buf_addc(&b, '\n');
		if (l->code && l->code != code)
			buf_addf(&b, "```%s\n", l->lang);
		buf_add(&b, l->s, l->n);
		code = l->code;
	}
	if (code)
		buf_adds(&b, "\n```");
	const char *s = arena_strndup(j->a, b.p, b.len);
	buf_release(&b);
	return s;
}

void md_pack(struct md_job *j, const char *const **parts, size_t *n_parts)
{
	const char **out = NULL;
	size_t n = 0, cap = 0;
	for (size_t from = 0; from < j->n_lines;) {
		if (empty(&j->lines[from])) {
			from++;
			continue;
		}
		size_t size = 0, to = from, at_block = 0, size_at_block = 0;
		int code = 0;
		for (; to < j->n_lines; to++) {
			const struct md_line *l = &j->lines[to];
			size_t next = grown(size, code, l);
			if (to > from && (next > j->max || l->forced))
				break;
			if (to > from && l->block_start) {
				at_block = to;
				size_at_block = size;
			}
			size = next;
			code = l->code;
		}
		/* Between two blocks, if that does not leave the part half empty; not before a line that is cut anyway. */
		if (to < j->n_lines && !j->lines[to].forced && !j->lines[to].block_start && at_block && size_at_block >= j->max / 2)
			to = at_block;
		size_t end = to;
		while (end > from && empty(&j->lines[end - 1]))
			end--;
		GROW(out, n, cap, 8);
		out[n++] = write_part(j, from, end);
		from = to;
	}
	const char **kept = arena_array(j->a, n ? n : 1, const char *);
	for (size_t i = 0; i < n; i++)
		kept[i] = out[i];
	if (!n)
		kept[n++] = "";
	free(out);
	*parts = kept;
	*n_parts = n;
}
