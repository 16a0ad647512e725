/* One limit: how much is allowed, when it comes back, and what a flood of subjects can do. */
#include "support/test.h"

#include <pthread.h>
#include <stdlib.h>

#include "guard/limiter.h"
#include "shared/clock.h"

#define START (1000 * NS_PER_S)
#define SUBJECTS 1024 /* of the small tables: 128 buckets of 8 */

static struct limiter *limiter_of(uint64_t count, uint64_t window_ns)
{
	struct limiter *limiter;

	assert_int_equal(
		limiter_new(&(struct limiter_rate){ count, window_ns }, SUBJECTS, &limiter), 0);
	return limiter;
}

static struct subject subject_of(uint64_t key)
{
	return (struct subject){ key, SUBJECT_V4 };
}

static bool take(struct limiter *limiter, uint64_t key, uint64_t now_ns)
{
	struct subject subject = subject_of(key);

	return limiter_take(limiter, &subject, now_ns).is_allowed;
}

static unsigned take_all(struct limiter *limiter, uint64_t key, uint64_t now_ns)
{
	unsigned taken = 0;

	while (take(limiter, key, now_ns))
		taken++;
	return taken;
}

TEST(so_many_are_allowed_at_once_and_not_one_more)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(5, 60 * NS_PER_S);

	for (unsigned i = 0; i < 5; i++)
		assert_true(take(limiter, 1, START));
	assert_false(take(limiter, 1, START));
	assert_int_equal(limiter_counts(limiter).allowed, 5);
	assert_int_equal(limiter_counts(limiter).refused, 1);
}

TEST(one_comes_back_after_its_share_of_the_window)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(5, 60 * NS_PER_S);

	assert_int_equal(take_all(limiter, 1, START), 5);
	assert_false(take(limiter, 1, START + 12 * NS_PER_S - 1));
	assert_true(take(limiter, 1, START + 12 * NS_PER_S));
	assert_false(take(limiter, 1, START + 12 * NS_PER_S));
}

TEST(everything_is_back_after_the_window_and_no_more)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(5, 60 * NS_PER_S);

	assert_int_equal(take_all(limiter, 1, START), 5);
	assert_int_equal(take_all(limiter, 1, START + 60 * NS_PER_S), 5);
	assert_int_equal(take_all(limiter, 1, START + 3600 * NS_PER_S), 5);
}

TEST(the_verdict_says_what_is_left_and_how_long_to_wait)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(3, 30 * NS_PER_S);
	struct subject subject = subject_of(1);
	struct limiter_verdict verdict;

	verdict = limiter_take(limiter, &subject, START);
	assert_int_equal(verdict.remaining, 2);
	assert_int_equal(verdict.wait_ns, 10 * NS_PER_S);
	verdict = limiter_take(limiter, &subject, START + 4 * NS_PER_S);
	assert_int_equal(verdict.remaining, 1);
	assert_int_equal(verdict.wait_ns, 6 * NS_PER_S);
	verdict = limiter_take(limiter, &subject, START + 4 * NS_PER_S);
	assert_int_equal(verdict.remaining, 0);
	assert_int_equal(verdict.wait_ns, 6 * NS_PER_S);
	verdict = limiter_take(limiter, &subject, START + 5 * NS_PER_S);
	assert_false(verdict.is_allowed);
	assert_int_equal(verdict.remaining, 0);
	assert_int_equal(verdict.wait_ns, 5 * NS_PER_S);
	assert_false(take(limiter, 1, START + 10 * NS_PER_S - 1));
	assert_true(take(limiter, 1, START + 10 * NS_PER_S));
}

TEST(what_is_refused_uses_nothing)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(2, 2 * NS_PER_S);

	assert_int_equal(take_all(limiter, 1, START), 2);
	for (unsigned i = 0; i < 1000; i++)
		assert_false(take(limiter, 1, START + NS_PER_S / 2));
	assert_true(take(limiter, 1, START + NS_PER_S));
}

TEST(a_window_that_does_not_divide_is_rounded_against_the_client)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(7, NS_PER_S);

	assert_int_equal(take_all(limiter, 1, START), 7);
	assert_false(take(limiter, 1, START + NS_PER_S / 7));
	assert_true(take(limiter, 1, START + NS_PER_S / 7 + 1));
	assert_int_equal(take_all(limiter, 2, START), 7);
}

