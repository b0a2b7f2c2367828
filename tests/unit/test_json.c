/* JSON: the writer, the tree, and the streaming reader over every way of cutting its input. */
#include "core/json.h"

#include "core/utf8.h"
#include "tests/conform/oracle.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- helpers ---- */

static void put_tree(const struct jv *v, struct jw *w)
{
	switch (v->type) {
	case JV_NULL:
		jw_null(w);
		break;
	case JV_BOOL:
		jw_bool(w, v->b);
		break;
	case JV_NUM: /* as written: the writer has no call for that, so a string stands for it */
		jw_strn(w, v->s, v->len);
		break;
	case JV_STR:
		jw_strn(w, v->s, v->len);
		break;
	case JV_ARR:
		jw_arr(w);
		jv_each(v, it)
			put_tree(it, w);
		jw_arr_end(w);
		break;
	case JV_OBJ:
		jw_obj(w);
		jv_each(v, it) {
			jw_key(w, it->key);
			put_tree(it, w);
		}
		jw_obj_end(w);
		break;
	}
}

struct source { const char *p; size_t n, step; bool fails; };

static ptrdiff_t read_source(void *ctx, char *dst, size_t n, struct err *e)
{
	struct source *s = ctx;
	size_t k = s->step && s->step < n ? s->step : n;
	if (k > s->n)
		k = s->n;
	if (!k && s->fails) {
		err_set(e, ERR_INTERNAL, "the disk is gone");
		return -1;
	}
	memcpy(dst, s->p, k);
	s->p += k;
	s->n -= k;
	return (ptrdiff_t)k;
}

struct seen { struct buf text; size_t n, stop_after; };

static bool see(void *ctx, const struct jv *v, size_t index, size_t line)
{
	struct seen *s = ctx;
	struct jw w;
	jw_init(&w, &s->text);
	buf_addf(&s->text, "%zu@%zu:", index, line);
	put_tree(v, &w);
	buf_addc(&s->text, '\n');
	return ++s->n != s->stop_after;
}

static bool see_bad(void *ctx, const struct err *e, size_t index, size_t line)
{
	struct seen *s = ctx;
	assert_int_equal(e->code, ERR_RECORD);
	buf_addf(&s->text, "%zu@%zu!%s\n", index, line, strstr(e->msg, "deeper") ? "deep" : "big");
	return ++s->n != s->stop_after;
}

struct want { size_t step, max_element; int max_depth; const char *const *skip; size_t stop_after; bool fails; };

/* What the reader delivers, as text, then "ok", "stopped" or the error's place. */
static char *stream(const char *s, size_t n, struct want want, size_t *replaced)
{
	struct arena a;
	struct seen seen = { .stop_after = want.stop_after };
	struct source src = { s, n, want.step, want.fails };
	struct err e = ERR_INIT;
	arena_init(&a);
	buf_init(&seen.text, 1 << 24);
	struct json_elements r = {
		.read = read_source, .read_ctx = &src, .skip_keys = want.skip, .max_element = want.max_element,
		.max_depth = want.max_depth, .step = &a, .each = see, .bad = see_bad, .ctx = &seen,
	};
	bool ok = json_elements(&r, &e);
	if (ok)
		buf_adds(&seen.text, r.stopped ? "stopped" : "ok");
	else
		buf_addf(&seen.text, "%s", *e.where ? e.where : e.msg);
	if (replaced)
		*replaced = r.n_replaced;
	arena_release(&a);
	return buf_detach(&seen.text);
}

static void assert_streams(const char *s, size_t n, struct want want, const char *expected)
{
	static const size_t steps[] = { 0, 1, 2, 3, 5, 7, 11, 13 };
	for (size_t i = 0; i < countof(steps); i++) {
		want.step = steps[i];
		char *got = stream(s, n, want, NULL);
		assert_string_equal(got, expected);
		free(got);
	}
}

