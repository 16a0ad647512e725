/*
 * The loop on io_uring: the only file that knows liburing. Completions carry a pointer to a stream
 * or a listening socket, with the operation in its low bits, so no operation allocates. It keeps no
 * bytes: what it receives is lent to on_receive, what it sends belongs to the caller. What the
 * kernel lacks is found by trying, never by version. Read loop.h first.
 */
#include "core/loop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <liburing.h>

#include "core/inbox.h"
#include "shared/macros.h"

/* Low bits of user_data. Streams and listening sockets are aligned to 8 at least. */
enum tag {
	TAG_IGNORED, /* cancels and linked timeouts: the operation they act on tells the story */
	TAG_RECEIVE,
	TAG_SEND,
	TAG_ACCEPT,
	TAG_WAKE,
	TAG_BUFFER, /* above it: the buffer's number */
	TAG_SETUP,
	TAG_MASK = 7, /* as a tag: liburing's own timeout */
};

#define BUFFER_GROUP 0
#define ACCEPT_RETRY_MS 100 /* no descriptors left: time for some connections to end */
#define ACCEPT_DRAIN_MAX                                                                           \
	4096 /* the kernel's usual somaxconn: new clients must not hold up a stop */
#define COMPLETIONS_PER_ENTRY                                                                      \
	4 /* an operation, its linked timeout, and room for multishot bursts */

struct loop {
	struct io_uring ring;
	struct inbox *inbox;
	struct wheel wheel;
	uint64_t now_ns;
	struct loop_features features;
	struct loop_stats stats;
	struct loop_stream *closed; /* wait for on_closed */
	struct loop_stream *silent; /* send without a completion, unless they fail */
	struct io_uring_buf_ring *buffer_ring;
	size_t buffer_ring_bytes;
	char *buffers;
	unsigned buffer_count, buffer_bytes;
	struct __kernel_timespec *timeouts; /* one per submission slot: read when it is submitted */
	bool has_ring;
	bool has_silence; /* IOSQE_CQE_SKIP_SUCCESS */
	bool is_hurried;  /* a silent send is waited for, or the end: do not sleep */
};

static void stat_count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* --- submission --- */

/* An entry, with room behind it for the rest of its chain: a chain must not be torn apart. */
static struct io_uring_sqe *sqe_get(struct loop *loop, unsigned chain)
{
	struct io_uring_sqe *sqe;

	if (io_uring_sq_space_left(&loop->ring) < chain) {
		stat_count(&loop->stats.submission_full);
		/* -EBUSY: completions overflow; fetching them makes the kernel take more. */
		while (io_uring_submit(&loop->ring) == -EBUSY &&
			io_uring_get_events(&loop->ring) == 0)
			;
	}
	sqe = io_uring_get_sqe(&loop->ring);
	assert(sqe);
	return sqe;
}

static void sqe_tag(struct io_uring_sqe *sqe, const void *pointer, enum tag tag)
{
	assert(((uintptr_t)pointer & TAG_MASK) == 0);
	io_uring_sqe_set_data64(sqe, (uintptr_t)pointer | tag);
}

static struct __kernel_timespec timespec_of(uint64_t ns)
{
	return (struct __kernel_timespec){ (int64_t)(ns / NS_PER_S), (long long)(ns % NS_PER_S) };
}

/* Ends the operation in sqe when deadline_ns comes; room was reserved with it. */
static void sqe_link_timeout(struct loop *loop, struct io_uring_sqe *sqe, uint64_t deadline_ns)
{
	struct io_uring_sqe *link = io_uring_get_sqe(&loop->ring);
	struct __kernel_timespec *timeout;

	assert(link);
	timeout = &loop->timeouts[link - loop->ring.sq.sqes];
	*timeout = timespec_of(deadline_ns > loop->now_ns ? deadline_ns - loop->now_ns : 0);
	sqe->flags |= IOSQE_IO_LINK;
	io_uring_prep_link_timeout(link, timeout, 0);
	sqe_tag(link, NULL, TAG_IGNORED);
}

static void op_cancel(struct loop *loop, const void *pointer, enum tag tag)
{
	struct io_uring_sqe *sqe = sqe_get(loop, 1);

	io_uring_prep_cancel64(sqe, (uintptr_t)pointer | tag, 0);
	sqe_tag(sqe, NULL, TAG_IGNORED);
}

