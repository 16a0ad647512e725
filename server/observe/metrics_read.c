/* Adding up what the cores record, and the names of it: see metrics.h. */
#include <stdatomic.h>
#include <stdlib.h>

#include "core/core.h"
#include "observe/metrics_block.h"
#include "shared/macros.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

/* --- names --- */

static const char *const method_names[METRIC_METHODS] = { "GET", "HEAD", "POST", "PUT", "PATCH",
	"DELETE", "OPTIONS", "_OTHER" };
static const char *const class_names[METRIC_CLASSES] = { "other", "1xx", "2xx", "3xx", "4xx",
	"5xx" };
static const char *const stage_names[STAGES] = { "queue", "parse", "db", "hash", "write" };
static const char *const error_names[ERROR_REASONS] = { "timeout", "too_large", "bad_request",
	"overloaded", "limited", "store", "internal", "aborted" };
static const char *const login_names[LOGIN_RESULTS] = { "success", "bad_secret", "unknown",
	"locked", "limited", "suspended", "unverified", "error" };
static const char *const grant_names[GRANTS] = { "password", "register", "refresh" };
static const char *const validation_names[VALIDATIONS] = { "valid", "invalid", "expired", "revoked",
	"suspended", "error" };
static const char *const algorithm_names[ALGORITHMS] = { "bcrypt", "other" };
static const char *const pool_names[POOLS] = { "store-read", "store-write" };
static const char *const code_names[CODES] = { "overloaded", "timeout", "down", "canceled",
	"other" };

static struct {
	const char *const *routes;
	const char *(*op_name)(unsigned op), *(*op_collection)(unsigned op);
	unsigned routes_count, ops_count;
} names;

void metrics_routes_set(const char *const *routes, unsigned count)
{
	names.routes = routes;
	names.routes_count = MIN(count, METRIC_ROUTES_MAX - 1);
}

void metrics_ops_set(const char *(*name_of)(unsigned op), const char *(*collection_of)(unsigned op),
	unsigned count)
{
	names.op_name = name_of;
	names.op_collection = collection_of;
	names.ops_count = MIN(count, METRIC_OPS_MAX);
}

const char *metrics_route_name(unsigned route)
{
	if (route == 0)
		return "unmatched";
	return route <= names.routes_count ? names.routes[route - 1] : NULL;
}

const char *metrics_op_name(unsigned op)
{
	return op < names.ops_count ? names.op_name(op) : NULL;
}

const char *metrics_stage_name(enum metric_stage stage)
{
	return stage_names[stage];
}

const char *metrics_login_name(enum metric_login result)
{
	return login_names[result];
}

const char *metrics_validation_name(enum metric_validation result)
{
	return validation_names[result];
}

/* --- adding up --- */

/* The place of a slot is the same in the block of every core. */
static struct histogram *histogram_at(const struct block *block, size_t offset)
{
	return atomic_load_explicit(
		(const lazy_histogram *)((const char *)block + offset), memory_order_acquire);
}

static bool histogram_sum(size_t offset, struct histogram *into)
{
	bool is_any = false;

	for (unsigned i = 0; i < cores_count(); i++) {
		struct block *block = metrics_block(i);
		const struct histogram *from = block ? histogram_at(block, offset) : NULL;

		if (from)
			histogram_merge(into, from);
		is_any |= from != NULL;
	}
	return is_any;
}

static uint64_t counter_sum(size_t offset)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < cores_count(); i++) {
		const struct block *block = metrics_block(i);

		if (block)
			sum += READ(*(const _Atomic uint64_t *)((const char *)block + offset));
	}
	return sum;
}

#define REQUESTS_AT(route, method, class)                                                          \
	(offsetof(struct block, requests) +                                                        \
		(((size_t)(route)*METRIC_METHODS + (method)) * METRIC_CLASSES + (class)) *         \
			sizeof(lazy_histogram))
