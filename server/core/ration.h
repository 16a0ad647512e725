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
#include "core/registry.h"
#include "shared/list.h"

struct ration_options {
	const char *name;    /* static text: "signatures" */
	unsigned core;       /* index of the owner, for display */
	struct inbox *inbox; /* the core's own: what is sent there arrives in the next pass */
	unsigned per_turn;
	unsigned waiting_max;
};

struct ration {
	struct ration_options options;
	unsigned taken;           /* in this pass */
	_Atomic uint32_t waiting; /* any thread may read this and the counters */
	struct list waiters;
	struct inbox_item turn;
	bool is_turn_sent;
	_Atomic uint64_t waited; /* calls that had to stand in line */
	_Atomic uint64_t refused;
	struct registry_member member;
};

/* Registers it. It must stay where it is while the core turns, also after ration_deinit(). */
void ration_init(struct ration *ration, const struct ration_options *options);
void ration_deinit(struct ration *ration);

/* Calls visit for every ration, from any thread. visit must not make any. */
void ration_each(void (*visit)(const struct ration *ration, void *arg), void *arg);

/*
 * On a fiber: 0, the step may be done now; 1, it may be done now, after other fibers have run;
 * -ERR_OVERLOADED when waiting_max are in line; -ETIMEDOUT, -ERR_CANCELED.
 */
int ration_take_await(struct ration *ration);
