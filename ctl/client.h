/* One conversation with the daemon: connect, hello, a request, the frames of its answer. */
#pragma once

#include <stdint.h>

#include "shared/arena.h"
#include "shared/buf.h"
#include "shared/commands.h"
#include "shared/json.h"

/* AUTHCTL.md 2.6: stable. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
	EXIT_CONNECTION = 3,
	EXIT_PROTOCOL = 4,
	EXIT_PARTIAL = 5,
	EXIT_ANSWER_NO = 6,
	EXIT_PERMISSION = 8,
	EXIT_TIMEOUT = 9,
};

struct client {
	int fd;
	struct buf in;
	struct arena arena; /* of the frame being looked at */
	uint64_t deadline_ns;
	int64_t next_id;
};

/* Who gets the rows; row lives until the call returns. */
struct client_sink {
	void (*row)(const struct json *row, void *arg);
	void *arg;
};

/* These say on stderr what went wrong, and return an exit code. */
int client_open(struct client *client, const char *socket_path, uint64_t timeout_ms);
int client_run(struct client *client, const struct command *command, struct str args,
	const struct client_sink *sink);
void client_close(struct client *client);
