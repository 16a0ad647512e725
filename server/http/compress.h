/*
 * Which responses are compressed, and doing it. Only public documents are: a handler says so with
 * response_public(), and whatever is not said to be public, or carries "no-store", goes as it is. A
 * secret beside text that an attacker chooses would be told by the size of the two together
 * (BREACH, 2013), so nothing is compressed by default. Of one core, but its numbers may be read by
 * any thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/response.h"

/* Public documents change rarely: the last few are kept beside their coded form, so that asking for
 * one in a loop costs a comparison. Larger ones are coded every time. */
#define COMPRESS_KEPT_MAX 8
#define COMPRESS_KEPT_BYTES_MAX (128 * 1024)

struct compress_options {
	bool is_on;
	int level;                /* 1..9, for gzip and zstd */
	uint32_t threshold_bytes; /* smaller bodies gain less than the fields cost */
};

struct compress_stats {
	_Atomic uint64_t responses; /* that were sent coded */
	_Atomic uint64_t reused; /* that needed no coding: it was kept, or known to gain nothing */
	_Atomic uint64_t bytes_before, bytes_after;
};

struct compressor;

/* Takes no memory worth mentioning before the first body is coded. 0 or -ENOMEM. */
int compressor_new(const struct compress_options *options, struct compressor **ret_compressor);
void compressor_free(struct compressor *compressor); /* accepts NULL */
CLEANUP_P(compressor_free, struct compressor)

/*
 * Codes a complete response as its request wants it, with Content-Encoding and Vary. For HEAD too:
 * its fields are those of GET. Where it fails the response stays as it is.
 */
void compress_response(struct compressor *compressor, struct response *response);

const struct compress_stats *compress_stats(const struct compressor *compressor);
