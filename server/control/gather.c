/* Questions to every core: see gather.h. */
#include "control/gather.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/core.h"
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
	unsigned count;       /* of all cores */
	struct part *parts[]; /* NULL: not asked */
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

static struct part *part_new(const struct gather_question *question, struct core *core)
{
	struct part *part = calloc(1, sizeof(*part) + question->answer_bytes);

	if (!part)
		return NULL;
	part->magic = PART_MAGIC;
	part->references = 2;
	part->wake_fd = question->wake_fd;
	part->core = core;
	part->on_core = question->on_core;
	part->item.on_core = part_run;
	if (question->question)
		memcpy(part->answer, question->question, question->answer_bytes);
	return part;
}

int gather_new(const struct gather_question *question, struct gather **ret_gather)
{
	unsigned count = cores_count();
	struct gather *gather = calloc(1, sizeof(*gather) + count * sizeof(gather->parts[0]));

	if (!gather)
		return -ENOMEM;
	gather->deadline_ns = question->deadline_ns;
	gather->count = count;
	for (unsigned i = 0; i < count; i++) {
		struct core *core = core_at(i);

		if (question->only && question->only != core)
			continue;
		/* One that has drained will not answer, and nobody waits for it. */
		if (atomic_load_explicit(&core->is_ended, memory_order_acquire))
			continue;
		gather->parts[i] = part_new(question, core);
		if (!gather->parts[i]) {
			gather_free(gather);
			return -ENOMEM;
		}
		inbox_send(&core->inbox, &gather->parts[i]->item);
	}
	*ret_gather = gather;
	return 0;
}

void gather_free(struct gather *gather)
{
	if (!gather)
		return;
	for (unsigned i = 0; i < gather->count; i++)
		if (gather->parts[i])
			part_put(gather->parts[i]);
	free(gather);
}

static bool is_answered(const struct part *part)
{
	return atomic_load_explicit(&part->is_answered, memory_order_acquire);
}

bool gather_is_silent(const struct gather *gather, unsigned core)
{
	assert(core < gather->count);
	return gather->parts[core] && !is_answered(gather->parts[core]);
}

const void *gather_answer(const struct gather *gather, unsigned core)
{
	const struct part *part;

	assert(core < gather->count);
	part = gather->parts[core];
	return part && is_answered(part) ? part->answer : NULL;
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
	if (now_ns >= gather->deadline_ns)
		return true;
	for (unsigned i = 0; i < gather->count; i++)
		if (gather_is_silent(gather, i))
			return false;
	return true;
}

uint64_t gather_deadline_ns(const struct gather *gather)
{
	return gather->deadline_ns;
}
