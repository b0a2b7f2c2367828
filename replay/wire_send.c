/* wire_send.c: a request on its way: what libcurl is told, and what it calls meanwhile. Promises: a mutating request leaves this
 * machine at most once (why that needs care: wire.c); a file is sent exactly as long as was announced or not at all.
 * Called by wire.c and, through wire_send, by the engine. */
#include "replay/wire_in.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* ---- what libcurl calls ---- */

static bool local_failure(struct call *c, const char *what)
{
	if (c->local.code == ERR_NONE)
		err_set(&c->local, ERR_ARCHIVE, "%s", what);
	return false;
}

/* The file's part of the body: exactly as long as was announced, and intact to its end (the archive's checksum). */
static bool read_file_part(struct call *c, char *dst, size_t n, size_t *got)
{
	int64_t left = (int64_t)c->body_len + c->file_size - c->pos;
	size_t want = (int64_t)n < left ? n : (size_t)left;
	ptrdiff_t r = vfile_read(c->vf, dst, want, &c->local);
	if (r < 0)
		return local_failure(c, "the file cannot be read");
	if (r == 0)
		return local_failure(c, "the file is shorter than the archive says");
	*got = (size_t)r;
	if (r < left)
		return true;
	char one;
	ptrdiff_t more = vfile_read(c->vf, &one, 1, &c->local);
	if (more < 0)
		return local_failure(c, "the file cannot be read");
	if (more > 0)
		return local_failure(c, "the file is longer than the archive says");
	vfile_close(c->vf);
	c->vf = NULL;
	return true;
}

static size_t on_read(char *dst, size_t size, size_t count, void *ctx)
{
	struct call *c = ctx;
	size_t n = size * count, got = 0;
	int64_t tail_at = (int64_t)c->body_len + c->file_size;
	c->w->events++;
	if (c->pos < (int64_t)c->body_len) {
		size_t left = c->body_len - (size_t)c->pos;
		got = n < left ? n : left;
		memcpy(dst, c->body + c->pos, got);
	} else if (c->pos < tail_at) {
		if (!read_file_part(c, dst, n, &got))
			return CURL_READFUNC_ABORT;
		/* A large file may take as long as it takes, while it moves. */
		c->done_by_us = clock_mono_us() + c->w->total_us;
	} else if (c->pos < c->total) {
		size_t off = (size_t)(c->pos - tail_at), left = c->tail_len - off;
		got = n < left ? n : left;
		memcpy(dst, c->tail + off, got);
	}
	c->pos += (int64_t)got;
	return got;
}

static size_t on_write(char *p, size_t size, size_t count, void *ctx)
{
	struct call *c = ctx;
	size_t n = size * count;
	c->w->events++;
	if (n > c->answer.max - c->answer.len) {
		c->too_large = true;
		return n + 1; /* anything but n aborts, also when n is 0 */
	}
	buf_add(&c->answer, p, n);
	return n;
}

static void keep_header(const char *line, size_t n, const char *name, char out[HEADER_TEXT])
{
	size_t k = strlen(name);
	if (n <= k || strncasecmp(line, name, k) || line[k] != ':')
		return;
	line += k + 1;
	n -= k + 1;
	while (n && (*line == ' ' || *line == '\t'))
		line++, n--;
	while (n && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' ' || line[n - 1] == '\t'))
		n--;
	out[0] = '\0';
	if (n < HEADER_TEXT && utf8_valid(line, n) && !memchr(line, '\0', n)) {
		memcpy(out, line, n);
		out[n] = '\0';
	}
}

static size_t on_header(char *p, size_t size, size_t count, void *ctx)
{
	struct call *c = ctx;
	size_t n = size * count;
	c->w->events++;
	c->head += n;
	if (c->head > HEAD_MAX) {
		c->too_large = true;
		return n + 1;
	}
	if (n >= 5 && !memcmp(p, "HTTP/", 5)) /* a new answer begins: what came with a 1xx does not count */
		c->retry_after[0] = c->date[0] = c->content_type[0] = '\0';
	keep_header(p, n, "Retry-After", c->retry_after);
	keep_header(p, n, "Date", c->date);
	keep_header(p, n, "Content-Type", c->content_type);
	if (clock_is_virtual())
		keep_header(p, n, "X-Mvchat-Took", c->took);
	return n;
}

