/* The table of report writers, files, and the two short forms (text, JSON). Promises: a report is there whole or not at all, readable by
 * whom the process' umask allows. Called by the cmd_*.c files. Asks neither ledger nor target for anything but counts. */
#include "cli/report.h"

#include "cli/apps_view.h"
#include "cli/report_int.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/outfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { JSON_MAX = 1 << 30, LIST_MAX = 16 };

void report_init(struct report *r, enum report_kind kind, struct project *p, const struct facts *f)
{
	const struct mapping_config *c = mapping_config(p->mapping);
	struct ledger_counts lc;
	ledger_count(p->ledger, &lc);
	*r = (struct report){
		.kind = kind, .facts = f, .spool = p->spool, .target = c->target, .offline = !p->session,
		.target_where = p->session ? p->session->target_id : c->target_url,
		.runs = lc.runs, .last_done_us = lc.last_done_us, .now_us = clock_wall_us(),
	};
	mapping_digest(p->mapping, r->mapping_digest);
}

void report_found(struct report_verify *rv, struct arena *a, const struct report_finding *f)
{
	if (rv->n == REPORT_FINDINGS_MAX) {
		rv->left_out++;
		return;
	}
	ARENA_GROW(a, rv->v, rv->n, rv->cap, 64);
	rv->v[rv->n++] = (struct report_finding){ f->finding, arena_strdup(a, f->lane), arena_strdup(a, f->source), arena_strdup(a, f->target),
	                                          arena_strdup(a, f->url), arena_strdup(a, f->what) };
}

/* ---- text: the views of facts_view.c, which speak to standard output ---- */

static void print_verify(const struct report *r)
{
	const struct report_verify *rv = r->verify;
	char line[SENTENCE_MAX];
	if (!rv)
		return;
	out_title(_("Compared with the target"));
	for (int i = 0; i < N_FINDING; i++)
		out_row(26, report_finding_word((enum finding)i), "%s", num(rv->result.messages[i]));
	out_row(26, _("people / chats"), _("%s / %s there, %s / %s missing"), num(rv->result.users_ok), num(rv->result.chats_ok),
	        num(rv->result.users_missing), num(rv->result.chats_missing));
	putchar('\n');
	for (size_t i = 0; i < rv->n; i++) {
		const struct report_finding *f = &rv->v[i];
		printf("  %s  %s %s  %s  %s\n", report_finding_word(f->finding), safe(f->lane), safe(f->source),
		       safe(f->what ? report_sentence(f->what, line, sizeof(line)) : ""), safe(f->url));
	}
	if (rv->n)
		putchar('\n');
}

static void print_text(const struct report *r)
{
	char verdict[512];
	enum tone tone;
	if (r->rollback) {
		report_rollback_print(r->rollback);
		printf("\n%s\n", report_verdict(r, &tone, verdict, sizeof(verdict)));
		return;
	}
	facts_print(r->facts, r->kind == REPORT_PLAN || !r->runs ? VIEW_PLAN : VIEW_ACCOUNT);
	print_verify(r);
	if (r->verify)
		printf("\n%s\n", report_verdict(r, &tone, verdict, sizeof(verdict)));
}

static bool write_text(const struct report *r, FILE *f, struct err *e)
{
	/* Standard output is the file meanwhile. */
	int kept = -1;
	bool ok = true;
	if (f != stdout) {
		fflush(stdout);
		fflush(f);
		kept = dup(STDOUT_FILENO);
		if (kept < 0 || dup2(fileno(f), STDOUT_FILENO) < 0)
			ok = err_set(e, ERR_INTERNAL, _("cannot write the report:"));
	}
	if (ok) {
		print_text(r);
		ok = fflush(stdout) == 0 || err_set(e, ERR_INTERNAL, _("cannot write the report:"));
	}
	if (kept >= 0) {
		dup2(kept, STDOUT_FILENO);
		close(kept);
	}
	return ok;
}

/* ---- JSON ---- */

