/* The listener of /metrics: see exporter.h. One request for each connection, no HTTP but that. */
#include "control/exporter.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/control.h"
#include "control/metering.h"
#include "core/listener.h"
#include "core/thread.h"
#include "observe/exposition.h"
#include "shared/buf.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define REQUEST_BYTES_MAX 8192
#define BACKLOG 16

struct client {
	int fd; /* -1: a free slot */
	uint64_t deadline_ns;
	struct buf in, out;
	size_t sent;
};

static struct {
	struct control_context context;
	int listen_fd, wake_fd;
	pthread_t thread;
	_Atomic bool is_stopping;
	bool is_running;
	struct sockaddr_un path; /* "" unless it is a Unix socket */
	struct client clients[EXPORTER_CLIENTS_MAX];
} exporter = { .listen_fd = -1, .wake_fd = -1 };

/* --- the answer --- */

struct printing {
	struct metering_sink sink;
	struct exposition exposition;
};

static struct exposition *exposition_of(struct metering_sink *sink)
{
	return &container_of(sink, struct printing, sink)->exposition;
}

static void print_family(struct metering_sink *sink, enum metric metric)
{
	exposition_family(exposition_of(sink), metric);
}

static void print_value(
	struct metering_sink *sink, const char *const labels[METRIC_LABELS_MAX], double value)
{
	exposition_value(exposition_of(sink), labels, value);
}

static void print_histogram(struct metering_sink *sink, const char *const labels[METRIC_LABELS_MAX],
	const struct histogram *histogram, const struct exemplar *exemplars)
{
	exposition_histogram(exposition_of(sink), labels, histogram, exemplars);
}

static int metrics_print(enum exposition_format format, struct buf *body)
{
	static const char *const none[METRIC_LABELS_MAX];
	struct printing printing = { .sink = { .family = print_family,
					     .value = print_value,
					     .histogram = print_histogram },
		.exposition = exposition_begin(format, body) };

	metering_collect(&exporter.context, &printing.sink);
	exposition_family(&printing.exposition, METRIC_SERIES);
	exposition_value(&printing.exposition, none, printing.exposition.series + 1);
	return exposition_end(&printing.exposition);
}

static int respond(
	struct client *client, const char *status, const char *type, struct str body, bool is_head)
{
	int r;

	client->out = buf_init(EXPOSITION_BYTES_MAX + REQUEST_BYTES_MAX);
	r = buf_printf(&client->out,
		"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
		"Cache-Control: no-store\r\nConnection: close\r\n\r\n",
		status, type, body.len);
	return r < 0 || is_head ? r : buf_append(&client->out, body);
}

/* The value of a field, "" when there is none. Its name comes with a newline and a colon. */
static bool has_field(struct str request, struct str name, struct str part)
{
	struct str line;

	while (str_split(&request, '\n', &line)) {
		if (!str_equal_nocase(str_of(line.data, MIN(name.len, line.len)), name))
			continue;
		if (memmem(line.data, line.len, part.data, part.len))
			return true;
	}
	return false;
}

static int metrics_answer(struct client *client, struct str request, bool is_head)
{
	_cleanup_(buf_deinit) struct buf body = buf_init(EXPOSITION_BYTES_MAX);
	bool is_open = has_field(request, STR("Accept:"), STR("application/openmetrics-text"));
	int r;

	metering_count(METERING_SCRAPE_OK);
	r = metrics_print(is_open ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT, &body);
	if (r < 0)
		return respond(client, "503 Service Unavailable", "text/plain",
			STR("more metrics than fit\n"), is_head);
	return respond(client, "200 OK",
		is_open ? EXPOSITION_OPENMETRICS_TYPE : EXPOSITION_TEXT_TYPE, buf_str(&body),
		is_head);
}

static int answer(struct client *client)
{
	struct str request = buf_str(&client->in), line = {}, method = {}, target = {}, path = {};

	(void)str_split(&request, '\n', &line);
	line = str_trim(line);
	(void)str_split(&line, ' ', &method);
	(void)str_split(&line, ' ', &target);
	(void)str_split(&target, '?', &path);
	if (!str_starts(line, STR("HTTP/1.")))
		return respond(client, "400 Bad Request", "text/plain", STR("not HTTP\n"), false);
	if (!str_equal(method, STR("GET")) && !str_equal(method, STR("HEAD")))
		return respond(client, "405 Method Not Allowed\r\nAllow: GET, HEAD", "text/plain",
			STR("GET /metrics\n"), false);
	if (!str_equal(path, STR("/metrics")))
		return respond(client, "404 Not Found", "text/plain",
			STR("only /metrics is here\n"), str_equal(method, STR("HEAD")));
	return metrics_answer(client, request, str_equal(method, STR("HEAD")));
}

