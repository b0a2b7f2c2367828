/* archive_frame.c: what is around the messages: the head of each page, the index, people, the search page, style and scripts.
 *
 * Promises: a page loads nothing from elsewhere, and says so to the browser (Content-Security-Policy); without scripts all but
 * the search works. Called by archive_site.c and archive_conv.c. */
#include "cli/archive_int.h"

#include "cli/cmd.h"
#include "embed/cli/page/archive-page.js.h"
#include "embed/cli/page/archive-search.js.h"
#include "embed/cli/page/archive.css.h"

#include <stdio.h>
#include <string.h>

void frame_begin(struct site *s, struct buf *b, const char *up, const char *title, const char *script)
{
	(void)s;
	/* 'self' is a server's copy, file: the disk. */
	htmlf(b, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n", i18n_lang());
	buf_adds(b, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src 'self' file:; media-src 'self' file:; "
	            "style-src 'self' file:; script-src 'self' file:; form-action 'self' file:; base-uri 'none'\">\n"
	            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
	            "<meta name=\"robots\" content=\"noindex\">\n<title>");
	html(b, title);
	htmlf(b, "</title>\n<link rel=\"stylesheet\" href=\"%sstyle.css\">\n", up);
	if (script)
		htmlf(b, "<script defer src=\"%s%s\"></script>\n", up, script);
	htmlf(b, "</head>\n<body>\n<header><nav aria-label=\"%s\"><a href=\"%sindex.html\">%s</a> <a href=\"%speople.html\">%s</a></nav>", _("Archive"), up,
	      _("Conversations"), up, _("People"));
	htmlf(b, "<form role=\"search\" action=\"%ssearch.html\"><input type=\"search\" name=\"q\" placeholder=\"%s\" aria-label=\"%s\"></form></header>\n<main>\n", up,
	      _("Search"), _("Search"));
}

void frame_end(struct buf *b)
{
	buf_adds(b, "</main>\n</body>\n</html>\n");
}

static bool asset(struct site *s, const char *path, const unsigned char *p, size_t n)
{
	struct sheet f;
	if (!sheet_open(&f, s->root, path, s->e))
		return false;
	buf_add(&f.b, p, n);
	return sheet_close(&f, s->e);
}

bool frame_assets(struct site *s)
{
	return asset(s, "style.css", embed_archive_css, embed_archive_css_len) && asset(s, "page.js", embed_archive_page_js, embed_archive_page_js_len) &&
	       asset(s, "search.js", embed_archive_search_js, embed_archive_search_js_len);
}

/* ---- index ---- */

struct named { const char *key; char value[256]; };

static bool take_fact(void *ctx, const char *archive, const char *key, const char *value)
{
	struct named *n = ctx;
	(void)archive;
	if (streq(key, n->key) && !n->value[0])
		fmt_into(n->value, sizeof(n->value), "%s", value);
	return true;
}

static void put_period(struct site *s, int64_t first_us, int64_t last_us, struct buf *b)
{
	struct zoned from, to;
	if (!first_us && !last_us)
		return;
	site_local(s, first_us, &from);
	site_local(s, last_us, &to);
	htmlf(b, "<span>%04d-%02d-%02d</span> <span>– %04d-%02d-%02d</span>", from.year, from.month, from.day, to.year, to.month, to.day);
}

static void index_row(struct site *s, const struct shelf *h, struct buf *b)
{
	const struct conv *c = &h->c.conv;
	buf_adds(b, "<tr><td class=\"name\">");
	if (h->n_pages)
		htmlf(b, "<a href=\"c/%lld/1.html\">", (long long)h->c.num);
	buf_adds(b, "<bdi>");
	html(b, site_conv_sign(c));
	html(b, c->name);
	buf_adds(b, h->n_pages ? "</bdi></a>" : "</bdi>");
	if (c->archived)
		htmlf(b, " <span class=\"tag\">%s</span>", _("archived"));
	if (c->topic && *c->topic) {
		buf_adds(b, "<div class=\"n\" dir=\"auto\">");
		html(b, c->topic);
		buf_adds(b, "</div>");
	}
	htmlf(b, "</td><td class=\"num\">%s</td><td class=\"num wide\">%s</td><td class=\"n\">", num(h->n_shown), num(h->c.n_files));
	put_period(s, h->c.first_us, h->c.last_us, b);
	buf_adds(b, "</td></tr>\n");
}

static const char *kind_title(enum conv_kind k)
{
	switch (k) {
	case CONV_PUBLIC: return _("Public channels");
	case CONV_PRIVATE: return _("Private channels");
	case CONV_GROUP: return _("Group conversations");
	case CONV_DM: return _("Direct messages");
	}
	return "";
}

static void index_kind(struct site *s, enum conv_kind k, struct sheet *f)
{
	int64_t n = 0;
	for (size_t i = 0; i < s->n; i++)
		n += s->v[i]->c.conv.kind == k && !s->v[i]->left_out;
	if (!n)
		return;
	htmlf(&f->b, "<section><h2>%s <span class=\"n\">%s</span></h2>\n<table class=\"list\"><thead><tr><th>%s</th><th class=\"num\">%s</th>"
	      "<th class=\"num wide\">%s</th><th>%s</th></tr></thead><tbody>\n", kind_title(k), num(n), _("Name"), _("Messages"), _("Files"), _("Period"));
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i]->c.conv.kind != k || s->v[i]->left_out)
			continue;
		index_row(s, s->v[i], &f->b);
		if (sheet_full(f))
			sheet_flush(f);
	}
	buf_adds(&f->b, "</tbody></table></section>\n");
}

