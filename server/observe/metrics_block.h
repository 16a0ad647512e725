/* What one core records: written by it alone (metrics.c), added up by whoever reads
 * (metrics_read.c). Private to both. */
#pragma once

#include "observe/metrics.h"

/* Made by its core when the first value comes: nine kilobytes, of which few pages are touched. */
typedef struct histogram *_Atomic lazy_histogram;
typedef struct exemplars *_Atomic lazy_exemplars;

struct block {
	lazy_histogram requests[METRIC_ROUTES_MAX][METRIC_METHODS][METRIC_CLASSES];
	lazy_exemplars examples[METRIC_ROUTES_MAX][METRIC_METHODS][METRIC_CLASSES];
	lazy_histogram stages[METRIC_ROUTES_MAX][STAGES];
	lazy_histogram hashes[ALGORITHMS], ops[METRIC_OPS_MAX], waits[POOLS];
	_Atomic uint64_t errors[ERROR_REASONS], logins[LOGIN_RESULTS], grants[GRANTS];
	_Atomic uint64_t validations[VALIDATIONS], op_errors[METRIC_OPS_MAX][CODES];
	_Atomic uint64_t bytes;
};

/* Of a core; NULL before it has begun. */
struct block *metrics_block(unsigned core);
