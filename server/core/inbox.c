/*
 * The inbox: producers push onto a stack with one exchange of its head, the consumer takes the
 * whole stack and reverses it. See inbox.h; who sleeps and who wakes is the loop's business.
 */
#include "core/inbox.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int inbox_init(struct inbox *inbox)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	atomic_init(&inbox->head, NULL);
	atomic_init(&inbox->is_sleeping, false);
	inbox->wake_fd = fd;
	return 0;
}

void inbox_deinit(struct inbox *inbox)
{
	close(inbox->wake_fd);
	inbox->wake_fd = -1;
}

void inbox_send(struct inbox *inbox, struct inbox_item *item)
{
	struct inbox_item *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
	uint64_t one = 1;

	do
		atomic_store_explicit(&item->next, head, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
		&inbox->head, &head, item, memory_order_release, memory_order_relaxed));

	/* Pairs with the fence in inbox_sleep(): either we see that it sleeps, or it sees the item.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&inbox->is_sleeping, memory_order_relaxed))
		return;
	if (atomic_exchange_explicit(&inbox->is_sleeping, false, memory_order_relaxed)) {
		ssize_t written = write(inbox->wake_fd, &one, sizeof(one));

		/* EAGAIN: the counter is full, so the reader is being woken anyway. */
		assert(written == sizeof(one) || errno == EAGAIN);
	}
}

unsigned inbox_drain(struct inbox *inbox)
{
	struct inbox_item *newest, *oldest = NULL;
	unsigned count = 0;

	if (!atomic_load_explicit(&inbox->head, memory_order_relaxed))
		return 0;
	newest = atomic_exchange_explicit(&inbox->head, NULL, memory_order_acquire);
	while (newest) {
		struct inbox_item *next = atomic_load_explicit(&newest->next, memory_order_relaxed);

		atomic_store_explicit(&newest->next, oldest, memory_order_relaxed);
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct inbox_item *item = oldest;

		/* on_core may free the item. */
		oldest = atomic_load_explicit(&item->next, memory_order_relaxed);
		item->on_core(item);
		count++;
	}
	return count;
}

bool inbox_sleep(struct inbox *inbox)
{
	atomic_store_explicit(&inbox->is_sleeping, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&inbox->head, memory_order_relaxed))
		return true;
	inbox_awake(inbox);
	return false;
}

void inbox_awake(struct inbox *inbox)
{
	atomic_store_explicit(&inbox->is_sleeping, false, memory_order_relaxed);
}
