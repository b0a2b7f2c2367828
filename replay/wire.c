/* wire.c: requests out, answers in, over one curl_multi handle.
 *
 * Promises: a mutating request leaves this machine at most once; a request whose fate is not certain is called WIRE_UNKNOWN
 * and never a success or a clean failure; tokens go only to the base address's own host, over https or loopback; memory for
 * answers, time for requests and the number of connections are bounded; no sentence made here holds a token or a query.
 * Called by session.c and engine.c. It does not retry, does not pace and does not look into bodies.
 *
 * Why bodies are read through a callback: libcurl sends a request again, by itself and up to five times, when a *reused*
 * connection dies before the first byte of the answer, whatever the method (curl lib/transfer.c, Curl_retry_request). The
 * server may have applied the first. A body from CURLOPT_READFUNCTION that cannot be rewound makes it give up with
 * CURLE_SEND_FAIL_REWIND instead. Without a body there is nothing to rewind, so such a request gets a connection of its own;
 * and HTTP/1.1, because a second stream on an HTTP/2 connection would make that connection a reused one while our request is
 * under way. tests/unit/test_wire.c pins both.
 */
#include "replay/wire.h"

#include "core/arena.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/utf8.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum {
	CONNECT_S = 15, TOTAL_S = 60, CONNECTIONS = 64, ANSWER_MAX = 32 << 20,
	HEAD_MAX = 256 << 10,     /* bytes of an answer's header fields; libcurl keeps each of them */
	KEEP_ANSWER = 256 << 10,  /* memory of an answer kept for the next one */
	IDLE_CONNECTION_S = 30,   /* an older one has likely been closed at the other end: do not try our luck */
	SLICE_MS = 500,           /* a signal that arrives just before we wait is noticed after at most this */
	HANG_MS = 150,            /* virtual clock: a server silent for so long of real time is taken to hang */
	HEADER_TEXT = 128,
};

struct origin { bool https, loopback; char host[256]; long port; };

struct call {
	struct wire *w;
	struct call *next, *prev;
	CURL *easy;
	struct curl_slist *headers;
	struct arena arena;        /* what was copied from the request */
	void *tag;
	bool writes, waited_for;   /* waited_for: wire_call takes it, wire_poll does not */
	const char *method, *shown; /* shown: the address without its query */
	const char *body, *tail;
	size_t body_len, tail_len;
	struct vfile *vf;          /* owned while under way */
	int64_t file_size;
	int64_t pos, total;        /* of the whole request body */
	struct err local;          /* set when our own side failed */
	int64_t connect_by_us, done_by_us;
	struct buf answer;
	bool too_large;
	size_t head;               /* bytes of header fields so far */
	char retry_after[HEADER_TEXT], date[HEADER_TEXT], content_type[HEADER_TEXT];
	char errbuf[CURL_ERROR_SIZE];
	enum wire_class cls;
	int status, retry_after_s;
	char why[256];
};

struct list { struct call *head, *tail; size_t n; };

struct wire {
	CURLM *multi;
	char *base, *admin, *cacert, *proxy;
	char *bot[BOTS_MAX]; size_t n_bots;
	bool proxy_loopback;
	struct origin origin;
	int64_t connect_us, total_us, answer_max;
	struct vfile *(*open_file)(void *ctx, const struct file *f, struct err *e);
	void *ctx;
	struct list active, done, handed, idle; /* under way · finished · with the caller until the next poll · for reuse */
	int64_t started, writes, throttled;
	uint64_t events;           /* counts every sign of life */
	int64_t hang_us;
	struct sigaction old_pipe;
	bool pipe_changed;
	bool has_skew;
	int64_t skew_s;            /* of the last answer's Date */
	char last_date[HEADER_TEXT];
};

static unsigned users; /* of libcurl's global state */

/* Real time, also under a virtual clock: only for noticing that a server is silent. */
static int64_t real_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void list_push(struct list *l, struct call *c)
{
	c->next = NULL;
	c->prev = l->tail;
	if (l->tail)
		l->tail->next = c;
	else
		l->head = c;
	l->tail = c;
	l->n++;
}

static void list_drop(struct list *l, struct call *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		l->head = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		l->tail = c->prev;
	c->next = c->prev = NULL;
	l->n--;
}

