/* wire_open.c: the wire's life: where it may go, with which tokens, and its calls' memory. Promises: tokens go only to the base
 * address's own host, over https or loopback; no token with a line end in it. Called by wire.c, wire_send.c and session.c. */
#include "replay/wire_in.h"

#include "core/clock.h"
#include "core/log.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

static unsigned users; /* of libcurl's global state */

/* ---- addresses ---- */

static bool is_loopback(const char *host)
{
	unsigned char v4[4];
	if (streq(host, "localhost") || streq(host, "::1") || streq(host, "[::1]"))
		return true;
	return inet_pton(AF_INET, host, v4) == 1 && v4[0] == 127;
}

static bool has_part(CURLU *u, CURLUPart part)
{
	char *s = NULL;
	bool has = curl_url_get(u, part, &s, 0) == CURLUE_OK;
	curl_free(s);
	return has;
}

/* Takes an address apart and refuses what must not be asked: other schemes, plain http beyond loopback, user names in it. */
bool wire_origin_of(const char *url, struct origin *o, enum err_code code, struct err *e)
{
	for (const char *s = url; *s; s++)
		if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
			return err_set(e, code, "an address with blanks or characters beyond ASCII");
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	if (!u)
		die("out of memory (address)");
	bool ok = curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	          curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	          *host && curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK && strlen(host) < sizeof(o->host);
	if (!ok) {
		err_set(e, code, "not an address of a server");
	} else if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD)) {
		ok = err_set(e, code, "an address with a user name or password in it");
	} else {
		memcpy(o->host, host, strlen(host) + 1);
		o->port = strtol(port, NULL, 10);
		o->https = !strcasecmp(scheme, "https");
		o->loopback = is_loopback(host);
		if (!o->https && strcasecmp(scheme, "http"))
			ok = err_set(e, code, "an address must begin with https://");
		else if (!o->https && !o->loopback)
			ok = err_set(e, code, "plain http to %s would show the tokens to the network; use https", host);
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return ok;
}

bool wire_same_origin(const struct origin *a, const struct origin *b)
{
	return a->https == b->https && a->port == b->port && !strcasecmp(a->host, b->host);
}

/* ---- opening and closing ---- */

bool wire_header_safe(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* A proxy's own password is a secret too. */
static bool read_proxy(struct wire *w, const char *proxy, struct err *e)
{
	CURLU *u = curl_url();
	char *host = NULL, *password = NULL;
	if (!u)
		die("out of memory (address)");
	bool ok = curl_url_set(u, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) == CURLUE_OK &&
	          curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK;
	if (ok) {
		w->proxy = xstrdup(proxy);
		w->proxy_loopback = is_loopback(host);
		if (curl_url_get(u, CURLUPART_PASSWORD, &password, CURLU_URLDECODE) == CURLUE_OK)
			log_secret(password);
	} else {
		err_set(e, ERR_USAGE, "the proxy is not an address");
	}
	curl_free(host);
	curl_free(password);
	curl_url_cleanup(u);
	return ok;
}

static bool keep_bot(struct wire *w, const char *token, struct err *e)
{
	for (size_t i = 0; i < w->n_bots; i++)
		if (streq(w->bot[i], token))
			return err_set(e, ERR_USAGE, "the same bot token was given twice");
	if (w->n_bots == BOTS_MAX)
		return err_set(e, ERR_USAGE, "more than %d bot tokens", (int)BOTS_MAX);
	w->bot[w->n_bots++] = xstrdup(token);
	return wire_header_safe(token) || err_set(e, ERR_USAGE, "a token with a line end or control character in it");
}

static bool read_tokens(struct wire *w, const struct wire_config *c, struct err *e)
{
	const char *const *more = c->more_bot_tokens;
	log_secret(c->admin_token);
	log_secret(c->bot_token);
	for (size_t i = 0; more && more[i]; i++)
		log_secret(more[i]);
	if (c->admin_token && !wire_header_safe(c->admin_token))
		return err_set(e, ERR_USAGE, "a token with a line end or control character in it");
	w->admin = c->admin_token ? xstrdup(c->admin_token) : NULL;
	bool ok = !c->bot_token || keep_bot(w, c->bot_token, e);
	for (size_t i = 0; ok && more && more[i]; i++)
		ok = keep_bot(w, more[i], e);
	return ok;
}

static bool configure(struct wire *w, const struct wire_config *c, struct err *e)
{
	if (!c->base_url || !*c->base_url)
		return err_set(e, ERR_USAGE, "no address of the target");
	if (!wire_origin_of(c->base_url, &w->origin, ERR_USAGE, e))
		return err_where(e, "--url");
	if (strpbrk(c->base_url, "?#"))
		return err_set(e, ERR_USAGE, "the target's address must not have a query");
	if (!read_tokens(w, c, e))
		return false;
	if (c->cacert && access(c->cacert, R_OK))
		return err_set(e, ERR_USAGE, "cannot read the certificates in %s:", c->cacert);
	if (c->proxy && *c->proxy && !read_proxy(w, c->proxy, e))
		return false;
	size_t n = strlen(c->base_url);
	while (n && c->base_url[n - 1] == '/')
		n--;
	w->base = xstrndup(c->base_url, n);
	w->cacert = c->cacert ? xstrdup(c->cacert) : NULL;
	w->connect_us = (int64_t)(c->connect_timeout_s > 0 ? c->connect_timeout_s : CONNECT_S) * 1000000;
	w->total_us = (int64_t)(c->timeout_s > 0 ? c->timeout_s : TOTAL_S) * 1000000;
	w->answer_max = c->max_answer_bytes > 0 ? c->max_answer_bytes : ANSWER_MAX;
	w->open_file = c->open_file;
	w->ctx = c->ctx;
	const char *hang = getenv("MVCHAT_CLOCK_HANG_MS"); /* for slow test machines (valgrind) */
	int64_t ms = hang ? strtoll(hang, NULL, 10) : 0;
	w->hang_us = (ms > 0 && ms < 600000 ? ms : HANG_MS) * 1000;
	return true;
}

/* Beside a connection that brings a file there may be that file. */
static size_t connections_of(const struct wire_config *c)
{
	struct rlimit files;
	size_t most = c->max_connections > 0 ? (size_t)c->max_connections : CONNECTIONS;
	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur == RLIM_INFINITY)
		return most;
	size_t room = files.rlim_cur > OWN_FILES + 4 ? (size_t)(files.rlim_cur - OWN_FILES) / 2 : 2;
	return room < most ? room : most;
}

