/*
 * Connections, on a real loop with fibers and a socket pair: what a client sees. Time is set by
 * hand, and the loop is turned only when a test says so.
 */
#include "support/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/conn.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"

#define HOST "Host: a.example\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST
#define POST(path) "POST " path " HTTP/1.1\r\n" HOST
#define BIG_BYTES ((size_t)200 * 1024)
#define EXCHANGES 4
#define FIBERS 2
#define DRAIN_IDLE_MS 1000

static struct {
	struct core core;
	struct http_server *server;
	struct fiber *waiting;
	int wait_result;
	unsigned done, drained, handled;
	unsigned entered, left;
	bool is_refusing;
	unsigned last_status;
	struct inbox_item nothing;
	char text[1024 * 1024]; /* what the client has received */
	size_t len;
} t;

/* --- the service --- */

static bool admit(struct request *request, struct response *response)
{
	if (str_equal(request->path, STR("/none"))) {
		response_problem(response, PROBLEM_NOT_FOUND);
		return false;
	}
	request->is_body_required = str_equal(request->path, STR("/must"));
	request->body_bytes_max = str_equal(request->path, STR("/small")) ? 5 : HTTP_BODY_BYTES_MAX;
	return true;
}

static void handle(struct request *request, struct response *response)
{
	static char big[BIG_BYTES];

	t.handled++;
	if (str_equal(request->path, STR("/wait"))) {
		t.waiting = fiber_current();
		t.wait_result = fiber_wait_await();
		t.waiting = NULL;
		if (t.wait_result < 0)
			response_problem(response, problem_of_error(t.wait_result));
		else
			response_body(response, 200, STR("text/plain"), STR("waited"));
	} else if (str_equal(request->path, STR("/big"))) {
		memset(big, 'b', sizeof(big));
		response_body(response, 200, STR("text/plain"), str_of(big, sizeof(big)));
	} else if (str_equal(request->path, STR("/echo"))) {
		response_body(response, 200, STR("text/plain"), request->body);
	} else if (str_equal(request->path, STR("/who"))) {
		char host[ADDRESS_TEXT_BYTES];

		response_body(response, 200, STR("text/plain"), address_host(request->peer, host));
	} else if (request->body.len) {
		response_body(response, 200, STR("text/plain"), request->body);
	} else if (str_equal(request->path, STR("/empty"))) {
		response_empty(response, 204);
	} else {
		response_body(response, 200, STR("text/plain"), request->path);
	}
}

static void done(const struct request *request, const struct response *response, uint64_t took_ns)
{
	(void)request, (void)took_ns;
	t.done++;
	t.last_status = response->status;
}

static bool enter(_unused_ struct request *request, struct response *response)
{
	if (t.is_refusing)
		response_unavailable(response, PROBLEM_SERVICE_UNAVAILABLE, 7);
	else
		t.entered++;
	return !t.is_refusing;
}

static void leave(_unused_ struct request *request)
{
	t.left++;
}

static const struct http_service service = {
	.admit = admit, .handle = handle, .done = done, .enter = enter, .leave = leave
};

static void on_drained(_unused_ void *arg)
{
	t.drained++;
}

/* --- the scene --- */

/* A message that is always there keeps the loop from sleeping. */
static void on_nothing(struct inbox_item *item)
{
	inbox_send(&t.core.inbox, item);
}

static void turn(unsigned times)
{
	while (times--) {
		uint64_t waited_ns;

		assert_true(loop_turn(t.core.loop, &waited_ns) >= 0);
	}
}

/* The same, a moment later: an engine may put off to its next tick what it ends. */
static void turn_later(unsigned times)
{
	clock_fake_advance_ms(2 * WHEEL_TICK_MS);
	turn(times);
}

static void start_wide(const struct http_options *options, unsigned buffers, unsigned fibers_max)
{
	struct loop_options loop = {
		.entries = 64, .receive_buffers = buffers, .receive_buffer_bytes = 4096
	};
	struct fiber_pool_options fibers = {
		.fibers_max = fibers_max, .fibers_kept = FIBERS, .stack_bytes = 128 * 1024
	};

	memset(&t, 0, sizeof(t));
	clock_fake(NS_PER_S * 1000, 1795000000000);
	assert_int_equal(inbox_init(&t.core.inbox), 0);
	t.nothing.on_core = on_nothing;
	inbox_send(&t.core.inbox, &t.nothing);
	assert_int_equal(loop_new(&loop, &t.core.inbox, &t.core.loop), 0);
	if (!loop_features(t.core.loop)->is_receive_multishot) {
		/* Deadlines of single receives are the kernel's, whose clock is not faked. */
		loop_free(t.core.loop);
		loop.engine = LOOP_ENGINE_EPOLL;
		assert_int_equal(loop_new(&loop, &t.core.inbox, &t.core.loop), 0);
	}
	t.core.wheel = fibers.wheel = loop_wheel(t.core.loop);
	assert_int_equal(fiber_pool_new(&fibers, &t.core.fibers), 0);
	assert_int_equal(http_server_new(&t.core, options, &service, &t.server), 0);
	turn(1);
}

