/* One screen that says how the daemon is (status), and the verdicts (health). */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/options.h"
#include "control/control.h"
#include "control/findings.h"
#include "control/handlers.h"
#include "control/latencies.h"
#include "control/memory.h"
#include "control/rates.h"
#include "control/reload.h"
#include "core/core.h"
#include "core/job.h"
#include "guard/breaker.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "store/store.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)
#define TIMES_S 60
#define LINE_BYTES_MAX 4096 /* a line of the screen, generously */

static bool are_ended(void)
{
	for (unsigned i = 0; i < cores_count(); i++)
		if (!READ(core_at(i)->is_ended))
			return false;
	return true;
}

static struct str state_of(const struct control_context *context)
{
	if (context->is_draining())
		return are_ended() ? STR("DRAINED") : STR("DRAINING");
	return store_is_ready() ? STR("READY") : STR("NOT READY");
}

static void process_write(struct json_writer *w, const struct control_context *context)
{
	json_put_str(w, "state", state_of(context));
	json_put_str(w, "version", str_cstr(context->version));
	json_put_i64(w, "pid", getpid());
	json_put_str(w, "boot", str_cstr(context->boot));
	json_put_u64(w, "upgrades", context->upgrade->number);
	json_put_bool(w, "predecessor", context->upgrade->has_predecessor());
	json_put_double(w, "up", (double)(clock_now_ns() - context->started_ns) / NS_PER_S);
}

static void generation_write(struct json_writer *w, const struct control_context *context)
{
	const struct generation *generation = generation_current();
	uint64_t left_ms = reload_unconfirmed_ms(clock_now_ns());

	json_put_u64(w, "generation", generation->number);
	json_put_double(
		w, "generation_age", (double)(clock_wall_ms() - generation->made_ms) / 1000);
	if (generation->uid == GENERATION_NOBODY)
		json_put_null(w, "generation_uid");
	else
		json_put_i64(w, "generation_uid", generation->uid);
	if (left_ms)
		json_put_double(w, "unconfirmed", (double)left_ms / 1000);
	else
		json_put_null(w, "unconfirmed");
	json_put_str(w, "config", str_cstr(context->config_path));
}

/* Rates are over the last second; counters are what they are at this moment. */
static void load_write(struct json_writer *w, const struct control_context *context)
{
	const struct rates *rates = rates_now();
	struct rates_totals totals;

	rates_totals(context, &totals);
	json_put_double(w, "requests_per_second", rates->requests);
	json_put_u64(w, "requests", totals.requests);
	json_put_double(
		w, "error_ratio", rates->requests > 0 ? rates->errors / rates->requests : 0);
	json_put_u64(w, "errors", totals.errors);
	json_put_u64(w, "connections", totals.connections);
}

/* Over all routes in the last minute. */
static void times_write(struct json_writer *w)
{
	struct histogram *times = calloc(1, sizeof(*times));

	if (times)
		latencies_sum(METRIC_ROUTES_MAX, STAGES, TIMES_S, times);
	if (times && READ(times->count)) {
		json_put_double(w, "p50", (double)histogram_percentile(times, 50) / NS_PER_S);
		json_put_double(w, "p99", (double)histogram_percentile(times, 99) / NS_PER_S);
	} else {
		json_put_null(w, "p50");
		json_put_null(w, "p99");
	}
	free(times);
}

static void breaker_print(struct breaker *breaker, void *arg)
{
	struct buf *text = arg;
	struct breaker_view view;

	breaker_view(breaker, &view);
	(void)!buf_printf(text, "%s%s %s", text->len ? "   " : "", view.name,
		view.state == BREAKER_OPEN ? "OPEN" : breaker_state_name(view.state));
	if (view.state == BREAKER_OPEN && view.retry_ns && view.retry_ns != CLOCK_NEVER)
		(void)!buf_printf(text, " (tries again in %" PRIu64 " s)",
			(view.retry_ns + NS_PER_S - 1) / NS_PER_S);
}

