/* TLS of a connection: see secured.h. */
#include "http/secured.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "shared/macros.h"
#include "shared/secret.h"

#define SECURED_KEPT 64

/* --- standing in line for the beginning --- */

static void line_add(struct http_server *server, struct secured *secured)
{
	secured->is_in_line = true;
	secured->newer = NULL;
	secured->older = server->line.newest;
	if (secured->older)
		secured->older->newer = secured;
	else
		server->line.oldest = secured;
	server->line.newest = secured;
}

static void line_remove(struct http_server *server, struct secured *secured)
{
	if (!secured->is_in_line)
		return;
	secured->is_in_line = false;
	if (secured->older)
		secured->older->newer = secured->newer;
	else
		server->line.oldest = secured->newer;
	if (secured->newer)
		secured->newer->older = secured->older;
	else
		server->line.newest = secured->older;
}

static void turn_send(struct http_server *server)
{
	if (server->line.is_turn_sent)
		return;
	server->line.is_turn_sent = true;
	inbox_send(&server->core->inbox, &server->line.turn);
}

/* May one more begin in this pass? Else it stands in line. */
static bool turn_take(struct http_server *server, struct secured *secured)
{
	turn_send(server);
	if (server->line.oldest || server->line.taken == SECURED_BEGINS_PER_PASS) {
		line_add(server, secured);
		return false;
	}
	server->line.taken++;
	return true;
}

/* A new pass: nothing is taken yet, and who waited longest goes first. */
static void on_turn(struct inbox_item *item)
{
	struct http_server *server = container_of(item, struct http_server, line.turn);
	struct secured *secured;

	server->line.is_turn_sent = false;
	server->line.taken = 0;
	while ((secured = server->line.oldest) && server->line.taken < SECURED_BEGINS_PER_PASS) {
		line_remove(server, secured);
		secured->has_turn = true;
		server->line.taken++;
		conn_turn(secured->conn);
	}
	if (server->line.taken)
		turn_send(server);
	server_check_drained(server);
}

/* --- the life of it --- */

int secured_start(struct http_server *server)
{
	server->line.turn.on_core = on_turn;
	server->plain = malloc(TLS_PLAIN_BYTES);
	if (!server->plain)
		return -ENOMEM;
	pool_init(&server->secured, &(struct pool_options){ .name = "tls",
					    .core = server->core->index,
					    .object_bytes = sizeof(struct secured),
					    .objects_max = server->options.connections_max,
					    .objects_kept = SECURED_KEPT });
	return 0;
}

void secured_stop(struct http_server *server)
{
	pool_deinit(&server->secured);
	free(server->plain);
}

static void handshaking_add(struct http_server *server, uint32_t change)
{
	_Atomic uint32_t *count = &server->stats.connections_handshaking;

	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + change,
		memory_order_relaxed);
}

bool secured_open(struct conn *conn)
{
	struct secured *secured = pool_get(&conn->server->secured);

	if (!secured)
		return false;
	*secured = (struct secured){ .conn = conn };
	conn->secured = secured;
	handshaking_add(conn->server, 1);
	return true;
}

void secured_close(struct conn *conn)
{
	struct secured *secured = conn->secured;

	secured_over(conn, HANDSHAKE_CLOSED);
	conn->secured = NULL;
	line_remove(conn->server, secured);
	tls_end(&secured->tls);
	server_buffer_give(conn->server, &secured->cipher);
	pool_put(&conn->server->secured, secured);
}

void secured_over(struct conn *conn, enum http_handshake result)
{
	struct secured *secured = conn->secured;
	bool is_ok = result == HANDSHAKE_OK;
	/* Of one that failed it is seldom known. */
	enum tls_version version = is_ok ? tls_version(&secured->tls) : TLS_VERSION_NONE;
	bool is_resumed = is_ok && tls_is_resumed(&secured->tls);

	if (secured->is_over)
		return;
	secured->is_over = true;
	handshaking_add(conn->server, (uint32_t)-1);
	stat_add(&conn->server->stats.handshakes[version][is_resumed][result], 1);
}

/* --- receiving --- */

