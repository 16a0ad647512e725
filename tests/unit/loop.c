/*
 * The loop on real sockets, each test with multishot and with single-shot receives. Deadlines are
 * real and short: the kernel's own timeouts know no fake clock. A test waits for what must happen,
 * never for an amount of time.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/inbox.h"
#include "core/listener.h"
#include "core/loop.h"
#include "shared/macros.h"

#define BUFFERS 16
#define BUFFER_BYTES 256
#define BIG_BYTES ((size_t)512 * 1024) /* more than a pair of sockets holds */
#define HOUR_MS 3600000
#define WAIT_MS 30000 /* on a machine as busy as it may be */

static struct {
	struct inbox inbox;
	struct inbox_item nothing;
	struct loop *loop;
	bool may_sleep;
} t;

struct end {
	struct loop_stream stream;
	int peer; /* the other end, ours by hand */
	char text[BIG_BYTES];
	size_t len;
	unsigned eofs, lates, errors, sents, closes;
	uint64_t late_ns;
	int sent_result, error;
	bool closes_on_receive, closes_on_sent, pauses_on_receive;
};

static void on_receive(struct loop_stream *stream, const char *data, int n)
{
	struct end *end = container_of(stream, struct end, stream);

	if (n > 0) {
		assert_true(end->len + (size_t)n <= sizeof(end->text));
		memcpy(end->text + end->len, data, (size_t)n);
		end->len += (size_t)n;
	} else if (n == 0) {
		end->eofs++;
	} else if (n == -ETIME) {
		if (t.may_sleep)
			inbox_send(&t.inbox, &t.nothing); /* or this pass sleeps */
		t.may_sleep = false;
		end->lates++;
		end->late_ns = clock_now_ns();
	} else {
		end->errors++;
		end->error = n;
	}
	if (end->pauses_on_receive)
		loop_stream_receive_pause(stream);
	if (end->closes_on_receive)
		loop_stream_close(stream);
}

static void on_sent(struct loop_stream *stream, int result)
{
	struct end *end = container_of(stream, struct end, stream);

	end->sents++;
	end->sent_result = result;
	if (end->closes_on_sent)
		loop_stream_close(stream);
}

static void on_closed(struct loop_stream *stream)
{
	container_of(stream, struct end, stream)->closes++;
}

/* --- the scene --- */

/* A message that is always there keeps the loop from sleeping. */
static void on_nothing(struct inbox_item *item)
{
	if (!t.may_sleep)
		inbox_send(&t.inbox, item);
}

/* What a test is run on. */
enum way { WAY_AUTO, WAY_MULTISHOT, WAY_ONESHOT, WAY_EPOLL };

static void begin(enum way way)
{
	static const struct loop_options ways[] = {
		[WAY_AUTO] = { .engine = LOOP_ENGINE_AUTO, .receive = LOOP_RECEIVE_AUTO },
		[WAY_MULTISHOT] = { .engine = LOOP_ENGINE_URING,
			.receive = LOOP_RECEIVE_MULTISHOT },
		[WAY_ONESHOT] = { .engine = LOOP_ENGINE_URING, .receive = LOOP_RECEIVE_ONESHOT },
		[WAY_EPOLL] = { .engine = LOOP_ENGINE_EPOLL },
	};
	struct loop_options options = ways[way];
	int r;

	options.entries = 64;
	options.receive_buffers = BUFFERS;
	options.receive_buffer_bytes = BUFFER_BYTES;
	t.may_sleep = false;
	assert_int_equal(inbox_init(&t.inbox), 0);
	t.nothing.on_core = on_nothing;
	inbox_send(&t.inbox, &t.nothing);
	r = loop_new(&options, &t.inbox, &t.loop);
	if (r == -EOPNOTSUPP || r == -ENOSYS || r == -EPERM) {
		inbox_deinit(&t.inbox);
		skip(); /* this kernel has no multishot receive, or no io_uring for us */
	}
	assert_int_equal(r, 0);
}

