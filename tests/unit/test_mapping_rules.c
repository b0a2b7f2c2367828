/* Replacing, redacting and leaving out: patterns with limits, secrets across spans, rules in order, errors with places. */
#include "mapping/mapping.h"

#include "mapping/mapping_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mapping_page.h"

static void test_errors(void **state)
{
	(void)state;
	static const struct { const char *text, *where, *msg; } t[] = {
		{ "version: 1\ntext:\n  - match: 'a(b'\n    replace: x\n", "mvchat.yaml:3:13", "'text[0].match' is not a pattern: missing closing parenthesis, after 3 bytes" },
		{ "version: 1\ntext:\n  - match: 'a'\n", "mvchat.yaml:3:5", "'text[0]' has no 'replace'" },
		{ "version: 1\ntext:\n  - replace: 'a'\n", "mvchat.yaml:3:5", "'text[0]' has no 'match'" },
		{ "version: 1\ntext:\n  - match: 'a(b)'\n    replace: '{2}'\n", "mvchat.yaml:3:5", "'text[0].replace' uses {2}, but the pattern has 1 groups" },
		{ "version: 1\ntext:\n  - match: a\n    repalce: b\n", "mvchat.yaml:4:5", "unknown key 'text[].repalce'" },
		{ "version: 1\ntext: {match: a}\n", "mvchat.yaml:2:1", "'text' must be a list of sections, not a section" },
		{ "version: 1\nredact: [secrets, card]\n", "mvchat.yaml:2:19", "'redact': 'card' is not one of card-numbers, passwords, secrets, phones" },
		{ "version: 1\nrules:\n  - where: {author: x}\n    do: drop\n", "mvchat.yaml:3:5", "'rules[0]' has no 'name'" },
		{ "version: 1\nrules:\n  - name: a\n    where: {author: x}\n", "mvchat.yaml:3:5", "'rules[0]' has no 'do'" },
		{ "version: 1\nrules:\n  - {name: a, do: drop}\n", "mvchat.yaml:3:6", "rule 'a' says nothing under 'where': it would take everything" },
		{ "version: 1\nrules:\n  - {name: a, do: move, where: {author: x}}\n", "mvchat.yaml:3:19", "'rules[].do': 'move' is not one of drop, route, tag" },
		{ "version: 1\nrules:\n  - {name: a, do: route, where: {author: x}}\n", "mvchat.yaml:3:6", "'rules[0]' has no 'thread'" },
		{ "version: 1\nrules:\n  - {name: a, do: drop, carry: 5m, where: {author: x}}\n", "mvchat.yaml:3:6",
		  "rule 'a' leaves messages out: 'thread', 'carry' and 'back' belong to 'do: route'" },
		{ "version: 1\nrules:\n  - {name: a, do: route, thread: 'n {1}', where: {author: x}}\n", "mvchat.yaml:3:6", "'rules[0].thread' uses {1}, but the rule has no 'where.text'" },
		{ "version: 1\nrules:\n  - {name: a, do: route, thread: 'n {1}', where: {text: x}}\n", "mvchat.yaml:3:6", "'rules[0].thread' uses {1}, but the pattern has 0 groups" },
		{ "version: 1\nrules:\n  - {name: a, do: route, thread: n, carry: 2 days, where: {text: x}}\n", "mvchat.yaml:3:44",
		  "'rules[].carry': '2 days' is not a length of time such as 30s, 10m or 2h, at most a day" },
		{ "version: 1\nrules:\n  - {name: a, do: drop, into: b, where: {author: x}}\n", "mvchat.yaml:3:6", "rule 'a': 'into' belongs to 'do: route'" },
		{ "version: 1\nrules:\n  - {name: a, do: tag, into: b, tag: c, where: {author: x}}\n", "mvchat.yaml:3:6", "rule 'a': 'into' belongs to 'do: route'" },
		{ "version: 1\nrules:\n  - {name: a, do: route, thread: t, allow_wider: b, where: {author: x}}\n", "mvchat.yaml:3:6", "rule 'a': 'allow_wider' belongs to 'into'" },
		{ "version: 1\nrules:\n  - {name: a, do: route, into: b, tag: c, where: {author: x}}\n", "mvchat.yaml:3:6",
		  "rule 'a': 'tag' belongs to 'do: tag'; let a rule of its own tag the messages" },
		{ "version: 1\nrules:\n  - {name: a, do: tag, where: {author: x}}\n", "mvchat.yaml:3:6", "'rules[0]' has no 'tag'" },
		{ "version: 1\nrules:\n  - {name: a, do: tag, tag: c, carry: 5m, where: {author: x}}\n", "mvchat.yaml:3:6",
		  "rule 'a' tags messages: 'thread', 'carry' and 'back' belong to 'do: route'" },
		{ "version: 1\nrules:\n  - {name: a, do: tag, tag: 'c{1}', where: {text: x}}\n", "mvchat.yaml:3:6", "'rules[0].tag' uses {1}, but the pattern has 0 groups" },
		{ "version: 1\nrules:\n  - {name: a, do: route, into: 'b {1}', where: {text: '(x)'}}\n", "mvchat.yaml:3:6",
		  "'rules[0].into' uses {1}: only {channel}, {year} and {month} can stand in the name of a channel" },
		{ "version: 1\nrules:\n  - {name: a, do: drop, where: {autor: x}}\n", "mvchat.yaml:3:33", "unknown key 'rules[].where.autor'" },
		{ "version: 1\nrules:\n  - {name: a, do: drop, where: {kind: jion}}\n", "mvchat.yaml:3:39",
		  "'rules[].where.kind': 'jion' is not one of text, me, bot, join, leave, topic, rename, archive, pin, call, deleted, app, system" },
		{ "version: 1\nrules:\n  - {name: a, do: drop, where: {text: '*'}}\n", "mvchat.yaml:3:40",
		  "'rules[0].where.text' is not a pattern: quantifier does not follow a repeatable item, after 0 bytes" },
		{ "version: 1\nrules:\n  - {name: a, do: drop, where: {author: x}}\n  - {name: a, do: drop, where: {author: y}}\n", "mvchat.yaml:2:1", "two rules are called 'a'" },
		{ "version: 1\nrules:\n  - {name: a, do: drop, where: {since: 2024-02-02, until: 2024-02-01}}\n", "mvchat.yaml",
		  "rule 'a': since (2024-02-02) is later than until (2024-02-01)" },
		{ "version: 1\nredact: secrets\n", "mvchat.yaml:2:9", "'redact' must be a list, not a single value" },
	};
	for (size_t i = 0; i < countof(t); i++) {
		struct arena a;
		struct config c;
		struct err e = ERR_INIT;
		arena_init(&a);
		assert_false(config_parse("mvchat.yaml", t[i].text, strlen(t[i].text), &a, &c, &e));
		assert_string_equal(e.msg, t[i].msg);
		assert_string_equal(e.where, t[i].where);
		assert_int_equal(e.code, ERR_USAGE);
		arena_release(&a);
	}
}

