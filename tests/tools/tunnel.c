/* tunnel.c: an HTTP proxy on loopback that knows CONNECT only and leads every tunnel to one port of this machine, whatever host was
 * asked for: so a test can be files.slack.com without a name server or the network.
 *
 *   tunnel PORT-FILE LOG TO-PORT-FILE
 *
 * The log has the first line of each request. */
#include "core/base.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool put(int fd, const char *p, ssize_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, (size_t)n);
		if (w <= 0)
			return false;
		p += w;
		n -= w;
	}
	return true;
}

static void carry(int a, int b)
{
	struct pollfd p[2] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
	char block[16 * 1024];
	while (poll(p, 2, -1) > 0) {
		for (int i = 0; i < 2; i++) {
			if (!p[i].revents)
				continue;
			ssize_t n = read(p[i].fd, block, sizeof(block));
			if (n <= 0 || !put(p[1 - i].fd, block, n))
				return;
		}
	}
}

static void serve(int fd, FILE *log, int to)
{
	static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n", no[] = "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n";
	char request[8192];
	size_t got = 0;
	while (got < sizeof(request) - 1) {
		ssize_t k = read(fd, request + got, sizeof(request) - 1 - got);
		if (k <= 0)
			return;
		got += (size_t)k;
		request[got] = '\0';
		if (strstr(request, "\r\n\r\n"))
			break;
	}
	fprintf(log, "%.*s\n", (int)strcspn(request, "\r\n"), request);
	fflush(log);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)to) };
	int there = socket(AF_INET, SOCK_STREAM, 0);
	if (strncmp(request, "CONNECT ", 8) != 0 || there < 0 || connect(there, (struct sockaddr *)&at, sizeof(at)) != 0)
		put(fd, no, sizeof(no) - 1);
	else if (put(fd, yes, sizeof(yes) - 1))
		carry(fd, there);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int s = socket(AF_INET, SOCK_STREAM, 0), to = 0;
	FILE *log = argc == 4 ? fopen(argv[2], "w") : NULL, *target = log ? fopen(argv[3], "r") : NULL, *port = target ? fopen(argv[1], "w") : NULL;
	if (!port || fscanf(target, "%d", &to) != 1 || s < 0 || bind(s, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(s, 64) != 0 ||
	    getsockname(s, (struct sockaddr *)&at, &n) != 0) {
		fputs("usage: tunnel PORT-FILE LOG TO-PORT-FILE\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	fprintf(port, "%d\n", ntohs(at.sin_port));
	fclose(port);
	for (;;) {
		int fd = accept(s, NULL, NULL);
		if (fd < 0)
			continue;
		if (fork() == 0) {
			close(s);
			serve(fd, log, to);
			_exit(0);
		}
		close(fd);
	}
}
