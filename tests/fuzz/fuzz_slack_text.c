/* fuzz_slack_text.c: Slack's texts under arbitrary bytes (libFuzzer's entry point).
 *
 * First byte: 0..127 the rest is mrkdwn, 128..255 it is a JSON array of blocks. Properties: no crash; every string of the result is
 * valid UTF-8 without NULs; styles and kinds are in range; mrkdwn without any markup comes out as it went in.
 */
#include "core/json.h"
#include "core/utf8.h"
#include "importers/emoji.h"
#include "importers/slack_text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check(const struct text *t)
{
	for (size_t i = 0; i < t->n_blocks; i++) {
		const struct block *bl = &t->blocks[i];
		must(bl->kind <= BLOCK_NOTE && bl->quote >= 0 && bl->indent >= 0 && bl->ordinal >= 0);
		must(!bl->lang || utf8_valid(bl->lang, strlen(bl->lang)));
		for (size_t k = 0; k < bl->n_spans; k++) {
			const struct span *s = &bl->spans[k];
			must(s->kind <= SPAN_CALL && s->style < 32);
			must(utf8_valid(s->text, strlen(s->text)) && utf8_valid(s->ref, strlen(s->ref)) && utf8_valid(s->url, strlen(s->url)));
		}
	}
}

static bool has_markup(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strchr("*_~`<>&:", s[i]) || (unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return true;
	return n == 0 || s[0] == ' ' || s[n - 1] == ' ';
}

/* Trimming blank edges is text_end's business, and it knows more blanks than the space. */
static bool blank_edges(const char *s, size_t n)
{
	return (unsigned char)s[0] >= 0x80 || (unsigned char)s[n - 1] >= 0x80;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 256 * 1024)
		return 0;
	struct arena a;
	struct buf in, words;
	struct text_builder b;
	arena_init(&a);
	buf_init(&in, 1 << 20);
	buf_init(&words, 4 << 20);
	utf8_repair((const char *)data + 1, size - 1, &in); /* the JSON reader hands over valid UTF-8 only */
	text_begin(&b, &a);
	if (data[0] < 128) {
		slack_mrkdwn(&b, in.p, in.len, NULL);
		struct text t = text_end(&b);
		check(&t);
		text_plaintext(&t, &words);
		if (!has_markup(in.p, in.len) && !blank_edges(in.p, in.len))
			must(strcmp(words.p, in.p) == 0);
		const char *found = NULL;
		must(!strstr(slack_untoken(&a, in.p, &found), "xoxe-12345678"));
	} else {
		const struct jv *v = jv_parse(&a, in.p, in.len, NULL);
		slack_blocks(&b, v, NULL);
		struct text t = text_end(&b);
		check(&t);
		text_plaintext(&t, &words);
	}
	must(utf8_valid(words.p, words.len));
	buf_release(&words);
	buf_release(&in);
	arena_release(&a);
	return 0;
}
