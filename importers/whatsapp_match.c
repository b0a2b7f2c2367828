/* whatsapp_match.c: finding a text in the table of what WhatsApp writes by itself.
 *
 * Promises: whole texts only, never a part of what somebody said; the same answer whatever the order of the table, as the more
 * literal string wins. Called by the survey and the message builder. It decides nothing about who wrote a line.
 */
#include "importers/whatsapp_match.h"

#include "core/table.h"
#include "core/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <uninorm.h>

enum { HOLE = '\001', OPEN_END = '\002', BLOOM = 4096, BEGINNING = 4, FIXED_MAX = 200 };

static const char *const kind_names[WA_N_KINDS] = {
	[WA_NONE] = "none", [WA_ADMIN] = "admin", [WA_ATTACHED] = "attached", [WA_BLOCKED] = "blocked", [WA_BUSINESS] = "business",
	[WA_CALL] = "call", [WA_CALL_MISSED] = "call.missed", [WA_CONTACT] = "contact", [WA_CREATE] = "create", [WA_DELETED] = "deleted",
	[WA_DELETED_ME] = "deleted.me", [WA_DESCRIPTION] = "description", [WA_DISAPPEARING] = "disappearing", [WA_EDITED] = "edited",
	[WA_ENCRYPTION] = "encryption", [WA_EXPORT_NAME] = "export-name", [WA_ICON] = "icon", [WA_INVITE_LINK] = "invite-link",
	[WA_JOIN] = "join", [WA_JOIN_REQUEST] = "join-request", [WA_LEAVE] = "leave", [WA_LIVE_LOCATION] = "live-location",
	[WA_LOCATION] = "location", [WA_META_AI] = "meta-ai", [WA_NUMBER] = "number", [WA_OMITTED] = "omitted",
	[WA_OMITTED_AUDIO] = "omitted.audio", [WA_OMITTED_CONTACT] = "omitted.contact", [WA_OMITTED_DOCUMENT] = "omitted.document",
	[WA_OMITTED_GIF] = "omitted.gif", [WA_OMITTED_IMAGE] = "omitted.image", [WA_OMITTED_PRODUCT] = "omitted.product",
	[WA_OMITTED_STICKER] = "omitted.sticker", [WA_OMITTED_VIDEO] = "omitted.video", [WA_OMITTED_VIDEO_NOTE] = "omitted.video_note",
	[WA_PIN] = "pin", [WA_POLL] = "poll", [WA_PRIVACY] = "privacy", [WA_REMOVE] = "remove", [WA_SECURITY_CODE] = "security-code",
	[WA_SETTINGS] = "settings", [WA_SUBJECT] = "subject", [WA_UNSUPPORTED] = "unsupported", [WA_VIEW_ONCE] = "view-once",
	[WA_WAITING] = "waiting",
};

struct wa_match {
	struct table fixed;       /* text -> its first row in wa_strings; rows of one text stand in a chain */
	uint32_t *next;           /* row -> next row of the same text + 1, or 0 */
	const struct wa_string **templates;
	size_t n_templates;
	uint64_t starts[BLOOM / 64]; /* how fixed texts begin */
};

const char *wa_kind_name(enum wa_kind k)
{
	return kind_names[k < WA_N_KINDS ? k : WA_NONE];
}

bool wa_is_omitted(enum wa_kind k)
{
	return k >= WA_OMITTED && k <= WA_OMITTED_VIDEO_NOTE;
}

/* Length of the character at s when it is to vanish (`*to` = 0) or to become another one; 0 = it stays. */
static size_t fold(const unsigned char *s, size_t n, char *to)
{
	*to = '\0';
	if (s[0] < 0xc2 || n < 2)
		return 0;
	if (s[0] == 0xc2) {
		*to = s[1] == 0xa0 ? ' ' : s[1] == 0xab || s[1] == 0xbb ? '"' : '\0';
		return *to ? 2 : 0;
	}
	if (s[0] == 0xca && (s[1] == 0xbb || s[1] == 0xbc)) {
		*to = '\'';
		return 2;
	}
	if (s[0] == 0xd8 && s[1] == 0x9c)
		return 2;
	if (n < 3)
		return 0;
	if (s[0] == 0xe2 && s[1] == 0x80) {
		unsigned char c = s[2];
		if (c == 0x8e || c == 0x8f || (c >= 0xaa && c <= 0xae))
			return 3;
		*to = c == 0x87 || c == 0x89 || c == 0xaf ? ' ' : c == 0x98 || c == 0x99 || c == 0xb2 ? '\'' : c == 0x9c || c == 0x9d || c == 0x9e || c == 0xb3 ? '"' : '\0';
		return *to ? 3 : 0;
	}
	if (s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9)
		return 3;
	if (s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf)
		return 3;
	if (s[0] == 0xe3 && s[1] == 0x80 && s[2] == 0x80) {
		*to = ' ';
		return 3;
	}
	return 0;
}

