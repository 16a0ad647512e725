/*
 * Rates over the last second or two, made from the counters of all cores by the control thread's
 * tick: any number of viewers cost one pass. Only the control thread calls.
 */
#pragma once

#include <stdint.h>

#include "core/core.h"

struct control_context;

#define RATES_TICK_MS 1000

struct rates {
	double seconds;          /* what the rates are over */
	double requests, errors; /* per second; errors are answers of 500 and above */
	uint64_t requests_total, errors_total, connections;
	double busy[CORES_MAX]; /* 0..1 */
};

/* Takes a sample. */
void rates_tick(const struct control_context *context, uint64_t now_ns);

/* Since the sample before the last tick. */
const struct rates *rates_now(void);
