/* fetch.c: see fetch.h. Called by cli/cmd_fetch.c; it prints nothing and knows no project.
 *
 * Facts: a Slack export's url_private(_download) carries the export's token as "?t=xoxe-…" or "?token=xoxe-…" and needs no
 * header; a dead token is answered with 200 or a redirect and an HTML sign-in page (slack-advanced-exporter pull 13, slackdump
 * issue 107). Ranges: RFC 9110 §14; If-Range takes a strong entity tag or a date (§13.1.5).
 */
#include "replay/fetch_in.h"

#include "core/arena.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	JOBS = 4,
	TRIES = 6,                 /* of one file, in this run */
	BACKOFF_S = 1, BACKOFF_MAX_S = 60, RETRY_AFTER_MAX_S = 300,
	DEAD_AFTER = 20,           /* sign-in pages in a row, without one file: the token is dead, the rest is not asked for */
	WAIT_MS = 200,
};

/* The token's characters must not appear in a log, whoever writes it. Logs take a few secrets only; an export has one. */
static void keep_secret(struct fetch *f, const char *url)
{
	static const char *const names[] = { "?t=", "&t=", "?token=", "&token=" };
	for (size_t i = 0; i < countof(names); i++) {
		const char *p = strstr(url, names[i]);
		char token[sizeof(f->secrets[0])];
		if (!p)
			continue;
		p += strlen(names[i]);
		size_t n = strcspn(p, "&#");
		bool known = n < 4 || n >= sizeof(token);
		if (known)
			continue;
		memcpy(token, p, n);
		token[n] = '\0';
		for (int k = 0; k < f->n_secrets && !known; k++)
			known = streq(f->secrets[k], token);
		if (known || f->n_secrets == countof(f->secrets))
			continue;
		memcpy(f->secrets[f->n_secrets++], token, n + 1);
		log_secret(token);
	}
}

/* ---- opening, closing ---- */

struct fetch *fetch_open(const struct fetch_config *c, struct err *e)
{
	struct origin o;
	if (c->base && (!fetch_origin(c->base, &o) || !o.loopback)) {
		err_set(e, ERR_USAGE, "another address for files is for tests and must be loopback");
		return NULL;
	}
	if (c->cacert && access(c->cacert, R_OK) != 0) {
		err_set(e, ERR_USAGE, "cannot read the certificates in %s:", c->cacert);
		return NULL;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		die("libcurl does not start");
	struct fetch *f = xcalloc(1, sizeof(*f));
	f->c = *c;
	f->base = c->base ? xstrdup(c->base) : NULL;
	while (f->base && *f->base && f->base[strlen(f->base) - 1] == '/')
		f->base[strlen(f->base) - 1] = '\0';
	f->max_jobs = c->jobs <= 0 ? JOBS : c->jobs > FETCH_JOBS_MAX ? FETCH_JOBS_MAX : c->jobs;
	f->multi = curl_multi_init();
	if (!f->multi)
		die("out of memory (curl_multi)");
	curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)f->max_jobs);
	f->begun_us = f->budget_us = clock_mono_us();
	arena_init(&f->arena);
	table_init(&f->asked);
	table_init(&f->seen);
	return f;
}

void fetch_job_free(struct job *j)
{
	struct fetch *f = j->f;
	if (j->stage == STAGE_RUNNING)
		curl_multi_remove_handle(f->multi, j->easy);
	curl_easy_cleanup(j->easy);
	curl_slist_free_all(j->headers);
	if (j->fd >= 0)
		close(j->fd);
	for (int i = 0; i < f->n_jobs; i++)
		if (f->jobs[i] == j) {
			f->jobs[i] = f->jobs[--f->n_jobs];
			break;
		}
	free(j->id);
	free(j->name);
	free(j->conv);
	free(j->url);
	free(j->part);
	free(j->tag);
	free(j);
}

void fetch_close(struct fetch *f)
{
	if (!f)
		return;
	while (f->n_jobs)
		fetch_job_free(f->jobs[0]);
	curl_multi_cleanup(f->multi);
	table_release(&f->asked);
	table_release(&f->seen);
	arena_release(&f->arena);
	free(f->base);
	free(f);
	curl_global_cleanup();
}

static bool stopping(struct fetch *f)
{
	if (f->c.stop && *f->c.stop)
		f->res.stopped = true;
	return f->res.stopped || f->failed;
}

