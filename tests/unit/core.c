/*
 * Cores: real threads that start, answer each other, drain and end. And jobs, because they need a
 * core to come home to: each test runs on fibers of core 0, the worker thread is the test itself.
 */
#include "support/test.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "core/job.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"

#define CORES 3
#define WAIT_S 30 /* for another thread, on a machine as busy as it may be */

static struct {
	_Atomic unsigned started, drained, stopped;
	int start_result; /* of core 1 */
	bool never_drains;
	struct core *slow; /* this one does not drain by itself */
} t;

/* --- the application --- */

static int on_start(struct core *core)
{
	t.started++;
	return core->index == 1 ? t.start_result : 0;
}

static void on_drain(struct core *core)
{
	t.drained++;
	if (!t.never_drains && core != t.slow)
		core_stop(core);
}

static void on_stop(_unused_ struct core *core)
{
	t.stopped++;
}

static const struct core_app app = { on_start, on_drain, on_stop };
static const struct core_options options = { .cores = CORES,
	.fibers_max = 4,
	.stack_bytes = 128 * 1024,
	.loop = { .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 1024 } };

static void begin(void)
{
	memset(&t, 0, sizeof(t));
	assert_int_equal(cores_start(&options, &app), 0);
}

static void end(void)
{
	cores_drain();
	assert_int_equal(cores_join(WAIT_S * 1000), 0);
	assert_int_equal(t.stopped, CORES);
	cores_free();
}

static void wait_for(sem_t *semaphore)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	while (sem_timedwait(semaphore, &until) < 0)
		assert_int_equal(errno, EINTR);
}

/* --- work on core 0, on a fiber, started from the test's thread --- */

struct task {
	struct inbox_item item;
	void (*entry)(void *arg);
	void *arg;
	uint64_t deadline_ns;
	struct fiber *fiber;
	int start_result;
	sem_t done; /* the entry posts it when it ends */
};

static void on_task(struct inbox_item *item)
{
	struct task *task = container_of(item, struct task, item);

	task->start_result = fiber_start(
		core_current()->fibers, task->entry, task->arg, task->deadline_ns, &task->fiber);
}

static void task_send(struct task *task, void (*entry)(void *arg), void *arg, uint64_t deadline_ns)
{
	*task = (struct task){
		.item.on_core = on_task, .entry = entry, .arg = arg, .deadline_ns = deadline_ns
	};
	sem_init(&task->done, 0, 0);
	inbox_send(&core_at(0)->inbox, &task->item);
}

static void on_cancel(struct inbox_item *item)
{
	fiber_cancel(container_of(item, struct task, item)->fiber);
}

/* The task must be waiting. */
static void task_cancel(struct task *task)
{
	task->item.on_core = on_cancel;
	inbox_send(&core_at(0)->inbox, &task->item);
}

/* --- starting and ending --- */

TEST(every_core_starts_drains_and_stops_once)
{
	begin();
	assert_int_equal(t.started, CORES);
	assert_int_equal(cores_count(), CORES);
	for (unsigned i = 0; i < CORES; i++)
		assert_int_equal(core_at(i)->index, i);
	assert_null(core_current());
	cores_drain();
	cores_drain();
	assert_int_equal(cores_join(WAIT_S * 1000), 0);
	assert_int_equal(t.drained, CORES);
	for (unsigned i = 0; i < CORES; i++)
		assert_true(core_at(i)->is_draining);
	end();
}

TEST(one_core_that_cannot_start_ends_all)
{
	memset(&t, 0, sizeof(t));
	t.start_result = -EADDRINUSE;
	assert_int_equal(cores_start(&options, &app), -EADDRINUSE);
	/* on_stop is for those that had started. */
	assert_int_equal(t.stopped, CORES - 1);
	cores_free();
}

TEST(a_core_that_does_not_drain_can_be_stopped)
{
	begin();
	t.never_drains = true;
	cores_drain();
	assert_int_equal(cores_join(20), -ETIMEDOUT);
	cores_stop();
	end();
}

/* --- asking every core --- */

struct question {
	_Atomic unsigned *answers, *wrong;
	unsigned char last;
};

static void answer(struct core *core, const void *arg)
{
	const struct question *question = arg;

	if (core_current() != core || question->last != 99)
		++*question->wrong;
	++*question->answers;
}

struct broadcast {
	struct task task;
	_Atomic unsigned answers, wrong;
	int result;
};

static void ask(void *arg)
{
	struct broadcast *broadcast = arg;
	struct question question = { &broadcast->answers, &broadcast->wrong, 99 };

	broadcast->result = core_broadcast_await(answer, &question, sizeof(question));
	sem_post(&broadcast->task.done);
}

