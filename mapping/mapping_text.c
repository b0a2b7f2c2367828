/* mapping_text.c: patterns with limits; substitution and redaction of texts. Called by mapping_config.c (compiling),
 * mapping_decide.c (rules that read the text) and replay through mapping.h. Pure: text in, text out.
 *
 * Redaction looks at a whole block at once, so that a password in bold, or a card number half of which is a link, is found
 * although it is several spans. What cannot be judged within the limits is never passed on as it was: the caller is told.
 *
 * The interpreter of PCRE2 is used, not its JIT: only it counts what a match costs. The count begins anew at each place of the
 * text where a match is tried, so a text is also bounded in length: the worst pattern on the worst text costs seconds, not days.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "mapping/mapping_text.h"

#include "mapping/mapping_rows.h"

#include <pcre2.h>
#include <string.h>

enum { MATCH_STEPS = 50000, MATCH_DEPTH = 10000, MATCH_HEAP_KIB = 16384, SUBJECT_MAX = 1 << 20, RESULT_MAX = 4 << 20, MATCHES_MAX = 100000 };

/* md: where a match leaves what it found, and the memory it works in, which PCRE2 keeps for the next one. Made once: everything
 * comes from the arena, which gives nothing back. So one pattern is tried by one thread at a time. */
struct regex { pcre2_code *code; pcre2_match_context *limits; pcre2_match_data *md; uint32_t n_groups; };

static void *from_arena(size_t n, void *arena)
{
	return arena_alloc(arena, n);
}

static void keep(void *p, void *arena)
{
	(void)p;
	(void)arena;
}

const struct regex *regex_compile(const char *pattern, enum regex_case how, struct arena *a, const char **why)
{
	int code;
	size_t at;
	pcre2_general_context *g = pcre2_general_context_create(from_arena, keep, a);
	pcre2_compile_context *cc = pcre2_compile_context_create(g);
	struct regex *re = arena_new(a, struct regex);
	uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | (how == REGEX_CASELESS ? PCRE2_CASELESS : 0);
	re->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &code, &at, cc);
	if (!re->code) {
		PCRE2_UCHAR msg[160];
		pcre2_get_error_message(code, msg, sizeof(msg));
		*why = arena_fmt(a, err_word("%s, after %zu bytes"), (const char *)msg, at);
		return NULL;
	}
	re->md = pcre2_match_data_create_from_pattern(re->code, g);
	re->limits = pcre2_match_context_create(g);
	pcre2_set_match_limit(re->limits, MATCH_STEPS);
	pcre2_set_depth_limit(re->limits, MATCH_DEPTH);
	pcre2_set_heap_limit(re->limits, MATCH_HEAP_KIB);
	pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &re->n_groups);
	return re;
}

enum regex_got regex_search(const struct regex *re, const char *s, size_t len)
{
	if (len > SUBJECT_MAX)
		return REGEX_LIMIT;
	int rc = pcre2_match(re->code, (PCRE2_SPTR)s, len, 0, 0, re->md, re->limits);
	return rc == PCRE2_ERROR_NOMATCH ? REGEX_NO : rc < 0 ? REGEX_LIMIT : REGEX_YES;
}

enum regex_got regex_find(const struct regex *re, const char *s, size_t len, size_t *begin, size_t *end)
{
	enum regex_got got = regex_search(re, s, len);
	const size_t *ov = pcre2_get_ovector_pointer(re->md);
	if (got == REGEX_YES) {
		*begin = ov[0] < ov[1] ? ov[0] : ov[1]; /* \K may turn them round */
		*end = ov[1];
	}
	return got;
}

const char *regex_bad_template(const struct regex *re, const char *with, struct arena *a)
{
	for (const char *p = with; (p = strchr(p, '{')); p++)
		if (p[1] >= '0' && p[1] <= '9' && p[2] == '}' && (uint32_t)(p[1] - '0') > re->n_groups)
			return arena_fmt(a, err_word("{%c}, but the pattern has %u groups"), p[1], re->n_groups);
	return NULL;
}

static void expand(const char *with, const char *s, const size_t *ov, uint32_t pairs, struct buf *out)
{
	for (const char *p = with; *p; p++) {
		uint32_t g = (uint32_t)(p[1] - '0');
		if (*p != '{' || p[1] < '0' || p[1] > '9' || p[2] != '}') {
			buf_addc(out, *p);
			continue;
		}
		if (g < pairs && ov[2 * g] != PCRE2_UNSET && ov[2 * g] <= ov[2 * g + 1])
			buf_add(out, s + ov[2 * g], ov[2 * g + 1] - ov[2 * g]);
		p += 2;
	}
}

