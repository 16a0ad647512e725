/* The numbers of the features, one function for each metric: see metering.h. */
#include "control/metering.h"

#include <stdatomic.h>
#include <string.h>

#include "control/control.h"
#include "control/gauges.h"
#include "core/core.h"
#include "http/server.h"
#include "shared/macros.h"
#include "shared/outcome.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

static struct {
	_Atomic uint64_t counts[METERING_COUNTS];
	_Atomic uint64_t generation, overrides;
	_Atomic int64_t config_ms;
	_Atomic uint32_t commands[METERING_COMMANDS_MAX][OUTCOMES];
} counted;

void metering_count(enum metering_count what)
{
	atomic_fetch_add_explicit(&counted.counts[what], 1, memory_order_relaxed);
}

void metering_config(uint64_t generation, int64_t wall_ms, unsigned overrides)
{
	counted.generation = generation;
	counted.config_ms = wall_ms;
	counted.overrides = overrides;
}

void metering_command(unsigned command, unsigned outcome)
{
	if (command < METERING_COMMANDS_MAX && outcome < OUTCOMES)
		atomic_fetch_add_explicit(
			&counted.commands[command][outcome], 1, memory_order_relaxed);
}

/* --- putting --- */

void put(const struct metering *m, double value)
{
	static const char *const none[METRIC_LABELS_MAX];

	m->sink->value(m->sink, none, value);
}

void put1(const struct metering *m, const char *label, double value)
{
	m->sink->value(m->sink, (const char *const[METRIC_LABELS_MAX]){ label }, value);
}

void put2(const struct metering *m, const char *a, const char *b, double value)
{
	m->sink->value(m->sink, (const char *const[METRIC_LABELS_MAX]){ a, b }, value);
}

/* --- what control knows --- */

static void config_generation(struct metering *m)
{
	put(m, (double)counted.generation);
}

static void config_success(struct metering *m)
{
	put(m, (double)counted.config_ms / 1000);
}

static void config_reloads(struct metering *m)
{
	put1(m, "ok", (double)counted.counts[METERING_RELOAD_OK]);
	put1(m, "invalid", (double)counted.counts[METERING_RELOAD_INVALID]);
	put1(m, "undone", (double)counted.counts[METERING_RELOAD_UNDONE]);
}

static void overrides(struct metering *m)
{
	put1(m, "config", (double)counted.overrides);
	put1(m, "breaker", metering_breakers_forced());
	put1(m, "pool", metering_pools_drained());
}

static void ctl_commands(struct metering *m)
{
	for (unsigned i = 0; i < MIN(command_count, METERING_COMMANDS_MAX); i++)
		for (enum outcome outcome = 0; outcome < OUTCOMES; outcome++) {
			uint32_t times = READ(counted.commands[i][outcome]);

			if (times)
				put2(m, commands[i].name, outcome_name(outcome), times);
		}
}

static void scrapes(struct metering *m)
{
	put1(m, "ok", (double)counted.counts[METERING_SCRAPE_OK]);
	put1(m, "refused", (double)counted.counts[METERING_SCRAPE_REFUSED]);
	put1(m, "timeout", (double)counted.counts[METERING_SCRAPE_TIMEOUT]);
}

static void build_info(struct metering *m)
{
	m->sink->value(m->sink,
		(const char *const[METRIC_LABELS_MAX]){ m->context->version, m->context->commit,
			__VERSION__, metering_allocator() },
		1);
}

static void start_time(struct metering *m)
{
	put(m, (double)m->context->started_wall_ms / 1000);
}

static void draining(struct metering *m)
{
	put(m, m->context->is_draining());
}

/* --- the table --- */

