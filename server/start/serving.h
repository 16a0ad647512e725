/* The cores, and the HTTP server that each of them runs. */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "http/server.h"

struct core;

/* Everything must stay until the cores have ended. */
struct serving_options {
	const struct config *config;
	const struct http_trust *trust;
	bool is_held;                 /* sockets are open, but nothing is accepted: doors_open() */
	bool (*is_handed_over)(void); /* asked when it drains: does another daemon serve already? */
};

/* Opens the sockets and starts the cores. 0, or an error after a sentence on standard error. */
int serving_start(const struct serving_options *options);

/* NULL before it has started. Any thread. */
struct http_server *serving_on(struct core *core);
bool serving_is_draining(void);
