/*
 * How often which value occurred, with a bounded relative error: every power of two is cut into 32
 * equal buckets, so a value is known to 1/32 (3.1 %) of itself and small ones exactly. Values have
 * no unit here; nanoseconds reach 18 minutes. Recording costs a few instructions and no atomic
 * read-modify-write: one thread records, any thread may read and gets counts that are at most a
 * moment old.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5 /* 32 buckets in each power of two */
#define HISTOGRAM_BITS 40    /* larger values are counted in the last bucket */
#define HISTOGRAM_BUCKETS (((size_t)HISTOGRAM_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

/* All zero is an empty one. */
struct histogram {
	_Atomic uint64_t count;
	_Atomic uint64_t sum; /* of the exact values; wraps around after 2^64 */
	_Atomic uint64_t max; /* exact */
	_Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* The only one that the recording thread calls. */
void histogram_record(struct histogram *histogram, uint64_t value);

/* Adds what `from` counted. The caller is the recording thread of `into`. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/*
 * The value that `percent` (0..100) of the recorded ones do not exceed: never less than the true
 * one, at most 1/32 more, never more than the maximum. 0 when nothing was recorded.
 */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

/* 0 when nothing was recorded. */
double histogram_mean(const struct histogram *histogram);

/* The bucket of a value, and the largest value of a bucket. For whoever exports the buckets. */
size_t histogram_bucket_of(uint64_t value);
uint64_t histogram_bucket_last(size_t bucket);
