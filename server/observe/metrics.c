/* What cores record: see metrics.h. Adding it up: metrics_read.c. */
#include "observe/metrics.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/claims.h"
#include "core/core.h"
#include "observe/metrics_block.h"
#include "shared/macros.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

static _Atomic(struct block *) blocks[CORES_MAX];
static _Thread_local struct block *own;

/* --- recording --- */

int metrics_core_start(unsigned core)
{
	struct block *block = calloc(1, sizeof(*block));

	assert(core < CORES_MAX);
	if (!block)
		return -ENOMEM;
	claim(CLAIM_METRICS, CLAIM_FROM_HEAP, block,
		sizeof(*block)); /* most of it is never touched */
	own = block;
	atomic_store_explicit(&blocks[core], block, memory_order_release);
	return 0;
}

static void histogram_release(lazy_histogram *slots, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(slots[i]);
}

static void examples_release(lazy_exemplars *slots, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(slots[i]);
}

void metrics_reset(void)
{
	for (unsigned i = 0; i < CORES_MAX; i++) {
		struct block *block = atomic_exchange(&blocks[i], NULL);

		if (!block)
			continue;
		histogram_release(&block->requests[0][0][0],
			METRIC_ROUTES_MAX * METRIC_METHODS * METRIC_CLASSES);
		claim_end(block);
		examples_release(&block->examples[0][0][0],
			METRIC_ROUTES_MAX * METRIC_METHODS * METRIC_CLASSES);
		histogram_release(&block->stages[0][0], METRIC_ROUTES_MAX * STAGES);
		histogram_release(block->hashes, ALGORITHMS);
		histogram_release(block->ops, METRIC_OPS_MAX);
		histogram_release(block->waits, POOLS);
		free(block);
	}
	own = NULL;
}

/* One thread writes: a load and a store are enough. */
static void count(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, READ(*counter) + by, memory_order_relaxed);
}

static void record(lazy_histogram *slot, uint64_t ns)
{
	struct histogram *histogram = atomic_load_explicit(slot, memory_order_relaxed);

	if (!histogram) {
		histogram = calloc(1, sizeof(*histogram));
		if (!histogram)
			return; /* no memory for statistics: serve on without */
		count(&own->bytes, sizeof(*histogram));
		atomic_store_explicit(slot, histogram, memory_order_release);
	}
	histogram_record(histogram, ns);
}

#define CLAMP(value, count) MIN((unsigned)(value), (unsigned)(count)-1)

static unsigned class_of(unsigned status)
{
	return status / 100 < METRIC_CLASSES ? status / 100 : 0;
}

void metric_request(unsigned route, unsigned method, unsigned status, uint64_t took_ns)
{
	if (own)
		record(&own->requests[CLAMP(route, METRIC_ROUTES_MAX)]
				     [CLAMP(method, METRIC_METHODS)][class_of(status)],
			took_ns);
}

void metric_request_example(
	unsigned route, unsigned method, unsigned status, const struct exemplar *example)
{
	lazy_exemplars *slot;
	struct exemplars *exemplars;

	if (!own)
		return;
	slot = &own->examples[CLAMP(route, METRIC_ROUTES_MAX)][CLAMP(method, METRIC_METHODS)]
			     [class_of(status)];
	exemplars = atomic_load_explicit(slot, memory_order_relaxed);
	if (!exemplars) {
		exemplars = calloc(1, sizeof(*exemplars));
		if (!exemplars)
			return;
		count(&own->bytes, sizeof(*exemplars));
		atomic_store_explicit(slot, exemplars, memory_order_release);
	}
	exemplars_put(exemplars, example);
}

void metric_stage(unsigned route, enum metric_stage stage, uint64_t ns)
{
	if (own)
		record(&own->stages[CLAMP(route, METRIC_ROUTES_MAX)][CLAMP(stage, STAGES)], ns);
}

void metric_error(enum metric_error reason)
{
	if (own)
		count(&own->errors[CLAMP(reason, ERROR_REASONS)], 1);
}

void metric_login(enum metric_login result)
{
	if (own)
		count(&own->logins[CLAMP(result, LOGIN_RESULTS)], 1);
}

void metric_grant(enum metric_grant grant)
{
	if (own)
		count(&own->grants[CLAMP(grant, GRANTS)], 1);
}

void metric_validation(enum metric_validation result)
{
	if (own)
		count(&own->validations[CLAMP(result, VALIDATIONS)], 1);
}

void metric_hash(enum metric_algorithm algorithm, uint64_t ns)
{
	if (own)
		record(&own->hashes[CLAMP(algorithm, ALGORITHMS)], ns);
}

void metric_op(unsigned op, uint64_t ns)
{
	if (own)
		record(&own->ops[CLAMP(op, METRIC_OPS_MAX)], ns);
}

void metric_op_failed(unsigned op, enum metric_code_class code)
{
	if (own)
		count(&own->op_errors[CLAMP(op, METRIC_OPS_MAX)][CLAMP(code, CODES)], 1);
}

void metric_pool_wait(enum metric_pool pool, uint64_t ns)
{
	if (own)
		record(&own->waits[CLAMP(pool, POOLS)], ns);
}

struct block *metrics_block(unsigned core)
{
	return atomic_load_explicit(&blocks[core], memory_order_acquire);
}
