/* Metrics of what serves: connections, cores, hashing, admission, limits. See gauges.h. */
#include "control/gauges.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/control.h"
#include "core/core.h"
#include "core/job.h"
#include "core/ration.h"
#include "crypt/password.h"
#include "guard/admission.h"
#include "guard/limits.h"
#include "http/server.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

/* --- connections: the sum over all cores --- */

struct served {
	uint64_t accepted[HTTP_LISTENS], no_fd, no_memory, accept_errors, refused, proxy_errors,
		no_tls;
	uint64_t received, sent, compressed;
	uint64_t connections, idle, handshaking, in_flight;
};

static void served_add(struct served *sum, const struct http_server *server)
{
	const struct http_stats *stats = http_server_stats(server);

	for (unsigned i = 0; i < HTTP_LISTENS; i++)
		sum->accepted[i] += READ(stats->accepted[i]);
	sum->no_fd += READ(stats->accept_no_fd);
	sum->no_memory += READ(stats->accept_no_memory);
	sum->accept_errors += READ(stats->accept_errors);
	sum->refused += READ(stats->connections_refused);
	sum->proxy_errors += READ(stats->proxy_errors);
	sum->no_tls += READ(stats->handshakes[TLS_VERSION_NONE][0][HANDSHAKE_FAILED]);
	sum->received += READ(stats->bytes_received);
	sum->sent += READ(stats->bytes_sent);
	sum->compressed += READ(http_server_compress_stats(server)->responses);
	sum->connections += READ(stats->connections);
	sum->idle += READ(stats->connections_idle);
	sum->handshaking += READ(stats->connections_handshaking);
	sum->in_flight += http_server_in_flight(server);
}

static struct served served(const struct metering *m)
{
	struct served sum = {};

	for (unsigned i = 0; i < cores_count(); i++) {
		const struct http_server *server = m->context->http_of(core_at(i));

		if (server)
			served_add(&sum, server);
	}
	return sum;
}

/* Sends belong to connections, the other stages to requests. */
static void sends_add(const struct metering *m, struct histogram *sum)
{
	for (unsigned i = 0; i < cores_count(); i++) {
		const struct http_server *server = m->context->http_of(core_at(i));

		if (server)
			histogram_merge(sum, &http_server_stats(server)->sends_ns);
	}
}

void meter_stages(struct metering *m)
{
	struct histogram *sum = calloc(1, sizeof(*sum));

	for (enum metric_stage stage = 0; sum && stage < STAGES; stage++) {
		*sum = (struct histogram){};
		if (stage == STAGE_WRITE)
			sends_add(m, sum);
		else
			metric_times(METRIC_ROUTES_MAX, stage, sum);
		m->sink->histogram(m->sink,
			(const char *const[METRIC_LABELS_MAX]){ metrics_stage_name(stage) }, sum,
			NULL);
	}
	free(sum);
}

void meter_in_flight(struct metering *m)
{
	put(m, (double)served(m).in_flight);
}

void meter_received(struct metering *m)
{
	put(m, (double)served(m).received);
}

void meter_sent(struct metering *m)
{
	put(m, (double)served(m).sent);
}

void meter_compressed(struct metering *m)
{
	put(m, (double)served(m).compressed);
}

void meter_connections(struct metering *m)
{
	struct served sum = served(m);

	uint64_t others = sum.idle + sum.handshaking;
	uint64_t active = sum.connections - MIN(others, sum.connections);
	bool is_draining = m->context->is_draining();

	put1(m, "active", is_draining ? 0 : (double)active);
	put1(m, "idle", (double)sum.idle);
	put1(m, "tls_handshake", (double)sum.handshaking);
	put1(m, "draining", is_draining ? (double)active : 0);
}

void meter_accepted(struct metering *m)
{
	static const char *const names[HTTP_LISTENS] = { [HTTP_LISTEN_PLAIN] = "http",
		[HTTP_LISTEN_TLS] = "https",
		[HTTP_LISTEN_REDIRECT] = "redirect" };
	struct served sum = served(m);

	for (unsigned i = 0; i < HTTP_LISTENS; i++)
		put1(m, names[i], (double)sum.accepted[i]);
}

void meter_rejected(struct metering *m)
{
	struct served sum = served(m);

	put1(m, "limit", (double)sum.refused);
	put1(m, "fd", (double)sum.no_fd);
	put1(m, "memory", (double)sum.no_memory);
	put1(m, "accept", (double)sum.accept_errors);
	put1(m, "proxy", (double)sum.proxy_errors);
	put1(m, "tls", (double)sum.no_tls);
}

