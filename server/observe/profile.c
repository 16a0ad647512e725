/*
 * See profile.h. The handler of the timers' signal writes to a ring of its own thread, and reads
 * nothing but the stack that it interrupts (profile_walk.h).
 */
#include "observe/profile.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/fiber.h"
#include "core/thread.h"
#include "observe/profile_walk.h"
#include "shared/clock.h"
#include "shared/macros.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define BUCKETS (2 * PROFILE_STACKS_MAX)

struct sample {
	const char *name;
	bool is_kernel;
	unsigned count, depth; /* more than one: the timer has ended again before it was handled */
	uintptr_t frames[PROFILE_FRAMES_MAX];
};

/* Filled by the thread that it belongs to, emptied by profile_collect(). */
struct profile_ring {
	char thread[THREAD_NAME_BYTES];
	timer_t timer;
	_Atomic unsigned put, taken;
	_Atomic uint64_t dropped;
	struct sample samples[PROFILE_WAITING_MAX];
};

static_assert((PROFILE_WAITING_MAX & (PROFILE_WAITING_MAX - 1)) == 0, "counters may overflow");
static_assert(PROFILE_RATE_MAX * PROFILE_COLLECT_MS / 1000 * 2 < PROFILE_WAITING_MAX, "twice");

struct kept {
	const struct profile_ring *ring; /* its thread's name */
	struct sample sample;
	uint64_t samples;
};

static struct {
	bool is_there, is_running;
	unsigned rate, ring_count, unseen, kept_count;
	int error; /* the first that the system refused a timer with */
	uint64_t started_ns, started_cpu_ns, samples, dropped;
	struct profile_counts counts; /* once it has stopped */
	struct profile_ring **rings;
	struct kept *kept;
	uint16_t *buckets; /* a number in kept, from 1 */
} profile;

static_assert(PROFILE_STACKS_MAX < UINT16_MAX, "buckets have their numbers");

/* --- in the handler --- */

static void sample_take(struct profile_ring *ring, const struct thread *thread,
	const siginfo_t *info, const ucontext_t *context)
{
	unsigned put = atomic_load_explicit(&ring->put, memory_order_relaxed);
	const struct fiber *fiber = fiber_current();
	struct sample *sample = &ring->samples[put % PROFILE_WAITING_MAX];

	if (put - atomic_load_explicit(&ring->taken, memory_order_acquire) == PROFILE_WAITING_MAX) {
		atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
		return;
	}
	sample->name = fiber ? fiber_name(fiber) : NULL;
	sample->count = 1 + (unsigned)MAX(info->si_overrun, 0);
	sample->is_kernel = profile_is_kernel(context);
	sample->depth = profile_walk(thread, context, sample->frames, PROFILE_FRAMES_MAX);
	atomic_store_explicit(&ring->put, put + 1, memory_order_release);
}

/* Nothing in here changes errno. A signal may come late, when its profile is over. */
static void on_signal(_unused_ int number, siginfo_t *info, void *context)
{
	struct thread *thread = thread_current();
	struct profile_ring *ring;

	if (!thread || info->si_code != SI_TIMER)
		return;
	atomic_store(&thread->is_sampled, true);
	ring = atomic_load(&thread->ring);
	if (ring)
		sample_take(ring, thread, info, context);
	atomic_store_explicit(&thread->is_sampled, false, memory_order_release);
}

/* --- timers --- */

static int timer_new(const struct thread *thread, timer_t *ret_timer)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF };

	event.sigev_notify_thread_id = thread ? thread->id : gettid();
	return timer_create(thread ? thread->clock : CLOCK_THREAD_CPUTIME_ID, &event, ret_timer) < 0
		       ? -errno
		       : 0;
}

static int timer_run(timer_t timer)
{
	const struct timespec each = { .tv_sec = profile.rate == 1,
		.tv_nsec = profile.rate == 1 ? 0 : (long)(NS_PER_S / profile.rate) };
	const struct itimerspec time = { .it_interval = each, .it_value = each };

	return timer_settime(timer, 0, &time, NULL) < 0 ? -errno : 0;
}

/* The handler stays for good: without one a late signal would end the process. */
static int handler_set(void)
{
	struct sigaction action = { .sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };

	return sigaction(SIGPROF, &action, NULL) < 0 ? -errno : 0;
}

/* "core-3" is one of the cores. */
static void kind_set(char kind[static THREAD_NAME_BYTES], const char *name)
{
	size_t len = strlen(name);

	while (len && name[len - 1] >= '0' && name[len - 1] <= '9')
		len--;
	if (len && len < strlen(name) && name[len - 1] == '-')
		len--;
	(void)snprintf(kind, THREAD_NAME_BYTES, "%.*s", (int)(len ? len : strlen(name)), name);
}

static int ring_add(struct thread *thread)
{
	struct profile_ring *ring;
	int r;

	if (profile.ring_count == PROFILE_THREADS_MAX)
		return -ENOSPC;
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	kind_set(ring->thread, thread->name);
	r = timer_new(thread, &ring->timer);
	if (r < 0) {
		free(ring);
		return r;
	}
	profile.rings[profile.ring_count++] = ring;
	atomic_store(&thread->ring, ring);
	return timer_run(ring->timer);
}

static void thread_see(struct thread *thread, _unused_ void *arg)
{
	int r;

	if (atomic_load(&thread->ring))
		return;
	r = ring_add(thread);
	profile.unseen += r < 0;
	if (r < 0 && !profile.error)
		profile.error = r;
}

static void threads_see(void)
{
	profile.unseen = 0;
	thread_each(thread_see, NULL);
}

/* Nobody writes to a ring any more when this returns. A handler takes microseconds on a processor.
 */
