/* clock.h: the one clock. Everything that asks the time or waits does it here, so that tests never sleep.
 *
 * Two modes. *Real*: CLOCK_REALTIME and CLOCK_MONOTONIC. *Virtual* (environment MVCHAT_CLOCK=virtual): time stands still
 * while the program works and jumps when it would wait: clock_sleep_until returns at once with the clock moved there. A
 * virtual process tells the sandbox its time with each request (replay/wire.c, header X-Mvchat-Now), so that rate limits,
 * settle times and Retry-After play out in full and cost nothing.
 */
#ifndef MVCHAT_CLOCK_H
#define MVCHAT_CLOCK_H

#include "core/base.h"

void clock_init(void); /* reads MVCHAT_CLOCK and, for virtual, MVCHAT_CLOCK_START (UTC seconds; else the real time) */
bool clock_is_virtual(void);
int64_t clock_wall_us(void); /* UTC microseconds since 1970 */
int64_t clock_mono_us(void); /* microseconds since the program began; never goes back */
void clock_advance_us(int64_t us); /* virtual only: moves time forward; ignored otherwise */
void clock_sleep_until_mono(int64_t mono_us); /* virtual: jumps there; real: sleeps, a signal ends it early */

/* "2024-03-12T14:05:09Z" into out[32]. */
void clock_iso(int64_t wall_us, char out[32]);

/* Time zones: IANA names by the system's database. One zone is current at a time (one thread).
 * zone_known: is there such a zone? zone_local: broken-down local time of a UTC instant; offset in seconds east. */
struct zoned { int year, month, day, hour, minute, second, offset_s; };
bool zone_known(const char *name);
bool zone_local(const char *name, int64_t wall_us, struct zoned *out);
/* The instant of a local time, given as the microseconds the same digits would be in UTC. A time that comes twice (clocks went
 * back) is the earlier of the two; one that never was (clocks went forward) counts on from before the gap. False: no such zone. */
enum zone_fit { ZONE_EXACT, ZONE_TWICE, ZONE_NEVER };
bool zone_to_utc(const char *name, int64_t local_us, int64_t *wall_us, enum zone_fit *fit);

#endif
