/* pachca_error.c: the vendor's two error shapes, {"errors":[{key,value,message,code}]} and {"error","error_description"},
 * as one sentence and a few facts.
 *
 * A field's `value` may be a message's text, so it is never repeated; nor is a `message` that quotes it or what we sent, or a part of either.
 */
#include "exporters/pachca.h"

#include "core/utf8.h"
#include "exporters/http_verdict.h"

#include <string.h>

enum { MAX_ITEMS = 3, MAX_WORD = 48, MAX_SENTENCE = 200, QUOTED = 12 /* bytes */ };

bool pachca_is_id(const char *s)
{
	size_t n = s ? strspn(s, "0123456789") : 0;
	return n && n <= 18 && !s[n];
}

const char *pachca_id(const struct jv *v, struct arena *a)
{
	if ((!jv_is(v, JV_NUM) && !jv_is(v, JV_STR)) || v->len > 18)
		return NULL;
	const char *s = arena_strndup(a, v->s, v->len);
	if (!pachca_is_id(s))
		return NULL;
	while (s[0] == '0')
		s++;
	return *s ? s : NULL;
}

const char *pachca_keep(struct buf *b, struct arena *a, size_t *len)
{
	const char *p = NULL;
	if (!b->full) {
		p = arena_strndup(a, b->p, b->len);
		if (len)
			*len = b->len;
	}
	buf_release(b);
	return p;
}

/* Adds s on one line, without control characters, at most max bytes. */
static void say(struct buf *out, const char *s, size_t max)
{
	size_t n = strlen(s);
	if (n > max)
		n = utf8_cut(s, max);
	for (size_t i = 0; i < n; i++)
		buf_addc(out, (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? ' ' : s[i]);
	if (s[n])
		buf_adds(out, "\xe2\x80\xa6");
}

/* Does the sentence repeat the text, or so much of it that it tells something? */
static bool quotes(const char *message, const char *text)
{
	char part[QUOTED + 1];
	size_t n = strlen(message);
	if (!text || !*text)
		return false;
	if (strstr(message, text))
		return true;
	for (size_t i = 0; i + QUOTED <= n && i < MAX_SENTENCE; i++) {
		memcpy(part, message + i, QUOTED);
		part[QUOTED] = '\0';
		if (strstr(text, part))
			return true;
	}
	return false;
}

static bool one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (streq(s, *words))
			return true;
	return false;
}

static void read_item(const struct jv *it, const char *our_text, struct buf *why, struct pachca_error *out)
{
	static const char *const already[] = { "already_exists", "already_assigned", NULL };
	static const char *const scope[] = { "insufficient_scope", "invalid_scope", NULL };
	const char *code = jv_get_str(it, "code"), *key = jv_get_str(it, "key"), *msg = jv_get_str(it, "message");
	const char *value = jv_get_str(it, "value");
	if (!code)
		code = "error";
	size_t kn = key ? strlen(key) : 0;
	bool email = kn >= 5 && streq(key + kn - 5, "email"); /* "email" or "user.email" */
	if ((streq(code, "taken") || streq(code, "already_exists")) && email)
		out->email_taken = true;
	if (one_of(code, already) || (streq(code, "pin_failed") && msg && (strstr(msg, "already") || strstr(msg, "уже"))))
		out->already = true;
	if (one_of(code, scope))
		out->scope = true;
	if (streq(code, "not_found"))
		out->absent = true;
	if (strstr(code, "token_restricted"))
		out->restricted = true;
	if (streq(code, "rate_limit"))
		out->rate = true;
	if (streq(code, "payment_required"))
		out->payment = true;
	if (streq(code, "licenses_limit"))
		out->licenses = true;
	if (streq(code, "message_deleted"))
		out->deleted = true;
	if (why->len)
		buf_adds(why, "; ");
	say(why, code, MAX_WORD);
	if (msg && !quotes(msg, value) && !quotes(msg, our_text)) {
		buf_adds(why, ": ");
		say(why, msg, MAX_SENTENCE);
	}
	if (key) {
		buf_adds(why, " (");
		say(why, key, MAX_WORD);
		buf_addc(why, ')');
	}
}

void pachca_read_error(const struct http_resp *r, const char *our_text, struct arena *a, struct pachca_error *out)
{
	*out = (struct pachca_error){ .why = http_words(r, a) };
	const struct jv *doc = http_is_json(r) ? jv_parse(a, r->body, r->len, NULL) : NULL;
	struct buf why;
	buf_init(&why, 4096);
	const struct jv *errors = jv_get(doc, "errors");
	int n = 0;
	jv_each(errors, it)
		if (jv_is(it, JV_OBJ) && n++ < MAX_ITEMS)
			read_item(it, our_text, &why, out);
	if (n > MAX_ITEMS)
		buf_addf(&why, "; and %d more", n - MAX_ITEMS);
	const char *oauth = jv_get_str(doc, "error"), *text = jv_get_str(doc, "error_description");
	if (!n && oauth) {
		/* RFC 6750 3.1: insufficient_scope. Other words ("invalid_token") come with 401. */
		out->scope = strstr(oauth, "scope") != NULL;
		out->restricted = strstr(oauth, "restrict") != NULL; /* the vendor names no word for it; the sandbox says token_restricted */
		say(&why, oauth, MAX_WORD);
		if (text && !quotes(text, our_text)) {
			buf_adds(&why, ": ");
			say(&why, text, MAX_SENTENCE);
		}
	}
	const char *s = pachca_keep(&why, a, NULL);
	if (s && *s)
		out->why = s;
}
