/* mvchat rollback: takes back what mvchat has written, as far as nobody has built on it. Resumable like apply. */
#include "cli/stage.h"

#include "cli/progress.h"
#include "core/log.h"
#include "replay/rollback.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct opt opts[] = {
	{ "all", 0, NULL, N_("everything this project has written") },
	{ "run", 0, "N", N_("what run N has written (1 is the first)") },
	{ "channel", 0, "NAME", N_("one channel of the archive, by its name or id") },
	{ "dry-run", 'n', NULL, N_("show what would be taken back and what stays; write nothing") },
	{ "yes", 'y', NULL, N_("do not ask") },
	{ "force", 0, NULL, N_("also what people have changed, answered or reacted to") },
	{ "users", 0, "HOW", N_("accounts that were created: suspend (default), delete or keep") },
	OPT_REPORT,
	{ "rate", 0, "PERCENT", N_("use only this share of the target's limits (1 to 100)") },
	{ "settle", 0, "SECONDS", N_("how long to wait before an unknown outcome is looked up") },
	{ "max-wait", 0, "SECONDS", N_("longest time to sit out a refusal before stopping resumably") },
	OPTS_TARGET,
	{ NULL, 0, NULL, NULL },
};

static const struct { enum op_kind kind; const char *word, *json; } kinds[] = {
	{ OP_POST, N_("messages"), "messages" }, { OP_REACT, N_("reactions"), "reactions" }, { OP_PIN, N_("pins"), "pins" },
	{ OP_MEMBERS, N_("joinings"), "joinings" }, { OP_ARCHIVE, N_("archivings"), "archivings" },
	{ OP_CHAT_CREATE, N_("chats"), "chats" }, { OP_USER_CREATE, N_("accounts"), "accounts" },
};

static const char *keep_sentence(enum keep k)
{
	static const char *const w[N_KEEP] = {
		[KEEP_CHANGED] = N_("messages changed since they were written"),
		[KEEP_REACTED] = N_("messages somebody has reacted to"),
		[KEEP_ANSWERED] = N_("messages with an answer in their thread"),
		[KEEP_THREAD] = N_("first messages of threads that keep messages"),
		[KEEP_ARCHIVED] = N_("messages in chats that somebody has archived"),
		[KEEP_CLOSED] = N_("messages in chats that are gone or closed to us"),
		[KEEP_OCCUPIED] = N_("chats in which messages stay, and their members"),
		[KEEP_ADOPTED] = N_("members of chats that were there before"),
		[KEEP_UNNAMED] = N_("people and reactions the archives no longer name"),
		[KEEP_ACTIVE] = N_("accounts that have written since"),
		[KEEP_OLDER] = N_("accounts that were there before our request"),
		[KEEP_POLICY] = N_("accounts kept as asked"),
		[KEEP_EDIT] = N_("edits of messages that stay"),
	};
	return k < N_KEEP ? w[k] : "?";
}

enum { TOLD_MAX = 50 };
struct told { struct jw *w; struct report_rollback *rep; struct arena *a; bool listing; int64_t told; };

static const char *word_of(enum op_kind k)
{
	for (size_t i = 0; i < countof(kinds); i++)
		if (kinds[i].kind == k)
			return kinds[i].json;
	return k == OP_EDIT ? "edits" : "other";
}

static void kept(void *ctx, enum keep why, enum op_kind what, const char *lane, const struct opkey *key, const char *target, const char *url)
{
	struct told *r = ctx;
	if (!r->listing)
		return;
	r->told++;
	if (r->rep)
		report_stays(r->rep, r->a, &(struct report_kept){ _(keep_sentence(why)), word_of(what), lane, key ? key->id : NULL, target, url });
	if (r->w) {
		jw_obj(r->w);
		jw_kstr(r->w, "why", keep_word(why));
		jw_kstr(r->w, "what", word_of(what));
		jw_kstr(r->w, "lane", lane);
		jw_kstr(r->w, "source", key ? key->id : NULL);
		jw_kstr(r->w, "target", target);
		jw_kstr(r->w, "url", url);
		jw_obj_end(r->w);
	} else if (r->told <= TOLD_MAX) {
		progress_clear();
		printf("  %s  %s %s%s%s\n", _(keep_sentence(why)), safe(lane), key ? safe(key->id) : "", url ? "  " : "", url ? safe(url) : "");
	}
}

