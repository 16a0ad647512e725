/*
 * What is the same on every engine: the pass, deadlines of receiving, the life of streams and
 * listening sockets. See loop.h for what it promises and loop_engine.h for what engines do.
 */
#include "core/loop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/loop_engine.h"
#include "shared/macros.h"

#define ACCEPT_RETRY_MS 100 /* no descriptors left: time for some connections to end */
/* The kernel's usual somaxconn: new clients must not hold up a stop. */
#define ACCEPT_DRAIN_MAX 4096

/* --- start and end --- */

/* Forbidden, absent or short of locked memory: epoll needs none of it. */
static bool is_uring_missing(int error)
{
	return error == -EPERM || error == -EACCES || error == -ENOSYS || error == -ENOMEM;
}

int loop_new(const struct loop_options *options, struct inbox *inbox, struct loop **ret_loop)
{
	int r;

	if (options->engine == LOOP_ENGINE_EPOLL)
		return loop_epoll_new(options, inbox, ret_loop);
	r = loop_uring_new(options, inbox, ret_loop);
	if (options->engine == LOOP_ENGINE_URING || !is_uring_missing(r))
		return r;
	if (loop_epoll_new(options, inbox, ret_loop) < 0)
		return r;
	(*ret_loop)->features.fallback_error = r;
	return 0;
}

void loop_init(struct loop *loop, const struct loop_engine *engine, struct inbox *inbox)
{
	loop->engine = engine;
	loop->features.engine = engine->name;
	loop->inbox = inbox;
	loop->now_ns = clock_now_ns();
	wheel_init(&loop->wheel, loop->now_ns);
}

void loop_free(struct loop *loop)
{
	if (loop)
		loop->engine->free(loop);
}

const char *loop_error_remedy(int error)
{
	switch (error) {
	case -EPERM:
	case -EACCES:
		return "io_uring is forbidden: set the sysctl kernel.io_uring_disabled to 0, or in a "
		       "container allow io_uring_setup, io_uring_enter and io_uring_register in its "
		       "seccomp profile, or set [io] engine = epoll.";
	case -ENOSYS:
		return "io_uring is absent or incomplete: use Linux 5.10 or later, and in a container "
		       "a seccomp profile that allows io_uring_setup, or set [io] engine = epoll.";
	case -ENOMEM:
		return "Memory for io_uring was refused: raise the memlock limit (LimitMEMLOCK= in "
		       "the systemd unit, ulimit -l in a shell) or lower [io] entries.";
	case -EOPNOTSUPP:
		return "This kernel has no multishot receive: set [io] receive to auto or oneshot.";
	default:
		return "The event loop could not be set up.";
	}
}

const char *loop_why(const struct loop_features *features)
{
	if (features->fallback_error)
		return loop_error_remedy(features->fallback_error);
	if (strcmp(features->engine, "epoll") == 0)
		return "[io] engine = epoll";
	return features->is_defer_taskrun
		       ? "the kernel has io_uring, with DEFER_TASKRUN"
		       : "the kernel has io_uring, without DEFER_TASKRUN: 6.1 and later are faster";
}

struct wheel *loop_wheel(struct loop *loop)
{
	return &loop->wheel;
}

const struct loop_features *loop_features(const struct loop *loop)
{
	return &loop->features;
}

const struct loop_stats *loop_stats(const struct loop *loop)
{
	return &loop->stats;
}

uint64_t loop_now_ns(const struct loop *loop)
{
	return loop->now_ns;
}

void loop_hurry(struct loop *loop)
{
	loop->is_hurried = true;
}

/* --- listening sockets --- */