static void finish(void)
{
	loop_free(t.loop);
	inbox_deinit(&t.inbox);
}

static void turn(void)
{
	uint64_t busy_ns;

	assert_true(loop_turn(t.loop, &busy_ns) >= 0);
}

static void turns(unsigned count)
{
	while (count--)
		turn();
}

/* Turns the loop until the condition holds. */
#define UNTIL(condition)                                                                           \
	do {                                                                                       \
		uint64_t _end_ns = clock_after_ms(clock_now_ns(), WAIT_MS);                        \
                                                                                                   \
		while (!(condition) && clock_now_ns() < _end_ns)                                   \
			turn();                                                                    \
		assert_true(condition);                                                            \
	} while (0)

static struct end *end_of(int fd, int peer)
{
	struct end *end = calloc(1, sizeof(*end));

	assert_non_null(end);
	end->peer = peer;
	end->stream.on_receive = on_receive;
	end->stream.on_sent = on_sent;
	end->stream.on_closed = on_closed;
	loop_stream_open(t.loop, &end->stream, fd);
	return end;
}

static struct end *end_new(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	return end_of(pair[0], pair[1]);
}

static void end_free(struct end *end)
{
	if (!end->closes)
		loop_stream_close(&end->stream);
	UNTIL(end->closes);
	assert_int_equal(end->closes, 1);
	assert_int_equal(end->stream.fd, -1);
	close(end->peer);
	free(end);
}

