/*
 * The loop on epoll, for where io_uring is forbidden or absent. The same contract (loop.h): sockets
 * are told ready once (edge-triggered), and what is ready is read and written from two lists, a
 * bounded part of them in each pass, so that one busy client cannot keep the others waiting.
 */
#include "core/loop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/loop_engine.h"
#include "shared/macros.h"

#define EVENTS_MAX 256          /* fetched in one call */
#define ACCEPTS_PER_PASS_MAX 64 /* from one listening socket */
#define READS_PER_PASS_MAX 4    /* from one stream */
#define READ_BYTES (16 * 1024)  /* one buffer for all: it is lent during on_receive only */

/* Low bits of an event's data. */
enum tag { TAG_STREAM, TAG_ACCEPT, TAG_WAKE, TAG_MASK = 7 };

struct epoll {
	struct loop loop;
	int fd;
	unsigned event_count;
	struct epoll_event events[EVENTS_MAX];
	struct loop_stream *readable; /* to be read from */
	struct loop_stream *sent;     /* wait for on_sent */
	char buffer[READ_BYTES];
};

static struct epoll *epoll_of(struct loop *loop)
{
	return container_of(loop, struct epoll, loop);
}

static int watch(struct epoll *epoll, int fd, uint32_t events, const void *pointer, enum tag tag)
{
	struct epoll_event event = { .events = events, .data.u64 = (uintptr_t)pointer | tag };

	assert(((uintptr_t)pointer & TAG_MASK) == 0);
	return epoll_ctl(epoll->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* --- listening sockets --- */

static void accept_start(struct loop_accept *accept)
{
	struct epoll *epoll = epoll_of(accept->loop);
	int flags = fcntl(accept->fd, F_GETFL);

	fcntl(accept->fd, F_SETFL, flags | O_NONBLOCK);
	accept->is_armed = watch(epoll, accept->fd, EPOLLIN, accept, TAG_ACCEPT) == 0;
	if (!accept->is_armed)
		(void)loop_accepted(accept, -ENOMEM); /* tries again after a pause */
}

static void accept_stop(struct loop_accept *accept)
{
	epoll_ctl(epoll_of(accept->loop)->fd, EPOLL_CTL_DEL, accept->fd, NULL);
	accept->is_armed = false;
}

static void accept_ready(struct loop_accept *accept)
{
	for (unsigned i = 0; i < ACCEPTS_PER_PASS_MAX && accept->is_armed; i++) {
		int fd = accept4(accept->fd, NULL, NULL, SOCK_CLOEXEC);
		int error = fd < 0 ? -errno : 0;

		if (error == -EAGAIN)
			return;
		if (!loop_accepted(accept, fd < 0 ? error : fd))
			accept_stop(accept);
	}
}

/* --- receiving --- */

static void readable_add(struct epoll *epoll, struct loop_stream *stream)
{
	if (stream->is_readable_listed)
		return;
	stream->is_readable_listed = true;
	stream->ops_in_progress++; /* the list refers to it */
	stream->readable_next = epoll->readable;
	epoll->readable = stream;
	epoll->loop.is_hurried = true;
}

static void receive_start(struct loop_stream *stream)
{
	stream->is_receive_armed = true;
	if (stream->is_readable)
		readable_add(epoll_of(stream->loop), stream);
}

static void receive_stop(struct loop_stream *stream)
{
	stream->is_receive_armed = false;
}

/* One buffer's worth. False: there is no more now, or nobody wants it. A buffer that was not filled
 * says so, too: what comes later is told anew (epoll(7)), but an end that was told is behind it. */
static bool read_once(struct epoll *epoll, struct loop_stream *stream)
{
	ssize_t n;

	if (!stream->is_receive_armed || stream->is_closing)
		return false;
	n = recv(stream->fd, epoll->buffer, sizeof(epoll->buffer), MSG_DONTWAIT);
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN) {
		stream->is_readable = false;
		return false;
	}
	if (n <= 0)
		stream->is_receive_armed = false;
	else if ((size_t)n < sizeof(epoll->buffer) && !stream->is_end_told)
		stream->is_readable = false;
	loop_received(stream, epoll->buffer, n < 0 ? -errno : (int)n);
	return n > 0 && stream->is_readable;
}

static void read_ready(struct epoll *epoll, struct loop_stream *stream)
{
	bool has_more = true;

	for (unsigned i = 0; i < READS_PER_PASS_MAX && has_more; i++)
		has_more = read_once(epoll, stream);
	if (!stream->is_receiving)
		stream->is_receive_armed = false;
	if (has_more && stream->is_receive_armed && !stream->is_closing)
		readable_add(epoll, stream);
}

static unsigned readable_handle(struct epoll *epoll)
{
	struct loop_stream *stream = TAKE(epoll->readable), *next;
	unsigned count = 0;

	for (; stream; stream = next, count++) {
		next = stream->readable_next;
		stream->is_readable_listed = false;
		stream->ops_in_progress--;
		read_ready(epoll, stream);
		loop_close_when_idle(stream);
	}
	return count;
}

/* --- sending --- */

static void sent_add(struct loop_stream *stream, int result)
{
	struct epoll *epoll = epoll_of(stream->loop);

	timer_cancel(&epoll->loop.wheel, &stream->send_timer);
	stream->is_writing = false;
	stream->send_result = result;
	stream->sent_next = epoll->sent;
	epoll->sent = stream;
	epoll->loop.is_hurried = true;
}

/* Takes what the socket's buffer has room for; the rest waits for EPOLLOUT. */
static void write_some(struct loop_stream *stream)
{
	ssize_t n;

	do
		n = send(stream->fd, stream->sending.data, stream->sending.len,
			MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN) {
		sent_add(stream, -errno);
		return;
	}
	stream->sending = str_skip(stream->sending, n < 0 ? 0 : (size_t)n);
	if (!stream->sending.len) {
		sent_add(stream, 0);
		return;
	}
	stream->is_writing = stream->has_waited = true;
	timer_set(&stream->loop->wheel, &stream->send_timer, stream->send_deadline_ns);
}

static void send_late(struct timer *timer)
{
	sent_add(container_of(timer, struct loop_stream, send_timer), -ETIME);
}

/* Lazy or not: what is sent is told at the end of the pass, which costs nothing here. */
static void stream_send(struct loop_stream *stream, _unused_ bool is_lazy)
{
	stream->is_send_armed = true;
	stream->ops_in_progress++;
	stream->send_timer.on_timer = send_late;
	write_some(stream);
}

static unsigned sent_handle(struct epoll *epoll)
{
	struct loop_stream *stream = TAKE(epoll->sent), *next;
	unsigned count = 0;

	for (; stream; stream = next, count++) {
		next = stream->sent_next; /* on_sent may send again */
		stream->is_send_armed = false;
		stream->ops_in_progress--;
		loop_sent(stream, stream->send_result);
	}
	return count;
}

static void stream_hurry(_unused_ struct loop_stream *stream)
{
}

/* --- streams --- */

static int stream_open(struct loop_stream *stream)
{
	return watch(epoll_of(stream->loop), stream->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		stream, TAG_STREAM);
}

static void stream_abort(struct loop_stream *stream)
{
	/* close() does not end it while a child that was just forked has the socket too. */
	(void)epoll_ctl(epoll_of(stream->loop)->fd, EPOLL_CTL_DEL, stream->fd, NULL);
	stream->is_receive_armed = false;
	if (stream->is_writing)
		sent_add(stream, -ECANCELED);
}

static void stream_ready(struct epoll *epoll, struct loop_stream *stream, uint32_t events)
{
	assert(stream->magic == LOOP_STREAM_MAGIC);
	if (stream->is_closing)
		return;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		stream->is_readable = true;
		stream->is_end_told |= (events & ~(uint32_t)(EPOLLIN | EPOLLOUT)) != 0;
		if (stream->is_receive_armed)
			readable_add(epoll, stream);
	}
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR) && stream->is_writing)
		write_some(stream);
}

