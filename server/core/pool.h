/*
 * A bounded pool of equal objects of one core: allocates up to a maximum, keeps some of the freed
 * ones for reuse, gives the rest back to the allocator. Its numbers may be read by any thread
 * (authctl pool list). Not for threads otherwise.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "core/registry.h"

struct pool_options {
	const char *name; /* static text: "exchanges" */
	unsigned core;    /* index of the owner, for display */
	uint32_t object_bytes;
	uint32_t owned_bytes;  /* that an object usually has beside that, for display */
	uint32_t objects_max;  /* in use at one time */
	uint32_t objects_kept; /* free ones kept for reuse */
	/* Frees what an object owns, before its own memory goes; NULL for nothing. The first
	 * pointer of an object is the pool's while it is free. */
	void (*object_deinit)(void *object);
};

struct pool {
	struct pool_options options;
	struct pool_free *free;
	_Atomic uint32_t in_use, idle;
	_Atomic uint64_t refused; /* times that pool_get() found it full */
	struct registry_member member;
};

/* Registers the pool under its name. Objects come zeroed the first time, as they were left later.
 */
void pool_init(struct pool *pool, const struct pool_options *options);
void pool_deinit(struct pool *pool); /* asserts that nothing is in use */

/* NULL when objects_max are in use (counted as refused) or memory is out. */
void *pool_get(struct pool *pool);
void pool_put(struct pool *pool, void *object);

/* Of its objects, in use and kept, and of what they own. Any thread. */
uint64_t pool_bytes(const struct pool *pool);

/* Calls visit for every registered pool, from any thread. */
void pool_each(void (*visit)(const struct pool *pool, void *arg), void *arg);
