/*
 * One authctl connection on the control thread: cuts its input into frames, runs the requests (up
 * to four at a time, each may wait for cores), and queues the answers. Knows no command: handlers.h
 * does. Not for threads.
 */
#pragma once

#include "control/gather.h"
#include "control/peer.h"
#include "shared/buf.h"
#include "shared/json.h"

#define DIALOG_REQUESTS_MAX 4
/* Answers waiting for a slow reader; one that needs more loses its connection. */
#define DIALOG_OUT_BYTES_MAX (1024 * 1024)
/* Above this no further request is read: so the largest answer always has room. */
#define DIALOG_OUT_BYTES_HIGH (64 * 1024)
/* An element of a list answer is small; the parsed request lives beside it. */
#define DIALOG_ARENA_BYTES_MAX (256 * 1024)

struct control_context;
struct handler;
struct dialog;

struct control_request {
	struct dialog *dialog; /* NULL: a free slot */
	const struct handler *handler;
	int64_t id;
	uint64_t started_ns;
	unsigned rows;
	bool has_head, is_truncated;
	struct gather *gather; /* NULL when no core is asked */
	/* Arguments that commands have now; copied, because the line they came in goes. */
	char state[16]; /* conn.list --state; "" any */
	int64_t core;   /* --core; -1 any */
	struct json_writer writer;
	size_t row_at; /* where the row being written began: an incomplete one is taken back */
};

struct dialog {
	int fd; /* -1: a free slot */
	struct peer peer;
	const struct control_context *context;
	struct buf in, out;
	struct arena arena;
	uint64_t active_ns; /* last byte from the client */
	bool is_closing;    /* close when `out` is sent */
	int wake_fd;        /* cores write here when they have answered */
	struct control_request requests[DIALOG_REQUESTS_MAX];
};

/* Takes over a connected socket and queues hello. 0, -ENOMEM. */
int dialog_open(struct dialog *dialog, int fd, const struct peer *peer,
	const struct control_context *context, int wake_fd);

/* Frees everything and the slot; requests that wait are forgotten. */
void dialog_close(struct dialog *dialog);

/* What poll() shall wait for. */
short dialog_events(const struct dialog *dialog);

/* The socket is ready: reads, runs, writes. 0, or negative: close it. */
int dialog_turn(struct dialog *dialog, short events, uint64_t now_ns);

/* Answers the requests whose cores have all answered, or whose time is up. As dialog_turn(). */
int dialog_progress(struct dialog *dialog, uint64_t now_ns);

/* When dialog_progress() must be called at the latest; CLOCK_NEVER for no reason. */
uint64_t dialog_next_ns(const struct dialog *dialog);

/* Writes hello and one error (id null) to a connection that gets no slot. Never waits. */
void dialog_refuse(int fd, const struct peer *peer, const struct control_context *context,
	const char *code, struct str message, struct str hint);

/*
 * Answers. A row is what is put between begin and end. request_row_begin() says where to write.
 * Nothing reports errors: they stick in the writer, and a broken connection is closed afterwards.
 */
struct json_writer *request_row_begin(struct control_request *request);
void request_row_end(struct control_request *request);
