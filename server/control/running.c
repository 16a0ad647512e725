/* The life of a request: see running.h. */
#include "control/running.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/control.h"
#include "control/handlers.h"
#include "control/metering.h"
#include "control/permits.h"
#include "control/recording.h"
#include "control/reload.h"
#include "control/replay.h"
#include "observe/trace.h"
#include "shared/clock.h"
#include "shared/err.h"

/* A fiber that gives up at the deadline needs a moment to say so. */
#define DEADLINE_GRACE_MS 500
#define ARENA_CHUNK 1024

/* --- the end --- */

static void finish_record(struct control_request *request, uint64_t now_ns)
{
	const unsigned flags = request->command->flags;
	enum outcome outcome = request->failure.outcome;
	bool is_refusal = outcome == OUTCOME_FORBIDDEN;

	metering_command((unsigned)(request->command - commands), outcome);
	if (request->is_audited || is_refusal || (flags & (COMMAND_PERSONAL | COMMAND_MUTATES)))
		(void)request_record(request, outcome_name(outcome), now_ns);
}

/* "ctl config.reload": what operators change is seen beside the requests that it changes. */
static void finish_trace(const struct control_request *request)
{
	enum outcome outcome = request->failure.outcome;
	struct span_details details = {};
	struct span span = { .name = "ctl",
		.name_rest = request->command->name,
		.kind = SPAN_INTERNAL,
		.details = &details,
		.start_ns = request->started_ns,
		.end_ns = clock_now_ns(),
		.error = outcome == OUTCOME_OK ? NULL : outcome_name(outcome) };

	if (!trace_is_on() || !(request->command->flags & COMMAND_MUTATES))
		return;
	span_number(&span, "user.uid", request->peer->uid);
	span_text(&span, "authd.ctl.result", outcome_name(outcome));
	span_number(&span, "authd.generation", (int64_t)reload_generation());
	trace_alone(&span);
}

static int finish(struct control_request *request, uint64_t now_ns)
{
	bool has_key = request->req_key.len > 0;
	size_t from = request->out->len;
	int r = request->writer.error;

	if (r == 0 && request->failure.outcome == OUTCOME_OK) {
		r = request_head(request);
		if (r == 0 && request->handler->answer)
			request->handler->answer(request);
	}
	if (r == 0)
		r = request_end(request, now_ns);
	finish_record(request, now_ns);
	finish_trace(request);
	if (has_key && r == 0 && (request->is_audited || request->is_dry_run))
		replay_store(request, from, now_ns);
	else if (has_key)
		replay_forget(request);
	request_free(request);
	return r;
}

int running_cancel(struct control_request *request, uint64_t now_ns)
{
	request_fail(request, OUTCOME_CANCELED, NULL, "cancelled by the client");
	return finish(request, now_ns);
}

/*
 * Changes whose client has gone while a core or a fiber works for them: they end as if it were
 * there, so that it finds the answer under its key when it comes back.
 */
#define ORPHANS_MAX 16
static struct orphan {
	struct control_request request;
	struct peer peer;
	struct buf out;
} orphans[ORPHANS_MAX];

static void adopt(struct control_request *request)
{
	for (unsigned i = 0; i < ORPHANS_MAX; i++) {
		struct orphan *orphan = &orphans[i];

		if (orphan->request.is_used)
			continue;
		orphan->out = buf_init(DIALOG_OUT_BYTES_MAX);
		orphan->peer = *request->peer;
		orphan->request = *request;
		*request = (struct control_request){};
		orphan->request.dialog = NULL;
		orphan->request.out = &orphan->out;
		orphan->request.peer = &orphan->peer;
		orphan->request.row_at = 0;
		return;
	}
}

void running_abandon(struct control_request *request, uint64_t now_ns)
{
	if (request->is_audited && (request->gather || request->errand))
		adopt(request);
	if (!request->is_used)
		return;
	if (request->is_audited)
		(void)request_record(request, "connection_lost", now_ns);
	if (request->req_key.len)
		replay_forget(request);
	request_free(request);
}

