/* The timer wheel, turned by hand: rounding, later turns, stalls, callbacks that arm and cancel. */
#include "support/test.h"

#include "core/wheel.h"
#include "shared/macros.h"

#define TICK (WHEEL_TICK_MS * NS_PER_MS)
#define TURN (WHEEL_SLOTS * TICK)
#define START (1000 * TURN + 7 * TICK) /* neither at the first slot nor at zero */

struct alarm {
	struct timer timer;
	struct wheel *wheel;
	unsigned fired;
	uint64_t again_ns;    /* armed for this from inside the callback, if not 0 */
	struct alarm *victim; /* cancelled from inside the callback */
};

static void on_alarm(struct timer *timer)
{
	struct alarm *alarm = container_of(timer, struct alarm, timer);

	assert_false(timer_is_armed(timer));
	alarm->fired++;
	if (alarm->again_ns)
		timer_set(alarm->wheel, timer, alarm->again_ns);
	if (alarm->victim)
		timer_cancel(alarm->wheel, &alarm->victim->timer);
}

static struct alarm alarm_of(struct wheel *wheel)
{
	return (struct alarm){ .timer.on_timer = on_alarm, .wheel = wheel };
}

TEST(a_timer_never_fires_early_and_at_most_a_tick_late)
{
	struct wheel wheel;

	for (uint64_t offset = 1; offset < 3 * TICK; offset += TICK / 5) {
		struct alarm alarm = alarm_of(&wheel);

		wheel_init(&wheel, START);
		timer_set(&wheel, &alarm.timer, START + offset);
		wheel_advance(&wheel, START + offset - 1);
		assert_int_equal(alarm.fired, 0);
		wheel_advance(&wheel, START + offset + TICK - 1);
		assert_int_equal(alarm.fired, 1);
	}
}

TEST(a_timer_at_a_tick_fires_at_that_tick)
{
	struct wheel wheel;
	struct alarm alarm = alarm_of(&wheel);

	wheel_init(&wheel, START);
	timer_set(&wheel, &alarm.timer, START + 2 * TICK);
	wheel_advance(&wheel, START + 2 * TICK - 1);
	assert_int_equal(alarm.fired, 0);
	wheel_advance(&wheel, START + 2 * TICK);
	assert_int_equal(alarm.fired, 1);
}

TEST(a_timer_fires_once)
{
	struct wheel wheel;
	struct alarm alarm = alarm_of(&wheel);

	wheel_init(&wheel, START);
	timer_set(&wheel, &alarm.timer, START + TICK);
	for (uint64_t now = START; now < START + 2 * TURN; now += 10 * TICK)
		wheel_advance(&wheel, now);
	assert_int_equal(alarm.fired, 1);
	assert_int_equal(wheel.armed, 0);
}

TEST(the_past_is_served_at_the_next_tick)
{
	struct wheel wheel;
	struct alarm alarm = alarm_of(&wheel);

	wheel_init(&wheel, START);
	wheel_advance(&wheel, START + 5 * TICK);
	timer_set(&wheel, &alarm.timer, 1);
	wheel_advance(&wheel, START + 5 * TICK);
	assert_int_equal(alarm.fired, 0);
	wheel_advance(&wheel, START + 6 * TICK);
	assert_int_equal(alarm.fired, 1);
}

TEST(a_wait_longer_than_a_turn_goes_round)
{
	struct wheel wheel;
	struct alarm alarm = alarm_of(&wheel);

	wheel_init(&wheel, START);
	timer_set(&wheel, &alarm.timer, START + 3 * TURN + TICK);
	for (uint64_t now = START; now < START + 3 * TURN + TICK; now += TICK)
		wheel_advance(&wheel, now);
	assert_int_equal(alarm.fired, 0);
	wheel_advance(&wheel, START + 3 * TURN + TICK);
	assert_int_equal(alarm.fired, 1);
}

TEST(after_a_stall_of_many_turns_all_that_is_due_fires_once)
{
	struct alarm alarms[64];
	struct wheel wheel;

	wheel_init(&wheel, START);
	for (unsigned i = 0; i < ARRAY_SIZE(alarms); i++) {
		alarms[i] = alarm_of(&wheel);
		timer_set(&wheel, &alarms[i].timer, START + i * (TURN / 20));
	}
	wheel_advance(&wheel, START + 10 * TURN);
	for (unsigned i = 0; i < ARRAY_SIZE(alarms); i++)
		assert_int_equal(alarms[i].fired, 1);
	assert_int_equal(wheel.armed, 0);
}

TEST(a_stall_fires_nothing_that_is_not_due)
{
	struct wheel wheel;
	struct alarm alarm = alarm_of(&wheel);

	wheel_init(&wheel, START);
	timer_set(&wheel, &alarm.timer, START + 12 * TURN);
	wheel_advance(&wheel, START + 11 * TURN);
	assert_int_equal(alarm.fired, 0);
	wheel_advance(&wheel, START + 12 * TURN);
	assert_int_equal(alarm.fired, 1);
}

