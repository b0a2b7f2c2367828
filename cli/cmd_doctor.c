/* mvchat doctor: is everything there that a replay needs? Reads only; each finding is a line with the next command to type. */
#include "cli/cmd.h"

#include "core/clock.h"
#include "core/utf8.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const struct opt opts[] = {
	{ "offline", 0, NULL, N_("do not ask the target") },
	OPTS_TARGET,
	{ NULL, 0, NULL, NULL },
};

enum level { LEVEL_OK, LEVEL_WARN, LEVEL_FAIL };
static const char *const level_json[] = { "ok", "warn", "fail" };

struct doctor { const struct args *a; struct project p; struct jw *w; int64_t n[3]; bool target_failed; };

static const char *level_word(enum level l)
{
	switch (l) {
	case LEVEL_OK: return _("ok");
	case LEVEL_WARN: return _("warn");
	case LEVEL_FAIL: return _("FAIL");
	}
	return "?";
}

/* next: what to type or do; NULL = nothing. name is for programs and stays English. */
static void found(struct doctor *d, enum level l, const char *name, const char *next, const char *fmt, ...) PRINTF_LIKE(5, 6);

static void found(struct doctor *d, enum level l, const char *name, const char *next, const char *fmt, ...)
{
	char what[800];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	d->n[l]++;
	if (d->w) {
		jw_obj(d->w);
		jw_kstr(d->w, "check", name);
		jw_kstr(d->w, "level", level_json[l]);
		jw_kstr(d->w, "what", what);
		jw_kstr(d->w, "next", l == LEVEL_OK ? NULL : next);
		jw_obj_end(d->w);
		return;
	}
	char lead[64];
	const int w = (int)utf8_width(level_word(l));
	fmt_into(lead, sizeof(lead), "  %s%*s", level_word(l), w < 10 ? 10 - w : 0, "");
	out_wrapped(lead, safe(what));
	if (next && l != LEVEL_OK)
		printf("            → %s\n", safe(next));
}

static void failed(struct doctor *d, const char *name, const struct err *e)
{
	const char *next = e->hint[0] ? e->hint : exit_remedy(exit_of(e->code));
	found(d, LEVEL_FAIL, name, next, "%s%s%s", e->where, e->where[0] ? ": " : "", e->msg);
}

/* ---- this machine ---- */

static void program(struct doctor *d)
{
	char path[PATH_MAX];
	/* libcurl names all it was built with; the first two are itself and its TLS. */
	int words = (int)strcspn(wire_library(), " ");
	words += wire_library()[words] ? 1 + (int)strcspn(wire_library() + words + 1, " ") : 0;
	found(d, LEVEL_OK, "program", NULL, "mvchat %s", MVCHAT_VERSION);
	found(d, LEVEL_OK, "libraries", NULL, "SQLite %s · %.*s · libzip %s · %s · libfyaml %s · libmicrohttpd %s", ledger_library(), words, wire_library(),
	      vault_library_zip(), vault_library_archive(), mapping_library(), sandbox_library());
	if (i18n_catalogue(path, sizeof(path)))
		found(d, LEVEL_OK, "language", NULL, _("messages in %s"), streq(i18n_lang(), "ru") ? _("Russian") : _("English"));
	else
		found(d, streq(i18n_lang(), "ru") ? LEVEL_WARN : LEVEL_OK, "language", "make install", _("the Russian texts are not installed: %s"), path);
	if (zone_known("Europe/Moscow"))
		found(d, LEVEL_OK, "zones", NULL, "%s", _("time zones are installed"));
	else
		found(d, LEVEL_FAIL, "zones", "apt install tzdata", "%s", _("no time zones in /usr/share/zoneinfo: times could only be shown in UTC"));
}

