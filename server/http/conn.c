/*
 * A connection as a state machine on the loop's callbacks:
 *
 *   GREETING -PROXY header-> IDLE                 (only from trusted proxies, when configured)
 *   IDLE -first byte-> RECEIVING -request complete-> HANDLING -response-> IDLE
 *   IDLE -Connection: close, a problem that breaks framing-> LINGERING -peer done-> CLOSING
 *
 * Every callback does what can be done now and then settles: sends what has collected, and says
 * what is waited for until when. While a handler is suspended nothing is parsed; what arrives is
 * kept, bounded. Sending goes on beside all this: responses collect in `out`, in one send per
 * batch.
 */
#include "http/conn.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/proxy.h"
#include "http/redirect.h"
#include "http/secured.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"

static uint64_t conn_now(const struct conn *conn)
{
	return loop_now_ns(conn->server->core->loop);
}

static bool is_before_request(enum conn_state state)
{
	return state == CONN_GREETING || state == CONN_HANDSHAKING || state == CONN_IDLE;
}

static void become(struct conn *conn, enum conn_state state)
{
	_Atomic uint32_t *idle = &conn->server->stats.connections_idle;
	uint32_t change = (uint32_t)(state == CONN_IDLE) - (uint32_t)(conn->state == CONN_IDLE);

	atomic_store_explicit(idle, atomic_load_explicit(idle, memory_order_relaxed) + change,
		memory_order_relaxed);
	conn->state = state;
	if (conn->awaited_until_ns && !is_before_request(state)) {
		conn->awaited_until_ns = 0;
		server_awaited_less(conn->server);
	}
}

/* --- the end of a connection --- */

void conn_close(struct conn *conn)
{
	if (conn->state == CONN_CLOSING)
		return;
	become(conn, CONN_CLOSING);
	timer_cancel(conn->server->core->wheel, &conn->rest);
	if (conn->exchange)
		exchange_abandon(TAKE(conn->exchange));
	loop_stream_close(&conn->stream);
}

static void on_closed(struct loop_stream *stream)
{
	struct conn *conn = container_of(stream, struct conn, stream);

	assert(!conn->exchange);
	become(conn, CONN_CLOSING); /* when the loop could not even begin with it */
	buf_wipe(&conn->in);
	server_buffer_give(conn->server, &conn->out);
	server_buffer_give(conn->server, &conn->sending);
	if (conn->secured)
		secured_close(conn);
	server_conn_gone(conn->server, conn);
}

/* Everything is sent: half-close, and read on for a moment so that no reset eats the answer. */
static void linger(struct conn *conn)
{
	if (conn->has_eof) {
		conn_close(conn);
		return;
	}
	assert(!conn->exchange);
	become(conn, CONN_LINGERING);
	loop_stream_finish(&conn->stream);
	loop_stream_deadline(&conn->stream, clock_after_ms(conn_now(conn), CONN_LINGER_MS));
	loop_stream_receive(&conn->stream);
}

/* --- responding --- */

static struct buf *out_of(struct conn *conn)
{
	if (!conn->out.max)
		conn->out = server_buffer_take(conn->server);
	return &conn->out;
}

static void count_response(
	struct http_stats *stats, const struct exchange *exchange, uint64_t now_ns)
{
	const struct response *response = &exchange->response;

	assert(response->status >= 100 && response->status < 600);
	stat_add(&stats->responses[response->status / 100], 1);
	if (response->problem == PROBLEM_SERVICE_UNAVAILABLE &&
		now_ns >= exchange->request.deadline_ns)
		stat_add(&stats->timeouts_server, 1);
}

/* Others behind a proxy share its connection, and it has no reason to hurry: it never rests. */
static void rest_if_refused(struct conn *conn, enum problem problem)
{
	if (problem != PROBLEM_SERVICE_UNAVAILABLE && problem != PROBLEM_RATE_LIMITED) {
		conn->refusals = 0;
		return;
	}
	if (conn->refusals < CONN_REFUSALS_FREE) {
		conn->refusals++;
		return;
	}
	if (conn->is_trusted || conn->closes)
		return;
	stat_add(&conn->server->stats.rests, 1);
	conn->is_resting = true;
	timer_set(conn->server->core->wheel, &conn->rest,
		clock_after_ms(conn_now(conn), CONN_REST_MS));
}

