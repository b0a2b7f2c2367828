/* fetch.c: see fetch.h. Called by cli/cmd_fetch.c; it prints nothing and knows no project.
 *
 * Facts: a Slack export's url_private(_download) carries the export's token as "?t=xoxe-…" or "?token=xoxe-…" and needs no
 * header; a dead token is answered with 200 or a redirect and an HTML sign-in page (slack-advanced-exporter pull 13, slackdump
 * issue 107). Ranges: RFC 9110 §14; If-Range takes a strong entity tag or a date (§13.1.5).
 */
#include "replay/fetch.h"

#include "core/arena.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/table.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	JOBS = 4, JOBS_MAX = 32,
	TRIES = 6,                 /* of one file, in this run */
	HOPS = 3,                  /* redirects on the same server */
	BACKOFF_S = 1, BACKOFF_MAX_S = 60, RETRY_AFTER_MAX_S = 300,
	CONNECT_S = 15, STALL_S = 60, /* without one byte */
	NOISE_MAX = 64 << 10,      /* bytes of an error page that are read before the connection is given up */
	DEAD_AFTER = 20,           /* sign-in pages in a row, without one file: the token is dead, the rest is not asked for */
	HEADER_TEXT = 200, HEAD = 512, URL_MAX = 8192, SECRETS = 16,
	WAIT_MS = 200,
};

struct origin { bool https, loopback; char host[256]; long port; };

enum stage { STAGE_WAITING, STAGE_RUNNING };
struct job {
	struct fetch *f;
	enum stage stage;
	CURL *easy;
	struct curl_slist *headers;
	char *id, *name, *conv, *url, *part, *tag;
	int64_t size;              /* -1 unknown */
	char mime[HEADER_TEXT];
	bool canvas;
	int fd, tries, hops;
	int64_t have, not_before;
	/* of the answer that is coming in */
	bool begun, broken_range, too_long, failed_write;
	enum fetch_why why;
	int64_t noise;
	char type[HEADER_TEXT], range[HEADER_TEXT], etag[HEADER_TEXT], modified[HEADER_TEXT];
};

struct fetch {
	struct fetch_config c;
	struct fetch_result res;
	char *base;
	CURLM *multi;
	struct job *jobs[JOBS_MAX];
	int n_jobs, max_jobs;
	struct arena arena;
	struct table asked, seen;  /* ids that are dealt with; ids of files met in messages */
	char secrets[SECRETS][256];
	int n_secrets, sign_ins;
	int64_t told_us;
	bool failed;
	struct err err;
};

const char *fetch_why_name(enum fetch_why why)
{
	static const char *const names[N_FETCH_WHY] = {
		[FETCH_OK] = "ok", [FETCH_SIGN_IN] = "sign-in-page", [FETCH_NOT_FOUND] = "not-found", [FETCH_REFUSED] = "refused",
		[FETCH_SIZE] = "size-differs", [FETCH_CONTENT] = "content-differs", [FETCH_NO_TOKEN] = "no-token", [FETCH_NO_ID] = "no-id",
		[FETCH_HOST] = "foreign-address", [FETCH_REDIRECT] = "redirected-elsewhere", [FETCH_SERVER] = "server-error",
		[FETCH_NETWORK] = "network", [FETCH_DELETED] = "deleted",
	};
	return names[why];
}

/* ---- addresses ---- */

static bool is_loopback(const char *host)
{
	unsigned char v4[4];
	return streq(host, "localhost") || streq(host, "[::1]") || (inet_pton(AF_INET, host, v4) == 1 && v4[0] == 127);
}

static bool has_part(CURLU *u, CURLUPart part)
{
	char *s = NULL;
	bool has = curl_url_get(u, part, &s, 0) == CURLUE_OK;
	curl_free(s);
	return has;
}

/* false: no plain http(s) address, or one with a user name in it. */
static bool origin_of(const char *url, struct origin *o)
{
	for (const char *s = url; *s; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7f)
			return false;
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	if (!u)
		die("out of memory (address)");
	bool ok = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	          curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && *host && strlen(host) < sizeof(o->host) &&
	          curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK && !has_part(u, CURLUPART_USER) &&
	          !has_part(u, CURLUPART_PASSWORD) && (!strcasecmp(scheme, "https") || !strcasecmp(scheme, "http"));
	if (ok) {
		memcpy(o->host, host, strlen(host) + 1);
		o->port = strtol(port, NULL, 10);
		o->https = !strcasecmp(scheme, "https");
		o->loopback = is_loopback(host);
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return ok;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);
	return n > k && !strcasecmp(s + n - k, end);
}