TEST(one_a_day_is_a_limit)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(1, 86400 * NS_PER_S);

	assert_true(take(limiter, 1, START));
	assert_false(take(limiter, 1, START + 86400 * NS_PER_S - 1));
	assert_true(take(limiter, 1, START + 86400 * NS_PER_S));
}

TEST(looking_uses_nothing_and_counts_refusals)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(3, 30 * NS_PER_S);
	struct subject subject = subject_of(1);
	struct limiter_verdict verdict;

	for (unsigned i = 0; i < 10; i++)
		assert_true(limiter_look(limiter, &subject, START).is_allowed);
	assert_int_equal(take_all(limiter, 1, START), 3);
	verdict = limiter_look(limiter, &subject, START + NS_PER_S);
	assert_false(verdict.is_allowed);
	assert_int_equal(verdict.wait_ns, 9 * NS_PER_S);
	assert_true(limiter_look(limiter, &subject, START + 10 * NS_PER_S).is_allowed);
	assert_int_equal(limiter_counts(limiter).allowed, 3);
	assert_int_equal(limiter_counts(limiter).refused, 2);
}

TEST(subjects_do_not_share)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(2, NS_PER_S);
	struct subject v4 = { 7, SUBJECT_V4 }, v6 = { 7, SUBJECT_V6_NETWORK };

	assert_int_equal(take_all(limiter, 7, START), 2);
	assert_int_equal(take_all(limiter, 8, START), 2);
	assert_false(limiter_take(limiter, &v4, START).is_allowed);
	assert_true(limiter_take(limiter, &v6, START).is_allowed);
}

TEST(a_clock_that_is_a_little_behind_changes_nothing)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(3, 3 * NS_PER_S);
	struct subject subject = subject_of(1);
	struct limiter_verdict verdict;

	assert_true(take(limiter, 1, START));
	assert_int_equal(take_all(limiter, 1, START - 5 * NS_PER_MS), 2);
	verdict = limiter_take(limiter, &subject, START - 5 * NS_PER_MS);
	assert_false(verdict.is_allowed);
	assert_int_equal(verdict.wait_ns, NS_PER_S);
	assert_true(take(limiter, 1, START + NS_PER_S));
}

TEST(the_end_of_time_is_no_special_time)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(3, 3 * NS_PER_S);
	uint64_t late = UINT64_MAX - 4 * NS_PER_S;

	assert_int_equal(take_all(limiter, 1, 0), 3);
	assert_int_equal(take_all(limiter, 1, late), 3);
	assert_true(take(limiter, 1, late + NS_PER_S));
	assert_false(take(limiter, 1, late + NS_PER_S));
}

TEST(clearing_makes_an_allowance_whole)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(3, 3 * NS_PER_S);
	struct subject subject = subject_of(1);

	assert_false(limiter_clear(limiter, &subject, START));
	assert_int_equal(take_all(limiter, 1, START), 3);
	assert_true(limiter_clear(limiter, &subject, START));
	assert_int_equal(take_all(limiter, 1, START), 3);
	assert_false(limiter_clear(limiter, &subject, START + 3 * NS_PER_S));
}

TEST(another_rate_holds_from_now_on_and_nobody_waits_longer_than_its_window)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(10, 3600 * NS_PER_S);

	assert_int_equal(take_all(limiter, 1, START), 10);
	limiter_tune(limiter, &(struct limiter_rate){ 4, 40 * NS_PER_S });
	assert_false(take(limiter, 1, START));
	assert_int_equal(take_all(limiter, 2, START), 4);
	assert_false(take(limiter, 1, START + 10 * NS_PER_S - 1));
	assert_true(take(limiter, 1, START + 10 * NS_PER_S));
	limiter_tune(limiter, &(struct limiter_rate){ 10, 40 * NS_PER_S });
	assert_int_equal(take_all(limiter, 3, START), 10);
	assert_int_equal(limiter_rate(limiter).count, 10);
	assert_int_equal(limiter_rate(limiter).window_ns, 40 * NS_PER_S);
}

/* --- more subjects than there is room for --- */

