/* Bounded pools: reuse, refusal, the registry. */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "core/pool.h"

struct object {
	void *link; /* the pool's */
	char *owned;
	int value;
};

static unsigned deinits;

static void object_deinit(void *memory)
{
	struct object *object = memory;

	free(object->owned);
	deinits++;
}

static void pool_of(struct pool *pool, uint32_t max, uint32_t kept)
{
	deinits = 0;
	pool_init(pool, &(struct pool_options){ .name = "test",
				.core = 3,
				.object_bytes = sizeof(struct object),
				.objects_max = max,
				.objects_kept = kept,
				.object_deinit = object_deinit });
}

TEST(a_new_object_is_zeroed)
{
	struct pool pool;
	struct object *object;

	pool_of(&pool, 2, 2);
	object = pool_get(&pool);
	assert_true(!object->link && !object->owned && !object->value);
	pool_put(&pool, object);
	pool_deinit(&pool);
}

TEST(an_object_comes_back_as_it_was_left)
{
	struct pool pool;
	struct object *object;

	pool_of(&pool, 2, 2);
	object = pool_get(&pool);
	object->value = 7;
	object->owned = malloc(1);
	pool_put(&pool, object);
	assert_ptr_equal(pool_get(&pool), object);
	assert_int_equal(object->value, 7);
	assert_int_equal(deinits, 0);
	pool_put(&pool, object);
	pool_deinit(&pool);
	assert_int_equal(deinits, 1);
}

TEST(one_object_too_many_is_refused_and_counted)
{
	struct pool pool;
	struct object *a, *b;

	pool_of(&pool, 2, 0);
	a = pool_get(&pool);
	b = pool_get(&pool);
	assert_true(a && b);
	assert_null(pool_get(&pool));
	assert_int_equal(pool.refused, 1);
	assert_int_equal(pool.in_use, 2);
	pool_put(&pool, a);
	a = pool_get(&pool);
	assert_non_null(a);
	pool_put(&pool, a);
	pool_put(&pool, b);
	pool_deinit(&pool);
}

TEST(no_more_free_objects_are_kept_than_said)
{
	struct pool pool;
	struct object *objects[3];

	pool_of(&pool, 3, 1);
	for (int i = 0; i < 3; i++)
		objects[i] = pool_get(&pool);
	for (int i = 0; i < 3; i++)
		pool_put(&pool, objects[i]);
	assert_int_equal(pool.idle, 1);
	assert_int_equal(pool.in_use, 0);
	assert_int_equal(deinits, 2);
	pool_deinit(&pool);
	assert_int_equal(deinits, 3);
}

static void count_mine(const struct pool *pool, void *arg)
{
	if (strcmp(pool->options.name, "test") == 0)
		++*(unsigned *)arg;
}

TEST(pools_are_listed_while_they_exist)
{
	struct pool first, second;
	unsigned count = 0;

	pool_of(&first, 1, 0);
	pool_of(&second, 1, 0);
	pool_each(count_mine, &count);
	assert_int_equal(count, 2);
	pool_deinit(&first);
	count = 0;
	pool_each(count_mine, &count);
	assert_int_equal(count, 1);
	pool_deinit(&second);
	count = 0;
	pool_each(count_mine, &count);
	assert_int_equal(count, 0);
}