/* What a byte may mean for wa_norm: nothing, a sign to look at, a letter that NFC may compose with others. */
enum byte_is { BYTE_PLAIN, BYTE_LOOK, BYTE_COMPOSE };

static inline enum byte_is byte_is(unsigned char c)
{
	static const uint8_t is[256] = {
		['\n'] = BYTE_LOOK, ['\r'] = BYTE_LOOK, ['\t'] = BYTE_LOOK, [' '] = BYTE_LOOK, ['>'] = BYTE_LOOK, [0xc2] = BYTE_LOOK, [0xca] = BYTE_LOOK,
		[0xcc] = BYTE_COMPOSE, [0xcd] = BYTE_COMPOSE, [0xce] = BYTE_COMPOSE, [0xcf] = BYTE_COMPOSE, [0xd2] = BYTE_COMPOSE, [0xd3] = BYTE_COMPOSE,
		[0xd4] = BYTE_COMPOSE, [0xd5] = BYTE_COMPOSE, [0xd6] = BYTE_COMPOSE, [0xd7] = BYTE_COMPOSE, [0xd8] = BYTE_LOOK, [0xd9] = BYTE_COMPOSE,
		[0xda] = BYTE_COMPOSE, [0xdb] = BYTE_COMPOSE, [0xdc] = BYTE_COMPOSE, [0xdd] = BYTE_COMPOSE, [0xde] = BYTE_COMPOSE, [0xdf] = BYTE_COMPOSE,
		[0xe0] = BYTE_COMPOSE, [0xe1] = BYTE_COMPOSE, [0xe2] = BYTE_LOOK, [0xe3] = BYTE_LOOK, [0xe4] = BYTE_COMPOSE, [0xe5] = BYTE_COMPOSE,
		[0xe6] = BYTE_COMPOSE, [0xe7] = BYTE_COMPOSE, [0xe8] = BYTE_COMPOSE, [0xe9] = BYTE_COMPOSE, [0xea] = BYTE_COMPOSE, [0xeb] = BYTE_COMPOSE,
		[0xec] = BYTE_COMPOSE, [0xed] = BYTE_COMPOSE, [0xee] = BYTE_COMPOSE, [0xef] = BYTE_LOOK,
	};
	return (enum byte_is)is[c];
}

static void trim_end(struct buf *out, size_t from)
{
	static const char *const ends[] = { " ", ".", "\xe3\x80\x82", "\xe0\xa5\xa4", "\xdb\x94" };
	const unsigned char last = out->len > from ? (unsigned char)out->p[out->len - 1] : 0;
	if (last != ' ' && last != '.' && last != 0x82 && last != 0xa4 && last != 0x94)
		return;
	for (size_t i = 0; i < countof(ends);) {
		size_t k = strlen(ends[i]);
		if (out->len - from >= k && !memcmp(out->p + out->len - k, ends[i], k)) {
			buf_cut(out, out->len - k);
			i = 0;
		} else {
			i++;
		}
	}
}

/* Sixteen bytes at once, with the vectors that gcc and clang have for any machine. */
typedef unsigned char bytes __attribute__((vector_size(16)));

static bytes bytes_at(const char *s)
{
	bytes v;
	memcpy(&v, s, sizeof(v));
	return v;
}

/* Copies the sixteen bytes at s, line ends as blanks, when nothing else is to be done to any of them: no
 * second blank in a row, no angle bracket, no control, none of the letters that byte_is tells apart. The byte before s is read. */
static bool sixteen_plain(const char *s, unsigned char *to)
{
	const bytes v = bytes_at(s), before = bytes_at(s - 1);
	const bytes nl = (bytes)(v == '\n'), blank = (bytes)(v == ' ') | nl, after_blank = (bytes)(before == ' ') | (bytes)(before == '\n');
	const bytes control = (bytes)(v < 0x20) ^ nl, angle = (bytes)((v & 0xfd) == '<');
	const bytes lead = (bytes)(v == 0xc2) | ((bytes)((v - 0xca) < 0xf0 - 0xca) & (bytes)((v & 0xfe) != 0xd0));
	const bytes look = (blank & after_blank) | control | angle | lead, out = (v & ~nl) | (nl & ' ');
	uint64_t half[2];
	memcpy(half, &look, sizeof(half));
	if (half[0] | half[1])
		return false;
	memcpy(to, &out, sizeof(out));
	return true;
}

