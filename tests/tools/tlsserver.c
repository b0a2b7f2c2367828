/* tlsserver.c: a file server on loopback that speaks TLS as files.slack.com does, for the tests of `mvchat fetch`.
 *
 *   tlsserver PORT-FILE LOG CERTIFICATE KEY
 *
 * good.png is a small picture, big.bin 400,000 bytes; whoever does not bring the token gets 200 and a sign-in page. The log has a
 * line per request: the Host header, the path's last part, whether the token was right. */
#include "core/base.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BIG = 400000, PEM_MAX = 64 * 1024 };
static char big[BIG];
static const char png[] = "\x89PNG\r\n\x1a\n-a-small-picture-";
static const char page[] = "<!DOCTYPE html><html><title>Sign in</title></html>";

static enum MHD_Result serve(void *log, struct MHD_Connection *c, const char *url, const char *method, const char *version, const char *data,
			     size_t *size, void **state)
{
	(void)method, (void)version, (void)data, (void)size, (void)state;
	const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host"), *token = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "t");
	const char *name = strrchr(url, '/') ? strrchr(url, '/') + 1 : url;
	const bool right = token && streq(token, "xoxe-good-secret-1"), is_big = streq(name, "big.bin");
	fprintf(log, "%s %s %s\n", host ? host : "-", name, right ? "token" : "none");
	fflush(log);
	const char *body = !right ? page : is_big ? big : png;
	struct MHD_Response *r = MHD_create_response_from_buffer(!right ? sizeof(page) - 1 : is_big ? BIG : sizeof(png) - 1, (void *)(uintptr_t)body,
								 MHD_RESPMEM_PERSISTENT);
	MHD_add_response_header(r, "Content-Type", !right ? "text/html" : is_big ? "application/octet-stream" : "image/png");
	const enum MHD_Result sent = MHD_queue_response(c, 200, r);
	MHD_destroy_response(r);
	return sent;
}

static char *slurp(const char *path)
{
	char *s = xcalloc(1, PEM_MAX);
	FILE *f = fopen(path, "r");
	if (!f || !fread(s, 1, PEM_MAX - 1, f))
		die("cannot read %s", path);
	fclose(f);
	return s;
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fputs("usage: tlsserver PORT-FILE LOG CERTIFICATE KEY\n", stderr);
		return 2;
	}
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	FILE *log = fopen(argv[2], "w");
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)('a' + i % 23);
	struct MHD_Daemon *d = log ? MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0, NULL, NULL, serve, log, MHD_OPTION_SOCK_ADDR,
		(struct sockaddr *)&at, MHD_OPTION_HTTPS_MEM_CERT, slurp(argv[3]), MHD_OPTION_HTTPS_MEM_KEY, slurp(argv[4]), MHD_OPTION_END) : NULL;
	const union MHD_DaemonInfo *info = d ? MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT) : NULL;
	FILE *port = info ? fopen(argv[1], "w") : NULL;
	if (!port)
		die("the TLS server does not start");
	fprintf(port, "%d\n", (int)info->port);
	fclose(port);
	for (;;)
		pause();
}
