/*
 * A bounded cache of one core: 32-byte keys (digests) to values of one fixed size, each with an end
 * and up to two tags by which it can be removed. All memory is taken at the start and its pages are
 * touched as they fill. When full, S3-FIFO decides who goes (Yang, Zhang, Qiu, Yue, Vinayak: "FIFO
 * queues are all you need for cache eviction", SOSP 2023): keys that are asked for once pass
 * through a tenth of it, so a flood of them leaves the others alone. Not for threads, but its
 * numbers may be read by any. Who loads what is missing: lookup.h.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/macros.h"
#include "shared/str.h"

#define CACHE_KEY_BYTES 32
#define CACHE_TAGS_MAX 2
#define CACHE_ENTRIES_MAX 1000000 /* about a gigabyte of tokens on each core */

struct cache;

/* Why an entry went. */
enum cache_reason {
	CACHE_BY_SIZE,   /* another took its place */
	CACHE_BY_TTL,    /* its end had come */
	CACHE_BY_CHANGE, /* what it said was true no more */
	CACHE_BY_FLUSH,  /* an operator's wish */
	CACHE_REASONS
};

const char *cache_reason_name(enum cache_reason reason); /* "size", "ttl", "change", "flush" */

struct cache_stats {
	/* Every cache_find() is one of the four. */
	_Atomic uint64_t hits;
	_Atomic uint64_t negative_hits; /* known not to be there */
	_Atomic uint64_t stale;         /* was there, past its end */
	_Atomic uint64_t misses;
	_Atomic uint64_t removed[CACHE_REASONS];
	/* By lookup.h: of those that found nothing, who waited for another's load, and for whom
	 * there was no room to wait. */
	_Atomic uint64_t joined, refused;
	_Atomic uint32_t entries;
};

struct cache_options {
	const char *name; /* static text: "users" */
	unsigned core;    /* index of the owner, for display */
	uint32_t entries_max;
	uint32_t value_bytes;
};

/* What is remembered under a key. */
struct cache_item {
	const void *value;             /* copied: value_bytes */
	uint64_t end_ns;               /* by the clock of cache_find()'s now_ns; not 0 */
	uint64_t tags[CACHE_TAGS_MAX]; /* by cache_tag(); 0 none */
	bool is_negative;              /* for the counters */
};

/* Registers it by its name. 0 or -ENOMEM. */
int cache_new(const struct cache_options *options, struct cache **ret_cache);
void cache_free(struct cache *cache); /* wipes every value; accepts NULL */
CLEANUP_P(cache_free, struct cache)

/* A tag for a name. Two names may share one, rarely: then removing takes both. */
uint64_t cache_tag(struct str name);

/* The value, valid until the next insert or remove; NULL when absent or past its end. */
const void *cache_find(
	struct cache *cache, const uint8_t key[static CACHE_KEY_BYTES], uint64_t now_ns);

/* Replaces what had the key. O(1): at most CACHE_MOVES_MAX entries are looked at to find room. */
#define CACHE_MOVES_MAX 128
void cache_insert(struct cache *cache, const uint8_t key[static CACHE_KEY_BYTES],
	const struct cache_item *item);

/* As many steps as there are entries with the tag: how many those were. */
unsigned cache_remove_tag(struct cache *cache, unsigned which, uint64_t tag);
bool cache_remove(struct cache *cache, const uint8_t key[static CACHE_KEY_BYTES]);
void cache_flush(struct cache *cache);

/*
 * Removes what has passed its end among the next `slots` of the places for entries, going round, so
 * that a large cache is swept in pieces.
 */
void cache_sweep(struct cache *cache, uint64_t now_ns, uint32_t slots);

/* For who counts what happens in front of it. */
struct cache_stats *cache_stats_own(struct cache *cache);

/* --- any thread --- */

const struct cache_stats *cache_stats(const struct cache *cache);
const struct cache_options *cache_options(const struct cache *cache);
uint64_t cache_bytes(const struct cache *cache); /* of the entries it holds */

/* Calls visit for every cache of every core. visit must not make or free caches. */
void cache_each(void (*visit)(const struct cache *cache, void *arg), void *arg);