static void reading(void *ctx, int64_t done, int64_t total)
{
	(void)ctx;
	progress_part("reading-back", _("reading the target back"), done, total);
}

static void working(void *ctx, const struct engine_progress *p)
{
	(void)ctx;
	progress_engine(NULL, p);
}

static void event(void *ctx, const char *ev, const char *lane, const char *what)
{
	(void)ctx;
	log_warn(ev, "%s: %s", lane, what);
}

/* ---- what is asked for ---- */

struct want { const char *name; const char *id; struct arena *a, *one /* a record of spool_convs */; bool twice; };

static bool is_it(void *ctx, const struct spool_conv *c)
{
	struct want *w = ctx;
	const char *name = w->name[0] == '#' ? w->name + 1 : w->name;
	if (!streq(c->conv.id, w->name) && !(c->conv.name && streq(c->conv.name, name))) {
		arena_reset(w->one);
		return true;
	}
	w->twice = w->twice || w->id;
	w->id = arena_strdup(w->a, c->conv.id);
	if (streq(c->conv.id, w->name)) {
		w->twice = false;
		return false; /* an id says it exactly */
	}
	return true;
}

static bool channel(struct project *p, const char *name, const char **id, struct err *e)
{
	struct arena one;
	struct want w = { name, NULL, &p->arena, &one, false };
	arena_init(&one);
	bool ok = spool_convs(p->spool, &one, is_it, &w, e);
	arena_release(&one);
	if (!ok)
		return false;
	if (!w.id) {
		err_set(e, ERR_USAGE, _("the archives have no channel '%s'"), name);
		return err_hint(e, _("'mvchat plan' lists the channels"));
	}
	if (w.twice) {
		err_set(e, ERR_USAGE, _("several channels are called '%s'"), name);
		return err_hint(e, _("give the channel's id instead of its name"));
	}
	*id = w.id;
	return true;
}

static bool scope(const struct args *a, enum rollback_how how, struct rollback_args *out, int64_t *run, struct err *e)
{
	const char *users = opt_value(a, "users");
	int n = (how == ROLLBACK_DO && opt_given(a, "all")) + opt_given(a, "run") + opt_given(a, "channel");
	if (n > 1 || (!n && how == ROLLBACK_DO)) { /* to look at everything is no risk */
		err_set(e, ERR_USAGE, n ? _("only one of --all, --run and --channel can be given") : _("what is to be taken back?"));
		return err_hint(e, "mvchat rollback --all --dry-run");
	}
	if (!opt_number(a, "run", 1, INT64_MAX, 0, run, e))
		return false;
	if (users && !streq(users, "suspend") && !streq(users, "delete") && !streq(users, "keep")) {
		err_set(e, ERR_USAGE, _("--users: '%s' is none of suspend, delete, keep"), users);
		return err_hint(e, "mvchat rollback --users suspend");
	}
	out->users = !users || streq(users, "suspend") ? ROLLBACK_SUSPEND : streq(users, "delete") ? ROLLBACK_DELETE : ROLLBACK_KEEP;
	out->force = opt_given(a, "force") ? ROLLBACK_FORCE : ROLLBACK_CAREFUL;
	return true;
}

static bool confirmed(const struct args *a, const struct rollback_counts *c, struct err *e)
{
	if (opt_given(a, "yes"))
		return true;
	if (!isatty(STDIN_FILENO)) {
		err_set(e, ERR_USAGE, _("not asked and not told: rollback deletes in the target"));
		return err_hint(e, "mvchat rollback --yes");
	}
	printf(_("Delete %s messages in the target? [y/N] "), num(c->todo[OP_POST]));
	if (out_yes())
		return true;
	err_set(e, ERR_PARTIAL, _("stopped before anything was deleted"));
	return err_hint(e, _("nothing was changed"));
}

/* ---- what is told ---- */

static void chat_line(void *ctx, const char *name, const char *id)
{
	struct told *r = ctx;
	if (r->rep) {
		report_chat_left(r->rep, r->a, name, id);
	} else if (r->w) {
		jw_obj(r->w);
		jw_kstr(r->w, "name", name);
		jw_kstr(r->w, "target", id);
		jw_obj_end(r->w);
	} else if (r->told++ < TOLD_MAX) {
		printf("    %s\n", safe(name));
	}
}

