/*
 * How fast a queue is worked off, measured: what a job takes and how many run side by side, from
 * which follows how long one that comes now would wait. By Little's law jobs leave at the rate
 * parallel / service time; that holds for threads that take one job, take batches, or interleave
 * several, and a pause without work does not disturb it, as it would a count of jobs per second.
 *
 * Any thread may read and write: the numbers are relaxed atomics, and an update that is lost to a
 * simultaneous one changes an average a little.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pace {
	_Atomic uint64_t service_ns; /* moving average over jobs that ran to their end; 0 unknown */
	_Atomic uint32_t parallel;   /* jobs that run side by side when there is enough to do */
	_Atomic uint64_t progress_ns; /* when a job was last taken or done */
};

/* Before the first job: what the owner expects; 1 and 0 if it does not know. */
void pace_init(struct pace *pace, uint32_t parallel, uint64_t service_ns);

/* Jobs were taken: `running` run now; is_more: others still wait, so this is all that can. */
void pace_taken(struct pace *pace, uint32_t running, bool is_more, uint64_t now_ns);

/* A job that was started at started_ns is done. */
void pace_done(struct pace *pace, uint64_t started_ns, uint64_t now_ns);

/*
 * How long a job waits that has `ahead` others before it while `running` are worked on. A queue
 * that has stalled is seen at once: for jobs that run longer than usual, that is what they take.
 */
uint64_t pace_wait_ns(const struct pace *pace, uint32_t ahead, uint32_t running, uint64_t now_ns);
