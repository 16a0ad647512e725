/*
 * What operators ask of a store: see upkeep.h. Each has a connection of its own for as long as it
 * takes, so that it holds up nobody.
 */
#include "store/upkeep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/thread.h"
#include "shared/clock.h"
#include "store/store_backend.h"

static struct {
	/* Guards progress, thread; no other lock is taken under it. */
	pthread_mutex_t lock;
	struct store_index_progress progress;
	pthread_t thread;
	bool is_joinable;
} building = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A connection for something that the backend may not offer: 0, -EOPNOTSUPP, or as connect. */
static int begin(bool is_offered, void **ret_connection)
{
	const char *why;

	return is_offered ? store_connect(ret_connection, &why) : -EOPNOTSUPP;
}

static int end(void *connection, int result)
{
	store_backend()->disconnect(connection);
	return result;
}

int store_indexes_check(store_index_visit *visit, void *arg)
{
	const struct store_backend *backend = store_backend();
	void *connection;
	int r = begin(backend->indexes_check, &connection);

	return r < 0 ? r : end(connection, backend->indexes_check(connection, visit, arg));
}

int store_explain(store_explain_visit *visit, void *arg)
{
	const struct store_backend *backend = store_backend();
	void *connection;
	int r = begin(backend->explain, &connection);

	return r < 0 ? r : end(connection, backend->explain(connection, visit, arg));
}

int store_sessions_count_now(uint64_t *ret_count)
{
	const struct store_backend *backend = store_backend();
	void *connection;
	int r = begin(backend->sessions_count, &connection);

	if (r < 0)
		return r;
	return end(connection, backend->sessions_count(connection, clock_wall_ms(), ret_count));
}

int store_adopt_check(store_finding_visit *visit, void *arg)
{
	const struct store_backend *backend = store_backend();
	void *connection;
	int r = begin(backend->adopt_check, &connection);

	return r < 0 ? r : end(connection, backend->adopt_check(connection, visit, arg));
}

/* --- servers --- */

/* What is no server: does it work? */
static void ping_tell(void *connection, store_server_visit *visit, void *arg)
{
	const struct store_backend *backend = store_backend();
	uint64_t from_ns = clock_now_ns();
	int r = backend->ping(connection, false);
	const struct store_server server = { .name = "",
		.role = "local",
		.ping_us = r < 0 ? -1 : (int64_t)((clock_now_ns() - from_ns) / NS_PER_US),
		.lag_ms = -1,
		.error = r < 0 ? backend->reason(connection) : "" };

	visit(&server, arg);
}

int store_servers(store_server_visit *visit, void *arg)
{
	const struct store_backend *backend = store_backend();
	void *connection;
	int r = begin(true, &connection);

	if (r < 0)
		return r;
	if (backend->servers)
		r = backend->servers(connection, visit, arg);
	else
		ping_tell(connection, visit, arg);
	return end(connection, r);
}

const char *store_backend_name(void)
{
	return store_backend()->name;
}

/* --- building an index --- */

static void building_end(int result, const char *reason)
{
	struct store_index_progress *progress = &building.progress;

	pthread_mutex_lock(&building.lock);
	progress->is_running = false;
	progress->result = result;
	(void)snprintf(progress->reason, sizeof(progress->reason), "%s", result < 0 ? reason : "");
	pthread_mutex_unlock(&building.lock);
}

static void *building_main(void *arg)
{
	const struct store_backend *backend = store_backend();
	const char *why = "";
	void *connection;
	int r = store_connect(&connection, &why);

	if (r < 0) {
		building_end(r, why);
		return arg;
	}
	r = backend->index_create(connection, building.progress.name);
	building_end(r, backend->reason(connection));
	backend->disconnect(connection);
	return arg;
}

static int building_start(const char *name)
{
	if (building.progress.is_running)
		return -EBUSY;
	if (building.is_joinable)
		pthread_join(building.thread, NULL);
	building.progress =
		(struct store_index_progress){ .is_running = true, .started_ns = clock_now_ns() };
	(void)snprintf(building.progress.name, sizeof(building.progress.name), "%s", name);
	building.is_joinable =
		thread_start(&building.thread, "store-index", building_main, NULL) == 0;
	building.progress.is_running = building.is_joinable;
	return building.is_joinable ? 0 : -EAGAIN;
}

int store_index_create(const char *name)
{
	int r;

	if (!store_backend()->index_create)
		return -EOPNOTSUPP;
	if (!store_backend()->index_is_declared(name))
		return -ENOENT;
	pthread_mutex_lock(&building.lock);
	r = building_start(name);
	pthread_mutex_unlock(&building.lock);
	return r;
}

struct drop {
	const char *name;
	bool is_found;
	struct store_index_status status;
};

static void drop_find(const struct store_index_status *status, void *arg)
{
	struct drop *drop = arg;

	if (status->state == INDEX_MISSING || strcmp(status->name, drop->name) != 0)
		return;
	drop->is_found = true;
	drop->status = *status;
}

static bool is_building(const char *name)
{
	bool is_this;

	pthread_mutex_lock(&building.lock);
	is_this = building.progress.is_running && strcmp(building.progress.name, name) == 0;
	pthread_mutex_unlock(&building.lock);
	return is_this;
}

int store_index_drop(const char *name, bool is_dry_run, struct store_index_status *ret_status)
{
	const struct store_backend *backend = store_backend();
	struct drop drop = { .name = name };
	void *connection;
	int r;

	if (is_building(name))
		return -EBUSY;
	r = begin(backend->index_drop, &connection);
	if (r < 0)
		return r;
	r = backend->indexes_check(connection, drop_find, &drop);
	if (r == 0 && !drop.is_found)
		r = -ENOENT;
	if (r == 0 && drop.status.is_unique)
		r = -EPERM;
	if (r == 0 && !is_dry_run)
		r = backend->index_drop(connection, name);
	if (r == 0)
		*ret_status = drop.status;
	return end(connection, r);
}

void store_index_progress(struct store_index_progress *ret_progress)
{
	const struct store_backend *backend = store_backend();
	uint64_t done = 0, total = 0;
	const char *why;
	void *connection;

	pthread_mutex_lock(&building.lock);
	*ret_progress = building.progress;
	pthread_mutex_unlock(&building.lock);
	if (!ret_progress->is_running || store_connect(&connection, &why) < 0)
		return;
	if (backend->index_progress(connection, &done, &total) == 0) {
		ret_progress->done = done;
		ret_progress->total = total;
	}
	backend->disconnect(connection);
}

void upkeep_stop(void)
{
	if (building.is_joinable)
		pthread_join(building.thread, NULL);
	building.is_joinable = false;
	building.progress = (struct store_index_progress){};
}
