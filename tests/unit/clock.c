/* Clocks: text forms, saturation, the fake. */
#include "support/test.h"

#include "shared/clock.h"

TEST(times_are_written_as_rfc_3339_and_as_http_dates)
{
	char text[CLOCK_RFC3339_BYTES], date[CLOCK_HTTP_BYTES];

	assert_true(str_equal(clock_rfc3339(1795494580120, text), STR("2026-11-24T04:29:40.120Z")));
	assert_true(
		str_equal(clock_http(784111777000, date), STR("Sun, 06 Nov 1994 08:49:37 GMT")));
}

TEST(adding_saturates_below_never)
{
	assert_true(clock_after_ms(CLOCK_NEVER - 5, 1000) < CLOCK_NEVER);
	assert_true(clock_after_ms(1, UINT64_MAX) < CLOCK_NEVER);
	assert_true(clock_after_ms(5, 2) == 5 + 2 * NS_PER_MS);
}

TEST(what_was_lately_is_a_little_before_now)
{
	uint64_t lately_ns = clock_lately_ns(), now_ns = clock_now_ns();

	assert_true(lately_ns <= now_ns);
	assert_true(clock_after_ms(lately_ns, 1000) > now_ns);
}

TEST(the_fake_moves_both_clocks_together)
{
	clock_fake(1000, 5000);
	clock_fake_advance_ms(20);
	assert_true(clock_now_ns() == 1000 + 20 * NS_PER_MS);
	assert_true(clock_lately_ns() == clock_now_ns());
	assert_int_equal(clock_wall_ms(), 5020);
	clock_fake_off();
}
