/* One load per key, with real fibers: who waits, who leads, what is kept, what an invalidation
 * means. */
#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "cache/lookup.h"
#include "core/fiber.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"

#define WAITERS_MAX 5
#define FIBERS (WAITERS_MAX + 8)
#define SECONDS(n) ((n)*NS_PER_S)

static struct wheel wheel;
static struct fiber_pool *fibers;
static struct lookup *lookup;

/* A fiber that asks, and the load that it makes when it has to. */
struct asker {
	struct fiber *fiber;
	const char *key;
	uint64_t value; /* what its load finds */
	bool is_negative, is_quick;
	int64_t keep_ms;
	bool is_loading; /* waits in its load for somebody to wake it */
	bool is_done;
	int result;
	uint64_t got;
};

static void key_make(const char *name, uint8_t key[static CACHE_KEY_BYTES])
{
	memset(key, 0, CACHE_KEY_BYTES);
	memcpy(key, name, strlen(name));
}

static int load_await(void *arg, struct lookup_found *found)
{
	struct asker *asker = arg;
	int r = 0;

	if (!asker->is_quick) {
		asker->is_loading = true;
		r = fiber_wait_await();
		asker->is_loading = false;
	}
	if (r < 0)
		return r;
	memcpy(found->value, &asker->value, sizeof(asker->value));
	found->tags[0] = cache_tag(str_cstr(asker->key));
	found->is_negative = asker->is_negative;
	if (asker->keep_ms)
		found->keep_ms = asker->keep_ms;
	return 0;
}

static void ask_main(void *arg)
{
	struct asker *asker = arg;
	uint8_t key[CACHE_KEY_BYTES];

	key_make(asker->key, key);
	asker->result = lookup_await(lookup, key, load_await, asker, &asker->got);
	asker->is_done = true;
}

static void ask_until(struct asker *asker, uint64_t deadline_ns)
{
	assert_int_equal(fiber_start(fibers, ask_main, asker, deadline_ns, &asker->fiber), 0);
}

static void ask(struct asker *asker)
{
	ask_until(asker, CLOCK_NEVER);
}

/* What is known of a key: 0 when it has to be loaded (and then it is kept as 0 nowhere). */
static uint64_t known(const char *name)
{
	uint8_t key[CACHE_KEY_BYTES];
	const uint64_t *value;

	key_make(name, key);
	value = cache_find((struct cache *)lookup_cache(lookup), key, clock_now_ns());
	return value ? *value : 0;
}

static void begin(void)
{
	struct lookup_options options = {
		.cache = { .name = "test", .entries_max = 16, .value_bytes = sizeof(uint64_t) },
		.wheel = &wheel,
		.waiters_max = WAITERS_MAX,
		.ttl_ms = 600000,
		.negative_ms = 5000,
		.sweep_ms = 120000,
	};

	clock_fake(SECONDS(1000), 0);
	wheel_init(&wheel, clock_now_ns());
	assert_int_equal(fiber_pool_new(&(struct fiber_pool_options){ .fibers_max = FIBERS,
						.fibers_kept = 4,
						.stack_bytes = 64 * 1024,
						.wheel = &wheel },
				 &fibers),
		0);
	assert_int_equal(lookup_new(&options, &lookup), 0);
}

static void end(void)
{
	assert_int_equal(fiber_pool_in_use(fibers), 0);
	lookup_free(lookup);
	fiber_pool_free(fibers);
	clock_fake_off();
}

static void advance_ms(uint64_t ms)
{
	clock_fake_advance_ms(ms);
	wheel_advance(&wheel, clock_now_ns());
}

TEST(a_value_is_loaded_once_and_then_known)
{
	struct asker first = { .key = "a", .value = 7, .is_quick = true };
	struct asker second = { .key = "a", .value = 8, .is_quick = true };

	begin();
	ask(&first);
	ask(&second);
	assert_int_equal(first.got, 7);
	assert_int_equal(second.got, 7);
	assert_int_equal(cache_stats(lookup_cache(lookup))->hits, 1);
	end();
}

