/* The circuit breaker, transition by transition, on a clock that the tests move. */
#include "support/test.h"

#include <string.h>

#include "guard/breaker.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define START_NS (1000 * NS_PER_S)
#define OPEN_MS 30000
#define OPEN_MS_MAX (OPEN_MS + OPEN_MS / 10)

static void breaker_end(struct breaker *breaker)
{
	breaker_deinit(breaker);
	breakers_on_change(NULL);
	clock_fake_off();
}

static void breaker_begin(struct breaker *breaker)
{
	clock_fake(START_NS, 1700000000000);
	breaker_init(breaker, &(struct breaker_options){ .name = "test",
				      .window_ms = 10000,
				      .failures_percent = 50,
				      .calls_min = 20,
				      .open_ms = OPEN_MS,
				      .probes = 3 });
}

#define BREAKER(name)                                                                              \
	_cleanup_(breaker_end) struct breaker name;                                                \
	breaker_begin(&name)

static void call(struct breaker *breaker, unsigned times, enum breaker_outcome outcome)
{
	struct breaker_pass pass;

	while (times--) {
		assert_true(breaker_enter(breaker, &pass));
		breaker_leave(breaker, &pass, outcome, "no answer");
	}
}

static bool passes(struct breaker *breaker)
{
	struct breaker_pass pass;

	if (!breaker_enter(breaker, &pass))
		return false;
	breaker_leave(breaker, &pass, BREAKER_NEITHER, NULL);
	return true;
}

static struct breaker_view view_of(struct breaker *breaker)
{
	struct breaker_view view;

	breaker_view(breaker, &view);
	return view;
}

#define assert_state(breaker, expected) assert_int_equal(view_of(breaker).state, expected)

/* Opened by failures, and just about to be half open. */
static void open_and_wait(struct breaker *breaker)
{
	call(breaker, 20, BREAKER_FAILURE);
	assert_state(breaker, BREAKER_OPEN);
	clock_fake_advance_ms(OPEN_MS_MAX);
}

/* --- closed --- */

TEST(it_starts_closed_and_lets_calls_through)
{
	BREAKER(breaker);

	assert_state(&breaker, BREAKER_CLOSED);
	call(&breaker, 1000, BREAKER_SUCCESS);
	assert_int_equal(view_of(&breaker).successes_total, 1000);
	assert_int_equal(breaker_retry_ns(&breaker), 0);
}

TEST(too_few_calls_never_open_it)
{
	BREAKER(breaker);

	call(&breaker, 19, BREAKER_FAILURE);
	assert_state(&breaker, BREAKER_CLOSED);
	call(&breaker, 1, BREAKER_FAILURE);
	assert_state(&breaker, BREAKER_OPEN);
}

TEST(half_of_the_calls_failing_opens_it_and_one_less_does_not)
{
	BREAKER(breaker);

	call(&breaker, 21, BREAKER_SUCCESS);
	call(&breaker, 20, BREAKER_FAILURE);
	assert_state(&breaker, BREAKER_CLOSED);
	call(&breaker, 1, BREAKER_FAILURE);
	assert_state(&breaker, BREAKER_OPEN);
}

TEST(outcomes_that_say_nothing_do_not_count)
{
	BREAKER(breaker);

	call(&breaker, 1000, BREAKER_NEITHER);
	assert_int_equal(view_of(&breaker).calls, 0);
	call(&breaker, 20, BREAKER_FAILURE);
	assert_state(&breaker, BREAKER_OPEN);
}

TEST(failures_older_than_the_window_are_forgotten)
{
	BREAKER(breaker);

	call(&breaker, 19, BREAKER_FAILURE);
	clock_fake_advance_ms(9000);
	assert_int_equal(view_of(&breaker).failures, 19);
	clock_fake_advance_ms(1000);
	assert_int_equal(view_of(&breaker).failures, 0);
	call(&breaker, 1, BREAKER_FAILURE);
	assert_state(&breaker, BREAKER_CLOSED);
}

TEST(the_window_moves_by_its_buckets)
{
	BREAKER(breaker);

	for (unsigned second = 0; second < 10; second++) {
		call(&breaker, 1, BREAKER_FAILURE);
		clock_fake_advance_ms(1000);
	}
	for (unsigned left = 9; left > 0; left--) {
		assert_int_equal(view_of(&breaker).failures, left);
		clock_fake_advance_ms(1000);
	}
	assert_int_equal(view_of(&breaker).failures, 0);
}

/* --- open --- */