static void start_with(const struct http_options *options)
{
	start_wide(options, 64, FIBERS);
}

static const struct http_options ordinary = { .idle_timeout_ms = 60000,
	.request_timeout_ms = 10000,
	.send_timeout_ms = 5000,
	.connections_max = 8,
	.exchanges_max = EXCHANGES };

static void start(void)
{
	start_with(&ordinary);
}

static void finish(void)
{
	clock_fake_advance_ms(120000); /* whatever is open is late now */
	turn(5);
	clock_fake_advance_ms(120000);
	turn(5);
	if (!t.drained)
		http_server_drain(t.server, DRAIN_IDLE_MS, on_drained, NULL);
	turn(5);
	assert_int_equal(t.drained, 1);
	assert_int_equal(t.server->exchanges.in_use, 0);
	assert_int_equal(t.server->conns.in_use, 0);
	assert_int_equal(t.server->stats.connections, 0);
	assert_int_equal(t.server->stats.connections_idle, 0);
	http_server_free(t.server);
	fiber_pool_free(t.core.fibers);
	loop_free(t.core.loop);
	inbox_deinit(&t.core.inbox);
	clock_fake_off();
}

static int client(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	conn_open(t.server, pair[0], HTTP_LISTEN_PLAIN);
	turn(2);
	return pair[1];
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn(6);
}

/* All that has come since the last call; *ret_eof when the server has finished. */
static int client_by_tcp(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t bytes = sizeof(name);

	assert_int_equal(bind(listening, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&name, &bytes), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	conn_open(t.server, accept4(listening, NULL, NULL, SOCK_CLOEXEC), HTTP_LISTEN_PLAIN);
	close(listening);
	turn(2);
	return fd;
}

static const char *hear_eof(int fd, bool *ret_eof)
{
	ssize_t n;

	t.len = 0;
	*ret_eof = false;
	for (unsigned quiet = 0; quiet < 5 && t.len < sizeof(t.text) - 1;) {
		n = recv(fd, t.text + t.len, sizeof(t.text) - 1 - t.len, MSG_DONTWAIT);
		if (n > 0) {
			t.len += (size_t)n;
			quiet = 0;
		} else if (n == 0) {
			*ret_eof = true;
			break;
		} else {
			quiet++;
		}
		turn(1);
	}
	t.text[t.len] = '\0';
	return t.text;
}

static const char *hear(int fd)
{
	bool eof;
	const char *text = hear_eof(fd, &eof);

	assert_false(eof);
	return text;
}

static const char *hear_last(int fd)
{
	bool eof;
	const char *text = hear_eof(fd, &eof);

	assert_true(eof);
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		print_message("no \"%s\" in:\n%.600s\n", part, text);
	assert_non_null(strstr(text, part));
}

static void assert_has_not(const char *text, const char *part)
{
	assert_null(strstr(text, part));
}

static unsigned count(const char *text, const char *part)
{
	unsigned n = 0;

	for (; (text = strstr(text, part)) != NULL; text += strlen(part))
		n++;
	return n;
}

/* --- answers --- */

TEST(an_answer_has_the_fields_that_all_have)
{
	int fd;
	const char *text;

	start();
	fd = client();
	say(fd, GET("/hello") "\r\n");
	text = hear(fd);
	assert_true(strncmp(text, "HTTP/1.1 200 OK\r\n", 17) == 0);
	assert_has(text, "\r\nDate: ");
	assert_has(text, " GMT\r\n");
	assert_has(text, "\r\nX-Request-Id: 0");
	assert_has(text, "\r\nX-Content-Type-Options: nosniff\r\n");
	assert_has(text, "\r\nReferrer-Policy: no-referrer\r\n");
	assert_has(text, "\r\nContent-Type: text/plain\r\n");
	assert_has(text, "\r\nContent-Length: 6\r\n");
	assert_has(text, "\r\n\r\n/hello");
	assert_has_not(text, "Connection:");
	assert_has_not(text, "Server:");
	assert_int_equal(t.done, 1);
	close(fd);
	finish();
}

TEST(head_and_204_have_no_body)
{
	int fd;
	const char *text;

	start();
	fd = client();
	say(fd, "HEAD /hello HTTP/1.1\r\n" HOST "\r\n" GET("/empty") "\r\n");
	text = hear(fd);
	assert_has(text, "\r\nContent-Length: 6\r\n");
	assert_has_not(text, "/hello");
	assert_has(text, "\r\n\r\nHTTP/1.1 204 No Content\r\n");
	assert_int_equal(count(text, "Content-Length"), 1);
	close(fd);
	finish();
}

TEST(a_decent_request_id_is_kept_and_another_replaced)
{
	int fd;
	const char *text;

	start();
	fd = client();
	say(fd, GET("/a") "X-Request-Id: aZ09._-\r\n\r\n");
	assert_has(hear(fd), "\r\nX-Request-Id: aZ09._-\r\n");
	say(fd, GET("/a") "X-Request-Id: no/slash\r\n\r\n");
	text = hear(fd);
	assert_has(text, "\r\nX-Request-Id: 0");
	assert_has_not(text, "slash");
	close(fd);
	finish();
}

TEST(pipelined_requests_are_answered_in_order)
{
	int fd;
	const char *text;

	start();
	fd = client();
	say(fd, GET("/one") "\r\n" POST("/echo") "Content-Length: 3\r\n\r\ntwo\r\n" GET(
			"/none") "\r\n" GET("/four") "\r\n");
	text = hear(fd);
	assert_int_equal(count(text, "HTTP/1.1 "), 4);
	assert_true(strstr(text, "/one") < strstr(text, "\r\n\r\ntwo"));
	assert_true(strstr(text, "\r\n\r\ntwo") < strstr(text, "NOT_FOUND"));
	assert_true(strstr(text, "NOT_FOUND") < strstr(text, "/four"));
	assert_int_equal(t.done, 4);
	close(fd);
	finish();
}

TEST(more_answers_than_a_buffer_holds_all_arrive)
{
	char all[64 * 32] = "";
	int fd;

	start();
	for (unsigned i = 0; i < 4; i++)
		strncat(all, GET("/big") "\r\n", sizeof(all) - strlen(all) - 1);
	fd = client();
	say(fd, all);
	assert_int_equal(count(hear(fd), "HTTP/1.1 200"), 4);
	assert_true(t.len > 4 * BIG_BYTES);
	close(fd);
	finish();
}

TEST(a_request_in_single_bytes_is_answered_once)
{
	static const char text[] = POST("/echo") "Transfer-Encoding: chunked\r\n\r\n"
						 "3\r\nabc\r\n0\r\n\r\n";
	int fd;

	start();
	fd = client();
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(send(fd, text + i, 1, 0), 1);
		turn(2);
	}
	assert_has(hear(fd), "\r\n\r\nabc");
	assert_int_equal(t.done, 1);
	close(fd);
	finish();
}

