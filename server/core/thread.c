/* How threads begin and end: see thread.h. */
#include "core/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/macros.h"

/* For a handler that calls nothing large; the kernel puts the registers there too. */
#define SIGNAL_STACK_BYTES ((size_t)8 * 1024)

struct started {
	struct thread thread;
	void *(*run)(void *arg);
	void *arg;
	bool has_signal_stack;
	size_t signal_stack_bytes;
	_Alignas(16) char signal_stack[];
};

static struct registry threads = REGISTRY_INITIALIZER;
static _Thread_local struct thread *own;

static void stack_find(struct thread *thread)
{
	pthread_attr_t attributes;
	size_t bytes = 0;
	void *begin = NULL;

	if (pthread_getattr_np(pthread_self(), &attributes) != 0)
		return; /* then nobody looks into it */
	if (pthread_attr_getstack(&attributes, &begin, &bytes) == 0) {
		thread->stack_begin = (uintptr_t)begin;
		thread->stack_end = thread->stack_begin + bytes;
	}
	pthread_attr_destroy(&attributes);
}

/* A sanitizer has given it one already, which it wants to find at the end. */
static void signal_stack_set(struct started *started)
{
	const stack_t mine = { .ss_sp = started->signal_stack,
		.ss_size = started->signal_stack_bytes };
	stack_t theirs;

	if (sigaltstack(NULL, &theirs) == 0 && (theirs.ss_flags & SS_DISABLE))
		started->has_signal_stack = sigaltstack(&mine, NULL) == 0;
}

static void signal_stack_end(const struct started *started)
{
	const stack_t none = { .ss_flags = SS_DISABLE };

	if (started->has_signal_stack)
		(void)sigaltstack(&none, NULL);
}

static void profile_signal(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPROF);
	pthread_sigmask(how, &set, NULL);
}

static void *thread_main(void *arg)
{
	struct started *started = arg;
	struct thread *thread = own = &started->thread;
	void *result;

	pthread_setname_np(pthread_self(), thread->name);
	thread->id = gettid();
	(void)pthread_getcpuclockid(pthread_self(), &thread->clock);
	stack_find(thread);
	signal_stack_set(started);
	profile_signal(SIG_UNBLOCK);
	registry_add(&threads, &thread->member);
	result = started->run(started->arg);
	/* In this order: who visits those that are left may take their rings away. */
	profile_signal(SIG_BLOCK);
	registry_remove(&threads, &thread->member);
	signal_stack_end(started);
	own = NULL;
	free(started);
	return result;
}

int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *arg), void *arg)
{
	size_t stack_bytes = SIGNAL_STACK_BYTES + (size_t)MAX(sysconf(_SC_MINSIGSTKSZ), 0);
	struct started *started = calloc(1, sizeof(*started) + stack_bytes);
	int r;

	if (!started)
		return -ENOMEM;
	(void)snprintf(started->thread.name, sizeof(started->thread.name), "%s", name);
	started->run = run;
	started->arg = arg;
	started->signal_stack_bytes = stack_bytes;
	r = -pthread_create(ret_thread, NULL, thread_main, started);
	if (r < 0)
		free(started);
	return r;
}

struct thread *thread_current(void)
{
	return own;
}

void thread_each(void (*visit)(struct thread *thread, void *arg), void *arg)
{
	struct registry_member *member = registry_hold(&threads);

	for (; member; member = member->next)
		visit(container_of(member, struct thread, member), arg);
	registry_release(&threads);
}
