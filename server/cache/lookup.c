/*
 * One load per key at a time: see lookup.h. A flight (a load under way) lives on the stack of the
 * fiber that leads it, and is listed by its key until it lands or an invalidation comes: from then
 * on nobody joins it. When its leader is cancelled or late, one of the others leads another flight
 * and takes the rest over.
 */
#include "cache/lookup.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/fiber.h"
#include "core/span.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/list.h"
#include "shared/macros.h"
#include "shared/probe.h"

/* Flights are as many as fibers that load: a few hundred at the most. */
#define FLIGHT_BUCKETS 64
/* Places looked at in one go: some tens of microseconds. */
#define SWEEP_SLOTS 4096

struct flight {
	struct flight *next; /* in its bucket */
	const uint8_t *key;
	bool is_listed;
	struct list waiters;
	uint32_t waiting;
};

/* A fiber that has joined a flight; on its stack. */
struct waiter {
	struct list_link link;
	struct flight *flight;
	struct fiber *fiber;
	void *ret_value;
	int result;
	enum { WAITER_WAITS, WAITER_ANSWERED, WAITER_LEADS } state;
};

struct lookup {
	struct lookup_options options;
	struct cache *cache;
	struct flight *flights[FLIGHT_BUCKETS];
	uint64_t invalidations; /* tells a load that one came meanwhile */
	uint64_t distrusted;    /* the value of `distrust` that we have acted upon */
	struct timer timer;
};

static _Atomic uint64_t distrust;

/* --- life, and the sweep --- */

static unsigned sweep_parts(const struct lookup *lookup)
{
	return (lookup->options.cache.entries_max + SWEEP_SLOTS - 1) / SWEEP_SLOTS;
}

static void sweep_arm(struct lookup *lookup, uint64_t now_ns)
{
	timer_set(lookup->options.wheel, &lookup->timer,
		clock_after_ms(now_ns, lookup->options.sweep_ms / sweep_parts(lookup)));
}

static void on_sweep(struct timer *timer)
{
	struct lookup *lookup = container_of(timer, struct lookup, timer);
	uint64_t now_ns = clock_now_ns();

	cache_sweep(lookup->cache, now_ns, SWEEP_SLOTS);
	sweep_arm(lookup, now_ns);
}

int lookup_new(const struct lookup_options *options, struct lookup **ret_lookup)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	int r;

	if (!lookup)
		return -ENOMEM;
	r = cache_new(&options->cache, &lookup->cache);
	if (r < 0) {
		free(lookup);
		return r;
	}
	lookup->options = *options;
	lookup->distrusted = atomic_load(&distrust);
	lookup->timer.on_timer = on_sweep;
	sweep_arm(lookup, clock_now_ns());
	*ret_lookup = lookup;
	return 0;
}

void lookup_free(struct lookup *lookup)
{
	if (!lookup)
		return;
	timer_cancel(lookup->options.wheel, &lookup->timer);
	cache_free(lookup->cache);
	free(lookup);
}

/* --- flights --- */

static struct flight **flight_bucket(struct lookup *lookup, const uint8_t *key)
{
	return &lookup->flights[key[0] % FLIGHT_BUCKETS];
}

static struct flight *flight_find(struct lookup *lookup, const uint8_t *key)
{
	struct flight *flight = *flight_bucket(lookup, key);

	while (flight && memcmp(flight->key, key, CACHE_KEY_BYTES) != 0)
		flight = flight->next;
	return flight;
}

static void flight_list(struct lookup *lookup, struct flight *flight)
{
	struct flight **bucket = flight_bucket(lookup, flight->key);

	flight->next = *bucket;
	*bucket = flight;
	flight->is_listed = true;
}

static void flight_unlist(struct lookup *lookup, struct flight *flight)
{
	struct flight **link = flight_bucket(lookup, flight->key);

	if (!flight->is_listed)
		return;
	while (*link != flight)
		link = &(*link)->next;
	*link = flight->next;
	flight->is_listed = false;
}

static void flights_unlist_all(struct lookup *lookup)
{
	for (unsigned i = 0; i < FLIGHT_BUCKETS; i++) {
		for (struct flight *flight = lookup->flights[i]; flight; flight = flight->next)
			flight->is_listed = false;
		lookup->flights[i] = NULL;
	}
}

/* --- who waits --- */

static void waiter_link(struct flight *flight, struct waiter *waiter)
{
	waiter->flight = flight;
	list_append(&flight->waiters, &waiter->link);
	flight->waiting++;
}

static void waiter_unlink(struct waiter *waiter)
{
	struct flight *flight = waiter->flight;

	list_remove(&flight->waiters, &waiter->link);
	flight->waiting--;
}

/* NULL: nobody waits. */
static struct waiter *waiter_first(const struct flight *flight)
{
	struct list_link *first = flight->waiters.first;

	return first ? container_of(first, struct waiter, link) : NULL;
}

static void waiters_take_over(struct flight *from, struct flight *to)
{
	struct waiter *waiter;

	while ((waiter = waiter_first(from))) {
		waiter_unlink(waiter);
		waiter_link(to, waiter);
	}
}

/* Runs the fiber now, until it waits again. The list may change meanwhile: take the next afresh. */
static void waiter_wake(struct waiter *waiter, int state)
{
	waiter_unlink(waiter);
	waiter->state = state;
	fiber_wake(waiter->fiber, 0);
}

