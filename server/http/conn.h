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
#include "shared/list.h"

/* Responses of a pipelined batch waiting to be sent: above this no further request is begun. */
#define CONN_OUT_BYTES_HIGH (64 * 1024)
/* With the largest response on top. */
#define CONN_OUT_BYTES_MAX (CONN_OUT_BYTES_HIGH + RESPONSE_BODY_BYTES_MAX + 64 * 1024)
/* What may arrive while a handler runs: from the first on receiving is paused, the second leaves
 * room for what was on its way then. */
#define CONN_IN_BYTES_PAUSE (16 * 1024)
#define CONN_IN_BYTES_MAX (256 * 1024)
/* A client that still sends after its connection was refused: how long and how much we read on,
 * so that it sees the answer and not a reset (RFC 9112 section 9.6). */
#define CONN_LINGER_MS 1000
#define CONN_LINGER_BYTES_MAX (256 * 1024)
/* A connection accepted during a drain may still bring its first request. */
#define CONN_DRAIN_FIRST_MS 1000
/* Idle connections end one after the other, within this at most: while a client sees the end of
 * many at once it may send on another of them. */
#define CONN_DRAIN_PER_MS 4
#define CONN_DRAIN_SPREAD_MS 1000
/* What has arrived in time is received within this, or the connection is looked at again. */
#define CONN_BEHIND_MS 20
/* A client that asks again at once after each refusal costs as much as it likes to send. After a
 * few in a row its connection is not read from for a moment: a person does not notice, a loop does.
 */
#define CONN_REFUSALS_FREE 3
#define CONN_REST_MS 100
/* Output buffers kept for the next responses: a pass of the loop with many clients fills as many.
 */
#define SPARE_BUFFERS_MAX 64
#define SPARE_BUFFER_BYTES_MAX (16 * 1024) /* larger ones go back to the allocator */

/* One chunk covers an ordinary request; a body of 64 KiB and its tree fit too. */
#define EXCHANGE_ARENA_CHUNK 8192
#define EXCHANGE_ARENA_MAX (1024 * 1024)
/* Above exchanges_max: for requests that are here as a whole while those that have the others drip.
 * The last one only says 503, and is free again when it has. */
#define EXCHANGES_SPARE 64
/* A request that has been arriving for so long gives way to a new one when there are too many: an
 * honest client's arrives in a fraction of it, whoever drips bytes needs it all. */
#define EXCHANGE_GIVES_WAY_MS 1000
#define REQUEST_ID_BYTES_MAX 128

enum conn_state {
	CONN_GREETING,
	CONN_HANDSHAKING,
	CONN_IDLE,
	CONN_RECEIVING,
	CONN_HANDLING,
	CONN_LINGERING,
	CONN_CLOSING
};

struct conn;
struct secured;

struct exchange {
	struct exchange *pool_link;     /* the pool's while it is free */
	struct list_link arriving_link; /* of those that are still arriving */
	bool is_arriving;
	bool is_spare;     /* one of those above exchanges_max */
	struct conn *conn; /* NULL: the client has gone */
	struct http_server *server;
	struct parser *parser;
	struct arena arena;
	struct request request;
	struct response response;
	struct fiber *fiber; /* while a handler is suspended */
	bool is_handled;     /* the handler has returned */
	struct address peer; /* a copy: the handler may outlive the connection */
	struct inbox_item finished;
	char id[REQUEST_ID_BYTES_MAX];
	struct http_header headers[HTTP_HEADERS_MAX];
};

struct conn {
	struct loop_stream stream;
	struct http_server *server;
	struct list_link link; /* of all connections of the core */
	enum conn_state state;
	bool closes;  /* after what is in `out` */
	bool has_eof; /* the peer sends no more */
	bool is_sending;
	bool is_trusted; /* the peer is a proxy that says who its client is */
	bool is_resting;
	bool is_redirected; /* of a port that sends everybody elsewhere */
	uint8_t refusals;   /* in a row */
	struct timer rest;
	struct exchange *exchange;
	struct secured *secured; /* secured.h; NULL: without TLS */
	struct buf in;           /* arrived while a handler ran */
	struct buf out;          /* responses to be sent next */
	struct buf sending;      /* in the kernel */
	uint64_t sending_ns;     /* since */
	size_t lingered;
	uint64_t id, opened_ns, active_ns;
	/* It was idle when a drain began, and may bring a request until then; 0: it is not awaited.
	 */
	uint64_t awaited_until_ns;
	uint64_t requests, bytes_received, bytes_sent;
	struct address peer; /* of the socket, or from the PROXY header */
};

