/* Beginning, sampling and ending of traces: see trace.h. Sending: trace_export.c. */
#include "observe/trace.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
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

static struct {
	_Atomic uint32_t sampled;
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
	atomic_store_explicit(&tracing.sampled, sampled, memory_order_relaxed);
	atomic_store_explicit(&tracing.slow_ns, slow_ms * NS_PER_MS, memory_order_relaxed);
}

/* The last seven bytes are what W3C Trace Context 2 asks to be random; all samplers that look at
 * them decide alike. */
static bool is_sampled(const uint8_t trace[static 16])
{
	uint64_t random = 0, sampled = atomic_load_explicit(&tracing.sampled, memory_order_relaxed);

	for (int i = 9; i < 16; i++)
		random = random << 8 | trace[i];
	return random >= (TRACE_PARTS - sampled) * ((UINT64_C(1) << 56) / TRACE_PARTS) &&
	       sampled > 0;
}

void trace_begin(struct trace *trace, const struct span_ids *theirs, bool is_trusted,
	const char *name, const char *name_rest, uint64_t start_ns)
{
	struct span *root = &trace->root;
	bool has_theirs = span_ids_are_set(theirs), is_continued = has_theirs && is_trusted;

	trace->spans[0] = root;
	/* Both ids in one go: this is done for every request. */
	random_bytes(&trace->ids, offsetof(struct span_ids, is_sampled));
	if (is_continued)
		memcpy(trace->ids.trace, theirs->trace, sizeof(trace->ids.trace));
	memcpy(root->id, trace->ids.span, sizeof(root->id));
	trace->ids.is_sampled = is_continued && tracing.heeds_parent ? theirs->is_sampled
								     : is_sampled(trace->ids.trace);
	if (is_continued)
		memcpy(root->parent, theirs->span, sizeof(root->parent));
	else
		trace->linked = *theirs;
	root->name = name;
	root->name_rest = name_rest;
	root->kind = SPAN_SERVER;
	root->start_ns = start_ns;
	trace->count = 1;
}

/* An outer span comes before those in it. */
static void ids_draw(struct trace *trace)
{
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
