#include "cli/out.h"

#include "cli/exit.h"
#include "cli/i18n.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { SLOTS = 8, SLOT_BYTES = 4096 };

static char *slot(void)
{
	static char slots[SLOTS][SLOT_BYTES];
	static size_t next;
	return slots[next++ % SLOTS];
}

const char *safe(const char *s)
{
	struct buf raw, b;
	if (!s)
		return "";
	buf_init(&raw, SLOT_BYTES);
	buf_init(&b, SLOT_BYTES - 1);
	log_redact(s, strlen(s), &raw);
	utf8_term_safe(raw.p, raw.len, TERM_ONE_LINE, &b);
	char *out = slot();
	memcpy(out, b.p, b.len + 1);
	if (b.full)
		out[utf8_cut(out, b.len)] = '\0';
	buf_release(&b);
	buf_release(&raw);
	return out;
}

const char *num(int64_t n)
{
	char digits[32], *out = slot(), *p = out;
	snprintf(digits, sizeof(digits), "%lld", (long long)n);
	size_t len = strlen(digits), first = digits[0] == '-';
	const char *sep = streq(i18n_lang(), "ru") ? "\xc2\xa0" : ",";
	for (size_t i = 0; i < len; i++) {
		if (i > first && (len - i) % 3 == 0)
			p += sprintf(p, "%s", sep);
		*p++ = digits[i];
	}
	*p = '\0';
	return out;
}

const char *day(int64_t wall_us)
{
	char *out = slot();
	struct zoned z;
	if (!wall_us || !zone_local("UTC", wall_us, &z))
		return "–";
	snprintf(out, SLOT_BYTES, "%04d-%02d-%02d", z.year, z.month, z.day);
	return out;
}

const char *span_of(double seconds)
{
	char *out = slot();
	int64_t s = (int64_t)(seconds + 0.999);
	if (s < 60)
		snprintf(out, SLOT_BYTES, _("%lld s"), (long long)s);
	else if (s < 3600)
		snprintf(out, SLOT_BYTES, _("%lld min %02lld s"), (long long)(s / 60), (long long)(s % 60));
	else
		snprintf(out, SLOT_BYTES, _("%lld h %02lld min"), (long long)(s / 3600), (long long)(s % 3600 / 60));
	return out;
}

/* 0: not a terminal, nothing is broken */
static size_t screen_width(void)
{
	struct winsize w;
	if (!isatty(STDOUT_FILENO))
		return 0;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 80;
}

void out_wrapped(const char *lead, const char *text)
{
	fputs(lead, stdout);
	out_rest(utf8_width(lead), text);
}

void out_rest(size_t indent, const char *text)
{
	enum { NARROWEST = 20 };
	size_t width = screen_width(), at = indent;
	if (width < NARROWEST) {
		printf("%s\n", text);
		return;
	}
	for (bool first = true; *text; first = false) {
		size_t n = strcspn(text, " ");
		char *word = xstrndup(text, n);
		size_t w = utf8_width(word);
		if (!first && at + 1 + w > width) {
			printf("\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			putchar(' ');
			at++;
		}
		fputs(word, stdout);
		free(word);
		at += w;
		text += n + (text[n] == ' ');
	}
	putchar('\n');
}

void out_title(const char *s)
{
	const char *nc = getenv("NO_COLOR"), *term = getenv("TERM");
	bool bold = isatty(STDOUT_FILENO) && !(nc && *nc) && term && !streq(term, "dumb");
	printf(bold ? "\033[1m%s\033[0m\n" : "%s\n", s);
}

void out_pad(const char *s, int columns)
{
	int w = (int)utf8_width(s);
	printf("%s%*s", s, w < columns ? columns - w : 0, "");
}

void out_right(const char *s, int columns)
{
	int w = (int)utf8_width(s);
	printf("%*s%s", w < columns ? columns - w : 0, "", s);
}

void out_row(int width, const char *label, const char *fmt, ...)
{
	char lead[512], text[4 * SLOT_BYTES]; /* no slots: what is printed may hold them all */
	const int w = (int)utf8_width(label);
	fmt_into(lead, sizeof(lead), "  %s%*s  ", label, w < width ? width - w : 0, "");
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	out_wrapped(lead, text);
}

bool out_yes(void)
{
	char line[16];
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return false;
	/* "д" is 0xD0 0xB4, "Д" 0xD0 0x94 in UTF-8 */
	return line[0] == 'y' || line[0] == 'Y' || !strncmp(line, "\xd0\xb4", 2) || !strncmp(line, "\xd0\x94", 2);
}

void out_errline(const struct err *e)
{
	const char *hint = e->hint[0] ? e->hint : exit_remedy(exit_of(e->code));
	if (e->where[0])
		log_error("error", "%s: %s (%s)", e->where, e->msg, hint);
	else
		log_error("error", "%s (%s)", e->msg, hint);
}

int out_fail(const struct err *e)
{
	fflush(stdout);
	out_errline(e);
	return (int)exit_of(e->code);
}
