/* Rates from counters: see rates.h. */
#include "control/rates.h"

#include "control/control.h"
#include "http/server.h"
#include "shared/clock.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

struct sample {
	uint64_t at_ns, requests, errors, connections;
	uint64_t busy_ns[CORES_MAX];
};

/* The control thread's alone. */
static struct sample before, latest;
static struct rates rates;

static void sample_take(
	struct sample *sample, const struct control_context *context, uint64_t now_ns)
{
	*sample = (struct sample){ .at_ns = now_ns };
	for (unsigned i = 0; i < cores_count(); i++) {
		struct core *core = core_at(i);
		struct http_server *server = context->http_of(core);
		const struct http_stats *stats = server ? http_server_stats(server) : NULL;

		sample->busy_ns[i] = READ(core->stats.busy_ns);
		if (!stats)
			continue;
		sample->requests += READ(stats->requests);
		sample->errors += READ(stats->responses[5]);
		sample->connections += READ(stats->connections);
	}
}

/* A core that has ended takes its counts with it: shown as none, never as a negative rate. */
static double per_second(uint64_t now, uint64_t then, double seconds)
{
	return now > then && seconds > 0 ? (double)(now - then) / seconds : 0;
}

void rates_tick(const struct control_context *context, uint64_t now_ns)
{
	before = latest;
	sample_take(&latest, context, now_ns);
	if (!before.at_ns)
		before = latest;
	rates.seconds = (double)(latest.at_ns - before.at_ns) / NS_PER_S;
	rates.requests = per_second(latest.requests, before.requests, rates.seconds);
	rates.errors = per_second(latest.errors, before.errors, rates.seconds);
	rates.requests_total = latest.requests;
	rates.errors_total = latest.errors;
	rates.connections = latest.connections;
	for (unsigned i = 0; i < cores_count(); i++) {
		double busy = per_second(latest.busy_ns[i], before.busy_ns[i], rates.seconds);

		rates.busy[i] = MIN(busy / NS_PER_S, 1.0);
	}
}

const struct rates *rates_now(void)
{
	return &rates;
}