/* --- the pass --- */

/* epoll counts in milliseconds: rounded up, or the last one would be spent spinning. */
static int milliseconds(uint64_t ns)
{
	if (ns == CLOCK_NEVER)
		return -1;
	return (int)MIN(ns / NS_PER_MS + (ns % NS_PER_MS != 0), (uint64_t)INT32_MAX);
}

static int epoll_await(struct loop *loop, uint64_t timeout_ns)
{
	struct epoll *epoll = epoll_of(loop);
	int n = epoll_wait(epoll->fd, epoll->events, EVENTS_MAX, milliseconds(timeout_ns));

	epoll->event_count = n < 0 ? 0 : (unsigned)n;
	return n < 0 && errno != EINTR ? -errno : 0;
}

static void wake_ready(struct loop *loop)
{
	uint64_t value;

	/* Empties it, or the next wait ends at once; what it says is in the inbox. */
	if (read(loop->inbox->wake_fd, &value, sizeof(value)) < 0)
		assert(errno == EAGAIN || errno == EINTR);
}

static unsigned epoll_handle(struct loop *loop)
{
	struct epoll *epoll = epoll_of(loop);
	unsigned handled = epoll->event_count;

	loop->is_hurried = false;
	/* No stream's memory goes before all have been looked at: on_closed comes later. */
	for (unsigned i = 0; i < epoll->event_count; i++) {
		uint64_t data = epoll->events[i].data.u64;
		void *pointer = (void *)(uintptr_t)(data & ~(uint64_t)TAG_MASK);

		switch ((enum tag)(data & TAG_MASK)) {
		case TAG_STREAM:
			stream_ready(epoll, pointer, epoll->events[i].events);
			break;
		case TAG_ACCEPT:
			accept_ready(pointer);
			break;
		default:
			wake_ready(loop);
		}
	}
	handled += readable_handle(epoll);
	handled += sent_handle(epoll);
	loop->is_hurried = epoll->readable || epoll->sent;
	return handled;
}

/* --- start and end --- */

static void epoll_free(struct loop *loop)
{
	struct epoll *epoll = epoll_of(loop);

	if (epoll->fd >= 0)
		close(epoll->fd);
	free(epoll);
}

/* Whatever was not read yet is in its socket. */
static bool is_behind(_unused_ const struct loop *loop)
{
	return false;
}

static const struct loop_engine engine = {
	.name = "epoll",
	.free = epoll_free,
	.wait = epoll_await,
	.handle = epoll_handle,
	.accept_start = accept_start,
	.accept_stop = accept_stop,
	.open = stream_open,
	.receive_start = receive_start,
	.receive_stop = receive_stop,
	.send = stream_send,
	.hurry = stream_hurry,
	.is_behind = is_behind,
	.abort = stream_abort,
};

int loop_epoll_new(
	_unused_ const struct loop_options *options, struct inbox *inbox, struct loop **ret_loop)
{
	_cleanup_(loop_free_p) struct loop *loop = NULL;
	struct epoll *epoll = calloc(1, sizeof(*epoll));
	int r;

	if (!epoll)
		return -ENOMEM;
	loop = &epoll->loop;
	loop_init(loop, &engine, inbox);
	epoll->fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll->fd < 0)
		return -errno;
	r = watch(epoll, inbox->wake_fd, EPOLLIN, NULL, TAG_WAKE);
	if (r < 0)
		return r;
	*ret_loop = TAKE(loop);
	return 0;
}
