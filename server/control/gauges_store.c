/* Metrics of what is behind: the store, its pools and breakers, caches. See gauges.h. */
#include <string.h>

#include "auth/mailer.h"
#include "cache/cache.h"
#include "control/control.h"
#include "control/gauges.h"
#include "core/job.h"
#include "guard/breaker.h"
#include "shared/macros.h"
#include "store/store.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

/* As /health/ready: the two must not disagree. */
void meter_ready(struct metering *m)
{
	put(m, store_is_ready() && !m->context->is_draining());
}

void meter_db_up(struct metering *m)
{
	struct store_health health;

	store_health(&health);
	put(m, health.is_up);
}

void meter_sessions(struct metering *m)
{
	uint64_t count;

	if (store_sessions_count(&count))
		put(m, (double)count);
}

/* --- pools --- */

struct connections {
	const char *pool;
	unsigned used, idle, connecting;
};

static void connection_add(const struct store_connection *connection, void *arg)
{
	struct connections *sum = arg;

	if (strcmp(connection->group, sum->pool) != 0)
		return;
	sum->used += strcmp(connection->state, "busy") == 0;
	sum->idle += strcmp(connection->state, "idle") == 0;
	sum->connecting += strcmp(connection->state, "connecting") == 0;
}

static void connections_put(const struct store_pool *pool, void *arg)
{
	struct connections sum = { .pool = pool->name };

	store_connections_each(connection_add, &sum);
	put2(arg, sum.pool, "used", sum.used);
	put2(arg, sum.pool, "idle", sum.idle);
	put2(arg, sum.pool, "connecting", sum.connecting);
}

static void max_put(const struct store_pool *pool, void *arg)
{
	put1(arg, pool->name, pool->connections_max);
}

static void waiters_put(const struct store_pool *pool, void *arg)
{
	put1(arg, pool->name, job_queue_waiting(pool->queue));
}

static void timeouts_put(const struct store_pool *pool, void *arg)
{
	put1(arg, pool->name, (double)READ(pool->queue->expired));
}

static void rejections_put(const struct store_pool *pool, void *arg)
{
	put2(arg, pool->name, "full", (double)READ(pool->queue->refused));
	put2(arg, pool->name, "late", (double)READ(pool->queue->refused_late));
}

void meter_db_connections(struct metering *m)
{
	store_pools_each(connections_put, m);
}

void meter_db_max(struct metering *m)
{
	store_pools_each(max_put, m);
}

void meter_db_waiters(struct metering *m)
{
	store_pools_each(waiters_put, m);
}

void meter_db_timeouts(struct metering *m)
{
	store_pools_each(timeouts_put, m);
}

void meter_db_rejections(struct metering *m)
{
	store_pools_each(rejections_put, m);
}

/* --- breakers --- */

static const char *const state_labels[BREAKER_STATES] = {
	[BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF_OPEN] = "half_open"
};

static void state_put(struct breaker *breaker, void *arg)
{
	struct breaker_view view;

	breaker_view(breaker, &view);
	for (enum breaker_state state = 0; state < BREAKER_STATES; state++)
		put2(arg, view.name, state_labels[state], view.state == state);
	put2(arg, view.name, "forced", view.mode != BREAKER_AUTO);
}

static void transitions_put(struct breaker *breaker, void *arg)
{
	struct breaker_view view;

	breaker_view(breaker, &view);
	for (enum breaker_state state = 0; state < BREAKER_STATES; state++)
		put2(arg, view.name, state_labels[state], (double)view.changed_total[state]);
}

static void refused_put(struct breaker *breaker, void *arg)
{
	struct breaker_view view;

	breaker_view(breaker, &view);
	put1(arg, view.name, (double)view.refused_total);
}

static void forced_add(struct breaker *breaker, void *arg)
{
	struct breaker_view view;

	breaker_view(breaker, &view);
	*(unsigned *)arg += view.mode != BREAKER_AUTO;
}

void meter_breaker_state(struct metering *m)
{
	breaker_each(state_put, m);
}

void meter_breaker_transitions(struct metering *m)
{
	breaker_each(transitions_put, m);
}

void meter_breaker_rejections(struct metering *m)
{
	breaker_each(refused_put, m);
}

unsigned metering_breakers_forced(void)
{
	unsigned forced = 0;

	breaker_each(forced_add, &forced);
	return forced;
}

/* --- caches: those of all cores with the same name are one --- */

#define CACHES_MAX 8

struct cached {
	unsigned count;
	struct cache_sum {
		const char *name;
		uint64_t hits, negative_hits, stale, misses, entries, bytes;
		uint64_t removed[CACHE_REASONS];
	} sums[CACHES_MAX];
};

static void cache_add(const struct cache *cache, void *arg)
{
	const struct cache_stats *stats = cache_stats(cache);
	const char *name = cache_options(cache)->name;
	struct cached *cached = arg;
	struct cache_sum *sum = cached->sums;

	while (sum < cached->sums + cached->count && strcmp(sum->name, name) != 0)
		sum++;
	if (sum == cached->sums + CACHES_MAX)
		return;
	if (sum == cached->sums + cached->count)
		cached->count++;
	sum->name = name;
	sum->hits += READ(stats->hits);
	sum->negative_hits += READ(stats->negative_hits);
	sum->stale += READ(stats->stale);
	sum->misses += READ(stats->misses);
	sum->entries += READ(stats->entries);
	sum->bytes += cache_bytes(cache);
	for (unsigned i = 0; i < CACHE_REASONS; i++)
		sum->removed[i] += READ(stats->removed[i]);
}

static struct cached cached(void)
{
	struct cached all = {};

	cache_each(cache_add, &all);
	return all;
}

void meter_cache_requests(struct metering *m)
{
	struct cached all = cached();

	for (unsigned i = 0; i < all.count; i++) {
		const struct cache_sum *sum = &all.sums[i];

		put2(m, sum->name, "hit", (double)sum->hits);
		put2(m, sum->name, "negative_hit", (double)sum->negative_hits);
		put2(m, sum->name, "stale", (double)sum->stale);
		put2(m, sum->name, "miss", (double)sum->misses);
	}
}

void meter_cache_entries(struct metering *m)
{
	struct cached all = cached();

	for (unsigned i = 0; i < all.count; i++)
		put1(m, all.sums[i].name, (double)all.sums[i].entries);
}

void meter_cache_bytes(struct metering *m)
{
	struct cached all = cached();

	for (unsigned i = 0; i < all.count; i++)
		put1(m, all.sums[i].name, (double)all.sums[i].bytes);
}

void meter_cache_evictions(struct metering *m)
{
	struct cached all = cached();

	for (unsigned i = 0; i < all.count; i++)
		for (enum cache_reason reason = 0; reason < CACHE_REASONS; reason++)
			put2(m, all.sums[i].name, cache_reason_name(reason),
				(double)all.sums[i].removed[reason]);
}

void meter_mails(struct metering *m)
{
	struct mailer_stats stats;

	mailer_stats_read(&stats);
	put1(m, "sent", (double)stats.sent);
	put1(m, "retried", (double)stats.retried);
	put1(m, "refused", (double)stats.refused);
	put1(m, "abandoned", (double)stats.abandoned);
	put1(m, "needless", (double)stats.needless);
}

void meter_mails_waiting(struct metering *m)
{
	struct mailer_stats stats;

	mailer_stats_read(&stats);
	put(m, stats.waiting);
}
