/* Adding up memory: see memory_account.h. */
#include "control/memory_account.h"

#include "shared/macros.h"

const char *const memory_part_names[MEMORY_PARTS] = {
	[MEMORY_PROGRAM] = "program",
	[MEMORY_LIBRARIES] = "libraries",
	[MEMORY_THREAD_STACKS] = "thread_stacks",
	[MEMORY_FIBER_STACKS] = "fiber_stacks",
	[MEMORY_RINGS] = "rings",
	[MEMORY_POOLS] = "pools",
	[MEMORY_TLS] = "tls",
	[MEMORY_CACHES] = "caches",
	[MEMORY_DIGESTS] = "digests",
	[MEMORY_LIMITS] = "limits",
	[MEMORY_HASHING] = "hashing",
	[MEMORY_STORE] = "store",
	[MEMORY_LOG] = "log",
	[MEMORY_TRACES] = "traces",
	[MEMORY_METRICS] = "metrics",
	[MEMORY_HEAP] = "heap",
	[MEMORY_HEAP_FREE] = "heap_free",
};

static const enum memory_part part_of_use[CLAIM_USES] = {
	[CLAIM_RINGS] = MEMORY_RINGS,
	[CLAIM_CACHES] = MEMORY_CACHES,
	[CLAIM_DIGESTS] = MEMORY_DIGESTS,
	[CLAIM_LIMITS] = MEMORY_LIMITS,
	[CLAIM_HASHING] = MEMORY_HASHING,
	[CLAIM_LOG] = MEMORY_LOG,
	[CLAIM_TRACES] = MEMORY_TRACES,
	[CLAIM_METRICS] = MEMORY_METRICS,
};

/* Takes away at most what there is, and says how much that was. */
static uint64_t take(uint64_t *from, uint64_t bytes)
{
	uint64_t taken = MIN(*from, bytes);

	*from -= taken;
	return taken;
}

struct memory_account memory_account_begin(uint64_t fiber_stack_bytes)
{
	return (struct memory_account){ .fiber_stack_bytes = fiber_stack_bytes };
}

/* Where the pages of a mapping are counted. */
static uint64_t *place_of(
	struct memory_account *account, enum mapping_kind kind, uint64_t mapping_bytes)
{
	uint64_t *bytes = account->parts.bytes;

	switch (kind) {
	case MAPPING_PROGRAM:
		return &bytes[MEMORY_PROGRAM];
	case MAPPING_LIBRARY:
		return &bytes[MEMORY_LIBRARIES];
	case MAPPING_FILE:
		return &bytes[MEMORY_STORE];
	case MAPPING_RING:
		return &bytes[MEMORY_RINGS];
	case MAPPING_STACK:
		return &bytes[mapping_bytes == account->fiber_stack_bytes ? MEMORY_FIBER_STACKS
									  : MEMORY_THREAD_STACKS];
	case MAPPING_HEAP:
		return &account->heap;
	default:
		return &account->other;
	}
}

void memory_account_mapping(struct memory_account *account, const struct mapping *mapping)
{
	*place_of(account, mapping->kind, mapping->end - mapping->start) += mapping->resident;
	account->parts.rss += mapping->resident;
}

void memory_account_claim(struct memory_account *account, const struct claim *claim,
	uint64_t resident, const struct mapping *mapping)
{
	uint64_t bytes =
		MIN(resident, claim->bytes); /* its first and last page are not its alone */

	account->parts.bytes[part_of_use[claim->use]] +=
		take(place_of(account, mapping->kind, mapping->end - mapping->start), bytes);
	if (claim->from != CLAIM_FROM_HEAP)
		return;
	account->heap_claimed += claim->bytes;
	if (mapping->kind == MAPPING_OTHER)
		account->other_claimed += claim->bytes;
}

void memory_account_counted(struct memory_account *account, enum memory_part part, uint64_t bytes)
{
	account->parts.bytes[part] += bytes;
	account->counted += bytes;
}

/*
 * The heap's pages are those of small objects that were counted, of what else was handed out, and
 * of what is free. Large blocks count as handed out though their pages may never have been
 * touched, so the second is at most what is resident; the third is at most what the allocator
 * itself says is free.
 */
struct memory_parts memory_account_end(
	const struct memory_account *account, const struct allocator_stats *heap)
{
	struct memory_parts parts = account->parts;
	uint64_t other = account->other, mapped = heap->mapped, resident;
	uint64_t in_use = heap->allocated, free_bytes = heap->resident;

	(void)take(&mapped, account->other_claimed);
	resident = account->heap + take(&other, mapped);
	(void)take(&resident, account->counted);
	(void)take(&in_use, account->heap_claimed + account->counted);
	(void)take(&free_bytes, heap->allocated);
	parts.bytes[MEMORY_HEAP] = take(&resident, in_use);
	parts.bytes[MEMORY_HEAP_FREE] = take(&resident, free_bytes);
	parts.unexplained = resident + other;
	return parts;
}
