/* Rich text → Pachca's Markdown: a table of what is written for what, that nothing foreign pings, and that parts are valid. */
#include "exporters/markdown.h"

#include "core/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define WJ "\xe2\x81\xa0"
#define HAIR "\xe2\x80\x8a"
#define T(s) { SPAN_TEXT, 0, s, "", "" }
#define S(style, s) { SPAN_TEXT, style, s, "", "" }
#define B STYLE_BOLD
#define I STYLE_ITALIC
#define X STYLE_STRIKE
#define C STYLE_CODE

static const char *user_name(void *ctx, const char *id)
{
	(void)ctx;
	return streq(id, "U1") ? "Анна Ли" : streq(id, "UX") ? "@evil **x**\n<@7>" : NULL;
}

static const char *conv_name(void *ctx, const char *id)
{
	(void)ctx;
	return streq(id, "C1") ? "sales" : NULL;
}

static const char *msg_url(void *ctx, const char *ref)
{
	(void)ctx;
	return streq(ref, "C1/5") ? "https://app.pachca.com/chats/1?message=2" : NULL;
}

static const char *date_text(void *ctx, int64_t s)
{
	(void)ctx;
	return s == 1700000000 ? "14.11.2023 22:13" : NULL;
}

static const char *live(void *ctx, const char *id)
{
	(void)ctx;
	return streq(id, "U9") ? "@ivan" : streq(id, "U8") ? "501" : NULL;
}

static const char *call_text(void *ctx, const struct span *call)
{
	(void)ctx;
	return streq(call->ref, "30/3") ? "Звонок: 30 мин" : NULL;
}

static const struct resolver res = { NULL, user_name, conv_name, msg_url, date_text, call_text, live };

struct row {
	const char *name;
	struct block b[4];
	struct span s[8];   /* shared out to the blocks by n_spans */
	const char *want;
	uint32_t loss;
};