static void respond(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct http_server *server = conn->server;
	struct response *response = &exchange->response;
	enum wire_connection kind = WIRE_KEEP;
	uint64_t now_ns = clock_now_ns();
	int r;

	if (response->closes || server->is_draining || !parser_keeps_alive(exchange->parser))
		conn->closes = true;
	if (conn->closes)
		kind = WIRE_CLOSE;
	else if (parser_is_http_1_0(exchange->parser))
		kind = WIRE_KEEP_1_0;
	if (server->service->finish)
		server->service->finish(&exchange->request, response);
	compress_response(server->compressor, response);
	r = wire_response(out_of(conn), response, &server->date, kind);
	if (r < 0) {
		conn_close(conn); /* no memory for it: the client learns as much as it can */
		return;
	}
	conn->requests++;
	count_response(&server->stats, exchange, now_ns);
	if (server->service->done)
		server->service->done(
			&exchange->request, response, now_ns - exchange->request.started_ns);
	rest_if_refused(conn, response->problem);
	exchange_end(TAKE(conn->exchange));
	become(conn, CONN_IDLE);
}

static void respond_problem(struct conn *conn, enum problem problem)
{
	exchange_name(conn->exchange);
	response_problem(&conn->exchange->response, problem);
	respond(conn);
}

/* Answers a request that is not read to its end: what follows cannot be told from it. */
static void respond_and_close(struct conn *conn, enum problem problem)
{
	conn->closes = true;
	respond_problem(conn, problem);
}

/* There is no room for it. */
static void refuse(struct conn *conn)
{
	atomic_fetch_add_explicit(&conn->server->exchanges.refused, 1, memory_order_relaxed);
	respond_and_close(conn, PROBLEM_SERVICE_UNAVAILABLE);
}

/* --- settling --- */

static bool has_output(const struct conn *conn)
{
	return conn->secured ? secured_has_output(conn) : conn->out.len > 0;
}

/* Does anything have to wait until what is being sent is sent? */
static bool is_send_waited_for(const struct conn *conn)
{
	return conn->closes || conn->in.len || has_output(conn);
}

static void send_out(struct conn *conn)
{
	unsigned timeout_ms = (unsigned)conn->server->options.send_timeout_ms;

	assert(!conn->sending.max);
	if (!conn->secured) {
		conn->sending = conn->out;
		conn->out = (struct buf){};
	} else if (!secured_send(conn, &conn->sending)) {
		conn_close(conn);
		return;
	}
	conn->is_sending = true;
	conn->sending_ns = conn_now(conn);
	if (is_send_waited_for(conn))
		loop_stream_send(&conn->stream, buf_str(&conn->sending), timeout_ms);
	else
		loop_stream_send_lazily(&conn->stream, buf_str(&conn->sending), timeout_ms);
}

/* Cheap when it only moves further away, which is what happens at nearly every request. */
static uint64_t idle_until_ns(const struct conn *conn)
{
	const struct http_server *server = conn->server;

	if (conn->awaited_until_ns)
		return conn->awaited_until_ns;
	return clock_after_ms(conn_now(conn),
		server->is_draining ? CONN_DRAIN_FIRST_MS : server->options.idle_timeout_ms);
}

static uint64_t deadline_of(const struct conn *conn)
{
	switch (conn->state) {
	case CONN_GREETING:
		if (conn->server->is_draining)
			return idle_until_ns(conn);
		return clock_after_ms(conn->opened_ns, conn->server->options.request_timeout_ms);
	case CONN_HANDSHAKING:
		if (conn->server->is_draining)
			return idle_until_ns(conn);
		return clock_after_ms(conn->opened_ns, conn->server->options.handshake_timeout_ms);
	case CONN_IDLE:
		return idle_until_ns(conn);
	case CONN_RECEIVING:
		return conn->exchange->request.deadline_ns;
	default:
		return CLOCK_NEVER; /* the handler's fiber has a deadline of its own */
	}
}

static void settle(struct conn *conn)
{
	if (conn->state == CONN_CLOSING || conn->state == CONN_LINGERING)
		return;
	/* What has come is read: a spare exchange is not lent until the rest comes. */
	if (conn->state == CONN_RECEIVING && conn->exchange->is_spare)
		refuse(conn);
	if (conn->has_eof && !conn->in.len)
		conn->closes = true; /* no request can come any more, or be completed */
	if (conn->state != CONN_CLOSING && !conn->is_sending && has_output(conn))
		send_out(conn);
	if (conn->state == CONN_CLOSING)
		return;
	if (conn->is_sending && is_send_waited_for(conn))
		loop_stream_hurry(&conn->stream);
	if (conn->closes && conn->state != CONN_HANDLING) {
		if (!conn->is_sending)
			linger(conn);
		return;
	}
	loop_stream_deadline(&conn->stream, deadline_of(conn));
	if (conn->in.len < CONN_IN_BYTES_PAUSE && !conn->is_resting)
		loop_stream_receive(&conn->stream);
	else
		loop_stream_receive_pause(&conn->stream);
}