static void say(struct end *end, const char *text)
{
	assert_int_equal(send(end->peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void heard(struct end *end, const char *text)
{
	UNTIL(end->len >= strlen(text));
	assert_int_equal(end->len, strlen(text));
	assert_memory_equal(end->text, text, end->len);
}

/* Three tests of one body. */
#define EACH(name)                                                                                 \
	static void name##_in(enum way way);                                                       \
	TEST(name##_multishot)                                                                     \
	{                                                                                          \
		name##_in(WAY_MULTISHOT);                                                          \
	}                                                                                          \
	TEST(name##_oneshot)                                                                       \
	{                                                                                          \
		name##_in(WAY_ONESHOT);                                                            \
	}                                                                                          \
	TEST(name##_epoll)                                                                         \
	{                                                                                          \
		name##_in(WAY_EPOLL);                                                              \
	}                                                                                          \
	static void name##_in(enum way way)

/* --- receiving --- */

EACH(the_asked_for_way_of_receiving_is_used)
{
	begin(way);
	assert_int_equal(loop_features(t.loop)->is_receive_multishot, way == WAY_MULTISHOT);
	assert_string_equal(loop_features(t.loop)->engine, way == WAY_EPOLL ? "epoll" : "io_uring");
	finish();
}

EACH(bytes_arrive_in_order_and_the_end_is_told_once)
{
	struct end *end;

	begin(way);
	end = end_new();
	loop_stream_receive(&end->stream);
	say(end, "one ");
	heard(end, "one ");
	say(end, "two ");
	say(end, "three");
	heard(end, "one two three");
	shutdown(end->peer, SHUT_WR);
	UNTIL(end->eofs);
	turns(10);
	assert_int_equal(end->eofs, 1);
	assert_int_equal(end->errors + end->lates, 0);
	end_free(end);
	finish();
}

EACH(an_end_that_is_there_with_the_last_bytes_is_told)
{
	struct end *end;

	begin(way);
	end = end_new();
	say(end, "all");
	shutdown(end->peer, SHUT_WR);
	loop_stream_receive(&end->stream);
	UNTIL(end->eofs);
	heard(end, "all");
	end_free(end);
	finish();
}

EACH(nothing_is_received_before_it_is_asked_for)
{
	struct end *end;

	begin(way);
	end = end_new();
	say(end, "early");
	turns(10);
	assert_int_equal(end->len, 0);
	loop_stream_receive(&end->stream);
	heard(end, "early");
	end_free(end);
	finish();
}

static void fill(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		text[i] = (char)(i * 31 + i / 251);
}

EACH(more_than_all_buffers_hold_arrives_whole)
{
	static char sent[BIG_BYTES];
	struct end *end;
	size_t at = 0;

	begin(way);
	fill(sent, sizeof(sent));
	end = end_new();
	loop_stream_receive(&end->stream);
	turns(2);
	/* Everything that the sockets hold at once: many times the buffers. */
	while (at < sizeof(sent)) {
		ssize_t n = send(end->peer, sent + at, sizeof(sent) - at, MSG_DONTWAIT);

		if (n > 0)
			at += (size_t)n;
		turn();
	}
	UNTIL(end->len == sizeof(sent));
	assert_memory_equal(end->text, sent, sizeof(sent));
	if (way == WAY_MULTISHOT)
		assert_true(loop_stats(t.loop)->buffers_exhausted > 0);
	end_free(end);
	finish();
}

EACH(many_streams_share_the_buffers)
{
	struct end *ends[2 * BUFFERS];

	begin(way);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		ends[i] = end_new();
		loop_stream_receive(&ends[i]->stream);
	}
	for (unsigned round = 0; round < 3; round++)
		for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
			say(ends[i], "abc");
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		heard(ends[i], "abcabcabc");
		end_free(ends[i]);
	}
	finish();
}

EACH(a_pause_leaves_the_rest_with_the_kernel)
{
	static char sent[64 * 1024];
	struct end *end;
	size_t at = 0, kept;
	ssize_t n;

	begin(way);
	fill(sent, sizeof(sent));
	end = end_new();
	loop_stream_receive(&end->stream);
	say(end, "");
	turns(3);
	end->pauses_on_receive = true;
	for (unsigned i = 0; i < 200; i++) {
		n = send(end->peer, sent + at, MIN(sizeof(sent) - at, 512), MSG_DONTWAIT);
		if (n > 0)
			at += (size_t)n;
		turn();
	}
	kept = end->len;
	assert_true(kept <= BUFFERS * BUFFER_BYTES);
	assert_true(kept < at);
	turns(20);
	assert_int_equal(end->len, kept);
	end->pauses_on_receive = false;
	loop_stream_receive(&end->stream);
	UNTIL(end->len == at);
	assert_memory_equal(end->text, sent, at);
	end_free(end);
	finish();
}

EACH(pausing_and_going_on_at_once_loses_nothing)
{
	struct end *end;

	begin(way);
	end = end_new();
	for (unsigned i = 0; i < 50; i++) {
		loop_stream_receive(&end->stream);
		say(end, "x");
		loop_stream_receive_pause(&end->stream);
		if (i % 3 == 0)
			turn();
		loop_stream_receive(&end->stream);
		if (i % 2 == 0)
			turn();
	}
	UNTIL(end->len == 50);
	assert_int_equal(end->errors, 0);
	end_free(end);
	finish();
}

/* Both ends of a TCP connection, the peer's with a small window: sockets of a pair know no reset.
 */
static struct end *end_new_tcp(void)
{
	const int window_bytes = 2048;
	struct sockaddr_in any = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof(any);
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer, fd;

	assert_int_equal(bind(listening, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&any, &bytes), 0);
	peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &window_bytes, sizeof(window_bytes));
	assert_int_equal(connect(peer, (struct sockaddr *)&any, sizeof(any)), 0);
	fd = accept(listening, NULL, NULL);
	assert_true(fd >= 0);
	close(listening);
	return end_of(fd, peer);
}

EACH(a_reset_is_told_as_an_error_once)
{
	struct linger now = { .l_onoff = 1 };
	struct end *end;

	begin(way);
	end = end_new_tcp();
	loop_stream_receive(&end->stream);
	turns(3);
	setsockopt(end->peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(end->peer);
	end->peer = -1;
	UNTIL(end->errors);
	turns(10);
	assert_int_equal(end->errors, 1);
	assert_int_equal(end->error, -ECONNRESET);
	assert_int_equal(end->eofs, 0);
	end_free(end);
	finish();
}

/* --- deadlines --- */

static uint64_t in_ms(uint64_t ms)
{
	return clock_after_ms(clock_now_ns(), ms);
}

EACH(a_deadline_is_told_once_and_not_early)
{
	uint64_t at_ns;
	struct end *end;

	begin(way);
	end = end_new();
	turn();
	at_ns = in_ms(60);
	loop_stream_deadline(&end->stream, at_ns);
	loop_stream_receive(&end->stream);
	UNTIL(end->lates);
	assert_true(end->late_ns >= at_ns);
	turns(50);
	assert_int_equal(end->lates, 1);
	end_free(end);
	finish();
}

EACH(a_later_deadline_replaces_the_one_that_is_armed)
{
	uint64_t at_ns;
	struct end *end;

	begin(way);
	end = end_new();
	turn();
	loop_stream_deadline(&end->stream, in_ms(40));
	loop_stream_receive(&end->stream);
	turn();
	at_ns = in_ms(200);
	loop_stream_deadline(&end->stream, at_ns);
	UNTIL(end->lates);
	assert_true(end->late_ns >= at_ns);
	assert_int_equal(end->lates, 1);
	end_free(end);
	finish();
}

EACH(an_earlier_deadline_is_not_slept_through)
{
	uint64_t started_ns = clock_now_ns();
	struct end *end;

	begin(way);
	end = end_new();
	turn();
	loop_stream_deadline(&end->stream, in_ms(HOUR_MS));
	loop_stream_receive(&end->stream);
	turn();
	loop_stream_deadline(&end->stream, in_ms(60));
	UNTIL(end->lates);
	assert_true(end->late_ns - started_ns < WAIT_MS * NS_PER_MS);
	end_free(end);
	finish();
}

EACH(after_a_late_one_a_new_deadline_goes_on_receiving)
{
	struct end *end;

	begin(way);
	end = end_new();
	turn();
	loop_stream_deadline(&end->stream, in_ms(1));
	loop_stream_receive(&end->stream);
	UNTIL(end->lates == 1);
	loop_stream_deadline(&end->stream, in_ms(HOUR_MS));
	say(end, "after");
	heard(end, "after");
	loop_stream_deadline(&end->stream, in_ms(1));
	UNTIL(end->lates == 2);
	end_free(end);
	finish();
}

EACH(a_deadline_does_not_run_during_a_pause)
{
	uint64_t at_ns;
	struct end *end;

	begin(way);
	end = end_new();
	turn();
	at_ns = in_ms(50);
	loop_stream_deadline(&end->stream, at_ns);
	loop_stream_receive(&end->stream);
	turn();
	loop_stream_receive_pause(&end->stream);
	while (clock_now_ns() < at_ns + 2 * WHEEL_TICK_MS * NS_PER_MS)
		turn();
	assert_int_equal(end->lates, 0);
	loop_stream_deadline(&end->stream, in_ms(HOUR_MS));
	loop_stream_receive(&end->stream);
	say(end, "on");
	heard(end, "on");
	end_free(end);
	finish();
}

EACH(no_deadline_is_no_deadline)
{
	uint64_t at_ns;
	struct end *end;

	begin(way);
	end = end_new();
	turn();
	at_ns = in_ms(30);
	loop_stream_deadline(&end->stream, at_ns);
	loop_stream_receive(&end->stream);
	turn();
	loop_stream_deadline(&end->stream, CLOCK_NEVER);
	while (clock_now_ns() < at_ns + 2 * WHEEL_TICK_MS * NS_PER_MS)
		turn();
	assert_int_equal(end->lates, 0);
	say(end, "still");
	heard(end, "still");
	end_free(end);
	finish();
}

/* --- sending --- */

EACH(all_is_sent_however_slowly_it_is_read)
{
	static char sent[BIG_BYTES], got[BIG_BYTES];
	struct end *end;
	size_t at = 0;

	begin(way);
	fill(sent, sizeof(sent));
	end = end_new();
	loop_stream_send(&end->stream, str_of(sent, sizeof(sent)), WAIT_MS);
	turn();
	assert_int_equal(end->sents, 0);
	while (at < sizeof(got)) {
		ssize_t n = recv(end->peer, got + at, MIN(sizeof(got) - at, 10000), MSG_DONTWAIT);

		if (n > 0)
			at += (size_t)n;
		turn();
	}
	UNTIL(end->sents);
	assert_int_equal(end->sents, 1);
	assert_int_equal(end->sent_result, 0);
	assert_memory_equal(got, sent, sizeof(sent));
	end_free(end);
	finish();
}

EACH(a_peer_that_does_not_read_ends_a_send_in_time)
{
	static char sent[BIG_BYTES];
	uint64_t started_ns;
	struct end *end;

	begin(way);
	end = end_new();
	loop_stream_receive(&end->stream);
	turn();
	started_ns = clock_now_ns();
	loop_stream_send(&end->stream, str_of(sent, sizeof(sent)), 80);
	UNTIL(end->sents);
	assert_int_equal(end->sents, 1);
	assert_int_equal(end->sent_result, -ETIME);
	assert_true(clock_now_ns() - started_ns >= 79 * NS_PER_MS);
	say(end, "still here");
	heard(end, "still here");
	end_free(end);
	finish();
}

EACH(sending_to_nobody_is_an_error_and_no_signal)
{
	struct end *end;

	begin(way);
	end = end_new();
	close(end->peer);
	end->peer = -1;
	loop_stream_send(&end->stream, STR("hello"), 1000);
	UNTIL(end->sents);
	assert_int_equal(end->sent_result, -EPIPE);
	end_free(end);
	finish();
}

EACH(a_lazy_send_is_told_within_a_tick)
{
	struct end *end;
	char text[8];

	begin(way);
	end = end_new();
	loop_stream_send_lazily(&end->stream, STR("lazy"), 1000);
	UNTIL(end->sents);
	assert_int_equal(end->sents, 1);
	assert_int_equal(end->sent_result, 0);
	assert_int_equal(recv(end->peer, text, sizeof(text), MSG_DONTWAIT), 4);
	end_free(end);
	finish();
}

EACH(a_lazy_send_that_does_not_fit_goes_on_and_fails_in_time)
{
	static char sent[BIG_BYTES];
	struct end *end;

	begin(way);
	end = end_new();
	loop_stream_send_lazily(&end->stream, str_of(sent, sizeof(sent)), 80);
	UNTIL(end->sents);
	assert_int_equal(end->sents, 1);
	assert_int_equal(end->sent_result, -ETIME);
	end_free(end);
	finish();
}

EACH(a_lazy_send_to_nobody_is_an_error)
{
	struct end *end;

	begin(way);
	end = end_new();
	close(end->peer);
	end->peer = -1;
	loop_stream_send_lazily(&end->stream, STR("hello"), 1000);
	UNTIL(end->sents);
	assert_int_equal(end->sent_result, -EPIPE);
	end_free(end);
	finish();
}

EACH(a_stream_may_be_closed_while_a_lazy_send_is_silent)
{
	struct end *end;

	begin(way);
	end = end_new();
	loop_stream_receive(&end->stream);
	loop_stream_send_lazily(&end->stream, STR("lazy"), 1000);
	loop_stream_close(&end->stream);
	UNTIL(end->closes);
	assert_int_equal(end->sents, 0);
	end_free(end);
	end = end_new();
	loop_stream_send_lazily(&end->stream, STR("lazy"), 1000);
	turn();
	end_free(end);
	finish();
}

EACH(finishing_ends_our_side_only)
{
	struct end *end;
	char c;

	begin(way);
	end = end_new();
	loop_stream_receive(&end->stream);
	loop_stream_finish(&end->stream);
	turns(3);
	assert_int_equal(recv(end->peer, &c, 1, MSG_DONTWAIT), 0);
	say(end, "more");
	heard(end, "more");
	end_free(end);
	finish();
}

/* --- closing --- */

EACH(closing_ends_operations_in_flight)
{
	static char sent[BIG_BYTES];
	struct end *end;

	begin(way);
	end = end_new();
	loop_stream_deadline(&end->stream, in_ms(HOUR_MS));
	loop_stream_receive(&end->stream);
	loop_stream_send(&end->stream, str_of(sent, sizeof(sent)), HOUR_MS);
	turns(3);
	loop_stream_close(&end->stream);
	loop_stream_close(&end->stream);
	assert_int_equal(end->closes, 0);
	UNTIL(end->closes);
	turns(10);
	assert_int_equal(end->closes, 1);
	assert_int_equal(end->sents + end->eofs + end->errors + end->lates, 0);
	assert_int_equal(loop_wheel(t.loop)->armed, 0);
	close(end->peer);
	free(end);
	finish();
}

static size_t read_to_end(int fd)
{
	static char text[BIG_BYTES];
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, text, sizeof(text), 0)) > 0)
		len += (size_t)n;
	return len;
}

EACH(closing_delivers_what_was_sent_and_a_reset_drops_it)
{
	static char sent[64 * 1024]; /* the kernel takes it, the peer's window does not */

	begin(way);
	for (int is_reset = 0; is_reset < 2; is_reset++) {
		struct end *end = end_new_tcp();

		loop_stream_receive(&end->stream);
		loop_stream_send(&end->stream, str_of(sent, sizeof(sent)), WAIT_MS);
		UNTIL(end->sents);
		assert_int_equal(end->sent_result, 0);
		if (is_reset)
			loop_stream_reset(&end->stream);
		else
			loop_stream_close(&end->stream);
		UNTIL(end->closes);
		if (is_reset)
			assert_true(read_to_end(end->peer) < sizeof(sent));
		else
			assert_int_equal(read_to_end(end->peer), sizeof(sent));
		end_free(end);
	}
	finish();
}

EACH(closing_before_the_first_pass_is_clean)
{
	struct end *end;

	begin(way);
	end = end_new();
	loop_stream_receive(&end->stream);
	end_free(end);
	end = end_new();
	end_free(end);
	finish();
}

EACH(a_stream_may_be_closed_from_its_own_callbacks)
{
	struct end *end;

	begin(way);
	end = end_new();
	end->closes_on_receive = true;
	loop_stream_receive(&end->stream);
	say(end, "bye");
	UNTIL(end->closes);
	end_free(end);
	end = end_new();
	end->closes_on_sent = true;
	loop_stream_receive(&end->stream);
	loop_stream_send(&end->stream, STR("bye"), 1000);
	UNTIL(end->closes);
	end_free(end);
	end = end_new();
	end->closes_on_receive = true;
	loop_stream_deadline(&end->stream, in_ms(1));
	loop_stream_receive(&end->stream);
	UNTIL(end->closes);
	assert_int_equal(end->lates, 1);
	end_free(end);
	finish();
}

EACH(nothing_is_told_after_a_close)
{
	struct end *end;
	size_t len;

	begin(way);
	end = end_new();
	loop_stream_receive(&end->stream);
	turns(3);
	say(end, "unread");
	len = end->len;
	loop_stream_close(&end->stream);
	UNTIL(end->closes);
	assert_int_equal(end->len, len);
	assert_int_equal(end->eofs + end->errors, 0);
	end_free(end);
	finish();
}

/* --- accepting --- */

#define CLIENTS 8

struct door {
	struct loop_accept accept;
	struct sockaddr_in address;
	int fds[2 * CLIENTS];
	unsigned accepted, errors, stopped, accepted_at_stop;
};

static struct door door;

static void on_accept(_unused_ struct loop_accept *accept, int fd)
{
	assert_int_equal(door.stopped, 0);
	if (fd < 0) {
		door.errors++;
	} else {
		assert_true(door.accepted < ARRAY_SIZE(door.fds));
		door.fds[door.accepted++] = fd;
	}
}

static void on_stopped(_unused_ struct loop_accept *accept)
{
	door.stopped++;
	door.accepted_at_stop = door.accepted;
}

static void door_open(void)
{
	socklen_t bytes = sizeof(door.address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	door = (struct door){ .address = { .sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
	assert_int_equal(bind(fd, (struct sockaddr *)&door.address, bytes), 0);
	assert_int_equal(listen(fd, 2 * CLIENTS), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&door.address, &bytes), 0);
	door.accept.on_accept = on_accept;
	door.accept.on_stopped = on_stopped;
	loop_accept_start(t.loop, &door.accept, fd);
}

static int knock(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&door.address, sizeof(door.address)), 0);
	return fd;
}

static void door_close(void)
{
	loop_accept_stop(&door.accept);
	UNTIL(door.stopped);
	close(door.accept.fd);
	for (unsigned i = 0; i < door.accepted; i++)
		close(door.fds[i]);
}

TEST(every_client_is_accepted)
{
	int fds[CLIENTS];

	begin(WAY_AUTO);
	door_open();
	turns(2);
	for (unsigned i = 0; i < CLIENTS; i++)
		fds[i] = knock();
	UNTIL(door.accepted == CLIENTS);
	assert_int_equal(door.errors, 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		close(fds[i]);
	door_close();
	finish();
}

TEST(clients_in_the_queue_are_taken_before_accepting_stops)
{
	int fds[CLIENTS];

	begin(WAY_AUTO);
	door_open();
	turns(2);
	for (unsigned i = 0; i < CLIENTS; i++)
		fds[i] = knock();
	loop_accept_stop(&door.accept);
	loop_accept_stop(&door.accept);
	assert_int_equal(door.stopped, 0);
	UNTIL(door.stopped);
	assert_int_equal(door.stopped, 1);
	assert_int_equal(door.accepted_at_stop, CLIENTS);
	for (unsigned i = 0; i < CLIENTS; i++)
		close(fds[i]);
	close(door.accept.fd);
	for (unsigned i = 0; i < door.accepted; i++)
		close(door.fds[i]);
	turns(10);
	assert_int_equal(door.stopped, 1);
	finish();
}

TEST(clients_of_a_socket_that_is_held_stay_queued_and_it_can_go_on)
{
	int fd;

	begin(WAY_AUTO);
	door_open();
	turns(2);
	loop_accept_hold(&door.accept);
	UNTIL(door.stopped);
	fd = knock();
	turns(10);
	assert_int_equal(door.accepted, 0);
	door.stopped = 0;
	loop_accept_start(t.loop, &door.accept, door.accept.fd);
	UNTIL(door.accepted == 1);
	close(fd);
	door_close();
	finish();
}

TEST(an_open_file_that_another_engine_has_used_is_accepted_from)
{
	int fd;

	begin(WAY_AUTO);
	door_open();
	turns(2);
	loop_accept_hold(&door.accept);
	UNTIL(door.stopped);
	door.stopped = 0;
	fcntl(door.accept.fd, F_SETFL, O_NONBLOCK);
	loop_accept_start(t.loop, &door.accept, door.accept.fd);
	turns(10);
	fd = knock();
	UNTIL(door.accepted == 1);
	assert_int_equal(door.errors, 0);
	close(fd);
	door_close();
	finish();
}

TEST(accepting_may_stop_before_the_first_pass)
{
	begin(WAY_AUTO);
	door_open();
	door_close();
	assert_int_equal(door.accepted + door.errors, 0);
	finish();
}

TEST(without_descriptors_accepting_pauses_and_goes_on)
{
	struct rlimit old, low;
	int fd;

	begin(WAY_AUTO);
	door_open();
	turns(2);
	fd = knock();
	UNTIL(door.accepted == 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	close(fd);
	fd = knock();
	low = old;
	low.rlim_cur = 3; /* below what is open already */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	if (door.accepted == 1)
		UNTIL(door.errors || door.accepted == 2);
	close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	fd = knock();
	UNTIL(door.accepted >= 2);
	close(fd);
	door_close();
	finish();
}

TEST(without_descriptors_accepting_can_stop)
{
	struct rlimit old, low;
	int fds[CLIENTS];

	begin(WAY_AUTO);
	door_open();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		fds[i] = knock();
	low = old;
	low.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	UNTIL(door.errors);
	assert_int_equal(door.accepted, 0);
	loop_accept_stop(&door.accept);
	UNTIL(door.stopped);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		close(fds[i]);
	close(door.accept.fd);
	finish();
}

/* --- sleeping --- */

struct knocker {
	struct inbox_item item;
	unsigned *count;
};

static void on_knock(struct inbox_item *item)
{
	++*container_of(item, struct knocker, item)->count;
	loop_hurry(t.loop); /* or a pass that begins with it sleeps until the next knock */
}

static void *knock_from_thread(void *arg)
{
	inbox_send(&t.inbox, &((struct knocker *)arg)->item);
	return NULL;
}

TEST(a_sleeping_loop_is_woken_by_a_message)
{
	unsigned count = 0;

	begin(WAY_AUTO);
	t.may_sleep = true;
	inbox_drain(&t.inbox); /* the message that is always there goes */
	for (unsigned i = 0; i < 100; i++) {
		struct knocker knocker = { .item.on_core = on_knock, .count = &count };
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, knock_from_thread, &knocker), 0);
		while (count == i)
			turn(); /* for ever, if a wake-up is lost */
		pthread_join(thread, NULL);
	}
	assert_int_equal(count, 100);
	finish();
}

static void on_hurry(_unused_ struct inbox_item *item)
{
	loop_hurry(t.loop);
}

TEST(a_loop_in_a_hurry_does_not_sleep)
{
	struct inbox_item item = { .on_core = on_hurry };

	begin(WAY_AUTO);
	t.may_sleep = true;
	inbox_send(&t.inbox, &item);
	turn(); /* for ever, if it sleeps: nothing will wake it */
	finish();
}

TEST(a_timer_ends_a_sleep)
{
	struct end *end;

	begin(WAY_AUTO);
	end = end_new();
	loop_stream_deadline(&end->stream, in_ms(50));
	loop_stream_receive(&end->stream);
	t.may_sleep = true;
	while (!end->lates)
		turn();
	end_free(end);
	finish();
}

/* --- what cannot be had --- */

TEST(every_reason_not_to_start_has_its_remedy)
{
	assert_non_null(strstr(loop_error_remedy(-EPERM), "io_uring_disabled"));
	assert_non_null(strstr(loop_error_remedy(-ENOSYS), "Linux 5.10"));
	assert_non_null(strstr(loop_error_remedy(-ENOMEM), "memlock"));
	assert_non_null(strstr(loop_error_remedy(-EOPNOTSUPP), "oneshot"));
}

TEST(why_it_is_this_engine_is_told)
{
	struct loop_features features = { .engine = "epoll", .fallback_error = -EPERM };

	assert_string_equal(loop_why(&features), loop_error_remedy(-EPERM));
	features.fallback_error = 0;
	assert_non_null(strstr(loop_why(&features), "engine = epoll"));
	features.engine = "io_uring";
	assert_non_null(strstr(loop_why(&features), "without DEFER_TASKRUN"));
	features.is_defer_taskrun = true;
	assert_non_null(strstr(loop_why(&features), "with DEFER_TASKRUN"));
}
