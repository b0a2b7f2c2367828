/* HTTP statuses → verdicts, and the words for losses. */
#include "exporters/http_verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void statuses(void **state)
{
	(void)state;
	static const struct { int status, retry; enum verdict v; } rows[] = {
		{ 200, -1, V_DONE }, { 201, -1, V_DONE }, { 204, -1, V_DONE }, { 206, -1, V_DONE },
		{ 301, -1, V_REJECTED }, { 302, -1, V_REJECTED }, { 304, -1, V_REJECTED }, { 307, -1, V_REJECTED },
		{ 400, -1, V_REJECTED }, { 403, -1, V_REJECTED }, { 404, -1, V_REJECTED }, { 409, -1, V_REJECTED }, { 410, -1, V_REJECTED },
		{ 413, -1, V_REJECTED }, { 422, -1, V_REJECTED },
		{ 401, -1, V_FATAL }, { 402, -1, V_FATAL },
		{ 408, -1, V_UNKNOWN }, { 500, -1, V_UNKNOWN }, { 502, -1, V_UNKNOWN }, { 503, -1, V_UNKNOWN }, { 504, 3, V_UNKNOWN }, { 599, -1, V_UNKNOWN },
		{ 429, -1, V_THROTTLED }, { 429, 7, V_THROTTLED }, { 503, 0, V_THROTTLED }, { 503, 9, V_THROTTLED },
		{ 0, -1, V_UNKNOWN }, { 100, -1, V_UNKNOWN }, { 999, -1, V_UNKNOWN },
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct http_resp r = { .status = rows[i].status, .body = "", .content_type = "", .retry_after_s = rows[i].retry };
		if (http_verdict(&r) != rows[i].v)
			fail_msg("status %d: verdict %d, expected %d", rows[i].status, (int)http_verdict(&r), (int)rows[i].v);
	}
}

static void words(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a);
	struct http_resp r = { .status = 502, .body = "", .content_type = "" };
	assert_string_equal(http_words(&r, &a), "HTTP 502 Bad Gateway");
	r.status = 418;
	assert_string_equal(http_words(&r, &a), "HTTP 418");
	arena_release(&a);
}

static void json_or_not(void **state)
{
	(void)state;
	static const struct { const char *body; bool is; } rows[] = {
		{ "{}", true }, { " \r\n [1]", true }, { "<html>{}", false }, { "", false }, { "   ", false }, { "ok", false },
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct http_resp r = { .body = rows[i].body, .len = strlen(rows[i].body), .content_type = "" };
		assert_int_equal(http_is_json(&r), rows[i].is);
	}
}

static void escaping(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	http_escape(&b, "a+b@x.ru &=\xd1\x8f~-_");
	assert_string_equal(b.p, "a%2Bb%40x.ru%20%26%3D%D1%8F~-_");
	buf_release(&b);
}

static void losses(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < N_LOSS; i++) {
		assert_true(strlen(loss_name((enum loss)(1u << i))) > 2);
		assert_true(strlen(loss_sentence((enum loss)(1u << i))) > 20);
		for (uint32_t k = 0; k < i; k++)
			assert_string_not_equal(loss_name((enum loss)(1u << i)), loss_name((enum loss)(1u << k)));
	}
	assert_string_equal(loss_name(LOSS_AUTHOR), "author-as-label");
	assert_string_equal(loss_name(LOSS_PIN), "pin");
}

static void registry(void **state)
{
	(void)state;
	assert_ptr_equal(exporter_named("pachca"), &exporter_pachca);
	assert_null(exporter_named("pachc"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses), cmocka_unit_test(words), cmocka_unit_test(json_or_not),
		cmocka_unit_test(escaping), cmocka_unit_test(losses), cmocka_unit_test(registry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
