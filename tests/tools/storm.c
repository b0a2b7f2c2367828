/* storm: everything that can go wrong, at once and at random, on a tiny archive: kill -9 at wall-clock instants and at durable
 * steps, every fault of the sandbox, a full disk, an old or torn copy of the ledger put back, clock jumps, two processes at once,
 * no network, no DNS, no TLS, storage that is slow or fails, several bots whose tokens come and go, and a person who edits, deletes, reacts and archives in the target meanwhile.
 * Then peace; and then:
 *
 *   no message is lost, there twice, or out of order, but for what a person deleted;
 *   every stop can be resumed;
 *   what cannot be decided has stopped and says so (a lane stopped, exit 6; a ledger closed, exit 8) and nothing was guessed.
 *
 *   storm [--seed N] [--runs N] [--from N] [-v]   scenarios made from the seed
 *   storm --scenario 'LINE'                         one of them again; failing ones are printed in this form
 *   storm --file FILE                               those of a file, one a line (tests/chaos/regressions)
 *
 * A scenario is a line of parts separated by ';' (docs/replay.md). Instants in microseconds are those of the machine, so a
 * scenario with them is repeated as nearly as a busy machine allows; --times N repeats it. Time is virtual otherwise.
 * Environment: MVCHAT = the binary, NETFAIL = the library that makes its network fail (tests/tools/preload). */
#define _DEFAULT_SOURCE
#include "storm_world.h"

static char *golden[N_ARCHIVE];
static long apply_us;
enum { MESSAGES = 19, ROOT = 3, FIRST_REPLY = 9, PARTS_MAX = 64 };

/* ---- randomness ---- */

static uint64_t rng;

static long pick(long n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (long)((rng >> 33) % (uint64_t)n);
}

/* ---- the verdict ---- */

struct tally { int live[MESSAGES + 1], dead[MESSAGES + 1], ok_live, ok_dead; bool order; };

/* Counts every message of the archive in a dump, and looks at their order within chat and thread. */
static void count(const char *dump, struct tally *t)
{
	char place[300] = "", reply_place[300] = "";
	int last = 0, last_reply = 0;
	*t = (struct tally){ .order = true };
	for (const char *line = dump, *end; *line; line = end) {
		end = strchr(line, '\n');
		end = end ? end + 1 : line + strlen(line);
		char *own = xstrndup(line, (size_t)(end - line));
		const char *chat = strstr(own, "\"chat\":\""), *text = strstr(own, "\"content\":\""), *thread = strstr(own, "\"thread\":");
		if (strstr(own, "\"type\":\"message\"") && chat && text && thread) {
			bool dead = strstr(own, "\"deleted\":true") != NULL, reply = strncmp(thread, "\"thread\":null", 13) != 0;
			const char *m = strstr(text, "M0");
			char at[300];
			fmt_into(at, sizeof(at), "%.*s/%.*s", (int)strcspn(chat + 8, "\""), chat + 8, (int)strcspn(thread, ","), thread);
			int no = m ? atoi(m + 1) : 0;
			if (no > 0 && no <= MESSAGES) {
				char *where = reply ? reply_place : place;
				int *before = reply ? &last_reply : &last;
				if (!streq(where, at)) {
					fmt_into(where, sizeof(place), "%s", at);
					*before = 0;
				}
				if (!dead) {
					t->order = t->order && no > *before;
					*before = no;
				}
				*(dead ? &t->dead[no] : &t->live[no]) += 1;
			} else if (strstr(text, "\"content\":\"ok\"") || strstr(text, "person: ok\"")) {
				*(dead ? &t->ok_dead : &t->ok_live) += 1;
			}
		}
		free(own);
	}
}

static void blank(char *s, const char *what)
{
	for (char *p = s; (p = strstr(p, what)) != NULL;)
		memmove(p, p + strlen(what), strlen(p + strlen(what)) + 1);
}

static void blank_archived(char *s)
{
	blank(s, "\"archived\":true,");
	blank(s, "\"archived\":false,");
}

/* Which bot wrote what, and is in which chat, depends on who was free and whose tokens were given. A person whom a "foreign" fault adds may
 * come first where the chat is another bot's. */