uint64_t running_orphans(uint64_t now_ns)
{
	uint64_t next_ns = CLOCK_NEVER;

	for (unsigned i = 0; i < ORPHANS_MAX; i++) {
		struct control_request *request = &orphans[i].request;

		if (!request->is_used)
			continue;
		if (running_progress(request, now_ns) < 0)
			request_free(request);
		if (request->is_used)
			next_ns = MIN(next_ns, running_next_ns(request));
		else
			buf_deinit(&orphans[i].out);
	}
	return next_ns;
}

void running_deinit(void)
{
	for (unsigned i = 0; i < ORPHANS_MAX; i++) {
		request_free(&orphans[i].request);
		buf_deinit(&orphans[i].out);
	}
	replay_deinit();
}

/* --- waiting --- */

/* Until when an errand is waited for. What blocks is not told that the time is over. */
static uint64_t errand_end_ns(const struct control_request *request)
{
	if (errand_is_blocking(request->errand))
		return request->deadline_ns;
	return clock_after_ms(request->deadline_ns, DEADLINE_GRACE_MS);
}

/* 1 it goes on, 0 it waits, negative the connection ends. */
static int others_wait(struct control_request *request, uint64_t now_ns)
{
	if (request->gather && !gather_is_over(request->gather, now_ns))
		return 0;
	if (!request->errand)
		return 1;
	if (errand_is_done(request->errand)) {
		int r = errand_result(request->errand);

		if (r < 0)
			request_fail(request, OUTCOME_BUSY, "authctl pool list", "%s", err_text(r));
		return 1;
	}
	if (now_ns < errand_end_ns(request))
		return 0;
	if (errand_is_blocking(request->errand))
		request_fail(request, OUTCOME_TIMEOUT, "authctl db ping, or a longer --timeout",
			"the store did not answer in time; what it does for this ends by itself");
	else
		request_fail(request, OUTCOME_TIMEOUT, "authctl core list",
			"a core did not answer in time");
	return 1;
}

static int heartbeat(struct control_request *request, uint64_t now_ns)
{
	if (now_ns < request->heartbeat_ns)
		return 0;
	request->heartbeat_ns = clock_after_ms(now_ns, FRAME_HEARTBEAT_MS);
	return request_heartbeat(request);
}

/* 1 it is over, 0 it goes on later, negative the connection ends. */
static int step(struct control_request *request, uint64_t now_ns)
{
	if (now_ns < request->step_ns)
		return heartbeat(request, now_ns);
	request->step_ns = CLOCK_NEVER;
	if (request->handler->step(request, now_ns))
		return 1;
	if (request->writer.error < 0)
		return request->writer.error;
	/* An answer that was waited for is not waited for again. */
	if (request->failure.outcome != OUTCOME_OK)
		return 1;
	return heartbeat(request, now_ns);
}

int running_progress(struct control_request *request, uint64_t now_ns)
{
	int r;

	if (!request_has_room(request))
		return 0;
	r = others_wait(request, now_ns);
	if (r <= 0)
		return r;
	if (request->handler->step && request->failure.outcome == OUTCOME_OK) {
		r = step(request, now_ns);
		if (r <= 0)
			return r;
	}
	return finish(request, now_ns);
}

uint64_t running_next_ns(const struct control_request *request)
{
	if (!request_has_room(request))
		return CLOCK_NEVER; /* the client reads first */
	if (request->gather && !gather_is_over(request->gather, 0))
		return gather_deadline_ns(request->gather);
	if (request->errand && !errand_is_done(request->errand))
		return errand_end_ns(request);
	if (request->handler->step)
		return MIN(request->step_ns, request->heartbeat_ns);
	return 0;
}

/* --- the beginning --- */

static struct control_request *slot_find(struct dialog *dialog)
{
	for (unsigned i = 0; i < DIALOG_REQUESTS_MAX; i++)
		if (!dialog->requests[i].is_used)
			return &dialog->requests[i];
	return NULL;
}

/* 0 it may run; 1 it is answered already; or -ENOMEM... */
static int replay_check(struct control_request *request, uint64_t now_ns)
{
	_cleanup_(buf_deinit) struct buf args = buf_init(2 * FRAME_REQUEST_BYTES_MAX);
	int r;

	request_args_print(request, &args);
	r = replay_begin(request, buf_str(&args), now_ns);
	switch (r) {
	case REPLAY_SENT:
		request_free(request);
		return 1;
	case REPLAY_OTHER:
		request_fail(
			request, OUTCOME_CONFLICT, NULL, "the key was used for another command");
		break;
	case REPLAY_RUNNING:
		request_fail(
			request, OUTCOME_BUSY, NULL, "the first request with this key still runs");
		break;
	case REPLAY_FULL:
		request_fail(request, OUTCOME_BUSY, NULL,
			"too many changes are being made at this moment");
		break;
	default:
		return MIN(r, 0);
	}
	request->req_key = (struct str){}; /* not ours to store an answer under */
	return 0;
}

