/* fetch_judge.c: whose server an address is, and whether what came is the file that was asked for.
 *
 * Called by fetch.c and fetch_transfer.c. Pure but for the first bytes of the part it judges.
 */
#include "replay/fetch_in.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { HEAD = 512 };

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

bool fetch_origin(const char *url, struct origin *o)
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

bool fetch_is_slack(const struct origin *o)
{
	return o->https && o->port == 443 && (ends_with(o->host, ".slack.com") || ends_with(o->host, ".slack-gov.com"));
}

/* The path and query of an address behind the base of a test; the address itself without one. */
char *fetch_ask_at(const struct fetch *f, const char *url)
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

bool fetch_may_be_html(const struct job *j)
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

enum fetch_why fetch_judge(const struct job *j)
{
	char head[HEAD];
	ssize_t n = pread(j->fd, head, sizeof(head), 0);
	bool known = j->size > 0, whole = known && j->have == j->size;
	size_t got = n > 0 ? (size_t)n : 0;
	bool html = looks_html(head, got);
	if (html && !fetch_may_be_html(j) && !(whole && !strstr(j->type, "html")))
		return FETCH_SIGN_IN;
	if (known && !whole)
		return html && !j->canvas ? FETCH_SIGN_IN : FETCH_SIZE;
	if (!known && (j->have == 0 ? j->size < 0 : !head_fits(j, head, got)))
		return FETCH_CONTENT;
	return FETCH_OK;
}

