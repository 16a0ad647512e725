/* A ring of spans under a lock that is held for copies only: see trace_queue.h. */
#include "observe/trace_queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/claims.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/wait.h"

static struct {
	pthread_mutex_t lock; /* guards the rest; no lock follows */
	pthread_cond_t changed;
	struct trace_item *items; /* TRACE_QUEUE_SPANS */
	uint64_t head, tail;      /* only grow */
	unsigned wanted;          /* wake the taker when so many are there */
	bool is_woken;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

int trace_queue_start(void)
{
	queue.items = calloc(TRACE_QUEUE_SPANS, sizeof(*queue.items));
	claim(CLAIM_TRACES, CLAIM_FROM_HEAP, queue.items, TRACE_QUEUE_SPANS * sizeof(*queue.items));
	queue.head = queue.tail = 0;
	queue.is_woken = false;
	return queue.items ? 0 : -ENOMEM;
}

void trace_queue_stop(void)
{
	claim_end(queue.items);
	free(TAKE(queue.items));
}

void trace_item_fill(
	struct trace_item *item, const struct trace *trace, unsigned index, int64_t wall_offset_ns)
{
	const struct span *span = trace->spans[index];

	item->span = *span;
	item->details = span->details ? *span->details : (struct span_details){};
	item->span.details = NULL; /* it ends with its request */
	item->ids = trace->ids;
	item->linked = index ? (struct span_ids){} : trace->linked;
	item->dropped = index ? 0 : trace->dropped;
	item->start_ns = (int64_t)span->start_ns + wall_offset_ns;
	/* One that never ended: its request gave up in the middle of it. */
	item->end_ns =
		(int64_t)(span->end_ns ? span->end_ns : trace->spans[0]->end_ns) + wall_offset_ns;
}

bool trace_queue_put(const struct trace *trace, int64_t wall_offset_ns)
{
	bool has_room;

	pthread_mutex_lock(&queue.lock);
	has_room = queue.items && queue.tail - queue.head + trace->count <= TRACE_QUEUE_SPANS;
	for (unsigned i = 0; has_room && i < trace->count; i++)
		trace_item_fill(
			&queue.items[queue.tail++ % TRACE_QUEUE_SPANS], trace, i, wall_offset_ns);
	if (has_room && queue.wanted && queue.tail - queue.head >= queue.wanted)
		pthread_cond_signal(&queue.changed);
	pthread_mutex_unlock(&queue.lock);
	return has_room;
}

unsigned trace_queue_take(struct trace_item *items, unsigned max, unsigned wait_ms)
{
	struct timespec end = wait_end_ms(wait_ms);
	unsigned count = 0;

	pthread_mutex_lock(&queue.lock);
	queue.wanted = max;
	while (!queue.is_woken && queue.tail - queue.head < max &&
		wait_until(&queue.changed, &queue.lock, &end))
		;
	queue.wanted = 0;
	while (count < max && queue.head < queue.tail)
		items[count++] = queue.items[queue.head++ % TRACE_QUEUE_SPANS];
	pthread_mutex_unlock(&queue.lock);
	return count;
}

void trace_queue_wake(void)
{
	pthread_mutex_lock(&queue.lock);
	queue.is_woken = true;
	pthread_cond_broadcast(&queue.changed);
	pthread_mutex_unlock(&queue.lock);
}

uint32_t trace_queue_count(void)
{
	uint32_t count;

	pthread_mutex_lock(&queue.lock);
	count = (uint32_t)(queue.tail - queue.head);
	pthread_mutex_unlock(&queue.lock);
	return count;
}
