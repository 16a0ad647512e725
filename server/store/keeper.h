/*
 * Whether the store works: what calls report, and a thread that probes it every few seconds and
 * throws away what has ended.
 */
#pragma once

#include "store/store_backend.h"

enum keeper_part { KEEPER_READING, KEEPER_WRITING, KEEPER_PARTS };

/* Where calls of a part wait: store_open.c. */
struct job_queue *store_queue(enum keeper_part part);

/* Starts the thread on this connection, after a first probe; the connection stays the caller's. */
int keeper_start(const struct store_backend *backend, void *connection, void (*on_minute)(void));
void keeper_stop(void);

/*
 * Any thread: how a call ended. Cheap while all is well. A part that failed is down until a call or
 * a probe of the same part succeeds: readers do not hide that nothing can be written.
 */
void keeper_report(enum keeper_part part, int result, const char *reason);
