/* Rates from counters: see rates.h. */
#include "control/rates.h"

#include "control/control.h"
#include "core/job.h"
#include "http/server.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

struct sample {
	uint64_t at_ns;
	struct rates_totals totals;
	uint64_t busy_ns[CORES_MAX];
};

/* The control thread's alone. */
static struct sample before, latest;
static struct rates rates;

void rates_totals(const struct control_context *context, struct rates_totals *ret_totals)
{
	struct rates_totals totals = {};

	for (unsigned i = 0; i < cores_count(); i++) {
		struct http_server *server = context->http_of(core_at(i));
		const struct http_stats *stats = server ? http_server_stats(server) : NULL;

		if (!stats)
			continue;
		totals.requests += READ(stats->requests);
		totals.errors += READ(stats->responses[5]);
		totals.connections += READ(stats->connections);
		totals.refused += READ(stats->connections_refused);
	}
	*ret_totals = totals;
}

static void sample_take(
	struct sample *sample, const struct control_context *context, uint64_t now_ns)
{
	*sample = (struct sample){ .at_ns = now_ns };
	rates_totals(context, &sample->totals);
	for (unsigned i = 0; i < cores_count(); i++)
		sample->busy_ns[i] = core_cpu_ns(core_at(i));
}

/* A core that has ended takes its counts with it: shown as none, never as a negative rate. */
static double per_second(uint64_t now, uint64_t then, double seconds)
{
	return now > then && seconds > 0 ? (double)(now - then) / seconds : 0;
}

/* --- queues --- */

static struct queue {
	const struct job_queue *queue;
	unsigned ticks; /* so far */
	struct {
		bool has_waiters;
		uint64_t refused, expired; /* the counters then */
	} minute[RATES_MINUTE];
} queues[RATES_QUEUES_MAX];

static void queue_sample(const struct job_queue *queue, _unused_ void *arg)
{
	unsigned i = 0;

	while (i < RATES_QUEUES_MAX && queues[i].queue && queues[i].queue != queue)
		i++;
	if (i == RATES_QUEUES_MAX)
		return;
	queues[i].queue = queue;
	queues[i].minute[queues[i].ticks % RATES_MINUTE].has_waiters = READ(queue->queued) > 0;
	queues[i].minute[queues[i].ticks % RATES_MINUTE].refused = READ(queue->refused);
	queues[i].minute[queues[i].ticks % RATES_MINUTE].expired = READ(queue->expired);
	queues[i].ticks++;
}

bool rates_queue(unsigned i, struct rates_queue *ret_queue)
{
	const struct queue *queue = &queues[i];
	unsigned ticks, first, last;

	if (i >= RATES_QUEUES_MAX || !queue->queue || !queue->ticks)
		return false;
	ticks = MIN(queue->ticks, RATES_MINUTE);
	first = queue->ticks > RATES_MINUTE ? queue->ticks % RATES_MINUTE : 0;
	last = (queue->ticks - 1) % RATES_MINUTE;
	*ret_queue = (struct rates_queue){ .name = queue->queue->name, .ticks = ticks };
	for (unsigned j = 0; j < ticks; j++)
		ret_queue->ticks_waiting += queue->minute[j].has_waiters;
	ret_queue->refused = queue->minute[last].refused - queue->minute[first].refused;
	ret_queue->expired = queue->minute[last].expired - queue->minute[first].expired;
	return true;
}

/* --- the last minutes --- */

static struct {
	uint64_t minute; /* the present one */
	struct rates_troubles now;
	/* The counters when each minute began; zeros before the start. */
	struct rates_troubles began[RATES_LATELY_MINUTES];
} lately;

static void lately_sample(uint64_t now_ns)
{
	const uint64_t minute = now_ns / (60 * NS_PER_S);
	struct rates_troubles now = { .refused = latest.totals.refused, .dropped = log_dropped() };

	for (unsigned i = 0; i < cores_count(); i++)
		now.stalls += READ(core_at(i)->stats.stalls);
	if (!lately.minute)
		lately.minute = minute;
	for (unsigned i = 0; lately.minute < minute && i < RATES_LATELY_MINUTES; i++)
		lately.began[++lately.minute % RATES_LATELY_MINUTES] = now;
	lately.minute = minute;
	lately.now = now;
}

struct rates_troubles rates_lately(void)
{
	const struct rates_troubles *then =
		&lately.began[(lately.minute + 1) % RATES_LATELY_MINUTES];

	return (struct rates_troubles){ .stalls = lately.now.stalls - then->stalls,
		.refused = lately.now.refused - then->refused,
		.dropped = lately.now.dropped - then->dropped };
}

/* --- the tick --- */

void rates_tick(const struct control_context *context, uint64_t now_ns)
{
	before = latest;
	sample_take(&latest, context, now_ns);
	if (!before.at_ns)
		before = latest;
	rates.seconds = (double)(latest.at_ns - before.at_ns) / NS_PER_S;
	rates.requests = per_second(latest.totals.requests, before.totals.requests, rates.seconds);
	rates.errors = per_second(latest.totals.errors, before.totals.errors, rates.seconds);
	lately_sample(now_ns);
	job_queue_each(queue_sample, NULL);
	for (unsigned i = 0; i < cores_count(); i++) {
		double busy = per_second(latest.busy_ns[i], before.busy_ns[i], rates.seconds);

		rates.busy[i] = MIN(busy / NS_PER_S, 1.0);
	}
}

const struct rates *rates_now(void)
{
	return &rates;
}
