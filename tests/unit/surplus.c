/* When freed memory is given back: bursts, a slow rise, what cannot be given back; and that it
 * goes. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "observe/allocator.h"
#include "observe/surplus.h"
#include "shared/macros.h"

#define MIB (INT64_C(1) << 20)

TEST(what_is_steady_stays)
{
	struct surplus surplus = { 0 };

	for (unsigned i = 0; i < 100; i++)
		assert_false(surplus_look(&surplus, 12 * MIB + i % 3 * MIB));
}

TEST(what_a_burst_left_is_given_back_at_the_second_look)
{
	struct surplus surplus = { 0 };

	assert_false(surplus_look(&surplus, 2 * MIB));
	assert_false(surplus_look(&surplus, 2 * MIB + SURPLUS_BYTES));
	assert_true(surplus_look(&surplus, 2 * MIB + SURPLUS_BYTES));
}

TEST(what_is_in_use_again_at_the_second_look_stays)
{
	struct surplus surplus = { 0 };

	assert_false(surplus_look(&surplus, 0));
	for (unsigned i = 0; i < 100; i++) {
		assert_false(surplus_look(&surplus, 20 * MIB));
		assert_false(surplus_look(&surplus, 1 * MIB));
	}
}

TEST(a_slow_rise_is_given_back_as_well)
{
	struct surplus surplus = { 0 };
	unsigned given_back = 0;

	for (int64_t idle = 0; idle < 20 * MIB; idle += MIB / 4) {
		if (!surplus_look(&surplus, idle))
			continue;
		given_back++;
		idle = 0;
		surplus_given_back(&surplus, idle);
		if (given_back == 3)
			return;
	}
	fail();
}

TEST(what_cannot_be_given_back_is_tried_once)
{
	struct surplus surplus = { 0 };
	unsigned given_back = 0;

	assert_false(surplus_look(&surplus, 0));
	for (unsigned i = 0; i < 100; i++)
		if (surplus_look(&surplus, 20 * MIB)) {
			given_back++;
			surplus_given_back(&surplus, 20 * MIB);
		}
	assert_int_equal(given_back, 1);
	/* The next burst counts from there. */
	assert_false(surplus_look(&surplus, 20 * MIB + SURPLUS_BYTES));
	assert_true(surplus_look(&surplus, 20 * MIB + SURPLUS_BYTES));
}

TEST(blocks_that_were_never_touched_do_not_confuse)
{
	struct surplus surplus = { 0 };

	assert_false(surplus_look(&surplus, -100 * MIB));
	assert_false(surplus_look(&surplus, -100 * MIB + SURPLUS_BYTES));
	assert_true(surplus_look(&surplus, -100 * MIB + SURPLUS_BYTES));
}

static int64_t resident(void)
{
	long long size, pages;
	FILE *file = fopen("/proc/self/statm", "re");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lld %lld", &size, &pages), 2);
	(void)fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

/* Why any of this is there: only the purge gives back what lies before a block that is in use. */
TEST(a_purge_gives_back_the_middle_of_the_heap)
{
#if defined(__SANITIZE_ADDRESS__)
	skip(); /* another allocator, that keeps what is freed for a while */
#endif
	enum { BLOCKS = 4000, BYTES = 4096 };
	static void *blocks[BLOCKS];
	struct allocator_stats stats;
	int64_t kept;
	void *last;

	allocator_stats(&stats);
	if (strcmp(stats.name, "glibc") != 0)
		skip();
	for (unsigned i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(BYTES);
		assert_non_null(blocks[i]);
		memset(blocks[i], 1, BYTES);
	}
	last = malloc(BYTES);
	assert_non_null(last);
	for (unsigned i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	kept = resident();
	allocator_purge();
	assert_true(kept - resident() > 8 * MIB);
	free(last);
}
