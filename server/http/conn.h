/*
 * Private to http/: a connection, the exchange (one request and its response) that it has while
 * there is something to answer, and what they share on a core. server.h is what others see.
 */
#pragma once

#include "core/core.h"
#include "core/pool.h"
#include "http/parser.h"
#include "http/server.h"
#include "http/wire.h"

/* Responses of a pipelined batch waiting to be sent: above this no further request is begun. */
#define CONN_OUT_BYTES_HIGH (64 * 1024)
/* With the largest response on top. */
#define CONN_OUT_BYTES_MAX (CONN_OUT_BYTES_HIGH + RESPONSE_BODY_BYTES_MAX + 64 * 1024)
/* What may arrive while a handler runs: receiving is paused, this is what was on its way. */
#define CONN_IN_BYTES_MAX (256 * 1024)
/* A client that still sends after its connection was refused: how long and how much we read on,
 * so that it sees the answer and not a reset (RFC 9112 section 9.6). */
#define CONN_LINGER_MS 1000
#define CONN_LINGER_BYTES_MAX (256 * 1024)
/* A connection accepted just before a drain may still bring its first request. */
#define CONN_DRAIN_FIRST_MS 1000
/* Output buffers kept for the next response. */
#define SPARE_BUFFERS_MAX 16
#define SPARE_BUFFER_BYTES_MAX (16 * 1024) /* larger ones go back to the allocator */

/* Two parsers' worth of arena covers an ordinary request; a body of 64 KiB and its tree fit too. */
#define EXCHANGE_ARENA_CHUNK 8192
#define EXCHANGE_ARENA_MAX (1024 * 1024)
#define REQUEST_ID_BYTES_MAX 128

enum conn_state { CONN_IDLE, CONN_RECEIVING, CONN_HANDLING, CONN_LINGERING, CONN_CLOSING };

struct conn;

struct exchange {
	struct exchange *pool_link; /* the pool's while it is free */
	struct conn *conn;          /* NULL: the client has gone */
	struct http_server *server;
	struct parser *parser;
	struct arena arena;
	struct request request;
	struct response response;
	struct fiber *fiber;
	bool is_handled, is_async;
	struct inbox_item finished;
	char id[REQUEST_ID_BYTES_MAX];
	struct http_header headers[HTTP_HEADERS_MAX];
};

struct conn {
	struct loop_stream stream;
	struct http_server *server;
	struct conn *older, *newer; /* all connections of the core, by id */
	enum conn_state state;
	bool closes;  /* after what is in `out` */
	bool has_eof; /* the peer sends no more */
	bool is_sending;
	struct exchange *exchange;
	struct buf in;      /* arrived while a handler ran */
	struct buf out;     /* responses to be sent next */
	struct buf sending; /* in the kernel */
	size_t lingered;
	uint64_t id, opened_ns, active_ns;
	uint64_t requests, bytes_received, bytes_sent;
	struct address peer;
};

struct http_server {
	struct core *core;
	struct http_options options;
	const struct http_service *service;
	struct http_stats stats;
	struct pool exchanges, conns;
	struct conn *oldest, *newest;
	uint64_t next_id;
	struct wire_date date;
	struct buf spare[SPARE_BUFFERS_MAX];
	unsigned spare_count;
	struct http_listener {
		struct loop_accept accept;
		struct http_server *server;
	} listener[HTTP_LISTENERS_MAX];
	unsigned listening, listeners;
	bool is_draining;
	void (*on_drained)(void *arg);
	void *drained_arg;
};

static inline void stat_add(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + value,
		memory_order_relaxed);
}

/* exchange.c: 0, or -ERR_OVERLOADED when the pool is full. */
int exchange_begin(struct conn *conn);
/* Back to the pool; the handler has returned or never ran. */
void exchange_end(struct exchange *exchange);
void exchange_object_deinit(void *object);
/* Takes the client's request id when it is decent, else makes one. */
void exchange_name(struct exchange *exchange);

/* conn.c */
void conn_open(struct http_server *server, int fd);
void conn_drain(struct conn *conn);
void conn_close(struct conn *conn);
/* The handler has filled the response. On the loop's stack. */
void conn_handled(struct conn *conn);

/* server.c */
void server_conn_gone(struct http_server *server, struct conn *conn);
struct buf server_buffer_take(struct http_server *server);
void server_buffer_give(struct http_server *server, struct buf *buf);
