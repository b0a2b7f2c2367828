/* fetch.h: downloads the files an export only links to, before its token dies.
 *
 * A sink: records of an archive are walked into it, and what sink.secret_url tells is downloaded while the walk goes on, at
 * most `jobs` at a time; so memory does not grow with the number of addresses, and no address is kept anywhere. Each file id
 * once, whatever the number of messages and archives.
 *
 * A token goes to the server it belongs to and to nobody else: https, host *.slack.com; a redirect is followed on the same server
 * only. What comes is judged before it counts: status, size, first bytes; a sign-in page is never kept as a photo. Interrupted
 * downloads go on where they stopped (Range, If-Range). Addresses and tokens are in no message, no error and no file.
 *
 * These files (fetch*.c) and wire are the only ones that use libcurl: wire is about requests that write and are small, this about
 * bodies that are large and harmless to ask for twice.
 */
#ifndef MVCHAT_FETCH_H
#define MVCHAT_FETCH_H

#include "importers/importer.h"
#include "replay/filestore.h"

/* Why a file could not be had; fetch_why_name gives the stable word of the lists. */
enum fetch_why {
	FETCH_OK,
	FETCH_SIGN_IN,    /* an HTML page, or a redirect to one: the token is no longer valid */
	FETCH_NOT_FOUND,  /* 404, 410 */
	FETCH_REFUSED,    /* 401, 403 and other 4xx */
	FETCH_SIZE,       /* not as many bytes as the message says */
	FETCH_CONTENT,    /* not what the message says: first bytes */
	FETCH_NO_TOKEN,   /* the archive's address carries none */
	FETCH_NO_ID,      /* nothing to know it by */
	FETCH_HOST,       /* the address is not one of Slack's: the token is not sent there */
	FETCH_REDIRECT,   /* led to another server */
	FETCH_SERVER,     /* 5xx or 429 to the last try */
	FETCH_NETWORK,    /* not reached, or cut to the last try */
	FETCH_DELETED,    /* the source itself no longer has it */
	N_FETCH_WHY
};
const char *fetch_why_name(enum fetch_why why); /* "sign-in-page" … */

struct fetch_missing { const char *id, *name, *conv; int64_t size; enum fetch_why why; };
struct fetch_result {
	int64_t linked;            /* file ids that are only linked */
	int64_t fetched, had;      /* now; earlier */
	int64_t missing;           /* linked and not had */
	int64_t present, external, gone; /* file ids in the archives; links to elsewhere; deleted in the source */
	int64_t bytes, requests, elapsed_us;
	bool stopped;
};
struct fetch_config {
	struct filestore *store;      /* opened for writing; outlives the fetch */
	const char *base;             /* asks this loopback address instead of the host (tests); NULL = none */
	const char *cacert, *proxy;   /* or NULL; HTTPS_PROXY and NO_PROXY are honoured by libcurl */
	int jobs;                     /* 0 = 4; at most 32 */
	int64_t bytes_per_s;          /* for all together; 0 = no limit */
	const volatile int *stop;     /* set by ^C */
	void (*missing)(void *ctx, const struct fetch_missing *m);
	void (*progress)(void *ctx, const struct fetch_result *so_far);
	void *ctx;
};
struct fetch;
struct fetch *fetch_open(const struct fetch_config *c, struct err *e); /* ERR_USAGE: a base that is not loopback */
void fetch_sink(struct fetch *f, struct sink *out);
/* After the last walk: waits for what is under way. false + err: the store could not be written. */
bool fetch_finish(struct fetch *f, struct fetch_result *out, struct err *e);
void fetch_close(struct fetch *f);

#endif
