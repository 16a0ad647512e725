/*
 * A step that must not be cut in half: a change in the store and the news of it to the other cores.
 * Whoever asked for it may be cancelled or late; the step then goes on by itself, on a fiber of its
 * own, until it is done.
 */
#pragma once

#include <stddef.h>

struct fiber_pool;

#define SHIELD_ARG_BYTES_MAX 8192
/* How much longer than its caller a step may wait: what a disk that stutters needs. */
#define SHIELD_EXTRA_MS 30000

/*
 * On a fiber: runs step_await(arg) on another fiber of the pool and waits for it; what it has
 * written to arg is there afterwards. arg is copied both ways and wiped: it must point to nothing
 * that goes with the caller. The step's own result; -ERR_OVERLOADED, -ENOMEM (it has not begun);
 * -ETIMEDOUT, -ERR_CANCELED of the caller (it goes on, and arg is as it was).
 */
int shield_await(
	struct fiber_pool *pool, int (*step_await)(void *arg), void *arg, size_t arg_bytes);