static void blank_bots(char *s)
{
	static const char *const what[] = { "\"author\":\"import\",", "\"author\":\"user\",", "\"author\":\"user2\",",
		"\"owner\":\"import\",", "\"owner\":\"user\",", "\"owner\":\"user2\",", "\"import\",", "\"live.person@sandbox.local\",", ",\"user\"", ",\"user2\"" };
	for (size_t i = 0; i < countof(what); i++)
		blank(s, what[i]);
}

static char *comparable(const char *dump, const struct world *w)
{
	struct buf b;
	buf_init(&b, OUT_MAX);
	for (const char *line = dump, *end; *line; line = end) {
		end = strchr(line, '\n');
		end = end ? end + 1 : line + strlen(line);
		char *own = xstrndup(line, (size_t)(end - line));
		if (!strstr(own, "\"type\":\"stats\"") && !strstr(own, "\"content\":\"human ") && !strstr(own, "\"type\":\"user\",\"email\":\"live.person@") &&
		    !(w->pool && strstr(own, "\"type\":\"user\",\"email\":null,\"nickname\":\"user")))
			buf_adds(&b, own);
		free(own);
	}
	char *s = buf_detach(&b);
	blank_links(s);
	if (w->archives)
		blank_archived(s);
	blank(s, "{\"code\":\"\xf0\x9f\x91\x8d\",\"user\":\"live.person@sandbox.local\"}");
	if (w->pool)
		blank_bots(s);
	return s;
}

static char *dump_now(struct world *w, const char *query)
{
	struct buf b;
	char path[64];
	buf_init(&b, OUT_MAX);
	fmt_into(path, sizeof(path), "/sandbox/dump%s", query);
	if (http(w->port, "GET", path, "", &b) != 200) {
		bad(w, "the sandbox gives no dump");
		buf_adds(&b, "\n");
	}
	return buf_detach(&b);
}

static bool any_of(const struct world *w, const char *key)
{
	char *text = slurp(path_of(w->dir, "apply.json"));
	bool is = false;
	for (const char *p = text; p && !is && (p = strstr(p, key)) != NULL; p++)
		is = strtol(p + strlen(key), NULL, 10) > 0;
	free(text);
	return is;
}

enum how_ended { COMPLETE, STOPPED_AND_SAID };

static void judge(struct world *w, enum how_ended how)
{
	struct tally t;
	http(w->port, "POST", "/sandbox/settings", "{\"advance_ms\":7200000}", NULL); /* what is late arrives */
	char *all = dump_now(w, "?deleted=1");
	count(all, &t);
	free(all);
	if (w->why[0])
		return;
	for (int i = 1; i <= MESSAGES; i++) {
		/* With the first message a person takes the way to its thread: a ledger that has lost it too cannot find the replies again. */
		bool orphan = i >= FIRST_REPLY && i < FIRST_REPLY + 3 && t.dead[ROOT] && w->swapped;
		if ((t.live[i] > 1 && !orphan) || t.live[i] + t.dead[i] > 1 + (w->deletes ? 1 : 0) + orphan)
			bad(w, "message %d is there %d times, and %d times deleted", i, t.live[i], t.dead[i]);
		else if (how == COMPLETE && t.live[i] + t.dead[i] < 1)
			bad(w, "message %d is lost", i);
	}
	if (t.ok_live > 2 || t.ok_live + t.ok_dead > 2 + (w->deletes ? 2 : 0) || (how == COMPLETE && t.ok_live + t.ok_dead < 2))
		bad(w, "of two equal messages there are %d, and %d deleted", t.ok_live, t.ok_dead);
	if (!t.order && !w->deletes)
		bad(w, "out of order");
	/* What a chat refused while a person had it closed is told as refused. */
	if (how != COMPLETE || w->edits || w->deletes || w->why[0] || (w->archives && any_of(w, "\"rejected\":")))
		return;
	char *live = dump_now(w, ""), *got = comparable(live, w), *want = xstrdup(golden[w->archive]);
	if (w->archives)
		blank_archived(want);
	if (w->pool)
		blank_bots(want);
	size_t i = 0;
	while (got[i] && got[i] == want[i])
		i++;
	bool same = got[i] == want[i];
	while (i && got[i - 1] != '\n')
		i--;
	if (!same)
		bad(w, "the content differs: got %.250s, not %.250s", got + i, want + i);
	free(live);
	free(got);
	free(want);
}

