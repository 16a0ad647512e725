/*
 * Fibers: stacks from mmap with a guard page below, kept for reuse; switching is fiber_switch.h.
 * The loop's stack is the only one that resumes fibers, but for a fiber that wakes another: that
 * one runs nested and comes back here when it waits, so a fiber's resumer is always alive.
 */
#include "core/fiber.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/fiber_switch.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"

#define FIBER_MAGIC UINT32_C(0x46494252)

struct stack {
	char *base; /* the guard page */
	size_t guard_bytes, bytes;
	const void *watched_bottom; /* for the sanitizer: of whoever resumed us */
	size_t watched_bytes;
};

struct fiber {
	uint32_t magic;
	bool is_waiting, is_canceled, is_finished, is_patient;
	int result;
	struct fiber_pool *pool;
	struct fiber *next_free;
	struct fiber *resumer; /* the fiber that runs below us; NULL is the loop's stack */
	void (*entry)(void *arg);
	void *arg;
	uint64_t deadline_ns;
	uint64_t spent_ns[FIBER_SPENT_MAX];
	struct trace *trace;
	const char *name;
	struct timer timer;
	struct stack stack;
#ifdef FIBER_BOOST
	void *context, *resumer_context;
#else
	ucontext_t context, resumer_context;
#endif
};

struct fiber_pool {
	struct fiber_pool_options options;
	struct fiber *free;
	unsigned kept;
	_Atomic unsigned in_use;
};

static _Thread_local struct fiber *current;

/* --- stacks and switching --- */

static int stack_init(struct stack *stack, size_t bytes)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	char *base = mmap(NULL, bytes + guard, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return -errno;
	if (mprotect(base, guard, PROT_NONE) < 0) {
		int error = errno;

		munmap(base, bytes + guard);
		return -error;
	}
	*stack = (struct stack){ .base = base, .guard_bytes = guard, .bytes = bytes };
	return 0;
}

static void stack_deinit(struct stack *stack)
{
#ifdef STACKS_ARE_WATCHED
	/* The frames of a fiber never return: their marks must not meet who is mapped here next. */
	__asan_unpoison_memory_region(stack->base + stack->guard_bytes, stack->bytes);
#endif
	munmap(stack->base, stack->guard_bytes + stack->bytes);
}

/* The first thing that runs on a fiber's stack, and after every time it is resumed. */
static void arrived_on_fiber(_unused_ struct fiber *fiber, _unused_ void *fake)
{
#ifdef STACKS_ARE_WATCHED
	__sanitizer_finish_switch_fiber(
		fake, &fiber->stack.watched_bottom, &fiber->stack.watched_bytes);
#endif
}

/* Leaves the fiber's stack for its resumer's; returns when the fiber is resumed. */
static void switch_out(struct fiber *fiber)
{
	void *fake = NULL;

#ifdef STACKS_ARE_WATCHED
	/* A fiber that has finished gives its fake stack up. */
	__sanitizer_start_switch_fiber(fiber->is_finished ? NULL : &fake,
		fiber->stack.watched_bottom, fiber->stack.watched_bytes);
#endif
#ifdef FIBER_BOOST
	fiber->resumer_context = jump_fcontext(fiber->resumer_context, fiber).from;
#else
	swapcontext(&fiber->context, &fiber->resumer_context);
#endif
	arrived_on_fiber(fiber, fake);
}

static void fiber_main(struct fiber *fiber)
{
	arrived_on_fiber(fiber, NULL);
	for (;;) {
		fiber->entry(fiber->arg);
		fiber->is_finished = true;
		switch_out(fiber);
	}
}

#ifdef FIBER_BOOST
static void fiber_main_boost(struct transfer transfer)
{
	struct fiber *fiber = transfer.data;

	fiber->resumer_context = transfer.from;
	fiber_main(fiber);
}
#else
/* makecontext() passes ints only: a pointer travels in two halves. */
static void fiber_main_ucontext(unsigned high, unsigned low)
{
	fiber_main((struct fiber *)((uintptr_t)high << 32 | low));
}
#endif

