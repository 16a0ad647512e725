/*
 * A connection as a state machine on the loop's callbacks:
 *
 *   IDLE -first byte-> RECEIVING -request complete-> HANDLING -response-> IDLE or RECEIVING
 *   any -problem that breaks framing, Connection: close-> LINGERING -peer done-> CLOSING
 *
 * While a handler is suspended nothing is parsed: what arrives is kept, bounded, and receiving is
 * paused. Responses collect in `out` and leave in one send per batch. Nothing here blocks.
 */
#include "http/conn.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"

static void conn_go_on(struct conn *conn);

static uint64_t conn_now(const struct conn *conn)
{
	return loop_now_ns(conn->server->core->loop);
}

static void deadline_in(struct conn *conn, uint64_t ms)
{
	loop_stream_deadline(&conn->stream, clock_after_ms(conn_now(conn), ms));
}

static void become_idle(struct conn *conn)
{
	conn->state = CONN_IDLE;
	deadline_in(conn, conn->server->options.idle_timeout_ms);
}

/* --- the end of a connection --- */

void conn_close(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;

	if (conn->state == CONN_CLOSING)
		return;
	conn->state = CONN_CLOSING;
	if (exchange) {
		conn->exchange = NULL;
		exchange->conn = NULL;
		/* A handler that runs gives the exchange back itself when it returns. */
		if (exchange->fiber && !exchange->is_handled)
			fiber_cancel(exchange->fiber);
		else if (!exchange->is_async)
			exchange_end(exchange);
	}
	loop_stream_close(&conn->stream);
}

static void on_closed(struct loop_stream *stream)
{
	struct conn *conn = container_of(stream, struct conn, stream);

	assert(!conn->exchange);
	buf_wipe(&conn->in);
	server_buffer_give(conn->server, &conn->out);
	server_buffer_give(conn->server, &conn->sending);
	server_conn_gone(conn->server, conn);
}

/* Everything is sent: half-close, and read on for a moment so that no reset eats the answer. */
static void linger(struct conn *conn)
{
	if (conn->has_eof) {
		conn_close(conn);
		return;
	}
	conn->state = CONN_LINGERING;
	loop_stream_finish(&conn->stream);
	deadline_in(conn, CONN_LINGER_MS);
	loop_stream_receive(&conn->stream);
}

/* --- sending --- */

static void flush(struct conn *conn)
{
	struct buf empty;

	if (conn->is_sending || conn->state == CONN_CLOSING)
		return;
	if (!conn->out.len) {
		if (conn->closes && !conn->exchange && conn->state != CONN_LINGERING)
			linger(conn);
		return;
	}
	empty = conn->sending;
	conn->sending = conn->out;
	conn->out = empty;
	conn->is_sending = true;
	loop_stream_send(&conn->stream, buf_str(&conn->sending),
		(unsigned)conn->server->options.send_timeout_ms);
}

static void on_sent(struct loop_stream *stream, int result)
{
	struct conn *conn = container_of(stream, struct conn, stream);

	conn->is_sending = false;
	if (conn->state == CONN_CLOSING)
		return;
	if (result < 0) {
		conn_close(conn);
		return;
	}
	conn->active_ns = conn_now(conn);
	conn->bytes_sent += conn->sending.len;
	stat_add(&conn->server->stats.bytes_sent, conn->sending.len);
	server_buffer_give(conn->server, &conn->sending);
	conn_go_on(conn);
}

static void respond(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct http_server *server = conn->server;
	struct response *response = &exchange->response;
	enum wire_connection kind = WIRE_KEEP;
	uint64_t now_ns = clock_now_ns();

	if (response->closes || server->is_draining)
		conn->closes = true;
	if (conn->closes)
		kind = WIRE_CLOSE;
	else if (parser_is_http_1_0(exchange->parser))
		kind = WIRE_KEEP_1_0;
	if (!conn->out.max)
		conn->out = server_buffer_take(server);
	stat_add(&server->stats.responses[response->status / 100], 1);
	if (server->service->done)
		server->service->done(
			&exchange->request, response, now_ns - exchange->request.started_ns);
	if (wire_response(&conn->out, response, &server->date, kind) < 0) {
		exchange_end(exchange);
		conn_close(conn);
		return;
	}
	exchange_end(exchange);
	if (!conn->closes)
		become_idle(conn);
}

/* Answers a request that cannot be read to its end: the connection cannot go on either. */
static void respond_and_close(struct conn *conn, enum problem problem)
{
	if (!conn->exchange->request.id.len)
		exchange_name(conn->exchange);
	response_problem(&conn->exchange->response, problem);
	conn->closes = true;
	respond(conn);
}

/* --- handling --- */

