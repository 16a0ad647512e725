/* Datagrams to the service manager, and its watchdog: see notify.h. */
#include "observe/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/core.h"
#include "core/thread.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/str.h"
#include "shared/wait.h"

#define MESSAGE_BYTES_MAX 512
/* A manager that does not read must not stop us. */
#define SEND_TIMEOUT_S 1
#define BARRIER_MS 1000
/* Looks in one WATCHDOG_USEC: a core may miss two and the process still lives. */
#define LOOKS 4
#define INTERVAL_US_MIN 1000

struct ping {
	struct inbox_item item;
	_Atomic bool is_pending;
};

static struct {
	int fd; /* connected; -1: nobody wants to know */
	uint64_t interval_us;
	pthread_t thread;
	pthread_mutex_t mutex; /* guards is_stopping; no lock follows */
	pthread_cond_t changed;
	bool is_stopping, is_watched;
	struct ping pings[CORES_MAX]; /* static: a core that ends keeps the last one */
} notify = { .fd = -1, .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* --- messages --- */

static void tell(const char *message)
{
	/* Lost ones are no failure of ours: a manager that has gone cannot be told so. */
	if (notify.fd >= 0)
		(void)send(notify.fd, message, strlen(message), MSG_NOSIGNAL);
}

_printf_(1, 2) static void tell_format(const char *format, ...)
{
	char message[MESSAGE_BYTES_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	tell(message);
}

void notify_ready(const char *status)
{
	tell_format("READY=1\nSTATUS=%s", status);
}

void notify_reloading(void)
{
	tell_format("RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=taking over a configuration",
		(unsigned long long)(clock_now_ns() / 1000));
}

void notify_stopping(const char *status, uint64_t stop_ms)
{
	tell_format("STOPPING=1\nSTATUS=%s\nEXTEND_TIMEOUT_USEC=%llu", status,
		(unsigned long long)stop_ms * 1000);
}

static void tell_with_fd(const char *text, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec data = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr message = { .msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	if (notify.fd < 0)
		return;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	(void)sendmsg(notify.fd, &message, MSG_NOSIGNAL);
}

void notify_store(int fd, const char *name)
{
	char text[MESSAGE_BYTES_MAX];

	(void)snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	tell_with_fd(text, fd);
}

void notify_unstore(const char *name)
{
	tell_format("FDSTOREREMOVE=1\nFDNAME=%s", name);
}

/* The manager closes the descriptor when it comes to the message: then nobody can write. */
void notify_barrier(void)
{
	struct pollfd closed;
	int ends[2];

	if (notify.fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return;
	tell_with_fd("BARRIER=1", ends[1]);
	close(ends[1]);
	closed = (struct pollfd){ .fd = ends[0] };
	while (poll(&closed, 1, BARRIER_MS) < 0 && errno == EINTR)
		; /* once, at most: the signals of a profile come while something runs */
	close(ends[0]);
}

void notify_main_pid(int pid)
{
	tell_format("MAINPID=%d", pid);
}

/* --- the watchdog --- */

static void on_ping(struct inbox_item *item)
{
	struct ping *ping = container_of(item, struct ping, item);

	atomic_store_explicit(&ping->is_pending, false, memory_order_release);
}

bool notify_cores_turned(void)
{
	bool have_all = true;

	for (unsigned i = 0; i < cores_count(); i++) {
		struct core *core = core_at(i);
		struct ping *ping = &notify.pings[i];

		if (atomic_load_explicit(&core->is_ended, memory_order_acquire))
			continue;
		if (atomic_load_explicit(&ping->is_pending, memory_order_acquire)) {
			have_all = false;
			continue;
		}
		ping->item.on_core = on_ping;
		atomic_store_explicit(&ping->is_pending, true, memory_order_relaxed);
		inbox_send(&core->inbox, &ping->item);
	}
	return have_all;
}

/* True when it is time to end. */
static bool sleep_interval(void)
{
	struct timespec end = wait_end_ms(notify.interval_us / 1000);
	bool is_stopping;

	pthread_mutex_lock(&notify.mutex);
	while (!notify.is_stopping && wait_until(&notify.changed, &notify.mutex, &end))
		;
	is_stopping = notify.is_stopping;
	pthread_mutex_unlock(&notify.mutex);
	return is_stopping;
}

static void *watch(_unused_ void *arg)
{
	(void)notify_cores_turned();
	while (!sleep_interval())
		if (notify_cores_turned())
			tell("WATCHDOG=1");
	return NULL;
}

static int watch_start(void)
{
	int r;

	notify.is_stopping = false;
	r = thread_start(&notify.thread, "watchdog", watch, NULL);
	notify.is_watched = r == 0;
	return r;
}

/* --- start and stop --- */

/* "/run/systemd/notify", or "@name" in the abstract namespace. */
static int connect_to(const char *path)
{
	const struct timeval timeout = { .tv_sec = SEND_TIMEOUT_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd, r;

	if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
		connect(fd, (const struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* Microseconds between two looks; 0: no watchdog, or that of another process. */
static uint64_t interval_read(void)
{
	const char *time = getenv("WATCHDOG_USEC"), *process = getenv("WATCHDOG_PID");
	uint64_t us = 0, pid = (uint64_t)getpid();

	if (process && (str_to_u64(str_cstr(process), &pid) < 0 || pid != (uint64_t)getpid()))
		return 0;
	if (!time || str_to_u64(str_cstr(time), &us) < 0 || us == 0)
		return 0;
	return MAX(us / LOOKS, INTERVAL_US_MIN);
}

int notify_start(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	if (!path || !*path)
		return 0;
	notify.fd = connect_to(path);
	if (notify.fd < 0)
		return notify.fd;
	notify.interval_us = interval_read();
	return notify.interval_us ? watch_start() : 0;
}

void notify_stop(void)
{
	if (notify.is_watched) {
		pthread_mutex_lock(&notify.mutex);
		notify.is_stopping = true;
		pthread_cond_signal(&notify.changed);
		pthread_mutex_unlock(&notify.mutex);
		pthread_join(notify.thread, NULL);
		notify.is_watched = false;
	}
	if (notify.fd >= 0)
		close(notify.fd);
	notify.fd = -1;
}
