/* apps_view.c: what the archives tell of apps, bots and webhooks, as text, JSON and CSV, so that an administrator can rebuild
 * what matters. Called by inspect and by the report writers. Prints no message text; every foreign word passes safe(). */
#include "cli/apps_view.h"

#include "core/outfile.h"
#include "core/utf8.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN = 40, PLACES_SHOWN = 3 };

const char *apps_kind_word(enum integration_kind k)
{
	switch (k) {
	case INTEGRATION_APP: return _("app");
	case INTEGRATION_BOT: return _("bot");
	case INTEGRATION_WEBHOOK: return _("webhook");
	case INTEGRATION_WORKFLOW: return _("workflow");
	}
	return "?";
}

const char *apps_state_word(enum integration_state s)
{
	switch (s) {
	case INTEGRATION_UNKNOWN: return "";
	case INTEGRATION_ON: return _("on");
	case INTEGRATION_OFF: return _("switched off");
	case INTEGRATION_REMOVED: return _("removed");
	}
	return "?";
}

static const char *kind_json(enum integration_kind k)
{
	static const char *const names[] = { [INTEGRATION_APP] = "app", [INTEGRATION_BOT] = "bot", [INTEGRATION_WEBHOOK] = "webhook",
	                                     [INTEGRATION_WORKFLOW] = "workflow" };
	return names[k];
}

static const char *state_json(enum integration_state s)
{
	static const char *const names[] = { [INTEGRATION_UNKNOWN] = "unknown", [INTEGRATION_ON] = "on", [INTEGRATION_OFF] = "off",
	                                     [INTEGRATION_REMOVED] = "removed" };
	return names[s];
}

const char *apps_places(const struct spool_integration *in, size_t max, struct arena *a)
{
	struct buf b;
	buf_init(&b, 64 * 1024);
	for (size_t i = 0; i < in->n_places && i < max; i++) {
		const struct spool_place *p = &in->places[i];
		buf_adds(&b, i ? ", " : "");
		buf_adds(&b, safe(p->name));
		if (p->n)
			buf_addf(&b, " (%s)", num(p->n));
	}
	if (in->n_places > max)
		buf_addf(&b, ", +%s", num((int64_t)(in->n_places - max)));
	const char *s = arena_strndup(a, b.p ? b.p : "", b.len);
	buf_release(&b);
	return s;
}

static const char *installer_name(const struct spool_integration *in)
{
	return in->in.installer_name ? in->in.installer_name : in->in.installer ? in->in.installer : "";
}

const char *apps_installer(const struct spool_integration *in, struct arena *a)
{
	const char *who = installer_name(in);
	if (*who && in->in.installed_us)
		return arena_fmt(a, "%s, %s", safe(who), day(in->in.installed_us));
	return arena_strdup(a, *who ? safe(who) : in->in.installed_us ? day(in->in.installed_us) : "");
}

/* ---- text ---- */

struct listed { struct arena a; int64_t n; };

static bool text_app(void *ctx, const struct spool_integration *in)
{
	struct listed *t = ctx;
	if (t->n++ >= SHOWN)
		return true;
	if (t->n == 1)
		out_title(_("Apps, bots and webhooks"));
	const char *state = apps_state_word(in->in.state), *by = apps_installer(in, &t->a);
	enum { NAME = 23, KIND = 11, NUMBER = 8 }; /* with days and state 80 columns */
	const char *name = safe(in->in.name);
	printf("  ");
	out_pad(name, NAME);
	if (utf8_width(name) > NAME) {
		putchar('\n');
		out_pad("", 2 + NAME);
	}
	putchar(' ');
	out_pad(apps_kind_word(in->in.kind), KIND);
	out_right(num(in->n_msgs), NUMBER);
	if (in->n_msgs)
		printf("  %s … %s", day(in->first_us), day(in->last_us));
	printf("%s%s\n", *state ? "  " : "", state);
	if (in->n_places)
		printf("      %s %s\n", _("where:"), apps_places(in, PLACES_SHOWN, &t->a));
	if (*by)
		printf("      %s %s\n", _("installed by:"), by);
	return true;
}

void apps_print(struct spool *sp)
{
	struct listed t = { .n = 0 };
	arena_init(&t.a);
	spool_integrations(sp, &t.a, text_app, &t);
	if (t.n > SHOWN)
		printf(_("  … and %s more (--json lists all)\n"), num(t.n - SHOWN));
	if (t.n)
		putchar('\n');
	arena_release(&t.a);
}