/* A client that speaks plain HTTP to this port understands no alert. */
static void answer_plainly(struct secured *secured)
{
	(void)!buf_append(&secured->cipher,
		STR("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 34\r\n"
		    "Connection: close\r\n\r\nThis port speaks HTTPS, not HTTP.\r\n"));
}

static void failed(struct conn *conn)
{
	struct tls *tls = &conn->secured->tls;
	const struct http_service *service = conn->server->service;

	if (tls_is_plain_http(tls))
		answer_plainly(conn->secured);
	if (service->broken)
		service->broken(&conn->peer, !tls->is_established, tls->error);
	secured_over(conn, HANDSHAKE_FAILED);
	conn_break(conn);
}

/* The output buffer is there while something may be written into it. */
static void cipher_take(struct conn *conn)
{
	if (!conn->secured->cipher.max)
		conn->secured->cipher = server_buffer_take(conn->server);
}

static void cipher_give_if_empty(struct conn *conn)
{
	if (!conn->secured->cipher.len)
		server_buffer_give(conn->server, &conn->secured->cipher);
}

/* Which session it is costs memory, so a client that only connects has none. */
static bool begin(struct conn *conn)
{
	struct secured *secured = conn->secured;

	if (secured->has_begun)
		return true;
	if (tls_begin(&secured->tls, &secured->cipher, &conn->server->stats.tls_bytes) < 0) {
		conn_close(conn);
		return false;
	}
	secured->has_begun = true;
	return true;
}

/* 1 when it is done, 0: it goes on. */
static int shake_hands(struct conn *conn)
{
	int r = tls_handshake(&conn->secured->tls);

	if (r < 0) {
		failed(conn);
		return 0;
	}
	if (r > 0) {
		secured_over(conn, HANDSHAKE_OK);
		conn_greeted(conn);
	}
	return r;
}

static void decrypt(struct conn *conn)
{
	char *plain = conn->server->plain;
	int n = 0;

	while (conn_takes(conn) &&
		(n = tls_read(&conn->secured->tls, plain, TLS_PLAIN_BYTES)) > 0) {
		conn_take(conn, str_of(plain, (size_t)n));
		secret_wipe(plain, (size_t)n);
	}
	if (n == -ESHUTDOWN)
		conn_peer_finished(conn);
	else if (n < 0)
		failed(conn);
}

void secured_received(struct conn *conn, struct str wire)
{
	struct secured *secured = conn->secured;

	if (!secured->has_turn && !secured->is_in_line)
		secured->has_turn = turn_take(conn->server, secured);
	if (!secured->has_turn) {
		conn_keep(conn, wire);
		return;
	}
	if (!begin(conn))
		return;
	cipher_take(conn);
	tls_feed(&secured->tls, wire);
	if (secured->tls.is_established || shake_hands(conn) > 0)
		decrypt(conn);
	secured->tls.wire = (struct str){}; /* the rest is not read: the connection ends */
	cipher_give_if_empty(conn);
}

/* --- sending --- */

static bool is_ending(const struct conn *conn)
{
	return conn->closes && conn->state != CONN_HANDLING;
}

bool secured_has_output(const struct conn *conn)
{
	const struct secured *secured = conn->secured;
	const struct tls *tls = &secured->tls;

	return conn->out.len || secured->cipher.len ||
	       (is_ending(conn) && tls->is_established && !tls->is_broken && !tls->is_finished);
}

bool secured_send(struct conn *conn, struct buf *ret_wire)
{
	struct secured *secured = conn->secured;

	cipher_take(conn);
	if (conn->out.len && tls_write(&secured->tls, buf_str(&conn->out)) < 0)
		return false;
	server_buffer_give(conn->server, &conn->out);
	if (is_ending(conn))
		tls_finish(&secured->tls);
	*ret_wire = secured->cipher;
	secured->cipher = (struct buf){};
	return ret_wire->len > 0;
}

/* --- what others see --- */

void secured_describe(const struct conn *conn, struct request *request)
{
	const struct tls *tls = &conn->secured->tls;

	request->tls_version = tls_version_name(tls_version(tls));
	if (tls->subject) /* the handler may outlive the connection */
		request->client_subject = arena_str(request->arena, str_cstr(tls->subject));
}