void wa_norm(const char *s, size_t n, struct buf *out)
{
	const size_t from = out->len;
	bool compose = false;
	if (n > out->max - from) {
		n = out->max - from;
		out->full = true;
	}
	unsigned char *const start = (unsigned char *)buf_room(out, n), *w = start; /* it only gets shorter */
	const unsigned char *const p = (const unsigned char *)s;
	for (size_t i = 0, sixteen = 1; i < n;) {
		const unsigned char last = w > start ? w[-1] : ' ';
		if (i >= sixteen && n - i >= 16) {
			if (!((last == ' ' || last == '<') && (p[i] == ' ' || p[i] == '\n')) && sixteen_plain(s + i, w)) {
				w += 16;
				i += 16;
				continue;
			}
			sixteen = i + 16; /* one by one past what is to be looked at */
		}
		const enum byte_is is = byte_is(p[i]);
		if (is != BYTE_LOOK) {
			compose |= is == BYTE_COMPOSE;
			*w++ = p[i++];
			continue;
		}
		char to;
		size_t k = fold(p + i, n - i, &to);
		if (!k) {
			to = p[i] == '\n' || p[i] == '\r' || p[i] == '\t' ? ' ' : (char)p[i];
			compose |= p[i] == 0xd8 || p[i] == 0xe3 || p[i] == 0xef;
			k = 1;
		}
		i += k;
		if (!to || (to == ' ' && (last == ' ' || last == '<')))
			continue;
		if (to == '>' && last == ' ' && w > start)
			w--;
		*w++ = (unsigned char)to;
	}
	buf_wrote(out, (size_t)(w - start));
	trim_end(out, from);
	/* NFC can only change a text with combining marks or with scripts whose letters compose. */
	if (compose) {
		size_t len = 0;
		uint8_t *nfc = u8_normalize(UNINORM_NFC, (uint8_t *)out->p + from, out->len - from, NULL, &len);
		if (nfc) {
			buf_cut(out, from);
			buf_add(out, nfc, len);
			free(nfc);
		}
	}
}

/* ---- the table ---- */

static bool is_fixed(const char *text)
{
	return !strchr(text, HOLE) && !strchr(text, OPEN_END);
}

static unsigned beginning(const char *s)
{
	uint32_t v;
	memcpy(&v, s, BEGINNING);
	return (v * 2654435761u) >> 20; /* BLOOM is 2 to the 12th */
}

bool wa_may_be_fixed(const struct wa_match *m, const char *s, size_t n)
{
	if (n > FIXED_MAX)
		return false;
	for (size_t i = 0; i < BEGINNING; i++)
		if (i >= n || byte_is((unsigned char)s[i]) != BYTE_PLAIN || s[i] == '<')
			return true; /* its normal form may begin otherwise */
	unsigned h = beginning(s);
	return m->starts[h / 64] >> (h % 64) & 1;
}

struct wa_match *wa_match_new(void)
{
	struct wa_match *m = xcalloc(1, sizeof(*m));
	m->next = xcalloc(wa_n_strings, sizeof(*m->next));
	m->templates = xcalloc(wa_n_strings, sizeof(*m->templates));
	table_init(&m->fixed);
	for (size_t i = 0; i < wa_n_strings; i++) {
		if (wa_strings[i].kind == WA_EXPORT_NAME || wa_strings[i].kind == WA_EDITED || wa_strings[i].kind == WA_ATTACHED)
			continue;
		if (is_fixed(wa_strings[i].text)) {
			const struct wa_string *old = table_put(&m->fixed, wa_strings[i].text, (void *)(uintptr_t)&wa_strings[i]);
			if (old)
				m->next[i] = (uint32_t)(old - wa_strings) + 1;
			if (strlen(wa_strings[i].text) >= BEGINNING) {
				unsigned h = beginning(wa_strings[i].text);
				m->starts[h / 64] |= 1ull << (h % 64);
			}
		} else {
			m->templates[m->n_templates++] = &wa_strings[i];
		}
	}
	return m;
}

void wa_match_free(struct wa_match *m)
{
	if (!m)
		return;
	table_release(&m->fixed);
	free(m->next);
	free(m->templates);
	free(m);
}

static bool shares(const struct wa_locale_set *a, const struct wa_locale_set *b)
{
	return (a->bits[0] & b->bits[0]) || (a->bits[1] & b->bits[1]);
}

