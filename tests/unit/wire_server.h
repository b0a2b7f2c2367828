/* wire_server.h: a tiny server of plain sockets that misbehaves on purpose, and a wire to it. Included first by one .c of a program.
 *
 * The server counts what it "applied": every request that it read completely. The path says how it behaves afterwards. */
#define _DEFAULT_SOURCE
#include "replay/wire.h"

#include "core/buf.h"
#include "core/clock.h"
#include "core/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <zlib.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKEN "s3cret-admin-token"
#define BOT "s3cret-bot-token"

/* ---- the server ---- */

enum { SEEN_MAX = 256, REQUEST_MAX = 4 << 20 };
struct request { char method[8], path[256], *head, *body; size_t body_len; int connection; };
static struct request seen[SEEN_MAX];
static int n_seen, n_connections, n_open, most_open, listener, port;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t acceptor, workers[SEEN_MAX];
static int sockets[SEEN_MAX];

static long endless; /* bytes of header fields that the client let us send */

static inline void send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
		if (k <= 0)
			return;
		p += k;
		n -= (size_t)k;
	}
}

static inline bool sent(int fd, const char *s)
{
	return send(fd, s, strlen(s), MSG_NOSIGNAL) == (ssize_t)strlen(s);
}

static inline void reset(int fd)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

