/*
 * The event loop of one core, and sockets on it. Completion style: start an operation, get a
 * callback. Two engines fit behind this header: loop_uring.c, and loop_epoll.c for where io_uring
 * is forbidden. Not for threads: every call is made on the loop's own thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wheel.h"
#include "shared/macros.h"
#include "shared/str.h"

struct loop;
struct inbox;

enum loop_receive {
	LOOP_RECEIVE_AUTO,      /* multishot where the kernel has it */
	LOOP_RECEIVE_MULTISHOT, /* -EOPNOTSUPP where absent */
	LOOP_RECEIVE_ONESHOT,   /* each receive under a linked timeout */
};

enum loop_engine_choice {
	LOOP_ENGINE_AUTO, /* io_uring; epoll where that is forbidden or absent */
	LOOP_ENGINE_URING,
	LOOP_ENGINE_EPOLL,
};

/* All but the first are io_uring's. */
struct loop_options {
	enum loop_engine_choice engine;
	unsigned entries; /* submission queue */
	enum loop_receive receive;
	unsigned receive_buffers; /* shared by all sockets of this core; a power of two */
	unsigned receive_buffer_bytes;
};

struct loop_stats {
	_Atomic uint64_t submission_full, completion_overflows, buffers_exhausted;
};

/* What was chosen, for `authctl status` and the log. */
struct loop_features {
	const char *engine; /* "io_uring", "epoll" */
	int fallback_error; /* why io_uring was not taken; 0 when it was, or was not wanted */
	bool is_single_issuer, is_defer_taskrun;
	bool is_receive_multishot, is_accept_multishot, is_buffer_ring;
};

/*
 * Makes the loop of the calling thread. With LOOP_ENGINE_URING -EPERM, -ENOSYS: io_uring is
 * forbidden or absent here; -ENOMEM: the memlock limit; loop_error_remedy() has a sentence for the
 * operator.
 */
int loop_new(const struct loop_options *options, struct inbox *inbox, struct loop **ret_loop);
void loop_free(struct loop *loop);
CLEANUP_P(loop_free, struct loop)
const char *loop_error_remedy(int error);
/* Why it is this engine, in words for the operator. */
const char *loop_why(const struct loop_features *features);

struct wheel *loop_wheel(struct loop *loop);
const struct loop_features *loop_features(const struct loop *loop);
const struct loop_stats *loop_stats(const struct loop *loop);

/*
 * One pass: submits what was started, waits for completions, inbox messages or the next timer, and
 * runs their callbacks. *ret_busy_ns is the time from the end of the previous pass's wait to the
 * beginning of this one's. Number of callbacks or a negative error.
 */
int loop_turn(struct loop *loop, uint64_t *ret_busy_ns);

/* From a callback: the present pass does not sleep, however little there is to do. */
void loop_hurry(struct loop *loop);

/* When the latest wait ended: fresh enough for time-outs, costs nothing. */
uint64_t loop_now_ns(const struct loop *loop);

/* --- listening sockets --- */

#define LOOP_ACCEPT_MAGIC UINT32_C(0x4c414343)

struct loop_accept {
	uint32_t magic;
	int fd;
	/* fd >= 0: a connection, now the callee's. Negative: accept failed (-EMFILE, ...); it goes
	 * on. */
	void (*on_accept)(struct loop_accept *accept, int fd);
	void (*on_stopped)(struct loop_accept *accept); /* after loop_accept_stop(): may free it */
	/* Private to the backend: */
	struct loop *loop;
	struct timer retry;
	bool is_armed, is_multishot, is_stopping, is_holding;
};

/* Whether fd blocks is the engine's business. After on_stopped it may be started again. */
void loop_accept_start(struct loop *loop, struct loop_accept *accept, int fd);

/* on_accept for every client that is queued already, then on_stopped; neither from inside this
 * call. */
void loop_accept_stop(struct loop_accept *accept);

/* The same, but who is queued stays there, for whoever accepts from the socket next. */
void loop_accept_hold(struct loop_accept *accept);

/* --- connected sockets --- */

#define LOOP_STREAM_MAGIC UINT32_C(0x4c535452)

struct loop_stream {
	uint32_t magic;
	int fd;
	/*
	 * data: n > 0 bytes, valid during the call. n == 0: the peer has finished sending.
	 * n < 0: -ETIME (nothing came before the deadline; receiving goes on once a later deadline
	 * is set), or a socket error. May close the stream.
	 */
	void (*on_receive)(struct loop_stream *stream, const char *data, int n);
	/* All was sent (0), or it failed (-ETIME: the peer did not take it in time). May close. */
	void (*on_sent)(struct loop_stream *stream, int result);
	/* Nothing of the stream is in the kernel any more: its memory may go. */
	void (*on_closed)(struct loop_stream *stream);
	/* Private to the backend: */
	struct loop *loop;
	struct loop_stream *closed_next, *sent_next, *readable_next;
	uint64_t receive_deadline_ns;
	uint64_t linked_deadline_ns; /* what the armed receive's linked timeout was set to */
	struct timer deadline_timer;
	struct str sending;
	uint64_t send_deadline_ns;
	struct timer send_timer;
	int send_result;
	bool has_waited; /* the latest send: the peer did not take it at once; for on_sent() */
	bool is_receiving, is_receive_armed, is_send_armed, is_closing, is_eof, is_late;
	bool is_send_silent;                                           /* io_uring */
	bool is_readable, is_readable_listed, is_end_told, is_writing; /* epoll */
	uint8_t ops_in_progress;
};

/* Takes over fd, in blocking mode. The three callbacks must be set, nothing else. */
void loop_stream_open(struct loop *loop, struct loop_stream *stream, int fd);

/*
 * Receives until told to stop; either may be called at any time and is idempotent. A pause costs
 * nothing, but what is on its way is still delivered after it: one buffer, or with multishot the
 * few that the kernel fills before it is told. The deadline does not run during a pause.
 */
void loop_stream_receive(struct loop_stream *stream);
void loop_stream_receive_pause(struct loop_stream *stream);

/* on_receive(-ETIME) when nothing was received by then; CLOCK_NEVER for none. Cheap to move later.
 */
void loop_stream_deadline(struct loop_stream *stream, uint64_t deadline_ns);

/*
 * Sends all of data, which must stay until on_sent; one at a time. What the socket does not take at
 * once waits in the kernel under a linked timeout.
 */
void loop_stream_send(struct loop_stream *stream, struct str data, unsigned timeout_ms);

/*
 * The same for who does not wait for on_sent: it comes with the next event of this loop, within a
 * tick of the wheel. Spares a completion and half of the passes. loop_stream_hurry(): now it is
 * waited for.
 */
void loop_stream_send_lazily(struct loop_stream *stream, struct str data, unsigned timeout_ms);
void loop_stream_hurry(struct loop_stream *stream);

/* May something have arrived that was not received yet? Asks the kernel: for who is about to give
 * up, which nobody should while this loop itself is behind. */
bool loop_stream_has_input(const struct loop_stream *stream);

/* The peer sees the end of our data; it may go on sending. */
void loop_stream_finish(struct loop_stream *stream);

/* As loop_stream_close(), and what the peer has not taken yet is dropped: the kernel would keep up
 * to megabytes of it for minutes. */
void loop_stream_reset(struct loop_stream *stream);

/* Ends everything; on_closed comes from a later pass. Idempotent. */
void loop_stream_close(struct loop_stream *stream);
