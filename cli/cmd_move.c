/* mvchat move: everything in order with safe defaults, asking at most once. Every stage is the single command's own (stage.h);
 * this file only puts them in order, says in one line what each does, and can be started again at any moment. */
#include "cli/stage.h"

#include "cli/progress.h"
#include "cli/rehearsal.h"
#include "core/clock.h"
#include "core/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct opt opts[] = {
	{ "to", 0, "TARGET", N_("pachca, or sandbox for a rehearsal without a token or a network") },
	{ "yes", 'y', NULL, N_("do not ask") },
	{ "create-people", 0, NULL, N_("make accounts for people who have none (they get no invitation)") },
	{ "zone", 0, "ZONE", N_("for a new project: time zone of the times shown (default: Europe/Moscow in Russian, else UTC)") },
	OPT_DATE_ORDER,
	{ "key", 0, "FILE", N_("key of an encrypted backup: a file with its 64 digits, or the phone's key file; - reads standard input") },
	{ "url", 0, "URL", N_("address of the target's API (default: the vendor's)") },
	OPTS_WAY,
	{ NULL, 0, NULL, NULL },
};

enum { STAGES = 7, SMALL_CHAT = 150 /* what every target of ours takes in one burst */, SOON_S = 600 };

struct move {
	const struct args *a;
	struct project p;
	bool exists;                 /* the project has its mvchat.yaml already */
	bool rehearses;
	struct rehearsal sandbox;
	struct snapshot snap;
	struct facts before;
	struct stage_replay replay;
	struct stage_verify verify;
	struct report_verify found;
	int stage;
	int64_t people_at_start, people_to_come; /* accounts made by earlier runs; to be made by this one */
	bool people_told;
};

/* ---- saying ---- */

