/* hours.c: see hours.h. Called by apply and move. Pure but for the time zone database. */
#include "cli/hours.h"

#include "cli/i18n.h"
#include "core/clock.h"

#include <stdlib.h>
#include <string.h>

enum { DAY_MIN = 24 * 60, SPAN_MAX_S = 366 * 86400 };

bool hours_span(const char *text, int64_t *seconds, struct err *e)
{
	int64_t sum = 0;
	const char *p = text;
	while (*p) {
		char *end;
		long n = *p >= '0' && *p <= '9' ? strtol(p, &end, 10) : -1;
		int64_t unit = n < 0 ? 0 : *end == 'h' ? 3600 : *end == 'm' ? 60 : *end == 's' ? 1 : 0;
		if (!unit || n > SPAN_MAX_S || (sum += n * unit) > SPAN_MAX_S)
			break;
		p = end + 1;
	}
	*seconds = sum;
	return (!*p && sum > 0) || err_set(e, ERR_USAGE, _("'%s' is not a length of time: 2h, 90m, 1h30m"), text);
}

/* "HH:MM"; -1 when it is anything else. */
static int minute_of(const char *s)
{
	for (size_t i = 0; i < 5; i++)
		if (i == 2 ? s[i] != ':' : s[i] < '0' || s[i] > '9')
			return -1;
	int h = (s[0] - '0') * 10 + s[1] - '0', m = (s[3] - '0') * 10 + s[4] - '0';
	return h < 24 && m < 60 ? h * 60 + m : -1;
}

bool hours_quiet(const char *text, const char *zone, struct hours *out, struct err *e)
{
	*out = (struct hours){ .zone = zone };
	for (const char *p = text;;) {
		int from = minute_of(p), to = from >= 0 && p[5] == '-' ? minute_of(p + 6) : -1;
		if (to < 0 || from == to || out->n == HOURS_MAX || (p[11] && p[11] != ','))
			return err_set(e, ERR_USAGE, _("'%s' does not say quiet hours: 09:00-19:00, or several separated by commas"), text);
		out->quiet[out->n].from = from;
		out->quiet[out->n++].to = to;
		if (!p[11])
			break;
		p += 12;
	}
	bool open = false; /* at some minute of the day */
	for (int m = 0; m < DAY_MIN && !open; m++) {
		open = true;
		for (size_t i = 0; i < out->n; i++) {
			int from = out->quiet[i].from, to = out->quiet[i].to;
			if (from < to ? m >= from && m < to : m >= from || m < to)
				open = false;
		}
	}
	return open || err_set(e, ERR_USAGE, _("'%s' leaves no time to write"), text);
}

/* Minutes until the quiet time that this minute belongs to is over; 0: it is none. */
static int minutes_left(const struct hours *h, int m)
{
	for (size_t i = 0; i < h->n; i++) {
		int from = h->quiet[i].from, to = h->quiet[i].to;
		if (from < to ? m >= from && m < to : m >= from || m < to)
			return to > m ? to - m : to + DAY_MIN - m;
	}
	return 0;
}

int64_t hours_closed_until(void *hours, int64_t wall_us)
{
	const struct hours *h = hours;
	int64_t at = wall_us;
	/* One quiet time may end where another begins, and clocks may change meanwhile: look again from there. */
	for (size_t i = 0; i < 2 * (size_t)HOURS_MAX + 2; i++) {
		struct zoned z;
		enum zone_fit fit;
		int left = zone_local(h->zone, at, &z) ? minutes_left(h, z.hour * 60 + z.minute) : 0;
		if (!left)
			break;
		/* by the clock on the wall there: */
		int64_t local = at / 1000000 + z.offset_s, then, end = local - local % 60 + (int64_t)left * 60;
		if (!zone_to_utc(h->zone, end * 1000000, &then, &fit) || then <= at)
			break;
		at = then;
	}
	return at > wall_us ? at : 0;
}
