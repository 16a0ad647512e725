/* When to give memory back: see surplus.h. */
#include "observe/surplus.h"

bool surplus_look(struct surplus *surplus, int64_t idle_bytes)
{
	bool is_much, was_much = surplus->was_much;

	if (!surplus->is_started || idle_bytes < surplus->least)
		surplus->least = idle_bytes;
	surplus->is_started = true;
	is_much = idle_bytes - surplus->least >= SURPLUS_BYTES;
	surplus->was_much = is_much;
	return is_much && was_much;
}

void surplus_given_back(struct surplus *surplus, int64_t idle_bytes)
{
	surplus->least = idle_bytes;
	surplus->was_much = false;
}
