/* Following another daemon: see predecessor.h. */
#include "upgrade/predecessor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/remote.h"
#include "core/inherit.h"
#include "core/thread.h"
#include "start/doors.h"
#include "upgrade/handover.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/secret.h"
#include "tls/tls_tickets.h"

/* It ends us long before that, when we are too slow. */
#define GO_MS (3600 * 1000)
#define FREE_MS 10000 /* its operators get their answers, nothing else is left to do */

static struct {
	int channel_fd, stderr_fd; /* -1: none */
	unsigned upgrades;
	_Atomic bool is_there;
	_Atomic bool is_stopping;
	pthread_t thread;
	bool has_thread;
	void (*on_end)(void);
} predecessor = { .channel_fd = -1, .stderr_fd = -1 };

int predecessor_read(void)
{
	const char *text = getenv(HANDOVER_VARIABLE);
	struct str rest = text ? str_cstr(text) : (struct str){};
	uint64_t numbers[3]; /* in the order of HANDOVER_VARIABLE */

	if (!text)
		return 0;
	(void)unsetenv(HANDOVER_VARIABLE);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct str part;

		if (!str_split(&rest, ':', &part) || str_to_u64(part, &numbers[i]) < 0 ||
			numbers[i] > INT32_MAX)
			return -EINVAL;
	}
	for (size_t i = 0; i < 2; i++)
		if (fcntl((int)numbers[i], F_SETFD, FD_CLOEXEC) < 0)
			return -EINVAL;
	predecessor.channel_fd = (int)numbers[0];
	predecessor.stderr_fd = (int)numbers[1];
	predecessor.upgrades = (unsigned)numbers[2];
	atomic_store(&predecessor.is_there, true);
	doors_start_held();
	return 1;
}

unsigned predecessor_upgrades(void)
{
	return predecessor.upgrades;
}

int predecessor_stderr(void)
{
	return predecessor.stderr_fd;
}

bool predecessor_is_there(void)
{
	return atomic_load(&predecessor.is_there);
}

void predecessor_tickets_take(void)
{
	int fd = predecessor.channel_fd < 0 ? -ENOENT : inherit_take(HANDOVER_TICKETS);
	char packed[TLS_TICKETS_PACKED_BYTES_MAX];
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, packed, sizeof(packed));
	close(fd);
	if (n <= 0 || tls_tickets_unpack(str_of(packed, (size_t)n)) < 0)
		log_event(LOG_LEVEL_INFO, "upgrade.tickets",
			STR("its tickets are not understood: TLS sessions begin anew"));
	secret_wipe(packed, sizeof(packed));
}

/* --- the conversation --- */

static void say(char byte)
{
	(void)send(predecessor.channel_fd, &byte, 1, MSG_NOSIGNAL);
}

/* The byte (0), its end (-ECONNRESET), or -ETIMEDOUT. */
static int await(char byte, uint64_t timeout_ms)
{
	uint64_t now_ns = clock_now_ns(), end_ns = clock_after_ms(now_ns, timeout_ms);
	struct pollfd polled = { .fd = predecessor.channel_fd, .events = POLLIN };
	char got;

	for (; now_ns < end_ns; now_ns = clock_now_ns()) {
		int left_ms = (int)((end_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);

		if (poll(&polled, 1, left_ms) <= 0)
			continue;
		if (read(predecessor.channel_fd, &got, 1) != 1)
			return -ECONNRESET;
		if (got == byte)
			return 0;
	}
	return -ETIMEDOUT;
}

int predecessor_follow(void)
{
	unsigned core;
	int r;

	if (predecessor.channel_fd < 0)
		return 0;
	say(HANDOVER_READY);
	r = await(HANDOVER_GO, GO_MS);
	if (r == -ETIMEDOUT)
		return r;
	if (doors_open(HANDOVER_TURN_MS, &core) < 0)
		log_event(LOG_LEVEL_ERROR, "upgrade.stuck",
			STR("a core accepts as soon as it turns"), LOG_NUMBER("authd.core", core));
	say(HANDOVER_SERVING);
	return 0;
}

void predecessor_free_await(void)
{
	if (predecessor.channel_fd < 0)
		return;
	(void)await(HANDOVER_FREE, FREE_MS);
	/* What we say is ours again. */
	(void)dup2(predecessor.stderr_fd, STDERR_FILENO);
}

/* --- until it ends --- */

/* It says nothing more: what can be read is the end. */
static bool has_ended(int timeout_ms)
{
	struct pollfd polled = { .fd = predecessor.channel_fd, .events = POLLIN };

	return poll(&polled, 1, timeout_ms) > 0;
}

static void *thread_main(void *arg)
{
	while (!atomic_load(&predecessor.is_stopping) && !has_ended(HANDOVER_SHARED_MS))
		remote_change(STORE_ANYTHING, "");
	if (atomic_load(&predecessor.is_stopping))
		return arg;
	remote_change(STORE_ANYTHING, "");
	predecessor.on_end();
	log_event(LOG_LEVEL_INFO, "upgrade.finished", STR("the daemon before this one has ended"));
	atomic_store(&predecessor.is_there, false);
	return arg;
}

void predecessor_watch(void (*on_end)(void))
{
	if (predecessor.channel_fd < 0)
		return;
	predecessor.on_end = on_end;
	predecessor.has_thread =
		thread_start(&predecessor.thread, "predecessor", thread_main, NULL) == 0;
	if (!predecessor.has_thread)
		log_event(LOG_LEVEL_WARN, "upgrade.unwatched",
			STR("no thread: another upgrade is possible after a restart"));
}

void predecessor_unwatch(void)
{
	atomic_store(&predecessor.is_stopping, true);
	if (predecessor.has_thread)
		pthread_join(predecessor.thread, NULL);
	predecessor.has_thread = false;
}
