/* The histogram: where values go, how far off percentiles may be, merging, the ends. */
#include "support/test.h"

#include <stdlib.h>

#include "shared/histogram.h"

#define LAST_VALUE ((UINT64_C(1) << HISTOGRAM_BITS) - 1)

TEST(small_values_have_a_bucket_each)
{
	for (uint64_t value = 0; value < 64; value++) {
		assert_int_equal(histogram_bucket_of(value), value);
		assert_int_equal(histogram_bucket_last(value), value);
	}
}

TEST(buckets_follow_each_other_without_gap_or_overlap)
{
	for (size_t i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
		assert_int_equal(histogram_bucket_of(histogram_bucket_last(i)), i);
		assert_int_equal(histogram_bucket_of(histogram_bucket_last(i) + 1), i + 1);
	}
	assert_int_equal(histogram_bucket_last(HISTOGRAM_BUCKETS - 1), LAST_VALUE);
}

TEST(a_bucket_is_at_most_a_thirty_second_of_its_values_wide)
{
	for (size_t i = 1; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t last = histogram_bucket_last(i), first = histogram_bucket_last(i - 1) + 1;

		assert_true((last - first) * 32 <= first);
	}
}

TEST(values_past_the_last_bucket_are_counted_in_it_with_an_exact_maximum)
{
	struct histogram h = {};

	histogram_record(&h, LAST_VALUE + 1);
	histogram_record(&h, UINT64_MAX);
	assert_int_equal(h.buckets[HISTOGRAM_BUCKETS - 1], 2);
	assert_true(histogram_percentile(&h, 50) == UINT64_MAX);
}

TEST(an_empty_histogram_answers_zero)
{
	struct histogram h = {};

	assert_int_equal(histogram_percentile(&h, 0), 0);
	assert_int_equal(histogram_percentile(&h, 100), 0);
	assert_true(histogram_mean(&h) == 0);
}

TEST(one_value_is_every_percentile)
{
	struct histogram h = {};

	histogram_record(&h, 1000003);
	for (double p = 0; p <= 100; p += 12.5)
		assert_int_equal(histogram_percentile(&h, p), 1000003);
	assert_true(histogram_mean(&h) == 1000003);
}

TEST(percents_outside_the_range_are_its_ends)
{
	struct histogram h = {};

	histogram_record(&h, 3);
	histogram_record(&h, 9);
	assert_int_equal(histogram_percentile(&h, -1), 3);
	assert_int_equal(histogram_percentile(&h, 200), 9);
}

TEST(the_percentile_is_the_smallest_value_that_enough_values_do_not_exceed)
{
	struct histogram h = {};

	for (uint64_t value = 1; value <= 10; value++)
		histogram_record(&h, value);
	assert_int_equal(histogram_percentile(&h, 0), 1);
	assert_int_equal(histogram_percentile(&h, 10), 1);
	assert_int_equal(histogram_percentile(&h, 10.5), 2);
	assert_int_equal(histogram_percentile(&h, 50), 5);
	assert_int_equal(histogram_percentile(&h, 90), 9);
	assert_int_equal(histogram_percentile(&h, 90.1), 10);
	assert_int_equal(histogram_percentile(&h, 100), 10);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The same stream of numbers in every run; spread over all powers of two below 2^40. */
static uint64_t number_next(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (*state >> 24) >> (*state % 40);
}

TEST(percentiles_are_never_low_and_at_most_a_thirty_second_high)
{
	enum { VALUES = 20000 };
	static uint64_t values[VALUES];
	struct histogram h = {};
	uint64_t seed = 1;

	for (size_t i = 0; i < VALUES; i++) {
		values[i] = number_next(&seed);
		histogram_record(&h, values[i]);
	}
	qsort(values, VALUES, sizeof(*values), compare);
	for (size_t rank = 1; rank <= VALUES; rank += 7) {
		uint64_t exact = values[rank - 1];
		uint64_t told = histogram_percentile(&h, ((double)rank - 0.5) * 100 / VALUES);

		assert_in_range(told, exact, exact + exact / 32);
	}
}

TEST(merging_gives_what_recording_all_in_one_would_have)
{
	static struct histogram parts[3], merged, whole;
	uint64_t seed = 7;

	for (unsigned i = 0; i < 3000; i++) {
		uint64_t value = number_next(&seed);

		histogram_record(&parts[i % 3], value);
		histogram_record(&whole, value);
	}
	for (unsigned i = 0; i < 3; i++)
		histogram_merge(&merged, &parts[i]);
	assert_memory_equal(&merged, &whole, sizeof(whole));
}
