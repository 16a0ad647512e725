/* Clocks and their text forms: see clock.h. */
#include "shared/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

/* Set by tests only, but also while threads run. */
static _Atomic bool is_fake;
static _Atomic uint64_t fake_monotonic_ns;
static _Atomic int64_t fake_wall_ms;

#define READ(field) atomic_load_explicit(&(field), memory_order_relaxed)

static uint64_t monotonic_ns(clockid_t clock)
{
	struct timespec now;

	if (READ(is_fake))
		return READ(fake_monotonic_ns);
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_now_ns(void)
{
	return monotonic_ns(CLOCK_MONOTONIC);
}

uint64_t clock_lately_ns(void)
{
	return monotonic_ns(CLOCK_MONOTONIC_COARSE);
}

int64_t clock_wall_ms(void)
{
	struct timespec now;

	if (READ(is_fake))
		return READ(fake_wall_ms);
	/* A few milliseconds coarse, and several times cheaper: records need no more. */
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t clock_after_ms(uint64_t now_ns, uint64_t ms)
{
	uint64_t ns, at_ns;

	if (__builtin_mul_overflow(ms, NS_PER_MS, &ns) ||
		__builtin_add_overflow(now_ns, ns, &at_ns))
		return CLOCK_NEVER - 1;
	return at_ns;
}

void clock_fake(uint64_t monotonic_ns, int64_t wall_ms)
{
	fake_monotonic_ns = monotonic_ns;
	fake_wall_ms = wall_ms;
	is_fake = true;
}

void clock_fake_advance_ms(uint64_t ms)
{
	fake_monotonic_ns += ms * NS_PER_MS;
	fake_wall_ms += (int64_t)ms;
}

void clock_fake_off(void)
{
	is_fake = false;
}

static struct tm utc(int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm = {};

	gmtime_r(&seconds, &tm);
	return tm;
}

struct str clock_rfc3339(int64_t wall_ms, char text[static CLOCK_RFC3339_BYTES])
{
	/* Before the epoch is no time of ours: shown as the epoch, so that the text always fits. */
	struct tm tm = utc(wall_ms < 0 ? 0 : wall_ms);
	char date[sizeof("2026-11-24T04:39:40")];
	int length;

	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	length = snprintf(text, CLOCK_RFC3339_BYTES, "%s.%03dZ", date,
		(int)((wall_ms < 0 ? 0 : wall_ms) % 1000));
	return str_of(text, (size_t)length);
}

struct str clock_http(int64_t wall_ms, char text[static CLOCK_HTTP_BYTES])
{
	/* Not strftime's %a and %b: those follow the locale, the protocol does not. */
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec" };
	struct tm tm = utc(wall_ms);
	int length;

	length = snprintf(text, CLOCK_HTTP_BYTES, "%s, %02d %s %04d %02d:%02d:%02d GMT",
		days[tm.tm_wday % 7], tm.tm_mday % 100, months[tm.tm_mon % 12],
		(tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
	return str_of(text, (size_t)length);
}