/* --- keeping and closing --- */

TEST(close_is_answered_with_close)
{
	int fd;

	start();
	fd = client();
	say(fd, GET("/a") "Connection: close\r\n\r\n" GET("/never") "\r\n");
	assert_has(hear_last(fd), "\r\nConnection: close\r\n");
	assert_has_not(t.text, "/never");
	close(fd);
	fd = client();
	say(fd, GET("/none") "Connection: close\r\n\r\n" GET("/never") "\r\n");
	assert_has(hear_last(fd), "HTTP/1.1 404");
	assert_int_equal(t.done, 2);
	close(fd);
	finish();
}

TEST(http_1_0_closes_unless_asked_to_keep)
{
	int fd;

	start();
	fd = client();
	say(fd, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_has(hear(fd), "\r\nConnection: keep-alive\r\n");
	say(fd, "GET /a HTTP/1.0\r\n\r\n");
	assert_has(hear_last(fd), "\r\nConnection: close\r\n");
	close(fd);
	finish();
}

TEST(malformed_requests_are_answered_and_end_the_connection)
{
	int fd;
	const char *text;

	start();
	fd = client();
	say(fd, GET("/a") "Content-Length: 1\r\nContent-Length: 2\r\n\r\n" GET("/never") "\r\n");
	text = hear_last(fd);
	assert_has(text, "HTTP/1.1 400 Bad Request\r\n");
	assert_has(text, "\"error\":\"MALFORMED_REQUEST\"");
	assert_has(text, "\r\nConnection: close\r\n");
	assert_has(text, "\r\nCache-Control: no-store\r\n");
	assert_has(text, "\r\nX-Request-Id: ");
	assert_int_equal(count(text, "HTTP/1.1"), 1);
	assert_int_equal(t.done, 1);
	assert_int_equal(t.server->stats.responses[4], 1);
	close(fd);
	finish();
}

TEST(a_client_that_finishes_still_gets_its_answers)
{
	int fd;

	start();
	fd = client();
	assert_true(send(fd, GET("/a") "\r\n", strlen(GET("/a") "\r\n"), 0) > 0);
	shutdown(fd, SHUT_WR);
	turn(6);
	assert_has(hear_last(fd), "HTTP/1.1 200");
	close(fd);
	finish();
}

/* --- bodies --- */

TEST(a_body_that_says_it_is_too_large_is_not_read)
{
	int fd;

	start();
	fd = client();
	say(fd, POST("/small") "Content-Length: 5\r\n\r\n12345");
	assert_has(hear(fd), "12345");
	say(fd, POST("/small") "Content-Length: 6\r\n\r\n");
	assert_has(hear_last(fd), "HTTP/1.1 413 ");
	close(fd);
	fd = client();
	say(fd, POST("/small") "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n");
	assert_int_equal(strlen(hear(fd)), 0);
	say(fd, "1\r\n6\r\n");
	assert_has(hear_last(fd), "HTTP/1.1 413 ");
	close(fd);
	finish();
}

TEST(a_body_that_is_required_needs_a_length)
{
	int fd;

	start();
	fd = client();
	say(fd, POST("/must") "\r\n" GET("/next") "\r\n");
	assert_has(hear(fd), "HTTP/1.1 411 ");
	assert_has(t.text, "/next");
	close(fd);
	finish();
}

TEST(continue_is_said_only_to_who_may)
{
	int fd;

	start();
	fd = client();
	say(fd, POST("/echo") "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
	assert_string_equal(hear(fd), "HTTP/1.1 100 Continue\r\n\r\n");
	say(fd, "ab");
	assert_has(hear(fd), "\r\n\r\nab");
	say(fd, POST("/none") "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	assert_true(strncmp(hear_last(fd), "HTTP/1.1 404 ", 13) == 0);
	close(fd);
	fd = client();
	say(fd, POST("/echo") "Expect: more\r\nContent-Length: 2\r\n\r\n");
	assert_true(strncmp(hear_last(fd), "HTTP/1.1 417 ", 13) == 0);
	close(fd);
	finish();
}

/* --- time --- */

TEST(a_client_late_with_its_request_is_told)
{
	int fd;

	start();
	fd = client();
	say(fd, "GET /a HT");
	clock_fake_advance_ms(9000);
	turn(2);
	assert_int_equal(strlen(hear(fd)), 0);
	clock_fake_advance_ms(1100);
	turn(3);
	assert_has(hear_last(fd), "HTTP/1.1 408 ");
	assert_int_equal(t.server->stats.timeouts_client, 1);
	close(fd);
	finish();
}

TEST(an_idle_connection_ends_silently)
{
	int fd;

	start();
	fd = client();
	say(fd, GET("/a") "\r\n");
	assert_has(hear(fd), "200 OK");
	clock_fake_advance_ms(59000);
	turn(3);
	assert_int_equal(strlen(hear(fd)), 0);
	clock_fake_advance_ms(1100);
	turn(3);
	assert_int_equal(strlen(hear_last(fd)), 0);
	close(fd);
	finish();
}

TEST(a_handler_past_its_deadline_is_answered_503)
{
	int fd;

	start();
	fd = client();
	say(fd, GET("/wait") "\r\n");
	assert_non_null(t.waiting);
	clock_fake_advance_ms(10100);
	turn(4);
	assert_int_equal(t.wait_result, -ETIMEDOUT);
	assert_has(hear(fd), "HTTP/1.1 503 ");
	assert_has(t.text, "\r\nRetry-After: ");
	assert_int_equal(t.server->stats.timeouts_server, 1);
	close(fd);
	finish();
}

/* --- suspended handlers --- */

TEST(what_arrives_while_a_handler_waits_is_answered_after_it)
{
	int fd;

	start();
	fd = client();
	say(fd, GET("/first") "\r\n" GET("/wait") "\r\n" GET("/second") "\r\n");
	assert_has(hear(fd), "/first");
	say(fd, GET("/third") "\r\n");
	assert_int_equal(strlen(hear(fd)), 0);
	fiber_wake(t.waiting, 0);
	turn(4);
	hear(fd);
	assert_true(strstr(t.text, "waited") < strstr(t.text, "/second"));
	assert_true(strstr(t.text, "/second") < strstr(t.text, "/third"));
	assert_int_equal(t.done, 4);
	close(fd);
	finish();
}

TEST(a_client_that_goes_cancels_its_handler)
{
	int fd;

	start();
	fd = client();
	say(fd, GET("/wait") "\r\n");
	assert_non_null(t.waiting);
	close(fd);
	turn(6);
	assert_null(t.waiting);
	assert_int_equal(t.wait_result, -ERR_CANCELED);
	assert_int_equal(t.server->exchanges.in_use, 0);
	assert_int_equal(t.done, 0);
	finish();
}

TEST(input_during_a_handler_is_bounded)
{
	static char junk[64 * 1024];
	size_t sent = 0;
	ssize_t n;
	int fd;

	start();
	fd = client();
	say(fd, GET("/wait") "\r\n");
	memset(junk, 'x', sizeof(junk));
	for (unsigned i = 0; i < 64; i++) {
		n = send(fd, junk, sizeof(junk), MSG_DONTWAIT);
		if (n > 0)
			sent += (size_t)n;
		turn(2);
	}
	/* The rest stays with the kernel, and so with the client. */
	assert_true(t.server->stats.bytes_received <= CONN_IN_BYTES_MAX);
	assert_true(sent < 64 * sizeof(junk));
	if (t.waiting)
		fiber_wake(t.waiting, 0);
	turn(4);
	close(fd);
	finish();
}

/* --- too much --- */

/* Takes all exchanges for requests that go on arriving; all of them are young. */
static void exchanges_take(int fds[EXCHANGES])
{
	for (unsigned i = 0; i < EXCHANGES; i++) {
		fds[i] = client();
		say(fds[i], "GET /a");
	}
	assert_int_equal(t.server->exchanges.in_use, EXCHANGES);
}

static void exchanges_leave(const int fds[EXCHANGES])
{
	say(fds[0], " HTTP/1.1\r\n" HOST "\r\n"); /* they were let alone */
	assert_has(hear(fds[0]), "200 OK");
	for (unsigned i = 0; i < EXCHANGES; i++)
		close(fds[i]);
	finish();
}

TEST(one_request_too_many_is_answered_503_when_it_is_not_whole)
{
	int fds[EXCHANGES], fd;

	start();
	exchanges_take(fds);
	fd = client();
	say(fd, GET("/a"));
	assert_has(hear_last(fd), "HTTP/1.1 503 ");
	assert_has(t.text, "SERVICE_UNAVAILABLE");
	assert_has(t.text, "\r\nRetry-After: ");
	assert_int_equal(t.server->exchanges.refused, 1);
	close(fd);
	fd = client();
	say(fd, POST("/echo") "Content-Length: 4\r\n\r\nbod");
	assert_has(hear_last(fd), "HTTP/1.1 503 ");
	assert_int_equal(t.server->exchanges.in_use, EXCHANGES);
	close(fd);
	exchanges_leave(fds);
}

TEST(one_request_too_many_is_served_when_it_is_whole)
{
	int fds[EXCHANGES], fd;

	start();
	exchanges_take(fds);
	fd = client();
	say(fd, GET("/a") "\r\n" POST("/echo") "Content-Length: 4\r\n\r\nbody");
	assert_int_equal(count(hear(fd), "200 OK"), 2);
	assert_has(t.text, "\r\n\r\nbody");
	say(fd, GET("/a") "\r\n");
	assert_has(hear(fd), "200 OK");
	say(fd, GET("/a") "\r\n" GET("/a"));
	assert_has(hear_last(fd), "200 OK");
	assert_has(t.text, "HTTP/1.1 503 ");
	assert_int_equal(t.server->stats.gave_way, 0);
	assert_int_equal(t.server->exchanges.refused, 1);
	close(fd);
	exchanges_leave(fds);
}

TEST(no_more_wait_beyond_the_others_than_there_are_spare_exchanges)
{
	static const struct http_options options = { .idle_timeout_ms = 60000,
		.request_timeout_ms = 10000,
		.send_timeout_ms = 5000,
		.connections_max = EXCHANGES + EXCHANGES_SPARE + 1,
		.exchanges_max = EXCHANGES };
	int fds[EXCHANGES], waiting[EXCHANGES_SPARE - 1], fd;

	start_wide(&options, 256, EXCHANGES_SPARE);
	exchanges_take(fds);
	for (unsigned i = 0; i < EXCHANGES_SPARE - 1; i++) {
		waiting[i] = client();
		say(waiting[i], GET("/wait") "\r\n");
	}
	assert_int_equal(t.server->exchanges.in_use, EXCHANGES + EXCHANGES_SPARE - 1);
	fd = client();
	say(fd, GET("/a") "\r\n");
	assert_has(hear_last(fd), "HTTP/1.1 503 ");
	close(fd);
	close(waiting[0]);
	turn(6);
	fd = client();
	say(fd, GET("/a") "\r\n");
	assert_has(hear(fd), "200 OK");
	close(fd);
	assert_int_equal(t.server->exchanges.refused, 1);
	for (unsigned i = 1; i < EXCHANGES_SPARE - 1; i++)
		close(waiting[i]);
	exchanges_leave(fds);
}

TEST(without_a_fiber_a_request_is_answered_503_and_the_connection_stays)
{
	int fds[FIBERS], fd;

	start();
	for (unsigned i = 0; i < FIBERS; i++) {
		fds[i] = client();
		say(fds[i], GET("/wait") "\r\n");
	}
	fd = client();
	say(fd, GET("/a") "\r\n");
	assert_has(hear(fd), "HTTP/1.1 503 ");
	for (unsigned i = 0; i < FIBERS; i++)
		close(fds[i]);
	turn(6);
	say(fd, GET("/a") "\r\n");
	assert_has(hear(fd), "200 OK");
	close(fd);
	finish();
}

TEST(a_request_that_may_not_enter_is_answered_unhandled_and_the_connection_stays)
{
	int fd;

	start();
	fd = client();
	t.is_refusing = true;
	say(fd, POST("/echo") "Content-Length: 4\r\n\r\nbody");
	assert_has(hear(fd), "HTTP/1.1 503 ");
	assert_has(t.text, "\r\nRetry-After: 7\r\n");
	assert_has_not(t.text, "Connection: close");
	assert_int_equal(t.handled, 0);
	t.is_refusing = false;
	say(fd, POST("/echo") "Content-Length: 4\r\n\r\nbody");
	assert_has(hear(fd), "200 OK");
	assert_int_equal(t.handled, 1);
	close(fd);
	finish();
}

TEST(whoever_entered_leaves_whatever_became_of_the_client)
{
	int fds[FIBERS], fd;

	start();
	fd = client();
	say(fd, GET("/a") "\r\n");
	assert_int_equal(t.left, 1);
	for (unsigned i = 0; i < FIBERS; i++) {
		fds[i] = client();
		say(fds[i], GET("/wait") "\r\n");
	}
	assert_int_equal(t.entered, 1 + FIBERS);
	assert_int_equal(t.left, 1);
	say(fd, GET("/a") "\r\n"); /* there is no fiber for it */
	assert_int_equal(t.left, 2);
	for (unsigned i = 0; i < FIBERS; i++)
		close(fds[i]);
	turn(6);
	assert_int_equal(t.left, t.entered);
	close(fd);
	finish();
}

TEST(a_connection_too_many_is_closed)
{
	int fds[8], fd;
	char c;

	start();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = client();
	fd = client();
	assert_int_equal(recv(fd, &c, 1, 0), 0);
	assert_int_equal(t.server->stats.connections_refused, 1);
	close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	finish();
}

/* --- draining --- */

TEST(what_has_arrived_is_answered_however_late_we_look_at_it)
{
	const char *text = GET("/a") "\r\n";
	int first, second;

	start_wide(&ordinary, 1, FIBERS); /* one of the two has to wait for it */
	first = client();
	second = client();
	clock_fake_advance_ms(ordinary.idle_timeout_ms + 50);
	assert_int_equal(send(first, text, strlen(text), 0), strlen(text));
	assert_int_equal(send(second, text, strlen(text), 0), strlen(text));
	assert_has(hear(first), "\r\n\r\n/a");
	assert_has(hear(second), "\r\n\r\n/a");
	close(first);
	close(second);
	finish();
}

TEST(draining_closes_idle_connections_and_waits_for_requests)
{
	int idle, busy, fresh;

	start();
	idle = client();
	say(idle, GET("/a") "\r\n");
	hear(idle);
	busy = client();
	say(busy, GET("/wait") "\r\n");
	fresh = client();
	http_server_drain(t.server, DRAIN_IDLE_MS, on_drained, NULL);
	turn(3);
	assert_int_equal(strlen(hear(idle)), 0);
	say(fresh, GET("/a") "\r\n");
	assert_has(hear_last(fresh), "\r\nConnection: close\r\n");
	clock_fake_advance_ms(DRAIN_IDLE_MS + 50);
	turn(3);
	assert_int_equal(strlen(hear_last(idle)), 0);
	assert_int_equal(t.drained, 0);
	fiber_wake(t.waiting, 0);
	turn(3);
	assert_has(hear_last(busy), "\r\nConnection: close\r\n");
	close(idle);
	close(busy);
	close(fresh);
	turn(4);
	assert_int_equal(t.drained, 1);
	finish();
}

TEST(a_request_sent_before_the_drain_is_answered_and_closes)
{
	int fd;

	start();
	fd = client();
	say(fd, GET("/a") "\r\n");
	hear(fd);
	assert_true(send(fd, GET("/b") "\r\n", strlen(GET("/b") "\r\n"), 0) > 0);
	http_server_drain(t.server, DRAIN_IDLE_MS, on_drained, NULL);
	turn(4);
	assert_has(hear_last(fd), "\r\n\r\n/b");
	assert_has(t.text, "\r\nConnection: close\r\n");
	close(fd);
	turn(4);
	assert_int_equal(t.drained, 1);
	finish();
}

TEST(an_idle_connection_whose_time_is_over_sees_the_end_of_our_data_and_no_reset)
{
	char byte;
	int fd;

	start();
	fd = client_by_tcp();
	say(fd, GET("/a") "\r\n");
	hear(fd);
	http_server_drain(t.server, DRAIN_IDLE_MS, on_drained, NULL);
	clock_fake_advance_ms(DRAIN_IDLE_MS + 50);
	turn(3);
	/* It sends just now, as it might have before it saw the end. */
	assert_true(send(fd, GET("/b") "\r\n", strlen(GET("/b") "\r\n"), MSG_NOSIGNAL) > 0);
	turn(3);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
	turn(4);
	assert_int_equal(t.drained, 1);
	finish();
}

static int connect_to(const struct address *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(
		connect(fd, (const struct sockaddr *)&address->storage, address->bytes), 0);
	return fd;
}

/* A listening socket at a port that was free a moment ago. */
static int door_open(struct address *ret_address)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(listener_address(fd, ret_address), 0);
	assert_int_equal(http_server_listen(t.server, fd, HTTP_LISTEN_PLAIN), 0);
	turn(2);
	return fd;
}

TEST(while_idle_connections_are_awaited_others_are_still_accepted)
{
	struct address address;
	int idle, fresh;

	start();
	(void)door_open(&address);
	idle = client();
	say(idle, GET("/a") "\r\n");
	hear(idle);
	http_server_drain(t.server, DRAIN_IDLE_MS, on_drained, NULL);
	turn(2);
	fresh = connect_to(&address);
	turn(2);
	say(fresh, GET("/a") "\r\n");
	assert_has(hear_last(fresh), "\r\nConnection: close\r\n");
	say(idle, GET("/b") "\r\n");
	assert_has(hear_last(idle), "\r\nConnection: close\r\n");
	close(fresh);
	close(idle);
	turn_later(6);
	assert_int_equal(t.drained, 1);
	finish();
}

static void on_held(void *arg)
{
	(*(int *)arg)++;
}

TEST(who_connects_to_a_server_that_is_held_waits_for_the_next)
{
	struct address address;
	int door, fd, held = 0, next;

	start();
	door = dup(door_open(&address));
	http_server_hold(t.server, on_held, &held);
	assert_int_equal(held, 0);
	turn_later(4);
	assert_int_equal(held, 1);
	fd = connect_to(&address);
	turn(4);
	assert_int_equal(t.server->stats.connections, 0);
	http_server_go_on(t.server);
	turn(4);
	assert_int_equal(t.server->stats.connections, 1);
	http_server_hold(t.server, on_held, &held);
	turn_later(4);
	assert_int_equal(held, 2);
	close(fd);
	fd = connect_to(&address);
	http_server_drain(t.server, DRAIN_IDLE_MS, on_drained, NULL);
	turn_later(6);
	assert_int_equal(t.drained, 1);
	next = accept(door, NULL, NULL); /* it was neither taken nor reset */
	assert_true(next >= 0);
	close(next);
	close(fd);
	close(door);
	finish();
}

TEST(a_socket_that_leaves_serves_who_is_queued)
{
	struct address address;
	int door, fd;

	start();
	door = door_open(&address);
	fd = connect_to(&address);
	http_server_unlisten(t.server, door);
	turn_later(4);
	assert_int_equal(t.server->stats.connections, 1);
	say(fd, GET("/a") "\r\n");
	assert_has(hear(fd), "\r\n\r\n/a");
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address.storage, address.bytes), -1);
	close(fd);
	finish();
}

