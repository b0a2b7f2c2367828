/* mvchat verify: reads the target back and says in one sentence whether the replay is complete. */
#include "cli/cmd.h"

#include "cli/progress.h"
#include "cli/report.h"
#include "replay/verify.h"

#include <stdio.h>
#include <string.h>

static const struct opt opts[] = {
	{ "report", 0, "FILES", N_("also write reports there, separated by commas: .txt, .md, .html, .xml (JUnit), .json") },
	{ "url", 0, "URL", N_("address of the target's API (default: the mapping's)") },
	{ "cacert", 0, "FILE", N_("trust the certificates in FILE") },
	{ "proxy", 0, "URL", N_("use this proxy") },
	{ "timeout", 0, "SECONDS", N_("longest time for one request") },
	{ NULL, 0, NULL, NULL },
};

struct found { struct jw *w; struct report_verify *report; int64_t n; struct project *p; struct stream *stream; struct arena one; };

static void finding(void *ctx, enum finding f, const char *lane, const struct opkey *k, const char *target, const char *url, const char *what)
{
	struct found *v = ctx;
	char line[SENTENCE_MAX];
	struct report_finding one = { f, lane, k ? k->id : NULL, target, url, what };
	v->n++;
	if (v->report)
		report_found(v->report, &v->p->arena, &one);
	if (v->w)
		report_json_finding(&one, v->w);
	else if (v->n <= 50)
		printf("  %s  %s %s  %s%s%s\n", report_finding_word(f), safe(lane), k ? safe(k->id) : "",
		       what ? safe(report_sentence(what, line, sizeof(line))) : "", url ? "  " : "", url ? safe(url) : "");
}

static void tick(void *ctx, int64_t done, int64_t total)
{
	(void)ctx;
	progress_part(_("comparing"), done, total);
}

/* Answers live until the next question. */
static bool place_of(struct found *v, const char *source_conv, struct place *pl)
{
	struct spool_conv c;
	arena_reset(&v->one);
	if (!spool_conv(v->p->spool, source_conv, &v->one, &c))
		return false;
	mapping_place(v->p->mapping, &c.conv, &v->one, pl);
	return true;
}

static const char *chat_of(void *ctx, const char *source_conv)
{
	struct place pl;
	return place_of(ctx, source_conv, &pl) && pl.action == PLACE_ADOPT ? pl.target_id : NULL;
}

static int public_of(void *ctx, const char *source_conv)
{
	struct place pl;
	return place_of(ctx, source_conv, &pl) && pl.action == PLACE_CREATE ? pl.is_public : -1;
}

static const char *const *members_of(void *ctx, const char *source_conv, size_t *n)
{
	struct found *v = ctx;
	const char *const *ids = NULL;
	arena_reset(&v->one);
	*n = stream_joiners(v->stream, source_conv, &v->one, &ids);
	return ids;
}

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
	struct session *s = p.session;
	if (!ledger_bond(p.ledger, spool_source_id(p.spool, &p.arena), s->target_id, &e))
		goto fail;
	uint8_t digest[DIGEST_BYTES];
	mapping_digest(p.mapping, digest);
	ledger_current_mapping(p.ledger, digest);
	struct facts f;
	if (!plan_run(p.spool, p.mapping, s->ex, s->target, &s->traits, p.ledger, NULL, &p.arena, &f, &e))
		goto fail;
	struct report_verify rv = { .n = 0 };
	struct stream_args sa = { p.spool, p.mapping, s->ex, s->target, p.ledger };
	struct found v = { .w = json ? &w : NULL, .p = &p, .report = opt_given(a, "report") ? &rv : NULL, .stream = stream_open(&sa, &e) };
	if (!v.stream)
		goto fail;
	arena_init(&v.one);
	if (json) {
		jw_obj(&w);
		jw_kint(&w, "schema", 1);
		jw_key(&w, "findings");
		jw_arr(&w);
	}
	struct verify_args va = { .session = s, .ledger = p.ledger, .finding = finding, .progress = tick, .chat_of = chat_of, .public_of = public_of,
	                          .members_of = members_of, .ctx = &v, .stop = &stop_signal };
	struct verify_result r = { 0 };
	bool ok = verify_run(&va, &r, &e);
	stream_close(v.stream);
	arena_release(&v.one);
	progress_clear();
	if (!ok)
		goto fail;
	bool left = !f.nothing_to_do || f.bucket[ITEM_MSG][BUCKET_PENDING] || f.bucket[ITEM_MSG][BUCKET_DOUBT];
	char verdict[400];
	int64_t wrong = r.messages[FIND_MISSING] + r.messages[FIND_ALTERED] + r.messages[FIND_MISPLACED] + r.messages[FIND_TWICE];
	if (r.clean && !left)
		fmt_into(verdict, sizeof(verdict), _("The replay is complete: all %s messages written are in the target, unchanged and in order."), num(r.messages[FIND_MATCH]));
	else if (r.clean)
		fmt_into(verdict, sizeof(verdict), _("What was written is all there (%s messages), but the replay is not finished: %s messages are to do."),
		         num(r.messages[FIND_MATCH]), num(f.bucket[ITEM_MSG][BUCKET_PENDING] + f.bucket[ITEM_MSG][BUCKET_DOUBT]));
	else
		fmt_into(verdict, sizeof(verdict), _("The target differs from what was written: %s messages and %s other things (listed above)."), num(wrong),
		         num(r.users_missing + r.chats_missing + r.members_missing + r.privacy_wrong + r.archived_wrong));
	if (json) {
		jw_arr_end(&w);
		report_json_verify(&r, r.clean && !left, &w);
		jw_kstr(&w, "verdict", verdict);
		jw_obj_end(&w);
		puts(b.p);
	} else {
		if (v.n > 50)
			printf(_("  … and %s more (--json lists all)\n"), num(v.n - 50));
		if (v.n)
			putchar('\n');
		out_title(_("Compared with the target"));
		out_row(26, _("messages that match"), "%s", num(r.messages[FIND_MATCH]));
		out_row(26, _("missing"), "%s", num(r.messages[FIND_MISSING]));
		out_row(26, _("altered"), "%s", num(r.messages[FIND_ALTERED]));
		out_row(26, _("out of order"), "%s", num(r.messages[FIND_MISPLACED]));
		out_row(26, _("twice"), "%s", num(r.messages[FIND_TWICE]));
		out_row(26, _("written by others"), "%s", num(r.messages[FIND_FOREIGN]));
		out_row(26, _("people / chats"), _("%s / %s there, %s / %s missing"), num(r.users_ok), num(r.chats_ok), num(r.users_missing), num(r.chats_missing));
		putchar('\n');
		printf("%s\n", verdict);
	}
	rv.result = r;
	rv.complete = r.clean && !left;
	struct report rep;
	report_init(&rep, REPORT_VERIFY, &p, &f);
	rep.verify = &rv;
	if (!report_save(&rep, opt_value(a, "report"), &e))
		goto fail;
	code = !r.clean ? EX_DIFF : left ? EX_PARTIAL : EX_DONE;
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