static void test_replace(void **state)
{
	(void)state;
	static const struct { const char *yaml, *in, *out; } t[] = {
		{ "version: 1\ntext: [{match: 'foo', replace: 'bar'}]\n", "foo Foo foo", "bar Foo bar" },
		{ "version: 1\ntext: [{match: 'привет', replace: 'пока', ignore_case: true}]\n", "ПРИВЕТ, привет", "пока, пока" },
		{ "version: 1\ntext: [{match: '(\\w+)@old\\.ru', replace: '{1}@new.ru ({0})'}]\n", "a иван@old.ru", "a иван@new.ru (иван@old.ru)" },
		{ "version: 1\ntext: [{match: 'a', replace: b}, {match: 'b', replace: c}]\n", "ab", "cc" },
		{ "version: 1\ntext: [{match: 'x*', replace: '-'}]\n", "aé", "-a-é-" },
		{ "version: 1\ntext: [{match: '.+', replace: ''}]\n", "gone", "" },
		{ "version: 1\ntext: [{match: 'a', replace: '{x}{1'}]\n", "a", "{x}{1" },
		{ "version: 1\ntext:\n#  - match: x\n", "x", "x" },
	};
	for (size_t i = 0; i < countof(t); i++) {
		struct mapping *m = mapping_of(t[i].yaml);
		assert_string_equal(mapping_redact(m, t[i].in, &m->a), t[i].out);
		mapping_free(m);
	}
}

