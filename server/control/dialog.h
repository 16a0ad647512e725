/*
 * One authctl connection on the control thread: cuts its input into frames, keeps its requests (up
 * to four at a time) and sends what they answer. Knows no command: running.h runs them. Not for
 * threads.
 */
#pragma once

#include "control/request.h"

#define DIALOG_REQUESTS_MAX 4
/* Answers waiting for a slow reader; one that needs more loses its connection. */
#define DIALOG_OUT_BYTES_MAX (1024 * 1024)
/* Above this no further request is read and no row is written: so a frame always has room. */
#define DIALOG_OUT_BYTES_HIGH (256 * 1024)
/* A parsed request line. */
#define DIALOG_ARENA_BYTES_MAX (1024 * 1024)

struct dialog {
	int fd; /* -1: a free slot */
	struct peer peer;
	const struct control_context *context;
	struct buf in, out;
	struct arena arena;
	uint64_t active_ns; /* last byte from the client */
	bool is_closing;    /* close when `out` is sent */
	int wake_fd;        /* cores write here when they have answered */
	int pass_fd;        /* to be sent with the next bytes; -1 none */
	struct control_request requests[DIALOG_REQUESTS_MAX];
};

/* Takes over a connected socket and queues hello. 0, -ENOMEM. */
int dialog_open(struct dialog *dialog, int fd, const struct peer *peer,
	const struct control_context *context, int wake_fd);

/* Frees everything and the slot; requests that wait are abandoned. */
void dialog_close(struct dialog *dialog, uint64_t now_ns);

/* What poll() shall wait for. */
short dialog_events(const struct dialog *dialog);

/* Has it been silent for too long? A stream that runs keeps it open. */
bool dialog_is_idle(const struct dialog *dialog, uint64_t now_ns);

/* The socket is ready: reads, runs, writes. 0, or negative: close it. */
int dialog_turn(struct dialog *dialog, short events, uint64_t now_ns);

/* When dialog_turn() must be called at the latest; CLOCK_NEVER for no reason. */
uint64_t dialog_next_ns(const struct dialog *dialog);

/* Writes hello and one error (id null) to a connection that gets no slot. Never waits. */
void dialog_refuse(int fd, const struct peer *peer, const struct control_context *context,
	const struct request_failure *failure);

/*
 * Passes a descriptor to the client beside the frame that is written next, and closes it. One at a
 * time: -EBUSY (it is closed, too).
 */
int dialog_pass(struct dialog *dialog, int fd);
