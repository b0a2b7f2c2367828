/* mvchat archive: the history as a folder of pages that opens from disk, or as JSON lines; without any target. */
#include "cli/cmd.h"

#include "cli/archive.h"
#include "core/clock.h"
#include "core/outfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct opt opts[] = {
	{ "output", 'o', "PATH", N_("the folder to make (default: archive), or the file for jsonl (default: standard output)") },
	{ "format", 'f', "FORMAT", N_("html: pages with search; jsonl: canonical JSON lines (default: html)") },
	{ "zone", 0, "ZONE", N_("time zone of the times shown (default: the mapping's, else UTC)") },
	{ "as-mapped", 0, NULL, N_("leave out what the mapping leaves out (needs a project)") },
	{ "no-files", 0, NULL, N_("name the files, do not copy them") },
	{ "force", 0, NULL, N_("replace an earlier archive in that folder") },
	{ NULL, 0, NULL, NULL },
};

enum form { FORM_HTML, FORM_JSONL };

struct job {
	struct project p;
	char scratch[512];           /* made by us; "" = the project's state folder */
	enum form form;
	struct archive_args x;
};

static bool check(struct job *j, const struct args *a, struct err *e)
{
	const char *f = opt_value(a, "format"), *zone = opt_value(a, "zone");
	if (f && !streq(f, "html") && !streq(f, "jsonl"))
		return err_set(e, ERR_USAGE, _("--format: '%s' is neither html nor jsonl"), f);
	j->form = f && streq(f, "jsonl") ? FORM_JSONL : FORM_HTML;
	if (zone && !zone_known(zone)) {
		err_set(e, ERR_USAGE, _("--zone: there is no time zone '%s'"), zone);
		return err_hint(e, "--zone Europe/Moscow");
	}
	if (opt_given(a, "as-mapped") && (a->n_rest || j->form == FORM_JSONL)) {
		err_set(e, ERR_USAGE, a->n_rest ? _("--as-mapped needs a project, not archives") : _("--as-mapped is for html: JSON lines hold everything"));
		return err_hint(e, "mvchat archive -C DIR --as-mapped");
	}
	j->x = (struct archive_args){
		.dir = opt_value(a, "output") ? opt_value(a, "output") : "archive",
		.as_mapped = opt_given(a, "as-mapped"), .no_files = opt_given(a, "no-files"), .replace = opt_given(a, "force"),
		.zone = zone ? zone : "UTC",
	};
	if (!*j->x.dir)
		return err_set(e, ERR_USAGE, _("-o needs a name"));
	return true;
}

/* Archives named on the command line: a spool of our own, thrown away afterwards. */
static bool read_named(struct job *j, const struct args *a, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	if (!fmt_into(j->scratch, sizeof(j->scratch), "%s/mvchat-archive-XXXXXX", tmp && *tmp ? tmp : "/tmp") || !mkdtemp(j->scratch)) {
		j->scratch[0] = '\0';
		return err_set(e, ERR_INTERNAL, _("cannot make a scratch folder:"));
	}
	struct mapping_archive *v = arena_array(&j->p.arena, (size_t)a->n_rest, struct mapping_archive);
	for (int i = 0; i < a->n_rest; i++)
		v[i] = (struct mapping_archive){ .path = a->rest[i], .zone = opt_value(a, "zone") };
	j->x.scratch = j->scratch;
	return archives_read(arena_fmt(&j->p.arena, "%s/spool.db", j->scratch), v, (size_t)a->n_rest, j->scratch, NULL, &j->p.spool, e);
}

static bool read_project(struct job *j, const struct args *a, struct err *e)
{
	if (!project_mapping(&j->p, e)) {
		if (e->code == ERR_MAPPING && !e->hint[0])
			err_hint(e, "mvchat archive export.zip -o DIR");
		return false;
	}
	j->x.mapping = j->p.mapping;
	j->x.scratch = j->p.state;
	if (!opt_given(a, "zone"))
		j->x.zone = mapping_config(j->p.mapping)->zone;
	j->x.fetched = arena_fmt(&j->p.arena, "%s/files", j->p.state);
	return project_spool(&j->p, e);
}

