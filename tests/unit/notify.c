/*
 * The service manager's side of the protocol: a real datagram socket receives what is sent, and
 * real cores are asked whether they turn.
 */
#include "support/test.h"

#include <errno.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/core.h"
#include "observe/notify.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define CORES 2
#define WAIT_S 30 /* for another thread, on a machine as busy as it may be */

/* --- a manager --- */

static int manager_open(const char *name)
{
	const struct timeval timeout = { .tv_sec = WAIT_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && len < sizeof(address.sun_path));
	memcpy(address.sun_path, name, len);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
		0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void manager_close(int fd)
{
	notify_stop();
	close(fd);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static const char *received(int fd)
{
	static char message[1024];
	ssize_t n = recv(fd, message, sizeof(message) - 1, 0);

	assert_true(n > 0);
	message[n] = '\0';
	return message;
}

static const char *abstract_name(void)
{
	static char name[64];

	(void)snprintf(name, sizeof(name), "@authd-test-notify-%d", (int)getpid());
	return name;
}

/* --- cores --- */

static int on_start(_unused_ struct core *core)
{
	return 0;
}

static void on_stop(_unused_ struct core *core)
{
}

static const struct core_app app = { on_start, core_stop, on_stop };

static void cores_begin(void)
{
	const struct core_options options = { .cores = CORES,
		.fibers_max = 4,
		.stack_bytes = 128 * 1024,
		.loop = { .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 1024 } };

	assert_int_equal(cores_start(&options, &app), 0);
}

static void cores_end(void)
{
	cores_drain();
	assert_int_equal(cores_join(WAIT_S * 1000), 0);
	cores_free();
}

/* Asks until the answer is yes: they may need a moment to take their messages. */
static void all_turn(void)
{
	uint64_t end_ns = clock_now_ns() + WAIT_S * NS_PER_S;

	while (!notify_cores_turned()) {
		assert_true(clock_now_ns() < end_ns);
		usleep(1000);
	}
}

/* A core that hangs in a handler until it is let go. */
static struct {
	struct inbox_item item;
	sem_t hanging, released;
} hang;

static void on_hang(_unused_ struct inbox_item *item)
{
	sem_post(&hang.hanging);
	sem_wait(&hang.released);
}

static void core_hang(unsigned index)
{
	sem_init(&hang.hanging, 0, 0);
	sem_init(&hang.released, 0, 0);
	hang.item.on_core = on_hang;
	inbox_send(&core_at(index)->inbox, &hang.item);
	sem_wait(&hang.hanging);
}

/* --- messages --- */

TEST(nobody_is_told_without_a_manager)
{
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_start(), 0);
	notify_ready("serving");
	notify_stop();
}

TEST(a_manager_hears_of_readiness_in_the_abstract_namespace)
{
	int fd = manager_open(abstract_name());

	assert_int_equal(notify_start(), 0);
	notify_ready("serving");
	assert_string_equal(received(fd), "READY=1\nSTATUS=serving");
	manager_close(fd);
}

TEST(a_manager_hears_of_a_reload_with_its_time_at_a_path)
{
	char name[64];
	const char *message;
	int fd;

	(void)snprintf(name, sizeof(name), "/tmp/authd-test-notify-%d", (int)getpid());
	fd = manager_open(name);
	assert_int_equal(notify_start(), 0);
	notify_reloading();
	message = received(fd);
	assert_true(strstr(message, "RELOADING=1\nMONOTONIC_USEC=") == message);
	assert_true(strtoull(strstr(message, "USEC=") + 5, NULL, 10) <= clock_now_ns() / 1000);
	manager_close(fd);
	unlink(name);
}

TEST(a_manager_hears_how_long_the_end_may_take)
{
	int fd = manager_open(abstract_name());

	assert_int_equal(notify_start(), 0);
	notify_stopping("draining", 35000);
	assert_string_equal(
		received(fd), "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=35000000");
	manager_close(fd);
}

TEST(a_status_that_is_too_long_is_cut)
{
	int fd = manager_open(abstract_name());
	char status[2000];

	memset(status, 'x', sizeof(status) - 1);
	status[sizeof(status) - 1] = '\0';
	assert_int_equal(notify_start(), 0);
	notify_ready(status);
	assert_int_equal(strlen(received(fd)), 511);
	manager_close(fd);
}

TEST(a_manager_that_is_not_there_is_an_error)
{
	assert_int_equal(setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1), 0);
	assert_int_equal(notify_start(), -ENOENT);
	assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
	assert_int_equal(notify_start(), -EINVAL);
	assert_int_equal(setenv("NOTIFY_SOCKET", "@", 1), 0);
	assert_int_equal(notify_start(), -EINVAL);
	notify_ready("nobody hears it");
	unsetenv("NOTIFY_SOCKET");
}

TEST(a_path_longer_than_a_socket_address_is_an_error)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];

	memset(name, 'x', sizeof(name) - 1);
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	assert_int_equal(notify_start(), -EINVAL);
	unsetenv("NOTIFY_SOCKET");
}

/* --- the watchdog --- */

TEST(the_watchdog_is_answered_while_all_cores_turn)
{
	int fd = manager_open(abstract_name());

	cores_begin();
	setenv("WATCHDOG_USEC", "4000", 1);
	assert_int_equal(notify_start(), 0);
	assert_string_equal(received(fd), "WATCHDOG=1");
	assert_string_equal(received(fd), "WATCHDOG=1");
	notify_stop();
	all_turn();
	cores_end();
	manager_close(fd);
}

TEST(one_core_that_hangs_keeps_the_watchdog_unanswered)
{
	cores_begin();
	all_turn();
	all_turn();
	core_hang(1);
	(void)notify_cores_turned(); /* may still count the message before */
	assert_false(notify_cores_turned());
	assert_false(notify_cores_turned());
	sem_post(&hang.released);
	all_turn();
	cores_end();
}

TEST(cores_that_have_ended_keep_nothing_unanswered)
{
	cores_begin();
	all_turn();
	cores_drain();
	assert_int_equal(cores_join(WAIT_S * 1000), 0);
	assert_true(notify_cores_turned());
	assert_true(notify_cores_turned());
	cores_free();
}

TEST(the_watchdog_of_another_process_is_not_ours)
{
	int fd = manager_open(abstract_name());

	setenv("WATCHDOG_USEC", "4000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_start(), 0);
	notify_stop();
	errno = 0;
	assert_int_equal(recv(fd, (char[64]){}, 64, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	manager_close(fd);
}
