/* Samples of real threads, and of signals that are sent as the timers send theirs. */
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/fiber.h"
#include "core/thread.h"
#include "observe/profile.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/symbols.h"

#define RATE 199
#define STACK_BYTES (64 * 1024)

static _Atomic bool is_over;
static _Atomic unsigned turns;

/* --- what there is to see --- */

__attribute__((noinline)) static void burn_inner(void)
{
	for (volatile unsigned i = 0; i < 2000; i++)
		;
}

__attribute__((noinline)) static void burn_outer(void)
{
	while (!atomic_load(&is_over)) {
		burn_inner();
		atomic_fetch_add(&turns, 1);
	}
}

static void *burn(void *arg)
{
	burn_outer();
	return arg;
}

static void burn_on_fiber(void *arg)
{
	fiber_name_set(fiber_current(), arg);
	burn_outer();
}

/* On a fiber, as handlers do. */
static void *serve(void *arg)
{
	struct wheel wheel;
	const struct fiber_pool_options options = {
		.fibers_max = 1, .fibers_kept = 1, .stack_bytes = STACK_BYTES, .wheel = &wheel
	};
	struct fiber_pool *pool;
	struct fiber *fiber;

	wheel_init(&wheel, clock_now_ns());
	if (fiber_pool_new(&options, &pool) < 0 ||
		fiber_start(pool, burn_on_fiber, arg, CLOCK_NEVER, &fiber) < 0)
		return NULL;
	fiber_pool_free(pool);
	return arg;
}

struct seen {
	const char *thread, *name;
	const char *innermost, *caller; /* functions; NULL any */
	struct symbols *symbols;
	uint64_t samples, kernel; /* of them, in system calls */
	unsigned deepest;
};

static void look(const struct profile_stack *stack, void *arg)
{
	struct seen *seen = arg;
	char name[SYMBOL_BYTES];

	if (strcmp(stack->thread, seen->thread) != 0 || stack->name != seen->name)
		return;
	if (seen->innermost &&
		strcmp(symbols_name(seen->symbols, stack->frames[0], name), seen->innermost) != 0)
		return;
	if (seen->caller &&
		(stack->depth < 2 || strcmp(symbols_name(seen->symbols, stack->frames[1] - 1, name),
					     seen->caller) != 0))
		return;
	seen->samples += stack->samples;
	seen->kernel += stack->is_kernel ? stack->samples : 0;
	seen->deepest = MAX(seen->deepest, stack->depth);
}

static struct seen find(struct seen seen)
{
	static char maps[1 << 20];
	FILE *file = fopen("/proc/self/maps", "re");
	size_t bytes;

	assert_non_null(file);
	bytes = fread(maps, 1, sizeof(maps), file);
	(void)fclose(file);
	seen.symbols = symbols_new(str_of(maps, bytes));
	assert_non_null(seen.symbols);
	profile_each(look, &seen);
	symbols_free(seen.symbols);
	return seen;
}

static void pause_ms(unsigned ms)
{
	const struct timespec time = { .tv_nsec = ms * (long)NS_PER_MS };

	nanosleep(&time, NULL);
}

/* Until the thread has had so much of a processor, however busy the machine is. */
static void watch_ms(pthread_t thread, unsigned ms)
{
	struct timespec time = {};
	clockid_t clock;

	assert_int_equal(pthread_getcpuclockid(thread, &clock), 0);
	while ((uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / NS_PER_MS < ms) {
		pause_ms(20);
		profile_collect();
		assert_int_equal(clock_gettime(clock, &time), 0);
	}
}

struct named {
	const char *name;
	bool *is_there;
};

static void is_named(struct thread *thread, void *arg)
{
	const struct named *named = arg;

	*named->is_there |= strcmp(thread->name, named->name) == 0;
}

static pthread_t started(const char *name, void *(*run)(void *), void *arg)
{
	pthread_t thread;

	atomic_store(&is_over, false);
	atomic_store(&turns, 0);
	assert_int_equal(thread_start(&thread, name, run, arg), 0);
	for (bool is_there = false; !is_there; pause_ms(1))
		thread_each(is_named, &(struct named){ name, &is_there });
	return thread;
}

static void *ended(pthread_t thread)
{
	void *result;

	atomic_store(&is_over, true);
	assert_int_equal(pthread_join(thread, &result), 0);
	return result;
}

/* As many as this process has. */
static unsigned timers(void)
{
	FILE *file = fopen("/proc/self/timers", "re");
	unsigned count = 0;
	char line[128];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		count += strncmp(line, "ID:", 3) == 0;
	(void)fclose(file);
	return count;
}

/* What a timer does when its time has come, at once. */
static void signal_me(void)
{
	siginfo_t info = { .si_signo = SIGPROF, .si_code = SI_TIMER };

	assert_int_equal(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGPROF, &info), 0);
}