/* --- clients --- */

static void client_close(struct client *client)
{
	char rest[REQUEST_BYTES_MAX];

	/* What was not read would reset the connection, and the answer with it. */
	if (client->out.len)
		(void)!recv(client->fd, rest, sizeof(rest), MSG_DONTWAIT);
	close(client->fd);
	buf_deinit(&client->in);
	buf_deinit(&client->out);
	*client = (struct client){ .fd = -1 };
}

/* 0: go on; negative: it is over. */
static int client_receive(struct client *client)
{
	ssize_t n;
	int r = buf_reserve(&client->in, 1);

	if (r == -ENOBUFS)
		return respond(client, "431 Request Header Fields Too Large", "text/plain",
			STR("too long\n"), false);
	if (r < 0)
		return r;
	n = recv(client->fd, client->in.data + client->in.len, client->in.cap - client->in.len, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	client->in.len += (size_t)n;
	if (!memmem(client->in.data, client->in.len, "\r\n\r\n", 4))
		return 0;
	return answer(client);
}

static int client_send(struct client *client)
{
	ssize_t n = send(client->fd, client->out.data + client->sent,
		client->out.len - client->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	client->sent += (size_t)n;
	return client->sent < client->out.len ? 0 : -EPIPE;
}

static void client_turn(struct client *client, short events, uint64_t now_ns)
{
	int r = 0;

	if (events && !client->out.len)
		r = client_receive(client);
	if (r == 0 && client->out.len)
		r = client_send(client);
	if (r == 0 && now_ns >= client->deadline_ns) {
		metering_count(METERING_SCRAPE_TIMEOUT);
		r = -ETIMEDOUT;
	}
	if (r < 0)
		client_close(client);
}

static struct client *slot_find(void)
{
	for (unsigned i = 0; i < EXPORTER_CLIENTS_MAX; i++)
		if (exporter.clients[i].fd < 0)
			return &exporter.clients[i];
	return NULL;
}

static void accept_one(void)
{
	int fd = accept4(exporter.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client = slot_find();

	if (fd < 0)
		return;
	if (!client) {
		metering_count(METERING_SCRAPE_REFUSED);
		close(fd);
		return;
	}
	*client = (struct client){ .fd = fd,
		.in = buf_init(REQUEST_BYTES_MAX),
		.deadline_ns = clock_after_ms(clock_now_ns(), EXPORTER_TIMEOUT_MS) };
}

/* --- the thread --- */

static int wait_ms(uint64_t now_ns)
{
	uint64_t next_ns = CLOCK_NEVER;

	for (unsigned i = 0; i < EXPORTER_CLIENTS_MAX; i++)
		if (exporter.clients[i].fd >= 0)
			next_ns = MIN(next_ns, exporter.clients[i].deadline_ns);
	if (next_ns == CLOCK_NEVER)
		return -1;
	return next_ns <= now_ns ? 0 : (int)((next_ns - now_ns) / NS_PER_MS + 1);
}

static void turn(void)
{
	struct pollfd fds[EXPORTER_CLIENTS_MAX + 2];
	uint64_t now_ns;

	for (unsigned i = 0; i < EXPORTER_CLIENTS_MAX; i++)
		fds[i] = (struct pollfd){ .fd = exporter.clients[i].fd,
			.events = exporter.clients[i].out.len ? POLLOUT : POLLIN };
	fds[EXPORTER_CLIENTS_MAX] = (struct pollfd){ .fd = exporter.wake_fd, .events = POLLIN };
	fds[EXPORTER_CLIENTS_MAX + 1] =
		(struct pollfd){ .fd = exporter.listen_fd, .events = POLLIN };
	if (poll(fds, ARRAY_SIZE(fds), wait_ms(clock_now_ns())) < 0)
		return;
	now_ns = clock_now_ns();
	for (unsigned i = 0; i < EXPORTER_CLIENTS_MAX; i++)
		if (fds[i].fd >= 0)
			client_turn(&exporter.clients[i], fds[i].revents, now_ns);
	if (fds[EXPORTER_CLIENTS_MAX + 1].revents)
		accept_one();
}

static void *thread_main(_unused_ void *arg)
{
	while (!atomic_load_explicit(&exporter.is_stopping, memory_order_acquire))
		turn();
	for (unsigned i = 0; i < EXPORTER_CLIENTS_MAX; i++)
		if (exporter.clients[i].fd >= 0)
			client_close(&exporter.clients[i]);
	return NULL;
}

/* --- start and stop --- */

/* Not listener_open(): its sockets share a port, and two daemons would each get half of the
 * scrapes. */
static int listen_tcp(const char *text)
{
	struct address address;
	int one = 1, fd, r = address_parse(str_cstr(text), &address);

	if (r < 0)
		return r;
	fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&address.storage, address.bytes) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* Takes the place of a dead daemon's socket, never of a live one's and never of a file. */
static int stale_remove(const struct sockaddr_un *path)
{
	struct stat stat;
	int fd, r;

	if (lstat(path->sun_path, &stat) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(stat.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)path, sizeof(*path)) == 0 || errno == EAGAIN
		    ? -EADDRINUSE
		    : 0;
	close(fd);
	return r < 0 || unlink(path->sun_path) == 0 ? r : -errno;
}

static int listen_unix(const char *text)
{
	struct sockaddr_un *path = &exporter.path;
	int fd, r;

	*path = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(text) >= sizeof(path->sun_path))
		return -ENAMETOOLONG;
	memcpy(path->sun_path, text, strlen(text) + 1);
	r = stale_remove(path);
	fd = r < 0 ? r : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)path, sizeof(*path)) < 0) {
		r = -errno;
		close(fd);
		fd = r;
	}
	if (fd < 0)
		path->sun_path[0] = '\0'; /* not ours to remove */
	return fd;
}