bool frame_index(struct site *s)
{
	struct sheet f;
	struct spool_counts c;
	struct named workspace = { .key = "workspace" };
	spool_facts(s->x->spool, take_fact, &workspace);
	spool_count(s->x->spool, &c);
	if (!sheet_open(&f, s->root, "index.html", s->e))
		return false;
	frame_begin(s, &f.b, "", workspace.value[0] ? workspace.value : _("Chat archive"), NULL);
	htmlf(&f.b, "<h1>%s", _("Chat archive"));
	if (workspace.value[0]) {
		buf_adds(&f.b, ": <bdi>");
		html(&f.b, workspace.value);
		buf_adds(&f.b, "</bdi>");
	}
	buf_adds(&f.b, "</h1>\n<p class=\"sum\">");
	htmlf(&f.b, i18n_n("%s message", "%s messages", s->out->messages), num(s->out->messages));
	buf_adds(&f.b, " · ");
	put_period(s, c.first_us, c.last_us, &f.b);
	buf_adds(&f.b, " · ");
	htmlf(&f.b, "%s ", _("time zone:"));
	html(&f.b, s->x->zone);
	buf_adds(&f.b, "</p>\n<p class=\"warn\">");
	buf_adds(&f.b, s->x->as_mapped ? _("What the mapping leaves out is not here. Private conversations that are carried over are: keep this folder as safe as the export itself.")
	                               : _("Everything the export holds is here, private conversations and direct messages included: keep this folder as safe as the export itself."));
	buf_adds(&f.b, "</p>\n");
	index_kind(s, CONV_PUBLIC, &f);
	index_kind(s, CONV_PRIVATE, &f);
	index_kind(s, CONV_GROUP, &f);
	index_kind(s, CONV_DM, &f);
	frame_end(&f.b);
	return sheet_close(&f, s->e);
}

/* ---- people ---- */

struct people { struct site *s; struct sheet *f; };

static void put_cell(const char *s, struct buf *b)
{
	buf_adds(b, "<td><bdi>");
	html(b, s ? s : "");
	buf_adds(b, "</bdi></td>");
}