void report_json_run(const struct engine_result *r, struct jw *w)
{
	jw_obj(w);
	jw_kint(w, "posted", r->posted); jw_kint(w, "edited", r->edited); jw_kint(w, "created", r->created);
	jw_kint(w, "uploaded", r->uploaded); jw_kint(w, "rejected", r->rejected); jw_kint(w, "in_doubt", r->in_doubt);
	jw_kint(w, "adopted", r->adopted); jw_kint(w, "resent", r->resent); jw_kint(w, "requests", r->requests);
	jw_kint(w, "writes", r->writes); jw_kint(w, "throttled", r->throttled); jw_kint(w, "lanes_stopped", (int64_t)r->lanes_stopped);
	jw_kbool(w, "stopped", r->stopped); jw_kint(w, "elapsed_ms", r->elapsed_us / 1000);
	jw_obj_end(w);
}

static const char *const finding_words[N_FINDING] = { "match", "missing", "altered", "foreign", "misplaced", "twice" };

void report_json_finding(const struct report_finding *f, struct jw *w)
{
	jw_obj(w);
	jw_kstr(w, "finding", finding_words[f->finding]);
	jw_kstr(w, "lane", f->lane);
	jw_kstr(w, "source", f->source);
	jw_kstr(w, "target", f->target);
	jw_kstr(w, "url", f->url);
	jw_kstr(w, "what", f->what);
	jw_obj_end(w);
}

void report_json_verify(const struct verify_result *r, bool complete, struct jw *w)
{
	jw_key(w, "messages");
	jw_obj(w);
	for (int i = 0; i < N_FINDING; i++)
		jw_kint(w, finding_words[i], r->messages[i]);
	jw_obj_end(w);
	jw_kint(w, "users_ok", r->users_ok); jw_kint(w, "users_missing", r->users_missing);
	jw_kint(w, "chats_ok", r->chats_ok); jw_kint(w, "chats_missing", r->chats_missing);
	jw_kint(w, "members_missing", r->members_missing);
	jw_kint(w, "privacy_wrong", r->privacy_wrong); jw_kint(w, "archived_wrong", r->archived_wrong);
	jw_kint(w, "names_wrong", r->names_wrong);
	jw_kint(w, "files_ok", r->files_ok); jw_kint(w, "files_other", r->files_other);
	jw_kint(w, "requests", r->lists);
	jw_kbool(w, "clean", r->clean); jw_kbool(w, "complete", complete);
}

static bool json_archive(void *ctx, const struct spool_archive *ar)
{
	struct jw *w = ctx;
	char digest[DIGEST_HEX];
	hex(ar->digest, DIGEST_BYTES, digest);
	jw_obj(w);
	jw_kstr(w, "name", ar->path ? path_base(ar->path) : NULL);
	jw_kstr(w, "format", ar->format);
	jw_kstr(w, "sha256", digest);
	jw_obj_end(w);
	return true;
}

static bool json_month(void *ctx, int year, int month, int64_t n)
{
	struct jw *w = ctx;
	char name[16];
	fmt_into(name, sizeof(name), "%04d-%02d", year, month);
	jw_obj(w);
	jw_kstr(w, "month", name);
	jw_kint(w, "messages", n);
	jw_obj_end(w);
	return true;
}