static void test_builtin(void **state)
{
	(void)state;
	static const struct { const char *in, *out; } t[] = {
		{ "карта 4111 1111 1111 1111.", "карта [card number removed]." },
		{ "4111-1111-1111-1111 12/27 123", "[card number removed] 12/27 123" },
		{ "5500000000000004", "[card number removed]" },
		{ "МИР 2200 0000 0000 0004", "МИР [card number removed]" },
		{ "4111 1111 1111 1112", "4111 1111 1111 1112" },
		{ "1700000000.123456 and 1700000000123456", "1700000000.123456 and 1700000000123456" },
		{ "order 41111111111111110000000", "order 41111111111111110000000" },
		{ "2 4111 1111 1111 1111", "2 [card number removed]" },
		{ "Пароль: qwerty", "Пароль: [password removed]" },
		{ "пароль от почты: \"Qwe-12\" и всё", "пароль от почты: \"[password removed]\" и всё" },
		{ "password = hunter2, ok", "password = [password removed] ok" },
		{ "пароль - Zxc123", "пароль - [password removed]" },
		{ "the password is s3cret!", "the password is [password removed]" },
		{ "забыл пароль, это беда", "забыл пароль, это беда" },
		{ "пароль — это важно", "пароль — это важно" },
		{ "bypass: yes", "bypass: yes" },
		{ "https://bob:pw1@host/x", "https://[password removed]@host/x" },
		{ "xoxb-123456789012-abc", "[secret removed]" },
		{ "key AKIAIOSFODNN7EXAMPLE.", "key [secret removed]." },
		{ "Authorization: Bearer abcdef0123456789", "Authorization: Bearer [secret removed]" },
		{ "-----BEGIN RSA PRIVATE KEY-----\nMIIE-x\n-----END RSA PRIVATE KEY-----\nend", "[secret removed]\nend" },
		{ "-----BEGIN PRIVATE KEY-----\nMIIE", "[secret removed]" },
		{ "bearer of news", "bearer of news" },
		{ "звони +7 (916) 123-45-67", "звони [phone number removed]" },
		{ "8 916 123 45 67", "[phone number removed]" },
		{ "18916123456700", "18916123456700" },
	};
	struct mapping *m = mapping_of("version: 1\nredact: [phones, card-numbers, passwords, secrets]\n");
	for (size_t i = 0; i < countof(t); i++)
		assert_string_equal(mapping_redact(m, t[i].in, &m->a), t[i].out);
	mapping_free(m);
	m = mapping_of("version: 1\nlocale: ru\nredact: [passwords]\n");
	assert_string_equal(mapping_redact(m, "пароль: тайна", &m->a), "пароль: [пароль скрыт]");
	mapping_free(m);
}