enum regex_got regex_expand(const struct regex *re, const char *with, const char *s, size_t len, struct arena *a, const char **out)
{
	if (len > SUBJECT_MAX)
		return REGEX_LIMIT;
	int rc = pcre2_match(re->code, (PCRE2_SPTR)s, len, 0, 0, re->md, re->limits);
	if (rc < 0)
		return rc == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_LIMIT;
	struct buf b;
	buf_init(&b, RESULT_MAX);
	expand(with, s, pcre2_get_ovector_pointer(re->md), (uint32_t)rc, &b);
	*out = arena_strndup(a, b.p ? b.p : "", b.len);
	buf_release(&b);
	return REGEX_YES;
}

/* ---- one replacement on one text made of pieces ---- */

/* Pieces lie end to end: piece i ends at ends[i]. Rewritten in place while the text is copied. */
struct pieces { size_t *ends; size_t n, at; };

static void copy_until(struct pieces *p, const char *s, size_t from, size_t to, struct buf *out)
{
	while (p->at < p->n && p->ends[p->at] <= to) {
		size_t end = p->ends[p->at];
		if (end > from) {
			buf_add(out, s + from, end - from);
			from = end;
		}
		p->ends[p->at++] = out->len;
	}
	buf_add(out, s + from, to - from);
}

/* What stands for [..to) has been written: it belongs to the piece where it began. */
static void pass_over(struct pieces *p, size_t to, const struct buf *out)
{
	while (p->at < p->n && p->ends[p->at] <= to)
		p->ends[p->at++] = out->len;
	if (p->at == p->n && p->n)
		p->ends[p->n - 1] = out->len;
}

static size_t after(const char *s, size_t len, size_t at)
{
	at++;
	while (at < len && ((unsigned char)s[at] & 0xc0) == 0x80)
		at++;
	return at;
}

enum how_many { ONCE, EVERYWHERE };

static enum regex_got replace(const struct subst *x, enum how_many times, const char *s, size_t len, struct pieces *p, struct buf *out)
{
	if (len > SUBJECT_MAX)
		return REGEX_LIMIT;
	pcre2_match_data *md = x->re->md;
	size_t copied = 0, from = 0;
	uint32_t options = 0;
	enum regex_got got = REGEX_NO;
	p->at = 0;
	for (int n = 0; from <= len && (times == EVERYWHERE || got == REGEX_NO); n++) {
		int rc = pcre2_match(x->re->code, (PCRE2_SPTR)s, len, from, options, md, x->re->limits);
		options = PCRE2_NO_UTF_CHECK; /* it has been checked by the first call */
		if (rc == PCRE2_ERROR_NOMATCH)
			break;
		const size_t *ov = pcre2_get_ovector_pointer(md);
		if (rc < 0 || n == MATCHES_MAX || ov[0] > ov[1] || ov[0] < from) { /* the last two: \K played tricks */
			got = REGEX_LIMIT;
			break;
		}
		size_t begin = ov[2 * x->group], end = ov[2 * x->group + 1];
		if (begin == PCRE2_UNSET || begin < copied || (x->check && !x->check(s, len, begin, &end))) {
			from = after(s, len, ov[0]);
			continue;
		}
		got = REGEX_YES;
		copy_until(p, s, copied, begin, out);
		expand(x->with, s, ov, (uint32_t)rc, out);
		pass_over(p, end, out);
		copied = end;
		from = end > ov[0] ? end : after(s, len, end);
	}
	if (got == REGEX_YES)
		copy_until(p, s, copied, len, out);
	return out->full ? REGEX_LIMIT : got;
}

enum regex_got regex_replace(const struct regex *re, const char *with, const char *s, struct arena *a, const char **out)
{
	struct subst x = { .with = with, .re = re };
	struct pieces none = { 0 };
	struct buf b;
	buf_init(&b, RESULT_MAX);
	enum regex_got got = replace(&x, ONCE, s, strlen(s), &none, &b);
	*out = got == REGEX_YES ? arena_strndup(a, b.p, b.len) : s;
	buf_release(&b);
	return got;
}

static void mark(struct mapping_hits *hits, size_t i)
{
	if (hits)
		hits->bits[i / 64] |= UINT64_C(1) << i % 64;
}

