/*
 * The bounded cache: entries in one block, found by a chained hash table, linked by their tags, and
 * standing in one of two queues. New keys enter the small queue. At its end, what was used again
 * goes over to the main queue and what was not goes, leaving a ghost; a key with a ghost enters the
 * main queue at once. At the end of the main queue what was used gets another round. See cache.h.
 */
#include "cache/cache.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cache/ghosts.h"
#include "core/claims.h"
#include "core/registry.h"
#include "shared/secret.h"

/* Entries count from 1. */
#define NONE UINT32_C(0)

/* The paper's: a tenth of the room for what may be asked for only once, two bits of use. */
#define SMALL_SHARE 10
#define USES_MAX 3
#define USES_TO_STAY 2

enum queue_name { QUEUE_SMALL, QUEUE_MAIN, QUEUES };

struct queue {
	uint32_t newest, oldest, count;
};

struct entry {
	uint8_t key[CACHE_KEY_BYTES];
	uint64_t end_ns;       /* 0: free */
	uint32_t chain;        /* next in the same bucket, or next free */
	uint32_t newer, older; /* in its queue */
	uint8_t uses, queue;
	bool is_negative;
	struct tag_link {
		uint64_t tag;
		uint32_t next, prev; /* prev NONE: the first of its bucket */
	} tags[CACHE_TAGS_MAX];
	_Alignas(16) unsigned char value[];
};

struct cache {
	struct cache_options options;
	struct cache_stats stats;
	struct queue queues[QUEUES];
	uint32_t small_max;
	uint32_t bucket_mask; /* of all tables */
	uint32_t free;
	uint32_t touched;  /* entries 1..touched have been used */
	uint32_t swept_to; /* where the sweep goes on */
	size_t entry_bytes;
	struct ghosts *ghosts;
	uint32_t *buckets;
	uint32_t *tag_buckets[CACHE_TAGS_MAX];
	char *entries;
	struct registry_member member;
};

/* Guards the list of caches. No other lock is taken under it. */
static struct registry registry = REGISTRY_INITIALIZER;

static struct entry *entry_at(const struct cache *cache, uint32_t index)
{
	return (struct entry *)(cache->entries + index * cache->entry_bytes);
}

/* One writer: a load and a store, no locked instruction. */
static void count_add(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + value,
		memory_order_relaxed);
}

static void entries_add(struct cache *cache, uint32_t value)
{
	_Atomic uint32_t *entries = &cache->stats.entries;

	atomic_store_explicit(entries, atomic_load_explicit(entries, memory_order_relaxed) + value,
		memory_order_relaxed);
}

/* --- life --- */

static size_t block_bytes(const struct cache *cache)
{
	return ((size_t)cache->options.entries_max + 1) * cache->entry_bytes;
}