/* ---- addresses ---- */

static bool is_loopback(const char *host)
{
	unsigned char v4[4];
	if (streq(host, "localhost") || streq(host, "::1") || streq(host, "[::1]"))
		return true;
	return inet_pton(AF_INET, host, v4) == 1 && v4[0] == 127;
}

static bool has_part(CURLU *u, CURLUPart part)
{
	char *s = NULL;
	bool has = curl_url_get(u, part, &s, 0) == CURLUE_OK;
	curl_free(s);
	return has;
}

/* Takes an address apart and refuses what must not be asked: other schemes, plain http beyond loopback, user names in it. */
static bool origin_of(const char *url, struct origin *o, enum err_code code, struct err *e)
{
	for (const char *s = url; *s; s++)
		if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
			return err_set(e, code, "an address with blanks or characters beyond ASCII");
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	if (!u)
		die("out of memory (address)");
	bool ok = curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	          curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	          *host && curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK && strlen(host) < sizeof(o->host);
	if (!ok) {
		err_set(e, code, "not an address of a server");
	} else if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD)) {
		ok = err_set(e, code, "an address with a user name or password in it");
	} else {
		memcpy(o->host, host, strlen(host) + 1);
		o->port = strtol(port, NULL, 10);
		o->https = !strcasecmp(scheme, "https");
		o->loopback = is_loopback(host);
		if (!o->https && strcasecmp(scheme, "http"))
			ok = err_set(e, code, "an address must begin with https://");
		else if (!o->https && !o->loopback)
			ok = err_set(e, code, "plain http to %s would show the tokens to the network; use https", host);
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return ok;
}

static bool same_origin(const struct origin *a, const struct origin *b)
{
	return a->https == b->https && a->port == b->port && !strcasecmp(a->host, b->host);
}

/* ---- opening and closing ---- */

