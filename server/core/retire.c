/* Freeing what cores may still look at: see retire.h. */
#include "core/retire.h"

#include <errno.h>
#include <stdlib.h>

#include "core/core.h"
#include "shared/macros.h"

struct retire_part {
	struct inbox_item item;
	struct retire *retire;
};

struct retire {
	_Atomic unsigned waiting;
	void *object;
	void (*object_free)(void *object);
	struct retire_part parts[];
};

static void part_done(struct retire *retire)
{
	if (atomic_fetch_sub_explicit(&retire->waiting, 1, memory_order_acq_rel) > 1)
		return;
	retire->object_free(retire->object);
	free(retire);
}

static void on_core(struct inbox_item *item)
{
	part_done(container_of(item, struct retire_part, item)->retire);
}

int core_retire(void *object, void (*object_free)(void *object))
{
	unsigned count = cores_count();
	struct retire *retire = calloc(1, sizeof(*retire) + count * sizeof(retire->parts[0]));

	if (!retire)
		return -ENOMEM;
	retire->object = object;
	retire->object_free = object_free;
	/* One more for ourselves: the last part must not free it while we still send. */
	retire->waiting = count + 1;
	for (unsigned i = 0; i < count; i++) {
		struct core *core = core_at(i);

		retire->parts[i] =
			(struct retire_part){ .item.on_core = on_core, .retire = retire };
		if (atomic_load_explicit(&core->is_ended, memory_order_acquire))
			part_done(retire);
		else
			inbox_send(&core->inbox, &retire->parts[i].item);
	}
	part_done(retire);
	return 0;
}
