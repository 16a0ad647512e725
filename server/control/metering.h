/*
 * Every number of the table of metrics, gathered where it is counted: what cores record
 * (observe/metrics.h), and what the features count for themselves. No core is asked for anything,
 * and nothing waits. Any thread, one at a time for each sink.
 */
#pragma once

#include "observe/metrics.h"

struct control_context;

struct metering_sink {
	/* Begins the family of a metric; the values that follow are its. */
	void (*family)(struct metering_sink *sink, enum metric metric);
	void (*value)(struct metering_sink *sink, const char *const labels[METRIC_LABELS_MAX],
		double value);
	/* exemplars: EXEMPLARS of them, or NULL. */
	void (*histogram)(struct metering_sink *sink, const char *const labels[METRIC_LABELS_MAX],
		const struct histogram *histogram, const struct exemplar *exemplars);
};

/* In the order of the table; METRIC_SERIES is the sink's own to say and is left out. */
void metering_collect(const struct control_context *context, struct metering_sink *sink);
void metering_collect_one(
	const struct control_context *context, enum metric metric, struct metering_sink *sink);

/* Counted by those who do it, on any thread: what has no counters of its own. */
enum metering_count {
	METERING_RELOAD_OK,
	METERING_RELOAD_INVALID,
	METERING_RELOAD_UNDONE,
	METERING_SCRAPE_OK,
	METERING_SCRAPE_REFUSED,
	METERING_SCRAPE_TIMEOUT,
	METERING_COUNTS
};
void metering_count(enum metering_count what);
/* What only the control thread knows, said by it: generation and its time, temporary values. */
void metering_config(uint64_t generation, int64_t wall_ms, unsigned overrides);
/* By the place of the command in the table of commands; result: an enum outcome. */
void metering_command(unsigned command, unsigned outcome);