static bool header_safe(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* A proxy's own password is a secret too. */
static bool read_proxy(struct wire *w, const char *proxy, struct err *e)
{
	CURLU *u = curl_url();
	char *host = NULL, *password = NULL;
	if (!u)
		die("out of memory (address)");
	bool ok = curl_url_set(u, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) == CURLUE_OK &&
	          curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK;
	if (ok) {
		w->proxy = xstrdup(proxy);
		w->proxy_loopback = is_loopback(host);
		if (curl_url_get(u, CURLUPART_PASSWORD, &password, CURLU_URLDECODE) == CURLUE_OK)
			log_secret(password);
	} else {
		err_set(e, ERR_USAGE, "the proxy is not an address");
	}
	curl_free(host);
	curl_free(password);
	curl_url_cleanup(u);
	return ok;
}

static bool keep_bot(struct wire *w, const char *token, struct err *e)
{
	for (size_t i = 0; i < w->n_bots; i++)
		if (streq(w->bot[i], token))
			return err_set(e, ERR_USAGE, "the same bot token was given twice");
	if (w->n_bots == BOTS_MAX)
		return err_set(e, ERR_USAGE, "more than %d bot tokens", (int)BOTS_MAX);
	w->bot[w->n_bots++] = xstrdup(token);
	return header_safe(token) || err_set(e, ERR_USAGE, "a token with a line end or control character in it");
}

static bool read_tokens(struct wire *w, const struct wire_config *c, struct err *e)
{
	const char *const *more = c->more_bot_tokens;
	log_secret(c->admin_token);
	log_secret(c->bot_token);
	for (size_t i = 0; more && more[i]; i++)
		log_secret(more[i]);
	if (c->admin_token && !header_safe(c->admin_token))
		return err_set(e, ERR_USAGE, "a token with a line end or control character in it");
	w->admin = c->admin_token ? xstrdup(c->admin_token) : NULL;
	bool ok = !c->bot_token || keep_bot(w, c->bot_token, e);
	for (size_t i = 0; ok && more && more[i]; i++)
		ok = keep_bot(w, more[i], e);
	return ok;
}

static bool configure(struct wire *w, const struct wire_config *c, struct err *e)
{
	if (!c->base_url || !*c->base_url)
		return err_set(e, ERR_USAGE, "no address of the target");
	if (!origin_of(c->base_url, &w->origin, ERR_USAGE, e))
		return err_where(e, "--url");
	if (strpbrk(c->base_url, "?#"))
		return err_set(e, ERR_USAGE, "the target's address must not have a query");
	if (!read_tokens(w, c, e))
		return false;
	if (c->cacert && access(c->cacert, R_OK))
		return err_set(e, ERR_USAGE, "cannot read the certificates in %s:", c->cacert);
	if (c->proxy && *c->proxy && !read_proxy(w, c->proxy, e))
		return false;
	size_t n = strlen(c->base_url);
	while (n && c->base_url[n - 1] == '/')
		n--;
	w->base = xstrndup(c->base_url, n);
	w->cacert = c->cacert ? xstrdup(c->cacert) : NULL;
	w->connect_us = (int64_t)(c->connect_timeout_s > 0 ? c->connect_timeout_s : CONNECT_S) * 1000000;
	w->total_us = (int64_t)(c->timeout_s > 0 ? c->timeout_s : TOTAL_S) * 1000000;
	w->answer_max = c->max_answer_bytes > 0 ? c->max_answer_bytes : ANSWER_MAX;
	w->open_file = c->open_file;
	w->ctx = c->ctx;
	const char *hang = getenv("MVCHAT_CLOCK_HANG_MS"); /* for slow test machines (valgrind) */
	int64_t ms = hang ? strtoll(hang, NULL, 10) : 0;
	w->hang_us = (ms > 0 && ms < 600000 ? ms : HANG_MS) * 1000;
	return true;
}

struct wire *wire_open(const struct wire_config *c, struct err *e)
{
	if (users++ == 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		die("libcurl does not start");
	struct wire *w = xcalloc(1, sizeof(*w));
	/* libcurl is told not to touch signals, so a peer that is gone must not kill us while OpenSSL writes. */
	struct sigaction now;
	if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
		struct sigaction ignore = { .sa_handler = SIG_IGN };
		sigemptyset(&ignore.sa_mask);
		w->pipe_changed = sigaction(SIGPIPE, &ignore, &w->old_pipe) == 0;
	}
	if (!configure(w, c, e)) {
		wire_close(w);
		return NULL;
	}
	w->multi = curl_multi_init();
	if (!w->multi)
		die("out of memory (curl_multi)");
	long connections = c->max_connections > 0 ? c->max_connections : CONNECTIONS;
	curl_multi_setopt(w->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
	curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, connections);
	curl_multi_setopt(w->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	return w;
}

static void call_free(struct call *c)
{
	if (c->vf)
		vfile_close(c->vf);
	curl_slist_free_all(c->headers);
	curl_easy_cleanup(c->easy);
	arena_release(&c->arena);
	buf_release(&c->answer);
	free(c);
}

static void free_all(struct list *l)
{
	for (struct call *c = l->head, *next; c; c = next) {
		next = c->next;
		call_free(c);
	}
}

void wire_close(struct wire *w)
{
	if (!w)
		return;
	for (struct call *c = w->active.head; c; c = c->next)
		curl_multi_remove_handle(w->multi, c->easy);
	free_all(&w->active);
	free_all(&w->done);
	free_all(&w->handed);
	free_all(&w->idle);
	curl_multi_cleanup(w->multi);
	if (w->pipe_changed)
		sigaction(SIGPIPE, &w->old_pipe, NULL);
	free(w->base);
	free(w->admin);
	for (size_t i = 0; i < w->n_bots; i++)
		free(w->bot[i]);
	free(w->cacert);
	free(w->proxy);
	free(w);
	if (--users == 0)
		curl_global_cleanup();
}

/* A call that is over gives its memory to the next one. */
static void recycle(struct wire *w, struct call *c)
{
	arena_reset(&c->arena);
	if (c->answer.cap > KEEP_ANSWER)
		buf_release(&c->answer);
	else
		buf_reset(&c->answer);
	list_push(&w->idle, c);
}

static struct call *call_new(struct wire *w)
{
	struct call *c = w->idle.head;
	if (c) {
		list_drop(&w->idle, c);
		curl_easy_reset(c->easy);
		struct call fresh = { .w = w, .easy = c->easy, .arena = c->arena, .answer = c->answer };
		*c = fresh;
		return c;
	}
	c = xcalloc(1, sizeof(*c));
	c->w = w;
	c->easy = curl_easy_init();
	if (!c->easy)
		die("out of memory (curl_easy)");
	arena_init(&c->arena);
	buf_init(&c->answer, (size_t)w->answer_max);
	return c;
}

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

static void add_header(struct call *c, const char *line)
{
	struct curl_slist *l = curl_slist_append(c->headers, line);
	if (!l)
		die("out of memory (header)");
	c->headers = l;
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
	if (!origin_of(*url, o, ERR_TARGET, e))
		return err_wrap(e, "the target handed out an address that is not used");
	if (r->auth != AUTH_NONE && !same_origin(o, &w->origin))
		return err_set(e, ERR_TARGET, "the target's token must not go to %s", o->host);
	c->shown = arena_strdup(&c->arena, o->host); /* paths of upload addresses may be capabilities */
	return true;
}

static bool make_headers(struct wire *w, struct call *c, const struct http_req *r, bool has_body, struct err *e)
{
	const char *token = r->auth == AUTH_ADMIN ? w->admin : r->auth == AUTH_BOT && r->bot >= 0 && (size_t)r->bot < w->n_bots ? w->bot[r->bot] : NULL;
	if (r->auth != AUTH_NONE && !(token && *token))
		return err_set(e, ERR_USAGE, "no %s token was given", r->auth == AUTH_ADMIN ? "administrator's" : "bot");
	if (r->content_type && !header_safe(r->content_type))
		return err_set(e, ERR_INTERNAL, "a content type with control characters");
	if (token)
		add_header(c, arena_fmt(&c->arena, "Authorization: Bearer %s", token));
	if (has_body && r->content_type)
		add_header(c, arena_fmt(&c->arena, "Content-Type: %s", r->content_type));
	else
		add_header(c, "Content-Type:"); /* libcurl would claim a form */
	add_header(c, "Expect:");           /* no waiting for "100 Continue" */
	if (clock_is_virtual())
		add_header(c, arena_fmt(&c->arena, "X-Mvchat-Now: %lld", (long long)clock_wall_us()));
	return true;
}

static void set_options(struct wire *w, struct call *c, const char *url, const struct origin *o)
{
	CURL *h = c->easy;
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_PRIVATE, c);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->errbuf);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "mvchat/" MVCHAT_VERSION);
	curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(h, CURLOPT_MAXAGE_CONN, (long)IDLE_CONNECTION_S);
	/* Ours are the timeouts that count, on the one clock; libcurl's own default for connecting must only not cut in. */
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)(w->connect_us / 1000) + 1000);
#if LIBCURL_VERSION_NUM >= 0x075500 /* 7.85 */
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, o->https ? "https" : "http");
#else
	curl_easy_setopt(h, CURLOPT_PROTOCOLS, (long)(o->https ? CURLPROTO_HTTPS : CURLPROTO_HTTP));