void fetch_fail(struct fetch *f, const struct err *e)
{
	if (!f->failed)
		f->err = *e;
	f->failed = true;
}

/* ---- the outcome of one file ---- */

static void tell(struct fetch *f)
{
	int64_t now = clock_mono_us();
	if (!f->c.progress || (f->told_us && now - f->told_us < 100000))
		return;
	f->told_us = now;
	f->c.progress(f->c.ctx, &f->res);
}

static void fetch_missing(struct fetch *f, const char *id, const char *name, const char *conv, int64_t size, enum fetch_why why)
{
	struct fetch_missing m = { id, name, conv, size, why };
	if (why != FETCH_DELETED)
		f->res.missing++;
	if (f->c.missing)
		f->c.missing(f->c.ctx, &m);
}

static void fetch_drop_part(struct job *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
	j->have = 0;
	unlink(j->part);
	unlink(j->tag);
}

void fetch_give_up(struct job *j, enum fetch_why why)
{
	struct fetch *f = j->f;
	f->sign_ins = why == FETCH_SIGN_IN ? f->sign_ins + 1 : 0;
	if (why != FETCH_SERVER && why != FETCH_NETWORK)
		fetch_drop_part(j); /* else what is there helps the next run */
	fetch_missing(f, j->id, j->name, j->conv, j->size, why);
	log_debug("fetch.missing", "%s: %s", j->id, fetch_why_name(why));
	fetch_job_free(j);
}

/* Again later, or not: `why` is the reason then. wait_s: what the server asked for, or -1. */
void fetch_again(struct job *j, enum fetch_why why, int64_t wait_s)
{
	if (++j->tries >= TRIES) {
		fetch_give_up(j, why);
		return;
	}
	int64_t s = (int64_t)BACKOFF_S << (j->tries - 1);
	s = s > BACKOFF_MAX_S ? BACKOFF_MAX_S : s;
	if (wait_s > s)
		s = wait_s < RETRY_AFTER_MAX_S ? wait_s : RETRY_AFTER_MAX_S;
	j->not_before = clock_mono_us() + s * 1000000;
	log_debug("fetch.again", "%s: %s, again in %lld s", j->id, fetch_why_name(why), (long long)s);
}

void fetch_accept(struct job *j)
{
	struct fetch *f = j->f;
	struct err e = ERR_INIT;
	enum fetch_why why = fetch_judge(j);
	if (why != FETCH_OK) {
		fetch_give_up(j, why);
		return;
	}
	close(j->fd);
	j->fd = -1;
	unlink(j->tag); /* a part as large as its file needs none */
	if (!filestore_add(f->c.store, j->id, j->part, j->name, &e)) {
		fetch_fail(f, &e);
	} else {
		f->sign_ins = 0;
		f->res.fetched++;
		f->res.bytes += j->have;
	}
	fetch_job_free(j);
}

/* ---- the loop ---- */

/* Starts what is due; *next: when the next of those that wait is. */
static void start_due(struct fetch *f, int64_t *next, int *running)
{
	int64_t now = clock_mono_us();
	*next = INT64_MAX;
	for (int i = 0; i < f->n_jobs;) {
		struct job *j = f->jobs[i];
		if (j->stage == STAGE_WAITING && j->not_before <= now) {
			fetch_start(j);
			if (i >= f->n_jobs || f->jobs[i] != j)
				continue; /* given up at once: another stands in its place */
		} else if (j->stage == STAGE_WAITING && j->not_before < *next) {
			*next = j->not_before;
		}
		i++;
	}
	*running = 0;
	for (int i = 0; i < f->n_jobs; i++)
		*running += f->jobs[i]->stage == STAGE_RUNNING;
}

/* Goes on until fewer than `most` are under way. */
static void pump(struct fetch *f, int most)
{
	while (f->n_jobs >= most && f->n_jobs && !stopping(f)) {
		int64_t next;
		int running, left;
		CURLMsg *m;
		start_due(f, &next, &running);
		curl_multi_perform(f->multi, &running);
		bool any = false;
		while ((m = curl_multi_info_read(f->multi, &left))) {
			char *j = NULL;
			if (m->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &j);
			fetch_ended((struct job *)(void *)j, m->data.result);
			any = true;
		}
		tell(f);
		if (any || f->n_jobs < most)
			continue;
		int64_t due = INT64_MAX;
		const bool flows = fetch_flow(f, &due);
		if (running && flows) {
			curl_multi_poll(f->multi, NULL, 0, WAIT_MS, NULL);
			continue;
		}
		if (running && due < next)
			next = due;
		if (next != INT64_MAX) {
			int64_t soon = clock_mono_us() + 1000000;
			clock_sleep_until_mono(!clock_is_virtual() && next > soon ? soon : next);
		}
	}
}

