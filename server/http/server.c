/* Listening sockets, the set of connections, draining: see server.h. */
#include "http/server.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/conn.h"
#include "http/secured.h"
#include "shared/clock.h"
#include "shared/macros.h"

/* A burst's worth; each kept one holds its first arena chunk and some body. */
#define EXCHANGES_KEPT 64
#define CONNS_KEPT 256

int http_server_new(struct core *core, const struct http_options *options,
	const struct http_service *service, struct http_server **ret_server)
{
	struct http_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	if (compressor_new(&options->compression, &server->compressor) < 0) {
		free(server);
		return -ENOMEM;
	}
	server->core = core;
	server->options = *options;
	server->service = service;
	server->date.second = -1;
	pool_init(&server->exchanges,
		&(struct pool_options){ .name = "exchanges",
			.core = core->index,
			.object_bytes = sizeof(struct exchange),
			.owned_bytes = EXCHANGE_ARENA_CHUNK + (uint32_t)parser_bytes(),
			.objects_max = options->exchanges_max + EXCHANGES_SPARE,
			.objects_kept = EXCHANGES_KEPT,
			.object_deinit = exchange_deinit });
	pool_init(&server->conns, &(struct pool_options){ .name = "connections",
					  .core = core->index,
					  .object_bytes = sizeof(struct conn),
					  .objects_max = options->connections_max,
					  .objects_kept = CONNS_KEPT });
	*ret_server = server;
	return 0;
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	while (server->spare_count)
		buf_wipe(&server->spare[--server->spare_count]);
	pool_deinit(&server->exchanges);
	pool_deinit(&server->conns);
	if (server->plain)
		secured_stop(server);
	compressor_free(server->compressor);
	free(server);
}

void http_server_times(struct http_server *server, const struct http_options *options)
{
	server->options.idle_timeout_ms = options->idle_timeout_ms;
	server->options.request_timeout_ms = options->request_timeout_ms;
	server->options.send_timeout_ms = options->send_timeout_ms;
	server->options.handshake_timeout_ms = options->handshake_timeout_ms;
}

uint32_t http_server_in_flight(const struct http_server *server)
{
	return atomic_load_explicit(&server->exchanges.in_use, memory_order_relaxed);
}

const struct http_stats *http_server_stats(const struct http_server *server)
{
	return &server->stats;
}

const struct compress_stats *http_server_compress_stats(const struct http_server *server)
{
	return compress_stats(server->compressor);
}

/* --- buffers --- */

struct buf server_buffer_take(struct http_server *server)
{
	if (server->spare_count)
		return server->spare[--server->spare_count];
	return buf_init(CONN_OUT_BYTES_MAX);
}

/* Responses carry tokens: what was written is wiped. */
void server_buffer_give(struct http_server *server, struct buf *buf)
{
	if (!buf->max)
		return;
	if (server->spare_count < SPARE_BUFFERS_MAX && buf->cap <= SPARE_BUFFER_BYTES_MAX &&
		buf->cap) {
		explicit_bzero(buf->data, buf->len);
		buf_clear(buf);
		server->spare[server->spare_count++] = *buf;
	} else {
		buf_wipe(buf);
	}
	*buf = (struct buf){};
}

/* --- accepting --- */

static struct http_listener *listener_of(struct loop_accept *accept)
{
	return container_of(accept, struct http_listener, accept);
}

void server_check_drained(struct http_server *server)
{
	if (!server->is_draining || server->is_drained || server->listening ||
		server->connections.first || server->handshakes.is_turn_sent ||
		atomic_load_explicit(&server->exchanges.in_use, memory_order_relaxed))
		return;
	server->is_drained = true;
	server->on_drained(server->drained_arg);
}

static _Atomic uint64_t *accept_counter(struct http_stats *stats, int error)
{
	switch (error) {
	case -EMFILE:
	case -ENFILE:
		return &stats->accept_no_fd;
	case -ENOMEM:
	case -ENOBUFS:
		return &stats->accept_no_memory;
	default:
		return &stats->accept_errors;
	}
}

