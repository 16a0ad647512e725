/*
 * Private to the loop: what loop.c, which has everything that is the same on every kernel, asks of
 * an engine (loop_uring.c, loop_epoll.c). An engine embeds struct loop as its first member.
 */
#pragma once

#include "core/inbox.h"
#include "core/loop.h"

struct loop_engine {
	const char *name;
	void (*free)(struct loop *loop);

	/* Starts what was asked for and waits for events, at most timeout_ns; 0 polls, CLOCK_NEVER
	 * has no end. A negative error ends the loop. */
	int (*wait)(struct loop *loop, uint64_t timeout_ns);
	/* Runs the callbacks of what has come by then, no more: timers and messages must get their
	 * turn. */
	unsigned (*handle)(struct loop *loop);

	void (*accept_start)(struct loop_accept *accept);
	/* Ends accepting; loop_accept_finish() comes from a later pass. */
	void (*accept_stop)(struct loop_accept *accept);

	/* The descriptor is set. -errno: the stream can do nothing but be closed. */
	int (*open)(struct loop_stream *stream);
	/* Sets is_receive_armed, and linked_deadline_ns when the kernel watches the deadline too.
	 */
	void (*receive_start)(struct loop_stream *stream);
	/* What is on its way may still come; clears is_receive_armed at its end. */
	void (*receive_stop)(struct loop_stream *stream);
	/* Sets is_send_armed; loop_sent() at the end. */
	void (*send)(struct loop_stream *stream, bool is_lazy);
	void (*hurry)(struct loop_stream *stream);
	/* May something that has come not have been handled yet, and be found nowhere else? */
	bool (*is_behind)(const struct loop *loop);
	/* Makes what is in progress end soon; loop_close_when_idle() when it has. */
	void (*abort)(struct loop_stream *stream);
};

struct loop {
	const struct loop_engine *engine;
	struct inbox *inbox;
	struct wheel wheel;
	uint64_t now_ns;
	struct loop_features features;
	struct loop_stats stats;
	struct loop_stream *closed; /* wait for on_closed */
	bool is_hurried;            /* something can be done at once: do not sleep */
};

int loop_uring_new(const struct loop_options *options, struct inbox *inbox, struct loop **ret_loop);
int loop_epoll_new(const struct loop_options *options, struct inbox *inbox, struct loop **ret_loop);
void loop_init(struct loop *loop, const struct loop_engine *engine, struct inbox *inbox);

static inline void loop_stat_count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* A connection (fd >= 0) or a failure. True: it passes and accepting may go on at once; false: it
 * goes on after a pause, by accept_start(). */
bool loop_accepted(struct loop_accept *accept, int fd);
/* Nothing of it is in progress any more. */
void loop_accept_finish(struct loop_accept *accept);

/* n > 0 bytes, 0 the end, -errno; -ECANCELED and -EINTR: look at the deadline. */
void loop_received(struct loop_stream *stream, const char *data, int n);
/* Receiving is not armed any more, or was never: arms it and the deadline if anybody wants them. */
void loop_receive_continue(struct loop_stream *stream);
/* All was sent (0) or not (-errno). */
void loop_sent(struct loop_stream *stream, int result);
/* Call when ops_in_progress has become less. */
void loop_close_when_idle(struct loop_stream *stream);