/* A server that an export's token belongs to. */
static bool is_slack(const struct origin *o)
{
	return o->https && o->port == 443 && (ends_with(o->host, ".slack.com") || ends_with(o->host, ".slack-gov.com"));
}

/* The path and query of an address behind the base of a test; the address itself without one. */
static char *ask_at(const struct fetch *f, const char *url)
{
	if (!f->base)
		return xstrdup(url);
	const char *path = strstr(url, "://");
	path = path ? path + 3 + strcspn(path + 3, "/?#") : "";
	size_t n = strlen(f->base) + strlen(path) + 1;
	char *s = xmalloc(n);
	snprintf(s, n, "%s%s", f->base, path);
	return s;
}

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
		if (known || f->n_secrets == SECRETS)
			continue;
		memcpy(f->secrets[f->n_secrets++], token, n + 1);
		log_secret(token);
	}
}

/* ---- opening, closing ---- */

struct fetch *fetch_open(const struct fetch_config *c, struct err *e)
{
	struct origin o;
	if (c->base && (!origin_of(c->base, &o) || !o.loopback)) {
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
	f->max_jobs = c->jobs <= 0 ? JOBS : c->jobs > JOBS_MAX ? JOBS_MAX : c->jobs;
	f->multi = curl_multi_init();
	if (!f->multi)
		die("out of memory (curl_multi)");
	curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)f->max_jobs);
	arena_init(&f->arena);
	table_init(&f->asked);
	table_init(&f->seen);
	return f;
}

static void job_free(struct job *j)
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
		job_free(f->jobs[0]);
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

static void fail(struct fetch *f, const struct err *e)
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

static void missing(struct fetch *f, const char *id, const char *name, const char *conv, int64_t size, enum fetch_why why)
{
	struct fetch_missing m = { id, name, conv, size, why };
	if (why != FETCH_DELETED)
		f->res.missing++;
	if (f->c.missing)
		f->c.missing(f->c.ctx, &m);
}

static void drop_part(struct job *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
	j->have = 0;
	unlink(j->part);
	unlink(j->tag);
}

static void give_up(struct job *j, enum fetch_why why)
{
	struct fetch *f = j->f;
	f->sign_ins = why == FETCH_SIGN_IN ? f->sign_ins + 1 : 0;
	if (why != FETCH_SERVER && why != FETCH_NETWORK)
		drop_part(j); /* else what is there helps the next run */
	missing(f, j->id, j->name, j->conv, j->size, why);
	log_debug("fetch.missing", "%s: %s", j->id, fetch_why_name(why));
	job_free(j);
}

/* Again later, or not: `why` is the reason then. wait_s: what the server asked for, or -1. */
static void again(struct job *j, enum fetch_why why, int64_t wait_s)
{
	if (++j->tries >= TRIES) {
		give_up(j, why);
		return;
	}
	int64_t s = (int64_t)BACKOFF_S << (j->tries - 1);
	s = s > BACKOFF_MAX_S ? BACKOFF_MAX_S : s;
	if (wait_s > s)
		s = wait_s < RETRY_AFTER_MAX_S ? wait_s : RETRY_AFTER_MAX_S;
	j->not_before = clock_mono_us() + s * 1000000;
	log_debug("fetch.again", "%s: %s, again in %lld s", j->id, fetch_why_name(why), (long long)s);
}

/* ---- judging what came ---- */

static bool looks_html(const char *s, size_t n)
{
	static const char *const starts[] = { "<!doctype html", "<html", "<head", "<script" };
	if (n >= 3 && !memcmp(s, "\xEF\xBB\xBF", 3))
		s += 3, n -= 3;
	while (n && strchr(" \t\r\n", *s))
		s++, n--;
	for (size_t i = 0; i < countof(starts); i++)
		if (n >= strlen(starts[i]) && !strncasecmp(s, starts[i], strlen(starts[i])))
			return true;
	return false;
}

/* May this file be a page? A canvas comes as one. */
static bool may_be_html(const struct job *j)
{
	return j->canvas || strstr(j->mime, "html") || strstr(j->mime, "xml");
}

/* First bytes of the kinds that people notice when they are wrong. Only asked when the size says nothing: a photo whose name
 * lies about its format is still the photo. Signatures: PNG (ISO 15948), JPEG, GIF89a, RIFF, PDF (ISO 32000), ZIP. */
