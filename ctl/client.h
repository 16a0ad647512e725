/*
 * One connection to the daemon: hello, requests, the frames of their answers. Says on standard
 * error what goes wrong, unless it is told to be silent (completion), and turns everything into an
 * exit code.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/buf.h"
#include "shared/commands.h"
#include "shared/json.h"
#include "shared/outcome.h"

struct client {
	int fd; /* -1: not connected */
	bool is_silent;
	struct buf in;
	struct arena arena; /* of the frame being looked at */
	uint64_t deadline_ns;
	int64_t next_id;
	int passed_fd; /* that came with an answer; -1 none */
	/* From hello: */
	char boot[64], level[16], version[32];
	uint64_t generation;
};

struct client_request {
	const struct command *command;
	struct str args; /* a JSON object */
	bool is_dry_run;
	const char *yes;    /* what was confirmed; NULL nothing */
	const char *key;    /* of a change; NULL none */
	int64_t generation; /* that is expected; -1 any */
	uint64_t timeout_ms;
};

/* Who gets the rows and the elements of streams; a row lives until the call returns. */
struct client_sink {
	void (*row)(const struct json *row, void *arg);
	void (*event)(const struct json *frame, void *arg); /* NULL: none are expected */
	/* A sentence that came with the end; NULL: not wanted. */
	void (*notice)(struct str text, void *arg);
	void *arg;
};

/* Set by the handler of SIGINT and SIGTERM: what waits ends with EXIT_INTERRUPTED. */
extern volatile int client_interrupted;

/* EXIT_DONE, or what the process ends with. */
int client_open(struct client *client, const char *socket_path, uint64_t timeout_ms);
int client_run(struct client *client, const struct client_request *request,
	const struct client_sink *sink);
/* Accepts one that is not open. */
void client_close(struct client *client);