/* A small file that is all there is read without yajl; in pieces it is not. Both tell the same, whatever is odd about it. */
static void test_small_files(void **state)
{
	static const char *const files[] = {
		"", " ", "[", "[]", " [ ] \n", "[ ]x", "[],", "[]]", "{}", "{\"a\":1}", "null", "[1]", "[{}]", "[{},{}]", "[{}{}]", "[{},]", "[,{}]", "[{}", "[{},", "[{}] []", "[{}],",
		"\xef\xbb\xbf[{}]", "[\n{\n},\n\n{\"a\":\"b\"}\n]\n", "[{\"a\":1},2,{\"b\":3}]", "[{\"a\":1},[{}],{\"b\":3}]", "[{\"a\":1},\"x\",{\"b\":3}]", "[{\"a\":1}\v,{\"b\":3}]",
		"[{\"skip\":1,\"b\":2}]", "[{\"skip\":{\"skip\":[1,{\"b\":[]}]},\"b\":2}]", "[{\"b\":{\"skip\":[],\"c\":{}},\"skip\":null}]", "[{\"skip\":{}}]", "[{\"skip\":[]},{\"a\":[]}]",
		"[{\"skip\":[1,}],\"b\":2}]", "[{\"skip\":01}]", "[{\"skip\":\"\\ud800\"},{\"a\":\"\\ud83d\\ude00\"}]", "[{\"s\\u006bip\":1}]", "[{\"a\\u0000\":1}]", "[{\"a\":\"\\u0000\"}]", "[{\"skip\":\"\xff\"},{\"b\":1}]",
		"[{\"a\":\"\xff\"},{\"b\":1}]", "[{\"a\":[]}]", "[{\"a\":[[]]}]", "[{\"a\":[{}]}]", "[{\"a\":[[1]]}]", "[{\"a\":[[[]]]},{\"b\":1}]", "[{\"skip\":[[[[[]]]]]},{\"b\":1}]", "[{\"a\":1,\"a\":2}]", "[{\"\":1}]",
		"[{\"a\":tru}]", "[{\"a\":true,\"b\":false,\"c\":null,\"d\":-1.5e3}]", "[{\"a\" :1 , \"b\": [ 1 , 2 ] }]", "[{\"a\":1 \"b\":2}]", "[{\"a\"}]", "[{a:1}]", "[{\"a\":1}]\"", "[{\"a\":1}\n\n}",
	};
	static const char *const skip[] = { "skip", NULL };
	(void)state;
	for (size_t i = 0; i < countof(files); i++)
		for (int depth = 0; depth < 5; depth++)
			for (size_t stop = 0; stop < 3; stop++)
				for (int fails = 0; fails < 2; fails++) {
					const size_t n = strlen(files[i]);
					size_t lone, lone_whole;
					struct want want = { .step = 1, .max_depth = depth, .skip = skip, .stop_after = stop, .fails = fails };
					char *pieces = stream(files[i], n, want, &lone);
					want.step = 0;
					char *whole = stream(files[i], n, want, &lone_whole);
					assert_string_equal(whole, pieces);
					if (!stop)
						assert_int_equal(lone_whole, lone);
					free(pieces);
					free(whole);
				}
}

/* ---- writer ---- */

static void test_writer(void **state)
{
	(void)state;
	struct buf b;
	struct jw w;
	buf_init(&b, 1000);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kstr(&w, "s", "a\"b\\c\n\t\r\b\f\x01\x7f\xd0\xb6/");
	jw_kstr(&w, "absent", NULL);
	jw_key(&w, "n\n");
	jw_str(&w, NULL);
	jw_kint(&w, "min", INT64_MIN);
	jw_kint(&w, "max", INT64_MAX);
	jw_kint(&w, "zero", 0);
	jw_kbool(&w, "t", true);
	jw_key(&w, "a");
	jw_arr(&w);
	jw_arr(&w), jw_arr_end(&w);
	jw_obj(&w), jw_obj_end(&w);
	jw_int(&w, -7);
	jw_strn(&w, "a\0b", 3);
	jw_strn(&w, "", 0);
	jw_arr_end(&w);
	jw_kbool(&w, "f", false);
	jw_obj_end(&w);
	assert_string_equal(b.p, "{\"s\":\"a\\\"b\\\\c\\n\\t\\r\\b\\f\\u0001\x7f\xd0\xb6/\",\"n\\n\":null,\"min\":-9223372036854775808,"
		"\"max\":9223372036854775807,\"zero\":0,\"t\":true,\"a\":[[],{},-7,\"a\\u0000b\",\"\"],\"f\":false}");
	assert_false(b.full);
	buf_release(&b);
	buf_init(&b, 5);
	jw_init(&w, &b);
	jw_str(&w, "123456");
	assert_true(b.full);
	buf_release(&b);
}

