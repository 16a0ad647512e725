/*
 * Rates over the last second and what queues looked like in the last minute, made from everybody's
 * counters by the control thread's tick: any number of viewers cost one pass. Only the control
 * thread calls.
 */
#pragma once

#include <stdint.h>

#include "core/core.h"

struct control_context;
struct job_queue;

#define RATES_TICK_MS 1000
#define RATES_QUEUES_MAX 16
#define RATES_MINUTE 60 /* ticks that are remembered of a queue */

#define RATES_LATELY_MINUTES 10

struct rates {
	double seconds;          /* what the rates are over */
	double requests, errors; /* per second; errors are answers of 500 and above */
	double busy[CORES_MAX];  /* 0..1 */
};

/* What must not go wrong at all, and how often it did: a warning about it ends by itself. */
struct rates_troubles {
	uint64_t stalls;  /* passes of loops longer than CORE_STALL_NS */
	uint64_t refused; /* connections that were closed at once */
	uint64_t dropped; /* records of the log */
};

/* A queue of jobs in the last minute. */
struct rates_queue {
	const char *name;
	unsigned ticks;            /* seconds looked at: up to RATES_MINUTE */
	unsigned ticks_waiting;    /* in how many of them something waited */
	uint64_t refused, expired; /* in these seconds */
};

/* Of all cores, as they count at this moment. */
struct rates_totals {
	uint64_t requests, errors; /* since the start */
	uint64_t connections;      /* open */
	uint64_t refused;          /* connections, since the start */
};
void rates_totals(const struct control_context *context, struct rates_totals *ret_totals);

/* Takes a sample. */
void rates_tick(const struct control_context *context, uint64_t now_ns);

/* Since the sample before the last tick. */
const struct rates *rates_now(void);

/* In the last RATES_LATELY_MINUTES, or since the start when that is less ago. */
struct rates_troubles rates_lately(void);

/* The i-th queue; false behind the last. */
bool rates_queue(unsigned i, struct rates_queue *ret_queue);
