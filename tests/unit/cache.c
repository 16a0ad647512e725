/* The bounded cache: who stays, ends, sweeping, tags, the registry, and a model beside it. */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "cache/ghosts.h"
#include "shared/macros.h"

#define END UINT64_C(1000)

/* A number as a key: mixed (splitmix64), since caches count on keys being digests. */
static const uint8_t *key_of(uint64_t number)
{
	static uint8_t keys[4][CACHE_KEY_BYTES];
	static unsigned turn;
	uint8_t *mine = keys[turn++ % 4];
	uint64_t x = number + UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	memset(mine, 0, CACHE_KEY_BYTES);
	memcpy(mine, &x, sizeof(x));
	memcpy(mine + sizeof(x), &number, sizeof(number));
	return mine;
}

static struct cache *cache_of(uint32_t entries)
{
	struct cache_options options = {
		.name = "test", .entries_max = entries, .value_bytes = sizeof(uint64_t)
	};
	struct cache *cache;

	assert_int_equal(cache_new(&options, &cache), 0);
	return cache;
}

static void put_until(struct cache *cache, uint64_t number, uint64_t end_ns)
{
	cache_insert(
		cache, key_of(number), &(struct cache_item){ .value = &number, .end_ns = end_ns });
}

static void put(struct cache *cache, uint64_t number)
{
	put_until(cache, number, END);
}

static void put_tagged(struct cache *cache, uint64_t number, uint64_t first, uint64_t second)
{
	cache_insert(cache, key_of(number),
		&(struct cache_item){ .value = &number, .end_ns = END, .tags = { first, second } });
}

static bool has(struct cache *cache, uint64_t number)
{
	const uint64_t *value = cache_find(cache, key_of(number), 0);

	assert_true(!value || *value == number);
	return value;
}

static uint64_t removed(const struct cache *cache, enum cache_reason reason)
{
	return cache_stats(cache)->removed[reason];
}

TEST(a_full_cache_keeps_everything_and_one_more_takes_one_place)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(100);
	unsigned found = 0;

	for (uint64_t i = 0; i < 100; i++)
		put(cache, i);
	for (uint64_t i = 0; i < 100; i++)
		assert_true(has(cache, i));
	assert_int_equal(removed(cache, CACHE_BY_SIZE), 0);
	put(cache, 100);
	for (uint64_t i = 0; i <= 100; i++)
		found += has(cache, i);
	assert_int_equal(found, 100);
	assert_true(has(cache, 100));
	assert_int_equal(removed(cache, CACHE_BY_SIZE), 1);
	assert_int_equal(cache_stats(cache)->entries, 100);
}

TEST(a_cache_of_one_entry_works)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(1);

	for (uint64_t i = 0; i < 10; i++) {
		put(cache, i);
		for (unsigned uses = 0; uses < i; uses++)
			assert_true(has(cache, i));
		assert_int_equal(cache_stats(cache)->entries, 1);
	}
}

TEST(of_what_came_when_it_was_full_the_oldest_goes_first)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(100);

	for (uint64_t i = 0; i < 115; i++)
		put(cache, i);
	for (uint64_t i = 100; i < 105; i++)
		assert_false(has(cache, i));
	for (uint64_t i = 105; i < 115; i++)
		assert_true(has(cache, i));
}

TEST(what_was_asked_for_twice_survives_those_who_came_later)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(10);

	put(cache, 1);
	put(cache, 2);
	assert_true(has(cache, 1) && has(cache, 1));
	for (uint64_t i = 100; i < 200; i++)
		put(cache, i);
	assert_true(has(cache, 1));
}

TEST(what_comes_back_soon_after_it_went_is_not_new_any_more)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(100);

	for (uint64_t i = 0; i < 120; i++)
		put(cache, i);
	assert_false(has(cache, 105));
	put(cache, 105); /* its ghost is known: it goes to the main queue, unused as it is */
	put(cache, 999);
	for (uint64_t i = 1000; i < 1080; i++)
		put(cache, i);
	assert_true(has(cache, 105));
	assert_false(has(cache, 999));
}

/* --- resistance to scans, beside a cache that forgets what was used longest ago --- */

#define HOT 200
#define ROOM 1000

struct lru {
	uint64_t numbers[ROOM], used[ROOM], clock;
};

