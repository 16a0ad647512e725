/*
 * Opening and closing the store: which backend, which threads, in which order. Next: workers.h (the
 * threads), keeper.h (health), store.c (the calls).
 */
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/module.h"
#include "core/thread.h"
#include "observe/metrics.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "store/keeper.h"
#include "store/store_backend.h"
#include "store/store_guard.h"
#include "store/workers.h"

#define BATCH_MAX 64 /* writes in one commit: a flush is milliseconds, a write 20 us */

static const struct store_backend *const backends[] = { &store_sqlite, &store_memory };
static const char *const modules[] = { "mongodb" };

static struct {
	const struct store_backend *backend;
	struct store_options options;
	struct workers readers; /* also write when the backend has no transactions */
	struct workers writer;
	void *main_connection, *keeper_connection, *watch_connection; /* each of one thread */
	store_watcher *watcher;
	pthread_t watch;
	bool is_watching;
	_Atomic bool is_closing; /* for the watching thread */
} store;

const struct store_backend *store_backend(void)
{
	return store.backend;
}

int store_connect(void **ret_connection, const char **ret_why)
{
	return store.backend->connect(&store.options, ret_connection, ret_why);
}

void store_place(struct store_place *ret_place)
{
	*ret_place = (struct store_place){};
	if (store.backend->place)
		store.backend->place(&store.options, ret_place);
}

/* NULL: *ret_why says why. */
static const struct store_backend *backend_find(const char *name, const char **ret_why)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
		if (strcmp(backends[i]->name, name) == 0)
			return backends[i];
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		if (strcmp(modules[i], name) == 0)
			return module_symbol(name, STORE_MODULE_SYMBOL, ret_why);
	*ret_why = "there is no such backend";
	return NULL;
}

/* --- threads --- */

static void connection_tell(const struct worker *worker, unsigned index,
	void (*visit)(const struct store_connection *connection, void *arg), void *arg)
{
	static const char *const states[] = { "", "connecting", "idle", "busy" };
	enum worker_state state = atomic_load_explicit(&worker->state, memory_order_relaxed);
	const struct store_connection connection = { .group = worker->group->options.name,
		.index = index,
		.state = states[state],
		.call = state == WORKER_BUSY ? store_op_name(atomic_load(&worker->op)) : "",
		.since_ns = atomic_load(&worker->since_ns),
		.calls = atomic_load(&worker->calls),
		.failures = atomic_load(&worker->failures) };

	visit(&connection, arg);
}

void store_connections_each(
	void (*visit)(const struct store_connection *connection, void *arg), void *arg)
{
	const struct workers *const groups[] = { &store.readers, &store.writer };

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		for (unsigned j = 0; j < WORKERS_MAX; j++)
			if (atomic_load(&groups[i]->slots[j].state) != WORKER_NONE)
				connection_tell(&groups[i]->slots[j], j, visit, arg);
	}
}

void store_pools_each(void (*visit)(const struct store_pool *pool, void *arg), void *arg)
{
	const struct workers *const groups[] = { &store.readers, &store.writer };

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (groups[i]->options.threads_max)
			visit(&(struct store_pool){ .name = groups[i]->options.name,
				      .connections_max = atomic_load(&groups[i]->threads_max),
				      .queue = &groups[i]->queue },
				arg);
}

int store_pool_drain(const char *name, uint64_t for_ms, unsigned *ret_refused)
{
	struct workers *const groups[] = { &store.readers, &store.writer };

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (!groups[i]->options.threads_max || strcmp(groups[i]->options.name, name) != 0)
			continue;
		*ret_refused = job_queue_refuse(
			&groups[i]->queue, for_ms ? clock_after_ms(clock_now_ns(), for_ms) : 0);
		return 0;
	}
	return -ENOENT;
}

bool store_pool_is_sizable(void)
{
	return !store.backend->begin;
}

void store_pool_resize(unsigned pool_max)
{
	if (store.readers.options.threads_max && store_pool_is_sizable() &&
		pool_max > STORE_POOL_KEPT)
		workers_resize(&store.readers, pool_max - STORE_POOL_KEPT);
}

struct job_queue *store_queue(enum keeper_part part)
{
	bool is_writers = part == KEEPER_WRITING && store.backend->begin;

	return is_writers ? &store.writer.queue : &store.readers.queue;
}

