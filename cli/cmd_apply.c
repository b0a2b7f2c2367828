/* mvchat apply: replays into the target. Resumable at any moment; running again what is complete sends nothing. */
#include "cli/cmd.h"

#include "cli/progress.h"
#include "core/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct opt opts[] = {
	{ "yes", 'y', NULL, N_("do not ask") },
	{ "plan", 0, "DIGEST", N_("refuse when the plan is no longer the one with this digest") },
	{ "max-ops", 0, "N", N_("stop, resumably, after N writes") },
	{ "rate", 0, "PERCENT", N_("use only this share of the target's limits (1 to 100; more against a sandbox only)") },
	{ "settle", 0, "SECONDS", N_("how long to wait before an unknown outcome is looked up") },
	{ "max-wait", 0, "SECONDS", N_("longest time to sit out a refusal before stopping resumably") },
	{ "url", 0, "URL", N_("address of the target's API (default: the mapping's)") },
	{ "cacert", 0, "FILE", N_("trust the certificates in FILE") },
	{ "proxy", 0, "URL", N_("use this proxy") },
	{ "timeout", 0, "SECONDS", N_("longest time for one request") },
	{ NULL, 0, NULL, NULL },
};

static void event(void *ctx, const char *ev, const char *lane, const char *what)
{
	(void)ctx;
	log_warn(ev, "%s: %s", lane, what);
}

/* Which kinds of write the plan will need: asked of the target before the first one. */
static uint32_t kinds_needed(const struct facts *f, const struct mapping_config *c, const struct traits *t)
{
	uint32_t k = 0;
	for (size_t i = 0; i < f->n_people; i++)
		if (f->people[i].action == PERSON_CREATE && f->people[i].state != OP_DONE)
			k |= 1u << OP_USER_CREATE;
	for (size_t i = 0; i < f->n_chats; i++) {
		const struct facts_chat *h = &f->chats[i];
		if (h->action == CHAT_SKIP || h->action == CHAT_REJECTED)
			continue;
		if (h->action == CHAT_CREATE)
			k |= 1u << OP_CHAT_CREATE;
		if (h->pending)
			k |= 1u << OP_POST;
		if (h->pending && h->threads)
			k |= 1u << OP_THREAD_OPEN;
		if (h->pending && h->files)
			k |= 1u << OP_UPLOAD;
		if (h->edits)
			k |= 1u << OP_EDIT;
		if (h->members)
			k |= 1u << OP_MEMBERS;
		if (h->archived && (t->caps & CAP_ARCHIVE))
			k |= 1u << OP_ARCHIVE;
	}
	if (c->pins && f->bucket[ITEM_PIN][BUCKET_PENDING])
		k |= 1u << OP_PIN;
	if (c->reactions == REACTION_NATIVE && f->bucket[ITEM_REACTION][BUCKET_PENDING])
		k |= 1u << OP_REACT;
	return k;
}

static bool confirmed(const struct args *a, const struct facts *f, struct err *e)
{
	if (opt_given(a, "yes"))
		return true;
	if (!isatty(STDIN_FILENO)) {
		err_set(e, ERR_USAGE, _("not asked and not told: apply writes into the target"));
		return err_hint(e, "mvchat apply --yes");
	}
	printf(_("Write %s messages into the target? [y/N] "), num(f->bucket[ITEM_MSG][BUCKET_PENDING]));
	fflush(stdout);
	char line[16];
	if (!fgets(line, sizeof(line), stdin))
		line[0] = '\0';
	/* "д" is 0xD0 0xB4, "Д" 0xD0 0x94 in UTF-8 */
	if (line[0] == 'y' || line[0] == 'Y' || !strncmp(line, "\xd0\xb4", 2) || !strncmp(line, "\xd0\x94", 2))
		return true;
	err_set(e, ERR_PARTIAL, _("stopped before writing anything"));
	return err_hint(e, _("nothing was changed"));
}

static void print_result(const struct engine_result *r)
{
	out_title(_("This run"));
	out_row(26, _("messages sent"), "%s", num(r->posted));
	if (r->edited)
		out_row(26, _("messages edited"), "%s", num(r->edited));
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
	jw_obj(&w);
	jw_kint(&w, "posted", r->posted); jw_kint(&w, "edited", r->edited); jw_kint(&w, "created", r->created);
	jw_kint(&w, "uploaded", r->uploaded); jw_kint(&w, "rejected", r->rejected); jw_kint(&w, "in_doubt", r->in_doubt);
	jw_kint(&w, "adopted", r->adopted); jw_kint(&w, "resent", r->resent); jw_kint(&w, "requests", r->requests);
	jw_kint(&w, "writes", r->writes); jw_kint(&w, "throttled", r->throttled); jw_kint(&w, "lanes_stopped", (int64_t)r->lanes_stopped);
	jw_kbool(&w, "stopped", r->stopped); jw_kint(&w, "elapsed_ms", r->elapsed_us / 1000);
	jw_obj_end(&w);
	jw_key(&w, "facts");
	facts_json(f, &w);
	jw_obj_end(&w);
	puts(b.p);
	buf_release(&b);
}

