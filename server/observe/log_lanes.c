/* One producer, one consumer, bytes in between; and who is oldest: see log_lanes.h. */
#include "observe/log_lanes.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/claims.h"
#include "core/core.h"
#include "shared/macros.h"

struct lane {
	uint16_t core;
	/* Positions only grow; the writer moves the first, who logs the second. */
	_Alignas(64) _Atomic uint64_t head;
	_Alignas(64) _Atomic uint64_t tail;
	char bytes[LOG_LANE_BYTES];
};

static struct lane shared_lane = { .core = LOG_NO_CORE };
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER; /* filling it; no lock follows */

/* Never freed: a core that could not be joined may still log while the process ends. */
static _Atomic(struct lane *) lanes[CORES_MAX + 1];
static _Atomic unsigned lanes_count;
static _Thread_local struct lane *mine;

int log_lane_own(unsigned core)
{
	struct lane *lane;

	assert(core < CORES_MAX);
	lane = atomic_load_explicit(&lanes[core], memory_order_relaxed);
	if (!lane) {
		lane = aligned_alloc(64, sizeof(*lane));
		if (!lane)
			return -ENOMEM;
		claim(CLAIM_LOG, CLAIM_FROM_HEAP, lane, sizeof(*lane));
		lane->core = (uint16_t)core;
		atomic_init(&lane->head, 0);
		atomic_init(&lane->tail, 0);
		atomic_store_explicit(&lanes[core], lane, memory_order_release);
		/* Cores start side by side. */
		for (unsigned count = atomic_load(&lanes_count);
			count <= core &&
			!atomic_compare_exchange_weak(&lanes_count, &count, core + 1);)
			;
	}
	mine = lane;
	return 0;
}

uint16_t log_lane_core(void)
{
	return mine ? mine->core : LOG_NO_CORE;
}

static void copy_in(struct lane *lane, uint64_t at, const void *from, size_t bytes)
{
	size_t start = at % LOG_LANE_BYTES, first = MIN(bytes, LOG_LANE_BYTES - start);

	memcpy(lane->bytes + start, from, first);
	memcpy(lane->bytes, (const char *)from + first, bytes - first);
}

static void copy_out(const struct lane *lane, uint64_t at, void *to, size_t bytes)
{
	size_t start = at % LOG_LANE_BYTES, first = MIN(bytes, LOG_LANE_BYTES - start);

	memcpy(to, lane->bytes + start, first);
	memcpy((char *)to + first, lane->bytes, bytes - first);
}

static bool lane_put(struct lane *lane, const struct log_record *record, bool *ret_is_urgent)
{
	uint64_t tail = atomic_load_explicit(&lane->tail, memory_order_relaxed);
	uint64_t used = tail - atomic_load_explicit(&lane->head, memory_order_acquire);

	if (record->bytes > LOG_LANE_BYTES - used)
		return false;
	copy_in(lane, tail, record, record->bytes);
	/* seq_cst: the writer goes to sleep, then looks; we fill, then look whether it sleeps. */
	atomic_store(&lane->tail, tail + record->bytes);
	*ret_is_urgent = used + record->bytes > LOG_LANE_BYTES / 2;
	return true;
}

bool log_lanes_put(const struct log_record *record, bool *ret_is_urgent)
{
	bool has_room;

	if (mine)
		return lane_put(mine, record, ret_is_urgent);
	pthread_mutex_lock(&shared_lock);
	has_room = lane_put(&shared_lane, record, ret_is_urgent);
	pthread_mutex_unlock(&shared_lock);
	return has_room;
}

/* NULL past the end; the shared one is the last. */
static struct lane *lane_at(unsigned index)
{
	return index == CORES_MAX ? &shared_lane
				  : atomic_load_explicit(&lanes[index], memory_order_acquire);
}

static unsigned lane_after(unsigned index)
{
	return index + 1 < atomic_load_explicit(&lanes_count, memory_order_acquire) ? index + 1
										    : CORES_MAX;
}

static bool lane_is_empty(const struct lane *lane)
{
	return !lane ||
	       atomic_load(&lane->tail) == atomic_load_explicit(&lane->head, memory_order_relaxed);
}

bool log_lanes_are_empty(void)
{
	for (unsigned i = lane_after(UINT32_MAX);; i = lane_after(i)) {
		if (!lane_is_empty(lane_at(i)))
			return false;
		if (i == CORES_MAX)
			return true;
	}
}

bool log_lanes_take(union log_space *space)
{
	struct lane *oldest = NULL;
	struct log_record head, best = {};
	uint64_t at;

	for (unsigned i = lane_after(UINT32_MAX);; i = lane_after(i)) {
		struct lane *lane = lane_at(i);

		if (!lane_is_empty(lane)) {
			copy_out(lane, atomic_load_explicit(&lane->head, memory_order_relaxed),
				&head, sizeof(head));
			if (!oldest || head.wall_ns < best.wall_ns) {
				oldest = lane;
				best = head;
			}
		}
		if (i == CORES_MAX)
			break;
	}
	if (!oldest)
		return false;
	assert(best.bytes >= sizeof(best) && best.bytes <= sizeof(space->bytes));
	at = atomic_load_explicit(&oldest->head, memory_order_relaxed);
	copy_out(oldest, at, space, best.bytes);
	atomic_store_explicit(&oldest->head, at + best.bytes, memory_order_release);
	return true;
}
