/* One request and its response: taken from the pool at the first byte, given back when answered. */
#include <assert.h>
#include <errno.h>

#include "http/conn.h"
#include "shared/clock.h"
#include "shared/err.h"
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

int exchange_begin(struct conn *conn)
{
	struct http_server *server = conn->server;
	struct exchange *exchange = pool_get(&server->exchanges);
	uint64_t now_ns = loop_now_ns(server->core->loop);

	if (!exchange)
		return -ERR_OVERLOADED;
	if (exchange_prepare(exchange) < 0) {
		pool_put(&server->exchanges, exchange);
		return -ERR_OVERLOADED;
	}
	exchange->conn = conn;
	exchange->server = server;
	exchange->fiber = NULL;
	exchange->is_handled = exchange->is_async = false;
	exchange->request = (struct request){
		.headers = exchange->headers,
		.peer = &conn->peer,
		.started_ns = now_ns,
		.deadline_ns = clock_after_ms(now_ns, server->options.request_timeout_ms),
		.arena = &exchange->arena,
		.body_bytes_max = HTTP_BODY_BYTES_MAX,
	};
	response_init(&exchange->response, &exchange->request);
	parser_start(exchange->parser, &exchange->request);
	conn->exchange = exchange;
	return 0;
}

void exchange_end(struct exchange *exchange)
{
	struct conn *conn = exchange->conn;

	if (conn) {
		assert(conn->exchange == exchange);
		conn->exchange = NULL;
	}
	response_reset(&exchange->response);
	arena_reset(&exchange->arena);
	exchange->conn = NULL;
	pool_put(&exchange->server->exchanges, exchange);
}

void exchange_object_deinit(void *object)
{
	struct exchange *exchange = object;

	if (!exchange->parser)
		return;
	parser_free(exchange->parser);
	response_deinit(&exchange->response);
	arena_deinit(&exchange->arena);
}

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
	struct str theirs = request_header(&exchange->request, STR("X-Request-Id"));

	exchange->request.id = id_is_decent(theirs) ? theirs : uuid_new(exchange->id);
}
