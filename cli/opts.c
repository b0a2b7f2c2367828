#include "cli/opts.h"

#include "cli/topics.h"

#include "cli/i18n.h"
#include "cli/out.h"
#include "core/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct opt common_opts[] = {
	{ "project", 'C', "DIR", N_("project folder with mvchat.yaml and .mvchat/ (default: the current one)") },
	{ "json", 0, NULL, N_("print the result as JSON") },
	{ "lang", 0, "LANG", N_("language of messages: ru or en (default: from the environment)") },
	{ "quiet", 'q', NULL, N_("only errors and the result") },
	{ "verbose", 'v', NULL, N_("also say what is done in detail") },
	{ "log-format", 0, "FORMAT", N_("log lines as text or json") },
	{ "progress", 0, "WHEN", N_("progress display: auto, always, never, plain or json") },
	{ "help", 'h', NULL, N_("show this help") },
	{ NULL, 0, NULL, NULL },
};

static size_t count(const struct opt *o)
{
	size_t n = 0;
	while (o[n].name)
		n++;
	return n;
}

static const struct opt *opt_at(const struct command *c, size_t i)
{
	size_t own = count(c->opts);
	if (i < own)
		return &c->opts[i];
	return i - own < count(common_opts) ? &common_opts[i - own] : NULL;
}

static size_t distance(const char *a, const char *b)
{
	size_t row[64], n = strlen(b);
	if (n >= countof(row))
		return n;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diag = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t best = diag + (a[i] != b[j]);
			diag = row[j + 1];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (diag + 1 < best)
				best = diag + 1;
			row[j + 1] = best;
		}
	}
	return row[n];
}

const char *nearest(const char *w, const char *const *words)
{
	const char *best = NULL;
	size_t least = 3; /* more than two edits away is another word */
	for (; *words; words++) {
		size_t d = distance(w, *words);
		if (d < least && d < strlen(w)) {
			least = d;
			best = *words;
		}
	}
	return best;
}

static bool unknown_option(const struct command *c, const char *word, struct err *e)
{
	const char *names[OPTS_MAX + 1];
	size_t n = 0;
	const struct opt *o;
	for (; n < OPTS_MAX && (o = opt_at(c, n)); n++)
		names[n] = o->name;
	names[n] = NULL;
	err_set(e, ERR_USAGE, _("unknown option '%s'"), word);
	const char *near = nearest(word + strspn(word, "-"), names);
	if (near)
		err_hint(e, _("did you mean --%s?"), near);
	else
		err_hint(e, _("'mvchat help %s' lists the options"), c->name);
	return false;
}

bool opts_parse(const struct command *c, int argc, char **argv, struct args *out, struct err *e)
{
	*out = (struct args){ .cmd = c, .rest = argv + 1 };
	bool only_words = false;
	for (int i = 1; i < argc; i++) {
		char *w = argv[i];
		if (only_words || w[0] != '-' || !w[1]) {
			out->rest[out->n_rest++] = w;
			continue;
		}
		if (streq(w, "--")) {
			only_words = true;
			continue;
		}
		const char *eq = w[1] == '-' ? strchr(w, '=') : NULL;
		size_t len = eq ? (size_t)(eq - w) - 2 : strlen(w) - (w[1] == '-' ? 2 : 1);
		size_t k = 0;
		const struct opt *o;
		for (; (o = opt_at(c, k)); k++)
			if (w[1] == '-' ? strlen(o->name) == len && !strncmp(w + 2, o->name, len) : o->letter == w[1] && len == 1)
				break;
		if (!o)
			return unknown_option(c, w, e);
		if (!o->arg && eq)
			return err_set(e, ERR_USAGE, _("option --%s takes no value"), o->name);
		if (!o->arg)
			out->value[k] = "";
		else if (eq)
			out->value[k] = eq + 1;
		else if (i + 1 < argc)
			out->value[k] = argv[++i];
		else
			return err_set(e, ERR_USAGE, _("option --%s needs a value: %s"), o->name, o->arg);
	}
	return true;
}

const char *opt_value(const struct args *a, const char *name)
{
	const struct opt *o;
	for (size_t i = 0; (o = opt_at(a->cmd, i)); i++)
		if (streq(o->name, name))
			return a->value[i];
	die("option '%s' is not in the table of '%s'", name, a->cmd->name);
}

bool opt_given(const struct args *a, const char *name)
{
	return opt_value(a, name) != NULL;
}

bool opt_number(const struct args *a, const char *name, int64_t min, int64_t max, int64_t otherwise, int64_t *out, struct err *e)
{
	const char *v = opt_value(a, name);
	*out = otherwise;
	if (!v)
		return true;
	char *end;
	errno = 0;
	long long n = strtoll(v, &end, 10);
	if (errno || *end || end == v || n < min || n > max)
		return err_set(e, ERR_USAGE, _("--%s: '%s' is not a number from %lld to %lld"), name, v, (long long)min, (long long)max);
	*out = n;
	return true;
}

static void print_opts(const struct opt *o)
{
	for (; o->name; o++) {
		char head[64], lead[80];
		snprintf(head, sizeof(head), "%c%c%s--%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ', o->letter ? ", " : "  ",
		         o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		snprintf(lead, sizeof(lead), "  %-28s ", head);
		out_wrapped(lead, _(o->help));
	}
}

void opts_help(const struct command *c)
{
	printf(_("Usage: mvchat %s [options]%s%s\n\n"), c->name, *c->usage ? " " : "", c->usage);
	out_wrapped("", _(c->summary));
	if (c->detail) {
		putchar('\n');
		out_wrapped("", _(c->detail));
	}
	if (c->opts[0].name) {
		printf("\n%s\n", _("Options:"));
		print_opts(c->opts);
	}
	printf("\n%s\n", _("Common options:"));
	print_opts(common_opts);
}

void opts_help_all(void)
{
	printf("%s\n\n", _("mvchat moves a company's chats from one messenger to another."));
	printf("%s\n\n", _("Usage: mvchat COMMAND [options] [arguments]"));
	for (const struct command *const *c = commands; *c; c++) {
		char lead[32];
		snprintf(lead, sizeof(lead), "  %-10s ", (*c)->name);
		out_wrapped(lead, _((*c)->summary));
	}
	printf("\n%s\n\n", _("'mvchat help COMMAND' tells about one of them, 'mvchat help TOPIC' about these:"));
	topic_list();
}
