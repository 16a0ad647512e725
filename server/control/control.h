/*
 * The operator's socket: a thread of its own that answers authctl, so that a stuck core can still
 * be diagnosed. This file is what main() needs; how a connection speaks is dialog.h, who may do
 * what is peer.h, what the commands answer is handlers.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "shared/commands.h"

struct core;
struct http_server;

/* What the commands must know of the rest of the daemon. Copied; texts must outlive control. */
struct control_context {
	const char *version, *commit; /* what it was built from; "unknown" */
	const char *boot;             /* unique to this process: a UUID */
	const char *config_path;      /* "" when none was read */
	uint64_t started_ns;          /* clock_now_ns() at start */
	int64_t started_wall_ms;
	const char *engine;     /* what the loops run on */
	const char *engine_why; /* loop_why() */
	bool is_multishot;      /* receives */
	/* Called on the control thread, never NULL: */
	bool (*is_draining)(void);
	struct http_server *(*http_of)(struct core *core); /* NULL while the core starts or ends */
};

struct control_options {
	const struct config *config;          /* in use; copied */
	const struct config_origins *origins; /* where it came from; copied */
	/* Takes over what needs no restart; as live_apply() of live.h. */
	int (*apply)(const struct config *config);
	/* 0, or -EINVAL and *errors says what the parts that start with it would not take. in_force
	 * (NULL: none): what is the same there need not be tried again. */
	int (*check)(
		const struct config *config, const struct config *in_force, struct buf *errors);
	struct control_context context;
};

/* Each holds a file descriptor and up to two lines of buffer. */
#define CONTROL_SESSIONS_MAX 32
#define CONTROL_SESSIONS_PER_UID_MAX 8
/* So that a leaking monitor cannot lock the operator out. */
#define CONTROL_SESSIONS_KEPT_FOR_ROOT 2
/* Long enough for an operator to think, short enough that forgotten shells end. */
#define CONTROL_IDLE_MS (15 * 60 * 1000)

/*
 * Binds the socket and starts the thread; after cores_start(). 0; -EADDRINUSE when a live daemon
 * listens there, or another error, with a sentence for the operator in *ret_why (valid until the
 * next call).
 */
int control_start(const struct control_options *options, const char **ret_why);

/* What is still missing for a level: "membership in group 'authctl-admin' gives it". */
const char *control_group_hint(enum command_level level);

/* Closes every connection, ends the thread, removes the socket. Before the cores are freed. */
void control_stop(void);
