/* What threads ask of the scheduler, as the kernel sees it afterwards. */
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>

#include "core/priority.h"
#include "shared/macros.h"

static void *yield_and_tell(_unused_ void *arg)
{
	static int nice_seen;

	if (priority_yielding() < 0)
		return NULL;
	nice_seen = getpriority(PRIO_PROCESS, 0);
	return &nice_seen;
}

TEST(a_yielding_thread_is_nice_and_the_others_are_as_before)
{
	int before = getpriority(PRIO_PROCESS, 0);
	pthread_t thread;
	void *seen;

	assert_int_equal(pthread_create(&thread, NULL, yield_and_tell, NULL), 0);
	assert_int_equal(pthread_join(thread, &seen), 0);
	assert_non_null(seen);
	assert_int_equal(*(int *)seen, 10);
	assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
}

TEST(a_prompt_thread_keeps_its_niceness)
{
	int before = getpriority(PRIO_PROCESS, 0), r = priority_prompt();

	/* A kernel or filter that knows nothing of slices may say no, and nothing changes. */
	assert_true(r == 0 || r == -EPERM || r == -EINVAL || r == -ENOSYS || r == -E2BIG);
	assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
}