/* All replacements in order. text: in and out. hits: which of them changed something, or NULL. */
static enum regex_got replace_all(const struct mapping *m, struct buf *text, struct pieces *p, struct mapping_hits *hits)
{
	enum regex_got got = REGEX_NO;
	struct buf out;
	buf_init(&out, RESULT_MAX);
	for (size_t i = 0; i < m->cfg.n_substs && got != REGEX_LIMIT && text->len; i++) {
		const struct subst *x = &m->cfg.substs[i];
		if (x->maybe && text->len <= SUBJECT_MAX && !x->maybe(text->p, text->len))
			continue;
		buf_reset(&out);
		enum regex_got one = replace(x, EVERYWHERE, text->p, text->len, p, &out);
		if (one != REGEX_NO)
			got = one;
		if (one == REGEX_YES) {
			mark(hits, x->shown);
			struct buf t = *text;
			*text = out;
			out = t;
		}
	}
	buf_release(&out);
	return got;
}

static const char *redact(const struct mapping *m, const char *text, struct arena *a, struct mapping_hits *hits)
{
	if (!m->cfg.n_substs || !*text)
		return text;
	struct pieces none = { 0 };
	struct buf b;
	buf_init(&b, RESULT_MAX);
	buf_adds(&b, text);
	enum regex_got got = b.full ? REGEX_LIMIT : replace_all(m, &b, &none, hits);
	const char *out = got == REGEX_LIMIT ? NULL : got == REGEX_YES ? arena_strndup(a, b.p, b.len) : text;
	buf_release(&b);
	return out;
}

const char *mapping_redact(const struct mapping *m, const char *text, struct arena *a)
{
	return redact(m, text, a, NULL);
}

/* ---- messages ---- */

static bool redact_block(const struct mapping *m, struct block *k, struct arena *a, struct mapping_hits *hits)
{
	struct buf b;
	struct pieces p = { arena_array(a, k->n_spans + 1, size_t), k->n_spans, 0 };
	buf_init(&b, RESULT_MAX);
	for (size_t i = 0; i < k->n_spans; i++) {
		buf_adds(&b, k->spans[i].kind == SPAN_CELL ? "\t" : k->spans[i].text);
		p.ends[i] = b.len;
	}
	enum regex_got got = b.full ? REGEX_LIMIT : replace_all(m, &b, &p, hits);
	for (size_t i = 0, from = 0; got == REGEX_YES && i < k->n_spans; from = p.ends[i++])
		if (k->spans[i].kind != SPAN_CELL)
			k->spans[i].text = arena_strndup(a, b.p + from, p.ends[i] - from);
	buf_release(&b);
	return got != REGEX_LIMIT;
}

/* An address that had to be changed leads nowhere any more: it becomes text. */
static bool redact_address(const struct mapping *m, struct span *s, struct arena *a, struct mapping_hits *hits)
{
	const char *url = redact(m, s->url, a, hits);
	if (!url)
		return false;
	if (streq(url, s->url))
		return true;
	if (s->kind == SPAN_LINK || s->kind == SPAN_MSG) {
		s->kind = SPAN_TEXT;
		s->ref = "";
		s->text = *s->text ? s->text : url;
	}
	s->url = "";
	return true;
}

static bool redact_body(const struct mapping *m, const struct text *in, struct arena *a, struct text *out, struct mapping_hits *hits)
{
	*out = (struct text){ in->n_blocks ? arena_memdup(a, in->blocks, in->n_blocks * sizeof(*in->blocks)) : NULL, in->n_blocks };
	for (size_t i = 0; i < out->n_blocks; i++) {
		struct block *k = &out->blocks[i];
		if (!k->n_spans)
			continue;
		k->spans = arena_memdup(a, k->spans, k->n_spans * sizeof(*k->spans));
		if (!redact_block(m, k, a, hits))
			return false;
		for (size_t j = 0; j < k->n_spans; j++)
			if (!redact_address(m, &k->spans[j], a, hits))
				return false;
	}
	return true;
}

static bool redact_field(const struct mapping *m, const char **s, struct arena *a, struct mapping_hits *hits)
{
	return !*s || (*s = redact(m, *s, a, hits)) != NULL;
}

/* An address is as it was or not there. */
static bool redact_url(const struct mapping *m, const char **s, struct arena *a, struct mapping_hits *hits)
{
	const char *was = *s;
	if (!redact_field(m, s, a, hits))
		return false;
	if (was && !streq(was, *s))
		*s = NULL;
	return true;
}

static bool redact_file(const struct mapping *m, struct file *f, struct arena *a, struct mapping_hits *hits)
{
	if (!redact_field(m, &f->name, a, hits) || !redact_field(m, &f->title, a, hits) || !redact_field(m, &f->preview, a, hits) ||
	    !redact_url(m, &f->url, a, hits) || !redact_url(m, &f->permalink, a, hits))
		return false;
	if (!*f->name)
		f->name = "file";
	return true;
}

