/* The estimate of how long a queue takes: first jobs, pauses, changes of pace, jobs side by side.
 */
#include "support/test.h"

#include "core/pace.h"
#include "shared/clock.h"

#define MS NS_PER_MS

/* Jobs one after the other, each of service_ms, beginning at *now_ns. */
static void work(struct pace *pace, unsigned jobs, uint64_t service_ms, uint64_t *now_ns)
{
	while (jobs--) {
		uint64_t started_ns = *now_ns;

		pace_taken(pace, 1, jobs > 0, started_ns);
		*now_ns += service_ms * MS;
		pace_done(pace, started_ns, *now_ns);
	}
}

static uint64_t wait_ms(const struct pace *pace, uint32_t ahead, uint32_t running, uint64_t now_ns)
{
	return pace_wait_ns(pace, ahead, running, now_ns) / MS;
}

TEST(nothing_ahead_is_no_wait)
{
	struct pace pace;
	uint64_t now_ns = NS_PER_S;

	pace_init(&pace, 1, 250 * MS);
	assert_int_equal(pace_wait_ns(&pace, 0, 0, now_ns), 0);
	assert_int_equal(pace_wait_ns(&pace, 0, 1, now_ns), 0);
}

TEST(the_wait_is_what_is_ahead_times_what_a_job_takes)
{
	struct pace pace;
	uint64_t now_ns = NS_PER_S;

	pace_init(&pace, 1, 0);
	work(&pace, 1, 250, &now_ns);
	assert_int_equal(wait_ms(&pace, 8, 1, now_ns), 2000);
}

TEST(what_the_owner_expects_counts_before_the_first_job)
{
	struct pace pace;

	pace_init(&pace, 2, 250 * MS);
	assert_int_equal(wait_ms(&pace, 8, 0, NS_PER_S), 1000);
}

TEST(a_first_job_that_still_runs_is_known_to_take_that_long)
{
	struct pace pace;

	pace_init(&pace, 1, 0);
	pace_taken(&pace, 1, true, NS_PER_S);
	assert_int_equal(wait_ms(&pace, 4, 1, NS_PER_S), 0);
	assert_int_equal(wait_ms(&pace, 4, 1, NS_PER_S + 100 * MS), 400);
}

TEST(a_pause_without_work_changes_nothing)
{
	struct pace pace;
	uint64_t now_ns = NS_PER_S;

	pace_init(&pace, 1, 0);
	work(&pace, 10, 10, &now_ns);
	now_ns += 3600 * NS_PER_S;
	assert_int_equal(wait_ms(&pace, 10, 0, now_ns), 100);
	work(&pace, 1, 10, &now_ns);
	assert_int_equal(wait_ms(&pace, 10, 0, now_ns), 100);
}

TEST(a_change_of_pace_is_followed_within_some_jobs)
{
	struct pace pace;
	uint64_t now_ns = NS_PER_S;

	pace_init(&pace, 1, 0);
	work(&pace, 10, 10, &now_ns);
	work(&pace, 24, 100, &now_ns);
	assert_in_range(wait_ms(&pace, 10, 1, now_ns), 900, 1000);
	work(&pace, 48, 10, &now_ns);
	assert_in_range(wait_ms(&pace, 10, 1, now_ns), 100, 110);
}

TEST(one_odd_job_moves_the_average_by_an_eighth)
{
	struct pace pace;
	uint64_t now_ns = NS_PER_S;

	pace_init(&pace, 1, 0);
	work(&pace, 10, 100, &now_ns);
	work(&pace, 1, 900, &now_ns);
	assert_int_equal(wait_ms(&pace, 10, 0, now_ns), 2000);
}

TEST(a_stall_is_seen_before_any_job_is_done)
{
	struct pace pace;
	uint64_t now_ns = NS_PER_S;

	pace_init(&pace, 1, 0);
	work(&pace, 10, 10, &now_ns);
	pace_taken(&pace, 1, true, now_ns);
	/* As long as usual is no stall. */
	assert_int_equal(wait_ms(&pace, 10, 1, now_ns + 10 * MS), 100);
	assert_int_equal(wait_ms(&pace, 10, 1, now_ns + 2000 * MS), 20000);
	/* Nobody is at work: nobody has stalled. */
	assert_int_equal(wait_ms(&pace, 10, 0, now_ns + 2000 * MS), 100);
}

TEST(jobs_side_by_side_share_the_wait)
{
	struct pace pace;
	uint64_t now_ns = NS_PER_S;

	/* Two threads of four lanes: eight run at a time, 320 ms each. */
	pace_init(&pace, 2, 250 * MS);
	for (uint32_t running = 1; running <= 8; running++)
		pace_taken(&pace, running, true, now_ns);
	for (unsigned i = 0; i < 64; i++)
		pace_done(&pace, now_ns, now_ns + 320 * MS);
	assert_in_range(wait_ms(&pace, 80, 8, now_ns), 3190, 3200);
}

TEST(a_batch_counts_as_jobs_side_by_side)
{
	struct pace pace;

	/* 64 writes in one commit of 5 ms: 100 waiting ones are gone after two commits. */
	pace_init(&pace, 64, 0);
	pace_taken(&pace, 64, true, NS_PER_S);
	for (unsigned i = 0; i < 64; i++)
		pace_done(&pace, NS_PER_S, NS_PER_S + 5 * MS);
	assert_int_equal(wait_ms(&pace, 128, 0, NS_PER_S), 10);
}

TEST(few_jobs_say_nothing_about_how_many_could_run)
{
	struct pace pace;

	pace_init(&pace, 4, 100 * MS);
	pace_taken(&pace, 1, false, NS_PER_S);
	assert_int_equal(wait_ms(&pace, 4, 0, NS_PER_S), 100);
}

TEST(threads_that_are_gone_are_noticed_while_others_wait)
{
	struct pace pace;

	pace_init(&pace, 4, 100 * MS);
	for (unsigned i = 0; i < 3; i++)
		pace_taken(&pace, 1, true, NS_PER_S);
	assert_int_equal(wait_ms(&pace, 4, 0, NS_PER_S), 400);
	pace_taken(&pace, 1, true, NS_PER_S);
	assert_int_equal(wait_ms(&pace, 4, 0, NS_PER_S), 400);
}

TEST(a_wait_beyond_counting_is_for_ever)
{
	struct pace pace;

	pace_init(&pace, 1, UINT64_MAX / 2);
	assert_int_equal(pace_wait_ns(&pace, 3, 0, NS_PER_S), UINT64_MAX);
}