#define STAGES_AT(route, stage)                                                                    \
	(offsetof(struct block, stages) +                                                          \
		((size_t)(route)*STAGES + (stage)) * sizeof(lazy_histogram))

/* A visit to one series: a histogram of all cores on the heap, because it is too large for a stack.
 */
struct reading {
	metric_visit *visit;
	void *arg;
	struct histogram *sum;
};

static void histogram_tell(
	struct reading *reading, size_t offset, const char *a, const char *b, const char *c)
{
	*reading->sum = (struct histogram){};
	if (histogram_sum(offset, reading->sum))
		reading->visit(&(struct metric_series){ .labels = { a, b, c },
				       .count = READ(reading->sum->count),
				       .histogram = reading->sum },
			reading->arg);
}

static void counter_tell(
	const struct reading *reading, size_t offset, const char *a, const char *b, const char *c)
{
	reading->visit(
		&(struct metric_series){ .labels = { a, b, c }, .count = counter_sum(offset) },
		reading->arg);
}

/* How many requests: their histograms need not be added up for that. */
static void requests_count(struct reading *reading, size_t index, struct metric_series *series)
{
	size_t offset = REQUESTS_AT(0, 0, 0) + index * sizeof(lazy_histogram);
	bool is_any = false;

	for (unsigned i = 0; i < cores_count(); i++) {
		const struct block *block = metrics_block(i);
		const struct histogram *from = block ? histogram_at(block, offset) : NULL;

		series->count += from ? READ(from->count) : 0;
		is_any |= from != NULL;
	}
	if (is_any)
		reading->visit(series, reading->arg);
}

static void requests_time(struct reading *reading, size_t index, struct metric_series *series)
{
	struct exemplar exemplars[EXEMPLARS] = {};

	*reading->sum = (struct histogram){};
	if (!histogram_sum(REQUESTS_AT(0, 0, 0) + index * sizeof(lazy_histogram), reading->sum))
		return;
	for (unsigned i = 0; i < cores_count(); i++) {
		const struct block *block = metrics_block(i);
		const struct exemplars *from =
			block ? atomic_load_explicit(
					&(&block->examples[0][0][0])[index], memory_order_acquire)
			      : NULL;

		if (from)
			exemplars_merge(from, exemplars);
	}
	series->count = READ(reading->sum->count);
	series->histogram = reading->sum;
	series->exemplars = exemplars;
	reading->visit(series, reading->arg);
}

static void requests_each(struct reading *reading, bool is_timed)
{
	for (unsigned route = 0; metrics_route_name(route); route++)
		for (unsigned i = 0; i < METRIC_METHODS * METRIC_CLASSES; i++) {
			struct metric_series series = { .labels = { metrics_route_name(route),
								method_names[i / METRIC_CLASSES],
								class_names[i % METRIC_CLASSES] } };

			(is_timed ? requests_time : requests_count)(
				reading, route * (METRIC_METHODS * METRIC_CLASSES) + i, &series);
		}
}

static void ops_each(struct reading *reading)
{
	for (unsigned op = 0; metrics_op_name(op); op++)
		histogram_tell(reading, offsetof(struct block, ops) + op * sizeof(lazy_histogram),
			metrics_op_name(op), names.op_collection(op), NULL);
}

static void op_errors_each(const struct reading *reading)
{
	for (unsigned op = 0; metrics_op_name(op); op++)
		for (unsigned code = 0; code < CODES; code++)
			counter_tell(reading,
				offsetof(struct block, op_errors) +
					(op * CODES + code) * sizeof(uint64_t),
				metrics_op_name(op), names.op_collection(op), code_names[code]);
}

static void grants_each(const struct reading *reading)
{
	static const char *const kinds[] = { "access", "refresh" };

	for (unsigned i = 0; i < GRANTS * ARRAY_SIZE(kinds); i++)
		counter_tell(reading, offsetof(struct block, grants) + i / 2 * sizeof(uint64_t),
			grant_names[i / 2], kinds[i % 2], NULL);
}