/* Strings of every length with something to escape at every place, into buffers that hold all, some or nothing of it. */
static void test_writer_lengths(void **state)
{
	static const struct { char c; const char *shown; } odd[] = { { 'x', "x" }, { '"', "\\\"" }, { '\\', "\\\\" }, { '\n', "\\n" }, { '\x1f', "\\u001f" }, { '\0', "\\u0000" }, { '\x7f', "\x7f" }, { '\xd0', "\xd0" } };
	(void)state;
	for (size_t n = 1; n < 70; n++)
		for (size_t at = 0; at < n; at++)
			for (size_t o = 0; o < countof(odd); o++) {
				char *s = malloc(n), want[200], key[80];
				struct buf b;
				struct jw w;
				memset(s, 'a', n);
				s[at] = odd[o].c;
				if (at + 20 < n)
					s[at + 20] = odd[o].c;
				memcpy(key, s, n);
				key[n] = '\0';
				size_t k = 0;
				want[k++] = ',', want[k++] = '"';
				for (size_t i = 0; i < n; i++)
					k += (size_t)sprintf(want + k, "%s", s[i] == 'a' ? "a" : odd[o].shown);
				want[k++] = '"', want[k++] = ':';
				for (size_t max = k; max + 12 > k && max; max--) {
					buf_init(&b, max);
					w = (struct jw){ .out = &b, .comma = true };
					if (odd[o].c)
						jw_key(&w, key);
					else
						jw_strn(&w, s, n), buf_addc(&b, ':');
					assert_int_equal(b.full, max < k);
					assert_true(b.len <= max && b.len + 6 >= max);
					if (max == k)
						assert_memory_equal(b.p, want, k);
					buf_release(&b);
				}
				free(s);
			}
	for (int shift = 0; shift < 64; shift++)
		for (int less = -11; less < 12; less++)
			for (int sign = -1; sign < 2; sign += 2) {
				const int64_t v = sign * ((INT64_MAX >> shift) / 10 * 10 + less % (shift ? 12 : 8));
				char want[32];
				struct buf b;
				struct jw w;
				buf_init(&b, 100);
				jw_init(&w, &b);
				jw_int(&w, v);
				snprintf(want, sizeof(want), "%lld", (long long)v);
				assert_string_equal(b.p, want);
				buf_release(&b);
			}
}

/* ---- getters ---- */

static void test_getters(void **state)
{
	(void)state;
	struct arena a;
	struct err e = ERR_INIT;
	arena_init(&a);
	static const char doc[] = "{\"a\":{\"b\":{\"c\":\"deep\"}},\"k\":1,\"k\":2,\"e\":\"\",\"t\":true,\"f\":false,\"n\":null,\"s\":\"x\",\"l\":[1,2,3],\"\":0}";
	const struct jv *v = jv_parse(&a, doc, strlen(doc), &e);
	assert_non_null(v);
	assert_string_equal(jv_str(jv_at(v, "a.b.c")), "deep");
	assert_null(jv_at(v, "a.b.c.d"));
	assert_null(jv_at(v, "a.x.c"));
	assert_null(jv_at(NULL, "a"));
	assert_int_equal(jv_get_int(v, "k", -1), 2); /* the last of several */
	assert_int_equal(jv_get_int(v, "", -1), 0);
	assert_null(jv_get(v, "a.b"));
	assert_null(jv_get(jv_get(v, "l"), "a"));
	assert_null(jv_get(NULL, "a"));
	assert_null(jv_get_str(v, "e"));
	assert_string_equal(jv_str(jv_get(v, "e")), "");
	assert_null(jv_get_str(v, "k"));
	assert_null(jv_str(NULL));
	assert_true(jv_get_bool(v, "t"));
	assert_false(jv_get_bool(v, "f"));
	assert_false(jv_get_bool(v, "k"));
	assert_false(jv_get_bool(v, "none"));
	assert_true(jv_is(jv_get(v, "n"), JV_NULL));
	assert_false(jv_is(NULL, JV_NULL));
	assert_int_equal(jv_get(v, "l")->n, 3);
	int64_t sum = 0;
	jv_each(jv_get(v, "l"), it)
		sum += jv_int(it, 0);
	assert_int_equal(sum, 6);
	jv_each(jv_get(v, "s"), it)
		fail();
	jv_each(jv_get(v, "none"), it)
		fail();
	arena_release(&a);
}

static void test_numbers(void **state)
{
	(void)state;
	static const struct { const char *text; int64_t value; } cases[] = {
		{ "0", 0 }, { "-0", 0 }, { "1", 1 }, { "-5", -5 }, { "9223372036854775807", INT64_MAX },
		{ "9223372036854775808", INT64_MAX }, { "-9223372036854775808", INT64_MIN }, { "-9223372036854775809", INT64_MIN },
		{ "99999999999999999999999999", INT64_MAX }, { "1.9", 1 }, { "-1.9", -1 }, { "1.9e3", 1900 }, { "12345e-2", 123 },
		{ "1e18", 1000000000000000000 }, { "1e19", INT64_MAX }, { "1e999999999999999", INT64_MAX }, { "-1e400", INT64_MIN },
		{ "1e-999999999999999", 0 }, { "0e99999", 0 }, { "0.00001e5", 1 }, { "\"12\"", 12 }, { "\"1500000000.123456\"", 1500000000 },
		{ "\"\"", -77 }, { "\"x\"", -77 }, { "\"1x\"", -77 }, { "\"1.\"", -77 }, { "\".5\"", -77 }, { "\"-\"", -77 }, { "\"1e\"", -77 },
		{ "\" 1\"", -77 }, { "\"+1\"", -77 }, { "true", -77 }, { "null", -77 }, { "[1]", -77 },
	};
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; i < countof(cases); i++) {
		const struct jv *v = jv_parse(&a, cases[i].text, strlen(cases[i].text), NULL);
		assert_non_null(v);
		if (jv_int(v, -77) != cases[i].value)
			fail_msg("%s gives %lld", cases[i].text, (long long)jv_int(v, -77));
		if (v->type == JV_NUM)
			assert_string_equal(v->s, cases[i].text); /* as written */
	}
	assert_int_equal(jv_int(NULL, 3), 3);
	arena_release(&a);
}

