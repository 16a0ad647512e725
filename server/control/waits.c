/*
 * wait COND: looks several times a second, on the control thread, until something is so. It
 * replaces sleeping in scripts; the client's --timeout ends it.
 */
#include <errno.h>

#include "control/control.h"
#include "control/handlers.h"
#include "control/reload.h"
#include "core/core.h"
#include "core/job.h"
#include "core/pool.h"
#include "http/server.h"
#include "shared/clock.h"
#include "shared/macros.h"
#include "store/store.h"

#define LOOK_MS 50
#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

struct condition {
	const char *form; /* capitals stand for an argument */
	/* 1 it is so, 0 not yet, -ENOENT: the argument names nothing. */
	int (*is_met)(const struct control_request *request, struct str argument);
};

static int is_ready(const struct control_request *request, _unused_ struct str argument)
{
	struct store_health store;

	store_health(&store);
	return store.is_up && !request->context->is_draining();
}

static int is_drained(_unused_ const struct control_request *request, _unused_ struct str argument)
{
	for (unsigned i = 0; i < cores_count(); i++)
		if (!READ(core_at(i)->is_ended))
			return 0;
	return 1;
}

static int is_confirmed(
	_unused_ const struct control_request *request, _unused_ struct str argument)
{
	return !reload_unconfirmed_ms(clock_now_ns());
}

static int is_generation(_unused_ const struct control_request *request, struct str argument)
{
	uint64_t number;

	if (str_to_u64(argument, &number) < 0)
		return -ENOENT;
	return reload_generation() >= number;
}

struct idle {
	struct str name;
	bool is_known, is_busy;
};

static void pool_look(const struct pool *pool, void *arg)
{
	struct idle *idle = arg;

	if (!str_equal(idle->name, str_cstr(pool->options.name)))
		return;
	idle->is_known = true;
	idle->is_busy |= READ(pool->in_use) > 0;
}

static void queue_look(const struct job_queue *queue, void *arg)
{
	struct idle *idle = arg;

	if (!str_equal(idle->name, str_cstr(queue->name)))
		return;
	idle->is_known = true;
	idle->is_busy |= READ(queue->running) || READ(queue->queued);
}

static int is_pool_idle(_unused_ const struct control_request *request, struct str argument)
{
	struct idle idle = { .name = argument };

	pool_each(pool_look, &idle);
	job_queue_each(queue_look, &idle);
	return idle.is_known ? !idle.is_busy : -ENOENT;
}

static const struct condition conditions[] = {
	{ "ready", is_ready },
	{ "drained", is_drained },
	{ "confirmed", is_confirmed },
	{ "generation N", is_generation },
	{ "pool NAME idle", is_pool_idle },
};

/* Does the text have the form? The word in the place of capitals is the argument. */
static bool form_matches(const char *form, struct str text, struct str *ret_argument)
{
	struct str rest = str_cstr(form), want, have;

	while (str_split(&rest, ' ', &want)) {
		if (!str_split(&text, ' ', &have))
			return false;
		if (want.data[0] >= 'A' && want.data[0] <= 'Z')
			*ret_argument = have;
		else if (!str_equal(want, have))
			return false;
	}
	return !text.len;
}

static const struct condition *condition_find(struct str text, struct str *ret_argument)
{
	for (unsigned i = 0; i < ARRAY_SIZE(conditions); i++)
		if (form_matches(conditions[i].form, text, ret_argument))
			return &conditions[i];
	return NULL;
}

void wait_begin(struct control_request *request)
{
	struct str argument;

	if (!condition_find(request_text(request, "condition"), &argument))
		request_fail_argument(request, "condition",
			"wait for what? ready, drained, confirmed, generation N, pool NAME idle");
}

bool wait_step(struct control_request *request, uint64_t now_ns)
{
	struct str text = request_text(request, "condition"), argument = {};
	const struct condition *condition = condition_find(text, &argument);
	int r = condition->is_met(request, argument);
	struct json_writer *w;

	if (r < 0)
		request_fail(request, OUTCOME_NOT_FOUND, NULL, "nothing is named '" STR_FORMAT "'",
			STR_ARGS(argument));
	else if (r == 0 && now_ns >= request->deadline_ns)
		request_fail(request, OUTCOME_TIMEOUT, NULL, "'" STR_FORMAT "' is not so yet",
			STR_ARGS(text));
	if (r < 0 || request->failure.outcome != OUTCOME_OK)
		return true;
	if (r == 0) {
		request->step_ns = MIN(clock_after_ms(now_ns, LOOK_MS), request->deadline_ns);
		return false;
	}
	(void)request_head(request);
	w = request_row_begin(request);
	json_put_str(w, "condition", text);
	json_put_double(w, "waited", (double)(now_ns - request->started_ns) / NS_PER_S);
	request_row_end(request);
	return true;
}
