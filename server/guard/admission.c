/* Who may begin what is costly: see admission.h. */
#include "guard/admission.h"

#include <assert.h>
#include <stddef.h>

#include "core/core.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "shared/random.h"

#define READ(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define ADD(field, value) atomic_fetch_add_explicit(&(field), (value), memory_order_relaxed)
#define SUB(field, value) atomic_fetch_sub_explicit(&(field), (value), memory_order_relaxed)

static struct {
	struct admission_options options;
	/* All cores write to it, but only for requests that take many milliseconds. */
	_Atomic uint32_t in_progress;
} shared;

/* Of one core, which alone writes it: refusing must stay cheap on many cores at a time. */
static struct own {
	_Alignas(64) _Atomic uint32_t in_progress;
	_Atomic uint64_t admitted;
	_Atomic uint64_t refused[ADMISSION_REASONS];
} cores[CORES_MAX];

static struct own *own(void)
{
	return &cores[core_current() ? core_current()->index : 0];
}

static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, READ(*counter) + 1, memory_order_relaxed);
}

void admission_init(const struct admission_options *options)
{
	assert(options->concurrent_max && options->core_max);
	assert(options->reads && options->hashing);
	shared.options = *options;
}

/*
 * Those that wait for a hash, and those that may join them: a burst is let in faster than its
 * look-ups are done. Not all that are in progress: some do not hash (a locked account), and some
 * share the hash of another.
 */
static uint32_t ahead_of_hash(void)
{
	const struct admission_options *options = &shared.options;
	uint32_t coming = job_queue_waiting(options->reads) + READ(options->reads->running);

	return MIN(READ(shared.in_progress), job_queue_waiting(options->hashing) + coming);
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t wait_of_queue(const struct job_queue *queue, uint64_t now_ns)
{
	return job_queue_wait_ns(queue, job_queue_waiting(queue), now_ns);
}

static uint64_t wait_now(uint64_t now_ns)
{
	const struct admission_options *options = &shared.options;
	uint64_t wait_ns = job_queue_wait_ns(options->hashing, ahead_of_hash(), now_ns);

	wait_ns = add(wait_ns, wait_of_queue(options->reads, now_ns));
	return options->writes ? add(wait_ns, wait_of_queue(options->writes, now_ns)) : wait_ns;
}

static uint64_t limit_now(uint64_t now_ns)
{
	uint64_t since_ns = READ(shared.options.hashing->busy_since_ns);
	uint64_t max_ns = shared.options.queue_time_max_ms * NS_PER_MS;
	bool is_standing = since_ns && now_ns > since_ns && now_ns - since_ns > max_ns;

	return is_standing ? shared.options.queue_time_standing_ms * NS_PER_MS : max_ns;
}

/*
 * By then all that waits now has been worked off. And up to as long again, at random: those that
 * were refused together should not come back together.
 */
static unsigned retry_s(uint64_t wait_ns)
{
	uint64_t seconds, random;

	wait_ns = MIN(wait_ns, ADMISSION_RETRY_S_MAX * NS_PER_S);
	random_bytes(&random, sizeof(random));
	wait_ns += random % (wait_ns + 1);
	seconds = wait_ns / NS_PER_S + (wait_ns % NS_PER_S > 0);
	return (unsigned)MAX(1, MIN(seconds, ADMISSION_RETRY_S_MAX));
}

static enum admission_reason reason_to_refuse(
	const struct own *core, uint64_t wait_ns, uint64_t deadline_ns, uint64_t now_ns)
{
	if (READ(shared.in_progress) >= shared.options.concurrent_max)
		return ADMISSION_CONCURRENT;
	if (READ(core->in_progress) >= shared.options.core_max)
		return ADMISSION_CORE;
	if (wait_ns > limit_now(now_ns))
		return ADMISSION_WAIT;
	if (add(now_ns, wait_ns) >= deadline_ns)
		return ADMISSION_DEADLINE;
	/* Another core may have taken the last place since. */
	if (ADD(shared.in_progress, 1) >= shared.options.concurrent_max) {
		SUB(shared.in_progress, 1);
		return ADMISSION_CONCURRENT;
	}
	return ADMISSION_REASONS;
}

unsigned admission_enter(uint64_t deadline_ns, uint64_t now_ns)
{
	struct own *core = own();
	uint64_t wait_ns = wait_now(now_ns);
	enum admission_reason reason = reason_to_refuse(core, wait_ns, deadline_ns, now_ns);

	if (reason < ADMISSION_REASONS) {
		count(&core->refused[reason]);
		return retry_s(wait_ns);
	}
	count(&core->admitted);
	ADD(core->in_progress, 1);
	return 0;
}

void admission_leave(void)
{
	struct own *core = own();

	assert(READ(core->in_progress) > 0);
	SUB(core->in_progress, 1);
	SUB(shared.in_progress, 1);
}

unsigned admission_retry_s(uint64_t now_ns)
{
	return retry_s(wait_now(now_ns));
}

void admission_view(struct admission_view *ret_view, uint64_t now_ns)
{
	struct admission_view view = {
		.in_progress = READ(shared.in_progress),
		.concurrent_max = shared.options.concurrent_max,
		.wait_ns = wait_now(now_ns),
		.limit_ns = limit_now(now_ns),
	};

	for (unsigned i = 0; i < MAX(cores_count(), 1); i++) {
		view.admitted += READ(cores[i].admitted);
		for (unsigned j = 0; j < ADMISSION_REASONS; j++)
			view.refused[j] += READ(cores[i].refused[j]);
	}
	*ret_view = view;
}

const char *admission_reason_name(enum admission_reason reason)
{
	static const char *const names[] = { "concurrent", "core", "wait", "deadline" };

	assert(reason < ARRAY_SIZE(names));
	return names[reason];
}
