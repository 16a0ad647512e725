/*
 * From what a signal has interrupted to who called it. Private to profile.c, and safe in its
 * handler.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

struct thread;

/*
 * The program counter and the return addresses, the innermost first: how many, at least 1 and at
 * most frames_max. Reads the interrupted stack alone, from its pointer to its end, which are mapped
 * for sure, whatever the chain of frames says.
 */
unsigned profile_walk(const struct thread *thread, const ucontext_t *context, uintptr_t *frames,
	unsigned frames_max);

/* Was the processor in the kernel, in a system call? */
bool profile_is_kernel(const ucontext_t *context);
