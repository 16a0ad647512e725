/*
 * When to give back to the system what a burst has left behind. glibc returns only what lies at
 * the end of a heap; what is freed in its middle stays resident for ever, so that an attack which
 * is over would still be seen in the memory of the process. Giving back is not free either: each
 * heap is locked while its pages go, and they have to be faulted in when they are used again.
 *
 * So one looks now and then at what is resident beyond what is in use. Only what has been too much
 * at two looks in a row is given back, and what could not be given back is not tried again: it is
 * where the next surplus counts from. Of one thread; looks at nothing itself.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SURPLUS_LOOK_MS 5000
#define SURPLUS_BYTES (INT64_C(4) << 20) /* less is not worth the faults */

struct surplus {
	int64_t least; /* bytes beyond what is in use, at the best since the last time */
	bool is_started, was_much;
};

/*
 * A look: idle_bytes are resident and not in use; below 0 where blocks are in use whose pages were
 * never touched. True: give back now, then say what is left to surplus_given_back().
 */
bool surplus_look(struct surplus *surplus, int64_t idle_bytes);
void surplus_given_back(struct surplus *surplus, int64_t idle_bytes);
