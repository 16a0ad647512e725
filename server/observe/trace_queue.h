/* Spans between the cores and the thread that sends them. Private to traces. */
#pragma once

#include "observe/trace.h"

/* A span with what it needs to be told alone. */
struct trace_item {
	struct span span;
	struct span_details details;
	struct span_ids ids;
	struct span_ids linked;   /* of a root whose client has a trace of its own; else zero */
	int64_t start_ns, end_ns; /* of the calendar */
	unsigned dropped;         /* spans of its trace that there was no room for; of the root */
};

/* The index-th span of a trace that has ended. */
void trace_item_fill(
	struct trace_item *item, const struct trace *trace, unsigned index, int64_t wall_offset_ns);

/* 0, -ENOMEM. */
int trace_queue_start(void);
void trace_queue_stop(void);

/* All spans of a trace, or none: false. */
bool trace_queue_put(const struct trace *trace, int64_t wall_offset_ns);

/*
 * Waits for max spans or until wait_ms have passed or trace_queue_wake(), then takes what is there.
 */
unsigned trace_queue_take(struct trace_item *items, unsigned max, unsigned wait_ms);
void trace_queue_wake(void);
uint32_t trace_queue_count(void);
