/*
 * Private to http/: TLS between a connection's socket and its state machine (conn.c). A plain
 * connection has none of it but a pointer that is NULL.
 */
#pragma once

#include "http/conn.h"
#include "tls/tls.h"

/* Beginning a handshake is a signature and a key agreement, a tenth of a millisecond to one (RSA):
 * as with tokens' signatures (core/ration.h), a flood of them shall not hold up who has a session.
 */
#define SECURED_BEGINS_PER_PASS 8
/* When HTTP_HANDSHAKES_MAX places are taken, one that has lasted so long is cut for one that waits:
 * an honest client needs two round trips. */
#define SECURED_GIVES_WAY_MS 1000

enum secured_place { SECURED_NOWHERE, SECURED_IN_LINE, SECURED_BEGUN };

struct secured {
	struct secured *pool_link; /* the pool's while it is free */
	struct conn *conn;
	struct tls tls;
	struct buf cipher;     /* for the wire, in front of what is still in conn->out */
	struct list_link link; /* of its place */
	enum secured_place place;
	uint64_t begun_ns;
	bool has_session;
	bool is_over; /* the handshake, and it was counted */
};

/* server.c calls the first two. */
int secured_start(struct http_server *server); /* 0, -ENOMEM */
void secured_stop(struct http_server *server);

/* Sets conn->secured. false: too many, or no memory. */
bool secured_open(struct conn *conn);
void secured_close(struct conn *conn);

/* Bytes of the wire: their plain ones go to conn_take(). */
void secured_received(struct conn *conn, struct str wire);

/* Turns conn->out into what is sent next, the end of the session included when nothing follows.
 * false: it cannot, and the connection is of no use any more. */
bool secured_send(struct conn *conn, struct buf *ret_wire);
/* Is something to be sent? */
bool secured_has_output(const struct conn *conn);

/* The handshake has come to this end; only the first is counted. */
void secured_over(struct conn *conn, enum http_handshake result);

/* Does it stand in line for its handshake? Also of plain connections. */
bool secured_is_waiting(const struct conn *conn);
/* What the service may know of it. */
void secured_describe(const struct conn *conn, struct request *request);
