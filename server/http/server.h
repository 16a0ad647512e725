/*
 * HTTP/1.1 on one core: listening sockets, connections, and the service that answers. Everything is
 * called on the core's thread but what says otherwise. How a connection works: conn.c.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"
#include "http/compress.h"
#include "http/forwarded.h"
#include "http/request.h"
#include "http/response.h"
#include "shared/histogram.h"
#include "tls/tls.h"

/* Who answers. */
struct http_service {
	/*
	 * On the loop's stack, when the header fields are complete: says whether the request is
	 * served, sets request->route and request->body_bytes_max. false: the response is filled
	 * and is sent without reading the body.
	 */
	bool (*admit)(struct request *request, struct response *response);

	/* On a fiber, when the body is complete. Must fill the response; may suspend. Its waits end
	 * with -ERR_CANCELED when the client has gone. */
	void (*handle)(struct request *request, struct response *response);

	/* On the loop's stack, once per request, when its response is filled, also by us: for
	 * fields that every response has. May be NULL. */
	void (*finish)(const struct request *request, struct response *response);

	/* On the loop's stack, once per request, when its response is complete: for logs, counters.
	 * took_ns: from its first byte. */
	void (*done)(
		const struct request *request, const struct response *response, uint64_t took_ns);

	/* The same, when the client has gone before its response was complete. May be NULL. */
	void (*gone)(const struct request *request, uint64_t took_ns);

	/* On the loop's stack: a handshake of TLS failed, or what came after it was wrong. `what`
	 * is a word of a closed set. May be NULL. */
	void (*broken)(const struct address *peer, bool is_handshake, const char *what);

	/*
	 * On the loop's stack, when the body is complete and before anything is spent on it: false
	 * refuses the request, and the response is filled. leave() follows every enter() that said
	 * true, when the handler has returned, whatever became of the client. Both or none.
	 */
	bool (*enter)(struct request *request, struct response *response);
	void (*leave)(struct request *request);
};

struct http_options {
	uint64_t idle_timeout_ms; /* between requests */
	uint64_t
		request_timeout_ms; /* from the first byte of a request to the end of its handler */
	uint64_t handshake_timeout_ms; /* of TLS, from accepting */
	uint64_t send_timeout_ms;      /* a client must take a batch of responses within this */
	uint32_t connections_max;      /* one more is closed at once */
	uint32_t exchanges_max;        /* requests in progress; one more has to be here whole */
	struct compress_options compression;
	unsigned redirect_port;  /* what HTTP_LISTEN_REDIRECT sends clients to */
	struct http_trust trust; /* whom we believe who the client is */
};

/* Handshakes of one core at a time; each holds up to 48 KiB until it is done. */
#define HTTP_HANDSHAKES_MAX 512

/* How a handshake of TLS ends. closed: the client left. */
enum http_handshake {
	HANDSHAKE_OK,
	HANDSHAKE_FAILED,
	HANDSHAKE_TIMEOUT,
	HANDSHAKE_CLOSED,
	HANDSHAKES
};

enum http_listen {
	HTTP_LISTEN_PLAIN,
	HTTP_LISTEN_TLS,      /* with what tls/tls_settings.h has in force */
	HTTP_LISTEN_REDIRECT, /* answers every request with the way to https */
	HTTP_LISTENS
};

/* Counters that any thread may read. */
struct http_stats {
	_Atomic uint64_t accepted[HTTP_LISTENS];
	/* By errno: no descriptor was left, no memory, anything else. */
	_Atomic uint64_t accept_no_fd, accept_no_memory, accept_errors;
	_Atomic uint64_t connections_refused; /* connections_max */
	_Atomic uint64_t proxy_errors;        /* closed: no PROXY header where one must be */
	_Atomic uint64_t requests;
	_Atomic uint64_t responses[6]; /* by status / 100 */
	_Atomic uint64_t bytes_received, bytes_sent;
	_Atomic uint64_t timeouts_client, timeouts_server; /* 408, 503 */
	_Atomic uint64_t rests;    /* pauses of connections that were refused and went on asking */
	_Atomic uint64_t gave_way; /* of timeouts_client: slow ones that made room for others */
	_Atomic uint32_t connections, connections_idle;
	_Atomic uint32_t connections_handshaking; /* with TLS, and not yet set up */
	_Atomic uint64_t
		handshakes[TLS_VERSIONS][2][HANDSHAKES]; /* [1]: resumed; no version unless ok */
	_Atomic uint32_t handshakes_begun, handshakes_in_line; /* HTTP_HANDSHAKES_MAX, and more */
	_Atomic int64_t tls_bytes;                             /* of the heap, for sessions */
	struct histogram sends_ns; /* that the client did not take at once */
};