static void thread_leave(struct thread *thread, _unused_ void *arg)
{
	atomic_store(&thread->ring, NULL);
	while (atomic_load(&thread->is_sampled))
		(void)sched_yield();
}

/* --- what was seen --- */

static unsigned bucket_of(const char *thread, const struct sample *sample)
{
	uint64_t hash = UINT64_C(14695981039346656037) ^ (uintptr_t)sample->name;

	for (; *thread; thread++)
		hash = (hash ^ (unsigned char)*thread) * UINT64_C(1099511628211);
	for (unsigned i = 0; i < sample->depth; i++)
		hash = (hash ^ sample->frames[i]) * UINT64_C(1099511628211);
	return (unsigned)(hash >> 32) % BUCKETS;
}

static bool is_equal(const struct kept *kept, const char *thread, const struct sample *sample)
{
	return kept->sample.name == sample->name && kept->sample.depth == sample->depth &&
	       kept->sample.is_kernel == sample->is_kernel &&
	       strcmp(kept->ring->thread, thread) == 0 &&
	       memcmp(kept->sample.frames, sample->frames,
		       sample->depth * sizeof(sample->frames[0])) == 0;
}

/* NULL: there are too many. */
static struct kept *kept_find(const struct profile_ring *ring, const struct sample *sample)
{
	unsigned at = bucket_of(ring->thread, sample);
	struct kept *kept;

	for (; profile.buckets[at]; at = (at + 1) % BUCKETS) {
		kept = &profile.kept[profile.buckets[at] - 1];
		if (is_equal(kept, ring->thread, sample))
			return kept;
	}
	if (profile.kept_count == PROFILE_STACKS_MAX)
		return NULL;
	kept = &profile.kept[profile.kept_count++];
	*kept = (struct kept){ .ring = ring, .sample = *sample };
	profile.buckets[at] = (uint16_t)profile.kept_count;
	return kept;
}

static void sample_keep(const struct profile_ring *ring, const struct sample *sample)
{
	struct kept *kept = kept_find(ring, sample);

	if (!kept) {
		profile.dropped += sample->count;
		return;
	}
	kept->samples += sample->count;
	profile.samples += sample->count;
}

static void ring_empty(struct profile_ring *ring)
{
	unsigned taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);

	while (taken != atomic_load_explicit(&ring->put, memory_order_acquire)) {
		sample_keep(ring, &ring->samples[taken++ % PROFILE_WAITING_MAX]);
		atomic_store_explicit(&ring->taken, taken, memory_order_release);
	}
	profile.dropped += atomic_exchange_explicit(&ring->dropped, 0, memory_order_relaxed);
}

static uint64_t process_cpu_ns(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) < 0)
		return 0;
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

/* --- one after the other --- */

int profile_check(void)
{
	timer_t timer;
	int r;

	if (profile.is_there)
		return -EBUSY;
	r = timer_new(NULL, &timer);
	if (r == 0)
		(void)timer_delete(timer);
	return r;
}

int profile_start(unsigned rate)
{
	int r = profile_check();

	assert(rate && rate <= PROFILE_RATE_MAX);
	if (r == 0)
		r = handler_set();
	if (r < 0)
		return r;
	memset(&profile, 0, sizeof(profile));
	profile.is_there = profile.is_running = true;
	profile.rate = rate;
	profile.rings = calloc(PROFILE_THREADS_MAX, sizeof(struct profile_ring *));
	profile.kept = calloc(PROFILE_STACKS_MAX, sizeof(*profile.kept));
	profile.buckets = calloc(BUCKETS, sizeof(*profile.buckets));
	profile.started_ns = clock_now_ns();
	profile.started_cpu_ns = process_cpu_ns();
	r = -ENOMEM;
	if (profile.rings && profile.kept && profile.buckets) {
		threads_see();
		r = profile.ring_count ? 0 : profile.error;
	}
	if (r < 0)
		profile_free();
	return r;
}

void profile_collect(void)
{
	threads_see();
	for (unsigned i = 0; i < profile.ring_count; i++)
		ring_empty(profile.rings[i]);
}

void profile_stop(void)
{
	if (!profile.is_running)
		return;
	profile.is_running = false;
	for (unsigned i = 0; i < profile.ring_count; i++)
		(void)timer_delete(profile.rings[i]->timer);
	thread_each(thread_leave, NULL);
	for (unsigned i = 0; i < profile.ring_count; i++)
		ring_empty(profile.rings[i]);
	profile.counts = (struct profile_counts){ .samples = profile.samples,
		.dropped = profile.dropped,
		.threads = profile.ring_count,
		.unseen = profile.unseen,
		.cpu_ns = process_cpu_ns() - profile.started_cpu_ns,
		.ran_ns = clock_now_ns() - profile.started_ns };
}

void profile_each(void (*visit)(const struct profile_stack *stack, void *arg), void *arg)
{
	for (unsigned i = 0; i < profile.kept_count; i++) {
		const struct kept *kept = &profile.kept[i];
		const struct profile_stack stack = { .thread = kept->ring->thread,
			.name = kept->sample.name,
			.is_kernel = kept->sample.is_kernel,
			.samples = kept->samples,
			.depth = kept->sample.depth,
			.frames = kept->sample.frames };

		visit(&stack, arg);
	}
}

struct profile_counts profile_counts(void)
{
	return profile.counts;
}

void profile_free(void)
{
	if (!profile.is_there)
		return;
	profile_stop();
	for (unsigned i = 0; i < profile.ring_count; i++)
		free(profile.rings[i]);
	free(profile.rings);
	free(profile.kept);
	free(profile.buckets);
	profile.is_there = false;
}