static void on_accept(struct loop_accept *accept, int fd)
{
	struct http_listener *listener = listener_of(accept);

	if (fd < 0)
		stat_add(accept_counter(&listener->server->stats, fd), 1);
	else
		conn_open(listener->server, fd, listener->kind);
}

static void on_stopped(struct loop_accept *accept)
{
	struct http_listener *listener = listener_of(accept);
	struct http_server *server = listener->server;

	listener->state = server->on_held && !listener->is_leaving && !server->is_draining
				  ? LISTENER_HELD
				  : LISTENER_ENDED;
	if (listener->state == LISTENER_ENDED)
		close(accept->fd);
	if (--server->listening == 0 && server->on_held)
		TAKE(server->on_held)(server->held_arg);
	server_check_drained(server);
}

static void listener_start(struct http_listener *listener, int fd)
{
	listener->state = LISTENER_OPEN;
	listener->server->listening++;
	loop_accept_start(listener->server->core->loop, &listener->accept, fd);
}

int http_server_listen(struct http_server *server, int fd, enum http_listen kind)
{
	struct http_listener *listener;

	if (server->listeners == HTTP_LISTENERS_MAX)
		return -EBUSY;
	if (kind == HTTP_LISTEN_TLS && !server->plain && secured_start(server) < 0)
		return -ENOMEM;
	listener = &server->listener[server->listeners++];
	listener->server = server;
	listener->kind = kind;
	listener->accept.on_accept = on_accept;
	listener->accept.on_stopped = on_stopped;
	listener->accept.fd = fd;
	listener->state = LISTENER_HELD;
	if (!server->starts_held)
		listener_start(listener, fd);
	return 0;
}

void http_server_start_held(struct http_server *server)
{
	server->starts_held = true;
}

void http_server_unlisten(struct http_server *server, int fd)
{
	for (unsigned i = 0; i < server->listeners; i++) {
		struct http_listener *listener = &server->listener[i];

		if (listener->state != LISTENER_OPEN || listener->accept.fd != fd)
			continue;
		listener->is_leaving = true;
		loop_accept_stop(&listener->accept);
	}
}

void http_server_hold(struct http_server *server, void (*on_held)(void *arg), void *arg)
{
	if (!server->listening) {
		on_held(arg);
		return;
	}
	server->on_held = on_held;
	server->held_arg = arg;
	for (unsigned i = 0; i < server->listeners; i++)
		if (server->listener[i].state == LISTENER_OPEN)
			loop_accept_hold(&server->listener[i].accept);
}

void http_server_go_on(struct http_server *server)
{
	for (unsigned i = 0; i < server->listeners; i++)
		if (server->listener[i].state == LISTENER_HELD)
			listener_start(&server->listener[i], server->listener[i].accept.fd);
}

/* --- connections --- */

/* Numbers are below 2^53, so that they are exact in any reader of JSON. */
static_assert(CORES_MAX <= 1 << 8, "core and counter fit into 53 bits");
#define CONN_COUNTER_BITS 44

/* NULL behind the last. */
static struct conn *conn_of(struct list_link *link)
{
	return link ? container_of(link, struct conn, link) : NULL;
}

static struct conn *conn_next(const struct conn *conn)
{
	return conn_of(conn->link.next);
}

void server_conn_add(struct http_server *server, struct conn *conn)
{
	conn->id = (uint64_t)server->core->index << CONN_COUNTER_BITS | ++server->last_id;
	list_append(&server->connections, &conn->link);
	atomic_fetch_add_explicit(&server->stats.connections, 1, memory_order_relaxed);
}

void server_conn_gone(struct http_server *server, struct conn *conn)
{
	list_remove(&server->connections, &conn->link);
	atomic_fetch_sub_explicit(&server->stats.connections, 1, memory_order_relaxed);
	pool_put(&server->conns, conn);
	server_check_drained(server);
}

/* --- draining --- */

static void listeners_end(struct http_server *server)
{
	for (unsigned i = 0; i < server->listeners; i++) {
		struct http_listener *listener = &server->listener[i];

		if (listener->state == LISTENER_OPEN)
			loop_accept_stop(&listener->accept);
		else if (listener->state == LISTENER_HELD)
			close(listener->accept.fd);
		if (listener->state == LISTENER_HELD)
			listener->state = LISTENER_ENDED;
	}
}

