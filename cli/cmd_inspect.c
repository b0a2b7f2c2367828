/* mvchat inspect: what is inside an archive, without contacting anything and without a project. */
#include "cli/cmd.h"

#include "cli/apps_view.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "core/canon.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct opt opts[] = {
	{ "dump", 0, NULL, N_("print every record as canonical JSON lines instead of a summary") },
	{ "integrations", 0, "FILE", N_("write apps, bots and webhooks to FILE as CSV: who installed them, where and how often they posted") },
	{ "format", 0, "NAME", N_("archive format, when it is not recognised by itself") },
	{ "zone", 0, "ZONE", N_("time zone of archives whose times have none (default: UTC)") },
	OPT_DATE_ORDER,
	{ "key", 0, "FILE", N_("key of an encrypted backup: a file with its 64 digits, or the phone's key file; - reads standard input") },
	{ "exit-code", 0, NULL, N_("exit with 7 when records could not be read or something is lost") },
	{ NULL, 0, NULL, NULL },
};

/* ---- --dump: straight from the importer ---- */

struct dump { struct buf line; int64_t bad; };

static bool emit(struct dump *d)
{
	fwrite(d->line.p, 1, d->line.len, stdout);
	putchar('\n');
	buf_reset(&d->line);
	return !ferror(stdout) && !stop_signal;
}

static bool d_user(void *ctx, const struct user *u) { struct dump *d = ctx; canon_user(u, &d->line); return emit(d); }
static bool d_conv(void *ctx, const struct conv *c) { struct dump *d = ctx; canon_conv(c, &d->line); return emit(d); }
static bool d_msg(void *ctx, const char *conv, const struct msg *m) { struct dump *d = ctx; canon_msg(m, conv, &d->line); return emit(d); }

static bool d_note(struct dump *d, const char *type, const char *name, const char *where, const char *what)
{
	struct jw w;
	jw_init(&w, &d->line);
	jw_obj(&w);
	jw_kstr(&w, "type", type);
	jw_kstr(&w, "name", name);
	jw_kstr(&w, "where", where);
	jw_kstr(&w, "what", what);
	jw_obj_end(&w);
	return emit(d);
}

static bool d_bad(void *ctx, const struct err *e) { struct dump *d = ctx; d->bad++; return d_note(d, "bad", NULL, e->where, e->msg); }
static bool d_hazard(void *ctx, enum hazard_level l, const char *name, const char *where, const char *what)
{
	(void)l;
	return d_note(ctx, "hazard", name, where, what);
}
static bool d_fact(void *ctx, const char *k, const char *v) { return d_note(ctx, "fact", k, NULL, v); }
static bool d_integration(void *ctx, const struct integration *in) { struct dump *d = ctx; canon_integration(in, &d->line); return emit(d); }

static int dump(const struct args *a)
{
	struct err e = ERR_INIT;
	struct dump d = { .bad = 0 };
	buf_init(&d.line, 64 << 20);
	struct sink sink = { .ctx = &d, .user = d_user, .conv = d_conv, .msg = d_msg, .bad = d_bad, .hazard = d_hazard, .fact = d_fact,
	                     .integration = d_integration };
	bool ok = true;
	for (int i = 0; i < a->n_rest && ok; i++)
		ok = archive_walk(&(struct mapping_archive){ a->rest[i], opt_value(a, "format"), opt_value(a, "zone"), opt_value(a, "date-order"), opt_value(a, "key") }, &sink, NULL, &e);
	buf_release(&d.line);
	if (!ok)
		return out_fail(&e);
	return d.bad && opt_given(a, "exit-code") ? EX_DIFF : EX_DONE;
}

/* ---- the summary ---- */

const char *kind_word(enum conv_kind k)
{
	switch (k) {
	case CONV_PUBLIC: return _("public");
	case CONV_PRIVATE: return _("private");
	case CONV_GROUP: return _("group");
	case CONV_DM: return _("direct");
	}
	return "?";
}

struct view { struct jw *w; struct arena *conv /* a record of spool_convs; reset behind each */; int64_t losses; int n; bool many; char last_archive[4096]; };