/* What people see as one line is looked at as one line, whatever its styles. */
static void test_spans(void **state)
{
	(void)state;
	struct mapping *m = mapping_of("version: 1\nredact: [card-numbers, passwords, secrets]\n");
	struct text_builder b;
	struct msg in = { 0 }, out;
	text_begin(&b, &m->a);
	text_block(&b, BLOCK_PARA);
	text_span(&b, SPAN_TEXT, 0, "пароль: ", NULL, NULL);
	text_span(&b, SPAN_TEXT, STYLE_BOLD, "qwe", NULL, NULL);
	text_span(&b, SPAN_TEXT, STYLE_CODE, "rty", NULL, NULL);
	text_span(&b, SPAN_TEXT, 0, " тут ", NULL, NULL);
	text_span(&b, SPAN_LINK, 0, "4111 1111 ", NULL, "https://x/a");
	text_span(&b, SPAN_TEXT, STYLE_BOLD, "1111 1111!", NULL, NULL);
	text_block(&b, BLOCK_PARA);
	text_span(&b, SPAN_LINK, 0, "", NULL, "https://x/?t=xoxb-123456789012");
	text_span(&b, SPAN_LINK, 0, "here", NULL, "https://u:pw@x/");
	text_span(&b, SPAN_LINK, 0, "fine", NULL, "https://x/");
	text_block(&b, BLOCK_ROW);
	text_span(&b, SPAN_TEXT, 0, "password:", NULL, NULL);
	text_span(&b, SPAN_CELL, 0, NULL, NULL, NULL);
	text_span(&b, SPAN_TEXT, 0, "hunter2", NULL, NULL);
	text_span(&b, SPAN_CELL, 0, NULL, NULL, NULL);
	in.body = text_end(&b);
	struct file files[] = { { .name = "4111111111111111.pdf", .url = "https://u:pw@x/", .permalink = "https://x/ok", .preview = "password: abc", .state = FILE_LINKED } };
	in.files = files;
	in.n_files = 1;
	assert_true(mapping_redact_msg(m, &in, &m->a, &out));
	const struct block *k = out.body.blocks;
	static const char *const want[] = { "пароль: ", "[password removed]", "", " тут ", "[card number removed]", "!" };
	assert_int_equal(k[0].n_spans, countof(want));
	for (size_t i = 0; i < countof(want); i++)
		assert_string_equal(k[0].spans[i].text, want[i]);
	assert_int_equal(k[0].spans[4].kind, SPAN_LINK);
	assert_string_equal(k[1].spans[0].text, "https://x/?t=[secret removed]");
	assert_int_equal(k[1].spans[0].kind, SPAN_TEXT);
	assert_string_equal(k[1].spans[0].url, "");
	assert_string_equal(k[1].spans[1].text, "here");
	assert_string_equal(k[1].spans[1].url, "");
	assert_string_equal(k[1].spans[2].url, "https://x/");
	assert_string_equal(k[2].spans[2].text, "[password removed]");
	assert_int_equal(k[2].spans[1].kind, SPAN_CELL);
	assert_string_equal(out.files[0].name, "[card number removed].pdf");
	assert_null(out.files[0].url);
	assert_string_equal(out.files[0].permalink, "https://x/ok");
	assert_string_equal(out.files[0].preview, "password: [password removed]");
	/* the source is as it was */
	assert_string_equal(in.body.blocks[0].spans[1].text, "qwe");
	assert_string_equal(files[0].name, "4111111111111111.pdf");
	mapping_free(m);
}

static void test_limits(void **state)
{
	(void)state;
	struct mapping *m = mapping_of("version: 1\ntext: [{match: '(a+)+$', replace: x}]\nrules: [{name: slow, do: drop, where: {text: '(b+)+$'}}]\n");
	char evil[64], evil_b[64];
	memset(evil, 'a', sizeof(evil) - 2);
	memset(evil_b, 'b', sizeof(evil_b) - 2);
	strcpy(evil + sizeof(evil) - 2, "!");
	strcpy(evil_b + sizeof(evil_b) - 2, "!");
	assert_null(mapping_redact(m, evil, &m->a));
	struct msg_meta mm = { .conv = "C", .kind = MSG_TEXT };
	struct msg msg = { .body = text_from_plain(&m->a, evil) }, out;
	assert_false(mapping_redact_msg(m, &msg, &m->a, &out));
	assert_string_equal(mapping_skips_text(m, &mm, &msg, &m->a), "redaction-limit");
	msg.body = text_from_plain(&m->a, evil_b);
	assert_string_equal(mapping_skips_text(m, &mm, &msg, &m->a), "rules-limit");
	struct file file = { .name = evil };
	msg = (struct msg){ .files = &file, .n_files = 1 };
	assert_string_equal(mapping_skips_text(m, &mm, &msg, &m->a), "redaction-limit");
	/* too long to be looked at is not harmless either */
	size_t n = (size_t)2 << 20;
	char *big = arena_alloc(&m->a, n + 1);
	memset(big, 'z', n);
	big[n] = '\0';
	assert_null(mapping_redact(m, big, &m->a));
	mapping_free(m);
}