/* Its pages are touched as entries are used first: an empty cache costs address space only. */
static int block_new(struct cache *cache)
{
	char *block = mmap(NULL, block_bytes(cache), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (block == MAP_FAILED)
		return -ENOMEM;
	/* Huge pages would be touched whole; and who was here is nobody's business after a crash.
	 */
	(void)madvise(block, block_bytes(cache), MADV_NOHUGEPAGE);
	(void)madvise(block, block_bytes(cache), MADV_DONTDUMP);
	claim(CLAIM_CACHES, CLAIM_MAPPED, block, block_bytes(cache));
	cache->entries = block;
	return 0;
}

static int tables_new(struct cache *cache)
{
	uint32_t buckets = 16;

	while (buckets < cache->options.entries_max)
		buckets *= 2;
	cache->bucket_mask = buckets - 1;
	cache->buckets = calloc(buckets, sizeof(*cache->buckets));
	if (!cache->buckets)
		return -ENOMEM;
	claim(CLAIM_CACHES, CLAIM_FROM_HEAP, cache->buckets, buckets * sizeof(*cache->buckets));
	for (unsigned i = 0; i < CACHE_TAGS_MAX; i++) {
		cache->tag_buckets[i] = calloc(buckets, sizeof(*cache->buckets));
		if (!cache->tag_buckets[i])
			return -ENOMEM;
		claim(CLAIM_CACHES, CLAIM_FROM_HEAP, cache->tag_buckets[i],
			buckets * sizeof(*cache->buckets));
	}
	return ghosts_new(cache->options.entries_max, &cache->ghosts);
}

int cache_new(const struct cache_options *options, struct cache **ret_cache)
{
	_cleanup_(cache_free_p) struct cache *cache = calloc(1, sizeof(*cache));
	int r;

	assert(options->entries_max > 0 && options->entries_max <= CACHE_ENTRIES_MAX);
	if (!cache)
		return -ENOMEM;
	cache->options = *options;
	cache->small_max = MAX(options->entries_max / SMALL_SHARE, 1);
	cache->entry_bytes = (sizeof(struct entry) + options->value_bytes + 15) & ~(size_t)15;
	r = tables_new(cache);
	if (r == 0)
		r = block_new(cache);
	if (r < 0)
		return r;
	registry_add(&registry, &cache->member);
	*ret_cache = TAKE(cache);
	return 0;
}

void cache_free(struct cache *cache)
{
	if (!cache)
		return;
	if (cache->entries) {
		registry_remove(&registry, &cache->member);
		cache_flush(cache);
		claim_end(cache->entries);
		munmap(cache->entries, block_bytes(cache));
	}
	ghosts_free(cache->ghosts);
	for (unsigned i = 0; i < CACHE_TAGS_MAX; i++) {
		claim_end(cache->tag_buckets[i]);
		free(cache->tag_buckets[i]);
	}
	claim_end(cache->buckets);
	free(cache->buckets);
	free(cache);
}

/* --- links --- */

/* The keys are digests already: any eight bytes are a good hash. */
static uint64_t hash_of(const uint8_t *key)
{
	uint64_t hash;

	memcpy(&hash, key, sizeof(hash));
	return hash;
}

static uint32_t *bucket_of(struct cache *cache, const uint8_t *key)
{
	return &cache->buckets[hash_of(key) & cache->bucket_mask];
}

static void queue_remove(struct cache *cache, uint32_t index)
{
	struct entry *entry = entry_at(cache, index);
	struct queue *queue = &cache->queues[entry->queue];

	if (entry->newer)
		entry_at(cache, entry->newer)->older = entry->older;
	else
		queue->newest = entry->older;
	if (entry->older)
		entry_at(cache, entry->older)->newer = entry->newer;
	else
		queue->oldest = entry->newer;
	queue->count--;
}

static void queue_append(struct cache *cache, enum queue_name name, uint32_t index)
{
	struct entry *entry = entry_at(cache, index);
	struct queue *queue = &cache->queues[name];

	entry->queue = (uint8_t)name;
	entry->newer = NONE;
	entry->older = queue->newest;
	if (queue->newest)
		entry_at(cache, queue->newest)->newer = index;
	else
		queue->oldest = index;
	queue->newest = index;
	queue->count++;
}

static uint32_t *tag_bucket_of(struct cache *cache, unsigned which, uint64_t tag)
{
	return &cache->tag_buckets[which][tag & cache->bucket_mask];
}

static void tags_link(struct cache *cache, uint32_t index, const uint64_t *tags)
{
	for (unsigned i = 0; i < CACHE_TAGS_MAX; i++) {
		struct tag_link *link = &entry_at(cache, index)->tags[i];
		uint32_t *bucket = tag_bucket_of(cache, i, tags[i]);

		*link = (struct tag_link){ .tag = tags[i] };
		if (!tags[i])
			continue;
		link->next = *bucket;
		if (*bucket)
			entry_at(cache, *bucket)->tags[i].prev = index;
		*bucket = index;
	}
}

static void tags_unlink(struct cache *cache, uint32_t index)
{
	for (unsigned i = 0; i < CACHE_TAGS_MAX; i++) {
		const struct tag_link *link = &entry_at(cache, index)->tags[i];

		if (!link->tag)
			continue;
		if (link->prev)
			entry_at(cache, link->prev)->tags[i].next = link->next;
		else
			*tag_bucket_of(cache, i, link->tag) = link->next;
		if (link->next)
			entry_at(cache, link->next)->tags[i].prev = link->prev;
	}
}

/* --- removing --- */

/*
 * Who is remembered without its value: what left the small queue, as the paper has it, and what was
 * popular until its end, so that its next load finds it popular still.
 */
static bool leaves_ghost(const struct entry *entry, enum cache_reason reason)
{
	return (reason == CACHE_BY_SIZE && entry->queue == QUEUE_SMALL) ||
	       (reason == CACHE_BY_TTL && entry->queue == QUEUE_MAIN);
}

static void entry_remove(struct cache *cache, uint32_t index, enum cache_reason reason)
{
	struct entry *entry = entry_at(cache, index);
	uint32_t *link = bucket_of(cache, entry->key);

	while (*link != index)
		link = &entry_at(cache, *link)->chain;
	*link = entry->chain;
	queue_remove(cache, index);
	tags_unlink(cache, index);
	if (leaves_ghost(entry, reason))
		ghosts_add(cache->ghosts, hash_of(entry->key));
	secret_wipe(entry->value, cache->options.value_bytes);
	entry->end_ns = 0;
	entry->chain = cache->free;
	cache->free = index;
	entries_add(cache, (uint32_t)-1);
	count_add(&cache->stats.removed[reason], 1);
}

/*
 * Frees one entry. Each look at an entry that may stay takes one of its uses or moves it to the
 * main queue, which hits have paid for; the limit is for the unlucky insert after very many of
 * them.
 */
static void room_make(struct cache *cache)
{
	const struct queue *small = &cache->queues[QUEUE_SMALL], *main = &cache->queues[QUEUE_MAIN];

	for (unsigned moves = 0;; moves++) {
		bool is_small = small->count >= cache->small_max || !main->count;
		uint32_t index = is_small ? small->oldest : main->oldest;
		struct entry *entry = entry_at(cache, index);

		if (moves == CACHE_MOVES_MAX || entry->uses < (is_small ? USES_TO_STAY : 1)) {
			entry_remove(cache, index, CACHE_BY_SIZE);
			return;
		}
		queue_remove(cache, index);
		entry->uses = is_small ? 0 : entry->uses - 1;
		queue_append(cache, QUEUE_MAIN, index);
	}
}

/* --- finding and keeping --- */

static uint32_t index_find(struct cache *cache, const uint8_t *key)
{
	uint32_t index = *bucket_of(cache, key);

	while (index != NONE && memcmp(entry_at(cache, index)->key, key, CACHE_KEY_BYTES) != 0)
		index = entry_at(cache, index)->chain;
	return index;
}

const void *cache_find(
	struct cache *cache, const uint8_t key[static CACHE_KEY_BYTES], uint64_t now_ns)
{
	uint32_t index = index_find(cache, key);
	struct entry *entry = entry_at(cache, index);

	if (index == NONE) {
		count_add(&cache->stats.misses, 1);
		return NULL;
	}
	if (entry->end_ns <= now_ns) {
		entry_remove(cache, index, CACHE_BY_TTL);
		count_add(&cache->stats.stale, 1);
		return NULL;
	}
	count_add(entry->is_negative ? &cache->stats.negative_hits : &cache->stats.hits, 1);
	if (entry->uses < USES_MAX)
		entry->uses++;
	return entry->value;
}

static bool is_full(const struct cache *cache)
{
	return atomic_load_explicit(&cache->stats.entries, memory_order_relaxed) ==
	       cache->options.entries_max;
}

/*
 * A key that was turned away lately goes to the main queue. So does one that the small queue has no
 * room for while the cache is not full: nobody has to make room for it.
 */
static enum queue_name queue_choose(struct cache *cache, const uint8_t *key)
{
	bool is_known = ghosts_take(cache->ghosts, hash_of(key));
	bool overflows = !is_full(cache) && cache->queues[QUEUE_SMALL].count >= cache->small_max;

	return is_known || overflows ? QUEUE_MAIN : QUEUE_SMALL;
}

/* An unused entry: a freed one or one never used. */
static uint32_t index_take(struct cache *cache)
{
	uint32_t index;

	if (is_full(cache))
		room_make(cache);
	index = cache->free;
	if (index == NONE)
		return ++cache->touched;
	cache->free = entry_at(cache, index)->chain;
	return index;
}

static uint32_t entry_add(struct cache *cache, const uint8_t *key)
{
	enum queue_name queue = queue_choose(cache, key);
	uint32_t *bucket = bucket_of(cache, key), index = index_take(cache);
	struct entry *entry = entry_at(cache, index);

	memcpy(entry->key, key, CACHE_KEY_BYTES);
	entry->uses = 0;
	entry->chain = *bucket;
	*bucket = index;
	queue_append(cache, queue, index);
	entries_add(cache, 1);
	return index;
}

void cache_insert(struct cache *cache, const uint8_t key[static CACHE_KEY_BYTES],
	const struct cache_item *item)
{
	uint32_t index = index_find(cache, key);
	struct entry *entry;

	assert(item->end_ns);
	if (index == NONE)
		index = entry_add(cache, key);
	else
		tags_unlink(cache, index);
	entry = entry_at(cache, index);
	entry->end_ns = item->end_ns;
	entry->is_negative = item->is_negative;
	memcpy(entry->value, item->value, cache->options.value_bytes);
	tags_link(cache, index, item->tags);
}

uint64_t cache_tag(struct str name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a: ids are not chosen by strangers */

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (uint8_t)name.data[i]) * UINT64_C(0x100000001b3);
	return hash ? hash : 1;
}

