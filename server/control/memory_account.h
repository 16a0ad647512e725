/*
 * Adding up memory: who has the resident pages of the process. Every part is measured for itself;
 * what is resident and nobody's is told as such and belongs to no part. Looks at nothing itself.
 *
 * Three kinds of facts meet. The kernel says what is resident in each mapping. Owners of large
 * pieces have claimed them (core/claims.h), and the kernel says what is resident of those. Owners
 * of many small objects have counted their bytes, and the allocator says how many bytes it has
 * handed out and has free.
 */
#pragma once

#include "core/claims.h"
#include "observe/allocator.h"
#include "observe/mappings.h"

enum memory_part {
	MEMORY_PROGRAM,
	MEMORY_LIBRARIES,
	MEMORY_THREAD_STACKS,
	MEMORY_FIBER_STACKS,
	MEMORY_RINGS,
	MEMORY_POOLS,
	MEMORY_TLS,
	MEMORY_CACHES,
	MEMORY_DIGESTS,
	MEMORY_LIMITS,
	MEMORY_HASHING,
	MEMORY_STORE,
	MEMORY_LOG,
	MEMORY_TRACES,
	MEMORY_METRICS,
	MEMORY_HEAP,      /* handed out by the allocator to all others */
	MEMORY_HEAP_FREE, /* resident, given back to the allocator and kept by it, or its own */
	MEMORY_PARTS
};

extern const char *const memory_part_names[MEMORY_PARTS]; /* "thread_stacks" */

struct memory_parts {
	uint64_t rss; /* 0: the kernel does not tell */
	uint64_t bytes[MEMORY_PARTS];
	uint64_t unexplained; /* resident, and of no part */
};

struct memory_account {
	struct memory_parts parts;
	uint64_t fiber_stack_bytes; /* of each: a stack of this size is a fiber's */
	/* Resident in mappings of the allocator, and in anonymous ones that may be its own. */
	uint64_t heap, other;
	/* Claimed: of the heap's bytes, and of those in anonymous mappings. */
	uint64_t heap_claimed, other_claimed;
	uint64_t counted; /* small objects */
};

struct memory_account memory_account_begin(uint64_t fiber_stack_bytes);
void memory_account_mapping(struct memory_account *account, const struct mapping *mapping);
/* How much of a claim is resident, and the mapping that it lies in, which has been told before. */
void memory_account_claim(struct memory_account *account, const struct claim *claim,
	uint64_t resident, const struct mapping *mapping);
/* Bytes of small objects on the heap. */
void memory_account_counted(struct memory_account *account, enum memory_part part, uint64_t bytes);
struct memory_parts memory_account_end(
	const struct memory_account *account, const struct allocator_stats *heap);