static void test_rules(void **state)
{
	(void)state;
	static const char yaml[] = "version: 1\nmessages: {leave_out: [join]}\nrules:\n"
		"  - {name: noise, do: drop, where: {channel: 'alerts*'}}\n"
		"  - {name: secret word, do: drop, where: {text: '\\bтайна\\b', ignore_case: true, channel: [general]}}\n"
		"  - {name: bot files, do: drop, where: {author: [B1], has_file: true}}\n"
		"  - {name: old, do: drop, where: {until: 2020-12-31, kind: [text, me]}}\n"
		"  - {name: joins, do: drop, where: {kind: join}}\n"
		"  - {name: noise again, do: drop, where: {channel: alerts-x, text: x}}\n";
	static const struct { struct msg_meta mm; const char *text, *rule, *rule_text; } t[] = {
		{ { .conv = "C1", .conv_name = "Alerts-X", .kind = MSG_TEXT, .ts_us = INT64_C(1700000000000000) }, "x", "rules: noise", "rules: noise" },
		{ { .conv = "C2", .conv_name = "general", .kind = MSG_TEXT, .ts_us = INT64_C(1700000000000000) }, "Это ТАЙНА.", NULL, "rules: secret word" },
		{ { .conv = "C2", .conv_name = "general", .kind = MSG_TEXT, .ts_us = INT64_C(1700000000000000) }, "не тайная", NULL, NULL },
		{ { .conv = "C3", .conv_name = "other", .kind = MSG_TEXT, .ts_us = INT64_C(1700000000000000) }, "тайна", NULL, NULL },
		{ { .conv = "C3", .author = "B1", .kind = MSG_BOT, .has_file = true, .ts_us = INT64_C(1700000000000000) }, "", "rules: bot files", "rules: bot files" },
		{ { .conv = "C3", .author = "B1", .kind = MSG_BOT, .ts_us = INT64_C(1700000000000000) }, "a", NULL, NULL },
		{ { .conv = "C3", .author = "B2", .kind = MSG_BOT, .has_file = true, .ts_us = INT64_C(1700000000000000) }, "a", NULL, NULL },
		{ { .conv = "C3", .kind = MSG_TEXT, .ts_us = INT64_C(1609459199999999) }, "a", "rules: old", "rules: old" },
		{ { .conv = "C3", .kind = MSG_TEXT, .ts_us = INT64_C(1609459200000000) }, "a", NULL, NULL },
		{ { .conv = "C3", .kind = MSG_CALL, .ts_us = 1 }, "a", NULL, NULL },
		{ { .conv = "C3", .kind = MSG_JOIN, .ts_us = 1 }, "a", "messages.leave_out: join", "rules: joins" },
		{ { .conv = "C1", .conv_name = "alerts", .kind = MSG_LOST_ROOT }, "", NULL, NULL },
	};
	struct mapping *m = mapping_of(yaml);
	const char *const *names;
	assert_true(mapping_asks_text(m));
	assert_int_equal(mapping_rules(m, &names), 6);
	assert_string_equal(names[4], "rules: joins");
	for (size_t i = 0; i < countof(t); i++) {
		struct msg msg = { .body = text_from_plain(&m->a, t[i].text) };
		const char *got = mapping_skips(m, &t[i].mm), *more = mapping_skips_text(m, &t[i].mm, &msg, &m->a);
		assert_true(got ? t[i].rule && streq(got, t[i].rule) : !t[i].rule);
		assert_true(more ? t[i].rule_text && streq(more, t[i].rule_text) : !t[i].rule_text);
	}
	struct msg x = { .body = text_from_plain(&m->a, "x") };
	assert_int_equal(mapping_rule_hits(m, &t[0].mm, &x, &m->a), 1 << 0 | 1 << 5);
	assert_int_equal(mapping_rule_hits(m, &t[0].mm, NULL, &m->a), 1 << 0);
	mapping_free(m);
	m = mapping_of("version: 1\nrules: [{name: a, do: drop, where: {channel: x}}]\n");
	assert_false(mapping_asks_text(m));
	mapping_free(m);
}

