/* Adding up memory: what is whose, what is free, what nobody explains. */
#include "control/memory_account.h"

#include <string.h>

#include "support/test.h"

#define KB UINT64_C(1024)
#define FIBER (64 * KB)

static struct memory_account account;
static struct allocator_stats heap;

static struct mapping mapping(enum mapping_kind kind, uint64_t bytes, uint64_t resident)
{
	return (struct mapping){
		.start = 0x10000, .end = 0x10000 + bytes, .resident = resident, .kind = kind
	};
}

static void map(enum mapping_kind kind, uint64_t bytes, uint64_t resident)
{
	struct mapping one = mapping(kind, bytes, resident);

	memory_account_mapping(&account, &one);
}

static void own(enum claim_use use, enum claim_from from, enum mapping_kind kind, uint64_t bytes,
	uint64_t resident)
{
	struct mapping one = mapping(kind, bytes, resident);
	struct claim claim = { .bytes = bytes, .use = use, .from = from };

	memory_account_claim(&account, &claim, resident, &one);
}

static uint64_t sum(const struct memory_parts *parts)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < MEMORY_PARTS; i++)
		bytes += parts->bytes[i];
	return bytes;
}

static struct memory_parts end(void)
{
	struct memory_parts parts = memory_account_end(&account, &heap);

	assert_int_equal(sum(&parts) + parts.unexplained, parts.rss);
	return parts;
}

static void begin(void)
{
	account = memory_account_begin(FIBER);
	heap = (struct allocator_stats){ .name = "test" };
}

TEST(what_mappings_tell_needs_no_owner)
{
	struct memory_parts parts;

	begin();
	map(MAPPING_PROGRAM, 900 * KB, 800 * KB);
	map(MAPPING_LIBRARY, 9000 * KB, 7000 * KB);
	map(MAPPING_STACK, 8192 * KB, 12 * KB);
	map(MAPPING_STACK, FIBER, 8 * KB);
	map(MAPPING_RING, 64 * KB, 64 * KB);
	map(MAPPING_FILE, 32 * KB, 32 * KB);
	parts = end();
	assert_int_equal(parts.bytes[MEMORY_PROGRAM], 800 * KB);
	assert_int_equal(parts.bytes[MEMORY_LIBRARIES], 7000 * KB);
	assert_int_equal(parts.bytes[MEMORY_THREAD_STACKS], 12 * KB);
	assert_int_equal(parts.bytes[MEMORY_FIBER_STACKS], 8 * KB);
	assert_int_equal(parts.bytes[MEMORY_RINGS], 64 * KB);
	assert_int_equal(parts.bytes[MEMORY_STORE], 32 * KB);
	assert_int_equal(parts.unexplained, 0);
}

TEST(the_heap_is_what_was_counted_handed_out_or_is_free)
{
	struct memory_parts parts;

	begin();
	map(MAPPING_HEAP, 2000 * KB, 1000 * KB);
	heap.allocated = 700 * KB;
	heap.resident = 1100 * KB;
	memory_account_counted(&account, MEMORY_POOLS, 200 * KB);
	/* A table of which a tenth was ever touched. */
	own(CLAIM_LIMITS, CLAIM_FROM_HEAP, MAPPING_HEAP, 100 * KB, 10 * KB);
	parts = end();
	assert_int_equal(parts.bytes[MEMORY_POOLS], 200 * KB);
	assert_int_equal(parts.bytes[MEMORY_LIMITS], 10 * KB);
	assert_int_equal(parts.bytes[MEMORY_HEAP], 400 * KB);
	assert_int_equal(parts.bytes[MEMORY_HEAP_FREE], 390 * KB);
	assert_int_equal(parts.unexplained, 0);
}

TEST(what_the_heap_has_and_the_allocator_does_not_know_is_unexplained)
{
	struct memory_parts parts;

	begin();
	map(MAPPING_HEAP, 2000 * KB, 1000 * KB);
	heap.allocated = 300 * KB;
	heap.resident = 500 * KB;
	parts = end();
	assert_int_equal(parts.bytes[MEMORY_HEAP], 300 * KB);
	assert_int_equal(parts.bytes[MEMORY_HEAP_FREE], 200 * KB);
	assert_int_equal(parts.unexplained, 500 * KB);
}

TEST(an_anonymous_mapping_that_nobody_claims_is_unexplained)
{
	begin();
	map(MAPPING_OTHER, 1000 * KB, 600 * KB);
	assert_int_equal(end().unexplained, 600 * KB);
	own(CLAIM_CACHES, CLAIM_MAPPED, MAPPING_OTHER, 900 * KB, 550 * KB);
	assert_int_equal(end().unexplained, 50 * KB);
	assert_int_equal(end().bytes[MEMORY_CACHES], 550 * KB);
}

/* glibc maps large blocks one by one; jemalloc maps everything so. */
TEST(anonymous_mappings_may_be_the_allocators_as_far_as_it_says)
{
	begin();
	map(MAPPING_OTHER, 1000 * KB, 600 * KB);
	heap.allocated = heap.resident = heap.mapped = 400 * KB;
	assert_int_equal(end().bytes[MEMORY_HEAP], 400 * KB);
	assert_int_equal(end().unexplained, 200 * KB);
	/* Of these 400 KB somebody has claimed 300, of which few were touched. */
	own(CLAIM_TRACES, CLAIM_FROM_HEAP, MAPPING_OTHER, 300 * KB, 4 * KB);
	assert_int_equal(end().bytes[MEMORY_TRACES], 4 * KB);
	assert_int_equal(end().bytes[MEMORY_HEAP], 100 * KB);
	assert_int_equal(end().unexplained, 600 * KB - 104 * KB);
}

TEST(blocks_whose_pages_were_never_touched_do_not_make_it_more_than_there_is)
{
	begin();
	map(MAPPING_HEAP, 2000 * KB, 100 * KB);
	heap.allocated = heap.resident = 1000 * KB;
	assert_int_equal(end().bytes[MEMORY_HEAP], 100 * KB);
	assert_int_equal(end().bytes[MEMORY_HEAP_FREE], 0);
}