unsigned cache_remove_tag(struct cache *cache, unsigned which, uint64_t tag)
{
	uint32_t index, next;
	unsigned removed = 0;

	assert(which < CACHE_TAGS_MAX && tag);
	for (index = *tag_bucket_of(cache, which, tag); index != NONE; index = next) {
		const struct tag_link *link = &entry_at(cache, index)->tags[which];

		next = link->next;
		if (link->tag != tag)
			continue;
		entry_remove(cache, index, CACHE_BY_CHANGE);
		removed++;
	}
	return removed;
}

bool cache_remove(struct cache *cache, const uint8_t key[static CACHE_KEY_BYTES])
{
	uint32_t index = index_find(cache, key);

	if (index == NONE)
		return false;
	entry_remove(cache, index, CACHE_BY_CHANGE);
	return true;
}

void cache_flush(struct cache *cache)
{
	for (uint32_t index = 1; index <= cache->touched; index++)
		if (entry_at(cache, index)->end_ns)
			entry_remove(cache, index, CACHE_BY_FLUSH);
	ghosts_clear(cache->ghosts);
}

void cache_sweep(struct cache *cache, uint64_t now_ns, uint32_t slots)
{
	for (slots = MIN(slots, cache->touched); slots > 0; slots--) {
		uint32_t index = cache->swept_to >= cache->touched ? 1 : cache->swept_to + 1;
		const struct entry *entry = entry_at(cache, index);

		cache->swept_to = index;
		if (entry->end_ns && entry->end_ns <= now_ns)
			entry_remove(cache, index, CACHE_BY_TTL);
	}
}

/* --- any thread --- */

const char *cache_reason_name(enum cache_reason reason)
{
	static const char *const names[] = { "size", "ttl", "change", "flush" };

	static_assert(ARRAY_SIZE(names) == CACHE_REASONS, "a name for each");
	assert(reason < CACHE_REASONS);
	return names[reason];
}

const struct cache_stats *cache_stats(const struct cache *cache)
{
	return &cache->stats;
}

struct cache_stats *cache_stats_own(struct cache *cache)
{
	return &cache->stats;
}

const struct cache_options *cache_options(const struct cache *cache)
{
	return &cache->options;
}

uint64_t cache_bytes(const struct cache *cache)
{
	return atomic_load_explicit(&cache->stats.entries, memory_order_relaxed) *
	       cache->entry_bytes;
}

void cache_each(void (*visit)(const struct cache *cache, void *arg), void *arg)
{
	for (const struct registry_member *member = registry_hold(&registry); member;
		member = member->next)
		visit(container_of(member, const struct cache, member), arg);
	registry_release(&registry);
}
