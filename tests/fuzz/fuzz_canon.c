/* Any bytes as a canonical line of each type: what is accepted, written and read again is written the same. */
#include "core/canon.h"

#include "core/utf8.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) do { if (!(x)) die("property does not hold: %s", #x); } while (0)

static void check_msg(const struct msg *m)
{
	CHECK(m->id && *m->id && m->kind >= MSG_TEXT && m->kind <= MSG_SYSTEM);
	for (size_t i = 0; i < m->body.n_blocks; i++)
		for (size_t j = 0; j < m->body.blocks[i].n_spans; j++) {
			const struct span *s = &m->body.blocks[i].spans[j];
			CHECK(s->text && s->ref && s->url);
		}
	for (size_t i = 0; i < m->n_files; i++)
		CHECK(m->files[i].name && *m->files[i].name && m->files[i].state && m->files[i].kind);
	for (size_t i = 0; i < m->n_reacts; i++)
		CHECK(m->reacts[i].name && m->reacts[i].emoji);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data;
	struct arena a;
	struct buf one, two;
	if (size > 1 << 20)
		return 0;
	arena_init(&a);
	buf_init(&one, 64 << 20);
	buf_init(&two, 64 << 20);
	for (int type = 0; type < 3; type++) {
		struct err e = ERR_INIT;
		struct user u;
		struct conv c;
		struct msg m;
		const char *conv = NULL;
		bool ok;
		buf_reset(&one);
		buf_reset(&two);
		if (type == 0) {
			ok = canon_read_user(s, size, &a, &u, &e);
			if (ok) {
				canon_user(&u, &one);
				CHECK(canon_read_user(one.p, one.len, &a, &u, &e));
				canon_user(&u, &two);
			}
		} else if (type == 1) {
			ok = canon_read_conv(s, size, &a, &c, &e);
			if (ok) {
				canon_conv(&c, &one);
				CHECK(canon_read_conv(one.p, one.len, &a, &c, &e));
				canon_conv(&c, &two);
			}
		} else {
			ok = canon_read_msg(s, size, &a, &m, &conv, &e);
			if (ok) {
				check_msg(&m);
				const uint64_t fp = canon_msg_fp(&m);
				canon_msg(&m, conv, &one);
				CHECK(canon_read_msg(one.p, one.len, &a, &m, &conv, &e));
				CHECK(canon_msg_fp(&m) == fp);
				canon_msg(&m, conv, &two);
			}
		}
		CHECK(ok || (e.code == ERR_RECORD && e.msg[0]));
		CHECK(one.len == two.len && !memcmp(one.p, two.p, one.len));
		CHECK(utf8_valid(one.p, one.len) && !memchr(one.p, '\n', one.len));
	}
	buf_release(&one);
	buf_release(&two);
	arena_release(&a);
	return 0;
}