/* ---- sending ---- */

static const char *const METHODS[] = { "GET", "POST", "PUT", "DELETE", "PATCH" };

static const char *known_method(const char *m)
{
	for (size_t i = 0; m && i < countof(METHODS); i++)
		if (streq(m, METHODS[i]))
			return METHODS[i];
	return NULL;
}

/* line: constant, or in the call's arena. */
static void add_header(struct call *c, const char *line)
{
	if (c->n_headers == HEADERS_MAX)
		die("a request with too many header fields");
	struct curl_slist *h = &c->header[c->n_headers];
	h->data = (char *)(uintptr_t)line;
	h->next = NULL;
	if (c->n_headers++)
		h[-1].next = h;
}

static bool make_url(struct wire *w, struct call *c, const struct http_req *r, char **url, struct origin *o, struct err *e)
{
	if (r->path[0] == '/') {
		*url = arena_fmt(&c->arena, "%s%s", w->base, r->path);
		for (const char *s = r->path; *s; s++)
			if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
				return err_set(e, ERR_INTERNAL, "an address with blanks or characters beyond ASCII");
		*o = w->origin; /* what begins with a slash comes after the host's name */
		const char *shown = r->path;
		c->shown = arena_strndup(&c->arena, shown, strcspn(shown, "?#"));
		return true;
	}
	*url = arena_strdup(&c->arena, r->path);
	if (!wire_origin_of(*url, o, ERR_TARGET, e))
		return err_wrap(e, "the target handed out an address that is not used");
	if (r->auth != AUTH_NONE && !wire_same_origin(o, &w->origin))
		return err_set(e, ERR_TARGET, "the target's token must not go to %s", o->host);
	c->shown = arena_strdup(&c->arena, o->host); /* paths of upload addresses may be capabilities */
	return true;
}

static bool make_headers(struct wire *w, struct call *c, const struct http_req *r, bool has_body, struct err *e)
{
	const char *token = r->auth == AUTH_ADMIN ? w->admin : r->auth == AUTH_BOT && r->bot >= 0 && (size_t)r->bot < w->n_bots ? w->bot[r->bot] : NULL;
	if (r->auth != AUTH_NONE && !(token && *token))
		return err_set(e, ERR_USAGE, "no %s token was given", r->auth == AUTH_ADMIN ? "administrator's" : "bot");
	if (r->content_type && !wire_header_safe(r->content_type))
		return err_set(e, ERR_INTERNAL, "a content type with control characters");
	if (token)
		add_header(c, arena_fmt(&c->arena, "Authorization: Bearer %s", token));
	if (has_body && r->content_type)
		add_header(c, arena_fmt(&c->arena, "Content-Type: %s", r->content_type));
	else
		add_header(c, "Content-Type:"); /* libcurl would claim a form */
	add_header(c, "Expect:");           /* no waiting for "100 Continue" */
	add_header(c, "Accept-Encoding: gzip"); /* what libcurl would say itself, only that it puts its own together anew each time */
	if (clock_is_virtual())
		add_header(c, arena_fmt(&c->arena, "X-Mvchat-Now: %lld %ld", (long long)clock_wall_us(), (long)getpid()));
	return true;
}

/* What a handle is told once for all requests that are alike in this. */
enum shape { SHAPE_TOLD = 1, SHAPE_HTTPS = 2, SHAPE_STREAM = 4, SHAPE_BODY = 8, SHAPE_EMPTY_BODY = 16, SHAPE_ALONE = 32, SHAPE_METHOD = 64 /* times its number */ };

