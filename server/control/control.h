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

/* What became of an upgrade, one after the other. */
enum control_upgrade_end {
	UPGRADE_GOES_ON,
	UPGRADE_DONE,
	UPGRADE_FAILED,
	UPGRADE_BAD_CONFIG, /* failed, and the detail is what is wrong with which line */
};

struct control_upgrade_step {
	const char *name;
	int pid; /* of the next daemon; 0: there is none yet */
	uint64_t took_ns;
	enum control_upgrade_end end;
	char detail[1280]; /* may have several lines when it failed */
};

/* How this daemon is replaced by another: see upgrade/successor.h, whose functions these are. */
struct control_upgrade {
	const char *(*program)(void);
	int (*start)(uint64_t ready_ms);
	bool (*step)(unsigned seen, struct control_upgrade_step *ret_step);
	void (*told)(void);
	bool (*has_predecessor)(void);
	unsigned number; /* of upgrades before this daemon */
};

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
	const struct control_upgrade *upgrade;
};

struct control_options {
	const struct config *config;          /* in use; copied */
	const struct config_origins *origins; /* where it came from; copied */
	/* Takes over what needs no restart; as live_apply() of start/live.h. */
	int (*apply)(const struct config *config);
	/* 0, or -EINVAL and *errors says what the parts that start with it would not take. in_force
	 * (NULL: none): what is the same there need not be tried again. */
	int (*check)(
		const struct config *config, const struct config *in_force, struct buf *errors);
	struct control_context context;
	/* The listening socket of the daemon before us, taken over when it is the configured one;
	 * -1: none. */
	int inherited_fd;
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

/* Accepts nobody more: the next daemon will. The control thread. */
void control_shut(void);

/* The listening socket, for the next daemon; -1: it does not run. */
int control_socket(void);

/* Closes every connection, ends the thread, and removes the socket unless another daemon has it.
 * Before the cores are freed. */
void control_stop(bool is_handed_over);
