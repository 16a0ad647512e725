/* Windows of latencies: see latencies.h. */
#include "control/latencies.h"

#include <assert.h>
#include <stdlib.h>

#include "shared/macros.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

/* What was gained: only buckets that did. */
struct delta {
	uint64_t sum_ns;
	unsigned count;
	struct cell {
		uint32_t count;
		uint16_t bucket;
	} cells[];
};
static_assert(HISTOGRAM_BUCKETS <= UINT16_MAX, "a bucket fits into a cell");

/* Of one route and stage; made when it is first seen. */
struct series {
	struct histogram before; /* the cores' sum at the last tick */
	struct delta *seconds[LATENCIES_SECONDS], *minutes[LATENCIES_MINUTES];
};

static struct {
	struct series *series[METRIC_ROUTES_MAX][STAGES + 1];
	uint64_t ticks;         /* the next one's number; its place is that modulo the ring */
	_Atomic uint64_t bytes; /* read by any thread */
	uint64_t lost;
	struct histogram work; /* too large for a stack */
} own;

/* --- deltas --- */

static size_t delta_bytes(unsigned cells)
{
	return sizeof(struct delta) + cells * sizeof(struct cell);
}

static void delta_free(struct delta **delta)
{
	if (!*delta)
		return;
	own.bytes -= delta_bytes((*delta)->count);
	free(*delta);
	*delta = NULL;
}

/* What `now` has above `before` (NULL: nothing). NULL when that is nothing, or there is no room. */
static struct delta *delta_new(const struct histogram *now, const struct histogram *before)
{
	struct delta *delta;
	unsigned count = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		count += READ(now->buckets[i]) != (before ? READ(before->buckets[i]) : 0);
	if (!count)
		return NULL;
	delta = own.bytes + delta_bytes(count) <= LATENCIES_BYTES_MAX ? malloc(delta_bytes(count))
								      : NULL;
	if (!delta) {
		own.lost++;
		return NULL;
	}
	own.bytes += delta_bytes(count);
	*delta = (struct delta){ .sum_ns = READ(now->sum) - (before ? READ(before->sum) : 0) };
	for (size_t i = 0; i < HISTOGRAM_BUCKETS && delta->count < count; i++) {
		uint64_t gained = READ(now->buckets[i]) - (before ? READ(before->buckets[i]) : 0);

		if (gained)
			delta->cells[delta->count++] =
				(struct cell){ .count = (uint32_t)MIN(gained, UINT32_MAX),
					.bucket = (uint16_t)i };
	}
	return delta;
}

static void delta_add(const struct delta *delta, struct histogram *into)
{
	for (unsigned i = 0; delta && i < delta->count; i++) {
		const struct cell *cell = &delta->cells[i];

		into->buckets[cell->bucket] += cell->count;
		into->count += cell->count;
		into->max = MAX(into->max, histogram_bucket_last(cell->bucket));
	}
	into->sum += delta ? delta->sum_ns : 0;
}

/* --- once a second --- */

/* A minute is over: its seconds become one. */
static void minute_end(struct series *series)
{
	struct delta **minute = &series->minutes[(own.ticks / 60 - 1) % LATENCIES_MINUTES];

	static_assert(LATENCIES_SECONDS == 60, "the ring of seconds is a minute");
	delta_free(minute);
	own.work = (struct histogram){};
	for (unsigned i = 0; i < LATENCIES_SECONDS; i++)
		delta_add(series->seconds[i], &own.work);
	*minute = delta_new(&own.work, NULL);
}

static void series_tick(struct series *series, unsigned route, unsigned stage)
{
	struct delta **second = &series->seconds[own.ticks % LATENCIES_SECONDS];

	delta_free(second);
	if (metric_times_count(route, stage) == READ(series->before.count))
		return;
	own.work = (struct histogram){};
	metric_times(route, stage, &own.work);
	*second = delta_new(&own.work, &series->before);
	series->before = own.work;
}

static struct series *series_get(unsigned route, unsigned stage)
{
	struct series **series = &own.series[route][stage];

	if (!*series && metric_times_count(route, stage)) {
		*series = calloc(1, sizeof(**series));
		own.bytes += *series ? sizeof(**series) : 0;
	}
	return *series;
}

void latencies_tick(void)
{
	for (unsigned route = 0; route < METRIC_ROUTES_MAX && metrics_route_name(route); route++)
		for (unsigned stage = 0; stage <= STAGES; stage++) {
			struct series *series = series_get(route, stage);

			if (series)
				series_tick(series, route, stage);
		}
	own.ticks++;
	for (unsigned i = 0; own.ticks % 60 == 0 && i < METRIC_ROUTES_MAX * (STAGES + 1); i++) {
		struct series *series = own.series[i / (STAGES + 1)][i % (STAGES + 1)];

		if (series)
			minute_end(series);
	}
}

/* --- asking --- */

static void series_sum(const struct series *series, unsigned seconds, struct histogram *into)
{
	unsigned minutes = 0;

	if (seconds > LATENCIES_SECONDS) {
		minutes = MIN(seconds / 60, LATENCIES_MINUTES);
		seconds = (unsigned)(own.ticks % 60); /* of the present minute */
	}
	seconds = (unsigned)MIN(seconds, MIN(own.ticks, LATENCIES_SECONDS));
	minutes = (unsigned)MIN(minutes, own.ticks / 60);
	for (unsigned i = 1; i <= seconds; i++)
		delta_add(series->seconds[(own.ticks - i) % LATENCIES_SECONDS], into);
	for (unsigned i = 1; i <= minutes; i++)
		delta_add(series->minutes[(own.ticks / 60 - i) % LATENCIES_MINUTES], into);
}

void latencies_sum(unsigned route, unsigned stage, unsigned seconds, struct histogram *into)
{
	for (unsigned i = 0; i < METRIC_ROUTES_MAX; i++)
		if ((route == METRIC_ROUTES_MAX || route == i) && own.series[i][stage])
			series_sum(own.series[i][stage], seconds, into);
}

void latencies_reset(void)
{
	for (unsigned i = 0; i < METRIC_ROUTES_MAX * (STAGES + 1); i++) {
		struct series *series = own.series[i / (STAGES + 1)][i % (STAGES + 1)];

		for (unsigned j = 0; series && j < LATENCIES_SECONDS; j++)
			delta_free(&series->seconds[j]);
		for (unsigned j = 0; series && j < LATENCIES_MINUTES; j++)
			delta_free(&series->minutes[j]);
	}
}

void latencies_stop(void)
{
	latencies_reset();
	for (unsigned i = 0; i < METRIC_ROUTES_MAX * (STAGES + 1); i++)
		free(TAKE(own.series[i / (STAGES + 1)][i % (STAGES + 1)]));
	own.ticks = own.lost = 0;
	own.bytes = 0;
}

uint64_t latencies_bytes(void)
{
	return own.bytes;
}

uint64_t latencies_lost(void)
{
	return own.lost;
}
