/*
 * What the load generator is to do: a JSON file, read and checked before anything is sent.
 *
 *   {"target": "127.0.0.1:8080", "seconds": 10, "warmup": 2, "seed": 1, "streams": [
 *     {"name": "login", "kind": "open", "rate": 160, "arrivals": "poisson", "timeout": 12,
 *      "method": "POST", "path": "/v1/auth/login", "headers": ["Content-Type: application/json"],
 *      "body": "{\"email\":\"user{n}@example.org\",\"password\":\"secret secret\"}", "numbers":
 * 500},
 *     {"name": "verify", "kind": "closed", "connections": 64, "path": "/v1/auth/verify",
 *      "headers": ["Authorization: Bearer {line}"], "lines": "tokens.txt"}]}
 *
 * A stream is requests of one shape. Kinds: "open" starts them at set times whatever happens to the
 * earlier ones; "closed" keeps a number of connections busy; "slow" holds connections open, writes
 * "bytes" every "interval" seconds to each and never reads (0 bytes: idle ones). {n} is the number
 * of the request, from 0, modulo "numbers"; {line} is the next line of the file, with "exclusive"
 * the next that no request under way has. With "renew": "refresh_token" the text that a 2xx has for
 * that key takes the place of the line, and a line whose request fails is not used again; such
 * lines are exclusive, and the file has those that are still good when the run is over. The target
 * is a loopback address, always.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "shared/arena.h"
#include "shared/buf.h"
#include "shared/str.h"

#define STREAMS_MAX 16
#define LINES_MAX 1000000
#define REQUEST_BYTES_MAX 65536

enum stream_kind { STREAM_OPEN, STREAM_CLOSED, STREAM_SLOW };

struct stream_plan {
	const char *name;
	enum stream_kind kind;
	uint64_t timeout_ns; /* from the moment a request should start to its last byte */

	/* open */
	double rate; /* per second */
	bool is_poisson;
	unsigned outstanding_max; /* one more is counted as unsent */
	bool is_reusing;          /* else a new connection for each request */

	/* closed, slow */
	unsigned connections;
	uint64_t interval_ns;
	unsigned bytes;

	/* the request */
	bool is_head;
	struct str head, body; /* with {n} and {line}; the head without its empty line */
	bool has_body;
	uint64_t numbers; /* 0: {n} never starts again */
	const struct str *lines;
	size_t line_count;
	bool is_exclusive;     /* a line is in one request at a time */
	struct str lines_path; /* the file they are from */
	struct str renewal;    /* "KEY":" of what takes the place of a line; empty: nothing does */
};

struct plan {
	struct sockaddr_storage address;
	socklen_t address_bytes;
	uint64_t seconds_ns, warmup_ns; /* the warm-up comes first and is not counted */
	uint64_t seed;
	struct stream_plan streams[STREAMS_MAX];
	unsigned stream_count;
	struct arena arena; /* what the streams point to */
};

/* 0, or a negative code after saying on stderr what is wrong. Free what was loaded in any case. */
int plan_load(const char *path, struct plan *plan);
void plan_deinit(struct plan *plan);

/* The line that the plan has for the nth request; empty when the stream has none. */
struct str request_line(const struct stream_plan *stream, uint64_t number);

/* The nth request of a stream with its line, appended. 0, -ENOBUFS, -ENOMEM. */
int request_render(
	const struct stream_plan *stream, uint64_t number, struct str line, struct buf *out);
