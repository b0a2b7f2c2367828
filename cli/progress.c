/* Promises: on a foreground terminal one status line at most ten times a second, cut to its width; elsewhere one plain line every
 * 30 seconds; nothing when not wanted. Log lines are written between progress_before and progress_after. Writes to stderr. */
#include "cli/progress.h"

#include "cli/i18n.h"
#include "cli/out.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static enum { LINE, PLAIN, JSON, NONE } how = NONE;
static char shown[1024];
static bool on_screen;
static int64_t last_us = -1;

enum { LINE_EVERY_US = 100000, PLAIN_EVERY_US = 30000000, JSON_EVERY_US = 1000000, EVENT_SCHEMA = 1 };

static void put(const char *s)
{
	size_t n = strlen(s);
	while (n) {
		ssize_t w = write(STDERR_FILENO, s, n);
		if (w <= 0)
			return;
		s += w;
		n -= (size_t)w;
	}
}

static void before(void)
{
	if (on_screen)
		put("\r\033[K");
}

static void after(void)
{
	if (on_screen)
		put(shown);
}

void progress_init(enum progress_mode mode)
{
	const char *term = getenv("TERM");
	bool tty = isatty(STDERR_FILENO) && term && !streq(term, "dumb");
	switch (mode) {
	case PROGRESS_NEVER: how = NONE; break;
	case PROGRESS_ALWAYS: how = LINE; break;
	case PROGRESS_PLAIN: how = PLAIN; break;
	case PROGRESS_JSON: how = JSON; break;
	case PROGRESS_AUTO: how = tty && tcgetpgrp(STDERR_FILENO) == getpgrp() ? LINE : PLAIN; break;
	}
	log_set_hooks(before, after);
}

static int columns(void)
{
	struct winsize w;
	const char *env = getenv("COLUMNS");
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col)
		return w.ws_col;
	int n = env ? atoi(env) : 0;
	return n > 0 ? n : 80;
}

/* Real time, not core/clock: how often to draw is for people's eyes. */
static bool due(void)
{
	static int64_t began;
	int64_t now = clock_is_virtual() ? last_us + LINE_EVERY_US : clock_mono_us();
	int64_t every = how == LINE ? LINE_EVERY_US : how == JSON ? JSON_EVERY_US : PLAIN_EVERY_US;
	if (last_us < 0 && how == PLAIN && !began) {
		began = 1;
		last_us = now; /* the first plain line comes after a full interval: short runs stay quiet */
		return false;
	}
	if (last_us >= 0 && now - last_us < every)
		return false;
	last_us = now;
	return true;
}

static void draw(const char *text)
{
	if (how == NONE || !due())
		return;
	if (how == PLAIN) {
		log_info("progress", "%s", text);
		return;
	}
	size_t n = strlen(text), width = (size_t)columns() - 1;
	if (n >= sizeof(shown))
		n = utf8_cut(text, sizeof(shown) - 1);
	memcpy(shown, text, n);
	shown[n] = '\0';
	while (n && utf8_width(shown) > width) {
		n = utf8_cut(shown, n - 1);
		shown[n] = '\0';
	}
	put("\r\033[K");
	put(shown);
	on_screen = true;
}

/* ---- events for programs ---- */

/* The newest event of a stage: said once more with "last" when the stage ends, so that the final numbers are never missed. */
static struct { const char *stage; int64_t done, total; struct engine_progress engine; bool has_engine; } newest;

static void say_event(bool last)
{
	struct buf b;
	struct jw w;
	char t[32];
	buf_init(&b, 4096);
	jw_init(&w, &b);
	clock_iso(clock_wall_us(), t);
	jw_obj(&w);
	jw_kint(&w, "schema", EVENT_SCHEMA);
	jw_kstr(&w, "event", "progress");
	jw_kstr(&w, "t", t);
	jw_kstr(&w, "stage", newest.stage);
	jw_kint(&w, "done", newest.done);
	if (newest.total >= 0)
		jw_kint(&w, "total", newest.total);
	if (newest.has_engine) {
		const struct engine_progress *p = &newest.engine;
		int64_t now = clock_mono_us(), spent = now - p->began_mono_us;
		jw_kint(&w, "elapsed_ms", spent / 1000);
		if (p->done > 0 && p->total > p->done)
			jw_kint(&w, "left_ms", (int64_t)((double)spent / 1000 * (double)(p->total - p->done) / (double)p->done));
		jw_kint(&w, "ops", p->ops_done);
		jw_kint(&w, "lanes_open", (int64_t)p->lanes_open);
		jw_kint(&w, "lanes_waiting", (int64_t)p->lanes_waiting);
		jw_kint(&w, "lanes_stopped", (int64_t)p->lanes_stopped);
		jw_kint(&w, "in_flight", (int64_t)p->in_flight);
		jw_kint(&w, "throttled", p->throttled);
		jw_kint(&w, "waiting_ms", p->wait_until_mono_us > now ? (p->wait_until_mono_us - now) / 1000 : 0);
	}
	jw_kbool(&w, "last", last);
	jw_obj_end(&w);
	buf_addc(&b, '\n');
	put(b.p);
	buf_release(&b);
}

/* Takes the event in; true when programs are told, and there is nothing to draw. */
static bool as_event(const char *stage, int64_t done, int64_t total, const struct engine_progress *p)
{
	if (how != JSON)
		return false;
	bool begins = !newest.stage || !streq(newest.stage, stage);
	if (begins && newest.stage)
		say_event(true);
	newest.stage = stage;
	newest.done = done;
	newest.total = total;
	newest.has_engine = p != NULL;
	if (p)
		newest.engine = *p;
	if (due() || begins)
		say_event(false);
	return true;
}

void progress_clear(void)
{
	if (on_screen)
		put("\r\033[K");
	on_screen = false;
	if (how == JSON && newest.stage)
		say_event(true);
	newest.stage = NULL;
}

void progress_count(const char *stage, const char *what, int64_t n)
{
	char line[256];
	if (as_event(stage, n, -1, NULL))
		return;
	snprintf(line, sizeof(line), "%s  %s", what, num(n));
	draw(line);
}

void progress_part(const char *stage, const char *what, int64_t n, int64_t of)
{
	char line[256];
	if (as_event(stage, n, of, NULL))
		return;
	snprintf(line, sizeof(line), "%s  %s/%s", what, num(n), num(of));
	draw(line);
}

void progress_engine(void *ctx, const struct engine_progress *p)
{
	(void)ctx;
	if (how == NONE || as_event("writing", p->done, p->total, p))
		return;
	char line[512], eta[64] = "", wait[96] = "", speed[32] = "–";
	double elapsed = (double)(clock_mono_us() - p->began_mono_us) / 1e6;
	double rate = elapsed > 0.5 ? (double)p->done / elapsed : 0;
	if (rate > 0 && p->total > p->done)
		snprintf(eta, sizeof(eta), _(" · %s left"), span_of((double)(p->total - p->done) / rate));
	if (p->wait_until_mono_us > clock_mono_us())
		snprintf(wait, sizeof(wait), _(" · waiting %s"), span_of((double)(p->wait_until_mono_us - clock_mono_us()) / 1e6));
	if (rate > 0)
		snprintf(speed, sizeof(speed), rate < 10 ? "%.1f" : "%.0f", rate);
	snprintf(line, sizeof(line), _("sending  %s/%s messages · %s/s · %zu lanes%s%s%s"), num(p->done), num(p->total), speed, p->lanes_open, eta, wait,
	         p->lanes_stopped ? _(" · some stopped") : "");
	draw(line);
}