/* --- a request, as it arrives --- */

static void handle(struct conn *conn)
{
	int r;

	become(conn, CONN_HANDLING);
	conn->exchange->request.complete_ns = clock_now_ns();
	r = exchange_run(conn->exchange);
	if (r < 0)
		respond_problem(conn, problem_of_error(r));
	else if (r > 0)
		respond(conn);
}

static void conn_go_on(struct conn *conn);

void conn_handled(struct conn *conn)
{
	respond(conn);
	conn_go_on(conn);
}

/* false: the response is filled already. */
static bool admit(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;

	if (!conn->is_redirected)
		return conn->server->service->admit(&exchange->request, &exchange->response);
	redirect_respond(
		&exchange->request, &exchange->response, conn->server->options.redirect_port);
	return false;
}

/* The fields are complete: is the request served, and does its body come? */
static void headers_complete(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct request *request = &exchange->request;
	bool has_body = parser_has_body(exchange->parser);
	struct str expect = request_header(request, STR("Expect"));

	exchange_name(exchange);
	request->is_behind_proxy = conn->is_trusted;
	request->is_http_1_0 = parser_is_http_1_0(exchange->parser);
	if (conn->is_trusted)
		forwarded_client(request, &conn->server->options.trust, &exchange->peer);
	if (conn->secured)
		secured_describe(conn, request);
	if (expect.data && !str_equal_nocase(expect, STR("100-continue"))) {
		respond_and_close(conn, PROBLEM_EXPECTATION_FAILED);
	} else if (!admit(conn)) {
		conn->closes = conn->closes || has_body;
		respond(conn);
	} else if (parser_length(exchange->parser) > request->body_bytes_max) {
		respond_and_close(conn, PROBLEM_BODY_TOO_LARGE);
	} else if (request->is_body_required && !parser_has_length(exchange->parser)) {
		respond_problem(conn, PROBLEM_LENGTH_REQUIRED);
	} else if (!has_body) {
		handle(conn);
	} else if (expect.data && !parser_is_http_1_0(exchange->parser)) {
		if (buf_append(out_of(conn), STR("HTTP/1.1 100 Continue\r\n\r\n")) < 0)
			conn_close(conn);
	}
}

/* Too many requests, and most are not even here: the slowest one ends, as if it were late. */
static bool make_room(struct http_server *server)
{
	struct exchange *slowest = exchange_slowest(server);
	struct conn *conn = slowest ? slowest->conn : NULL;

	if (!conn)
		return false;
	stat_add(&server->stats.timeouts_client, 1);
	stat_add(&server->stats.gave_way, 1);
	respond_and_close(conn, PROBLEM_REQUEST_TIMEOUT);
	settle(conn);
	return true;
}

/* Takes an exchange for the request that begins. False: it was answered, or the connection ends. */
static bool begin(struct conn *conn)
{
	int r = exchange_begin(conn);

	if (r == -ENOMEM) {
		conn_close(conn);
		return false;
	}
	stat_add(&conn->server->stats.requests, 1);
	become(conn, CONN_RECEIVING);
	if (conn->exchange->is_spare && make_room(conn->server))
		conn->exchange->is_spare = false;
	else if (r < 0)
		refuse(conn);
	return conn->exchange != NULL;
}

static bool can_parse(const struct conn *conn)
{
	return !conn->closes && !conn->is_resting && conn->out.len < CONN_OUT_BYTES_HIGH &&
	       (conn->state == CONN_IDLE || conn->state == CONN_RECEIVING);
}

/* Parses and handles as far as possible; returns how many bytes were used. */
static size_t consume(struct conn *conn, struct str bytes)
{
	size_t used = 0, n;

	while (used < bytes.len && can_parse(conn)) {
		/* Empty lines before a request are skipped (RFC 9112 section 2.2). */
		if (!conn->exchange && (bytes.data[used] == '\r' || bytes.data[used] == '\n')) {
			used++;
			continue;
		}
		if (!conn->exchange && !begin(conn))
			break;
		switch (parser_feed(conn->exchange->parser, str_skip(bytes, used), &n)) {
		case PARSE_MORE:
			break;
		case PARSE_HEADERS:
			headers_complete(conn);
			break;
		case PARSE_COMPLETE:
			handle(conn);
			break;
		case PARSE_PROBLEM:
			respond_and_close(conn, parser_problem(conn->exchange->parser));
			break;
		}
		used += n;
	}
	return used;
}

