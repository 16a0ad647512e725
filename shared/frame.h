/*
 * authctl's protocol on the wire: one JSON object per line (UTF-8, '\n'). This file cuts a byte
 * stream into lines and reads and writes the frames of docs/authctl-protocol.md; both programs use
 * it. Sockets, levels and commands are elsewhere (server/control, ctl/client).
 */
#pragma once

#include "shared/arena.h"
#include "shared/buf.h"
#include "shared/json.h"

#define FRAME_PROTOCOL_MIN 1
#define FRAME_PROTOCOL_MAX 1
#define FRAME_REQUEST_BYTES_MAX (64 * 1024)  /* a line from a client */
#define FRAME_ANSWER_BYTES_MAX (1024 * 1024) /* a line from the daemon */
#define FRAME_KEY_BYTES_MAX 64               /* req_key: a UUID and some room */
#define FRAME_HEARTBEAT_MS 5000              /* of a request that lasts */

enum frame_type {
	FRAME_HELLO,  /* S: first, always */
	FRAME_REQ,    /* C: one command */
	FRAME_CANCEL, /* C: end a request */
	FRAME_HEAD,   /* S: the schema of the rows that follow */
	FRAME_ROW,    /* S: one row */
	FRAME_EVT,    /* S: one element of a stream */
	FRAME_HB,     /* S: a stream is alive */
	FRAME_END,    /* S: exactly once per request */
	FRAME_TYPES
};

/*
 * Takes the next whole line (without '\n') off a buffer that bytes are appended to. The line is
 * valid until the buffer changes; *ret_used is what buf_consume() takes afterwards, '\n' included.
 * 1 a line, 0 not yet, -ENOBUFS no '\n' within bytes_max.
 */
int frame_line(const struct buf *in, size_t bytes_max, struct str *ret_line, size_t *ret_used);

/* What a client says: a parsed req or cancel. Strings borrow from the arena. */
struct frame_request {
	enum frame_type type;    /* FRAME_REQ or FRAME_CANCEL */
	int64_t id;              /* 1 .. 2^53-1, chosen by the client */
	int64_t version;         /* v; 1 when missing */
	struct str command;      /* "pool.list" */
	const struct json *args; /* an object or NULL */
	int64_t deadline_ms;     /* 0: none given; at most 24 h */
	struct str req_key;      /* "" when none; at most FRAME_KEY_BYTES_MAX */
	struct str yes;          /* what was confirmed; "" nothing */
	int64_t generation;      /* if_gen: the configuration that is expected; -1 any */
	bool is_dry_run;
};

/*
 * Parses one line from a client under json_limits_frame. 0; -ERR_MALFORMED with a sentence that
 * says what is wrong in *ret_why (static text); -ENOMEM. Unknown keys are ignored, an unknown "t"
 * is not.
 */
int frame_parse_request(struct arena *arena, struct str line, struct frame_request *ret_request,
	const char **ret_why);

/* Any frame, for the client: its type and id (-1 for null or none) and the object itself. */
int frame_parse(struct arena *arena, struct str line, enum frame_type *ret_type, int64_t *ret_id,
	const struct json **ret_object);

/* "hello", "req", ...: the value of "t". */
const char *frame_type_name(enum frame_type type);
