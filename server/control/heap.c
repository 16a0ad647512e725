/* mem purge and mem profile: giving memory back, asked or not, and what the heap is used for. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/dialog.h"
#include "control/handlers.h"
#include "control/memory.h"
#include "observe/allocator.h"
#include "observe/log.h"
#include "observe/surplus.h"
#include "shared/clock.h"

#define PROFILE_MS_MAX UINT64_C(86400000)

static uint64_t profile_until_ns; /* 0: it is off */

void handle_mem_purge(struct control_request *request)
{
	uint64_t before = memory_rss(), after;
	struct json_writer *w;

	if (!request->is_dry_run)
		allocator_purge();
	after = memory_rss();
	w = request_row_begin(request);
	json_put_u64(w, "before", before);
	json_put_u64(w, "after", after);
	json_put_bool(w, "done", !request->is_dry_run);
	request_row_end(request);
}

static void failed(struct control_request *request, int error)
{
	if (error == -EOPNOTSUPP)
		request_fail(request, OUTCOME_UNAVAILABLE,
			"start authd with jemalloc: LD_PRELOAD=libjemalloc.so.2, or build it with -Djemalloc=enabled",
			"the allocator keeps no profiles");
	else if (error == -ENODEV)
		request_fail(request, OUTCOME_UNAVAILABLE, "MALLOC_CONF=prof:true",
			"jemalloc was started without profiling");
	else
		request_fail(request, OUTCOME_FAILED, NULL, "no profile: %s", strerror(-error));
}

static int start(struct control_request *request)
{
	uint64_t ms = request_number(request, "for", 0);
	int r;

	if (!ms || ms > PROFILE_MS_MAX) {
		request_fail_argument(request, "for", "for how long? 1s..24h");
		return 0;
	}
	r = request->is_dry_run ? allocator_profile_check() : allocator_profile(true);
	if (r == 0 && !request->is_dry_run)
		profile_until_ns = clock_after_ms(clock_now_ns(), ms);
	return r;
}

static int stop(struct control_request *request)
{
	if (request->is_dry_run)
		return allocator_profile_check();
	profile_until_ns = 0;
	return allocator_profile(false);
}

static int dump(struct control_request *request)
{
	int fd, r;

	if (request->is_dry_run)
		return allocator_profile_check();
	fd = memfd_create("authd-heap", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = allocator_profile_dump(fd);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		return dialog_pass(request->dialog, fd);
	close(fd);
	return r;
}

void handle_mem_profile(struct control_request *request)
{
	struct str action = request_text(request, "action");
	struct json_writer *w;
	int r = 0;

	if (str_equal(action, STR("start")))
		r = start(request);
	else if (str_equal(action, STR("stop")))
		r = stop(request);
	else if (str_equal(action, STR("dump")))
		r = dump(request);
	else
		request_fail_argument(request, "action", "start, stop or dump?");
	if (r < 0)
		failed(request, r);
	if (request->failure.outcome != OUTCOME_OK)
		return;
	w = request_row_begin(request);
	json_put_bool(w, "on", profile_until_ns != 0);
	if (profile_until_ns)
		json_put_u64(w, "left", (profile_until_ns - clock_now_ns()) / NS_PER_S);
	else
		json_put_null(w, "left");
	json_put_bool(w, "done", !request->is_dry_run);
	request_row_end(request);
}

static void profile_end(uint64_t now_ns)
{
	if (!profile_until_ns || now_ns < profile_until_ns)
		return;
	profile_until_ns = 0;
	(void)allocator_profile(false);
	log_event(
		LOG_LEVEL_INFO, "heap.profile_ended", STR("the time of the heap profile is over"));
}

/* --- what a burst left behind --- */

static int64_t idle_bytes(void)
{
	struct allocator_stats heap;

	allocator_stats(&heap);
	return (int64_t)memory_rss() - (int64_t)heap.allocated;
}

static void surplus_tick(uint64_t now_ns)
{
	static struct surplus surplus;
	static uint64_t look_ns;
	uint64_t before, started_ns, took_ns;

	if (now_ns < look_ns)
		return;
	look_ns = clock_after_ms(now_ns, SURPLUS_LOOK_MS);
	if (!surplus_look(&surplus, idle_bytes()))
		return;
	before = memory_rss();
	started_ns = clock_now_ns();
	allocator_purge();
	took_ns = clock_now_ns() - started_ns;
	surplus_given_back(&surplus, idle_bytes());
	log_event(LOG_LEVEL_DEBUG, "heap.given_back",
		STR("memory of a burst goes back to the system"),
		LOG_NUMBER("before", (int64_t)before), LOG_NUMBER("after", (int64_t)memory_rss()),
		LOG_SECONDS("duration_s", took_ns));
}

uint64_t heap_profile_left_ns(uint64_t now_ns)
{
	return profile_until_ns > now_ns ? profile_until_ns - now_ns : 0;
}

void heap_tick(uint64_t now_ns)
{
	profile_end(now_ns);
	surplus_tick(now_ns);
}
