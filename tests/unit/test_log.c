/* Log lines: levels, forms, secrets, foreign text; read back from a pipe in stderr's place. */
#include "core/log.h"

#include "core/buf.h"
#include "core/clock.h"
#include "core/json.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int saved, ends[2];
static char line[1 << 17];

static void catch(void)
{
	assert_int_equal(pipe(ends), 0);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
}

static const char *caught(void)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	ssize_t n = read(ends[0], line, sizeof(line) - 1);
	close(ends[0]);
	line[n > 0 ? n : 0] = '\0';
	return line;
}

static void test_text(void **state)
{
	(void)state;
	log_init(LOG_INFO, LOG_TEXT);
	assert_true(log_enabled(LOG_WARN));
	assert_false(log_enabled(LOG_DEBUG));
	catch();
	log_debug("x", "not seen");
	assert_string_equal(caught(), "");
	catch();
	log_info("x", "hello %d", 7);
	assert_string_equal(caught(), "mvchat: hello 7\n");
	catch();
	log_warn("x", "a\n\x1b[31mb");
	assert_string_equal(caught(), "mvchat: warning: a\\n\\u{001B}[31mb\n");
	catch();
	log_error("x", "%s", "100%s");
	assert_string_equal(caught(), "mvchat: error: 100%s\n");
}

static void test_json(void **state)
{
	(void)state;
	setenv("MVCHAT_CLOCK", "virtual", 1);
	setenv("MVCHAT_CLOCK_START", "1710252309", 1);
	clock_init();
	log_init(LOG_DEBUG, LOG_JSON);
	catch();
	log_debug("op.done", "say \"%s\" \\ \xd0\xb6\n", "hi");
	assert_string_equal(caught(), "{\"t\":\"2024-03-12T14:05:09Z\",\"lvl\":\"debug\",\"ev\":\"op.done\",\"msg\":\"say \\\"hi\\\" \\\\ \xd0\xb6\\\\n\"}\n");
	struct arena a;
	arena_init(&a);
	assert_non_null(jv_parse(&a, line, strlen(line), NULL));
	/* However long and strange: one whole line. */
	char *s = xmalloc(100001);
	memset(s, '\x01', 100000);
	s[100000] = '\0';
	catch();
	log_debug("x", "%s", s);
	caught();
	assert_int_equal(strchr(line, '\n') - line, strlen(line) - 1);
	free(s);
	arena_release(&a);
}

static void test_secrets(void **state)
{
	(void)state;
	log_init(LOG_INFO, LOG_TEXT);
	log_secret("s3cret-token");
	log_secret("s3cret-token");
	log_secret("s3cret-token-longer");
	log_secret("abc"); /* too short to hide */
	log_secret("");
	log_secret(NULL);
	catch();
	log_info("x", "Bearer s3cret-token, s3cret-token-longer abc s3cret-toke s3cret-tokens3cret-token");
	assert_string_equal(caught(), "mvchat: Bearer ***, *** abc s3cret-toke ******\n");
	struct buf b;
	buf_init(&b, 100);
	log_redact("xs3cret-token", 12, &b); /* cut before its end: not there */
	assert_string_equal(b.p, "xs3cret-toke");
	buf_release(&b);
}

static int before, after;

static void count_before(void)
{
	before++;
}

static void count_after(void)
{
	after += before;
}

static void test_hooks(void **state)
{
	(void)state;
	log_init(LOG_INFO, LOG_TEXT);
	log_set_hooks(count_before, count_after);
	catch();
	log_info("x", "one");
	log_debug("x", "none");
	caught();
	log_set_hooks(NULL, NULL);
	assert_int_equal(before, 1);
	assert_int_equal(after, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_hooks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
