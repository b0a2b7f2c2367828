/* wire.c: requests out, answers in, over one curl_multi handle.
 *
 * Promises: a mutating request leaves this machine at most once; a request whose fate is not certain is called WIRE_UNKNOWN
 * and never a success or a clean failure; tokens go only to the base address's own host, over https or loopback; memory for
 * answers, time for requests and the number of connections are bounded; no sentence made here holds a token or a query.
 * Called by session.c and engine.c. It does not retry, does not pace and does not look into bodies.
 *
 * Why bodies are read through a callback: libcurl sends a request again, by itself and up to five times, when a *reused*
 * connection dies before the first byte of the answer, whatever the method (curl lib/transfer.c, Curl_retry_request). The
 * server may have applied the first. A body from CURLOPT_READFUNCTION that cannot be rewound makes it give up with
 * CURLE_SEND_FAIL_REWIND instead. Without a body there is nothing to rewind, so such a request gets a connection of its own;
 * and HTTP/1.1, because a second stream on an HTTP/2 connection would make that connection a reused one while our request is
 * under way. tests/unit/test_wire.c pins both.
 */
#include "replay/wire_in.h"

#include "core/clock.h"
#include "core/log.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Real time, also under a virtual clock: only for noticing that a server is silent. */
static int64_t real_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

size_t wire_in_flight(const struct wire *w)
{
	size_t n = w->active.n + w->held.n;
	for (const struct call *c = w->done.head; c; c = c->next)
		n += !c->waited_for;
	return n;
}

/* ---- what came of it ---- */

/* RFC 9110, 10.2.3: seconds or a date; the date is taken relative to the server's own clock where it tells it. */
static int parse_retry_after(const char *s, const char *date)
{
	if (!*s)
		return -1;
	bool negative = *s == '-';
	size_t digits = strspn(s + negative, "0123456789");
	if (digits && !s[(size_t)negative + digits]) {
		if (negative)
			return 0;
		return digits > 9 ? INT_MAX : (int)strtol(s, NULL, 10);
	}
	if (digits)
		return -1; /* curl_getdate would read "20.5" or "10 apples" as some date */
	time_t at = curl_getdate(s, NULL), now = *date ? curl_getdate(date, NULL) : -1;
	if (at < 0)
		return -1;
	if (now < 0)
		now = (time_t)(clock_wall_us() / 1000000);
	if (at <= now)
		return 0;
	return at - now > INT_MAX ? INT_MAX : (int)(at - now);
}

/* Has the request been begun to be written to a connection? */
static bool begun(const struct call *c)
{
	long sent = 0;
	curl_off_t pre = 0;
	if (c->round == c->w->rounds)
		return false; /* what libcurl tells is of the handle's last request */
	curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &sent);
	curl_easy_getinfo(c->easy, CURLINFO_PRETRANSFER_TIME_T, &pre);
	return sent > 0 || pre > 0 || c->pos > 0;
}

static void say(struct call *c, const char *what, const char *detail)
{
	struct buf b;
	buf_init(&b, sizeof(c->why) * 2);
	log_redact(detail, strlen(detail), &b);
	fmt_into(c->why, sizeof(c->why), "%s%s%s", err_word(what), b.len ? ": " : "", b.p);
	buf_release(&b);
}

/* A sentence for libcurl's verdict. Its own words are used only for the phase before the request, where they name hosts and
 * certificates but never an address's query. */
static void say_why(struct call *c, CURLcode code)
{
	long os = 0;
	curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &os);
	if (c->head > HEAD_MAX) {
		fmt_into(c->why, sizeof(c->why), "the answer's header fields are larger than %d bytes", (int)HEAD_MAX);
		return;
	}
	if (c->too_large) {
		fmt_into(c->why, sizeof(c->why), "the answer is larger than %lld bytes", (long long)c->w->answer_max);
		return;
	}
	long proxy = 0;
	if (curl_easy_getinfo(c->easy, CURLINFO_HTTP_CONNECTCODE, &proxy) == CURLE_OK && proxy >= 300) {
		fmt_into(c->why, sizeof(c->why), "the proxy refuses the connection (status %ld)", proxy);
		return;
	}
	switch ((int)code) { /* CURLcode has a hundred values; most can only happen to other protocols */
	case CURLE_COULDNT_CONNECT:
		say(c, N_("cannot connect"), os ? strerror((int)os) : "");
		break;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		say(c, N_("cannot connect"), c->errbuf[0] ? c->errbuf : curl_easy_strerror(code));
		break;
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_FAIL_REWIND:
		say(c, N_("the connection ended before an answer came"), "");
		break;
	case CURLE_PARTIAL_FILE:
		say(c, N_("the answer was cut short"), "");
		break;
	case CURLE_SEND_ERROR:
		say(c, N_("the connection broke while the request was sent"), "");
		break;
	case CURLE_RECV_ERROR:
		say(c, N_("the connection broke before the answer was complete"), "");
		break;
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		say(c, N_("the connection broke (HTTP/2)"), "");
		break;
	default:
		say(c, curl_easy_strerror(code), "");
		break;
	}
}

