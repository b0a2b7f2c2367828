/* mvchat: dispatch, signals, exit code. */
#include "cli/topics.h"
#include "cli/cmd.h"

#include "cli/completion.h"
#include "cli/manual.h"
#include "cli/progress.h"
#include "core/clock.h"
#include "core/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

const struct command *const commands[] = { &cmd_move, &cmd_inspect, &cmd_fetch, &cmd_map, &cmd_plan, &cmd_apply, &cmd_verify, &cmd_rollback, &cmd_status, &cmd_report, &cmd_archive,
	&cmd_doctor, &cmd_sandbox, NULL };

volatile int stop_signal;

static void on_signal(int sig)
{
	if (stop_signal || !stop_polite) { /* dying is safe by construction */
		if (stop_remove[0])
			unlink(stop_remove[0]);
		if (stop_remove[1])
			rmdir(stop_remove[1]);
		_exit(128 + sig);
	}
	stop_signal = sig;
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* --lang must be known before the first message, wherever it stands. */
static const char *early_lang(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "--lang=", 7))
			return argv[i] + 7;
		if (streq(argv[i], "--lang") && i + 1 < argc)
			return argv[i + 1];
	}
	return NULL;
}

static const struct command *find(const char *name)
{
	for (const struct command *const *c = commands; *c; c++)
		if (streq((*c)->name, name))
			return *c;
	return NULL;
}

static int unknown(const char *name)
{
	struct err e = ERR_INIT;
	const char *names[countof(commands)];
	size_t n = 0;
	for (; commands[n]; n++)
		names[n] = commands[n]->name;
	names[n] = NULL;
	err_set(&e, ERR_USAGE, _("unknown command '%s'"), name);
	const char *near = nearest(name, names);
	if (near)
		err_hint(&e, _("did you mean 'mvchat %s'?"), near);
	else
		err_hint(&e, _("'mvchat help' lists the commands"));
	return out_fail(&e);
}

static bool common(const struct args *a, struct err *e)
{
	const char *f = opt_value(a, "log-format"), *p = opt_value(a, "progress");
	if (f && !streq(f, "text") && !streq(f, "json"))
		return err_set(e, ERR_USAGE, _("--log-format: '%s' is neither text nor json"), f);
	static const char *const words[] = { "auto", "always", "never", "plain", "json" };
	size_t mode = 0;
	while (p && mode < countof(words) && !streq(p, words[mode]))
		mode++;
	if (mode == countof(words))
		return err_set(e, ERR_USAGE, _("--progress: '%s' is none of auto, always, never, plain, json"), p);
	if (!f && p && streq(p, "json"))
		f = p; /* one kind of line on stderr */
	log_init(opt_given(a, "quiet") ? LOG_ERROR : opt_given(a, "verbose") ? LOG_DEBUG : LOG_INFO, f && streq(f, "json") ? LOG_JSON : LOG_TEXT);
	progress_init(opt_given(a, "quiet") ? PROGRESS_NEVER : (enum progress_mode)mode);
	return true;
}

int main(int argc, char **argv)
{
	umask(077); /* spool, ledger and tables hold private things */
#ifdef __GLIBC__
	/* Large blocks always go back to the system: glibc would raise this bound with each one freed, and keep them. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
#endif
	clock_init();
	i18n_init(early_lang(argc, argv));
	log_set_words(_("error"), _("warning"));
	catch_signals();
	/* --lang is the one option that may stand before the command: it was read above. */
	while (argc > 1 && (!strncmp(argv[1], "--lang=", 7) || (streq(argv[1], "--lang") && argc > 2))) {
		int used = argv[1][6] ? 1 : 2;
		argc -= used;
		argv += used;
	}
	const char *name = argc > 1 ? argv[1] : "help";
	if (streq(name, "--version") || streq(name, "version")) {
		puts("mvchat " MVCHAT_VERSION);
		return EX_DONE;
	}
	if (streq(name, "help") || streq(name, "--help") || streq(name, "-h")) {
		if (argc > 2 && streq(argv[2], "--mdoc")) {
			manual_print();
			return EX_DONE;
		}
		if (argc > 2 && streq(argv[2], "--completion")) {
			struct err e = ERR_INIT;
			return completion_print(argc > 3 ? argv[3] : "", &e) ? EX_DONE : out_fail(&e);
		}
		const struct command *c = argc > 2 ? find(argv[2]) : NULL;
		if (argc > 2 && !c && topic_print(argv[2]))
			return EX_DONE;
		if (argc > 2 && !c && argv[2][0] != '-')
			return unknown(argv[2]);
		if (c)
			opts_help(c);
		else
			opts_help_all();
		return EX_DONE;
	}
	const struct command *c = find(name);
	if (!c)
		return unknown(name);
	struct err e = ERR_INIT;
	struct args a;
	if (!opts_parse(c, argc - 1, argv + 1, &a, &e))
		return out_fail(&e);
	if (opt_given(&a, "help")) {
		opts_help(c);
		return EX_DONE;
	}
	if (!common(&a, &e))
		return out_fail(&e);
	int code = c->run(&a);
	if (fflush(stdout) != 0 || ferror(stdout))
		return code ? code : EX_INTERNAL;
	return code;
}