/* ---- jv_parse ---- */

static void test_broken(void **state)
{
	(void)state;
	static const struct { const char *text, *where; } cases[] = {
		{ "", "1:1" }, { " \n ", "2:2" }, { "{", "1:2" }, { "[1,]", NULL }, { "{\"a\":1,}", NULL }, { "{\"a\" 1}", NULL },
		{ "{\"a\":1,\n \"b\" 2}", "2:7" }, { "nul", NULL }, { "[1] 2", NULL }, { "'a'", NULL }, { "\"\x01\"", NULL },
		{ "\"\\x\"", NULL }, { "\"\\u12g4\"", NULL }, { "\"abc", NULL }, { "01", NULL }, { "-", NULL }, { "1.", NULL }, { "1e", NULL },
		{ "[1}", NULL }, { "\\ud800", NULL }, { "\xff", NULL }, { "/* c */ 1", NULL }, { "NaN", NULL }, { "[1]\"", "1:4" }, { "\"a\"\n \"", "2:2" }, { "1 \"x", "1:3" },
	};
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; i < countof(cases); i++) {
		struct err e = ERR_INIT;
		if (jv_parse(&a, cases[i].text, strlen(cases[i].text), &e))
			fail_msg("accepted: %s", cases[i].text);
		assert_int_equal(e.code, ERR_RECORD);
		assert_non_null(strstr(e.msg, "broken JSON: "));
		assert_null(strchr(e.msg, '\n'));
		if (cases[i].where)
			assert_string_equal(e.where, cases[i].where);
		assert_non_null(strchr(e.where, ':'));
	}
	arena_release(&a);
}

static void test_depth(void **state)
{
	(void)state;
	struct arena a;
	struct err e = ERR_INIT;
	char s[300];
	arena_init(&a);
	for (size_t depth = 127; depth < 130; depth++) {
		memset(s, '[', depth);
		memset(s + depth, ']', depth);
		assert_int_equal(jv_parse(&a, s, 2 * depth, &e) != NULL, depth <= 128);
	}
	assert_non_null(strstr(e.msg, "deeper"));
	arena_release(&a);
}

/* ---- strings at the border ---- */

