/* The thread that sends spans: private to traces. */
#pragma once

#include "observe/trace.h"

int trace_export_start(const struct trace_options *options, const char **ret_why);
void trace_export_stop(void);
/* Adds what it counted. */
void trace_export_stats(struct trace_stats *stats);
