/* Any bytes as an answer of Pachca's API or of its file storage: no crash, no endless loop, and the outcome keeps its shape
 * (DONE has an id, MORE a carry, everything else a reason). Input: op or list kind, step, status, Retry-After, then the body. */
#include "exporters/exporter.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_op(const struct target *t, const uint8_t *d, const struct http_resp *r, struct arena *a)
{
	static const char *const ids[] = { "1", "2" };
	static const struct file file = { .name = "x.png", .state = FILE_PRESENT, .kind = FILE_IMAGE, .size = 3 };
	struct op op = {
		.key = { .conv = 1, .ts_us = 2, .id = "m", .kind = (enum op_kind)(1 + d[0] % OP_DELETE), .part = 0 },
		.chat = "3", .target_id = "4", .email = "a@example.org", .name = "x.png", .ids = ids, .n_ids = 1 + (d[1] & 1),
		.label = "", .body = "text", .file = &file, .emoji = "+", .step = d[1] >> 1 & 1, .suspended = d[1] >> 2 & 1,
		.carry = "{\"url\":\"https://x.example.org\",\"key\":\"k\",\"fields\":[]}",
	};
	struct outcome out;
	exporter_pachca.parse(t, &op, r, a, &out);
	bool fine = out.v == V_DONE ? out.id && *out.id : out.v == V_MORE ? out.carry && *out.carry : out.why && *out.why;
	if (!fine)
		abort();
	if (out.v == V_MORE) { /* what the first half left must be good for the second */
		struct http_req q;
		op.step = 1;
		op.carry = out.carry;
		if (!exporter_pachca.build(t, &op, a, &q, NULL))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 5)
		return 0;
	struct arena a;
	arena_init(&a);
	char *body = xstrndup((const char *)data + 5, size - 5);
	struct http_resp r = {
		.status = 200 + (data[2] | data[3] << 8) % 400, .body = body, .len = size - 5, .content_type = "",
		.retry_after_s = data[4] == 255 ? -1 : data[4],
	};
	struct err e = ERR_INIT;
	struct target *t = exporter_pachca.configure(NULL, &a, &e);
	if (data[0] & 128) {
		struct page page;
		enum list_kind kind = (enum list_kind)(data[0] % (LIST_USERS_FIND + 1));
		if (exporter_pachca.list_parse(t, kind, &r, &a, &page, &e))
			for (size_t i = 0; i < page.n; i++)
				if (!page.v[i].id || !page.v[i].name || !page.v[i].body)
					abort();
	} else if (data[0] & 64) {
		exporter_pachca.hello_parse(t, data[1] % 4, &r, &a, &e);
	} else {
		one_op(t, data, &r, &a);
	}
	free(body);
	arena_release(&a);
	return 0;
}