static const struct row rows[] = {
	{ "plain", {{ .n_spans = 1 }}, { T("Привет, мир") }, "Привет, мир", 0 },
	{ "line break", {{ .n_spans = 1 }}, { T("a\nb") }, "a\nb", 0 },
	{ "blocks", {{ .n_spans = 1 }, { .n_spans = 1 }}, { T("a"), T("b") }, "a\nb", 0 },
	{ "bold", {{ .n_spans = 3 }}, { T("a "), S(B, "b"), T(" c") }, "a **b** c", 0 },
	{ "bold blanks outside", {{ .n_spans = 3 }}, { T("a"), S(B, " b "), T("c") }, "a **b** c", 0 },
	{ "adjacent bold merged", {{ .n_spans = 2 }}, { S(B, "a "), S(B, "b") }, "**a b**", 0 },
	{ "bold over lines", {{ .n_spans = 1 }}, { S(B, "a\nb") }, "**a**\n**b**", 0 },
	{ "empty style dropped", {{ .n_spans = 3 }}, { T("a"), S(B, "  "), T("b") }, "a  b", 0 },
	{ "nested", {{ .n_spans = 3 }}, { S(B, "a "), S(B | I, "b"), S(B, " c") }, "**a _b_ c**", 0 },
	{ "inner first", {{ .n_spans = 2 }}, { S(B | I, "a"), S(I, " b") }, "_**a** b_", 0 },
	{ "strike", {{ .n_spans = 1 }}, { S(X, "old") }, "~~old~~", 0 },
	{ "italic in a word", {{ .n_spans = 2 }}, { T("под"), S(I, "чёркнуто") }, "под*чёркнуто*", 0 },
	{ "code", {{ .n_spans = 1 }}, { S(C, "a*b*c") }, "`a*b*c`", 0 },
	{ "code with ticks", {{ .n_spans = 1 }}, { S(C, "`a` and ``") }, "`` `a` and `" WJ "` ``", 0 },
	{ "code in bold", {{ .n_spans = 2 }}, { S(B, "run "), S(B | C, "ls") }, "**run `ls`**", 0 },
	{ "underline", {{ .n_spans = 1 }}, { S(STYLE_UNDERLINE, "u") }, "u", LOSS_STYLE },
	{ "mention in text", {{ .n_spans = 1 }}, { T("hi @ivan <@12> @all") }, "hi @" WJ "ivan <@" WJ "12> @" WJ "all", 0 },
	{ "at over spans", {{ .n_spans = 2 }}, { T("@"), S(B, "ivan") }, "@" WJ "**ivan**", 0 },
	{ "e-mail kept", {{ .n_spans = 1 }}, { T("ivan@corp.ru, ivan@corp") }, "ivan@corp.ru, ivan@" WJ "corp", 0 },
	{ "at in an address", {{ .n_spans = 1 }}, { T("https://medium.com/@ivan/x_y") }, "https://medium.com/%40ivan/x_y", 0 },
	{ "at in code", {{ .n_spans = 1 }}, { S(C, "@Override") }, "`@" WJ "Override`", 0 },
	{ "stars alone", {{ .n_spans = 1 }}, { T("2*3, snake_case_name") }, "2*3, snake_case_name", 0 },
	{ "stars in pairs", {{ .n_spans = 1 }}, { T("2*3*4") }, "2*" HAIR "3*" HAIR "4", 0 },
	{ "underlines in pairs", {{ .n_spans = 1 }}, { T("_x_ y") }, "_" HAIR "x_ y", 0 },
	{ "star beside bold", {{ .n_spans = 2 }}, { T("a *b "), S(B, "c") }, "a *" HAIR "b **c**", 0 },
	{ "bullets typed", {{ .n_spans = 1 }}, { T("* a\n* b") }, "* a\n* b", 0 },
	{ "tildes", {{ .n_spans = 1 }}, { T("~~x~~") }, "~" WJ "~x~" WJ "~", 0 },
	{ "tildes over spans", {{ .n_spans = 2 }}, { T("~"), T("~x~~") }, "~" WJ "~x~" WJ "~", 0 },
	{ "link typed", {{ .n_spans = 1 }}, { T("[a](http://x)") }, "[a]" WJ "(http://x)", 0 },
	{ "ticks in pairs", {{ .n_spans = 1 }}, { T("`x`") }, "\xcb\x8bx\xcb\x8b", 0 },
	{ "tick alone", {{ .n_spans = 1 }}, { T("5` x") }, "5` x", 0 },
	{ "fence typed", {{ .n_spans = 1 }}, { T("```") }, "\xcb\x8b\xcb\x8b\xcb\x8b", 0 },
	{ "controls", {{ .n_spans = 1 }}, { T("a\x01\x1b[0mb\rc") }, "a[0mbc", 0 },
	{ "link", {{ .n_spans = 1 }}, {{ SPAN_LINK, 0, "site", "", "https://x.ru/a(b) c" }}, "[site](https://x.ru/a%28b%29%20c)", 0 },
	{ "link without label", {{ .n_spans = 1 }}, {{ SPAN_LINK, 0, "", "", "https://x.ru" }}, "https://x.ru", 0 },
	{ "link labelled itself", {{ .n_spans = 1 }}, {{ SPAN_LINK, 0, "a@x.ru", "", "mailto:a@x.ru" }}, "a@x.ru", 0 },
	{ "link bold", {{ .n_spans = 1 }}, {{ SPAN_LINK, B, "s", "", "https://x.ru" }}, "**[s](https://x.ru)**", 0 },
	{ "link at", {{ .n_spans = 1 }}, {{ SPAN_LINK, 0, "@ivan", "", "https://x.ru/@ivan" }}, "[@" WJ "ivan](https://x.ru/%40ivan)", 0 },
	{ "link brackets", {{ .n_spans = 1 }}, {{ SPAN_LINK, 0, "[1]", "", "https://x.ru" }}, "[1] (https://x.ru)", 0 },
	{ "script", {{ .n_spans = 1 }}, {{ SPAN_LINK, 0, "click", "", "javascript:alert(1)" }}, "click (javascript:alert(1))", 0 },
	{ "user", {{ .n_spans = 1 }}, {{ SPAN_USER, 0, "old", "U1", "" }}, "@" WJ "Анна Ли", LOSS_MENTION },
	{ "user unknown", {{ .n_spans = 1 }}, {{ SPAN_USER, 0, "@old", "U2", "" }}, "@" WJ "old", LOSS_MENTION },
	{ "user unknown, no label", {{ .n_spans = 1 }}, {{ SPAN_USER, 0, "", "U2", "" }}, "@" WJ "U2", LOSS_MENTION },
	{ "user hostile", {{ .n_spans = 1 }}, {{ SPAN_USER, 0, "", "UX", "" }}, "@" WJ "evil **" HAIR "x** <@" WJ "7>", LOSS_MENTION },
	{ "user live", {{ .n_spans = 1 }}, {{ SPAN_USER, 0, "", "U9", "" }}, "@ivan", 0 },
	{ "user live by id", {{ .n_spans = 2 }}, {{ SPAN_USER, B, "", "U8", "" }, T(" hi") }, "**<@501>** hi", 0 },
	{ "conv", {{ .n_spans = 1 }}, {{ SPAN_CONV, 0, "", "C1", "" }}, "#sales", LOSS_MENTION },
	{ "conv secret", {{ .n_spans = 1 }}, {{ SPAN_CONV, 0, "layoffs", "C2", "" }}, "#…", LOSS_MENTION },
	{ "group", {{ .n_spans = 1 }}, {{ SPAN_GROUP, 0, "@sales", "S1", "" }}, "@" WJ "sales", LOSS_MENTION },
	{ "broadcast", {{ .n_spans = 1 }}, {{ SPAN_BROADCAST, 0, "", "here", "" }}, "@" WJ "here", LOSS_MENTION },
	{ "emoji", {{ .n_spans = 1 }}, {{ SPAN_EMOJI, 0, "👍", "+1", "" }}, "👍", 0 },
	{ "emoji custom", {{ .n_spans = 1 }}, {{ SPAN_EMOJI, 0, "", "party", "" }}, ":party:", LOSS_EMOJI },
	{ "date", {{ .n_spans = 1 }}, {{ SPAN_DATE, 0, "long ago", "1700000000", "" }}, "14.11.2023 22:13", 0 },
	{ "date fallback", {{ .n_spans = 1 }}, {{ SPAN_DATE, 0, "long ago", "1", "https://x.ru" }}, "[long ago](https://x.ru)", 0 },
	{ "call", {{ .n_spans = 1 }}, {{ SPAN_CALL, 0, "", "30/3", "" }}, "Звонок: 30 мин", 0 },
	{ "call in English", {{ .n_spans = 1 }}, {{ SPAN_CALL, 0, "Sync", "2/1", "" }}, "Call: Sync, 2 min, 1 participant", 0 },
	{ "message link", {{ .n_spans = 1 }}, {{ SPAN_MSG, 0, "see", "C1/5", "https://s/1" }}, "[see](https://app.pachca.com/chats/1?message=2)", 0 },
	{ "message link old", {{ .n_spans = 1 }}, {{ SPAN_MSG, 0, "see", "C1/6", "https://s/1" }}, "[see](https://s/1)", LOSS_LINK },
	{ "heading", {{ .kind = BLOCK_HEADING, .level = 1, .n_spans = 1 }}, { T("Head") }, "**Head**", LOSS_STYLE },
	{ "note", {{ .kind = BLOCK_NOTE, .n_spans = 1 }}, { T("small") }, "_small_", 0 },
	{ "rule", {{ .n_spans = 1 }, { .kind = BLOCK_RULE }}, { T("a") }, "a\n———", LOSS_STYLE },
	{ "list", {{ .kind = BLOCK_ITEM, .n_spans = 1 }, { .kind = BLOCK_ITEM, .indent = 1, .n_spans = 1 }, { .kind = BLOCK_ITEM, .ordinal = 3, .n_spans = 1 }},
	  { T("a"), T("b\nc"), T("d") }, "• a\n  ◦ b\n    c\n3. d", LOSS_STYLE },
	{ "quote", {{ .quote = 2, .n_spans = 1 }}, { T("a\nb") }, "> > a\n> > b", LOSS_STYLE },
	{ "table", {{ .kind = BLOCK_ROW, .level = 1, .n_spans = 4 }, { .kind = BLOCK_ROW, .n_spans = 3 }},
	  { T("a"), { SPAN_CELL, 0, "", "", "" }, T("b"), { SPAN_CELL, 0, "", "", "" }, { SPAN_CELL, 0, "", "", "" }, T("2"), { SPAN_CELL, 0, "", "", "" }},
	  "**a** | **b**\n | 2", LOSS_STYLE },
	{ "code block", {{ .kind = BLOCK_CODE, .lang = "c", .n_spans = 1 }}, { T("int x;\n") }, "```c\nint x;\n```", 0 },
	{ "code block cyrillic", {{ .kind = BLOCK_CODE, .n_spans = 1 }}, { T("да") }, "```text\nда\n```", 0 },
	{ "code block, bad language", {{ .kind = BLOCK_CODE, .lang = "a\nb", .n_spans = 1 }}, { T("x") }, "```\nx\n```", 0 },
	{ "code block with fence", {{ .kind = BLOCK_CODE, .n_spans = 1 }}, { T("```\n@x") }, "```\n``" WJ "`\n@" WJ "x\n```", 0 },
	{ "code block in quote", {{ .kind = BLOCK_CODE, .quote = 1, .n_spans = 1 }}, { T("x") }, "```\nx\n```", LOSS_STYLE },
	{ "two code blocks", {{ .kind = BLOCK_CODE, .n_spans = 1 }, { .kind = BLOCK_CODE, .n_spans = 1 }, { .n_spans = 1 }}, { T("x"), T("y"), T("z") },
	  "```\nx\n```\n```\ny\n```\nz", 0 },
	{ "nothing", {{ .n_spans = 0 }}, { T("") }, "", 0 },
};

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct row r = rows[i];
		struct arena a;
		arena_init(&a);
		size_t at = 0, nb = 0;
		for (; nb < countof(r.b) && (r.b[nb].n_spans || r.b[nb].kind == BLOCK_RULE); nb++) {
			if (!r.b[nb].kind)
				r.b[nb].kind = BLOCK_PARA;
			r.b[nb].spans = r.s + at;
			at += r.b[nb].n_spans;
		}
		struct text t = { r.b, nb };
		const char *const *parts;
		size_t n;
		uint32_t loss = 0;
		md_render(&md_pachca, &t, &res, 40000, &a, &parts, &n, &loss);
		assert_int_equal(n, 1);
		if (!streq(parts[0], r.want))
			fail_msg("%s: got '%s', expected '%s'", r.name, parts[0], r.want);
		if (loss != r.loss)
			fail_msg("%s: loss %x, expected %x", r.name, loss, r.loss);
		arena_release(&a);
	}
}

