/* The bounded cache: chained hash table over one block of entries, ordered by last use. See
 * cache.h. */
#include "cache/cache.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/macros.h"
#include "shared/secret.h"

/* Index 0 is the head of the use list and of the free list's absence: entries count from 1. */
#define NONE UINT32_C(0)

struct entry {
	uint8_t key[CACHE_KEY_BYTES];
	int64_t end_ms;
	uint32_t chain;        /* next in the same bucket, or next free */
	uint32_t newer, older; /* order of use */
	_Alignas(16) unsigned char value[];
};

struct cache {
	struct cache_options options;
	struct cache_stats stats;
	uint32_t bucket_mask;
	uint32_t free;
	size_t entry_bytes;
	uint32_t *buckets;
	char *entries;
};

static struct entry *entry_at(const struct cache *cache, uint32_t index)
{
	return (struct entry *)(cache->entries + index * cache->entry_bytes);
}

int cache_new(const struct cache_options *options, struct cache **ret_cache)
{
	_cleanup_(cache_free_p) struct cache *cache = calloc(1, sizeof(*cache));
	uint32_t buckets = 16;

	assert(options->entries_max > 0 && options->entries_max < UINT32_MAX / 4);
	if (!cache)
		return -ENOMEM;
	while (buckets < options->entries_max)
		buckets *= 2;
	cache->options = *options;
	cache->bucket_mask = buckets - 1;
	cache->entry_bytes = (sizeof(struct entry) + options->value_bytes + 15) & ~(size_t)15;
	cache->buckets = calloc(buckets, sizeof(*cache->buckets));
	cache->entries = aligned_alloc(16, (options->entries_max + 1) * cache->entry_bytes);
	if (!cache->buckets || !cache->entries)
		return -ENOMEM;
	/* The pages of entries are touched as they are used first: an empty cache costs no memory.
	 */
	memset(entry_at(cache, 0), 0, sizeof(struct entry));
	*ret_cache = TAKE(cache);
	return 0;
}

void cache_free(struct cache *cache)
{
	if (!cache)
		return;
	if (cache->entries && cache->buckets)
		cache_remove_if(cache, NULL, NULL);
	free(cache->entries);
	free(cache->buckets);
	free(cache);
}

/* The keys are digests already: any four bytes are a good hash. */
static uint32_t *bucket_of(struct cache *cache, const uint8_t *key)
{
	uint32_t hash;

	memcpy(&hash, key, sizeof(hash));
	return &cache->buckets[hash & cache->bucket_mask];
}

static void use_unlink(struct cache *cache, struct entry *entry)
{
	entry_at(cache, entry->newer)->older = entry->older;
	entry_at(cache, entry->older)->newer = entry->newer;
}

/* Entry 0 closes the ring: its older is the newest entry, its newer the oldest. */
static void use_link_newest(struct cache *cache, uint32_t index)
{
	struct entry *head = entry_at(cache, 0), *entry = entry_at(cache, index);

	entry->newer = 0;
	entry->older = head->older;
	entry_at(cache, head->older)->newer = index;
	head->older = index;
}

static void entry_remove(struct cache *cache, uint32_t index)
{
	struct entry *entry = entry_at(cache, index);
	uint32_t *link = bucket_of(cache, entry->key);

	while (*link != index)
		link = &entry_at(cache, *link)->chain;
	*link = entry->chain;
	use_unlink(cache, entry);
	secret_wipe(entry->value, cache->options.value_bytes);
	entry->chain = cache->free;
	cache->free = index;
	atomic_fetch_sub_explicit(&cache->stats.entries, 1, memory_order_relaxed);
}

static uint32_t index_find(struct cache *cache, const uint8_t *key)
{
	uint32_t index = *bucket_of(cache, key);

	while (index != NONE && memcmp(entry_at(cache, index)->key, key, CACHE_KEY_BYTES) != 0)
		index = entry_at(cache, index)->chain;
	return index;
}

void *cache_find(struct cache *cache, const uint8_t key[static CACHE_KEY_BYTES], int64_t now_ms)
{
	uint32_t index = index_find(cache, key);
	struct entry *entry;

	if (index != NONE && entry_at(cache, index)->end_ms <= now_ms) {
		entry_remove(cache, index);
		index = NONE;
	}
	if (index == NONE) {
		atomic_fetch_add_explicit(&cache->stats.misses, 1, memory_order_relaxed);
		return NULL;
	}
	atomic_fetch_add_explicit(&cache->stats.hits, 1, memory_order_relaxed);
	entry = entry_at(cache, index);
	use_unlink(cache, entry);
	use_link_newest(cache, index);
	return entry->value;
}

/* An unused entry: a freed one, one never used, or the one used longest ago. */
static uint32_t index_take(struct cache *cache)
{
	uint32_t index = cache->free;

	if (index != NONE) {
		cache->free = entry_at(cache, index)->chain;
		return index;
	}
	if (cache->stats.entries < cache->options.entries_max)
		return cache->stats.entries + 1;
	entry_remove(cache, entry_at(cache, 0)->newer);
	atomic_fetch_add_explicit(&cache->stats.evictions, 1, memory_order_relaxed);
	return index_take(cache);
}

void cache_insert(struct cache *cache, const uint8_t key[static CACHE_KEY_BYTES], const void *value,
	int64_t end_ms)
{
	uint32_t index = index_find(cache, key);
	struct entry *entry;
	uint32_t *bucket;

	if (index != NONE)
		entry_remove(cache, index);
	index = index_take(cache);
	entry = entry_at(cache, index);
	bucket = bucket_of(cache, key);
	memcpy(entry->key, key, CACHE_KEY_BYTES);
	memcpy(entry->value, value, cache->options.value_bytes);
	entry->end_ms = end_ms;
	entry->chain = *bucket;
	*bucket = index;
	use_link_newest(cache, index);
	atomic_fetch_add_explicit(&cache->stats.entries, 1, memory_order_relaxed);
}

unsigned cache_remove_if(
	struct cache *cache, bool (*matches)(const void *value, const void *arg), const void *arg)
{
	uint32_t index = entry_at(cache, 0)->older;
	unsigned removed = 0;

	while (index != NONE) {
		uint32_t older = entry_at(cache, index)->older;

		if (!matches || matches(entry_at(cache, index)->value, arg)) {
			entry_remove(cache, index);
			removed++;
		}
		index = older;
	}
	return removed;
}

const struct cache_stats *cache_stats(const struct cache *cache)
{
	return &cache->stats;
}
