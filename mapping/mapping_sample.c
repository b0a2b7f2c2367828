/* mapping_sample.c: a few words of a message for whoever checks a mapping. Called by the plan through mapping.h, and only when somebody
 * asked to see examples. Promises: everything is taken from the message as it would leave, after all replacements, so that no example
 * shows what the project hides. Pure: text in, text out. */
#include "mapping/mapping_rows.h"

#include "core/utf8.h"

#include <string.h>

enum { WORDS_MAX = 4 << 20, AROUND = 120, MATCH_MAX = 160 };

size_t mapping_replacements(const struct mapping *m, const char *const **names)
{
	*names = m->cfg.shown;
	return m->cfg.n_shown;
}

/* One line: what is blank becomes one blank. */
static const char *one_line(const char *s, size_t n, struct arena *a)
{
	char *out = arena_strndup(a, s, n);
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		bool blank = (unsigned char)s[i] <= ' ' || s[i] == 0x7f;
		if (!blank || !k || out[k - 1] != ' ')
			out[k++] = blank ? ' ' : s[i];
	}
	out[k] = '\0';
	return out;
}

static const char *head(const char *s, size_t n, size_t max, struct arena *a)
{
	const char *line = one_line(s, n, a);
	size_t len = strlen(line);
	return len <= max ? line : arena_fmt(a, "%.*s…", (int)utf8_cut_cluster(line, len, max), line);
}

static const char *tail(const char *s, size_t n, size_t max, struct arena *a)
{
	const char *line = one_line(s, n, a);
	size_t len = strlen(line), at = len > max ? len - max : 0;
	while (at && at < len && ((unsigned char)line[at] & 0xc0) == 0x80)
		at++;
	return at ? arena_fmt(a, "…%s", line + at) : line;
}

/* Where two texts differ: between what they begin with and what they end with alike, in whole words. */
static void difference(const char *was, size_t n_was, const char *is, size_t n, size_t *begin, size_t *end)
{
	size_t b = 0, e = 0, least = n_was < n ? n_was : n;
	while (b < least && was[b] == is[b])
		b++;
	while (e < least - b && was[n_was - 1 - e] == is[n - 1 - e])
		e++;
	while (b && (unsigned char)is[b - 1] > ' ')
		b--;
	while (e && (unsigned char)is[n - e] > ' ')
		e--;
	*begin = b;
	*end = n - e;
}

/* What stands where replacement i took something out. */
static void replaced(const struct mapping *m, size_t i, const struct msg *msg, const struct buf *is, size_t *begin, size_t *end)
{
	struct buf was;
	for (size_t k = m->cfg.n_own_substs; k < m->cfg.n_substs; k++) {
		const struct subst *x = &m->cfg.substs[k];
		const char *at = x->shown == i ? strstr(is->p, x->with) : NULL;
		if (!at)
			continue;
		*begin = (size_t)(at - is->p);
		*end = *begin + strlen(x->with);
		return;
	}
	buf_init(&was, WORDS_MAX);
	rows_words(msg, &was);
	if (!was.full)
		difference(was.p, was.len, is->p, is->len, begin, end);
	buf_release(&was);
}

bool mapping_sample(const struct mapping *m, const struct msg *msg, enum sample_of what, size_t i, struct arena *a, struct mapping_sample *out)
{
	struct msg clean;
	struct buf words;
	size_t begin = 0, end = 0;
	*out = (struct mapping_sample){ "", "", "" };
	if (!mapping_redact_msg(m, msg, a, &clean))
		return false;
	buf_init(&words, WORDS_MAX);
	rows_words(&clean, &words);
	bool ok = !words.full;
	/* A pattern that matches only what a replacement has taken out matches nothing here: then there is nothing to point at. */
	if (ok && what == SAMPLE_RULE && i < m->cfg.n_rules && m->cfg.rules[i].re)
		regex_find(m->cfg.rules[i].re, words.p, words.len, &begin, &end);
	if (ok && what == SAMPLE_REPLACEMENT)
		replaced(m, i, msg, &words, &begin, &end);
	if (ok && end > begin) {
		out->before = tail(words.p, begin, AROUND, a);
		out->match = head(words.p + begin, end - begin, MATCH_MAX, a);
		out->after = head(words.p + end, words.len - end, AROUND, a);
	} else if (ok) {
		out->before = head(words.p, words.len, AROUND + MATCH_MAX, a);
	}
	buf_release(&words);
	return ok;
}
