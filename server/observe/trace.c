/* Beginning, sampling and ending of traces: see trace.h. Sending: trace_export.c. */
#include "observe/trace.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "observe/trace_export.h"
#include "observe/trace_queue.h"
#include "observe/trace_recent.h"
#include "shared/arena.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/random.h"

_Atomic bool trace_on;

#define RANDOM_PARTS (UINT64_C(1) << 56) /* values of the random part of an id */

static struct {
	_Atomic uint64_t sampled_from; /* the least random part that is sampled */
	_Atomic uint64_t slow_ns, dropped;
	bool heeds_parent;
} tracing;

int trace_start(const struct trace_options *options, const char **ret_why)
{
	int r;

	if (!options->url[0])
		return 0;
	*ret_why = "no memory";
	r = trace_queue_start();
	if (r == 0)
		r = trace_recent_start();
	if (r == 0)
		r = trace_export_start(options, ret_why);
	if (r < 0) {
		trace_recent_stop();
		trace_queue_stop();
		return r;
	}
	trace_tune(options->sampled, options->slow_ms);
	tracing.heeds_parent = options->heeds_parent;
	atomic_store(&tracing.dropped, 0);
	atomic_store(&trace_on, true);
	return 0;
}

void trace_stop(void)
{
	if (!atomic_exchange(&trace_on, false))
		return;
	trace_export_stop();
	trace_recent_stop();
	trace_queue_stop();
}

void trace_tune(uint32_t sampled, uint64_t slow_ms)
{
	assert(sampled <= TRACE_PARTS);
	atomic_store_explicit(&tracing.sampled_from,
		RANDOM_PARTS - sampled * (RANDOM_PARTS / TRACE_PARTS), memory_order_relaxed);
	atomic_store_explicit(&tracing.slow_ns, slow_ms * NS_PER_MS, memory_order_relaxed);
}

/* last: eight bytes. W3C Trace Context 2 asks seven of them to be random; all samplers that look at
 * them decide alike. */
static bool is_sampled(uint64_t last)
{
	return (last & (RANDOM_PARTS - 1)) >=
	       atomic_load_explicit(&tracing.sampled_from, memory_order_relaxed);
}

/* Done for every request, so no more is drawn than sampling needs. */
static void ids_begin(struct trace *trace)
{
	uint64_t last = random_u64(), bytes = htobe64(last);

	memcpy(trace->ids.trace + sizeof(trace->ids.trace) - sizeof(bytes), &bytes, sizeof(bytes));
	trace->ids.is_sampled = is_sampled(last);
}

_noinline_ static void ids_continue(struct trace *trace, const struct span_ids *theirs)
{
	uint64_t last;

	trace->ids = *theirs;
	random_bytes(trace->ids.span, sizeof(trace->ids.span));
	trace->has_ids = true;
	memcpy(trace->root.parent, theirs->span, sizeof(trace->root.parent));
	memcpy(&last, theirs->trace + sizeof(theirs->trace) - sizeof(last), sizeof(last));
	if (!tracing.heeds_parent)
		trace->ids.is_sampled = is_sampled(be64toh(last));
}

void trace_begin(struct trace *trace, const struct span_ids *theirs, uint64_t start_ns)
{
	struct span *root = &trace->root;

	if (theirs)
		ids_continue(trace, theirs);
	else
		ids_begin(trace);
	trace->spans[0] = root;
	root->arena = trace->arena;
	root->kind = SPAN_SERVER;
	root->start_ns = start_ns;
	trace->count = 1;
}

/* An outer span comes before those in it. */
static void ids_draw(struct trace *trace)
{
	memcpy(trace->root.id, trace_ids(trace)->span, sizeof(trace->root.id));
	for (unsigned i = 1; i < trace->count; i++) {
		struct span *span = trace->spans[i];

		random_bytes(span->id, sizeof(span->id));
		memcpy(span->parent, trace->spans[span->outer]->id, sizeof(span->parent));
	}
}

static int64_t wall_offset_ns(uint64_t now_ns)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return wall.tv_sec * (int64_t)NS_PER_S + wall.tv_nsec - (int64_t)now_ns;
}

static bool is_notable(const struct trace *trace)
{
	const struct span *root = trace->spans[0];
	uint64_t slow_ns = atomic_load_explicit(&tracing.slow_ns, memory_order_relaxed);

	return root->error || (slow_ns && root->end_ns - root->start_ns >= slow_ns);
}

bool trace_end(struct trace *trace, const char *error, uint64_t end_ns)
{
	struct span *root = trace->spans[0];

	root->end_ns = end_ns;
	root->error = error;
	return trace->ids.is_sampled || is_notable(trace);
}

static bool queue(const struct trace *trace, int64_t offset_ns)
{
	if (trace_queue_put(trace, offset_ns))
		return true;
	atomic_fetch_add_explicit(&tracing.dropped, trace->count, memory_order_relaxed);
	return false;
}

bool trace_send(struct trace *trace)
{
	int64_t offset_ns = wall_offset_ns(clock_now_ns());

	ids_draw(trace);
	trace_recent_put(trace, offset_ns, is_notable(trace));
	return queue(trace, offset_ns);
}

/* Not among the recent ones: operators find there what requests did; audit list has theirs. */
void trace_alone(struct span *span)
{
	struct trace trace = { .ids = { .is_sampled = true }, .count = 1, .spans = { span } };

	if (!trace_is_on())
		return;
	random_bytes(trace.ids.trace, sizeof(trace.ids.trace));
	random_bytes(span->id, sizeof(span->id));
	(void)queue(&trace, wall_offset_ns(clock_now_ns()));
}

void trace_stats(struct trace_stats *ret_stats)
{
	*ret_stats = (struct trace_stats){ .queued = trace_queue_count() };
	trace_export_stats(ret_stats);
	ret_stats->dropped += atomic_load_explicit(&tracing.dropped, memory_order_relaxed);
}
