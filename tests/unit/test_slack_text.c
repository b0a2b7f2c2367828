/* test_slack_text.c: mrkdwn, blocks, permalinks, tokens and emoji, as tables of input and canonical text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/canon.h"
#include "core/json.h"
#include "importers/emoji.h"
#include "importers/slack_text.h"

#include <string.h>

struct row { const char *in, *want; };

static char labels[200], oddities[200];

static void note_user(void *ctx, const char *id, const char *label)
{
	(void)ctx;
	strncat(labels, id, 40);
	strncat(labels, "=", 2);
	strncat(labels, label, 40);
	strncat(labels, ";", 2);
}

static void note_odd(void *ctx, const char *name, const char *what)
{
	(void)ctx;
	strncat(oddities, name, 40);
	strncat(oddities, ":", 2);
	strncat(oddities, what, 40);
	strncat(oddities, ";", 2);
}

static const struct slack_seen seen = { NULL, note_user, NULL, NULL, note_odd };

/* The text as canonical JSON, the part between "body": and the end of the object; "" when there is none. */
static const char *canonical(struct arena *a, const struct text *t)
{
	struct msg m = { .id = "1", .ts_us = 1, .kind = MSG_TEXT, .body = *t };
	struct buf out;
	buf_init(&out, 1 << 20);
	canon_msg(&m, NULL, &out);
	const char *p = strstr(out.p, "\"body\":");
	const char *copy = p ? arena_strndup(a, p + 7, strlen(p + 7) - 1) : "";
	buf_release(&out);
	return copy;
}

static void check_mrkdwn(struct arena *a, const char *in, const char *want)
{
	struct text_builder b;
	text_begin(&b, a);
	slack_mrkdwn(&b, in, strlen(in), &seen);
	struct text t = text_end(&b);
	const char *got = canonical(a, &t);
	if (strcmp(got, want) != 0)
		fail_msg("%s\n  expected %s\n  got      %s", in, want, got);
}

