/* Timed waits: they end, they are woken, and a frozen clock does not hold them. */
#include "support/test.h"

#include "shared/clock.h"
#include "shared/wait.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static bool is_said;

/* Whether it was said before the end. */
static bool wait_for_it(uint64_t ms)
{
	struct timespec end = wait_end_ms(ms);
	bool was_said;

	pthread_mutex_lock(&lock);
	while (!is_said && wait_until(&condition, &lock, &end))
		;
	was_said = is_said;
	pthread_mutex_unlock(&lock);
	return was_said;
}

static void *say(void *arg)
{
	pthread_mutex_lock(&lock);
	is_said = true;
	pthread_cond_signal(&condition);
	pthread_mutex_unlock(&lock);
	return arg;
}

TEST(a_wait_ends_when_its_time_is_over)
{
	uint64_t started_ns = clock_now_ns();

	assert_false(wait_for_it(20));
	assert_true(clock_now_ns() - started_ns >= 20 * NS_PER_MS);
}

TEST(a_wait_ends_while_the_clocks_of_a_test_are_frozen)
{
	clock_fake(1000, 5000);
	assert_false(wait_for_it(1));
	clock_fake_off();
}

TEST(whoever_waits_is_woken)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, say, NULL), 0);
	assert_true(wait_for_it(UINT64_C(86400000)));
	pthread_join(thread, NULL);
	is_said = false;
}

TEST(the_end_is_a_proper_time)
{
	for (unsigned ms = 0; ms < 3000; ms++) {
		struct timespec end = wait_end_ms(ms);

		assert_true(end.tv_nsec >= 0 && end.tv_nsec < (long)NS_PER_S);
	}
}
