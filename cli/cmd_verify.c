/* mvchat verify: reads the target back and says in one sentence whether the replay is complete. */
#include "cli/cmd.h"

#include "cli/progress.h"
#include "replay/verify.h"

#include <stdio.h>
#include <string.h>

static const struct opt opts[] = {
	{ "url", 0, "URL", N_("address of the target's API (default: the mapping's)") },
	{ "cacert", 0, "FILE", N_("trust the certificates in FILE") },
	{ "proxy", 0, "URL", N_("use this proxy") },
	{ "timeout", 0, "SECONDS", N_("longest time for one request") },
	{ NULL, 0, NULL, NULL },
};

struct found { struct jw *w; int64_t n; struct project *p; struct stream *stream; struct arena one; };

static const char *finding_word(enum finding f)
{
	switch (f) {
	case FIND_MATCH: return _("match");
	case FIND_MISSING: return _("missing");
	case FIND_ALTERED: return _("altered");
	case FIND_FOREIGN: return _("foreign");
	case FIND_MISPLACED: return _("out of order");
	case FIND_TWICE: return _("twice");
	case N_FINDING: break;
	}
	return "?";
}

static const char *const finding_json[] = { "match", "missing", "altered", "foreign", "misplaced", "twice" };

static void finding(void *ctx, enum finding f, const char *lane, const struct opkey *k, const char *target, const char *url, const char *what)
{
	struct found *v = ctx;
	v->n++;
	if (v->w) {
		jw_obj(v->w);
		jw_kstr(v->w, "finding", finding_json[f]);
		jw_kstr(v->w, "lane", lane);
		jw_kstr(v->w, "source", k ? k->id : NULL);
		jw_kstr(v->w, "target", target);
		jw_kstr(v->w, "url", url);
		jw_kstr(v->w, "what", what);
		jw_obj_end(v->w);
	} else if (v->n <= 50) {
		printf("  %s  %s %s  %s%s%s\n", finding_word(f), safe(lane), k ? safe(k->id) : "", what ? safe(what) : "", url ? "  " : "",
		       url ? safe(url) : "");
	}
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
	if (!project_mapping(&p, &e) || !project_spool(&p, &e) || !project_ledger(&p, LEDGER_READ, &e) ||
	    !project_session(&p, a, NULL, NULL, TOKENS_NEEDED, &e))
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
	struct stream_args sa = { p.spool, p.mapping, s->ex, s->target, p.ledger };
	struct found v = { .w = json ? &w : NULL, .p = &p, .stream = stream_open(&sa, &e) };
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
		jw_key(&w, "messages");
		jw_obj(&w);
		for (int i = 0; i < N_FINDING; i++)
			jw_kint(&w, finding_json[i], r.messages[i]);
		jw_obj_end(&w);
		jw_kint(&w, "users_ok", r.users_ok); jw_kint(&w, "users_missing", r.users_missing);
		jw_kint(&w, "chats_ok", r.chats_ok); jw_kint(&w, "chats_missing", r.chats_missing);
		jw_kint(&w, "members_missing", r.members_missing);
		jw_kint(&w, "privacy_wrong", r.privacy_wrong); jw_kint(&w, "archived_wrong", r.archived_wrong);
		jw_kint(&w, "requests", r.lists);
		jw_kbool(&w, "clean", r.clean); jw_kbool(&w, "complete", r.clean && !left);
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
