/* Steps that are done whoever leaves. */
#include "support/test.h"

#include <errno.h>

#include "core/fiber.h"
#include "core/shield.h"
#include "shared/clock.h"
#include "shared/err.h"

static struct wheel wheel;
static struct fiber_pool *fibers;

/* What the step does, seen from outside: it waits until the test wakes it. */
static struct {
	struct fiber *fiber;
	unsigned begun, ended;
	uint64_t deadline_ns;
} step;

struct sum {
	int a, b, sum;
	bool is_quick;
};

static int add_await(void *arg)
{
	struct sum *sum = arg;
	int r = 0;

	step.begun++;
	step.fiber = fiber_current();
	step.deadline_ns = fiber_deadline_ns(step.fiber);
	if (!sum->is_quick)
		r = fiber_wait_await();
	step.ended++;
	if (r < 0)
		return r;
	sum->sum = sum->a + sum->b;
	return 1;
}

struct caller {
	struct fiber *fiber;
	struct sum sum;
	bool is_done;
	int result;
};

static void call_main(void *arg)
{
	struct caller *caller = arg;

	caller->result = shield_await(fibers, add_await, &caller->sum, sizeof(caller->sum));
	caller->is_done = true;
}

static void begin(unsigned fibers_max)
{
	step = (typeof(step)){};
	clock_fake(1000 * NS_PER_S, 0);
	wheel_init(&wheel, clock_now_ns());
	assert_int_equal(fiber_pool_new(&(struct fiber_pool_options){ .fibers_max = fibers_max,
						.stack_bytes = 64 * 1024,
						.wheel = &wheel },
				 &fibers),
		0);
}

static void end(void)
{
	assert_int_equal(fiber_pool_in_use(fibers), 0);
	fiber_pool_free(fibers);
	clock_fake_off();
}

static void call(struct caller *caller, uint64_t deadline_ns)
{
	assert_int_equal(fiber_start(fibers, call_main, caller, deadline_ns, &caller->fiber), 0);
}

TEST(a_step_gives_its_result_and_what_it_wrote)
{
	struct caller caller = { .sum = { .a = 2, .b = 3 } };

	begin(2);
	call(&caller, CLOCK_NEVER);
	assert_false(caller.is_done);
	fiber_wake(step.fiber, 0);
	assert_true(caller.is_done);
	assert_int_equal(caller.result, 1);
	assert_int_equal(caller.sum.sum, 5);
	end();
}

TEST(a_step_that_needs_not_wait_does_not)
{
	struct caller caller = { .sum = { .a = 2, .b = 3, .is_quick = true } };

	begin(2);
	call(&caller, CLOCK_NEVER);
	assert_int_equal(caller.result, 1);
	assert_int_equal(caller.sum.sum, 5);
	end();
}

TEST(a_step_goes_on_when_its_caller_is_cancelled)
{
	struct caller caller = { .sum = { .a = 2, .b = 3 } };

	begin(2);
	call(&caller, CLOCK_NEVER);
	fiber_cancel(caller.fiber);
	assert_true(caller.is_done);
	assert_int_equal(caller.result, -ERR_CANCELED);
	assert_int_equal(caller.sum.sum, 0);
	assert_int_equal(step.ended, 0);
	fiber_wake(step.fiber, 0);
	assert_int_equal(step.ended, 1);
	end();
}

TEST(a_step_has_more_time_than_its_caller)
{
	struct caller caller = { .sum = { .a = 2, .b = 3 } };

	begin(2);
	call(&caller, clock_now_ns() + NS_PER_S);
	assert_int_equal(step.deadline_ns, clock_now_ns() + NS_PER_S + SHIELD_EXTRA_MS * NS_PER_MS);
	clock_fake_advance_ms(2000);
	wheel_advance(&wheel, clock_now_ns());
	assert_int_equal(caller.result, -ETIMEDOUT);
	assert_int_equal(step.ended, 0);
	clock_fake_advance_ms(SHIELD_EXTRA_MS);
	wheel_advance(&wheel, clock_now_ns());
	assert_int_equal(step.ended, 1); /* late itself: nothing is left behind */
	end();
}

TEST(without_a_fiber_for_it_the_step_does_not_begin)
{
	struct caller caller = { .sum = { .a = 2, .b = 3 } };

	begin(1);
	call(&caller, CLOCK_NEVER);
	assert_int_equal(caller.result, -ERR_OVERLOADED);
	assert_int_equal(step.begun, 0);
	end();
}
