/* One authctl connection over a socket pair, with a clock that is set by hand. */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/control.h"
#include "control/dialog.h"
#include "core/core.h"
#include "shared/clock.h"

static struct {
	struct dialog dialog;
	int client;
	char heard[65536];
	size_t heard_bytes;
} test;

static bool never(void)
{
	return false;
}

static struct http_server *nobody(struct core *core)
{
	(void)core;
	return NULL;
}

static const struct control_context context = {
	.version = "1", .boot = "b", .config_path = "", .is_draining = never, .http_of = nobody
};

static void begin(enum command_level level)
{
	const struct peer peer = { .uid = 1000, .level = level, .login_uid = PEER_NO_UID };
	int ends[2];

	memset(&test, 0, sizeof(test));
	clock_fake(NS_PER_S, 1000000);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	test.client = ends[1];
	assert_int_equal(dialog_open(&test.dialog, ends[0], &peer, &context, -1), 0);
}

static void end(void)
{
	dialog_close(&test.dialog, clock_now_ns());
	close(test.client);
	clock_fake_off();
}

static int turn(void)
{
	struct pollfd fd = { .fd = test.dialog.fd, .events = dialog_events(&test.dialog) };

	assert_true(poll(&fd, 1, 0) >= 0);
	return dialog_turn(&test.dialog, fd.revents, clock_now_ns());
}

static int say(const char *line)
{
	assert_int_equal(write(test.client, line, strlen(line)), strlen(line));
	return turn();
}

/* Everything that has come since the last time, as one text. */
static const char *hear(void)
{
	ssize_t n = read(test.client, test.heard, sizeof(test.heard) - 1);

	test.heard[n < 0 ? 0 : n] = '\0';
	return test.heard;
}

static bool has(const char *part)
{
	return strstr(test.heard, part) != NULL;
}

TEST(hello_is_said_before_anything_is_asked)
{
	begin(LEVEL_VIEWER);
	assert_int_equal(turn(), 0);
	assert_int_equal(strncmp(hear(), "{\"t\":\"hello\",\"proto\":[1,1]", 26), 0);
	assert_true(has("\"level\":\"viewer\""));
	end();
}

TEST(a_request_in_pieces_is_answered_when_it_is_whole)
{
	begin(LEVEL_VIEWER);
	assert_int_equal(say("{\"t\":\"req\",\"id\":1,"), 0);
	(void)hear();
	assert_int_equal(say("\"cmd\":\"meta.version\"}\n{\"t\":\"req\""), 0);
	(void)hear();
	assert_true(has("\"t\":\"head\",\"id\":1") && has("\"status\":\"ok\""));
	assert_int_equal(say(",\"id\":2,\"cmd\":\"meta.version\"}\n"), 0);
	(void)hear();
	assert_true(has("\"id\":2,\"status\":\"ok\""));
	end();
}

TEST(a_connection_without_requests_is_idle_after_a_quarter_of_an_hour)
{
	begin(LEVEL_VIEWER);
	clock_fake_advance_ms(CONTROL_IDLE_MS);
	assert_false(dialog_is_idle(&test.dialog, clock_now_ns()));
	clock_fake_advance_ms(1);
	assert_true(dialog_is_idle(&test.dialog, clock_now_ns()));
	assert_int_equal(say("{\"t\":\"req\",\"id\":1,\"cmd\":\"meta.version\"}\n"), 0);
	assert_false(dialog_is_idle(&test.dialog, clock_now_ns()));
	end();
}