static bool facts_now(struct project *p, const struct snapshot *snap, struct facts *f, struct err *e)
{
	struct session *s = p->session;
	return plan_run(p->spool, p->mapping, s->ex, s->target, &s->traits, p->ledger, snap, &p->arena, f, e);
}

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	struct project p;
	struct stream *stream = NULL;
	int code;
	int64_t max_ops, rate, settle, max_wait, run_id = 0;
	project_init(&p, a);
	if (!opt_number(a, "max-ops", 1, INT64_MAX, 0, &max_ops, &e) || !opt_number(a, "rate", 1, 1000000, 100, &rate, &e) ||
	    !opt_number(a, "settle", 0, 86400, -1, &settle, &e) || !opt_number(a, "max-wait", 1, 86400, 0, &max_wait, &e))
		goto fail;
	if (!project_mapping(&p, &e) || !project_spool(&p, &e) || !project_ledger(&p, LEDGER_WRITE, &e) ||
	    !project_session(&p, a, NULL, NULL, TOKENS_NEEDED, &e))
		goto fail;
	struct session *s = p.session;
	const struct mapping_config *c = mapping_config(p.mapping);
	uint8_t digest[DIGEST_BYTES];
	mapping_digest(p.mapping, digest);
	ledger_current_mapping(p.ledger, digest);
	struct snapshot snap = { 0 };
	struct facts before, after;
	if (!snapshot_read(s, &p.arena, &snap, &e) || !facts_now(&p, &snap, &before, &e))
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
	if (!s->ex->may(s->target, kinds_needed(&before, c, &s->traits), &e))
		goto fail;
	if (!before.nothing_to_do) {
		if (!opt_given(a, "yes") && !opt_given(a, "json"))
			facts_print(&before, VIEW_PLAN);
		if (!confirmed(a, &before, &e))
			goto fail;
	}
	/* The ledger is tied to this pair only now that something may be written. */
	if (!ledger_bond(p.ledger, spool_source_id(p.spool, &p.arena), s->target_id, &e))
		goto fail;
	const char *url = opt_value(a, "url") ? opt_value(a, "url") : c->target_url ? c->target_url : s->ex->default_url;
	if (rate > 100 && strncmp(url, "http://127.0.0.1:", 17) != 0) {
		err_set(&e, ERR_USAGE, _("--rate above 100 is for a sandbox on this machine only"));
		goto fail;
	}
	if (rate != 100) {
		pacer_free(s->pacer);
		s->pacer = pacer_new(&s->traits, (double)rate / 100);
	}
	struct stream_args sa = { p.spool, p.mapping, s->ex, s->target, p.ledger };
	stream = stream_open(&sa, &e);
	if (!stream)
		goto fail;
	run_id = ledger_run_begin(p.ledger, "apply", digest);
	struct engine_args ea = {
		.session = s, .stream = stream, .ledger = p.ledger, .run = run_id,
		.total = before.bucket[ITEM_MSG][BUCKET_PENDING] + before.edits,
		.settle_s = (int)settle, .max_wait_s = max_wait, .max_ops = max_ops, .stop = &stop_signal,
		.progress = progress_engine, .event = event,
	};
	struct engine_result r = { 0 };
	bool ok = engine_run(&ea, &r, &e);
	progress_clear();
	stream_close(stream);
	stream = NULL;
	struct err e2 = ERR_INIT;
	if (!facts_now(&p, &snap, &after, &e2)) {
		if (ok)
			e = e2;
		goto fail;
	}
	if (opt_given(a, "json")) {
		json_result(&r, &after);
	} else {
		print_result(&r);
		facts_print(&after, VIEW_ACCOUNT);
	}
	if (!ok)
		goto fail;
	if (!after.adds_up)
		code = EX_INTERNAL;
	else if (stop_signal)
		code = 128 + stop_signal;
	else if (r.stopped || r.lanes_stopped || !after.nothing_to_do || after.bucket[ITEM_MSG][BUCKET_REJECTED] ||
	         after.bucket[ITEM_MSG][BUCKET_DOUBT] || after.bucket[ITEM_USER][BUCKET_REJECTED] || after.bucket[ITEM_CONV][BUCKET_REJECTED])
		code = EX_PARTIAL;
	else
		code = EX_DONE;
	if (code >= 128)
		log_info("apply.stopped", "%s", _("stopped cleanly; run 'mvchat apply' again to go on"));
	ledger_run_end(p.ledger, run_id, code);
	project_close(&p);
	return code;
fail:
	code = out_fail(&e);
	stream_close(stream);
	if (run_id)
		ledger_run_end(p.ledger, run_id, code);
	project_close(&p);
	return code;
}

const struct command cmd_apply = {
	"apply", "", N_("replay into the target; resumable"),
	N_("Writes what 'mvchat plan' shows: first the people, then channel by channel in order. May be stopped or killed at any moment; the same command goes on. When everything is written it sends nothing."),
	opts, run,
};