TEST(fibers_that_miss_the_same_key_wait_for_one_load)
{
	struct asker askers[5] = {};

	begin();
	for (unsigned i = 0; i < 5; i++) {
		askers[i] = (struct asker){ .key = "a", .value = 10 + i };
		ask(&askers[i]);
		assert_int_equal(askers[i].is_loading, i == 0);
	}
	fiber_wake(askers[0].fiber, 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(askers[i].is_done);
		assert_int_equal(askers[i].result, 0);
		assert_int_equal(askers[i].got, 10);
	}
	assert_int_equal(cache_stats(lookup_cache(lookup))->joined, 4);
	end();
}

TEST(different_keys_do_not_wait_for_each_other)
{
	struct asker slow = { .key = "a", .value = 1 };
	struct asker other = { .key = "b", .value = 2, .is_quick = true };

	begin();
	ask(&slow);
	ask(&other);
	assert_true(other.is_done);
	assert_int_equal(other.got, 2);
	fiber_wake(slow.fiber, 0);
	assert_int_equal(slow.got, 1);
	end();
}

TEST(all_who_wait_get_the_error_of_a_failed_load_and_nothing_is_kept)
{
	struct asker askers[3] = {};

	begin();
	for (unsigned i = 0; i < 3; i++) {
		askers[i] = (struct asker){ .key = "a" };
		ask(&askers[i]);
	}
	fiber_wake(askers[0].fiber, -ERR_STORE_DOWN);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(askers[i].is_done);
		assert_int_equal(askers[i].result, -ERR_STORE_DOWN);
	}
	assert_int_equal(cache_stats(lookup_cache(lookup))->entries, 0);
	end();
}

TEST(when_the_leader_is_cancelled_the_next_one_loads_for_the_rest)
{
	struct asker askers[4] = {};

	begin();
	for (unsigned i = 0; i < 4; i++) {
		askers[i] = (struct asker){ .key = "a", .value = 10 + i };
		ask(&askers[i]);
	}
	fiber_cancel(askers[0].fiber);
	assert_int_equal(askers[0].result, -ERR_CANCELED);
	assert_true(askers[1].is_loading);
	assert_false(askers[2].is_loading || askers[2].is_done);
	fiber_wake(askers[1].fiber, 0);
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(askers[i].result, 0);
		assert_int_equal(askers[i].got, 11);
	}
	assert_int_equal(known("a"), 11);
	end();
}

TEST(when_the_leader_is_late_the_next_one_loads_and_late_ones_are_passed_over)
{
	struct asker askers[4] = {};
	uint64_t deadlines_s[] = { 1, 1, 1, 60 };

	begin();
	for (unsigned i = 0; i < 4; i++) {
		askers[i] = (struct asker){ .key = "a", .value = 10 + i };
		ask_until(&askers[i], clock_now_ns() + SECONDS(deadlines_s[i]));
	}
	advance_ms(2000);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(askers[i].is_done);
		assert_int_equal(askers[i].result, -ETIMEDOUT);
	}
	assert_true(askers[3].is_loading);
	fiber_wake(askers[3].fiber, 0);
	assert_int_equal(askers[3].got, 13);
	end();
}

TEST(one_that_waits_may_be_cancelled_and_the_others_go_on)
{
	struct asker askers[4] = {};

	begin();
	for (unsigned i = 0; i < 4; i++) {
		askers[i] = (struct asker){ .key = "a", .value = 10 };
		ask(&askers[i]);
	}
	fiber_cancel(askers[2].fiber);
	assert_int_equal(askers[2].result, -ERR_CANCELED);
	fiber_wake(askers[0].fiber, 0);
	assert_int_equal(askers[1].got, 10);
	assert_int_equal(askers[3].got, 10);
	end();
}

