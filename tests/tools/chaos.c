/* chaos: kills the shipped binary at every durable step and applies every fault at every request; after resuming, the sandbox's
 * content must equal that of an undisturbed run, in order, nothing twice, and one more run must write nothing. The same for
 * rollback: killed and faulted anywhere, or after an apply that was killed, it must leave what was there before.
 *
 *   chaos [--short] [--seed N --runs N] [--jobs N] [--archive DIR] [--case NAME] [--family PART OF ITS NAME] [-v]
 *
 * Prints TAP: one line per family of cases, the failing cases named so that --case repeats one. Time is virtual in every
 * process it starts (core/clock.h), so settle times and Retry-After cost nothing. Environment: MVCHAT = the binary. */
#include "chaos_twists.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *only_case, *only_family;
static bool short_run, verbose;
static int jobs = 2;
static char *golden, *golden_later; /* ... of the later archive, its lines sorted */
static char *golden_wish[N_TWIST];
static long wish_steps[N_TWIST], wish_writes[N_TWIST];

static const char *wish_of(enum twist twist)
{
	return twist == EDIT_DRIFT ? "--edit-drift" : twist == DELETE_REMOVED ? "--delete-removed" : NULL;
}

static pid_t command_start(const char *name, const char *scope, const char *dir, const char *url, const char *out, const char *var, const char *value)
{
	const char *argv[] = { mvchat, name, "-q", "--yes", "--json", "-C", dir, "--url", url, scope, NULL };
	const char *env[] = { "MVCHAT_CLOCK", "virtual", "PACHCA_ADMIN_TOKEN", "sandbox-admin-token", "PACHCA_BOT_TOKEN", "sandbox-bot-token",
	                      var, value, NULL };
	return start(argv, env, path_of(dir, out), path_of(dir, "apply.err"));
}

static pid_t apply_start(const char *dir, const char *url, const char *out, const char *var, const char *value)
{
	return command_start("apply", NULL, dir, url, out, var, value);
}

static int command(const char *name, const char *scope, const char *dir, const char *url, const char *kill_at, const char *count_file)
{
	return wait_for(command_start(name, scope, dir, url, "apply.json", kill_at ? "MVCHAT_STEP_KILL" : count_file ? "MVCHAT_STEP_COUNT" : NULL,
	                              kill_at ? kill_at : count_file), 120);
}

static int apply(const char *dir, const char *url, const char *kill_at, const char *count_file)
{
	return command("apply", NULL, dir, url, kill_at, count_file);
}

/* Lines that a human wrote into the target meanwhile do not count; nor does what depends on how often something was tried. */
static char *dump_of(const char *dir, bool *silent)
{
	const char *argv[] = { mvchat, "sandbox", "--store", path_of(dir, "store.db"), "--dump", NULL };
	if (wait_for(start(argv, NULL, path_of(dir, "dump"), path_of(dir, "sandbox.err")), 30) != 0)
		return NULL;
	char *text = slurp(path_of(dir, "dump"));
	if (!text)
		return NULL;
	*silent = strstr(text, "\"notifications\":0,\"invitations\":0") != NULL;
	struct buf b;
	buf_init(&b, 256 << 20);
	for (char *line = text, *end; *line; line = end) {
		end = strchr(line, '\n');
		end = end ? end + 1 : line + strlen(line);
		size_t n = (size_t)(end - line);
		char *own = xstrndup(line, n);
		if (!strstr(own, "\"type\":\"stats\"") && !strstr(own, "\"content\":\"human ") && !strstr(own, "\"type\":\"user\",\"email\":\"live.person@"))
			buf_add(&b, line, n);
		free(own);
	}
	free(text);
	char *out = buf_detach(&b);
	blank_links(out);
	return out;
}

/* The two dumps as the twist lets them be compared. NULL when they are equal, else where the first begins to differ. */
static const char *differs(char **got, enum twist twist)
{
	char *want = xstrdup(twist == LATER_ARCHIVE ? golden_later : wish_of(twist) ? golden_wish[twist] : golden);
	if (twist == OTHER_LABEL) {
		blank_labels(want);
		blank_labels(*got);
	} else if (twist == LATER_ARCHIVE) {
		char *s = sorted(*got);
		free(*got);
		*got = s;
	}
	size_t i = 0;
	while ((*got)[i] && (*got)[i] == want[i])
		i++;
	bool same = (*got)[i] == want[i];
	while (i && (*got)[i - 1] != '\n')
		i--;
	free(want);
	return same ? NULL : *got + i;
}

