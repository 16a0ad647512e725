/*
 * One thread for what operators ask and that may block: the store's servers, indexes, plans. It
 * must hold up neither a core nor the control thread. Asked through request_block() (request.h).
 */
#pragma once

#include <stdint.h>

/* Of all operators together; each command asks once at a time. */
#define BLOCKING_QUEUED_MAX 8

struct blocking_item {
	struct blocking_item *next;
	void (*run)(struct blocking_item *item); /* on the thread; it may free the item */
};

/* With the control thread. 0 or negative errno. */
int blocking_start(void);

/* Runs what is queued (nobody waits for it any more), then ends the thread. */
void blocking_stop(void);

/* 0; -ERR_OVERLOADED: the queue is full; -ERR_DRAINING: the thread does not run. */
int blocking_submit(struct blocking_item *item);

/* For pool list; any thread. */
struct blocking_stats {
	uint64_t queued, running, done, refused;
};
struct blocking_stats blocking_stats(void);