static void (*const collectors[METRICS])(struct metering *m) = {
	[METRIC_BUILD_INFO] = build_info,
	[METRIC_START_TIME] = start_time,
	[METRIC_READY] = meter_ready,
	[METRIC_DRAINING] = draining,
	[METRIC_HTTP_STAGE] = meter_stages,
	[METRIC_HTTP_IN_FLIGHT] = meter_in_flight,
	[METRIC_HTTP_RECEIVED] = meter_received,
	[METRIC_HTTP_SENT] = meter_sent,
	[METRIC_HTTP_COMPRESSED] = meter_compressed,
	[METRIC_CONNECTIONS_OPEN] = meter_connections,
	[METRIC_CONNECTIONS_ACCEPTED] = meter_accepted,
	[METRIC_CONNECTIONS_REJECTED] = meter_rejected,
	[METRIC_TLS_HANDSHAKES] = meter_handshakes,
	[METRIC_TLS_HANDSHAKES_OPEN] = meter_handshakes_open,
	[METRIC_TLS_HANDSHAKES_MAX] = meter_handshakes_max,
	[METRIC_TLS_CERTIFICATE] = meter_certificates,
	[METRIC_TLS_CRL] = meter_crls,
	[METRIC_HASH_QUEUE] = meter_hash_queue,
	[METRIC_HASH_LANES] = meter_hash_lanes,
	[METRIC_HASHES_SHARED] = meter_hashes_shared,
	[METRIC_HASHES_ABANDONED] = meter_hashes_abandoned,
	[METRIC_ADMISSION_IN_PROGRESS] = meter_admission,
	[METRIC_ADMISSION_DECISIONS] = meter_admission_decisions,
	[METRIC_RATE_LIMIT] = meter_limits,
	[METRIC_SIGNATURES_WAITING] = meter_signatures_waiting,
	[METRIC_SIGNATURES_REFUSED] = meter_signatures_refused,
	[METRIC_SESSIONS_ACTIVE] = meter_sessions,
	[METRIC_DB_UP] = meter_db_up,
	[METRIC_DB_POOL_CONNECTIONS] = meter_db_connections,
	[METRIC_DB_POOL_MAX] = meter_db_max,
	[METRIC_DB_POOL_WAITERS] = meter_db_waiters,
	[METRIC_DB_POOL_TIMEOUTS] = meter_db_timeouts,
	[METRIC_DB_POOL_REJECTIONS] = meter_db_rejections,
	[METRIC_BREAKER_STATE] = meter_breaker_state,
	[METRIC_BREAKER_TRANSITIONS] = meter_breaker_transitions,
	[METRIC_BREAKER_REJECTIONS] = meter_breaker_rejections,
	[METRIC_MAILS] = meter_mails,
	[METRIC_MAILS_WAITING] = meter_mails_waiting,
	[METRIC_CACHE_REQUESTS] = meter_cache_requests,
	[METRIC_CACHE_ENTRIES] = meter_cache_entries,
	[METRIC_CACHE_BYTES] = meter_cache_bytes,
	[METRIC_CACHE_EVICTIONS] = meter_cache_evictions,
	[METRIC_CORE_BUSY] = meter_core_busy,
	[METRIC_CORE_LOOP] = meter_core_loop,
	[METRIC_URING_CQ_OVERFLOWS] = meter_cq_overflows,
	[METRIC_URING_SQ_FULL] = meter_sq_full,
	[METRIC_BUFFERS_EXHAUSTED] = meter_buffers,
	[METRIC_MEMORY] = meter_memory,
	[METRIC_MEMORY_LIMIT] = meter_memory_limit,
	[METRIC_ALLOCATOR] = meter_allocator,
	[METRIC_CONFIG_GENERATION] = config_generation,
	[METRIC_CONFIG_SUCCESS] = config_success,
	[METRIC_CONFIG_RELOADS] = config_reloads,
	[METRIC_OVERRIDES] = overrides,
	[METRIC_CTL_COMMANDS] = ctl_commands,
	[METRIC_LOG_DROPPED] = meter_log_dropped,
	[METRIC_LOG_SUPPRESSED] = meter_log_suppressed,
	[METRIC_TRACE_SPANS] = meter_trace_spans,
	[METRIC_TRACE_FAILURES] = meter_trace_failures,
	[METRIC_CPU] = meter_cpu,
	[METRIC_RSS] = meter_rss,
	[METRIC_OPEN_FDS] = meter_open_fds,
	[METRIC_MAX_FDS] = meter_max_fds,
	[METRIC_SCRAPES] = scrapes,
};

static void recorded(const struct metric_series *series, void *arg)
{
	const struct metering *m = arg;

	if (series->histogram && metrics[m->metric].type == METRIC_HISTOGRAM)
		m->sink->histogram(m->sink, series->labels, series->histogram, series->exemplars);
	else
		m->sink->value(m->sink, series->labels, (double)series->count);
}

void metering_collect_one(
	const struct control_context *context, enum metric metric, struct metering_sink *sink)
{
	struct metering m = { .context = context, .sink = sink, .metric = metric };

	sink->family(sink, metric);
	if (collectors[metric])
		collectors[metric](&m);
	else
		(void)metric_recorded_each(metric, recorded, &m);
}

void metering_collect(const struct control_context *context, struct metering_sink *sink)
{
	for (enum metric metric = 0; metric < METRIC_SERIES; metric++)
		metering_collect_one(context, metric, sink);
}