static void print_kept(const char *title, const struct rollback_counts *c)
{
	bool any = false;
	for (int k = 0; k < N_KEEP; k++) {
		if (c->kept[k] <= 0)
			continue;
		if (!any)
			out_title(title);
		any = true;
		out_row(48, _(keep_sentence((enum keep)k)), "%s", num(c->kept[k]));
	}
	if (any)
		putchar('\n');
}

static void print_left(struct rollback *rb, const struct rollback_counts *c)
{
	struct told r = { 0 };
	if (!c->chats_left && !c->files_left)
		return;
	out_title(_("What the target cannot delete"));
	if (c->files_left)
		out_row(48, _("uploaded files: their bytes stay in the storage"), "%s", num(c->files_left));
	if (c->chats_left)
		out_row(48, _("chats: emptied, renamed and archived"), "%s", num(c->chats_left));
	rollback_chats(rb, chat_line, &r);
	if (r.told > TOLD_MAX)
		printf(_("  … and %s more (--json lists all)\n"), num(r.told - TOLD_MAX));
	putchar('\n');
}

static void print_plan(struct rollback *rb, const struct rollback_counts *c)
{
	bool any = false;
	out_title(_("To be taken back"));
	for (size_t i = 0; i < countof(kinds); i++) {
		any = any || c->todo[kinds[i].kind];
		if (c->todo[kinds[i].kind])
			out_row(26, _(kinds[i].word), "%s", num(c->todo[kinds[i].kind]));
	}
	if (!any)
		printf("  %s\n", _("nothing"));
	if (c->doubt)
		out_row(26, _("in doubt, settled first"), "%s", num(c->doubt));
	putchar('\n');
	print_kept(_("Stays"), c);
	print_left(rb, c);
}

static void print_result(const struct rollback_counts *before, const struct rollback_counts *left, const struct engine_result *r)
{
	out_title(_("Taken back"));
	for (size_t i = 0; i < countof(kinds); i++) {
		int64_t gone = left->done[kinds[i].kind], is = left->todo[kinds[i].kind];
		if (is)
			out_row(26, _(kinds[i].word), _("%s, still to do %s"), num(gone), num(is));
		else if (gone)
			out_row(26, _(kinds[i].word), "%s", num(gone));
	}
	if (r->rejected)
		out_row(26, _("rejected"), "%s", num(r->rejected));
	out_row(26, _("requests"), _("%s, of them %s writing; %s told to wait"), num(r->requests), num(r->writes), num(r->throttled));
	out_row(26, _("time"), "%s", span_of((double)r->elapsed_us / 1e6));
	putchar('\n');
	struct rollback_counts since = { 0 };
	for (int k = 0; k < N_KEEP; k++)
		since.kept[k] = left->kept[k] - before->kept[k];
	print_kept(_("Stays, because of what people have done meanwhile"), &since);
}

static void json_counts(struct jw *w, const char *key, const int64_t *n)
{
	jw_key(w, key);
	jw_obj(w);
	for (size_t i = 0; i < countof(kinds); i++)
		jw_kint(w, kinds[i].json, n[kinds[i].kind]);
	jw_obj_end(w);
}

static void json_end(struct jw *w, struct rollback *rb, const struct rollback_counts *c, const struct rollback_counts *left, const struct engine_result *r)
{
	struct told rep = { .w = w };
	jw_arr_end(w);
	jw_kbool(w, "dry_run", !left);
	if (left)
		json_counts(w, "taken_back", left->done);
	json_counts(w, "todo", (left ? left : c)->todo);
	jw_key(w, "kept");
	jw_obj(w);
	for (int k = 0; k < N_KEEP; k++)
		if ((left ? left : c)->kept[k])
			jw_kint(w, keep_word((enum keep)k), (left ? left : c)->kept[k]);
	jw_obj_end(w);
	jw_key(w, "cannot_delete");
	jw_obj(w);
	jw_kint(w, "files", c->files_left);
	jw_key(w, "chats");
	jw_arr(w);
	rollback_chats(rb, chat_line, &rep);
	jw_arr_end(w);
	jw_obj_end(w);
	jw_kint(w, "foreign", c->foreign);
	jw_kint(w, "in_doubt", left ? r->in_doubt : c->doubt);
	if (left) {
		jw_kint(w, "rejected", r->rejected);
		jw_kint(w, "requests", r->requests);
		jw_kint(w, "writes", r->writes);
		jw_kint(w, "throttled", r->throttled);
		jw_kint(w, "lanes_stopped", (int64_t)r->lanes_stopped);
		jw_kbool(w, "stopped", r->stopped);
		jw_kint(w, "elapsed_ms", r->elapsed_us / 1000);
	}
	jw_obj_end(w);
}

