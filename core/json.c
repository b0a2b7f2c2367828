/* json.c: writing JSON, and looking into trees that json_parse.c built.
 *
 * Promises: what the writer makes is valid JSON when the calls are balanced and the strings are valid UTF-8; nothing here
 * fails, allocates behind the caller's back or depends on the locale. Used by every ring. It does not parse: json_parse.c.
 */
#include "core/json.h"

#include "core/swar.h"

#include <string.h>

/* ---- writer ---- */

void jw_init(struct jw *w, struct buf *out)
{
	*w = (struct jw){ .out = out };
}

static void separate(struct jw *w)
{
	if (w->comma)
		buf_addc(w->out, ',');
	w->comma = true;
}

static void open_with(struct jw *w, char c)
{
	separate(w);
	buf_addc(w->out, c);
	w->comma = false;
}

static void close_with(struct jw *w, char c)
{
	buf_addc(w->out, c);
	w->comma = true;
}

void jw_obj(struct jw *w)
{
	open_with(w, '{');
}

void jw_obj_end(struct jw *w)
{
	close_with(w, '}');
}

void jw_arr(struct jw *w)
{
	open_with(w, '[');
}

void jw_arr_end(struct jw *w)
{
	close_with(w, ']');
}

/* Sixteen bytes at once, with the vectors that gcc and clang have for any machine. */
typedef unsigned char bytes __attribute__((vector_size(16)));

static bool any(bytes v)
{
	uint64_t half[2];
	memcpy(half, &v, sizeof(half));
	return half[0] | half[1];
}