static bool put_person(void *ctx, const struct user *u, int64_t n_msgs)
{
	struct people *p = ctx;
	struct buf *b = &p->f->b;
	const struct author *w = table_get(&p->s->authors, u->id);
	buf_adds(b, "<tr><td class=\"name\"><bdi>");
	html(b, w ? w->name : u->name);
	buf_adds(b, "</bdi>");
	if (u->flags & USER_BOT)
		htmlf(b, " <span class=\"tag\">%s</span>", _("bot"));
	if (u->flags & USER_GONE)
		htmlf(b, " <span class=\"tag\">%s</span>", _("deactivated"));
	if (u->flags & USER_GUEST)
		htmlf(b, " <span class=\"tag\">%s</span>", _("guest"));
	if (u->handle && *u->handle) {
		buf_adds(b, " <span class=\"n\"><bdi>@");
		html(b, u->handle);
		buf_adds(b, "</bdi></span>");
	}
	buf_adds(b, "</td>");
	put_cell(u->title, b);
	put_cell(u->email, b);
	htmlf(b, "<td class=\"num\">%s</td></tr>\n", num(n_msgs));
	if (sheet_full(p->f))
		sheet_flush(p->f);
	return true;
}

bool frame_people(struct site *s)
{
	struct sheet f;
	if (!sheet_open(&f, s->root, "people.html", s->e))
		return false;
	frame_begin(s, &f.b, "", _("People"), NULL);
	htmlf(&f.b, "<h1>%s <span class=\"n\">%s</span></h1>\n<div class=\"wide\"><table class=\"list\"><thead><tr><th>%s</th><th>%s</th><th>%s</th><th class=\"num\">%s</th></tr></thead><tbody>\n",
	      _("People"), num((int64_t)s->n_people), _("Name"), _("Position"), _("E-mail"), _("Messages"));
	struct people p = { s, &f };
	arena_reset(&s->step);
	bool ok = spool_users(s->x->spool, &s->step, put_person, &p, s->e);
	arena_reset(&s->step);
	buf_adds(&f.b, "</tbody></table></div>\n");
	frame_end(&f.b);
	return sheet_close(&f, s->e) && ok;
}

/* ---- search ---- */

static void word(struct buf *b, const char *key, const char *s)
{
	htmlf(b, " data-%s=\"", key);
	html(b, s);
	buf_addc(b, '"');
}

bool frame_search(struct site *s)
{
	struct sheet f;
	if (!sheet_open(&f, s->root, "search.html", s->e))
		return false;
	struct buf *b = &f.b;
	frame_begin(s, b, "", _("Search"), "search.js");
	htmlf(b, "<h1>%s</h1>\n<form id=\"ask\" role=\"search\"><input type=\"search\" id=\"q\" aria-label=\"%s\" autocomplete=\"off\"> <select id=\"in\" aria-label=\"%s\">"
	      "<option value=\"\">%s</option></select> <button>%s</button></form>\n", _("Search"), _("Search"), _("Where"), _("Everywhere"), _("Find"));
	htmlf(b, "<p class=\"n\">%s</p>\n", _("All words must occur in a message, in its file names or in its author's name; \"words in quotes\" stand together."));
	htmlf(b, "<noscript><p class=\"warn\">%s</p></noscript>\n", _("The search needs JavaScript; everything else does not."));
	buf_adds(b, "<p id=\"state\" role=\"status\"");
	word(b, "busy", _("Searching… %1 of %2"));
	word(b, "found", _("Found: %1"));
	word(b, "stopped", _("Found so far: %1"));
	word(b, "none", _("Nothing found."));
	word(b, "broken", _("A part of the archive could not be loaded: %1"));
	buf_adds(b, "></p>\n<div id=\"results\"></div>\n");
	htmlf(b, "<p><button id=\"more\" hidden>%s</button></p>\n", _("Go on searching"));
	frame_end(b);
	return sheet_close(&f, s->e);
}