static bool is_limit(enum keep k)
{
	return k == KEEP_ADOPTED || k == KEEP_POLICY || k == KEEP_OLDER || k == KEEP_EDIT;
}

/* Limits that are stated and choices that were made do not make a rollback incomplete; what people have done to our messages does. */
static bool complete(const struct rollback_counts *left, const struct engine_result *r)
{
	for (int k = 0; k <= OP_DELETE; k++)
		if (left->todo[k])
			return false;
	for (int k = 0; k < N_KEEP; k++)
		if (left->kept[k] && !is_limit((enum keep)k))
			return false;
	return !r->stopped && !r->lanes_stopped && !r->rejected && !r->in_doubt;
}

static bool nothing(const struct rollback_counts *c)
{
	for (int k = 0; k <= OP_DELETE; k++)
		if (c->todo[k])
			return false;
	return !c->doubt;
}

static bool save(struct project *p, const struct args *a, struct rollback *rb, struct report_rollback *paper, const struct rollback_counts *plan,
                 const struct rollback_counts *left, struct err *e)
{
	struct report r;
	struct facts f;
	struct told t = { .rep = paper, .a = &p->arena };
	if (!opt_given(a, "report"))
		return true;
	paper->scope = opt_given(a, "run") ? arena_fmt(&p->arena, _("what run %s has written"), opt_value(a, "run"))
	             : opt_given(a, "channel") ? arena_fmt(&p->arena, _("the channel %s"), opt_value(a, "channel")) : _("everything this project has written");
	for (size_t i = 0; i < countof(kinds) && i < REPORT_KINDS; i++, paper->n_kinds++) {
		paper->kinds[i].word = _(kinds[i].word);
		paper->kinds[i].json = kinds[i].json;
		paper->kinds[i].left = (left ? left : plan)->todo[kinds[i].kind];
		paper->kinds[i].was = paper->kinds[i].left + (left ? left->done[kinds[i].kind] : 0);
	}
	const struct rollback_counts *now = left ? left : plan;
	for (int k = 0; k < N_KEEP && paper->n_why < REPORT_REASONS; k++)
		if (now->kept[k]) {
			paper->why[paper->n_why].sentence = _(keep_sentence((enum keep)k));
			paper->why[paper->n_why].json = keep_word((enum keep)k);
			paper->why[paper->n_why].n = now->kept[k];
			paper->why[paper->n_why++].fine = is_limit((enum keep)k);
		}
	paper->files_left = plan->files_left;
	rollback_chats(rb, chat_line, &t);
	if (!stage_facts(p, NULL, &f, e))
		return false;
	report_init(&r, REPORT_ROLLBACK, p, &f);
	r.rollback = paper;
	return report_save(&r, opt_value(a, "report"), e);
}

