/*
 * The loop on io_uring: the only file that knows liburing. Completions carry a pointer to a stream
 * or a listening socket, with the operation in its low bits, so no operation allocates. It keeps no
 * bytes: what it receives is lent to on_receive, what it sends belongs to the caller. What the
 * kernel lacks is found by trying, never by version. Read loop.h first.
 */
#include "core/loop.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <liburing.h>

#include "core/claims.h"
#include "core/loop_engine.h"
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
#define COMPLETIONS_PER_ENTRY                                                                      \
	4 /* an operation, its linked timeout, and room for multishot bursts */

struct uring {
	struct loop loop;
	struct io_uring ring;
	struct loop_stream *silent; /* send without a completion, unless they fail */
	struct io_uring_buf_ring *buffer_ring;
	size_t buffer_ring_bytes;
	char *buffers;
	unsigned buffer_count, buffer_bytes;
	struct __kernel_timespec *timeouts; /* one per submission slot: read when it is submitted */
	bool has_ring;
	bool has_silence; /* IOSQE_CQE_SKIP_SUCCESS, and sends_try() found nothing against it */
	int whole;        /* MSG_WAITALL for sends, or 0: see sends_try() */
};

static struct uring *uring_of(struct loop *loop)
{
	return container_of(loop, struct uring, loop);
}

/* --- submission --- */

/* An entry, with room behind it for the rest of its chain: a chain must not be torn apart. */
static struct io_uring_sqe *sqe_get(struct uring *uring, unsigned chain)
{
	struct io_uring_sqe *sqe;
	int r;