/* One look at each new second is enough. */
static void read_skew(struct wire *w, const char *date)
{
	if (!*date || streq(date, w->last_date))
		return;
	memcpy(w->last_date, date, strlen(date) + 1);
	time_t theirs = curl_getdate(date, NULL);
	if (theirs > 0) {
		w->has_skew = true;
		w->skew_s = (int64_t)theirs - clock_wall_us() / 1000000;
		int64_t off = (int64_t)theirs * 1000000 - wire_now_us(w, NULL);
		if (off < -OFF_US || off > OFF_US)
			w->epoch_us += off;
	}
}

/* The sandbox says how long an answer took on the virtual clock: it has come only then. */
static bool hold(struct call *c)
{
	long long took = clock_is_virtual() && !c->waited_for ? strtoll(c->took, NULL, 10) : 0;
	if (took <= 0)
		return false;
	c->due_us = c->sent_us + (took < (int64_t)TOOK_MAX_S * 1000000 ? took : (int64_t)TOOK_MAX_S * 1000000);
	list_push(&c->w->held, c);
	c->w->events++;
	return true;
}

/* Whose moment has come; until when the others are held. */
static int64_t let_come(struct wire *w)
{
	int64_t now = clock_mono_us(), next_us = INT64_MAX;
	for (struct call *c = w->held.head, *next; c; c = next) {
		next = c->next;
		if (c->due_us <= now) {
			list_drop(&w->held, c);
			wire_end(c, WIRE_ANSWER);
		} else if (c->due_us < next_us) {
			next_us = c->due_us;
		}
	}
	return next_us;
}

static void finish(struct call *c, CURLcode code)
{
	struct wire *w = c->w;
	bool sent = begun(c);
	long status = 0;
	if (code == CURLE_OK)
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK)
		say_why(c, code);
	curl_multi_remove_handle(w->multi, c->easy);
	list_drop(&w->active, c);
	if (code == CURLE_OK && status > 0) {
		c->status = (int)status;
		c->retry_after_s = parse_retry_after(c->retry_after, c->date);
		w->throttled += status == 429;
		read_skew(w, c->date);
		if (!hold(c))
			wire_end(c, WIRE_ANSWER);
	} else if (code == CURLE_OK) {
		say(c, N_("an answer that is not HTTP"), "");
		wire_end(c, WIRE_UNKNOWN);
	} else if (c->local.code != ERR_NONE) {
		wire_end_local(c);
	} else {
		wire_end(c, sent ? WIRE_UNKNOWN : WIRE_UNSENT);
	}
}

/* Until when this call may last; the connection's own limit counts while there is none. */
static int64_t deadline_of(const struct call *c)
{
	return c->connect_by_us < c->done_by_us && !begun(c) ? c->connect_by_us : c->done_by_us;
}

static void expire(struct wire *w)
{
	int64_t now = clock_mono_us();
	for (struct call *c = w->active.head, *next; c; c = next) {
		next = c->next;
		if (now < c->connect_by_us && now < c->done_by_us)
			continue;
		if (now < deadline_of(c))
			continue;
		bool sent = begun(c);
		say(c, sent ? N_("no answer in time") : N_("no connection in time"), "");
		curl_multi_remove_handle(w->multi, c->easy);
		list_drop(&w->active, c);
		wire_end(c, sent ? WIRE_UNKNOWN : WIRE_UNSENT);
	}
}

static void pump(struct wire *w)
{
	int running, left;
	w->fresh = false;
	w->rounds++;
	CURLMcode m = curl_multi_perform(w->multi, &running);
	if (m != CURLM_OK)
		die("libcurl: %s", curl_multi_strerror(m));
	for (CURLMsg *msg; (msg = curl_multi_info_read(w->multi, &left));) {
		char *private = NULL;
		CURLcode code = msg->data.result;
		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
		finish((struct call *)(void *)private, code);
	}
	expire(w);
}

static int64_t nearest(const struct wire *w)
{
	int64_t t = INT64_MAX;
	for (const struct call *c = w->active.head; c; c = c->next) {
		int64_t d = deadline_of(c);
		t = d < t ? d : t;
	}
	return t;
}

static int to_ms(int64_t us)
{
	int64_t ms = us / 1000 + (us % 1000 > 0);
	return ms < 0 ? 0 : ms > SLICE_MS ? SLICE_MS : (int)ms;
}

enum waited { WAITED_EVENT, WAITED_NOTHING };