TEST(open_it_refuses_at_once_and_says_for_how_long)
{
	BREAKER(breaker);

	call(&breaker, 20, BREAKER_FAILURE);
	assert_false(passes(&breaker));
	assert_int_equal(view_of(&breaker).refused_total, 1);
	assert_in_range(breaker_retry_ns(&breaker), OPEN_MS * NS_PER_MS, OPEN_MS_MAX * NS_PER_MS);
	clock_fake_advance_ms(OPEN_MS - 1);
	assert_false(passes(&breaker));
	assert_in_range(breaker_retry_ns(&breaker), 1, (OPEN_MS_MAX - OPEN_MS + 1) * NS_PER_MS);
}

TEST(the_time_to_the_probes_differs_from_breaker_to_breaker)
{
	uint64_t least_ns = UINT64_MAX, most_ns = 0;

	for (unsigned i = 0; i < 20; i++) {
		BREAKER(breaker);

		call(&breaker, 20, BREAKER_FAILURE);
		least_ns = MIN(least_ns, breaker_retry_ns(&breaker));
		most_ns = MAX(most_ns, breaker_retry_ns(&breaker));
	}
	assert_true(least_ns < most_ns);
}

TEST(a_call_from_before_it_opened_does_not_count_any_more)
{
	struct breaker_pass early;
	BREAKER(breaker);

	assert_true(breaker_enter(&breaker, &early));
	open_and_wait(&breaker);
	assert_state(&breaker, BREAKER_HALF_OPEN);
	breaker_leave(&breaker, &early, BREAKER_FAILURE, "late");
	assert_state(&breaker, BREAKER_HALF_OPEN);
	assert_string_equal(view_of(&breaker).error, "late"); /* but it is known */
}

/* --- half open --- */

TEST(half_open_it_lets_a_few_probes_through)
{
	struct breaker_pass probe[3], more;
	BREAKER(breaker);

	open_and_wait(&breaker);
	for (unsigned i = 0; i < 3; i++)
		assert_true(breaker_enter(&breaker, &probe[i]));
	assert_false(breaker_enter(&breaker, &more));
	assert_int_equal(breaker_retry_ns(&breaker), 0);
}

TEST(probes_that_succeed_close_it)
{
	BREAKER(breaker);

	open_and_wait(&breaker);
	call(&breaker, 2, BREAKER_SUCCESS);
	assert_state(&breaker, BREAKER_HALF_OPEN);
	call(&breaker, 1, BREAKER_SUCCESS);
	assert_state(&breaker, BREAKER_CLOSED);
	/* What was before is forgotten. */
	call(&breaker, 19, BREAKER_FAILURE);
	assert_state(&breaker, BREAKER_CLOSED);
}

TEST(a_probe_that_fails_opens_it_again)
{
	BREAKER(breaker);

	open_and_wait(&breaker);
	call(&breaker, 2, BREAKER_SUCCESS);
	call(&breaker, 1, BREAKER_FAILURE);
	assert_state(&breaker, BREAKER_OPEN);
	assert_in_range(breaker_retry_ns(&breaker), OPEN_MS * NS_PER_MS, OPEN_MS_MAX * NS_PER_MS);
	assert_int_equal(view_of(&breaker).opened_total, 2);
}

TEST(a_probe_that_says_nothing_gives_its_place_back)
{
	BREAKER(breaker);

	open_and_wait(&breaker);
	call(&breaker, 10, BREAKER_NEITHER);
	assert_state(&breaker, BREAKER_HALF_OPEN);
	call(&breaker, 3, BREAKER_SUCCESS);
	assert_state(&breaker, BREAKER_CLOSED);
}

TEST(a_probe_of_an_earlier_half_open_time_does_not_count)
{
	struct breaker_pass early;
	BREAKER(breaker);

	open_and_wait(&breaker);
	assert_true(breaker_enter(&breaker, &early));
	call(&breaker, 1, BREAKER_FAILURE);
	clock_fake_advance_ms(OPEN_MS_MAX);
	call(&breaker, 2, BREAKER_SUCCESS);
	breaker_leave(&breaker, &early, BREAKER_SUCCESS, NULL);
	assert_state(&breaker, BREAKER_HALF_OPEN);
	call(&breaker, 1, BREAKER_SUCCESS);
	assert_state(&breaker, BREAKER_CLOSED);
}

/* --- forced --- */

TEST(forced_open_it_refuses_whatever_happens)
{
	BREAKER(breaker);

	breaker_force(&breaker, BREAKER_FORCED_OPEN, 0);
	assert_false(passes(&breaker));
	clock_fake_advance_ms(10 * OPEN_MS);
	assert_false(passes(&breaker));
	assert_int_equal(view_of(&breaker).forced_ns, CLOCK_NEVER);
	assert_int_equal(view_of(&breaker).mode, BREAKER_FORCED_OPEN);
	breaker_force(&breaker, BREAKER_AUTO, 0);
	assert_true(passes(&breaker));
}