/* Everything that changes what is written changes the digest; names of replacements do not. */
static void test_digest(void **state)
{
	(void)state;
	static const char *const pages[] = {
		"version: 1\ntext: [{match: a, replace: b}]\n", "version: 1\ntext: [{match: a, replace: c}]\n", "version: 1\ntext: [{match: a, replace: b, ignore_case: true}]\n",
		"version: 1\nredact: [secrets]\n", "version: 1\nredact: [passwords]\n", "version: 1\nrules: [{name: a, do: drop, where: {author: a}}]\n",
		"version: 1\nrules: [{name: a, do: drop, where: {channel: a}}]\n", "version: 1\nrules: [{name: a, do: drop, where: {has_file: false}}]\n", "version: 1\n",
	};
	uint8_t d[countof(pages)][DIGEST_BYTES], same[DIGEST_BYTES];
	for (size_t i = 0; i < countof(pages); i++) {
		struct mapping *m = mapping_of(pages[i]);
		mapping_digest(m, d[i]);
		mapping_free(m);
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(d[i], d[j], DIGEST_BYTES);
	}
	struct mapping *m = mapping_of("version: 1\ntext:\n  - name: called so\n    match: 'a'\n    replace: \"b\"\n");
	mapping_digest(m, same);
	assert_memory_equal(same, d[0], DIGEST_BYTES);
	mapping_free(m);
}

/* The quick look before a built-in pattern is tried changes nothing but the time it takes. */
static void test_quick_looks(void **state)
{
	(void)state;
	static const char *const bits[] = { "пароль", "Пин", "ПИН-код", "password", "paſſword", "PWD", "pin", "passcode", ":", "=", " - ", " это ", " ", " ", "qwerty1", "x!9z", "4111 1111 1111 1111",
		"5500-0000-0000-0004", "1234", "+7 916 123-45-67", "8(916)1234567", "xoxb-1234567890", "bearer abcdef.ghij", "AKIAABCDEFGHIJKLMNOP", "https://ivan:secret@h/",
		"-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "12345678:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "спасибо", "отпишись", "карта", "пар", "па", "п", "p", "pa", "\n", "№" };
	struct mapping *m = mapping_of("version: 1\nredact: [card-numbers, passwords, secrets, phones]\n");
	struct arena a;
	uint32_t seed = 7;
	size_t changed = 0;
	arena_init(&a);
	for (size_t i = 0; i < m->cfg.n_substs; i++)
		assert_non_null(m->cfg.substs[i].maybe);
	for (int round = 0; round < 4000; round++) {
		char text[256] = "";
		size_t n = 0;
		for (int k = 0; k < 7; k++) {
			seed = seed * 1664525u + 1013904223u;
			const char *bit = bits[(seed >> 8) % countof(bits)];
			size_t len = strlen(bit);
			if (n + len + 1 < sizeof(text)) {
				memcpy(text + n, bit, len + 1);
				n += len;
			}
		}
		arena_reset(&a);
		const char *quick = mapping_redact(m, text, &a);
		bool (*maybe[REDACTION_PATTERNS_MAX * 4])(const char *, size_t) = { NULL };
		for (size_t i = 0; i < m->cfg.n_substs; i++) {
			maybe[i] = m->cfg.substs[i].maybe;
			m->cfg.substs[i].maybe = NULL;
		}
		const char *slow = mapping_redact(m, text, &a);
		for (size_t i = 0; i < m->cfg.n_substs; i++)
			m->cfg.substs[i].maybe = maybe[i];
		if (!streq(quick, slow))
			fail_msg("%s\n%s\n%s", text, quick, slow);
		changed += !streq(text, quick);
	}
	assert_true(changed > 1000 && changed < 4000);
	arena_release(&a);
	mapping_free(m);
}

