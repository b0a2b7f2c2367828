/* stop_check.h: a sink that has enough ends the walk at once, with an error; the same source can be walked again. Conformance tests
 * of importers; include cmocka before it. */
#ifndef MVCHAT_TESTS_STOP_CHECK_H
#define MVCHAT_TESTS_STOP_CHECK_H

#include "tests/conform/jsonl_sink.h"

struct stop_sink { struct jsonl j; size_t after; }; /* j first: jsonl's functions get it */

static bool stop_msg(void *ctx, const char *conv_id, const struct msg *m)
{
	struct stop_sink *s = ctx;
	jsonl_msg(&s->j, conv_id, m);
	return s->j.msgs < s->after;
}

/* Stops after 1, 1 + step, … messages, below `below`. */
static void stop_check(const struct importer *im, const char *archive, size_t below, size_t step)
{
	struct err e = ERR_INIT;
	struct vault *v = vault_open(archive, NULL, NULL, &e);
	assert_non_null(v);
	struct source *s = im->open(v, NULL, &e);
	assert_non_null(s);
	for (size_t after = 1; after < below; after += step) {
		struct stop_sink got = { .after = after };
		struct sink sink;
		struct arena arena;
		jsonl_sink(&got.j, &sink, 8 * 1024 * 1024);
		sink.ctx = &got;
		sink.msg = stop_msg;
		arena_init(&arena);
		assert_false(im->walk(s, &sink, &arena, &e));
		assert_int_equal(got.j.msgs, after);
		arena_release(&arena);
		buf_release(&got.j.out);
	}
	im->close(s);
	vault_close(v);
}

#endif