static void handler_main(void *arg)
{
	struct exchange *exchange = arg;

	exchange->server->service->handle(&exchange->request, &exchange->response);
	assert(exchange->response.status);
	exchange->is_handled = true;
	/* Suspended once, so the loop is not waiting for us: tell it, on its own stack. */
	if (exchange->is_async)
		inbox_send(&exchange->server->core->inbox, &exchange->finished);
}

static void on_finished(struct inbox_item *item)
{
	struct exchange *exchange = container_of(item, struct exchange, finished);

	exchange->is_async = false;
	exchange->fiber = NULL;
	if (!exchange->conn) {
		exchange_end(exchange);
		return;
	}
	conn_handled(exchange->conn);
}

static void handle(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct http_server *server = conn->server;
	int r;

	conn->state = CONN_HANDLING;
	conn->requests++;
	stat_add(&server->stats.requests, 1);
	loop_stream_deadline(&conn->stream, CLOCK_NEVER);
	if (!parser_keeps_alive(exchange->parser))
		conn->closes = true;
	exchange->finished.on_core = on_finished;
	r = fiber_start(server->core->fibers, handler_main, exchange, exchange->request.deadline_ns,
		&exchange->fiber);
	if (r < 0) {
		response_problem(&exchange->response, problem_of_error(r));
		exchange->is_handled = true;
	}
	if (exchange->is_handled) {
		exchange->fiber = NULL;
		respond(conn);
	} else {
		exchange->is_async = true;
	}
}

void conn_handled(struct conn *conn)
{
	respond(conn);
	conn_go_on(conn);
}

/* The fields are complete: is the request served, and how does its body come? */
static void headers_complete(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct request *request = &exchange->request;
	struct http_server *server = conn->server;
	bool has_body = parser_has_body(exchange->parser);
	struct str expect = request_header(request, STR("Expect"));

	exchange_name(exchange);
	if (expect.data && !str_equal_nocase(expect, STR("100-continue"))) {
		respond_and_close(conn, PROBLEM_EXPECTATION_FAILED);
		return;
	}
	if (!server->service->admit(request, &exchange->response)) {
		/* Its body is not read, so what follows could not be told from it. */
		if (has_body || !parser_keeps_alive(exchange->parser))
			conn->closes = true;
		if (has_body) {
			respond(conn);
			return;
		}
		exchange->is_handled = true;
		return;
	}
	if (parser_length(exchange->parser) > request->body_bytes_max)
		respond_and_close(conn, PROBLEM_BODY_TOO_LARGE);
	else if (request->is_body_required && !parser_has_length(exchange->parser))
		respond_and_close(conn, PROBLEM_LENGTH_REQUIRED);
	else if (has_body && expect.data) {
		if (!conn->out.max)
			conn->out = server_buffer_take(server);
		if (buf_append(&conn->out, STR("HTTP/1.1 100 Continue\r\n\r\n")) < 0)
			conn_close(conn);
	}
}

/* --- receiving --- */

static bool can_parse(const struct conn *conn)
{
	return !conn->closes && conn->out.len < CONN_OUT_BYTES_HIGH &&
	       (conn->state == CONN_IDLE || conn->state == CONN_RECEIVING);
}

/* Parses and handles as far as possible; returns how many bytes were used. */
static size_t consume(struct conn *conn, struct str bytes)
{
	size_t used_total = 0, used;

	while (bytes.len && can_parse(conn)) {
		struct exchange *exchange;

		if (!conn->exchange) {
			/* Empty lines before a request are skipped (RFC 9112 section 2.2). */
			if (bytes.data[0] == '\r' || bytes.data[0] == '\n') {
				bytes = str_skip(bytes, 1);
				used_total++;
				continue;
			}
			if (exchange_begin(conn) < 0) {
				conn_close(conn);
				break;
			}
			conn->state = CONN_RECEIVING;
			deadline_in(conn, conn->server->options.request_timeout_ms);
		}
		exchange = conn->exchange;
		switch (parser_feed(exchange->parser, bytes, &used)) {
		case PARSE_MORE:
			break;
		case PARSE_HEADERS:
			headers_complete(conn);
			/* Nothing to wait for: llhttp says "complete" before the next byte. */
			if (used == bytes.len && conn->exchange == exchange &&
				!parser_has_body(exchange->parser)) {
				size_t none;

				(void)parser_feed(exchange->parser, STR(""), &none);
				if (exchange->is_handled)
					respond(conn);
				else
					handle(conn);
			}
			break;
		case PARSE_COMPLETE:
			if (exchange->is_handled)
				respond(conn);
			else
				handle(conn);
			break;
		case PARSE_PROBLEM:
			respond_and_close(conn, parser_problem(exchange->parser));
			break;
		}
		used_total += used;
		bytes = str_skip(bytes, used);
	}
	return used_total;
}

