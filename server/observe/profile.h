/*
 * Where processors' time goes: each thread that was started by thread_start() has a timer of the
 * time that it is on a processor, and each time it ends, what the thread runs at that moment is
 * put down. A thread that waits costs nothing. One profile at a time; all but what the timers do is
 * called by one thread. Addresses are told as they are: shared/symbols.h names them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PROFILE_RATE_DEFAULT 99 /* odd, so as not to go in step with what runs every 10 ms */
#define PROFILE_RATE_MAX 999
#define PROFILE_FRAMES_MAX 64   /* of one stack, the innermost */
#define PROFILE_STACKS_MAX 4096 /* different ones: 2 MiB */
#define PROFILE_THREADS_MAX 512 /* cores, hashing and store threads of a large machine */
/* Samples that wait for profile_collect(): twice what a thread has between two of them. */
#define PROFILE_WAITING_MAX 256
#define PROFILE_COLLECT_MS 100

/* What was seen, and how often. */
struct profile_stack {
	const char *thread; /* "core", "hash", "store-read": its name without a number */
	const char *name;   /* fiber_name() of what ran; NULL none */
	bool is_kernel;     /* it was in a system call, which the innermost function made */
	uint64_t samples;
	unsigned depth;
	const uintptr_t *frames; /* the innermost first; the others are return addresses */
};

struct profile_counts {
	uint64_t samples; /* in the stacks */
	uint64_t dropped; /* there was no room for them */
	unsigned threads; /* with a timer, or that had one and have ended */
	unsigned unseen;  /* without: there are too many, or the system refused */
	uint64_t cpu_ns;  /* that the whole process has had while it ran */
	uint64_t ran_ns;  /* for so long */
};

/* Could one begin? 0; -EBUSY there is one; or why the system refuses timers (EPERM, ENOSYS,
 * EAGAIN). */
int profile_check(void);

/* rate: samples for each second on a processor, 1..PROFILE_RATE_MAX. As profile_check(), or
 * -ENOMEM. */
int profile_start(unsigned rate);

/* Every PROFILE_COLLECT_MS: takes what the threads have put down, and sees new threads. */
void profile_collect(void);

/* No more samples. What there is stays until profile_free(). */
void profile_stop(void);
void profile_each(void (*visit)(const struct profile_stack *stack, void *arg), void *arg);
struct profile_counts profile_counts(void);

/* Ends it, whatever it does. */
void profile_free(void);