static inline bool is_clean(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

/* Copies s[0..n) up to the first byte that must be escaped, and says how many bytes that is. What is written behind them, no
 * more than n bytes in all, means nothing. */
static size_t copy_clean(char *to, const char *s, size_t n)
{
	size_t i = 0;
	for (; n - i >= sizeof(bytes); i += sizeof(bytes)) {
		bytes v;
		memcpy(&v, s + i, sizeof(v));
		if (any((bytes)(v < 0x20) | (bytes)(v == '"') | (bytes)(v == '\\')))
			break;
		memcpy(to + i, &v, sizeof(v));
	}
	if (n - i >= 8) {
		const uint64_t v = swar_load(s + i);
		if (!(swar_below(v, 0x20) | swar_has(v, '"') | swar_has(v, '\\'))) {
			memcpy(to + i, &v, sizeof(v));
			i += 8;
		}
	}
	for (; i < n && is_clean((unsigned char)s[i]); i++)
		to[i] = s[i];
	return i;
}

/* RFC 8259, 7: only the quotation mark, the backslash and U+0000..U+001F must be escaped. */
enum { ESCAPE_MAX = 6 };
static size_t escape(char *to, unsigned char c)
{
	static const char short_form[0x20] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
	static const char digits[] = "0123456789abcdef";
	to[0] = '\\';
	if (c >= 0x20 || short_form[c]) {
		to[1] = c >= 0x20 ? (char)c : short_form[c];
		return 2;
	}
	const char hex[] = { 'u', '0', '0', digits[c >> 4], digits[c & 15] };
	memcpy(to + 1, hex, sizeof(hex));
	return ESCAPE_MAX;
}

/* The rest of a string in a buffer that cannot hold all of it. */
static void put_cut(struct buf *out, const char *s, size_t n, char after)
{
	char esc[ESCAPE_MAX];
	for (size_t i = 0; i < n && !out->full; i++) {
		if (is_clean((unsigned char)s[i]))
			buf_addc(out, s[i]);
		else
			buf_add(out, esc, escape(esc, (unsigned char)s[i]));
	}
	buf_addc(out, '"');
	if (after)
		buf_addc(out, after);
}

/* A string with what stands before it and `after` it (0: nothing). */
static void put_quoted(struct jw *w, const char *s, size_t n, char after)
{
	enum { AROUND = 4 }; /* a comma, two quotation marks, `after` */
	char *start = buf_room(w->out, n + AROUND), *p = start;
	size_t i = 0;
	if (!p) {
		separate(w);
		buf_addc(w->out, '"');
		put_cut(w->out, s, n, after);
		w->comma = !after;
		return;
	}
	if (w->comma)
		*p++ = ',';
	*p++ = '"';
	for (;;) {
		const size_t k = copy_clean(p, s + i, n - i);
		p += k;
		i += k;
		if (i == n)
			break;
		/* What is escaped gets longer; so far there is room for it as it was. */
		buf_wrote(w->out, (size_t)(p - start));
		start = p = buf_room(w->out, n - i + ESCAPE_MAX + AROUND);
		if (!p) {
			put_cut(w->out, s + i, n - i, after);
			w->comma = !after;
			return;
		}
		p += escape(p, (unsigned char)s[i++]);
	}
	*p++ = '"';
	if (after)
		*p++ = after;
	buf_wrote(w->out, (size_t)(p - start));
	w->comma = !after;
}

void jw_key(struct jw *w, const char *key)
{
	put_quoted(w, key, strlen(key), ':');
}

void jw_str(struct jw *w, const char *s)
{
	if (s)
		jw_strn(w, s, strlen(s));
	else
		jw_null(w);
}

void jw_strn(struct jw *w, const char *s, size_t n)
{
	put_quoted(w, s, n, 0);
}

void jw_int(struct jw *w, int64_t v)
{
	static const char pairs[] = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
	                            "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
	char digits[24] /* a comma, a sign, 20 digits */, *p = digits + sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	for (; u >= 10; u /= 100) {
		p -= 2;
		memcpy(p, pairs + 2 * (u % 100), 2);
	}
	if (u || p == digits + sizeof(digits))
		*--p = (char)('0' + u);
	if (v < 0)
		*--p = '-';
	if (w->comma)
		*--p = ',';
	w->comma = true;
	buf_add(w->out, p, (size_t)(digits + sizeof(digits) - p));
}

void jw_bool(struct jw *w, bool v)
{
	separate(w);
	buf_adds(w->out, v ? "true" : "false");
}

void jw_null(struct jw *w)
{
	separate(w);
	buf_add(w->out, "null", 4);
}

void jw_kstr(struct jw *w, const char *key, const char *s)
{
	if (!s)
		return;
	jw_key(w, key);
	jw_str(w, s);
}

void jw_kint(struct jw *w, const char *key, int64_t v)
{
	jw_key(w, key);
	jw_int(w, v);
}

void jw_kbool(struct jw *w, const char *key, bool v)
{
	jw_key(w, key);
	jw_bool(w, v);
}

/* ---- looking into a tree ---- */

static const struct jv *child(const struct jv *obj, const char *key, size_t len)
{
	const struct jv *found = NULL;
	if (!obj || obj->type != JV_OBJ)
		return NULL;
	if (!len)
		key = "";
	for (const struct jv *v = obj->first; v; v = v->next)
		if (*v->key == *key && !strncmp(v->key, key, len) && v->key[len] == '\0')
			found = v; /* no break: the last of several is the one that counts */
	return found;
}

const struct jv *jv_get(const struct jv *obj, const char *key)
{
	return child(obj, key, strlen(key));
}

const struct jv *jv_at(const struct jv *obj, const char *path)
{
	while (obj) {
		size_t n = strcspn(path, ".");
		obj = child(obj, path, n);
		if (path[n] == '\0')
			return obj;
		path += n + 1;
	}
	return NULL;
}

const char *jv_str(const struct jv *v)
{
	return v && v->type == JV_STR ? v->s : NULL;
}

const char *jv_get_str(const struct jv *obj, const char *key)
{
	const struct jv *v = jv_get(obj, key);
	return v && v->type == JV_STR && v->len ? v->s : NULL;
}

static size_t digits_at(const char *s, size_t n, size_t i)
{
	size_t k = i;
	while (k < n && s[k] >= '0' && s[k] <= '9')
		k++;
	return k - i;
}

/* Decimal text to an integer, towards zero, clamped; no strtod, whose decimal point depends on the locale. */
static bool to_int(const char *s, size_t n, int64_t *out)
{
	size_t i = n && s[0] == '-';
	bool minus = i > 0;
	const char *whole = s + i, *frac = NULL;
	size_t n_whole = digits_at(s, n, i), n_frac = 0;
	int exp = 0;
	if (!n_whole)
		return false;
	i += n_whole;
	if (i < n && s[i] == '.') {
		frac = s + i + 1;
		n_frac = digits_at(s, n, i + 1);
		if (!n_frac)
			return false;
		i += 1 + n_frac;
	}
	if (i < n && (s[i] == 'e' || s[i] == 'E')) {
		i++;
		bool down = i < n && s[i] == '-';
		if (i < n && (s[i] == '-' || s[i] == '+'))
			i++;
		size_t k = digits_at(s, n, i);
		if (!k)
			return false;
		for (size_t j = 0; j < k && exp < 100000; j++)
			exp = exp * 10 + (s[i + j] - '0');
		exp = down ? -exp : exp;
		i += k;
	}
	if (i != n)
		return false;
	/* The value is the first (n_whole + exp) digits of whole and frac, zeros after them. */
	uint64_t v = 0;
	const uint64_t top = (uint64_t)INT64_MAX + minus;
	int64_t take = (int64_t)n_whole + exp;
	for (int64_t k = 0; k < take; k++) {
		size_t at = (size_t)k;
		unsigned d = 0;
		if (at < n_whole)
			d = (unsigned)(whole[at] - '0');
		else if (at - n_whole < n_frac)
			d = (unsigned)(frac[at - n_whole] - '0');
		else if (!v)
			break;
		if (v > (top - d) / 10) {
			v = top;
			break;
		}
		v = v * 10 + d;
	}
	*out = !minus ? (int64_t)v : v > INT64_MAX ? INT64_MIN : -(int64_t)v;
	return true;
}

int64_t jv_int(const struct jv *v, int64_t otherwise)
{
	int64_t out;
	if (!v || (v->type != JV_NUM && v->type != JV_STR) || !to_int(v->s, v->len, &out))
		return otherwise;
	return out;
}

int64_t jv_get_int(const struct jv *obj, const char *key, int64_t otherwise)
{
	return jv_int(jv_get(obj, key), otherwise);
}

bool jv_get_bool(const struct jv *obj, const char *key)
{
	const struct jv *v = jv_get(obj, key);
	return v && v->type == JV_BOOL && v->b;
}

bool jv_is(const struct jv *v, enum jv_type type)
{
	return v && v->type == type;
}

size_t jv_count(const struct jv *list)
{
	return jv_is(list, JV_ARR) ? list->n : 0;
}
