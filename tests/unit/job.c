/* Jobs between a real core and a thread that works: who goes first, who is refused, who is skipped.
 */
#include "support/test.h"

#include <errno.h>
#include <sched.h>

#include "core/core.h"
#include "core/job.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"

#define WAIT_NS (20 * NS_PER_S) /* for what happens at once, on a machine that is busy */
#define DEADLINE_MS 60000

/* --- the scene: one core; the test's own thread is the worker --- */

struct asker {
	struct inbox_item item;
	struct job job;
	struct job_queue *queue;
	struct fiber *fiber;
	bool is_patient;
	uint64_t deadline_ms;
	int result;
	_Atomic bool is_finished, is_released;
};

static int on_start(_unused_ struct core *core)
{
	return 0;
}

static void on_nothing(_unused_ struct core *core)
{
}

static struct core *core_of_test(void)
{
	static const struct core_app app = { on_start, on_nothing, on_nothing };
	static const struct core_options options = { .cores = 1,
		.fibers_max = 64,
		.stack_bytes = 128 * 1024,
		.loop = { .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 4096 } };

	if (!cores_count())
		assert_int_equal(cores_start(&options, &app), 0);
	return core_at(0);
}

static void wait_until(bool (*holds)(const void *arg), const void *arg)
{
	uint64_t end_ns = clock_now_ns() + WAIT_NS;

	while (!holds(arg)) {
		assert_true(clock_now_ns() < end_ns);
		sched_yield();
	}
}

static void on_release(struct job *job)
{
	atomic_store(&container_of(job, struct asker, job)->is_released, true);
}

static void asker_main(void *arg)
{
	struct asker *asker = arg;

	fiber_patient_set(fiber_current(), asker->is_patient);
	asker->result = job_await(asker->queue, &asker->job);
	job_put(&asker->job);
	atomic_store(&asker->is_finished, true);
}

static void on_ask(struct inbox_item *item)
{
	struct asker *asker = container_of(item, struct asker, item);
	uint64_t deadline_ns = clock_after_ms(clock_now_ns(), asker->deadline_ms);

	assert_int_equal(
		fiber_start(core_current()->fibers, asker_main, asker, deadline_ns, &asker->fiber),
		0);
}

static void on_leave(struct inbox_item *item)
{
	fiber_cancel(container_of(item, struct asker, item)->fiber);
}

static bool is_settled(const void *arg)
{
	const struct asker *asker = arg;

	return atomic_load(&asker->is_finished) || asker->job.waiter;
}

static bool is_finished(const void *arg)
{
	return atomic_load(&((const struct asker *)arg)->is_finished);
}

static bool is_released(const void *arg)
{
	return atomic_load(&((const struct asker *)arg)->is_released);
}

/* Returns when the job waits, or has been refused. */
static void ask(struct asker *asker, struct job_queue *queue, bool is_patient)
{
	asker->queue = queue;
	asker->is_patient = is_patient;
	if (!asker->deadline_ms)
		asker->deadline_ms = DEADLINE_MS;
	job_init(&asker->job, NULL, on_release);
	asker->item.on_core = on_ask;
	inbox_send(&core_of_test()->inbox, &asker->item);
	wait_until(is_settled, asker);
}

static void leave(struct asker *asker)
{
	asker->item.on_core = on_leave;
	inbox_send(&core_of_test()->inbox, &asker->item);
	wait_until(is_finished, asker);
}

/* Takes one job and says that it is done: whose was it? */
static struct asker *serve(struct job_queue *queue)
{
	struct asker *asker;
	struct job *job;

	assert_int_equal(job_queue_take(queue, 1, &job), 1);
	asker = container_of(job, struct asker, job);
	job->result = 7;
	job_done(queue, job);
	wait_until(is_finished, asker);
	assert_int_equal(asker->result, 7);
	return asker;
}

static void queue_end(struct job_queue *queue)
{
	struct job *job;

	job_wait_max_set(0);
	while (atomic_load(&queue->queued))
		(void)serve(queue);
	job_queue_close(queue);
	assert_int_equal(job_queue_take(queue, 1, &job), 0);
	job_queue_deinit(queue);
}

