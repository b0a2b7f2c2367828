/* fetch_in.h: what the parts of the downloader share. Private to replay/fetch*.c.
 *
 * fetch.c           opening, the sink, the loop; what becomes of a file
 * fetch_judge.c     addresses, and whether what came is what was asked for
 * fetch_transfer.c  one attempt: what is asked, what libcurl calls, how it ended
 */
#ifndef MVCHAT_FETCH_IN_H
#define MVCHAT_FETCH_IN_H

#include "core/arena.h"
#include "core/table.h"
#include "replay/fetch.h"

#include <curl/curl.h>

enum { FETCH_JOBS_MAX = 32, FETCH_HEADER_TEXT = 200, FETCH_URL_MAX = 8192 };

struct origin { bool https, loopback; char host[256]; long port; };

enum stage { STAGE_WAITING, STAGE_RUNNING };
struct job {
	struct fetch *f;
	enum stage stage;
	CURL *easy;
	struct curl_slist *headers;
	char *id, *name, *conv, *url, *part, *tag;
	int64_t size;              /* -1 unknown */
	char mime[FETCH_HEADER_TEXT];
	bool canvas;
	int fd, tries, hops;
	int64_t have, not_before;
	/* of the answer that is coming in */
	bool paused;               /* until there is budget */
	bool begun, broken_range, too_long, failed_write;
	enum fetch_why why;
	int64_t noise;
	char type[FETCH_HEADER_TEXT], range[FETCH_HEADER_TEXT], etag[FETCH_HEADER_TEXT], modified[FETCH_HEADER_TEXT];
};

struct fetch {
	struct fetch_config c;
	struct fetch_result res;
	char *base;
	CURLM *multi;
	struct job *jobs[FETCH_JOBS_MAX];
	int n_jobs, max_jobs;
	struct arena arena;
	struct table asked, seen;  /* ids that are dealt with; ids of files met in messages */
	char secrets[16][256];
	int n_secrets, sign_ins;
	int64_t told_us, begun_us;
	int64_t budget, budget_us; /* bandwidth: bytes that may come, and when that was so; may be below zero by one piece */
	bool failed;
	struct err err;
};

/* fetch_judge.c */
bool fetch_origin(const char *url, struct origin *o);               /* false: no plain http(s) address, or one with a user name in it */
bool fetch_is_slack(const struct origin *o);                        /* a server that an export's token belongs to */
char *fetch_ask_at(const struct fetch *f, const char *url);         /* behind the base of a test; the caller frees */
bool fetch_may_be_html(const struct job *j);                        /* may this file be a page? A canvas comes as one */
enum fetch_why fetch_judge(const struct job *j);                    /* of a body that came whole */

/* fetch_transfer.c */
void fetch_start(struct job *j);                                    /* one attempt; j may be gone afterwards */
void fetch_ended(struct job *j, CURLcode rc);                       /* the same */
bool fetch_flow(struct fetch *f, int64_t *due_us);                  /* bandwidth: lets go on who may; false: all that run wait until *due_us */

/* fetch.c: each of the last four may end j */
void fetch_fail(struct fetch *f, const struct err *e);
void fetch_again(struct job *j, enum fetch_why why, int64_t wait_s);
void fetch_give_up(struct job *j, enum fetch_why why);
void fetch_accept(struct job *j);
void fetch_job_free(struct job *j);

#endif