/* What an example of a rule shows: around the match, one line, cut between characters, and nothing that is replaced. */
static void test_samples(void **state)
{
	(void)state;
	static const struct { const char *in; enum sample_of what; size_t i; const char *out; } t[] = {
		{ "one\n\ttwo order  17 three", SAMPLE_RULE, 0, "one two »order 17« three" },
		{ "no such thing", SAMPLE_RULE, 0, "no such thing»«" },
		{ "nothing to point at", SAMPLE_RULE, 1, "nothing to point at»«" },
		{ "order 4111 1111 1111 1111 of password: hunter22", SAMPLE_RULE, 0, "order [card number removed] of password: [password removed]»«" },
		{ "order 4 with password: hunter22", SAMPLE_RULE, 0, "»order 4« with password: [password removed]" },
		{ "my password: hunter22, and more", SAMPLE_REPLACEMENT, 2, "my password: »[password removed]« and more" },
		{ "карта 4111 1111 1111 1111 моя", SAMPLE_REPLACEMENT, 1, "карта »[card number removed]« моя" },
		{ "мой дом — лес", SAMPLE_REPLACEMENT, 0, "мой »дым« — лес" },
		{ "мой дом", SAMPLE_BEGINNING, 0, "мой дым»«" },
		{ "", SAMPLE_RULE, 0, "»«" },
	};
	struct mapping *m = mapping_of("version: 1\ntext: [{name: house, match: 'дом', replace: 'дым'}]\nredact: [passwords, card-numbers]\n"
	                               "rules: [{name: orders, do: drop, where: {text: 'order\\s+\\d+'}}, {name: x, do: drop, where: {author: x}}]\n");
	const char *const *names;
	assert_int_equal(mapping_replacements(m, &names), 3);
	assert_string_equal(names[0], "text: house");
	assert_string_equal(names[1], "redact: card-numbers");
	assert_string_equal(names[2], "redact: passwords");
	for (size_t i = 0; i < countof(t); i++) {
		struct msg msg = { .body = text_from_plain(&m->a, t[i].in) };
		struct mapping_sample s;
		assert_true(mapping_sample(m, &msg, t[i].what, t[i].i, &m->a, &s));
		assert_string_equal(arena_fmt(&m->a, "%s»%s«%s", s.before, s.match, s.after), t[i].out);
	}
	/* which of them changed it */
	struct mapping_hits hits;
	struct msg msg = { .body = text_from_plain(&m->a, "дом, пароль: тайна"), .files = &(struct file){ .name = "4111111111111111.txt" }, .n_files = 1 }, out;
	assert_true(mapping_redact_seen(m, &msg, &m->a, &out, &hits));
	assert_int_equal(hits.bits[0], 7);
	assert_int_equal(hits.bits[1], 0);
	msg = (struct msg){ .body = text_from_plain(&m->a, "harmless") };
	assert_true(mapping_redact_seen(m, &msg, &m->a, &out, &hits));
	assert_int_equal(hits.bits[0], 0);
	/* long ones are cut on both sides, between characters */
	struct buf b;
	buf_init(&b, 1 << 16);
	for (int i = 0; i < 300; i++)
		buf_adds(&b, "я");
	buf_adds(&b, "order 5");
	for (int i = 0; i < 300; i++)
		buf_adds(&b, "é");
	struct mapping_sample s;
	msg.body = text_from_plain(&m->a, b.p);
	assert_true(mapping_sample(m, &msg, SAMPLE_RULE, 0, &m->a, &s));
	assert_string_equal(s.match, "order 5");
	assert_true(!strncmp(s.before, "…я", 5) && strlen(s.before) <= 123 && strlen(s.before) > 110);
	assert_true(!strncmp(s.after, "é", 2) && strlen(s.after) <= 123 && streq(s.after + strlen(s.after) - 3, "…"));
	buf_release(&b);
	mapping_free(m);
	/* what cannot be judged is not shown */
	m = mapping_of("version: 1\ntext: [{match: '(a+)+$', replace: x}]\n");
	msg.body = text_from_plain(&m->a, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
	assert_false(mapping_sample(m, &msg, SAMPLE_BEGINNING, 0, &m->a, &s));
	assert_int_equal(mapping_replacements(m, &names), 1);
	assert_string_equal(names[0], "text[0]");
	mapping_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors), cmocka_unit_test(test_replace), cmocka_unit_test(test_builtin), cmocka_unit_test(test_quick_looks), cmocka_unit_test(test_spans),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_rules), cmocka_unit_test(test_digest), cmocka_unit_test(test_samples),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
