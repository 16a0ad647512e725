/*
 * One connection of the generator: non-blocking, edge-triggered, one request at a time. When and
 * why requests start and how their ends are counted is in stream.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load/load.h"
#include "shared/macros.h"

/* What a client that never reads can be sent before its server has to wait: the kernel's least. */
#define SLOW_RECEIVE_BYTES 4096

/* One receive for all; what follows an answer is an error, so nothing is ever left in it. */
static char received[65536];

static int socket_open(struct conn *conn, const struct plan *plan)
{
	struct load *load = conn->stream->load;
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = conn };

	conn->fd = socket(plan->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		return -errno;
	(void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (conn->stream->plan->kind == STREAM_SLOW)
		(void)setsockopt(
			conn->fd, SOL_SOCKET, SO_RCVBUF, &(int){ SLOW_RECEIVE_BYTES }, sizeof(int));
	if (connect(conn->fd, (const struct sockaddr *)&plan->address, plan->address_bytes) == 0)
		conn->is_connected = true;
	else if (errno != EINPROGRESS)
		return -errno;
	return epoll_ctl(load->epoll, EPOLL_CTL_ADD, conn->fd, &event) < 0 ? -errno : 0;
}

struct conn *conn_open(struct stream *stream)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->stream = stream;
	conn->out = buf_init(REQUEST_BYTES_MAX);
	conn->fd = -1;
	conn->renewal = stream->renewed ? calloc(1, sizeof(*conn->renewal)) : NULL;
	if (stream->renewed && !conn->renewal) {
		conn_close(conn);
		return NULL;
	}
	if (socket_open(conn, stream->load->plan) < 0) {
		conn_close(conn);
		return NULL;
	}
	stream->connected++;
	return conn;
}

void conn_close(struct conn *conn)
{
	struct load *load = conn->stream->load;

	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = -1;
	buf_deinit(&conn->out);
	free(conn->renewal);
	conn->renewal = NULL;
	list_append(&load->dead, &conn->link);
}

void conns_bury(struct load *load)
{
	struct conn *conn;

	while ((conn = conn_of(load->dead.first))) {
		list_remove(&load->dead, &conn->link);
		free(conn);
	}
}

int conn_write(struct conn *conn, size_t bytes)
{
	if (!conn->is_connected)
		return 0;
	bytes = MIN(bytes, conn->out.len - conn->sent);
	while (bytes) {
		ssize_t n = send(conn->fd, conn->out.data + conn->sent, bytes, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		conn->sent += (size_t)n;
		bytes -= (size_t)n;
	}
	return 0;
}

static enum outcome outcome_of(unsigned status)
{
	if (status / 100 == 2)
		return OUTCOME_OK;
	if (status == 429)
		return OUTCOME_LIMITED;
	if (status == 503)
		return OUTCOME_OVERLOADED;
	return status / 100 == 4 ? OUTCOME_CLIENT : OUTCOME_OTHER;
}

/* The server ended it, or it broke. */
static void on_end(struct conn *conn)
{
	if (!conn->is_busy)
		stream_conn_lost(conn);
	else if (answer_end(&conn->answer))
		request_end(conn, outcome_of(conn->answer.status), false);
	else
		request_end(conn, conn->is_connected ? OUTCOME_BROKEN : OUTCOME_UNCONNECTED, false);
}

static void on_bytes(struct conn *conn, struct str bytes)
{
	size_t used;
	int r = conn->is_busy ? answer_feed(&conn->answer, bytes, &used) : -EINVAL;

	if (conn->is_busy && conn->renewal)
		renewal_feed(conn->renewal, conn->stream->plan->renewal, bytes);
	if (r == 0)
		return;
	if (r < 0 || used < bytes.len) /* nobody asked for this */
		on_end(conn);
	else
		request_end(conn, outcome_of(conn->answer.status),
			!conn->answer.is_closing && conn->sent == conn->out.len);
}

/* Reads until nothing is left; an answer that is complete may start the next request meanwhile. */
static void receive_all(struct conn *conn)
{
	while (conn->fd >= 0) {
		ssize_t n = recv(conn->fd, received, sizeof(received), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			on_end(conn);
		else
			on_bytes(conn, str_of(received, (size_t)n));
		/* Less than asked for: empty now, and epoll tells when that changes. */
		if (n > 0 && (size_t)n < sizeof(received))
			return;
	}
}

void conn_event(struct conn *conn, uint32_t events)
{
	bool has_ended = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);

	if (conn->fd < 0)
		return;
	if (events & EPOLLOUT && !(events & (EPOLLERR | EPOLLHUP))) {
		conn->is_connected = true;
		if (conn->is_busy && conn_write(conn, SIZE_MAX) < 0)
			has_ended = true;
	}
	if (conn->stream->plan->kind == STREAM_SLOW) { /* which never reads */
		if (has_ended)
			stream_conn_lost(conn);
		return;
	}
	if (events & EPOLLIN)
		receive_all(conn);
	/* A short receive does not see the end behind the bytes. */
	if (has_ended && conn->fd >= 0)
		receive_all(conn);
}