#define QUEUE(name, max)                                                                           \
	_cleanup_(queue_end) struct job_queue name;                                                \
	job_queue_init(&name, "test", max)

/* --- who goes first --- */

TEST(jobs_are_done_in_the_order_they_came)
{
	struct asker askers[3] = {};
	QUEUE(queue, 8);

	for (unsigned i = 0; i < 3; i++)
		ask(&askers[i], &queue, true);
	for (unsigned i = 0; i < 3; i++)
		assert_ptr_equal(serve(&queue), &askers[i]);
}

TEST(patient_jobs_let_the_others_go_first)
{
	struct asker patient[2] = {}, hasty = {};
	QUEUE(queue, 8);

	ask(&patient[0], &queue, true);
	ask(&patient[1], &queue, true);
	ask(&hasty, &queue, false);
	assert_ptr_equal(serve(&queue), &hasty);
	assert_ptr_equal(serve(&queue), &patient[0]);
	assert_ptr_equal(serve(&queue), &patient[1]);
}

TEST(patient_jobs_get_one_take_of_eight)
{
	struct asker patient = {}, hasty[JOB_PATIENT_TURN] = {};
	unsigned takes = 1;
	QUEUE(queue, JOB_PATIENT_TURN);

	ask(&patient, &queue, true);
	for (unsigned i = 0; i < JOB_PATIENT_TURN; i++)
		ask(&hasty[i], &queue, false);
	while (serve(&queue) != &patient)
		takes++;
	assert_int_equal(takes, JOB_PATIENT_TURN);
}

TEST(a_batch_takes_both_kinds)
{
	struct asker patient = {}, hasty = {};
	struct job *job, *next;
	QUEUE(queue, 8);

	ask(&patient, &queue, true);
	ask(&hasty, &queue, false);
	assert_int_equal(job_queue_take(&queue, 8, &job), 2);
	assert_ptr_equal(job, &hasty.job);
	assert_ptr_equal(job->next, &patient.job);
	for (; job; job = next) {
		next = job->next;
		job_done(&queue, job);
	}
	wait_until(is_finished, &hasty);
	wait_until(is_finished, &patient);
}

/* --- who is refused --- */

TEST(a_full_line_refuses_at_once_and_leaves_the_other_its_room)
{
	struct asker patient[3] = {}, hasty = {};
	QUEUE(queue, 2);

	for (unsigned i = 0; i < 3; i++)
		ask(&patient[i], &queue, true);
	assert_false(is_finished(&patient[1]));
	assert_true(is_finished(&patient[2]));
	assert_int_equal(patient[2].result, -ERR_OVERLOADED);
	assert_int_equal(atomic_load(&queue.refused), 1);
	ask(&hasty, &queue, false);
	assert_false(is_finished(&hasty));
}

TEST(what_would_wait_longer_than_allowed_is_refused)
{
	struct asker askers[4] = {}, hasty = {};
	QUEUE(queue, 8);

	job_queue_expect(&queue, 1, NS_PER_S);
	job_wait_max_set(2000);
	for (unsigned i = 0; i < 4; i++)
		ask(&askers[i], &queue, true);
	assert_false(is_finished(&askers[2])); /* two seconds: just allowed */
	assert_true(is_finished(&askers[3]));
	assert_int_equal(askers[3].result, -ERR_OVERLOADED);
	assert_int_equal(atomic_load(&queue.refused_late), 1);
	ask(&hasty, &queue, false); /* nobody of its kind is before it */
	assert_false(is_finished(&hasty));
}

TEST(what_could_not_begin_before_its_deadline_is_refused)
{
	struct asker first = { .deadline_ms = 1500 }, second = { .deadline_ms = 1500 },
		     third = { .deadline_ms = 1500 };
	QUEUE(queue, 8);

	/* Nobody waits before the first: it is tried, however slow the others were. */
	job_queue_expect(&queue, 1, NS_PER_S);
	ask(&first, &queue, false);
	ask(&second, &queue, false);
	ask(&third, &queue, false);
	assert_false(is_finished(&first) || is_finished(&second));
	assert_int_equal(third.result, -ERR_OVERLOADED);
}

