/* mvchat fetch: downloads the files an export only links to, before its token dies. Contacts the source's file server only. */
#include "cli/cmd.h"

#include "cli/progress.h"
#include "core/outfile.h"
#include "replay/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct opt opts[] = {
	{ "into", 0, "DIR", N_("folder for the files (default: .mvchat/files of the project, where plan and apply look)") },
	{ "jobs", 'j', "N", N_("how many at a time (default 4, at most 32)") },
	{ "bandwidth", 0, "KB", N_("at most so many kilobytes a second, all together") },
	{ "missing", 0, "FILE", N_("list what could not be had in FILE (default: files-missing.csv in the project folder)") },
	{ "format", 0, "NAME", N_("archive format, when it is not recognised by itself") },
	{ "cacert", 0, "FILE", N_("trust the certificates in FILE") },
	{ "proxy", 0, "URL", N_("use this proxy (default: HTTPS_PROXY)") },
	{ NULL, 0, NULL, NULL },
};

/* Rows go to the CSV and, as JSON, into a scratch file as they come: there may be as many as files. */
struct listing { struct outfile csv; FILE *json; int64_t rows, by_why[N_FETCH_WHY]; struct buf line; };

/* RFC 4180; a cell that a spreadsheet would run as a formula gets an apostrophe. */
static void cell(struct listing *l, const char *s, char end)
{
	buf_addc(&l->line, '"');
	if (*s && strchr("=+-@\t\r", *s))
		buf_addc(&l->line, '\'');
	for (; *s; s++) {
		if (*s == '"')
			buf_addc(&l->line, '"');
		buf_addc(&l->line, *s);
	}
	buf_addc(&l->line, '"');
	buf_addc(&l->line, end);
}

static void on_missing(void *ctx, const struct fetch_missing *m)
{
	struct listing *l = ctx;
	struct jw w;
	l->rows++;
	l->by_why[m->why]++;
	buf_reset(&l->line);
	cell(l, m->id, ',');
	cell(l, m->name, ',');
	cell(l, m->conv, ',');
	if (m->size >= 0)
		buf_addf(&l->line, "%lld", (long long)m->size);
	buf_addc(&l->line, ',');
	cell(l, fetch_why_name(m->why), '\n');
	fwrite(l->line.p, 1, l->line.len, l->csv.f);
	if (!l->json)
		return;
	buf_reset(&l->line);
	jw_init(&w, &l->line);
	jw_obj(&w);
	jw_kstr(&w, "id", m->id);
	jw_kstr(&w, "name", m->name);
	jw_kstr(&w, "channel", m->conv);
	if (m->size >= 0)
		jw_kint(&w, "size", m->size);
	jw_kstr(&w, "reason", fetch_why_name(m->why));
	jw_obj_end(&w);
	fprintf(l->json, "%s%s", l->rows > 1 ? "," : "", l->line.p);
}

static void on_progress(void *ctx, const struct fetch_result *r)
{
	(void)ctx;
	progress_count("fetching", _("fetching files"), r->fetched + r->had + r->missing);
}

/* The reasons for people, and what to do about them. */
static const char *words(enum fetch_why why)
{
	switch (why) {
	case FETCH_SIGN_IN: return _("answered with a sign-in page: the export's token is no longer valid; make a new export");
	case FETCH_NOT_FOUND: return _("the server does not have it");
	case FETCH_REFUSED: return _("the server refused it");
	case FETCH_SIZE: return _("not as many bytes as the message says");
	case FETCH_CONTENT: return _("not what the message says it is");
	case FETCH_NO_TOKEN: return _("the archive's address carries no token");
	case FETCH_NO_ID: return _("no usable file id");
	case FETCH_HOST: return _("an address of another server: the token is not sent there");
	case FETCH_REDIRECT: return _("led to another server: the token is not sent there");
	case FETCH_SERVER: return _("the server failed every time; run again later");
	case FETCH_NETWORK: return _("the server could not be reached or the connection broke; run again");
	case FETCH_DELETED: return _("deleted or hidden in the source before the export");
	case FETCH_OK: case N_FETCH_WHY: break;
	}
	return "";
}

static void print_text(const struct fetch_result *r, const struct listing *l, const char *csv)
{
	out_title(_("Files"));
	out_row(26, _("in the archive"), "%s", num(r->present));
	out_row(26, _("only linked"), "%s", num(r->linked));
	out_row(26, _("fetched now"), _("%s  (%s bytes, %s requests)"), num(r->fetched), num(r->bytes), num(r->requests));
	out_row(26, _("fetched before"), "%s", num(r->had));
	out_row(26, _("missing"), "%s", num(r->missing));
	out_row(26, _("links to elsewhere, kept"), "%s", num(r->external));
	if (l->rows) {
		putchar('\n');
		out_title(_("What could not be had"));
		for (int i = 0; i < N_FETCH_WHY; i++)
			if (l->by_why[i])
				printf("  %8s × %s: %s\n", num(l->by_why[i]), fetch_why_name((enum fetch_why)i), words((enum fetch_why)i));
		printf(_("  Each of them is in %s\n"), safe(csv));
	}
	putchar('\n');
	if (r->stopped)
		printf("%s\n", _("Stopped; the same command goes on."));
	else if (r->missing)
		printf("%s\n", _("Some files could not be had; their messages will name them."));
	else
		printf("%s\n", _("Every linked file is here."));
}

