/*
 * The store's calls, queues and threads; what a call does is the backend's. Readers take one call
 * at a time. The one writer takes all that wait (group commit): a batch costs one flush to the
 * disk, and nobody is answered before it.
 */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/fiber.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/secret.h"
#include "store/store_backend.h"

#define READERS_MAX 64
#define BATCH_MAX 64 /* writes in one commit: a flush is milliseconds, a write 20 us */
#define PING_EVERY_S 5
#define SWEEP_EVERY_PINGS 12 /* once a minute */

static struct {
	const struct store_backend *backend;
	/* Each of one thread. */
	void *main_connection, *keeper_connection, *writer_connection;
	void *reader_connections[READERS_MAX];
	struct job_queue reads, writes;
	pthread_t readers[READERS_MAX], writer, keeper;
	unsigned reader_count;
	/* Guards health, is_closing; no other lock is taken under it. */
	pthread_mutex_t lock;
	pthread_cond_t closing;
	struct store_health health;
	bool is_closing;
	char why[160];
} store = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* --- health --- */

static void health_set(int result, uint64_t latency_us, const char *reason)
{
	pthread_mutex_lock(&store.lock);
	store.health.is_up = result >= 0;
	if (latency_us)
		store.health.latency_us = latency_us;
	if (result < 0)
		store.health.failures++;
	(void)snprintf(
		store.health.reason, sizeof(store.health.reason), "%s", result < 0 ? reason : "");
	pthread_mutex_unlock(&store.lock);
}

void store_health(struct store_health *ret_health)
{
	pthread_mutex_lock(&store.lock);
	*ret_health = store.health;
	pthread_mutex_unlock(&store.lock);
}

/* --- threads --- */

static void *reader_main(void *arg)
{
	void *connection = arg;
	struct job *job;

	while (job_queue_take(&store.reads, 1, &job)) {
		struct store_call *call = container_of(job, struct store_call, job);

		job->result = store.backend->run(connection, call);
		if (job->result == -ERR_STORE_DOWN)
			health_set(job->result, 0, store.backend->reason(connection));
		job_done(&store.reads, job);
	}
	return NULL;
}

/* Runs a batch in one transaction: 0 when it is durable. */
static int batch_run(void *connection, struct job *first)
{
	int r = store.backend->begin(connection);

	for (struct job *job = first; job && r >= 0; job = job->next) {
		struct store_call *call = container_of(job, struct store_call, job);

		r = store.backend->save(connection);
		if (r < 0)
			break;
		job->result = store.backend->run(connection, call);
		store.backend->save_end(connection, job->result < 0);
	}
	if (r >= 0)
		r = store.backend->commit(connection);
	if (r < 0)
		store.backend->rollback(connection);
	return r;
}

static void *writer_main(void *arg)
{
	void *connection = arg;
	struct job *first, *next;

	while (job_queue_take(&store.writes, BATCH_MAX, &first)) {
		int r = batch_run(connection, first);

		if (r < 0)
			health_set(r, 0, store.backend->reason(connection));
		for (struct job *job = first; job; job = next) {
			next = job->next;
			if (r < 0)
				job->result = -ERR_STORE_DOWN;
			job_done(&store.writes, job);
		}
	}
	return NULL;
}

static bool keeper_sleep(void)
{
	uint64_t end_ns = clock_after_ms(clock_now_ns(), PING_EVERY_S * 1000);
	struct timespec end = { .tv_sec = (time_t)(end_ns / NS_PER_S),
		.tv_nsec = (long)(end_ns % NS_PER_S) };
	bool goes_on;

	pthread_mutex_lock(&store.lock);
	while (!store.is_closing &&
		pthread_cond_timedwait(&store.closing, &store.lock, &end) != ETIMEDOUT)
		;
	goes_on = !store.is_closing;
	pthread_mutex_unlock(&store.lock);
	return goes_on;
}

static void probe(void *connection)
{
	uint64_t started_ns = clock_now_ns();
	int r = store.backend->ping(connection);

	health_set(r, (clock_now_ns() - started_ns) / NS_PER_US + 1,
		store.backend->reason(connection));
}

/* Looks whether the store works and throws away what has ended. */
static void *keeper_main(void *arg)
{
	unsigned pings = 0;

	do {
		probe(arg);
		if (pings++ % SWEEP_EVERY_PINGS == 0)
			(void)store.backend->sweep(arg, clock_wall_ms());
	} while (keeper_sleep());
	return NULL;
}

static int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
	int r = -pthread_create(thread, NULL, run, arg);

	if (r == 0)
		pthread_setname_np(*thread, name);
	return r;
}

static int threads_start(const struct store_options *options, const char **ret_why)
{
	int r = 0;

	for (unsigned i = 0; i < options->reader_threads && r == 0; i++) {
		r = store.backend->connect(options->path, &store.reader_connections[i], ret_why);
		if (r < 0)
			return r;
		r = thread_start(
			&store.readers[i], "store-read", reader_main, store.reader_connections[i]);
		store.reader_count += r == 0;
	}
	if (r == 0)
		r = store.backend->connect(options->path, &store.writer_connection, ret_why);
	if (r == 0)
		r = thread_start(
			&store.writer, "store-write", writer_main, store.writer_connection);
	if (r == 0)
		r = store.backend->connect(options->path, &store.keeper_connection, ret_why);
	if (r == 0)
		r = thread_start(&store.keeper, "store-keep", keeper_main, store.keeper_connection);
	return r;
}

int store_open(const struct store_options *options, const char **ret_why)
{
	pthread_condattr_t monotonic;
	int r;

	assert(options->reader_threads >= 1 && options->reader_threads <= READERS_MAX);
	*ret_why = "threads cannot be started";
	if (strcmp(options->backend, store_sqlite.name) != 0) {
		*ret_why = "this build has no such backend";
		return -EOPNOTSUPP;
	}
	store.backend = &store_sqlite;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&store.closing, &monotonic);
	pthread_condattr_destroy(&monotonic);
	job_queue_init(&store.reads, "store-read", options->queued_max);
	job_queue_init(&store.writes, "store-write", options->queued_max);
	r = store.backend->connect(options->path, &store.main_connection, ret_why);
	if (r < 0)
		return r;
	r = store.backend->migrate(store.main_connection, ret_why);
	if (r < 0)
		return r;
	probe(store.main_connection);
	return threads_start(options, ret_why);
}

void store_close(void)
{
	job_queue_close(&store.reads);
	job_queue_close(&store.writes);
	pthread_mutex_lock(&store.lock);
	store.is_closing = true;
	pthread_cond_signal(&store.closing);
	pthread_mutex_unlock(&store.lock);
	for (unsigned i = 0; i < store.reader_count; i++) {
		pthread_join(store.readers[i], NULL);
		store.backend->disconnect(store.reader_connections[i]);
	}
	pthread_join(store.writer, NULL);
	pthread_join(store.keeper, NULL);
	store.backend->disconnect(store.writer_connection);
	store.backend->disconnect(store.keeper_connection);
	store.backend->disconnect(store.main_connection);
	job_queue_deinit(&store.reads);
	job_queue_deinit(&store.writes);
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
	return job_await(&store.reads, &call->job);
}

static int write_await(struct store_call *call)
{
	return job_await(&store.writes, &call->job);
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
