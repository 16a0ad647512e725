/* Who gets a processor first: see priority.h. */
#include "core/priority.h"

#include <errno.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shared/clock.h"

#define YIELDING_NICE 10
#define PROMPT_SLICE_NS (100 * NS_PER_US) /* the shortest that the kernel allows */

/* sched_setattr(2), for which this libc has no function: its first version, which all kernels that
 * know it take. */
struct scheduling {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

int priority_prompt(void)
{
	struct scheduling s = { .size = sizeof(s) };

	if (syscall(SYS_sched_getattr, 0, &s, sizeof(s), 0) < 0)
		return -errno;
	s.size = sizeof(s);
	s.runtime_ns = PROMPT_SLICE_NS;
	return syscall(SYS_sched_setattr, 0, &s, 0) < 0 ? -errno : 0;
}

int priority_yielding(void)
{
	/* On Linux 0 is the calling thread, whatever POSIX says. */
	return setpriority(PRIO_PROCESS, 0, YIELDING_NICE) < 0 ? -errno : 0;
}
