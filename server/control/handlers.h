/*
 * What the daemon does for each row of shared/commands.c. A handler may ask every core first; its
 * answer is written once they have answered or a second has passed.
 */
#pragma once

#include "control/dialog.h"

struct core;

struct handler {
	const char *command;
	/* Runs on every core before answer; NULL: the cores are not asked. */
	void (*on_core)(struct core *core, void *answer);
	size_t answer_bytes;
	/* Writes the rows, from counters and request->gather. */
	void (*answer)(struct control_request *request);
};

/* NULL when there is none. */
const struct handler *handler_find(struct str command);

/* Every command has a handler and every handler a command: NULL, or the name that has none. */
const char *handlers_check(void);

/* status.c */
void handle_status(struct control_request *request);
void handle_health(struct control_request *request);
/* lists.c */
void handle_core_list(struct control_request *request);
void handle_pool_list(struct control_request *request);
void handle_conn_list(struct control_request *request);
void conns_on_core(struct core *core, void *answer);
size_t conns_answer_bytes(void);
/* Where the cores find their servers; before the first conn list. */
void conns_context(const struct control_context *context);