static bool head_fits(const struct job *j, const char *s, size_t n)
{
	static const struct { const char *mime, *magic; size_t n; } kinds[] = {
		{ "image/png", "\x89PNG\r\n\x1a\n", 8 }, { "image/jpeg", "\xFF\xD8\xFF", 3 }, { "image/gif", "GIF8", 4 }, { "image/webp", "RIFF", 4 },
		{ "application/pdf", "%PDF", 4 }, { "application/zip", "PK", 2 }, { "application/vnd.openxmlformats", "PK", 2 },
	};
	for (size_t i = 0; i < countof(kinds); i++)
		if (!strncmp(j->mime, kinds[i].mime, strlen(kinds[i].mime)))
			return n >= kinds[i].n && !memcmp(s, kinds[i].magic, kinds[i].n);
	return true;
}

static enum fetch_why judge(const struct job *j)
{
	char head[HEAD];
	ssize_t n = pread(j->fd, head, sizeof(head), 0);
	bool known = j->size > 0, whole = known && j->have == j->size;
	size_t got = n > 0 ? (size_t)n : 0;
	bool html = looks_html(head, got);
	if (html && !may_be_html(j) && !(whole && !strstr(j->type, "html")))
		return FETCH_SIGN_IN;
	if (known && !whole)
		return html && !j->canvas ? FETCH_SIGN_IN : FETCH_SIZE;
	if (!known && (j->have == 0 ? j->size < 0 : !head_fits(j, head, got)))
		return FETCH_CONTENT;
	return FETCH_OK;
}

static void accept_file(struct job *j)
{
	struct fetch *f = j->f;
	struct err e = ERR_INIT;
	enum fetch_why why = judge(j);
	if (why != FETCH_OK) {
		give_up(j, why);
		return;
	}
	close(j->fd);
	j->fd = -1;
	if (!filestore_add(f->c.store, j->id, j->part, j->name, &e)) {
		fail(f, &e);
	} else {
		unlink(j->tag);
		f->sign_ins = 0;
		f->res.fetched++;
		f->res.bytes += j->have;
	}
	job_free(j);
}

/* ---- what libcurl calls ---- */

static void keep_header(const char *line, size_t n, const char *name, char out[HEADER_TEXT])
{
	size_t k = strlen(name);
	if (n <= k || strncasecmp(line, name, k) || line[k] != ':')
		return;
	line += k + 1, n -= k + 1;
	while (n && (*line == ' ' || *line == '\t'))
		line++, n--;
	while (n && (unsigned char)line[n - 1] <= 0x20)
		n--;
	out[0] = '\0';
	if (n < HEADER_TEXT) {
		memcpy(out, line, n);
		out[n] = '\0';
	}
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
	struct job *j = ctx;
	size_t n = size * count;
	if (n > 5 && !memcmp(line, "HTTP/", 5))
		j->type[0] = j->range[0] = j->etag[0] = j->modified[0] = '\0';
	keep_header(line, n, "Content-Type", j->type);
	keep_header(line, n, "Content-Range", j->range);
	keep_header(line, n, "ETag", j->etag);
	keep_header(line, n, "Last-Modified", j->modified);
	return n;
}

/* What a later attempt may put into If-Range: a strong tag, else the date. */
static void note_tag(const struct job *j)
{
	const char *v = j->etag[0] == '"' ? j->etag : j->modified;
	int fd = open(j->tag, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	if (write(fd, v, strlen(v)) != (ssize_t)strlen(v))
		unlink(j->tag);
	close(fd);
}

/* The first bytes of a body: is it the file's, and from where? */
static bool begin_body(struct job *j, long status)
{
	long long from = -1, to, all = -1;
	j->begun = true;
	if (status == 200 && strstr(j->type, "html") && !may_be_html(j)) {
		j->why = FETCH_SIGN_IN;
		return false;
	}
	if (status == 206 && (sscanf(j->range, "bytes %lld-%lld/%lld", &from, &to, &all) < 2 || from != j->have || (all >= 0 && j->size > 0 && all != j->size))) {
		j->broken_range = true;
		return false;
	}
	if (status == 200) {
		j->have = 0;
		if (ftruncate(j->fd, 0) != 0) {
			j->failed_write = true;
			return false;
		}
		note_tag(j);
	}
	return true;
}

static size_t on_body(char *p, size_t size, size_t count, void *ctx)
{
	struct job *j = ctx;
	size_t n = size * count;
	long status = 0;
	curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200 && status != 206) {
		j->noise += (int64_t)n;
		return j->noise > NOISE_MAX ? n + 1 : n;
	}
	if (!j->begun && !begin_body(j, status))
		return n + 1;
	if (j->size > 0 && j->have + (int64_t)n > j->size) {
		j->too_long = true;
		return n + 1;
	}
	for (size_t done = 0; done < n;) {
		ssize_t w = pwrite(j->fd, p + done, n - done, (off_t)j->have);
		if (w <= 0) {
			if (w < 0 && errno == EINTR)
				continue;
			j->failed_write = true;
			return n + 1;
		}
		done += (size_t)w;
		j->have += w;
	}
	return n;
}

