/* archive_conv.c: the pages of one conversation: messages, threads under their roots, files, reactions.
 *
 * Promises: every message that is shown stands on exactly one page, with an anchor; a page holds PAGE_MESSAGES at most; memory
 * is that of one message and of what has gathered of a page. Called by archive_site.c. */
#include "cli/archive_int.h"

#include "cli/cmd.h"
#include "cli/progress.h"
#include "core/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_SHOWN = 3, NAMES_TOLD = 50, MEMBERS_MAX = 2000, OPEN_REPLIES = 20 };

struct desk {                       /* what is being written */
	struct site *s;
	struct shelf *h;
	struct sheet f;                 /* the channel's page */
	bool open;
	size_t page;                    /* 0-based */
	char name[48], path[PATH_BYTES];/* "3.html", "c/12/3.html" */
	struct zoned day;               /* of the last heading; year 0: none on this page */
};
struct at { struct sheet *f; const char *name; const struct zoned *day; /* a time of this day needs no date; NULL: always */ };

static bool same_day(const struct zoned *a, const struct zoned *b)
{
	return a->year == b->year && a->month == b->month && a->day == b->day;
}

/* ---- parts of a message ---- */

static void put_size(int64_t size, struct buf *b)
{
	if (size < 0)
		return;
	buf_adds(b, " <span class=\"n\">");
	if (size < 1000)
		htmlf(b, _("%lld B"), (long long)size);
	else if (size < 1000000)
		htmlf(b, _("%.0f kB"), (double)size / 1e3);
	else if (size < 1000000000)
		htmlf(b, _("%.1f MB"), (double)size / 1e6);
	else
		htmlf(b, _("%.1f GB"), (double)size / 1e9);
	buf_adds(b, "</span>");
}

static bool ends_with_one(const char *path, const char *const *endings)
{
	const char *dot = strrchr(path, '.');
	for (; dot && *endings; endings++)
		if (streq(dot, *endings))
			return true;
	return false;
}

