/* mvchat status: where things stand, from the ledger alone; also while apply runs. */
#include "cli/cmd.h"

#include "core/clock.h"
#include "core/log.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct opt opts[] = {
	{ "watch", 'w', NULL, N_("again and again, while a run goes on") },
	{ "backup", 0, "FILE", N_("write a copy of the ledger there, also while a run goes on") },
	{ NULL, 0, NULL, NULL },
};

enum going { GOING_NOT, GOING_ON };

static const struct kind_row { enum op_kind kind; const char *word, *json; } kinds[] = {
	{ OP_USER_CREATE, N_("people created"), "users" }, { OP_CHAT_CREATE, N_("chats created"), "chats" },
	{ OP_POST, N_("messages"), "posts" }, { OP_EDIT, N_("edits"), "edits" }, { OP_THREAD_OPEN, N_("threads"), "threads" },
	{ OP_UPLOAD, N_("files"), "uploads" }, { OP_REACT, N_("reactions"), "reactions" }, { OP_PIN, N_("pins"), "pins" },
	{ OP_MEMBERS, N_("joinings"), "members" }, { OP_ARCHIVE, N_("chats archived"), "archived" }, { OP_DELETE, N_("deletions"), "deletes" },
};

struct view { struct project *p; struct jw *w; int64_t n; };

static bool trouble(void *ctx, const struct ledger_row *r)
{
	struct view *v = ctx;
	const char *lane = ledger_lane_name(v->p->ledger, r->lane, &v->p->arena);
	if (v->w) {
		jw_obj(v->w);
		jw_kstr(v->w, "state", r->state == OP_REJECTED ? "rejected" : "open");
		jw_kstr(v->w, "lane", lane);
		jw_kstr(v->w, "source", r->key.id);
		jw_kstr(v->w, "why", r->why);
		jw_obj_end(v->w);
	} else if (v->n++ < 30) {
		printf("  %s  %s %s  %s\n", r->state == OP_REJECTED ? _("rejected") : _("open"), safe(lane ? lane : "?"), safe(r->key.id),
		       safe(r->why ? r->why : ""));
	}
	return true;
}

struct standing { struct ledger_counts c; int64_t open, rejected; char last[32]; };

static void look(struct project *p, struct standing *s)
{
	*s = (struct standing){ .open = 0 };
	ledger_count(p->ledger, &s->c);
	for (size_t i = 0; i < countof(kinds); i++) {
		const int64_t *n = s->c.by_kind_state[kinds[i].kind];
		s->open += n[OP_INTENT] + n[OP_UNKNOWN];
		s->rejected += n[OP_REJECTED];
	}
	if (s->c.last_done_us)
		clock_iso(s->c.last_done_us, s->last);
	else
		fmt_into(s->last, sizeof(s->last), "–");
}

/* ---- runs: their numbers are what rollback --run takes ---- */

static bool run_json(void *ctx, const struct ledger_run *r)
{
	struct jw *w = ctx;
	char at[32];
	jw_obj(w);
	jw_kint(w, "run", r->id);
	jw_kstr(w, "command", r->cmd);
	clock_iso(r->began_us, at);
	jw_kstr(w, "began", at);
	clock_iso(r->ended_us, at);
	jw_kstr(w, "ended", r->ended_us ? at : NULL);
	jw_key(w, "exit");
	if (r->ended_us)
		jw_int(w, r->exit_code);
	else
		jw_null(w);
	jw_kstr(w, "version", r->version);
	for (size_t i = 0; i < countof(kinds); i++)
		jw_kint(w, kinds[i].json, r->done[kinds[i].kind]);
	jw_kint(w, "open", r->open); jw_kint(w, "rejected", r->rejected); jw_kint(w, "taken_back", r->gone);
	jw_obj_end(w);
	return true;
}

enum { RUNS_TOLD = 20 };
struct run_view { int64_t skip, running; };

