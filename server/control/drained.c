/*
 * pool drain, pool resume: a pool of the store lends no connections for a while, so that its server
 * can be worked on. It ends by itself; that is logged, as a force of a breaker that ends is.
 */
#include <stdio.h>
#include <string.h>

#include "control/gauges.h"
#include "control/handlers.h"
#include "control/reload.h"
#include "core/job.h"
#include "observe/log.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "store/store.h"

#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)
#define POOLS_MAX 2 /* reading and writing */

struct pool_named {
	struct str name;
	const struct job_queue *queue; /* NULL: none has the name */
	const char *text;
};

static void pool_look(const struct store_pool *pool, void *arg)
{
	struct pool_named *named = arg;

	if (!str_equal(named->name, str_cstr(pool->name)))
		return;
	named->queue = pool->queue;
	named->text = pool->name;
}

/* False: the failure is set. */
static bool pool_find(struct control_request *request, struct pool_named *named)
{
	named->name = request_text(request, "name");
	store_pools_each(pool_look, named);
	if (!named->queue)
		request_fail(request, OUTCOME_NOT_FOUND, "authctl pool list",
			"only pools of connections to the store can: '" STR_FORMAT "' is none",
			STR_ARGS(named->name));
	return named->queue;
}

static void drain_row(struct control_request *request, const struct pool_named *named, uint64_t ms,
	unsigned refused)
{
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "pool", named->name);
	json_put_u64(w, "in_use", READ(named->queue->running));
	json_put_u64(w, "refused", refused);
	if (ms)
		json_put_double(w, "until", (double)ms / 1000);
	else
		json_put_null(w, "until");
	json_put_bool(w, "done", !request->is_dry_run);
	request_row_end(request);
}

void handle_pool_drain(struct control_request *request)
{
	uint64_t ms = request_number(request, "for", 0);
	struct pool_named named = {};
	unsigned refused;

	if (!pool_find(request, &named))
		return;
	if (!ms || ms > OVERRIDE_MS_MAX) {
		request_fail_argument(request, "for", "for how long? 1s..24h");
		return;
	}
	refused = READ(named.queue->queued);
	if (!request->is_dry_run)
		(void)store_pool_drain(named.text, ms, &refused);
	drain_row(request, &named, ms, refused);
	request_notice(request,
		"undo: authctl pool resume %s; until none is lent: authctl wait pool %s idle",
		named.text, named.text);
}

void handle_pool_resume(struct control_request *request)
{
	struct pool_named named = {};
	unsigned refused = 0;

	if (!pool_find(request, &named))
		return;
	if (!job_queue_refusal_ns(named.queue, clock_now_ns())) {
		request_fail(request, OUTCOME_CONFLICT, "authctl pool list", "%s is not drained",
			named.text);
		return;
	}
	if (!request->is_dry_run)
		(void)store_pool_drain(named.text, 0, &refused);
	drain_row(request, &named, 0, refused);
}

static void pool_count(const struct store_pool *pool, void *count)
{
	*(unsigned *)count += job_queue_refusal_ns(pool->queue, clock_now_ns()) > 0;
}

unsigned metering_pools_drained(void)
{
	unsigned count = 0;

	store_pools_each(pool_count, &count);
	return count;
}

struct change_look {
	unsigned at;
	uint64_t now_ns;
};

static void change_look(const struct store_pool *pool, void *arg)
{
	static bool was_drained[POOLS_MAX];
	struct change_look *look = arg;
	bool is_drained = job_queue_refusal_ns(pool->queue, look->now_ns) > 0;

	if (look->at == POOLS_MAX)
		return;
	if (is_drained && !was_drained[look->at])
		log_event(LOG_LEVEL_WARN, "pool.drained",
			STR("no connection of the pool is lent; calls are refused"),
			LOG_TEXT("authd.pool", str_cstr(pool->name)));
	else if (!is_drained && was_drained[look->at])
		log_event(LOG_LEVEL_INFO, "pool.resumed", STR("connections are lent again"),
			LOG_TEXT("authd.pool", str_cstr(pool->name)));
	was_drained[look->at++] = is_drained;
}

void pools_tick(uint64_t now_ns)
{
	struct change_look look = { .now_ns = now_ns };

	store_pools_each(change_look, &look);
}
