/* The thread for what may block: see blocking.h. */
#include "control/blocking.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/thread.h"
#include "shared/err.h"

static struct {
	/* Guards all that follows; no other lock is taken under it. */
	pthread_mutex_t lock;
	pthread_cond_t has_work;
	struct blocking_item *head, **tail;
	struct blocking_stats stats;
	bool is_running, is_stopping;
	pthread_t thread;
} blocking = { .lock = PTHREAD_MUTEX_INITIALIZER, .has_work = PTHREAD_COND_INITIALIZER };

/* NULL: the end. */
static struct blocking_item *take(void)
{
	struct blocking_item *item;

	pthread_mutex_lock(&blocking.lock);
	while (!blocking.head && !blocking.is_stopping)
		pthread_cond_wait(&blocking.has_work, &blocking.lock);
	item = blocking.head;
	if (item) {
		blocking.head = item->next;
		if (!blocking.head)
			blocking.tail = &blocking.head;
		blocking.stats.queued--;
		blocking.stats.running = 1;
	}
	pthread_mutex_unlock(&blocking.lock);
	return item;
}

static void ran(void)
{
	pthread_mutex_lock(&blocking.lock);
	blocking.stats.running = 0;
	blocking.stats.done++;
	pthread_mutex_unlock(&blocking.lock);
}

static void *thread_main(void *arg)
{
	struct blocking_item *item;

	while ((item = take())) {
		item->run(item);
		ran();
	}
	return arg;
}

int blocking_start(void)
{
	int r;

	assert(!blocking.is_running);
	blocking.head = NULL;
	blocking.tail = &blocking.head;
	blocking.is_stopping = false;
	r = thread_start(&blocking.thread, "control-block", thread_main, NULL);
	if (r < 0)
		return r;
	pthread_mutex_lock(&blocking.lock);
	blocking.is_running = true;
	pthread_mutex_unlock(&blocking.lock);
	return 0;
}

void blocking_stop(void)
{
	bool is_running;

	pthread_mutex_lock(&blocking.lock);
	is_running = blocking.is_running;
	blocking.is_running = false;
	blocking.is_stopping = true;
	pthread_cond_signal(&blocking.has_work);
	pthread_mutex_unlock(&blocking.lock);
	if (is_running)
		pthread_join(blocking.thread, NULL);
}

int blocking_submit(struct blocking_item *item)
{
	int r = 0;

	pthread_mutex_lock(&blocking.lock);
	if (!blocking.is_running) {
		r = -ERR_DRAINING;
	} else if (blocking.stats.queued == BLOCKING_QUEUED_MAX) {
		blocking.stats.refused++;
		r = -ERR_OVERLOADED;
	} else {
		item->next = NULL;
		*blocking.tail = item;
		blocking.tail = &item->next;
		blocking.stats.queued++;
		pthread_cond_signal(&blocking.has_work);
	}
	pthread_mutex_unlock(&blocking.lock);
	return r;
}

struct blocking_stats blocking_stats(void)
{
	struct blocking_stats stats;

	pthread_mutex_lock(&blocking.lock);
	stats = blocking.stats;
	pthread_mutex_unlock(&blocking.lock);
	return stats;
}