static bool run_line(void *ctx, const struct ledger_run *r)
{
	struct run_view *v = ctx;
	char at[32], end[32], what[160] = "";
	int64_t n = 0;
	if (v->skip-- > 0)
		return true;
	clock_iso(r->began_us, at);
	if (r->ended_us)
		fmt_into(end, sizeof(end), _("exit %d"), r->exit_code);
	else
		fmt_into(end, sizeof(end), "%s", r->id == v->running ? _("going on") : _("cut off"));
	for (size_t i = 0; i < countof(kinds); i++)
		n += r->done[kinds[i].kind];
	fmt_into(what, sizeof(what), _("%s messages, %s writes in all"), num(r->done[OP_POST]), num(n));
	printf("  %3lld  %s  %-9s %-10s %s", (long long)r->id, at, safe(r->cmd), end, what);
	if (r->rejected)
		printf(_(", %s rejected"), num(r->rejected));
	if (r->gone)
		printf(_(", %s taken back since"), num(r->gone));
	putchar('\n');
	return true;
}

static void print_runs(struct project *p, const struct standing *s, enum going going)
{
	struct run_view v = { .skip = s->c.runs - RUNS_TOLD, .running = going == GOING_ON ? s->c.runs : 0 };
	if (!s->c.runs)
		return;
	putchar('\n');
	out_title(_("Runs"));
	if (v.skip > 0)
		printf(_("  … and %s more (--json lists all)\n"), num(v.skip));
	ledger_runs(p->ledger, run_line, &v);
}

static void print_json(struct project *p, const struct standing *s, enum going going)
{
	struct buf b;
	struct jw w;
	buf_init(&b, 1 << 28);
	jw_init(&w, &b);
	struct view v = { .p = p, .w = &w };
	jw_obj(&w);
	jw_kint(&w, "schema", 1);
	jw_kint(&w, "runs", s->c.runs);
	jw_kbool(&w, "running", going == GOING_ON);
	jw_kstr(&w, "last", s->c.last_done_us ? s->last : NULL);
	jw_kbool(&w, "outdated", ledger_outdated(p->ledger));
	jw_key(&w, "run_list");
	jw_arr(&w);
	ledger_runs(p->ledger, run_json, &w);
	jw_arr_end(&w);
	jw_key(&w, "ops");
	jw_obj(&w);
	for (size_t i = 0; i < countof(kinds); i++) {
		const int64_t *n = s->c.by_kind_state[kinds[i].kind];
		jw_key(&w, kinds[i].json);
		jw_obj(&w);
		jw_kint(&w, "done", n[OP_DONE]); jw_kint(&w, "open", n[OP_INTENT] + n[OP_UNKNOWN]); jw_kint(&w, "rejected", n[OP_REJECTED]);
		jw_obj_end(&w);
	}
	jw_obj_end(&w);
	jw_key(&w, "troubles");
	jw_arr(&w);
	ledger_troubles(p->ledger, trouble, &v);
	jw_arr_end(&w);
	jw_obj_end(&w);
	puts(b.p);
	buf_release(&b);
}

/* Number of lines printed. */
static int print_table(const struct standing *s)
{
	int lines = 3;
	out_title(_("In the ledger"));
	for (size_t i = 0; i < countof(kinds); i++) {
		const int64_t *n = s->c.by_kind_state[kinds[i].kind];
		if (n[OP_DONE] + n[OP_INTENT] + n[OP_UNKNOWN] + n[OP_REJECTED]) {
			out_row(26, _(kinds[i].word), _("%s done, %s open, %s rejected"), num(n[OP_DONE]), num(n[OP_INTENT] + n[OP_UNKNOWN]), num(n[OP_REJECTED]));
			lines++;
		}
	}
	out_row(26, _("runs"), "%s", num(s->c.runs));
	out_row(26, _("last write"), "%s", s->last);
	return lines;
}

static void print_text(struct project *p, const struct standing *s, enum going going)
{
	struct view v = { .p = p };
	print_table(s);
	print_runs(p, s, going);
	if (s->open + s->rejected) {
		putchar('\n');
		out_title(_("Open or rejected"));
		ledger_troubles(p->ledger, trouble, &v);
		if (v.n > 30)
			printf(_("  … and %s more (--json lists all)\n"), num(v.n - 30));
	}
	putchar('\n');
	if (going == GOING_ON)
		printf("%s\n", _("A run is going on; 'mvchat status --watch' follows it."));
	else if (!s->c.runs)
		printf("%s\n", _("Nothing has been written yet."));
	else if (s->open)
		printf("%s\n", _("A run was cut off; 'mvchat apply' goes on from here."));
	else
		printf("%s\n", _("No write is open. 'mvchat plan' tells what is left to do."));
}

