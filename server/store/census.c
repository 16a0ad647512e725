/* Sessions, counted now and then: see census.h. */
#include "store/census.h"

#include "shared/clock.h"
#include "shared/macros.h"

#define NOT_KNOWN UINT64_MAX

static struct {
	_Atomic uint64_t sessions;
	_Atomic bool is_wanted;
	uint64_t next_ns; /* the keeper's */
} census = { .sessions = NOT_KNOWN };

void census_reset(void)
{
	census.next_ns = 0;
	atomic_store(&census.sessions, NOT_KNOWN);
	atomic_store(&census.is_wanted, true); /* so that the first who asks gets an answer */
}

void census_turn(const struct store_backend *backend, void *connection)
{
	uint64_t from_ns = clock_now_ns(), count;

	if (!backend->sessions_count || from_ns < census.next_ns ||
		!atomic_exchange(&census.is_wanted, false))
		return;
	/* What cannot be counted now keeps its last number: that the store is down is told by
	 * others. */
	if (backend->sessions_count(connection, clock_wall_ms(), &count) == 0)
		atomic_store(&census.sessions, count);
	census.next_ns = from_ns + MAX((clock_now_ns() - from_ns) * CENSUS_SHARE,
					   CENSUS_EVERY_MS * NS_PER_MS);
}

bool store_sessions_count(uint64_t *ret_count)
{
	uint64_t count = atomic_load(&census.sessions);

	atomic_store(&census.is_wanted, true);
	if (count == NOT_KNOWN)
		return false;
	*ret_count = count;
	return true;
}
