/* The loop: what is due is started, what epoll says is handled, until the last request ended. */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load/load.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define EVENTS_MAX 256
#define DESCRIPTORS_OTHER 16 /* standard streams, epoll, what a library may open */

/* Everything that may be open at the same time, so that no run fails in its middle. */
static int descriptors_check(const struct plan *plan)
{
	uint64_t wanted = DESCRIPTORS_OTHER;
	struct rlimit limit;

	for (unsigned i = 0; i < plan->stream_count; i++)
		wanted += plan->streams[i].kind == STREAM_OPEN ? plan->streams[i].outstanding_max
							       : plan->streams[i].connections;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	return wanted > limit.rlim_max ? -EMFILE : 0;
}

static uint64_t next_of(const struct load *load)
{
	bool is_waiting = load->now_ns >= load->end_ns && load->outstanding;
	uint64_t next_ns = is_waiting ? CLOCK_NEVER : load->end_ns;

	for (unsigned i = 0; i < load->plan->stream_count; i++)
		next_ns = MIN(next_ns, stream_next_ns(&load->streams[i]));
	return next_ns;
}

/* What was due before the end is started, though we may be late for it. */
static bool is_over(const struct load *load)
{
	if (load->now_ns < load->end_ns || load->outstanding)
		return false;
	for (unsigned i = 0; i < load->plan->stream_count; i++)
		if (load->streams[i].next_ns != CLOCK_NEVER)
			return false;
	return true;
}

/* ppoll() has nanoseconds; epoll_wait() would be late by up to one millisecond. */
static void wait_until(const struct load *load, uint64_t until_ns)
{
	struct pollfd epoll = { .fd = load->epoll, .events = POLLIN };
	uint64_t now_ns = clock_now_ns(), wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
	struct timespec wait = { .tv_sec = (time_t)(wait_ns / NS_PER_S),
		.tv_nsec = (long)(wait_ns % NS_PER_S) };

	(void)ppoll(&epoll, 1, until_ns == CLOCK_NEVER ? NULL : &wait, NULL);
}

static void events_handle(struct load *load)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(load->epoll, events, EVENTS_MAX, 0);

	if (count == 0) {
		wait_until(load, next_of(load));
		count = epoll_wait(load->epoll, events, EVENTS_MAX, 0);
	}
	for (int i = 0; i < count; i++) {
		load->now_ns = clock_now_ns();
		conn_event(events[i].data.ptr, events[i].events);
	}
}

int load_run(const struct plan *plan, struct load *load)
{
	int r = descriptors_check(plan);

	if (r < 0)
		return r;
	load->plan = plan;
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (load->epoll < 0)
		return -errno;
	load->now_ns = clock_now_ns();
	load->measured_ns = load->now_ns + plan->warmup_ns;
	load->end_ns = load->measured_ns + plan->seconds_ns;
	for (unsigned i = 0; i < plan->stream_count && r == 0; i++)
		r = stream_init(load, i, load->now_ns);
	if (r < 0)
		return r; /* and the program ends */
	while (!is_over(load)) {
		for (unsigned i = 0; i < plan->stream_count; i++) {
			load->now_ns = clock_now_ns();
			stream_turn(&load->streams[i]);
		}
		events_handle(load);
		conns_bury(load);
		load->now_ns = clock_now_ns();
	}
	for (unsigned i = 0; i < plan->stream_count; i++) {
		r = r < 0 ? r : stream_lines_write(&load->streams[i]);
		stream_deinit(&load->streams[i]);
	}
	conns_bury(load);
	close(load->epoll);
	return r;
}
