/*
 * The store's calls: each is copied, queued and awaited; what it does is the backend's. Readers
 * take one call at a time. The one writer takes all that wait (group commit): a batch costs one
 * flush to the disk, and nobody is answered before it. Next: workers.h (the threads), keeper.h
 * (health).
 */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/macros.h"
#include "shared/secret.h"
#include "store/keeper.h"
#include "store/module.h"
#include "store/store_backend.h"
#include "store/store_guard.h"
#include "store/workers.h"

/* --- threads --- */

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

/* NULL: *ret_why says why. */
static const struct store_backend *backend_find(const char *name, const char **ret_why)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
		if (strcmp(backends[i]->name, name) == 0)
			return backends[i];
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		if (strcmp(modules[i], name) == 0)
			return module_load(name, ret_why);
	*ret_why = "there is no such backend";
	return NULL;
}

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
		workers.name = "store";
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
	r = -pthread_create(&store.watch, NULL, watch_main, NULL);
	store.is_watching = r == 0;
	if (r == 0)
		pthread_setname_np(store.watch, "store-watch");
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

int store_open(const struct store_options *options, const char **ret_why)
{
	static char why[STORE_WHY_BYTES];
	int r;

	store.options = *options;
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

/* --- keys --- */

int store_keys_load(struct store_key keys[static STORE_KEYS_MAX])
{
	return store.backend->keys_load(store.main_connection, keys);
}

int store_key_add(const struct store_key *key)
{
	return store.backend->key_add(store.main_connection, key);
}

/* --- calls --- */

const char *store_op_name(enum store_op op)
{
	static const char *const names[STORE_OPS] = {
		[OP_ACCOUNT_CREATE] = "account_create",
		[OP_ACCOUNT_FIND] = "account_find",
		[OP_ACCOUNT_GET] = "account_get",
		[OP_ACCOUNT_RENAME] = "account_rename",
		[OP_LOGIN_FAIL] = "login_fail",
		[OP_LOGIN] = "login",
		[OP_SESSION_FIND] = "session_find",
		[OP_SESSION_END] = "session_end",
		[OP_SESSION_END_BY_REFRESH] = "session_end_by_refresh",
		[OP_SESSIONS_END] = "sessions_end",
		[OP_REFRESH] = "refresh",
	};

	return names[op];
}

static void job_run_unused(struct job *job, void *connection)
{
	(void)job;
	(void)connection; /* the threads run calls through the backend's table */
}

static void call_release(struct job *job)
{
	struct store_call *call = container_of(job, struct store_call, job);

	secret_wipe(call, sizeof(*call));
	free(call);
}

static struct store_call *call_new(enum store_op op)
{
	struct store_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	job_init(&call->job, job_run_unused, call_release);
	call->op = op;
	return call;
}

static void call_put(struct store_call **call)
{
	if (*call)
		job_put(&(*call)->job);
}
#define CALL(op) _cleanup_(call_put) struct store_call *call = call_new(op)

static void copy(char *to, size_t bytes, const char *from)
{
	size_t length = strlen(from);

	assert(length < bytes);
	memcpy(to, from, length + 1);
}
#define COPY(to, from) copy((to), sizeof(to), (from))

static int read_await(struct store_call *call)
{
	return store_guard_await(KEEPER_READING, &store.readers.queue, call);
}

static int write_await(struct store_call *call)
{
	struct workers *workers = store.backend->begin ? &store.writer : &store.readers;

	return store_guard_await(KEEPER_WRITING, &workers->queue, call);
}

int store_account_create_await(const struct account *account, const struct session_new *session)
{
	CALL(OP_ACCOUNT_CREATE);

	if (!call)
		return -ENOMEM;
	call->account = *account;
	call->session_new = *session;
	return write_await(call);
}

int store_account_find_await(const char *email_key, struct account *ret_account)
{
	CALL(OP_ACCOUNT_FIND);
	int r;

	if (!call)
		return -ENOMEM;
	COPY(call->key, email_key);
	r = read_await(call);
	if (r == 1)
		*ret_account = call->account;
	else if (r == 0)
		ret_account->attempts = call->account.attempts;
	return r;
}

int store_account_get_await(const char *id, struct account *ret_account)
{
	CALL(OP_ACCOUNT_GET);
	int r;

	if (!call)
		return -ENOMEM;
	COPY(call->key, id);
	r = read_await(call);
	if (r == 1)
		*ret_account = call->account;
	return r;
}

int store_account_rename_await(
	const char *id, const char *name, int64_t now_ms, struct account *ret_account)
{
	CALL(OP_ACCOUNT_RENAME);
	int r;

	if (!call)
		return -ENOMEM;
	COPY(call->key, id);
	COPY(call->name, name);
	call->now_ms = now_ms;
	r = write_await(call);
	if (r == 1)
		*ret_account = call->account;
	return r;
}

int store_login_fail_await(const char *email_key, const struct lockout_policy *policy,
	int64_t now_ms, struct login_attempts *ret_attempts)
{
	CALL(OP_LOGIN_FAIL);
	int r;

	if (!call)
		return -ENOMEM;
	COPY(call->key, email_key);
	call->policy = *policy;
	call->now_ms = now_ms;
	r = write_await(call);
	if (r >= 0)
		*ret_attempts = call->attempts;
	return r;
}

int store_login_await(const struct login_request *request, struct login_result *ret_result)
{
	CALL(OP_LOGIN);
	int r;

	if (!call)
		return -ENOMEM;
	call->session_new = *request->session;
	call->now_ms = request->now_ms;
	COPY(call->hash, request->hash);
	COPY(call->new_hash, request->new_hash ? request->new_hash : "");
	r = write_await(call);
	if (r >= 0) {
		ret_result->account = call->account;
		COPY(ret_result->ended, call->id);
	}
	return r;
}

int store_session_find_await(
	const char *id, int64_t now_ms, struct session *ret_session, struct account *ret_account)
{
	CALL(OP_SESSION_FIND);
	int r;

	if (!call)
		return -ENOMEM;
	COPY(call->key, id);
	call->now_ms = now_ms;
	r = read_await(call);
	if (r == 1) {
		*ret_session = call->session;
		*ret_account = call->account;
	}
	return r;
}

int store_session_end_await(const char *id)
{
	CALL(OP_SESSION_END);

	if (!call)
		return -ENOMEM;
	COPY(call->key, id);
	return write_await(call);
}

int store_session_end_by_refresh_await(const uint8_t refresh_hash[static STORE_DIGEST_BYTES],
	char ret_id[static STORE_ID_BYTES_MAX + 1])
{
	CALL(OP_SESSION_END_BY_REFRESH);
	int r;

	if (!call)
		return -ENOMEM;
	memcpy(call->refresh.hash, refresh_hash, STORE_DIGEST_BYTES);
	r = write_await(call);
	if (r == 1)
		copy(ret_id, STORE_ID_BYTES_MAX + 1, call->id);
	return r;
}

int store_sessions_end_await(const char *account_id)
{
	CALL(OP_SESSIONS_END);

	if (!call)
		return -ENOMEM;
	COPY(call->key, account_id);
	return write_await(call);
}

int store_refresh_await(const struct refresh_request *request, struct refresh_result *ret_result)
{
	CALL(OP_REFRESH);
	int r;

	if (!call)
		return -ENOMEM;
	call->refresh = *request;
	r = write_await(call);
	if (r >= 0) {
		ret_result->account = call->account;
		ret_result->session = call->session;
	}
	return r;
}