TEST(forced_closed_it_lets_through_whatever_happens)
{
	BREAKER(breaker);

	breaker_force(&breaker, BREAKER_FORCED_CLOSED, 0);
	call(&breaker, 100, BREAKER_FAILURE);
	assert_state(&breaker, BREAKER_CLOSED);
	assert_int_equal(view_of(&breaker).failures, 100);
	/* Set free it judges by what comes. */
	breaker_force(&breaker, BREAKER_AUTO, 0);
	assert_state(&breaker, BREAKER_CLOSED);
	call(&breaker, 20, BREAKER_FAILURE);
	assert_state(&breaker, BREAKER_OPEN);
}

TEST(a_forced_state_ends_at_its_time)
{
	BREAKER(breaker);

	breaker_force(&breaker, BREAKER_FORCED_OPEN, 5000);
	assert_int_equal(breaker_retry_ns(&breaker), 5000 * NS_PER_MS);
	clock_fake_advance_ms(4999);
	assert_false(passes(&breaker));
	clock_fake_advance_ms(1);
	assert_true(passes(&breaker));
	assert_int_equal(view_of(&breaker).mode, BREAKER_AUTO);
	assert_int_equal(view_of(&breaker).forced_ns, 0);
}

TEST(forcing_it_to_automatic_closes_one_that_is_open)
{
	BREAKER(breaker);

	call(&breaker, 20, BREAKER_FAILURE);
	assert_false(passes(&breaker));
	breaker_force(&breaker, BREAKER_AUTO, 0);
	assert_true(passes(&breaker));
}

/* --- what it tells --- */

TEST(its_history_has_every_change_with_its_reason_newest_first)
{
	struct breaker_view view;
	BREAKER(breaker);

	open_and_wait(&breaker);
	call(&breaker, 3, BREAKER_SUCCESS);
	view = view_of(&breaker);
	assert_int_equal(view.history_count, 3);
	assert_int_equal(view.history[2].from, BREAKER_CLOSED);
	assert_int_equal(view.history[2].to, BREAKER_OPEN);
	assert_string_equal(view.history[2].reason, "failures");
	assert_int_equal(view.history[2].calls, 20);
	assert_int_equal(view.history[2].failures, 20);
	assert_string_equal(view.history[1].reason, "open time over");
	assert_int_equal(view.history[1].at_ms - view.history[2].at_ms, OPEN_MS_MAX);
	assert_int_equal(view.history[0].to, BREAKER_CLOSED);
	assert_string_equal(view.history[0].reason, "probes succeeded");
}

TEST(its_history_keeps_the_last_ones)
{
	struct breaker_view view;
	BREAKER(breaker);

	for (unsigned i = 0; i <= BREAKER_HISTORY_MAX; i++)
		breaker_force(&breaker, i % 2 ? BREAKER_FORCED_OPEN : BREAKER_FORCED_CLOSED, 0);
	view = view_of(&breaker);
	assert_int_equal(view.history_count, BREAKER_HISTORY_MAX);
	assert_int_equal(view.history[0].to, BREAKER_CLOSED);
	assert_int_equal(view.history[BREAKER_HISTORY_MAX - 1].to, BREAKER_OPEN);
}

TEST(the_last_error_is_kept_and_cut)
{
	char longer[2 * BREAKER_ERROR_BYTES];
	struct breaker_pass pass;
	BREAKER(breaker);

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_string_equal(view_of(&breaker).error, "");
	assert_int_equal(view_of(&breaker).error_ms, 0);
	assert_true(breaker_enter(&breaker, &pass));
	breaker_leave(&breaker, &pass, BREAKER_FAILURE, longer);
	assert_int_equal(strlen(view_of(&breaker).error), BREAKER_ERROR_BYTES - 1);
	assert_int_equal(view_of(&breaker).error_ms, 1700000000000);
}

static unsigned told;

static void tell(const char *name, const struct breaker_change *change)
{
	assert_string_equal(name, "test");
	told += change->to == BREAKER_OPEN;
}

TEST(every_change_is_told)
{
	BREAKER(breaker);

	told = 0;
	breakers_on_change(tell);
	call(&breaker, 20, BREAKER_FAILURE);
	assert_int_equal(told, 1);
}

TEST(it_is_found_by_its_name)
{
	BREAKER(breaker);

	assert_ptr_equal(breaker_find("test"), &breaker);
	assert_null(breaker_find("other"));
}