/* No faults any more; a person opens what a person closed. apply until it has nothing left to do, or says why it cannot. */
static void peace(struct world *w)
{
	struct attempt calm = { 0 };
	http(w->port, "POST", "/sandbox/faults", "", NULL);
	w->calm = true;
	int c = -1;
	for (int i = 0; i < 8 && !w->why[0]; i++) {
		unlink(path_of(w->dir, "apply.err"));
		int st = see_through(w, begin(w, "apply", &calm, "apply.json"), &calm);
		c = last_exit(st);
		if (c == 0 && json_number(w->dir, "\"writes\":") == 0 && i > 0)
			break;
		if (c == 6 && w->archives && i < 4) {
			http(w->port, "POST", "/sandbox/unarchive", "", NULL);
		} else if (c == 8 && !w->swapped && more_bots(w)) {
			continue;
		} else if ((c == 8 || c == 1) && w->swapped && i < 4) {
			if (!adopt(w)) {
				judge(w, STOPPED_AND_SAID);
				return;
			}
		} else if (c != 0 && c != 6) {
			fine(w, "resuming", st, &calm);
			bad(w, "resuming ended with %d", c);
		}
	}
	if (w->why[0])
		return;
	if (c == 0) {
		judge(w, COMPLETE);
		return;
	}
	/* A thread whose first message a person deleted is refused for good: told as well. */
	bool tells = any_of(w, "\"lanes_stopped\":") || any_of(w, "\"in_doubt\":") || any_of(w, "\"rejected\":");
	if (!tells || !(w->edits || w->deletes)) {
		char *err = slurp(path_of(w->dir, "apply.err"));
		bad(w, "never finished: exit %d: %.300s", c, err ? err : "");
		free(err);
		return;
	}
	stats.stopped++;
	judge(w, STOPPED_AND_SAID);
}

/* Everything is taken back; what a person has changed or reacted to stays and is told (6). Then it is written again. */
static void take_back(struct world *w, const struct attempt *t)
{
	struct attempt calm = { 0 };
	struct tally left;
	attempt(w, "rollback", t);
	http(w->port, "POST", "/sandbox/faults", "", NULL);
	w->calm = true;
	int c = -1;
	for (int i = 0; i < 6 && !w->why[0]; i++) {
		unlink(path_of(w->dir, "apply.err"));
		int st = see_through(w, begin(w, "rollback", &calm, "apply.json"), &calm);
		c = last_exit(st);
		if ((c == 0 || c == 6) && json_number(w->dir, "\"writes\":") == 0)
			break;
		if (c == 8 && !w->swapped && more_bots(w))
			continue;
		bool shut = (c == 8 || c == 1) && w->swapped;
		if (shut && i < 4 && !adopt(w))
			return;
		if (c != 0 && c != 6 && !(shut && i < 4))
			fine(w, "rollback", st, &calm), bad(w, "rollback ended with %d", c);
	}
	bool people = w->edits || w->deletes || w->reacts || w->archives;
	if (!w->why[0] && c != 0 && !people && !w->foreign) {
		char *err = slurp(path_of(w->dir, "apply.json"));
		bad(w, "the rollback never finished: exit %d: %.400s", c, err ? err : "");
		free(err);
	}
	char *live = dump_now(w, "");
	count(live, &left);
	free(live);
	for (int i = 1; i <= MESSAGES && !people && !w->why[0] && !any_of(w, "\"answered\":"); i++)
		if (left.live[i])
			bad(w, "message %d is left after the rollback", i);
}

/* ---- a scenario ---- */

static char *word(char **p)
{
	*p += strspn(*p, " ");
	char *at = *p;
	*p += strcspn(*p, " ");
	if (**p)
		*(*p)++ = '\0';
	return at;
}

static bool read_attempt(char *p, struct attempt *t)
{
	*t = (struct attempt){ 0 };
	for (char *x = word(&p); *x; x = word(&p)) {
		char *eq = strchr(x, '=');
		long n = eq ? atol(eq + 1) : 0;
		size_t k = eq ? (size_t)(eq - x) : strlen(x);
#define IS(name) (k == sizeof(name) - 1 && !strncmp(x, name, k))
		if (IS("kill")) t->kill = n;
		else if (IS("kill-us")) t->kill_us = n;
		else if (IS("term-us")) t->term_us = n;
		else if (IS("full")) t->full = n;
		else if (IS("ops")) t->ops = n;
		else if (IS("clock")) t->clock_days = n;
		else if (IS("copy-us")) t->copy_us = n;
		else if (IS("gap-us")) t->copy_gap_us = n;
		else if (IS("two")) t->two = true;
		else if (IS("bots")) fmt_into(t->bots, sizeof(t->bots), "%s", eq + 1);
		else if (IS("net")) fmt_into(t->net, sizeof(t->net), "%s", eq + 1);
		else return false;
#undef IS
	}
	return true;
}

