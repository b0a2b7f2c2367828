/* mvchat report: where things stand, as a document; from archives, mapping and ledger, without the target. */
#include "cli/stage.h"

static const struct opt opts[] = {
	{ "format", 'f', "FORMAT", N_("text, markdown, html, junit or json (default: by the file's name, else text)") },
	{ "output", 'o', "FILE", N_("write to FILE instead of standard output") },
	{ NULL, 0, NULL, NULL },
};

static const struct report_format *format_of(const struct args *a, struct err *e)
{
	const char *name = opt_value(a, "format"), *path = opt_value(a, "output");
	if (!name && opt_given(a, "json"))
		name = "json";
	if (!name)
		return path ? report_format_of(path, e) : report_format_named("text");
	const struct report_format *f = report_format_named(name);
	if (!f)
		err_set(e, ERR_USAGE, _("--format: '%s' is none of text, markdown, html, junit, json"), name);
	return f;
}

static bool account(struct project *p, struct facts *f, struct err *e)
{
	return project_mapping(p, e) && project_spool(p, e) && project_ledger(p, LEDGER_READ, e) && stage_facts(p, NULL, f, e);
}

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	struct project p;
	struct facts f;
	struct report r;
	project_init(&p, a);
	const struct report_format *fmt = format_of(a, &e);
	bool ok = fmt && account(&p, &f, &e);
	if (ok) {
		report_init(&r, REPORT_ACCOUNT, &p, &f);
		ok = report_write(&r, fmt, opt_value(a, "output"), &e);
	}
	int code = !ok ? out_fail(&e) : f.adds_up ? EX_DONE : EX_INTERNAL;
	project_close(&p);
	return code;
}

const struct command cmd_report = {
	"report", "", N_("the account as a document: text, Markdown, HTML, JUnit or JSON"),
	N_("Says what came over, what did not and why, what is left to do; with digests and a place to sign. Asks neither the target nor the network. Holds no message text."),
	opts, run,
};