struct http_server;

int http_server_new(struct core *core, const struct http_options *options,
	const struct http_service *service, struct http_server **ret_server);

/* After on_drained, or when nothing was ever accepted. A core that is stopped with requests in
 * progress leaves its server to the end of the process. */
void http_server_free(struct http_server *server);

/* Takes over a listening socket. 0, -EBUSY (more than HTTP_LISTENERS_MAX): one for each address,
 * and those of cores that were more in the life before; -ENOMEM. */
#define HTTP_LISTENERS_MAX 64
int http_server_listen(struct http_server *server, int fd, enum http_listen kind);
/* Before these: they are held from the beginning. */
void http_server_start_held(struct http_server *server);

/* Serves who is queued at that socket, then closes it. */
void http_server_unlisten(struct http_server *server, int fd);

/*
 * Accepts no more: who connects waits in the kernel for whoever shares the sockets, or for
 * http_server_go_on(). on_held comes when it is so. Requests are served on.
 */
void http_server_hold(struct http_server *server, void (*on_held)(void *arg), void *arg);
void http_server_go_on(struct http_server *server);

/*
 * Ends without losing a request: every answer says "Connection: close" from now on, so a client
 * that is there sees its connection end at a moment when it waits for nothing. Idle connections
 * are given idle_ms to bring their next request; so long others are accepted, unless the server is
 * held, and then those are closed. on_drained comes when none is left.
 */
void http_server_drain(
	struct http_server *server, uint64_t idle_ms, void (*on_drained)(void *arg), void *arg);

/* Times for what begins from now on; the maxima stay as they are. On the core's thread. */
void http_server_times(struct http_server *server, const struct http_options *options);

/* Requests between their first byte and their answer. Any thread, as the two that follow. */
uint32_t http_server_in_flight(const struct http_server *server);

const struct http_stats *http_server_stats(const struct http_server *server);
const struct compress_stats *http_server_compress_stats(const struct http_server *server);

/* One row of `authctl conn list`. */
struct http_conn_info {
	uint64_t id;       /* unique in this process */
	const char *state; /* "handshaking", "waiting" (for its handshake), "idle", "receiving",
			      "handling", "sending", "closing" */
	const char *tls;   /* "1.3"; "": none, or not yet */
	const struct address
		*peer; /* the client of the request in progress, as far as it is known */
	uint64_t opened_ns, active_ns; /* accepted; last byte either way */
	uint64_t requests, bytes_received, bytes_sent;
};

/* One row of `authctl op list`: a request whose handler runs. */
struct http_op_info {
	uint64_t conn; /* its connection: one request at a time */
	const struct request *request;
	const struct address *peer;
};

/* Visits the requests whose handlers are suspended, until visit() says false. */
void http_server_ops(const struct http_server *server,
	bool (*visit)(const struct http_op_info *info, void *arg), void *arg);

/* By the connection's id: is it there? Closes it; its handler's wait ends with -ERR_CANCELED. */
bool http_server_conn_kill(struct http_server *server, uint64_t id);
/* Ends the wait of its handler only, which answers as it can. False when none is suspended. */
bool http_server_op_kill(struct http_server *server, uint64_t id);

/* Visits connections in the order of their ids, from the first after `after`, until visit() says
 * false. */
void http_server_conns(const struct http_server *server, uint64_t after,
	bool (*visit)(const struct http_conn_info *info, void *arg), void *arg);
