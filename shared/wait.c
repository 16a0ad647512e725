/* Timed waits: see wait.h. */
#include "shared/wait.h"

#include "shared/clock.h"

struct timespec wait_end_ms(uint64_t ms)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += (time_t)(ms / 1000);
	end.tv_nsec += (long)(ms % 1000 * NS_PER_MS);
	if (end.tv_nsec >= (long)NS_PER_S) {
		end.tv_nsec -= (long)NS_PER_S;
		end.tv_sec++;
	}
	return end;
}

bool wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *end)
{
	return pthread_cond_clockwait(condition, lock, CLOCK_MONOTONIC, end) == 0;
}
