/* Rich text: what the builder joins, drops and trims, and what remains as words. */
#include "core/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena a;

static int begin(void **state)
{
	(void)state;
	arena_init(&a);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_release(&a);
	return 0;
}

/* A text as one string: "kind[style:text|...]" for each block, so that cases can be compared. */
static const char *shown(const struct text *t)
{
	static const char *const blocks[] = { "para", "heading", "item", "code", "rule", "row", "note" };
	static const char *const spans[] = { "", "link ", "user ", "conv ", "group ", "all ", "emoji ", "date ", "msg ", "cell " };
	struct buf b;
	buf_init(&b, 10000);
	for (size_t i = 0; i < t->n_blocks; i++) {
		const struct block *k = &t->blocks[i];
		buf_addf(&b, "%s%s", i ? " " : "", blocks[k->kind]);
		if (k->quote)
			buf_addf(&b, ">%d", k->quote);
		buf_addc(&b, '[');
		for (size_t j = 0; j < k->n_spans; j++)
			buf_addf(&b, "%s%s%u:%s", j ? "|" : "", spans[k->spans[j].kind], k->spans[j].style, k->spans[j].text);
		buf_addc(&b, ']');
	}
	const char *s = arena_strdup(&a, b.p);
	buf_release(&b);
	return s;
}

static void plain(struct text_builder *b, uint32_t style, const char *s)
{
	text_plain(b, style, s, strlen(s));
}

static void test_join(void **state)
{
	(void)state;
	struct text_builder b;
	text_begin(&b, &a);
	for (int i = 0; i < 100; i++)
		plain(&b, 0, "ab");
	plain(&b, STYLE_BOLD, "c");
	plain(&b, STYLE_BOLD, "");
	text_span(&b, SPAN_TEXT, STYLE_BOLD, NULL, NULL, NULL);
	plain(&b, STYLE_BOLD, "d");
	text_span(&b, SPAN_LINK, 0, "li", NULL, "http://x");
	text_span(&b, SPAN_LINK, 0, "nk", NULL, "http://x");
	text_span(&b, SPAN_LINK, 0, "other", NULL, "http://y");
	text_span(&b, SPAN_USER, 0, "u", "U1", NULL);
	text_span(&b, SPAN_USER, 0, "u", "U1", NULL);
	struct text t = text_end(&b);
	assert_int_equal(t.n_blocks, 1);
	assert_int_equal(t.blocks[0].n_spans, 6);
	assert_int_equal(strlen(t.blocks[0].spans[0].text), 200);
	t.blocks[0].spans[0].text = "";
	assert_string_equal(shown(&t), "para[0:|1:cd|link 0:link|link 0:other|user 0:u|user 0:u]");
	assert_string_equal(t.blocks[0].spans[4].ref, "U1");
	assert_string_equal(t.blocks[0].spans[4].url, "");
}

static void test_edges(void **state)
{
	(void)state;
	static const struct { const char *in[4]; const char *out; } cases[] = {
		{ { "\n\n  a\n" }, "para[0:  a]" },
		{ { "  a  " }, "para[0:  a]" },
		{ { " \n \n", "a" }, "para[0:a]" },
		{ { "a\n\nb\n\n" }, "para[0:a\n\nb]" },
		{ { "\n \t\r\n" }, "" },
		{ { "" }, "" },
		{ { "\n", "*b", "\n" }, "para[1:b]" },
		{ { "*\n", "x", "*\n\n" }, "para[0:x]" },
		{ { "*\n  ", "x" }, "para[1:  |0:x]" },
	};
	for (size_t i = 0; i < countof(cases); i++) {
		struct text_builder b;
		text_begin(&b, &a);
		for (size_t k = 0; k < 4 && cases[i].in[k]; k++)
			plain(&b, cases[i].in[k][0] == '*', cases[i].in[k] + (cases[i].in[k][0] == '*'));
		struct text t = text_end(&b);
		assert_string_equal(shown(&t), cases[i].out);
		assert_int_equal(text_is_empty(&t), !*cases[i].out);
	}
}

static void test_blocks(void **state)
{
	(void)state;
	struct text_builder b;
	text_begin(&b, &a);
	text_block(&b, BLOCK_PARA);
	plain(&b, 0, " \n");
	text_block(&b, BLOCK_HEADING)->level = 2;
	plain(&b, 0, "\nTitle\n");
	text_block(&b, BLOCK_RULE);
	text_block(&b, BLOCK_NOTE);
	b.quote = 2;
	struct block *item = text_block(&b, BLOCK_ITEM);
	item->indent = 1;
	item->ordinal = 3;
	plain(&b, 0, "one");
	b.quote = 0;
	text_block(&b, BLOCK_CODE)->lang = "c";
	plain(&b, 0, "\n\n\tint x;\n\n");
	text_block(&b, BLOCK_ROW)->level = 1;
	plain(&b, 0, "c1");
	text_span(&b, SPAN_CELL, 0, NULL, NULL, NULL);
	text_span(&b, SPAN_CELL, 0, NULL, NULL, NULL);
	text_block(&b, BLOCK_ROW);
	text_span(&b, SPAN_CELL, 0, NULL, NULL, NULL);
	text_block(&b, BLOCK_PARA);
	struct text t = text_end(&b);
	assert_string_equal(shown(&t), "heading[0:Title\n] rule[] item>2[0:one] code[0:\tint x;] row[0:c1|cell 0:|cell 0:]");
	assert_int_equal(t.blocks[0].level, 2);
	assert_int_equal(t.blocks[2].ordinal, 3);
	assert_string_equal(t.blocks[3].lang, "c");
	assert_false(text_is_empty(&t));
}

