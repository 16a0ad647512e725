/* So many steps in each pass of the loop: the passes are drains of an inbox here. */
#include "support/test.h"

#include <errno.h>

#include "core/fiber.h"
#include "core/ration.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"

#define PER_TURN 3
#define WAITING_MAX 5

static struct wheel wheel;
static struct fiber_pool *fibers;
static struct inbox inbox;
static struct ration ration;

struct taker {
	struct fiber *fiber;
	bool is_done;
	int result;
};

static void take_main(void *arg)
{
	struct taker *taker = arg;

	taker->result = ration_take_await(&ration);
	taker->is_done = true;
}

static void take_until(struct taker *taker, uint64_t deadline_ns)
{
	assert_int_equal(fiber_start(fibers, take_main, taker, deadline_ns, &taker->fiber), 0);
}

static void begin(struct taker *takers, unsigned count)
{
	clock_fake(1000 * NS_PER_S, 0);
	wheel_init(&wheel, clock_now_ns());
	assert_int_equal(fiber_pool_new(&(struct fiber_pool_options){ .fibers_max = 32,
						.stack_bytes = 64 * 1024,
						.wheel = &wheel },
				 &fibers),
		0);
	assert_int_equal(inbox_init(&inbox), 0);
	ration_init(&ration, &(struct ration_options){ .name = "test",
				     .inbox = &inbox,
				     .per_turn = PER_TURN,
				     .waiting_max = WAITING_MAX });
	for (unsigned i = 0; i < count; i++)
		take_until(&takers[i], clock_now_ns() + NS_PER_S);
}

static void end(void)
{
	while (inbox_drain(&inbox))
		;
	assert_int_equal(fiber_pool_in_use(fibers), 0);
	fiber_pool_free(fibers);
	ration_deinit(&ration);
	inbox_deinit(&inbox);
	clock_fake_off();
}

static unsigned done(const struct taker *takers, unsigned count)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < count; i++)
		sum += takers[i].is_done;
	return sum;
}

TEST(so_many_go_at_once_and_the_rest_in_later_passes_in_their_order)
{
	struct taker takers[8] = {};

	begin(takers, 8);
	assert_int_equal(done(takers, 8), 3);
	inbox_drain(&inbox);
	assert_int_equal(done(takers, 6), 6);
	assert_int_equal(done(takers, 8), 6);
	inbox_drain(&inbox);
	assert_int_equal(done(takers, 8), 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(takers[i].result, i < 3 ? 0 : 1);
	end();
}

TEST(who_comes_while_others_wait_stands_behind_them)
{
	struct taker takers[5] = {}, late = {};

	begin(takers, 5);
	inbox_drain(&inbox);
	assert_int_equal(done(takers, 5), 5); /* two of this pass's three are taken */
	take_until(&late, CLOCK_NEVER);
	assert_true(late.is_done);
	take_until(&takers[0], CLOCK_NEVER);
	takers[0].is_done = false;
	inbox_drain(&inbox);
	assert_true(takers[0].is_done);
	end();
}

TEST(a_pass_without_takers_ends_the_counting)
{
	struct taker takers[4] = {};

	begin(takers, 3);
	assert_int_equal(inbox_drain(&inbox), 1);
	assert_int_equal(inbox_drain(&inbox), 0); /* the loop may sleep */
	take_until(&takers[3], CLOCK_NEVER);
	assert_int_equal(takers[3].result, 0);
	assert_true(takers[3].is_done);
	end();
}

TEST(a_line_that_is_too_long_refuses)
{
	struct taker takers[PER_TURN + WAITING_MAX + 1] = {};

	begin(takers, PER_TURN + WAITING_MAX + 1);
	assert_true(takers[PER_TURN + WAITING_MAX].is_done);
	assert_int_equal(takers[PER_TURN + WAITING_MAX].result, -ERR_OVERLOADED);
	assert_false(takers[PER_TURN + WAITING_MAX - 1].is_done);
	assert_int_equal(ration.refused, 1);
	assert_int_equal(ration.waited, WAITING_MAX);
	end();
}

static void see(const struct ration *seen, void *arg)
{
	assert_ptr_equal(seen, &ration);
	*(unsigned *)arg += seen->waiting;
}

TEST(who_stands_in_line_can_be_counted_from_outside)
{
	struct taker takers[5] = {};
	unsigned waiting = 0;

	begin(takers, 5);
	ration_each(see, &waiting);
	assert_int_equal(waiting, 2);
	end();
	ration_each(see, &waiting);
	assert_int_equal(waiting, 2);
}

TEST(one_in_line_that_is_cancelled_or_late_leaves_it)
{
	struct taker takers[6] = {};

	begin(takers, 5);
	take_until(&takers[5], CLOCK_NEVER);
	fiber_cancel(takers[3].fiber);
	assert_int_equal(takers[3].result, -ERR_CANCELED);
	clock_fake_advance_ms(2000);
	wheel_advance(&wheel, clock_now_ns());
	assert_int_equal(takers[4].result, -ETIMEDOUT);
	assert_false(takers[5].is_done);
	inbox_drain(&inbox);
	assert_int_equal(takers[5].result, 1);
	end();
}