#endif
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(h, CURLOPT_PIPEWAIT, o->https ? 1L : 0L);
	if (w->cacert)
		curl_easy_setopt(h, CURLOPT_CAINFO, w->cacert);
	/* Plain http is for loopback and must not leave it through a proxy, least of all one of the environment. */
	if (o->https ? w->proxy != NULL : w->proxy && w->proxy_loopback)
		curl_easy_setopt(h, CURLOPT_PROXY, w->proxy);
	else if (!o->https)
		curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, c);
}

static void set_body(struct call *c, bool has_body)
{
	CURL *h = c->easy;
	bool empty_body = !has_body && !streq(c->method, "GET") && !streq(c->method, "DELETE");
	if (has_body || empty_body)
		curl_easy_setopt(h, CURLOPT_POST, 1L);
	if (!streq(c->method, has_body || empty_body ? "POST" : "GET"))
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, c->method);
	if (has_body) {
		/* No SEEKFUNCTION and no IOCTLFUNCTION: see the head of this file. */
		curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(h, CURLOPT_READDATA, c);
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->total);
	} else if (empty_body) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, "");
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
	}
	if (c->writes && !has_body) {
		curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(h, CURLOPT_FORBID_REUSE, 1L);
		curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	}
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

static void end(struct call *c, enum wire_class cls)
{
	struct wire *w = c->w;
	c->cls = cls;
	curl_slist_free_all(c->headers);
	c->headers = NULL;
	if (c->vf)
		vfile_close(c->vf);
	c->vf = NULL;
	list_push(&w->done, c);
	w->events++;
	if (log_enabled(LOG_DEBUG))
		log_debug("http.done", "%s %s: %d%s%s", c->method, c->shown, c->status, c->why[0] ? ", " : "", c->why);
}