/* ---- parts ---- */

static uint32_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static const char *const words[] = {
	"слово ", "word ", "a", "👩‍👩‍👧 ", "é", "\n", "line\n", "**", "*x*", "_y_ ", "`", "```", "@nick ", "<@12> ", "ivan@corp.ru ", "https://x.ru/@a ", "~~",
	"[a](b) ", "  ", "\t", "длинноесловобезпробелов", "x;y;z;", "]", "(",
};

static char *random_text(struct arena *a, uint32_t n)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	for (uint32_t i = 0; i < n; i++)
		buf_adds(&b, words[rnd(countof(words))]);
	char *s = arena_strdup(a, b.p);
	buf_release(&b);
	return s;
}

/* The words of a rendering: markers, joiners, blanks, fence lines and prefixes taken away. */
static void essence(const char *s, struct buf *out)
{
	for (; *s; s++) {
		if (!strncmp(s, WJ, 3) || !strncmp(s, HAIR, 3) || !strncmp(s, "\xcb\x8b", 2))
			s += (unsigned char)*s == 0xcb ? 1 : 2;
		else if (!strchr("*_~`>. \t\n", *s))
			buf_addc(out, *s);
	}
}

static void no_ping(const char *s)
{
	for (const char *p = strchr(s, '@'); p; p = strchr(p + 1, '@')) {
		bool quiet = !p[1] || strchr(" \t\n", p[1]) || !strncmp(p + 1, WJ, 3) || !strncmp(p + 1, "*", 1) || !strncmp(p + 1, "`", 1) || strchr("_~", p[1]);
		/* behind a letter, and whole but for where a part ends (behind it only markers) */
		bool email = p > s && p[-1] == 'n' && (!strncmp(p, "@corp.ru", 8) || strcspn(p, "*_~`\n") < 8);
		if (!quiet && !email)
			fail_msg("a mention is alive: '%.40s'", p);
	}
}