/* ---- one attempt ---- */

static bool open_part(struct job *j)
{
	struct err e = ERR_INIT;
	struct stat st;
	if (j->fd < 0)
		j->fd = open(j->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->fd < 0 || fstat(j->fd, &st) != 0) {
		err_set(&e, ERR_INTERNAL, "cannot write '%s':", j->part);
		fail(j->f, &e);
		return false;
	}
	j->have = st.st_size;
	return true;
}

/* What is there is gone on with only when it can be told whether the rest belongs to it. */
static void add_range(struct job *j)
{
	char tag[HEADER_TEXT], line[HEADER_TEXT + 16];
	int fd = j->have ? open(j->tag, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	ssize_t n = fd >= 0 ? read(fd, tag, sizeof(tag) - 1) : -1;
	if (fd >= 0)
		close(fd);
	tag[n > 0 ? n : 0] = '\0';
	for (char *s = tag; *s; s++)
		if ((unsigned char)*s < 0x20)
			*s = '\0', s--;
	if (j->have && ((!tag[0] && j->size <= 0) || (j->size > 0 && j->have >= j->size))) {
		j->have = 0;
		if (ftruncate(j->fd, 0) != 0)
			j->failed_write = true;
	}
	if (!j->have)
		return;
	snprintf(line, sizeof(line), "%lld-", (long long)j->have);
	curl_easy_setopt(j->easy, CURLOPT_RANGE, line);
	if (tag[0]) {
		snprintf(line, sizeof(line), "If-Range: %s", tag);
		j->headers = curl_slist_append(j->headers, line);
	}
}

static void set_options(struct job *j, const struct origin *o)
{
	const struct fetch_config *c = &j->f->c;
	CURL *h = j->easy;
	curl_easy_setopt(h, CURLOPT_URL, j->url);
	curl_easy_setopt(h, CURLOPT_PRIVATE, j);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "mvchat/" MVCHAT_VERSION);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
#if LIBCURL_VERSION_NUM >= 0x075500 /* 7.85 */
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, o->https ? "https" : "http");
#else
	curl_easy_setopt(h, CURLOPT_PROTOCOLS, (long)(o->https ? CURLPROTO_HTTPS : CURLPROTO_HTTP));
#endif
	if (c->cacert)
		curl_easy_setopt(h, CURLOPT_CAINFO, c->cacert);
	if (!o->https)
		curl_easy_setopt(h, CURLOPT_PROXY, ""); /* loopback must not leave through a proxy */
	else if (c->proxy && *c->proxy)
		curl_easy_setopt(h, CURLOPT_PROXY, c->proxy);
	if (c->bytes_per_s > 0) {
		int64_t share = c->bytes_per_s / j->f->max_jobs;
		curl_easy_setopt(h, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)(share > 0 ? share : 1));
		curl_easy_setopt(h, CURLOPT_BUFFERSIZE, 16384L);
	}
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, j);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, j);
}

static void start(struct job *j)
{
	struct origin o;
	if (!open_part(j)) {
		job_free(j);
		return;
	}
	if (!origin_of(j->url, &o) || (!o.https && !o.loopback)) {
		give_up(j, FETCH_HOST);
		return;
	}
	if (j->easy)
		curl_easy_reset(j->easy);
	else if (!(j->easy = curl_easy_init()))
		die("out of memory (curl_easy)");
	curl_slist_free_all(j->headers);
	j->headers = NULL;
	j->begun = j->broken_range = j->too_long = j->failed_write = false;
	j->why = FETCH_OK;
	j->noise = 0;
	set_options(j, &o);
	add_range(j);
	if (j->headers)
		curl_easy_setopt(j->easy, CURLOPT_HTTPHEADER, j->headers);
	j->f->res.requests++;
	j->stage = STAGE_RUNNING;
	if (curl_multi_add_handle(j->f->multi, j->easy) != CURLM_OK)
		die("libcurl refuses a transfer");
}