TEST(a_connection_without_a_request_holds_a_drain_up_for_a_second)
{
	int fd;

	start();
	fd = client();
	http_server_drain(t.server, DRAIN_IDLE_MS, on_drained, NULL);
	clock_fake_advance_ms(900);
	turn(3);
	assert_int_equal(t.drained, 0);
	clock_fake_advance_ms(200);
	turn(4);
	assert_int_equal(strlen(hear_last(fd)), 0);
	close(fd);
	turn(4);
	assert_int_equal(t.drained, 1);
	finish();
}

/* --- the list --- */

static bool first_only(const struct http_conn_info *info, void *arg)
{
	*(uint64_t *)arg = info->id;
	return false;
}

TEST(connections_are_listed_in_the_order_of_their_ids)
{
	uint64_t first = 0, second = 0, third = 0;
	int a, b;

	start();
	a = client();
	b = client();
	http_server_conns(t.server, 0, first_only, &first);
	http_server_conns(t.server, first, first_only, &second);
	http_server_conns(t.server, second, first_only, &third);
	assert_true(first > 0 && second > first);
	assert_int_equal(third, 0);
	close(a);
	close(b);
	finish();
}

/* --- behind a proxy --- */

/* Of 127.0.0.1, which is trusted. */
static void start_behind_proxy(bool has_proxy_protocol)
{
	struct http_options options = ordinary;

	assert_int_equal(networks_add(&options.trust.proxies, STR("127.0.0.1")), 0);
	options.trust.has_proxy_protocol = has_proxy_protocol;
	start_with(&options);
}

