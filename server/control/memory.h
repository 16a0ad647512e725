/* What the resident memory is used for, part by part: memory_account.h. Any thread. */
#pragma once

#include "control/memory_account.h"

struct control_context;

/* Before the first look. */
void memory_init(uint64_t fiber_stack_bytes);

/* Resident bytes of the process. */
uint64_t memory_rss(void);

/*
 * Looks, unless somebody has done it within so many milliseconds: it takes a millisecond or two,
 * in which mappings cannot change.
 */
void memory_parts(
	const struct control_context *context, uint64_t age_ms_max, struct memory_parts *ret_parts);

/* What scrapes and screens that refresh may be shown. */
#define MEMORY_AGE_MS 10000