/* --- tests --- */

TEST(samples_tell_the_kind_of_thread_and_the_innermost_function)
{
	pthread_t thread = started("core-17", burn, NULL);
	struct profile_counts counts;
	struct seen seen;

	assert_int_equal(profile_start(RATE), 0);
	watch_ms(thread, 500);
	profile_stop();
	ended(thread);
	seen = find((struct seen){ .thread = "core" });
	/* The kernel counts in ticks, of 10 ms at worst. */
	assert_in_range(seen.samples, RATE / 2 / 4, RATE * 2);
	counts = profile_counts();
	assert_int_equal(counts.samples, seen.samples);
	assert_int_equal(counts.threads, 1);
	assert_int_equal(counts.dropped + counts.unseen, 0);
	assert_true(counts.cpu_ns > 400 * NS_PER_MS);
	assert_true(seen.kernel < seen.samples / 2);
	assert_true(find((struct seen){ .thread = "core", .innermost = "burn_inner" }).samples >
		    seen.samples / 2);
	profile_free();
}

TEST(callers_are_followed_on_the_stack_of_a_fiber_to_its_end)
{
	static const char route[] = "GET /v1/auth/verify";
	pthread_t thread = started("core-0", serve, (void *)route);
	struct seen seen;

	assert_int_equal(profile_start(RATE), 0);
	watch_ms(thread, 500);
	profile_stop();
	assert_ptr_equal(ended(thread), route);
	seen = find((struct seen){ .thread = "core",
		.name = route,
		.innermost = "burn_inner",
		.caller = "burn_outer" });
	assert_true(seen.samples > 5);
	assert_true(seen.deepest >= 3 && seen.deepest < 16);
	profile_free();
}

TEST(there_is_one_profile_and_no_timer_after_it)
{
	pthread_t thread = started("hash", burn, NULL);
	unsigned before = timers();

	assert_int_equal(profile_start(RATE), 0);
	assert_int_equal(timers(), before + 1);
	assert_int_equal(profile_start(RATE), -EBUSY);
	assert_int_equal(profile_check(), -EBUSY);
	profile_stop();
	assert_int_equal(timers(), before);
	assert_int_equal(profile_check(), -EBUSY); /* what was seen is still there */
	profile_free();
	assert_int_equal(profile_check(), 0);
	assert_int_equal(profile_start(RATE), 0);
	profile_free(); /* without an end */
	assert_int_equal(timers(), before);
	ended(thread);
}

TEST(threads_may_begin_and_end_meanwhile)
{
	pthread_t first = started("hash", burn, NULL), second;

	assert_int_equal(profile_start(RATE), 0);
	watch_ms(first, 200);
	ended(first);
	second = started("store-read", burn, NULL);
	watch_ms(second, 200);
	ended(second);
	profile_stop();
	assert_true(find((struct seen){ .thread = "hash" }).samples > 0);
	assert_true(find((struct seen){ .thread = "store-read" }).samples > 0);
	assert_int_equal(profile_counts().threads, 2);
	profile_free();
}

static void *signal_often(void *arg)
{
	const unsigned *times = arg;

	while (!atomic_load(&turns))
		pause_ms(1);
	for (unsigned i = 0; i < *times; i++)
		signal_me();
	atomic_store(&turns, 2);
	while (!atomic_load(&is_over))
		pause_ms(1);
	return arg;
}

TEST(samples_beyond_what_may_wait_are_counted)
{
	unsigned times = PROFILE_WAITING_MAX + 7;
	pthread_t thread = started("hash", signal_often, &times);
	struct profile_counts counts;

	assert_int_equal(profile_start(1), 0);
	atomic_store(&turns, 1);
	while (atomic_load(&turns) != 2)
		pause_ms(1);
	profile_stop();
	counts = profile_counts();
	assert_int_equal(counts.samples, PROFILE_WAITING_MAX);
	assert_int_equal(counts.dropped, 7);
	profile_free();
	ended(thread);
}

/* Each sample has another name, so it is another stack. */
static char names[PROFILE_STACKS_MAX + 5];