#define HEADER "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"

TEST(a_proxy_header_is_who_the_client_is)
{
	int fd;

	start_behind_proxy(true);
	fd = client_by_tcp();
	say(fd, HEADER GET("/who") "\r\n");
	assert_has(hear(fd), "\r\n\r\n192.0.2.1");
	say(fd, GET("/who") "\r\n");
	assert_has(hear(fd), "\r\n\r\n192.0.2.1");
	assert_int_equal(t.server->stats.proxy_errors, 0);
	close(fd);
	finish();
}

/* A balancer of TCP relays whatever a client says: only a proxy's own words count. */
TEST(whom_bytes_of_somebody_unknown_name_is_not_believed)
{
	static const struct {
		const char *header, *who;
	} rows[] = {
		{ "PROXY UNKNOWN\r\n", "\r\n\r\n127.0.0.1" },
		{ HEADER, "\r\n\r\n192.0.2.1" },
		/* This is the next proxy, which speaks HTTP. */
		{ "PROXY TCP4 127.0.0.1 192.0.2.2 56324 443\r\n", "\r\n\r\n203.0.113.9" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int fd;

		start_behind_proxy(true);
		fd = client_by_tcp();
		say(fd, rows[i].header);
		say(fd, GET("/who") "X-Forwarded-For: 203.0.113.9\r\n\r\n");
		assert_has(hear(fd), rows[i].who);
		close(fd);
		finish();
	}
}

TEST(a_proxy_header_may_come_in_single_bytes_and_a_request_behind_it)
{
	static const char text[] = HEADER GET("/who") "\r\n";
	char one[2] = "";
	int fd;

	start_behind_proxy(true);
	fd = client_by_tcp();
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		one[0] = text[i];
		say(fd, one);
	}
	assert_has(hear(fd), "\r\n\r\n192.0.2.1");
	assert_int_equal(t.done, 1);
	close(fd);
	finish();
}

