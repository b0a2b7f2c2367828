/* mvchat verify: reads the target back and says in one sentence whether the replay is complete. */
#include "cli/stage.h"


#include <stdio.h>

static const struct opt opts[] = {
	{ "report", 0, "FILES", N_("also write reports there, separated by commas: .txt, .md, .html, .xml (JUnit), .json") },
	{ "url", 0, "URL", N_("address of the target's API (default: the mapping's)") },
	{ "cacert", 0, "FILE", N_("trust the certificates in FILE") },
	{ "proxy", 0, "URL", N_("use this proxy") },
	{ "timeout", 0, "SECONDS", N_("longest time for one request") },
	{ NULL, 0, NULL, NULL },
};

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	struct project p;
	int code;
	struct buf b;
	struct jw w;
	bool json = opt_given(a, "json");
	project_init(&p, a);
	buf_init(&b, 1 << 30);
	jw_init(&w, &b);
	if (!report_check(opt_value(a, "report"), &e) || !project_mapping(&p, &e) || !project_spool(&p, &e) ||
	    !project_ledger(&p, LEDGER_READ, &e) || !project_session(&p, a, NULL, NULL, TOKENS_NEEDED, &e))
		goto fail;
	struct report_verify rv = { .n = 0 };
	struct stage_verify v = { .w = json ? &w : NULL, .report = opt_given(a, "report") ? &rv : NULL };
	const struct verify_result *r = &v.result;
	if (json) {
		jw_obj(&w);
		jw_kint(&w, "schema", 1);
		jw_key(&w, "findings");
		jw_arr(&w);
	}
	if (!stage_verify(&p, &v, &e))
		goto fail;
	if (json) {
		jw_arr_end(&w);
		report_json_verify(r, v.complete, &w);
		jw_kstr(&w, "verdict", v.verdict);
		jw_obj_end(&w);
		puts(b.p);
	} else {
		if (v.findings > 50)
			printf(_("  … and %s more (--json lists all)\n"), num(v.findings - 50));
		if (v.findings)
			putchar('\n');
		out_title(_("Compared with the target"));
		out_row(26, _("messages that match"), "%s", num(r->messages[FIND_MATCH]));
		out_row(26, _("missing"), "%s", num(r->messages[FIND_MISSING]));
		out_row(26, _("altered"), "%s", num(r->messages[FIND_ALTERED]));
		out_row(26, _("out of order"), "%s", num(r->messages[FIND_MISPLACED]));
		out_row(26, _("twice"), "%s", num(r->messages[FIND_TWICE]));
		out_row(26, _("written by others"), "%s", num(r->messages[FIND_FOREIGN]));
		out_row(26, _("people / chats"), _("%s / %s there, %s / %s missing"), num(r->users_ok), num(r->chats_ok), num(r->users_missing), num(r->chats_missing));
		putchar('\n');
		printf("%s\n", v.verdict);
	}
	struct report rep;
	report_init(&rep, REPORT_VERIFY, &p, &v.facts);
	rep.verify = &rv;
	if (!report_save(&rep, opt_value(a, "report"), &e))
		goto fail;
	code = !r->clean ? EX_DIFF : !v.complete ? EX_PARTIAL : EX_DONE;
	buf_release(&b);
	project_close(&p);
	return code;
fail:
	code = out_fail(&e);
	buf_release(&b);
	project_close(&p);
	return code;
}

const struct command cmd_verify = {
	"verify", "", N_("read the target back and compare"),
	N_("Lists what is in the target and compares it with the ledger: missing, altered, twice, out of order. Writes nothing."),
	opts, run,
};