static void end_local(struct call *c)
{
	struct buf b;
	buf_init(&b, sizeof(c->why) * 2);
	log_redact(c->local.msg, strlen(c->local.msg), &b);
	fmt_into(c->why, sizeof(c->why), "%s", b.p);
	buf_release(&b);
	end(c, WIRE_LOCAL);
}

static struct call *start(struct wire *w, const struct http_req *r, void *tag, bool waited_for, struct err *e)
{
	struct call *c = call_new(w);
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
		end_local(c);
		return c;
	}
	c->total = (int64_t)c->body_len + c->file_size + (int64_t)c->tail_len;
	has_body = c->total > 0;
	set_options(w, c, url, &o);
	set_body(c, has_body);
	c->connect_by_us = clock_mono_us() + w->connect_us;
	c->done_by_us = clock_mono_us() + w->total_us;
	if (curl_multi_add_handle(w->multi, c->easy) != CURLM_OK)
		die("libcurl does not take a request");
	list_push(&w->active, c);
	w->started++;
	w->writes += r->writes;
	w->events++;
	return c;
refused:
	curl_slist_free_all(c->headers);
	c->headers = NULL;
	recycle(w, c);
	return NULL;
}

bool wire_send(struct wire *w, const struct http_req *r, void *tag, struct err *e)
{
	return start(w, r, tag, false, e) != NULL;
}

void wire_first_bot(struct wire *w, int bot)
{
	if (bot <= 0 || (size_t)bot >= w->n_bots)
		return;
	char *was = w->bot[0];
	w->bot[0] = w->bot[bot];
	w->bot[bot] = was;
}

size_t wire_in_flight(const struct wire *w)
{
	size_t n = w->active.n;
	for (const struct call *c = w->done.head; c; c = c->next)
		n += !c->waited_for;
	return n;
}

/* ---- what came of it ---- */

/* RFC 9110, 10.2.3: seconds or a date; the date is taken relative to the server's own clock where it tells it. */
static int parse_retry_after(const char *s, const char *date)
{
	if (!*s)
		return -1;
	bool negative = *s == '-';
	size_t digits = strspn(s + negative, "0123456789");
	if (digits && !s[(size_t)negative + digits]) {
		if (negative)
			return 0;
		return digits > 9 ? INT_MAX : (int)strtol(s, NULL, 10);
	}
	if (digits)
		return -1; /* curl_getdate would read "20.5" or "10 apples" as some date */
	time_t at = curl_getdate(s, NULL), now = *date ? curl_getdate(date, NULL) : -1;
	if (at < 0)
		return -1;
	if (now < 0)
		now = (time_t)(clock_wall_us() / 1000000);
	if (at <= now)
		return 0;
	return at - now > INT_MAX ? INT_MAX : (int)(at - now);
}

/* Has the request been begun to be written to a connection? */
static bool begun(const struct call *c)
{
	long sent = 0;
	curl_off_t pre = 0;
	curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &sent);
	curl_easy_getinfo(c->easy, CURLINFO_PRETRANSFER_TIME_T, &pre);
	return sent > 0 || pre > 0 || c->pos > 0;
}

static void say(struct call *c, const char *what, const char *detail)
{
	struct buf b;
	buf_init(&b, sizeof(c->why) * 2);
	log_redact(detail, strlen(detail), &b);
	fmt_into(c->why, sizeof(c->why), "%s%s%s", err_word(what), b.len ? ": " : "", b.p);
	buf_release(&b);
}

/* A sentence for libcurl's verdict. Its own words are used only for the phase before the request, where they name hosts and
 * certificates but never an address's query. */
