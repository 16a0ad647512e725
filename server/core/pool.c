/* Bounded pools and the registry of them: see pool.h. */
#include "core/pool.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "shared/macros.h"

/* A free object is a link; what it held is wiped by whoever puts it. */
struct pool_free {
	struct pool_free *next;
};

static struct registry registry = REGISTRY_INITIALIZER;

void pool_init(struct pool *pool, const struct pool_options *options)
{
	assert(options->object_bytes >= sizeof(struct pool_free));
	*pool = (struct pool){ .options = *options };
	registry_add(&registry, &pool->member);
}

static void object_free(struct pool *pool, void *object)
{
	if (pool->options.object_deinit)
		pool->options.object_deinit(object);
	free(object);
}

void pool_deinit(struct pool *pool)
{
	assert(atomic_load_explicit(&pool->in_use, memory_order_relaxed) == 0);
	registry_remove(&registry, &pool->member);
	while (pool->free) {
		struct pool_free *object = pool->free;

		pool->free = object->next;
		object_free(pool, object);
	}
}

static void count_add(_Atomic uint32_t *counter, uint32_t value)
{
	/* One writer: a load and a store, no locked instruction. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + value,
		memory_order_relaxed);
}

void *pool_get(struct pool *pool)
{
	struct pool_free *object = pool->free;

	if (atomic_load_explicit(&pool->in_use, memory_order_relaxed) ==
		pool->options.objects_max) {
		atomic_fetch_add_explicit(&pool->refused, 1, memory_order_relaxed);
		return NULL;
	}
	if (object) {
		pool->free = object->next;
		object->next = NULL;
		count_add(&pool->idle, (uint32_t)-1);
	} else {
		object = calloc(1, pool->options.object_bytes);
		if (!object) {
			atomic_fetch_add_explicit(&pool->refused, 1, memory_order_relaxed);
			return NULL;
		}
	}
	count_add(&pool->in_use, 1);
	return object;
}

void pool_put(struct pool *pool, void *object)
{
	struct pool_free *link = object;

	assert(atomic_load_explicit(&pool->in_use, memory_order_relaxed) > 0);
	count_add(&pool->in_use, (uint32_t)-1);
	if (atomic_load_explicit(&pool->idle, memory_order_relaxed) >= pool->options.objects_kept) {
		object_free(pool, object);
		return;
	}
	link->next = pool->free;
	pool->free = link;
	count_add(&pool->idle, 1);
}

uint64_t pool_bytes(const struct pool *pool)
{
	uint32_t objects = atomic_load_explicit(&pool->in_use, memory_order_relaxed) +
			   atomic_load_explicit(&pool->idle, memory_order_relaxed);

	return (uint64_t)(pool->options.object_bytes + pool->options.owned_bytes) * objects;
}

void pool_each(void (*visit)(const struct pool *pool, void *arg), void *arg)
{
	for (const struct registry_member *member = registry_hold(&registry); member;
		member = member->next)
		visit(container_of(member, const struct pool, member), arg);
	registry_release(&registry);
}
