/* chaos_kit.h: what the two chaos drivers share: files, processes, a sandbox of their own, a fresh project.
 *
 * chaos.c goes through every step and every fault, one at a time; storm.c combines them at random. Header-only: both are single
 * programs. */
#ifndef MVCHAT_TESTS_CHAOS_KIT_H
#define MVCHAT_TESTS_CHAOS_KIT_H

#include "core/base.h"
#include "core/buf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#define MAYBE_UNUSED __attribute__((unused))

static const char *mvchat; /* the binary */
static char root[512];     /* the scratch folder */

/* ---- small tools ---- */

static MAYBE_UNUSED char *slurp(const char *path)
{
	struct buf b;
	char chunk[65536];
	FILE *f = fopen(path, "rb");
	if (!f)
		return NULL;
	buf_init(&b, 256 << 20);
	size_t n;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, chunk, n);
	fclose(f);
	return buf_detach(&b);
}

static MAYBE_UNUSED bool spit(const char *path, const char *text)
{
	FILE *f = fopen(path, "wb");
	if (!f)
		return false;
	fputs(text, f);
	return fclose(f) == 0;
}

static MAYBE_UNUSED char *path_of(const char *dir, const char *name)
{
	static char ring[8][1024];
	static int next;
	char *p = ring[next++ % 8];
	fmt_into(p, sizeof(ring[0]), "%s/%s", dir, name);
	return p;
}

static MAYBE_UNUSED void remove_tree(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *en;
	while (d && (en = readdir(d))) {
		if (streq(en->d_name, ".") || streq(en->d_name, ".."))
			continue;
		char p[1400];
		fmt_into(p, sizeof(p), "%s/%s", dir, en->d_name);
		if (unlink(p) != 0)
			remove_tree(p);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

static MAYBE_UNUSED bool copy_file(const char *from, const char *to)
{
	char chunk[65536];
	size_t n;
	bool ok = true;
	FILE *in = fopen(from, "rb"), *out = in ? fopen(to, "wb") : NULL;
	while (out && (n = fread(chunk, 1, sizeof(chunk), in)) > 0)
		ok = fwrite(chunk, 1, n, out) == n && ok;
	if (in)
		fclose(in);
	return out && fclose(out) == 0 && ok;
}

/* Runs a program with extra environment; out and errs are files. Returns the wait status. */
static long file_limit; /* of the next program started, in bytes; 0 none */

static MAYBE_UNUSED pid_t start(const char *const *argv, const char *const *env, const char *out, const char *errs)
{
	pid_t pid = fork();
	if (pid)
		return pid;
#ifdef __linux__
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* nothing of ours outlives a driver that is killed */
#endif
	if (file_limit) {
		signal(SIGXFSZ, SIG_IGN); /* so that writing fails as on a full disk */
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){ (rlim_t)file_limit, (rlim_t)file_limit });
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	}
	int o = open(out ? out : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600), x = open(errs ? errs : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0600);
	int in = open("/dev/null", O_RDONLY);
	dup2(in, 0);
	dup2(o, 1);
	dup2(x, 2);
	for (; env && *env; env += 2)
		setenv(env[0], env[1], 1);
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

static MAYBE_UNUSED int wait_for(pid_t pid, int limit_s)
{
	for (int i = 0; i < limit_s * 500; i++) {
		int st;
		pid_t r = waitpid(pid, &st, WNOHANG);
		if (r == pid)
			return st;
		struct timespec t = { 0, 2000000 };
		nanosleep(&t, NULL);
	}
	kill(pid, SIGKILL);
	int st = 0;
	waitpid(pid, &st, 0);
	return -1; /* hung */
}

/* ---- one case ---- */

struct sandbox_proc { pid_t pid; char url[64]; };

static MAYBE_UNUSED bool sandbox_up(struct sandbox_proc *s, const char *dir, const char *faults)
{
	const char *store = path_of(dir, "store.db"), *port_file = path_of(dir, "port");
	unlink(port_file);
	const char *argv[] = { mvchat, "sandbox", "-q", "--store", store, "--port-file", port_file, faults ? "--faults" : NULL, faults, NULL };
	s->pid = start(argv, NULL, NULL, path_of(dir, "sandbox.err"));
	for (int i = 0; i < 5000; i++) {
		char *text = slurp(port_file);
		if (text && atoi(text) > 0) {
			fmt_into(s->url, sizeof(s->url), "http://127.0.0.1:%d/api/shared/v1", atoi(text));
			free(text);
			return true;
		}
		free(text);
		if (waitpid(s->pid, NULL, WNOHANG) == s->pid)
			break;
		struct timespec t = { 0, 2000000 };
		nanosleep(&t, NULL);
	}
	return false;
}

static MAYBE_UNUSED bool sandbox_down(struct sandbox_proc *s)
{
	kill(s->pid, SIGTERM);
	int st = wait_for(s->pid, 10);
	return st != -1;
}

/* A fresh project: the mapping and the finished spool of the base project, no ledger. */
static MAYBE_UNUSED bool project_make(const char *dir)
{
	static const char *const files[] = { "mvchat.yaml", "users.csv", "channels.csv" };
	char base[600], st[1100];
	fmt_into(base, sizeof(base), "%s/base", root);
	fmt_into(st, sizeof(st), "%s/.mvchat", dir);
	if (mkdir(dir, 0700) != 0 || mkdir(st, 0700) != 0)
		return false;
	for (size_t i = 0; i < countof(files); i++)
		if (!copy_file(path_of(base, files[i]), path_of(dir, files[i])))
			return false;
	return link(path_of(base, ".mvchat/spool.db"), path_of(dir, ".mvchat/spool.db")) == 0;
}

static MAYBE_UNUSED long json_number(const char *dir, const char *key)
{
	char *text = slurp(path_of(dir, "apply.json")), *p = text ? strstr(text, key) : NULL;
	long n = p ? strtol(p + strlen(key), NULL, 10) : -1;
	free(text);
	return n;
}

/* Addresses of messages hold the port and the target's ids, which are no part of what must be equal; that a link leads to the
 * target is. Writes over s in place. */
static MAYBE_UNUSED void blank_links(char *s)
{
	static const char *const heads[] = { "http://127.0.0.1:", "https://target.mvchat.test:" };
	static const char person[] = ",\"live.person@sandbox.local\""; /* whom the "foreign" faults add to a chat */
	char *to = s;
	while (*s) {
		size_t n = 0;
		for (size_t i = 0; i < countof(heads) && !n; i++)
			n = strncmp(s, heads[i], strlen(heads[i])) ? 0 : strcspn(s, " )\"\\");
		if (n)
			*to++ = '@';
		else if (!strncmp(s, "\"thread\":", 9) && s[9] >= '0' && s[9] <= '9') /* counts messages, a human's too; the reply's place tells its thread */
			n = 9 + strspn(s + 9, "0123456789"), *to++ = '#';
		else if (!strncmp(s, person, sizeof(person) - 1))
			n = sizeof(person) - 1;
		else
			*to++ = *s;
		s += n ? n : 1;
	}
	*to = '\0';
}

#endif