/* before: a label with one value, in front. */
static void counters_each(const struct reading *reading, size_t offset, const char *before,
	const char *const *values, unsigned values_count)
{
	for (unsigned i = 0; i < values_count; i++) {
		size_t at = offset + i * sizeof(uint64_t);

		counter_tell(
			reading, at, before ? before : values[i], before ? values[i] : NULL, NULL);
	}
}

static void histograms_each(
	struct reading *reading, size_t offset, const char *const *values, unsigned values_count)
{
	for (unsigned i = 0; i < values_count; i++)
		histogram_tell(reading, offset + i * sizeof(lazy_histogram), values[i], NULL, NULL);
}

#define AT(field) offsetof(struct block, field)

static bool recorded_each(enum metric metric, struct reading *reading)
{
	switch (metric) {
	case METRIC_HTTP_REQUESTS:
	case METRIC_HTTP_DURATION:
		requests_each(reading, metric == METRIC_HTTP_DURATION);
		return true;
	case METRIC_HTTP_ERRORS:
		counters_each(reading, AT(errors), NULL, error_names, ERROR_REASONS);
		return true;
	case METRIC_LOGINS:
		counters_each(reading, AT(logins), "password", login_names, LOGIN_RESULTS);
		return true;
	case METRIC_TOKENS_ISSUED:
		grants_each(reading);
		return true;
	case METRIC_TOKEN_VALIDATIONS:
		counters_each(reading, AT(validations), NULL, validation_names, VALIDATIONS);
		return true;
	case METRIC_HASH_DURATION:
		histograms_each(reading, AT(hashes), algorithm_names, ALGORITHMS);
		return true;
	case METRIC_DB_DURATION:
		ops_each(reading);
		return true;
	case METRIC_DB_ERRORS:
		op_errors_each(reading);
		return true;
	case METRIC_DB_POOL_WAIT:
		histograms_each(reading, AT(waits), pool_names, POOLS);
		return true;
	default:
		return false;
	}
}

bool metric_recorded_each(enum metric metric, metric_visit *visit, void *arg)
{
	struct reading reading = {
		.visit = visit, .arg = arg, .sum = calloc(1, sizeof(*reading.sum))
	};
	bool is_recorded = reading.sum && recorded_each(metric, &reading);

	free(reading.sum);
	return is_recorded;
}

/* Calls step for every slot that belongs to a route (or to all) and a stage (or to the whole). */
static void times_each(
	unsigned route, unsigned stage, void (*step)(size_t offset, void *arg), void *arg)
{
	unsigned first = route == METRIC_ROUTES_MAX ? 0 : route;
	unsigned end = route == METRIC_ROUTES_MAX ? METRIC_ROUTES_MAX : route + 1;

	for (unsigned i = first; i < end; i++) {
		if (stage < STAGES)
			step(STAGES_AT(i, stage), arg);
		for (unsigned j = 0; stage == STAGES && j < METRIC_METHODS * METRIC_CLASSES; j++)
			step(REQUESTS_AT(i, 0, 0) + j * sizeof(lazy_histogram), arg);
	}
}

static void time_add(size_t offset, void *into)
{
	(void)histogram_sum(offset, into);
}

void metric_times(unsigned route, unsigned stage, struct histogram *into)
{
	times_each(route, stage, time_add, into);
}

static void time_count(size_t offset, void *arg)
{
	uint64_t *sum = arg;

	for (unsigned i = 0; i < cores_count(); i++) {
		const struct block *block = metrics_block(i);
		const struct histogram *histogram = block ? histogram_at(block, offset) : NULL;

		*sum += histogram ? READ(histogram->count) : 0;
	}
}

uint64_t metric_times_count(unsigned route, unsigned stage)
{
	uint64_t sum = 0;

	times_each(route, stage, time_count, &sum);
	return sum;
}

uint64_t metrics_bytes(void)
{
	return counter_sum(AT(bytes));
}
