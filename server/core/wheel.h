/*
 * Coarse timers of one core: a hashed wheel (Varghese and Lauck 1987) that the loop turns.
 * Deadlines are rounded up to a tick; arming, moving and cancelling cost O(1). Not for threads.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/clock.h"

/* 50 ms: fine enough for time-outs of seconds; 512 slots: one turn is 25.6 s, longer waits go
 * round. */
#define WHEEL_TICK_MS 50
#define WHEEL_SLOTS 512

struct timer {
	struct timer *next, *prev; /* NULL when not armed */
	uint64_t at_ns;
	void (*on_timer)(struct timer *timer);
};

struct wheel {
	struct timer slots[WHEEL_SLOTS];     /* list heads */
	uint64_t occupied[WHEEL_SLOTS / 64]; /* a bit for each slot that may have timers */
	uint64_t tick;                       /* the next tick to look at */
	unsigned armed;
};

void wheel_init(struct wheel *wheel, uint64_t now_ns);

/* Arms timer for at_ns, moving it when it is armed already. CLOCK_NEVER cancels it. */
void timer_set(struct wheel *wheel, struct timer *timer, uint64_t at_ns);
void timer_cancel(struct wheel *wheel, struct timer *timer);

static inline bool timer_is_armed(const struct timer *timer)
{
	return timer->next != NULL;
}

/* Runs every timer whose time has come; callbacks may arm and cancel any timer. */
void wheel_advance(struct wheel *wheel, uint64_t now_ns);

/* When wheel_advance() next has something to look at: at most one turn ahead; CLOCK_NEVER if empty.
 */
uint64_t wheel_next_ns(const struct wheel *wheel);
