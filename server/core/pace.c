/* Measuring how fast a queue is worked off: see pace.h. */
#include "core/pace.h"

#include "shared/macros.h"

/* Each job moves the average by an eighth: a change of pace is known after some ten jobs, and a
 * single odd one is forgotten as fast. */
#define SERVICE_WEIGHT 8

#define READ(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define WRITE(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

static uint64_t since(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

void pace_init(struct pace *pace, uint32_t parallel, uint64_t service_ns)
{
	WRITE(pace->parallel, MAX(parallel, 1));
	WRITE(pace->service_ns, service_ns);
	WRITE(pace->progress_ns, 0);
}

void pace_taken(struct pace *pace, uint32_t running, bool is_more, uint64_t now_ns)
{
	uint32_t parallel = READ(pace->parallel);

	WRITE(pace->progress_ns, now_ns);
	/* More than was known is believed at once. Less means something only while others wait, and
	 * even then two threads may just be between two jobs: one step at a time. */
	if (running > parallel)
		WRITE(pace->parallel, running);
	else if (is_more && running < parallel)
		WRITE(pace->parallel, parallel - 1);
}

void pace_done(struct pace *pace, uint64_t started_ns, uint64_t now_ns)
{
	uint64_t sample_ns = since(now_ns, started_ns), average_ns = READ(pace->service_ns);

	WRITE(pace->progress_ns, now_ns);
	if (!average_ns)
		average_ns = sample_ns;
	else if (sample_ns > average_ns)
		average_ns += (sample_ns - average_ns) / SERVICE_WEIGHT;
	else
		average_ns -= (average_ns - sample_ns) / SERVICE_WEIGHT;
	WRITE(pace->service_ns, average_ns);
}

uint64_t pace_wait_ns(const struct pace *pace, uint32_t ahead, uint32_t running, uint64_t now_ns)
{
	uint64_t service_ns = READ(pace->service_ns), wait_ns;

	if (running)
		service_ns = MAX(service_ns, since(now_ns, READ(pace->progress_ns)));
	if (__builtin_mul_overflow(service_ns, ahead, &wait_ns))
		return UINT64_MAX;
	return wait_ns / MAX(READ(pace->parallel), 1);
}
