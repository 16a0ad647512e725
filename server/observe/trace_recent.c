/* See trace_recent.h. */
#include "observe/trace_recent.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/claims.h"
#include "shared/macros.h"

struct ring {
	struct trace_item items[TRACE_RECENT_SPANS];
	uint64_t put; /* only grows */
};

static struct {
	pthread_mutex_t lock; /* guards the rest; no lock follows */
	struct ring *rings;   /* TRACE_RECENT_RINGS; NULL: traces are off */
} recent = { .lock = PTHREAD_MUTEX_INITIALIZER };

int trace_recent_start(void)
{
	recent.rings = calloc(TRACE_RECENT_RINGS, sizeof(*recent.rings));
	claim(CLAIM_TRACES, CLAIM_FROM_HEAP, recent.rings,
		TRACE_RECENT_RINGS * sizeof(*recent.rings));
	return recent.rings ? 0 : -ENOMEM;
}

void trace_recent_stop(void)
{
	pthread_mutex_lock(&recent.lock);
	claim_end(recent.rings);
	free(TAKE(recent.rings));
	pthread_mutex_unlock(&recent.lock);
}

void trace_recent_put(const struct trace *trace, int64_t wall_offset_ns, bool is_notable)
{
	struct ring *ring;

	pthread_mutex_lock(&recent.lock);
	ring = recent.rings ? &recent.rings[is_notable] : NULL;
	for (unsigned i = 0; ring && i < trace->count; i++)
		trace_item_fill(
			&ring->items[ring->put++ % TRACE_RECENT_SPANS], trace, i, wall_offset_ns);
	pthread_mutex_unlock(&recent.lock);
}

static void ring_each(
	const struct ring *ring, void (*visit)(const struct trace_item *item, void *arg), void *arg)
{
	uint64_t first = ring->put - MIN(ring->put, (uint64_t)TRACE_RECENT_SPANS);

	for (uint64_t i = first; i < ring->put; i++)
		visit(&ring->items[i % TRACE_RECENT_SPANS], arg);
}

void trace_recent_each(void (*visit)(const struct trace_item *item, void *arg), void *arg)
{
	pthread_mutex_lock(&recent.lock);
	for (unsigned i = 0; recent.rings && i < TRACE_RECENT_RINGS; i++)
		ring_each(&recent.rings[i], visit, arg);
	pthread_mutex_unlock(&recent.lock);
}
