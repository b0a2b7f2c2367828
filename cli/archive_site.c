/* archive_site.c: the HTML archive as a whole, and the archive as JSON lines. See archive.h.
 *
 * Called by cmd_archive.c. Files are written once each, in order, through struct sheet; the folder counts only when it has its
 * name, so single files are not synced. */
#include "cli/archive_int.h"

#include "cli/cmd.h"
#include "cli/progress.h"
#include "core/canon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHEET_MAX = 256 << 20 }; /* one message, however it is marked up, and what had gathered before it */

bool sheet_open(struct sheet *s, int root, const char *path, struct err *e)
{
	*s = (struct sheet){ .fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666), .name = path };
	if (s->fd < 0)
		return err_set(e, ERR_INTERNAL, _("cannot write '%s':"), path);
	buf_init(&s->b, SHEET_MAX);
	return true;
}

void sheet_flush(struct sheet *s)
{
	s->bad = s->bad || s->b.full;
	for (size_t at = 0; !s->bad && at < s->b.len;) {
		ssize_t n = write(s->fd, s->b.p + at, s->b.len - at);
		if (n < 0 && errno == EINTR)
			continue;
		s->bad = n <= 0;
		at += n > 0 ? (size_t)n : 0;
	}
	buf_reset(&s->b);
}

bool sheet_close(struct sheet *s, struct err *e)
{
	sheet_flush(s);
	int saved = errno;
	bool ok = !s->bad;
	if (close(s->fd) != 0) {
		saved = ok ? errno : saved;
		ok = false;
	}
	s->fd = -1;
	buf_release(&s->b);
	errno = saved;
	return ok || err_set(e, ERR_INTERNAL, _("cannot write '%s':"), s->name);
}

static bool make(struct site *s, const char *name)
{
	return mkdirat(s->root, name, 0777) == 0 || err_set(s->e, ERR_INTERNAL, _("cannot make the folder '%s':"), name);
}

static int64_t count(struct site *s, const struct shelf *h)
{
	struct spool_walk *w = spool_walk(s->x->spool, h->c.num, SPOOL_ALL, NULL, 0, NULL);
	struct spool_meta m;
	int64_t n = 0;
	while (spool_walk_next(w, &m))
		n++;
	spool_walk_end(w);
	return n;
}

static bool convs(struct site *s)
{
	char name[48];
	for (size_t i = 0; i < s->n; i++) {
		struct shelf *h = s->v[i];
		if (h->left_out || !h->n_pages) {
			s->out->left_out += count(s, h);
			continue;
		}
		s->out->convs++;
		fmt_into(name, sizeof(name), "c/%lld", (long long)h->c.num);
		if (!make(s, name) || !site_conv(s, h))
			return false;
	}
	return true;
}

static bool everything(struct site *s)
{
	bool ok = make(s, "c") && make(s, "files") && make(s, "search") && site_plan(s) && convs(s) && search_end(s) && frame_assets(s) && frame_index(s) &&
	          frame_people(s) && frame_search(s);
	progress_clear();
	return ok;
}

/* Nothing is lost in silence: what was read stands on a page or was left out on purpose. */
static bool adds_up(struct site *s)
{
	struct spool_counts c;
	spool_count(s->x->spool, &c);
	int64_t want = c.stored + c.lost_roots, have = s->out->messages + s->out->left_out;
	return want == have || err_set(s->e, ERR_INTERNAL, "%lld messages were read and %lld written or left out", (long long)want, (long long)have);
}

bool archive_html(const struct archive_args *x, struct archive_result *out, struct err *e)
{
	*out = (struct archive_result){ 0 };
	struct site s = { .x = x, .out = out, .e = e };
	struct folder f;
	bool ok = folder_begin(&f, x->dir, x->replace, e);
	arena_init(&s.run);
	arena_init(&s.step);
	table_init(&s.authors);
	table_init(&s.shelves);
	table_init(&s.copied);
	buf_init(&s.shard, SHEET_MAX);
	buf_init(&s.text, SHEET_MAX / 4);
	if (ok) {
		s.root = f.fd;
		s.n_archives = spool_archives(x->spool, &s.run, &s.archives);
		s.vaults = xcalloc(s.n_archives + 1, sizeof(*s.vaults));
		ok = everything(&s) && adds_up(&s) && folder_commit(&f, e);
	}
	if (!ok)
		folder_abort(&f);
	folder_free(&f);
	site_files_free(&s);
	site_plan_free(&s);
	buf_release(&s.shard);
	buf_release(&s.text);
	table_release(&s.authors);
	table_release(&s.shelves);
	arena_release(&s.step);
	arena_release(&s.run);
	return ok;
}

/* ---- JSON lines ---- */

/* run: of spool_convs, a record at a time */
struct lines { const struct archive_args *x; FILE *f; struct buf line; struct arena *run, step; struct archive_result *out; struct err *e; bool ok; };

static bool line(struct lines *l)
{
	buf_addc(&l->line, '\n');
	l->ok = !l->line.full && fwrite(l->line.p, 1, l->line.len, l->f) == l->line.len;
	buf_reset(&l->line);
	if (!l->ok)
		err_set(l->e, ERR_INTERNAL, _("cannot write the archive:"));
	else if (stop_signal)
		l->ok = err_set(l->e, ERR_PARTIAL, _("stopped: the archive is not complete"));
	return l->ok;
}

static bool line_user(void *ctx, const struct user *u, int64_t n_msgs)
{
	struct lines *l = ctx;
	(void)n_msgs;
	canon_user(u, &l->line);
	return line(l);
}

static bool line_conv(void *ctx, const struct spool_conv *c)
{
	struct lines *l = ctx;
	l->out->convs++;
	canon_conv(&c->conv, &l->line);
	arena_reset(l->run);
	return line(l);
}

static bool line_msgs(void *ctx, const struct spool_conv *c)
{
	struct lines *l = ctx;
	struct spool_walk *w = spool_walk(l->x->spool, c->num, SPOOL_ALL, NULL, 0, NULL);
	struct spool_meta m;
	struct msg msg;
	while (l->ok && spool_walk_next(w, &m)) {
		if (m.kind == MSG_LOST_ROOT)
			continue;
		arena_reset(&l->step);
		l->ok = spool_walk_body(w, &l->step, &msg, l->e);
		if (!l->ok)
			break;
		canon_msg(&msg, c->conv.id, &l->line);
		line(l);
		if (++l->out->messages % 4096 == 0)
			progress_count("archiving", _("writing the archive"), l->out->messages);
	}
	spool_walk_end(w);
	arena_reset(l->run);
	return l->ok;
}

bool archive_jsonl(const struct archive_args *x, FILE *f, struct archive_result *out, struct err *e)
{
	*out = (struct archive_result){ 0 };
	struct lines l = { .x = x, .f = f, .out = out, .e = e, .ok = true };
	struct arena run;
	l.run = &run;
	arena_init(&run);
	arena_init(&l.step);
	buf_init(&l.line, SHEET_MAX);
	bool ok = spool_users(x->spool, &run, line_user, &l, e) && l.ok;
	arena_reset(&run);
	ok = ok && spool_convs(x->spool, &run, line_conv, &l, e) && l.ok && spool_convs(x->spool, &run, line_msgs, &l, e) && l.ok;
	progress_clear();
	buf_release(&l.line);
	arena_release(&l.step);
	arena_release(&run);
	return ok;
}