/* After a response or a send: what had to wait goes on. */
static void conn_go_on(struct conn *conn)
{
	size_t used;

	if (conn->in.len && can_parse(conn)) {
		used = consume(conn, buf_str(&conn->in));
		buf_consume(&conn->in, used);
	}
	if (conn->closes || !conn->in.len)
		buf_wipe(&conn->in);
	settle(conn);
}

static void rested(struct timer *timer)
{
	struct conn *conn = container_of(timer, struct conn, rest);

	conn->is_resting = false;
	conn_go_on(conn);
}

/* --- receiving --- */

void conn_keep(struct conn *conn, struct str bytes)
{
	if (!bytes.len || conn->closes || conn->state == CONN_CLOSING)
		return; /* nothing behind the last request is read */
	if (!conn->in.max)
		conn->in = buf_init(CONN_IN_BYTES_MAX);
	if (buf_append(&conn->in, bytes) < 0)
		conn_close(conn);
}

static void peer_set(struct conn *conn)
{
	conn->is_trusted = networks_have(&conn->server->options.trust.proxies, &conn->peer);
}

bool conn_takes(const struct conn *conn)
{
	return !conn->closes && conn->state != CONN_CLOSING;
}

void conn_take(struct conn *conn, struct str bytes)
{
	if (!conn->in.len)
		bytes = str_skip(bytes, consume(conn, bytes));
	conn_keep(conn, bytes);
}

void conn_greeted(struct conn *conn)
{
	become(conn, CONN_IDLE);
}

void conn_break(struct conn *conn)
{
	if (conn->exchange)
		exchange_abandon(TAKE(conn->exchange));
	buf_wipe(&conn->in);
	server_buffer_give(conn->server, &conn->out);
	become(conn, CONN_IDLE);
	conn->closes = true;
}

/* What was kept are bytes of the wire, as long as nothing has been decrypted. */
static void kept_decrypt(struct conn *conn)
{
	_cleanup_(buf_wipe) struct buf wire = conn->in;

	conn->in = (struct buf){};
	if (wire.len)
		secured_received(conn, buf_str(&wire));
}

void conn_turn(struct conn *conn)
{
	kept_decrypt(conn);
	settle(conn);
}

/* Who a PROXY header says that it is: maybe another proxy, that speaks HTTP. Of somebody unknown
 * the balancer's address has to do, but nobody is believed whom such bytes name. */
static void peer_become(struct conn *conn, const struct address *source)
{
	if (!source->bytes) {
		conn->is_trusted = false;
		return;
	}
	conn->peer = *source;
	peer_set(conn);
}

/* The PROXY header comes first, and only then anything else. */
static void greet(struct conn *conn, struct str bytes)
{
	struct address source = conn->peer;
	size_t used;
	int r;

	conn_keep(conn, bytes);
	if (conn->state == CONN_CLOSING)
		return;
	r = proxy_parse(buf_str(&conn->in), &used, &source);
	if (r < 0) {
		stat_add(&conn->server->stats.proxy_errors, 1);
		conn_close(conn);
		return;
	}
	if (r > 0) {
		buf_consume(&conn->in, used);
		peer_become(conn, &source);
		become(conn, conn->secured ? CONN_HANDSHAKING : CONN_IDLE);
		if (conn->secured)
			kept_decrypt(conn);
	}
	conn_go_on(conn);
}

static void received(struct conn *conn, struct str bytes)
{
	conn->active_ns = conn_now(conn);
	conn->bytes_received += bytes.len;
	stat_add(&conn->server->stats.bytes_received, bytes.len);
	if (conn->state == CONN_LINGERING) {
		conn->lingered += bytes.len;
		if (conn->lingered > CONN_LINGER_BYTES_MAX)
			conn_close(conn);
		return;
	}
	if (conn->state == CONN_GREETING) {
		greet(conn, bytes);
		return;
	}
	if (conn->secured)
		secured_received(conn, bytes);
	else
		conn_take(conn, bytes);
	settle(conn);
}