void server_awaited_less(struct http_server *server)
{
	if (--server->awaited == 0)
		listeners_end(server);
}

void http_server_drain(
	struct http_server *server, uint64_t idle_ms, void (*on_drained)(void *arg), void *arg)
{
	uint64_t until_ns = clock_after_ms(loop_now_ns(server->core->loop), idle_ms);
	uint64_t idle = atomic_load_explicit(&server->stats.connections_idle, memory_order_relaxed);
	uint64_t spread_ms = MIN(MIN(idle / CONN_DRAIN_PER_MS, CONN_DRAIN_SPREAD_MS), idle_ms);
	struct conn *next;

	server->is_draining = true;
	server->on_drained = on_drained;
	server->drained_arg = arg;
	server->awaited = 1; /* us, until all have been looked at */
	for (struct conn *conn = conn_of(server->connections.first); conn; conn = next) {
		next = conn_next(conn); /* on_closed comes from a later pass */
		conn_drain(conn, clock_after_ms(until_ns,
					 idle ? spread_ms * (server->awaited - 1) / idle : 0));
	}
	server_awaited_less(server);
	server_check_drained(server);
}

static const char *state_name(const struct conn *conn)
{
	static const char *const names[] = { [CONN_GREETING] = "receiving",
		[CONN_HANDSHAKING] = "handshaking",
		[CONN_IDLE] = "idle",
		[CONN_RECEIVING] = "receiving",
		[CONN_HANDLING] = "handling",
		[CONN_LINGERING] = "closing",
		[CONN_CLOSING] = "closing" };

	if (secured_is_waiting(conn))
		return "waiting";
	return conn->is_sending && conn->state == CONN_IDLE ? "sending" : names[conn->state];
}

void http_server_conns(const struct http_server *server, uint64_t after,
	bool (*visit)(const struct http_conn_info *info, void *arg), void *arg)
{
	for (const struct conn *conn = conn_of(server->connections.first); conn;
		conn = conn_next(conn)) {
		struct http_conn_info info = {
			.id = conn->id,
			.state = state_name(conn),
			.tls = conn->secured ? tls_version_name(tls_version(&conn->secured->tls))
					     : "",
			.peer = conn->exchange ? &conn->exchange->peer : &conn->peer,
			.opened_ns = conn->opened_ns,
			.active_ns = conn->active_ns,
			.requests = conn->requests,
			.bytes_received = conn->bytes_received,
			.bytes_sent = conn->bytes_sent,
		};

		if (conn->id > after && !visit(&info, arg))
			return;
	}
}

void http_server_ops(const struct http_server *server,
	bool (*visit)(const struct http_op_info *info, void *arg), void *arg)
{
	for (const struct conn *conn = conn_of(server->connections.first); conn;
		conn = conn_next(conn)) {
		const struct exchange *exchange = conn->exchange;

		if (conn->state == CONN_HANDLING && exchange && exchange->fiber &&
			!visit(&(struct http_op_info){ .conn = conn->id,
				       .request = &exchange->request,
				       .peer = &conn->peer },
				arg))
			return;
	}
}

static struct conn *conn_find(struct http_server *server, uint64_t id)
{
	struct conn *conn = conn_of(server->connections.first);

	while (conn && conn->id != id)
		conn = conn_next(conn);
	return conn && conn->state != CONN_CLOSING ? conn : NULL;
}

bool http_server_conn_kill(struct http_server *server, uint64_t id)
{
	struct conn *conn = conn_find(server, id);

	if (conn)
		conn_close(conn);
	return conn != NULL;
}

bool http_server_op_kill(struct http_server *server, uint64_t id)
{
	struct conn *conn = conn_find(server, id);
	bool is_suspended = conn && conn->state == CONN_HANDLING && conn->exchange &&
			    conn->exchange->fiber && !conn->exchange->is_handled;

	if (is_suspended)
		fiber_cancel(conn->exchange->fiber);
	return is_suspended;
}
