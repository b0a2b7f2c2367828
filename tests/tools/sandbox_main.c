/* sandbox_main.c: the sandbox as a program of its own, for trying it. SIGTERM and SIGINT stop it.
 *   sandbox_main [--port N] [--store FILE] [--limits] [--faults FILE] [--log FILE] [--port-file FILE] [--seats N] | --dump FILE */
#include "sandbox/sandbox.h"

#include "core/clock.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static volatile int stop;

static void on_signal(int n)
{
	(void)n;
	stop = 1;
}

int main(int argc, char **argv)
{
	struct sandbox_args a = { .stop = &stop };
	struct err e = ERR_INIT;
	clock_init();
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		if (streq(argv[i], "--limits")) {
			a.limits = true;
			continue;
		}
		if (streq(argv[i], "--dump")) {
			if (sandbox_dump(value, stdout, &e))
				return 0;
			fprintf(stderr, "%s %s\n", e.msg, e.where);
			return 1;
		}
		if (streq(argv[i], "--port")) a.port = atoi(value);
		else if (streq(argv[i], "--store")) a.store = value;
		else if (streq(argv[i], "--faults")) a.faults = value;
		else if (streq(argv[i], "--log")) a.log = value;
		else if (streq(argv[i], "--port-file")) a.port_file = value;
		else if (streq(argv[i], "--seats")) a.seats = atoi(value);
		else {
			fprintf(stderr, "unknown option %s\n", argv[i]);
			return 2;
		}
		i++;
	}
	struct sigaction sa = { .sa_handler = on_signal };
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	struct sandbox *s = sandbox_start(&a, &e);
	if (!s) {
		fprintf(stderr, "%s %s\n", e.msg, e.where);
		return 1;
	}
	printf("http://127.0.0.1:%d/\n", sandbox_port(s));
	fflush(stdout);
	sandbox_wait(s, &e);
	sandbox_close(s);
	return 0;
}
