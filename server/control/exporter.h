/*
 * GET /metrics for Prometheus and its like, on a listener and a thread of its own: a scrape costs
 * the cores nothing, and is answered while they are busy or stuck.
 */
#pragma once

struct control_context;

/* One more is turned away. */
#define EXPORTER_CLIENTS_MAX 8
/* For a request to arrive and its answer to be taken. */
#define EXPORTER_TIMEOUT_MS 5000

/*
 * listen_at: "127.0.0.1:9464", or the path of a Unix socket. The context is copied; its texts must
 * outlive the exporter. After cores_start(). 0; -EINVAL: no address; -EADDRINUSE, ...
 */
int exporter_start(const char *listen_at, const struct control_context *context);
/* Before the cores are freed. */
void exporter_stop(void);
