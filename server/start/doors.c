/* A message to every core, and its answer: see doors.h. */
#include "start/doors.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/core.h"
#include "http/server.h"
#include "shared/clock.h"
#include "shared/macros.h"

struct door {
	struct inbox_item item;
	bool is_pending; /* the item is on its way */
	bool is_held;    /* as the core has said */
};

static struct {
	/* Guards all that follows; no other lock is taken under it. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_holding;              /* what is wanted */
	struct door doors[CORES_MAX]; /* static: a core that hangs keeps its item */
} doors = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* --- on a core --- */

static void go_on(struct door *door)
{
	http_server_go_on(core_current()->app);
	pthread_mutex_lock(&doors.lock);
	door->is_held = false;
	pthread_cond_signal(&doors.changed);
	pthread_mutex_unlock(&doors.lock);
}

static void on_held(void *arg)
{
	struct door *door = arg;
	bool is_wanted;

	pthread_mutex_lock(&doors.lock);
	door->is_held = is_wanted = doors.is_holding;
	pthread_cond_signal(&doors.changed);
	pthread_mutex_unlock(&doors.lock);
	if (!is_wanted)
		go_on(door); /* it came too late */
}

static void on_core(struct inbox_item *item)
{
	struct door *door = container_of(item, struct door, item);
	bool is_holding;

	pthread_mutex_lock(&doors.lock);
	door->is_pending = false;
	is_holding = doors.is_holding;
	pthread_mutex_unlock(&doors.lock);
	if (is_holding)
		http_server_hold(core_current()->app, on_held, door);
	else
		go_on(door);
}

/* --- who asks --- */

/* Locked. The first core that is not as it should be; cores_count(): none. */
static unsigned first_other(void)
{
	unsigned i = 0;

	while (i < cores_count() && doors.doors[i].is_held == doors.is_holding)
		i++;
	return i;
}

static void everybody_send(void)
{
	for (unsigned i = 0; i < cores_count(); i++) {
		struct door *door = &doors.doors[i];

		if (door->is_pending || door->is_held == doors.is_holding)
			continue;
		door->is_pending = true;
		door->item.on_core = on_core;
		inbox_send(&core_at(i)->inbox, &door->item);
	}
}

static int everybody_tell(bool is_holding, unsigned timeout_ms, unsigned *ret_core)
{
	uint64_t end_ns = clock_after_ms(clock_now_ns(), timeout_ms);
	struct timespec end = { .tv_sec = (time_t)(end_ns / NS_PER_S),
		.tv_nsec = (long)(end_ns % NS_PER_S) };
	int r = 0;

	pthread_mutex_lock(&doors.lock);
	doors.is_holding = is_holding;
	everybody_send();
	while (first_other() < cores_count() && r == 0)
		r = pthread_cond_clockwait(&doors.changed, &doors.lock, CLOCK_MONOTONIC, &end);
	*ret_core = first_other();
	r = *ret_core < cores_count() ? -ETIMEDOUT : 0;
	pthread_mutex_unlock(&doors.lock);
	return r;
}

void doors_start_held(void)
{
	doors.is_holding = true;
	for (unsigned i = 0; i < CORES_MAX; i++)
		doors.doors[i].is_held = true;
}

int doors_hold(unsigned timeout_ms, unsigned *ret_core)
{
	return everybody_tell(true, timeout_ms, ret_core);
}

int doors_open(unsigned timeout_ms, unsigned *ret_core)
{
	return everybody_tell(false, timeout_ms, ret_core);
}