/* --- hashing --- */

void meter_hash_queue(struct metering *m)
{
	const struct job_queue *queue = password_queue();

	put(m, queue ? READ(queue->queued) : 0);
}

void meter_hash_lanes(struct metering *m)
{
	struct password_stats stats;

	password_stats_read(&stats);
	put1(m, "busy", stats.lanes_busy);
	put1(m, "idle", stats.lanes - MIN(stats.lanes_busy, stats.lanes));
}

void meter_hashes_shared(struct metering *m)
{
	struct password_stats stats;

	password_stats_read(&stats);
	put(m, (double)stats.shared);
}

void meter_hashes_abandoned(struct metering *m)
{
	struct password_stats stats;

	password_stats_read(&stats);
	put(m, (double)stats.left);
}

/* --- who may begin --- */

void meter_admission(struct metering *m)
{
	struct admission_view view;

	admission_view(&view, clock_now_ns());
	put(m, view.in_progress);
}

void meter_admission_decisions(struct metering *m)
{
	struct admission_view view;

	admission_view(&view, clock_now_ns());
	put1(m, "admitted", (double)view.admitted);
	for (enum admission_reason reason = 0; reason < ADMISSION_REASONS; reason++)
		put1(m, admission_reason_name(reason), (double)view.refused[reason]);
}

void meter_limits(struct metering *m)
{
	for (enum limit limit = LIMIT_NONE + 1; limit < LIMITS; limit++) {
		struct limit_info info;

		limit_info(limit, &info);
		put2(m, info.name, "allowed", (double)info.counts.allowed);
		put2(m, info.name, "refused", (double)info.counts.refused);
	}
}

static void waiting_add(const struct ration *ration, void *arg)
{
	*(uint64_t *)arg += READ(ration->waiting);
}

static void refused_add(const struct ration *ration, void *arg)
{
	*(uint64_t *)arg += READ(ration->refused);
}

void meter_signatures_waiting(struct metering *m)
{
	uint64_t sum = 0;

	ration_each(waiting_add, &sum);
	put(m, (double)sum);
}

void meter_signatures_refused(struct metering *m)
{
	uint64_t sum = 0;

	ration_each(refused_add, &sum);
	put(m, (double)sum);
}

/* --- cores --- */

#define CORE_TEXT_BYTES 8

static const char *core_text(unsigned core, char text[static CORE_TEXT_BYTES])
{
	(void)snprintf(text, CORE_TEXT_BYTES, "%u", core % CORES_MAX);
	return text;
}

void meter_core_busy(struct metering *m)
{
	char text[CORE_TEXT_BYTES];

	for (unsigned i = 0; i < cores_count(); i++)
		put1(m, core_text(i, text), (double)core_cpu_ns(core_at(i)) / NS_PER_S);
}

void meter_core_loop(struct metering *m)
{
	static const char *const none[METRIC_LABELS_MAX];
	struct histogram *sum = calloc(1, sizeof(*sum));

	for (unsigned i = 0; sum && i < cores_count(); i++)
		histogram_merge(sum, &core_at(i)->stats.turn_ns);
	if (sum)
		m->sink->histogram(m->sink, none, sum, NULL);
	free(sum);
}

/* Of one core; those that have ended have no loop any more. */
static void loop_counts(struct metering *m, uint64_t (*of)(const struct loop_stats *stats))
{
	char text[CORE_TEXT_BYTES];

	for (unsigned i = 0; i < cores_count(); i++) {
		const struct core *core = core_at(i);

		if (!atomic_load_explicit(&core->is_ended, memory_order_acquire))
			put1(m, core_text(i, text), (double)of(loop_stats(core->loop)));
	}
}

static uint64_t cq_overflows(const struct loop_stats *stats)
{
	return READ(stats->completion_overflows);
}

static uint64_t sq_full(const struct loop_stats *stats)
{
	return READ(stats->submission_full);
}

static uint64_t buffers(const struct loop_stats *stats)
{
	return READ(stats->buffers_exhausted);
}

void meter_cq_overflows(struct metering *m)
{
	loop_counts(m, cq_overflows);
}

void meter_sq_full(struct metering *m)
{
	loop_counts(m, sq_full);
}

void meter_buffers(struct metering *m)
{
	loop_counts(m, buffers);
}
