/* The lists: core list, pool list, conn list. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "control/control.h"
#include "control/handlers.h"
#include "control/rates.h"
#include "core/core.h"
#include "core/job.h"
#include "core/listener.h"
#include "core/pool.h"
#include "http/server.h"
#include "shared/clock.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

void handle_core_list(struct control_request *request)
{
	for (unsigned i = 0; i < cores_count(); i++) {
		struct core *core = core_at(i);
		struct json_writer *w = request_row_begin(request);

		json_put_i64(w, "core", i);
		json_put_bool(w, "answers", gather_answer(request->gather, i) != NULL);
		json_put_double(w, "busy", rates_now()->busy[i]);
		json_put_u64(w, "turns", READ(core->stats.turns));
		json_put_double(w, "turn_max", (double)READ(core->stats.turn_ns_max) / NS_PER_S);
		json_put_u64(w, "completions", READ(core->stats.completions));
		json_put_u64(w, "messages", READ(core->stats.messages));
		json_put_i64(w, "fibers", fiber_pool_in_use(core->fibers));
		request_row_end(request);
	}
}

/* --- pool list --- */

static void pool_row(const struct pool *pool, void *arg)
{
	struct json_writer *w = request_row_begin(arg);

	json_put_str(w, "pool", str_cstr(pool->options.name));
	json_put_i64(w, "core", pool->options.core);
	json_put_u64(w, "in_use", READ(pool->in_use));
	json_put_u64(w, "idle", READ(pool->idle));
	json_put_u64(w, "max", pool->options.objects_max);
	json_put_u64(w, "waiting", 0);
	json_put_u64(w, "refused", READ(pool->refused));
	json_put_u64(w, "bytes",
		(uint64_t)pool->options.object_bytes * (READ(pool->in_use) + READ(pool->idle)));
	request_row_end(arg);
}

/* A queue of jobs is a pool too: of the threads that work on it. It belongs to no core. */
static void queue_row(const struct job_queue *queue, void *arg)
{
	struct json_writer *w = request_row_begin(arg);

	json_put_str(w, "pool", str_cstr(queue->name));
	json_put_null(w, "core");
	json_put_u64(w, "in_use", READ(queue->running));
	json_put_null(w, "idle");
	json_put_u64(w, "max", queue->queued_max);
	json_put_u64(w, "waiting", READ(queue->queued));
	json_put_u64(w, "refused", READ(queue->refused) + READ(queue->refused_late));
	json_put_null(w, "bytes");
	request_row_end(arg);
}

void handle_pool_list(struct control_request *request)
{
	job_queue_each(queue_row, request);
	pool_each(pool_row, request);
}

/* --- conn list --- */

/*
 * Rows of one answer, all cores together and each: about 200 bytes each, so that they fit into the
 * connection's outgoing queue. The rest is said to be missing.
 */
#define CONN_ROWS_MAX 1000
#define CONN_ROW_BYTES_MAX 512
static_assert(CONN_ROWS_MAX * CONN_ROW_BYTES_MAX <= DIALOG_OUT_BYTES_MAX - DIALOG_OUT_BYTES_HIGH,
	"an answer has room");

struct conn_row {
	uint64_t id, requests, bytes_received, bytes_sent, opened_ns, active_ns;
	const char *state; /* static text */
	unsigned port;
	char host[ADDRESS_TEXT_BYTES];
};

/* What one core answers. The context says where its server is: set before the question. */
struct conn_rows {
	unsigned count;
	bool is_truncated;
	struct conn_row rows[CONN_ROWS_MAX];
};

static const struct control_context *conn_context;

size_t conns_answer_bytes(void)
{
	return sizeof(struct conn_rows);
}

void conns_context(const struct control_context *context)
{
	conn_context = context;
}

static bool conn_take(const struct http_conn_info *info, void *arg)
{
	struct conn_rows *rows = arg;
	struct conn_row *row;

	if (rows->count == CONN_ROWS_MAX) {
		rows->is_truncated = true;
		return false;
	}
	row = &rows->rows[rows->count++];
	*row = (struct conn_row){
		.id = info->id,
		.requests = info->requests,
		.bytes_received = info->bytes_received,
		.bytes_sent = info->bytes_sent,
		.opened_ns = info->opened_ns,
		.active_ns = info->active_ns,
		.state = info->state,
		.port = address_port(info->peer),
	};
	address_host(info->peer, row->host);
	return true;
}

/* On the core's thread. */
void conns_on_core(struct core *core, void *answer)
{
	struct http_server *server = conn_context->http_of(core);

	if (server)
		http_server_conns(server, 0, conn_take, answer);
}

static double seconds_since(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns > then_ns ? (double)(now_ns - then_ns) / NS_PER_S : 0;
}

static void conn_row(struct control_request *request, unsigned core, const struct conn_row *row)
{
	char peer[ADDRESS_TEXT_BYTES + sizeof("[]:65535")];
	bool is_v6 = strchr(row->host, ':') != NULL;
	uint64_t now_ns = clock_now_ns();
	struct json_writer *w = request_row_begin(request);

	snprintf(peer, sizeof(peer), is_v6 ? "[%s]:%u" : "%s:%u", row->host, row->port % 65536);
	json_put_u64(w, "id", row->id);
	json_put_i64(w, "core", core);
	json_put_str(w, "peer", str_cstr(peer));
	json_put_str(w, "state", str_cstr(row->state));
	json_put_double(w, "age", seconds_since(now_ns, row->opened_ns));
	json_put_double(w, "idle", seconds_since(now_ns, row->active_ns));
	json_put_u64(w, "requests", row->requests);
	json_put_u64(w, "received", row->bytes_received);
	json_put_u64(w, "sent", row->bytes_sent);
	request_row_end(request);
}

void handle_conn_list(struct control_request *request)
{
	for (unsigned i = 0; i < cores_count(); i++) {
		const struct conn_rows *answer = gather_answer(request->gather, i);

		if (!answer || (request->core >= 0 && request->core != i))
			continue;
		request->is_truncated |= answer->is_truncated;
		for (unsigned j = 0; j < answer->count; j++) {
			const struct conn_row *row = &answer->rows[j];

			if (request->state[0] && strcmp(request->state, row->state) != 0)
				continue;
			if (request->rows == CONN_ROWS_MAX) {
				request->is_truncated = true;
				return;
			}
			conn_row(request, i, row);
		}
	}
}
