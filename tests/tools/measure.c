/* measure OUT COMMAND…: runs a command and writes "wall_s cpu_s peak_kb user_s" to OUT; exits with the command's code. */
#include "core/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: measure OUT COMMAND...\n");
		return 2;
	}
	double t0 = now();
	pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	int st = 0;
	waitpid(pid, &st, 0);
	double wall = now() - t0;
	struct rusage r;
	getrusage(RUSAGE_CHILDREN, &r);
	FILE *f = fopen(argv[1], "w");
	if (!f)
		return 2;
	double user = (double)r.ru_utime.tv_sec + (double)r.ru_utime.tv_usec / 1e6, sys = (double)r.ru_stime.tv_sec + (double)r.ru_stime.tv_usec / 1e6;
	fprintf(f, "%.3f %.3f %ld %.3f\n", wall, user + sys, r.ru_maxrss, user);
	fclose(f);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}
