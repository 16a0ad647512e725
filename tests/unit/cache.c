/* The bounded cache: order of use, ends, removal. */
#include "support/test.h"

#include <string.h>

#include "cache/cache.h"

static const uint8_t *key_of(unsigned number)
{
	static uint8_t key[4][CACHE_KEY_BYTES];
	static unsigned turn;
	uint8_t *mine = key[turn++ % 4];

	memset(mine, 0, CACHE_KEY_BYTES);
	memcpy(mine, &number, sizeof(number));
	return mine;
}

static struct cache *cache_of(unsigned entries)
{
	struct cache_options options = {
		.name = "test", .entries_max = entries, .value_bytes = sizeof(unsigned)
	};
	struct cache *cache;

	assert_int_equal(cache_new(&options, &cache), 0);
	return cache;
}

TEST(a_full_cache_forgets_what_was_used_longest_ago)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(3);

	for (unsigned i = 1; i <= 3; i++)
		cache_insert(cache, key_of(i), &i, 100);
	assert_non_null(cache_find(cache, key_of(1), 0));
	cache_insert(cache, key_of(4), &(unsigned){ 4 }, 100);
	assert_null(cache_find(cache, key_of(2), 0));
	assert_int_equal(*(unsigned *)cache_find(cache, key_of(1), 0), 1);
	assert_int_equal(cache_stats(cache)->evictions, 1);
}

TEST(an_entry_past_its_end_is_not_found)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(3);

	cache_insert(cache, key_of(1), &(unsigned){ 1 }, 100);
	assert_non_null(cache_find(cache, key_of(1), 99));
	assert_null(cache_find(cache, key_of(1), 100));
	assert_int_equal(cache_stats(cache)->entries, 0);
}

static bool is_odd(const void *value, const void *arg)
{
	(void)arg;
	return *(const unsigned *)value % 2;
}

TEST(matching_entries_are_removed_and_their_room_is_used_again)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(64);

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 64; i++)
			cache_insert(cache, key_of(i), &i, 100);
		assert_int_equal(cache_remove_if(cache, is_odd, NULL), 32);
		assert_null(cache_find(cache, key_of(7), 0));
		assert_non_null(cache_find(cache, key_of(8), 0));
	}
}