/* project_make takes its project from root/base. */
static void use_archive(int which)
{
	char base[700], target[20];
	fmt_into(base, sizeof(base), "%s/base", root);
	fmt_into(target, sizeof(target), "base-%d", which);
	unlink(base);
	if (symlink(target, base) != 0)
		die("storm: no link in %s", root);
}

/* NULL: all is well. */
static const char *play(const char *line)
{
	static struct world w;
	static char why[900];
	w = (struct world){ .port = 0 };
	for (; *line == ' ' || !strncmp(line, "files;", 6) || !strncmp(line, "tls;", 4) || !strncmp(line, "pool;", 5);
	     line += *line == ' ' ? 1 : *line == 't' ? 4 : *line == 'p' ? 5 : 6) {
		w.tls = w.tls || (*line == 't' && !no_tls);
		w.pool = w.pool || *line == 'p';
		w.archive = *line == 'f' ? FILES : w.archive;
	}
	tls_now = w.tls;
	fmt_into(w.bots, sizeof(w.bots), "123");
	use_archive(w.archive);
	fmt_into(w.dir, sizeof(w.dir), "%s/run", root);
	remove_tree(w.dir);
	struct buf faults;
	buf_init(&faults, 1 << 16);
	char *copy = xstrdup(line), *parts[PARTS_MAX];
	size_t n = 0;
	for (char *p = copy; p && n < PARTS_MAX;) {
		char *end = strchr(p, ';');
		if (end)
			*end++ = '\0';
		p += strspn(p, " ");
		parts[n++] = p;
		p = end;
	}
	for (size_t i = 0; i < n; i++)
		if (!strncmp(parts[i], "fault ", 6)) {
			buf_addf(&faults, "%s\n", parts[i] + 6);
			w.foreign = w.foreign || strstr(parts[i], " foreign");
			w.edits = w.edits || strstr(parts[i], " edit");
			w.deletes = w.deletes || strstr(parts[i], " delete");
			w.archives = w.archives || strstr(parts[i], "archive");
			w.reacts = w.reacts || strstr(parts[i], " react");
		}
	if (!project_make(w.dir))
		die("storm: cannot make a project in %s", root);
	else if (sandbox_begin(&w, faults.p ? faults.p : "")) {
		bool taken_back = false;
		for (size_t i = 0; i < n && !w.why[0]; i++) {
			struct attempt t;
			char *p = parts[i], *verb = word(&p);
			if (streq(verb, "fault") || !*verb)
				continue;
			if (!read_attempt(p, &t)) {
				bad(&w, "what is '%s'?", p);
			} else if (streq(verb, "then")) {
				fmt_into(w.bots, sizeof(w.bots), "%s", t.bots);
			} else if (streq(verb, "run")) {
				attempt(&w, "apply", &t);
			} else if (streq(verb, "rollback")) {
				take_back(&w, &t);
				stats.taken_back++;
				taken_back = true;
			} else if (streq(verb, "adopt")) {
				attempt(&w, "verify", &t);
			} else if (streq(verb, "copy")) {
				copy_at_rest(&w);
			} else if (streq(verb, "put-back")) {
				put_back(&w);
			} else if (streq(verb, "lose")) {
				lose(&w, false);
			} else {
				bad(&w, "what is '%s'?", verb);
			}
		}
		/* What was taken back is written again behind what had stayed; chats given up and deleted messages stay in the dump. */
		if (taken_back)
			w.deletes = true;
		if (!w.why[0] && !taken_back)
			peace(&w);
	}
	if (w.sb.pid && w.why[0] && verbose) {
		char *d = dump_now(&w, "?deleted=1");
		spit(path_of(w.dir, "dump"), d);
		free(d);
	}
	if (w.sb.pid)
		sandbox_down(&w.sb);
	buf_release(&faults);
	free(copy);
	if (w.why[0] && verbose) {
		char keep[800];
		fmt_into(keep, sizeof(keep), "%s/bad-%d", root, (int)(now_us() % 100000));
		rename(w.dir, keep);
		printf("# kept: %s\n", keep);
	} else {
		remove_tree(w.dir);
	}
	fmt_into(why, sizeof(why), "%s", w.why);
	return why[0] ? why : NULL;
}