	if (io_uring_sq_space_left(&uring->ring) < chain) {
		loop_stat_count(&uring->loop.stats.submission_full);
		/* -EBUSY: completions overflow; fetching them makes the kernel take more. */
		do
			r = io_uring_submit(&uring->ring);
		while (r == -EINTR || (r == -EBUSY && io_uring_get_events(&uring->ring) == 0));
	}
	sqe = io_uring_get_sqe(&uring->ring);
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
static void sqe_link_timeout(struct uring *uring, struct io_uring_sqe *sqe, uint64_t deadline_ns)
{
	struct io_uring_sqe *link = io_uring_get_sqe(&uring->ring);
	struct __kernel_timespec *timeout;

	assert(link);
	timeout = &uring->timeouts[link - uring->ring.sq.sqes];
	*timeout = timespec_of(
		deadline_ns > uring->loop.now_ns ? deadline_ns - uring->loop.now_ns : 0);
	sqe->flags |= IOSQE_IO_LINK;
	io_uring_prep_link_timeout(link, timeout, 0);
	sqe_tag(link, NULL, TAG_IGNORED);
}

static void op_cancel(struct uring *uring, const void *pointer, enum tag tag)
{
	struct io_uring_sqe *sqe = sqe_get(uring, 1);

	io_uring_prep_cancel64(sqe, (uintptr_t)pointer | tag, 0);
	sqe_tag(sqe, NULL, TAG_IGNORED);
}

/* The inbox's descriptor may be non-blocking, which a read in the ring would not wait on. */
static void wake_arm(struct uring *uring)
{
	struct io_uring_sqe *sqe = sqe_get(uring, 1);

	io_uring_prep_poll_add(sqe, uring->loop.inbox->wake_fd, POLLIN);
	sqe_tag(sqe, NULL, TAG_WAKE);
}

/* --- receive buffers --- */

static void buffer_return(struct uring *uring, unsigned id)
{
	char *buffer = uring->buffers + (size_t)id * uring->buffer_bytes;
	struct io_uring_sqe *sqe;

	assert(id < uring->buffer_count);
	if (uring->buffer_ring) {
		io_uring_buf_ring_add(uring->buffer_ring, buffer, uring->buffer_bytes,
			(unsigned short)id, io_uring_buf_ring_mask(uring->buffer_count), 0);
		io_uring_buf_ring_advance(uring->buffer_ring, 1);
		return;
	}
	sqe = sqe_get(uring, 1);
	io_uring_prep_provide_buffers(
		sqe, buffer, (int)uring->buffer_bytes, 1, BUFFER_GROUP, (int)id);
	io_uring_sqe_set_data64(sqe, ((uint64_t)id << 3) | TAG_BUFFER);
}

/* Waits for the operation tagged TAG_SETUP, before anything else is in progress. */
static int setup_wait(struct uring *uring, struct io_uring_cqe *ret_cqe)
{
	struct io_uring_cqe *cqe;
	int r;

	do {
		r = io_uring_submit_and_wait(&uring->ring, 1);
		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		r = io_uring_peek_cqe(&uring->ring, &cqe);
		if (r < 0)
			return r;
		*ret_cqe = *cqe;
		io_uring_cqe_seen(&uring->ring, cqe);
	} while (r == -EINTR || ret_cqe->user_data != TAG_SETUP);
	return 0;
}

static int buffers_provide(struct uring *uring)
{
	struct io_uring_sqe *sqe = sqe_get(uring, 1);
	struct io_uring_cqe cqe = {};
	int r;

	io_uring_prep_provide_buffers(sqe, uring->buffers, (int)uring->buffer_bytes,
		(int)uring->buffer_count, BUFFER_GROUP, 0);
	sqe_tag(sqe, NULL, TAG_SETUP);
	r = setup_wait(uring, &cqe);
	return r < 0 ? r : MIN(cqe.res, 0);
}

static int buffers_init(struct uring *uring)
{
	struct io_uring_buf_reg reg = { .ring_entries = uring->buffer_count, .bgid = BUFFER_GROUP };
	void *ring;

	/* Mapped, not allocated: pages that no burst has needed cost nothing. */
	uring->buffers = mmap(NULL, (size_t)uring->buffer_count * uring->buffer_bytes,
		PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (uring->buffers == MAP_FAILED) {
		uring->buffers = NULL;
		return -ENOMEM;
	}
	/* A huge page would make one small burst cost 2 MiB of it. */
	(void)madvise(
		uring->buffers, (size_t)uring->buffer_count * uring->buffer_bytes, MADV_NOHUGEPAGE);
	claim(CLAIM_RINGS, CLAIM_MAPPED, uring->buffers,
		(size_t)uring->buffer_count * uring->buffer_bytes);
	uring->buffer_ring_bytes = uring->buffer_count * sizeof(struct io_uring_buf);
	ring = mmap(NULL, uring->buffer_ring_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ring == MAP_FAILED)
		return -ENOMEM;
	reg.ring_addr = (uintptr_t)ring;
	if (io_uring_register_buf_ring(&uring->ring, &reg, 0) != 0) {
		munmap(ring, uring->buffer_ring_bytes);
		return buffers_provide(uring);
	}
	claim(CLAIM_RINGS, CLAIM_MAPPED, ring, uring->buffer_ring_bytes);
	uring->buffer_ring = ring;
	uring->loop.features.is_buffer_ring = true;
	io_uring_buf_ring_init(uring->buffer_ring);
	for (unsigned id = 0; id < uring->buffer_count; id++)
		buffer_return(uring, id);
	return 0;
}

/* --- start and end --- */

/* Old kernels ignore the multishot flag, so only a completion that promises more proves it. */
static int multishot_try(struct uring *uring)
{
	struct io_uring_sqe *sqe = sqe_get(uring, 1);
	struct io_uring_cqe cqe = {};
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	io_uring_prep_recv_multishot(sqe, pair[0], NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
	sqe_tag(sqe, NULL, TAG_SETUP);
	r = send(pair[1], "x", 1, MSG_NOSIGNAL) == 1 ? setup_wait(uring, &cqe) : -errno;
	if (r == 0) {
		uring->loop.features.is_receive_multishot = cqe.flags & IORING_CQE_F_MORE;
		if (cqe.flags & IORING_CQE_F_BUFFER)
			buffer_return(uring, cqe.flags >> IORING_CQE_BUFFER_SHIFT);
	}
	close(pair[1]);
	if (uring->loop.features.is_receive_multishot)
		r = setup_wait(uring, &cqe); /* the end of the stream */
	close(pair[0]);
	return r;
}

/*
 * Some kernels forget what they sent: with MSG_WAITALL a send that began well and then would have
 * to wait fails with EAGAIN, and the bytes that went would go twice (Linux 5.10.223; 6.1 is right).
 * Without the flag their number is told.
 */
static int sends_try(struct uring *uring)
{
	static char
		more_than_fits[64 * 1024]; /* not const: it takes no room in the program's file */
	struct io_uring_sqe *sqe = sqe_get(uring, 1);
	struct io_uring_cqe cqe = {};
	const int small = 4096; /* bytes */
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	io_uring_prep_send(sqe, pair[0], more_than_fits, sizeof(more_than_fits),
		MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
	sqe_tag(sqe, NULL, TAG_SETUP);
	r = setup_wait(uring, &cqe);
	close(pair[0]);
	close(pair[1]);
	if (r < 0)
		return r;
	uring->whole = cqe.res > 0 ? MSG_WAITALL : 0;
	uring->has_silence = uring->whole && uring->ring.features & IORING_FEAT_CQE_SKIP;
	return 0;
}

static int opcodes_check(struct uring *uring)
{
	static const int needed[] = { IORING_OP_RECV, IORING_OP_SEND, IORING_OP_ACCEPT,
		IORING_OP_LINK_TIMEOUT, IORING_OP_ASYNC_CANCEL, IORING_OP_POLL_ADD,
		IORING_OP_PROVIDE_BUFFERS };
	struct io_uring_probe *probe = io_uring_get_probe_ring(&uring->ring);
	bool has_all = probe != NULL;

	for (size_t i = 0; has_all && i < ARRAY_SIZE(needed); i++)
		has_all = io_uring_opcode_supported(probe, needed[i]);
	if (probe)
		io_uring_free_probe(probe);
	return has_all ? 0 : -ENOSYS;
}

static int ring_init(struct uring *uring, unsigned entries)
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

		r = io_uring_queue_init_params(entries, &uring->ring, &params);
		uring->loop.features.is_single_issuer = tries[i] & IORING_SETUP_SINGLE_ISSUER;
		uring->loop.features.is_defer_taskrun = tries[i] & IORING_SETUP_DEFER_TASKRUN;
	}
	if (r < 0)
		return r;
	uring->has_ring = true;
	/* Saves looking up the ring's file at every pass; what cannot do it goes on without. */
	(void)io_uring_register_ring_fd(&uring->ring);
	uring->timeouts = calloc(*uring->ring.sq.kring_entries, sizeof(*uring->timeouts));
	return uring->timeouts ? 0 : -ENOMEM;
}

static int uring_init(struct uring *uring, const struct loop_options *options)
{
	int r;

	r = ring_init(uring, options->entries);
	if (r < 0)
		return r;
	r = opcodes_check(uring);
	if (r < 0)
		return r;
	r = buffers_init(uring);
	if (r < 0)
		return r;
	r = sends_try(uring);
	if (r < 0)
		return r;
	if (options->receive == LOOP_RECEIVE_ONESHOT)
		return 0;
	r = multishot_try(uring);
	if (r < 0)
		return r;
	return options->receive == LOOP_RECEIVE_MULTISHOT &&
			       !uring->loop.features.is_receive_multishot
		       ? -EOPNOTSUPP
		       : 0;
}

/* --- listening sockets --- */

static void accept_arm(struct loop_accept *accept)
{
	struct uring *uring = uring_of(accept->loop);
	struct io_uring_sqe *sqe = sqe_get(uring, 1);

	accept->is_multishot = uring->loop.features.is_accept_multishot;
	accept->is_armed = true;
	if (accept->is_multishot)
		io_uring_prep_multishot_accept(sqe, accept->fd, NULL, NULL, SOCK_CLOEXEC);
	else
		io_uring_prep_accept(sqe, accept->fd, NULL, NULL, SOCK_CLOEXEC);
	sqe_tag(sqe, accept, TAG_ACCEPT);
}

static void accept_disarm(struct loop_accept *accept)
{
	op_cancel(uring_of(accept->loop), accept, TAG_ACCEPT);
}

static void accept_completed(struct loop_accept *accept, const struct io_uring_cqe *cqe)
{
	bool passes = true;

	if (!(cqe->flags & IORING_CQE_F_MORE))
		accept->is_armed = false;
	if (cqe->res == -EINVAL && accept->is_multishot)
		accept->loop->features.is_accept_multishot = false;
	else
		passes = loop_accepted(accept, cqe->res);
	if (accept->is_armed)
		return;
	if (accept->is_stopping)
		loop_accept_finish(accept);
	else if (passes)
		accept_arm(accept);
}

/* --- receiving --- */

static void receive_arm(struct loop_stream *stream)
{
	struct uring *uring = uring_of(stream->loop);
	bool is_multishot = uring->loop.features.is_receive_multishot;
	bool is_linked = !is_multishot && stream->receive_deadline_ns != CLOCK_NEVER;
	struct io_uring_sqe *sqe = sqe_get(uring, is_linked ? 2 : 1);

	if (is_multishot)
		io_uring_prep_recv_multishot(sqe, stream->fd, NULL, 0, 0);
	else
		io_uring_prep_recv(sqe, stream->fd, NULL, uring->buffer_bytes, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
	sqe_tag(sqe, stream, TAG_RECEIVE);
	if (is_linked)
		sqe_link_timeout(uring, sqe, stream->receive_deadline_ns);
	stream->linked_deadline_ns = is_linked ? stream->receive_deadline_ns : CLOCK_NEVER;
	stream->is_receive_armed = true;
	stream->ops_in_progress++;
}

static void receive_disarm(struct loop_stream *stream)
{
	op_cancel(uring_of(stream->loop), stream, TAG_RECEIVE);
}

static void receive_completed(struct loop_stream *stream, const struct io_uring_cqe *cqe)
{
	struct uring *uring = uring_of(stream->loop);
	bool has_buffer = cqe->flags & IORING_CQE_F_BUFFER;
	unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		assert(stream->ops_in_progress > 0);
		stream->is_receive_armed = false;
		stream->ops_in_progress--;
	}
	/* Without buffers nothing is lost: this batch's are back when it is armed again. */
	if (cqe->res == -ENOBUFS)
		loop_stat_count(&uring->loop.stats.buffers_exhausted);
	else if (!stream->is_closing)
		loop_received(stream,
			has_buffer ? uring->buffers + (size_t)id * uring->buffer_bytes : NULL,
			cqe->res);
	if (has_buffer)
		buffer_return(uring, id);
	loop_receive_continue(stream);
	loop_close_when_idle(stream);
}

/* --- sending --- */

/* Sends, and waits for room under a linked timeout. */
static void send_arm(struct loop_stream *stream)
{
	struct uring *uring = uring_of(stream->loop);
	struct io_uring_sqe *sqe = sqe_get(uring, 2);

	io_uring_prep_send(sqe, stream->fd, stream->sending.data, stream->sending.len,
		MSG_NOSIGNAL | uring->whole);
	sqe_tag(sqe, stream, TAG_SEND);
	sqe_link_timeout(uring, sqe, stream->send_deadline_ns);
	stream->is_send_armed = true;
	stream->ops_in_progress++;
}

/*
 * The first try takes what the socket's buffer has room for and never waits: nearly every response
 * fits, and a linked timeout with its own completion would cost 6 % of a request. What does not
 * fit is a failure (MSG_WAITALL) that is told even when success is silent.
 */
static void send_try(struct loop_stream *stream, bool is_lazy)
{
	struct uring *uring = uring_of(stream->loop);
	struct io_uring_sqe *sqe = sqe_get(uring, 1);

	io_uring_prep_send(sqe, stream->fd, stream->sending.data, stream->sending.len,
		MSG_NOSIGNAL | MSG_DONTWAIT | uring->whole);
	sqe_tag(sqe, stream, TAG_SEND);
	if (is_lazy && uring->has_silence) {
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
		stream->is_send_silent = true;
		stream->sent_next = uring->silent;
		uring->silent = stream;
	}
	stream->is_send_armed = true;
	stream->ops_in_progress++;
}

/* It failed, which is rare, so the list is short of nothing but a way back. */
static void silent_remove(struct uring *uring, struct loop_stream *stream)
{
	struct loop_stream **link = &uring->silent;

	if (!stream->is_send_silent)
		return;
	while (*link != stream)
		link = &(*link)->sent_next;
	*link = stream->sent_next;
	stream->is_send_silent = false;
}

static void send_completed(struct loop_stream *stream, int r)
{
	assert(stream->ops_in_progress > 0);
	stream->is_send_armed = false;
	stream->ops_in_progress--;
	if (r > 0)
		stream->sending = str_skip(stream->sending, (size_t)r);
	if (r >= 0 && stream->sending.len == 0) {
		loop_sent(stream, 0);
		return;
	}
	/* Part of it went, or the linked timeout fired: the rest has the rest of the time. */
	if (r >= 0 || r == -EAGAIN || r == -ECANCELED || r == -EINTR) {
		if (stream->loop->now_ns < stream->send_deadline_ns && !stream->is_closing) {
			stream->has_waited = true;
			send_arm(stream);
			return;
		}
		r = -ETIME;
	}
	loop_sent(stream, r);
}

static void send_hurry(struct loop_stream *stream)
{
	if (stream->is_send_silent)
		stream->loop->is_hurried = true;
}

/* --- streams --- */

static int stream_open(_unused_ struct loop_stream *stream)
{
	return 0;
}

static void stream_abort(struct loop_stream *stream)
{
	struct uring *uring = uring_of(stream->loop);

	send_hurry(stream);
	/* This ends armed operations at once, submitted or not; a dead socket refuses it. */
	if (stream->ops_in_progress == 0 || shutdown(stream->fd, SHUT_RDWR) == 0)
		return;
	if (stream->is_receive_armed)
		op_cancel(uring, stream, TAG_RECEIVE);
	if (stream->is_send_armed)
		op_cancel(uring, stream, TAG_SEND);
}

void loop_stream_reset(struct loop_stream *stream)
{
	const struct linger none = { .l_onoff = 1, .l_linger = 0 };

	if (!stream->is_closing)
		(void)setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	loop_stream_close(stream);
}

/* --- the pass --- */

static void wake_completed(struct uring *uring)
{
	uint64_t value;

	/* Empties it, or the next poll fires at once; what it says is in the inbox. */
	if (read(uring->loop.inbox->wake_fd, &value, sizeof(value)) < 0)
		assert(errno == EAGAIN || errno == EINTR);
	wake_arm(uring);
}

static void completion_handle(struct uring *uring, const struct io_uring_cqe *cqe)
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
		silent_remove(uring, stream);
		send_completed(stream, cqe->res);
		break;
	case TAG_ACCEPT:
		assert(accept->magic == LOOP_ACCEPT_MAGIC);
		accept_completed(accept, cqe);
		break;
	case TAG_WAKE:
		wake_completed(uring);
		break;
	case TAG_BUFFER:
		if (cqe->res < 0) /* short of memory: it must not be lost for that */
			buffer_return(uring, (unsigned)(cqe->user_data >> 3));
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
static unsigned silent_handle(struct uring *uring, unsigned ready)
{
	struct loop_stream *stream, *next;
	unsigned count = 0, head, seen = 0;
	struct io_uring_cqe *cqe;

	if (!uring->silent || io_uring_sq_ready(&uring->ring) > 0 ||
		io_uring_cq_has_overflow(&uring->ring))
		return 0;
	io_uring_for_each_cqe(&uring->ring, head, cqe)
	{
		if (seen++ == ready)
			break;
		if ((cqe->user_data & TAG_MASK) == TAG_SEND) {
			stream = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)TAG_MASK);
			silent_remove(uring, stream);
		}
	}
	for (stream = TAKE(uring->silent); stream; stream = next) {
		next = stream->sent_next; /* on_sent may send again */
		stream->is_send_silent = false;
		send_completed(stream, (int)stream->sending.len);
		count++;
	}
	return count;
}

