/* pachca_upload.c: a file's way: POST /uploads (form fields and an address) → multipart POST of those fields, the file last,
 * to that address → the key, which the message names.
 *
 * Nobody sees an upload before a message names it, so the whole op may be repeated at will.
 * The form is Amazon's POST policy (its documentation: "Browser-based uploads using POST"): `key` goes as given, the storage
 * puts the file part's name in place of ${filename}, and so do we to know the final key. That name is plain ASCII, so nothing
 * on the way can understand it in two ways.
 */
#include "exporters/pachca.h"

#include "core/hash.h"
#include "core/utf8.h"
#include "exporters/http_verdict.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FIELDS = 32, MAX_FIELD = 16384, MAX_EXT = 16, MAX_STEM = 80, MAX_SHOWN = 200 };

/* ---- names ---- */

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The extension of a cleaned name, without the dot, or NULL: after the last dot, not of a name that only begins with one. */
static const char *extension(const char *name)
{
	const char *dot = strrchr(name, '.');
	return dot && dot > name && dot[1] ? dot + 1 : NULL;
}

const char *pachca_file_name(const char *name, struct arena *a)
{
	size_t n = strlen(name);
	char *s = arena_alloc(a, n + 8);
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];
		s[k++] = c < 0x20 || c == 0x7f || c == '/' || c == '\\' ? '_' : name[i];
	}
	while (k && (s[k - 1] == '.' || s[k - 1] == ' '))
		k--;
	s[k] = '\0';
	char *p = s;
	while (*p == ' ')
		p++;
	if (!*p)
		return "file";
	const char *ext = extension(p);
	bool good = ext && strlen(ext) <= MAX_EXT;
	for (const char *c = ext; good && *c; c++)
		good = alnum(*c);
	/* The server compares extensions (wrong_params). One that could be read in two ways is put out of play. */
	if (ext && !good)
		memcpy(p + strlen(p), ".bin", 5);
	if (strlen(p) <= MAX_SHOWN)
		return p;
	ext = extension(p);
	size_t stem = utf8_cut_cluster(p, strlen(p), MAX_SHOWN - (ext ? strlen(ext) + 1 : 0));
	return ext ? arena_fmt(a, "%.*s.%s", (int)stem, p, ext) : arena_strndup(a, p, stem);
}

const char *pachca_key_name(const char *name, struct arena *a)
{
	const char *shown = pachca_file_name(name, a), *ext = extension(shown);
	size_t end = ext ? (size_t)(ext - 1 - shown) : strlen(shown);
	char stem[MAX_STEM + 1];
	size_t k = 0;
	for (size_t i = 0; i < end && k < MAX_STEM; i++)
		if (alnum(shown[i]) || ((shown[i] == '-' || shown[i] == '_') && k))
			stem[k++] = shown[i];
	stem[k] = '\0';
	return arena_fmt(a, "%s%s%s", k ? stem : "file", ext ? "." : "", ext ? ext : "");
}

/* ---- step 0: ask for the form ---- */

static bool usable(const struct jv *v)
{
	return jv_is(v, JV_STR) && v->len <= MAX_FIELD && !memchr(v->s, '\0', v->len);
}

static bool one_line(const struct jv *v)
{
	for (size_t i = 0; i < v->len; i++)
		if ((unsigned char)v->s[i] < 0x20 || v->s[i] == 0x7f)
			return false;
	return true;
}