static bool text_conv(void *ctx, const struct spool_conv *c)
{
	struct view *v = ctx;
	if (v->n++ < 40) {
		enum { NAME = 26, KIND = 10, NUMBER = 8 }; /* with the days at most 80 columns */
		const char *name = safe(c->conv.name);
		printf("  ");
		out_pad(name, NAME);
		if (utf8_width(name) > NAME) {
			putchar('\n');
			out_pad("", 2 + NAME);
		}
		putchar(' ');
		out_pad(kind_word(c->conv.kind), KIND - 1);
		out_right(num(c->n_msgs), NUMBER);
		printf("  %s … %s%s\n", day(c->first_us), day(c->last_us), c->conv.archived ? _("  archived") : "");
	}
	arena_reset(v->conv);
	return true;
}

static bool json_conv(void *ctx, const struct spool_conv *c)
{
	struct view *v = ctx;
	jw_obj(v->w);
	jw_kstr(v->w, "id", c->conv.id);
	jw_kstr(v->w, "name", c->conv.name);
	jw_kstr(v->w, "kind", conv_kind_name(c->conv.kind));
	jw_kbool(v->w, "archived", c->conv.archived);
	jw_kint(v->w, "members", (int64_t)c->conv.n_members);
	jw_kint(v->w, "messages", c->n_msgs);
	jw_kint(v->w, "threads", c->n_threads);
	jw_kint(v->w, "replies", c->n_replies);
	jw_kint(v->w, "files", c->n_files);
	jw_kstr(v->w, "first", c->first_us ? day(c->first_us) : NULL);
	jw_kstr(v->w, "last", c->last_us ? day(c->last_us) : NULL);
	jw_obj_end(v->w);
	arena_reset(v->conv);
	return true;
}

static bool text_hazard(void *ctx, const struct spool_hazard *h)
{
	struct view *v = ctx;
	static const char *const mark[] = { "·", "!", "✗" };
	char sentence[SENTENCE_MAX], lead[160];
	const char *times = num(h->n);
	const int w = (int)utf8_width(times);
	if (h->level == HAZARD_LOSS)
		v->losses++;
	v->n++;
	fmt_into(lead, sizeof(lead), "  %s %*s%s × %-26s  ", mark[h->level], w < 8 ? 8 - w : 0, "", times, safe(h->name));
	out_wrapped(lead, safe(hazard_sentence(h->what, sentence, sizeof(sentence))));
	if (h->where && *h->where)
		printf("                 %s %s\n", _("first at"), safe(h->where));
	return true;
}

static bool json_hazard(void *ctx, const struct spool_hazard *h)
{
	struct view *v = ctx;
	static const char *const level[] = { "note", "warn", "loss" };
	if (h->level == HAZARD_LOSS)
		v->losses++;
	jw_obj(v->w);
	jw_kstr(v->w, "name", h->name);
	jw_kstr(v->w, "level", level[h->level]);
	jw_kint(v->w, "count", h->n);
	jw_kstr(v->w, "first", h->where);
	jw_kstr(v->w, "what", h->what);
	jw_obj_end(v->w);
	return true;
}

static bool text_bad(void *ctx, const char *where, const char *msg, const char *archive)
{
	struct view *v = ctx;
	char sentence[SENTENCE_MAX];
	if (v->n++ < 20)
		printf("  %s%s%s: %s\n", v->many ? safe(archive) : "", v->many ? ": " : "", safe(where), safe(hazard_sentence(msg, sentence, sizeof(sentence))));
	return true;
}

static bool json_bad(void *ctx, const char *where, const char *msg, const char *archive)
{
	struct view *v = ctx;
	jw_obj(v->w);
	jw_kstr(v->w, "archive", archive);
	jw_kstr(v->w, "where", where);
	jw_kstr(v->w, "what", msg);
	jw_obj_end(v->w);
	return true;
}