TEST(a_closed_queue_refuses)
{
	struct asker asker = {};
	QUEUE(queue, 8);

	job_queue_close(&queue);
	ask(&asker, &queue, false);
	assert_int_equal(asker.result, -ERR_OVERLOADED);
}

TEST(a_queue_that_takes_no_jobs_answers_who_waits_and_who_comes_until_its_time)
{
	struct asker waiting[2] = {}, late = {}, working = {}, after = {};
	struct job *job;
	QUEUE(queue, 8);

	ask(&working, &queue, false);
	assert_int_equal(job_queue_take(&queue, 1, &job), 1);
	ask(&waiting[0], &queue, false);
	ask(&waiting[1], &queue, true);
	assert_int_equal(job_queue_refuse(&queue, clock_now_ns() + WAIT_NS), 2);
	assert_true(job_queue_refusal_ns(&queue, clock_now_ns()) > 0);
	for (unsigned i = 0; i < 2; i++) {
		wait_until(is_finished, &waiting[i]);
		assert_int_equal(waiting[i].result, -ERR_DRAINING);
	}
	assert_int_equal(atomic_load(&queue.queued), 0);
	ask(&late, &queue, false);
	assert_int_equal(late.result, -ERR_DRAINING);
	/* What is worked on is finished. */
	job->result = 7;
	job_done(&queue, job);
	wait_until(is_finished, &working);
	assert_int_equal(working.result, 7);
	/* Its time is over, or somebody ends it. */
	assert_int_equal(job_queue_refuse(&queue, clock_now_ns()), 0);
	assert_int_equal(job_queue_refusal_ns(&queue, clock_now_ns()), 0);
	ask(&after, &queue, false);
	assert_ptr_equal(serve(&queue), &after);
}

/* --- who is skipped --- */

TEST(the_job_of_a_client_that_left_is_not_begun)
{
	struct asker gone = {}, stays = {};
	QUEUE(queue, 8);

	ask(&gone, &queue, true);
	ask(&stays, &queue, true);
	leave(&gone);
	assert_int_equal(gone.result, -ERR_CANCELED);
	assert_false(is_released(&gone)); /* it is still in the queue */
	assert_ptr_equal(serve(&queue), &stays);
	wait_until(is_released, &gone);
	assert_int_equal(atomic_load(&queue.expired), 1);
}

TEST(a_job_past_its_deadline_is_not_begun)
{
	struct asker late = {}, stays = {};
	QUEUE(queue, 8);

	ask(&late, &queue, true);
	ask(&stays, &queue, true);
	late.job.deadline_ns = 1;
	assert_ptr_equal(serve(&queue), &stays);
	wait_until(is_finished, &late);
	assert_int_equal(late.result, -ETIMEDOUT);
}

TEST(a_job_that_waited_twice_as_long_as_allowed_is_not_begun)
{
	struct asker late = {}, stays = {};
	QUEUE(queue, 8);

	job_wait_max_set(60000);
	ask(&late, &queue, true);
	ask(&stays, &queue, true);
	late.job.queued_ns -= 120 * NS_PER_S + 1;
	assert_ptr_equal(serve(&queue), &stays);
	wait_until(is_finished, &late);
	assert_int_equal(late.result, -ERR_OVERLOADED);
}

TEST(a_job_may_have_an_earlier_deadline_than_its_fiber)
{
	struct asker asker = { .job.deadline_ns = 1 }, stays = {};
	QUEUE(queue, 8);

	ask(&asker, &queue, false);
	wait_until(is_finished, &asker);
	assert_int_equal(asker.result, -ETIMEDOUT);
	ask(&stays, &queue, false);
	assert_ptr_equal(serve(&queue), &stays);
	wait_until(is_released, &asker);
}

/* --- threads with several jobs in hand --- */