static bool lru_ask(struct lru *lru, uint64_t number)
{
	unsigned oldest = 0;

	lru->clock++;
	for (unsigned i = 0; i < ROOM; i++) {
		if (lru->used[i] && lru->numbers[i] == number) {
			lru->used[i] = lru->clock;
			return true;
		}
		if (lru->used[i] < lru->used[oldest])
			oldest = i;
	}
	lru->numbers[oldest] = number;
	lru->used[oldest] = lru->clock;
	return false;
}

static bool cache_ask(struct cache *cache, uint64_t number)
{
	if (has(cache, number))
		return true;
	put(cache, number);
	return false;
}

TEST(a_flood_of_keys_that_come_once_leaves_the_popular_ones_alone)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(ROOM);
	static struct lru lru;
	unsigned hits = 0, hits_lru = 0, asked = 0;
	uint64_t flood = 1000000;

	for (unsigned round = 0; round < 4; round++) /* two hundred users at work */
		for (uint64_t i = 0; i < HOT; i++) {
			(void)cache_ask(cache, i);
			(void)lru_ask(&lru, i);
		}
	/* Between two looks at a popular key, 1,200 others come once. */
	for (unsigned i = 0; i < 20000; i++) {
		(void)cache_ask(cache, flood);
		(void)lru_ask(&lru, flood++);
		if (i % 6)
			continue;
		asked++;
		hits += cache_ask(cache, i / 6 % HOT);
		hits_lru += lru_ask(&lru, i / 6 % HOT);
	}
	assert_int_equal(hits, asked);
	assert_true(hits_lru < asked / 10); /* washed out after the first round */
}

TEST(new_favourites_replace_old_ones)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(100);
	unsigned hits = 0;

	for (unsigned round = 0; round < 10; round++)
		for (uint64_t i = 0; i < 90; i++)
			(void)cache_ask(cache, i);
	for (unsigned round = 0; round < 10; round++)
		for (uint64_t i = 500; i < 590; i++)
			hits = round == 9 ? hits + cache_ask(cache, i) : 0 * cache_ask(cache, i);
	assert_int_equal(hits, 90);
}

/* --- ends --- */

TEST(an_entry_past_its_end_is_not_found_and_counts_as_stale)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(3);

	put_until(cache, 1, 100);
	assert_non_null(cache_find(cache, key_of(1), 99));
	assert_null(cache_find(cache, key_of(1), 100));
	assert_int_equal(cache_stats(cache)->entries, 0);
	assert_int_equal(cache_stats(cache)->stale, 1);
	assert_int_equal(cache_stats(cache)->misses, 0);
	assert_int_equal(removed(cache, CACHE_BY_TTL), 1);
}

TEST(a_popular_key_is_still_popular_after_its_end)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(10);

	put_until(cache, 1, 100);
	assert_true(has(cache, 1) && has(cache, 1));
	for (uint64_t i = 100; i < 120; i++)
		put(cache, i); /* moves it to the main queue */
	assert_null(cache_find(cache, key_of(1), 100));
	put(cache, 1);
	for (uint64_t i = 200; i < 205; i++)
		put(cache, i); /* a new key would have had to go by now: the small queue is one */
	assert_true(has(cache, 1));
}

TEST(a_sweep_removes_what_is_too_old_and_nothing_else)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(100);

	for (uint64_t i = 0; i < 100; i++)
		put_until(cache, i, i % 2 ? 50 : 150);
	cache_sweep(cache, 49, 100);
	assert_int_equal(cache_stats(cache)->entries, 100);
	cache_sweep(cache, 50, 100);
	assert_int_equal(cache_stats(cache)->entries, 50);
	assert_int_equal(removed(cache, CACHE_BY_TTL), 50);
	for (uint64_t i = 0; i < 100; i += 2)
		assert_true(has(cache, i));
}

TEST(a_sweep_in_pieces_sees_every_entry)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(100);

	for (uint64_t i = 0; i < 95; i++)
		put_until(cache, i, 50);
	for (unsigned part = 0; part < 9; part++)
		cache_sweep(cache, 60, 10);
	assert_int_equal(cache_stats(cache)->entries, 5);
	cache_sweep(cache, 60, 10);
	assert_int_equal(cache_stats(cache)->entries, 0);
	cache_sweep(cache, 60, 10); /* of nothing */
}

