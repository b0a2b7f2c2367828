/* wire_in.h: what the wire's files share: wire_open.c (addresses, tokens, life), wire_send.c (a request on its way), wire.c (what
 * came of it). Nobody else includes it. */
#ifndef MVCHAT_WIRE_IN_H
#define MVCHAT_WIRE_IN_H

#include "core/arena.h"
#include "core/buf.h"
#include "replay/wire.h"

#include <curl/curl.h>
#include <signal.h>

enum {
	CONNECT_S = 15, TOTAL_S = 60, CONNECTIONS = 320, ANSWER_MAX = 32 << 20,
	OWN_FILES = 48,           /* files that others here have open: archive, ledger, spool, logs */
	HEAD_MAX = 256 << 10,     /* bytes of an answer's header fields; libcurl keeps each of them */
	KEEP_ANSWER = 256 << 10,  /* memory of an answer kept for the next one */
	CALL_CHUNK = 4096,        /* of the memory for one request: an address, tokens, an ordinary message */
	IDLE_CONNECTION_S = 30,   /* an older one has likely been closed at the other end: do not try our luck */
	SLICE_MS = 500,           /* a signal that arrives just before we wait is noticed after at most this */
	TOOK_MAX_S = 3600,
	OFF_US = 60000000,        /* so far apart may clocks be that are taken for right */
	HANG_MS = 150,            /* virtual clock: a server silent for so long of real time is taken to hang */
	HEADER_TEXT = 128,
	HEADERS_MAX = 5,
};

struct origin { bool https, loopback; char host[256]; long port; };

struct call {
	struct wire *w;
	struct call *next, *prev;
	CURL *easy;
	uint32_t shape;            /* enum shape of the request it was told of last; 0 = none */
	struct curl_slist header[HEADERS_MAX]; /* a list for libcurl, which only reads it; texts in arena or constant */
	size_t n_headers;
	struct arena arena;        /* what was copied from the request */
	void *tag;
	uint64_t round;            /* wire.rounds when it was added: libcurl has not looked at it while they are the same */
	bool writes, waited_for;   /* waited_for: wire_call takes it, wire_poll does not */
	const char *method, *shown; /* shown: the address without its query */
	const char *body, *tail;
	size_t body_len, tail_len;
	struct vfile *vf;          /* owned while under way */
	int64_t file_size;
	int64_t pos, total;        /* of the whole request body */
	struct err local;          /* set when our own side failed */
	int64_t connect_by_us, done_by_us;
	struct buf answer;
	bool too_large;
	size_t head;               /* bytes of header fields so far */
	char retry_after[HEADER_TEXT], date[HEADER_TEXT], content_type[HEADER_TEXT], took[HEADER_TEXT];
	int64_t sent_us, due_us;   /* virtual clock: the answer, which is here, comes at that moment */
	char errbuf[CURL_ERROR_SIZE];
	enum wire_class cls;
	int status, retry_after_s;
	char why[256];
};

struct list { struct call *head, *tail; size_t n; };

struct wire {
	CURLM *multi;
	char *base, *admin, *cacert, *proxy;
	char *bot[BOTS_MAX]; size_t n_bots;
	bool proxy_loopback;
	struct origin origin;
	int64_t connect_us, total_us, answer_max;
	size_t connections;
	struct vfile *(*open_file)(void *ctx, const struct file *f, struct err *e);
	void *ctx;
	struct list active, held, done, handed, idle; /* under way · answered, but not yet come · finished · with the caller until the next poll · for reuse */
	int64_t started, writes, throttled;
	uint64_t events;           /* counts every sign of life */
	uint64_t rounds;           /* how often libcurl was asked to go on */
	int64_t hang_us;
	struct sigaction old_pipe;
	bool pipe_changed;
	bool fresh;                /* requests were added that libcurl has not begun */
	bool has_skew;
	int64_t skew_s;            /* of the last answer's Date */
	int64_t epoch_us;          /* the target's time when our monotonic clock was 0 */
	char last_date[HEADER_TEXT];
};

static inline void list_push(struct list *l, struct call *c)
{
	c->next = NULL;
	c->prev = l->tail;
	if (l->tail)
		l->tail->next = c;
	else
		l->head = c;
	l->tail = c;
	l->n++;
}

static inline void list_drop(struct list *l, struct call *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		l->head = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		l->tail = c->prev;
	c->next = c->prev = NULL;
	l->n--;
}

/* ---- wire_open.c ---- */
/* Takes an address apart and refuses what must not be asked: other schemes, plain http beyond loopback, user names in it. */
bool wire_origin_of(const char *url, struct origin *o, enum err_code code, struct err *e);
bool wire_same_origin(const struct origin *a, const struct origin *b);
bool wire_header_safe(const char *s);
struct call *wire_call_new(struct wire *w);
void wire_recycle(struct wire *w, struct call *c); /* a call that is over gives its memory to the next one */

/* ---- wire_send.c ---- */
/* waited_for: wire_call takes it, wire_poll does not. NULL + err: refused, nothing was begun. */
struct call *wire_start(struct wire *w, const struct http_req *r, void *tag, bool waited_for, struct err *e);
void wire_end(struct call *c, enum wire_class cls); /* over: into the list of those done */
void wire_end_local(struct call *c);                /* ... for a reason of our own side (call.local) */

#endif