/* Two processes at once: one of them may find the ledger in use (exit 8), neither may die or hang. */
static bool two_at_once(const char *dir, const char *url)
{
	pid_t a = apply_start(dir, url, "first.json", NULL, NULL), b = apply_start(dir, url, "second.json", NULL, NULL);
	int sa = wait_for(a, 120), sb = wait_for(b, 120);
	bool fine = sa != -1 && sb != -1 && WIFEXITED(sa) && WIFEXITED(sb);
	int ea = WEXITSTATUS(sa), eb = WEXITSTATUS(sb);
	return fine && (ea == 0 || ea == 6 || ea == 8) && (eb == 0 || eb == 6 || eb == 8) && !(ea == 8 && eb == 8);
}

/* What the target cannot delete: chats are emptied, marked and archived; accounts lose their access. */
static char *pristine;
static char *remains_of(const char *dir)
{
	const char *argv[] = { mvchat, "sandbox", "--store", path_of(dir, "store.db"), "--dump", NULL };
	if (wait_for(start(argv, NULL, path_of(dir, "dump"), path_of(dir, "sandbox.err")), 30) != 0)
		return NULL;
	char *text = slurp(path_of(dir, "dump"));
	struct buf b;
	buf_init(&b, 256 << 20);
	for (char *line = text, *end; line && *line; line = end) {
		end = strchr(line, '\n');
		end = end ? end + 1 : line + strlen(line);
		char *own = xstrndup(line, (size_t)(end - line));
		bool chat = strstr(own, "\"type\":\"chat\"") && (strstr(own, "\"name\":\"[taken back] ") || strstr(own, "\"name\":\"[отменено] "));
		if (!strstr(own, "\"type\":\"stats\"") && !(chat && strstr(own, "\"archived\":true")) && !strstr(own, "\"suspended\":true"))
			buf_adds(&b, own);
		free(own);
	}
	free(text);
	return buf_detach(&b);
}

/* The folder of a case goes; that of one that went wrong is kept to be looked at, when asked for. */
static const char *ended(const char *name, const char *dir, const char *why)
{
	if (why[0] && verbose) {
		char keep[800];
		fmt_into(keep, sizeof(keep), "%s/bad-%s", root, name);
		for (char *p = keep + strlen(root) + 1; *p; p++)
			if (*p == '/' || *p == ' ' || *p == '*')
				*p = '_';
		remove_tree(keep);
		rename(dir, keep);
	} else {
		remove_tree(dir);
	}
	return why[0] ? why : NULL;
}

/* kills[0]: of the apply before (0 = it ends), kills[1]: of the rollback. */
static const char *rollback_case(const char *name, const char *faults, const long kills[2], enum twist twist)
{
	static char why[600];
	char dir[700], fpath[1024], n[32];
	struct sandbox_proc sb = { 0 };
	fmt_into(dir, sizeof(dir), "%s/case-%d", root, (int)getpid());
	remove_tree(dir);
	why[0] = '\0';
	(void)name;
	(void)twist;
	if (!project_make(dir))
		return "cannot make the project";
	if (faults) {
		fmt_into(fpath, sizeof(fpath), "%s/faults", dir);
		spit(fpath, faults);
	}
	if (!sandbox_up(&sb, dir, faults ? fpath : NULL))
		return "the sandbox did not start";
	fmt_into(n, sizeof(n), "%ld", kills[0]);
	int st = apply(dir, sb.url, kills[0] ? n : NULL, NULL);
	if (st == -1 || (!kills[0] && st != 0))
		fmt_into(why, sizeof(why), "the apply before: status %d", st);
	fmt_into(n, sizeof(n), "%ld", kills[1]);
	if (!why[0] && kills[1] && command("rollback", "--all", dir, sb.url, n, NULL) == -1)
		fmt_into(why, sizeof(why), "the rollback to be killed hung");
	for (int runs = 0; runs < 6 && !why[0]; runs++) {
		st = command("rollback", "--all", dir, sb.url, NULL, NULL);
		if (st == -1 || WIFSIGNALED(st))
			fmt_into(why, sizeof(why), "resuming run %d: %s", runs + 1, st == -1 ? "hung" : "died");
		else if (st == 0 && json_number(dir, "\"writes\":") == 0)
			break;
	}
	if (!why[0] && (st != 0 || json_number(dir, "\"writes\":") != 0)) {
		char *err = slurp(path_of(dir, "apply.err"));
		size_t len = err ? strlen(err) : 0;
		fmt_into(why, sizeof(why), "never finished: exit %d: %s", WEXITSTATUS(st), err ? err + (len > 300 ? len - 300 : 0) : "");
		free(err);
	}
	sandbox_down(&sb);
	if (!why[0]) {
		char *d = remains_of(dir);
		size_t i = 0;
		while (d && pristine[i] && d[i] == pristine[i])
			i++;
		while (d && i && d[i - 1] != '\n')
			i--;
		if (!d || !streq(d, pristine))
			fmt_into(why, sizeof(why), "something is left: %.200s", d ? d + i : "no dump");
		free(d);
	}
	return ended(name, dir, why);
}

