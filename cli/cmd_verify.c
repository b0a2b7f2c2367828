/* mvchat verify: reads the target back and says in one sentence whether the replay is complete. */
#include "cli/stage.h"

#include "cli/names_state.h"
#include "cli/progress.h"
#include "core/clock.h"
#include "replay/adopt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct opt opts[] = {
	{ "adopt", 0, NULL, N_("rebuild a lost ledger from what the target holds") },
	{ "accept", 0, NULL, N_("with --adopt: the ledger may be written to although the target holds messages of ours that nothing expects") },
	{ "settle", 0, "SECONDS", N_("with --adopt, --repair: how long to wait for late requests before reading") },
	{ "sample", 0, "N", N_("look at about N messages only, in channels and threads chosen at random") },
	{ "seed", 0, "NUMBER", N_("with --sample: the choice, to make it again") },
	{ "repair", 0, NULL, N_("let the next apply send again what is missing at the end of a channel or thread") },
	OPT_REPORT,
	OPTS_TARGET,
	{ NULL, 0, NULL, NULL },
};

/* ---- --adopt ---- */

static const struct { enum op_kind kind; const char *word, *json; } kinds[] = {
	{ OP_USER_CREATE, N_("people"), "people" }, { OP_CHAT_CREATE, N_("chats"), "chats" }, { OP_POST, N_("messages"), "messages" },
	{ OP_UPLOAD, N_("files"), "files" }, { OP_THREAD_OPEN, N_("threads"), "threads" }, { OP_REACT, N_("reactions"), "reactions" },
	{ OP_PIN, N_("pins"), "pins" }, { OP_MEMBERS, N_("joinings"), "joinings" }, { OP_ARCHIVE, N_("archivings"), "archivings" },
};

struct not_there { struct jw *w; int64_t n; struct project *p; struct table *other /* id -> the former name found last */; };

static void found_under(void *ctx, const char *person, const char *name)
{
	struct not_there *v = ctx;
	table_put(v->other, arena_strdup(&v->p->arena, person), (void *)(uintptr_t)name);
}

static void not_adopted(void *ctx, enum op_kind kind, const char *lane, const struct opkey *k, const char *why)
{
	struct not_there *v = ctx;
	const char *word = "";
	v->n++;
	for (size_t i = 0; i < countof(kinds); i++)
		if (kinds[i].kind == kind)
			word = kinds[i].json;
	if (v->w) {
		jw_obj(v->w);
		jw_kstr(v->w, "what", word);
		jw_kstr(v->w, "lane", lane);
		jw_kstr(v->w, "source", k ? k->id : NULL);
		jw_kstr(v->w, "why", why);
		jw_obj_end(v->w);
	} else if (v->n <= 50) {
		printf("  %s %s  %s\n", safe(lane), k ? safe(k->id) : "", safe(why));
	}
}

static void adopting(void *ctx, int64_t done, int64_t total)
{
	(void)ctx;
	progress_part("adopting", _("finding again"), done, total);
}

static int64_t sum(const int64_t *v)
{
	int64_t n = 0;
	for (int k = 0; k <= OP_DELETE; k++)
		n += v[k];
	return n;
}

static void json_kinds(struct jw *w, const char *key, const int64_t *v)
{
	jw_key(w, key);
	jw_obj(w);
	for (size_t i = 0; i < countof(kinds); i++)
		jw_kint(w, kinds[i].json, v[kinds[i].kind]);
	jw_obj_end(w);
}

static void print_adopted(const struct adopt_result *r, int64_t told)
{
	if (told > 50)
		printf(_("  … and %s more (--json lists all)\n"), num(told - 50));
	if (told)
		putchar('\n');
	out_title(_("Found again in the target"));
	for (size_t i = 0; i < countof(kinds); i++) {
		int64_t there = r->adopted[kinds[i].kind], not = r->missing[kinds[i].kind];
		if (there || not)
			out_row(26, _(kinds[i].word), not ? _("%s; not found %s") : "%s", num(there), num(not));
	}
	if (r->known)
		out_row(26, _("known before"), "%s", num(r->known));
	if (r->renamed)
		out_row(26, _("under a former name"), "%s", num(r->renamed));
	if (r->accounts)
		out_row(26, _("further bots of ours"), _("%s, known by what they wrote: their tokens were not given"), num(r->accounts));
	if (r->strangers)
		out_row(26, _("unknown messages of ours"), "%s", num(r->strangers));
	if (r->closed)
		out_row(26, _("chats closed to us"), "%s", num(r->closed));
	putchar('\n');
	if (r->closed && r->missing[OP_POST])
		printf("%s\n", _("What is in chats that are closed to us cannot be told: let the bot in, then run this again."));
	else if (r->ambiguous)
		printf("%s\n", _("Several chats have the same name: rename or archive the wrong ones, then run this again."));
	else if (r->missing[OP_POST] && r->strangers)
		printf(_("%s messages of ours say nothing that is expected: were they changed, or is the mapping another one? Applying would send the originals again.\n"), num(r->strangers));
	else if (sum(r->missing))
		printf(_("The ledger is rebuilt as far as the target shows; %s things are to be sent ('mvchat plan' shows them).\n"), num(sum(r->missing)));
	else
		printf("%s\n", _("The ledger is rebuilt: the next apply sends nothing that is there."));
}