/* After a response or a send: what had to wait goes on. */
static void conn_go_on(struct conn *conn)
{
	if (conn->state != CONN_CLOSING && conn->in.len && can_parse(conn)) {
		size_t used = consume(conn, buf_str(&conn->in));

		if (conn->state != CONN_CLOSING)
			buf_consume(&conn->in, used);
	}
	if (conn->state == CONN_CLOSING)
		return;
	if (!conn->in.len)
		buf_wipe(&conn->in);
	if (conn->has_eof && can_parse(conn) && !conn->in.len)
		conn->closes = true; /* no request can come any more */
	if (can_parse(conn))
		loop_stream_receive(&conn->stream);
	flush(conn);
}

static void keep(struct conn *conn, struct str bytes)
{
	if (!conn->in.max)
		conn->in = buf_init(CONN_IN_BYTES_MAX);
	if (conn->closes || !bytes.len)
		return; /* nothing behind the last request is read */
	if (buf_append(&conn->in, bytes) < 0)
		conn_close(conn);
	else
		loop_stream_receive_pause(&conn->stream);
}

static void received(struct conn *conn, struct str bytes)
{
	struct http_server *server = conn->server;

	conn->active_ns = conn_now(conn);
	conn->bytes_received += bytes.len;
	stat_add(&server->stats.bytes_received, bytes.len);
	if (conn->state == CONN_LINGERING) {
		conn->lingered += bytes.len;
		if (conn->lingered > CONN_LINGER_BYTES_MAX)
			conn_close(conn);
		return;
	}
	if (!conn->in.len && can_parse(conn))
		bytes = str_skip(bytes, consume(conn, bytes));
	if (conn->state != CONN_CLOSING && bytes.len)
		keep(conn, bytes);
	if (conn->state != CONN_CLOSING)
		flush(conn);
}

static void timed_out(struct conn *conn)
{
	switch (conn->state) {
	case CONN_RECEIVING:
		stat_add(&conn->server->stats.timeouts_client, 1);
		respond_and_close(conn, PROBLEM_REQUEST_TIMEOUT);
		flush(conn);
		break;
	case CONN_IDLE:
		/* Answers on their way have their own time-out. */
		if (conn->is_sending || conn->out.len)
			deadline_in(conn, conn->server->options.idle_timeout_ms);
		else
			conn_close(conn);
		break;
	default:
		conn_close(conn);
	}
}

static void peer_finished(struct conn *conn)
{
	conn->has_eof = true;
	switch (conn->state) {
	case CONN_HANDLING: /* a client may half-close and still read its answer */
		conn->closes = conn->closes || !conn->in.len;
		break;
	case CONN_IDLE:
		if (conn->is_sending || conn->out.len || conn->in.len)
			conn_go_on(conn);
		else
			conn_close(conn);
		break;
	default:
		conn_close(conn);
	}
}

static void on_receive(struct loop_stream *stream, const char *data, int n)
{
	struct conn *conn = container_of(stream, struct conn, stream);

	if (conn->state == CONN_CLOSING)
		return;
	if (n > 0)
		received(conn, str_of(data, (size_t)n));
	else if (n == 0)
		peer_finished(conn);
	else if (n == -ETIME)
		timed_out(conn);
	else
		conn_close(conn);
}

/* --- the beginning --- */

void conn_open(struct http_server *server, int fd)
{
	struct conn *conn = pool_get(&server->conns);
	uint64_t id;

	if (!conn) {
		stat_add(&server->stats.connections_refused, 1);
		close(fd);
		return;
	}
	id = (uint64_t)server->core->index << 48 | ++server->next_id;
	*conn = (struct conn){ .server = server, .id = id, .older = server->newest };
	conn->peer.bytes = sizeof(conn->peer.storage);
	if (getpeername(fd, (struct sockaddr *)&conn->peer.storage, &conn->peer.bytes) < 0)
		conn->peer.bytes = 0;
	if (server->newest)
		server->newest->newer = conn;
	else
		server->oldest = conn;
	server->newest = conn;
	conn->opened_ns = conn->active_ns = conn_now(conn);
	stat_add(&server->stats.accepted, 1);
	atomic_fetch_add_explicit(&server->stats.connections, 1, memory_order_relaxed);
	conn->stream = (struct loop_stream){
		.on_receive = on_receive, .on_sent = on_sent, .on_closed = on_closed
	};
	loop_stream_open(server->core->loop, &conn->stream, fd);
	become_idle(conn);
	loop_stream_receive(&conn->stream);
	if (server->is_draining)
		conn_drain(conn);
}

void conn_drain(struct conn *conn)
{
	if (conn->state != CONN_IDLE)
		return;
	if (!conn->requests)
		deadline_in(conn, CONN_DRAIN_FIRST_MS);
	else if (conn->is_sending || conn->out.len)
		conn->closes = true;
	else
		conn_close(conn);
}
