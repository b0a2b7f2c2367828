/* The wire and files: streamed between body and tail, failing, left behind. */
#include "wire_server.h"

struct vfile { size_t size, pos, break_at; char salt; };
static struct vfile the_file;
static int files_open;

/* A file of the archive, in miniature: what core/vault does is tested there. */
static char byte_at(size_t i, char salt)
{
	return (char)(i * 31 + i / 251 + (unsigned char)salt);
}


ptrdiff_t vfile_read(void *v, char *dst, size_t n, struct err *e)
{
	struct vfile *f = v;
	if (f->break_at && f->pos >= f->break_at) {
		err_set(e, ERR_ARCHIVE, "checksum of the entry is wrong (" TOKEN ")");
		return -1;
	}
	size_t k = f->size - f->pos;
	k = k < n ? k : n;
	k = k < 1000 ? k : 1000; /* short reads */
	if (f->break_at && k > f->break_at - f->pos)
		k = f->break_at - f->pos;
	for (size_t i = 0; i < k; i++)
		dst[i] = byte_at(f->pos + i, f->salt);
	f->pos += k;
	return (ptrdiff_t)k;
}

void vfile_close(struct vfile *f)
{
	(void)f;
	files_open--;
}

static char opened[64];
static struct vfile *open_file(void *ctx, const struct file *f, struct err *e)
{
	assert_ptr_equal(ctx, &the_file);
	snprintf(opened, sizeof(opened), "%s", f->entry);
	if (!strcmp(f->entry, "missing")) {
		err_set(e, ERR_ARCHIVE, "no such entry: %s", f->entry);
		return NULL;
	}
	the_file.pos = 0;
	files_open++;
	return &the_file;
}

static void a_file_is_streamed_between_body_and_tail(void **state)
{
	(void)state;
	static const size_t SIZES[] = { 0, 1, 999, 1000, 1001, 65536, 1500000 };
	struct wire *w = open_with((struct wire_config){ .open_file = open_file, .ctx = &the_file });
	for (size_t i = 0; i < countof(SIZES); i++) {
		char entry[] = "files/one.bin";
		the_file = (struct vfile){ .size = SIZES[i], .salt = 's' };
		struct file f = { .name = "one.bin", .entry = entry, .size = (int64_t)SIZES[i], .state = FILE_PRESENT };
		struct http_req r = request("POST", "/form", "HEAD--");
		r.auth = AUTH_NONE;
		r.content_type = "multipart/form-data; boundary=x";
		r.stream = &f;
		r.tail = "--TAIL!";
		r.tail_len = 7;
		struct wire_done d = one(w, r);
		assert_int_equal(d.cls, WIRE_ANSWER);
		assert_string_equal(opened, "files/one.bin");
		const struct request *q = last();
		assert_int_equal(q->body_len, SIZES[i] + 13);
		assert_memory_equal(q->body, "HEAD--", 6);
		assert_null(strstr(q->head, "Expect")); /* libcurl would add it to the largest */
		for (size_t k = 0; k < SIZES[i]; k++)
			if (q->body[6 + k] != byte_at(k, 's'))
				fail_msg("byte %zu differs", k);
		assert_memory_equal(q->body + 6 + SIZES[i], "--TAIL!", 7);
		assert_int_equal(files_open, 0);
	}
	close_all(w);
}

static void a_file_that_fails_is_our_own_fault(void **state)
{
	(void)state;
	static const struct { const char *entry; size_t size, break_at; int64_t said; } T[] = {
		{ "short", 5000, 0, 5001 }, { "long", 5000, 0, 4999 }, { "broken", 5000, 3000, 5000 }, { "bad-checksum", 5000, 5000, 5000 },
		{ "missing", 0, 0, 10 }, { "unknown-size", 10, 0, -1 }, { "not-empty", 10, 0, 0 }, { "large-short", 900000, 0, 900001 },
	};
	struct wire *w = open_with((struct wire_config){ .open_file = open_file, .ctx = &the_file });
	for (size_t i = 0; i < countof(T); i++) {
		the_file = (struct vfile){ .size = T[i].size, .break_at = T[i].break_at };
		struct file f = { .name = "x", .entry = T[i].entry, .size = T[i].said, .state = FILE_PRESENT };
		struct http_req r = request("POST", "/form", "HEAD");
		r.stream = &f;
		r.tail = "TAIL";
		r.tail_len = 4;
		struct wire_done d = one(w, r);
		assert_int_equal(d.cls, WIRE_LOCAL);
		assert_int_equal(files_open, 0);
	}
	assert_int_equal(applied("/form"), 0); /* the server never saw a whole request */
	assert_int_equal(one(w, request("POST", "/ok", "m")).cls, WIRE_ANSWER);
	close_all(w);
}

static void closing_with_requests_under_way(void **state)
{
	(void)state;
	struct wire *w = open_with((struct wire_config){ .open_file = open_file, .ctx = &the_file });
	the_file = (struct vfile){ .size = 3000000 };
	struct file f = { .name = "x", .entry = "x", .size = 3000000, .state = FILE_PRESENT };
	struct http_req r = request("POST", "/form", "HEAD");
	r.stream = &f;
	assert_true(wire_send(w, &r, NULL, NULL));
	r = request("POST", "/ok", "m");
	assert_true(wire_send(w, &r, NULL, NULL));
	close_all(w);
	assert_int_equal(files_open, 0);
}

int main(void)
{
	static const char *const PROXY_VARS[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
	for (size_t i = 0; i < countof(PROXY_VARS); i++)
		unsetenv(PROXY_VARS[i]);
	const struct CMUnitTest tests[] = {
		served(a_file_is_streamed_between_body_and_tail), served(a_file_that_fails_is_our_own_fault),
		served(closing_with_requests_under_way),
	};
	return cmocka_run_group_tests_name("wire files", tests, NULL, NULL);
}