static unsigned uring_handle(struct loop *loop)
{
	struct uring *uring = uring_of(loop);
	unsigned ready = io_uring_cq_ready(&uring->ring), handled = 0, silent;
	struct io_uring_cqe *cqe, copy;

	loop->is_hurried = false;
	silent = silent_handle(uring, ready);
	while (handled < ready && io_uring_peek_cqe(&uring->ring, &cqe) == 0) {
		copy = *cqe;
		io_uring_cqe_seen(&uring->ring, cqe);
		completion_handle(uring, &copy);
		handled++;
	}
	return handled + silent;
}

static int submit_and_wait(struct uring *uring, uint64_t timeout_ns)
{
	struct __kernel_timespec timeout = timespec_of(timeout_ns);
	struct io_uring_cqe *cqe;

	if (timeout_ns == 0)
		return io_uring_submit_and_get_events(&uring->ring);
	if (timeout_ns == CLOCK_NEVER)
		return io_uring_submit_and_wait(&uring->ring, 1);
	return io_uring_submit_and_wait_timeout(&uring->ring, &cqe, 1, &timeout, NULL);
}

static int uring_wait(struct loop *loop, uint64_t timeout_ns)
{
	struct uring *uring = uring_of(loop);
	int r;

	if (io_uring_cq_has_overflow(&uring->ring))
		loop_stat_count(&loop->stats.completion_overflows);
	/* Nothing wakes us for silent sends, and nobody waits for them longer than a tick. */
	if (uring->silent)
		timeout_ns = MIN(timeout_ns, WHEEL_TICK_MS * NS_PER_MS);
	r = submit_and_wait(uring, timeout_ns);
	return r == -ETIME || r == -EINTR || r == -EBUSY || r == -EAGAIN ? 0 : MIN(r, 0);
}