static bool text_fact(void *ctx, const char *archive, const char *key, const char *value)
{
	struct view *v = ctx;
	if (v->many && !streq(v->last_archive, archive)) {
		const char *slash = strrchr(archive, '/');
		fmt_into(v->last_archive, sizeof(v->last_archive), "%s", archive);
		out_row(26, _("archive"), "%s", safe(slash && slash[1] ? slash + 1 : archive));
	}
	char sentence[640];
	out_row(26, safe(fact_name(key)), "%s", safe(fact_sentence(value, sentence, sizeof(sentence))));
	return true;
}

static bool json_fact(void *ctx, const char *archive, const char *key, const char *value)
{
	struct view *v = ctx;
	jw_obj(v->w);
	jw_kstr(v->w, "archive", archive);
	jw_kstr(v->w, "key", key);
	jw_kstr(v->w, "value", value);
	jw_obj_end(v->w);
	return true;
}

static void print_text(struct spool *sp, const struct spool_counts *c, struct view *v)
{
	struct err e = ERR_INIT;
	out_title(_("What is inside"));
	out_row(26, _("messages"), _("%s  (%s … %s)"), num(c->stored), day(c->first_us), day(c->last_us));
	if (c->merged && c->conflicts)
		out_row(26, _("read twice, merged"), _("%s  (%s of them with another content)"), num(c->merged), num(c->conflicts));
	else if (c->merged)
		out_row(26, _("read twice, merged"), "%s", num(c->merged));
	out_row(26, _("people"), "%s", num(c->users));
	out_row(26, _("conversations"), "%s", num(c->convs));
	out_row(26, _("threads / replies"), "%s / %s", num(c->threads), num(c->replies));
	if (c->lost_roots)
		out_row(26, _("threads without a beginning"), "%s", num(c->lost_roots));
	out_row(26, _("files"), _("%s  (%s in the archive, %s only linked, %s external, %s gone)"), num(c->files), num(c->files_present),
	        num(c->files_linked), num(c->files_external), num(c->files_gone));
	out_row(26, _("reactions"), "%s", num(c->reactions));
	out_row(26, _("pins"), "%s", num(c->pins));
	spool_facts(sp, text_fact, v);
	putchar('\n');
	out_title(_("Conversations"));
	v->n = 0;
	spool_convs(sp, v->conv, text_conv, v, &e);
	if (v->n > 40)
		printf(_("  … and %s more (--json lists all)\n"), num(v->n - 40));
	putchar('\n');
	apps_print(sp);
	out_title(_("Worth knowing"));
	v->n = 0;
	spool_hazards(sp, text_hazard, v);
	if (!v->n)
		printf("  %s\n", _("nothing"));
	if (c->bad) {
		putchar('\n');
		out_title(_("Records that could not be read"));
		v->n = 0;
		spool_bads(sp, text_bad, v);
		if (v->n > 20)
			printf(_("  … and %s more (--json lists all)\n"), num(v->n - 20));
	}
	putchar('\n');
	if (c->bad)
		printf(i18n_n("The archive was read, but %s record could not be: its place is above.\n",
		              "The archive was read, but %s records could not be: their places are above.\n", c->bad), num(c->bad));
	else
		printf("%s\n", _("The archive was read completely."));
}