static const char *const faults[] = {
	"drop-before", "drop-after", "500-before", "500-after", "late 5000", "late 20000", "hang", "hang-after", "cut-body", "html-200", "html-502",
	"401", "429 2", "429 none", "429 garbage", "429 past", "429 date", "503 3", "503-after", "foreign human writes", "foreign-after human writes",
	"wrong-id", "lag-drop 15000",
};
static const char *const looks[] = { "429 2", "500-before", "hang", "html-200", "cut-body", "429 none", "drop-before", "503 3" };
static const char *const deeds[] = { "edit", "delete", "react", "archive", "unarchive" };
static const char *const nets[] = { "refuse", "unreachable", "timeout", "reset", "reset", "lost" };
static const char *const secure_nets[] = { "dns", "dns", "wrong", "wrong", "speechless", "reset", "lost", "refuse" };
static const char *const stores[] = { "500-before", "500-after", "503 3", "503-after", "drop-before", "drop-after", "hang", "hang-after", "late 9000", "cut-body", "html-502", "slow 40000" };

/* Whoever is the first when the first chat is made owns the chats; without it apply refuses to go on. */
static const char *const teams[] = { "1", "1", "12", "21", "31", "13", "321", "231", "2" };

static void add_how(struct buf *b, bool tls, long n_steps, long n_writes)
{
	switch (pick(9)) {
	case 0: case 1: buf_addf(b, " kill=%ld", 1 + pick(n_steps)); break;
	case 2: case 3: case 4: buf_addf(b, " kill-us=%ld", 1 + pick(apply_us * 5 / 4)); break;
	case 5: buf_addf(b, " term-us=%ld", 1 + pick(apply_us)); break;
	case 6: buf_addf(b, " full=%ld", 40 + pick(300)); break;
	case 7: buf_addf(b, " ops=%ld", 1 + pick(n_writes)); break;
	default: break;
	}
	if (pick(8) == 0)
		buf_adds(b, " two");
	if (pick(8) == 0)
		buf_addf(b, " clock=%ld", pick(2) ? -1 - pick(400) : 1 + pick(400));
	if (pick(tls ? 2 : 6) == 0) {
		const char *kind = tls ? secure_nets[pick(countof(secure_nets))] : nets[pick(countof(nets))];
		long from = 1 + pick(streq(kind, "dns") ? 2 : streq(kind, "reset") || streq(kind, "lost") ? 80 : 12);
		buf_addf(b, " net=%s:%ld-%ld", kind, from, from + pick(3) * pick(40));
	}
}

static char *scenario(uint64_t seed, long i)
{
	struct buf b;
	buf_init(&b, 1 << 14);
	rng = (seed * 1000003u + (uint64_t)i) * 2654435761u + 12345;
	pick(7);
	bool files = pick(3) == 0, tls = pick(6) == 0, pool = pick(4) == 0;
	long n_writes = archives[files ? FILES : PLAIN].writes, n_steps = archives[files ? FILES : PLAIN].steps;
	buf_adds(&b, files ? "files; " : "");
	buf_adds(&b, tls ? "tls; " : "");
	buf_adds(&b, pool ? "pool; " : "");
	long humans = pick(4) == 0 ? 1 + pick(2) : 0;
	for (long k = pick(4); k > 0; k--)
		buf_addf(&b, "fault * * #%ld %s; ", 1 + pick(n_writes), faults[pick(countof(faults))]);
	for (; humans > 0; humans--)
		buf_addf(&b, "fault * * #%ld %s %s; ", 1 + pick(n_writes), pick(2) ? "human" : "human-drop", deeds[pick(countof(deeds))]);
	if (pick(4) == 0)
		buf_addf(&b, "fault GET /messages* every:%ld %s; ", 2 + pick(2), looks[pick(countof(looks))]);
	for (long k = files ? pick(3) : 0; k > 0; k--)
		buf_addf(&b, "fault POST /direct_url %s%ld %s; ", pick(3) ? "" : "every:", 1 + pick(9), stores[pick(countof(stores))]);
	if (files && pick(2))
		buf_addf(&b, "fault POST /direct_url * slow %ld; ", 200 * (1 + pick(30)));
	if (pick(5) == 0)
		buf_addf(&b, "fault * * * list-lag %ld; ", 1000 * (1 + pick(20)));
	long runs = 1 + pick(4), back = pick(3) == 0 ? pick(runs) : -1;
	for (long k = 0; k < runs; k++) {
		buf_adds(&b, "run");
		add_how(&b, tls, n_steps, n_writes);
		if (pool && pick(2))
			buf_addf(&b, " bots=%s", teams[pick(countof(teams))]);
		if (k == back)
			buf_addf(&b, " copy-us=%ld gap-us=%ld", 1 + pick(apply_us * 5 / 4), pick(3) ? 0 : pick(apply_us));
		buf_adds(&b, "; ");
	}
	if (back >= 0)
		buf_adds(&b, "put-back; ");
	else if (pick(12) == 0)
		buf_adds(&b, "lose; ");
	if (pool && pick(2))
		buf_addf(&b, "then bots=%s; ", teams[pick(countof(teams))]);
	if (pick(10) == 0) {
		buf_adds(&b, "rollback");
		add_how(&b, tls, n_steps, n_writes);
		buf_adds(&b, "; ");
	}
	return buf_detach(&b);
}