TEST(a_broadcast_returns_when_every_core_has_answered)
{
	static struct broadcast broadcast;

	begin();
	memset(&broadcast, 0, sizeof(broadcast));
	for (unsigned round = 1; round <= 50; round++) {
		task_send(&broadcast.task, ask, &broadcast, CLOCK_NEVER);
		wait_for(&broadcast.task.done);
		assert_int_equal(broadcast.result, 0);
		assert_int_equal(broadcast.answers, round * CORES);
	}
	assert_int_equal(broadcast.wrong, 0);
	end();
}

TEST(a_broadcast_past_its_deadline_reaches_the_cores_all_the_same)
{
	static struct broadcast broadcast;
	uint64_t until = clock_after_ms(clock_now_ns(), WAIT_S * 1000);

	begin();
	memset(&broadcast, 0, sizeof(broadcast));
	task_send(&broadcast.task, ask, &broadcast, 1);
	wait_for(&broadcast.task.done);
	assert_int_equal(broadcast.result, -ETIMEDOUT);
	while (broadcast.answers < CORES && clock_now_ns() < until)
		sched_yield();
	assert_int_equal(broadcast.answers, CORES);
	end();
}

/* Core 0 is slow to drain: it asks the others, which have nothing left to do by then. */
static void ask_late(void *arg)
{
	ask(arg);
	core_stop(core_current());
}

TEST(a_core_that_has_drained_still_answers_the_others)
{
	static struct broadcast broadcast;
	uint64_t until = clock_after_ms(clock_now_ns(), WAIT_S * 1000);

	begin();
	memset(&broadcast, 0, sizeof(broadcast));
	t.slow = core_at(0);
	cores_drain();
	while (t.drained < CORES && clock_now_ns() < until)
		sched_yield();
	assert_int_equal(cores_join(20), -ETIMEDOUT);
	task_send(&broadcast.task, ask_late, &broadcast, CLOCK_NEVER);
	wait_for(&broadcast.task.done);
	assert_int_equal(broadcast.result, 0);
	assert_int_equal(broadcast.answers, CORES);
	end();
}

static void nothing(_unused_ struct core *core, _unused_ const void *arg)
{
}

static void ask_nothing(void *arg)
{
	struct broadcast *broadcast = arg;

	broadcast->result = core_broadcast_await(nothing, NULL, 0);
	sem_post(&broadcast->task.done);
}

TEST(a_broadcast_may_carry_nothing)
{
	static struct broadcast broadcast;

	begin();
	broadcast.result = -1;
	task_send(&broadcast.task, ask_nothing, &broadcast, CLOCK_NEVER);
	wait_for(&broadcast.task.done);
	assert_int_equal(broadcast.result, 0);
	end();
}

/* --- jobs --- */

struct work {
	struct job job;
	struct task task;
	struct job_queue *queue;
	int result;
	bool was_done;
	_Atomic unsigned released;
	sem_t is_released;
};

static void work_release(struct job *job)
{
	struct work *work = container_of(job, struct work, job);

	work->released++;
	sem_post(&work->is_released);
}

static void work_run(struct job *job, _unused_ void *context)
{
	job->result = 7;
}

static void work_main(void *arg)
{
	struct work *work = arg;

	work->result = job_await(work->queue, &work->job);
	work->was_done = job_is_done(&work->job);
	job_put(&work->job);
	sem_post(&work->task.done);
}

static void work_send(struct work *work, struct job_queue *queue, uint64_t deadline_ns)
{
	memset(work, 0, sizeof(*work));
	work->queue = queue;
	sem_init(&work->is_released, 0, 0);
	job_init(&work->job, work_run, work_release);
	task_send(&work->task, work_main, work, deadline_ns);
}

static void wait_queued(struct job_queue *queue, unsigned count)
{
	uint64_t until = clock_after_ms(clock_now_ns(), WAIT_S * 1000);

	while (queue->queued != count && clock_now_ns() < until)
		sched_yield();
	assert_int_equal(queue->queued, count);
}

static void run_one(struct job_queue *queue)
{
	struct job *job;

	assert_int_equal(job_queue_take(queue, 1, &job), 1);
	assert_int_equal(queue->running, 1);
	job->run(job, NULL);
	job_done(queue, job);
	assert_int_equal(queue->running, 0);
}

TEST(a_job_is_run_and_its_result_comes_home)
{
	static struct work work;
	struct job_queue queue;

	begin();
	job_queue_init(&queue, "test", 4);
	work_send(&work, &queue, CLOCK_NEVER);
	run_one(&queue);
	wait_for(&work.task.done);
	wait_for(&work.is_released);
	assert_int_equal(work.result, 7);
	assert_true(work.was_done);
	assert_int_equal(work.released, 1);
	assert_int_equal(queue.done, 1);
	end();
	job_queue_deinit(&queue);
}

