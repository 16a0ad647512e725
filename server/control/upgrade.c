/* upgrade: the next daemon, started and watched by this one. Progress is a row for each step. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "control/handlers.h"
#include "shared/clock.h"
#include "shared/err.h"
#include "shared/macros.h"

#define LOOK_MS 10
/* For the answer, when the next one is not ready in time. */
#define ANSWER_MS 500

struct watching {
	unsigned seen; /* steps */
};

static uint64_t ready_ms(const struct control_request *request)
{
	uint64_t now_ns = clock_now_ns(), left_ms;

	if (request->deadline_ns == CLOCK_NEVER)
		return REQUEST_DEADLINE_MS;
	left_ms = request->deadline_ns > now_ns ? (request->deadline_ns - now_ns) / NS_PER_MS : 0;
	return left_ms > ANSWER_MS ? left_ms - ANSWER_MS : 0;
}

void upgrade_begin(struct control_request *request)
{
	const struct control_upgrade *upgrade = request->context->upgrade;
	int r = request->is_dry_run ? 0 : upgrade->start(ready_ms(request));

	request->state = calloc(1, sizeof(struct watching));
	if (r == 0)
		return;
	if (r == -EBUSY)
		request_fail(request, OUTCOME_BUSY, "authctl status",
			"an upgrade is under way: the daemon before this one, or the next one, is"
			" still there");
	else if (r == -EPERM)
		request_fail(request, OUTCOME_UNAVAILABLE,
			"start another container beside this one, and end this one then",
			"this daemon is process 1 of a container, which ends with it");
	else if (r == -ERR_DRAINING)
		request_fail(request, OUTCOME_UNAVAILABLE, NULL, "this daemon ends already");
	else
		request_fail(request, OUTCOME_FAILED, NULL, "%s", err_text(r));
}

static void step_row(struct control_request *request, const struct control_upgrade_step *step)
{
	struct json_writer *w;

	(void)request_head(request);
	w = request_row_begin(request);
	json_put_str(w, "step", str_cstr(step->name));
	if (step->pid)
		json_put_i64(w, "pid", step->pid);
	else
		json_put_null(w, "pid");
	json_put_double(w, "time", (double)step->took_ns / NS_PER_S);
	json_put_str(w, "detail", str_cstr(step->detail));
	request_row_end(request);
}

static void dry_row(struct control_request *request)
{
	struct control_upgrade_step step = { .name = "dry run" };

	(void)snprintf(step.detail, sizeof(step.detail), "would start %.1000s",
		request->context->upgrade->program());
	step_row(request, &step);
}

/* One line, unless it is about a file: then editors find its lines. */
static void upgrade_failed(struct control_request *request, struct control_upgrade_step *step)
{
	if (step->end == UPGRADE_BAD_CONFIG) {
		request_fail(request, OUTCOME_BAD_CONFIG, NULL, "%s", step->detail);
		return;
	}
	for (char *at = step->detail; (at = strchr(at, '\n')); at++)
		*at = ' ';
	request_fail(request, OUTCOME_FAILED,
		"this daemon serves on; authd --check, authctl log tail", "%s", step->detail);
}

bool upgrade_step(struct control_request *request, uint64_t now_ns)
{
	const struct control_upgrade *upgrade = request->context->upgrade;
	struct watching *watching = request->state;
	struct control_upgrade_step step;

	if (request->is_dry_run) {
		dry_row(request);
		return true;
	}
	while (watching && upgrade->step(watching->seen, &step)) {
		watching->seen++;
		if (step.end >= UPGRADE_FAILED)
			upgrade_failed(request, &step);
		else
			step_row(request, &step);
		if (step.end == UPGRADE_DONE) {
			control_shut(); /* the operator's next command finds the next daemon */
			upgrade->told();
		}
		if (step.end != UPGRADE_GOES_ON)
			return true;
	}
	request->step_ns = clock_after_ms(now_ns, LOOK_MS);
	return !watching; /* no memory to follow it: it goes on, the log tells how */
}
