/* What secrets need: comparison in constant time, and wiping that the compiler may not remove. */
#pragma once

#include <stdbool.h>
#include <string.h>

#include "shared/str.h"

/* Equal? Takes the same time wherever the first difference is; the lengths are not secret. */
static inline bool secret_equal(struct str a, struct str b)
{
	unsigned char difference = 0;

	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		difference |= (unsigned char)(a.data[i] ^ b.data[i]);
	/* Hides the loop's result from the optimiser, which could otherwise leave early. */
	__asm__ volatile("" : "+r"(difference));
	return difference == 0;
}

static inline void secret_wipe(void *memory, size_t bytes)
{
	if (memory)
		explicit_bzero(memory, bytes);
}