static const struct { const char *in; size_t n; const char *out; size_t replaced; } strings[] = {
#define S(in, out, replaced) { in, sizeof(in) - 1, out, replaced }
	S("\\ud83d\\ude00", "\xf0\x9f\x98\x80", 0),
	S("\\ud83d", "\xef\xbf\xbd", 1),
	S("\\ude00", "\xef\xbf\xbd", 1),
	S("\\ude00\\ud83d", "\xef\xbf\xbd\xef\xbf\xbd", 2),
	S("\\ud83d\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80", 1),
	S("\\ud83dx", "\xef\xbf\xbdx", 1),
	S("\\ud83d\\u0041", "\xef\xbf\xbd" "A", 1),
	S("\\ud83d\\n", "\xef\xbf\xbd\\n", 1),
	S("\\\\ud83d", "\\\\ud83d", 0),
	S("\\\\\\ud83d", "\\\\\xef\xbf\xbd", 1),
	S("\\uD83D\\uDE00\\uDBFF\\uDFFF", "\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf", 0),
	S("\\u0416\\u20ac", "\xd0\x96\xe2\x82\xac", 0),
	S("a\\u0000b", "a\\u0000b", 0),
	S("\\/\\\"", "/\\\"", 0),
	S("\xd0\x96\xe2\x82\xac\xf0\x9f\x98\x80", "\xd0\x96\xe2\x82\xac\xf0\x9f\x98\x80", 0),
	S("a\xff" "b", "a\xef\xbf\xbd" "b", 0),
	S("\xd0", "\xef\xbf\xbd", 0),
	S("\xf0\x9f\x98", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 0),
	S("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 0),
	S("\xc0\x80\\n", "\xef\xbf\xbd\xef\xbf\xbd\\n", 0),
	S("\\\xff", NULL, 0),
#undef S
};

static void test_strings(void **state)
{
	(void)state;
	static const size_t steps[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 };
	for (size_t i = 0; i < countof(strings); i++) {
		struct buf in, expected;
		buf_init(&in, 1000);
		buf_init(&expected, 1000);
		buf_adds(&in, "[\"");
		buf_add(&in, strings[i].in, strings[i].n);
		buf_adds(&in, "\"]");
		if (strings[i].out)
			buf_addf(&expected, "0@1:\"%s\"\nok", strings[i].out);
		else
			buf_adds(&expected, "line 1");
		for (size_t k = 0; k < countof(steps); k++) {
			size_t replaced;
			char *got = stream(in.p, in.len, (struct want){ .step = steps[k] }, &replaced);
			assert_string_equal(got, expected.p);
			assert_int_equal(replaced, strings[i].replaced);
			free(got);
		}
		/* The same from a whole document. */
		struct arena a;
		arena_init(&a);
		const struct jv *v = jv_parse(&a, in.p, in.len, NULL);
		assert_int_equal(v != NULL, strings[i].out != NULL);
		if (v) {
			struct jw w;
			buf_reset(&expected);
			buf_addf(&expected, "[\"%s\"]", strings[i].out);
			buf_reset(&in);
			jw_init(&w, &in);
			put_tree(v, &w);
			assert_string_equal(in.p, expected.p);
			assert_true(utf8_valid(v->first->s, v->first->len));
			assert_int_equal(v->first->s[v->first->len], '\0');
		}
		arena_release(&a);
		buf_release(&in);
		buf_release(&expected);
	}
}

/* ---- elements ---- */

#define STREAMS(in, limits, out) assert_streams(in, sizeof(in) - 1, (struct want)limits, out)
#define W(...) { __VA_ARGS__ }

static void test_elements(void **state)
{
	(void)state;
	STREAMS("[]", W(.step = 0), "ok");
	STREAMS(" [ ] ", W(.step = 0), "ok");
	STREAMS("[1,\n{\"a\":[true,null]},\n\n \"q\"]\n", W(.step = 0), "0@1:\"1\"\n1@2:{\"a\":[true,null]}\n2@4:\"q\"\nok");
	STREAMS("\xef\xbb\xbf[1]", W(.step = 0), "0@1:\"1\"\nok");
	STREAMS("\xef\xbb\xbf\xef\xbb\xbf[1]", W(.step = 0), "line 1");
	STREAMS("{\"a\":\n{\"b\":[[]]}}", W(.step = 0), "0@1:{\"a\":{\"b\":[[]]}}\nok");
	STREAMS("\n[[1],[[2]],[]]", W(.step = 0), "0@2:[\"1\"]\n1@2:[[\"2\"]]\n2@2:[]\nok");
	STREAMS("", W(.step = 0), "line 1");
	STREAMS("\n\n", W(.step = 0), "line 3");
	STREAMS("[{\"a\":1},\n{\"a\":2},\n{\"a\":", W(.step = 0), "0@1:{\"a\":\"1\"}\n1@2:{\"a\":\"2\"}\nline 3");
	STREAMS("[1,\n2,\n}", W(.step = 0), "0@1:\"1\"\n1@2:\"2\"\nline 3");
	STREAMS("[1]\n[2]", W(.step = 0), "0@1:\"1\"\nline 2");
	STREAMS("[1]\n\"", W(.step = 0), "0@1:\"1\"\nline 2");
	STREAMS("{}\n\n\"x", W(.step = 0), "0@1:{}\nline 3");
	STREAMS("[1,2,3,4]", W(.stop_after = 2), "0@1:\"1\"\n1@1:\"2\"\nstopped");
	STREAMS("[1,2", W(.fails = true), "0@1:\"1\"\nthe disk is gone");
	STREAMS("{\"a\":1}", W(.stop_after = 1), "0@1:{\"a\":\"1\"}\nstopped");
}

static void test_skip(void **state)
{
	(void)state;
	static const char *const skip[] = { "blocks", "user_profile", NULL };
	STREAMS("[{\"blocks\":[{\"blocks\":1}],\"k\":{\"blocks\":2,\"x\":\"y\",\"user_profile\":\"z\"},\"blocks\":null,\"block\":1}]",
		W(.skip = skip), "0@1:{\"k\":{\"x\":\"y\"},\"block\":\"1\"}\nok");
	STREAMS("[{\"user_profile\":{\"a\":{\"b\":[]}}},{\"k\":\"blocks\"},[\"blocks\",1]]", W(.skip = skip),
		"0@1:{}\n1@1:{\"k\":\"blocks\"}\n2@1:[\"blocks\",\"1\"]\nok");
	/* What is skipped may be as deep as it likes. */
	STREAMS("[{\"blocks\":[[[[[[]]]]]],\"k\":[]}]", W(.skip = skip, .max_depth = 2), "0@1:{\"k\":[]}\nok");
}

static void test_bad_elements(void **state)
{
	(void)state;
	STREAMS("[[[1]],\n[[[2]]],\n3]", W(.max_depth = 2), "0@1:[[\"1\"]]\n1@2!deep\n2@3:\"3\"\nok");
	STREAMS("[{\"k\":\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\"},{\"k\":1}]",
		W(.max_element = 200), "0@1!big\n1@1:{\"k\":\"1\"}\nok");
	STREAMS("[[1,2,3,4,5,6,7,8,9],[1]]", W(.max_element = 300), "0@1!big\n1@1:[\"1\"]\nok");
	STREAMS("[[[[]]],1]", W(.max_depth = 1, .stop_after = 1), "0@1!deep\nstopped");
}

/* A string longer than an element may be is not collected; the file is read on behind it. */
static void test_huge_string(void **state)
{
	(void)state;
	enum { LONG = 1000 * 1000 };
	static const char *const skip[] = { "blocks", NULL };
	static const struct { const char *before, *after, *expected; } cases[] = {
		{ "[1,\"", "\",\n2]", "0@1:\"1\"\n1@1!big\n2@2:\"2\"\nok" },
		{ "[{\"k\":\"", "\\\"\"},\n2]", "0@1!big\n1@2:\"2\"\nok" },
		{ "[{\"", "\":1},\n2]", "0@1!big\n1@2:\"2\"\nok" },
		{ "[{\"blocks\":\"", "\",\"x\":1},\n2]", "0@1:{\"x\":\"1\"}\n1@2:\"2\"\nok" },
		{ "[{\"blocks\":{\"x\":[\"", "\"]},\"x\":1},\n2]", "0@1:{\"x\":\"1\"}\n1@2:\"2\"\nok" },
		{ "[1,\"", "", "0@1:\"1\"\nline 1" },
	};
	for (size_t i = 0; i < countof(cases); i++) {
		struct buf b;
		buf_init(&b, 2 * LONG);
		buf_adds(&b, cases[i].before);
		for (size_t k = 0; k < LONG / 10; k++)
			buf_adds(&b, k % 3 ? "0123456789" : "\\\\\\\"\xd0\xb6\xd0\xb6\\n");
		buf_adds(&b, cases[i].after);
		for (size_t step = 0; step < 3; step++) {
			char *got = stream(b.p, b.len, (struct want){ .step = step * 997, .max_element = 100000, .skip = skip }, NULL);
			assert_string_equal(got, cases[i].expected);
			free(got);
		}
		buf_release(&b);
	}
}

static void test_endless(void **state)
{
	(void)state;
	enum { LONG = 3 * 1000 * 1000 };
	static const struct { const char *before; char fill; const char *expected; } cases[] = {
		{ "[1,", '7', "0@1:\"1\"\nline 1" },  /* a number without end is not collected either */
		{ "", '[', "line 1" },
		{ "[1, ", ' ', "0@1:\"1\"\nline 1" },
	};
	for (size_t i = 0; i < countof(cases); i++) {
		struct buf b;
		static char fill[LONG];
		memset(fill, cases[i].fill, sizeof(fill));
		buf_init(&b, 2 * LONG);
		buf_adds(&b, cases[i].before);
		buf_add(&b, fill, sizeof(fill));
		char *got = stream(b.p, b.len, (struct want){ .step = 0 }, NULL);
		assert_string_equal(got, cases[i].expected);
		free(got);
		buf_release(&b);
	}
}

static void test_many(void **state)
{
	(void)state;
	/* Elements, escapes and characters across the reader's own chunk border, at every offset around it. */
	for (size_t pad = 64 * 1024 - 40; pad < 64 * 1024 + 8; pad++) {
		struct buf b;
		char expected[200];
		buf_init(&b, 1 << 20);
		buf_addc(&b, '[');
		for (size_t i = 1; i < pad; i++)
			buf_addc(&b, i % 100 ? ' ' : '\n');
		buf_adds(&b, "{\"k\":\"\\ud83d\\ude00\xf0\x9f\x98\x80\\ud83d\",\"n\":-12.5e3},true]");
		char *got = stream(b.p, b.len, (struct want){ .step = 0 }, NULL);
		const size_t line = (pad - 1) / 100 + 1;
		snprintf(expected, sizeof(expected), "0@%zu:{\"k\":\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xef\xbf\xbd\",\"n\":\"-12.5e3\"}\n1@%zu:true\nok", line, line);
		assert_string_equal(got, expected);
		free(got);
		buf_release(&b);
	}
}

static void test_keys_with_nul(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a);
	static const char doc[] = "{\"a\\u0000b\":1,\"a\":2}";
	const struct jv *v = jv_parse(&a, doc, strlen(doc), NULL);
	assert_int_equal(jv_get_int(v, "a", 0), 2);
	assert_int_equal(jv_get_int(v, "a\xef\xbf\xbd" "b", 0), 1);
	arena_release(&a);
}

