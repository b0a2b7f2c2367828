/* fileserver.c: a file server on loopback that behaves well and badly on request, for the tests of `mvchat fetch`.
 *
 *   fileserver PORT-FILE LOG
 *
 * The last part of a path says what happens: good.png, same.png (redirect on this server), away.png (redirect to a sign-in
 * address), other.png (redirect to another server), page.png (200 and HTML), short.bin (fewer bytes than were announced to the
 * message), drip.bin (10,000 bytes a request, then the connection closes), flaky.bin (503 twice), gone.bin (404). Whoever does
 * not bring the token gets 200 and a sign-in page. The log has a line per request: path, range, whether the token was right. */
#include "core/base.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BIG = 100000, DRIP = 10000 };
static const char png[] = "\x89PNG\r\n\x1a\n-a-small-picture-";
static const char page[] = "<!DOCTYPE html><html><title>Sign in</title></html>";

static void put(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);
		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

static void answer(int fd, const char *status, const char *type, const char *extra, const char *body, size_t say, size_t send)
{
	char head[1024];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n", status, type, say, extra);
	put(fd, head, (size_t)n);
	put(fd, body, send);
}

static void serve(int fd, const char *request, FILE *log)
{
	static char big[BIG];
	static int flaky;
	char path[512] = "", range[64] = "-", extra[256];
	sscanf(request, "GET %511s", path);
	const char *r = strstr(request, "Range: bytes=");
	if (r)
		sscanf(r, "Range: bytes=%63[0-9-]", range);
	bool token = strstr(path, "t=xoxe-good-secret") || strstr(path, "token=xoxe-good-secret");
	char *query = strchr(path, '?');
	if (query)
		*query = '\0';
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	fprintf(log, "%s %s %s%s\n", name, range, token ? "token" : "none", strstr(request, "If-Range:") ? " if-range" : "");
	fflush(log);
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)('a' + i % 23);
	if (streq(name, "again.png") && strstr(path, "/moved/"))
		answer(fd, "200 OK", "image/png", "", png, sizeof(png) - 1, sizeof(png) - 1);
	else if (!token || streq(name, "page.png"))
		answer(fd, "200 OK", "text/html; charset=utf-8", "", page, sizeof(page) - 1, sizeof(page) - 1);
	else if (streq(name, "good.png"))
		answer(fd, "200 OK", "image/png", "ETag: \"1\"\r\n", png, sizeof(png) - 1, sizeof(png) - 1);
	else if (streq(name, "same.png"))
		answer(fd, "302 Found", "text/plain", "Location: /moved/again.png\r\n", "", 0, 0);
	else if (streq(name, "away.png"))
		answer(fd, "302 Found", "text/plain", "Location: https://example.slack.com/?redir=%2Ffiles\r\n", "", 0, 0);
	else if (streq(name, "other.png"))
		answer(fd, "302 Found", "text/plain", "Location: http://localhost:9/steal\r\n", "", 0, 0);
	else if (streq(name, "short.bin"))
		answer(fd, "200 OK", "application/octet-stream", "", big, 50, 50);
	else if (streq(name, "flaky.bin") && flaky++ < 2)
		answer(fd, "503 Service Unavailable", "text/html", "Retry-After: 7\r\n", page, sizeof(page) - 1, sizeof(page) - 1);
	else if (streq(name, "flaky.bin"))
		answer(fd, "200 OK", "application/octet-stream", "", big, BIG, BIG);
	else if (streq(name, "drip.bin")) {
		size_t from = r ? (size_t)strtoul(range, NULL, 10) : 0, left = from < BIG ? BIG - from : 0, n = left < DRIP ? left : DRIP;
		snprintf(extra, sizeof(extra), "ETag: \"drip\"\r\nContent-Range: bytes %zu-%d/%d\r\n", from, BIG - 1, BIG);
		answer(fd, r ? "206 Partial Content" : "200 OK", "application/octet-stream", extra, big + from, left, n);
	} else {
		answer(fd, "404 Not Found", "text/html", "", page, sizeof(page) - 1, sizeof(page) - 1);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	FILE *log = argc == 3 ? fopen(argv[2], "w") : NULL;
	FILE *port = log ? fopen(argv[1], "w") : NULL;
	if (!port || s < 0 || bind(s, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(s, 64) != 0 || getsockname(s, (struct sockaddr *)&at, &n) != 0) {
		fprintf(stderr, "usage: fileserver PORT-FILE LOG\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	fprintf(port, "%d\n", ntohs(at.sin_port));
	fclose(port);
	for (;;) {
		char request[8192];
		size_t got = 0;
		int fd = accept(s, NULL, NULL);
		if (fd < 0)
			continue;
		while (got < sizeof(request) - 1) {
			ssize_t k = read(fd, request + got, sizeof(request) - 1 - got);
			if (k <= 0)
				break;
			got += (size_t)k;
			request[got] = '\0';
			if (strstr(request, "\r\n\r\n")) {
				serve(fd, request, log);
				break;
			}
		}
		close(fd);
	}
}
