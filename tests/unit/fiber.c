/* Fibers: waiting, deadlines, cancelling, nested wake-ups, a full pool, and the guard page. */
#include "support/test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fiber.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"

#define FIBERS 3
#define STACK_BYTES (64 * 1024)
#define NOW (1000 * NS_PER_S)

static struct wheel wheel;
static struct fiber_pool *pool;

static void begin(unsigned kept)
{
	const struct fiber_pool_options options = { .fibers_max = FIBERS,
		.fibers_kept = kept,
		.stack_bytes = STACK_BYTES,
		.wheel = &wheel };

	clock_fake(NOW, 0);
	wheel_init(&wheel, NOW);
	assert_int_equal(fiber_pool_new(&options, &pool), 0);
}

static void end(void)
{
	assert_int_equal(wheel.armed, 0);
	assert_int_equal(fiber_pool_in_use(pool), 0);
	fiber_pool_free(pool);
	clock_fake_off();
}

static void advance(uint64_t ms)
{
	clock_fake_advance_ms(ms);
	wheel_advance(&wheel, clock_now_ns());
}

/* A fiber that waits `waits` times and remembers what each gave. */
struct sleeper {
	struct fiber *fiber;
	unsigned waits, waited;
	int results[4];
	bool has_ended;
};

static void sleep_on(void *arg)
{
	struct sleeper *sleeper = arg;

	assert_ptr_equal(fiber_current(), sleeper->fiber);
	while (sleeper->waited < sleeper->waits) {
		int r = fiber_wait_await();

		sleeper->results[sleeper->waited++] = r;
	}
	sleeper->has_ended = true;
}

static int start(struct sleeper *sleeper, uint64_t deadline_ns)
{
	return fiber_start(pool, sleep_on, sleeper, deadline_ns, &sleeper->fiber);
}

TEST(a_fiber_that_never_waits_has_ended_when_it_is_started)
{
	struct sleeper sleeper = {};

	begin(FIBERS);
	assert_int_equal(start(&sleeper, CLOCK_NEVER), 0);
	assert_true(sleeper.has_ended);
	assert_int_equal(fiber_pool_in_use(pool), 0);
	assert_null(fiber_current());
	end();
}

TEST(a_wait_gives_what_the_waker_said)
{
	struct sleeper sleeper = { .waits = 2 };

	begin(FIBERS);
	assert_int_equal(start(&sleeper, CLOCK_NEVER), 0);
	assert_int_equal(sleeper.waited, 0);
	fiber_wake(sleeper.fiber, 7);
	assert_int_equal(sleeper.waited, 1);
	assert_false(sleeper.has_ended);
	fiber_wake(sleeper.fiber, -EIO);
	assert_true(sleeper.has_ended);
	assert_int_equal(sleeper.results[0], 7);
	assert_int_equal(sleeper.results[1], -EIO);
	end();
}

TEST(a_wait_ends_at_the_deadline_and_so_does_every_later_one)
{
	struct sleeper sleeper = { .waits = 3 };

	begin(FIBERS);
	assert_int_equal(start(&sleeper, NOW + 500 * NS_PER_MS), 0);
	assert_true(fiber_deadline_ns(sleeper.fiber) == NOW + 500 * NS_PER_MS);
	advance(499);
	assert_int_equal(sleeper.waited, 0);
	advance(1 + WHEEL_TICK_MS);
	assert_true(sleeper.has_ended);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(sleeper.results[i], -ETIMEDOUT);
	end();
}

TEST(a_wake_up_takes_the_deadline_off_the_wheel)
{
	struct sleeper sleeper = { .waits = 1 };

	begin(FIBERS);
	assert_int_equal(start(&sleeper, NOW + NS_PER_S), 0);
	assert_int_equal(wheel.armed, 1);
	fiber_wake(sleeper.fiber, 0);
	assert_int_equal(wheel.armed, 0);
	end();
}

TEST(cancelling_ends_this_wait_and_every_later_one)
{
	struct sleeper sleeper = { .waits = 3 };

	begin(FIBERS);
	assert_int_equal(start(&sleeper, CLOCK_NEVER), 0);
	fiber_cancel(sleeper.fiber);
	assert_true(sleeper.has_ended);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(sleeper.results[i], -ERR_CANCELED);
	end();
}

static void cancel_self(void *arg)
{
	fiber_cancel(fiber_current());
	*(int *)arg = fiber_wait_await();
}

TEST(a_fiber_cancelled_before_it_waits_does_not_wait)
{
	struct fiber *fiber;
	int result = 0;

	begin(FIBERS);
	assert_int_equal(fiber_start(pool, cancel_self, &result, CLOCK_NEVER, &fiber), 0);
	assert_int_equal(result, -ERR_CANCELED);
	end();
}

TEST(one_fiber_too_many_is_refused_and_not_run)
{
	struct sleeper sleepers[FIBERS + 1] = {};

	begin(FIBERS);
	for (unsigned i = 0; i < FIBERS; i++) {
		sleepers[i].waits = 1;
		assert_int_equal(start(&sleepers[i], CLOCK_NEVER), 0);
	}
	assert_int_equal(start(&sleepers[FIBERS], CLOCK_NEVER), -ERR_OVERLOADED);
	assert_false(sleepers[FIBERS].has_ended);
	assert_int_equal(fiber_pool_in_use(pool), FIBERS);
	fiber_wake(sleepers[0].fiber, 0);
	assert_int_equal(start(&sleepers[FIBERS], CLOCK_NEVER), 0);
	assert_true(sleepers[FIBERS].has_ended);
	for (unsigned i = 1; i < FIBERS; i++)
		fiber_wake(sleepers[i].fiber, 0);
	end();
}

