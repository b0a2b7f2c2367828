/* mvchat apply: replays into the target. Resumable at any moment; running again what is complete sends nothing. */
#include "cli/stage.h"

#include "core/log.h"

#include <stdio.h>
#include <string.h>

static const struct opt opts[] = {
	{ "yes", 'y', NULL, N_("do not ask") },
	{ "plan", 0, "DIGEST", N_("refuse when the plan is no longer the one with this digest") },
	{ "edit-drift", 0, NULL, N_("edit sent messages that today's mapping would write differently") },
	{ "delete-removed", 0, NULL, N_("delete sent messages in the target that the source has deleted since") },
	{ "max-ops", 0, "N", N_("stop, resumably, after N writes") },
	{ "window", 0, "TIME", N_("stop, resumably, after so long: 2h, 90m, 1h30m") },
	{ "quiet-hours", 0, "HOURS", N_("send nothing at these times of the day (in the mapping's zone): 09:00-19:00, or several separated by commas") },
	{ "rate", 0, "PERCENT", N_("use only this share of the target's limits (1 to 100; more against a sandbox only)") },
	{ "settle", 0, "SECONDS", N_("how long to wait before an unknown outcome is looked up") },
	{ "max-wait", 0, "SECONDS", N_("longest time to sit out a refusal before stopping resumably") },
	OPT_REPORT,
	OPT_DATE_ORDER,
	OPTS_TARGET,
	{ NULL, 0, NULL, NULL },
};

static void print_result(const struct engine_result *r)
{
	out_title(_("This run"));
	out_row(26, _("messages sent"), "%s", num(r->posted));
	if (r->edited)
		out_row(26, _("messages edited"), "%s", num(r->edited));
	if (r->taken_back)
		out_row(26, _("messages deleted"), "%s", num(r->taken_back));
	if (r->created)
		out_row(26, _("people, chats, threads made"), "%s", num(r->created));
	if (r->uploaded)
		out_row(26, _("files uploaded"), "%s", num(r->uploaded));
	if (r->adopted)
		out_row(26, _("found already written"), "%s", num(r->adopted));
	if (r->resent)
		out_row(26, _("proved absent, sent again"), "%s", num(r->resent));
	if (r->rejected)
		out_row(26, _("rejected"), "%s", num(r->rejected));
	out_row(26, _("requests"), _("%s, of them %s writing; %s told to wait"), num(r->requests), num(r->writes), num(r->throttled));
	out_row(26, _("time"), "%s", span_of((double)r->elapsed_us / 1e6));
	putchar('\n');
}

static void json_result(const struct engine_result *r, const struct facts *f)
{
	struct buf b;
	struct jw w;
	buf_init(&b, 1 << 30);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kint(&w, "schema", 1);
	jw_key(&w, "run");
	report_json_run(r, &w);
	jw_key(&w, "facts");
	facts_json_to(f, &w, stdout);
	jw_obj_end(&w);
	puts(b.p);
	buf_release(&b);
}

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	struct project p;
	struct stage_replay r = { .command = "apply" };
	int code;
	project_init(&p, a);
	p.wish = (opt_given(a, "edit-drift") ? WISH_EDIT_DRIFT : 0) | (opt_given(a, "delete-removed") ? WISH_DELETE_REMOVED : 0);
	if (!opt_number(a, "max-ops", 1, INT64_MAX, 0, &r.max_ops, &e) || !opt_number(a, "rate", 1, 1000000, 100, &r.rate, &e) ||
	    !opt_number(a, "settle", 0, 86400, -1, &r.settle, &e) || !opt_number(a, "max-wait", 1, 86400, 0, &r.max_wait, &e) ||
	    (opt_value(a, "window") && !hours_span(opt_value(a, "window"), &r.window, &e)) || !date_order_given(a, &p.date_order, &e) ||
	    !report_check(opt_value(a, "report"), &e))
		goto fail;
	struct hours quiet;
	if (!project_mapping(&p, &e))
		goto fail;
	if (opt_value(a, "quiet-hours")) {
		if (!hours_quiet(opt_value(a, "quiet-hours"), mapping_config(p.mapping)->zone, &quiet, &e))
			goto fail;
		r.quiet = &quiet;
	}
	if (!project_spool(&p, &e) || !project_ledger(&p, LEDGER_WRITE, &e) ||
	    !project_session(&p, a, NULL, NULL, TOKENS_NEEDED, &e))
		goto fail;
	struct snapshot snap = { 0 };
	struct facts before;
	if (!snapshot_read(p.session, &p.arena, &snap, &e) || !stage_facts(&p, &snap, &before, &e))
		goto fail;
	if (opt_value(a, "plan")) {
		char now[DIGEST_HEX];
		hex(before.digest, DIGEST_BYTES, now);
		if (strncmp(now, opt_value(a, "plan"), strlen(opt_value(a, "plan"))) != 0 || strlen(opt_value(a, "plan")) < 12) {
			err_set(&e, ERR_DIFF, _("the plan is stale: it is now %.16s"), now);
			err_hint(&e, _("look at 'mvchat plan' again"));
			goto fail;
		}
	}
	if (!stage_allowed(&p, &before, &e))
		goto fail;
	if (!before.nothing_to_do) {
		if (!opt_given(a, "yes") && !opt_given(a, "json"))
			facts_print(&before, VIEW_PLAN);
		if (!stage_confirm(opt_given(a, "yes") ? CONSENT_GIVEN : CONSENT_ASK, &before, "mvchat apply --yes", &e))
			goto fail;
	}
	const struct mapping_config *c = mapping_config(p.mapping);
	const char *url = opt_value(a, "url") ? opt_value(a, "url") : c->target_url ? c->target_url : p.session->ex->default_url;
	if (r.rate > 100 && strncmp(url, "http://127.0.0.1:", 17) != 0) {
		err_set(&e, ERR_USAGE, _("--rate above 100 is for a sandbox on this machine only"));
		goto fail;
	}
	bool ok = stage_replay(&p, &snap, &before, &r, &e);
	if (!r.has_after)
		goto fail;
	if (opt_given(a, "json")) {
		json_result(&r.result, &r.after);
	} else {
		print_result(&r.result);
		facts_print(&r.after, VIEW_ACCOUNT);
	}
	struct report rep;
	report_init(&rep, REPORT_RUN, &p, &r.after);
	rep.run = &r.result;
	struct err e2 = ERR_INIT;
	bool saved = report_save(&rep, opt_value(a, "report"), &e2); /* also after a run that failed: it tells how far it came */
	if (ok && !saved)
		e = e2;
	if (!ok || !saved)
		goto fail;
	code = stage_replay_code(&r);
	if (code >= 128)
		log_info("apply.stopped", "%s", _("stopped cleanly; run 'mvchat apply' again to go on"));
	stage_replay_end(&p, &r, code);
	project_close(&p);
	return code;
fail:
	code = out_fail(&e);
	stage_replay_end(&p, &r, code);
	project_close(&p);
	return code;
}

const struct command cmd_apply = {
	"apply", "", N_("replay into the target; resumable"),
	N_("Writes what 'mvchat plan' shows: first the people, then channel by channel in order. May be stopped or killed at any moment; the same command goes on. When everything is written it sends nothing."),
	opts, run,
};