static void say_why(struct call *c, CURLcode code)
{
	long os = 0;
	curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &os);
	if (c->head > HEAD_MAX) {
		fmt_into(c->why, sizeof(c->why), "the answer's header fields are larger than %d bytes", (int)HEAD_MAX);
		return;
	}
	if (c->too_large) {
		fmt_into(c->why, sizeof(c->why), "the answer is larger than %lld bytes", (long long)c->w->answer_max);
		return;
	}
	long proxy = 0;
	if (curl_easy_getinfo(c->easy, CURLINFO_HTTP_CONNECTCODE, &proxy) == CURLE_OK && proxy >= 300) {
		fmt_into(c->why, sizeof(c->why), "the proxy refuses the connection (status %ld)", proxy);
		return;
	}
	switch ((int)code) { /* CURLcode has a hundred values; most can only happen to other protocols */
	case CURLE_COULDNT_CONNECT:
		say(c, N_("cannot connect"), os ? strerror((int)os) : "");
		break;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		say(c, N_("cannot connect"), c->errbuf[0] ? c->errbuf : curl_easy_strerror(code));
		break;
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_FAIL_REWIND:
		say(c, N_("the connection ended before an answer came"), "");
		break;
	case CURLE_PARTIAL_FILE:
		say(c, N_("the answer was cut short"), "");
		break;
	case CURLE_SEND_ERROR:
		say(c, N_("the connection broke while the request was sent"), "");
		break;
	case CURLE_RECV_ERROR:
		say(c, N_("the connection broke before the answer was complete"), "");
		break;
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		say(c, N_("the connection broke (HTTP/2)"), "");
		break;
	default:
		say(c, curl_easy_strerror(code), "");
		break;
	}
}

/* One look at each new second is enough. */
static void read_skew(struct wire *w, const char *date)
{
	if (!*date || streq(date, w->last_date))
		return;
	memcpy(w->last_date, date, strlen(date) + 1);
	time_t theirs = curl_getdate(date, NULL);
	if (theirs > 0) {
		w->has_skew = true;
		w->skew_s = (int64_t)theirs - clock_wall_us() / 1000000;
	}
}

static void finish(struct call *c, CURLcode code)
{
	struct wire *w = c->w;
	bool sent = begun(c);
	long status = 0;
	if (code == CURLE_OK)
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK)
		say_why(c, code);
	curl_multi_remove_handle(w->multi, c->easy);
	list_drop(&w->active, c);
	if (code == CURLE_OK && status > 0) {
		c->status = (int)status;
		c->retry_after_s = parse_retry_after(c->retry_after, c->date);
		w->throttled += status == 429;
		read_skew(w, c->date);
		end(c, WIRE_ANSWER);
	} else if (code == CURLE_OK) {
		say(c, N_("an answer that is not HTTP"), "");
		end(c, WIRE_UNKNOWN);
	} else if (c->local.code != ERR_NONE) {
		end_local(c);
	} else {
		end(c, sent ? WIRE_UNKNOWN : WIRE_UNSENT);
	}
}

/* Until when this call may last; the connection's own limit counts while there is none. */
static int64_t deadline_of(const struct call *c)
{
	return c->connect_by_us < c->done_by_us && !begun(c) ? c->connect_by_us : c->done_by_us;
}

static void expire(struct wire *w)
{
	int64_t now = clock_mono_us();
	for (struct call *c = w->active.head, *next; c; c = next) {
		next = c->next;
		if (now < c->connect_by_us && now < c->done_by_us)
			continue;
		if (now < deadline_of(c))
			continue;
		bool sent = begun(c);
		say(c, sent ? N_("no answer in time") : N_("no connection in time"), "");
		curl_multi_remove_handle(w->multi, c->easy);
		list_drop(&w->active, c);
		end(c, sent ? WIRE_UNKNOWN : WIRE_UNSENT);
	}
}

static void pump(struct wire *w)
{
	int running, left;
	CURLMcode m = curl_multi_perform(w->multi, &running);
	if (m != CURLM_OK)
		die("libcurl: %s", curl_multi_strerror(m));
	for (CURLMsg *msg; (msg = curl_multi_info_read(w->multi, &left));) {
		char *private = NULL;
		CURLcode code = msg->data.result;
		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
		finish((struct call *)(void *)private, code);
	}
	expire(w);
}

static int64_t nearest(const struct wire *w)
{
	int64_t t = INT64_MAX;
	for (const struct call *c = w->active.head; c; c = c->next) {
		int64_t d = deadline_of(c);
		t = d < t ? d : t;
	}
	return t;
}