bool mapping_redact_msg(const struct mapping *m, const struct msg *in, struct arena *a, struct msg *out)
{
	return mapping_redact_seen(m, in, a, out, NULL);
}

bool mapping_redact_seen(const struct mapping *m, const struct msg *in, struct arena *a, struct msg *out, struct mapping_hits *hits)
{
	*out = *in;
	if (hits)
		*hits = (struct mapping_hits){ { 0 } };
	if (!m->cfg.n_substs)
		return true;
	if (!redact_body(m, &in->body, a, &out->body, hits))
		return false;
	struct file *files = in->n_files ? arena_memdup(a, in->files, in->n_files * sizeof(*in->files)) : NULL;
	for (size_t i = 0; i < in->n_files; i++)
		if (!redact_file(m, &files[i], a, hits))
			return false;
	out->files = files;
	return true;
}

/* ---- the built-in ones ---- */

/* Luhn's sum (ISO/IEC 7812-1 annex B) over the longest run of 13 to 19 digits that begins here and ends before a non-digit:
 * an expiry date or another number may follow the card's after a blank. */
static bool is_card(const char *s, size_t len, size_t begin, size_t *end)
{
	char digits[20];
	size_t n = 0, best = 0;
	for (size_t i = begin; i < *end && n < 19; i++) {
		if (s[i] < '0' || s[i] > '9')
			continue;
		digits[n++] = s[i];
		if (n < 13 || (i + 1 < len && s[i + 1] >= '0' && s[i + 1] <= '9'))
			continue;
		int sum = 0;
		for (size_t k = 0; k < n; k++) {
			int d = digits[n - 1 - k] - '0';
			d = k % 2 ? 2 * d : d;
			sum += d > 9 ? d - 9 : d;
		}
		if (sum % 10 == 0)
			best = i + 1;
	}
	if (best)
		*end = best;
	return best != 0;
}

const char *const redaction_names[] = { "card-numbers", "passwords", "secrets", "phones", NULL };
/* What a text must have for a pattern to be worth trying: cheaper than the pattern by far, and true of all that it matches. */

static bool digits(const char *s, size_t len, size_t want)
{
	size_t n = 0;
	for (size_t i = 0; i < len && n < want; i++)
		n += s[i] >= '0' && s[i] <= '9';
	return n == want;
}

static bool card_digits(const char *s, size_t len) { return digits(s, len, 13); }
static bool phone_digits(const char *s, size_t len) { return digits(s, len, 11); }

/* "pas" (its s may be U+017F, which is an s without regard to case), "pwd", "pin"; «пар», «пин». */
static bool password_word(const char *s, size_t len)
{
	static const char forms[][7] = { "пар", "паР", "пАр", "пАР", "Пар", "ПаР", "ПАр", "ПАР", "пин", "пиН", "пИн", "пИН", "Пин", "ПиН", "ПИн", "ПИН" };
	for (size_t i = 0; i + 2 < len; i++) {
		unsigned char c = (unsigned char)s[i];
		if ((c | 0x20) == 'p') {
			int x = s[i + 1] | 0x20, y = (unsigned char)s[i + 2];
			if ((x == 'a' && ((y | 0x20) == 's' || y == 0xc5)) || (x == 'w' && (y | 0x20) == 'd') || (x == 'i' && (y | 0x20) == 'n'))
				return true;
		} else if (c == 0xd0 && i + 6 <= len && ((unsigned char)s[i + 1] == 0xbf || (unsigned char)s[i + 1] == 0x9f)) {
			for (size_t k = 0; k < countof(forms); k++)
				if (!memcmp(s + i, forms[k], 6))
					return true;
		}
	}
	return false;
}

static bool has(const char *s, size_t len, const char *what)
{
	size_t n = strlen(what);
	for (const char *p = s; (p = memchr(p, *what, len - (size_t)(p - s))); p++)
		if (len - (size_t)(p - s) >= n && !memcmp(p, what, n))
			return true;
	return false;
}

static bool has_scheme(const char *s, size_t len) { return has(s, len, "://"); }
static bool has_pem(const char *s, size_t len) { return has(s, len, "-----BEGIN "); }

/* Tokens are long and without blanks. */
static bool long_run(const char *s, size_t len)
{
	size_t run = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i], x = c | 0x20;
		run = (x >= 'a' && x <= 'z') || (c >= '0' && c <= '9') || memchr("._~+/=-", c, 7) ? run + 1 : 0;
		if (run == 10)
			return true;
	}
	return false;
}

