/* proxy PORTFILE LOG [refuse|USER:PASSWORD in base64]: an HTTP proxy that knows CONNECT only, for tests: one connection after the other, each served by a
 * child. Writes its port to PORTFILE once it listens, and a line for each request to LOG. It answers 407 to everybody, or to whoever does not
 * bring these credentials. */
#define _DEFAULT_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void pass(int a, int b)
{
	struct pollfd p[2] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
	char buf[65536];
	while (poll(p, 2, 20000) > 0)
		for (int i = 0; i < 2; i++) {
			if (!p[i].revents)
				continue;
			ssize_t n = recv(p[i].fd, buf, sizeof(buf), 0);
			if (n <= 0)
				return;
			for (ssize_t at = 0, k; at < n; at += k)
				if ((k = send(p[1 - i].fd, buf + at, (size_t)(n - at), MSG_NOSIGNAL)) <= 0)
					return;
		}
}

static void serve(int client, const char *log, const char *wanted)
{
	char right[512] = "";
	char head[8192];
	size_t n = 0;
	int port = 0;
	head[0] = '\0';
	while (n < sizeof(head) - 1 && !strstr(head, "\r\n\r\n")) {
		ssize_t k = recv(client, head + n, sizeof(head) - 1 - n, 0);
		if (k <= 0)
			return;
		n += (size_t)k;
		head[n] = '\0';
	}
	FILE *f = fopen(log, "a");
	if (f) {
		fprintf(f, "%.*s%s\n", (int)strcspn(head, "\r"), head, strstr(head, "Bearer") ? " and a token in the clear" : "");
		fclose(f);
	}
	int refuse = wanted && strcmp(wanted, "refuse") == 0;
	if (wanted && !refuse) {
		snprintf(right, sizeof(right), "\r\nProxy-Authorization: Basic %s\r\n", wanted);
		refuse = !strstr(head, right);
	}
	const char *colon = strchr(head, ':');
	if (strncmp(head, "CONNECT ", 8) || !colon || (port = atoi(colon + 1)) <= 0 || refuse) {
		static const char no[] = "HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		send(client, no, sizeof(no) - 1, MSG_NOSIGNAL);
		return;
	}
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* every name is this machine */
	int server = socket(AF_INET, SOCK_STREAM, 0);
	static const char yes[] = "HTTP/1.1 200 Connected\r\n\r\n";
	if (connect(server, (struct sockaddr *)&to, sizeof(to)) == 0 && send(client, yes, sizeof(yes) - 1, MSG_NOSIGNAL) > 0)
		pass(client, server);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	signal(SIGCHLD, SIG_IGN);
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int l = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(l, (struct sockaddr *)&at, sizeof(at)) || listen(l, 64) || getsockname(l, (struct sockaddr *)&at, &len))
		return 1;
	FILE *f = fopen(argv[1], "w");
	if (!f)
		return 1;
	fprintf(f, "%d\n", ntohs(at.sin_port));
	fclose(f);
	for (;;) {
		int c = accept(l, NULL, NULL);
		if (c < 0)
			continue;
		if (fork() == 0) {
			serve(c, argv[2], argc > 3 ? argv[3] : NULL);
			_exit(0);
		}
		close(c);
	}
}