static void mrkdwn(void **state)
{
	static const struct row rows[] = {
		{ "", "" },
		{ "plain", "\"plain\"" },
		{ "a\nb", "\"a\\nb\"" },
		{ "*b* _i_ ~s~ `c`", "[[{\"st\":\"b\",\"t\":\"b\"},\" \",{\"st\":\"i\",\"t\":\"i\"},\" \",{\"st\":\"s\",\"t\":\"s\"},\" \",{\"st\":\"c\",\"t\":\"c\"}]]" },
		{ "*_bi_*", "[[{\"st\":\"bi\",\"t\":\"bi\"}]]" },
		{ "snake_case_name 2*3*4", "\"snake_case_name 2*3*4\"" },
		{ "* not bold *", "\"* not bold *\"" },
		{ "*a\nb*", "\"*a\\nb*\"" },
		{ "(*жирный*, «_курсив_»)", "[[\"(\",{\"st\":\"b\",\"t\":\"жирный\"},\", «\",{\"st\":\"i\",\"t\":\"курсив\"},\"»)\"]]" },
		{ "слово*нет*слово", "\"слово*нет*слово\"" },
		{ "`*raw* &amp; :+1:`", "[[{\"st\":\"c\",\"t\":\"*raw* & :+1:\"}]]" },
		{ "a &lt;b&gt; &amp;amp; &nbsp;", "\"a <b> &amp; &nbsp;\"" },
		{ "&lt;http://x|y&gt;", "\"<http://x|y>\"" },
		{ "<http://x/?a=1&amp;b=2>", "[[{\"k\":\"link\",\"u\":\"http://x/?a=1&b=2\"}]]" },
		{ "<http://x|*not bold*>", "[[{\"k\":\"link\",\"t\":\"*not bold*\",\"u\":\"http://x\"}]]" },
		{ "*<http://x|l>*", "[[{\"k\":\"link\",\"st\":\"b\",\"t\":\"l\",\"u\":\"http://x\"}]]" },
		{ "<mailto:a@b.c|a@b.c>", "[[{\"k\":\"link\",\"t\":\"a@b.c\",\"u\":\"mailto:a@b.c\"}]]" },
		{ "<@U1ABC>: hi", "[[{\"k\":\"user\",\"r\":\"U1ABC\"},\": hi\"]]" },
		{ "<@U1ABC|ann>", "[[{\"k\":\"user\",\"t\":\"ann\",\"r\":\"U1ABC\"}]]" },
		{ "<#C1ABC|general> <#C2ABC|>", "[[{\"k\":\"conv\",\"t\":\"general\",\"r\":\"C1ABC\"},\" \",{\"k\":\"conv\",\"r\":\"C2ABC\"}]]" },
		{ "<!here> <!channel|@channel> <!group>",
		  "[[{\"k\":\"all\",\"r\":\"here\"},\" \",{\"k\":\"all\",\"r\":\"channel\"},\" \",{\"k\":\"all\",\"r\":\"channel\"}]]" },
		{ "<!subteam^S1ABC|@sales>", "[[{\"k\":\"group\",\"t\":\"@sales\",\"r\":\"S1ABC\"}]]" },
		{ "<!date^1392734382^{date}^https://x|Feb 18>", "[[{\"k\":\"date\",\"t\":\"Feb 18\",\"r\":\"1392734382\",\"u\":\"https://x\"}]]" },
		{ "<!date^1392734382^{date}|Feb 18>", "[[{\"k\":\"date\",\"t\":\"Feb 18\",\"r\":\"1392734382\"}]]" },
		{ "<!new|something>", "\"something\"" },
		{ "a < b > c <> <nothing>", "\"a < b > c <> <nothing>\"" },
		{ "<unclosed <http://x>", "[[\"<unclosed \",{\"k\":\"link\",\"u\":\"http://x\"}]]" },
		{ "https://x.slack.com/archives/C1/p1", "\"https://x.slack.com/archives/C1/p1\"" },
		{ "<https://x.slack.com/archives/C1ABC/p1355517523000008?thread_ts=1>",
		  "[[{\"k\":\"msg\",\"r\":\"C1ABC/1355517523.000008\",\"u\":\"https://x.slack.com/archives/C1ABC/p1355517523000008?thread_ts=1\"}]]" },
		{ ":+1: :+1::skin-tone-3: :custom_one:",
		  "[[{\"k\":\"emoji\",\"t\":\"👍\",\"r\":\"+1\"},\" \",{\"k\":\"emoji\",\"t\":\"👍🏼\",\"r\":\"+1::skin-tone-3\"},\" \","
		  "{\"k\":\"emoji\",\"r\":\"custom_one\"}]]" },
		{ "at 12:30:45, a::b::c, c:temp:d", "\"at 12:30:45, a::b::c, c:temp:d\"" },
		{ "&gt; quoted\n&gt; more\nafter", "[{\"q\":1,\"s\":\"quoted\\nmore\"},\"after\"]" },
		{ "before\n&gt;&gt;&gt; all\nof it", "[\"before\",{\"q\":1,\"s\":\"all\\nof it\"}]" },
		{ "x ```code *a* &lt;b&gt;\nline``` y", "[\"x\",{\"k\":\"code\",\"s\":\"code *a* <b>\\nline\"},\"y\"]" },
		{ "```\na\n```", "[{\"k\":\"code\",\"s\":\"a\"}]" },
		{ "```unclosed", "\"```unclosed\"" },
		{ "&gt; q ```c``` r\n&gt; s", "[{\"q\":1,\"s\":\"q\"},{\"k\":\"code\",\"q\":1,\"s\":\"c\"},{\"q\":1,\"s\":\"r\\ns\"}]" },
		{ "```<@U1ABC|ann> <http://x>```", "[{\"k\":\"code\",\"s\":[\"ann \",{\"k\":\"link\",\"u\":\"http://x\"}]}]" },
	};
	struct arena a;
	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(rows); i++)
		check_mrkdwn(&a, rows[i].in, rows[i].want);
	arena_release(&a);
}

