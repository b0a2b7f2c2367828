/* mvchat status: where things stand, from the ledger alone; also while apply runs. */
#include "cli/cmd.h"

#include "core/clock.h"

#include <stdio.h>

static const struct opt opts[] = { { NULL, 0, NULL, NULL } };

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

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	struct project p;
	int code = EX_DONE;
	project_init(&p, a);
	if (!project_ledger(&p, LEDGER_READ, &e)) {
		code = out_fail(&e);
		project_close(&p);
		return code;
	}
	struct ledger_counts c;
	ledger_count(p.ledger, &c);
	struct view v = { .p = &p };
	struct buf b;
	struct jw w;
	buf_init(&b, 1 << 28);
	jw_init(&w, &b);
	int64_t open = 0, rejected = 0;
	for (size_t i = 0; i < countof(kinds); i++) {
		const int64_t *s = c.by_kind_state[kinds[i].kind];
		open += s[OP_INTENT] + s[OP_UNKNOWN];
		rejected += s[OP_REJECTED];
	}
	char when[32] = "–";
	if (c.last_done_us)
		clock_iso(c.last_done_us, when);
	if (opt_given(a, "json")) {
		v.w = &w;
		jw_obj(&w);
		jw_kint(&w, "schema", 1);
		jw_kint(&w, "runs", c.runs);
		jw_kstr(&w, "last", c.last_done_us ? when : NULL);
		jw_key(&w, "ops");
		jw_obj(&w);
		for (size_t i = 0; i < countof(kinds); i++) {
			const int64_t *s = c.by_kind_state[kinds[i].kind];
			jw_key(&w, kinds[i].json);
			jw_obj(&w);
			jw_kint(&w, "done", s[OP_DONE]); jw_kint(&w, "open", s[OP_INTENT] + s[OP_UNKNOWN]); jw_kint(&w, "rejected", s[OP_REJECTED]);
			jw_obj_end(&w);
		}
		jw_obj_end(&w);
		jw_key(&w, "troubles");
		jw_arr(&w);
		ledger_troubles(p.ledger, trouble, &v);
		jw_arr_end(&w);
		jw_obj_end(&w);
		puts(b.p);
	} else {
		out_title(_("In the ledger"));
		for (size_t i = 0; i < countof(kinds); i++) {
			const int64_t *s = c.by_kind_state[kinds[i].kind];
			if (s[OP_DONE] + s[OP_INTENT] + s[OP_UNKNOWN] + s[OP_REJECTED])
				out_row(26, _(kinds[i].word), _("%s done, %s open, %s rejected"), num(s[OP_DONE]), num(s[OP_INTENT] + s[OP_UNKNOWN]), num(s[OP_REJECTED]));
		}
		out_row(26, _("runs"), "%s", num(c.runs));
		out_row(26, _("last write"), "%s", when);
		if (open + rejected) {
			putchar('\n');
			out_title(_("Open or rejected"));
			ledger_troubles(p.ledger, trouble, &v);
			if (v.n > 30)
				printf(_("  … and %s more (--json lists all)\n"), num(v.n - 30));
		}
		putchar('\n');
		if (!c.runs)
			printf("%s\n", _("Nothing has been written yet."));
		else if (open)
			printf("%s\n", _("A run is going on or was cut off; 'mvchat apply' goes on from here."));
		else
			printf("%s\n", _("No write is open. 'mvchat plan' tells what is left to do."));
	}
	buf_release(&b);
	project_close(&p);
	return code;
}

const struct command cmd_status = {
	"status", "", N_("where things stand, also while apply runs"), N_("Reads only the ledger of the project."), opts, run,
};