/* ---- --watch ---- */

static int64_t sum(const struct standing *s, enum op_state state)
{
	int64_t n = 0;
	for (size_t i = 0; i < countof(kinds); i++)
		n += s->c.by_kind_state[kinds[i].kind][state];
	return n;
}

/* On a terminal the table is drawn over the last one; elsewhere a line each time. */
static int watch(struct project *p, int64_t seconds, bool json, struct err *e)
{
	const char *term = getenv("TERM");
	bool redraw = !json && isatty(STDOUT_FILENO) && term && !streq(term, "dumb");
	int lines = 0;
	int64_t posts_before = -1;
	for (;;) {
		struct standing s;
		/* Asked first: what is read afterwards is then not older than the answer. */
		enum going going = ledger_in_use(p->state) ? GOING_ON : GOING_NOT;
		look(p, &s);
		int64_t posts = s.c.by_kind_state[OP_POST][OP_DONE], sent = posts_before < 0 ? 0 : posts - posts_before;
		posts_before = posts;
		if (json) {
			print_json(p, &s, going);
		} else if (redraw) {
			if (lines)
				printf("\033[%dF\033[J", lines);
			lines = print_table(&s) + 1;
			printf(_("  %.1f messages a second\n"), (double)sent / (double)seconds);
		} else {
			printf(_("%s messages, %s writes done, %s open, %s rejected, last %s\n"), num(posts), num(sum(&s, OP_DONE)), num(s.open), num(s.rejected), s.last);
		}
		fflush(stdout);
		if (going == GOING_NOT)
			break;
		for (int64_t i = 0; i < seconds * 10 && !stop_signal; i++)
			poll(NULL, 0, 100);
		if (stop_signal)
			return 128 + stop_signal;
		if (!s.c.runs) { /* there was no ledger yet when we looked */
			ledger_close(p->ledger);
			p->ledger = NULL;
			if (!project_ledger(p, LEDGER_READ, e))
				return out_fail(e);
		}
	}
	if (!json)
		printf("%s\n", _("No run is going on."));
	return EX_DONE;
}

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	struct project p;
	struct standing s;
	int64_t seconds = 2;
	int code = EX_DONE;
	project_init(&p, a);
	if (a->n_rest) {
		char *end;
		seconds = opt_given(a, "watch") && a->n_rest == 1 ? strtol(a->rest[0], &end, 10) : 0;
		if (seconds < 1 || seconds > 3600 || *end) {
			err_set(&e, ERR_USAGE, _("'%s' is not a number of seconds from 1 to 3600"), a->rest[0]);
			err_hint(&e, "mvchat status --watch 5");
			goto fail;
		}
	}
	if (!project_ledger(&p, LEDGER_READ, &e))
		goto fail;
	if (opt_given(a, "backup")) {
		if (!ledger_backup(p.ledger, opt_value(a, "backup"), &e))
			goto fail;
		log_info("status.backup", _("the ledger is copied to '%s'"), opt_value(a, "backup"));
		goto out;
	}
	if (opt_given(a, "watch")) {
		code = watch(&p, seconds, opt_given(a, "json"), &e);
		goto out;
	}
	look(&p, &s);
	enum going going = ledger_in_use(p.state) ? GOING_ON : GOING_NOT;
	if (opt_given(a, "json"))
		print_json(&p, &s, going);
	else
		print_text(&p, &s, going);
	goto out;
fail:
	code = out_fail(&e);
out:
	project_close(&p);
	return code;
}

const struct command cmd_status = {
	"status", "[SECONDS]", N_("where things stand, also while apply runs"),
	N_("Reads only the ledger of the project. With --watch it is drawn again every SECONDS (2) until no run is going on; where there is no terminal, a line each time."),
	opts, run,
};