static void test_goes_on_after_end(void **state)
{
	(void)state;
	struct text_builder b;
	text_begin(&b, &a);
	plain(&b, 0, "a");
	struct text first = text_end(&b);
	plain(&b, 0, "b");
	struct text second = text_end(&b);
	assert_string_equal(shown(&second), "para[0:ab]");
	assert_int_equal(first.n_blocks, 1);
	text_begin(&b, &a);
	assert_int_equal(text_end(&b).n_blocks, 0);
	plain(&b, 0, "c");
	second = text_end(&b);
	assert_string_equal(shown(&second), "para[0:c]");
}

static void test_words(void **state)
{
	(void)state;
	struct text_builder b;
	struct buf out;
	text_begin(&b, &a);
	plain(&b, STYLE_BOLD, "hi ");
	text_span(&b, SPAN_USER, 0, "Ann", "U1", NULL);
	text_span(&b, SPAN_USER, 0, "", "U2", NULL);
	text_span(&b, SPAN_USER, 0, "@Bob", "U3", NULL);
	text_span(&b, SPAN_CONV, 0, "general", "C1", NULL);
	text_span(&b, SPAN_CONV, 0, "", "C2", NULL);
	text_span(&b, SPAN_GROUP, 0, "@sales", "S1", NULL);
	text_span(&b, SPAN_BROADCAST, 0, "", "here", NULL);
	text_block(&b, BLOCK_ITEM);
	text_span(&b, SPAN_LINK, 0, "label", NULL, "http://x");
	text_span(&b, SPAN_LINK, 0, "", NULL, "http://y");
	text_span(&b, SPAN_EMOJI, 0, "\xf0\x9f\x91\x8d", "thumbsup", NULL);
	text_span(&b, SPAN_EMOJI, 0, "", "party", NULL);
	text_span(&b, SPAN_DATE, 0, "today", "1500000000", NULL);
	text_span(&b, SPAN_DATE, 0, "", "1500000000", NULL);
	text_span(&b, SPAN_MSG, 0, "", "C1/1.2", "http://z");
	text_block(&b, BLOCK_RULE);
	text_block(&b, BLOCK_ROW);
	plain(&b, 0, "a");
	text_span(&b, SPAN_CELL, 0, NULL, NULL, NULL);
	struct text t = text_end(&b);
	buf_init(&out, 1000);
	text_plaintext(&t, &out);
	assert_string_equal(out.p, "hi @Ann@U2@Bob#general#C2@sales@here\nlabelhttp://y\xf0\x9f\x91\x8d:party:today1500000000http://z\n\na\t");
	buf_release(&out);
}

static void test_from_plain(void **state)
{
	(void)state;
	struct text t = text_from_plain(&a, "a\nb");
	assert_string_equal(shown(&t), "para[0:a\nb]");
	t = text_from_plain(&a, "");
	assert_true(text_is_empty(&t));
	t = text_from_plain(&a, " \n");
	assert_int_equal(t.n_blocks, 0);
	t = (struct text){ 0 };
	assert_true(text_is_empty(&t));
}

static void test_many(void **state)
{
	(void)state;
	struct text_builder b;
	text_begin(&b, &a);
	for (int i = 0; i < 1000; i++) {
		text_block(&b, BLOCK_ITEM)->ordinal = i + 1;
		for (int k = 0; k < i % 7; k++)
			plain(&b, (uint32_t)(k & 1), "x");
	}
	struct text t = text_end(&b);
	size_t n = 0;
	for (int i = 0; i < 1000; i++) {
		if (i % 7 == 0)
			continue;
		assert_int_equal(t.blocks[n].ordinal, i + 1);
		assert_int_equal(t.blocks[n].n_spans, i % 7);
		n++;
	}
	assert_int_equal(t.n_blocks, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_join, begin, end),
		cmocka_unit_test_setup_teardown(test_edges, begin, end),
		cmocka_unit_test_setup_teardown(test_blocks, begin, end),
		cmocka_unit_test_setup_teardown(test_goes_on_after_end, begin, end),
		cmocka_unit_test_setup_teardown(test_words, begin, end),
		cmocka_unit_test_setup_teardown(test_from_plain, begin, end),
		cmocka_unit_test_setup_teardown(test_many, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