static int to_ms(int64_t us)
{
	int64_t ms = us / 1000 + (us % 1000 > 0);
	return ms < 0 ? 0 : ms > SLICE_MS ? SLICE_MS : (int)ms;
}

enum waited { WAITED_EVENT, WAITED_NOTHING };

/* Waits for the network while requests are under way. Under a virtual clock time stands still here; only a server silent for
 * hang_us of real time makes it jump, to the nearest request's deadline, which then expires. */
static enum waited wait_network(struct wire *w, int64_t deadline_us)
{
	uint64_t before = w->events;
	int n = 0;
	if (!clock_is_virtual()) {
		int64_t until = nearest(w);
		until = deadline_us < until ? deadline_us : until;
		curl_multi_poll(w->multi, NULL, 0, to_ms(until - clock_mono_us()), &n);
		pump(w);
		return n > 0 || w->events != before ? WAITED_EVENT : WAITED_NOTHING;
	}
	int64_t begin = real_us();
	while (w->events == before) {
		int64_t left = begin + w->hang_us - real_us();
		if (left <= 0) {
			int64_t t = nearest(w), now = clock_mono_us();
			if (t > now)
				clock_advance_us(t - now);
			expire(w);
			return WAITED_EVENT;
		}
		curl_multi_poll(w->multi, NULL, 0, to_ms(left), &n);
		pump(w);
	}
	return WAITED_EVENT;
}

static size_t take_done(struct wire *w, struct wire_done *out, size_t max)
{
	size_t n = 0;
	for (struct call *c = w->done.head, *next; c && n < max; c = next) {
		next = c->next;
		if (c->waited_for)
			continue;
		list_drop(&w->done, c);
		list_push(&w->handed, c);
		out[n++] = (struct wire_done){
			.tag = c->tag, .cls = c->cls, .why = c->cls == WIRE_ANSWER ? NULL : c->why,
			.resp = { c->status, c->answer.p, c->answer.len, c->content_type, c->retry_after_s },
		};
	}
	return n;
}

size_t wire_poll(struct wire *w, int64_t deadline_us, struct wire_done *out, size_t max)
{
	for (struct call *c = w->handed.head, *next; c; c = next) {
		next = c->next;
		list_drop(&w->handed, c);
		recycle(w, c);
	}
	pump(w);
	for (;;) {
		size_t n = take_done(w, out, max);
		if (n || max == 0)
			return n;
		int64_t now = clock_mono_us();
		if (!w->active.n) {
			if (deadline_us <= now)
				return 0;
			int64_t slice = now + (int64_t)SLICE_MS * 1000;
			clock_sleep_until_mono(clock_is_virtual() || deadline_us < slice ? deadline_us : slice);
			return 0;
		}
		if (deadline_us <= now && !clock_is_virtual())
			return 0;
		if (wait_network(w, deadline_us) == WAITED_NOTHING)
			return take_done(w, out, max);
	}
}

enum wire_class wire_call(struct wire *w, const struct http_req *r, struct arena *a, struct http_resp *resp, struct err *e)
{
	*resp = (struct http_resp){ .body = "", .content_type = "", .retry_after_s = -1 };
	struct call *c = start(w, r, NULL, true, e);
	if (!c)
		return WIRE_LOCAL;
	for (;;) {
		struct call *d = w->done.head;
		while (d && d != c)
			d = d->next;
		if (d)
			break;
		wait_network(w, INT64_MAX);
	}
	list_drop(&w->done, c);
	enum wire_class cls = c->cls;
	if (cls == WIRE_ANSWER)
		*resp = (struct http_resp){ c->status, arena_strndup(a, c->answer.p, c->answer.len), c->answer.len, arena_strdup(a, c->content_type),
			                    c->retry_after_s };
	else
		err_set(e, cls == WIRE_LOCAL ? ERR_ARCHIVE : ERR_TARGET, "%s", c->why);
	recycle(w, c);
	return cls;
}

int64_t wire_requests(const struct wire *w, bool writes_only)
{
	return writes_only ? w->writes : w->started;
}

int64_t wire_throttled(const struct wire *w)
{
	return w->throttled;
}

const char *wire_library(void)
{
	return curl_version();
}

bool wire_skew(const struct wire *w, int64_t *seconds)
{
	*seconds = w->skew_s;
	return w->has_skew;
}
