/* json.c: writing JSON, and looking into trees that json_parse.c built.
 *
 * Promises: what the writer makes is valid JSON when the calls are balanced and the strings are valid UTF-8; nothing here
 * fails, allocates behind the caller's back or depends on the locale. Used by every ring. It does not parse: json_parse.c.
 */
#include "core/json.h"

#include "core/swar.h"

#include <stdio.h>
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

/* The offset of the first byte from s[i] on that must be escaped, or n. */
static size_t clean_until(const char *s, size_t n, size_t i)
{
	for (; n - i >= 8; i += 8) {
		const uint64_t v = swar_load(s + i);
		if (swar_below(v, 0x20) | swar_has(v, '"') | swar_has(v, '\\'))
			break;
	}
	while (i < n && (unsigned char)s[i] >= 0x20 && s[i] != '"' && s[i] != '\\')
		i++;
	return i;
}

/* RFC 8259, 7: only the quotation mark, the backslash and U+0000..U+001F must be escaped. */
static void quoted(struct buf *out, const char *s, size_t n)
{
	static const char short_form[0x20] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
	size_t start = 0;
	buf_addc(out, '"');
	for (size_t i = 0; (i = clean_until(s, n, i)) < n; i++) {
		const unsigned char c = (unsigned char)s[i];
		if (i > start)
			buf_add(out, s + start, i - start);
		start = i + 1;
		char esc[8];
		size_t len = 2;
		esc[0] = '\\';
		if (c >= 0x20)
			esc[1] = (char)c;
		else if (short_form[c])
			esc[1] = short_form[c];
		else
			len = (size_t)snprintf(esc, sizeof(esc), "\\u%04x", c);
		buf_add(out, esc, len);
	}
	if (n > start)
		buf_add(out, s + start, n - start);
	buf_addc(out, '"');
}

/* A string with what stands before it and `after` it (0: nothing). Nearly all are short and clean: one step. */
static void put_quoted(struct jw *w, const char *s, size_t n, char after)
{
	char small[128];
	if (n <= sizeof(small) - 4 && clean_until(s, n, 0) == n) {
		size_t k = 0;
		if (w->comma)
			small[k++] = ',';
		small[k++] = '"';
		memcpy(small + k, s, n);
		k += n;
		small[k++] = '"';
		if (after)
			small[k++] = after;
		buf_add(w->out, small, k);
	} else {
		separate(w);
		quoted(w->out, s, n);
		if (after)
			buf_addc(w->out, after);
	}
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
	char digits[24], *p = digits + sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		*--p = '-';
	separate(w);
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
