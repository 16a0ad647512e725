/* Examples of histograms: which bucket, which is kept, what a reader sees. */
#include "observe/exemplars.h"

#include <pthread.h>
#include <string.h>

#include "observe/exposition.h"
#include "shared/clock.h"
#include "support/test.h"

static struct exemplar example(uint64_t ns, int64_t wall_ms, uint8_t trace)
{
	struct exemplar exemplar = { .ns = ns, .wall_ms = wall_ms };

	memset(exemplar.trace, trace, sizeof(exemplar.trace));
	return exemplar;
}

TEST(an_example_is_in_the_first_bucket_whose_edge_it_does_not_exceed)
{
	static const struct {
		uint64_t ns;
		unsigned bucket;
	} cases[] = { { 0, 0 }, { 100 * NS_PER_US, 0 }, { 100 * NS_PER_US + 1, 1 },
		{ 5 * NS_PER_S, EXPOSITION_EDGES - 1 }, { 5 * NS_PER_S + 1, EXPOSITION_EDGES },
		{ UINT64_MAX, EXPOSITION_EDGES } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct exemplar into[EXEMPLARS] = {}, put = example(cases[i].ns, 1, 7);
		struct exemplars exemplars = {};

		exemplars_put(&exemplars, &put);
		exemplars_merge(&exemplars, into);
		for (unsigned bucket = 0; bucket < EXEMPLARS; bucket++)
			assert_int_equal(into[bucket].wall_ms, bucket == cases[i].bucket);
		assert_int_equal(into[cases[i].bucket].ns, cases[i].ns);
		assert_memory_equal(into[cases[i].bucket].trace, put.trace, sizeof(put.trace));
	}
}

TEST(the_latest_of_a_bucket_is_kept_whichever_core_it_is_of)
{
	struct exemplar into[EXEMPLARS] = {}, first = example(1, 10, 1), second = example(2, 20, 2),
			other = example(3, 15, 3);
	struct exemplars one = {}, two = {};

	exemplars_put(&one, &first);
	exemplars_put(&one, &second);
	exemplars_put(&two, &other);
	exemplars_merge(&two, into);
	exemplars_merge(&one, into);
	assert_int_equal(into[0].ns, 2);
	exemplars_merge(&two, into);
	assert_int_equal(into[0].ns, 2);
}

static struct exemplars shared;
static _Atomic bool is_over;

static void *write_many(void *arg)
{
	for (unsigned i = 1; i <= 200000; i++) {
		struct exemplar put = example(i % 200, i, (uint8_t)(i % 200));

		exemplars_put(&shared, &put);
	}
	is_over = true;
	return arg;
}

TEST(a_reader_never_sees_half_of_two)
{
	pthread_t writer;

	assert_int_equal(pthread_create(&writer, NULL, write_many, NULL), 0);
	while (!is_over) {
		struct exemplar into[EXEMPLARS] = {};

		exemplars_merge(&shared, into);
		if (!into[0].wall_ms)
			continue;
		assert_int_equal(into[0].ns, into[0].wall_ms % 200);
		for (size_t i = 0; i < sizeof(into[0].trace); i++)
			assert_int_equal(into[0].trace[i], into[0].ns);
	}
	pthread_join(writer, NULL);
}
