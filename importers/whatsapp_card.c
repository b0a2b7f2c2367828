/* whatsapp_card.c: vCard 2.1, 3.0 and 4.0 as phones write them: names and phones, nothing else. Called by whatsapp_media.c.
 *
 * Sources: RFC 6350 (folding 3.2, escapes 3.4, FN 6.2.1, N 6.2.2, TEL 6.4.1); for 2.1, which RFC 6350 does not describe, RFC 2045, 6.7
 * (quoted-printable: "=" at the end of a line goes on in the next). Promises: valid UTF-8 or nothing; at most CARDS_MAX cards of
 * PHONES_MAX phones each; a line is looked at up to LINE_BYTES, whatever follows it (photographs) is passed over.
 */
#include "importers/whatsapp_card.h"

#include "core/utf8.h"

#include <string.h>
#include <strings.h>

enum { CARDS_MAX = 10, PHONES_MAX = 5, LINE_BYTES = 1024, NAME_BYTES = 300, PHONE_BYTES = 40 };

struct line { char s[LINE_BYTES + 1]; size_t n; const char *value; bool quoted; };
struct phones { char v[PHONES_MAX][PHONE_BYTES + 1]; size_t n; };
struct card { struct buf fn, name; struct phones tel; };

static void put(struct line *l, const char *p, size_t n)
{
	const size_t room = LINE_BYTES - l->n;
	memcpy(l->s + l->n, p, n < room ? n : room);
	l->n += n < room ? n : room;
	l->s[l->n] = '\0';
}

static bool has_word(const char *s, size_t n, const char *word)
{
	const size_t k = strlen(word);
	for (size_t i = 0; i + k <= n; i++)
		if (!strncasecmp(s + i, word, k))
			return true;
	return false;
}

/* One line with those that continue it; *at moves behind them. */
static bool next_line(const char *p, size_t n, size_t *at, struct line *l)
{
	l->n = 0;
	l->value = NULL;
	l->quoted = false;
	if (*at >= n)
		return false;
	for (bool more = true; more && *at < n;) {
		const char *nl = memchr(p + *at, '\n', n - *at);
		size_t end = nl ? (size_t)(nl - p) : n, next = nl ? end + 1 : n;
		while (end > *at && p[end - 1] == '\r')
			end--;
		const bool first = !l->n;
		const char *colon = first ? memchr(p + *at, ':', end - *at) : NULL;
		if (colon)
			l->quoted = has_word(p + *at, (size_t)(colon - p) - *at, "QUOTED-PRINTABLE");
		const bool soft = l->quoted && end > *at && p[end - 1] == '=';
		put(l, p + *at, end - *at - soft);
		*at = next;
		more = soft;
		if (!soft && next < n && (p[next] == ' ' || p[next] == '\t')) {
			++*at;
			more = true;
		}
	}
	l->value = memchr(l->s, ':', l->n);
	return true;
}

/* Is it this property, whatever its group ("item1.") and parameters? */
static bool is_property(const struct line *l, const char *name)
{
	if (!l->value)
		return false;
	const char *dot = memchr(l->s, '.', (size_t)(l->value - l->s)), *semi = memchr(l->s, ';', (size_t)(l->value - l->s));
	const char *s = dot && (!semi || dot < semi) ? dot + 1 : l->s;
	const size_t k = strlen(name);
	return !strncasecmp(s, name, k) && (s[k] == ':' || s[k] == ';');
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value's bytes as they are meant, in place; semicolons that separate become '\0'. */
static char *plain(struct line *l, size_t *len)
{
	char *v = l->s + (l->value + 1 - l->s);
	const size_t n = l->n - (size_t)(v - l->s);
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		if (l->quoted && v[i] == '=' && i + 2 < n && hex_digit(v[i + 1]) >= 0 && hex_digit(v[i + 2]) >= 0) {
			v[k++] = (char)(hex_digit(v[i + 1]) << 4 | hex_digit(v[i + 2]));
			i += 2;
		} else if (v[i] == '\\' && i + 1 < n) {
			i++;
			v[k++] = v[i] == 'n' || v[i] == 'N' ? ' ' : v[i];
		} else {
			v[k++] = v[i] == ';' ? '\0' : v[i];
		}
	}
	*len = k;
	return v;
}