static void signal_with_names(_unused_ void *arg)
{
	for (unsigned i = 0; i < sizeof(names); i++) {
		fiber_name_set(fiber_current(), &names[i]);
		atomic_store(&turns, 0);
		signal_me();
		atomic_store(&turns, 1);
		while (atomic_load(&turns) == 1)
			; /* it is taken first */
	}
}

static void *serve_names(void *arg)
{
	struct wheel wheel;
	const struct fiber_pool_options options = {
		.fibers_max = 1, .fibers_kept = 1, .stack_bytes = STACK_BYTES, .wheel = &wheel
	};
	struct fiber_pool *pool;
	struct fiber *fiber;

	while (!atomic_load(&turns))
		pause_ms(1);
	wheel_init(&wheel, clock_now_ns());
	if (fiber_pool_new(&options, &pool) < 0 ||
		fiber_start(pool, signal_with_names, NULL, CLOCK_NEVER, &fiber) < 0)
		return NULL;
	fiber_pool_free(pool);
	atomic_store(&is_over, true);
	return arg;
}

TEST(stacks_beyond_what_is_kept_are_counted)
{
	pthread_t thread = started("core-0", serve_names, names);
	struct profile_counts counts;

	assert_int_equal(profile_start(1), 0);
	atomic_store(&turns, 2);
	while (!atomic_load(&is_over)) {
		unsigned one = 1;

		profile_collect();
		(void)atomic_compare_exchange_strong(&turns, &one, 2);
	}
	profile_stop();
	counts = profile_counts();
	assert_in_range(counts.samples, PROFILE_STACKS_MAX, PROFILE_STACKS_MAX + 100);
	assert_in_range(counts.dropped, 5, 100);
	profile_free();
	assert_ptr_equal(ended(thread), names);
}

TEST(a_signal_that_comes_too_late_does_nothing)
{
	unsigned times = 1;
	pthread_t thread = started("hash", signal_often, &times);

	assert_int_equal(profile_start(1), 0);
	profile_free();
	atomic_store(&turns, 1);
	while (atomic_load(&turns) != 2)
		pause_ms(1);
	ended(thread);
	signal_me(); /* this thread was not started by thread_start(), either */
}

#if defined(__x86_64__)
/* A function of a library that keeps something else in the register for frames. */
__attribute__((noinline)) static long signal_with_frame(uintptr_t frame)
{
	siginfo_t info = { .si_signo = SIGPROF, .si_code = SI_TIMER };
	long process = getpid(), thread = gettid(), result = SYS_rt_tgsigqueueinfo;
	/* No call from here on: it would change them. */
	register long signal asm("rdx") = SIGPROF;
	register void *told asm("r10") = &info;

	asm volatile("push %%rbp\n\tmov %[frame], %%rbp\n\tsyscall\n\tpop %%rbp"
		     : "+a"(result)
		     : "D"(process), "S"(thread), "r"(signal), "r"(told), [frame] "r"(frame)
		     : "rcx", "r11", "memory");
	return result;
}

static void *signal_with_frames(void *arg)
{
	const struct thread *self = thread_current();
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	char *hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* The last one goes back to itself. */
	uintptr_t loop[2] = { (uintptr_t)loop, 1 };
	const uintptr_t frames[] = { 0, 1, 8, (uintptr_t)hole, self->stack_end, self->stack_end - 8,
		self->stack_end - 16, self->stack_begin, self->stack_begin - 16, here | 1,
		UINTPTR_MAX, UINTPTR_MAX - 15, (uintptr_t)arg, (uintptr_t)loop };

	while (!atomic_load(&turns))
		pause_ms(1);
	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++)
		if (signal_with_frame(frames[i]) != 0)
			return NULL;
	munmap(hole, 4096);
	atomic_store(&turns, 2);
	return arg;
}

TEST(what_is_no_frame_is_not_followed)
{
	static uintptr_t elsewhere[2] = { 16, 1 };
	pthread_t thread = started("hash", signal_with_frames, elsewhere);
	struct seen seen;

	assert_int_equal(profile_start(1), 0);
	atomic_store(&turns, 1);
	while (atomic_load(&turns) != 2)
		pause_ms(1);
	profile_stop();
	assert_non_null(ended(thread));
	seen = find((struct seen){ .thread = "hash", .innermost = "signal_with_frame" });
	assert_int_equal(seen.samples, 14);
	assert_int_equal(seen.kernel, 14); /* the call that sends the signal */
	assert_int_equal(seen.deepest, 2); /* that which goes back, once */
	profile_free();
}
#endif