static void context_init(struct fiber *fiber)
{
	char *bottom = fiber->stack.base + fiber->stack.guard_bytes;

#ifdef FIBER_BOOST
	fiber->context =
		make_fcontext(bottom + fiber->stack.bytes, fiber->stack.bytes, fiber_main_boost);
#else
	uintptr_t self = (uintptr_t)fiber;

	getcontext(&fiber->context);
	fiber->context.uc_stack.ss_sp = bottom;
	fiber->context.uc_stack.ss_size = fiber->stack.bytes;
	fiber->context.uc_link = NULL;
	makecontext(&fiber->context, (void (*)(void))fiber_main_ucontext, 2, (unsigned)(self >> 32),
		(unsigned)self);
#endif
}

static void fiber_free(struct fiber *fiber)
{
	if (fiber->stack.base)
		stack_deinit(&fiber->stack);
	fiber->magic = 0;
	free(fiber);
}

/* Runs the fiber until it waits or returns; a finished one goes back to its pool. */
static void switch_in(struct fiber *fiber)
{
	struct fiber_pool *pool = fiber->pool;
	_unused_ void *fake = NULL;

	fiber->resumer = current;
	current = fiber;
#ifdef STACKS_ARE_WATCHED
	__sanitizer_start_switch_fiber(
		&fake, fiber->stack.base + fiber->stack.guard_bytes, fiber->stack.bytes);
#endif
#ifdef FIBER_BOOST
	fiber->context = jump_fcontext(fiber->context, fiber).from;
#else
	swapcontext(&fiber->resumer_context, &fiber->context);
#endif
#ifdef STACKS_ARE_WATCHED
	__sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
	current = fiber->resumer;
	if (!fiber->is_finished)
		return;
	atomic_fetch_sub_explicit(&pool->in_use, 1, memory_order_relaxed);
	if (pool->kept >= pool->options.fibers_kept) {
		fiber_free(fiber);
		return;
	}
	fiber->next_free = pool->free;
	pool->free = fiber;
	pool->kept++;
}

/* --- pools --- */

int fiber_pool_new(const struct fiber_pool_options *options, struct fiber_pool **ret_pool)
{
	struct fiber_pool *pool = calloc(1, sizeof(*pool));

	assert(options->stack_bytes % (unsigned)sysconf(_SC_PAGESIZE) == 0);
	if (!pool)
		return -ENOMEM;
	pool->options = *options;
	*ret_pool = pool;
	return 0;
}

void fiber_pool_free(struct fiber_pool *pool)
{
	if (!pool)
		return;
	assert(fiber_pool_in_use(pool) == 0);
	while (pool->free) {
		struct fiber *fiber = pool->free;

		pool->free = fiber->next_free;
		fiber_free(fiber);
	}
	free(pool);
}

unsigned fiber_pool_in_use(const struct fiber_pool *pool)
{
	return atomic_load_explicit(&pool->in_use, memory_order_relaxed);
}

static struct fiber *fiber_take(struct fiber_pool *pool)
{
	struct fiber *fiber = pool->free;

	if (fiber) {
		pool->free = fiber->next_free;
		pool->kept--;
		return fiber;
	}
	fiber = calloc(1, sizeof(*fiber));
	if (!fiber)
		return NULL;
	if (stack_init(&fiber->stack, pool->options.stack_bytes) < 0) {
		free(fiber);
		return NULL;
	}
	fiber->magic = FIBER_MAGIC;
	fiber->pool = pool;
	context_init(fiber);
	return fiber;
}

/* --- running and waiting --- */

static void deadline_passed(struct timer *timer)
{
	fiber_wake(container_of(timer, struct fiber, timer), -ETIMEDOUT);
}

