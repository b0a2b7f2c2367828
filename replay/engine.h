/* engine.h: the loop: lanes × pacer × wire × ledger. Write-ahead, one open op per lane, unknown outcomes settled by reading
 * back, never guessed. Single-threaded. The protocol is in docs/replay.md; the state machine of one lane in replay/lane.h. */
#ifndef MVCHAT_ENGINE_H
#define MVCHAT_ENGINE_H

#include "replay/session.h"
#include "replay/stream.h"

struct engine_progress {
	int64_t done, total;          /* posts + edits */
	int64_t ops_done;             /* everything */
	size_t lanes_open, lanes_waiting, lanes_stopped, in_flight;
	int64_t throttled;
	int64_t wait_until_mono_us;   /* 0, or nothing can go before this moment */
	int64_t began_mono_us;
};
/* What is written, one op after the other: a stream (apply), or what rollback takes back. The three functions keep the promises
 * of stream_lanes, stream_next and stream_passed; `passed` runs inside the transaction that records the outcome. */
struct engine_source {
	bool (*lanes)(void *src, bool (*each)(void *ctx, const struct lane_spec *), void *ctx, struct err *e);
	enum stream_got (*next)(void *src, const struct lane_spec *lane, struct stream_pos *pos, size_t threads_open,
	                        stream_thread_fn on_thread, void *ctx, struct arena *a, struct stream_op *out, struct err *e);
	void (*passed)(void *src, struct stream_pos *pos, const struct stream_op *op);
	void *src;
};
struct engine_args {
	struct session *session;
	struct stream *stream;
	const struct engine_source *source; /* instead of stream; NULL = stream */
	struct ledger *ledger;
	int64_t run;
	int64_t total;                /* posts expected, for progress; 0 unknown */
	int max_tries;                /* resends after proof of absence; 0 = 3 */
	int settle_s;                 /* -1 = the traits' */
	int64_t max_wait_s;           /* longest Retry-After to sit out; 0 = 900 */
	int64_t small_first;          /* chats with at most so many messages to send go before the others; 0 = the heaviest first */
	bool people_first;            /* messages name people by their accounts: nothing else before all are made */
	int64_t max_ops;              /* stop resumably after so many ops; 0 = no limit */
	int64_t window_s;             /* stop resumably after so long; 0 = no limit */
	/* Quiet hours: 0, or until when (UTC us) nothing may be sent. NULL: none. */
	int64_t (*closed_until)(void *hours, int64_t wall_us);
	void *hours;
	const volatile int *stop;     /* set by the first ^C: no new intents, finish what is in flight */
	void (*progress)(void *ctx, const struct engine_progress *p); /* at most every 100 ms, and at the end */
	/* Something a person should read now: a lane that stopped, a rejection. */
	void (*event)(void *ctx, const char *ev, const char *lane, const char *what);
	void *ctx;
};
struct engine_result {
	int64_t posted, edited, created, uploaded, rejected, in_doubt, adopted /* unknown outcomes found by reading back */, resent;
	int64_t requests, writes, throttled;
	int64_t taken_back;           /* deletions and the like */
	size_t lanes_stopped;
	bool stopped;                 /* by args.stop, max_ops, window_s or max_wait */
	int64_t elapsed_us;           /* by the clock, virtual or real */
};
/* true: ran to its end or stopped resumably (see result). false + err: FATAL (ERR_TARGET), ERR_INTERNAL. */
bool engine_run(const struct engine_args *args, struct engine_result *out, struct err *e);

#endif
