/*
 * One command in progress: its arguments, whom it waits for (cores, a fiber, time), and the frames
 * of its answer. A handler (handlers.h) fills it; a dialog (dialog.h) owns it. Not for threads.
 */
#pragma once

#include "control/errand.h"
#include "control/gather.h"
#include "control/peer.h"
#include "core/core.h"
#include "shared/arena.h"
#include "shared/buf.h"
#include "shared/commands.h"
#include "shared/frame.h"
#include "shared/json.h"
#include "shared/outcome.h"

/* Copies of arguments (a request line is 64 KiB) and the texts of a failure. */
#define REQUEST_ARENA_BYTES_MAX (256 * 1024)
/* When the client names no deadline. */
#define REQUEST_DEADLINE_MS 10000

struct control_context;
struct dialog;
struct handler;

struct request_value {
	bool is_set;
	struct str text;
	uint64_t number; /* of numbers; milliseconds of durations */
};

struct request_failure {
	enum outcome outcome; /* OUTCOME_OK: none */
	struct str message, hint;
	const char *argument; /* NULL none */
	enum command_level need;
};

struct control_request {
	bool is_used;
	struct dialog *dialog; /* NULL: its connection has gone */
	int wake_fd;           /* cores write here when they have answered */
	const struct control_context *context;
	const struct peer *peer;
	struct buf *out; /* frames go here */
	const struct command *command;
	const struct handler *handler;
	struct arena arena;
	struct request_value values[COMMAND_ARGUMENTS_MAX]; /* in the order of the table */
	struct str yes, req_key;
	int64_t id, generation; /* if_gen; -1 any */
	bool is_dry_run;
	uint64_t started_ns, deadline_ns;
	/* What it waits for. */
	struct gather *gather;
	struct errand *errand;
	uint64_t step_ns; /* when handler->step() is due; CLOCK_NEVER: not waiting for time */
	uint64_t heartbeat_ns;
	void *state; /* the handler's; freed with free() */
	/* What the handler wants to know of its end, however that comes; NULL: nothing. */
	void (*on_end)(struct control_request *request);
	/* Cores that were silent before the present gather, one bit each. */
	uint8_t silent[CORES_MAX / 8];
	/* The answer so far. */
	struct request_failure failure;
	struct json_writer writer;
	size_t row_at;         /* an incomplete frame is taken back to here */
	uint64_t rows, events; /* sent */
	bool has_head, is_truncated;
	struct str notice; /* a sentence for people, sent with the end */
	bool is_audited;   /* a record says that it began */
	uint64_t audit_seq;
};

/* --- arguments --- */

/* Copies and checks the arguments by the command's table. 0, or request->failure is set. */
int request_arguments(struct control_request *request, const struct json *args);

/* Of an argument in the table (anything else is a mistake of ours). */
const struct request_value *request_value(const struct control_request *request, const char *name);
struct str request_text(const struct control_request *request, const char *name); /* "" none */
uint64_t request_number(const struct control_request *request, const char *name, uint64_t fallback);
bool request_has(const struct control_request *request, const char *name);

/* --- asking others --- */

/* Asks every core, or one: see gather.h. A failure is noted. */
void request_ask(struct control_request *request, void (*on_core)(struct core *, void *),
	const void *question, size_t bytes);
void request_ask_one(struct control_request *request, struct core *core,
	void (*on_core)(struct core *, void *), const void *question, size_t bytes);

/* Runs something on a fiber of a core: see errand.h. */
void request_errand(struct control_request *request, void (*run_await)(void *data),
	const void *data, size_t bytes);

/* Runs something that blocks on a thread of its own: see errand_block(). Instead of the errand that
 * has been, whose data may be what is copied. */
void request_block(
	struct control_request *request, void (*run)(void *data), const void *data, size_t bytes);

/* --- the answer --- */

/*
 * A row, or an element of a stream, is what is put between begin and end. Nothing reports errors:
 * they stick in the writer, and a broken connection is closed afterwards.
 */
struct json_writer *request_row_begin(struct control_request *request);
void request_row_end(struct control_request *request);
/* lost: elements of the stream that were left out before this one. */
struct json_writer *request_event_begin(struct control_request *request, uint64_t lost);
void request_event_end(struct control_request *request);

/* Is there room for more, or does the client read too slowly? */
bool request_has_room(const struct control_request *request);

/* The command ends with an error. The texts are copied. */
void request_fail(struct control_request *request, enum outcome outcome, const char *hint,
	const char *format, ...) _printf_(4, 5);
void request_fail_argument(struct control_request *request, const char *argument,
	const char *format, ...) _printf_(3, 4);

/* Said on standard error when all went well. */
void request_notice(struct control_request *request, const char *format, ...) _printf_(2, 3);

/* Writes "head" once, and "end". 0 or -ENOBUFS, -ENOMEM. */
int request_head(struct control_request *request);
int request_end(struct control_request *request, uint64_t now_ns);
int request_heartbeat(struct control_request *request);

/* Releases what it holds and the slot. */
void request_free(struct control_request *request);

/* An "end" frame without a request: id 0 is written as null, an error of the connection. */
int failure_write(struct buf *out, int64_t id, const struct request_failure *failure);