/* --- removing --- */

TEST(a_tag_removes_all_that_have_it_and_only_those)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(64);
	uint64_t odd = cache_tag(STR("odd")), even = cache_tag(STR("even"));
	uint64_t three = cache_tag(STR("three"));

	for (unsigned round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < 60; i++)
			put_tagged(cache, i, i % 2 ? odd : even, i % 3 ? 0 : three);
		assert_int_equal(cache_remove_tag(cache, 0, odd), 30);
		assert_int_equal(cache_remove_tag(cache, 0, odd), 0);
		assert_false(has(cache, 7));
		assert_true(has(cache, 8));
		assert_int_equal(cache_remove_tag(cache, 1, three), 10);
		assert_false(has(cache, 6));
		assert_int_equal(cache_stats(cache)->entries, 20);
	}
	assert_int_equal(removed(cache, CACHE_BY_CHANGE), 120);
	assert_int_equal(removed(cache, CACHE_BY_SIZE), 0); /* their places were used again */
}

TEST(an_entry_that_was_replaced_has_its_new_tags_only)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(8);
	uint64_t old = cache_tag(STR("old")), new = cache_tag(STR("new"));

	put_tagged(cache, 1, old, 0);
	put_tagged(cache, 1, new, 0);
	assert_int_equal(cache_stats(cache)->entries, 1);
	assert_int_equal(cache_remove_tag(cache, 0, old), 0);
	assert_int_equal(cache_remove_tag(cache, 0, new), 1);
	assert_false(has(cache, 1));
}

TEST(a_flush_leaves_nothing_and_no_ghosts)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(20);

	for (uint64_t i = 0; i < 30; i++)
		put(cache, i);
	cache_flush(cache);
	assert_int_equal(cache_stats(cache)->entries, 0);
	assert_int_equal(cache_bytes(cache), 0);
	assert_int_equal(removed(cache, CACHE_BY_FLUSH), 20);
	put(cache, 1);
	for (uint64_t i = 100; i < 120; i++)
		put(cache, i);
	assert_false(has(cache, 1)); /* went before the flush: with its ghost it would be here */
}

TEST(negative_entries_are_counted_apart)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(4);
	uint64_t number = 1;

	cache_insert(cache, key_of(1),
		&(struct cache_item){ .value = &number, .end_ns = END, .is_negative = true });
	assert_true(has(cache, 1));
	put(cache, 1);
	assert_true(has(cache, 1));
	assert_false(has(cache, 2));
	assert_int_equal(cache_stats(cache)->negative_hits, 1);
	assert_int_equal(cache_stats(cache)->hits, 1);
	assert_int_equal(cache_stats(cache)->misses, 1);
}

/* --- the registry --- */

struct seen {
	unsigned count;
	uint64_t bytes;
	const struct cache *last;
};

static void see(const struct cache *cache, void *arg)
{
	struct seen *seen = arg;

	seen->count++;
	seen->bytes += cache_bytes(cache);
	seen->last = cache;
}

TEST(caches_are_listed_while_they_exist)
{
	_cleanup_(cache_free_p) struct cache *first = cache_of(4);
	struct cache *second = cache_of(4);
	struct seen seen = {};

	put(first, 1);
	put(second, 2);
	cache_each(see, &seen);
	assert_int_equal(seen.count, 2);
	assert_ptr_equal(seen.last, second);
	assert_string_equal(cache_options(seen.last)->name, "test");
	assert_int_equal(seen.bytes, cache_bytes(first) + cache_bytes(second));
	cache_free(second);
	seen = (struct seen){};
	cache_each(see, &seen);
	assert_int_equal(seen.count, 1);
}

/* --- ghosts --- */

TEST(ghosts_are_taken_once_and_the_oldest_of_a_set_is_forgotten)
{
	_cleanup_(ghosts_free_p) struct ghosts *ghosts = NULL;

	assert_int_equal(ghosts_new(8, &ghosts), 0); /* one set */
	for (uint64_t i = 1; i <= 9; i++)
		ghosts_add(ghosts, i);
	assert_false(ghosts_take(ghosts, 1));
	assert_true(ghosts_take(ghosts, 5));
	assert_false(ghosts_take(ghosts, 5));
	assert_true(ghosts_take(ghosts, 9));
	assert_true(ghosts_take(ghosts, 2));
	ghosts_clear(ghosts);
	assert_false(ghosts_take(ghosts, 3));
}

