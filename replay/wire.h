/* wire.h: the only place that knows libcurl: requests out, answers in, and an honest word on what is not known.
 *
 * Single-threaded over curl_multi. Secrets are added here and nowhere else. A mutating request is never re-sent by the
 * library: its body goes through CURLOPT_READFUNCTION without a seek function (a reused connection that dies gives
 * CURLE_SEND_FAIL_REWIND, our UNKNOWN), one without a body uses a fresh connection; no redirects on anything that writes;
 * https only but for loopback. Timeouts run on core/clock, so a virtual clock can end a hung request at once.
 * With a virtual clock every request carries "X-Mvchat-Now: <wall microseconds> <process>".
 */
#ifndef MVCHAT_WIRE_H
#define MVCHAT_WIRE_H

#include "core/vault.h"
#include "exporters/exporter.h"

struct wire;
struct wire_config {
	const char *base_url;
	const char *admin_token, *bot_token;   /* or NULL; registered with log_secret here */
	const char *const *more_bot_tokens;    /* of further bots, NULL-terminated, at most BOTS_MAX - 1; or NULL */
	const char *cacert, *proxy;            /* or NULL; proxies of the environment are honoured by libcurl */
	int connect_timeout_s, timeout_s;      /* 0 = 15, 60 */
	int max_connections;                   /* 0 = 320, or as many as the process may open files for */
	int64_t max_answer_bytes;              /* 0 = 32 MiB */
	/* Opens a file of the archive for streaming (http_req.stream). */
	struct vfile *(*open_file)(void *ctx, const struct file *f, struct err *e);
	void *ctx;
};
struct wire *wire_open(const struct wire_config *c, struct err *e); /* ERR_USAGE: plain http beyond loopback, bad address */
void wire_close(struct wire *w);

enum wire_class {
	WIRE_ANSWER,   /* a complete HTTP answer is in resp */
	WIRE_UNSENT,   /* no byte of the request left this machine: certainly not applied */
	WIRE_UNKNOWN,  /* it may or may not have been applied */
	WIRE_LOCAL,    /* our own side failed before or while sending (file unreadable): why; nothing visible was written */
};
struct wire_done { void *tag; enum wire_class cls; struct http_resp resp; /* valid until the next wire_poll */ const char *why; };

/* From now on the bot with this number is the first, and the first has its number. */
void wire_first_bot(struct wire *w, int bot);
/* Starts a request; everything is copied except stream files' names (copied too). tag comes back in wire_done. */
bool wire_send(struct wire *w, const struct http_req *r, void *tag, struct err *e);
/* Opens a file as wire_send does for a stream; NULL + err. */
struct vfile *wire_file(struct wire *w, const struct file *f, struct err *e);
size_t wire_in_flight(const struct wire *w);
/* Waits until something finished or the deadline (clock_mono_us) passed or a signal came; fills at most max rows. */
size_t wire_poll(struct wire *w, int64_t deadline_mono_us, struct wire_done *out, size_t max);
/* One request, waited for. resp's strings live in a. For reads and HELLO. */
enum wire_class wire_call(struct wire *w, const struct http_req *r, struct arena *a, struct http_resp *resp, struct err *e);
int64_t wire_requests(const struct wire *w, bool writes_only); /* how many were started */
int64_t wire_throttled(const struct wire *w);                  /* answers 429 seen */
size_t wire_connections(const struct wire *w);                 /* how many it opens at most; more requests at once wait for one */

/* How far ahead of ours the clock of the last answer's sender was (its Date header); false: nobody told. For doctor. */
bool wire_skew(const struct wire *w, int64_t *seconds);
/* The target's time, UTC microseconds, for what is compared with times that the target tells. It goes by our monotonic clock, from our time when the wire
 * was opened, put right where an answer's Date (RFC 9110, 6.6.1; whole seconds) is more than a minute off: whatever this machine's
 * clock says, and whoever sets it meanwhile. *told, may be NULL: has an answer told its time? */
int64_t wire_now_us(const struct wire *w, bool *told);
const char *wire_library(void); /* version of what is behind it */

#endif
