#include "core/log.h"

#include "core/buf.h"
#include "core/clock.h"
#include "core/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECRETS_MAX = 64, LINE_MAX_BYTES = 16 * 1024 };

static enum log_level level_max = LOG_INFO;
static enum log_format format = LOG_TEXT;
static char *secrets[SECRETS_MAX];
static size_t n_secrets;
static void (*hook_before)(void), (*hook_after)(void);
static const char *error_word = "error", *warning_word = "warning";

void log_init(enum log_level max, enum log_format f)
{
	level_max = max;
	format = f;
}

bool log_enabled(enum log_level level)
{
	return level <= level_max;
}

void log_set_words(const char *error, const char *warning)
{
	error_word = error;
	warning_word = warning;
}

void log_set_hooks(void (*before)(void), void (*after)(void))
{
	hook_before = before;
	hook_after = after;
}

void log_secret(const char *secret)
{
	if (!secret || strlen(secret) < 4)
		return;
	for (size_t i = 0; i < n_secrets; i++)
		if (streq(secrets[i], secret))
			return;
	if (n_secrets == SECRETS_MAX)
		die("more than %d secrets", SECRETS_MAX);
	secrets[n_secrets++] = xstrdup(secret);
}

void log_redact(const char *s, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n;) {
		size_t hit = 0;
		for (size_t k = 0; k < n_secrets; k++) {
			size_t len = strlen(secrets[k]);
			if (len > hit && len <= n - i && !memcmp(s + i, secrets[k], len))
				hit = len;
		}
		if (hit)
			buf_adds(out, "***");
		else
			buf_addc(out, s[i]);
		i += hit ? hit : 1;
	}
}

static void add_json_string(struct buf *b, const char *s)
{
	buf_addc(b, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c < 0x20)
			buf_addf(b, "\\u%04x", c);
		else
			buf_addc(b, *s);
	}
	buf_addc(b, '"');
}

void log_at(enum log_level level, const char *ev, const char *fmt, ...)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	if (level > level_max)
		return;
	struct buf raw, clean, line;
	buf_init(&raw, LINE_MAX_BYTES);
	buf_init(&clean, 2 * LINE_MAX_BYTES);
	buf_init(&line, 4 * LINE_MAX_BYTES);
	char text[LINE_MAX_BYTES];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(text))
		text[utf8_cut(text, sizeof(text) - 1)] = '\0';
	log_redact(text, strlen(text), &raw);
	utf8_term_safe(raw.p, raw.len, TERM_ONE_LINE, &clean);
	if (format == LOG_JSON) {
		char t[32];
		clock_iso(clock_wall_us(), t);
		buf_addf(&line, "{\"t\":\"%s\",\"lvl\":\"%s\",\"ev\":", t, names[level]);
		add_json_string(&line, ev);
		buf_adds(&line, ",\"msg\":");
		add_json_string(&line, clean.p);
		buf_adds(&line, "}\n");
	} else {
		const char *word = level == LOG_ERROR ? error_word : level == LOG_WARN ? warning_word : "";
		buf_addf(&line, "mvchat: %s%s%s\n", word, *word ? ": " : "", clean.p);
	}
	if (hook_before)
		hook_before();
	fflush(stdout); /* where both go to one file, what was printed before stands before */
	for (size_t off = 0; off < line.len;) {
		ssize_t w = write(STDERR_FILENO, line.p + off, line.len - off);
		if (w <= 0)
			break;
		off += (size_t)w;
	}
	if (hook_after)
		hook_after();
	buf_release(&raw);
	buf_release(&clean);
	buf_release(&line);
}