/* ---- the sink ---- */

static bool on_secret(void *ctx, const char *conv_id, const struct file *file, const char *url)
{
	struct fetch *f = ctx;
	struct origin o;
	char entry[FILESTORE_ENTRY];
	int64_t size;
	if (stopping(f))
		return false;
	if (table_get(&f->asked, file->id))
		return true;
	char *id = arena_strdup(&f->arena, file->id);
	table_put(&f->asked, id, f);
	f->res.linked++;
	keep_secret(f, url);
	if (!filestore_may(id)) {
		fetch_missing(f, id, file->name, conv_id, file->size, FETCH_NO_ID);
	} else if (filestore_find(f->c.store, id, entry, &size)) {
		f->res.had++;
	} else if (strlen(url) > FETCH_URL_MAX || !fetch_origin(url, &o) || !fetch_is_slack(&o)) {
		fetch_missing(f, id, file->name, conv_id, file->size, FETCH_HOST);
	} else if (f->sign_ins >= DEAD_AFTER && !f->res.fetched) {
		fetch_missing(f, id, file->name, conv_id, file->size, FETCH_SIGN_IN);
	} else {
		struct job *j = xcalloc(1, sizeof(*j));
		*j = (struct job){ .f = f, .fd = -1, .id = xstrdup(id), .name = xstrdup(file->name), .conv = xstrdup(conv_id), .url = fetch_ask_at(f, url),
		                   .part = filestore_part(f->c.store, id, ".part"), .tag = filestore_part(f->c.store, id, ".tag"), .size = file->size,
		                   .canvas = file->kind == FILE_CANVAS };
		fmt_into(j->mime, sizeof(j->mime), "%s", file->mime ? file->mime : "");
		f->jobs[f->n_jobs++] = j;
		pump(f, f->max_jobs);
	}
	tell(f);
	return !stopping(f);
}

/* Files of a message that have no address with a token: counted and, where something is lost, listed. */
static bool on_msg(void *ctx, const char *conv_id, const struct msg *m)
{
	struct fetch *f = ctx;
	for (size_t i = 0; i < m->n_files; i++) {
		const struct file *file = &m->files[i];
		if (file->id && (table_get(&f->asked, file->id) || table_get(&f->seen, file->id)))
			continue;
		if (file->id)
			table_put(&f->seen, arena_strdup(&f->arena, file->id), f);
		switch (file->state) {
		case FILE_PRESENT:
			f->res.present++;
			break;
		case FILE_EXTERNAL:
			f->res.external++;
			break;
		case FILE_GONE:
			f->res.gone++;
			fetch_missing(f, file->id ? file->id : "", file->name, conv_id, file->size, FETCH_DELETED);
			break;
		case FILE_LINKED:
			f->res.linked++;
			fetch_missing(f, file->id ? file->id : "", file->name, conv_id, file->size, file->id ? FETCH_NO_TOKEN : FETCH_NO_ID);
			break;
		}
	}
	return !stopping(f);
}

static bool on_user(void *ctx, const struct user *u) { (void)u; return !stopping(ctx); }
static bool on_conv(void *ctx, const struct conv *c) { (void)c; return !stopping(ctx); }
static bool on_bad(void *ctx, const struct err *e) { (void)e; return !stopping(ctx); }
static bool on_fact(void *ctx, const char *k, const char *v) { (void)k; (void)v; return !stopping(ctx); }
static bool on_hazard(void *ctx, enum hazard_level l, const char *name, const char *where, const char *what)
{
	(void)l;
	(void)name;
	(void)where;
	(void)what;
	return !stopping(ctx);
}

void fetch_sink(struct fetch *f, struct sink *out)
{
	*out = (struct sink){ .ctx = f, .user = on_user, .conv = on_conv, .msg = on_msg, .bad = on_bad, .hazard = on_hazard, .fact = on_fact,
	                      .secret_url = on_secret };
}

bool fetch_finish(struct fetch *f, struct fetch_result *out, struct err *e)
{
	pump(f, 1);
	f->res.elapsed_us = clock_mono_us() - f->begun_us;
	*out = f->res;
	if (f->failed && e)
		*e = f->err;
	return !f->failed;
}