/* Also for 'mvchat plan --rollback', which only shows. */
int rollback_command(const struct args *a, enum rollback_how how)
{
	struct err e = ERR_INIT;
	struct project p;
	struct rollback *rb = NULL;
	struct stream *stream = NULL;
	struct buf b;
	struct jw w;
	int code;
	int64_t rate = 100, settle = -1, max_wait = 0, run_id = 0;
	bool json = opt_given(a, "json"), dry = how == ROLLBACK_SHOW || opt_given(a, "dry-run");
	struct report_rollback paper = { .preview = dry };
	struct told rep = { .w = json ? &w : NULL, .listing = true, .a = &p.arena, .rep = opt_given(a, "report") ? &paper : NULL };
	struct rollback_args ra = { .kept = kept, .progress = reading, .working = working, .event = event, .ctx = &rep, .stop = &stop_signal };
	project_init(&p, a);
	buf_init(&b, 1 << 30);
	jw_init(&w, &b);
	if (!report_check(opt_value(a, "report"), &e) || !scope(a, how, &ra, &ra.only_run, &e) || (how == ROLLBACK_DO &&
	    (!opt_number(a, "rate", 1, 100, 100, &rate, &e) || !opt_number(a, "settle", 0, 86400, -1, &settle, &e) ||
	     !opt_number(a, "max-wait", 1, 86400, 0, &max_wait, &e))))
		goto fail;
	if (!project_mapping(&p, &e) || !project_spool(&p, &e) || !project_ledger(&p, dry ? LEDGER_READ : LEDGER_WRITE, &e) ||
	    !project_session(&p, a, NULL, NULL, TOKENS_NEEDED, &e))
		goto fail;
	struct session *s = p.session;
	const struct mapping_config *c = mapping_config(p.mapping);
	uint8_t digest[DIGEST_BYTES];
	mapping_digest(p.mapping, digest);
	ledger_current_mapping(p.ledger, digest);
	if (!ledger_bond(p.ledger, spool_source_id(p.spool, &p.arena), s->target_id, &e) ||
	    (opt_given(a, "channel") && !channel(&p, opt_value(a, "channel"), &ra.only_conv, &e)))
		goto fail;
	struct ledger_counts known;
	ledger_count(p.ledger, &known);
	if (ra.only_run > known.runs) {
		err_set(&e, ERR_USAGE, _("there is no run %s: this ledger has seen %s"), num(ra.only_run), num(known.runs));
		err_hint(&e, "mvchat status");
		goto fail;
	}
	if (rate != 100) {
		pool_rate(&s->pool, &s->traits, (double)rate / 100);
	}
	struct stream_args sa = { p.spool, p.mapping, s->ex, s->target, p.ledger, NULL };
	stream = stream_open(&sa, &e);
	if (!stream)
		goto fail;
	ra.session = s;
	ra.ledger = p.ledger;
	ra.stream = stream;
	ra.spool = p.spool;
	ra.mark = streq(c->locale, "ru") ? "[отменено] " : "[taken back] ";
	ra.settle_s = (int)settle;
	ra.max_wait_s = max_wait;
	rb = rollback_open(&ra);
	if (json) {
		jw_obj(&w);
		jw_kint(&w, "schema", 1);
		jw_key(&w, "stays");
		jw_arr(&w);
	}
	struct rollback_counts plan, left;
	struct engine_result settled = { 0 }, r = { 0 };
	if (!rollback_plan(rb, &plan, &e))
		goto fail;
	progress_clear();
	if (rep.told > TOLD_MAX && !json)
		printf(_("  … and %s more (--json lists all)\n"), num(rep.told - TOLD_MAX));
	rep.listing = false;
	if (!json)
		print_plan(rb, &plan);
	if (dry) {
		if (json) {
			json_end(&w, rb, &plan, NULL, &r);
			puts(b.p);
		}
		if (!save(&p, a, rb, &paper, &plan, NULL, &e))
			goto fail;
		code = EX_DONE;
		goto out;
	}
	if (!s->ex->may(s->target, rollback_kinds(&plan, ra.users), &e) || (!nothing(&plan) && !confirmed(a, &plan, &e)))
		goto fail;
	if (!nothing(&plan)) {
		run_id = ledger_run_begin(p.ledger, "rollback", digest, &e);
		if (!run_id)
			goto fail;
		if (plan.doubt && (!rollback_settle(rb, run_id, &settled, &e) || (!settled.stopped && !rollback_plan(rb, &plan, &e))))
			goto fail;
		rep.listing = true; /* what has to stay by now is told when it is found */
		if (settled.stopped)
			r = settled;
		else if (!rollback_run(rb, run_id, &r, &e))
			goto fail;
	}
	progress_clear();
	rollback_left(rb, &left);
	r.in_doubt += settled.in_doubt;
	if (json) {
		json_end(&w, rb, &plan, &left, &r);
		puts(b.p);
	} else {
		print_result(&plan, &left, &r);
	}
	paper.complete = complete(&left, &r);
	if (!save(&p, a, rb, &paper, &plan, &left, &e))
		goto fail;
	code = stop_signal ? 128 + stop_signal : complete(&left, &r) ? EX_DONE : EX_PARTIAL;
	goto out;
fail:
	progress_clear();
	code = out_fail(&e);
out:
	rollback_close(rb);
	stream_close(stream);
	if (run_id)
		ledger_run_end(p.ledger, run_id, code);
	buf_release(&b);
	project_close(&p);
	return code;
}

static int run(const struct args *a)
{
	return rollback_command(a, ROLLBACK_DO);
}

const struct command cmd_rollback = {
	"rollback", "", N_("take back what was written; resumable"),
	N_("Deletes what the ledger has as ours, newest first: messages, reactions, pins; members leave; chats we created are emptied, renamed and archived (a chat cannot be deleted), accounts we created are suspended. What people have changed, answered or reacted to stays unless forced. A later 'mvchat apply' writes it all again. --dry-run shows it first."),
	opts, run,
};