TEST(stacks_beyond_the_kept_ones_are_given_back_and_made_again)
{
	for (unsigned kept = 0; kept <= FIBERS; kept++) {
		begin(kept);
		for (unsigned round = 0; round < 3; round++) {
			struct sleeper sleepers[FIBERS] = {};

			for (unsigned i = 0; i < FIBERS; i++) {
				sleepers[i].waits = 1;
				assert_int_equal(start(&sleepers[i], CLOCK_NEVER), 0);
			}
			for (unsigned i = 0; i < FIBERS; i++) {
				fiber_wake(sleepers[i].fiber, 0);
				assert_true(sleepers[i].has_ended);
			}
		}
		end();
	}
}

/* Wakes another fiber from inside, then waits itself. */
struct waker {
	struct sleeper *other;
	bool saw_other_end;
	int result;
};

static void wake_other(void *arg)
{
	struct waker *waker = arg;
	struct fiber *self = fiber_current();

	fiber_wake(waker->other->fiber, 5);
	waker->saw_other_end = waker->other->has_ended;
	assert_ptr_equal(fiber_current(), self);
	waker->result = fiber_wait_await();
}

TEST(a_fiber_that_wakes_another_goes_on_when_that_one_waits_or_ends)
{
	struct sleeper sleeper = { .waits = 1 };
	struct waker waker = { .other = &sleeper };
	struct fiber *fiber;

	begin(FIBERS);
	assert_int_equal(start(&sleeper, CLOCK_NEVER), 0);
	assert_int_equal(fiber_start(pool, wake_other, &waker, CLOCK_NEVER, &fiber), 0);
	assert_true(waker.saw_other_end);
	assert_int_equal(sleeper.results[0], 5);
	fiber_wake(fiber, 6);
	assert_int_equal(waker.result, 6);
	end();
}

/* Starts a fiber from a fiber, which waits: control comes back here. */
static void start_other(void *arg)
{
	struct sleeper *other = arg;
	struct fiber *self = fiber_current();

	assert_int_equal(start(other, CLOCK_NEVER), 0);
	assert_ptr_equal(fiber_current(), self);
}

TEST(a_fiber_may_start_another)
{
	struct sleeper sleeper = { .waits = 1 };
	struct fiber *fiber;

	begin(FIBERS);
	assert_int_equal(fiber_start(pool, start_other, &sleeper, CLOCK_NEVER, &fiber), 0);
	assert_int_equal(fiber_pool_in_use(pool), 1);
	fiber_wake(sleeper.fiber, 0);
	assert_true(sleeper.has_ended);
	end();
}

struct stack_use {
	uintptr_t low, high;
	unsigned char sum;
};

/* Most of the stack, touched from top to bottom, with a wait in the middle. */
static void use_stack(void *arg)
{
	struct stack_use *use = arg;
	volatile unsigned char memory[STACK_BYTES / 2];

	for (size_t i = sizeof(memory); i-- > 0;)
		memory[i] = (unsigned char)i;
	(void)fiber_wait_await();
	for (size_t i = 0; i < sizeof(memory); i++)
		use->sum ^= memory[i] ^ (unsigned char)i;
	use->low = (uintptr_t)memory;
	use->high = use->low + sizeof(memory);
}

TEST(stacks_of_fibers_do_not_overlap)
{
	struct stack_use uses[FIBERS] = {};
	struct fiber *fibers[FIBERS];

	begin(FIBERS);
	for (unsigned i = 0; i < FIBERS; i++)
		assert_int_equal(
			fiber_start(pool, use_stack, &uses[i], CLOCK_NEVER, &fibers[i]), 0);
	for (unsigned i = 0; i < FIBERS; i++) {
		fiber_wake(fibers[i], 0);
		assert_int_equal(uses[i].sum, 0);
		for (unsigned j = 0; j < i; j++)
			assert_true(uses[i].high <= uses[j].low || uses[j].high <= uses[i].low);
	}
	end();
}

static volatile uintptr_t probe;

/* From this frame down, a byte a page, past the end of the stack. */
static void overrun(_unused_ void *arg)
{
	char here;

	probe = (uintptr_t)&here;
	for (size_t down = 0; down < 2 * STACK_BYTES; down += 1024) {
		probe -= 1024;
		*(volatile char *)probe = 1;
	}
}

static void on_fault(_unused_ int number, siginfo_t *info, _unused_ void *context)
{
	/* Where it happened: just below where it had written last. */
	_exit((uintptr_t)info->si_addr == probe ? 42 : 43);
}

TEST(an_overrun_meets_the_guard_page)
{
	static char handler_stack[64 * 1024];
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct fiber *fiber;
		struct sigaction action = { .sa_sigaction = on_fault,
			.sa_flags = SA_SIGINFO | SA_ONSTACK };

		sigaltstack(&(stack_t){ .ss_sp = handler_stack, .ss_size = sizeof(handler_stack) },
			NULL);
		sigaction(SIGSEGV, &action, NULL);
		begin(FIBERS);
		(void)fiber_start(pool, overrun, NULL, CLOCK_NEVER, &fiber);
		_exit(0); /* nothing stopped it */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
}