static const char *const CANNED[][2] = {
	{ "/429s", "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n" },
	{ "/429none", "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n" },
	{ "/429date", "HTTP/1.1 429 Slow\r\nDate: Tue, 01 Jul 2025 10:00:00 GMT\r\nRetry-After: Tue, 01 Jul 2025 10:00:30 GMT\r\nContent-Length: 0\r\n\r\n" },
	{ "/429past", "HTTP/1.1 429 Slow\r\nDate: Tue, 01 Jul 2025 10:00:00 GMT\r\nRetry-After: Tue, 01 Jul 2025 09:00:30 GMT\r\nContent-Length: 0\r\n\r\n" },
	{ "/429nodate", "HTTP/1.1 429 Slow\r\nRetry-After: Tue, 01 Jul 2025 10:01:30 GMT\r\nContent-Length: 0\r\n\r\n" },
	{ "/429baddate", "HTTP/1.1 429 Slow\r\nDate: yesterday, I think\r\nRetry-After: Tue, 01 Jul 2025 10:01:30 GMT\r\nContent-Length: 0\r\n\r\n" },
	{ "/2025", "HTTP/1.1 200 OK\r\nDate: Tue, 01 Jul 2025 10:00:00 GMT\r\nContent-Length: 2\r\n\r\nok" },
	{ "/2025soon", "HTTP/1.1 200 OK\r\nDate: Tue, 01 Jul 2025 10:00:55 GMT\r\nContent-Length: 2\r\n\r\nok" },
	{ "/2025late", "HTTP/1.1 200 OK\r\nDate: Tue, 01 Jul 2025 10:05:00 GMT\r\nContent-Length: 2\r\n\r\nok" },
	{ "/undated", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
	{ "/429minus", "HTTP/1.1 429 Slow\r\nRetry-After: -5\r\nContent-Length: 0\r\n\r\n" },
	{ "/429huge", "HTTP/1.1 429 Slow\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n" },
	{ "/429junk", "HTTP/1.1 429 Slow\r\nRetry-After: soon, promise\r\nContent-Length: 0\r\n\r\n" },
	{ "/429half", "HTTP/1.1 429 Slow\r\nRetry-After: 20.5\r\nContent-Length: 0\r\n\r\n" },
	{ "/429empty", "HTTP/1.1 429 Slow\r\nRetry-After: \r\nContent-Length: 0\r\n\r\n" },
	{ "/429utf", "HTTP/1.1 429 Slow\r\nRetry-After: \xff\xfe\r\nContent-Type: text/\xff\r\nContent-Length: 0\r\n\r\n" },
	{ "/interim", "HTTP/1.1 103 Early\r\nRetry-After: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
	{ "/500", "HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<oops>" },
	{ "/204", "HTTP/1.1 204 No\r\n\r\n" },
	{ "/redirect", "HTTP/1.1 307 There\r\nLocation: /target\r\nContent-Length: 0\r\n\r\n" },
	{ "/chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n" },
};

/* Behaves as the path asks; false = the connection is over. */
static inline bool answer(int fd, const struct request *r)
{
	char out[512];
	const char *p = r->path;
	if (!strncmp(p, "/drop", 5))
		return false;
	if (!strncmp(p, "/reset", 6)) {
		reset(fd);
		return false;
	}
	if (!strncmp(p, "/hang", 5)) {
		char c;
		while (recv(fd, &c, 1, 0) > 0)
			continue;
		return false;
	}
	if (!strncmp(p, "/cut", 4)) {
		send_all(fd, "HTTP/1.1 201 Made\r\nContent-Length: 100\r\n\r\n{\"id\":", 48);
		return false;
	}
	if (!strncmp(p, "/halfhead", 9)) {
		send_all(fd, "HTTP/1.1 201 Ma", 15);
		return false;
	}
	if (!strncmp(p, "/garbage", 8)) {
		send_all(fd, "what do you want\r\n\r\n", 20);
		return false;
	}
	if (!strncmp(p, "/endless-head", 13)) { /* one header field after the other, for as long as somebody listens */
		send_all(fd, "HTTP/1.1 200 OK\r\n", 17);
		for (endless = 0; sent(fd, "X-And-So-On: forever and a day, forever and a day, forever and a day\r\n"); endless += 69)
			continue;
		return false;
	}
	if (!strncmp(p, "/endless-body", 13)) {
		send_all(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 47);
		while (sent(fd, "10\r\n0123456789abcdef\r\n"))
			continue;
		return false;
	}
	if (!strncmp(p, "/trickle", 8)) { /* a byte now and then, of the head or of the body */
		send_all(fd, p[8] == 'h' ? "HTTP/1.1 200 OK\r\nX-" : "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", p[8] == 'h' ? 19 : 43);
		while (sent(fd, "x"))
			usleep(10000);
		return false;
	}
	if (!strncmp(p, "/bomb", 5)) { /* 64 MiB of nothing, in 64 KiB */
		static unsigned char squeezed[1 << 17];
		static const unsigned char nothing[1 << 16];
		z_stream z = { .next_out = squeezed, .avail_out = sizeof(squeezed) };
		deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY);
		for (int i = 0; i < 1024; i++) {
			z.next_in = (unsigned char *)(uintptr_t)nothing;
			z.avail_in = sizeof(nothing);
			deflate(&z, i == 1023 ? Z_FINISH : Z_NO_FLUSH);
		}
		deflateEnd(&z);
		snprintf(out, sizeof(out), "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %lu\r\n\r\n", z.total_out);
		send_all(fd, out, strlen(out));
		send_all(fd, (const char *)squeezed, z.total_out);
		return true;
	}
	if (!strncmp(p, "/big", 4)) {
		snprintf(out, sizeof(out), "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n");
		send_all(fd, out, strlen(out));
		memset(out, 'x', sizeof(out));
		for (int i = 0; i < 5000000 / (int)sizeof(out); i++)
			send_all(fd, out, sizeof(out));
		return false;
	}
	for (size_t i = 0; i < countof(CANNED); i++) {
		if (!strcmp(p, CANNED[i][0])) {
			send_all(fd, CANNED[i][1], strlen(CANNED[i][1]));
			return true;
		}
	}
	snprintf(out, sizeof(out), "HTTP/1.1 201 Made\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n{\"path\":\"%s\"}", strlen(p) + 11, p);
	send_all(fd, out, strlen(out));
	return true;
}

static inline size_t content_length(const char *head)
{
	for (const char *l = strstr(head, "\r\n"); l; l = strstr(l + 2, "\r\n"))
		if (!strncasecmp(l + 2, "content-length:", 15))
			return (size_t)strtoul(l + 17, NULL, 10);
	return 0;
}

/* Reads one whole request; what is cut off by the peer was not applied and is not counted. */
static inline bool read_request(int fd, int connection, struct request *r)
{
	char *b = malloc(REQUEST_MAX);
	size_t n = 0, head = 0, want = 0;
	while (!head || n < head + want) {
		ssize_t k = n < REQUEST_MAX - 1 ? recv(fd, b + n, REQUEST_MAX - 1 - n, 0) : 0;
		if (k <= 0) {
			free(b);
			return false;
		}
		n += (size_t)k;
		b[n] = '\0';
		if (b[0] == 0x16) { /* a TLS handshake */
			free(b);
			return false;
		}
		char *end = head ? NULL : strstr(b, "\r\n\r\n");
		if (end) {
			head = (size_t)(end - b) + 4;
			want = content_length(b);
		}
	}
	*r = (struct request){ .connection = connection, .head = strndup(b, head), .body = malloc(want + 1), .body_len = want };
	memcpy(r->body, b + head, want);
	r->body[want] = '\0';
	sscanf(r->head, "%7s %255s", r->method, r->path);
	free(b);
	return true;
}

static inline void *serve(void *arg)
{
	int connection = (int)(intptr_t)arg, fd = sockets[connection];
	struct request r;
	while (read_request(fd, connection, &r)) {
		pthread_mutex_lock(&lock);
		if (n_seen < SEEN_MAX)
			seen[n_seen++] = r;
		pthread_mutex_unlock(&lock);
		if (!answer(fd, &r))
			break;
	}
	pthread_mutex_lock(&lock);
	close(fd);
	n_open--;
	sockets[connection] = -1;
	pthread_mutex_unlock(&lock);
	return NULL;
}

static inline void *accept_all(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			return NULL;
		pthread_mutex_lock(&lock);
		int i = n_connections++;
		sockets[i] = fd;
		n_open++;
		most_open = n_open > most_open ? n_open : most_open;
		pthread_mutex_unlock(&lock);
		pthread_create(&workers[i], NULL, serve, (void *)(intptr_t)i);
	}
}