static void blocks(void **state)
{
	static const struct row rows[] = {
		{ "[]", "" },
		{ "[null, 7, \"x\"]", "" },
		{ "[{\"type\":\"rich_text\",\"elements\":[{\"type\":\"rich_text_section\",\"elements\":[{\"type\":\"text\",\"text\":\"a < b &amp;\"}]}]}]",
		  "\"a < b &amp;\"" },
		{ "[{\"type\":\"rich_text\",\"elements\":[{\"type\":\"rich_text_quote\",\"elements\":[{\"type\":\"text\",\"text\":\"q\"}]},"
		  "{\"type\":\"rich_text_preformatted\",\"border\":1,\"elements\":[{\"type\":\"text\",\"text\":\"c\"}]}]}]",
		  "[{\"q\":1,\"s\":\"q\"},{\"k\":\"code\",\"q\":1,\"s\":\"c\"}]" },
		{ "[{\"type\":\"rich_text\",\"elements\":[{\"type\":\"rich_text_section\",\"elements\":[{\"type\":\"color\",\"value\":\"#F405B3\"},"
		  "{\"type\":\"team\",\"team_id\":\"T1\"},{\"type\":\"date\",\"timestamp\":5,\"fallback\":\"then\"},{\"type\":\"usergroup\",\"usergroup_id\":\"S1\"}]}]}]",
		  "[[\"#F405B3T1\",{\"k\":\"date\",\"t\":\"then\",\"r\":\"5\"},{\"k\":\"group\",\"r\":\"S1\"}]]" },
		{ "[{\"type\":\"header\",\"text\":{\"type\":\"plain_text\",\"text\":\"H *x*\"}},{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":\"*b*\"},"
		  "\"fields\":[{\"type\":\"plain_text\",\"text\":\"f\"}]},{\"type\":\"divider\"},{\"type\":\"context\",\"elements\":[{\"type\":\"mrkdwn\",\"text\":\"n\"}]}]",
		  "[{\"k\":\"heading\",\"lv\":1,\"s\":\"H *x*\"},[{\"st\":\"b\",\"t\":\"b\"}],\"f\",{\"k\":\"rule\"},{\"k\":\"note\",\"s\":\"n\"}]" },
		{ "[{\"type\":\"table\",\"rows\":[[{\"type\":\"raw_text\",\"text\":\"a\"},{\"type\":\"raw_text\",\"text\":\"b\"}]]}]",
		  "[{\"k\":\"row\",\"lv\":1,\"s\":[\"a\",{\"k\":\"cell\"},\"b\",{\"k\":\"cell\"}]}]" },
		{ "[{\"type\":\"image\",\"image_url\":\"https://x/i.png\",\"alt_text\":\"cat\"}]", "[[{\"k\":\"link\",\"t\":\"cat\",\"u\":\"https://x/i.png\"}]]" },
		{ "[{\"type\":\"section\",\"text\":{\"type\":\"plain_text\",\"text\":\"go\"},\"accessory\":{\"type\":\"button\",\"url\":\"https://x\","
		  "\"text\":{\"type\":\"plain_text\",\"text\":\"Open\"}}}]",
		  "[\"go\",{\"k\":\"note\",\"s\":[{\"k\":\"link\",\"t\":\"Open\",\"u\":\"https://x\"}]}]" },
		{ "[{\"type\":\"call\",\"call\":{\"v1\":{\"name\":\"Sync\",\"join_url\":\"https://z/1\"}}}]", "[[{\"k\":\"call\",\"t\":\"Sync\",\"r\":\"0/0\"},\" \",{\"k\":\"link\",\"u\":\"https://z/1\"}]]" },
		{ "[{\"type\":\"markdown\",\"text\":\"**as is**\"},{\"type\":\"context_actions\",\"elements\":[]}]", "\"**as is**\"" },
	};
	struct arena a;
	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(rows); i++) {
		struct err e = ERR_INIT;
		const struct jv *v = jv_parse(&a, rows[i].in, strlen(rows[i].in), &e);
		if (!v)
			fail_msg("%s: %s", rows[i].in, e.msg);
		struct text_builder b;
		text_begin(&b, &a);
		slack_blocks(&b, v, &seen);
		struct text t = text_end(&b);
		const char *got = canonical(&a, &t);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s\n  expected %s\n  got      %s", rows[i].in, rows[i].want, got);
	}
	arena_release(&a);
}

static void told(void **state)
{
	struct arena a;
	struct text_builder b;
	(void)state;
	arena_init(&a);
	labels[0] = oddities[0] = '\0';
	text_begin(&b, &a);
	slack_mrkdwn(&b, "<@U1|@ann> <@W2> <#C3|>", 23, &seen);
	const char *json = "[{\"type\":\"new\"},{\"type\":\"rich_text\",\"elements\":[{\"type\":\"rich_text_section\",\"elements\":[{\"type\":\"odd\"}]}]}]";
	slack_blocks(&b, jv_parse(&a, json, strlen(json), NULL), &seen);
	assert_string_equal(labels, "U1=ann;W2=;");
	assert_string_equal(oddities, "channel-label-empty:C3;unknown-block:new;unknown-element:odd;");
	arena_release(&a);
}