/* A redirect is followed on the server that was asked and nowhere else: the next one must not see the token. */
static void redirected(struct job *j)
{
	char *to = NULL;
	struct origin a, b;
	if (curl_easy_getinfo(j->easy, CURLINFO_REDIRECT_URL, &to) != CURLE_OK || !to || strlen(to) > URL_MAX || !origin_of(j->url, &a) || !origin_of(to, &b)) {
		give_up(j, FETCH_REDIRECT);
	} else if (a.https != b.https || a.port != b.port || strcasecmp(a.host, b.host)) {
		give_up(j, strstr(to, "redir=") || strstr(to, "signin") || is_slack(&b) ? FETCH_SIGN_IN : FETCH_REDIRECT);
	} else if (j->hops++ >= HOPS) {
		give_up(j, FETCH_REDIRECT);
	} else {
		free(j->url);
		j->url = xstrdup(to);
		j->not_before = 0;
	}
}

static void cut(struct job *j)
{
	if (j->fd >= 0 && ftruncate(j->fd, 0) != 0)
		unlink(j->part);
	unlink(j->tag);
}

static void ended(struct job *j, CURLcode rc)
{
	struct fetch *f = j->f;
	struct err e = ERR_INIT;
	long status = 0;
	curl_off_t wait_s = -1, length = -1;
	curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(j->easy, CURLINFO_RETRY_AFTER, &wait_s);
	curl_easy_getinfo(j->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	curl_multi_remove_handle(f->multi, j->easy);
	j->stage = STAGE_WAITING;
	if (j->failed_write) {
		err_set(&e, ERR_INTERNAL, "cannot write '%s':", j->part);
		err_hint(&e, "is the disk full? the same command goes on where it stopped");
		fail(f, &e);
		job_free(j);
	} else if (j->why != FETCH_OK) {
		give_up(j, j->why);
	} else if (j->too_long) {
		give_up(j, FETCH_SIZE);
	} else if (j->broken_range || status == 416) {
		cut(j);
		again(j, FETCH_SERVER, -1);
	} else if (status >= 300 && status < 400) {
		redirected(j);
	} else if (status == 429 || status >= 500) {
		again(j, FETCH_SERVER, wait_s);
	} else if (status == 404 || status == 410) {
		give_up(j, FETCH_NOT_FOUND);
	} else if (status >= 400) {
		give_up(j, FETCH_REFUSED);
	} else if (rc != CURLE_OK || status < 200) {
		again(j, FETCH_NETWORK, -1);
	} else if (length < 0 && j->size > 0 && j->have < j->size) {
		again(j, FETCH_SIZE, -1); /* ended without having said how long it is: cut, perhaps */
	} else {
		if (!j->begun)
			begin_body(j, status); /* an empty body never called */
		accept_file(j);
	}
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
			start(j);
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
			ended((struct job *)(void *)j, m->data.result);
			any = true;
		}
		tell(f);
		if (any || f->n_jobs < most)
			continue;
		if (running) {
			curl_multi_poll(f->multi, NULL, 0, WAIT_MS, NULL);
		} else if (next != INT64_MAX) {
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
		missing(f, id, file->name, conv_id, file->size, FETCH_NO_ID);
	} else if (filestore_find(f->c.store, id, entry, &size)) {
		f->res.had++;
	} else if (strlen(url) > URL_MAX || !origin_of(url, &o) || !is_slack(&o)) {
		missing(f, id, file->name, conv_id, file->size, FETCH_HOST);
	} else if (f->sign_ins >= DEAD_AFTER && !f->res.fetched) {
		missing(f, id, file->name, conv_id, file->size, FETCH_SIGN_IN);
	} else {
		struct job *j = xcalloc(1, sizeof(*j));
		*j = (struct job){ .f = f, .fd = -1, .id = xstrdup(id), .name = xstrdup(file->name), .conv = xstrdup(conv_id), .url = ask_at(f, url),
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
			missing(f, file->id ? file->id : "", file->name, conv_id, file->size, FETCH_DELETED);
			break;
		case FILE_LINKED:
			f->res.linked++;
			missing(f, file->id ? file->id : "", file->name, conv_id, file->size, file->id ? FETCH_NO_TOKEN : FETCH_NO_ID);
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
	*out = f->res;
	if (f->failed && e)
		*e = f->err;
	return !f->failed;
}
