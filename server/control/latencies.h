/*
 * How long requests took lately: what the cores' histograms gained in each of the last sixty
 * seconds and each of the last sixty minutes, for every route and stage. Only the control thread
 * calls. Memory is bounded; seconds that do not fit are left out and counted.
 */
#pragma once

#include <stdint.h>

#include "observe/metrics.h"

#define LATENCIES_SECONDS 60
#define LATENCIES_MINUTES 60
#define LATENCIES_WINDOW_S_MAX (LATENCIES_MINUTES * 60)
/* A busy route has some hundred different values a second: 100 KiB for an hour of it. */
#define LATENCIES_BYTES_MAX (4 * 1024 * 1024)

/* Once a second. */
void latencies_tick(void);

/*
 * Adds to *into what the last `seconds` have seen: one route (METRIC_ROUTES_MAX: all) and one stage
 * (STAGES: the whole). Above LATENCIES_SECONDS whole minutes and the present one are counted.
 */
void latencies_sum(unsigned route, unsigned stage, unsigned seconds, struct histogram *into);

/* Forgets all windows. */
void latencies_reset(void);
/* At the end: forgets everything. */
void latencies_stop(void);

/* Any thread. */
uint64_t latencies_bytes(void);
uint64_t latencies_lost(void);