/* ---- jansson as the oracle ---- */

static size_t compared;

static void oracle_text(const char *s, size_t n, const char *name)
{
	struct err e = ERR_INIT;
	struct arena a;
	json_error_t je;
	arena_init(&a);
	json_t *theirs = json_loadb(s, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &je);
	const struct jv *ours = jv_parse(&a, s, n, &e);
	if (theirs) {
		if (!ours)
			fail_msg("%s: %s", name, e.msg);
		oracle_same(ours, theirs);
		compared++;
	}
	json_decref(theirs);
	arena_release(&a);
}

static void oracle_folder(const char *dir, int depth)
{
	DIR *d = opendir(dir);
	assert_non_null(d);
	for (struct dirent *en; (en = readdir(d));) {
		char path[1024];
		const size_t n = strlen(en->d_name);
		if (en->d_name[0] == '.' || snprintf(path, sizeof(path), "%s/%s", dir, en->d_name) >= (int)sizeof(path))
			continue;
		DIR *sub = depth < 6 ? opendir(path) : NULL;
		if (sub) {
			closedir(sub);
			oracle_folder(path, depth + 1);
			continue;
		}
		if (n < 5 || strcmp(en->d_name + n - 5, ".json") != 0)
			continue;
		FILE *f = fopen(path, "rb");
		assert_non_null(f);
		struct buf b;
		char chunk[4096];
		size_t got;
		buf_init(&b, 64 << 20);
		while ((got = fread(chunk, 1, sizeof(chunk), f)) > 0)
			buf_add(&b, chunk, got);
		fclose(f);
		oracle_text(b.p ? b.p : "", b.len, path);
		buf_release(&b);
	}
	closedir(d);
}