static void tokens(void **state)
{
	static const struct { const char *in, *want, *found; } rows[] = {
		{ "https://f/x?t=xoxe-12345678", "https://f/x", "t" },
		{ "https://f/x?a=1&token=xoxe-12345678&b=2", "https://f/x?a=1&b=2", "token" },
		{ "https://f/x?token=xoxe-12345678&b=2", "https://f/x?b=2", "token" },
		{ "https://f/x?t=12", "https://f/x?t=12", NULL },
		{ "my token is xoxb-1234-abcd, bye", "my token is ***, bye", "text" },
		{ "xoxe- is a prefix", "xoxe- is a prefix", NULL },
		{ "https://f/xoxp-1234567890/y", "https://f/***/y", "text" },
	};
	struct arena a;
	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(rows); i++) {
		const char *found = NULL;
		assert_string_equal(slack_untoken(&a, rows[i].in, &found), rows[i].want);
		assert_string_equal(found ? found : "", rows[i].found ? rows[i].found : "");
	}
	arena_release(&a);
}

static void permalinks(void **state)
{
	static const char *const not_one[] = { "http://x.slack.com/archives/C1/p1355517523000008", "https://slack.com/archives/C1/p1355517523000008",
		"https://evil.com/x.slack.com/archives/C1/p1355517523000008", "https://x.slack.com/archives/C1", "https://x.slack.com/archives/C1/p12x",
		"https://x.slack.com.evil.com/archives/C1/p1355517523000008", "https://x.slack.com/archives/c1/p1355517523000008" };
	struct arena a;
	(void)state;
	arena_init(&a);
	const char *url = "https://x.enterprise.slack.com/archives/G1/p1355517523000008";
	assert_string_equal(slack_permalink(&a, url, strlen(url)), "G1/1355517523.000008");
	for (size_t i = 0; i < countof(not_one); i++)
		assert_null(slack_permalink(&a, not_one[i], strlen(not_one[i])));
	arena_release(&a);
}

static void emoji(void **state)
{
	static const struct { const char *name, *want; } rows[] = { { "+1", "👍" }, { "thumbsup", "👍" }, { "+1::skin-tone-6", "👍🏿" }, { "tada::skin-tone-3", "🎉" },
		{ "zzz", "💤" }, { "100", "💯" }, { "no_such_thing", "" }, { "+1::skin-tone-7", "" }, { "", "" }, { "+", "" }, { "+11", "" },
		{ "man-raising-hand::skin-tone-2", "🙋🏻‍♂️" } };
	char out[EMOJI_MAX];
	(void)state;
	for (size_t i = 1; i < n_emoji_rows; i++)
		assert_true(strcmp(emoji_rows[i - 1].name, emoji_rows[i].name) < 0);
	for (size_t i = 0; i < n_emoji_rows; i++) {
		assert_true(emoji_chars(emoji_rows[i].name, strlen(emoji_rows[i].name), out));
		assert_string_equal(out, emoji_rows[i].chars);
	}
	for (size_t i = 0; i < countof(rows); i++) {
		assert_int_equal(emoji_chars(rows[i].name, strlen(rows[i].name), out), *rows[i].want != '\0');
		assert_string_equal(out, rows[i].want);
	}
	assert_true(emoji_from_hex("1f44d-1f3fc", 11, out));
	assert_string_equal(out, "👍🏼");
	assert_false(emoji_from_hex("d800", 4, out));
	assert_false(emoji_from_hex("xyz", 3, out));
	assert_false(emoji_from_hex("", 0, out));
}

/* Searching for a closing delimiter must not become quadratic in hostile text. */
static void long_texts(void **state)
{
	static const char *const units[] = { "*a ", "_a *b ~c `d ", "<a ", "```", ">>>", "&gt; `a\n", ":a", "<!date^", "*`", "<@U1|" };
	struct arena a;
	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(units); i++) {
		struct buf in;
		struct text_builder b;
		buf_init(&in, 1 << 20);
		while (in.len < 300 * 1000)
			buf_adds(&in, units[i]);
		text_begin(&b, &a);
		slack_mrkdwn(&b, in.p, in.len, &seen);
		struct text t = text_end(&b);
		assert_true(t.n_blocks > 0 || i == 3 || i == 4);
		buf_release(&in);
		arena_reset(&a);
	}
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(mrkdwn), cmocka_unit_test(blocks), cmocka_unit_test(told), cmocka_unit_test(tokens),
		cmocka_unit_test(permalinks), cmocka_unit_test(emoji), cmocka_unit_test(long_texts) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
