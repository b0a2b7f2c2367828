/* worker.c: see worker.h. A ring of jobs under one mutex; the worker holds the mutex only to take a job and to say that it is done. */
#include "core/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct worker {
	worker_fn fn;
	void *ctx;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t given_more, done_more;
	void *jobs[WORKER_DEPTH]; /* job number n stands at n % WORKER_DEPTH */
	uint64_t given, done;     /* numbers of the last ones */
	bool ending;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (w->done == w->given && !w->ending)
			pthread_cond_wait(&w->given_more, &w->lock);
		if (w->done == w->given)
			break;
		void *job = w->jobs[(w->done + 1) % WORKER_DEPTH];
		pthread_mutex_unlock(&w->lock);
		w->fn(w->ctx, job);
		pthread_mutex_lock(&w->lock);
		w->done++;
		pthread_cond_signal(&w->done_more);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct worker *worker_new(worker_fn fn, void *ctx)
{
	sigset_t all, before;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return NULL;
	struct worker *w = xcalloc(1, sizeof(*w));
	w->fn = fn;
	w->ctx = ctx;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->given_more, NULL);
	pthread_cond_init(&w->done_more, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* which the new thread inherits */
	int failed = pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		pthread_cond_destroy(&w->given_more);
		pthread_cond_destroy(&w->done_more);
		pthread_mutex_destroy(&w->lock);
		free(w);
		return NULL;
	}
	return w;
}

uint64_t worker_give(struct worker *w, void *job)
{
	pthread_mutex_lock(&w->lock);
	while (w->given - w->done == WORKER_DEPTH)
		pthread_cond_wait(&w->done_more, &w->lock);
	uint64_t number = ++w->given;
	w->jobs[number % WORKER_DEPTH] = job;
	pthread_cond_signal(&w->given_more);
	pthread_mutex_unlock(&w->lock);
	return number;
}

void worker_wait(struct worker *w, uint64_t number)
{
	pthread_mutex_lock(&w->lock);
	if (number > w->given)
		die("worker_wait: %llu of %llu", (unsigned long long)number, (unsigned long long)w->given);
	while (w->done < number)
		pthread_cond_wait(&w->done_more, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

void worker_close(struct worker *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_cond_signal(&w->given_more);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->given_more);
	pthread_cond_destroy(&w->done_more);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
