/*
 * Private to metering: what each feature counts for itself, put as the values of one metric.
 * gauges.c has what serves, gauges_store.c what is behind it, gauges_process.c the process.
 */
#pragma once

#include "control/metering.h"

/* More commands than there are; their counts are 4 bytes each. */
#define METERING_COMMANDS_MAX 160

struct metering {
	const struct control_context *context;
	struct metering_sink *sink;
	enum metric metric;
};

/* A value without labels, with one, with two. */
void put(const struct metering *m, double value);
void put1(const struct metering *m, const char *label, double value);
void put2(const struct metering *m, const char *a, const char *b, double value);

const char *metering_allocator(void); /* its name */
unsigned metering_breakers_forced(void);
unsigned metering_pools_drained(void); /* drained.c */

/* gauges.c */
void meter_stages(struct metering *m);
void meter_in_flight(struct metering *m);
void meter_received(struct metering *m);
void meter_sent(struct metering *m);
void meter_compressed(struct metering *m);
void meter_connections(struct metering *m);
void meter_accepted(struct metering *m);
void meter_rejected(struct metering *m);
void meter_hash_queue(struct metering *m);
void meter_hash_lanes(struct metering *m);
void meter_hashes_shared(struct metering *m);
void meter_hashes_abandoned(struct metering *m);
void meter_admission(struct metering *m);
void meter_admission_decisions(struct metering *m);
void meter_limits(struct metering *m);
void meter_signatures_waiting(struct metering *m);
void meter_signatures_refused(struct metering *m);
void meter_core_busy(struct metering *m);
void meter_core_loop(struct metering *m);
void meter_cq_overflows(struct metering *m);
void meter_sq_full(struct metering *m);
void meter_buffers(struct metering *m);
/* certificates.c */
void meter_handshakes(struct metering *m);
void meter_handshakes_open(struct metering *m);
void meter_handshakes_max(struct metering *m);
void meter_crls(struct metering *m);
void meter_certificates(struct metering *m);
/* gauges_store.c */
void meter_ready(struct metering *m);
void meter_sessions(struct metering *m);
void meter_db_up(struct metering *m);
void meter_db_connections(struct metering *m);
void meter_db_max(struct metering *m);
void meter_db_waiters(struct metering *m);
void meter_db_timeouts(struct metering *m);
void meter_db_rejections(struct metering *m);
void meter_breaker_state(struct metering *m);
void meter_breaker_transitions(struct metering *m);
void meter_breaker_rejections(struct metering *m);
void meter_mails(struct metering *m);
void meter_mails_waiting(struct metering *m);
void meter_cache_requests(struct metering *m);
void meter_cache_entries(struct metering *m);
void meter_cache_bytes(struct metering *m);
void meter_cache_evictions(struct metering *m);
/* gauges_process.c */
void meter_memory(struct metering *m);
void meter_memory_limit(struct metering *m);
void meter_allocator(struct metering *m);
void meter_log_dropped(struct metering *m);
void meter_log_suppressed(struct metering *m);
void meter_trace_spans(struct metering *m);
void meter_trace_failures(struct metering *m);
void meter_cpu(struct metering *m);
void meter_rss(struct metering *m);
void meter_open_fds(struct metering *m);
void meter_max_fds(struct metering *m);
/* How many the process has; 0: /proc does not tell. */
unsigned descriptors_open(void);