static const char *find(const char *s, const char *end, const char *word, size_t n)
{
	for (; (size_t)(end - s) >= n; s++) {
		s = memchr(s, word[0], (size_t)(end - s) - n + 1);
		if (!s)
			return NULL;
		if (!memcmp(s, word, n))
			return s;
	}
	return NULL;
}

/* Whether the whole of s is the template with something in each hole. The literal parts are found from left to right, the last
 * one at the end. Returns how many bytes were literal, 0 = no. */
static size_t fits(const char *t, const char *s, size_t n, struct wa_arg *arg)
{
	const char *p = s, *end = s + n;
	size_t literal = 0;
	struct wa_arg first = { NULL, 0 };
	while (*t) {
		if (*t == OPEN_END)
			break;
		size_t holes = *t == HOLE;
		t += holes;
		size_t k = strcspn(t, "\001\002");
		if (holes && p == end)
			return 0;
		if (!k) {
			if (holes && !first.s)
				first = (struct wa_arg){ p, (size_t)(end - p) };
			p = end;
			continue;
		}
		const char *at;
		if (!holes) {
			if ((size_t)(end - p) < k || memcmp(p, t, k))
				return 0;
			at = p;
		} else if (!t[k]) { /* the last part: at the very end */
			if ((size_t)(end - p) < k + 1 || memcmp(end - k, t, k))
				return 0;
			at = end - k;
		} else {
			at = find(p + 1, end, t, k);
			if (!at)
				return 0;
		}
		if (holes && !first.s)
			first = (struct wa_arg){ p, (size_t)(at - p) };
		p = at + k;
		literal += k;
		t += k;
	}
	if (*t != OPEN_END && p != end)
		return 0;
	if (arg)
		*arg = first;
	return literal;
}

const struct wa_string *wa_match(const struct wa_match *m, enum wa_form form, const struct wa_locale_set *prefer, const char *norm, size_t n,
                                 struct wa_arg *arg)
{
	char key[WA_PHRASE_MAX + 1];
	if (!n || n > WA_PHRASE_MAX)
		return NULL;
	if (arg)
		*arg = (struct wa_arg){ NULL, 0 };
	memcpy(key, norm, n);
	key[n] = '\0';
	const struct wa_string *hit = strlen(key) == n ? table_get(&m->fixed, key) : NULL;
	for (const struct wa_string *s = hit; s && prefer;) {
		if (shares(&s->locales, prefer))
			return s;
		uint32_t next = m->next[s - wa_strings];
		s = next ? &wa_strings[next - 1] : NULL;
	}
	if (hit || form == WA_FIXED)
		return hit;
	size_t best = 0;
	bool preferred = false;
	for (size_t i = 0; i < m->n_templates; i++) {
		const struct wa_string *s = m->templates[i];
		bool ours = prefer && shares(&s->locales, prefer);
		if (preferred && !ours)
			continue;
		struct wa_arg a;
		size_t literal = fits(s->text, norm, n, &a);
		if (literal && (literal > best || (ours && !preferred))) {
			best = literal;
			preferred = ours;
			hit = s;
			if (arg)
				*arg = a;
		}
	}
	return hit;
}

bool wa_is_notice_head(const char *norm, size_t n)
{
	char head[WA_PHRASE_MAX];
	for (size_t i = 0; i < wa_n_strings; i++) {
		const struct wa_string *s = &wa_strings[i];
		const char *colon = strchr(s->text, ':');
		if (!colon || colon[1] != ' ' || s->kind == WA_LOCATION || s->kind == WA_ATTACHED || s->kind == WA_EXPORT_NAME)
			continue;
		size_t k = (size_t)(colon - s->text);
		if (k < 4 || k >= sizeof(head) || colon[-1] == HOLE)
			continue;
		memcpy(head, s->text, k);
		head[k] = '\0';
		if (fits(head, norm, n, NULL))
			return true;
	}
	return false;
}

const struct wa_string *wa_match_kind(enum wa_kind kind, const char *norm, size_t n, struct wa_arg *arg)
{
	const struct wa_string *hit = NULL;
	size_t best = 0;
	for (size_t i = 0; i < wa_n_strings; i++) {
		struct wa_arg a = { NULL, 0 };
		if (wa_strings[i].kind != kind)
			continue;
		size_t literal = fits(wa_strings[i].text, norm, n, &a);
		if (literal > best) {
			best = literal;
			hit = &wa_strings[i];
			if (arg)
				*arg = a;
		}
	}
	return hit;
}
