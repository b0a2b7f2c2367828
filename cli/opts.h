/* opts.h: commands and their options as tables: the parser, --help, the man page and the completions all read them. */
#ifndef MVCHAT_OPTS_H
#define MVCHAT_OPTS_H

#include "core/err.h"

struct opt {
	const char *name;  /* long name without dashes; NULL ends a table */
	char letter;       /* or 0 */
	const char *arg;   /* name of its argument ("DIR"), or NULL for a switch */
	const char *help;  /* N_(), one line */
};

/* Options that several commands have. The way to the target; with its address, where a project knows it. */
#define OPTS_WAY \
	{ "cacert", 0, "FILE", N_("trust the certificates in FILE") }, { "proxy", 0, "URL", N_("use this proxy") }, \
		{ "timeout", 0, "SECONDS", N_("longest time for one request") }
#define OPTS_TARGET { "url", 0, "URL", N_("address of the target's API (default: the mapping's)") }, OPTS_WAY
#define OPT_REPORT { "report", 0, "FILES", N_("also write reports there, separated by commas: .txt, .md, .html, .xml (JUnit), .json") }
#define OPT_DATE_ORDER { "date-order", 0, "ORDER", N_("dmy, mdy or ymd: for chats whose dates nothing proves") }

enum { OPTS_MAX = 32 };
struct args {
	const struct command *cmd;
	const char *value[OPTS_MAX]; /* by index in the joined table (own options, then common ones); NULL not given */
	char **rest;
	int n_rest;
};

struct command {
	const char *name, *usage, *summary, *detail; /* usage: what follows the name; summary, detail: N_() */
	const struct opt *opts;
	int (*run)(const struct args *a);
};

extern const struct command *const commands[]; /* NULL-terminated; cli/main.c */
extern const struct opt common_opts[];

/* argv[0] is the command's name. ERR_USAGE names the word and suggests the nearest option. */
bool opts_parse(const struct command *c, int argc, char **argv, struct args *out, struct err *e);
const char *opt_value(const struct args *a, const char *name); /* NULL not given; "" for a switch that was given */
bool opt_given(const struct args *a, const char *name);
bool opt_number(const struct args *a, const char *name, int64_t min, int64_t max, int64_t otherwise, int64_t *out, struct err *e);
void opts_help(const struct command *c);     /* one command, on stdout */
void opts_help_all(void);                    /* the list of commands, on stdout */
/* The word of a NULL-terminated list nearest to w by edit distance, or NULL when nothing is near. */
const char *nearest(const char *w, const char *const *words);

#endif
