/*
 * Examples of a histogram: for each bucket of the exposition the last request whose trace was kept,
 * so that a dashboard leads from a slow bucket to a trace of it. One thread writes, any may read.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define EXEMPLARS 16 /* the buckets of exposition.h, the infinite one too */

struct exemplar {
	uint8_t trace[16];
	uint64_t ns;     /* what was recorded */
	int64_t wall_ms; /* when; 0: there is none */
};

/* All zero has none. */
struct exemplars {
	struct exemplar_slot {
		_Atomic uint32_t sequence; /* odd while it is being written */
		_Atomic uint64_t trace[2], ns;
		_Atomic int64_t wall_ms;
	} slots[EXEMPLARS];
};

/* Takes the place of the one before in its bucket. */
void exemplars_put(struct exemplars *exemplars, const struct exemplar *exemplar);

/* Replaces what is older in `into`. One that is being written right now is left out. */
void exemplars_merge(const struct exemplars *from, struct exemplar into[static EXEMPLARS]);
