/* The store's health, and the thread that keeps it: see keeper.h. */
#include "store/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/thread.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/wait.h"
#include "store/census.h"
#include "store/store_guard.h"

#define PING_EVERY_MS 5000
#define PING_EVERY_ILL_MS 1000 /* soon well again: these are a breaker's probes too */
#define MINUTE_PINGS 12
/* A sweep takes a bounded part at a time, and lets the writer go on between two. 200 parts of 1000
 * in a minute keep up with more logins than any machine can hash. */
#define SWEEP_PARTS_MAX 200
#define SWEEP_PAUSE_MS 5

static struct {
	const struct store_backend *backend;
	void *connection;
	void (*on_minute)(void);
	pthread_t thread;
	bool is_started;
	/* Guards what follows; no other lock is taken under it. */
	pthread_mutex_t lock;
	pthread_cond_t wake, tended;
	struct store_health health;
	bool is_closing;
	uint64_t tends_wanted, tends_done;
	int64_t tend_now_ms;
	int tend_result;
	_Atomic bool is_down[KEEPER_PARTS]; /* also read without the lock */
} keeper = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.wake = PTHREAD_COND_INITIALIZER,
	.tended = PTHREAD_COND_INITIALIZER };

/* --- health --- */

static bool part_is_down(enum keeper_part part)
{
	return atomic_load_explicit(&keeper.is_down[part], memory_order_relaxed);
}

void keeper_report(enum keeper_part part, int result, const char *reason)
{
	struct store_health *health = &keeper.health;

	if (result >= 0 && !part_is_down(part))
		return;
	pthread_mutex_lock(&keeper.lock);
	atomic_store_explicit(&keeper.is_down[part], result < 0, memory_order_relaxed);
	health->is_up = !part_is_down(KEEPER_READING) && !part_is_down(KEEPER_WRITING);
	if (result < 0) {
		health->failures++;
		(void)snprintf(health->reason, sizeof(health->reason), "%s", reason);
	} else if (health->is_up) {
		health->reason[0] = '\0';
	}
	pthread_mutex_unlock(&keeper.lock);
}

void store_health(struct store_health *ret_health)
{
	pthread_mutex_lock(&keeper.lock);
	*ret_health = keeper.health;
	pthread_mutex_unlock(&keeper.lock);
}

static void probe_part(enum keeper_part part)
{
	struct breaker_pass pass;
	bool is_call = store_guard_ping_enter(part, &pass);
	int r = keeper.backend->ping(keeper.connection, part == KEEPER_WRITING);
	const char *reason = keeper.backend->reason(keeper.connection);

	keeper_report(part, r, reason);
	if (is_call)
		store_guard_ping_leave(part, &pass, r, reason);
}

static bool is_well(enum keeper_part part)
{
	return !part_is_down(part) && store_guard_is_closed(part);
}

/* Writing is probed only when it has failed: it would take the writer's lock for nothing. */
static void probe(void)
{
	uint64_t started_ns = clock_now_ns(), took_ns;

	probe_part(KEEPER_READING);
	took_ns = clock_now_ns() - started_ns;
	if (!is_well(KEEPER_WRITING))
		probe_part(KEEPER_WRITING);
	pthread_mutex_lock(&keeper.lock);
	keeper.health.latency_us = took_ns / NS_PER_US + 1;
	pthread_mutex_unlock(&keeper.lock);
}

static uint64_t pause_ms(void)
{
	return is_well(KEEPER_READING) && is_well(KEEPER_WRITING) ? PING_EVERY_MS
								  : PING_EVERY_ILL_MS;
}

/* --- the thread --- */

/* False when it is time to end. */
static bool sleep_ms(uint64_t ms)
{
	struct timespec end = wait_end_ms(ms);
	bool goes_on;

	pthread_mutex_lock(&keeper.lock);
	while (!keeper.is_closing && keeper.tends_wanted == keeper.tends_done &&
		wait_until(&keeper.wake, &keeper.lock, &end))
		;
	goes_on = !keeper.is_closing;
	pthread_mutex_unlock(&keeper.lock);
	return goes_on;
}

static int sweep(int64_t now_ms)
{
	int r = 1;

	for (unsigned i = 0; i < SWEEP_PARTS_MAX && r > 0; i++) {
		r = keeper.backend->sweep(keeper.connection, now_ms);
		if (r > 0 && !sleep_ms(SWEEP_PAUSE_MS))
			break;
	}
	return r < 0 ? r : 0;
}

/* What store_tend() asked for. */
static void tend(void)
{
	uint64_t wanted;
	int64_t now_ms;
	int r;

	pthread_mutex_lock(&keeper.lock);
	wanted = keeper.tends_wanted;
	now_ms = keeper.tend_now_ms;
	pthread_mutex_unlock(&keeper.lock);
	if (wanted == keeper.tends_done)
		return;
	probe();
	r = sweep(now_ms);
	keeper.on_minute();
	pthread_mutex_lock(&keeper.lock);
	keeper.tends_done = wanted;
	keeper.tend_result = r;
	pthread_cond_broadcast(&keeper.tended);
	pthread_mutex_unlock(&keeper.lock);
}

static void *keeper_main(void *arg)
{
	unsigned pings = 0;

	census_turn(keeper.backend, keeper.connection);
	while (sleep_ms(pause_ms())) {
		tend();
		probe();
		census_turn(keeper.backend, keeper.connection);
		if (++pings % MINUTE_PINGS)
			continue;
		(void)sweep(clock_wall_ms()); /* what failed is tried again in a minute */
		keeper.on_minute();
	}
	return arg;
}

int store_tend(int64_t now_ms)
{
	uint64_t mine;
	int r = -ERR_DRAINING;

	pthread_mutex_lock(&keeper.lock);
	keeper.tend_now_ms = now_ms;
	mine = ++keeper.tends_wanted;
	pthread_cond_signal(&keeper.wake);
	while (keeper.tends_done < mine && !keeper.is_closing)
		pthread_cond_wait(&keeper.tended, &keeper.lock);
	if (keeper.tends_done >= mine)
		r = keeper.tend_result;
	pthread_mutex_unlock(&keeper.lock);
	return r;
}

int keeper_start(const struct store_backend *backend, void *connection, void (*on_minute)(void))
{
	int r;

	keeper.backend = backend;
	keeper.connection = connection;
	keeper.on_minute = on_minute;
	keeper.is_closing = false;
	census_reset();
	keeper.health = (struct store_health){ .is_up = true };
	for (unsigned i = 0; i < KEEPER_PARTS; i++)
		atomic_store(&keeper.is_down[i], false);
	probe();
	r = thread_start(&keeper.thread, "store-keep", keeper_main, NULL);
	keeper.is_started = r == 0;
	return r;
}

void keeper_stop(void)
{
	if (!keeper.is_started)
		return;
	pthread_mutex_lock(&keeper.lock);
	keeper.is_closing = true;
	pthread_cond_signal(&keeper.wake);
	pthread_cond_broadcast(&keeper.tended);
	pthread_mutex_unlock(&keeper.lock);
	pthread_join(keeper.thread, NULL);
	keeper.is_started = false;
}