static bool web_address(const char *s)
{
	if (strncmp(s, "https://", 8) && strncmp(s, "http://", 7))
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

static const char *final_key(const struct jv *key, const char *file_name, struct arena *a)
{
	static const char hole[] = "${filename}";
	const char *s = arena_strndup(a, key->s, key->len), *at = strstr(s, hole);
	if (!at)
		return s;
	return arena_fmt(a, "%.*s%s%s", (int)(at - s), s, file_name, at + strlen(hole));
}

static void parse_form(const struct op *op, const struct http_resp *r, struct arena *a, struct outcome *out)
{
	const struct jv *doc = http_is_json(r) ? jv_parse(a, r->body, r->len, NULL) : NULL;
	if (jv_is(jv_get(doc, "data"), JV_OBJ)) /* the spec has no envelope here, and everywhere else it has */
		doc = jv_get(doc, "data");
	const struct jv *url = jv_get(doc, "direct_url"), *key = jv_get(doc, "key");
	if (!doc || !usable(url) || !usable(key) || !key->len || !one_line(key) || doc->n > MAX_FIELDS || !web_address(jv_str(url)))
		return; /* stays UNKNOWN: asking again is free */
	struct buf b;
	struct jw w;
	buf_init(&b, PACHCA_BODY_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kstr(&w, "url", jv_str(url));
	jw_kstr(&w, "key", final_key(key, pachca_key_name(op->name ? op->name : op->file->name, a), a));
	jw_key(&w, "fields");
	jw_arr(&w);
	jv_each(doc, f) {
		if (streq(f->key, "direct_url") || !usable(f))
			continue;
		jw_arr(&w);
		jw_str(&w, f->key);
		jw_strn(&w, f->s, f->len);
		jw_arr_end(&w);
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
	const char *carry = pachca_keep(&b, a, NULL);
	if (carry)
		*out = (struct outcome){ .v = V_MORE, .carry = carry, .retry_after_s = -1 };
}

/* ---- step 1: send form and file ---- */

/* RFC 7578 section 4.2 and the HTML standard: only these three are escaped, as %XX. */
static void quoted(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (*s == '"')
			buf_adds(b, "%22");
		else if (*s == '\r')
			buf_adds(b, "%0D");
		else if (*s == '\n')
			buf_adds(b, "%0A");
		else
			buf_addc(b, *s);
	}
}

/* The same for the same op and form. The form's signature is in it, which whoever made the file could not know: nobody can
 * have put the boundary into the file. */
static const char *boundary(const struct op *op, struct arena *a)
{
	uint64_t h[2];
	for (size_t i = 0; i < 2; i++) {
		h[i] = hash64(op->carry, strlen(op->carry), i + 1);
		h[i] = hash64(op->key.id ? op->key.id : "", op->key.id ? strlen(op->key.id) : 0, h[i]);
		int64_t num[4] = { op->key.conv, op->key.ts_us, (int64_t)op->key.kind, op->key.part };
		h[i] = hash64(num, sizeof(num), h[i]);
	}
	return arena_fmt(a, "mvchat-%016llx%016llx", (unsigned long long)h[0], (unsigned long long)h[1]);
}

static const char *mime_of(const struct file *f)
{
	const char *m = f->mime;
	if (!m || !*m || strlen(m) > 100 || !strchr(m, '/'))
		return "application/octet-stream";
	for (const char *c = m; *c; c++)
		if (!alnum(*c) && !strchr("/+-._", *c))
			return "application/octet-stream";
	return m;
}

static bool build_form(const struct op *op, struct arena *a, struct http_req *out, struct err *e)
{
	const struct jv *doc = op->carry ? jv_parse(a, op->carry, strlen(op->carry), e) : NULL;
	const char *url = jv_get_str(doc, "url"), *key = jv_get_str(doc, "key");
	if (!url || !key || !op->file)
		return err_set(e, ERR_INTERNAL, "pachca: the upload's first half left nothing to go on with");
	const char *line = boundary(op, a);
	struct buf b;
	buf_init(&b, PACHCA_BODY_MAX);
	const struct jv *fields = jv_get(doc, "fields");
	jv_each(fields, f) {
		if (!jv_is(f, JV_ARR) || f->n != 2)
			continue;
		buf_addf(&b, "--%s\r\nContent-Disposition: form-data; name=\"", line);
		quoted(&b, jv_str(f->first));
		buf_adds(&b, "\"\r\n\r\n");
		buf_adds(&b, jv_str(f->first->next));
		buf_adds(&b, "\r\n");
	}
	buf_addf(&b, "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"", line);
	quoted(&b, pachca_key_name(op->name ? op->name : op->file->name, a));
	buf_addf(&b, "\"\r\nContent-Type: %s\r\n\r\n", mime_of(op->file));
	out->path = url;
	out->auth = AUTH_NONE;
	out->rate = REQ_BLOB;
	out->content_type = arena_fmt(a, "multipart/form-data; boundary=%s", line);
	out->body = pachca_keep(&b, a, &out->body_len);
	out->stream = op->file;
	out->tail = arena_fmt(a, "\r\n--%s--\r\n", line);
	out->tail_len = strlen(out->tail);
	return out->body || err_set(e, ERR_RECORD, "pachca: the upload form is too large");
}

bool pachca_upload_build(const struct op *op, struct arena *a, struct http_req *out, struct err *e)
{
	if (op->step > 0)
		return build_form(op, a, out, e);
	out->path = "/uploads";
	out->carrier = CARRY_SAME;
	return true;
}

/* <Code>AccessDenied</Code> of the storage's XML, or "". */
static const char *storage_code(const struct http_resp *r, struct arena *a)
{
	const char *body = arena_strndup(a, r->len ? r->body : "", r->len < 4096 ? r->len : 4096);
	const char *p = strstr(body, "<Code>");
	size_t n = 0;
	while (p && n < 48 && alnum(p[6 + n]))
		n++;
	return n ? arena_strndup(a, p + 6, n) : "";
}

void pachca_upload_parse(const struct op *op, const struct http_resp *r, struct arena *a, struct outcome *out)
{
	if (!op->step) {
		parse_form(op, r, a, out);
		return;
	}
	const struct jv *doc = op->carry ? jv_parse(a, op->carry, strlen(op->carry), NULL) : NULL;
	const char *key = jv_get_str(doc, "key"), *code = storage_code(r, a);
	if (key && (r->status == 200 || r->status == 201 || r->status == 204)) {
		*out = (struct outcome){ .v = V_DONE, .id = key, .retry_after_s = -1 };
		return;
	}
	const char *body = arena_strndup(a, r->len ? r->body : "", r->len < 4096 ? r->len : 4096);
	out->v = http_verdict(r);
	out->why = *code ? arena_fmt(a, "storage: %s (%s)", code, http_words(r, a)) : arena_fmt(a, "storage: %s", http_words(r, a));
	if (out->v == V_THROTTLED)
		out->retry_after_s = r->retry_after_s;
	else if (out->v == V_DONE)
		out->v = V_UNKNOWN;
	else if (out->v == V_FATAL)
		out->v = V_UNKNOWN; /* the storage's 401 and 402 say nothing about Pachca, nor about the file: begin again with a new form */
	/* A form that has run out is not the file's fault: the op begins again with a new form. */
	if (out->v == V_REJECTED && (strstr(body, "xpired") || streq(code, "RequestTimeout")))
		out->v = V_UNKNOWN;
}
