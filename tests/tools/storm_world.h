/* storm_world.h: the world a scenario of storm.c happens in: a project and a sandbox of its own, and one process after the other that
 * writes from the one into the other, with what goes wrong for it. Header-only, as chaos_kit.h: storm.c is one program. */
#ifndef MVCHAT_TESTS_STORM_WORLD_H
#define MVCHAT_TESTS_STORM_WORLD_H

#include "chaos_kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Two archives with the same messages: one with a file, one in which every third message has some. */
enum { PLAIN, FILES, N_ARCHIVE };
static const struct { const char *path; long steps, writes; } archives[N_ARCHIVE] = { { "tests/chaos/archive", 250, 35 }, { "tests/chaos/files", 320, 55 } };
static const char *netfail;
static bool verbose, no_tls;
static struct { pid_t pid; int port; } other[2]; /* what connections are led to: a server whose certificate nobody trusts, one that speaks no TLS */
enum { WRONG, SPEECHLESS };
enum { OUT_MAX = 16 << 20 };

/* ---- time and waiting ---- */

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void nap(int64_t us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };
	nanosleep(&t, NULL);
}

/* ---- the sandbox's control addresses ---- */

/* Over TLS by curl(1): the tool knows no TLS itself. */
static int https(int port, const char *method, const char *path, const char *body, struct buf *out)
{
	char url[200], file[700], code[700];
	fmt_into(url, sizeof(url), "https://127.0.0.1:%d%s", port, path);
	fmt_into(file, sizeof(file), "%s/answer", root);
	fmt_into(code, sizeof(code), "%s/code", root);
	unlink(file);
	const char *argv[] = { "/usr/bin/env", "curl", "-s", "-k", "-m", "20", "-X", method, "-o", file, "-w", "%{http_code}", url, streq(method, "GET") ? NULL : "--data-binary", body, NULL };
	if (wait_for(start(argv, NULL, code, NULL), 30) != 0)
		return -1;
	char *status = slurp(code), *text = out ? slurp(file) : NULL;
	int n = status ? atoi(status) : -1;
	if (text)
		buf_adds(out, text);
	free(status);
	free(text);
	return n;
}

static bool tls_now; /* the sandbox of this scenario speaks it */

static int http(int port, const char *method, const char *path, const char *body, struct buf *out)
{
	if (tls_now)
		return https(port, method, path, body, out);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	char head[512];
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0), status = -1;
	struct timeval limit = { 20, 0 };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	struct buf all;
	buf_init(&all, OUT_MAX);
	int n = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", method, path, port, strlen(body));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 && send(fd, head, (size_t)n, MSG_NOSIGNAL) == n &&
	    send(fd, body, strlen(body), MSG_NOSIGNAL) == (ssize_t)strlen(body)) {
		char b[65536];
		ssize_t k;
		while ((k = recv(fd, b, sizeof(b), 0)) > 0)
			buf_add(&all, b, (size_t)k);
		const char *at = all.len > 12 ? strstr(all.p, "\r\n\r\n") : NULL;
		if (at) {
			status = atoi(all.p + 9);
			if (out)
				buf_adds(out, at + 4);
		}
	}
	close(fd);
	buf_release(&all);
	return status;
}

/* ---- one part of a scenario ---- */

struct attempt {
	long kill, kill_us, term_us, full, ops, clock_days, copy_us, copy_gap_us;
	bool two, adopt, rollback;
	char net[100];
	char bots[8]; /* whose tokens it is given, by digit; "" = those of the scenario's peace */
};

struct world {
	char dir[700];
	struct sandbox_proc sb;
	int port, archive;
	bool calm, tls, pool; /* pool: three bots share the work */
	char bots[8];         /* in peace */
	bool copied, foreign, edits, deletes, archives, reacts, swapped; /* what happened that changes what may come of it */
	char why[900];
};