/* ---- the undisturbed run ---- */

static bool prepare(int which)
{
	static struct world w;
	char base[600], *abs = realpath(archives[which].path, NULL);
	long n_steps = 0;
	w = (struct world){ .archive = which };
	fmt_into(base, sizeof(base), "%s/base-%d", root, which);
	fmt_into(w.dir, sizeof(w.dir), "%s/clean-%d", root, which);
	if (!abs || mkdir(base, 0700) != 0)
		return false;
	use_archive(which);
	const char *argv[] = { mvchat, "map", "-q", "-C", base, "--offline", "--unmatched", "create", abs, NULL };
	int mapped = wait_for(start(argv, NULL, NULL, path_of(base, "err")), 60);
	free(abs);
	if (mapped != 0 || !project_make(w.dir) || !sandbox_begin(&w, ""))
		return false;
	setenv("MVCHAT_STEP_COUNT", path_of(w.dir, "steps"), 1);
	struct attempt calm = { 0 };
	int st = see_through(&w, begin(&w, "apply", &calm, "apply.json"), &calm);
	unsetenv("MVCHAT_STEP_COUNT");
	long n_writes = json_number(w.dir, "\"writes\":");
	char *steps = slurp(path_of(w.dir, "steps")), *d = dump_now(&w, "");
	for (const char *p = steps; p && (p = strchr(p, '\n')); p++)
		n_steps++;
	golden[which] = comparable(d, &w);
	struct tally t;
	count(d, &t);
	bool whole = t.order && t.ok_live == 2;
	for (int i = 1; i <= MESSAGES; i++)
		whole = whole && t.live[i] == 1;
	free(steps);
	free(d);
	sandbox_down(&w.sb);
	/* How often it waits varies a little; scenarios must not, so they take the numbers of the table. */
	bool near = labs(n_steps - archives[which].steps) < 70 && labs(n_writes - archives[which].writes) < 12;
	if (!near)
		printf("# %s: %ld steps, %ld writes\n", archives[which].path, n_steps, n_writes);
	return st == 0 && whole && near;
}

/* One that --cacert is given, and one of somebody else with the same name. */
static void make_certificates(void)
{
	static const char *const names[] = { "good", "wrong" };
	for (size_t i = 0; i < countof(names); i++) {
		char key[700], cert[700], subject[40];
		fmt_into(key, sizeof(key), "%s/%s.key", root, names[i]);
		fmt_into(cert, sizeof(cert), "%s/%s.pem", root, names[i]);
		fmt_into(subject, sizeof(subject), "/CN=%s", names[i]);
		const char *argv[] = { "/usr/bin/env", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
			"-keyout", key, "-out", cert, "-subj", subject, "-addext", "subjectAltName=DNS:target.mvchat.test", "-days", "2", NULL };
		no_tls = no_tls || wait_for(start(argv, NULL, NULL, NULL), 60) != 0;
	}
	if (no_tls)
		printf("# no openssl: what would be over TLS goes without\n");
}

static long cpu_ms(void)
{
	struct rusage u;
	getrusage(RUSAGE_CHILDREN, &u);
	return u.ru_utime.tv_sec * 1000 + u.ru_utime.tv_usec / 1000 + u.ru_stime.tv_sec * 1000 + u.ru_stime.tv_usec / 1000;
}