enum voice { VOICE_STAGE, VOICE_DETAIL };
static void say(struct move *m, enum voice v, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* On stdout; with --json, where stdout is the result's, as a line of the log. */
static void say(struct move *m, enum voice v, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	m->stage += v == VOICE_STAGE;
	if (opt_given(m->a, "json"))
		log_info("move.stage", "%d/%d %s", m->stage, STAGES, line);
	else if (opt_given(m->a, "quiet"))
		return;
	else if (v == VOICE_STAGE)
		out_wrapped(arena_fmt(&m->p.arena, "%d/%d ", m->stage, STAGES), line);
	else
		out_wrapped("    ", line);
	fflush(stdout);
}

/* The time of day where the mapping's people are. */
static const char *time_of_day(struct move *m, int64_t wall_us)
{
	struct zoned z;
	const char *zone = mapping_config(m->p.mapping)->zone;
	if (!zone_local(zone && zone_known(zone) ? zone : "UTC", wall_us, &z))
		return "?";
	return arena_fmt(&m->p.arena, "%02d:%02d", z.hour, z.minute);
}

/* ---- where to ---- */

static const char *sandbox_store(struct move *m)
{
	return arena_fmt(&m->p.arena, "%s/sandbox.db", m->p.state);
}

static bool same_archives(struct move *m, struct err *e)
{
	const struct args *a = m->a;
	bool same = !a->n_rest || (size_t)a->n_rest == m->p.n_archives;
	for (int i = 0; i < a->n_rest && same; i++) {
		char *given = realpath(a->rest[i], NULL);
		bool listed = false;
		for (size_t j = 0; j < m->p.n_archives && !listed; j++) {
			char *known = realpath(m->p.archives[j].path, NULL);
			listed = given && known ? streq(given, known) : streq(a->rest[i], m->p.archives[j].path);
			free(known);
		}
		free(given);
		same = listed;
	}
	if (same)
		return true;
	err_set(e, ERR_USAGE, _("the project in '%s' has other archives than those given"), m->p.dir);
	return err_hint(e, _("leave the archives out to go on with it, or choose another folder with -C"));
}

/* What was asked for must be what the folder holds: a rehearsal never becomes the real thing by a slip, nor the other way. */
static bool choose_target(struct move *m, struct err *e)
{
	const char *to = opt_value(m->a, "to");
	bool rehearsed = access(sandbox_store(m), F_OK) == 0;
	if (to && !streq(to, "sandbox") && !exporter_named(to)) {
		err_set(e, ERR_USAGE, _("unknown target '%s'"), to);
		return err_hint(e, _("known targets: pachca, sandbox"));
	}
	if (!m->exists && !to) {
		err_set(e, ERR_USAGE, _("where to?"));
		return err_hint(e, _("--to pachca, or --to sandbox for a rehearsal"));
	}
	m->rehearses = to ? streq(to, "sandbox") : rehearsed;
	if (m->rehearses && opt_given(m->a, "url"))
		return err_set(e, ERR_USAGE, _("a rehearsal starts its own sandbox: leave --url out"));
	if (m->rehearses && m->exists && !rehearsed) {
		err_set(e, ERR_USAGE, _("the project in '%s' is not a rehearsal"), m->p.dir);
		return err_hint(e, _("rehearse in another folder: -C FOLDER"));
	}
	if (!m->rehearses && rehearsed) {
		err_set(e, ERR_USAGE, _("the project in '%s' is a rehearsal"), m->p.dir);
		return err_hint(e, _("do the real thing in another folder: -C FOLDER"));
	}
	const char *target = m->exists ? mapping_config(m->p.mapping)->target : NULL;
	if (target && to && !m->rehearses && !streq(target, to))
		return err_set(e, ERR_USAGE, _("the project in '%s' goes to '%s', not to '%s'"), m->p.dir, target, to);
	return true;
}

static bool open_folder(struct move *m, struct err *e)
{
	struct stat st;
	m->exists = access(arena_fmt(&m->p.arena, "%s/mvchat.yaml", m->p.dir), F_OK) == 0;
	if (!m->exists && !m->a->n_rest) {
		err_set(e, ERR_USAGE, _("which archive?"));
		return err_hint(e, "mvchat move export.zip --to pachca");
	}
	if (m->exists && (!project_mapping(&m->p, e) || !same_archives(m, e)))
		return false;
	if (!choose_target(m, e))
		return false;
	for (int i = 0; i < m->a->n_rest && !m->exists; i++)
		if (stat(m->a->rest[i], &st) != 0) { /* before a folder is made for it */
			err_set(e, ERR_ARCHIVE, _("cannot read the archive '%s':"), m->a->rest[i]);
			return false;
		}
	if (mkdir(m->p.dir, 0777) != 0 && errno != EEXIST) {
		err_set(e, ERR_INTERNAL, _("cannot make the folder '%s':"), m->p.dir);
		return err_hint(e, _("choose another one with -C"));
	}
	return project_state_dir(&m->p, e);
}

static const char *env_or(const char *name, const char *otherwise)
{
	return name ? name : otherwise;
}

/* Runs on a clock that jumps over waits: the sandbox enforces the target's limits, and nobody has to sit them out. */
static bool start_sandbox(struct move *m, struct err *e)
{
	const struct mapping_config *c = m->exists ? mapping_config(m->p.mapping) : NULL;
	const char *url = c ? c->target_url : NULL;
	static const char here[] = "http://127.0.0.1:";
	bool ours = url && strncmp(url, here, sizeof(here) - 1) == 0;
	long port = ours ? strtol(url + sizeof(here) - 1, NULL, 10) : 0;
	if (c && (port < 1 || port > 65535)) {
		err_set(e, ERR_USAGE, _("the rehearsal's address in mvchat.yaml is not one of this machine"));
		return err_hint(e, "target: url: http://127.0.0.1:%d/api/shared/v1", 18180);
	}
	setenv("MVCHAT_CLOCK", "virtual", 1);
	clock_init();
	if (!rehearsal_start(&m->sandbox, sandbox_store(m), (int)port, m->p.dir, e))
		return false;
	setenv(env_or(c ? c->admin_token_env : NULL, "PACHCA_ADMIN_TOKEN"), "sandbox-admin-token", 1);
	const char *bots = env_or(c ? c->bot_token_env : NULL, "PACHCA_BOT_TOKEN"); /* of several names the first */
	bots += strspn(bots, ", \t");
	setenv(arena_strndup(&m->p.arena, bots, strcspn(bots, ", \t")), "sandbox-bot-token", 1);
	return true;
}

/* ---- the stages ---- */

/* Before the archive is read: a wrong token should not cost the time that takes. */
static bool greet(struct move *m, struct err *e)
{
	const char *to = opt_value(m->a, "to");
	const char *url = m->rehearses ? arena_fmt(&m->p.arena, "http://127.0.0.1:%d/api/shared/v1", m->sandbox.port) : opt_value(m->a, "url");
	return project_session(&m->p, m->a, m->rehearses || !to ? "pachca" : to, url, TOKENS_NEEDED, e);
}

static bool inspect(struct move *m, struct err *e)
{
	struct spool_counts c;
	say(m, VOICE_STAGE, "%s", _("Archive: what is inside"));
	if (!m->exists) {
		struct mapping_archive *ar = arena_array(&m->p.arena, (size_t)m->a->n_rest, struct mapping_archive);
		for (int i = 0; i < m->a->n_rest; i++)
			ar[i] = (struct mapping_archive){ .path = m->a->rest[i], .zone = opt_value(m->a, "zone"), .date_order = m->p.date_order, .key_file = m->p.key_file };
		m->p.archives = ar;
		m->p.n_archives = (size_t)m->a->n_rest;
	}
	if (!project_spool(&m->p, e))
		return false;
	spool_count(m->p.spool, &c);
	say(m, VOICE_DETAIL, _("messages: %s (%s … %s) · people: %s · conversations: %s · files: %s"), num(c.stored), day(c.first_us), day(c.last_us),
	    num(c.users), num(c.convs), num(c.files));
	if (c.bad)
		say(m, VOICE_DETAIL, _("%s records could not be read; 'mvchat inspect ARCHIVE' shows their places"), num(c.bad));
	return true;
}

/* Files that the export only links to. They are told here, before anything is written, because links die. */
static bool files(struct move *m, struct err *e)
{
	struct spool_counts c;
	(void)e;
	spool_count(m->p.spool, &c);
	say(m, VOICE_STAGE, "%s", _("Files: what the archive has, and what it only links to"));
	say(m, VOICE_DETAIL, _("in the archive: %s · only linked, named in the text with their link: %s"), num(c.files_present), num(c.files_linked));
	return true;
}

static bool draft(struct move *m, struct err *e)
{
	struct survey s;
	struct draft_result r = { 0 };
	struct project *p = &m->p;
	struct map_wish wish = { .to = p->session->ex->name, .url = opt_value(m->a, "url"), .zone = opt_value(m->a, "zone"),
	                         .unmatched = opt_given(m->a, "create-people") ? "create" : "label" };
	if (m->rehearses)
		wish.url = arena_fmt(&p->arena, "http://127.0.0.1:%d/api/shared/v1", m->sandbox.port);
	if (!stage_survey(p, ARCHIVES_NAMED, &wish, &m->snap, &s, e) || !mapping_draft(p->dir, &s, &p->arena, &r, e))
		return false;
	say(m, VOICE_DETAIL, _("people with an account: %s · who get one: %s · shown by name only: %s · conversations: %s"), num((int64_t)r.n_people_matched),
	    num((int64_t)r.n_people_create), num((int64_t)r.n_people_label), num((int64_t)(r.n_places_create + r.n_places_adopt)));
	for (size_t i = 0; i < r.n_unresolved && i < 10; i++)
		say(m, VOICE_DETAIL, "? %s", safe(r.unresolved[i]));
	if (r.n_unresolved > 10)
		say(m, VOICE_DETAIL, _("… and %s more: 'mvchat map -C %s' lists them"), num((int64_t)r.n_unresolved - 10), p->dir);
	say(m, VOICE_DETAIL, _("the decisions stand in %s/mvchat.yaml, users.csv and channels.csv, and can be changed there"), p->dir);
	return project_mapping(p, e);
}

static bool map(struct move *m, struct err *e)
{
	struct project *p = &m->p;
	say(m, VOICE_STAGE, "%s", _("Mapping: who is who, and what goes where"));
	if (!snapshot_read(p->session, &p->arena, &m->snap, e))
		return false;
	if (!m->exists)
		return draft(m, e);
	say(m, VOICE_DETAIL, _("mvchat.yaml and its tables are used as they are"));
	return true;
}

/* People join a chat when its history is in, so that nobody is notified of old messages: when that will be, chat by chat. */
static void say_when(struct move *m)
{
	const struct facts *f = &m->before;
	const struct facts_chat *last = NULL;
	int64_t soon = 0, all = 0;
	for (size_t i = 0; i < f->n_chats; i++) {
		const struct facts_chat *c = &f->chats[i];
		if (c->action == CHAT_SKIP || c->action == CHAT_REJECTED)
			continue;
		all++;
		soon += c->bound_s <= SOON_S;
		if (!last || c->bound_s > last->bound_s)
			last = c;
	}
	if (m->people_to_come)
		say(m, VOICE_DETAIL, _("first: %s accounts are made; nobody gets an invitation"), num(m->people_to_come));
	if (!last)
		return;
	const char *name = safe(last->target_name && *last->target_name ? last->target_name : last->name);
	say(m, VOICE_DETAIL, "%s", _("then: people join each chat the moment its history is in, so nobody is notified of old messages"));
	if (all == 1)
		say(m, VOICE_DETAIL, _("the one chat (%s) is complete after %s at the earliest"), name, span_of(f->people_s));
	else if (soon == all)
		say(m, VOICE_DETAIL, _("the last of %s chats (%s) is complete after %s at the earliest"), num(all), name, span_of(f->people_s));
	else
		say(m, VOICE_DETAIL, _("of %s chats %s are complete within %lld minutes; the last one (%s) after %s at the earliest"), num(all), num(soon), SOON_S / 60LL, name,
		    span_of(f->people_s));
}

static bool plan(struct move *m, struct err *e)
{
	struct facts *f = &m->before;
	say(m, VOICE_STAGE, "%s", _("Plan: what will be written, and what that takes"));
	if (!stage_facts(&m->p, &m->snap, f, e))
		return false;
	if (!f->adds_up)
		return err_set(e, ERR_INTERNAL, "%s", facts_verdict(f));
	int64_t nameless = 0;
	for (size_t i = 0; i < f->n_people; i++) {
		const struct facts_person *h = &f->people[i];
		m->people_to_come += h->action == PERSON_CREATE && h->state != OP_DONE && h->state != OP_REJECTED;
		nameless += h->action == PERSON_LABEL && h->why && streq(h->why, "policy people.unmatched: label");
	}
	if (m->exists && opt_given(m->a, "create-people") && nameless) {
		err_set(e, ERR_USAGE, _("--create-people is for a new project; the one in '%s' shows people without an account by name only"), m->p.dir);
		return err_hint(e, _("write 'unmatched: create' under 'people:' in %s/mvchat.yaml"), m->p.dir);
	}
	say(m, VOICE_DETAIL, "%s", facts_verdict(f));
	if (nameless && !m->exists)
		say(m, VOICE_DETAIL, _("%s people have no account and get none: 'unmatched: create' in mvchat.yaml, or --create-people at the start, makes them where an e-mail is known"),
		    num(nameless));
	if (!f->nothing_to_do)
		say_when(m);
	char line[SENTENCE_MAX];
	for (size_t i = 0; i < f->n_privacy && i < 5; i++)
		say(m, VOICE_DETAIL, "! %s", safe(report_sentence(f->privacy[i], line, sizeof(line))));
	if (f->n_privacy > 5)
		say(m, VOICE_DETAIL, _("… and %s more"), num((int64_t)f->n_privacy - 5));
	say(m, VOICE_DETAIL, _("everything, and what the target cannot hold: 'mvchat plan -C %s'"), m->p.dir);
	return stage_allowed(&m->p, f, e);
}

static int64_t people_made(struct move *m)
{
	struct ledger_counts c;
	ledger_count(m->p.ledger, &c);
	const int64_t *n = c.by_kind_state[OP_USER_CREATE];
	return n[OP_DONE] + n[OP_REJECTED];
}

static void people_ready(struct move *m)
{
	if (m->people_told || !m->people_to_come || people_made(m) < m->people_at_start + m->people_to_come)
		return;
	m->people_told = true;
	log_info("move.people", _("%s: the accounts are there; chat by chat people find their history"), time_of_day(m, clock_wall_us()));
}

static void progress(void *ctx, const struct engine_progress *p)
{
	people_ready(ctx);
	progress_engine(NULL, p);
}

static bool replay(struct move *m, struct err *e)
{
	say(m, VOICE_STAGE, "%s", _("Replay: people first, then chat by chat, the small ones first; Ctrl-C stops it safely"));
	if (m->before.nothing_to_do) {
		say(m, VOICE_DETAIL, "%s", facts_verdict(&m->before));
		m->replay.after = m->before;
		m->replay.has_after = true;
		return true;
	}
	const char *again = arena_fmt(&m->p.arena, "mvchat move -C %s --yes", m->p.dir);
	if (!stage_confirm(opt_given(m->a, "yes") ? CONSENT_GIVEN : CONSENT_ASK, &m->before, again, e))
		return false;
	m->people_at_start = people_made(m);
	m->replay.command = "move";
	m->replay.settle = -1;
	m->replay.small_first = SMALL_CHAT;
	m->replay.progress = progress;
	m->replay.ctx = m;
	bool ok = stage_replay(&m->p, &m->snap, &m->before, &m->replay, e);
	if (m->replay.has_after) {
		const struct engine_result *r = &m->replay.result;
		people_ready(m);
		say(m, VOICE_DETAIL, _("messages: %s · people, chats and threads: %s · files: %s · time: %s"), num(r->posted), num(r->created), num(r->uploaded),
		    span_of((double)r->elapsed_us / 1e6));
		say(m, VOICE_DETAIL, "%s", facts_verdict(&m->replay.after));
	}
	return ok;
}

static bool verify(struct move *m, struct err *e)
{
	say(m, VOICE_STAGE, "%s", _("Verify: everything is read back and compared"));
	struct buf b;
	struct jw w;
	buf_init(&b, 1 << 30);
	jw_init(&w, &b);
	jw_arr(&w);
	m->verify.report = &m->found;
	m->verify.known = &m->replay.after; /* nothing was written since */
	m->verify.w = opt_given(m->a, "json") ? &w : NULL; /* they are in the report that is printed at the end */
	bool ok = stage_verify(&m->p, &m->verify, e);
	buf_release(&b);
	if (ok && !m->verify.result.stopped)
		say(m, VOICE_DETAIL, "%s", m->verify.verdict);
	return ok;
}

enum account { ACCOUNT_PART, ACCOUNT_VERIFIED };
static bool write_report(struct move *m, enum account account, struct err *e)
{
	struct report r;
	report_init(&r, REPORT_RUN, &m->p, &m->replay.after);
	r.run = m->replay.run ? &m->replay.result : NULL;
	r.verify = account == ACCOUNT_VERIFIED ? &m->found : NULL;
	m->stage = STAGES - 1; /* also after a run that was stopped before it was verified */
	say(m, VOICE_STAGE, "%s", _("Report: what came over, what did not and why, to read and to sign"));
	const char *html = arena_fmt(&m->p.arena, "%s/report.html", m->p.dir), *js = arena_fmt(&m->p.arena, "%s/report.json", m->p.dir);
	if (!report_write(&r, report_format_named("html"), html, e) || !report_write(&r, report_format_named("json"), js, e))
		return false;
	say(m, VOICE_DETAIL, "%s", html);
	return !opt_given(m->a, "json") || report_write(&r, report_format_named("json"), NULL, e);
}

static void look_at_it(struct move *m)
{
	if (!m->rehearses || opt_given(m->a, "json") || opt_given(m->a, "quiet"))
		return;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || stop_signal) {
		printf(_("\nTo look at the chats at http://127.0.0.1:%d/:\n"), m->sandbox.port);
		printf("  mvchat sandbox -C %s --store %s --port %d\n", m->p.dir, sandbox_store(m), m->sandbox.port);
		return;
	}
	printf(_("\nLook at the chats: http://127.0.0.1:%d/\n"), m->sandbox.port);
	ledger_close(m->p.ledger); /* nothing more is written: other commands may work here now */
	m->p.ledger = NULL;
	printf("%s\n", _("The sandbox goes on until Ctrl-C."));
	fflush(stdout);
	while (!stop_signal)
		poll(NULL, 0, 200);
	stop_signal = 0; /* the work was done before */
}

