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

/* What is asked: on_core runs on each core and may change answer, a copy of `question`. */
struct gather_question {
	void (*on_core)(struct core *core, void *answer); /* NULL: only that it answers counts */
	const void *question;                             /* NULL: the answer begins zeroed */
	size_t answer_bytes;
	struct core *only; /* NULL: every core */
	uint64_t deadline_ns;
	int wake_fd; /* an eventfd, written to for each answer; open until the cores have ended */
};

/* Sends it. 0, -ENOMEM. */
int gather_new(const struct gather_question *question, struct gather **ret_gather);

/* Accepts NULL. Parts under way are released by their cores. */
void gather_free(struct gather *gather);

/* Have all answered, or is the time up? */
bool gather_is_over(const struct gather *gather, uint64_t now_ns);
uint64_t gather_deadline_ns(const struct gather *gather);

/* Was this core asked and has it not answered? */
bool gather_is_silent(const struct gather *gather, unsigned core);

/* Of one core, NULL when it was silent or not asked. Valid until gather_free(). */
const void *gather_answer(const struct gather *gather, unsigned core);
unsigned gather_answered(const struct gather *gather);