static long n_ok, n_bad, n_tests;

static void try_one(const char *line, const char *name)
{
	const char *bad_thing = play(line);
	if (!bad_thing) {
		n_ok++;
		return;
	}
	n_bad++;
	printf("not ok %ld - %s: %s\n# again: build/release/tools/storm --scenario '%s'\n", ++n_tests, name, bad_thing, line);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	long seed = 1, runs = 200, from = 0, times = 1;
	const char *one = NULL, *file = NULL;
	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;
		if (streq(argv[i], "-v")) verbose = true;
		else if (streq(argv[i], "--seed") && more) seed = atol(argv[++i]);
		else if (streq(argv[i], "--runs") && more) runs = atol(argv[++i]);
		else if (streq(argv[i], "--from") && more) from = atol(argv[++i]);
		else if (streq(argv[i], "--times") && more) times = atol(argv[++i]);
		else if (streq(argv[i], "--scenario") && more) one = argv[++i];
		else if (streq(argv[i], "--file") && more) file = argv[++i];
		else {
			fprintf(stderr, "usage: storm [--seed N] [--runs N] [--from N] [--scenario LINE] [--file FILE] [--times N] [-v]\n");
			return 2;
		}
	}
	mvchat = getenv("MVCHAT") ? getenv("MVCHAT") : "build/release/mvchat";
	/* beside this program, where make puts it */
	static char beside[1024];
	fmt_into(beside, sizeof(beside), "%.*snetfail.so", (int)(strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 - argv[0] : 0), argv[0]);
	netfail = getenv("NETFAIL") ? getenv("NETFAIL") : realpath(beside, NULL);
	if (!netfail) {
		printf("not ok 1 - %s is missing\n1..1\n", beside);
		return 1;
	}
	const char *tmp = getenv("TMPDIR");
	sigset_t chld;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL); /* for sigtimedwait */
	setenv("MVCHAT_CLOCK_HANG_MS", "60", 0);
	fmt_into(root, sizeof(root), "%s/mvchat-storm-XXXXXX", tmp && *tmp ? tmp : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(root) || !prepare(PLAIN) || !prepare(FILES)) {
		printf("not ok 1 - an undisturbed run\n1..1\n");
		return 1;
	}
	make_certificates();
	apply_us = getenv("APPLY_US") ? atol(getenv("APPLY_US")) : 40000;
	printf("ok %ld - an undisturbed run of each archive\n", ++n_tests);
	fflush(stdout);
	int64_t began = now_us();
	if (one) {
		for (long i = 0; i < times; i++)
			try_one(one, "scenario");
	} else if (file) {
		char *text = slurp(file), *save = NULL;
		for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
			if (*line != '#')
				for (long i = 0; i < times; i++)
					try_one(line, file);
		free(text);
	} else {
		for (long i = from; i < from + runs; i++) {
			char *line = scenario((uint64_t)seed, i), name[64];
			fmt_into(name, sizeof(name), "seed %ld run %ld", seed, i);
			try_one(line, name);
			free(line);
			if ((i + 1) % 500 == 0) {
				printf("# %ld runs, %ld bad, %.0f ms CPU a run, %.0f ms\n", n_ok + n_bad, n_bad, (double)cpu_ms() / (double)(n_ok + n_bad), (double)(now_us() - began) / 1e3 / (double)(n_ok + n_bad));
				fflush(stdout);
			}
		}
	}
	printf("# %ld processes killed; %ld ledgers put back; %ld refused (%ld of them damaged), %ld completed from the target, %ld left closed; %ld runs stopped and said so; %ld rollbacks\n",
	       stats.killed, stats.put_back, stats.refused, stats.damaged, stats.adopted, stats.closed, stats.stopped, stats.taken_back);
	printf("%sok %ld - random scenarios: %ld of %ld; %.0f ms CPU each\n1..%ld\n", n_bad ? "not " : "", n_tests + 1, n_ok, n_ok + n_bad,
	       (double)cpu_ms() / (double)(n_ok + n_bad ? n_ok + n_bad : 1), n_tests + 1);
	for (size_t i = 0; i < countof(other); i++)
		if (other[i].pid) {
			kill(other[i].pid, SIGTERM);
			wait_for(other[i].pid, 10);
		}
	if (!verbose)
		remove_tree(root);
	for (size_t i = 0; i < N_ARCHIVE; i++)
		free(golden[i]);
	return n_bad > 0;
}
