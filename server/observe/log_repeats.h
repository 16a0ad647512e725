/* How often the same event is told: see LOG_REPEATS_MAX in log.h. Private to the log. */
#pragma once

#include "observe/log.h"

/*
 * May this one be written? Then *ret_suppressed is how many of its kind were not, before. Any
 * thread.
 */
bool log_repeats_allow(const char *event, struct str error_type, uint64_t *ret_suppressed);