/* With --quiet the one sentence is all there is. */
static void conclude(struct move *m)
{
	if (opt_given(m->a, "quiet") && !opt_given(m->a, "json"))
		printf("%s\n", m->verify.verdict[0] && !m->verify.result.stopped ? m->verify.verdict : facts_verdict(&m->replay.after));
}

static int result(struct move *m)
{
	int code = stage_replay_code(&m->replay);
	if (code == EX_DONE || code == EX_PARTIAL)
		code = !m->verify.result.clean ? EX_DIFF : !m->verify.complete ? EX_PARTIAL : code;
	return code;
}

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	struct move m = { .a = a, .sandbox = { .keep = -1 } };
	const char *dir = opt_value(a, "project");
	bool sandbox = opt_given(a, "to") && streq(opt_value(a, "to"), "sandbox");
	project_at(&m.p, dir && *dir ? dir : sandbox ? "mvchat-rehearsal" : "mvchat-move");
	int code;
	m.p.key_file = opt_value(a, "key");
	bool ok = date_order_given(a, &m.p.date_order, &e) && open_folder(&m, &e) && (!m.rehearses || start_sandbox(&m, &e)) && project_ledger(&m.p, LEDGER_WRITE, &e) &&
	          greet(&m, &e) && inspect(&m, &e) && files(&m, &e) && map(&m, &e) && plan(&m, &e);
	ok = ok && replay(&m, &e);
	bool whole = ok && !stop_signal && (!m.replay.run || !m.replay.result.stopped);
	ok = ok && (!whole || verify(&m, &e));
	if (m.replay.has_after) { /* also after a run that failed: it tells how far it came */
		struct err e2 = ERR_INIT;
		if (!write_report(&m, ok && whole && !m.verify.result.stopped ? ACCOUNT_VERIFIED : ACCOUNT_PART, &e2) && ok) {
			e = e2;
			ok = false;
		}
	}
	code = !ok ? out_fail(&e) : whole ? result(&m) : stage_replay_code(&m.replay);
	if (ok && (code >= 128 || !whole))
		log_info("move.stopped", "%s", _("stopped cleanly; the same command goes on"));
	stage_replay_end(&m.p, &m.replay, code);
	if (ok) {
		conclude(&m);
		look_at_it(&m);
	}
	project_close(&m.p);
	rehearsal_stop(&m.sandbox);
	return code;
}

const struct command cmd_move = {
	"move", "[ARCHIVE…]", N_("everything in order, asking once: for emergencies and rehearsals"),
	N_("Inspects, maps, plans, asks once, brings the people and then the history, verifies, and writes a report. The project folder is ./mvchat-move (of a rehearsal ./mvchat-rehearsal) unless -C says otherwise; what is decided stands there and can be changed. Stopped or killed, the same command goes on. With '--to sandbox' everything goes into a local server of its own, on a clock that jumps over waits."),
	opts, run,
};
