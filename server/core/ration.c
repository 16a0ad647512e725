/* So much in each pass of the loop: see ration.h. */
#include "core/ration.h"

#include "core/fiber.h"
#include "shared/err.h"
#include "shared/macros.h"

struct ration_waiter {
	struct list_link link;
	struct fiber *fiber;
	bool is_served;
};

static struct registry registry = REGISTRY_INITIALIZER;

/* One writer: a load and a store, no locked instruction. */
static void waiting_add(struct ration *ration, uint32_t value)
{
	atomic_store_explicit(&ration->waiting,
		atomic_load_explicit(&ration->waiting, memory_order_relaxed) + value,
		memory_order_relaxed);
}

static void waiter_unlink(struct ration *ration, struct ration_waiter *waiter)
{
	list_remove(&ration->waiters, &waiter->link);
	waiting_add(ration, (uint32_t)-1);
}

static void waiter_append(struct ration *ration, struct ration_waiter *waiter)
{
	list_append(&ration->waiters, &waiter->link);
	waiting_add(ration, 1);
}

/* A new pass: nothing is taken yet, and who waited longest goes first. */
static void on_turn(struct inbox_item *item);

static void turn_send(struct ration *ration)
{
	if (ration->is_turn_sent)
		return;
	ration->is_turn_sent = true;
	ration->turn.on_core = on_turn;
	inbox_send(ration->options.inbox, &ration->turn);
}

static void on_turn(struct inbox_item *item)
{
	struct ration *ration = container_of(item, struct ration, turn);

	ration->is_turn_sent = false;
	ration->taken = 0;
	while (ration->waiters.first && ration->taken < ration->options.per_turn) {
		struct ration_waiter *waiter =
			container_of(ration->waiters.first, struct ration_waiter, link);

		waiter_unlink(ration, waiter);
		waiter->is_served = true;
		ration->taken++;
		turn_send(ration);
		fiber_wake(waiter->fiber, 0);
	}
}

void ration_init(struct ration *ration, const struct ration_options *options)
{
	*ration = (struct ration){ .options = *options };
	registry_add(&registry, &ration->member);
}

void ration_deinit(struct ration *ration)
{
	registry_remove(&registry, &ration->member);
}

void ration_each(void (*visit)(const struct ration *ration, void *arg), void *arg)
{
	for (const struct registry_member *member = registry_hold(&registry); member;
		member = member->next)
		visit(container_of(member, const struct ration, member), arg);
	registry_release(&registry);
}

int ration_take_await(struct ration *ration)
{
	struct ration_waiter waiter = { .fiber = fiber_current() };
	int r;

	if (!ration->waiters.first && ration->taken < ration->options.per_turn) {
		ration->taken++;
		turn_send(ration);
		return 0;
	}
	if (atomic_load_explicit(&ration->waiting, memory_order_relaxed) ==
		ration->options.waiting_max) {
		atomic_fetch_add_explicit(&ration->refused, 1, memory_order_relaxed);
		return -ERR_OVERLOADED;
	}
	atomic_fetch_add_explicit(&ration->waited, 1, memory_order_relaxed);
	waiter_append(ration, &waiter);
	r = fiber_wait_await();
	if (waiter.is_served)
		return 1;
	waiter_unlink(ration, &waiter);
	return r;
}
