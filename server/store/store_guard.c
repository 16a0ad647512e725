/* Store calls behind circuit breakers: see store_guard.h. */
#include "store/store_guard.h"

#include <errno.h>

#include "core/fiber.h"
#include "core/span.h"
#include "observe/metrics.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/probe.h"

/* As in config/options.c, for who opens a store without a configuration. */
#define CALL_TIMEOUT_MS 5000
static const struct breaker_options defaults = {
	.window_ms = 10000, .failures_percent = 50, .calls_min = 20, .open_ms = 30000, .probes = 3
};

static struct {
	struct breaker breaker[KEEPER_PARTS];
	uint64_t call_timeout_ms;
} guard;

#define OR_DEFAULT(field) (options->breaker.field ? options->breaker.field : defaults.field)

void store_guard_init(const struct store_options *options)
{
	static const char *const names[] = {
		[KEEPER_READING] = "store-read", [KEEPER_WRITING] = "store-write"
	};

	guard.call_timeout_ms =
		options->call_timeout_ms ? options->call_timeout_ms : CALL_TIMEOUT_MS;
	for (unsigned i = 0; i < KEEPER_PARTS; i++)
		breaker_init(
			&guard.breaker[i], &(struct breaker_options){ .name = names[i],
						   .window_ms = OR_DEFAULT(window_ms),
						   .failures_percent = OR_DEFAULT(failures_percent),
						   .calls_min = OR_DEFAULT(calls_min),
						   .open_ms = OR_DEFAULT(open_ms),
						   .probes = OR_DEFAULT(probes) });
}

void store_guard_deinit(void)
{
	for (unsigned i = 0; i < KEEPER_PARTS; i++)
		breaker_deinit(&guard.breaker[i]);
}

/* "No such account" is an answer; our own full queue and clients that leave say nothing of it. */
static enum breaker_outcome outcome_of(int result)
{
	if (result >= 0)
		return BREAKER_SUCCESS;
	return result == -ERR_STORE_DOWN ? BREAKER_FAILURE : BREAKER_NEITHER;
}

/* What a failed wait says of the store. */
static int blame(int result, const struct job_queue *queue, uint64_t late_ns)
{
	uint64_t now_ns = clock_now_ns();

	/* Before that it was the request's own deadline, for which the store may not be to blame.
	 */
	if (result == -ETIMEDOUT && now_ns >= late_ns)
		return -ERR_STORE_DOWN;
	/* Refused, but not because many wait: it does not move. */
	if (result == -ERR_OVERLOADED &&
		job_queue_stall_ns(queue, now_ns) >= guard.call_timeout_ms * NS_PER_MS / 2)
		return -ERR_STORE_DOWN;
	return result;
}

static enum metric_code_class class_of(int error)
{
	switch (error) {
	case -ERR_OVERLOADED:
		return CODE_OVERLOADED;
	case -ETIMEDOUT:
		return CODE_TIMEOUT;
	case -ERR_STORE_DOWN:
	case -ERR_DRAINING:
		return CODE_DOWN;
	case -ERR_CANCELED:
		return CODE_CANCELED;
	default:
		return CODE_OTHER;
	}
}

/* Where the time went. A call that did not come back was waited for in vain, wherever it is. */
static void account(
	enum keeper_part part, const struct store_call *call, int result, uint64_t began_ns)
{
	const struct job *job = &call->job;
	enum metric_pool pool = part == KEEPER_READING ? POOL_READ : POOL_WRITE;

	if (result < 0)
		metric_op_failed(call->op, class_of(result));
	if (!job_is_done(job) || !job->started_ns) {
		fiber_spend(SPENT_STORE, clock_now_ns() - began_ns);
		return;
	}
	fiber_spend(SPENT_QUEUE, job->started_ns - job->queued_ns);
	fiber_spend(SPENT_STORE, job->ended_ns - job->started_ns);
	metric_pool_wait(pool, job->started_ns - job->queued_ns);
	metric_op(call->op, job->ended_ns - job->started_ns);
}

/* What it was, and where. */
static void call_describe(struct span *span)
{
	struct store_place place;

	store_place(&place);
	span_text(span, "db.system.name", store_backend()->name);
	if (place.database)
		span_text(span, "db.namespace", place.database);
	span_text(span, "db.operation.name", span->name);
	span_text(span, "db.collection.name", span->name_rest);
	if (place.host)
		span_text(span, "server.address", place.host);
	if (place.port)
		span_number(span, "server.port", place.port);
}