/* Every export in the tree, and what exports are known to hold that parsers disagree about. */
static void test_oracle(void **state)
{
	static const char *const odd[] = {
		"{\"a\":1,\"a\":2,\"a\":{\"b\":3,\"b\":4}}", "[9223372036854775807,-9223372036854775808]", "[1e308,-1.5E-300,0.1,123456789012345678.5]",
		"[1700000000.000100,0,-0.0,1e0]", "\"\\ud83d\\ude00\"", "[\"\\u0000x\",\"\\/\\\\\"]", "[\"\",{\"\":[]}]", "[[[[[[[[]]]]]]]]", " 1 ", "null",
		"\"\xf0\x9f\x98\x80\"",
	};
	static const char *const broken[] = { /* no JSON for either */
		"[1,]", "{\"a\":}", "[01]", "[1.]", "[.5]", "[+1]", "[NaN]", "{'a':1}", "[\"\x01\"]", "[\"\\x\"]", "[1 2]", "", "[", "nul", "[1]]",
	};
	struct err e = ERR_INIT;
	struct arena a;
	(void)state;
	arena_init(&a);
	compared = 0;
	for (size_t i = 0; i < countof(odd); i++)
		oracle_text(odd[i], strlen(odd[i]), odd[i]);
	assert_int_equal(compared, countof(odd));
	for (size_t i = 0; i < countof(broken); i++) {
		json_error_t je;
		json_t *theirs = json_loadb(broken[i], strlen(broken[i]), JSON_DECODE_ANY | JSON_ALLOW_NUL, &je);
		assert_null(theirs);
		if (jv_parse(&a, broken[i], strlen(broken[i]), &e))
			fail_msg("taken for JSON: %s", broken[i]);
	}
	/* Ours alone, by decision: half a surrogate pair becomes U+FFFD, a number beyond 64 bits keeps its digits. */
	const struct jv *half = jv_parse(&a, "\"a\\ud83d\"", 9, &e), *huge = jv_parse(&a, "123456789012345678901234567890", 30, &e);
	assert_string_equal(jv_str(half), "a\xef\xbf\xbd");
	assert_int_equal(huge->len, 30);
	assert_true(jv_int(huge, 0) == INT64_MAX);
	oracle_folder("fixtures/slack", 0);
	assert_true(compared > 150);
	arena_release(&a);
}

/* ---- two readers, one tree ---- */

static uint32_t dice(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % n;
}

