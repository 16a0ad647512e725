/* So much in each pass of the loop: see ration.h. */
#include "core/ration.h"

#include "core/fiber.h"
#include "shared/err.h"
#include "shared/macros.h"

struct ration_waiter {
	struct ration_waiter *next, *prev;
	struct fiber *fiber;
	bool is_served;
};

static void waiter_unlink(struct ration *ration, struct ration_waiter *waiter)
{
	if (waiter->prev)
		waiter->prev->next = waiter->next;
	else
		ration->first = waiter->next;
	if (waiter->next)
		waiter->next->prev = waiter->prev;
	else
		ration->last = waiter->prev;
	ration->waiting--;
}

static void waiter_append(struct ration *ration, struct ration_waiter *waiter)
{
	waiter->prev = ration->last;
	if (ration->last)
		ration->last->next = waiter;
	else
		ration->first = waiter;
	ration->last = waiter;
	ration->waiting++;
}

/* A new pass: nothing is taken yet, and who waited longest goes first. */
static void on_turn(struct inbox_item *item);

static void turn_send(struct ration *ration)
{
	if (ration->is_turn_sent)
		return;
	ration->is_turn_sent = true;
	ration->turn.on_core = on_turn;
	inbox_send(ration->inbox, &ration->turn);
}

static void on_turn(struct inbox_item *item)
{
	struct ration *ration = container_of(item, struct ration, turn);

	ration->is_turn_sent = false;
	ration->taken = 0;
	while (ration->first && ration->taken < ration->per_turn) {
		struct ration_waiter *waiter = ration->first;

		waiter_unlink(ration, waiter);
		waiter->is_served = true;
		ration->taken++;
		turn_send(ration);
		fiber_wake(waiter->fiber, 0);
	}
}

void ration_init(
	struct ration *ration, struct inbox *inbox, unsigned per_turn, unsigned waiting_max)
{
	*ration =
		(struct ration){ .inbox = inbox, .per_turn = per_turn, .waiting_max = waiting_max };
}

int ration_take_await(struct ration *ration)
{
	struct ration_waiter waiter = { .fiber = fiber_current() };
	int r;

	if (!ration->first && ration->taken < ration->per_turn) {
		ration->taken++;
		turn_send(ration);
		return 0;
	}
	if (ration->waiting == ration->waiting_max) {
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