/* The inbox's descriptor may be non-blocking, which a read in the ring would not wait on. */
static void wake_arm(struct loop *loop)
{
	struct io_uring_sqe *sqe = sqe_get(loop, 1);

	io_uring_prep_poll_add(sqe, loop->inbox->wake_fd, POLLIN);
	sqe_tag(sqe, NULL, TAG_WAKE);
}

/* --- receive buffers --- */

static void buffer_return(struct loop *loop, unsigned id)
{
	char *buffer = loop->buffers + (size_t)id * loop->buffer_bytes;
	struct io_uring_sqe *sqe;

	assert(id < loop->buffer_count);
	if (loop->buffer_ring) {
		io_uring_buf_ring_add(loop->buffer_ring, buffer, loop->buffer_bytes,
			(unsigned short)id, io_uring_buf_ring_mask(loop->buffer_count), 0);
		io_uring_buf_ring_advance(loop->buffer_ring, 1);
		return;
	}
	sqe = sqe_get(loop, 1);
	io_uring_prep_provide_buffers(
		sqe, buffer, (int)loop->buffer_bytes, 1, BUFFER_GROUP, (int)id);
	io_uring_sqe_set_data64(sqe, ((uint64_t)id << 3) | TAG_BUFFER);
}

/* Waits for the operation tagged TAG_SETUP, before anything else is in progress. */
static int setup_wait(struct loop *loop, struct io_uring_cqe *ret_cqe)
{
	struct io_uring_cqe *cqe;
	int r;

	do {
		r = io_uring_submit_and_wait(&loop->ring, 1);
		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		r = io_uring_peek_cqe(&loop->ring, &cqe);
		if (r < 0)
			return r;
		*ret_cqe = *cqe;
		io_uring_cqe_seen(&loop->ring, cqe);
	} while (r == -EINTR || ret_cqe->user_data != TAG_SETUP);
	return 0;
}

static int buffers_provide(struct loop *loop)
{
	struct io_uring_sqe *sqe = sqe_get(loop, 1);
	struct io_uring_cqe cqe = {};
	int r;

	io_uring_prep_provide_buffers(sqe, loop->buffers, (int)loop->buffer_bytes,
		(int)loop->buffer_count, BUFFER_GROUP, 0);
	sqe_tag(sqe, NULL, TAG_SETUP);
	r = setup_wait(loop, &cqe);
	return r < 0 ? r : MIN(cqe.res, 0);
}

