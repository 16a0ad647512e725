/* Examples of histograms, written under a sequence lock: see exemplars.h. */
#include "observe/exemplars.h"

#include <assert.h>
#include <string.h>

#include "observe/exposition.h"

static_assert(EXEMPLARS == EXPOSITION_EDGES + 1, "one for each bucket");

#define READ(value) atomic_load_explicit(&(value), memory_order_relaxed)
#define WRITE(place, value) atomic_store_explicit(&(place), (value), memory_order_relaxed)

/* By the exact edges: a reader may refuse an example outside of its bucket. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned bucket = 0;

	while (bucket < EXPOSITION_EDGES && ns > exposition_edges_ns[bucket])
		bucket++;
	return bucket;
}

/* H.-J. Boehm, "Can seqlocks get along with programming language memory models?" (MSPC 2012). */
void exemplars_put(struct exemplars *exemplars, const struct exemplar *exemplar)
{
	struct exemplar_slot *slot = &exemplars->slots[bucket_of(exemplar->ns)];
	uint32_t sequence = READ(slot->sequence);
	uint64_t trace[2];

	memcpy(trace, exemplar->trace, sizeof(trace));
	WRITE(slot->sequence, sequence + 1);
	atomic_thread_fence(memory_order_release);
	WRITE(slot->trace[0], trace[0]);
	WRITE(slot->trace[1], trace[1]);
	WRITE(slot->ns, exemplar->ns);
	WRITE(slot->wall_ms, exemplar->wall_ms);
	atomic_store_explicit(&slot->sequence, sequence + 2, memory_order_release);
}

static void slot_merge(const struct exemplar_slot *slot, struct exemplar *into)
{
	uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
	uint64_t trace[2] = { READ(slot->trace[0]), READ(slot->trace[1]) };
	struct exemplar found = { .ns = READ(slot->ns), .wall_ms = READ(slot->wall_ms) };

	atomic_thread_fence(memory_order_acquire);
	if (sequence % 2 || sequence != READ(slot->sequence) || found.wall_ms <= into->wall_ms)
		return;
	memcpy(found.trace, trace, sizeof(found.trace));
	*into = found;
}

void exemplars_merge(const struct exemplars *from, struct exemplar into[static EXEMPLARS])
{
	for (unsigned i = 0; i < EXEMPLARS; i++)
		slot_merge(&from->slots[i], &into[i]);
}