/* Waiting for a thread with a connection is a span of its own, in that of the call. */
static void call_span_end(
	struct span *span, enum keeper_part part, const struct job *job, int result)
{
	struct span *wait;

	if (!span)
		return;
	call_describe(span);
	if (job_is_done(job) && job->started_ns) {
		wait = span_begin("pool.acquire", NULL, SPAN_INTERNAL);
		span_text(
			wait, "authd.pool", part == KEEPER_READING ? "store-read" : "store-write");
		span_number(wait, "authd.pool.wait_us",
			(int64_t)((job->started_ns - job->queued_ns) / NS_PER_US));
		span_end(wait, 0);
		span_times(wait, job->queued_ns, job->started_ns);
	}
	span_end(span, result);
}

int store_guard_await(enum keeper_part part, struct job_queue *queue, struct store_call *call)
{
	struct breaker *breaker = &guard.breaker[part];
	uint64_t began_ns = clock_now_ns();
	uint64_t late_ns = clock_after_ms(began_ns, guard.call_timeout_ms);
	struct store_health health = {};
	struct breaker_pass pass;
	struct span *span;
	int r;

	if (!breaker_enter(breaker, &pass)) {
		metric_op_failed(call->op, CODE_DOWN);
		return -ERR_STORE_DOWN;
	}
	call->job.deadline_ns = late_ns;
	span = span_begin(store_op_name(call->op), store_op_collection(call->op), SPAN_CLIENT);
	PROBE1(db__start, store_op_name(call->op));
	r = job_await(queue, &call->job);
	PROBE3(db__end, store_op_name(call->op), r, clock_now_ns() - began_ns);
	if (job_is_done(&call->job) && call->job.started_ns)
		PROBE2(pool__wait, queue->name, call->job.started_ns - call->job.queued_ns);
	call_span_end(span, part, &call->job, r);
	if (r < 0)
		r = blame(r, queue, late_ns);
	account(part, call, r, began_ns);
	if (r == -ERR_STORE_DOWN)
		store_health(&health);
	breaker_leave(breaker, &pass, outcome_of(r),
		health.reason[0] ? health.reason : "no answer in time");
	/* A drained pool is no failure, but to who asks it is what an open breaker is. */
	return r == -ERR_DRAINING ? -ERR_STORE_DOWN : r;
}

bool store_guard_ping_enter(enum keeper_part part, struct breaker_pass *ret_pass)
{
	return breaker_enter(&guard.breaker[part], ret_pass);
}

void store_guard_ping_leave(
	enum keeper_part part, const struct breaker_pass *pass, int result, const char *reason)
{
	breaker_leave(&guard.breaker[part], pass, outcome_of(result), reason);
}

static enum breaker_state state_of(enum keeper_part part)
{
	struct breaker_view view;

	breaker_view(&guard.breaker[part], &view);
	return view.state;
}

bool store_guard_is_closed(enum keeper_part part)
{
	return state_of(part) == BREAKER_CLOSED;
}

static uint64_t drained_ns(enum keeper_part part)
{
	return job_queue_refusal_ns(store_queue(part), clock_now_ns());
}

/* What a drained pool refuses is refused without being tried, too. */
static enum breaker_state seen_state(enum keeper_part part)
{
	return drained_ns(part) ? BREAKER_OPEN : state_of(part);
}

void store_breakers(struct store_breakers *ret_breakers)
{
	*ret_breakers = (struct store_breakers){ .reads = seen_state(KEEPER_READING),
		.writes = seen_state(KEEPER_WRITING) };
}

static uint64_t retry_ns(enum keeper_part part)
{
	return MAX(breaker_retry_ns(&guard.breaker[part]), drained_ns(part));
}

bool store_is_ready(void)
{
	struct store_health health;

	store_health(&health);
	return health.is_up && state_of(KEEPER_READING) != BREAKER_OPEN &&
	       state_of(KEEPER_WRITING) != BREAKER_OPEN;
}

uint64_t store_retry_ns(void)
{
	return MAX(retry_ns(KEEPER_READING), retry_ns(KEEPER_WRITING));
}
