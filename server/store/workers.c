/* The store's threads, what each does with a call, and how many there are: see workers.h. */
#include "store/workers.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/thread.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "store/keeper.h"

static void counter_add(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

static void state_set(struct worker *worker, enum worker_state state)
{
	atomic_store_explicit(&worker->since_ns, clock_now_ns(), memory_order_relaxed);
	atomic_store_explicit(&worker->state, state, memory_order_relaxed);
}

/* --- running calls --- */

static void call_run(struct worker *worker, struct job *job)
{
	const struct store_backend *backend = worker->group->options.backend;
	struct store_call *call = container_of(job, struct store_call, job);

	atomic_store_explicit(&worker->op, call->op, memory_order_relaxed);
	job->result = backend->run(worker->connection, call);
	counter_add(&worker->calls, 1);
	counter_add(&worker->failures, job->result < 0);
}

static enum keeper_part part_of(const struct job *job)
{
	return store_op_writes(container_of(job, struct store_call, job)->op) ? KEEPER_WRITING
									      : KEEPER_READING;
}

/* Other errors than the store's own say nothing about it. */
static void report(struct worker *worker, enum keeper_part part, int result)
{
	if (result >= 0 || result == -ERR_STORE_DOWN)
		keeper_report(
			part, result, worker->group->options.backend->reason(worker->connection));
}

/* Runs calls in one transaction: 0 when it is durable, else none of them has happened. */
static int batch_run(struct worker *worker, struct job *first)
{
	const struct store_backend *backend = worker->group->options.backend;
	int r = backend->begin(worker->connection);

	for (struct job *job = first; job && r >= 0; job = job->next) {
		r = backend->save(worker->connection);
		if (r < 0)
			break;
		call_run(worker, job);
		r = backend->save_end(worker->connection, job->result < 0);
	}
	if (r >= 0)
		r = backend->commit(worker->connection);
	if (r < 0)
		backend->rollback(worker->connection);
	return MIN(r, 0);
}

static void batch_serve(struct worker *worker, struct job *first)
{
	int r = batch_run(worker, first);
	struct job *next;

	if (r < 0)
		report(worker, KEEPER_WRITING, -ERR_STORE_DOWN);
	for (struct job *job = first; job; job = next) {
		next = job->next;
		if (r < 0)
			job->result = -ERR_STORE_DOWN;
		else
			report(worker, KEEPER_WRITING, job->result);
		job_done(&worker->group->queue, job);
	}
}

static void serve(struct worker *worker, struct job *first)
{
	if (worker->group->options.batch_max) {
		batch_serve(worker, first);
		return;
	}
	call_run(worker, first);
	report(worker, part_of(first), first->result);
	job_done(&worker->group->queue, first);
}

/* --- threads --- */

static int worker_start(struct workers *workers, const char **ret_why);

/* Counts this one as busy, and starts another when none is idle now: the next call finds it
 * connected. */
static void busy_begin(struct worker *worker)
{
	struct workers *workers = worker->group;
	unsigned busy = atomic_fetch_add(&workers->busy, 1) + 1;
	unsigned peak = atomic_load(&workers->busy_peak);
	const char *why;

	while (peak < busy && !atomic_compare_exchange_weak(&workers->busy_peak, &peak, busy))
		;
	state_set(worker, WORKER_BUSY);
	if (busy < atomic_load(&workers->count) || busy >= atomic_load(&workers->threads_max))
		return;
	pthread_mutex_lock(&workers->lock);
	if (!workers->is_closing && atomic_load(&workers->count) == busy)
		(void)worker_start(workers, &why); /* then calls wait for those there are */
	pthread_mutex_unlock(&workers->lock);
}

static void busy_end(struct worker *worker)
{
	atomic_fetch_sub(&worker->group->busy, 1);
	state_set(worker, WORKER_IDLE);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct workers *workers = worker->group;
	unsigned jobs_max = MAX(workers->options.batch_max, 1u);
	struct job *first;

	state_set(worker, WORKER_IDLE);
	while (job_queue_take(&workers->queue, jobs_max, &first)) {
		busy_begin(worker);
		serve(worker, first);
		busy_end(worker);
	}
	workers->options.backend->disconnect(worker->connection);
	worker->connection = NULL;
	atomic_fetch_sub(&workers->count, 1);
	state_set(worker, WORKER_NONE);
	return NULL;
}

/* A slot whose thread has ended or never was; a full group has none. Under the lock. */
static struct worker *slot_find(struct workers *workers)
{
	if (atomic_load(&workers->count) >= atomic_load(&workers->threads_max))
		return NULL;
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		struct worker *worker = &workers->slots[i];

		if (atomic_load(&worker->state) != WORKER_NONE)
			continue;
		if (worker->is_joinable)
			pthread_join(worker->thread, NULL);
		worker->is_joinable = false;
		return worker;
	}
	return NULL;
}

