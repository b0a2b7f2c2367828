/* hours.h: when a replay may write: how long it may take (--window 2h30m) and when it keeps quiet (--quiet 09:00-19:00). */
#ifndef MVCHAT_HOURS_H
#define MVCHAT_HOURS_H

#include "core/err.h"

enum { HOURS_MAX = 8 };
struct hours {
	const char *zone;                              /* IANA name; borrowed */
	struct { int from, to; } quiet[HOURS_MAX];     /* minutes of the day; from > to: over midnight */
	size_t n;
};

/* "2h", "90m", "1h30m", "45s" to seconds. */
bool hours_span(const char *text, int64_t *seconds, struct err *e);
/* "09:00-13:00,14:00-19:00" in that zone. */
bool hours_quiet(const char *text, const char *zone, struct hours *out, struct err *e);
/* 0: writing is allowed at this moment; else when it is again (UTC microseconds). Fits engine_args.closed_until. */
int64_t hours_closed_until(void *hours, int64_t wall_us);

#endif
