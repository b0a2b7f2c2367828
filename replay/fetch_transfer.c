/* fetch_transfer.c: one attempt at one file: the request, what libcurl hands over, how it ended; and how fast it may go.
 *
 * Called by fetch.c's loop. Ranges: RFC 9110 §14; If-Range takes a strong entity tag or a date (§13.1.5).
 */
#include "replay/fetch_in.h"

#include "core/clock.h"
#include "core/step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	HOPS = 3,                  /* redirects on the same server */
	CONNECT_S = 15, STALL_S = 60, /* without one byte */
	NOISE_MAX = 64 << 10,      /* bytes of an error page that are read before the connection is given up */
	BURST_MIN = 16 << 10,      /* bandwidth: what may come at once */
};

/* ---- what libcurl calls ---- */

static void keep_header(const char *line, size_t n, const char *name, char out[FETCH_HEADER_TEXT])
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
	if (n < FETCH_HEADER_TEXT) {
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

/* "bytes 200-999/1000", or a star where the whole is not known (all: -1). */
static bool content_range(const char *s, long long *from, long long *all)
{
	char *end;
	*all = -1;
	if (strncmp(s, "bytes ", 6) != 0 || s[6] < '0' || s[6] > '9')
		return false;
	errno = 0;
	*from = strtoll(s + 6, &end, 10);
	if (*end != '-' || end[1] < '0' || end[1] > '9' || strtoll(end + 1, &end, 10) < *from || *end != '/')
		return false;
	if (end[1] >= '0' && end[1] <= '9')
		*all = strtoll(end + 1, &end, 10);
	return errno == 0;
}

/* The first bytes of a body: is it the file's, and from where? */
static bool begin_body(struct job *j, long status)
{
	long long from, all;
	j->begun = true;
	if (status == 200 && strstr(j->type, "html") && !fetch_may_be_html(j)) {
		j->why = FETCH_SIGN_IN;
		return false;
	}
	if (status == 206 && (!content_range(j->range, &from, &all) || from != j->have || (all >= 0 && j->size > 0 && all != j->size))) {
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
		step("part-begun");
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
	if (j->f->c.bytes_per_s > 0) {
		if (j->f->budget <= 0) {
			j->paused = true;
			return CURL_WRITEFUNC_PAUSE; /* it comes again */
		}
		j->f->budget -= (int64_t)n;
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

/* ---- bandwidth ---- */

/* One budget for all, so that whoever is alone has all of it. By our own clock. */
bool fetch_flow(struct fetch *f, int64_t *due_us)
{
	const int64_t rate = f->c.bytes_per_s, now = clock_mono_us(), most = rate / 4 > BURST_MIN ? rate / 4 : BURST_MIN;
	bool flowing = false, held = false;
	if (rate <= 0)
		return true;
	const double gained = (double)(now - f->budget_us) * (double)rate / 1e6;
	if (gained >= 1) {
		f->budget = gained > (double)(most - f->budget) ? most : f->budget + (int64_t)gained;
		f->budget_us = now;
	}
	for (int i = 0; i < f->n_jobs; i++) {
		struct job *j = f->jobs[i];
		if (j->stage != STAGE_RUNNING)
			continue;
		if (j->paused && f->budget > 0) {
			j->paused = false;
			curl_easy_pause(j->easy, CURLPAUSE_CONT); /* may hand over what it held, and be paused again */
		}
		held = held || j->paused;
		flowing = flowing || !j->paused;
	}
	*due_us = now + (int64_t)((double)(1 - f->budget) * 1e6 / (double)rate) + 1;
	return flowing || !held;
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
		fetch_fail(j->f, &e);
		return false;
	}
	j->have = st.st_size;
	return true;
}

/* What is there is gone on with only when it can be told whether the rest belongs to it. */
static void add_range(struct job *j)
{
	char tag[FETCH_HEADER_TEXT], line[FETCH_HEADER_TEXT + 16];
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
	if (c->bytes_per_s > 0)
		curl_easy_setopt(h, CURLOPT_BUFFERSIZE, 16384L); /* pieces small enough to be held back */
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, j);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, j);
}

void fetch_start(struct job *j)
{
	struct origin o;
	if (!open_part(j)) {
		fetch_job_free(j);
		return;
	}
	if (!fetch_origin(j->url, &o) || (!o.https && !o.loopback)) {
		fetch_give_up(j, FETCH_HOST);
		return;
	}
	if (j->size > 0 && j->have == j->size) { /* an earlier run had all of it and died before it was entered */
		j->type[0] = '\0';
		fetch_accept(j);
		return;
	}
	if (j->easy)
		curl_easy_reset(j->easy);
	else if (!(j->easy = curl_easy_init()))
		die("out of memory (curl_easy)");
	curl_slist_free_all(j->headers);
	j->headers = NULL;
	j->paused = j->begun = j->broken_range = j->too_long = j->failed_write = false;
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
	if (curl_easy_getinfo(j->easy, CURLINFO_REDIRECT_URL, &to) != CURLE_OK || !to || strlen(to) > FETCH_URL_MAX || !fetch_origin(j->url, &a) || !fetch_origin(to, &b)) {
		fetch_give_up(j, FETCH_REDIRECT);
	} else if (a.https != b.https || a.port != b.port || strcasecmp(a.host, b.host)) {
		fetch_give_up(j, strstr(to, "redir=") || strstr(to, "signin") || fetch_is_slack(&b) ? FETCH_SIGN_IN : FETCH_REDIRECT);
	} else if (j->hops++ >= HOPS) {
		fetch_give_up(j, FETCH_REDIRECT);
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

void fetch_ended(struct job *j, CURLcode rc)
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
		fetch_fail(f, &e);
		fetch_job_free(j);
	} else if (j->why != FETCH_OK) {
		fetch_give_up(j, j->why);
	} else if (j->too_long) {
		fetch_give_up(j, FETCH_SIZE);
	} else if (j->broken_range || status == 416) {
		cut(j);
		fetch_again(j, FETCH_SERVER, -1);
	} else if (status >= 300 && status < 400) {
		redirected(j);
	} else if (status == 429 || status >= 500) {
		fetch_again(j, FETCH_SERVER, wait_s);
	} else if (status == 404 || status == 410) {
		fetch_give_up(j, FETCH_NOT_FOUND);
	} else if (status >= 400) {
		fetch_give_up(j, FETCH_REFUSED);
	} else if (rc != CURLE_OK || status < 200) {
		fetch_again(j, FETCH_NETWORK, -1);
	} else if (length < 0 && j->size > 0 && j->have < j->size) {
		fetch_again(j, FETCH_SIZE, -1); /* ended without having said how long it is: cut, perhaps */
	} else {
		if (!j->begun)
			begin_body(j, status); /* an empty body never called */
		fetch_accept(j);
	}
}