TEST(a_full_queue_refuses_and_the_job_is_released)
{
	static struct work works[3];
	struct job_queue queue;

	begin();
	job_queue_init(&queue, "test", 2);
	work_send(&works[0], &queue, CLOCK_NEVER);
	work_send(&works[1], &queue, CLOCK_NEVER);
	wait_queued(&queue, 2);
	work_send(&works[2], &queue, CLOCK_NEVER);
	wait_for(&works[2].task.done);
	assert_int_equal(works[2].result, -ERR_OVERLOADED);
	assert_false(works[2].was_done);
	assert_int_equal(works[2].released, 1);
	assert_int_equal(queue.refused, 1);
	run_one(&queue);
	run_one(&queue);
	wait_for(&works[0].task.done);
	wait_for(&works[1].task.done);
	end();
	job_queue_deinit(&queue);
}

TEST(jobs_are_taken_oldest_first_and_no_more_than_asked)
{
	static struct work works[3];
	struct job_queue queue;
	struct job *first;

	begin();
	job_queue_init(&queue, "test", 4);
	for (unsigned i = 0; i < 3; i++) {
		work_send(&works[i], &queue, CLOCK_NEVER);
		wait_queued(&queue, i + 1);
	}
	assert_int_equal(job_queue_take(&queue, 2, &first), 2);
	assert_ptr_equal(first, &works[0].job);
	assert_ptr_equal(first->next, &works[1].job);
	assert_null(first->next->next);
	assert_int_equal(queue.queued, 1);
	job_done(&queue, &works[0].job);
	job_done(&queue, &works[1].job);
	run_one(&queue);
	for (unsigned i = 0; i < 3; i++)
		wait_for(&works[i].task.done);
	end();
	job_queue_deinit(&queue);
}

TEST(a_job_whose_deadline_passes_in_the_queue_is_not_run)
{
	static struct work late, next;
	struct job_queue queue;
	struct job *first;

	begin();
	job_queue_init(&queue, "test", 4);
	work_send(&late, &queue, clock_after_ms(clock_now_ns(), 1));
	wait_for(&late.task.done);
	assert_int_equal(late.result, -ETIMEDOUT);
	assert_false(late.was_done);
	assert_int_equal(late.released, 0); /* the queue still has it */
	work_send(&next, &queue, CLOCK_NEVER);
	wait_queued(&queue, 2);
	assert_int_equal(job_queue_take(&queue, 4, &first), 1);
	assert_ptr_equal(first, &next.job);
	assert_int_equal(queue.expired, 1);
	wait_for(&late.is_released);
	job_done(&queue, first);
	wait_for(&next.task.done);
	end();
	assert_int_equal(late.released, 1);
	job_queue_deinit(&queue);
}

TEST(a_cancelled_wait_leaves_the_job_to_its_thread)
{
	static struct work work;
	struct job_queue queue;
	struct job *job;

	begin();
	job_queue_init(&queue, "test", 4);
	work_send(&work, &queue, CLOCK_NEVER);
	assert_int_equal(job_queue_take(&queue, 1, &job), 1);
	task_cancel(&work.task);
	wait_for(&work.task.done);
	assert_int_equal(work.result, -ERR_CANCELED);
	assert_true(job->is_abandoned);
	assert_int_equal(work.released, 0);
	job->run(job, NULL); /* its memory is still there */
	job_done(&queue, job);
	wait_for(&work.is_released);
	end();
	assert_int_equal(work.released, 1);
	job_queue_deinit(&queue);
}

TEST(a_closed_queue_refuses_and_lets_its_threads_end)
{
	static struct work queued, refused;
	struct job_queue queue;
	struct job *job;

	begin();
	job_queue_init(&queue, "test", 4);
	work_send(&queued, &queue, CLOCK_NEVER);
	wait_queued(&queue, 1);
	job_queue_close(&queue);
	work_send(&refused, &queue, CLOCK_NEVER);
	wait_for(&refused.task.done);
	assert_int_equal(refused.result, -ERR_OVERLOADED);
	run_one(&queue); /* what was queued is still done */
	wait_for(&queued.task.done);
	assert_int_equal(queued.result, 7);
	assert_int_equal(job_queue_take(&queue, 1, &job), 0);
	end();
	job_queue_deinit(&queue);
}

static void count_test(const struct job_queue *queue, void *arg)
{
	if (strcmp(queue->name, "test") == 0)
		++*(unsigned *)arg;
}

TEST(queues_are_listed_while_they_exist)
{
	struct job_queue first, second;
	unsigned count = 0;

	job_queue_init(&first, "test", 1);
	job_queue_init(&second, "test", 1);
	job_queue_each(count_test, &count);
	assert_int_equal(count, 2);
	job_queue_deinit(&first);
	count = 0;
	job_queue_each(count_test, &count);
	assert_int_equal(count, 1);
	job_queue_deinit(&second);
}
