/*
 * The daemon's threads: each has a name, and is in a list for those who look at all of them
 * (observe/profile.h). Next: core.h, whose threads serve.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "core/registry.h"

#define THREAD_NAME_BYTES 16 /* what the kernel keeps of one */

struct profile_ring;

struct thread {
	struct registry_member member;
	char name[THREAD_NAME_BYTES];
	pid_t id;                         /* the kernel's */
	clockid_t clock;                  /* of the processor time that it has had */
	uintptr_t stack_begin, stack_end; /* its own; fibers have others */
	/* Of profile.c: where its samples go, NULL nowhere; and is it putting one there? */
	_Atomic(struct profile_ring *) ring;
	_Atomic bool is_sampled;
};

/*
 * As pthread_create(); to be joined. SIGPROF comes through, on a stack of its own: that of a fiber
 * may be too small for it. 0 or negative errno.
 */
int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *arg), void *arg);

/* That which runs; NULL on one that was not started here. Safe in a signal handler. */
struct thread *thread_current(void);

/* None begins or ends while they are visited. */
void thread_each(void (*visit)(struct thread *thread, void *arg), void *arg);