static uint32_t shape_of(const struct call *c, const struct origin *o, bool has_body)
{
	uint32_t method = 0;
	while (METHODS[method] != c->method)
		method++;
	bool empty_body = !has_body && !streq(c->method, "GET") && !streq(c->method, "DELETE");
	return SHAPE_TOLD | (o->https ? SHAPE_HTTPS : 0) | (c->vf ? SHAPE_STREAM : 0) | (has_body ? SHAPE_BODY : 0) | (empty_body ? SHAPE_EMPTY_BODY : 0) |
	       (c->writes && !has_body ? SHAPE_ALONE : 0) | method * SHAPE_METHOD;
}

static void tell_shape(struct wire *w, struct call *c, uint32_t shape)
{
	CURL *h = c->easy;
	bool https = shape & SHAPE_HTTPS;
	curl_easy_setopt(h, CURLOPT_PRIVATE, c);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->errbuf);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "mvchat/" MVCHAT_VERSION);
	curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	/* Messages are short, and of files hundreds may be under way: TLS takes no more at once either. What storage answers is shorter still. */
	curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
	curl_easy_setopt(h, CURLOPT_BUFFERSIZE, shape & SHAPE_STREAM ? 4096L : 16384L);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(h, CURLOPT_MAXAGE_CONN, (long)IDLE_CONNECTION_S);
	/* Ours are the timeouts that count, on the one clock; libcurl's own default for connecting must only not cut in. */
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)(w->connect_us / 1000) + 1000);
#if LIBCURL_VERSION_NUM >= 0x075500 /* 7.85 */
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, https ? "https" : "http");
#else
	curl_easy_setopt(h, CURLOPT_PROTOCOLS, (long)(https ? CURLPROTO_HTTPS : CURLPROTO_HTTP));
#endif
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)(shape & SHAPE_ALONE ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
	curl_easy_setopt(h, CURLOPT_PIPEWAIT, https ? 1L : 0L);
	if (w->cacert)
		curl_easy_setopt(h, CURLOPT_CAINFO, w->cacert);
	/* Plain http is for loopback and must not leave it through a proxy, least of all one of the environment. */
	if (https ? w->proxy != NULL : w->proxy && w->proxy_loopback)
		curl_easy_setopt(h, CURLOPT_PROXY, w->proxy);
	else if (!https)
		curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, c);
	bool body = shape & (SHAPE_BODY | SHAPE_EMPTY_BODY);
	if (body)
		curl_easy_setopt(h, CURLOPT_POST, 1L);
	if (!streq(c->method, body ? "POST" : "GET"))
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, c->method);
	if (shape & SHAPE_BODY) {
		/* No SEEKFUNCTION and no IOCTLFUNCTION: see the head of wire.c. */
		curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(h, CURLOPT_READDATA, c);
	} else if (shape & SHAPE_EMPTY_BODY) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, "");
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
	}
	if (shape & SHAPE_ALONE) {
		curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(h, CURLOPT_FORBID_REUSE, 1L);
	}
}

/* A handle keeps what it was told: only a request of another shape than its last is told everything. */
static void set_options(struct wire *w, struct call *c, const char *url, const struct origin *o, bool has_body)
{
	uint32_t shape = shape_of(c, o, has_body);
	if (c->shape != shape) {
		if (c->shape)
			curl_easy_reset(c->easy);
		tell_shape(w, c, shape);
		c->shape = shape;
	}
	curl_easy_setopt(c->easy, CURLOPT_URL, url);
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->header);
	if (has_body)
		curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->total);
}

static void copy_file(struct arena *a, struct file *to, const struct file *f)
{
	*to = *f;
	to->id = arena_strdup(a, f->id);
	to->name = arena_strdup(a, f->name);
	to->title = arena_strdup(a, f->title);
	to->mime = arena_strdup(a, f->mime);
	to->url = arena_strdup(a, f->url);
	to->permalink = arena_strdup(a, f->permalink);
	to->preview = arena_strdup(a, f->preview);
	to->entry = arena_strdup(a, f->entry);
}