static bool write_json(const struct report *r, FILE *f, struct err *e)
{
	static const char *const kinds[] = { [REPORT_PLAN] = "plan", [REPORT_RUN] = "run", [REPORT_VERIFY] = "verify", [REPORT_ACCOUNT] = "account",
		[REPORT_ROLLBACK] = "rollback" };
	char digest[DIGEST_HEX], when[32], verdict[512];
	enum tone tone;
	struct buf b;
	struct jw w;
	buf_init(&b, JSON_MAX);
	jw_init(&w, &b);
	clock_iso(r->now_us, when);
	hex(r->mapping_digest, DIGEST_BYTES, digest);
	jw_obj(&w);
	jw_kint(&w, "schema", 1);
	jw_kstr(&w, "report", kinds[r->kind]);
	jw_kstr(&w, "written", when);
	jw_kstr(&w, "verdict", report_verdict(r, &tone, verdict, sizeof(verdict)));
	jw_kstr(&w, "target", r->target);
	jw_kbool(&w, "offline", r->offline);
	jw_kint(&w, "runs", r->runs);
	jw_kstr(&w, "mapping", digest);
	if (r->spool) {
		jw_key(&w, "archives");
		jw_arr(&w);
		spool_archive_each(r->spool, json_archive, &w);
		jw_arr_end(&w);
		jw_key(&w, "months");
		jw_arr(&w);
		spool_months(r->spool, json_month, &w);
		jw_arr_end(&w);
		jw_key(&w, "integrations");
		apps_json(r->spool, &w);
	}
	if (r->run) {
		jw_key(&w, "run");
		report_json_run(r->run, &w);
	}
	if (r->verify) {
		jw_key(&w, "verify");
		jw_obj(&w);
		jw_key(&w, "findings");
		jw_arr(&w);
		for (size_t i = 0; i < r->verify->n; i++)
			report_json_finding(&r->verify->v[i], &w);
		jw_arr_end(&w);
		report_json_verify(&r->verify->result, r->verify->complete, &w);
		jw_obj_end(&w);
	}
	if (r->rollback) {
		jw_key(&w, "rollback");
		report_rollback_json(r->rollback, &w);
	}
	jw_key(&w, "facts");
	facts_json(r->facts, &w);
	jw_obj_end(&w);
	bool ok = !b.full && fwrite(b.p, 1, b.len, f) == b.len && fputc('\n', f) != EOF;
	buf_release(&b);
	return ok || err_set(e, ERR_INTERNAL, _("cannot write the report:"));
}

/* ---- the table, and files ---- */

static const struct report_format text = { "text", ".txt", write_text }, markdown = { "markdown", ".md", report_write_markdown },
	html = { "html", ".html", report_write_html }, junit = { "junit", ".xml", report_write_junit }, json = { "json", ".json", write_json };
const struct report_format *const report_formats[] = { &text, &markdown, &html, &junit, &json, NULL };

const struct report_format *report_format_named(const char *name)
{
	for (const struct report_format *const *f = report_formats; *f; f++)
		if (streq((*f)->name, name) || streq((*f)->extension + 1, name))
			return *f;
	return NULL;
}

const struct report_format *report_format_of(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
	for (const struct report_format *const *f = report_formats; dot && *f; f++)
		if (!strcasecmp(dot, (*f)->extension))
			return *f;
	err_set(e, ERR_USAGE, _("'%s': which kind of report?"), path);
	err_hint(e, _("end the name with .txt, .md, .html, .xml (JUnit) or .json"));
	return NULL;
}

bool report_write(const struct report *r, const struct report_format *fmt, const char *path, struct err *e)
{
	struct outfile o;
	if (!path)
		return fmt->write(r, stdout, e);
	if (!outfile_open(&o, path, 0666, e))
		return err_hint(e, _("check that the folder exists and can be written"));
	if (!fmt->write(r, o.f, e)) {
		outfile_abort(&o);
		return false;
	}
	return outfile_commit(&o, e);
}

static bool each_name(const char *list, bool (*each)(void *ctx, const char *path, struct err *e), void *ctx, struct err *e)
{
	int n = 0;
	for (const char *p = list; p && *p;) {
		size_t len = strcspn(p, ",");
		char *path = xstrndup(p, len);
		bool ok = ++n <= LIST_MAX || err_set(e, ERR_USAGE, _("--report: at most %d files"), LIST_MAX);
		ok = ok && (!len || each(ctx, path, e));
		free(path);
		if (!ok)
			return false;
		p += len + (p[len] == ',');
	}
	return true;
}

static bool check_one(void *ctx, const char *path, struct err *e)
{
	(void)ctx;
	return report_format_of(path, e) != NULL;
}

static bool save_one(void *ctx, const char *path, struct err *e)
{
	const struct report_format *f = report_format_of(path, e);
	if (!f || !report_write(ctx, f, path, e))
		return false;
	log_info("report.written", _("report written: %s"), path);
	return true;
}

bool report_check(const char *list, struct err *e)
{
	return each_name(list, check_one, NULL, e);
}

bool report_save(const struct report *r, const char *list, struct err *e)
{
	struct report copy = *r;
	return each_name(list, save_one, &copy, e);
}
