/* Promises: when rehearsal_start returns true the sandbox serves; it ends with its parent, also when that is killed, because the
 * pipe between them closes. Called by `mvchat move`. The child never prints and never returns. */
#include "cli/rehearsal.h"

#include "cli/cmd.h"
#include "cli/source_view.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PORT_FIRST = 18180, PORT_LAST = 18199, /* below the range systems hand out to outgoing connections: free again next time */
	AGAIN = 50, AGAIN_MS = 100,            /* the sandbox of a run that was just killed may need a moment to go */
};

struct started { int port; struct err err; }; /* what the child tells: smaller than PIPE_BUF, so it comes whole */

static void *watch(void *fd)
{
	char c;
	ssize_t n;
	while ((n = read(*(int *)fd, &c, 1)) > 0 || (n < 0 && errno == EINTR)) {
	}
	stop_signal = SIGTERM;
	return NULL;
}

static struct sandbox *open_at(struct sandbox_args *sa, int port, struct err *e)
{
	struct sandbox *s = NULL;
	if (port) {
		sa->port = port;
		for (int i = 0; i < AGAIN && !s && !stop_signal; i++) {
			if (i)
				poll(NULL, 0, AGAIN_MS);
			err_clear(e);
			s = sandbox_start(sa, e);
		}
		return s;
	}
	for (sa->port = PORT_FIRST; sa->port <= PORT_LAST && !s; sa->port++) {
		err_clear(e);
		s = sandbox_start(sa, e);
	}
	if (!s) {
		sa->port = 0;
		err_clear(e);
		s = sandbox_start(sa, e);
	}
	return s;
}

NORETURN static void child(const char *store, int port, const char *project_dir, int keep, int tell)
{
	struct started st = { 0, ERR_INIT };
	struct sandbox_args sa = { .store = store, .limits = true, .stop = &stop_signal };
	struct source_view *view = source_view_new(project_dir);
	struct sandbox_source source = { view, source_view_tell };
	pthread_t thread;
	/* These reach the whole group, and requests under way are still to be answered: only the pipe ends it. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	unsetenv("MVCHAT_STEP_KILL");
	unsetenv("MVCHAT_STEP_COUNT");
	sa.source = &source;
	struct sandbox *s = open_at(&sa, port, &st.err);
	if (s)
		source_view_port(view, sandbox_port(s));
	if (s && pthread_create(&thread, NULL, watch, &keep) != 0) {
		err_set(&st.err, ERR_INTERNAL, "cannot start a thread");
		sandbox_close(s);
		s = NULL;
	}
	st.port = s ? sandbox_port(s) : 0;
	ssize_t n = write(tell, &st, sizeof(st));
	close(tell);
	if (!s || n != (ssize_t)sizeof(st))
		_exit(1);
	sandbox_wait(s, &st.err);
	sandbox_close(s);
	_exit(0);
}

bool rehearsal_start(struct rehearsal *r, const char *store, int port, const char *project_dir, struct err *e)
{
	int keep[2], tell[2];
	*r = (struct rehearsal){ .keep = -1 };
	if (pipe(keep) != 0)
		return err_set(e, ERR_INTERNAL, _("cannot make a pipe:"));
	if (pipe(tell) != 0) {
		err_set(e, ERR_INTERNAL, _("cannot make a pipe:"));
		close(keep[0]);
		close(keep[1]);
		return false;
	}
	fflush(NULL); /* or the child would hold a copy of what is not written yet */
	r->pid = fork();
	if (r->pid == 0) {
		close(keep[1]);
		close(tell[0]);
		child(store, port, project_dir, keep[0], tell[1]);
	}
	close(keep[0]);
	close(tell[1]);
	r->keep = keep[1];
	struct started st = { 0, ERR_INIT };
	size_t got = 0;
	while (r->pid > 0 && got < sizeof(st)) {
		ssize_t n = read(tell[0], (char *)&st + got, sizeof(st) - got);
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		got += n > 0 ? (size_t)n : 0;
	}
	close(tell[0]);
	if (r->pid > 0 && got == sizeof(st) && st.port) {
		r->port = st.port;
		return true;
	}
	if (r->pid < 0)
		err_set(e, ERR_INTERNAL, _("cannot start a process:"));
	else if (got == sizeof(st) && st.err.code)
		*e = st.err;
	else
		err_set(e, ERR_INTERNAL, _("the sandbox did not start"));
	if (port)
		err_hint(e, _("the rehearsal lives on port %d: is it being served by another mvchat, or the port used by another program?"), port);
	rehearsal_stop(r);
	return false;
}

void rehearsal_stop(struct rehearsal *r)
{
	if (r->keep >= 0)
		close(r->keep);
	if (r->pid > 0)
		while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR) {
		}
	*r = (struct rehearsal){ .keep = -1 };
}
