/* killfile.c: a library put before the C library's (LD_PRELOAD) that kills a program while it writes one file.
 *
 *   MVCHAT_KILLFILE=NAME:N
 *
 * Counts moments of writing files whose path holds NAME: before and after each open for writing, unlink, fsync and rename of it, and before,
 * in the middle of (the first half has reached the file) and after each fwrite. At moment N the process gets SIGKILL; N = 0: none is
 * killed, and the number of moments is appended to the file that MVCHAT_KILLFILE_COUNT names.
 * Used by tests/e2e/test_names.sh. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char name[200];
static long at = -1, seen;

static void setup(void)
{
	const char *v = getenv("MVCHAT_KILLFILE");
	if (at >= 0)
		return;
	at = 0;
	if (v && sscanf(v, "%199[^:]:%ld", name, &at) != 2)
		name[0] = '\0';
}

static int is_it(const char *path)
{
	setup();
	return name[0] && path && strstr(path, name);
}

static void moment(void)
{
	if (++seen == at)
		kill(getpid(), SIGKILL);
	const char *count = getenv("MVCHAT_KILLFILE_COUNT");
	int fd = count ? open(count, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
	if (fd >= 0) {
		dprintf(fd, "%ld\n", seen);
		close(fd);
	}
}

static int is_fd(int fd)
{
	char link[64], path[4096];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	return n > 0 && is_it(path);
}

static void *real(const char *func)
{
	void *f = dlsym(RTLD_NEXT, func);
	if (!f)
		abort();
	return f;
}

int unlink(const char *path)
{
	int (*next)(const char *);
	*(void **)&next = real("unlink");
	int hit = is_it(path);
	if (hit)
		moment();
	int r = next(path);
	if (hit)
		moment();
	return r;
}

int rename(const char *from, const char *to)
{
	int (*next)(const char *, const char *);
	*(void **)&next = real("rename");
	int hit = is_it(to);
	if (hit)
		moment();
	int r = next(from, to);
	if (hit)
		moment();
	return r;
}

int fsync(int fd)
{
	int (*next)(int);
	*(void **)&next = real("fsync");
	int hit = is_fd(fd);
	if (hit)
		moment();
	int r = next(fd);
	if (hit)
		moment();
	return r;
}

static int opening(const char *func, const char *path, int flags, va_list more)
{
	int (*next)(const char *, int, ...);
	*(void **)&next = real(func);
	int mode = flags & O_CREAT ? va_arg(more, int) : 0, hit = (flags & O_ACCMODE) != O_RDONLY && is_it(path);
	if (hit)
		moment();
	int r = next(path, flags, mode);
	if (hit)
		moment();
	return r;
}

int open(const char *path, int flags, ...)
{
	va_list more;
	va_start(more, flags);
	int r = opening("open", path, flags, more);
	va_end(more);
	return r;
}

int open64(const char *path, int flags, ...)
{
	va_list more;
	va_start(more, flags);
	int r = opening("open64", path, flags, more);
	va_end(more);
	return r;
}

size_t fwrite(const void *p, size_t size, size_t n, FILE *f)
{
	size_t (*next)(const void *, size_t, size_t, FILE *);
	*(void **)&next = real("fwrite");
	if (size != 1 || n < 2 || !is_fd(fileno(f)))
		return next(p, size, n, f);
	moment();
	size_t half = next(p, 1, n / 2, f);
	fflush(f);
	moment();
	size_t rest = next((const char *)p + half, 1, n - half, f);
	fflush(f);
	moment();
	return half + rest;
}
