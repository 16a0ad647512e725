/* See trace_recent.h. */
#include "observe/trace_recent.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "shared/macros.h"

static struct {
	pthread_mutex_t lock;     /* guards the rest; no lock follows */
	struct trace_item *items; /* TRACE_RECENT_SPANS; NULL: traces are off */
	uint64_t put;             /* only grows */
} recent = { .lock = PTHREAD_MUTEX_INITIALIZER };

int trace_recent_start(void)
{
	recent.items = calloc(TRACE_RECENT_SPANS, sizeof(*recent.items));
	recent.put = 0;
	return recent.items ? 0 : -ENOMEM;
}

void trace_recent_stop(void)
{
	pthread_mutex_lock(&recent.lock);
	free(TAKE(recent.items));
	pthread_mutex_unlock(&recent.lock);
}

void trace_recent_put(const struct trace *trace, int64_t wall_offset_ns)
{
	pthread_mutex_lock(&recent.lock);
	for (unsigned i = 0; recent.items && i < trace->count; i++)
		trace_item_fill(
			&recent.items[recent.put++ % TRACE_RECENT_SPANS], trace, i, wall_offset_ns);
	pthread_mutex_unlock(&recent.lock);
}

void trace_recent_each(void (*visit)(const struct trace_item *item, void *arg), void *arg)
{
	uint64_t first;

	pthread_mutex_lock(&recent.lock);
	first = recent.put - MIN(recent.put, (uint64_t)TRACE_RECENT_SPANS);
	for (uint64_t i = first; recent.items && i < recent.put; i++)
		visit(&recent.items[i % TRACE_RECENT_SPANS], arg);
	pthread_mutex_unlock(&recent.lock);
}
