/*
 * The parts of a running load: streams with their counters, and connections. One thread, one
 * epoll. stream.c decides when requests start and counts how they end, conn.c moves their bytes,
 * run.c is the loop around both.
 */
#pragma once

#include <stdio.h>

#include "load/answer.h"
#include "load/plan.h"
#include "load/renewal.h"
#include "shared/histogram.h"
#include "shared/list.h"
#include "shared/macros.h"

/* How a request can end; every one that was sent ends in exactly one of these ways. */
enum outcome {
	OUTCOME_OK,          /* 2xx */
	OUTCOME_CLIENT,      /* 4xx but 429 */
	OUTCOME_LIMITED,     /* 429 */
	OUTCOME_OVERLOADED,  /* 503 */
	OUTCOME_OTHER,       /* 3xx, other 5xx */
	OUTCOME_TIMEOUT,     /* no whole answer in time, as the client sees it */
	OUTCOME_UNCONNECTED, /* no connection */
	OUTCOME_BROKEN,      /* the connection ended before the answer did, or it was no HTTP */
	OUTCOMES
};

extern const char *const outcome_names[OUTCOMES];

struct load;
struct stream;

struct conn {
	struct stream *stream;
	struct list_link link; /* in a list of the stream, or among the dead */
	int fd;                /* -1: closed */
	bool is_connected;
	bool is_busy;
	bool is_measured;
	uint64_t scheduled_ns; /* when the request should have started */
	uint64_t number;       /* of the request */
	struct buf out;
	size_t sent;
	struct answer answer;
	struct renewal *renewal; /* NULL when the stream's lines stay as they are */
};

struct stream {
	const struct stream_plan *plan;
	struct load *load;
	uint64_t random;
	uint64_t next_ns;        /* when the next request should start; CLOCK_NEVER: none will */
	uint64_t number;         /* of the next request */
	bool *lines_used;        /* by requests under way; NULL when that does not matter */
	struct buf *renewed;     /* what takes the place of each line; NULL: nothing does */
	struct list busy;        /* in the order of scheduled_ns */
	struct list idle;        /* the last used one is taken first */
	unsigned outstanding;    /* in busy */
	unsigned connections;    /* in busy and in idle */
	uint64_t connected;      /* connections ever opened */
	uint64_t sent;           /* started in the window */
	uint64_t unsent;         /* due in the window, but as many as allowed were under way */
	uint64_t ok_in_window;   /* 2xx that came within the window, whenever they started */
	uint64_t closed_by_peer; /* slow: connections that the server ended */
	uint64_t outcomes[OUTCOMES];
	struct histogram ok, refused, lost; /* latency: 2xx, other answers, no answer */
	struct histogram late; /* how long after its time a request really started: our own fault */
};

struct load {
	const struct plan *plan;
	int epoll;
	uint64_t now_ns; /* since the last look at the clock */
	uint64_t measured_ns, end_ns;
	struct stream streams[STREAMS_MAX];
	unsigned outstanding; /* of all streams */
	struct list dead;     /* closed in this turn: events for them may still be in hand */
};

/* Runs the plan. 0; -EMFILE (it may need more connections than it can have), -errno. */
int load_run(const struct plan *plan, struct load *load);

/* The connection of a link, or NULL. */
static inline struct conn *conn_of(struct list_link *link)
{
	return link ? container_of(link, struct conn, link) : NULL;
}

/* A connection that is being opened, or NULL: errno says why. */
struct conn *conn_open(struct stream *stream);
/* Closes; the memory goes with conns_bury(). It must be in no list. */
void conn_close(struct conn *conn);
void conns_bury(struct load *load);
/* Writes up to `bytes` of what is in out. 0: done or the socket is full; negative: it is broken. */
int conn_write(struct conn *conn, size_t bytes);
/* What epoll said. */
void conn_event(struct conn *conn, uint32_t events);

/* Prepares stream `index`, whose first request is due at start_ns. 0, -ENOMEM. */
int stream_init(struct load *load, unsigned index, uint64_t start_ns);
/* Starts what is due, ends what is too late. */
void stream_turn(struct stream *stream);
/* When stream_turn() must be called next, if nothing happens before. */
uint64_t stream_next_ns(const struct stream *stream);
/* A request ended. The connection is kept for others when is_usable. */
void request_end(struct conn *conn, enum outcome outcome, bool is_usable);
/* A connection without a request under way ended. */
void stream_conn_lost(struct conn *conn);
/* Where answers renewed lines: the file has the lines that are still good. 0, -errno. */
int stream_lines_write(const struct stream *stream);
/* Closes every connection; the counters stay. */
void stream_deinit(struct stream *stream);

/* Results as a table for people, and as JSON with everything. */
void report_table(struct load *load, FILE *out);
int report_json(struct load *load, struct buf *out);