static int buffers_init(struct loop *loop)
{
	struct io_uring_buf_reg reg = { .ring_entries = loop->buffer_count, .bgid = BUFFER_GROUP };
	void *ring;

	/* Mapped, not allocated: pages that no burst has needed cost nothing. */
	loop->buffers = mmap(NULL, (size_t)loop->buffer_count * loop->buffer_bytes,
		PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (loop->buffers == MAP_FAILED) {
		loop->buffers = NULL;
		return -ENOMEM;
	}
	/* A huge page would make one small burst cost 2 MiB of it. */
	(void)madvise(
		loop->buffers, (size_t)loop->buffer_count * loop->buffer_bytes, MADV_NOHUGEPAGE);
	loop->buffer_ring_bytes = loop->buffer_count * sizeof(struct io_uring_buf);
	ring = mmap(NULL, loop->buffer_ring_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ring == MAP_FAILED)
		return -ENOMEM;
	reg.ring_addr = (uintptr_t)ring;
	if (io_uring_register_buf_ring(&loop->ring, &reg, 0) != 0) {
		munmap(ring, loop->buffer_ring_bytes);
		return buffers_provide(loop);
	}
	loop->buffer_ring = ring;
	loop->features.is_buffer_ring = true;
	io_uring_buf_ring_init(loop->buffer_ring);
	for (unsigned id = 0; id < loop->buffer_count; id++)
		buffer_return(loop, id);
	return 0;
}

/* --- start and end --- */

/* Old kernels ignore the multishot flag, so only a completion that promises more proves it. */
static int multishot_try(struct loop *loop)
{
	struct io_uring_sqe *sqe = sqe_get(loop, 1);
	struct io_uring_cqe cqe = {};
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	io_uring_prep_recv_multishot(sqe, pair[0], NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
	sqe_tag(sqe, NULL, TAG_SETUP);
	r = send(pair[1], "x", 1, MSG_NOSIGNAL) == 1 ? setup_wait(loop, &cqe) : -errno;
	if (r == 0) {
		loop->features.is_receive_multishot = cqe.flags & IORING_CQE_F_MORE;
		if (cqe.flags & IORING_CQE_F_BUFFER)
			buffer_return(loop, cqe.flags >> IORING_CQE_BUFFER_SHIFT);
	}
	close(pair[1]);
	if (loop->features.is_receive_multishot)
		r = setup_wait(loop, &cqe); /* the end of the stream */
	close(pair[0]);
	return r;
}

static int opcodes_check(struct loop *loop)
{
	static const int needed[] = { IORING_OP_RECV, IORING_OP_SEND, IORING_OP_ACCEPT,
		IORING_OP_LINK_TIMEOUT, IORING_OP_ASYNC_CANCEL, IORING_OP_POLL_ADD,
		IORING_OP_PROVIDE_BUFFERS };
	struct io_uring_probe *probe = io_uring_get_probe_ring(&loop->ring);
	bool has_all = probe != NULL;

	for (size_t i = 0; has_all && i < ARRAY_SIZE(needed); i++)
		has_all = io_uring_opcode_supported(probe, needed[i]);
	if (probe)
		io_uring_free_probe(probe);
	return has_all ? 0 : -ENOSYS;
}

static int ring_init(struct loop *loop, unsigned entries)
{
	static const unsigned tries[] = {
		IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER,
		IORING_SETUP_CQSIZE,
		0,
	};
	int r = -EINVAL;

	for (size_t i = 0; r == -EINVAL && i < ARRAY_SIZE(tries); i++) {
		struct io_uring_params params = { .flags = tries[i],
			.cq_entries = entries * COMPLETIONS_PER_ENTRY };

		r = io_uring_queue_init_params(entries, &loop->ring, &params);
		loop->features.is_single_issuer = tries[i] & IORING_SETUP_SINGLE_ISSUER;
		loop->features.is_defer_taskrun = tries[i] & IORING_SETUP_DEFER_TASKRUN;
	}
	if (r < 0)
		return r;
	loop->has_ring = true;
	loop->has_silence = loop->ring.features & IORING_FEAT_CQE_SKIP;
	/* Saves looking up the ring's file at every pass; what cannot do it goes on without. */
	(void)io_uring_register_ring_fd(&loop->ring);
	loop->timeouts = calloc(*loop->ring.sq.kring_entries, sizeof(*loop->timeouts));
	return loop->timeouts ? 0 : -ENOMEM;
}

static int loop_init(struct loop *loop, const struct loop_options *options)
{
	int r;

	r = ring_init(loop, options->entries);
	if (r < 0)
		return r;
	r = opcodes_check(loop);
	if (r < 0)
		return r;
	r = buffers_init(loop);
	if (r < 0)
		return r;
	if (options->receive == LOOP_RECEIVE_ONESHOT)
		return 0;
	r = multishot_try(loop);
	if (r < 0)
		return r;
	return options->receive == LOOP_RECEIVE_MULTISHOT && !loop->features.is_receive_multishot
		       ? -EOPNOTSUPP
		       : 0;
}

CLEANUP_P(loop_free, struct loop)

int loop_new(const struct loop_options *options, struct inbox *inbox, struct loop **ret_loop)
{
	_cleanup_(loop_free_p) struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	assert(options->entries >= 2); /* a chain must fit */
	assert(options->receive_buffers > 0 && options->receive_buffers <= 32768);
	assert((options->receive_buffers & (options->receive_buffers - 1)) == 0);
	assert(options->receive_buffer_bytes > 0);
	if (!loop)
		return -ENOMEM;
	loop->inbox = inbox;
	loop->buffer_count = options->receive_buffers;
	loop->buffer_bytes = options->receive_buffer_bytes;
	loop->features.engine = "io_uring";
	loop->features.is_accept_multishot = true; /* until an accept is refused */
	loop->now_ns = clock_now_ns();
	wheel_init(&loop->wheel, loop->now_ns);
	r = loop_init(loop, options);
	if (r < 0)
		return r;
	wake_arm(loop);
	*ret_loop = TAKE(loop);
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->has_ring)
		io_uring_queue_exit(&loop->ring);
	if (loop->buffer_ring)
		munmap(loop->buffer_ring, loop->buffer_ring_bytes);
	if (loop->buffers)
		munmap(loop->buffers, (size_t)loop->buffer_count * loop->buffer_bytes);
	free(loop->timeouts);
	free(loop);
}

const char *loop_error_remedy(int error)
{
	switch (error) {
	case -EPERM:
	case -EACCES:
		return "io_uring is forbidden: set the sysctl kernel.io_uring_disabled to 0, or in a "
		       "container allow io_uring_setup, io_uring_enter and io_uring_register in its "
		       "seccomp profile.";
	case -ENOSYS:
		return "io_uring is absent or incomplete: use Linux 5.10 or later, and in a container "
		       "a seccomp profile that allows io_uring_setup.";
	case -ENOMEM:
		return "Memory for io_uring was refused: raise the memlock limit (LimitMEMLOCK= in "
		       "the systemd unit, ulimit -l in a shell) or lower the number of entries.";
	case -EOPNOTSUPP:
		return "This kernel has no multishot receive: set receive to auto or oneshot.";
	default:
		return "The event loop could not be set up.";
	}
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

void loop_hurry(struct loop *loop)
{
	loop->is_hurried = true;
}

uint64_t loop_now_ns(const struct loop *loop)
{
	return loop->now_ns;
}

/* --- listening sockets --- */

static void accept_arm(struct loop_accept *accept)
{
	struct io_uring_sqe *sqe = sqe_get(accept->loop, 1);

	accept->is_multishot = accept->loop->features.is_accept_multishot;
	accept->is_armed = true;
	if (accept->is_multishot)
		io_uring_prep_multishot_accept(sqe, accept->fd, NULL, NULL, SOCK_CLOEXEC);
	else
		io_uring_prep_accept(sqe, accept->fd, NULL, NULL, SOCK_CLOEXEC);
	sqe_tag(sqe, accept, TAG_ACCEPT);
}

/* Takes the clients that the kernel has queued, who would be reset when the socket is closed. */
static void accept_finish(struct loop_accept *accept)
{
	int flags = fcntl(accept->fd, F_GETFL), fd;

	timer_cancel(&accept->loop->wheel, &accept->retry);
	fcntl(accept->fd, F_SETFL, flags | O_NONBLOCK);
	for (unsigned i = 0; i < ACCEPT_DRAIN_MAX; i++) {
		fd = accept4(accept->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			accept->on_accept(accept, fd);
		else if (errno != ECONNABORTED && errno != EINTR)
			break;
	}
	/* The open file may be another process's next. */
	fcntl(accept->fd, F_SETFL, flags);
	accept->magic = 0;
	accept->on_stopped(accept);
}

static void accept_retry(struct timer *timer)
{
	struct loop_accept *accept = container_of(timer, struct loop_accept, retry);

	if (accept->is_stopping)
		accept_finish(accept);
	else
		accept_arm(accept);
}

static bool accept_error_passes(int error)
{
	return error == -ECONNABORTED || error == -EINTR || error == -ECANCELED || error == -EAGAIN;
}

static void accept_completed(struct loop_accept *accept, const struct io_uring_cqe *cqe)
{
	struct loop *loop = accept->loop;

	if (!(cqe->flags & IORING_CQE_F_MORE))
		accept->is_armed = false;
	if (cqe->res >= 0) {
		accept->on_accept(accept, cqe->res);
	} else if (cqe->res == -EINVAL && accept->is_multishot) {
		loop->features.is_accept_multishot = false;
	} else if (!accept_error_passes(cqe->res)) {
		timer_set(&loop->wheel, &accept->retry,
			clock_after_ms(loop->now_ns, ACCEPT_RETRY_MS));
		accept->on_accept(accept, cqe->res);
	}
	if (accept->is_armed)
		return;
	if (accept->is_stopping)
		accept_finish(accept);
	else if (!timer_is_armed(&accept->retry))
		accept_arm(accept);
}

void loop_accept_start(struct loop *loop, struct loop_accept *accept, int fd)
{
	*accept = (struct loop_accept){ .magic = LOOP_ACCEPT_MAGIC,
		.fd = fd,
		.on_accept = accept->on_accept,
		.on_stopped = accept->on_stopped,
		.loop = loop,
		.retry.on_timer = accept_retry };
	accept_arm(accept);
}

void loop_accept_stop(struct loop_accept *accept)
{
	assert(accept->magic == LOOP_ACCEPT_MAGIC);
	if (accept->is_stopping)
		return;
	accept->is_stopping = true;
	if (accept->is_armed)
		op_cancel(accept->loop, accept, TAG_ACCEPT);
	else
		timer_set(&accept->loop->wheel, &accept->retry, accept->loop->now_ns);
}

/* --- receiving --- */

static void receive_arm(struct loop_stream *stream)
{
	struct loop *loop = stream->loop;
	bool is_multishot = loop->features.is_receive_multishot;
	bool is_linked = !is_multishot && stream->receive_deadline_ns != CLOCK_NEVER;
	struct io_uring_sqe *sqe = sqe_get(loop, is_linked ? 2 : 1);

	if (is_multishot)
		io_uring_prep_recv_multishot(sqe, stream->fd, NULL, 0, 0);
	else
		io_uring_prep_recv(sqe, stream->fd, NULL, loop->buffer_bytes, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
	sqe_tag(sqe, stream, TAG_RECEIVE);
	if (is_linked)
		sqe_link_timeout(loop, sqe, stream->receive_deadline_ns);
	stream->linked_deadline_ns = is_linked ? stream->receive_deadline_ns : CLOCK_NEVER;
	stream->is_receive_armed = true;
	stream->ops_in_kernel++;
}

/*
 * Makes sure that data and the deadline are waited for, if anybody wants them. A deadline is
 * usually moved later, once per request: then what is set for the old one stays, and sets the new
 * one when it fires. Only an earlier one needs the wheel's attention.
 */
static void receive_continue(struct loop_stream *stream)
{
	uint64_t deadline_ns = stream->receive_deadline_ns;

	if (!stream->is_receiving || stream->is_closing || stream->is_eof || stream->is_late)
		return;
	if (!stream->is_receive_armed)
		receive_arm(stream);
	if (deadline_ns == CLOCK_NEVER || stream->linked_deadline_ns <= deadline_ns)
		return;
	if (timer_is_armed(&stream->deadline_timer) && stream->deadline_timer.at_ns <= deadline_ns)
		return;
	timer_set(&stream->loop->wheel, &stream->deadline_timer, deadline_ns);
}

static void receive_check_deadline(struct loop_stream *stream)
{
	if (stream->loop->now_ns >= stream->receive_deadline_ns && stream->is_receiving &&
		!stream->is_eof && !stream->is_late) {
		stream->is_late = true;
		stream->on_receive(stream, NULL, -ETIME);
	}
	receive_continue(stream);
}

static void deadline_fired(struct timer *timer)
{
	receive_check_deadline(container_of(timer, struct loop_stream, deadline_timer));
}

static void receive_deliver(struct loop_stream *stream, const char *data, int n)
{
	if (n == -ENOBUFS) {
		stat_count(&stream->loop->stats.buffers_exhausted);
		return; /* the buffers of this batch are back when it is armed again */
	}
	if (n == -ECANCELED || n == -EINTR) {
		receive_check_deadline(stream);
		return;
	}
	if (n == 0)
		stream->is_eof = true;
	if (n < 0)
		stream->is_receiving = false;
	else if (!stream->is_receiving && stream->is_receive_armed)
		op_cancel(stream->loop, stream, TAG_RECEIVE);
	stream->on_receive(stream, data, n);
}

static void close_when_idle(struct loop_stream *stream)
{
	if (!stream->is_closing || stream->ops_in_kernel > 0 || stream->fd < 0)
		return;
	close(stream->fd);
	stream->fd = -1;
	stream->closed_next = stream->loop->closed;
	stream->loop->closed = stream;
}

static void receive_completed(struct loop_stream *stream, const struct io_uring_cqe *cqe)
{
	struct loop *loop = stream->loop;
	bool has_buffer = cqe->flags & IORING_CQE_F_BUFFER;
	unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		assert(stream->ops_in_kernel > 0);
		stream->is_receive_armed = false;
		stream->ops_in_kernel--;
	}
	if (!stream->is_closing)
		receive_deliver(stream,
			has_buffer ? loop->buffers + (size_t)id * loop->buffer_bytes : NULL,
			cqe->res);
	if (has_buffer)
		buffer_return(loop, id);
	receive_continue(stream);
	close_when_idle(stream);
}

/* --- sending --- */

/* Sends, and waits for room under a linked timeout. */
static void send_arm(struct loop_stream *stream)
{
	struct io_uring_sqe *sqe = sqe_get(stream->loop, 2);

	io_uring_prep_send(sqe, stream->fd, stream->sending.data, stream->sending.len,
		MSG_NOSIGNAL | MSG_WAITALL);
	sqe_tag(sqe, stream, TAG_SEND);
	sqe_link_timeout(stream->loop, sqe, stream->send_deadline_ns);
	stream->is_send_armed = true;
	stream->ops_in_kernel++;
}

/*
 * The first try takes what the socket's buffer has room for and never waits: nearly every response
 * fits, and a linked timeout with its own completion would cost 6 % of a request. What does not
 * fit is a failure (MSG_WAITALL) that is told even when success is silent.
 */
static void send_try(struct loop_stream *stream, bool is_silent)
{
	struct loop *loop = stream->loop;
	struct io_uring_sqe *sqe = sqe_get(loop, 1);

	io_uring_prep_send(sqe, stream->fd, stream->sending.data, stream->sending.len,
		MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
	sqe_tag(sqe, stream, TAG_SEND);
	if (is_silent) {
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
		stream->is_send_silent = true;
		stream->silent_next = loop->silent;
		loop->silent = stream;
	}
	stream->is_send_armed = true;
	stream->ops_in_kernel++;
}

static void send_completed(struct loop_stream *stream, int r)
{
	assert(stream->ops_in_kernel > 0);
	stream->is_send_armed = false;
	stream->ops_in_kernel--;
	if (stream->is_closing) {
		close_when_idle(stream);
		return;
	}
	if (r > 0)
		stream->sending = str_skip(stream->sending, (size_t)r);
	if (r >= 0 && stream->sending.len == 0) {
		stream->on_sent(stream, 0);
		return;
	}
	/* Part of it went, or the linked timeout fired: the rest has the rest of the time. */
	if (r >= 0 || r == -EAGAIN || r == -ECANCELED || r == -EINTR) {
		if (stream->loop->now_ns < stream->send_deadline_ns) {
			send_arm(stream);
			return;
		}
		r = -ETIME;
	}
	stream->on_sent(stream, r);
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
}

void loop_stream_receive(struct loop_stream *stream)
{
	stream->is_receiving = true;
	receive_continue(stream);
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
	receive_continue(stream);
}

static void stream_send(
	struct loop_stream *stream, struct str data, unsigned timeout_ms, bool is_silent)
{
	assert(!stream->is_send_armed);
	assert(data.len > 0);
	if (stream->is_closing)
		return;
	stream->sending = data;
	stream->send_deadline_ns = clock_after_ms(stream->loop->now_ns, timeout_ms);
	send_try(stream, is_silent);
}

void loop_stream_send(struct loop_stream *stream, struct str data, unsigned timeout_ms)
{
	stream_send(stream, data, timeout_ms, false);
}

void loop_stream_send_lazily(struct loop_stream *stream, struct str data, unsigned timeout_ms)
{
	stream_send(stream, data, timeout_ms, stream->loop->has_silence);
}

void loop_stream_hurry(struct loop_stream *stream)
{
	if (stream->is_send_silent)
		loop_hurry(stream->loop);
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
	loop_stream_hurry(stream);
	timer_cancel(&stream->loop->wheel, &stream->deadline_timer);
	/* This ends armed operations at once, submitted or not; a dead socket refuses it. */
	if (stream->ops_in_kernel > 0 && shutdown(stream->fd, SHUT_RDWR) < 0) {
		if (stream->is_receive_armed)
			op_cancel(stream->loop, stream, TAG_RECEIVE);
		if (stream->is_send_armed)
			op_cancel(stream->loop, stream, TAG_SEND);
	}
	close_when_idle(stream);
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

static void wake_completed(struct loop *loop)
{
	uint64_t value;

	/* Empties it, or the next poll fires at once; what it says is in the inbox. */
	if (read(loop->inbox->wake_fd, &value, sizeof(value)) < 0)
		assert(errno == EAGAIN || errno == EINTR);
	wake_arm(loop);
}

static void completion_handle(struct loop *loop, const struct io_uring_cqe *cqe)
{
	void *pointer = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)TAG_MASK);
	struct loop_stream *stream = pointer;
	struct loop_accept *accept = pointer;

	switch ((enum tag)(cqe->user_data & TAG_MASK)) {
	case TAG_RECEIVE:
		assert(stream->magic == LOOP_STREAM_MAGIC);
		receive_completed(stream, cqe);
		break;
	case TAG_SEND:
		assert(stream->magic == LOOP_STREAM_MAGIC);
		send_completed(stream, cqe->res);
		break;
	case TAG_ACCEPT:
		assert(accept->magic == LOOP_ACCEPT_MAGIC);
		accept_completed(accept, cqe);
		break;
	case TAG_WAKE:
		wake_completed(loop);
		break;
	case TAG_BUFFER:
		if (cqe->res < 0) /* short of memory: it must not be lost for that */
			buffer_return(loop, (unsigned)(cqe->user_data >> 3));
		break;
	case TAG_IGNORED:
	case TAG_SETUP:
	case TAG_MASK:
		break;
	}
}

/*
 * Silent sends are over when they have been submitted, because they never wait; those that failed
 * have a completion. Neither holds as long as entries or completions are held back: later, then.
 */
static unsigned silent_handle(struct loop *loop, unsigned ready)
{
	struct loop_stream *stream, *next;
	unsigned count = 0, head, seen = 0;
	struct io_uring_cqe *cqe;

	if (loop->silent &&
		(io_uring_sq_ready(&loop->ring) > 0 || io_uring_cq_has_overflow(&loop->ring)))
		return 0;
	io_uring_for_each_cqe(&loop->ring, head, cqe)
	{
		if (!loop->silent || seen++ == ready)
			break;
		if ((cqe->user_data & TAG_MASK) == TAG_SEND) {
			stream = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)TAG_MASK);
			stream->is_send_silent = false;
		}
	}
	for (stream = TAKE(loop->silent); stream; stream = next) {
		next = stream->silent_next; /* on_sent may send again */
		if (!stream->is_send_silent)
			continue;
		stream->is_send_silent = false;
		send_completed(stream, (int)stream->sending.len);
		count++;
	}
	loop->is_hurried = false;
	return count;
}

/* What is there now, no more: timers and messages must get their turn. */
static unsigned completions_handle(struct loop *loop)
{
	unsigned ready = io_uring_cq_ready(&loop->ring), handled = 0, silent;
	struct io_uring_cqe *cqe, copy;

	silent = silent_handle(loop, ready);
	while (handled < ready && io_uring_peek_cqe(&loop->ring, &cqe) == 0) {
		copy = *cqe;
		io_uring_cqe_seen(&loop->ring, cqe);
		completion_handle(loop, &copy);
		handled++;
	}
	return handled + silent;
}

static int submit_and_wait(struct loop *loop, uint64_t timeout_ns)
{
	struct __kernel_timespec timeout = timespec_of(timeout_ns);
	struct io_uring_cqe *cqe;

	if (timeout_ns == 0)
		return io_uring_submit_and_get_events(&loop->ring);
	if (timeout_ns == CLOCK_NEVER)
		return io_uring_submit_and_wait(&loop->ring, 1);
	return io_uring_submit_and_wait_timeout(&loop->ring, &cqe, 1, &timeout, NULL);
}

static uint64_t sleep_ns(const struct loop *loop, uint64_t now_ns)
{
	uint64_t next_ns = wheel_next_ns(&loop->wheel);

	if (loop->silent)
		next_ns = MIN(next_ns, clock_after_ms(now_ns, WHEEL_TICK_MS));
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
	if (io_uring_cq_has_overflow(&loop->ring))
		stat_count(&loop->stats.completion_overflows);
	sleeps_at_ns = clock_now_ns();
	*ret_busy_ns = sleeps_at_ns - loop->now_ns;
	r = submit_and_wait(loop, may_sleep ? sleep_ns(loop, sleeps_at_ns) : 0);
	loop->now_ns = clock_now_ns();
	if (may_sleep)
		inbox_awake(loop->inbox);
	if (r < 0 && r != -ETIME && r != -EINTR && r != -EBUSY && r != -EAGAIN)
		return r;

	handled += completions_handle(loop);
	handled += inbox_drain(loop->inbox);
	return (int)handled;
}