/* --- start and end --- */

static void uring_free(struct loop *loop)
{
	struct uring *uring = uring_of(loop);

	if (uring->has_ring)
		io_uring_queue_exit(&uring->ring);
	claim_end(uring->buffer_ring);
	claim_end(uring->buffers);
	if (uring->buffer_ring)
		munmap(uring->buffer_ring, uring->buffer_ring_bytes);
	if (uring->buffers)
		munmap(uring->buffers, (size_t)uring->buffer_count * uring->buffer_bytes);
	free(uring->timeouts);
	free(uring);
}

/* What did not fit into the ring of completions: the kernel keeps it aside. */
static bool is_behind(const struct loop *loop)
{
	const struct uring *uring = container_of(loop, struct uring, loop);

	return io_uring_cq_has_overflow(&uring->ring) || io_uring_cq_ready(&uring->ring) > 0;
}

static const struct loop_engine engine = {
	.name = "io_uring",
	.free = uring_free,
	.wait = uring_wait,
	.handle = uring_handle,
	.accept_start = accept_arm,
	.accept_stop = accept_disarm,
	.open = stream_open,
	.receive_start = receive_arm,
	.receive_stop = receive_disarm,
	.send = send_try,
	.hurry = send_hurry,
	.is_behind = is_behind,
	.abort = stream_abort,
};

int loop_uring_new(const struct loop_options *options, struct inbox *inbox, struct loop **ret_loop)
{
	_cleanup_(loop_free_p) struct loop *loop = NULL;
	struct uring *uring = calloc(1, sizeof(*uring));
	int r;

	assert(options->entries >= 2); /* a chain must fit */
	assert(options->receive_buffers > 0 && options->receive_buffers <= 32768);
	assert((options->receive_buffers & (options->receive_buffers - 1)) == 0);
	assert(options->receive_buffer_bytes > 0);
	if (!uring)
		return -ENOMEM;
	loop = &uring->loop;
	loop_init(loop, &engine, inbox);
	uring->buffer_count = options->receive_buffers;
	uring->buffer_bytes = options->receive_buffer_bytes;
	loop->features.is_accept_multishot = true; /* until an accept is refused */
	r = uring_init(uring, options);
	if (r < 0)
		return r;
	wake_arm(uring);
	*ret_loop = TAKE(loop);
	return 0;
}
