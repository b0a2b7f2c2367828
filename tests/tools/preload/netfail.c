/* netfail.c: a library put before the C library's (LD_PRELOAD) that takes the network away from a program for a while.
 *
 *   MVCHAT_NETFAIL=KIND:FIRST-LAST
 *
 * Counts what the program does with the network: connects, sends, name look-ups. Those numbered FIRST to LAST fail:
 *   refuse, unreachable, timeout   connects with that error; sends and receives on what is open with a reset
 *   reset                          sends and receives with a reset; of a send the first half has left before
 *   lost                           the request leaves whole, and instead of the answer comes a reset
 *   dns                            name look-ups only
 *   port=N                         connects go to that port of this machine instead
 * Local sockets are left alone. Used by tests/tools/storm.c and tests/e2e/test_tls.sh. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <arpa/inet.h>

static long first, last, seen, lookups;
static char kind[32];
static int read_yet;

static void setup(void)
{
	const char *v = getenv("MVCHAT_NETFAIL");
	if (read_yet)
		return;
	if (v && sscanf(v, "%31[^:]:%ld-%ld", kind, &first, &last) != 3)
		kind[0] = '\0';
	read_yet = 1;
}

static int is(const char *k)
{
	return strcmp(kind, k) == 0;
}

/* The name that every test of TLS uses; nobody's real one (RFC 6761). */
static const char *const local_name = "target.mvchat.test";

static int inet_socket(int fd)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);
	return getsockname(fd, (struct sockaddr *)&a, &n) == 0 && (a.ss_family == AF_INET || a.ss_family == AF_INET6);
}

static int counted(int fd)
{
	int before = errno;
	setup();
	int out = kind[0] && inet_socket(fd);
	errno = before;
	if (!out)
		return 0;
	long n = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
	return n >= first && n <= last;
}

static int down(int fd)
{
	int before = errno;
	setup();
	long n = __atomic_load_n(&seen, __ATOMIC_SEQ_CST);
	int out = kind[0] && n >= first && n <= last && inet_socket(fd);
	errno = before;
	return out;
}

int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	static int (*real)(int, const struct sockaddr *, socklen_t);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "connect");
	int inet = to->sa_family == AF_INET || to->sa_family == AF_INET6;
	setup();
	if (!inet || !kind[0] || is("dns"))
		return real(fd, to, len);
	long n = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
	if (n < first || n > last)
		return real(fd, to, len);
	if (!strncmp(kind, "port=", 5) && to->sa_family == AF_INET) {
		struct sockaddr_in other = *(const struct sockaddr_in *)(const void *)to;
		other.sin_port = htons((unsigned short)atoi(kind + 5));
		return real(fd, (const struct sockaddr *)&other, sizeof(other));
	}
	if (!is("refuse") && !is("unreachable") && !is("timeout"))
		return real(fd, to, len);
	errno = is("refuse") ? ECONNREFUSED : is("timeout") ? ETIMEDOUT : ENETUNREACH;
	return -1;
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	static ssize_t (*real)(int, const void *, size_t, int);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "send");
	if (!counted(fd) || is("dns") || is("lost") || !strncmp(kind, "port=", 5))
		return real(fd, p, n, flags);
	if (is("reset") && n > 1)
		real(fd, p, n / 2, flags);
	shutdown(fd, SHUT_RDWR);
	errno = ECONNRESET;
	return -1;
}

ssize_t recv(int fd, void *p, size_t n, int flags)
{
	static ssize_t (*real)(int, void *, size_t, int);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "recv");
	if (!down(fd) || is("dns") || !strncmp(kind, "port=", 5))
		return real(fd, p, n, flags);
	errno = ECONNRESET;
	return -1;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	setup();
	if (is("dns")) {
		long n = __atomic_add_fetch(&lookups, 1, __ATOMIC_SEQ_CST);
		if (n >= first && n <= last)
			return EAI_AGAIN;
	}
	return real(node && !strcmp(node, local_name) ? "127.0.0.1" : node, service, hints, out);
}