/* --- a model beside it: a cache may forget, but never errs --- */

#define MODEL_KEYS 64
#define MODEL_ROOM 24

struct model {
	struct {
		bool is_there; /* was put and not removed: the cache may have it */
		uint64_t value, end_ns, tags[CACHE_TAGS_MAX];
	} keys[MODEL_KEYS];
	uint64_t now_ns, inserted, replaced;
};

static uint64_t model_random(void)
{
	static uint64_t state = 7;

	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return state >> 33;
}

static void model_find(struct model *model, struct cache *cache, unsigned key)
{
	const uint64_t *value = cache_find(cache, key_of(key), model->now_ns);

	if (!value)
		return;
	assert_true(model->keys[key].is_there);
	assert_int_equal(*value, model->keys[key].value);
	assert_true(model->keys[key].end_ns > model->now_ns);
}

static void model_put(struct model *model, struct cache *cache, unsigned key)
{
	uint64_t value = model_random(), end_ns = model->now_ns + 1 + model_random() % 40;
	uint64_t tags[] = { model_random() % 5, model_random() % 3 };
	uint32_t before = cache_stats(cache)->entries;
	uint64_t evicted = removed(cache, CACHE_BY_SIZE);

	cache_insert(cache, key_of(key),
		&(struct cache_item){
			.value = &value, .end_ns = end_ns, .tags = { tags[0], tags[1] } });
	model->keys[key].is_there = true;
	model->keys[key].value = value;
	model->keys[key].end_ns = end_ns;
	memcpy(model->keys[key].tags, tags, sizeof(tags));
	if (cache_stats(cache)->entries == before && removed(cache, CACHE_BY_SIZE) == evicted)
		model->replaced++;
	else
		model->inserted++;
	model_find(model, cache, key);
	assert_int_equal(*(const uint64_t *)cache_find(cache, key_of(key), model->now_ns), value);
}

static void model_remove_tag(struct model *model, struct cache *cache)
{
	unsigned which = model_random() % 2;
	uint64_t tag = 1 + model_random() % (which ? 2 : 4);

	(void)cache_remove_tag(cache, which, tag);
	for (unsigned key = 0; key < MODEL_KEYS; key++)
		if (model->keys[key].tags[which] == tag)
			model->keys[key].is_there = false;
}

static void model_remove(struct model *model, struct cache *cache, unsigned key)
{
	bool was_there = cache_remove(cache, key_of(key));

	assert_true(!was_there || model->keys[key].is_there);
	model->keys[key].is_there = false;
}

static void model_check(const struct model *model, const struct cache *cache)
{
	uint64_t gone = 0;

	for (enum cache_reason reason = 0; reason < CACHE_REASONS; reason++)
		gone += removed(cache, reason);
	assert_true(cache_stats(cache)->entries <= MODEL_ROOM);
	assert_int_equal(model->inserted, gone + cache_stats(cache)->entries);
}

TEST(random_operations_agree_with_a_model)
{
	_cleanup_(cache_free_p) struct cache *cache = cache_of(MODEL_ROOM);
	struct model model = {};

	for (unsigned step = 0; step < 200000; step++) {
		unsigned key = model_random() % MODEL_KEYS, choice = model_random() % 100;

		if (choice < 45)
			model_find(&model, cache, choice < 20 ? key % 8 : key);
		else if (choice < 85)
			model_put(&model, cache, key);
		else if (choice < 90)
			model_remove_tag(&model, cache);
		else if (choice < 94)
			model_remove(&model, cache, key);
		else if (choice < 98)
			model.now_ns += 5;
		else if (choice < 99)
			cache_sweep(cache, model.now_ns, 7);
		else if (model_random() % 20 == 0) {
			cache_flush(cache);
			memset(model.keys, 0, sizeof(model.keys));
		}
		model_check(&model, cache);
	}
	assert_true(model.inserted > 10000 && model.replaced > 1000);
	assert_true(removed(cache, CACHE_BY_SIZE) > 1000);
}