/* Is the socket of the daemon before us at the address that is configured? */
static bool is_at(int fd, const char *text)
{
	struct sockaddr_un path = {};
	socklen_t bytes = sizeof(path) - 1;
	struct address wanted, theirs;

	if (text[0] != '/')
		return address_parse(str_cstr(text), &wanted) == 0 &&
		       listener_address(fd, &theirs) == 0 && address_equal(&wanted, &theirs);
	if (getsockname(fd, (struct sockaddr *)&path, &bytes) < 0 || path.sun_family != AF_UNIX ||
		strcmp(path.sun_path, text) != 0)
		return false;
	exporter.path = path; /* ours to remove now */
	return true;
}

static int open_or_adopt(const char *text, int inherited_fd)
{
	if (inherited_fd >= 0 && is_at(inherited_fd, text))
		return inherited_fd;
	if (inherited_fd >= 0)
		close(inherited_fd);
	return text[0] == '/' ? listen_unix(text) : listen_tcp(text);
}

static void release(bool is_handed_over)
{
	if (exporter.path.sun_path[0] && !is_handed_over)
		(void)unlink(exporter.path.sun_path);
	exporter.path.sun_path[0] = '\0';
	if (exporter.listen_fd >= 0)
		close(exporter.listen_fd);
	if (exporter.wake_fd >= 0)
		close(exporter.wake_fd);
	exporter.listen_fd = exporter.wake_fd = -1;
}

int exporter_start(const char *listen_at, int inherited_fd, const struct control_context *context)
{
	int r;

	assert(!exporter.is_running);
	exporter.context = *context;
	exporter.is_stopping = false;
	for (unsigned i = 0; i < EXPORTER_CLIENTS_MAX; i++)
		exporter.clients[i] = (struct client){ .fd = -1 };
	exporter.listen_fd = open_or_adopt(listen_at, inherited_fd);
	r = MIN(exporter.listen_fd, 0);
	if (r == 0 && listen(exporter.listen_fd, BACKLOG) < 0)
		r = -errno;
	if (r == 0) {
		exporter.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		r = exporter.wake_fd < 0 ? -errno : 0;
	}
	if (r == 0)
		r = thread_start(&exporter.thread, "metrics", thread_main, NULL);
	if (r < 0)
		release(false);
	exporter.is_running = r == 0;
	return r;
}

int exporter_socket(void)
{
	return exporter.is_running ? exporter.listen_fd : -1;
}

void exporter_stop(bool is_handed_over)
{
	if (!exporter.is_running)
		return;
	atomic_store_explicit(&exporter.is_stopping, true, memory_order_release);
	(void)eventfd_write(exporter.wake_fd, 1);
	pthread_join(exporter.thread, NULL);
	exporter.is_running = false;
	release(is_handed_over);
}