struct http_server {
	struct core *core;
	struct http_options options;
	const struct http_service *service;
	struct http_stats stats;
	struct pool exchanges, conns;
	struct list connections; /* by id: the oldest first */
	struct list arriving;    /* exchanges, the oldest first */
	uint64_t last_id;
	struct compressor *compressor;
	struct wire_date date;
	struct buf spare[SPARE_BUFFERS_MAX];
	unsigned spare_count;
	struct http_listener {
		struct loop_accept accept;
		struct http_server *server;
		enum http_listen kind;
		enum { LISTENER_ENDED, LISTENER_OPEN, LISTENER_HELD } state;
		bool is_leaving;
	} listener[HTTP_LISTENERS_MAX];
	unsigned listening, listeners;
	bool starts_held;
	void (*on_held)(void *arg); /* NULL: nobody waits for it */
	void *held_arg;
	struct pool secured;
	char *plain; /* what is decrypted, until it is parsed; NULL: nobody listens for TLS */
	struct {     /* secured.c: the oldest first */
		struct list begun, line;
		unsigned taken;         /* of them in this pass of the loop */
		struct inbox_item turn; /* the next pass */
		bool is_turn_sent;
		struct timer gives_way;
	} handshakes;
	bool is_draining, is_drained;
	unsigned awaited; /* while draining: connections with awaited_until_ns */
	void (*on_drained)(void *arg);
	void *drained_arg;
};

static inline void stat_add(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + value,
		memory_order_relaxed);
}

/*
 * exchange.c. Sets conn->exchange: 0, which may be a spare one; -ERR_OVERLOADED: it is the last
 * spare one, and may only say so; -ENOMEM: there is none.
 */
int exchange_begin(struct conn *conn);
/* The one that has been arriving longest, if that is long enough to give way; else NULL. */
struct exchange *exchange_slowest(struct http_server *server);
/* Takes the client's request id when it is decent, else makes one; once. */
void exchange_name(struct exchange *exchange);
/*
 * Runs the handler on a fiber, if the service lets it. 1: the response is filled; 0: it is
 * suspended, and conn_handled() comes when it has returned, unless the exchange is abandoned;
 * -ERR_OVERLOADED.
 */
int exchange_run(struct exchange *exchange);
/* Wipes it and gives it back; no handler runs. */
void exchange_end(struct exchange *exchange);
/* Its client has gone: ends it now, or when its handler has returned. */
void exchange_abandon(struct exchange *exchange);
/* For the pool: frees what the exchange owns. */
void exchange_deinit(void *object);

/* conn.c */
void conn_open(struct http_server *server, int fd, enum http_listen kind);
/* When it is idle its next request is waited for; server_awaited_less() follows. */
void conn_drain(struct conn *conn, uint64_t until_ns);
void conn_close(struct conn *conn);
void conn_handled(struct conn *conn);
/* For secured.c. Plain bytes of the client; conn_takes(): does it want any? */
bool conn_takes(const struct conn *conn);
void conn_take(struct conn *conn, struct str bytes);
/* Bytes for later. */
void conn_keep(struct conn *conn, struct str bytes);
/* The handshake is done. */
void conn_greeted(struct conn *conn);
/* The client sends no more. */
void conn_peer_finished(struct conn *conn);
/* What is in progress ends without an answer, and the connection when its alert is sent. */
void conn_break(struct conn *conn);
/* Its turn has come: what was kept is read. */
void conn_turn(struct conn *conn);

/* server.c */
void server_conn_add(struct http_server *server, struct conn *conn);
void server_conn_gone(struct http_server *server, struct conn *conn);
/* The last one of those that a drain waits for: nobody is accepted any more. */
void server_awaited_less(struct http_server *server);
/* Tells on_drained when nothing is left. */
void server_check_drained(struct http_server *server);
struct buf server_buffer_take(struct http_server *server);
/* Wipes it. */
void server_buffer_give(struct http_server *server, struct buf *buf);
