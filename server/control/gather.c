/* Questions to every core: see gather.h. */
#include "control/gather.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "core/core.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define PART_MAGIC UINT32_C(0x47415452)

/* Held by two: the gather and the core it is sent to. Whoever lets go last frees it. */
struct part {
	uint32_t magic;
	_Atomic unsigned references;
	_Atomic bool is_answered;
	int wake_fd;
	struct core *core;
	void (*on_core)(struct core *core, void *answer);
	struct inbox_item item;
	_Alignas(16) char answer[];
};

struct gather {
	uint64_t deadline_ns;
	unsigned count;
	struct part *parts[];
};

static void part_put(struct part *part)
{
	if (atomic_fetch_sub_explicit(&part->references, 1, memory_order_acq_rel) > 1)
		return;
	part->magic = 0;
	free(part);
}

static void part_run(struct inbox_item *item)
{
	struct part *part = container_of(item, struct part, item);

	assert(part->magic == PART_MAGIC);
	/* Nobody else holds it: the question was given up, so the work is saved. */
	if (atomic_load_explicit(&part->references, memory_order_acquire) > 1) {
		if (part->on_core)
			part->on_core(part->core, part->answer);
		atomic_store_explicit(&part->is_answered, true, memory_order_release);
		/* Cannot fail but when the counter is at its limit, and then it wakes anyway. */
		(void)eventfd_write(part->wake_fd, 1);
	}
	part_put(part);
}

static struct part *part_new(
	struct core *core, void (*on_core)(struct core *, void *), size_t answer_bytes, int wake_fd)
{
	struct part *part = calloc(1, sizeof(*part) + answer_bytes);

	if (!part)
		return NULL;
	part->magic = PART_MAGIC;
	part->references = 2;
	part->wake_fd = wake_fd;
	part->core = core;
	part->on_core = on_core;
	part->item.on_core = part_run;
	return part;
}

int gather_new(void (*on_core)(struct core *core, void *answer), size_t answer_bytes, int wake_fd,
	uint64_t now_ns, struct gather **ret_gather)
{
	unsigned count = cores_count();
	struct gather *gather = calloc(1, sizeof(*gather) + count * sizeof(gather->parts[0]));

	if (!gather)
		return -ENOMEM;
	gather->deadline_ns = clock_after_ms(now_ns, GATHER_TIMEOUT_MS);
	for (; gather->count < count; gather->count++) {
		struct core *core = core_at(gather->count);
		struct part *part = part_new(core, on_core, answer_bytes, wake_fd);

		if (!part) {
			gather_free(gather);
			return -ENOMEM;
		}
		gather->parts[gather->count] = part;
		inbox_send(&core->inbox, &part->item);
	}
	*ret_gather = gather;
	return 0;
}

void gather_free(struct gather *gather)
{
	if (!gather)
		return;
	for (unsigned i = 0; i < gather->count; i++)
		part_put(gather->parts[i]);
	free(gather);
}

const void *gather_answer(const struct gather *gather, unsigned core)
{
	const struct part *part;

	assert(core < gather->count);
	part = gather->parts[core];
	return atomic_load_explicit(&part->is_answered, memory_order_acquire) ? part->answer : NULL;
}

unsigned gather_answered(const struct gather *gather)
{
	unsigned answered = 0;

	for (unsigned i = 0; i < gather->count; i++)
		answered += gather_answer(gather, i) != NULL;
	return answered;
}

bool gather_is_over(const struct gather *gather, uint64_t now_ns)
{
	return now_ns >= gather->deadline_ns || gather_answered(gather) == gather->count;
}

uint64_t gather_deadline_ns(const struct gather *gather)
{
	return gather->deadline_ns;
}
