/* mvchat plan: the dry run. Makes no request that writes. */
#include "cli/stage.h"

#include "cli/report_gate.h"
#include "core/log.h"

#include <stdio.h>

static const struct opt opts[] = {
	{ "offline", 0, NULL, N_("do not ask the target") },
	{ "exit-code", 0, NULL, N_("exit with 7 when there is something to do") },
	{ "fail-on", 0, "LIST", N_("exit with 7 on any of: loss, loss:KIND, unresolved, privacy, accounts, rejected, doubt, unreadable, drift") },
	{ "rollback", 0, NULL, N_("show what a rollback would take back and what would stay, instead") },
	{ "run", 0, "N", N_("with --rollback: only what run N has written") },
	{ "channel", 0, "NAME", N_("with --rollback: only one channel of the archive") },
	{ "force", 0, NULL, N_("with --rollback: also what people have changed, answered or reacted to") },
	{ "users", 0, "HOW", N_("with --rollback: accounts that were created: suspend, delete or keep") },
	{ "edit-drift", 0, NULL, N_("edit sent messages that today's mapping would write differently") },
	{ "delete-removed", 0, NULL, N_("delete sent messages in the target that the source has deleted since") },
	{ "examples", 0, "N", N_("show so many messages that each rule catches: private text, also in --json and --report") },
	OPT_REPORT,
	OPT_DATE_ORDER,
	OPTS_TARGET,
	{ NULL, 0, NULL, NULL },
};

static void met(void *ctx, const char *condition, int64_t n)
{
	(void)ctx;
	log_error("plan.fail-on", _("--fail-on %s: %s"), condition, num(n));
}

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	struct project p;
	int code;
	if (opt_given(a, "rollback"))
		return rollback_command(a, ROLLBACK_SHOW);
	project_init(&p, a);
	p.wish = (opt_given(a, "edit-drift") ? WISH_EDIT_DRIFT : 0) | (opt_given(a, "delete-removed") ? WISH_DELETE_REMOVED : 0);
	bool offline = opt_given(a, "offline");
	if (!opt_number(a, "examples", 1, PLAN_EXAMPLES_MAX, 0, &p.examples, &e))
		goto fail;
	if (!date_order_given(a, &p.date_order, &e) || !gate_known(opt_value(a, "fail-on"), &e) || !report_check(opt_value(a, "report"), &e) || !project_mapping(&p, &e) || !project_spool(&p, &e) || !project_ledger(&p, LEDGER_READ, &e))
		goto fail;
	if (!offline && !project_session(&p, a, NULL, NULL, TOKENS_OPTIONAL, &e))
		goto fail;
	/* Read-only: says when the ledger is another pair's, ties nothing. */
	if (p.session && !ledger_bond(p.ledger, spool_source_id(p.spool, &p.arena), p.session->target_id, &e))
		goto fail;
	struct snapshot snap = { 0 };
	if (p.session && !snapshot_read(p.session, &p.arena, &snap, &e))
		goto fail;
	if (!p.session && !offline)
		log_warn("plan.offline", "%s", _("no token given: the plan is made without looking at the target"));
	struct facts f;
	if (!stage_facts(&p, p.session ? &snap : NULL, &f, &e))
		goto fail;
	if (opt_given(a, "json")) {
		struct buf b;
		struct jw w;
		buf_init(&b, 1 << 30);
		jw_init(&w, &b);
		facts_json_to(&f, &w, stdout);
		puts(b.p);
		buf_release(&b);
	} else {
		facts_print(&f, VIEW_PLAN);
	}
	struct report r;
	report_init(&r, REPORT_PLAN, &p, &f);
	if (!report_save(&r, opt_value(a, "report"), &e))
		goto fail;
	int conditions = gate_met(opt_value(a, "fail-on"), &f, met, NULL);
	code = !f.adds_up ? EX_INTERNAL : conditions ? EX_DIFF : opt_given(a, "exit-code") && !f.nothing_to_do ? EX_DIFF : EX_DONE;
	project_close(&p);
	return code;
fail:
	code = out_fail(&e);
	project_close(&p);
	return code;
}

const struct command cmd_plan = {
	"plan", "", N_("show what apply would do, what is lost, and how long it takes"),
	N_("Compares archives, mapping, ledger and the live target. Writes nothing, anywhere."),
	opts, run,
};