TEST(a_busy_thread_leaves_what_idle_threads_will_take)
{
	struct asker askers[3] = {};
	struct job *job;
	QUEUE(queue, 8);

	for (unsigned i = 0; i < 3; i++)
		ask(&askers[i], &queue, false);
	queue.idle = 2; /* as if two threads had been signalled */
	assert_int_equal(job_queue_take_until(&queue, 8, 0, &job), 1);
	assert_ptr_equal(job, &askers[0].job);
	assert_int_equal(job_queue_take_until(&queue, 8, 0, &job), 0);
	queue.idle = 0;
	job_done(&queue, &askers[0].job);
	wait_until(is_finished, &askers[0]);
}

TEST(a_take_that_may_wait_ends_at_its_time)
{
	struct job *job;
	uint64_t until_ns = clock_now_ns() + NS_PER_MS;
	QUEUE(queue, 8);

	assert_int_equal(job_queue_take_until(&queue, 8, until_ns, &job), 0);
	assert_true(clock_now_ns() >= until_ns);
	assert_int_equal(queue.idle, 0);
}

TEST(a_closed_queue_is_worked_off_before_it_says_so)
{
	struct asker asker = {};
	struct job *job;
	QUEUE(queue, 8);

	ask(&asker, &queue, false);
	job_queue_close(&queue);
	assert_int_equal(job_queue_take_until(&queue, 8, 0, &job), 1);
	job_done(&queue, job);
	assert_int_equal(job_queue_take_until(&queue, 8, 0, &job), -ERR_CANCELED);
	assert_int_equal(job_queue_take_until(&queue, 8, CLOCK_NEVER, &job), -ERR_CANCELED);
	wait_until(is_finished, &asker);
}

TEST(a_thread_that_is_asked_to_leave_does_what_waits_first)
{
	struct asker asker = {};
	struct job *job;
	QUEUE(queue, 8);

	ask(&asker, &queue, false);
	job_queue_leave(&queue, 1);
	assert_ptr_equal(serve(&queue), &asker);
	assert_int_equal(job_queue_take(&queue, 1, &job), 0);
	assert_int_equal(queue.leaving, 0); /* one was asked, and one has left */
}

TEST(who_looks_himself_gets_stale_jobs_too_and_may_drop_them)
{
	struct asker late = {};
	struct job *job;
	QUEUE(queue, 8);

	ask(&late, &queue, false);
	late.job.deadline_ns = 1;
	assert_int_equal(job_queue_take_until(&queue, 8, 0, &job), 1);
	assert_int_equal(atomic_load(&queue.running), 1);
	assert_int_equal(job_leave_reason(job, clock_now_ns()), -ETIMEDOUT);
	job_drop(&queue, job, -ETIMEDOUT);
	wait_until(is_finished, &late);
	assert_int_equal(late.result, -ETIMEDOUT);
	assert_int_equal(atomic_load(&queue.running), 0);
	assert_int_equal(atomic_load(&queue.expired), 1);
	assert_int_equal(atomic_load(&queue.done), 0);
}

TEST(a_wait_that_was_too_long_is_a_reason_not_to_begin_but_not_to_leave)
{
	struct asker late = {};
	QUEUE(queue, 8);

	job_wait_max_set(60000);
	ask(&late, &queue, true);
	late.job.queued_ns -= 120 * NS_PER_S + 1;
	assert_int_equal(job_stale_reason(&late.job, clock_now_ns()), -ERR_OVERLOADED);
	assert_int_equal(job_leave_reason(&late.job, clock_now_ns()), 0);
	late.job.queued_ns += 120 * NS_PER_S;
	assert_int_equal(job_stale_reason(&late.job, clock_now_ns()), 0);
}

static int answer_by_hand(struct job *job, _unused_ void *arg)
{
	job_answer(job, 9);
	return 0;
}

static void by_hand_main(void *arg)
{
	struct asker *asker = arg;

	asker->result = job_await_by(&asker->job, answer_by_hand, NULL);
	job_put(&asker->job);
	atomic_store(&asker->is_finished, true);
}