TEST(without_a_proxy_header_where_one_must_be_a_connection_ends)
{
	int fd;

	start_behind_proxy(true);
	fd = client_by_tcp();
	say(fd, GET("/who") "\r\n");
	assert_int_equal(strlen(hear_last(fd)), 0);
	assert_int_equal(t.done, 0);
	assert_int_equal(t.server->stats.proxy_errors, 1);
	close(fd);
	finish();
}

TEST(a_proxy_header_has_the_deadline_of_a_request)
{
	int fd;

	start_behind_proxy(true);
	fd = client_by_tcp();
	clock_fake_advance_ms(9000);
	say(fd, "PROXY TCP4 ");
	clock_fake_advance_ms(900);
	turn(3);
	hear(fd);
	clock_fake_advance_ms(200);
	turn(3);
	assert_int_equal(strlen(hear_last(fd)), 0);
	close(fd);
	finish();
}

TEST(a_proxy_header_holds_a_drain_up_for_a_second)
{
	int fd;

	start_behind_proxy(true);
	fd = client_by_tcp();
	say(fd, "PROXY TCP4 ");
	http_server_drain(t.server, DRAIN_IDLE_MS, on_drained, NULL);
	clock_fake_advance_ms(900);
	turn(3);
	assert_int_equal(t.drained, 0);
	clock_fake_advance_ms(200);
	turn(4);
	assert_int_equal(strlen(hear_last(fd)), 0);
	close(fd);
	turn(4);
	assert_int_equal(t.drained, 1);
	finish();
}