/* Under the lock. */
static int worker_start(struct workers *workers, const char **ret_why)
{
	struct worker *worker = slot_find(workers);
	int r;

	if (!worker)
		return -EBUSY;
	worker->group = workers;
	r = workers->options.backend->connect(workers->options.store, &worker->connection, ret_why);
	if (r < 0)
		return r;
	state_set(worker, WORKER_CONNECTING);
	atomic_fetch_add(&workers->count, 1);
	r = thread_start(&worker->thread, workers->options.name, worker_main, worker);
	if (r == 0) {
		worker->is_joinable = true;
		return 0;
	}
	atomic_fetch_sub(&workers->count, 1);
	state_set(worker, WORKER_NONE);
	workers->options.backend->disconnect(worker->connection);
	*ret_why = "threads cannot be started";
	return r;
}

int workers_start(
	struct workers *workers, const struct workers_options *options, const char **ret_why)
{
	int r = 0;

	assert(options->threads_min >= 1 && options->threads_min <= options->threads_max);
	assert(options->threads_max <= WORKERS_MAX);
	memset(workers, 0, sizeof(*workers));
	workers->options = *options;
	atomic_store(&workers->threads_max, options->threads_max);
	pthread_mutex_init(&workers->lock, NULL);
	job_queue_init(&workers->queue, options->name, options->queued_max);
	if (!options->batch_max)
		job_queue_expect(&workers->queue, options->threads_max, 0);
	job_queue_expect(&workers->queue, options->threads_min * MAX(options->batch_max, 1), 0);
	pthread_mutex_lock(&workers->lock);
	for (unsigned i = 0; i < options->threads_min && r == 0; i++)
		r = worker_start(workers, ret_why);
	pthread_mutex_unlock(&workers->lock);
	return r;
}

void workers_stop(struct workers *workers)
{
	if (!workers->options.threads_max)
		return; /* never started */
	pthread_mutex_lock(&workers->lock);
	workers->is_closing = true;
	pthread_mutex_unlock(&workers->lock);
	job_queue_close(&workers->queue);
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		if (workers->slots[i].is_joinable)
			pthread_join(workers->slots[i].thread, NULL);
	}
	job_queue_deinit(&workers->queue);
	pthread_mutex_destroy(&workers->lock);
	memset(workers, 0, sizeof(*workers));
}

void workers_resize(struct workers *workers, unsigned threads_max)
{
	unsigned max = MIN(MAX(threads_max, workers->options.threads_min), WORKERS_MAX);
	unsigned count = atomic_load(&workers->count);

	atomic_store(&workers->threads_max, max);
	if (count > max)
		job_queue_leave(&workers->queue, count - max);
}

void workers_trim(struct workers *workers)
{
	unsigned peak, count, kept;

	if (!workers->options.threads_max)
		return;
	peak = atomic_exchange(&workers->busy_peak, atomic_load(&workers->busy));
	count = atomic_load(&workers->count);
	/* One beyond the peak, or the next busy moment would start it again. */
	kept = MAX(peak + 1, workers->options.threads_min);
	if (count > kept)
		job_queue_leave(&workers->queue, count - kept);
}
