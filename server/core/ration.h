/*
 * A dear step of a core that waits for nobody (checking a signature takes a tenth of a millisecond)
 * would stall all others when it comes in masses. A ration lets a few of them run in each pass of
 * the loop; the other fibers stand in line, and the loop serves its sockets in between.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/inbox.h"

struct ration_waiter;

struct ration {
	struct inbox *inbox; /* the core's own: what is sent there arrives in the next pass */
	unsigned per_turn;
	unsigned waiting_max;
	unsigned taken; /* in this pass */
	unsigned waiting;
	struct ration_waiter *first, *last;
	struct inbox_item turn;
	bool is_turn_sent;
	_Atomic uint64_t waited; /* calls that had to stand in line */
	_Atomic uint64_t refused;
};

/* It must stay while the core runs. */
void ration_init(
	struct ration *ration, struct inbox *inbox, unsigned per_turn, unsigned waiting_max);

/*
 * On a fiber: 0, the step may be done now; 1, it may be done now, after other fibers have run;
 * -ERR_OVERLOADED when waiting_max are in line; -ETIMEDOUT, -ERR_CANCELED.
 */
int ration_take_await(struct ration *ration);