static void print_json(const struct fetch_result *r, const struct listing *l)
{
	printf("{\"schema\":1,\"files\":{\"present\":%lld,\"linked\":%lld,\"fetched\":%lld,\"had\":%lld,\"missing\":%lld,\"external\":%lld,\"gone\":%lld},"
	       "\"bytes\":%lld,\"requests\":%lld,\"elapsed_ms\":%lld,\"stopped\":%s,\"missing\":[",
	       (long long)r->present, (long long)r->linked, (long long)r->fetched, (long long)r->had, (long long)r->missing, (long long)r->external,
	       (long long)r->gone, (long long)r->bytes, (long long)r->requests, (long long)r->elapsed_us / 1000, r->stopped ? "true" : "false");
	char block[4096];
	size_t n;
	rewind(l->json);
	while ((n = fread(block, 1, sizeof(block), l->json)) > 0)
		fwrite(block, 1, n, stdout);
	puts("]}");
}

static bool begin_listing(struct listing *l, const char *path, bool json, struct err *e)
{
	if (!outfile_open(&l->csv, path, 0600, e))
		return false;
	fputs("id,name,channel,size,reason\n", l->csv.f);
	l->json = json ? tmpfile() : NULL;
	return !json || l->json || err_set(e, ERR_INTERNAL, _("cannot make a scratch file:"));
}

/* The archives named, or the project's. */
static bool find_archives(struct project *p, const struct args *a, struct err *e)
{
	if (!a->n_rest)
		return project_mapping(p, e);
	struct mapping_archive *v = arena_array(&p->arena, (size_t)a->n_rest, struct mapping_archive);
	for (int i = 0; i < a->n_rest; i++)
		v[i] = (struct mapping_archive){ .path = a->rest[i], .format = opt_value(a, "format") };
	p->archives = v;
	p->n_archives = (size_t)a->n_rest;
	return true;
}

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	struct project p;
	struct filestore *store = NULL;
	struct fetch *f = NULL;
	struct listing l = { .rows = 0 };
	struct fetch_result r = { 0 };
	int64_t jobs, kb;
	int code;
	stop_polite = 1;
	project_init(&p, a);
	buf_init(&l.line, 64 << 20);
	if (!opt_number(a, "jobs", 1, 32, 0, &jobs, &e) || !opt_number(a, "bandwidth", 1, 1 << 30, 0, &kb, &e) || !find_archives(&p, a, &e))
		goto fail;
	const char *into = opt_value(a, "into"), *csv = opt_value(a, "missing");
	if (!into) {
		if (!project_state_dir(&p, &e))
			goto fail;
		into = arena_fmt(&p.arena, "%s/files", p.state);
	}
	if (!csv)
		csv = arena_fmt(&p.arena, "%s/files-missing.csv", p.dir);
	if (!(store = filestore_open(into, FILESTORE_WRITE, &e)) || !begin_listing(&l, csv, opt_given(a, "json"), &e))
		goto fail;
	struct fetch_config c = {
		.store = store, .base = getenv("MVCHAT_FETCH_BASE"), .cacert = opt_value(a, "cacert"), .proxy = opt_value(a, "proxy"),
		.jobs = (int)jobs, .bytes_per_s = kb * 1024, .stop = &stop_signal, .missing = on_missing, .progress = on_progress, .ctx = &l,
	};
	if (!(f = fetch_open(&c, &e)))
		goto fail;
	struct sink sink;
	fetch_sink(f, &sink);
	struct err walk = ERR_INIT;
	bool read = true;
	for (size_t i = 0; i < p.n_archives && read && !stop_signal; i++)
		read = archive_walk(&p.archives[i], &sink, NULL, &walk);
	bool ok = fetch_finish(f, &r, &e);
	progress_clear();
	if (!ok)
		goto fail;
	if (!read && !r.stopped) {
		e = walk;
		goto fail;
	}
	if (!outfile_commit(&l.csv, &e))
		goto fail;
	if (opt_given(a, "json"))
		print_json(&r, &l);
	else
		print_text(&r, &l, csv);
	code = stop_signal ? 128 + stop_signal : r.missing ? EX_PARTIAL : EX_DONE;
	goto out;
fail:
	code = out_fail(&e);
out:
	outfile_abort(&l.csv);
	if (l.json)
		fclose(l.json);
	buf_release(&l.line);
	fetch_close(f);
	filestore_close(store);
	project_close(&p);
	return code;
}

const struct command cmd_fetch = {
	"fetch", "[ARCHIVE…]", N_("download the files an export only links to"),
	N_("Downloads, with the token that the export itself carries, the files that it only links to, into the project, where plan and apply find them. Run it soon: the token dies when the export is revoked or the workspace goes. Each file once; what was begun is gone on with; what cannot be had is listed with the reason."),
	opts, run,
};
