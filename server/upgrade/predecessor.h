/*
 * The daemon that we follow, when it started us itself (successor.h): what it must have done before
 * we go on, and what is otherwise as long as it has not ended. handover.h has the conversation.
 */
#pragma once

#include <stdbool.h>

/* First thing in main(): is there one? -EINVAL: the variable is not what one would set. */
int predecessor_read(void);

/* When descriptors have been inherited, before the first connection: the keys of TLS tickets that
 * it handed over, so that its clients' sessions go on with us. */
void predecessor_tickets_take(void);

/* Where errors of operators' interest go while it listens to our standard error; -1: there. */
int predecessor_stderr(void);

/* How many upgrades there were before this daemon. */
unsigned predecessor_upgrades(void);

/* It has not ended yet. Any thread. */
bool predecessor_is_there(void);

/*
 * Everything is started and the cores are held: says so, waits until it accepts no more, and opens
 * the cores. 0 also when it has gone; -ETIMEDOUT: it will go on alone, and we must end. Without a
 * predecessor all of these do nothing.
 */
int predecessor_follow(void);

/* Waits until the operator's socket, the audit file and the place of the main process are free. */
void predecessor_free_await(void);

/* Watches for its end on a thread, and calls on_end() on that. Caches are emptied again and again
 * until then. */
void predecessor_watch(void (*on_end)(void));

/* Main thread, at our own end. */
void predecessor_unwatch(void);
