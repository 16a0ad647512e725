/*
 * Store calls behind circuit breakers. Reading and writing have one each: a disk that is full or a
 * lock held by somebody else stops all writing, while sessions can still be looked up. Private to
 * store/; what others may know of it is in store.h.
 */
#pragma once

#include "store/keeper.h"

void store_guard_init(const struct store_options *options);
void store_guard_deinit(void);

/*
 * On a fiber: job_await(), unless the breaker refuses: then -ERR_STORE_DOWN at once and nothing is
 * queued. A call that has no answer within the call time-out fails with -ERR_STORE_DOWN too.
 */
int store_guard_await(enum keeper_part part, struct job_queue *queue, struct store_call *call);

/*
 * The keeper's: a ping of its counts as a call when enter says so, so that a breaker closes again
 * without clients too. ping_leave only after that.
 */
bool store_guard_ping_enter(enum keeper_part part, struct breaker_pass *ret_pass);
void store_guard_ping_leave(
	enum keeper_part part, const struct breaker_pass *pass, int result, const char *reason);

/* Is its breaker closed, as it should be? */
bool store_guard_is_closed(enum keeper_part part);