struct vfile *wire_file(struct wire *w, const struct file *f, struct err *e)
{
	if (w->open_file)
		return w->open_file(w->ctx, f, e);
	err_set(e, ERR_ARCHIVE, "no archive to read files from");
	return NULL;
}

/* Opens the file to be streamed now, so that one that is not there costs no request. */
static bool open_stream(struct wire *w, struct call *c, const struct file *f)
{
	struct file copy;
	copy_file(&c->arena, &copy, f);
	if (copy.size < 0)
		return local_failure(c, "the file's size is not known");
	if (!w->open_file)
		return local_failure(c, "no archive to read files from");
	c->vf = w->open_file(w->ctx, &copy, &c->local);
	if (!c->vf)
		return local_failure(c, "the file cannot be opened");
	c->file_size = copy.size;
	char one;
	if (copy.size == 0 && vfile_read(c->vf, &one, 1, &c->local) != 0)
		return local_failure(c, "the file is not empty, as the archive says it is");
	return true;
}

void wire_end(struct call *c, enum wire_class cls)
{
	struct wire *w = c->w;
	c->cls = cls;
	if (c->vf)
		vfile_close(c->vf);
	c->vf = NULL;
	list_push(&w->done, c);
	w->events++;
	if (log_enabled(LOG_DEBUG))
		log_debug("http.done", "%s %s: %d%s%s", c->method, c->shown, c->status, c->why[0] ? ", " : "", c->why);
}

void wire_end_local(struct call *c)
{
	struct buf b;
	buf_init(&b, sizeof(c->why) * 2);
	log_redact(c->local.msg, strlen(c->local.msg), &b);
	fmt_into(c->why, sizeof(c->why), "%s", b.p);
	buf_release(&b);
	wire_end(c, WIRE_LOCAL);
}

struct call *wire_start(struct wire *w, const struct http_req *r, void *tag, bool waited_for, struct err *e)
{
	struct call *c = wire_call_new(w);
	struct origin o;
	char *url = NULL;
	c->tag = tag;
	c->waited_for = waited_for;
	c->writes = r->writes;
	c->method = known_method(r->method);
	c->shown = "";
	c->retry_after_s = -1;
	bool has_body = r->body_len > 0 || r->tail_len > 0 || r->stream;
	if (!c->method || !r->path || (has_body && streq(c->method, "GET"))) {
		err_set(e, ERR_INTERNAL, "a request that HTTP does not have");
		goto refused;
	}
	if (!make_url(w, c, r, &url, &o, e) || !make_headers(w, c, r, has_body, e))
		goto refused;
	c->body = arena_memdup(&c->arena, r->body ? r->body : "", r->body_len);
	c->body_len = r->body_len;
	c->tail = arena_memdup(&c->arena, r->tail ? r->tail : "", r->tail_len);
	c->tail_len = r->tail_len;
	if (r->stream && !open_stream(w, c, r->stream)) {
		wire_end_local(c);
		return c;
	}
	c->total = (int64_t)c->body_len + c->file_size + (int64_t)c->tail_len;
	has_body = c->total > 0;
	set_options(w, c, url, &o, has_body);
	c->connect_by_us = clock_mono_us() + w->connect_us;
	c->sent_us = clock_mono_us();
	c->done_by_us = c->sent_us + w->total_us;
	if (curl_multi_add_handle(w->multi, c->easy) != CURLM_OK)
		die("libcurl does not take a request");
	c->round = w->rounds;
	list_push(&w->active, c);
	w->fresh = true;
	w->started++;
	w->writes += r->writes;
	w->events++;
	return c;
refused:
	wire_recycle(w, c);
	return NULL;
}

bool wire_send(struct wire *w, const struct http_req *r, void *tag, struct err *e)
{
	return wire_start(w, r, tag, false, e) != NULL;
}

void wire_first_bot(struct wire *w, int bot)
{
	if (bot <= 0 || (size_t)bot >= w->n_bots)
		return;
	char *was = w->bot[0];
	w->bot[0] = w->bot[bot];
	w->bot[bot] = was;
}