static void timed_out(struct conn *conn)
{
	if (conn->state == CONN_RECEIVING) {
		stat_add(&conn->server->stats.timeouts_client, 1);
		respond_and_close(conn, PROBLEM_REQUEST_TIMEOUT);
		settle(conn);
	} else if (conn->is_sending) { /* which has a time-out of its own */
		return;
	} else if (is_before_request(conn->state) && loop_stream_has_input(&conn->stream)) {
		/* It is us who are late: this core was busy, or all buffers are in use. */
		loop_stream_deadline(&conn->stream, clock_after_ms(conn_now(conn), CONN_BEHIND_MS));
	} else if ((conn->server->is_draining && conn->state != CONN_LINGERING) ||
		   (conn->secured && conn->state == CONN_IDLE)) {
		/* It may be sending just now: the end of our data tells it so, a reset would not.
		 * With TLS it has to be said in any case (RFC 8446 section 6.1). */
		conn->closes = true;
		settle(conn);
	} else {
		if (conn->state == CONN_HANDSHAKING)
			secured_over(conn, HANDSHAKE_TIMEOUT);
		conn_close(conn);
	}
}

/*
 * A client that gives up closes its socket, which looks the same as one that only says that it
 * sends no more. Clients of the second kind are rare and those of the first are what an overload is
 * made of, so a handler does not go on for either.
 */
void conn_peer_finished(struct conn *conn)
{
	conn->has_eof = true;
	if (conn->state == CONN_GREETING || conn->state == CONN_HANDSHAKING ||
		conn->state == CONN_HANDLING || conn->state == CONN_LINGERING)
		conn_close(conn);
	else
		settle(conn);
}

static void on_receive(struct loop_stream *stream, const char *data, int n)
{
	struct conn *conn = container_of(stream, struct conn, stream);

	if (conn->state == CONN_CLOSING)
		return;
	if (n > 0)
		received(conn, str_of(data, (size_t)n));
	else if (n == 0)
		conn_peer_finished(conn);
	else if (n == -ETIME)
		timed_out(conn);
	else
		conn_close(conn);
}

static void on_sent(struct loop_stream *stream, int result)
{
	struct conn *conn = container_of(stream, struct conn, stream);

	conn->is_sending = false;
	if (conn->state == CONN_CLOSING)
		return;
	if (result < 0) {
		if (result == -ETIME)
			loop_stream_reset(stream); /* it takes nothing: keep nothing for it */
		conn_close(conn);
		return;
	}
	conn->active_ns = conn_now(conn);
	if (stream->has_waited)
		histogram_record(&conn->server->stats.sends_ns, conn->active_ns - conn->sending_ns);
	conn->bytes_sent += conn->sending.len;
	stat_add(&conn->server->stats.bytes_sent, conn->sending.len);
	server_buffer_give(conn->server, &conn->sending);
	conn_go_on(conn);
}

/* --- the beginning, and draining --- */

static enum conn_state first_state(const struct conn *conn)
{
	if (conn->is_trusted && conn->server->options.trust.has_proxy_protocol)
		return CONN_GREETING;
	return conn->secured ? CONN_HANDSHAKING : CONN_IDLE;
}

void conn_open(struct http_server *server, int fd, enum http_listen kind)
{
	struct conn *conn = pool_get(&server->conns);

	if (!conn) {
		stat_add(&server->stats.connections_refused, 1);
		close(fd);
		return;
	}
	*conn = (struct conn){ .server = server,
		.state = CONN_RECEIVING,
		.is_redirected = kind == HTTP_LISTEN_REDIRECT,
		.rest.on_timer = rested };
	if (kind == HTTP_LISTEN_TLS && !secured_open(conn)) {
		stat_add(&server->stats.connections_refused, 1);
		pool_put(&server->conns, conn);
		close(fd);
		return;
	}
	conn->peer.bytes = sizeof(conn->peer.storage);
	if (getpeername(fd, (struct sockaddr *)&conn->peer.storage, &conn->peer.bytes) < 0)
		conn->peer.bytes = 0; /* gone again: the first receive will say so */
	address_unmap(&conn->peer);
	peer_set(conn);
	conn->opened_ns = conn->active_ns = conn_now(conn);
	server_conn_add(server, conn);
	stat_add(&server->stats.accepted[kind], 1);
	conn->stream = (struct loop_stream){
		.on_receive = on_receive, .on_sent = on_sent, .on_closed = on_closed
	};
	loop_stream_open(server->core->loop, &conn->stream, fd);
	become(conn, first_state(conn));
	settle(conn);
}

void conn_drain(struct conn *conn, uint64_t until_ns)
{
	if (!is_before_request(conn->state))
		return; /* respond() will close it */
	conn->awaited_until_ns = until_ns;
	conn->server->awaited++;
	settle(conn);
}
