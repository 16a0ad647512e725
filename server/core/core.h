/*
 * A core: one thread with its own loop, timers, fibers and inbox. Cores share nothing on the hot
 * path; other threads send them messages. What is served on a core is the application's business:
 * it gets callbacks on the core's own thread. Next: loop.h (sockets), fiber.h (handlers), job.h
 * (other threads).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "core/fiber.h"
#include "core/inbox.h"
#include "core/loop.h"
#include "core/wheel.h"
#include "shared/histogram.h"

/* More than any machine we serve on; sizes the per-core arrays. */
#define CORES_MAX 256

/* A pass of the loop that takes longer keeps others waiting: the probe loop__stall, and an alert.
 */
#define CORE_STALL_NS (UINT64_C(50) * 1000 * 1000)

/* Counters that any thread may read; written by the core alone. */
struct core_stats {
	_Atomic uint64_t turns;       /* passes of the loop */
	_Atomic uint64_t turn_ns_max; /* the longest pass so far */
	_Atomic uint64_t stalls;      /* passes longer than CORE_STALL_NS */
	_Atomic uint64_t completions; /* completions handled */
	_Atomic uint64_t messages;    /* inbox items handled */
	struct histogram turn_ns;     /* of every pass */
	_Atomic uint64_t alive_ns;    /* clock_now_ns() when its latest wait ended */
};

struct core {
	unsigned index;
	struct loop *loop;
	struct wheel *wheel; /* the loop's */
	struct inbox inbox;
	struct fiber_pool *fibers;
	struct core_stats stats;
	void *app; /* what on_start made */
	_Atomic bool is_draining;
	_Atomic bool is_ended; /* its thread takes no more messages */
	clockid_t cpu_clock;   /* of its thread; set before it serves */
};

struct core_app {
	/* All on the core's thread. on_start: 0 or -errno, which ends the start of the process. */
	int (*on_start)(struct core *core);
	/* Stop taking work; call core_stop() when nothing is left. */
	void (*on_drain)(struct core *core);
	void (*on_stop)(struct core *core);
};

struct core_options {
	unsigned cores;      /* threads */
	bool is_pinned;      /* to processors; failing to pin is no error */
	unsigned fibers_max; /* per core */
	unsigned stack_bytes;
	struct loop_options loop;
};

/*
 * Starts the threads and waits until all have run on_start. 0, or the first failure (all threads
 * have ended then).
 */
int cores_start(const struct core_options *options, const struct core_app *app);

/* Any thread: asks every core to drain. */
void cores_drain(void);

/* Any thread: stops every core now, whatever is in progress. */
void cores_stop(void);

/* Waits until every core has ended, at most timeout_ms: 0, -ETIMEDOUT. */
int cores_join(unsigned timeout_ms);

/* After cores_join(), when no other thread can send to a core any more: cores may be started again.
 * For tests; a process that ends need not. */
void cores_free(void);

unsigned cores_count(void);
struct core *core_at(unsigned index);

/*
 * What its thread has had of processors, kernel included: most of a core's work is done there, in
 * the system call that its loop waits in, so time between waits would tell a third of it. 0 when it
 * has ended. Any thread.
 */
uint64_t core_cpu_ns(const struct core *core);

/* The core whose thread this is; NULL on other threads. */
struct core *core_current(void);

/*
 * The core's thread: nothing is left to do here. The threads end together, when every core has said
 * so: until then each one still answers the others' broadcasts.
 */
void core_stop(struct core *core);

/*
 * On a fiber: runs on_core(arg) once on every core (on this one directly) and waits until all have
 * answered. 0, -ETIMEDOUT or -ERR_CANCELED (cores that have not answered will still run it; arg is
 * copied, arg_bytes at most CORE_BROADCAST_BYTES_MAX), -ENOMEM.
 */
#define CORE_BROADCAST_BYTES_MAX 128
int core_broadcast_await(
	void (*on_core)(struct core *core, const void *arg), const void *arg, size_t arg_bytes);