static void room(struct doctor *d)
{
	enum { MIB = 1 << 20, LEAST = 64, SMALL = 1024 };
	struct statvfs v;
	struct stat st;
	const char *at = stat(d->p.state, &st) == 0 ? d->p.state : d->p.dir;
	if (statvfs(at, &v) != 0) {
		found(d, LEVEL_FAIL, "disk", _("check that the project folder exists and can be written"), _("cannot look into '%s': %s"), at, strerror(errno));
		return;
	}
	int64_t mib = (int64_t)((double)v.f_bavail * (double)v.f_frsize / MIB);
	found(d, mib < LEAST ? LEVEL_FAIL : mib < SMALL ? LEVEL_WARN : LEVEL_OK, "disk",
	      _("make room: the state folder needs about as much as the archive's messages"), _("%s MiB free for the state folder"), num(mib));
	if (access(at, W_OK | X_OK) != 0)
		found(d, LEVEL_FAIL, "folder", _("check that the project folder exists and can be written"), _("'%s' cannot be written"), at);
	else if (at == d->p.state && (st.st_mode & 077))
		found(d, LEVEL_WARN, "folder", arena_fmt(&d->p.arena, "chmod 700 '%s'", d->p.state), _("others may look into '%s', which holds private messages"), at);
}

/* ---- the project ---- */

static void project(struct doctor *d)
{
	struct err e = ERR_INIT;
	if (access(arena_fmt(&d->p.arena, "%s/mvchat.yaml", d->p.dir), F_OK) != 0) {
		found(d, LEVEL_OK, "mapping", NULL, _("no project in '%s' yet"), d->p.dir);
		return;
	}
	if (!project_mapping(&d->p, &e)) {
		failed(d, "mapping", &e);
		return;
	}
	found(d, LEVEL_OK, "mapping", NULL, "%s", _("the mapping is sound"));
	const char *zone = mapping_config(d->p.mapping)->zone;
	if (zone && !zone_known(zone))
		found(d, LEVEL_FAIL, "zones", "apt install tzdata", _("the time zone '%s' is not known here"), zone);
	for (size_t i = 0; i < d->p.n_archives; i++) {
		const char *path = d->p.archives[i].path;
		if (access(path, R_OK) == 0)
			found(d, LEVEL_OK, "archive", NULL, _("the archive '%s' can be read"), path);
		else
			found(d, LEVEL_FAIL, "archive", _("bring it back, or correct 'archives:' in mvchat.yaml"), _("the archive '%s' cannot be read: %s"), path, strerror(errno));
	}
}

static void ledger(struct doctor *d)
{
	struct err e = ERR_INIT;
	struct ledger_counts c;
	int64_t open = 0, rejected = 0;
	if (access(arena_fmt(&d->p.arena, "%s/ledger.db", d->p.state), F_OK) != 0) {
		found(d, LEVEL_OK, "ledger", NULL, "%s", _("no ledger yet: nothing has been written"));
		return;
	}
	bool busy = ledger_in_use(d->p.state);
	if (!project_ledger(&d->p, LEDGER_READ, &e)) {
		failed(d, "ledger", &e);
		return;
	}
	ledger_count(d->p.ledger, &c);
	for (size_t k = 0; k <= OP_DELETE; k++) {
		open += c.by_kind_state[k][OP_INTENT] + c.by_kind_state[k][OP_UNKNOWN];
		rejected += c.by_kind_state[k][OP_REJECTED];
	}
	if (busy)
		found(d, LEVEL_OK, "ledger", NULL, "%s", _("the ledger is sound; a run is going on"));
	else if (open)
		found(d, LEVEL_WARN, "ledger", "mvchat apply", _("the ledger is sound; a run was cut off with %s writes open"), num(open));
	else if (rejected)
		found(d, LEVEL_WARN, "ledger", "mvchat status", _("the ledger is sound; %s writes were rejected"), num(rejected));
	else
		found(d, LEVEL_OK, "ledger", NULL, "%s", _("the ledger is sound and nothing is open"));
}

/* ---- the target ---- */

/* need: a replay of nearly any archive does this; wish: only some do. */
enum want { WANT_NEED, WANT_WISH };
static const struct { enum op_kind kind; enum want want; const char *name, *what; } wants[] = {
	{ OP_CHAT_CREATE, WANT_NEED, "chats", N_("create chats") }, { OP_POST, WANT_NEED, "messages", N_("write messages") },
	{ OP_THREAD_OPEN, WANT_NEED, "threads", N_("open threads") }, { OP_UPLOAD, WANT_NEED, "files", N_("upload files") },
	{ OP_MEMBERS, WANT_NEED, "members", N_("add people to chats") }, { OP_USER_CREATE, WANT_WISH, "people", N_("create people") },
	{ OP_EDIT, WANT_WISH, "edits", N_("change messages that were changed in the source") }, { OP_PIN, WANT_WISH, "pins", N_("pin messages") },
	{ OP_REACT, WANT_WISH, "reactions", N_("set reactions") }, { OP_ARCHIVE, WANT_WISH, "archiving", N_("archive chats") },
	{ OP_DELETE, WANT_WISH, "rollback", N_("take messages back (rollback)") },
};

