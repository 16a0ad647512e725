/*
 * A cache in front of something slow. Fibers that miss the same key at the same time wait for one
 * load. What was invalidated while it was being loaded is not kept, and who asks after an
 * invalidation never gets what a load that began before it has found. Of one core: its calls are
 * made on that core's thread.
 */
#pragma once

#include "cache/cache.h"
#include "core/wheel.h"

struct lookup;

struct lookup_options {
	struct cache_options cache;
	struct wheel *wheel; /* for the sweep */
	/* Fibers that wait for one load; one more gets -ERR_OVERLOADED. Waiting itself costs
	 * nothing but the fiber, and a key that is slow to load must not hold every one of a core.
	 */
	uint32_t waiters_max;
	uint64_t ttl_ms;      /* the longest that anything is kept */
	uint64_t negative_ms; /* the same for negative answers */
	uint64_t sweep_ms;    /* all that has passed its end is gone within two of these */
};

/* What a load fills. */
struct lookup_found {
	void *value;                   /* value_bytes of zeroed memory */
	uint64_t tags[CACHE_TAGS_MAX]; /* for lookup_forget_tag() */
	int64_t keep_ms;               /* ttl_ms unless lowered; 0 or less: not kept */
	bool is_negative;
};

/* 0, or an error that all who wait for this load get. */
typedef int lookup_load(void *arg, struct lookup_found *found);

/* 0 or -ENOMEM. */
int lookup_new(const struct lookup_options *options, struct lookup **ret_lookup);
void lookup_free(struct lookup *lookup); /* no fiber waits; accepts NULL */

/*
 * On a fiber: copies the value of key into ret_value, calling load() when it is not known. 0,
 * load's error, -ERR_OVERLOADED, or -ETIMEDOUT and -ERR_CANCELED of this fiber: another one that
 * waits then loads anew.
 */
int lookup_await(struct lookup *lookup, const uint8_t key[static CACHE_KEY_BYTES],
	lookup_load *load_await, void *arg, void *ret_value);

void lookup_forget(struct lookup *lookup, const uint8_t key[static CACHE_KEY_BYTES]);
void lookup_forget_tag(struct lookup *lookup, unsigned which, uint64_t tag);
void lookup_flush(struct lookup *lookup);

/*
 * Any thread, needs no memory: every lookup of every core forgets all before it is used again. For
 * the case that an invalidation could not be delivered.
 */
void lookup_distrust_all(void);

const struct cache *lookup_cache(const struct lookup *lookup);