static int adopt(const struct args *a)
{
	struct err e = ERR_INIT;
	struct project p;
	struct stream *stream = NULL;
	struct buf b;
	struct jw w;
	int code;
	int64_t settle, run_id = 0;
	bool json = opt_given(a, "json");
	struct table other;
	const struct former *former;
	size_t n_former;
	project_init(&p, a);
	table_init(&other);
	buf_init(&b, 1 << 30);
	jw_init(&w, &b);
	if (!opt_number(a, "settle", 0, 86400, -1, &settle, &e) || !project_mapping(&p, &e) || !project_spool(&p, &e) ||
	    !project_ledger(&p, LEDGER_REBUILD, &e) || !project_session(&p, a, NULL, NULL, TOKENS_NEEDED, &e))
		goto fail;
	struct session *s = p.session;
	if (!ledger_bond(p.ledger, spool_source_id(p.spool, &p.arena), s->target_id, &e))
		goto fail;
	uint8_t digest[DIGEST_BYTES];
	mapping_digest(p.mapping, digest);
	struct stream_args sa = { p.spool, p.mapping, s->ex, s->target, p.ledger, NULL };
	stream = stream_open(&sa, &e);
	if (!stream)
		goto fail;
	if (!names_former(&p, &former, &n_former, &e))
		goto fail;
	run_id = ledger_run_begin(p.ledger, "adopt", digest, &e);
	if (!run_id)
		goto fail;
	struct not_there v = { .w = json ? &w : NULL, .p = &p, .other = &other };
	struct adopt_args aa = { .session = s, .stream = stream, .spool = p.spool, .mapping = p.mapping, .ledger = p.ledger, .run = run_id,
	                         .settle_s = (int)settle, .stop = &stop_signal, .former = former, .n_former = n_former, .renamed = found_under, .missing = not_adopted, .progress = adopting, .ctx = &v };
	struct adopt_result r = { 0 };
	if (json) {
		jw_obj(&w);
		jw_kint(&w, "schema", 1);
		jw_key(&w, "not_adopted");
		jw_arr(&w);
	}
	bool ok = adopt_run(&aa, &r, &e);
	progress_clear();
	ok = ok && names_begin(&p, run_id, &other, &e);
	if (!ok)
		goto fail;
	if (json) {
		jw_arr_end(&w);
		json_kinds(&w, "adopted", r.adopted);
		json_kinds(&w, "missing", r.missing);
		jw_kint(&w, "known", r.known); jw_kint(&w, "ambiguous", r.ambiguous); jw_kint(&w, "closed", r.closed); jw_kint(&w, "accounts", r.accounts); jw_kint(&w, "strangers", r.strangers); jw_kint(&w, "renamed", r.renamed);
		jw_kbool(&w, "stopped", r.stopped);
		jw_obj_end(&w);
		puts(b.p);
	} else {
		print_adopted(&r, v.n);
	}
	/* What the target holds of ours and nothing expects keeps an outdated ledger closed: its originals would be sent again. */
	/* Strangers alone, when nothing is missing, are nobody's originals; nor does it matter then what a closed chat holds. */
	bool doubtful = r.ambiguous || ((r.strangers || r.closed) && r.missing[OP_POST]);
	bool whole = !r.stopped && !stop_signal && (!doubtful || opt_given(a, "accept"));
	if (whole && !ledger_rebuilt(p.ledger, &e))
		goto fail;
	if (!json && ledger_outdated(p.ledger))
		printf("%s\n", _("The ledger stays closed for writing until this is cleared up, or 'mvchat verify --adopt --accept' takes it as it is."));
	code = stop_signal ? 128 + stop_signal : doubtful || r.strangers ? EX_DIFF : sum(r.missing) ? EX_PARTIAL : EX_DONE;
	goto out;
fail:
	progress_clear();
	code = out_fail(&e);
out:
	stream_close(stream);
	table_release(&other);
	if (run_id)
		ledger_run_end(p.ledger, run_id, code);
	buf_release(&b);
	project_close(&p);
	return code;
}

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	struct project p;
	int code;
	struct buf b;
	struct jw w;
	bool json = opt_given(a, "json"), repair = opt_given(a, "repair");
	int64_t sample, seed, settle, repaired = 0, refused = 0;
	if (opt_given(a, "adopt"))
		return adopt(a);
	project_init(&p, a);
	buf_init(&b, 1 << 30);
	jw_init(&w, &b);
	if (!opt_number(a, "sample", 1, INT64_MAX, 0, &sample, &e) || !opt_number(a, "seed", 0, INT64_MAX, clock_wall_us() % 1000000, &seed, &e) ||
	    !opt_number(a, "settle", 0, 86400, -1, &settle, &e))
		goto fail;
	if (!report_check(opt_value(a, "report"), &e) || !project_mapping(&p, &e) || !project_spool(&p, &e) ||
	    !project_ledger(&p, repair ? LEDGER_WRITE : LEDGER_READ, &e) || !project_session(&p, a, NULL, NULL, TOKENS_NEEDED, &e))
		goto fail;
	struct report_verify rv = { .n = 0 };
	struct stage_verify v = { .w = json ? &w : NULL, .report = opt_given(a, "report") ? &rv : NULL,
	                          .sample = sample, .seed = (uint64_t)seed, .keep_lost = repair };
	const struct verify_result *r = &v.result;
	if (json) {
		jw_obj(&w);
		jw_kint(&w, "schema", 1);
		jw_key(&w, "findings");
		jw_arr(&w);
	}
	/* What a list does not show yet is not missing. */
	int64_t until = clock_mono_us() + (settle >= 0 ? settle : p.session->traits.settle_s) * 1000000;
	while (repair && !stop_signal && clock_mono_us() < until)
		clock_sleep_until_mono(until);
	bool ok = stage_verify(&p, &v, &e);
	if (ok && repair && !r->stopped)
		ok = verify_repair(p.ledger, v.lost, v.n_lost, &repaired, &refused, &e);
	free(v.lost);
	if (!ok)
		goto fail;
	int64_t wrong = r->messages[FIND_MISSING] + r->messages[FIND_ALTERED] + r->messages[FIND_MISPLACED] + r->messages[FIND_TWICE];
	if (json) {
		jw_arr_end(&w);
		report_json_verify(r, v.complete, &w);
		jw_kint(&w, "reactions_ok", r->reactions_ok); jw_kint(&w, "reactions_missing", r->reactions_missing);
		jw_kbool(&w, "sampled", r->sampled); jw_kint(&w, "seed", sample ? seed : 0);
		jw_kint(&w, "repaired", repaired);
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
		if (r->reactions_ok || r->reactions_missing)
			out_row(26, _("reactions"), _("%s there, %s missing"), num(r->reactions_ok), num(r->reactions_missing));
		if (r->members_missing)
			out_row(26, _("members missing"), "%s", num(r->members_missing));
		if (r->privacy_wrong + r->archived_wrong + r->names_wrong)
			out_row(26, _("chats that differ"), "%s", num(r->privacy_wrong + r->archived_wrong + r->names_wrong));
		if (r->files_ok + r->files_other)
			out_row(26, _("files"), _("%s are the ones sent, %s are others"), num(r->files_ok), num(r->files_other));
		putchar('\n');
		out_wrapped("", v.verdict);
		if (repaired)
			printf(_("%s messages will be sent again by the next apply.\n"), num(repaired));
		if (repair && wrong > repaired)
			printf(_("%s cannot be repaired without breaking the order; see docs/rollback.md.\n"), num(wrong - repaired));
	}
	struct report rep;
	report_init(&rep, REPORT_VERIFY, &p, &v.facts);
	rep.verify = &rv;
	if (!report_save(&rep, opt_value(a, "report"), &e))
		goto fail;
	code = !r->clean ? EX_DIFF : v.left ? EX_PARTIAL : EX_DONE;
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
	N_("Lists what is in the target and compares it with the ledger: missing, altered, twice, out of order. Writes nothing to the target. --adopt rebuilds a lost ledger, --repair lets apply send again what is missing at the end."),
	opts, run,
};
