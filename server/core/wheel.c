/* The timer wheel: see wheel.h. */
#include "core/wheel.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define TICK_NS (WHEEL_TICK_MS * NS_PER_MS)

static void list_append(struct timer *head, struct timer *timer)
{
	timer->prev = head->prev;
	timer->next = head;
	head->prev->next = timer;
	head->prev = timer;
}

static void list_remove(struct timer *timer)
{
	timer->prev->next = timer->next;
	timer->next->prev = timer->prev;
	timer->next = timer->prev = NULL;
}

void wheel_init(struct wheel *wheel, uint64_t now_ns)
{
	for (unsigned i = 0; i < WHEEL_SLOTS; i++)
		wheel->slots[i].next = wheel->slots[i].prev = &wheel->slots[i];
	memset(wheel->occupied, 0, sizeof(wheel->occupied));
	wheel->tick = now_ns / TICK_NS;
	wheel->armed = 0;
}

static void slot_append(struct wheel *wheel, uint64_t tick, struct timer *timer)
{
	unsigned index = tick % WHEEL_SLOTS;

	list_append(&wheel->slots[index], timer);
	wheel->occupied[index / 64] |= UINT64_C(1) << index % 64;
}

/* The first tick at which at_ns has passed. */
static uint64_t tick_of(uint64_t at_ns)
{
	return at_ns / TICK_NS + (at_ns % TICK_NS != 0);
}

void timer_set(struct wheel *wheel, struct timer *timer, uint64_t at_ns)
{
	uint64_t tick = tick_of(at_ns);

	timer_cancel(wheel, timer);
	if (at_ns == CLOCK_NEVER)
		return;
	assert(timer->on_timer);
	timer->at_ns = at_ns;
	if (tick < wheel->tick)
		tick = wheel->tick;
	slot_append(wheel, tick, timer);
	wheel->armed++;
}

void timer_cancel(struct wheel *wheel, struct timer *timer)
{
	if (!timer_is_armed(timer))
		return;
	list_remove(timer);
	wheel->armed--;
}

/*
 * Runs what is due in one slot. The slot's list is moved aside first, so that a callback which arms
 * a timer of the past is served at the next tick and cannot keep us here for ever.
 */
static void slot_run(struct wheel *wheel, uint64_t tick, uint64_t now_ns)
{
	unsigned index = tick % WHEEL_SLOTS;
	struct timer *slot = &wheel->slots[index];
	struct timer due;

	wheel->occupied[index / 64] &= ~(UINT64_C(1) << index % 64);
	if (slot->next == slot)
		return;
	due.next = slot->next;
	due.prev = slot->prev;
	due.next->prev = due.prev->next = &due;
	slot->next = slot->prev = slot;
	while (due.next != &due) {
		struct timer *timer = due.next;

		list_remove(timer);
		if (timer->at_ns > now_ns) {
			slot_append(wheel, tick, timer); /* of a later turn of the wheel */
			continue;
		}
		wheel->armed--;
		timer->on_timer(timer);
	}
}

void wheel_advance(struct wheel *wheel, uint64_t now_ns)
{
	uint64_t last = now_ns / TICK_NS;

	/* After a long stall one turn sees every slot. */
	if (last >= wheel->tick + WHEEL_SLOTS)
		wheel->tick = last - WHEEL_SLOTS + 1;
	while (wheel->tick <= last)
		slot_run(wheel, wheel->tick++, now_ns);
}

/* A slot that was emptied by cancelling keeps its bit: the loop then wakes once for nothing. */
uint64_t wheel_next_ns(const struct wheel *wheel)
{
	unsigned first = wheel->tick % WHEEL_SLOTS;

	if (!wheel->armed)
		return CLOCK_NEVER;
	for (unsigned seen = 0; seen < WHEEL_SLOTS;) {
		unsigned index = (first + seen) % WHEEL_SLOTS;
		uint64_t bits = wheel->occupied[index / 64] >> index % 64;

		if (bits)
			return (wheel->tick + seen + (unsigned)__builtin_ctzll(bits)) * TICK_NS;
		seen += 64 - index % 64;
	}
	/* In the first word, below the slot where the search began. */
	return (wheel->tick + WHEEL_SLOTS - 1) * TICK_NS;
}