/* Waits for the network while requests are under way. Under a virtual clock time stands still here; only a server silent for
 * hang_us of real time makes it jump, to the nearest request's deadline, which then expires. */
static enum waited wait_network(struct wire *w, int64_t deadline_us)
{
	uint64_t before = w->events;
	int n = 0;
	if (!clock_is_virtual()) {
		int64_t until = nearest(w);
		until = deadline_us < until ? deadline_us : until;
		curl_multi_poll(w->multi, NULL, 0, to_ms(until - clock_mono_us()), &n);
		pump(w);
		return n > 0 || w->events != before ? WAITED_EVENT : WAITED_NOTHING;
	}
	int64_t begin = real_us();
	while (w->events == before) {
		int64_t left = begin + w->hang_us - real_us();
		if (left <= 0) {
			int64_t t = nearest(w), now = clock_mono_us();
			if (t > now)
				clock_advance_us(t - now);
			expire(w);
			return WAITED_EVENT;
		}
		curl_multi_poll(w->multi, NULL, 0, to_ms(left), &n);
		pump(w);
	}
	return WAITED_EVENT;
}

static size_t take_done(struct wire *w, struct wire_done *out, size_t max)
{
	size_t n = 0;
	for (struct call *c = w->done.head, *next; c && n < max; c = next) {
		next = c->next;
		if (c->waited_for)
			continue;
		list_drop(&w->done, c);
		list_push(&w->handed, c);
		out[n++] = (struct wire_done){
			.tag = c->tag, .cls = c->cls, .why = c->cls == WIRE_ANSWER ? NULL : c->why,
			.resp = { c->status, c->answer.p, c->answer.len, c->content_type, c->retry_after_s },
		};
	}
	return n;
}

size_t wire_poll(struct wire *w, int64_t deadline_us, struct wire_done *out, size_t max)
{
	for (struct call *c = w->handed.head, *next; c; c = next) {
		next = c->next;
		list_drop(&w->handed, c);
		wire_recycle(w, c);
	}
	/* libcurl looks at every request under way each time: only when there is reason to. Waiting does it as well. */
	if (w->fresh || deadline_us <= clock_mono_us())
		pump(w);
	for (;;) {
		if (w->held.n)
			let_come(w);
		size_t n = take_done(w, out, max);
		if (n || max == 0)
			return n;
		int64_t now = clock_mono_us();
		if (!w->active.n && w->held.n) { /* a virtual clock */
			int64_t due = let_come(w);
			clock_sleep_until_mono(due < deadline_us ? due : deadline_us);
			if (deadline_us < due)
				return 0;
			continue;
		}
		if (!w->active.n) {
			if (deadline_us <= now)
				return 0;
			int64_t slice = now + (int64_t)SLICE_MS * 1000;
			clock_sleep_until_mono(clock_is_virtual() || deadline_us < slice ? deadline_us : slice);
			return 0;
		}
		if (deadline_us <= now && !clock_is_virtual())
			return 0;
		if (wait_network(w, deadline_us) == WAITED_NOTHING)
			return take_done(w, out, max);
	}
}

enum wire_class wire_call(struct wire *w, const struct http_req *r, struct arena *a, struct http_resp *resp, struct err *e)
{
	*resp = (struct http_resp){ .body = "", .content_type = "", .retry_after_s = -1 };
	struct call *c = wire_start(w, r, NULL, true, e);
	if (!c)
		return WIRE_LOCAL;
	for (;;) {
		struct call *d = w->done.head;
		while (d && d != c)
			d = d->next;
		if (d)
			break;
		wait_network(w, INT64_MAX);
	}
	list_drop(&w->done, c);
	enum wire_class cls = c->cls;
	if (cls == WIRE_ANSWER)
		*resp = (struct http_resp){ c->status, arena_strndup(a, c->answer.p, c->answer.len), c->answer.len, arena_strdup(a, c->content_type),
			                    c->retry_after_s };
	else
		err_set(e, cls == WIRE_LOCAL ? ERR_ARCHIVE : ERR_TARGET, "%s", c->why);
	wire_recycle(w, c);
	return cls;
}

int64_t wire_requests(const struct wire *w, bool writes_only)
{
	return writes_only ? w->writes : w->started;
}

int64_t wire_throttled(const struct wire *w)
{
	return w->throttled;
}

size_t wire_connections(const struct wire *w)
{
	return w->connections;
}

const char *wire_library(void)
{
	return curl_version();
}

int64_t wire_now_us(const struct wire *w, bool *told)
{
	if (told)
		*told = w->has_skew;
	return w->epoch_us + clock_mono_us();
}

bool wire_skew(const struct wire *w, int64_t *seconds)
{
	*seconds = w->skew_s;
	return w->has_skew;
}
