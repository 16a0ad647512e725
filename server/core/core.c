/*
 * The threads that serve: started together, drained together, joined together. See core.h. What
 * they serve is in struct core_app.
 */
#include "core/core.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/priority.h"
#include "core/thread.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/probe.h"
#include "shared/wait.h"

/* A few requests' worth: stacks come and go in bursts, and each kept one costs two pages. */
#define FIBERS_KEPT 64

struct worker {
	struct core core;
	pthread_t thread;
	struct inbox_item drain, stop;
	_Atomic bool is_drain_sent, is_stop_sent;
	bool is_done;    /* nothing is left for it to do */
	bool is_leaving; /* nor for any other */
};

static struct {
	struct core_options options;
	const struct core_app *app;
	struct worker *workers;
	unsigned count;
	_Atomic unsigned done; /* of them */
	/* Guards what follows; no other lock is taken under it. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned started, ended;
	int start_error;
} cores = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local struct worker *own;

unsigned cores_count(void)
{
	return cores.count;
}

struct core *core_at(unsigned index)
{
	assert(index < cores.count);
	return &cores.workers[index].core;
}

uint64_t core_cpu_ns(const struct core *core)
{
	struct timespec time;

	if (atomic_load_explicit(&core->is_ended, memory_order_acquire) ||
		clock_gettime(core->cpu_clock, &time) < 0)
		return 0;
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

struct core *core_current(void)
{
	return own ? &own->core : NULL;
}

void core_stop(struct core *core)
{
	struct worker *worker = container_of(core, struct worker, core);

	if (worker->is_done)
		return;
	worker->is_done = true;
	if (atomic_fetch_add(&cores.done, 1) + 1 == cores.count)
		cores_stop();
}

/* --- a core's thread --- */

static void on_drain(struct inbox_item *item)
{
	struct worker *worker = container_of(item, struct worker, drain);

	atomic_store_explicit(&worker->core.is_draining, true, memory_order_relaxed);
	cores.app->on_drain(&worker->core);
}

static void on_stop(struct inbox_item *item)
{
	struct worker *worker = container_of(item, struct worker, stop);

	worker->is_leaving = true;
	/* Messages are handled on both sides of a pass's sleep: nothing might come to end it. */
	loop_hurry(worker->core.loop);
}

static void counter_add(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + value,
		memory_order_relaxed);
}

static int turn(struct core *core)
{
	uint64_t busy_ns = 0;
	int handled = loop_turn(core->loop, &busy_ns);

	if (handled < 0)
		return handled;
	atomic_store_explicit(&core->stats.alive_ns, loop_now_ns(core->loop), memory_order_relaxed);
	counter_add(&core->stats.turns, 1);
	counter_add(&core->stats.completions, (uint64_t)handled);
	histogram_record(&core->stats.turn_ns, busy_ns);
	if (busy_ns >= CORE_STALL_NS) {
		counter_add(&core->stats.stalls, 1);
		PROBE2(loop__stall, core->index, busy_ns);
	}
	if (busy_ns > atomic_load_explicit(&core->stats.turn_ns_max, memory_order_relaxed))
		atomic_store_explicit(&core->stats.turn_ns_max, busy_ns, memory_order_relaxed);
	return 0;
}

static int worker_init(struct worker *worker)
{
	struct core *core = &worker->core;
	struct fiber_pool_options fibers = {
		.core = core->index,
		.fibers_max = cores.options.fibers_max,
		.fibers_kept = MIN(cores.options.fibers_max, FIBERS_KEPT),
		.stack_bytes = cores.options.stack_bytes,
	};
	int r;

	r = loop_new(&cores.options.loop, &core->inbox, &core->loop);
	if (r < 0)
		return r;
	core->wheel = fibers.wheel = loop_wheel(core->loop);
	r = fiber_pool_new(&fibers, &core->fibers);
	if (r < 0)
		return r;
	return cores.app->on_start(core);
}

static void pin(unsigned index)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(index % CPU_SETSIZE, &set);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void report(unsigned *counter, int error)
{
	pthread_mutex_lock(&cores.lock);
	(*counter)++;
	if (error < 0 && !cores.start_error)
		cores.start_error = error;
	pthread_cond_broadcast(&cores.changed);
	pthread_mutex_unlock(&cores.lock);
}

static void *core_thread(void *arg)
{
	struct worker *worker = own = arg;
	struct core *core = &worker->core;
	int r;

	(void)pthread_getcpuclockid(pthread_self(), &core->cpu_clock);
	(void)priority_prompt();
	if (cores.options.is_pinned)
		pin(core->index);
	r = worker_init(worker);
	report(&cores.started, r);
	if (r == 0) {
		while (r == 0 && !worker->is_leaving)
			r = turn(core);
		cores.app->on_stop(core);
	}
	/* Messages that are under way still find an inbox: cores_free() ends it. */
	atomic_store_explicit(&core->is_ended, true, memory_order_release);
	/* Its loop stays: others read its counters to the end. */
	report(&cores.ended, 0);
	return NULL;
}

/* --- the main thread --- */

static int workers_new(unsigned count)
{
	cores.workers = calloc(count, sizeof(*cores.workers));
	if (!cores.workers)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		struct worker *worker = &cores.workers[i];
		int r = inbox_init(&worker->core.inbox);

		if (r < 0)
			return r;
		worker->core.index = i;
		worker->drain.on_core = on_drain;
		worker->stop.on_core = on_stop;
	}
	return 0;
}

