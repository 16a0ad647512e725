/* One screen that says how the daemon is (status), and the verdicts (health). */
#include <stdio.h>
#include <unistd.h>

#include "control/control.h"
#include "control/handlers.h"
#include "control/rates.h"
#include "core/core.h"
#include "core/job.h"
#include "shared/clock.h"
#include "store/store.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

/* Resident memory of this process; 0 when /proc is not there. */
static uint64_t memory_rss(void)
{
	unsigned long long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

struct cores_summary {
	unsigned busiest;
	uint64_t turn_ns_max;
};

static struct cores_summary cores_summary(void)
{
	struct cores_summary summary = {};

	for (unsigned i = 0; i < cores_count(); i++) {
		if (rates_now()->busy[i] > rates_now()->busy[summary.busiest])
			summary.busiest = i;
		summary.turn_ns_max = MAX(summary.turn_ns_max, READ(core_at(i)->stats.turn_ns_max));
	}
	return summary;
}

static void engine_write(struct json_writer *w)
{
	const struct loop_features *features = loop_features(core_at(0)->loop);

	json_put_str(w, "engine", str_cstr(features->engine));
	json_put_str(
		w, "receive", features->is_receive_multishot ? STR("multishot") : STR("oneshot"));
}

static void queue_write(const struct job_queue *queue, void *arg)
{
	struct buf *text = arg;

	/* A few queues, bounded text: when it is full the rest is in pool list. */
	(void)!buf_printf(text, "%s%s %u running, %u of %u waiting", text->len ? "   " : "",
		queue->name, READ(queue->running), READ(queue->queued), queue->queued_max);
}

static void pools_write(struct json_writer *w)
{
	struct buf text = buf_init(4096); /* a line of the screen, generously */

	job_queue_each(queue_write, &text);
	json_put_str(w, "pools", buf_str(&text));
	buf_deinit(&text);
}

static void warnings_write(struct json_writer *w, const struct control_request *request,
	const struct store_health *store)
{
	unsigned silent = cores_count() - gather_answered(request->gather);
	struct buf text = buf_init(1024);

	if (!store->is_up)
		(void)!buf_printf(&text, "the store is down: %s  -> authctl health", store->reason);
	if (silent)
		(void)!buf_printf(&text, "%s%u cores do not answer  -> authctl core list",
			text.len ? "; " : "", silent);
	json_put_str(w, "warnings", buf_str(&text));
	buf_deinit(&text);
}

void handle_status(struct control_request *request)
{
	const struct control_context *context = request->dialog->context;
	const struct rates *rates = rates_now();
	struct cores_summary cores = cores_summary();
	struct store_health store;
	struct json_writer *w = request_row_begin(request);

	store_health(&store);
	json_put_str(w, "state", context->is_draining() ? STR("DRAINING") : STR("READY"));
	json_put_str(w, "version", str_cstr(context->version));
	json_put_i64(w, "pid", getpid());
	json_put_double(w, "up", (double)(clock_now_ns() - context->started_ns) / NS_PER_S);
	engine_write(w);
	json_put_double(w, "requests_per_second", rates->requests);
	json_put_u64(w, "requests", rates->requests_total);
	json_put_u64(w, "errors", rates->errors_total);
	json_put_u64(w, "connections", rates->connections);
	json_put_i64(w, "cores", cores_count());
	json_put_i64(w, "cores_answering", gather_answered(request->gather));
	json_put_i64(w, "busiest_core", cores.busiest);
	json_put_double(w, "busiest", rates->busy[cores.busiest]);
	json_put_double(w, "turn_max", (double)cores.turn_ns_max / NS_PER_S);
	pools_write(w);
	json_put_str(w, "store", store.is_up ? STR("up") : STR("DOWN"));
	json_put_double(w, "store_latency", (double)store.latency_us / 1e6);
	json_put_u64(w, "store_failures", store.failures);
	json_put_u64(w, "memory", memory_rss());
	json_put_str(w, "config", str_cstr(context->config_path));
	warnings_write(w, request, &store);
	request_row_end(request);
}

static void check_row(
	struct control_request *request, const char *check, bool is_ok, struct str detail)
{
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "check", str_cstr(check));
	json_put_bool(w, "ok", is_ok);
	json_put_str(w, "detail", detail);
	request_row_end(request);
}

void handle_health(struct control_request *request)
{
	unsigned answered = gather_answered(request->gather);
	bool is_draining = request->dialog->context->is_draining();
	struct store_health store;
	char cores[64]; /* "256 of 256 answer" */
	int length;

	store_health(&store);
	length = snprintf(cores, sizeof(cores), "%u of %u answer", answered, cores_count());
	check_row(request, "cores", answered == cores_count(), str_of(cores, (size_t)length));
	check_row(request, "store", store.is_up,
		store.is_up ? STR("answers") : str_cstr(store.reason));
	check_row(request, "serving", !is_draining,
		is_draining ? STR("shutting down") : STR("takes requests"));
}
