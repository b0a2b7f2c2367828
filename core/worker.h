/* worker.h: one other thread that does jobs in the order they are given: the only place where this program has threads of its own.
 *
 * The program is single-threaded except where a second core measurably helps (inflating ahead of the parser, filling the spool
 * behind it). Who uses this needs no locks under one rule: from worker_give until worker_wait has returned, what the job touches
 * belongs to the worker; before and after, to the caller. The order of jobs is the order of giving, so results do not depend on
 * timing. Signals are never delivered to the worker.
 */
#ifndef MVCHAT_WORKER_H
#define MVCHAT_WORKER_H

#include "core/base.h"

struct worker;
typedef void (*worker_fn)(void *ctx, void *job);

/* NULL where there is only one processor or no thread to be had: the caller then does its jobs itself. */
struct worker *worker_new(worker_fn fn, void *ctx);
/* Gives a job, borrowed until it is done. At most WORKER_DEPTH wait; giving one more waits for the first. Returns its number, from 1. */
enum { WORKER_DEPTH = 8 };
uint64_t worker_give(struct worker *w, void *job);
/* Returns when this job and all before it are done; what they wrote is then seen. 0 returns at once. */
void worker_wait(struct worker *w, uint64_t number);
/* Waits for all jobs, ends the thread. NULL is fine. */
void worker_close(struct worker *w);

#endif
