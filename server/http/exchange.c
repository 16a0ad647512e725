/* One request and its response: taken from the pool at the first byte, given back when answered. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "http/conn.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/list.h"
#include "shared/macros.h"
#include "shared/random.h"

static int exchange_prepare(struct exchange *exchange)
{
	if (exchange->parser)
		return 0;
	exchange->parser = parser_new();
	if (!exchange->parser)
		return -ENOMEM;
	arena_init(&exchange->arena, EXCHANGE_ARENA_CHUNK, EXCHANGE_ARENA_MAX);
	return 0;
}

/* --- those that are still arriving, by age --- */

static void arriving_add(struct http_server *server, struct exchange *exchange)
{
	exchange->is_arriving = true;
	list_append(&server->arriving, &exchange->arriving_link);
}

static void arriving_remove(struct exchange *exchange)
{
	if (!exchange->is_arriving)
		return;
	exchange->is_arriving = false;
	list_remove(&exchange->server->arriving, &exchange->arriving_link);
}

struct exchange *exchange_slowest(struct http_server *server)
{
	struct list_link *link = server->arriving.first;
	struct exchange *oldest = link ? container_of(link, struct exchange, arriving_link) : NULL;
	uint64_t now_ns = loop_now_ns(server->core->loop);

	return oldest && now_ns >= clock_after_ms(oldest->request.started_ns, EXCHANGE_GIVES_WAY_MS)
		       ? oldest
		       : NULL;
}

/* --- the beginning and the end --- */

int exchange_begin(struct conn *conn)
{
	struct http_server *server = conn->server;
	struct exchange *exchange = pool_get(&server->exchanges);
	uint64_t now_ns = loop_now_ns(server->core->loop);
	uint32_t in_use;

	if (!exchange)
		return -ENOMEM;
	if (exchange_prepare(exchange) < 0) {
		pool_put(&server->exchanges, exchange);
		return -ENOMEM;
	}
	exchange->conn = conn;
	exchange->server = server;
	exchange->fiber = NULL;
	exchange->is_handled = false;
	exchange->peer = conn->peer;
	exchange->request = (struct request){
		.headers = exchange->headers,
		.peer = &exchange->peer,
		.started_ns = now_ns,
		.deadline_ns = clock_after_ms(now_ns, server->options.request_timeout_ms),
		.arena = &exchange->arena,
	};
	response_init(&exchange->response, &exchange->request);
	parser_start(exchange->parser, &exchange->request);
	conn->exchange = exchange;
	arriving_add(server, exchange);
	in_use = atomic_load_explicit(&server->exchanges.in_use, memory_order_relaxed);
	exchange->is_spare = in_use > server->options.exchanges_max;
	return in_use < server->options.exchanges_max + EXCHANGES_SPARE ? 0 : -ERR_OVERLOADED;
}

void exchange_end(struct exchange *exchange)
{
	assert(!exchange->fiber);
	arriving_remove(exchange);
	response_reset(&exchange->response);
	arena_reset(&exchange->arena);
	pool_put(&exchange->server->exchanges, exchange);
}

void exchange_deinit(void *object)
{
	struct exchange *exchange = object;

	if (!exchange->parser)
		return;
	parser_free(exchange->parser);
	response_deinit(&exchange->response);
	arena_deinit(&exchange->arena);
}

/* --- the handler --- */

/* Nobody waits for its response any more. */
static void end_without_client(struct exchange *exchange)
{
	const struct http_service *service = exchange->server->service;

	if (service->gone)
		service->gone(&exchange->request, clock_now_ns() - exchange->request.started_ns);
	exchange_end(exchange);
}

/* On the loop's stack, after a handler that was suspended has returned. */
static void on_finished(struct inbox_item *item)
{
	struct exchange *exchange = container_of(item, struct exchange, finished);
	struct http_server *server = exchange->server;

	exchange->fiber = NULL;
	if (exchange->conn) {
		conn_handled(exchange->conn);
		return;
	}
	end_without_client(exchange);
	server_check_drained(server);
}

static void leave(struct exchange *exchange)
{
	const struct http_service *service = exchange->server->service;

	if (service->leave)
		service->leave(&exchange->request);
}

static void handler_main(void *arg)
{
	struct exchange *exchange = arg;
	struct core *core = exchange->server->core;

	fiber_patient_set(fiber_current(), exchange->request.is_patient);
	exchange->server->service->handle(&exchange->request, &exchange->response);
	assert(exchange->response.status); /* a handler says something */
	memcpy(exchange->request.spent_ns, fiber_spent(fiber_current()),
		sizeof(exchange->request.spent_ns));
	leave(exchange);
	exchange->is_handled = true;
	/* It was suspended: the loop goes on with it on its own stack. */
	if (exchange->finished.on_core)
		inbox_send(&core->inbox, &exchange->finished);
}

int exchange_run(struct exchange *exchange)
{
	const struct http_service *service = exchange->server->service;
	int r;

	if (service->enter && !service->enter(&exchange->request, &exchange->response))
		return 1;
	arriving_remove(exchange);
	exchange->finished.on_core = NULL;
	r = fiber_start(exchange->server->core->fibers, handler_main, exchange,
		exchange->request.deadline_ns, &exchange->fiber);
	if (r < 0)
		leave(exchange);
	if (r < 0 || exchange->is_handled) {
		exchange->fiber = NULL;
		return r < 0 ? r : 1;
	}
	exchange->finished.on_core = on_finished;
	return 0;
}

void exchange_abandon(struct exchange *exchange)
{
	exchange->conn = NULL;
	if (!exchange->fiber)
		end_without_client(exchange);
	else if (!exchange->is_handled)
		fiber_cancel(exchange->fiber);
}

/* --- its name --- */

static bool id_is_decent(struct str id)
{
	if (!id.len || id.len > REQUEST_ID_BYTES_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++) {
		char c = id.data[i];

		if (!(c >= '0' && c <= '9') && !(ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') &&
			c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

void exchange_name(struct exchange *exchange)
{
	struct request *request = &exchange->request;
	struct str theirs = request_header(request, STR("X-Request-Id"));

	if (!request->id.len)
		request->id = id_is_decent(theirs) ? theirs : uuid_new(exchange->id);
}