static void fences_closed(const char *s)
{
	int n = 0;
	for (const char *p = s; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		n += !strncmp(p, "```", 3);
		if (!*p)
			break;
	}
	if (n % 2)
		fail_msg("an open fence: '%s'", s);
}

static void parts_are_valid(void **state)
{
	(void)state;
	for (seed = 1; seed < 400 * 7919u;) {
		uint32_t mine = seed;
		struct arena a;
		arena_init(&a);
		struct block b[6];
		struct span sp[6][4];
		size_t nb = 1 + rnd(6);
		for (size_t i = 0; i < nb; i++) {
			static const enum block_kind kinds[] = { BLOCK_PARA, BLOCK_PARA, BLOCK_ITEM, BLOCK_CODE, BLOCK_HEADING, BLOCK_NOTE };
			b[i] = (struct block){ .kind = kinds[rnd(6)], .quote = rnd(4) ? 0 : (int)rnd(3), .indent = (int)rnd(4), .spans = sp[i], .n_spans = 1 + rnd(4) };
			for (size_t k = 0; k < b[i].n_spans; k++) {
				uint32_t style = b[i].kind == BLOCK_CODE || rnd(3) ? 0 : 1u << rnd(4);
				sp[i][k] = (struct span){ SPAN_TEXT, style, random_text(&a, rnd(60)), "", "" };
			}
		}
		struct text t = { b, nb };
		const char *const *one, *const *many;
		size_t n_one, n_many;
		uint32_t loss_one = 0, loss_many = 0;
		size_t max = 256 + rnd(600);
		md_render(&md_pachca, &t, &res, 1 << 24, &a, &one, &n_one, &loss_one);
		md_render(&md_pachca, &t, &res, max, &a, &many, &n_many, &loss_many);
		assert_int_equal(n_one, 1);
		assert_int_equal(!!(loss_many & LOSS_SPLIT), n_many > 1);
		struct buf whole, sum;
		buf_init(&whole, 1 << 22);
		buf_init(&sum, 1 << 22);
		essence(one[0], &whole);
		for (size_t i = 0; i < n_many; i++) {
			if (strlen(many[i]) > max)
				fail_msg("seed %u: part of %zu bytes, at most %zu", mine, strlen(many[i]), max);
			assert_true(utf8_valid(many[i], strlen(many[i])));
			no_ping(many[i]);
			fences_closed(many[i]);
			/* a fence reopened with its language is not new text */
			const char *p = many[i];
			if (!strncmp(p, "```text\n", 8) && i)
				p += 7;
			essence(p, &sum);
		}
		/* languages of reopened fences apart, nothing is lost or doubled */
		if (!strstr(one[0], "```text") && !streq(whole.p, sum.p))
			fail_msg("seed %u, max %zu: the parts say something else\n%s\n---\n%s", mine, max, whole.p, sum.p);
		buf_release(&whole);
		buf_release(&sum);
		arena_release(&a);
		seed = mine + 7919;
	}
}