static void breakers_write(struct json_writer *w)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(LINE_BYTES_MAX);

	breaker_each(breaker_print, &text);
	json_put_str(w, "breakers", buf_str(&text));
}

static void cores_write(struct json_writer *w, const struct control_request *request)
{
	uint64_t longest_ns = 0;
	unsigned busiest = 0;

	for (unsigned i = 0; i < cores_count(); i++) {
		if (rates_now()->busy[i] > rates_now()->busy[busiest])
			busiest = i;
		longest_ns = MAX(longest_ns, READ(core_at(i)->stats.turn_ns_max));
	}
	json_put_i64(w, "cores", cores_count());
	json_put_i64(w, "cores_answering", gather_answered(request->gather));
	json_put_i64(w, "busiest_core", busiest);
	json_put_double(w, "busiest", rates_now()->busy[busiest]);
	json_put_double(w, "turn_max", (double)longest_ns / NS_PER_S);
}

static void queue_print(const struct job_queue *queue, void *arg)
{
	struct buf *text = arg;

	/* A few queues, bounded text: when it is full the rest is in pool list. */
	(void)!buf_printf(text, "%s%s %u running, %u/%u waiting", text->len ? "   " : "",
		queue->name, READ(queue->running), READ(queue->queued), queue->queued_max);
}

static void queues_write(struct json_writer *w)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(LINE_BYTES_MAX);

	job_queue_each(queue_print, &text);
	json_put_str(w, "pools", buf_str(&text));
}

static void store_write(struct json_writer *w)
{
	struct store_health store;

	store_health(&store);
	json_put_str(w, "store", store.is_up ? STR("up") : STR("DOWN"));
	json_put_double(w, "store_latency", (double)store.latency_us / 1e6);
	json_put_u64(w, "store_failures", store.failures);
}

static void memory_write(const struct control_request *request, struct json_writer *w)
{
	struct memory_parts parts;
	uint64_t files, heap, told;
	const uint64_t *of;
	char text[256];

	memory_parts(request->context, MEMORY_AGE_MS, &parts);
	of = parts.bytes;
	heap = of[MEMORY_HEAP] + of[MEMORY_HEAP_FREE];
	files = of[MEMORY_PROGRAM] + of[MEMORY_LIBRARIES];
	told = files + of[MEMORY_POOLS] + of[MEMORY_TLS] + of[MEMORY_CACHES] + heap;
	(void)snprintf(text, sizeof(text),
		"program %.1f + pools %.1f + tls %.1f + caches %.1f + heap %.1f (%.1f of it free)"
		" + rest %.1f",
		(double)files / 1048576, (double)of[MEMORY_POOLS] / 1048576,
		(double)of[MEMORY_TLS] / 1048576, (double)of[MEMORY_CACHES] / 1048576,
		(double)heap / 1048576, (double)of[MEMORY_HEAP_FREE] / 1048576,
		(double)(parts.rss - MIN(parts.rss, told)) / 1048576);
	json_put_u64(w, "memory", parts.rss);
	json_put_str(w, "memory_parts", str_cstr(text));
}

/* One thing that ends by itself, and when. */
static void temporary_print(struct buf *text, uint64_t left_ns, const char *format, ...)
	_printf_(3, 4);

