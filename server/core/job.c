/*
 * Jobs and their queues: see job.h. What tells whether a job may be released (is_done, is_put) is
 * only touched on the submitting core, so it needs neither a lock nor a shared reference count.
 */
#include "core/job.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "core/core.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"

/* Guards the list of queues. No other lock is taken under it. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct job_queue *registry;

void job_queue_init(struct job_queue *queue, const char *name, unsigned queued_max)
{
	*queue = (struct job_queue){ .name = name, .queued_max = queued_max };
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->has_work, NULL);
	pthread_mutex_lock(&registry_lock);
	queue->registry_next = registry;
	registry = queue;
	pthread_mutex_unlock(&registry_lock);
}

void job_queue_deinit(struct job_queue *queue)
{
	struct job_queue **link = &registry;

	assert(!queue->head);
	pthread_mutex_lock(&registry_lock);
	while (*link && *link != queue)
		link = &(*link)->registry_next;
	if (*link)
		*link = queue->registry_next;
	pthread_mutex_unlock(&registry_lock);
	pthread_mutex_destroy(&queue->lock);
	pthread_cond_destroy(&queue->has_work);
}

void job_queue_close(struct job_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->is_closed = true;
	pthread_cond_broadcast(&queue->has_work);
	pthread_mutex_unlock(&queue->lock);
}

void job_queue_each(void (*visit)(const struct job_queue *queue, void *arg), void *arg)
{
	pthread_mutex_lock(&registry_lock);
	for (const struct job_queue *queue = registry; queue; queue = queue->registry_next)
		visit(queue, arg);
	pthread_mutex_unlock(&registry_lock);
}

/* --- on the submitting core --- */

static void release_if_unneeded(struct job *job)
{
	if (job->is_put && (job->is_done || !job->is_submitted)) {
		job->magic = 0;
		job->release(job);
	}
}

static void on_done(struct inbox_item *item)
{
	struct job *job = container_of(item, struct job, done);
	struct fiber *waiter = job->waiter;

	assert(job->magic == JOB_MAGIC && !job->is_done);
	job->is_done = true;
	job->waiter = NULL;
	if (waiter)
		fiber_wake(waiter, job->result); /* it may put the job: not touched after this */
	else
		release_if_unneeded(job);
}

void job_init(struct job *job, void (*run)(struct job *, void *), void (*release)(struct job *))
{
	job->magic = JOB_MAGIC;
	job->run = run;
	job->release = release;
	job->done.on_core = on_done;
}

static int queue_append(struct job_queue *queue, struct job *job)
{
	pthread_mutex_lock(&queue->lock);
	if (queue->is_closed ||
		atomic_load_explicit(&queue->queued, memory_order_relaxed) >= queue->queued_max) {
		pthread_mutex_unlock(&queue->lock);
		atomic_fetch_add_explicit(&queue->refused, 1, memory_order_relaxed);
		return -ERR_OVERLOADED;
	}
	job->next = NULL;
	if (queue->tail)
		queue->tail->next = job;
	else
		queue->head = job;
	queue->tail = job;
	atomic_fetch_add_explicit(&queue->queued, 1, memory_order_relaxed);
	pthread_cond_signal(&queue->has_work);
	pthread_mutex_unlock(&queue->lock);
	return 0;
}

int job_await(struct job_queue *queue, struct job *job)
{
	struct fiber *fiber = fiber_current();
	int r;

	assert(job->magic == JOB_MAGIC && !job->is_submitted);
	job->home = &core_current()->inbox;
	job->deadline_ns = fiber_deadline_ns(fiber);
	job->queued_ns = clock_now_ns();
	job->is_submitted = true;
	r = queue_append(queue, job);
	if (r < 0) {
		job->is_submitted = false;
		return r;
	}
	job->waiter = fiber;
	r = fiber_wait_await();
	if (job->is_done)
		return r;
	job->waiter = NULL;
	atomic_store_explicit(&job->is_abandoned, true, memory_order_relaxed);
	return r;
}

void job_put(struct job *job)
{
	assert(job->magic == JOB_MAGIC && !job->is_put);
	job->is_put = true;
	release_if_unneeded(job);
}

/* --- on worker threads --- */

static void answer(struct job *job, int result)
{
	job->result = result;
	job->ended_ns = clock_now_ns();
	inbox_send(job->home, &job->done);
}

/* Answers a job that nobody needs run, and says so. */
static bool skip_stale(struct job_queue *queue, struct job *job, uint64_t now_ns)
{
	bool is_abandoned = atomic_load_explicit(&job->is_abandoned, memory_order_relaxed);

	if (!is_abandoned && job->deadline_ns > now_ns)
		return false;
	atomic_fetch_add_explicit(&queue->expired, 1, memory_order_relaxed);
	answer(job, is_abandoned ? -ERR_CANCELED : -ETIMEDOUT);
	return true;
}

static unsigned take_locked(struct job_queue *queue, unsigned jobs_max, struct job **ret_first)
{
	struct job **link = ret_first;
	unsigned taken = 0;

	while (queue->head && taken < jobs_max) {
		struct job *job = queue->head;

		queue->head = job->next;
		if (!queue->head)
			queue->tail = NULL;
		job->next = NULL;
		*link = job;
		link = &job->next;
		taken++;
	}
	*link = NULL;
	atomic_fetch_sub_explicit(&queue->queued, taken, memory_order_relaxed);
	return taken;
}

unsigned job_queue_take(struct job_queue *queue, unsigned jobs_max, struct job **ret_first)
{
	for (;;) {
		struct job *taken = NULL, **link = ret_first;
		unsigned count, kept = 0;
		uint64_t now_ns;

		pthread_mutex_lock(&queue->lock);
		while (!queue->head && !queue->is_closed)
			pthread_cond_wait(&queue->has_work, &queue->lock);
		count = take_locked(queue, jobs_max, &taken);
		pthread_mutex_unlock(&queue->lock);
		if (!count)
			return 0;
		now_ns = clock_now_ns();
		while (taken) {
			struct job *job = taken;

			taken = job->next;
			if (skip_stale(queue, job, now_ns))
				continue;
			job->started_ns = now_ns;
			*link = job;
			link = &job->next;
			kept++;
		}
		*link = NULL;
		atomic_fetch_add_explicit(&queue->running, kept, memory_order_relaxed);
		if (kept)
			return kept;
	}
}

void job_done(struct job_queue *queue, struct job *job)
{
	atomic_fetch_sub_explicit(&queue->running, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&queue->done, 1, memory_order_relaxed);
	answer(job, job->result);
}
