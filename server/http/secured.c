/* TLS of a connection: see secured.h. */
#include "http/secured.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/secret.h"

#define SECURED_KEPT 64

/* --- who may begin, and who stands in line --- */

static void turn_send(struct http_server *server)
{
	if (server->handshakes.is_turn_sent)
		return;
	server->handshakes.is_turn_sent = true;
	inbox_send(&server->core->inbox, &server->handshakes.turn);
}

static void gauge_add(_Atomic uint32_t *gauge, uint32_t change)
{
	atomic_store_explicit(gauge, atomic_load_explicit(gauge, memory_order_relaxed) + change,
		memory_order_relaxed);
}

static void begun_add(struct http_server *server, struct secured *secured)
{
	secured->place = SECURED_BEGUN;
	secured->begun_ns = loop_now_ns(server->core->loop);
	list_append(&server->handshakes.begun, &secured->link);
	gauge_add(&server->stats.handshakes_begun, 1);
	server->handshakes.taken++;
}

/* Whoever is in line may be next. */
static void place_leave(struct http_server *server, struct secured *secured)
{
	if (secured->place == SECURED_BEGUN) {
		list_remove(&server->handshakes.begun, &secured->link);
		gauge_add(&server->stats.handshakes_begun, (uint32_t)-1);
		if (server->handshakes.line.first)
			turn_send(server);
	} else if (secured->place == SECURED_IN_LINE) {
		list_remove(&server->handshakes.line, &secured->link);
		gauge_add(&server->stats.handshakes_in_line, (uint32_t)-1);
	}
	secured->place = SECURED_NOWHERE;
}

/* When all places are taken, who has had one for long gives it up, as a slow request does. */
static bool make_place(struct http_server *server)
{
	struct list_link *link = server->handshakes.begun.first;
	struct secured *slowest;
	uint64_t gives_way_ns;

	if (atomic_load_explicit(&server->stats.handshakes_begun, memory_order_relaxed) <
		HTTP_HANDSHAKES_MAX)
		return true;
	slowest = container_of(link, struct secured, link);
	gives_way_ns = clock_after_ms(slowest->begun_ns, SECURED_GIVES_WAY_MS);
	if (loop_now_ns(server->core->loop) < gives_way_ns) {
		timer_set(server->core->wheel, &server->handshakes.gives_way, gives_way_ns);
		return false;
	}
	secured_over(slowest->conn, HANDSHAKE_TIMEOUT);
	conn_close(slowest->conn);
	return true;
}

static bool may_begin(struct http_server *server)
{
	return server->handshakes.taken < SECURED_BEGINS_PER_PASS && make_place(server);
}

/* One more begins in this pass, or stands in line behind the others. */
static void place_take(struct http_server *server, struct secured *secured)
{
	turn_send(server);
	if (!server->handshakes.line.first && may_begin(server)) {
		begun_add(server, secured);
		return;
	}
	secured->place = SECURED_IN_LINE;
	list_append(&server->handshakes.line, &secured->link);
	gauge_add(&server->stats.handshakes_in_line, 1);
}

/* Who waited longest goes first. */
static void line_serve(struct http_server *server)
{
	while (server->handshakes.line.first && may_begin(server)) {
		struct secured *secured =
			container_of(server->handshakes.line.first, struct secured, link);

		place_leave(server, secured);
		begun_add(server, secured);
		conn_turn(secured->conn);
	}
	if (server->handshakes.taken)
		turn_send(server);
}

/* A new pass: nothing is taken yet. */
static void on_turn(struct inbox_item *item)
{
	struct http_server *server = container_of(item, struct http_server, handshakes.turn);

	server->handshakes.is_turn_sent = false;
	server->handshakes.taken = 0;
	line_serve(server);
	server_check_drained(server);
}

static void on_gives_way(struct timer *timer)
{
	line_serve(container_of(timer, struct http_server, handshakes.gives_way));
}

/* --- the life of it --- */

int secured_start(struct http_server *server)
{
	server->handshakes.turn.on_core = on_turn;
	server->handshakes.gives_way.on_timer = on_gives_way;
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
	timer_cancel(server->core->wheel, &server->handshakes.gives_way);
	pool_deinit(&server->secured);
	free(server->plain);
}

bool secured_open(struct conn *conn)
{
	struct secured *secured = pool_get(&conn->server->secured);

	if (!secured)
		return false;
	*secured = (struct secured){ .conn = conn };
	conn->secured = secured;
	gauge_add(&conn->server->stats.connections_handshaking, 1);
	return true;
}

void secured_close(struct conn *conn)
{
	struct secured *secured = conn->secured;

	secured_over(conn, HANDSHAKE_CLOSED);
	conn->secured = NULL;
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
	place_leave(conn->server, secured);
	gauge_add(&conn->server->stats.connections_handshaking, (uint32_t)-1);
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

	if (secured->has_session)
		return true;
	if (tls_begin(&secured->tls, &secured->cipher, &conn->server->stats.tls_bytes) < 0) {
		conn_close(conn);
		return false;
	}
	secured->has_session = true;
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

	if (secured->place == SECURED_NOWHERE && !secured->is_over)
		place_take(conn->server, secured);
	if (secured->place == SECURED_IN_LINE) {
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

bool secured_is_waiting(const struct conn *conn)
{
	return conn->secured && conn->secured->place == SECURED_IN_LINE;
}

void secured_describe(const struct conn *conn, struct request *request)
{
	const struct tls *tls = &conn->secured->tls;

	request->tls_version = tls_version_name(tls_version(tls));
	if (tls->subject) /* the handler may outlive the connection */
		request->client_subject = arena_str(request->arena, str_cstr(tls->subject));
}