static const struct builtin {
	const char *en, *ru;
	struct {
		const char *re;
		int group;
		bool (*check)(const char *, size_t, size_t, size_t *);
		bool (*maybe)(const char *, size_t);
	} v[REDACTION_PATTERNS_MAX];
} builtins[] = {
	/* The first digit is an industry's (ISO/IEC 7812): 2 to 6 are payment cards. */
	{ "[card number removed]", "[номер карты скрыт]", { { "(?<!\\d)[2-6](?:[ \\x{a0}\\-]?\\d){12,18}(?!\\d)", 0, is_card, card_digits } } },
	/* After ':' or '=' anything; after a dash, "is" or «это» only what does not look like a plain word. */
	{ "[password removed]", "[пароль скрыт]",
	  { { "(?i)(?<![\\p{L}\\d])(?:парол[ьяюеи]|password|passwd|passphrase|passcode|pwd|pass|пин-?код|pin-?code|pin)(?![\\p{L}\\d])"
	      "(?:[ \\t]+(?:от|для|к|на|for|to|of)[ \\t]+[^\\s:=]{1,40}(?:[ \\t]+[^\\s:=]{1,40}){0,2})?"
	      "\\s{0,3}[:=]\\s{0,3}[\"'«`]?([^\\s\"'»`]{3,200})", 1, NULL, password_word },
	    { "(?i)(?<![\\p{L}\\d])(?:парол[ьяюеи]|password|passwd|passphrase|passcode|pwd|пин-?код|pin-?code)(?![\\p{L}\\d])"
	      "\\s{1,3}(?:(?:[-–—]|is|это)\\s{1,3})?[\"'«`]?((?=[^\\s\"'»`]*[\\d!@#$%^&*_+])[^\\s\"'»`]{4,200})", 1, NULL, password_word },
	    { "(?<=://)[^\\s/:@]{1,100}:[^\\s/@]{1,200}(?=@)", 0, NULL, has_scheme } } },
	/* Formats as their vendors document them: Slack tokens and webhooks, AWS access keys, GitHub and GitLab tokens, Google API
	 * keys, Telegram bots, RFC 6750 bearer tokens, RFC 7519 compact JWTs, RFC 7468 private keys. */
	{ "[secret removed]", "[секрет скрыт]",
	  { { "xox[abeoprs](?:\\.xox[bp])?-[A-Za-z0-9-]{8,}|xapp-\\d-[A-Za-z0-9-]{8,}|hooks\\.slack\\.com/(?:services|workflows|triggers)/[A-Za-z0-9/]{10,}|"
	      "(?<![A-Z0-9])A(?:KIA|SIA)[0-9A-Z]{16}(?![0-9A-Z])|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}|"
	      "(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{20,}|AIza[0-9A-Za-z_-]{35}|(?<!\\d)\\d{8,10}:[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])|"
	      "eyJ[A-Za-z0-9_-]{10,}\\.[A-Za-z0-9_-]{10,}\\.[A-Za-z0-9_-]{10,}", 0, NULL, long_run },
	    { "(?i)(?<![\\p{L}\\d])bearer\\s+([A-Za-z0-9._~+/=-]{10,})", 1, NULL, long_run },
	    { "-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]|-(?!----))*+(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?", 0, NULL, has_pem } } },
	{ "[phone number removed]", "[телефон скрыт]",
	  { { "(?<![\\d+])(?:\\+\\d{1,3}|8)[ \\x{a0}(-]{0,2}\\d{3}[ \\x{a0})-]{0,2}\\d{3}[ \\x{a0}-]?\\d{2}[ \\x{a0}-]?\\d{2}(?!\\d)", 0, NULL, phone_digits } } },
};

size_t redaction_add(size_t which, const char *locale, struct arena *a, struct subst *out)
{
	const struct builtin *b = &builtins[which];
	size_t n = 0;
	for (; n < REDACTION_PATTERNS_MAX && b->v[n].re; n++) {
		const char *why;
		out[n] = (struct subst){ .name = redaction_names[which], .match = b->v[n].re, .with = streq(locale, "ru") ? b->ru : b->en,
			.re = regex_compile(b->v[n].re, REGEX_EXACT, a, &why), .group = b->v[n].group, .check = b->v[n].check, .maybe = b->v[n].maybe };
		if (!out[n].re)
			die("the pattern of '%s': %s", redaction_names[which], why);
	}
	return n;
}