static void on_minute(void)
{
	workers_trim(&store.readers);
}

/* One thread writes, others read; or all do both. */
static int threads_start(const char **ret_why)
{
	const struct store_options *options = &store.options;
	struct workers_options workers = { .name = "store-read",
		.backend = store.backend,
		.store = options,
		.queued_max = options->queued_max,
		.threads_min = options->reader_threads,
		.threads_max = options->reader_threads };
	int r;

	if (!store.backend->begin) {
		workers.threads_min = options->pool_min;
		workers.threads_max = options->pool_max - STORE_POOL_KEPT;
		return workers_start(&store.readers, &workers, ret_why);
	}
	r = workers_start(&store.readers, &workers, ret_why);
	if (r < 0)
		return r;
	workers.name = "store-write";
	workers.threads_min = workers.threads_max = 1;
	workers.batch_max = BATCH_MAX;
	return workers_start(&store.writer, &workers, ret_why);
}

/* --- watching --- */

void store_watch(store_watcher *watcher)
{
	store.watcher = watcher;
}

static void *watch_main(void *arg)
{
	store.backend->watch(store.watch_connection, store.watcher, &store.is_closing);
	return arg;
}

static int watch_start(const char **ret_why)
{
	int r;

	store.is_closing = false;
	if (!store.watcher || !store.backend->watch)
		return 0;
	r = store_connect(&store.watch_connection, ret_why);
	if (r < 0)
		return r;
	*ret_why = "threads cannot be started";
	r = thread_start(&store.watch, "store-watch", watch_main, NULL);
	store.is_watching = r == 0;
	return r;
}

static void watch_stop(void)
{
	store.is_closing = true;
	if (store.is_watching)
		pthread_join(store.watch, NULL);
	store.is_watching = false;
}

/* --- opening and closing --- */

static int open_all(const char **ret_why)
{
	int r;

	r = store_connect(&store.main_connection, ret_why);
	if (r < 0)
		return r;
	r = store.backend->migrate(store.main_connection, ret_why);
	if (r < 0)
		return r;
	r = threads_start(ret_why);
	if (r < 0)
		return r;
	r = watch_start(ret_why);
	if (r < 0)
		return r;
	r = store_connect(&store.keeper_connection, ret_why);
	if (r < 0)
		return r;
	*ret_why = "threads cannot be started";
	return keeper_start(store.backend, store.keeper_connection, on_minute);
}

static const char *op_name(unsigned op)
{
	return store_op_name((enum store_op)op);
}

static const char *op_collection(unsigned op)
{
	return store_op_collection((enum store_op)op);
}

int store_open(const struct store_options *options, const char **ret_why)
{
	static char why[STORE_WHY_BYTES];
	int r;

	store.options = *options;
	metrics_ops_set(op_name, op_collection, STORE_OPS);
	store.backend = backend_find(options->backend, ret_why);
	if (!store.backend)
		return -EOPNOTSUPP;
	*ret_why = "no memory";
	store_guard_init(options);
	r = open_all(ret_why);
	if (r < 0) {
		/* The reason may be the connection's, which goes now. */
		(void)snprintf(why, sizeof(why), "%s", *ret_why);
		*ret_why = why;
		store_close();
	}
	return r;
}

static void disconnect(void **connection)
{
	if (*connection)
		store.backend->disconnect(*connection);
	*connection = NULL;
}

void store_close(void)
{
	workers_stop(&store.readers);
	workers_stop(&store.writer);
	keeper_stop();
	watch_stop();
	upkeep_stop();
	disconnect(&store.watch_connection);
	disconnect(&store.keeper_connection);
	disconnect(&store.main_connection);
	store_guard_deinit();
}

uint64_t store_memory_bytes(void)
{
	return store.backend && store.backend->memory_bytes ? store.backend->memory_bytes() : 0;
}

/* --- keys --- */

int store_keys_load(struct store_key keys[static STORE_KEYS_MAX])
{
	return store.backend->keys_load(store.main_connection, keys);
}

int store_key_add(const struct store_key *key, int64_t newer_than_ms)
{
	return store.backend->key_add(store.main_connection, key, newer_than_ms);
}

int store_key_remove(const char *kid)
{
	return store.backend->key_remove(store.main_connection, kid);
}

const char *store_keys_reason(void)
{
	return store.backend->reason(store.main_connection);
}