TEST(a_million_subjects_use_no_more_memory)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(4, 60 * NS_PER_S);
	size_t bytes = limiter_bytes(limiter);

	for (uint64_t key = 0; key < 1000000; key++)
		(void)take(limiter, 100 + key * UINT64_C(0x9e3779b97f4a7c15), START);
	assert_int_equal(limiter_bytes(limiter), bytes);
	/* Newcomers shared what there is: all of the table's allowance, and not one more. */
	assert_int_equal(limiter_counts(limiter).allowed, SUBJECTS * 4);
	assert_int_equal(limiter_counts(limiter).evicted, SUBJECTS * 3);
}

TEST(a_flood_does_not_give_an_offender_his_allowance_back)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(20, 60 * NS_PER_S);

	assert_int_equal(take_all(limiter, 1, START), 20);
	/* One request from each of many addresses: five of twenty in every entry. */
	for (uint64_t key = 100; key < 100 + SUBJECTS * 5; key++)
		assert_true(take(limiter, key, START));
	assert_false(take(limiter, 1, START));
	/* As many as it takes to use up the table, and he is still where he was. */
	for (uint64_t key = 1000000; key < 1000000 + SUBJECTS * 40; key++)
		(void)take(limiter, key, START);
	assert_false(take(limiter, 1, START));
}

TEST(who_was_evicted_finds_an_entry_as_used_as_his_was)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(10, 60 * NS_PER_S);
	unsigned taken = 0;

	for (unsigned i = 0; i < 4; i++)
		assert_true(take(limiter, 1, START));
	for (uint64_t key = 100; key < 100 + SUBJECTS * 6; key++)
		(void)take(limiter, key, START);
	taken = take_all(limiter, 1, START);
	assert_in_range(taken, 0, 6);
}

TEST(an_entry_that_is_whole_again_is_room_for_another)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(2, NS_PER_S);

	for (uint64_t round = 0; round < 20; round++)
		for (uint64_t key = 0; key < SUBJECTS / 4; key++)
			assert_true(take(limiter, round * 100000 + key, START + round * NS_PER_S));
	assert_int_equal(limiter_counts(limiter).refused, 0);
}

static void visit(const struct limiter_entry *entry, void *arg)
{
	struct limiter_entry *entries = arg;

	assert_in_range(entry->subject.key, 1, 2);
	entries[entry->subject.key] = *entry;
}

TEST(every_entry_in_use_is_visited)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(4, 40 * NS_PER_S);
	struct limiter_entry entries[3] = {};

	assert_true(take(limiter, 1, START));
	assert_int_equal(take_all(limiter, 2, START), 4);
	assert_false(take(limiter, 2, START));
	assert_true(take(limiter, 1, START + 5 * NS_PER_S));
	limiter_each(limiter, START + 5 * NS_PER_S, visit, entries);
	assert_int_equal(entries[1].used, 2);
	assert_int_equal(entries[1].refused, 0);
	assert_int_equal(entries[2].used, 4);
	assert_int_equal(entries[2].refused, 2);
	assert_int_equal(entries[2].wait_ns, 35 * NS_PER_S);
	entries[1] = entries[2] = (struct limiter_entry){};
	limiter_each(limiter, START + 40 * NS_PER_S, visit, entries);
	assert_int_equal(entries[1].used + entries[2].used, 0);
}

TEST(refusals_are_counted_anew_when_the_allowance_was_whole)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(1, NS_PER_S);
	struct limiter_entry entries[3] = {};

	assert_int_equal(take_all(limiter, 1, START), 1);
	assert_int_equal(take_all(limiter, 1, START + NS_PER_S), 1);
	limiter_each(limiter, START + NS_PER_S, visit, entries);
	assert_int_equal(entries[1].refused, 1);
}

/* --- many threads --- */

#define THREADS 4
#define LIMIT 1000

static void *take_often(void *arg)
{
	for (unsigned i = 0; i < LIMIT; i++)
		(void)take(arg, 1, START);
	return NULL;
}

TEST(a_limit_of_many_threads_is_one_limit)
{
	_cleanup_(limiter_free_p) struct limiter *limiter = limiter_of(LIMIT, 60 * NS_PER_S);
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_often, limiter), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(limiter_counts(limiter).allowed, LIMIT);
	assert_int_equal(limiter_counts(limiter).refused, (THREADS - 1) * LIMIT);
}