static void put_some(struct buf *b, uint32_t *seed, int depth)
{
	static const char *const texts[] = { "", "plain", "\\n\\t\\\"", "\\u0416\\ud83d\\ude00", "\xd0\x96 \xe2\x82\xac", "\\u0000", "\\/\\b\\f\\r", "a longer one of words",
	                                      "\\ud83d", "\\ude00x" };
	static const char *const plain[] = { "0", "-1", "12.50", "1e9", "-0.1E-7", "true", "false", "null", "123456789012345678901" };
	static const char *const space[] = { "", "", "", " ", "\n", "\t\r\n " };
	uint32_t kind = depth ? dice(seed, depth > 5 ? 3 : 6) : 5;
	buf_adds(b, depth ? space[dice(seed, countof(space))] : "");
	if (kind < 2) {
		buf_addf(b, "\"%s\"", texts[dice(seed, countof(texts))]);
	} else if (kind == 2) {
		buf_adds(b, plain[dice(seed, countof(plain))]);
	} else {
		bool obj = kind > 3;
		buf_addc(b, obj ? '{' : '[');
		for (uint32_t i = 0, n = dice(seed, 5); i < n; i++) {
			buf_adds(b, i ? "," : "");
			buf_adds(b, space[dice(seed, countof(space))]);
			if (obj)
				buf_addf(b, "\"%s\"%s:", texts[dice(seed, countof(texts))], space[dice(seed, countof(space))]);
			put_some(b, seed, depth + 1);
		}
		buf_adds(b, space[dice(seed, countof(space))]);
		buf_addc(b, obj ? '}' : ']');
	}
	buf_adds(b, space[dice(seed, countof(space))]);
}

/* A whole document and a stream of one element are read by different code: the same tree, or broken for both. */
static void test_two_readers(void **state)
{
	(void)state;
	static const char bytes[] = "{}[]\",:\\u0dD8 e-+.\t\x01\x0b\xff\xd0tn";
	size_t good = 0, bad = 0;
	uint32_t seed = 7;
	for (int round = 0; round < 20000; round++) {
		struct buf doc, expected;
		struct arena a;
		struct err e = ERR_INIT;
		arena_init(&a);
		buf_init(&doc, 1 << 20);
		buf_init(&expected, 1 << 24);
		put_some(&doc, &seed, 0);
		for (uint32_t hits = dice(&seed, 3); hits && doc.len > 1; hits--)
			doc.p[1 + dice(&seed, (uint32_t)doc.len - 1)] = bytes[dice(&seed, sizeof(bytes) - 1)];
		const struct jv *v = jv_parse(&a, doc.p, doc.len, &e);
		char *got = stream(doc.p, doc.len, (struct want){ 0 }, NULL);
		size_t n = strlen(got);
		bool ok = n > 3 && streq(got + n - 3, "\nok");
		if (ok != (v != NULL))
			fail_msg("one reader takes it, one does not (%s): %s", e.msg, doc.p);
		if (v) {
			struct jw w;
			buf_adds(&expected, "0@1:");
			jw_init(&w, &expected);
			put_tree(v, &w);
			buf_adds(&expected, "\nok");
			assert_string_equal(got, expected.p);
			good++;
		} else {
			bad++;
		}
		free(got);
		buf_release(&doc);
		buf_release(&expected);
		arena_release(&a);
	}
	assert_true(good > 3000 && bad > 3000);
}

/* Millions of values of next to no bytes: the tree has a bound, whichever way the text is read. */
static void test_a_tree_has_a_bound(void **state)
{
	(void)state;
	enum { N = 4 * 1000 * 1000, MAX = 128 << 20 };
	static const char *const ends[] = { "1]", "\"\\ud800\"]" /* a lone surrogate: not an ordinary document */ };
	char *text = malloc(3 * N + 64);
	for (size_t i = 0; i < 2; i++) {
		struct arena a;
		struct err e = ERR_INIT;
		arena_init(&a);
		char *p = text;
		*p++ = '[';
		for (int k = 0; k < N; k++, p += 3)
			memcpy(p, "{},", 3);
		strcpy(p, ends[i]);
		assert_null(jv_parse(&a, text, strlen(text), &e));
		assert_non_null(strstr(e.msg, "a document of more than"));
		assert_true(a.used < MAX + (1 << 20));
		arena_reset(&a);
		assert_non_null(jv_parse(&a, "[{},1]", 6, &e)); /* an arena that is in use has as much room again */
		arena_release(&a);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_files),
		cmocka_unit_test(test_writer),
		cmocka_unit_test(test_writer_lengths),
		cmocka_unit_test(test_getters),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_skip),
		cmocka_unit_test(test_bad_elements),
		cmocka_unit_test(test_huge_string),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_keys_with_nul),
		cmocka_unit_test(test_oracle),
		cmocka_unit_test(test_two_readers),
		cmocka_unit_test(test_a_tree_has_a_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