/* kills: up to two step numbers, 0 = none; with DISK_FULL the limit in KiB. Returns NULL when all is well, else what went wrong
 * (static buffer). */
static const char *run_case(const char *name, const char *faults, const long kills[2], enum twist twist)
{
	static char why[600];
	char dir[700], fpath[1024];
	fmt_into(dir, sizeof(dir), "%s/case-%d", root, (int)getpid());
	remove_tree(dir);
	why[0] = '\0';
	struct sandbox_proc sb = { 0 };
	if (!project_make(dir))
		return "cannot make the project";
	if (faults) {
		fmt_into(fpath, sizeof(fpath), "%s/faults", dir);
		spit(fpath, faults);
	}
	if (!sandbox_up(&sb, dir, faults ? fpath : NULL)) {
		fmt_into(why, sizeof(why), "the sandbox did not start");
		goto out;
	}
	const char *wish = wish_of(twist);
	for (int tries = 0, st = -1; wish && st != 0; tries++) {
		st = apply(dir, sb.url, NULL, NULL);
		if (tries == 6) {
			fmt_into(why, sizeof(why), "the run before never finished");
			goto out;
		}
	}
	if (wish && !twist_project(dir, twist)) {
		fmt_into(why, sizeof(why), "the project cannot be changed");
		goto out;
	}
	for (int k = 0; k < 2 && kills[k]; k++) {
		char n[32];
		fmt_into(n, sizeof(n), "%ld", kills[k]);
		file_limit = twist == DISK_FULL ? kills[k] * 1024 : 0;
		int st = command("apply", wish, dir, sb.url, twist == DISK_FULL ? NULL : n, NULL);
		file_limit = 0;
		if (st == -1) {
			fmt_into(why, sizeof(why), "run %d hung", k + 1);
			goto out;
		}
	}
	if (!wish && !twist_project(dir, twist)) {
		fmt_into(why, sizeof(why), "the project cannot be changed");
		goto out;
	}
	if (twist == TWO_AT_ONCE && !two_at_once(dir, sb.url)) {
		fmt_into(why, sizeof(why), "two at once: one died, hung, or ended with another code");
		goto out;
	}
	int st = 0, runs = 0;
	if (twist == CLOCK_BACK)
		setenv("MVCHAT_CLOCK_START", three_days_ago(), 1);
	for (runs = 0; runs < 6; runs++) {
		st = command("apply", wish, dir, sb.url, NULL, NULL);
		if (st == 0 && json_number(dir, "\"writes\":") == 0 && runs > 0)
			break;
		if (st == -1 || WIFSIGNALED(st)) {
			fmt_into(why, sizeof(why), "resuming run %d: %s", runs + 1, st == -1 ? "hung" : "died");
			goto out;
		}
	}
	if (st != 0) {
		char *err = slurp(path_of(dir, "apply.err"));
		size_t n = err ? strlen(err) : 0;
		fmt_into(why, sizeof(why), "never finished: exit %d: %s", WEXITSTATUS(st), err ? err + (n > 300 ? n - 300 : 0) : "");
		free(err);
		goto out;
	}
	if (json_number(dir, "\"writes\":") != 0)
		fmt_into(why, sizeof(why), "the last run still made %ld writes", json_number(dir, "\"writes\":"));
	sandbox_down(&sb);
	sb.pid = 0;
	if (!why[0]) {
		bool silent;
		char *d = dump_of(dir, &silent);
		/* What a newer export adds to a chat that people have joined by then is news to them. */
		if (d && !silent && twist != LATER_ARCHIVE && !(faults && strstr(faults, "foreign"))) {
			fmt_into(why, sizeof(why), "somebody was notified");
		} else {
			const char *at = d ? differs(&d, twist) : "nothing";
			if (at)
				fmt_into(why, sizeof(why), "the content differs: got %.200s", at);
			if (at && verbose && d) {
				char p[1024];
				fmt_into(p, sizeof(p), "%s/last-bad.jsonl", root);
				spit(p, d);
			}
		}
		free(d);
	}
out:
	unsetenv("MVCHAT_CLOCK_START");
	if (sb.pid)
		sandbox_down(&sb);
	return ended(name, dir, why);
}