static inline int bind_loopback(int *out_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*out_port = ntohs(a.sin_port);
	return fd;
}

static inline void clock_mode(const char *mode)
{
	if (mode)
		setenv("MVCHAT_CLOCK", mode, 1);
	else
		unsetenv("MVCHAT_CLOCK");
	setenv("MVCHAT_CLOCK_START", "1751364000", 1); /* 2025-07-01 10:00:00 UTC */
	clock_init();
}

static inline int server_up(void **state)
{
	(void)state;
	n_seen = n_connections = n_open = most_open = 0;
	listener = bind_loopback(&port);
	assert_int_equal(listen(listener, 64), 0);
	pthread_create(&acceptor, NULL, accept_all, NULL);
	clock_mode("virtual");
	return 0;
}

static inline int server_down(void **state)
{
	(void)state;
	shutdown(listener, SHUT_RDWR);
	pthread_join(acceptor, NULL);
	close(listener);
	for (int i = 0; i < n_connections; i++) {
		pthread_mutex_lock(&lock);
		if (sockets[i] >= 0)
			shutdown(sockets[i], SHUT_RDWR);
		pthread_mutex_unlock(&lock);
		pthread_join(workers[i], NULL);
	}
	for (int i = 0; i < n_seen; i++) {
		free(seen[i].head);
		free(seen[i].body);
	}
	clock_mode(NULL);
	return 0;
}

/* How often the server applied a request with this path. */
static inline int applied(const char *path)
{
	int n = 0;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < n_seen; i++)
		n += !strcmp(seen[i].path, path);
	pthread_mutex_unlock(&lock);
	return n;
}

static inline const struct request *last(void)
{
	pthread_mutex_lock(&lock);
	const struct request *r = n_seen ? &seen[n_seen - 1] : NULL;
	pthread_mutex_unlock(&lock);
	assert_non_null(r);
	return r;
}

/* ---- helpers ---- */

static struct arena arena;

static inline struct wire *open_with(struct wire_config c)
{
	char base[64];
	struct err e = ERR_INIT;
	snprintf(base, sizeof(base), "http://127.0.0.1:%d/api", port);
	if (!c.base_url)
		c.base_url = base;
	c.admin_token = TOKEN;
	c.bot_token = BOT;
	struct wire *w = wire_open(&c, &e);
	if (!w)
		fail_msg("%s", e.msg);
	arena_init(&arena);
	return w;
}

static inline struct wire *open_plain(void)
{
	return open_with((struct wire_config){ 0 });
}

static inline void close_all(struct wire *w)
{
	wire_close(w);
	arena_release(&arena);
}

static char base_path[160];
static inline const char *absolute(const char *path) /* the server knows its paths without "/api" */
{
	snprintf(base_path, sizeof(base_path), "http://127.0.0.1:%d%s", port, path);
	return base_path;
}

static inline struct http_req request(const char *method, const char *path, const char *body)
{
	return (struct http_req){ .method = method, .path = absolute(path), .content_type = body ? "application/json" : NULL, .body = body,
		                  .body_len = body ? strlen(body) : 0, .auth = AUTH_BOT, .rate = REQ_POST, .scope = "", .writes = strcmp(method, "GET") != 0 };
}

static inline struct wire_done one(struct wire *w, struct http_req r)
{
	struct err e = ERR_INIT;
	struct wire_done d[2];
	int mark;
	if (!wire_send(w, &r, &mark, &e))
		fail_msg("%s", e.msg);
	size_t n = 0;
	for (int i = 0; i < 2000 && !n; i++)
		n = wire_poll(w, clock_mono_us() + 100000, d, 2);
	assert_int_equal(n, 1);
	assert_ptr_equal(d[0].tag, &mark);
	assert_int_equal(wire_in_flight(w), 0);
	if (d[0].cls != WIRE_ANSWER) {
		assert_non_null(d[0].why);
		assert_true(strlen(d[0].why) > 10);
		assert_null(strstr(d[0].why, "s3cret"));
		assert_null(strchr(d[0].why, '?'));
	} else {
		assert_null(d[0].why);
	}
	return d[0];
}

#define served(t) cmocka_unit_test_setup_teardown(t, server_up, server_down)