/* Takes the clients that the kernel has queued, who would be reset when the socket is closed. */
static void queue_take(struct loop_accept *accept)
{
	int fd;

	fcntl(accept->fd, F_SETFL, fcntl(accept->fd, F_GETFL) | O_NONBLOCK);
	for (unsigned i = 0; i < ACCEPT_DRAIN_MAX; i++) {
		fd = accept4(accept->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			accept->on_accept(accept, fd);
		else if (errno != ECONNABORTED && errno != EINTR)
			break;
	}
}

void loop_accept_finish(struct loop_accept *accept)
{
	timer_cancel(&accept->loop->wheel, &accept->retry);
	if (!accept->is_holding)
		queue_take(accept);
	accept->magic = 0;
	accept->on_stopped(accept);
}

static void accept_retry(struct timer *timer)
{
	struct loop_accept *accept = container_of(timer, struct loop_accept, retry);

	if (accept->is_stopping)
		loop_accept_finish(accept);
	else
		accept->loop->engine->accept_start(accept);
}

bool loop_accepted(struct loop_accept *accept, int fd)
{
	struct loop *loop = accept->loop;
	bool passes =
		fd >= 0 || fd == -ECONNABORTED || fd == -EINTR || fd == -ECANCELED || fd == -EAGAIN;

	if (!passes)
		timer_set(&loop->wheel, &accept->retry,
			clock_after_ms(loop->now_ns, ACCEPT_RETRY_MS));
	if (fd >= 0 || !passes)
		accept->on_accept(accept, fd);
	return passes;
}

void loop_accept_start(struct loop *loop, struct loop_accept *accept, int fd)
{
	*accept = (struct loop_accept){ .magic = LOOP_ACCEPT_MAGIC,
		.fd = fd,
		.on_accept = accept->on_accept,
		.on_stopped = accept->on_stopped,
		.loop = loop,
		.retry.on_timer = accept_retry };
	/* The open file may have been another process's, with another engine: io_uring wants it to
	 * block, or the kernel would answer -EAGAIN. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	loop->engine->accept_start(accept);
}

void loop_accept_hold(struct loop_accept *accept)
{
	accept->is_holding = true;
	loop_accept_stop(accept);
}

void loop_accept_stop(struct loop_accept *accept)
{
	assert(accept->magic == LOOP_ACCEPT_MAGIC);
	if (accept->is_stopping)
		return;
	accept->is_stopping = true;
	if (accept->is_armed)
		accept->loop->engine->accept_stop(accept);
	if (!accept->is_armed)
		timer_set(&accept->loop->wheel, &accept->retry, accept->loop->now_ns);
}

/* --- receiving --- */

/*
 * A deadline is usually moved later, once per request: then what is set for the old one stays, and
 * sets the new one when it fires. Only an earlier one needs the wheel's attention.
 */
void loop_receive_continue(struct loop_stream *stream)
{
	uint64_t deadline_ns = stream->receive_deadline_ns;

	if (!stream->is_receiving || stream->is_closing || stream->is_eof || stream->is_late)
		return;
	if (!stream->is_receive_armed)
		stream->loop->engine->receive_start(stream);
	if (deadline_ns == CLOCK_NEVER || stream->linked_deadline_ns <= deadline_ns)
		return;
	if (timer_is_armed(&stream->deadline_timer) && stream->deadline_timer.at_ns <= deadline_ns)
		return;
	timer_set(&stream->loop->wheel, &stream->deadline_timer, deadline_ns);
}

static void check_deadline(struct loop_stream *stream)
{
	if (stream->loop->now_ns >= stream->receive_deadline_ns && stream->is_receiving &&
		!stream->is_eof && !stream->is_late) {
		stream->is_late = true;
		stream->on_receive(stream, NULL, -ETIME);
	}
	loop_receive_continue(stream);
}

static void deadline_fired(struct timer *timer)
{
	check_deadline(container_of(timer, struct loop_stream, deadline_timer));
}

void loop_received(struct loop_stream *stream, const char *data, int n)
{
	if (n == -ECANCELED || n == -EINTR) {
		check_deadline(stream);
		return;
	}
	if (n == 0)
		stream->is_eof = true;
	if (n < 0)
		stream->is_receiving = false;
	else if (!stream->is_receiving && stream->is_receive_armed)
		stream->loop->engine->receive_stop(stream);
	stream->on_receive(stream, data, n);
}

/* --- connected sockets --- */

void loop_stream_open(struct loop *loop, struct loop_stream *stream, int fd)
{
	assert(stream->on_receive && stream->on_sent && stream->on_closed);
	*stream = (struct loop_stream){ .magic = LOOP_STREAM_MAGIC,
		.fd = fd,
		.on_receive = stream->on_receive,
		.on_sent = stream->on_sent,
		.on_closed = stream->on_closed,
		.loop = loop,
		.receive_deadline_ns = CLOCK_NEVER,
		.linked_deadline_ns = CLOCK_NEVER,
		.deadline_timer.on_timer = deadline_fired };
	if (loop->engine->open(stream) < 0)
		loop_stream_close(stream);
}

void loop_stream_receive(struct loop_stream *stream)
{
	stream->is_receiving = true;
	loop_receive_continue(stream);
}

void loop_stream_receive_pause(struct loop_stream *stream)
{
	stream->is_receiving = false;
}

void loop_stream_deadline(struct loop_stream *stream, uint64_t deadline_ns)
{
	stream->receive_deadline_ns = deadline_ns;
	if (deadline_ns > stream->loop->now_ns)
		stream->is_late = false;
	loop_receive_continue(stream);
}

static void stream_send(
	struct loop_stream *stream, struct str data, unsigned timeout_ms, bool is_lazy)
{
	assert(!stream->is_send_armed);
	assert(data.len > 0);
	if (stream->is_closing)
		return;
	stream->sending = data;
	stream->has_waited = false;
	stream->send_deadline_ns = clock_after_ms(stream->loop->now_ns, timeout_ms);
	stream->loop->engine->send(stream, is_lazy);
}

void loop_stream_send(struct loop_stream *stream, struct str data, unsigned timeout_ms)
{
	stream_send(stream, data, timeout_ms, false);
}

void loop_stream_send_lazily(struct loop_stream *stream, struct str data, unsigned timeout_ms)
{
	stream_send(stream, data, timeout_ms, true);
}

void loop_stream_hurry(struct loop_stream *stream)
{
	stream->loop->engine->hurry(stream);
}

void loop_sent(struct loop_stream *stream, int result)
{
	if (stream->is_closing)
		loop_close_when_idle(stream);
	else
		stream->on_sent(stream, result);
}

bool loop_stream_has_input(const struct loop_stream *stream)
{
	char byte;

	if (stream->is_closing)
		return false;
	return stream->loop->engine->is_behind(stream->loop) ||
	       recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void loop_stream_finish(struct loop_stream *stream)
{
	if (!stream->is_closing)
		shutdown(stream->fd, SHUT_WR);
}

void loop_stream_close(struct loop_stream *stream)
{
	assert(stream->magic == LOOP_STREAM_MAGIC);
	if (stream->is_closing)
		return;
	stream->is_closing = true;
	timer_cancel(&stream->loop->wheel, &stream->deadline_timer);
	stream->loop->engine->abort(stream);
	loop_close_when_idle(stream);
}

void loop_close_when_idle(struct loop_stream *stream)
{
	if (!stream->is_closing || stream->ops_in_progress > 0 || stream->fd < 0)
		return;
	close(stream->fd);
	stream->fd = -1;
	stream->closed_next = stream->loop->closed;
	stream->loop->closed = stream;
}

/* --- the pass --- */

static unsigned closed_report(struct loop *loop)
{
	struct loop_stream *stream = TAKE(loop->closed);
	unsigned count = 0;

	while (stream) {
		struct loop_stream *next = stream->closed_next;

		stream->magic = 0;
		stream->on_closed(stream);
		stream = next;
		count++;
	}
	return count;
}

static uint64_t sleep_ns(const struct loop *loop, uint64_t now_ns)
{
	uint64_t next_ns = wheel_next_ns(&loop->wheel);

	if (next_ns == CLOCK_NEVER)
		return CLOCK_NEVER;
	return next_ns > now_ns ? next_ns - now_ns : 0;
}

/* The clock is read before and after the wait only: it would cost more than the rest of a turn. */
int loop_turn(struct loop *loop, uint64_t *ret_busy_ns)
{
	uint64_t sleeps_at_ns;
	unsigned handled;
	bool may_sleep;
	int r;

	handled = inbox_drain(loop->inbox);
	wheel_advance(&loop->wheel, loop->now_ns);
	handled += closed_report(loop);

	may_sleep = !loop->closed && !loop->is_hurried && inbox_sleep(loop->inbox);
	sleeps_at_ns = clock_now_ns();
	*ret_busy_ns = sleeps_at_ns - loop->now_ns;
	r = loop->engine->wait(loop, may_sleep ? sleep_ns(loop, sleeps_at_ns) : 0);
	loop->now_ns = clock_now_ns();
	if (may_sleep)
		inbox_awake(loop->inbox);
	if (r < 0)
		return r;

	handled += loop->engine->handle(loop);
	handled += inbox_drain(loop->inbox);
	return (int)handled;
}