static void split_places(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a);
	char p1[200], p2[200];
	memset(p1, 'a', sizeof(p1) - 1);
	memset(p2, 'b', sizeof(p2) - 1);
	p1[199] = p2[199] = '\0';
	struct span s[] = { T(p1), T(p2) };
	struct block b[] = {{ .kind = BLOCK_PARA, .spans = s, .n_spans = 1 }, { .kind = BLOCK_PARA, .spans = s + 1, .n_spans = 1 }};
	struct text t = { b, 2 };
	const char *const *parts;
	size_t n;
	uint32_t loss = 0;
	md_render(&md_pachca, &t, NULL, 256, &a, &parts, &n, &loss);
	assert_int_equal(n, 2);
	assert_string_equal(parts[0], p1);
	assert_string_equal(parts[1], p2);
	assert_int_equal(loss, LOSS_SPLIT);

	/* code: fences closed and opened again, with the language */
	char code[700] = "";
	for (int i = 0; i < 60; i++)
		strcat(code, "line of x\n");
	struct span cs = T(code);
	struct block cb = { .kind = BLOCK_CODE, .lang = "sh", .spans = &cs, .n_spans = 1 };
	struct text ct = { &cb, 1 };
	md_render(&md_pachca, &ct, NULL, 256, &a, &parts, &n, &loss);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(strncmp(parts[i], "```sh\nline", 10), 0);
		assert_string_equal(parts[i] + strlen(parts[i]) - 5, "x\n```");
	}

	/* a long bold line: cut between words, bold in every part */
	char words_[900] = "";
	for (int i = 0; i < 80; i++)
		strcat(words_, "long word ");
	struct span bs = S(B, words_);
	struct block bb = { .kind = BLOCK_PARA, .spans = &bs, .n_spans = 1 };
	struct text bt = { &bb, 1 };
	md_render(&md_pachca, &bt, NULL, 256, &a, &parts, &n, &loss);
	assert_in_range(n, 4, 5);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(strncmp(parts[i], "**", 2), 0);
		assert_true(strstr(parts[i], "word**") || strstr(parts[i], "long**"));
	}

	/* what fits whole is not cut; what is cut is never joined again with a line break */
	struct span ls = S(B, p1);
	struct block lb = { .kind = BLOCK_PARA, .spans = &ls, .n_spans = 1 };
	struct text lt = { &lb, 1 };
	char most[253], over[262];
	memset(most, 'c', sizeof(most));
	most[252] = '\0';
	ls.text = most;
	md_render(&md_pachca, &lt, NULL, 256, &a, &parts, &n, &loss);
	assert_int_equal(n, 1);
	assert_int_equal(strlen(parts[0]), 256);
	memset(over, 'c', sizeof(over));
	over[253] = '\0';
	ls.text = over;
	md_render(&md_pachca, &lt, NULL, 256, &a, &parts, &n, &loss);
	assert_int_equal(n, 2);
	assert_int_equal(strlen(parts[0]) + strlen(parts[1]), 253 + 8);
	assert_null(strchr(parts[0], '\n'));

	/* an address is not cut in front of its '@': the rest would be a mention */
	char mail[300];
	memset(mail, 'm', sizeof(mail));
	for (size_t at = 200; at < 260; at++) {
		memcpy(mail + at, "@corp.ru", 9);
		ls.text = mail;
		md_render(&md_pachca, &lt, NULL, 256, &a, &parts, &n, &loss);
		for (size_t i = 0; i < n; i++)
			assert_null(strstr(parts[i], "*@"));
		memset(mail, 'm', sizeof(mail));
	}

	/* a cut line's end stays apart even where it would fit: two styles leave room in the first part */
	struct span two[] = { S(B, most), S(I, "0123456789") };
	struct block tb = { .kind = BLOCK_PARA, .spans = two, .n_spans = 2 };
	struct text tt = { &tb, 1 };
	most[230] = '\0';
	md_render(&md_pachca, &tt, NULL, 256, &a, &parts, &n, &loss);
	for (size_t i = 0; i < n; i++)
		assert_null(strchr(parts[i], '\n'));
	arena_release(&a);
}

static void plain_names(void **state)
{
	(void)state;
	struct arena a;
	struct buf b;
	arena_init(&a);
	buf_init(&b, 1000);
	md_plain("@all *a* \n.jpg", &a, &b);
	assert_string_equal(b.p, "@" WJ "all *" HAIR "a*  .jpg");
	buf_release(&b);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table), cmocka_unit_test(parts_are_valid), cmocka_unit_test(split_places), cmocka_unit_test(plain_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