/* ---- JSON ---- */

static bool json_app(void *ctx, const struct spool_integration *in)
{
	struct jw *w = ctx;
	jw_obj(w);
	jw_kstr(w, "id", in->in.id);
	jw_kstr(w, "name", in->in.name);
	jw_kstr(w, "kind", kind_json(in->in.kind));
	jw_kstr(w, "state", state_json(in->in.state));
	jw_kint(w, "messages", in->n_msgs);
	jw_kstr(w, "first", in->n_msgs ? day(in->first_us) : NULL);
	jw_kstr(w, "last", in->n_msgs ? day(in->last_us) : NULL);
	jw_kstr(w, "installed_by", in->in.installer);
	jw_kstr(w, "installed_by_name", in->in.installer_name);
	jw_kstr(w, "installed", in->in.installed_us ? day(in->in.installed_us) : NULL);
	jw_kstr(w, "changed", in->in.changed_us ? day(in->in.changed_us) : NULL);
	jw_kstr(w, "scopes", in->in.scopes);
	jw_key(w, "conversations");
	jw_arr(w);
	for (size_t i = 0; i < in->n_places; i++) {
		const struct spool_place *p = &in->places[i];
		jw_obj(w);
		jw_kstr(w, "id", p->conv);
		jw_kstr(w, "name", p->name);
		jw_kint(w, "messages", p->n);
		jw_kstr(w, "first", p->n ? day(p->first_us) : NULL);
		jw_kstr(w, "last", p->n ? day(p->last_us) : NULL);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_obj_end(w);
	return true;
}

void apps_json(struct spool *sp, struct jw *w)
{
	struct arena a;
	arena_init(&a);
	jw_arr(w);
	spool_integrations(sp, &a, json_app, w);
	jw_arr_end(w);
	arena_release(&a);
}

/* ---- CSV ---- */

struct csv { FILE *f; struct buf line; };

static void cell(struct csv *c, const char *s)
{
	if (c->line.len)
		buf_addc(&c->line, ',');
	buf_addc(&c->line, '"');
	if (s && *s && strchr("=+-@\t\r", *s)) /* a spreadsheet would run it as a formula */
		buf_addc(&c->line, '\'');
	for (; s && *s; s++) {
		if (*s == '"')
			buf_addc(&c->line, '"');
		buf_addc(&c->line, *s);
	}
	buf_addc(&c->line, '"');
}

static void number_cell(struct csv *c, int64_t n)
{
	buf_addf(&c->line, ",%lld", (long long)n);
}

static bool csv_app(void *ctx, const struct spool_integration *in)
{
	struct csv *c = ctx;
	struct buf places;
	buf_init(&places, 1 << 20);
	for (size_t i = 0; i < in->n_places; i++)
		buf_addf(&places, "%s%s (%lld)", i ? "; " : "", in->places[i].name, (long long)in->places[i].n);
	buf_reset(&c->line);
	cell(c, in->in.id);
	cell(c, in->in.name);
	cell(c, kind_json(in->in.kind));
	cell(c, state_json(in->in.state));
	number_cell(c, in->n_msgs);
	cell(c, in->n_msgs ? day(in->first_us) : "");
	cell(c, in->n_msgs ? day(in->last_us) : "");
	cell(c, installer_name(in));
	cell(c, in->in.installed_us ? day(in->in.installed_us) : "");
	cell(c, in->in.changed_us ? day(in->in.changed_us) : "");
	cell(c, places.p ? places.p : "");
	cell(c, in->in.scopes);
	buf_addc(&c->line, '\n');
	buf_release(&places);
	return fwrite(c->line.p, 1, c->line.len, c->f) == c->line.len;
}

bool apps_csv(struct spool *sp, const char *path, struct err *e)
{
	struct outfile o;
	struct arena a;
	if (!outfile_open(&o, path, 0666, e))
		return err_hint(e, _("check that the folder exists and can be written"));
	struct csv c = { .f = o.f };
	buf_init(&c.line, 4 << 20);
	arena_init(&a);
	fputs("id,name,kind,state,messages,first,last,installed_by,installed,changed,conversations,scopes\n", o.f);
	const bool ok = spool_integrations(sp, &a, csv_app, &c);
	arena_release(&a);
	buf_release(&c.line);
	if (ok)
		return outfile_commit(&o, e);
	outfile_abort(&o);
	return err_set(e, ERR_INTERNAL, _("cannot write %s:"), path);
}