static void waiters_answer(struct flight *flight, int result, const void *value, size_t bytes)
{
	struct waiter *waiter;

	while ((waiter = waiter_first(flight))) {
		waiter->result = result;
		if (result == 0)
			memcpy(waiter->ret_value, value, bytes);
		waiter_wake(waiter, WAITER_ANSWERED);
	}
}

/* --- loading --- */

static void keep(struct lookup *lookup, const uint8_t *key, const struct lookup_found *found)
{
	const struct lookup_options *options = &lookup->options;
	uint64_t longest_ms = found->is_negative ? options->negative_ms : options->ttl_ms;
	struct cache_item item = { .value = found->value, .is_negative = found->is_negative };

	if (found->keep_ms <= 0)
		return;
	item.end_ns = clock_after_ms(clock_now_ns(), MIN((uint64_t)found->keep_ms, longest_ms));
	memcpy(item.tags, found->tags, sizeof(item.tags));
	cache_insert(lookup->cache, key, &item);
}

/* Loads as the leader of a new flight, with those who waited for `before` when there was one. */
static int lead_await(struct lookup *lookup, const uint8_t *key, struct flight *before,
	lookup_load *load_await, void *arg, void *ret_value)
{
	struct flight flight = { .key = key };
	struct lookup_found found = { .value = ret_value,
		.keep_ms = (int64_t)lookup->options.ttl_ms };
	size_t bytes = lookup->options.cache.value_bytes;
	uint64_t invalidations = lookup->invalidations;
	int r;

	if (before)
		waiters_take_over(before, &flight);
	flight_list(lookup, &flight);
	memset(ret_value, 0, bytes);
	r = load_await(arg, &found);
	flight_unlist(lookup, &flight);
	if (r == 0 && invalidations == lookup->invalidations)
		keep(lookup, key, &found);
	/* Only this fiber is late or cancelled: the others may have time. */
	if (r != -ETIMEDOUT && r != -ERR_CANCELED)
		waiters_answer(&flight, r, ret_value, bytes);
	else if (flight.waiters.first)
		waiter_wake(waiter_first(&flight), WAITER_LEADS);
	return r;
}

static int join_await(struct lookup *lookup, struct flight *flight, lookup_load *load_await,
	void *arg, void *ret_value)
{
	struct waiter waiter = { .fiber = fiber_current(), .ret_value = ret_value };
	struct cache_stats *stats = cache_stats_own(lookup->cache);
	uint8_t key[CACHE_KEY_BYTES];
	int r;

	if (flight->waiting == lookup->options.waiters_max) {
		atomic_fetch_add_explicit(&stats->refused, 1, memory_order_relaxed);
		return -ERR_OVERLOADED;
	}
	atomic_fetch_add_explicit(&stats->joined, 1, memory_order_relaxed);
	memcpy(key, flight->key, sizeof(key));
	waiter_link(flight, &waiter);
	r = fiber_wait_await();
	switch (waiter.state) {
	case WAITER_ANSWERED:
		return waiter.result;
	case WAITER_LEADS:
		return lead_await(lookup, key, waiter.flight, load_await, arg, ret_value);
	default:
		waiter_unlink(&waiter);
		return r;
	}
}

static void invalidated(struct lookup *lookup)
{
	lookup->invalidations++;
	flights_unlist_all(lookup);
}

int lookup_await(struct lookup *lookup, const uint8_t key[static CACHE_KEY_BYTES],
	lookup_load *load_await, void *arg, void *ret_value)
{
	uint64_t distrusted = atomic_load_explicit(&distrust, memory_order_acquire);
	struct flight *flight;
	const void *value;
	struct span *span;

	assert(fiber_current());
	if (lookup->distrusted != distrusted) {
		lookup->distrusted = distrusted;
		lookup_flush(lookup);
	}
	span = span_begin_detail("cache get", lookup->options.cache.name);
	value = cache_find(lookup->cache, key, clock_lately_ns());
	PROBE2(cache__lookup, lookup->options.cache.name, value != NULL);
	span_text(span, "authd.cache", lookup->options.cache.name);
	span_text(span, "authd.cache.result", value ? "hit" : "miss");
	span_end(span, 0);
	if (value) {
		memcpy(ret_value, value, lookup->options.cache.value_bytes);
		return 0;
	}
	flight = flight_find(lookup, key);
	if (flight)
		return join_await(lookup, flight, load_await, arg, ret_value);
	return lead_await(lookup, key, NULL, load_await, arg, ret_value);
}

/* --- invalidating --- */

void lookup_forget(struct lookup *lookup, const uint8_t key[static CACHE_KEY_BYTES])
{
	invalidated(lookup);
	(void)cache_remove(lookup->cache, key);
}

void lookup_forget_tag(struct lookup *lookup, unsigned which, uint64_t tag)
{
	invalidated(lookup);
	(void)cache_remove_tag(lookup->cache, which, tag);
}

void lookup_flush(struct lookup *lookup)
{
	invalidated(lookup);
	cache_flush(lookup->cache);
}

void lookup_distrust_all(void)
{
	atomic_fetch_add(&distrust, 1);
}

const struct cache *lookup_cache(const struct lookup *lookup)
{
	return lookup->cache;
}