static bool write_lines(struct job *j, const struct args *a, struct archive_result *r, struct err *e)
{
	const char *path = opt_value(a, "output");
	struct outfile o;
	if (!path || streq(path, "-"))
		return archive_jsonl(&j->x, stdout, r, e);
	if (!outfile_open(&o, path, 0666, e))
		return false;
	if (archive_jsonl(&j->x, o.f, r, e))
		return outfile_commit(&o, e);
	outfile_abort(&o);
	return false;
}

static void tell(const struct job *j, const struct args *a, const struct archive_result *r)
{
	if (opt_given(a, "json")) {
		struct buf b;
		struct jw w;
		buf_init(&b, 64 << 10);
		jw_init(&w, &b);
		jw_obj(&w);
		jw_kint(&w, "schema", 1);
		jw_kstr(&w, "folder", j->x.dir);
		jw_kint(&w, "conversations", r->convs);
		jw_kint(&w, "messages", r->messages);
		jw_kint(&w, "left_out", r->left_out);
		jw_kint(&w, "pages", r->pages);
		jw_kint(&w, "files", r->files);
		jw_kint(&w, "file_bytes", r->file_bytes);
		jw_kint(&w, "unreadable_files", r->bad_files);
		jw_obj_end(&w);
		puts(b.p);
		buf_release(&b);
		return;
	}
	printf(_("Open %s/index.html in a browser.\n"), safe(j->x.dir));
	out_row(26, _("conversations"), "%s", num(r->convs));
	out_row(26, _("messages"), "%s", num(r->messages));
	if (r->left_out)
		out_row(26, _("left out by the mapping"), "%s", num(r->left_out));
	out_row(26, _("pages"), "%s", num(r->pages));
	out_row(26, _("files copied"), "%s", num(r->files));
	if (r->bad_files)
		out_row(26, _("files that are unreadable"), "%s", num(r->bad_files));
	if (!j->x.as_mapped)
		printf("%s\n", _("It holds everything that was read, private conversations included: keep it as safe as the export itself."));
}

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	struct job j = { .scratch = "" };
	struct archive_result r = { 0 };
	project_init(&j.p, a);
	bool ok = check(&j, a, &e) && (a->n_rest ? read_named(&j, a, &e) : read_project(&j, a, &e));
	j.x.spool = j.p.spool;
	stop_polite = 1; /* a half-written folder is taken away */
	if (ok && j.form == FORM_JSONL)
		spool_fetched(j.p.spool, NULL); /* the records as the export has them */
	if (ok)
		ok = j.form == FORM_JSONL ? write_lines(&j, a, &r, &e) : archive_html(&j.x, &r, &e);
	if (ok && j.form == FORM_HTML)
		tell(&j, a, &r);
	int code = !ok ? stop_signal ? 128 + stop_signal : out_fail(&e) : r.bad_files ? EX_PARTIAL : EX_DONE;
	if (!ok && stop_signal)
		out_errline(&e);
	project_close(&j.p);
	if (j.scratch[0]) {
		char spool[600];
		if (fmt_into(spool, sizeof(spool), "%s/spool.db", j.scratch))
			unlink(spool);
		rmdir(j.scratch);
	}
	return code;
}

const struct command cmd_archive = {
	"archive", "[ARCHIVE…]", N_("the history as a folder of pages with search, readable without any messenger"),
	N_("Writes everything that was read to a folder that opens from disk: an index, pages with threads, reactions and files, and a search; nothing is "
	   "loaded from elsewhere and no target is asked. Reads the project's archives, with the mapping's names and time zone, or the archives named. "
	   "Private conversations are included unless --as-mapped leaves them out. The folder appears whole or not at all."),
	opts, run,
};