TEST(a_client_that_gives_up_in_its_proxy_header_is_gone)
{
	int fd;

	start_behind_proxy(true);
	fd = client_by_tcp();
	say(fd, "PROXY TCP4 ");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	turn(3);
	assert_int_equal(strlen(hear_last(fd)), 0);
	assert_int_equal(t.server->conns.in_use, 0);
	close(fd);
	finish();
}

TEST(what_no_trusted_peer_says_is_not_believed)
{
	int fd;
	const char *text;

	start_behind_proxy(true);
	fd = client(); /* a Unix socket has no address that could be trusted */
	say(fd, GET("/who") "X-Forwarded-For: 192.0.2.1\r\n\r\n");
	text = hear(fd);
	assert_has(text, "\r\nContent-Length: 0\r\n");
	say(fd, HEADER);
	assert_has(hear_last(fd), "HTTP/1.1 400 ");
	close(fd);
	finish();
}

TEST(a_trusted_proxy_may_name_another_client_with_every_request)
{
	int fd;

	start_behind_proxy(false);
	fd = client_by_tcp();
	say(fd, GET("/who") "X-Forwarded-For: 192.0.2.1\r\n\r\n");
	assert_has(hear(fd), "\r\n\r\n192.0.2.1");
	say(fd, GET("/who") "X-Forwarded-For: 2001:db8::1\r\n\r\n");
	assert_has(hear(fd), "\r\n\r\n2001:db8::1");
	say(fd, GET("/who") "\r\n");
	assert_has(hear(fd), "\r\n\r\n127.0.0.1");
	close(fd);
	finish();
}