TEST(what_lasts_keeps_a_connection_open_and_has_a_heartbeat_every_five_seconds)
{
	begin(LEVEL_OPERATOR);
	assert_int_equal(
		say("{\"t\":\"req\",\"id\":9,\"cmd\":\"wait\",\"args\":{\"condition\":\"generation "
		    "7\"}}\n"),
		0);
	(void)hear();
	clock_fake_advance_ms(4999);
	assert_int_equal(turn(), 0);
	assert_string_equal(hear(), "");
	clock_fake_advance_ms(1);
	assert_true(dialog_next_ns(&test.dialog) <= clock_now_ns());
	assert_int_equal(turn(), 0);
	assert_int_equal(turn(), 0);
	assert_string_equal(hear(), "{\"t\":\"hb\",\"id\":9}\n");
	clock_fake_advance_ms(CONTROL_IDLE_MS * 2);
	assert_false(dialog_is_idle(&test.dialog, clock_now_ns()));
	assert_int_equal(say("{\"t\":\"cancel\",\"id\":9}\n"), 0);
	(void)hear();
	assert_true(has("\"code\":\"canceled\""));
	clock_fake_advance_ms(CONTROL_IDLE_MS + 1);
	assert_true(dialog_is_idle(&test.dialog, clock_now_ns()));
	end();
}

TEST(a_deadline_that_has_passed_ends_a_wait)
{
	begin(LEVEL_VIEWER);
	assert_int_equal(say("{\"t\":\"req\",\"id\":1,\"cmd\":\"wait\",\"deadline_ms\":60000,"
			     "\"args\":{\"condition\":\"generation 7\"}}\n"),
		0);
	clock_fake_advance_ms(59999);
	assert_int_equal(turn(), 0);
	(void)hear();
	assert_false(has("timeout"));
	clock_fake_advance_ms(1);
	assert_int_equal(turn(), 0);
	(void)hear();
	assert_true(has("\"code\":\"timeout\""));
	end();
}

TEST(below_its_level_a_command_does_not_begin)
{
	begin(LEVEL_VIEWER);
	assert_int_equal(say("{\"t\":\"req\",\"id\":1,\"cmd\":\"log.tail\"}\n"), 0);
	(void)hear();
	assert_true(has("\"code\":\"forbidden\"") && has("\"need\":\"operator\""));
	assert_false(test.dialog.requests[0].is_used);
	end();
}

TEST(who_does_not_read_is_not_read_from_and_nothing_grows)
{
	static const char line[] = "{\"t\":\"req\",\"id\":1,\"cmd\":\"meta.commands\"}\n";

	begin(LEVEL_VIEWER);
	for (unsigned i = 0; i < 2000; i++) {
		(void)!write(test.client, line, sizeof(line) - 1);
		assert_int_equal(turn(), 0);
		assert_true(test.dialog.out.len < DIALOG_OUT_BYTES_MAX);
		assert_true(test.dialog.in.len <= FRAME_REQUEST_BYTES_MAX + 4096);
	}
	assert_false(dialog_events(&test.dialog) & POLLIN);
	/* And when it reads again everything goes on. */
	for (unsigned i = 0; i < 20000 && dialog_next_ns(&test.dialog) <= clock_now_ns(); i++) {
		(void)hear();
		assert_int_equal(turn(), 0);
	}
	while (*hear())
		assert_int_equal(turn(), 0);
	assert_int_equal(say(line), 0);
	(void)hear();
	assert_true(has("\"t\":\"head\""));
	end();
}

TEST(a_descriptor_travels_with_the_next_bytes_and_only_one_at_a_time)
{
	char control[CMSG_SPACE(sizeof(int))], byte[4096];
	struct iovec data = { .iov_base = byte, .iov_len = sizeof(byte) };
	struct msghdr message = { .msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	int fd;

	begin(LEVEL_VIEWER);
	assert_int_equal(dialog_pass(&test.dialog, memfd_create("a", MFD_CLOEXEC)), 0);
	assert_int_equal(dialog_pass(&test.dialog, memfd_create("b", MFD_CLOEXEC)), -EBUSY);
	assert_int_equal(turn(), 0);
	assert_true(recvmsg(test.client, &message, 0) > 0);
	assert_non_null(CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	assert_true(fcntl(fd, F_GETFD) >= 0);
	close(fd);
	end();
}