static void print_json(struct spool *sp, const struct spool_counts *c, struct view *v)
{
	struct err e = ERR_INIT;
	struct buf b;
	struct jw w;
	buf_init(&b, 1 << 30);
	jw_init(&w, &b);
	v->w = &w;
	jw_obj(&w);
	jw_kint(&w, "schema", 1);
	jw_key(&w, "counts");
	jw_obj(&w);
	jw_kint(&w, "read", c->read); jw_kint(&w, "messages", c->stored); jw_kint(&w, "merged", c->merged);
	jw_kint(&w, "conflicts", c->conflicts); jw_kint(&w, "bad", c->bad); jw_kint(&w, "people", c->users);
	jw_kint(&w, "conversations", c->convs); jw_kint(&w, "threads", c->threads); jw_kint(&w, "replies", c->replies);
	jw_kint(&w, "lost_roots", c->lost_roots); jw_kint(&w, "files", c->files); jw_kint(&w, "files_present", c->files_present);
	jw_kint(&w, "files_linked", c->files_linked); jw_kint(&w, "files_external", c->files_external); jw_kint(&w, "files_gone", c->files_gone);
	jw_kint(&w, "reactions", c->reactions); jw_kint(&w, "pins", c->pins);
	jw_kstr(&w, "first", c->first_us ? day(c->first_us) : NULL);
	jw_kstr(&w, "last", c->last_us ? day(c->last_us) : NULL);
	jw_obj_end(&w);
	jw_key(&w, "facts"); jw_arr(&w); spool_facts(sp, json_fact, v); jw_arr_end(&w);
	jw_key(&w, "conversations"); jw_arr(&w); spool_convs(sp, v->conv, json_conv, v, &e); jw_arr_end(&w);
	jw_key(&w, "integrations"); apps_json(sp, &w);
	jw_key(&w, "hazards"); jw_arr(&w); spool_hazards(sp, json_hazard, v); jw_arr_end(&w);
	jw_key(&w, "bad"); jw_arr(&w); spool_bads(sp, json_bad, v); jw_arr_end(&w);
	jw_obj_end(&w);
	puts(b.p);
	buf_release(&b);
}

static int run(const struct args *a)
{
	struct err e = ERR_INIT;
	if (!a->n_rest) {
		err_set(&e, ERR_USAGE, _("which archive?"));
		err_hint(&e, "mvchat inspect export.zip");
		return out_fail(&e);
	}
	const char *order, *zone = opt_value(a, "zone");
	if (!date_order_given(a, &order, &e))
		return out_fail(&e);
	if (zone && !zone_known(zone)) {
		err_set(&e, ERR_USAGE, _("--zone: there is no time zone '%s'"), zone);
		err_hint(&e, "--zone Europe/Moscow");
		return out_fail(&e);
	}
	if (opt_given(a, "dump"))
		return dump(a);
	const char *tmp = getenv("TMPDIR");
	char dir[512];
	if (!fmt_into(dir, sizeof(dir), "%s/mvchat-inspect-XXXXXX", tmp && *tmp ? tmp : "/tmp") || !mkdtemp(dir)) {
		err_set(&e, ERR_INTERNAL, _("cannot make a scratch folder:"));
		return out_fail(&e);
	}
	struct arena arena;
	arena_init(&arena);
	struct mapping_archive *ar = arena_array(&arena, (size_t)a->n_rest, struct mapping_archive);
	for (int i = 0; i < a->n_rest; i++)
		ar[i] = (struct mapping_archive){ .path = a->rest[i], .format = opt_value(a, "format"), .zone = zone, .date_order = order, .key_file = opt_value(a, "key") };
	const char *path = arena_fmt(&arena, "%s/spool.db", dir);
	struct spool *sp = NULL;
	stop_remove[0] = path;
	stop_remove[1] = dir;
	int code = EX_DONE;
	if (archives_read(path, ar, (size_t)a->n_rest, dir, NULL, &sp, &e)) {
		struct spool_counts c;
		struct arena conv;
		struct view v = { .conv = &conv, .many = a->n_rest > 1 };
		arena_init(&conv);
		spool_count(sp, &c);
		const char *csv = opt_value(a, "integrations");
		if (csv && !apps_csv(sp, csv, &e))
			code = out_fail(&e);
		else if (opt_given(a, "json"))
			print_json(sp, &c, &v);
		else
			print_text(sp, &c, &v);
		if (code == EX_DONE)
			code = opt_given(a, "exit-code") && (c.bad || v.losses) ? EX_DIFF : EX_DONE;
		arena_release(&conv);
	} else {
		code = out_fail(&e);
	}
	spool_close(sp);
	unlink(path);
	rmdir(dir);
	stop_remove[0] = stop_remove[1] = NULL;
	arena_release(&arena);
	return code;
}

const struct command cmd_inspect = {
	"inspect", "ARCHIVE…", N_("tell what is inside an export archive"),
	N_("Reads the archives and prints counts, conversations, oddities with their places, and records that could not be read. Contacts nothing."),
	opts, run,
};