static void add_name(struct buf *out, const char *s, size_t n)
{
	for (; n && (unsigned char)*s <= ' '; s++)
		n--;
	while (n && (unsigned char)s[n - 1] <= ' ')
		n--;
	if (!n || n > NAME_BYTES || !utf8_valid(s, n))
		return;
	if (out->len)
		buf_addc(out, ' ');
	for (size_t i = 0; i < n; i++)
		buf_addc(out, (unsigned char)s[i] < ' ' || s[i] == 0x7f ? ' ' : s[i]);
}

/* FN: the text, its semicolons are its own. */
static void read_fn(struct line *l, struct buf *out)
{
	size_t n;
	char *v = plain(l, &n);
	for (size_t i = 0; i < n; i++)
		if (!v[i])
			v[i] = ';';
	buf_reset(out);
	add_name(out, v, n);
}

/* N: family; given; additional; … The given name first, as people write it. */
static void read_name(struct line *l, struct buf *out)
{
	static const int order[] = { 1, 2, 0 };
	size_t n;
	const char *v = plain(l, &n), *part[3] = { "", "", "" };
	size_t len[3] = { 0 };
	for (size_t i = 0, k = 0; k < countof(part) && i <= n; k++) {
		const char *end = memchr(v + i, '\0', n - i);
		part[k] = v + i;
		len[k] = end ? (size_t)(end - part[k]) : n - i;
		i += len[k] + 1;
	}
	buf_reset(out);
	for (size_t k = 0; k < countof(order); k++)
		add_name(out, part[order[k]], len[order[k]]);
}

static void read_phone(struct line *l, struct phones *t)
{
	size_t n;
	const char *v = plain(l, &n);
	if (n >= 4 && !strncasecmp(v, "tel:", 4)) { /* VALUE=uri */
		v += 4;
		n -= 4;
	}
	while (n && (v[n - 1] == ' ' || v[n - 1] == '\t'))
		n--;
	while (n && *v == ' ') {
		v++;
		n--;
	}
	if (n < 3 || n > PHONE_BYTES || t->n == PHONES_MAX)
		return;
	for (size_t i = 0; i < n; i++)
		if (!v[i] || !strchr("+0123456789 ()-.", v[i]))
			return;
	char *to = t->v[t->n];
	memcpy(to, v, n);
	to[n] = '\0';
	for (size_t i = 0; i < t->n; i++)
		if (streq(t->v[i], to))
			return;
	t->n++;
}

static void put_card(const struct card *c, struct buf *out)
{
	const struct buf *name = c->fn.len ? &c->fn : &c->name;
	if (!name->len)
		return;
	if (out->len)
		buf_adds(out, "; ");
	buf_add(out, name->p, name->len);
	for (size_t i = 0; i < c->tel.n; i++)
		buf_addf(out, ", %s", c->tel.v[i]);
}

void wa_card_read(const char *p, size_t n, struct buf *out)
{
	struct line l;
	struct card c = { .tel.n = 0 };
	size_t at = 0;
	int cards = 0;
	buf_reset(out);
	buf_init(&c.fn, NAME_BYTES + 1);
	buf_init(&c.name, 3 * (NAME_BYTES + 1));
	if (n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
		at = 3;
	for (bool more = true; more && cards < CARDS_MAX;) {
		more = next_line(p, n, &at, &l);
		if (!more || is_property(&l, "END")) {
			put_card(&c, out);
			cards++;
			buf_reset(&c.fn);
			buf_reset(&c.name);
			c.tel.n = 0;
		} else if (is_property(&l, "FN") && !c.fn.len) {
			read_fn(&l, &c.fn);
		} else if (is_property(&l, "N") && !c.name.len) {
			read_name(&l, &c.name);
		} else if (is_property(&l, "TEL")) {
			read_phone(&l, &c.tel);
		}
	}
	buf_release(&c.fn);
	buf_release(&c.name);
}
