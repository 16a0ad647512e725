/*
 * Fibers: stackful coroutines of one core, on which request handlers run as straight-line code.
 * A fiber waits for one thing at a time. It is never freed while suspended: when its deadline
 * passes or it is cancelled, its wait ends with an error and it returns by itself. Not for threads:
 * every call is made on the fiber's own core.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/wheel.h"

struct fiber;
struct fiber_pool;

struct fiber_pool_options {
	unsigned core;
	unsigned fibers_max;  /* stacks that may exist */
	unsigned fibers_kept; /* stacks kept for reuse */
	unsigned stack_bytes; /* without the guard page; a multiple of the page size */
	struct wheel *wheel;  /* for deadlines */
};

int fiber_pool_new(const struct fiber_pool_options *options, struct fiber_pool **ret_pool);
void fiber_pool_free(struct fiber_pool *pool);
unsigned fiber_pool_in_use(const struct fiber_pool *pool); /* any thread */

/*
 * Starts entry(arg) on a fiber and runs it until it returns or first waits. 0; -ERR_OVERLOADED when
 * fibers_max are running (entry was not called). deadline_ns bounds every wait of this fiber.
 */
int fiber_start(struct fiber_pool *pool, void (*entry)(void *arg), void *arg, uint64_t deadline_ns,
	struct fiber **ret_fiber);

/* The running fiber, NULL on the loop's own stack. */
struct fiber *fiber_current(void);
uint64_t fiber_deadline_ns(const struct fiber *fiber);

/* Its jobs let those of other fibers go first (job.h): for work that takes long anyway. */
void fiber_patient_set(struct fiber *fiber, bool is_patient); /* false at the start */
bool fiber_is_patient(const struct fiber *fiber);

/*
 * What it is for, as profiles tell it: a text that stays; NULL none. At the start that of the fiber
 * that starts it.
 */
void fiber_name_set(struct fiber *fiber, const char *name);
const char *fiber_name(const struct fiber *fiber);

/* In a signal handler: where the stack of a fiber that runs ends, if this address is in it; else 0.
 */
uintptr_t fiber_stack_end(uintptr_t address);

/* What it does is traced there (span.h), as long as it runs; NULL at the start: it is not. */
struct trace;
void fiber_trace_set(struct fiber *fiber, struct trace *trace);
struct trace *fiber_trace(const struct fiber *fiber);

/*
 * What the running fiber's waits were for, as its application tells them apart: adds to one of a
 * few sums, which are 0 at the start. On the loop's own stack nothing happens.
 */
#define FIBER_SPENT_MAX 3
void fiber_spend(unsigned what, uint64_t ns);
const uint64_t *fiber_spent(const struct fiber *fiber); /* FIBER_SPENT_MAX of them */

/*
 * Suspends the running fiber until somebody calls fiber_wake(): returns wake's result, -ETIMEDOUT
 * at the deadline, -ERR_CANCELED after fiber_cancel(). Returns at once when one of these holds
 * already.
 */
int fiber_wait_await(void);

/* The same, with -ETIMEDOUT at deadline_ns already, should that be before the fiber's own. */
int fiber_wait_until_await(uint64_t deadline_ns);

/* Resumes a waiting fiber with this result; from the loop's stack or another fiber of this core. */
void fiber_wake(struct fiber *fiber, int result);

/* Ends the present wait and every later one. The fiber runs on until it returns. */
void fiber_cancel(struct fiber *fiber);
