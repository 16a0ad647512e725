/*
 * A question to every core and the answers so far: a message to each core's inbox. A core that is
 * stuck never answers, so nobody waits for it here; its part frees itself when it runs after all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;
struct gather;

/* A core that needs longer is called silent; cores turn in well under a millisecond. */
#define GATHER_TIMEOUT_MS 1000

/*
 * Asks all cores. on_core runs on each core and fills answer (answer_bytes of zeroed memory; may be
 * NULL: then only that it answers counts). wake_fd is an eventfd that is written to for each
 * answer; it must stay open until cores end. -ENOMEM.
 */
int gather_new(void (*on_core)(struct core *core, void *answer), size_t answer_bytes, int wake_fd,
	uint64_t now_ns, struct gather **ret_gather);

/* Accepts NULL. Parts under way are released by their cores. */
void gather_free(struct gather *gather);

/* Have all answered, or is the time up? */
bool gather_is_over(const struct gather *gather, uint64_t now_ns);
uint64_t gather_deadline_ns(const struct gather *gather);

/* Of one core, NULL when it was silent. Valid until gather_free(). */
const void *gather_answer(const struct gather *gather, unsigned core);
unsigned gather_answered(const struct gather *gather);
