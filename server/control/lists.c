/* The lists: core list, pool list. What they show is read from counters, no core is asked for it.
 */
#include "control/blocking.h"
#include "control/control.h"
#include "control/handlers.h"
#include "control/rates.h"
#include "core/core.h"
#include "core/job.h"
#include "core/pool.h"
#include "http/server.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "store/store.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

static void core_row(struct control_request *request, unsigned i)
{
	static const struct http_stats no_http;
	static const struct loop_stats no_loop;
	struct core *core = core_at(i);
	struct http_server *server = request->context->http_of(core);
	const struct http_stats *http = server ? http_server_stats(server) : &no_http;
	bool is_ended = READ(core->is_ended);
	const struct loop_stats *loop = is_ended ? &no_loop : loop_stats(core->loop);
	struct json_writer *w = request_row_begin(request);

	json_put_i64(w, "core", i);
	json_put_bool(w, "answers", gather_answer(request->gather, i) != NULL);
	json_put_double(w, "busy", rates_now()->busy[i]);
	json_put_u64(w, "turns", READ(core->stats.turns));
	json_put_double(w, "turn_max", (double)READ(core->stats.turn_ns_max) / NS_PER_S);
	json_put_u64(w, "completions", READ(core->stats.completions));
	json_put_u64(w, "messages", READ(core->stats.messages));
	json_put_u64(w, "requests", READ(http->requests));
	json_put_u64(w, "connections", READ(http->connections));
	json_put_i64(w, "fibers", fiber_pool_in_use(core->fibers));
	json_put_u64(w, "ring_full", READ(loop->submission_full));
	json_put_u64(w, "ring_overflows", READ(loop->completion_overflows));
	request_row_end(request);
}

void handle_core_list(struct control_request *request)
{
	for (unsigned i = 0; i < cores_count(); i++)
		core_row(request, i);
}

/* --- pools --- */

/* pool show has more columns than pool list: those of a connection. */
static bool is_show(const struct control_request *request)
{
	return request->command->arguments != NULL;
}

static void no_connection_put(struct control_request *request, struct json_writer *w)
{
	static const char *const columns[] = { "connection", "state", "call", "for", "failures" };

	for (size_t i = 0; is_show(request) && i < ARRAY_SIZE(columns); i++)
		json_put_null(w, columns[i]);
}

static void put_drained(struct json_writer *w, uint64_t left_ns)
{
	if (left_ns)
		json_put_double(w, "drained", (double)left_ns / NS_PER_S);
	else
		json_put_null(w, "drained");
}

static bool is_wanted(struct control_request *request, const char *name)
{
	return !is_show(request) || str_equal(request_text(request, "name"), str_cstr(name));
}

static void pool_row(const struct pool *pool, void *arg)
{
	struct control_request *request = arg;
	struct json_writer *w;

	if (!is_wanted(request, pool->options.name))
		return;
	w = request_row_begin(request);
	json_put_str(w, "pool", str_cstr(pool->options.name));
	json_put_i64(w, "core", pool->options.core);
	json_put_u64(w, "in_use", READ(pool->in_use));
	json_put_u64(w, "idle", READ(pool->idle));
	json_put_u64(w, "max", pool->options.objects_max);
	json_put_u64(w, "waiting", 0);
	json_put_null(w, "done");
	json_put_u64(w, "refused", READ(pool->refused));
	json_put_null(w, "expired");
	put_drained(w, 0);
	json_put_u64(w, "bytes", pool_bytes(pool));
	no_connection_put(request, w);
	request_row_end(request);
}

/* A queue of jobs is a pool too: of the threads that work on it. It belongs to no core. */
static void queue_row(const struct job_queue *queue, void *arg)
{
	uint64_t drained_ns = job_queue_refusal_ns(queue, clock_now_ns());
	struct control_request *request = arg;
	struct json_writer *w;

	if (!is_wanted(request, queue->name))
		return;
	if (drained_ns)
		request_notice(request, "%s is drained for %llu s more: authctl pool resume",
			queue->name, (unsigned long long)(drained_ns / NS_PER_S + 1));
	w = request_row_begin(request);
	json_put_str(w, "pool", str_cstr(queue->name));
	json_put_null(w, "core");
	json_put_u64(w, "in_use", READ(queue->running));
	json_put_null(w, "idle");
	json_put_u64(w, "max", queue->queued_max);
	json_put_u64(w, "waiting", READ(queue->queued));
	json_put_u64(w, "done", READ(queue->done));
	json_put_u64(w, "refused", READ(queue->refused) + READ(queue->refused_late));
	json_put_u64(w, "expired", READ(queue->expired));
	put_drained(w, drained_ns);
	json_put_null(w, "bytes");
	no_connection_put(request, w);
	request_row_end(request);
}

/* The thread for what blocks (blocking.h). */
static void blocking_row(struct control_request *request)
{
	const struct blocking_stats stats = blocking_stats();
	struct json_writer *w;

	if (!is_wanted(request, "control-block"))
		return;
	w = request_row_begin(request);
	json_put_str(w, "pool", STR("control-block"));
	json_put_null(w, "core");
	json_put_u64(w, "in_use", stats.running);
	json_put_null(w, "idle");
	json_put_u64(w, "max", BLOCKING_QUEUED_MAX);
	json_put_u64(w, "waiting", stats.queued);
	json_put_u64(w, "done", stats.done);
	json_put_u64(w, "refused", stats.refused);
	json_put_null(w, "expired");
	put_drained(w, 0);
	json_put_null(w, "bytes");
	no_connection_put(request, w);
	request_row_end(request);
}

static void connection_row(const struct store_connection *connection, void *arg)
{
	static const char *const pool_columns[] = { "core", "in_use", "idle", "max", "waiting" };
	struct control_request *request = arg;
	uint64_t now_ns = clock_now_ns();
	struct json_writer *w;

	if (!is_wanted(request, connection->group))
		return;
	w = request_row_begin(request);
	json_put_str(w, "pool", str_cstr(connection->group));
	for (size_t i = 0; i < ARRAY_SIZE(pool_columns); i++)
		json_put_null(w, pool_columns[i]);
	json_put_u64(w, "done", connection->calls);
	json_put_null(w, "refused");
	json_put_null(w, "expired");
	put_drained(w, 0);
	json_put_null(w, "bytes");
	json_put_u64(w, "connection", connection->index);
	json_put_str(w, "state", str_cstr(connection->state));
	json_put_str(w, "call", str_cstr(connection->call));
	json_put_double(w, "for", (double)(now_ns - MIN(now_ns, connection->since_ns)) / NS_PER_S);
	json_put_u64(w, "failures", connection->failures);
	request_row_end(request);
}

void handle_pool_list(struct control_request *request)
{
	job_queue_each(queue_row, request);
	blocking_row(request);
	pool_each(pool_row, request);
}

void handle_pool_show(struct control_request *request)
{
	handle_pool_list(request);
	store_connections_each(connection_row, request);
	if (!request->rows)
		request_fail(request, OUTCOME_NOT_FOUND, "authctl pool list",
			"no pool named '" STR_FORMAT "'", STR_ARGS(request_text(request, "name")));
}