TEST(a_timer_may_arm_itself_again)
{
	struct wheel wheel;
	struct alarm alarm = alarm_of(&wheel);

	wheel_init(&wheel, START);
	alarm.again_ns = START + 4 * TICK;
	timer_set(&wheel, &alarm.timer, START + 2 * TICK);
	wheel_advance(&wheel, START + 3 * TICK);
	assert_int_equal(alarm.fired, 1);
	alarm.again_ns = 0;
	wheel_advance(&wheel, START + 4 * TICK);
	assert_int_equal(alarm.fired, 2);
}

TEST(a_timer_that_always_arms_itself_for_the_past_cannot_hold_the_wheel)
{
	struct wheel wheel;
	struct alarm alarm = alarm_of(&wheel);

	wheel_init(&wheel, START);
	alarm.again_ns = 1;
	timer_set(&wheel, &alarm.timer, START + TICK);
	wheel_advance(&wheel, START + TICK);
	assert_int_equal(alarm.fired, 1);
	wheel_advance(&wheel, START + 5 * TURN);
	assert_true(alarm.fired <= 1 + WHEEL_SLOTS);
	timer_cancel(&wheel, &alarm.timer);
}

TEST(a_callback_may_cancel_a_timer_that_is_due_with_it)
{
	struct wheel wheel;
	struct alarm first = alarm_of(&wheel), second = alarm_of(&wheel);

	wheel_init(&wheel, START);
	first.victim = &second;
	timer_set(&wheel, &first.timer, START + TICK);
	timer_set(&wheel, &second.timer, START + TICK);
	wheel_advance(&wheel, START + TICK);
	assert_int_equal(first.fired, 1);
	assert_int_equal(second.fired, 0);
	assert_int_equal(wheel.armed, 0);
}

TEST(moving_a_timer_leaves_nothing_at_its_old_time)
{
	struct wheel wheel;
	struct alarm alarm = alarm_of(&wheel);

	wheel_init(&wheel, START);
	timer_set(&wheel, &alarm.timer, START + TICK);
	timer_set(&wheel, &alarm.timer, START + 9 * TICK);
	assert_int_equal(wheel.armed, 1);
	wheel_advance(&wheel, START + 8 * TICK);
	assert_int_equal(alarm.fired, 0);
	timer_set(&wheel, &alarm.timer, CLOCK_NEVER);
	assert_false(timer_is_armed(&alarm.timer));
	wheel_advance(&wheel, START + TURN);
	assert_int_equal(alarm.fired, 0);
}

TEST(cancelling_an_idle_timer_is_nothing)
{
	struct wheel wheel;
	struct alarm alarm = alarm_of(&wheel);

	wheel_init(&wheel, START);
	timer_cancel(&wheel, &alarm.timer);
	assert_int_equal(wheel.armed, 0);
}

TEST(the_next_look_is_not_after_the_first_timer)
{
	struct wheel wheel;
	struct alarm near = alarm_of(&wheel), far = alarm_of(&wheel);

	wheel_init(&wheel, START);
	assert_true(wheel_next_ns(&wheel) == CLOCK_NEVER);
	timer_set(&wheel, &far.timer, START + 5 * TURN + 100 * TICK);
	assert_true(wheel_next_ns(&wheel) <= START + TURN);
	timer_set(&wheel, &near.timer, START + 3 * TICK - 5);
	assert_true(wheel_next_ns(&wheel) == START + 3 * TICK);
	wheel_advance(&wheel, wheel_next_ns(&wheel));
	assert_int_equal(near.fired, 1);
	assert_true(wheel_next_ns(&wheel) > START + 3 * TICK);
	timer_cancel(&wheel, &far.timer);
}

TEST(sleeping_until_the_next_look_each_time_meets_every_deadline)
{
	struct wheel wheel;
	struct alarm alarm = alarm_of(&wheel);
	uint64_t now = START, at = START + 2 * TURN + 11 * TICK;
	unsigned looks = 0;

	wheel_init(&wheel, START);
	timer_set(&wheel, &alarm.timer, at);
	while (!alarm.fired && looks++ < 10) {
		now = wheel_next_ns(&wheel);
		wheel_advance(&wheel, now);
	}
	assert_int_equal(alarm.fired, 1);
	assert_true(now == at);
}

TEST(the_last_nanoseconds_of_time_can_be_waited_for)
{
	struct wheel wheel;
	struct alarm alarm = alarm_of(&wheel);

	wheel_init(&wheel, START);
	timer_set(&wheel, &alarm.timer, CLOCK_NEVER - 1);
	wheel_advance(&wheel, START + 3 * TURN);
	assert_int_equal(alarm.fired, 0);
	timer_cancel(&wheel, &alarm.timer);
}
