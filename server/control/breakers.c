/* breaker ...: how the circuit breakers are, and forcing them for a while; and admission. */
#include <stdio.h>

#include "control/handlers.h"
#include "control/reload.h"
#include "guard/admission.h"
#include "guard/breaker.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define NAME_BYTES 64
#define HISTORY_BYTES_MAX 8192 /* BREAKER_HISTORY_MAX changes of about 80 characters */

static void put_ns(struct json_writer *w, const char *key, uint64_t ns)
{
	if (!ns || ns == CLOCK_NEVER)
		json_put_null(w, key);
	else
		json_put_double(w, key, (double)ns / NS_PER_S);
}

static void put_error(struct json_writer *w, const struct breaker_view *view)
{
	char time[CLOCK_RFC3339_BYTES];

	json_put_str(w, "error", str_cstr(view->error));
	if (view->error_ms)
		json_put_str(w, "error_time", clock_rfc3339(view->error_ms, time));
	else
		json_put_null(w, "error_time");
}

/* "04:31:02 closed->open failures (40 of 40)", newest first, one on each line of a screen. */
static void put_history(struct json_writer *w, const struct breaker_view *view)
{
	_cleanup_(buf_deinit) struct buf text = buf_init(HISTORY_BYTES_MAX);

	for (unsigned i = 0; i < view->history_count; i++) {
		const struct breaker_change *change = &view->history[i];
		char time[CLOCK_RFC3339_BYTES];

		(void)!buf_printf(&text, "%s%.8s %s->%s %s (%u of %u)", i ? "   " : "",
			clock_rfc3339(change->at_ms, time).data + 11,
			breaker_state_name(change->from), breaker_state_name(change->to),
			change->reason, change->failures, change->calls);
	}
	json_put_str(w, "history", buf_str(&text));
}

static void breaker_row(struct control_request *request, const struct breaker_view *view)
{
	struct json_writer *w = request_row_begin(request);

	json_put_str(w, "breaker", str_cstr(view->name));
	json_put_str(w, "state", str_cstr(breaker_state_name(view->state)));
	json_put_str(w, "mode", str_cstr(breaker_mode_name(view->mode)));
	put_ns(w, "forced", view->forced_ns);
	json_put_u64(w, "calls", view->calls);
	json_put_u64(w, "failures", view->failures);
	put_ns(w, "retry", view->retry_ns);
	json_put_u64(w, "refused", view->refused_total);
	json_put_u64(w, "opened", view->opened_total);
	put_error(w, view);
	put_history(w, view);
	request_row_end(request);
}

static void breaker_visit(struct breaker *breaker, void *arg)
{
	struct breaker_view view;

	breaker_view(breaker, &view);
	breaker_row(arg, &view);
}

void handle_breaker_list(struct control_request *request)
{
	breaker_each(breaker_visit, request);
}

/* The one that the request names, or NULL and the request has failed. */
static struct breaker *breaker_named(struct control_request *request)
{
	struct str name = request_text(request, "name");
	struct breaker *breaker = breaker_find(name.data);

	if (!breaker)
		request_fail(request, OUTCOME_NOT_FOUND, "authctl breaker list",
			"no breaker named '" STR_FORMAT "'", STR_ARGS(name));
	return breaker;
}

void handle_breaker_show(struct control_request *request)
{
	struct breaker *breaker = breaker_named(request);

	if (breaker)
		breaker_visit(breaker, request);
}

static void force(struct control_request *request, enum breaker_mode mode, uint64_t ms)
{
	struct breaker *breaker = breaker_named(request);

	if (!breaker)
		return;
	if (mode != BREAKER_AUTO && (!ms || ms > OVERRIDE_MS_MAX)) {
		request_fail_argument(request, "for", "for how long? 1s..24h");
		return;
	}
	if (!request->is_dry_run)
		breaker_force(breaker, mode, ms);
	if (mode != BREAKER_AUTO)
		request_notice(request, "undo: authctl breaker auto " STR_FORMAT,
			STR_ARGS(request_text(request, "name")));
	breaker_visit(breaker, request);
}

void handle_breaker_open(struct control_request *request)
{
	force(request, BREAKER_FORCED_OPEN, request_number(request, "for", 0));
}

void handle_breaker_close(struct control_request *request)
{
	force(request, BREAKER_FORCED_CLOSED, request_number(request, "for", 0));
}

void handle_breaker_auto(struct control_request *request)
{
	force(request, BREAKER_AUTO, 0);
}

void handle_admission_show(struct control_request *request)
{
	struct admission_view view;
	struct json_writer *w = request_row_begin(request);
	uint64_t refused = 0;

	admission_view(&view, clock_now_ns());
	json_put_u64(w, "in_progress", view.in_progress);
	json_put_u64(w, "max", view.concurrent_max);
	json_put_double(w, "wait", (double)view.wait_ns / NS_PER_S);
	json_put_double(w, "wait_max", (double)view.limit_ns / NS_PER_S);
	json_put_u64(w, "admitted", view.admitted);
	for (enum admission_reason reason = 0; reason < ADMISSION_REASONS; reason++) {
		char key[NAME_BYTES];

		(void)snprintf(key, sizeof(key), "refused_%s", admission_reason_name(reason));
		json_put_u64(w, key, view.refused[reason]);
		refused += view.refused[reason];
	}
	json_put_u64(w, "refused", refused);
	request_row_end(request);
}
