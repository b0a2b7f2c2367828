/* mvchat sandbox: the local rehearsal target. */
#include "cli/cmd.h"

#include "cli/source_view.h"
#include "sandbox/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BOTS = 16 };
#define SEPARATORS ", \t\r\n"
static const struct opt opts[] = {
	{ "store", 0, "FILE", N_("keep the content in FILE (default: in memory)") },
	{ "port", 0, "N", N_("port on 127.0.0.1 (default: any free one)") },
	{ "no-limits", 0, NULL, N_("do not enforce the target's rate limits") },
	{ "rates", 0, "LIMITS", N_("limits other than the target's: post=PER_SECOND/BURST/PEAK,read=PER_SECOND/BURST,other=PER_SECOND/BURST") },
	{ "bots", 0, "N", N_("bots with a token each (sandbox-bot-token, sandbox-bot-token-2, …); default 1") },
	{ "faults", 0, "FILE", N_("script of faults (docs/sandbox.md)") },
	{ "log", 0, "FILE", N_("one JSON line per request") },
	{ "tls-cert", 0, "FILE", N_("serve https with the certificate (PEM) in FILE") },
	{ "tls-key", 0, "FILE", N_("... and its key") },
	{ "port-file", 0, "FILE", N_("write the port there once it listens") },
	{ "seats", 0, "N", N_("licences the company has (default: unlimited)") },
	{ "dump", 0, NULL, N_("print the content of --store as comparable JSON lines, and end") },
	{ NULL, 0, NULL, NULL },
};

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	int64_t port, seats, bots;
	static char tokens[BOTS][sizeof("sandbox-bot-token-") + 20];
	const char *more[BOTS + 1] = { NULL };
	if (!opt_number(a, "port", 0, 65535, 0, &port, &e) || !opt_number(a, "seats", 0, 1000000, 0, &seats, &e) ||
	    !opt_number(a, "bots", 1, BOTS, 1, &bots, &e))
		return out_fail(&e);
	if (opt_given(a, "dump")) {
		if (!opt_value(a, "store")) {
			err_set(&e, ERR_USAGE, _("which content? give --store FILE"));
			return out_fail(&e);
		}
		if (!sandbox_dump(opt_value(a, "store"), stdout, &e))
			return out_fail(&e);
		return EX_DONE;
	}
	stop_polite = 1;
	char *given = getenv("PACHCA_BOT_TOKEN") ? xstrdup(getenv("PACHCA_BOT_TOKEN")) : NULL, *bot = given ? strtok(given, SEPARATORS) : NULL;
	size_t n = 0;
	for (char *t; bot && n < BOTS && (t = strtok(NULL, SEPARATORS));)
		more[n++] = t;
	for (int64_t i = 1; !n && i < bots; i++) {
		snprintf(tokens[i], sizeof(tokens[i]), "sandbox-bot-token-%d", (int)i + 1);
		more[i - 1] = tokens[i];
	}
	struct sandbox_args sa = {
		.store = opt_value(a, "store"), .port = (int)port, .limits = !opt_given(a, "no-limits"), .faults = opt_value(a, "faults"),
		.admin_token = getenv("PACHCA_ADMIN_TOKEN"), .bot_token = bot,
		.tls_cert = opt_value(a, "tls-cert"), .tls_key = opt_value(a, "tls-key"),
		.log = opt_value(a, "log"), .port_file = opt_value(a, "port-file"),
		.more_bots = more, .rates = opt_value(a, "rates"), .seats = (int)seats, .stop = &stop_signal,
	};
	const char *dir = opt_value(a, "project");
	struct source_view *view = source_view_new(dir ? dir : ".");
	struct sandbox_source source = { view, source_view_tell };
	sa.source = &source;
	struct sandbox *s = sandbox_start(&sa, &e);
	if (!s) {
		free(given);
		source_view_free(view);
		return out_fail(&e);
	}
	source_view_port(view, sandbox_port(s));
	if (!opt_given(a, "quiet")) {
		const char *scheme = sa.tls_cert ? "https" : "http";
		printf(_("The sandbox listens on %s://127.0.0.1:%d/ (look at it in a browser)\n"), scheme, sandbox_port(s));
		printf(_("API address: %s://127.0.0.1:%d/api/shared/v1\n"), scheme, sandbox_port(s));
		if (!sa.bot_token)
			printf("%s\n", _("Tokens: PACHCA_ADMIN_TOKEN=sandbox-admin-token PACHCA_BOT_TOKEN=sandbox-bot-token"));
		printf("%s\n", _("Press Ctrl-C to end it."));
		fflush(stdout);
	}
	bool ok = sandbox_wait(s, &e);
	sandbox_close(s);
	free(given);
	source_view_free(view);
	return ok ? EX_DONE : out_fail(&e);
}

const struct command cmd_sandbox = {
	"sandbox", "", N_("a local server that behaves like the target, for rehearsal"),
	N_("Serves Pachca's API on 127.0.0.1 with a page to look at the chats. Needs no token and no network. For a project that was replayed here the page shows beside each message where it came from and what was lost."),
	opts, run,
};