/* path: from the folder. Which element depends on the extension we gave it, never on what the archive claims. */
static void put_present(const struct file *f, const char *path, struct buf *b)
{
	static const char *const images[] = { ".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".bmp", NULL };
	static const char *const sounds[] = { ".mp3", ".m4a", ".ogg", ".oga", ".opus", ".wav", ".aac", ".flac", NULL };
	static const char *const films[] = { ".mp4", ".m4v", ".mov", ".webm", ".mkv", ".ogv", NULL };
	const char *own = strrchr(path, '.');
	bool image = ends_with_one(path, images), film = f->kind == FILE_VIDEO && ends_with_one(path, films);
	bool sound = !film && (f->kind == FILE_AUDIO || f->kind == FILE_VOICE) && (ends_with_one(path, sounds) || ends_with_one(path, films));
	if (sound || film)
		htmlf(b, "<%s controls preload=\"none\" src=\"../../%s\"></%s>", film ? "video" : "audio", path, film ? "video" : "audio");
	htmlf(b, "<a class=\"%s\" href=\"../../%s\" download=\"", image ? "i" : "f", path);
	html(b, f->name);
	const char *txt = own && streq(own, ".txt") ? strrchr(f->name, '.') : NULL;
	if (txt && !streq(txt, ".txt") && !streq(txt, ".TXT"))
		buf_adds(b, ".txt");
	buf_adds(b, "\">");
	if (image) {
		htmlf(b, "<img loading=\"lazy\" src=\"../../%s\" alt=\"", path);
		html(b, f->name);
		buf_addc(b, '"');
		if (f->width > 0 && f->height > 0)
			htmlf(b, " width=\"%d\" height=\"%d\"", f->width, f->height);
		buf_adds(b, ">");
	} else {
		buf_adds(b, "<bdi>");
		html(b, f->name);
		buf_adds(b, "</bdi>");
		put_size(f->size, b);
	}
	buf_adds(b, "</a>");
}

static const char *why_missing(const struct site *s, const struct file *f)
{
	switch (f->state) {
	case FILE_GONE: return _("deleted");
	case FILE_LINKED: return _("not in the export");
	case FILE_EXTERNAL: return _("kept elsewhere");
	case FILE_PRESENT: return s->x->no_files ? _("not copied") : _("could not be read from the export");
	}
	return "";
}

static void put_missing(const struct site *s, const struct file *f, struct buf *b)
{
	const char *url = f->state == FILE_EXTERNAL ? f->url : f->state == FILE_LINKED ? f->permalink : NULL;
	buf_adds(b, "<span class=\"f gone\"><bdi>");
	if (web_address(url)) {
		buf_adds(b, "<a class=\"x\" rel=\"noopener noreferrer\" href=\"");
		html(b, url);
		buf_adds(b, "\">");
		html(b, f->name);
		buf_adds(b, "</a>");
	} else {
		html(b, f->name);
	}
	buf_adds(b, "</bdi>");
	if (f->size > 0)
		put_size(f->size, b);
	buf_adds(b, " <span class=\"n\">");
	html(b, why_missing(s, f));
	buf_adds(b, "</span></span>");
}

static bool put_files(struct site *s, const struct msg *m, struct buf *b)
{
	if (!m->n_files)
		return true;
	buf_adds(b, "<div class=\"files\">");
	for (size_t i = 0; i < m->n_files; i++) {
		const struct file *f = &m->files[i];
		char path[PATH_BYTES];
		enum file_copy how = f->state == FILE_PRESENT && !s->x->no_files ? site_file(s, f, path) : COPY_UNREADABLE;
		if (how == COPY_FAILED)
			return false;
		if (how == COPY_DONE)
			put_present(f, path, b);
		else
			put_missing(s, f, b);
		if (f->preview && *f->preview) {
			htmlf(b, "<details class=\"pre\"><summary>%s</summary><pre><code>", _("Preview"));
			html(b, f->preview);
			buf_adds(b, "</code></pre></details>");
		}
	}
	buf_adds(b, "</div>");
	return true;
}

static const char *user_name(const struct site *s, const char *id)
{
	const struct author *w = table_get(&s->authors, id);
	return w ? w->name : id;
}

static void put_names(const struct site *s, const struct react *r, size_t max, struct buf *b)
{
	for (size_t k = 0; k < r->n_users && k < max; k++) {
		buf_adds(b, k ? ", " : "");
		html(b, user_name(s, r->users[k]));
	}
}

static void put_reactions(const struct site *s, const struct msg *m, struct buf *b)
{
	if (!m->n_reacts)
		return;
	buf_adds(b, "<div class=\"rs\">");
	for (size_t i = 0; i < m->n_reacts; i++) {
		const struct react *r = &m->reacts[i];
		size_t all = r->count > 0 && (size_t)r->count > r->n_users ? (size_t)r->count : r->n_users;
		buf_adds(b, "<span class=\"r\"");
		if (all > NAMES_SHOWN) {
			buf_adds(b, " title=\"");
			put_names(s, r, NAMES_TOLD, b);
			buf_addc(b, '"');
		}
		buf_addc(b, '>');
		if (r->emoji && *r->emoji) {
			html(b, r->emoji);
		} else {
			buf_addc(b, ':');
			html(b, r->name ? r->name : "");
			buf_addc(b, ':');
		}
		buf_adds(b, " <bdi>");
		put_names(s, r, NAMES_SHOWN, b);
		buf_adds(b, "</bdi>");
		size_t named = r->n_users < NAMES_SHOWN ? r->n_users : NAMES_SHOWN;
		if (all > named)
			htmlf(b, named ? " +%zu" : "%zu", all - named);
		buf_adds(b, "</span>");
	}
	buf_adds(b, "</div>");
}

static const char *class_of(const struct spool_meta *m)
{
	switch (m->kind) {
	case MSG_TEXT: case MSG_BOT: case MSG_DELETED: case MSG_LOST_ROOT:
		return "m";
	case MSG_ME:
		return "m me";
	case MSG_JOIN: case MSG_LEAVE: case MSG_TOPIC: case MSG_RENAME: case MSG_ARCHIVE: case MSG_PIN: case MSG_CALL: case MSG_APP: case MSG_SYSTEM:
		return "m sys";
	}
	return "m";
}

static const char *stand_in(const struct spool_meta *m, const struct msg *msg, enum fate_of fate)
{
	if (fate == SHOW_STUB)
		return _("(message left out)");
	if (m->kind == MSG_LOST_ROOT)
		return _("(the first message of this thread is not in the archive)");
	if (m->kind == MSG_DELETED)
		return _("(message deleted)"); /* what the source wrote in its place says no more */
	return text_is_empty(&msg->body) && !msg->n_files ? _("(message without text)") : NULL;
}

static int find_text(const void *key, const void *x)
{
	return strcmp(key, *(const char *const *)x);
}

static void put_by(struct desk *d, const struct at *at, const struct spool_meta *m, const struct msg *msg, enum fate_of fate)
{
	struct site *s = d->s;
	struct buf *b = &at->f->b;
	struct zoned z;
	char iso[32];
	size_t num;
	site_local(s, m->ts_us, &z);
	clock_iso(m->ts_us, iso);
	buf_adds(b, "<div class=\"by\">");
	if (fate == SHOW && m->kind != MSG_LOST_ROOT) {
		buf_adds(b, "<b><bdi>");
		html(b, site_author(s, msg, &num));
		buf_adds(b, "</bdi></b>");
		if (m->kind == MSG_BOT)
			htmlf(b, "<span class=\"tag\">%s</span>", _("bot"));
	}
	buf_adds(b, "<a class=\"at\" href=\"#");
	site_anchor(m->id, b);
	htmlf(b, "\"><time datetime=\"%s\">", iso);
	if (!at->day || !same_day(at->day, &z))
		htmlf(b, "%04d-%02d-%02d ", z.year, z.month, z.day);
	htmlf(b, "%02d:%02d</time></a>", z.hour, z.minute);
	if (fate == SHOW && msg->edited_us)
		htmlf(b, "<span class=\"tag\">%s</span>", _("edited"));
	if (m->flags & MSGF_BROADCAST)
		htmlf(b, "<span class=\"tag\">%s</span>", _("also sent to the channel"));
	if (m->flags & MSGF_FORWARDED)
		htmlf(b, "<span class=\"tag\">%s</span>", _("forwarded"));
	if (d->h->n_pins && bsearch(m->id, d->h->pins, d->h->n_pins, sizeof(*d->h->pins), find_text))
		htmlf(b, "<span class=\"tag\">%s</span>", _("pinned"));
	buf_adds(b, "</div>");
}

/* The message but for the end of its element: its thread may follow. The step arena is the message's. */
static bool put_message(struct desk *d, const struct at *at, struct spool_walk *w, const struct spool_meta *m, enum fate_of fate)
{
	struct site *s = d->s;
	struct buf *b = &at->f->b;
	struct msg msg;
	arena_reset(&s->step);
	if (!spool_walk_body(w, &s->step, &msg, s->e))
		return false;
	htmlf(b, "<article class=\"%s\" id=\"", class_of(m));
	site_anchor(m->id, b);
	buf_adds(b, "\">");
	put_by(d, at, m, &msg, fate);
	const char *instead = stand_in(m, &msg, fate);
	if (instead)
		htmlf(b, "<p class=\"note\">%s</p>", instead);
	if (fate == SHOW) {
		if (!instead && !text_is_empty(&msg.body)) {
			buf_adds(b, "<div class=\"t\" dir=\"auto\">");
			site_text(s, &msg.body, b);
			buf_adds(b, "</div>");
		}
		if (!put_files(s, &msg, b))
			return false;
		put_reactions(s, &msg, b);
		if (!instead && !search_add(s, d->h, at->name, &msg))
			return false;
	}
	s->out->messages++;
	d->h->n_shown++;
	if (s->out->messages % 2048 == 0) {
		progress_part("archiving", _("writing the archive"), s->out->messages, s->total);
		if (stop_signal)
			return err_set(s->e, ERR_PARTIAL, _("stopped: no archive was written"));
	}
	if (sheet_full(at->f))
		sheet_flush(at->f);
	return true;
}

/* ---- threads ---- */

static void put_replies_word(int64_t n, struct buf *b)
{
	htmlf(b, i18n_n("%s reply", "%s replies", n), num(n));
}

static bool put_thread(struct desk *d, const struct spool_meta *root)
{
	struct site *s = d->s;
	struct zoned day;
	site_local(s, root->ts_us, &day);
	struct at at = { &d->f, d->name, &day };
	htmlf(&d->f.b, "<details class=\"th\"%s><summary>", root->n_replies <= OPEN_REPLIES ? " open" : "");
	put_replies_word(root->n_replies, &d->f.b);
	buf_adds(&d->f.b, "</summary>\n");
	struct spool_walk *w = spool_walk(s->x->spool, d->h->c.num, SPOOL_THREAD, root->id, 0, NULL);
	struct spool_meta m;
	bool ok = true;
	while (ok && spool_walk_next(w, &m)) {
		enum fate_of fate = site_fate(s, d->h, &m);
		if (fate == SHOW_NOT) {
			s->out->left_out++;
			continue;
		}
		ok = put_message(d, &at, w, &m, fate);
		buf_adds(&d->f.b, "</article>\n");
	}
	spool_walk_end(w);
	buf_adds(&d->f.b, "</details>");
	return ok;
}

enum nav { NAV_ABOVE, NAV_BELOW };

static const char *nav_name(enum nav where)
{
	return where == NAV_ABOVE ? _("Pages") : _("Pages, once more");
}

static void thread_nav(enum nav where, size_t no, size_t page, size_t pages, const char *back, struct buf *b)
{
	htmlf(b, "<nav class=\"pages\" aria-label=\"%s\">", nav_name(where));
	buf_adds(b, back);
	if (page)
		htmlf(b, " <a rel=\"prev\" href=\"t%zu-%zu.html\">← %s</a>", no, page, _("Earlier"));
	buf_adds(b, " <span>");
	htmlf(b, _("page %s of %s"), num((int64_t)page + 1), num((int64_t)pages));
	buf_adds(b, "</span>");
	if (page + 1 < pages)
		htmlf(b, " <a rel=\"next\" href=\"t%zu-%zu.html\">%s →</a>", no, page + 2, _("Later"));
	buf_adds(b, "</nav>\n");
}

/* A long thread: files of its own, beside the page that shows its first message. */
static bool long_pages(struct desk *d, const struct long_thread *t)
{
	struct site *s = d->s;
	const struct conv *c = &d->h->c.conv;
	size_t no = (size_t)(t - d->h->threads) + 1, page = 0;
	struct spool_walk *w = spool_walk(s->x->spool, d->h->c.num, SPOOL_THREAD, t->root.id, 0, NULL);
	struct spool_meta m;
	struct buf back;
	struct sheet f = { .fd = -1 };
	char name[48] = "", path[PATH_BYTES];
	bool ok = true, open = false;
	int64_t n = 0;
	buf_init(&back, 64 << 10);
	buf_addf(&back, "<a href=\"%zu.html#", d->page + 1);
	site_anchor(t->root.id, &back);
	buf_addf(&back, "\">↑ %s</a>", _("To the first message"));
	while (ok && spool_walk_next(w, &m)) {
		enum fate_of fate = site_fate(s, d->h, &m);
		if (fate == SHOW_NOT) {
			s->out->left_out++;
			continue;
		}
		if (n++ % PAGE_MESSAGES == 0) {
			if (open) {
				thread_nav(NAV_BELOW, no, page - 1, t->n, back.p, &f.b);
				frame_end(&f.b);
				ok = sheet_close(&f, s->e);
			}
			snprintf(name, sizeof(name), "t%zu-%zu.html", no, page + 1);
			snprintf(path, sizeof(path), "c/%lld/%s", (long long)d->h->c.num, name);
			open = ok && sheet_open(&f, s->root, path, s->e);
			if (!open) {
				ok = false;
				break;
			}
			s->out->pages++;
			frame_begin(s, &f.b, "../../", c->name, "page.js");
			buf_adds(&f.b, "<h1>");
			htmlf(&f.b, _("Thread in %s"), "<bdi>");
			html(&f.b, site_conv_sign(c));
			html(&f.b, c->name);
			buf_adds(&f.b, "</bdi></h1>\n");
			thread_nav(NAV_ABOVE, no, page, t->n, back.p, &f.b);
			page++;
		}
		struct at at = { &f, name, NULL };
		ok = put_message(d, &at, w, &m, fate);
		buf_adds(&f.b, "</article>\n");
	}
	spool_walk_end(w);
	if (open) {
		thread_nav(NAV_BELOW, no, page - 1, t->n, back.p, &f.b);
		frame_end(&f.b);
		ok = sheet_close(&f, s->e) && ok;
	}
	buf_release(&back);
	return ok;
}

/* ---- pages ---- */

static void page_nav(struct desk *d, enum nav where)
{
	struct buf *b = &d->f.b;
	size_t pages = d->h->n_pages;
	htmlf(b, "<nav class=\"pages\" aria-label=\"%s\">", nav_name(where));
	if (d->page)
		htmlf(b, "<a href=\"1.html\" aria-label=\"%s\">«</a> <a rel=\"prev\" href=\"%zu.html\">← %s</a> ", _("First page"), d->page, _("Earlier"));
	buf_adds(b, "<span>");
	htmlf(b, _("page %s of %s"), num((int64_t)d->page + 1), num((int64_t)pages));
	buf_adds(b, "</span>");
	if (d->page + 1 < pages)
		htmlf(b, " <a rel=\"next\" href=\"%zu.html\">%s →</a> <a href=\"%zu.html\" aria-label=\"%s\">»</a>", d->page + 2, _("Later"), pages, _("Last page"));
	buf_adds(b, "</nav>\n");
}

static void put_months(struct desk *d)
{
	struct buf *b = &d->f.b;
	if (d->h->n_pages < 2)
		return;
	htmlf(b, "<details class=\"months\"><summary>%s</summary><p>", _("By month"));
	for (size_t i = 0; i < d->h->n_months; i++) {
		const struct month_at *m = &d->h->months[i];
		htmlf(b, "<a href=\"%zu.html#y%04d-%02d\">%04d-%02d</a> ", m->page, m->year, m->month, m->year, m->month);
	}
	buf_adds(b, "</p></details>\n");
}

static void put_about(struct desk *d)
{
	struct site *s = d->s;
	struct buf *b = &d->f.b;
	struct spool_conv whole;
	struct arena a;
	arena_init(&a);
	const struct conv *c = spool_conv(s->x->spool, d->h->c.conv.id, &a, &whole) ? &whole.conv : &d->h->c.conv;
	if (c->topic && *c->topic) {
		buf_adds(b, "<p class=\"topic\" dir=\"auto\">");
		html(b, c->topic);
		buf_adds(b, "</p>\n");
	}
	if (c->purpose && *c->purpose && !(c->topic && streq(c->purpose, c->topic))) {
		buf_adds(b, "<p class=\"topic\" dir=\"auto\">");
		html(b, c->purpose);
		buf_adds(b, "</p>\n");
	}
	if (c->n_members) {
		buf_adds(b, "<details class=\"months\"><summary>");
		htmlf(b, i18n_n("%s member", "%s members", (int64_t)c->n_members), num((int64_t)c->n_members));
		buf_adds(b, "</summary><p>");
		for (size_t i = 0; i < c->n_members && i < MEMBERS_MAX; i++) {
			buf_adds(b, i ? ", <bdi>" : "<bdi>");
			html(b, user_name(s, c->members[i]));
			buf_adds(b, "</bdi>");
		}
		buf_adds(b, c->n_members > MEMBERS_MAX ? " …</p></details>\n" : "</p></details>\n");
	}
	arena_release(&a);
}

static bool page_end(struct desk *d)
{
	if (!d->open)
		return true;
	d->open = false;
	page_nav(d, NAV_ABOVE);
	frame_end(&d->f.b);
	return sheet_close(&d->f, d->s->e);
}

static bool page_begin(struct desk *d, size_t page)
{
	const struct conv *c = &d->h->c.conv;
	if (!page_end(d))
		return false;
	d->page = page;
	d->day = (struct zoned){ 0 };
	snprintf(d->name, sizeof(d->name), "%zu.html", page + 1);
	snprintf(d->path, sizeof(d->path), "c/%lld/%s", (long long)d->h->c.num, d->name);
	if (!sheet_open(&d->f, d->s->root, d->path, d->s->e))
		return false;
	d->open = true;
	d->s->out->pages++;
	frame_begin(d->s, &d->f.b, "../../", c->name, "page.js");
	buf_adds(&d->f.b, "<h1><bdi>");
	html(&d->f.b, site_conv_sign(c));
	html(&d->f.b, c->name);
	htmlf(&d->f.b, "</bdi> <span class=\"tag\">%s</span>", kind_word(c->kind));
	if (c->archived)
		htmlf(&d->f.b, " <span class=\"tag\">%s</span>", _("archived"));
	buf_adds(&d->f.b, "</h1>\n");
	if (!page)
		put_about(d);
	page_nav(d, NAV_BELOW);
	put_months(d);
	return true;
}

static void day_heading(struct desk *d, int64_t ts_us)
{
	struct zoned z;
	site_local(d->s, ts_us, &z);
	if (same_day(&z, &d->day))
		return;
	htmlf(&d->f.b, "<h2 class=\"day\"");
	if (z.year != d->day.year || z.month != d->day.month)
		htmlf(&d->f.b, " id=\"y%04d-%02d\"", z.year, z.month);
	htmlf(&d->f.b, ">%04d-%02d-%02d</h2>\n", z.year, z.month, z.day);
	d->day = z;
}

static bool put_root(struct desk *d, struct spool_walk *w, struct spool_meta *m, enum fate_of fate)
{
	size_t page = shelf_page(d->h, m->ts_us, m->id);
	if ((!d->open || page != d->page) && !page_begin(d, page))
		return false;
	day_heading(d, m->ts_us);
	struct at at = { &d->f, d->name, &d->day };
	if (!put_message(d, &at, w, m, fate))
		return false;
	if (m->n_replies > 0) {
		const struct long_thread *t = shelf_thread(d->h, m->ts_us, m->id);
		if (t && t->n) {
			htmlf(&d->f.b, "<p class=\"th\"><a href=\"t%zu-1.html\">", (size_t)(t - d->h->threads) + 1);
			put_replies_word(m->n_replies, &d->f.b);
			buf_adds(&d->f.b, " →</a></p>");
			if (!long_pages(d, t))
				return false;
		} else if (!put_thread(d, m)) {
			return false;
		}
	}
	buf_adds(&d->f.b, "</article>\n");
	return true;
}

bool site_conv(struct site *s, struct shelf *h)
{
	struct desk d = { .s = s, .h = h };
	struct spool_walk *w = spool_walk(s->x->spool, h->c.num, SPOOL_CHANNEL, NULL, 0, NULL);
	struct spool_meta m;
	bool ok = true;
	while (ok && spool_walk_next(w, &m)) {
		enum fate_of fate = site_fate(s, h, &m);
		if (fate == SHOW_NOT)
			s->out->left_out++;
		else
			ok = put_root(&d, w, &m, fate);
	}
	spool_walk_end(w);
	if (d.open)
		ok = page_end(&d) && ok;
	return ok;
}
