/* Errands to the cores' fibers: see errand.h. */
#include "control/errand.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "control/blocking.h"
#include "core/core.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/secret.h"

#define ERRAND_MAGIC UINT32_C(0x45525244)

/* Held by two: the control thread and who runs it. Whoever lets go last frees it. */
struct errand {
	uint32_t magic;
	_Atomic unsigned references;
	_Atomic bool is_done;
	int result, wake_fd;
	uint64_t deadline_ns;
	void (*run_await)(void *data);
	struct inbox_item item;       /* to a core */
	struct blocking_item blocked; /* or to the thread for what blocks */
	bool is_blocking;
	size_t bytes;
	_Alignas(16) char data[];
};

static void errand_put(struct errand *errand)
{
	if (atomic_fetch_sub_explicit(&errand->references, 1, memory_order_acq_rel) > 1)
		return;
	errand->magic = 0;
	secret_wipe(errand->data, errand->bytes);
	free(errand);
}

static void errand_done(struct errand *errand, int result)
{
	errand->result = result;
	atomic_store_explicit(&errand->is_done, true, memory_order_release);
	/* Fails only when the counter is at its limit, and then it wakes anyway. */
	(void)eventfd_write(errand->wake_fd, 1);
	errand_put(errand);
}

static void fiber_main(void *arg)
{
	struct errand *errand = arg;

	errand->run_await(errand->data);
	errand_done(errand, 0);
}

/* Given up before it began: nobody would read the result. */
static bool is_given_up(const struct errand *errand)
{
	return atomic_load_explicit(&errand->references, memory_order_acquire) == 1;
}

static void on_thread(struct blocking_item *item)
{
	struct errand *errand = container_of(item, struct errand, blocked);

	assert(errand->magic == ERRAND_MAGIC);
	if (!is_given_up(errand))
		errand->run_await(errand->data);
	errand_done(errand, 0);
}

static void on_core(struct inbox_item *item)
{
	struct errand *errand = container_of(item, struct errand, item);
	struct fiber *fiber;
	int r;

	assert(errand->magic == ERRAND_MAGIC);
	if (is_given_up(errand)) {
		errand_put(errand);
		return;
	}
	r = fiber_start(core_current()->fibers, fiber_main, errand, errand->deadline_ns, &fiber);
	if (r < 0)
		errand_done(errand, r);
}

/*
 * A stuck core would keep the errand for ever: one that sleeps is not stuck, else the one that
 * turned last is taken. NULL: all have ended.
 */
static struct core *core_choose(void)
{
	struct core *chosen = NULL;
	uint64_t chosen_ns = 0;

	for (unsigned i = 0; i < cores_count(); i++) {
		struct core *core = core_at(i);
		uint64_t alive_ns =
			atomic_load_explicit(&core->stats.alive_ns, memory_order_relaxed);

		if (atomic_load_explicit(&core->is_ended, memory_order_acquire))
			continue;
		if (atomic_load_explicit(&core->inbox.is_sleeping, memory_order_relaxed))
			return core;
		if (!chosen || alive_ns > chosen_ns) {
			chosen = core;
			chosen_ns = alive_ns;
		}
	}
	return chosen;
}

static struct errand *errand_make(
	void (*run)(void *data), const void *data, size_t bytes, int wake_fd)
{
	struct errand *errand = calloc(1, sizeof(*errand) + bytes);

	if (!errand)
		return NULL;
	errand->magic = ERRAND_MAGIC;
	errand->references = 2;
	errand->wake_fd = wake_fd;
	errand->run_await = run;
	errand->bytes = bytes;
	if (data)
		memcpy(errand->data, data, bytes);
	return errand;
}

int errand_new(void (*run_await)(void *data), const void *data, size_t bytes, uint64_t deadline_ns,
	int wake_fd, struct errand **ret_errand)
{
	struct core *core = core_choose();
	struct errand *errand;

	if (!core)
		return -ERR_DRAINING;
	errand = errand_make(run_await, data, bytes, wake_fd);
	if (!errand)
		return -ENOMEM;
	errand->deadline_ns = deadline_ns;
	errand->item.on_core = on_core;
	inbox_send(&core->inbox, &errand->item);
	*ret_errand = errand;
	return 0;
}

int errand_block(void (*run)(void *data), const void *data, size_t bytes, int wake_fd,
	struct errand **ret_errand)
{
	struct errand *errand = errand_make(run, data, bytes, wake_fd);
	int r;

	if (!errand)
		return -ENOMEM;
	errand->is_blocking = true;
	errand->blocked.run = on_thread;
	r = blocking_submit(&errand->blocked);
	if (r < 0) {
		free(errand);
		return r;
	}
	*ret_errand = errand;
	return 0;
}

bool errand_is_blocking(const struct errand *errand)
{
	return errand->is_blocking;
}

void errand_free(struct errand *errand)
{
	if (errand)
		errand_put(errand);
}

bool errand_is_done(const struct errand *errand)
{
	return atomic_load_explicit(&errand->is_done, memory_order_acquire);
}

int errand_result(const struct errand *errand)
{
	assert(errand_is_done(errand));
	return errand->result;
}

void *errand_data(struct errand *errand)
{
	assert(errand_is_done(errand));
	return errand->data;
}