int fiber_start(struct fiber_pool *pool, void (*entry)(void *arg), void *arg, uint64_t deadline_ns,
	struct fiber **ret_fiber)
{
	struct fiber *fiber;

	if (fiber_pool_in_use(pool) >= pool->options.fibers_max)
		return -ERR_OVERLOADED;
	fiber = fiber_take(pool);
	if (!fiber)
		return -ERR_OVERLOADED; /* no memory for a stack: as full as a full pool */
	atomic_fetch_add_explicit(&pool->in_use, 1, memory_order_relaxed);
	fiber->entry = entry;
	fiber->arg = arg;
	fiber->deadline_ns = deadline_ns;
	fiber->timer.on_timer = deadline_passed;
	memset(fiber->spent_ns, 0, sizeof(fiber->spent_ns));
	fiber->is_waiting = fiber->is_canceled = fiber->is_finished = fiber->is_patient = false;
	fiber->trace = NULL;
	fiber->name = current ? current->name : NULL;
	*ret_fiber = fiber; /* before it runs: the entry may want to know who it is */
	switch_in(fiber);
	return 0;
}

struct fiber *fiber_current(void)
{
	return current;
}

uint64_t fiber_deadline_ns(const struct fiber *fiber)
{
	return fiber->deadline_ns;
}

void fiber_patient_set(struct fiber *fiber, bool is_patient)
{
	fiber->is_patient = is_patient;
}

bool fiber_is_patient(const struct fiber *fiber)
{
	return fiber->is_patient;
}

void fiber_spend(unsigned what, uint64_t ns)
{
	assert(what < FIBER_SPENT_MAX);
	if (current)
		current->spent_ns[what] += ns;
}

const uint64_t *fiber_spent(const struct fiber *fiber)
{
	return fiber->spent_ns;
}

void fiber_name_set(struct fiber *fiber, const char *name)
{
	fiber->name = name;
}

const char *fiber_name(const struct fiber *fiber)
{
	return fiber->name;
}

/* Between two stacks the processor is still on that of the one before, or on the loop's. */
uintptr_t fiber_stack_end(uintptr_t address)
{
	for (const struct fiber *fiber = current; fiber; fiber = fiber->resumer) {
		uintptr_t begin = (uintptr_t)fiber->stack.base + fiber->stack.guard_bytes;

		if (address >= begin && address < begin + fiber->stack.bytes)
			return begin + fiber->stack.bytes;
	}
	return 0;
}

void fiber_trace_set(struct fiber *fiber, struct trace *trace)
{
	fiber->trace = trace;
}

struct trace *fiber_trace(const struct fiber *fiber)
{
	return fiber->trace;
}

int fiber_wait_await(void)
{
	return fiber_wait_until_await(CLOCK_NEVER);
}

int fiber_wait_until_await(uint64_t deadline_ns)
{
	struct fiber *fiber = current;

	assert(fiber && fiber->magic == FIBER_MAGIC);
	assert(!fiber->is_waiting);
	deadline_ns = MIN(deadline_ns, fiber->deadline_ns);
	if (fiber->is_canceled)
		return -ERR_CANCELED;
	if (deadline_ns <= clock_now_ns())
		return -ETIMEDOUT;
	timer_set(fiber->pool->options.wheel, &fiber->timer, deadline_ns);
	fiber->is_waiting = true;
	switch_out(fiber);
	assert(!fiber->is_waiting);
	return fiber->result;
}

void fiber_wake(struct fiber *fiber, int result)
{
	assert(fiber->magic == FIBER_MAGIC);
	assert(fiber->is_waiting && fiber != current);
	timer_cancel(fiber->pool->options.wheel, &fiber->timer);
	fiber->is_waiting = false;
	fiber->result = result;
	switch_in(fiber);
}

void fiber_cancel(struct fiber *fiber)
{
	assert(fiber->magic == FIBER_MAGIC);
	fiber->is_canceled = true;
	if (fiber->is_waiting)
		fiber_wake(fiber, -ERR_CANCELED);
}