static void on_ask_by_hand(struct inbox_item *item)
{
	struct asker *asker = container_of(item, struct asker, item);

	assert_int_equal(fiber_start(core_current()->fibers, by_hand_main, asker, CLOCK_NEVER,
				 &asker->fiber),
		0);
}

TEST(a_job_may_be_answered_without_a_queue)
{
	struct asker asker = { .item.on_core = on_ask_by_hand };

	job_init(&asker.job, NULL, on_release);
	inbox_send(&core_of_test()->inbox, &asker.item);
	wait_until(is_finished, &asker);
	assert_int_equal(asker.result, 9);
	assert_true(is_released(&asker));
}

/* --- what is measured --- */

TEST(a_queue_knows_since_when_somebody_waits)
{
	struct asker askers[2] = {};
	QUEUE(queue, 8);

	assert_int_equal(atomic_load(&queue.busy_since_ns), 0);
	ask(&askers[0], &queue, false);
	ask(&askers[1], &queue, false);
	assert_int_equal(atomic_load(&queue.busy_since_ns), askers[0].job.queued_ns);
	(void)serve(&queue);
	assert_int_equal(atomic_load(&queue.busy_since_ns), askers[0].job.queued_ns);
	(void)serve(&queue);
	assert_int_equal(atomic_load(&queue.busy_since_ns), 0);
}

TEST(jobs_whose_clients_left_make_nobody_wait)
{
	struct asker gone[3] = {}, stays = {}, next = {};
	QUEUE(queue, 8);

	job_queue_expect(&queue, 1, NS_PER_S);
	job_wait_max_set(2000);
	for (unsigned i = 0; i < 3; i++)
		ask(&gone[i], &queue, true);
	for (unsigned i = 0; i < 3; i++)
		leave(&gone[i]);
	ask(&stays, &queue, true);
	assert_int_equal(job_queue_waiting(&queue), 1);
	ask(&next, &queue, true);
	assert_false(is_finished(&next));
	assert_ptr_equal(serve(&queue), &stays);
	for (unsigned i = 0; i < 3; i++)
		wait_until(is_released, &gone[i]);
	assert_int_equal(atomic_load(&queue.left), 0);
	assert_int_equal(job_queue_waiting(&queue), 1);
}

TEST(a_queue_knows_that_it_has_stalled)
{
	struct asker asker = {};
	struct job *job;
	QUEUE(queue, 8);

	ask(&asker, &queue, false);
	assert_int_equal(job_queue_stall_ns(&queue, clock_now_ns()), 0);
	assert_int_equal(job_queue_take(&queue, 1, &job), 1);
	assert_int_equal(job_queue_stall_ns(&queue, job->started_ns + NS_PER_S), NS_PER_S);
	job_done(&queue, job);
	wait_until(is_finished, &asker);
	assert_int_equal(job_queue_stall_ns(&queue, clock_now_ns()), 0);
}

TEST(a_queue_measures_what_its_jobs_take)
{
	struct asker asker = {};
	struct job *job;
	QUEUE(queue, 8);

	ask(&asker, &queue, false);
	assert_int_equal(job_queue_take(&queue, 1, &job), 1);
	job->started_ns -= NS_PER_S; /* as if it had taken a second */
	job_done(&queue, job);
	assert_in_range(job_queue_wait_ns(&queue, 3, clock_now_ns()), 3 * NS_PER_S, 9 * NS_PER_S);
	wait_until(is_finished, &asker);
}

TEST(a_job_that_was_left_does_not_count_as_quick)
{
	struct asker asker = {};
	struct job *job;
	QUEUE(queue, 8);

	job_queue_expect(&queue, 1, NS_PER_S);
	ask(&asker, &queue, false);
	assert_int_equal(job_queue_take(&queue, 1, &job), 1);
	leave(&asker);
	job_done(&queue, job);
	wait_until(is_released, &asker);
	assert_int_equal(job_queue_wait_ns(&queue, 3, clock_now_ns()), 3 * NS_PER_S);
}
