/*
 * The last traces that were kept, in memory, for operators (authctl trace list, trace show): also
 * those that no collector took. A ring that forgets the oldest. Any thread.
 */
#pragma once

#include "observe/trace_queue.h"

#define TRACE_RECENT_SPANS 512 /* a hundred traces; a quarter of a megabyte, with [trace] alone */

/* 0, -ENOMEM. */
int trace_recent_start(void);
void trace_recent_stop(void);

/* All spans of a trace that has ended. */
void trace_recent_put(const struct trace *trace, int64_t wall_offset_ns);

/* Oldest first, the root of a trace before what is in it. Cores wait meanwhile: visit copies what
 * it needs and returns. */
void trace_recent_each(void (*visit)(const struct trace_item *item, void *arg), void *arg);
