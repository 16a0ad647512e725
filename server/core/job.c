/*
 * Jobs and their queues: see job.h. What tells whether a job may be released (is_done, is_put) is
 * only touched on the submitting core, so it needs neither a lock nor a shared reference count.
 */
#include "core/job.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "core/core.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"

/* Guards the list of queues. No other lock is taken under it. */
static struct registry registry = REGISTRY_INITIALIZER;

static _Atomic uint64_t wait_ns_max; /* 0: no limit */

#define READ(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define ADD(field, value) atomic_fetch_add_explicit(&(field), (value), memory_order_relaxed)
#define SUB(field, value) atomic_fetch_sub_explicit(&(field), (value), memory_order_relaxed)

void job_queue_init(struct job_queue *queue, const char *name, unsigned queued_max)
{
	*queue = (struct job_queue){ .name = name, .queued_max = queued_max };
	pace_init(&queue->pace, 1, 0);
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->has_work, NULL);
	registry_add(&registry, &queue->member);
}

void job_queue_deinit(struct job_queue *queue)
{
	assert(READ(queue->queued) == 0);
	registry_remove(&registry, &queue->member);
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

const struct job_queue *job_queue_find(const char *name)
{
	const struct registry_member *member = registry_hold(&registry);

	while (member &&
		strcmp(container_of(member, const struct job_queue, member)->name, name) != 0)
		member = member->next;
	registry_release(&registry);
	return member ? container_of(member, const struct job_queue, member) : NULL;
}

void job_queue_leave(struct job_queue *queue, unsigned threads)
{
	pthread_mutex_lock(&queue->lock);
	queue->leaving = threads;
	pthread_cond_broadcast(&queue->has_work);
	pthread_mutex_unlock(&queue->lock);
}

void job_queue_each(void (*visit)(const struct job_queue *queue, void *arg), void *arg)
{
	for (const struct registry_member *member = registry_hold(&registry); member;
		member = member->next)
		visit(container_of(member, const struct job_queue, member), arg);
	registry_release(&registry);
}

/* --- how long one would wait --- */

void job_queue_expect(struct job_queue *queue, unsigned parallel, uint64_t service_ns)
{
	pace_init(&queue->pace, parallel, service_ns);
}

void job_wait_max_set(uint64_t ms)
{
	atomic_store_explicit(&wait_ns_max, ms * NS_PER_MS, memory_order_relaxed);
}

static uint32_t waiting_of(uint32_t queued, const struct job_queue *queue)
{
	uint32_t left = READ(queue->left);

	return queued > left ? queued - left : 0;
}

uint32_t job_queue_waiting(const struct job_queue *queue)
{
	return waiting_of(READ(queue->queued), queue);
}

uint64_t job_queue_stall_ns(const struct job_queue *queue, uint64_t now_ns)
{
	uint32_t running = atomic_load_explicit(&queue->running, memory_order_acquire);
	uint64_t progress_ns = READ(queue->pace.progress_ns);

	return running && now_ns > progress_ns ? now_ns - progress_ns : 0;
}

uint64_t job_queue_wait_ns(const struct job_queue *queue, uint32_t ahead, uint64_t now_ns)
{
	uint32_t running = atomic_load_explicit(&queue->running, memory_order_acquire);

	return pace_wait_ns(&queue->pace, ahead, running, now_ns);
}

/* Could the queue not begin this job in time? One that nobody waits before is always tried: else
 * a pace that was measured in bad times would never be measured again. */
static bool is_too_late(const struct job_queue *queue, const struct job *job, uint64_t now_ns)
{
	uint32_t ahead = waiting_of(
		job->is_patient ? READ(queue->queued) : READ(queue->lined[JOB_LINE_FIRST]), queue);
	uint64_t wait_ns, max_ns = READ(wait_ns_max);

	if (!ahead)
		return false;
	wait_ns = job_queue_wait_ns(queue, ahead, now_ns);
	return (max_ns && wait_ns > max_ns) || now_ns >= job->deadline_ns ||
	       wait_ns > job->deadline_ns - now_ns;
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
	if (job->queue && READ(job->is_abandoned))
		SUB(job->queue->left, 1);
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

int job_queue_append(struct job *job, void *arg)
{
	struct job_queue *queue = arg;
	enum job_line line = job->is_patient ? JOB_LINE_PATIENT : JOB_LINE_FIRST;

	if (is_too_late(queue, job, job->queued_ns)) {
		ADD(queue->refused_late, 1);
		return -ERR_OVERLOADED;
	}
	pthread_mutex_lock(&queue->lock);
	if (job_queue_refusal_ns(queue, job->queued_ns)) {
		pthread_mutex_unlock(&queue->lock);
		return -ERR_DRAINING;
	}
	if (queue->is_closed || READ(queue->lined[line]) >= queue->queued_max) {
		pthread_mutex_unlock(&queue->lock);
		ADD(queue->refused, 1);
		return -ERR_OVERLOADED;
	}
	job->next = NULL;
	job->queue = queue;
	if (queue->line[line].tail)
		queue->line[line].tail->next = job;
	else
		queue->line[line].head = job;
	queue->line[line].tail = job;
	ADD(queue->lined[line], 1);
	if (ADD(queue->queued, 1) == 0)
		atomic_store_explicit(&queue->busy_since_ns, job->queued_ns, memory_order_relaxed);
	pthread_cond_signal(&queue->has_work);
	pthread_mutex_unlock(&queue->lock);
	return 0;
}

int job_await(struct job_queue *queue, struct job *job)
{
	return job_await_by(job, job_queue_append, queue);
}

int job_await_by(struct job *job, int (*hand_over)(struct job *job, void *arg), void *arg)
{
	struct fiber *fiber = fiber_current();
	uint64_t deadline_ns = fiber_deadline_ns(fiber);
	int r;

	assert(job->magic == JOB_MAGIC && !job->is_submitted);
	job->home = &core_current()->inbox;
	job->deadline_ns = job->deadline_ns ? MIN(job->deadline_ns, deadline_ns) : deadline_ns;
	job->is_patient = fiber_is_patient(fiber);
	job->queued_ns = clock_now_ns();
	job->is_submitted = true;
	r = hand_over(job, arg);
	if (r < 0) {
		job->is_submitted = false;
		return r;
	}
	job->waiter = fiber;
	r = fiber_wait_until_await(job->deadline_ns);
	if (job->is_done)
		return r;
	job->waiter = NULL;
	if (job->queue)
		ADD(job->queue->left, 1);
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

static void answer(struct job *job, int result, uint64_t now_ns)
{
	job->result = result;
	job->ended_ns = now_ns;
	inbox_send(job->home, &job->done);
}

void job_answer(struct job *job, int result)
{
	answer(job, result, clock_now_ns());
}

int job_leave_reason(const struct job *job, uint64_t now_ns)
{
	if (READ(job->is_abandoned))
		return -ERR_CANCELED;
	return job->deadline_ns <= now_ns ? -ETIMEDOUT : 0;
}

int job_stale_reason(const struct job *job, uint64_t now_ns)
{
	uint64_t max_ns = READ(wait_ns_max);
	int r = job_leave_reason(job, now_ns);

	if (r < 0)
		return r;
	/* It was let in on a pace that has not lasted. Twice: an estimate is no promise. */
	return max_ns && now_ns - job->queued_ns > 2 * max_ns ? -ERR_OVERLOADED : 0;
}

static struct job *line_pop(struct job_queue *queue, enum job_line line)
{
	struct job *job = queue->line[line].head;

	if (!job)
		return NULL;
	queue->line[line].head = job->next;
	if (!job->next)
		queue->line[line].tail = NULL;
	job->next = NULL;
	SUB(queue->lined[line], 1);
	return job;
}

static unsigned take_locked(struct job_queue *queue, unsigned jobs_max, struct job **ret_first)
{
	enum job_line line = ++queue->turn % JOB_PATIENT_TURN ? JOB_LINE_FIRST : JOB_LINE_PATIENT;
	struct job **link = ret_first, *job;
	unsigned taken = 0;

	/* What room its line leaves is the other's. */
	for (unsigned tried = 0; tried < JOB_LINES; tried++, line = JOB_LINES - 1 - line)
		while (taken < jobs_max && (job = line_pop(queue, line))) {
			*link = job;
			link = &job->next;
			taken++;
		}
	*link = NULL;
	if (taken && SUB(queue->queued, taken) == taken)
		atomic_store_explicit(&queue->busy_since_ns, 0, memory_order_relaxed);
	return taken;
}

unsigned job_queue_refuse(struct job_queue *queue, uint64_t until_ns)
{
	uint64_t now_ns = clock_now_ns();
	struct job *job = NULL, *next;
	unsigned count = 0;

	pthread_mutex_lock(&queue->lock);
	atomic_store_explicit(&queue->refused_until_ns, until_ns, memory_order_relaxed);
	if (until_ns > now_ns)
		count = take_locked(queue, UINT_MAX, &job);
	pthread_mutex_unlock(&queue->lock);
	for (; job; job = next) {
		next = job->next;
		answer(job, -ERR_DRAINING, now_ns);
	}
	return count;
}

/* Waits for work as long as it may; under the lock. */
static void wait_locked(struct job_queue *queue, uint64_t until_ns)
{
	const struct timespec until = { .tv_sec = (time_t)(until_ns / NS_PER_S),
		.tv_nsec = (long)(until_ns % NS_PER_S) };
	int r = 0;

	queue->idle++;
	while (READ(queue->queued) == 0 && !queue->is_closed && !queue->leaving && r == 0) {
		if (until_ns == CLOCK_NEVER)
			pthread_cond_wait(&queue->has_work, &queue->lock);
		else
			r = pthread_cond_clockwait(
				&queue->has_work, &queue->lock, CLOCK_MONOTONIC, &until);
	}
	queue->idle--;
}

/* What job_queue_take_until() promises, not counted yet; `ret_waiting`: how many were left. */
static int take(struct job_queue *queue, unsigned jobs_max, uint64_t until_ns,
	struct job **ret_first, uint32_t *ret_waiting)
{
	unsigned taken, queued;
	bool is_end;

	pthread_mutex_lock(&queue->lock);
	if (until_ns)
		wait_locked(queue, until_ns);
	queued = READ(queue->queued);
	is_end = !queued && (queue->is_closed || (until_ns && queue->leaving));
	if (is_end && queue->leaving)
		queue->leaving--;
	/* Threads that wait have been signalled for the first of them, and have not woken up yet.
	 */
	if (!until_ns)
		jobs_max = MIN(jobs_max, queued > queue->idle ? queued - queue->idle : 0);
	taken = take_locked(queue, jobs_max, ret_first);
	pthread_mutex_unlock(&queue->lock);
	*ret_waiting = queued - taken;
	return is_end ? -ERR_CANCELED : (int)taken;
}

/* Answers the stale ones of a list; what is left, linked, and how many. */
static unsigned keep_fresh(
	struct job_queue *queue, struct job *taken, uint64_t now_ns, struct job **ret_first)
{
	struct job **link = ret_first;
	unsigned kept = 0;

	while (taken) {
		struct job *job = taken;
		int r = job_stale_reason(job, now_ns);

		taken = job->next;
		if (r < 0) {
			ADD(queue->expired, 1);
			answer(job, r, now_ns);
			continue;
		}
		*link = job;
		link = &job->next;
		kept++;
	}
	*link = NULL;
	return kept;
}

static void begin(struct job_queue *queue, struct job *first, unsigned count, uint32_t waiting,
	uint64_t now_ns)
{
	for (struct job *job = first; job; job = job->next)
		job->started_ns = now_ns;
	/* First: while jobs run, the pace tells a stall by when one was taken last. */
	pace_taken(&queue->pace, READ(queue->running) + count, waiting > 0, now_ns);
	atomic_fetch_add_explicit(&queue->running, count, memory_order_release);
}

int job_queue_take_until(
	struct job_queue *queue, unsigned jobs_max, uint64_t until_ns, struct job **ret_first)
{
	uint32_t waiting;
	int taken = take(queue, jobs_max, until_ns, ret_first, &waiting);

	if (taken > 0)
		begin(queue, *ret_first, (unsigned)taken, waiting, clock_now_ns());
	return taken;
}

unsigned job_queue_take(struct job_queue *queue, unsigned jobs_max, struct job **ret_first)
{
	struct job *taken;
	uint32_t waiting;

	while (take(queue, jobs_max, CLOCK_NEVER, &taken, &waiting) > 0) {
		uint64_t now_ns = clock_now_ns();
		unsigned kept = keep_fresh(queue, taken, now_ns, ret_first);

		if (!kept)
			continue;
		begin(queue, *ret_first, kept, waiting, now_ns);
		return kept;
	}
	return 0;
}

void job_done(struct job_queue *queue, struct job *job)
{
	uint64_t now_ns = clock_now_ns();

	SUB(queue->running, 1);
	ADD(queue->done, 1);
	/* One that was left may have been broken off: it says nothing about the others. */
	if (!READ(job->is_abandoned))
		pace_done(&queue->pace, job->started_ns, now_ns);
	answer(job, job->result, now_ns);
}

void job_drop(struct job_queue *queue, struct job *job, int result)
{
	SUB(queue->running, 1);
	ADD(queue->expired, 1);
	answer(job, result, clock_now_ns());
}
