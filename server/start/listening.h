/*
 * Which listening socket is served by which core. Sockets outlive a process: the service manager
 * keeps them over a restart, and an upgrade hands them to the next daemon, so that who connects
 * meanwhile waits instead of being refused. See core/inherit.h for how they come in.
 */
#pragma once

#include "config/config.h"
#include "http/server.h"

/*
 * In the order of cores, each socket named for what it serves and for one of them ("http-03",
 * "https-03", "redirect-03"):
 *
 * - A socket of that name and one of the addresses is taken over, else a new one is opened.
 * - What is left of an address is served too, by core number N modulo the cores: to close one of
 *   several that share an address would reset the clients that the kernel has queued at it.
 * - A socket of any other name (socket activation) replaces those of its address: each core gets a
 *   duplicate of it. At an address that is not configured it is logged and left alone.
 * - What is left of an address that is no longer configured is served until listening_retire().
 *
 * 0, -errno with the address in *ret_where, or -EMFILE: more than HTTP_LISTENERS_MAX for one core.
 * Main thread, before the cores start.
 */
int listening_start(
	const struct config *config, unsigned cores, int backlog, const char **ret_where);

/* What to do about an error of listening_start(); NULL: its own words say it. */
const char *listening_why(int error);

/* Any thread from then on: what this core serves. The number. */
struct listening_socket {
	int fd;
	enum http_listen kind;
};
unsigned listening_of(
	unsigned core, struct listening_socket ret_sockets[static HTTP_LISTENERS_MAX]);

/* Every socket that the next daemon is to have, each once. Before the cores drain. */
void listening_each(void (*visit)(int fd, const char *name, void *arg), void *arg);

/* The service manager is told which of them to keep for the next process: observe/notify.h. */
void listening_keep(void);

/*
 * Closes those of addresses that are no longer configured, once the clients that are queued at them
 * are served. When no other process has them any more: after listening_keep(), and when the daemon
 * that we follow has gone. Blocks for a moment, until the service manager has closed its own.
 */
void listening_retire(void);
