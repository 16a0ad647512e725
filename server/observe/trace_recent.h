/*
 * The last traces that were kept, in memory, for operators (authctl trace list, trace show): also
 * those that no collector took. Two rings that forget their oldest: one of what was slow or failed,
 * which would not last a second among the many that are sampled. Any thread.
 */
#pragma once

#include "observe/trace_queue.h"

#define TRACE_RECENT_SPANS 256 /* of each ring: 50 traces; 100 KiB, with [trace] alone */
#define TRACE_RECENT_RINGS 2

/* 0, -ENOMEM. */
int trace_recent_start(void);
void trace_recent_stop(void);

/* All spans of a trace that has ended. is_notable: it was slow or failed. */
void trace_recent_put(const struct trace *trace, int64_t wall_offset_ns, bool is_notable);

/* Ring by ring, oldest first, the root of a trace before what is in it. Cores wait meanwhile: visit
 * copies what it needs and returns. */
void trace_recent_each(void (*visit)(const struct trace_item *item, void *arg), void *arg);
