#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool virtual_time;
static int64_t virtual_wall, origin_mono, origin_wall;

static int64_t real_us(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void clock_init(void)
{
	const char *mode = getenv("MVCHAT_CLOCK"), *start = getenv("MVCHAT_CLOCK_START");
	virtual_time = mode && streq(mode, "virtual");
	origin_wall = virtual_time && start ? strtoll(start, NULL, 10) * 1000000 : real_us(CLOCK_REALTIME);
	virtual_wall = origin_wall;
	origin_mono = real_us(CLOCK_MONOTONIC);
}

bool clock_is_virtual(void)
{
	return virtual_time;
}

int64_t clock_wall_us(void)
{
	return virtual_time ? virtual_wall : real_us(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
	return virtual_time ? virtual_wall - origin_wall : real_us(CLOCK_MONOTONIC) - origin_mono;
}

void clock_advance_us(int64_t us)
{
	if (virtual_time && us > 0)
		virtual_wall += us;
}

void clock_sleep_until_mono(int64_t mono_us)
{
	int64_t left = mono_us - clock_mono_us();
	if (left <= 0)
		return;
	if (virtual_time) {
		virtual_wall += left;
		return;
	}
	struct timespec t = { .tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000 };
	nanosleep(&t, NULL); /* a signal ends it early, as promised */
}

void clock_iso(int64_t wall_us, char out[32])
{
	struct zoned z;
	zone_local("UTC", wall_us, &z);
	snprintf(out, 32, "%04d-%02d-%02dT%02d:%02d:%02dZ", z.year % 10000, z.month, z.day, z.hour, z.minute, z.second);
}

/* The database's own files say which zones there are; a name must not lead out of it. */
bool zone_known(const char *name)
{
	char path[256];
	if (streq(name, "UTC"))
		return true;
	if (!*name || *name == '/' || strstr(name, "..") || !fmt_into(path, sizeof(path), "/usr/share/zoneinfo/%s", name))
		return false;
	FILE *f = fopen(path, "rb");
	char magic[4];
	bool ok = f && fread(magic, 1, 4, f) == 4 && !memcmp(magic, "TZif", 4);
	if (f)
		fclose(f);
	return ok;
}

bool zone_local(const char *name, int64_t wall_us, struct zoned *out)
{
	static char current[128];
	int64_t s64 = wall_us / 1000000 - (wall_us % 1000000 < 0);
	time_t s = (time_t)s64;
	struct tm tm;
	if (streq(name, "UTC")) {
		if (!gmtime_r(&s, &tm))
			return false;
	} else {
		if (!streq(current, name)) {
			if (!zone_known(name) || !fmt_into(current, sizeof(current), "%s", name)) {
				current[0] = '\0';
				return false;
			}
			setenv("TZ", name, 1);
			tzset();
		}
		if (!localtime_r(&s, &tm))
			return false;
	}
	*out = (struct zoned){ tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, 0 };
	if (!streq(name, "UTC")) {
		/* What the same digits would be as UTC, less the instant: the offset, without relying on tm_gmtoff. */
		int64_t y = tm.tm_year + 1900, m = tm.tm_mon + 1, d = tm.tm_mday;
		y -= m <= 2;
		int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
		int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1, doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
		int64_t utc = (era * 146097 + doe - 719468) * 86400 + tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
		out->offset_s = (int)(utc - s64);
	}
	return true;
}

bool zone_to_utc(const char *name, int64_t local_us, int64_t *wall_us, enum zone_fit *fit)
{
	/* The offsets a day before and a day after are all that can hold at this time: no zone changes twice in two days. */
	const int64_t day = 86400000000;
	struct zoned before, after, at;
	if (!zone_local(name, local_us - day, &before) || !zone_local(name, local_us + day, &after))
		return false;
	int64_t first = local_us - (int64_t)before.offset_s * 1000000, second = local_us - (int64_t)after.offset_s * 1000000;
	if (before.offset_s == after.offset_s) {
		*wall_us = first;
		*fit = ZONE_EXACT;
		return true;
	}
	bool first_holds = zone_local(name, first, &at) && at.offset_s == before.offset_s;
	bool second_holds = zone_local(name, second, &at) && at.offset_s == after.offset_s;
	*wall_us = first_holds || !second_holds ? first : second;
	*fit = first_holds && second_holds ? ZONE_TWICE : first_holds || second_holds ? ZONE_EXACT : ZONE_NEVER;
	return true;
}
