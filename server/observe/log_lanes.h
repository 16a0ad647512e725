/*
 * The rings between those who log and the one who writes. A core has a lane that it alone fills,
 * without a lock; all other threads share one. Private to the log.
 */
#pragma once

#include <stdbool.h>

#include "observe/log_record.h"

/* A core's burst between two looks of the writer: some hundred records. */
#define LOG_LANE_BYTES (128 * 1024)

/* Makes the calling thread's own lane. 0, -ENOMEM. */
int log_lane_own(unsigned core);
/* The core whose lane the calling thread has, or LOG_NO_CORE. */
uint16_t log_lane_core(void);

/* Copies the record: all or nothing. *ret_is_urgent: the writer should look now. */
bool log_lanes_put(const struct log_record *record, bool *ret_is_urgent);

/* The writer: takes the oldest record of all lanes. False when there is none. */
bool log_lanes_take(union log_space *space);
bool log_lanes_are_empty(void);
