/*
 * GET /metrics for Prometheus and its like, on a listener and a thread of its own: a scrape costs
 * the cores nothing, and is answered while they are busy or stuck.
 */
#pragma once

#include <stdbool.h>

struct control_context;

/* One more is turned away. */
#define EXPORTER_CLIENTS_MAX 8
/* For a request to arrive and its answer to be taken. */
#define EXPORTER_TIMEOUT_MS 5000

/*
 * listen_at: "127.0.0.1:9464", or the path of a Unix socket. The context is copied; its texts must
 * outlive the exporter. inherited_fd: the listening socket of the daemon before us, taken over when
 * it is the configured one; -1: none. After cores_start(). 0; -EINVAL: no address; -EADDRINUSE, ...
 */
int exporter_start(const char *listen_at, int inherited_fd, const struct control_context *context);
/* The listening socket, for the next daemon; -1: it does not run. */
int exporter_socket(void);
/* Before the cores are freed. A socket that another daemon has is not removed. */
void exporter_stop(bool is_handed_over);