static void temporary_print(struct buf *text, uint64_t left_ns, const char *format, ...)
{
	uint64_t left_s = (left_ns + NS_PER_S - 1) / NS_PER_S;
	bool is_long = left_s >= 600;
	char what[LINE_BYTES_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	/* A few of each kind, bounded text: when it is full the rest is told by its own command. */
	(void)!buf_printf(text, "%s%s (%" PRIu64 " %s left)", text->len ? ", " : "", what,
		is_long ? (left_s + 59) / 60 : left_s, is_long ? "min" : "s");
}

static uint64_t left_ns(uint64_t until_ns)
{
	uint64_t now_ns = clock_now_ns();

	return until_ns > now_ns ? until_ns - now_ns : 0;
}

static void breaker_temporary(struct breaker *breaker, void *text)
{
	struct breaker_view view;

	breaker_view(breaker, &view);
	if (view.mode != BREAKER_AUTO)
		temporary_print(text, view.forced_ns, "breaker %s %s", view.name,
			breaker_mode_name(view.mode));
}

static void pool_temporary(const struct job_queue *queue, void *text)
{
	uint64_t drained_ns = job_queue_refusal_ns(queue, clock_now_ns());

	if (drained_ns)
		temporary_print(text, drained_ns, "pool %s drained", queue->name);
}

static void overrides_write(struct json_writer *w)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(LINE_BYTES_MAX);
	struct log_module modules[LOG_MODULES_MAX];
	unsigned count = log_modules(modules);
	const struct override *override;
	uint64_t profile_ns = heap_profile_left_ns(clock_now_ns());
	uint64_t cpu_profile_ns = cpu_profile_left_ns(clock_now_ns());

	for (unsigned i = 0; (override = override_at(i)); i++)
		if (override->option)
			temporary_print(&text, left_ns(override->until_ns), "%s.%s=%s",
				override->option->section, override->option->key, override->text);
	breaker_each(breaker_temporary, &text);
	job_queue_each(pool_temporary, &text);
	for (unsigned i = 0; i < count; i++)
		temporary_print(&text, left_ns(modules[i].until_ns), "log level of %s %s",
			modules[i].name, log_level_name(modules[i].least));
	if (profile_ns)
		temporary_print(&text, profile_ns, "mem profile");
	if (cpu_profile_ns)
		temporary_print(&text, cpu_profile_ns, "prof cpu");
	json_put_str(w, "overrides", buf_str(&text));
}

static void warning_print(_unused_ const char *rule, const struct finding *finding, void *arg)
{
	struct buf *text = arg;

	if (finding->verdict >= VERDICT_WARN)
		(void)!buf_printf(text, "%s%s  -> %s", text->len ? "\n" : "", finding->evidence,
			finding->next);
}

void handle_status(struct control_request *request)
{
	_cleanup_(buf_deinit) struct buf warnings = buf_init(LINE_BYTES_MAX);
	const struct control_context *context = request->context;
	struct json_writer *w = request_row_begin(request);

	process_write(w, context);
	generation_write(w, context);
	json_put_str(w, "engine", str_cstr(context->engine));
	json_put_str(w, "engine_why", str_cstr(context->engine_why));
	json_put_str(w, "receive", context->is_multishot ? STR("multishot") : STR("oneshot"));
	load_write(w, context);
	times_write(w);
	cores_write(w, request);
	queues_write(w);
	store_write(w);
	breakers_write(w);
	memory_write(request, w);
	overrides_write(w);
	findings_each(request, warning_print, &warnings);
	json_put_str(w, "warnings", buf_str(&warnings));
	request_row_end(request);
}

/* --- health --- */

static void check_row(
	struct control_request *request, const char *check, bool is_ok, struct str detail)
{
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "check", str_cstr(check));
	json_put_bool(w, "ok", is_ok);
	json_put_str(w, "detail", detail);
	request_row_end(request);
}

static void live_row(struct control_request *request)
{
	unsigned answered = gather_answered(request->gather);
	char text[64]; /* "256 of 256 answer" */

	(void)snprintf(text, sizeof(text), "%u of %u answer", answered, cores_count());
	check_row(request, "cores", answered == cores_count(), str_cstr(text));
}

static void ready_rows(struct control_request *request)
{
	bool is_draining = request->context->is_draining();
	struct store_health store;

	store_health(&store);
	check_row(request, "store", store_is_ready(),
		!store.is_up       ? str_cstr(store.reason)
		: store_is_ready() ? STR("answers")
				   : STR("left alone for a while: authctl breaker list"));
	check_row(request, "serving", !is_draining,
		is_draining ? STR("shutting down") : STR("takes requests"));
}

void handle_health(struct control_request *request)
{
	bool is_ready = request_has(request, "ready"), is_live = request_has(request, "live");

	if (is_live || !is_ready)
		live_row(request);
	if (is_ready || !is_live)
		ready_rows(request);
}
