/* sandbox.h: a local server that behaves like Pachca's API, for rehearsal without a token or a network, and for the tests.
 *
 * libmicrohttpd in front, SQLite behind. Loopback only. Semantics, limits, faults and the page are described in
 * docs/sandbox.md. The command line (`mvchat sandbox`) is the only caller.
 */
#ifndef MVCHAT_SANDBOX_H
#define MVCHAT_SANDBOX_H

#include "core/err.h"

#include "core/json.h"

#include <stdio.h>

/* Who knows where a message came from. tell writes one JSON object and returns true, or writes nothing and returns false;
 * called on the server's thread. What the page understands: docs/sandbox.md. */
struct sandbox_source {
	void *ctx;
	bool (*tell)(void *ctx, const char *message, struct jw *w);
};

struct sandbox_args {
	const char *store;        /* database file; NULL = in memory */
	int port;                 /* 0 = ephemeral */
	const char *admin_token, *bot_token; /* NULL = "sandbox-admin-token", "sandbox-bot-token" */
	const char *const *more_bots; /* tokens of further bots, NULL-terminated, or NULL */
	const char *rates;        /* limits other than the vendor's: "post=PER_SECOND/BURST/PEAK,read=PER_SECOND/BURST,other=…", or NULL */
	bool limits;              /* enforce the rate limits (429 + Retry-After) */
	const char *faults;       /* script file, or NULL */
	const char *log;          /* one JSON line per request to this file, tokens masked; or NULL */
	const char *port_file;    /* the port as a decimal line, written (whole) once it listens; or NULL */
	int seats;                /* licences; 0 = unlimited */
	const char *tls_cert, *tls_key; /* PEM files: https instead of http; or NULL */
	const volatile int *stop; /* set by a signal */
	const struct sandbox_source *source; /* for the page; or NULL. Lives as long as the sandbox */
};
struct sandbox;
struct sandbox *sandbox_start(const struct sandbox_args *args, struct err *e); /* serving when it returns */
int sandbox_port(const struct sandbox *s);
bool sandbox_wait(struct sandbox *s, struct err *e); /* until *stop */
void sandbox_close(struct sandbox *s);
/* Content as canonical, comparable lines: no ids, no times of the sandbox; sorted by chat; messages in order. */
bool sandbox_dump(const char *store, FILE *out, struct err *e);

const char *sandbox_library(void); /* version of what is behind it, for doctor */

#endif
