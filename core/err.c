#include "core/err.h"

#include "core/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void put(char *dst, size_t cap, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

static const char *(*translator)(const char *english);

void err_speak(const char *(*translate)(const char *english))
{
	translator = translate;
}

const char *err_word(const char *english)
{
	return translator ? translator(english) : english;
}

static const char *translated(const char *) __attribute__((format_arg(1)));

/* msgfmt has compared the conversions of both languages. */
static const char *translated(const char *fmt)
{
	return translator ? translator(fmt) : fmt;
}

static void put(char *dst, size_t cap, const char *fmt, va_list ap)
{
	if (vsnprintf(dst, cap, fmt, ap) < 0)
		dst[0] = '\0';
	utf8_mend(dst);
}

bool err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	int saved = errno;
	if (!e)
		return false;
	err_clear(e);
	e->code = code;
	va_list ap;
	va_start(ap, fmt);
	put(e->msg, sizeof(e->msg), translated(fmt), ap);
	va_end(ap);
	size_t n = strlen(e->msg);
	if (n && e->msg[n - 1] == ':')
		fmt_into(e->msg + n, sizeof(e->msg) - n, " %s", strerror(saved));
	return false;
}

bool err_where(struct err *e, const char *fmt, ...)
{
	if (e) {
		va_list ap;
		va_start(ap, fmt);
		put(e->where, sizeof(e->where), fmt, ap);
		va_end(ap);
	}
	return false;
}

bool err_hint(struct err *e, const char *fmt, ...)
{
	if (e) {
		va_list ap;
		va_start(ap, fmt);
		put(e->hint, sizeof(e->hint), translated(fmt), ap);
		va_end(ap);
	}
	return false;
}

bool err_wrap(struct err *e, const char *fmt, ...)
{
	if (e) {
		char head[sizeof(e->msg)], tail[sizeof(e->msg)];
		va_list ap;
		va_start(ap, fmt);
		put(head, sizeof(head), translated(fmt), ap);
		va_end(ap);
		memcpy(tail, e->msg, sizeof(tail));
		fmt_into(e->msg, sizeof(e->msg), "%s: %s", head, tail);
	}
	return false;
}

void err_clear(struct err *e)
{
	if (e) {
		e->code = ERR_NONE;
		e->msg[0] = e->where[0] = e->hint[0] = '\0';
	}
}