static void permit_record(struct control_request *request, uint64_t now_ns)
{
	int r = request_record(request, "started", now_ns);

	request->is_audited = r == 0;
	if (r < 0)
		request_fail(request, OUTCOME_UNAVAILABLE,
			"see [control] audit_file; empty allows changes without a record",
			"the audit record cannot be written: %s", strerror(-r));
}

static bool is_good(const struct control_request *request)
{
	return request->failure.outcome == OUTCOME_OK;
}

/* 0 it may begin, 1 it is answered, or negative. */
static int admit(struct control_request *request, const struct json *args, uint64_t now_ns)
{
	bool is_change = request->command->flags & COMMAND_MUTATES;
	int r = 0;

	permit_level(request);
	if (is_good(request))
		r = request_arguments(request, args);
	if (r == -ENOMEM)
		return r;
	if (is_good(request))
		permit_arguments(request);
	if (is_good(request))
		permit_unasked(request);
	if (is_good(request) && is_change)
		permit_generation(request);
	if (is_good(request) && is_change && request->req_key.len) {
		r = replay_check(request, now_ns);
		if (r != 0)
			return r;
	} else {
		request->req_key = (struct str){};
	}
	if (is_good(request) && is_change && !request->is_dry_run)
		permit_record(request, now_ns);
	return 0;
}

/* Copies what the frame borrows from the line. */
static int strings_keep(struct control_request *request, const struct frame_request *frame)
{
	request->yes = arena_str(&request->arena, frame->yes);
	request->req_key = arena_str(&request->arena, frame->req_key);
	return request->yes.data && request->req_key.data ? 0 : -ENOMEM;
}

static uint64_t deadline_of(
	const struct command *command, const struct frame_request *frame, uint64_t now_ns)
{
	if (frame->deadline_ms)
		return clock_after_ms(now_ns, (uint64_t)frame->deadline_ms);
	if (command->flags & (COMMAND_STREAM | COMMAND_WAITS))
		return CLOCK_NEVER;
	return clock_after_ms(now_ns, REQUEST_DEADLINE_MS);
}

int running_start(struct dialog *dialog, const struct frame_request *frame, uint64_t now_ns)
{
	const struct command *command = command_find(frame->command);
	struct control_request *request = slot_find(dialog);
	int r;

	if (!command)
		return failure_write(&dialog->out, frame->id,
			&(struct request_failure){ .outcome = OUTCOME_UNKNOWN_COMMAND,
				.message = STR("this daemon has no such command"),
				.hint = STR("authctl help lists the commands") });
	if (!request)
		return failure_write(&dialog->out, frame->id,
			&(struct request_failure){ .outcome = OUTCOME_BUSY,
				.message =
					STR("four requests are in progress on this connection") });
	*request = (struct control_request){ .is_used = true,
		.dialog = dialog,
		.wake_fd = dialog->wake_fd,
		.context = dialog->context,
		.peer = &dialog->peer,
		.out = &dialog->out,
		.command = command,
		.handler = handler_find(frame->command),
		.id = frame->id,
		.generation = frame->generation,
		.is_dry_run = frame->is_dry_run,
		.started_ns = now_ns,
		.deadline_ns = deadline_of(command, frame, now_ns),
		.heartbeat_ns = clock_after_ms(now_ns, FRAME_HEARTBEAT_MS) };
	assert(request->handler);
	arena_init(&request->arena, ARENA_CHUNK, REQUEST_ARENA_BYTES_MAX);
	r = strings_keep(request, frame);
	if (r == 0)
		r = admit(request, frame->args, now_ns);
	if (r != 0)
		return MIN(r, 0);
	if (is_good(request) && request->handler->begin)
		request->handler->begin(request);
	return running_progress(request, now_ns);
}