TEST(more_than_may_wait_are_refused)
{
	static struct asker askers[WAITERS_MAX + 2];

	begin();
	for (unsigned i = 0; i < ARRAY_SIZE(askers); i++) {
		askers[i] = (struct asker){ .key = "a", .value = 10 };
		ask(&askers[i]);
	}
	assert_true(askers[WAITERS_MAX + 1].is_done);
	assert_int_equal(askers[WAITERS_MAX + 1].result, -ERR_OVERLOADED);
	assert_false(askers[WAITERS_MAX].is_done);
	assert_int_equal(cache_stats(lookup_cache(lookup))->refused, 1);
	fiber_wake(askers[0].fiber, 0);
	for (unsigned i = 0; i <= WAITERS_MAX; i++)
		assert_int_equal(askers[i].got, 10);
	end();
}

TEST(what_was_invalidated_while_it_loaded_is_answered_but_not_kept)
{
	struct asker asker = { .key = "a", .value = 7 };

	begin();
	ask(&asker);
	lookup_forget_tag(lookup, 0, cache_tag(STR("a")));
	fiber_wake(asker.fiber, 0);
	assert_int_equal(asker.got, 7);
	assert_int_equal(known("a"), 0);
	end();
}

TEST(who_asks_after_an_invalidation_does_not_get_what_was_loaded_before_it)
{
	struct asker before = { .key = "a", .value = 7 }, joined = { .key = "a", .value = 8 };
	struct asker after = { .key = "a", .value = 9 };
	uint8_t key[CACHE_KEY_BYTES];

	begin();
	ask(&before);
	ask(&joined);
	key_make("a", key);
	lookup_forget(lookup, key);
	ask(&after);
	assert_true(after.is_loading);
	fiber_wake(before.fiber, 0);
	assert_int_equal(joined.got, 7);
	assert_false(after.is_done);
	fiber_wake(after.fiber, 0);
	assert_int_equal(after.got, 9);
	assert_int_equal(known("a"), 9);
	end();
}

TEST(values_and_negative_answers_end_in_their_time)
{
	struct asker value = { .key = "a", .value = 7, .is_quick = true };
	struct asker nobody = { .key = "b", .value = 8, .is_quick = true, .is_negative = true };
	struct asker brief = { .key = "c", .value = 9, .is_quick = true, .keep_ms = 1000 };
	struct asker never = { .key = "d", .value = 9, .is_quick = true, .keep_ms = -1 };

	begin();
	ask(&value);
	ask(&nobody);
	ask(&brief);
	ask(&never);
	assert_int_equal(known("d"), 0);
	advance_ms(999);
	assert_int_equal(known("c"), 9);
	advance_ms(1);
	assert_int_equal(known("c"), 0);
	advance_ms(3999);
	assert_int_equal(known("b"), 8);
	advance_ms(1);
	assert_int_equal(known("b"), 0);
	advance_ms(594999);
	assert_int_equal(known("a"), 7);
	advance_ms(1);
	assert_int_equal(known("a"), 0);
	end();
}

TEST(a_sweep_comes_by_itself)
{
	struct asker asker = { .key = "b", .value = 8, .is_quick = true, .is_negative = true };

	begin();
	ask(&asker);
	advance_ms(6000);
	assert_int_equal(cache_stats(lookup_cache(lookup))->entries, 1);
	advance_ms(115000);
	assert_int_equal(cache_stats(lookup_cache(lookup))->entries, 0);
	end();
}

TEST(distrust_empties_every_lookup_before_it_answers_again)
{
	struct asker first = { .key = "a", .value = 7, .is_quick = true };
	struct asker second = { .key = "a", .value = 8, .is_quick = true };

	begin();
	ask(&first);
	lookup_distrust_all();
	ask(&second);
	assert_int_equal(second.got, 8);
	assert_int_equal(known("a"), 8); /* once, not for ever */
	end();
}