static int wait_for_start(unsigned threads)
{
	int error;

	pthread_mutex_lock(&cores.lock);
	while (cores.started < threads)
		pthread_cond_wait(&cores.changed, &cores.lock);
	error = cores.start_error;
	pthread_mutex_unlock(&cores.lock);
	return error;
}

int cores_start(const struct core_options *options, const struct core_app *app)
{
	unsigned threads = 0;
	int r, started;

	assert(!cores.workers && options->cores > 0 && options->cores <= CORES_MAX);
	cores.options = *options;
	cores.app = app;
	cores.started = cores.ended = 0;
	cores.start_error = 0;
	cores.done = 0;
	pthread_cond_init(&cores.changed, NULL);

	r = workers_new(options->cores);
	if (r < 0)
		return r;
	cores.count = options->cores;
	while (r == 0 && threads < options->cores) {
		struct worker *worker = &cores.workers[threads];
		char name[THREAD_NAME_BYTES];

		(void)snprintf(name, sizeof(name), "core-%u", threads);
		r = thread_start(&worker->thread, name, core_thread, worker);
		if (r == 0)
			threads++;
	}
	started = wait_for_start(threads);
	if (r == 0)
		r = started;
	if (r < 0) {
		cores.count = threads;
		cores_stop();
		(void)cores_join(10000);
	}
	return r;
}

void cores_drain(void)
{
	for (unsigned i = 0; i < cores.count; i++) {
		struct worker *worker = &cores.workers[i];

		if (!atomic_exchange(&worker->is_drain_sent, true))
			inbox_send(&worker->core.inbox, &worker->drain);
	}
}

void cores_stop(void)
{
	for (unsigned i = 0; i < cores.count; i++) {
		struct worker *worker = &cores.workers[i];

		if (!atomic_exchange(&worker->is_stop_sent, true))
			inbox_send(&worker->core.inbox, &worker->stop);
	}
}

int cores_join(unsigned timeout_ms)
{
	struct timespec end = wait_end_ms(timeout_ms);
	int r;

	pthread_mutex_lock(&cores.lock);
	while (cores.ended < cores.count && wait_until(&cores.changed, &cores.lock, &end))
		;
	r = cores.ended < cores.count ? -ETIMEDOUT : 0;
	pthread_mutex_unlock(&cores.lock);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < cores.count; i++)
		pthread_join(cores.workers[i].thread, NULL);
	return 0;
}

void cores_free(void)
{
	assert(cores.ended == cores.count);
	for (unsigned i = 0; i < cores.count; i++) {
		struct core *core = &cores.workers[i].core;

		loop_free(core->loop);
		fiber_pool_free(core->fibers);
		inbox_deinit(&core->inbox);
	}
	free(cores.workers);
	cores.workers = NULL;
	cores.count = 0;
	pthread_cond_destroy(&cores.changed);
}

/* --- asking every core --- */

struct broadcast_part {
	struct inbox_item item;
	struct broadcast *broadcast;
	struct core *core;
};

/* Lives until the last part has come back, on the asking core. */
struct broadcast {
	void (*on_core)(struct core *core, const void *arg);
	struct core *home;
	struct fiber *waiter; /* NULL when it has given up */
	unsigned waiting;
	_Alignas(16) char arg[CORE_BROADCAST_BYTES_MAX];
	struct broadcast_part parts[];
};

static void part_back(struct inbox_item *item)
{
	struct broadcast *broadcast = container_of(item, struct broadcast_part, item)->broadcast;
	struct fiber *waiter = broadcast->waiter;

	if (--broadcast->waiting > 0)
		return;
	free(broadcast);
	if (waiter)
		fiber_wake(waiter, 0);
}

static void part_run(struct inbox_item *item)
{
	struct broadcast_part *part = container_of(item, struct broadcast_part, item);

	part->broadcast->on_core(part->core, part->broadcast->arg);
	item->on_core = part_back;
	inbox_send(&part->broadcast->home->inbox, item);
}

int core_broadcast_await(
	void (*on_core)(struct core *core, const void *arg), const void *arg, size_t arg_bytes)
{
	struct core *home = core_current();
	struct broadcast *broadcast;
	int r;

	assert(arg_bytes <= CORE_BROADCAST_BYTES_MAX);
	on_core(home, arg);
	if (cores.count == 1)
		return 0;
	broadcast = calloc(1, sizeof(*broadcast) + cores.count * sizeof(broadcast->parts[0]));
	if (!broadcast)
		return -ENOMEM;
	broadcast->on_core = on_core;
	broadcast->home = home;
	broadcast->waiter = fiber_current();
	broadcast->waiting = cores.count - 1;
	if (arg_bytes)
		memcpy(broadcast->arg, arg, arg_bytes);
	for (unsigned i = 0; i < cores.count; i++) {
		struct broadcast_part *part = &broadcast->parts[i];

		if (i == home->index)
			continue;
		*part = (struct broadcast_part){
			.item.on_core = part_run, .broadcast = broadcast, .core = core_at(i)
		};
		inbox_send(&part->core->inbox, &part->item);
	}
	r = fiber_wait_await();
	/* An error is the wait's own: then the broadcast still lives and must not wake us. */
	if (r < 0)
		broadcast->waiter = NULL;
	return r;
}
