/* The wire over HTTP/2: requests share one connection where the server offers it, and one that dies with them leaves all of them unknown.
 *
 * TLS is openssl's s_server, one connection at a time; behind its pipes a peer of a hundred lines that speaks as much HTTP/2 as needed
 * (RFC 9113): it need not read header fields, because every request gets the same answer. Without openssl these tests are skipped.
 */
#define _DEFAULT_SOURCE
#include "replay/wire.h"

#include "core/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { TOGETHER = 8, STREAMS_MAX = 64 };
enum frame { FRAME_DATA = 0, FRAME_HEADERS = 1, FRAME_SETTINGS = 4, FRAME_PING = 6, FRAME_GOAWAY = 7 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

/* ---- the peer ---- */

static struct {
	int in, out;        /* s_server's pipes */
	pid_t tls;
	pthread_t thread;
	int hold;           /* answers wait until so many requests are there */
	bool die;           /* ... and instead of them the connection ends */
	int prefaces, complete, most_open;
} peer;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char dir[64], cert[96], key[96];
static int port;

static bool get(unsigned char *p, size_t n)
{
	for (ssize_t k; n; p += k, n -= (size_t)k)
		if ((k = read(peer.in, p, n)) <= 0)
			return false;
	return true;
}

static void put_frame(enum frame type, int flags, uint32_t stream, const void *body, size_t n)
{
	unsigned char f[9 + 64] = { 0, (unsigned char)(n >> 8), (unsigned char)n, (unsigned char)type, (unsigned char)flags,
		                    (unsigned char)(stream >> 24), (unsigned char)(stream >> 16), (unsigned char)(stream >> 8), (unsigned char)stream };
	assert_true(n <= 64);
	if (n)
		memcpy(f + 9, body, n);
	if (write(peer.out, f, 9 + n) < 0)
		return; /* the other end is gone: the reader notices */
}

static void answer(const uint32_t *streams, int n)
{
	static const unsigned char ok[] = { 0x88 }; /* ":status: 200", number 8 of the static table (RFC 7541) */
	for (int i = n; i-- > 0;) { /* the last one first: the client must tell them apart by their streams */
		char body[16];
		int len = snprintf(body, sizeof(body), "{\"s\":%u}", streams[i]);
		put_frame(FRAME_HEADERS, END_HEADERS, streams[i], ok, sizeof(ok));
		put_frame(FRAME_DATA, END_STREAM, streams[i], body, (size_t)len);
	}
}

static void *speak(void *ctx)
{
	unsigned char preface[24], head[9], body[16384];
	uint32_t waiting[STREAMS_MAX];
	int n_waiting = 0, open = 0;
	(void)ctx;
	while (get(preface, sizeof(preface)) && !memcmp(preface, "PRI * HTTP/2.0", 14)) {
		pthread_mutex_lock(&lock);
		peer.prefaces++;
		pthread_mutex_unlock(&lock);
		put_frame(FRAME_SETTINGS, 0, 0, NULL, 0);
		while (get(head, sizeof(head))) {
			size_t n = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
			uint32_t stream = ((uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8]) & 0x7fffffff;
			if (n > sizeof(body) || !get(body, n))
				return NULL;
			if (head[3] == FRAME_SETTINGS && !(head[4] & ACK))
				put_frame(FRAME_SETTINGS, ACK, 0, NULL, 0);
			if (head[3] == FRAME_PING && !(head[4] & ACK))
				put_frame(FRAME_PING, ACK, 0, body, n);
			open += head[3] == FRAME_HEADERS;
			bool whole = (head[3] == FRAME_HEADERS || head[3] == FRAME_DATA) && (head[4] & END_STREAM);
			if (whole && n_waiting < STREAMS_MAX)
				waiting[n_waiting++] = stream;
			pthread_mutex_lock(&lock);
			peer.complete += whole;
			peer.most_open = open > peer.most_open ? open : peer.most_open;
			int hold = peer.hold;
			bool die = peer.die;
			pthread_mutex_unlock(&lock);
			if (n_waiting < hold)
				continue;
			if (die) {
				kill(peer.tls, SIGKILL);
				return NULL;
			}
			answer(waiting, n_waiting);
			open -= n_waiting;
			n_waiting = 0;
		}
	}
	return NULL;
}

/* ---- openssl ---- */

static int spawn(char *const *argv, int in, int out)
{
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(in >= 0 ? in : null, 0);
		dup2(out >= 0 ? out : null, 1);
		dup2(null, 2);
		for (int fd = 3; fd < 256; fd++)
			close(fd);
		execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static bool make_certificate(void)
{
	char *argv[] = { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
		         "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", NULL };
	int status;
	pid_t pid = spawn(argv, -1, -1);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	close(fd);
	return ntohs(a.sin_port);
}

/* A connection that ends at once: s_server goes on to the next. */
static bool listens(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	for (int i = 0; i < 500; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		bool there = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
		close(fd);
		if (there)
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

static int setup(void **state)
{
	(void)state;
	int to[2], from[2];
	char at[32];
	signal(SIGPIPE, SIG_IGN);
	strcpy(dir, "/tmp/mvchat-h2-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(cert, sizeof(cert), "%s/c.pem", dir);
	snprintf(key, sizeof(key), "%s/k.pem", dir);
	memset(&peer, 0, sizeof(peer));
	if (!make_certificate() || pipe(to) || pipe(from))
		return 0; /* port stays 0: skipped */
	port = free_port();
	snprintf(at, sizeof(at), "127.0.0.1:%d", port);
	char *argv[] = { "openssl", "s_server", "-quiet", "-accept", at, "-alpn", "h2", "-cert", cert, "-key", key, NULL };
	peer.tls = spawn(argv, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	peer.in = from[0];
	peer.out = to[1];
	if (!listens())
		return -1;
	return pthread_create(&peer.thread, NULL, speak, NULL);
}

static int teardown(void **state)
{
	(void)state;
	if (port) {
		kill(peer.tls, SIGKILL);
		waitpid(peer.tls, NULL, 0);
		pthread_join(peer.thread, NULL);
		close(peer.in);
		close(peer.out);
	}
	port = 0;
	unlink(cert);
	unlink(key);
	return rmdir(dir);
}

/* ---- the wire ---- */

static struct wire *opened(void)
{
	char base[64];
	struct err e = ERR_INIT;
	if (!port)
		skip();
	snprintf(base, sizeof(base), "https://127.0.0.1:%d/api", port);
	struct wire_config c = { .base_url = base, .bot_token = "bot-token", .cacert = cert, .timeout_s = 20 };
	struct wire *w = wire_open(&c, &e);
	if (!w)
		fail_msg("%s", e.msg);
	return w;
}

static void hold(int n, bool die)
{
	pthread_mutex_lock(&lock);
	peer.hold = n;
	peer.die = die;
	pthread_mutex_unlock(&lock);
}

static void send_posts(struct wire *w, int n, int *tags)
{
	for (int i = 0; i < n; i++) {
		struct err e = ERR_INIT;
		struct http_req r = { .method = "POST", .path = "/messages", .content_type = "application/json", .body = "{\"m\":1}", .body_len = 7,
			              .auth = AUTH_BOT, .rate = REQ_POST, .scope = "", .writes = true };
		if (!wire_send(w, &r, &tags[i], &e))
			fail_msg("%s", e.msg);
	}
}

/* How many ended, each checked to be of this class; bodies that were all different are counted in *different. */
static int ended(struct wire *w, int n, enum wire_class cls, int *different)
{
	struct wire_done d[TOGETHER];
	int done = 0;
	unsigned long long seen = 0;
	for (int i = 0; i < 300 && done < n; i++) {
		size_t k = wire_poll(w, clock_mono_us() + 100000, d, TOGETHER);
		for (size_t j = 0; j < k; j++, done++) {
			if (d[j].cls != cls)
				fail_msg("class %d: %s", (int)d[j].cls, d[j].why ? d[j].why : "");
			int s = cls == WIRE_ANSWER ? atoi(strstr(d[j].resp.body, ":") + 1) : 0;
			seen |= 1ULL << (s / 2 % 64);
			if (cls == WIRE_ANSWER)
				assert_int_equal(d[j].resp.status, 200);
		}
	}
	*different = __builtin_popcountll(seen);
	return done;
}

/* The server answers only when all of them are there at once, and takes one connection: who does not multiplex waits for ever. */
static void requests_share_a_connection(void **state)
{
	(void)state;
	struct wire *w = opened();
	int tags[TOGETHER], different;
	hold(TOGETHER, false);
	send_posts(w, TOGETHER, tags);
	assert_int_equal(ended(w, TOGETHER, WIRE_ANSWER, &different), TOGETHER);
	assert_int_equal(different, TOGETHER);
	/* and it is kept for what follows */
	hold(1, false);
	send_posts(w, 1, tags);
	assert_int_equal(ended(w, 1, WIRE_ANSWER, &different), 1);
	pthread_mutex_lock(&lock);
	assert_int_equal(peer.prefaces, 1);
	assert_int_equal(peer.most_open, TOGETHER);
	assert_int_equal(peer.complete, TOGETHER + 1);
	pthread_mutex_unlock(&lock);
	wire_close(w);
}

/* The connection dies when the server has read all of them, and had been used before: none is sent again, none is called unsent. */
static void a_connection_that_dies_leaves_them_unknown(void **state)
{
	(void)state;
	struct wire *w = opened();
	int tags[TOGETHER], different;
	hold(1, false);
	send_posts(w, 1, tags);
	assert_int_equal(ended(w, 1, WIRE_ANSWER, &different), 1);
	hold(TOGETHER, true);
	send_posts(w, TOGETHER, tags);
	assert_int_equal(ended(w, TOGETHER, WIRE_UNKNOWN, &different), TOGETHER);
	pthread_mutex_lock(&lock);
	assert_int_equal(peer.complete, TOGETHER + 1);
	assert_int_equal(peer.prefaces, 1);
	pthread_mutex_unlock(&lock);
	wire_close(w);
}

int main(void)
{
	static const char *const PROXY_VARS[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
	for (size_t i = 0; i < countof(PROXY_VARS); i++)
		unsetenv(PROXY_VARS[i]);
	unsetenv("MVCHAT_CLOCK");
	clock_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_share_a_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(a_connection_that_dies_leaves_them_unknown, setup, teardown),
	};
	return cmocka_run_group_tests_name("wire over HTTP/2", tests, NULL, NULL);
}
