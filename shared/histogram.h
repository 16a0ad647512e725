/*
 * A log-linear histogram of non-negative integers (latencies in microseconds): exact base-2
 * sub-buckets, so that any exponential export is a printer and not a redesign. Fixed memory, one
 * writer, readers on other threads by relaxed loads; a reader's snapshot may be a sample behind.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* 8 sub-buckets per power of two: relative error <= 1/8. Covers 0 .. 2^40-1, larger in the last. */
#define HISTOGRAM_SUB_BITS 3
#define HISTOGRAM_POWER_MAX 40
#define HISTOGRAM_BUCKETS ((HISTOGRAM_POWER_MAX - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
	_Atomic uint64_t sum;
	_Atomic uint64_t counts[HISTOGRAM_BUCKETS];
};

/* Adds one value: two relaxed stores, no lock prefix; only one thread may call it. */
void histogram_add(struct histogram *histogram, uint64_t value);

/* Adds every count of source (another thread's) to target (ours). */
void histogram_merge(struct histogram *target, const struct histogram *source);

uint64_t histogram_count(const struct histogram *histogram);

/* The upper edge of the bucket in which the quantile (0..1) lies; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);

/* Index of the bucket of a value, and the largest value that falls into a bucket. */
unsigned histogram_bucket(uint64_t value);
uint64_t histogram_bucket_max(unsigned bucket);