static bool bad(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
#include <stdarg.h>
static bool bad(struct world *w, const char *fmt, ...)
{
	va_list ap;
	if (w->why[0])
		return false;
	va_start(ap, fmt);
	vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
	return false;
}

static struct { long killed, put_back, refused, damaged, adopted, closed, stopped, taken_back; } stats; /* what really happened */

static bool said(struct world *w, const char *word);

static const char *state_file(const struct world *w, const char *name)
{
	char p[100];
	fmt_into(p, sizeof(p), ".mvchat/%s", name);
	return path_of(w->dir, p);
}

static const char *pem(const char *name)
{
	static char path[4][700];
	static int turn;
	turn = (turn + 1) % 4;
	fmt_into(path[turn], sizeof(path[0]), "%s/%s", root, name);
	return path[turn];
}

/* The port of a server of that kind, which is begun when it is first needed; 0: it does not begin. */
static int other_port(int kind)
{
	if (other[kind].pid)
		return other[kind].port;
	char port_file[700];
	fmt_into(port_file, sizeof(port_file), "%s/other-%d", root, kind);
	const char *argv[] = { mvchat, "sandbox", "-q", "--port-file", port_file, kind == WRONG ? "--tls-cert" : NULL, pem("wrong.pem"), "--tls-key", pem("wrong.key"), NULL };
	other[kind].pid = start(argv, NULL, NULL, NULL);
	for (int i = 0; i < 20000 && !other[kind].port; i++) {
		char *text = slurp(port_file);
		other[kind].port = text ? atoi(text) : 0;
		free(text);
		nap(500);
	}
	return other[kind].port;
}

static bool sandbox_begin(struct world *w, const char *faults)
{
	char fpath[1024];
	const char *port_file = path_of(w->dir, "port");
	fmt_into(fpath, sizeof(fpath), "%s/faults", w->dir);
	spit(fpath, faults);
	const char *argv[] = { mvchat, "sandbox", "-q", "--port-file", port_file, "--faults", fpath, w->tls ? "--tls-cert" : NULL, pem("good.pem"), "--tls-key", pem("good.key"), NULL };
	const char *many[countof(argv) + 2] = { mvchat, "sandbox", "--bots", "3" };
	memcpy(many + 4, argv + 2, sizeof(argv) - 2 * sizeof(argv[0]));
	w->sb.pid = start(w->pool ? many : argv, NULL, NULL, path_of(w->dir, "sandbox.err"));
	for (int i = 0; i < 20000; i++) {
		char *text = slurp(port_file);
		w->port = text ? atoi(text) : 0;
		free(text);
		if (w->port > 0) {
			fmt_into(w->sb.url, sizeof(w->sb.url), "%s:%d/api/shared/v1", w->tls ? "https://target.mvchat.test" : "http://127.0.0.1", w->port);
			return true;
		}
		if (waitpid(w->sb.pid, NULL, WNOHANG) == w->sb.pid)
			break;
		nap(500);
	}
	w->sb.pid = 0;
	return bad(w, "the sandbox did not start");
}

/* "13" -> the tokens of the first and the third, in this order. */
static const char *tokens_of(const char *bots, char out[100])
{
	static const char *const token[] = { "sandbox-bot-token", "sandbox-bot-token-2", "sandbox-bot-token-3" };
	struct buf b;
	buf_init(&b, 100);
	for (; *bots; bots++)
		buf_addf(&b, "%s%s", b.len ? "," : "", token[*bots >= '1' && *bots <= '3' ? *bots - '1' : 0]);
	memcpy(out, b.p, b.len + 1);
	buf_release(&b);
	return out;
}

static pid_t begin(struct world *w, const char *command, const struct attempt *t, const char *out)
{
	const char *argv[20] = { mvchat, command, "-q", "--json", "-C", w->dir, "--url", w->sb.url };
	const char *env[24] = { "MVCHAT_CLOCK", "virtual", "PACHCA_ADMIN_TOKEN", "sandbox-admin-token", "PACHCA_BOT_TOKEN", "sandbox-bot-token" };
	char step[24], ops[24], day[32], net[sizeof(t->net) + 20], tokens[100];
	size_t a = 8, n = 6;
	if (w->pool)
		env[5] = tokens_of(t->bots[0] ? t->bots : w->bots, tokens);
	if (streq(command, "verify"))
		argv[a++] = "--adopt";
	else
		argv[a++] = "--yes";
	if (streq(command, "rollback"))
		argv[a++] = "--all";
	if (t->ops && streq(command, "apply")) {
		fmt_into(ops, sizeof(ops), "%ld", t->ops);
		argv[a++] = "--max-ops";
		argv[a++] = ops;
	}
	if (w->tls) {
		argv[a++] = "--cacert";
		argv[a++] = pem("good.pem");
	}
	if (t->kill) {
		fmt_into(step, sizeof(step), "%ld", t->kill);
		env[n++] = "MVCHAT_STEP_KILL";
		env[n++] = step;
	}
	if (t->clock_days) {
		fmt_into(day, sizeof(day), "%lld", (long long)time(NULL) + t->clock_days * 86400);
		env[n++] = "MVCHAT_CLOCK_START";
		env[n++] = day;
	}
	if (w->calm) { /* nothing hangs any more: silence is a busy machine */
		env[n++] = "MVCHAT_CLOCK_HANG_MS";
		env[n++] = "5000";
	}
	if (t->net[0] || w->tls) { /* it also knows the name that the certificate has */
		env[n++] = "LD_PRELOAD";
		env[n++] = netfail;
	}
	if (t->net[0]) {
		/* wrong, speechless: connections lead to another server, whom nobody trusts or who speaks no TLS */
		int led = !strncmp(t->net, "wrong:", 6) ? WRONG : !strncmp(t->net, "speechless:", 11) ? SPEECHLESS : -1;
		fmt_into(net, sizeof(net), "%s", t->net);
		if (led >= 0 && w->tls)
			fmt_into(net, sizeof(net), "port=%d%s", other_port(led), strchr(t->net, ':'));
		else if (led >= 0 || (!strncmp(t->net, "dns:", 4) && !w->tls))
			fmt_into(net, sizeof(net), "refuse%s", strchr(t->net, ':'));
		env[n++] = "MVCHAT_NETFAIL";
		env[n++] = net;
	}
	file_limit = t->full * 1024;
	pid_t pid = start(argv, env, path_of(w->dir, out), path_of(w->dir, "apply.err"));
	file_limit = 0;
	return pid;
}

/* Waits while the timers of the attempt go off. Returns the wait status, -1 = hung. */
static int see_through(struct world *w, pid_t pid, const struct attempt *t)
{
	int64_t began = now_us();
	bool killed = !t->kill_us, termed = !t->term_us, copied = !t->copy_us, copied2 = copied;
	sigset_t chld;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	for (;;) {
		int st;
		int64_t at = now_us() - began, next = 60000000;
		if (waitpid(pid, &st, WNOHANG) == pid)
			return st;
		if (at > next) {
			kill(pid, SIGKILL);
			waitpid(pid, &st, 0);
			return -1;
		}
		if (!killed && at >= t->kill_us)
			killed = kill(pid, SIGKILL) == 0;
		if (!termed && at >= t->term_us)
			termed = kill(pid, SIGTERM) == 0;
		/* A copy by hand, of files that are being written: the database first, its log a moment later. */
		if (!copied && at >= t->copy_us) {
			copied = true;
			w->copied = copy_file(state_file(w, "ledger.db"), path_of(w->dir, "copy.db"));
		}
		if (!copied2 && at >= t->copy_us + t->copy_gap_us) {
			copied2 = true;
			unlink(path_of(w->dir, "copy.db-wal"));
			copy_file(state_file(w, "ledger.db-wal"), path_of(w->dir, "copy.db-wal"));
		}
		if (!killed)
			next = t->kill_us < next ? t->kill_us : next;
		if (!termed)
			next = t->term_us < next ? t->term_us : next;
		if (!copied)
			next = t->copy_us < next ? t->copy_us : next;
		else if (!copied2)
			next = t->copy_us + t->copy_gap_us < next ? t->copy_us + t->copy_gap_us : next;
		int64_t left = next - (now_us() - began);
		struct timespec ts = { left > 0 ? left / 1000000 : 0, left > 0 ? left % 1000000 * 1000 : 0 };
		sigtimedwait(&chld, NULL, &ts);
	}
}

static int last_exit(int st)
{
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

/* What a command may end with at all. An unclean end that is none of ours is a bug whatever else happens. */
static bool fine(struct world *w, const char *command, int st, const struct attempt *t)
{
	bool may_die = t->kill || t->kill_us;
	if (st == -1)
		return bad(w, "%s hung", command);
	if (WIFSIGNALED(st)) {
		stats.killed++;
		return (WTERMSIG(st) == SIGKILL && may_die) || (WTERMSIG(st) == SIGTERM && t->term_us) || bad(w, "%s died of signal %d", command, WTERMSIG(st));
	}
	int c = WEXITSTATUS(st);
	if (c == 0 || (c == 1 && w->swapped && (said(w, "damaged") || said(w, "cannot be read as a ledger"))) || (c >= 5 && c <= 8) || (c == 143 && t->term_us) || (c == 1 && t->full) || (c == 2 && t->full))
		return true;
	char *err = slurp(path_of(w->dir, "apply.err"));
	size_t n = err ? strlen(err) : 0;
	bad(w, "%s ended with %d: %s", command, c, err ? err + (n > 300 ? n - 300 : 0) : "");
	free(err);
	return false;
}

static bool attempt(struct world *w, const char *command, const struct attempt *t)
{
	if (!t->two) {
		return fine(w, command, see_through(w, begin(w, command, t, "apply.json"), t), t);
	}
	pid_t a = begin(w, command, t, "apply.json"), b = begin(w, command, t, "second.json");
	int sa = see_through(w, a, t), sb = see_through(w, b, t);
	return fine(w, command, sa, t) && fine(w, command, sb, t) && (w->swapped || w->pool || !(last_exit(sa) == 8 && last_exit(sb) == 8) || bad(w, "two at once: neither worked"));
}

static void copy_at_rest(struct world *w)
{
	w->copied = copy_file(state_file(w, "ledger.db"), path_of(w->dir, "copy.db"));
	unlink(path_of(w->dir, "copy.db-wal"));
	copy_file(state_file(w, "ledger.db-wal"), path_of(w->dir, "copy.db-wal"));
}

static void put_back(struct world *w)
{
	if (!w->copied)
		return;
	w->swapped = true;
	stats.put_back++;
	unlink(state_file(w, "ledger.db-shm"));
	unlink(state_file(w, "ledger.db-wal"));
	copy_file(path_of(w->dir, "copy.db"), state_file(w, "ledger.db"));
	copy_file(path_of(w->dir, "copy.db-wal"), state_file(w, "ledger.db-wal"));
}

static void lose(struct world *w, bool mark)
{
	static const char *const names[] = { "ledger.db", "ledger.db-wal", "ledger.db-shm" };
	for (size_t i = 0; i < countof(names); i++)
		unlink(state_file(w, names[i]));
	if (mark)
		unlink(state_file(w, "ledger.db-mark"));
	w->swapped = true;
}

static bool said(struct world *w, const char *word)
{
	char *err = slurp(path_of(w->dir, "apply.err"));
	bool is = err && strstr(err, word);
	free(err);
	return is;
}

/* The bot that owns the chats may be missing, or one that has written what the ledger lacks: then all of them are given. */
static bool more_bots(struct world *w)
{
	if (!w->pool || streq(w->bots, "123"))
		return false;
	fmt_into(w->bots, sizeof(w->bots), "123");
	return true;
}

/* The ledger cannot be used: taken away if it is damaged, then completed from the target. False: it stays closed (exit 7). */
static bool adopt(struct world *w)
{
	struct attempt calm = { 0 };
	stats.refused++;
	stats.damaged += said(w, "damaged") || said(w, "cannot be read as a ledger");
	if (said(w, "damaged") || said(w, "cannot be read as a ledger") || said(w, "is a database, but not"))
		lose(w, false);
	unlink(path_of(w->dir, "apply.err"));
	int st = see_through(w, begin(w, "verify", &calm, "apply.json"), &calm), c = last_exit(st);
	if (c == 0 || c == 6) {
		stats.adopted++;
		return true;
	}
	if ((c == 7 || c == 8) && more_bots(w))
		return adopt(w);
	if (c == 7 && (w->edits || w->deletes)) {
		stats.closed++;
		return false;
	}
	char *err = slurp(path_of(w->dir, "apply.err")), *out = slurp(path_of(w->dir, "apply.json"));
	bad(w, "adopting ended with %d: %.200s %.300s", c, err ? err : "", out ? out : "");
	free(err);
	free(out);
	return false;
}

#endif
