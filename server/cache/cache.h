/*
 * A bounded cache of one core: 32-byte keys (digests) to values of one fixed size, each with an
 * end. All memory is taken at the start; when full, the entry used longest ago goes. Not for
 * threads, but its numbers may be read by any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/macros.h"

#define CACHE_KEY_BYTES 32

struct cache;

struct cache_stats {
	_Atomic uint64_t hits, misses, evictions;
	_Atomic uint32_t entries;
};

struct cache_options {
	const char *name; /* static text */
	uint32_t entries_max;
	uint32_t value_bytes;
};

/* 0 or -ENOMEM. */
int cache_new(const struct cache_options *options, struct cache **ret_cache);
void cache_free(struct cache *cache); /* wipes every value; accepts NULL */
CLEANUP_P(cache_free, struct cache)

/* The value, valid until the next insert or remove; NULL when absent or past its end. */
void *cache_find(struct cache *cache, const uint8_t key[static CACHE_KEY_BYTES], int64_t now_ms);

/* Copies value in, replacing what had the key. */
void cache_insert(struct cache *cache, const uint8_t key[static CACHE_KEY_BYTES], const void *value,
	int64_t end_ms);

/* Removes every entry for which matches() is true: linear in entries_max; returns how many. */
unsigned cache_remove_if(
	struct cache *cache, bool (*matches)(const void *value, const void *arg), const void *arg);

const struct cache_stats *cache_stats(const struct cache *cache);