/* ---- families of cases, shared out among worker processes ---- */

struct task { char name[96]; char faults[200]; long kills[2]; enum twist twist; };
struct shared { long next, ok, bad; char names[32][700]; };

static struct task *tasks;
static enum twist twist_now; /* of the tasks added from here on */
static size_t n_tasks, cap_tasks;

static void add(const char *faults, long k1, long k2, const char *fmt, ...) PRINTF_LIKE(4, 5);
static void add(const char *faults, long k1, long k2, const char *fmt, ...)
{
	if (n_tasks == cap_tasks) {
		cap_tasks = cap_tasks ? 2 * cap_tasks : 256;
		tasks = xrealloc(tasks, cap_tasks * sizeof(*tasks));
	}
	struct task *t = &tasks[n_tasks++];
	*t = (struct task){ .kills = { k1, k2 }, .twist = twist_now };
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(t->name, sizeof(t->name), fmt, ap);
	va_end(ap);
	if (faults)
		fmt_into(t->faults, sizeof(t->faults), "%s", faults);
}

static int n_lines, n_bad_lines;
static const char *(*the_case)(const char *name, const char *faults, const long kills[2], enum twist twist) = run_case;

static void family(const char *what)
{
	if (only_family && !strstr(what, only_family)) {
		n_tasks = 0;
		twist_now = AS_IT_WAS;
		return;
	}
	int fd = open(path_of(root, "shared"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct shared *sh = fd >= 0 && ftruncate(fd, sizeof(*sh)) == 0 ? mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (sh == MAP_FAILED)
		die("chaos: no shared memory");
	close(fd);
	fflush(stdout);
	for (int j = 0; j < jobs; j++) {
		if (fork() != 0)
			continue;
		for (;;) {
			long i = __atomic_fetch_add(&sh->next, 1, __ATOMIC_SEQ_CST);
			if (i >= (long)n_tasks)
				_exit(0);
			struct task *t = &tasks[i];
			if (only_case && !streq(only_case, t->name))
				continue;
			const char *bad = the_case(t->name, t->faults[0] ? t->faults : NULL, t->kills, t->twist);
			if (!bad) {
				__atomic_fetch_add(&sh->ok, 1, __ATOMIC_SEQ_CST);
			} else {
				long k = __atomic_fetch_add(&sh->bad, 1, __ATOMIC_SEQ_CST);
				if (k < (long)countof(sh->names))
					fmt_into(sh->names[k], sizeof(sh->names[k]), "%s: %s", t->name, bad);
			}
		}
	}
	while (wait(NULL) > 0)
		;
	printf("%sok %d - %s: %ld of %ld cases\n", sh->bad ? "not " : "", ++n_lines, what, sh->ok, sh->ok + sh->bad);
	for (long i = 0; i < sh->bad && i < (long)countof(sh->names); i++)
		printf("# %s\n", sh->names[i]);
	n_bad_lines += sh->bad > 0;
	fflush(stdout);
	munmap(sh, sizeof(*sh));
	n_tasks = 0;
	twist_now = AS_IT_WAS;
}

static long lines_of(const char *path)
{
	char *text = slurp(path);
	long n = 0;
	for (const char *p = text; p && (p = strchr(p, '\n')); p++)
		n++;
	free(text);
	return n;
}

/* An undisturbed rollback after an undisturbed apply: how many durable steps and writes it has. */
static bool prepare_rollback(long *steps, long *writes)
{
	char dir[700];
	struct sandbox_proc sb;
	fmt_into(dir, sizeof(dir), "%s/taken-back", root);
	if (!project_make(dir) || !sandbox_up(&sb, dir, NULL))
		return false;
	pristine = remains_of(dir);
	char *count = xstrdup(path_of(dir, "steps"));
	bool ok = apply(dir, sb.url, NULL, NULL) == 0 && command("rollback", "--all", dir, sb.url, NULL, count) == 0;
	*writes = json_number(dir, "\"writes\":");
	*steps = lines_of(count);
	free(count);
	sandbox_down(&sb);
	char *after = remains_of(dir);
	ok = ok && pristine && after && streq(after, pristine) && *steps > 0 && *writes > 0;
	free(after);
	return ok;
}

/* A whole run, the change, and an undisturbed run with the wish: how many steps and writes it has, and what is there then. */
static bool prepare_wish(enum twist twist)
{
	char dir[700];
	struct sandbox_proc sb;
	bool silent = false;
	fmt_into(dir, sizeof(dir), "%s/wish-%d", root, (int)twist);
	if (!project_make(dir) || !sandbox_up(&sb, dir, NULL))
		return false;
	char *count = xstrdup(path_of(dir, "steps"));
	bool ok = apply(dir, sb.url, NULL, NULL) == 0 && twist_project(dir, twist) && command("apply", wish_of(twist), dir, sb.url, NULL, count) == 0;
	wish_writes[twist] = json_number(dir, "\"writes\":");
	wish_steps[twist] = lines_of(count);
	free(count);
	sandbox_down(&sb);
	golden_wish[twist] = dump_of(dir, &silent);
	return ok && silent && golden_wish[twist] && wish_steps[twist] > 4 && wish_writes[twist] > 4 && !streq(golden_wish[twist], golden);
}

static bool prepare(long *steps, long *writes)
{
	char base[600], *abs = realpath(archive, NULL);
	fmt_into(base, sizeof(base), "%s/base", root);
	if (mkdir(base, 0700) != 0 || !abs)
		return false;
	const char *argv[] = { mvchat, "map", "-q", "-C", base, "--offline", "--unmatched", "create", abs, NULL };
	int mapped = wait_for(start(argv, NULL, NULL, path_of(base, "err")), 60);
	free(abs);
	if (mapped != 0)
		return false;
	char dir[700];
	fmt_into(dir, sizeof(dir), "%s/clean", root);
	struct sandbox_proc sb;
	if (!project_make(dir) || !sandbox_up(&sb, dir, NULL))
		return false;
	char *count = xstrdup(path_of(dir, "steps"));
	int st = apply(dir, sb.url, NULL, count);
	*writes = json_number(dir, "\"writes\":");
	sandbox_down(&sb);
	if (st != 0) {
		char *err = slurp(path_of(dir, "apply.err"));
		fprintf(stderr, "chaos: the undisturbed run failed: %s\n", err ? err : "");
		free(err);
		return false;
	}
	*steps = lines_of(count);
	free(count);
	bool silent = false;
	golden = dump_of(dir, &silent);
	fmt_into(dir, sizeof(dir), "%s/clean-later", root);
	if (!later_archive() || !project_make(dir) || !twist_project(dir, LATER_ARCHIVE) || !sandbox_up(&sb, dir, NULL))
		return false;
	st = apply(dir, sb.url, NULL, NULL);
	sandbox_down(&sb);
	char *later = st == 0 ? dump_of(dir, &silent) : NULL;
	golden_later = later ? sorted(later) : NULL;
	free(later);
	if (!golden_later || streq(golden_later, golden))
		return false;
	if (!fewer_archive() || !prepare_wish(EDIT_DRIFT) || !prepare_wish(DELETE_REMOVED))
		return false;
	return silent && golden && strlen(golden) > 100 && *steps > 0 && *writes > 0;
}

static const char *const faults[] = {
	"drop-before", "drop-after", "500-before", "500-after", "late 5000", "late 20000", "hang", "hang-after", "cut-body", "html-200", "html-502",
	"401", "429 2", "429 none", "429 garbage", "429 past", "429 date", "503 3", "503-after", "foreign human writes", "wrong-id",
};

static uint64_t rng;

static long pick(long n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (long)((rng >> 33) % (uint64_t)n);
}

int main(int argc, char **argv)
{
	long seed = 0, runs = 200, steps = 0, writes = 0;
	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;
		if (streq(argv[i], "--short"))
			short_run = true;
		else if (streq(argv[i], "-v"))
			verbose = true;
		else if (streq(argv[i], "--seed") && more)
			seed = atol(argv[++i]);
		else if (streq(argv[i], "--runs") && more)
			runs = atol(argv[++i]);
		else if (streq(argv[i], "--jobs") && more)
			jobs = atoi(argv[++i]);
		else if (streq(argv[i], "--archive") && more)
			archive = argv[++i];
		else if (streq(argv[i], "--case") && more)
			only_case = argv[++i];
		else if (streq(argv[i], "--family") && more)
			only_family = argv[++i];
		else {
			fprintf(stderr, "usage: chaos [--short] [--seed N] [--runs N] [--jobs N] [--archive DIR] [--case NAME] [--family PART] [-v]\n");
			return 2;
		}
	}
	mvchat = getenv("MVCHAT") ? getenv("MVCHAT") : "build/release/mvchat";
	const char *tmp = getenv("TMPDIR");
	fmt_into(root, sizeof(root), "%s/mvchat-chaos-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(root) || !prepare(&steps, &writes)) {
		printf("not ok 1 - an undisturbed run\n1..1\n");
		if (!verbose)
			remove_tree(root);
		return 1;
	}
	printf("ok %d - an undisturbed run: %ld durable steps, %ld writes\n", ++n_lines, steps, writes);

	long stride = short_run ? steps / 60 + 1 : 1;
	for (long i = 1; i <= steps; i += stride)
		add(NULL, i, 0, "kill@%ld", i);
	family("killed at a durable step, then resumed");

	long second = short_run ? 12 : 150;
	for (long i = 0; i < second; i++)
		add(NULL, 1 + steps * i / second, 1 + i % 9, "kill@%ld+%ld", 1 + steps * i / second, 1 + i % 9);
	family("killed again while recovering");

	long every = short_run ? writes / 4 + 1 : 1;
	for (size_t f = 0; f < countof(faults); f++)
		for (long r = 1 + (short_run ? (long)f % every : 0); r <= writes; r += every) {
			char line[200];
			fmt_into(line, sizeof(line), "* * #%ld %s\n", r, faults[f]);
			add(line, 0, 0, "%s@%ld", faults[f], r);
		}
	family("a fault at a request");

	long lag = short_run ? 6 : 60;
	for (long i = 0; i < lag; i++) {
		char line[200];
		fmt_into(line, sizeof(line), "* * #%ld lag-drop 15000\n* * * list-lag 10000\n", 1 + writes * i / lag);
		add(line, i % 2 ? 1 + steps * i / lag : 0, 0, "lag+drop-after@%ld%s", 1 + writes * i / lag, i % 2 ? "+kill" : "");
	}
	family("lists that lag, a lost answer, a kill");

	/* Everything at once around one write: it is applied late, and lists lag, and throttle or fail, and we die. */
	static const char *const looks[] = { "429 2", "500-before", "hang", "html-200", "cut-body", "429 none" };
	long bad = short_run ? 6 : 120;
	for (long i = 0; i < bad; i++) {
		char line[200];
		long at = 1 + writes * i / bad;
		const char *how = looks[i % (long)countof(looks)];
		fmt_into(line, sizeof(line), "* * #%ld %s\nGET /messages* every:2 %s\n* * * list-lag 8000\n", at, i % 2 ? "late 15000" : "lag-drop 20000", how);
		add(line, i % 3 ? 1 + steps * i / bad : 0, i % 3 == 2 ? 7 : 0, "looks(%s)@%ld%s", how, at, i % 3 ? "+kill" : "");
	}
	family("an answer lost, reading back in trouble as well, a kill");

	static const struct { enum twist twist; const char *name, *what; } twists[] = {
		{ OTHER_LABEL, "label", "killed, the mapping changed, resumed" }, { LATER_ARCHIVE, "later", "killed, a newer export, resumed" },
		{ CLOCK_BACK, "clock", "killed, the clock set back, resumed" }, { TWO_AT_ONCE, "two", "killed, two started at once" },
	};
	for (size_t w = 0; w < countof(twists); w++) {
		long n = short_run ? 5 : 60;
		for (long i = 0; i < n; i++) {
			char line[200];
			/* steps come thick, so the killed write's answer is lost as well: more of the kills leave an applied op in doubt */
			fmt_into(line, sizeof(line), "* * #%ld hang-after\n", 1 + writes * i / n);
			twist_now = twists[w].twist;
			add(i % 2 ? line : NULL, 2 + steps * i / n + i % 5, 0, "%s@%ld", twists[w].name, 2 + steps * i / n + i % 5);
		}
		family(twists[w].what);
	}

	static const struct { enum twist twist; const char *name, *what; } wishes[] = {
		{ EDIT_DRIFT, "drift", "edits of drift, killed and faulted, resumed" },
		{ DELETE_REMOVED, "removed", "deletions of what the source deleted, killed and faulted, resumed" },
	};
	for (size_t w = 0; w < countof(wishes); w++) {
		long n = short_run ? 6 : 60, of = wish_steps[wishes[w].twist];
		for (long i = 0; i < n; i++) {
			char line[200];
			long at = 1 + (i * 7 + i * of / n) % of, r = 1 + wish_writes[wishes[w].twist] * i / n;
			fmt_into(line, sizeof(line), "* * #%ld %s\n", writes + r, faults[(size_t)i * 5 % countof(faults)]);
			twist_now = wishes[w].twist;
			add(i % 2 ? line : NULL, at, i % 3 == 2 ? 1 + i % 5 : 0, "%s@%ld/%ld", wishes[w].name, at, i);
		}
		family(wishes[w].what);
	}

	long full = short_run ? 4 : 40;
	for (long i = 0; i < full; i++) {
		twist_now = DISK_FULL;
		add(NULL, 60 + 600 * i / full, 0, "full@%ld", 60 + 600 * i / full);
	}
	family("the ledger's disk full, then room again");

	if (seed || !short_run) {
		rng = (uint64_t)seed * 2654435761u + 1;
		for (long i = 0; i < runs; i++) {
			char line[200] = "";
			size_t n = 0;
			for (long k = 1 + pick(3); k > 0; k--)
				n += (size_t)snprintf(line + n, sizeof(line) - n, "* * #%ld %s\n", 1 + pick(writes), faults[pick((long)countof(faults))]);
			twist_now = pick(4) ? AS_IT_WAS : pick(2) ? EDIT_DRIFT : DELETE_REMOVED;
			long of = twist_now == AS_IT_WAS ? steps : wish_steps[twist_now];
			long k1 = pick(3) ? 1 + pick(of) : 0, k2 = k1 && pick(2) ? 1 + pick(40) : 0;
			add(line, k1, k2, "seed%ld/%ld", seed, i);
		}
		family("random faults and kills");
	}

	long back_steps = 0, back_writes = 0;
	bool back = prepare_rollback(&back_steps, &back_writes);
	printf("%sok %d - an undisturbed rollback: %ld durable steps, %ld writes\n", back ? "" : "not ", ++n_lines, back_steps, back_writes);
	n_bad_lines += !back;
	the_case = rollback_case;
	stride = short_run ? back_steps / 25 + 1 : 1;
	for (long i = 1; back && i <= back_steps; i += stride)
		add(NULL, 0, i, "rollback-kill@%ld", i);
	family("a rollback killed at a durable step, then resumed");
	stride = short_run ? steps / 20 + 1 : 3;
	for (long i = 2; back && i <= steps; i += stride)
		add(NULL, i, i % 3 ? 0 : 1 + i % back_steps, "killed-apply@%ld", i);
	family("an apply killed at a durable step, then taken back");
	every = short_run ? back_writes / 2 + 1 : 4;
	for (size_t f = 0; f < countof(faults); f++)
		for (long r = 1 + (short_run ? (long)(f * 7) % every : (long)f % every); back && r <= back_writes && strncmp(faults[f], "foreign", 7); r += every) {
			char line[200];
			fmt_into(line, sizeof(line), "* * #%ld %s\n", writes + r, faults[f]);
			add(line, 0, 0, "rollback-%s@%ld", faults[f], r);
		}
	family("a fault at a request of a rollback");
	free(pristine);
	printf("1..%d\n", n_lines);
	if (!verbose)
		remove_tree(root);
	free(golden);
	free(golden_later);
	for (int i = 0; i < N_TWIST; i++)
		free(golden_wish[i]);
	free(tasks);
	return n_bad_lines > 0;
}