static void target(struct doctor *d)
{
	struct err e = ERR_INIT;
	int64_t skew;
	if (opt_given(d->a, "offline")) {
		found(d, LEVEL_OK, "target", NULL, "%s", _("the target was not asked"));
		return;
	}
	if (!project_session(&d->p, d->a, "pachca", opt_value(d->a, "url"), TOKENS_OPTIONAL, &e)) {
		d->target_failed = true;
		failed(d, "target", &e);
		return;
	}
	if (!d->p.session) {
		found(d, LEVEL_WARN, "target", "export PACHCA_BOT_TOKEN=… PACHCA_ADMIN_TOKEN=…", "%s", _("no token given: the target was not asked"));
		return;
	}
	struct session *s = d->p.session;
	found(d, LEVEL_OK, "target", NULL, _("the target answers and knows us: %s"), s->target_id);
	if (!wire_skew(s->wire, &skew))
		found(d, LEVEL_OK, "clock", NULL, "%s", _("the target does not tell its time"));
	else if (skew < -30 || skew > 30)
		found(d, LEVEL_WARN, "clock", "timedatectl set-ntp true", _("this machine's clock and the target's differ by %s s"), num(skew));
	else
		found(d, LEVEL_OK, "clock", NULL, "%s", _("this machine's clock agrees with the target's"));
	for (size_t i = 0; i < countof(wants); i++) {
		struct err lacks = ERR_INIT;
		if (s->ex->may(s->target, 1u << wants[i].kind, &lacks)) {
			found(d, LEVEL_OK, wants[i].name, NULL, _("may %s"), _(wants[i].what));
			continue;
		}
		d->target_failed = d->target_failed || wants[i].want == WANT_NEED;
		found(d, wants[i].want == WANT_NEED ? LEVEL_FAIL : LEVEL_WARN, wants[i].name, lacks.hint, _("may not %s: %s"), _(wants[i].what), lacks.msg);
	}
}

static int run(const struct args *a)
{
	struct doctor d = { .a = a };
	struct buf b;
	struct jw w;
	project_init(&d.p, a);
	buf_init(&b, 1 << 24);
	jw_init(&w, &b);
	if (opt_given(a, "json")) {
		d.w = &w;
		jw_obj(&w);
		jw_kint(&w, "schema", 1);
		jw_key(&w, "checks");
		jw_arr(&w);
	} else {
		out_title(_("What a replay needs"));
	}
	program(&d);
	room(&d);
	project(&d);
	ledger(&d);
	target(&d);
	int code = d.target_failed ? EX_TARGET : d.n[LEVEL_FAIL] ? EX_INTERNAL : EX_DONE;
	if (d.w) {
		jw_arr_end(&w);
		jw_kint(&w, "ok", d.n[LEVEL_OK]); jw_kint(&w, "warn", d.n[LEVEL_WARN]); jw_kint(&w, "fail", d.n[LEVEL_FAIL]);
		jw_obj_end(&w);
		puts(b.p);
	} else {
		putchar('\n');
		if (d.n[LEVEL_FAIL])
			printf(i18n_n("%s thing must be put right first.\n", "%s things must be put right first.\n", d.n[LEVEL_FAIL]), num(d.n[LEVEL_FAIL]));
		else if (d.n[LEVEL_WARN])
			printf(i18n_n("Ready; %s thing is worth a look.\n", "Ready; %s things are worth a look.\n", d.n[LEVEL_WARN]), num(d.n[LEVEL_WARN]));
		else
			printf("%s\n", _("Ready."));
	}
	buf_release(&b);
	project_close(&d.p);
	return code;
}

const struct command cmd_doctor = {
	"doctor", "", N_("is everything there that a replay needs?"),
	N_("Looks at the program, the disk, the project, the ledger and, when a token is given, the target: does it answer, what may the tokens do, does the clock agree. Writes nothing. Exits with 5 when the target refuses what a replay needs, with 1 when something here must be put right."),
	opts, run,
};
