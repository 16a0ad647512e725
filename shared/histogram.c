/* The log-linear histogram: see histogram.h. */
#include "shared/histogram.h"

#include <assert.h>
#include <math.h>

#include "shared/macros.h"

#define SUB_BUCKETS (UINT64_C(1) << HISTOGRAM_SUB_BITS)

static_assert(HISTOGRAM_BITS < 64, "the end of the last bucket is a number");

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* A load and a store are enough, because one thread writes. */
static void add(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, get(counter) + by, memory_order_relaxed);
}

static void raise_to(_Atomic uint64_t *maximum, uint64_t value)
{
	if (value > get(maximum))
		atomic_store_explicit(maximum, value, memory_order_relaxed);
}

static inline size_t bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < SUB_BUCKETS)
		return (size_t)value;
	if (value >> HISTOGRAM_BITS)
		return HISTOGRAM_BUCKETS - 1;
	/* What remains of the value after the shift is in [SUB_BUCKETS, 2 * SUB_BUCKETS). */
	shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return (size_t)(shift * SUB_BUCKETS + (value >> shift));
}

size_t histogram_bucket_of(uint64_t value)
{
	return bucket_of(value);
}

uint64_t histogram_bucket_last(size_t bucket)
{
	uint64_t shift = bucket >> HISTOGRAM_SUB_BITS;

	assert(bucket < HISTOGRAM_BUCKETS);
	if (shift == 0)
		return bucket;
	shift--;
	return ((bucket - shift * SUB_BUCKETS + 1) << shift) - 1;
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
	add(&histogram->buckets[bucket_of(value)], 1);
	add(&histogram->sum, value);
	raise_to(&histogram->max, value);
	add(&histogram->count, 1);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		add(&into->buckets[i], get(&from->buckets[i]));
	add(&into->sum, get(&from->sum));
	add(&into->count, get(&from->count));
	raise_to(&into->max, get(&from->max));
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
	double share = MIN(MAX(percent, 0.0), 100.0) / 100.0;
	uint64_t rank = (uint64_t)ceil(share * (double)get(&histogram->count)), seen = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += get(&histogram->buckets[i]);
		if (seen && seen >= rank)
			return MIN(histogram_bucket_last(i), get(&histogram->max));
	}
	return get(&histogram->max); /* of the last bucket only the maximum is known */
}

double histogram_mean(const struct histogram *histogram)
{
	uint64_t count = get(&histogram->count);

	return count ? (double)get(&histogram->sum) / (double)count : 0;
}