struct wire *wire_open(const struct wire_config *c, struct err *e)
{
	if (users++ == 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		die("libcurl does not start");
	struct wire *w = xcalloc(1, sizeof(*w));
	w->epoch_us = clock_wall_us() - clock_mono_us();
	/* libcurl is told not to touch signals, so a peer that is gone must not kill us while OpenSSL writes. */
	struct sigaction now;
	if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
		struct sigaction ignore = { .sa_handler = SIG_IGN };
		sigemptyset(&ignore.sa_mask);
		w->pipe_changed = sigaction(SIGPIPE, &ignore, &w->old_pipe) == 0;
	}
	if (!configure(w, c, e)) {
		wire_close(w);
		return NULL;
	}
	w->multi = curl_multi_init();
	if (!w->multi)
		die("out of memory (curl_multi)");
	w->connections = connections_of(c);
	curl_multi_setopt(w->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)w->connections);
	curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)w->connections);
	curl_multi_setopt(w->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	return w;
}

static void call_free(struct call *c)
{
	if (c->vf)
		vfile_close(c->vf);
	curl_easy_cleanup(c->easy);
	arena_release(&c->arena);
	buf_release(&c->answer);
	free(c);
}

static void free_all(struct list *l)
{
	for (struct call *c = l->head, *next; c; c = next) {
		next = c->next;
		call_free(c);
	}
}

void wire_close(struct wire *w)
{
	if (!w)
		return;
	for (struct call *c = w->active.head; c; c = c->next)
		curl_multi_remove_handle(w->multi, c->easy);
	free_all(&w->active);
	free_all(&w->done);
	free_all(&w->held);
	free_all(&w->handed);
	free_all(&w->idle);
	curl_multi_cleanup(w->multi);
	if (w->pipe_changed)
		sigaction(SIGPIPE, &w->old_pipe, NULL);
	free(w->base);
	free(w->admin);
	for (size_t i = 0; i < w->n_bots; i++)
		free(w->bot[i]);
	free(w->cacert);
	free(w->proxy);
	free(w);
	if (--users == 0)
		curl_global_cleanup();
}

/* A call that is over gives its memory to the next one. */
void wire_recycle(struct wire *w, struct call *c)
{
	arena_reset(&c->arena);
	if (c->answer.cap > KEEP_ANSWER)
		buf_release(&c->answer);
	else
		buf_reset(&c->answer);
	list_push(&w->idle, c);
}

struct call *wire_call_new(struct wire *w)
{
	struct call *c = w->idle.head;
	if (c) {
		/* What is the same for all requests of its shape stays told; see set_options. */
		list_drop(&w->idle, c);
		struct call fresh = { .w = w, .easy = c->easy, .shape = c->shape, .arena = c->arena, .answer = c->answer };
		*c = fresh;
		return c;
	}
	c = xcalloc(1, sizeof(*c));
	c->w = w;
	c->easy = curl_easy_init();
	if (!c->easy)
		die("out of memory (curl_easy)");
	arena_init(&c->arena);
	c->arena.chunk = CALL_CHUNK;
	buf_init(&c->answer, (size_t)w->answer_max);
	return c;
}
